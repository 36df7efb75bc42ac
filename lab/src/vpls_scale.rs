//! `lab vpls-scale`: what a VPLS costs (RFC 5501 §6.1.2, catalogue §7): per instance, pseudowire, group, address and tree, in memory,
//! work and octets on the wire; and whether customers' joins take anything from unicast.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context, ensure};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, Label, Mac, NhlfeId, PortId, VsiId};
use fwd_core::op::{NextHop, Tags};
use fwd_core::table::MacBucket;
use fwd_core::time::Instant;
use vpls::bgp::{Nlri, RouteAttributes};
use vpls::label_block::LabelBlock;
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::snoop::SnoopConfig;
use vpls::{CircuitConfig, Input, Output, PeConfig, PeLimits, VeConfig, VplsPe, VsiConfig, VsiLimits};

use crate::run::scene::vpls::world::World;
use crate::run::scene::vpls::world::packets::{data, frame, join, mac};

/// Arguments of `lab vpls-scale`.
#[derive(clap::Args)]
pub struct Args {
    /// Instances of the largest PE
    #[arg(long, default_value_t = 4000)]
    instances: u16,
    /// Seconds that unicast is measured for, with joins and without
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Runs it and prints a table.
///
/// # Errors
/// Numbers that do not fit, or a system that does not say how long a thread ran.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!((100..=10_000).contains(&args.instances), "--instances: 100 to 10,000");
    ensure!(args.seconds > 0, "--seconds: one at least");
    reference();
    instances(args.instances);
    pseudowires();
    groups()?;
    trees();
    addresses();
    copies()?;
    isolation(args.seconds)?;
    Ok(ExitCode::SUCCESS)
}

/// Octets of memory that this process holds.
fn resident() -> usize {
    usize::try_from(crate::sizing::resident()).unwrap_or(0)
}

fn target(vsi: u16) -> RouteTarget {
    RouteTarget::two_octet_as(65000, vsi.into())
}

fn config(pe: u32, vsi: u16) -> VsiConfig {
    let rd = RouteDistinguisher::two_octet_as(65000, pe * 100_000 + u32::from(vsi));
    let snoop = SnoopConfig {
        querier4: Some(Ipv4Addr::new(10, 0, 0, 200)),
        querier6: Some("fe80::200".parse().unwrap_or(std::net::Ipv6Addr::LOCALHOST)),
        settle: Duration::ZERO,
        ..SnoopConfig::default()
    };
    let ve = u16::try_from(pe + 1).unwrap_or(1);
    VsiConfig { ve: Some(VeConfig::new(ve)), snoop: Some(snoop), ..VsiConfig::new(VsiId(vsi), rd) }
        .with_target(target(vsi))
}

fn address(pe: u32) -> IpAddr {
    Ipv4Addr::from(0xc000_0200 + pe).into()
}

/// The label block of another PE for an instance.
fn block(pe: u32, vsi: u16) -> (Nlri, RouteAttributes) {
    let base = Label::from_low_bits(100_000 + pe * 16 + u32::from(vsi) * 8);
    let rd = RouteDistinguisher::two_octet_as(65000, pe * 100_000 + u32::from(vsi));
    let nlri =
        Nlri::Block { rd, ve_id: u16::try_from(pe + 1).unwrap_or(1), block: LabelBlock { offset: 1, size: 8, base } };
    let mut attributes = RouteAttributes::with_targets(address(pe), &[target(vsi)]);
    attributes.layer2 = Some(bgp_vpn::attr::ext_community::Layer2Info {
        encaps: bgp_vpn::attr::ext_community::Layer2Info::VPLS,
        flags: bgp_vpn::attr::ext_community::Layer2Flags::empty(),
        mtu: 1500,
        reserved: 0,
    });
    (nlri, attributes)
}

/// What came out of a machine: operations, UPDATEs with the octets of their routes and communities.
#[derive(Clone, Copy, Default)]
struct Drained {
    ops: usize,
    updates: usize,
    octets: usize,
}

fn drain(pe: &mut VplsPe) -> Drained {
    let mut drained = Drained::default();
    while let Some(output) = pe.poll_output() {
        match output {
            Output::Program(_) => drained.ops += 1,
            Output::Advertise(nlri, attributes) => {
                let mut octets = Vec::new();
                nlri.emit(&mut octets);
                drained.updates += 1;
                drained.octets += octets.len() + 8 * attributes.communities().count();
            }
            _ => {}
        }
    }
    drained
}

