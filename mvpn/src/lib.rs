//! Multicast in BGP/MPLS IP VPNs (RFC 6513, 6514), with PIM, IGMP and MLD, as sans-IO, `no_std` state machines.
//!
//! | Module | What |
//! |---|---|
//! | [`address`] | the two address families, for machines that are written once |
//! | [`igmp`], [`mld`] | messages of IGMP and MLD, all versions |
//! | [`gmp`] | what both share; the router side |
//! | [`msdp`] | MSDP between RPs |
//! | [`pim`] | PIM between PE and CE |
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 3376 §6.2, 3810 §7.2 | state is kept of every group that is reported | not of groups of link scope: they are never routed |
//! | 5059 §5 | BS_Rand_Override is computed with logarithms | they are linear between powers of two, at most 0.2 s off: there is no floating point |
//! | 5059 §3.5 | a new neighbour is told the RP-Set after our triggered Hello | five seconds after it appeared: Triggered_Hello_Delay is at most that by default |
//! | 3618 §10.1.3 | rules (ii) to (iv) look at routes | the embedder, who has the routes, names the peer |
//! | 3618 §11 | no event is a connection that TCP closed | it ends the session as the Hold Timer does; peering is enabled again after 1 s |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod address;
pub mod gmp;
pub mod igmp;
pub mod mld;
pub mod msdp;
pub mod pim;
mod random;
