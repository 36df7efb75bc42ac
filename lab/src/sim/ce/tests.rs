//! Two customer routers back to back over one link.

use bumpalo::Bump;
use fwd_core::net::{IfIndex, LabelStack, Mac, NhlfeId};
use fwd_core::op::{FwdOp, NextHop as FwdNextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::Sizes;
use proptest::prelude::*;

use super::*;
use crate::sim::core::set_route;
use crate::sim::link::LinkConfig;
use crate::sim::network::{Network, Transport};
use crate::sim::node::{LinkId, NodeId};

const SIZES: Sizes = Sizes { interfaces: 2, vrfs: 1, nhlfes: 2, labels: 0, routes4: 8, routes6: 8, ..Sizes::NONE };

fn address(end: usize, family: usize) -> IpAddr {
    if family == 0 { IpAddr::from([10, 0, 0, end as u8 + 1]) } else { format!("fd00::{}", end + 1).parse().unwrap() }
}

fn groups(end: usize, groups: u32) -> [Announced; 2] {
    let base = (end as u32 + 1) << 24;
    let v4 = (0..groups).map(|g| RouteGroup {
        as_path: vec![64_900 + g % 7],
        prefixes: (0..50).map(|n| Ipv4Prefix::from_bits(base | (g * 50 + n) << 8, 24).unwrap()).collect(),
    });
    let v6 = (0..groups).map(|g| RouteGroup {
        as_path: vec![64_900, g],
        prefixes: vec![Ipv6Prefix::from_bits(u128::from(base | g) << 80, 48).unwrap()],
    });
    [Announced::V4(v4.collect()), Announced::V6(v6.collect())]
}

/// Two CEs that announce different routes to each other, in both families.
fn pair(
    arena: &Bump,
    seed: u64,
    transport: Transport,
    config: LinkConfig,
    size: u32,
) -> (Network<'_, Ce>, [NodeId; 2], LinkId) {
    let mut net = Network::new(arena, seed, transport);
    let identity = |end: usize| LocalIdentity { asn: 65_001 + end as u32, router_id: [1, 1, 1, end as u8 + 1].into() };
    let nodes = [0, 1].map(|end| net.add_node(&format!("CE{end}"), &SIZES, Ce::new(identity(end))));
    let vrf = VrfId::GLOBAL;
    let (link, macs) = net.add_link(config, nodes.map(|node| (node, IfIndex(1), vrf, false)));
    for (end, node) in nodes.into_iter().enumerate() {
        net.add_inside(node, vrf, IfIndex(0));
        let next = FwdNextHop::Neighbor { iface: IfIndex(1), mac: macs[1 - end] as Mac };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Uniform };
        let (now, machine) = (net.now(), net.node_mut(node));
        machine.host.apply(&FwdOp::SetNhlfe { id: NhlfeId(1), nhlfe });
        for (family, announced) in groups(end, size).into_iter().enumerate() {
            machine.host.apply(&set_route(address(end, family), RouteAction::Local));
            machine.host.apply(&set_route(address(1 - end, family), RouteAction::Forward(NhlfeId(1))));
            let ends = (address(end, family), address(1 - end, family));
            machine.control.add_session(now, &mut machine.host.tcp, ends, 65_002 - end as u32, announced).unwrap();
        }
        for family in 0..2 {
            net.set_owner((node, vrf), address(1 - end, family), (nodes[1 - end], vrf));
        }
    }
    nodes.iter().for_each(|node| net.wake(*node));
    (net, nodes, link)
}

fn all_routes(end: usize, size: u32) -> Vec<BTreeSet<IpPrefix>> {
    groups(end, size)
        .iter()
        .map(|a| match a {
            Announced::V4(groups) => groups.iter().flat_map(|g| &g.prefixes).map(|p| IpPrefix::V4(*p)).collect(),
            Announced::V6(groups) => groups.iter().flat_map(|g| &g.prefixes).map(|p| IpPrefix::V6(*p)).collect(),
        })
        .collect()
}

fn learnt(net: &Network<'_, Ce>, node: NodeId) -> Vec<BTreeSet<IpPrefix>> {
    net.node(node).control.sessions.iter().map(|s| s.learnt.clone()).collect()
}

#[test]
fn routes_cross_in_both_transports() {
    for transport in [Transport::Links, Transport::Direct(Duration::from_millis(1))] {
        let arena = Bump::new();
        let (mut net, nodes, _) = pair(&arena, 1, transport, LinkConfig::default(), 200);
        net.run_until(Instant::from_secs(60));
        for (end, node) in nodes.into_iter().enumerate() {
            assert!(net.node(node).control.is_settled(), "{transport:?}");
            assert_eq!(learnt(&net, node), all_routes(1 - end, 200), "{transport:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Loss, reordering, duplication and a partition of any length: in the end each has all routes of the other.
    #[test]
    fn faults_only_delay(seed: u64, loss in 0u32..150_000, reorder in 0u32..200_000, at in 0u64..20, lasting in 0u64..200) {
        let config = LinkConfig {
            jitter: Duration::from_millis(4),
            loss,
            reorder,
            duplicate: loss / 2,
            ..LinkConfig::default()
        };
        let arena = Bump::new();
        let (mut net, nodes, link) = pair(&arena, seed, Transport::Links, config, 40);
        net.partition(link, Duration::from_secs(at), Duration::from_secs(lasting));
        net.run_until(Instant::from_secs(at + lasting + 600));
        for (end, node) in nodes.into_iter().enumerate() {
            prop_assert_eq!(learnt(&net, node), all_routes(1 - end, 40));
        }
    }
}
