//! Managed objects read, written and notified through Debian's snmpd; counters collected by nfcapd, which others wrote.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::PATIENCE;
use super::net::{Net, Node, Process, until};
use super::ours::{Config, Ours};

/// mplsL3VpnMIB.
const MODULE: &str = ".1.3.6.1.2.1.10.166.11";
/// The index that the VRF `red` has.
const RED: &str = "3.114.101.100";

/// snmpd as master agent, with a trap receiver that writes what it hears into `traps`.
fn snmpd(node: &Node) -> (Process, Process) {
    let (socket, traps) = (node.dir.join("agentx"), node.dir.join("traps"));
    let conf = format!(
        "agentAddress udp:127.0.0.1:161\nmaster agentx\nagentXSocket {}\nrwcommunity lab 127.0.0.1\n\
         trap2sink 127.0.0.1:162 lab\n",
        socket.display()
    );
    let conf = node.write("snmpd.conf", &conf);
    let trapd = node.write("snmptrapd.conf", "authCommunity log lab\n");
    let mut receiver = node.command("snmptrapd");
    receiver.args(["-f", "-On", "-n", "-C", "-c"]).arg(trapd).arg("-Lf").arg(&traps).arg("udp:127.0.0.1:162");
    let receiver = Process::start(node, &mut receiver);
    let mut agent = node.command("snmpd");
    agent.env("MIBS", "").args(["-f", "-Lo", "-r", "-C", "-c"]).arg(conf);
    agent.arg("-p").arg(node.dir.join("snmpd.pid")).env("SNMP_PERSISTENT_DIR", &node.dir);
    (Process::start(node, &mut agent), receiver)
}

/// What `snmpbulkwalk` finds below a module: value by identifier behind the module's.
fn walk_of(node: &Node, module: &str) -> Result<BTreeMap<String, String>, String> {
    let text = node.run(&["snmpbulkwalk", "-v2c", "-c", "lab", "-m", "", "-On", "-Ox", "127.0.0.1", module])?;
    let mut values = BTreeMap::new();
    for line in text.lines() {
        let Some((oid, value)) = line.split_once(" = ") else { continue };
        let rest = oid.strip_prefix(module).ok_or(line)?;
        values.insert(rest.trim_start_matches('.').to_owned(), value.trim().to_owned());
    }
    Ok(values)
}

fn walk(node: &Node) -> Result<BTreeMap<String, String>, String> {
    let values = walk_of(node, MODULE)?;
    if values.len() < 20 { Err(format!("{values:?}")) } else { Ok(values) }
}

fn start(node: &Node, more: &str) -> Ours {
    let routes: &[&str] = &["10.1.0.0/16", "fd00:1::/32"];
    let more = format!("{more}[snmp]\nagentx = \"{}\"\nnotifications = false\n", node.dir.join("agentx").display());
    Ours::start(node, &Config { vrf: Some(("65001:1", routes)), limit: Some((3, 3, 4)), more, ..Config::default() })
}

/// Shows: L3VPN-TSK-3
#[test]
fn snmpwalk_sees_the_router_and_is_told_of_thresholds() {
    let mut net = Net::new();
    let node = net.node();
    let _daemons = snmpd(&node);
    let ours = start(&node, "");
    let values = until("snmpd serves the module", PATIENCE, || walk(&node));
    let value = |rest: &str| values.get(rest).map_or("nothing", String::as_str);
    assert_eq!(value("1.1.1.0"), "Gauge32: 1");
    assert_eq!(value(&format!("1.2.2.1.4.{RED}")), "Hex-STRING: 00 00 FD E9 00 00 00 01");
    assert_eq!(value(&format!("1.2.3.1.4.{RED}.1.3")), "Hex-STRING: 36 35 30 30 31 3A 31 30 30");
    assert_eq!(value(&format!("1.2.2.1.11.{RED}")), "Gauge32: 4");
    assert_eq!(value(&format!("1.3.1.1.3.{RED}")), "Gauge32: 2", "routes");
    assert_eq!(value(&format!("1.4.1.1.8.{RED}.1.4.10.1.0.0.16.2.0.0.0.0")), "INTEGER: 3", "a local route");
    // BGP4-MIB: version 4, the AS, the identifier as an IpAddress.
    let sessions = walk_of(&node, ".1.3.6.1.2.1.15").unwrap();
    assert_eq!([&sessions["1.0"], &sessions["2.0"]], ["Hex-STRING: 10", "INTEGER: 65001"]);
    assert_eq!(sessions["4.0"], format!("IpAddress: {}", node.v4));
    // MPLS-LSR-STD-MIB: the VRF's label ends here, so its cross-connect has no out-segment.
    let lsps = walk_of(&node, ".1.3.6.1.2.1.10.166.2.1").unwrap();
    let label = lsps.iter().find_map(|(oid, _)| oid.strip_prefix("4.1.3.4.")).expect("an in-segment");
    assert_eq!(lsps[&format!("10.1.10.4.{label}.4.{label}.1.0")], "INTEGER: 1");
    // One at a time, and what is not there.
    let get = |rest: &str| {
        node.run(&["snmpget", "-v2c", "-c", "lab", "-m", "", "-On", "127.0.0.1", &format!("{MODULE}.{rest}")])
    };
    assert!(get("1.1.1.0").unwrap().contains("Gauge32: 1"));
    assert!(get("1.1.99.0").unwrap().contains("No Such"));
    // Notifications are off, then set on through SNMP; what is read-only stays.
    let set = |rest: &str, kind: &str, value: &str| {
        node.run(&[
            "snmpset",
            "-v2c",
            "-c",
            "lab",
            "-m",
            "",
            "-On",
            "127.0.0.1",
            &format!("{MODULE}.{rest}"),
            kind,
            value,
        ])
    };
    assert!(set("1.1.1.0", "u", "7").unwrap_err().contains("notWritable"));
    assert!(set("1.1.4.0", "i", "3").unwrap_err().contains("wrongValue"));
    set("1.1.4.0", "i", "1").unwrap();
    assert!(get("1.1.4.0").unwrap().contains("INTEGER: 1"));
    for n in 2..7 {
        ours.ask(&format!("announce red 10.{n}.0.0/16"));
    }
    until("each threshold is notified of once", PATIENCE, || {
        let traps = std::fs::read_to_string(node.dir.join("traps")).unwrap_or_default();
        let of = |n: u32| traps.matches(&format!("OID: {MODULE}.0.{n}\t")).count();
        // Mid, and the bound exceeded.
        if (of(3), of(4)) == (1, 1) { Ok(()) } else { Err(traps) }
    });
    let routes = until("the routes refused are counted", PATIENCE, || walk(&node));
    assert_eq!(routes[&format!("1.3.1.1.3.{RED}")], "Gauge32: 4");
    assert_eq!(routes[&format!("1.3.1.1.4.{RED}")], "Counter32: 3");
}

