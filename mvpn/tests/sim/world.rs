//! PIM routers on LANs, in virtual time, with a naive forwarder each: links delay, lose and reorder packets.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::{IfIndex, ReplicationId, RpfSetId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Origin, Rpf};
use fwd_core::time::Instant;
use mvpn::address::Address;
use mvpn::pim::bsr::{self, BsrRouter, ZoneAddress};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::wire::{MessageType, Register};
use mvpn::pim::{
    Input, Membership, MribRoute, Output, PimAddress, PimConfig, PimEvent, PimInterfaceConfig, PimRouter, Ways,
};

/// Addresses of the simulated network.
pub trait SimAddress: PimAddress + ZoneAddress {
    /// A router's address on a LAN.
    fn on_lan(lan: usize, router: usize) -> Self;
    /// A host on a LAN.
    fn host(lan: usize, host: u8) -> Self;
    /// A router's loopback.
    fn loopback(router: usize) -> Self;
    /// The subnet of a LAN.
    fn subnet(lan: usize) -> <Self as Address>::Prefix;
    /// An ASM group.
    fn asm(n: u8) -> Self;
    /// An SSM group.
    fn ssm(n: u8) -> Self;
    /// All groups.
    fn groups() -> <Self as Address>::Prefix {
        Self::ALL_GROUPS
    }
}

fn octet(n: usize) -> u8 {
    u8::try_from(n).unwrap()
}

impl SimAddress for Ipv4Addr {
    fn on_lan(lan: usize, router: usize) -> Self {
        Self::new(10, 0, octet(lan), octet(router) + 1)
    }
    fn host(lan: usize, host: u8) -> Self {
        Self::new(10, 0, octet(lan), 100 + host)
    }
    fn loopback(router: usize) -> Self {
        Self::new(10, 255, 0, octet(router) + 1)
    }
    fn subnet(lan: usize) -> <Self as Address>::Prefix {
        Self::new(10, 0, octet(lan), 0).prefix(24).unwrap()
    }
    fn asm(n: u8) -> Self {
        Self::new(239, 1, 1, n)
    }
    fn ssm(n: u8) -> Self {
        Self::new(232, 1, 1, n)
    }
}

impl SimAddress for Ipv6Addr {
    fn on_lan(lan: usize, router: usize) -> Self {
        Self::new(0xfe80, 0, 0, 0, 0, 0, u16::from(octet(lan)), u16::from(octet(router)) + 1)
    }
    fn host(lan: usize, host: u8) -> Self {
        Self::new(0x2001, 0xdb8, u16::from(octet(lan)), 0, 0, 0, 0, 0x100 + u16::from(host))
    }
    fn loopback(router: usize) -> Self {
        Self::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, u16::from(octet(router)) + 1)
    }
    fn subnet(lan: usize) -> <Self as Address>::Prefix {
        Self::new(0x2001, 0xdb8, u16::from(octet(lan)), 0, 0, 0, 0, 0).prefix(64).unwrap()
    }
    fn asm(n: u8) -> Self {
        Self::new(0xff0e, 0, 0, 0, 0, 0, 1, u16::from(n))
    }
    fn ssm(n: u8) -> Self {
        Self::new(0xff3e, 0, 0, 0, 0, 0, 1, u16::from(n))
    }
}

/// splitmix64
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// The forwarder, as naive as can be.
#[derive(Default)]
pub struct Forwarder {
    pub mroutes: BTreeMap<MrouteKey, Mroute>,
    pub groups: BTreeMap<ReplicationId, BTreeMap<u16, LegTarget>>,
    pub sets: BTreeSet<(RpfSetId, IfIndex)>,
}

