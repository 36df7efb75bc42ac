//! mLDP beside the machine at every PE, and at the P router between them: trees as `p2mp_pw::mldp` makes them, wired as an embedder does.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, Pdu};
use p2mp_pw::mldp::{Candidate, Deliver, Event, GroupRange, Input, Mldp, MldpConfig, Output, Route, TreeId};
use vpls::bgp::Tunnel;
use vpls::{TreeEvent, TreeRequest};

use super::node::{self, CORE, GROUPS};
use super::{address, label};

const P_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 250);

/// The machine of a router, and the trees that it has to do with.
struct Site {
    mldp: Mldp,
    trees: BTreeMap<TreeId, Tunnel>,
    /// Of trees that are rooted here: the entries of their legs.
    legs: BTreeMap<TreeId, BTreeMap<u16, NhlfeId>>,
}

/// All machines: those of PEs, then that of the P router.
pub struct Trees {
    sites: Vec<Site>,
    /// Messages sent, for one who counts them.
    pub messages: usize,
}

/// What the network has to do.
pub enum Act {
    /// At a PE, or behind the last one at the P router.
    Program(usize, FwdOp),
    /// At a PE.
    Tell(usize, TreeEvent),
}

fn peer(at: usize, pes: usize) -> LdpId {
    if at == pes { LdpId::platform(P_ADDRESS) } else { node::ldp_id(at) }
}

impl Trees {
    /// Sessions between the P router and each PE, and routes to every PE.
    pub fn new(pes: usize) -> Self {
        let mut sites: Vec<Site> = (0..=pes).map(|at| Site::new(at, pes)).collect();
        for pe in 0..pes {
            let p = LdpId::platform(P_ADDRESS);
            sites[pe].meet(p, NextHop::Neighbor { iface: CORE, mac: node::P_MAC });
            let iface = IfIndex(u32::try_from(pe).unwrap());
            sites[pes].meet(node::ldp_id(pe), NextHop::Neighbor { iface, mac: node::PE_MAC });
            for root in (0..pes).filter(|root| *root != pe) {
                sites[pe].route(root, p);
            }
            sites[pes].route(pe, node::ldp_id(pe));
        }
        Self { sites, messages: 0 }
    }

    /// What the machine of a PE wants of trees.
    pub fn request(&mut self, now: Instant, pe: usize, request: TreeRequest) {
        let site = &mut self.sites[pe];
        let fec = |tunnel: &Tunnel| tunnel.tree_fec().expect("an mLDP tree");
        match request {
            TreeRequest::Root { tunnel, .. } => {
                let tree = site.mldp.open(now, fec(&tunnel)).unwrap();
                site.trees.insert(tree, tunnel);
            }
            TreeRequest::Unroot { tunnel } => {
                let tree = site.mldp.find(&fec(&tunnel)).unwrap();
                site.mldp.close(now, tree);
            }
            TreeRequest::Join { tunnel, deliver } => {
                let deliver = Deliver::Bridge(deliver.expect("a tree of one instance"));
                let tree = site.mldp.join(now, fec(&tunnel), deliver).unwrap();
                site.trees.insert(tree, tunnel);
            }
            TreeRequest::Leave { tunnel } => {
                if let Some(tree) = site.mldp.find(&fec(&tunnel)) {
                    site.mldp.leave(now, tree);
                }
            }
        }
    }

    /// The next thing to do; messages are carried on the way.
    pub fn poll(&mut self, now: Instant) -> Option<Act> {
        let pes = self.sites.len() - 1;
        let mut at = 0;
        while at <= pes {
            let Some(output) = self.sites[at].mldp.poll_output() else {
                at += 1;
                continue;
            };
            match output {
                Output::Program(op) => return Some(Act::Program(at, op)),
                Output::Message { peer: to, message } => {
                    let to = (0..=pes).find(|n| peer(*n, pes) == to).unwrap();
                    self.messages += 1;
                    self.deliver(now, peer(at, pes), to, &message);
                    at = 0;
                }
                Output::Event(event) => {
                    if let Some(event) = self.sites[at].event(event) {
                        return Some(Act::Tell(at, event));
                    }
                }
            }
        }
        None
    }

