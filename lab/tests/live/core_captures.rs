//! tshark as an independent decoder: of the captures that the first command writes, and beside `lab decode` on captures that
//! others made.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bgp_vpn::vrf::LabelMode;
use lab::decode::decode;
use lab::run::{Plan, run};
use lab::sim::link::LinkConfig;
use lab::sim::network::Transport;
use lab::table::FullTable;

/// Frames of a capture that a display filter selects.
fn frames(path: &Path, filter: &str) -> usize {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(path).args(["-Y", filter, "-T", "fields", "-e", "frame.number"]);
    let output = tshark.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count()
}

/// Shows: L3VPN-SOL-4
#[test]
fn tshark_finds_nothing_malformed_on_the_core_links() {
    let dir = std::env::temp_dir().join(format!("lab-core-captures-{}", std::process::id()));
    for ipv6_core in [false, true] {
        let plan = Plan {
            seed: 1,
            core: LinkConfig::default(),
            label_mode: LabelMode::PerVrf,
            transport: Transport::Links,
            ipv6_core,
            extended_next_hop: true,
            table: FullTable::read().unwrap().thinned(1000),
        };
        let report = run(&plan, Some((&dir, 8 << 20)), 50).unwrap();
        assert!(report.is_good(), "{}", report.print());
        for (name, labelled) in
            [("PE1-P1", true), ("P1-P2", true), ("PE2-P2", true), ("PE3-P2", true), ("RR-P1", false)]
        {
            let path = dir.join(format!("{name}.pcap"));
            assert_eq!(frames(&path, "_ws.malformed"), 0, "{name}");
            assert!(frames(&path, "bgp.type == 2") > 10, "{name}: UPDATEs");
            assert_eq!(frames(&path, "mpls") > 100, labelled, "{name}: labelled packets");
            assert_eq!(frames(&path, "mpls && ipv6") > 50, labelled, "{name}: IPv6 in MPLS");
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Messages by type number as tshark counts them.
fn counted_by_tshark(path: &Path) -> BTreeMap<u8, usize> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(path).args(["-d", "tcp.port==1790,bgp", "-T", "fields", "-e", "bgp.type"]);
    let output = tshark.output().expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut counts = BTreeMap::new();
    text.split([',', '\n']).filter_map(|n| n.trim().parse().ok()).for_each(|n| *counts.entry(n).or_insert(0) += 1);
    counts
}

/// The same by `lab decode`, without messages that the capture cuts.
fn counted_by_us(path: &Path) -> BTreeMap<u8, usize> {
    let mut counts = BTreeMap::new();
    for found in decode(path, &[179, 1790]).unwrap().messages {
        let cut = found.problems.iter().any(|problem| problem.action == "none");
        let number = match found.kind {
            "OPEN" => 1,
            "UPDATE" => 2,
            "NOTIFICATION" => 3,
            "KEEPALIVE" => 4,
            "ROUTE-REFRESH" => 5,
            _ => continue,
        };
        if !cut {
            *counts.entry(number).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn tshark_counts_the_same_messages_in_captures_of_others() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut compared = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // Damaged on purpose: tshark gives up at the first fault of a segment, and `lab decode` looks for the next message.
        if !name.contains(".pcap") || name.contains("-oobr") {
            continue;
        }
        assert_eq!(counted_by_us(&path), counted_by_tshark(&path), "{name}");
        compared += 1;
    }
    assert!(compared > 50, "{compared} captures");
}
