//! Bridging: the port a frame arrives at, learning, and where it goes (RFC 4762 §4, IEEE 802.1Q §8).

use super::police::{self, State};
use super::port::MACS;
use super::replicate::{Packet, Replication};
use super::snoop::{Kind, look};
use super::{Halt, Step, punt_frame};
use crate::frame::Frame;
use crate::net::{IfIndex, Label, Mac, PortId, ReplicationId, VlanId, VsiId};
use crate::op::{Attachment, BridgePort, ClassMap, LinkLocal, Tags, TrafficType, Vsi, VsiOrVrf};
use crate::table::mroute::unpack;
use crate::table::vsi::{PortState, VsiState};
use crate::table::{Learn, Tables};
use crate::verdict::{DropReason, PuntReason};
use crate::wire::{ControlWord, EtherType, Ethernet, LabelEntry, PwOrder, Vlan};

/// A customer's frame in an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bridged {
    /// The instance of its port.
    pub(super) vsi: VsiId,
    /// The port.
    pub(super) port: PortId,
    /// The port's split horizon group.
    pub(super) split_horizon: u8,
    /// Where its MAC addresses stand.
    pub(super) at: usize,
    /// Where what stays of it begins: its ethertype, below service-delimiting tags.
    pub(super) rest: usize,
    /// The class that it is served by, and that tags and labels carry.
    pub(super) class: u8,
    /// Its number in pseudowires; 0: none.
    pub(super) number: u16,
}

impl Bridged {
    /// Its destination and source, as they stand on the wire.
    #[inline]
    pub(super) fn macs(&self, frame: &Frame<'_>) -> Option<[u8; MACS]> {
        frame.after(self.at).first_chunk().copied()
    }

    /// Its octets, without service-delimiting tags.
    #[inline]
    pub(super) fn octets(&self, frame: &Frame<'_>) -> usize {
        frame.octets().len().saturating_sub(self.rest).saturating_add(MACS)
    }
}

/// The circuit of a frame: its port, how many tags delimit it, and the priority in the first.
pub(crate) type Circuit = (PortId, usize, u8);

/// Where a frame goes.
#[derive(Debug)]
pub(crate) enum Way {
    /// To the port that its destination is at.
    Port(Bridged, PortId),
    /// To the legs of a group.
    Replicate(Replication),
}

/// The tags in front of a frame's ethertype: how many delimit the service, and the priority of the first.
struct Tagging {
    port: PortId,
    delimiting: usize,
    priority: Option<u8>,
}

/// The circuit that a frame belongs to; none if the interface has no circuit for it.
#[inline]
pub(crate) fn circuit(tables: &Tables<'_>, frame: &Frame<'_>, ingress: IfIndex) -> Option<Circuit> {
    let circuits = tables.bridges.circuits(ingress).filter(|circuits| circuits.has_any())?;
    let ethertype = Ethernet::of(frame.octets())?.ethertype();
    let outer = tag(frame, Ethernet::LEN, ethertype);
    let found = |port, delimiting| Some(Tagging { port, delimiting, priority: outer.map(|(priority, ..)| priority) });
    let tagging = match outer {
        Some((_, Some(vlan), inner)) if circuits.has_tagged() => {
            tagged(tables, frame, ingress, (ethertype, vlan, inner)).and_then(|(port, tags)| found(port, tags))
        }
        Some((_, Some(_), _)) => None,
        // Untagged, or with a priority alone.
        _ => circuits.untagged().and_then(|port| found(port, 0)),
    };
    let Tagging { port, delimiting, priority } = tagging.or_else(|| found(circuits.any()?, 0))?;
    Some((port, delimiting, priority.unwrap_or(0)))
}

