//! Pseudowires between two ends (RFC 8077), signalled by LDP with the PWid FEC (128) and the Generalized PWid FEC (129).
//!
//! | What | File |
//! |---|---|
//! | the machine, what an operator does | `machine.rs` |
//! | configuration, inputs and outputs | `config.rs`, `io.rs` |
//! | labels, releases and withdrawals of peers (RFC 8077 §6) | `receive.rs` |
//! | labels and status that are sent; the control word (RFC 8077 §7) | `send.rs`, `c_bit.rs` |
//! | status, faults, MAC withdrawal (RFC 8077 §6.3, RFC 4762 §6.2) | `status.rs` |
//! | sets of which one is active (RFC 6718, RFC 6870) | `redundancy.rs` |
//! | segments that are joined: S-PE (RFC 6073) | `switching.rs`, `switching_point.rs` |
//! | entries, incoming labels, cross connects | `forwarding.rs` |
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
// An instant plus a time saturates.
#![allow(clippy::arithmetic_side_effects)]

mod c_bit;
mod config;
mod forwarding;
mod io;
mod machine;
mod receive;
mod redundancy;
mod send;
mod status;
mod switching;
mod switching_point;

pub use c_bit::{CBit, CBitAction, CBitEvent, transition};
pub use config::{
    CrossConnect, PwAttachment, PwConfig, PwConfigError, PwName, PwsConfig, RedundancyMember, RedundancyMode,
};
pub use io::{Event, Input, Mismatch, Output, PwCounters, PwForwarding, PwIndex};
pub use machine::Pws;
pub use switching_point::{SwitchingPoint, SwitchingPointType};
