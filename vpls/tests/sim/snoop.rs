//! Snooping: who gets which groups, in the modes and under the limits that an operator may set.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::Tags;
use mvpn::gmp::RecordType;
use mvpn::pim::wire::HelloOption;
use vpls::snoop::{CircuitSnoop, Keying, Mode, PimMode, SnoopConfig};
use vpls::{CircuitConfig, ConfigError, EventKind, Input, VsiConfig, VsiLimits};

use super::signalling::{VSI, hierarchy, network, spoke, ve};
use crate::world::World;
use crate::world::packets::{
    Jp, data, data6, frame, hello, hello_with, host, igmp, join, join_prune, join6, leave, mac, query, report,
};

pub const G: Ipv4Addr = Ipv4Addr::new(225, 1, 1, 1);
const S: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Snooping with queriers of ours, settled at once.
pub fn snooping() -> SnoopConfig {
    SnoopConfig {
        querier4: Some(Ipv4Addr::new(10, 0, 0, 200)),
        querier6: Some("fe80::200".parse().unwrap()),
        settle: Duration::ZERO,
        ..SnoopConfig::default()
    }
}

pub fn snooped(pes: usize, config: impl Fn(&mut SnoopConfig)) -> World {
    let mut snoop = snooping();
    config(&mut snoop);
    network(pes, |pe| VsiConfig { snoop: Some(snoop.clone()), ..ve(pe, 1) })
}

/// Shows: VPLS-PKT-1, VPLS-PKT-6, VPLS-DOM-4, VPLS-STA-1, L2VPN-5.4-1
#[test]
fn a_report_draws_a_group_to_one_circuit() {
    let mut world = snooped(4, |_| {});
    assert_eq!(world.reached(0, 1, &data(1, G)), [], "no members, and members were asked");
    world.control.clear();
    world.send(2, 1, &join(7, G));
    assert!(world.control.is_empty(), "no circuit leads to a router: {:?}", world.control);
    assert_eq!(world.reached(0, 1, &data(1, G)), [(2, 1)]);
    assert_eq!(world.reached(1, 2, &data(2, G)), [(2, 1)]);
    assert_eq!(world.reached(2, 2, &data(3, G)), [(2, 1)]);
    // Other groups, and what all have to hear.
    assert_eq!(world.reached(0, 1, &data(1, Ipv4Addr::new(225, 1, 1, 2))), []);
    assert_eq!(world.reached(0, 1, &data(1, Ipv4Addr::new(224, 0, 0, 5))).len(), 7);
    assert_eq!(world.reached(0, 1, &frame(Mac([1, 0x80, 0xc2, 0, 0, 0]), mac(1))).len(), 7);
    // A leave: the querier asks twice, nobody answers.
    world.send(2, 1, &leave(7, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(2, 1)]);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.reached(0, 1, &data(1, G)), []);
    // Configured: it stays, whoever reports what.
    world.with(3, |pe, now| pe.set_static_group(now, PortId(1), None, G.into(), true).unwrap());
    world.pass(Duration::from_secs(600));
    assert_eq!(world.reached(3, 1, &data(1, G)), [(3, 2)]);
    let nowhere = world.with(3, |pe, now| pe.set_static_group(now, PortId(1), None, host(1).into(), true));
    assert_eq!(nowhere, Err(ConfigError::Group));
}

/// Membership is soft: what nobody reports again ages out.
///
/// Shows: VPLS-TEST-5, VPLS-DISC-3
#[test]
fn members_that_fall_silent_are_forgotten_and_the_state_can_be_asked_for() {
    let mut world = snooped(2, |_| {});
    world.send(1, 1, &join(7, G));
    let flows = world.pes[1].pe.snooping(VSI).unwrap().flows();
    assert_eq!(flows, [(None, G.into())]);
    assert!(world.pes[1].pe.snooping(VSI).unwrap().origin(None, G.into()).membership);
    assert_eq!(world.pes[0].pe.snooping(VSI).unwrap().flows(), flows, "the other PE knows at once");
    world.pass(Duration::from_secs(261));
    assert!(world.pes[1].pe.snooping(VSI).unwrap().flows().is_empty());
    assert_eq!(world.pes[1].pe.usage(VSI).unwrap().groups, 0);
}

