//! Last stage: follow the forwarding entries, check the size, rewrite the frame.

use core::slice::RChunksExactMut;

use super::encapsulate::{Carried, Outgoing};
use super::flow::entropy_label;
use super::{Below, Halt, Rewrite, Step, punt};
use crate::frame::Frame;
use crate::net::{IfIndex, Label, Mac, MacWords, NhlfeId, SaId, VlinkId, VrfId};
use crate::op::{Assigned, NextHop, TunnelModel};
use crate::table::Tables;
use crate::table::nhlfe::Entry;
use crate::verdict::{DropReason, PuntReason};
use crate::wire::{EtherType, Ethernet, Ipv4, Ipv6, LabelEntry};

/// The TTL that the pipe models begin a tunnel with (RFC 3443 §3.6).
const TUNNEL_TTL: u8 = 255;

/// The TTL of labels that begin a tunnel, if it is not that of the packet: those of the pipe models begin one (RFC 3443 §3.6, RFC 3270
/// §2.6.2, §2.6.3).
#[inline]
pub(super) const fn tunnel_ttl(model: TunnelModel) -> Option<u8> {
    match model {
        TunnelModel::Uniform => None,
        TunnelModel::Pipe | TunnelModel::ShortPipe => Some(TUNNEL_TTL),
    }
}

/// Where a chain of entries leads. It is made in place, by [`Hop::follow`]: too large to be handed from step to step.
#[derive(Debug)]
pub(crate) struct Hop<'m> {
    /// The entries on the way, the first one first. The labels that were counted are the labels that are written, whatever the
    /// writer does meanwhile.
    entries: [Option<Entry<'m>>; NextHop::MAX_DEPTH],
    /// The interface the packet leaves by.
    pub(crate) iface: IfIndex,
    /// Its VRF.
    pub(crate) vrf: VrfId,
    /// Its MTU.
    mtu: u16,
    /// Its MAC address, and the neighbour's.
    macs: [MacWords; 2],
    /// The hash of the packet's flow, if an entry asked for it.
    pub(super) flow: Option<u32>,
    /// Labels outside of a virtual link; of all entries together, if there is none.
    pub(super) labels: usize,
    /// The virtual link on the way.
    pub(crate) link: Option<Outgoing<'m>>,
    /// Who assigned the label on top, if it leaves in a multicast frame.
    lan: Option<Assigned>,
}

impl<'m> Hop<'m> {
    /// Nowhere yet.
    pub(crate) const NONE: Self = Self {
        entries: [None; NextHop::MAX_DEPTH],
        iface: IfIndex(0),
        vrf: VrfId::GLOBAL,
        mtu: 0,
        macs: [[0; 2]; 2],
        flow: None,
        labels: 0,
        link: None,
        lan: None,
    };

    /// Follows the entries from `id` on, at most [`NextHop::MAX_DEPTH`]. `vrf` and `offset` are for a punt; `hash` gives that of the
    /// packet's flow.
    pub(crate) fn follow(
        &mut self,
        tables: &Tables<'m>,
        id: NhlfeId,
        (vrf, offset): (VrfId, usize),
        hash: impl Fn() -> u32,
    ) -> Step<()> {
        const NO_ENTRY: Halt = Halt::Drop(DropReason::NoNhlfe);
        let mut at = id;
        let mut labels = 0_usize;
        for slot in &mut self.entries {
            let nhlfe = tables.nhlfe(at).ok_or(NO_ENTRY)?;
            *slot = Some(nhlfe);
            let entropy = nhlfe.entropy_count();
            labels = labels.wrapping_add(nhlfe.label_count()).wrapping_add(entropy);
            if entropy > 0 {
                self.flow.get_or_insert_with(&hash);
            }
            match nhlfe.next() {
                NextHop::Neighbor { iface, .. } => {
                    self.labels = labels;
                    return self.leave_by(tables, iface, nhlfe.mac());
                }
                // Its MAC address is written when its labels are.
                NextHop::Lan { iface, top } if labels > 0 => {
                    (self.labels, self.lan) = (labels, Some(top));
                    return self.leave_by(tables, iface, Mac::MPLS_MULTICAST.words());
                }
                NextHop::Lan { .. } => return Err(NO_ENTRY),
                NextHop::Nhlfe(next) => at = next,
                NextHop::Ecmp(group) => {
                    let hash = *self.flow.get_or_insert_with(&hash);
                    at = tables.groups.pick(group, hash).ok_or(NO_ENTRY)?;
                }
                NextHop::Protected(pair) => at = tables.pairs.active(pair, tables.interfaces).ok_or(NO_ENTRY)?,
                NextHop::Vlink(_) if self.link.is_some() => return Err(Halt::Drop(DropReason::ChainTooDeep)),
                NextHop::Vlink(id) => (at, labels) = (enter(&mut self.link, tables, id, labels)?, 0),
                NextHop::Local => return Err(punt(PuntReason::Local, vrf, offset)),
                NextHop::Discard => return Err(Halt::Drop(DropReason::Discard)),
            }
        }
        Err(Halt::Drop(DropReason::ChainTooDeep))
    }

