//! Procedures between PE and CE beyond plain EBGP (RFC 4364 §7).
//!
//! | File | Procedure |
//! |---|---|
//! | `attr_set.rs` | CEs that are internal BGP peers: the customer's attributes travel in ATTR_SET (RFC 6368) |
//! | `igp.rs` | routes of an IGP into a VRF, routes of the VRF to the IGP |
//! | `imported.rs` | what a VRF makes of a route that it imports: its policy, ATTR_SET |
//! | `ospf.rs` | OSPF as that IGP (RFC 4577) |

mod attr_set;
mod igp;
mod imported;
mod ospf;

pub(crate) use attr_set::{unwrap, wrap};
pub use igp::{IgpConfig, IgpRoute, RemoteRoute};
pub use ospf::{OspfConfig, OspfLsa, OspfRoute};
