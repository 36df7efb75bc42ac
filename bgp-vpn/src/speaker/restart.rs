//! This router has restarted, its forwarding plane has not (RFC 4724 §4.1).
//!
//! Its sessions say so. Until the peers that were there before have told all they had, nothing is chosen for others: neither forwarding
//! ops nor routes go out, so that packets take the old ways until the new ones are complete. Route target memberships are not held
//! back: without them peers would not tell what is waited for (RFC 4684).

use core::time::Duration;

use fwd_core::time::Instant;

use super::io::{Event, PeerId};
use super::machine::Speaker;
use super::routing::Routing;
use crate::session::ConfigError;

impl Speaker {
    /// Says that this router has restarted and that its forwarding plane kept what it held. To be called before the first peer is
    /// added; `deferral` is the Selection_Deferral_Timer of RFC 4724 §4.1, 1 s to 3,600 s.
    ///
    /// Until [`Event::RestartEnded`] no [`Output::Program`](super::Output::Program) comes out and no routes are told. Labels and entries
    /// of the former life may be in use by others until then: give the speaker other ranges, and remove what they hold after the event.
    ///
    /// # Errors
    /// A time out of its range; a peer was added before.
    pub fn restarted(&mut self, now: Instant, deferral: Duration) -> Result<(), ConfigError> {
        use alloc::string::ToString;
        self.begin(now);
        let rule = |field, value, rule| Err(ConfigError::Value { field, value, rule });
        if deferral < Duration::from_secs(1) || deferral > Duration::from_secs(3600) {
            return rule("deferral", alloc::format!("{deferral:?}"), "1 s to 3600 s");
        }
        if !self.sessions.is_empty() {
            return rule("restarted", self.sessions.len().to_string(), "before the first peer is added");
        }
        self.defer_until(now + deferral);
        Ok(())
    }

    /// Goes on if nobody is waited for any more.
    pub(super) fn check_deferral(&mut self) {
        if self.defers() && self.routing.shared.peer_ids().into_iter().all(|peer| self.routing.has_told_all(peer)) {
            self.end_deferral(true);
        }
    }

    /// Chooses routes and tells them: everybody was heard, or the time is over.
    pub(super) fn end_deferral(&mut self, complete: bool) {
        self.stop_deferral();
        for peer in self.routing.shared.peer_ids() {
            self.routing.wake.insert(peer.0);
        }
        self.routing.shared.event(Event::RestartEnded { complete });
    }
}

impl Routing {
    /// Whether a peer need not be waited for after a restart: it sent End-of-RIB of all families, will send none, or has restarted itself.
    fn has_told_all(&self, peer: PeerId) -> bool {
        let Some(state) = self.shared.peer(peer) else { return true };
        let Some((_, negotiated)) = &state.session else { return false };
        let Some(restart) = &negotiated.peer_restart else { return true };
        let agreed = state.families.iter().filter(|f| negotiated.families.contains(&f.family));
        let ended = |f: &super::peer::PeerFamily| {
            let adj = self.tables.peers(f.table, f.family.afi).and_then(|peers| peers.adj(f.slot));
            adj.is_none_or(|adj| adj.input.ended)
        };
        restart.restarted || agreed.into_iter().all(ended)
    }
}