impl Forwarder {
    pub fn apply(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetMroute { key, mroute, .. } => {
                if let Some(id) = mroute.replication {
                    assert!(self.groups.contains_key(&id), "{key:?} uses {id:?}, which is not there");
                }
                self.mroutes.insert(key, mroute);
            }
            FwdOp::ClearMroute { key, .. } => assert!(self.mroutes.remove(&key).is_some(), "{key:?} is not there"),
            FwdOp::SetReplication { id, .. } => assert!(self.groups.insert(id, BTreeMap::new()).is_none()),
            FwdOp::ClearReplication { id } => {
                assert!(self.mroutes.values().all(|m| m.replication != Some(id)), "{id:?} is in use");
                assert!(self.groups.remove(&id).is_some());
            }
            FwdOp::SetLeg { group, leg, target } => {
                assert!(self.groups.get_mut(&group).unwrap().insert(leg, target).is_none());
            }
            FwdOp::ClearLeg { group, leg } => {
                assert!(self.groups.get_mut(&group).unwrap().remove(&leg).is_some());
            }
            FwdOp::SetRpfMember { set, from: Origin::Interface(i) } => assert!(self.sets.insert((set, i))),
            FwdOp::ClearRpfMember { set, from: Origin::Interface(i) } => assert!(self.sets.remove(&(set, i))),
            other => panic!("{other:?}"),
        }
    }

    /// The route of (S,G), else that of the longest range of G.
    pub fn route<A: PimAddress>(&self, s: A, g: A) -> Option<Mroute> {
        if let Some(found) = self.mroutes.get(&A::mroute_key(Some(s), g)) {
            return Some(*found);
        }
        (0..=A::BITS)
            .rev()
            .filter_map(|n| g.prefix(n))
            .find_map(|range| self.mroutes.get(&A::range_key(range)).copied())
    }

    pub fn legs(&self, mroute: &Mroute) -> Vec<LegTarget> {
        mroute.replication.map(|id| self.groups[&id].values().copied().collect()).unwrap_or_default()
    }
}

pub struct Node<A: SimAddress> {
    pub pim: PimRouter<A>,
    pub forwarder: Forwarder,
    pub tracked: BTreeSet<A>,
    pub events: Vec<PimEvent<A>>,
    pub alive: bool,
    pub sent: u64,
    /// Bootstrap, where it runs.
    pub bsr: Option<BsrRouter<A>>,
    /// Addresses that it follows.
    pub followed: BTreeSet<A>,
}

#[derive(Clone, Debug)]
enum What<A> {
    /// A link-local PIM message.
    Pim { lan: usize, router: usize, from: A, to: A, octets: Vec<u8> },
    /// A unicast PIM message.
    Unicast { router: usize, from: A, to: A, octets: Vec<u8> },
    /// A data packet.
    Data { lan: usize, router: usize, packet: Vec<u8>, ttl: u8 },
}

struct Event<A> {
    at: Instant,
    seq: u64,
    what: What<A>,
}

impl<A> PartialEq for Event<A> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl<A> Eq for Event<A> {}
impl<A> PartialOrd for Event<A> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<A> Ord for Event<A> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

pub struct World<A: SimAddress> {
    pub now: Instant,
    pub nodes: Vec<Node<A>>,
    /// Routers of each LAN; the interface index of a router on a LAN is the LAN's number.
    pub lans: Vec<Vec<usize>>,
    pub down: BTreeSet<usize>,
    /// Addresses that several routers have; unicast leads to the nearest.
    pub anycast: BTreeMap<A, Vec<usize>>,
    /// Routes that are not those of the shortest way.
    forced: BTreeMap<(usize, A), MribRoute<A>>,
    /// Addresses that routers have no route to.
    pub hidden: BTreeSet<(usize, A)>,
    /// TTL of hosts' packets.
    pub ttl: u8,
    /// Answers of more than a route.
    pub ways: BTreeMap<(usize, A), Ways<A>>,
    pub rng: Rng,
    /// Of 100 PIM messages to each receiver, so many are lost.
    pub loss: u64,
    queue: BinaryHeap<Event<A>>,
    seq: u64,
    /// How often a packet crossed each LAN: (packet's number, LAN) → copies.
    pub crossed: BTreeMap<(u64, usize), u64>,
    /// The types of messages that routers sent.
    pub log: Vec<(usize, MessageType)>,
    /// Whether PIM messages are delayed by up to 100 ms, so that they overtake one another, or by 1 ms.
    pub reorder: bool,
}

pub fn iface(lan: usize) -> IfIndex {
    IfIndex(u32::try_from(lan).unwrap())
}

fn lan_of(i: IfIndex) -> usize {
    usize::try_from(i.0).unwrap()
}

