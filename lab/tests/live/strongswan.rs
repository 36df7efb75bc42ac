//! strongSwan in a node, with its ESP in user space: the kernel need not know any.

use std::fmt::Write;

use super::PATIENCE;
use super::net::{Node, Process, until};

/// A running charon.
pub struct StrongSwan {
    _process: Process,
    node: Node,
    uri: String,
}

impl StrongSwan {
    /// Starts it with one connection, `c`, to `peer`, and one child, `net`, between `10.2.0.0/24` here and `10.1.0.0/24` there.
    /// `more` goes into the connection.
    pub fn start(node: &Node, peer: &Node, version: u8, ike: &str, esp: &str, more: &str) -> Self {
        let dir = node.dir.display();
        let uri = format!("unix://{dir}/vici");
        // Without the marks the packets of IKE go into the tunnel device.
        let settings = format!(
            "charon {{\n i_dont_care_about_security_and_use_aggressive_mode_psk = yes\n load = random nonce openssl pem x509 pubkey hmac kdf kernel-libipsec kernel-netlink socket-default vici \
             updown resolve\n plugins {{\n kernel-libipsec {{\n allow_peer_ts = yes\n }}\n socket-default {{\n fwmark = 0x42\n }}\n \
             kernel-netlink {{\n fwmark = !0x42\n }}\n vici {{\n socket = {uri}\n }}\n }}\n filelog {{\n log {{\n path = \
             {dir}/charon.log\n default = 1\n ike = 2\n cfg = 2\n }}\n }}\n}}\n"
        );
        let conf = node.write("strongswan.conf", &settings);
        let mut c = String::new();
        let _ = write!(
            c,
            "connections {{\n c {{\n version = {version}\n local_addrs = {0}\n remote_addrs = {1}\n encap = yes\n proposals = {ike}\n \
             {more}\n local {{\n auth = psk\n id = {0}\n }}\n remote {{\n auth = psk\n id = {1}\n }}\n children {{\n net {{\n local_ts = \
             10.2.0.0/24\n remote_ts = 10.1.0.0/24\n esp_proposals = {esp}\n }}\n }}\n }}\n}}\nsecrets {{\n ike {{\n secret = \
             \"sharedsecret\"\n }}\n}}\n",
            node.v4, peer.v4
        );
        let file = node.write("swanctl.conf", &c);
        let script =
            format!("mount -t tmpfs tmpfs /run; STRONGSWAN_CONF={} exec /usr/lib/ipsec/charon", conf.display());
        let mut command = node.command("bash");
        command.args(["-c", &script]);
        let swan = Self { _process: Process::start(node, &mut command), node: node.clone(), uri };
        let file = file.to_str().unwrap().to_owned();
        until("charon takes its configuration", PATIENCE, || swan.control(&["--load-all", "--file", &file]));
        node.run(&["ip", "addr", "add", "10.2.0.1/24", "dev", "lo"]).unwrap();
        swan
    }

    /// What `swanctl` says.
    pub fn control(&self, words: &[&str]) -> Result<String, String> {
        self.node.run(&[&["swanctl"], words, &["--uri", &self.uri]].concat())
    }

    /// So many pings from its network to ours are answered.
    pub fn ping(&self, count: u32) -> Result<String, String> {
        let count = count.to_string();
        self.node.run(&["ping", "-q", "-n", "-c", &count, "-i", "0.2", "-W", "2", "-I", "10.2.0.1", "10.1.0.1"])
    }
}
