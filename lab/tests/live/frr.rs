//! FRR's bgpd, without zebra.

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;

use serde_json::Value;

use super::net::{Node, Process, run};
use super::route::{ASN, Route, Router, TARGET};

/// One `neighbor`.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// It is a client of FRR as a route reflector.
    pub client: bool,
    /// The session carries VPN-IPv4 and VPN-IPv6; otherwise only the family of its address. Over an IPv4 session FRR 8.4 puts itself
    /// in as the next hop of VPN-IPv6 routes that it reflects.
    pub both_families: bool,
    /// Next hops of IPv4 families may be IPv6 (RFC 8950).
    pub extended_next_hop: bool,
}

/// What FRR is to do.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// All in AS 65001.
    pub neighbors: Vec<Neighbor>,
    /// Hold time in seconds; 0 leaves FRR's.
    pub hold: u32,
    /// Announce the graceful restart capability with preserved forwarding state.
    pub graceful_restart: bool,
    /// Send all paths of a destination, not the best alone (RFC 7911).
    pub all_paths: bool,
    /// RD, prefix and label of what it originates.
    pub networks: Vec<(String, String, u32)>,
}

impl Config {
    fn text(&self, node: &Node) -> String {
        // The route map comes first: a network that names one not known yet is not announced.
        let mut t = format!(
            "route-map TARGET permit 10\n set extcommunity rt {TARGET}\nexit\n\
             router bgp {ASN}\n bgp router-id {}\n no bgp default ipv4-unicast\n",
            node.v4
        );
        if self.graceful_restart {
            t += " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time 60\n";
        }
        for n in &self.neighbors {
            let _ = writeln!(t, " neighbor {} remote-as {ASN}\n neighbor {0} timers connect 1", n.address);
            if self.hold != 0 {
                let _ = writeln!(t, " neighbor {} timers {} {}", n.address, self.hold / 3, self.hold);
            }
            if n.extended_next_hop {
                let _ = writeln!(t, " neighbor {} capability extended-nexthop", n.address);
            }
        }
        for v6 in [false, true] {
            let _ = writeln!(t, " address-family ipv{} vpn", if v6 { 6 } else { 4 });
            for n in self.neighbors.iter().filter(|n| n.both_families || n.address.is_ipv6() == v6) {
                let _ = writeln!(t, "  neighbor {} activate", n.address);
                if n.client {
                    let _ = writeln!(t, "  neighbor {} route-reflector-client", n.address);
                }
                if self.all_paths {
                    let _ = writeln!(t, "  neighbor {} addpath-tx-all-paths", n.address);
                }
            }
            for (rd, prefix, label) in self.networks.iter().filter(|(_, p, _)| p.contains(':') == v6) {
                let _ = writeln!(t, "  network {prefix} rd {rd} label {label} route-map TARGET");
            }
            t += " exit-address-family\n";
        }
        t
    }
}

/// A running bgpd.
pub struct Frr {
    node: Node,
    process: Process,
}

impl Frr {
    /// Starts it.
    pub fn start(node: &Node, config: &Config) -> Self {
        Self::start_with(node, &config.text(node))
    }

    /// Starts it with a configuration of its own kind.
    pub fn start_with(node: &Node, config: &str) -> Self {
        let conf = node.write("frr.conf", config);
        // bgpd runs as user frr, and vtysh wants a configuration of its own to say nothing.
        let run_dir = format!("/run/frr/{}", node.ns);
        fs::create_dir_all(&run_dir).unwrap();
        for path in [&run_dir, node.dir.to_str().unwrap(), conf.to_str().unwrap()] {
            run(&["chown", "frr:frr", path]).unwrap();
        }
        let process = Self::spawn(node);
        Self { node: node.clone(), process }
    }

    fn spawn(node: &Node) -> Process {
        let dir = node.dir.display();
        let mut command = node.command("/usr/lib/frr/bgpd");
        command.args(["-N", &node.ns, "-Z", "-S", "-f", &format!("{dir}/frr.conf"), "-i", &format!("{dir}/pid")]);
        command.args(["--vty_port", "0"]);
        Process::start(node, &mut command)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with the same configuration.
    pub fn restart(&mut self) {
        self.process = Self::spawn(&self.node);
    }

    /// What a show command prints.
    pub fn show(&self, command: &str) -> Result<String, String> {
        run(&["vtysh", "-N", &self.node.ns, "-d", "bgpd", "-c", command])
    }

    /// What a show command prints as JSON.
    pub fn json(&self, command: &str) -> Result<Value, String> {
        let text = self.show(command)?;
        // An empty table is not even an empty object.
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|e| format!("{command}: {e}: {text}"))
    }

    /// The paths of one VPN route that have a label of somebody else's.
    pub fn route(&self, rd: &str, prefix: &str) -> Result<Vec<Route>, String> {
        let family = if prefix.contains(':') { 6 } else { 4 };
        let shown = self.json(&format!("show bgp ipv{family} vpn rd {rd} {prefix} json"))?;
        let paths = shown.pointer(&format!("/{rd}/paths")).and_then(Value::as_array);
        Ok(paths.into_iter().flatten().filter_map(|path| route(rd, prefix, path)).collect())
    }

    /// RD and prefix of every VPN route of one family.
    pub fn prefixes(&self, v6: bool) -> Result<Vec<(String, String)>, String> {
        let list = self.json(&format!("show bgp ipv{} vpn json", if v6 { 6 } else { 4 }))?;
        let Some(rds) = list.pointer("/routes/routeDistinguishers").and_then(Value::as_object) else {
            return Ok(vec![]);
        };
        Ok(rds
            .iter()
            .flat_map(|(rd, routes)| routes.as_object().into_iter().flatten().map(|(p, _)| (rd.clone(), p.clone())))
            .collect())
    }
}

impl Router for Frr {
    fn name(&self) -> &'static str {
        "FRR"
    }

    fn routes(&self) -> Result<Vec<Route>, String> {
        let mut routes = vec![];
        for v6 in [false, true] {
            for (rd, prefix) in self.prefixes(v6)? {
                routes.extend(self.route(&rd, &prefix)?);
            }
        }
        Ok(routes)
    }
}

fn route(rd: &str, prefix: &str, path: &Value) -> Option<Route> {
    let communities = path.pointer("/extendedCommunity/string").and_then(Value::as_str).unwrap_or_default();
    let mut targets: Vec<String> =
        communities.split_whitespace().filter_map(|c| c.strip_prefix("RT:")).map(String::from).collect();
    targets.sort();
    Some(Route {
        rd: rd.into(),
        prefix: prefix.into(),
        label: path.get("remoteLabel")?.as_u64()?,
        next_hop: path.pointer("/nexthops/0/ip")?.as_str()?.parse::<IpAddr>().ok()?.to_canonical(),
        targets,
    })
}
