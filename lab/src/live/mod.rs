//! One BGP speaker on real TCP: the machine of `bgp-vpn` driven by sockets and a clock, and the command that runs it.
//!
//! | File | What |
//! |---|---|
//! | `transport.rs` | listeners and connections of all peers in one `poll(2)` |
//! | `connection.rs` | one connection: its outbox and its room |
//! | `port.rs` | an interface opened for whole Ethernet frames |
//! | `neighbour.rs` | ARP and neighbour discovery |
//! | `plane.rs` | the forwarding plane on ports: neighbours, ping |
//! | `manage.rs` | AgentX, notifications and IPFIX of a router that runs |
//! | `security.rs` | TCP-AO, TCP MD5 and GTSM |
//! | `meter.rs` | messages sent and received by type, counted from the octets |
//! | `driver.rs` | speaker, transport, clock and forwarding plane together |
//! | `config.rs` | the configuration file of `lab peer` |
//! | `control.rs` | what `lab peer` can be told while it runs |
//! | `report.rs`, `screen.rs` | what it answers, and how that is printed |
//! | `ike.rs`, `esp.rs` | IKE and ESP on sockets |
//! | `l2tp.rs` | L2TP version 2 and PPP on a socket |
//! | `command.rs` | `lab peer` itself |
//! | `multicast/` | a multicast router: `lab multicast` |
//! | `lsr/` | a label switching router: `lab lsr` |
//! | `vpls/` | a VPLS PE: `lab vpls` |

pub mod command;
pub mod config;
mod connection;
pub mod control;
pub mod driver;
mod esp;
pub mod ike;
pub mod l2tp;
pub mod lsr;
mod manage;
pub mod meter;
pub mod multicast;
pub mod neighbour;
pub mod plane;
pub mod port;
pub mod report;
pub mod screen;
pub mod security;
pub mod transport;
pub mod vpls;
