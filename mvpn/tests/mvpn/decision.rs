//! Which flows get S-PMSIs, and what that costs: state in the core against packets that nobody wants.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use mvpn::mvrf::{
    Audience, Input, MvpnEvent, MvpnLimit, MvrfConfig, PTunnel, Period, Reason, SFlow, SPmsiPolicy, Threshold,
    TunnelKind,
};
use mvpn::pim::wire::AddressFamily;

use super::node::{SimAddress, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
const MLDP: TunnelKind = TunnelKind::MldpP2mp;

/// PEs with a site of VPN 1 each; PE 0 sends.
pub fn network<A: SimAddress>(
    provider: Provider,
    pes: usize,
    inclusive: Option<TunnelKind>,
    change: impl Fn(&mut MvrfConfig),
) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(pes), 7, |_, _| {});
    for pe in 0..pes {
        let mut config = mvrf(pe, inclusive, MLDP);
        if inclusive.is_none() {
            config.s_pmsi.fixed = [AddressFamily::V4, AddressFamily::V6].map(SFlow::all).to_vec();
        }
        config.s_pmsi.explicit_tracking = true;
        change(&mut config);
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    world
}

pub fn rate<A: SimAddress>(world: &mut World<A>, group: A, octets_per_second: u64) {
    let (source, group) = (A::host(0, 1).into(), group.into());
    world.input(0, Input::Rate { vrf: VRF, source, group, octets_per_second });
}

pub fn flow<A: SimAddress>(group: A) -> SFlow {
    SFlow::source_group(A::host(0, 1).into(), group.into())
}

/// Receivers of groups at PEs, and their rates.
fn audience<A: SimAddress>(world: &mut World<A>, flows: &[(u8, &[usize], u64)]) {
    for (n, pes, _) in flows {
        for pe in *pes {
            world.member((*pe, VRF), Some(A::host(0, 1)), A::ssm(*n), true);
        }
    }
    world.run_for(SECOND * 2);
    for (n, _, octets_per_second) in flows {
        rate(world, A::ssm(*n), *octets_per_second);
    }
    world.run_for(SECOND * 7);
}

/// Sends a packet of each flow. PEs that a packet reached without a receiver, by flow; all receivers get it once.
fn unwanted<A: SimAddress>(world: &mut World<A>, flows: &[(u8, &[usize], u64)]) -> Vec<BTreeSet<usize>> {
    let mut unwanted = Vec::new();
    for (n, pes, _) in flows {
        let (source, group) = (A::host(0, 1), A::ssm(*n));
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        let expected: BTreeMap<_, _> = pes.iter().map(|pe| ((*pe, VRF), 1)).collect();
        assert_eq!(world.copies(source, group, number), expected, "group {n}");
        let reached = world.reached.get(&number).into_iter().flat_map(BTreeMap::keys).copied();
        unwanted.push(reached.filter(|pe| !pes.contains(pe)).collect());
    }
    unwanted
}

/// What the packets of a second would be, by the flows' rates.
fn wasted(unwanted: &[BTreeSet<usize>], flows: &[(u8, &[usize], u64)]) -> u64 {
    unwanted.iter().zip(flows).map(|(pes, (_, _, rate))| pes.len() as u64 * rate).sum()
}

/// Flows of six PEs: much the same receivers, few, many.
const FLOWS: [(u8, &[usize], u64); 6] = [
    (1, &[1, 2, 3], 1000),
    (2, &[1, 2, 3], 2000),
    (3, &[1, 2, 3, 4], 1000),
    (4, &[5], 4000),
    (5, &[1, 2, 3, 4, 5], 8000),
    (6, &[4, 5], 10),
];

