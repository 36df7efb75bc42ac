//! Routers on one subnet, with virtual links between them, in virtual time.
//!
//! Packets go through the product's forwarding plane, ESP and L2TP. What IKE would agree on is handed over by value: an
//! association that one router asks for is offered to the other, which takes it or not by its own rules.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, SaId, VpnId, VrfId};
use fwd_core::op::{Ends, FwdOp, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    CounterMemory, ExactSlot, IlmSlot, InterfaceSlot, Memory, MulticastMemory, NhlfeSlot, Rib4Node, VlinkSlot,
    VlinkState, VrfSlot, Word,
};
use fwd_core::time::Instant;
use fwd_core::wire::Ipv4;
use fwd_core::{DropReason, Forwarder, Frame, PuntReason, Verdict, VrfCounters};
use ipsec_vlink::arch::addresses;
use ipsec_vlink::correlate::Offer;
use ipsec_vlink::ike::ChildSaId;
use ipsec_vlink::l2tp::control as l2tp;
use ipsec_vlink::sad::{Lifetimes, NewSa, Reject, Sad};
use ipsec_vlink::vlink::{
    Config, ConfigError, Event, Input, LinkConfig, LinkId, LinkState, Output, PeerConfig, PeerId, SaRequest,
    VirtualLinks,
};

use super::crypto::{AesGcm, RustCrypto};

/// The interface to the other routers; those of the VRFs' sites are their VRFs' numbers.
const CORE: u32 = 0;
/// VRFs of each router.
pub const VRFS: u16 = 2;
/// Entries to neighbours and sites; links have those from here on.
const FIRST_LINK_ENTRY: u32 = 1000;

/// How large a world's tables are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Links of each router.
    pub links: usize,
}

/// A link that carries packets, as its router says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Up {
    /// The entry that routes lead to.
    pub entry: NhlfeId,
    /// The most octets of a packet.
    pub mtu: u16,
    /// What is added to each.
    pub overhead: u16,
    /// Whether somebody watches.
    pub state: LinkState,
}

/// One router.
pub struct Router {
    /// Its virtual links.
    pub links: VirtualLinks,
    /// Its L2TP.
    pub l2tp: l2tp::Endpoint<RustCrypto>,
    /// Its security associations.
    pub sad: Sad<AesGcm>,
    /// Its forwarding plane.
    pub forwarder: Forwarder<'static>,
    /// The links that carry packets.
    pub up: BTreeMap<LinkId, Up>,
    /// What was said of links, apart from up and down.
    pub events: Vec<Event>,
    /// What was said of L2TP.
    pub l2tp_events: Vec<l2tp::Event>,
    /// Associations that are asked for.
    requests: Vec<SaRequest>,
    sessions: HashMap<l2tp::SessionId, LinkId>,
    by_link: HashMap<LinkId, l2tp::SessionId>,
    /// The VPN of each link, its remote keys as the peer said them.
    vpns: HashMap<LinkId, (VpnId, u32)>,
    /// The other router of each peer.
    peers: HashMap<PeerId, usize>,
    children: HashMap<SaId, ChildSaId>,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It left a router by this interface.
    Delivered {
        /// Which router.
        router: usize,
        /// The VRF's number.
        iface: u32,
        /// The IP packet.
        packet: Vec<u8>,
    },
    /// It is for a router itself, in a VRF: unicast, or multicast that goes no further.
    Local {
        /// Which router.
        router: usize,
        /// The VRF.
        vrf: u16,
        /// The IP packet.
        packet: Vec<u8>,
    },
    /// A router dropped it.
    Dropped(usize, DropReason),
    /// A router's ESP did not take it.
    Rejected(usize, Reject),
    /// A router's software has it.
    Punted(usize, PuntReason),
    /// It could not be protected.
    Unprotected(usize),
}

/// All of them.
pub struct World {
    /// What time it is.
    pub now: Instant,
    /// The routers.
    pub routers: Vec<Router>,
    /// Frames between routers as they are on the wire, if they are wanted.
    pub wire: Option<Vec<Vec<u8>>>,
    /// IKE does not agree on anything while this is set.
    pub ike_is_down: bool,
    /// L2TP's messages are lost while this is set.
    pub is_cut: bool,
    next_spi: u32,
    seed: u64,
}

