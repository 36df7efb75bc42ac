//! OpenBGPD as a route reflector. Its portable version originates no VPN routes: it lacks the mpe(4) interface.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use super::net::{Node, Process};
use super::route::ASN;

/// A running bgpd.
pub struct OpenBgpd {
    _process: Process,
}

impl OpenBgpd {
    /// Starts it with these clients.
    pub fn start(node: &Node, clients: &[Ipv4Addr]) -> Self {
        let mut t = format!(
            "AS {ASN}\nrouter-id {0}\nholdtime 9\nlisten on {0}\nfib-update no\nsocket \"{1}/ctl\"\n",
            node.v4,
            node.dir.display()
        );
        for client in clients {
            let _ = writeln!(
                t,
                "neighbor {client} {{\n remote-as {ASN}\n route-reflector\n passive\n announce IPv4 none\n announce IPv4 vpn\n \
                 announce IPv6 vpn\n}}"
            );
        }
        t += "nexthop qualify via default\nallow from any\nallow to any\n";
        let conf = node.write("bgpd.conf", &t);
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir_all("/run/openbgpd").unwrap();
        let mut command = node.command("/usr/sbin/bgpd");
        command.args(["-d", "-f"]).arg(&conf);
        Self { _process: Process::start(node, &mut command) }
    }
}