fn run<A: SimAddress>(provider: Provider, change: impl Fn(&mut MvrfConfig)) -> (usize, u64) {
    let mut world = network::<A>(provider, 6, Some(MLDP), change);
    audience(&mut world, &FLOWS);
    let unwanted = unwanted(&mut world, &FLOWS);
    let balance = world.pes[0].mvpn.trade_off(VRF).unwrap();
    assert_eq!(balance.wasted, wasted(&unwanted, &FLOWS), "what is told is what the packets say");
    assert_eq!((balance.tunnels, balance.flows, balance.untracked), (world.pes[0].mvpn.root_tunnels(), 6, 0));
    (balance.tunnels, balance.wasted)
}

/// Octets that reach PEs without a receiver by an I-PMSI, by tunnels that flows with much the same receivers share, and by a tunnel for
/// each flow; counted packet by packet, and as the PE tells.
///
/// Shows: MVPN-OPT-2, MVPN-GEN-5, MVPN-OAM-11
#[test]
fn state_is_traded_for_waste() {
    fn all<A: SimAddress>(provider: Provider) {
        let inclusive = run::<A>(provider, |_| {});
        // Of five other PEs: 2×1000 + 2×2000 + 1000 + 4×4000 + 0 + 3×10.
        assert_eq!(inclusive, (1, 23_030), "{provider:?}");
        let always =
            |c: &mut MvrfConfig| c.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap(), "ff3e::/16".parse().unwrap()];
        assert_eq!(run::<A>(provider, always), (7, 0), "{provider:?}");
        // 1 and 2 share, with 3: PE 4 gets 3,000 octets that it does not want; 5 is all receivers, and close to 3 too.
        let (tunnels, waste) = run::<A>(provider, |c| {
            always(c);
            c.s_pmsi.congruence = Some(100);
        });
        assert_eq!((tunnels, waste), (6, 0), "1 and 2 share");
        let (tunnels, waste) = run::<A>(provider, |c| {
            always(c);
            c.s_pmsi.congruence = Some(70);
        });
        assert!(tunnels < 6 && waste > 0 && waste < inclusive.1, "{tunnels} tunnels, {waste} octets");
    }
    all::<Ipv4Addr>(Provider::V4);
    all::<Ipv6Addr>(Provider::V4);
    all::<Ipv4Addr>(Provider::V6);
    all::<Ipv6Addr>(Provider::V6);
}

/// Each setting moves tunnels and waste in its direction.
///
/// Shows: MVPN-OPT-3
#[test]
fn every_setting_moves_the_balance() {
    type A = Ipv4Addr;
    let with = |change: &dyn Fn(&mut SPmsiPolicy)| run::<A>(Provider::V4, |c| change(&mut c.s_pmsi));
    let threshold = |up| move |p: &mut SPmsiPolicy| p.threshold = Some(Threshold { up, down: up / 2 });
    let waste = |up| move |p: &mut SPmsiPolicy| p.waste = Some(Threshold { up, down: up / 2 });
    let share = |few| move |p: &mut SPmsiPolicy| p.audience = Some(Audience { few, many: 100 });
    for (name, low, high) in [
        ("rate", with(&threshold(1000)), with(&threshold(4000))),
        ("waste", with(&waste(1000)), with(&waste(10_000))),
        ("audience", with(&share(60)), with(&share(20))),
        ("budget", run::<A>(Provider::V4, |c| budget(c, 8)), run::<A>(Provider::V4, |c| budget(c, 2))),
    ] {
        assert!(low.0 > high.0 && low.1 < high.1, "{name}: {low:?} {high:?}");
    }
    // The flow that all receive wastes nothing by default, whatever its rate: the rule by waste leaves it there.
    assert_eq!(with(&waste(1)), (6, 0));
    assert_eq!(with(&threshold(1)), (7, 0));
}

fn budget(config: &mut MvrfConfig, tunnels: usize) {
    config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
    config.limits.own_tunnels = tunnels;
}

