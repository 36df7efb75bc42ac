//! Queries and Requests at a router (RFC 8487 §4.1 to §4.4).
#![allow(clippy::arithmetic_side_effects)] // of instants, which saturate

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::PORT;
use super::block::{AugmentedType, Block, ForwardingCode, Hop, Packets, StandardBlock};
use super::message::{MessageKind, TraceMessage};
use crate::pim::{MribRoute, PimAddress, PimRouter, PrefixFilter, TracedPath};

/// How long a Query is remembered, so that its duplicate is not answered (RFC 8487 §4.1.1).
const REMEMBERED: Duration = Duration::from_secs(10);
/// IANAipMRouteProtocol pimSparseMode.
const PIM_SPARSE: u16 = 8;
/// IPv6 messages are not longer (RFC 8487 §3).
const MOST_IPV6: usize = 1280;

/// A responder.
#[derive(Clone, Debug)]
pub struct ResponderConfig<A: PimAddress> {
    /// Source of messages that no interface gives one for; in IPv6 the global address that names the router.
    pub router_address: A,
    /// Which clients are answered: those within the administrative boundary (RFC 8487 §4.1.1, §9.2).
    pub clients: PrefixFilter<A>,
    /// Traces are answered with ADMIN_PROHIB.
    pub prohibited: bool,
    /// Requests need a TTL or hop limit of 255 (RFC 5082). Default true.
    pub gtsm: bool,
    /// Octets of a packet on a link; at least 576.
    pub mtu: u16,
    /// Queries and Requests in a second, default 20.
    pub messages_per_second: u32,
    /// Queries that are remembered, default 64.
    pub remembered: usize,
}

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponderError {
    /// Not a unicast address.
    #[error("router_address: not a unicast address")]
    RouterAddress,
    /// Too small for a message.
    #[error("mtu: below 576")]
    Mtu,
    /// Zero.
    #[error("messages_per_second: zero")]
    MessagesPerSecond,
}

impl<A: PimAddress> ResponderConfig<A> {
    /// Defaults for everything but the address.
    #[must_use]
    pub fn new(router_address: A) -> Self {
        Self {
            router_address,
            clients: PrefixFilter::default(),
            prohibited: false,
            gtsm: true,
            mtu: 1500,
            messages_per_second: 20,
            remembered: 64,
        }
    }
}

/// Where a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<A> {
    /// The interface.
    pub interface: IfIndex,
    /// Source of the IP header.
    pub from: A,
    /// Destination of the IP header.
    pub to: A,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// The time as the middle 32 bits of an NTP timestamp.
    pub ntp: u32,
}

/// What the embedder knows and the PIM router does not.
#[derive(Clone, Copy)]
pub struct Known<'k, A> {
    /// The packets of the interfaces, and of a source and group.
    pub packets: &'k dyn Fn(Option<A>, Option<A>) -> Packets,
    /// The multicast RIB's route to a source that no tree is of.
    pub route: &'k dyn Fn(A) -> Option<MribRoute<A>>,
}

/// A message to be sent in a UDP datagram that is not fragmented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceOutput<A> {
    /// Where; `None` is by unicast routing.
    pub interface: Option<IfIndex>,
    /// Source of the IP header.
    pub from: A,
    /// Destination of the IP header.
    pub to: A,
    /// Destination port.
    pub port: u16,
    /// The payload.
    pub octets: Vec<u8>,
}

/// A router's part in traces of one VRF and family.
#[derive(Clone, Debug)]
pub struct Responder<A: PimAddress> {
    config: ResponderConfig<A>,
    seen: VecDeque<(A, u16, Instant)>,
    second: Instant,
    taken: u32,
    /// Messages that were dropped: malformed, of strangers, or too many.
    pub dropped: u64,
}

