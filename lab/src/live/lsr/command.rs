//! `lab lsr`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bumpalo::Bump;
use fwd_core::net::IpPrefix;
use fwd_core::table::Sizes;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Router;
use super::config::Config;
use super::router::{LAST_LABEL, NHLFES};
use crate::live::command::Lines;

/// Arguments of `lab lsr`.
#[derive(clap::Args)]
pub struct Args {
    /// Configuration (TOML): router-id, transport, [[interface]], [[route]], [[neighbour]], [[hello-key]], [[pseudowire]], [[bfd]]
    config: PathBuf,
}

/// Runs a label switching router until SIGTERM, SIGINT or the end of its input. It prints one JSON object a line: events, and the answer
/// to each line that it reads: `show`, `fec PREFIX`, `route PREFIX NEXT-HOP|none`, `circuit PSEUDOWIRE up|down`.
///
/// # Errors
/// Bad configuration, an interface or a port that cannot be opened, or a failing system.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.config).with_context(|| format!("{}", args.config.display()))?;
    let config = Config::parse(&text).with_context(|| format!("{}", args.config.display()))?;
    let arena = Bump::new();
    let sizes = Sizes {
        interfaces: config.interfaces.len() + 1,
        vrfs: 1,
        nhlfes: NHLFES as usize,
        labels: LAST_LABEL as usize + 1,
        routes4: 64,
        routes6: 64,
        direct4: 1,
        direct6: 1,
        ..Sizes::NONE
    };
    let forwarder = crate::sim::node::forwarder(&arena, &sizes);
    let mut router = Router::new(config, forwarder)?;
    println!("{}", json!({"event": "started"}));
    let (stop, told) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, told.try_clone()?)?;
    }
    let mut lines = Lines::default();
    loop {
        let stdin = io::stdin();
        let ready =
            router.pass(Duration::from_secs(3600), &[stop.as_fd(), stdin.as_fd()], |event| println!("{event}"))?;
        if ready[0] {
            return Ok(ExitCode::SUCCESS);
        }
        if ready[1] {
            let Some(read) = lines.take()? else { return Ok(ExitCode::SUCCESS) };
            for line in read {
                let reply = obey(&mut router, &line);
                println!("{}", reply.unwrap_or_else(|error| json!({"reply": line, "error": format!("{error:#}")})));
            }
        }
        io::stdout().flush()?;
    }
}

fn obey(router: &mut Router<'_>, line: &str) -> anyhow::Result<Value> {
    let prefix = |text: &str| text.parse::<IpPrefix>().with_context(|| format!("{text:?}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let now = router.now();
    match words[..] {
        ["show"] => return Ok(router.show()),
        ["fec", at] => return Ok(router.fec(prefix(at)?)),
        ["route", at, "none"] => router.set_route(now, prefix(at)?, None)?,
        ["route", at, via] => {
            router.set_route(now, prefix(at)?, Some(via.parse().with_context(|| format!("{via:?}"))?))?;
        }
        ["circuit", number, state @ ("up" | "down")] => {
            let known = router.set_circuit(now, number.parse().with_context(|| format!("{number:?}"))?, state == "up");
            anyhow::ensure!(known, "no pseudowire {number}");
        }
        _ => anyhow::bail!("no such command"),
    }
    Ok(json!({"reply": line}))
}
