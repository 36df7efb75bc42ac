//! RSVP-TE P2MP LSPs (RFC 4875, on RFC 2205 and RFC 3209).
//!
//! | What | File |
//! |---|---|
//! | messages | `message.rs` |
//! | objects | `object.rs` |
//! | routes, token buckets | `route.rs`, `tspec.rs` |
//! | configuration, inputs and outputs | `config.rs`, `io.rs` |
//! | soft state of an LSP | `lsp.rs` |
//! | the machine: ways, refreshes | `machine.rs` |
//! | Path, Resv, tears and errors of neighbours | `receive.rs` |
//! | state as messages and forwarding entries | `program.rs` |
//! | managed objects | `mib.rs` |
//!
//! Left out: LSP integrity (RFC 4875 §5.2.4; branches share no fate), recorded routes, refresh reduction (RFC 2961), fast reroute
//! (§15), stitching over nodes without P2MP (§16).
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

mod config;
mod io;
#[allow(clippy::arithmetic_side_effects)] // an instant less another is no less than zero
mod lsp;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod machine;
mod message;
#[allow(clippy::arithmetic_side_effects)] // an instant less another is no less than zero
mod mib;
mod object;
mod program;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod receive;
mod route;
mod tspec;

pub use config::{LspConfig, LspKey, Neighbour, RsvpConfig, RsvpError, SubGroup};
pub use io::{Event, Input, Output, RsvpCounters};
pub use machine::Rsvp;
pub use message::{Message, MessageType};
pub use mib::{TeMib, TeScalars, Tunnel, TunnelHop, TunnelResource};
pub use object::{Class, ErrorCode, Object, P2mpSender, P2mpSession, UnknownAction};
pub use route::{Route, Subobject};
pub use tspec::TokenBucket;
