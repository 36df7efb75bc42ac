//! Peers that take associations with equal selectors for duplicates (draft-duffy §6.1), as IKEv1's do now and then.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{NhlfeId, SaId, VrfId};
use fwd_core::op::Ends;
use fwd_core::time::Instant;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::event::{Input as IkeInput, Output as IkeOutput};
use ipsec_vlink::ike::{ChildConfig, ChildSaId, IkeSuite, PeerConfig as IkePeer, PeerId as IkePeerId, v1};
use ipsec_vlink::vlink::{
    Config, ConfigError, Event, Input, LinkConfig, LinkId, LinkState, Output, PeerConfig, SaRequest, VirtualLinks,
};

use crate::world::vpn;

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Virtual links over IKEv1, and a peer that may delete what it takes for duplicates.
struct Pair {
    now: Instant,
    links: VirtualLinks,
    ikes: [v1::Ike<RustCrypto>; 2],
    peers: [IkePeerId; 2],
    requests: Vec<SaRequest>,
    children: Vec<(ChildSaId, SaId)>,
    /// Those of the peer, the oldest first.
    theirs: Vec<ChildSaId>,
    deletes: bool,
    events: Vec<Event>,
    asked: usize,
}

impl Pair {
    fn new(deletes: bool) -> Self {
        let now = Instant::from_secs(1);
        let ikes =
            ["a", "b"].map(|seed| v1::Ike::new(now, v1::Config::default(), RustCrypto::new(seed.as_bytes())).unwrap());
        let mut pair = Self {
            now,
            links: VirtualLinks::new(now, Config::default()).unwrap(),
            ikes,
            peers: [IkePeerId(0); 2],
            requests: Vec::new(),
            children: Vec::new(),
            theirs: Vec::new(),
            deletes,
            events: Vec::new(),
            asked: 0,
        };
        let ends: [IpAddr; 2] = [OURS.into(), THEIRS.into()];
        for n in 0..2 {
            let mut cfg = IkePeer::psk(ends[n], ends[1 - n], b"key");
            cfg.suites =
                vec![IkeSuite { group: IkeSuite::AES_GCM_128_X25519.group, ..IkeSuite::AES_CBC_256_MODP_2048 }];
            cfg.vpn_context = true;
            pair.peers[n] = pair.ikes[n].add_peer(cfg, v1::Phase1::Main).unwrap();
        }
        pair
    }

    fn outputs(&mut self) {
        while let Some(output) = self.links.poll_output() {
            match output {
                Output::RequestSa(request) => {
                    self.asked += 1;
                    if !self.requests.iter().any(|known| known.sa == request.sa) {
                        let child = ChildConfig {
                            local: vec![request.selectors.0],
                            remote: vec![request.selectors.1],
                            context: request.context.clone(),
                            ..ChildConfig::any_v4(request.sa.0.into())
                        };
                        for n in 0..2 {
                            self.ikes[n].add_child(self.peers[n], child.clone()).unwrap();
                        }
                        self.requests.push(request.clone());
                    }
                    self.ikes[0].connect(self.now, self.peers[0], request.sa.0.into()).unwrap();
                }
                Output::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.outputs();
            let mut datagrams = Vec::new();
            for n in 0..2 {
                while let Some(output) = self.ikes[n].poll_output() {
                    match output {
                        IkeOutput::Datagram { from, to, octets } => datagrams.push((1 - n, from, to, octets)),
                        IkeOutput::Install(child) if n == 0 => {
                            let sa = SaId(child.tag as u16);
                            self.children.push((child.id, sa));
                            self.links.handle_input(self.now, Input::SaUp { sa, context: child.context.as_ref() });
                        }
                        IkeOutput::Remove(child) if n == 0 => {
                            let sa = self.children.iter().find(|c| c.0 == child).unwrap().1;
                            self.links.handle_input(self.now, Input::SaDown { sa });
                        }
                        IkeOutput::Install(child) => {
                            self.theirs.push(child.id);
                            if self.deletes && self.theirs.len() > 1 {
                                let old = self.theirs.remove(0);
                                self.ikes[1].delete_child(self.now, old).unwrap();
                            }
                        }
                        _ => {}
                    }
                }
            }
            if datagrams.is_empty() {
                let timers = [self.links.next_timeout(), self.ikes[0].next_timeout(), self.ikes[1].next_timeout()];
                let Some(due) = timers.into_iter().flatten().min().filter(|due| *due <= end) else { break };
                self.now = self.now.max(due);
                self.links.handle_timeout(self.now);
                self.ikes.iter_mut().for_each(|ike| ike.handle_timeout(self.now));
            }
            for (to_end, from, to, octets) in datagrams {
                self.ikes[to_end].handle_input(self.now, IkeInput::Datagram { from, to, octets: &octets });
            }
        }
        self.outputs();
        self.now = end;
    }

    fn link(&mut self, n: u32, peer: ipsec_vlink::vlink::PeerId) -> Result<LinkId, ConfigError> {
        let cfg = LinkConfig::new(peer, vpn(n), VrfId(n as u16), Architecture::TunnelSa);
        let link = self.links.add_link(self.now, cfg);
        self.run(Duration::from_secs(2));
        link
    }
}

/// Three links by SPI need three associations with the same selectors. A peer that leaves them alone has them; one that deletes
/// the older of two is found out: the link stays down, is not asked for again and again, and a third one is refused.
///
/// Shows: VLINK-6.1-C3
#[test]
fn a_peer_that_deletes_duplicates_is_found_out() {
    for deletes in [false, true] {
        let mut pair = Pair::new(deletes);
        let ends = Ends::V4 { local: OURS, remote: THEIRS };
        let peer = pair.links.add_peer(PeerConfig::pe(ends, NhlfeId(0)));
        let first = pair.link(1, peer).unwrap();
        assert_eq!(pair.links.state(first), LinkState::Up);
        let second = pair.link(2, peer).unwrap();
        assert_eq!(pair.links.state(second), LinkState::Up);
        let told = Event::DuplicatesDeleted { peer, link: first };
        assert_eq!(pair.events.contains(&told), deletes);
        assert_eq!(pair.links.state(first), if deletes { LinkState::Down } else { LinkState::Up });
        let asked = pair.asked;
        pair.run(Duration::from_secs(120));
        assert_eq!((pair.asked, pair.links.state(second)), (asked, LinkState::Up), "no quarrel over who is up");
        let third = pair.link(3, peer);
        assert_eq!(third.err(), deletes.then_some(ConfigError::Duplicates));
    }
}
