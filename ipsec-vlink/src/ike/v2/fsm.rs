//! The states of an IKE SA and of a Child SA, as functions (RFC 7296 §1.2, §1.3, §2.8, §2.25).

/// A pair of state and event that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// State of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// IKE_SA_INIT is sent.
    InitSent,
    /// IKE_SA_INIT is answered, IKE_AUTH awaited: a half-open SA.
    InitReceived,
    /// IKE_AUTH is sent.
    AuthSent,
    /// Both ends are who they say.
    Established,
    /// CREATE_CHILD_SA is sent, to replace this SA.
    Rekeying,
    /// Another SA has taken over; this one waits to be deleted by the end that began the replacement.
    Replaced,
    /// Its deletion is sent.
    Deleting,
    /// It is no more.
    Dead,
}

/// What happens to an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaEvent {
    /// A usable answer to IKE_SA_INIT: IKE_AUTH goes.
    InitAnswered,
    /// The peer has proved who it is.
    Authenticated,
    /// We ask for a replacement.
    Replace,
    /// The replacement was refused, or the peer asks to wait.
    ReplaceRefused,
    /// There is a replacement, by our request or the peer's.
    ReplacementUp,
    /// We delete it.
    Delete,
    /// The deletion is answered, or the peer deletes it, or all tries are used up, or authentication failed.
    End,
}

/// The state of an IKE SA after an event.
///
/// # Errors
/// The event cannot happen in the state.
pub const fn transition(s: State, e: SaEvent) -> Result<State, Unexpected> {
    Ok(match (s, e) {
        (State::Dead, _) => return Err(Unexpected),
        (_, SaEvent::End) => State::Dead,
        (State::InitSent, SaEvent::InitAnswered) => State::AuthSent,
        (State::AuthSent | State::InitReceived, SaEvent::Authenticated) => State::Established,
        (State::Established, SaEvent::Replace) => State::Rekeying,
        (State::Rekeying, SaEvent::ReplaceRefused) => State::Established,
        (State::Established | State::Rekeying, SaEvent::ReplacementUp) => State::Replaced,
        (State::Established | State::Rekeying | State::Replaced, SaEvent::Delete) => State::Deleting,
        _ => return Err(Unexpected),
    })
}

/// State of a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChildState {
    /// In use.
    Installed,
    /// CREATE_CHILD_SA is sent, to replace it.
    Rekeying,
    /// Another Child SA has taken over; this one waits to be deleted.
    RekeyedOld,
    /// Its deletion is sent.
    Deleting,
    /// It is no more.
    Gone,
}

/// What happens to a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChildEvent {
    /// We ask for a replacement.
    Replace,
    /// The replacement was refused.
    ReplaceRefused,
    /// There is a replacement, by our request or the peer's.
    ReplacementUp,
    /// We delete it.
    Delete,
    /// Deleted, by either end.
    End,
}

/// The state of a Child SA after an event.
///
/// # Errors
/// The event cannot happen in the state.
pub const fn child_transition(s: ChildState, e: ChildEvent) -> Result<ChildState, Unexpected> {
    Ok(match (s, e) {
        (ChildState::Gone, _) => return Err(Unexpected),
        (_, ChildEvent::End) => ChildState::Gone,
        (ChildState::Installed, ChildEvent::Replace) => ChildState::Rekeying,
        (ChildState::Rekeying, ChildEvent::ReplaceRefused) => ChildState::Installed,
        // RFC 7296 §2.8.1: both ends may replace it at a time.
        (ChildState::Installed | ChildState::Rekeying | ChildState::RekeyedOld, ChildEvent::ReplacementUp) => {
            ChildState::RekeyedOld
        }
        (ChildState::RekeyedOld, ChildEvent::ReplaceRefused) => ChildState::RekeyedOld,
        (ChildState::Installed | ChildState::Rekeying | ChildState::RekeyedOld, ChildEvent::Delete) => {
            ChildState::Deleting
        }
        _ => return Err(Unexpected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 8] = [
        State::InitSent,
        State::InitReceived,
        State::AuthSent,
        State::Established,
        State::Rekeying,
        State::Replaced,
        State::Deleting,
        State::Dead,
    ];

    #[test]
    fn an_sa_ends_once_and_only_an_established_one_is_replaced() {
        for s in STATES {
            assert_eq!(transition(s, SaEvent::End).is_ok(), s != State::Dead, "{s:?}");
            assert_eq!(transition(s, SaEvent::Replace).is_ok(), s == State::Established, "{s:?}");
            let authenticates = matches!(s, State::AuthSent | State::InitReceived);
            assert_eq!(transition(s, SaEvent::Authenticated).is_ok(), authenticates, "{s:?}");
            let deletes = matches!(s, State::Established | State::Rekeying | State::Replaced);
            assert_eq!(transition(s, SaEvent::Delete).is_ok(), deletes, "{s:?}");
        }
        assert_eq!(transition(State::InitSent, SaEvent::InitAnswered), Ok(State::AuthSent));
    }

    #[test]
    fn a_child_replaced_by_both_ends_stays_replaced() {
        let once = child_transition(ChildState::Rekeying, ChildEvent::ReplacementUp).unwrap();
        assert_eq!(child_transition(once, ChildEvent::ReplacementUp), Ok(ChildState::RekeyedOld));
        assert_eq!(child_transition(once, ChildEvent::Replace), Err(Unexpected));
        assert_eq!(child_transition(ChildState::Deleting, ChildEvent::Delete), Err(Unexpected));
        assert_eq!(child_transition(ChildState::Deleting, ChildEvent::End), Ok(ChildState::Gone));
        assert_eq!(child_transition(ChildState::Gone, ChildEvent::End), Err(Unexpected));
    }
}
