//! Several speakers wired to each other in virtual time, each above a model of a forwarding plane.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::pe_ce::RemoteRoute;
use bgp_vpn::session::{LocalIdentity, PeerConfig};
use bgp_vpn::speaker::{Circuit, Event, Input, Output, PeerId, Reach, Side, Speaker, SpeakerConfig};
use fwd_core::net::{IfIndex, IpPrefix, Label, LabelSpaceId, NhlfeId, ProtectionId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, RouteAction};
use fwd_core::time::Instant;

/// A forwarding plane that applies ops as they come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fib {
    pub routes: BTreeMap<(VrfId, IpPrefix), RouteAction>,
    pub ilm: BTreeMap<Label, Ilm>,
    pub nhlfes: BTreeMap<NhlfeId, Nhlfe>,
    /// Pairs: the first entry, the second, and whether the second has taken over.
    pub pairs: BTreeMap<ProtectionId, (NhlfeId, NhlfeId, bool)>,
    /// Labels in the spaces of interfaces.
    pub spaces: BTreeMap<(LabelSpaceId, Label), Ilm>,
}

impl Fib {
    pub fn apply(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.nhlfes.insert(id, nhlfe)),
            FwdOp::ClearNhlfe { id } => drop(self.nhlfes.remove(&id)),
            FwdOp::SetIlm { label, ilm } => drop(self.ilm.insert(label, ilm)),
            FwdOp::ClearIlm { label } => drop(self.ilm.remove(&label)),
            FwdOp::SetProtection { id, primary, backup } => {
                let over = self.pairs.get(&id).is_some_and(|pair| pair.2);
                self.pairs.insert(id, (primary, backup, over));
            }
            FwdOp::ClearProtection { id } => drop(self.pairs.remove(&id)),
            FwdOp::SwitchOver { id, backup } => self.pairs.get_mut(&id).expect("a pair").2 = backup,
            FwdOp::SetContextIlm { space, label, ilm } => drop(self.spaces.insert((space, label), ilm)),
            FwdOp::ClearContextIlm { space, label } => drop(self.spaces.remove(&(space, label))),
            FwdOp::SetRoute4 { vrf, prefix, action } => drop(self.routes.insert((vrf, prefix.into()), action)),
            FwdOp::ClearRoute4 { vrf, prefix } => drop(self.routes.remove(&(vrf, prefix.into()))),
            FwdOp::SetRoute6 { vrf, prefix, action } => drop(self.routes.insert((vrf, prefix.into()), action)),
            FwdOp::ClearRoute6 { vrf, prefix } => drop(self.routes.remove(&(vrf, prefix.into()))),
            _ => {}
        }
        // What routes refer to is there at all times.
        let through = |action: &RouteAction, id| *action == RouteAction::Forward(id);
        match op {
            FwdOp::SetRoute4 { action: RouteAction::Forward(id), .. }
            | FwdOp::SetRoute6 { action: RouteAction::Forward(id), .. } => {
                assert!(id.0 < FIRST_NHLFE || self.nhlfes.contains_key(&id), "{op:?} has no entry");
            }
            FwdOp::ClearNhlfe { id } => {
                assert!(!self.routes.values().any(|a| through(a, id)), "{op:?} leaves a route without entry");
            }
            _ => {}
        }
    }

    fn lookup(&self, vrf: VrfId, address: IpAddr) -> Option<RouteAction> {
        let covers = |p: &IpPrefix| match (p, address) {
            (IpPrefix::V4(p), IpAddr::V4(a)) => p.contains(a),
            (IpPrefix::V6(p), IpAddr::V6(a)) => p.contains(a),
            _ => false,
        };
        let matching = self.routes.iter().filter(|((v, p), _)| *v == vrf && covers(p));
        matching.max_by_key(|((_, p), _)| p.bit_len()).map(|(_, action)| *action)
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// It left to a CE: of which node, by which circuit.
    Circuit(usize, u32),
    /// It came to the control plane of a node.
    Local(usize),
    /// It was dropped.
    Dropped,
}

pub struct Node {
    pub speaker: Speaker,
    pub fib: Fib,
    pub events: Vec<Event>,
    /// What the IGPs of its VRFs announce of routes from elsewhere.
    pub igp: Vec<(VrfId, IpPrefix, RemoteRoute)>,
    pub ops: Vec<FwdOp>,
    pub sent: Vec<(PeerId, Vec<u8>)>,
    pub address: IpAddr,
    /// Whether what is sent to it leaves the connection at once.
    pub room: usize,
}

/// A connection end: node, peer, side.
type End = (usize, PeerId, Side);

enum Happening {
    Connected(End),
    Stream(End, Vec<u8>),
    Closed(End),
}

