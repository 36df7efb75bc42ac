//! Sets of pseudowires of which one is active (RFC 6718, RFC 6870).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::{PwConfigError, RedundancyMode};
use super::io::{Event, Output, PwIndex};
use super::machine::{Pws, Timer};
use crate::ldp::PwStatus;

impl Pws {
    /// Whether a pseudowire could carry packets: both ends well, a tunnel, nothing that does not match.
    pub(super) fn is_able(&self, pw: PwIndex) -> bool {
        let Some(state) = self.pws.get(&pw) else { return false };
        let remote = state.remote.as_ref().is_some_and(|remote| remote.status.is_up());
        let agreed =
            matches!(state.c_bit, super::c_bit::CBit::Done(_)) || state.remote.as_ref().is_some_and(|r| r.stale);
        let tunnel = self.transports.contains_key(&state.config.peer);
        remote && agreed && tunnel && state.mismatch.is_none() && state.faults.is_empty() && !state.refused
    }

    fn members(&self, set: u32) -> Vec<PwIndex> {
        let of_set = |p: &super::machine::Pw| p.config.redundancy.is_some_and(|m| m.set == set);
        self.pws.iter().filter(|(_, p)| of_set(p)).map(|(pw, _)| *pw).collect()
    }

    /// The one that our end prefers: as slave among those that the master has active; the least precedence of those that are
    /// able (RFC 6870 §5.1, §5.2).
    fn preferred(&self, set: u32) -> Option<PwIndex> {
        let able = self.members(set).into_iter().filter(|pw| self.is_able(*pw));
        let usable = able.filter_map(|pw| {
            let state = self.pws.get(&pw)?;
            let member = state.config.redundancy?;
            let standby = state.remote.as_ref()?.status.contains(PwStatus::STANDBY);
            let may = member.mode != RedundancyMode::Slave || !standby;
            may.then_some((member.precedence, pw))
        });
        usable.min().map(|(_, pw)| pw)
    }

    /// Chooses the active pseudowire of a set. There is no reversion among secondary ones; to a primary after a while.
    pub(super) fn select(&mut self, now: Instant, set: u32) {
        let current = self.chosen.get(&set).copied().flatten();
        let best = self.preferred(set);
        let precedence = |pw: PwIndex| self.pws.get(&pw).and_then(|p| p.config.redundancy).map(|m| m.precedence);
        let slave =
            best.and_then(|pw| self.pws.get(&pw)?.config.redundancy).is_some_and(|m| m.mode == RedundancyMode::Slave);
        let able = current.is_some_and(|pw| self.is_able(pw) && (!slave || self.follows(pw)));
        let next = match (current, best) {
            (Some(now_active), Some(best)) if able && now_active != best => {
                let reverts = !slave && precedence(best) == Some(0) && precedence(now_active) != Some(0);
                if !reverts {
                    Some(now_active)
                } else if let Some(at) = self.timers.get(Timer::Revert(set)) {
                    if at > now { Some(now_active) } else { Some(best) }
                } else if self.revert_due(set, now) {
                    Some(best)
                } else {
                    Some(now_active)
                }
            }
            (Some(now_active), _) if able => Some(now_active),
            (_, best) => best,
        };
        if next == best {
            self.timers.clear(Timer::Revert(set));
            self.reverting.remove(&set);
        }
        if next != current {
            self.activate(set, current, next);
        }
    }

    /// Starts the wait before reverting; over at once where the wait is zero or has just expired.
    fn revert_due(&mut self, set: u32, now: Instant) -> bool {
        // The timer is gone when it expires: what comes then finds the mark that it left.
        if self.reverting.remove(&set) {
            return true;
        }
        self.reverting.insert(set);
        self.timers.set(Timer::Revert(set), now + self.config.revert);
        false
    }

    fn follows(&self, pw: PwIndex) -> bool {
        let status = self.pws.get(&pw).and_then(|p| p.remote.as_ref()).map(|remote| remote.status);
        status.is_some_and(|status| !status.contains(PwStatus::STANDBY))
    }

    fn activate(&mut self, set: u32, old: Option<PwIndex>, new: Option<PwIndex>) {
        self.chosen.insert(set, new);
        self.reverting.remove(&set);
        for pw in self.members(set) {
            if let Some(state) = self.pws.get_mut(&pw) {
                state.active = Some(pw) == new;
            }
        }
        self.outputs.push_back(Output::Event(Event::Active { set, pw: new }));
        // The new one takes the circuit over before the old one leaves it.
        for pw in [new, old].into_iter().flatten() {
            self.program(pw);
        }
        for pw in self.members(set) {
            self.tell_status(pw);
        }
    }

    /// Makes a pseudowire the active one of its set, and asks the peer to follow (RFC 6870 §6.3.1).
    ///
    /// # Errors
    /// There is none of that number, or it is of no set.
    pub fn switch_over(&mut self, now: Instant, pw: PwIndex) -> Result<(), PwConfigError> {
        let state = self.pws.get_mut(&pw).ok_or(PwConfigError::Unknown)?;
        let member = state.config.redundancy.ok_or(PwConfigError::Unknown)?;
        if !self.is_able(pw) {
            return Ok(());
        }
        let standby = !self.follows(pw);
        if let Some(state) = self.pws.get_mut(&pw).filter(|_| member.mode == RedundancyMode::Independent && standby) {
            state.requesting = true;
            self.timers.set(Timer::Switchover(pw), now + self.config.switchover_response);
        }
        let current = self.chosen.get(&member.set).copied().flatten();
        if current == Some(pw) {
            self.tell_status(pw);
        } else {
            self.activate(member.set, current, Some(pw));
        }
        Ok(())
    }

    /// The time for the answer is over.
    pub(super) fn switchover_over(&mut self, now: Instant, pw: PwIndex) {
        let Some(state) = self.pws.get_mut(&pw).filter(|p| p.requesting) else { return };
        state.requesting = false;
        self.outputs.push_back(Output::Event(Event::SwitchoverRefused { pw }));
        self.refresh(now, pw);
    }

    /// What a status says about switching over: a request of the peer's, or its answer to ours (RFC 6870 §6.3.1, §6.3.2).
    pub(super) fn switchover_requested(&mut self, now: Instant, pw: PwIndex, before: PwStatus, status: PwStatus) {
        let Some(member) = self.pws.get(&pw).and_then(|p| p.config.redundancy) else { return };
        let asks = |status: PwStatus| status.contains(PwStatus::REQUEST_SWITCHOVER);
        if asks(status) && !asks(before) && self.is_able(pw) && member.mode == RedundancyMode::Independent {
            let current = self.chosen.get(&member.set).copied().flatten();
            if current != Some(pw) {
                self.activate(member.set, current, Some(pw));
            }
        }
        let answered = self.pws.get(&pw).is_some_and(|p| p.requesting) && !status.contains(PwStatus::STANDBY);
        if answered {
            self.timers.clear(Timer::Switchover(pw));
            if let Some(state) = self.pws.get_mut(&pw) {
                state.requesting = false;
            }
            self.refresh(now, pw);
        }
    }
}
