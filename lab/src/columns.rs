//! Readable tables.

use std::fmt::Write as _;

/// Rows in columns as wide as their widest cell; cells that begin with a digit are aligned to the right.
#[must_use]
pub fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|h| h.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: [&str; N], numbers: bool| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let pad = " ".repeat(width - cell.chars().count());
            let right = numbers && cell.starts_with(|c: char| c.is_ascii_digit()) && !cell.contains([':', '.', ' ']);
            let _ = if right { write!(text, "  {pad}{cell}") } else { write!(text, "  {cell}{pad}") };
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(head, false);
    let rules = widths.map(|w| "-".repeat(w));
    line(rules.each_ref().map(String::as_str), false);
    rows.iter().for_each(|row| line(row.each_ref().map(String::as_str), true));
    out
}

/// A number with commas between thousands.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["PE1".into(), "1,000".into()], ["RR".into(), "5".into()]];
        assert_eq!(
            columns(["router", "routes"], &rows),
            "  router  routes\n  ------  ------\n  PE1      1,000\n  RR           5\n"
        );
        assert_eq!(grouped(1_062_046), "1,062,046");
        assert_eq!(grouped(7), "7");
    }
}