#[test]
fn nfcapd_collects_the_counters_of_a_vrf() {
    let mut net = Net::new();
    let (pe, ce) = (net.node(), net.node());
    for (node, words) in
        [(&pe, "addr flush dev eth0"), (&ce, "addr flush dev eth0"), (&ce, "addr add 10.1.1.2/24 dev eth0")]
    {
        let words: Vec<&str> = words.split_whitespace().collect();
        super::net::run(&[&["ip", "-n", &node.ns], words.as_slice()].concat()).unwrap();
    }
    let files = pe.dir.join("flows");
    std::fs::create_dir_all(&files).unwrap();
    let mut collector = pe.command("nfcapd");
    collector.args(["-b", "127.0.0.1", "-p", "4739", "-t", "5", "-w"]).arg(&files);
    let _collector = Process::start(&pe, &mut collector);
    let mut more = "[[interface]]\nname = \"eth0\"\nvrf = \"red\"\naddresses = [\"10.1.1.1/24\"]\n".to_owned();
    let _ = write!(more, "[ipfix]\ncollector = \"127.0.0.1:4739\"\ninterval = 1\n");
    let mut record = pe.command("tcpdump");
    let capture = pe.dir.join("ipfix.pcap");
    record.args(["-i", "lo", "-U", "-Z", "root", "-w"]).arg(&capture).args(["udp", "port", "4739"]);
    let _record = Process::start(&pe, &mut record);
    let _ours = start(&pe, &more);
    until("all pings of the CE are answered by the PE", PATIENCE, || {
        let said = ce.run(&["ping", "-c", "20", "-i", "0.05", "-W", "1", "10.1.1.1"])?;
        if said.contains(" 0% packet loss") { Ok(()) } else { Err(said) }
    });
    // The collector writes a file each five seconds; VRF 1 is `red`. ICMP of 20 requests is 84 octets each, and as much back.
    until("nfdump reads our records", PATIENCE, || {
        let dir = files.to_str().unwrap();
        let text = pe.run(&["nfdump", "-R", dir, "-q", "-N", "-o", "fmt:%ivrf %pkt %byt %opkt %obyt"])?;
        let mut sums = [0u64; 4];
        for line in text.lines() {
            let words: Vec<u64> = line.split_whitespace().map_while(|w| w.parse().ok()).collect();
            if let [1, counts @ ..] = &words[..] {
                sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
            }
        }
        // Each reply that left answers a request that came; what else the CE says counts too.
        let [packets, octets, out_packets, out_octets] = sums;
        let replies = out_packets >= 20 && out_octets == out_packets * 84;
        if replies && (packets, octets) >= (out_packets, out_octets) && packets < 2 * out_packets {
            Ok(())
        } else {
            Err(format!("{sums:?}\n{text}"))
        }
    });
    // And another decoder knows which MIB objects the other figures are.
    let file = capture.to_str().unwrap();
    let text = super::net::run(&["tshark", "-n", "-r", file, "-d", "udp.port==4739,cflow", "-V"]).unwrap();
    let wanted = ["VRFname: red", "mibObject Value Gauge: 3", "mibObject Identifier: 060e2b060102010a81260b0103010103"];
    for line in wanted {
        assert!(text.lines().any(|l| l.trim() == line), "{line}\n{text}");
    }
    assert!(!text.contains("Malformed"), "{text}");
}
