//! Many VPNs that use the same addresses on the same PEs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use mvpn::mvrf::{MvrfConfig, PTunnel, TunnelKind};
use mvpn::pim::wire::AddressFamily;

use super::Provider;
use super::node::pmsi;
use super::world::{Place, World};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
const VPNS: u16 = 100;
/// PE 1 has the source, 2 and 3 have receivers.
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GROUPS: [Ipv4Addr; 2] = [Ipv4Addr::new(239, 1, 1, 1), Ipv4Addr::new(232, 0, 0, 1)];

/// What carries a VPN: one LSP for several, told apart by upstream-assigned labels; an LSP of its own; copies by ingress replication; an LSP for
/// each flow.
fn config(pe: usize, vpn: u16) -> MvrfConfig {
    let rd = RouteDistinguisher::two_octet_as(65001, u32::from(vpn) * 100 + pe as u32);
    let target = RouteTarget::two_octet_as(65001, u32::from(vpn));
    let mut config = MvrfConfig::new(VrfId(vpn), rd, target, pmsi(VrfId(vpn)));
    config.families = vec![AddressFamily::V4];
    match vpn % 4 {
        0 => config.aggregated = true,
        1 => {}
        2 => config.inclusive = Some(TunnelKind::IngressReplication),
        _ => {
            (config.inclusive, config.selective) = (None, TunnelKind::RsvpTeP2mp);
            config.s_pmsi.always = vec!["224.0.0.0/4".parse().unwrap()];
        }
    }
    config
}

/// Who has joined a group in a VPN: at PE 2, at PE 3, at both or at none, not the same for both groups.
fn receivers(vpn: u16, group: usize) -> Vec<Place> {
    let bits = vpn / 4 + group as u16;
    let pes = [(2, bits & 1 == 1), (3, bits & 2 == 2)];
    pes.into_iter().filter(|(_, has)| *has).map(|(pe, _)| (pe, VrfId(vpn))).collect()
}

/// A hundred VPNs with one source and two groups, the same in all: each packet reaches the receivers of its own VPN, once, and nobody else.
///
/// Shows: MVPN-ADDR-2
#[test]
fn a_hundred_vpns_with_the_same_source_and_groups_do_not_meet() {
    let mut world: World<A> = World::with_room(Provider::V4.routers(4), 1, VPNS, |_, _| {});
    for vpn in 1..=VPNS {
        for pe in 1..4 {
            world.add_site(pe, config(pe, vpn), false);
        }
        world.set_prefix(1, VrfId(vpn), "10.0.0.1/32".parse().unwrap(), true);
    }
    world.run_for(SECOND * 10);
    for vpn in 1..=VPNS {
        for (n, group) in GROUPS.into_iter().enumerate() {
            receivers(vpn, n).into_iter().for_each(|place| world.member(place, Some(SOURCE), group, true));
        }
    }
    world.run_for(SECOND * 10);
    let tunnel = |world: &World<A>, vpn: u16| -> Option<PTunnel> {
        let carried = world.pes[1].mvpn.carried(VrfId(vpn), SOURCE.into(), GROUPS[0].into());
        carried.and_then(|c| c.sent_by)
    };
    let joined = |rest: u16| (1..=VPNS).filter(move |vpn| vpn % 4 == rest && !receivers(*vpn, 0).is_empty());
    let tunnels = |rest: u16| -> BTreeSet<PTunnel> { joined(rest).filter_map(|vpn| tunnel(&world, vpn)).collect() };
    assert_eq!((tunnels(0).len(), joined(0).count()), (1, 19), "aggregate");
    assert_eq!((tunnels(1).len(), joined(1).count()), (18, 18), "not aggregate");
    assert_eq!((tunnels(3).len(), joined(3).count()), (18, 18), "an LSP for each flow");
    let mut total = 0;
    for vpn in 1..=VPNS {
        for (n, group) in GROUPS.into_iter().enumerate() {
            let number = world.send((1, VrfId(vpn)), SOURCE, group);
            world.run_for(Duration::from_millis(50));
            let expected: BTreeMap<_, _> = receivers(vpn, n).into_iter().map(|place| (place, 1)).collect();
            assert_eq!(world.copies(SOURCE, group, number), expected, "VPN {vpn}, {group}");
            total += expected.len();
        }
    }
    assert_eq!(total, 197);
}
