//! What a peer that takes several paths per destination was told (RFC 7911 §2).
//!
//! Each path that it holds, or is about to, has an identifier of ours: the least number from 1 that no other path of the destination
//! has at this peer. It stays with the path as long as the peer holds it. A path that changes is told again, the others of its
//! destination are not. Memory is proportional to the paths told; what changed is noted only while it waits for a round.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{Path, Source};

/// What names a path of a destination here: who told us, and by which identifier.
pub(crate) type PathKey = (Source, u32);

/// Which paths of a destination a change touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// None: it said what was known.
    Nothing,
    /// One.
    Path(PathKey),
    /// Any of them, maybe.
    Any,
}

impl Touched {
    /// What a path touched that took the place of another, or of none.
    pub(crate) fn by(path: &Path, old: Option<&Path>) -> Self {
        if old == Some(path) { Self::Nothing } else { Self::Path((path.source, path.path_id)) }
    }
}

/// How far the peer knows a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was not told.
    Not,
    /// It was told another state of it.
    Before,
    /// It holds it as it is.
    AsItIs,
}

/// A path that the peer holds, or is to hold.
#[derive(Clone, Copy, Debug)]
struct Told {
    key: PathKey,
    id: u32,
    known: Known,
}

/// Which paths of a destination changed since a round looked at it.
#[derive(Clone, Debug)]
enum Changed {
    All,
    Paths(SmallVec<[PathKey; 2]>),
}

/// What is to be sent of one destination.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Identifiers to be withdrawn.
    pub(crate) withdraw: SmallVec<[u32; 4]>,
    /// Paths to be announced, by their place among those that the peer is to hold, and their identifiers.
    pub(crate) announce: SmallVec<[(usize, u32); 4]>,
}

/// The paths that one peer was told.
#[derive(Debug, Default)]
pub(crate) struct ToldPaths {
    dests: HashMap<u32, SmallVec<[Told; 2]>>,
    changed: HashMap<u32, Changed>,
}

impl ToldPaths {
    /// A path of a destination changed, came or went; `None`: any of them may have.
    pub(crate) fn note(&mut self, dest: u32, path: Option<PathKey>) {
        let changed = self.changed.entry(dest).or_insert_with(|| Changed::Paths(SmallVec::new()));
        match (path, changed) {
            (None, changed) => *changed = Changed::All,
            (Some(path), Changed::Paths(paths)) if !paths.contains(&path) => paths.push(path),
            _ => {}
        }
    }

    /// Compares what the peer holds of a destination with the paths that it is to hold, and gives new ones identifiers.
    pub(crate) fn compare(&mut self, dest: u32, wanted: &[Path]) -> Difference {
        let changed = self.changed.remove(&dest);
        let has_changed = |key: &PathKey| match &changed {
            None => false,
            Some(Changed::All) => true,
            Some(Changed::Paths(paths)) => paths.contains(key),
        };
        let mut difference = Difference::default();
        if wanted.is_empty() && !self.dests.contains_key(&dest) {
            return difference;
        }
        let told = self.dests.entry(dest).or_default();
        told.retain(|t| {
            if wanted.iter().any(|p| (p.source, p.path_id) == t.key) {
                return true;
            }
            if t.known != Known::Not {
                difference.withdraw.push(t.id);
            }
            t.known != Known::Not
        });
        for (i, path) in wanted.iter().enumerate() {
            let key = (path.source, path.path_id);
            let at = told.iter().position(|t| t.key == key);
            let at = at.unwrap_or_else(|| {
                let free = (1..).find(|id| told.iter().all(|t| t.id != *id)).unwrap_or(u32::MAX);
                told.push(Told { key, id: free, known: Known::Not });
                told.len().saturating_sub(1)
            });
            let Some(told) = told.get_mut(at) else { continue };
            if told.known == Known::AsItIs && has_changed(&key) {
                told.known = Known::Before;
            }
            if told.known != Known::AsItIs {
                difference.announce.push((i, told.id));
            }
        }
        if told.is_empty() {
            self.dests.remove(&dest);
        }
        difference
    }

    /// The path that has this identifier at the peer.
    pub(crate) fn path(&self, dest: u32, id: u32) -> Option<PathKey> {
        self.dests.get(&dest)?.iter().find(|t| t.id == id).map(|t| t.key)
    }

