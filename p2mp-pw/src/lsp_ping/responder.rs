//! A node that answers echo requests: limits, delays, replies (RFC 8029 §4.4, §4.5, RFC 6425 §4.2).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{IfIndex, Label};
use fwd_core::random::Random;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::answer::{Answer, FecBinding, InterfaceInfo, LabelOperation, View};
use super::fec::TargetFec;
use super::message::{EchoMessage, MessageType, ReplyMode};
use super::return_code::ReturnCode;
use super::tlv::{ReceivedLabel, Tlv};
use crate::bfd::PwRef;

/// Bad configuration: which field, and what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponderError {
    /// No address to answer from.
    #[error("addresses: one at least")]
    NoAddress,
    /// A limit of zero.
    #[error("{0}: more than zero")]
    Zero(&'static str),
}

/// How a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderConfig {
    /// Our addresses. Replies come from the first of the request's family.
    pub addresses: Vec<IpAddr>,
    /// Check FECs of LSPs that pass through even if the request does not ask for it. Default off.
    pub validate: bool,
    /// Requests a second that are looked at, in bursts of as many. Default 100.
    pub rate: u32,
    /// How long a request may have its reply delayed, at most. Default 2 s.
    pub max_jitter: Duration,
    /// Replies that may wait, at most. Default 1,024.
    pub max_waiting: usize,
    /// Seed of delays.
    pub seed: u64,
}

impl ResponderConfig {
    /// A node with defaults.
    #[must_use]
    pub const fn new(addresses: Vec<IpAddr>) -> Self {
        let max_jitter = Duration::from_secs(2);
        Self { addresses, validate: false, rate: 100, max_jitter, max_waiting: 1024, seed: 0 }
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The interface.
    pub iface: IfIndex,
    /// The labels as they came, top first.
    pub labels: &'a [ReceivedLabel],
    /// The datagram's source.
    pub from: IpAddr,
    /// The datagram's source port.
    pub source_port: u16,
    /// The pseudowire, if it came in the control channel of one.
    pub channel: Option<PwRef>,
    /// The time of day, as NTP has it.
    pub time: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum ResponderInput<'a> {
    /// A datagram to port 3503.
    Request {
        /// How it came.
        arrival: Arrival<'a>,
        /// The message.
        octets: &'a [u8],
    },
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponderOutput {
    /// Send a datagram from port 3503 with TTL 255.
    Reply {
        /// Its source.
        from: IpAddr,
        /// Its destination.
        to: IpAddr,
        /// Its destination port.
        port: u16,
        /// With the Router Alert option.
        router_alert: bool,
        /// With this type of service.
        tos: Option<u8>,
        /// In the control channel of this pseudowire (reply mode 4).
        channel: Option<PwRef>,
        /// The message.
        octets: Vec<u8>,
    },
    /// Something to act on, log or count.
    Event(ResponderEvent),
}

/// Something to act on, log or count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponderEvent {
    /// The ingress of an LSP that ends here wants a BFD session (RFC 5884 §6).
    BfdDiscriminator {
        /// The FEC.
        fec: TargetFec,
        /// The ingress.
        from: IpAddr,
        /// Its discriminator.
        discriminator: u32,
    },
    /// A limit was reached: `rate`, `max_waiting`. At most once a second.
    TooMany(&'static str),
}

/// Requests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponderCounters {
    /// Requests.
    pub received: u64,
    /// Replies.
    pub replied: u64,
    /// Not for this node, or not to be answered.
    pub unanswered: u64,
    /// No echo request at all.
    pub malformed: u64,
    /// Dropped at a limit.
    pub limited: u64,
}

/// Answers echo requests from what it is told of labels and FECs: labels by the forwarding plane, FECs by label distribution, so that a
/// difference between both is found.
#[derive(Clone, Debug)]
pub struct Responder {
    config: ResponderConfig,
    view: View,
    waiting: BTreeMap<u64, ResponderOutput>,
    timers: Timers<u64>,
    serial: u64,
    /// Requests that may be looked at, in millionths, as of `refilled`.
    tokens: u64,
    refilled: Instant,
    queue: VecDeque<ResponderOutput>,
    random: Random,
    counters: ResponderCounters,
    complained: Option<Instant>,
}

const TOKEN: u64 = 1_000_000;

impl Responder {
    /// A node that knows no label.
    ///
    /// # Errors
    /// No address, or a limit of zero.
    pub fn new(now: Instant, config: ResponderConfig) -> Result<Self, ResponderError> {
        if config.addresses.is_empty() {
            return Err(ResponderError::NoAddress);
        }
        if config.rate == 0 {
            return Err(ResponderError::Zero("rate"));
        }
        if config.max_waiting == 0 {
            return Err(ResponderError::Zero("max_waiting"));
        }
        let view = View { addresses: config.addresses.clone(), validate: config.validate, ..View::default() };
        Ok(Self {
            view,
            waiting: BTreeMap::new(),
            timers: Timers::new(),
            serial: 0,
            tokens: u64::from(config.rate) * TOKEN,
            refilled: now,
            queue: VecDeque::new(),
            random: Random::new(config.seed),
            counters: ResponderCounters::default(),
            complained: None,
            config,
        })
    }

