//! What links and neighbours take at a router, beside what is published.

use ipsec_vlink::arch::Architecture;
use ipsec_vlink::vlink::Security;

use crate::world::{World, vpn};

/// What the simulation alone keeps.
fn forget(world: &mut World) {
    for router in &mut world.routers {
        (router.events, router.ike_events, router.l2tp_events) = Default::default();
        router.spy.borrow_mut().payloads = Vec::new();
    }
}

/// Octets of one end of a link between virtual routers of two PEs; the two share what there is of IKE.
fn link(n: u16, architecture: Architecture) -> f64 {
    let mut world = World::new(2, n, usize::from(n) + 2);
    let peers = world.peer(0, 1);
    let held = allocation_counter::measure(|| {
        world.join([0, 1], peers, n, architecture, Security::Esp);
        forget(&mut world);
    });
    assert!(world.routers.iter().all(|router| router.up.len() == usize::from(n)));
    held.bytes_current as f64 / f64::from(n) / 2.0
}

/// Octets of one end of a tunnel between two CEs, each neighbour with an IKE SA and a Child SA of its own.
fn neighbour(n: usize) -> f64 {
    let mut world = World::new(n + 1, 1, n + 2);
    let held = allocation_counter::measure(|| {
        for ce in 1..=n {
            let peers = world.ce(0, ce, vpn(1), |_, cfg| (cfg.clear, cfg.l2tp, cfg.l2tp_clear) = (None, None, None));
            world.join([0, ce], peers, 1, Architecture::SharedIpip, Security::Esp);
        }
        forget(&mut world);
    });
    assert_eq!((world.routers[0].ike.sizes().0, world.routers[0].up.len()), (n, n));
    held.bytes_current as f64 / n as f64 / 2.0
}

/// The published figures hold within a factor of two.
///
/// Shows: L3VPN-TSK-2
#[test]
fn what_links_and_neighbours_take_is_as_published() {
    let page = include_str!("../../../docs/applicability.md");
    let published = |what: &str| -> Option<f64> {
        let line = page.lines().find(|line| line.starts_with(&format!("| {what} |")))?;
        line.trim_end_matches([' ', '|']).rsplit('|').next()?.trim().parse().ok()
    };
    let figures = [
        ("PE: a link by MPLS in IP, IPsec shared", link(200, Architecture::Mpls)),
        ("PE: a link with a security association of its own", link(200, Architecture::TunnelSa)),
        ("CE: a neighbour, with IKE and IPsec", neighbour(20)),
    ];
    let wrong: Vec<String> = figures
        .iter()
        .filter(|(what, now)| published(what).is_none_or(|then| *now > 2.0 * then || then > 2.0 * now))
        .map(|(what, now)| format!("| {what} | {now:.0} |"))
        .collect();
    assert!(wrong.is_empty(), "measured:\n{}", wrong.join("\n"));
}
