//! Arbitrary stimuli against the machine of virtual links. The fuzz target `drive_vlink` runs it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use arbitrary::Unstructured;
use fwd_core::net::{NhlfeId, SaId, VlinkId, VpnId, VrfId};
use fwd_core::op::{Ends, FwdOp};
use fwd_core::time::Instant;
use fwd_core::wire::l2tpv3::Cookie;
use ipsec_vlink::arch::{Architecture, addresses};
use ipsec_vlink::ike::VpnContext;
use ipsec_vlink::l2tp::PseudowireType;
use ipsec_vlink::l2tp::control::{Address, PeerId as L2tpPeer, SessionUp};
use ipsec_vlink::spd::{Action, Packet, Spd};
use ipsec_vlink::vlink::{
    Config, Event, Input, LinkConfig, LinkId, Output, PeerConfig, PeerId, Security, VirtualLinks,
};

const POLICIES: [Security; 4] = [Security::Clear, Security::Discard, Security::Integrity, Security::Esp];

fn ends(host: u8) -> Ends {
    Ends::V4 { local: Ipv4Addr::new(192, 0, 2, host), remote: Ipv4Addr::new(198, 51, 100, host) }
}

/// What the forwarding plane and the neighbours hold.
#[derive(Default)]
struct Books {
    vlinks: BTreeSet<VlinkId>,
    entries: BTreeSet<NhlfeId>,
    up: BTreeMap<LinkId, NhlfeId>,
    requests: BTreeSet<SaId>,
    advertised: BTreeSet<(LinkId, u32)>,
}

impl Books {
    fn keep(&mut self, links: &mut VirtualLinks) {
        while let Some(output) = links.poll_output() {
            match output {
                Output::Program(FwdOp::SetVlink { id, .. }) => drop(self.vlinks.insert(id)),
                Output::Program(FwdOp::ClearVlink { id }) => drop(self.vlinks.remove(&id)),
                Output::Program(FwdOp::SetVlinkOutput { id, .. }) => assert!(self.vlinks.contains(&id)),
                Output::Program(FwdOp::SetNhlfe { id, .. }) => drop(self.entries.insert(id)),
                Output::Program(FwdOp::ClearNhlfe { id }) => {
                    // Whoever routes knew before.
                    assert!(!self.up.values().any(|entry| *entry == id), "cleared below a route");
                    self.entries.remove(&id);
                }
                Output::Program(_) => {}
                Output::RequestSa(request) => drop(self.requests.insert(request.sa)),
                Output::ReleaseSa { sa } => drop(self.requests.remove(&sa)),
                Output::Advertise { link, key, .. } => drop(self.advertised.insert((link, key))),
                Output::Withdraw { link, key } => drop(self.advertised.remove(&(link, key))),
                Output::Event(Event::LinkUp { link, entry, mtu, .. }) => {
                    assert!(self.entries.contains(&entry), "announced before it is programmed");
                    assert!(mtu > 0);
                    self.up.insert(link, entry);
                }
                Output::Event(Event::LinkDown { link }) => drop(self.up.remove(&link)),
                _ => {}
            }
        }
    }
}

/// Runs the octets as stimuli.
pub fn run(data: &[u8]) {
    let _ = drive(&mut Unstructured::new(data));
}

