//! The states of an ISAKMP SA and of a Quick Mode, as functions (RFC 2409 §5.4, §5.5).

/// A pair of state and event that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// State of an ISAKMP SA: which message was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Main Mode, initiator: the proposals (message 1).
    MainSaSent,
    /// Main Mode, responder: the choice (message 2). A half-open SA.
    MainSaReceived,
    /// Main Mode, initiator: public value and nonce (message 3).
    MainKeSent,
    /// Main Mode, responder: public value and nonce (message 4). A half-open SA.
    MainKeReceived,
    /// Main Mode, initiator: identity and proof (message 5).
    MainIdSent,
    /// Aggressive Mode, initiator: proposals, public value, nonce, identity (message 1).
    AggressiveSent,
    /// Aggressive Mode, responder: the same and the proof (message 2). A half-open SA.
    AggressiveReceived,
    /// Both ends are who they say.
    Established,
    /// It is no more.
    Dead,
}

/// What happens to an ISAKMP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaEvent {
    /// The peer has chosen a proposal.
    SaAnswered,
    /// The initiator's public value and nonce have come.
    KeReceived,
    /// The responder's public value and nonce have come.
    KeAnswered,
    /// The peer has proved who it is.
    Authenticated,
    /// Deleted by either end, refused, or all tries used up.
    End,
}

/// The state of an ISAKMP SA after an event.
///
/// # Errors
/// The event cannot happen in the state.
pub const fn transition(s: State, e: SaEvent) -> Result<State, Unexpected> {
    Ok(match (s, e) {
        (State::Dead, _) => return Err(Unexpected),
        (_, SaEvent::End) => State::Dead,
        (State::MainSaSent, SaEvent::SaAnswered) => State::MainKeSent,
        (State::MainSaReceived, SaEvent::KeReceived) => State::MainKeReceived,
        (State::MainKeSent, SaEvent::KeAnswered) => State::MainIdSent,
        (
            State::MainKeReceived | State::MainIdSent | State::AggressiveSent | State::AggressiveReceived,
            SaEvent::Authenticated,
        ) => State::Established,
        _ => return Err(Unexpected),
    })
}

/// State of a Quick Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuickState {
    /// Initiator: message 1 is sent.
    Sent,
    /// Responder: message 2 is sent.
    Received,
    /// Both ends have what they need; message 3 is sent, or has come.
    Done,
    /// Given up.
    Gone,
}

/// What happens to a Quick Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuickEvent {
    /// Message 2 has come, as it must be.
    Answered,
    /// Message 3 has come, as it must be.
    Confirmed,
    /// Refused, or all tries used up.
    End,
}

/// The state of a Quick Mode after an event.
///
/// # Errors
/// The event cannot happen in the state.
pub const fn quick_transition(s: QuickState, e: QuickEvent) -> Result<QuickState, Unexpected> {
    Ok(match (s, e) {
        (QuickState::Sent, QuickEvent::Answered) | (QuickState::Received, QuickEvent::Confirmed) => QuickState::Done,
        (QuickState::Sent | QuickState::Received, QuickEvent::End) => QuickState::Gone,
        _ => return Err(Unexpected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair of state and event: what is not in the table cannot be.
    #[test]
    fn every_pair_of_an_isakmp_sa() {
        use State::*;
        let states = [
            MainSaSent,
            MainSaReceived,
            MainKeSent,
            MainKeReceived,
            MainIdSent,
            AggressiveSent,
            AggressiveReceived,
            Established,
            Dead,
        ];
        let table = [
            (MainSaSent, SaEvent::SaAnswered, MainKeSent),
            (MainSaReceived, SaEvent::KeReceived, MainKeReceived),
            (MainKeSent, SaEvent::KeAnswered, MainIdSent),
            (MainKeReceived, SaEvent::Authenticated, Established),
            (MainIdSent, SaEvent::Authenticated, Established),
            (AggressiveSent, SaEvent::Authenticated, Established),
            (AggressiveReceived, SaEvent::Authenticated, Established),
        ];
        for s in states {
            for e in [SaEvent::SaAnswered, SaEvent::KeReceived, SaEvent::KeAnswered, SaEvent::Authenticated] {
                let row = table.iter().find(|(from, event, _)| (*from, *event) == (s, e));
                assert_eq!(transition(s, e), row.map_or(Err(Unexpected), |row| Ok(row.2)), "{s:?} {e:?}");
            }
            let ended = if s == Dead { Err(Unexpected) } else { Ok(Dead) };
            assert_eq!(transition(s, SaEvent::End), ended, "{s:?}");
        }
    }

    #[test]
    fn every_pair_of_a_quick_mode() {
        use QuickState::*;
        for (s, answered, confirmed, end) in [
            (Sent, Ok(Done), Err(Unexpected), Ok(Gone)),
            (Received, Err(Unexpected), Ok(Done), Ok(Gone)),
            (Done, Err(Unexpected), Err(Unexpected), Err(Unexpected)),
            (Gone, Err(Unexpected), Err(Unexpected), Err(Unexpected)),
        ] {
            assert_eq!(quick_transition(s, QuickEvent::Answered), answered, "{s:?}");
            assert_eq!(quick_transition(s, QuickEvent::Confirmed), confirmed, "{s:?}");
            assert_eq!(quick_transition(s, QuickEvent::End), end, "{s:?}");
        }
    }
}
