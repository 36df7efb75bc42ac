//! BGP for a VPLS: routes as values, label blocks with multi-homing (RFC 4761), auto-discovery (RFC 6074).

mod discovery;
mod p2mp;
mod route;
mod ve;

pub use p2mp::{P2mpGroup, P2mpGroupConfig, P2mpMember, P2mpRole};
pub use route::{McastKey, Nlri, Pmsi, RouteAttributes, RouteKey, Tunnel};
