//! The initialization state machine of a session (RFC 5036 §2.5.4), as a pure function.
//!
//! A Notification with a fatal status is what the RFC calls Shutdown message and, during initialization, NAK.

/// The states of RFC 5036 §2.5.4, from the least to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No TCP connection.
    #[default]
    NonExistent,
    /// The TCP connection is up; who is passive waits for the peer's Initialization.
    Initialized,
    /// We sent our Initialization, and wait for the peer's.
    OpenSent,
    /// We took the peer's Initialization, and wait for its KeepAlive.
    OpenRec,
    /// Messages of all kinds are exchanged.
    Operational,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [Self::NonExistent, Self::Initialized, Self::OpenSent, Self::OpenRec, Self::Operational];
}

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEvent {
    /// The TCP connection of the session is up.
    ConnectionUp,
    /// The active side sends its Initialization.
    TransmitInitialization,
    /// The peer's Initialization, with parameters that we accept.
    AcceptableInitialization,
    /// The peer's Initialization, with parameters that we do not accept.
    UnacceptableInitialization,
    /// A KeepAlive.
    KeepAlive,
    /// A Notification with a fatal status.
    Shutdown,
    /// Any other message.
    OtherMessage,
    /// A fault of the peer's that ends the session (RFC 5036 §3.5.1.2).
    FatalFault,
    /// The peer was silent for the KeepAlive time.
    Timeout,
    /// The last Hello adjacency is gone, or the operator stops the session.
    Stop,
    /// The TCP connection is gone.
    ConnectionLost,
}

impl SessionEvent {
    /// All events.
    pub const ALL: [Self; 11] = [
        Self::ConnectionUp,
        Self::TransmitInitialization,
        Self::AcceptableInitialization,
        Self::UnacceptableInitialization,
        Self::KeepAlive,
        Self::Shutdown,
        Self::OtherMessage,
        Self::FatalFault,
        Self::Timeout,
        Self::Stop,
        Self::ConnectionLost,
    ];
}

/// What is done on a transition, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send our Initialization.
    SendInitialization,
    /// Send a KeepAlive.
    SendKeepAlive,
    /// Send the Notification that says why the session ends.
    SendNotification,
    /// Close the TCP connection.
    Close,
    /// Hand the message on.
    Process,
    /// The session is up.
    Up,
    /// The attempt was refused: the next one waits (RFC 5036 §2.5.3).
    BackOff,
}

/// A pair of state and event that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// The state.
    pub state: State,
    /// The event.
    pub event: SessionEvent,
}

/// The state after an event, and what is done.
///
/// # Errors
/// Messages and timeouts without a connection, a second connection, an Initialization to send twice.
pub const fn transition(state: State, event: SessionEvent) -> Result<(State, &'static [Action]), Unexpected> {
    use Action::{BackOff, Close, Process, SendInitialization, SendKeepAlive, SendNotification, Up};
    use SessionEvent as E;
    use State::{Initialized, NonExistent, OpenRec, OpenSent, Operational};
    let next: (State, &'static [Action]) = match (state, event) {
        (NonExistent, E::ConnectionUp) => (Initialized, &[]),
        (NonExistent, E::Stop | E::ConnectionLost) => (NonExistent, &[]),

        (Initialized, E::TransmitInitialization) => (OpenSent, &[SendInitialization]),
        (Initialized, E::AcceptableInitialization) => (OpenRec, &[SendInitialization, SendKeepAlive]),
        (OpenSent, E::AcceptableInitialization) => (OpenRec, &[SendKeepAlive]),
        (OpenRec, E::KeepAlive) => (Operational, &[Up]),
        (Operational, E::KeepAlive) => (Operational, &[]),
        (Operational, E::OtherMessage | E::AcceptableInitialization | E::UnacceptableInitialization) => {
            (Operational, &[Process])
        }

        // Whoever was refused waits, and so does who refused: only the active side opens connections.
        (Initialized | OpenSent, E::UnacceptableInitialization) => (NonExistent, &[SendNotification, Close, BackOff]),
        (Initialized | OpenSent, E::KeepAlive | E::OtherMessage | E::FatalFault)
        | (OpenRec, E::AcceptableInitialization | E::UnacceptableInitialization | E::OtherMessage | E::FatalFault) => {
            (NonExistent, &[SendNotification, Close, BackOff])
        }
        (Initialized | OpenSent | OpenRec, E::Shutdown) => (NonExistent, &[SendNotification, Close, BackOff]),
        (Initialized | OpenSent | OpenRec, E::Timeout) => (NonExistent, &[SendNotification, Close, BackOff]),
        (Operational, E::Shutdown | E::Timeout | E::FatalFault) => (NonExistent, &[SendNotification, Close]),
        (Initialized | OpenSent | OpenRec | Operational, E::Stop) => (NonExistent, &[SendNotification, Close]),
        (Initialized | OpenSent | OpenRec, E::ConnectionLost) => (NonExistent, &[BackOff]),
        (Operational, E::ConnectionLost) => (NonExistent, &[]),

        (NonExistent, _) | (_, E::ConnectionUp) | (OpenSent | OpenRec | Operational, E::TransmitInitialization) => {
            return Err(Unexpected { state, event });
        }
    };
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 5036 §2.5.4, a line each.
    #[test]
    fn the_table_of_the_rfc() {
        use SessionEvent as E;
        use State::{Initialized, NonExistent, OpenRec, OpenSent, Operational};
        let next = |state, event| transition(state, event).unwrap().0;
        assert_eq!(next(NonExistent, E::ConnectionUp), Initialized);
        assert_eq!(next(Initialized, E::TransmitInitialization), OpenSent);
        assert_eq!(next(Initialized, E::AcceptableInitialization), OpenRec);
        assert_eq!(next(Initialized, E::OtherMessage), NonExistent);
        assert_eq!(next(OpenRec, E::KeepAlive), Operational);
        assert_eq!(next(OpenRec, E::OtherMessage), NonExistent);
        assert_eq!(next(OpenSent, E::AcceptableInitialization), OpenRec);
        assert_eq!(next(OpenSent, E::OtherMessage), NonExistent);
        assert_eq!(next(Operational, E::Shutdown), NonExistent);
        assert_eq!(next(Operational, E::OtherMessage), Operational);
        assert_eq!(next(Operational, E::Timeout), NonExistent);
    }

    /// Every way back to NonExistent from a live connection closes it, after saying why.
    #[test]
    fn no_connection_is_left_behind() {
        for state in State::ALL {
            for event in SessionEvent::ALL {
                let Ok((next, actions)) = transition(state, event) else { continue };
                let ends = next == State::NonExistent && state != State::NonExistent;
                let closes = actions.contains(&Action::Close);
                assert_eq!(closes, ends && event != SessionEvent::ConnectionLost, "{state:?} {event:?}");
                let said = actions.iter().position(|a| *a == Action::SendNotification);
                let closed = actions.iter().position(|a| *a == Action::Close);
                assert!(said.is_some() == closes && said < closed || !closes, "{state:?} {event:?}");
                assert_eq!(actions.contains(&Action::Up), next == State::Operational && state != State::Operational);
            }
        }
    }
}
