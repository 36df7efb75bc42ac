//! PIM at scale: SC-3 of the catalogue (5,490 neighbours, 183 Hellos a second each way) and 100,000 (S,G) with 10,000 Joins and Prunes a
//! second. Prints processor time for a second of virtual time, and octets of a state.
#![allow(missing_docs)]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant as Clock};

use fwd_core::net::{IfIndex, Ipv4Prefix, VrfId};
use fwd_core::time::Instant;
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet,
};
use mvpn::pim::{Input, MribRoute, Output, PimConfig, PimEvent, PimInterfaceConfig, PimLimits, PimRouter};

const ALL: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

fn interface(n: u32) -> PimInterfaceConfig<Ipv4Addr> {
    let address = Ipv4Addr::from_bits((10 << 24) + n * 256 + 1);
    PimInterfaceConfig::new(IfIndex(n), address, vec![Ipv4Prefix::new(address, 24).unwrap()])
}

/// Takes outputs; answers tracked addresses with a route by interface 1. Lost neighbours and messages sent.
fn drain(pim: &mut PimRouter<Ipv4Addr>, now: Instant) -> (u64, u64) {
    let (mut lost, mut sent) = (0, 0);
    while let Some(output) = pim.poll_output() {
        match output {
            Output::Track(address) => {
                let next_hop = Some(Ipv4Addr::new(10, 0, 1, 2));
                let route = MribRoute { interface: IfIndex(1), next_hop, preference: 110, metric: 1 };
                pim.handle_input(now, Input::Route { address, route: Some(route) });
            }
            Output::Datagram { .. } => sent += 1,
            Output::Event(PimEvent::NeighborDown { .. }) => lost += 1,
            _ => {}
        }
    }
    (lost, sent)
}

/// One VRF with 500 CEs and 499 with 10, each CE on an interface of its own; Hellos spread over 30 s, ten minutes long.
fn neighbors() {
    let ces: Vec<u32> = std::iter::once(500).chain(std::iter::repeat_n(10, 499)).collect();
    let mut routers: Vec<_> = (1_u16..)
        .zip(&ces)
        .map(|(n, ces)| {
            let mut pim = PimRouter::new(Instant::ZERO, PimConfig::new(VrfId(n), LOOPBACK, 1..=1000)).unwrap();
            for i in 1..=*ces {
                pim.add_interface(Instant::ZERO, interface(i)).unwrap();
            }
            pim
        })
        .collect();
    let hello = |i: u32| {
        let from = Ipv4Addr::from_bits((10 << 24) + i * 256 + 2);
        let options = vec![HelloOption::Holdtime(105), HelloOption::DrPriority(1), HelloOption::GenerationId(i)];
        (from, Message::Hello(Hello { options }).to_packet(from.into(), ALL.into()))
    };
    let hellos: Vec<_> = (0..=500).map(hello).collect();
    let all: Vec<(usize, u32)> = ces.iter().enumerate().flat_map(|(r, n)| (1..=*n).map(move |i| (r, i))).collect();
    let (mut lost, mut sent, clock) = (0, 0, Clock::now());
    for ms in 0..600_000_u64 {
        let now = Instant::from_micros(ms * 1000);
        let due = |k: &usize| (*k as u64 * 30_000 / all.len() as u64) == ms % 30_000;
        // The neighbours whose turn it is in this millisecond.
        let first = (ms % 30_000) as usize * all.len() / 30_000;
        for k in (first.saturating_sub(1)..(first + 2).min(all.len())).filter(due) {
            let (r, i) = all[k];
            let (from, octets) = &hellos[i as usize];
            let input = Input::Datagram { interface: IfIndex(i), from: *from, to: ALL, octets, authenticated: false };
            routers[r].handle_input(now, input);
            let (l, s) = drain(&mut routers[r], now);
            (lost, sent) = (lost + l, sent + s);
        }
        if ms % 100 == 0 {
            for pim in &mut routers {
                if pim.next_timeout().is_some_and(|t| t <= now) {
                    pim.handle_timeout(now);
                    let (l, s) = drain(pim, now);
                    (lost, sent) = (lost + l, sent + s);
                }
            }
        }
    }
    let time = clock.elapsed();
    let up: usize =
        routers.iter().zip(&ces).map(|(p, n)| (1..=*n).map(|i| p.neighbors(IfIndex(i)).count()).sum::<usize>()).sum();
    println!(
        "SC-3: {up} neighbours, {:.0} Hellos a second out, {lost} lost in 10 minutes; {:.2} ms of processor a second",
        sent as f64 / 600.0,
        time.as_secs_f64() * 1000.0 / 600.0,
    );
}

