//! The way of most packets in one go: unicast IP and swapped labels out of frames to this router, by entries that lead to a neighbour.
//!
//! It decides nothing of its own. Whatever is out of the ordinary (a header to be judged, a punt, a drop, a link, a tree) it
//! leaves to the stages, with the frame as it arrived; what it sends, they would have sent the same.

use super::exposed::{Exposed, Tunnel, class_of, dscp_for};
use super::route::{is_ordinary, unlabelled};
use super::{Below, egress, flow};
use crate::frame::Frame;
use crate::net::{IfIndex, Label, MacWords, NhlfeId, VrfId};
use crate::op::{IlmAction, NextHop, RouteAction, TunnelModel};
use crate::table::{Tables, VrfSlot, vrf};
use crate::wire::{EtherType, Ethernet, Ipv4, Ipv6, LabelEntry};

/// Labels that are pushed at most: a transport label, one of a detour, a VPN's, and one more.
const LABELS: usize = 4;

/// A packet in order, to be looked up or to go on by its label. Small and flat: it waits for its look-up among others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) kind: Kind,
    /// Octets in front of the header that stays.
    strip: u8,
    /// The TTL that arrived.
    ttl: u8,
    phb: u8,
    /// The DSCP to be written into the IP header, or [`AS_IT_IS`]; the class of a label that is swapped, and its bottom bit.
    class: u8,
    /// The VRF that it arrived in.
    pub(crate) arrived: VrfId,
    /// The VRF that it is looked up in.
    pub(crate) vrf: VrfId,
    /// The IPv4 address that is looked up, or the entry of its label.
    pub(crate) to: u32,
    /// Octets of the frame to the end of the packet.
    end: u32,
}

/// What says where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The route of its IPv4 destination.
    V4,
    /// The route of its IPv6 destination: [`Ready::destination6`].
    V6,
    /// The entry of its label, which is swapped.
    Swap,
}

/// No DSCP.
const AS_IT_IS: u8 = 0xff;

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) iface: IfIndex,
    pub(crate) class: u8,
    /// The VRF that it left by.
    pub(crate) vrf: VrfId,
    /// Octets of the frame's payload.
    pub(crate) octets: usize,
}

impl Ready {
    /// A frame that is to be routed or label-switched, if all is in order: what [`super::classify`], [`super::label`] and
    /// [`super::route`] check.
    #[inline(always)]
    pub(crate) fn take(tables: &Tables<'_>, frame: &Frame<'_>, ingress: IfIndex) -> Option<Self> {
        let record = tables.interfaces.record(ingress)?;
        let octets = frame.octets();
        let (header, packet) = octets.split_first_chunk::<{ Ethernet::LEN }>()?;
        let destination = Ethernet(header).destination();
        let is_bridged = tables.bridges.circuits(ingress).is_some_and(|circuits| circuits.has_any());
        if destination.is_group() || destination.words() != record.mac() || is_bridged {
            return None;
        }
        let arrived = record.vrf();
        match Ethernet(header).ethertype() {
            EtherType::IPV4 => Self::routed4(tables, packet, (arrived, arrived), None),
            EtherType::IPV6 => Self::routed6(tables, packet, (arrived, arrived), None),
            EtherType::MPLS if record.takes_labels() && record.label_space().is_none() => {
                Self::labelled(tables, packet, arrived)
            }
            _ => None,
        }
    }

    /// Below one label that is swapped, or popped for a look-up.
    #[inline(always)]
    fn labelled(tables: &Tables<'_>, packet: &[u8], arrived: VrfId) -> Option<Self> {
        let (entry, below) = packet.split_first_chunk::<{ LabelEntry::LEN }>()?;
        let entry = LabelEntry(*entry);
        let (label, tunnel) = (entry.label(), Tunnel::of(entry));
        let ilm = tables.ilm.get(label).filter(|_| label >= Label::FIRST_UNRESERVED)?;
        match ilm.action {
            IlmAction::Forward(id) if tunnel.ttl > 1 => Some(Self {
                kind: Kind::Swap,
                strip: AFTER_LABEL,
                ttl: tunnel.ttl,
                phb: tunnel.phb,
                class: tunnel.class << 1 | u8::from(entry.is_bottom()),
                arrived,
                vrf: arrived,
                to: id.0,
                end: u32::try_from(packet.len().saturating_add(Ethernet::LEN)).ok()?,
            }),
            IlmAction::PopLookup(vrf) if entry.is_bottom() => match below.first()? >> 4 {
                4 => Self::routed4(tables, below, (arrived, vrf), Some((tunnel, ilm.model))),
                _ => Self::routed6(tables, below, (arrived, vrf), Some((tunnel, ilm.model))),
            },
            _ => None,
        }
    }

