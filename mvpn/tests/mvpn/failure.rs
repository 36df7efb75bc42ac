//! Tunnels that cannot be had: refused by the forwarder, not built by the provider of tunnels, too small.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::{IfIndex, NhlfeId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Origin, Rpf, VsiOrVrf};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    Input, MvpnConfig, MvpnEvent, MvpnPe, MvrfConfig, Output, PTunnel, SFlow, TreeId, TreeRequest, TunnelKind,
};

use super::decision::{flow, network};
use super::node::{SimAddress, pmsi};
use super::switch::stream;
use super::world::World;
use super::{Provider, VRF};

const SECOND: Duration = Duration::from_secs(1);
const MLDP: TunnelKind = TunnelKind::MldpP2mp;

fn carried<A: SimAddress>(world: &World<A>) -> mvpn::mvrf::Carried {
    world.pes[0].mvpn.carried(VRF, A::host(0, 1).into(), A::ssm(1).into()).unwrap()
}

fn place<A: SimAddress>(world: &mut World<A>, is_selective: Option<bool>) {
    let now = world.now;
    world.pes[0].mvpn.place(now, VRF, flow(A::ssm(1)), is_selective).unwrap();
    world.drain(0);
}

fn joined<A: SimAddress>(provider: Provider, change: impl Fn(&mut MvrfConfig)) -> World<A> {
    let mut world = network::<A>(provider, 4, Some(MLDP), change);
    for pe in [1, 2] {
        world.member((pe, VRF), Some(A::host(0, 1)), A::ssm(1), true);
    }
    world.run_for(SECOND * 2);
    world
}

/// The tree of the S-PMSI, by the tunnel that carries it.
fn tree<A: SimAddress>(world: &World<A>) -> TreeId {
    let tunnel = carried(world).sent_by.expect("a tunnel");
    world.lsps[&tunnel].root.expect("a root").1
}

/// An op of an S-PMSI is refused: its flow takes the I-PMSI at once and not a packet is lost; or another kind of tunnel, where there is one
/// to fall back to. After a while the first is tried again.
///
/// Shows: MVPN-MIG-5
#[test]
fn a_refused_tunnel_is_given_up_and_tried_again() {
    fn go<A: SimAddress>(provider: Provider) {
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for fallback in [None, Some(TunnelKind::IngressReplication)] {
            let mut world = joined::<A>(provider, |c| c.fallback = fallback);
            place(&mut world, Some(true));
            world.run_for(SECOND * 5);
            assert!(carried(&world).is_selective);
            // The provider of tunnels cannot keep it: a P router that does not speak mLDP is on the way.
            let failed = tree(&world);
            world.input(0, Input::TreeFailed { tree: failed });
            assert!(!carried(&world).is_selective, "at once");
            assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 6), (0, 0), "{fallback:?}");
            let is_replicated = matches!(carried(&world).sent_by, Some(PTunnel::IngressReplication(_)));
            assert_eq!(is_replicated, fallback.is_some());
            assert!(world.pes[0].events.iter().any(|e| matches!(e, MvpnEvent::Failed { .. })));
            assert_eq!(world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap().failed, 1);
            // The forwarder has no room for a leg of it.
            if fallback.is_none() {
                world.run_for(SECOND * 70);
                assert!(carried(&world).is_selective, "tried again");
                let lsp = &world.lsps[&carried(&world).sent_by.unwrap()];
                let target = LegTarget::Nhlfe(*lsp.branches.values().next().unwrap());
                // The groups of a PE here are numbered from 1000: first that of the I-PMSI.
                let group_of_s_pmsi = ReplicationId(1001);
                world.input(0, Input::Refused(FwdOp::SetLeg { group: group_of_s_pmsi, leg: 0, target }));
                assert!(!carried(&world).is_selective);
                assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 2), (0, 0));
            }
        }
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V4);
    go::<Ipv4Addr>(Provider::V6);
    go::<Ipv6Addr>(Provider::V6);
}

