//! `lab decode`: the BGP messages of a capture, as a tree for people or as JSON for programs.
//!
//! Connections are followed by their TCP ports and put back in order. Where the capture holds both OPENs of a session,
//! messages are read in the context that they agree on; where it starts later, each UPDATE is read in the first of the contexts
//! of [`guesses`](context::guesses) that gives the least fault, and is marked so. A capture that starts inside a message is
//! read from the next one on.

pub mod context;
mod stream;
mod value;

pub use stream::Decoder;
pub use value::{Found, Problem, action_name, hex};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::pcap::{CaptureError, Reader};
use crate::sim::network::BGP_PORT;

/// Arguments of `lab decode`.
#[derive(clap::Args)]
pub struct Args {
    /// A pcap or pcapng file
    file: PathBuf,
    /// One JSON object a line for each message
    #[arg(long)]
    json: bool,
    /// A further TCP port that carries BGP
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
}

/// What a capture holds.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Frames read.
    pub frames: u64,
    /// Messages, in the order in which they were completed.
    pub messages: Vec<Found>,
    /// Why reading stopped before the end, if it did.
    pub error: Option<CaptureError>,
}

/// Reads a capture.
///
/// # Errors
/// A file that cannot be opened or is no capture.
pub fn decode(path: &Path, ports: &[u16]) -> Result<Decoded> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let reader = Reader::new(BufReader::new(file)).with_context(|| path.display().to_string())?;
    let mut decoder = Decoder::new(ports);
    let mut decoded = Decoded::default();
    for captured in reader {
        match captured {
            Ok(captured) => {
                decoded.frames = captured.number;
                decoded.messages.extend(decoder.push(&captured));
            }
            Err(error) => decoded.error = Some(error),
        }
    }
    decoded.messages.extend(decoder.finish());
    Ok(decoded)
}

/// Runs `lab decode`.
///
/// # Errors
/// A file that cannot be read, or is no capture; output that cannot be written.
pub fn main(args: &Args) -> Result<ExitCode> {
    let ports: Vec<u16> = [BGP_PORT].into_iter().chain(args.port.iter().copied()).collect();
    let decoded = decode(&args.file, &ports)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&decoded, args.json, &mut out).and_then(|()| out.flush()) {
        // Whoever reads our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        done => done?,
    }
    if let Some(error) = &decoded.error {
        eprintln!("{}: after frame {}: {error}", args.file.display(), decoded.frames);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(decoded: &Decoded, json: bool, out: &mut impl Write) -> io::Result<()> {
    for found in &decoded.messages {
        if json {
            writeln!(out, "{}", found.to_json())?;
        } else {
            print_tree(found, out)?;
        }
    }
    if !json {
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        decoded.messages.iter().for_each(|found| *kinds.entry(found.kind).or_default() += 1);
        let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let faulty = decoded.messages.iter().filter(|found| !found.problems.is_empty()).count();
        let kinds = if kinds.is_empty() { "no message".into() } else { kinds.join(", ") };
        writeln!(out, "{} frames: {kinds}; {faulty} with faults", decoded.frames)?;
    }
    Ok(())
}

fn print_tree(found: &Found, out: &mut impl Write) -> io::Result<()> {
    let guessed = if found.guessed { ", context guessed" } else { "" };
    let (seconds, micros) = (found.time.as_secs(), found.time.subsec_micros());
    writeln!(
        out,
        "frame {} at {seconds}.{micros:06}: {} > {}: {}, {} octets{guessed}",
        found.frame, found.src, found.dst, found.kind, found.length
    )?;
    print_value(&found.value, 1, out)?;
    for problem in &found.problems {
        let Problem { offset, field, fault, action } = problem;
        writeln!(out, "  ! octet {offset}, {field}: {fault} -> {action}")?;
    }
    writeln!(out)
}

fn print_value(value: &Value, depth: usize, out: &mut impl Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            // An attribute is one line, or a heading.
            if let (Some(Value::String(kind)), Some(flags), Some(value)) =
                (fields.get("type"), fields.get("flags"), fields.get("value"))
            {
                return print_field(&format!("{kind} ({})", text(flags)), value, depth, out);
            }
            fields.iter().try_for_each(|(name, value)| print_field(name, value, depth, out))
        }
        Value::Array(items) => items.iter().try_for_each(|item| print_value(item, depth, out)),
        Value::Null => Ok(()),
        scalar => writeln!(out, "{indent}{}", text(scalar)),
    }
}

fn print_field(name: &str, value: &Value, depth: usize, out: &mut impl Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(_) | Value::Array(_) => {
            writeln!(out, "{indent}{name}")?;
            print_value(value, depth + 1, out)
        }
        scalar => writeln!(out, "{indent}{name}: {}", text(scalar)),
    }
}

fn text(scalar: &Value) -> String {
    match scalar {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
