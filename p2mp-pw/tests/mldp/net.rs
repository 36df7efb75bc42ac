//! A network of routers in virtual time: mLDP at each, with its forwarding plane; links with delay; routes that settle at their own pace.
#![allow(dead_code)] // each test uses a part

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::table::*;
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, Ipv4};
use fwd_core::{BridgeCounters, DropReason, Forwarder, Frame, PuntReason, Replica, Verdict};
use p2mp_pw::ldp::message::{Message, MessageBody};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, Pdu};
use p2mp_pw::mldp::{Candidate, Deliver, Event, GroupRange, Input, Mldp, MldpConfig, Output, Route, TreeFec, TreeId};

/// Where receivers are attached, and where sources are.
pub const RECEIVER: IfIndex = IfIndex(60);
pub const SOURCE: IfIndex = IfIndex(61);
const RECEIVED: ReplicationId = ReplicationId(1);
const CHANNELS: u32 = 8;

pub struct Node {
    pub mldp: Mldp,
    pub fwd: Forwarder<'static>,
    pub id: LdpId,
    pub address: IpAddr,
    /// Trees that this router sends on, by channel.
    sends: BTreeMap<TreeId, u32>,
    /// Legs that it was told of.
    pub legs: BTreeMap<(TreeId, u16), NhlfeId>,
    pub events: Vec<Event>,
    pub sent: u64,
    /// What came in control channels of pseudowires: the port, and the octets from the channel's header on.
    pub punts: Vec<(PortId, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub a: usize,
    pub b: usize,
    pub metric: u32,
    pub up: bool,
}

enum Due {
    Message { from: usize, to: usize, link: usize, message: Message },
    Routes(usize),
}

pub struct Net {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
    due: BTreeMap<(Instant, u64), Due>,
    /// When the last message in a direction arrives: sessions keep the order.
    last: BTreeMap<(usize, usize), Instant>,
    seq: u64,
    rng: u64,
    /// Frames that crossed a link, by link and direction, of the last packet.
    pub crossed: BTreeMap<(usize, usize), u32>,
    /// Those frames: link, sender, octets.
    pub crossings: Vec<(usize, usize, Vec<u8>)>,
}

pub fn config(n: usize) -> MldpConfig {
    let labels = LabelRange { first: Label::new(16).unwrap(), last: Label::new(2015).unwrap() };
    let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(999) };
    let groups = GroupRange { first: ReplicationId(100), last: ReplicationId(499) };
    MldpConfig::new(vec![address(n)], labels, nhlfes, groups)
}

pub fn negotiated(config: &MldpConfig) -> Negotiated {
    Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: config.capabilities(),
        graceful_restart: None,
    }
}

pub fn address(n: usize) -> IpAddr {
    [192, 0, 2, n as u8 + 1].into()
}

pub fn ldp_id(n: usize) -> LdpId {
    LdpId::platform(Ipv4Addr::new(192, 0, 2, n as u8 + 1))
}

fn mac(n: usize) -> Mac {
    Mac([2, 0, 0, 0, 0, n as u8 + 1])
}

fn group(channel: u32) -> Ipv4Addr {
    Ipv4Addr::new(232, 1, 1, channel as u8)
}

/// The tunnel that stands for a channel at its leaves.
pub fn deliver(channel: u32) -> Deliver {
    Deliver::Multicast(TunnelId(channel))
}

