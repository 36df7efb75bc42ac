//! `lab lsr` in a node.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::super::PATIENCE;
use super::super::net::{Node, until};

/// A running `lab lsr`.
pub struct Ours {
    child: Child,
    commands: Mutex<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
    name: String,
}

impl Ours {
    /// Starts it with this configuration.
    pub fn start(node: &Node, config: &str) -> Self {
        let file = node.write("lsr.toml", config);
        let mut command = node.command(env!("CARGO_BIN_EXE_lab"));
        command.arg("lsr").arg(&file);
        let log = std::fs::File::create(node.dir.join("lsr.log")).unwrap();
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
            None => Err(std::fs::read_to_string(node.dir.join("lsr.log")).unwrap_or_default()),
        });
        ours
    }

    /// Its answer to a command.
    pub fn ask(&self, command: &str) -> Value {
        let replies = || {
            let lines = self.lines.lock().unwrap();
            lines.iter().filter(|l| !l["reply"].is_null()).cloned().collect::<Vec<_>>()
        };
        let seen = replies().len();
        writeln!(self.commands.lock().unwrap(), "{command}").unwrap();
        until("our router answers", PATIENCE, || replies().get(seen).cloned().ok_or_else(|| self.tail()))
    }

    /// Waits until its answer to a command is as wanted.
    pub fn expect(&self, what: &str, command: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{}: {what}", self.name), PATIENCE, || {
            let answer = self.ask(command);
            if wanted(&answer) { Ok(answer) } else { Err(format!("{answer}\n{}", self.tail())) }
        })
    }

    /// Waits until the session with a peer is operational.
    pub fn expect_session(&self, peer: &str) {
        self.expect(&format!("session with {peer}"), "show", |s| has_session(s, peer));
    }

    /// Waits until there is no operational session with a peer.
    pub fn expect_no_session(&self, peer: &str) {
        self.expect(&format!("no session with {peer}"), "show", |s| !has_session(s, peer));
    }

    /// The events so far that match.
    pub fn heard(&self, which: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.lines.lock().unwrap().iter().filter(|l| which(l)).cloned().collect()
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().rev().take(25).rev().map(|l| format!("{l}\n")).collect()
    }
}

fn has_session(show: &Value, peer: &str) -> bool {
    let sessions = show["sessions"].as_array().into_iter().flatten();
    sessions.into_iter().any(|s| s["peer"] == peer && s["state"] == "Operational")
}

impl Drop for Ours {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, self.tail());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
