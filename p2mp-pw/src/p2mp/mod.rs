//! P2MP pseudowires (RFC 8338): frames from the attachment circuit of one root to those of many leaves, and back to the root.
//!
//! | What | File |
//! |---|---|
//! | names and settings of both ends | `config.rs` |
//! | whether a leaf can take what its root offers (§3.1, §3.2.1) | `accept.rs` |
//! | states of a leaf at the root, and of a pseudowire at a leaf | `fsm.rs` |
//! | the root | `root/` |
//! | the leaf | `leaf/` |
//!
//! Which tunnel a pseudowire takes is the business of [`congruency`](crate::congruency), which of several carries traffic that of
//! [`redundancy`](crate::redundancy), and the tunnel itself that of [`mldp`](crate::mldp) or of RSVP-TE.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod accept;
mod config;
mod fsm;
pub mod leaf;
pub mod root;

pub use accept::{Accepted, Mismatch, accept};
pub use config::{Circuit, Monitor, PortRange, PwId, Sai, Service, SpaceRange, VsiRange};
pub use fsm::{LeafEvent, LeafState, PwEvent, PwState, Unexpected, leaf_transition, pw_transition};
