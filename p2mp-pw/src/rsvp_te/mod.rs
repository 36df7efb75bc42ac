//! RSVP-TE P2MP LSPs (RFC 4875, on RFC 2205 and RFC 3209).
//!
//! | What | File |
//! |---|---|
//! | messages | `message.rs` |
//! | objects | `object.rs` |
//! | routes | `route.rs` |
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

mod message;
mod object;
mod route;

pub use message::{Message, MessageType};
pub use object::{Class, ErrorCode, Object, P2mpSender, P2mpSession, TokenBucket, UnknownAction};
pub use route::{Route, Subobject};
