//! The model of RFC 6037, and the way from it to MCAST-VPN routes.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::nlri::{MdtNlri, Nlri, NlriFormat};
use mvpn::mvrf::{
    CMulticastProtocol, Input, McastKind, MdtRoute, Model, MvpnConfigError, MvpnEvent, PTunnel, PmsiLink, Threshold,
    TunnelKind,
};
use mvpn::pim::wire::s_pmsi_join::SPmsiJoin;

use super::decision::rate;
use super::node::{SimAddress, pmsi};
use super::switch::stream;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
/// PIM's neighbours over the default MDT find each other within a Hello interval (RFC 7761 §4.11).
pub const SETTLED: Duration = Duration::from_secs(40);

/// PEs whose default MDT is a group of PIM-SM, or a source-specific one.
pub fn network<A: SimAddress>(pes: usize, default: TunnelKind, model: Model) -> World<A> {
    let mut world: World<A> = World::new(Provider::V4.routers(pes), 23, |_, c| {
        c.p_groups = Some("232.100.0.0/24".parse().unwrap());
    });
    for pe in 0..pes {
        let mut config = mvrf(pe, Some(default), TunnelKind::PimSsm);
        config.protocol = CMulticastProtocol::Pim;
        config.model = model;
        config.s_pmsi.threshold = Some(Threshold { up: 100_000, down: 50_000 });
        world.add_site(pe, config, false);
    }
    world.run_for(SETTLED);
    world
}

fn is_selective<A: SimAddress>(world: &World<A>) -> bool {
    world.pes[0].mvpn.carried(VRF, A::host(0, 1).into(), A::ssm(1).into()).unwrap().is_selective
}

/// Default MDT and data MDT: PEs find each other by the MDT-SAFI, a fast flow moves by S-PMSI Joins, PEs without receivers leave it, and it
/// returns when the joins end. Not one MCAST-VPN route is said, and not one packet is lost.
#[test]
fn default_and_data_mdts() {
    fn go<A: SimAddress>(default: TunnelKind) {
        let mut world = network::<A>(4, default, Model::Mdt);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for pe in [1, 2] {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SETTLED);
        let members: BTreeSet<_> =
            world.pes[0].mvpn.members(VRF).map(|(pe, _, tunnel)| (pe, tunnel.cloned())).collect();
        assert_eq!(members.len(), 3);
        assert!(members.iter().all(|(pe, tunnel)| match tunnel {
            Some(PTunnel::PimSm { sender, .. }) => sender == pe && default != TunnelKind::PimSsm,
            Some(PTunnel::PimSsm { root, .. }) => root == pe && default == TunnelKind::PimSsm,
            _ => false,
        }));
        assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND), (0, 0), "{default:?}");
        rate(&mut world, group, 100_000);
        assert_eq!(world.s_pmsi_joins, 1);
        assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 5), (0, 0));
        assert!(is_selective(&world));
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.reached[&number].keys().copied().collect::<Vec<_>>(), [1, 2]);
        // Who comes later knows the binding.
        world.member((3, VRF), Some(source), group, true);
        world.run_for(SETTLED);
        assert_eq!(stream(&mut world, source, group, &[1, 2, 3], SECOND), (0, 0));
        world.run_for(SECOND * 180);
        assert!(world.s_pmsi_joins >= 4, "repeated each minute: {}", world.s_pmsi_joins);
        rate(&mut world, group, 0);
        let said = world.s_pmsi_joins;
        assert_eq!(stream(&mut world, source, group, &[1, 2, 3], SECOND * 5), (0, 0));
        assert!(!is_selective(&world));
        // The leaves stay until the joins run out, and not longer.
        let data =
            |world: &World<A>| world.lsps.iter().filter(|(_, l)| l.root.is_none() && !l.leaves.is_empty()).count();
        assert_eq!(data(&world), 1);
        world.run_for(SECOND * 200);
        assert_eq!((data(&world), world.s_pmsi_joins), (0, said));
        assert!(world.pes.iter().all(|pe| pe.mvpn.originated().count() == 0));
    }
    for default in [TunnelKind::PimSm([239, 9, 9, 9].into()), TunnelKind::PimSsm] {
        go::<Ipv4Addr>(default);
        go::<Ipv6Addr>(default);
    }
}

