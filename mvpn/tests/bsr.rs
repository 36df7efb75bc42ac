//! Routers in a row that run the bootstrap mechanism, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{IfIndex, Ipv4Prefix};
use fwd_core::time::Instant;
use mvpn::pim::bsr::fsm::BsrState;
use mvpn::pim::bsr::{
    BsrConfig, BsrInterfaceConfig, BsrReject, BsrRouter, BsrRouterEvent, CandidateBsr, CandidateRpConfig, Input,
    Output, Zone,
};
use mvpn::pim::rp_set::{RpMode, RpSet};
use mvpn::pim::wire::{Bootstrap, Message};

const LEFT: IfIndex = IfIndex(1);
const RIGHT: IfIndex = IfIndex(2);
const ALL_PIM: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);

fn range(text: &str) -> Ipv4Prefix {
    text.parse().unwrap()
}

/// The address of router `n` on one of its interfaces; 0 is its loopback.
fn address(n: usize, interface: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, u8::try_from(n).unwrap(), u8::try_from(interface).unwrap() + 1)
}

struct Node {
    router: BsrRouter<Ipv4Addr>,
    set: RpSet<Ipv4Addr>,
    up: bool,
    rejected: Vec<BsrReject>,
}

/// Router n's right is router n+1's left.
struct Row {
    now: Instant,
    nodes: Vec<Node>,
    /// To router, interface, from, to, octets.
    wire: VecDeque<(usize, IfIndex, Ipv4Addr, Ipv4Addr, Vec<u8>)>,
    longest: usize,
    messages: usize,
}

impl Row {
    fn new(n: usize, mtu: u16, borders: &[(usize, IfIndex, &str)]) -> Self {
        let now = Instant::ZERO;
        let node = |at: usize| {
            let mut router = BsrRouter::new(now, BsrConfig { seed: at as u64, ..BsrConfig::default() }).unwrap();
            for interface in [LEFT, RIGHT] {
                let borders = borders.iter().filter(|b| (b.0, b.1) == (at, interface)).map(|b| range(b.2)).collect();
                let address = address(at, interface.0);
                router.add_interface(now, BsrInterfaceConfig { interface, address, mtu, borders }).unwrap();
            }
            Node { router, set: RpSet::new(), up: true, rejected: Vec::new() }
        };
        let mut row = Self { now, nodes: (0..n).map(node).collect(), wire: VecDeque::new(), longest: 0, messages: 0 };
        for at in 0..n {
            row.meet(at, false);
        }
        row
    }

    /// Router `at` and its neighbours hear of each other.
    fn meet(&mut self, at: usize, prime: bool) {
        for (other, mine, theirs) in [(at.wrapping_sub(1), LEFT, RIGHT), (at + 1, RIGHT, LEFT)] {
            if other < self.nodes.len() && self.nodes[other].up {
                self.neighbor(at, mine, address(other, theirs.0), true, false);
                self.neighbor(other, theirs, address(at, mine.0), true, prime);
            }
        }
    }

    fn neighbor(&mut self, at: usize, interface: IfIndex, neighbor: Ipv4Addr, present: bool, prime: bool) {
        self.input(at, Input::Neighbor { interface, neighbor, present, prime });
    }

    fn input(&mut self, at: usize, input: Input<'_, Ipv4Addr>) {
        self.nodes[at].router.handle_input(self.now, input);
        self.drain(at);
    }

