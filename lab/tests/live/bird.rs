//! BIRD 2.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::net::{Node, Process, run, until};
use super::route::{ASN, Route, Router, TARGET};

/// What BIRD is to do: a session over IPv4 with VPN-IPv4 and one over IPv6 with VPN-IPv6. BIRD takes no IPv4-mapped next hop, so one
/// session cannot carry both.
#[derive(Clone, Debug)]
pub struct Config {
    /// The neighbours.
    pub neighbors: Vec<IpAddr>,
    /// One session for both families, VPN-IPv4 with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// What it originates.
    pub routes: Vec<Route>,
}

impl Config {
    fn text(&self, node: &Node) -> String {
        let mut t = format!(
            "log \"{}\" all;\nrouter id {};\nvpn4 table t4;\nvpn6 table t6;\nprotocol device {{}}\n",
            node.dir.join("bird.log").display(),
            node.v4
        );
        for (n, r) in self.routes.iter().enumerate() {
            let v = if r.is_v6() { 6 } else { 4 };
            let Route { rd, prefix, label, next_hop, .. } = r;
            let _ = writeln!(
                t,
                "protocol static s{n} {{ vpn{v} {{ table t{v}; import all; }}; route {rd} {prefix} via {next_hop} mpls {label}; }}"
            );
        }
        let target = TARGET.replace(':', ", ");
        let _ = writeln!(t, "filter with_target {{ bgp_ext_community.add((rt, {target})); accept; }}");
        for (n, neighbor) in self.neighbors.iter().enumerate() {
            let local = node.address(neighbor.is_ipv6());
            let _ = writeln!(
                t,
                "protocol bgp p{n} {{ local {local} as {ASN}; neighbor {neighbor} as {ASN}; connect retry time 1; \
                 connect delay time 1; error wait time 1, 2; hold time 9;"
            );
            for v in [4, 6] {
                let extended = self.extended_next_hop && v == 4;
                if extended || neighbor.is_ipv6() == (v == 6) {
                    let option = if extended { "extended next hop on; " } else { "" };
                    let _ =
                        writeln!(t, " vpn{v} mpls {{ table t{v}; {option}import all; export filter with_target; }};");
                }
            }
            t += "}\n";
        }
        t
    }
}

/// A running bird.
pub struct Bird {
    node: Node,
    process: Process,
}

impl Bird {
    /// Starts it and waits until it can be asked.
    pub fn start(node: &Node, config: &Config) -> Self {
        node.write("bird.conf", &config.text(node));
        let mut bird = Self { node: node.clone(), process: Self::spawn(node) };
        until("bird answers", Duration::from_secs(10), || {
            bird.process.check()?;
            bird.show("status")
        });
        bird
    }

    fn spawn(node: &Node) -> Process {
        let dir = node.dir.display();
        let mut command = node.command("bird");
        command.args([
            "-f",
            "-c",
            &format!("{dir}/bird.conf"),
            "-s",
            &format!("{dir}/ctl"),
            "-P",
            &format!("{dir}/pid"),
        ]);
        Process::start(node, &mut command)
    }

    /// What a show command prints.
    pub fn show(&self, what: &str) -> Result<String, String> {
        self.control(&format!("show {what}"))
    }

    /// Runs a command.
    pub fn control(&self, command: &str) -> Result<String, String> {
        let control = self.node.dir.join("ctl");
        let words: Vec<&str> = command.split_whitespace().collect();
        run(&[&["birdc", "-s", control.to_str().unwrap()], &words[..]].concat())
    }

    /// What BIRD noted about faults in what it received. That two connections met and one went is none.
    pub fn complaints(&self) -> String {
        let log = std::fs::read_to_string(self.node.dir.join("bird.log")).unwrap_or_default();
        log.lines()
            .filter(|l| l.contains("<RMT>") && !l.ends_with("Connection collision resolution"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Router for Bird {
    fn name(&self) -> &'static str {
        "BIRD"
    }

    fn routes(&self) -> Result<Vec<Route>, String> {
        Ok([self.show("route all table t4")?, self.show("route all table t6")?]
            .iter()
            .flat_map(|t| routes(t))
            .collect())
    }
}

/// Reads `show route all`: a line with RD and prefix, then attributes, one a line.
fn routes(text: &str) -> Vec<Route> {
    let mut routes = vec![];
    let mut name: Option<(String, String)> = None;
    let (mut next_hop, mut targets) = (None, vec![]);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(|c: char| c.is_ascii_digit()) && words.len() > 1 && words[1].contains('/') {
            name = Some((words[0].into(), words[1].into()));
            (next_hop, targets) = (None, vec![]);
        }
        match words[..] {
            ["BGP.next_hop:", hop, ..] => next_hop = hop.parse().ok(),
            ["BGP.ext_community:", ..] => targets = route_targets(line),
            ["BGP.mpls_label_stack:", label] => {
                if let (Some((rd, prefix)), Some(next_hop), Ok(label)) = (&name, next_hop, label.parse()) {
                    let (rd, prefix) = (rd.clone(), prefix.clone());
                    routes.push(Route { rd, prefix, label, next_hop, targets: targets.clone() });
                }
            }
            _ => {}
        }
    }
    routes
}

/// `(rt, 65001, 100) (ro, …)` as `65001:100`.
fn route_targets(line: &str) -> Vec<String> {
    let mut targets: Vec<String> =
        line.split("(rt, ").skip(1).filter_map(|c| c.split_once(')')).map(|(c, _)| c.replace(", ", ":")).collect();
    targets.sort();
    targets
}
