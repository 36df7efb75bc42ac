//! Multicast is turned on and off for each VRF, at the PE alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, VrfId};
use fwd_core::op::{FwdOp, Interface};
use fwd_core::time::Instant;
use mvpn::gmp::{GmpRouter, InterfaceConfig, RecordType, ReportBuf, RouterConfig, RouterInput, RouterOutput};
use mvpn::igmp::IgmpMessage;
use mvpn::mvrf::{McastKind, McastRoute, MvrfConfig, TunnelKind};
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet,
};
use mvpn::pim::{self, Membership, PimConfig, PimInterfaceConfig, PimRouter};

use super::node::{Ce, Sent, SimAddress, data, mac, pmsi, site};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
const OTHER: VrfId = VrfId(2);
const ALL_PIM: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

fn originated(world: &World<A>, pe: usize) -> BTreeSet<McastRoute> {
    world.pes[pe].mvpn.originated().map(|(route, _)| *route).collect()
}

fn other_config(pe: usize) -> MvrfConfig {
    let rd = RouteDistinguisher::two_octet_as(65001, 200 + pe as u32);
    let mut config = MvrfConfig::new(OTHER, rd, RouteTarget::two_octet_as(65001, 2), pmsi(OTHER));
    (config.inclusive, config.selective) = (Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
    config
}

/// What a CE hears in a hundred seconds, in which it speaks PIM and IGMP every ten: messages of PIM and of IGMP, and whether its joins and its
/// report made state.
fn answers(world: &mut World<A>, igmp: &mut GmpRouter<A>) -> (usize, usize, bool) {
    let (ce, group) = (A::site(0, 9), A::ssm(7));
    let hello = Hello { options: vec![HelloOption::Holdtime(105), HelloOption::GenerationId(5)] };
    let hello = Message::Hello(hello).to_packet(ce.into(), ALL_PIM.into());
    let mut set = GroupSetBuf::new(EncodedGroup::new(group.into()));
    set.joins.push(SourceBuf::new(A::host(1, 1).into(), SourceFlags::empty()));
    let mut join = JoinPruneBuf::new(A::site(0, 1).into(), 210);
    assert!(join.push(set));
    let join = packet(MessageType::JOIN_PRUNE, 0, ce.into(), ALL_PIM.into(), |out| join.emit(out));
    let mut report = ReportBuf::new();
    report.push(RecordType::ALLOW, group, [A::host(1, 1)]);
    let mut octets = Vec::new();
    IgmpMessage::ReportV3(report.as_report()).emit(&mut octets);
    let (before, mut igmp_sent, mut is_joined) = (world.on_lans.len(), 0, false);
    for _ in 0..10 {
        let (interface, from, to) = (site(OTHER), ce, ALL_PIM);
        for octets in [&hello, &join] {
            world.pim(0, OTHER, pim::Input::Datagram { interface, from, to, octets, authenticated: false });
        }
        let (source, destination) = (A::host(0, 3), Ipv4Addr::new(224, 0, 0, 22));
        let (iface, hop_limit, router_alert) = (site(OTHER), 1, true);
        let input = RouterInput::Datagram { iface, source, destination, hop_limit, router_alert, octets: &octets };
        igmp.handle_input(world.now, input);
        world.run_for(SECOND * 10);
        igmp.handle_timeout(world.now);
        while let Some(output) = igmp.poll_output() {
            igmp_sent += usize::from(matches!(output, RouterOutput::Datagram { .. }));
            is_joined |= matches!(output, RouterOutput::Membership { present: true, .. });
        }
        is_joined |= world.pes[0].sites[&OTHER].pim.states() > 0;
    }
    let by_pim = world.on_lans[before..].iter().filter(|(at, ..)| *at == (0, OTHER)).count();
    (by_pim, igmp_sent, is_joined)
}

/// A VRF with unicast alone: no MCAST-VPN route is of it, PIM and IGMP of its CEs are not answered and make no state, packets of groups leave by
/// no interface, and what there is of multicast in the VRF beside it is not touched when it is turned on, nor when it is turned off.
///
/// Shows: MVPN-SEC-2
#[test]
fn a_vrf_without_multicast_has_none_of_it() {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 5, |_, _| {});
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in 0..2 {
        world.add_site(pe, mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp), false);
        let interface = Interface { vrf: OTHER, mac: mac(pe), mtu: 1500, mpls: false };
        world.pes[pe].forwarder.apply(&FwdOp::SetInterface { iface: site(OTHER), interface }).unwrap();
    }
    world.member((1, VRF), Some(source), group, true);
    world.run_for(SECOND * 3);
    let before = [0, 1].map(|pe| originated(&world, pe));
    let of_other = |route: &McastRoute| {
        let rd = match route.kind {
            McastKind::Ad(ad) => Some(ad.rd()),
            McastKind::SourceTreeJoin(join) => Some(join.rd),
            _ => None,
        };
        (0..2).any(|pe| rd == Some(other_config(pe).rd))
    };
    assert!(before.iter().flatten().all(|route| !of_other(route)));
    let nowhere = |sent: &[Sent]| sent.iter().all(|s| !matches!(s, Sent::Core(_) | Sent::Site(..)));
    let sent = world.pes[0].forward(site(OTHER), &data(source, group, 1));
    assert!(nowhere(&sent), "{sent:?}");
    // On: the same group and source, beside those of the first VRF.
    (0..2).for_each(|pe| world.add_site(pe, other_config(pe), false));
    world.run_for(SECOND);
    world.member((1, OTHER), Some(source), group, true);
    world.run_for(SECOND * 3);
    let once = |vrf| BTreeMap::from([((1, vrf), 1)]);
    for vrf in [VRF, OTHER] {
        let number = world.send((0, vrf), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), once(vrf));
    }
    for (pe, before) in before.iter().enumerate() {
        let (on, of_first): (BTreeSet<_>, BTreeSet<_>) = originated(&world, pe).into_iter().partition(of_other);
        assert!(!on.is_empty());
        assert_eq!(of_first, *before, "PE {pe}");
    }
    // IGMP of PE 0 beside its PIM.
    let mut igmp = GmpRouter::new(world.now, RouterConfig::default()).unwrap();
    let address = InterfaceConfig::new(A::site(0, 1));
    igmp.add_interface(world.now, site(OTHER), address).unwrap();
    let (by_pim, by_igmp, is_joined) = answers(&mut world, &mut igmp);
    assert!(by_pim >= 3 && by_igmp >= 2 && is_joined, "{by_pim} {by_igmp} {is_joined}");
    // Off again.
    igmp.remove_interface(world.now, site(OTHER));
    for pe in 0..2 {
        let now = world.now;
        world.pes[pe].mvpn.remove_mvrf(now, OTHER).unwrap();
        let of = world.pes[pe].sites.get_mut(&OTHER).unwrap();
        for interface in [site(OTHER), pmsi(OTHER)] {
            of.pim.remove_interface(now, interface).unwrap();
        }
        world.drain(pe);
    }
    world.run_for(SECOND * 3);
    while igmp.poll_output().is_some() {}
    assert_eq!(answers(&mut world, &mut igmp), (0, 0, false));
    assert_eq!([0, 1].map(|pe| originated(&world, pe)), before);
    let sent = world.pes[0].forward(site(OTHER), &data(source, group, 2));
    assert!(nowhere(&sent), "{sent:?}");
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), once(VRF));
}

