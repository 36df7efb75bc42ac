//! `lab feed`: VPN-IPv4 routes through a route reflector under test, whoever wrote it, with two iBGP clients on loopback.
//!
//! 1: A announces all. 2: A withdraws a tenth of the attribute sets, and announces them again with another MED. 3: A disappears. A phase
//! ends when B holds what it should; the next begins when the reflector is idle. B compares label, next hop, MED, community and route
//! target of every route with what was sent.

mod table;
mod workload;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use table::{Counts, Table};
use workload::{PER_RD, PER_SET, SECOND, Shape, message, open};

/// Arguments of `lab feed`.
#[derive(clap::Args)]
pub struct Args {
    /// The reflector's address and port; its clients are 127.0.0.11 and 127.0.0.12
    #[arg(long, default_value = "127.0.0.10:1790")]
    to: SocketAddr,
    /// Routes, a multiple of 1,000
    #[arg(long, default_value_t = 1_000_000)]
    routes: u32,
    /// One label per route distinguisher
    #[arg(long)]
    label_per_rd: bool,
    /// No prefix occurs with two route distinguishers
    #[arg(long)]
    distinct: bool,
    /// The reflector's processes, whose processor time and memory are summed
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
    /// What the result is called
    #[arg(long, default_value = "reflector")]
    name: String,
    /// Seconds without progress after which the run is given up
    #[arg(long, default_value_t = 60)]
    stall: u64,
}

const A: [u8; 4] = [127, 0, 0, 11];
const B: [u8; 4] = [127, 0, 0, 12];

/// What the reflector's processes have used.
#[derive(Clone, Copy, Default)]
struct Usage {
    seconds: f64,
    resident: u64,
    peak: u64,
}

/// What B's reader says of its table.
struct Shared {
    counts: Counts,
    changed: Instant,
    over: bool,
}

/// Feeds a reflector, and prints a line of what it took.
///
/// # Errors
/// The reflector does not take the sessions, or stalls.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.routes > 0 && args.routes % PER_RD == 0, "--routes must be a multiple of {PER_RD}");
    let shape = Shape { label_per_rd: args.label_per_rd, distinct: args.distinct };
    let sets = args.routes / PER_SET;
    let all: Vec<u8> = (0..sets).flat_map(|set| shape.announce(set, 0)).collect();
    let churned = || (0..sets).step_by(10);
    let mut again: Vec<u8> = churned().flat_map(|set| shape.withdraw(set)).collect();
    again.extend(churned().flat_map(|set| shape.announce(set, SECOND)));

    let mut a = establish(args.to, A).context("client A")?;
    let b = establish(args.to, B).context("client B")?;
    let shared = Arc::new(Mutex::new(Shared { counts: Counts::default(), changed: Instant::now(), over: false }));
    let (state, table, reader) = (Arc::clone(&shared), Table::new(args.routes, shape), b.try_clone()?);
    std::thread::spawn(move || read(reader, table, &state));
    let drain = a.try_clone()?;
    std::thread::spawn(move || std::io::copy(&mut &drain, &mut std::io::sink()));
    let (mut keep_a, mut keep_b) = (a.try_clone()?, b);
    std::thread::spawn(move || {
        // Between phases nothing else is sent: whole messages do not mix.
        while keep_b.write_all(&message(4, &[])).is_ok() {
            std::thread::sleep(Duration::from_secs(20));
        }
    });

    let base = settle(&args.pids);
    let changed = churned().count() as u32 * PER_SET;
    let (one, used1) = phase(args, &shared, |c| c.first == args.routes, || a.write_all(&all))?;
    keep_a.write_all(&message(4, &[]))?;
    let rest = args.routes - changed;
    let done = |c: &Counts| (c.first, c.second) == (rest, changed);
    let (two, used2) = phase(args, &shared, done, || a.write_all(&again))?;
    let (three, used3) = phase(
        args,
        &shared,
        |c| (c.first, c.second) == (0, 0),
        || {
            a.write_all(&message(3, &[6, 2]))?;
            a.shutdown(Shutdown::Both)
        },
    )?;
    let counts = shared.lock().map_or_else(|e| e.into_inner().counts, |s| s.counts);
    let cpu = |to: &Usage, from: &Usage| to.seconds - from.seconds;
    println!(
        "{:<12} {:>8}  {one:6.2} {two:6.2} {three:6.2}  {:6.2} {:6.2} {:6.2}  {:6} {:6}  {:8} {:6} {:6} {:6}",
        args.name,
        args.routes,
        cpu(&used1, &base),
        cpu(&used2, &used1),
        cpu(&used3, &used2),
        used1.resident.saturating_sub(base.resident) / u64::from(args.routes),
        used3.peak >> 20,
        counts.updates,
        counts.repeats,
        counts.class_bits,
        counts.bad,
    );
    Ok(ExitCode::SUCCESS)
}

