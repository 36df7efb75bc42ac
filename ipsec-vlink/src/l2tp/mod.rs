//! L2TP, versions 2 (RFC 2661) and 3 (RFC 3931): messages, and the machine that keeps control connections and sessions.
//!
//! | File | What |
//! |---|---|
//! | `v2.rs`, `v3.rs` | headers |
//! | `message_type.rs` | kinds of control messages |
//! | `avp.rs`, `field.rs`, `value.rs`, `result_code.rs` | attribute value pairs |
//! | `hidden.rs`, `digest.rs` | hidden values, challenge and response, message digests |
//! | `control/` | reliable delivery, state machines, the endpoint |
//!
//! A received message stays octets: [`Avps`] reads one AVP after the other, [`Value::of`] says what it means.
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

mod avp;
pub mod control;
pub mod digest;
mod field;
pub mod hidden;
mod message_type;
pub mod result_code;
pub mod v2;
pub mod v3;
mod value;

pub use avp::{Attribute, AvpFlags, Avps, RawAvp};
pub use field::{CircuitStatus, FailoverCapability, MessageDigest, Numbers, Octets, PseudowireType};
pub use message_type::MessageType;
pub use result_code::{ErrorCode, ResultCode};
pub use value::Value;