    /// Ends at a neighbour on an interface.
    #[inline]
    pub(super) fn leave_by(&mut self, tables: &Tables<'m>, iface: IfIndex, neighbor: MacWords) -> Step<()> {
        let record = tables.interfaces.record(iface).ok_or(Halt::Drop(DropReason::NoEgress))?;
        (self.iface, self.vrf, self.mtu) = (iface, record.vrf(), record.mtu());
        self.macs = [record.mac(), neighbor];
        Ok(())
    }

    /// Whether it leaves in a multicast frame of labelled packets.
    #[inline]
    pub(super) const fn is_lan(&self) -> bool {
        self.lan.is_some()
    }

    /// Whether the first entry has no labels: it pops where another swaps.
    #[inline]
    pub(super) fn pops(&self) -> bool {
        let [first, ..] = &self.entries;
        first.is_none_or(|entry| entry.label_count() == 0)
    }

    /// The most octets that what is below the pushed labels may have: by the interface, and by the virtual link.
    pub(crate) fn room(&self) -> usize {
        let room = usize::from(self.mtu).saturating_sub(octets_of(self.labels));
        match &self.link {
            None => room,
            Some(link) => room.min(link.mtu).saturating_sub(link.header_len).saturating_sub(octets_of(link.labels)),
        }
    }

    /// Octets that are pushed: labels and the headers of a virtual link.
    pub(super) fn pushed(&self) -> usize {
        let link = self.link.as_ref();
        let inside = link.map_or(0, |link| octets_of(link.labels).saturating_add(link.header_len));
        octets_of(self.labels).saturating_add(inside)
    }

    /// What stands in front of the packet once labels are pushed, as far as a tunnel or the link need to know.
    const fn ethertype(&self, rewrite: &Rewrite) -> EtherType {
        match (&self.link, rewrite.below) {
            _ if matches!(self.lan, Some(Assigned::Upstream)) => EtherType::MPLS_UPSTREAM,
            _ if self.labels > 0 => EtherType::MPLS,
            (Some(link), _) => link.ethertype,
            (None, below) => ethertype_of(below),
        }
    }
}

/// Goes into a virtual link, with so many labels; the entry that its packets leave by.
#[inline(never)]
fn enter<'m>(link: &mut Option<Outgoing<'m>>, tables: &Tables<'m>, id: VlinkId, labels: usize) -> Step<NhlfeId> {
    const NO_VLINK: Halt = Halt::Drop(DropReason::NoVlink);
    let record = tables.vlinks.get(id).ok_or(NO_VLINK)?;
    Ok(link.insert(Outgoing::new(id, record, labels).ok_or(NO_VLINK)?).next)
}

const fn octets_of(labels: usize) -> usize {
    labels.saturating_mul(LabelEntry::LEN)
}