impl<A: SimAddress> World<A> {
    /// Routers on LANs: `lans[n]` are the routers of LAN n. The RP of all ASM groups is a router's loopback.
    pub fn new(lans: &[&[usize]], rp: Option<usize>, seed: u64, tune: impl Fn(usize, &mut PimConfig<A>)) -> Self {
        let count = lans.iter().flat_map(|l| l.iter()).max().unwrap() + 1;
        let now = Instant::ZERO;
        let mut nodes = Vec::new();
        for r in 0..count {
            let mut config = PimConfig::new(VrfId(1), A::loopback(r), 1..=10_000);
            config.seed = seed.wrapping_mul(1000).wrapping_add(r as u64);
            tune(r, &mut config);
            let mut pim = PimRouter::new(now, config).unwrap();
            for (lan, routers) in lans.iter().enumerate() {
                if routers.contains(&r) {
                    let c = PimInterfaceConfig::new(iface(lan), A::on_lan(lan, r), vec![A::subnet(lan)]);
                    pim.add_interface(now, c).unwrap();
                }
            }
            if let Some(rp) = rp {
                let address = A::loopback(rp);
                pim.update_rp_set(now, |set| {
                    let fixed = StaticRp { range: A::groups(), address, mode: RpMode::Sparse, overrides: false };
                    set.set_static(fixed).unwrap();
                });
            }
            nodes.push(Node {
                pim,
                forwarder: Forwarder::default(),
                tracked: BTreeSet::new(),
                events: Vec::new(),
                alive: true,
                sent: 0,
                bsr: None,
                followed: BTreeSet::new(),
            });
        }
        Self {
            now,
            nodes,
            lans: lans.iter().map(|l| l.to_vec()).collect(),
            down: BTreeSet::new(),
            anycast: BTreeMap::new(),
            forced: BTreeMap::new(),
            hidden: BTreeSet::new(),
            ttl: 8,
            ways: BTreeMap::new(),
            rng: Rng(seed ^ 0xabcd),
            loss: 0,
            queue: BinaryHeap::new(),
            seq: 0,
            crossed: BTreeMap::new(),
            log: Vec::new(),
            reorder: false,
        }
    }

    /// The LAN of a host's or link's address, or the router of a loopback.
    fn target(&self, address: A) -> (Option<usize>, Option<usize>) {
        let lan = (0..self.lans.len()).find(|l| address.is_in(&A::subnet(*l)));
        let router = (0..self.nodes.len()).find(|r| {
            A::loopback(*r) == address
                || self.lans.iter().enumerate().any(|(l, on)| on.contains(r) && A::on_lan(l, *r) == address)
        });
        (lan, router)
    }

    /// Routers' distances from an address, in hops.
    fn distances(&self, address: A) -> Vec<Option<u32>> {
        let (lan, router) = self.target(address);
        let mut distance = vec![None; self.nodes.len()];
        let mut edge: Vec<usize> = match (router, lan) {
            _ if self.anycast.contains_key(&address) => self.anycast[&address].clone(),
            (Some(r), _) => vec![r],
            (None, Some(l)) if !self.down.contains(&l) => self.lans[l].clone(),
            _ => Vec::new(),
        };
        edge.retain(|r| self.nodes[*r].alive);
        let mut d = 0;
        while !edge.is_empty() {
            for r in &edge {
                distance[*r] = Some(d);
            }
            d += 1;
            let mut next = BTreeSet::new();
            for (l, on) in self.lans.iter().enumerate() {
                if self.down.contains(&l) || !on.iter().any(|r| edge.contains(r)) {
                    continue;
                }
                next.extend(on.iter().filter(|r| self.nodes[**r].alive && distance[**r].is_none()));
            }
            edge = next.into_iter().collect();
        }
        distance
    }

