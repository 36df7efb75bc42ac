//! First stage: what an Ethernet frame carries, and whether it is for us.

use super::{Halt, Step, punt};
use crate::frame::Frame;
use crate::net::{IfIndex, LabelSpaceId, VrfId};
use crate::table::Tables;
use crate::verdict::{DropReason, PuntReason};
use crate::wire::{EtherType, Ethernet};

/// A packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The VRF of the interface.
    pub(crate) vrf: VrfId,
    /// What the frame carries.
    pub(crate) payload: Payload,
    /// Whether the frame was sent to a group MAC address.
    pub(crate) group: bool,
    /// The label space of the interface, if it has one of its own.
    pub(crate) space: Option<LabelSpaceId>,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Mpls,
    Ipv4,
    Ipv6,
}

/// Takes frames to the interface's own address and to groups.
#[inline]
pub(crate) fn classify(tables: &Tables<'_>, frame: &Frame<'_>, ingress: IfIndex) -> Step<Arrival> {
    let interface = tables.interfaces.record(ingress).ok_or(Halt::Drop(DropReason::NoIngress))?;
    let header = Ethernet::of(frame.octets()).ok_or(Halt::Drop(DropReason::Truncated))?;
    let destination = header.destination();
    let group = destination.is_group();
    if !group && destination.words() != interface.mac() {
        return Err(Halt::Drop(DropReason::NotOurMac));
    }
    let payload = match header.ethertype() {
        EtherType::IPV4 => Payload::Ipv4,
        EtherType::IPV6 => Payload::Ipv6,
        // RFC 4364 §13.1: labelled packets only from interfaces that are trusted with labels.
        EtherType::MPLS if !interface.takes_labels() => return Err(Halt::Drop(DropReason::MplsDisabled)),
        // RFC 5332 §4: the top label of a multicast frame is still one that this router assigned.
        EtherType::MPLS if group && !destination.is_mpls_multicast() => {
            return Err(Halt::Drop(DropReason::LinkBroadcast));
        }
        EtherType::MPLS => Payload::Mpls,
        EtherType::MPLS_UPSTREAM if destination.is_mpls_multicast() && interface.takes_labels() => {
            const NONE: Halt = Halt::Drop(DropReason::UnknownEthertype);
            let space = interface.upstream_space().ok_or(NONE)?;
            return Ok(Arrival { vrf: interface.vrf(), payload: Payload::Mpls, group, space: Some(space) });
        }
        EtherType::ARP => return Err(punt(PuntReason::Arp, interface.vrf(), Ethernet::LEN)),
        EtherType::C_VLAN | EtherType::S_VLAN => return Err(Halt::Drop(DropReason::VlanTagged)),
        _ => return Err(Halt::Drop(DropReason::UnknownEthertype)),
    };
    Ok(Arrival { vrf: interface.vrf(), payload, group, space: interface.label_space() })
}
