//! Per-interface downstream state machines: (*,G) and (S,G) (RFC 7761 §4.5.1, §4.5.2), (S,G,rpt) (§4.5.3).
//!
//! Figures 2 and 3 are the same machine, and so is that of groups in BIDIR-PIM (RFC 5015 §3.4.1).

/// States of the (*,G) and (S,G) machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinState {
    /// No Join, no timers.
    #[default]
    NoInfo,
    /// Joined.
    Join,
    /// A Prune came; forwards as Join while others may override it.
    PrunePending,
}

impl JoinState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::NoInfo, Self::Join, Self::PrunePending];

    /// Whether the interface is in `joins()` (RFC 7761 §4.1.5).
    #[must_use]
    pub const fn is_joined(self) -> bool {
        matches!(self, Self::Join | Self::PrunePending)
    }
}

/// Events of the (*,G) and (S,G) machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinEvent {
    /// A Join to this router.
    ReceiveJoin,
    /// A Prune to this router.
    ReceivePrune,
    /// The Prune-Pending Timer expires.
    PrunePendingTimerExpires,
    /// The Expiry Timer expires.
    ExpiryTimerExpires,
    /// This router ceases to be the designated forwarder of the interface (BIDIR-PIM only).
    StopBeingDf,
}

impl JoinEvent {
    /// All events.
    pub const ALL: [Self; 5] = [
        Self::ReceiveJoin,
        Self::ReceivePrune,
        Self::PrunePendingTimerExpires,
        Self::ExpiryTimerExpires,
        Self::StopBeingDf,
    ];
}

/// What a transition of a downstream machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DownstreamAction {
    /// Start the Expiry Timer with the message's holdtime.
    StartExpiryTimer,
    /// Raise the Expiry Timer to the message's holdtime, if that is later.
    RestartExpiryTimer,
    /// Stop the Expiry Timer.
    CancelExpiryTimer,
    /// Start the Prune-Pending Timer: J/P_Override_Interval(I), or zero if there is one neighbour.
    StartPrunePendingTimer,
    /// Stop the Prune-Pending Timer.
    CancelPrunePendingTimer,
    /// Send a PruneEcho, unless the interface has a single neighbour.
    SendPruneEcho,
}

/// An event that the state has no cell for: nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

use DownstreamAction::{
    CancelExpiryTimer, CancelPrunePendingTimer, RestartExpiryTimer, SendPruneEcho, StartExpiryTimer,
    StartPrunePendingTimer,
};

/// The transition of a (*,G) or (S,G) machine (RFC 7761 figures 2 and 3; RFC 5015 figure 1).
///
/// # Errors
/// [`Unexpected`]: a timer that does not run in this state.
pub const fn join_transition(
    state: JoinState,
    event: JoinEvent,
) -> Result<(JoinState, &'static [DownstreamAction]), Unexpected> {
    use JoinEvent as E;
    use JoinState as S;
    Ok(match (state, event) {
        (S::NoInfo, E::ReceiveJoin) => (S::Join, &[StartExpiryTimer]),
        (S::NoInfo, E::ReceivePrune | E::StopBeingDf) => (S::NoInfo, &[]),
        (S::NoInfo, E::PrunePendingTimerExpires | E::ExpiryTimerExpires) => return Err(Unexpected),
        (S::Join, E::ReceiveJoin) => (S::Join, &[RestartExpiryTimer]),
        (S::Join, E::ReceivePrune) => (S::PrunePending, &[StartPrunePendingTimer]),
        (S::Join, E::PrunePendingTimerExpires) => return Err(Unexpected),
        (S::Join, E::ExpiryTimerExpires) => (S::NoInfo, &[]),
        (S::Join, E::StopBeingDf) => (S::NoInfo, &[CancelExpiryTimer]),
        (S::PrunePending, E::ReceiveJoin) => (S::Join, &[RestartExpiryTimer, CancelPrunePendingTimer]),
        (S::PrunePending, E::ReceivePrune) => (S::PrunePending, &[]),
        (S::PrunePending, E::PrunePendingTimerExpires) => (S::NoInfo, &[CancelExpiryTimer, SendPruneEcho]),
        (S::PrunePending, E::ExpiryTimerExpires) => (S::NoInfo, &[CancelPrunePendingTimer]),
        (S::PrunePending, E::StopBeingDf) => (S::NoInfo, &[CancelExpiryTimer, CancelPrunePendingTimer]),
    })
}