/// Sends, waits until B holds what it should, then until the reflector is idle. Seconds of the first, and what was used by then.
fn phase(
    args: &Args,
    shared: &Mutex<Shared>,
    done: impl Fn(&Counts) -> bool,
    send: impl FnOnce() -> std::io::Result<()>,
) -> anyhow::Result<(f64, Usage)> {
    let begin = Instant::now();
    send().context("sending")?;
    let (mut last, mut since) = (Counts::default(), Instant::now());
    loop {
        let (counts, changed, over) = {
            let shared = shared.lock().map_err(|_| anyhow::anyhow!("the reader failed"))?;
            (shared.counts, shared.changed, shared.over)
        };
        if done(&counts) {
            return Ok((changed.duration_since(begin).as_secs_f64(), settle(&args.pids)));
        }
        if counts != last {
            (last, since) = (counts, Instant::now());
        }
        if over || since.elapsed() > Duration::from_secs(args.stall) {
            bail!("{}: no progress; B holds {counts:?}", args.name);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn establish(to: SocketAddr, from: [u8; 4]) -> anyhow::Result<TcpStream> {
    let begin = Instant::now();
    loop {
        match attempt(to, from) {
            Ok(stream) => return Ok(stream),
            Err(error) if begin.elapsed() > Duration::from_secs(30) => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

fn attempt(to: SocketAddr, from: [u8; 4]) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(IpAddr::V4(Ipv4Addr::from(from)), 0).into())?;
    socket.connect(&to.into())?;
    let mut stream: TcpStream = socket.into();
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(&open(from))?;
    for wanted in [1, 4] {
        let mut header = [0; 19];
        stream.read_exact(&mut header)?;
        let len = u64::from(u16::from_be_bytes([header[16], header[17]])).saturating_sub(19);
        std::io::copy(&mut (&stream).take(len), &mut std::io::sink())?;
        ensure!(header[18] == wanted, "a message of type {}", header[18]);
        if wanted == 1 {
            stream.write_all(&message(4, &[]))?;
        }
    }
    stream.set_read_timeout(None)?;
    Ok(stream)
}

/// Reads a session to its end into a table.
fn read(mut stream: TcpStream, mut table: Table, shared: &Mutex<Shared>) {
    let mut buffer = vec![0; 1 << 20];
    let mut have = 0;
    while let Ok(got @ 1..) = stream.read(&mut buffer[have..]) {
        have += got;
        table.counts.octets += got as u64;
        let mut at = 0;
        while let Some(header) = buffer[at..have].first_chunk::<19>() {
            let len = usize::from(u16::from_be_bytes([header[16], header[17]])).max(19);
            let Some(whole) = buffer[at..have].get(..len) else { break };
            if whole[18] == 2 {
                table.update(&whole[19..]);
            }
            at += len;
        }
        buffer.copy_within(at..have, 0);
        have -= at;
        if let Ok(mut shared) = shared.lock() {
            (shared.counts, shared.changed) = (table.counts, Instant::now());
        }
    }
    if let Ok(mut shared) = shared.lock() {
        shared.over = true;
    }
}

/// What processes have used by now, from `/proc`.
fn usage(pids: &[u32]) -> Usage {
    // Clock ticks of `/proc/PID/stat` are hundredths of a second on every Linux.
    const TICKS: f64 = 100.0;
    let mut usage = Usage::default();
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        usage.seconds += (ticks(11) + ticks(12)) / TICKS;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let octets = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        usage.resident += octets("VmRSS:");
        usage.peak += octets("VmHWM:");
    }
    usage
}

/// Waits until processes have used less than 2 % of a core for half a second, at most a minute.
fn settle(pids: &[u32]) -> Usage {
    let begin = Instant::now();
    let mut last = usage(pids);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = usage(pids);
        if now.seconds - last.seconds < 0.02 || begin.elapsed() > Duration::from_secs(60) {
            return now;
        }
        last = now;
    }
}
