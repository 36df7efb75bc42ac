//! A node that asks: ping and traceroute (RFC 8029 §4.3, §4.6, RFC 6425 §4.1, §4.3).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::random::Random;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::downstream::{DownstreamDetailed, InterfaceAddress};
use super::fec::TargetFec;
use super::message::{EchoMessage, GlobalFlags, MessageType, ReplyMode};
use super::return_code::ReturnCode;
use super::tlv::{P2mpResponder, Tlv};

/// An LSP or pseudowire to send requests into, by a number of the embedder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LspRef(pub u64);

/// A ping or a traceroute that runs: the sender's handle of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u32);

/// Bad configuration of a probe: which field, and what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A FEC stack is what is tested.
    #[error("fecs: one at least")]
    NoFec,
    /// A number that must not be zero.
    #[error("{0}: more than zero")]
    Zero(&'static str),
    /// There are as many probes as there may be.
    #[error("max_probes: {0} probes run")]
    TooMany(usize),
}

/// What a probe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeMode {
    /// Requests to the end of the LSP.
    Ping {
        /// How many.
        count: u32,
        /// How far apart.
        interval: Duration,
    },
    /// Requests that expire at each hop in turn.
    Traceroute {
        /// How far, at most.
        max_ttl: u8,
    },
}

/// A ping or a traceroute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where requests go.
    pub lsp: LspRef,
    /// The FECs of the labels, that of the top label first.
    pub fecs: Vec<TargetFec>,
    /// Ping or traceroute.
    pub mode: ProbeMode,
    /// How replies are to come. Default UDP.
    pub reply_mode: ReplyMode,
    /// How long to wait for replies, beside their delay. Default 2 s.
    pub timeout: Duration,
    /// How long replies are to be delayed at random, in whole milliseconds. Default none; of trees 1 s.
    pub jitter: Option<Duration>,
    /// Who is to answer; `None`: everyone.
    pub responder: Option<P2mpResponder>,
    /// Egresses that are to answer a ping: those that did not are named at its end.
    pub expected: Vec<IpAddr>,
    /// Ask for the check of FECs. Default on.
    pub validate: bool,
    /// Our discriminator of a BFD session for the LSP (RFC 5884 §6.1).
    pub bfd_discriminator: Option<u32>,
    /// Octets of padding, which the reply does not return.
    pub pad: u16,
}

