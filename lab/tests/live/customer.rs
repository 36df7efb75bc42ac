//! FRR as a customer's router (CE) on a PE of ours, GoBGP as the PE of the customer's other site.

use serde_json::Value;

use super::frr::Frr;
use super::gobgp::{self, GoBgp};
use super::net::{Net, until};
use super::ours::{Config, LABEL, Ours, Peer};
use super::route::{ASN, Route, Router};

const CE_AS: u32 = 65010;

/// What FRR knows of a unicast prefix: AS path and next hop.
fn unicast(frr: &Frr, prefix: &str) -> Result<(String, String), String> {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let shown = frr.json(&format!("show bgp {family} unicast {prefix} json"))?;
    let path = shown.pointer("/paths/0").ok_or_else(|| format!("{prefix}: {shown}"))?;
    let text = |at: &str| path.pointer(at).and_then(Value::as_str).map(String::from).ok_or_else(|| format!("{path}"));
    Ok((text("/aspath/string")?, text("/nexthops/0/ip")?))
}

/// Routes go from the CE over EBGP into the VRF, out as VPN routes, and those of the other site the other way; both families.
///
/// Shows: L3VPN-8.3-1
#[test]
fn frr_is_a_customer_of_our_pe() {
    let mut net = Net::new();
    let (c, o, g) = (net.node(), net.node(), net.node());
    let config = format!(
        "router bgp {CE_AS}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         no bgp default ipv4-unicast\n neighbor {o4} remote-as {ASN}\n neighbor {o4} timers connect 1\n \
         neighbor {o6} remote-as {ASN}\n neighbor {o6} timers connect 1\n \
         address-family ipv4 unicast\n  neighbor {o4} activate\n  network 172.16.1.0/24\n exit-address-family\n \
         address-family ipv6 unicast\n  neighbor {o6} activate\n  network fd00:c::/48\n exit-address-family\n",
        c.v4,
        o4 = o.v4,
        o6 = o.v6,
    );
    let ce = Frr::start_with(&c, &config);
    let neighbors = vec![gobgp::Neighbor { address: o.v4.into(), client: false, passive: false }];
    let gobgp = GoBgp::start(&g, &gobgp::Config { neighbors, hold: 9, ..Default::default() });
    gobgp.originate(&Route::new("65001:2", "10.2.3.0/24", 2003, g.v4));
    gobgp.originate(&Route::new("65001:2", "fd00:2::/48", 2004, g.v4));
    let customer = |address: std::net::IpAddr, families| Peer { asn: CE_AS, ..Peer::new(address).families(families) };
    let peers =
        vec![Peer::new(g.v4), customer(c.v4.into(), &["ipv4-unicast"]), customer(c.v6.into(), &["ipv6-unicast"])];
    let pe = Ours::start(&o, &Config { peers, vrf: Some(("65001:3", &[])), ..Config::default() });

    gobgp.expect(&Route::new("65001:3", "172.16.1.0/24", LABEL, o.v4));
    gobgp.expect(&Route::new("65001:3", "fd00:c::/48", LABEL, o.v4));
    for (prefix, next_hop) in [("10.2.3.0/24", o.v4.to_string()), ("fd00:2::/48", o.v6.to_string())] {
        until(&format!("the CE has {prefix}"), super::PATIENCE, || {
            let learnt = unicast(&ce, prefix)?;
            // RFC 4271 §5.1.2, §5.1.3: our AS is on the path, our address is the next hop.
            if learnt == (ASN.to_string(), next_hop.clone()) { Ok(()) } else { Err(format!("{learnt:?}")) }
        });
    }
    let fib = pe.ask("fib red");
    let to = |prefix: &str| fib["routes"].as_array().unwrap().iter().find(|r| r["prefix"] == prefix).cloned().unwrap();
    assert_eq!(to("172.16.1.0/24")["next-hop"], c.v4.to_string(), "{fib}");
    assert_eq!(to("172.16.1.0/24")["push"], serde_json::json!([]), "{fib}");
    assert_eq!(to("10.2.3.0/24")["push"], serde_json::json!([2003]), "{fib}");
    assert_eq!(to("fd00:c::/48")["next-hop"], c.v6.to_string(), "{fib}");

    drop(ce);
    gobgp.expect_none("65001:3");
}
