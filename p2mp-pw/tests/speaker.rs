//! LDP speakers in a line, from Hellos to label paths: UDP and TCP between them lose nothing and take no time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::{
    EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, Mac, NhlfeId, PortId, ReplicationId, VsiId,
};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, Tags};
use fwd_core::time::Instant;
use p2mp_pw::ldp::discovery::{DiscoveryConfig, HelloTarget, InterfaceAddresses};
use p2mp_pw::ldp::fec::{Attachment, FecElement, FecType, PmsiTunnel, PwEnds};
use p2mp_pw::ldp::lde::{Hop, LdeConfig, Route};
use p2mp_pw::ldp::message::MessageBody;
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::State;
use p2mp_pw::ldp::speaker::{Event, Input, LdpSpeaker, Output, SpeakerConfig};
use p2mp_pw::ldp::{Capability, LdpId, Pdu, PwStatus, TlvType};
use p2mp_pw::mldp::{GroupRange, TreeFec};
use p2mp_pw::p2mp::leaf::{self, Leaf, LeafConfig, LeafPwConfig};
use p2mp_pw::p2mp::root::{self, Root, RootConfig, RootPwConfig, TunnelRef};
use p2mp_pw::p2mp::{Circuit, LeafState, PortRange, PwId, Sai, Service, SpaceRange};
use p2mp_pw::pw::{self, PwAttachment, PwConfig, PwName, Pws, PwsConfig};

fn id(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n].into())
}

fn loopback(n: u8, v6: bool) -> IpAddr {
    if v6 { Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()).into() } else { [192, 0, 2, n].into() }
}

fn link_local(n: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n.into())
}

/// The address of `n` on the link with `other`.
fn on_link(n: u8, other: u8) -> [u8; 4] {
    [10, n.min(other), n.max(other), n]
}

fn host(address: IpAddr) -> IpPrefix {
    match address {
        IpAddr::V4(a) => IpPrefix::V4(Ipv4Prefix::host(a)),
        IpAddr::V6(a) => IpPrefix::V6(Ipv6Prefix::host(a)),
    }
}

struct Node {
    speaker: LdpSpeaker,
    pws: Pws,
    /// P2MP pseudowires, of which the first of the line is root and the others are leaves.
    root: Root,
    leaf: Leaf,
    ilm: BTreeMap<Label, Ilm>,
    nhlfe: BTreeMap<NhlfeId, Nhlfe>,
    lsps: BTreeMap<IpPrefix, NhlfeId>,
    events: Vec<Event>,
}

/// Speakers 1 to n in a line; interface n of a speaker leads to speaker n.
struct Line {
    now: Instant,
    nodes: BTreeMap<u8, Node>,
    cut: BTreeSet<(u8, u8)>,
    connections: BTreeSet<(u8, u8)>,
    streams: VecDeque<(u8, u8, Vec<u8>)>,
    v6: bool,
    /// FEC elements in the messages between two speakers, from octets on the wire.
    elements: BTreeMap<(u8, u8), BTreeSet<FecType>>,
}