fn join_prune(from: Ipv4Addr, to: Ipv4Addr, first: u32, groups: u32, join: bool) -> Vec<u8> {
    let mut m = JoinPruneBuf::new(to.into(), 210);
    for n in first..first + groups {
        let mut set = GroupSetBuf::new(EncodedGroup::new(Ipv4Addr::from_bits((232 << 24) + 256 + n).into()));
        let source = SourceBuf::new(Ipv4Addr::new(10, 99, (n >> 8) as u8, n as u8).into(), SourceFlags::empty());
        if join {
            set.joins.push(source)
        } else {
            set.prunes.push(source)
        }
        assert!(m.push(set));
    }
    packet(MessageType::JOIN_PRUNE, 0, from.into(), ALL.into(), |out| m.emit(out))
}

/// 100,000 (S,G) on one of two interfaces, then 5,000 Prunes and 5,000 Joins a second.
fn states() {
    const STATES: u32 = 100_000;
    let now = Instant::from_micros(1);
    let mut config = PimConfig::new(VrfId(1), LOOPBACK, 1..=400_000);
    config.limits = PimLimits {
        states: 300_000,
        states_per_interface: 300_000,
        messages_per_neighbor: 100_000,
        ..PimLimits::default()
    };
    let mut pim = PimRouter::new(now, config).unwrap();
    for n in [1, 2] {
        pim.add_interface(now, interface(n)).unwrap();
        let from = Ipv4Addr::from_bits((10 << 24) + n * 256 + 2);
        let hello = Hello { options: vec![HelloOption::Holdtime(65535), HelloOption::DrPriority(1)] };
        let octets = Message::Hello(hello).to_packet(from.into(), ALL.into());
        pim.handle_input(
            now,
            Input::Datagram { interface: IfIndex(n), from, to: ALL, octets: &octets, authenticated: false },
        );
    }
    drain(&mut pim, now);
    let (from, to) = (Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 1));
    let send = |pim: &mut PimRouter<Ipv4Addr>, now, first, count, join| {
        for at in (first..first + count).step_by(70) {
            let octets = join_prune(from, to, at, 70.min(first + count - at), join);
            pim.handle_input(
                now,
                Input::Datagram { interface: IfIndex(2), from, to: ALL, octets: &octets, authenticated: false },
            );
            drain(pim, now);
        }
    };
    let clock = Clock::now();
    let held = allocation_counter::measure(|| send(&mut pim, now, 0, STATES, true));
    let time = clock.elapsed();
    println!(
        "{STATES} (S,G): {:.1} µs to join one, {} octets each with group, timers, route and replication group",
        time.as_secs_f64() * 1e6 / f64::from(STATES),
        held.bytes_current / i64::from(STATES),
    );
    let (mut now, mut worst, clock) = (now, Duration::ZERO, Clock::now());
    const SECONDS: u32 = 20;
    for second in 0..SECONDS {
        let lap = Clock::now();
        let first = second * 5000;
        send(&mut pim, now, first % STATES, 5000, false);
        pim.handle_timeout(now);
        drain(&mut pim, now);
        send(&mut pim, now, first % STATES, 5000, true);
        now = now + Duration::from_secs(1);
        pim.handle_timeout(now);
        drain(&mut pim, now);
        worst = worst.max(lap.elapsed());
    }
    println!(
        "10,000 Joins and Prunes a second over {} states: {:.0} ms of processor a second, {:.0} ms the worst",
        pim.states(),
        clock.elapsed().as_secs_f64() * 1000.0 / f64::from(SECONDS),
        worst.as_secs_f64() * 1000.0,
    );
}

fn main() {
    neighbors();
    states();
}
