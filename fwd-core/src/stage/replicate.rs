//! Replication: the copies of a packet, one after the other.
//!
//! A copy is the front of a frame, in memory of the embedder, and a range of the frame that arrived, which no copy changes: the
//! transmitter sends the one, then the other.

use core::ops::Range;

use super::bridge::Bridged;
use super::egress::{Hop, address_lan, carried, write_below, write_front};
use super::exposed::{Exposed, Tunnel, class_of};
use super::label::{Ended, Incoming, context, forward, leave_tree, upstream};
use super::police::{self, State};
use super::port::number;
use super::{Below, Halt, Rewrite, Step, bridge, flow, multicast, port, punt_frame, vlink};
use crate::frame::Frame;
use crate::net::{IfIndex, LabelSpaceId, Mac, ReplicationId, SaId, TunnelId, VrfId};
use crate::op::{LegTarget, Origin, VsiOrVrf};
use crate::table::Tables;
use crate::table::grace::Pin;
use crate::table::replication::Cursor;
use crate::verdict::{DropReason, PuntReason, Verdict};
use crate::wire::{Ethernet, Ipv4, Ipv6, LabelEntry};
use crate::worker::Worker;

/// A packet that is to be copied: what [`crate::Forwarder::copies`] begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    group: ReplicationId,
    owner: VsiOrVrf,
    packet: Packet,
    /// Software gets a copy first.
    register: bool,
}

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// An IP packet; `stays_out`: no leg that is a group is its.
    Routed { rewrite: Rewrite, origin: Origin, mac: Mac, stays_out: bool },
    /// A labelled packet.
    Labelled { at: Incoming, entry: LabelEntry, tunnel: Tunnel },
    /// An Ethernet frame.
    Bridged(Bridged),
}

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replica<'c> {
    /// Send the front, then this range of the frame that arrived.
    Transmit {
        /// The interface.
        iface: IfIndex,
        /// As in [`Verdict::Transmit`].
        class: u8,
        /// The front.
        front: &'c [u8],
        /// Octets of the frame.
        payload: Range<usize>,
        /// The security association that the copy has to go through first, and where its outer header stands in it.
        protection: Option<(SaId, usize)>,
    },
    /// Hand the frame to software as well: [`Verdict::Punt`] or [`Verdict::PuntFrame`].
    Punt(Verdict),
}

/// A copy whose front stands in the buffer.
pub(crate) enum Made {
    Transmit { iface: IfIndex, class: u8, header: usize, payload: Range<usize>, protection: Option<(SaId, usize)> },
    Punt(Halt),
}

/// The copies of a packet. While they are made, the legs of its group stay as they were for this reader.
#[derive(Debug)]
pub struct Copies<'w, 'm> {
    worker: &'w mut Worker<'m>,
    frame: &'w Frame<'w>,
    replication: Replication,
    /// The next leg, and the one after the nested group that it is in.
    cursor: Cursor,
    resume: Option<Cursor>,
    /// While copies of what is below a label are made, or of what goes on in another VRF: the packet itself, and where it stands.
    above: Option<(Replication, Cursor, Option<Cursor>)>,
    /// The leg that the last copy is for.
    leg: Option<LegTarget>,
    header: [u8; Copies::HEADER],
    _pin: Option<Pin<'m>>,
}

impl Copies<'_, '_> {
    /// The longest front: an Ethernet header, the labels of the longest chain of entries, a flow label, a control word and the
    /// header of a customer's frame with two tags, or an IPv6 header.
    pub const HEADER: usize = 256;
}

/// Why a leg makes no copy.
pub(crate) enum Lost {
    /// It leads to where the packet came from.
    Skip,
    /// The copy is lost and counted.
    Drop(DropReason),
    /// The copy is larger than the interface takes: so many octets, of so many.
    TooBig(usize, usize),
}

impl From<Halt> for Lost {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Drop(reason) => Self::Drop(reason),
            // An entry that leads to software: the group has `LegTarget::Local` for that.
            _ => Self::Drop(DropReason::LegUnfit),
        }
    }
}

