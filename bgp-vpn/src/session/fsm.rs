//! The finite state machine of one connection (RFC 4271 §8), as a pure function.
//!
//! Every connection has an FSM of its own (RFC 4271 §8.2.1). What an event means besides the state change is a list of
//! [`Action`]s in the order of the RFC's text; the session carries them out. Initialisation of resources is no action: a
//! connection starts empty.
//!
//! Readings, where the text leaves a choice or contradicts itself:
//!
//! - An OPEN in Established is an unexpected message (RFC 6608 §4). CollisionDetectEstablishedState is true for a second
//!   connection that was there when this one became Established: both are of one simultaneous open, and only if both ends
//!   decide by identifier is one sure to survive. It is false for any later one, which gets event 23 at its OPEN.
//! - An OPEN in OpenConfirm is an unexpected message too (RFC 6608 §4): the collision that RFC 4271 §8.2.2 speaks of is an
//!   OPEN on the *other* connection, and ends as event 23.
//! - A header error in Established is answered by Message Header Error, as §6.1 demands of all of them, and not by the
//!   Finite State Machine Error that §8.2.2 lists.
//! - Events 6 and 7 start like 3 and 5; it is the IdleHoldTimer that damps. Without DampPeerOscillations they do nothing.
//! - ROUTE-REFRESH and the SendHoldTimer have no event number in RFC 4271; they are 29 and 30 here.
//! - Graceful restart changes events 16 and 17 in Established (RFC 4724 §5); whether routes are deleted or retained is
//!   for [`Action::ReleaseRoutes`] to decide (RFC 4724 §4.2, RFC 8538 §4.1).
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use bitflags::bitflags;

/// The states of RFC 4271 §8.2.2, from the least to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No connection is wanted.
    #[default]
    Idle,
    /// Our TCP connection is being opened.
    Connect,
    /// Waiting for the peer to connect, or for the next attempt.
    Active,
    /// We sent our OPEN.
    OpenSent,
    /// We took the peer's OPEN.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Connect, Self::Active, Self::OpenSent, Self::OpenConfirm, Self::Established];
}

/// The events of RFC 4271 §8.1, in its order: the first is number 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEvent {
    /// 1
    ManualStart = 1,
    /// 2
    ManualStop,
    /// 3
    AutomaticStart,
    /// 4, with PassiveTcpEstablishment
    ManualStartPassive,
    /// 5, with PassiveTcpEstablishment
    AutomaticStartPassive,
    /// 6, with DampPeerOscillations
    AutomaticStartDamped,
    /// 7, with DampPeerOscillations and PassiveTcpEstablishment
    AutomaticStartDampedPassive,
    /// 8
    AutomaticStop,
    /// 9
    ConnectRetryTimerExpires,
    /// 10
    HoldTimerExpires,
    /// 11
    KeepaliveTimerExpires,
    /// 12
    DelayOpenTimerExpires,
    /// 13
    IdleHoldTimerExpires,
    /// 14: a SYN of the peer
    TcpConnectionValid,
    /// 15: a SYN from or to a wrong address
    TcpCrInvalid,
    /// 16: our TCP connection is up
    TcpCrAcked,
    /// 17: the peer's TCP connection is up
    TcpConnectionConfirmed,
    /// 18
    TcpConnectionFails,
    /// 19: a valid OPEN
    BgpOpen,
    /// 20: a valid OPEN while the DelayOpenTimer runs
    BgpOpenDelayed,
    /// 21
    BgpHeaderErr,
    /// 22
    BgpOpenMsgErr,
    /// 23: the other connection survives a collision
    OpenCollisionDump,
    /// 24: a NOTIFICATION about the version
    NotifMsgVerErr,
    /// 25: another NOTIFICATION
    NotifMsg,
    /// 26
    KeepaliveMsg,
    /// 27
    UpdateMsg,
    /// 28
    UpdateMsgErr,
    /// A ROUTE-REFRESH (RFC 2918)
    RouteRefreshMsg,
    /// RFC 9687
    SendHoldTimerExpires,
}