fn forwarder(n: usize, links: &[Link]) -> Forwarder<'static> {
    let multicast = MulticastMemory {
        vrfs: vec![MulticastVrfSlot::EMPTY; 3].leak(),
        routes: vec![ExactSlot::EMPTY; 2400].leak(),
        tunnels: vec![Word::ZERO; CHANNELS as usize].leak(),
        groups: vec![ReplicationSlot::EMPTY; 3000].leak(),
        legs: vec![LegSlot::EMPTY; 9000].leak(),
        ..MulticastMemory::default()
    };
    let bridge = BridgeMemory {
        vsis: vec![VsiSlot::EMPTY; 1101].leak(),
        vsi_states: vec![VsiState::EMPTY; 1100].leak(),
        ports: vec![PortSlot::EMPTY; 4001].leak(),
        port_states: vec![PortState::EMPTY; 4000].leak(),
        circuits: vec![CircuitSlot::EMPTY; 64].leak(),
        macs: vec![MacBucket::EMPTY; 16].leak(),
    };
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 64].leak(),
        vrfs: vec![VrfSlot::EMPTY; 3].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 6001].leak(),
        ilm: vec![IlmSlot::EMPTY; 6000].leak(),
        multicast,
        bridge,
        seed: 7,
        ..Memory::default()
    };
    let counters = CounterMemory {
        vsis: vec![BridgeCounters::ZERO; 8].leak(),
        ports: vec![BridgeCounters::ZERO; 64].leak(),
        ..CounterMemory::default()
    };
    let mut fwd = Forwarder::new(memory, counters).unwrap();
    let mut apply = |op| fwd.apply(&op).unwrap();
    for (i, _) in links.iter().enumerate().filter(|(_, l)| l.a == n || l.b == n) {
        let interface = Interface { vrf: VrfId::GLOBAL, mac: mac(n), mtu: 1500, mpls: true };
        apply(FwdOp::SetInterface { iface: IfIndex(i as u32), interface });
    }
    for iface in (50..60).map(IfIndex) {
        let interface = Interface { vrf: VrfId::GLOBAL, mac: mac(n), mtu: 1500, mpls: false };
        apply(FwdOp::SetInterface { iface, interface });
    }
    for (iface, vrf) in [(RECEIVER, VrfId(1)), (SOURCE, VrfId(2))] {
        let interface = Interface { vrf, mac: mac(n), mtu: 1500, mpls: false };
        apply(FwdOp::SetInterface { iface, interface });
        apply(FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: false } });
    }
    apply(FwdOp::SetReplication { id: RECEIVED, owner: VsiOrVrf::Vrf(VrfId(1)) });
    apply(FwdOp::SetLeg { group: RECEIVED, leg: 0, target: LegTarget::Interface(RECEIVER) });
    for channel in 0..CHANNELS {
        let key = MrouteKey::Group4 { group: Ipv4Prefix::new(group(channel), 32).unwrap() };
        let route = |replication| Mroute {
            rpf: Rpf::Any,
            replication: Some(replication),
            punt_wrong_interface: false,
            register: false,
            spt: None,
        };
        apply(FwdOp::SetMulticastTunnel { tunnel: TunnelId(channel), vrf: VrfId(1) });
        apply(FwdOp::SetMroute { vrf: VrfId(1), key, mroute: route(RECEIVED) });
        let sender = ReplicationId(10 + channel);
        apply(FwdOp::SetReplication { id: sender, owner: VsiOrVrf::Vrf(VrfId(2)) });
        apply(FwdOp::SetMroute { vrf: VrfId(2), key, mroute: route(sender) });
    }
    fwd
}

