//! VPLS with multicast: BGP and LDP signalling, snooping, P2MP trees (RFC 4761, 4762, 7117), as sans-IO, no_std state machines.
//!
//! No code yet: the CHANGELOG says what has landed. The crate exists so that its name, its place in the floor plan and its
//! edges (`cargo tree`) are fixed.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;
