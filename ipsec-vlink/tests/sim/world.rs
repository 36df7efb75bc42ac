//! Routers on one subnet, with virtual links between them, in virtual time: IKE and L2TP by their own messages, packets through
//! forwarding plane and ESP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use fwd_core::net::{NhlfeId, VpnId, VrfId};
use fwd_core::op::{Ends, RouteAction};
use fwd_core::time::Instant;
use fwd_core::wire::{IpProtocol, Ipv4};
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::vlink::{ConfigError, Input, LinkConfig, LinkId, PeerConfig, PeerId, PeerKind, Security};

use crate::nat::Nat;
use crate::router::{CORE, Fate, Router, Sent, Size, ethernet, mac};

enum Flying {
    Ike { from: SocketAddr, to: SocketAddr, octets: Vec<u8> },
    Frame(Vec<u8>),
}

pub struct World {
    pub now: Instant,
    pub routers: Vec<Router>,
    /// Every frame and every IKE message that went over the core, if that is wanted.
    pub wire: Option<Vec<Vec<u8>>>,
    pub ike_wire: Option<Vec<Vec<u8>>>,
    /// What is before router 0.
    pub nat: Option<Nat>,
    /// Nothing gets through the core any more, nor what BGP says.
    pub cut: bool,
    /// Out of so many messages of IKE and L2TP one is lost; 0: none.
    pub loss: u64,
    /// How long a message is on its way; 10 ms.
    pub delay: Duration,
    flying: Vec<(Instant, Flying)>,
    random: u64,
}

/// What became of a packet in the end, and where.
pub type Outcome = (usize, Fate);

/// The pair of addresses of two routers.
pub fn ends(local: usize, remote: usize, subnet: u8, host: u8) -> Ends {
    let of = |router: usize| Ipv4Addr::new(198, 18 + router as u8, subnet, host);
    Ends::V4 { local: of(local), remote: of(remote) }
}

/// The `n`th pair of addresses of two routers, for what has some of its own.
pub fn own_ends(local: usize, remote: usize, n: u32) -> Ends {
    ends(local, remote, 8 + (n / 250) as u8, 1 + (n % 250) as u8)
}

pub fn vpn(n: u32) -> VpnId {
    VpnId::new(0x5e, n).unwrap()
}

/// An IPv4 packet.
pub fn ip(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4::outer(from, to, IpProtocol(protocol), 20 + payload.len() as u16, 64, 0);
    let mut packet = header.0.to_vec();
    packet.extend_from_slice(payload);
    packet
}

/// What no encapsulation brings about by itself.
pub const PAYLOAD: &[u8] = b"a payload of a customer's, known again where it is read";

/// A packet from the site of one router to that of another.
pub fn packet(from: usize, to: usize) -> Vec<u8> {
    ip(Ipv4Addr::new(10, from as u8, 0, 1), Ipv4Addr::new(10, to as u8, 0, 1), 253, PAYLOAD)
}

pub fn reads_payload(octets: &[u8]) -> bool {
    octets.windows(PAYLOAD.len()).any(|window| window == PAYLOAD)
}

impl World {
    pub fn new(routers: usize, vrfs: u16, links: usize) -> Self {
        let now = Instant::from_secs(1);
        let size = Size { routers, vrfs, links };
        let routers = (0..routers).map(|n| Router::new(now, n, size)).collect();
        Self {
            now,
            routers,
            wire: None,
            ike_wire: None,
            nat: None,
            cut: false,
            loss: 0,
            delay: Duration::from_millis(10),
            flying: Vec::new(),
            random: 77,
        }
    }

    /// Makes two PEs each other's peers: with a pair of addresses for what is protected and one for what is not, and a control
    /// connection of L2TP on each.
    pub fn peer(&mut self, a: usize, b: usize) -> [PeerId; 2] {
        self.peer_with(a, b, |_, _| {})
    }

    pub fn peer_with(&mut self, a: usize, b: usize, change: impl Fn(usize, &mut PeerConfig)) -> [PeerId; 2] {
        [(a, b), (b, a)].map(|(us, them)| {
            let (protected, clear) = (ends(us, them, 1, 1), ends(us, them, 2, 1));
            let router = &mut self.routers[us];
            let [l2tp, l2tp_clear] = [1, 2].map(|subnet| {
                let Ends::V4 { remote, .. } = ends(us, them, subnet, 1) else { unreachable!() };
                Some(router.l2tp_peer(remote.into(), us < them))
            });
            let base = PeerConfig::pe(protected, NhlfeId(them as u32));
            let mut cfg = PeerConfig { clear: Some(clear), l2tp, l2tp_clear, ..base };
            change(us, &mut cfg);
            router.extension |= cfg.says_context;
            router.add_peer(cfg)
        })
    }

