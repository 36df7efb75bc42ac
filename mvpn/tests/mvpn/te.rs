//! P-tunnels as their providers see them: names, leaves, P-groups, budgets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{ReplicationId, VrfId};
use fwd_core::op::{FwdOp, LegTarget};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    Input, McastAttributes, McastKind, McastRoute, MvpnConfig, MvpnConfigError, MvpnEvent, MvpnLimit, MvpnPe,
    MvrfConfig, Output, PTunnel, PmsiTunnelValue, SFlow, TreeId, TreeRequest, TunnelKind,
};
use mvpn::pim::wire::AddressFamily;

use super::decision::flow;
use super::node::{SimAddress, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// A provider of RSVP-TE P2MP tunnels that honours explicit routes: each leaf has its path of routers, and what leaves the root is one copy for
/// each first hop (RFC 4875 §4).
#[derive(Default)]
pub struct Te {
    pub tunnels: BTreeMap<TreeId, (IpAddr, u16, u32)>,
    pub leaves: BTreeMap<TreeId, BTreeSet<IpAddr>>,
    /// The explicit route to a leaf: routers on the way, the leaf the last.
    pub routes: BTreeMap<IpAddr, Vec<u8>>,
    /// The legs of replication groups that leave the router.
    pub legs: BTreeSet<(ReplicationId, u16)>,
}

impl Te {
    pub fn take(&mut self, pe: &mut MvpnPe) {
        while let Some(output) = pe.poll_output() {
            match output {
                Output::Tree(TreeRequest::Root { tree, tunnel }) => {
                    let PTunnel::RsvpTeP2mp { ingress, tunnel_id, p2mp_id } = tunnel else { panic!("{tunnel:?}") };
                    let same = (ingress, tunnel_id, p2mp_id);
                    assert!(!self.tunnels.values().any(|known| *known == same), "one SESSION for each tunnel");
                    self.tunnels.insert(tree, same);
                }
                Output::Tree(TreeRequest::Leaf { tree, leaf, present }) => {
                    let leaves = self.leaves.entry(tree).or_default();
                    assert!(if present { leaves.insert(leaf) } else { leaves.remove(&leaf) });
                }
                Output::Tree(TreeRequest::Remove { tree }) => {
                    self.tunnels.remove(&tree);
                    self.leaves.remove(&tree);
                }
                Output::Program(FwdOp::SetLeg { group, leg, target: LegTarget::Nhlfe(_) }) => {
                    self.legs.insert((group, leg));
                }
                Output::Program(FwdOp::ClearLeg { group, leg }) => {
                    self.legs.remove(&(group, leg));
                }
                _ => {}
            }
        }
    }

    /// The links of a tree: one copy on each.
    pub fn links(&self, tree: TreeId) -> BTreeSet<(u8, u8)> {
        let of = |leaf: &IpAddr| {
            let route = &self.routes[leaf];
            route.windows(2).map(|hop| (hop[0], hop[1])).collect::<Vec<_>>()
        };
        self.leaves[&tree].iter().flat_map(of).collect()
    }
}

/// PMSI_TUNNEL of type 1 with its three fields, and a leaf set that follows Intra-AS I-PMSI and Leaf A-D routes; a signalling that honours
/// explicit routes puts the tree on the links that they name.
///
/// Shows: MVPN-TE-1
#[test]
fn leaves_of_rsvp_te_tunnels_follow_the_routes() {
    for provider in Provider::BOTH {
        let routers = provider.routers(4);
        let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(routers[0], 65001)).unwrap();
        let mut config = mvrf(0, Some(TunnelKind::RsvpTeP2mp), TunnelKind::RsvpTeP2mp);
        config.families = vec![AddressFamily::V4];
        let (rd, export) = (config.rd, config.export.clone());
        pe.add_mvrf(Instant::ZERO, config).unwrap();
        // Two ways through the core: over 10 for leaf 1, over 11 and 12 for leaves 2 and 3.
        let routes = [(1, vec![0, 10, 1]), (2, vec![0, 11, 12, 2]), (3, vec![0, 11, 12, 3])];
        let routes = routes.into_iter().map(|(n, route)| (routers[n], route)).collect();
        let mut te = Te { routes, ..Te::default() };
        te.take(&mut pe);
        let inclusive = *te.tunnels.keys().next().unwrap();
        let announced = |pe: &MvpnPe, route: McastRoute| {
            let found = pe.originated().find(|(r, _)| **r == route).and_then(|(_, a)| a.pmsi.clone());
            found.map(|value| (value.tunnel, value.leaf_information_required))
        };
        let (ingress, tunnel_id, p2mp_id) = te.tunnels[&inclusive];
        let tunnel = PTunnel::RsvpTeP2mp { ingress, tunnel_id, p2mp_id };
        assert_eq!(ingress, routers[0], "Extended Tunnel ID");
        let i_pmsi = McastRoute::i_pmsi(AddressFamily::V4, rd, routers[0]);
        assert_eq!(announced(&pe, i_pmsi), Some((tunnel, false)));
        for (n, router) in routers.iter().enumerate().skip(1) {
            let route = McastRoute::i_pmsi(AddressFamily::V4, mvrf(n, None, TunnelKind::MldpP2mp).rd, *router);
            let attributes = Some(McastAttributes::new(*router, export.clone()));
            pe.handle_input(Instant::ZERO, Input::Route { route, attributes });
        }
        te.take(&mut pe);
        assert_eq!(te.leaves[&inclusive], routers[1..].iter().copied().collect());
        let links = [(0, 10), (10, 1), (0, 11), (11, 12), (12, 2), (12, 3)];
        assert_eq!(te.links(inclusive), links.into(), "one copy on the link that two leaves share");
        // An S-PMSI: its leaves are those that answer it.
        let flow = SFlow::source_group([10, 0, 0, 1].into(), [232, 1, 1, 1].into());
        pe.place(Instant::ZERO, VRF, flow, Some(true)).unwrap();
        te.take(&mut pe);
        let selective = *te.tunnels.keys().find(|tree| **tree != inclusive).unwrap();
        let route = McastRoute::s_pmsi(rd, flow, routers[0]);
        assert!(announced(&pe, route).unwrap().1, "Leaf Information Required");
        let McastKind::Ad(key) = route.kind else { panic!("{route:?}") };
        let leaf = |n: usize| McastRoute { family: flow.family, kind: McastKind::Leaf { key, originator: routers[n] } };
        let target = vec![mvpn::mvrf::Target::router(routers[0])];
        for n in [2, 3] {
            let attributes = Some(McastAttributes::new(routers[n], target.clone()));
            pe.handle_input(Instant::ZERO, Input::Route { route: leaf(n), attributes });
        }
        te.take(&mut pe);
        assert_eq!(te.links(selective), [(0, 11), (11, 12), (12, 2), (12, 3)].into());
        pe.handle_input(Instant::ZERO, Input::Route { route: leaf(3), attributes: None });
        te.take(&mut pe);
        assert_eq!(te.links(selective), [(0, 11), (11, 12), (12, 2)].into());
        pe.remove_mvrf(Instant::ZERO, VRF).unwrap();
        te.take(&mut pe);
        assert!(te.tunnels.is_empty());
    }
}

