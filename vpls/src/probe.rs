//! Probes: which ways a frame of a customer takes, asked of the forwarding planes that it passes (RFC 5501 §6.5.2).
//!
//! A probe holds a sample of a customer's frame. Where it begins, the sample is traced through the tables by the look-ups of data, and
//! the probe leaves by each way towards other PEs with the labels, the flow label and the choice among equal paths of the sample, in
//! an associated channel of an experimental type (RFC 5586 §10). Where no control word says what is below the labels, a GAL does
//! (RFC 5586 §4, RFC 6423 §3). A PE that it reaches traces the sample from the port that it came by, and answers with the ways that
//! it found. Off unless [`PeConfig::probe_channel`](crate::PeConfig::probe_channel) says otherwise.
//!
//! ```text
//! +---------------+---------------+---------------+---------------+
//! |  version = 1  |  kind         |  outcome      |  0            |
//! +---------------+---------------+---------------+---------------+
//! |  identifier of the probe                                      |
//! +---------------------------------------------------------------+
//! |  request (kind 1): the sample, 14 to 128 octets               |
//! |  answer (kind 2): ways of 8 octets, 128 at most: what (1), 0 (3), number (4)
//! ```

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::codec::{self, BufMut, Take};
use fwd_core::net::{IfIndex, Label, Mac, PortId, VsiId};
use fwd_core::op::LegTarget;
use fwd_core::time::Instant;
use fwd_core::wire::{AssociatedChannel, EtherType, Ethernet, IpProtocol, LabelEntry};
use fwd_core::{Fault, Forwarder, Frame, Malformed, TracedExit, Verdict};

use crate::io::Output;
use crate::pe::{Timer, VplsPe};
use crate::police::Bucket;
use crate::snoop::group_mac;

/// The channel types for experiments (RFC 5586 §10).
pub const CHANNELS: core::ops::RangeInclusive<u16> = 0x7ff8..=0x7fff;
/// Octets of a sample: a header at least.
const SAMPLE: core::ops::RangeInclusive<usize> = Ethernet::LEN..=128;
/// Ways in an answer.
const MOST_WAYS: usize = 128;
/// How long answers may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Probes that may be open at once, and traces that the forwarding plane owes.
const MOST_OPEN: usize = 64;
/// Requests of other PEs that are answered in a second.
const ANSWERS: u32 = 100;

/// A probe, by the PE that it began at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u32);

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Outcome(pub u8);

impl Outcome {
    /// It leaves by the ways that are told.
    pub const FORWARDED: Self = Self(0);
    /// It is dropped.
    pub const DROPPED: Self = Self(1);
    /// It goes to software.
    pub const SOFTWARE: Self = Self(2);
    /// It leaves by more ways than are told.
    pub const PARTIAL: Self = Self(3);

    const fn of(verdict: Option<&Verdict>) -> Self {
        match verdict {
            None => Self::FORWARDED,
            Some(Verdict::Punt { .. } | Verdict::PuntFrame { .. }) => Self::SOFTWARE,
            Some(_) => Self::DROPPED,
        }
    }
}

/// A way out of an instance at a PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Way {
    /// What it is.
    pub kind: WayKind,
    /// The number of the bridge port, or of the tree's entry, at that PE.
    pub number: u32,
}

/// What a way out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct WayKind(pub u8);

impl WayKind {
    /// An attachment circuit.
    pub const CIRCUIT: Self = Self(1);
    /// A pseudowire.
    pub const PSEUDOWIRE: Self = Self(2);
    /// A tree.
    pub const TREE: Self = Self(3);
}

/// What a probe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeMessage {
    /// The probe.
    pub id: ProbeId,
    /// Request or answer.
    pub body: ProbeBody,
}

/// Request or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeBody {
    /// A sample, of 14 to 128 octets.
    Request(Vec<u8>),
    /// What became of it.
    Answer {
        /// In a word.
        outcome: Outcome,
        /// Where it leaves, 128 ways at most.
        ways: Vec<Way>,
    },
}

const VERSION: u8 = 1;
const REQUEST: u8 = 1;
const ANSWER: u8 = 2;