/// Shows: VPLS-L3-3
#[test]
fn sources_are_told_apart() {
    let mut world = snooped(3, |_| {});
    let other = Ipv4Addr::new(10, 0, 0, 2);
    world.send(1, 1, &report(7, &[(RecordType::ALLOW, G, &[S])]));
    world.send(2, 1, &report(8, &[(RecordType::TO_EXCLUDE, G, &[S])]));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1)]);
    assert_eq!(world.reached(0, 1, &data(2, G)), [(2, 1)]);
    assert_ne!(S, other);
}

/// 32 groups of IPv4 share a MAC address.
#[test]
fn groups_may_be_told_apart_by_their_mac_address() {
    let same_mac = Ipv4Addr::new(226, 1, 1, 1);
    for (keying, reached) in [(Keying::Ip, vec![]), (Keying::Mac, vec![(1, 1)])] {
        let mut world = snooped(2, |snoop| snoop.keying = keying);
        world.send(1, 1, &join(7, G));
        assert_eq!(world.reached(0, 1, &data(1, same_mac)), reached, "{keying:?}");
        assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1)]);
    }
}

/// A router behind a port: reports go to it, and so does all data.
///
/// Shows: VPLS-DOM-2, VPLS-L3-8
#[test]
fn ports_towards_routers_hear_reports_and_get_everything() {
    let mut world = snooped(3, |snoop| (snoop.querier4, snoop.querier6) = (None, None));
    assert_eq!(world.reached(0, 1, &data(1, G)).len(), 5, "nobody asks members: everything floods");
    let heard = {
        world.control.clear();
        world.send(2, 2, &query(9));
        world.control.len()
    };
    assert_eq!(heard, 5, "a query reaches every circuit");
    assert_eq!(world.reached(0, 1, &data(1, G)), [(2, 2)]);
    world.control.clear();
    let report = join(7, G);
    world.send(0, 2, &report);
    assert_eq!(world.control, [(2, 2, report)], "as it came, to the router alone");
    assert_eq!(world.reached(1, 1, &data(1, G)), [(0, 2), (2, 2)]);
    world.pass(Duration::from_secs(256));
    assert_eq!(world.reached(1, 2, &data(1, Ipv4Addr::new(239, 9, 9, 9))).len(), 5, "the querier fell silent");
}

/// Proxy: one report for all who want a group, of our own.
///
/// Shows: VPLS-L3-9
#[test]
fn a_proxy_reports_for_all() {
    let mut world = snooped(2, |snoop| snoop.mode = Mode::Proxy);
    world.send(1, 2, &query(9));
    world.control.clear();
    for n in 10..60 {
        world.send(0, 2, &join(n, G));
    }
    let to_router = |world: &World| world.control.iter().filter(|(pe, iface, _)| (*pe, *iface) == (1, 2)).count();
    assert_eq!(to_router(&world), 1, "fifty members behind the other PE are one to the router");
    assert_eq!(world.reached(1, 1, &data(1, G)), [(0, 2), (1, 2)]);
    world.control.clear();
    world.send(1, 2, &query(9));
    assert_eq!(to_router(&world), 1, "asked, it says so again");
}

/// A pseudowire that comes up hears at once what is wanted: nobody waits for the next query.
///
/// Shows: VPLS-HV-1
#[test]
fn groups_follow_a_spoke_that_takes_over() {
    let mut world = hierarchy(|config| config.snoop = Some(snooping()));
    world.send(3, 1, &join(7, G));
    assert_eq!(world.reached(2, 1, &data(1, G)), [(3, 1)]);
    world.reach(3, 0, false);
    world.input(3, Input::Pw { id: spoke(0), event: vpls::PwEvent::Withdrawn });
    world.pass(Duration::from_millis(500));
    assert_eq!(world.reached(2, 1, &data(1, G)), [(3, 1)], "by the other spoke, once");
    assert_eq!(world.reached(1, 1, &data(1, G)), [(3, 1)]);
    world.send(2, 2, &join(8, G));
    assert_eq!(world.reached(3, 2, &data(2, G)), [(2, 2), (3, 1)], "and the other way");
}