    /// Makes a CE of a PE's peer: no extension, one VPN.
    pub fn ce(&mut self, pe: usize, ce: usize, of: VpnId, change: impl Fn(usize, &mut PeerConfig)) -> [PeerId; 2] {
        self.routers[ce].extension = false;
        self.peer_with(pe, ce, |us, cfg| {
            cfg.kind = PeerKind::Ce;
            (cfg.says_context, cfg.default_vpn) = (false, Some(of));
            change(us, cfg);
        })
    }

    /// Adds both ends of a link.
    pub fn link(
        &mut self,
        routers: [usize; 2],
        peers: [PeerId; 2],
        cfg: &LinkConfig,
    ) -> Result<[LinkId; 2], ConfigError> {
        let mut ids = [LinkId(0); 2];
        // Who waits comes first.
        for end in [1, 0] {
            let own = own_ends(routers[end], routers[1 - end], cfg.vpn.index());
            let ends = (cfg.architecture == Architecture::DistinctIpip).then_some(own);
            let cfg = LinkConfig { peer: peers[end], initiate: end == 0, ends, ..cfg.clone() };
            let name = (cfg.vpn, cfg.index);
            let router = &mut self.routers[routers[end]];
            ids[end] = router.links.add_link(self.now, cfg)?;
            router.name_link(ids[end], name.0, name.1);
        }
        Ok(ids)
    }

    /// Links of the VRFs 1 to `n`, all up, with routes by them.
    pub fn join(
        &mut self,
        routers: [usize; 2],
        peers: [PeerId; 2],
        n: u16,
        architecture: Architecture,
        security: Security,
    ) -> Vec<[LinkId; 2]> {
        let of =
            |vrf: u16| LinkConfig { security, ..LinkConfig::new(PeerId(0), vpn(vrf.into()), VrfId(vrf), architecture) };
        let links: Vec<_> = (1..=n).map(|vrf| self.link(routers, peers, &of(vrf)).unwrap()).collect();
        self.seconds(5 + u64::from(n) / 20);
        for (vrf, ids) in (1..=n).zip(&links) {
            for end in 0..2 {
                self.route(routers[end], vrf, routers[1 - end], ids[end]);
            }
        }
        links
    }

    /// Routes the site of another router by a link, which must be up.
    pub fn route(&mut self, router: usize, vrf: u16, site: usize, link: LinkId) {
        let up = self.routers[router].up.get(&link).copied();
        let up = up.unwrap_or_else(|| panic!("link {link:?} of router {router} is not up"));
        self.routers[router].route(vrf, &format!("10.{site}.0.0/16"), RouteAction::Forward(up.entry));
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below.max(1)
    }

    /// Takes what the machines want sent.
    pub fn collect(&mut self) {
        loop {
            let mut any = false;
            for n in 0..self.routers.len() {
                for sent in self.routers[n].drain(self.now) {
                    any = true;
                    self.carry(n, sent);
                }
            }
            if !any {
                return;
            }
        }
    }

    fn carry(&mut self, n: usize, sent: Sent) {
        let is_lost = self.cut || self.loss > 0 && self.random(self.loss) == 0;
        match sent {
            Sent::Ike { from, to, octets } => {
                let (from, to) = self.nat.as_mut().map_or((from, to), |nat| nat.translate(from, to));
                if let Some(wire) = &mut self.ike_wire {
                    wire.push(octets.clone());
                }
                if !is_lost {
                    self.flying.push((self.now + self.delay, Flying::Ike { from, to, octets }));
                }
            }
            Sent::Frame(frame) => {
                if let Some(wire) = &mut self.wire {
                    wire.push(frame.clone());
                }
                if !is_lost {
                    self.flying.push((self.now + self.delay, Flying::Frame(frame)));
                }
            }
            Sent::Key { name, key } if !self.cut => {
                for m in (0..self.routers.len()).filter(|m| *m != n) {
                    let router = &mut self.routers[m];
                    for link in router.named(name).to_vec() {
                        router.links.handle_input(self.now, Input::RemoteKey { link, key });
                    }
                }
                // Who comes later is told what was said before.
                for m in (0..self.routers.len()).filter(|m| key.is_some() && *m != n) {
                    let theirs = self.routers[m].named(name).iter();
                    let theirs = theirs.filter_map(|link| self.routers[m].links.local_key(*link)).next();
                    let ours = self.routers[n].named(name).first().copied();
                    if let (Some(key), Some(link)) = (theirs, ours) {
                        self.routers[n].links.handle_input(self.now, Input::RemoteKey { link, key: Some(key) });
                    }
                }
            }
            Sent::Key { .. } => {}
        }
    }

