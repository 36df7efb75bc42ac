//! What is counted: every packet that comes in is copied, handed up or dropped, in every period; per stream, how long joins and leaves took.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::mib::View;
use fwd_core::measure::{Membership, Periods, Traffic};
use fwd_core::mib::{Objects, Oid, Value};
use fwd_core::time::Instant;
use mvpn::mvrf::TunnelKind;
use mvpn::mvrf::mib::{MvpnMib, Outside};
use proptest::prelude::*;

use super::node::{Pe, SimAddress};
use super::ssm::network;
use super::world::World;
use super::{Provider, VRF};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

/// What a PE's forwarder counted.
fn traffic(pe: &Pe<A>) -> Traffic {
    let c = pe.forwarder.borrow_dependent().counters();
    let lost: u64 = fwd_core::DropReason::ALL.into_iter().map(|reason| c.lost(reason)).sum();
    let dropped = c.drops().map(|(_, n)| n).sum::<u64>() + lost;
    Traffic { packets: c.total(), octets: 0, copies: c.copies() + c.transmitted(), dropped }
}

/// Three lengths of period, for each PE.
struct Meter([Periods<4>; 3]);

const LENGTHS: [Duration; 3] = [SECOND, Duration::from_secs(60), Duration::from_secs(900)];

impl Meter {
    fn new(now: Instant, pe: &Pe<A>) -> Self {
        Self(LENGTHS.map(|length| Periods::new(now, length, traffic(pe))))
    }
    fn read(&mut self, now: Instant, pe: &Pe<A>) {
        self.0.iter_mut().for_each(|periods| periods.read(now, traffic(pe)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Random members, random senders: in every period, what came into all PEs is what sources sent and what crossed the core, and
    /// every copy crossed the core or was delivered; drops are those that the forwarders name.
    ///
    /// Shows: MVPN-COAM-7, MVPN-OAM-6, MVPN-TRB-5
    #[test]
    fn periods_account_for_every_packet(seed in any::<u64>(), kinds in 0..2_usize, members in 1..8_u8) {
        let mut world: World<A> = network(Provider::V4, 4, super::ssm::KINDS[kinds], seed);
        for n in 0..members {
            let (pe, from) = (1 + usize::from(n % 3), usize::from(n % 2));
            world.member((pe, VRF), Some(A::host(from, 1)), A::ssm(n % 4), true);
        }
        world.run_for(SECOND * 3);
        let aligned = Instant::from_secs(world.now.as_micros() / 1_000_000 + 1);
        let wait = aligned - world.now;
        world.run_for(wait);
        let mut meters: Vec<Meter> = world.pes.iter().map(|pe| Meter::new(world.now, pe)).collect();
        let (mut minute, mut all) = ((0, 0, 0), (0, 0, 0));
        let counted = |world: &World<A>| {
            let delivered: u64 = world.delivered.values().flat_map(|places| places.values()).map(|n| u64::from(*n)).sum();
            let drops: u64 = world.pes.iter().flat_map(|pe| pe.drops.values()).sum();
            (world.crossed, delivered, drops)
        };
        for second in 0..120_u64 {
            let before = counted(&world);
            let sent = world.rng.below(6);
            for _ in 0..sent {
                let (from, group) = (world.rng.below(4) as usize, world.rng.below(5) as u8);
                // One in five is spoofed: another PE's source.
                let of = if world.rng.below(5) == 0 { (from + 1) % 4 } else { from };
                world.send((from, VRF), A::host(of, 1), A::ssm(group));
            }
            world.run_for(SECOND);
            let after = counted(&world);
            let sum = |at: usize, of: fn(&Traffic) -> u64, meters: &[Meter]| -> u64 {
                meters.iter().filter_map(|m| m.0[at].ago(0)).map(|t| of(&t)).sum()
            };
            for (meter, pe) in meters.iter_mut().zip(&world.pes) {
                meter.read(world.now, pe);
            }
            let now = (sent + after.0 - before.0, after.0 - before.0 + after.1 - before.1, after.2 - before.2);
            for total in [&mut minute, &mut all] {
                *total = (total.0 + now.0, total.1 + now.1, total.2 + now.2);
            }
            let read = |at| (sum(at, |t| t.packets, &meters), sum(at, |t| t.copies, &meters), sum(at, |t| t.dropped, &meters));
            prop_assert_eq!(read(0), now, "second {}", second);
            if second % 60 == 59 {
                prop_assert_eq!(read(1), minute);
                minute = (0, 0, 0);
            }
        }
        world.run_for(Duration::from_secs(780));
        for (meter, pe) in meters.iter_mut().zip(&world.pes) {
            meter.read(world.now, pe);
        }
        let quarter: u64 = meters.iter().filter_map(|m| m.0[2].ago(0)).map(|t| t.packets).sum();
        prop_assert_eq!(quarter, all.0);
        prop_assert!(all.2 > 0, "spoofed packets are dropped");
    }
}

/// A stream of a thousand packets a second, joined and left ten times: packets and octets of (S,G) are the managed objects, and the delays
/// are those that each packet's arrival says.
///
/// Shows: MVPN-COAM-6
#[test]
fn streams_have_counters_and_delays() {
    let mut world: World<A> = network(Provider::V4, 3, (Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp), 4);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    let mut membership: Membership<600> = Membership::new(Duration::from_millis(1));
    let mut truth: Vec<u64> = Vec::new();
    let (mut joined_at, mut sent) = (None, 0_u64);
    // PE 2 stays: PE 0 has the route all the time.
    world.member((2, VRF), Some(source), group, true);
    world.run_for(SECOND * 2);
    for ms in 0..10_000_u64 {
        if ms % 1000 == 0 {
            world.member((1, VRF), Some(source), group, true);
            membership.joined(world.now);
            joined_at = Some(world.now);
        }
        if ms % 1000 == 500 {
            world.member((1, VRF), Some(source), group, false);
            membership.left(world.now);
        }
        let before = received(&world);
        world.send((0, VRF), source, group);
        sent += 1;
        world.run_for(Duration::from_millis(1));
        if received(&world) > before {
            membership.packet(world.now);
            truth.extend(joined_at.take().map(|at| (world.now - at).as_millis() as u64));
        }
    }
    assert_eq!((membership.join_delay().total(), truth.len() as u64), (10, 10));
    for ms in &truth {
        assert!(membership.join_delay().counts()[*ms as usize] > 0, "{ms}");
    }
    let mut sorted = truth.clone();
    sorted.sort_unstable();
    let median = membership.join_delay().quantile(500).unwrap();
    assert_eq!(median.as_millis() as u64, sorted[4] + 1);
    // Nine leaves were followed by a join: what was on its way is all that comes.
    assert_eq!(membership.leave_delay().total(), 9);
    assert!(membership.leave_delay().quantile(1000).unwrap() <= Duration::from_millis(6));
    // Managed objects and the forwarder agree with what was sent.
    let forwarder = world.pes[0].forwarder.borrow_dependent();
    let outside = Outside {
        vrf_name: &|_| b"r".to_vec(),
        date: &|_| Vec::new(),
        group: &|id| forwarder.group_counters(id),
        tunnel: &|_| None,
        first_if_index: 5000,
        view: View::Provider,
    };
    let mib = MvpnMib::new(&world.pes[0].mvpn, &outside);
    let get = |column: u32| {
        let mut oid = Oid::new(&[1, 3, 6, 1, 2, 1, 243, 1, 7, 1, column]);
        oid.push_octets(b"r");
        for (address, bits) in [(IpAddr::from(group), 32), (IpAddr::from(source), 32)] {
            oid.push_address(Some(address));
            oid.push(bits);
        }
        mib.get(&oid)
    };
    assert_eq!((get(18), get(17)), (Some(Value::Counter64(sent)), Some(Value::Counter64(32 * sent))));
}

/// Copies that were delivered to PE 1.
fn received(world: &World<A>) -> u64 {
    world.delivered_at.get(&(1, VRF)).copied().unwrap_or(0)
}
