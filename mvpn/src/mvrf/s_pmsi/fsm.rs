//! The ingress machine of an S-PMSI (RFC 6513 §7.1.1, §7.2).

/// What has become of an S-PMSI. One that is not there is in no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Announced; its flows take the default tunnel, until all leaves had time to join.
    Announced,
    /// Its flows take it.
    Selective,
    /// Withdrawn; its flows take it until all leaves had time to go back to the default tunnel.
    Returning,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Its flows should have it.
    Wanted,
    /// They should not.
    Unwanted,
    /// The switch-over delay is over.
    SwitchOver,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Originate the S-PMSI A-D route.
    Announce,
    /// Withdraw it.
    Withdraw,
    /// Start the switch-over delay.
    StartDelay,
    /// Stop it.
    StopDelay,
    /// Start the hold-down time.
    StartHoldDown,
    /// Send the flows by the tunnel that they are matched to now.
    Bind,
    /// Take the tunnel down.
    Release,
}

impl State {
    /// Whether the flows take the S-PMSI.
    #[must_use]
    pub const fn carries(self) -> bool {
        matches!(self, Self::Selective | Self::Returning)
    }
}

/// The next state, and what is to be done. `has_default`: the flows have another tunnel to take meanwhile.
#[must_use]
pub const fn transition(state: Option<State>, event: Event, has_default: bool) -> (Option<State>, &'static [Action]) {
    use Action::{Announce, Bind, Release, StartDelay, StartHoldDown, StopDelay, Withdraw};
    use State::{Announced, Returning, Selective};
    match (state, event) {
        (None, Event::Wanted) if has_default => (Some(Announced), &[Announce, StartDelay]),
        (None, Event::Wanted) => (Some(Selective), &[Announce, StartHoldDown, Bind]),
        (Some(Announced), Event::SwitchOver) => (Some(Selective), &[StartHoldDown, Bind]),
        (Some(Announced), Event::Unwanted) => (None, &[StopDelay, Withdraw, Release]),
        (Some(Selective), Event::Unwanted) => (Some(Returning), &[Withdraw, StartDelay]),
        (Some(Returning), Event::SwitchOver) => (None, &[Bind, Release]),
        (Some(Returning), Event::Wanted) => (Some(Selective), &[StopDelay, Announce]),
        (state, _) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_moves_and_returns_after_the_delay() {
        let mut state = None;
        let mut done = std::vec::Vec::new();
        for event in
            [Event::Wanted, Event::SwitchOver, Event::Unwanted, Event::Wanted, Event::Unwanted, Event::SwitchOver]
        {
            let (next, actions) = transition(state, event, true);
            state = next;
            done.push((state, actions.len()));
        }
        let (announced, selective, returning) =
            (Some(State::Announced), Some(State::Selective), Some(State::Returning));
        assert_eq!(done, [(announced, 2), (selective, 2), (returning, 2), (selective, 2), (returning, 2), (None, 2)]);
    }

    #[test]
    fn without_another_tunnel_there_is_nothing_to_wait_for() {
        assert_eq!(transition(None, Event::Wanted, false).0, Some(State::Selective));
        assert_eq!(transition(Some(State::Announced), Event::Unwanted, true).0, None);
        for state in [None, Some(State::Selective)] {
            assert_eq!(transition(state, Event::SwitchOver, true), (state, &[][..]));
        }
    }
}
