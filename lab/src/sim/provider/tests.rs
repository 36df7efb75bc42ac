//! Two customers with equal addresses over a core that is programmed by hand.

use std::time::Duration;

use fwd_core::Verdict;
use fwd_core::net::Label;
use fwd_core::op::{Ilm, IlmAction};
use fwd_core::time::Instant;

use super::*;
use crate::sim::core::set_route_in;
use crate::sim::network::{Hop, below_labels};
use crate::sim::packet::{IpView, ip_packet};
use crate::sim::rng::Rng;

const SIZES: Sizes =
    Sizes { interfaces: 16, vrfs: 4, nhlfes: 1100, labels: 20_100, routes4: 64, routes6: 64, ..Sizes::NONE };
const A: VrfId = VrfId(1);
const B: VrfId = VrfId(2);

struct Lab<'m> {
    provider: Provider<'m, ()>,
    /// By VRF (0: A, 1: B), then by end.
    customers: [[NodeId; 2]; 2],
}

/// PE1 - P1 - P2 - PE2, both customers at both PEs; every CE answers to the same two addresses in its end's place.
fn lab(arena: &Bump, seed: u64, config: LinkConfig, php: bool) -> Lab<'_> {
    let mut provider: Provider<'_, ()> = Provider::new(arena, seed, Transport::Links);
    provider.core.php = php;
    let loopback = |n| Loopbacks { v4: Some([192, 0, 2, n].into()), v6: None };
    let names = ["PE1", "P1", "P2", "PE2"];
    let routers: Vec<RouterId> =
        (1..).zip(names).map(|(n, name)| provider.add_router(name, &SIZES, loopback(n), ())).collect();
    for pair in routers.windows(2) {
        provider.add_core_link(pair[0], pair[1], 10, config);
    }
    let mut customers = [[NodeId(0); 2]; 2];
    for (v, vrf) in [A, B].into_iter().enumerate() {
        for (end, pe) in [routers[0], routers[3]].into_iter().enumerate() {
            let ce = provider.add_customer(&format!("CE-{v}-{end}"), &SIZES, ());
            let site = provider.attach(pe, vrf, ce, config);
            customers[v][end] = ce;
            let label = vpn_label(vrf, end);
            let (there, remote) = (NhlfeId(1000 + u32::from(vrf.0)), if end == 0 { routers[3] } else { routers[0] });
            let push = LabelStack::single(vpn_label(vrf, 1 - end));
            let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(Core::transport(remote.0, 0)), model: TunnelModel::Uniform };
            let ilm = Ilm { action: IlmAction::PopLookup(vrf), model: TunnelModel::Uniform };
            let mut ops = vec![FwdOp::SetNhlfe { id: there, nhlfe }, FwdOp::SetIlm { label, ilm }];
            for family in 0..2 {
                ops.push(set_route_in(vrf, address(end, family), RouteAction::Forward(site.to_ce)));
                ops.push(set_route_in(vrf, address(1 - end, family), RouteAction::Forward(there)));
                provider.apply(ce, &set_route_in(VrfId::GLOBAL, address(end, family), RouteAction::Local));
            }
            ops.iter().for_each(|op| provider.apply(site.pe, op));
        }
    }
    provider.converge();
    Lab { provider, customers }
}

fn vpn_label(vrf: VrfId, end: usize) -> Label {
    Label::from_low_bits(10_000 + 100 * u32::from(vrf.0) + end as u32)
}

fn address(end: usize, family: usize) -> IpAddr {
    let n = end as u8 + 1;
    if family == 0 { IpAddr::from([10, 0, 0, n]) } else { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(n)]) }
}

fn send(lab: &mut Lab<'_>, v: usize, family: usize, payload: &[u8]) {
    let packet = ip_packet(address(0, family), address(1, family), 17, 64, payload).unwrap();
    lab.provider.net.send_packet(lab.customers[v][0], VrfId::GLOBAL, &packet);
}

fn labels(frame: &[u8]) -> Vec<u32> {
    let below = below_labels(frame).len();
    frame[14..frame.len() - below].chunks(4).map(|e| u32::from_be_bytes([0, e[0], e[1], e[2]]) >> 4).collect()
}

