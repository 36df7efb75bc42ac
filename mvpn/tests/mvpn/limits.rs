//! What others can make a PE keep is bounded, and said.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::time::Instant;
use mvpn::mvrf::{
    CTree, DampingConfig, Input, MvpnConfig, MvpnConfigError, MvpnEvent, MvpnLimit, MvpnPe, SFlow, TunnelKind,
};
use mvpn::pim::wire::AddressFamily;

use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

fn limit(world: &World<A>, pe: usize, which: MvpnLimit) -> bool {
    world.pes[pe].events.iter().any(|e| matches!(e, MvpnEvent::Limit { limit, .. } if *limit == which))
}

/// A budget of tunnels holds, and what has no tunnel of its own stays on the default one: every flow is delivered.
#[test]
fn the_tunnel_budget_holds_and_all_flows_are_delivered() {
    let mut world: World<A> = World::new(Provider::V4.routers(3), 1, |_, c| c.tunnel_budget = 9);
    for pe in 0..3 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
        world.add_site(pe, config, false);
    }
    world.run_for(Duration::from_secs(1));
    let source = A::host(0, 1);
    for n in 0..40 {
        world.member((1 + usize::from(n % 2), VRF), Some(source), A::ssm(n), true);
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.pes[0].mvpn.root_tunnels(), 9);
    assert!(limit(&world, 0, MvpnLimit::TunnelBudget));
    for n in 0..40 {
        let number = world.send((0, VRF), source, A::ssm(n));
        world.run_for(Duration::from_millis(100));
        let copies = world.copies(source, A::ssm(n), number);
        assert_eq!(copies.into_iter().collect::<Vec<_>>(), [((1 + usize::from(n % 2), VRF), 1)]);
    }
}

#[test]
fn joins_and_members_beyond_the_limits_are_refused_and_said() {
    let mut world: World<A> = World::new(Provider::V4.routers(4), 1, |_, _| {});
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        if pe == 0 {
            (config.limits.joins, config.limits.members) = (5, 2);
        }
        if pe == 1 {
            config.limits.trees = 6;
        }
        config.families = vec![AddressFamily::V4];
        world.add_site(pe, config, false);
    }
    world.run_for(Duration::from_secs(1));
    assert!(limit(&world, 0, MvpnLimit::Members));
    assert_eq!(world.pes[0].mvpn.members(VRF).count(), 2);
    for n in 0..10 {
        world.member((1, VRF), Some(A::host(0, 1)), A::ssm(n), true);
    }
    world.run_for(Duration::from_secs(2));
    assert!(limit(&world, 1, MvpnLimit::Trees) && limit(&world, 0, MvpnLimit::Joins));
    let served = (0..10).filter(|n| {
        let number = world.send((0, VRF), A::host(0, 1), A::ssm(*n));
        world.run_for(Duration::from_millis(100));
        !world.copies(A::host(0, 1), A::ssm(*n), number).is_empty()
    });
    assert_eq!(served.count(), 5);
}