    /// RPF_neighbor of an address of another router.
    fn rpf(at: usize, target: Ipv4Addr) -> Option<Ipv4Addr> {
        let of = usize::from(target.octets()[2]);
        match of.cmp(&at) {
            std::cmp::Ordering::Less => Some(address(at - 1, RIGHT.0)),
            std::cmp::Ordering::Greater => Some(address(at + 1, LEFT.0)),
            std::cmp::Ordering::Equal => None,
        }
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].router.poll_output() {
            if !self.nodes[at].up {
                continue;
            }
            match output {
                Output::Datagram { interface: Some(interface), from, to, octets } => {
                    self.longest = self.longest.max(octets.len() + 20);
                    self.messages += 1;
                    let other = if interface == LEFT { at.wrapping_sub(1) } else { at + 1 };
                    let theirs = if interface == LEFT { RIGHT } else { LEFT };
                    if other < self.nodes.len() {
                        self.wire.push_back((other, theirs, from, to, octets));
                    }
                }
                Output::Datagram { interface: None, from, to, octets } => {
                    let other = usize::from(to.octets()[2]);
                    self.wire.push_back((other, LEFT, from, to, octets));
                }
                Output::Mapping { range, mode, hash_mask_len, candidates } => {
                    self.nodes[at].set.set_learnt(range, mode, hash_mask_len, &candidates);
                }
                Output::Track(target) => {
                    let neighbor = Self::rpf(at, target);
                    let input = Input::Rpf { address: target, neighbor };
                    self.nodes[at].router.handle_input(self.now, input);
                }
                Output::Event(BsrRouterEvent::Rejected { reason, .. }) => self.nodes[at].rejected.push(reason),
                _ => {}
            }
        }
    }

    fn deliver(&mut self) {
        while let Some((at, interface, from, to, octets)) = self.wire.pop_front() {
            if self.nodes[at].up {
                self.input(at, Input::Datagram { interface, from, to, octets: &octets });
            }
        }
    }

    fn secs(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        self.deliver();
        loop {
            let due = (0..self.nodes.len()).filter(|&n| self.nodes[n].up);
            let next = due.filter_map(|n| Some((self.nodes[n].router.next_timeout()?, n))).min();
            let Some((at, n)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            self.nodes[n].router.handle_timeout(self.now);
            self.drain(n);
            self.deliver();
        }
        self.now = end;
    }

    fn candidate(&mut self, at: usize, zone: Zone<Ipv4Addr>, priority: u8) {
        let candidate = CandidateBsr { address: address(at, 0), priority, hash_mask_len: 30 };
        self.nodes[at].router.set_candidate_bsr(self.now, zone, Some(candidate)).unwrap();
        self.drain(at);
    }

    fn candidate_rp(&mut self, at: usize, ranges: &[&str], mode: RpMode) {
        let ranges = ranges.iter().map(|r| (range(r), mode)).collect();
        let candidate = CandidateRpConfig { address: address(at, 0), priority: 192, ranges };
        self.nodes[at].router.set_candidate_rp(self.now, Some(candidate)).unwrap();
        self.drain(at);
    }

    fn bsrs(&self, zone: Zone<Ipv4Addr>) -> Vec<Option<u8>> {
        self.nodes.iter().map(|n| n.router.bsr(zone).map(|a| a.octets()[2])).collect()
    }

    fn rps(&self, group: &str) -> Vec<Option<u8>> {
        let group: Ipv4Addr = group.parse().unwrap();
        self.nodes.iter().map(|n| n.set.rp(group).map(|rp| rp.address.octets()[2])).collect()
    }
}

/// Shows: MVPN-RP-4
#[test]
fn the_best_candidate_is_elected_and_its_rp_set_reaches_all() {
    let mut row = Row::new(4, 1500, &[]);
    row.candidate(0, Zone::Global, 10);
    row.candidate(3, Zone::Global, 20);
    row.candidate_rp(1, &["224.0.0.0/4"], RpMode::Sparse);
    row.candidate_rp(2, &["239.1.0.0/16"], RpMode::Bidir);
    row.secs(60);
    assert_eq!(row.bsrs(Zone::Global), [Some(3); 4]);
    assert_eq!(row.nodes[3].router.state(Zone::Global), BsrState::Elected);
    assert_eq!(row.nodes[0].router.state(Zone::Global), BsrState::Candidate);
    assert_eq!(row.nodes[1].router.state(Zone::Global), BsrState::AcceptPreferred);
    assert_eq!((row.rps("225.1.1.1"), row.rps("239.1.1.1")), (vec![Some(1); 4], vec![Some(2); 4]));
    assert_eq!(row.nodes[0].set.rp("239.1.1.1".parse().unwrap()).unwrap().mode, RpMode::Bidir);
    // The BSR dies: the other candidate takes over, and the RP-Set lasts the while.
    row.nodes[3].up = false;
    for _ in 0..20 {
        row.secs(10);
        assert_eq!(row.rps("225.1.1.1")[..3], [Some(1); 3], "at {:?}", row.now);
    }
    assert_eq!(row.bsrs(Zone::Global)[..3], [Some(0); 3]);
    row.secs(200);
    assert_eq!(row.rps("225.1.1.1")[..3], [Some(1); 3]);
}

