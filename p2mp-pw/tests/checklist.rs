//! The checklist of RFC 4687 §4 in `docs/oam-p2mp.md`: a test for each of its sections, and each test is there and says so.

use std::path::Path;

const ROW: &str = "MVPN-TRB-5";

#[test]
fn each_section_has_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/oam-p2mp.md")).unwrap();
    for section in 1..=11 {
        let start = format!("| §4.{section} |");
        let row = page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {start}"));
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, _, _, shown] = cells[..] else { panic!("{row}") };
        for test in shown.split("; ") {
            let (file, name) = test.trim_matches(&[' ', '|'][..]).split_once(": ").unwrap_or_else(|| panic!("{test}"));
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            let name = name.trim_matches('`');
            let at = text.find(&format!("fn {name}(")).unwrap_or_else(|| panic!("{file} has no {name}"));
            let at = text[..at].rfind('\n').unwrap_or(0);
            let above: Vec<&str> = text[..at].lines().rev().take_while(|l| !l.trim().is_empty()).collect();
            assert!(above.iter().any(|l| l.contains("#[test]")), "{file}: {name} is no test");
            let shows = above.iter().any(|l| l.contains("Shows: ") && l.contains(ROW));
            assert!(shows, "{file}: {name} does not name {ROW}");
        }
    }
}
