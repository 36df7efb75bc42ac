//! Enough of TCP (RFC 9293) to carry BGP between simulated machines over links that lose, delay, reorder and duplicate.
//!
//! Ordered and reliable, with a bounded send buffer, retransmission with back-off, fast retransmission, a user timeout
//! and resets. There is no congestion control: the window is fixed.

mod connection;
mod stack;

pub use connection::TcpConfig;
pub use stack::{Endpoint, Stack, TcpEvent};
