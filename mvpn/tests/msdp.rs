//! MSDP speakers joined by perfect connections, in virtual time.

#[path = "msdp/drive.rs"]
mod drive;
#[path = "msdp/yang.rs"]
mod yang;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::time::Instant;
use mvpn::gmp::FilterLine;
use mvpn::msdp::fsm::PeerState;
use mvpn::msdp::{Input, MsdpConfig, MsdpEvent, MsdpPeerConfig, MsdpSpeaker, Output};

fn speaker_address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, n)
}

fn group(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(225, 1, 1, n)
}

fn source(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, n)
}

struct Net {
    now: Instant,
    speakers: BTreeMap<Ipv4Addr, MsdpSpeaker>,
    listening: BTreeSet<(Ipv4Addr, Ipv4Addr)>,
    up: BTreeSet<(Ipv4Addr, Ipv4Addr)>,
    stream: VecDeque<(Ipv4Addr, Ipv4Addr, Vec<u8>)>,
    /// What each speaker was told is active: source and group.
    active: BTreeMap<Ipv4Addr, BTreeSet<(Ipv4Addr, Ipv4Addr)>>,
    events: Vec<(Ipv4Addr, MsdpEvent)>,
    /// Source-Actives by the wire.
    messages: usize,
    /// RPF peer by speaker and RP.
    rpf: BTreeMap<(Ipv4Addr, Ipv4Addr), Ipv4Addr>,
    /// Connections do nothing while this holds.
    silent: bool,
    /// RPs that a speaker gave up.
    untracked: usize,
}

impl Net {
    fn new(n: u8) -> Self {
        let speakers = (1..=n).map(|n| {
            let address = speaker_address(n);
            (address, MsdpSpeaker::new(Instant::ZERO, MsdpConfig::new(address)).unwrap())
        });
        Self {
            now: Instant::ZERO,
            speakers: speakers.collect(),
            listening: BTreeSet::new(),
            up: BTreeSet::new(),
            stream: VecDeque::new(),
            active: BTreeMap::new(),
            events: Vec::new(),
            messages: 0,
            untracked: 0,
            rpf: BTreeMap::new(),
            silent: false,
        }
    }

    fn peer(&mut self, a: u8, b: u8, change: impl Fn(&mut MsdpPeerConfig)) {
        for (local, address) in [(a, b), (b, a)].map(|(x, y)| (speaker_address(x), speaker_address(y))) {
            let mut config = MsdpPeerConfig::new(address, local);
            change(&mut config);
            self.speakers.get_mut(&local).unwrap().add_peer(self.now, config).unwrap();
        }
        self.settle();
    }

    fn input(&mut self, at: Ipv4Addr, input: Input<'_>) {
        self.speakers.get_mut(&at).unwrap().handle_input(self.now, input);
    }

