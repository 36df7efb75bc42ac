//! Arbitrary stimuli against pseudowires of every kind with two peers, with invariants; a fuzz target and a property test share it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::{IfIndex, Label, NhlfeId, PortId, ReplicationId, VsiId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Tags};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{
    Attachment, Fec, FecElement, GeneralizedPwId, InterfaceParameter, PwEnds, PwId, PwIdScope, PwType,
};
use p2mp_pw::ldp::message::{LabelMapping, LabelTlv, LabelWithdraw, Message, MessageBody, Notification};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, PwStatus, Tlv, TlvValue};
use p2mp_pw::pw::{
    CrossConnect, Input, Output, PwAttachment, PwConfig, PwIndex, PwName, Pws, PwsConfig, RedundancyMember,
    RedundancyMode,
};

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Peer { peer: bool, up: bool, retain: bool },
    Transport { peer: bool, nhlfe: Option<u8> },
    Circuit { pw: u8, faults: u8 },
    Mapping { peer: bool, pw: u8, c: bool, mtu: Option<u16>, status: Option<u8>, label: u8 },
    Withdraw { peer: bool, pw: u8, label: Option<u8>, release: bool },
    Status { peer: bool, pw: u8, status: u8 },
    Any { peer: bool, message: Message },
    Add(u8),
    Remove(u8),
    ControlWord { pw: u8, preferred: bool },
    SwitchOver(u8),
    GroupFaults(u8),
    Refuse(u8),
    Wait(u16),
}

fn peer(second: bool) -> LdpId {
    LdpId::platform([192, 0, 2, if second { 3 } else { 2 }].into())
}

fn label(value: u32) -> Label {
    Label::from_low_bits(value)
}

/// Eight pseudowires: numbers and identifiers, ports and circuits, a redundant set, two joined segments.
fn config(n: u8) -> PwConfig {
    let n = n % 8;
    let cross = |n: u16| {
        PwAttachment::Circuit(CrossConnect {
            vsi: VsiId(n),
            iface: IfIndex(n.into()),
            tags: Tags::Any,
            circuit: PortId(100 + u32::from(n)),
            pseudowire: PortId(200 + u32::from(n)),
            replication: ReplicationId(n.into()),
        })
    };
    let ends =
        PwEnds { agi: Attachment::NULL, saii: Attachment::individual(1), taii: Attachment::individual(n.into()) };
    let name = if n < 4 { PwName::Id(u32::from(n) + 1) } else { PwName::Ends(ends) };
    let attachment = match n {
        0 | 4 => PwAttachment::Port(PortId(n.into())),
        1 | 2 => cross(1),
        6 => PwAttachment::Segment(PwIndex(u32::MAX)),
        _ => cross(u16::from(n) + 1),
    };
    let mut config = PwConfig::new(peer(n % 2 == 1), name, attachment);
    config.redundancy = match n {
        1 | 2 => Some(RedundancyMember { set: 1, mode: RedundancyMode::Independent, precedence: n - 1 }),
        _ => None,
    };
    config.control_word = n != 3;
    config.status_tlv = n != 5;
    config.group_id = u32::from(n % 2);
    config
}

fn element(n: u8, c: bool, parameters: Vec<InterfaceParameter>) -> FecElement {
    let config = config(n);
    let pw_type = PwType::ETHERNET;
    match config.name {
        PwName::Id(pw_id) => {
            let pw = if n % 16 == 9 { PwIdScope::Group } else { PwIdScope::One { pw_id, parameters } };
            FecElement::PwId(Box::new(PwId { control_word: c, pw_type, group_id: 1, pw }))
        }
        PwName::Ends(ends) => {
            let ends = Some(ends.reversed());
            FecElement::GeneralizedPwId(Box::new(GeneralizedPwId { control_word: c, pw_type, ends }))
        }
    }
}

