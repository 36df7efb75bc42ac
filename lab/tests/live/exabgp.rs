//! ExaBGP 5, for the services that it originates and for what it prints of those it receives. `ci/live.sh` installs it.

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::net::{Node, Process};
use super::route::ASN;

/// A running exabgp that writes down what it receives.
pub struct ExaBgp {
    _process: Process,
    received: PathBuf,
}

impl ExaBgp {
    /// Starts it with one neighbour and these lines of its `l2vpn` section.
    pub fn start(node: &Node, neighbor: IpAddr, l2vpn: &str) -> Self {
        let received = node.dir.join("received.json");
        // The shell stays: a helper whose output is closed counts as dead.
        let dump = node.write("dump.sh", &format!("cat >{}\n:\n", received.display()));
        let text = format!(
            "process dump {{ run /bin/sh {}; encoder json; }}\n\
             neighbor {neighbor} {{\n router-id {};\n local-address {};\n local-as {ASN};\n peer-as {ASN};\n hold-time 9;\n\
             family {{ l2vpn vpls; }}\n api {{ processes [ dump ]; receive {{ parsed; update; }} }}\n l2vpn {{ {l2vpn} }}\n}}\n",
            dump.display(),
            node.v4,
            node.v4
        );
        let config = node.write("exabgp.conf", &text);
        let program = std::env::var("LAB_EXABGP").expect("LAB_EXABGP names the program: run ci/live.sh");
        let mut command = node.command(&program);
        command.env("exabgp_daemon_user", "root").env("exabgp_tcp_port", "179").arg("server").arg(config);
        Self { _process: Process::start(node, &mut command), received }
    }

    /// The UPDATEs received, as ExaBGP prints them.
    pub fn updates(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.received).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line.pointer("/neighbor/message/update").cloned()).collect()
    }
}