pub(super) const fn ethertype_of(below: Below) -> EtherType {
    match below {
        Below::Swapped { .. } | Below::Label { .. } => EtherType::MPLS,
        Below::Ipv4 { .. } => EtherType::IPV4,
        Below::Ipv6 { .. } => EtherType::IPV6,
        Below::Frame => EtherType::BRIDGED_ETHERNET,
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Octets of the frame's payload.
    pub(crate) octets: usize,
    /// The security association that the packet has to go through, and where its outer header stands.
    pub(crate) protection: Option<(SaId, usize)>,
}

/// Rewrites the frame for the hop; `number` is that of the packet on a virtual link.
pub(crate) fn send(frame: &mut Frame<'_>, hop: &Hop<'_>, rewrite: &Rewrite, number: u32) -> Step<Sent> {
    const NO_HEADROOM: Halt = Halt::Drop(DropReason::NoHeadroom);
    let size = rewrite.end.saturating_sub(rewrite.strip);
    if size > hop.room() {
        // RFC 3032 §3.4: a packet that may be fragmented is software's to fragment, labels or not.
        let reason = match rewrite.below {
            Below::Ipv4 { dont_fragment: false, .. } => PuntReason::FragmentationNeeded,
            _ => PuntReason::TooBig,
        };
        let (vrf, offset) = rewrite.punt;
        return Err(punt(reason, vrf, offset));
    }
    let carried = match &hop.link {
        None => None,
        Some(link) => Some(carried(frame, link, rewrite, number)?),
    };
    let pushed = hop.pushed();
    let push = pushed.saturating_add(Ethernet::LEN);
    if frame.room(rewrite.strip) < push {
        return Err(NO_HEADROOM);
    }
    // Nothing fails from here on.
    write_below(frame.octets_mut().get_mut(rewrite.strip..).unwrap_or_default(), rewrite.below, rewrite.ttl);
    frame.truncate(rewrite.end);
    let room = frame.reframe(rewrite.strip, push).ok_or(NO_HEADROOM)?;
    let protection = write_front(hop, rewrite, carried, size, room).ok_or(NO_HEADROOM)?;
    if hop.is_lan() {
        address_lan(frame.octets_mut(), &[]);
    }
    Ok(Sent { octets: pushed.saturating_add(size), protection })
}

/// Completes the MAC address of a multicast frame, which `front` begins, by the second label of the stack or the only one (RFC 5332
/// §8). `rest` is what follows the front.
#[inline(never)]
pub(super) fn address_lan(front: &mut [u8], rest: &[u8]) {
    let Some((header, labels)) = front.split_first_chunk_mut::<{ Ethernet::LEN }>() else { return };
    let Some(top) = LabelEntry::of(labels) else { return };
    let below = LabelEntry::of(labels.get(LabelEntry::LEN..).unwrap_or_default()).or(LabelEntry::of(rest));
    let entry = below.filter(|_| !top.is_bottom()).unwrap_or(top);
    let [_, high, middle, low] = entry.label().value().to_be_bytes();
    let [_, _, _, vx, wx, yz, ..] = header;
    (*vx, *wx, *yz) = (*vx | high, middle, low);
}

/// Writes the Ethernet header, the labels and the headers of a virtual link, which take all of `room`; `size` octets follow.
/// Says what protects the packet, and where its outer header stands; `None` if they do not fit.
pub(super) fn write_front(
    hop: &Hop<'_>,
    rewrite: &Rewrite,
    carried: Option<Carried>,
    size: usize,
    room: &mut [u8],
) -> Option<Option<(SaId, usize)>> {
    let (header, room) = room.split_first_chunk_mut::<{ Ethernet::LEN }>()?;
    let [own, neighbor] = hop.macs;
    Ethernet(header).set_words(neighbor, own, hop.ethertype(rewrite));
    let outside = octets_of(hop.labels);
    let (outer, room) = room.split_at_mut_checked(outside)?;
    let mut protection = None;
    let labels = match (&hop.link, carried) {
        (Some(link), Some(carried)) => {
            let (headers, inner) = room.split_at_mut_checked(link.header_len)?;
            let output = link.write(headers, inner.len().saturating_add(size), &carried);
            let at = Ethernet::LEN.saturating_add(outside);
            protection = output.and_then(|output| output.protection).map(|p| (p.sa, at));
            [inner, outer]
        }
        _ => [outer, room],
    };
    write_labels(hop, rewrite, labels);
    Some(protection)
}

/// What a virtual link's headers take from the packet, if the link carries such packets.
pub(super) fn carried(frame: &Frame<'_>, link: &Outgoing<'_>, rewrite: &Rewrite, number: u32) -> Step<Carried> {
    let payload = if link.labels > 0 { EtherType::MPLS } else { ethertype_of(rewrite.below) };
    if !link.carries(payload) {
        return Err(Halt::Drop(DropReason::VlinkPayload));
    }
    let octets = frame.after(rewrite.strip);
    let (dscp, ecn, flow) = match rewrite.below {
        Below::Ipv4 { dscp, .. } => {
            let h = Ipv4::of(octets).ok_or(Halt::Drop(DropReason::Truncated))?;
            let flow = h.source().to_bits() ^ h.destination().to_bits().rotate_left(16);
            (dscp.unwrap_or(h.dscp()), h.ecn(), flow)
        }
        Below::Ipv6 { dscp } => {
            let h = Ipv6::of(octets).ok_or(Halt::Drop(DropReason::Truncated))?;
            let bits = h.source().to_bits() ^ h.destination().to_bits().rotate_left(16);
            let flow = (bits ^ bits >> 64) as u64;
            (dscp.unwrap_or(h.dscp()), h.ecn(), (flow ^ flow >> 32) as u32)
        }
        Below::Swapped { .. } | Below::Label { .. } | Below::Frame => (rewrite.phb << 3, 0, 0),
    };
    let flow = flow.wrapping_mul(0x9e37_79b1) >> 16;
    Ok(Carried { payload, traffic: dscp << 2 | ecn, number, flow })
}

/// Writes TTL and class into the header that stays, at the beginning of `octets`.
#[inline(always)]
pub(super) fn write_below(octets: &mut [u8], below: Below, ttl: u8) {
    match below {
        Below::Swapped { .. } | Below::Frame => {}
        Below::Label { class } => {
            if let Some(entry) = octets.first_chunk_mut::<{ LabelEntry::LEN }>() {
                let old = LabelEntry(*entry);
                *entry = LabelEntry::new(old.label(), class, old.is_bottom(), ttl).0;
            }
        }
        Below::Ipv4 { dscp, .. } => {
            if let Some(mut header) = Ipv4::of_mut(octets) {
                header.set_ttl(ttl);
                if let Some(dscp) = dscp {
                    header.set_dscp(dscp);
                }
            }
        }
        Below::Ipv6 { dscp } => {
            if let Some(mut header) = Ipv6::of_mut(octets) {
                header.set_hop_limit(ttl);
                if let Some(dscp) = dscp {
                    header.set_dscp(dscp);
                }
            }
        }
    }
}

/// Writes the label entries, the lowest first: from the end of each stack to its start. `stacks` are that inside of a virtual
/// link and that outside; without a link the first is the only one.
fn write_labels(hop: &Hop<'_>, rewrite: &Rewrite, stacks: [&mut [u8]; 2]) {
    let [mut slots, outside] = stacks.map(|stack| stack.rchunks_exact_mut(LabelEntry::LEN));
    let mut outside = Some(outside);
    let mut ttl = rewrite.ttl;
    // Class and bottom bit of the next entry. A swapped label keeps its own class, and the TTL that is sent.
    let (mut class, mut is_bottom, mut is_swap) = match rewrite.below {
        Below::Swapped { class, bottom } => (class, bottom, true),
        Below::Label { .. } => (rewrite.phb, false, false),
        Below::Ipv4 { .. } | Below::Ipv6 { .. } | Below::Frame => (rewrite.phb, true, false),
    };
    for nhlfe in hop.entries.iter().flatten() {
        let tunnel_ttl = tunnel_ttl(nhlfe.model());
        for label in nhlfe.labels() {
            if label == Label::ENTROPY_INDICATOR {
                // RFC 6790 §4.2: TTL 0, and the bottom of the stack if what it stands on is no label.
                let bottom = core::mem::take(&mut is_bottom);
                let entropy = entropy_label(hop.flow.unwrap_or_default());
                put(&mut slots, LabelEntry::new(entropy, rewrite.phb, bottom, 0));
                put(&mut slots, LabelEntry::new(label, rewrite.phb, false, tunnel_ttl.unwrap_or(ttl)));
                continue;
            }
            if !is_swap {
                ttl = tunnel_ttl.unwrap_or(ttl);
            }
            put(&mut slots, LabelEntry::new(label, class, is_bottom, ttl));
            (class, is_bottom, is_swap) = (rewrite.phb, false, false);
        }
        if let Some(link) = hop.link.as_ref().filter(|_| nhlfe.is_vlink()) {
            // A new packet begins: the outer one.
            (is_bottom, ttl) = (true, link.ttl);
            if let Some(outside) = outside.take() {
                slots = outside;
            }
        }
    }
}

/// Writes the entry above those that are written.
#[inline]
fn put(slots: &mut RChunksExactMut<'_, u8>, entry: LabelEntry) {
    if let Some(slot) = slots.next() {
        slot.copy_from_slice(&entry.0);
    }
}
