//! Recording what crosses a node's interface, and tshark as a decoder that is not ours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::net::{Node, Process, run, until};

/// A running tcpdump.
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// Message counts by type octet.
pub type ByType = BTreeMap<u8, u64>;

/// What tshark found in one direction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// BGP messages by type octet.
    pub messages: ByType,
    /// Frame number and complaint for every frame that is malformed.
    pub malformed: Vec<String>,
}

/// A running tcpdump of frames that need not be BGP.
pub struct Frames {
    _process: Process,
    file: PathBuf,
}

impl Frames {
    /// Records what `filter` says on an interface.
    pub fn start(node: &Node, interface: &str, filter: &str) -> Self {
        let file = node.dir.join(format!("{interface}.pcap"));
        let process = record(node, interface, &file, filter);
        Self { _process: process, file }
    }

    /// A field of every frame recorded so far that tshark's `filter` lets through; of several of the name, all with commas.
    pub fn fields(&self, filter: &str, field: &str) -> Vec<String> {
        self.fields_with(&[], filter, field)
    }

    /// As [`Self::fields`], with options of tshark's: keys, for one.
    pub fn fields_with(&self, options: &[&str], filter: &str, field: &str) -> Vec<String> {
        std::thread::sleep(BLOCK);
        let file = self.file.to_str().unwrap();
        let tshark = ["tshark", "-n", "-r", file, "-Y", filter, "-T", "fields", "-e", field];
        // Of a frame that is being written tshark says that it is cut short.
        let text = until("tshark reads the recording", super::PATIENCE, || run(&[&tshark[..], options].concat()));
        text.lines().map(str::to_owned).collect()
    }
}

/// What a frame takes at most from the interface to the file, on a machine that has much else to do.
const BLOCK: std::time::Duration = std::time::Duration::from_millis(1500);

/// Starts tcpdump and waits until it listens.
fn record(node: &Node, interface: &str, file: &std::path::Path, filter: &str) -> Process {
    let mut command = node.command("tcpdump");
    command.args(["-i", interface, "-U", "--immediate-mode", "-s", "0", "-B", "8192", "-Z", "root", "-w"]).arg(file);
    command.args(filter.split_whitespace());
    let process = Process::start(node, &mut command);
    // tcpdump writes the file header when it listens.
    until("tcpdump listens", super::PATIENCE, || match std::fs::metadata(file) {
        Ok(m) if m.len() >= 24 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    process
}

impl Capture {
    /// Records TCP port 179 on the node's interface.
    pub fn start(node: &Node) -> Self {
        let file = node.dir.join("bgp.pcap");
        let process = record(node, "eth0", &file, "tcp port 179");
        Self { process, file }
    }

    /// Ends the recording and has tshark decode what the node sent.
    pub fn decode(&mut self, from: &Node) -> Decoded {
        std::thread::sleep(BLOCK);
        self.process.terminate();
        decode(&self.file, &format!("bgp && (ip.src == {} || ipv6.src == {})", from.v4, from.v6))
    }

    /// The file.
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }
}

fn decode(file: &std::path::Path, filter: &str) -> Decoded {
    let file = file.to_str().unwrap();
    let fields = ["-T", "fields", "-E", "occurrence=a", "-E", "separator=;"];
    let columns = ["-e", "frame.number", "-e", "bgp.type", "-e", "_ws.malformed", "-e", "_ws.col.Info"];
    let text = run(&[&["tshark", "-n", "-r", file, "-Y", filter], &fields[..], &columns[..]].concat()).unwrap();
    let mut decoded = Decoded::default();
    for line in text.lines() {
        let columns: Vec<&str> = line.splitn(4, ';').collect();
        let [_, types, malformed, info] = columns[..] else { panic!("tshark printed {line:?}") };
        for kind in types.split(',').filter(|t| !t.is_empty()) {
            *decoded.messages.entry(kind.parse().unwrap()).or_default() += 1;
        }
        if !malformed.is_empty() || info.contains("Malformed") {
            decoded.malformed.push(line.into());
        }
    }
    decoded
}
