//! What operation costs: statements to grow by one, messages while nothing changes, gaps when a PE dies.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::session::SessionTimers;
use mvpn::mvrf::{CMulticastProtocol, LeafAudit, TunnelKind};

use super::node::SimAddress;
use super::world::{HOP, World};
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
const MLDP: TunnelKind = TunnelKind::MldpP2mp;

/// One statement on the new PE alone adds it to a VPN of 3 PEs and of 30: all find it, it finds all, and it is served.
///
/// Shows: MVPN-SCAL-6
#[test]
fn a_pe_more_is_one_statement_whatever_the_number() {
    for pes in [3, 30] {
        let mut world: World<A> = World::new(Provider::V4.routers(pes + 1), 2, |_, _| {});
        for pe in 0..pes {
            world.add_site(pe, mvrf(pe, Some(MLDP), MLDP), false);
        }
        world.run_for(SECOND * 2);
        let known = |world: &World<A>, pe: usize| {
            let mut members: Vec<_> = world.pes[pe].mvpn.members(VRF).map(|(address, ..)| address).collect();
            members.dedup();
            members.len()
        };
        assert!((0..pes).all(|pe| known(&world, pe) == pes - 1));
        // The statement.
        world.add_site(pes, mvrf(pes, Some(MLDP), MLDP), false);
        // What BGP asks for when a VRF comes (RFC 2918): the routes that there are.
        world.refresh(pes);
        world.run_for(SECOND * 2);
        assert!((0..=pes).all(|pe| known(&world, pe) == pes), "of {pes}");
        let source = A::host(0, 1);
        world.member((pes, VRF), Some(source), A::ssm(1), true);
        world.run_for(SECOND * 3);
        let number = world.send((0, VRF), source, A::ssm(1));
        world.run_for(SECOND);
        assert_eq!(world.copies(source, A::ssm(1), number).into_iter().collect::<Vec<_>>(), [((pes, VRF), 1)]);
    }
}

/// Five minutes in which nothing changes: PIM between ten PEs sends each of them the Hellos of all others (RFC 6517 §3.3.1), BGP sends
/// nothing; and a PE has no timer of the provider side.
///
/// Shows: MVPN-SCAL-7
#[test]
fn idle_vpns_cost_hellos_by_pim_and_nothing_by_bgp() {
    const PES: usize = 10;
    for protocol in [CMulticastProtocol::Pim, CMulticastProtocol::Bgp] {
        let mut world: World<A> = World::new(Provider::V4.routers(PES), 2, |_, _| {});
        for pe in 0..PES {
            let mut config = mvrf(pe, Some(MLDP), MLDP);
            config.protocol = protocol;
            world.add_site(pe, config, false);
        }
        world.run_for(SECOND * 60);
        let before = (world.pim_messages, world.messages.iter().sum::<u64>());
        world.run_for(SECOND * 300);
        let pim = world.pim_messages - before.0;
        assert_eq!(world.messages.iter().sum::<u64>() - before.1, 0);
        assert!(world.pes.iter().all(|pe| pe.mvpn.next_timeout().is_none()));
        // Each PE says a Hello every 30 s to each other.
        let expected = (PES * (PES - 1) * 10) as u64;
        match protocol {
            CMulticastProtocol::Pim => assert!((expected / 2..=expected * 2).contains(&pim), "{pim} of {expected}"),
            CMulticastProtocol::Bgp | CMulticastProtocol::Both => assert_eq!(pim, 0),
        }
    }
}

/// A source with two sites, receivers at three PEs, a packet a millisecond: each PE dies in turn. Whoever has a site left goes on to be
/// served, once; the gap is printed, and is no longer than what BGP takes to say it and an LSP to be built.
#[test]
fn flows_with_a_way_left_survive_each_pe() {
    for victim in [0, 2, 3, 4, 5] {
        let mut world: World<A> = World::new(Provider::V4.routers(6), 7, |_, _| {});
        for pe in 0..6 {
            world.add_site(pe, mvrf(pe, Some(MLDP), MLDP), false);
        }
        let (source, group) = (A::host(60, 1), A::ssm(1));
        for pe in [0, 2] {
            world.set_prefix(pe, VRF, A::subnet(60).into(), true);
        }
        world.run_for(SECOND * 2);
        [3, 4, 5].into_iter().for_each(|pe| world.member((pe, VRF), Some(source), group, true));
        world.run_for(SECOND * 3);
        let mut numbers = Vec::new();
        for ms in 0..6000 {
            if ms == 1000 {
                world.kill(victim);
            }
            let sites: Vec<usize> = [0, 2].into_iter().filter(|pe| world.pes[*pe].alive).collect();
            let number = world.send((sites[0], VRF), source, group);
            sites[1..].iter().for_each(|pe| world.send_again((*pe, VRF), source, group, number));
            numbers.push(number);
            world.run_for(Duration::from_millis(1));
        }
        world.run_for(SECOND);
        for receiver in [3, 4, 5].into_iter().filter(|pe| *pe != victim) {
            let got: Vec<u32> = numbers
                .iter()
                .map(|number| world.copies(source, group, *number).get(&(receiver, VRF)).copied().unwrap_or(0))
                .collect();
            assert!(got.iter().all(|copies| *copies <= 1), "PE {receiver} when PE {victim} dies");
            let gap = got.iter().filter(|copies| **copies == 0).count();
            println!("PE {victim} dies: PE {receiver} misses {gap} ms");
            assert!(
                gap <= if victim == 0 || victim == 2 { 1500 } else { 0 },
                "PE {receiver} when PE {victim} dies: {gap}"
            );
            assert_eq!(*got.last().unwrap(), 1);
        }
    }
}

