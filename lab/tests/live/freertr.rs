//! freeRtr, which speaks VPLS by RFC 6074 and by RFC 4761. `ci/freertr/run.sh` builds it.

use std::path::Path;

use super::net::{Node, Process};

/// A running freeRtr.
pub struct FreeRtr {
    _router: Process,
}

impl FreeRtr {
    /// Starts it in a node whose interface `eth0`, with the node's address, becomes its `ethernet1` in the VRF `v1`. `more` are
    /// lines of its configuration behind those of the interface.
    pub fn start(node: &Node, interface: &str, more: &str) -> Self {
        let home = std::env::var("LAB_FREERTR").expect("LAB_FREERTR names its directory: run ci/freertr/run.sh");
        let home = Path::new(&home);
        // It has its own IP, beside which the kernel's would answer.
        for words in ["ip addr flush dev eth0", "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"] {
            node.run(&words.split(' ').collect::<Vec<_>>()).unwrap();
        }
        let [.., n] = node.v4.octets();
        // It starts the program that turns frames into datagrams again whenever that ends, as when nobody listens yet.
        let hardware = format!(
            "hwid live\nint eth1 eth 0200.0000.00{n:02x} 127.0.0.1 26001 127.0.0.1 26002\n\
             proc frames {}/rawInt eth0 26002 127.0.0.1 26001 127.0.0.1\n",
            home.display()
        );
        let software = format!(
            "hostname r{n}\nvrf definition v1\n rd 65001:{n}\n label-mode per-prefix\n exit\ninterface ethernet1\n vrf forwarding v1\n \
             ipv4 address {} 255.255.255.0\n {interface}\n exit\n{more}",
            node.v4
        );
        let (hardware, software) = (node.write("rtr-hw.txt", &hardware), node.write("rtr-sw.txt", &software));
        let mut router = node.command(home.join("java").to_str().unwrap());
        router.arg("-Xmx512m").arg("-cp").arg(home.join("classes")).args(["org.freertr.router", "routers"]);
        router.args([hardware, software]);
        Self { _router: Process::start(node, &mut router) }
    }
}
