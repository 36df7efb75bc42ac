//! Nodes in network namespaces on one switch.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs a command to its end and returns what it printed.
pub fn run(command: &[&str]) -> Result<String, String> {
    let out = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{command:?}: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if out.status.success() {
        return Ok(text);
    }
    Err(format!("{command:?}: {}\n{text}{}", out.status, String::from_utf8_lossy(&out.stderr)))
}

fn must(command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    run(&words).unwrap_or_else(|e| panic!("{e}"));
}

/// Asks again until there is an answer. The last refusal is in the panic.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + within;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if Instant::now() >= end => panic!("not within {within:?}: {what}\n{why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(150)),
        }
    }
}

/// Namespaces joined by a bridge in one more namespace. All of it, and every process left in it, goes when it is dropped.
pub struct Net {
    name: String,
    dir: PathBuf,
    nodes: u8,
    lans: u8,
}

/// One namespace with one interface, `eth0`.
#[derive(Clone, Debug)]
pub struct Node {
    /// The namespace.
    pub ns: String,
    /// Its address on the switch.
    pub v4: Ipv4Addr,
    /// Its IPv6 address on the switch.
    pub v6: Ipv6Addr,
    /// Where its daemon's files go.
    pub dir: PathBuf,
    number: u8,
    switch: String,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);
static SET_UP: Mutex<()> = Mutex::new(());

impl Net {
    /// A switch without nodes.
    pub fn new() -> Self {
        let guard = SET_UP.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sweep();
        let name = format!("live-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).unwrap();
        let net = Self { name, dir, nodes: 0, lans: 0 };
        must(&format!("ip netns add {}", net.name));
        must(&format!("ip -n {} link add br0 type bridge mcast_snooping 0", net.name));
        must(&format!("ip -n {} link set br0 up", net.name));
        drop(guard);
        net
    }

    /// Adds a node that is not on the switch: it has no interface but the loopback.
    pub fn bare(&mut self) -> Node {
        self.nodes += 1;
        let (n, switch) = (self.nodes, self.name.clone());
        let ns = format!("{switch}-{n}");
        let guard = SET_UP.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        must(&format!("ip netns add {ns}"));
        drop(guard);
        must(&format!("ip -n {ns} link set lo up"));
        let dir = self.dir.join(format!("{n}"));
        fs::create_dir_all(&dir).unwrap();
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into());
        Node { ns, v4: Ipv4Addr::new(198, 51, 100, n), v6, dir, number: n, switch }
    }

    /// A switch of its own for interfaces of nodes, which it brings into being. Packets leave them with whole checksums: a router in
    /// user space passes them on as they are.
    pub fn lan(&mut self, ends: &[(&Node, &str)]) {
        self.lans += 1;
        let (switch, lan) = (&self.name, self.lans);
        must(&format!("ip -n {switch} link add lan{lan} type bridge mcast_snooping 0"));
        must(&format!("ip -n {switch} link set lan{lan} up"));
        for (n, (node, interface)) in (1..).zip(ends) {
            let ns = &node.ns;
            must(&format!("ip link add l{lan}e{n} netns {switch} type veth peer name {interface} netns {ns}"));
            must(&format!("ip -n {switch} link set l{lan}e{n} master lan{lan} up"));
            must(&format!("ip netns exec {ns} ethtool -K {interface} tx off"));
            must(&format!("ip -n {ns} link set {interface} up"));
        }
    }

    /// Adds a node: 198.51.100.N/24 and 2001:db8::N/64.
    pub fn node(&mut self) -> Node {
        let node = self.bare();
        let (n, ns, switch) = (node.number, &node.ns, &node.switch);
        must(&format!("ip link add v{n} netns {switch} type veth peer name eth0 netns {ns}"));
        must(&format!("ip -n {switch} link set v{n} master br0 up"));
        must(&format!("ip -n {ns} link set eth0 up"));
        must(&format!("ip -n {ns} addr add 198.51.100.{n}/24 dev eth0"));
        must(&format!("ip -n {ns} addr add 2001:db8::{n}/64 dev eth0 nodad"));
        node
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("files of the failed test are kept in {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
        remove(&self.name);
    }
}

/// Kills what runs in the namespaces of this name and removes them.
fn remove(name: &str) {
    let list = run(&["ip", "netns", "list"]).unwrap_or_default();
    for ns in list.split_whitespace().filter(|ns| *ns == name || ns.starts_with(&format!("{name}-"))) {
        for pid in run(&["ip", "netns", "pids", ns]).unwrap_or_default().split_whitespace() {
            let _ = run(&["kill", "-9", pid]);
        }
        let _ = run(&["ip", "netns", "del", ns]);
    }
}

/// Removes what a killed run of these tests left behind.
fn sweep() {
    let list = run(&["ip", "netns", "list"]).unwrap_or_default();
    for ns in list.split_whitespace() {
        let Some(pid) = ns.strip_prefix("live-").and_then(|rest| rest.split('-').next()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            remove(ns);
        }
    }
}

impl Node {
    /// A command that runs in the node.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ns, program]).stdin(Stdio::null());
        command
    }

    /// Runs a command in the node to its end.
    pub fn run(&self, words: &[&str]) -> Result<String, String> {
        run(&[&["ip", "netns", "exec", &self.ns], words].concat())
    }

    /// Takes the node off the switch: its packets vanish, its interface stays up, nobody is told.
    pub fn cut(&self) {
        must(&format!("ip -n {} link set v{} nomaster", self.switch, self.number));
    }

    /// Puts the node on the switch again.
    pub fn join(&self) {
        must(&format!("ip -n {} link set v{} master br0", self.switch, self.number));
    }

    /// The address of the node for a session over the other IP version or this.
    pub fn address(&self, v6: bool) -> IpAddr {
        if v6 { self.v6.into() } else { self.v4.into() }
    }

    /// Writes a file into the node's directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// A process that dies with its owner.
pub struct Process {
    child: std::process::Child,
    log: PathBuf,
}

impl Process {
    /// Starts a daemon with its output in a file.
    pub fn start(node: &Node, command: &mut Command) -> Self {
        let log = node.dir.join("log");
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child =
            command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, log }
    }

    /// Whether it still runs; otherwise its last words.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            end => Err(format!("ended: {end:?}\n{}", self.last_words())),
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = log.get(log.len().saturating_sub(2000)..).unwrap_or(&log);
        String::from_utf8_lossy(tail).into_owned()
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM.
    pub fn terminate(&mut self) {
        let _ = run(&["kill", "-TERM", &self.child.id().to_string()]);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.log.display(), self.last_words());
        }
    }
}