fn mac(router: usize, iface: u32) -> Mac {
    Mac([2, 0, 0, iface as u8, 0, router as u8 + 1])
}

/// The pair of addresses of two routers in the same subnet.
#[must_use]
pub fn ends(local: usize, remote: usize, subnet: u8, host: u8) -> Ends {
    let of = |router: usize| Ipv4Addr::new(198, 18 + router as u8, subnet, host);
    Ends::V4 { local: of(local), remote: of(remote) }
}

fn forwarder(size: Size) -> Forwarder<'static> {
    // The tables live as long as the process: a scene is the last that it does.
    let n = size.links + 16;
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 8].leak(),
        vrfs: vec![VrfSlot::EMPTY; 4].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; FIRST_LINK_ENTRY as usize + n].leak(),
        first_label: Label::FIRST_UNRESERVED,
        ilm: vec![IlmSlot::EMPTY; n + 16].leak(),
        rib4: vec![Rib4Node::EMPTY; 4 * n + 200].leak(),
        fib4: vec![Word::ZERO; 40 * n + 40_000].leak(),
        vlinks: vec![VlinkSlot::EMPTY; n].leak(),
        vlink_index: vec![Word::ZERO; 4 * n].leak(),
        multicast: MulticastMemory { routes: vec![ExactSlot::EMPTY; 2 * n].leak(), ..MulticastMemory::default() },
        ..Memory::default()
    };
    let counters = CounterMemory {
        vrfs: vec![VrfCounters::ZERO; 4].leak(),
        vlinks: vec![VlinkState::EMPTY; n].leak(),
        ..CounterMemory::default()
    };
    Forwarder::new(memory, counters).expect("the tables are sized for it")
}

impl World {
    /// So many routers, each with two VRFs whose sites have the same addresses.
    #[must_use]
    pub fn new(routers: usize, size: Size, seed: u64) -> Self {
        let now = Instant::from_secs(0);
        let routers = (0..routers).map(|n| Router::new(now, n, routers, size, seed)).collect();
        Self { now, routers, wire: None, ike_is_down: false, is_cut: false, next_spi: 0x1000, seed }
    }

    /// Makes two routers each other's peers.
    pub fn peer(&mut self, a: usize, b: usize, change: impl Fn(usize, &mut PeerConfig)) -> [PeerId; 2] {
        [(a, b), (b, a)].map(|(us, them)| self.peer_end(us, them, &change))
    }

    /// Makes a router a peer of another, which need not know.
    pub fn peer_end(&mut self, us: usize, them: usize, change: impl Fn(usize, &mut PeerConfig)) -> PeerId {
        let (protected, clear) = (ends(us, them, 1, 1), ends(us, them, 2, 1));
        let router = &mut self.routers[us];
        let address = l2tp::Address { ip: addresses(&clear).1, port: None };
        let mut cfg = l2tp::PeerConfig::v3(address);
        cfg.initiate = us < them;
        cfg.delivery.window = 64;
        // One control connection for what is protected, one for what is not, are two peers of L2TP.
        let id = router.l2tp.add_peer(cfg).ok();
        let mut cfg = PeerConfig { clear: Some(clear), l2tp: id, ..PeerConfig::pe(protected, NhlfeId(them as u32)) };
        change(us, &mut cfg);
        let id = router.links.add_peer(cfg);
        router.peers.insert(id, them);
        id
    }

    /// Adds both ends of a link.
    ///
    /// # Errors
    /// The first end's refusal, or the second's.
    pub fn link(
        &mut self,
        routers: [usize; 2],
        peers: [PeerId; 2],
        change: impl Fn(usize, &mut LinkConfig),
        cfg: &LinkConfig,
    ) -> Result<[LinkId; 2], ConfigError> {
        let mut ids = [LinkId(0); 2];
        // Who waits comes first.
        for end in [1, 0] {
            let mut cfg = LinkConfig { peer: peers[end], initiate: end == 0, ..cfg.clone() };
            change(end, &mut cfg);
            ids[end] = self.link_end(routers[end], cfg)?;
        }
        Ok(ids)
    }