struct Run {
    pws: Pws,
    now: Instant,
    up: [bool; 2],
    known: BTreeMap<u8, PwIndex>,
    ilm: BTreeMap<Label, Ilm>,
    nhlfe: BTreeSet<NhlfeId>,
    vsis: BTreeSet<VsiId>,
    forwarding: BTreeSet<PwIndex>,
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let labels = LabelRange { first: label(100), last: label(105) };
    let nhlfes = NhlfeRange { first: NhlfeId(100), last: NhlfeId(106) };
    let mut config = PwsConfig::new([192, 0, 2, 1].into(), labels, nhlfes);
    config.max_retained = 2;
    let now = Instant::from_secs(1);
    let mut run = Run {
        pws: Pws::new(now, config).unwrap(),
        now,
        up: [false; 2],
        known: BTreeMap::new(),
        ilm: BTreeMap::new(),
        nhlfe: BTreeSet::new(),
        vsis: BTreeSet::new(),
        forwarding: BTreeSet::new(),
    };
    let mut u = Unstructured::new(data);
    while let Ok(stimulus) = Stimulus::arbitrary(&mut u) {
        run.apply(stimulus);
        run.check();
        if u.is_empty() {
            break;
        }
    }
    for pw in run.known.clone().into_values() {
        run.pws.remove(run.now, pw).unwrap();
    }
    run.check();
    assert!(run.ilm.is_empty() && run.nhlfe.is_empty() && run.vsis.is_empty(), "something is left");
}

impl Run {
    fn message(&mut self, of: bool, body: MessageBody) {
        let message = Message { id: 7, body };
        self.pws.handle_input(self.now, Input::Message { peer: peer(of), message: &message });
    }

    fn apply(&mut self, stimulus: Stimulus) {
        let now = self.now;
        match stimulus {
            Stimulus::Peer { peer: of, up, retain } => {
                let negotiated = Negotiated {
                    keepalive: Duration::from_secs(180),
                    max_pdu_length: 4096,
                    discipline: AdvertisementDiscipline::DownstreamUnsolicited,
                    path_vector_limit: None,
                    capabilities: Vec::new(),
                    graceful_restart: None,
                };
                self.up[usize::from(of)] = up;
                let retain = retain.then_some(Duration::from_secs(9));
                let down = Input::PeerDown { peer: peer(of), retain };
                let up_input = Input::PeerUp { peer: peer(of), negotiated: &negotiated };
                self.pws.handle_input(now, if up { up_input } else { down });
            }
            Stimulus::Transport { peer: of, nhlfe } => {
                let nhlfe = nhlfe.map(|n| NhlfeId(n.into()));
                self.pws.handle_input(now, Input::Transport { peer: peer(of), nhlfe });
            }
            Stimulus::Circuit { pw, faults } => {
                if let Some(pw) = self.known.get(&(pw % 8)).copied() {
                    self.pws
                        .handle_input(now, Input::Circuit { pw, faults: PwStatus::from_bits_retain(faults.into()) });
                }
            }
            Stimulus::Mapping { peer: of, pw, c, mtu, status, label: value } => {
                let parameters = mtu.map(|mtu| InterfaceParameter::Mtu(if mtu % 4 == 0 { mtu } else { 1500 }));
                let fec = Fec::single(element(pw, c, parameters.into_iter().collect()));
                let status = status.map(|bits| Tlv::new(TlvValue::PwStatus(PwStatus::from_bits_retain(bits.into()))));
                let label = LabelTlv::Generic(label(u32::from(value) + 16));
                let mapping = LabelMapping { fec, label, optional: status.into_iter().collect() };
                self.message(of, MessageBody::LabelMapping(mapping));
            }
            Stimulus::Withdraw { peer: of, pw, label: value, release } => {
                let value = value.map(|n| Tlv::new(TlvValue::GenericLabel(label(u32::from(n) + 16))));
                let fec = Fec::single(element(pw, true, Vec::new()));
                let body = LabelWithdraw { fec, optional: value.into_iter().collect() };
                let release_body = MessageBody::LabelRelease(body.clone());
                self.message(of, if release { release_body } else { MessageBody::LabelWithdraw(body) });
            }
            Stimulus::Status { peer: of, pw, status } => {
                let status = PwStatus::from_bits_retain(status.into());
                let notification = Notification::pw_status(element(pw, true, Vec::new()), status);
                self.message(of, MessageBody::Notification(notification));
            }
            Stimulus::Any { peer: of, message } => self.message(of, message.body),
            Stimulus::Add(n) => {
                let mut config = config(n);
                if n % 8 == 6 {
                    config.attachment = PwAttachment::Segment(self.known.get(&7).copied().unwrap_or(PwIndex(u32::MAX)));
                }
                if let Ok(pw) = self.pws.add(now, config) {
                    self.known.insert(n % 8, pw);
                }
            }
            Stimulus::Remove(n) => {
                if let Some(pw) = self.known.remove(&(n % 8)) {
                    self.pws.remove(now, pw).unwrap();
                }
            }
            Stimulus::ControlWord { pw, preferred } => {
                if let Some(pw) = self.known.get(&(pw % 8)) {
                    self.pws.prefer_control_word(now, *pw, preferred).unwrap();
                }
            }
            Stimulus::SwitchOver(pw) => {
                if let Some(pw) = self.known.get(&(pw % 8)) {
                    let _ = self.pws.switch_over(now, *pw);
                }
            }
            Stimulus::GroupFaults(bits) => {
                let faults = PwStatus::from_bits_retain(u32::from(bits >> 1));
                self.pws.set_group_faults(now, u32::from(bits & 1), faults);
            }
            Stimulus::Refuse(n) => {
                let ilm = Ilm { action: IlmAction::Bridge(PortId(0)), model: fwd_core::op::TunnelModel::Pipe };
                let op = FwdOp::SetIlm { label: label(100 + u32::from(n % 8)), ilm };
                self.pws.handle_input(now, Input::Refused(op));
            }
            Stimulus::Wait(ms) => {
                self.now = now + Duration::from_millis(u64::from(ms) * 10);
                self.pws.handle_timeout(self.now);
                assert!(self.pws.next_timeout().is_none_or(|at| at > self.now), "a timer is left behind");
            }
        }
    }