#[derive(Default)]
pub struct World {
    pub now: Instant,
    pub nodes: Vec<Node>,
    links: BTreeMap<(usize, u32), (usize, PeerId)>,
    /// Circuits that end at a node of the world: in which VRF, or the global table.
    wires: BTreeMap<(usize, u32), (usize, VrfId)>,
    cut: BTreeSet<(usize, u32)>,
    alive: BTreeSet<(usize, u32, bool)>,
    queue: VecDeque<Happening>,
}

pub const FIRST_NHLFE: u32 = 1_000_000;
/// Entries from here on lead to the node of that number.
const TRANSPORT: u32 = 500_000;
/// Hops of a packet at most.
const HOPS: usize = 1000;
const ROOM: usize = 1 << 20;

pub fn v4(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
}

pub fn v6(n: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n))
}

impl World {
    /// A speaker of AS `asn` with this identifier and address, and labels from 1,000 times its number plus one.
    pub fn node(&mut self, asn: u32, id: u8, address: IpAddr) -> usize {
        let n = self.nodes.len();
        let first = 1000 * (n as u32 + 1);
        self.node_with_labels(asn, id, address, (first, first + 999))
    }

    pub fn node_with_labels(&mut self, asn: u32, id: u8, address: IpAddr, labels: (u32, u32)) -> usize {
        self.node_of(LocalIdentity { asn, router_id: Ipv4Addr::new(192, 0, 2, id) }, address, labels)
    }

    /// A speaker whose identifier is its address.
    pub fn node_at(&mut self, asn: u32, address: Ipv4Addr) -> usize {
        self.node_of(LocalIdentity { asn, router_id: address }, address.into(), (1000, 1999))
    }

    fn node_of(&mut self, local: LocalIdentity, address: IpAddr, labels: (u32, u32)) -> usize {
        let config = SpeakerConfig {
            local,
            cluster_id: None,
            labels: (Label::new(labels.0).unwrap(), Label::new(labels.1).unwrap()),
            nhlfes: (NhlfeId(FIRST_NHLFE), NhlfeId(2 * FIRST_NHLFE)),
            seed: u64::from(local.router_id.to_bits() & 0xff),
        };
        let speaker = Speaker::new(self.now, config).unwrap();
        let (events, ops, sent) = (Vec::new(), Vec::new(), Vec::new());
        self.nodes.push(Node { speaker, fib: Fib::default(), events, igp: Vec::new(), ops, sent, address, room: ROOM });
        self.nodes.len() - 1
    }

    /// A session between two nodes; the configurations begin with the addresses of the nodes and the AS numbers.
    pub fn link(&mut self, a: usize, b: usize, configure: impl Fn(usize, &mut PeerConfig)) -> (PeerId, PeerId) {
        let mut peer = |x: usize, y: usize, passive: bool| {
            let asn = self.nodes[y].speaker.identity().asn;
            let mut config = PeerConfig::new(self.nodes[y].address, self.nodes[x].address, asn, &[]);
            config.passive = passive;
            configure(x, &mut config);
            self.nodes[x].speaker.add_peer(self.now, config).unwrap()
        };
        let ends = (peer(a, b, false), peer(b, a, true));
        self.links.insert((a, ends.0.0), (b, ends.1));
        self.links.insert((b, ends.1.0), (a, ends.0));
        ends
    }

    /// Tells every node how it reaches every other: by an entry with the other's number plus one.
    pub fn reach_all(&mut self) {
        for from in 0..self.nodes.len() {
            for to in 0..self.nodes.len() {
                let reach = (from != to).then_some(Reach { metric: 10, nhlfe: NhlfeId(to as u32 + 1) });
                let address = self.nodes[to].address;
                if from != to {
                    self.input(from, Input::NextHop { address, reach });
                }
            }
        }
    }

    /// Tells a node that it reaches another.
    pub fn reach(&mut self, from: usize, to: usize) {
        let reach = Some(Reach { metric: 10, nhlfe: NhlfeId(TRANSPORT + to as u32) });
        let address = self.nodes[to].address;
        self.input(from, Input::NextHop { address, reach });
    }

    /// The entry that leads to a node.
    pub fn transport(to: usize) -> NhlfeId {
        NhlfeId(TRANSPORT + to as u32)
    }

    /// The circuit of a node ends at another node, in one of its VRFs or its global table.
    pub fn wire(&mut self, node: usize, circuit: u32, to: usize, vrf: u16) {
        self.wires.insert((node, circuit), (to, VrfId(vrf)));
    }

