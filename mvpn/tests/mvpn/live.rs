//! Live content (RFC 4834 §4.1.1): few sources in known places, many receivers who zap between streams.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use mvpn::mvrf::{Input, MvrfConfig, Threshold, TunnelKind};

use super::node::{Room, SimAddress, pmsi};
use super::world::World;

type A = Ipv4Addr;

const VRF: VrfId = VrfId(1);
const STEP: Duration = Duration::from_millis(10);
/// A CE stays with a stream for so many steps.
const STAY: u32 = 1000;
/// P-tunnels that a PE may have for streams of its own.
const BUDGET: usize = 8;
const SOURCES: usize = 2;

/// What it came to.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// From a CE's choice to the first packet, in ms, in order.
    pub delays: Vec<u32>,
    /// Packets that a CE which stays did not get.
    pub lost: u64,
    /// Packets that came twice.
    pub twice: u64,
    /// Packets that came where nobody wants them.
    pub astray: u64,
    /// Packets that were looked at.
    pub looked_at: u64,
    /// P-tunnels in the core.
    pub tunnels: usize,
    /// BGP messages that the source PEs were sent, and all PEs.
    pub messages: [u64; 2],
    /// Changes of CEs.
    pub changes: u64,
}

impl Live {
    /// The delay that so many of a hundred joins do not exceed.
    pub fn percentile(&self, percent: usize) -> u32 {
        self.delays.get((self.delays.len() * percent / 100).min(self.delays.len() - 1)).copied().unwrap_or(u32::MAX)
    }
}

/// A stream's flow: they alternate between the sources.
fn flow(stream: u32) -> (A, A) {
    (A::host(stream as usize % SOURCES, 1), Ipv4Addr::from_bits((232 << 24) + 0x1_0000 + stream))
}

