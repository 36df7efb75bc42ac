//! What CEs send that is not theirs to send, or too much of what is.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::mvrf::{Input, Model, MvpnEvent, PTunnel, TunnelKind};
use mvpn::pim::wire::s_pmsi_join::SPmsiJoin;

use super::VRF;
use super::delay::{self, PIM, UDP, frame, hello, join, pim, to_software};
use super::mdt;
use super::node::{SimAddress, pmsi, site};
use super::world::World;

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

/// A CE sends what only routers of the provider may: an S-PMSI Join in another PE's name, a Join for a P-tunnel, a packet with the label of one.
/// None of it counts, while the first, had it come by the PMSI, would have.
///
/// Shows: MVPN-ISEC-1
#[test]
fn a_ce_has_no_say_in_the_core() {
    let mut world = mdt::network::<A>(3, TunnelKind::PimSsm, Model::Mdt);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    world.member((1, VRF), Some(source), group, true);
    world.run_for(mdt::SETTLED);
    let received = |world: &World<A>| world.pes[1].mvpn.carried(VRF, source.into(), group.into()).unwrap().received_by;
    let tunnels = |world: &World<A>| {
        let leaves = |(tunnel, lsp): (&PTunnel, &super::world::Lsp)| {
            (tunnel.clone(), lsp.leaves.keys().copied().collect::<Vec<_>>())
        };
        world.lsps.iter().map(leaves).collect::<BTreeMap<_, _>>()
    };
    let (before, bound) = (tunnels(&world), received(&world));
    let ce = A::site(1, 8);

    // It reaches software with the number of the VRF; who hands it on says by which interface it came.
    let mut octets = Vec::new();
    SPmsiJoin::new(source.into(), group.into(), [232, 100, 0, 9].into()).unwrap().emit(&mut octets);
    let len = u16::try_from(8 + octets.len()).unwrap().to_be_bytes();
    let udp = [&[0x0c, 0xa0, 0x0c, 0xa0, len[0], len[1], 0, 0][..], &octets].concat();
    let pe = world.routers[0];
    let std::net::IpAddr::V4(spoofed) = pe else { panic!("IPv4") };
    let heard = to_software(&mut world, 1, VRF, &frame(spoofed, UDP, &udp)).unwrap();
    let octets = heard[8..].to_vec();
    world.input(1, Input::SPmsiJoin { vrf: VRF, interface: site(VRF), pe, octets: octets.clone() });
    world.run_for(SECOND);
    assert_eq!((received(&world), tunnels(&world)), (bound.clone(), before.clone()));
    assert!(world.pes[1].events.iter().any(|e| matches!(e, MvpnEvent::BadSPmsiJoin { .. })));

    // A Join for the P-tunnel of PE 0: of the customer's PIM it is a customer's group, and the tunnel's leaves are who they were.
    let tunnel = before.keys().find_map(|tunnel| match tunnel {
        PTunnel::PimSsm { root, group: std::net::IpAddr::V4(group) } if *root == pe => Some(*group),
        _ => None,
    });
    for octets in [hello(ce), join(ce, A::site(1, 1), spoofed, tunnel.unwrap())] {
        let heard = to_software(&mut world, 1, VRF, &frame(ce, PIM, &octets)).unwrap();
        pim(&mut world, 1, VRF, ce, &heard);
    }
    world.run_for(SECOND * 5);
    assert_eq!(tunnels(&world), before);
    let (crossed, at) = (world.crossed, world.delivered_at.clone());
    world.send((2, VRF), spoofed, tunnel.unwrap());
    world.run_for(SECOND);
    assert_eq!((world.crossed, &world.delivered_at), (crossed, &at), "what a customer sends there stays in his VPN");

    // The label of the tunnel, from a CE.
    let of_first = world.lsps.iter().find(|(_, lsp)| lsp.root.is_some_and(|(root, _)| root == 0));
    let label = of_first.unwrap().1.leaves[&1].value();
    let mut labelled = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 9, 9, 0x88, 0x47];
    labelled.extend_from_slice(&(label << 12 | 1 << 8 | 64).to_be_bytes());
    labelled.extend_from_slice(&super::node::data(source, group, 1)[14..]);
    assert!(world.pes[1].forward(site(VRF), &labelled).is_empty());
    assert!(!world.pes[1].forward(super::node::CORE, &labelled).is_empty(), "from the core it is delivered");

    world.input(1, Input::SPmsiJoin { vrf: VRF, interface: pmsi(VRF), pe, octets });
    assert_ne!(received(&world), bound, "by the PMSI it counts");
}

/// A CE sends a hundred times the Joins that it used to: those of another VPN on the PE take less than a tenth longer, because the forwarder hands
/// software no more of a VRF than is agreed. Without that, they would wait for as long as the flood lasts.
///
/// Shows: MVPN-ISEC-2
#[test]
fn a_flood_of_one_vpn_does_not_delay_the_joins_of_another() {
    let p99 = |others: u32, policed: bool| {
        let setup = delay::Setup { others, policed, ..delay::Setup::default() };
        delay::percentile(&delay::measure(&setup).joins, 99)
    };
    let (quiet, flooded, open) = (p99(50, true), p99(5000, true), p99(5000, false));
    println!("99 % of joins take no longer than {quiet} µs, {flooded} µs with a flood, {open} µs with an open door");
    assert!(flooded * 10 < quiet * 11, "{quiet} {flooded}");
    assert!(open > quiet * 2, "{quiet} {open}");
}
