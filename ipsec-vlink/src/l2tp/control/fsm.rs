//! The state machines of control connections (RFC 2661 §7.2, RFC 3931 §7.2) and sessions (RFC 2661 §7.4, §7.5; RFC 3931 §7.3,
//! §7.4), as pure functions.
//!
//! Readings:
//!
//! - Each control connection has a machine of its own. A tie is an event of the one that we asked for: it loses, or it stays
//!   and the other is refused.
//! - RFC 2661's wait-tunnel is RFC 3931's wait-control-conn. Where the two disagree on what is sent before cleaning up, RFC 3931
//!   counts: it says more.
//! - What a message is answered with is an action; whether a message is acceptable was decided before.

/// The states of a control connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// There is none.
    #[default]
    Idle,
    /// We sent SCCRQ.
    WaitCtlReply,
    /// We sent SCCRP.
    WaitCtlConn,
    /// Sessions can be set up.
    Established,
}

impl ConnectionState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Idle, Self::WaitCtlReply, Self::WaitCtlConn, Self::Established];
}

/// What happens to a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionEvent {
    /// It is wanted.
    LocalOpen,
    /// SCCRQ, acceptable.
    RecvSccrq,
    /// SCCRQ, not acceptable.
    RecvSccrqRefused,
    /// The peer's SCCRQ crossed ours and has the lower tie breaker.
    LoseTie,
    /// The peer's SCCRQ crossed ours, which has the lower tie breaker.
    WinTie,
    /// SCCRP, acceptable.
    RecvSccrp,
    /// SCCRP, not acceptable.
    RecvSccrpRefused,
    /// SCCCN, acceptable.
    RecvScccn,
    /// SCCCN, not acceptable.
    RecvScccnRefused,
    /// The operator closes it.
    AdminClose,
    /// StopCCN.
    RecvStopCcn,
    /// A message that ends it: malformed, or with an unknown mandatory AVP.
    RecvInvalid,
    /// A message was not acknowledged.
    DeliveryFails,
}

impl ConnectionEvent {
    /// All events.
    pub const ALL: [Self; 13] = [
        Self::LocalOpen,
        Self::RecvSccrq,
        Self::RecvSccrqRefused,
        Self::LoseTie,
        Self::WinTie,
        Self::RecvSccrp,
        Self::RecvSccrpRefused,
        Self::RecvScccn,
        Self::RecvScccnRefused,
        Self::AdminClose,
        Self::RecvStopCcn,
        Self::RecvInvalid,
        Self::DeliveryFails,
    ];
}

/// What a transition of a control connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionAction {
    /// Send SCCRQ.
    SendSccrq,
    /// Send SCCRP.
    SendSccrp,
    /// Send SCCCN.
    SendScccn,
    /// Send StopCCN.
    SendStopCcn,
    /// Tell the sessions that wait.
    OpenSessions,
    /// Refuse the peer's control connection: the tie is ours.
    RefuseOther,
    /// Clear every session and what belongs to the connection; its delivery goes on until StopCCN is acknowledged.
    CleanUp,
}