fn network(receivers: usize, streams: u32) -> World<A> {
    let address = |n: usize| IpAddr::from([192, 0, (n >> 8) as u8 + 2, (n & 255) as u8]);
    let routers: Vec<IpAddr> = (1..=receivers + SOURCES).map(address).collect();
    let room = Room { vpns: 1, streams: u16::try_from(streams).unwrap() };
    let mut world: World<A> = World::with(routers, 43, room, |_, config| {
        (config.nhlfes, config.groups) = (400..=999, 1000..=2047);
    });
    for pe in 0..receivers + SOURCES {
        let rd = RouteDistinguisher::two_octet_as(65001, 100 + u32::try_from(pe).unwrap());
        let mut config = MvrfConfig::new(VRF, rd, RouteTarget::two_octet_as(65001, 1), pmsi(VRF));
        (config.inclusive, config.selective) = (Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.s_pmsi.threshold = Some(Threshold { up: 1_000_000, down: 500_000 });
        config.limits.own_tunnels = BUDGET;
        world.add_site(pe, config, false);
    }
    world.run_for(Duration::from_secs(5));
    world
}

/// Streams by how often they are chosen: the n-th by 1/n (Zipf's law).
struct Audience(Vec<u64>);

impl Audience {
    fn new(streams: u32) -> Self {
        let weights = (1..=u64::from(streams)).map(|n| 1_000_000 / n);
        let sums = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self(sums.collect())
    }

    fn choose(&self, world: &mut World<A>) -> u32 {
        let at = world.rng.below(*self.0.last().unwrap());
        u32::try_from(self.0.partition_point(|sum| *sum <= at)).unwrap()
    }
}

/// A CE behind each of so many PEs chooses another of so many streams every 10 s, for so many seconds.
pub fn live(receivers: usize, streams: u32, seconds: u32) -> Live {
    let (mut world, audience) = (network(receivers, streams), Audience::new(streams));
    // A few streams of each source are fast.
    for stream in 0..4 * SOURCES as u32 {
        let (source, group) = flow(streams - 1 - stream);
        let (source, group, octets_per_second) = (source.into(), group.into(), 12_500_000);
        let pe = (streams - 1 - stream) as usize % SOURCES;
        world.input(pe, Input::Rate { vrf: VRF, source, group, octets_per_second });
    }
    let mut found = Live::default();
    let mut watched: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
    let mut left: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
    let mut waiting: BTreeMap<usize, (u32, Instant)> = BTreeMap::new();
    world.messages.fill(0);
    for tick in 0..seconds * 100 {
        // Their turns are spread over the ten seconds.
        let ces = (0..receivers).filter(|n| (*n as u32 * STAY / receivers as u32) == tick % STAY);
        for pe in ces.map(|n| n + SOURCES).collect::<Vec<_>>() {
            let stream = audience.choose(&mut world);
            let old = watched.insert(pe, (stream, tick));
            if old.is_some_and(|(old, _)| old == stream) {
                continue;
            }
            if let Some((old, _)) = old {
                let (source, group) = flow(old);
                world.member((pe, VRF), Some(source), group, false);
                left.insert(pe, (old, tick));
            }
            let (source, group) = flow(stream);
            world.member((pe, VRF), Some(source), group, true);
            waiting.insert(pe, (stream, world.now));
            found.changes += 1;
        }
        // A packet of each stream that somebody waits for; of some others each second.
        let mut sent: BTreeSet<u32> = waiting.values().map(|(stream, _)| *stream).collect();
        let look = tick % 100 == 50;
        if look {
            sent.extend(watched.values().map(|(stream, _)| *stream).take(5));
        }
        let mut numbers = Vec::new();
        for stream in sent {
            let (source, group) = flow(stream);
            numbers.push((stream, world.send((stream as usize % SOURCES, VRF), source, group)));
        }
        world.run_for(STEP);
        for (stream, number) in numbers {
            let (source, group) = flow(stream);
            let copies = world.copies(source, group, number);
            waiting.retain(|pe, (of, since)| {
                let has = *of == stream && copies.contains_key(&(*pe, VRF));
                if has {
                    found.delays.push(u32::try_from((world.now - *since).as_millis()).unwrap());
                }
                !has
            });
            // Who chose it, or left it, lately, may have it or not.
            let stays = |since: u32| tick >= since + 50;
            let is_lately = |pe: &usize| {
                watched.get(pe).is_some_and(|(of, since)| *of == stream && !stays(*since))
                    || left.get(pe).is_some_and(|(of, since)| *of == stream && !stays(*since))
            };
            let stay = watched.iter().filter(|(pe, (of, _))| *of == stream && !is_lately(pe));
            let stay: BTreeSet<usize> = stay.map(|(pe, _)| *pe).collect();
            found.looked_at += 1;
            found.lost += stay.iter().filter(|pe| !copies.contains_key(&(**pe, VRF))).count() as u64;
            found.twice += copies.values().map(|n| u64::from(n - 1)).sum::<u64>();
            let wanted = |pe: &usize| stay.contains(pe) || is_lately(pe);
            found.astray += copies.keys().filter(|(pe, _)| !wanted(pe)).count() as u64;
        }
        world.delivered.clear();
        world.reached.clear();
        world.control.clear();
    }
    assert!(waiting.values().all(|(_, since)| world.now - *since < Duration::from_secs(2)), "all are served");
    found.delays.sort_unstable();
    found.tunnels = world.lsps.len();
    found.messages = [world.messages[..SOURCES].iter().sum(), world.messages.iter().sum()];
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two source PEs, CEs behind forty others that change their stream every 10 s, 300 streams of which few are popular: nobody loses a packet, nobody gets
    /// one twice or one that he does not want, two joins of five wait for no message, because the stream crosses the core already, and P-tunnels are as many as
    /// with twice the streams. `benches/mvrf_scale.rs` has it at full size: 300 PEs, 2,000 streams.
    ///
    /// Shows: MVPN-USE-2
    #[test]
    fn zapping_between_live_streams() {
        let (few, many) = (live(40, 150, 40), live(40, 300, 40));
        for found in [&few, &many] {
            println!(
                "{} changes, join delay {} ms at the 50th percentile, {} ms at the 99th, {} P-tunnels",
                found.changes,
                found.percentile(50),
                found.percentile(99),
                found.tunnels
            );
            assert!(found.changes >= 100 && found.looked_at > 100, "{found:?}");
            assert_eq!((found.lost, found.twice, found.astray), (0, 0, 0));
            // In steps of 10 ms; a message of the reflector takes 10 to 200 ms.
            assert!(found.percentile(40) <= 10 && found.percentile(99) <= 250, "{found:?}");
            // The sources' PEs hear of the stream that is left and of the one that is joined, and of whose route counts from then on.
            assert!(found.messages[0] <= 3 * found.changes, "{found:?}");
        }
        assert_eq!(few.tunnels, many.tunnels);
    }
}
