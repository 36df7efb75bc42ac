//! Our PE and a Linux PE, FRR above the kernel's own VRFs and MPLS, carry a customer's packets between them.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::PATIENCE;
use super::capture::Frames;
use super::net::{Net, Node, run, until};
use super::ours::{Config, LABEL, Ours, Peer};
use super::uml::{Uml, tap};

/// The far PE: its kernel, its FRR, and behind it a CE in a namespace of the guest.
const GUEST: &str = r"
set -e
ip link set vec0 up
ip addr add 198.51.100.2/24 dev vec0
ip addr add fe80::2/64 dev vec0 nodad
ip addr add 192.0.2.2/32 dev lo
ip addr add fd00:99::2/128 dev lo
sysctl -q net.mpls.platform_labels=10000 net.mpls.conf.vec0.input=1 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
sysctl -q net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
ip route add 192.0.2.1/32 encap mpls 900 via 198.51.100.1
# The session goes beside the tunnel: to the kernel that has our PE's address, not to our PE's forwarding plane.
ip route add 192.0.2.1/32 via 198.51.100.1 table 100
ip rule add to 192.0.2.1 lookup 100
ip route add fd00:99::1/128 encap mpls 900 via fe80::1 dev vec0
ip route add fd00:99::1/128 via fe80::1 dev vec0 table 100
ip -6 rule add to fd00:99::1 lookup 100
ip link add red type vrf table 10
ip link set red up
mkdir -p /run/netns /run/frr
ip netns add ce
ip link add pe2 type veth peer name eth0 netns ce
ip link set pe2 master red up
ip addr add 10.2.2.1/24 dev pe2
ip addr add fd00:2::1/64 dev pe2 nodad
ip -n ce link set lo up
ip -n ce link set eth0 up
ip -n ce addr add 10.2.2.2/24 dev eth0
ip -n ce addr add fd00:2::2/64 dev eth0 nodad
ip -n ce route add default via 10.2.2.1
ip -n ce route add default via fd00:2::1
chown frr:frr /run/frr
/usr/lib/frr/zebra -d -f $PWD/zebra.conf -P 0
/usr/lib/frr/bgpd -d -f $PWD/bgpd.conf -P 0
set +e
while ! ip netns exec ce ping -c 3 -i 0.2 -W 1 10.1.1.2 | grep ' 0% packet loss'; do sleep 0.3; done
echo 10.1.1.2 >>reached
while ! ip netns exec ce ping -c 3 -i 0.2 -W 1 fd00:1::2 | grep ' 0% packet loss'; do sleep 0.3; done
echo fd00:1::2 >>reached
while ! ip netns exec ce ping -c 1 -W 1 10.11.0.1; do sleep 0.3; done
echo 10.11.0.1 >>reached
ip route show vrf red
ip -6 route show vrf red
ip -f mpls route
sleep 600
";

fn bgpd() -> String {
    let mut text = "router bgp 65001\n bgp router-id 192.0.2.2\n no bgp default ipv4-unicast\n".to_owned();
    let sessions = [("ipv4", "192.0.2.1", "192.0.2.2"), ("ipv6", "fd00:99::1", "fd00:99::2")];
    for (_, neighbor, own) in sessions {
        for words in ["remote-as 65001", "timers connect 1", &format!("update-source {own}")] {
            let _ = writeln!(text, " neighbor {neighbor} {words}");
        }
    }
    // A session for each family: the kernel sends no IPv6 packet by a route whose next hop is an IPv4 address.
    for (family, neighbor, _) in sessions {
        let _ = write!(text, " address-family {family} vpn\n  neighbor {neighbor} activate\n exit-address-family\n");
    }
    text += "router bgp 65001 vrf red\n bgp router-id 192.0.2.2\n no bgp default ipv4-unicast\n";
    for family in ["ipv4", "ipv6"] {
        let _ = write!(
            text,
            " address-family {family} unicast\n  redistribute connected\n  label vpn export auto\n  \
             rd vpn export 65001:2\n  rt vpn both 65001:100\n  export vpn\n  import vpn\n exit-address-family\n"
        );
    }
    text
}

fn ip(node: &Node, words: &str) {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&[&["ip", "-n", &node.ns], words.as_slice()].concat()).unwrap_or_else(|e| panic!("{e}"));
}

