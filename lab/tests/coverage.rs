//! The bookkeeping of the workspace: the coverage page is fresh, and the pages' tables name files that exist.

use std::fs;
use std::path::{Path, PathBuf};

use lab::coverage::Coverage;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_shows_line_names_a_row() {
    let coverage = Coverage::scan(&root()).unwrap();
    assert!(coverage.rows.len() > 700, "the catalogue has {} rows", coverage.rows.len());
    assert_eq!(coverage.unknown, [], "file, line, what is no row of docs/requirements");
}

#[test]
fn the_coverage_page_is_fresh() {
    let page = fs::read_to_string(root().join("docs/coverage.md")).unwrap_or_default();
    let fresh = Coverage::scan(&root()).unwrap().to_markdown();
    assert!(page == fresh, "docs/coverage.md is stale: run `cargo run --release -- coverage`");
}

/// Every threat of RFC 5501 §6.6.1, (a) to (e), has safeguards in the catalogue's table, and each of them a test that shows it.
///
/// Shows: VPLS-SEC-17
#[test]
fn every_threat_is_linked_to_a_test() {
    let coverage = Coverage::scan(&root()).unwrap();
    for threat in ["A", "B", "C", "D", "E"] {
        let prefix = format!("VPLS-THR-{threat}");
        let safeguards: Vec<&str> =
            coverage.rows.iter().map(|r| r.id.as_str()).filter(|id| id.starts_with(&prefix)).collect();
        assert!(!safeguards.is_empty(), "threat {threat}");
        let open: Vec<_> = safeguards.into_iter().filter(|id| !coverage.shown.contains_key(*id)).collect();
        assert!(open.is_empty(), "safeguards without a test: {open:?}");
    }
}

/// Multicast in a VPN is all that the catalogue says of it.
///
/// Shows: L3VPN-FEA-1
#[test]
fn every_row_of_multicast_is_linked_to_a_test() {
    let coverage = Coverage::scan(&root()).unwrap();
    let rows: Vec<&str> = coverage.rows.iter().map(|r| r.id.as_str()).filter(|id| id.starts_with("MVPN-")).collect();
    assert!(rows.len() > 150, "{} rows", rows.len());
    let open: Vec<_> = rows.into_iter().filter(|id| !coverage.shown.contains_key(*id)).collect();
    assert!(open.is_empty(), "rows without a test: {open:?}");
}

/// Files named in a table whose rows start with an RFC: `| RFC 4364 §4.3 | bgp-vpn/src/vrf/import.rs | ... |`. A cell may
/// name several, as code or as links.
fn files_of_rfc_table(page: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in page.lines().filter(|l| l.starts_with("| RFC ") || l.starts_with("| [RFC ")) {
        let cells = line.split('|').skip(2).map(str::trim);
        let words = cells.flat_map(|cell| cell.split([' ', ',', '`', '(', ')', '[', ']']));
        files.extend(words.filter(|w| w.contains('/') && !w.contains("://")).map(str::to_owned));
    }
    files
}

#[test]
fn the_rfc_tables_name_files_that_exist() {
    for page in ["README.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
        let files = files_of_rfc_table(&text);
        assert!(files.len() >= 10, "{page}: its RFC table names {} files", files.len());
        let missing: Vec<_> = files.iter().filter(|f| !root().join(f.trim_start_matches('/')).exists()).collect();
        assert!(missing.is_empty(), "{page} names files that do not exist: {missing:?}");
    }
}

#[test]
fn the_table_reader_sees_links_and_code() {
    let page = "| RFC 4364 §4.3 | `a/b.rs`, [c](c/d.rs) | text |\n| other | x/y.rs |\n";
    assert_eq!(files_of_rfc_table(page), ["a/b.rs", "c/d.rs"]);
}

/// The threats of RFC 4111 §4, each with tests that exist.
///
/// Shows: MVPN-ISEC-10
#[test]
fn every_threat_has_a_test() {
    let page = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let sections: Vec<String> =
        (1..=6).map(|n| format!("§4.1.{n} ")).chain((1..=8).map(|n| format!("§4.2.{n} "))).collect();
    for section in sections {
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with(&format!("| {section}"))).collect();
        assert_eq!(lines.len(), 1, "{section}");
        let tests: Vec<(&str, &str)> =
            lines[0].split('`').skip(1).step_by(2).filter_map(|word| word.split_once(": ")).collect();
        assert!(!tests.is_empty(), "{section}");
        for (file, test) in tests {
            let text = fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{section}{file}: {e}"));
            assert!(text.contains(&format!("fn {test}(")), "{section}{file} has no {test}");
        }
    }
}
