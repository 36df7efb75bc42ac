//! Failures that nobody announces: a branch of a tree that falls silent is found by BFD (RFC 8562, RFC 8563), as fast as that of a
//! pseudowire is (RFC 5885), and its copies go by the pseudowire.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::time::Instant;
use p2mp_pw::bfd::{
    Arrival, Bfd, BfdConfig, Event, Input as BfdInput, Output as BfdOutput, Path, PwRef, SessionConfig, SessionId,
    State, TreeId, Via,
};
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::{EventKind, Input, TreeEvent, VsiConfig};

use super::signalling::{VSI, network, ve};
use crate::world::packets::{frame, mac};
use crate::world::{address, pe_of};

const MS: Duration = Duration::from_millis(1);
const TREE: TreeId = TreeId(1);
const PW: PwRef = PwRef(1);

fn addr(n: usize) -> IpAddr {
    std::net::Ipv4Addr::from(0xc000_0201 + u32::try_from(n).unwrap()).into()
}

/// The head of a tree, and its tails; a pseudowire from the head to tail 1 is watched as well. A packet takes a millisecond.
struct Watch {
    now: Instant,
    nodes: Vec<Bfd>,
    head: SessionId,
    /// Tails that the tree does not reach, and whether the pseudowire is cut.
    cut: BTreeSet<usize>,
    pw_cut: bool,
    events: Vec<(Instant, usize, Event)>,
    /// Packets that the head sent and received.
    head_packets: (usize, usize),
}

impl Watch {
    fn new(tails: usize, report: Option<Duration>, pw: bool) -> Self {
        let now = Instant::ZERO;
        let node = |n: usize| Bfd::new(now, BfdConfig { seed: n as u64, ..BfdConfig::default() }).unwrap();
        let mut nodes: Vec<Bfd> = (0..=tails).map(node).collect();
        let path = Path::Head { tree: TREE, local: addr(0), report };
        let head = nodes[0].add_session(now, SessionConfig::new(path)).unwrap();
        for (n, tail) in nodes.iter_mut().enumerate().skip(1) {
            tail.set_tree(TREE, Some((addr(n), report.is_none())));
        }
        if pw {
            for node in &mut nodes[..2] {
                node.add_session(now, SessionConfig::new(Path::Pw { pw: PW, ip: None })).unwrap();
            }
        }
        let (cut, events) = (BTreeSet::new(), Vec::new());
        Self { now, nodes, head, cut, pw_cut: false, events, head_packets: (0, 0) }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + MS;
            let mut flying: Vec<(usize, Arrival, Vec<u8>)> = Vec::new();
            for n in 0..self.nodes.len() {
                if self.nodes[n].next_timeout().is_some_and(|at| at <= self.now) {
                    self.nodes[n].handle_timeout(self.now);
                }
                while let Some(output) = self.nodes[n].poll_output() {
                    let (via, octets) = match output {
                        BfdOutput::Event(event) => {
                            self.events.push((self.now, n, event));
                            continue;
                        }
                        BfdOutput::Packet { via, octets } => (via, octets),
                    };
                    self.head_packets.0 += usize::from(n == 0);
                    match via {
                        Via::Tree { tree, from, .. } => {
                            let reached = (1..self.nodes.len()).filter(|to| !self.cut.contains(to));
                            flying.extend(reached.map(|to| (to, Arrival::Tree { tree, from }, octets.clone())));
                        }
                        Via::Pw { pw, .. } if !self.pw_cut => {
                            flying.push((1 - n, Arrival::Pw { pw, ttl: None }, octets));
                        }
                        Via::Udp { iface, from, to, source_port, port } => {
                            let (iface, ttl) = (iface.unwrap_or(IfIndex(1)), 255);
                            let at = (0..self.nodes.len()).find(|n| addr(*n) == to).unwrap();
                            flying.push((at, Arrival::Udp { iface, from, to, ttl, source_port, port }, octets));
                        }
                        Via::Pw { .. } | Via::Lsp { .. } => {}
                    }
                }
            }
            for (to, arrival, octets) in flying {
                self.head_packets.1 += usize::from(to == 0);
                self.nodes[to].handle_input(self.now, BfdInput::Packet { arrival, octets: &octets });
            }
        }
    }
}