impl Line {
    fn new(count: u8, v6: bool) -> Self {
        let now = Instant::from_secs(1);
        let node = |n: u8| {
            let mut discovery = DiscoveryConfig::new(id(n));
            match loopback(n, v6) {
                IpAddr::V4(a) => discovery.transport_v4 = Some(a),
                IpAddr::V6(a) => discovery.transport_v6 = Some(a),
            }
            let label = |value| Label::new(value).unwrap();
            let labels = LabelRange { first: label(16), last: label(999) };
            let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(999) };
            let groups = EcmpRange { first: EcmpId(1), last: EcmpId(9) };
            let lde = LdeConfig::new([192, 0, 2, n].into(), labels, nhlfes, groups);
            let mut config = SpeakerConfig::new(discovery, lde);
            let capability = Capability { advertised: true, data: [0_u8].as_slice().into() };
            config.capabilities.push((TlvType::P2MP_PW_CAPABILITY, capability));
            let mut speaker = LdpSpeaker::new(now, config).unwrap();
            for other in [n.wrapping_sub(1), n + 1].into_iter().filter(|other| (1..=count).contains(other)) {
                let v4 = (!v6).then(|| on_link(n, other).into());
                let addresses = InterfaceAddresses { v4, v6: v6.then(|| link_local(n)) };
                speaker.set_interface(now, IfIndex(other.into()), Some(addresses));
                speaker.handle_input(now, Input::LocalAddress { address: on_link(n, other).into(), up: true });
            }
            let labels = LabelRange { first: label(5000), last: label(5009) };
            let nhlfes = NhlfeRange { first: NhlfeId(5000), last: NhlfeId(5009) };
            let pws = Pws::new(now, PwsConfig::new([192, 0, 2, n].into(), labels, nhlfes)).unwrap();
            let labels = LabelRange { first: label(6000), last: label(6009) };
            let (ports, groups) = (
                PortRange { first: PortId(100), last: PortId(199) },
                GroupRange { first: ReplicationId(1), last: ReplicationId(99) },
            );
            let nhlfes = NhlfeRange { first: NhlfeId(6000), last: NhlfeId(6099) };
            let spaces = SpaceRange { first: LabelSpaceId(1), last: LabelSpaceId(9) };
            let root = Root::new(now, RootConfig::new(labels, nhlfes, ports, groups)).unwrap();
            let leaf = Leaf::new(now, LeafConfig::new(nhlfes, ports, groups, spaces)).unwrap();
            Node {
                speaker,
                pws,
                root,
                leaf,
                ilm: BTreeMap::new(),
                nhlfe: BTreeMap::new(),
                lsps: BTreeMap::new(),
                events: Vec::new(),
            }
        };
        let nodes = (1..=count).map(|n| (n, node(n))).collect();
        let (cut, connections) = (BTreeSet::new(), BTreeSet::new());
        let elements = BTreeMap::new();
        let mut line = Self { now, nodes, cut, connections, streams: VecDeque::new(), v6, elements };
        for at in 1..=count {
            for to in 1..=count {
                line.route(at, to, true);
            }
        }
        line.settle(40);
        line
    }

    /// The route to a speaker's loopback.
    fn route(&mut self, at: u8, to: u8, there: bool) {
        let next = if to > at { at + 1 } else { at.wrapping_sub(1) };
        let gateway: IpAddr = if self.v6 { link_local(next).into() } else { on_link(next, at).into() };
        let mac = Mac([2, 0, 0, 0, 0, next]);
        let iface = IfIndex(next.into());
        let hops = [Hop { gateway, iface, next: NextHop::Neighbor { iface, mac } }];
        let route = if to == at { Route::Egress } else { Route::Via(&hops) };
        let input = Input::Route { prefix: host(loopback(to, self.v6)), route: there.then_some(route) };
        self.nodes.get_mut(&at).unwrap().speaker.handle_input(self.now, input);
    }

    /// Lets everything happen that happens in so many seconds.
    fn settle(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            self.run();
            let due = self.nodes.values().filter_map(|node| {
                let p2mp = node.root.next_timeout().into_iter().chain(node.leaf.next_timeout());
                node.speaker.next_timeout().into_iter().chain(node.pws.next_timeout()).chain(p2mp).min()
            });
            let Some(next) = due.min().filter(|at| *at <= end) else { break };
            self.now = next.max(self.now);
            let now = self.now;
            for node in self.nodes.values_mut() {
                node.speaker.handle_timeout(now);
                node.pws.handle_timeout(now);
                node.root.handle_timeout(now);
                node.leaf.handle_timeout(now);
            }
        }
        self.now = end;
    }

    fn is_cut(&self, a: u8, b: u8) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn run(&mut self) {
        for _ in 0..100_000 {
            let ids: Vec<u8> = self.nodes.keys().copied().collect();
            let mut moved = false;
            for n in ids {
                while let Some(output) = self.nodes.get_mut(&n).unwrap().speaker.poll_output() {
                    moved = true;
                    self.output(n, output);
                }
                while let Some(output) = self.nodes.get_mut(&n).unwrap().pws.poll_output() {
                    moved = true;
                    if let pw::Output::Message { peer, message } = output {
                        let input = Input::Send { peer, message };
                        self.nodes.get_mut(&n).unwrap().speaker.handle_input(self.now, input);
                    }
                }
            }
            moved |= self.p2mp();
            if let Some((from, to, octets)) = self.streams.pop_front() {
                moved = true;
                self.note(from, to, &octets);
                let input = Input::Stream { peer: id(from), octets: &octets };
                self.nodes.get_mut(&to).unwrap().speaker.handle_input(self.now, input);
            }
            if !moved {
                return;
            }
        }
        panic!("no rest");
    }

    /// What the ends of P2MP pseudowires say; a tunnel that a leaf joins is there at once.
    fn p2mp(&mut self) -> bool {
        let (now, mut moved) = (self.now, false);
        for node in self.nodes.values_mut() {
            while let Some(output) = node.root.poll_output() {
                moved = true;
                if let root::Output::Message { peer, message } = output {
                    node.speaker.handle_input(now, Input::Send { peer, message });
                }
            }
            while let Some(output) = node.leaf.poll_output() {
                moved = true;
                match output {
                    leaf::Output::Message { peer, message } => {
                        node.speaker.handle_input(now, Input::Send { peer, message });
                    }
                    leaf::Output::Join { tunnel, .. } => {
                        node.leaf.handle_input(now, leaf::Input::Tunnel { tunnel: &tunnel, up: true });
                    }
                    _ => {}
                }
            }
        }
        moved
    }

    fn note(&mut self, from: u8, to: u8, octets: &[u8]) {
        for raw in Pdu::parse(octets).unwrap().messages() {
            let fec = match raw.unwrap().parse().unwrap().body {
                MessageBody::LabelMapping(m) => m.fec,
                MessageBody::LabelWithdraw(m) | MessageBody::LabelRelease(m) => m.fec,
                MessageBody::Notification(m) if m.fec().is_some() => m.fec().unwrap().clone(),
                _ => continue,
            };
            let elements = self.elements.entry((from, to)).or_default();
            elements.extend(fec.0.iter().map(FecElement::fec_type));
        }
    }

    fn output(&mut self, n: u8, output: Output) {
        let now = self.now;
        match output {
            Output::Datagram { to, from, ttl, octets } => {
                let (to, group) = match to {
                    HelloTarget::Link { iface, .. } => (u8::try_from(iface.0).unwrap(), true),
                    HelloTarget::Targeted(address) => {
                        let last = |n: &u8| loopback(*n, self.v6) == address;
                        (self.nodes.keys().copied().find(last).unwrap(), false)
                    }
                };
                if self.is_cut(n, to) && group {
                    return;
                }
                let iface = if group { IfIndex(n.into()) } else { IfIndex(99) };
                let input = Input::Datagram { from, iface, to_all_routers: group, ttl, octets: &octets };
                self.nodes.get_mut(&to).unwrap().speaker.handle_input(now, input);
            }
            Output::Connect { peer, local, remote, .. } => {
                let to = peer.lsr.octets()[3];
                assert_eq!((local, remote), (loopback(n, self.v6), loopback(to, self.v6)));
                let admitted = self.nodes[&to].speaker.admits(local);
                if admitted != Some(id(n)) {
                    let input = Input::Closed { peer };
                    return self.nodes.get_mut(&n).unwrap().speaker.handle_input(now, input);
                }
                self.connections.insert((n.min(to), n.max(to)));
                for (at, peer) in [(to, id(n)), (n, peer)] {
                    self.nodes.get_mut(&at).unwrap().speaker.handle_input(now, Input::Connected { peer });
                }
            }
            Output::Stream { peer, octets } => self.streams.push_back((n, peer.lsr.octets()[3], octets)),
            Output::Close { peer } => {
                // What was sent before arrives first.
                let to = peer.lsr.octets()[3];
                while let Some(at) = self.streams.iter().position(|(from, at, _)| (*from, *at) == (n, to)) {
                    let (from, _, octets) = self.streams.remove(at).unwrap();
                    let input = Input::Stream { peer: id(from), octets: &octets };
                    self.nodes.get_mut(&to).unwrap().speaker.handle_input(now, input);
                }
                self.streams.retain(|(from, at, _)| (*from, *at) != (to, n));
                if self.connections.remove(&(n.min(to), n.max(to))) {
                    let node = self.nodes.get_mut(&to).unwrap();
                    node.speaker.handle_input(now, Input::Closed { peer: id(n) });
                }
            }
            other => self.local_output(n, other),
        }
    }

    fn local_output(&mut self, n: u8, output: Output) {
        let (now, v6) = (self.now, self.v6);
        let node = self.nodes.get_mut(&n).unwrap();
        match output {
            Output::Program(FwdOp::SetIlm { label, ilm }) => drop(node.ilm.insert(label, ilm)),
            Output::Program(FwdOp::ClearIlm { label }) => drop(node.ilm.remove(&label)),
            Output::Program(FwdOp::SetNhlfe { id, nhlfe }) => drop(node.nhlfe.insert(id, nhlfe)),
            Output::Program(FwdOp::ClearNhlfe { id }) => drop(node.nhlfe.remove(&id)),
            Output::Lsp { prefix, nhlfe } => {
                match nhlfe {
                    Some(id) => node.lsps.insert(prefix, id),
                    None => node.lsps.remove(&prefix),
                };
                if let Some(peer) = (1..9).find(|n| host(loopback(*n, v6)) == prefix) {
                    node.pws.handle_input(now, pw::Input::Transport { peer: id(peer), nhlfe });
                }
            }
            Output::PeerUp { peer, negotiated } => {
                node.pws.handle_input(now, pw::Input::PeerUp { peer, negotiated: &negotiated });
                node.root.handle_input(now, root::Input::PeerUp { peer, negotiated: &negotiated });
                node.leaf.handle_input(now, leaf::Input::PeerUp { peer, negotiated: &negotiated });
            }
            Output::PeerDown { peer, retain } => {
                node.pws.handle_input(now, pw::Input::PeerDown { peer, retain });
                node.root.handle_input(now, root::Input::PeerDown { peer });
                node.leaf.handle_input(now, leaf::Input::PeerDown { peer });
            }
            Output::Message { peer, message } => {
                node.pws.handle_input(now, pw::Input::Message { peer, message: &message });
                node.root.handle_input(now, root::Input::Message { peer, message: &message });
                node.leaf.handle_input(now, leaf::Input::Message { peer, message: &message });
            }
            Output::Event(event) => node.events.push(event),
            other => panic!("{other:?}"),
        }
    }

    /// Follows labels from one speaker to another's loopback; the labels on the way.
    fn path(&self, from: u8, to: u8) -> Option<Vec<Option<Label>>> {
        let mut at = from;
        let mut entry = *self.nodes[&from].lsps.get(&host(loopback(to, self.v6)))?;
        let mut labels = Vec::new();
        loop {
            let nhlfe = self.nodes[&at].nhlfe[&entry];
            let label = nhlfe.push.as_slice().first().copied();
            labels.push(label);
            let NextHop::Neighbor { mac, .. } = nhlfe.next else { panic!("{nhlfe:?}") };
            at = mac.0[5];
            let Some(label) = label else {
                assert_eq!(at, to);
                return Some(labels);
            };
            let IlmAction::Forward(next) = self.nodes[&at].ilm[&label].action else { panic!() };
            entry = next;
        }
    }
}

