//! What a large tree costs: its set-up, the state of each router, the depth of the label stack (RFC 4834 §5.2.2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant as Clock};

use fwd_core::net::{IfIndex, Label, Mac, ReplicationId};
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::message::Message;
use p2mp_pw::mldp::{Candidate, Event, Input, Mldp, Output, Route, TreeFec};

use super::net::{config, deliver, negotiated};

/// A router with what its forwarding plane was told.
struct Router {
    mldp: Mldp,
    labels: BTreeSet<Label>,
    legs: BTreeSet<(ReplicationId, u16)>,
    groups: BTreeSet<ReplicationId>,
    /// Labels that its entries push.
    pushed: usize,
    trees_up: usize,
    messages: usize,
}

/// Routers in a tree: each but the root has one above it, and `fan` below as far as there are so many.
struct Tree {
    now: Instant,
    routers: Vec<Router>,
    fan: usize,
    wire: VecDeque<(usize, usize, Message)>,
    took: Duration,
}

fn id(n: usize) -> LdpId {
    let [_, a, b, c] = (n as u32 + 1).to_be_bytes();
    LdpId::platform([10, a, b, c].into())
}

fn number(id: LdpId) -> usize {
    let [_, a, b, c] = id.lsr.octets();
    u32::from_be_bytes([0, a, b, c]) as usize - 1
}

impl Tree {
    fn new(count: usize, fan: usize) -> Self {
        let now = Instant::from_secs(1);
        let router = |n: usize| {
            let mut config = config(0);
            config.addresses = vec![id(n).lsr.into()];
            let negotiated = negotiated(&config);
            let mut mldp = Mldp::new(now, config).unwrap();
            let above = (n > 0).then(|| (n - 1) / fan);
            let below = (n * fan + 1..=n * fan + fan).take_while(|n| *n < count);
            for peer in above.into_iter().chain(below) {
                let [_, a, b, c] = id(peer).lsr.octets();
                let next = NextHop::Neighbor { iface: IfIndex(peer as u32), mac: Mac([2, 0, 0, a, b, c]) };
                mldp.handle_input(now, Input::Reach { peer: id(peer), next: Some(next), mtu: 1500 });
                mldp.handle_input(now, Input::PeerUp { peer: id(peer), negotiated: &negotiated });
            }
            if let Some(above) = above {
                let candidates = vec![Candidate { address: id(above).lsr.into(), peer: id(above) }];
                let route = Some(Route::Paths { candidates, metric: 1 });
                mldp.handle_input(now, Input::Route { root: id(0).lsr.into(), route });
            }
            let (labels, legs, groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            Router { mldp, labels, legs, groups, pushed: 0, trees_up: 0, messages: 0 }
        };
        let routers = (0..count).map(router).collect();
        Self { now, routers, fan, wire: VecDeque::new(), took: Duration::ZERO }
    }

    fn is_leaf(&self, n: usize) -> bool {
        n * self.fan + 1 >= self.routers.len()
    }

    fn drain(&mut self, n: usize) {
        while let Some(output) = self.routers[n].mldp.poll_output() {
            let router = &mut self.routers[n];
            match output {
                Output::Message { peer, message } => {
                    router.messages += 1;
                    self.wire.push_back((n, number(peer), message));
                }
                Output::Program(FwdOp::SetIlm { label, .. }) => drop(router.labels.insert(label)),
                Output::Program(FwdOp::SetReplication { id, .. }) => drop(router.groups.insert(id)),
                Output::Program(FwdOp::SetLeg { group, leg, .. }) => drop(router.legs.insert((group, leg))),
                Output::Program(FwdOp::SetNhlfe { nhlfe, .. }) => {
                    router.pushed = router.pushed.max(nhlfe.push.as_slice().len());
                }
                Output::Event(Event::TreeUp { .. }) => router.trees_up += 1,
                _ => {}
            }
        }
    }

    fn settle(&mut self) {
        let clock = Clock::now();
        (0..self.routers.len()).for_each(|n| self.drain(n));
        while let Some((from, to, message)) = self.wire.pop_front() {
            let input = Input::Message { peer: id(from), message: &message };
            self.routers[to].mldp.handle_input(self.now, input);
            self.drain(to);
        }
        self.took += clock.elapsed();
    }
}

/// A tree of 1,000 leaves, ten branches at each of three levels: one message for each router, entries for its own branches at each whatever
/// the number of leaves, and one label on packets everywhere. How long it takes is printed.
///
/// Shows: MVPN-SCAL-12
#[test]
fn a_thousand_leaves_cost_each_router_its_own_branches() {
    let (fan, count) = (10, 1 + 10 + 100 + 1000);
    let mut tree = Tree::new(count, fan);
    tree.settle();
    tree.took = Duration::ZERO;
    let now = tree.now;
    let fec = TreeFec::p2mp(id(0).lsr.into(), 7);
    tree.routers[0].mldp.open(now, fec.clone()).unwrap();
    let leaves: Vec<usize> = (0..count).filter(|n| tree.is_leaf(*n)).collect();
    assert_eq!(leaves.len(), 1000);
    let before: BTreeMap<usize, usize> = (0..count).map(|n| (n, tree.routers[n].messages)).collect();
    for leaf in &leaves {
        tree.routers[*leaf].mldp.join(now, fec.clone(), deliver(0)).unwrap();
    }
    tree.settle();
    for (n, router) in tree.routers.iter().enumerate() {
        let sent = router.messages - before[&n];
        assert_eq!(sent, usize::from(n > 0), "router {n}: its label to the router above, once");
        assert_eq!(router.labels.len(), usize::from(n > 0), "router {n}");
        assert!(router.legs.len() <= fan && router.groups.len() <= 1, "router {n}: {:?}", router.legs);
        assert!(router.pushed <= 1, "router {n}: {} labels", router.pushed);
        assert!(router.trees_up > 0 || !tree.is_leaf(n), "leaf {n}");
    }
    let took = tree.took;
    println!(
        "1,000 leaves, {count} routers: {:.1} ms, {:.1} us a router",
        took.as_secs_f64() * 1e3,
        took.as_secs_f64() * 1e6 / count as f64
    );
    // Then one more pruned and grafted: the routers on its way to a branch that stays, and no other.
    let before: Vec<usize> = tree.routers.iter().map(|r| r.messages).collect();
    let tree_id = tree.routers[leaves[0]].mldp.find(&fec).unwrap();
    tree.routers[leaves[0]].mldp.leave(now, tree_id);
    tree.settle();
    let moved: Vec<usize> = (0..count).filter(|n| tree.routers[*n].messages != before[*n]).collect();
    assert_eq!(moved, [(leaves[0] - 1) / fan, leaves[0]], "a withdrawal and its release");
}