/// The port of a frame with a tag of this type and VLAN, and how many tags delimit it.
fn tagged(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    ingress: IfIndex,
    (ethertype, vlan, inner): (EtherType, VlanId, EtherType),
) -> Option<(PortId, usize)> {
    let routes = tables.multicast.routes;
    let port = |tags| routes.circuit(ingress, tags).map(PortId);
    if ethertype == EtherType::C_VLAN {
        return Some((port(Tags::Vlan(vlan))?, 1));
    }
    let second = (inner == EtherType::C_VLAN).then(|| tag(frame, Ethernet::LEN.saturating_add(TAG), inner)).flatten();
    let stacked = second.and_then(|(_, inner, _)| port(Tags::Stacked { outer: vlan, inner: inner? }));
    stacked.map(|port| (port, 2)).or_else(|| Some((port(Tags::Service(vlan))?, 1)))
}

const TAG: usize = 4;

/// Priority, VLAN and the ethertype below of the tag at `offset`, if `ethertype` announces one.
#[inline]
fn tag(frame: &Frame<'_>, offset: usize, ethertype: EtherType) -> Option<(u8, Option<VlanId>, EtherType)> {
    if ethertype != EtherType::C_VLAN && ethertype != EtherType::S_VLAN {
        return None;
    }
    let tag = Vlan::of(frame.after(offset))?;
    Some((tag.priority(), tag.vlan(), tag.ethertype()))
}

/// A frame from a circuit.
pub(crate) fn from_circuit(
    tables: &Tables<'_>,
    state: &mut State<'_>,
    frame: &Frame<'_>,
    (id, tags, priority): Circuit,
) -> Step<Way> {
    let port = tables.bridges.port(id).ok_or(Halt::Drop(DropReason::NoPort))?;
    let b = Bridged {
        vsi: port.vsi,
        port: id,
        split_horizon: port.split_horizon,
        at: 0,
        rest: MACS.saturating_add(tags.saturating_mul(TAG)),
        class: port.class.map_or(priority, |class| class.value()),
        number: 0,
    };
    switch(tables, state, frame, b, &port, true)
}

/// A frame from a pseudowire, whose label's entry ended at `offset` and was or was not the bottom of the stack.
pub(crate) fn from_pseudowire(
    tables: &Tables<'_>,
    state: &mut State<'_>,
    frame: &Frame<'_>,
    id: PortId,
    (mut offset, is_bottom): (usize, bool),
    class: u8,
) -> Step<Way> {
    let port = tables.bridges.port(id).ok_or(Halt::Drop(DropReason::NoPort))?;
    let tag_octets = match port.attachment {
        Attachment::Circuit { .. } => return Err(Halt::Drop(DropReason::NoPort)),
        Attachment::Pseudowire { .. } => 0,
        Attachment::Tagged { .. } => TAG,
    };
    if !is_bottom {
        offset = below_label(frame, &port, id, offset)?;
    }
    if port.control_word {
        match frame.after(offset) {
            [first, _, _, _, ..] if first >> 4 == 0 => offset = offset.saturating_add(4),
            [first, ..] if first >> 4 == 1 => return Err(control_channel(frame, id, offset)),
            _ => return Err(Halt::Drop(DropReason::ControlWord)),
        }
    }
    let ethertype = frame.after(offset).get(MACS..).and_then(|rest| rest.first_chunk::<2>());
    let is_tagged = matches!(ethertype, Some([0x81, 0x00] | [0x88, 0xa8]));
    if tag_octets > 0 && !is_tagged {
        return Err(Halt::Drop(DropReason::ControlWord));
    }
    let b = Bridged {
        vsi: port.vsi,
        port: id,
        split_horizon: port.split_horizon,
        at: offset,
        rest: offset.saturating_add(MACS).saturating_add(tag_octets),
        class,
        number: 0,
    };
    switch(tables, state, frame, b, &port, false)
}