    fn source(&mut self, at: u8, s: u8, g: u8, active: bool) {
        let input = Input::Source { source: source(s), group: group(g), active, data: &[] };
        self.input(speaker_address(at), input);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut outputs = Vec::new();
            for (at, speaker) in &mut self.speakers {
                while let Some(output) = speaker.poll_output() {
                    outputs.push((*at, output));
                }
            }
            let messages: Vec<_> = self.stream.drain(..).collect();
            if outputs.is_empty() && messages.is_empty() {
                break;
            }
            for (from, to, octets) in messages {
                if self.up.contains(&(from, to)) && !self.silent {
                    // In pieces, as TCP may.
                    let (head, tail) = octets.split_at(octets.len() / 2);
                    self.input(to, Input::Stream { peer: from, octets: head });
                    self.input(to, Input::Stream { peer: from, octets: tail });
                }
            }
            // Who listens does so before the other connects.
            outputs.sort_by_key(|(_, output)| !matches!(output, Output::Listen { .. }));
            for (at, output) in outputs {
                self.output(at, output);
            }
        }
    }

    fn output(&mut self, at: Ipv4Addr, output: Output) {
        match output {
            Output::Listen { peer, local } => {
                assert_eq!(local, at);
                self.listening.insert((at, peer));
            }
            Output::Connect { peer, .. } => {
                if self.listening.remove(&(peer, at)) {
                    self.up.extend([(at, peer), (peer, at)]);
                    self.input(at, Input::Connected { peer });
                    self.input(peer, Input::Connected { peer: at });
                }
            }
            Output::Close { peer } => {
                self.listening.remove(&(at, peer));
                if self.up.remove(&(at, peer)) {
                    self.up.remove(&(peer, at));
                    self.input(peer, Input::Closed { peer: at });
                }
            }
            Output::Stream { peer, octets } => {
                self.messages += usize::from(octets[0] == 1);
                self.stream.push_back((at, peer, octets));
            }
            Output::Track(rp) => {
                let neighbor = self.rpf.get(&(at, rp)).copied();
                self.input(at, Input::Rpf { rp, neighbor });
            }
            Output::Untrack(_) => self.untracked += 1,
            Output::SourceActive { source, group, active, .. } => {
                let known = self.active.entry(at).or_default();
                let changed = if active { known.insert((source, group)) } else { known.remove(&(source, group)) };
                assert!(changed);
            }
            Output::Event(event) => self.events.push((at, event)),
        }
    }

    fn secs(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        loop {
            self.settle();
            let next = self.speakers.values().filter_map(MsdpSpeaker::next_timeout).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = at;
            for speaker in self.speakers.values_mut() {
                speaker.handle_timeout(at);
            }
        }
        self.now = end;
    }

    fn knows(&self, at: u8) -> usize {
        self.active.get(&speaker_address(at)).map_or(0, BTreeSet::len)
    }
}

/// Shows: MVPN-RP-4
#[test]
fn a_source_is_told_along_the_rpf_peers_and_forgotten_when_it_ceases() {
    // In a row: 1 - 2 - 3 - 4.
    let mut net = Net::new(4);
    net.peer(1, 2, |_| {});
    net.peer(2, 3, |_| {});
    net.peer(3, 4, |_| {});
    net.rpf.insert((speaker_address(3), speaker_address(1)), speaker_address(2));
    net.rpf.insert((speaker_address(4), speaker_address(1)), speaker_address(3));
    assert_eq!(net.speakers[&speaker_address(1)].state(speaker_address(2)), Some(PeerState::Established));
    net.source(1, 1, 1, true);
    assert_eq!([2, 3, 4].map(|n| net.knows(n)), [1; 3]);
    // It lasts as long as it is advertised.
    net.secs(1000);
    assert_eq!([2, 3, 4].map(|n| net.knows(n)), [1; 3]);
    net.source(1, 1, 1, false);
    net.secs(211);
    assert_eq!([2, 3, 4].map(|n| net.knows(n)), [0; 3]);
}

/// Shows: MVPN-RP-4
#[test]
fn a_source_active_from_elsewhere_is_dropped() {
    // A ring of three: 3 hears of the RP 1 from 2 as well, and takes it from 1 alone (rule (i)).
    let mut net = Net::new(3);
    net.peer(1, 2, |_| {});
    net.peer(2, 3, |_| {});
    net.peer(1, 3, |_| {});
    net.source(1, 1, 1, true);
    assert_eq!([net.knows(2), net.knows(3)], [1, 1]);
    let failed = |at: u8, peer: u8| {
        let (at, peer) = (speaker_address(at), speaker_address(peer));
        (at, MsdpEvent::RpfFailed { peer, rp: speaker_address(1) })
    };
    assert!(net.events.contains(&failed(3, 2)) && net.events.contains(&failed(2, 3)));
    // No route and no static peer: nothing is taken.
    let mut net = Net::new(3);
    net.peer(1, 2, |_| {});
    net.peer(2, 3, |_| {});
    net.source(1, 1, 1, true);
    assert_eq!([net.knows(2), net.knows(3)], [1, 0]);
    // Rule (v).
    let mut net = Net::new(3);
    net.peer(1, 2, |_| {});
    net.peer(2, 3, |c| c.static_rpf = true);
    net.source(1, 1, 1, true);
    assert_eq!([net.knows(2), net.knows(3)], [1, 1]);
}

