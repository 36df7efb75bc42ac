//! The entries by which imported routes leave: a VPN label to push above a transport entry.
//!
//! All routes of one next hop with one label share an entry. When a next hop moves to another transport, only these entries are
//! written again, not the routes.

use alloc::collections::VecDeque;

use fwd_core::net::{NhlfeId, ProtectionId};
use fwd_core::op::{FwdOp, NextHop, Nhlfe, TunnelModel};
use hashbrown::HashMap;

use crate::rib::{LabelRef, LabelStacks, NextHopId, NextHops, Slab};

const NONE: u32 = u32::MAX;

/// What carries a labelled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    /// The transport to a next hop.
    Hop(NextHopId),
    /// The attachment circuit of a CE that is a carrier itself (RFC 4364 §9).
    Circuit(NhlfeId),
    /// One entry, and when it fails another.
    Pair(NhlfeId, NhlfeId),
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tunnel {
    /// The labels to push.
    pub(crate) labels: LabelRef,
    /// What carries them.
    pub(crate) carrier: Carrier,
    /// TTL and traffic class model, as a number.
    model: u8,
}

impl Tunnel {
    pub(crate) const fn new(labels: LabelRef, carrier: Carrier, model: TunnelModel) -> Self {
        let model = match model {
            TunnelModel::Uniform => 0,
            TunnelModel::Pipe => 1,
            TunnelModel::ShortPipe => 2,
        };
        Self { labels, carrier, model }
    }

