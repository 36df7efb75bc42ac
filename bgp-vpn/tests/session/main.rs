//! Sessions back to back in virtual time.

mod collision;
mod faults;
mod net;
mod restart;
mod timers;
