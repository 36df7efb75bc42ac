//! The TCP Authentication Option (RFC 5925), for a TCP that is the embedder's (feature `control`).
//!
//! BGP and LDP run over it at borders. Nothing here sends: a TCP stack hands over segments on their way out and in, between IP and TCP
//! (RFC 5925 §7.3), and one [`Connection`] per connection keeps its keys and sequence number extensions.
//!
//! - [`Keys`]: the Master Key Tuples of a host or, where VRFs have equal addresses, of a VRF. They say for whom segments are authenticated.
//! - [`Keys::open`] before the SYN of a connection that is opened here; [`Keys::accept`] for the SYN of one that is opened there.
//! - [`Connection::sign`] for each segment out, after all other options and before the checksum; its option is left room for, with
//!   [`Connection::blank`]. [`Connection::verify`] for each segment in, after the checksum and before any option is looked at.
//! - New keys: [`Connection::add`] at both ends in any order, [`Connection::prefer`] where the new key is to be received, and
//!   [`Connection::remove`] when the old one is of no use any more.
//!
//! Choices where RFC 5925 leaves them open:
//! - A connection that a Master Key Tuple matches must be authenticated: a SYN without the option, or with a KeyID that none has, is dropped.
//! - The MAC algorithm brings its key derivation function (RFC 5926 §3.2): one field has both.
//! - A received segment changes keys and numbers after its MAC was found right, and not before.
//! - Sequence number extensions are those of RFC 9187 and not of the pseudocode in §6.2, whose corner cases are wrong.

mod connection;
pub mod crypto;
mod keys;
mod mkt;
mod option;
mod segment;
mod sne;

pub use connection::{Connection, Counters, Dropped, SignError, Verified};
pub use keys::{Keys, Unmatched};
pub use mkt::{Algorithm, ConfigError, Mkt, Peers, SocketPair};
pub use option::AoOption;
pub use sne::Sne;
