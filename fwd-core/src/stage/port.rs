//! Bridge ports as exits: tags of a circuit, encapsulation of a pseudowire.

use super::bridge::Bridged;
use super::egress::{Hop, address_lan, carried, write_front};
use super::encapsulate::Carried;
use super::police::State;
use super::replicate::{Copies, Lost, Made};
use super::{Below, Rewrite};
use crate::frame::Frame;
use crate::net::{IfIndex, Label, NhlfeId, PortId, SaId, VlanId, VlinkId, VrfId};
use crate::op::{Attachment, BridgePort, Tags};
use crate::table::Tables;
use crate::verdict::{DropReason, Verdict};
use crate::wire::{ControlWord, EtherType, Ethernet, LabelEntry};
use crate::worker::Worker;

/// Octets of the two MAC addresses of a frame.
pub(super) const MACS: usize = 12;
const TAG: usize = 4;
const CONTROL_WORD: usize = 4;
/// A pseudowire's tunnel begins here: its labels' TTL, but for the flow label's (RFC 4448 §4, RFC 6391 §1.1).
const TTL: u8 = 255;
const FLOW_TTL: u8 = 1;

/// The tags in front of what stays of a frame, outer and inner.
type Tagging = [Option<(EtherType, VlanId)>; 2];

/// The tags of a circuit.
#[inline]
const fn tagging(tags: Tags) -> Tagging {
    match tags {
        Tags::Any | Tags::Untagged => [None; 2],
        Tags::Vlan(vlan) => [Some((EtherType::C_VLAN, vlan)), None],
        Tags::Service(vlan) => [Some((EtherType::S_VLAN, vlan)), None],
        Tags::Stacked { outer, inner } => [Some((EtherType::S_VLAN, outer)), Some((EtherType::C_VLAN, inner))],
    }
}

#[inline]
fn tag_octets(tags: &Tagging) -> usize {
    tags.iter().flatten().count().saturating_mul(TAG)
}

/// Writes the MAC addresses of a frame and its tags.
#[inline]
fn write_frame(macs: &[u8; MACS], tags: &Tagging, class: u8, room: &mut [u8]) -> Option<()> {
    let (to, mut room) = room.split_first_chunk_mut::<MACS>()?;
    *to = *macs;
    for (ethertype, vlan) in tags.iter().flatten() {
        let (tag, rest) = room.split_first_chunk_mut::<TAG>()?;
        let ([t0, t1], [v0, v1]) = (ethertype.0.to_be_bytes(), vlan.value().to_be_bytes());
        *tag = [t0, t1, class << 5 | v0, v1];
        room = rest;
    }
    Some(())
}

/// How a frame leaves by a port: what stands in front of the part of it that stays.
#[derive(Debug)]
struct Exit<'h, 'm> {
    iface: IfIndex,
    /// Of a pseudowire: where its entries lead, and a flow label. The hop is the caller's: too large to be handed on.
    tunnel: Option<(&'h Hop<'m>, Option<Label>)>,
    control_word: bool,
    tags: Tagging,
    mtu: usize,
}

impl<'h, 'm> Exit<'h, 'm> {
    /// By a port; `hop` is nowhere yet.
    #[inline]
    fn of(
        tables: &Tables<'m>,
        frame: &Frame<'_>,
        b: &Bridged,
        port: &BridgePort,
        hop: &'h mut Hop<'m>,
    ) -> Result<Self, Lost> {
        match port.attachment {
            Attachment::Circuit { iface, tags } => Self::circuit(tables, iface, tags),
            Attachment::Pseudowire { nhlfe } => Self::pseudowire((tables, frame), b, port, (nhlfe, [None; 2]), hop),
            Attachment::Tagged { nhlfe, vlan } => {
                let tags = [Some((EtherType::C_VLAN, vlan)), None];
                Self::pseudowire((tables, frame), b, port, (nhlfe, tags), hop)
            }
        }
    }

    #[inline]
    fn circuit(tables: &Tables<'m>, iface: IfIndex, tags: Tags) -> Result<Self, Lost> {
        let record = tables.interfaces.record(iface).ok_or(Lost::Drop(DropReason::NoEgress))?;
        let (tags, mtu) = (tagging(tags), usize::from(record.mtu()));
        Ok(Self { iface, tunnel: None, control_word: false, tags, mtu })
    }

