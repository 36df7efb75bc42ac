//! PEs around a P router, in virtual time.

#[path = "../world/rstp.rs"]
mod rstp;
#[path = "../world/mod.rs"]
mod world;

mod bridge;
mod detection;
mod gauges;
mod mldp;
mod objects;
mod operations;
mod probe;
mod services;
mod signalling;
mod snoop;
mod spanning;
mod threats;
mod trees;
mod tunnels;
