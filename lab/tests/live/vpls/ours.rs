//! `lab vpls` in a node.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::super::PATIENCE;
use super::super::net::{Node, until};

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
}

/// A running `lab vpls`.
pub struct Ours {
    child: Child,
    commands: Mutex<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
    name: String,
}

fn config(node: &Node, pe: &Pe) -> String {
    let own = node.v4;
    let mut t = format!(
        "asn = 65001\nrouter-id = \"{own}\"\nldp = {}\n[core]\nname = \"eth0\"\naddresses = [\"{own}/24\"]\n",
        pe.ldp
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
        let file = node.write("vpls.toml", &config(node, pe));
        let mut command = node.command(env!("CARGO_BIN_EXE_lab"));
        command.arg("vpls").arg(&file);
        let log = std::fs::File::create(node.dir.join("vpls.log")).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let commands = Mutex::new(child.stdin.take().unwrap());
        let lines = Arc::new(Mutex::new(vec![]));
        let (sink, out) = (Arc::clone(&lines), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                sink.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let ours = Self { child, commands, lines, name: node.ns.clone() };
        until("our PE starts", PATIENCE, || match ours.lines.lock().unwrap().first() {
            Some(_) => Ok(()),
            None => Err(std::fs::read_to_string(node.dir.join("vpls.log")).unwrap_or_default()),
        });
        ours
    }

    /// Its state.
    pub fn show(&self) -> Value {
        let replies =
            || self.lines.lock().unwrap().iter().filter(|l| l["reply"] == "show").cloned().collect::<Vec<_>>();
        let seen = replies().len();
        writeln!(self.commands.lock().unwrap(), "show").unwrap();
        until("our PE answers", PATIENCE, || replies().get(seen).cloned().ok_or_else(|| "nothing".to_owned()))
    }

    /// Waits until so many pseudowires of the instance carry frames.
    pub fn expect_up(&self, n: usize) {
        until(&format!("{} has {n} pseudowires up", self.name), PATIENCE, || {
            let state = self.show();
            let pws = state["vsis"][0]["pseudowires"].as_array().cloned().unwrap_or_default();
            let up = pws.iter().filter(|pw| pw["state"] == "Up").count();
            if up == n { Ok(()) } else { Err(format!("{state}\n{}", self.tail())) }
        });
    }

    /// The routes that a peer sent.
    pub fn routes(&self, peer: Ipv4Addr) -> Vec<Value> {
        let state = self.show();
        let peers = state["peers"].as_array().cloned().unwrap_or_default();
        let found = peers.into_iter().find(|p| p["address"] == peer.to_string());
        found.and_then(|p| p["routes"].as_array().cloned()).unwrap_or_default()
    }

    /// How often the session with a peer came up.
    pub fn ups(&self, peer: Ipv4Addr) -> usize {
        let is = |l: &&Value| l["event"] == "established" && l["peer"] == peer.to_string();
        self.lines.lock().unwrap().iter().filter(is).count()
    }

    /// How often it went down.
    pub fn downs(&self, peer: Ipv4Addr) -> usize {
        let is = |l: &&Value| l["event"] == "down" && l["peer"] == peer.to_string();
        self.lines.lock().unwrap().iter().filter(is).count()
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().rev().take(25).rev().map(|l| format!("{l}\n")).collect()
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(self.commands.lock().unwrap(), "show");
            std::thread::sleep(std::time::Duration::from_millis(500));
            eprintln!("--- {}:\n{}", self.name, self.tail());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
