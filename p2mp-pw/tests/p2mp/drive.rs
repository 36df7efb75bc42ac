//! Arbitrary stimuli against a router that is root and leaf of P2MP pseudowires at once, with two peers and invariants; a fuzz target and a
//! property test share it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::{IfIndex, Label, LabelSpaceId, NhlfeId, PortId, ReplicationId, VsiId};
use fwd_core::op::{FwdOp, NextHop, Tags};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{Attachment, Fec, FecElement, InterfaceParameter, P2mpPw, PmsiTunnel, PwType};
use p2mp_pw::ldp::message::{LabelMapping, LabelRequest, LabelTlv, LabelWithdraw, Message, MessageBody, Notification};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{Capability, LdpId, PwStatus, Tlv, TlvType, TlvValue};
use p2mp_pw::mldp::{GroupRange, TreeFec};
use p2mp_pw::p2mp::leaf::{self, Leaf, LeafConfig, LeafPwConfig};
use p2mp_pw::p2mp::root::{self, FaultPolicy, Protects, Root, RootConfig, RootPwConfig, TunnelRef};
use p2mp_pw::p2mp::{Circuit, PortRange, PwId, PwState, Sai, Service, SpaceRange};
use p2mp_pw::redundancy::{Criterion, RedundancyConfig};

use super::p2mp_tables::Tables;

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Peer { peer: bool, up: bool, capable: bool },
    Capable { peer: bool, capable: bool },
    Leg { tunnel: u8, leg: u8, up: bool },
    RootAdd(u8),
    RootRemove(u8),
    AddLeaf { pw: u8, peer: bool },
    RemoveLeaf { pw: u8, peer: bool },
    Tunnel { pw: u8, tunnel: Option<u8> },
    SourceStatus { pw: u8, status: u8 },
    RootOam { pw: u8, peer: bool, up: bool },
    RootSwitch(Option<bool>),
    Release { peer: bool, pw: u8, label: Option<u8>, back: bool },
    Request { peer: bool, pw: u8 },
    LeafStatus { peer: bool, pw: u8, status: u8 },
    LeafAdd(u8),
    LeafRemove(u8),
    Joined { tunnel: u8, up: bool },
    Reach { peer: bool, up: bool },
    Mapping { peer: bool, pw: u8, tunnel: u8, label: u8, mtu: bool, c: bool },
    Back { peer: bool, pw: u8, label: u8 },
    Withdraw { peer: bool, pw: u8, label: Option<u8>, back: bool },
    RootStatus { peer: bool, pw: u8, status: u8 },
    Circuit { pw: u8, status: u8 },
    LeafOam { pw: u8, up: bool },
    LeafSwitch(Option<bool>),
    Any { peer: bool, message: Message },
    RefuseLast { leaf: bool },
    Wait(u16),
}

fn peer(second: bool) -> LdpId {
    LdpId::platform([192, 0, 2, if second { 3 } else { 2 }].into())
}

fn sai(n: u8) -> Sai {
    let saii = Attachment::aggregatable(64500, [192, 0, 2, 9].into(), (n % 6).into());
    Sai { agi: Attachment::group([0; 8]), saii }
}

fn tunnel(n: u8) -> PmsiTunnel {
    match n % 4 {
        3 => PmsiTunnel::None,
        n => PmsiTunnel::MldpP2mp(TreeFec::p2mp([192, 0, 2, 9].into(), n.into()).down()),
    }
}

/// An element that names a pseudowire, or a group of them.
fn element(n: u8, tunnel: Option<PmsiTunnel>, c: bool, mtu: Option<u16>) -> P2mpPw {
    let Sai { agi, saii } = sai(n);
    let parameters = mtu.map(|mtu| Tlv::new(TlvValue::PwInterfaceParameters(vec![InterfaceParameter::Mtu(mtu)])));
    P2mpPw::new(c, PwType::ETHERNET, (agi, saii), tunnel, parameters.into_iter().collect()).expect("a short element")
}

fn upstream(n: u8, of: u8) -> FecElement {
    FecElement::P2mpPwUpstream(Box::new(element(n, Some(tunnel(of)), true, None)))
}

fn downstream(n: u8) -> FecElement {
    FecElement::P2pPwDownstream(Box::new(element(n, None, true, None)))
}