/// The hold-down time keeps a bursty source where it is, whatever the rule; without one it swings.
///
/// Shows: MVPN-OPT-3
#[test]
fn a_bursty_source_does_not_swing() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, 6, Some(MLDP), |c| {
        c.s_pmsi.waste = Some(Threshold { up: 1000, down: 500 });
    });
    audience(&mut world, &[(1, &[1], 1000)]);
    let moved = |world: &World<A>| world.pes[0].events.iter().filter(|e| matches!(e, MvpnEvent::Moved { .. })).count();
    assert_eq!(moved(&world), 1);
    for burst in 0..40 {
        rate(&mut world, A::ssm(1), if burst % 2 == 0 { 0 } else { 2000 });
        world.run_for(SECOND);
    }
    assert_eq!(moved(&world), 1);
    // It is slow when the hold-down time ends: it returns, once.
    rate(&mut world, A::ssm(1), 0);
    world.run_for(SECOND * 60);
    assert_eq!(moved(&world), 2);
    let figures = world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap();
    assert_eq!((figures.moved.get(&Reason::Waste), figures.returned), (Some(&1), 1));
}

/// An octet towards one PE costs ten times as much: flows that it does not receive leave the inclusive tunnel first.
///
/// Shows: MVPN-TE-4
#[test]
fn flows_leave_the_tunnel_to_an_expensive_pe_first() {
    fn go<A: SimAddress>(provider: Provider) {
        let expensive = provider.routers(6)[5];
        let mut world = network::<A>(provider, 6, Some(MLDP), |c| {
            c.s_pmsi.waste = Some(Threshold { up: 10_000, down: 5_000 });
            c.s_pmsi.weights = BTreeMap::from([(expensive, 10)]);
        });
        // Both miss two of five; of the first one of these two is the expensive one.
        let flows: [(u8, &[usize], u64); 2] = [(1, &[1, 2, 3], 1000), (2, &[1, 2, 5], 1000)];
        audience(&mut world, &flows);
        let selective = |world: &World<A>, n| {
            world.pes[0].mvpn.carried(VRF, A::host(0, 1).into(), A::ssm(n).into()).unwrap().is_selective
        };
        assert_eq!((selective(&world, 1), selective(&world, 2)), (true, false));
        assert_eq!(unwanted(&mut world, &flows)[0], BTreeSet::new());
        // The other leaves at five times the rate.
        rate(&mut world, A::ssm(2), 4_999);
        world.run_for(SECOND * 5);
        assert!(!selective(&world, 2));
        rate(&mut world, A::ssm(2), 5_000);
        world.run_for(SECOND * 5);
        assert!(selective(&world, 2));
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V6);
}

/// Fifty channels get their tunnels before prime time, and nothing moves while it lasts, whatever the rates do.
///
/// Shows: MVPN-OPT-4
#[test]
fn channels_are_placed_before_prime_time() {
    type A = Ipv4Addr;
    let channels: Vec<SFlow> = (1..=50).map(|n| flow(A::ssm(n))).collect();
    let hour = Duration::from_secs(3600);
    let mut world = network::<A>(Provider::V4, 3, Some(MLDP), |c| {
        c.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        let (first, every) = (Instant::from_secs(600), Some(hour * 24));
        c.s_pmsi.schedule = vec![Period { flows: channels.clone(), first, length: hour * 3, every }];
    });
    let moved = |world: &World<A>| world.pes[0].events.iter().filter(|e| matches!(e, MvpnEvent::Moved { .. })).count();
    world.run_for(Duration::from_secs(590));
    assert_eq!((moved(&world), world.pes[0].mvpn.root_tunnels()), (0, 1));
    world.run_for(Duration::from_secs(20));
    assert_eq!((moved(&world), world.pes[0].mvpn.root_tunnels()), (50, 51));
    // The peak: receivers come, rates swing.
    for n in 1..=50 {
        world.member((1 + usize::from(n % 2), VRF), Some(A::host(0, 1)), A::ssm(n), true);
    }
    world.run_for(SECOND * 2);
    for minute in 0..100 {
        for n in 1..=50 {
            rate(&mut world, A::ssm(n), u64::from((minute + n) % 7) * 300);
        }
        world.run_for(Duration::from_secs(60));
    }
    assert_eq!(moved(&world), 50);
    for n in 1..=50 {
        let number = world.send((0, VRF), A::host(0, 1), A::ssm(n));
        world.run_for(Duration::from_millis(100));
        assert_eq!(world.reached[&number].len(), 1, "no PE without a receiver");
    }
    // It ends: slow flows return.
    (1..=50).for_each(|n| rate(&mut world, A::ssm(n), 0));
    world.run_for(hour * 2);
    assert_eq!((moved(&world), world.pes[0].mvpn.root_tunnels()), (100, 1));
    // And it comes again the next day.
    world.run_for(hour * 21);
    assert_eq!(world.pes[0].mvpn.root_tunnels(), 51);
}

