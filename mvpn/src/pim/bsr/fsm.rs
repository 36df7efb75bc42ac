//! The state machines of a scope zone (RFC 5059 §3.1.1, §3.1.2), as a pure function.

/// The state of a scope zone at a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BsrState {
    /// C-BSR: a candidate; another router is preferred.
    Candidate,
    /// P-BSR: a candidate; no other router is preferred, and this one is not elected yet.
    Pending,
    /// E-BSR: elected.
    Elected,
    /// No candidate, and nothing is known of the zone.
    NoInfo,
    /// AA: no candidate, and no BSR is known.
    AcceptAny,
    /// AP: no candidate, and a BSR is known.
    AcceptPreferred,
}

/// What happens to a scope zone (RFC 5059 §3.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BsrEvent {
    /// Receive Preferred BSM. Where no BSR is known every BSM is preferred.
    Preferred,
    /// Receive Non-preferred BSM, not from the elected BSR.
    NonPreferred,
    /// Receive Non-preferred BSM from Elected BSR: its weight fell below that of this candidate.
    NonPreferredFromElected,
    /// Bootstrap Timer Expires.
    BootstrapTimer,
    /// Scope-Zone Expiry Timer Expires.
    ScopeZoneTimer,
}

/// What is to be done (RFC 5059 §3.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BsrAction {
    /// Forward BSM.
    ForwardBsm,
    /// Store RP-Set.
    StoreRpSet,
    /// Originate BSM.
    OriginateBsm,
    /// Refresh RP-Set.
    RefreshRpSet,
    /// Remove BSR state.
    RemoveBsrState,
    /// Remove scope zone state.
    RemoveScopeZone,
    /// Set Bootstrap Timer to BS_Timeout.
    SetTimeout,
    /// Set Bootstrap Timer to BS_Rand_Override.
    SetRandOverride,
    /// Set Bootstrap Timer to BS_Period.
    SetPeriod,
    /// Set SZT to SZ_Timeout; nothing in a zone that is configured, and in the global zone.
    SetScopeZoneTimer,
}

use BsrAction::{
    ForwardBsm, OriginateBsm, RefreshRpSet, RemoveBsrState, RemoveScopeZone, SetPeriod, SetRandOverride,
    SetScopeZoneTimer, SetTimeout, StoreRpSet,
};

/// The event cannot occur in this state: its timer does not run, or there is no elected BSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected;

/// The transition of a scope zone at an event.
///
/// # Errors
/// [`Unexpected`]: a pair that the tables do not have because it cannot occur.
pub fn transition(state: BsrState, event: BsrEvent) -> Result<(BsrState, &'static [BsrAction]), Unexpected> {
    use BsrEvent as E;
    use BsrState as S;
    const ACCEPT: &[BsrAction] = &[ForwardBsm, StoreRpSet, SetTimeout];
    const ORIGINATE: &[BsrAction] = &[OriginateBsm, SetPeriod];
    Ok(match (state, event) {
        (S::Candidate | S::Pending | S::Elected, E::Preferred) => (S::Candidate, ACCEPT),
        (S::Candidate, E::BootstrapTimer) => (S::Pending, &[SetRandOverride]),
        (S::Candidate, E::NonPreferredFromElected) => (S::Pending, &[ForwardBsm, SetRandOverride]),
        (S::Candidate, E::NonPreferred) => (S::Candidate, &[]),
        (S::Pending, E::BootstrapTimer) => (S::Elected, ORIGINATE),
        (S::Pending, E::NonPreferred) => (S::Pending, &[ForwardBsm]),
        (S::Elected, E::BootstrapTimer | E::NonPreferred) => (S::Elected, ORIGINATE),
        (S::NoInfo | S::AcceptAny | S::AcceptPreferred, E::Preferred) => (S::AcceptPreferred, ACCEPT),
        (S::AcceptAny, E::ScopeZoneTimer) => (S::NoInfo, &[RemoveScopeZone]),
        (S::AcceptPreferred, E::BootstrapTimer) => (S::AcceptAny, &[RefreshRpSet, RemoveBsrState, SetScopeZoneTimer]),
        (S::AcceptPreferred, E::NonPreferred) => (S::AcceptPreferred, &[]),
        (S::Pending | S::Elected, E::NonPreferredFromElected)
        | (S::Candidate | S::Pending | S::Elected, E::ScopeZoneTimer)
        | (S::NoInfo, _)
        | (S::AcceptAny, _)
        | (S::AcceptPreferred, E::NonPreferredFromElected | E::ScopeZoneTimer) => return Err(Unexpected),
    })
}
