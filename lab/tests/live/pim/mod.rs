//! Our multicast router and FRR's pimd and pim6d in one network, with hosts that are kernels.
//!
//! Three routers stand in a line, with a source's host at one end and a member's at the other, and ours is each of them in turn.

mod dr;
mod frr;
pub mod host;
mod lan;
mod line;
mod oracle;
mod ours;
mod pimd;
mod wire;

use std::net::IpAddr;

use super::net::{Net, Node, run};

/// Families: their addresses differ in nothing but the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4, PIM and IGMPv3.
    V4,
    /// IPv6, PIM and MLDv2.
    V6,
}

impl Family {
    /// Host `n` on LAN `lan`.
    pub fn address(self, lan: u8, n: u8) -> IpAddr {
        match self {
            Self::V4 => format!("10.{lan}.0.{n}"),
            Self::V6 => format!("fd00:{lan}::{n}"),
        }
        .parse()
        .unwrap()
    }

    /// The loopback of router `n`.
    pub fn loopback(self, n: u8) -> IpAddr {
        match self {
            Self::V4 => format!("10.255.0.{n}"),
            Self::V6 => format!("fd00:ff::{n}"),
        }
        .parse()
        .unwrap()
    }

    /// An any-source group.
    pub fn asm(self) -> IpAddr {
        match self {
            Self::V4 => "239.1.1.1",
            Self::V6 => "ff1e::1:1",
        }
        .parse()
        .unwrap()
    }

    /// A source-specific group.
    pub fn ssm(self) -> IpAddr {
        match self {
            Self::V4 => "232.1.1.1",
            Self::V6 => "ff3e::8000:1",
        }
        .parse()
        .unwrap()
    }

    /// All groups that an RP may serve.
    pub const fn groups(self) -> &'static str {
        match self {
            Self::V4 => "224.0.0.0/4",
            Self::V6 => "ff00::/8",
        }
    }

    /// The subnet of a LAN.
    pub fn subnet(self, lan: u8) -> String {
        match self {
            Self::V4 => format!("10.{lan}.0.0/24"),
            Self::V6 => format!("fd00:{lan}::/64"),
        }
    }

    /// A host's address as a prefix.
    pub const fn host_len(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The length of a LAN's subnet.
    pub const fn len(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

/// A router of the network: its number, the LANs it is on, and its static routes.
#[derive(Clone, Debug)]
pub struct Place {
    /// 1 to 9: the last part of its addresses.
    pub number: u8,
    /// LANs, in the order of its interfaces `eth0`, `eth1`, ...
    pub lans: Vec<u8>,
    /// Destination and next hop: a LAN or a loopback, by a router on a LAN.
    pub routes: Vec<(To, (u8, u8))>,
    /// DR priority on each interface.
    pub dr_priority: u32,
    /// The RP of all groups, by its number; none: by BSR.
    pub rp: Option<u8>,
    /// Its priority as candidate BSR; then it is candidate RP, too.
    pub candidate: Option<u8>,
    /// Seconds between Bootstrap messages, where it is ours. FRR's are 60.
    pub bsr_period: u8,
    /// Seconds between Hellos, where it is ours.
    pub hello: u8,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// A LAN.
    Lan(u8),
    /// A router's loopback.
    Router(u8),
}

impl To {
    /// The prefix.
    pub fn prefix(self, family: Family) -> String {
        match self {
            Self::Lan(lan) => family.subnet(lan),
            Self::Router(n) => format!("{}/{}", family.loopback(n), family.host_len()),
        }
    }
}

/// The interface of a place.
pub fn interface(at: usize) -> String {
    format!("eth{at}")
}

/// Runs `ip` in a node.
pub fn ip(node: &Node, words: &str) {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&[&["ip", "-n", &node.ns], words.as_slice()].concat()).unwrap_or_else(|e| panic!("{e}"));
}

/// Gives the kernel of a node addresses and routes, and lets it forward.
pub fn kernel_router(node: &Node, place: &Place) {
    let n = place.number;
    for (i, lan) in place.lans.iter().enumerate() {
        ip(node, &format!("addr add {}/24 dev {}", Family::V4.address(*lan, n), interface(i)));
        ip(node, &format!("addr add {}/64 dev {} nodad", Family::V6.address(*lan, n), interface(i)));
    }
    ip(node, &format!("addr add {}/32 dev lo", Family::V4.loopback(n)));
    ip(node, &format!("addr add {}/128 dev lo", Family::V6.loopback(n)));
    let forward = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0"];
    node.run(&[&["sysctl", "-qw"], &forward[..]].concat()).unwrap();
    for family in [Family::V4, Family::V6] {
        for (to, (lan, via)) in &place.routes {
            ip(node, &format!("route add {} via {}", to.prefix(family), family.address(*lan, *via)));
        }
    }
}

/// The nodes of routers and hosts, joined by LANs: hosts are on the LANs that they name.
pub fn nodes(net: &mut Net, places: &[Place], hosts: &[u8]) -> (Vec<Node>, Vec<Node>) {
    let routers: Vec<Node> = places.iter().map(|_| net.bare()).collect();
    let at: Vec<Node> = hosts.iter().map(|_| net.bare()).collect();
    let mut lans: Vec<u8> = places.iter().flat_map(|p| p.lans.clone()).collect();
    lans.sort_unstable();
    lans.dedup();
    let names: Vec<String> = (0..4).map(interface).collect();
    for lan in lans {
        let of = |(place, node): (&Place, &Node)| {
            let i = place.lans.iter().position(|l| *l == lan)?;
            Some((node.clone(), names[i].clone()))
        };
        let mut ends: Vec<(Node, String)> = places.iter().zip(&routers).filter_map(of).collect();
        ends.extend(hosts.iter().zip(&at).filter(|(l, _)| **l == lan).map(|(_, n)| (n.clone(), interface(0))));
        let ends: Vec<(&Node, &str)> = ends.iter().map(|(node, name)| (node, name.as_str())).collect();
        net.lan(&ends);
    }
    for (n, (lan, node)) in (0..).zip(hosts.iter().zip(&at)) {
        for family in [Family::V4, Family::V6] {
            let nodad = if family == Family::V6 { "nodad" } else { "" };
            ip(node, &format!("addr add {}/{} dev eth0 {nodad}", family.address(*lan, 100 + n), family.len()));
        }
        node.run(&["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0"]).unwrap();
        // What a host sends to groups leaves by its only interface, wherever the source of what it hears is.
        ip(node, "route add default dev eth0");
        ip(node, "route add 224.0.0.0/4 dev eth0");
    }
    (routers, at)
}