fn circuits(n: u8) -> Vec<Circuit> {
    (0..=u32::from(n % 2)).map(|i| Circuit { iface: IfIndex(u32::from(n) * 2 + i), tags: Tags::Any }).collect()
}

/// Four pseudowires of a root: with ways back, protecting that, pruning leaves, with two circuits.
fn root_config(n: u8, known: &BTreeMap<u8, PwId>) -> RootPwConfig {
    let n = n % 4;
    let mut config = RootPwConfig::new(sai(n), Service::ethernet(1500), VsiId(n.into()), circuits(n));
    config.return_path = n % 2 == 0;
    config.policy = if n == 2 { FaultPolicy::Prune } else { FaultPolicy::Keep };
    if n == 1 {
        let primary = known.get(&0).copied().unwrap_or(PwId(u32::MAX));
        config.protects =
            Some(Protects { primary, criterion: Criterion::AnyLeaf, config: RedundancyConfig::default() });
    }
    config
}

/// Three of a leaf: alone, alone with two circuits, two that protect each other.
fn leaf_config(n: u8) -> LeafPwConfig {
    let n = n % 3;
    let mut config = LeafPwConfig::new(sai(n), Service::ethernet(1500), VsiId(100 + u16::from(n)), circuits(n + 10));
    if n == 2 {
        config.sais.push(sai(3));
    }
    config.confirm = n != 1;
    config
}

fn negotiated(capable: bool) -> Negotiated {
    let capability = Capability { advertised: true, data: [0_u8].as_slice().into() };
    Negotiated {
        keepalive: Duration::from_secs(180),
        max_pdu_length: 4096,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: capable.then_some((TlvType::P2MP_PW_CAPABILITY, capability)).into_iter().collect(),
        graceful_restart: None,
    }
}

fn label(value: u8) -> Label {
    Label::from_low_bits(u32::from(value % 12) + 10)
}

struct Run {
    now: Instant,
    root: Root,
    leaf: Leaf,
    root_tables: Tables,
    leaf_tables: Tables,
    up: [bool; 2],
    capable: [bool; 2],
    roots: BTreeMap<u8, PwId>,
    leaves: BTreeMap<u8, PwId>,
    joined: BTreeSet<PmsiTunnel>,
    /// Labels of the root that a peer holds, by name.
    held: BTreeMap<(LdpId, Sai), Label>,
    last: [Option<FwdOp>; 2],
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let now = Instant::from_secs(1);
    let labels = LabelRange { first: Label::from_low_bits(100), last: Label::from_low_bits(106) };
    let nhlfes = |first| NhlfeRange { first: NhlfeId(first), last: NhlfeId(first + 8) };
    let ports = |first| PortRange { first: PortId(first), last: PortId(first + 11) };
    let groups = |first| GroupRange { first: ReplicationId(first), last: ReplicationId(first + 4) };
    let spaces = SpaceRange { first: LabelSpaceId(1), last: LabelSpaceId(2) };
    let root = Root::new(now, RootConfig::new(labels, nhlfes(100), ports(0), groups(0))).unwrap();
    let mut config = LeafConfig::new(nhlfes(200), ports(50), groups(50), spaces);
    config.max_offers = 4;
    let mut run = Run {
        now,
        root,
        leaf: Leaf::new(now, config).unwrap(),
        root_tables: Tables::default(),
        leaf_tables: Tables::default(),
        up: [false; 2],
        capable: [false; 2],
        roots: BTreeMap::new(),
        leaves: BTreeMap::new(),
        joined: BTreeSet::new(),
        held: BTreeMap::new(),
        last: [None; 2],
    };
    let mut u = Unstructured::new(data);
    while let Ok(stimulus) = Stimulus::arbitrary(&mut u) {
        run.apply(stimulus);
        run.drain();
        run.check();
        if u.is_empty() {
            break;
        }
    }
    run.finish();
}

