//! Control connections and sessions: the machine of one L2TP endpoint.
//!
//! | File | What |
//! |---|---|
//! | `fsm.rs` | the state machines, as pure functions |
//! | `channel.rs` | reliable delivery (RFC 3931 §4.2, appendix A) |
//! | `config.rs` | configuration, inputs, outputs, events |
//! | `fields.rs` | what a received message says |
//! | `write.rs` | messages to be sent |
//! | `endpoint.rs` | the machine: peers, who is asked and who asks |
//! | `connection.rs`, `session.rs` | messages of a control connection, of a session |
//! | `failover.rs` | sessions compared after a failure (RFC 4951 §3.3) |
//! | `multicast.rs` | multicast sessions (RFC 4045) |
// Instants and durations are added, which saturates.
#![allow(clippy::arithmetic_side_effects)]

mod channel;
mod config;
mod connection;
mod endpoint;
mod failover;
mod fields;
pub mod fsm;
mod multicast;
pub(crate) mod random;
mod session;
mod write;

pub use channel::Delivery;
pub use config::{
    Address, Cause, Config, ConfigError, Counters, Event, Input, Limits, Output, PeerConfig, PeerId, SessionConfig,
    SessionId, SessionStart, SessionUp, Version,
};
pub use endpoint::Endpoint;
pub use multicast::MulticastId;
