//! One LDP session (RFC 5036 §2.5): initialization, KeepAlives, what faults cost.
//!
//! | What | File |
//! |---|---|
//! | the state machine | `fsm.rs` |
//! | the machine around it, timers | `machine.rs` |
//! | what the peer sends | `receive.rs` |
//! | configuration | `config.rs` |
//! | inputs and outputs | `io.rs` |
// An instant plus a time saturates.
#![allow(clippy::arithmetic_side_effects)]

mod config;
mod fsm;
mod io;
mod machine;
mod receive;

pub use config::{AdvertisementDiscipline, ConfigError, GracefulRestart, SessionConfig};
pub use fsm::{Action, SessionEvent, State, Unexpected, transition};
pub use io::{Down, Event, Input, Negotiated, Output, SessionCounters};
pub use machine::Session;
