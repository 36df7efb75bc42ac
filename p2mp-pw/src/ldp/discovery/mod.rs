//! Discovery of peers by Hellos (RFC 5036 §2.4, §3.5.2, RFC 7349, RFC 7552 §5).
//!
//! | What | File |
//! |---|---|
//! | the machine, Hellos that are sent, adjacencies | `machine.rs` |
//! | Hellos that are received | `receive.rs` |
//! | authentication of Hellos | `authentication.rs` |
//! | configuration, inputs and outputs | `io.rs` |

// An instant plus a time saturates.
#![allow(clippy::arithmetic_side_effects)]

mod authentication;
mod io;
mod machine;
mod receive;

pub use authentication::{HelloAuthConfig, HelloHash, HelloKey, Lifetime};
pub use io::{
    Adjacency, AdjacencyId, DiscoveryConfig, DiscoveryCounters, Event, HelloTarget, Input, InterfaceAddresses, Output,
    Refusal,
};
pub use machine::Discovery;