impl ProbeMessage {
    /// Reads what is behind the channel's header.
    ///
    /// # Errors
    /// Another version or kind, or a sample or list of ways of a length that cannot be.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Reads a message, which ends where the octets do.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let bad = |at, field, fault| codec::Fail::new(at, field, fault);
        let (rest, [version, kind, outcome, _]) = codec::array::<4>(i, "version and kind")?;
        if version != VERSION {
            return Err(bad(i, "version", Fault::Value(version.into())));
        }
        let (rest, id) = codec::be_u32(rest, "identifier")?;
        let body = match kind {
            REQUEST if SAMPLE.contains(&rest.len()) => ProbeBody::Request(rest.to_vec()),
            REQUEST => return Err(bad(rest, "sample", Fault::Length(rest.len()))),
            ANSWER => {
                let ways = rest.chunks_exact(8);
                if !ways.remainder().is_empty() || ways.len() > MOST_WAYS {
                    return Err(bad(rest, "ways", Fault::Length(rest.len())));
                }
                let way = |octets: &[u8]| match *octets {
                    [kind, _, _, _, a, b, c, d] => {
                        Some(Way { kind: WayKind(kind), number: u32::from_be_bytes([a, b, c, d]) })
                    }
                    _ => None,
                };
                ProbeBody::Answer { outcome: Outcome(outcome), ways: ways.filter_map(way).collect() }
            }
            other => return Err(bad(i, "kind", Fault::Value(other.into()))),
        };
        Ok((&[], Self { id: ProbeId(id), body }))
    }

    /// Octets of the message.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let body = match &self.body {
            ProbeBody::Request(sample) => sample.len(),
            ProbeBody::Answer { ways, .. } => ways.len().saturating_mul(8),
        };
        body.saturating_add(8)
    }

    /// Writes it.
    pub fn emit(&self, out: &mut impl BufMut) {
        let (kind, outcome) = match &self.body {
            ProbeBody::Request(_) => (REQUEST, 0),
            ProbeBody::Answer { outcome, .. } => (ANSWER, outcome.0),
        };
        out.put_slice(&[VERSION, kind, outcome, 0]);
        out.put_u32(self.id.0);
        match &self.body {
            ProbeBody::Request(sample) => out.put_slice(sample),
            ProbeBody::Answer { ways, .. } => {
                for Way { kind, number } in ways {
                    out.put_slice(&[kind.0, 0, 0, 0]);
                    out.put_u32(*number);
                }
            }
        }
    }

    /// The message behind the header of its channel.
    fn in_channel(&self, channel: u16) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire_len().saturating_add(AssociatedChannel::LEN));
        out.extend(AssociatedChannel::new(channel).0);
        self.emit(&mut out);
        out
    }
}

/// What a probe asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeFlow {
    /// Frames between two stations, or to a group address.
    Mac {
        /// Destination.
        destination: Mac,
        /// Source.
        source: Mac,
    },
    /// Datagrams of a source to a group.
    Group {
        /// C-S.
        source: IpAddr,
        /// C-G, of the same family.
        group: IpAddr,
        /// The address of the station that sends them.
        mac: Mac,
    },
    /// A frame as it stands, without tags that delimit the service: 14 to 128 octets.
    Frame(Vec<u8>),
}

/// Local experimental Ethertype 1 (IEEE 802).
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];

impl ProbeFlow {
    /// The sample; none of source and group of two families, or of a frame of a length that cannot be.
    fn sample(&self) -> Option<Vec<u8>> {
        let sample = match self {
            Self::Mac { destination, source } => [&destination.0[..], &source.0, &EXPERIMENT, &[0; 46]].concat(),
            Self::Group { source, group, mac } => {
                let (ethertype, packet) = match (source, group) {
                    (IpAddr::V4(source), IpAddr::V4(group)) => {
                        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, IpProtocol::UDP.0, 0, 0];
                        packet.extend(source.octets().into_iter().chain(group.octets()));
                        let sum = fwd_core::wire::checksum::of(&packet).to_be_bytes();
                        packet.splice(10..12, sum);
                        (EtherType::IPV4, packet)
                    }
                    (IpAddr::V6(source), IpAddr::V6(group)) => {
                        let mut packet = vec![0x60, 0, 0, 0, 0, 8, IpProtocol::UDP.0, 64];
                        packet.extend(source.octets().into_iter().chain(group.octets()));
                        (EtherType::IPV6, packet)
                    }
                    _ => return None,
                };
                let header = [&group_mac(*group).0[..], &mac.0, &ethertype.0.to_be_bytes()].concat();
                [&header[..], &packet, &[0; 8]].concat()
            }
            Self::Frame(octets) => octets.clone(),
        };
        SAMPLE.contains(&sample.len()).then_some(sample)
    }

    /// Source and group of the flow, as trees know it.
    const fn flow(&self) -> Option<(IpAddr, IpAddr)> {
        if let Self::Group { source, group, .. } = self { Some((*source, *group)) } else { None }
    }
}