#[test]
fn hellos_become_sessions_and_sessions_label_paths() {
    for v6 in [false, true] {
        let line = Line::new(4, v6);
        for n in 1..4 {
            assert_eq!(line.nodes[&n].speaker.session_state(id(n + 1)), Some(State::Operational));
        }
        // Three hops: two labels, and the hop before the last pops.
        let labels = line.path(1, 4).unwrap();
        assert_eq!((labels.len(), labels[2]), (3, None), "{labels:?}");
        assert!(labels[0].is_some() && labels[1].is_some());
        assert_eq!(line.path(2, 3).unwrap(), [None]);
        assert_eq!(line.path(4, 1).unwrap().len(), 3);
    }
}

#[test]
fn a_silent_neighbour_is_given_up_and_comes_back() {
    let mut line = Line::new(3, false);
    line.cut.insert((2, 3));
    // The link is silent for the Hello hold time: the session ends, and the label behind it is withdrawn.
    line.settle(20);
    assert_eq!(line.nodes[&2].speaker.session_state(id(3)), None);
    assert_eq!(line.path(1, 3), None);
    assert!(line.path(1, 2).is_some());
    let down = |e: &Event| matches!(e, Event::Down { down, .. } if down.operational);
    assert!(line.nodes[&2].events.iter().any(down));
    line.cut.clear();
    line.settle(40);
    assert_eq!(line.path(1, 3).unwrap().len(), 2);
}

