//! The way of a packet through the router: classify, label, route, egress.
//!
//! A stage reads the frame and says how it is to be rewritten; only the last one, egress, writes it, when nothing can
//! fail any more. Hence a packet that is punted or dropped stays in its frame as it arrived.
//!
//! Most packets never come here: `express.rs` sends them in one pass, and leaves to the stages what is out of the ordinary.

pub(crate) mod bridge;
pub(crate) mod classify;
pub(crate) mod egress;
pub(crate) mod encapsulate;
pub(crate) mod exposed;
pub(crate) mod express;
pub(crate) mod flow;
pub(crate) mod label;
pub(crate) mod multicast;
pub(crate) mod police;
pub(crate) mod port;
pub(crate) mod replicate;
pub(crate) mod route;
pub(crate) mod snoop;
pub(crate) mod vlink;

use crate::net::{PortId, VrfId};
use crate::verdict::{DropReason, PuntReason, Verdict};

/// What a stage finds, or where the packet's way ends.
pub(crate) type Step<T> = Result<T, Halt>;

/// Where the way of a packet ends that is not sent: what is less than a [`Verdict`] fits two registers, and every step may return
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// [`Verdict::Drop`].
    Drop(DropReason),
    /// [`Verdict::Punt`].
    Punt { reason: PuntReason, vrf: VrfId, offset: u32 },
    /// [`Verdict::PuntFrame`].
    PuntFrame { reason: PuntReason, port: PortId, offset: u32 },
}

impl From<Halt> for Verdict {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Drop(reason) => Self::Drop(reason),
            Halt::Punt { reason, vrf, offset } => Self::Punt { reason, vrf, offset: offset as usize },
            Halt::PuntFrame { reason, port, offset } => Self::PuntFrame { reason, port, offset: offset as usize },
        }
    }
}

/// An offset as a [`Halt`] holds it: no frame is 4 GiB long.
const fn short(offset: usize) -> u32 {
    if offset > u32::MAX as usize { u32::MAX } else { offset as u32 }
}

pub(crate) const fn punt(reason: PuntReason, vrf: VrfId, offset: usize) -> Halt {
    Halt::Punt { reason, vrf, offset: short(offset) }
}

/// A punt of a frame that is bridged.
const fn punt_frame(reason: PuntReason, port: PortId, offset: usize) -> Halt {
    Halt::PuntFrame { reason, port, offset: short(offset) }
}

/// The TTL that goes out, or the end of the way: the oTTL check of RFC 3443 §2.3.
#[inline]
pub(crate) const fn outgoing_ttl(incoming: u8, vrf: VrfId, offset: usize) -> Step<u8> {
    match incoming.saturating_sub(1) {
        0 => Err(punt(PuntReason::TtlExpired, vrf, offset)),
        ttl => Ok(ttl),
    }
}

/// How a packet is rewritten. `offset`s count from the start of the frame as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// Octets in front of the header that stays: the link header and popped labels.
    pub(crate) strip: usize,
    /// Octets of the frame up to the end of the packet, without padding.
    pub(crate) end: usize,
    /// The header that stays in front.
    pub(crate) below: Below,
    /// The TTL of that header, as it is sent; pushed labels of the uniform model take it.
    pub(crate) ttl: u8,
    /// The class that pushed labels carry and the outgoing interface serves the packet by (RFC 3270 §2.6).
    pub(crate) phb: u8,
    /// Where the header stands that a punt is about, and the VRF.
    pub(crate) punt: (VrfId, usize),
}

/// The header that stays in front of the packet, and what is written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    /// What a swapped label covers; not looked at. Its label entry is replaced by one with this class and bottom bit,
    /// and the TTL of the [`Rewrite`].
    Swapped { class: u8, bottom: bool },
    /// A label entry; written with this class.
    Label { class: u8 },
    /// An IPv4 header; `dscp` is written, if any.
    Ipv4 { dscp: Option<u8>, dont_fragment: bool },
    /// An IPv6 header; `dscp` is written, if any.
    Ipv6 { dscp: Option<u8> },
    /// An Ethernet frame, with or without a control word: the bottom label is that of a pseudowire. Never looked at.
    Frame,
}