    fn deliver(&mut self, now: Instant, from: LdpId, to: usize, message: &Message) {
        self.sites[to].mldp.handle_input(now, Input::Message { peer: from, message });
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.sites.iter().filter_map(|site| site.mldp.next_timeout()).min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.sites.iter_mut().for_each(|site| site.mldp.handle_timeout(now));
    }

    /// The session between a PE and the P router ends.
    pub fn lose(&mut self, now: Instant, pe: usize) {
        let pes = self.sites.len() - 1;
        self.sites[pe].mldp.handle_input(now, Input::PeerDown { peer: peer(pes, pes), retain: None });
        self.sites[pes].mldp.handle_input(now, Input::PeerDown { peer: node::ldp_id(pe), retain: None });
    }
}

impl Site {
    fn new(at: usize, pes: usize) -> Self {
        let base = 700_000 + 1000 * u32::try_from(at).unwrap();
        let labels = LabelRange { first: label(base), last: label(base + 999) };
        let (nhlfes, groups) =
            if at == pes { ((1000, 1400), (1500, 1999)) } else { ((1501, 1550), (GROUPS - 64, GROUPS - 1)) };
        let nhlfes = NhlfeRange { first: NhlfeId(nhlfes.0), last: NhlfeId(nhlfes.1) };
        let groups = GroupRange { first: ReplicationId(groups.0), last: ReplicationId(groups.1) };
        let own = if at == pes { P_ADDRESS.into() } else { address(at) };
        let mldp = Mldp::new(Instant::ZERO, MldpConfig::new(vec![own], labels, nhlfes, groups)).unwrap();
        Self { mldp, trees: BTreeMap::new(), legs: BTreeMap::new() }
    }

    fn meet(&mut self, peer: LdpId, next: NextHop) {
        let of_all = MldpConfig::new(
            vec![],
            LabelRange { first: label(16), last: label(16) },
            NhlfeRange { first: NhlfeId(0), last: NhlfeId(0) },
            GroupRange { first: ReplicationId(0), last: ReplicationId(0) },
        );
        let negotiated = Negotiated {
            keepalive: Duration::from_secs(60),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: of_all.capabilities(),
            graceful_restart: None,
        };
        self.mldp.handle_input(Instant::ZERO, Input::PeerUp { peer, negotiated: &negotiated });
        self.mldp.handle_input(Instant::ZERO, Input::Reach { peer, next: Some(next), mtu: 9200 });
    }

    fn route(&mut self, root: usize, through: LdpId) {
        let candidates = vec![Candidate { address: through.lsr.into(), peer: through }];
        let route = Some(Route::Paths { candidates, metric: 10 });
        self.mldp.handle_input(Instant::ZERO, Input::Route { root: address(root), route });
    }

    /// What the instance's machine is told of an event.
    fn event(&mut self, event: Event) -> Option<TreeEvent> {
        let tree = match event {
            Event::LegUp { tree, leg, nhlfe, .. } => {
                self.legs.entry(tree).or_default().insert(leg, nhlfe);
                tree
            }
            Event::LegDown { tree, leg } => {
                self.legs.get_mut(&tree)?.remove(&leg);
                tree
            }
            Event::Mtu { tree, mtu } if mtu != u16::MAX => {
                return Some(TreeEvent::Mtu { tunnel: self.trees.get(&tree)?.clone(), mtu });
            }
            _ => return None,
        };
        let entries = self.legs.get(&tree)?.values().copied().collect();
        Some(TreeEvent::Branches { tunnel: self.trees.get(&tree)?.clone(), entries })
    }
}
