//! BGP for a VPLS: routes as values, label blocks with multi-homing (RFC 4761), auto-discovery (RFC 6074).

mod discovery;
mod route;
mod ve;

pub use route::{McastKey, Nlri, Pmsi, RouteAttributes, RouteKey, Tunnel};
