//! Multicast in BGP/MPLS IP VPNs (RFC 6513, 6514), with PIM, IGMP and MLD, as sans-IO, no_std state machines.
//!
//! No code yet: the CHANGELOG says what has landed. The crate exists so that its name, its place in the floor plan and its
//! edges (`cargo tree`) are fixed.
#![no_std]
