//! The state machines of BFD as one pure function: RFC 5880 §6.2 for two ends, RFC 8562 §5.5 for tails and RFC 8563 §6.5 for
//! the head's view of a tail, RFC 7880 §7.3.1 for initiators, RFC 8562 §5.9 for heads.

use super::packet::{Diag, State};

/// Which machine a session follows (`bfd.SessionType`, RFC 7880 §3.2, RFC 8562 §5.4.1, RFC 8563 §6.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionType {
    /// Two ends that hear each other.
    PointToPoint,
    /// Sends on a multipoint path and hears nothing.
    MultipointHead,
    /// Hears the head of a multipoint path.
    MultipointTail,
    /// What the head knows of one tail.
    MultipointClient,
    /// Asks a reflector.
    SbfdInitiator,
}

impl SessionType {
    /// All types.
    pub const ALL: [Self; 5] =
        [Self::PointToPoint, Self::MultipointHead, Self::MultipointTail, Self::MultipointClient, Self::SbfdInitiator];
}

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEvent {
    /// A packet with this State was accepted.
    Received(State),
    /// No packet came within the Detection Time.
    DetectionTimeExpired,
    /// A head has been Down for as long as its tails need to notice.
    Announced,
    /// The operator, or what watches the path, disables the session.
    Disable(Diag),
    /// The operator enables the session.
    Enable,
    /// The forwarding plane was reset (RFC 5880 §6.8.15).
    ForwardingPlaneReset,
}

/// A pair of state and event that is ignored: a packet is discarded, anything else is a mistake of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// The state.
    pub state: State,
    /// The event.
    pub event: SessionEvent,
}

