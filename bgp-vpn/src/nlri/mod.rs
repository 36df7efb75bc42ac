//! Network layer reachability information, one file per form.
//!
//! | NLRI | Families | File |
//! |---|---|---|
//! | prefix | 1/1, 2/1, 1/2, 2/2 | `unicast.rs` |
//! | labels, prefix (RFC 8277) | 1/4, 2/4 | `labeled.rs` |
//! | labels, RD, prefix (RFC 4364, RFC 4659) | 1/128, 2/128 | `vpn.rs` |
//! | RD, prefix (RFC 6514 §10) | 1/129, 2/129 | `vpn_multicast.rs` |
//! | RD, PE, group (RFC 6037) | 1/66 | `mdt.rs` |
//! | label blocks (RFC 4761), auto-discovery (RFC 6074) | 25/65 | `vpls.rs` |
//! | multicast VPLS routes (RFC 7117) | 25/8 | `mcast_vpls.rs` |
//! | EVPN routes (RFC 7432, RFC 9136) | 25/70 | `evpn.rs` |
//! | octets, of any family | all | `opaque.rs` |
//! | multicast VPN routes (RFC 6514) | 1/5, 2/5 | `mcast_vpn/` |
//! | origin AS, route target (RFC 4684) | 1/132 | `rt_membership.rs` |
//! | VPN-ID, virtual router (RFC 2685) | 1/140, 2/140 | `vr_membership.rs` |
//!
//! Every form has the four verbs with an [`NlriFormat`] argument: what the session negotiated about ADD-PATH
//! (RFC 7911) and multiple labels (RFC 8277) decides how octets are read. [`Nlris`] iterates lazily over a field of
//! them and is fused after the first fault.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod evpn;
mod family;
mod field;
mod labeled;
mod labels;
mod mcast_vpls;
pub mod mcast_vpn;
mod mdt;
mod mldp_fec;
mod nlris;
mod opaque;
mod rd;
mod rt_membership;
mod unicast;
mod vpls;
mod vpn;
mod vpn_multicast;
mod vr_membership;

pub use evpn::EvpnNlri;
pub use family::{Afi, Family, Safi};
pub use field::{check_field, emit_field};
pub use labeled::LabeledNlri;
pub use labels::Labels;
pub use mcast_vpls::{McastVplsNlri, McastVplsRoute};
pub use mcast_vpn::McastVpnNlri;
pub use mdt::MdtNlri;
pub use mldp_fec::MldpFec;
pub use nlris::{Nlri, NlriFormat, Nlris, PathId, WirePrefix};
pub use opaque::{Framing, OpaqueKey, OpaqueNlri};
pub use rd::{RdError, RouteDistinguisher};
pub use rt_membership::{RtMembership, RtMembershipNlri};
pub use unicast::UnicastNlri;
pub use vpls::{L2vpnTlv, VeBlock, VplsNlri, VplsRoute};
pub use vpn::VpnNlri;
pub use vpn_multicast::VpnMulticastNlri;
pub use vr_membership::VrMembershipNlri;
