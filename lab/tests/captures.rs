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
