//! Speakers among themselves: several routers in virtual time above models of forwarding planes.

mod bad_input;
mod ce;
mod families;
mod forwarding_limits;
mod label_life;
mod overlap;
mod recovery;
mod refresh;
mod world;
