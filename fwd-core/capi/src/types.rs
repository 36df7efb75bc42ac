//! What crosses the boundary, and how it becomes ours. No unsafe code.

use fwd_core::net::{
    EcmpId, IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, PortId, ProtectionId,
    ReplicationId, TunnelId, VlinkId, VrfId,
};
use fwd_core::op::{Assigned, FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::ApplyError;
use fwd_core::Verdict;

/// No number: where a group, an interface or a label space may be missing.
pub const FWD_NONE: u32 = 0xffff_ffff;

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
    /// VRFs with very many IPv4 routes that have a table in front of a direct root, 32 MiB each.
    pub front4: u32,
    /// VRFs with very many IPv6 routes that have tables in front of a direct root: 8 MiB each, and 342 octets for each of routes6.
    pub front6: u32,
    /// Virtual links, numbered from 0.
    pub vlinks: u32,
    /// Groups of entries that packets are spread over, numbered from 0.
    pub ecmp_groups: u32,
    /// Pairs of an entry and the one that protects it, numbered from 0.
    pub protections: u32,
    /// Policers, numbered from 0.
    pub policers: u32,
    /// VRFs that may have multicast, numbered from 0.
    pub multicast_vrfs: u32,
    /// IPv4 multicast routes, and together with them: group entries by IPv4 and MAC address, members of RPF sets, VLAN domains, circuits
    /// with tags, labels of other label spaces.
    pub mroutes: u32,
    /// IPv6 multicast routes and group entries.
    pub mroutes6: u32,
    /// Tunnels that multicast arrives by, numbered from 0.
    pub tunnels: u32,
    /// Replication groups, numbered from 0.
    pub replications: u32,
    /// Legs of all groups together.
    pub legs: u32,
    /// Virtual switch instances, numbered from 0.
    pub vsis: u32,
    /// Bridge ports, numbered from 0.
    pub ports: u32,
    /// Interfaces that may have circuits of bridge ports, numbered from 0.
    pub circuits: u32,
    /// MAC addresses of all instances together.
    pub macs: u32,
    /// Addresses that the frames of one batch may teach beside the first.
    pub learned: u32,
    /// No size: a secret that nobody can guess. Hash tables are laid out by it, and customers choose what is in them.
    pub seed: u64,
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
    /// The op names what cannot be: a special-purpose label, a number too large, a circuit that another port has.
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
    /// To every router on interface number, which assigned the label on top, all the same.
    Lan = 5,
    /// To every router on interface number; this one assigned the label on top.
    LanUpstream = 6,
    /// Through an entry of group number, by the packet's flow.
    Ecmp = 7,
    /// Through the primary or the backup entry of pair number.
    Protected = 8,
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
    /// What it leads to.
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
    /// Pop, and look up in VRF number. For labels only, as all that follow.
    PopLookup = 3,
    /// Copy, by the legs of replication group number, each of which replaces the label.
    Replicate = 4,
    /// Pop: multicast that came by tunnel number, in the tunnel's VRF.
    Multicast = 5,
    /// Pop: a frame that arrived at bridge port number.
    Bridge = 6,
    /// Pop, and look the label below up in label space number.
    Context = 7,
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
    /// It is to be copied: fwd_copies. It stays as it arrived.
    Replicate = 5,
    /// Hand it to software: a frame that is bridged and arrived at port; reason is one of the punts.
    PuntFrame = 6,
}

/// What is to be copied. Only fwd_forward and its like write it, and only fwd_copies reads it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_replication {
    pub opaque: [u64; 16],
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
    /// Of a frame that is bridged and punted: the bridge port.
    pub port: u32,
    /// Octets in front of the header that a punt is about or a protection begins behind, or of a customer's frame.
    pub offset: u32,
    /// Of a frame that is to be copied: how.
    pub replication: fwd_replication,
}

