//! States that RFC 8338 leaves open, as pure functions.

use crate::ldp::PwStatus;

/// A leaf, as its root sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeafState {
    /// No session, or nothing was sent yet.
    #[default]
    Idle,
    /// The peer does not know P2MP pseudowires: nothing is sent to it (RFC 8338 §4).
    Incapable,
    /// It has the label.
    Offered,
    /// It has the label, and did not say how it fares in time: it need not (RFC 8338 §5).
    Unconfirmed,
    /// It said that it is well.
    Confirmed,
    /// It said what is wrong.
    Fault(PwStatus),
}

impl LeafState {
    /// Whether frames are expected to arrive.
    #[must_use]
    pub const fn is_attached(self) -> bool {
        matches!(self, Self::Unconfirmed | Self::Confirmed)
    }
}

/// What happens to a leaf at its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafEvent {
    /// The session is operational, or the peer learned, and it can do P2MP pseudowires.
    Capable,
    /// It cannot.
    Incapable,
    /// The Label Mapping was sent.
    Offered,
    /// The time for an answer is over.
    ConfirmTimeout,
    /// A status came.
    Status(PwStatus),
    /// The label was withdrawn, or given back.
    Withdrawn,
    /// The session ended.
    Down,
}

/// An event that cannot be in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// The state of a leaf after an event.
///
/// # Errors
/// The event cannot be in the state.
pub fn leaf_transition(state: LeafState, event: LeafEvent) -> Result<LeafState, Unexpected> {
    use LeafEvent as E;
    use LeafState as S;
    match (state, event) {
        (_, E::Down) => Ok(S::Idle),
        (_, E::Incapable) => Ok(S::Incapable),
        (S::Idle | S::Incapable, E::Capable) => Ok(S::Idle),
        (state, E::Capable) => Ok(state),
        (S::Idle, E::Offered) => Ok(S::Offered),
        // Sent again, as it was asked for.
        (S::Offered | S::Unconfirmed | S::Confirmed | S::Fault(_), E::Offered) => Ok(state),
        (S::Offered, E::ConfirmTimeout) => Ok(S::Unconfirmed),
        (S::Offered | S::Unconfirmed | S::Confirmed | S::Fault(_), E::Status(status)) => {
            Ok(if status.is_up() { S::Confirmed } else { S::Fault(status) })
        }
        (S::Offered | S::Unconfirmed | S::Confirmed | S::Fault(_), E::Withdrawn) => Ok(S::Idle),
        (S::Idle | S::Incapable, E::ConfirmTimeout | E::Status(_) | E::Withdrawn)
        | (S::Incapable, E::Offered)
        | (S::Unconfirmed | S::Confirmed | S::Fault(_), E::ConfirmTimeout) => Err(Unexpected),
    }
}

/// A pseudowire at a leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PwState {
    /// The root did not offer it.
    #[default]
    Idle,
    /// The root's offer cannot be taken.
    Rejected,
    /// The tunnel is not there yet.
    WaitTransport,
    /// The tunnel did not come in time, or is gone.
    Fault,
    /// Frames are taken.
    Up,
    /// All is well, and another pseudowire of its group carries the frames.
    Standby,
}

/// What happens to a pseudowire at a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PwEvent {
    /// The root offers what the leaf can take.
    Accepted,
    /// The root offers what it cannot.
    Mismatch,
    /// The root takes its offer back, or is gone.
    Withdrawn,
    /// The tunnel is there, and the pseudowire is the one of its group to carry frames.
    TransportUp,
    /// The tunnel is there; another one carries the frames.
    TransportUpStandby,
    /// The tunnel did not come in time.
    TransportTimeout,
    /// The tunnel is gone.
    TransportDown,
}