    /// Whether the peer holds some state of the path with this identifier.
    pub(crate) fn is_held(&self, dest: u32, id: u32) -> bool {
        self.dests.get(&dest).is_some_and(|told| told.iter().any(|t| t.id == id && t.known != Known::Not))
    }

    /// The path was written.
    pub(crate) fn announced(&mut self, dest: u32, id: u32) {
        if let Some(told) = self.dests.get_mut(&dest).and_then(|told| told.iter_mut().find(|t| t.id == id)) {
            told.known = Known::AsItIs;
        }
    }

    /// The withdrawal of a path was written; whether the peer holds nothing of the destination any more.
    pub(crate) fn withdrawn(&mut self, dest: u32, id: u32) -> bool {
        let Some(told) = self.dests.get_mut(&dest) else { return true };
        told.retain(|t| t.id != id);
        let none = told.iter().all(|t| t.known == Known::Not);
        if told.is_empty() {
            self.dests.remove(&dest);
        }
        none
    }

    /// The destination is of no interest any more: the peer holds nothing of it.
    pub(crate) fn forget(&mut self, dest: u32) {
        self.dests.remove(&dest);
        self.changed.remove(&dest);
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        let spilled = self.dests.values().filter(|t| t.spilled()).map(|t| t.capacity() * size_of::<Told>());
        self.dests.capacity() * (size_of::<(u32, SmallVec<[Told; 2]>)>() + 1)
            + spilled.sum::<usize>()
            + self.changed.capacity() * (size_of::<(u32, Changed)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    use crate::rib::{AttrId, LabelRef};
    use crate::speaker::PeerId;

    fn path(peer: u32, path_id: u32) -> Path {
        Path { source: Source::peer(PeerId(peer)), attr: AttrId::EMPTY, labels: LabelRef::NONE, path_id }
    }

    fn sent(told: &mut ToldPaths, wanted: &[Path]) -> (Vec<u32>, Vec<(usize, u32)>) {
        let difference = told.compare(7, wanted);
        for id in &difference.withdraw {
            told.withdrawn(7, *id);
        }
        difference.announce.iter().for_each(|(_, id)| told.announced(7, *id));
        (difference.withdraw.to_vec(), difference.announce.to_vec())
    }

    #[test]
    fn a_path_keeps_its_identifier_and_only_what_changed_is_told() {
        let mut told = ToldPaths::default();
        let (a, b, c) = (path(1, 0), path(2, 9), path(3, 9));
        assert_eq!(sent(&mut told, &[a, b]), (vec![], vec![(0, 1), (1, 2)]));
        assert_eq!(sent(&mut told, &[b, a]), (vec![], vec![]), "the order is nothing to the peer");
        told.note(7, Some((b.source, 9)));
        assert_eq!(sent(&mut told, &[a, b]), (vec![], vec![(1, 2)]));
        // An identifier is free once its withdrawal was written, not before.
        assert_eq!(sent(&mut told, &[b, c]), (vec![1], vec![(1, 3)]));
        assert_eq!(sent(&mut told, &[b, c, a]), (vec![], vec![(2, 1)]));
        told.note(7, None);
        assert_eq!(sent(&mut told, &[a]), (vec![2, 3], vec![(0, 1)]));
        assert_eq!(sent(&mut told, &[]), (vec![1], vec![]));
        assert!(told.dests.is_empty() && told.changed.is_empty());
    }

    #[test]
    fn what_was_not_written_is_told_again_or_never() {
        let mut told = ToldPaths::default();
        let (a, b) = (path(1, 0), path(2, 0));
        assert_eq!(told.compare(7, &[a, b]).announce.to_vec(), [(0, 1), (1, 2)]);
        told.announced(7, 1);
        // The second was not: it is due without having changed; what was never told needs no withdrawal.
        assert_eq!(told.compare(7, &[a, b]).announce.to_vec(), [(1, 2)]);
        assert_eq!(told.compare(7, &[a]), Difference::default());
        // A change that was not written is due until it is.
        told.note(7, Some((a.source, 0)));
        assert_eq!(told.compare(7, &[a]).announce.to_vec(), [(0, 1)]);
        assert!(told.is_held(7, 1) && told.path(7, 1) == Some((a.source, 0)));
        assert_eq!(told.compare(7, &[a]).announce.to_vec(), [(0, 1)]);
        told.announced(7, 1);
        assert!(told.withdrawn(7, 1));
    }
}
