//! A provider whose multidirectional I-PMSI is a shared tree of PIM-SM (RFC 6513 §6.4.2), and its RP dies.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::{Input, MvpnConfig, MvpnPe, MvrfConfig, Output, PTunnel, TreeRequest, TunnelKind};
use mvpn::pim::SptThreshold;
use mvpn::pim::bsr::{CandidateBsr, CandidateRpConfig, Zone};
use mvpn::pim::rp_set::{RpMode, StaticRp};

use super::world::{SimAddress, World};

type A = Ipv4Addr;

/// PEs 0, 1 and 2, each with a LAN of its own that stands for its VRFs; P routers 3 and 4, each with a link to every PE.
const LANS: &[&[usize]] = &[&[0], &[1], &[2], &[0, 3], &[1, 3], &[2, 4], &[3, 4], &[0, 4], &[1, 4], &[2, 3]];
const RP: A = Ipv4Addr::new(10, 254, 0, 1);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn p_group() -> A {
    A::asm(77)
}

/// What stands in for a P-RP that dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spare {
    None,
    Anycast,
    Bootstrap,
}

fn pe(n: usize) -> MvpnPe {
    let router: IpAddr = A::loopback(n).into();
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(router, 65001)).unwrap();
    let rd = RouteDistinguisher::two_octet_as(65001, 100 + n as u32);
    let mut config = MvrfConfig::new(VrfId(1), rd, "65001:1".parse().unwrap(), IfIndex(1000));
    config.inclusive = Some(TunnelKind::PimSm(p_group().into()));
    pe.add_mvrf(Instant::ZERO, config).unwrap();
    pe
}

/// The PEs tell each other their I-PMSI A-D routes: what they ask of the provider's PIM is done in the network.
fn provision(world: &mut World<A>) {
    let mut pes: Vec<MvpnPe> = (0..3).map(pe).collect();
    let (mut roots, mut joined) = (BTreeSet::new(), BTreeSet::new());
    let mut queue: Vec<(usize, Output)> = Vec::new();
    loop {
        for (n, pe) in pes.iter_mut().enumerate() {
            queue.extend(std::iter::from_fn(|| pe.poll_output()).map(|output| (n, output)));
        }
        let Some((n, output)) = queue.pop() else { break };
        match output {
            Output::Advertise { route, attributes } => {
                for to in (0..3).filter(|to| *to != n) {
                    let attributes = Some(attributes.clone());
                    pes[to].handle_input(Instant::ZERO, Input::Route { route, attributes });
                }
            }
            Output::Tree(TreeRequest::Root { tunnel: PTunnel::PimSm { sender, group }, .. }) => {
                assert_eq!((sender, group), (A::loopback(n).into(), p_group().into()));
                roots.insert(n);
            }
            Output::Tree(TreeRequest::Join { tunnel: PTunnel::PimSm { group, .. }, .. }) => {
                assert_eq!(group, IpAddr::V4(p_group()));
                if joined.insert(n) {
                    world.members(n, p_group(), None, true);
                }
            }
            _ => {}
        }
    }
    assert_eq!((roots, joined), (BTreeSet::from([0, 1, 2]), BTreeSet::from([0, 1, 2])));
}

/// Whether a packet of every PE reaches every other, once.
fn carries(world: &mut World<A>, first: u64) -> bool {
    for n in 0..3 {
        world.send(n, A::host(n, 1), p_group(), first + n as u64);
    }
    world.run(secs(1));
    (0..3).all(|n| (0..3).filter(|to| *to != n).all(|to| world.crossed.get(&(first + n as u64, to)) == Some(&1)))
}

fn network(spare: Spare) -> World<A> {
    let mut world = World::<A>::new(LANS, None, 3, |r, config| {
        // All stays on the shared tree: it is the tunnel.
        config.spt_threshold = SptThreshold::Infinity;
        if spare == Spare::Anycast && r >= 3 {
            config.local_addresses = vec![RP];
            config.anycast_rp = vec![(RP, vec![A::loopback(7 - r)])];
        }
    });
    match spare {
        Spare::Bootstrap => {
            (0..5).for_each(|r| world.run_bootstrap(r, secs(60), &[]));
            for (r, priority) in [(3, 20), (4, 10)] {
                let (now, address) = (world.now, A::loopback(r));
                let candidate = CandidateBsr { address, priority, hash_mask_len: 30 };
                world.bootstrap(r, |bsr| bsr.set_candidate_bsr(now, Zone::Global, Some(candidate)).unwrap());
                // Of RPs the lower number is the better.
                let ranges = vec![("224.0.0.0/4".parse().unwrap(), RpMode::Sparse)];
                let candidate = CandidateRpConfig { address, priority: 200 - priority, ranges };
                world.bootstrap(r, |bsr| bsr.set_candidate_rp(now, Some(candidate)).unwrap());
            }
        }
        _ => {
            let address = if spare == Spare::Anycast { RP } else { A::loopback(3) };
            if spare == Spare::Anycast {
                world.anycast.insert(RP, vec![3, 4]);
            }
            for r in 0..5 {
                let range = "224.0.0.0/4".parse().unwrap();
                let fixed = StaticRp { range, address, mode: RpMode::Sparse, overrides: false };
                let now = world.now;
                world.nodes[r].pim.update_rp_set(now, |set| set.set_static(fixed).unwrap());
                world.drain(r);
            }
        }
    }
    world
}

/// Seconds from the death of the P-RP until every packet arrives again; `None`: not within 500.
fn outage(spare: Spare) -> Option<u64> {
    let mut world = network(spare);
    world.run(secs(200));
    provision(&mut world);
    world.run(secs(10));
    let mut number = 0;
    let mut works = |world: &mut World<A>| {
        number += 10;
        carries(world, number)
    };
    (0..30).for_each(|_| {
        works(&mut world);
    });
    assert!((0..10).all(|_| works(&mut world)), "{spare:?}: before");
    world.nodes[3].alive = false;
    world.reroute();
    let mut good = 0;
    for second in 0..500 {
        good = if works(&mut world) { good + 1 } else { 0 };
        // Ten seconds in a row are a recovery.
        if good == 10 {
            return Some(second - 9);
        }
    }
    None
}

/// The RP of the provider's shared tree dies: another with its address takes over at once, one that the BSR knows when the first is given up, and
/// without either the tunnel is lost.
///
/// Shows: MVPN-ROB-2
#[test]
fn the_i_pmsi_recovers_from_the_loss_of_its_rp() {
    let found = [Spare::None, Spare::Anycast, Spare::Bootstrap].map(outage);
    println!("seconds without the I-PMSI: no spare {:?}, Anycast-RP {:?}, BSR {:?}", found[0], found[1], found[2]);
    let [none, anycast, bootstrap] = found;
    assert_eq!(none, None);
    // At most the time in which a DR does not register again.
    assert!(anycast.is_some_and(|s| s <= 65), "{anycast:?}");
    // BS_Timeout and BS_Rand_Override, and the holdtime of the candidate.
    assert!(bootstrap.is_some_and(|s| s <= 130 + 23 + 150 + 60), "{bootstrap:?}");
}