/// Targeted Hellos, a session from afar, and a pseudowire over it between machines that the speaker knows nothing of.
/// Shows: L2VPN-5.1-35
#[test]
fn a_pseudowire_between_the_ends_of_the_line() {
    let mut line = Line::new(4, false);
    let now = line.now;
    let mut pws = Vec::new();
    for (n, peer) in [(1, 4), (4, 1)] {
        let node = line.nodes.get_mut(&n).unwrap();
        node.speaker.set_target(now, loopback(peer, false), true).unwrap();
        let config = PwConfig::new(id(peer), PwName::Id(100), PwAttachment::Port(PortId(1)));
        pws.push((n, node.pws.add(now, config).unwrap()));
    }
    line.settle(40);
    assert_eq!(line.nodes[&1].speaker.session_state(id(4)), Some(State::Operational));
    assert!(pws.iter().all(|(n, pw)| line.nodes[n].pws.is_up(*pw)));
    // The tunnel breaks in the middle: the pseudowire goes with it, though its session lives for a while.
    line.cut.insert((2, 3));
    line.settle(20);
    assert!(pws.iter().all(|(n, pw)| !line.nodes[n].pws.is_up(*pw)));
    line.cut.clear();
    line.settle(40);
    assert!(pws.iter().all(|(n, pw)| line.nodes[n].pws.is_up(*pw)));
}

