//! Multicast traceroute, version 2 (RFC 8487): the messages, and a router's part in a trace.
//!
//! | Section | File | What |
//! |---|---|---|
//! | 3.2.1–3.2.3 | `message.rs` | Query, Request and Reply |
//! | 3.2.4–3.2.7 | `block.rs` | what routers append, and what clients ask for besides |
//! | 4.1–4.4 | `responder.rs` | Queries and Requests at a router |
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

mod block;
mod message;
mod responder;

pub use block::{AugmentedType, Block, ForwardingCode, Hop, Packets, StandardBlock};
pub use message::{MessageKind, TraceMessage};
pub use responder::{Arrival, Known, Responder, ResponderConfig, ResponderError, TraceOutput};

/// The UDP port of Queries and Requests (RFC 8487 §8.3).
pub const PORT: u16 = 33_435;