/// RFC 3918 §6.1: from the join to the first packet of a stream that is sent all the time, with no reflector, one and two between the PEs.
/// It takes what the messages take and the packet: no PE waits, and sessions have no MinRouteAdvertisementInterval unless told.
///
/// Shows: MVPN-QOS-8
#[test]
fn a_join_takes_no_longer_than_its_way() {
    assert_eq!(SessionTimers::default().min_route_advertisement, Duration::ZERO);
    for reflectors in [0, 1, 2] {
        let mut world: World<A> = World::new(Provider::V4.routers(3), 2, |_, _| {});
        world.reflectors = Some(reflectors);
        for pe in 0..3 {
            world.add_site(pe, mvrf(pe, Some(MLDP), MLDP), false);
        }
        world.run_for(SECOND * 2);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        world.member((1, VRF), Some(source), group, true);
        let start = world.now;
        let got = |world: &World<A>| world.delivered_at.get(&(1, VRF)).copied().unwrap_or(0);
        while got(&world) == 0 {
            world.send((0, VRF), source, group);
            world.run_for(Duration::from_millis(1));
            assert!(world.now - start < SECOND);
        }
        let (delay, way) = (world.now - start, HOP * (reflectors + 1) + Duration::from_millis(5));
        println!("{reflectors} reflectors: {delay:?}");
        assert!(delay >= way && delay <= way + Duration::from_millis(2), "{delay:?} of {way:?}");
    }
}

/// A branch of a flow's tree is lost without a word: the root names the PE that does not answer, the PE names the tunnel that is silent.
///
/// Shows: MVPN-TRB-3
#[test]
fn a_leaf_that_is_missing_is_named_from_both_sides() {
    for selective in [false, true] {
        let mut world: World<A> = World::new(Provider::V4.routers(4), 2, |_, _| {});
        for pe in 0..4 {
            let mut config = mvrf(pe, Some(MLDP), MLDP);
            config.s_pmsi.explicit_tracking = true;
            if selective {
                config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
            }
            world.add_site(pe, config, false);
        }
        world.run_for(SECOND * 2);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        let (s, g): (IpAddr, IpAddr) = (source.into(), group.into());
        [1, 2].into_iter().for_each(|pe| world.member((pe, VRF), Some(source), group, true));
        world.run_for(SECOND * 6);
        let carried = world.pes[0].mvpn.carried(VRF, s, g).unwrap();
        assert_eq!(carried.is_selective, selective);
        let tunnel = carried.sent_by.unwrap();
        // Who a packet reaches: what a ping of the LSP would say.
        let answered = |world: &World<A>| -> BTreeSet<IpAddr> {
            world.lsps[&tunnel].branches.keys().map(|pe| world.routers[*pe]).collect()
        };
        let audit = |world: &World<A>| world.pes[0].mvpn.audit_root(VRF, s, g, &answered(world)).unwrap();
        let leaf = |world: &mut World<A>, pe: usize| {
            let before = world.delivered_at.get(&(pe, VRF)).copied().unwrap_or(0);
            world.send((0, VRF), source, group);
            world.run_for(SECOND);
            let packets = world.delivered_at.get(&(pe, VRF)).copied().unwrap_or(0) - before;
            world.pes[pe].mvpn.audit_leaf(VRF, s, g, packets)
        };
        assert_eq!((audit(&world).missing.len(), audit(&world).needless.len()), (0, 0));
        let from = world.routers[0];
        assert_eq!(leaf(&mut world, 1), LeafAudit::Arrives { from, tunnel: tunnel.clone() });
        assert_eq!(leaf(&mut world, 3), LeafAudit::NotWanted);
        world.cut_branch(&tunnel, 2);
        world.run_for(SECOND);
        assert_eq!(audit(&world).missing, BTreeSet::from([world.routers[2]]));
        assert_eq!(leaf(&mut world, 1), LeafAudit::Arrives { from, tunnel: tunnel.clone() });
        assert_eq!(leaf(&mut world, 2), LeafAudit::Silent { from, tunnel: tunnel.clone() });
    }
}
