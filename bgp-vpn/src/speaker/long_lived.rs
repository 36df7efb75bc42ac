//! Routes of a peer that stays away (RFC 9494 §4): kept beyond the restart time, marked, and used only where there is no other.
//!
//! When the restart time of a peer is over, the routes of the families that it offered a long-lived stale time for get the community
//! LLGR_STALE, which makes them the least preferred (§4.3) and keeps them from peers that do not know what it means (§4.3); those with
//! NO_LLGR go. The timer of a family runs until the peer is back and has sent End-of-RIB, whatever the session does meanwhile (§4.2).

use alloc::vec::Vec;

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use fwd_core::time::Instant;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::io::PeerId;
use super::peer::{PeerFamily, PeerState};
use super::routing::Routing;
use super::tables::{AddressFamily, TableKind};
use crate::attr::{AttrFlags, AttrType, Community};
use crate::nlri::Afi;
use crate::rib::{AttrId, Change, Edits, Path, Source, Touched};

impl PeerState {
    /// When stale routes of the peer are to be looked at next.
    pub(crate) fn next_stale(&self) -> Option<Instant> {
        self.families.iter().filter_map(|f| f.long_lived_until).chain(self.stale_until).min()
    }
}

impl Routing {
    /// The restart time of a peer is over, or the long-lived stale time of some families.
    pub(crate) fn stale_expired(&mut self, peer: PeerId) {
        let now = self.shared.now;
        let Some(state) = self.shared.peer_mut(peer) else { return };
        let restart_over = state.stale_until.is_some_and(|at| at <= now);
        if restart_over {
            state.stale_until = None;
        }
        let up = state.session.is_some();
        for family in state.families.clone() {
            match family.long_lived_until {
                Some(at) if at <= now => {
                    self.end_long_lived(peer, family);
                    self.drop_routes(peer, family, true);
                }
                Some(_) => {}
                None if !restart_over || self.is_refreshing(family) => {}
                None if !up && family.long_lived.is_some() => self.begin_long_lived(peer, family),
                None => self.drop_routes(peer, family, true),
            }
        }
    }

    /// The peer did not come back in time: its routes of a family are kept on, as the last resort.
    pub(crate) fn begin_long_lived(&mut self, peer: PeerId, family: PeerFamily) {
        let until = family.long_lived.map(|time| self.shared.now + time);
        self.set_long_lived(peer, family, until);
        if family.family.afi == Afi::IPV4 {
            self.depreference::<Ipv4Prefix>(peer, family);
        } else {
            self.depreference::<Ipv6Prefix>(peer, family);
        }
    }

    /// The timer of a family stops.
    pub(crate) fn end_long_lived(&mut self, peer: PeerId, family: PeerFamily) {
        self.set_long_lived(peer, family, None);
    }

    fn set_long_lived(&mut self, peer: PeerId, family: PeerFamily, until: Option<Instant>) {
        let families = self.shared.peer_mut(peer).map(|p| &mut p.families);
        let known = families.and_then(|f| f.iter_mut().find(|f| f.family == family.family));
        if let Some(known) = known {
            known.long_lived_until = until;
        }
    }

    /// Marks the stale routes of a family, or drops them where they say so.
    fn depreference<P: AddressFamily>(&mut self, peer: PeerId, family: PeerFamily) {
        let source = Source::peer(peer);
        let mut made: HashMap<AttrId, AttrId> = HashMap::new();
        for dest in self.members::<P>(family.table, family.slot) {
            let stale = |p: &&Path| p.source == source && p.is_stale();
            let paths: SmallVec<[Path; 4]> =
                self.paths_at::<P>(family.table, dest).iter().filter(stale).copied().collect();
            for path in paths {
                let summary = self.shared.attributes.get(path.attr).summary;
                if summary.no_llgr {
                    self.take_at::<P>(family.table, family.slot, dest, source, path.path_id);
                } else if !summary.llgr_stale {
                    let attr = match made.get(&path.attr) {
                        Some(attr) => *attr,
                        None => {
                            let attr = self.marked(path.attr);
                            made.insert(path.attr, attr);
                            attr
                        }
                    };
                    self.replace_at::<P>(family, dest, Path { attr, ..path });
                }
            }
        }
        for attr in made.into_values() {
            self.shared.attributes.release(attr, &mut self.shared.next_hops);
        }
    }

    /// The attribute set with LLGR_STALE added, counted once.
    fn marked(&mut self, attr: AttrId) -> AttrId {
        let shared = &mut self.shared;
        let set = shared.attributes.get(attr);
        let mut communities: SmallVec<[u8; 64]> =
            SmallVec::from_slice(set.value(AttrType::COMMUNITIES).unwrap_or_default());
        communities.extend_from_slice(&Community::LLGR_STALE.0.to_be_bytes());
        let mut edits = Edits::default();
        edits.set(AttrType::COMMUNITIES, AttrFlags::OPTIONAL_TRANSITIVE, &communities);
        let mut octets = Vec::new();
        edits.apply(set.octets(), &mut octets);
        let hop = set.next_hop;
        shared.attributes.intern(&octets, hop, &mut shared.next_hops)
    }

    /// A path that is there takes other attributes.
    fn replace_at<P: AddressFamily>(&mut self, family: PeerFamily, dest: u32, path: Path) {
        self.shared.retain(&path);
        match family.table {
            TableKind::Vpn => self.vpn_put::<P>(dest, path),
            TableKind::Labeled => self.labeled_put::<P>(dest, path),
            TableKind::Unicast(slot) => {
                let prefix = self.tables.vrf(slot).map(|vrf| P::unicast(vrf).table.get(dest).key.0);
                match prefix {
                    Some(prefix) => self.vrf_put::<P>(slot, prefix, path, Some(family.slot)),
                    None => self.shared.release(&path),
                }
            }
            TableKind::Memberships => {
                let membership = self.tables.memberships.table.get(dest).key.0;
                self.membership_put(Some(family.slot), membership, path);
            }
            TableKind::Opaque(table) => {
                let Some(of) = self.tables.opaque.get_mut(usize::from(table)) else {
                    return self.shared.release(&path);
                };
                let before = of.rib.best(dest);
                let old = of.rib.put(dest, path);
                self.opaque_changed(table, dest, before, (Change::Any, Touched::by(&path, old.as_ref())));
                if let Some(old) = old {
                    self.shared.release(&old);
                }
            }
        }
    }
}