impl Replication {
    pub(crate) const fn new(group: ReplicationId, owner: VsiOrVrf, packet: Packet, register: bool) -> Self {
        Self { group, owner, packet, register }
    }

    /// A labelled packet for the legs of a group.
    pub(crate) fn labelled(
        tables: &Tables<'_>,
        state: &mut State<'_>,
        frame: &Frame<'_>,
        group: ReplicationId,
        (at, entry, tunnel): (Incoming, LabelEntry, Tunnel),
    ) -> Step<Self> {
        let found = tables.multicast.groups.get(group);
        let (owner, _) = found.ok_or(Halt::Drop(DropReason::NoReceivers))?;
        // The group of a VPN whose customer is a carrier copies what came by the core, or from the VPN itself.
        let is_own = match owner {
            VsiOrVrf::Vrf(vrf) => vrf == VrfId::GLOBAL || at.vrf == VrfId::GLOBAL || at.vrf == vrf,
            VsiOrVrf::Vsi(_) => false,
        };
        if !is_own {
            return Err(Halt::Drop(DropReason::ForeignGroup));
        }
        let octets = frame.after(at.offset).len();
        let mark = police::group(tables, state, group, octets).map_err(Halt::Drop)?;
        if let Some(counters) = state.group(group) {
            counters.count_in(octets);
        }
        let class = mark.map(class_of);
        let tunnel = class.map_or(tunnel, |class| Tunnel { class, phb: class, ..tunnel });
        Ok(Self::new(group, owner, Packet::Labelled { at, entry, tunnel }, false))
    }
}
impl<'w, 'm> Copies<'w, 'm> {
    pub(crate) fn new(
        worker: &'w mut Worker<'m>,
        frame: &'w Frame<'w>,
        replication: Replication,
        pin: Option<Pin<'m>>,
    ) -> Self {
        let mut copies = Self {
            worker,
            frame,
            replication,
            cursor: Cursor::END,
            resume: None,
            above: None,
            leg: None,
            header: [0; Copies::HEADER],
            _pin: pin,
        };
        copies.begin();
        copies
    }

    /// Goes to the first leg, if the group is still the owner's.
    fn begin(&mut self) {
        let found = self.worker.tables.multicast.groups.get(self.replication.group);
        let first = found.filter(|(owner, _)| *owner == self.replication.owner).map(|(_, first)| first);
        (self.cursor, self.resume) = (first.unwrap_or(Cursor::END), None);
    }