#[test]
fn bad_configuration_names_its_field() {
    let new = |change: fn(&mut MvpnConfig)| {
        let mut config = MvpnConfig::new([192, 0, 2, 1].into(), 65001);
        change(&mut config);
        MvpnPe::new(Instant::ZERO, config).err()
    };
    assert_eq!(new(|_| {}), None);
    assert_eq!(new(|c| c.router = [224, 0, 0, 1].into()), Some(MvpnConfigError::Router));
    assert_eq!(new(|c| c.asn = 0), Some(MvpnConfigError::Asn));
    assert_eq!(new(|c| c.labels = 3..=100), Some(MvpnConfigError::Labels));
    assert_eq!(new(|c| c.groups = std::ops::RangeInclusive::new(2, 1)), Some(MvpnConfigError::Groups));
    assert_eq!(new(|c| c.timers.leave = Duration::from_secs(3)), Some(MvpnConfigError::Leave));
    assert_eq!(new(|c| c.p_groups = Some("10.0.0.0/8".parse().unwrap())), Some(MvpnConfigError::PGroups));

    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    let config = || mvrf(0, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
    let mut add = |change: fn(&mut mvpn::mvrf::MvrfConfig)| {
        let mut c = config();
        change(&mut c);
        pe.add_mvrf(Instant::ZERO, c).err()
    };
    assert_eq!(add(|c| c.import.clear()), Some(MvpnConfigError::Import));
    assert_eq!(add(|c| c.families.clear()), Some(MvpnConfigError::Families));
    assert_eq!(add(|c| c.selective = TunnelKind::PimSsm), Some(MvpnConfigError::PGroups));
    assert_eq!(add(|c| c.selective = TunnelKind::BidirPim([239, 0, 0, 1].into())), Some(MvpnConfigError::Selective));
    assert_eq!(add(|c| c.limits.joins = 0), Some(MvpnConfigError::Limits));
    assert_eq!(add(|c| c.s_pmsi.fixed = vec![SFlow::all(AddressFamily::V4)]), None);
    assert_eq!(add(|_| {}), Some(MvpnConfigError::Vrf));
    assert_eq!(add(|c| c.vrf = fwd_core::net::VrfId(2)), Some(MvpnConfigError::Rd));
}

/// A PE alone, that knows a source behind another.
pub(super) fn alone(change: impl FnOnce(&mut mvpn::mvrf::MvrfConfig)) -> MvpnPe {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    let mut config = mvrf(0, None, TunnelKind::MldpP2mp);
    change(&mut config);
    pe.add_mvrf(Instant::ZERO, config).unwrap();
    let import = bgp_vpn::attr::ext_community::VrfRouteImport { address: [192, 0, 2, 2].into(), local: 1 };
    let next_hop = import.address;
    let route = mvpn::mvrf::UmhRoute { import: Some(import), source_as: None, next_hop, is_installed: true };
    let rd = mvrf(1, None, TunnelKind::MldpP2mp).rd;
    let prefix = "10.0.0.0/8".parse().unwrap();
    pe.handle_input(Instant::ZERO, Input::Umh { vrf: VRF, prefix, rd, route: Some(route) });
    pe
}

pub(super) fn tree(n: u8) -> CTree {
    CTree::Source { group: A::ssm(n).into(), source: A::host(0, 1).into() }
}

pub(super) fn set(pe: &mut MvpnPe, now: Instant, n: u8, joined: bool) {
    pe.handle_input(now, Input::Tree { vrf: VRF, tree: tree(n), joined });
}

fn joined(pe: &MvpnPe) -> usize {
    pe.originated().filter(|(r, _)| matches!(r.kind, mvpn::mvrf::McastKind::SourceTreeJoin(_))).count()
}

/// 100 trees: the 101st is refused and said, a leave makes room, and a tree that flaps and is damped counts once.
///
/// Shows: MVPN-CTL-2
#[test]
fn a_limit_of_trees_counts_each_once() {
    let mut pe = alone(|c| (c.limits.trees, c.damping) = (100, Some(DampingConfig::default())));
    let now = Instant::from_secs(100);
    for n in 0..101 {
        set(&mut pe, now, n, true);
    }
    let outputs: Vec<_> = std::iter::from_fn(|| pe.poll_output()).collect();
    let said = |o: &mvpn::mvrf::Output| {
        matches!(o, mvpn::mvrf::Output::Event(MvpnEvent::Limit { limit: MvpnLimit::Trees, times: 1, .. }))
    };
    assert_eq!((joined(&pe), outputs.iter().filter(|o| said(o)).count()), (100, 1));
    // One flaps: it stays one.
    for _ in 0..5 {
        set(&mut pe, now, 0, false);
        set(&mut pe, now, 0, true);
    }
    set(&mut pe, now, 0, false);
    assert_eq!(joined(&pe), 100, "its withdrawal waits");
    set(&mut pe, now, 101, true);
    assert_eq!(joined(&pe), 100, "and it still counts");
    // Another that is calm leaves, and is forgotten once its figure is spent.
    set(&mut pe, now, 1, false);
    assert_eq!(joined(&pe), 99);
    let mut pe = alone(|c| c.limits.trees = 100);
    (0..101).for_each(|n| set(&mut pe, now, n, true));
    set(&mut pe, now, 1, false);
    set(&mut pe, now, 101, true);
    assert_eq!(joined(&pe), 100, "a leave made room");
}

/// A tree that flaps: joins go out at once, withdrawals wait until the figure of merit is below the threshold.
///
/// Shows: MVPN-ISEC-3
#[test]
fn withdrawals_of_a_flapping_tree_wait_and_joins_do_not() {
    let mut pe = alone(|c| c.damping = Some(DampingConfig::default()));
    let mut changes = 0;
    let mut drain = |pe: &mut MvpnPe| {
        while let Some(output) = pe.poll_output() {
            changes += match output {
                mvpn::mvrf::Output::Advertise { .. } | mvpn::mvrf::Output::Withdraw(_) => 1,
                _ => 0,
            };
        }
        std::mem::take(&mut changes)
    };
    drain(&mut pe);
    let at = |tenths: u64| Instant::from_secs(100) + Duration::from_millis(100 * tenths);
    // Ten changes in a second, for a minute: after the fourth no more routes.
    let mut said = 0;
    for n in 0..600 {
        let joins = n % 2 == 0;
        set(&mut pe, at(n), 1, joins);
        pe.handle_timeout(at(n));
        said += drain(&mut pe);
        if joins {
            assert_eq!(joined(&pe), 1, "a join waits for nothing");
        }
    }
    assert!((1..=4).contains(&said), "{said}");
    // It ends with a leave, which takes effect when the figure, at its cap, has fallen to the threshold.
    let until = pe.next_timeout().unwrap() - at(599);
    assert!((Duration::from_secs(36)..Duration::from_secs(38)).contains(&until), "{until:?}");
    let end = pe.next_timeout().unwrap();
    pe.handle_timeout(end);
    assert_eq!((drain(&mut pe), joined(&pe)), (1, 0));
}

/// A VRF that is removed while a withdrawal waits leaves nothing behind.
#[test]
fn a_damped_tree_goes_with_its_vrf() {
    let mut pe = alone(|c| c.damping = Some(DampingConfig::default()));
    for n in 0..10 {
        set(&mut pe, Instant::from_secs(100), 1, n % 2 == 0);
    }
    assert!(pe.next_timeout().is_some());
    pe.remove_mvrf(Instant::from_secs(100), VRF).unwrap();
    while pe.poll_output().is_some() {}
    assert_eq!((pe.numbers_in_use(), pe.next_timeout(), joined(&pe)), ([0; 4], None, 0));
}
