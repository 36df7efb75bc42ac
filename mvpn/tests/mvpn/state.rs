//! What multicast in a VPN takes at each kind of router, beside what is published.

use std::net::Ipv4Addr;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::InterAsIPmsiAd;
use fwd_core::net::NhlfeId;
use fwd_core::time::Instant;
use mvpn::mvrf::inter_as::{AsbrConfig, AsbrInput, AsbrOutput, AsbrPath, MvpnAsbr, Peer, Side};
use mvpn::mvrf::{AdRoute, McastAttributes, McastKind, McastRoute, PTunnel, PmsiTunnelValue};
use mvpn::pim::wire::AddressFamily;

use super::{reflector, scale};

/// Octets at an ASBR for each MVPN of a neighbouring AS, whose inter-AS tree it joins and passes on into its own AS.
fn asbr(mvpns: u32) -> f64 {
    let now = Instant::ZERO;
    let [ours, neighbor] = [1, 2].map(|n| Ipv4Addr::new(192, 0, 2, n));
    let mut asbr = MvpnAsbr::new(now, AsbrConfig::new(ours.into(), 65002, ours)).unwrap();
    asbr.handle_input(now, AsbrInput::Neighbor { address: neighbor.into(), up: true });
    asbr.handle_input(now, AsbrInput::Transport { router: neighbor.into(), entry: Some(NhlfeId(1)) });
    let mut inside = 0;
    let held = allocation_counter::measure(|| {
        for vpn in 1..=mvpns {
            let rd = RouteDistinguisher::four_octet_as(vpn, 1);
            let kind = McastKind::Ad(AdRoute::InterAsIPmsi(InterAsIPmsiAd { rd, source_as: 65001 }));
            let targets = vec![RouteTarget::two_octet_as(1, vpn).into()];
            let mut attributes = McastAttributes::new(neighbor.into(), targets);
            let pmsi = PmsiTunnelValue::new(PTunnel::IngressReplication(neighbor.into()));
            attributes.pmsi = Some(PmsiTunnelValue { leaf_information_required: true, ..pmsi });
            let path = AsbrPath { attributes, as_path: [65001].into_iter().collect() };
            let route = McastRoute { family: AddressFamily::V4, kind };
            let from = Peer::external(neighbor.into());
            asbr.handle_input(now, AsbrInput::Path { from, route, path: Some(path) });
            while let Some(output) = asbr.poll_output() {
                inside += u32::from(matches!(output, AsbrOutput::Advertise { to: Side::Internal, .. }));
            }
        }
    });
    assert_eq!((inside, asbr.segments()), (mvpns, mvpns as usize), "every tree goes on within the AS");
    held.bytes_current as f64 / f64::from(mvpns)
}

/// The published figures of PEs, P routers, reflectors and ASBRs hold within a factor of two.
///
/// Shows: L3VPN-TSK-2
#[test]
fn what_routers_hold_for_multicast_is_as_published() {
    let page = include_str!("../../../docs/applicability.md");
    let published = |what: &str| -> Option<f64> {
        let line = page.lines().find(|line| line.starts_with(&format!("| {what} |")))?;
        line.trim_end_matches([' ', '|']).rsplit('|').next()?.trim().parse().ok()
    };
    let figures = [
        ("PE: another PE of an MVRF, with its tunnel", scale::i_pmsi(100, 20).octets_each),
        ("PE near sources: a stream that other PEs join", scale::joins(1000).octets_each),
        ("PE near receivers: a stream that it joins", scale::trees(1000).octets_each),
        ("P router: a tree that branches to two", scale::p_router(500).octets_each),
        ("reflector: a route of a PE's MVRF", reflector::full_table(200, 10, 50, 50).octets_each),
        ("ASBR: an MVPN of a neighbouring AS, in segments", asbr(1000)),
    ];
    let wrong: Vec<String> = figures
        .iter()
        .filter(|(what, now)| published(what).is_none_or(|then| *now > 2.0 * then || then > 2.0 * now))
        .map(|(what, now)| format!("| {what} | {now:.0} |"))
        .collect();
    assert!(wrong.is_empty(), "measured:\n{}", wrong.join("\n"));
}