    /// What the forwarding plane does with a label; `None`: there is no entry.
    pub fn set_label(&mut self, label: Label, operation: Option<LabelOperation>) {
        match operation {
            Some(operation) => self.view.labels.insert(label, operation),
            None => self.view.labels.remove(&label),
        };
    }

    /// What label distribution advertised for a FEC; `None`: nothing.
    pub fn set_fec(&mut self, fec: TargetFec, binding: Option<FecBinding>) {
        match binding {
            Some(binding) => self.view.fecs.insert(fec, binding),
            None => self.view.fecs.remove(&fec),
        };
    }

    /// What is known of an interface; `None`: nothing.
    pub fn set_interface(&mut self, iface: IfIndex, interface: Option<InterfaceInfo>) {
        match interface {
            Some(interface) => self.view.interfaces.insert(iface, interface),
            None => self.view.interfaces.remove(&iface),
        };
    }

    /// What became of requests.
    #[must_use]
    pub const fn counters(&self) -> &ResponderCounters {
        &self.counters
    }

    /// Takes a request.
    pub fn handle_input(&mut self, now: Instant, input: ResponderInput<'_>) {
        let ResponderInput::Request { arrival, octets } = input;
        self.counters.received = self.counters.received.saturating_add(1);
        if !self.take_token(now) {
            self.limited(now, "rate");
            return;
        }
        let Ok((_, header)) = EchoMessage::take_header(octets) else {
            self.counters.malformed = self.counters.malformed.saturating_add(1);
            return;
        };
        // Never a reply to a reply (RFC 8029 §4.5).
        if header.kind != MessageType::ECHO_REQUEST {
            self.counters.malformed = self.counters.malformed.saturating_add(1);
            return;
        }
        let (request, answer) = match EchoMessage::parse(octets) {
            Ok(request) => {
                let answer = self.view.answer(&request, &arrival);
                (request, answer)
            }
            Err(_) => (header, Some(Answer { code: ReturnCode::MALFORMED, subcode: 0, tlvs: Vec::new() })),
        };
        let Some(answer) = answer else {
            self.counters.unanswered = self.counters.unanswered.saturating_add(1);
            return;
        };
        self.bootstrap(&request, &answer, arrival.from);
        self.reply(now, &request, answer, &arrival);
    }

