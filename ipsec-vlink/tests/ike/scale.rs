//! Contexts that need a pair of addresses each, and so an IKE SA each (draft-duffy §6.3), beside contexts that share one: what the SAs take
//! that are made in full, cloned (RFC 7791) and resumed (RFC 5723). The bench `links_scale` writes what comes out to
//! `docs/scale/ipsec-vlink.md`.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant as Clock;

use super::pair::{End, Pair};
use fwd_core::net::VpnId;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::v2::{Config, Event, Ike, TicketConfig, TicketKind};
use ipsec_vlink::ike::{ChildConfig, Identity, IkeSaId, PeerConfig, PeerId, VpnContext};

/// How contexts come to their Child SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All on one IKE SA, each said by name.
    One,
    /// Each on an IKE SA of its own, with a proof of its own.
    Full,
    /// Each on a clone of the first one's, which moves to the addresses.
    Cloned,
    /// Each on an IKE SA of its own, which was there before one end lost all but its tickets.
    Resumed,
}

impl How {
    pub const ALL: [Self; 4] = [Self::One, Self::Full, Self::Cloned, Self::Resumed];

    /// How a row of the page begins.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one IKE SA for all",
            Self::Full => "one each, in full",
            Self::Cloned => "one each, cloned",
            Self::Resumed => "one each, resumed",
        }
    }
}

/// What contexts took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub n: u32,
    pub sas: usize,
    pub messages: usize,
    pub octets: usize,
    /// How often somebody proved who it is.
    pub proofs: usize,
    /// Microseconds for a context, both ends; the bench's alone.
    #[allow(dead_code)]
    pub micros: f64,
    /// Octets that one end holds for a context.
    pub held: f64,
}

impl Cost {
    /// The columns that are the same everywhere.
    pub fn counts(&self) -> String {
        let n = self.n as usize;
        let (messages, octets) = (self.messages as f64 / n as f64, self.octets / n);
        format!("{:>6} {:>6} {messages:>9.2} {octets:>12} {:>7}", self.n, self.sas, self.proofs)
    }
}

/// The `n`th pair of addresses of the two systems, seen from an end.
fn system(n: u32, end: usize) -> PeerConfig {
    let [_, _, a, b] = n.to_be_bytes();
    let ends = [IpAddr::from([10, 1, a, b]), IpAddr::from([10, 2, a, b])];
    let (local, remote) = (ends[end], ends[1 - end]);
    let names = ["a.example", "b.example"];
    PeerConfig {
        local_id: Identity::fqdn(names[end]),
        remote_id: Identity::fqdn(names[1 - end]),
        children: vec![ChildConfig::transport(n, local, remote, 4)],
        mobility: true,
        resumption: true,
        ..PeerConfig::psk(local, remote, b"secret")
    }
}

fn machine(pair: &Pair, seed: &[u8]) -> Ike<RustCrypto> {
    let tickets = Some(TicketConfig::new(TicketKind::Reference));
    let config = Config { tickets, half_open_per_source: 10_000, ..Config::default() };
    Ike::new(pair.now, config, RustCrypto::new(seed)).unwrap()
}

/// A peer for each pair of addresses, at an end.
fn add_systems(end: &mut End<Ike<RustCrypto>>, n: u32, which: usize) -> Vec<PeerId> {
    (0..n).map(|n| end.ike.add_peer(system(n, which)).unwrap()).collect()
}

fn is_up(pair: &Pair, n: u32) -> bool {
    pair.ends.iter().all(|end| end.live().len() == n as usize)
}

fn one(pair: &mut Pair, n: u32) {
    for end in 0..2 {
        let context = |n| VpnContext::link(VpnId::new(0x5e, n).unwrap(), 0);
        let child = |n| ChildConfig { context: Some(context(n)), ..ChildConfig::any_v4(n) };
        let config = PeerConfig { children: (0..n).map(child).collect(), vpn_context: true, ..system(0, end) };
        pair.ends[end].ike.add_peer(config).unwrap();
    }
    for tag in 0..n {
        pair.ends[0].ike.connect(pair.now, PeerId(0), tag).unwrap();
    }
}

fn cloned(pair: &mut Pair, ids: &[PeerId]) {
    pair.ends[0].ike.connect(pair.now, ids[0], 0).unwrap();
    pair.seconds(1);
    for (tag, id) in (0..).zip(ids).skip(1) {
        pair.ends[0].ike.clone_to(pair.now, IkeSaId(0), *id, tag).unwrap();
    }
}

