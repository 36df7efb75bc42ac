//! PIM version 2 messages, one file per message (RFC 7761 §4.9 and the RFCs named in each file).
//!
//! | Type | Message | File |
//! |---|---|---|
//! | 0 | Hello | `hello.rs`, `hello_option.rs` |
//! | 1 | Register | `register.rs` |
//! | 2 | Register-Stop | `register_stop.rs` |
//! | 3, 6, 7 | Join/Prune, Graft, Graft-Ack | `join_prune.rs`, `join_attribute.rs` |
//! | 4 | Bootstrap | `bootstrap.rs` |
//! | 5 | Assert | `assert.rs` |
//! | 8 | Candidate-RP-Advertisement | `candidate_rp.rs` |
//! | 9 | State Refresh | `state_refresh.rs` |
//! | 10 | DF Election | `df_election.rs` |
//! | 11 | ECMP Redirect | `ecmp_redirect.rs` |
//! | 12 | PIM Flooding Mechanism | `flooding.rs` |
//! | 13.0, 13.1 | Packed Null-Register, Packed Register-Stop | `packed_register.rs` |
//! | | PIM over TCP or SCTP | `port.rs` |
//! | | S-PMSI Join over UDP | `s_pmsi_join.rs` |
//!
//! [`Message::parse`] checks version and checksum and reads a whole message; a Join/Prune stays octets behind lazy iterators.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod assert;
mod bootstrap;
mod candidate_rp;
pub mod checksum;
mod df_election;
mod ecmp_redirect;
mod encoded;
mod flooding;
mod header;
mod hello;
mod hello_option;
mod join_attribute;
mod join_prune;
mod message;
mod packed_register;
pub mod port;
mod register;
mod register_stop;
pub mod s_pmsi_join;
mod state_refresh;

pub use assert::Assert;
pub use bootstrap::{Bootstrap, BootstrapGroup, BootstrapRp};
pub use candidate_rp::CandidateRpAdvertisement;
pub use df_election::{DfElection, DfMetric, DfSubtype};
pub use ecmp_redirect::EcmpRedirect;
pub use encoded::{
    AddressFamily, EncodedGroup, EncodedSource, GroupFlags, SourceFlags, emit_unicast, take_unicast, unicast_len,
};
pub use flooding::{Flooding, FloodingTlv, GroupSourceHoldtime};
pub use header::{Header, MessageType, VERSION, packet};
pub use hello::Hello;
pub use hello_option::{DrlbList, HelloOption, HelloOptionType, LanPruneDelay, OtherHelloOption, PortConnection};
pub use join_attribute::{
    JoinAttribute, JoinAttributeIter, JoinAttributeType, JoinAttributeValue, JoinAttributes, JoinAttributesBuf,
};
pub use join_prune::{GroupSet, GroupSetBuf, GroupSets, JoinPrune, JoinPruneBuf, SourceBuf};
pub use message::Message;
pub use packed_register::PackedRegister;
pub use register::{Register, RegisterFlags};
pub use register_stop::RegisterStop;
pub use state_refresh::{StateRefresh, StateRefreshFlags};
