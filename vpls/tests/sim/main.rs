//! PEs around a P router, in virtual time.

#[path = "../world/mod.rs"]
mod world;

mod bridge;
mod detection;
mod gauges;
mod operations;
mod services;
mod signalling;
mod snoop;
mod threats;
mod trees;
mod tunnels;
