//! `lab vpls` in a node.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::ops::Deref;

use serde_json::Value;

use super::super::net::Node;
use super::super::running::Running;

/// What a PE is to do.
#[derive(Clone, Debug, Default)]
pub struct Pe {
    /// BGP peers.
    pub peers: Vec<Ipv4Addr>,
    /// Other PEs, neighbours on the core link.
    pub pes: Vec<Ipv4Addr>,
    /// Lines of the instance's table.
    pub vsi: String,
    /// Interfaces of circuits.
    pub circuits: Vec<&'static str>,
    /// Whether LDP runs.
    pub ldp: bool,
    /// Whether its Targeted Hellos hold 45 s, not 9.
    pub is_patient: bool,
}

/// A running `lab vpls`.
pub struct Ours(Running);

impl Deref for Ours {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}

fn config(node: &Node, pe: &Pe) -> String {
    let own = node.v4;
    let mut t = format!(
        "asn = 65001\nrouter-id = \"{own}\"\nldp = {}\ntargeted-hold = {}\n[core]\nname = \"eth0\"\naddresses = [\"{own}/24\"]\n",
        pe.ldp,
        if pe.is_patient { 45 } else { 9 }
    );
    for peer in &pe.peers {
        let _ = writeln!(t, "[[peer]]\naddress = \"{peer}\"\nlocal-address = \"{own}\"");
    }
    for other in &pe.pes {
        let _ = writeln!(t, "[[pe]]\naddress = \"{other}\"");
    }
    let _ = writeln!(t, "[[vsi]]\nid = 1\nrd = \"65001:{}\"\ntargets = [\"65001:100\"]\n{}", own.octets()[3], pe.vsi);
    for circuit in &pe.circuits {
        let _ = writeln!(t, "[[vsi.circuit]]\ninterface = \"{circuit}\"");
    }
    t
}

impl Ours {
    /// Starts it on circuits that the kernel leaves alone.
    pub fn start(node: &Node, pe: &Pe) -> Self {
        for circuit in &pe.circuits {
            node.run(&["sysctl", "-qw", &format!("net.ipv6.conf.{circuit}.disable_ipv6=1")]).unwrap();
        }
        Self(Running::start(node, "vpls", &config(node, pe)))
    }

    /// Waits until so many pseudowires of the instance carry frames.
    pub fn expect_up(&self, n: usize) {
        self.expect(&format!("{n} pseudowires up"), "show", |state| {
            let pws = state["vsis"][0]["pseudowires"].as_array().into_iter().flatten();
            pws.filter(|pw| pw["state"] == "Up").count() == n
        });
    }

    /// The routes that a peer sent.
    pub fn routes(&self, peer: Ipv4Addr) -> Vec<Value> {
        let state = self.ask("show");
        let peers = state["peers"].as_array().cloned().unwrap_or_default();
        let found = peers.into_iter().find(|p| p["address"] == peer.to_string());
        found.and_then(|p| p["routes"].as_array().cloned()).unwrap_or_default()
    }

    /// How often the session with a peer came up.
    pub fn ups(&self, peer: Ipv4Addr) -> usize {
        self.heard(|l| l["event"] == "established" && l["peer"] == peer.to_string()).len()
    }

    /// How often it went down.
    pub fn downs(&self, peer: Ipv4Addr) -> usize {
        self.heard(|l| l["event"] == "down" && l["peer"] == peer.to_string()).len()
    }
}