/// 1,500 octets are promised: a tunnel that carries fewer is not taken, one that shrinks is left, and both are said.
///
/// Shows: MVPN-MTU-2
#[test]
fn a_tunnel_that_is_too_small_is_not_taken() {
    fn go<A: SimAddress>(provider: Provider) {
        let (source, group) = (A::host(0, 1), A::ssm(1));
        let mut world = joined::<A>(provider, |c| c.mtu = Some(1500));
        let alarms = |world: &World<A>| {
            let is = |e: &&MvpnEvent| matches!(e, MvpnEvent::TooSmall { mtu: 1400, promised: 1500, .. });
            world.pes[0].events.iter().filter(is).count()
        };
        place(&mut world, Some(true));
        let announced = world.lsps.values().filter_map(|l| l.root).filter(|(pe, _)| *pe == 0).map(|(_, t)| t).max();
        world.input(0, Input::TunnelMtu { tree: announced.unwrap(), mtu: Some(1400) });
        assert_eq!(alarms(&world), 1);
        assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 5), (0, 0));
        assert!(!carried(&world).is_selective);
        // The next is large enough, until a branch of it shrinks.
        world.run_for(SECOND * 65);
        let large = tree(&world);
        world.input(0, Input::TunnelMtu { tree: large, mtu: Some(1500) });
        assert_eq!((carried(&world).is_selective, carried(&world).mtu), (true, Some(1500)));
        world.input(0, Input::TunnelMtu { tree: large, mtu: Some(1400) });
        assert_eq!((carried(&world).is_selective, alarms(&world)), (false, 2));
        assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND), (0, 0));
        // The inclusive tunnel has no other to go to: it is said.
        let inclusive = tree(&world);
        world.input(0, Input::TunnelMtu { tree: inclusive, mtu: Some(1400) });
        assert_eq!(alarms(&world), 3);
        assert_eq!(world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap().too_small, 3);
    }
    go::<Ipv4Addr>(Provider::V4);
    go::<Ipv6Addr>(Provider::V6);
}

/// What the forwarder of a lone PE was told.
#[derive(Default)]
struct Told {
    trees: BTreeSet<TreeId>,
    most: usize,
    groups: BTreeMap<ReplicationId, BTreeMap<u16, LegTarget>>,
    mroutes: BTreeMap<(VrfId, MrouteKey), Mroute>,
}

impl Told {
    fn take(&mut self, pe: &mut MvpnPe) {
        let mut opened = Vec::new();
        loop {
            while let Some(output) = pe.poll_output() {
                match output {
                    Output::Tree(TreeRequest::Root { tree, .. }) => {
                        self.trees.insert(tree);
                        self.most = self.most.max(self.trees.len());
                        opened.push(tree);
                    }
                    Output::Tree(TreeRequest::Remove { tree }) => assert!(self.trees.remove(&tree)),
                    Output::Program(FwdOp::SetReplication { id, .. }) => {
                        self.groups.entry(id).or_default();
                    }
                    Output::Program(FwdOp::ClearReplication { id }) => {
                        self.groups.remove(&id);
                    }
                    Output::Program(FwdOp::SetLeg { group, leg, target }) => {
                        self.groups.get_mut(&group).unwrap().insert(leg, target);
                    }
                    Output::Program(FwdOp::ClearLeg { group, leg }) => {
                        self.groups.get_mut(&group).unwrap().remove(&leg);
                    }
                    Output::Program(FwdOp::SetMroute { vrf, key, mroute }) => {
                        self.mroutes.insert((vrf, key), mroute);
                    }
                    Output::Program(FwdOp::ClearMroute { vrf, key }) => {
                        self.mroutes.remove(&(vrf, key));
                    }
                    _ => {}
                }
            }
            // Every tree has a branch.
            match opened.pop() {
                Some(tree) => {
                    pe.handle_input(Instant::ZERO, Input::Branches { tree, branches: vec![NhlfeId(7)] });
                }
                None => return,
            }
        }
    }

    /// Whether a flow's packets leave by the branch of a tunnel, once.
    fn is_sent(&self, vrf: VrfId, key: MrouteKey) -> bool {
        let legs = |id: ReplicationId| self.groups[&id].values();
        let of = self.mroutes[&(vrf, key)].replication.unwrap();
        let tunnels: Vec<_> =
            legs(of).filter_map(|leg| if let LegTarget::Group(id) = leg { Some(*id) } else { None }).collect();
        tunnels.len() == 1 && legs(tunnels[0]).count() == 1
    }
}

