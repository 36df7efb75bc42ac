//! `lab decode`: the BGP messages of a capture, as a tree for people or as JSON for programs.
//!
//! Connections are followed by their TCP ports and put back in order. Where the capture holds both OPENs of a session,
//! messages are read in the context that they agree on; where it starts later, each UPDATE is read in the first of the contexts
//! of [`guesses`](context::guesses) that gives the least fault, and is marked so. A capture that starts inside a message is
//! read from the next one on.

pub mod context;
mod service;
mod stream;
mod value;

pub use stream::Decoder;
pub use value::{Found, Problem, action_name, hex};

use std::collections::BTreeMap;
use std::fmt;
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

/// Reads a capture; hands out each message as it is completed. Returns the number of frames, and why reading stopped before
/// the end, if it did.
///
/// # Errors
/// A file that cannot be opened or is no capture, and the errors of `take`.
pub fn decode_each(
    path: &Path,
    ports: &[u16],
    mut take: impl FnMut(Found) -> io::Result<()>,
) -> Result<(u64, Option<CaptureError>)> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let reader = Reader::new(BufReader::new(file)).with_context(|| path.display().to_string())?;
    let mut decoder = Decoder::new(ports);
    let (mut frames, mut stopped) = (0, None);
    for captured in reader {
        match captured {
            Ok(captured) => {
                frames = captured.number;
                decoder.push(&captured).into_iter().try_for_each(&mut take)?;
            }
            Err(error) => stopped = Some(error),
        }
    }
    decoder.finish().into_iter().try_for_each(&mut take)?;
    Ok((frames, stopped))
}

/// Reads a whole capture.
///
/// # Errors
/// A file that cannot be opened or is no capture.
pub fn decode(path: &Path, ports: &[u16]) -> Result<Decoded> {
    let mut messages = Vec::new();
    let (frames, error) = decode_each(path, ports, |found| {
        messages.push(found);
        Ok(())
    })?;
    Ok(Decoded { frames, messages, error })
}

/// Runs `lab decode`.
///
/// # Errors
/// A file that cannot be read, or is no capture; output that cannot be written.
pub fn main(args: &Args) -> Result<ExitCode> {
    let ports: Vec<u16> = [BGP_PORT].into_iter().chain(args.port.iter().copied()).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut totals = Totals::default();
    let done = decode_each(&args.file, &ports, |found| {
        totals.count(&found);
        if args.json { writeln!(out, "{}", found.to_json()) } else { print_tree(&found, &mut out) }
    });
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    let (frames, stopped) = match done {
        // Whoever reads our output has seen enough.
        Err(error) if error.downcast_ref().is_some_and(closed) => return Ok(ExitCode::SUCCESS),
        done => done?,
    };
    if !args.json {
        writeln!(out, "{frames} frames: {totals}")?;
    }
    out.flush()?;
    if let Some(error) = stopped {
        eprintln!("{}: after frame {frames}: {error}", args.file.display());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Totals {
    kinds: BTreeMap<&'static str, u64>,
    faulty: u64,
}

impl Totals {
    fn count(&mut self, found: &Found) {
        *self.kinds.entry(found.kind).or_default() += 1;
        self.faulty += u64::from(!found.problems.is_empty());
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let kinds = if kinds.is_empty() { "no message".into() } else { kinds.join(", ") };
        write!(f, "{kinds}; {} with faults", self.faulty)
    }
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
