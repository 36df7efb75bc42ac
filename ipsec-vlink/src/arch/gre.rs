//! 6.4: one GRE tunnel, and a key for each link (RFC 2890 §2.1). One association protects them all, where they are protected.

use fwd_core::op::Encapsulation;

use super::{CeProfile, Clear, Count, Demux, Properties, TunnelManager};
use crate::ike::Mode;

pub(super) const PROPERTIES: Properties = Properties {
    demux: Demux::GreKey,
    clear: Clear::Yes,
    manager: TunnelManager::None,
    standard_vpn_field: false,
    ike_extension: false,
    ike_sas: Count::One,
    child_sas: Count::One,
    addresses: Count::One,
    ce: CeProfile::UnkeyedGre,
    mode: Mode::Transport,
};

/// What packets to us look like: with the key that we chose, or with none.
#[must_use]
pub const fn encapsulation(key: Option<u32>) -> Encapsulation {
    match key {
        Some(key) => Encapsulation::GreKey(key),
        None => Encapsulation::Gre,
    }
}

/// Octets between the outer IP header and the payload.
#[must_use]
pub const fn overhead(has_key: bool) -> u16 {
    if has_key { 8 } else { 4 }
}
