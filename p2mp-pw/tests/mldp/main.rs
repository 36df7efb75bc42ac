//! Multipoint LSPs (RFC 6388): networks of machines with their forwarding planes, and arbitrary stimuli against one machine.

mod drive;
mod net;
mod protection;