impl Run {
    fn apply(&mut self, stimulus: Stimulus) {
        let now = self.now;
        match stimulus {
            Stimulus::Peer { peer: of, up, capable } => self.session(of, up, capable),
            Stimulus::Capable { peer: of, capable } => {
                if self.up[usize::from(of)] {
                    self.capable[usize::from(of)] = capable;
                    let negotiated = negotiated(capable);
                    let input = root::Input::Capabilities { peer: peer(of), negotiated: &negotiated };
                    self.root.handle_input(now, input);
                }
            }
            Stimulus::Any { peer: of, message } => self.message(of, message.body),
            Stimulus::RefuseLast { leaf: true } => {
                if let Some(op) = self.last[1] {
                    self.leaf.handle_input(now, leaf::Input::Refused(op));
                }
            }
            Stimulus::RefuseLast { leaf: false } => {
                if let Some(op) = self.last[0] {
                    self.root.handle_input(now, root::Input::Refused(op));
                }
            }
            Stimulus::Wait(ms) => {
                let end = now + Duration::from_millis(u64::from(ms));
                loop {
                    let due = [self.root.next_timeout(), self.leaf.next_timeout()].into_iter().flatten().min();
                    let Some(at) = due.filter(|at| *at <= end) else { break };
                    self.now = at.max(self.now);
                    self.root.handle_timeout(self.now);
                    self.leaf.handle_timeout(self.now);
                    self.drain();
                    let left = [self.root.next_timeout(), self.leaf.next_timeout()].into_iter().flatten().min();
                    assert!(left.is_none_or(|at| at > self.now), "a timer is left behind");
                }
                self.now = end;
            }
            of_root @ (Stimulus::Leg { .. }
            | Stimulus::RootAdd(_)
            | Stimulus::RootRemove(_)
            | Stimulus::AddLeaf { .. }
            | Stimulus::RemoveLeaf { .. }
            | Stimulus::Tunnel { .. }
            | Stimulus::SourceStatus { .. }
            | Stimulus::RootOam { .. }
            | Stimulus::RootSwitch(_)) => self.operate_root(of_root),
            of_leaf @ (Stimulus::LeafAdd(_)
            | Stimulus::LeafRemove(_)
            | Stimulus::Joined { .. }
            | Stimulus::Reach { .. }
            | Stimulus::Circuit { .. }
            | Stimulus::LeafOam { .. }
            | Stimulus::LeafSwitch(_)) => self.operate_leaf(of_leaf),
            message => {
                if let Some((of, body)) = body(message) {
                    self.message(of, body);
                }
            }
        }
    }

    fn session(&mut self, of: bool, up: bool, capable: bool) {
        let (now, at) = (self.now, usize::from(of));
        (self.up[at], self.capable[at]) = (up, up && capable);
        if up {
            let negotiated = negotiated(capable);
            self.root.handle_input(now, root::Input::PeerUp { peer: peer(of), negotiated: &negotiated });
            self.leaf.handle_input(now, leaf::Input::PeerUp { peer: peer(of), negotiated: &negotiated });
        } else {
            self.root.handle_input(now, root::Input::PeerDown { peer: peer(of) });
            self.leaf.handle_input(now, leaf::Input::PeerDown { peer: peer(of) });
            self.held.retain(|(holder, _), _| *holder != peer(of));
        }
    }

    /// A message of a peer, which is a root and a leaf too.
    fn message(&mut self, of: bool, body: MessageBody) {
        if let MessageBody::LabelRelease(release) = &body {
            if let (true, Some(FecElement::P2mpPwUpstream(pw))) = (self.up[usize::from(of)], release.fec.only()) {
                let named = Sai::of(pw).map(|sai| (peer(of), sai));
                if let Some(label) = named.as_ref().and_then(|named| self.held.get(named)) {
                    if release.label().is_none_or(|l| l == *label) {
                        self.held.remove(&named.unwrap());
                    }
                }
            }
        }
        let message = Message { id: 7, body };
        self.root.handle_input(self.now, root::Input::Message { peer: peer(of), message: &message });
        self.leaf.handle_input(self.now, leaf::Input::Message { peer: peer(of), message: &message });
    }

