//! What an operator and a customer see: managed objects, usage, alarms.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::mib::View;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::GroupCounters;
use fwd_core::mib::{Objects, Oid, Row, Value};
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use mvpn::mvrf::mib::{self, MvpnMib, Notification, Outside};
use mvpn::mvrf::{
    AdvertType, AlarmConfig, Input, McastKind, MvpnConfig, MvpnEvent, MvpnLimit, MvpnPe, MvrfConfig, Output, Target,
    Threshold, TunnelKind,
};

use super::limits::{alone, set};
use super::node::{SimAddress, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

fn name(vrf: VrfId) -> Vec<u8> {
    format!("red{}", vrf.0).into_bytes()
}

/// DateAndTime of a moment, by its seconds: what matters is that it follows the moment.
fn date(at: Instant) -> Vec<u8> {
    let seconds = at.as_micros() / 1_000_000;
    vec![7, 0xea, 11, 21, (seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8, 0]
}

pub fn outside<'a>(view: View<'a>) -> Outside<'a> {
    Outside {
        vrf_name: &name,
        date: &date,
        group: &|_| Some(GroupCounters { packets: 7, octets: 700, ..GroupCounters::ZERO }),
        tunnel: &|_| None,
        first_if_index: 5000,
        view,
    }
}

/// Every instance below a module, in order.
pub fn walk(mib: &MvpnMib, module: &[u32]) -> Vec<(Oid, Value)> {
    let mut seen: Vec<(Oid, Value)> = Vec::new();
    let mut at = Oid::new(module);
    while let Some((oid, value)) = mib.next(&at) {
        assert!(oid > at, "{oid} after {at}");
        assert_eq!(mib.get(&oid), Some(value.clone()), "{oid}");
        if !oid.ids().starts_with(module) {
            break;
        }
        seen.push((oid.clone(), value));
        at = oid;
    }
    seen
}

fn at(entry: &str, column: u32, index: &str) -> Oid {
    let ids: Vec<u32> =
        format!("1.3.6.1.2.1.{entry}.{column}.{index}").split('.').map(|n| n.parse().unwrap()).collect();
    Oid::new(&ids)
}

/// Rows, by one column that each has.
fn rows(mib: &MvpnMib, entry: &[u32], column: u32) -> usize {
    let prefix = [entry, &[column]].concat();
    walk(mib, &prefix).len()
}

