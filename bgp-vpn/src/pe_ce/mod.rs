//! Procedures between PE and CE beyond plain EBGP (RFC 4364 §7).
//!
//! | File | Procedure |
//! |---|---|
//! | `attr_set.rs` | CEs that are internal BGP peers: the customer's attributes travel in ATTR_SET (RFC 6368) |
//! | `imported.rs` | what a VRF makes of a route that it imports: its policy, ATTR_SET |

mod attr_set;
mod imported;

pub(crate) use attr_set::{unwrap, wrap};
