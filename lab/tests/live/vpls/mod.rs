//! A VPLS of ours with real customers: hosts and bridges of Linux behind two PEs, an MPLS link between them, GoBGP or ExaBGP that speaks
//! BGP, and FRR's ldpd for pseudowires by LDP.
//!
//! GoBGP 3.10 takes label blocks and crashes when it has to send one on, so that it hears one of our PEs and reflects nothing. Neither it
//! nor ExaBGP 5 reads the NLRI of RFC 6074; tshark does, and freeRtr, with which `ci/freertr/run.sh` tries it.

#[cfg(feature = "freertr")]
mod freertr;
mod ldp;
mod ours;

use std::net::{IpAddr, Ipv4Addr};

use super::PATIENCE;
use super::capture::Frames;
use super::exabgp::ExaBgp;
use super::gobgp::{self, GoBgp};
use super::net::{Net, Node, until};
use super::pim::host::{Member, Source, every_packet_once};
use ours::{Ours, Pe};

/// A host behind a circuit of a PE: `ce0` and so on at the PE, `eth0` at the host.
fn host(net: &mut Net, pe: &Node, circuit: &str, n: u8) -> Node {
    let host = net.bare();
    net.lan(&[(pe, circuit), (&host, "eth0")]);
    for command in [
        format!("addr add 10.5.0.{n}/24 dev eth0"),
        format!("addr add fd00:5::{n}/64 dev eth0 nodad"),
        "route add 224.0.0.0/4 dev eth0".to_owned(),
    ] {
        let words: Vec<&str> = ["ip"].into_iter().chain(command.split_whitespace()).collect();
        host.run(&words).unwrap();
    }
    host
}

fn pings(from: &Node, to: &str) {
    until(&format!("{} pings {to}", from.ns), PATIENCE, || from.run(&["ping", "-c", "3", "-i", "0.2", "-W", "1", to]));
}

/// The address of a host in the customer's LAN.
fn v4(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 5, 0, n).into()
}

fn snooping(ve: u8) -> String {
    format!("ve-id = {ve}\nsnoop = true\nquerier = \"10.5.0.25{ve}\"")
}

/// Two PEs tell each other label blocks, and one tells GoBGP its own. What customers of Linux do crosses: ARP, neighbour discovery, ping,
/// IGMPv3 of real sockets; a stream reaches its members without loss, and nobody else's wire.
#[test]
fn customers_meet_across_two_pes_and_gobgp_takes_a_label_block() {
    let mut net = Net::new();
    let (a, b, rr) = (net.node(), net.node(), net.node());
    let (source, member, idle) =
        (host(&mut net, &a, "ce0", 1), host(&mut net, &b, "ce0", 2), host(&mut net, &b, "ce1", 3));
    let families = vec!["l2vpn-vpls"];
    let neighbor = gobgp::Neighbor { address: a.v4.into(), client: false, passive: false };
    let config = gobgp::Config { neighbors: vec![neighbor], families, ..gobgp::Config::default() };
    let gobgp = GoBgp::start(&rr, &config);
    let pe = |ve, peers, other: &Node, circuits| Pe {
        peers,
        pes: vec![other.v4],
        vsi: snooping(ve),
        circuits,
        ..Pe::default()
    };
    let first = Ours::start(&a, &pe(1, vec![b.v4, rr.v4], &b, vec!["ce0"]));
    let second = Ours::start(&b, &pe(2, vec![a.v4], &a, vec!["ce0", "ce1"]));
    first.expect_up(1);
    second.expect_up(1);
    gobgp_has(&gobgp, "1 1");
    let got = second.routes(a.v4);
    assert!(got.iter().any(|r| r["form"] == "block" && r["ve"] == 1 && r["offset"] == 1 && r["size"] == 8), "{got:?}");
    assert!(got.iter().all(|r| r["next-hop"] == a.v4.to_string() && r["mtu"] == 1500), "{got:?}");
    for (from, to) in [(&source, "10.5.0.2"), (&source, "fd00:5::3"), (&member, "10.5.0.1"), (&idle, "fd00:5::1")] {
        pings(from, to);
    }
    // A stream for one member.
    let group = IpAddr::from([232, 5, 5, 5]);
    let wire = Frames::start(&idle, "eth0", "udp port 5000");
    let stream = Source::start(&source, v4(1), group);
    let joined = Member::join(&member, group, Some(v4(1)));
    every_packet_once("the member gets the stream", &stream, &joined, PATIENCE);
    // The snoopers have had time to settle: from now on nothing of it is on the wire of the host that did not ask.
    let before = wire.fields("udp.dstport == 5000", "ip.dst").len();
    every_packet_once("the member gets the stream", &stream, &joined, PATIENCE);
    assert_eq!(wire.fields("udp.dstport == 5000", "ip.dst").len(), before, "the idle host is spared");
    assert_eq!((first.downs(b.v4), first.downs(rr.v4), second.downs(a.v4)), (0, 0, 0));
}

