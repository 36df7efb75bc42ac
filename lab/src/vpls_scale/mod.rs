//! `lab vpls-scale`: what a VPLS costs (RFC 5501 §6.1.2, catalogue §7): per instance, pseudowire, group, address and tree, in memory,
//! work and octets on the wire; and whether customers' joins take anything from unicast.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context, ensure};
use fwd_core::Forwarder;
use fwd_core::net::{IfIndex, Mac, PortId, VsiId};
use fwd_core::op::{FwdOp, Tags};
use fwd_core::table::MacBucket;
use fwd_core::time::Instant;
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::{CircuitConfig, Input, Output, PeLimits, VplsPe, VsiConfig, VsiLimits};

use self::sweep::{Metric, config, group, pe};
use crate::run::scene::vpls::world::World;
use crate::run::scene::vpls::world::packets::{data, frame, join, leave, mac};

pub mod sweep;

/// Arguments of `lab vpls-scale`.
#[derive(clap::Args)]
pub struct Args {
    /// Instances of the largest PE
    #[arg(long, default_value_t = 4000)]
    instances: u16,
    /// Seconds that unicast is measured for, with joins and without
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Build one quantity and nothing else, for a program that counts what that takes: ten times the small size
    #[arg(long)]
    build: Option<Metric>,
    /// With --build: ten times as much once in its place
    #[arg(long, requires = "build")]
    tenfold: bool,
    /// With --build: how often
    #[arg(long, requires = "build", default_value_t = 1)]
    turns: u32,
}

/// Runs it and prints a table.
///
/// # Errors
/// Numbers that do not fit, or a system that does not say how long a thread ran.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!((100..=10_000).contains(&args.instances), "--instances: 100 to 10,000");
    ensure!(args.seconds > 0, "--seconds: one at least");
    if let Some(metric) = args.build {
        let (size, times) = if args.tenfold { (metric.base() * 10, 1) } else { (metric.base(), 10) };
        (0..times * u64::from(args.turns)).try_for_each(|_| metric.build(size).map(drop))?;
        return Ok(ExitCode::SUCCESS);
    }
    // First, while nothing has been given back that they could use.
    sweeps(args.instances)?;
    reference();
    trees();
    addresses();
    copies()?;
    sweep_of_groups()?;
    isolation(args.seconds)?;
    Ok(ExitCode::SUCCESS)
}

/// Octets of memory that this process holds.
fn resident() -> usize {
    usize::try_from(crate::sizing::resident()).unwrap_or(0)
}

/// The reference case (RFC 5501 §3.2): 20 remote PEs on one shared first link, three with members.
fn reference() {
    let exact = TreeConfig { congruency: 0, ..TreeConfig::default() };
    let modes =
        [("flooding by pseudowires", false, None), ("snooping", true, None), ("selective tree", true, Some(exact))];
    println!("reference case: 20 remote PEs on one first link, 3 with members, 50 Mbit/s in");
    for (name, snoop, trees) in modes {
        let mut world = World::new(21);
        for n in 0..21_u32 {
            let of = config(n, 1);
            let of = VsiConfig { snoop: of.snoop.clone().filter(|_| snoop), trees, ..of };
            let _ = world.with(n as usize, |pe, now| pe.add_vsi(now, of));
            for iface in 1..=2 {
                let circuit = CircuitConfig::new(IfIndex(iface), Tags::Any);
                let _ = world.with(n as usize, |pe, now| pe.add_circuit(now, VsiId(1), circuit));
            }
        }
        world.pass(Duration::from_secs(3));
        let group = Ipv4Addr::new(225, 1, 1, 1);
        for pe in [4, 9, 17] {
            world.send(pe, 1, &join(7, group));
        }
        for _ in 0..11 {
            let rate = Input::Rate { vsi: VsiId(1), source: None, group: group.into(), bits_per_second: 50_000_000 };
            world.input(0, rate);
            world.pass(Duration::from_secs(1));
        }
        let count = |world: &World, pe, up| world.links.get(&(pe, up)).map_or(0, |link: &(u64, u64)| link.0);
        let (first, far) = (count(&world, 0, true), (1..21).map(|pe| count(&world, pe, false)).collect::<Vec<_>>());
        world.send(0, 1, &data(1, group));
        let copies = count(&world, 0, true) - first;
        let reached = (1..21).zip(&far).filter(|(pe, before)| count(&world, *pe, false) > **before).count();
        println!("  {name}: {} Mbit/s on the first link, {reached} PEs get it", copies * 50);
    }
}