/// After ten thousand joins, leaves and changes of rate, the tables are what PEs have: every route, where it comes from and goes to, each
/// S-PMSI; every pointer leads to a row.
///
/// Shows: MVPN-OAM-7, MVPN-OAM-12, MVPN-OAM-13, L3VPN-8.11-4
#[test]
fn the_tables_are_the_state_after_ten_thousand_events() {
    let mut world: World<A> = World::new(Provider::V4.routers(3), 3, |_, _| {});
    for pe in 0..3 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    let source = A::host(0, 1);
    let mut joined: BTreeSet<(usize, u8)> = BTreeSet::new();
    for _ in 0..10_000 {
        let (pe, group) = (1 + world.rng.below(2) as usize, world.rng.below(20) as u8);
        match world.rng.below(10) {
            0..=5 => {
                let join = !joined.remove(&(pe, group));
                if join {
                    joined.insert((pe, group));
                }
                world.member((pe, VRF), Some(source), A::ssm(group), join);
            }
            6 | 7 => {
                let octets_per_second = world.rng.below(2000);
                let (source, group) = (source.into(), A::ssm(group).into());
                world.input(0, Input::Rate { vrf: VRF, source, group, octets_per_second });
            }
            _ => {
                let wait = Duration::from_millis(world.rng.below(40));
                world.run_for(wait);
            }
        }
    }
    world.run_for(SECOND * 10);
    let mibs: Vec<MvpnMib> = world.pes.iter().map(|pe| MvpnMib::new(&pe.mvpn, &outside(View::Provider))).collect();
    let row = |group: u8| format!("4.114.101.100.49.1.4.232.1.1.{group}.32.1.4.10.0.0.101.32");
    for group in 0..20 {
        let of = |pe: usize, column| mibs[pe].get(&at("243.1.7.1", column, &row(group)));
        for pe in [1, 2] {
            let is_joined = joined.contains(&(pe, group));
            // The upstream PE, copies for the PE's own sites.
            let expected = is_joined.then(|| Value::Octets(vec![192, 0, 2, 1]));
            assert_eq!(of(pe, 8), expected, "group {group} at PE {pe}");
            assert_eq!(of(pe, 24), is_joined.then_some(Value::Unsigned(1)));
            let hop = format!("{}.11.1.4.232.1.1.{group}", row(group));
            assert_eq!(mibs[pe].get(&at("243.1.8.1", 10, &hop)), is_joined.then_some(Value::Integer(2)));
        }
        let any = (1..=2).any(|pe| joined.contains(&(pe, group)));
        assert_eq!(of(0, 24), any.then_some(Value::Unsigned(0)));
        assert_eq!(
            (of(0, 18), of(0, 17)),
            match any {
                true => (Some(Value::Counter64(7)), Some(Value::Counter64(700))),
                false => (None, None),
            }
        );
        assert_eq!(of(0, 23).is_some(), any, "a route that goes to others names its PMSI");
        // Every PE joins the inclusive tunnel and each S-PMSI that carries a flow of its own.
        if let Some(Value::Unsigned(copies)) = of(0, 25) {
            assert!(copies <= 2);
            let wanting = (1..=2).filter(|pe| joined.contains(&(*pe, group))).count();
            let is_selective =
                world.pes[0].mvpn.carried(VRF, source.into(), A::ssm(group).into()).unwrap().is_selective;
            assert_eq!(copies as usize, if is_selective { wanting } else { 2 }, "group {group}");
        }
    }
    let s_pmsis: BTreeSet<_> = world.pes[0]
        .mvpn
        .originated()
        .filter(|(r, _)| AdvertKind::of(r.kind) == AdvertKind::SPmsi)
        .map(|(r, _)| *r)
        .collect();
    assert!(!s_pmsis.is_empty() && s_pmsis.len() < 20, "{}", s_pmsis.len());
    // Those that return are withdrawn before their tunnel goes: ten seconds are enough for both.
    assert_eq!(rows(&mibs[0], &[1, 3, 6, 1, 2, 1, 243, 1, 5, 1], 7), s_pmsis.len());
    assert_eq!(rows(&mibs[0], &[1, 3, 6, 1, 2, 1, 243, 1, 4, 1], 3), s_pmsis.len() + 1);
    for mib in &mibs {
        let all = walk(mib, &[1]);
        let pointers = all.iter().filter_map(|(_, v)| if let Value::Oid(to) = v { Some(to) } else { None });
        let mut followed = 0;
        for to in pointers.filter(|to| to.ids() != [0, 0]) {
            assert!(mib.get(to).is_some(), "{to}");
            followed += 1;
        }
        assert!(followed > 0);
    }
}

#[derive(PartialEq)]
enum AdvertKind {
    SPmsi,
    Other,
}

impl AdvertKind {
    fn of(kind: McastKind) -> Self {
        match kind {
            McastKind::Ad(mvpn::mvrf::AdRoute::SPmsi { .. }) => Self::SPmsi,
            _ => Self::Other,
        }
    }
}

