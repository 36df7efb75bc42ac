//! The connection state machine of a peer (RFC 3618 §11), as a pure function.

/// The states of RFC 3618 §11.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerState {
    /// DISABLED
    #[default]
    Disabled,
    /// INACTIVE: between two attempts to connect.
    Inactive,
    /// CONNECTING: this side, with the lower address, connects.
    Connecting,
    /// LISTEN: the peer connects.
    Listen,
    /// ESTABLISHED
    Established,
}

/// The events of RFC 3618 §11.1, in its order: the first is E1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerEvent {
    /// E1: enable peering.
    Enable,
    /// E2: own address lower than the peer's.
    OwnLower,
    /// E3: own address higher than the peer's.
    OwnHigher,
    /// E4: TCP established, active side.
    TcpActive,
    /// E5: TCP established, passive side.
    TcpPassive,
    /// E6: ConnectRetry timer expired.
    ConnectRetryTimer,
    /// E7: disable peering.
    Disable,
    /// E8: Hold Timer expired. A connection that TCP closed ends the same way.
    HoldTimer,
    /// E9: TLV format error.
    FormatError,
    /// E10: any other error.
    OtherError,
}

impl PeerEvent {
    /// All events.
    pub const ALL: [Self; 10] = [
        Self::Enable,
        Self::OwnLower,
        Self::OwnHigher,
        Self::TcpActive,
        Self::TcpPassive,
        Self::ConnectRetryTimer,
        Self::Disable,
        Self::HoldTimer,
        Self::FormatError,
        Self::OtherError,
    ];
}

/// What RFC 3618 §11.2 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAction {
    /// Compare addresses (A1): E2 or E3 follows.
    CompareAddresses,
    /// TCP active OPEN (A2).
    Connect,
    /// Set the ConnectRetry timer (A2).
    StartConnectRetryTimer,
    /// Delete it (A4).
    StopConnectRetryTimer,
    /// TCP passive OPEN (A3).
    Listen,
    /// Send a KeepAlive TLV (A4, A5).
    SendKeepAlive,
    /// Set the Hold Timer (A4, A5).
    StartHoldTimer,
    /// Abort the OPEN (A6, A7), or close the connection (A8).
    Close,
    /// Release what belongs to the connection (A6, A7, A8).
    Release,
    /// Drop the message (A9).
    DropMessage,
}

/// The event cannot occur in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// The transition out of `state` at `event`.
///
/// # Errors
/// [`Unexpected`]: a pair that the machine does not have.
pub fn transition(state: PeerState, event: PeerEvent) -> Result<(PeerState, &'static [PeerAction]), Unexpected> {
    use PeerAction as A;
    use PeerEvent as E;
    use PeerState as S;
    const END: &[PeerAction] = &[A::Close, A::Release];
    Ok(match (state, event) {
        (S::Disabled, E::Enable) => (S::Inactive, &[A::CompareAddresses]),
        (S::Inactive, E::OwnLower) => (S::Connecting, &[A::Connect, A::StartConnectRetryTimer]),
        (S::Inactive, E::OwnHigher) => (S::Listen, &[A::Listen]),
        (S::Connecting, E::TcpActive) => {
            (S::Established, &[A::StopConnectRetryTimer, A::SendKeepAlive, A::StartHoldTimer])
        }
        // The peer tries again: E2 follows in INACTIVE.
        (S::Connecting, E::ConnectRetryTimer) => (S::Inactive, &[A::Close, A::CompareAddresses]),
        (S::Connecting, E::Disable) => (S::Disabled, &[A::StopConnectRetryTimer, A::Close, A::Release]),
        (S::Listen, E::TcpPassive) => (S::Established, &[A::SendKeepAlive, A::StartHoldTimer]),
        (S::Listen, E::Disable) => (S::Disabled, END),
        (S::Established, E::Disable | E::HoldTimer | E::FormatError) => (S::Disabled, END),
        (S::Established, E::OtherError) => (S::Established, &[A::DropMessage]),
        _ => return Err(Unexpected),
    })
}
