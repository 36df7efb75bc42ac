//! A deterministic discrete-event simulator in virtual time.

pub mod ce;
pub mod core;
pub mod igp;
pub mod impact;
pub mod link;
pub mod network;
pub mod node;
pub mod packet;
pub mod peering;
pub mod provider;
pub mod rng;
pub mod router;
pub mod tcp;