/// Two MVRFs, one of them by PIM, as RFC 8503 writes them: fault (notifications), configuration, accounting, performance (advertisements)
/// and security (what was refused). The provider sees both, a customer his own and nothing of the other.
///
/// Shows: MVPN-COAM-1, MVPN-OAM-5, L3VPN-8.11-4
#[test]
fn a_walk_shows_all_of_a_pe_and_a_customer_sees_his_own() {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 3, |_, _| {});
    let before = MvpnMib::new(&world.pes[0].mvpn, &outside(View::Provider));
    let two = VrfId(2);
    for pe in 0..2 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.s_pmsi.always = vec!["232.1.1.1/32".parse().unwrap()];
        (config.limits.own_s_pmsis, config.limits.own_sources) = (33, 44);
        world.add_site(pe, config, false);
        let rd = RouteDistinguisher::two_octet_as(65001, 200 + pe as u32);
        let mut config = MvrfConfig::new(two, rd, "65001:2".parse().unwrap(), pmsi(two));
        config.protocol = mvpn::mvrf::CMulticastProtocol::Pim;
        config.families = vec![mvpn::pim::wire::AddressFamily::V4];
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    world.member((1, VRF), Some(A::host(0, 1)), A::ssm(1), true);
    world.run_for(SECOND * 5);
    let mib = MvpnMib::new(&world.pes[0].mvpn, &outside(View::Provider));
    let get = |entry: &str, column, index: &str| mib.get(&at(entry, column, index));
    // mvpnMvrfs, mvpnV4Mvrfs, mvpnV6Mvrfs, mvpnPimV4Mvrfs, mvpnBgpV4Mvrfs.
    let scalars = [1, 2, 3, 5, 7].map(|column| get("243.1.1", column, "0"));
    assert_eq!(scalars, [2, 2, 1, 1, 1].map(|n| Some(Value::Unsigned(n))));
    let red = "4.114.101.100.49";
    let blue = "4.114.101.100.50";
    // mvpnGenMvrfLastAction: an S-PMSI came; the other was created. mvpnGenCmcastRouteProtocol.
    assert_eq!(get("243.1.2.1", 2, red), Some(Value::Integer(4)));
    assert_eq!(get("243.1.2.1", 2, blue), Some(Value::Integer(1)));
    assert_eq!(get("243.1.2.1", 5, red), Some(Value::Integer(2)));
    assert_eq!(get("243.1.2.1", 5, blue), Some(Value::Integer(1)));
    // mvpnBgpTable is of MVRFs by BGP: VRF Route Import 192.0.2.1:1, the AS, limits.
    assert_eq!(get("243.1.3.1", 2, red), Some(Value::Octets(vec![1, 11, 192, 0, 2, 1, 0, 1])));
    assert_eq!(get("243.1.3.1", 3, red), Some(Value::Unsigned(65001)));
    assert_eq!(
        (get("243.1.3.1", 5, red), get("243.1.3.1", 7, red)),
        (Some(Value::Unsigned(33)), Some(Value::Unsigned(44)))
    );
    assert_eq!(get("243.1.3.1", 1, blue), None);
    // The I-PMSI is interface 1001: RD, ldpP2mp(2), mpls(3); its tunnel is FEC type 6 of 192.0.2.1.
    assert_eq!(get("243.1.4.1", 3, "1001"), Some(Value::Octets(vec![0, 0, 0xfd, 0xe9, 0, 0, 0, 100])));
    assert_eq!(get("243.1.4.1", 4, "1001"), Some(Value::Integer(2)));
    assert_eq!(get("243.1.4.1", 8, "1001"), Some(Value::Integer(3)));
    let Some(Value::Oid(tunnel)) = get("243.1.4.1", 5, "1001") else { panic!() };
    let start = [1, 3, 6, 1, 2, 1, 245, 1, 1, 1, 3, 2, 17, 6, 0, 1, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4];
    assert_eq!(tunnel.ids()[..start.len()], start);
    assert_eq!(mib.get(&tunnel), Some(Value::Integer(0)), "no leaf has to announce itself");
    // One S-PMSI was sent; from PE 1 came I-PMSI A-D routes of both families.
    let peer = "1.4.192.0.2.2";
    assert_eq!(get("243.1.6.1", 4, &format!("{red}.2.{peer}")), Some(Value::Counter(1)));
    assert_eq!(get("243.1.6.1", 5, &format!("{red}.0.{peer}")), Some(Value::Counter(2)));
    assert_eq!(get("243.1.6.1", 6, &format!("{red}.0.{peer}")), Some(Value::Counter(0)));
    assert_eq!(get("243.1.6.1", 5, &format!("{blue}.0.{peer}")), Some(Value::Counter(1)));
    // Notifications: both MVRFs came, with the objects in the order of the module.
    let news = mib.changes(&before, &date(world.now));
    assert_eq!(news.iter().map(|n| n.vrf).collect::<Vec<_>>(), [VRF, two]);
    let columns: Vec<u32> = news[0].objects.iter().map(|(oid, _)| oid.ids()[10]).collect();
    assert_eq!(columns, [4, 2, 3, 4, 5, 8, 9]);
    assert!(mib.changes(&mib, &[]).is_empty());
    let deleted: Vec<Notification> = before.changes(&mib, &[9]);
    assert_eq!(deleted.len(), 2);
    assert!(deleted[0].objects.contains(&(at("243.1.2.1", 2, red), Value::Integer(2))));
    // A customer's view.
    let own = [two];
    let view = MvpnMib::new(&world.pes[0].mvpn, &outside(View::Customer(&own)));
    assert_eq!(view.get(&at("243.1.1", 1, "0")), Some(Value::Unsigned(1)));
    let names = |mib: &MvpnMib| rows(mib, mib::GenericRow::ENTRY, 5);
    assert_eq!((names(&mib), names(&view)), (2, 1));
    assert_eq!(view.get(&tunnel), None);
    for (oid, _) in walk(&view, mib::MODULE) {
        assert!(!oid.ids().windows(5).any(|w| w == [4, 114, 101, 100, 49]), "{oid}");
    }
}