    pub fn seconds(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            self.collect();
            let flying = self.flying.iter().map(|f| f.0).min();
            let due = self.routers.iter().filter_map(Router::next_timeout).chain(flying).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            let now = self.now;
            let (arrived, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.flying).into_iter().partition(|f| f.0 <= now);
            self.flying = later;
            for (_, what) in arrived {
                match what {
                    Flying::Ike { from, to, octets } => {
                        if let Some(router) = self.router_of(to.ip()) {
                            self.routers[router].hear_ike(now, from, to, &octets);
                        }
                    }
                    Flying::Frame(frame) => drop(self.arrive(frame)),
                }
            }
            for router in &mut self.routers {
                if router.next_timeout().is_some_and(|at| at <= now) {
                    router.handle_timeout(now);
                }
            }
        }
        self.now = end;
    }

    pub fn router_of(&self, address: IpAddr) -> Option<usize> {
        let IpAddr::V4(address) = address else { return None };
        let [198, second, ..] = address.octets() else { return None };
        usize::from(second).checked_sub(18).filter(|n| *n < self.routers.len())
    }

    /// Sends a packet from a VRF's site as far as it goes.
    pub fn send(&mut self, router: usize, vrf: u16, packet: &[u8]) -> Outcome {
        match self.leave(router, vrf, packet) {
            Fate::Core(frame) if !self.cut => self.arrive(frame),
            other => (router, other),
        }
    }

    /// Sends a packet from a VRF's site: what becomes of it at its own router.
    pub fn leave(&mut self, router: usize, vrf: u16, packet: &[u8]) -> Fate {
        let frame = ethernet(mac(router, vrf.into()), packet);
        let fate = self.routers[router].forward(self.now, vrf.into(), frame);
        if let (Some(wire), Fate::Core(frame)) = (&mut self.wire, &fate) {
            wire.push(frame.clone());
        }
        fate
    }

    /// A frame arrives from the core, and goes on where it leads.
    pub fn arrive(&mut self, mut frame: Vec<u8>) -> Outcome {
        for _ in 0..4 {
            let to = usize::from(frame[5]).wrapping_sub(1);
            assert!(to < self.routers.len(), "a frame for nobody");
            match self.routers[to].forward(self.now, CORE, frame) {
                Fate::Core(next) => {
                    if let Some(wire) = &mut self.wire {
                        wire.push(next.clone());
                    }
                    frame = next;
                }
                other => return (to, other),
            }
        }
        panic!("a loop");
    }

    /// Whether a packet of VRF `vrf` gets from one router's site to the other's, in the same VRF.
    pub fn reaches(&mut self, from: usize, to: usize, vrf: u16) -> bool {
        let sent = packet(from, to);
        match self.send(from, vrf, &sent) {
            (router, Fate::Site { vrf: at, packet }) => {
                assert_eq!((router, at, &packet[20..]), (to, vrf, PAYLOAD), "to the wrong virtual router");
                true
            }
            _ => false,
        }
    }

    /// Whether a packet of software's of one virtual router, as a routing protocol's, reaches the other one itself.
    pub fn greets(&mut self, from: usize, to: usize, vrf: u16, protocol: u8) -> bool {
        let address = |router: usize| Ipv4Addr::new(10, router as u8, 255, 1);
        let hello = ip(address(from), address(to), protocol, PAYLOAD);
        match self.send(from, vrf, &hello) {
            (router, Fate::Local { vrf: at, packet }) => {
                assert_eq!((router, at, &packet[20..]), (to, vrf, PAYLOAD), "to the wrong virtual router");
                true
            }
            _ => false,
        }
    }
}
