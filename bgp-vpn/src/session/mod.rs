//! The BGP session: configuration, what was negotiated, FSM, machine.

mod config;
mod negotiated;

pub use config::{ConfigError, FamilyConfig, LocalIdentity, PeerConfig, PeerRole, SessionTimers};
pub use negotiated::{Negotiated, PeerKind};
