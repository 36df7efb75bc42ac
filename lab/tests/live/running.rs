//! A command of `lab` that runs in a node: its events and its answers, a line of JSON each.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::PATIENCE;
use super::net::{Node, until};

/// A running `lab`; it ends with its owner.
pub struct Running {
    child: Child,
    commands: Mutex<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
    name: String,
}

impl Running {
    /// Starts a command of `lab` with a configuration, and waits until it says its first word.
    pub fn start(node: &Node, command: &str, config: &str) -> Self {
        let file = node.write(&format!("{command}.toml"), config);
        let log = node.dir.join(format!("{command}.log"));
        let errors = std::fs::File::create(&log).unwrap();
        let mut lab = node.command(env!("CARGO_BIN_EXE_lab"));
        lab.arg(command).arg(&file);
        let mut child = lab.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let commands = Mutex::new(child.stdin.take().unwrap());
        let lines = Arc::new(Mutex::new(vec![]));
        let (sink, out) = (Arc::clone(&lines), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                sink.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let running = Self { child, commands, lines, name: format!("lab {command} in {}", node.ns) };
        until(&format!("{} starts", running.name), PATIENCE, || match running.lines.lock().unwrap().first() {
            Some(_) => Ok(()),
            None => Err(std::fs::read_to_string(&log).unwrap_or_default()),
        });
        running
    }

    /// Its answer to a command.
    pub fn ask(&self, command: &str) -> Value {
        let replies = || self.heard(|line| !line["reply"].is_null());
        let seen = replies().len();
        writeln!(self.commands.lock().unwrap(), "{command}").unwrap();
        until(&format!("{} answers", self.name), PATIENCE, || replies().get(seen).cloned().ok_or_else(|| self.tail()))
    }

    /// Waits until its answer to a command is as wanted.
    pub fn expect(&self, what: &str, command: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{}: {what}", self.name), PATIENCE, || {
            let answer = self.ask(command);
            if wanted(&answer) { Ok(answer) } else { Err(format!("{answer}\n{}", self.tail())) }
        })
    }

    /// The lines so far that match.
    pub fn heard(&self, which: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.lines.lock().unwrap().iter().filter(|line| which(line)).cloned().collect()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().rev().take(25).rev().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(self.commands.lock().unwrap(), "show");
            std::thread::sleep(std::time::Duration::from_millis(500));
            eprintln!("--- {}:\n{}", self.name, self.tail());
        }
        self.end();
    }
}
