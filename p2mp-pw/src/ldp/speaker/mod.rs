//! The LDP speaker: discovery, a session for each peer, label distribution for prefixes; a door to the other applications.
//!
//! mLDP, pseudowires and P2MP pseudowires are machines of the embedder's beside the speaker. It hands them
//! [`Output::PeerUp`], [`Output::PeerDown`] and [`Output::Message`], and takes their messages by [`Input::Send`]; see
//! [`neighbour`](super::neighbour) for who owns which message.
//!
//! | What | File |
//! |---|---|
//! | configuration, inputs and outputs | `io.rs` |
//! | the machine, what an operator does | `machine.rs` |
//! | adjacencies that make sessions, sessions that make peers | `sessions.rs` |
// An instant plus a time saturates.
#![allow(clippy::arithmetic_side_effects)]

mod io;
mod machine;
mod sessions;

pub use io::{Event, Input, Output, SpeakerConfig};
pub use machine::LdpSpeaker;