/// What stands below a pseudowire's label, if that is not the bottom of the stack: a flow label, which is thrown away (RFC 6391 §3), or
/// the GAL in front of an associated channel (RFC 6423 §3).
fn below_label(frame: &Frame<'_>, port: &BridgePort, id: PortId, offset: usize) -> Step<usize> {
    let entry = |at| LabelEntry::of(frame.after(at)).ok_or(Halt::Drop(DropReason::Truncated));
    let (mut below, mut offset) = (entry(offset)?, offset.saturating_add(LabelEntry::LEN));
    let has_flow = port.flow_label.receive && below.label() != Label::GAL;
    if has_flow && !below.is_bottom() {
        below = entry(offset)?;
        offset = offset.saturating_add(LabelEntry::LEN);
    } else if has_flow {
        return Ok(offset);
    }
    if below.is_bottom() && below.label() == Label::GAL {
        return Err(control_channel(frame, id, offset));
    }
    Err(Halt::Drop(DropReason::LabelBelow))
}

/// To software with an associated channel (RFC 4385 §5, RFC 5586 §4.2).
fn control_channel(frame: &Frame<'_>, id: PortId, offset: usize) -> Halt {
    match frame.after(offset) {
        [first, ..] if first >> 4 == 1 => punt_frame(PuntReason::PseudowireControl, id, offset),
        _ => Halt::Drop(DropReason::ControlWord),
    }
}

/// Where a customer's frame, without tags that delimit the service, would go from a port, whatever attaches it. Nothing is learned,
/// counted or policed.
pub(crate) fn trace(tables: &Tables<'_>, state: &mut State<'_>, frame: &Frame<'_>, id: PortId) -> Step<Way> {
    let port = tables.bridges.port(id).ok_or(Halt::Drop(DropReason::NoPort))?;
    let b = Bridged {
        vsi: port.vsi,
        port: id,
        split_horizon: port.split_horizon,
        at: 0,
        rest: MACS,
        class: port.class.map_or(0, |class| class.value()),
        number: 0,
    };
    let met = toward(tables, frame, &b, matches!(port.attachment, Attachment::Circuit { .. }))?;
    take(tables, state, frame, b, &met)
}

/// Whether no later frame of the pseudowire came before this one (RFC 4385 §4.2). The first one of a port has any number.
#[inline(never)]
fn in_order(state: &mut State<'_>, frame: &Frame<'_>, b: &Bridged, generation: u32) -> Step<()> {
    let word = b.at.checked_sub(ControlWord::LEN).and_then(|at| ControlWord::of(frame.after(at)));
    let (Some(word), Some(counters)) = (word, state.port(b.port)) else { return Ok(()) };
    if counters.order.0 != generation {
        counters.order = (generation, PwOrder::ANY);
    }
    if counters.order.1.accept(word.sequence()) {
        return Ok(());
    }
    counters.disordered = counters.disordered.wrapping_add(1);
    Err(Halt::Drop(DropReason::Disordered))
}

/// A frame of this router's own, that did not come by any port, towards one.
pub(crate) fn own(tables: &Tables<'_>, to: PortId, class: u8) -> Option<Bridged> {
    let vsi = tables.bridges.port(to)?.vsi;
    Some(Bridged { vsi, port: PortId(u32::MAX), split_horizon: 0, at: 0, rest: MACS, class, number: 0 })
}

/// A frame in its instance, and where it is to go, before it is policed and teaches anything.
struct Met<'m> {
    vsi: VsiId,
    vsi_state: &'m VsiState,
    port_state: &'m PortState,
    source: Mac,
    way: Toward,
    /// Frames are numbered.
    sequence: bool,
    /// What class each priority is.
    classes: ClassMap,
}

