//! The messages of a BSR: Bootstrap fragments, each within a packet (RFC 5059 §3.3, §4.1.1).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::zone::{Zone, ZoneAddress, ZoneState};
use crate::pim::rp_set::RpMode;
use crate::pim::wire::{Bootstrap, BootstrapGroup, BootstrapRp, EncodedGroup, GroupFlags};

/// An encoded group of a range.
pub(super) fn encoded<A: ZoneAddress>(range: &A::Prefix, mode: RpMode, zone: bool) -> EncodedGroup {
    let address: IpAddr = A::prefix_addr(range).into();
    let mut flags = GroupFlags::empty();
    flags.set(GroupFlags::BIDIRECTIONAL, mode == RpMode::Bidir);
    flags.set(GroupFlags::ADMIN_SCOPE_ZONE, zone);
    EncodedGroup::range(address, A::prefix_len(range), flags).unwrap_or(EncodedGroup::new(address))
}

/// The ranges of a zone's message: its C-RP-Set and what is withdrawn. `least` is the holdtime that is surely longer than the
/// period.
fn ranges<A: ZoneAddress>(zone: Zone<A>, state: &ZoneState<A>, least: u16) -> Vec<BootstrapGroup> {
    let mut groups = Vec::new();
    if let Zone::Scoped(range) = zone {
        if !state.candidates.contains_key(&range) {
            groups.push(BootstrapGroup {
                group: encoded::<A>(&range, RpMode::Sparse, true),
                rp_count: 0,
                rps: Vec::new(),
            });
        }
    }
    for (range, candidates) in &state.candidates {
        // RFC 5059 §3.3: of PIM-SM and BIDIR only one, and that is BIDIR.
        let bidir = candidates.values().any(|c| c.mode == RpMode::Bidir);
        let mode = if bidir { RpMode::Bidir } else { RpMode::Sparse };
        let rps: Vec<BootstrapRp> = candidates
            .iter()
            .filter(|(_, c)| c.mode == mode)
            .take(usize::from(u8::MAX))
            .map(|(address, c)| BootstrapRp {
                address: (*address).into(),
                holdtime: c.holdtime.max(least),
                priority: c.priority,
            })
            .collect();
        let first = zone == Zone::Scoped(*range);
        let group = BootstrapGroup {
            group: encoded::<A>(range, mode, first),
            rp_count: u8::try_from(rps.len()).unwrap_or(u8::MAX),
            rps,
        };
        if first {
            groups.insert(0, group);
        } else {
            groups.push(group);
        }
    }
    for range in state.withdrawn.keys().filter(|r| !state.candidates.contains_key(r)) {
        groups.push(BootstrapGroup { group: encoded::<A>(range, RpMode::Sparse, false), rp_count: 0, rps: Vec::new() });
    }
    groups
}

/// The fragments of a zone's Bootstrap message: bodies of at most `room` octets, each whole ranges where a range fits into one.
pub(super) fn fragments<A: ZoneAddress>(
    zone: Zone<A>,
    state: &ZoneState<A>,
    priority: u8,
    least: u16,
    room: usize,
) -> Vec<Bootstrap> {
    let Some(candidate) = state.candidate else { return Vec::new() };
    let head = Bootstrap {
        no_forward: false,
        fragment_tag: state.tag,
        hash_mask_len: candidate.hash_mask_len,
        priority,
        bsr: candidate.address.into(),
        groups: Vec::new(),
    };
    let groups = ranges(zone, state, least);
    // RFC 5059 §3.3: the first range of every scoped message names the zone; it says so without RPs where it comes again.
    let lead = match (zone, groups.first()) {
        (Zone::Scoped(_), Some(first)) => Some(BootstrapGroup { rps: Vec::new(), ..first.clone() }),
        _ => None,
    };
    let (mut done, mut current) = (Vec::new(), head.clone());
    for group in groups {
        for piece in pieces(group, room.saturating_sub(head.wire_len()).saturating_sub(lead_len(&lead))) {
            if current.wire_len().saturating_add(piece.wire_len()) > room && !current.groups.is_empty() {
                let next = Bootstrap { groups: lead.iter().cloned().collect(), ..head.clone() };
                done.push(core::mem::replace(&mut current, next));
            }
            current.groups.push(piece);
        }
    }
    done.push(current);
    done
}

fn lead_len(lead: &Option<BootstrapGroup>) -> usize {
    lead.as_ref().map_or(0, BootstrapGroup::wire_len)
}

/// A range in pieces of at most `room` octets: one, unless it has very many RPs.
fn pieces(group: BootstrapGroup, room: usize) -> Vec<BootstrapGroup> {
    if group.wire_len() <= room {
        return alloc::vec![group];
    }
    let empty = BootstrapGroup { rps: Vec::new(), ..group.clone() };
    let rp_len = group.wire_len().saturating_sub(empty.wire_len()).checked_div(group.rps.len()).unwrap_or(0);
    let fit = room.saturating_sub(empty.wire_len()).checked_div(rp_len).unwrap_or(1).max(1);
    group.rps.chunks(fit).map(|rps| BootstrapGroup { rps: rps.to_vec(), ..empty.clone() }).collect()
}