    fn operate_root(&mut self, stimulus: Stimulus) {
        let now = self.now;
        let known = |pw: u8| self.roots.get(&(pw % 4)).copied().unwrap_or(PwId(u32::MAX));
        match stimulus {
            Stimulus::Leg { tunnel, leg, up } => {
                let (tunnel, leg) = (TunnelRef((tunnel % 3).into()), (leg % 3).into());
                let input = match up {
                    true => root::Input::LegUp { tunnel, leg, nhlfe: NhlfeId(leg.into()) },
                    false => root::Input::LegDown { tunnel, leg },
                };
                self.root.handle_input(now, input);
            }
            Stimulus::RootAdd(n) => {
                if let Ok(pw) = self.root.add_pw(now, root_config(n, &self.roots)) {
                    self.roots.insert(n % 4, pw);
                }
            }
            Stimulus::RootRemove(n) => {
                self.root.remove_pw(now, known(n));
                self.roots.remove(&(n % 4));
                if n % 4 == 0 {
                    // That which protects it goes with it.
                    self.roots.remove(&1);
                }
            }
            Stimulus::AddLeaf { pw, peer: of } => drop(self.root.add_leaf(now, known(pw), peer(of))),
            Stimulus::RemoveLeaf { pw, peer: of } => self.root.remove_leaf(now, known(pw), peer(of)),
            Stimulus::Tunnel { pw, tunnel: to } => {
                let to = to.map(|n| (TunnelRef((n % 4).into()), tunnel(n)));
                let _ = self.root.set_tunnel(now, known(pw), to);
            }
            Stimulus::SourceStatus { pw, status } => {
                self.root.set_ac_status(known(pw), PwStatus::from_bits_retain(status.into()));
            }
            Stimulus::RootOam { pw, peer: of, up } => self.root.set_oam(now, known(pw), peer(of), up),
            Stimulus::RootSwitch(to) => {
                let to = to.map(|backup| known(u8::from(backup)));
                self.root.switch_to(now, known(0), to);
            }
            _ => {}
        }
    }

    fn operate_leaf(&mut self, stimulus: Stimulus) {
        let now = self.now;
        let known = |pw: u8| self.leaves.get(&(pw % 3)).copied().unwrap_or(PwId(u32::MAX));
        match stimulus {
            Stimulus::LeafAdd(n) => {
                if let Ok(pw) = self.leaf.add_pw(now, leaf_config(n)) {
                    self.leaves.insert(n % 3, pw);
                }
            }
            Stimulus::LeafRemove(n) => {
                self.leaf.remove_pw(now, known(n));
                self.leaves.remove(&(n % 3));
            }
            Stimulus::Joined { tunnel: n, up } => {
                let tunnel = tunnel(n);
                self.leaf.handle_input(now, leaf::Input::Tunnel { tunnel: &tunnel, up });
            }
            Stimulus::Reach { peer: of, up } => {
                let next = up.then_some(NextHop::Nhlfe(NhlfeId(of.into())));
                self.leaf.handle_input(now, leaf::Input::Reach { peer: peer(of), next });
            }
            Stimulus::Circuit { pw, status } => {
                self.leaf.set_ac_status(known(pw), PwStatus::from_bits_retain(status.into()));
            }
            Stimulus::LeafOam { pw, up } => self.leaf.set_oam(now, &sai(pw), up),
            Stimulus::LeafSwitch(to) => {
                let to = to.map(|second| sai(if second { 3 } else { 2 }));
                self.leaf.switch_to(now, known(2), to.as_ref());
            }
            _ => {}
        }
    }

    fn drain(&mut self) {
        let mut most = 10_000;
        loop {
            most -= 1;
            assert!(most > 0, "no rest");
            if let Some(output) = self.root.poll_output() {
                match output {
                    root::Output::Program(op) => {
                        self.root_tables.apply(&op);
                        self.last[0] = Some(op);
                    }
                    root::Output::Message { peer: to, message } => self.told(to, &message.body),
                    root::Output::Event(_) => {}
                }
            } else if let Some(output) = self.leaf.poll_output() {
                match output {
                    leaf::Output::Program(op) => {
                        self.leaf_tables.apply(&op);
                        self.last[1] = Some(op);
                    }
                    leaf::Output::Message { peer: to, .. } => assert!(self.up[usize::from(to == peer(true))]),
                    leaf::Output::Join { tunnel, .. } => assert!(self.joined.insert(tunnel), "joined twice"),
                    leaf::Output::Leave { tunnel } => assert!(self.joined.remove(&tunnel), "left without joining"),
                    leaf::Output::Event(_) => {}
                }
            } else {
                return;
            }
        }
    }