/// Where a frame is to go.
#[inline]
fn toward<'m>(tables: &Tables<'m>, frame: &Frame<'_>, b: &Bridged, is_customer: bool) -> Step<Met<'m>> {
    const TRUNCATED: Halt = Halt::Drop(DropReason::Truncated);
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = b.macs(frame).ok_or(TRUNCATED)?;
    let (destination, source) = (Mac([d0, d1, d2, d3, d4, d5]), Mac([s0, s1, s2, s3, s4, s5]));
    let rest = frame.octets().get(b.rest..).filter(|rest| rest.len() >= 2).ok_or(TRUNCATED)?;
    if source.is_group() || source == Mac::default() {
        return Err(Halt::Drop(DropReason::SourceMac));
    }
    let vsi = domain(tables, b, rest);
    let bridges = tables.bridges;
    let found = bridges.vsi(vsi).zip(bridges.port_state(b.port));
    let ((settings, vsi_state), port_state) = found.ok_or(Halt::Drop(DropReason::NoPort))?;
    let known = if destination.is_group() { None } else { tables.macs.get(vsi, destination) };
    let way = match known {
        Some(found) => Toward::Port(found.port()),
        None if !destination.is_group() => Toward::Group(TrafficType::Unknown, settings.unknown),
        None => group(tables, (vsi, &settings, vsi_state), destination, rest, is_customer).map_err(Halt::Drop)?,
    };
    if way.traffic() == TrafficType::Multicast && is_too_big(rest, settings.multicast_mtu) {
        return Err(Halt::Drop(DropReason::CopyTooBig));
    }
    Ok(Met { vsi, vsi_state, port_state, source, way, sequence: settings.sequence, classes: settings.classes })
}

/// The way that was found.
#[inline]
fn take(tables: &Tables<'_>, state: &mut State<'_>, frame: &Frame<'_>, b: Bridged, met: &Met<'_>) -> Step<Way> {
    match met.way {
        Toward::Port(port) => Ok(Way::Port(b, port)),
        Toward::Software(reason) => Err(punt_frame(reason, b.port, b.at)),
        Toward::Group(_, group) => flood(tables, state, b, (met.vsi, group), b.octets(frame)).map(Way::Replicate),
    }
}

/// Where a frame goes, and what it teaches.
fn switch(
    tables: &Tables<'_>,
    state: &mut State<'_>,
    frame: &Frame<'_>,
    mut b: Bridged,
    port: &BridgePort,
    is_customer: bool,
) -> Step<Way> {
    let met = toward(tables, frame, &b, is_customer)?;
    if met.sequence && port.control_word && !is_customer {
        in_order(state, frame, &b, met.port_state.generation())?;
    }
    if is_customer && port.class.is_none() {
        // RFC 4448 §4.7: the priority says the class.
        b.class = met.classes.class(b.class);
    }
    let (vsi, octets, traffic) = (met.vsi, b.octets(frame), met.way.traffic());
    if let Some(counters) = state.port(b.port) {
        counters.count_in(traffic, octets);
    }
    if let Some(counters) = state.vsi(vsi) {
        counters.count_in(traffic, octets);
    }
    police::frame(tables, state, (b.port, met.port_state), (vsi, met.vsi_state), traffic, octets)?;
    match tables.macs.get(vsi, met.source) {
        Some(found) if found.port() == b.port => found.see(),
        _ if port.learn => state.teach(Learn { vsi, mac: met.source, port: b.port }),
        _ => {}
    }
    if met.sequence && is_customer {
        b.number = state.vsi(b.vsi).map_or(0, |counters| counters.numbering.number());
    }
    take(tables, state, frame, b, &met)
}

/// Whether a frame, from its ethertype on, is larger than an instance promises for multicast. A tag does not count.
fn is_too_big(rest: &[u8], mtu: u16) -> bool {
    let tag = if matches!(rest, [0x81, 0x00, ..] | [0x88, 0xa8, ..]) { TAG } else { 0 };
    mtu > 0 && rest.len().saturating_sub(2).saturating_sub(tag) > usize::from(mtu)
}

/// Where a frame goes, before it is policed.
enum Toward {
    Port(PortId),
    Group(TrafficType, Option<ReplicationId>),
    Software(PuntReason),
}

impl Toward {
    const fn traffic(&self) -> TrafficType {
        match self {
            Self::Port(_) => TrafficType::Unicast,
            Self::Group(traffic, _) => *traffic,
            Self::Software(_) => TrafficType::Control,
        }
    }
}