/// The state of a pseudowire at a leaf after an event.
///
/// # Errors
/// The event cannot be in the state.
pub fn pw_transition(state: PwState, event: PwEvent) -> Result<PwState, Unexpected> {
    use PwEvent as E;
    use PwState as S;
    match (state, event) {
        (_, E::Withdrawn) => Ok(S::Idle),
        (_, E::Mismatch) => Ok(S::Rejected),
        (S::Idle | S::Rejected, E::Accepted) => Ok(S::WaitTransport),
        (state, E::Accepted) => Ok(state),
        (S::WaitTransport | S::Fault | S::Up | S::Standby, E::TransportUp) => Ok(S::Up),
        (S::WaitTransport | S::Fault | S::Up | S::Standby, E::TransportUpStandby) => Ok(S::Standby),
        (S::WaitTransport, E::TransportTimeout) => Ok(S::Fault),
        (S::WaitTransport, E::TransportDown) => Ok(S::WaitTransport),
        (S::Fault | S::Up | S::Standby, E::TransportDown) => Ok(S::Fault),
        (S::Idle | S::Rejected, E::TransportUp | E::TransportUpStandby | E::TransportTimeout | E::TransportDown)
        | (S::Fault | S::Up | S::Standby, E::TransportTimeout) => Err(Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_event_of_a_leaf_at_its_root() {
        use LeafEvent as E;
        use LeafState as S;
        let fault = PwStatus::PSN_RECEIVE_FAULT;
        let states = [S::Idle, S::Incapable, S::Offered, S::Unconfirmed, S::Confirmed, S::Fault(fault)];
        let standby = E::Status(PwStatus::STANDBY);
        let rows = [
            (
                E::Capable,
                [
                    Some(S::Idle),
                    Some(S::Idle),
                    Some(S::Offered),
                    Some(S::Unconfirmed),
                    Some(S::Confirmed),
                    Some(S::Fault(fault)),
                ],
            ),
            (E::Incapable, [Some(S::Incapable); 6]),
            (
                E::Offered,
                [
                    Some(S::Offered),
                    None,
                    Some(S::Offered),
                    Some(S::Unconfirmed),
                    Some(S::Confirmed),
                    Some(S::Fault(fault)),
                ],
            ),
            (E::ConfirmTimeout, [None, None, Some(S::Unconfirmed), None, None, None]),
            (standby, [None, None, Some(S::Confirmed), Some(S::Confirmed), Some(S::Confirmed), Some(S::Confirmed)]),
            (
                E::Status(fault),
                [
                    None,
                    None,
                    Some(S::Fault(fault)),
                    Some(S::Fault(fault)),
                    Some(S::Fault(fault)),
                    Some(S::Fault(fault)),
                ],
            ),
            (E::Withdrawn, [None, None, Some(S::Idle), Some(S::Idle), Some(S::Idle), Some(S::Idle)]),
            (E::Down, [Some(S::Idle); 6]),
        ];
        for (event, expected) in rows {
            for (state, expected) in states.into_iter().zip(expected) {
                assert_eq!(leaf_transition(state, event).ok(), expected, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn every_state_and_event_of_a_pseudowire_at_a_leaf() {
        use PwEvent as E;
        use PwState as S;
        let states = [S::Idle, S::Rejected, S::WaitTransport, S::Fault, S::Up, S::Standby];
        let rows = [
            (
                E::Accepted,
                [S::WaitTransport, S::WaitTransport, S::WaitTransport, S::Fault, S::Up, S::Standby].map(Some),
            ),
            (E::Mismatch, [Some(S::Rejected); 6]),
            (E::Withdrawn, [Some(S::Idle); 6]),
            (E::TransportUp, [None, None, Some(S::Up), Some(S::Up), Some(S::Up), Some(S::Up)]),
            (
                E::TransportUpStandby,
                [None, None, Some(S::Standby), Some(S::Standby), Some(S::Standby), Some(S::Standby)],
            ),
            (E::TransportTimeout, [None, None, Some(S::Fault), None, None, None]),
            (E::TransportDown, [None, None, Some(S::WaitTransport), Some(S::Fault), Some(S::Fault), Some(S::Fault)]),
        ];
        for (event, expected) in rows {
            for (state, expected) in states.into_iter().zip(expected) {
                assert_eq!(pw_transition(state, event).ok(), expected, "{state:?} {event:?}");
            }
        }
    }
}
