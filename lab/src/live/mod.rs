//! One BGP speaker on real TCP: the machine of `bgp-vpn` driven by sockets and a clock, and the command that runs it.
//!
//! | File | What |
//! |---|---|
//! | `transport.rs` | listeners and connections of all peers in one `poll(2)` |
//! | `meter.rs` | messages sent and received by type, counted from the octets |
//! | `config.rs` | the configuration file of `lab peer` |

pub mod config;
pub mod meter;
pub mod transport;
