//! The states of a virtual link, as a pure function (draft-duffy §4: each end knows whether a tunnel exists).

/// The states of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// It is not configured.
    #[default]
    Absent,
    /// It waits for what it needs.
    Pending,
    /// Packets go, and somebody watches.
    Up,
    /// Packets go, and nobody would say if they did not arrive.
    Unmanaged,
    /// What it needs is gone.
    Down,
}

impl LinkState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Absent, Self::Pending, Self::Up, Self::Unmanaged, Self::Down];

    /// Whether packets go.
    #[must_use]
    pub const fn carries(self) -> bool {
        matches!(self, Self::Up | Self::Unmanaged)
    }
}

/// What happens to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkEvent {
    /// It is configured.
    Add,
    /// All that it needs is there, and somebody watches.
    Ready,
    /// All that it needs is there, and nobody watches.
    ReadyUnmanaged,
    /// Something that it needs is gone, or its liveliness.
    Lost,
    /// It did not come up in time.
    Timeout,
    /// It is removed.
    Remove,
}

impl LinkEvent {
    /// All events.
    pub const ALL: [Self; 6] = [Self::Add, Self::Ready, Self::ReadyUnmanaged, Self::Lost, Self::Timeout, Self::Remove];
}

/// What a transition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkAction {
    /// Ask for what it needs.
    Request,
    /// Tell the forwarding plane, then whoever routes.
    Install,
    /// The reverse, in reverse.
    Withdraw,
    /// Give back what it asked for.
    Release,
    /// Ask again after a while.
    Retry,
}

/// A pair that does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// What an event does to a link.
///
/// # Errors
/// It does nothing in that state.
pub const fn transition(state: LinkState, event: LinkEvent) -> Result<(LinkState, &'static [LinkAction]), Unexpected> {
    use LinkAction as A;
    use LinkEvent as E;
    use LinkState as S;
    Ok(match (state, event) {
        (S::Absent, E::Add) => (S::Pending, &[A::Request]),
        (S::Pending | S::Down, E::Ready) => (S::Up, &[A::Install]),
        (S::Pending | S::Down, E::ReadyUnmanaged) => (S::Unmanaged, &[A::Install]),
        // Somebody begins or ceases to watch: packets go on.
        (S::Unmanaged, E::Ready) => (S::Up, &[]),
        (S::Up, E::ReadyUnmanaged) => (S::Unmanaged, &[]),
        (S::Up | S::Unmanaged, E::Lost) => (S::Down, &[A::Withdraw, A::Retry]),
        (S::Pending, E::Timeout) => (S::Down, &[A::Retry]),
        (S::Down, E::Timeout) => (S::Pending, &[A::Request]),
        (S::Up | S::Unmanaged, E::Remove) => (S::Absent, &[A::Withdraw, A::Release]),
        (S::Pending | S::Down, E::Remove) => (S::Absent, &[A::Release]),
        _ => return Err(Unexpected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever happens, what was installed is withdrawn, and what was asked for is given back.
    ///
    /// Shows: VLINK-4-3
    #[test]
    fn every_step_keeps_its_books() {
        for state in LinkState::ALL {
            for event in LinkEvent::ALL {
                let Ok((next, actions)) = transition(state, event) else { continue };
                let has = |action| actions.contains(&action);
                assert_eq!(has(LinkAction::Install), !state.carries() && next.carries(), "{state:?} {event:?}");
                assert_eq!(has(LinkAction::Withdraw), state.carries() && !next.carries(), "{state:?} {event:?}");
                assert_eq!(has(LinkAction::Release), next == LinkState::Absent, "{state:?} {event:?}");
                assert_eq!(has(LinkAction::Retry), next == LinkState::Down, "{state:?} {event:?}");
            }
        }
        // Absent, Pending, Up, Down, and by the watch alone between Up and Unmanaged.
        let mut state = LinkState::Absent;
        for (event, next) in [
            (LinkEvent::Add, LinkState::Pending),
            (LinkEvent::Ready, LinkState::Up),
            (LinkEvent::ReadyUnmanaged, LinkState::Unmanaged),
            (LinkEvent::Ready, LinkState::Up),
            (LinkEvent::Lost, LinkState::Down),
            (LinkEvent::Timeout, LinkState::Pending),
            (LinkEvent::Timeout, LinkState::Down),
            (LinkEvent::ReadyUnmanaged, LinkState::Unmanaged),
            (LinkEvent::Remove, LinkState::Absent),
        ] {
            state = transition(state, event).unwrap().0;
            assert_eq!(state, next, "{event:?}");
        }
        assert_eq!(transition(LinkState::Absent, LinkEvent::Lost), Err(Unexpected));
    }
}
