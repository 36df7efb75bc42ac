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
//! | §12.2.1 | `merge.rs` | S-PMSIs that are merged into the inter-AS tree |
//! | RFC 6513 §12.1 | `lookup.rs` | trees whose packets are looked at below their labels |
//!
//! # A router that is PE too
//!
//! Sites of its own need a PE beside it: trees that come in over its own border end in no VRF of the same router.
//!
//! # Below the labels
//!
//! Segments are joined label by label, but for trees of PIM's, whose packets have no label, and for inter-AS trees that S-PMSIs may be merged
//! into: their packets are looked up in a VRF that each such tree has to itself ([`AsbrConfig::vrfs`]). What no router forwards, as the
//! customers' Bootstrap messages to 224.0.0.13, is handed to software there and goes no further. A segment that begins here may be a source-specific
//! tree, not one of several senders.
//!
//! # Tunnels that are not segments
//!
//! Tunnels with upstream-assigned labels are no segments, nor is a tunnel that several S-PMSIs share: what an ASBR cannot join is refused,
//! or said in an event. Traffic of I-PMSIs is not filtered by customers' flows otherwise (RFC 6514 §9.2.3.6, an option).
mod adverts;
mod asbr;
mod config;
mod io;
mod leaf;
mod lookup;
mod member;
mod merge;
mod pass;
mod tree;

pub use asbr::MvpnAsbr;
pub use config::{AsbrConfig, AsbrConfigError, AsbrLimits};
pub use io::{Advert, AsPath, AsbrInput, AsbrOutput, AsbrPath, Peer, Side};