impl SessionEvent {
    /// All events.
    pub const ALL: [Self; 30] = [
        Self::ManualStart,
        Self::ManualStop,
        Self::AutomaticStart,
        Self::ManualStartPassive,
        Self::AutomaticStartPassive,
        Self::AutomaticStartDamped,
        Self::AutomaticStartDampedPassive,
        Self::AutomaticStop,
        Self::ConnectRetryTimerExpires,
        Self::HoldTimerExpires,
        Self::KeepaliveTimerExpires,
        Self::DelayOpenTimerExpires,
        Self::IdleHoldTimerExpires,
        Self::TcpConnectionValid,
        Self::TcpCrInvalid,
        Self::TcpCrAcked,
        Self::TcpConnectionConfirmed,
        Self::TcpConnectionFails,
        Self::BgpOpen,
        Self::BgpOpenDelayed,
        Self::BgpHeaderErr,
        Self::BgpOpenMsgErr,
        Self::OpenCollisionDump,
        Self::NotifMsgVerErr,
        Self::NotifMsg,
        Self::KeepaliveMsg,
        Self::UpdateMsg,
        Self::UpdateMsgErr,
        Self::RouteRefreshMsg,
        Self::SendHoldTimerExpires,
    ];

    /// The number in RFC 4271 §8.1; 29 and 30 are ours.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the event is the receipt of a message.
    const fn is_message(self) -> bool {
        matches!(
            self,
            Self::BgpOpen
                | Self::BgpOpenDelayed
                | Self::BgpOpenMsgErr
                | Self::NotifMsgVerErr
                | Self::NotifMsg
                | Self::KeepaliveMsg
                | Self::UpdateMsg
                | Self::UpdateMsgErr
                | Self::RouteRefreshMsg
        )
    }
}

bitflags! {
    /// The optional session attributes (RFC 4271 §8.1.1) and facts that transitions depend on.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Conditions: u8 {
        /// DelayOpen.
        const DELAY_OPEN = 1;
        /// The DelayOpenTimer runs.
        const DELAY_OPEN_TIMER_RUNS = 1 << 1;
        /// SendNOTIFICATIONwithoutOPEN.
        const NOTIFICATION_WITHOUT_OPEN = 1 << 2;
        /// DampPeerOscillations.
        const DAMP_PEER_OSCILLATIONS = 1 << 3;
        /// The peer's graceful restart capability names families (RFC 4724 §5).
        const PEER_RESTARTS = 1 << 4;
    }
}

/// What a transition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Begin to open a TCP connection.
    InitiateConnection,
    /// Drop the TCP connection, or the attempt at one.
    DropConnection,
    /// Refuse the TCP connection that the event reports.
    RejectConnection,
    /// Watch a second connection until its OPEN (RFC 4271 §6.8): it has an FSM of its own.
    TrackConnection,
    /// Send the OPEN.
    SendOpen,
    /// Send a KEEPALIVE.
    SendKeepalive,
    /// Send a Cease.
    SendCease,
    /// Send Hold Timer Expired.
    SendHoldTimerExpired,
    /// Send the NOTIFICATION that the event carries.
    SendError,
    /// Send a Finite State Machine Error with the sub-code of [`Unexpected`].
    SendFsmError,
    /// Start the ConnectRetryTimer anew.
    StartConnectRetryTimer,
    /// Stop the ConnectRetryTimer.
    StopConnectRetryTimer,
    /// Start the DelayOpenTimer.
    StartDelayOpenTimer,
    /// Stop the DelayOpenTimer.
    StopDelayOpenTimer,
    /// Start the HoldTimer with the large value, four minutes.
    StartLargeHoldTimer,
    /// Start the HoldTimer with the negotiated value, unless it is zero.
    StartHoldTimer,
    /// Start the KeepaliveTimer, unless the negotiated hold time is zero.
    StartKeepaliveTimer,
    /// Set the ConnectRetryCounter to zero.
    ZeroConnectRetryCounter,
    /// Count a failure.
    IncrementConnectRetryCounter,
    /// Damp oscillations, where DampPeerOscillations is set.
    DampPeerOscillations,
    /// Start again by itself, as events 6 and 7.
    AutomaticStart,
    /// Hand the UPDATE on.
    ProcessUpdate,
    /// Hand the ROUTE-REFRESH on.
    ProcessRouteRefresh,
    /// Delete the peer's routes, or retain them as graceful restart says.
    ReleaseRoutes,
    /// Release all else that belongs to the connection.
    ReleaseResources,
}