    /// The unicast route of a router to an address: fewest hops, then the lowest LAN and neighbour.
    pub fn route(&self, r: usize, address: A) -> Option<MribRoute<A>> {
        if let Some(route) = self.forced.get(&(r, address)) {
            return Some(*route);
        }
        if self.hidden.contains(&(r, address)) {
            return None;
        }
        let distance = self.distances(address);
        let mine = distance[r]?;
        if mine == 0 {
            return None;
        }
        for (l, on) in self.lans.iter().enumerate() {
            if self.down.contains(&l) || !on.contains(&r) {
                continue;
            }
            if let Some(n) = on.iter().find(|n| distance[**n] == Some(mine - 1)) {
                let next_hop = Some(A::on_lan(l, *n));
                return Some(MribRoute { interface: iface(l), next_hop, preference: 110, metric: mine });
            }
        }
        None
    }

    fn push(&mut self, after: Duration, what: What<A>) {
        self.seq += 1;
        self.queue.push(Event { at: self.now + after, seq: self.seq, what });
    }

    fn delay(&mut self) -> Duration {
        if self.reorder { Duration::from_micros(1000 + self.rng.below(100_000)) } else { Duration::from_millis(1) }
    }

    pub fn input(&mut self, r: usize, input: Input<'_, A>) {
        let now = self.now;
        self.nodes[r].pim.handle_input(now, input);
        self.drain(r);
    }

    pub fn drain(&mut self, r: usize) {
        while let Some(output) = self.nodes[r].pim.poll_output() {
            match output {
                Output::Datagram { interface: Some(i), from, to, octets } => {
                    self.on_link(r, lan_of(i), from, to, &octets);
                }
                Output::Datagram { interface: None, from, to, octets } => {
                    self.unicast(r, from, to, octets);
                }
                Output::Forward { interfaces, packet } => {
                    for i in interfaces {
                        self.emit(r, lan_of(i), &packet, 8);
                    }
                }
                Output::Program(op) => {
                    assert_eq!(FwdOp::parse(&op.emit()), Ok(op));
                    self.nodes[r].forwarder.apply(op);
                }
                Output::Track(address) => {
                    assert!(self.nodes[r].tracked.insert(address));
                    let route = self.route(r, address);
                    let input = match self.ways.get(&(r, address)) {
                        Some(ways) => Input::Ways { topology: 0, address, ways },
                        None => Input::Route { address, route },
                    };
                    self.nodes[r].pim.handle_input(self.now, input);
                }
                Output::Untrack(address) => assert!(self.nodes[r].tracked.remove(&address)),
                Output::Event(event) => {
                    self.tell_bootstrap(r, &event);
                    self.nodes[r].events.push(event);
                }
            }
        }
    }

    /// A unicast message, to the nearest router that has the address.
    pub(super) fn unicast(&mut self, r: usize, from: A, to: A, octets: Vec<u8>) {
        let router = match self.anycast.get(&to) {
            Some(all) if all.contains(&r) => Some(r),
            Some(all) => {
                let hops = |of: usize| self.distances(A::loopback(of))[r].map(|hops| (hops, of));
                all.iter().filter_map(|of| hops(*of)).min().map(|(_, of)| of)
            }
            None => self.target(to).1,
        };
        let reachable = router.is_some_and(|t| t == r || self.route(r, to).is_some());
        if let Some(router) = router.filter(|_| reachable && self.rng.below(100) >= self.loss) {
            let delay = self.delay();
            self.push(delay, What::Unicast { router, from, to, octets });
        }
    }

    /// A message to all routers of a LAN, or to one of them.
    pub(super) fn on_link(&mut self, r: usize, lan: usize, from: A, to: A, octets: &[u8]) {
        self.nodes[r].sent += 1;
        self.log.push((r, MessageType(octets[0] & 15)));
        if self.down.contains(&lan) {
            return;
        }
        for other in self.lans[lan].clone() {
            let here = to == A::ALL_PIM_ROUTERS || to == A::on_lan(lan, other);
            if other != r && here && self.rng.below(100) >= self.loss {
                let delay = self.delay();
                self.push(delay, What::Pim { lan, router: other, from, to, octets: octets.to_vec() });
            }
        }
    }

    /// From now on a router's route to an address leads to another router on a LAN that they share, until the next [`Self::reroute`].
    pub fn route_by(&mut self, r: usize, address: A, to: usize) {
        let lan = (0..self.lans.len()).find(|l| self.lans[*l].contains(&r) && self.lans[*l].contains(&to)).unwrap();
        let route = MribRoute { interface: iface(lan), next_hop: Some(A::on_lan(lan, to)), preference: 110, metric: 1 };
        self.forced.insert((r, address), route);
        if self.nodes[r].tracked.contains(&address) {
            self.input(r, Input::Route { address, route: Some(route) });
        }
    }