/// Shows: MVPN-RP-4
#[test]
fn a_candidate_rp_that_withdraws_or_dies_is_gone_everywhere() {
    let mut row = Row::new(3, 1500, &[]);
    row.candidate(0, Zone::Global, 10);
    row.candidate_rp(1, &["225.0.0.0/8"], RpMode::Sparse);
    row.candidate_rp(2, &["226.0.0.0/8"], RpMode::Sparse);
    row.secs(60);
    assert_eq!((row.rps("225.1.1.1"), row.rps("226.1.1.1")), (vec![Some(1); 3], vec![Some(2); 3]));
    let now = row.now;
    row.nodes[1].router.set_candidate_rp(now, None).unwrap();
    row.drain(1);
    row.secs(11);
    assert_eq!(row.rps("225.1.1.1"), [None; 3], "withdrawn after BS_Min_Interval at the latest");
    row.nodes[2].up = false;
    row.secs(250);
    assert_eq!(row.rps("226.1.1.1")[..2], [None; 2], "C-RP holdtime");
}

/// Shows: MVPN-RP-4
#[test]
fn a_message_longer_than_a_packet_goes_in_fragments() {
    let mut row = Row::new(3, 576, &[]);
    row.candidate(0, Zone::Global, 10);
    let ranges: Vec<String> = (0..200).map(|n| format!("225.{n}.0.0/16")).collect();
    row.candidate_rp(1, &ranges.iter().map(String::as_str).collect::<Vec<_>>(), RpMode::Sparse);
    row.secs(60);
    assert!(row.longest <= 576, "{}", row.longest);
    for n in 0..200 {
        assert_eq!(row.rps(&format!("225.{n}.1.1")), [Some(1); 3]);
    }
}

/// RPs of one range in two fragments: nothing changes before both are there (RFC 5059 §4.1.1).
#[test]
fn half_a_range_changes_nothing() {
    let mut row = Row::new(2, 1500, &[]);
    let bsr = address(0, 0);
    let rp =
        |n| mvpn::pim::wire::BootstrapRp { address: Ipv4Addr::new(192, 0, 2, n).into(), holdtime: 150, priority: 0 };
    let group = |rps: Vec<_>| mvpn::pim::wire::BootstrapGroup {
        group: mvpn::pim::wire::EncodedGroup::range(
            Ipv4Addr::new(225, 0, 0, 0).into(),
            8,
            mvpn::pim::wire::GroupFlags::empty(),
        )
        .unwrap(),
        rp_count: 2,
        rps,
    };
    let send = |row: &mut Row, tag, rps| {
        let message = Bootstrap {
            no_forward: false,
            fragment_tag: tag,
            hash_mask_len: 30,
            priority: 1,
            bsr: bsr.into(),
            groups: vec![group(rps)],
        };
        let from = address(0, RIGHT.0);
        let octets = Message::Bootstrap(message).to_packet(from.into(), ALL_PIM.into());
        row.input(1, Input::Datagram { interface: LEFT, from, to: ALL_PIM, octets: &octets });
        row.drain(1);
    };
    send(&mut row, 1, vec![rp(1)]);
    assert_eq!(row.nodes[1].set.learnt().count(), 0);
    send(&mut row, 2, vec![rp(2)]);
    assert_eq!(row.nodes[1].set.learnt().count(), 0, "of another message");
    send(&mut row, 2, vec![rp(1)]);
    assert_eq!(row.nodes[1].set.learnt().next().unwrap().1.len(), 2);
    send(&mut row, 3, vec![rp(3), rp(4)]);
    let of: BTreeMap<_, _> = row.nodes[1].set.learnt().map(|(r, c)| (*r, c.to_vec())).collect();
    assert_eq!(of[&range("225.0.0.0/8")].iter().map(|c| c.address.octets()[3]).collect::<Vec<_>>(), [3, 4]);
}

