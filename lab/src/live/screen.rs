//! Printing what happens: text for people, or one JSON object a line.

use std::collections::{HashMap, HashSet};

use bgp_vpn::message::Notification;
use bgp_vpn::speaker::{Event, PeerId};
use serde_json::{Map, Value, json};

use super::driver::Driver;
use super::report::{Report, Row};

/// Standard output in one of its two forms.
pub struct Screen {
    json: bool,
    /// Peers whose session is up: `Event::Down` is also raised for attempts that fail.
    up: HashSet<PeerId>,
    /// The faults of a peer's UPDATEs in the current second, and those not printed.
    faults: HashMap<PeerId, (u64, u32, u64)>,
}

/// Faults of one peer's UPDATEs printed a second; the others are counted.
const FAULTS: u32 = 10;

impl Screen {
    /// A screen for people or for programs.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json, up: HashSet::new(), faults: HashMap::new() }
    }

    /// The speaker is ready.
    pub fn listening(&self, driver: &Driver<'_>) {
        let addresses: Vec<Value> = driver.transport().listening().map(|a| json!(a.to_string())).collect();
        self.happened(driver, "listening", &[("addresses", addresses.into())]);
    }

    /// The speaker raised an event.
    pub fn event(&mut self, driver: &Driver<'_>, event: &Event) {
        let peer = |id: &PeerId| ("peer", json!(driver.address(*id).map(|a| a.to_string())));
        let notification = |n: &Option<Notification>| json!(n.as_ref().map(ToString::to_string));
        match event {
            Event::Established { peer: id } => {
                self.up.insert(*id);
                self.happened(driver, "established", &[peer(id)]);
            }
            Event::Down { peer: id, sent, received } => {
                let was_up = ("was-up", json!(self.up.remove(id)));
                let row = [peer(id), was_up, ("sent", notification(sent)), ("received", notification(received))];
                self.happened(driver, "down", &row);
            }
            Event::EndOfRib { peer: id, family } => {
                self.happened(driver, "end-of-rib", &[peer(id), ("family", json!(family.to_string()))]);
            }
            Event::UpdateFault { peer: id, attribute, fault, action } => {
                let second = driver.now().as_micros() / 1_000_000;
                let (at, printed, suppressed) = self.faults.entry(*id).or_default();
                if std::mem::replace(at, second) != second {
                    *printed = 0;
                }
                if *printed >= FAULTS {
                    *suppressed += 1;
                    return;
                }
                *printed += 1;
                let fault = ("fault", json!(fault.to_string()));
                let suppressed = ("suppressed", json!(std::mem::take(suppressed)));
                let action = ("action", json!(format!("{action:?}")));
                let row = [peer(id), ("attribute", json!(attribute)), fault, action, suppressed];
                self.happened(driver, "update-fault", &row);
            }
            Event::NextHopUnresolved { address } => {
                self.happened(driver, "next-hop", &[("address", json!(address.to_string()))]);
            }
            other => self.happened(driver, "other", &[("what", json!(format!("{other:?}")))]),
        }
    }

    fn happened(&self, driver: &Driver<'_>, name: &str, row: &[(&'static str, Value)]) {
        let seconds = driver.now().as_micros() as f64 / 1e6;
        if self.json {
            let mut object = object(row);
            object.insert("event".into(), name.into());
            object.insert("time".into(), json!(seconds));
            println!("{}", Value::Object(object));
        } else {
            let words: Vec<String> =
                row.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| format!("{k} {}", text(v))).collect();
            println!("{seconds:>11.3}  {name:<12} {}", words.join("  "));
        }
    }

    /// The answer to a command.
    pub fn reply(&self, name: &str, report: &Report) {
        if self.json {
            let mut object = Map::new();
            object.insert("reply".into(), name.into());
            match report {
                Report::Done => {}
                Report::List { of, rows } => {
                    object.insert((*of).into(), rows.iter().map(|r| Value::Object(self::object(r))).collect());
                }
                Report::Fields(row) => object.append(&mut self::object(row)),
            }
            println!("{}", Value::Object(object));
        } else {
            match report {
                Report::Done => println!("{name}: done"),
                Report::List { of, rows } => print!("{}", table(of, rows)),
                Report::Fields(row) => row.iter().for_each(|(k, v)| println!("{k:<24} {}", text(v))),
            }
        }
    }

    /// A command that cannot be carried out.
    pub fn refuse(&self, line: &str, error: &anyhow::Error) {
        if self.json {
            println!("{}", json!({ "reply": line, "error": format!("{error:#}") }));
        } else {
            println!("{line}: {error:#}");
        }
    }

    /// The last word.
    pub fn summary(&self, driver: &Driver<'_>) {
        let row = Report::summary(driver);
        if self.json {
            println!("{}", json!({ "summary": object(&row) }));
        } else {
            println!();
            self.reply("peers", &Report::peers(driver));
            self.reply("summary", &Report::Fields(row));
        }
    }
}

fn object(row: &[(&'static str, Value)]) -> Map<String, Value> {
    row.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// A value as a person writes it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(s) => s.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k} {}", text(v))).collect::<Vec<_>>().join(", "),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(n) => n.to_string(),
    }
}

/// Rows under the names of their fields, columns aligned.
fn table(of: &str, rows: &[Row]) -> String {
    let Some(first) = rows.first() else { return format!("no {of}\n") };
    let head = first.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    let cells: Vec<Vec<String>> =
        std::iter::once(head).chain(rows.iter().map(|row| row.iter().map(|(_, v)| text(v)).collect())).collect();
    let width = |column: usize| cells.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..first.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    cells.iter().map(line).collect::<String>() + &format!("{} {of}\n", rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_counted() {
        let rows = vec![
            vec![("prefix", json!("10.0.0.0/8")), ("labels", json!([16, 17])), ("best", json!(true))],
            vec![("prefix", json!("fd00::/48")), ("labels", json!([5])), ("best", json!(false))],
        ];
        assert_eq!(
            table("paths", &rows),
            "prefix      labels  best\n10.0.0.0/8  16 17   yes\nfd00::/48   5       no\n2 paths\n"
        );
        assert_eq!(table("paths", &[]), "no paths\n");
    }
}
