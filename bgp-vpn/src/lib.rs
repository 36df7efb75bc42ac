//! BGP-4 and BGP/MPLS IP VPNs as sans-IO, `no_std` state machines.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

mod administrator;
pub mod attr;
pub mod message;
pub mod nlri;
mod rib;
pub mod session;
pub mod speaker;
pub mod vrf;
