//! LDP, mLDP and point-to-multipoint pseudowires (RFC 5036, 6388, 8077, 8338) as sans-IO, no_std state machines.
//!
//! No code yet: the CHANGELOG says what has landed. The crate exists so that its name, its place in the floor plan and its
//! edges (`cargo tree`) are fixed.
#![no_std]
