//! FRR 10.3 of Debian trixie, in a root of its own: zebra, pimd and pim6d. `LAB_TRIXIE` says where the root is; ci/live.sh makes it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::super::PATIENCE;
use super::super::net::{Node, run, until};
use super::{Family, Place, interface, kernel_router};

/// FRR in a node.
pub struct Frr {
    node: Node,
    root: PathBuf,
}

fn root() -> PathBuf {
    let root =
        std::env::var_os("LAB_TRIXIE").expect("LAB_TRIXIE: the root of a Debian trixie with FRR, see ci/live.sh");
    PathBuf::from(root)
}

fn config(place: &Place) -> String {
    let mut t = "log file /var/log/frr/live.log\nservice integrated-vtysh-config\n".to_owned();
    let n = place.number;
    for (i, _) in place.lans.iter().enumerate() {
        let (name, priority) = (interface(i), place.dr_priority);
        let _ = write!(
            t,
            "interface {name}\n ip pim\n ip pim hello 1 4\n ip pim drpriority {priority}\n ip igmp\n \
             ip igmp query-interval 20\n ip igmp query-max-response-time 40\n ipv6 pim\n ipv6 pim hello 1 4\n \
             ipv6 pim drpriority {priority}\n ipv6 mld\n ipv6 mld query-interval 20\n ipv6 mld query-max-response-time 40\nexit\n"
        );
    }
    let _ = write!(t, "interface lo\n ip pim\n ipv6 pim\nexit\n");
    for family in [Family::V4, Family::V6] {
        let _ = writeln!(t, "router {}", if family == Family::V4 { "pim" } else { "pim6" });
        let _ = writeln!(t, " join-prune-interval 10");
        if let Some(rp) = place.rp {
            let _ = writeln!(t, " rp {} {}", family.loopback(rp), family.groups());
        }
        if let (Some(priority), Family::V4) = (place.candidate, family) {
            let _ = writeln!(t, " bsr candidate-bsr priority {priority} source address {}", family.loopback(n));
            let _ = writeln!(t, " bsr candidate-rp interval 5 source address {}", family.loopback(n));
            let _ = writeln!(t, " bsr candidate-rp group 224.0.0.0/4");
        }
        let _ = writeln!(t, "exit");
    }
    t
}

impl Frr {
    /// Makes the kernel of the node a router, and starts the daemons.
    pub fn start(node: &Node, place: &Place) -> Self {
        kernel_router(node, place);
        let frr = Self { node: node.clone(), root: root() };
        frr.boot(&config(place));
        frr
    }

    fn boot(&self, config: &str) {
        let (root, ns) = (&self.root, &self.node.ns);
        let etc = root.join("etc/frr").join(ns);
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join("frr.conf"), config).unwrap();
        std::fs::write(etc.join("vtysh.conf"), "").unwrap();
        let script = format!(
            "mkdir -p /run/frr/{ns} /var/tmp/frr /var/log/frr; chown -R frr:frr /run/frr /var/tmp/frr /etc/frr/{ns} /var/log/frr; \
             for d in mgmtd zebra staticd pimd pim6d; do /usr/lib/frr/$d -d -N {ns} -i /run/frr/{ns}/$d.pid --vty_port 0 \
             </dev/null >/run/frr/{ns}/$d.log 2>&1 || exit 1; done; vtysh -N {ns} -b"
        );
        self.run(&["sh", "-c", &script]).unwrap_or_else(|e| panic!("{e}"));
        self.vtysh("show ip pim interface");
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        let root = self.root.to_str().unwrap();
        run(&[&["ip", "netns", "exec", &self.node.ns, "chroot", root], words].concat())
    }

    /// What a command of its shell prints.
    pub fn vtysh(&self, command: &str) -> String {
        self.run(&["vtysh", "-N", &self.node.ns, "-c", command]).unwrap_or_else(|e| e)
    }

    /// Waits until what a command prints has this in it.
    pub fn expect(&self, command: &str, text: &str) {
        until(&format!("{command} at {} says {text}", self.node.ns), PATIENCE, || {
            let said = self.vtysh(command);
            if said.contains(text) { Ok(()) } else { Err(said) }
        });
    }

    /// kill -9 of the PIM daemons.
    pub fn kill_pim(&self) {
        for daemon in ["pimd", "pim6d"] {
            let file = self.root.join(format!("run/frr/{}/{daemon}.pid", self.node.ns));
            let pid = std::fs::read_to_string(file).unwrap();
            run(&["kill", "-9", pid.trim()]).unwrap();
        }
    }

    /// Starts the PIM daemons again, with the same configuration.
    pub fn restart_pim(&self) {
        let ns = &self.node.ns;
        let script = format!(
            "for d in pimd pim6d; do /usr/lib/frr/$d -d -N {ns} -i /run/frr/{ns}/$d.pid --vty_port 0 </dev/null \
             >/run/frr/{ns}/$d.log 2>&1 || exit 1; done; vtysh -N {ns} -b"
        );
        self.run(&["sh", "-c", &script]).unwrap_or_else(|e| panic!("{e}"));
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for command in [
                "show ip pim neighbor",
                "show ip pim upstream",
                "show ip mroute",
                "show ip pim rp-info",
                "show ipv6 pim neighbor",
                "show ipv6 pim upstream",
                "show ipv6 mroute",
            ] {
                eprintln!("--- {} {command}:\n{}", self.node.ns, self.vtysh(command));
            }
        }
        for daemon in ["pim6d", "pimd", "staticd", "zebra", "mgmtd"] {
            let file = self.root.join(format!("run/frr/{}/{daemon}.pid", self.node.ns));
            if let Ok(pid) = std::fs::read_to_string(file) {
                let _ = run(&["kill", "-9", pid.trim()]);
            }
        }
        let _ = std::fs::remove_dir_all(self.root.join("etc/frr").join(&self.node.ns));
        let _ = std::fs::remove_dir_all(self.root.join("run/frr").join(&self.node.ns));
    }
}