    /// A circuit of a VRF: interface and entry have the same number, 100 or more.
    pub fn circuit(&mut self, node: usize, vrf: u16, number: u32, address: IpAddr) {
        assert!((100..TRANSPORT).contains(&number));
        let circuit = Circuit { vrf: VrfId(vrf), address, nhlfe: NhlfeId(number) };
        self.input(node, Input::Circuit { iface: IfIndex(number), circuit: Some(circuit) });
    }

    pub fn input(&mut self, node: usize, input: Input<'_>) {
        self.nodes[node].speaker.handle_input(self.now, input);
    }

    /// Cuts or mends the wire between two ends: nothing arrives, and nobody is told.
    pub fn set_cut(&mut self, node: usize, peer: PeerId, cut: bool) {
        let (other, other_peer) = self.links[&(node, peer.0)];
        for end in [(node, peer.0), (other, other_peer.0)] {
            if cut {
                self.cut.insert(end);
            } else {
                self.cut.remove(&end);
            }
        }
    }

    /// Ends the TCP connection of a session at both ends, without a NOTIFICATION.
    pub fn reset_connection(&mut self, node: usize, peer: PeerId) {
        for side in [Side::Outgoing, Side::Incoming] {
            if self.alive.remove(&(node, peer.0, side == Side::Outgoing)) {
                let far = self.far((node, peer, side));
                self.alive.remove(&(far.0, far.1.0, far.2 == Side::Outgoing));
                self.queue.push_back(Happening::Closed((node, peer, side)));
                self.queue.push_back(Happening::Closed(far));
            }
        }
        self.settle();
    }

    /// Whether either end's TCP takes what the other sends: both have the same key, or none (RFC 5925 §7).
    fn takes_segments(&self, ours: End, theirs: End) -> bool {
        let key = |(node, peer, _): End| {
            let config = self.nodes[node].speaker.peer_config(peer);
            config.and_then(|config| config.protection.authentication.clone())
        };
        key(ours) == key(theirs)
    }

    fn far(&self, (node, peer, side): End) -> End {
        let (other, other_peer) = self.links[&(node, peer.0)];
        (other, other_peer, if side == Side::Outgoing { Side::Incoming } else { Side::Outgoing })
    }