    /// Only who is there is told, and of P2MP pseudowires only who knows them; a label means one pseudowire as long as a leaf may hold it.
    fn told(&mut self, to: LdpId, body: &MessageBody) {
        let at = usize::from(to == peer(true));
        assert!(self.up[at], "a message to nobody");
        match body {
            MessageBody::LabelMapping(mapping) => {
                assert!(self.capable[at], "a label for who does not know P2MP pseudowires");
                if let Some(FecElement::P2mpPwUpstream(pw)) = mapping.fec.only() {
                    let (sai, label) = (Sai::of(pw).unwrap(), mapping.label.label());
                    let other = self.held.iter().find(|((_, of), l)| **l == label && *of != sai);
                    assert_eq!(other, None, "{label} twice: now for {sai:?}");
                    assert!(pw.tunnel().is_some(), "no tunnel in {pw:?}");
                    self.held.insert((to, sai), label);
                }
            }
            // Who does not know the element any more will not answer.
            MessageBody::LabelWithdraw(withdraw) if !self.capable[at] => {
                if let Some(FecElement::P2mpPwUpstream(pw)) = withdraw.fec.only() {
                    self.held.remove(&(to, Sai::of(pw).unwrap()));
                }
            }
            _ => {}
        }
    }

    fn check(&self) {
        for id in self.leaves.values() {
            let view = self.leaf.pw(*id).expect("a pseudowire that was not removed");
            let up = view.members.iter().filter(|(_, state)| *state == PwState::Up).count();
            assert!(view.members.len() == 1 || up <= 1, "two members feed the circuits: {view:?}");
        }
        assert!(self.leaf.retained().count() <= 8, "the limit of each of two roots");
        self.root_tables.check();
        self.leaf_tables.check();
    }

    /// All is taken away: nothing is left.
    fn finish(mut self) {
        for pw in std::mem::take(&mut self.roots).into_values() {
            self.root.remove_pw(self.now, pw);
        }
        for pw in std::mem::take(&mut self.leaves).into_values() {
            self.leaf.remove_pw(self.now, pw);
        }
        self.drain();
        for of in [false, true] {
            self.session(of, false, false);
            self.drain();
        }
        assert!(self.root_tables.is_empty(), "root: {:?}", self.root_tables);
        assert!(self.leaf_tables.is_empty(), "leaf: {:?}", self.leaf_tables);
        assert!(self.joined.is_empty(), "{:?}", self.joined);
        assert_eq!((self.root.next_timeout(), self.leaf.next_timeout()), (None, None), "a timer of nobody");
    }
}

/// What a peer says.
fn body(stimulus: Stimulus) -> Option<(bool, MessageBody)> {
    let generic = |l: Option<u8>, first: u32| {
        let of = |l: u8| Label::from_low_bits(u32::from(l % 8) + first);
        l.map(|l| Tlv::new(TlvValue::GenericLabel(of(l)))).into_iter().collect()
    };
    Some(match stimulus {
        Stimulus::Release { peer, pw, label, back } => {
            let element = if back { downstream(pw) } else { upstream(pw, pw) };
            let optional = generic(label, 100);
            (peer, MessageBody::LabelRelease(LabelWithdraw { fec: Fec::single(element), optional }))
        }
        Stimulus::Request { peer, pw } => {
            let fec = Fec::single(upstream(pw, pw));
            (peer, MessageBody::LabelRequest(LabelRequest { fec, optional: Vec::new() }))
        }
        Stimulus::LeafStatus { peer, pw, status } => {
            let status = PwStatus::from_bits_retain(status.into());
            (peer, MessageBody::Notification(Notification::pw_status(downstream(pw), status)))
        }
        Stimulus::Mapping { peer, pw, tunnel: t, label: l, mtu, c } => {
            let named = element(pw, Some(tunnel(t)), c, Some(if mtu { 1500 } else { 1400 }));
            let fec = Fec::single(FecElement::P2mpPwUpstream(Box::new(named)));
            let label = LabelTlv::Generic(label(l));
            (peer, MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() }))
        }
        Stimulus::Back { peer, pw, label: l } => {
            let (fec, label) = (Fec::single(downstream(pw)), LabelTlv::Generic(label(l)));
            (peer, MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() }))
        }
        Stimulus::Withdraw { peer, pw, label: l, back } => {
            let element = if back { downstream(pw) } else { upstream(pw, pw) };
            let optional = l.map(|l| Tlv::new(TlvValue::GenericLabel(label(l)))).into_iter().collect();
            (peer, MessageBody::LabelWithdraw(LabelWithdraw { fec: Fec::single(element), optional }))
        }
        Stimulus::RootStatus { peer, pw, status } => {
            let status = PwStatus::from_bits_retain(status.into());
            (peer, MessageBody::Notification(Notification::pw_status(upstream(pw, pw), status)))
        }
        _ => return None,
    })
}