    fn pseudowire(
        (tables, frame): (&Tables<'m>, &Frame<'_>),
        b: &Bridged,
        port: &BridgePort,
        to: (NhlfeId, Tagging),
        hop: &'h mut Hop<'m>,
    ) -> Result<Self, Lost> {
        let flow = port.flow_label.transmit.then(|| flow_label(frame, b));
        Self::core((tables, frame), b, to, (flow, port.control_word), hop)
    }

    /// Through an entry that pushes a pseudowire's label, on an interface of the core.
    fn core(
        (tables, frame): (&Tables<'m>, &Frame<'_>),
        b: &Bridged,
        (nhlfe, tags): (NhlfeId, Tagging),
        (flow, control_word): (Option<Label>, bool),
        hop: &'h mut Hop<'m>,
    ) -> Result<Self, Lost> {
        hop.follow(tables, nhlfe, (VrfId::GLOBAL, b.at), || flow_label(frame, b).value())?;
        if hop.vrf != VrfId::GLOBAL || (hop.labels == 0 && hop.link.is_none()) {
            return Err(Lost::Drop(DropReason::ForeignGroup));
        }
        let (iface, mtu) = (hop.iface, hop.room());
        Ok(Self { iface, tunnel: Some((hop, flow)), control_word, tags, mtu })
    }

    /// Octets between the labels of a pseudowire, or its virtual link, and the customer's frame.
    fn shim_octets(&self) -> usize {
        let flow = self.tunnel.as_ref().is_some_and(|(_, flow)| flow.is_some());
        let control_word = if self.control_word { CONTROL_WORD } else { 0 };
        if flow { control_word.saturating_add(LabelEntry::LEN) } else { control_word }
    }

    /// Octets of the tunnel, in front of the customer's frame.
    fn tunnel_octets(&self) -> usize {
        let Some((hop, _)) = &self.tunnel else { return 0 };
        Ethernet::LEN.saturating_add(hop.pushed()).saturating_add(self.shim_octets())
    }

    /// Octets in front of what stays of the frame.
    fn front(&self) -> usize {
        self.tunnel_octets().saturating_add(MACS).saturating_add(tag_octets(&self.tags))
    }

    /// Octets below the labels, where so many of the frame stay.
    fn size(&self, stays: usize) -> usize {
        self.shim_octets().saturating_add(MACS).saturating_add(tag_octets(&self.tags)).saturating_add(stays)
    }

    /// Whether a frame of which so many octets stay, from its ethertype on, fits. The MTU of a circuit is that of the payload of
    /// a frame, tags aside; that of a core link counts labels and all below.
    #[inline]
    fn fits(&self, stays: usize) -> Result<(), Lost> {
        let size = match self.tunnel {
            None => stays.saturating_sub(2),
            Some(_) => self.size(stays),
        };
        if size > self.mtu { Err(Lost::TooBig(size, self.mtu)) } else { Ok(()) }
    }

    /// Writes all of it; `room` has the octets of [`Self::front`], and `stays` octets of the frame follow. Says what protects
    /// the packet.
    fn write(
        &self,
        frame: &[u8; MACS],
        b: &Bridged,
        stays: usize,
        carried: Option<Carried>,
        room: &mut [u8],
    ) -> Result<Option<(SaId, usize)>, Lost> {
        const NO_ROOM: Lost = Lost::Drop(DropReason::NoHeadroom);
        let (tunnel, inner) = room.split_at_mut_checked(self.tunnel_octets()).ok_or(NO_ROOM)?;
        let mut protection = None;
        if let Some((hop, flow)) = &self.tunnel {
            let upper = tunnel.len().saturating_sub(self.shim_octets());
            let (upper, mut shim) = tunnel.split_at_mut_checked(upper).ok_or(NO_ROOM)?;
            protection = write_front(hop, &self.rewrite(b), carried, self.size(stays), upper).ok_or(NO_ROOM)?;
            if let Some(flow) = flow {
                let (entry, rest) = shim.split_first_chunk_mut::<{ LabelEntry::LEN }>().ok_or(NO_ROOM)?;
                *entry = LabelEntry::new(*flow, b.class, true, FLOW_TTL).0;
                shim = rest;
            }
            if let Some(word) = shim.first_chunk_mut() {
                *word = ControlWord::ethernet(b.number).0;
            }
        }
        write_frame(frame, &self.tags, b.class, inner).ok_or(NO_ROOM)?;
        if self.tunnel.as_ref().is_some_and(|(hop, _)| hop.is_lan()) {
            address_lan(room, &[]);
        }
        Ok(protection)
    }

