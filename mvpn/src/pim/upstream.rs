//! Upstream state machines: (*,G) and (S,G) (RFC 7761 §4.5.4, §4.5.5), (S,G,rpt) triggered messages (§4.5.7).

use super::downstream::Unexpected;

/// States of the (*,G) and (S,G) machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamState {
    /// No Join is sent.
    #[default]
    NotJoined,
    /// Joins are sent to RPF'.
    Joined,
}

impl UpstreamState {
    /// Both states.
    pub const ALL: [Self; 2] = [Self::NotJoined, Self::Joined];
}

/// Events of the (*,G) and (S,G) machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamEvent {
    /// JoinDesired becomes true.
    JoinDesired,
    /// JoinDesired becomes false.
    NoJoinDesired,
    /// The Join Timer expires.
    JoinTimerExpires,
    /// Another router sends a Join to RPF'.
    SeeJoin,
    /// Another router sends a Prune to RPF'; of (S,G) also a Prune(S,G,rpt) or a Prune(*,G).
    SeePrune,
    /// RPF' changes due to an Assert.
    RpfChangesByAssert,
    /// RPF' changes otherwise.
    RpfChanges,
    /// The generation ID of RPF' changes.
    RpfGenIdChanges,
}

impl UpstreamEvent {
    /// All events.
    pub const ALL: [Self; 8] = [
        Self::JoinDesired,
        Self::NoJoinDesired,
        Self::JoinTimerExpires,
        Self::SeeJoin,
        Self::SeePrune,
        Self::RpfChangesByAssert,
        Self::RpfChanges,
        Self::RpfGenIdChanges,
    ];
}

/// What a transition of an upstream machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAction {
    /// Send a Join to RPF'.
    SendJoin,
    /// Send a Prune to RPF'.
    SendPrune,
    /// Send a Prune to what RPF' was.
    SendPruneToOld,
    /// Set the Join Timer to t_periodic.
    SetJoinTimer,
    /// Stop the Join Timer.
    CancelJoinTimer,
    /// Raise the Join Timer to t_joinsuppress.
    IncreaseJoinTimer,
    /// Lower the Join Timer to t_override.
    DecreaseJoinTimer,
    /// Set SPTbit(S,G) to FALSE; nothing for (*,G).
    ClearSptBit,
}

use UpstreamAction::{
    CancelJoinTimer, ClearSptBit, DecreaseJoinTimer, IncreaseJoinTimer, SendJoin, SendPrune, SendPruneToOld,
    SetJoinTimer,
};

/// The transition of a (*,G) or (S,G) machine (RFC 7761 figures 5 and 6).
///
/// # Errors
/// [`Unexpected`]: an event that means nothing in this state.
pub const fn upstream_transition(
    state: UpstreamState,
    event: UpstreamEvent,
) -> Result<(UpstreamState, &'static [UpstreamAction]), Unexpected> {
    use UpstreamEvent as E;
    use UpstreamState as S;
    Ok(match (state, event) {
        (S::NotJoined, E::JoinDesired) => (S::Joined, &[SendJoin, SetJoinTimer]),
        (S::NotJoined, _) | (S::Joined, E::JoinDesired) => return Err(Unexpected),
        (S::Joined, E::NoJoinDesired) => (S::NotJoined, &[SendPrune, CancelJoinTimer, ClearSptBit]),
        (S::Joined, E::JoinTimerExpires) => (S::Joined, &[SendJoin, SetJoinTimer]),
        (S::Joined, E::SeeJoin) => (S::Joined, &[IncreaseJoinTimer]),
        (S::Joined, E::SeePrune | E::RpfChangesByAssert | E::RpfGenIdChanges) => (S::Joined, &[DecreaseJoinTimer]),
        (S::Joined, E::RpfChanges) => (S::Joined, &[SendJoin, SendPruneToOld, SetJoinTimer]),
    })
}

/// States of the (S,G,rpt) machine for triggered messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RptUpstreamState {
    /// RPTNotJoined(G).
    #[default]
    RptNotJoined,
    /// Pruned(S,G,rpt).
    Pruned,
    /// NotPruned(S,G,rpt).
    NotPruned,
}

impl RptUpstreamState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::RptNotJoined, Self::Pruned, Self::NotPruned];
}

/// Events of the (S,G,rpt) machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RptUpstreamEvent {
    /// PruneDesired(S,G,rpt) becomes true.
    PruneDesired,
    /// PruneDesired(S,G,rpt) becomes false while RPTJoinDesired(G) is true.
    NoPruneDesired,
    /// RPTJoinDesired(G) becomes false.
    NoRptJoinDesired,
    /// inherited_olist(S,G,rpt) becomes non-NULL while RPTJoinDesired(G) is true.
    InheritedOlist,
    /// The Override Timer expires.
    OverrideTimerExpires,
    /// Another router sends a Prune(S,G,rpt) or a Prune(S,G) to RPF'(S,G,rpt).
    SeePrune,
    /// Another router sends a Join(S,G,rpt) to RPF'(S,G,rpt).
    SeeJoin,
    /// RPF'(S,G,rpt) becomes equal to RPF'(*,G).
    RpfBecomesEqual,
}

impl RptUpstreamEvent {
    /// All events.
    pub const ALL: [Self; 8] = [
        Self::PruneDesired,
        Self::NoPruneDesired,
        Self::NoRptJoinDesired,
        Self::InheritedOlist,
        Self::OverrideTimerExpires,
        Self::SeePrune,
        Self::SeeJoin,
        Self::RpfBecomesEqual,
    ];
}

/// What a transition of the (S,G,rpt) machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RptUpstreamAction {
    /// Send a Join(S,G,rpt) to RPF'(S,G,rpt), if that is RPF'(*,G).
    SendJoin,
    /// Send a Prune(S,G,rpt) to RPF'(S,G,rpt).
    SendPrune,
    /// Lower the Override Timer to t_override.
    DecreaseOverrideTimer,
    /// Stop the Override Timer.
    CancelOverrideTimer,
}

/// The transition of an (S,G,rpt) machine (RFC 7761 figure 7).
///
/// # Errors
/// [`Unexpected`]: an event that means nothing in this state.
pub const fn rpt_upstream_transition(
    state: RptUpstreamState,
    event: RptUpstreamEvent,
) -> Result<(RptUpstreamState, &'static [RptUpstreamAction]), Unexpected> {
    use RptUpstreamAction::{CancelOverrideTimer, DecreaseOverrideTimer, SendJoin, SendPrune};
    use RptUpstreamEvent as E;
    use RptUpstreamState as S;
    Ok(match (state, event) {
        (S::RptNotJoined, E::PruneDesired) => (S::Pruned, &[]),
        (S::RptNotJoined, E::InheritedOlist) => (S::NotPruned, &[]),
        (S::Pruned, E::NoPruneDesired) => (S::NotPruned, &[SendJoin]),
        (S::Pruned, E::NoRptJoinDesired) => (S::RptNotJoined, &[]),
        (S::NotPruned, E::PruneDesired) => (S::Pruned, &[SendPrune, CancelOverrideTimer]),
        (S::NotPruned, E::NoRptJoinDesired) => (S::RptNotJoined, &[CancelOverrideTimer]),
        (S::NotPruned, E::OverrideTimerExpires) => (S::NotPruned, &[SendJoin]),
        (S::NotPruned, E::SeePrune | E::RpfBecomesEqual) => (S::NotPruned, &[DecreaseOverrideTimer]),
        (S::NotPruned, E::SeeJoin) => (S::NotPruned, &[CancelOverrideTimer]),
        _ => return Err(Unexpected),
    })
}
