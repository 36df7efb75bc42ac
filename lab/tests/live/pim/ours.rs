//! `lab multicast` in a node.

use std::fmt::Write as _;
use std::ops::Deref;

use serde_json::Value;

use super::super::net::Node;
use super::super::running::Running;
use super::{Family, Place, interface};

/// A running `lab multicast`.
pub struct Ours(Running);

impl Deref for Ours {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}

fn config(place: &Place) -> String {
    let n = place.number;
    let both = [Family::V4, Family::V6];
    let mut t = format!("loopbacks = {:?}\n", both.map(|f| f.loopback(n).to_string()));
    if let Some(priority) = place.candidate {
        let _ = writeln!(t, "candidate-bsr = {priority}\nbsr-period = {}.0", place.bsr_period);
        let _ = writeln!(t, "candidate-rp = {:?}", both.map(|f| f.groups()));
    }
    for (i, lan) in place.lans.iter().enumerate() {
        let mut addresses = both.map(|f| format!("{}/{}", f.address(*lan, n), f.len())).to_vec();
        addresses.push(format!("fe80::{lan}:{n}/64"));
        let (name, priority) = (interface(i), place.dr_priority);
        let _ = writeln!(t, "[[interface]]\nname = \"{name}\"\naddresses = {addresses:?}\ndr-priority = {priority}");
        let _ = writeln!(t, "hello = {}.0", place.hello);
    }
    for family in both {
        for (to, (lan, via)) in &place.routes {
            let _ =
                writeln!(t, "[[route]]\nprefix = \"{}\"\nvia = \"{}\"", to.prefix(family), family.address(*lan, *via));
        }
        if let Some(rp) = place.rp {
            let (range, address) = (family.groups(), family.loopback(rp));
            let _ = writeln!(t, "[[rp]]\nrange = \"{range}\"\naddress = \"{address}\"");
        }
    }
    t
}

impl Ours {
    /// Starts it on interfaces that the kernel leaves alone.
    pub fn start(node: &Node, place: &Place) -> Self {
        for i in 0..place.lans.len() {
            node.run(&["sysctl", "-qw", &format!("net.ipv6.conf.{}.disable_ipv6=1", interface(i))]).unwrap();
        }
        Self(Running::start(node, "multicast", &config(place)))
    }

    /// What it says of a family.
    pub fn family(&self, family: Family) -> Value {
        self.ask("show")[of(family)].clone()
    }

    /// Waits until an interface has so many neighbours.
    pub fn expect_neighbors(&self, family: Family, interface: usize, n: usize) {
        self.expect(&format!("{n} neighbours on interface {interface}"), "show", |state| {
            state[of(family)]["interfaces"][interface]["neighbors"].as_array().map_or(0, Vec::len) == n
        });
    }

    /// kill -9.
    pub fn kill(self) {
        self.0.kill();
    }
}

/// The name of a family in what it says.
const fn of(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