    /// What the labels are written by.
    fn rewrite(&self, b: &Bridged) -> Rewrite {
        let has_flow = self.tunnel.as_ref().is_some_and(|(_, flow)| flow.is_some());
        let below = if has_flow { Below::Label { class: b.class } } else { Below::Frame };
        Rewrite { strip: 0, end: 0, below, ttl: TTL, phb: b.class, punt: (VrfId::GLOBAL, 0) }
    }

    /// What the headers of a virtual link take from the frame, and its number on the link.
    fn carried(&self, worker: &mut Worker<'_>, frame: &Frame<'_>, b: &Bridged) -> Result<Option<Carried>, Lost> {
        let Some(link) = self.tunnel.as_ref().and_then(|(hop, _)| hop.link.as_ref()) else { return Ok(None) };
        let number = number(worker, link.id, self.size(frame.octets().len().saturating_sub(b.rest)));
        Ok(Some(carried(frame, link, &self.rewrite(b), number)?))
    }
}

/// Counts a packet that leaves by a virtual link; its number.
pub(super) fn number(worker: &mut Worker<'_>, id: VlinkId, size: usize) -> u32 {
    let Some(state) = worker.link_state(id) else { return 0 };
    let number = state.next;
    state.next = number.wrapping_add(1);
    state.counters.count_out(size);
    number
}

/// A flow label (RFC 6391 §3): the same for frames that have to stay in order, which are those between two stations.
fn flow_label(frame: &Frame<'_>, b: &Bridged) -> Label {
    let rest = frame.after(b.rest);
    let ip = match rest {
        [0x08, 0x00, ip @ ..] => ip.get(12..20),
        [0x86, 0xdd, ip @ ..] => ip.get(8..40),
        _ => None,
    };
    let octets = b.macs(frame).into_iter().flatten().chain(ip.into_iter().flatten().copied());
    // FNV-1a, folded.
    let hash = octets.fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    let value = (hash ^ (hash >> 15)) & Label::MAX.value();
    Label::from_low_bits(value.max(Label::FIRST_UNRESERVED.value()))
}

/// The settings of a port that a frame may leave by.
#[inline]
fn exit_port(tables: &Tables<'_>, b: &Bridged, id: PortId) -> Result<BridgePort, Lost> {
    let port = tables.bridges.port(id).ok_or(Lost::Drop(DropReason::NoPort))?;
    if port.vsi != b.vsi {
        return Err(Lost::Drop(DropReason::ForeignGroup));
    }
    Ok(port)
}

/// Whether a frame does not go back: to its own port, or into the mesh that it came out of (RFC 4762 §4.4).
const fn goes_back(b: &Bridged, id: PortId, port: &BridgePort) -> Option<DropReason> {
    if id.0 == b.port.0 {
        return Some(DropReason::SamePort);
    }
    if port.split_horizon != 0 && port.split_horizon == b.split_horizon {
        return Some(DropReason::SplitHorizon);
    }
    None
}

/// A copy of a frame for a port.
#[inline]
pub(crate) fn copy(
    worker: &mut Worker<'_>,
    frame: &Frame<'_>,
    b: &Bridged,
    id: PortId,
    header: &mut [u8; Copies::HEADER],
) -> Result<Made, Lost> {
    let port = exit_port(&worker.tables, b, id)?;
    if goes_back(b, id, &port).is_some() {
        return Err(Lost::Skip);
    }
    let made = match port.attachment {
        Attachment::Circuit { iface, tags } => copy_to_circuit(&worker.tables, frame, b, (iface, tags), header)?,
        _ => copy_to_pseudowire(worker, frame, b, port, header)?,
    };
    count_out(&mut worker.state, frame, b, id);
    Ok(made)
}

/// To a circuit: nothing stands in front but the MAC addresses and the tags.
#[inline]
fn copy_to_circuit(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    b: &Bridged,
    (iface, tags): (IfIndex, Tags),
    header: &mut [u8; Copies::HEADER],
) -> Result<Made, Lost> {
    let exit = Exit::circuit(tables, iface, tags)?;
    let end = frame.octets().len();
    exit.fits(end.saturating_sub(b.rest))?;
    let macs = b.macs(frame).ok_or(Lost::Drop(DropReason::Truncated))?;
    write_frame(&macs, &exit.tags, b.class, header).ok_or(Lost::Drop(DropReason::NoHeadroom))?;
    let header = MACS.saturating_add(tag_octets(&exit.tags));
    Ok(Made::Transmit { iface, class: b.class, header, payload: b.rest..end, protection: None })
}