/// A pair that no table has. The connection is cleared with StopCCN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// What an event does to a control connection.
///
/// # Errors
/// The RFC has no such row.
pub const fn connection(
    state: ConnectionState,
    event: ConnectionEvent,
) -> Result<(ConnectionState, &'static [ConnectionAction]), Unexpected> {
    use ConnectionAction as A;
    use ConnectionEvent as E;
    use ConnectionState as S;
    const STOP: &[A] = &[A::SendStopCcn, A::CleanUp];
    Ok(match (state, event) {
        (S::Idle, E::LocalOpen) => (S::WaitCtlReply, &[A::SendSccrq]),
        (S::Idle, E::RecvSccrq) => (S::WaitCtlConn, &[A::SendSccrp]),
        (S::Idle, E::RecvSccrqRefused) => (S::Idle, STOP),
        (S::Idle, E::RecvSccrp | E::RecvSccrpRefused | E::RecvScccn | E::RecvScccnRefused) => (S::Idle, STOP),
        (S::Idle, E::RecvStopCcn) => (S::Idle, &[A::CleanUp]),
        (S::WaitCtlReply, E::RecvSccrp) => (S::Established, &[A::SendScccn, A::OpenSessions]),
        (S::WaitCtlReply, E::RecvSccrpRefused) => (S::Idle, STOP),
        (S::WaitCtlReply, E::LoseTie) => (S::Idle, &[A::CleanUp]),
        (S::WaitCtlReply, E::WinTie) => (S::WaitCtlReply, &[A::RefuseOther]),
        (S::WaitCtlReply, E::RecvScccn | E::RecvScccnRefused) => (S::Idle, STOP),
        (S::WaitCtlConn, E::RecvScccn) => (S::Established, &[A::OpenSessions]),
        (S::WaitCtlConn, E::RecvScccnRefused) => (S::Idle, STOP),
        (S::WaitCtlConn, E::RecvSccrp | E::RecvSccrpRefused | E::RecvSccrq | E::RecvSccrqRefused) => (S::Idle, STOP),
        (S::Established, E::LocalOpen) => (S::Established, &[A::OpenSessions]),
        (
            S::Established,
            E::RecvSccrq
            | E::RecvSccrqRefused
            | E::RecvSccrp
            | E::RecvSccrpRefused
            | E::RecvScccn
            | E::RecvScccnRefused,
        ) => (S::Idle, STOP),
        (S::WaitCtlReply | S::WaitCtlConn | S::Established, E::AdminClose | E::RecvInvalid) => (S::Idle, STOP),
        (S::WaitCtlReply | S::WaitCtlConn | S::Established, E::RecvStopCcn | E::DeliveryFails) => {
            (S::Idle, &[A::CleanUp])
        }
        _ => return Err(Unexpected),
    })
}

/// The states of a session, of whichever side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Nothing was asked.
    #[default]
    Idle,
    /// It waits for the control connection; RFC 2661's wait-tunnel.
    WaitControlConn,
    /// We sent ICRQ or OCRQ.
    WaitReply,
    /// We sent ICRP, or got OCRP.
    WaitConnect,
    /// We sent OCRP, and the call is being placed.
    WaitCsAnswer,
    /// Data can be exchanged.
    Established,
}

impl SessionState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::WaitControlConn, Self::WaitReply, Self::WaitConnect, Self::WaitCsAnswer, Self::Established];
}

/// Which table a session follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionRole {
    /// It sent ICRQ (RFC 3931 §7.3.1; the LAC's table of RFC 2661 §7.4.1).
    IncomingSender,
    /// It got ICRQ (RFC 3931 §7.3.2; the LNS's of RFC 2661 §7.4.2).
    IncomingRecipient,
    /// It sent OCRQ (RFC 3931 §7.4.1).
    OutgoingSender,
    /// It got OCRQ (RFC 3931 §7.4.2).
    OutgoingRecipient,
}

/// What happens to a session. Request, reply and connected are ICRQ, ICRP, ICCN, or OCRQ, OCRP, OCCN, as its role says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    /// It is wanted.
    LocalOpen,
    /// The control connection is there.
    ControlConnOpen,
    /// A request, acceptable.
    RecvRequest,
    /// A request, not acceptable.
    RecvRequestRefused,
    /// The peer's request crossed ours and has the lower tie breaker.
    LoseTie,
    /// The peer's request crossed ours, which has the lower tie breaker.
    WinTie,
    /// A reply, acceptable.
    RecvReply,
    /// A reply, not acceptable.
    RecvReplyRefused,
    /// A connected message, acceptable.
    RecvConnected,
    /// A connected message, not acceptable.
    RecvConnectedRefused,
    /// The call is placed.
    CallPlaced,
    /// The call cannot be placed.
    CallFailed,
    /// CDN.
    RecvCdn,
    /// The operator closes it, or its circuit goes.
    LocalClose,
    /// The control connection went.
    ControlConnClose,
}

