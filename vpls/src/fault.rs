//! Faults with their life: opened, updated and closed under one identifier, and what has one cause told as one (RFC 5501 §6.5.4).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{PortId, VsiId};
use fwd_core::time::Instant;

use crate::bgp::Tunnel;

/// What a fault is a fault of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A tree that this PE roots does not reach leaves.
    Tree(Tunnel),
    /// Another PE: pseudowires to it do not forward.
    Pe(IpAddr),
    /// A loop behind a circuit.
    Loop(PortId),
}

/// Whom a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Affected {
    /// A leaf.
    Leaf(IpAddr),
    /// An instance.
    Vsi(VsiId),
}

/// A fault, the same from its opening to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u64);

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is there.
    Opened,
    /// It concerns others than before.
    Updated,
    /// It is over.
    Closed,
}

/// How much a fault takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many of those that could be.
    Partial(usize),
    /// All of them.
    Total,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultNotice {
    /// The fault.
    pub id: FaultId,
    /// What became of it.
    pub stage: Stage,
    /// Its cause.
    pub cause: Cause,
    /// Whom it concerns; at its end, whom it did.
    pub affected: BTreeSet<Affected>,
    /// How much that is.
    pub extent: Extent,
}

/// What comes within this time is told at once.
const GATHER: Duration = Duration::from_millis(500);
/// Faults that are kept; of more nothing is said until others end.
const MOST_FAULTS: usize = 4096;
/// Notifications that nobody polls; the oldest go.
const MOST_NOTICES: usize = 4096;

#[derive(Clone, Debug)]
struct Fault {
    id: FaultId,
    affected: BTreeSet<Affected>,
    /// Whom it has concerned since it was opened.
    ever: BTreeSet<Affected>,
    of: usize,
    is_told: bool,
    /// Until when changes are gathered.
    due: Option<Instant>,
}

/// Faults that are open, and notifications of them.
///
/// ```
/// use fwd_core::net::{PortId, VsiId};
/// use fwd_core::time::Instant;
/// use vpls::fault::{Affected, Cause, Faults, Stage};
///
/// let (mut faults, now) = (Faults::default(), Instant::ZERO);
/// faults.raise(now, Cause::Loop(PortId(1)), Affected::Vsi(VsiId(1)), 1);
/// faults.handle_timeout(Instant::from_secs(1));
/// assert_eq!(faults.poll().unwrap().stage, Stage::Opened);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults {
    last: u64,
    open: BTreeMap<Cause, Fault>,
    notices: VecDeque<FaultNotice>,
}

impl Faults {
    /// Somebody is concerned, of so many that could be.
    pub fn raise(&mut self, now: Instant, cause: Cause, affected: Affected, of: usize) {
        if !self.open.contains_key(&cause) {
            if self.open.len() >= MOST_FAULTS {
                return;
            }
            self.last = self.last.saturating_add(1);
            let (id, none) = (FaultId(self.last), BTreeSet::new);
            let fault = Fault { id, affected: none(), ever: none(), of, is_told: false, due: None };
            self.open.insert(cause.clone(), fault);
        }
        let Some(fault) = self.open.get_mut(&cause) else { return };
        fault.of = of;
        if fault.affected.insert(affected) {
            fault.ever.insert(affected);
            fault.due.get_or_insert(now + GATHER);
        }
    }

    /// Somebody is concerned no longer.
    pub fn clear(&mut self, now: Instant, cause: &Cause, affected: Affected) {
        let Some(fault) = self.open.get_mut(cause) else { return };
        if fault.affected.remove(&affected) {
            fault.due.get_or_insert(now + GATHER);
        }
    }

    /// Nobody is concerned any longer: what the fault was of is gone.
    pub fn end(&mut self, now: Instant, cause: &Cause) {
        if let Some(fault) = self.open.get_mut(cause) {
            fault.affected.clear();
            fault.due.get_or_insert(now + GATHER);
        }
    }

