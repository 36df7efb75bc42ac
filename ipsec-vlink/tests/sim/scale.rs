//! Many links between two systems: what it takes to set them up, and to keep them. The bench `links_scale` writes what comes out to
//! `docs/scale/ipsec-vlink.md`; here the same is held against that page with fewer links.

use std::time::{Duration, Instant as Clock};

use fwd_core::net::VrfId;
use ipsec_vlink::arch::{Architecture, Clear};
use ipsec_vlink::ike::crypto::rustcrypto::EspCipher;
use ipsec_vlink::ike::v2;
use ipsec_vlink::l2tp::control as l2tp;
use ipsec_vlink::sad::Sad;
use ipsec_vlink::vlink::{Config, LinkConfig, PeerId, Security, VirtualLinks};

use crate::router::Md5Sha1;
use crate::spy::Spy;
use crate::world::{World, vpn};

/// What links took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub n: u16,
    /// Messages of both ends: of IKE, of L2TP, keys and labels said.
    pub messages: [usize; 3],
    /// IKE SAs and pairs of Child SAs at one end.
    pub sas: [usize; 2],
    /// Microseconds for a link, both ends and what joins them; the bench's alone.
    #[allow(dead_code)]
    pub micros: f64,
}

impl Cost {
    /// The columns that are the same everywhere.
    pub fn counts(&self) -> String {
        let [ike, l2tp, keys] = self.messages;
        let [sas, children] = self.sas;
        let each = (ike + l2tp + keys) as f64 / f64::from(self.n);
        format!("{ike:>7} {l2tp:>7} {keys:>7} {each:>9.4} {sas:>8} {children:>9}")
    }
}

/// How a row of the page begins.
pub fn name(architecture: Architecture, security: Security) -> String {
    format!("{} {}", architecture.name(), if security == Security::Clear { "in clear" } else { "with IPsec" })
}

/// Whether an architecture has many links so.
pub fn goes(architecture: Architecture, security: Security) -> bool {
    security != Security::Clear || !matches!(architecture.properties().clear, Clear::Never | Clear::One)
}