    /// The next copy; none when all are made.
    #[allow(clippy::should_implement_trait)] // the front stands in the iterator itself
    pub fn next(&mut self) -> Option<Replica<'_>> {
        Some(match self.make()? {
            Made::Punt(halt) => Replica::Punt(halt.into()),
            Made::Transmit { iface, class, header, payload, protection } => {
                let front = self.header.get(..header).unwrap_or_default();
                Replica::Transmit { iface, class, front, payload, protection }
            }
        })
    }

    /// The next copy and the leg that it is for; its front begins [`Self::header`].
    pub(crate) fn make_next(&mut self) -> Option<(Option<LegTarget>, Made)> {
        let made = self.make()?;
        Some((self.leg, made))
    }

    pub(crate) const fn header(&self) -> &[u8; Copies::HEADER] {
        &self.header
    }

    pub(crate) const fn tables(&self) -> Tables<'m> {
        self.worker.tables
    }

    fn make(&mut self) -> Option<Made> {
        if core::mem::take(&mut self.replication.register) {
            self.count(None);
            return Some(Made::Punt(self.software(PuntReason::Register)));
        }
        // Each turn takes a leg, or ends a group. A packet below, which has no such leg itself, is one for a leg of the packet above; a group
        // has nested ones, which have none.
        loop {
            let made = match self.worker.tables.multicast.groups.next(&mut self.cursor) {
                Some((_, target)) => {
                    self.leg = Some(target);
                    self.leg(target)
                }
                None => {
                    match self.resume.take() {
                        Some(cursor) => self.cursor = cursor,
                        None => (self.replication, self.cursor, self.resume) = self.above.take()?,
                    }
                    continue;
                }
            };
            match made {
                Ok(None) => {}
                Ok(Some(made)) => {
                    self.count(None);
                    return Some(made);
                }
                Err(lost) => {
                    let punt = self.too_big(&lost);
                    self.count(Some(lost));
                    if punt.is_some() {
                        return punt;
                    }
                }
            }
        }
    }

    /// Octets of the packet, as policers count them.
    fn octets(&self) -> usize {
        match &self.replication.packet {
            Packet::Routed { rewrite, .. } => rewrite.end.saturating_sub(rewrite.strip),
            Packet::Labelled { at, .. } => self.frame.after(at.offset).len(),
            Packet::Bridged(b) => self.frame.after(b.at).len(),
        }
    }

    /// Goes on with another group's legs, of the same owner.
    fn nest(&mut self, id: ReplicationId) -> Result<Option<Made>, Lost> {
        match self.worker.tables.multicast.groups.get(id) {
            Some((owner, _)) if owner != self.replication.owner => match self.replication.packet {
                // The provider's LSP ends here beside copies that go on: what is below is a VPN's, whose group is one more for the packet.
                Packet::Labelled { at, entry, tunnel } if self.above.is_none() && self.is_of_provider() => {
                    self.replicate_too(id, (at, entry, tunnel))
                }
                _ => Err(Lost::Drop(DropReason::ForeignGroup)),
            },
            Some((_, first)) if self.resume.is_none() => {
                let octets = self.octets();
                let worker = &mut *self.worker;
                // The mark is that of the packet's own group.
                police::group(&worker.tables, &mut worker.state, id, octets).map_err(Lost::Drop)?;
                self.resume = Some(self.cursor);
                self.cursor = first;
                Ok(None)
            }
            _ => Err(Lost::Drop(DropReason::LegUnfit)),
        }
    }

    /// The punt of the whole packet.
    fn software(&self, reason: PuntReason) -> Halt {
        let (vrf, offset) = match &self.replication.packet {
            Packet::Routed { rewrite, .. } => rewrite.punt,
            Packet::Labelled { at, .. } => (at.vrf, at.offset),
            Packet::Bridged(b) => return punt_frame(reason, b.port, b.at),
        };
        super::punt(reason, vrf, offset)
    }

    /// A packet too big is software's to answer if it is an IPv6 packet of a customer (RFC 4443 §2.4); RFC 1812 §4.3.2.7 forbids
    /// to answer an IPv4 one.
    fn too_big(&mut self, lost: &Lost) -> Option<Made> {
        let Packet::Routed { rewrite, .. } = &self.replication.packet else { return None };
        let (Rewrite { below: Below::Ipv6 { .. }, punt: (vrf, _), strip, end, .. }, Lost::TooBig(..)) = (rewrite, lost)
        else {
            return None;
        };
        let slot = self.worker.tables.multicast.vrf(*vrf)?;
        let may = police::punt(&self.worker.tables, &mut self.worker.state, slot, end.saturating_sub(*strip));
        may.then(|| Made::Punt(self.software(PuntReason::TooBig)))
    }

    fn count(&mut self, lost: Option<Lost>) {
        let reason = match lost {
            None => None,
            Some(Lost::Skip) => return,
            Some(Lost::Drop(reason)) => Some((reason, None)),
            Some(Lost::TooBig(size, mtu)) => {
                if let VsiOrVrf::Vrf(vrf) = self.replication.owner {
                    self.worker.count_too_big(vrf, size, mtu);
                }
                let sizes = (u32::try_from(size).unwrap_or(u32::MAX), u32::try_from(mtu).unwrap_or(u32::MAX));
                Some((DropReason::CopyTooBig, Some(sizes)))
            }
        };
        match reason {
            None => self.worker.counters.count_copy(),
            Some((reason, _)) => self.worker.counters.count_lost(reason),
        }
        if let Some(group) = self.worker.state.group(self.replication.group) {
            match reason {
                None => group.count_copy(),
                Some((_, sizes)) => group.count_lost(sizes),
            }
        }
    }

    /// The copy for a leg; none if it says that the packet ends here too, or leads to other legs.
    fn leg(&mut self, target: LegTarget) -> Result<Option<Made>, Lost> {
        // Most copies by far are these: the packet is not moved for them.
        if let (Packet::Bridged(b), LegTarget::Port(id)) = (&self.replication.packet, target) {
            return port::copy(self.worker, self.frame, b, id, &mut self.header).map(Some);
        }
        let (frame, owner) = (self.frame, self.replication.owner);
        let tables = &self.worker.tables;
        match (self.replication.packet, target) {
            (_, LegTarget::Local) => return Ok(Some(Made::Punt(self.software(PuntReason::Local)))),
            (Packet::Routed { stays_out: true, .. }, LegTarget::Group(_)) => return Err(Lost::Skip),
            (_, LegTarget::Group(id)) => return self.nest(id),
            (Packet::Routed { rewrite, origin, mac, .. }, LegTarget::Interface(iface)) => {
                if origin == Origin::Interface(iface) {
                    return Err(Lost::Skip);
                }
                let mut hop = Hop::NONE;
                hop.leave_by(tables, iface, mac.words())?;
                if VsiOrVrf::Vrf(hop.vrf) != owner {
                    return Err(Lost::Drop(DropReason::ForeignGroup));
                }
                write(self.worker, frame, &hop, &rewrite, &mut self.header)
            }
            (Packet::Routed { rewrite, origin, .. }, LegTarget::Nhlfe(id)) => {
                let (vrf, offset) = rewrite.punt;
                let mut hop = Hop::NONE;
                hop.follow(tables, id, (vrf, offset), || flow::of_ip(frame.after(rewrite.strip)))?;
                if origin == Origin::Interface(hop.iface) {
                    return Err(Lost::Skip);
                }
                // Unlabelled it stays in its VRF, labelled it crosses the core.
                let of = if hop.labels == 0 && hop.link.is_none() { owner } else { VsiOrVrf::Vrf(VrfId::GLOBAL) };
                if VsiOrVrf::Vrf(hop.vrf) != of {
                    return Err(Lost::Drop(DropReason::ForeignGroup));
                }
                write(self.worker, frame, &hop, &rewrite, &mut self.header)
            }
            (Packet::Labelled { at, entry, tunnel }, LegTarget::Nhlfe(id)) => {
                let mut hop = Hop::NONE;
                let rewrite = forward(tables, frame, (Incoming { id, ..at }, entry, tunnel), &mut hop)?;
                // To a site only of the VPN whose group it is.
                if hop.vrf != VrfId::GLOBAL && VsiOrVrf::Vrf(hop.vrf) != owner {
                    return Err(Lost::Drop(DropReason::ForeignGroup));
                }
                write(self.worker, frame, &hop, &rewrite, &mut self.header)
            }
            (
                Packet::Labelled { at, entry, tunnel },
                LegTarget::Multicast(_) | LegTarget::Arrive(_) | LegTarget::Context(_),
            ) if self.above.is_none() => return self.end(target, (at, entry, tunnel)),
            (Packet::Routed { rewrite, .. }, LegTarget::Multicast(origin)) if self.above.is_none() => {
                return self.cross(origin, &rewrite);
            }
            (Packet::Routed { rewrite, .. }, LegTarget::Decapsulate(origin)) if self.above.is_none() => {
                return self.decapsulate(origin, &rewrite);
            }
            (Packet::Routed { rewrite, .. }, LegTarget::Context(space)) if self.above.is_none() => {
                return self.decapsulate_labels(space, &rewrite);
            }
            (Packet::Bridged(b), LegTarget::Nhlfe(id)) => port::tree(self.worker, frame, &b, id, &mut self.header),
            _ => Err(Lost::Drop(DropReason::LegUnfit)),
        }
        .map(Some)
    }

    /// Goes on with the packet that a label covers: it ends here too.
    fn end(
        &mut self,
        target: LegTarget,
        (at, entry, tunnel): (Incoming, LabelEntry, Tunnel),
    ) -> Result<Option<Made>, Lost> {
        let (frame, tables) = (self.frame, &self.worker.tables);
        let ended = match target {
            LegTarget::Multicast(origin) => leave_tree(tables, frame, origin, &at, entry, tunnel),
            LegTarget::Context(space) => context(tables, frame, space, &at, entry, tunnel),
            LegTarget::Arrive(port) => {
                let offset = at.offset.saturating_add(LabelEntry::LEN);
                Ok(Ended::Bridge { port, offset, is_bottom: entry.is_bottom(), tunnel })
            }
            _ => Err(Halt::Drop(DropReason::LegUnfit)),
        };
        self.ended(ended)
    }

    /// Goes on with what is below the labels that end here.
    fn ended(&mut self, ended: Step<Ended>) -> Result<Option<Made>, Lost> {
        let frame = self.frame;
        match ended {
            Ok(Ended::Multicast { origin, vrf, offset, tunnel }) => {
                let origin = Origin::Tunnel(origin);
                self.route(multicast::Arrival { vrf, offset, tunnel: Some(tunnel), origin })
            }
            Ok(Ended::Bridge { port, offset, is_bottom, tunnel }) => {
                let Worker { tables, state, .. } = &mut *self.worker;
                let way = bridge::from_pseudowire(tables, state, frame, port, (offset, is_bottom), tunnel.phb);
                self.go_on(way)
            }
            Ok(Ended::Replicate(group, at, entry, tunnel)) => self.replicate_too(group, (at, entry, tunnel)),
            Err(halt) => self.go_on(Err(halt)),
        }
    }

    fn is_of_provider(&self) -> bool {
        self.replication.owner == VsiOrVrf::Vrf(VrfId::GLOBAL)
    }

    /// Goes on with the legs of a group for a labelled packet, which comes back to its own legs after these.
    fn replicate_too(
        &mut self,
        group: ReplicationId,
        packet: (Incoming, LabelEntry, Tunnel),
    ) -> Result<Option<Made>, Lost> {
        let Worker { tables, state, .. } = &mut *self.worker;
        let way = Replication::labelled(tables, state, self.frame, group, packet).map(bridge::Way::Replicate);
        self.go_on(way)
    }

    /// Goes on with a packet of one VRF as one that came by a tunnel of another: the VRFs of an extranet (RFC 7900 §8). It is routed twice
    /// and loses but one hop.
    fn cross(&mut self, origin: TunnelId, rewrite: &Rewrite) -> Result<Option<Made>, Lost> {
        let bound = self.worker.tables.multicast.tunnel_vrf(origin);
        let vrf = bound.ok_or(Lost::Drop(DropReason::UnknownTunnel))?;
        let offset = rewrite.strip;
        let exposed = Exposed::read(self.frame, offset, true)?;
        let ttl = rewrite.ttl.saturating_add(1);
        let tunnel = Some(Tunnel { ttl, class: exposed.class(), phb: rewrite.phb });
        self.route(multicast::Arrival { vrf, offset, tunnel, origin: Origin::Tunnel(origin) })
    }

    /// Goes on with the packet in a packet of the provider's.
    fn decapsulate(&mut self, origin: TunnelId, rewrite: &Rewrite) -> Result<Option<Made>, Lost> {
        if self.replication.owner != VsiOrVrf::Vrf(VrfId::GLOBAL) {
            return Err(Lost::Drop(DropReason::ForeignGroup));
        }
        let bound = self.worker.tables.multicast.tunnel_vrf(origin);
        let vrf = bound.ok_or(Lost::Drop(DropReason::UnknownTunnel))?;
        let (offset, tunnel) = vlink::of_tree(self.frame, rewrite.strip)?;
        self.route(multicast::Arrival { vrf, offset, tunnel: Some(tunnel), origin: Origin::Tunnel(origin) })
    }

    /// Goes on with what is below the labels in a packet of the provider's.
    fn decapsulate_labels(&mut self, space: LabelSpaceId, rewrite: &Rewrite) -> Result<Option<Made>, Lost> {
        if self.replication.owner != VsiOrVrf::Vrf(VrfId::GLOBAL) {
            return Err(Lost::Drop(DropReason::ForeignGroup));
        }
        let offset = vlink::labels_of_tree(self.frame, rewrite.strip)?;
        let ended = upstream(&self.worker.tables, self.frame, space, offset);
        self.ended(ended)
    }

    /// Goes on with a multicast packet of a VRF.
    fn route(&mut self, arrival: multicast::Arrival) -> Result<Option<Made>, Lost> {
        let Worker { tables, state, .. } = &mut *self.worker;
        let way = multicast::process(tables, state, self.frame, arrival).map(bridge::Way::Replicate);
        self.go_on(way)
    }

    /// Goes on with what a packet became here, and comes back to the legs of the packet itself.
    fn go_on(&mut self, way: Step<bridge::Way>) -> Result<Option<Made>, Lost> {
        match way {
            Ok(bridge::Way::Replicate(next)) => {
                self.above = Some((self.replication, self.cursor, self.resume));
                self.replication = next;
                self.begin();
                let is_to_register = core::mem::take(&mut self.replication.register);
                Ok(is_to_register.then(|| Made::Punt(self.software(PuntReason::Register))))
            }
            Ok(bridge::Way::Port(b, id)) => port::copy(self.worker, self.frame, &b, id, &mut self.header).map(Some),
            Err(Halt::Drop(reason)) => Err(Lost::Drop(reason)),
            Err(punt) => Ok(Some(Made::Punt(punt))),
        }
    }
}

