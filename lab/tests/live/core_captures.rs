//! tshark on the captures that the first command writes: an independent decoder of BGP, MPLS and customers' packets alike.

use std::path::Path;
use std::process::Command;

use bgp_vpn::vrf::LabelMode;
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
            table: FullTable::read().unwrap().thinned(3000),
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