impl Probe {
    /// A probe with defaults.
    #[must_use]
    pub fn new(lsp: LspRef, fecs: Vec<TargetFec>, mode: ProbeMode) -> Self {
        let is_tree = fecs.iter().any(TargetFec::is_multipoint);
        Self {
            lsp,
            fecs,
            mode,
            reply_mode: ReplyMode::UDP,
            timeout: Duration::from_secs(2),
            jitter: is_tree.then_some(Duration::from_secs(1)),
            responder: None,
            expected: Vec::new(),
            validate: true,
            bfd_discriminator: None,
            pad: 0,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum ProbeInput<'a> {
    /// A datagram from port 3503 to the port that requests came from.
    Reply {
        /// Its source.
        from: IpAddr,
        /// The message.
        octets: &'a [u8],
    },
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutput {
    /// Send a request to port 3503, with an IP TTL of 1 and Router Alert (RFC 8029 §4.3).
    Request {
        /// Whose.
        probe: ProbeId,
        /// The LSP.
        lsp: LspRef,
        /// The TTL of the label under test.
        ttl: u8,
        /// The datagram's destination, of 127/8.
        to: IpAddr,
        /// The message; its time of day is still to be set with [`Prober::stamp`].
        octets: Vec<u8>,
    },
    /// Something that the operator wants to know.
    Event(ProbeEvent),
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReply {
    /// Who sent it.
    pub from: IpAddr,
    /// Of which request.
    pub sequence: u32,
    /// The TTL of the request.
    pub ttl: u8,
    /// What became of the request there.
    pub code: ReturnCode,
    /// The stack depth of the code.
    pub subcode: u8,
    /// The time since the request was sent; with delayed replies it says little (RFC 6425 §4.1.2).
    pub time: Duration,
    /// Where the node sends the LSP's packets.
    pub downstreams: Vec<DownstreamDetailed>,
}

/// Something that the operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeEvent {
    /// A reply came.
    Reply(ProbeId, ProbeReply),
    /// Nobody answered a request of a traceroute.
    Silent {
        /// Whose.
        probe: ProbeId,
        /// The TTL.
        ttl: u8,
    },
    /// The probe ended.
    Done {
        /// Which.
        probe: ProbeId,
        /// Requests sent.
        sent: u32,
        /// Egresses that answered.
        egresses: Vec<IpAddr>,
        /// Of a ping: expected egresses that never answered as such.
        missing: Vec<IpAddr>,
        /// Of a traceroute: nodes that answered, and the next nodes they named that did not: there the LSP is broken.
        broken: Vec<(IpAddr, IpAddr)>,
    },
}

/// How a node asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProberConfig {
    /// Seed of handles and destinations.
    pub seed: u64,
    /// Probes at a time, at most. Default 64.
    pub max_probes: usize,
    /// Replies to one probe that are looked at, at most. Default 65,536.
    pub max_replies: u32,
}

impl Default for ProberConfig {
    fn default() -> Self {
        Self { seed: 0, max_probes: 64, max_replies: 65_536 }
    }
}

#[derive(Clone, Debug)]
struct Running {
    probe: Probe,
    /// FECs as traced so far: those that a reply pushed are on top.
    fecs: Vec<TargetFec>,
    mapping: Option<DownstreamDetailed>,
    ttl: u8,
    sequence: u32,
    sent_at: BTreeMap<u32, Instant>,
    replies: u32,
    egresses: BTreeSet<IpAddr>,
    /// Next nodes that replies of the last TTL named, and who named them.
    named: Vec<(IpAddr, DownstreamDetailed)>,
    before: Vec<(IpAddr, DownstreamDetailed)>,
    /// Who answered at this TTL.
    heard: BTreeSet<IpAddr>,
    broken: Vec<(IpAddr, IpAddr)>,
    destination: Ipv4Addr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The next request of a ping.
    Next(ProbeId),
    /// Replies to the last request are late.
    Wait(ProbeId),
}

/// Sends echo requests and tells what replies say.
#[derive(Clone, Debug)]
pub struct Prober {
    config: ProberConfig,
    running: BTreeMap<ProbeId, Running>,
    timers: Timers<Timer>,
    queue: VecDeque<ProbeOutput>,
    random: Random,
}

impl Prober {
    /// A node that asks nothing yet.
    ///
    /// # Errors
    /// A limit of zero.
    pub fn new(_now: Instant, config: ProberConfig) -> Result<Self, ProbeError> {
        if config.max_probes == 0 {
            return Err(ProbeError::Zero("max_probes"));
        }
        let (running, timers, queue) = (BTreeMap::new(), Timers::new(), VecDeque::new());
        Ok(Self { running, timers, queue, random: Random::new(config.seed), config })
    }

    /// Starts a probe.
    ///
    /// # Errors
    /// No FEC, a count or TTL of zero, too many probes.
    pub fn start(&mut self, now: Instant, probe: Probe) -> Result<ProbeId, ProbeError> {
        if probe.fecs.is_empty() {
            return Err(ProbeError::NoFec);
        }
        match probe.mode {
            ProbeMode::Ping { count: 0, .. } => return Err(ProbeError::Zero("count")),
            ProbeMode::Traceroute { max_ttl: 0 } => return Err(ProbeError::Zero("max_ttl")),
            _ => {}
        }
        if self.running.len() >= self.config.max_probes {
            return Err(ProbeError::TooMany(self.running.len()));
        }
        let id = loop {
            let id = ProbeId(u32::try_from(self.random.next() >> 32).unwrap_or(0));
            if !self.running.contains_key(&id) {
                break id;
            }
        };
        let [.., b, c, d] = self.random.next().to_be_bytes();
        let trace = matches!(probe.mode, ProbeMode::Traceroute { .. });
        let running = Running {
            fecs: probe.fecs.clone(),
            // The first node is not known: it is asked without a check.
            mapping: trace.then(|| DownstreamDetailed::new(0, InterfaceAddress::ALL_ROUTERS_V4, Vec::new())),
            ttl: if trace { 1 } else { 255 },
            sequence: 0,
            sent_at: BTreeMap::new(),
            replies: 0,
            egresses: BTreeSet::new(),
            named: Vec::new(),
            before: Vec::new(),
            heard: BTreeSet::new(),
            broken: Vec::new(),
            destination: Ipv4Addr::new(127, b, c, d.max(1)),
            probe,
        };
        self.running.insert(id, running);
        self.send(now, id);
        Ok(id)
    }

    /// Ends a probe before its time; nothing more is said of it.
    pub fn stop(&mut self, id: ProbeId) {
        self.running.remove(&id);
        self.timers.clear(Timer::Next(id));
        self.timers.clear(Timer::Wait(id));
    }

    /// Writes the time of day into a request, just before it is sent.
    pub fn stamp(octets: &mut [u8], time: u64) {
        if let Some(field) = octets.get_mut(16..24) {
            field.copy_from_slice(&time.to_be_bytes());
        }
    }

    fn send(&mut self, now: Instant, id: ProbeId) {
        let Some(running) = self.running.get_mut(&id) else { return };
        running.sequence = running.sequence.saturating_add(1);
        running.sent_at.insert(running.sequence, now);
        let octets = running.request(id);
        let (lsp, ttl, to) = (running.probe.lsp, running.ttl, running.destination.into());
        let wait = running.probe.timeout + running.probe.jitter.unwrap_or_default();
        self.timers.set(Timer::Wait(id), now + wait);
        if let ProbeMode::Ping { count, interval } = running.probe.mode {
            if running.sequence < count {
                self.timers.set(Timer::Next(id), now + interval);
            }
        }
        self.queue.push_back(ProbeOutput::Request { probe: id, lsp, ttl, to, octets });
    }

    /// Takes a reply. One that nobody asked for is dropped.
    pub fn handle_input(&mut self, now: Instant, input: ProbeInput<'_>) {
        let ProbeInput::Reply { from, octets } = input;
        let Ok(message) = EchoMessage::parse(octets) else { return };
        if message.kind != MessageType::ECHO_REPLY {
            return;
        }
        let (id, most) = (ProbeId(message.handle), self.config.max_replies);
        let Some(running) = self.running.get_mut(&id) else { return };
        let Some(sent) = running.sent_at.get(&message.sequence).copied() else { return };
        let current = message.sequence == running.sequence;
        if running.replies >= most {
            return;
        }
        running.replies = running.replies.saturating_add(1);
        let downstreams: Vec<DownstreamDetailed> = message.downstreams().cloned().collect();
        let reply = ProbeReply {
            from,
            sequence: message.sequence,
            ttl: running.ttl,
            code: message.return_code,
            subcode: message.return_subcode,
            time: now - sent,
            downstreams,
        };
        let is_egress = reply.code == ReturnCode::EGRESS;
        // A tunnel's end is not the end of what is traced (RFC 8029 §4.6).
        let is_inner = is_egress && running.fecs.len() > running.probe.fecs.len();
        if is_egress && !is_inner {
            running.egresses.insert(from);
        }
        let trace = matches!(running.probe.mode, ProbeMode::Traceroute { .. });
        if trace && current {
            running.heard.insert(from);
            running.named.extend(reply.downstreams.iter().map(|mapping| (from, mapping.clone())));
        }
        let code = reply.code;
        self.queue.push_back(ProbeOutput::Event(ProbeEvent::Reply(id, reply)));
        let is_tree = running.probe.fecs.iter().any(TargetFec::is_multipoint);
        if !trace || !current || is_tree {
            return;
        }
        // One node answers at each hop: no need to wait for others.
        if is_inner {
            running.fecs.remove(0);
            self.send(now, id);
            return;
        }
        let goes_on = [ReturnCode::LABEL_SWITCHED, ReturnCode::SEE_DDMAP, ReturnCode::LABEL_SWITCHED_WITH_FEC_CHANGE];
        if goes_on.contains(&code) { self.next_hop(now, id) } else { self.done(id) }
    }

    /// Replies to the last request are in: on to the next hop, if there is one.
    fn next_hop(&mut self, now: Instant, id: ProbeId) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let ProbeMode::Traceroute { max_ttl } = running.probe.mode else { return };
        let silent = running.heard.is_empty();
        let ttl = running.ttl;
        running.compare();
        let ends = (running.named.is_empty() && !silent) || ttl >= max_ttl;
        if silent {
            self.queue.push_back(ProbeOutput::Event(ProbeEvent::Silent { probe: id, ttl }));
        }
        let Some(running) = self.running.get_mut(&id) else { return };
        let is_tree = running.probe.fecs.iter().any(TargetFec::is_multipoint);
        // Behind a tree's node that is silent nobody will be heard; a node of a path may just not answer.
        if ends || (silent && is_tree) || !running.follow(is_tree) {
            self.done(id);
            return;
        }
        running.ttl = running.ttl.saturating_add(1);
        self.send(now, id);
    }

    fn done(&mut self, id: ProbeId) {
        let Some(mut running) = self.running.remove(&id) else { return };
        self.timers.clear(Timer::Next(id));
        self.timers.clear(Timer::Wait(id));
        running.compare();
        let ping = matches!(running.probe.mode, ProbeMode::Ping { .. });
        let missing = running.probe.expected.iter().filter(|egress| ping && !running.egresses.contains(egress));
        let event = ProbeEvent::Done {
            probe: id,
            sent: running.sequence,
            missing: missing.copied().collect(),
            egresses: running.egresses.iter().copied().collect(),
            broken: running.broken,
        };
        self.queue.push_back(ProbeOutput::Event(event));
    }

    /// Sends what is due, and gives up waiting.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Next(id) => self.send(now, id),
                Timer::Wait(id) => match self.running.get(&id).map(|running| running.probe.mode) {
                    Some(ProbeMode::Ping { .. }) if self.timers.get(Timer::Next(id)).is_some() => {}
                    Some(ProbeMode::Ping { .. }) => self.done(id),
                    Some(ProbeMode::Traceroute { .. }) => self.next_hop(now, id),
                    None => {}
                },
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called next. Every method that takes `now` may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// The next request or event, in order.
    pub fn poll_output(&mut self) -> Option<ProbeOutput> {
        self.queue.pop_front()
    }
}

impl Running {
    fn request(&self, id: ProbeId) -> Vec<u8> {
        let probe = &self.probe;
        let mut tlvs = alloc::vec![Tlv::TargetFecStack(self.fecs.clone())];
        tlvs.extend(self.mapping.clone().map(|mapping| Tlv::DownstreamDetailed(Box::new(mapping))));
        tlvs.extend(probe.responder.clone().map(|responder| Tlv::P2mpResponder(alloc::vec![responder])));
        let jitter = probe.jitter.map(|jitter| u32::try_from(jitter.as_millis()).unwrap_or(u32::MAX));
        tlvs.extend(jitter.map(Tlv::EchoJitter));
        tlvs.extend(probe.bfd_discriminator.map(Tlv::BfdDiscriminator));
        tlvs.extend(probe.pad.checked_sub(1).map(|len| Tlv::Pad { first: 1, len }));
        let mut flags = GlobalFlags::empty();
        flags.set(GlobalFlags::VALIDATE_FEC_STACK, probe.validate);
        let is_tree = probe.fecs.iter().any(TargetFec::is_multipoint);
        let trace = matches!(probe.mode, ProbeMode::Traceroute { .. });
        flags.set(GlobalFlags::RESPOND_ONLY_IF_TTL_EXPIRED, trace && is_tree);
        let message = EchoMessage {
            flags,
            kind: MessageType::ECHO_REQUEST,
            reply_mode: probe.reply_mode,
            return_code: ReturnCode::NONE,
            return_subcode: 0,
            handle: id.0,
            sequence: self.sequence,
            sent: 0,
            received: 0,
            tlvs,
        };
        let mut octets = Vec::with_capacity(message.wire_len());
        message.emit(&mut octets);
        octets
    }

