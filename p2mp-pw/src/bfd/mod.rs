//! Bidirectional Forwarding Detection (RFC 5880): over links and routed paths (5881, 5883), LSPs (5884), pseudowires (5885), from
//! reflectors (S-BFD, 7880), and on multipoint paths with silent or active tails (8562, 8563).
//!
//! | What | File |
//! |---|---|
//! | Control packet | `packet.rs` |
//! | states, as a pure function | `fsm.rs` |
//! | authentication | `auth.rs` |
//! | variables of a session, intervals, Detection Time | `session.rs` |
//! | all sessions of a node: operator, timers, output | `machine.rs` |
//! | when packets go out, and what a change of state sets going | `schedule.rs` |
//! | packets that come in, reflectors | `receive.rs` |
//! | tails that a head knows | `client.rs` |
//! | configuration, inputs and outputs | `config.rs`, `io.rs` |
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod auth;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod client;
mod config;
mod fsm;
mod io;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod machine;
mod packet;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod receive;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod schedule;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod session;

pub use config::{
    AuthConfig, BfdConfig, ConfigError, Digest, LspId, Path, PwRef, Reflector, SessionConfig, SessionId, TreeId,
};
pub use fsm::{SessionEvent, SessionType, Unexpected, transition};
pub use io::{Arrival, BfdCounters, CHANNEL_TYPE, Discard, Event, Input, MULTIHOP_PORT, Output, PORT, SBFD_PORT, Via};
pub use machine::Bfd;
pub use packet::{AuthSection, AuthType, ControlFlags, ControlPacket, Diag, State};
