//! An instance of ours and a bridge of freeRtr's, by either signalling. Its bridge has an address of its own, which hosts of ours ping.

use super::super::PATIENCE;
use super::super::freertr::FreeRtr;
use super::super::net::{Net, Node, until};
use super::ours::{Ours, Pe};
use super::{host, pings};

/// A bridge whose routes `afi-vpls` describes: its own address in the customer's LAN is 10.5.0.9.
fn freertr(node: &Node, other: &Node, afi_vpls: &str) -> FreeRtr {
    // freeRtr looks at checksums, which the kernel would leave to the hardware.
    other.run(&["ethtool", "-K", "eth0", "tx", "off"]).unwrap();
    let more = format!(
        "bridge 1\n rd 65001:100\n rt-both 65001:100\n mac-learn\n private\n exit\ninterface bvi1\n vrf forwarding v2\n \
         ipv4 address 10.5.0.9 255.255.255.0\n exit\nrouter bgp4 65001\n vrf v1\n address vpls\n local-as 65001\n router-id {own}\n \
         neighbor {peer} remote-as 65001\n neighbor {peer} update-source ethernet1\n neighbor {peer} send-community both\n \
         afi-vpls 65001:9 bridge-group 1\n afi-vpls 65001:9 update-source ethernet1\n {afi_vpls}\n exit\n",
        own = node.v4,
        peer = other.v4,
    );
    FreeRtr::start(node, "mpls enable\n mpls ldp4", &format!("vrf definition v2\n rd 65001:2\n exit\n{more}"))
}

/// RFC 6074 both ways with another implementation: each finds the other by the route of its PE, LDP makes the pseudowire with the Generalized
/// PWid FEC, and it carries customers' frames.
#[test]
fn freertr_and_we_find_each_other_and_ldp_makes_the_pseudowire() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let here = host(&mut net, &a, "ce0", 1);
    let _theirs = freertr(&b, &a, "");
    let ours = Ours::start(
        &a,
        &Pe {
            peers: vec![b.v4],
            pes: vec![b.v4],
            vsi: "vpls-id = [65001, 9]".to_owned(),
            circuits: vec!["ce0"],
            ldp: true,
            // freeRtr sends one each 11 s, whatever hold time it hears: the lower of both is not its own (RFC 5036 §2.5.5).
            is_patient: true,
        },
    );
    until("its route", PATIENCE, || {
        let routes = ours.routes(b.v4);
        let is = |r: &serde_json::Value| r["form"] == "discovery" && r["pe"] == b.v4.to_string();
        if routes.iter().any(is) { Ok(()) } else { Err(format!("{routes:?}")) }
    });
    ours.expect_up(1);
    assert_eq!(ours.ask("show")["vsis"][0]["pseudowires"][0]["service"], "Discovered");
    pings(&here, "10.5.0.9");
    assert_eq!(ours.downs(b.v4), 0);
}

/// RFC 4761 both ways: label blocks, and frames with the labels that each works out of the other's.
#[test]
fn freertr_and_we_exchange_label_blocks() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let here = host(&mut net, &a, "ce0", 1);
    let _theirs = freertr(&b, &a, "afi-vpls 65001:9 ve-id 2 8");
    let ours = Ours::start(
        &a,
        &Pe { peers: vec![b.v4], pes: vec![b.v4], vsi: "ve-id = 1".to_owned(), circuits: vec!["ce0"], ..Pe::default() },
    );
    until("its block", PATIENCE, || {
        let routes = ours.routes(b.v4);
        let is = |r: &serde_json::Value| r["form"] == "block" && r["ve"] == 2;
        if routes.iter().any(is) { Ok(()) } else { Err(format!("{routes:?}")) }
    });
    ours.expect_up(1);
    pings(&here, "10.5.0.9");
    assert_eq!(ours.downs(b.v4), 0);
}
