//! Which rows of the catalogue (`docs/requirements`) the tests show, by their `Shows:` lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// Arguments of `lab coverage`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if docs/coverage.md is stale
    #[arg(long)]
    check: bool,
    /// The workspace's root
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

/// A row of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its identifier, as in `L3VPN-SOL-1`.
    pub id: String,
    /// The catalogue's file and the headings above the row.
    pub section: String,
}

/// A test that says it shows a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// File, from the workspace's root.
    pub file: String,
    /// The test function, or empty where a whole file is the test.
    pub test: String,
}

/// The catalogue and what shows it.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Rows in the catalogue's order.
    pub rows: Vec<Row>,
    /// Tests by row.
    pub shown: BTreeMap<String, Vec<Shown>>,
    /// `Shows:` lines that name no row: file, line, what they name.
    pub unknown: Vec<(String, usize, String)>,
}

/// Families of identifiers: the first part of every row's ID.
const FAMILIES: [&str; 6] = ["L3VPN-", "MVPN-", "L2VPN-", "VPLS-", "P2MP-", "VLINK-"];

/// Runs `lab coverage`.
///
/// # Errors
/// Files that cannot be read or written, a test that names an unknown row, a stale docs/coverage.md with `--check`.
pub fn main(args: &Args) -> Result<ExitCode> {
    let coverage = Coverage::scan(&args.root)?;
    if let Some((file, line, id)) = coverage.unknown.first() {
        bail!("{file}:{line}: there is no row {id} in docs/requirements");
    }
    let text = coverage.to_markdown();
    let path = args.root.join("docs/coverage.md");
    if args.check {
        if fs::read_to_string(&path).unwrap_or_default() != text {
            bail!("docs/coverage.md is stale: run `cargo run --release -- coverage`");
        }
        println!("docs/coverage.md is up to date");
    } else {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        println!("{}: {} of {} rows shown", path.display(), coverage.shown.len(), coverage.rows.len());
    }
    Ok(ExitCode::SUCCESS)
}

impl Coverage {
    /// Reads the catalogue and all sources below `root`.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn scan(root: &Path) -> Result<Self> {
        let mut coverage = Self::default();
        for path in files_below(&root.join("docs/requirements"), &["md"])? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            coverage.rows.extend(rows(&name, &read(&path)?));
        }
        for path in files_below(root, &["rs", "sh", "txt"])? {
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            for (line, id, test) in shows(&read(&path)?) {
                if coverage.rows.iter().any(|row| row.id == id) {
                    coverage.shown.entry(id).or_default().push(Shown { file: file.clone(), test });
                } else {
                    coverage.unknown.push((file.clone(), line, id));
                }
            }
        }
        for tests in coverage.shown.values_mut() {
            tests.sort();
            tests.dedup();
        }
        Ok(coverage)
    }

    /// The text of docs/coverage.md.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::from(
            "# Coverage of the requirement catalogue\n\n\
             Written by `cargo run --release -- coverage` from the `Shows:` lines of the tests; a test fails when it is stale.\n\n",
        );
        let _ = writeln!(out, "{} of {} rows shown.\n", self.shown.len(), self.rows.len());
        let mut sections: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match sections.last_mut() {
                Some((section, rows)) if *section == row.section => rows.push(row),
                _ => sections.push((&row.section, vec![row])),
            }
        }
        out.push_str("| Section | Shown | Open |\n|---|---|---|\n");
        for (section, rows) in &sections {
            let shown = rows.iter().filter(|row| self.shown.contains_key(&row.id)).count();
            let _ = writeln!(out, "| {section} | {shown} | {} |", rows.len() - shown);
        }
        for (section, rows) in &sections {
            self.write_section(&mut out, section, rows);
        }
        out
    }

    fn write_section(&self, out: &mut String, section: &str, rows: &[&Row]) {
        let _ = writeln!(out, "\n## {section}\n");
        let (shown, open): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| self.shown.contains_key(&row.id));
        if !shown.is_empty() {
            out.push_str("| Row | Shown by |\n|---|---|\n");
        }
        for row in &shown {
            let tests: Vec<String> = self.shown[&row.id]
                .iter()
                .map(|s| if s.test.is_empty() { s.file.clone() } else { format!("{}: `{}`", s.file, s.test) })
                .collect();
            let _ = writeln!(out, "| {} | {} |", row.id, tests.join("; "));
        }
        if !open.is_empty() {
            if !shown.is_empty() {
                out.push('\n');
            }
            let ids: Vec<&str> = open.iter().map(|row| row.id.as_str()).collect();
            let _ = writeln!(out, "Open: {}.", ids.join(", "));
        }
    }
}

