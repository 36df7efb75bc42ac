//! RFC 5060: instances by their identifiers, as a walk finds them.

use std::time::Duration;

use fwd_core::mib::{Groups, Objects, Oid, Value};

use crate::one::{ASM, LAN, N1, NUP, One, S, SSM};

fn oid(text: &str) -> Oid {
    Oid::new(&text.split('.').map(|n| n.parse().unwrap()).collect::<Vec<_>>())
}

#[test]
fn interfaces_neighbours_and_trees_are_instances_in_order() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    one.member(ASM, None, true);
    one.join(N1, SSM, S);
    one.wait(Duration::from_secs(15));
    let (interfaces, neighbors) = (one.pim.interface_table(), one.pim.neighbor_table(one.now));
    let (star_g, sg) = (one.pim.star_g_table(one.now), one.pim.sg_table(one.now));
    let all = Groups(&[&sg, &interfaces, &star_g, &neighbors]);
    let get = |text: &str| all.get(&oid(&format!("1.3.6.1.2.1.157.1.{text}")));
    // pimInterfaceDR, pimInterfaceHelloHoldtime and pimInterfaceEffectPropagDelay of interface 1, IPv4.
    assert_eq!(get("1.1.6.1.1"), Some(Value::Octets(vec![10, 0, 1, 5])));
    assert_eq!(get("1.1.11.1.1"), Some(Value::Unsigned(105)));
    assert_eq!(get("1.1.18.1.1"), Some(Value::Unsigned(500)));
    // pimNeighborExpiryTime of 10.0.1.1 on interface 1.
    assert_eq!(get("2.1.7.1.1.4.10.0.1.1"), Some(Value::Ticks(9000)));
    // pimStarGRPAddress, pimStarGUpstreamJoinState, pimStarGUpstreamJoinTimer of 239.1.1.1.
    assert_eq!(get("4.1.6.1.4.239.1.1.1"), Some(Value::Octets(vec![10, 255, 0, 1])));
    assert_eq!(get("4.1.9.1.4.239.1.1.1"), Some(Value::Integer(2)));
    assert_eq!(get("4.1.10.1.4.239.1.1.1"), Some(Value::Ticks(4500)));
    // pimSGPimMode, pimSGUpstreamNeighbor, pimSGRPFRouteMetric, pimSGSPTBit of (10.9.9.9, 232.1.1.1).
    let row = "1.4.232.1.1.1.4.10.9.9.9";
    assert_eq!(get(&format!("6.1.5.{row}")), Some(Value::Integer(2)));
    assert_eq!(get(&format!("6.1.8.{row}")), Some(Value::Octets(NUP.octets().to_vec())));
    assert_eq!(get(&format!("6.1.16.{row}")), Some(Value::Unsigned(20)));
    assert_eq!(get(&format!("6.1.17.{row}")), Some(Value::Integer(1)));
    assert_eq!(get("6.1.1.1.4.232.1.1.1.4.10.9.9.9"), None, "an index cannot be read");
    let (mut at, mut instances) = (oid("1.3.6.1.2.1.157"), 0);
    while let Some((next, _)) = all.next(&at) {
        assert!(next > at);
        (at, instances) = (next, instances + 1);
    }
    assert_eq!(instances, 2 * 19 + 2 * 9 + 14 + 13);
}

/// IPMCAST-MIB has each route of the forwarder, and each interface that its copies leave by.
///
/// Shows: L3VPN-8.11-5
#[test]
fn routes_and_their_next_hops_are_instances_in_order() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    one.join(N1, SSM, S);
    one.wait(Duration::from_secs(1));
    let (routes, hops) = (one.pim.route_table(), one.pim.next_hop_table());
    let all = Groups(&[&hops, &routes]);
    let get = |text: &str| all.get(&oid(&format!("1.3.6.1.2.1.168.1.{text}")));
    let row = "1.4.232.1.1.1.32.1.4.10.9.9.9.32";
    assert_eq!(get(&format!("5.1.8.{row}")), Some(Value::Octets(NUP.octets().to_vec())));
    assert_eq!(get(&format!("5.1.9.{row}")), Some(Value::Integer(2)));
    assert_eq!(get(&format!("5.1.12.{row}")), Some(Value::Integer(8)));
    assert_eq!(get(&format!("6.1.10.{row}.1.1.4.232.1.1.1")), Some(Value::Integer(2)));
    let (mut at, mut instances) = (oid("1.3.6.1.2.1.168"), 0);
    while let Some((next, _)) = all.next(&at) {
        assert!(next > at);
        (at, instances) = (next, instances + 1);
    }
    assert_eq!(instances, 4 + 2);
}