/// Each protocol has its own switch, and each circuit.
///
/// Shows: VPLS-L3-1, VPLS-ACT-1, VPLS-ACT-2
#[test]
fn snooping_is_switched_by_protocol_instance_and_circuit() {
    let mut world = snooped(2, |snoop| snoop.igmp = false);
    world.send(1, 1, &join(7, G));
    assert!(world.pes[1].pe.snooping(VSI).unwrap().flows().is_empty());
    world.send(1, 1, &hello(7, true));
    assert_eq!(world.pes[1].pe.snooping(VSI).unwrap().neighbors().count(), 1);
    let mut world = snooped(2, |snoop| snoop.pim = false);
    world.send(1, 1, &hello(7, true));
    assert_eq!(world.pes[1].pe.snooping(VSI).unwrap().neighbors().count(), 0);
    // Another instance of the same PEs that does not snoop, and a circuit that is not pruned.
    for pe in 0..2 {
        world.with(pe, |machine, now| machine.add_vsi(now, ve(pe, 2)).unwrap());
        super::signalling::circuit(&mut world, pe, VsiId(2), 3);
        let whole = CircuitSnoop { active: false, ..CircuitSnoop::DEFAULT };
        let config = CircuitConfig { snoop: whole, ..CircuitConfig::new(IfIndex(4), Tags::Any) };
        world.with(pe, |machine, now| machine.add_circuit(now, VSI, config).unwrap());
    }
    world.pass(Duration::from_secs(3));
    assert_eq!(world.reached(0, 3, &data(1, G)), [(1, 3)]);
    assert_eq!(
        world.reached(0, 1, &data(1, G)),
        [(0, 4)],
        "a member could be behind the circuit that is not looked at"
    );
    world.send(1, 1, &join(7, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(0, 4), (1, 1), (1, 4)]);
}

/// Shows: VPLS-ACT-3, VPLS-ACT-4, VPLS-ACT-6
#[test]
fn snooping_is_switched_by_ce_direction_and_group() {
    let mut world = snooped(2, |snoop| snoop.groups = vec!["225.1.0.0/16".parse::<Ipv4Prefix>().unwrap().into()]);
    let add = |world: &mut World, iface, snoop| {
        let config = CircuitConfig { snoop, ..CircuitConfig::new(IfIndex(iface), Tags::Any) };
        world.with(1, |machine, now| machine.add_circuit(now, VSI, config).unwrap())
    };
    add(&mut world, 3, CircuitSnoop { ces: vec![mac(7)], ..CircuitSnoop::DEFAULT });
    world.send(1, 3, &join(8, G));
    assert!(world.pes[1].pe.snooping(VSI).unwrap().flows().is_empty());
    world.send(1, 3, &join(7, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 3)]);
    // Groups that are not looked at flood.
    assert_eq!(world.reached(0, 1, &data(1, Ipv4Addr::new(239, 1, 1, 1))).len(), 4);
    // A circuit that only emits gets no data; of one that only receives, data is dropped.
    add(&mut world, 4, CircuitSnoop { receives: false, ..CircuitSnoop::DEFAULT });
    add(&mut world, 5, CircuitSnoop { emits: false, ..CircuitSnoop::DEFAULT });
    world.send(1, 4, &join(9, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 3)]);
    assert_eq!(world.reached(1, 4, &data(4, G)), [(1, 3)]);
    assert_eq!(world.reached(1, 5, &data(5, G)), []);
    assert_eq!(world.reached(1, 5, &frame(Mac::BROADCAST, mac(5))).len(), 6);
}

