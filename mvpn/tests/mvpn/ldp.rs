//! The same network with mLDP in the place of simulated trees: a P router in the middle, messages as LDP has them, and copies made where
//! the trees branch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{Label, NhlfeId, ReplicationId};
use fwd_core::op::NextHop;
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, Pdu};
use p2mp_pw::mldp::{Candidate, Deliver, Event, GroupRange, Input, Mldp, MldpConfig, Output, Route, TreeFec, TreeId};

use mvpn::mvrf::{AdRoute, McastKind, McastRoute, PTunnel, TreeRequest};
use mvpn::pim::wire::AddressFamily;

use super::node::{CORE, LDP_LABELS, SimAddress, mac};
use super::world::{What, World};

/// mLDP at each router.
pub struct Ldp {
    pub nodes: Vec<Mldp>,
    joined: BTreeMap<(usize, PTunnel), TreeId>,
    rooted: BTreeMap<(usize, TreeId), (mvpn::mvrf::TreeId, BTreeMap<u16, NhlfeId>)>,
    /// The links that are up, and those that the routers have been told of.
    pub links: BTreeSet<(usize, usize)>,
    failed: BTreeSet<(usize, usize)>,
    told: BTreeSet<(usize, usize)>,
}

impl Ldp {
    /// Trees that a router knows of.
    pub fn trees_at(&self, n: usize) -> usize {
        self.nodes[n].trees().count()
    }

    /// The entries that a root sends by.
    pub fn branches_of(&self, root: usize, tree: mvpn::mvrf::TreeId) -> Option<Vec<NhlfeId>> {
        let found = self.rooted.iter().find(|((n, _), (of, _))| *n == root && *of == tree);
        found.map(|(_, (_, legs))| legs.values().copied().collect())
    }
}

/// A neighbour of another provider, and whether trees may extend to it.
pub struct Agreement {
    pub outside: usize,
    pub agreed: bool,
}

impl Agreement {
    pub fn apply(&self, config: &mut MldpConfig) {
        config.outside = BTreeSet::from([id(self.outside)]);
        if self.agreed {
            config.agreed = config.outside.clone();
        }
    }
}

