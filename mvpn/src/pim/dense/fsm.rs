//! The machines of PIM-DM as functions: upstream (RFC 3973 §4.4.1), downstream (§4.4.2), origination (§4.5.2), Assert (§4.6.4).

use crate::pim::assert::AssertState;
use crate::pim::downstream::Unexpected;

/// States of the Upstream(S,G) machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamState {
    /// Packets are wanted.
    #[default]
    Forwarding,
    /// Nobody wants them.
    Pruned,
    /// They are wanted again, and the Graft that says so is not acknowledged.
    AckPending,
}

impl UpstreamState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Forwarding, Self::Pruned, Self::AckPending];
}

/// Events of the Upstream(S,G) machine. All but the last three and GraftAck need a source that is not directly connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamEvent {
    /// A packet on the RPF interface, olist empty, PLT not running.
    DataArrives,
    /// A State Refresh of RPF' with the Prune Indicator.
    StateRefreshPruned,
    /// A State Refresh of RPF' without it; in Pruned with PLT not running.
    StateRefreshForwarding,
    /// A Join of another router to RPF'.
    SeeJoin,
    /// A Prune of another router.
    SeePrune,
    /// OT expires.
    OverrideTimerExpires,
    /// olist becomes empty.
    OlistEmpty,
    /// olist is no longer empty.
    OlistNotEmpty,
    /// RPF' changes, olist not empty.
    RpfChangesWithOlist,
    /// RPF' changes, olist empty.
    RpfChangesWithoutOlist,
    /// GRT expires.
    GraftRetryTimerExpires,
    /// A Graft-Ack of RPF'.
    ReceiveGraftAck,
    /// The source becomes directly connected.
    Connected,
    /// olist is not empty and the source is directly connected. RFC 3973 has no such event, and without it a source that becomes
    /// connected while it is pruned is pruned for ever.
    ConnectedOlistNotEmpty,
}

impl UpstreamEvent {
    /// All events.
    pub const ALL: [Self; 14] = [
        Self::DataArrives,
        Self::StateRefreshPruned,
        Self::StateRefreshForwarding,
        Self::SeeJoin,
        Self::SeePrune,
        Self::OverrideTimerExpires,
        Self::OlistEmpty,
        Self::OlistNotEmpty,
        Self::RpfChangesWithOlist,
        Self::RpfChangesWithoutOlist,
        Self::GraftRetryTimerExpires,
        Self::ReceiveGraftAck,
        Self::Connected,
        Self::ConnectedOlistNotEmpty,
    ];
}

/// What a transition of the Upstream(S,G) machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAction {
    /// Send a Prune to RPF'.
    SendPrune,
    /// Send a Join to RPF'.
    SendJoin,
    /// Send a Graft to RPF'.
    SendGraft,
    /// PLT = t_limit.
    SetPruneLimit,
    /// Stop PLT.
    CancelPruneLimit,
    /// OT = t_override, unless it runs.
    SetOverride,
    /// Stop OT.
    CancelOverride,
    /// GRT = Graft_Retry_Period.
    SetGraftRetry,
    /// Stop GRT.
    CancelGraftRetry,
}