    /// Who was named by the hop before and did not answer.
    fn compare(&mut self) {
        let before = core::mem::take(&mut self.before);
        for (by, mapping) in before {
            let answered = self.heard.iter().any(|heard| mapping_is_of(&mapping, *heard));
            // A path of unicast has one next node; it may answer from another of its addresses.
            let other = !self.heard.is_empty() && !self.probe.fecs.iter().any(TargetFec::is_multipoint);
            if !answered && !other {
                self.broken.push((by, mapping.address.address()));
            }
        }
    }

    /// What the next request carries; `false`: the path cannot be followed.
    fn follow(&mut self, is_tree: bool) -> bool {
        let named = core::mem::take(&mut self.named);
        self.heard.clear();
        if !is_tree {
            if let Some((_, mapping)) = named.first() {
                let Some(fecs) = changed_stack(&self.fecs, mapping) else { return false };
                self.fecs = fecs;
                let mut next = mapping.clone();
                (next.return_code, next.return_subcode) = (ReturnCode::NONE, 0);
                next.sub_tlvs.retain(|sub| !matches!(sub, super::DownstreamSubTlv::FecStackChange(_)));
                self.mapping = Some(next);
            } else {
                self.mapping = Some(DownstreamDetailed::new(0, InterfaceAddress::ALL_ROUTERS_V4, Vec::new()));
            }
        }
        self.before = named;
        true
    }
}

fn mapping_is_of(mapping: &DownstreamDetailed, node: IpAddr) -> bool {
    let interface = match mapping.address {
        InterfaceAddress::V4 { interface, .. } => Some(IpAddr::V4(interface)),
        InterfaceAddress::V6 { interface, .. } => Some(IpAddr::V6(interface)),
        _ => None,
    };
    mapping.address.address() == node || interface == Some(node)
}

/// The FEC stack behind a node (RFC 8029 §4.6); `None`: its changes make no sense.
fn changed_stack(fecs: &[TargetFec], mapping: &DownstreamDetailed) -> Option<Vec<TargetFec>> {
    let mut stack: Vec<TargetFec> = fecs.to_vec();
    let mut push_seen = false;
    for change in mapping.changes() {
        match (&change.fec, change.push) {
            (Some(fec), true) => {
                push_seen = true;
                stack.insert(0, fec.clone());
            }
            (_, false) if !push_seen && !stack.is_empty() => drop(stack.remove(0)),
            _ => return None,
        }
    }
    (!stack.is_empty()).then_some(stack)
}
