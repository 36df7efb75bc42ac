//! A peer's paths against the routes that it may bring.

use super::io::{Event, PeerId};
use super::shared::Shared;
use crate::rib::{Key, Path, Peers, Rib, Source};

/// Counts a peer's path in, or refuses it for the peer's limit, in which case it is released.
pub(crate) fn admit<K: Key>(rib: &mut Rib<K>, slot: u32, dest: u32, path: &Path, shared: &mut Shared) -> bool {
    let known = rib.table.get(dest).paths().iter().any(|p| p.is_same_path(path.source, path.path_id));
    let Some(adj) = rib.adj_mut(slot) else {
        rib.settle(dest);
        shared.release(path);
        return false;
    };
    if known {
        return true;
    }
    if adj.input.has_room() {
        adj.input.added(dest);
        return true;
    }
    let (peer, family) = (adj.peer, adj.family);
    if adj.input.refuse() {
        shared.bounded_event(Event::PeerFull { peer, family });
    }
    rib.settle(dest);
    shared.release(path);
    false
}

/// Counts a peer's path out; returns the peer if it is to be asked for what its limit refused.
pub(crate) fn left<K: Key>(rib: &mut Rib<K>, slot: u32, dest: u32, source: Source) -> Option<PeerId> {
    let last = !rib.table.get(dest).paths().iter().any(|p| p.source == source);
    let adj = rib.adj_mut(slot)?;
    adj.input.removed(dest, last);
    (adj.up && adj.input.wants_more()).then_some(adj.peer)
}