/// A CE has run PIM by itself, with a member behind it; then its PE has multicast turned on. The CE is told nothing: it finds its neighbour, and
/// its member gets what is sent at another site.
///
/// Shows: MVPN-SVC-1
#[test]
fn the_service_is_turned_on_at_the_pe_alone() {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 5, |_, _| {});
    let (source, group, behind) = (A::host(0, 1), A::ssm(1), IfIndex(2));
    let mut ce = PimRouter::new(Instant::ZERO, PimConfig::new(VrfId(9), A::rp(), 1..=100)).unwrap();
    let lan = PimInterfaceConfig::new(IfIndex(1), A::site(1, 9), vec![A::subnet(1)]);
    let members = PimInterfaceConfig::new(behind, Ipv4Addr::new(10, 98, 0, 1), vec!["10.98.0.0/24".parse().unwrap()]);
    ce.add_interface(Instant::ZERO, lan).unwrap();
    ce.add_interface(Instant::ZERO, members).unwrap();
    let membership = Membership::Include;
    ce.handle_input(
        Instant::ZERO,
        pim::Input::Membership { interface: behind, group, source: Some(source), membership },
    );
    world.run_for(SECOND * 60);
    while let Some(at) = ce.next_timeout().filter(|at| *at <= world.now) {
        ce.handle_timeout(at);
    }
    for pe in 0..2 {
        world.add_site(pe, mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp), false);
    }
    world.pes[1].sites.get_mut(&VRF).unwrap().ce = Some(Ce { pim: ce, address: A::site(1, 9) });
    world.drain(1);
    world.run_for(SECOND * 100);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), BTreeMap::from([((1, VRF), 1)]));
}
