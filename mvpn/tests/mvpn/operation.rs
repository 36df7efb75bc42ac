//! What operation costs: statements to grow by one, messages while nothing changes, gaps when a PE dies.

use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::mvrf::{CMulticastProtocol, TunnelKind};

use super::node::SimAddress;
use super::world::World;
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
            CMulticastProtocol::Bgp => assert_eq!(pim, 0),
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
