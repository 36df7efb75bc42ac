//! Every code point of `bgp-vpn` names the document that assigns it.

use std::fs;
use std::path::Path;

use lab::coverage::files_below;

/// An associated constant of a newtype over a number: its name, its documentation with that of the block around it, and where
/// it stands.
struct CodePoint {
    place: String,
    docs: String,
}

/// The constants `pub const NAME: Self = Self(…);` and, in modules of sub-codes, `pub const NAME: u8 = …;`. A constant is
/// covered by its own documentation, or by that of its type, `impl` or module where this names an RFC for all of them.
fn code_points(file: &str, text: &str) -> Vec<CodePoint> {
    let mut found = Vec::new();
    let mut docs = String::new();
    // Documentation of the blocks that the line is in, with their indentation; types are remembered by name.
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut types: Vec<(String, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///").or_else(|| code.strip_prefix("//!")) {
            if code.starts_with("//!") {
                if let Some((_, block)) = blocks.last_mut() {
                    block.push_str(doc);
                }
            } else {
                docs.push_str(doc);
            }
            continue;
        }
        if code.starts_with("#[") {
            continue;
        }
        while blocks.last().is_some_and(|(at, _)| code.starts_with('}') && indent <= *at) {
            blocks.pop();
        }
        if let Some(name) = code.strip_prefix("pub struct ").and_then(|rest| rest.split(['(', ' ', '<']).next()) {
            types.push((name.to_owned(), docs.clone()));
        } else if let Some(name) = code.strip_prefix("impl ").and_then(|rest| rest.split(' ').next()) {
            let of_type = types.iter().find(|(n, _)| n == name).map_or_else(String::new, |(_, d)| d.clone());
            blocks.push((indent, of_type));
        } else if code.starts_with("pub mod ") && code.ends_with('{') {
            blocks.push((indent, docs.clone()));
        } else if code.starts_with("pub const ") {
            // A set of bits, written in binary, is no code point.
            let own = code.contains(": Self = Self(") && !code.contains("Self(0b");
            let subcode = code.contains(": u8 = ") && indent >= 8;
            if own || subcode {
                let around: String = blocks.iter().map(|(_, d)| d.as_str()).collect();
                let place = format!("{file}:{}: {code}", number + 1);
                found.push(CodePoint { place, docs: format!("{docs} {around}") });
            }
        }
        docs.clear();
    }
    found
}

/// Shows: L3VPN-SOL-4
#[test]
fn every_code_point_names_its_rfc() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bgp-vpn/src");
    let mut points = Vec::new();
    for path in files_below(&root, &["rs"]).unwrap() {
        let text = fs::read_to_string(&path).unwrap();
        points.extend(code_points(&path.strip_prefix(&root).unwrap().display().to_string(), &text));
    }
    assert!(points.len() > 80, "only {} code points found", points.len());
    let bare: Vec<&str> = points.iter().filter(|p| !p.docs.contains("RFC ")).map(|p| p.place.as_str()).collect();
    assert!(bare.is_empty(), "without RFC:\n{}", bare.join("\n"));
}

#[test]
fn a_code_point_without_rfc_is_found() {
    let text = "/// A type.\npub struct Kind(pub u8);\n\nimpl Kind {\n    /// One.\n    pub const ONE: Self = Self(1);\n\
                /// Two (RFC 1 §2).\n    pub const TWO: Self = Self(2);\n}\n";
    let points = code_points("x", text);
    assert_eq!(points.iter().map(|p| p.docs.contains("RFC ")).collect::<Vec<_>>(), [false, true]);
    let documented = text.replace("A type.", "A type (RFC 9).");
    assert!(code_points("x", &documented).iter().all(|p| p.docs.contains("RFC ")));
}