/// A pinned flow stays on its tunnel through thresholds and budgets, for a flow by itself and for a whole VPN; an operator moves it.
///
/// Shows: MVPN-TRB-2
#[test]
fn nothing_moves_a_pinned_flow() {
    fn go<A: SimAddress>(provider: Provider) {
        let mut world = network::<A>(provider, 4, Some(MLDP), |c| {
            c.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
            c.s_pmsi.pinned = vec![flow(A::ssm(1))];
            c.s_pmsi.fixed = vec![flow(A::ssm(2))];
            c.limits.own_tunnels = 2;
        });
        audience(&mut world, &[(1, &[1], 5000), (2, &[1], 0), (3, &[1], 5000), (4, &[1], 5000)]);
        let tunnels = |world: &World<A>| {
            let carried = |n| world.pes[0].mvpn.carried(VRF, A::host(0, 1).into(), A::ssm(n).into()).unwrap();
            (1..=4).map(|n| carried(n).is_selective).collect::<Vec<_>>()
        };
        // The fourth finds no tunnel left.
        assert_eq!(tunnels(&world), [false, true, true, false]);
        assert!(world.pes[0].events.iter().any(|e| matches!(e, MvpnEvent::Limit { limit: MvpnLimit::OwnTunnels, .. })));
        for octets in [0, 100_000, 0] {
            (1..=2).for_each(|n| rate(&mut world, A::ssm(n), octets));
            world.run_for(SECOND * 100);
            assert_eq!(tunnels(&world), [false, true, true, false]);
        }
        // The third slows down, and the fourth gets its tunnel.
        rate(&mut world, A::ssm(3), 0);
        world.run_for(SECOND * 70);
        assert_eq!(tunnels(&world), [false, true, false, true]);
        // The hook of an operator moves it.
        rate(&mut world, A::ssm(4), 0);
        world.run_for(SECOND * 70);
        let now = world.now;
        world.pes[0].mvpn.place(now, VRF, flow(A::ssm(1)), Some(true)).unwrap();
        world.drain(0);
        world.run_for(SECOND * 5);
        assert_eq!(tunnels(&world), [true, true, false, false]);
        assert!(world.pes[0].mvpn.place(now, VrfId(77), flow(A::ssm(1)), None).is_err());

        let mut world = network::<A>(provider, 3, Some(MLDP), |c| {
            c.s_pmsi.threshold = Some(Threshold { up: 1, down: 1 });
            c.s_pmsi.is_static = true;
        });
        audience(&mut world, &[(1, &[1], 5000)]);
        assert!(!tunnels(&world)[0]);
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V6);
}

