//! VPLS with multicast: BGP and LDP signalling, snooping, P2MP trees (RFC 4761, 4762, 6074, 7117, 8220), as sans-IO, `no_std` state
//! machines.
//!
//! [`VplsPe`] is the machine of a PE with any number of instances. It takes routes, what LDP says of pseudowires, what happens to
//! trees, circuits and customers' control frames as values, and yields routes to originate, pseudowires to signal, frames to send, and
//! [`FwdOp`](fwd_core::op::FwdOp)s.
//!
//! | Module | What | RFC |
//! |---|---|---|
//! | [`config`] | instances, circuits, pseudowires, limits | 4664 |
//! | [`bgp`] | routes as values; VEs and multi-homing; auto-discovery | 4761 §3, 6074 |
//! | [`label_block`] | label blocks | 4761 §3.2.1 |
//! | `ldp`, `hvpls`, `mac_withdraw` | pseudowires that LDP signals, spokes, MAC withdrawal | 4762 §6, §10, 7361 |
//! | `flood` | which ports get what | 4762 §4.4, 7117 §12 |
//! | [`snoop`] | IGMP, MLD and PIM of customers | 4541, 8220 |
//! | [`multicast`] | inclusive and selective trees | 7117 |
//! | [`damping`], [`police`] | bounds on what customers do | 7899 |
//! | [`oam`], [`fault`] | what is so, and why; faults from opening to end | 5501 §6.5 |
//! | [`probe`] | where a flow goes, asked of the forwarding planes | 5501 §6.5.2 |
//! | [`mib`] | managed objects | 7257, 5519 |
//! | [`yang`] | the same as YANG models have it | 9166, 9128, 9291 |
//! | [`stats`] | statistics by period, delays | 5501 §5.4, §6.5.3 |
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 4761 §3.2.1 | the label base is added to the block offset | as §3.2.2 and §3.2.3 say it: label base + VE ID − block offset |
//! | 4761 §3.5 | a PE may have circuits of several sites | an instance has one VE: circuits that are not multi-homed go with the site |
//! | 4762 §6.2.2 | a listed MAC is removed if it was learned from the sender | it is removed wherever it was learned: the other way defeats §10.2.2 |
//! | 7117 §8.3 | a PE answers a route that its snooped state matches | it answers the route of all flows always: the sender learns who can be on a tree, and copies to the rest by pseudowires |
//! | 7117 §6 | both RSVP-TE and mLDP | RSVP-TE trees are asked of the embedder: [`io::TreeRequest`] |
//! | 7117 §6.4, 5331 | labels below aggregate trees are assigned upstream, in the root's context | they come from a range that no other PE of the domain uses (RFC 9573 §3.1): the forwarding plane has one label space |
//! | 8614 §4 | two trees where only some PEs use the control word | trees need instances without it |
//! | 5586 §4.2 | a GAL says that a channel follows | so it does where no control word is used, of trees and of pseudowires (RFC 6423); frames to unicast addresses that such a pseudowire takes may look like IP to routers that hash (RFC 8469), and probes do not |
//! | 8220 §2.7 | BIDIR-PIM is not described | its groups are flooded |
#![no_std]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

mod admin;
pub mod bgp;
pub mod config;
pub mod damping;
pub mod event;
pub mod fault;
mod flood;
mod hvpls;
mod import;
pub mod io;
pub mod label_block;
mod ldp;
mod mac_withdraw;
pub mod mib;
pub mod multicast;
pub mod oam;
mod pe;
pub mod police;
mod pool;
mod ports;
pub mod probe;
mod program;
mod pws;
pub mod snoop;
mod sorted;
pub mod stats;
mod vsi;
pub mod yang;

pub use config::{
    CircuitConfig, ConfigError, FateSharing, PeConfig, PeLimits, PwConfig, PwRole, VeConfig, VsiConfig, VsiLimits,
};
pub use event::{Event, EventKind};
pub use io::{Input, MacWithdraw, Output, PwEvent, PwId, PwService, PwSignal, TreeEvent, TreeRequest};
pub use pe::VplsPe;
