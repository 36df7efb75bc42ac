//! A label switching router on real interfaces: LDP, pseudowires and BFD above the forwarding plane.
//!
//! The kernel has the addresses and carries UDP and TCP; labelled packets are the forwarding plane's. Routes are static.
//!
//! | File | What |
//! |---|---|
//! | `config.rs` | the configuration file of `lab lsr` |
//! | `datagram.rs` | UDP with the TTL of what comes: Hellos, BFD |
//! | `hello.rs` | LDP's Hellos on links and from afar |
//! | `stream.rs` | TCP connections of sessions |
//! | `sockets.rs` | both, and the LDP speaker |
//! | `watch.rs` | BFD sessions |
//! | `router.rs` | the machines, the forwarding plane and the clock |
//! | `show.rs` | what an operator sees |
//! | `command.rs` | `lab lsr` itself |

pub mod command;
pub mod config;
mod datagram;
mod hello;
mod router;
mod show;
mod sockets;
mod stream;
mod watch;

pub(super) use hello::Hellos;
pub use router::Router;
pub(super) use sockets::Sockets;
pub(super) use stream::Streams;
