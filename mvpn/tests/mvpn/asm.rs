//! ASM groups, with the RP on a CE, in both modes of RFC 6514.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mvpn::mvrf::{AsmMode, Input, McastKind, TunnelKind};

use mvpn::pim::wire::Message;

use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
const RP: usize = 4;

fn network<A: SimAddress>(provider: Provider, asm: AsmMode) -> World<A> {
    network_of(provider, asm, 5)
}

fn network_of<A: SimAddress>(provider: Provider, asm: AsmMode, pes: usize) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(pes), 21, |_, _| {});
    for pe in 0..pes {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.asm = asm;
        world.add_site(pe, config, pe == RP);
    }
    world.run_for(SECOND * 10);
    world
}

/// How often each site got each of the packets that were sent every 10 ms for a time.
fn stream<A: SimAddress>(world: &mut World<A>, time: Duration) -> Vec<BTreeMap<usize, u32>> {
    let (source, group) = (A::host(0, 1), A::asm(1));
    let numbers: Vec<u32> = (0..time.as_millis() / 10)
        .map(|_| {
            let number = world.send((0, VRF), source, group);
            world.run_for(Duration::from_millis(10));
            number
        })
        .collect();
    world.run_for(SECOND);
    let copies = numbers.iter().map(|number| world.copies(source, group, *number));
    copies.map(|c| c.into_iter().map(|((pe, _), n)| (pe, n)).collect()).collect()
}

fn count(routes: &World<impl SimAddress>, pe: usize, is: fn(&McastKind) -> bool) -> usize {
    routes.pes[pe].mvpn.originated().filter(|(route, _)| is(&route.kind)).count()
}

fn rpt_spt<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, AsmMode::RptSpt);
    for pe in [1, 2] {
        world.member((pe, VRF), None, A::asm(1), true);
    }
    world.run_for(SECOND * 2);
    let shared = |k: &McastKind| matches!(k, McastKind::SharedTreeJoin(_));
    assert_eq!([1, 2, 3].map(|pe| count(&world, pe, shared)), [1, 1, 0]);
    // The source starts: Registers to the RP, the RP's join, Source Active, and both receivers switch to the source's PE.
    let copies = stream::<A>(&mut world, SECOND * 30);
    let source_active = |k: &McastKind| matches!(k, McastKind::SourceActive(_));
    assert_eq!(count(&world, 0, source_active), 1);
    let settled = &copies[copies.len() - 100..];
    let once = BTreeMap::from([(1, 1), (2, 1)]);
    for (n, packet) in settled.iter().enumerate() {
        let receivers: BTreeMap<usize, u32> =
            packet.iter().filter(|(pe, _)| **pe != RP).map(|(p, n)| (*p, *n)).collect();
        assert_eq!(receivers, once, "packet {n} of the last");
    }
    // No receiver got a packet twice, at any time.
    for packet in &copies {
        assert!(packet.iter().all(|(pe, n)| *pe == RP || *n == 1), "{packet:?}");
    }
    // PEs and CEs said nothing to each other but PIM, which a CE without VPN code takes.
    assert!(!world.on_lans.is_empty());
    for (_, from, to, octets) in &world.on_lans {
        let message = Message::parse(octets, (*from).into(), (*to).into());
        assert!(message.is_ok_and(|m| !matches!(m, Message::Other { .. })));
    }
    // Receivers leave: nothing crosses the core but to the RP.
    for pe in [1, 2] {
        world.member((pe, VRF), None, A::asm(1), false);
    }
    world.run_for(SECOND * 30);
    assert_eq!([1, 2].map(|pe| count(&world, pe, shared)), [0, 0]);
}

/// Shows: MVPN-SVC-2, MVPN-CEPE-1
#[test]
fn the_rp_on_a_ce_with_shared_trees() {
    for provider in Provider::BOTH {
        rpt_spt::<Ipv4Addr>(provider);
        rpt_spt::<Ipv6Addr>(provider);
    }
}

fn spt_only<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, AsmMode::SptOnly);
    let (source, group) = (A::host(0, 1), A::asm(1));
    for pe in [1, 2] {
        world.member((pe, VRF), None, group, true);
    }
    world.run_for(SECOND * 2);
    let joins = |k: &McastKind| matches!(k, McastKind::SharedTreeJoin(_) | McastKind::SourceTreeJoin(_));
    assert_eq!([1, 2].map(|pe| count(&world, pe, joins)), [0, 0]);
    // The PE of the source hears of it, by Register or MSDP.
    let active =
        |is_active| Input::Active { vrf: VRF, source: source.into(), group: group.into(), rp: None, is_active };
    world.input(0, active(true));
    world.run_for(SECOND * 2);
    assert_eq!([1, 2].map(|pe| count(&world, pe, joins)), [1, 1]);
    let before = world.crossed;
    let copies = stream::<A>(&mut world, SECOND * 5);
    let once = BTreeMap::from([(1, 1), (2, 1)]);
    for (n, packet) in copies.iter().enumerate() {
        let receivers: BTreeMap<usize, u32> =
            packet.iter().filter(|(pe, _)| **pe != RP).map(|(p, n)| (*p, *n)).collect();
        assert_eq!(receivers, once, "packet {n}");
    }
    assert!(world.crossed > before);
    world.input(0, active(false));
    world.run_for(SECOND * 2);
    assert_eq!([1, 2].map(|pe| count(&world, pe, joins)), [0, 0]);
}