/// 64 tunnels for 500 VPNs and 50,000 flows that come, grow and go: never more, and every flow has a way.
///
/// Shows: MVPN-SCAL-1
#[test]
fn core_state_is_bounded_whatever_customers_do() {
    let mut config = MvpnConfig::new([192, 0, 2, 1].into(), 65001);
    config.tunnel_budget = 64;
    let mut pe = MvpnPe::new(Instant::ZERO, config).unwrap();
    let mut told = Told::default();
    for n in 1..=500_u16 {
        let rd = bgp_vpn::nlri::RouteDistinguisher::two_octet_as(65001, u32::from(n));
        let rt = bgp_vpn::attr::RouteTarget::two_octet_as(65001, u32::from(n));
        let mut config = MvrfConfig::new(VrfId(n), rd, rt, pmsi(VrfId(n)));
        config.families = vec![mvpn::pim::wire::AddressFamily::V4];
        config.aggregated = true;
        // Some have tunnels that they share with nobody.
        config.no_foreign_leaf = n % 10 == 0;
        config.s_pmsi.threshold = Some(mvpn::mvrf::Threshold { up: 1000, down: 500 });
        pe.add_mvrf(Instant::ZERO, config).unwrap();
    }
    told.take(&mut pe);
    let mut now = Instant::ZERO;
    let key = |n: u32| {
        let (source, group) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(232, 1, 1, n as u8));
        (MrouteKey::Source4 { source, group }, source, group)
    };
    for n in 1..=500_u16 {
        let vrf = VrfId(n);
        for flow in 0..100_u32 {
            let (key, source, group) = key(flow);
            let id = ReplicationId(1 + u32::from(n) * 100 + flow);
            let rpf = Rpf::From(Origin::Interface(IfIndex(10)));
            let mroute = Mroute { rpf, replication: Some(id), punt_wrong_interface: false, register: false, spt: None };
            for op in [
                FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) },
                FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Interface(pmsi(vrf)) },
                FwdOp::SetMroute { vrf, key, mroute },
            ] {
                pe.handle_input(now, Input::Program { vrf, op });
            }
            // One of a hundred is fast.
            let octets_per_second = if flow == 50 { 2000 } else { 10 };
            let (source, group) = (source.into(), group.into());
            pe.handle_input(now, Input::Rate { vrf, source, group, octets_per_second });
        }
        told.take(&mut pe);
        now = now + Duration::from_millis(100);
        pe.handle_timeout(now);
    }
    told.take(&mut pe);
    assert_eq!((told.most, pe.root_tunnels()), (64, 64));
    let all = (1..=500).flat_map(|n| (0..100).map(move |flow| (VrfId(n), flow)));
    let sent = all.filter(|(vrf, flow)| told.is_sent(*vrf, key(*flow).0)).count();
    assert_eq!(sent, 50_000);
    // A third of them goes, others grow.
    for n in (1..=500_u16).step_by(3) {
        let vrf = VrfId(n);
        for flow in 0..100 {
            let id = ReplicationId(1 + u32::from(n) * 100 + flow);
            for op in [FwdOp::ClearMroute { vrf, key: key(flow).0 }, FwdOp::ClearReplication { id }] {
                pe.handle_input(now, Input::Program { vrf, op });
            }
        }
        let (_, source, group) = key(3);
        let (source, group) = (source.into(), group.into());
        pe.handle_input(now, Input::Rate { vrf: VrfId(n + 1), source, group, octets_per_second: 5000 });
        now = now + SECOND;
        pe.handle_timeout(now);
        told.take(&mut pe);
    }
    assert_eq!(told.most, 64);
    let rest = (1..=500).filter(|n| n % 3 != 1).flat_map(|n| (0..100).map(move |flow| (VrfId(n), flow)));
    assert!(rest.into_iter().all(|(vrf, flow)| told.is_sent(vrf, key(flow).0)));
}

/// The flow of an S-PMSI that failed may be placed by hand meanwhile, and its VRF may go.
#[test]
fn a_vrf_goes_while_a_failure_waits() {
    type A = Ipv4Addr;
    let mut world = joined::<A>(Provider::V4, |c| c.s_pmsi.fixed = vec![flow(A::ssm(1))]);
    world.run_for(SECOND * 5);
    let failed = tree(&world);
    world.input(0, Input::TreeFailed { tree: failed });
    assert!(!carried(&world).is_selective);
    let now = world.now;
    assert_eq!(
        world.pes[0].mvpn.place(now, VRF, SFlow::source_group(A::host(0, 1).into(), A::ssm(2).into()), None),
        Ok(())
    );
    world.pes[0].mvpn.remove_mvrf(now, VRF).unwrap();
    world.pes[0].sites.clear();
    while world.pes[0].mvpn.poll_output().is_some() {}
    assert_eq!((world.pes[0].mvpn.numbers_in_use(), world.pes[0].mvpn.next_timeout()), ([0; 4], None));
}