/// Why there is no probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// [`crate::PeConfig::probe_channel`] is not set.
    #[error("probe_channel: not set")]
    Off,
    /// No such port.
    #[error("port: no circuit or pseudowire has it")]
    Port,
    /// A source and group of two families, or a frame of fewer than 14 or more than 128 octets.
    #[error("flow: two families, or a frame of fewer than 14 or more than 128 octets")]
    Flow,
    /// As many probes are open as may be.
    #[error("probes: 64 are open")]
    TooMany,
}

/// A sample to be traced through the forwarding plane; its result is [`crate::Input::Traced`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRequest {
    /// Which trace.
    pub trace: u32,
    /// The port that the sample is at.
    pub port: PortId,
    /// The sample.
    pub sample: Vec<u8>,
    /// What is to be sent along its ways towards other PEs; empty: nothing.
    pub message: Vec<u8>,
}

/// What came of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// What the sample leaves by.
    pub exits: Vec<LegTarget>,
    /// Why it leaves by nothing.
    pub verdict: Option<Verdict>,
    /// Packets to be sent, with their interfaces.
    pub packets: Vec<(IfIndex, Vec<u8>)>,
}

impl TraceRequest {
    /// Traces the sample.
    #[must_use]
    pub fn follow(&self, forwarder: &Forwarder<'_>) -> Followed {
        let mut buffer = self.sample.clone();
        let len = buffer.len();
        let mut followed = Followed::default();
        let Some(frame) = Frame::new(&mut buffer, 0, len) else { return followed };
        let verdict = forwarder.trace(&frame, self.port, |exit| {
            followed.exits.push(exit.by);
            if let Some(packet) = packet(&exit, &self.message).filter(|_| !self.message.is_empty()) {
                followed.packets.push((exit.iface, packet));
            }
        });
        followed.verdict = verdict.err();
        followed
    }
}

/// A message of an associated channel as it leaves by a pseudowire's port: the interface and the packet. None: the port leads nowhere
/// by labels.
#[must_use]
pub fn leave(forwarder: &Forwarder<'_>, port: PortId, message: &[u8]) -> Option<(IfIndex, Vec<u8>)> {
    let mut buffer = [0; 60];
    let frame = Frame::new(&mut buffer, 0, 60)?;
    let mut left = None;
    let _ = forwarder.trace_own(&frame, (port, CLASS), |exit| {
        left = packet(&exit, message).map(|packet| (exit.iface, packet));
    });
    left
}

/// Network control (RFC 4594 §3.1): the class of answers.
const CLASS: u8 = 6;

/// The packet that carries a message by a way out. Virtual links of IP are none: their headers say how long the sample is.
fn packet(exit: &TracedExit<'_>, message: &[u8]) -> Option<Vec<u8>> {
    Ethernet::of(exit.labels).filter(|header| header.ethertype() == EtherType::MPLS)?;
    let mut out = exit.labels.to_vec();
    if !exit.control_word {
        // The bottom of the stack is the GAL.
        let flags = out.len().checked_sub(2).and_then(|at| out.get_mut(at))?;
        *flags &= !1;
        out.extend(LabelEntry::new(Label::GAL, exit.class, true, 1).0);
    }
    out.extend_from_slice(message);
    Some(out)
}

