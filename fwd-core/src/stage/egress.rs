//! Last stage: follow the forwarding entries, check the size, rewrite the frame.

use super::{Below, Rewrite, Step, punt};
use crate::frame::Frame;
use crate::net::{IfIndex, Label, Mac, NhlfeId, VrfId};
use crate::op::{Interface, NextHop, TunnelModel};
use crate::table::Tables;
use crate::verdict::{DropReason, PuntReason, Verdict};
use crate::wire::{EtherType, Ethernet, Ipv4, Ipv6, LabelEntry};

/// The TTL that the pipe models begin a tunnel with (RFC 3443 §3.6).
const TUNNEL_TTL: u8 = 255;

/// Where a chain of entries leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    /// The first entry.
    id: NhlfeId,
    /// The interface the packet leaves by.
    pub(crate) iface: IfIndex,
    /// Its settings.
    pub(crate) interface: Interface,
    /// The neighbour.
    mac: Mac,
    /// Labels of all entries together.
    labels: usize,
    /// Whether the first entry has no labels: it pops where another swaps.
    pub(crate) first_is_empty: bool,
}

impl Hop {
    /// Follows the entries from `id` on, at most [`NextHop::MAX_DEPTH`]. `vrf` and `offset` are for a punt.
    pub(crate) fn resolve(tables: &Tables<'_>, id: NhlfeId, vrf: VrfId, offset: usize) -> Step<Self> {
        let mut at = id;
        let mut labels = 0_usize;
        let mut first_is_empty = true;
        for depth in 0..NextHop::MAX_DEPTH {
            let nhlfe = tables.nhlfe(at).ok_or(Verdict::Drop(DropReason::NoNhlfe))?;
            let pushed = nhlfe.label_count();
            labels = labels.saturating_add(pushed);
            first_is_empty = first_is_empty && (depth > 0 || pushed == 0);
            match nhlfe.next() {
                NextHop::Neighbor { iface, mac } => {
                    let interface = tables.interface(iface).ok_or(Verdict::Drop(DropReason::NoEgress))?;
                    return Ok(Self { id, iface, interface, mac, labels, first_is_empty });
                }
                NextHop::Nhlfe(next) => at = next,
                NextHop::Local => return Err(punt(PuntReason::Local, vrf, offset)),
                NextHop::Discard => return Err(Verdict::Drop(DropReason::Discard)),
            }
        }
        Err(Verdict::Drop(DropReason::ChainTooDeep))
    }
}

/// Rewrites the frame for the hop; returns the octets of its new payload.
pub(crate) fn send(tables: &Tables<'_>, frame: &mut Frame<'_>, hop: &Hop, rewrite: &Rewrite) -> Step<usize> {
    const NO_HEADROOM: Verdict = Verdict::Drop(DropReason::NoHeadroom);
    let label_octets = hop.labels.saturating_mul(LabelEntry::LEN);
    let payload = rewrite.end.saturating_sub(rewrite.strip).saturating_add(label_octets);
    if payload > usize::from(hop.interface.mtu) {
        // RFC 3032 §3.4: a packet that may be fragmented is software's to fragment, labels or not.
        let reason = match rewrite.below {
            Below::Ipv4 { dont_fragment: false, .. } => PuntReason::FragmentationNeeded,
            _ => PuntReason::TooBig,
        };
        let (vrf, offset) = rewrite.punt;
        return Err(punt(reason, vrf, offset));
    }
    let push = label_octets.saturating_add(Ethernet::LEN);
    if frame.room(rewrite.strip) < push {
        return Err(NO_HEADROOM);
    }
    // Nothing fails from here on.
    write_below(frame, rewrite);
    frame.truncate(rewrite.end);
    let room = frame.reframe(rewrite.strip, push).ok_or(NO_HEADROOM)?;
    let (header, labels) = room.split_first_chunk_mut::<{ Ethernet::LEN }>().ok_or(NO_HEADROOM)?;
    let ethertype = match rewrite.below {
        _ if hop.labels > 0 => EtherType::MPLS,
        Below::Swapped { .. } | Below::Label { .. } => EtherType::MPLS,
        Below::Ipv4 { .. } => EtherType::IPV4,
        Below::Ipv6 { .. } => EtherType::IPV6,
    };
    Ethernet(header).set(hop.mac, hop.interface.mac, ethertype);
    write_labels(tables, hop, rewrite, labels);
    Ok(payload)
}

/// Writes TTL and class into the header that stays.
fn write_below(frame: &mut Frame<'_>, rewrite: &Rewrite) {
    let octets = frame.octets_mut().get_mut(rewrite.strip..).unwrap_or_default();
    match rewrite.below {
        Below::Swapped { .. } => {}
        Below::Label { class } => {
            if let Some(entry) = octets.first_chunk_mut::<{ LabelEntry::LEN }>() {
                let old = LabelEntry(*entry);
                *entry = LabelEntry::new(old.label(), class, old.is_bottom(), rewrite.ttl).0;
            }
        }
        Below::Ipv4 { dscp, .. } => {
            if let Some(mut header) = Ipv4::of_mut(octets) {
                header.set_ttl(rewrite.ttl);
                if let Some(dscp) = dscp {
                    header.set_dscp(dscp);
                }
            }
        }
        Below::Ipv6 { dscp } => {
            if let Some(mut header) = Ipv6::of_mut(octets) {
                header.set_hop_limit(rewrite.ttl);
                if let Some(dscp) = dscp {
                    header.set_dscp(dscp);
                }
            }
        }
    }
}

/// Writes the label entries, the lowest first: from the end of `labels` to its start.
fn write_labels(tables: &Tables<'_>, hop: &Hop, rewrite: &Rewrite, labels: &mut [u8]) {
    let mut slots = labels.rchunks_exact_mut(LabelEntry::LEN);
    let mut put = |entry: LabelEntry| {
        if let Some(slot) = slots.next() {
            slot.copy_from_slice(&entry.0);
        }
    };
    let mut swapped = match rewrite.below {
        Below::Swapped { class, bottom } => Some((class, bottom)),
        _ => None,
    };
    let mut is_bottom = matches!(rewrite.below, Below::Ipv4 { .. } | Below::Ipv6 { .. });
    let mut ttl = rewrite.ttl;
    let mut at = hop.id;
    for _ in 0..NextHop::MAX_DEPTH {
        let Some(nhlfe) = tables.nhlfe(at) else { return };
        for label in nhlfe.labels() {
            let entry = match swapped.take() {
                Some((class, bottom)) => LabelEntry::new(label, class, bottom, ttl),
                None => pushed(label, nhlfe.model(), rewrite.phb, is_bottom, ttl),
            };
            put(entry);
            ttl = entry.ttl();
            is_bottom = false;
        }
        let NextHop::Nhlfe(next) = nhlfe.next() else { return };
        at = next;
    }
}

/// A label that begins a tunnel, over a header with this TTL (RFC 3443 §3.6, RFC 3270 §2.6.2, §2.6.3).
const fn pushed(label: Label, model: TunnelModel, phb: u8, bottom: bool, ttl: u8) -> LabelEntry {
    let ttl = match model {
        TunnelModel::Uniform => ttl,
        TunnelModel::Pipe | TunnelModel::ShortPipe => TUNNEL_TTL,
    };
    LabelEntry::new(label, phb, bottom, ttl)
}
