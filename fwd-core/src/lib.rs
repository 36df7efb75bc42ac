//! The forwarding plane and the ground floor of every control plane.
//!
//! [`Forwarder`] forwards frames by tables that [`op::FwdOp`]s fill, in memory that the embedder lends. It allocates nothing
//! and does not panic. Without its feature `qos`, which is on by default, it has no policers, no marks and no classes of customers' priorities
//! ([`table::ApplyError::WithoutQos`]).
//!
//! Deviations from the RFCs, each where the behaviour is ours to choose:
//! - IPv4 packets are not fragmented here; those that need it go to software (RFC 791 §3.2, RFC 3032 §3.4).
//! - An interface without `mpls` takes no labelled packet at all.
//! - Virtual links end in the global table only, and not inside of one another. What leaves by one has no checksum in GRE or
//!   UDP: over IPv6 that is RFC 7510 §3.1's exception for MPLS, and for L2TPv3 the payload's own checksums have to do.
//! - A copy of a multicast packet that is too large for its interface is dropped and counted, IPv4's too if it might be fragmented;
//!   of IPv6 software gets the packet, to answer it (RFC 4443 §2.4).
//! - What leaves a tree in GRE or IP-in-IP with a congestion mark that would have to be copied inwards (RFC 6040 §4.2) is dropped and counted:
//!   other legs share the frame.
//! - On a tree of PIM's that several VPNs share, labels in GRE are the root's with Protocol Type 0x8847 (RFC 6513 §12.2.1) as with 0x8848
//!   (RFC 5332 §6, which has the first discarded where labels are known to be the root's).
//! - A virtual switch instance that numbers frames takes any number from the first frame of a port (RFC 4385 §4.2 wants 1): a leaf of a
//!   tree may come late.
//! - Each worker polices what it forwards: where several forward the frames of one port, each lets the whole rate through.
//! - The class of a label maps to the class selector bits of the DSCP and back (RFC 3270 §2.6 leaves the mapping open).
#![no_std]
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

#[cfg(feature = "control")]
extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod audit;
#[cfg(feature = "control")]
pub mod codec;
mod counters;
mod forwarder;
mod frame;
mod malformed;
pub mod measure;
#[cfg(feature = "control")]
pub mod mib;
pub mod net;
pub mod op;
#[cfg(feature = "control")]
pub mod random;
pub mod sa;
#[cfg(feature = "control")]
pub mod secret;
mod stage;
pub mod table;
#[cfg(feature = "control")]
pub mod tcp_ao;
pub mod time;
#[cfg(feature = "control")]
pub mod timers;
mod trace;
mod verdict;
pub mod wire;
mod worker;
#[cfg(feature = "control")]
pub mod yang;

pub use counters::{BridgeCounters, Counters, GroupCounters, TooBigCounters, VlinkCounters, VrfCounters};
pub use forwarder::Forwarder;
pub use frame::Frame;
pub use malformed::{Fault, Malformed};
pub use stage::replicate::{Copies, Replica, Replication};
pub use trace::TracedExit;
pub use verdict::{DropReason, PuntReason, Verdict};
pub use worker::{Packet, Worker};
