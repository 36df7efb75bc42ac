//! LSRs with links between them in virtual time, and a reference model: the IGP's shortest paths.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Label, Mac, NhlfeId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe};
use fwd_core::time::Instant;
use p2mp_pw::ldp::lde::{Hop, Input, Lde, LdeConfig, Output, Route};
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::session::Negotiated;
use p2mp_pw::ldp::{FaultTolerance, FtFlags};

use crate::script::{config, peer};

/// What an LSR's forwarding plane holds.
#[derive(Default)]
pub struct Tables {
    pub ilm: BTreeMap<Label, Ilm>,
    pub nhlfe: BTreeMap<NhlfeId, Nhlfe>,
    pub buckets: BTreeMap<EcmpId, BTreeMap<u8, NhlfeId>>,
}

impl Tables {
    fn apply(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetIlm { label, ilm } => drop(self.ilm.insert(label, ilm)),
            FwdOp::ClearIlm { label } => drop(self.ilm.remove(&label)),
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.nhlfe.insert(id, nhlfe)),
            FwdOp::ClearNhlfe { id } => drop(self.nhlfe.remove(&id)),
            FwdOp::SetBucket { group, bucket, entry } => {
                self.buckets.entry(group).or_default().insert(bucket.value(), entry);
            }
            FwdOp::ClearBucket { group, bucket } => {
                let buckets = self.buckets.entry(group).or_default();
                buckets.remove(&bucket.value());
                if buckets.is_empty() {
                    self.buckets.remove(&group);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Where packets through an entry go: neighbour and label, for every bucket of groups.
    fn resolve(&self, id: NhlfeId) -> BTreeSet<(u8, Option<Label>)> {
        let nhlfe = self.nhlfe.get(&id).unwrap_or_else(|| panic!("{id} is not programmed"));
        let label = nhlfe.push.as_slice().first().copied();
        match nhlfe.next {
            NextHop::Neighbor { mac, .. } => BTreeSet::from([(mac.0[5], label)]),
            NextHop::Ecmp(group) => self.buckets[&group].values().flat_map(|id| self.resolve(*id)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

pub struct Node {
    pub lde: Lde,
    pub tables: Tables,
    pub lsps: BTreeMap<IpPrefix, NhlfeId>,
    prefixes: BTreeSet<IpPrefix>,
    routes: BTreeMap<IpPrefix, Option<Vec<u8>>>,
}

/// A network: nodes 0 to n-1, links between them; a session on each link that is up.
pub struct Net {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub links: BTreeMap<(u8, u8), bool>,
    /// Messages under way, by sender and receiver.
    wires: BTreeMap<(u8, u8), VecDeque<Message>>,
    negotiated: Negotiated,
    next_id: u32,
}

pub fn prefix(n: u8) -> IpPrefix {
    IpPrefix::V4(Ipv4Prefix::new([198, 18, n, 0].into(), 24).unwrap())
}

fn gateway(from: u8, to: u8) -> Hop {
    let next = NextHop::Neighbor { iface: IfIndex(u32::from(to) + 1), mac: Mac([2, 0, 0, 0, from, to]) };
    Hop { gateway: [10, from.min(to), from.max(to), to].into(), iface: IfIndex(u32::from(to) + 1), next }
}

impl Net {
    pub fn new(n: u8, links: &[(u8, u8)], negotiated: Negotiated, change: impl Fn(&mut LdeConfig)) -> Self {
        let now = Instant::from_secs(1);
        let node = |n: u8| {
            let mut config = config(n, 9999);
            change(&mut config);
            Node {
                lde: Lde::new(now, config).unwrap(),
                tables: Tables::default(),
                lsps: BTreeMap::new(),
                prefixes: BTreeSet::new(),
                routes: BTreeMap::new(),
            }
        };
        let mut net = Self {
            now,
            nodes: (0..n).map(node).collect(),
            links: BTreeMap::new(),
            wires: BTreeMap::new(),
            negotiated,
            next_id: 0,
        };
        for (a, b) in links {
            net.set_link(*a, *b, true);
        }
        net
    }

    pub fn set_link(&mut self, a: u8, b: u8, up: bool) {
        let (a, b) = (a.min(b), a.max(b));
        if a == b || self.links.insert((a, b), up) == Some(up) {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            let address = gateway(to, from).gateway;
            self.nodes[usize::from(from)].lde.handle_input(self.now, Input::LocalAddress { address, up });
        }
        self.session(a, b, up, None);
    }

    /// The session on a link comes up or goes down at both ends.
    pub fn session(&mut self, a: u8, b: u8, up: bool, retain: Option<Duration>) {
        for (from, to) in [(a, b), (b, a)] {
            self.wires.remove(&(from, to));
            let mut negotiated = self.negotiated.clone();
            negotiated.graceful_restart = retain.map(|time| FaultTolerance {
                flags: FtFlags::LEARN,
                reconnect_timeout_ms: u32::try_from(time.as_millis()).unwrap(),
                recovery_time_ms: u32::try_from(time.as_millis()).unwrap(),
            });
            let input = if up {
                Input::PeerUp { peer: peer(to), negotiated: &negotiated }
            } else {
                Input::PeerDown { peer: peer(to), retain }
            };
            self.nodes[usize::from(from)].lde.handle_input(self.now, input);
        }
    }

    pub fn set_prefix(&mut self, node: u8, n: u8, up: bool) {
        let prefixes = &mut self.nodes[usize::from(node)].prefixes;
        if up {
            prefixes.insert(prefix(n))
        } else {
            prefixes.remove(&prefix(n))
        };
    }

    fn is_up(&self, a: u8, b: u8) -> bool {
        self.links.get(&(a.min(b), a.max(b))) == Some(&true)
    }

    /// Hops to the nearest node with a prefix, for every node.
    fn distances(&self, prefix: IpPrefix) -> Vec<Option<u32>> {
        let mut distances = vec![None; self.nodes.len()];
        let mut queue = VecDeque::new();
        for (n, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.prefixes.contains(&prefix)) {
            distances[n] = Some(0);
            queue.push_back(n);
            let _ = node;
        }
        while let Some(at) = queue.pop_front() {
            for next in 0..self.nodes.len() {
                if distances[next].is_none() && self.is_up(u8::try_from(at).unwrap(), u8::try_from(next).unwrap()) {
                    distances[next] = distances[at].map(|d: u32| d + 1);
                    queue.push_back(next);
                }
            }
        }
        distances
    }

    /// The neighbours on shortest paths; `None`: no route; empty: here.
    fn next_hops(&self, at: u8, prefix: IpPrefix) -> Option<Vec<u8>> {
        let distances = self.distances(prefix);
        let own = distances[usize::from(at)]?;
        let nodes = 0..u8::try_from(self.nodes.len()).unwrap();
        let nearer = |n: &u8| self.is_up(at, *n) && distances[usize::from(*n)].is_some_and(|d| d + 1 == own);
        Some(nodes.filter(nearer).collect())
    }

    /// Tells one node what the IGP says at this time.
    pub fn update_routes(&mut self, at: u8, prefixes: u8) {
        for n in 0..prefixes {
            let hops = self.next_hops(at, prefix(n));
            let node = &mut self.nodes[usize::from(at)];
            if node.routes.get(&prefix(n)) == Some(&hops) {
                continue;
            }
            node.routes.insert(prefix(n), hops.clone());
            let via: Vec<Hop> = hops.iter().flatten().map(|to| gateway(at, *to)).collect();
            let route = hops.as_ref().map(|hops| if hops.is_empty() { Route::Egress } else { Route::Via(&via) });
            node.lde.handle_input(self.now, Input::Route { prefix: prefix(n), route });
        }
    }

    /// Takes outputs of a node.
    fn drain(&mut self, at: u8) {
        while let Some(output) = self.nodes[usize::from(at)].lde.poll_output() {
            let node = &mut self.nodes[usize::from(at)];
            match output {
                Output::Program(op) => node.tables.apply(op),
                Output::Message { peer, message } => {
                    let to = peer.lsr.octets()[3];
                    self.wires.entry((at, to)).or_default().push_back(message);
                }
                Output::Lsp { prefix, nhlfe: Some(id) } => drop(node.lsps.insert(prefix, id)),
                Output::Lsp { prefix, nhlfe: None } => drop(node.lsps.remove(&prefix)),
                Output::Event(_) => {}
            }
        }
    }

    /// Delivers the oldest message of one wire, chosen by `pick`; `false` if nothing is under way.
    pub fn step(&mut self, pick: usize) -> bool {
        for at in 0..u8::try_from(self.nodes.len()).unwrap() {
            self.drain(at);
        }
        let busy: Vec<(u8, u8)> = self.wires.iter().filter(|(_, wire)| !wire.is_empty()).map(|(k, _)| *k).collect();
        let Some(wire) = busy.get(pick % busy.len().max(1)).copied() else { return false };
        let Some(mut message) = self.wires.get_mut(&wire).and_then(VecDeque::pop_front) else { return false };
        if message.id == 0 {
            self.next_id += 1;
            message.id = self.next_id;
        }
        let input = Input::Message { peer: peer(wire.0), message: &message };
        self.nodes[usize::from(wire.1)].lde.handle_input(self.now, input);
        true
    }

    /// Delivers everything, and lets time pass until nothing is deferred or stale.
    pub fn settle(&mut self) {
        for _ in 0..12 {
            let mut steps = 0;
            while self.step(steps) {
                steps += 1;
                assert!(steps < 200_000, "the network does not come to rest");
            }
            self.now = self.now + Duration::from_secs(31);
            for node in &mut self.nodes {
                node.lde.handle_timeout(self.now);
            }
        }
    }

    /// Label paths lead where the IGP says, from everywhere, and no further.
    pub fn check(&self, prefixes: u8) {
        for n in 0..prefixes {
            for at in 0..u8::try_from(self.nodes.len()).unwrap() {
                let node = &self.nodes[usize::from(at)];
                let hops = self.next_hops(at, prefix(n));
                let lsp = node.lsps.get(&prefix(n)).copied();
                let Some(hops) = hops.filter(|hops| !hops.is_empty()) else {
                    assert_eq!(lsp, None, "node {at} prefix {n}: an LSP to nowhere, or to itself");
                    continue;
                };
                let id = lsp.unwrap_or_else(|| panic!("node {at} prefix {n}: no LSP"));
                let went: BTreeSet<u8> = node.tables.resolve(id).into_iter().map(|(to, _)| to).collect();
                assert_eq!(went, hops.into_iter().collect(), "node {at} prefix {n}");
                self.follow(at, id, n, 0);
            }
        }
    }

    fn follow(&self, at: u8, id: NhlfeId, n: u8, depth: usize) {
        assert!(depth < self.nodes.len(), "a loop for prefix {n}");
        for (to, label) in self.nodes[usize::from(at)].tables.resolve(id) {
            let node = &self.nodes[usize::from(to)];
            let Some(label) = label else {
                assert!(node.prefixes.contains(&prefix(n)), "popped before node {to}, which is not egress of {n}");
                continue;
            };
            let ilm = node.tables.ilm.get(&label).unwrap_or_else(|| panic!("node {to} drops label {label} of {n}"));
            let IlmAction::Forward(next) = ilm.action else { panic!("{ilm:?}") };
            self.follow(to, next, n, depth + 1);
        }
    }

    /// Nothing is left anywhere: no FEC, no entry, no label.
    pub fn check_empty(&self) {
        for (n, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.lde.fecs(), 0, "node {n}");
            assert!(node.tables.ilm.is_empty() && node.tables.nhlfe.is_empty() && node.tables.buckets.is_empty());
            assert!(node.lsps.is_empty());
        }
    }
}
