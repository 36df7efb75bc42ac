//! Arbitrary stimuli against one mLDP router, with invariants; a fuzz target and a property test share it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::*;
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{
    Fec, FecElement, MultipointFec, MultipointKind, OpaqueElement, OpaqueValue, RouteDistinguisher,
};
use p2mp_pw::ldp::message::{LabelMapping, LabelTlv, LabelWithdraw, Message, MessageBody, Notification};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, MbbStatus, MpStatus, Pdu, Tlv, TlvValue};
use p2mp_pw::mldp::{Candidate, Deliver, Event, GroupRange, Input, Mldp, MldpConfig, Output, Route, TreeFec, TreeId};

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Up(u8),
    Down(u8, Option<u16>),
    Reach(u8, Option<u8>, u16),
    Route(u8, Vec<u8>, u8),
    Via(u8, u8),
    VpnRoute(u8, u8, Option<u8>),
    Mapping { peer: u8, tree: u8, kind: MultipointKind, label: u16, mbb: bool },
    Withdraw { peer: u8, tree: u8, kind: MultipointKind, label: Option<u16> },
    Release { peer: u8, tree: u8, kind: MultipointKind, label: Option<u16> },
    Ack { peer: u8, tree: u8, label: u16 },
    Any(u8, Message),
    Join(u8, u8),
    Leave(u8),
    Open(u8),
    Close(u8),
    RefuseLast,
    Wait(u16),
    LabelSpace(u8, Option<u8>),
}

fn peer(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, 10 + n % 4].into())
}

fn root(n: u8) -> std::net::IpAddr {
    [192, 0, 2, n % 4].into()
}

fn fec(tree: u8, kind: MultipointKind) -> MultipointFec {
    let inner = OpaqueElement::GenericLspId((tree / 4 % 3).into());
    let opaque = OpaqueValue::single(&inner);
    let plain = MultipointFec { kind, root: root(tree), opaque };
    // Some are recursive, rooted at this router or elsewhere.
    match tree {
        200.. => TreeFec::of(&plain).0.recursive(root(tree / 16)).down(),
        150.. => TreeFec::of(&plain).0.vpn_recursive(root(tree / 16), rd(tree)).down(),
        _ => plain,
    }
}

fn rd(n: u8) -> RouteDistinguisher {
    [0, 0, 0, 1, 0, 0, 0, n % 2]
}

fn label(n: u16) -> Label {
    Label::from_low_bits(n.into())
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: label(16 + 40) };
    let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(30) };
    let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(20) };
    let mut config = MldpConfig::new(vec![root(0)], labels, nhlfes, groups);
    config.max_branches_of_tree = 3;
    config.max_branches_of_peer = 6;
    config.max_trees = 12;
    config.outside = [peer(2), peer(3)].into();
    config.agreed = [peer(2)].into();
    let negotiated = Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: config.capabilities(),
        graceful_restart: None,
    };
    let now = Instant::from_secs(1);
    let mut world = World { mldp: Mldp::new(now, config).unwrap(), now, ..World::new(negotiated, now) };
    while let Ok(stimulus) = Stimulus::arbitrary(&mut u) {
        world.apply(stimulus);
        world.drain();
        if u.is_empty() {
            break;
        }
    }
    world.end();
}

struct World {
    mldp: Mldp,
    now: Instant,
    negotiated: Negotiated,
    up: BTreeSet<LdpId>,
    ids: Vec<TreeId>,
    last: Option<FwdOp>,
    nhlfes: BTreeSet<NhlfeId>,
    groups: BTreeMap<ReplicationId, BTreeSet<u16>>,
    /// Labels that mean something, each in one space.
    ilms: BTreeMap<Label, Option<LabelSpaceId>>,
    legs: BTreeSet<(TreeId, u16)>,
    /// Labels that peers hold.
    held: BTreeSet<(LdpId, Label)>,
}

