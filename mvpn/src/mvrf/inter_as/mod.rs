//! Segmented P-tunnels at the border of an AS or of an area (RFC 6514 §9.2, §11.2, §12.2, RFC 7524).
//!
//! [`MvpnAsbr`] is told of every path that BGP neighbours advertise, and says what to advertise to which of them. It has no VRFs: an I-PMSI or
//! S-PMSI A-D route that passes is a tree, whose segments it joins: a label that it gives to the router before it leads to the group of the
//! segment behind it, and tunnels that it is a leaf of do the same ([`super::TreeRequest::Stitch`]). Customers' packets stay labelled.
//!
//! | RFC 6514 | File | What |
//! |---|---|---|
//! | §9.2 | `config.rs` | what an operator says |
//! | §9.2.1 | `member.rs` | MVPNs of the AS, the routes that stand for them |
//! | §9.2.3, §12.2; RFC 7524 §5–§7 | `tree.rs` | A-D routes that pass, and their segments |
//! | §9.2.3.3, §9.2.3.5 | `leaf.rs` | Leaf A-D routes received |
//! | §11.2, §13 | `pass.rs` | C-multicast and Source Active A-D routes that pass |
//!
//! # A router that is PE too
//!
//! Sites of its own need a PE beside it: trees that come in over its own border end in no VRF of the same router.
//!
//! # Tunnels that are not segments
//!
//! Segments are joined label by label, so PIM trees (of IP packets) are no segments, nor are tunnels with upstream-assigned labels, nor a tunnel
//! that several S-PMSIs share: what an ASBR cannot join is refused, or said in an event. Traffic is not filtered by customers' flows
//! (RFC 6514 §9.2.3.6), and S-PMSIs are not merged into I-PMSIs (§12.2.1); both are options there.
mod adverts;
mod asbr;
mod config;
mod io;
mod leaf;
mod member;
mod pass;
mod tree;

pub use asbr::MvpnAsbr;
pub use config::{AsbrConfig, AsbrConfigError, AsbrLimits};
pub use io::{Advert, AsPath, AsbrInput, AsbrOutput, AsbrPath, Peer, Side};
