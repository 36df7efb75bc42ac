//! FECs and what is known about them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use fwd_core::net::{EcmpId, IpPrefix, Label, NhlfeId};
use fwd_core::op::NextHop;
use smallvec::SmallVec;

use super::io::Hop;

/// A FEC by its place in the table.
pub(super) type FecId = u32;

/// Where a FEC leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Known {
    /// No route; only peers know the FEC.
    #[default]
    Nowhere,
    /// We are egress.
    Egress,
    /// By next hops.
    Via(SmallVec<[Hop; 1]>),
}

impl Known {
    pub(super) fn hops(&self) -> &[Hop] {
        match self {
            Self::Via(hops) => hops,
            Self::Nowhere | Self::Egress => &[],
        }
    }
}

/// An entry that is programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: NhlfeId,
    pub(super) label: Label,
    pub(super) next: NextHop,
}

/// A FEC.
#[derive(Clone, Debug)]
pub(super) struct FecState {
    pub(super) prefix: IpPrefix,
    pub(super) route: Known,
    /// Our label for it.
    pub(super) local: Option<Label>,
    /// Peers that hold our label.
    pub(super) holders: u32,
    /// The hop count last heard from the next hop (StoredHopCount).
    pub(super) hop_count: Option<u8>,
    pub(super) entries: SmallVec<[Entry; 1]>,
    /// Group and its entry, with several next hops.
    pub(super) group: Option<(EcmpId, NhlfeId)>,
    /// What is in the incoming label map.
    pub(super) ilm: Option<(Label, NhlfeId)>,
    /// What was said to lead there.
    pub(super) lsp: Option<NhlfeId>,
    /// To be programmed.
    pub(super) dirty: bool,
    /// The forwarding plane has no room for it.
    pub(super) refused: bool,
    /// Its label and entry outlived a restart and wait for the peers (RFC 3478 §3.2).
    pub(super) preserved: bool,
}

/// The FECs: by prefix, and by a number that stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Fecs {
    ids: BTreeMap<IpPrefix, FecId>,
    slots: Vec<Option<FecState>>,
    free: Vec<FecId>,
}

impl Fecs {
    pub(super) fn find(&self, prefix: IpPrefix) -> Option<FecId> {
        self.ids.get(&prefix).copied()
    }

    /// The FEC, new if it was not there.
    pub(super) fn ensure(&mut self, prefix: IpPrefix) -> FecId {
        if let Some(id) = self.find(prefix) {
            return id;
        }
        let state = FecState {
            prefix,
            route: Known::Nowhere,
            local: None,
            holders: 0,
            hop_count: None,
            entries: SmallVec::new(),
            group: None,
            ilm: None,
            lsp: None,
            dirty: false,
            refused: false,
            preserved: false,
        };
        let id = if let Some(id) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(id as usize) {
                *slot = Some(state);
            }
            id
        } else {
            self.slots.push(Some(state));
            // Labels and entries bound the table long before that.
            FecId::try_from(self.slots.len().saturating_sub(1)).unwrap_or(FecId::MAX)
        };
        self.ids.insert(prefix, id);
        id
    }

    pub(super) fn get(&self, id: FecId) -> Option<&FecState> {
        self.slots.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: FecId) -> Option<&mut FecState> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, id: FecId) {
        if let Some(state) = self.slots.get_mut(id as usize).and_then(Option::take) {
            self.ids.remove(&state.prefix);
            self.free.push(id);
        }
    }

    /// All FECs, in the order of their prefixes.
    pub(super) fn ids(&self) -> impl Iterator<Item = FecId> + '_ {
        self.ids.values().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}
