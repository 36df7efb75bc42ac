//! A multicast router on real interfaces: group management, PIM and BSR of both families above the forwarding plane.
//!
//! The interfaces belong to this process alone: the kernel has no address on them. Unicast routes are static.
//!
//! | File | What |
//! |---|---|
//! | `config.rs` | the configuration file of `lab multicast` |
//! | `family.rs` | the machines of one family, and what goes between them |
//! | `packet.rs` | IP packets of the protocols |
//! | `router.rs` | both families, the forwarding plane and the clock |
//! | `command.rs` | `lab multicast` itself |

pub mod command;
pub mod config;
mod family;
mod packet;
mod router;

pub use router::Router;
