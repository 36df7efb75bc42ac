//! VPN virtual links over L2TP, GRE, IP-in-IP and MPLS-in-IP, protected by IPsec, as sans-IO, no_std state machines.
//!
//! [`ike`] negotiates keys: IKEv1 and IKEv2. [`l2tp`] sets up tunnels and sessions: versions 2 and 3.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

pub mod arch;
pub mod correlate;
pub mod ike;
pub mod l2tp;
pub mod sad;
pub mod vlink;
#[cfg(test)]
mod test_hashes;
