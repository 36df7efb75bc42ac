//! BGP next hops and how they are reached (RFC 4271 §9.1.2.1).

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::NhlfeId;
use hashbrown::HashMap;

use super::Slab;
use crate::speaker::Reach;

/// A next hop of some attribute set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NextHopId(u32);

/// What is known about a next hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Nobody has spoken about it.
    #[default]
    Unknown,
    /// It cannot be reached.
    Unreachable,
    /// It is reached so.
    Reached(Reach),
}

impl Resolution {
    /// The IGP metric by which routes are compared; `None` where they must not be used. What nobody has spoken about is
    /// farther than everything else.
    pub(crate) const fn metric(self) -> Option<u32> {
        match self {
            Self::Unknown => Some(u32::MAX),
            Self::Unreachable => None,
            Self::Reached(reach) => Some(reach.metric),
        }
    }

    /// The entry that carries packets there.
    pub(crate) const fn nhlfe(self) -> Option<NhlfeId> {
        match self {
            Self::Reached(reach) => Some(reach.nhlfe),
            Self::Unknown | Self::Unreachable => None,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct NextHop {
    address: Option<IpAddr>,
    resolution: Resolution,
    /// A labelled route of BGP's that leads there, used where nothing else does.
    labeled: Option<Reach>,
    refs: u32,
}

impl NextHop {
    fn effective(&self) -> Resolution {
        match (self.resolution, self.labeled) {
            (Resolution::Unknown | Resolution::Unreachable, Some(reach)) => Resolution::Reached(reach),
            (resolution, _) => resolution,
        }
    }

    fn is_forgettable(&self) -> bool {
        self.refs == 0 && self.resolution == Resolution::Unknown && self.labeled.is_none()
    }
}

/// The next hops of all attribute sets.
#[derive(Debug, Default)]
pub(crate) struct NextHops {
    hops: Slab<NextHop>,
    by_address: HashMap<IpAddr, NextHopId>,
}

impl NextHops {
    /// The next hop of this address, and whether it is new.
    pub(crate) fn intern(&mut self, address: IpAddr) -> (NextHopId, bool) {
        let address = address.to_canonical();
        if let Some(&id) = self.by_address.get(&address) {
            return (id, false);
        }
        let hop = NextHop { address: Some(address), ..NextHop::default() };
        let id = NextHopId(self.hops.insert(hop));
        self.by_address.insert(address, id);
        (id, true)
    }

    /// Counts an attribute set that uses it.
    pub(crate) fn retain(&mut self, id: NextHopId) {
        self.hops.get_mut(id.0).refs += 1;
    }

    /// Counts an attribute set less; a next hop that nobody uses and nobody spoke about is forgotten.
    pub(crate) fn release(&mut self, id: NextHopId) {
        let hop = self.hops.get_mut(id.0);
        hop.refs -= 1;
        if hop.is_forgettable() {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: NextHopId) {
        if let Some(address) = self.hops.remove(id.0).address {
            self.by_address.remove(&address);
        }
    }

    /// The address, canonical: an IPv4-mapped one is IPv4.
    pub(crate) fn address(&self, id: NextHopId) -> Option<IpAddr> {
        self.hops.get(id.0).address
    }

    /// How it is reached.
    pub(crate) fn resolution(&self, id: NextHopId) -> Resolution {
        self.hops.get(id.0).effective()
    }

    /// How it is reached without labelled routes of BGP's: what these themselves are resolved by, so that none leads to itself.
    pub(crate) fn below_bgp(&self, id: NextHopId) -> Resolution {
        self.hops.get(id.0).resolution
    }

    /// Takes what the embedder says; returns the next hop and what was known before, if that
    /// is a change that some attribute set cares about.
    pub(crate) fn set(&mut self, address: IpAddr, reach: Option<Reach>) -> Option<(NextHopId, Resolution)> {
        let (id, _) = self.intern(address);
        let now = reach.map_or(Resolution::Unreachable, Resolution::Reached);
        let hop = self.hops.get_mut(id.0);
        let (was, below) = (hop.effective(), core::mem::replace(&mut hop.resolution, now));
        ((was != hop.effective() || below != now) && hop.refs > 0).then_some((id, was))
    }

    /// A labelled route of BGP's leads there, or none does any more; returns as [`Self::set`].
    pub(crate) fn set_labeled(&mut self, address: IpAddr, reach: Option<Reach>) -> Option<(NextHopId, Resolution)> {
        let (id, _) = self.intern(address);
        let hop = self.hops.get_mut(id.0);
        let was = hop.effective();
        hop.labeled = reach;
        let changed = was != hop.effective() && hop.refs > 0;
        if hop.is_forgettable() {
            self.forget(id);
        }
        changed.then_some((id, was))
    }

    /// Addresses in use that nobody has spoken about, in the order of their first use.
    pub(crate) fn unknown(&self) -> Vec<IpAddr> {
        let unknown = self.hops.iter().filter(|(_, h)| h.refs > 0 && h.effective() == Resolution::Unknown);
        unknown.filter_map(|(_, h)| h.address).collect()
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.hops.memory() + self.by_address.capacity() * (size_of::<(IpAddr, NextHopId)>() + 1)
    }
}