    /// A BFD session that the ingress wants, if the FEC is ours.
    fn bootstrap(&mut self, request: &EchoMessage, answer: &Answer, from: IpAddr) {
        let discriminator = request.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::BfdDiscriminator(discriminator) => Some(*discriminator),
            _ => None,
        });
        let (Some(discriminator), Some(fec)) = (discriminator, request.fecs().last()) else { return };
        if answer.code == ReturnCode::EGRESS && discriminator != 0 {
            let event = ResponderEvent::BfdDiscriminator { fec: fec.clone(), from, discriminator };
            self.queue.push_back(ResponderOutput::Event(event));
        }
    }

    fn reply(&mut self, now: Instant, request: &EchoMessage, answer: Answer, arrival: &Arrival<'_>) {
        let (router_alert, channel) = match (request.reply_mode, arrival.channel) {
            (ReplyMode::UDP, _) => (false, None),
            (ReplyMode::UDP_ROUTER_ALERT, _) => (true, None),
            (ReplyMode::CONTROL_CHANNEL, Some(pw)) => (false, Some(pw)),
            _ => {
                self.counters.unanswered = self.counters.unanswered.saturating_add(1);
                return;
            }
        };
        if self.waiting.len().saturating_add(self.queue.len()) >= self.config.max_waiting {
            self.limited(now, "max_waiting");
            return;
        }
        let v4 = arrival.from.is_ipv4();
        let Some(from) = self.config.addresses.iter().copied().find(|address| address.is_ipv4() == v4) else {
            self.counters.unanswered = self.counters.unanswered.saturating_add(1);
            return;
        };
        let mut jitter = None;
        let mut tos = None;
        let mut tlvs = answer.tlvs;
        for tlv in &request.tlvs {
            match tlv {
                Tlv::EchoJitter(ms) => jitter = Some(Duration::from_millis((*ms).into()).min(self.config.max_jitter)),
                Tlv::ReplyTos(value) => tos = Some(*value),
                Tlv::Pad { first: 2, .. } => tlvs.push(tlv.clone()),
                _ => {}
            }
        }
        let message = EchoMessage {
            flags: request.flags - super::GlobalFlags::RESPOND_ONLY_IF_TTL_EXPIRED,
            kind: MessageType::ECHO_REPLY,
            reply_mode: request.reply_mode,
            return_code: answer.code,
            return_subcode: answer.subcode,
            handle: request.handle,
            sequence: request.sequence,
            sent: request.sent,
            // The time before any delay (RFC 6425 §4.1.2).
            received: arrival.time,
            tlvs,
        };
        let mut octets = Vec::with_capacity(message.wire_len());
        message.emit(&mut octets);
        let (to, port) = (arrival.from, arrival.source_port);
        let output = ResponderOutput::Reply { from, to, port, router_alert, tos, channel, octets };
        self.counters.replied = self.counters.replied.saturating_add(1);
        match jitter {
            None => self.queue.push_back(output),
            Some(most) => {
                self.serial = self.serial.wrapping_add(1);
                self.waiting.insert(self.serial, output);
                self.timers.set(self.serial, now + self.random.up_to(most));
            }
        }
    }

    fn take_token(&mut self, now: Instant) -> bool {
        let rate = u64::from(self.config.rate);
        let micros = u64::try_from((now - self.refilled).as_micros()).unwrap_or(u64::MAX);
        self.refilled = now;
        self.tokens = self.tokens.saturating_add(micros.saturating_mul(rate)).min(rate * TOKEN);
        match self.tokens.checked_sub(TOKEN) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    fn limited(&mut self, now: Instant, limit: &'static str) {
        self.counters.limited = self.counters.limited.saturating_add(1);
        if self.complained.is_none_or(|last| now - last >= Duration::from_secs(1)) {
            self.complained = Some(now);
            self.queue.push_back(ResponderOutput::Event(ResponderEvent::TooMany(limit)));
        }
    }

    /// Sends replies whose delay is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(serial) = self.timers.expired(now) {
            self.queue.extend(self.waiting.remove(&serial));
        }
    }

    /// When [`Self::handle_timeout`] is to be called next. Requests change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// The next reply or event, in order.
    pub fn poll_output(&mut self) -> Option<ResponderOutput> {
        self.queue.pop_front()
    }
}
