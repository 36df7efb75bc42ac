//! `lab peer`: our speaker in a namespace.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::net::{Node, until};
use super::route::{ASN, Route, Router, TARGET};

/// One `[[peer]]`.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Our address for the session. Default: the node's on the switch.
    pub local: Option<IpAddr>,
    /// Families to offer.
    pub families: &'static [&'static str],
    /// It is our client.
    pub client: bool,
    /// IPv6 next hops in IPv4 families (RFC 8950).
    pub extended_next_hop: bool,
    /// It connects, we wait.
    pub passive: bool,
    /// Several paths per destination are taken (RFC 7911).
    pub add_path_receive: bool,
    /// More of its table.
    pub more: &'static str,
    /// Its AS: 65001, or that of a CE of the VRF `red`.
    pub asn: u32,
}

/// Both VPN families.
pub const BOTH: &[&str] = &["vpn-ipv4", "vpn-ipv6"];

impl Peer {
    /// An ordinary peer with both families.
    pub fn new(address: impl Into<IpAddr>) -> Self {
        Self {
            address: address.into(),
            local: None,
            families: BOTH,
            client: false,
            extended_next_hop: false,
            passive: false,
            add_path_receive: false,
            more: "",
            asn: ASN,
        }
    }

    /// A client with both families.
    pub fn client(address: impl Into<IpAddr>) -> Self {
        Self { client: true, ..Self::new(address) }
    }

    /// Only these families.
    pub fn families(self, families: &'static [&'static str]) -> Self {
        Self { families, ..self }
    }
}

