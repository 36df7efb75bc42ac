//! Multicast Source Discovery Protocol (RFC 3618): RPs tell each other of active sources; also between Anycast-RPs (RFC 3446), and
//! beyond the PEs of a multicast VPN (RFC 9081).
//!
//! | File | What |
//! |---|---|
//! | `tlv.rs` | messages and their framing |
//! | `fsm.rs` | the connection state machine |
//! | `config.rs` | what an operator says |
//! | `speaker.rs` | the machine: peers, timers, outputs |
//! | `cache.rs` | the SA cache, Peer-RPF, mesh groups |
//! | `yang.rs` | `ietf-msdp` |
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cache;
mod config;
pub mod fsm;
mod speaker;
pub mod tlv;
mod yang;

pub use config::{MsdpConfig, MsdpConfigError, MsdpLimits, MsdpPeerConfig, MsdpTimers};
pub use speaker::{Input, MsdpEvent, MsdpSpeaker, Output};