fn pe(own: u32) -> anyhow::Result<VplsPe> {
    let IpAddr::V4(router_id) = address(own) else { anyhow::bail!("an IPv4 address") };
    let limits = PeLimits { records_per_second: u32::MAX, routes: 1_000_000, ..PeLimits::DEFAULT };
    Ok(VplsPe::new(Instant::ZERO, PeConfig { limits, labels: 16..=1_048_575 - 1000, ..PeConfig::new(router_id) })?)
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

/// Instances of one PE: 10 remote PEs and two circuits each.
fn instances(most: u16) {
    println!("instances, each with 10 pseudowires by label blocks, 2 circuits, snooping");
    println!(
        "  {:>9} {:>12} {:>14} {:>14} {:>16}",
        "instances", "us each", "octets each", "ops each", "UPDATE octets each"
    );
    for n in [100, 1000, 4000].into_iter().filter(|n| *n <= most) {
        let Ok(mut pe) = pe(0) else { return };
        let (before, begin) = (resident(), Clock::now());
        for to in 1..=10 {
            let input =
                Input::Transport { peer: address(to), next: Some(NextHop::Nhlfe(NhlfeId(200_000 + to))), mtu: 0 };
            pe.handle_input(Instant::ZERO, input);
        }
        let mut sum = Drained::default();
        let mut add = |drained: Drained| {
            sum = Drained {
                ops: sum.ops + drained.ops,
                updates: sum.updates + drained.updates,
                octets: sum.octets + drained.octets,
            };
        };
        for vsi in 1..=n {
            let _ = pe.add_vsi(Instant::ZERO, config(0, vsi));
            for iface in 0..2 {
                let circuit = CircuitConfig::new(IfIndex(u32::from(vsi) * 2 + iface), Tags::Any);
                let _ = pe.add_circuit(Instant::ZERO, VsiId(vsi), circuit);
            }
            for to in 1..=10 {
                let (nlri, attributes) = block(to, vsi);
                pe.handle_input(Instant::ZERO, Input::Route { nlri, attributes: Some(attributes) });
            }
            add(drain(&mut pe));
        }
        pe.handle_timeout(Instant::from_secs(3));
        add(drain(&mut pe));
        let up = pe.pseudowires(VsiId(1)).filter(|(_, state, _)| *state == vpls::oam::PwState::Up).count();
        let (us, octets) =
            (begin.elapsed().as_micros() / u128::from(n), resident().saturating_sub(before) / usize::from(n));
        println!(
            "  {n:>9} {us:>12} {octets:>14} {:>14} {:>16}   ({up} pseudowires up in the first)",
            sum.ops / usize::from(n),
            sum.octets / usize::from(n)
        );
    }
}

/// Pseudowires of one instance.
fn pseudowires() {
    println!("pseudowires of one instance");
    println!("  {:>12} {:>12} {:>14}", "pseudowires", "us each", "octets each");
    for n in [30_u32, 300, 1000] {
        let Ok(mut pe) = pe(0) else { return };
        let limits = VsiLimits { pseudowires: 8192, ..VsiLimits::DEFAULT };
        let ve = VeConfig { block_size: 1100, ..VeConfig::new(1) };
        let _ = pe.add_vsi(Instant::ZERO, VsiConfig { snoop: None, ve: Some(ve), limits, ..config(0, 1) });
        for to in 1..=n {
            let input =
                Input::Transport { peer: address(to), next: Some(NextHop::Nhlfe(NhlfeId(200_000 + to))), mtu: 0 };
            pe.handle_input(Instant::ZERO, input);
        }
        let (before, begin) = (resident(), Clock::now());
        for to in 1..=n {
            let (nlri, attributes) = block(to, 1);
            pe.handle_input(Instant::ZERO, Input::Route { nlri, attributes: Some(attributes) });
        }
        drain(&mut pe);
        pe.handle_timeout(Instant::from_secs(3));
        drain(&mut pe);
        let us = begin.elapsed().as_micros() / u128::from(n);
        println!("  {n:>12} {us:>12} {:>14}", resident().saturating_sub(before) / n as usize);
    }
}

fn group(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(239, 0, 0, 0)) + n)
}

/// An instance with two circuits whose limits are out of the way.
fn open(own: u32) -> anyhow::Result<(VplsPe, PortId)> {
    let mut pe = pe(own)?;
    let limits = VsiLimits {
        groups: 100_000,
        groups_per_circuit: 100_000,
        records: u32::MAX,
        records_per_circuit: u32::MAX,
        ..VsiLimits::DEFAULT
    };
    pe.add_vsi(Instant::ZERO, VsiConfig { limits, ..config(own, 1) })?;
    let port = pe.add_circuit(Instant::ZERO, VsiId(1), CircuitConfig::new(IfIndex(1), Tags::Any))?;
    pe.add_circuit(Instant::ZERO, VsiId(1), CircuitConfig::new(IfIndex(2), Tags::Any))?;
    drain(&mut pe);
    Ok((pe, port))
}