/// Two systems with `n` links between them, all up: each of a virtual router of its own at both ends. They are added five hundred at a
/// time, so that IKE asks nobody for cookies.
pub fn linked(n: u16, architecture: Architecture, security: Security) -> (World, Cost) {
    let mut world = World::new(2, n, usize::from(n) + 2);
    world.delay = Duration::from_micros(1);
    let peers = world.peer(0, 1);
    let start = Clock::now();
    let all: Vec<u16> = (1..=n).collect();
    for some in all.chunks(500) {
        for vrf in some {
            let cfg = LinkConfig::new(PeerId(0), vpn((*vrf).into()), VrfId(*vrf), architecture);
            let ids = world.link([0, 1], peers, &LinkConfig { security, ..cfg }).unwrap();
            assert_eq!(ids[0].0, u32::from(*vrf) - 1);
        }
        world.seconds(1);
    }
    // L2TP's first message finds no association yet, and goes again.
    let is_up = |world: &World| world.routers.iter().all(|router| router.up.len() == usize::from(n));
    for _ in 0..30 {
        if is_up(&world) {
            break;
        }
        world.seconds(1);
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(n);
    assert!(is_up(&world), "{architecture:?} {security:?}");
    let sum = |of: fn(&crate::router::Router) -> usize| world.routers.iter().map(of).sum();
    let messages = [sum(|r| r.ike_sent), sum(|r| r.l2tp_sent), sum(|r| r.keys_sent)];
    let sas = [world.routers[0].ike.sizes().0, world.routers[0].sad.len()];
    (world, Cost { n, messages, sas, micros })
}

/// Octets that go when something goes.
fn freed<T>(what: T) -> i64 {
    -allocation_counter::measure(|| drop(what)).bytes_current
}

/// Octets of one end of a link, by what holds them: the links themselves, IKE, the SAD, L2TP.
pub fn held(world: &mut World, n: u16) -> [f64; 4] {
    let now = world.now;
    let router = &mut world.routers[0];
    let links = std::mem::replace(&mut router.links, VirtualLinks::new(now, Config::default()).unwrap());
    let ike = std::mem::replace(&mut router.ike, v2::Ike::new(now, v2::Config::default(), Spy::new(b"-")).unwrap());
    let sad = std::mem::replace(&mut router.sad, Sad::<EspCipher>::new());
    let l2tp = l2tp::Endpoint::new(now, l2tp::Config::new(b"-", 1, [0; 32]), Md5Sha1).unwrap();
    let l2tp = std::mem::replace(&mut router.l2tp, l2tp);
    // What the simulation alone keeps.
    router.spy.borrow_mut().payloads = Vec::new();
    [freed(links), freed(ike), freed(sad), freed(l2tp)].map(|octets| octets as f64 / f64::from(n))
}

/// The page says, for ten thousand links, what fewer links say: so many messages for each, one IKE SA where the draft says one, and what
/// a link takes to keep; and that a packet's way through 10,000 links, of 10,000 addresses among them, is as long as through ten.
///
/// Shows: VLINK-7-2, VLINK-6.3-C2
#[test]
fn what_links_take_is_as_published() {
    let page = include_str!("../../../docs/scale/ipsec-vlink.md");
    for architecture in Architecture::ALL {
        for security in [Security::Esp, Security::Clear] {
            let name = name(architecture, security);
            let published = |n: u16| {
                let mut lines = page.lines().filter_map(|line| line.strip_prefix(&name));
                lines.find(|line| line.split_whitespace().next() == Some(&n.to_string())).map(str::to_owned)
            };
            if !goes(architecture, security) {
                assert!(page.lines().any(|line| line.starts_with(&name) && line.contains("refused")), "{name}");
                continue;
            }
            let (_, few) = linked(10, architecture, security);
            let (mut world, many) = linked(100, architecture, security);
            for cost in [&few, &many] {
                let line = published(cost.n).unwrap_or_else(|| panic!("{name}: {} links", cost.n));
                assert!(line.contains(&cost.counts()), "{name}: {} links: {}, not {line}", cost.n, cost.counts());
            }
            // What one more costs is the same up to ten thousand.
            let line = published(10_000).unwrap_or_else(|| panic!("{name}: 10,000 links"));
            let at = |column: usize| -> usize { line.split_whitespace().nth(column).unwrap().parse().unwrap() };
            for (kind, column) in [(0, 1), (1, 2), (2, 3)] {
                let each = (many.messages[kind] - few.messages[kind]) as f64 / 90.0;
                let expected = few.messages[kind] as f64 + each * 9990.0;
                let found = at(column) as f64;
                // L2TP acknowledges several messages with one where many are on their way.
                let is_few = kind == 1 && found < expected;
                assert!(
                    is_few || (found - expected).abs() <= expected * 0.02,
                    "{name}: {} messages published, {expected} expected",
                    at(column)
                );
            }
            let sas = if security == Security::Clear { 0 } else { 1 };
            let is_one = architecture != Architecture::DistinctIpip;
            assert_eq!(at(5), if is_one { sas } else { 10_000 * sas }, "{name}: IKE SAs");
            let figure = |n: u16, column: usize| -> f64 {
                published(n).unwrap().split_whitespace().nth(column).unwrap().parse().unwrap()
            };
            assert!(figure(10_000, 13) <= 2.0 * figure(10, 13), "{name}: the look-up is not flat");
            assert!(figure(10_000, 7) <= 1.3 * figure(100, 7), "{name}: memory is not linear");
            let octets: f64 = held(&mut world, 100).iter().sum();
            let then = figure(100, 7);
            assert!(octets <= then * 1.5 && then <= octets * 1.5, "{name}: {octets} octets each, published {then}");
        }
    }
}