    /// Takes all outputs of a node.
    pub fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].speaker.poll_output() {
            let now = self.now;
            match output {
                Output::Connect { peer } => {
                    let end = (node, peer, Side::Outgoing);
                    if self.cut.contains(&(node, peer.0)) || !self.links.contains_key(&(node, peer.0)) {
                        self.queue.push_back(Happening::Closed(end));
                        continue;
                    }
                    let far = self.far(end);
                    if !self.takes_segments(end, far) {
                        // Nobody answers, and nobody says so.
                        continue;
                    }
                    for end in [end, far] {
                        self.alive.insert((end.0, end.1.0, end.2 == Side::Outgoing));
                        self.queue.push_back(Happening::Connected(end));
                    }
                }
                Output::Close { peer, side } => {
                    if self.alive.remove(&(node, peer.0, side == Side::Outgoing)) {
                        let far = self.far((node, peer, side));
                        self.alive.remove(&(far.0, far.1.0, far.2 == Side::Outgoing));
                        self.queue.push_back(Happening::Closed(far));
                    }
                }
                Output::Stream { peer, side, octets } => {
                    // Without the room that the message might have taken.
                    let octets = octets.as_slice().to_vec();
                    self.nodes[node].sent.push((peer, octets.clone()));
                    let alive = self.alive.contains(&(node, peer.0, side == Side::Outgoing));
                    if alive && !self.cut.contains(&(node, peer.0)) {
                        let far = self.far((node, peer, side));
                        self.queue.push_back(Happening::Stream(far, octets));
                    }
                    let room = self.nodes[node].room;
                    if room > 0 {
                        self.nodes[node].speaker.handle_input(now, Input::Writable { peer, side, room });
                    }
                }
                Output::Program(op) => {
                    self.nodes[node].fib.apply(op);
                    self.nodes[node].ops.push(op);
                }
                Output::Igp { vrf, prefix, route } => {
                    self.nodes[node].igp.retain(|(v, p, _)| (*v, *p) != (vrf, prefix));
                    self.nodes[node].igp.extend(route.map(|route| (vrf, prefix, route)));
                }
                Output::Event(event) => self.nodes[node].events.push(event),
            }
        }
    }

    /// Lets everything happen that happens now.
    pub fn settle(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.drain(node));
        while let Some(happening) = self.queue.pop_front() {
            let now = self.now;
            let (Happening::Connected((node, ..)) | Happening::Stream((node, ..), _) | Happening::Closed((node, ..))) =
                happening;
            match happening {
                Happening::Connected((node, peer, side)) => {
                    let Node { speaker, room, .. } = &mut self.nodes[node];
                    speaker.handle_input(now, Input::Connected { peer, side });
                    speaker.handle_input(now, Input::Writable { peer, side, room: *room });
                }
                Happening::Stream((node, peer, side), octets) => {
                    if self.alive.contains(&(node, peer.0, side == Side::Outgoing)) {
                        self.nodes[node].speaker.handle_input(now, Input::Stream { peer, side, octets: &octets });
                    }
                }
                Happening::Closed((node, peer, side)) => {
                    self.nodes[node].speaker.handle_input(now, Input::Closed { peer, side });
                }
            }
            self.drain(node);
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.nodes.iter().filter_map(|n| n.speaker.next_timeout()).min().filter(|t| *t <= end) {
            self.now = self.now.max(next);
            for node in &mut self.nodes {
                if node.speaker.next_timeout().is_some_and(|t| t <= next) {
                    node.speaker.handle_timeout(self.now);
                }
            }
            self.settle();
        }
        self.now = end;
    }

    /// Where a packet goes that enters a VRF at a node: through the forwarding planes only.
    pub fn send(&self, node: usize, vrf: u16, to: IpAddr) -> Delivery {
        let mut hops = HOPS;
        self.route(node, vrf, to, &mut hops)
    }

    fn route(&self, node: usize, vrf: u16, to: IpAddr, hops: &mut usize) -> Delivery {
        let Some(action) = self.nodes[node].fib.lookup(VrfId(vrf), to) else { return Delivery::Dropped };
        match action {
            RouteAction::Local => Delivery::Local(node),
            RouteAction::Discard => Delivery::Dropped,
            RouteAction::Forward(id) => self.forward(node, id, Vec::new(), to, hops),
        }
    }

    /// Where a packet with these labels, top last, goes that comes to a node.
    pub fn label_switch(&self, node: usize, labels: &[Label], to: IpAddr) -> Delivery {
        let mut hops = HOPS;
        self.receive(node, labels.to_vec(), to, &mut hops)
    }

    fn receive(&self, node: usize, mut labels: Vec<Label>, to: IpAddr, hops: &mut usize) -> Delivery {
        let Some(top) = labels.pop() else { return self.route(node, 0, to, hops) };
        match self.nodes[node].fib.ilm.get(&top).map(|ilm| ilm.action) {
            Some(IlmAction::Forward(id)) => self.forward(node, id, labels, to, hops),
            Some(IlmAction::PopLookup(_)) if !labels.is_empty() => self.receive(node, labels, to, hops),
            Some(IlmAction::PopLookup(vrf)) => self.route(node, vrf.0, to, hops),
            _ => Delivery::Dropped,
        }
    }

    fn forward(&self, node: usize, id: NhlfeId, mut labels: Vec<Label>, to: IpAddr, hops: &mut usize) -> Delivery {
        *hops = hops.checked_sub(1).expect("a loop");
        match id.0 {
            FIRST_NHLFE.. => {
                let Some(nhlfe) = self.nodes[node].fib.nhlfes.get(&id) else { return Delivery::Dropped };
                let next = match nhlfe.next {
                    NextHop::Nhlfe(next) => next,
                    NextHop::Protected(pair) => match self.nodes[node].fib.pairs.get(&pair) {
                        Some((primary, _, false)) => *primary,
                        Some((_, backup, true)) => *backup,
                        None => return Delivery::Dropped,
                    },
                    _ => return Delivery::Dropped,
                };
                labels.extend(nhlfe.push.as_slice().iter().rev());
                self.forward(node, next, labels, to, hops)
            }
            TRANSPORT.. => self.receive((id.0 - TRANSPORT) as usize, labels, to, hops),
            100.. => match self.wires.get(&(node, id.0)) {
                Some((far, vrf)) if labels.is_empty() => self.route(*far, vrf.0, to, hops),
                Some((far, _)) => self.receive(*far, labels, to, hops),
                None if labels.is_empty() => Delivery::Circuit(node, id.0),
                None => Delivery::Dropped,
            },
            _ => self.receive(id.0 as usize - 1, labels, to, hops),
        }
    }

    /// Hands octets to a node as if its peer had sent them.
    pub fn inject(&mut self, node: usize, peer: PeerId, octets: &[u8]) {
        let sides = [Side::Outgoing, Side::Incoming];
        let side = sides.into_iter().find(|s| self.alive.contains(&(node, peer.0, *s == Side::Outgoing))).unwrap();
        self.input(node, Input::Stream { peer, side, octets });
    }

    pub fn established(&self, node: usize) -> usize {
        let speaker = &self.nodes[node].speaker;
        speaker.peers().into_iter().filter(|p| speaker.peer_negotiated(*p).is_some()).count()
    }
}
