//! P2MP pseudowires (RFC 8338) between PEs whose tunnels are mLDP's, with their forwarding planes.

#[path = "../mldp/net.rs"]
mod net;
mod pe;
mod requirements;
mod scale;
mod sim;
