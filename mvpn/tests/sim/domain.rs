//! A customer's domain with bootstrap routers, RPs, scopes and timers of its own, and the VRF of a PE that is attached to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::op::{LegTarget, Mroute, MrouteKey};
use mvpn::pim::bsr::{CandidateBsr, CandidateRpConfig, Zone};
use mvpn::pim::rp_set::RpMode;

use super::world::{SimAddress, World};

type A = Ipv4Addr;

/// The customer's routers 0, 1 and 2 with a source's LAN 0 and a members' LAN 3; LAN 4 is between CE 1 and PE 3, LAN 5 stands for the PMSI
/// between the PEs 3 and 4, LAN 6 is another site's.
const LANS: &[&[usize]] = &[&[0], &[0, 1], &[1, 2], &[2], &[1, 3], &[3, 4], &[4]];
const SCOPE: &str = "239.255.0.0/16";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What a router of the customer's knows and does: RP-Set, BSRs, routes with their legs.
type Known = (
    Vec<(<A as mvpn::address::Address>::Prefix, Vec<A>)>,
    [Option<A>; 2],
    BTreeMap<MrouteKey, (Mroute, Vec<LegTarget>)>,
);

fn known(world: &mut World<A>, r: usize) -> Known {
    let now = world.now;
    let mut ranges = Vec::new();
    world.nodes[r].pim.update_rp_set(now, |set| ranges = set.ranges().collect());
    world.drain(r);
    let bsr = world.nodes[r].bsr.as_ref().unwrap();
    let bsrs = [Zone::Global, Zone::Scoped(SCOPE.parse().unwrap())].map(|zone| bsr.bsr(zone));
    let forwarder = &world.nodes[r].forwarder;
    let routes = forwarder.mroutes.iter().map(|(key, mroute)| (*key, (*mroute, forwarder.legs(mroute)))).collect();
    (ranges, bsrs, routes)
}

/// The LANs that a packet of each group crosses, after a while in which there was one each second.
fn trees(world: &mut World<A>, groups: &[A], first: u64) -> Vec<BTreeSet<usize>> {
    let source = A::host(0, 1);
    for n in 0..30 {
        for (g, group) in (0..).zip(groups) {
            world.send(0, source, *group, first + n * 10 + g);
        }
        world.run(secs(1));
    }
    (0..groups.len() as u64).map(|g| world.lans_of(first + 290 + g).unwrap()).collect()
}

/// The domain works; then the PE beside it has multicast turned on, with default timers. Nothing is said to the customer's routers, their RP-Set,
/// BSRs, routes and trees stay as they were, groups of the scope stay inside, and a member at another site gets the rest.
///
/// Shows: MVPN-SVC-3
#[test]
fn a_domain_is_attached_as_it_is() {
    let mut world = World::<A>::new(LANS, None, 9, |r, config| {
        if r < 3 {
            config.timers.join_prune_period = secs(20);
        }
    });
    for r in 0..3 {
        world.run_bootstrap(r, secs(15), &[]);
    }
    let scope: <A as mvpn::address::Address>::Prefix = SCOPE.parse().unwrap();
    (3..5).for_each(|pe| world.nodes[pe].alive = false);
    let (now, open) = (world.now, "239.1.0.0/16".parse().unwrap());
    for zone in [Zone::Global, Zone::Scoped(scope)] {
        let candidate = CandidateBsr { address: A::loopback(2), priority: 10, hash_mask_len: 30 };
        world.bootstrap(2, |bsr| bsr.set_candidate_bsr(now, zone, Some(candidate)).unwrap());
    }
    for (r, range) in [(0, open), (2, scope)] {
        let ranges = vec![(range, RpMode::Sparse)];
        let candidate = CandidateRpConfig { address: A::loopback(r), priority: 192, ranges };
        world.bootstrap(r, |bsr| bsr.set_candidate_rp(now, Some(candidate)).unwrap());
    }
    let groups = [A::asm(1), Ipv4Addr::new(239, 255, 1, 1), A::ssm(1)];
    for (group, source) in groups.into_iter().zip([None, None, Some(A::host(0, 1))]) {
        world.members(3, group, source, true);
    }
    world.run(secs(200));
    let crossed = trees(&mut world, &groups, 1000);
    assert_eq!(crossed, vec![BTreeSet::from([1, 2, 3]); 3]);
    let before: Vec<Known> = (0..3).map(|r| known(&mut world, r)).collect();
    for (ranges, bsrs, routes) in &before {
        assert_eq!(*ranges, [(open, vec![A::loopback(0)]), (scope, vec![A::loopback(2)])]);
        assert_eq!((*bsrs, routes.is_empty()), ([Some(A::loopback(2)); 2], false));
    }

    // The border of the scope is the provider's matter: at the PE, towards the PMSI.
    (3..5).for_each(|pe| world.nodes[pe].alive = true);
    world.run_bootstrap(3, secs(60), &[(5, scope)]);
    world.run_bootstrap(4, secs(60), &[]);
    world.reroute();
    world.run(secs(300));
    assert_eq!(trees(&mut world, &groups, 2000), crossed);
    let after: Vec<Known> = (0..3).map(|r| known(&mut world, r)).collect();
    assert_eq!(after, before);
    let rp = |world: &mut World<A>, pe: usize, group: A| {
        let now = world.now;
        let mut found = None;
        world.nodes[pe].pim.update_rp_set(now, |set| found = set.rp(group).map(|rp| rp.address));
        found
    };
    for pe in [3, 4] {
        assert_eq!(rp(&mut world, pe, groups[0]), Some(A::loopback(0)), "PE {pe}");
    }
    assert_eq!([3, 4].map(|pe| rp(&mut world, pe, groups[1])), [Some(A::loopback(2)), None]);
    // Another site joins: the tree grows, and what there was of it stays.
    world.members(6, groups[0], None, true);
    world.run(secs(10));
    let grown = trees(&mut world, &groups, 3000);
    assert_eq!(grown[0], BTreeSet::from([1, 2, 3, 4, 5, 6]));
    assert_eq!(grown[1..], crossed[1..]);
}