impl SessionEvent {
    /// All events.
    pub const ALL: [Self; 15] = [
        Self::LocalOpen,
        Self::ControlConnOpen,
        Self::RecvRequest,
        Self::RecvRequestRefused,
        Self::LoseTie,
        Self::WinTie,
        Self::RecvReply,
        Self::RecvReplyRefused,
        Self::RecvConnected,
        Self::RecvConnectedRefused,
        Self::CallPlaced,
        Self::CallFailed,
        Self::RecvCdn,
        Self::LocalClose,
        Self::ControlConnClose,
    ];
}

/// What a transition of a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionAction {
    /// Open the control connection, if it is not.
    OpenControlConn,
    /// Send ICRQ or OCRQ.
    SendRequest,
    /// Send ICRP or OCRP.
    SendReply,
    /// Send ICCN or OCCN.
    SendConnected,
    /// Send CDN.
    SendCdn,
    /// Refuse the peer's session: the tie is ours.
    RefuseOther,
    /// Place the call.
    PlaceCall,
    /// Data may come.
    PrepareForData,
    /// Forget the session.
    CleanUp,
}

type SessionStep = Result<(SessionState, &'static [SessionAction]), Unexpected>;

/// What an event does to a session. An unexpected one is answered with CDN.
///
/// # Errors
/// The RFC has no such row.
pub const fn session(role: SessionRole, state: SessionState, event: SessionEvent) -> SessionStep {
    use SessionAction as A;
    use SessionEvent as E;
    use SessionState as S;
    // What all four tables share.
    match (state, event) {
        (_, E::RecvCdn | E::ControlConnClose) => return Ok((S::Idle, &[A::CleanUp])),
        (S::WaitControlConn, E::LocalClose) => return Ok((S::Idle, &[A::CleanUp])),
        (S::Idle, E::LocalClose) => return Err(Unexpected),
        (_, E::LocalClose) => return Ok((S::Idle, &[A::SendCdn, A::CleanUp])),
        _ => {}
    }
    match role {
        SessionRole::IncomingSender => incoming_sender(state, event),
        SessionRole::IncomingRecipient => incoming_recipient(state, event),
        SessionRole::OutgoingSender => outgoing_sender(state, event),
        SessionRole::OutgoingRecipient => outgoing_recipient(state, event),
    }
}

const DISCONNECT: &[SessionAction] = &[SessionAction::SendCdn, SessionAction::CleanUp];

/// RFC 3931 §7.3.1.
const fn incoming_sender(state: SessionState, event: SessionEvent) -> SessionStep {
    use SessionAction as A;
    use SessionEvent as E;
    use SessionState as S;
    Ok(match (state, event) {
        (S::Idle, E::LocalOpen) => (S::WaitControlConn, &[A::OpenControlConn]),
        (S::Idle, E::RecvConnected | E::RecvConnectedRefused | E::RecvReply | E::RecvReplyRefused) => {
            (S::Idle, &[A::CleanUp])
        }
        (S::WaitControlConn, E::ControlConnOpen) => (S::WaitReply, &[A::SendRequest]),
        (S::WaitReply, E::RecvReply) => (S::Established, &[A::SendConnected, A::PrepareForData]),
        (S::WaitReply, E::RecvReplyRefused) => (S::Idle, DISCONNECT),
        (S::WaitReply, E::LoseTie) => (S::Idle, &[A::CleanUp]),
        (S::WaitReply, E::WinTie) => (S::WaitReply, &[A::RefuseOther]),
        (S::WaitReply, E::RecvRequest | E::RecvRequestRefused) => (S::Idle, DISCONNECT),
        (S::WaitReply, E::RecvConnected | E::RecvConnectedRefused) => (S::Idle, &[A::CleanUp]),
        (
            S::Established,
            E::RecvRequest
            | E::RecvRequestRefused
            | E::RecvReply
            | E::RecvReplyRefused
            | E::RecvConnected
            | E::RecvConnectedRefused,
        ) => (S::Idle, DISCONNECT),
        _ => return Err(Unexpected),
    })
}

/// RFC 3931 §7.3.2.
const fn incoming_recipient(state: SessionState, event: SessionEvent) -> SessionStep {
    use SessionAction as A;
    use SessionEvent as E;
    use SessionState as S;
    Ok(match (state, event) {
        (S::Idle, E::RecvRequest) => (S::WaitConnect, &[A::SendReply]),
        (S::Idle, E::RecvRequestRefused | E::RecvReply | E::RecvReplyRefused) => (S::Idle, DISCONNECT),
        (S::Idle, E::RecvConnected | E::RecvConnectedRefused) => (S::Idle, &[A::CleanUp]),
        (S::WaitConnect, E::RecvConnected) => (S::Established, &[A::PrepareForData]),
        (
            S::WaitConnect,
            E::RecvConnectedRefused | E::RecvRequest | E::RecvRequestRefused | E::RecvReply | E::RecvReplyRefused,
        ) => (S::Idle, DISCONNECT),
        (
            S::Established,
            E::RecvRequest
            | E::RecvRequestRefused
            | E::RecvReply
            | E::RecvReplyRefused
            | E::RecvConnected
            | E::RecvConnectedRefused,
        ) => (S::Idle, DISCONNECT),
        _ => return Err(Unexpected),
    })
}

/// RFC 3931 §7.4.1.
const fn outgoing_sender(state: SessionState, event: SessionEvent) -> SessionStep {
    use SessionAction as A;
    use SessionEvent as E;
    use SessionState as S;
    Ok(match (state, event) {
        (S::Idle, E::LocalOpen) => (S::WaitControlConn, &[A::OpenControlConn]),
        (S::Idle, E::RecvConnected | E::RecvConnectedRefused | E::RecvReply | E::RecvReplyRefused) => {
            (S::Idle, &[A::CleanUp])
        }
        (S::WaitControlConn, E::ControlConnOpen) => (S::WaitReply, &[A::SendRequest]),
        (S::WaitReply, E::RecvReply) => (S::WaitConnect, &[]),
        (S::WaitReply, E::RecvReplyRefused | E::RecvConnected | E::RecvConnectedRefused) => (S::Idle, DISCONNECT),
        (S::WaitReply, E::LoseTie) => (S::Idle, &[A::CleanUp]),
        (S::WaitReply, E::WinTie) => (S::WaitReply, &[A::RefuseOther]),
        (S::WaitReply, E::RecvRequest | E::RecvRequestRefused) => (S::Idle, DISCONNECT),
        (S::WaitConnect, E::RecvConnected) => (S::Established, &[A::PrepareForData]),
        (
            S::WaitConnect,
            E::RecvConnectedRefused | E::RecvRequest | E::RecvRequestRefused | E::RecvReply | E::RecvReplyRefused,
        ) => (S::Idle, DISCONNECT),
        (
            S::Established,
            E::RecvRequest
            | E::RecvRequestRefused
            | E::RecvReply
            | E::RecvReplyRefused
            | E::RecvConnected
            | E::RecvConnectedRefused,
        ) => (S::Idle, DISCONNECT),
        _ => return Err(Unexpected),
    })
}

/// RFC 3931 §7.4.2.
const fn outgoing_recipient(state: SessionState, event: SessionEvent) -> SessionStep {
    use SessionAction as A;
    use SessionEvent as E;
    use SessionState as S;
    Ok(match (state, event) {
        (S::Idle, E::RecvRequest) => (S::WaitCsAnswer, &[A::SendReply, A::PlaceCall]),
        (S::Idle, E::RecvRequestRefused | E::RecvReply | E::RecvReplyRefused) => (S::Idle, DISCONNECT),
        (S::Idle, E::RecvConnected | E::RecvConnectedRefused) => (S::Idle, &[A::CleanUp]),
        (S::WaitCsAnswer, E::CallPlaced) => (S::Established, &[A::SendConnected, A::PrepareForData]),
        (S::WaitCsAnswer, E::CallFailed) => (S::Idle, DISCONNECT),
        (
            S::WaitCsAnswer | S::Established,
            E::RecvRequest
            | E::RecvRequestRefused
            | E::RecvReply
            | E::RecvReplyRefused
            | E::RecvConnected
            | E::RecvConnectedRefused,
        ) => (S::Idle, DISCONNECT),
        _ => return Err(Unexpected),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionAction as CA;
    use ConnectionEvent as CE;
    use ConnectionState as CS;
    use SessionAction as A;
    use SessionEvent as E;
    use SessionState as S;

    /// RFC 3931 §7.2, row by row; each other pair is unexpected.
    #[test]
    fn the_connection_table() {
        const STOP: &[CA] = &[CA::SendStopCcn, CA::CleanUp];
        let rows: &[(CS, CE, CS, &[CA])] = &[
            (CS::Idle, CE::LocalOpen, CS::WaitCtlReply, &[CA::SendSccrq]),
            (CS::Idle, CE::RecvSccrq, CS::WaitCtlConn, &[CA::SendSccrp]),
            (CS::Idle, CE::RecvSccrqRefused, CS::Idle, STOP),
            (CS::Idle, CE::RecvSccrp, CS::Idle, STOP),
            (CS::Idle, CE::RecvScccn, CS::Idle, STOP),
            (CS::WaitCtlReply, CE::RecvSccrp, CS::Established, &[CA::SendScccn, CA::OpenSessions]),
            (CS::WaitCtlReply, CE::RecvSccrpRefused, CS::Idle, STOP),
            (CS::WaitCtlReply, CE::LoseTie, CS::Idle, &[CA::CleanUp]),
            (CS::WaitCtlReply, CE::WinTie, CS::WaitCtlReply, &[CA::RefuseOther]),
            (CS::WaitCtlReply, CE::RecvScccn, CS::Idle, STOP),
            (CS::WaitCtlConn, CE::RecvScccn, CS::Established, &[CA::OpenSessions]),
            (CS::WaitCtlConn, CE::RecvScccnRefused, CS::Idle, STOP),
            (CS::WaitCtlConn, CE::RecvSccrp, CS::Idle, STOP),
            (CS::WaitCtlConn, CE::RecvSccrq, CS::Idle, STOP),
            (CS::Established, CE::LocalOpen, CS::Established, &[CA::OpenSessions]),
            (CS::Established, CE::AdminClose, CS::Idle, STOP),
            (CS::Established, CE::RecvSccrq, CS::Idle, STOP),
            (CS::Established, CE::RecvSccrp, CS::Idle, STOP),
            (CS::Established, CE::RecvScccn, CS::Idle, STOP),
            (CS::Idle, CE::RecvStopCcn, CS::Idle, &[CA::CleanUp]),
            (CS::WaitCtlReply, CE::RecvStopCcn, CS::Idle, &[CA::CleanUp]),
            (CS::WaitCtlConn, CE::RecvStopCcn, CS::Idle, &[CA::CleanUp]),
            (CS::Established, CE::RecvStopCcn, CS::Idle, &[CA::CleanUp]),
        ];
        for (state, event, next, actions) in rows {
            assert_eq!(connection(*state, *event), Ok((*next, *actions)), "{state:?} {event:?}");
        }
        for state in CS::ALL {
            for event in CE::ALL {
                if let Ok((next, actions)) = connection(state, event) {
                    // Whoever goes back to idle cleans up, and only they do.
                    assert_eq!(next == CS::Idle, actions.contains(&CA::CleanUp), "{state:?} {event:?}");
                }
            }
        }
    }

    /// The rows of RFC 3931 §7.3 and §7.4 that go forward.
    #[test]
    fn sessions_come_up_in_four_ways() {
        use SessionRole::{IncomingRecipient, IncomingSender, OutgoingRecipient, OutgoingSender};
        type Step = (E, S, &'static [A]);
        let ways: [(SessionRole, &[Step]); 4] = [
            (
                IncomingSender,
                &[
                    (E::LocalOpen, S::WaitControlConn, &[A::OpenControlConn]),
                    (E::ControlConnOpen, S::WaitReply, &[A::SendRequest]),
                    (E::RecvReply, S::Established, &[A::SendConnected, A::PrepareForData]),
                ],
            ),
            (
                IncomingRecipient,
                &[
                    (E::RecvRequest, S::WaitConnect, &[A::SendReply]),
                    (E::RecvConnected, S::Established, &[A::PrepareForData]),
                ],
            ),
            (
                OutgoingSender,
                &[
                    (E::LocalOpen, S::WaitControlConn, &[A::OpenControlConn]),
                    (E::ControlConnOpen, S::WaitReply, &[A::SendRequest]),
                    (E::RecvReply, S::WaitConnect, &[]),
                    (E::RecvConnected, S::Established, &[A::PrepareForData]),
                ],
            ),
            (
                OutgoingRecipient,
                &[
                    (E::RecvRequest, S::WaitCsAnswer, &[A::SendReply, A::PlaceCall]),
                    (E::CallPlaced, S::Established, &[A::SendConnected, A::PrepareForData]),
                ],
            ),
        ];
        for (role, steps) in ways {
            let mut state = S::Idle;
            for (event, next, actions) in steps {
                assert_eq!(session(role, state, *event), Ok((*next, *actions)), "{role:?} {state:?} {event:?}");
                state = *next;
            }
            assert_eq!(session(role, state, E::LocalClose), Ok((S::Idle, DISCONNECT)));
            assert_eq!(session(role, state, E::RecvCdn), Ok((S::Idle, &[A::CleanUp][..])));
            assert_eq!(session(role, state, E::ControlConnClose), Ok((S::Idle, &[A::CleanUp][..])));
            for event in [E::RecvRequest, E::RecvReply, E::RecvConnected] {
                assert_eq!(session(role, S::Established, event), Ok((S::Idle, DISCONNECT)), "{role:?} {event:?}");
            }
        }
        assert_eq!(session(IncomingSender, S::WaitReply, E::WinTie), Ok((S::WaitReply, &[A::RefuseOther][..])));
        assert_eq!(session(IncomingSender, S::WaitReply, E::LoseTie), Ok((S::Idle, &[A::CleanUp][..])));
        assert_eq!(session(OutgoingRecipient, S::WaitCsAnswer, E::CallFailed), Ok((S::Idle, DISCONNECT)));
        assert_eq!(session(IncomingRecipient, S::Idle, E::RecvRequestRefused), Ok((S::Idle, DISCONNECT)));
        assert_eq!(session(IncomingSender, S::Idle, E::LocalClose), Err(Unexpected));
    }

    #[test]
    fn a_session_that_goes_is_cleaned_up() {
        for role in [
            SessionRole::IncomingSender,
            SessionRole::IncomingRecipient,
            SessionRole::OutgoingSender,
            SessionRole::OutgoingRecipient,
        ] {
            for state in S::ALL {
                for event in E::ALL {
                    if let Ok((next, actions)) = session(role, state, event) {
                        assert_eq!(next == S::Idle, actions.contains(&A::CleanUp), "{role:?} {state:?} {event:?}");
                    }
                }
            }
        }
    }
}
