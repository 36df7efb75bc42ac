//! `lab multicast` in a node.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::super::PATIENCE;
use super::super::net::{Node, until};
use super::{Family, Place, interface};

/// A running `lab multicast`.
pub struct Ours {
    child: Child,
    commands: Mutex<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
    name: String,
}

fn config(node: &Node, place: &Place) -> String {
    let n = place.number;
    let both = [Family::V4, Family::V6];
    let mut t = format!("loopbacks = {:?}\n", both.map(|f| f.loopback(n).to_string()));
    if place.candidate {
        let _ = writeln!(t, "candidate-bsr = 100\nbsr-period = 5.0");
        let _ = writeln!(t, "candidate-rp = {:?}", both.map(|f| f.groups()));
    }
    for (i, lan) in place.lans.iter().enumerate() {
        let mut addresses = both.map(|f| format!("{}/{}", f.address(*lan, n), f.len())).to_vec();
        addresses.push(format!("fe80::{lan}:{n}/64"));
        let (name, priority) = (interface(i), place.dr_priority);
        let _ = writeln!(t, "[[interface]]\nname = \"{name}\"\naddresses = {addresses:?}\ndr-priority = {priority}");
        let _ = writeln!(t, "hello = {}.0", place.hello);
    }
    for family in both {
        for (to, (lan, via)) in &place.routes {
            let _ =
                writeln!(t, "[[route]]\nprefix = \"{}\"\nvia = \"{}\"", to.prefix(family), family.address(*lan, *via));
        }
        if let Some(rp) = place.rp {
            let (range, address) = (family.groups(), family.loopback(rp));
            let _ = writeln!(t, "[[rp]]\nrange = \"{range}\"\naddress = \"{address}\"");
        }
    }
    let _ = node;
    t
}

impl Ours {
    /// Starts it on interfaces that the kernel leaves alone.
    pub fn start(node: &Node, place: &Place) -> Self {
        for i in 0..place.lans.len() {
            node.run(&["sysctl", "-qw", &format!("net.ipv6.conf.{}.disable_ipv6=1", interface(i))]).unwrap();
        }
        let file = node.write("multicast.toml", &config(node, place));
        let mut command = node.command(env!("CARGO_BIN_EXE_lab"));
        command.arg("multicast").arg(&file);
        let log = std::fs::File::create(node.dir.join("multicast.log")).unwrap();
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
        until("our router starts", PATIENCE, || match ours.lines.lock().unwrap().first() {
            Some(_) => Ok(()),
            None => Err(std::fs::read_to_string(node.dir.join("multicast.log")).unwrap_or_default()),
        });
        ours
    }

    /// Its state.
    pub fn show(&self) -> Value {
        let replies =
            || self.lines.lock().unwrap().iter().filter(|l| l["reply"] == "show").cloned().collect::<Vec<_>>();
        let seen = replies().len();
        writeln!(self.commands.lock().unwrap(), "show").unwrap();
        until("our router answers", PATIENCE, || replies().get(seen).cloned().ok_or_else(|| "nothing".to_owned()))
    }

    /// What it says of a family.
    pub fn family(&self, family: Family) -> Value {
        self.show()[if family == Family::V4 { "ipv4" } else { "ipv6" }].clone()
    }

    /// Waits until an interface has so many neighbours.
    pub fn expect_neighbors(&self, family: Family, interface: usize, n: usize) {
        until(&format!("{} has {n} neighbours on interface {interface}", self.name), PATIENCE, || {
            let state = self.family(family);
            let found = state["interfaces"][interface]["neighbors"].as_array().map_or(0, Vec::len);
            if found == n { Ok(()) } else { Err(format!("{state}\n{}", self.tail())) }
        });
    }

    /// Whether something that matches was told.
    pub fn heard(&self, which: impl Fn(&Value) -> bool) -> bool {
        self.lines.lock().unwrap().iter().any(which)
    }

    /// kill -9.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
