//! What `lab decode` finds in captures that others made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lab::decode::decode;
use serde_json::Value;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// One line: messages by type, routes, faults by action.
fn summary(path: &Path) -> String {
    let decoded = decode(path, &[179, 1790]).unwrap();
    let (mut kinds, mut actions, mut routes) = (BTreeMap::new(), BTreeMap::new(), 0);
    for found in &decoded.messages {
        *kinds.entry(found.kind).or_insert(0) += 1;
        routes += count_routes(&found.value);
        for problem in &found.problems {
            let action = if problem.fault.contains("capture ends") { "cut" } else { problem.action };
            *actions.entry(action).or_insert(0) += 1;
        }
    }
    let mut line = format!("{}:", path.file_name().unwrap().to_str().unwrap());
    kinds.iter().for_each(|(kind, n)| write!(line, " {n} {kind}").unwrap());
    write!(line, ", {routes} routes").unwrap();
    actions.iter().for_each(|(action, n)| write!(line, ", {n} {action}").unwrap());
    line
}

fn count_routes(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("nlri" | "withdrawn", Value::Array(routes)) => routes.len(),
                _ => count_routes(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(count_routes).sum(),
        _ => 0,
    }
}

fn captures_in(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "pcap" || e == "pcapng"));
    files.sort();
    files
}

/// `UPDATE_EXPECTED=1 cargo test -p lab --test captures` writes the file anew.
#[test]
fn every_capture_reads_as_expected() {
    let lines: Vec<String> = captures_in(&here()).iter().map(|file| summary(file)).collect();
    let path = here().join("expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let expected = fs::read_to_string(path).unwrap();
    assert!(lines.len() > 50);
    for (ours, expected) in lines.iter().zip(expected.lines()) {
        assert_eq!(ours, expected);
    }
    assert_eq!(lines.len(), expected.lines().count());
}

#[test]
fn every_capture_has_an_origin() {
    let origin = fs::read_to_string(here().join("ORIGIN.md")).unwrap();
    for file in captures_in(&here()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let row = origin.lines().find(|line| line.starts_with(&format!("| {name} |")));
        assert!(row.is_some_and(|row| !row.contains("GPL")), "{name}");
    }
}

/// Captures that this repository may not hold, in the directory that `LAB_CAPTURES` names.
#[cfg(feature = "elsewhere")]
#[test]
fn captures_elsewhere_read_as_expected() {
    let dir = PathBuf::from(std::env::var_os("LAB_CAPTURES").expect("LAB_CAPTURES names a directory"));
    let expected = fs::read_to_string(here().join("elsewhere.txt")).unwrap();
    for line in expected.lines() {
        let name = line.split(':').next().unwrap();
        assert_eq!(summary(&dir.join(name)), line);
    }
}

/// Whole messages among the vectors of other projects, in the directory that `LAB_VECTORS` names: those with routes of the service
/// families are read without a fault and written again octet for octet.
#[cfg(feature = "elsewhere")]
#[test]
fn vectors_elsewhere_are_written_as_they_came() {
    use bgp_vpn::message::{Header, Update};
    use bgp_vpn::nlri::Family;
    use bgp_vpn::session::{Negotiated, PeerKind};
    let dir = PathBuf::from(std::env::var_os("LAB_VECTORS").expect("LAB_VECTORS names a directory"));
    let families = [Family::MCAST_VPN_IPV4, Family::MCAST_VPN_IPV6, Family::RT_CONSTRAINT, Family::VPLS, Family::EVPN];
    let negotiated = Negotiated { four_octet_as: true, ..Negotiated::baseline(PeerKind::Internal) };
    let mut read = BTreeMap::new();
    for file in [
        "bgpcep-functional-mvpn.txt",
        "bgpcep-functional-rt_constrain.txt",
        "bgpcep-functional-l2vpn_evpn.txt",
        "exabgp-qa.txt",
    ] {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        for hex in text.lines().filter_map(|line| line.split_once(": ")).map(|(_, value)| value.trim()) {
            let digits = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
            let Some(message) = (0..hex.len()).step_by(2).map(digits).collect::<Option<Vec<u8>>>() else { continue };
            if message.len() < Header::LEN || message[..16] != [0xff; 16] || message[18] != 2 {
                continue;
            }
            let Ok(update) = Update::parse(&message[Header::LEN..], &negotiated) else { continue };
            let family = update.mp_reach().map(|mp| mp.family).or(update.mp_unreach().map(|mp| mp.family));
            let Some(family) = family.filter(|family| families.contains(family)) else { continue };
            assert_eq!(update.check_nlri(), Ok(()), "{file} {hex}");
            let mut out = Vec::new();
            update.emit(&mut out);
            assert_eq!(out, message[Header::LEN..], "{file} {hex}");
            *read.entry(family.to_string()).or_insert(0) += 1;
        }
    }
    for family in families {
        assert!(read.get(&family.to_string()).is_some_and(|n| *n > 0), "{family}: {read:?}");
    }
}

/// Every capture cut anywhere and damaged anywhere: no panic, and reading ends.
#[test]
fn cut_and_damaged_captures_do_no_harm() {
    let dir = std::env::temp_dir().join(format!("lab-captures-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let damaged = dir.join("damaged.pcap");
    let mut read = 0;
    for file in captures_in(&here()) {
        let whole = fs::read(&file).unwrap();
        for n in 1..40usize {
            let mut octets = whole.clone();
            let at = whole.len() * n / 40;
            if n % 2 == 0 {
                octets.truncate(at);
            } else {
                (at..whole.len()).step_by(97).for_each(|at| octets[at] ^= 1 << (n % 8));
            }
            fs::write(&damaged, octets).unwrap();
            read += decode(&damaged, &[179]).map_or(0, |decoded| decoded.messages.len());
        }
    }
    fs::remove_dir_all(&dir).unwrap();
    assert!(read > 1000, "{read} messages read");
}
