//! The provider hosts the RP: every PE is RP in its VRF, with one address for all, and Source Active A-D routes tell of sources
//! (RFC 6513 §10.1, RFC 6514 §14).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::VrfId;
use fwd_core::op::{FwdOp, Interface};
use fwd_core::time::Instant;
use mvpn::mvrf::{AsmMode, McastKind, TunnelKind};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::{self, Membership, PimConfig, PimInterfaceConfig, PimRouter, SptThreshold};

use super::node::{SimAddress, mac, site};
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// PEs with a site each; the VRF of each is an RP of the same address.
fn network<A: SimAddress>(provider: Provider, pes: usize, kind: TunnelKind) -> World<A> {
    network_with(provider, pes, kind, None)
}

/// The same, with a CE behind one of the PEs that is an RP of this address too, for its own site.
pub fn network_with<A: SimAddress>(provider: Provider, pes: usize, kind: TunnelKind, ce: Option<usize>) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(pes), 21, |_, _| {});
    for pe in 0..pes {
        let mut config = mvrf(pe, Some(kind), kind);
        config.asm = AsmMode::SptOnly;
        world.add_site(pe, config, ce == Some(pe));
        let of = world.pes[pe].sites.get_mut(&VRF).unwrap();
        let first = 1 + 150 * u32::from(VRF.0);
        let mut c = PimConfig::new(VRF, A::loopback(pe, VRF.0), first..=first + 149);
        c.local_addresses = vec![A::rp()];
        c.spt_threshold = SptThreshold::Infinity;
        let mut pim = PimRouter::new(Instant::ZERO, c).unwrap();
        let lan = PimInterfaceConfig::new(site(VRF), A::site(pe, 1), vec![A::subnet(pe)]);
        pim.add_interface(Instant::ZERO, lan).unwrap();
        pim.add_interface(Instant::ZERO, of.link.config()).unwrap();
        pim.handle_input(Instant::ZERO, of.link.input(&of.link.hello()));
        pim.update_rp_set(Instant::ZERO, |set| {
            let fixed = StaticRp { range: A::ALL_GROUPS, address: A::rp(), mode: RpMode::Sparse, overrides: false };
            set.set_static(fixed).unwrap();
        });
        of.pim = pim;
        world.drain(pe);
    }
    world.run_for(SECOND * 10);
    world
}

/// Sends a packet every 10 ms for a time, and gives how often each site got each.
fn stream<A: SimAddress>(world: &mut World<A>, from: usize, packets: usize) -> Vec<BTreeMap<usize, u32>> {
    let (source, group) = (A::host(from, 1), A::asm(1));
    let mut numbers = Vec::new();
    for _ in 0..packets {
        numbers.push(world.send((from, VRF), source, group));
        world.run_for(Duration::from_millis(10));
    }
    world.run_for(SECOND);
    let copies = numbers.iter().map(|n| world.copies(source, group, *n));
    copies.map(|c| c.into_iter().map(|((pe, _), n)| (pe, n)).collect()).collect()
}

fn source_active<A: SimAddress>(world: &World<A>, pe: usize) -> usize {
    let all = world.pes[pe].mvpn.originated();
    all.filter(|(route, _)| matches!(route.kind, McastKind::SourceActive(_))).count()
}

fn members<A: SimAddress>(world: &mut World<A>, pes: &[usize]) {
    pes.iter().for_each(|pe| world.member((*pe, VRF), None, A::asm(1), true));
    world.run_for(SECOND * 2);
}

/// The RP of every PE knows the sources of its own site, tells the other PEs, and these join them: once each, and none before.
fn anycast<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, 4, TunnelKind::MldpP2mp);
    members(&mut world, &[1, 2]);
    let crossed = world.crossed;
    let copies = stream(&mut world, 0, 200);
    assert_eq!([0, 1, 2, 3].map(|pe| source_active(&world, pe)), [1, 0, 0, 0]);
    let once = BTreeMap::from([(1, 1), (2, 1)]);
    assert_eq!(copies[copies.len() - 100..], vec![once; 100]);
    assert!(copies.iter().flat_map(|c| c.values()).all(|n| *n == 1), "no packet twice at any time");
    // One tree from the source's PE: a copy for each receiver, none by way of an RP.
    assert!(world.sent_by[1..].iter().all(|n| *n == 0), "{:?}", world.sent_by);
    assert!(world.crossed > crossed);
    // The source falls silent: its route goes.
    world.run_for(SECOND * 300);
    assert_eq!(source_active(&world, 0), 0);
}