/// Groups of one instance, joined at 150 a second: the rate of changes of a circuit is 200.
fn groups() -> anyhow::Result<()> {
    println!("groups of one instance, each joined once by IGMPv2");
    println!("  {:>8} {:>12} {:>14} {:>10}", "groups", "us a join", "octets each", "ops each");
    for n in [400, 4000] {
        let (mut pe, port) = open(0)?;
        let (before, begin, mut ops) = (resident(), Clock::now(), 0);
        for k in 0..n {
            let now = Instant::from_micros(u64::from(k) * 6_667);
            pe.handle_input(now, Input::Frame { port, octets: &join(7, group(k)) });
            ops += drain(&mut pe).ops;
        }
        let us = begin.elapsed().as_secs_f64() * 1e6 / f64::from(n);
        let octets = resident().saturating_sub(before) / n as usize;
        let held = pe.usage(VsiId(1)).map_or(0, |usage| usage.groups);
        println!("  {held:>8} {us:>12.1} {octets:>14} {:>10}", ops / n as usize);
    }
    Ok(())
}

/// Trees that a PE roots: RFC 7117 §3.5 says VPLSs / aggregation factor for one root whose trees reach all PEs.
fn trees() {
    println!("inclusive trees of 1,000 instances of one root, by aggregation factor (RFC 7117 section 3.5)");
    for factor in [1_u16, 2, 5, 10, 50] {
        let Ok(mut pe) = pe(0) else { return };
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

/// Unicast in one thread, with and without 10,000 joins a second that another thread takes.
fn isolation(seconds: u64) -> anyhow::Result<()> {
    println!("unicast between two circuits, frames for each second of processor time");
    let mut rates = Vec::new();
    for joins in [0_u32, 10_000, 0, 10_000] {
        let mut world = World::new(2);
        let limits =
            VsiLimits { records: u32::MAX, records_per_circuit: u32::MAX, groups_per_circuit: 4096, ..roomy() };
        let _ = world.with(0, |pe, now| pe.add_vsi(now, VsiConfig { limits, ..config(0, 1) }));
        for iface in 1..=2 {
            let circuit = CircuitConfig::new(IfIndex(iface), Tags::Any);
            let _ = world.with(0, |pe, now| pe.add_circuit(now, VsiId(1), circuit));
        }
        world.send(0, 2, &frame(Mac::BROADCAST, mac(2)));
        let octets = frame(mac(2), mac(1));
        let stop = AtomicBool::new(false);
        let (sender, ops) = std::sync::mpsc::channel();
        let mut machine = world.pes[0].pe.clone();
        let rate = std::thread::scope(|scope| -> anyhow::Result<f64> {
            let control = scope.spawn(|| {
                let (begin, mut n) = (Clock::now(), 0_u32);
                while !stop.load(Ordering::Relaxed) {
                    let due = u64::from(joins) * u64::try_from(begin.elapsed().as_millis()).unwrap_or(0) / 1000;
                    while u64::from(n) < due {
                        let now = Instant::from_secs(10) + begin.elapsed();
                        machine
                            .handle_input(now, Input::Frame { port: PortId(0), octets: &join(7, group(n % 10_000)) });
                        while let Some(output) = machine.poll_output() {
                            if let Output::Program(op) = output {
                                let _ = sender.send(op);
                            }
                        }
                        n += 1;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                n
            });
            let forwarder = &mut world.pes[0].forwarder;
            let (clock, mut spent, mut frames, mut applied) = (Clock::now(), 0_u64, 0_u64, 0_u64);
            let mut buffer = vec![0; fwd_core::Frame::HEADROOM];
            while clock.elapsed() < Duration::from_secs(seconds) {
                // The tables change between bursts, as by a writer beside the reader; the time that takes is the writer's.
                while let Ok(op) = ops.try_recv() {
                    forwarder.apply(&op).map_err(|e| anyhow::anyhow!("{op:?}: {e}"))?;
                    applied += 1;
                }
                let begin = cpu()?;
                for _ in 0..10_000 {
                    buffer.truncate(fwd_core::Frame::HEADROOM);
                    buffer.extend_from_slice(&octets);
                    let mut frame = fwd_core::Frame::new(&mut buffer, fwd_core::Frame::HEADROOM, octets.len())
                        .context("a frame")?;
                    let verdict = forwarder.forward(&mut frame, IfIndex(1));
                    ensure!(matches!(verdict, fwd_core::Verdict::Transmit { .. }), "{verdict:?}");
                    frames += 1;
                }
                spent += cpu()? - begin;
            }
            stop.store(true, Ordering::Relaxed);
            let taken = control.join().unwrap_or(0);
            println!(
                "  {joins:>6} joins/s ({taken} taken, {applied} operations): {:.2} M/s",
                frames as f64 / spent as f64 * 1e3
            );
            Ok(frames as f64 / spent as f64)
        })?;
        rates.push(rate);
    }
    let (without, with) = (rates[0].max(rates[2]), rates[1].max(rates[3]));
    println!("  with joins {:.1} per cent of without", with / without * 100.0);
    Ok(())
}