/// Shows: MVPN-RP-4
#[test]
fn members_of_a_mesh_group_do_not_pass_on_to_each_other() {
    let mut net = Net::new(4);
    for (a, b) in [(1, 2), (1, 3), (2, 3)] {
        net.peer(a, b, |c| c.mesh_group = Some(7));
    }
    net.peer(3, 4, |c| c.static_rpf = true);
    net.messages = 0;
    net.source(1, 1, 1, true);
    assert_eq!([2, 3, 4].map(|n| net.knows(n)), [1; 3]);
    assert_eq!(net.messages, 3, "to both members, and by one of them to the outsider");
}

#[test]
fn many_sources_are_packed_and_spread_over_the_period() {
    let mut net = Net::new(2);
    net.peer(1, 2, |_| {});
    for n in 0..500_u16 {
        let [hi, lo] = n.to_be_bytes();
        let input = Input::Source { source: Ipv4Addr::new(10, 0, hi, lo), group: group(1), active: true, data: &[] };
        net.input(speaker_address(1), input);
    }
    net.settle();
    assert_eq!(net.knows(2), 500);
    net.messages = 0;
    net.secs(600);
    assert_eq!(net.knows(2), 500);
    assert!((40..=60).contains(&net.messages), "five messages a minute: {}", net.messages);
    // A session that comes up is told everything at once.
    net.speakers.get_mut(&speaker_address(2)).unwrap().remove_peer(net.now, speaker_address(1));
    net.settle();
    net.secs(200);
    assert_eq!(net.knows(2), 0);
    let config = MsdpPeerConfig::new(speaker_address(1), speaker_address(2));
    net.speakers.get_mut(&speaker_address(2)).unwrap().add_peer(net.now, config).unwrap();
    net.secs(31);
    assert_eq!(net.knows(2), 500);
}

#[test]
fn a_silent_peer_is_given_up_and_connected_again() {
    let mut net = Net::new(2);
    net.peer(1, 2, |_| {});
    net.secs(300);
    assert_eq!(net.events.len(), 2, "keepalives hold the session: {:?}", net.events);
    net.silent = true;
    net.secs(76);
    assert!(net.events.iter().any(|(_, e)| matches!(e, MsdpEvent::Down { .. })));
    net.silent = false;
    net.secs(120);
    assert_eq!(net.speakers[&speaker_address(1)].state(speaker_address(2)), Some(PeerState::Established));
}

#[test]
fn what_is_malformed_ends_the_session_and_what_is_unknown_does_not() {
    let mut net = Net::new(2);
    net.peer(1, 2, |_| {});
    let (one, two) = (speaker_address(1), speaker_address(2));
    net.input(one, Input::Stream { peer: two, octets: &[99, 0, 5, 1, 2] });
    assert_eq!(net.speakers[&one].state(two), Some(PeerState::Established));
    net.input(one, Input::Stream { peer: two, octets: &[1, 0, 9, 1, 192, 0, 2, 1, 0] });
    assert_ne!(net.speakers[&one].state(two), Some(PeerState::Established));
}