/// What became of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    /// Which.
    pub id: ProbeId,
    /// The instance.
    pub vsi: VsiId,
    /// What became of the sample here.
    pub outcome: Outcome,
    /// Where it leaves here.
    pub ways: BTreeSet<Way>,
    /// What other PEs answered.
    pub answers: BTreeMap<IpAddr, (Outcome, BTreeSet<Way>)>,
    /// PEs that a way leads to, and that did not answer within two seconds.
    pub silent: BTreeSet<IpAddr>,
}

/// What a trace is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// A probe of ours.
    Own(ProbeId),
    /// The answer to a request, that goes out of this port.
    Answer(PortId, ProbeId),
}

/// Probes that are open.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    next: u32,
    open: BTreeMap<ProbeId, (ProbeReport, Option<(IpAddr, IpAddr)>)>,
    next_trace: u32,
    traces: BTreeMap<u32, Purpose>,
    answers: Bucket,
}

impl Probes {
    pub(crate) fn new(now: Instant) -> Self {
        let (open, traces) = (BTreeMap::new(), BTreeMap::new());
        Self { next: 0, open, next_trace: 0, traces, answers: Bucket::new(now, ANSWERS, ANSWERS) }
    }
}

impl VplsPe {
    /// Asks where a flow goes from a port of ours: [`Output::Trace`] follows, then requests to other PEs, and within two seconds
    /// [`Output::Probe`].
    ///
    /// # Errors
    /// Probes are off, no such port, a flow that cannot be, or too many probes at once.
    pub fn probe(&mut self, now: Instant, port: PortId, flow: &ProbeFlow) -> Result<ProbeId, ProbeError> {
        self.now = now;
        let channel = self.config.probe_channel.ok_or(ProbeError::Off)?;
        let vsi = *self.ports.get(&port).ok_or(ProbeError::Port)?;
        let sample = flow.sample().ok_or(ProbeError::Flow)?;
        if self.probes.open.len() >= MOST_OPEN {
            return Err(ProbeError::TooMany);
        }
        let id = ProbeId(self.probes.next);
        self.probes.next = self.probes.next.wrapping_add(1);
        let message = ProbeMessage { id, body: ProbeBody::Request(sample.clone()) }.in_channel(channel);
        let report = ProbeReport {
            id,
            vsi,
            outcome: Outcome::FORWARDED,
            ways: BTreeSet::new(),
            answers: BTreeMap::new(),
            silent: BTreeSet::new(),
        };
        self.probes.open.insert(id, (report, flow.flow()));
        self.timers.set(Timer::Probe(id.0), now + PATIENCE);
        self.trace(Purpose::Own(id), port, sample, message);
        Ok(id)
    }

    fn trace(&mut self, purpose: Purpose, port: PortId, sample: Vec<u8>, message: Vec<u8>) {
        let trace = self.probes.next_trace;
        self.probes.next_trace = trace.wrapping_add(1);
        if self.probes.traces.len() >= MOST_OPEN {
            self.probes.traces.pop_first();
        }
        self.probes.traces.insert(trace, purpose);
        self.out.push_back(Output::Trace(TraceRequest { trace, port, sample, message }));
    }

    /// The forwarding plane has traced a sample.
    pub(crate) fn traced(&mut self, trace: u32, exits: &[LegTarget], verdict: Option<&Verdict>) {
        let Some(purpose) = self.probes.traces.remove(&trace) else { return };
        let mut ways: BTreeSet<Way> = exits.iter().filter_map(|exit| self.way(*exit)).collect();
        let mut outcome = Outcome::of(verdict);
        match purpose {
            Purpose::Answer(port, id) => {
                if ways.len() > MOST_WAYS {
                    outcome = Outcome::PARTIAL;
                    ways = ways.into_iter().take(MOST_WAYS).collect();
                }
                let Some(channel) = self.config.probe_channel else { return };
                let body = ProbeBody::Answer { outcome, ways: ways.into_iter().collect() };
                let octets = ProbeMessage { id, body }.in_channel(channel);
                self.out.push_back(Output::Channel { port, octets });
            }
            Purpose::Own(id) => {
                let Some((report, flow)) = self.probes.open.get(&id).map(|(r, flow)| (r.vsi, *flow)) else { return };
                let silent = self.asked(report, exits, flow);
                let Some((report, _)) = self.probes.open.get_mut(&id) else { return };
                (report.outcome, report.ways) = (outcome, ways);
                report.silent = silent.into_iter().filter(|pe| !report.answers.contains_key(pe)).collect();
                if report.silent.is_empty() {
                    self.probe_over(id.0);
                }
            }
        }
    }