/// An event that the RFC counts among "any other" in this state. The next state is Idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// What is to be done.
    pub actions: &'static [Action],
    /// The sub-code of the Finite State Machine Error to send (RFC 6608 §3); 0 where the event is no message.
    pub subcode: u8,
}

use Action::{
    DampPeerOscillations as Damp, DropConnection as Drop, IncrementConnectRetryCounter as Count,
    InitiateConnection as Initiate, ReleaseResources as Release, ReleaseRoutes, SendCease, SendError, SendFsmError,
    SendHoldTimerExpired, SendKeepalive, SendOpen, StartConnectRetryTimer as StartRetry, StartDelayOpenTimer,
    StartHoldTimer, StartKeepaliveTimer, StartLargeHoldTimer, StopConnectRetryTimer as StopRetry,
    StopDelayOpenTimer as StopDelay, TrackConnection as Track, ZeroConnectRetryCounter as Zero,
};

type Next = Result<(State, &'static [Action]), Unexpected>;

/// The transition out of `state` at `event`.
///
/// # Errors
/// [`Unexpected`]: the event is one of those that the state does not provide for.
pub fn transition(state: State, event: SessionEvent, conditions: Conditions) -> Next {
    match state {
        State::Idle => Ok(idle(event, conditions)),
        State::Connect => connect(event, conditions),
        State::Active => active(event, conditions),
        State::OpenSent => open_sent(event),
        State::OpenConfirm => open_confirm(event),
        State::Established => established(event, conditions),
    }
}

/// In Idle no event is unexpected: "any other event does not cause change".
fn idle(event: SessionEvent, conditions: Conditions) -> (State, &'static [Action]) {
    use SessionEvent as E;
    const START: &[Action] = &[Zero, StartRetry, Initiate];
    const LISTEN: &[Action] = &[Zero, StartRetry];
    let damped = conditions.contains(Conditions::DAMP_PEER_OSCILLATIONS);
    match event {
        E::ManualStart | E::AutomaticStart => (State::Connect, START),
        E::ManualStartPassive | E::AutomaticStartPassive => (State::Active, LISTEN),
        E::AutomaticStartDamped if damped => (State::Connect, START),
        E::AutomaticStartDampedPassive if damped => (State::Active, LISTEN),
        E::IdleHoldTimerExpires if damped => (State::Idle, &[Action::AutomaticStart]),
        // "Refuses all incoming BGP connections".
        E::TcpConnectionValid | E::TcpCrAcked | E::TcpConnectionConfirmed => (State::Idle, &[Action::RejectConnection]),
        _ => (State::Idle, &[]),
    }
}

/// What Connect and Active share.
fn before_open(state: State, event: SessionEvent, conditions: Conditions) -> Next {
    use SessionEvent as E;
    let delayed = conditions.contains(Conditions::DELAY_OPEN_TIMER_RUNS);
    Ok(match event {
        // "The start events (Events 1, 3-7) are ignored."
        E::ManualStart
        | E::AutomaticStart
        | E::ManualStartPassive
        | E::AutomaticStartPassive
        | E::AutomaticStartDamped
        | E::AutomaticStartDampedPassive => (state, &[]),
        E::TcpConnectionValid => (state, &[]),
        E::TcpCrInvalid => (state, &[Action::RejectConnection]),
        E::TcpCrAcked | E::TcpConnectionConfirmed if conditions.contains(Conditions::DELAY_OPEN) => {
            (state, &[StopRetry, StartDelayOpenTimer])
        }
        E::TcpCrAcked | E::TcpConnectionConfirmed => (State::OpenSent, &[StopRetry, SendOpen, StartLargeHoldTimer]),
        E::BgpOpenDelayed => {
            (State::OpenConfirm, &[StopRetry, StopDelay, SendOpen, SendKeepalive, StartKeepaliveTimer, StartHoldTimer])
        }
        E::BgpHeaderErr | E::BgpOpenMsgErr if conditions.contains(Conditions::NOTIFICATION_WITHOUT_OPEN) => {
            (State::Idle, &[SendError, StopRetry, StopDelay, Release, Drop, Count, Damp])
        }
        E::BgpHeaderErr | E::BgpOpenMsgErr => (State::Idle, &[StopRetry, StopDelay, Release, Drop, Count, Damp]),
        E::NotifMsgVerErr if delayed => (State::Idle, &[StopRetry, StopDelay, Release, Drop]),
        E::NotifMsgVerErr => (State::Idle, &[StopRetry, Release, Drop, Count, Damp]),
        // "Any other events (Events 8, 10-11, 13, 19, 23, 25-28)": no NOTIFICATION, none of us has sent an OPEN.
        _ => {
            const OTHER: &[Action] = &[StopRetry, StopDelay, Release, Drop, Count, Damp];
            return Err(Unexpected { actions: OTHER, subcode: 0 });
        }
    })
}

fn connect(event: SessionEvent, conditions: Conditions) -> Next {
    use SessionEvent as E;
    let delayed = conditions.contains(Conditions::DELAY_OPEN_TIMER_RUNS);
    Ok(match event {
        E::ManualStop => (State::Idle, &[Drop, Release, StopDelay, Zero, StopRetry]),
        E::ConnectRetryTimerExpires => (State::Connect, &[Drop, StartRetry, StopDelay, Initiate]),
        E::DelayOpenTimerExpires => (State::OpenSent, &[SendOpen, StartLargeHoldTimer]),
        E::TcpConnectionFails if delayed => (State::Active, &[StartRetry, StopDelay]),
        E::TcpConnectionFails => (State::Idle, &[StopRetry, Drop, Release]),
        _ => return before_open(State::Connect, event, conditions),
    })
}

fn active(event: SessionEvent, conditions: Conditions) -> Next {
    use SessionEvent as E;
    let cease = Conditions::DELAY_OPEN_TIMER_RUNS | Conditions::NOTIFICATION_WITHOUT_OPEN;
    Ok(match event {
        E::ManualStop if conditions.contains(cease) => {
            (State::Idle, &[SendCease, Release, StopDelay, Drop, Zero, StopRetry])
        }
        E::ManualStop => (State::Idle, &[Release, StopDelay, Drop, Zero, StopRetry]),
        E::ConnectRetryTimerExpires => (State::Connect, &[StartRetry, Initiate]),
        E::DelayOpenTimerExpires => (State::OpenSent, &[StopRetry, StopDelay, SendOpen, StartLargeHoldTimer]),
        E::TcpConnectionFails => (State::Idle, &[StartRetry, StopDelay, Release, Count, Damp]),
        _ => return before_open(State::Active, event, conditions),
    })
}

fn open_sent(event: SessionEvent) -> Next {
    use SessionEvent as E;
    Ok(match event {
        E::TcpConnectionFails => (State::Active, &[Drop, StartRetry]),
        E::BgpOpen => (State::OpenConfirm, &[StopDelay, StopRetry, SendKeepalive, StartKeepaliveTimer, StartHoldTimer]),
        E::BgpHeaderErr | E::BgpOpenMsgErr => (State::Idle, &[SendError, StopRetry, Release, Drop, Count, Damp]),
        // 9, 11-13, 20, 25-28.
        _ => return after_open(State::OpenSent, event, 1),
    })
}

fn open_confirm(event: SessionEvent) -> Next {
    use SessionEvent as E;
    Ok(match event {
        E::KeepaliveTimerExpires => (State::OpenConfirm, &[SendKeepalive, StartKeepaliveTimer]),
        E::TcpConnectionFails | E::NotifMsg => (State::Idle, &[StopRetry, Release, Drop, Count, Damp]),
        E::BgpHeaderErr | E::BgpOpenMsgErr => (State::Idle, &[SendError, StopRetry, Release, Drop, Count, Damp]),
        E::KeepaliveMsg => (State::Established, &[StartHoldTimer]),
        // 9, 12-13, 19, 20, 27-28.
        _ => return after_open(State::OpenConfirm, event, 2),
    })
}

/// What OpenSent and OpenConfirm share. `subcode` is that of unexpected messages.
fn after_open(state: State, event: SessionEvent, subcode: u8) -> Next {
    use SessionEvent as E;
    Ok(match event {
        E::ManualStart
        | E::AutomaticStart
        | E::ManualStartPassive
        | E::AutomaticStartPassive
        | E::AutomaticStartDamped
        | E::AutomaticStartDampedPassive => (state, &[]),
        E::ManualStop => (State::Idle, &[SendCease, StopRetry, Release, Drop, Zero]),
        E::AutomaticStop | E::OpenCollisionDump => (State::Idle, &[SendCease, StopRetry, Release, Drop, Count, Damp]),
        E::HoldTimerExpires => (State::Idle, &[SendHoldTimerExpired, StopRetry, Release, Drop, Count, Damp]),
        E::TcpConnectionValid | E::TcpCrAcked | E::TcpConnectionConfirmed => (state, &[Track]),
        E::TcpCrInvalid => (state, &[]),
        E::NotifMsgVerErr => (State::Idle, &[StopRetry, Release, Drop]),
        // RFC 9687: nothing is sent, the peer does not read.
        E::SendHoldTimerExpires => (State::Idle, &[StopRetry, Release, Drop, Count, Damp]),
        _ => {
            const OTHER: &[Action] = &[SendFsmError, StopRetry, Release, Drop, Count, Damp];
            return Err(Unexpected { actions: OTHER, subcode: if event.is_message() { subcode } else { 0 } });
        }
    })
}

fn established(event: SessionEvent, conditions: Conditions) -> Next {
    use SessionEvent as E;
    Ok(match event {
        E::ManualStart
        | E::AutomaticStart
        | E::ManualStartPassive
        | E::AutomaticStartPassive
        | E::AutomaticStartDamped
        | E::AutomaticStartDampedPassive => (State::Established, &[]),
        E::ManualStop => (State::Idle, &[SendCease, StopRetry, ReleaseRoutes, Release, Drop, Zero]),
        E::AutomaticStop | E::OpenCollisionDump => {
            (State::Idle, &[SendCease, StopRetry, ReleaseRoutes, Release, Drop, Count, Damp])
        }
        E::HoldTimerExpires => {
            (State::Idle, &[SendHoldTimerExpired, StopRetry, ReleaseRoutes, Release, Drop, Count, Damp])
        }
        E::KeepaliveTimerExpires => (State::Established, &[SendKeepalive, StartKeepaliveTimer]),
        E::TcpConnectionValid => (State::Established, &[Track]),
        E::TcpCrInvalid => (State::Established, &[]),
        // RFC 4724 §5: the peer has restarted, and TCP has not told us.
        E::TcpCrAcked | E::TcpConnectionConfirmed if conditions.contains(Conditions::PEER_RESTARTS) => {
            (State::Connect, &[ReleaseRoutes, Release, Drop, Zero, StartRetry])
        }
        E::TcpCrAcked | E::TcpConnectionConfirmed => (State::Established, &[Track]),
        E::NotifMsgVerErr | E::NotifMsg | E::TcpConnectionFails => {
            (State::Idle, &[StopRetry, ReleaseRoutes, Release, Drop, Count])
        }
        E::KeepaliveMsg => (State::Established, &[StartHoldTimer]),
        E::UpdateMsg => (State::Established, &[Action::ProcessUpdate, StartHoldTimer]),
        E::RouteRefreshMsg => (State::Established, &[Action::ProcessRouteRefresh, StartHoldTimer]),
        E::UpdateMsgErr | E::BgpHeaderErr => {
            (State::Idle, &[SendError, StopRetry, ReleaseRoutes, Release, Drop, Count, Damp])
        }
        E::SendHoldTimerExpires => (State::Idle, &[StopRetry, ReleaseRoutes, Release, Drop, Count, Damp]),
        // 9, 12-13, 19, 20, 22.
        _ => {
            const OTHER: &[Action] = &[SendFsmError, ReleaseRoutes, StopRetry, Release, Drop, Count, Damp];
            return Err(Unexpected { actions: OTHER, subcode: if event.is_message() { 3 } else { 0 } });
        }
    })
}