/// The near customer edge, on the switch with our PE, whose interface the kernel there leaves alone.
fn near_customer(net: &mut Net, pe: &Node) -> Node {
    let ce = net.node();
    ip(pe, "addr flush dev eth0");
    pe.run(&["sysctl", "-q", "net.ipv6.conf.eth0.disable_ipv6=1"]).unwrap();
    ip(&ce, "addr flush dev eth0");
    ip(&ce, "addr add 10.1.1.2/24 dev eth0");
    ip(&ce, "addr add fd00:1::2/64 dev eth0 nodad");
    ip(&ce, "addr add 10.11.0.1/24 dev lo");
    ip(&ce, "route add default via 10.1.1.1");
    ip(&ce, "route add default via fd00:1::1");
    ce
}

/// Pings until three in a row are answered.
fn pings(node: &Node, address: &str) {
    until(&format!("{} pings {address}", node.ns), PATIENCE, || {
        node.run(&["ping", "-c", "3", "-i", "0.2", "-W", "1", address])
    });
}

#[test]
fn customers_ping_each_other_through_our_pe_and_a_linux_pe() {
    let mut net = Net::new();
    let pe = net.node();
    let ce = near_customer(&mut net, &pe);
    tap(&pe, "tap0", &["198.51.100.1/24", "fe80::1/64"]);
    ip(&pe, "addr add 192.0.2.1/32 dev lo");
    ip(&pe, "route add 192.0.2.2/32 via 198.51.100.2");
    ip(&pe, "addr add fd00:99::1/128 dev lo");
    ip(&pe, "route add fd00:99::2/128 via fe80::2 dev tap0");
    pe.write("zebra.conf", "");
    pe.write("bgpd.conf", &bgpd());
    let _guest = Uml::start(&pe, "tap0", GUEST);
    let peers = [("192.0.2.1", "192.0.2.2", &["vpn-ipv4"]), ("fd00:99::1", "fd00:99::2", &["vpn-ipv6"])];
    let peer = |(own, far, families): (&str, &str, &'static [&'static str; 1])| Peer {
        local: Some(own.parse().unwrap()),
        ..Peer::new(far.parse::<IpAddr>().unwrap()).families(families)
    };
    let more = r#"
transport-labels = [900]
[[interface]]
name = "eth0"
vrf = "red"
addresses = ["10.1.1.1/24", "fd00:1::1/64"]
[[interface]]
name = "tap0"
addresses = ["198.51.100.1/24"]
[[tunnel]]
next-hop = "192.0.2.2"
via = "198.51.100.2"
[[tunnel]]
next-hop = "fd00:99::2"
via = "198.51.100.2"
[[static]]
vrf = "red"
prefix = "10.11.0.0/24"
via = "10.1.1.2"
"#;
    let config = Config {
        peers: peers.map(peer).to_vec(),
        vrf: Some(("65001:1", &[])),
        more: more.to_owned(),
        ..Config::default()
    };
    let frames = Frames::start(&pe, "tap0", "mpls");
    let ours = Ours::start(&pe, &config);
    ours.expect_up([192, 0, 2, 2], 1);
    // To our PE itself, and through it.
    for address in ["10.1.1.1", "fd00:1::1", "10.2.2.2", "fd00:2::2"] {
        pings(&ce, address);
    }
    until("the far customer reaches the near one and the network behind it", PATIENCE, || {
        let reached = std::fs::read_to_string(pe.dir.join("reached")).unwrap_or_default();
        let all = ["10.1.1.2", "fd00:1::2", "10.11.0.1"].iter().all(|a| reached.lines().any(|l| l == *a));
        if all { Ok(()) } else { Err(format!("{reached}\n{}", ours.ask("fib red"))) }
    });
    // Whatever went to the far PE had one label, of those that it handed out; whatever came from there, two.
    let vpn = ours.ask("vpn");
    let theirs: HashSet<String> = vpn["paths"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|path| path["rd"] == "65001:2")
        .map(|path| path["labels"][0].to_string())
        .collect();
    let labels = frames.fields("ip.src == 10.1.1.2 || ipv6.src == fd00:1::2", "mpls.label");
    assert!(labels.len() >= 6 && labels.iter().all(|l| theirs.contains(l)), "{labels:?}, announced {theirs:?}");
    let labels = frames.fields("ip.src == 10.2.2.2 || ipv6.src == fd00:2::2", "mpls.label");
    assert!(labels.len() >= 6 && labels.iter().all(|l| *l == format!("900,{LABEL}")), "{labels:?}");
}