    #[inline(always)]
    fn routed4(tables: &Tables<'_>, packet: &[u8], vrfs: (VrfId, VrfId), popped: Option<Popped>) -> Option<Self> {
        const PLAIN: u8 = 0x45;
        let header = Ipv4::of(packet)?;
        let (source, destination, len) = (header.source(), header.destination(), header.total_len());
        let is_whole = (Ipv4::LEN..=packet.len()).contains(&len);
        let is_plain = header.0.first() == Some(&PLAIN) && is_ordinary(source) && is_ordinary(destination);
        if !is_plain || !is_whole || !header.is_right() {
            return None;
        }
        let (ttl, dscp, dont_fragment) = (header.ttl(), header.dscp(), header.dont_fragment());
        let exposed = Exposed::Ipv4 { ttl, dscp, dont_fragment };
        Self::routed(tables, (Kind::V4, destination.to_bits()), vrfs, (exposed, dscp, len), popped)
    }

    #[inline]
    fn routed6(tables: &Tables<'_>, packet: &[u8], vrfs: (VrfId, VrfId), popped: Option<Popped>) -> Option<Self> {
        let header = Ipv6::of(packet)?;
        let len = header.payload_len().saturating_add(Ipv6::LEN);
        let is_ordinary = [header.source(), header.destination()].iter().all(|addr| {
            // Neither unspecified nor loopback, neither link-local nor multicast (RFC 4291 §2.4).
            let [first, ..] = addr.octets();
            first.wrapping_sub(1) < 0xfd
        });
        if header.version() != 6 || len > packet.len() || !is_ordinary {
            return None;
        }
        let (ttl, dscp) = (header.hop_limit(), header.dscp());
        Self::routed(tables, (Kind::V6, 0), vrfs, (Exposed::Ipv6 { ttl, dscp }, dscp, len), popped)
    }

    /// An IP packet, as [`super::route::finish`] has it rewritten.
    #[inline(always)]
    fn routed(
        tables: &Tables<'_>,
        (kind, to): (Kind, u32),
        (arrived, vrf): (VrfId, VrfId),
        (exposed, dscp, len): (Exposed, u8, usize),
        popped: Option<Popped>,
    ) -> Option<Self> {
        let (strip, tunnel) = match popped {
            Some((tunnel, model)) => (AFTER_LABEL, tunnel.pop(model, &exposed)),
            None => (AFTER_LINK, unlabelled(exposed.ttl(), dscp)),
        };
        let mark = if popped.is_none() { tables.vrfs.get(vrf).and_then(VrfSlot::mark) } else { None };
        let (new, phb) = match mark {
            Some(code) => (Some(code).filter(|code| *code != dscp), class_of(code)),
            None => (dscp_for(tunnel.class, dscp), tunnel.phb),
        };
        let end = u32::try_from(len.saturating_add(strip.into())).ok()?;
        let (ttl, class) = (tunnel.ttl, new.unwrap_or(AS_IT_IS));
        (ttl > 1).then_some(Self { kind, strip, ttl, phb, class, arrived, vrf, to, end })
    }

    /// What is written below the labels that are pushed.
    #[inline(always)]
    fn below(&self) -> Below {
        let dscp = if self.class == AS_IT_IS { None } else { Some(self.class) };
        match self.kind {
            // It is not too long, so whether it may be fragmented does not matter.
            Kind::V4 => Below::Ipv4 { dscp, dont_fragment: true },
            Kind::V6 => Below::Ipv6 { dscp },
            Kind::Swap => Below::Swapped { class: self.class >> 1, bottom: self.class & 1 != 0 },
        }
    }

    /// The destination of an IPv6 packet.
    #[inline]
    pub(crate) fn destination6(&self, frame: &Frame<'_>) -> u128 {
        Ipv6::of(frame.after(self.strip.into())).map_or(0, |header| header.destination().to_bits())
    }