impl World {
    fn new(negotiated: Negotiated, now: Instant) -> Self {
        let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::FIRST_UNRESERVED };
        let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(0) };
        let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(0) };
        let mldp = Mldp::new(now, MldpConfig::new(vec![], labels, nhlfes, groups)).unwrap();
        let (up, ids, last, legs) = (BTreeSet::new(), Vec::new(), None, BTreeSet::new());
        let (nhlfes, groups, ilms, held) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { mldp, now, negotiated, up, ids, last, nhlfes, groups, ilms, legs, held }
    }

    fn say(&mut self, from: u8, body: MessageBody) {
        let message: Message = body.into();
        self.mldp.handle_input(self.now, Input::Message { peer: peer(from), message: &message });
    }

    fn apply(&mut self, stimulus: Stimulus) {
        let now = self.now;
        let single = |tree, kind| Fec::single(FecElement::Multipoint(Box::new(fec(tree, kind))));
        let named = |label_of: Option<u16>| -> Vec<Tlv> {
            label_of.map(|l| Tlv::new(TlvValue::GenericLabel(label(l % 64)))).into_iter().collect()
        };
        match stimulus {
            Stimulus::Up(n) if self.up.insert(peer(n)) => {
                self.mldp.handle_input(now, Input::PeerUp { peer: peer(n), negotiated: &self.negotiated });
            }
            Stimulus::Down(n, retain) if self.up.remove(&peer(n)) => {
                let retain = retain.map(|ms| Duration::from_millis(ms.into()));
                self.held.retain(|(p, _)| *p != peer(n));
                self.mldp.handle_input(now, Input::PeerDown { peer: peer(n), retain });
            }
            Stimulus::Up(_) | Stimulus::Down(..) => {}
            Stimulus::Reach(n, iface, mtu) => {
                let next = iface.map(|i| NextHop::Neighbor { iface: IfIndex(i.into()), mac: Mac::default() });
                self.mldp.handle_input(now, Input::Reach { peer: peer(n), next, mtu });
            }
            Stimulus::Route(r, peers, metric) => {
                let candidate = |n: &u8| Candidate { address: [10, 0, 0, *n].into(), peer: peer(*n) };
                let candidates: Vec<Candidate> = peers.iter().take(5).map(candidate).collect();
                let route = (!candidates.is_empty()).then_some(Route::Paths { candidates, metric: metric.into() });
                self.mldp.handle_input(now, Input::Route { root: root(r), route });
            }
            Stimulus::Via(r, via) => {
                self.mldp.handle_input(now, Input::Route { root: root(r), route: Some(Route::Via(root(via))) });
            }
            Stimulus::VpnRoute(r, n, next) => {
                let (rd, next_hop) = (rd(n), next.map(root));
                self.mldp.handle_input(now, Input::VpnRoute { root: root(r), rd, next_hop });
            }
            Stimulus::Mapping { peer, tree, kind, label: l, mbb } => {
                let request = Tlv::new(TlvValue::MpStatus([MpStatus::Mbb(MbbStatus::REQUEST)].into_iter().collect()));
                let optional = mbb.then_some(request).into_iter().collect();
                let mapping = LabelMapping { fec: single(tree, kind), label: LabelTlv::Generic(label(l)), optional };
                self.say(peer, MessageBody::LabelMapping(mapping));
            }
            Stimulus::Withdraw { peer, tree, kind, label } => {
                let withdraw = LabelWithdraw { fec: single(tree, kind), optional: named(label) };
                self.say(peer, MessageBody::LabelWithdraw(withdraw));
            }
            Stimulus::Release { peer: n, tree, kind, label } => {
                let release = LabelWithdraw { fec: single(tree, kind), optional: named(label) };
                self.say(n, MessageBody::LabelRelease(release));
                self.held.retain(|(p, _)| *p != peer(n)); // which ones it gave back is the machine's to know
            }
            Stimulus::Ack { peer, tree, label: l } => {
                let element = FecElement::Multipoint(Box::new(fec(tree, MultipointKind::P2mp)));
                let mut ack = Notification::mp_status(element, MpStatus::Mbb(MbbStatus::ACK));
                ack.optional.extend(named((l > 0).then_some(l)));
                self.say(peer, MessageBody::Notification(ack));
            }
            Stimulus::Any(peer, message) => self.say(peer, message.body),
            Stimulus::Join(tree, tunnel) => {
                let (fec, _) =
                    TreeFec::of(&fec(tree, [MultipointKind::P2mp, MultipointKind::Mp2mpDown][usize::from(tree % 2)]));
                self.ids.extend(self.mldp.join(now, fec, Deliver::Multicast(TunnelId(tunnel.into()))));
            }
            Stimulus::Open(tree) => {
                let kinds = [MultipointKind::P2mp, MultipointKind::Mp2mpDown];
                let (fec, _) = TreeFec::of(&fec(tree, kinds[usize::from(tree % 2)]));
                self.ids.extend(self.mldp.open(now, fec));
            }
            Stimulus::Leave(n) => {
                if let Some(id) = self.ids.get(usize::from(n) % self.ids.len().max(1)).copied() {
                    self.mldp.leave(now, id);
                }
            }
            Stimulus::Close(n) => {
                if let Some(id) = self.ids.get(usize::from(n) % self.ids.len().max(1)).copied() {
                    self.mldp.close(now, id);
                }
            }
            Stimulus::RefuseLast => {
                if let Some(op) = self.last.take() {
                    self.undo(&op);
                    self.mldp.handle_input(now, Input::Refused(op));
                }
            }
            Stimulus::LabelSpace(n, space) => {
                let space = space.map(|s| LabelSpaceId((s % 3).into()));
                self.mldp.handle_input(now, Input::LabelSpace { peer: peer(n), space });
            }
            Stimulus::Wait(ms) => {
                self.now = now + Duration::from_millis(u64::from(ms) * 10);
                self.mldp.handle_timeout(self.now);
                assert!(self.mldp.next_timeout().is_none_or(|at| at > self.now), "a timer is left behind");
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.mldp.poll_output() {
            match output {
                Output::Program(op) => {
                    self.apply_op(&op);
                    self.last = Some(op);
                }
                Output::Message { peer, message } => {
                    assert!(self.up.contains(&peer), "a message without a session");
                    if let MessageBody::LabelMapping(m) = &message.body {
                        self.held.insert((peer, m.label.label()));
                    }
                }
                Output::Event(Event::LegUp { tree, leg, nhlfe, .. }) => {
                    assert!(self.legs.insert((tree, leg)), "a leg is told twice");
                    assert!(self.nhlfes.contains(&nhlfe) || self.last.is_none(), "a leg without its entry");
                }
                Output::Event(Event::LegDown { tree, leg }) => assert!(self.legs.remove(&(tree, leg))),
                Output::Event(_) => {}
            }
        }
    }

    fn apply_op(&mut self, op: &FwdOp) {
        match *op {
            FwdOp::SetNhlfe { id, .. } => drop(self.nhlfes.insert(id)),
            FwdOp::ClearNhlfe { id } => drop(self.nhlfes.remove(&id)),
            FwdOp::SetReplication { id, .. } => drop(self.groups.entry(id).or_default()),
            FwdOp::ClearReplication { id } => drop(self.groups.remove(&id)),
            FwdOp::SetLeg { group, leg, .. } => drop(self.groups.entry(group).or_default().insert(leg)),
            FwdOp::ClearLeg { group, leg } => {
                self.groups.get_mut(&group).map(|legs| legs.remove(&leg));
            }
            FwdOp::SetIlm { label, .. } => self.bind(label, None),
            FwdOp::SetContextIlm { space, label, .. } => self.bind(label, Some(space)),
            FwdOp::ClearIlm { label } => self.unbind(label, None),
            FwdOp::ClearContextIlm { space, label } => self.unbind(label, Some(space)),
            _ => panic!("{op:?}"),
        }
    }

    fn bind(&mut self, label: Label, space: Option<LabelSpaceId>) {
        let other = self.ilms.insert(label, space).filter(|other| *other != space);
        assert_eq!(other, None, "a label in two spaces");
    }

    fn unbind(&mut self, label: Label, space: Option<LabelSpaceId>) {
        if self.ilms.get(&label) == Some(&space) {
            self.ilms.remove(&label);
        }
    }

    fn undo(&mut self, op: &FwdOp) {
        if let FwdOp::SetIlm { label, .. } | FwdOp::SetContextIlm { label, .. } = *op {
            self.ilms.remove(&label);
        }
    }

    /// Everybody leaves and all sessions end: nothing is left.
    fn end(&mut self) {
        for id in self.ids.clone() {
            self.mldp.leave(self.now, id);
            self.mldp.close(self.now, id);
        }
        for n in 0..4 {
            self.apply(Stimulus::Up(n));
            self.apply(Stimulus::Down(n, None));
            self.apply(Stimulus::Reach(n, None, 0));
            self.apply(Stimulus::LabelSpace(n, None));
            self.apply(Stimulus::Route(n, Vec::new(), 0));
        }
        self.drain();
        assert_eq!(self.mldp.trees().count(), 0, "trees are left");
        let (labels, nhlfes, groups) = self.mldp.used();
        assert_eq!((labels, nhlfes, groups), (0, 0, 0), "numbers are left");
        assert!(self.groups.is_empty() && self.ilms.is_empty() && self.legs.is_empty(), "entries are left");
    }
}