/// A customer's VLAN that is looked at, beside one that is not.
///
/// Shows: VPLS-ACT-7, VPLS-DOM-7
#[test]
fn snooping_is_switched_by_vlan() {
    let vlan = |id| VlanId::new(id).unwrap();
    let snoop = SnoopConfig { vlans: vec![vlan(10)], ..snooping() };
    let qualified = vec![(vlan(10), VsiId(10)), (vlan(20), VsiId(20))];
    let config = |pe| VsiConfig { snoop: Some(snoop.clone()), qualified: qualified.clone(), ..ve(pe, 1) };
    let mut world = network(2, config);
    let tagged = |id: u8, plain: &[u8]| [&plain[..12], &[0x81, 0, 0, id], &plain[12..]].concat();
    world.send(1, 1, &tagged(10, &join(7, G)));
    assert_eq!(world.reached(0, 1, &tagged(10, &data(1, G))), [(1, 1)]);
    assert_eq!(world.reached(0, 1, &tagged(20, &data(1, G))).len(), 3);
    assert_eq!(world.reached(0, 1, &data(1, G)).len(), 3);
}

/// A version that is newer than what is understood: its groups flood.
///
/// Shows: VPLS-PKT-9
#[test]
fn newer_messages_break_nothing() {
    let mut world = snooped(2, |snoop| snoop.version = mvpn::gmp::Version::V2);
    world.send(1, 1, &report(7, &[(RecordType::TO_EXCLUDE, G, &[])]));
    assert_eq!(world.reached(0, 1, &data(1, G)).len(), 3);
    assert!(world.has_event(1, |kind| matches!(kind, EventKind::VersionMismatch(_))));
    world.control.clear();
    let unknown = igmp(
        7,
        G,
        &mvpn::igmp::IgmpMessage::Unknown { kind: mvpn::igmp::IgmpType(0x99), code: 0, body: &[1, 2, 3, 4] },
    );
    world.send(1, 1, &unknown);
    assert!(world.control.len() == 3 && world.control.iter().all(|(.., octets)| *octets == unknown));
}

/// Joins of a PIM router draw a flow to its port, and to that of the upstream neighbour.
///
/// Shows: VPLS-L3-2, VPLS-L3-7, L2VPN-5.4-3
#[test]
fn joins_draw_flows_between_routers() {
    let mut world = snooped(3, |snoop| snoop.igmp = false);
    for (pe, n) in [(0, 1), (1, 2), (2, 3)] {
        world.send(pe, 1, &hello(n, true));
    }
    // Unregistered data goes to routers alone.
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1), (2, 1)]);
    let ask = |jp: &Jp<'_>| join_prune(2, 1, G, jp);
    world.control.clear();
    let joined = ask(&Jp { joins: &[Some(S)], prunes: &[] });
    world.send(1, 1, &joined);
    assert!(
        world.control.iter().all(|(.., octets)| *octets == joined) && world.control.len() == 5,
        "everybody tracks: snooping"
    );
    // The DR is 10.0.0.3: data goes to it too (RFC 8220 §2.12.1).
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1), (2, 1)]);
    assert_eq!(world.reached(0, 2, &data(1, G)), [(0, 1), (1, 1), (2, 1)]);
    world.send(1, 1, &ask(&Jp { joins: &[], prunes: &[Some(S)] }));
    assert!(world.pes[0].pe.snooping(VSI).unwrap().flows().is_empty(), "everybody tracks: no override to wait for");
    assert!(world.pes[0].pe.snooping(VSI).unwrap().neighbors().count() == 3);
    world.pass(Duration::from_secs(106));
    assert_eq!(world.pes[0].pe.snooping(VSI).unwrap().neighbors().count(), 0);
}