/// The route as octets of the family, and an S-PMSI Join that is none.
#[test]
fn routes_are_nlri_and_bad_joins_are_said() {
    type A = Ipv4Addr;
    let route =
        MdtRoute { rd: mvrf(0, None, TunnelKind::PimSsm).rd, pe: [192, 0, 2, 1].into(), group: [239, 1, 1, 1].into() };
    let mut octets = Vec::new();
    route.nlri().emit(NlriFormat::default(), &mut octets);
    let back = MdtNlri::take(&octets, NlriFormat::default()).ok().map(|(_, nlri)| MdtRoute::from(nlri));
    assert_eq!(back, Some(route));

    let mut world = network::<A>(3, TunnelKind::PimSsm, Model::Mdt);
    let mut octets = Vec::new();
    SPmsiJoin::new(A::host(1, 1).into(), A::ssm(1).into(), [232, 100, 0, 9].into()).unwrap().emit(&mut octets);
    octets.extend_from_slice(&[9, 0, 16]);
    let (pe, interface) = (world.routers[1], pmsi(VRF));
    for _ in 0..3 {
        world.input(0, Input::SPmsiJoin { vrf: VRF, interface, pe, octets: octets.clone() });
    }
    let said = world.pes[0].events.iter().filter(|e| matches!(e, MvpnEvent::BadSPmsiJoin { times: 1, .. })).count();
    assert_eq!(said, 1, "once in a second");
    // What is good in front of the fault counts; what a stranger says does not.
    world.member((0, VRF), Some(A::host(1, 1)), A::ssm(1), true);
    world.run_for(SECOND);
    let received =
        |world: &World<A>| world.pes[0].mvpn.carried(VRF, A::host(1, 1).into(), A::ssm(1).into()).unwrap().received_by;
    assert_eq!(received(&world), Some(PTunnel::PimSsm { root: pe, group: [232, 100, 0, 9].into() }));
    octets.clear();
    SPmsiJoin::new(A::host(1, 1).into(), A::ssm(1).into(), [232, 100, 0, 8].into()).unwrap().emit(&mut octets);
    world.input(0, Input::SPmsiJoin { vrf: VRF, interface, pe: [192, 0, 2, 99].into(), octets });
    assert_eq!(received(&world), Some(PTunnel::PimSsm { root: pe, group: [232, 100, 0, 9].into() }));
}

/// One step of a PE on the way from PIM to C-multicast routes.
fn step<A: SimAddress>(world: &mut World<A>, pe: usize, model: Model, protocol: CMulticastProtocol) {
    let now = world.now;
    let site = world.pes[pe].sites.get_mut(&VRF).unwrap();
    let neighbor = PmsiLink { neighbor: Some(A::link(0xff)), ..site.link };
    match protocol {
        CMulticastProtocol::Both => {
            // PIM keeps its neighbours, and gets one that stands for the VPN.
            site.by_bgp = Some(neighbor);
            site.pim.handle_input(now, neighbor.input(&neighbor.hello()));
        }
        // From here on its neighbour is that one alone.
        _ => site.link = neighbor,
    }
    world.pes[pe].mvpn.migrate(now, VRF, model, protocol).unwrap();
    world.drain(pe);
    world.retrack(pe, VRF);
}

