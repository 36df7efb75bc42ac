//! Network types that every control plane and the forwarding plane share.

#[cfg(feature = "control")]
mod authentication;
mod id;
mod label;
mod label_stack;
mod mac;
mod prefix;
mod vlan;
mod vpn_id;

#[cfg(feature = "control")]
pub use authentication::Authentication;
pub use id::{
    EcmpId, IfIndex, LabelSpaceId, NhlfeId, PolicerId, PortId, ProtectionId, ReplicationId, RpfSetId, SaId, TunnelId,
    VlinkId, VrfId, VsiId,
};
pub use label::Label;
pub use label_stack::LabelStack;
pub use mac::Mac;
pub(crate) use mac::MacWords;
pub use prefix::{IpPrefix, Ipv4Prefix, Ipv6Prefix, PrefixError};
pub use vlan::VlanId;
pub use vpn_id::{VpnId, VpnIdError};