/// The rows of one file of the catalogue.
fn rows(file: &str, text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut chapter, mut section) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            (chapter, section) = (heading.to_owned(), String::new());
        } else if let Some(heading) = line.strip_prefix("### ") {
            section = heading.to_owned();
        } else if let Some(id) = line.strip_prefix("| ").and_then(|rest| rest.split(" |").next()) {
            let known = FAMILIES.iter().any(|f| id.starts_with(f));
            if known && is_id(id) && rows.iter().all(|row| row.id != id) {
                let heading = if section.is_empty() { &chapter } else { &section };
                rows.push(Row { id: id.to_owned(), section: format!("{file}: {heading}") });
            }
        }
    }
    rows
}

fn is_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

/// The `Shows:` lines of a source: line number, row, the test function that follows.
fn shows(text: &str) -> Vec<(usize, String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        let Some(comment) = ["///", "//!", "#"].iter().find_map(|mark| line.strip_prefix(mark)) else { continue };
        let Some(ids) = comment.trim_start().strip_prefix("Shows:") else { continue };
        let whole_file = !line.starts_with("///");
        let test = if whole_file { None } else { lines.iter().skip(at).take(40).find_map(|l| function_name(l)) };
        for id in ids.split(',').map(|id| id.trim().trim_end_matches('.')).filter(|id| !id.is_empty()) {
            found.push((at + 1, id.to_owned(), test.unwrap_or_default().to_owned()));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// All files with one of these extensions below a directory, sorted; build products and version control left out.
///
/// # Errors
/// A directory that cannot be read.
pub fn files_below(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    const SKIPPED: [&str; 6] = ["target", ".git", "out", "corpus", "artifacts", "node_modules"];
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !path.is_symlink() {
                if !SKIPPED.contains(&&*name) {
                    open.push(path);
                }
            } else if extensions.iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String> {
    let octets = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: &str = "## 1. One\n\n### 1.1 Sub\n\n| ID | Level |\n|---|---|\n| L3VPN-SOL-1 | MUST |\n\
                             | L3VPN-8.1-3 | x |\n| C-10 | x |\n\n## 2. Two\n| VPLS-THR-A1 | x |\n";

    #[test]
    fn rows_carry_their_section() {
        let rows = rows("cat", CATALOGUE);
        let ids: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.section.as_str())).collect();
        assert_eq!(
            ids,
            [("L3VPN-SOL-1", "cat: 1.1 Sub"), ("L3VPN-8.1-3", "cat: 1.1 Sub"), ("VPLS-THR-A1", "cat: 2. Two")]
        );
    }

    #[test]
    fn a_line_names_its_test() {
        let source = "    /// Shows: L3VPN-SOL-1, MVPN-EXT-4\n    #[test]\n    fn works<T>() {}\n# Shows: VLINK-7-1\n";
        assert_eq!(
            shows(source),
            [
                (1, "L3VPN-SOL-1".into(), "works".into()),
                (1, "MVPN-EXT-4".into(), "works".into()),
                (4, "VLINK-7-1".into(), String::new())
            ]
        );
        assert!(shows("let x = \"/// Shows: L3VPN-SOL-1\";").is_empty());
    }

    #[test]
    fn the_text_counts_rows() {
        let mut coverage = Coverage { rows: rows("cat", CATALOGUE), ..Coverage::default() };
        coverage.shown.insert("VPLS-THR-A1".into(), vec![Shown { file: "a.rs".into(), test: "t".into() }]);
        let text = coverage.to_markdown();
        assert!(text.contains("1 of 3 rows shown."), "{text}");
        assert!(text.contains("| cat: 1.1 Sub | 0 | 2 |"), "{text}");
        assert!(text.contains("| VPLS-THR-A1 | a.rs: `t` |"), "{text}");
        assert!(text.contains("Open: L3VPN-SOL-1, L3VPN-8.1-3."), "{text}");
    }
}