    /// Tells what was gathered.
    pub fn handle_timeout(&mut self, now: Instant) {
        let notices = &mut self.notices;
        let mut tell = |cause: &Cause, fault: &Fault, stage, affected: &BTreeSet<Affected>| {
            let extent = if affected.len() >= fault.of { Extent::Total } else { Extent::Partial(affected.len()) };
            if notices.len() >= MOST_NOTICES {
                notices.pop_front();
            }
            let (id, cause, affected) = (fault.id, cause.clone(), affected.clone());
            notices.push_back(FaultNotice { id, stage, cause, affected, extent });
        };
        self.open.retain(|cause, fault| {
            if fault.due.is_none_or(|due| due > now) {
                return true;
            }
            fault.due = None;
            let is_over = fault.affected.is_empty();
            let whom = if is_over { fault.ever.clone() } else { fault.affected.clone() };
            // One that is over before it was told was there all the same.
            if !fault.is_told {
                tell(cause, fault, Stage::Opened, &whom);
            } else if !is_over {
                tell(cause, fault, Stage::Updated, &whom);
            }
            fault.is_told = true;
            if is_over {
                tell(cause, fault, Stage::Closed, &whom);
            }
            !is_over
        });
    }

    /// When [`Self::handle_timeout`] is due. Raising and clearing change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.open.values().filter_map(|fault| fault.due).min()
    }

    /// The next notification.
    pub fn poll(&mut self) -> Option<FaultNotice> {
        self.notices.pop_front()
    }

    /// Faults that are open: identifier, cause, and whom they concern.
    pub fn iter(&self) -> impl Iterator<Item = (FaultId, &Cause, &BTreeSet<Affected>)> {
        self.open.iter().map(|(cause, fault)| (fault.id, cause, &fault.affected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn leaf(n: u8) -> Affected {
        Affected::Leaf([192, 0, 2, n].into())
    }

    fn tree() -> Cause {
        Cause::Tree(Tunnel::IngressReplication([192, 0, 2, 1].into()))
    }

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn drain(faults: &mut Faults) -> Vec<FaultNotice> {
        core::iter::from_fn(|| faults.poll()).collect()
    }

    /// A failure is opened, updated and closed under one identifier.
    ///
    /// Shows: VPLS-FM-5
    #[test]
    fn a_fault_has_one_life() {
        let mut faults = Faults::default();
        faults.raise(at(0), tree(), leaf(1), 20);
        assert_eq!(faults.next_timeout(), Some(at(500)));
        faults.handle_timeout(at(500));
        faults.raise(at(600), tree(), leaf(2), 20);
        faults.handle_timeout(at(1100));
        faults.clear(at(2000), &tree(), leaf(1));
        faults.clear(at(2100), &tree(), leaf(2));
        faults.handle_timeout(at(2500));
        let seen: Vec<_> = drain(&mut faults).into_iter().map(|n| (n.id, n.stage, n.affected.len())).collect();
        let id = FaultId(1);
        assert_eq!(seen, [(id, Stage::Opened, 1), (id, Stage::Updated, 2), (id, Stage::Closed, 2)]);
        assert_eq!((faults.next_timeout(), faults.iter().count()), (None, 0));
        // The same cause again is another fault, and one that is short is told too.
        faults.raise(at(3000), tree(), leaf(1), 20);
        faults.clear(at(3001), &tree(), leaf(1));
        faults.handle_timeout(at(3500));
        let seen: Vec<_> = drain(&mut faults).into_iter().map(|n| (n.id, n.stage)).collect();
        assert_eq!(seen, [(FaultId(2), Stage::Opened), (FaultId(2), Stage::Closed)]);
    }

    /// A P router that is lost takes 200 leaves of a tree: one notification says so.
    ///
    /// Shows: VPLS-FM-6
    #[test]
    fn what_has_one_cause_is_one_notification() {
        let mut faults = Faults::default();
        for n in 0..200 {
            faults.raise(at(n * 2), tree(), leaf(u8::try_from(n).unwrap()), 300);
        }
        faults.handle_timeout(at(499));
        assert_eq!(drain(&mut faults), []);
        faults.handle_timeout(at(500));
        let seen = drain(&mut faults);
        assert_eq!((seen.len(), seen[0].affected.len(), seen[0].extent), (1, 200, Extent::Partial(200)));
    }

    /// Some, or all.
    ///
    /// Shows: VPLS-FM-8
    #[test]
    fn a_fault_of_some_is_told_from_one_of_all() {
        let mut faults = Faults::default();
        (0..3).for_each(|n| faults.raise(at(0), tree(), leaf(n), 20));
        faults.handle_timeout(at(500));
        assert_eq!(faults.poll().unwrap().extent, Extent::Partial(3));
        (0..20).for_each(|n| faults.raise(at(600), tree(), leaf(n), 20));
        faults.handle_timeout(at(1100));
        assert_eq!(faults.poll().unwrap().extent, Extent::Total);
    }
}
