//! The Label Distribution Protocol (RFC 5036): PDUs, messages, TLVs, FEC elements.
//!
//! | What | File |
//! |---|---|
//! | PDU header, framing | `pdu.rs` |
//! | LDP identifiers, address families | `id.rs`, `address_family.rs` |
//! | status codes, what a fault costs | `status.rs` |
//! | TLVs | `tlv.rs`, `capability.rs`, `mac_withdraw.rs`, `interface_id.rs`, `mp_status.rs`, `pw_status.rs`, `hello_auth.rs` |
//! | messages | `message/` |
//! | discovery, sessions | `discovery/`, `session/` |
//! | label distribution for prefixes | `lde/` |
//! | all of that for a router | `speaker/` |
//! | what applications share | `neighbour.rs` |
//! | FEC elements, with those of mLDP and of pseudowires | `fec/` |
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

mod address_family;
mod capability;
pub mod discovery;
pub mod fec;
mod hello_auth;
mod id;
mod interface_id;
pub mod lde;
mod mac_withdraw;
pub mod message;
mod mp_status;
pub mod neighbour;
pub(crate) mod octets;
mod pdu;
mod pw_status;
pub mod session;
pub mod speaker;
mod status;
mod tlv;

pub use address_family::AddressFamily;
pub use capability::{Capability, DualStack, FaultTolerance, FtFlags, TransportPreference};
pub use hello_auth::HelloAuth;
pub use id::LdpId;
pub use interface_id::{InterfaceId, InterfaceIdTlv, TunnelTlvType};
pub use mac_withdraw::{MacFlags, MacFlush, MacSubTlv, MacSubTlvType};
pub use mp_status::{MbbStatus, MpStatus, MpStatusType};
pub use octets::Octets;
pub use pdu::{Messages, Pdu, frame_len};
pub use pw_status::PwStatus;
pub use status::{Status, StatusCode};
pub use tlv::{Tlv, TlvFlags, TlvType, TlvValue};
