//! One PIM router and what it does with messages: activation, filters, limits, Hellos, Registers, Asserts, timers.

mod assert;
mod hello;
mod join_prune;
mod mib;
mod one;
mod protection;
mod register;
#[allow(dead_code)]
mod scale;
mod services;
mod ways;
mod yang;