    const fn model(self) -> TunnelModel {
        match self.model {
            0 => TunnelModel::Uniform,
            1 => TunnelModel::Pipe,
            _ => TunnelModel::ShortPipe,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    tunnel: Option<Tunnel>,
    refs: u32,
    next: u32,
    prev: u32,
    /// The forwarding plane does not hold it.
    refused: bool,
    /// The number of its pair among ours, plus 1, where it is one.
    pair: u32,
}

/// The entries of one speaker.
#[derive(Debug)]
pub(crate) struct Tunnels {
    first: u32,
    capacity: u32,
    entries: Slab<Entry>,
    by_tunnel: HashMap<Tunnel, u32>,
    by_hop: HashMap<NextHopId, u32>,
    moved: VecDeque<NextHopId>,
    cursor: u32,
    /// The entries of pairs.
    pairs: Slab<Option<u32>>,
    /// The pairs this speaker numbers: the first, and how many; none where the forwarding plane has no room for them.
    protections: Option<(u32, u32)>,
    /// The forwarding plane had no room for a pair.
    pairs_refused: bool,
}

impl Tunnels {
    /// Entries from `first` to `last`.
    pub(crate) fn new((first, last): (NhlfeId, NhlfeId)) -> Self {
        Self {
            first: first.0,
            capacity: (last.0 - first.0).saturating_add(1),
            entries: Slab::default(),
            by_tunnel: HashMap::new(),
            by_hop: HashMap::new(),
            moved: VecDeque::new(),
            cursor: NONE,
            pairs: Slab::default(),
            protections: None,
            pairs_refused: false,
        }
    }

    /// Pairs from `first` to `last`.
    pub(crate) fn set_protections(&mut self, (first, last): (ProtectionId, ProtectionId)) {
        self.protections = Some((first.0, (last.0 - first.0).saturating_add(1)));
    }

    /// Whether there are pairs to be used.
    pub(crate) const fn protects(&self) -> bool {
        self.protections.is_some() && !self.pairs_refused
    }

    /// The forwarding plane had no room for a pair: no more are used until it is asked again.
    pub(crate) fn refuse_pairs(&mut self) {
        self.pairs_refused = true;
    }

    /// Pairs may be used again.
    pub(crate) fn retry_pairs(&mut self) {
        self.pairs_refused = false;
    }

    /// Whether an entry for this tunnel is there.
    pub(crate) fn contains(&self, tunnel: &Tunnel) -> bool {
        self.by_tunnel.contains_key(tunnel)
    }

    /// The pair of an entry, where it is one.
    pub(crate) fn pair(&self, entry: u32) -> Option<(ProtectionId, NhlfeId, NhlfeId)> {
        let e = self.entries.get(entry);
        let Some(Tunnel { carrier: Carrier::Pair(primary, backup), .. }) = e.tunnel else { return None };
        let (first, _) = self.protections?;
        Some((ProtectionId(first + e.pair.checked_sub(1)?), primary, backup))
    }

    /// The pairs whose first entry `is` one that failed or is there again.
    pub(crate) fn pairs_over(&self, is: impl Fn(NhlfeId) -> bool) -> impl Iterator<Item = ProtectionId> {
        let entries = self.pairs.iter().filter_map(|(_, entry)| *entry);
        let pairs = entries.filter_map(|entry| self.pair(entry)).filter(move |(_, primary, _)| is(*primary));
        pairs.map(|(id, ..)| id)
    }

    /// Whether the entry of this number leads to a next hop.
    pub(crate) fn leads_to(&self, id: NhlfeId, hop: NextHopId) -> bool {
        let tunnel = self.find(id).and_then(|entry| self.entries.get(entry).tunnel);
        tunnel.is_some_and(|tunnel| tunnel.carrier == Carrier::Hop(hop))
    }

    /// The entry of a pair.
    pub(crate) fn of_pair(&self, id: ProtectionId) -> Option<u32> {
        let (first, _) = self.protections?;
        let pair = id.0.checked_sub(first).filter(|pair| *pair < self.pairs.bound())?;
        *self.pairs.get(pair)
    }

    /// The number that the forwarding plane knows an entry by.
    pub(crate) const fn id(&self, entry: u32) -> NhlfeId {
        NhlfeId(self.first + entry)
    }

    /// The entry with that number.
    pub(crate) fn find(&self, id: NhlfeId) -> Option<u32> {
        let entry = id.0.checked_sub(self.first)?;
        (entry < self.entries.bound() && self.entries.get(entry).tunnel.is_some()).then_some(entry)
    }

    /// The entry of a tunnel, counted once more, and whether it is to be written, being new or refused before; `None` when the range is used up.
    pub(crate) fn acquire(&mut self, tunnel: Tunnel, stacks: &mut LabelStacks) -> Option<(u32, bool)> {
        if let Some(&entry) = self.by_tunnel.get(&tunnel) {
            let e = self.entries.get_mut(entry);
            e.refs += 1;
            return Some((entry, core::mem::take(&mut e.refused)));
        }
        if self.entries.live() as u32 >= self.capacity {
            return None;
        }
        let is_pair = matches!(tunnel.carrier, Carrier::Pair(..));
        if is_pair && self.protections.is_none_or(|(_, capacity)| self.pairs.live() as u32 >= capacity) {
            return None;
        }
        stacks.retain(tunnel.labels);
        let new = Entry { tunnel: Some(tunnel), refs: 1, next: NONE, prev: NONE, refused: false, pair: 0 };
        let entry = self.entries.insert(new);
        if is_pair {
            self.entries.get_mut(entry).pair = self.pairs.insert(Some(entry)) + 1;
        }
        if let Carrier::Hop(hop) = tunnel.carrier {
            let next = self.by_hop.insert(hop, entry).unwrap_or(NONE);
            self.entries.get_mut(entry).next = next;
            if next != NONE {
                self.entries.get_mut(next).prev = entry;
            }
        }
        self.by_tunnel.insert(tunnel, entry);
        Some((entry, true))
    }

    /// The forwarding plane had no room for the entry: who uses it next writes it again.
    pub(crate) fn refuse(&mut self, entry: u32) {
        self.entries.get_mut(entry).refused = true;
    }

    /// Counts a route less; whether the entry is gone.
    pub(crate) fn release(&mut self, entry: u32, stacks: &mut LabelStacks) -> bool {
        let e = self.entries.get_mut(entry);
        e.refs -= 1;
        if e.refs > 0 {
            return false;
        }
        let Entry { tunnel, next, prev, pair, .. } = self.entries.remove(entry);
        if let Some(pair) = pair.checked_sub(1) {
            self.pairs.remove(pair);
        }
        let Some(tunnel) = tunnel else { return false };
        if self.cursor == entry {
            self.cursor = next;
        }
        if next != NONE {
            self.entries.get_mut(next).prev = prev;
        }
        if prev != NONE {
            self.entries.get_mut(prev).next = next;
        } else if let Carrier::Hop(hop) = tunnel.carrier {
            if next != NONE {
                self.by_hop.insert(hop, next);
            } else {
                self.by_hop.remove(&hop);
            }
        }
        self.by_tunnel.remove(&tunnel);
        stacks.release(tunnel.labels);
        true
    }

    /// A next hop is carried by another transport entry: what leads there is written again.
    pub(crate) fn hop_moved(&mut self, hop: NextHopId) {
        if self.by_hop.contains_key(&hop) && !self.moved.contains(&hop) {
            self.moved.push_back(hop);
        }
    }

    /// The op that writes an entry; `None` while its next hop is not reached.
    pub(crate) fn program(&self, entry: u32, hops: &NextHops, stacks: &LabelStacks) -> Option<FwdOp> {
        let tunnel = self.entries.get(entry).tunnel?;
        let next = match tunnel.carrier {
            Carrier::Hop(hop) => NextHop::Nhlfe(hops.resolution(hop).nhlfe()?),
            Carrier::Circuit(nhlfe) => NextHop::Nhlfe(nhlfe),
            Carrier::Pair(..) => NextHop::Protected(self.pair(entry)?.0),
        };
        let nhlfe = Nhlfe { push: stacks.stack(tunnel.labels), next, model: tunnel.model() };
        Some(FwdOp::SetNhlfe { id: self.id(entry), nhlfe })
    }

    /// The next entry to be written again.
    pub(crate) fn poll(&mut self, hops: &NextHops, stacks: &LabelStacks) -> Option<FwdOp> {
        loop {
            if self.cursor == NONE {
                let hop = self.moved.pop_front()?;
                self.cursor = self.by_hop.get(&hop).copied().unwrap_or(NONE);
                continue;
            }
            let entry = self.cursor;
            self.cursor = self.entries.get(entry).next;
            if let Some(op) = self.program(entry, hops, stacks) {
                return Some(op);
            }
        }
    }

    /// The entries that a circuit carries.
    pub(crate) fn over(&self, circuit: NhlfeId) -> impl Iterator<Item = NhlfeId> + '_ {
        let over = move |t: &Tunnel| t.carrier == Carrier::Circuit(circuit);
        self.entries.iter().filter(move |(_, e)| e.tunnel.as_ref().is_some_and(over)).map(|(i, _)| self.id(i))
    }

    /// Entries in use.
    pub(crate) fn len(&self) -> usize {
        self.entries.live()
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.entries.memory()
            + self.by_tunnel.capacity() * (size_of::<(Tunnel, u32)>() + 1)
            + self.by_hop.capacity() * (size_of::<(NextHopId, u32)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlri::Labels;
    use crate::speaker::Reach;
    use alloc::vec::Vec;
    use fwd_core::net::Label;

    #[test]
    fn routes_share_entries_and_only_entries_follow_the_transport() {
        let (mut hops, mut stacks) = (NextHops::default(), LabelStacks::default());
        let mut tunnels = Tunnels::new((NhlfeId(1000), NhlfeId(1002)));
        let address = "192.0.2.1".parse().unwrap();
        let reach = |nhlfe| Some(Reach { metric: 1, nhlfe: NhlfeId(nhlfe) });
        let (hop, _) = hops.intern(address);
        hops.retain(hop);
        assert!(hops.set(address, reach(5)).is_some());
        let tunnel = |l| {
            Tunnel::new(LabelRef::one(Labels::encode(Label::new(l).unwrap())), Carrier::Hop(hop), TunnelModel::Pipe)
        };
        let (a, new) = tunnels.acquire(tunnel(100), &mut stacks).unwrap();
        assert!(new);
        assert_eq!(tunnels.acquire(tunnel(100), &mut stacks), Some((a, false)));
        let (b, _) = tunnels.acquire(tunnel(101), &mut stacks).unwrap();
        let (c, _) = tunnels.acquire(tunnel(102), &mut stacks).unwrap();
        assert_eq!(tunnels.acquire(tunnel(103), &mut stacks), None);
        hops.set(address, reach(6));
        tunnels.hop_moved(hop);
        let first = tunnels.poll(&hops, &stacks).unwrap();
        assert!(matches!(first, FwdOp::SetNhlfe { nhlfe: Nhlfe { next: NextHop::Nhlfe(NhlfeId(6)), .. }, .. }));
        // One leaves while the walk is on its way.
        assert!(tunnels.release(b, &mut stacks));
        let rest: Vec<_> = core::iter::from_fn(|| tunnels.poll(&hops, &stacks)).collect();
        assert_eq!(rest.len(), 1);
        // Refused by the forwarding plane: the next route by it writes it again, once.
        tunnels.refuse(a);
        assert_eq!(tunnels.acquire(tunnel(100), &mut stacks), Some((a, true)));
        assert_eq!(tunnels.acquire(tunnel(100), &mut stacks), Some((a, false)));
        assert!(!tunnels.release(a, &mut stacks) && !tunnels.release(a, &mut stacks));
        assert!(!tunnels.release(a, &mut stacks));
        assert!(tunnels.release(a, &mut stacks) && tunnels.release(c, &mut stacks));
        assert_eq!((tunnels.len(), tunnels.by_hop.len()), (0, 0));
    }
}
