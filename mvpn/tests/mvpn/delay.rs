//! How long joins and leaves take at a PE whose software has other things to do.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::PuntReason;
use fwd_core::net::{PolicerId, VrfId};
use fwd_core::op::{FwdOp, PolicePoint, Policer, Rates, Unit};
use fwd_core::time::Instant;
use fwd_core::wire::Ipv4;
use mvpn::address::Address;
use mvpn::mvrf::{CMulticastProtocol, MvrfConfig, TunnelKind};
use mvpn::pim::wire::{EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPruneBuf, Message, MessageType, SourceBuf};
use mvpn::pim::wire::{SourceFlags, packet};

use super::node::{Sent, SimAddress, pmsi, site};
use super::world::World;

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
pub const PIM: u8 = 103;
pub const UDP: u8 = 17;

/// A frame of a CE to the link's PIM routers.
pub fn frame(from: A, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut ip = vec![0x45, 0xc0, len[0], len[1], 0, 0, 0, 0, 1, protocol, 0, 0];
    ip.extend_from_slice(&[from.octets(), A::ALL_PIM_ROUTERS.octets()].concat());
    Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
    [&[1, 0, 0x5e, 0, 0, 13, 2, 0, 0, 0, 9, 9, 8, 0][..], &ip, payload].concat()
}

pub fn hello(from: A) -> Vec<u8> {
    let options = vec![HelloOption::Holdtime(u16::MAX), HelloOption::DrPriority(0), HelloOption::GenerationId(7)];
    Message::Hello(Hello { options }).to_packet(from.into(), A::ALL_PIM_ROUTERS.into())
}

pub fn join(from: A, upstream: A, source: A, group: A) -> Vec<u8> {
    join_prune(from, upstream, (source, group), true)
}

fn join_prune(from: A, upstream: A, (source, group): (A, A), joined: bool) -> Vec<u8> {
    let mut set = GroupSetBuf::new(EncodedGroup::new(group.into()));
    let sources = if joined { &mut set.joins } else { &mut set.prunes };
    sources.push(SourceBuf::new(source.into(), SourceFlags::SPARSE));
    let mut body = JoinPruneBuf::new(upstream.into(), u16::MAX);
    body.push(set);
    packet(MessageType::JOIN_PRUNE, 0, from.into(), A::ALL_PIM_ROUTERS.into(), |out| body.emit(out))
}

/// What of a frame from a CE reaches software, by the real forwarder: the IP packet's payload.
pub fn to_software(world: &mut World<A>, pe: usize, vrf: VrfId, frame: &[u8]) -> Option<Vec<u8>> {
    let now = world.now;
    world.pes[pe].forwarder.set_now(now);
    let sent = world.pes[pe].forward(site(vrf), frame);
    sent.into_iter().find_map(|sent| match sent {
        Sent::Software(PuntReason::Multicast, of, packet) if of == vrf => Some(packet[20..].to_vec()),
        _ => None,
    })
}

/// Software takes a PIM message of a CE.
pub fn pim(world: &mut World<A>, pe: usize, vrf: VrfId, from: A, octets: &[u8]) {
    let (interface, to, authenticated) = (site(vrf), A::ALL_PIM_ROUTERS, false);
    world.pim(pe, vrf, mvpn::pim::Input::Datagram { interface, from, to, octets, authenticated });
}

/// What software takes for a message.
pub const SERVICE: Duration = Duration::from_micros(500);
const GROUPS: u32 = 100;
const STEP: Duration = Duration::from_micros(100);
const VRFS: [VrfId; 2] = [VrfId(1), VrfId(2)];

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Joins that the CE of VPN 1 sends in a second. That of VPN 2 joins fifty streams in a second.
    pub others: u32,
    /// The forwarder hands no more packets of a VRF to software than 200 in a second.
    pub policed: bool,
    /// How joins cross the core.
    pub protocol: CMulticastProtocol,
    /// Reflectors between the PEs; `None`: messages take as long as it happens, 10 to 200 ms.
    pub reflectors: Option<u32>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { others: 0, policed: false, protocol: CMulticastProtocol::Bgp, reflectors: None }
    }
}

/// Delays of VPN 2 in µs, in order: from a Join to the first packet at the CE, from a Prune to the last.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    pub joins: Vec<u64>,
    pub leaves: Vec<u64>,
}

/// What so many of a hundred do not exceed.
pub fn percentile(delays: &[u64], percent: usize) -> u64 {
    delays.get((delays.len() * percent / 100).min(delays.len() - 1)).copied().unwrap_or(u64::MAX)
}

