//! The Register state machine of the DR (RFC 7761 §4.4.1, figure 1).

use super::downstream::Unexpected;

/// Its states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegisterState {
    /// Not the DR of a source that sends.
    #[default]
    NoInfo,
    /// Data goes to the RP in Registers.
    Join,
    /// A Register-Stop was received, a Null-Register asks whether it still holds.
    JoinPending,
    /// A Register-Stop was received.
    Prune,
}

impl RegisterState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::NoInfo, Self::Join, Self::JoinPending, Self::Prune];
}

/// Its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegisterEvent {
    /// The Register-Stop Timer expires.
    RegisterStopTimerExpires,
    /// CouldRegister(S,G) becomes true.
    CouldRegister,
    /// CouldRegister(S,G) becomes false.
    CouldNotRegister,
    /// A Register-Stop is received.
    RegisterStop,
    /// RP(G) changes.
    RpChanged,
}

impl RegisterEvent {
    /// All events.
    pub const ALL: [Self; 5] = [
        Self::RegisterStopTimerExpires,
        Self::CouldRegister,
        Self::CouldNotRegister,
        Self::RegisterStop,
        Self::RpChanged,
    ];
}

/// What a transition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterAction {
    /// The register tunnel joins the (S,G) olist.
    AddRegisterTunnel,
    /// The register tunnel leaves the (S,G) olist.
    RemoveRegisterTunnel,
    /// The register tunnel leads to the new RP.
    UpdateRegisterTunnel,
    /// Set the Register-Stop Timer: Register_Suppression_Time × 0.5 to 1.5, less Register_Probe_Time.
    SetSuppressionTimer,
    /// Set the Register-Stop Timer to Register_Probe_Time.
    SetProbeTimer,
    /// Stop the Register-Stop Timer.
    CancelTimer,
    /// Send a Null-Register to the RP.
    SendNullRegister,
}

/// The transition.
///
/// # Errors
/// [`Unexpected`]: an event that means nothing in this state.
pub const fn register_transition(
    state: RegisterState,
    event: RegisterEvent,
) -> Result<(RegisterState, &'static [RegisterAction]), Unexpected> {
    use RegisterAction::{
        AddRegisterTunnel, CancelTimer, RemoveRegisterTunnel, SendNullRegister, SetProbeTimer, SetSuppressionTimer,
        UpdateRegisterTunnel,
    };
    use RegisterEvent as E;
    use RegisterState as S;
    Ok(match (state, event) {
        (S::NoInfo, E::CouldRegister) => (S::Join, &[AddRegisterTunnel]),
        (S::Join, E::CouldNotRegister) => (S::NoInfo, &[RemoveRegisterTunnel]),
        (S::Join, E::RegisterStop) => (S::Prune, &[RemoveRegisterTunnel, SetSuppressionTimer]),
        (S::Join, E::RpChanged) => (S::Join, &[UpdateRegisterTunnel]),
        (S::JoinPending, E::RegisterStopTimerExpires) => (S::Join, &[AddRegisterTunnel]),
        (S::JoinPending | S::Prune, E::CouldNotRegister) => (S::NoInfo, &[CancelTimer]),
        (S::JoinPending, E::RegisterStop) => (S::Prune, &[SetSuppressionTimer]),
        (S::JoinPending | S::Prune, E::RpChanged) => (S::Join, &[AddRegisterTunnel, CancelTimer]),
        (S::Prune, E::RegisterStopTimerExpires) => (S::JoinPending, &[SetProbeTimer, SendNullRegister]),
        (S::Prune, E::RegisterStop) => (S::Prune, &[]),
        _ => return Err(Unexpected),
    })
}