/// The answer to the query, link by link: the tunnel that the ingress names is the one that each egress expects, its leaves are the PEs
/// that packets reach, and its reason is the rule that put the flow there.
///
/// Shows: MVPN-TRB-1
#[test]
fn how_a_flow_is_carried_is_what_its_packets_do() {
    fn go<A: SimAddress>(provider: Provider, selective: TunnelKind) {
        let mut world = network::<A>(provider, 5, Some(MLDP), |c| {
            c.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
            c.selective = selective;
        });
        let (source, group) = (A::host(0, 1), A::ssm(1));
        audience(&mut world, &[(1, &[1, 3], 10)]);
        for is_fast in [false, true] {
            if is_fast {
                rate(&mut world, group, 1000);
                world.run_for(SECOND * 5);
            }
            let number = world.send((0, VRF), source, group);
            world.run_for(SECOND);
            let sent = world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap();
            assert_eq!(sent.is_selective, is_fast);
            assert_eq!(sent.s_pmsi, is_fast.then(|| (flow(group), Reason::Rate)));
            let reached: BTreeSet<usize> = world.reached[&number].keys().copied().collect();
            let receivers = [1, 3];
            assert_eq!(reached, if is_fast { receivers.into() } else { (1..5).collect() });
            for pe in 1..5 {
                let there = world.pes[pe].mvpn.carried(VRF, source.into(), group.into()).unwrap();
                let is_receiver = receivers.contains(&pe);
                assert_eq!(there.from, is_receiver.then(|| world.routers[0]), "PE {pe}");
                let expected = is_receiver.then(|| sent.sent_by.clone()).flatten();
                assert_eq!(there.received_by, expected, "PE {pe}");
                assert_eq!(there.sent_by, None);
            }
            // Where the root replicates, it knows its leaves.
            if is_fast && selective == TunnelKind::IngressReplication {
                assert_eq!(sent.leaves, [world.routers[1], world.routers[3]]);
            }
            let lsp = sent.sent_by.unwrap();
            if let Some(lsp) = world.lsps.get(&lsp) {
                assert_eq!(lsp.leaves.keys().copied().collect::<BTreeSet<_>>(), reached);
            }
        }
    }
    for selective in [MLDP, TunnelKind::IngressReplication] {
        go::<Ipv4Addr>(Provider::V4, selective);
        go::<Ipv6Addr>(Provider::V4, selective);
        go::<Ipv4Addr>(Provider::V6, selective);
        go::<Ipv6Addr>(Provider::V6, selective);
    }
}