/// A neighbour that suppresses Joins: they are relayed, to the upstream neighbour's port alone, as they came.
///
/// Shows: VPLS-L3-6
#[test]
fn joins_are_relayed_where_somebody_suppresses_them() {
    let mut world = snooped(3, |_| {});
    for (pe, n) in [(0, 1), (1, 2), (2, 3)] {
        world.send(pe, 1, &hello(n, n != 3));
    }
    assert!(world.has_event(2, |kind| *kind == EventKind::JoinSuppression));
    world.control.clear();
    let joined = join_prune(2, 1, G, &Jp { joins: &[None], prunes: &[] });
    world.send(1, 1, &joined);
    assert_eq!(world.control, [(0, 1, joined)]);
    // A Prune waits for somebody to override it.
    world.send(1, 1, &join_prune(2, 1, G, &Jp { joins: &[], prunes: &[None] }));
    assert_eq!(world.pes[1].pe.snooping(VSI).unwrap().flows().len(), 1);
    world.pass(Duration::from_millis(3100));
    assert!(world.pes[1].pe.snooping(VSI).unwrap().flows().is_empty());
}

/// A proxy sends one Join for all, and again after a minute; its source is a neighbour downstream.
///
/// Shows: VPLS-L2-5
#[test]
fn a_proxy_joins_for_all() {
    let mut world = snooped(1, |snoop| snoop.pim_mode = PimMode::Proxy);
    for iface in 3..=12 {
        super::signalling::circuit(&mut world, 0, VSI, iface);
    }
    let refresh = |world: &mut World| {
        world.send(0, 1, &hello(1, false));
        for iface in 3..=12_u8 {
            world.send(0, iface.into(), &hello(iface, false));
        }
    };
    refresh(&mut world);
    world.control.clear();
    for iface in 3..=12_u8 {
        world.send(0, iface.into(), &join_prune(iface, 1, G, &Jp { joins: &[Some(S)], prunes: &[] }));
    }
    let is_join = |octets: &[u8]| octets[23] == 103 && octets[34] == 0x23;
    let joins =
        |world: &World| world.control.iter().filter(|(_, _, octets)| is_join(octets)).cloned().collect::<Vec<_>>();
    let sent = joins(&world);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].1, &sent[0].2[6..12]), (1, &mac(3).0[..]));
    world.control.clear();
    world.pass(Duration::from_secs(59));
    refresh(&mut world);
    assert!(joins(&world).is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(joins(&world).len(), 1);
}

/// BIDIR-PIM is not described for snooping: its groups go to every router.
#[test]
fn bidirectional_pim_floods() {
    let mut world = snooped(2, |_| {});
    world.send(0, 1, &hello_with(1, vec![HelloOption::Holdtime(105), HelloOption::BidirectionalCapable]));
    world.send(1, 1, &hello(2, false));
    world.send(1, 2, &hello(3, false));
    assert!(world.has_event(0, |kind| *kind == EventKind::BidirFlooding));
    world.send(1, 1, &join_prune(2, 1, G, &Jp { joins: &[None], prunes: &[] }));
    assert_eq!(world.reached(0, 2, &data(1, G)), [(0, 1), (1, 1), (1, 2)]);
}

/// With snooping off nothing of layer 3 is looked at: whatever stands there, the frame goes the same way.
///
/// Shows: VPLS-PKT-0, VPLS-PKT-3, VPLS-L2-3, VPLS-L3-5
#[test]
fn without_snooping_layer_3_does_not_matter() {
    let mut world = network(2, |pe| ve(pe, 1));
    let mut octets = data(1, G);
    for at in 14..octets.len() {
        octets[at] ^= 0x5a;
        let got = world.send(0, 1, &octets);
        assert!(got.len() == 3 && got.iter().all(|(.., copy)| *copy == octets), "{at}");
    }
}

/// A channel that a customer wants nobody to get.
#[test]
fn a_filter_drops_a_channel() {
    let mut world = snooped(2, |_| {});
    world.send(1, 1, &join(7, G));
    world.with(0, |pe, now| pe.set_filter(now, VSI, Some(S.into()), G.into(), true).unwrap());
    assert_eq!(world.reached(0, 1, &data(1, G)), []);
    assert_eq!(world.reached(0, 1, &data(2, G)), [(1, 1)]);
    world.with(0, |pe, now| pe.set_filter(now, VSI, Some(S.into()), G.into(), false).unwrap());
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1)]);
}