/// An S-PMSI A-D route that is refused is counted against whom it came from.
#[test]
fn refused_advertisements_are_counted() {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 3, |_, _| {});
    for pe in 0..2 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
        config.limits.s_pmsis = 2;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    (0..5).for_each(|n| world.member((1, VRF), Some(A::host(0, 1)), A::ssm(n), true));
    world.run_for(SECOND * 5);
    let mib = MvpnMib::new(&world.pes[1].mvpn, &outside(View::Provider));
    let index = format!("4.114.101.100.49.{}.1.4.192.0.2.1", AdvertType::SPmsi as u32);
    let get = |column| mib.get(&at("243.1.6.1", column, &index));
    assert_eq!((get(5), get(6)), (Some(Value::Counter(5)), Some(Value::Counter(3))));
    let usage = world.pes[1].mvpn.usage(VRF);
    let s_pmsis = usage.iter().find(|u| u.limit == MvpnLimit::SPmsis).unwrap();
    assert_eq!((s_pmsis.used, s_pmsis.max, s_pmsis.refused), (2, 2, 3));
}

fn alarms(pe: &mut MvpnPe, of: MvpnLimit) -> Vec<(bool, usize, usize)> {
    let outputs = std::iter::from_fn(|| pe.poll_output());
    let said = outputs.filter_map(|o| match o {
        Output::Event(MvpnEvent::Alarm { limit, is_raised, used, max, .. }) if limit == of => {
            Some((is_raised, used, max))
        }
        _ => None,
    });
    said.collect()
}

/// A customer joins more channels than he may: he reads 100 of 100, is told once, and what is more is counted against him.
///
/// Shows: MVPN-COAM-9
#[test]
fn a_customer_reads_what_he_uses_and_is_told_once() {
    let mut pe = alone(|c| (c.limits.trees, c.alarm.high) = (100, 100));
    for n in 0..130 {
        set(&mut pe, Instant::from_secs(100), n, true);
    }
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), [(true, 100, 100)]);
    let usage = pe.usage(VRF).into_iter().find(|u| u.limit == MvpnLimit::Trees).unwrap();
    assert_eq!((usage.used, usage.max, usage.refused, usage.is_raised), (100, 100, 30, true));
}

