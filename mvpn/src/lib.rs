//! Multicast in BGP/MPLS IP VPNs (RFC 6513, 6514), with PIM, IGMP and MLD, as sans-IO, `no_std` state machines.
//!
//! | Module | What |
//! |---|---|
//! | [`address`] | the two address families, for machines that are written once |
//! | [`igmp`], [`mld`] | messages of IGMP and MLD, all versions |
//! | [`gmp`] | what both share |
//! | [`pim`] | PIM between PE and CE |
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod address;
pub mod gmp;
pub mod igmp;
pub mod mld;
pub mod pim;
mod random;