/// States of the (S,G,rpt) machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RptState {
    /// No Prune.
    #[default]
    NoInfo,
    /// Pruned.
    Prune,
    /// A Prune came; forwards as NoInfo while others may override it.
    PrunePending,
    /// Prune, while the rest of a message with a Join(*,G) is read.
    PruneTmp,
    /// PrunePending, while the rest of a message with a Join(*,G) is read.
    PrunePendingTmp,
}

impl RptState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::NoInfo, Self::Prune, Self::PrunePending, Self::PruneTmp, Self::PrunePendingTmp];

    /// Whether the interface is in `prunes(S,G,rpt)` (RFC 7761 §4.1.5).
    #[must_use]
    pub const fn is_pruned(self) -> bool {
        matches!(self, Self::Prune | Self::PruneTmp)
    }
}

/// Events of the (S,G,rpt) machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RptEvent {
    /// A Join(*,G) to this router.
    ReceiveStarJoin,
    /// A Join(S,G,rpt) to this router.
    ReceiveJoin,
    /// A Prune(S,G,rpt) to this router.
    ReceivePrune,
    /// The end of the message.
    EndOfMessage,
    /// The Prune-Pending Timer expires.
    PrunePendingTimerExpires,
    /// The Expiry Timer expires.
    ExpiryTimerExpires,
}

impl RptEvent {
    /// All events.
    pub const ALL: [Self; 6] = [
        Self::ReceiveStarJoin,
        Self::ReceiveJoin,
        Self::ReceivePrune,
        Self::EndOfMessage,
        Self::PrunePendingTimerExpires,
        Self::ExpiryTimerExpires,
    ];
}

/// The transition of an (S,G,rpt) machine (RFC 7761 figure 4).
///
/// # Errors
/// [`Unexpected`]: a timer that does not run in this state.
pub const fn rpt_transition(
    state: RptState,
    event: RptEvent,
) -> Result<(RptState, &'static [DownstreamAction]), Unexpected> {
    use RptEvent as E;
    use RptState as S;
    const CANCEL: &[DownstreamAction] = &[CancelExpiryTimer, CancelPrunePendingTimer];
    Ok(match (state, event) {
        (S::NoInfo, E::ReceivePrune) => (S::PrunePending, &[StartPrunePendingTimer, StartExpiryTimer]),
        (S::NoInfo, E::ReceiveStarJoin | E::ReceiveJoin | E::EndOfMessage) => (S::NoInfo, &[]),
        (S::Prune, E::ReceiveStarJoin) => (S::PruneTmp, &[]),
        (S::Prune | S::PrunePending, E::ReceiveJoin) => (S::NoInfo, CANCEL),
        (S::Prune, E::ReceivePrune) => (S::Prune, &[RestartExpiryTimer]),
        (S::Prune, E::ExpiryTimerExpires) => (S::NoInfo, &[]),
        (S::Prune | S::PrunePending, E::EndOfMessage) => (state, &[]),
        (S::PrunePending, E::ReceiveStarJoin) => (S::PrunePendingTmp, &[]),
        (S::PrunePending, E::ReceivePrune) => (S::PrunePending, &[]),
        (S::PrunePending, E::PrunePendingTimerExpires) => (S::Prune, &[]),
        // The figure has no cell: the Prune outlives its holdtime only until the Prune-Pending Timer runs out.
        (S::PrunePending, E::ExpiryTimerExpires) => (S::NoInfo, &[CancelPrunePendingTimer]),
        (S::PruneTmp, E::ReceivePrune) => (S::Prune, &[RestartExpiryTimer]),
        (S::PrunePendingTmp, E::ReceivePrune) => (S::PrunePending, &[RestartExpiryTimer]),
        (S::PruneTmp | S::PrunePendingTmp, E::EndOfMessage) => (S::NoInfo, CANCEL),
        (S::PruneTmp | S::PrunePendingTmp, E::ReceiveStarJoin | E::ReceiveJoin) => (state, &[]),
        (S::NoInfo | S::PruneTmp | S::PrunePendingTmp, E::PrunePendingTimerExpires | E::ExpiryTimerExpires)
        | (S::Prune, E::PrunePendingTimerExpires) => return Err(Unexpected),
    })
}