/// The quantities of RFC 5501 §6.1.2, each ten-fold with the others fixed, and the instances at 100, 1,000 and 4,000.
fn sweeps(most: u16) -> anyhow::Result<()> {
    println!("one PE; each line is one quantity, the others stay");
    println!(
        "  {:<42} {:>6} {:>9} {:>8} {:>12} {:>9} {:>13} {:>18}",
        "quantity", "of it", "us each", "to first", "octets each", "ops each", "UPDATEs each", "UPDATE octets each"
    );
    // Kept, so that what one holds is not counted as free for the next.
    let mut built = Vec::new();
    for metric in Metric::ALL {
        let mut sizes = vec![metric.base(), metric.base() * 10];
        if metric == Metric::Instances {
            sizes.push(most.into());
            sizes.retain(|n| *n <= most.into());
        }
        for n in sizes {
            let before = resident();
            let swept = metric.build(n)?;
            let octets = resident().saturating_sub(before) / n as usize;
            built.push((metric, n, octets, swept));
        }
    }
    // Timed when all are there: what turns give back would be there for the next to use.
    for of_metric in built.chunk_by(|(a, ..), (b, ..)| a == b) {
        let sizes: Vec<u32> = of_metric.iter().map(|(_, n, ..)| *n).collect();
        let Some((metric, ..)) = of_metric.first() else { continue };
        let us = times(*metric, &sizes)?;
        for ((_, n, octets, swept), us_each) in of_metric.iter().zip(&us) {
            let to_first = us_each / us[0];
            println!("  {:<42} {n:>6} {us_each:>9.1} {to_first:>8.2} {octets:>12} {}", metric.name(), swept.per_unit());
        }
    }
    Ok(())
}

/// Turns that each size of a quantity gets.
const TURNS: usize = 25;

/// Microseconds that one of a quantity takes to build and to take down, for each size: the shortest of the turns. Sizes take turns, so that
/// what else the machine does meets all of them, and each turn builds as many units of each, so that it is as long.
fn times(metric: Metric, sizes: &[u32]) -> anyhow::Result<Vec<f64>> {
    let mut shortest = vec![f64::INFINITY; sizes.len()];
    for _ in 0..TURNS {
        for (n, shortest) in sizes.iter().zip(&mut shortest) {
            let (begin, mut units) = (Clock::now(), 0);
            while units < metric.base() * 10 {
                drop(metric.build(*n)?);
                units += n;
            }
            *shortest = shortest.min(begin.elapsed().as_secs_f64() * 1e6 / f64::from(units));
        }
    }
    Ok(shortest)
}

/// Trees that a PE roots: RFC 7117 §3.5 says VPLSs / aggregation factor for one root whose trees reach all PEs.
fn trees() {
    println!("inclusive trees of 1,000 instances of one root, by aggregation factor (RFC 7117 section 3.5)");
    for factor in [1_u16, 2, 5, 10, 50] {
        let Ok(mut pe) = pe(0, u32::MAX) else { return };
        let inclusive = Some(TunnelKind::Mldp);
        let trees = TreeConfig { inclusive, aggregate: factor > 1, sharing: factor, ..TreeConfig::default() };
        for vsi in 1..=1000 {
            let _ = pe.add_vsi(Instant::ZERO, VsiConfig { snoop: None, trees: Some(trees), ..config(0, vsi) });
        }
        let rooted = pe.rooted_trees().len();
        println!(
            "  factor {factor:>3}: {rooted:>5} trees, one entry each in a P router they all pass; the formula says {}",
            1000 / factor
        );
    }
    println!("  multicast addresses of the provider that are used: 0 (trees are LSPs)");
}

/// MAC addresses in the forwarding plane.
fn addresses() {
    // A bucket holds eight addresses and is filled to three quarters before any is refused.
    println!("addresses: {} octets of table for each bucket of eight", std::mem::size_of::<MacBucket>());
    let mut world = World::new(2);
    let _ = world.with(0, |pe, now| pe.add_vsi(now, VsiConfig { limits: roomy(), snoop: None, ..config(0, 1) }));
    for iface in 1..=2 {
        let circuit = CircuitConfig { mac_limit: Some(100_000), ..CircuitConfig::new(IfIndex(iface), Tags::Any) };
        let _ = world.with(0, |pe, now| pe.add_circuit(now, VsiId(1), circuit));
    }
    let begin = Clock::now();
    for n in 0..10_000_u32 {
        let [a, b, c, d] = n.to_be_bytes();
        world.send(0, 1, &frame(mac(2), Mac([2, 9, a, b, c, d])));
    }
    let us = begin.elapsed().as_secs_f64() * 1e6 / 10_000.0;
    println!(
        "  learned {} of 10,000, {us:.1} us each with the frame that taught it flooded",
        world.pes[0].forwarder.learned(VsiId(1))
    );
}

