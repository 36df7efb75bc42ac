//! IKEv1 (RFC 2407, 2408, 2409), for peers that have no IKEv2: the machine [`Ike`], and what goes into it and comes out of it.
//!
//! | File | What | RFC |
//! |---|---|---|
//! | `phase1.rs` | what Main Mode and Aggressive Mode share: proposals, vendor IDs, NATs, proofs | 2408 §4; 2409 §5; 3947 §3 |
//! | `main_mode.rs` | Main Mode with a shared key | 2409 §5.4 |
//! | `aggressive.rs` | Aggressive Mode with a shared key | 2409 §5.4 |
//! | `quick.rs` | Quick Mode: IPsec SAs, with and without a new exchange | 2409 §5.5; 2407 §4.5; 3947 §5 |
//! | `install.rs` | IPsec SAs handed out, replaced, taken back | 2409 §5.5 |
//! | `informational.rs` | notifications, deletion, dead peers | 2408 §4.8; 2409 §5.7; 3706 |
//! | `exchange.rs` | what is taken and what not, repetition | 2408 §3.1, §5.1 |
//! | `packet.rs` | encryption and its initialization vectors | 2409 Appendix B |
//! | `fsm.rs` | states | |
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 2408 §3.1 | the commit bit makes the peer wait for CONNECTED | a message with it, or with a bit that nobody knows, is refused and counted: it is not authenticated, so that anybody could hold a tunnel up |
//! | 2409 §5 | signatures and public key encryption | shared keys: other proofs are IKEv2's |
//! | 2409 §5.6, Appendix A | New Group Mode, DES, MD5, 768-bit groups | refused: too weak, or unused |
//! | 2408 §5.2 | PAYLOAD-MALFORMED and others go to the sender in the clear | a message that proves nothing is counted and not answered; only NO-PROPOSAL-CHOSEN goes in the clear |
//! | 2407 §4.6.3.3 | INITIAL-CONTACT may come by itself | it counts in phase 1 alone: elsewhere it could be repeated by anybody |
//! | 2408 §3.15 | a deletion is not answered, and says nothing of IPsec SAs when it is of an ISAKMP SA | when the last ISAKMP SA with a peer ends, its IPsec SAs end: nobody would watch over them |
// Times and small counters; lengths that a peer says go through `checked` and `saturating` operations and `get`.
#![allow(clippy::arithmetic_side_effects)]

mod aggressive;
mod config;
mod exchange;
mod fsm;
mod informational;
mod install;
mod keys;
mod machine;
mod main_mode;
mod message;
mod nat;
mod packet;
mod phase1;
mod proposal;
mod quick;
mod sa;
mod selector;

pub use super::counters::{Counters, Reject};
pub use super::event::{Ended, Event, Input, Output};
pub use config::{Config, Phase1};
pub use fsm::{QuickEvent, QuickState, SaEvent, State, Unexpected, quick_transition, transition};
pub use keys::IkeKeys;
pub use machine::Ike;

/// The Vendor ID of NAT traversal, the MD5 hash of `RFC 3947` (RFC 3947 §3.1).
pub const VENDOR_ID_NAT_T: [u8; 16] =
    [0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f];

/// The Vendor ID of dead peer detection, with version 1.0 at its end (RFC 3706 §5.1).
pub const VENDOR_ID_DPD: [u8; 16] =
    [0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00];