/// The instance that a frame is learned and flooded in: that of its VLAN, if the VLAN has one.
fn domain(tables: &Tables<'_>, b: &Bridged, rest: &[u8]) -> VsiId {
    let vlan = match rest {
        [0x81, 0x00, hi, lo, ..] | [0x88, 0xa8, hi, lo, ..] => VlanId::new(u16::from_be_bytes([hi & 0xf, *lo])),
        _ => None,
    };
    let found = vlan.and_then(|vlan| tables.multicast.routes.vlan_domain(b.vsi, vlan));
    found.unwrap_or(b.vsi)
}

/// Where a frame to a group address goes.
fn group(
    tables: &Tables<'_>,
    (vsi, settings, state): (VsiId, &Vsi, &VsiState),
    destination: Mac,
    rest: &[u8],
    is_customer: bool,
) -> Result<Toward, DropReason> {
    let to_all = |traffic| Ok(Toward::Group(traffic, settings.broadcast));
    match destination.0 {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => return to_all(TrafficType::Broadcast),
        // RFC 4448 §4.4.5.
        [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01] => return Err(DropReason::Pause),
        [0x01, 0x80, 0xc2, 0x00, 0x00, 0x00..=0x0f] => {
            return match settings.link_local {
                LinkLocal::Flood => to_all(TrafficType::Multicast),
                LinkLocal::Punt => Ok(Toward::Software(PuntReason::BridgeControl)),
                LinkLocal::Drop => Err(DropReason::BridgeControl),
            };
        }
        [0x01, 0x80, 0xc2, 0x00, 0x00, 0x20..=0x2f] if settings.link_local == LinkLocal::Punt => {
            return Ok(Toward::Software(PuntReason::BridgeControl));
        }
        // RFC 5332 §8: MPLS multicast, not a customer's.
        _ if is_customer && destination.is_mpls_multicast() => return Err(DropReason::GroupMac),
        _ => {}
    }
    let routes = tables.multicast.routes;
    let kind = if settings.snoop { look(rest, destination)? } else { Kind::ToAll };
    let entry = match kind {
        Kind::Membership => return Ok(Toward::Software(PuntReason::Snoop)),
        Kind::ToAll => None,
        Kind::Data(source, group) => {
            use core::net::IpAddr::{V4, V6};
            match (source, group) {
                (V4(s), V4(g)) => routes.lookup4(VsiOrVrf::Vsi(vsi), state.lengths(), s, g),
                (V6(s), V6(g)) => routes.lookup6(VsiOrVrf::Vsi(vsi), state.lengths(), s, g),
                _ => None,
            }
        }
    };
    match entry.or_else(|| routes.mac(vsi, destination)).map(unpack) {
        Some(entry) if entry.replication.is_none() => Err(DropReason::Filtered),
        Some(entry) => Ok(Toward::Group(TrafficType::Multicast, entry.replication)),
        None if settings.snoop && kind == Kind::ToAll => to_all(TrafficType::Multicast),
        None => Ok(Toward::Group(TrafficType::Multicast, settings.multicast)),
    }
}

/// Begins the copies of a frame.
fn flood(
    tables: &Tables<'_>,
    state: &mut State<'_>,
    b: Bridged,
    (vsi, group): (VsiId, Option<ReplicationId>),
    octets: usize,
) -> Step<Replication> {
    let found = group.and_then(|id| Some((id, tables.multicast.groups.get(id)?)));
    let (id, (owner, _)) = found.ok_or(Halt::Drop(DropReason::NoReceivers))?;
    if owner != VsiOrVrf::Vsi(vsi) {
        return Err(Halt::Drop(DropReason::ForeignGroup));
    }
    if let Some(counters) = state.group(id) {
        counters.count_in(octets);
    }
    Ok(Replication::new(id, owner, Packet::Bridged(b), false))
}