/// A link of the core.
pub fn link(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

fn id(n: usize) -> LdpId {
    LdpId::platform(Ipv4Addr::new(192, 0, 2, n as u8 + 1))
}

fn index(peer: LdpId) -> usize {
    usize::from(peer.lsr.octets()[3]) - 1
}

fn fec(tunnel: &PTunnel) -> TreeFec {
    tunnel.mldp_fec().unwrap_or_else(|| panic!("{tunnel:?}"))
}

impl<A: SimAddress> World<A> {
    /// Runs mLDP: every router is next to router `p` alone.
    pub fn start_ldp(&mut self, p: usize) {
        self.start_ldp_with(p, 100_000);
    }

    /// The same, with so many trees at most at router `p`.
    pub fn start_ldp_with(&mut self, p: usize, max_trees: usize) {
        let links = (0..self.pes.len()).filter(|n| *n != p).map(|n| link(n, p)).collect();
        self.start_ldp_on(links, |n, config| {
            if n == p {
                config.max_trees = max_trees;
            }
        });
    }

    /// Runs mLDP over the links of a core.
    pub fn start_ldp_on(&mut self, links: BTreeSet<(usize, usize)>, tune: impl Fn(usize, &mut MldpConfig)) {
        let now = self.now;
        let label = |n| Label::new(n).unwrap();
        let config = |n: usize| {
            let labels = LabelRange { first: label(LDP_LABELS), last: label(LDP_LABELS + 2000) };
            let nhlfes = NhlfeRange { first: NhlfeId(1000), last: NhlfeId(1999) };
            let groups = GroupRange { first: ReplicationId(400), last: ReplicationId(899) };
            let mut config = MldpConfig::new(vec![self.routers[n]], labels, nhlfes, groups);
            tune(n, &mut config);
            config
        };
        let nodes: Vec<Mldp> = (0..self.pes.len()).map(|n| Mldp::new(now, config(n)).unwrap()).collect();
        let (failed, told) = (BTreeSet::new(), BTreeSet::new());
        self.ldp = Some(Ldp { nodes, joined: BTreeMap::new(), rooted: BTreeMap::new(), links, failed, told });
        self.converge();
    }

    /// A link of the core fails at once or is there again: what is sent over it is lost. The routers see it when they [`converge`](Self::converge).
    pub fn set_core_link(&mut self, (a, b): (usize, usize), up: bool) {
        let ldp = self.ldp.as_mut().unwrap();
        match up {
            true => (ldp.links.insert(link(a, b)), ldp.failed.remove(&link(a, b))),
            false => (ldp.links.remove(&link(a, b)), ldp.failed.insert(link(a, b))),
        };
    }

    /// The neighbours of a router in the core.
    pub fn neighbours(&self, of: usize) -> BTreeSet<usize> {
        let links = self.ldp.iter().flat_map(|ldp| &ldp.links).filter(|(a, b)| *a == of || *b == of);
        links.map(|(a, b)| if *a == of { *b } else { *a }).collect()
    }

    /// The next router on the shortest way to another, as the routers know it by now.
    pub fn next_hop(&self, from: usize, to: usize) -> Option<usize> {
        let told = self.ldp.as_ref().map(|ldp| &ldp.told)?;
        let next = |of: usize| told.iter().filter(move |(a, b)| *a == of || *b == of).map(move |(a, b)| a + b - of);
        let (mut seen, mut queue) = (BTreeMap::from([(to, to)]), VecDeque::from([to]));
        while let Some(at) = queue.pop_front() {
            for other in next(at) {
                if let std::collections::btree_map::Entry::Vacant(entry) = seen.entry(other) {
                    entry.insert(at);
                    queue.push_back(other);
                }
            }
        }
        seen.get(&from).copied()
    }

    /// All routers know which links there are: sessions with neighbours, and routes.
    pub fn converge(&mut self) {
        let (now, count) = (self.now, self.pes.len());
        let Some(ldp) = &mut self.ldp else { return };
        let (links, told) = (ldp.links.clone(), core::mem::replace(&mut ldp.told, ldp.links.clone()));
        let negotiated = Negotiated {
            keepalive: Duration::from_secs(60),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: MldpConfig::new(
                vec![],
                LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX },
                NhlfeRange { first: NhlfeId(0), last: NhlfeId(0) },
                GroupRange { first: ReplicationId(0), last: ReplicationId(0) },
            )
            .capabilities(),
            graceful_restart: None,
        };
        for (a, b) in told.difference(&links) {
            for (n, other) in [(*a, *b), (*b, *a)] {
                ldp.nodes[n].handle_input(now, Input::PeerDown { peer: id(other), retain: None });
                ldp.nodes[n].handle_input(now, Input::Reach { peer: id(other), next: None, mtu: 0 });
            }
        }
        for (a, b) in links.difference(&told) {
            for (n, other) in [(*a, *b), (*b, *a)] {
                let next = Some(NextHop::Neighbor { iface: CORE, mac: mac(other) });
                ldp.nodes[n].handle_input(now, Input::Reach { peer: id(other), next, mtu: 1600 });
                ldp.nodes[n].handle_input(now, Input::PeerUp { peer: id(other), negotiated: &negotiated });
            }
        }
        for n in 0..count {
            for root in (0..count).filter(|root| *root != n) {
                // Routes stay within an AS, but for those to the ASBR on the other side.
                let is_near = self.links.iter().any(|(a, b)| link(*a, *b) == link(n, root));
                let hop = self.next_hop(n, root).filter(|_| is_near || self.asn[n] == self.asn[root]);
                let route = hop.map(|hop| {
                    let candidates = vec![Candidate { address: self.routers[hop], peer: id(hop) }];
                    Route::Paths { candidates, metric: 1 }
                });
                let input = Input::Route { root: self.routers[root], route };
                if let Some(ldp) = &mut self.ldp {
                    ldp.nodes[n].handle_input(now, input);
                }
            }
        }
        self.drain_ldp();
    }

    /// Whether what a router sends reaches another: over a link that did not fail.
    pub(super) fn is_linked(&self, a: usize, b: usize) -> bool {
        self.ldp.as_ref().is_none_or(|ldp| !ldp.failed.contains(&link(a, b)))
    }

    /// The name that a router joins a tree by: if the root is in another AS, under the next hop of its A-D route (RFC 6512 §3.2.1).
    fn name(&self, pe: usize, tunnel: &PTunnel) -> TreeFec {
        let plain = fec(tunnel);
        let root = self.routers.iter().position(|router| *router == plain.root);
        if root.is_none_or(|root| self.asn[root] == self.asn[pe]) {
            return plain;
        }
        let mut ads = self.rib.iter().filter_map(|(route, paths)| {
            let McastKind::Ad(AdRoute::IntraAsIPmsi(ad)) = route.kind else { return None };
            let (_, said) = paths.iter().find(|(node, _)| self.asn[**node] == self.asn[pe])?;
            (ad.originator == plain.root).then_some((ad.rd, said.next_hop))
        });
        let (rd, next_hop) = ads.next().expect("an A-D route of the root");
        plain.vpn_recursive(next_hop, rd.octets())
    }

    /// A border router hears of a PE in another AS.
    pub(super) fn ldp_ad(&mut self, n: usize, route: &McastRoute, next_hop: Option<IpAddr>) {
        let McastKind::Ad(AdRoute::IntraAsIPmsi(ad)) = route.kind else { return };
        let of = self.routers.iter().position(|router| *router == ad.originator);
        if route.family != AddressFamily::V4 || of.is_none_or(|of| self.asn[of] == self.asn[n]) {
            return;
        }
        if let Some(ldp) = &mut self.ldp {
            let (root, rd) = (ad.originator, ad.rd.octets());
            ldp.nodes[n].handle_input(self.now, Input::VpnRoute { root, rd, next_hop });
        }
        self.drain_ldp();
    }

    /// What a PE asks of LDP.
    pub fn ldp_tree(&mut self, pe: usize, request: TreeRequest) {
        let now = self.now;
        let name = match &request {
            TreeRequest::Join { tunnel, .. } => Some(self.name(pe, tunnel)),
            _ => None,
        };
        let Some(ldp) = &mut self.ldp else { return };
        let mldp = &mut ldp.nodes[pe];
        match request {
            TreeRequest::Root { tree, tunnel } => {
                let id = mldp.open(now, fec(&tunnel)).unwrap();
                ldp.rooted.insert((pe, id), (tree, BTreeMap::new()));
            }
            TreeRequest::Remove { tree } => {
                let of = ldp.rooted.iter().find(|((n, _), (t, _))| (*n, *t) == (pe, tree)).map(|(key, _)| *key);
                if let Some(key) = of {
                    ldp.rooted.remove(&key);
                    mldp.close(now, key.1);
                }
            }
            TreeRequest::Join { tunnel, arrives_by } => {
                let name = name.unwrap_or_else(|| fec(&tunnel));
                let id = mldp.join(now, name, Deliver::Multicast(arrives_by)).unwrap();
                ldp.joined.insert((pe, tunnel), id);
            }
            TreeRequest::JoinSpace { tunnel, space } => {
                let id = mldp.join(now, fec(&tunnel), Deliver::Context(space)).unwrap();
                ldp.joined.insert((pe, tunnel), id);
            }
            TreeRequest::Stitch { tunnel, group } => {
                // At a PE in place of what was joined.
                if let Some(id) = ldp.joined.remove(&(pe, tunnel.clone())) {
                    mldp.leave(now, id);
                }
                let id = mldp.join(now, fec(&tunnel), Deliver::Replicate(group)).unwrap();
                ldp.joined.insert((pe, tunnel), id);
            }
            TreeRequest::Leave { tunnel } => {
                if let Some(id) = ldp.joined.remove(&(pe, tunnel)) {
                    mldp.leave(now, id);
                }
            }
            other => panic!("{other:?}"),
        }
        self.drain_ldp();
    }

    pub fn ldp_message(&mut self, from: usize, to: usize, message: &Message) {
        let now = self.now;
        if !self.is_linked(from, to) || !self.pes[to].alive {
            return;
        }
        if let Some(ldp) = &mut self.ldp {
            ldp.nodes[to].handle_input(now, Input::Message { peer: id(from), message });
        }
        self.drain_ldp();
    }

    pub fn ldp_timeouts(&mut self) {
        let now = self.now;
        for mldp in self.ldp.iter_mut().flat_map(|ldp| ldp.nodes.iter_mut()) {
            if mldp.next_timeout().is_some_and(|at| at <= now) {
                mldp.handle_timeout(now);
            }
        }
        self.drain_ldp();
    }

    fn drain_ldp(&mut self) {
        for n in 0..self.pes.len() {
            while let Some(output) = self.ldp.as_mut().and_then(|ldp| ldp.nodes[n].poll_output()) {
                match output {
                    Output::Program(op) => {
                        self.pes[n].forwarder.apply(&op).unwrap_or_else(|e| panic!("{n}: {op:?}: {e}"));
                    }
                    Output::Message { peer, message } => {
                        let at = self.now + Duration::from_millis(5);
                        self.push(at, What::Ldp { from: n, to: index(peer), message });
                    }
                    Output::Event(event) => self.ldp_event(n, &event),
                }
            }
        }
    }

    /// The way from a router to a neighbour takes packets of so many octets, labels included.
    pub fn ldp_mtu(&mut self, at: usize, neighbour: usize, mtu: u16) {
        let now = self.now;
        let next = Some(NextHop::Neighbor { iface: CORE, mac: mac(neighbour) });
        if let Some(ldp) = &mut self.ldp {
            ldp.nodes[at].handle_input(now, Input::Reach { peer: id(neighbour), next, mtu });
        }
        self.drain_ldp();
    }

    fn ldp_event(&mut self, n: usize, event: &Event) {
        if let Event::Rooted { fec, .. } = event {
            if let Some(tunnel) = PTunnel::of_mldp(fec) {
                self.input(n, mvpn::mvrf::Input::Rooted { tunnel });
            }
            return;
        }
        if let Event::Mtu { tree, mtu } = event {
            let rooted = self.ldp.as_ref().and_then(|ldp| ldp.rooted.get(&(n, *tree)));
            if let Some(tree) = rooted.map(|(tree, _)| *tree) {
                self.input(n, mvpn::mvrf::Input::TunnelMtu { tree, mtu: Some(*mtu) });
            }
            return;
        }
        let (id, leg, entry) = match event {
            Event::LegUp { tree, leg, nhlfe, .. } => (*tree, *leg, Some(*nhlfe)),
            Event::LegDown { tree, leg } => (*tree, *leg, None),
            _ => return,
        };
        let Some((tree, legs)) = self.ldp.as_mut().and_then(|ldp| ldp.rooted.get_mut(&(n, id))) else { return };
        match entry {
            Some(entry) => legs.insert(leg, entry),
            None => legs.remove(&leg),
        };
        let (tree, branches) = (*tree, legs.values().copied().collect());
        self.branches(n, tree, branches);
    }
}
