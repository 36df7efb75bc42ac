//! GoBGP.

use std::fmt::Write;
use std::net::IpAddr;

use serde_json::Value;

use super::net::{Node, Process, run, until};
use super::route::{ASN, Route, Router, TARGET};

/// One `[[neighbors]]`.
#[derive(Clone, Debug)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// It is a client of GoBGP as a route reflector.
    pub client: bool,
    /// It connects, GoBGP waits.
    pub passive: bool,
}

/// What GoBGP is to do.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// All in AS 65001.
    pub neighbors: Vec<Neighbor>,
    /// Hold time in seconds; 0 leaves GoBGP's.
    pub hold: u32,
    /// Offer graceful restart.
    pub graceful_restart: bool,
    /// Offer long-lived graceful restart beside it, after a restart time of 5 s instead of 60 s.
    pub long_lived: bool,
    /// The RD of a VRF `red`.
    pub vrf: Option<String>,
    /// Families by GoBGP's names; none stands for both of VPN unicast.
    pub families: Vec<&'static str>,
}

impl Config {
    fn text(&self, node: &Node) -> String {
        let mut t = format!("[global.config]\n as = {ASN}\n router-id = \"{}\"\n", node.v4);
        if let Some(rd) = &self.vrf {
            let _ = writeln!(
                t,
                "[[vrfs]]\n[vrfs.config]\n name = \"red\"\n id = 1\n rd = \"{rd}\"\n both-rt-list = [\"{TARGET}\"]"
            );
        }
        for n in &self.neighbors {
            let _ = writeln!(
                t,
                "[[neighbors]]\n[neighbors.config]\n neighbor-address = \"{}\"\n peer-as = {ASN}",
                n.address
            );
            if n.client {
                let _ = writeln!(
                    t,
                    "[neighbors.route-reflector.config]\n route-reflector-client = true\n route-reflector-cluster-id = \"{}\"",
                    node.v4
                );
            }
            let _ = writeln!(t, "[neighbors.transport.config]\n passive-mode = {}", n.passive);
            t += "[neighbors.timers.config]\n connect-retry = 1\n idle-hold-time-after-reset = 1\n";
            if self.hold != 0 {
                let _ = writeln!(t, " hold-time = {}\n keepalive-interval = {}", self.hold, self.hold / 3);
            }
            if self.graceful_restart {
                let time = if self.long_lived { 5 } else { 60 };
                let _ = writeln!(t, "[neighbors.graceful-restart.config]\n enabled = true\n restart-time = {time}");
                if self.long_lived {
                    t += " long-lived-enabled = true\n";
                }
            }
            let vpn = &["l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"][..];
            for family in if self.families.is_empty() { vpn } else { &self.families } {
                let _ = writeln!(
                    t,
                    "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n afi-safi-name = \"{family}\"\n\
                     [neighbors.afi-safis.mp-graceful-restart.config]\n enabled = {}",
                    self.graceful_restart
                );
                if self.long_lived {
                    t += "[neighbors.afi-safis.long-lived-graceful-restart.config]\n enabled = true\n restart-time = 300\n";
                }
            }
        }
        t
    }
}

/// A running gobgpd.
pub struct GoBgp {
    node: Node,
    process: Process,
}

impl GoBgp {
    /// Starts it and waits until it can be asked.
    pub fn start(node: &Node, config: &Config) -> Self {
        node.write("gobgp.toml", &config.text(node));
        let mut gobgp = Self { node: node.clone(), process: Self::spawn(node, false) };
        gobgp.wait_for_api();
        gobgp
    }

    fn spawn(node: &Node, restarting: bool) -> Process {
        let mut command = node.command("gobgpd");
        command.args(["-t", "toml", "--api-hosts", "127.0.0.1:50051", "-f"]).arg(node.dir.join("gobgp.toml"));
        if restarting {
            command.arg("-r");
        }
        Process::start(node, &mut command)
    }

    fn wait_for_api(&mut self) {
        until("gobgpd answers", super::PATIENCE, || {
            self.process.check()?;
            self.node.run(&["gobgp", "global"])
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with the same configuration; `graceful` announces a restart (RFC 4724 §3, the R bit).
    pub fn restart(&mut self, graceful: bool) {
        self.process = Self::spawn(&self.node, graceful);
        self.wait_for_api();
    }

    /// Runs `gobgp` with these words.
    pub fn control(&self, words: &str) -> Result<String, String> {
        self.node.run(&[&["gobgp"][..], &words.split_whitespace().collect::<Vec<_>>()].concat())
    }

    /// Originates a VPN route as a PE would, with label and next hop of its own.
    pub fn originate(&self, route: &Route) {
        let family = if route.is_v6() { "vpnv6" } else { "vpnv4" };
        let Route { rd, prefix, label, next_hop, .. } = route;
        let words = format!("global rib add -a {family} {prefix} label {label} rd {rd} rt {TARGET} nexthop {next_hop}");
        self.control(&words).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Originates many VPN routes.
    pub fn originate_all(&self, routes: &[Route]) {
        let line = |r: &Route| {
            let family = if r.is_v6() { "vpnv6" } else { "vpnv4" };
            let Route { rd, prefix, label, next_hop, .. } = r;
            format!(
                "gobgp global rib add -a {family} {prefix} label {label} rd {rd} rt {TARGET} nexthop {next_hop} || exit\n"
            )
        };
        let script = self.node.write("originate.sh", &routes.iter().map(line).collect::<String>());
        self.node.run(&["sh", script.to_str().unwrap()]).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Originates a route of the VRF `red`, with the label and next hop that GoBGP chooses: 0 and its own address.
    pub fn originate_in_vrf(&self, prefix: &str) {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        self.control(&format!("vrf red rib add {prefix} -a {family}")).unwrap_or_else(|e| panic!("{e}"));
    }
}

impl Router for GoBgp {
    fn name(&self) -> &'static str {
        "GoBGP"
    }

    fn routes(&self) -> Result<Vec<Route>, String> {
        let mut routes = vec![];
        for family in ["vpnv4", "vpnv6"] {
            let text = run(&["ip", "netns", "exec", &self.node.ns, "gobgp", "global", "rib", "-a", family, "-j"])?;
            // Without routes it prints a sentence instead of JSON.
            let Ok(Value::Object(table)) = serde_json::from_str(&text) else { continue };
            routes.extend(table.values().filter_map(Value::as_array).flatten().filter_map(route));
        }
        Ok(routes)
    }
}

fn route(path: &Value) -> Option<Route> {
    let attribute = |kind: u64| path["attrs"].as_array()?.iter().find(|a| a["type"].as_u64() == Some(kind));
    let nlri = &path["nlri"];
    let mut targets: Vec<String> = attribute(16)
        .and_then(|a| a["value"].as_array())
        .into_iter()
        .flatten()
        .filter(|c| c["subtype"].as_u64() == Some(2))
        .filter_map(|c| c["value"].as_str().map(String::from))
        .collect();
    targets.sort();
    Some(Route {
        rd: format!("{}:{}", nlri["rd"]["admin"], nlri["rd"]["assigned"]).replace('"', ""),
        prefix: nlri["prefix"].as_str()?.into(),
        label: nlri["labels"][0].as_u64()?,
        next_hop: attribute(14)?["nexthop"].as_str()?.parse::<IpAddr>().ok()?.to_canonical(),
        targets,
    })
}