/// What our speaker is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its peers.
    pub peers: Vec<Peer>,
    /// Hold time in seconds.
    pub hold: u32,
    /// Offer messages longer than 4,096 octets (RFC 8654).
    pub extended_messages: bool,
    /// Restart time to offer.
    pub graceful_restart: Option<u32>,
    /// RD and routes of a VRF `red`; its label is [`LABEL`].
    pub vrf: Option<(&'static str, &'static [&'static str])>,
    /// The labels to hand out.
    pub labels: (u64, u64),
    /// Thresholds and bound of the VRF's routes.
    pub limit: Option<(u32, u32, u32)>,
    /// More of the file, at its beginning.
    pub more: String,
}

/// The label of the VRF of every PE of ours: the range has no other.
pub const LABEL: u64 = 1000;

impl Default for Config {
    fn default() -> Self {
        Self {
            peers: vec![],
            hold: 9,
            extended_messages: true,
            graceful_restart: None,
            vrf: None,
            labels: (LABEL, LABEL),
            limit: None,
            more: String::new(),
        }
    }
}

impl Config {
    fn text(&self, node: &Node) -> String {
        let mut t =
            format!("asn = {ASN}\nrouter-id = \"{}\"\nlabels = [{}, {}]\n", node.v4, self.labels.0, self.labels.1);
        t += &self.more;
        for p in &self.peers {
            let local = p.local.unwrap_or_else(|| node.address(p.address.is_ipv6()));
            let _ = writeln!(
                t,
                "[[peer]]\naddress = \"{}\"\nlocal-address = \"{local}\"\nremote-as = {}\nclient = {}\nfamilies = {:?}\n\
                 hold = {}\nconnect-retry = 2\nextended-next-hop = {}\npassive = {}\n\
                 extended-messages = {}",
                p.address,
                p.asn,
                p.client,
                p.families,
                self.hold,
                p.extended_next_hop,
                p.passive,
                self.extended_messages
            );
            if p.add_path_receive {
                t += "add-path-receive = true\n";
            }
            let _ = writeln!(t, "{}", p.more);
            // A peer of another AS is a CE, unless it speaks of VPNs.
            if p.asn != ASN && !p.families.iter().any(|f| f.starts_with("vpn")) {
                t += "vrf = \"red\"\n";
            }
            if let Some(seconds) = self.graceful_restart {
                let _ = writeln!(t, "graceful-restart = {seconds}");
            }
        }
        if let Some((rd, routes)) = self.vrf {
            let _ =
                writeln!(t, "[[vrf]]\nname = \"red\"\nrd = \"{rd}\"\ntargets = [\"{TARGET}\"]\nroutes = {routes:?}");
            if let Some((mid, high, max)) = self.limit {
                let _ = writeln!(t, "limit = [{mid}, {high}, {max}]");
            }
        }
        t
    }
}

/// A running `lab peer`.
pub struct Ours {
    name: String,
    child: Child,
    commands: Mutex<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Ours {
    /// Starts it and waits until it listens.
    pub fn start(node: &Node, config: &Config) -> Self {
        let file = node.write("ours.toml", &config.text(node));
        let mut command = node.command(env!("CARGO_BIN_EXE_lab"));
        command.args(["peer", "--json", "--commands"]).arg(&file);
        let log = std::fs::File::create(node.dir.join("ours.log")).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let commands = Mutex::new(child.stdin.take().unwrap());
        let lines = Arc::new(Mutex::new(vec![]));
        let (sink, out) = (Arc::clone(&lines), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                sink.lock().unwrap().push(value);
            }
        });
        let ours = Self { name: node.ns.clone(), child, commands, lines };
        until("our speaker listens", super::PATIENCE, || {
            if ours.count("listening", |_| true) > 0 {
                return Ok(());
            }
            Err(std::fs::read_to_string(node.dir.join("ours.log")).unwrap_or_default())
        });
        ours
    }

    /// Gives a command and returns the reply to it.
    pub fn ask(&self, command: &str) -> Value {
        let mut commands = self.commands.lock().unwrap();
        let seen = self.replies().len();
        writeln!(commands, "{command}").unwrap_or_else(|e| panic!("{}: {command}: {e}", self.name));
        let reply = until(&format!("{} replies to {command}", self.name), super::PATIENCE, || {
            self.replies().get(seen).cloned().ok_or_else(|| "nothing yet".to_string())
        });
        assert!(reply.get("error").is_none(), "{command}: {reply}");
        reply
    }

    fn replies(&self) -> Vec<Value> {
        self.lines.lock().unwrap().iter().filter(|l| l.get("reply").is_some()).cloned().collect()
    }

    /// How many events of this name that satisfy `which` there have been.
    pub fn count(&self, event: &str, which: impl Fn(&Value) -> bool) -> usize {
        self.lines.lock().unwrap().iter().filter(|l| l["event"] == event && which(l)).count()
    }

    /// How often the session with a peer came up, and went down after it was up. Once is not certain at the start: when both sides
    /// connect at once, FRR 8.4 at times closes the connection that is to be kept (RFC 4271 §6.8) beside the other.
    pub fn ups_and_downs(&self, peer: impl Into<IpAddr>) -> (usize, usize) {
        let peer = peer.into().to_string();
        (
            self.count("established", |l| l["peer"] == *peer),
            self.count("down", |l| l["peer"] == *peer && l["was-up"] == true),
        )
    }

    /// Waits until the session with a peer came up for the `n`th time.
    pub fn expect_up(&self, peer: impl Into<IpAddr>, n: usize) {
        let peer = peer.into();
        until(&format!("session of {} with {peer} up {n} times", self.name), super::PATIENCE, || {
            let (up, down) = self.ups_and_downs(peer);
            if up >= n { Ok(()) } else { Err(format!("up {up}, down {down}\n{}", self.tail())) }
        });
    }

    /// Waits until the session with a peer went down for the `n`th time.
    pub fn expect_down(&self, peer: impl Into<IpAddr>, n: usize) {
        let peer = peer.into();
        until(&format!("session of {} with {peer} down {n} times", self.name), super::PATIENCE, || {
            let (up, down) = self.ups_and_downs(peer);
            if down >= n { Ok(()) } else { Err(format!("up {up}, down {down}\n{}", self.tail())) }
        });
    }

    /// Waits until the VRF `red` forwards to a prefix with this label on the stack.
    pub fn expect_forwarding(&self, prefix: &str, label: u64) {
        until(&format!("{} forwards to {prefix} by label {label}", self.name), super::PATIENCE, || {
            let fib = self.ask("fib red");
            let entry = fib["routes"].as_array().into_iter().flatten().find(|r| r["prefix"] == prefix);
            match entry {
                Some(entry) if entry["push"][0].as_u64() == Some(label) => Ok(()),
                _ => Err(format!("{fib}")),
            }
        });
    }

    /// Messages sent whole, by type octet.
    pub fn sent(&self) -> super::capture::ByType {
        let counts = self.ask("counts");
        let names = ["open", "update", "notification", "keepalive", "route-refresh"];
        let by_type = (1..).zip(names).map(|(kind, name)| (kind, counts["sent"][name].as_u64().unwrap()));
        by_type.filter(|(_, n)| *n > 0).collect()
    }

    /// Ends it with SIGTERM and returns its summary.
    pub fn terminate(mut self) -> Value {
        super::net::run(&["kill", "-TERM", &self.child.id().to_string()]).unwrap();
        let code = self.child.wait().unwrap();
        assert!(code.success(), "{}: {code}", self.name);
        until("the summary", Duration::from_secs(5), || {
            let lines = self.lines.lock().unwrap();
            lines.iter().find_map(|l| l.get("summary").cloned()).ok_or_else(|| format!("{lines:?}"))
        })
    }

    /// kill -9.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().rev().take(30).rev().map(|l| format!("{l}\n")).collect()
    }
}

impl Router for Ours {
    fn name(&self) -> &'static str {
        "our speaker"
    }

    fn routes(&self) -> Result<Vec<Route>, String> {
        Ok(self.ask("vpn")["paths"].as_array().into_iter().flatten().filter_map(route).collect())
    }
}

fn route(path: &Value) -> Option<Route> {
    let targets = path["targets"].as_array()?;
    let mut targets: Vec<String> = targets.iter().filter_map(Value::as_str).map(String::from).collect();
    targets.sort();
    Some(Route {
        rd: path["rd"].as_str()?.into(),
        prefix: path["prefix"].as_str()?.into(),
        label: path["labels"][0].as_u64()?,
        next_hop: path["next-hop"].as_str()?.parse::<IpAddr>().ok()?.to_canonical(),
        targets,
    })
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, self.tail());
        }
    }
}