/// Sources are announced by their PEs, and joined by PEs with receivers; no shared tree crosses the core.
#[test]
fn source_trees_only() {
    for provider in Provider::BOTH {
        spt_only::<Ipv4Addr>(provider);
        spt_only::<Ipv6Addr>(provider);
    }
}

/// A source starts with five receivers waiting: what each misses. With shared trees the RP has every packet from the first Register on, and sends
/// it down the tree.
fn missed_at_start<A: SimAddress>(provider: Provider, asm: AsmMode) -> Vec<u32> {
    let mut world = network_of::<A>(provider, asm, 7);
    world.puts_back = true;
    let receivers = [1, 2, 3, 5, 6];
    for pe in receivers {
        world.member((pe, VRF), None, A::asm(1), true);
    }
    world.run_for(SECOND * 3);
    let (source, group) = (A::host(0, 1).into(), A::asm(1).into());
    if asm == AsmMode::SptOnly {
        // The PE of the source is told with the first packet.
        world.input(0, Input::Active { vrf: VRF, source, group, rp: None, is_active: true });
    }
    let copies = stream::<A>(&mut world, SECOND * 20);
    assert!(copies.iter().flatten().all(|(pe, n)| *pe == RP || *n == 1), "none comes twice");
    receivers.iter().map(|pe| copies.iter().filter(|packet| !packet.contains_key(pe)).count() as u32).collect()
}

/// With shared trees no receiver misses a packet: the RP sends down what comes in Registers until the source's PE sends itself, which it does once
/// all PEs have heard of the source, and each PE changes over with the first packet of that. In SPT-only mode what is missed is what is sent while
/// routes go out, of which there are three one after the other.
///
/// Shows: MVPN-QOS-11
#[test]
fn what_receivers_miss_when_a_source_starts() {
    for provider in Provider::BOTH {
        for (name, asm, most) in [("RPT-SPT", AsmMode::RptSpt, 0), ("SPT-only", AsmMode::SptOnly, 60)] {
            let missed = [missed_at_start::<Ipv4Addr>(provider, asm), missed_at_start::<Ipv6Addr>(provider, asm)];
            println!("{provider:?} {name}: packets missed by each of five receivers {missed:?}, one each 10 ms");
            assert!(missed.iter().flatten().all(|n| *n <= most), "{provider:?} {name}: {missed:?}");
        }
    }
}

/// Octets on the link of the RP's CE while a source starts, with two receivers at other sites.
fn octets_by_the_rp<A: SimAddress>(provider: Provider, asm: AsmMode) -> u64 {
    let mut world = match asm {
        AsmMode::RptSpt => network::<A>(provider, asm),
        AsmMode::SptOnly => super::hosted_rp::network_with(provider, 5, TunnelKind::MldpP2mp, Some(RP)),
    };
    for pe in [1, 2] {
        world.member((pe, VRF), None, A::asm(1), true);
    }
    world.run_for(SECOND * 2);
    let copies = stream(&mut world, SECOND * 10);
    let receivers = |packet: &BTreeMap<usize, u32>| packet.keys().filter(|pe| **pe != RP).count();
    assert_eq!(copies.last().map(receivers), Some(2), "{provider:?} {asm:?}");
    world.rp_link
}

/// With Registers to the RP every packet crosses its link twice, in and out, until the RP has joined the source, and once more until receivers
/// have; in SPT-only mode, with the RP's part at the PEs, none does.
///
/// Shows: MVPN-RP-7
#[test]
fn what_crosses_the_link_of_the_rp_when_a_source_starts() {
    for provider in Provider::BOTH {
        let of = |asm| [octets_by_the_rp::<Ipv4Addr>(provider, asm), octets_by_the_rp::<Ipv6Addr>(provider, asm)];
        let (shared, source) = (of(AsmMode::RptSpt), of(AsmMode::SptOnly));
        println!(
            "{provider:?}: octets on the RP's link in ten seconds, IPv4 and IPv6: RPT-SPT {shared:?}, SPT-only {source:?}"
        );
        assert_eq!(source, [0, 0]);
        // At least one packet went in within a Register and came out again.
        assert!(shared[0] >= 2 * 32 + 28 && shared[1] >= 2 * 52 + 48, "{shared:?}");
    }
}