/// To a pseudowire.
#[inline(never)]
fn copy_to_pseudowire(
    worker: &mut Worker<'_>,
    frame: &Frame<'_>,
    b: &Bridged,
    port: BridgePort,
    header: &mut [u8; Copies::HEADER],
) -> Result<Made, Lost> {
    let mut hop = Hop::NONE;
    let exit = Exit::of(&worker.tables, frame, b, &port, &mut hop)?;
    copy_to(worker, frame, b, &exit, header)
}

/// A copy of a frame for a tree of the core, with a pseudowire's label: for frames that came from customers.
pub(super) fn tree(
    worker: &mut Worker<'_>,
    frame: &Frame<'_>,
    b: &Bridged,
    id: NhlfeId,
    header: &mut [u8; Copies::HEADER],
) -> Result<Made, Lost> {
    if b.split_horizon != 0 {
        return Err(Lost::Skip);
    }
    let mut hop = Hop::NONE;
    let exit = Exit::core((&worker.tables, frame), b, (id, [None; 2]), (None, false), &mut hop)?;
    copy_to(worker, frame, b, &exit, header)
}

fn copy_to(
    worker: &mut Worker<'_>,
    frame: &Frame<'_>,
    b: &Bridged,
    exit: &Exit<'_, '_>,
    header: &mut [u8; Copies::HEADER],
) -> Result<Made, Lost> {
    let end = frame.octets().len();
    let stays = end.saturating_sub(b.rest);
    exit.fits(stays)?;
    let (macs, len) = (b.macs(frame).ok_or(Lost::Drop(DropReason::Truncated))?, exit.front());
    let room = header.get_mut(..len).ok_or(Lost::Drop(DropReason::NoHeadroom))?;
    let carried = exit.carried(worker, frame, b)?;
    let protection = exit.write(&macs, b, stays, carried, room)?;
    Ok(Made::Transmit { iface: exit.iface, class: b.class, header: len, payload: b.rest..end, protection })
}

/// Sends a frame by the port that its destination is at: rewrites it in place.
pub(crate) fn send(worker: &mut Worker<'_>, frame: &mut Frame<'_>, b: &Bridged, id: PortId) -> Verdict {
    match try_send(worker, frame, b, id) {
        Ok(verdict) => verdict,
        Err(Lost::Drop(reason)) => Verdict::Drop(reason),
        Err(Lost::TooBig(..)) => Verdict::Drop(DropReason::CopyTooBig),
        Err(Lost::Skip) => Verdict::Drop(DropReason::SamePort),
    }
}

fn try_send(worker: &mut Worker<'_>, frame: &mut Frame<'_>, b: &Bridged, id: PortId) -> Result<Verdict, Lost> {
    let port = exit_port(&worker.tables, b, id)?;
    if let Some(reason) = goes_back(b, id, &port) {
        return Err(Lost::Drop(reason));
    }
    let mut hop = Hop::NONE;
    let exit = Exit::of(&worker.tables, frame, b, &port, &mut hop)?;
    let stays = frame.octets().len().saturating_sub(b.rest);
    exit.fits(stays)?;
    let macs = b.macs(frame).ok_or(Lost::Drop(DropReason::Truncated))?;
    if frame.room(b.rest) < exit.front() {
        return Err(Lost::Drop(DropReason::NoHeadroom));
    }
    let carried = exit.carried(worker, frame, b)?;
    count_out(&mut worker.state, frame, b, id);
    let room = frame.reframe(b.rest, exit.front()).ok_or(Lost::Drop(DropReason::NoHeadroom))?;
    let (iface, class) = (exit.iface, b.class);
    Ok(match exit.write(&macs, b, stays, carried, room)? {
        None => Verdict::Transmit { iface, class },
        Some((sa, offset)) => Verdict::Protect { iface, class, sa, offset },
    })
}

/// Counts a frame at its port and in its instance, which is the port's.
#[inline]
fn count_out(state: &mut State<'_>, frame: &Frame<'_>, b: &Bridged, id: PortId) {
    let octets = b.octets(frame);
    if let Some(counters) = state.port(id) {
        counters.count_out(octets);
    }
    if let Some(counters) = state.vsi(b.vsi) {
        counters.count_out(octets);
    }
}