/// From RFC 6037 to RFC 6514, VRF by VRF and PE by PE, under load: first every PE does both, then every PE does the new alone. Not a
/// packet is lost or comes twice, on the default tunnel and on a data MDT, while the receivers stay.
#[test]
fn a_vpn_migrates_without_a_loss() {
    fn go<A: SimAddress>(is_fast: bool) {
        let mut world = network::<A>(4, TunnelKind::PimSm([239, 9, 9, 9].into()), Model::Mdt);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for pe in [1, 2] {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SETTLED);
        if is_fast {
            rate(&mut world, group, 1_000_000);
            world.run_for(SECOND * 5);
        }
        let under_load = |world: &mut World<A>, receivers: &[usize], halves: u32, at: &str| {
            let outage = stream(world, source, group, receivers, SECOND * halves / 2);
            assert_eq!((outage, is_selective(world)), ((0, 0), is_fast), "{at}");
        };
        for (model, protocol) in [(Model::Both, CMulticastProtocol::Both), (Model::Bgp, CMulticastProtocol::Bgp)] {
            for pe in [2, 1, 0, 3] {
                step(&mut world, pe, model, protocol);
                under_load(&mut world, &[1, 2], 2, &format!("PE {pe} {model:?}"));
            }
        }
        under_load(&mut world, &[1, 2], 4, "all moved");
        // PIM's neighbours are forgotten, and the tree stays: BGP alone holds it.
        world.run_for(SECOND * 300);
        rate(&mut world, group, if is_fast { 1_000_000 } else { 0 });
        under_load(&mut world, &[1, 2], 2, "later");
        let kinds = |f: fn(&McastKind) -> bool| {
            world.pes.iter().flat_map(|pe| pe.mvpn.originated()).filter(|(route, _)| f(&route.kind)).count()
        };
        assert_eq!(kinds(|kind| matches!(kind, McastKind::SourceTreeJoin(_))), 2);
        assert_eq!(kinds(|kind| matches!(kind, McastKind::Ad(mvpn::mvrf::AdRoute::IntraAsIPmsi(_)))), 8);
        world.member((1, VRF), Some(source), group, false);
        world.run_for(SECOND * 20);
        under_load(&mut world, &[2], 2, "PE 1 leaves");
    }
    go::<Ipv4Addr>(false);
    go::<Ipv6Addr>(true);
}

#[test]
fn a_model_that_does_not_fit_names_its_field() {
    let mut world = network::<Ipv4Addr>(2, TunnelKind::PimSsm, Model::Mdt);
    let now = world.now;
    let mvpn = &mut world.pes[0].mvpn;
    assert_eq!(mvpn.migrate(now, VRF, Model::Mdt, CMulticastProtocol::Bgp), Err(MvpnConfigError::Model));
    let mut config = mvrf(3, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
    (config.vrf, config.number) = (fwd_core::net::VrfId(2), 2);
    (config.model, config.protocol) = (Model::Mdt, CMulticastProtocol::Pim);
    assert_eq!(mvpn.add_mvrf(now, config), Err(MvpnConfigError::Model));
}

/// A receiver comes or goes behind each PE in turn, at each stage of the way from PIM to C-multicast routes: nobody else loses a packet.
/// The outage of each step is printed; it is none.
///
/// Shows: MVPN-MIG-6
#[test]
fn receivers_come_and_go_while_a_vpn_migrates() {
    fn go<A: SimAddress>() {
        let mut world = network::<A>(4, TunnelKind::PimSm([239, 9, 9, 9].into()), Model::Mdt);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for pe in [1, 2, 3] {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SETTLED);
        let mut outages = Vec::new();
        let mut stage = 0;
        for (model, protocol) in [(Model::Both, CMulticastProtocol::Both), (Model::Bgp, CMulticastProtocol::Bgp)] {
            for pe in [2, 0, 1, 3] {
                step(&mut world, pe, model, protocol);
                let (lost, twice) = stream(&mut world, source, group, &[1, 2, 3], SECOND);
                stage += 1;
                outages.push((stage, lost, twice));
                for leaving in [1, 3] {
                    world.member((leaving, VRF), Some(source), group, false);
                    let staying: Vec<usize> = [1, 2, 3].into_iter().filter(|pe| *pe != leaving).collect();
                    let (mut lost, mut twice) = (0, 0);
                    for _ in 0..1000 {
                        let number = world.send((0, VRF), source, group);
                        // The core is 5 ms wide.
                        world.run_for(Duration::from_millis(6));
                        let copies = world.copies(source, group, number);
                        lost += staying.iter().filter(|pe| !copies.contains_key(&(**pe, VRF))).count() as u64;
                        twice += copies.values().filter(|n| **n > 1).count() as u64;
                    }
                    outages.push((stage, lost, twice));
                    world.member((leaving, VRF), Some(source), group, true);
                    world.run_for(SECOND * 5);
                }
            }
        }
        println!("stage, packets lost, packets twice: {outages:?}");
        assert!(outages.iter().all(|(_, lost, twice)| (*lost, *twice) == (0, 0)), "{outages:?}");
    }
    go::<Ipv4Addr>();
    go::<Ipv6Addr>();
}
