//! 6.1: a tunnel-mode association for each link. The SPI says the link; without IPsec there is none.
//!
//! On the wire a tunnel-mode packet is a transport-mode packet around IP in IP (RFC 3884 §3): the forwarding plane sees an IP-in-IP
//! link that is known by its association, and the mode is the negotiation's affair alone.

use fwd_core::op::Encapsulation;

use super::{CeProfile, Clear, Count, Demux, Properties, TunnelManager};
use crate::ike::Mode;

pub(super) const PROPERTIES: Properties = Properties {
    demux: Demux::Spi,
    clear: Clear::Never,
    manager: TunnelManager::Ike,
    standard_vpn_field: false,
    ike_extension: true,
    ike_sas: Count::One,
    child_sas: Count::PerLink,
    addresses: Count::One,
    ce: CeProfile::WildcardTunnelMode,
    mode: Mode::Tunnel,
};

/// What packets look like.
pub const ENCAPSULATION: Encapsulation = Encapsulation::IpInIp;