/// The transition of the Upstream(S,G) machine (RFC 3973 §4.4.1, figure 1).
///
/// # Errors
/// [`Unexpected`]: a cell that says N/A.
pub const fn upstream_transition(
    state: UpstreamState,
    event: UpstreamEvent,
) -> Result<(UpstreamState, &'static [UpstreamAction]), Unexpected> {
    use UpstreamAction as A;
    use UpstreamEvent as E;
    use UpstreamState as S;
    Ok(match (state, event) {
        (S::Forwarding | S::Pruned, E::DataArrives) | (S::Forwarding, E::OlistEmpty) => {
            (S::Pruned, &[A::SendPrune, A::SetPruneLimit])
        }
        (S::Forwarding, E::StateRefreshPruned | E::SeePrune) => (S::Forwarding, &[A::SetOverride]),
        (S::Pruned, E::StateRefreshPruned) => (S::Pruned, &[A::SetPruneLimit]),
        (S::AckPending, E::StateRefreshPruned | E::SeePrune) => (S::AckPending, &[A::SetOverride]),
        (S::Forwarding, E::StateRefreshForwarding | E::ReceiveGraftAck | E::Connected | E::ConnectedOlistNotEmpty) => {
            (S::Forwarding, &[])
        }
        (S::Pruned, E::StateRefreshForwarding) => (S::Pruned, &[A::SendPrune, A::SetPruneLimit]),
        (S::AckPending, E::StateRefreshForwarding | E::ReceiveGraftAck | E::Connected | E::ConnectedOlistNotEmpty) => {
            (S::Forwarding, &[A::CancelGraftRetry])
        }
        (S::Forwarding, E::SeeJoin) => (S::Forwarding, &[A::CancelOverride]),
        (S::AckPending, E::SeeJoin) => (S::AckPending, &[A::CancelOverride]),
        (S::Pruned, E::SeeJoin | E::SeePrune | E::ReceiveGraftAck | E::Connected) => (S::Pruned, &[]),
        (S::Pruned, E::ConnectedOlistNotEmpty) => (S::Forwarding, &[A::CancelPruneLimit]),
        (S::Forwarding, E::OverrideTimerExpires) => (S::Forwarding, &[A::SendJoin]),
        (S::AckPending, E::OverrideTimerExpires) => (S::AckPending, &[A::SendJoin]),
        (S::AckPending, E::OlistEmpty) => (S::Pruned, &[A::SendPrune, A::SetPruneLimit, A::CancelGraftRetry]),
        (S::Pruned, E::OlistNotEmpty | E::RpfChangesWithOlist) => {
            (S::AckPending, &[A::CancelPruneLimit, A::SendGraft, A::SetGraftRetry])
        }
        (S::Forwarding | S::AckPending, E::RpfChangesWithOlist) | (S::AckPending, E::GraftRetryTimerExpires) => {
            (S::AckPending, &[A::SendGraft, A::SetGraftRetry])
        }
        (S::Forwarding, E::RpfChangesWithoutOlist) => (S::Pruned, &[]),
        (S::Pruned, E::RpfChangesWithoutOlist) => (S::Pruned, &[A::CancelPruneLimit]),
        (S::AckPending, E::RpfChangesWithoutOlist) => (S::Pruned, &[A::CancelGraftRetry]),
        (S::Forwarding, E::OlistNotEmpty | E::GraftRetryTimerExpires)
        | (S::Pruned, E::OverrideTimerExpires | E::OlistEmpty | E::GraftRetryTimerExpires)
        | (S::AckPending, E::DataArrives | E::OlistNotEmpty) => return Err(Unexpected),
    })
}

/// States of the Prune(S,G) Downstream machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PruneState {
    /// Packets go out.
    #[default]
    NoInfo,
    /// A Prune came, and may be overridden.
    PrunePending,
    /// Packets do not go out.
    Pruned,
}

impl PruneState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::NoInfo, Self::PrunePending, Self::Pruned];
}

/// Events of the Prune(S,G) Downstream machine. Messages are those to this router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PruneEvent {
    /// A Prune.
    ReceivePrune,
    /// A Join.
    ReceiveJoin,
    /// A Graft.
    ReceiveGraft,
    /// PPT expires.
    PrunePendingTimerExpires,
    /// PT expires.
    PruneTimerExpires,
    /// The interface becomes that towards the source.
    BecomesRpfInterface,
    /// A State Refresh goes out of the interface.
    SendStateRefresh,
}

impl PruneEvent {
    /// All events.
    pub const ALL: [Self; 7] = [
        Self::ReceivePrune,
        Self::ReceiveJoin,
        Self::ReceiveGraft,
        Self::PrunePendingTimerExpires,
        Self::PruneTimerExpires,
        Self::BecomesRpfInterface,
        Self::SendStateRefresh,
    ];
}

/// What a transition of the Prune(S,G) Downstream machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PruneAction {
    /// PPT = J/P_Override_Interval, or zero if there is one neighbour.
    SetPrunePending,
    /// Stop PPT.
    CancelPrunePending,
    /// PT = the holdtime of the Prunes.
    SetPrune,
    /// Stop PT.
    CancelPrune,
    /// Answer with a Graft-Ack.
    SendGraftAck,
}