impl<A: PimAddress> Responder<A> {
    /// A responder that has seen nothing.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(now: Instant, config: ResponderConfig<A>) -> Result<Self, ResponderError> {
        if !config.router_address.is_host() {
            return Err(ResponderError::RouterAddress);
        }
        if config.mtu < 576 {
            return Err(ResponderError::Mtu);
        }
        if config.messages_per_second == 0 {
            return Err(ResponderError::MessagesPerSecond);
        }
        Ok(Self { config, seen: VecDeque::new(), second: now, taken: 0, dropped: 0 })
    }

    /// A message to port 33435.
    pub fn handle_input(
        &mut self,
        now: Instant,
        at: Arrival<A>,
        octets: &[u8],
        pim: &PimRouter<A>,
        known: Known<'_, A>,
    ) -> Vec<TraceOutput<A>> {
        if !self.admit(now) {
            self.dropped = self.dropped.saturating_add(1);
            return Vec::new();
        }
        let Ok(message) = TraceMessage::<A>::parse(octets) else {
            self.dropped = self.dropped.saturating_add(1);
            return Vec::new();
        };
        let any = TraceMessage::<A>::any();
        let (group, source) = (Some(message.group).filter(|g| *g != any), Some(message.source).filter(|s| *s != any));
        let valid = (group.is_some() || source.is_some())
            && group.is_none_or(|g| g.is_multicast())
            && source.is_none_or(|s| s.is_host())
            && message.client.is_host()
            && self.config.clients.permits(message.client);
        let handled = match message.kind {
            _ if !valid => None,
            MessageKind::Query => self.query(now, at, message, pim, group, source, known),
            MessageKind::Request => self.request(at, message, pim, group, source, known),
            // Replies are the client's.
            MessageKind::Reply => None,
        };
        if handled.is_none() {
            self.dropped = self.dropped.saturating_add(1);
        }
        handled.unwrap_or_default()
    }

    fn admit(&mut self, now: Instant) -> bool {
        if now >= self.second + Duration::from_secs(1) {
            (self.second, self.taken) = (now, 0);
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= self.config.messages_per_second
    }

    // RFC 8487 §4.1
    #[allow(clippy::too_many_arguments)]
    fn query(
        &mut self,
        now: Instant,
        at: Arrival<A>,
        mut message: TraceMessage<A>,
        pim: &PimRouter<A>,
        group: Option<A>,
        source: Option<A>,
        known: Known<'_, A>,
    ) -> Option<Vec<TraceOutput<A>>> {
        if message.blocks.iter().any(|b| matches!(b, Block::Standard(_) | Block::Augmented(..))) {
            return None;
        }
        self.seen.retain(|(.., at)| now < *at + REMEMBERED);
        if self.seen.iter().any(|(client, id, _)| (*client, *id) == (message.client, message.id)) {
            return Some(Vec::new());
        }
        if self.seen.len() >= self.config.remembered {
            self.seen.pop_front();
        }
        self.seen.push_back((message.client, message.id, now));
        // The outgoing interface is the client's link; a client elsewhere asks about the interface that its Query came by.
        let link = pim.link_of(message.client);
        let proper = link.is_some_and(|i| group.is_none_or(|g| pim.forwards_for_members(i, g, source)));
        if !proper && !pim.is_rp_address(at.to) {
            if at.to.is_multicast() {
                return Some(Vec::new());
            }
            message.kind = MessageKind::Reply;
            let code = ForwardingCode::WRONG_LAST_HOP;
            message.blocks.push(Block::Standard(StandardBlock::empty(A::LEN == 4, code)));
            return Some(Vec::from([self.reply(&message, None, pim)]));
        }
        let unknown = message.blocks.iter().any(|b| matches!(b, Block::Extended { transitive: false, .. }));
        message.kind = MessageKind::Request;
        let outgoing = link.unwrap_or(at.interface);
        Some(self.process(Arrival { interface: outgoing, ..at }, message, pim, group, source, known, unknown))
    }

    // RFC 8487 §4.2.1
    fn request(
        &mut self,
        at: Arrival<A>,
        message: TraceMessage<A>,
        pim: &PimRouter<A>,
        group: Option<A>,
        source: Option<A>,
        known: Known<'_, A>,
    ) -> Option<Vec<TraceOutput<A>>> {
        let adjacent = pim.neighbor_with(at.interface, at.from).is_some();
        let addressed = pim.is_local(at.to) || at.to.is_multicast() && at.to.is_link_scope_group();
        let near = !self.config.gtsm || at.hop_limit == u8::MAX;
        if !(adjacent && addressed && near) || traced(&message) >= usize::from(message.hops) {
            return None;
        }
        Some(self.process(at, message, pim, group, source, known, false))
    }

    // RFC 8487 §4.2.2; the numbers are those of its steps.
    #[allow(clippy::too_many_arguments)]
    fn process(
        &self,
        at: Arrival<A>,
        mut message: TraceMessage<A>,
        pim: &PimRouter<A>,
        group: Option<A>,
        source: Option<A>,
        known: Known<'_, A>,
        unknown: bool,
    ) -> Vec<TraceOutput<A>> {
        // 1, 2, 3
        let mut block = StandardBlock::empty(A::LEN == 4, ForwardingCode::NO_ERROR);
        block.arrival = at.ntp;
        let note = |block: &mut StandardBlock, code| {
            if block.code == ForwardingCode::NO_ERROR {
                block.code = code;
            }
        };
        if unknown {
            note(&mut block, ForwardingCode::UNKNOWN_QUERY);
        }
        if self.config.prohibited {
            note(&mut block, ForwardingCode::ADMIN_PROHIB);
        }
        // 4, 5
        let Some(path) = pim.traced_path(group, source, at.interface, known.route) else {
            note(&mut block, ForwardingCode::NO_ROUTE);
            block.hop = self.hop(None, at.interface, pim);
            return Vec::from([self.finish(message, block, Some(at.interface), pim)]);
        };
        // 6
        block.hop = if self.config.prohibited {
            self.hop(None, at.interface, pim)
        } else {
            block.packets = (known.packets)(source, group);
            block.multicast_routing = PIM_SPARSE;
            block.mask = if path.shared { 0x7f } else { A::BITS };
            if path.shared && A::LEN != 4 {
                block.mask = u8::MAX;
            }
            self.hop(Some(&path), at.interface, pim)
        };
        // 7, 8, 9
        let code = if pim.address(at.interface).is_none() {
            ForwardingCode::NO_MULTICAST
        } else if path.incoming == Some(at.interface) {
            ForwardingCode::RPF_IF
        } else if !path.forwards && !path.prune_received {
            ForwardingCode::WRONG_IF
        } else if path.is_rp && source.is_none() {
            ForwardingCode::REACHED_RP
        } else {
            ForwardingCode::NO_ERROR
        };
        note(&mut block, code);
        // 11
        if path.prune_sent {
            note(&mut block, ForwardingCode::PRUNE_SENT);
        }
        if path.prune_received {
            note(&mut block, ForwardingCode::PRUNE_RCVD);
        }
        // 10, 13
        let ends = code != ForwardingCode::NO_ERROR || unknown || path.connected || path.is_rp && path.shared;
        let more = traced(&message).saturating_add(1) < usize::from(message.hops);
        if ends || !more {
            return Vec::from([self.finish(message, block, Some(at.interface), pim)]);
        }
        let Some(incoming) = path.incoming else {
            note(&mut block, ForwardingCode::FATAL_ERROR);
            return Vec::from([self.finish(message, block, Some(at.interface), pim)]);
        };
        let mut outputs = Vec::new();
        if self.is_full(&message, &block) {
            outputs.extend(self.no_space(&mut message, pim));
            let returned = u16::try_from(traced(&message)).unwrap_or(u16::MAX);
            message.blocks.clear();
            message.blocks.push(Block::Standard(block));
            message.blocks.push(Block::returned(returned));
        } else {
            message.blocks.push(Block::Standard(block));
        }
        let from = pim.address(incoming).unwrap_or(self.config.router_address);
        let to = path.upstream.unwrap_or(A::ALL_PIM_ROUTERS);
        outputs.push(TraceOutput { interface: Some(incoming), from, to, port: PORT, octets: message.to_octets() });
        outputs
    }

    fn is_full(&self, message: &TraceMessage<A>, block: &StandardBlock) -> bool {
        // IP and UDP headers beside the message.
        let most =
            if A::LEN == 4 { usize::from(self.config.mtu).saturating_sub(28) } else { MOST_IPV6.saturating_sub(48) };
        message.wire_len().saturating_add(block.wire_len()) > most
    }

    /// The Request so far goes back as a Reply whose last block says NO_SPACE (RFC 8487 §4.3.3).
    fn no_space(&self, message: &mut TraceMessage<A>, pim: &PimRouter<A>) -> Option<TraceOutput<A>> {
        let last = message.blocks.iter_mut().rev().find_map(|b| match b {
            Block::Standard(block) => Some(block),
            _ => None,
        })?;
        last.code = ForwardingCode::NO_SPACE;
        let reply = TraceMessage { kind: MessageKind::Reply, ..message.clone() };
        Some(self.reply(&reply, None, pim))
    }

    fn finish(
        &self,
        mut message: TraceMessage<A>,
        block: StandardBlock,
        outgoing: Option<IfIndex>,
        pim: &PimRouter<A>,
    ) -> TraceOutput<A> {
        if self.is_full(&message, &block) {
            let _ = self.no_space(&mut message, pim);
        } else {
            message.blocks.push(Block::Standard(block));
        }
        message.kind = MessageKind::Reply;
        self.reply(&message, outgoing, pim)
    }

    fn reply(&self, message: &TraceMessage<A>, outgoing: Option<IfIndex>, pim: &PimRouter<A>) -> TraceOutput<A> {
        let own = outgoing.and_then(|i| pim.address(i)).filter(|a| A::LEN == 4 || !a.is_link_protocol_source());
        TraceOutput {
            interface: None,
            from: own.unwrap_or(self.config.router_address),
            to: message.client,
            port: message.port,
            octets: message.to_octets(),
        }
    }

    fn hop(&self, path: Option<&TracedPath<A>>, outgoing: IfIndex, pim: &PimRouter<A>) -> Hop {
        let incoming = path.and_then(|p| p.incoming);
        let upstream = path.filter(|p| !p.connected && incoming.is_some()).and_then(|p| p.upstream);
        if A::LEN == 4 {
            let four = |a: Option<A>| match a.map(Into::into) {
                Some(IpAddr::V4(a)) => a,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            return Hop::V4 {
                incoming: four(incoming.and_then(|i| pim.address(i))),
                outgoing: four(pim.address(outgoing)),
                upstream: four(upstream),
                ttl: 0,
            };
        }
        let six = |a: Option<A>| match a.map(Into::into) {
            Some(IpAddr::V6(a)) => a,
            _ => Ipv6Addr::UNSPECIFIED,
        };
        Hop::V6 {
            incoming: incoming.map_or(0, |i| i.0),
            outgoing: outgoing.0,
            local: six(Some(self.config.router_address)),
            remote: six(upstream),
        }
    }
}

/// Hops so far: Standard Response Blocks, and those that were returned.
fn traced<A>(message: &TraceMessage<A>) -> usize {
    message.blocks.iter().fold(0, |n: usize, block| match block {
        Block::Standard(_) => n.saturating_add(1),
        Block::Augmented(AugmentedType::RETURNED, value) => {
            let returned = value.first_chunk::<2>().map_or(0, |v| usize::from(u16::from_be_bytes(*v)));
            n.saturating_add(returned)
        }
        _ => n,
    })
}