/// A figure that swings a thousand times about the high mark: one alarm, one clear below the low mark, and never two events within the
/// spacing; what is so at its end is said then.
///
/// Shows: MVPN-COAM-10, MVPN-OAM-8, MVPN-OAM-17, MVPN-TRB-5
#[test]
fn an_alarm_is_raised_once_and_cleared_once() {
    let spacing = SECOND * 30;
    let mut pe = alone(|c| (c.limits.trees, c.alarm) = (100, AlarmConfig { high: 90, low: 70, spacing }));
    let start = Instant::from_secs(100);
    (0..89).for_each(|n| set(&mut pe, start, n, true));
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), []);
    for swing in 0..1000 {
        let now = start + Duration::from_millis(100 * swing);
        pe.handle_timeout(now);
        set(&mut pe, now, 99, swing % 2 == 0);
    }
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), [(true, 90, 100)]);
    let later = start + SECOND * 200;
    (0..20).for_each(|n| set(&mut pe, later, n, false));
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), [(false, 69, 100)]);
    // At once above and below again: within the spacing nothing is said, and nothing is left to say.
    (0..30).for_each(|n| set(&mut pe, later + SECOND, n + 100, true));
    (0..30).for_each(|n| set(&mut pe, later + SECOND * 2, n + 100, false));
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), []);
    // Above to stay: said when the spacing ends.
    (0..30).for_each(|n| set(&mut pe, later + SECOND * 3, n + 100, true));
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), []);
    assert_eq!(pe.next_timeout(), Some(later + spacing));
    pe.handle_timeout(later + spacing);
    assert_eq!(alarms(&mut pe, MvpnLimit::Trees), [(true, 99, 100)]);
    assert_eq!(pe.next_timeout(), None);
}

/// Route targets that nobody configures come from the PE's address and the VRF's number: unlike for each VRF, and the same after a restart.
///
/// Shows: MVPN-OAM-2
#[test]
fn derived_route_targets_are_unlike_and_stay() {
    let start = || {
        let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
        for n in 1..=200 {
            let rd = RouteDistinguisher::two_octet_as(65001, u32::from(n));
            pe.add_mvrf(Instant::ZERO, MvrfConfig::new(VrfId(n), rd, "65001:1".parse().unwrap(), pmsi(VrfId(n))))
                .unwrap();
        }
        pe
    };
    let pe = start();
    // RFC 6514 §7: C-multicast Import RTs; §9.2.3.2.1 and §12.1: that of the PE alone, for Leaf A-D routes and those of ASBRs.
    let derived: BTreeSet<Target> = pe.import_targets().into_iter().collect();
    let c_multicast = (1..=200).map(|n| format!("192.0.2.1:{n}").parse().unwrap()).map(Target::Rt);
    let mut expected: BTreeSet<Target> = c_multicast.collect();
    assert_eq!(expected.len(), 200);
    expected.insert(Target::router(IpAddr::from([192, 0, 2, 1])));
    expected.insert(Target::Rt("65001:1".parse().unwrap()));
    assert_eq!(derived, expected);
    assert_eq!(start().import_targets(), pe.import_targets());
    let imports: BTreeMap<_, _> = (1..=200).map(|n| (n, pe.route_import(VrfId(n)).unwrap())).collect();
    assert!(imports.iter().all(|(n, import)| import.local == *n));
}

/// Tunnels, thresholds and limits of a profile serve fifty VRFs: one statement each says what only it has.
///
/// Shows: MVPN-OAM-3
#[test]
fn vrfs_share_a_profile() {
    let mut profile = mvrf(0, Some(TunnelKind::IngressReplication), TunnelKind::MldpP2mp);
    profile.s_pmsi.threshold = Some(Threshold { up: 10, down: 5 });
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    for n in 1..=50 {
        let rd = RouteDistinguisher::two_octet_as(65001, u32::from(n));
        let target = vec![Target::Rt(format!("65001:{n}").parse().unwrap())];
        let (import, export, vrf) = (target.clone(), target, VrfId(n));
        pe.add_mvrf(
            Instant::ZERO,
            MvrfConfig { vrf, rd, import, export, pmsi: pmsi(vrf), number: n, ..profile.clone() },
        )
        .unwrap();
    }
    let tunnels = pe.originated().filter_map(|(_, a)| a.pmsi.as_ref());
    let replicating = tunnels.filter(|v| matches!(v.tunnel, mvpn::mvrf::PTunnel::IngressReplication(_)));
    assert_eq!(replicating.count(), 100, "both families of each");
}