/// Shows: L3VPN-FEA-3
#[test]
fn each_customer_reaches_its_own_site_in_both_families() {
    for php in [true, false] {
        let arena = Bump::new();
        let mut lab = lab(&arena, 1, LinkConfig::default(), php);
        for (v, family) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            send(&mut lab, v, family, &[v as u8, family as u8]);
        }
        lab.provider.net.run_for(Duration::from_secs(1));
        for v in 0..2 {
            let got: Vec<_> = lab.provider.net.node(lab.customers[v][1]).delivered.iter().collect();
            let payloads: Vec<Vec<u8>> =
                got.iter().map(|d| IpView::parse(&d.packet).unwrap().payload.to_vec()).collect();
            assert_eq!(payloads, [[v as u8, 0], [v as u8, 1]], "php {php}");
            // Four routers and the CE's own count the hop limit down in the uniform model: 64 at the first CE.
            let ttls: Vec<u8> = got.iter().map(|d| IpView::parse(&d.packet).unwrap().ttl).collect();
            assert_eq!(ttls, [59, 59], "php {php}");
        }
    }
}

#[test]
fn the_label_path_of_an_ipv6_packet() {
    let arena = Bump::new();
    let mut lab = lab(&arena, 1, LinkConfig::default(), true);
    lab.provider.net.trace(true);
    send(&mut lab, 1, 1, b"x");
    lab.provider.net.run_for(Duration::from_secs(1));
    let hops: Vec<Hop> = lab.provider.net.trace(false);
    let seen: Vec<(String, Vec<u32>)> =
        hops.iter().map(|h| (lab.provider.net.node(h.node).name.clone(), labels(&h.result))).collect();
    let vpn = vpn_label(B, 1).value();
    let core = &lab.provider.core;
    let expected = [
        ("CE-1-0", vec![]),
        ("PE1", vec![core.binding(1, 3, 0).value(), vpn]),
        ("P1", vec![core.binding(2, 3, 0).value(), vpn]),
        ("P2", vec![vpn]),
        ("PE2", vec![]),
        ("CE-1-1", vec![]),
    ];
    assert_eq!(seen, expected.map(|(name, labels)| (name.to_owned(), labels)));
    assert!(matches!(hops.last().unwrap().verdict, Verdict::Punt { .. }));
}

#[test]
fn a_partition_drops_and_a_failed_edge_leaves_no_route() {
    let arena = Bump::new();
    let mut lab = lab(&arena, 1, LinkConfig::default(), true);
    let middle = lab.provider.core_links[1];
    lab.provider.net.partition(middle, Duration::ZERO, Duration::from_secs(10));
    lab.provider.net.run_for(Duration::from_secs(1));
    send(&mut lab, 0, 0, b"lost");
    lab.provider.net.run_for(Duration::from_secs(1));
    assert_eq!(lab.provider.net.link_counters(middle)[0].cut, 1);
    lab.provider.net.run_until(Instant::from_secs(20));
    send(&mut lab, 0, 0, b"whole");
    lab.provider.net.run_for(Duration::from_secs(1));
    assert_eq!(lab.provider.net.node(lab.customers[0][1]).delivered.len(), 1);
    lab.provider.set_edge(1, false);
    send(&mut lab, 0, 0, b"no way");
    lab.provider.net.run_for(Duration::from_secs(1));
    assert_eq!(lab.provider.net.node(lab.customers[0][1]).delivered.len(), 1);
    lab.provider.set_edge(1, true);
    send(&mut lab, 0, 0, b"again");
    lab.provider.net.run_for(Duration::from_secs(1));
    assert_eq!(lab.provider.net.node(lab.customers[0][1]).delivered.len(), 2);
}

/// Everything that came out, with times, for a network whose links misbehave in every way.
fn outcome(seed: u64) -> Vec<(Instant, Vec<u8>)> {
    let config = LinkConfig {
        jitter: Duration::from_millis(3),
        loss: 50_000,
        reorder: 100_000,
        duplicate: 50_000,
        ..LinkConfig::default()
    };
    let arena = Bump::new();
    let mut lab = lab(&arena, seed, config, true);
    let mut rng = Rng::new(seed);
    for n in 0..200u8 {
        send(&mut lab, usize::from(n % 2), usize::from(n / 2 % 2), &[n, rng.next_u64() as u8]);
        lab.provider.net.run_for(Duration::from_millis(1));
    }
    lab.provider.net.run_for(Duration::from_secs(1));
    let [a, b] = lab.customers.map(|ends| &lab.provider.net.node(ends[1]).delivered);
    a.iter().chain(b).map(|d| (d.at, d.packet.clone())).collect()
}

#[test]
fn the_same_seed_gives_the_same_outputs() {
    assert_eq!(outcome(1), outcome(1));
    assert_ne!(outcome(1), outcome(2));
}