fn drive(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut now = Instant::from_secs(1);
    let cfg = Config { keys: 1..9, labels: 16..24, links: 12, ..Config::default() };
    let mut links = VirtualLinks::new(now, cfg).unwrap();
    let mut cfg = PeerConfig::pe(ends(1), NhlfeId(0));
    (cfg.clear, cfg.l2tp) = (Some(ends(2)), Some(L2tpPeer(0)));
    links.add_peer(cfg);
    links.add_peer(PeerConfig::ce(ends(3), NhlfeId(0), VpnId::new(1, 1).unwrap()));
    let (mut books, mut added) = (Books::default(), 0);
    while !u.is_empty() {
        let link = LinkId(u.int_in_range(0..=15)?);
        let sa = SaId(u.int_in_range(1..=14)?);
        match u.int_in_range(0..=11)? {
            0 => {
                let (peer, vpn) = (PeerId(u.int_in_range(0..=2)?), VpnId::new(1, u.int_in_range(0..=4)?).unwrap());
                let mut cfg = LinkConfig::new(peer, vpn, VrfId(1), u.arbitrary::<Architecture>()?);
                cfg.security = *u.choose(&POLICIES)?;
                cfg.ends = u.arbitrary::<bool>()?.then(|| ends(9 + added as u8));
                (cfg.index, cfg.watched) = (u.int_in_range(0..=2)?, u.arbitrary()?);
                cfg.remote_key = u.arbitrary::<bool>()?.then_some(17);
                if links.add_link(now, cfg).is_ok() {
                    added += 1;
                }
                assert!(added < 64 || links.len() <= 12);
            }
            1 => links.remove_link(now, link),
            2 => {
                let context = VpnContext::link(VpnId::new(1, u.int_in_range(0..=4)?).unwrap(), 0);
                let said = u.arbitrary::<bool>()?.then_some(&context);
                links.handle_input(now, Input::SaUp { sa, context: said });
            }
            3 => links.handle_input(now, Input::SaDown { sa }),
            4 => {
                let up = SessionUp {
                    remote: Address { ip: [198, 51, 100, 2].into(), port: None },
                    local_id: u.int_in_range(1..=3)?,
                    remote_id: 1,
                    local_cookie: Cookie::NONE,
                    remote_cookie: Cookie::NONE,
                    local_sublayer: false,
                    remote_sublayer: false,
                    remote_sequencing: false,
                    pseudowire: PseudowireType::IP,
                };
                links.handle_input(now, Input::SessionUp { link, up: &up });
            }
            5 => links.handle_input(now, Input::SessionDown { link }),
            6 => {
                let key = u.arbitrary::<bool>()?.then_some(18);
                links.handle_input(now, Input::RemoteKey { link, key });
            }
            7 => links.handle_input(now, Input::Alive { link, alive: u.arbitrary()? }),
            9 => drop(links.secure(now, link, *u.choose(&POLICIES)?)),
            10 => {
                let (local, _) = addresses(&ends(u.int_in_range(1..=3)?));
                let remote = IpAddr::V4(Ipv4Addr::new(198, 51, 100, u.int_in_range(0..=3)?));
                let protocol = *u.choose(&[4, 47, 115, 137, 6])?;
                let packet = Packet { local, remote, protocol, ports: (0, 0) };
                let through = u.arbitrary::<bool>()?.then_some(sa);
                if links.inbound(now, &packet, through).is_ok() && through.is_none() {
                    let lets_by = |spd: &Spd| spd.find(&packet).is_some_and(|policy| policy.action == Action::Bypass);
                    let by = (0..added).any(|n| links.spd(LinkId(n)).is_some_and(lets_by));
                    assert!(by, "a packet in clear passed that no policy lets by");
                }
            }
            8 => {
                now = now + Duration::from_millis(u.arbitrary::<u16>()?.into());
                links.handle_timeout(now);
                assert!(links.next_timeout().is_none_or(|at| at > now));
            }
            _ => links.handle_input(now, Input::PathMtu { peer: PeerId(0), mtu: u.int_in_range(1000..=9000)? }),
        }
        books.keep(&mut links);
    }
    // Everything goes: nothing is left behind anywhere.
    for link in 0..added {
        links.remove_link(now, LinkId(link));
    }
    books.keep(&mut links);
    assert!(links.is_empty() && links.associations() == 0 && links.local_addresses() == 0);
    assert!(books.up.is_empty() && books.entries.is_empty() && books.vlinks.is_empty());
    assert!(books.requests.is_empty() && books.advertised.is_empty());
    assert_eq!(links.next_timeout(), None);
    Ok(())
}
