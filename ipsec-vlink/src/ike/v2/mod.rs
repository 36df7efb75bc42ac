//! IKEv2 (RFC 7296): the machine [`Ike`], and what goes into it and comes out of it.
//!
//! | File | What | RFC |
//! |---|---|---|
//! | `init.rs` | IKE_SA_INIT, with cookies and other groups | 7296 §1.2, §2.6, §2.7 |
//! | `auth.rs` | IKE_AUTH, shared keys and raw public keys | 7296 §1.2, §2.15; 7427; 7670 |
//! | `child.rs` | Child SAs: new ones, in either exchange, and replaced ones | 7296 §1.3.1, §1.3.3, §2.8, §2.9; 9478 |
//! | `resume.rs` | SAs that were lost, resumed by tickets | 5723 §4, §5 |
//! | `ticket.rs` | tickets, by value and by reference | 5723 §6, A |
//! | `mobility.rs` | clones for other addresses of the same systems | 7791; 4555 §3.5 |
//! | `rekey.rs` | IKE SAs replaced or cloned | 7296 §1.3.2, §2.18; 7791 |
//! | `informational.rs` | deletion, liveness | 7296 §1.4, §2.4 |
//! | `exchange.rs` | requests, responses, repetition, what is taken and what not | 7296 §2.1–§2.3; 7383 |
//! | `fsm.rs` | states | |
// Times and small counters; lengths that a peer says go through `checked` and `saturating` operations and `get`.
#![allow(clippy::arithmetic_side_effects)]

mod auth;
mod channel;
mod child;
mod config;
mod cookie;
mod exchange;
mod fsm;
mod informational;
mod init;
mod keys;
mod machine;
mod message;
mod mobility;
mod nat;
mod proposal;
mod rekey;
mod resume;
mod sa;
mod ticket;

pub use super::counters::{Counters, Reject};
pub use super::event::{Ended, Event, Input, Output};
pub use config::Config;
pub use fsm::{ChildEvent, ChildState, SaEvent, State, Unexpected, child_transition, transition};
pub use keys::IkeKeys;
pub use machine::Ike;
pub use ticket::{Ticket, TicketConfig, TicketKind};

/// The Vendor ID of ours: to a peer that sends it, VPN contexts are said. The first 16 octets of the SHA-256 hash of
/// `ipsec-vlink VPN context 1`.
pub const VENDOR_ID: [u8; 16] =
    [0x6e, 0x9b, 0xb8, 0xd7, 0xa0, 0xb5, 0xc6, 0x62, 0x29, 0x03, 0xdb, 0xc7, 0x03, 0x33, 0x8f, 0x10];