fn network(setup: &Setup) -> World<A> {
    let routers = (1..=2).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    let mut world: World<A> = World::new(routers, 19, |_, _| {});
    world.reflectors = setup.reflectors;
    for pe in 0..2_u32 {
        for vrf in VRFS {
            let number = u32::from(vrf.0);
            let rd = RouteDistinguisher::two_octet_as(65001, 100 * number + pe);
            let mut config = MvrfConfig::new(vrf, rd, RouteTarget::two_octet_as(65001, number), pmsi(vrf));
            (config.inclusive, config.selective) = (Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
            config.protocol = setup.protocol;
            world.add_site(pe as usize, config, false);
        }
    }
    world.run_for(SECOND * 40);
    let ce = A::site(1, 8);
    VRFS.into_iter().for_each(|vrf| pim(&mut world, 1, vrf, ce, &hello(ce)));
    for (n, vrf) in (0..).zip(VRFS).filter(|_| setup.policed) {
        let rates = Rates::Single { cir: 200, cbs: 20, ebs: 0 };
        let policer = Policer { rates, unit: Unit::Packets, drop_yellow: true };
        for op in [
            FwdOp::SetPolicer { id: PolicerId(n), policer },
            FwdOp::SetPolicePoint { at: PolicePoint::Punt(vrf), policer: PolicerId(n) },
        ] {
            world.pes[1].forwarder.apply(&op).unwrap();
        }
    }
    world
}

/// Messages of all VRFs wait in one queue of PE 1's software, which takes [`SERVICE`] for each.
pub fn measure(setup: &Setup) -> Delays {
    let mut world = network(setup);
    let (ce, source, start) = (A::site(1, 8), A::host(0, 1), world.now);
    let group = |n: u32| A::ssm(u8::try_from(n % GROUPS).unwrap());
    let mut queue: VecDeque<(VrfId, Vec<u8>)> = VecDeque::new();
    let mut busy = world.now;
    // What is waited for: whether it is to come or to end, since when.
    let mut waiting: BTreeMap<A, (bool, Instant)> = BTreeMap::new();
    let (mut found, mut last): (Delays, BTreeMap<A, Instant>) = Default::default();
    // Two seconds of Joins, two of Prunes, and one for the last to have an effect.
    for tick in 0..50_000_u32 {
        let due = |rate: u32| ((tick * rate / 10_000)..((tick + 1) * rate / 10_000)).collect::<Vec<_>>();
        let mut said: Vec<(VrfId, A, bool)> = Vec::new();
        if tick < 40_000 {
            said.extend(due(setup.others).into_iter().map(|n| (VRFS[0], group(n), true)));
            said.extend(due(50).into_iter().map(|n| (VRFS[1], group(n), tick < 20_000)));
        }
        for (vrf, group, joined) in said {
            if vrf == VRFS[1] {
                let now = world.now;
                // Who gives up waited in vain.
                if let Some((true, since)) = waiting.insert(group, (joined, now)) {
                    found.joins.push(u64::try_from((now - since).as_micros()).unwrap());
                }
            }
            let octets = join_prune(ce, A::site(1, 1), (source, group), joined);
            if let Some(heard) = to_software(&mut world, 1, vrf, &frame(ce, PIM, &octets)) {
                queue.push_back((vrf, heard));
            }
        }
        while busy <= world.now && !queue.is_empty() {
            let (vrf, octets) = queue.pop_front().unwrap();
            pim(&mut world, 1, vrf, ce, &octets);
            busy = world.now + SERVICE;
        }
        if tick % 10 == 0 {
            for group in waiting.keys().copied().collect::<Vec<_>>() {
                world.send((0, VRFS[1]), source, group);
            }
        }
        world.run_for(STEP);
        for ((_, group, _), places) in &world.delivered {
            if !places.contains_key(&(1, VRFS[1])) {
                continue;
            }
            last.insert(*group, world.now);
            if let Some((true, since)) = waiting.get(group).copied() {
                found.joins.push(u64::try_from((world.now - since).as_micros()).unwrap());
                waiting.remove(group);
            }
        }
        // Nothing for 20 ms.
        waiting.retain(|group, (joined, since)| {
            let until = last.get(group).copied().unwrap_or(*since).max(*since);
            let is_over = !*joined && world.now - until > Duration::from_millis(20);
            if is_over {
                found.leaves.push(u64::try_from((until - *since).as_micros()).unwrap());
            }
            !is_over
        });
        world.delivered.clear();
        world.reached.clear();
    }
    for (joined, since) in waiting.values() {
        let delay = u64::try_from((world.now - *since).as_micros()).unwrap();
        if *joined { found.joins.push(delay) } else { found.leaves.push(delay) }
    }
    assert!(found.joins.len() >= GROUPS as usize && world.now - start >= SECOND * 5, "{} joins", found.joins.len());
    found.joins.sort_unstable();
    found.leaves.sort_unstable();
    found
}
