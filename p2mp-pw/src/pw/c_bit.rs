//! Negotiation of the control word (RFC 8077 §7.2, §7.3), as a pure function.

/// How far both ends are. "Sent C1": our Label Mapping has the C bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CBit {
    /// No Label Mapping of ours is out.
    #[default]
    NoneSent,
    /// We sent C=1 and wait.
    SentC1,
    /// We sent C=0 and wait.
    SentC0,
    /// Both ends said the same: whether the control word is used.
    Done(bool),
    /// We withdrew and released, and wait for the peer's release before we ask again.
    Renegotiating,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CBitEvent {
    /// We are about to send a Label Mapping.
    Send {
        /// Whether we prefer the control word.
        preferred: bool,
        /// The C bit of the peer's Label Mapping, if one is kept.
        received: Option<bool>,
    },
    /// The peer's Label Mapping, with its C bit.
    Mapping(bool),
    /// The peer takes its Label Mapping back, for whatever reason.
    Withdraw,
    /// Our preference changed, and our Label Mapping was out.
    Renegotiate,
    /// The peer released our label.
    Release,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CBitAction {
    /// Send the Label Mapping, with this C bit.
    SendMapping(bool),
    /// Keep the peer's Label Mapping.
    Keep,
    /// Forget the peer's Label Mapping, and wait for another.
    Ignore,
    /// Withdraw ours with the status Wrong C-bit, then send it with C=0, and keep the peer's.
    WithdrawAndSendC0,
    /// Withdraw ours and release the peer's.
    WithdrawAndRelease,
    /// Ask the peer for a label.
    Request,
}

/// The state after an event, and what is done.
#[must_use]
pub const fn transition(state: CBit, event: CBitEvent) -> (CBit, Option<CBitAction>) {
    use CBit::{Done, NoneSent, Renegotiating, SentC0, SentC1};
    use CBitAction as A;
    match (state, event) {
        (NoneSent, CBitEvent::Send { received: Some(false), .. }) => (Done(false), Some(A::SendMapping(false))),
        (NoneSent, CBitEvent::Send { preferred: true, received: Some(true) }) => {
            (Done(true), Some(A::SendMapping(true)))
        }
        (NoneSent, CBitEvent::Send { preferred: true, received: None }) => (SentC1, Some(A::SendMapping(true))),
        (NoneSent, CBitEvent::Send { preferred: false, .. }) => (SentC0, Some(A::SendMapping(false))),
        // Before ours is out, what is kept is decided when it is sent.
        (NoneSent, CBitEvent::Mapping(_)) => (NoneSent, Some(A::Keep)),
        (SentC1 | Done(true), CBitEvent::Mapping(true)) => (Done(true), Some(A::Keep)),
        (SentC0 | Done(false), CBitEvent::Mapping(false)) => (Done(false), Some(A::Keep)),
        (SentC0 | Done(false), CBitEvent::Mapping(true)) => (SentC0, Some(A::Ignore)),
        (SentC1 | Done(true), CBitEvent::Mapping(false)) => (Done(false), Some(A::WithdrawAndSendC0)),
        (Done(true), CBitEvent::Withdraw) => (SentC1, None),
        (Done(false), CBitEvent::Withdraw) => (SentC0, None),
        (SentC1 | SentC0 | Done(_), CBitEvent::Renegotiate) => (Renegotiating, Some(A::WithdrawAndRelease)),
        (SentC1 | SentC0 | Done(_), CBitEvent::Release) => (NoneSent, None),
        (Renegotiating, CBitEvent::Release) => (NoneSent, Some(A::Request)),
        // Nothing interrupts a renegotiation (§7.3).
        (Renegotiating, CBitEvent::Mapping(_)) => (Renegotiating, Some(A::Ignore)),
        (same, _) => (same, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8077 §7.2, case by case.
    #[test]
    fn the_cases_of_the_rfc() {
        use CBit::{Done, NoneSent, Renegotiating, SentC0, SentC1};
        let send = |preferred, received| transition(NoneSent, CBitEvent::Send { preferred, received });
        // A label was received: -i, -ii, -iii.
        assert_eq!(send(true, Some(false)), (Done(false), Some(CBitAction::SendMapping(false))));
        assert_eq!(send(true, Some(true)), (Done(true), Some(CBitAction::SendMapping(true))));
        assert_eq!(send(false, Some(true)), (SentC0, Some(CBitAction::SendMapping(false))));
        // None was received.
        assert_eq!(send(true, None), (SentC1, Some(CBitAction::SendMapping(true))));
        assert_eq!(send(false, None), (SentC0, Some(CBitAction::SendMapping(false))));
        // What is received next: -i, -ii, -iii, -iv.
        let next = |state, c| transition(state, CBitEvent::Mapping(c));
        assert_eq!(next(SentC1, true), (Done(true), Some(CBitAction::Keep)));
        assert_eq!(next(SentC0, false), (Done(false), Some(CBitAction::Keep)));
        assert_eq!(next(SentC0, true), (SentC0, Some(CBitAction::Ignore)));
        assert_eq!(next(SentC1, false), (Done(false), Some(CBitAction::WithdrawAndSendC0)));
        assert_eq!(transition(Done(false), CBitEvent::Withdraw), (SentC0, None));
        // §7.3.
        let (state, action) = transition(Done(true), CBitEvent::Renegotiate);
        assert_eq!((state, action), (Renegotiating, Some(CBitAction::WithdrawAndRelease)));
        assert_eq!(next(state, true), (Renegotiating, Some(CBitAction::Ignore)));
        assert_eq!(transition(state, CBitEvent::Release), (NoneSent, Some(CBitAction::Request)));
    }

    /// Two ends agree whatever they prefer and whoever speaks first: the control word is used if both prefer it.
    #[test]
    fn both_ends_agree() {
        for [a, b] in [[true, true], [true, false], [false, true], [false, false]] {
            for order in 0..2 {
                let preferred = [a, b];
                let mut states = [CBit::NoneSent; 2];
                let mut kept = [None; 2];
                let mut wire: std::vec::Vec<(usize, CBitEvent)> = std::vec::Vec::new();
                for n in [order, 1 - order] {
                    let event = CBitEvent::Send { preferred: preferred[n], received: kept[n] };
                    let (state, Some(CBitAction::SendMapping(c))) = transition(states[n], event) else { panic!() };
                    states[n] = state;
                    wire.push((1 - n, CBitEvent::Mapping(c)));
                    while let Some((to, event)) = (!wire.is_empty()).then(|| wire.remove(0)) {
                        let (state, action) = transition(states[to], event);
                        states[to] = state;
                        if let CBitEvent::Mapping(c) = event {
                            kept[to] = (action != Some(CBitAction::Ignore)).then_some(c);
                        }
                        if action == Some(CBitAction::WithdrawAndSendC0) {
                            wire.push((1 - to, CBitEvent::Withdraw));
                            wire.push((1 - to, CBitEvent::Mapping(false)));
                        }
                    }
                }
                assert_eq!(states, [CBit::Done(a && b); 2], "{preferred:?} {order}");
            }
        }
    }
}
