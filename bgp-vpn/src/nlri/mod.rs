//! Network layer reachability information, one file per form.
//!
//! | NLRI | Families | File |
//! |---|---|---|
//! | prefix | 1/1, 2/1, 1/2, 2/2 | `unicast.rs` |
//! | labels, prefix (RFC 8277) | 1/4, 2/4 | `labeled.rs` |
//! | labels, RD, prefix (RFC 4364, RFC 4659) | 1/128, 2/128 | `vpn.rs` |
//! | origin AS, route target (RFC 4684) | 1/132 | `rt_membership.rs` |
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

mod family;
mod field;
mod labeled;
mod labels;
mod nlris;
mod rd;
mod rt_membership;
mod unicast;
mod vpn;

pub use family::{Afi, Family, Safi};
pub use field::{check_field, emit_field};
pub use labeled::LabeledNlri;
pub use labels::Labels;
pub use nlris::{Nlri, NlriFormat, Nlris, PathId, WirePrefix};
pub use rd::{RdError, RouteDistinguisher};
pub use rt_membership::{RtMembership, RtMembershipNlri};
pub use unicast::UnicastNlri;
pub use vpn::VpnNlri;