    /// Unicast routing changed: every tracked address is answered anew.
    pub fn reroute(&mut self) {
        for r in 0..self.nodes.len() {
            for address in self.nodes[r].tracked.clone() {
                let route = self.route(r, address);
                self.input(r, Input::Route { address, route });
            }
            self.reroute_bootstrap(r);
        }
    }

    /// A LAN goes down or up, with its interfaces and routes.
    pub fn set_lan(&mut self, lan: usize, up: bool) {
        let now = self.now;
        if up {
            self.down.remove(&lan);
        } else {
            self.down.insert(lan);
        }
        for r in self.lans[lan].clone() {
            if up {
                let c = PimInterfaceConfig::new(iface(lan), A::on_lan(lan, r), vec![A::subnet(lan)]);
                self.nodes[r].pim.add_interface(now, c).unwrap();
            } else {
                self.nodes[r].pim.remove_interface(now, iface(lan)).unwrap();
            }
            self.drain(r);
        }
        self.reroute();
    }

    /// The link of one router to a LAN breaks or is mended: the others hear no more of it, and it alone knows at once.
    pub fn set_link(&mut self, r: usize, lan: usize, up: bool) {
        let now = self.now;
        if up {
            self.lans[lan].push(r);
            self.lans[lan].sort_unstable();
            let c = PimInterfaceConfig::new(iface(lan), A::on_lan(lan, r), vec![A::subnet(lan)]);
            self.nodes[r].pim.add_interface(now, c).unwrap();
        } else {
            self.lans[lan].retain(|other| *other != r);
            self.nodes[r].pim.remove_interface(now, iface(lan)).unwrap();
        }
        self.drain(r);
        self.reroute();
    }

    pub fn member(&mut self, r: usize, lan: usize, group: A, source: Option<A>, wanted: bool) {
        let membership = if wanted { Membership::Include } else { Membership::None };
        self.input(r, Input::Membership { interface: iface(lan), group, source, membership });
    }

    /// Members on a LAN are heard by all its routers.
    pub fn members(&mut self, lan: usize, group: A, source: Option<A>, wanted: bool) {
        for r in self.lans[lan].clone() {
            self.member(r, lan, group, source, wanted);
        }
    }

    /// A host on a LAN sends a packet with a number.
    pub fn send(&mut self, lan: usize, source: A, group: A, number: u64) {
        let mut packet = Register::null_packet(source.into(), group.into()).unwrap();
        packet.extend(number.to_be_bytes());
        for router in self.lans[lan].clone() {
            let packet = packet.clone();
            self.push(Duration::from_micros(100), What::Data { lan, router, packet, ttl: self.ttl });
        }
    }

    fn emit(&mut self, r: usize, lan: usize, packet: &[u8], ttl: u8) {
        if ttl == 0 || self.down.contains(&lan) {
            return;
        }
        let number = u64::from_be_bytes(*packet.last_chunk().unwrap());
        *self.crossed.entry((number, lan)).or_default() += 1;
        for router in self.lans[lan].clone() {
            if router != r {
                self.push(Duration::from_micros(200), What::Data { lan, router, packet: packet.to_vec(), ttl });
            }
        }
    }

    fn forward(&mut self, r: usize, lan: usize, packet: &[u8], ttl: u8) {
        let register = Register { flags: mvpn::pim::wire::RegisterFlags::empty(), packet };
        let (s, g) = register.source_group().unwrap();
        let (s, g) = (A::from_ip(s).unwrap(), A::from_ip(g).unwrap());
        let found = self.nodes[r].forwarder.route(s, g);
        let data = Input::Data { interface: iface(lan), source: s, group: g };
        let Some(mroute) = found else { return self.input(r, data) };
        let here = Origin::Interface(iface(lan));
        let expected = match mroute.rpf {
            Rpf::AnyOf(set) => self.nodes[r].forwarder.sets.contains(&(set, iface(lan))),
            rpf => rpf == Rpf::Any || rpf == Rpf::From(here),
        };
        if !expected {
            if mroute.punt_wrong_interface || mroute.spt == Some(iface(lan)) {
                self.input(r, data);
            }
            return;
        }
        for leg in self.nodes[r].forwarder.legs(&mroute) {
            match leg {
                LegTarget::Interface(i) if i == iface(lan) => {}
                LegTarget::Interface(i) => self.emit(r, lan_of(i), packet, ttl - 1),
                LegTarget::Local => self.input(r, data),
                other => panic!("{other:?}"),
            }
        }
        if mroute.register {
            self.input(r, Input::WholePacket { packet });
        }
        self.input(r, Input::Active { source: s, group: g, octets_per_second: 1000 });
    }

