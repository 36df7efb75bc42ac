//! A Linux with MPLS, VRF devices, GRE, ESP and PPP: user-mode Linux, which runs as an ordinary process in a node, its one interface a
//! tap of the node. `ci/live.sh` unpacks it and says in `LAB_UML` where.

use std::path::PathBuf;

use super::PATIENCE;
use super::net::{Node, Process, run, until};

/// A running guest. It shares this machine's files, so that `node.dir` is how it and the test tell each other things.
pub struct Uml {
    _process: Process,
}

impl Uml {
    /// Boots it in a node, `vec0` at the other end of the node's interface `tap`, and runs `script` in it.
    pub fn start(node: &Node, tap: &str, script: &str) -> Self {
        let root = std::env::var("LAB_UML").expect("LAB_UML: ci/live.sh unpacks user-mode Linux and sets it");
        let (root, init) = (PathBuf::from(root), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/uml/init.sh"));
        node.write("guest.sh", script);
        let mut command = node.command(root.join("usr/bin/linux.uml").to_str().unwrap());
        command
            .args(["mem=384M", "root=/dev/root", "rootfstype=hostfs", "rw", "quiet", "con=null", "con0=null,fd:1"])
            .arg(format!("init={init}"))
            .arg(format!("W={}", node.dir.display()))
            .arg(format!("MODULES={}", root.join("modules").display()))
            .arg(format!("vec0:transport=tap,ifname={tap}"))
            // Its memory is a file that it makes and removes.
            .env("TMPDIR", &node.dir);
        Self { _process: Process::start(node, &mut command) }
    }
}

/// Waits until the guest in a node has written a file.
pub fn wait(node: &Node, file: &str) {
    let log = || std::fs::read_to_string(node.dir.join("guest.log")).unwrap_or_default();
    until(&format!("the guest writes {file}"), PATIENCE, || {
        if node.dir.join(file).exists() { Ok(()) } else { Err(log()) }
    });
}

/// A tap of a node, up, with these addresses.
pub fn tap(node: &Node, name: &str, addresses: &[&str]) {
    let must = |words: &[&str]| run(&[&["ip", "-n", &node.ns], words].concat()).unwrap_or_else(|e| panic!("{e}"));
    must(&["tuntap", "add", name, "mode", "tap"]);
    must(&["link", "set", name, "up"]);
    for address in addresses {
        must(&["addr", "add", address, "dev", name, "nodad"]);
    }
}
