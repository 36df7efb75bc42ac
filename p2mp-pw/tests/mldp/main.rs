//! Multipoint LSPs (RFC 6388): scripts against one machine, and networks of machines with their forwarding planes.

mod net;
mod sim;