fn pim_mvrf(n: u16, kind: TunnelKind) -> MvrfConfig {
    let rd = RouteDistinguisher::two_octet_as(65001, u32::from(n));
    let mut config = MvrfConfig::new(VrfId(n), rd, format!("65001:{n}").parse().unwrap(), pmsi(VrfId(n)));
    (config.inclusive, config.selective) = (Some(kind), TunnelKind::PimSsm);
    config
}

/// P-groups: a root gives each of its source-specific trees one of its own range, and again when the tree is gone; another root gives the same.
/// A shared tree needs one for each VPN. When the range is used up that is said, the VPN goes on by its default tunnel, and nothing leaks.
///
/// Shows: MVPN-SCAL-11
#[test]
fn p_groups_are_given_again_and_end_with_an_alarm() {
    for provider in Provider::BOTH {
        let (range, shared): (_, IpAddr) = match provider {
            Provider::V4 => ("232.100.0.0/30", [239, 1, 1, 1].into()),
            Provider::V6 => ("ff3e::8000:0/126", "ff0e::1".parse().unwrap()),
        };
        let new = |router: usize| {
            let mut config = MvpnConfig::new(provider.routers(2)[router], 65001);
            config.p_groups = Some(range.parse().unwrap());
            MvpnPe::new(Instant::ZERO, config).unwrap()
        };
        let mut groups: BTreeMap<TreeId, IpAddr> = BTreeMap::new();
        let mut take = |pe: &mut MvpnPe| {
            let mut alarms = 0;
            while let Some(output) = pe.poll_output() {
                match output {
                    Output::Tree(TreeRequest::Root { tree, tunnel: PTunnel::PimSsm { group, .. } }) => {
                        assert!(groups.values().all(|known| *known != group), "{group} twice");
                        groups.insert(tree, group);
                    }
                    Output::Tree(TreeRequest::Remove { tree }) => {
                        groups.remove(&tree);
                    }
                    Output::Event(MvpnEvent::Limit { limit: MvpnLimit::Numbers, .. }) => alarms += 1,
                    _ => {}
                }
            }
            (alarms, groups.values().copied().collect::<BTreeSet<_>>())
        };
        let mut pe = new(0);
        for n in 1..=4 {
            pe.add_mvrf(Instant::ZERO, pim_mvrf(n, TunnelKind::PimSsm)).unwrap();
        }
        let (alarms, first) = take(&mut pe);
        assert_eq!((alarms, first.len()), (0, 4));
        assert_eq!(pe.add_mvrf(Instant::ZERO, pim_mvrf(5, TunnelKind::PimSsm)), Err(MvpnConfigError::Inclusive));
        let used = pe.numbers_in_use();
        assert_eq!(take(&mut pe).0, 1, "an alarm");
        // An S-PMSI finds none either: the flow stays on the default tunnel, and no number is lost, however often it is tried.
        for n in 0..100 {
            let flow = SFlow::source_group([10, 0, 0, 1].into(), [232, 1, 1, n].into());
            pe.place(Instant::ZERO, VRF, flow, Some(true)).unwrap();
        }
        take(&mut pe);
        assert_eq!((pe.numbers_in_use(), pe.root_tunnels()), (used, 4));
        // One goes, and its group serves the next.
        pe.remove_mvrf(Instant::ZERO, VrfId(4)).unwrap();
        pe.add_mvrf(Instant::ZERO, pim_mvrf(6, TunnelKind::PimSsm)).unwrap();
        assert_eq!(take(&mut pe).1, first);
        // Another root gives the same groups: (S,G) tells them apart.
        let mut other = new(1);
        (1..=4).for_each(|n| other.add_mvrf(Instant::ZERO, pim_mvrf(n, TunnelKind::PimSsm)).unwrap());
        let mut same = BTreeSet::new();
        while let Some(output) = other.poll_output() {
            if let Output::Tree(TreeRequest::Root { tunnel: PTunnel::PimSsm { group, .. }, .. }) = output {
                same.insert(group);
            }
        }
        assert_eq!(same, first);
        // A shared tree's group is one VPN's.
        let mut pe = new(0);
        pe.add_mvrf(Instant::ZERO, pim_mvrf(1, TunnelKind::PimSm(shared))).unwrap();
        assert_eq!(pe.add_mvrf(Instant::ZERO, pim_mvrf(2, TunnelKind::PimSm(shared))), Err(MvpnConfigError::PGroups));
    }
}

