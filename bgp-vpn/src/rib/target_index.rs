//! The VPN routes of a route target, found without a look at all the others.
//!
//! A list per route target names destinations; it is only added to, and may name destinations that no longer have a path with the
//! target. It is cleaned when more than half of it is such, so that a route costs four octets per target and hardly any time.

use alloc::vec::Vec;

use super::TargetId;

#[derive(Debug, Default)]
struct List {
    dests: Vec<u32>,
    /// Paths with the target.
    live: usize,
}

/// The routes of each route target, in the table of one family.
#[derive(Debug, Default)]
pub(crate) struct TargetIndex {
    lists: Vec<List>,
}

impl TargetIndex {
    /// Entries that a list may have in vain.
    const SLACK: usize = 64;

    /// A path with this target came to a destination.
    pub(crate) fn added(&mut self, target: TargetId, dest: u32) {
        let at = target.0 as usize;
        if at >= self.lists.len() {
            self.lists.resize_with(at + 1, List::default);
        }
        let list = &mut self.lists[at];
        list.live += 1;
        list.dests.push(dest);
    }

    /// A path with this target went.
    pub(crate) fn removed(&mut self, target: TargetId) {
        let Some(list) = self.lists.get_mut(target.0 as usize) else { return };
        list.live = list.live.saturating_sub(1);
        if list.live == 0 {
            list.dests = Vec::new();
        }
    }

    /// Whether most of the list is in vain, so that it is to be replaced by what is left of it.
    pub(crate) fn is_due(&self, target: TargetId) -> bool {
        self.lists.get(target.0 as usize).is_some_and(|l| l.dests.len() > 2 * l.live + Self::SLACK)
    }

    /// Replaces the list of a target by the destinations that have a path with it.
    pub(crate) fn replace(&mut self, target: TargetId, dests: Vec<u32>) {
        if let Some(list) = self.lists.get_mut(target.0 as usize).filter(|l| l.live > 0) {
            list.dests = dests;
        }
    }

    /// The destinations that may have a path with this target, some perhaps twice.
    pub(crate) fn dests(&self, target: TargetId) -> &[u32] {
        self.lists.get(target.0 as usize).map_or(&[], |list| &list.dests)
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.lists.capacity() * size_of::<List>() + self.lists.iter().map(|l| l.dests.capacity() * 4).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes and goes, every destination with the target is in the list, and the list is not much longer.
        #[test]
        fn no_destination_is_missed(ops in proptest::collection::vec((0u32..200, any::<bool>()), 0..2000)) {
            let (mut index, mut there) = (TargetIndex::default(), BTreeSet::new());
            for (dest, add) in ops {
                if add && there.insert(dest) {
                    index.added(TargetId(3), dest);
                } else if !add && there.remove(&dest) {
                    let left: Vec<u32> = there.iter().copied().collect();
                    let due = index.is_due(TargetId(3));
                    index.removed(TargetId(3));
                    if due {
                        index.replace(TargetId(3), left);
                    }
                }
                let listed = index.dests(TargetId(3));
                prop_assert!(there.iter().all(|d| listed.contains(d)));
                prop_assert!(listed.len() <= 2 * there.len() + TargetIndex::SLACK + 4);
            }
        }
    }
}