impl Net {
    /// A network of routers and links (a, b, metric), all up and settled.
    pub fn new(
        nodes: usize,
        links: &[(usize, usize, u32)],
        seed: u64,
        change: impl Fn(usize, &mut MldpConfig),
    ) -> Self {
        let links: Vec<Link> = links.iter().map(|&(a, b, metric)| Link { a, b, metric, up: true }).collect();
        assert!(links.len() < 50);
        let now = Instant::from_secs(1);
        let make = |n| {
            let mut config = config(n);
            change(n, &mut config);
            Node {
                mldp: Mldp::new(now, config).unwrap(),
                fwd: forwarder(n, &links),
                id: ldp_id(n),
                address: address(n),
                sends: BTreeMap::new(),
                legs: BTreeMap::new(),
                events: Vec::new(),
                sent: 0,
                punts: Vec::new(),
            }
        };
        let nodes: Vec<Node> = (0..nodes).map(make).collect();
        let (due, last, crossed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut net = Self { now, nodes, links, due, last, seq: 0, rng: seed | 1, crossed, crossings: Vec::new() };
        for link in 0..net.links.len() {
            net.session(link, true, &change);
        }
        net.routes(Duration::ZERO);
        net.run(Duration::from_secs(1));
        net
    }

    pub fn random(&mut self, below: u64) -> u64 {
        // xorshift64*
        self.rng ^= self.rng >> 12;
        self.rng ^= self.rng << 25;
        self.rng ^= self.rng >> 27;
        (self.rng.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.seq += 1;
        self.due.insert((at, self.seq), due);
    }

    fn session(&mut self, link: usize, up: bool, change: &impl Fn(usize, &mut MldpConfig)) {
        let Link { a, b, .. } = self.links[link];
        for (n, other) in [(a, b), (b, a)] {
            let peer = ldp_id(other);
            if up {
                let next = Some(NextHop::Neighbor { iface: IfIndex(link as u32), mac: mac(other) });
                let mut other_config = config(other);
                change(other, &mut other_config);
                let negotiated = negotiated(&other_config);
                let mldp = &mut self.nodes[n].mldp;
                mldp.handle_input(self.now, Input::Reach { peer, next, mtu: 1500 });
                mldp.handle_input(self.now, Input::PeerUp { peer, negotiated: &negotiated });
            } else {
                let mldp = &mut self.nodes[n].mldp;
                mldp.handle_input(self.now, Input::PeerDown { peer, retain: None });
                mldp.handle_input(self.now, Input::Reach { peer, next: None, mtu: 0 });
            }
        }
        if !up {
            self.due.retain(|_, due| !matches!(due, Due::Message { link: l, .. } if *l == link));
        }
        self.drain();
    }

    /// Takes a link down or up; routes follow within 100 ms, at each router in its own time.
    pub fn set_link(&mut self, link: usize, up: bool) {
        if std::mem::replace(&mut self.links[link].up, up) != up {
            self.session(link, up, &|_, _| {});
            self.routes(Duration::from_millis(100));
        }
    }

    pub fn set_metric(&mut self, link: usize, metric: u32) {
        self.links[link].metric = metric;
        self.routes(Duration::from_millis(100));
    }

    /// Every router computes its routes anew, some time until `within`.
    fn routes(&mut self, within: Duration) {
        for n in 0..self.nodes.len() {
            let wait = self.random(within.as_micros() as u64 + 1);
            self.schedule(self.now + Duration::from_micros(wait), Due::Routes(n));
        }
    }

    /// Distances from a router.
    pub fn distances(&self, from: usize) -> Vec<Option<u32>> {
        let mut at = vec![None; self.nodes.len()];
        let mut todo = BTreeSet::from([(0_u32, from)]);
        while let Some((distance, n)) = todo.pop_first() {
            if at[n].is_some() {
                continue;
            }
            at[n] = Some(distance);
            for link in self.links.iter().filter(|l| l.up) {
                for (x, y) in [(link.a, link.b), (link.b, link.a)] {
                    if x == n && at[y].is_none() {
                        todo.insert((distance + link.metric, y));
                    }
                }
            }
        }
        at
    }

    fn install_routes(&mut self, n: usize) {
        let own = self.distances(n);
        for (root, own) in own.into_iter().enumerate() {
            let to_root = self.distances(root);
            let candidates: Vec<Candidate> = self
                .links
                .iter()
                .enumerate()
                .filter(|(_, l)| l.up && (l.a == n || l.b == n) && root != n)
                .filter_map(|(i, l)| {
                    let other = if l.a == n { l.b } else { l.a };
                    let best = to_root[other]? + l.metric == to_root[n]?;
                    let address = [10, i as u8, 0, other as u8 + 1].into();
                    best.then_some(Candidate { address, peer: ldp_id(other) })
                })
                .collect();
            let route = own.filter(|_| !candidates.is_empty());
            let route = route.map(|metric| Route::Paths { candidates, metric });
            self.nodes[n].mldp.handle_input(self.now, Input::Route { root: address(root), route });
        }
    }

    /// Carries out what machines say.
    pub fn drain(&mut self) {
        for n in 0..self.nodes.len() {
            while let Some(output) = self.nodes[n].mldp.poll_output() {
                self.carry_out(n, output);
            }
        }
    }

    fn carry_out(&mut self, n: usize, output: Output) {
        let node = &mut self.nodes[n];
        match output {
            Output::Program(op) => node.fwd.apply(&op).unwrap_or_else(|error| panic!("{n}: {op:?}: {error}")),
            Output::Message { peer, message } => {
                node.sent += 1;
                let to = usize::from(peer.lsr.octets()[3]) - 1;
                let link = self.links.iter().position(|l| l.up && (l.a, l.b) == (n.min(to), n.max(to)));
                let link = link.expect("a message to a peer without a session");
                // As on the wire.
                let mut octets = Vec::new();
                Pdu::emit(ldp_id(n), &[message], &mut octets);
                let message = Pdu::parse(&octets).unwrap().messages().next().unwrap().unwrap().parse().unwrap();
                let delay = Duration::from_micros(1_000 + self.random(10_000));
                let last = self.last.entry((n, to)).or_insert(Instant::ZERO);
                let at = (self.now + delay).max(*last + Duration::from_micros(1));
                *last = at;
                self.schedule(at, Due::Message { from: n, to, link, message });
            }
            Output::Event(event) => {
                match &event {
                    Event::LegUp { tree, leg, nhlfe, .. } => {
                        node.legs.insert((*tree, *leg), *nhlfe);
                        if let Some(channel) = node.sends.get(tree) {
                            let (group, target) = (ReplicationId(10 + channel), LegTarget::Nhlfe(*nhlfe));
                            node.fwd.apply(&FwdOp::SetLeg { group, leg: *leg, target }).unwrap();
                        }
                    }
                    Event::LegDown { tree, leg } => {
                        assert!(node.legs.remove(&(*tree, *leg)).is_some(), "a leg that was not up went down");
                        if let Some(channel) = node.sends.get(tree) {
                            let group = ReplicationId(10 + channel);
                            node.fwd.apply(&FwdOp::ClearLeg { group, leg: *leg }).unwrap();
                        }
                    }
                    _ => {}
                }
                node.events.push(event);
            }
        }
    }

    /// The next thing happens; `false` if there is nothing until `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        let timer = self.nodes.iter().filter_map(|n| n.mldp.next_timeout()).min();
        let due = self.due.keys().next().map(|(at, _)| *at);
        let Some(at) = timer.into_iter().chain(due).min().filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(at);
        if due == Some(at) {
            match self.due.pop_first().unwrap().1 {
                Due::Message { from, to, message, .. } => {
                    let input = Input::Message { peer: ldp_id(from), message: &message };
                    self.nodes[to].mldp.handle_input(self.now, input);
                }
                Due::Routes(n) => self.install_routes(n),
            }
        } else {
            for node in &mut self.nodes {
                node.mldp.handle_timeout(self.now);
            }
        }
        self.drain();
        true
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    pub fn join(&mut self, n: usize, fec: &TreeFec, channel: u32) -> TreeId {
        let id = self.nodes[n].mldp.join(self.now, fec.clone(), deliver(channel)).unwrap();
        self.nodes[n].sends.insert(id, channel);
        self.drain();
        id
    }

    pub fn leave(&mut self, n: usize, fec: &TreeFec) {
        let id = self.nodes[n].mldp.find(fec).unwrap();
        self.nodes[n].mldp.leave(self.now, id);
        self.drain();
    }

    pub fn open(&mut self, n: usize, fec: &TreeFec, channel: u32) -> TreeId {
        let id = self.nodes[n].mldp.open(self.now, fec.clone()).unwrap();
        self.nodes[n].sends.insert(id, channel);
        self.drain();
        id
    }

    /// A source at a router sends one packet: how many copies each router's receivers get.
    pub fn packet(&mut self, n: usize, channel: u32) -> Vec<u32> {
        let front = Ethernet::new(Mac([1, 0, 0x5e, 1, 1, channel as u8]), mac(99), EtherType::IPV4).0;
        let mut ip = vec![0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1];
        ip.extend(group(channel).octets());
        Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
        ip.extend(0..40);
        let mut got = vec![0; self.nodes.len()];
        for (n, iface, octets) in self.inject(n, SOURCE, [&front[..], &ip].concat()) {
            assert_eq!(iface, RECEIVER);
            assert_eq!(octets[octets.len() - 40..], *(0..40).collect::<Vec<u8>>(), "payload");
            got[n] += 1;
        }
        got
    }

    /// A frame arrives at a router: what leaves by interfaces that are no links.
    pub fn inject(&mut self, n: usize, iface: IfIndex, octets: Vec<u8>) -> Vec<(usize, IfIndex, Vec<u8>)> {
        self.crossed.clear();
        self.crossings.clear();
        let mut left = Vec::new();
        let mut todo = vec![(n, iface, octets)];
        let mut budget = 20_000;
        while let Some((n, iface, octets)) = todo.pop() {
            budget -= 1;
            if budget == 0 {
                break; // a loop while routes settle: the TTL would end it
            }
            for (iface, octets) in self.nodes[n].transmit(iface, &octets) {
                let Some(link) = self.links.get(iface.0 as usize) else {
                    left.push((n, iface, octets));
                    continue;
                };
                let to = if link.a == n { link.b } else { link.a };
                *self.crossed.entry((iface.0 as usize, n)).or_default() += 1;
                self.crossings.push((iface.0 as usize, n, octets.clone()));
                if link.up {
                    todo.push((to, iface, octets));
                }
            }
        }
        left
    }

    /// What a router makes of one packet: where each copy arrives, or that it leaves by a circuit of the router's.
    pub fn forward(&mut self, n: usize, iface: IfIndex, octets: &[u8]) -> Vec<(usize, IfIndex, Vec<u8>)> {
        let links = &self.links;
        let at =
            |iface: IfIndex| links.get(iface.0 as usize).map_or(n, |link| if link.a == n { link.b } else { link.a });
        self.nodes[n].transmit(iface, octets).into_iter().map(|(iface, octets)| (at(iface), iface, octets)).collect()
    }

    /// Messages that are under way.
    pub fn in_flight(&self) -> usize {
        self.due.len()
    }
}

impl Node {
    fn transmit(&mut self, iface: IfIndex, octets: &[u8]) -> Vec<(IfIndex, Vec<u8>)> {
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend_from_slice(octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
        let mut sent = Vec::new();
        match self.fwd.forward(&mut frame, iface) {
            Verdict::Transmit { iface, .. } => sent.push((iface, frame.octets().to_vec())),
            Verdict::Replicate(replication) => {
                let mut copies = self.fwd.copies(&frame, replication);
                while let Some(replica) = copies.next() {
                    if let Replica::Transmit { iface, front, payload, .. } = replica {
                        sent.push((iface, [front, &frame.octets()[payload]].concat()));
                    }
                }
            }
            Verdict::PuntFrame { reason: PuntReason::PseudowireControl, port, offset } => {
                self.punts.push((port, frame.octets()[offset..].to_vec()));
            }
            _ => {}
        }
        sent
    }

    pub fn drops(&self, reason: DropReason) -> u64 {
        self.fwd.counters().dropped(reason)
    }

    /// Whether nothing is left of any tree.
    pub fn is_clean(&self) -> bool {
        let labels = (16..2016).all(|l| self.fwd.ilm(Label::new(l).unwrap()).is_none());
        let groups = (100..500).all(|g| self.fwd.replication(ReplicationId(g)).is_none());
        self.mldp.trees().next().is_none() && labels && groups && self.mldp.used().0 == 0 && self.mldp.used().2 == 0
    }
}

/// The labels of mappings in a list of outputs, for scripts.
pub fn mappings(outputs: &[Output]) -> Vec<(LdpId, u32)> {
    let mapping = |output: &Output| match output {
        Output::Message { peer, message: Message { body: MessageBody::LabelMapping(m), .. } } => {
            Some((*peer, m.label.label().value()))
        }
        _ => None,
    };
    outputs.iter().filter_map(mapping).collect()
}