fn roomy() -> VsiLimits {
    VsiLimits { macs: 100_000, macs_per_circuit: 100_000, ..VsiLimits::DEFAULT }
}

/// Nanoseconds that the calling thread has run on a processor: others that use the machine do not count.
fn cpu() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("schedstat")?;
    Ok(text.split_whitespace().next().context("schedstat")?.parse()?)
}

/// What a copy costs by how many there are.
fn copies() -> anyhow::Result<()> {
    println!("copies of a frame of 62 octets to circuits, processor time");
    for members in [1_u32, 8, 32, 60] {
        let mut world = World::new(2);
        let _ = world.with(0, |pe, now| pe.add_vsi(now, config(0, 1)));
        for iface in 1..=members + 1 {
            let circuit = CircuitConfig::new(IfIndex(iface), Tags::Any);
            let _ = world.with(0, |pe, now| pe.add_circuit(now, VsiId(1), circuit));
        }
        let to = group(1);
        (2..members + 2).for_each(|iface| drop(world.send(0, iface, &join(7, to))));
        let octets = data(1, to);
        let mut buffer = vec![0; fwd_core::Frame::HEADROOM];
        let (rounds, begin, mut made) = (20_000, cpu()?, 0_u64);
        for _ in 0..rounds {
            buffer.truncate(fwd_core::Frame::HEADROOM);
            buffer.extend_from_slice(&octets);
            let mut frame =
                fwd_core::Frame::new(&mut buffer, fwd_core::Frame::HEADROOM, octets.len()).context("a frame")?;
            let forwarder = &mut world.pes[0].forwarder;
            if let fwd_core::Verdict::Replicate(replication) = forwarder.forward(&mut frame, IfIndex(1)) {
                let mut copies = forwarder.copies(&frame, replication);
                while copies.next().is_some() {
                    made += 1;
                }
            }
        }
        let took = cpu()? - begin;
        println!(
            "  {members:>3} members: {:>7.1} ns a frame, {:>6.1} ns a copy",
            took as f64 / f64::from(rounds),
            took as f64 / made as f64
        );
    }
    Ok(())
}

/// A customer that joins and leaves 10,000 groups, 10,000 messages a second, the limits as they are by default (VPLS-THR-C2): what the PE
/// needs of a processor for that, in the second that took longest.
fn sweep_of_groups() -> anyhow::Result<()> {
    let mut pe = pe(0, PeLimits::DEFAULT.records_per_second)?;
    pe.add_vsi(Instant::ZERO, config(0, 1))?;
    let circuit = |iface| CircuitConfig::new(IfIndex(iface), Tags::Any);
    let port = pe.add_circuit(Instant::ZERO, VsiId(1), circuit(1))?;
    pe.add_circuit(Instant::ZERO, VsiId(1), circuit(2))?;
    let message = |n: u32| if n % 2 == 0 { join(7, group(n / 2)) } else { leave(7, group(n / 2)) };
    let frames: Vec<Vec<u8>> = (0..20_000).map(message).collect();
    let (mut most, mut ops) = (0, 0);
    for second in 0..20 {
        let begin = cpu()?;
        for (n, octets) in frames.iter().enumerate().skip(second % 2 * 10_000).take(10_000) {
            let at = Duration::from_secs(10 + second as u64) + Duration::from_micros(100) * (n as u32 % 10_000);
            pe.handle_timeout(Instant::ZERO + at);
            pe.handle_input(Instant::ZERO + at, Input::Frame { port, octets });
            while let Some(output) = pe.poll_output() {
                ops += usize::from(matches!(output, Output::Program(_)));
            }
        }
        most = most.max(cpu()? - begin);
    }
    let share = most as f64 / 1e7;
    println!(
        "sweep over 10,000 groups, 10,000 messages a second: {ops} operations in 20 s, at most {share:.1} per cent of a processor"
    );
    Ok(())
}

/// Joins a second that the customer sends in each second turn, how long a turn is, and the frames of a burst that is timed.
const JOINS: u64 = 10_000;
const TURN: Duration = Duration::from_millis(100);
const BURST: u32 = 1000;

/// Whether joins come in the turn that it is after `elapsed`.
fn joins_come(elapsed: Duration) -> bool {
    elapsed.as_millis() / TURN.as_millis() % 2 == 1
}