/// A port that goes down takes its members with it, and nothing is left of an instance that is removed.
#[test]
fn members_go_with_their_port() {
    let mut world = snooped(2, |_| {});
    world.send(1, 1, &join(7, G));
    world.input(1, Input::Circuit { port: PortId(0), up: false });
    assert_eq!(world.reached(1, 2, &data(1, G)), []);
    world.with(1, |pe, now| pe.remove_circuit(now, PortId(0)).unwrap());
    assert!(world.pes[1].pe.snooping(VSI).unwrap().flows().is_empty());
    world.with(0, |pe, now| pe.remove_vsi(now, VSI).unwrap());
    assert!(world.pes[0].ports.is_empty() && world.pes[0].pe.usage(VSI).is_none());
    let limits = VsiLimits { circuits: 1, ..VsiLimits::DEFAULT };
    world.with(0, |pe, now| pe.add_vsi(now, VsiConfig { limits, ..ve(0, 1) }).unwrap());
    super::signalling::circuit(&mut world, 0, VSI, 1);
    let more = world.with(0, |pe, now| pe.add_circuit(now, VSI, CircuitConfig::new(IfIndex(2), Tags::Any)));
    assert_eq!(more, Err(ConfigError::TooManyCircuits));
}

/// MLD as IGMP. What is of link scope goes to all; hosts without an address may report.
///
/// Shows: VPLS-L3-4, L2VPN-5.4-2
#[test]
fn listeners_of_ipv6_draw_groups_too() {
    let group: Ipv6Addr = "ff1e::8000:1".parse().unwrap();
    let solicited: Ipv6Addr = "ff02::1:ff00:1".parse().unwrap();
    for source in ["fe80::7", "::"] {
        let mut world = snooped(3, |_| {});
        assert_eq!(world.reached(0, 1, &data6(1, group)), []);
        world.send(2, 1, &join6(7, source.parse().unwrap(), group));
        let unwanted = world.reached(0, 1, &data6(1, "ff1e::8000:2".parse().unwrap()));
        assert_eq!((world.reached(0, 1, &data6(1, group)), unwanted), (vec![(2, 1)], vec![]), "{source}");
        assert_eq!(world.reached(0, 1, &data6(1, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1))).len(), 5);
        assert_eq!(world.reached(0, 1, &data6(1, solicited)).len(), 5, "neighbour discovery is not pruned");
        world.pass(Duration::from_secs(261));
        assert_eq!(world.reached(0, 1, &data6(1, group)), []);
    }
}

/// Groups by their MAC address: the listed are looked at, the others flood.
///
/// Shows: VPLS-ACT-5
#[test]
fn snooping_is_switched_by_mac_address() {
    let mut world = snooped(2, |snoop| snoop.macs = vec![vpls::snoop::group_mac(G.into())]);
    world.send(1, 1, &join(7, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1)]);
    assert_eq!(world.reached(0, 1, &data(1, Ipv4Addr::new(225, 1, 1, 2))).len(), 3);
}

/// Frames of a channel are counted for the channel.
///
/// Shows: VPLS-SLA-2
#[test]
fn channels_have_counters() {
    let mut world = snooped(2, |_| {});
    world.send(1, 1, &report(7, &[(RecordType::ALLOW, G, &[S])]));
    for _ in 0..5 {
        world.send(0, 1, &data(1, G));
        world.send(0, 1, &data(2, G));
    }
    let trace = world.pes[0].pe.trace_group(VSI, Some(S.into()), G.into()).unwrap();
    let counters = world.pes[0].forwarder.group_counters(trace.replication).unwrap();
    let counted = vpls::stats::GroupTraffic::from(counters);
    assert_eq!((counted.frames, counted.copies, counted.octets), (5, 5, 5 * 62));
}