/// Forty flows that want a tunnel each. What one VPN may have, by its budget, and what a P router takes, by its own: the rest stays on the
/// default tunnel, and every flow is delivered.
fn bounded<A: SimAddress>(provider: Provider, budget: usize, trees_of_p: usize) -> (usize, usize, u64) {
    // Router 2 stands between the others.
    let mut world: World<A> = World::new(provider.routers(3), 7, |_, _| {});
    world.start_ldp_with(2, trees_of_p);
    for pe in 0..2 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.limits.own_tunnels = budget;
        config.s_pmsi.explicit_tracking = true;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    let source = A::host(0, 1);
    for n in 0..40 {
        world.member((1, VRF), Some(source), A::ssm(n), true);
    }
    world.run_for(SECOND * 2);
    for n in 0..40 {
        let now = world.now;
        world.pes[0].mvpn.place(now, VRF, flow(A::ssm(n)), Some(true)).unwrap();
    }
    world.drain(0);
    world.run_for(SECOND * 5);
    for n in 0..40 {
        let number = world.send((0, VRF), source, A::ssm(n));
        world.run_for(Duration::from_millis(50));
        let copies = world.copies(source, A::ssm(n), number);
        assert_eq!(copies.into_iter().collect::<Vec<_>>(), [((1, VRF), 1)], "flow {n}");
    }
    let balance = world.pes[0].mvpn.trade_off(VRF).unwrap();
    let figures = world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap();
    assert_eq!(balance.flows, 40);
    (balance.tunnels, balance.selective, figures.failed)
}