/// Traffic of a VPN that wants no foreign leaf reaches no PE without that VPN, however the others share LSPs.
fn foreign_leaves(plan: &[(Vec<bool>, bool)]) {
    type A = Ipv4Addr;
    let pes = plan[0].0.len();
    let mut world: World<A> = World::new(Provider::V4.routers(pes), 5, |_, _| {});
    for (vpn, (at, is_flagged)) in plan.iter().enumerate() {
        for pe in (0..pes).filter(|pe| *pe == 0 || at[*pe]) {
            let vrf = VrfId(vpn as u16 + 1);
            let rd = RouteDistinguisher::two_octet_as(65001, 100 * (vpn as u32 + 1) + pe as u32);
            let mut config = MvrfConfig::new(vrf, rd, format!("65001:{}", vpn + 1).parse().unwrap(), pmsi(vrf));
            (config.aggregated, config.no_foreign_leaf) = (true, *is_flagged);
            config.families = vec![AddressFamily::V4];
            world.add_site(pe, config, false);
        }
    }
    world.run_for(SECOND);
    for (vpn, (at, _)) in plan.iter().enumerate() {
        for pe in (1..pes).filter(|pe| at[*pe]) {
            world.member((pe, VrfId(vpn as u16 + 1)), Some(A::host(0, 1)), A::ssm(1), true);
        }
    }
    world.run_for(SECOND * 2);
    for (vpn, (at, is_flagged)) in plan.iter().enumerate() {
        let vrf = VrfId(vpn as u16 + 1);
        let number = world.send((0, vrf), A::host(0, 1), A::ssm(1));
        world.run_for(SECOND);
        let receivers = (1..pes).filter(|pe| at[*pe]);
        let expected: BTreeMap<_, _> = receivers.map(|pe| ((pe, vrf), 1)).collect();
        assert_eq!(world.copies(A::host(0, 1), A::ssm(1), number), expected, "{plan:?}");
        let reached = world.reached.get(&number).into_iter().flat_map(BTreeMap::keys);
        let foreign = reached.filter(|pe| !at[**pe]).count();
        assert!(!is_flagged || foreign == 0, "VPN {vpn} of {plan:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20))]

    /// Random plans of which PE has which VPN, and which of them share LSPs.
    ///
    /// Shows: MVPN-SEC-6
    #[test]
    fn a_flagged_vpn_reaches_no_foreign_pe(
        plan in proptest::collection::vec(
            (proptest::collection::vec(proptest::prelude::any::<bool>(), 5), proptest::prelude::any::<bool>()),
            1..5,
        ),
    ) {
        foreign_leaves(&plan);
    }
}

/// VPNs that share an LSP do reach foreign PEs: what the flag is for.
#[test]
fn a_shared_lsp_reaches_foreign_leaves() {
    let plan = vec![(vec![true, true, false], false), (vec![true, false, true], false)];
    assert!(std::panic::catch_unwind(|| foreign_leaves(&plan)).is_ok());
    type A = Ipv4Addr;
    let mut world: World<A> = World::new(Provider::V4.routers(3), 5, |_, _| {});
    for (vpn, pe) in [(1_u16, 0), (1, 1), (2, 0), (2, 2)] {
        let rd = RouteDistinguisher::two_octet_as(65001, u32::from(100 * vpn) + pe as u32);
        let mut config = MvrfConfig::new(VrfId(vpn), rd, format!("65001:{vpn}").parse().unwrap(), pmsi(VrfId(vpn)));
        config.aggregated = true;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    world.member((1, VRF), Some(A::host(0, 1)), A::ssm(1), true);
    world.run_for(SECOND * 2);
    let number = world.send((0, VRF), A::host(0, 1), A::ssm(1));
    world.run_for(SECOND);
    assert_eq!(world.reached[&number].keys().copied().collect::<Vec<_>>(), [1, 2]);
}

/// Tracking on an I-PMSI: a (C-*,C-*) route without a tunnel asks, Leaf A-D routes answer, and the routes name no tunnel
/// (RFC 8534 §3, §5.2).
#[test]
fn receivers_of_an_i_pmsi_announce_themselves_flow_by_flow() {
    fn go<A: SimAddress>(provider: Provider) {
        let mut world = network::<A>(provider, 4, Some(MLDP), |_| {});
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for pe in [1, 2] {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SECOND * 2);
        let receivers = |world: &World<A>| world.pes[0].mvpn.receivers(VRF, source.into(), group.into());
        let expected =
            |pes: &[usize], world: &World<A>| pes.iter().map(|pe| world.routers[*pe]).collect::<BTreeSet<IpAddr>>();
        assert_eq!(receivers(&world), expected(&[1, 2], &world));
        let leaf = world.pes[1].mvpn.originated().find_map(|(route, attributes)| match route.kind {
            mvpn::mvrf::McastKind::Leaf { .. } => attributes.pmsi.clone(),
            _ => None,
        });
        let leaf = leaf.expect("a leaf with PMSI_TUNNEL");
        assert_eq!((leaf.tunnel, leaf.per_flow), (PTunnel::None, true));
        // To an S-PMSI and back: receivers are known all the time.
        for is_selective in [Some(true), Some(false)] {
            let now = world.now;
            world.pes[0].mvpn.place(now, VRF, flow(group), is_selective).unwrap();
            world.drain(0);
            for _ in 0..20 {
                world.run_for(SECOND);
                assert_eq!(receivers(&world), expected(&[1, 2], &world));
            }
        }
        world.member((1, VRF), Some(source), group, false);
        world.run_for(SECOND * 2);
        assert_eq!(receivers(&world), expected(&[2], &world));
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V6);
}