fn sai(circuit: u32) -> Sai {
    let saii = Attachment::aggregatable(64500, [192, 0, 2, 1].into(), circuit);
    Sai { agi: Attachment::group([0, 0, 0xfb, 0xf4, 0, 0, 0, 9]), saii }
}

fn circuit() -> Vec<Circuit> {
    vec![Circuit { iface: IfIndex(50), tags: Tags::Any }]
}

/// One P2MP pseudowire from the first of the line to the last, as long as it is wanted.
fn p2mp(line: &mut Line, number: u32) -> PwId {
    let now = line.now;
    let tunnel = PmsiTunnel::MldpP2mp(TreeFec::p2mp([192, 0, 2, 1].into(), number).down());
    let root = &mut line.nodes.get_mut(&1).unwrap().root;
    let mut config = RootPwConfig::new(sai(number), Service::ethernet(1500), VsiId(number as u16), circuit());
    config.return_path = true;
    let pw = root.add_pw(now, config).unwrap();
    root.handle_input(now, root::Input::LegUp { tunnel: TunnelRef(number.into()), leg: 1, nhlfe: NhlfeId(1) });
    root.set_tunnel(now, pw, Some((TunnelRef(number.into()), tunnel))).unwrap();
    root.add_leaf(now, pw, id(4)).unwrap();
    pw
}

