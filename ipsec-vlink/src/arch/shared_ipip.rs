//! 6.2: one IP-in-IP tunnel for all links, and a transport-mode association for each. The SPI says the link: it goes with the
//! packet as its association's number when ESP is taken off. In clear there can be one link between two addresses.

use fwd_core::op::Encapsulation;

use super::{CeProfile, Clear, Count, Demux, Properties, TunnelManager};
use crate::ike::Mode;

pub(super) const PROPERTIES: Properties = Properties {
    demux: Demux::Spi,
    clear: Clear::One,
    manager: TunnelManager::Ike,
    standard_vpn_field: false,
    ike_extension: true,
    ike_sas: Count::One,
    child_sas: Count::PerLink,
    addresses: Count::One,
    ce: CeProfile::Yes,
    mode: Mode::Transport,
};

/// What packets look like.
pub const ENCAPSULATION: Encapsulation = Encapsulation::IpInIp;
