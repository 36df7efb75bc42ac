//! The BGP session: configuration, what was negotiated, FSM, machine.
//!
//! [`transition`] is RFC 4271 §8.2.2 as a function; [`Session`] runs it for both connections that may exist with a peer.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod act;
mod config;
mod connection;
mod fsm;
mod io;
mod jitter;
mod machine;
mod negotiated;
mod protection;
mod receive;

pub use config::{
    ConfigError, FamilyConfig, LocalIdentity, NextHopRule, PeerConfig, PeerRole, SessionTimers, UpdateRate,
};
pub use fsm::{Action, Conditions, SessionEvent, State, Unexpected, transition};
pub use io::{Down, Input, MessageCounts, Output, SessionConfig, SessionCounters};
pub use machine::Session;
pub use negotiated::{Negotiated, PeerKind, PeerLongLived, PeerRestart};
pub use protection::{Authentication, Protection};
