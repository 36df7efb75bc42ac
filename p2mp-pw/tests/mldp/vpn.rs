//! Trees across ASes whose P routers know no router of the others (RFC 6512 §3.2.1).

use std::time::Duration;

use p2mp_pw::ldp::fec::RouteDistinguisher;
use p2mp_pw::mldp::{Input, TreeFec};

use super::net::{Net, address};

const SETTLE: Duration = Duration::from_secs(60);
const RD: RouteDistinguisher = [0, 0, 0xfd, 0xe9, 0, 0, 0, 1];

/// PEs 0 and 9 - P 1 - ASBR 2 = ASBR 3 - P 4 - ASBR 5 = ASBR 6 - P 7 - PE 8.
const LINKS: [(usize, usize, u32); 9] =
    [(0, 1, 1), (1, 9, 1), (1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 5, 1), (5, 6, 1), (6, 7, 1), (7, 8, 1)];
const AS: [u8; 10] = [1, 1, 1, 2, 2, 2, 3, 3, 3, 1];
/// Next hops of the A-D route of PE 8 at ASBRs.
const NEXT: [(usize, usize); 3] = [(2, 3), (3, 5), (5, 6)];

fn set(net: &mut Net, n: usize, next: Option<usize>) {
    let (root, next_hop) = (address(8), next.map(address));
    let now = net.now;
    net.nodes[n].mldp.handle_input(now, Input::VpnRoute { root, rd: RD, next_hop });
    net.drain();
}

/// Routes within each AS, and between ASBRs that are next to each other.
fn network() -> Net {
    let mut net = Net::new(10, &LINKS, 5, |_, _| {});
    let now = net.now;
    for (n, asn) in AS.into_iter().enumerate() {
        for root in (0..10).filter(|root| asn != AS[*root]) {
            if !LINKS.iter().any(|(a, b, _)| (*a, *b) == (n.min(root), n.max(root))) {
                net.nodes[n].mldp.handle_input(now, Input::Route { root: address(root), route: None });
            }
        }
    }
    NEXT.into_iter().for_each(|(n, next)| set(&mut net, n, Some(next)));
    net
}

/// Copies at each router of a packet of PE 8, and whether each link took at most one.
fn packet(net: &mut Net) -> (Vec<u32>, bool) {
    let got = net.packet(8, 1);
    (got, net.crossed.values().all(|copies| *copies == 1))
}

/// A tree of PE 8 in the third AS reaches PEs in the first: P routers know but routers of their own AS, ASBRs none beyond the next ASBR; the A-D
/// route of PE 8 leads on. The tree follows it: without it at an ASBR there is nothing, with it again there is, and nothing is left at the end.
///
/// Shows: MVPN-IAS-6
#[test]
fn a_tree_crosses_cores_that_do_not_know_its_root() {
    let mut net = network();
    let tree = TreeFec::p2mp(address(8), 7);
    let under = |n: usize| tree.vpn_recursive(address(n), RD);
    net.open(8, &tree, 1);
    for pe in [0, 9] {
        net.join(pe, &under(2), 1);
    }
    net.run(SETTLE);
    let both = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(packet(&mut net), (both.clone(), true));
    assert_eq!(net.crossed.len(), LINKS.len());
    // Who knows which name of it, and who has a route to PE 8.
    let knows = |net: &Net, n: usize, fec: &TreeFec| net.nodes[n].mldp.find(fec).is_some();
    for n in 0..10 {
        assert_eq!(net.nodes[n].mldp.metric(address(8)).is_some(), [6, 7].contains(&n), "{n}");
        assert_eq!(knows(&net, n, &tree), [6, 7, 8].contains(&n), "{n}");
    }
    assert!(knows(&net, 1, &under(2)) && knows(&net, 4, &under(5)) && !knows(&net, 4, &under(2)));
    for (n, next) in NEXT {
        set(&mut net, n, None);
        net.run(SETTLE);
        assert_eq!(packet(&mut net), (vec![0; 10], true), "ASBR {n} has no way on");
        set(&mut net, n, Some(next));
        net.run(SETTLE);
        assert_eq!(packet(&mut net), (both.clone(), true), "ASBR {n} has one again");
    }
    net.leave(0, &under(2));
    net.run(SETTLE);
    assert_eq!(packet(&mut net), (vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1], true));
    net.leave(9, &under(2));
    net.run(SETTLE);
    for n in 0..8 {
        let mldp = &net.nodes[n].mldp;
        assert_eq!((mldp.trees().count(), mldp.used().0), (0, 0), "{n}");
    }
}