/// Unicast in one thread, in turns without and with 10,000 joins a second that another thread takes.
fn isolation(seconds: u64) -> anyhow::Result<()> {
    println!("unicast between two circuits, by turns of 100 ms without and with {JOINS} joins a second");
    let mut world = World::new(2);
    let limits = VsiLimits { records: u32::MAX, records_per_circuit: u32::MAX, groups_per_circuit: 4096, ..roomy() };
    let _ = world.with(0, |pe, now| pe.add_vsi(now, VsiConfig { limits, ..config(0, 1) }));
    for iface in 1..=2 {
        let circuit = CircuitConfig::new(IfIndex(iface), Tags::Any);
        let _ = world.with(0, |pe, now| pe.add_circuit(now, VsiId(1), circuit));
    }
    world.send(0, 2, &frame(Mac::BROADCAST, mac(2)));
    let octets = frame(mac(2), mac(1));
    let (stop, begin) = (AtomicBool::new(false), Clock::now());
    let (sender, ops) = std::sync::mpsc::channel();
    let mut machine = world.pes[0].pe.clone();
    std::thread::scope(|scope| {
        let control = scope.spawn(|| customers_join(&mut machine, begin, &stop, &sender));
        let measured = bursts(&mut world.pes[0].forwarder, &octets, &ops, begin, Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        let taken = control.join().unwrap_or(0);
        let (bursts, applied) = measured?;
        let [without, with] = bursts.map(|mut bursts| {
            bursts.sort_unstable();
            let median = bursts.get(bursts.len() / 2).map_or(f64::NAN, Duration::as_secs_f64);
            (f64::from(BURST) / median / 1e6, bursts.len())
        });
        println!("  without joins: {:.2} M/s, the median of {} bursts", without.0, without.1);
        println!("  with ({taken} taken, {applied} operations): {:.2} M/s, the median of {} bursts", with.0, with.1);
        println!("  with joins {:.1} per cent of without", with.0 / without.0 * 100.0);
        Ok(())
    })
}

/// How long each burst took, of the turns without joins and of those with, and the operations that were applied.
fn bursts(
    forwarder: &mut Forwarder<'_>,
    octets: &[u8],
    ops: &Receiver<FwdOp>,
    begin: Clock,
    time: Duration,
) -> anyhow::Result<([Vec<Duration>; 2], u64)> {
    let (mut bursts, mut applied) = ([Vec::new(), Vec::new()], 0_u64);
    while begin.elapsed() < time {
        // The tables change between bursts, as by a writer beside the reader; the time that takes is the writer's.
        while let Ok(op) = ops.try_recv() {
            forwarder.apply(&op).map_err(|e| anyhow::anyhow!("{op:?}: {e}"))?;
            applied += 1;
        }
        let turn = joins_come(begin.elapsed());
        let took = burst(forwarder, octets)?;
        if turn == joins_come(begin.elapsed()) {
            bursts[usize::from(turn)].push(took);
        }
    }
    Ok((bursts, applied))
}

/// Takes joins as they come due, in the turns that have any, and hands the operations on. How many it took.
fn customers_join(machine: &mut VplsPe, begin: Clock, stop: &AtomicBool, to: &Sender<FwdOp>) -> u64 {
    let (mut n, mut last) = (0_u64, begin.elapsed());
    let mut due = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let elapsed = begin.elapsed();
        if joins_come(elapsed) {
            due += elapsed - last;
        }
        last = elapsed;
        while u128::from(n) < due.as_millis() * u128::from(JOINS) / 1000 {
            let octets = join(7, group(u32::try_from(n % 10_000).unwrap_or(0)));
            machine.handle_input(Instant::from_secs(10) + elapsed, Input::Frame { port: PortId(0), octets: &octets });
            while let Some(output) = machine.poll_output() {
                if let Output::Program(op) = output {
                    let _ = to.send(op);
                }
            }
            n += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    n
}

/// How long a burst of one frame takes.
fn burst(forwarder: &mut Forwarder<'_>, octets: &[u8]) -> anyhow::Result<Duration> {
    let mut buffer = vec![0; fwd_core::Frame::HEADROOM];
    let begin = Clock::now();
    for _ in 0..BURST {
        buffer.truncate(fwd_core::Frame::HEADROOM);
        buffer.extend_from_slice(octets);
        let mut frame =
            fwd_core::Frame::new(&mut buffer, fwd_core::Frame::HEADROOM, octets.len()).context("a frame")?;
        let verdict = forwarder.forward(&mut frame, IfIndex(1));
        ensure!(matches!(verdict, fwd_core::Verdict::Transmit { .. }), "{verdict:?}");
    }
    Ok(begin.elapsed())
}
