//! Our label switching router beside FRR's ldpd and bfdd, and between two Linux kernels with MPLS.

mod bfd;
pub mod frr;
mod kernel;
mod oracle;
mod oracle_mapping;
mod oracle_oam;
mod oracle_parameter;
mod ours;
mod pseudowire;
mod security;
mod session;

use super::net::{Net, Node, run};

/// Node 1 is ours, node 2 FRR's: 198.51.100.N and fe80::N on the link, 192.0.2.N and 2001:db8:ff::N as loopbacks, with routes to
/// each other.
pub struct Pair {
    pub net: Net,
    pub ours: Node,
    pub far: Node,
}

/// Runs `ip` in a node.
pub fn ip(node: &Node, words: &str) {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&[&["ip", "-n", &node.ns], words.as_slice()].concat()).unwrap_or_else(|e| panic!("{e}"));
}

impl Pair {
    /// Both nodes.
    pub fn new() -> Self {
        let mut net = Net::new();
        let (ours, far) = (net.node(), net.node());
        for (node, own, other) in [(&ours, 1, 2), (&far, 2, 1)] {
            ip(node, &format!("addr add fe80::{own}/64 dev eth0 nodad"));
            ip(node, &format!("addr add 192.0.2.{own}/32 dev lo"));
            ip(node, &format!("addr add 2001:db8:ff::{own}/128 dev lo"));
            ip(node, &format!("route add 192.0.2.{other}/32 via 198.51.100.{other}"));
            ip(node, &format!("route add 2001:db8:ff::{other}/128 via fe80::{other} dev eth0"));
        }
        Self { net, ours, far }
    }
}

/// The families that a session runs over and labels are exchanged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both; the session is over IPv6.
    Both,
}

impl Families {
    const fn v4(self) -> bool {
        !matches!(self, Self::V6)
    }

    const fn v6(self) -> bool {
        !matches!(self, Self::V4)
    }
}

/// Our configuration in a [`Pair`], and what is added to it.
pub fn our_config(families: Families, top: &str, more: &str) -> String {
    let mut transport = Vec::new();
    let (mut egress, mut routes) = (Vec::new(), String::new());
    if families.v4() {
        transport.push("192.0.2.1");
        egress.push("192.0.2.1/32");
        routes += "[[route]]\nprefix = \"192.0.2.2/32\"\nvia = \"198.51.100.2\"\n";
    }
    if families.v6() {
        transport.push("2001:db8:ff::1");
        egress.push("2001:db8:ff::1/128");
        routes += "[[route]]\nprefix = \"2001:db8:ff::2/128\"\nvia = \"fe80::2\"\n";
    }
    format!(
        "router-id = \"192.0.2.1\"\ntransport = {transport:?}\negress = {egress:?}\nlink-hold = 6\n{top}\n[[interface]]\n\
         name = \"eth0\"\naddresses = [\"198.51.100.1/24\", \"2001:db8::1/64\", \"fe80::1/64\"]\n{routes}{more}"
    )
}

/// ldpd's configuration in a [`Pair`]. A targeted neighbour needs `neighbor 192.0.2.1 targeted` in `v4`.
pub fn frr_config(families: Families, v4: &str, more: &str) -> String {
    let mut text =
        "mpls ldp\n router-id 192.0.2.2\n discovery hello holdtime 6\n discovery hello interval 2\n !\n".to_owned();
    if families.v4() {
        text += " address-family ipv4\n  discovery transport-address 192.0.2.2\n";
        text += v4;
        text += "  !\n  interface eth0\n  !\n exit-address-family\n !\n";
    }
    if families.v6() {
        text += " address-family ipv6\n  discovery transport-address 2001:db8:ff::2\n  !\n  interface eth0\n  !\n \
                 exit-address-family\n !\n";
    }
    text + "!\n" + more
}