/// A branch falls silent. Its leaf reports to the head, which sends by the pseudowire; nothing is lost from then on. A loop between two
/// circuits is found by addresses that move (`threats.rs`).
///
/// Shows: VPLS-FM-1
#[test]
fn a_silent_branch_is_found_and_goes_around() {
    let trees = TreeConfig { inclusive: Some(TunnelKind::Mldp), ..TreeConfig::default() };
    let mut world = network(4, |pe| VsiConfig { trees: Some(trees), ..ve(pe, 1) });
    world.pass(Duration::from_secs(4));
    let mut watch = Watch::new(3, Some(50 * MS), false);
    watch.run(Duration::from_secs(5));
    watch.nodes[0].solicit(watch.now, watch.head).unwrap();
    watch.run(200 * MS);
    let tunnel = world.pes[0].pe.bindings(VSI).into_values().next().unwrap().tunnel;
    let broadcast = frame(Mac::BROADCAST, mac(1));
    assert_eq!(world.reached(0, 1, &broadcast).len(), 7);
    // The P router loses the branch to PE 3, and says nothing.
    world.silence(0, 3);
    watch.cut.insert(3);
    let since = watch.now;
    assert_eq!(world.reached(0, 1, &broadcast).len(), 5, "lost");
    watch.run(500 * MS);
    let told: Vec<(Instant, IpAddr)> = watch
        .events
        .iter()
        .filter_map(|(at, n, event)| match event {
            Event::Tail { tail, state: State::Down, .. } if *n == 0 && *at > since => Some((*at, *tail)),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 - since <= 400 * MS, "{:?}", told[0].0 - since);
    let leaf = address(pe_of(told[0].1));
    world.input(0, Input::Tree(TreeEvent::Leaf { tunnel: tunnel.clone(), leaf, reached: false }));
    assert!(world.has_event(0, |kind| *kind == EventKind::TreeDown));
    let all = world.reached(0, 1, &broadcast);
    assert!(all.len() == 7 && all.contains(&(3, 1)), "{all:?}");
}

/// The tree and the pseudowire are watched at the same pace: both failures are found within an interval of each other.
///
/// Shows: VPLS-FM-2
#[test]
fn a_tree_is_watched_as_closely_as_a_pseudowire() {
    let mut watch = Watch::new(1, None, true);
    watch.run(Duration::from_secs(6));
    watch.cut.insert(1);
    watch.pw_cut = true;
    let since = watch.now;
    watch.run(Duration::from_secs(1));
    let downs: Vec<Duration> = watch
        .events
        .iter()
        .filter(|(at, n, event)| *n == 1 && *at > since && matches!(event, Event::State { state: State::Down, .. }))
        .map(|(at, ..)| *at - since)
        .collect();
    assert_eq!(downs.len(), 2, "{:?}", watch.events);
    assert!(downs[1] - downs[0] < 100 * MS, "an interval: {downs:?}");
    assert!(downs[1] <= 302 * MS);
}

/// The head of a tree sends as much, and hears as little, with a thousand tails as with ten.
///
/// Shows: VPLS-FM-4
#[test]
fn a_head_works_the_same_for_ten_tails_and_for_a_thousand() {
    let work = |tails| {
        let mut watch = Watch::new(tails, None, false);
        watch.run(Duration::from_secs(5));
        watch.head_packets = (0, 0);
        watch.run(Duration::from_secs(2));
        assert!(watch.nodes[1..].iter().all(|tail| tail.sessions().all(|(_, state)| state == State::Up)));
        watch.head_packets
    };
    let (ten, thousand) = (work(10), work(1000));
    assert_eq!((ten.1, thousand.1), (0, 0));
    assert!(ten.0 >= 20 && ten.0 == thousand.0, "{ten:?} {thousand:?}");
}