/// Writes the front of a copy for a hop, with the header that TTL and class are written into.
fn write(
    worker: &mut Worker<'_>,
    frame: &Frame<'_>,
    hop: &Hop<'_>,
    rewrite: &Rewrite,
    header: &mut [u8; Copies::HEADER],
) -> Result<Made, Lost> {
    const NO_ROOM: Lost = Lost::Drop(DropReason::NoHeadroom);
    let size = rewrite.end.saturating_sub(rewrite.strip);
    if size > hop.room() {
        if let Some(state) = hop.link.as_ref().and_then(|link| worker.link_state(link.id)) {
            state.counters.count_too_big(size, hop.room());
        }
        return Err(Lost::TooBig(size, hop.room()));
    }
    let kept = match rewrite.below {
        Below::Swapped { .. } | Below::Frame => 0,
        Below::Label { .. } => LabelEntry::LEN,
        Below::Ipv4 { .. } => Ipv4::LEN,
        Below::Ipv6 { .. } => Ipv6::LEN,
    };
    let front = Ethernet::LEN.saturating_add(hop.pushed());
    let (len, payload) = (front.saturating_add(kept), rewrite.strip.saturating_add(kept));
    let below = frame.octets().get(rewrite.strip..payload).ok_or(Lost::Drop(DropReason::Truncated))?;
    let (room, rest) = header.split_at_mut_checked(front).ok_or(NO_ROOM)?;
    let stays = rest.get_mut(..kept).ok_or(NO_ROOM)?;
    for (to, from) in stays.iter_mut().zip(below) {
        *to = *from;
    }
    write_below(stays, rewrite.below, rewrite.ttl);
    let carried = match &hop.link {
        None => None,
        Some(link) => Some(carried(frame, link, rewrite, number(worker, link.id, size))?),
    };
    let protection = write_front(hop, rewrite, carried, size, room).ok_or(NO_ROOM)?;
    if hop.is_lan() {
        address_lan(header.get_mut(..len).unwrap_or_default(), frame.after(payload));
    }
    let class = rewrite.phb;
    Ok(Made::Transmit { iface: hop.iface, class, header: len, payload: payload..rewrite.end, protection })
}
