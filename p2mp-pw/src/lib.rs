//! LDP, mLDP and point-to-multipoint pseudowires (RFC 5036, 6388, 8077, 8338) as sans-IO, no_std state machines.
//!
//! Bidirectional Forwarding Detection of links, LSPs, pseudowires and multipoint paths is in [`bfd`].
//!
//! LDP's messages with all their parameters, its discovery and its sessions are in [`ldp`]; label distribution, mLDP and
//! pseudowires are not there yet.
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 5036 §3.4.2.1 | the figure draws the label in the upper 20 bits of the Generic Label TLV | in the lower 20 bits, as in every implementation |
//! | 7361 §5.1.1 | the figure draws 8 bits for the type of a sub-TLV | 16 bits: the assigned values need them |
//! | 8338 §3.2.1 | the info length may or may not count types and lengths; the unit of the lengths in a selective tree is not said | counts everything after itself; octets, and 32 and 128 are taken as bits |
//! | 5880 §6.4 | a system may send and loop back Echo packets | neither: Required Min Echo RX Interval is 0, as RFC 5884 and 5885 want it |
//! | 8563 §6.10 | a Poll to one tail carries the state of the head's session for that tail | it carries the head's own state: a tail takes what it reads for the head's state, and a head that is in doubt of a tail would take it down |
//! | 8563 | the port of unicast packets is not said | 4784 (RFC 5883): tail and head may be several hops apart |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod bfd;
pub mod ldp;
mod random;