/// Waits until GoBGP has received, and taken, so many routes: it gives the family up where it cannot read one.
fn gobgp_has(gobgp: &GoBgp, counts: &str) {
    until(&format!("GoBGP has {counts} routes"), PATIENCE, || {
        let text = gobgp.control("neighbor")?;
        let line = text.lines().last().unwrap_or_default().split_whitespace().rev().take(2);
        let found: Vec<&str> = line.collect();
        if found.into_iter().rev().collect::<Vec<_>>().join(" ") == counts { Ok(()) } else { Err(text) }
    });
}

/// Bridges of Linux, each with a leg at both PEs: the spanning tree that they speak crosses as it is, one of their ports blocks, and when
/// the bridge between them is cut the other way carries.
#[test]
fn spanning_tree_of_customers_crosses() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let (left, right) = (net.bare(), net.bare());
    // Two ways: through the PEs, and a link of their own.
    net.lan(&[(&a, "ce0"), (&left, "sp")]);
    net.lan(&[(&b, "ce0"), (&right, "sp")]);
    // The link is no switch: that would not pass BPDUs.
    let own = ["ip", "link", "add", "own", "type", "veth", "peer", "name", "own", "netns", &right.ns];
    left.run(&own).unwrap();
    for (n, bridge) in [(1, &left), (2, &right)] {
        for command in [
            "link add br0 type bridge stp_state 1 forward_delay 200 hello_time 100 max_age 600".to_owned(),
            "link set sp master br0 up".to_owned(),
            "link set own master br0 up".to_owned(),
            "link set br0 up".to_owned(),
            format!("addr add 10.5.0.{n}/24 dev br0"),
        ] {
            let words: Vec<&str> = ["ip"].into_iter().chain(command.split_whitespace()).collect();
            bridge.run(&words).unwrap();
        }
    }
    let pe = |ve: u8, other: &Node| Pe {
        peers: vec![other.v4],
        pes: vec![other.v4],
        vsi: format!("ve-id = {ve}"),
        circuits: vec!["ce0"],
        ..Pe::default()
    };
    let (first, second) = (Ours::start(&a, &pe(1, &b)), Ours::start(&b, &pe(2, &a)));
    first.expect_up(1);
    second.expect_up(1);
    let blocked = || -> usize {
        let of = |node: &Node| node.run(&["bridge", "link"]).unwrap_or_default().matches("state blocking").count();
        of(&left) + of(&right)
    };
    until("one of four ports blocks", PATIENCE, || match blocked() {
        1 => Ok(()),
        n => Err(format!("{n} block")),
    });
    pings(&left, "10.5.0.2");
    left.run(&["ip", "link", "set", "own", "down"]).unwrap();
    until("the way through the PEs carries", PATIENCE, || {
        if blocked() > 0 {
            return Err("a port blocks".to_owned());
        }
        left.run(&["ping", "-c", "2", "-i", "0.2", "-W", "1", "10.5.0.2"])
    });
}

