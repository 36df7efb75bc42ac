//! FRR's zebra with ldpd or bfdd in a node.

use std::path::PathBuf;

use super::super::PATIENCE;
use super::super::net::{Node, run, until};

/// Running daemons.
pub struct Frr {
    node: Node,
    daemons: Vec<&'static str>,
    run_dir: PathBuf,
}

impl Frr {
    /// Starts zebra and one daemon with this configuration.
    pub fn start(node: &Node, daemon: &'static str, config: &str) -> Self {
        let run_dir = PathBuf::from("/run/frr").join(&node.ns);
        std::fs::create_dir_all(&run_dir).unwrap();
        node.write("zebra.conf", "");
        node.write(&format!("{daemon}.conf"), config);
        for path in [run_dir.to_str().unwrap(), node.dir.to_str().unwrap()] {
            run(&["chown", "-R", "frr:frr", path]).unwrap();
        }
        let frr = Self { node: node.clone(), daemons: vec!["zebra", daemon], run_dir };
        frr.spawn("zebra");
        frr.spawn(daemon);
        frr
    }

    /// Starts a daemon, with the configuration that it had.
    pub fn spawn(&self, daemon: &str) {
        let (ns, dir, run_dir) = (&self.node.ns, self.node.dir.display(), self.run_dir.display());
        let script = format!(
            "/usr/lib/frr/{daemon} -d -N {ns} -f {dir}/{daemon}.conf -i {run_dir}/{daemon}.pid --vty_port 0 \
             </dev/null >{dir}/{daemon}.log 2>&1"
        );
        self.node.run(&["sh", "-c", &script]).unwrap_or_else(|e| panic!("{e}"));
    }

    /// kill -9.
    pub fn kill(&self, daemon: &str) {
        let pid = std::fs::read_to_string(self.run_dir.join(format!("{daemon}.pid"))).unwrap();
        run(&["kill", "-9", pid.trim()]).unwrap();
        // ldpd's other processes notice that its first is gone.
        std::thread::sleep(std::time::Duration::from_millis(300));
    }

    /// What a command of its shell prints.
    pub fn vtysh(&self, command: &str) -> String {
        self.node.run(&["vtysh", "-N", &self.node.ns, "-c", command]).unwrap_or_else(|e| e)
    }

    /// Lines of configuration, as an operator types them.
    pub fn configure(&self, lines: &[&str]) {
        let words: Vec<&str> = lines.iter().flat_map(|line| ["-c", line]).collect();
        let start = ["vtysh", "-N", &self.node.ns, "-c", "configure terminal"];
        self.node.run(&[&start[..], &words].concat()).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Waits until what a command prints is as wanted.
    pub fn expect(&self, what: &str, command: &str, wanted: impl Fn(&str) -> bool) -> String {
        until(&format!("FRR in {}: {what}", self.node.ns), PATIENCE, || {
            let said = self.vtysh(command);
            if wanted(&said) { Ok(said) } else { Err(said) }
        })
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        if std::thread::panicking() && self.daemons.contains(&"ldpd") {
            for command in ["show mpls ldp discovery detail", "show mpls ldp neighbor detail", "show mpls ldp binding"]
            {
                eprintln!("--- {} {command}:\n{}", self.node.ns, self.vtysh(command));
            }
        }
        for daemon in &self.daemons {
            if let Ok(pid) = std::fs::read_to_string(self.run_dir.join(format!("{daemon}.pid"))) {
                let _ = run(&["kill", "-9", pid.trim()]);
            }
        }
        let _ = std::fs::remove_dir_all(&self.run_dir);
    }
}
