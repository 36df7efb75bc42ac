//! A deterministic discrete-event simulator in virtual time.

pub mod link;
pub mod packet;
pub mod rng;
pub mod tcp;
