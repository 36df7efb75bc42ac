//! `lab vpls`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bumpalo::Bump;
use fwd_core::table::{
    BridgeMemory, CircuitSlot, CounterMemory, Exact6Slot, ExactSlot, LegSlot, MacBucket, Memory, MulticastMemory,
    MulticastVrfSlot, PolicerSlot, PortSlot, PortState, ReplicationSlot, Sizes, TokenBuckets, VsiSlot, VsiState, Word,
};
use fwd_core::{BridgeCounters, Forwarder, GroupCounters, VrfCounters};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Pe;
use super::config::Config;
use crate::live::command::Lines;

/// Arguments of `lab vpls`.
#[derive(clap::Args)]
pub struct Args {
    /// Configuration (TOML): asn, router-id, [core], [[peer]], [[pe]], [[vsi]]
    config: PathBuf,
}

/// Bridge ports, groups, policers, instances and buckets of addresses.
const PORTS: usize = 1024;
const GROUPS: usize = 8192;
const POLICERS: usize = 256;
const BUCKETS: usize = 8192;

/// Runs a PE until SIGTERM, SIGINT or the end of its input. It prints one JSON object a line: events, and for each line `show` that it
/// reads the state.
///
/// # Errors
/// Bad configuration, an interface that cannot be opened, or a failing system.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.config).with_context(|| format!("{}", args.config.display()))?;
    let config = Config::parse(&text).with_context(|| format!("{}", args.config.display()))?;
    let arena = Bump::new();
    let mut pe = Pe::new(&config, forwarder(&arena, &config)?)?;
    println!("{}", serde_json::json!({"event": "started"}));
    let (stop, told) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, told.try_clone()?)?;
    }
    let mut lines = Lines::default();
    loop {
        let stdin = io::stdin();
        let ready = pe.pass(Duration::from_secs(3600), &[stop.as_fd(), stdin.as_fd()], |event| println!("{event}"))?;
        if ready[0] {
            return Ok(ExitCode::SUCCESS);
        }
        if ready[1] {
            let Some(read) = lines.take()? else { return Ok(ExitCode::SUCCESS) };
            for line in read {
                match line.trim() {
                    "show" => println!("{}", pe.show()),
                    other => println!("{}", serde_json::json!({"reply": other, "error": "no such command"})),
                }
            }
        }
        io::stdout().flush()?;
    }
}

/// A forwarding plane with room for bridging.
fn forwarder<'m>(arena: &'m Bump, config: &Config) -> anyhow::Result<Forwarder<'m>> {
    let circuits: usize = config.vsis.iter().map(|vsi| vsi.circuits.len()).sum();
    let vsis = config.vsis.iter().map(|vsi| usize::from(vsi.id)).max().unwrap_or(0) + 1;
    let sizes = Sizes {
        interfaces: circuits + 2,
        vrfs: 1,
        nhlfes: Config::NHLFES_END as usize,
        labels: config.labels.1 as usize + 1,
        ..Sizes::NONE
    };
    let multicast = MulticastMemory {
        vrfs: arena.alloc_slice_fill_with(1, |_| MulticastVrfSlot::EMPTY),
        routes: arena.alloc_slice_fill_with(GROUPS, |_| ExactSlot::EMPTY),
        routes6: arena.alloc_slice_fill_with(GROUPS, |_| Exact6Slot::EMPTY),
        tunnels: arena.alloc_slice_fill_with(1, |_| Word::ZERO),
        groups: arena.alloc_slice_fill_with(GROUPS, |_| ReplicationSlot::EMPTY),
        legs: arena.alloc_slice_fill_with(GROUPS * 4 + 1, |_| LegSlot::EMPTY),
    };
    let bridge = BridgeMemory {
        vsis: arena.alloc_slice_fill_with(vsis + 1, |_| VsiSlot::EMPTY),
        vsi_states: arena.alloc_slice_fill_with(vsis, |_| VsiState::EMPTY),
        ports: arena.alloc_slice_fill_with(PORTS + 1, |_| PortSlot::EMPTY),
        port_states: arena.alloc_slice_fill_with(PORTS, |_| PortState::EMPTY),
        circuits: arena.alloc_slice_fill_with((circuits + 1).next_power_of_two() * 2, |_| CircuitSlot::EMPTY),
        macs: arena.alloc_slice_fill_with(BUCKETS, |_| MacBucket::EMPTY),
    };
    let memory = Memory {
        multicast,
        bridge,
        policers: arena.alloc_slice_fill_with(POLICERS + 1, |_| PolicerSlot::EMPTY),
        seed: u64::from(std::process::id()),
        ..crate::sim::node::memory(arena, &sizes)
    };
    let counters = CounterMemory {
        vrfs: arena.alloc_slice_fill_copy(sizes.vrfs, VrfCounters::ZERO),
        groups: arena.alloc_slice_fill_with(GROUPS, |_| GroupCounters::ZERO),
        vsis: arena.alloc_slice_fill_with(vsis, |_| BridgeCounters::ZERO),
        ports: arena.alloc_slice_fill_with(PORTS, |_| BridgeCounters::ZERO),
        buckets: arena.alloc_slice_fill_with(POLICERS, |_| TokenBuckets::EMPTY),
        ..CounterMemory::default()
    };
    Forwarder::new(memory, counters).map_err(|e| anyhow::anyhow!("forwarding plane: {e:?}"))
}
