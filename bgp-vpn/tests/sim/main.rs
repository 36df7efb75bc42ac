//! Speakers among themselves: several routers in virtual time above models of forwarding planes.

mod bad_input;
mod ce;
mod families;
mod overlap;
mod recovery;
mod world;