    /// Adds one end of a link.
    ///
    /// # Errors
    /// What the machine refuses.
    pub fn link_end(&mut self, router: usize, cfg: LinkConfig) -> Result<LinkId, ConfigError> {
        let name = (cfg.vpn, cfg.index);
        let router = &mut self.routers[router];
        let id = router.links.add_link(self.now, cfg)?;
        router.vpns.insert(id, name);
        Ok(id)
    }

    /// Runs the machines for this long.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            while self.step() {}
            let due = self.routers.iter().flat_map(|r| {
                [r.links.next_timeout(), r.l2tp.next_timeout(), r.sad.next_timeout()].into_iter().flatten()
            });
            match due.min().filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            for router in &mut self.routers {
                router.links.handle_timeout(self.now);
                router.l2tp.handle_timeout(self.now);
                router.sad.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    /// Carries what the machines say, once; whether there was anything.
    fn step(&mut self) -> bool {
        let mut any = false;
        for n in 0..self.routers.len() {
            while let Some(output) = self.routers[n].links.poll_output() {
                any = true;
                self.link_output(n, output);
            }
            while let Some(output) = self.routers[n].l2tp.poll_output() {
                any = true;
                self.l2tp_output(n, output);
            }
        }
        any | self.negotiate()
    }

    fn link_output(&mut self, n: usize, output: Output) {
        let now = self.now;
        let router = &mut self.routers[n];
        match output {
            Output::Program(op) => {
                if router.forwarder.apply(&op).is_err() {
                    router.links.handle_input(now, Input::Refused(op));
                }
            }
            Output::RequestSa(request) => {
                router.requests.retain(|r| r.sa != request.sa);
                router.requests.push(request);
            }
            Output::ReleaseSa { sa } => {
                router.requests.retain(|r| r.sa != sa);
                router.sad.remove_all(sa);
            }
            Output::OpenSession { link, session } => {
                if let std::collections::hash_map::Entry::Vacant(entry) = router.by_link.entry(link) {
                    if let Ok(id) = router.l2tp.add_session(now, session) {
                        entry.insert(id);
                        router.sessions.insert(id, link);
                    }
                }
            }
            Output::CloseSession { link } => {
                if let Some(id) = router.by_link.remove(&link) {
                    router.l2tp.remove_session(now, id);
                    router.sessions.remove(&id);
                }
            }
            // What BGP would carry: the VPN and the key, to the other end.
            Output::Advertise { link, key, .. } => self.tell_key(n, link, Some(key)),
            Output::Withdraw { link, .. } => self.tell_key(n, link, None),
            Output::Event(Event::LinkUp { link, entry, mtu, overhead, state }) => {
                router.up.insert(link, Up { entry, mtu, overhead, state });
            }
            Output::Event(Event::LinkDown { link }) => {
                router.up.remove(&link);
            }
            Output::Event(event) => router.events.push(event),
        }
    }

    fn tell_key(&mut self, n: usize, link: LinkId, key: Option<u32>) {
        let name = self.routers[n].vpns.get(&link).copied();
        for m in (0..self.routers.len()).filter(|m| *m != n) {
            let router = &mut self.routers[m];
            let theirs: Vec<LinkId> =
                router.vpns.iter().filter(|(_, vpn)| Some(**vpn) == name).map(|(link, _)| *link).collect();
            for link in theirs {
                router.links.handle_input(self.now, Input::RemoteKey { link, key });
            }
        }
        // Who comes later is told what was said before.
        if key.is_some() {
            let known: Vec<(usize, LinkId, u32)> = self.keys_of(name).into_iter().filter(|(m, ..)| *m != n).collect();
            for (_, _, key) in known {
                self.routers[n].links.handle_input(self.now, Input::RemoteKey { link, key: Some(key) });
            }
        }
    }

    fn keys_of(&self, name: Option<(VpnId, u32)>) -> Vec<(usize, LinkId, u32)> {
        let of = |(m, router): (usize, &Router)| -> Vec<(usize, LinkId, u32)> {
            let mine = router.vpns.iter().filter(|(_, vpn)| Some(**vpn) == name);
            mine.filter_map(|(link, _)| router.links.local_key(*link).map(|key| (m, *link, key))).collect()
        };
        self.routers.iter().enumerate().flat_map(of).collect()
    }

    fn l2tp_output(&mut self, n: usize, output: l2tp::Output) {
        let now = self.now;
        match output {
            l2tp::Output::Datagram { to, octets } => {
                let IpAddr::V4(to) = to.ip else { return };
                let Some(m) = self.router_of(to).filter(|_| !self.is_cut) else { return };
                let from = Ipv4Addr::new(198, 18 + n as u8, to.octets()[2], to.octets()[3]);
                let from = l2tp::Address { ip: from.into(), port: None };
                self.routers[m].l2tp.handle_input(now, l2tp::Input::Datagram { from, octets: &octets });
            }
            l2tp::Output::Payload { .. } => {}
            l2tp::Output::Event(event) => {
                let router = &mut self.routers[n];
                let link_of = |id| router.sessions.get(&id).copied();
                match &event {
                    l2tp::Event::SessionUp { session, up } => {
                        if let Some(link) = link_of(*session) {
                            router.links.handle_input(now, Input::SessionUp { link, up });
                        }
                    }
                    l2tp::Event::SessionDown { session, .. } => {
                        if let Some(link) = link_of(*session) {
                            router.links.handle_input(now, Input::SessionDown { link });
                        }
                    }
                    _ => {}
                }
                router.l2tp_events.push(event);
            }
        }
    }

    fn router_of(&self, address: Ipv4Addr) -> Option<usize> {
        let [198, second, ..] = address.octets() else { return None };
        usize::from(second).checked_sub(18).filter(|n| *n < self.routers.len())
    }

    /// What IKE does: offers of the initiators are taken or not by the responders' rules.
    fn negotiate(&mut self) -> bool {
        if self.ike_is_down {
            return false;
        }
        let mut any = false;
        for n in 0..self.routers.len() {
            let (now, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.routers[n].requests).into_iter().partition(|request| request.initiate);
            self.routers[n].requests = later;
            for request in now {
                any = true;
                self.offer(n, &request);
            }
        }
        any
    }

    fn offer(&mut self, n: usize, request: &SaRequest) {
        let IpAddr::V4(to) = request.ends.1 else { return };
        let Some(m) = self.router_of(to) else { return };
        let peer = self.routers[m].peers.iter().find(|(_, router)| **router == n).map(|(peer, _)| *peer);
        let offer = Offer {
            ends: (request.ends.1, request.ends.0),
            mode: request.mode,
            context: request.context.as_ref(),
            selectors: (&request.selectors.1, &request.selectors.0),
        };
        let taken = peer.and_then(|peer| self.routers[m].links.accept(peer, &offer).ok());
        let Some(theirs) = taken else {
            return self.routers[n].links.handle_input(self.now, Input::SaDown { sa: request.sa });
        };
        // The echo of what was said.
        let context = request.context.as_ref();
        self.install(n, request.sa, request.ends.1, m, theirs, request.ends.0, None);
        self.routers[n].links.handle_input(self.now, Input::SaUp { sa: request.sa, context });
        self.routers[m].links.handle_input(self.now, Input::SaUp { sa: theirs, context });
    }

    /// Installs a pair of associations at both ends, with keys of their own.
    #[allow(clippy::too_many_arguments)] // Both ends.
    pub fn install(
        &mut self,
        n: usize,
        ours: SaId,
        to: IpAddr,
        m: usize,
        theirs: SaId,
        from: IpAddr,
        class: Option<u8>,
    ) {
        let spis = (self.next_spi, self.next_spi + 1);
        self.next_spi += 2;
        let seed = self.seed.to_be_bytes();
        let cipher = |spi: u32| {
            let mut key = [0; 16];
            for (to, from) in key.iter_mut().zip(seed.iter().chain(&spi.to_be_bytes()).cycle()) {
                *to = *from;
            }
            AesGcm::new(key, spi.to_be_bytes())
        };
        let child = ChildSaId(spis.0);
        for (router, sa, remote, spis) in [(n, ours, to, spis), (m, theirs, from, (spis.1, spis.0))] {
            let new = NewSa {
                sa,
                child,
                class,
                remote: Some(remote),
                spis,
                ciphers: (cipher(spis.0), cipher(spis.1)),
                extended: true,
                window: 64,
                lifetimes: Lifetimes::default(),
            };
            self.routers[router].children.insert(sa, child);
            self.routers[router].sad.install(self.now, new);
        }
    }

    /// Replaces the keys of an association: the new ones first, then the old ones go.
    pub fn rekey(&mut self, routers: [usize; 2], sas: [SaId; 2]) {
        let old = routers.map(|n| self.routers[n].children.clone());
        let of = |router: usize| IpAddr::V4(Ipv4Addr::new(198, 18 + router as u8, 1, 1));
        self.install(routers[0], sas[0], of(routers[1]), routers[1], sas[1], of(routers[0]), None);
        for (n, (sa, old)) in routers.into_iter().zip(sas.into_iter().zip(old)) {
            if let Some(child) = old.get(&sa) {
                self.routers[n].sad.remove(*child);
            }
        }
    }

    /// Routes a site of the other router by a link.
    pub fn route(&mut self, router: usize, vrf: u16, site: u8, link: LinkId) {
        let Some(up) = self.routers[router].up.get(&link).copied() else { return };
        self.routers[router].route(vrf, [10, site, 0, 0], RouteAction::Forward(up.entry));
    }

    /// Sends a packet of a VRF's site of one router to a host of the site of another.
    pub fn send(&mut self, router: usize, vrf: u16, site: u8, len: u16) -> Outcome {
        let packet = packet(site, len);
        self.send_packet(router, vrf, &packet)
    }

    /// Sends an IP packet from a VRF's site.
    pub fn send_packet(&mut self, router: usize, vrf: u16, packet: &[u8]) -> Outcome {
        let frame = ethernet(mac(router, vrf.into()), packet);
        self.forward(router, u32::from(vrf), frame, None)
    }

    /// A frame that arrives from the core, whoever sent it.
    pub fn inject(&mut self, router: usize, packet: &[u8]) -> Outcome {
        self.forward(router, CORE, ethernet(mac(router, CORE), packet), None)
    }

    fn forward(&mut self, mut n: usize, mut iface: u32, mut octets: Vec<u8>, mut through: Option<SaId>) -> Outcome {
        // Two routers, and a packet that is taken out of ESP is looked at once more.
        for _ in 0..6 {
            let mut buffer = vec![0; Frame::HEADROOM];
            buffer.extend_from_slice(&octets);
            buffer.extend_from_slice(&[0; 64]);
            let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).expect("as long as the buffer");
            let router = &mut self.routers[n];
            let verdict = match through.take() {
                Some(sa) => router.forwarder.forward_unprotected(&mut frame, IfIndex(iface), sa),
                None => router.forwarder.forward(&mut frame, IfIndex(iface)),
            };
            match verdict {
                Verdict::Transmit { iface: IfIndex(CORE), .. } => {}
                Verdict::Transmit { iface, .. } => {
                    return Outcome::Delivered { router: n, iface: iface.0, packet: frame.octets()[14..].to_vec() };
                }
                Verdict::Protect { sa, offset, class, .. } => {
                    if router.sad.protect(sa, class, &mut frame, offset).is_err() {
                        return Outcome::Unprotected(n);
                    }
                }
                Verdict::Punt { reason: PuntReason::Esp, offset, .. } => {
                    match router.sad.unprotect(self.now, &mut frame, offset) {
                        Ok(sa) => through = Some(sa),
                        Err(why) => return Outcome::Rejected(n, why),
                    }
                    octets = frame.octets().to_vec();
                    continue;
                }
                Verdict::Punt { reason: PuntReason::Local | PuntReason::Multicast, vrf, offset }
                    if vrf != VrfId::GLOBAL =>
                {
                    return Outcome::Local { router: n, vrf: vrf.0, packet: frame.octets()[offset..].to_vec() };
                }
                Verdict::Punt { reason, .. } | Verdict::PuntFrame { reason, .. } => return Outcome::Punted(n, reason),
                Verdict::Drop(reason) => return Outcome::Dropped(n, reason),
                Verdict::Replicate(_) => return Outcome::Punted(n, PuntReason::Multicast),
            }
            octets = frame.octets().to_vec();
            if let Some(wire) = &mut self.wire {
                wire.push(octets.clone());
            }
            let to = usize::from(octets[5]).wrapping_sub(1);
            if to >= self.routers.len() {
                return Outcome::Dropped(n, DropReason::NotOurMac);
            }
            (n, iface) = (to, CORE);
        }
        Outcome::Dropped(n, DropReason::ChainTooDeep)
    }
}

