//! Adj-RIB-Out: what one peer was told of one family, and what it is still to be told (RFC 4271 §9.1.3, §9.2).
//!
//! No route is copied. One bit per destination says that the peer holds a route from us, another that what it holds may
//! be out of date. UPDATEs are written from the table at the time they are sent, so that a destination that changed ten
//! times while the peer did not read is sent once, and a peer that never reads costs two bits per destination.
//!
//! Changes go out in rounds. A round takes everything that is out of date when it begins, in batches sorted by attribute
//! set so that routes share UPDATEs; rounds begin at least MinRouteAdvertisementInterval apart.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::Label;
use fwd_core::time::Instant;
use hashbrown::HashMap;

use super::{AttrId, BitSet, PathKey, Source, ToldPaths};
use crate::policy::Applied;

/// A route refresh that the peer asked for (RFC 2918, RFC 7313).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// None.
    #[default]
    Idle,
    /// It begins with the next round.
    Requested,
    /// The current round is it.
    Running,
    /// The current round is it, and another was asked for since.
    RunningRequested,
}

impl Refresh {
    /// The peer asks for one more.
    pub(crate) const fn requested(self) -> Self {
        match self {
            Self::Idle | Self::Requested => Self::Requested,
            Self::Running | Self::RunningRequested => Self::RunningRequested,
        }
    }

    /// After the round that was a refresh; `None`: it was none.
    pub(crate) const fn ended(self) -> Option<Self> {
        match self {
            Self::Idle | Self::Requested => None,
            Self::Running => Some(Self::Idle),
            Self::RunningRequested => Some(Self::Requested),
        }
    }
}

/// A destination of a batch, with what it shares with others: `None` for a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Attribute set and source of the path, and what the peer's policy changes.
    pub(crate) group: Option<(AttrId, Source, Applied)>,
    /// The destination.
    pub(crate) dest: u32,
    /// The path identifier at a peer that takes several paths, else 0.
    pub(crate) id: u32,
}

/// What one peer was told, and is to be told.
#[derive(Debug, Default)]
pub(crate) struct AdjOut {
    /// Destinations to which the peer holds a route from us.
    pub(crate) advertised: BitSet,
    dirty: BitSet,
    round: BitSet,
    cursor: u32,
    /// The batch being sent.
    pub(crate) batch: Vec<Entry>,
    /// How much of it was sent.
    pub(crate) sent: usize,
    /// End-of-RIB is owed after the first round (RFC 4724 §2).
    pub(crate) end_of_rib: bool,
    /// The first round began.
    pub(crate) dumped: bool,
    /// Route refresh.
    pub(crate) refresh: Refresh,
    /// The next round does not begin before.
    pub(crate) hold: Option<Instant>,
    /// The peer is among those that are asked for UPDATEs when outputs are taken.
    pub(crate) awake: bool,
    /// The paths told, where the peer takes several per destination.
    pub(crate) paths: Option<Box<ToldPaths>>,
    /// The labels of ours that the peer holds routes with, by destination and path identifier, where its packets are looked up in a
    /// label space of their own.
    pub(crate) labels: HashMap<(u32, u32), Label>,
}

impl AdjOut {
    /// Destinations in one batch: what is sorted at a time.
    pub(crate) const BATCH: usize = 8192;

    /// Whether the peer holds what an entry names.
    pub(crate) fn holds(&self, entry: Entry) -> bool {
        match &self.paths {
            Some(paths) => paths.is_held(entry.dest, entry.id),
            None => self.advertised.contains(entry.dest),
        }
    }

    /// What the peer holds of this destination may be out of date.
    pub(crate) fn mark(&mut self, dest: u32) {
        self.mark_path(dest, None);
    }

    /// What a peer that takes several paths holds of one of them may be out of date; `None`: of any of them.
    pub(crate) fn mark_path(&mut self, dest: u32, path: Option<PathKey>) {
        self.dirty.insert(dest);
        if let Some(paths) = &mut self.paths {
            paths.note(dest, path);
        }
    }

    /// What the peer holds of this destination is not, or no longer, of interest.
    pub(crate) fn unmark(&mut self, dest: u32) {
        self.dirty.remove(dest);
        self.round.remove(dest);
        if let Some(paths) = &mut self.paths {
            paths.forget(dest);
        }
    }

    /// Whether a change of this destination waits for the next round.
    pub(crate) fn is_dirty(&self, dest: u32) -> bool {
        self.dirty.contains(dest)
    }

    /// Whether the round and its batch are through.
    pub(crate) fn is_round_over(&self) -> bool {
        self.round.is_empty() && self.sent >= self.batch.len()
    }

    /// Whether a round would have something to say.
    pub(crate) fn is_round_due(&self) -> bool {
        !self.dirty.is_empty() || self.end_of_rib || self.refresh == Refresh::Requested
    }

    /// When a round will begin for lack of another reason to wait.
    pub(crate) fn next_round(&self) -> Option<Instant> {
        if self.is_round_over() && self.is_round_due() { self.hold } else { None }
    }

    /// Begins a round if one is due and the hold is over; `interval` is MinRouteAdvertisementInterval.
    pub(crate) fn begin_round(&mut self, now: Instant, interval: Duration) -> bool {
        if !self.is_round_over() || !self.is_round_due() || self.hold.is_some_and(|hold| hold > now) {
            return false;
        }
        core::mem::swap(&mut self.dirty, &mut self.round);
        self.cursor = 0;
        self.dumped = true;
        self.hold = (!interval.is_zero()).then(|| now + interval);
        true
    }

    /// Takes the next destination of the round.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let next = match self.round.next(self.cursor) {
            Some(dest) => dest,
            None => self.round.next(0)?,
        };
        self.cursor = next;
        // What is sent now need not be sent again.
        self.dirty.remove(next);
        self.round.remove(next);
        Some(next)
    }

    /// Gives the memory of the last batch back while nothing is to be said: there may be a thousand peers.
    pub(crate) fn rest(&mut self) {
        if self.is_round_over() {
            (self.batch, self.sent) = (Vec::new(), 0);
        }
    }

    /// Forgets everything: the session ended.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.advertised.memory()
            + self.dirty.memory()
            + self.round.memory()
            + self.batch.capacity() * size_of::<Entry>()
            + self.labels.capacity() * (size_of::<((u32, u32), Label)>() + 1)
            + self.paths.as_ref().map_or(0, |paths| paths.memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_what_was_dirty_at_its_begin() {
        let mut out = AdjOut::default();
        out.mark(5);
        out.mark(3);
        assert!(out.begin_round(Instant::ZERO, Duration::from_secs(5)));
        out.mark(9);
        assert_eq!([out.pop(), out.pop(), out.pop()], [Some(3), Some(5), None]);
        assert!(!out.begin_round(Instant::from_secs(4), Duration::from_secs(5)));
        assert_eq!(out.next_round(), Some(Instant::from_secs(5)));
        assert!(out.begin_round(Instant::from_secs(5), Duration::from_secs(5)));
        assert_eq!(out.pop(), Some(9));
    }

    #[test]
    fn what_changes_before_it_is_sent_is_sent_once() {
        let mut out = AdjOut::default();
        out.mark(5);
        assert!(out.begin_round(Instant::ZERO, Duration::ZERO));
        out.mark(5);
        assert_eq!(out.pop(), Some(5));
        assert!(out.is_round_over() && !out.is_round_due());
    }
}
