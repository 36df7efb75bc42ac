//! `lab multicast`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bumpalo::Bump;
use fwd_core::table::{
    CounterMemory, Exact6Slot, ExactSlot, LegSlot, Memory, MulticastMemory, MulticastVrfSlot, ReplicationSlot, Sizes,
};
use fwd_core::{Forwarder, GroupCounters, VrfCounters};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Router;
use super::config::Config;
use super::router::NEIGHBOURS;
use crate::live::command::Lines;

/// Arguments of `lab multicast`.
#[derive(clap::Args)]
pub struct Args {
    /// Configuration (TOML): loopbacks, [[interface]], [[route]], [[rp]]
    config: PathBuf,
}

/// Multicast routes and groups of both families.
const ROUTES: usize = 4096;

/// Runs a multicast router until SIGTERM, SIGINT or the end of its input. It prints one JSON object a line: events, and for each line
/// `show` that it reads the state.
///
/// # Errors
/// Bad configuration, an interface that cannot be opened, or a failing system.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.config).with_context(|| format!("{}", args.config.display()))?;
    let config = Config::parse(&text).with_context(|| format!("{}", args.config.display()))?;
    let arena = Bump::new();
    let mut router = Router::new(&config, forwarder(&arena, config.interfaces.len())?)?;
    println!("{}", serde_json::json!({"event": "started"}));
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
                match line.trim() {
                    "show" => println!("{}", router.show()),
                    other => println!("{}", serde_json::json!({"reply": other, "error": "no such command"})),
                }
            }
        }
        io::stdout().flush()?;
    }
}

/// A forwarding plane with room for multicast.
fn forwarder<'m>(arena: &'m Bump, interfaces: usize) -> anyhow::Result<Forwarder<'m>> {
    let sizes = Sizes {
        interfaces: interfaces + 1,
        vrfs: 2,
        nhlfes: NEIGHBOURS as usize,
        labels: 16,
        routes4: 1024,
        routes6: 1024,
        direct4: 1,
        direct6: 1,
        ..Sizes::NONE
    };
    let multicast = MulticastMemory {
        vrfs: arena.alloc_slice_fill_with(2, |_| MulticastVrfSlot::EMPTY),
        routes: arena.alloc_slice_fill_with(ROUTES + 1, |_| ExactSlot::EMPTY),
        routes6: arena.alloc_slice_fill_with(ROUTES + 1, |_| Exact6Slot::EMPTY),
        groups: arena.alloc_slice_fill_with(ROUTES, |_| ReplicationSlot::EMPTY),
        legs: arena.alloc_slice_fill_with(ROUTES * 4 + 1, |_| LegSlot::EMPTY),
        ..MulticastMemory::default()
    };
    let memory = Memory { multicast, ..crate::sim::node::memory(arena, &sizes) };
    let counters = CounterMemory {
        vrfs: arena.alloc_slice_fill_copy(sizes.vrfs, VrfCounters::ZERO),
        groups: arena.alloc_slice_fill_with(ROUTES, |_| GroupCounters::default()),
        ..CounterMemory::default()
    };
    Forwarder::new(memory, counters).map_err(|e| anyhow::anyhow!("forwarding plane: {e:?}"))
}