    /// Entries before what leads to them; what is up has an entry; messages only to peers that are there.
    fn check(&mut self) {
        while let Some(output) = self.pws.poll_output() {
            match output {
                Output::Program(FwdOp::SetNhlfe { id, .. }) => drop(self.nhlfe.insert(id)),
                Output::Program(FwdOp::ClearNhlfe { id }) => {
                    assert!(self.nhlfe.remove(&id), "{id} was not there");
                    let used = self.ilm.values().any(|ilm| ilm.action == IlmAction::Forward(id));
                    assert!(!used, "{id} is still led to");
                }
                Output::Program(FwdOp::SetIlm { label, ilm }) => {
                    if let IlmAction::Forward(id) = ilm.action {
                        assert!(self.nhlfe.contains(&id), "{label} leads to {id}, which is not there");
                    }
                    self.ilm.insert(label, ilm);
                }
                Output::Program(FwdOp::ClearIlm { label }) => drop(self.ilm.remove(&label)),
                Output::Program(FwdOp::SetVsi { vsi, .. }) => assert!(self.vsis.insert(vsi), "{vsi} twice"),
                Output::Program(FwdOp::ClearVsi { vsi }) => assert!(self.vsis.remove(&vsi)),
                Output::Program(_) | Output::MacWithdraw { .. } | Output::Event(_) => {}
                Output::Up { pw, .. } => drop(self.forwarding.insert(pw)),
                Output::Down { pw } => assert!(self.forwarding.remove(&pw)),
                Output::Message { peer: to, .. } => assert!(self.up[usize::from(to == peer(true))]),
            }
        }
        for pw in self.known.values() {
            assert_eq!(self.pws.is_up(*pw), self.forwarding.contains(pw));
        }
        let active = [1, 2].iter().filter_map(|n| self.known.get(n)).filter(|pw| self.pws.is_up(**pw)).count();
        assert!(active <= 1, "two of a set carry packets");
    }
}
