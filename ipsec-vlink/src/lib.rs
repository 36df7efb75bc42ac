//! VPN virtual links over L2TP, GRE, IP-in-IP and MPLS-in-IP, protected by IPsec, as sans-IO, no_std state machines.
//!
//! No code yet: the CHANGELOG says what has landed. The crate exists so that its name, its place in the floor plan and its
//! edges (`cargo tree`) are fixed.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;