/// The state after an event and, where it changes for a reason, the diagnostic.
///
/// # Errors
/// Packets to a session that is disabled; a State that the session's type does not know; events of other types.
pub const fn transition(
    kind: SessionType,
    state: State,
    event: SessionEvent,
) -> Result<(State, Option<Diag>), Unexpected> {
    use SessionEvent as E;
    use SessionType::{MultipointClient, MultipointHead, MultipointTail, PointToPoint, SbfdInitiator};
    use State::{AdminDown, Down, Init, Up};
    let unexpected = Err(Unexpected { state, event });
    Ok(match (kind, state, event) {
        (_, AdminDown, E::Enable) => (Down, None),
        (_, _, E::Enable) => return unexpected,
        (_, _, E::Disable(diag)) => (AdminDown, Some(diag)),
        (_, AdminDown, _) => return unexpected,
        (_, _, E::ForwardingPlaneReset) => (Down, Some(Diag::FORWARDING_PLANE_RESET)),

        (MultipointHead, Down, E::Announced) => (Up, Some(Diag::NONE)),
        (MultipointHead, _, _) | (_, _, E::Announced) => return unexpected,

        (_, Down, E::DetectionTimeExpired) => (Down, None),
        (_, Init | Up, E::DetectionTimeExpired) => (Down, Some(Diag::DETECTION_TIME_EXPIRED)),

        (_, Down, E::Received(AdminDown)) => (Down, None),
        (_, Init | Up, E::Received(AdminDown)) => (Down, Some(Diag::NEIGHBOR_SIGNALED_DOWN)),

        (PointToPoint, Down, E::Received(Down)) => (Init, None),
        (PointToPoint, Down, E::Received(Init)) => (Up, Some(Diag::NONE)),
        (PointToPoint, Down, E::Received(Up)) => (Down, None),
        (PointToPoint, Init, E::Received(Down)) => (Init, None),
        (PointToPoint, Init, E::Received(Init | Up)) => (Up, Some(Diag::NONE)),
        (PointToPoint, Up, E::Received(Init | Up)) => (Up, None),
        (PointToPoint, Up, E::Received(Down)) => (Down, Some(Diag::NEIGHBOR_SIGNALED_DOWN)),

        // There is no three-way handshake with the others, and so no Init.
        (_, _, E::Received(Init)) | (_, Init, _) => return unexpected,
        // A reflector says Up or AdminDown only.
        (SbfdInitiator, _, E::Received(Down)) => return unexpected,
        (MultipointTail | MultipointClient | SbfdInitiator, Down, E::Received(Up)) => (Up, Some(Diag::NONE)),
        (MultipointTail | MultipointClient | SbfdInitiator, Up, E::Received(Up)) => (Up, None),
        (MultipointTail | MultipointClient, Down, E::Received(Down)) => (Down, None),
        (MultipointTail | MultipointClient, Up, E::Received(Down)) => (Down, Some(Diag::NEIGHBOR_SIGNALED_DOWN)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use SessionEvent::{DetectionTimeExpired as Timer, Disable, Enable, Received as Rx};
    use State::{AdminDown, Down, Init, Up};

    fn next(kind: SessionType, state: State, event: SessionEvent) -> Option<State> {
        transition(kind, state, event).ok().map(|(state, _)| state)
    }

    /// The figure of RFC 5880 §6.2, an arc each.
    #[test]
    fn figure_of_two_ends() {
        for (state, event, then) in [
            (Down, Rx(Up), Down),
            (Down, Rx(AdminDown), Down),
            (Down, Timer, Down),
            (Down, Rx(Down), Init),
            (Down, Rx(Init), Up),
            (Init, Rx(Down), Init),
            (Init, Rx(AdminDown), Down),
            (Init, Timer, Down),
            (Init, Rx(Init), Up),
            (Init, Rx(Up), Up),
            (Up, Rx(Init), Up),
            (Up, Rx(Up), Up),
            (Up, Rx(Down), Down),
            (Up, Rx(AdminDown), Down),
            (Up, Timer, Down),
        ] {
            assert_eq!(next(SessionType::PointToPoint, state, event), Some(then), "{state:?} {event:?}");
        }
    }

    /// The figure of RFC 8562 §5.5, of tails and of what the head knows of them, and that of RFC 7880 §7.3.1.
    #[test]
    fn figures_without_a_handshake() {
        for kind in [SessionType::MultipointTail, SessionType::MultipointClient] {
            for (state, event, then) in [
                (Down, Rx(Down), Some(Down)),
                (Down, Rx(AdminDown), Some(Down)),
                (Down, Timer, Some(Down)),
                (Down, Rx(Up), Some(Up)),
                (Down, Rx(Init), None),
                (Up, Rx(Up), Some(Up)),
                (Up, Rx(Down), Some(Down)),
                (Up, Rx(AdminDown), Some(Down)),
                (Up, Timer, Some(Down)),
                (Up, Rx(Init), None),
            ] {
                assert_eq!(next(kind, state, event), then, "{kind:?} {state:?} {event:?}");
            }
        }
        for (state, event, then) in [
            (Down, Rx(AdminDown), Some(Down)),
            (Down, Timer, Some(Down)),
            (Down, Rx(Up), Some(Up)),
            (Down, Rx(Down), None),
            (Up, Rx(Up), Some(Up)),
            (Up, Rx(AdminDown), Some(Down)),
            (Up, Timer, Some(Down)),
            (Up, Rx(Init), None),
        ] {
            assert_eq!(next(SessionType::SbfdInitiator, state, event), then, "{state:?} {event:?}");
        }
    }

    #[test]
    fn a_head_obeys_the_operator_alone() {
        let head = SessionType::MultipointHead;
        assert_eq!(next(head, Down, SessionEvent::Announced), Some(Up));
        for event in State::ALL.map(Rx).into_iter().chain([Timer]) {
            assert_eq!(next(head, Up, event), None, "{event:?}");
        }
    }

    /// A disabled session stays so until it is enabled; every way out of Up says why; only two ends know Init.
    #[test]
    fn rules_over_all_pairs() {
        let events = State::ALL.map(Rx).into_iter();
        let others =
            [Timer, Enable, Disable(Diag::PATH_DOWN), SessionEvent::Announced, SessionEvent::ForwardingPlaneReset];
        for event in events.chain(others) {
            for kind in SessionType::ALL {
                for state in State::ALL {
                    let Ok((then, diag)) = transition(kind, state, event) else { continue };
                    let obeyed = matches!(event, Enable | Disable(_));
                    assert!(state != AdminDown || obeyed, "{kind:?} {event:?}");
                    assert_eq!(then == AdminDown, matches!(event, Disable(_)));
                    assert!(state != Up || then == Up || diag.is_some_and(|d| d != Diag::NONE), "{kind:?} {event:?}");
                    assert!(then != Init || kind == SessionType::PointToPoint || state == Init);
                    assert!(then != Up || state == Up || diag == Some(Diag::NONE));
                }
            }
        }
    }
}