fn ethernet(to: Mac, packet: &[u8]) -> Vec<u8> {
    let mut frame = to.0.to_vec();
    frame.extend([2, 0, 0, 0, 0, 0xee, 8, 0]);
    frame.extend_from_slice(packet);
    frame
}

/// An IPv4 packet of `len` octets to a host of this site.
#[must_use]
pub fn packet(site: u8, len: u16) -> Vec<u8> {
    let (from, to) = (Ipv4Addr::new(10, 200, 0, 1), Ipv4Addr::new(10, site, 0, 1));
    let header = Ipv4::outer(from, to, fwd_core::wire::IpProtocol(253), len, 64, 0);
    let mut packet = header.0.to_vec();
    packet.extend((20..len).map(|n| n as u8));
    packet
}

impl Router {
    fn new(now: Instant, n: usize, routers: usize, size: Size, seed: u64) -> Self {
        let mut secret = [n as u8 + 1; 32];
        secret[..8].copy_from_slice(&seed.to_be_bytes());
        let l2tp = l2tp::Config::new(format!("pe{n}").as_bytes(), n as u32 + 1, secret);
        let links = Config {
            first_nhlfe: NhlfeId(FIRST_LINK_ENTRY),
            labels: 16..16 + size.links as u32 + 16,
            ..Config::default()
        };
        let mut router = Self {
            links: VirtualLinks::new(now, links).expect("the defaults"),
            l2tp: l2tp::Endpoint::new(now, l2tp, RustCrypto).expect("a name"),
            sad: Sad::new(),
            forwarder: forwarder(size),
            up: BTreeMap::new(),
            events: Vec::new(),
            l2tp_events: Vec::new(),
            requests: Vec::new(),
            sessions: HashMap::new(),
            by_link: HashMap::new(),
            vpns: HashMap::new(),
            peers: HashMap::new(),
            children: HashMap::new(),
        };
        let interface = |iface: u32, vrf: u16| FwdOp::SetInterface {
            iface: IfIndex(iface),
            interface: Interface { vrf: VrfId(vrf), mac: mac(n, iface), mtu: 1500, mpls: false },
        };
        let neighbor = |id: u32, iface: u32, mac: Mac| FwdOp::SetNhlfe {
            id: NhlfeId(id),
            nhlfe: Nhlfe {
                push: LabelStack::EMPTY,
                next: NextHop::Neighbor { iface: IfIndex(iface), mac },
                model: TunnelModel::Pipe,
            },
        };
        router.apply(&interface(CORE, 0));
        for peer in (0..routers).filter(|peer| *peer != n) {
            router.apply(&neighbor(peer as u32, CORE, mac(peer, CORE)));
        }
        for vrf in 1..=VRFS {
            router.apply(&interface(vrf.into(), vrf));
            let id = 100 + u32::from(vrf);
            router.apply(&neighbor(id, vrf.into(), Mac([2, 0, 0, vrf as u8, 1, n as u8])));
            // The same addresses in each VRF.
            router.route(vrf, [10, n as u8, 0, 0], RouteAction::Forward(NhlfeId(id)));
        }
        // All addresses of 198.18.n/15 that are its own.
        router.route(0, [198, 18 + n as u8, 0, 0], RouteAction::Local);
        router
    }

    fn apply(&mut self, op: &FwdOp) {
        self.forwarder.apply(op).expect("the tables are sized for it");
    }

    /// A route of a VRF to a prefix of 16 bits.
    pub fn route(&mut self, vrf: u16, prefix: [u8; 4], action: RouteAction) {
        let prefix = format!("{}/16", Ipv4Addr::from(prefix)).parse().expect("a prefix");
        self.apply(&FwdOp::SetRoute4 { vrf: VrfId(vrf), prefix, action });
    }
}