/// The transition of the Prune(S,G) Downstream machine (RFC 3973 §4.4.2, figure 2).
///
/// # Errors
/// [`Unexpected`]: a cell that says N/A.
pub const fn prune_transition(
    state: PruneState,
    event: PruneEvent,
) -> Result<(PruneState, &'static [PruneAction]), Unexpected> {
    use PruneAction as A;
    use PruneEvent as E;
    use PruneState as S;
    Ok(match (state, event) {
        (S::NoInfo, E::ReceivePrune) => (S::PrunePending, &[A::SetPrunePending]),
        (S::NoInfo, E::ReceiveJoin | E::BecomesRpfInterface | E::SendStateRefresh) => (S::NoInfo, &[]),
        (S::NoInfo, E::ReceiveGraft) => (S::NoInfo, &[A::SendGraftAck]),
        (S::PrunePending, E::ReceivePrune | E::SendStateRefresh) => (S::PrunePending, &[]),
        (S::PrunePending, E::ReceiveJoin | E::BecomesRpfInterface) => (S::NoInfo, &[A::CancelPrunePending]),
        (S::PrunePending, E::ReceiveGraft) => (S::NoInfo, &[A::SendGraftAck, A::CancelPrunePending]),
        (S::PrunePending, E::PrunePendingTimerExpires) => (S::Pruned, &[A::SetPrune]),
        (S::Pruned, E::ReceivePrune | E::SendStateRefresh) => (S::Pruned, &[A::SetPrune]),
        (S::Pruned, E::ReceiveJoin | E::BecomesRpfInterface) => (S::NoInfo, &[A::CancelPrune]),
        (S::Pruned, E::ReceiveGraft) => (S::NoInfo, &[A::SendGraftAck, A::CancelPrune]),
        (S::Pruned, E::PruneTimerExpires) => (S::NoInfo, &[]),
        (S::NoInfo, E::PrunePendingTimerExpires | E::PruneTimerExpires)
        | (S::PrunePending, E::PruneTimerExpires)
        | (S::Pruned, E::PrunePendingTimerExpires) => return Err(Unexpected),
    })
}

/// States of the Origination(S,G) machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginationState {
    /// No State Refresh is originated.
    #[default]
    NotOriginator,
    /// This router is connected to the source and refreshes its state everywhere.
    Originator,
}

impl OriginationState {
    /// Both states.
    pub const ALL: [Self; 2] = [Self::NotOriginator, Self::Originator];
}

/// Events of the Origination(S,G) machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginationEvent {
    /// A packet of a source that is directly connected.
    ReceiveData,
    /// SRT expires.
    RefreshTimerExpires,
    /// SAT expires.
    SourceActiveTimerExpires,
    /// The source is no longer directly connected.
    NotConnected,
}

impl OriginationEvent {
    /// All events.
    pub const ALL: [Self; 4] =
        [Self::ReceiveData, Self::RefreshTimerExpires, Self::SourceActiveTimerExpires, Self::NotConnected];
}

/// What a transition of the Origination(S,G) machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginationAction {
    /// SRT = StateRefreshInterval.
    SetRefresh,
    /// Stop SRT.
    CancelRefresh,
    /// SAT = SourceLifetime.
    SetSourceActive,
    /// Stop SAT.
    CancelSourceActive,
    /// Send State Refreshes.
    SendStateRefresh,
}

/// The transition of the Origination(S,G) machine (RFC 3973 §4.5.2, figure 3).
///
/// # Errors
/// [`Unexpected`]: a cell that says N/A.
pub const fn origination_transition(
    state: OriginationState,
    event: OriginationEvent,
) -> Result<(OriginationState, &'static [OriginationAction]), Unexpected> {
    use OriginationAction as A;
    use OriginationEvent as E;
    use OriginationState as S;
    Ok(match (state, event) {
        (S::NotOriginator, E::ReceiveData) => (S::Originator, &[A::SetRefresh, A::SetSourceActive]),
        (S::NotOriginator, E::NotConnected) => (S::NotOriginator, &[]),
        (S::Originator, E::ReceiveData) => (S::Originator, &[A::SetSourceActive]),
        (S::Originator, E::RefreshTimerExpires) => (S::Originator, &[A::SendStateRefresh, A::SetRefresh]),
        (S::Originator, E::SourceActiveTimerExpires) => (S::NotOriginator, &[A::CancelRefresh]),
        (S::Originator, E::NotConnected) => (S::NotOriginator, &[A::CancelRefresh, A::CancelSourceActive]),
        (S::NotOriginator, E::RefreshTimerExpires | E::SourceActiveTimerExpires) => return Err(Unexpected),
    })
}

/// Events of the Assert machine of an interface. Asserts and State Refreshes are alike here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenseAssertEvent {
    /// A packet on a downstream interface.
    DataArrives,
    /// The winner says a metric that is worse than this router's.
    ReceiveInferiorFromWinner,
    /// Another router does, and CouldAssert.
    ReceiveInferior,
    /// A metric that is better than the winner's; without one, better than this router's.
    ReceivePreferred,
    /// In Loser: a metric of the winner that is still better than this router's.
    ReceiveAcceptableFromWinner,
    /// A State Refresh goes out of the interface.
    SendStateRefresh,
    /// AT expires.
    AssertTimerExpires,
    /// CouldAssert becomes false.
    CouldNotAssert,
    /// CouldAssert becomes true.
    CouldAssert,
    /// The winner is silent.
    WinnerGone,
    /// A Prune, Join or Graft to this router.
    ReceiveJoinPruneGraft,
}

