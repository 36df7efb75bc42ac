//! What crosses the boundary, and how it becomes ours. No unsafe code.

use fwd_core::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelStack, Mac, NhlfeId, VlinkId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::ApplyError;
use fwd_core::{DropReason, Verdict};

/// How much the tables are to hold.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_sizes {
    /// Interfaces, numbered from 0.
    pub interfaces: u32,
    /// VRFs, numbered from 0, which is the global table: at least 1.
    pub vrfs: u32,
    /// Next hop label forwarding entries, numbered from 0.
    pub nhlfes: u32,
    /// Incoming labels, counted from first_label.
    pub labels: u32,
    /// The first incoming label: 16 or more.
    pub first_label: u32,
    /// IPv4 routes of all VRFs together.
    pub routes4: u32,
    /// IPv6 routes of all VRFs together.
    pub routes6: u32,
    /// VRFs with so many IPv4 routes that they are looked up in a direct root, 1 MiB each.
    pub direct4: u32,
    /// The same for IPv6.
    pub direct6: u32,
    /// Virtual links, numbered from 0.
    pub vlinks: u32,
}

/// What a call came to.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum fwd_status {
    /// It was done.
    Ok = 0,
    /// A pointer is null, a number is out of its range, or memory is too small or not aligned.
    Invalid = 1,
    /// The octets of an op are malformed.
    Malformed = 2,
    /// A table has no room, or no such number. Give the op back to the control plane.
    TableFull = 3,
    /// Memory may still be in a reader's hands: apply the op again.
    Busy = 4,
    /// The op names what cannot be: a special-purpose label, a number too large.
    Refused = 5,
}

/// How TTL and class of a label relate to the header below (RFC 3443, RFC 3270).
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_model {
    Uniform = 0,
    Pipe = 1,
    ShortPipe = 2,
}

/// An interface.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_interface {
    /// The VRF that packets are looked up in; 0 for a core link.
    pub vrf: u16,
    /// The largest payload of a frame, labels included, in octets.
    pub mtu: u16,
    /// Our address on it.
    pub mac: [u8; 6],
    /// Whether labelled packets are accepted.
    pub mpls: bool,
}

/// Where an entry leads.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_next_kind {
    /// To the neighbour mac on interface number.
    Neighbor = 0,
    /// Through entry number.
    Nhlfe = 1,
    /// To this router's software.
    Local = 2,
    /// Nowhere.
    Discard = 3,
    /// Through virtual link number.
    Vlink = 4,
}

/// A next hop label forwarding entry.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_nhlfe {
    /// Labels to push, top of stack first.
    pub labels: [u32; 8],
    /// How many of them, 0 to 8.
    pub label_count: u8,
    /// Where it leads.
    pub next: fwd_next_kind,
    /// The interface, entry or virtual link it leads to.
    pub number: u32,
    /// The neighbour's address.
    pub mac: [u8; 6],
    /// How the pushed labels relate to the packet.
    pub model: fwd_model,
}

/// A route.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_route {
    /// The VRF.
    pub vrf: u16,
    /// Bits of the prefix.
    pub prefix_len: u8,
    /// Whether the prefix is IPv6; IPv4 is in the first 4 octets.
    pub is_v6: bool,
    /// The prefix; bits behind its length are zero.
    pub prefix: [u8; 16],
}

/// What a route or label does.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum fwd_action_kind {
    /// Through entry number.
    Forward = 0,
    /// To this router's software. Not for labels.
    Local = 1,
    /// Nowhere. Not for labels.
    Discard = 2,
    /// Pop, and look up in VRF number. For labels only.
    PopLookup = 3,
}

/// What became of a frame.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum fwd_verdict {
    /// It was not looked at.
    None = 0,
    /// Send it, rewritten, on interface.
    Transmit = 1,
    /// Hand it to software; reason is one of the punts.
    Punt = 2,
    /// Drop it; reason is one of the drops.
    Drop = 3,
    /// Put it through security association sa behind the IP header at offset, then send it on interface.
    Protect = 4,
}

/// A frame, and what became of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_frame {
    /// A buffer of the caller's, with room in front of the frame: fwd_headroom() octets always suffice.
    pub buffer: *mut u8,
    /// Octets of the buffer.
    pub capacity: u32,
    /// Where the frame begins; written.
    pub start: u32,
    /// Its octets, without frame check sequence; written.
    pub len: u32,
    /// The interface it arrived on.
    pub ingress: u32,
    /// What became of it.
    pub verdict: fwd_verdict,
    /// Why it was punted or dropped: fwd_punt_name, fwd_drop_name.
    pub reason: u32,
    /// The interface to send it on.
    pub iface: u32,
    /// Its class, 0 to 7.
    pub class_: u8,
    /// Of a punt: the VRF.
    pub vrf: u16,
    /// Of a protection: the security association.
    pub sa: u16,
    /// Octets in front of the header that a punt is about or a protection begins behind.
    pub offset: u32,
}

/// Packets and octets.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct fwd_traffic {
    pub in_packets: u64,
    pub in_octets: u64,
    pub out_packets: u64,
    pub out_octets: u64,
}

impl fwd_status {
    pub(crate) fn of(result: Result<(), ApplyError>) -> Self {
        match result {
            Ok(()) => Self::Ok,
            Err(ApplyError::TableFull(_)) => Self::TableFull,
            Err(ApplyError::Busy(_)) => Self::Busy,
            Err(_) => Self::Refused,
        }
    }
}