    /// Lets time pass.
    pub fn run(&mut self, d: Duration) {
        let end = self.now + d;
        for r in 0..self.nodes.len() {
            self.drain(r);
        }
        loop {
            let timer = self
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, n)| n.alive)
                .filter_map(|(r, n)| {
                    let bsr = n.bsr.as_ref().and_then(BsrRouter::next_timeout);
                    n.pim.next_timeout().into_iter().chain(bsr).min().map(|t| (t, r))
                })
                .min();
            let event = self.queue.peek().map(|e| e.at);
            let at = timer.map(|(t, _)| t).into_iter().chain(event).min().filter(|t| *t <= end);
            let Some(at) = at else { break };
            self.now = self.now.max(at);
            let now = self.now;
            if event == Some(at) {
                let what = self.queue.pop().unwrap().what;
                self.deliver(what);
            } else if let Some((_, r)) = timer {
                self.nodes[r].pim.handle_timeout(now);
                self.drain(r);
                self.bootstrap(r, |bsr| bsr.handle_timeout(now));
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, what: What<A>) {
        match what {
            What::Pim { lan, router, from, to, octets } if self.nodes[router].alive && !self.down.contains(&lan) => {
                let (interface, now) = (iface(lan), self.now);
                self.input(router, Input::Datagram { interface, from, to, octets: &octets, authenticated: false });
                let input = bsr::Input::Datagram { interface, from, to, octets: &octets };
                self.bootstrap(router, |bsr| bsr.handle_input(now, input));
            }
            What::Unicast { router, from, to, octets } if self.nodes[router].alive => {
                let (interface, now) = (IfIndex(999), self.now);
                self.input(router, Input::Datagram { interface, from, to, octets: &octets, authenticated: false });
                let input = bsr::Input::Datagram { interface, from, to, octets: &octets };
                self.bootstrap(router, |bsr| bsr.handle_input(now, input));
            }
            What::Data { lan, router, packet, ttl } if self.nodes[router].alive && !self.down.contains(&lan) => {
                self.forward(router, lan, &packet, ttl);
            }
            _ => {}
        }
    }

    /// The tree that a packet of `source` on `lan` takes to members on these LANs by the routers' unicast routes: the LANs that it
    /// crosses beside its own. The DR of a LAN is its last router, by address.
    pub fn reference_tree(&self, source: A, lan: usize, members: &[usize]) -> BTreeSet<usize> {
        let mut tree = BTreeSet::new();
        for member in members {
            if *member == lan {
                continue;
            }
            tree.insert(*member);
            let mut r = *self.lans[*member].iter().filter(|r| self.nodes[**r].alive).max().unwrap();
            while let Some(route) = self.route(r, source) {
                let l = lan_of(route.interface);
                tree.insert(l);
                r = *self.lans[l].iter().find(|n| Some(A::on_lan(l, **n)) == route.next_hop).unwrap();
            }
        }
        tree.remove(&lan);
        tree
    }

    /// The LANs that a packet crossed, each once; else the copies.
    pub fn lans_of(&self, number: u64) -> Result<BTreeSet<usize>, String> {
        let of: Vec<_> = self.crossed.iter().filter(|((n, _), _)| *n == number).collect();
        if let Some(((_, lan), copies)) = of.iter().find(|(_, copies)| **copies != 1) {
            return Err(format!("packet {number} crossed LAN {lan} {copies} times"));
        }
        Ok(of.iter().map(|((_, lan), _)| *lan).collect())
    }
}