/// Shows: MVPN-RP-2
#[test]
fn an_anycast_rp_in_the_vrf_of_every_pe() {
    for provider in Provider::BOTH {
        anycast::<Ipv4Addr>(provider);
        anycast::<Ipv6Addr>(provider);
    }
}

/// A PE is cut off from the others, with a source and a member in its own site: these still meet, at the RP of their own PE; the others go on
/// among themselves. No RP is missed, and nothing is left of the PE that is gone.
///
/// Shows: MVPN-RP-5
#[test]
fn sites_that_are_connected_go_on_without_one_that_is_cut_off() {
    let mut world = network::<Ipv4Addr>(Provider::V4, 4, TunnelKind::MldpP2mp);
    members(&mut world, &[1, 2, 3]);
    let all = |pes: &[usize]| pes.iter().map(|pe| (*pe, 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(stream(&mut world, 0, 100).last(), Some(&all(&[1, 2, 3])));
    world.kill(3);
    world.run_for(SECOND * 2);
    // The source that was there, and one that starts now.
    assert_eq!(stream(&mut world, 0, 50).last(), Some(&all(&[1, 2])));
    members(&mut world, &[0]);
    assert_eq!(stream(&mut world, 1, 100).last(), Some(&all(&[0, 2])));
    assert_eq!([0, 1, 2].map(|pe| source_active(&world, pe)), [1, 1, 0]);
}

/// The members of a VRF whose own PE has lost the core get what its own site sends, as the RP is there too; when the core is back everybody
/// gets each packet once, and when the source falls silent nothing is left of it.
///
/// Shows: MVPN-RP-6
#[test]
fn a_site_that_is_cut_off_keeps_its_own_sources() {
    let mut world = network::<Ipv4Addr>(Provider::V4, 3, TunnelKind::IngressReplication);
    let (near, group) = (Ipv4Addr::host(2, 1), Ipv4Addr::asm(1));
    members(&mut world, &[1]);
    // A second interface of the VRF at PE 2, with a member; the simulation takes what leaves by it for that of VRF 9.
    let (behind, place) = (site(VrfId(9)), (2, VrfId(9)));
    let (now, address) = (world.now, Ipv4Addr::new(10, 99, 0, 1));
    let interface = Interface { vrf: VRF, mac: mac(2), mtu: 1500, mpls: false };
    world.pes[2].forwarder.apply(&FwdOp::SetInterface { iface: behind, interface }).unwrap();
    let lan = PimInterfaceConfig::new(behind, address, vec!["10.99.0.0/24".parse().unwrap()]);
    world.pes[2].sites.get_mut(&VRF).unwrap().pim.add_interface(now, lan).unwrap();
    let membership = Membership::Include;
    world.pim(2, VRF, pim::Input::Membership { interface: behind, group, source: None, membership });
    world.run_for(SECOND * 2);
    let last = |world: &mut World<Ipv4Addr>| {
        let mut number = 0;
        for _ in 0..50 {
            number = world.send((2, VRF), near, group);
            world.run_for(Duration::from_millis(20));
        }
        world.run_for(SECOND);
        world.copies(near, group, number)
    };
    let everybody = BTreeMap::from([((1, VRF), 1), (place, 1)]);
    assert_eq!(last(&mut world), everybody);
    for n in 0..2 {
        let router = world.routers[n];
        world.input(2, mvpn::mvrf::Input::Transport { router, entry: None });
    }
    assert_eq!(last(&mut world), BTreeMap::from([(place, 1)]), "the core is cut");
    for n in 0..2 {
        let (router, entry) = (world.routers[n], Some(world.pes[2].transport(n)));
        world.input(2, mvpn::mvrf::Input::Transport { router, entry });
    }
    assert_eq!(last(&mut world), everybody);
    assert_eq!(source_active(&world, 2), 1);
    world.run_for(SECOND * 300);
    assert_eq!(source_active(&world, 2), 0);
}
