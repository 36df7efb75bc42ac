//! Managed objects, read-only: TUNNEL-MIB (RFC 4087) of virtual links, IPSEC-SPD-MIB (RFC 4807) of the policies on them.
//!
//! Each link is an interface; the router says its `ifIndex`. Pictures are of one moment. What is deprecated, what configures, and what this
//! system has nothing of (filters of time and of IP security options, compound actions) has no instance.

mod policy;
mod tunnel;

pub use policy::{
    Classifier, CompoundFilter, Endpoint, EndpointToGroup, GroupContents, IpOffsetFilter, Rule, SpdMib, Subfilter,
};
pub use tunnel::{TunnelConfig, TunnelIf, TunnelMib};