/// ExaBGP sends a label block (RFC 4761 §3.2.2): a pseudowire comes up with the label that is ours of it, and ExaBGP is told our block.
#[test]
fn a_label_block_of_exabgp_makes_a_pseudowire() {
    let mut net = Net::new();
    let (a, peer) = (net.node(), net.node());
    let customer = host(&mut net, &a, "ce0", 1);
    let block = format!(
        "vpls site {{ endpoint 5; base 10702; offset 1; size 8; rd 65001:55; next-hop {}; \
         extended-community [ target:65001:100 l2info:19:0:1500:100 ]; }}",
        peer.v4
    );
    let exabgp = ExaBgp::start(&peer, a.v4.into(), &block);
    let vsi = "ve-id = 3".to_owned();
    let pe = Pe { peers: vec![peer.v4], pes: vec![peer.v4], vsi, circuits: vec!["ce0"], ..Pe::default() };
    let frames = Frames::start(&a, "eth0", "mpls");
    let ours = Ours::start(&a, &pe);
    ours.expect_up(1);
    let got = ours.routes(peer.v4);
    let expected = |r: &serde_json::Value| {
        (&r["ve"], &r["base"], &r["offset"], &r["size"]) == (&5.into(), &10702.into(), &1.into(), &8.into())
    };
    assert!(got.len() == 1 && expected(&got[0]), "{got:?}");
    // VE 3 has the third label of the block: what a customer broadcasts leaves with it.
    let _ = customer.run(&["ping", "-c", "2", "-W", "1", "10.5.0.77"]);
    until("frames leave with the label of the block", PATIENCE, || {
        let _ = customer.run(&["ping", "-c", "1", "-W", "1", "10.5.0.77"]);
        let labels = frames.fields("mpls", "mpls.label");
        if labels.iter().any(|label| label == "10704") { Ok(()) } else { Err(format!("{labels:?}")) }
    });
    until("ExaBGP has our block", PATIENCE, || {
        let updates = exabgp.updates();
        let text = serde_json::to_string(&updates).unwrap();
        if text.contains("\"endpoint\":3") { Ok(()) } else { Err(text) }
    });
    assert!(ours.ups(peer.v4) >= 1 && ours.downs(peer.v4) == 0);
}

/// Auto-discovery routes (RFC 6074 §3.2.2.1) between two of ours: each finds the other, and LDP with the Generalized PWid FEC makes a
/// pseudowire, which carries customers' frames.
#[test]
fn pes_find_each_other_and_ldp_makes_their_pseudowire() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let (here, there) = (host(&mut net, &a, "ce0", 1), host(&mut net, &b, "ce0", 2));
    let pe = |other: &Node| Pe {
        peers: vec![other.v4],
        pes: vec![other.v4],
        vsi: "vpls-id = [65001, 9]".to_owned(),
        circuits: vec!["ce0"],
        ldp: true,
        ..Pe::default()
    };
    let frames = Frames::start(&a, "eth0", "tcp port 179 or tcp port 646");
    let (first, second) = (Ours::start(&a, &pe(&b)), Ours::start(&b, &pe(&a)));
    for (ours, other) in [(&first, &b), (&second, &a)] {
        until("the other's route", PATIENCE, || {
            let routes = ours.routes(other.v4);
            let is = |r: &serde_json::Value| r["form"] == "discovery" && r["pe"] == other.v4.to_string();
            if routes.iter().any(is) { Ok(()) } else { Err(format!("{routes:?}")) }
        });
        ours.expect_up(1);
        let state = ours.ask("show");
        assert_eq!(state["vsis"][0]["pseudowires"][0]["service"], "Discovered", "{state}");
    }
    pings(&here, "10.5.0.2");
    pings(&there, "fd00:5::1");
    // tshark reads the routes as those of auto-discovery, and the FEC elements as generalized ones.
    let rds = frames.fields("bgp.vplsad.length == 12", "bgp.vplsad.rd");
    let rds: Vec<_> = rds.iter().flat_map(|all| all.split(',')).collect();
    assert!(rds.contains(&"65001:1") && rds.contains(&"65001:2"), "{rds:?}");
    let fecs = frames.fields("ldp.msg.type == 0x0400", "ldp.msg.tlv.fec.type");
    assert!(fecs.iter().any(|fec| fec.split(',').any(|f| f == "129")), "{fecs:?}");
}
