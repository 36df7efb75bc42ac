//! Adj-RIB-In: what one peer told us of one family (RFC 4271 §3.2).
//!
//! The routes themselves stand in the table of the family, marked with their source. Here is which destinations the peer
//! has paths to, so that all of them are found when it goes, in time that depends on its routes and hardly on others'.

use super::BitSet;

/// The membership of one peer in the table of one family.
#[derive(Debug, Default)]
pub(crate) struct AdjIn {
    /// Destinations with a path from the peer.
    pub(crate) members: BitSet,
    /// Paths from the peer: more than destinations only with ADD-PATH.
    pub(crate) paths: u32,
    /// Paths allowed; more are refused.
    pub(crate) max: Option<u32>,
    /// Announcements refused because the peer has as many as it may.
    pub(crate) refused: u64,
    /// The limit was reported since it was last not reached.
    pub(crate) full: bool,
    /// The peer refreshes its routes (RFC 7313): those marked stale at its begin and not sent since go with its end.
    pub(crate) refreshing: bool,
    /// End-of-RIB came in this session.
    pub(crate) ended: bool,
    /// The peer announced in this session what was refused, and was not asked for it since.
    pub(crate) missing: bool,
    /// It is to be asked.
    pub(crate) asking: bool,
}

impl AdjIn {
    /// Whether one path more is within the limit.
    pub(crate) fn has_room(&self) -> bool {
        self.max.is_none_or(|max| self.paths < max)
    }

    /// Counts a refused announcement; whether this is the first since there was room.
    pub(crate) fn refuse(&mut self) -> bool {
        self.refused += 1;
        self.missing = true;
        !core::mem::replace(&mut self.full, true)
    }

    /// Counts a path to a destination that was not there before.
    pub(crate) fn added(&mut self, dest: u32) {
        self.members.insert(dest);
        self.paths += 1;
    }

    /// Counts a path less; `last` says that the destination has none from this peer now.
    pub(crate) fn removed(&mut self, dest: u32, last: bool) {
        if last {
            self.members.remove(dest);
        }
        self.paths = self.paths.saturating_sub(1);
        self.full = false;
    }

    /// Whether the peer is to be asked for what was refused: there is room again, and it was not said before.
    pub(crate) fn wants_more(&mut self) -> bool {
        self.missing && self.has_room() && !core::mem::replace(&mut self.asking, true)
    }

    /// The peer is asked again, if that is still of use.
    pub(crate) fn ask(&mut self) -> bool {
        self.asking = false;
        self.has_room() && core::mem::take(&mut self.missing)
    }

    /// The session ended: what belongs to it is forgotten.
    pub(crate) fn session_down(&mut self) {
        (self.refreshing, self.ended, self.missing) = (false, false, false);
    }
}
