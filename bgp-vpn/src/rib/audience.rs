//! Which peers of a table a change of a destination may concern: groups of peers that share what decides it.
//!
//! A reflector has thousands of peers, and most routes concern few of them: those that said they want one of its route targets (RFC 4684
//! §6), and of the ordinary internal peers none where the route came from another of them (RFC 4456 §6). A change looks at the groups and
//! at the peers within those that it concerns. The groups leave out no peer that holds the destination or may be told of it; whether a
//! peer is told is decided when its UPDATEs are written.

use alloc::vec::Vec;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::attr::ext_community::RouteTarget;

/// Which changes a peer listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Those of any path: it takes several per destination, or the best external one.
    Paths,
    /// Those of best paths.
    Best,
    /// Those of best paths, but for those among ordinary internal peers, of which it is one.
    Ordinary,
    /// Those of best paths with one of these route targets, each once.
    Targets(Vec<RouteTarget>),
}

/// What of a best path says whom it may concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Concern {
    /// An internal peer that is no client brought it.
    pub(crate) ordinary: bool,
    /// Its route targets.
    pub(crate) targets: SmallVec<[RouteTarget; 4]>,
}

/// The peers of a table whose sessions are up, by slot, in ascending order within each group.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    paths: Vec<u32>,
    best: Vec<u32>,
    ordinary: Vec<u32>,
    by_target: HashMap<RouteTarget, SmallVec<[u32; 4]>>,
}

impl Audience {
    /// A peer comes.
    pub(crate) fn join(&mut self, slot: u32, listener: Listener) {
        match listener {
            Listener::Paths => insert(&mut self.paths, slot),
            Listener::Best => insert(&mut self.best, slot),
            Listener::Ordinary => insert(&mut self.ordinary, slot),
            Listener::Targets(targets) => targets.into_iter().for_each(|target| self.want(slot, target, true)),
        }
    }

    /// A peer goes.
    pub(crate) fn leave(&mut self, slot: u32) {
        for group in [&mut self.paths, &mut self.best, &mut self.ordinary] {
            if let Ok(at) = group.binary_search(&slot) {
                group.remove(at);
            }
        }
        self.by_target.retain(|_, slots| {
            if let Ok(at) = slots.binary_search(&slot) {
                slots.remove(at);
            }
            !slots.is_empty()
        });
    }

    /// A peer that listens to route targets wants one more, or no longer.
    pub(crate) fn want(&mut self, slot: u32, target: RouteTarget, wanted: bool) {
        if wanted {
            let slots = self.by_target.entry(target).or_default();
            if let Err(at) = slots.binary_search(&slot) {
                slots.insert(at, slot);
            }
        } else if let Some(slots) = self.by_target.get_mut(&target) {
            if let Ok(at) = slots.binary_search(&slot) {
                slots.remove(at);
            }
            if slots.is_empty() {
                self.by_target.remove(&target);
            }
        }
    }

    /// Those that listen to all paths.
    pub(crate) fn of_paths(&self) -> &[u32] {
        &self.paths
    }

    /// Those whom a change of the best path concerns, but for those that listen to all paths; one that wants several of the route
    /// targets comes more than once.
    pub(crate) fn of_best<'a>(&'a self, concerns: &'a [Concern]) -> impl Iterator<Item = u32> + 'a {
        let ordinary = if concerns.iter().all(|c| c.ordinary) { &[][..] } else { &self.ordinary };
        let targets = concerns.iter().flat_map(|c| &c.targets);
        let wanted = targets.filter_map(|target| self.by_target.get(target)).flatten();
        self.best.iter().chain(ordinary).chain(wanted).copied()
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        let lists = self.paths.capacity() + self.best.capacity() + self.ordinary.capacity();
        let spilled = self.by_target.values().filter(|s| s.spilled()).map(|s| s.capacity()).sum::<usize>();
        (lists + spilled) * size_of::<u32>()
            + self.by_target.capacity() * (size_of::<(RouteTarget, SmallVec<[u32; 4]>)>() + 1)
    }
}

fn insert(group: &mut Vec<u32>, slot: u32) {
    if let Err(at) = group.binary_search(&slot) {
        group.insert(at, slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(n: u32) -> RouteTarget {
        alloc::format!("65001:{n}").parse().unwrap()
    }

    fn concern(ordinary: bool, targets: &[u32]) -> Concern {
        Concern { ordinary, targets: targets.iter().map(|n| target(*n)).collect() }
    }

    #[test]
    fn a_change_concerns_those_that_want_it_before_or_after() {
        let mut audience = Audience::default();
        audience.join(0, Listener::Best);
        audience.join(1, Listener::Ordinary);
        audience.join(2, Listener::Targets(alloc::vec![target(1), target(2)]));
        audience.join(3, Listener::Targets(alloc::vec![target(2)]));
        audience.join(4, Listener::Paths);
        let of = |audience: &Audience, concerns: &[Concern]| audience.of_best(concerns).collect::<Vec<u32>>();
        assert_eq!(of(&audience, &[concern(false, &[1])]), [0, 1, 2]);
        assert_eq!(of(&audience, &[concern(true, &[3])]), [0]);
        assert_eq!(of(&audience, &[concern(true, &[]), concern(false, &[2])]), [0, 1, 2, 3]);
        assert_eq!(audience.of_paths(), [4]);
        audience.want(2, target(2), false);
        audience.want(3, target(5), true);
        assert_eq!(of(&audience, &[concern(true, &[2, 5])]), [0, 3, 3]);
        audience.leave(3);
        assert_eq!(of(&audience, &[concern(true, &[1, 2, 5])]), [0, 2]);
        assert!(!audience.by_target.contains_key(&target(5)), "nobody's list is kept");
    }
}