/// End 0 loses all but its tickets.
fn lose_all(pair: &mut Pair, ids: &[PeerId], n: u32) {
    let tickets: Vec<_> = ids.iter().map(|id| pair.ends[0].ike.take_ticket(*id).unwrap()).collect();
    pair.ends[0] = End::of(machine(pair, b"after the loss"));
    let ids = add_systems(&mut pair.ends[0], n, 0);
    for (id, ticket) in ids.iter().zip(tickets) {
        pair.ends[0].ike.give_ticket(*id, ticket).unwrap();
    }
}

fn connect_all(pair: &mut Pair, ids: &[PeerId]) {
    for (tag, id) in (0..).zip(ids) {
        pair.ends[0].ike.connect(pair.now, *id, tag).unwrap();
    }
}

/// What `n` contexts take.
pub fn contexts(n: u32, how: How) -> Cost {
    let mut pair = Pair::new(&Config::default());
    for end in 0..2 {
        pair.ends[end] = End::of(machine(&pair, &[end as u8]));
    }
    let ids = if how == How::One { Vec::new() } else { add_systems(&mut pair.ends[1], n, 1) };
    if how != How::One {
        assert_eq!(ids, add_systems(&mut pair.ends[0], n, 0));
    }
    if how == How::Resumed {
        connect_all(&mut pair, &ids);
        pair.seconds(2);
        assert!(is_up(&pair, n));
        lose_all(&mut pair, &ids, n);
        pair.ends[1].events.clear();
    }
    let seen = Rc::new(RefCell::new((0, 0)));
    let to = Rc::clone(&seen);
    pair.fate = Box::new(move |_, _, octets| {
        let (messages, sum) = *to.borrow();
        *to.borrow_mut() = (messages + 1, sum + octets.len());
        1
    });
    let start = Clock::now();
    match how {
        How::One => one(&mut pair, n),
        How::Full | How::Resumed => connect_all(&mut pair, &ids),
        How::Cloned => cloned(&mut pair, &ids),
    }
    while !is_up(&pair, n) {
        assert!(start.elapsed().as_secs() < 600, "{how:?}: it does not come up");
        pair.seconds(1);
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(n);
    assert_eq!(pair.check_mirrored(), n as usize);
    let (messages, octets) = *seen.borrow();
    let resumed = pair.ends[1].events.iter().filter(|e| matches!(e, Event::Resumed(..))).count();
    let established = pair.ends[1].events.iter().filter(|e| matches!(e, Event::Established(..))).count();
    let sas = pair.ends[0].ike.sizes().0;
    let empty = machine(&pair, b"none");
    let ike = std::mem::replace(&mut pair.ends[0].ike, empty);
    let held = -allocation_counter::measure(|| drop(ike)).bytes_current as f64 / f64::from(n);
    Cost { n, sas, messages, octets, proofs: established - resumed, micros, held }
}

/// A hundred contexts on one IKE SA, on a hundred in full, cloned and resumed: as published, and as much for each when there are ten times
/// as many.
///
/// Shows: VLINK-5.3-8, VLINK-6.3-C3
#[test]
fn contexts_cost_what_is_published() {
    let page = include_str!("../../../docs/scale/ipsec-vlink.md");
    for how in How::ALL {
        let (few, many) = (contexts(10, how), contexts(100, how));
        let mut lines = page.lines().filter_map(|line| line.strip_prefix(how.name()));
        let line = lines.find(|line| line.contains(&many.counts()));
        let line = line.unwrap_or_else(|| panic!("{}{}", how.name(), many.counts()));
        let then: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!(many.held <= then * 1.5 && then <= many.held * 1.5, "{how:?}: {} octets, published {then}", many.held);
        assert!(many.held <= few.held * 1.3, "{how:?}: {} octets, then {}", few.held, many.held);
        let one = how == How::One;
        assert_eq!((many.sas, few.sas), if one { (1, 1) } else { (100, 10) }, "{how:?}");
        let proofs = match how {
            How::One | How::Cloned => 1,
            How::Full => 100,
            How::Resumed => 0,
        };
        assert_eq!(many.proofs, proofs, "{how:?}");
        let each = (many.messages - few.messages) as f64 / 90.0;
        let expected = match how {
            How::One => 2.0,
            How::Full | How::Resumed => 4.0,
            How::Cloned => 6.0,
        };
        assert!((each - expected).abs() < 0.001, "{how:?}: {each} messages each");
    }
}