    /// Sends it by the entry of its label, or by that of its route.
    #[inline(always)]
    pub(crate) fn send(&self, tables: &Tables<'_>, frame: &mut Frame<'_>, route: u32) -> Option<Sent> {
        let id = match (self.kind, vrf::unpack(route)) {
            (Kind::Swap, _) => NhlfeId(self.to),
            (_, Some(RouteAction::Forward(id))) => id,
            _ => return None,
        };
        let mut stack = Stack { words: [0; LABELS], free: LABELS };
        let (iface, neighbor) = stack.follow(tables, self, id, frame)?;
        let record = tables.interfaces.record(iface)?;
        let strip = usize::from(self.strip);
        let end = self.end as usize;
        let pushed = LABELS.wrapping_sub(stack.free).wrapping_mul(LabelEntry::LEN);
        let octets = end.saturating_sub(strip).wrapping_add(pushed);
        if octets > usize::from(record.mtu()) {
            return None;
        }
        let (front, packet) = frame.split(strip)?;
        let front = front.last_chunk_mut::<FRONT>()?;
        // Nothing fails from here on.
        egress::write_below(packet, self.below(), self.ttl.wrapping_sub(1));
        let ethertype = if pushed == 0 { egress::ethertype_of(self.below()) } else { EtherType::MPLS };
        stack.write(front, |header| header.set_words(neighbor, record.mac(), ethertype));
        frame.replace(strip, pushed.wrapping_add(Ethernet::LEN), end);
        Some(Sent { iface, class: self.phb, vrf: record.vrf(), octets })
    }

    /// The hash of its flow.
    #[inline(never)]
    fn flow(&self, frame: &Frame<'_>) -> u32 {
        match self.kind {
            Kind::Swap => flow::of_labels(frame.after(Ethernet::LEN)),
            Kind::V4 | Kind::V6 => flow::of_ip(frame.after(self.strip.into())),
        }
    }
}

/// Octets in front of a packet without labels, and with one.
const AFTER_LINK: u8 = Ethernet::LEN as u8;
const AFTER_LABEL: u8 = AFTER_LINK + LabelEntry::LEN as u8;

/// What a popped label said, and its model.
type Popped = (Tunnel, TunnelModel);

/// Octets that are written in front of the packet, the headroom's included.
const FRONT: usize = Ethernet::LEN + LABELS * LabelEntry::LEN;

/// Label stack entries to be pushed: those from `free` on, the top one first.
struct Stack {
    words: [u32; LABELS],
    free: usize,
}

impl Stack {
    /// Follows the entries from `id` on to a neighbour: what [`egress::Hop::follow`] does, and what it has written of labels.
    #[inline(always)]
    fn follow(
        &mut self,
        tables: &Tables<'_>,
        ready: &Ready,
        id: NhlfeId,
        frame: &Frame<'_>,
    ) -> Option<(IfIndex, MacWords)> {
        let entry_bits = |class: u8, is_bottom: bool| u32::from(class & 7) << 9 | u32::from(is_bottom) << 8;
        let mut ttl = u32::from(ready.ttl.wrapping_sub(1));
        let (mut bits, mut is_swap) = match ready.below() {
            Below::Swapped { class, bottom } => (entry_bits(class, bottom), true),
            _ => (entry_bits(ready.phb, true), false),
        };
        let mut at = id;
        for _ in 0..NextHop::MAX_DEPTH {
            let entry = tables.nhlfe(at).filter(|entry| entry.entropy_count() == 0)?;
            let tunnel_ttl = egress::tunnel_ttl(entry.model());
            for word in entry.stack_words() {
                if let Some(tunnel_ttl) = tunnel_ttl.filter(|_| !is_swap) {
                    ttl = tunnel_ttl.into();
                }
                self.free = self.free.wrapping_sub(1);
                *self.words.get_mut(self.free)? = word | bits | ttl;
                (bits, is_swap) = (entry_bits(ready.phb, false), false);
            }
            if is_swap {
                // The first entry has no label: this is a pop.
                return None;
            }
            match entry.next() {
                NextHop::Neighbor { iface, .. } => return Some((iface, entry.mac())),
                NextHop::Nhlfe(next) => at = next,
                NextHop::Ecmp(group) => at = tables.groups.pick(group, ready.flow(frame))?,
                NextHop::Protected(pair) => at = tables.pairs.active(pair, tables.interfaces)?,
                _ => return None,
            }
        }
        None
    }

    /// Writes the stack to the end of `front`, and the link header before it. What is before that is headroom.
    #[inline(always)]
    fn write(&self, front: &mut [u8; FRONT], header: impl FnOnce(&mut Ethernet<&mut [u8; Ethernet::LEN]>)) {
        let at = self.free.wrapping_mul(LabelEntry::LEN);
        let Some((octets, slots)) = front.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut) else { return };
        header(&mut Ethernet(octets));
        let words = self.words.get(self.free..).unwrap_or_default();
        for (slot, word) in slots.chunks_exact_mut(LabelEntry::LEN).zip(words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
    }
}