/// Pseudowires of FEC 128 and 129 and P2MP pseudowires with ways back on one session: those between two ends stay up, and hear nothing,
/// while P2MP pseudowires come and go, change their state, and are refused.
///
/// Shows: P2MP-BC-1
#[test]
fn one_session_carries_pseudowires_of_every_kind() {
    let mut line = Line::new(4, false);
    let now = line.now;
    let mut pws = Vec::new();
    for (n, peer) in [(1, 4), (4, 1)] {
        let node = line.nodes.get_mut(&n).unwrap();
        node.speaker.set_target(now, loopback(peer, false), true).unwrap();
        let of = |n: u8| Attachment::individual(n.into());
        let ends = PwEnds { agi: Attachment::NULL, saii: of(n), taii: of(peer) };
        for (port, name) in [(1, PwName::Id(100)), (2, PwName::Ends(ends))] {
            let config = PwConfig::new(id(peer), name, PwAttachment::Port(PortId(port)));
            pws.push((n, node.pws.add(now, config).unwrap()));
        }
    }
    line.settle(40);
    assert!(pws.iter().all(|(n, pw)| line.nodes[n].pws.is_up(*pw)));
    let ended = |line: &Line| {
        let events = line.nodes.values().flat_map(|n| &n.events);
        events.filter(|e| matches!(e, Event::Down { down, .. } if down.operational)).count()
    };
    let entries = |line: &Line| [1, 4].map(|n| (line.nodes[&n].ilm.clone(), line.nodes[&n].nhlfe.clone()));
    let tables = entries(&line);
    for round in 0..30_u32 {
        let number = round % 5 + 1;
        let pw = p2mp(&mut line, number);
        let (now, service) = (line.now, Service::ethernet(if round % 3 == 0 { 9000 } else { 1500 }));
        let leaf = &mut line.nodes.get_mut(&4).unwrap().leaf;
        let at_leaf = leaf.add_pw(now, LeafPwConfig::new(sai(number), service, VsiId(9), circuit())).unwrap();
        line.settle(1);
        let leaves = line.nodes[&1].root.pw(pw).unwrap().leaves;
        let refused = LeafState::Fault(PwStatus::NOT_FORWARDING);
        assert_eq!(leaves, [(id(4), if round % 3 == 0 { refused } else { LeafState::Confirmed })]);
        line.nodes.get_mut(&1).unwrap().root.set_ac_status(pw, PwStatus::AC_RECEIVE_FAULT);
        line.nodes.get_mut(&4).unwrap().leaf.set_ac_status(at_leaf, PwStatus::AC_TRANSMIT_FAULT);
        line.settle(1);
        let now = line.now;
        line.nodes.get_mut(&1).unwrap().root.remove_pw(now, pw);
        line.settle(1);
        let now = line.now;
        line.nodes.get_mut(&4).unwrap().leaf.remove_pw(now, at_leaf);
        line.settle(1);
        assert!(pws.iter().all(|(n, pw)| line.nodes[n].pws.is_up(*pw)), "round {round}");
    }
    assert_eq!(entries(&line), tables);
    assert_eq!(line.nodes[&1].speaker.session_state(id(4)), Some(State::Operational));
    assert_eq!(ended(&line), 0);
    let (down, up) = (&line.elements[&(1, 4)], &line.elements[&(4, 1)]);
    for kind in [FecType::PW_ID, FecType::GENERALIZED_PW_ID, FecType::P2MP_PW_UPSTREAM, FecType::P2P_PW_DOWNSTREAM] {
        assert!(down.contains(&kind) && up.contains(&kind), "{kind:?}: {down:?}, {up:?}");
    }
}