/// A copy of a frame: octets of its own, then octets of the frame that arrived, which all copies share.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fwd_copy {
    /// FWD_VERDICT_TRANSMIT or FWD_VERDICT_PROTECT; or FWD_VERDICT_PUNT or FWD_VERDICT_PUNT_FRAME: software gets the frame that arrived.
    pub verdict: fwd_verdict,
    /// The interface to send it on.
    pub iface: u32,
    /// Its class, 0 to 7.
    pub class_: u8,
    /// Its own octets, which are sent first; they are there during the call alone.
    pub front: *const u8,
    /// How many.
    pub front_len: u32,
    /// The octets behind them, in the buffer of the frame that arrived.
    pub payload: *const u8,
    /// How many.
    pub payload_len: u32,
    /// Of a punt: why.
    pub reason: u32,
    /// Of a punt: the VRF.
    pub vrf: u16,
    /// Of a punt of a frame that is bridged: the bridge port.
    pub port: u32,
    /// Of a protection: the security association.
    pub sa: u16,
    /// As in fwd_frame; of a protection, octets of the front.
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
    pub(crate) fn model(self) -> TunnelModel {
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
        fwd_next_kind::Lan => NextHop::Lan { iface: IfIndex(entry.number), top: Assigned::Downstream },
        fwd_next_kind::LanUpstream => NextHop::Lan { iface: IfIndex(entry.number), top: Assigned::Upstream },
        fwd_next_kind::Ecmp => NextHop::Ecmp(EcmpId(entry.number)),
        fwd_next_kind::Protected => NextHop::Protected(ProtectionId(entry.number)),
        fwd_next_kind::Local => NextHop::Local,
        fwd_next_kind::Discard => NextHop::Discard,
    };
    Some(FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model: entry.model.model() } })
}

/// What a label of some label space does.
pub(crate) fn ilm(kind: fwd_action_kind, number: u32, model: fwd_model) -> Option<Ilm> {
    let action = match kind {
        fwd_action_kind::Forward => IlmAction::Forward(NhlfeId(number)),
        fwd_action_kind::PopLookup => IlmAction::PopLookup(VrfId(u16::try_from(number).ok()?)),
        fwd_action_kind::Replicate => IlmAction::Replicate(ReplicationId(number)),
        fwd_action_kind::Multicast => IlmAction::Multicast(TunnelId(number)),
        fwd_action_kind::Bridge => IlmAction::Bridge(PortId(number)),
        fwd_action_kind::Context => IlmAction::Context(LabelSpaceId(number)),
        fwd_action_kind::Local | fwd_action_kind::Discard => return None,
    };
    Some(Ilm { action, model: model.model() })
}

pub(crate) fn set_route(route: &fwd_route, kind: fwd_action_kind, number: u32) -> Option<FwdOp> {
    let action = match kind {
        fwd_action_kind::Forward => RouteAction::Forward(NhlfeId(number)),
        fwd_action_kind::Local => RouteAction::Local,
        fwd_action_kind::Discard => RouteAction::Discard,
        _ => return None,
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

/// The parts of a verdict that frames and copies have alike.
pub(crate) struct Parts {
    pub(crate) verdict: fwd_verdict,
    pub(crate) iface: u32,
    pub(crate) class: u8,
    pub(crate) reason: u32,
    pub(crate) vrf: u16,
    pub(crate) port: u32,
    pub(crate) sa: u16,
    pub(crate) offset: u32,
}

impl From<Verdict> for Parts {
    fn from(verdict: Verdict) -> Self {
        let none =
            Self { verdict: fwd_verdict::None, iface: 0, class: 0, reason: 0, vrf: 0, port: 0, sa: 0, offset: 0 };
        match verdict {
            Verdict::Transmit { iface, class } => {
                Self { verdict: fwd_verdict::Transmit, iface: iface.0, class, ..none }
            }
            Verdict::Protect { iface, class, sa, offset } => {
                let (sa, offset) = (sa.0, offset as u32);
                Self { verdict: fwd_verdict::Protect, iface: iface.0, class, sa, offset, ..none }
            }
            Verdict::Punt { reason, vrf, offset } => {
                let (reason, offset) = (reason as u32, offset as u32);
                Self { verdict: fwd_verdict::Punt, reason, vrf: vrf.0, offset, ..none }
            }
            Verdict::PuntFrame { reason, port, offset } => {
                let (reason, offset) = (reason as u32, offset as u32);
                Self { verdict: fwd_verdict::PuntFrame, reason, port: port.0, offset, ..none }
            }
            Verdict::Replicate(_) => Self { verdict: fwd_verdict::Replicate, ..none },
            Verdict::Drop(reason) => Self { verdict: fwd_verdict::Drop, reason: reason as u32, ..none },
        }
    }
}

impl fwd_frame {
    /// Writes what became of the frame.
    pub(crate) fn set_verdict(&mut self, verdict: Verdict) {
        let parts = Parts::from(verdict);
        (self.verdict, self.iface, self.class_) = (parts.verdict, parts.iface, parts.class);
        (self.reason, self.vrf, self.port) = (parts.reason, parts.vrf, parts.port);
        (self.sa, self.offset) = (parts.sa, parts.offset);
    }
}