    fn way(&self, exit: LegTarget) -> Option<Way> {
        let (kind, number) = match exit {
            LegTarget::Port(port) => {
                let instance = self.ports.get(&port).and_then(|vsi| self.vsis.get(vsi))?;
                let is_circuit = instance.circuits.contains_key(&port);
                (if is_circuit { WayKind::CIRCUIT } else { WayKind::PSEUDOWIRE }, port.0)
            }
            LegTarget::Nhlfe(entry) => (WayKind::TREE, entry.0),
            _ => return None,
        };
        Some(Way { kind, number })
    }

    /// PEs that the ways of a sample lead to.
    fn asked(&self, vsi: VsiId, exits: &[LegTarget], flow: Option<(IpAddr, IpAddr)>) -> BTreeSet<IpAddr> {
        let Some(instance) = self.vsis.get(&vsi) else { return BTreeSet::new() };
        let mut asked = BTreeSet::new();
        for exit in exits {
            match exit {
                LegTarget::Port(port) => asked.extend(instance.pw_at(*port).map(|((peer, _), _)| *peer)),
                LegTarget::Nhlfe(_) => {
                    let tree = match flow {
                        Some((source, group)) => self.tree_for(instance, Some(source), group),
                        None => self.inclusive(instance),
                    };
                    asked.extend(tree.into_iter().flat_map(|(served, _)| served));
                }
                _ => {}
            }
        }
        asked
    }

    /// What came in the associated channel of a pseudowire. What is not a probe's is not looked at.
    pub(crate) fn channel(&mut self, port: PortId, octets: &[u8]) {
        let Some((header, body)) = octets.split_at_checked(AssociatedChannel::LEN) else { return };
        let channel = AssociatedChannel::of(header).map(AssociatedChannel::channel);
        if channel.is_none() || channel != self.config.probe_channel {
            return;
        }
        let Some(vsi) = self.ports.get(&port).copied() else { return };
        let Some(peer) = self.vsis.get(&vsi).and_then(|i| i.pw_at(port)).map(|((peer, _), _)| *peer) else { return };
        let Ok(ProbeMessage { id, body }) = ProbeMessage::parse(body) else { return };
        match body {
            ProbeBody::Request(sample) => {
                if self.probes.answers.take(self.now, 1) {
                    self.trace(Purpose::Answer(port, id), port, sample, Vec::new());
                }
            }
            ProbeBody::Answer { outcome, ways } => {
                let Some((report, _)) = self.probes.open.get_mut(&id).filter(|(r, _)| r.vsi == vsi) else { return };
                if report.silent.remove(&peer) {
                    report.answers.insert(peer, (outcome, ways.into_iter().collect()));
                    if report.silent.is_empty() {
                        self.probe_over(id.0);
                    }
                }
            }
        }
    }

    /// All have answered, or have had their time.
    pub(crate) fn probe_over(&mut self, id: u32) {
        self.timers.clear(Timer::Probe(id));
        if let Some((report, _)) = self.probes.open.remove(&ProbeId(id)) {
            self.out.push_back(Output::Probe(report));
        }
    }
}

#[cfg(feature = "arbitrary")]
mod generate {
    use super::*;
    use arbitrary::{Arbitrary, Result, Unstructured};

    impl<'a> Arbitrary<'a> for ProbeMessage {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let id = ProbeId(u.arbitrary()?);
            let body = if u.arbitrary()? {
                let len = u.int_in_range(SAMPLE)?;
                ProbeBody::Request((0..len).map(|_| u.arbitrary()).collect::<Result<_>>()?)
            } else {
                let n = u.int_in_range(0..=5)?;
                let ways = (0..n).map(|_| u.arbitrary()).collect::<Result<_>>()?;
                ProbeBody::Answer { outcome: u.arbitrary()?, ways }
            };
            Ok(Self { id, body })
        }
    }
}