#[test]
fn filters_and_limits_hold() {
    let mut net = Net::new(2);
    let line = FilterLine { permit: false, groups: "225.1.1.2/32".parse().unwrap(), sources: None };
    net.peer(1, 2, |c| c.import = vec![line]);
    net.source(1, 1, 1, true);
    net.source(1, 1, 2, true);
    assert_eq!(net.knows(2), 1);
    // The SSM range and the link's groups are never announced.
    for group in [Ipv4Addr::new(232, 1, 1, 1), Ipv4Addr::new(224, 0, 0, 5)] {
        let input = Input::Source { source: source(1), group, active: true, data: &[] };
        net.input(speaker_address(1), input);
    }
    net.settle();
    assert_eq!(net.knows(2), 1);
    let mut config = MsdpConfig::new(speaker_address(2));
    config.limits.per_peer = 3;
    let mut net = Net::new(2);
    net.speakers.insert(speaker_address(2), MsdpSpeaker::new(net.now, config).unwrap());
    net.peer(1, 2, |_| {});
    for n in 1..=9 {
        net.source(1, n, 1, true);
    }
    assert_eq!(net.knows(2), 3);
    assert!(net.events.iter().any(|(_, e)| matches!(e, MsdpEvent::Limit { .. })));
}

/// RPs that a peer makes up push each other out, and not the one of which something is cached.
#[test]
fn rps_without_an_entry_make_room_for_others() {
    let (one, two) = (speaker_address(1), speaker_address(2));
    let mut config = MsdpConfig::new(two);
    config.limits.rps = 4;
    let mut net = Net::new(2);
    net.speakers.insert(two, MsdpSpeaker::new(net.now, config).unwrap());
    net.peer(1, 2, |c| c.static_rpf = true);
    let mut announce = |rp: u8, group: u8| {
        let octets = [1, 0, 20, 1, 198, 51, 100, rp, 0, 0, 0, 32, group, 1, 1, 1, 10, 0, 0, rp];
        net.input(two, Input::Stream { peer: one, octets: &octets });
        net.settle();
        (net.knows(2), net.untracked)
    };
    assert_eq!(announce(1, 225), (1, 0));
    // Groups of the SSM range are not cached.
    for rp in 2..=40 {
        let (cached, untracked) = announce(rp, 232);
        assert_eq!(cached, 1);
        assert_eq!(untracked, usize::from(rp - 2) / 3 * 3);
    }
    assert_eq!(announce(1, 226).0, 2);
}

/// RFC 9081 §3: what another PE of the VPN knows goes to the peers with the RP that it names, also to those whose session comes up later, for as long
/// as the route is there; the PE's own PIM and the other PEs have it from the route.
///
/// Shows: MVPN-RP-4
#[test]
fn what_other_pes_know_goes_to_the_peers() {
    let mut net = Net::new(3);
    net.peer(1, 2, |_| {});
    let (one, rp) = (speaker_address(1), Ipv4Addr::new(203, 0, 113, 9));
    // The peers' route to the RP is by the PE.
    net.rpf.insert((speaker_address(2), rp), one);
    net.rpf.insert((speaker_address(3), rp), one);
    let mesh = |rp, active| Input::Mesh { source: source(1), group: group(1), rp, active };
    net.input(one, mesh(Some(rp), true));
    net.settle();
    assert_eq!([1, 2].map(|n| net.knows(n)), [0, 1]);
    let cached = |net: &Net, n: u8| net.speakers[&speaker_address(n)].cached().next();
    assert_eq!(cached(&net, 2), Some((rp, group(1), source(1))));
    net.secs(1000);
    assert_eq!(net.knows(2), 1, "it is repeated");
    net.peer(1, 3, |_| {});
    assert_eq!(cached(&net, 3), Some((rp, group(1), source(1))));
    net.input(one, mesh(Some(rp), false));
    net.secs(211);
    assert_eq!([2, 3].map(|n| net.knows(n)), [0, 0]);
    // The route names no RP: it is this one.
    net.input(one, mesh(None, true));
    net.settle();
    assert_eq!(cached(&net, 2), Some((one, group(1), source(1))));
    // Groups that are never announced.
    let input = Input::Mesh { source: source(1), group: Ipv4Addr::new(232, 1, 1, 1), rp: None, active: true };
    net.input(one, input);
    net.settle();
    assert_eq!(net.knows(2), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// Whatever comes, what PIM was told is what is cached, and it ends.
    #[test]
    fn arbitrary_stimuli(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2000)) {
        drive::run(&data);
    }
}
