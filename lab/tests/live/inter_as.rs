//! Inter-AS option B (RFC 4364 §10 b): our PE, our ASBR, and FRR as the ASBR of another AS.

use super::PATIENCE;
use super::frr::Frr;
use super::net::{Net, until};
use super::ours::{Config, LABEL, Ours, Peer};
use super::route::TARGET;

/// The labels that our ASBR hands out.
const SWAPPED: std::ops::RangeInclusive<u64> = 2000..=2999;

/// Shows: L3VPN-SCN-3
#[test]
fn labels_are_swapped_between_our_asbr_and_frr() {
    let mut net = Net::new();
    let (pe, asbr, far) = (net.node(), net.node(), net.node());
    let frr = format!(
        "route-map TARGET permit 10\n set extcommunity rt {TARGET}\nexit\nrouter bgp 65002\n bgp router-id {}\n \
         no bgp default ipv4-unicast\n no bgp ebgp-requires-policy\n neighbor {asbr} remote-as 65001\n \
         neighbor {asbr} timers connect 1\n address-family ipv4 vpn\n  neighbor {asbr} activate\n  \
         network 10.6.0.0/24 rd 65002:6 label 6006 route-map TARGET\n exit-address-family\n",
        far.v4,
        asbr = asbr.v4
    );
    let frr = Frr::start_with(&far, &frr);
    let vpn = &["vpn-ipv4"];
    let border = Ours::start(
        &asbr,
        &Config {
            peers: vec![
                Peer { more: "next-hop = \"own\"", ..Peer::new(pe.v4).families(vpn) },
                Peer { asn: 65002, ..Peer::new(far.v4).families(vpn) },
            ],
            labels: (*SWAPPED.start(), *SWAPPED.end()),
            ..Config::default()
        },
    );
    let inner = Ours::start(
        &pe,
        &Config {
            peers: vec![Peer::new(asbr.v4).families(vpn)],
            vrf: Some(("65001:1", &["10.1.0.0/24"])),
            ..Config::default()
        },
    );
    border.expect_up(far.v4, 1);
    inner.expect_up(asbr.v4, 1);
    // Theirs to our PE: the ASBR is the next hop, and the label is one of its own.
    let label = until("our PE has the far route from the ASBR", PATIENCE, || {
        let vpn = inner.ask("vpn");
        let paths = vpn["paths"].as_array().into_iter().flatten();
        let mut theirs = paths.filter(|p| p["prefix"] == "10.6.0.0/24" && p["next-hop"] == asbr.v4.to_string());
        theirs.find_map(|p| p["labels"][0].as_u64()).ok_or_else(|| format!("{vpn}"))
    });
    assert!(SWAPPED.contains(&label), "{label}");
    inner.expect_forwarding("10.6.0.0/24", label);
    // Ours to FRR, in the same way.
    let route = until("FRR has our PE's route from the ASBR", PATIENCE, || {
        frr.route("65001:1", "10.1.0.0/24")?.into_iter().next().ok_or_else(|| "none".to_owned())
    });
    assert_eq!(route.next_hop, std::net::IpAddr::from(asbr.v4));
    assert!(SWAPPED.contains(&route.label) && route.label != LABEL && route.label != label, "{route:?}");
    assert_eq!(route.targets, [TARGET]);
    // The ASBR itself keeps the labels that it was given.
    let vpn = border.ask("vpn");
    let given = |prefix: &str| {
        let mut paths = vpn["paths"].as_array().unwrap().iter();
        paths.find(|p| p["prefix"] == prefix).map(|p| p["labels"][0].clone())
    };
    assert_eq!((given("10.6.0.0/24"), given("10.1.0.0/24")), (Some(6006.into()), Some(LABEL.into())));
}
