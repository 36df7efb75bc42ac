//! 6.3: an IP-in-IP tunnel between two addresses of its own for each link, with an IKE SA and a transport-mode association of its
//! own. The addresses say the link; which VPN they are of is known by configuration, a directory or BGP.

use fwd_core::op::Encapsulation;

use super::{CeProfile, Clear, Count, Demux, Properties, TunnelManager};
use crate::ike::Mode;

pub(super) const PROPERTIES: Properties = Properties {
    demux: Demux::Address,
    clear: Clear::Unmanaged,
    manager: TunnelManager::Ike,
    standard_vpn_field: false,
    ike_extension: false,
    ike_sas: Count::PerLink,
    child_sas: Count::PerLink,
    addresses: Count::PerLink,
    ce: CeProfile::Yes,
    mode: Mode::Transport,
};

/// What packets look like.
pub const ENCAPSULATION: Encapsulation = Encapsulation::IpInIp;