impl fwd_model {
    fn model(self) -> TunnelModel {
        match self {
            Self::Uniform => TunnelModel::Uniform,
            Self::Pipe => TunnelModel::Pipe,
            Self::ShortPipe => TunnelModel::ShortPipe,
        }
    }
}

pub(crate) fn set_interface(iface: u32, i: &fwd_interface) -> FwdOp {
    let interface = Interface { vrf: VrfId(i.vrf), mac: Mac(i.mac), mtu: i.mtu, mpls: i.mpls };
    FwdOp::SetInterface { iface: IfIndex(iface), interface }
}

pub(crate) fn set_nhlfe(id: u32, entry: &fwd_nhlfe) -> Option<FwdOp> {
    let mut labels = [Label::IPV4_EXPLICIT_NULL; LabelStack::CAPACITY];
    for (to, from) in labels.iter_mut().zip(entry.labels) {
        *to = Label::new(from)?;
    }
    let push = LabelStack::new(labels.get(..usize::from(entry.label_count))?)?;
    let next = match entry.next {
        fwd_next_kind::Neighbor => NextHop::Neighbor { iface: IfIndex(entry.number), mac: Mac(entry.mac) },
        fwd_next_kind::Nhlfe => NextHop::Nhlfe(NhlfeId(entry.number)),
        fwd_next_kind::Vlink => NextHop::Vlink(VlinkId(entry.number)),
        fwd_next_kind::Local => NextHop::Local,
        fwd_next_kind::Discard => NextHop::Discard,
    };
    Some(FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model: entry.model.model() } })
}

pub(crate) fn set_label(label: u32, kind: fwd_action_kind, number: u32, model: fwd_model) -> Option<FwdOp> {
    let action = match kind {
        fwd_action_kind::Forward => IlmAction::Forward(NhlfeId(number)),
        fwd_action_kind::PopLookup => IlmAction::PopLookup(VrfId(u16::try_from(number).ok()?)),
        fwd_action_kind::Local | fwd_action_kind::Discard => return None,
    };
    Some(FwdOp::SetIlm { label: Label::new(label)?, ilm: Ilm { action, model: model.model() } })
}

pub(crate) fn set_route(route: &fwd_route, kind: fwd_action_kind, number: u32) -> Option<FwdOp> {
    let action = match kind {
        fwd_action_kind::Forward => RouteAction::Forward(NhlfeId(number)),
        fwd_action_kind::Local => RouteAction::Local,
        fwd_action_kind::Discard => RouteAction::Discard,
        fwd_action_kind::PopLookup => return None,
    };
    Some(match prefix(route)? {
        Ok(prefix) => FwdOp::SetRoute4 { vrf: VrfId(route.vrf), prefix, action },
        Err(prefix) => FwdOp::SetRoute6 { vrf: VrfId(route.vrf), prefix, action },
    })
}

pub(crate) fn clear_route(route: &fwd_route) -> Option<FwdOp> {
    Some(match prefix(route)? {
        Ok(prefix) => FwdOp::ClearRoute4 { vrf: VrfId(route.vrf), prefix },
        Err(prefix) => FwdOp::ClearRoute6 { vrf: VrfId(route.vrf), prefix },
    })
}

fn prefix(route: &fwd_route) -> Option<Result<Ipv4Prefix, Ipv6Prefix>> {
    let (octets, rest) = route.prefix.split_first_chunk::<4>()?;
    if route.is_v6 {
        let prefix = Ipv6Prefix::new(route.prefix.into(), route.prefix_len)?;
        return (prefix.octets() == &route.prefix).then_some(Err(prefix));
    }
    let prefix = Ipv4Prefix::new((*octets).into(), route.prefix_len)?;
    (prefix.octets() == octets && rest.iter().all(|octet| *octet == 0)).then_some(Ok(prefix))
}

impl fwd_frame {
    /// Writes what became of the frame.
    pub(crate) fn set_verdict(&mut self, verdict: Verdict) {
        self.reason = 0;
        (self.iface, self.class_, self.vrf, self.sa, self.offset) = (0, 0, 0, 0, 0);
        match verdict {
            Verdict::Transmit { iface, class } => {
                self.verdict = fwd_verdict::Transmit;
                (self.iface, self.class_) = (iface.0, class);
            }
            Verdict::Protect { iface, class, sa, offset } => {
                self.verdict = fwd_verdict::Protect;
                (self.iface, self.class_, self.sa, self.offset) = (iface.0, class, sa.0, offset as u32);
            }
            Verdict::Punt { reason, vrf, offset } => {
                self.verdict = fwd_verdict::Punt;
                (self.reason, self.vrf, self.offset) = (reason as u32, vrf.0, offset as u32);
            }
            // This interface lends no memory for bridge ports and replication groups: neither occurs.
            Verdict::PuntFrame { reason, offset, .. } => {
                self.verdict = fwd_verdict::Punt;
                (self.reason, self.offset) = (reason as u32, offset as u32);
            }
            Verdict::Replicate(_) => {
                self.verdict = fwd_verdict::Drop;
                self.reason = DropReason::NoReceivers as u32;
            }
            Verdict::Drop(reason) => {
                self.verdict = fwd_verdict::Drop;
                self.reason = reason as u32;
            }
        }
    }
}