impl DenseAssertEvent {
    /// All events.
    pub const ALL: [Self; 11] = [
        Self::DataArrives,
        Self::ReceiveInferiorFromWinner,
        Self::ReceiveInferior,
        Self::ReceivePreferred,
        Self::ReceiveAcceptableFromWinner,
        Self::SendStateRefresh,
        Self::AssertTimerExpires,
        Self::CouldNotAssert,
        Self::CouldAssert,
        Self::WinnerGone,
        Self::ReceiveJoinPruneGraft,
    ];
}

/// What a transition of the Assert machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenseAssertAction {
    /// Send an Assert with this router's metric.
    SendAssert,
    /// Send an AssertCancel.
    SendCancel,
    /// Send a Prune to the winner, if CouldAssert.
    SendPrune,
    /// AT = Assert_Time, or three intervals of the State Refresh.
    SetTimer,
    /// Stop AT.
    CancelTimer,
    /// The winner is this router.
    StoreMe,
    /// The winner is the sender.
    StoreWinner,
    /// There is no winner.
    ForgetWinner,
}

/// The transition of the Assert machine of an interface (RFC 3973 §4.6.4, figure 4).
///
/// # Errors
/// [`Unexpected`]: a cell that says N/A.
pub const fn dense_assert_transition(
    state: AssertState,
    event: DenseAssertEvent,
) -> Result<(AssertState, &'static [DenseAssertAction]), Unexpected> {
    use AssertState as S;
    use DenseAssertAction as A;
    use DenseAssertEvent as E;
    Ok(match (state, event) {
        (S::NoInfo, E::DataArrives | E::ReceiveInferior) => (S::Winner, &[A::StoreMe, A::SendAssert, A::SetTimer]),
        (S::NoInfo, E::ReceivePreferred) => (S::Loser, &[A::StoreWinner, A::SetTimer, A::SendPrune]),
        (S::NoInfo, E::SendStateRefresh | E::CouldNotAssert | E::CouldAssert | E::ReceiveJoinPruneGraft) => {
            (S::NoInfo, &[])
        }
        (S::Winner, E::DataArrives | E::ReceiveInferior) => (S::Winner, &[A::SendAssert, A::SetTimer]),
        (S::Winner, E::ReceivePreferred) => (S::Loser, &[A::StoreWinner, A::SetTimer, A::SendPrune]),
        (S::Winner, E::SendStateRefresh) => (S::Winner, &[A::SetTimer]),
        (S::Winner, E::ReceiveJoinPruneGraft) => (S::Winner, &[]),
        (S::Winner, E::AssertTimerExpires) => (S::NoInfo, &[A::ForgetWinner]),
        (S::Winner, E::CouldNotAssert) => (S::NoInfo, &[A::SendCancel, A::CancelTimer, A::ForgetWinner]),
        (S::Loser, E::DataArrives | E::ReceiveInferior) => (S::Loser, &[]),
        (S::Loser, E::ReceivePreferred) => (S::Loser, &[A::StoreWinner, A::SetTimer, A::SendPrune]),
        (S::Loser, E::ReceiveAcceptableFromWinner) => (S::Loser, &[A::StoreWinner, A::SetTimer]),
        (S::Loser, E::AssertTimerExpires) => (S::NoInfo, &[A::ForgetWinner]),
        (S::Loser, E::ReceiveInferiorFromWinner | E::CouldNotAssert | E::CouldAssert | E::WinnerGone) => {
            (S::NoInfo, &[A::CancelTimer, A::ForgetWinner])
        }
        (S::Loser, E::ReceiveJoinPruneGraft) => (S::Loser, &[A::SendAssert]),
        (
            S::NoInfo,
            E::ReceiveInferiorFromWinner | E::ReceiveAcceptableFromWinner | E::AssertTimerExpires | E::WinnerGone,
        )
        | (S::Winner, E::ReceiveInferiorFromWinner | E::ReceiveAcceptableFromWinner | E::CouldAssert | E::WinnerGone)
        | (S::Loser, E::SendStateRefresh) => return Err(Unexpected),
    })
}
