//! `lab peer` as its users run it: two processes on loopback addresses, told what to do through their standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

struct Peer {
    child: Child,
    commands: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// PE number `n` of two, on 127.0.0.`n`.
    fn start(n: u8, port: u16) -> Self {
        let other = 3 - n;
        let config = format!(
            "asn = 65001\nrouter-id = \"192.0.2.{n}\"\nlabels = [{n}00, {n}00]\nport = {port}\n\
             [[peer]]\naddress = \"127.0.0.{other}\"\nlocal-address = \"127.0.0.{n}\"\nremote-as = 65001\n\
             families = [\"vpn-ipv4\", \"vpn-ipv6\"]\nconnect-retry = 1\n\
             [[vrf]]\nname = \"red\"\nrd = \"65001:{n}\"\ntargets = [\"65001:100\"]\n\
             routes = [\"10.{n}.0.0/16\", \"fd00:{n}::/48\"]\n"
        );
        let file = std::env::temp_dir().join(format!("lab-peer-{}-{n}.toml", std::process::id()));
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(["peer", "--json", "--commands", "--seconds", "120"]).arg(&file);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(next(&mut lines)["event"], "listening");
        std::fs::remove_file(file).unwrap();
        Self { child, commands, lines }
    }

    /// The reply to a command; events before it are passed over.
    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        loop {
            let line = next(&mut self.lines);
            if line.get("reply").is_some() {
                assert!(line.get("error").is_none(), "{command}: {line}");
                return line;
            }
        }
    }

    /// Passes over what is printed until an event of this name.
    fn skip_to(&mut self, event: &str) -> Value {
        loop {
            let line = next(&mut self.lines);
            if line["event"] == event {
                return line;
            }
        }
    }

    /// What the VRF forwards to a prefix: labels and next hop; null without a route.
    fn forwarding(&mut self, prefix: &str) -> Value {
        let fib = self.ask("fib red");
        let found = fib["routes"].as_array().unwrap().iter().find(|r| r["prefix"] == prefix);
        found.map_or(Value::Null, |r| serde_json::json!([r["push"], r["next-hop"]]))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next(lines: &mut std::io::Lines<BufReader<ChildStdout>>) -> Value {
    let line = lines.next().expect("lab peer ended").unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

#[test]
fn two_processes_exchange_vpn_routes() {
    // A port that was free a moment ago, on the first of the two addresses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut one, mut two) = (Peer::start(1, port), Peer::start(2, port));
    for _ in 0..2 {
        one.skip_to("end-of-rib");
        two.skip_to("end-of-rib");
    }
    assert_eq!(one.forwarding("10.2.0.0/16"), serde_json::json!([[200], "127.0.0.2"]));
    assert_eq!(two.forwarding("fd00:1::/48"), serde_json::json!([[100], "127.0.0.1"]));
    assert_eq!(one.forwarding("10.1.0.0/16"), serde_json::json!([[], null]), "its own");

    one.ask("withdraw red 10.1.0.0/16");
    one.ask("announce red 10.11.0.0/16");
    while two.forwarding("10.1.0.0/16") != Value::Null || two.forwarding("10.11.0.0/16") == Value::Null {}
    let refused = {
        writeln!(one.commands, "announce blue 10.0.0.0/8").unwrap();
        loop {
            let line = next(&mut one.lines);
            if line.get("reply").is_some() {
                break line;
            }
        }
    };
    assert_eq!(refused["error"], "there is no vrf \"blue\"");

    writeln!(one.commands, "quit").unwrap();
    let summary = loop {
        let line = next(&mut one.lines);
        if let Some(summary) = line.get("summary") {
            break summary.clone();
        }
    };
    assert_eq!((&summary["vpn-paths"], &summary["sent"]["notification"]), (&4.into(), &0.into()), "{summary}");
    assert!(one.child.wait().unwrap().success());
    let down = two.skip_to("down");
    assert_eq!((&down["peer"], &down["was-up"]), (&"127.0.0.1".into(), &true.into()));
    assert!(down["received"].as_str().unwrap().starts_with("Cease"), "{down}");
    while two.forwarding("10.11.0.0/16") != Value::Null {}
}
