//! The same network with mLDP in the place of simulated trees: a P router in the middle, messages as LDP has them, and copies made where
//! the trees branch.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{Label, NhlfeId, ReplicationId};
use fwd_core::op::NextHop;
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, Pdu};
use p2mp_pw::mldp::{Candidate, Deliver, Event, GroupRange, Input, Mldp, MldpConfig, Output, Route, TreeFec, TreeId};

use mvpn::mvrf::{MldpLsp, PTunnel, TreeRequest};

use super::node::{CORE, LDP_LABELS, SimAddress, mac};
use super::world::{What, World};

/// mLDP at each router.
pub struct Ldp {
    pub nodes: Vec<Mldp>,
    joined: BTreeMap<(usize, PTunnel), TreeId>,
    rooted: BTreeMap<(usize, TreeId), (mvpn::mvrf::TreeId, BTreeMap<u16, NhlfeId>)>,
}

fn id(n: usize) -> LdpId {
    LdpId::platform(Ipv4Addr::new(192, 0, 2, n as u8 + 1))
}

fn index(peer: LdpId) -> usize {
    usize::from(peer.lsr.octets()[3]) - 1
}

fn fec(lsp: &MldpLsp) -> TreeFec {
    TreeFec::p2mp(lsp.root, u32::from_be_bytes(*lsp.opaque.last_chunk().unwrap()))
}

impl<A: SimAddress> World<A> {
    /// Runs mLDP: every router is next to router `p` alone.
    pub fn start_ldp(&mut self, p: usize) {
        self.start_ldp_with(p, 100_000);
    }

    /// The same, with so many trees at most at router `p`.
    pub fn start_ldp_with(&mut self, p: usize, max_trees: usize) {
        let now = self.now;
        let label = |n| Label::new(n).unwrap();
        let config = |n: usize| {
            let labels = LabelRange { first: label(LDP_LABELS), last: label(LDP_LABELS + 2000) };
            let nhlfes = NhlfeRange { first: NhlfeId(1000), last: NhlfeId(1999) };
            let groups = GroupRange { first: ReplicationId(400), last: ReplicationId(899) };
            let mut config = MldpConfig::new(vec![self.routers[n]], labels, nhlfes, groups);
            config.max_trees = if n == p { max_trees } else { config.max_trees };
            config
        };
        let negotiated = Negotiated {
            keepalive: Duration::from_secs(60),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: config(p).capabilities(),
            graceful_restart: None,
        };
        let count = self.pes.len();
        let mut nodes: Vec<Mldp> = (0..count).map(|n| Mldp::new(now, config(n)).unwrap()).collect();
        for (n, mldp) in nodes.iter_mut().enumerate() {
            for other in (0..count).filter(|other| *other != n && (n == p || *other == p)) {
                let next = Some(NextHop::Neighbor { iface: CORE, mac: mac(other) });
                mldp.handle_input(now, Input::Reach { peer: id(other), next, mtu: 1600 });
                mldp.handle_input(now, Input::PeerUp { peer: id(other), negotiated: &negotiated });
            }
            for root in (0..count).filter(|root| *root != n) {
                let hop = if n == p { root } else { p };
                let candidates = vec![Candidate { address: self.routers[hop], peer: id(hop) }];
                let route = Some(Route::Paths { candidates, metric: 1 });
                mldp.handle_input(now, Input::Route { root: self.routers[root], route });
            }
        }
        self.ldp = Some(Ldp { nodes, joined: BTreeMap::new(), rooted: BTreeMap::new() });
        self.drain_ldp();
    }

    /// What a PE asks of LDP.
    pub fn ldp_tree(&mut self, pe: usize, request: TreeRequest) {
        let now = self.now;
        let Some(ldp) = &mut self.ldp else { return };
        let mldp = &mut ldp.nodes[pe];
        match request {
            TreeRequest::Root { tree, tunnel: PTunnel::MldpP2mp(lsp) } => {
                let id = mldp.open(now, fec(&lsp)).unwrap();
                ldp.rooted.insert((pe, id), (tree, BTreeMap::new()));
            }
            TreeRequest::Remove { tree } => {
                let of = ldp.rooted.iter().find(|((n, _), (t, _))| (*n, *t) == (pe, tree)).map(|(key, _)| *key);
                if let Some(key) = of {
                    ldp.rooted.remove(&key);
                    mldp.close(key.1);
                }
            }
            TreeRequest::Join { tunnel, arrives_by } => {
                let PTunnel::MldpP2mp(lsp) = &tunnel else { panic!("{tunnel:?}") };
                let id = mldp.join(now, fec(lsp), Deliver::Multicast(arrives_by)).unwrap();
                ldp.joined.insert((pe, tunnel), id);
            }
            TreeRequest::JoinSpace { tunnel, space } => {
                let PTunnel::MldpP2mp(lsp) = &tunnel else { panic!("{tunnel:?}") };
                let id = mldp.join(now, fec(lsp), Deliver::Context(space)).unwrap();
                ldp.joined.insert((pe, tunnel), id);
            }
            TreeRequest::Stitch { tunnel, group } => {
                let PTunnel::MldpP2mp(lsp) = &tunnel else { panic!("{tunnel:?}") };
                let id = mldp.join(now, fec(lsp), Deliver::Replicate(group)).unwrap();
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
