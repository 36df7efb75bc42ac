//! Protocol Independent Multicast as a customer-facing router runs it.
//!
//! [`PimRouter`] is the machine of one VRF and one family. Its parts, by sections of RFC 7761:
//!
//! | Section | File | What |
//! |---|---|---|
//! | 4.1.5, 4.6.5 | `macros.rs` | the macros, by their names |
//! | 4.2 | `data.rs`, `forwarding.rs` | data-triggered events; routes for the forwarder |
//! | 4.3 | `hello.rs`, `dr_election.rs`, `network.rs` | Hellos, neighbours, DR, delays |
//! | 4.4 | `register.rs`, `data.rs` | Register machine; Registers at the RP |
//! | 4.5.1–4.5.3 | `downstream.rs`, `receive.rs` | downstream machines; Join/Prunes received |
//! | 4.5.4–4.5.7 | `upstream.rs`, `evaluate.rs`, `transmit.rs` | upstream machines; what becomes true; Join/Prunes sent |
//! | 4.6 | `assert.rs`, `asserting.rs` | Assert machines |
//! | 4.7 | `rp_set.rs` | group-to-RP mapping |
//! | 4.9 | `wire/` | messages |
//! | RFC 5384, 5496, 6420, RFC 6513 §8.1.3 | `attributes.rs`, `ways.rs`, `watch.rs` | Join attributes: RPF vectors, topologies, proxies of MVPNs |
//! | RFC 6754 | `ecmp.rs` | ECMP Redirect |
//! | RFC 7431 | `mofrr.rs` | fast reroute |
//! | RFC 5015 | `bidir/` | BIDIR-PIM |
//! | RFC 3973 | `dense/` | PIM-DM |
//! | | `trace.rs` | what multicast traceroute (RFC 8487) asks |
//! | | `mib.rs`, `ipmcast.rs` | tables of PIM-STD-MIB (RFC 5060) and IPMCAST-MIB (RFC 5132) |
//!
//! PIM over TCP and the flooding mechanism are messages only.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod assert;
mod asserting;
mod attributes;
pub mod bidir;
pub mod bsr;
mod config;
mod data;
pub mod dense;
pub mod downstream;
pub mod dr_election;
mod ecmp;
mod evaluate;
mod forwarding;
mod hello;
mod io;
pub mod ipmcast;
mod macros;
pub mod mib;
mod mofrr;
mod network;
mod receive;
pub mod register;
mod router;
pub mod rp_set;
mod state;
mod trace;
mod transmit;
pub mod upstream;
mod watch;
mod ways;
pub mod wire;
mod yang;

pub use config::{
    BidirConfig, DenseConfig, DrLoadBalancing, EcmpConfig, PimConfig, PimConfigError, PimInterfaceConfig, PimLimits,
    PimTimers, PrefixFilter, SptThreshold,
};
pub use io::{Input, Membership, MribRoute, Output, PimEvent, PimLimit, PimReject};
pub use network::PimAddress;
pub use router::PimRouter;
pub use trace::TracedPath;
pub use ways::{MAX_ROUTES, Ways};
