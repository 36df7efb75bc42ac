//! ExaBGP, from a virtual environment of Python that `ci/live.sh` makes: LAB_EXABGP names its program.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::super::net::{Node, Process};

/// A running ExaBGP that announces one label block.
pub struct ExaBgp {
    heard: PathBuf,
    _process: Process,
}

impl ExaBgp {
    /// Starts it towards a peer.
    pub fn start(node: &Node, peer: Ipv4Addr) -> Self {
        let heard = node.dir.join("heard.json");
        let script = node.write("listen.sh", &format!("#!/bin/sh\nexec cat >>{}\n", heard.display()));
        super::super::net::run(&["chmod", "755", script.to_str().unwrap()]).unwrap();
        let own = node.v4;
        let config = format!(
            "process listen {{ run {script}; encoder json; }}\n\
             neighbor {peer} {{\n router-id {own};\n local-address {own};\n local-as 65001;\n peer-as 65001;\n hold-time 9;\n\
             family {{ l2vpn vpls; }}\n\
             api {{ processes [ listen ]; receive {{ parsed; update; }} }}\n\
             l2vpn {{ vpls site {{ endpoint 5; base 10702; offset 1; size 8; rd 65001:55; next-hop {own};\n\
             extended-community [ target:65001:100 l2info:19:0:1500:100 ]; }} }}\n}}\n",
            script = script.display()
        );
        let file = node.write("exabgp.conf", &config);
        let program = std::env::var("LAB_EXABGP").expect("LAB_EXABGP: ci/live.sh sets it");
        let mut command = node.command("env");
        command.args(["exabgp_daemon_user=root", "exabgp_daemon_drop=false", "exabgp_api_cli=false"]).arg(program);
        command.arg("server").arg(file);
        Self { heard, _process: Process::start(node, &mut command) }
    }

    /// Whether it was told something with these words.
    pub fn heard(&self, words: &str) -> Result<(), String> {
        let text = std::fs::read_to_string(&self.heard).unwrap_or_default();
        if text.contains(words) { Ok(()) } else { Err(text) }
    }
}