/// Eight tunnels for a VPN at its PE; five more than the inclusive ones at a P router.
///
/// Shows: MVPN-CTL-4
#[test]
fn the_core_state_of_a_vpn_is_bounded_at_pe_and_p() {
    assert_eq!(bounded::<Ipv4Addr>(Provider::V4, 8, 100), (9, 8, 0));
    assert_eq!(bounded::<Ipv6Addr>(Provider::V4, 8, 100), (9, 8, 0));
    let (_, selective, failed) = bounded::<Ipv4Addr>(Provider::V4, 12, 7);
    assert_eq!((selective, failed > 0), (5, true));
}

/// The value of a tunnel that there is no kind for is told from a malformed one by its type.
#[test]
fn a_tunnel_has_one_value() {
    let value = PmsiTunnelValue::new(PTunnel::RsvpTeP2mp { ingress: [192, 0, 2, 1].into(), tunnel_id: 7, p2mp_id: 9 });
    let back = value.with_attribute(PmsiTunnelValue::from_attribute);
    assert_eq!(back, Some(Some(value)));
}

/// A core with LDP alone, with RSVP-TE alone, with PIM alone, with unicast alone: tunnels of that technology, and nothing else is asked of it.
///
/// Shows: MVPN-TUN-3
#[test]
fn each_core_needs_its_own_technology_alone() {
    fn go<A: SimAddress>(provider: Provider, kind: TunnelKind, is_own: fn(&PTunnel) -> bool) {
        let groups = if provider == Provider::V4 { "232.100.0.0/24" } else { "ff3e::8000:0/112" };
        let mut world: World<A> = World::new(provider.routers(4), 3, |_, c| c.p_groups = Some(groups.parse().unwrap()));
        for pe in 0..4 {
            world.add_site(pe, mvrf(pe, Some(kind), kind), false);
        }
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for pe in [1, 3] {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SECOND * 2);
        let now = world.now;
        let sent = |world: &mut World<A>| {
            let number = world.send((0, VRF), source, group);
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), BTreeMap::from([((1, VRF), 1), ((3, VRF), 1)]));
        };
        sent(&mut world);
        world.pes[0].mvpn.place(now, VRF, flow(group), Some(true)).unwrap();
        world.drain(0);
        world.run_for(SECOND * 5);
        sent(&mut world);
        assert!(world.lsps.keys().all(is_own), "{:?}", world.lsps.keys());
        assert_eq!(world.lsps.is_empty(), kind == TunnelKind::IngressReplication);
    }
    type IsOfKind = fn(&PTunnel) -> bool;
    let cores: [(TunnelKind, IsOfKind); 4] = [
        (TunnelKind::MldpP2mp, |t| matches!(t, PTunnel::MldpP2mp(_))),
        (TunnelKind::RsvpTeP2mp, |t| matches!(t, PTunnel::RsvpTeP2mp { .. })),
        (TunnelKind::PimSsm, |t| matches!(t, PTunnel::PimSsm { .. })),
        (TunnelKind::IngressReplication, |_| false),
    ];
    for provider in Provider::BOTH {
        for (kind, is_own) in cores {
            go::<Ipv4Addr>(provider, kind, is_own);
            go::<Ipv6Addr>(provider, kind, is_own);
        }
    }
}
