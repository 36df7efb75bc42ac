//! The header that a pop exposes, and what a pop does to TTL and class.

use super::{Halt, Step};
use crate::frame::Frame;
use crate::op::TunnelModel;
use crate::verdict::DropReason;
use crate::wire::{Ipv4, Ipv6, LabelEntry};

/// The header below a popped label.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exposed {
    Label(LabelEntry),
    Ipv4 { ttl: u8, dscp: u8, dont_fragment: bool },
    Ipv6 { ttl: u8, dscp: u8 },
}

impl Exposed {
    /// Reads the header at `offset`: a label entry, or below the bottom label an IP header of the version in its first four
    /// bits.
    pub(crate) fn read(frame: &Frame<'_>, offset: usize, bottom: bool) -> Step<Self> {
        const TRUNCATED: Halt = Halt::Drop(DropReason::Truncated);
        let octets = frame.after(offset);
        if !bottom {
            return LabelEntry::of(octets).map(Self::Label).ok_or(TRUNCATED);
        }
        match octets.first().ok_or(TRUNCATED)? >> 4 {
            4 => {
                let h = Ipv4::of(octets).ok_or(TRUNCATED)?;
                Ok(Self::Ipv4 { ttl: h.ttl(), dscp: h.dscp(), dont_fragment: h.dont_fragment() })
            }
            6 => {
                let h = Ipv6::of(octets).ok_or(TRUNCATED)?;
                Ok(Self::Ipv6 { ttl: h.hop_limit(), dscp: h.dscp() })
            }
            _ => Err(Halt::Drop(DropReason::UnknownPayload)),
        }
    }

    pub(crate) const fn ttl(&self) -> u8 {
        match *self {
            Self::Label(entry) => entry.ttl(),
            Self::Ipv4 { ttl, .. } | Self::Ipv6 { ttl, .. } => ttl,
        }
    }

    /// The traffic class: of IP, the class selector bits of the DSCP (RFC 2474 §4.2.2).
    pub(crate) const fn class(&self) -> u8 {
        match *self {
            Self::Label(entry) => entry.class(),
            Self::Ipv4 { dscp, .. } | Self::Ipv6 { dscp, .. } => class_of(dscp),
        }
    }
}

/// The traffic class that a DSCP maps to: its class selector bits (RFC 2474 §4.2.2).
pub(crate) const fn class_of(dscp: u8) -> u8 {
    (dscp >> 3) & 7
}

/// The DSCP to write into an IP header of `dscp` so that it has the traffic class `class`: none if it has it, else the
/// class selector (RFC 2474 §4.2.2.2).
pub(crate) const fn dscp_for(class: u8, dscp: u8) -> Option<u8> {
    if class_of(dscp) == class { None } else { Some((class & 7) << 3) }
}

/// TTL and class while labels are popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tunnel {
    /// The incoming TTL (RFC 3443 §3.4).
    pub(crate) ttl: u8,
    /// The class of the header on top, as it is encoded when the packet goes on.
    pub(crate) class: u8,
    /// The class the packet is served by (RFC 3270 §2.6: incoming PHB).
    pub(crate) phb: u8,
}

impl Tunnel {
    pub(crate) const fn of(entry: LabelEntry) -> Self {
        Self { ttl: entry.ttl(), class: entry.class(), phb: entry.class() }
    }

    /// Leaves a tunnel (RFC 3443 §3.4, RFC 3270 §2.6.2, §2.6.3).
    #[inline]
    #[must_use]
    pub(crate) const fn pop(self, model: TunnelModel, exposed: &Exposed) -> Self {
        match model {
            // What the tunnel's header says goes on below.
            TunnelModel::Uniform => self,
            // The header below says it, but the tunnel's class still serves the packet here.
            TunnelModel::Pipe => Self { ttl: exposed.ttl(), class: exposed.class(), phb: self.phb },
            TunnelModel::ShortPipe => Self { ttl: exposed.ttl(), class: exposed.class(), phb: exposed.class() },
        }
    }
}
