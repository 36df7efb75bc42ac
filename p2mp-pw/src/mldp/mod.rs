//! Multipoint LSPs by LDP (RFC 6388): P2MP, MP2MP, and hub-and-spoke multipoint LSPs (RFC 7140).
//!
//! | What | File |
//! |---|---|
//! | a tree's name, what a leaf does with its packets | `fec.rs` |
//! | what an operator says | `config.rs` |
//! | what goes in and comes out | `io.rs` |
//! | the machine: peers, routes, timers | `machine.rs` |
//! | one tree's state | `tree.rs` |
//! | upstream LSR selection and change, make-before-break (RFC 6388 §2.4.1.1, §2.4.3, §8) | `upstream.rs` |
//! | messages of peers (RFC 6388 §2.4.1, §2.4.2, §3.3, §8.4, §9) | `receive.rs` |
//! | a tree's state as messages and forwarding entries | `program.rs` |
//! | the way up of MP2MP and HSMP LSPs (RFC 6388 §3.3.1.5, RFC 7140 §3.4) | `mp2mp.rs` |
//! | sessions that end and come back (RFC 3478, RFC 5919) | `session.rs` |
//! | several roots for one opaque value (RFC 6388 §7) | `root_set.rs` |
//!
//! [`Mldp`] is an application of LDP beside label distribution for prefixes: whoever embeds it hands it sessions that come and
//! go, their messages about multipoint FECs and routes to roots, and carries out what it says.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod block;
mod config;
mod fec;
mod io;
mod machine;
mod mp2mp;
mod program;
mod receive;
mod root_set;
mod select;
mod session;
mod tree;
mod upstream;
mod vpn;

pub use config::{GroupRange, MldpConfig};
pub use fec::{Deliver, TreeFec, TreeId, TreeKind};
pub use io::{Candidate, Counters, Event, Input, JoinError, Limit, Output, PeerCapabilities, Route, TreeView};
pub use machine::Mldp;
pub use root_set::RootSet;
pub use tree::Role;
pub use upstream::{Action, State, Unexpected, UpstreamEvent, choose, transition};