/// Shows: MVPN-RP-4
#[test]
fn a_scope_zone_ends_at_its_border() {
    // The border of 239.0.0.0/8 lies between routers 1 and 2.
    let mut row = Row::new(4, 1500, &[(1, RIGHT, "239.0.0.0/8"), (2, LEFT, "239.0.0.0/8")]);
    let zone = Zone::Scoped(range("239.0.0.0/8"));
    row.candidate(0, zone, 10);
    row.candidate(0, Zone::Global, 10);
    row.candidate_rp(1, &["224.0.0.0/4"], RpMode::Sparse);
    row.secs(90);
    assert_eq!(row.bsrs(zone), [Some(0), Some(0), None, None]);
    // The zone's range was advertised to its BSR, too (RFC 5059 §3.2).
    assert_eq!(row.rps("225.1.1.1"), [Some(1); 4]);
    assert!(row.nodes[1].set.learnt().any(|(r, _)| *r == range("239.0.0.0/8")));
    assert!(!row.nodes[2].set.learnt().any(|(r, _)| *r == range("239.0.0.0/8")));
    // The zone's BSR dies: the zone is forgotten where it was learnt.
    row.nodes[0].up = false;
    row.secs(1500);
    assert_eq!(row.nodes[1].router.zones().count(), 1);
}

/// Shows: MVPN-RP-4
#[test]
fn a_router_that_starts_is_told_at_once() {
    let mut row = Row::new(3, 1500, &[]);
    row.candidate(0, Zone::Global, 10);
    row.candidate_rp(0, &["224.0.0.0/4"], RpMode::Sparse);
    row.secs(100);
    row.nodes[2].set = RpSet::new();
    let now = row.now;
    // It starts at this instant of the row's clock.
    row.nodes[2].router = {
        let mut router = BsrRouter::new(now, BsrConfig::default()).unwrap();
        let address = address(2, LEFT.0);
        router.add_interface(now, BsrInterfaceConfig { interface: LEFT, address, mtu: 1500, borders: vec![] }).unwrap();
        router
    };
    row.meet(2, true);
    row.secs(6);
    assert_eq!(row.rps("225.1.1.1"), [Some(0); 3]);
}

#[test]
fn messages_that_fail_the_checks_are_refused() {
    let mut row = Row::new(3, 1500, &[]);
    let message = |bsr: Ipv4Addr, no_forward| {
        Message::Bootstrap(Bootstrap {
            no_forward,
            fragment_tag: 1,
            hash_mask_len: 30,
            priority: 255,
            bsr: bsr.into(),
            groups: vec![],
        })
    };
    let mut send = |from: Ipv4Addr, message: Message<'_>| {
        let octets = message.to_packet(from.into(), ALL_PIM.into());
        row.input(1, Input::Datagram { interface: LEFT, from, to: ALL_PIM, octets: &octets });
        row.drain(1);
    };
    send(Ipv4Addr::new(10, 9, 9, 9), message(address(0, 0), false));
    // Router 2 is to the right, but this came from the left.
    send(address(0, RIGHT.0), message(address(2, 0), false));
    assert_eq!(row.nodes[1].rejected, [BsrReject::NotNeighbor, BsrReject::Rpf]);
    assert_eq!(row.nodes[1].router.bsr(Zone::Global), None);
    row.now = Instant::from_secs(61);
    let octets = message(address(0, 0), true).to_packet(address(0, RIGHT.0).into(), ALL_PIM.into());
    row.input(1, Input::Datagram { interface: LEFT, from: address(0, RIGHT.0), to: ALL_PIM, octets: &octets });
    assert_eq!(row.nodes[1].rejected.last(), Some(&BsrReject::NotStarting));
}
