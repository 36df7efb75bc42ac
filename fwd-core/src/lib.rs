//! The forwarding plane and the ground floor of every control plane.
#![no_std]

#[cfg(feature = "control")]
extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

#[cfg(feature = "control")]
pub mod codec;
mod malformed;
pub mod net;
pub mod op;
pub mod time;
#[cfg(feature = "control")]
pub mod timers;

pub use malformed::{Fault, Malformed};
