//! 6.6: one L2TP control connection, and a session for each link. AVPs say the VPN when a session is set up: the Attachment Group
//! Identifier, and once more the Remote End ID, which no receiver may ignore (ruling G-28). One association protects them all, where
//! they are protected (RFC 3193).

use alloc::vec::Vec;

use fwd_core::net::VpnId;
use fwd_core::op::{Encapsulation, Session};

use super::{CeProfile, Clear, Count, Demux, Properties, TunnelManager};
use crate::ike::{Mode, VpnContext};
use crate::l2tp::PseudowireType;
use crate::l2tp::control::{PeerId, SessionConfig, SessionStart, SessionUp};

pub(super) const PROPERTIES: Properties = Properties {
    demux: Demux::Session,
    clear: Clear::Yes,
    manager: TunnelManager::L2tp,
    standard_vpn_field: true,
    ike_extension: false,
    ike_sas: Count::One,
    child_sas: Count::One,
    addresses: Count::One,
    ce: CeProfile::L2tpClient,
    mode: Mode::Transport,
};

/// The session of a link: its group is the VPN-ID, both ends are named by the context record.
#[must_use]
pub fn session(peer: PeerId, vpn: VpnId, index: u32, initiate: bool, mtu: Option<u16>) -> SessionConfig {
    let mut end = Vec::new();
    VpnContext::link(vpn, index).emit(&mut end);
    let start = if initiate { SessionStart::Incoming } else { SessionStart::Await };
    SessionConfig {
        group: vpn.octets().to_vec(),
        pseudowire: PseudowireType::IP,
        mtu,
        ..SessionConfig::new(peer, start, &end, &end)
    }
}

/// What packets to us look like, as it was agreed.
#[must_use]
pub fn encapsulation(up: &SessionUp) -> Encapsulation {
    let session = Session { id: up.local_id, cookie: up.local_cookie, sublayer: up.local_sublayer };
    match up.remote.port {
        None => Encapsulation::L2tp(session),
        Some(_) => Encapsulation::L2tpUdp(session),
    }
}

/// Octets between the outer IP header and the payload of packets that we send.
#[must_use]
pub fn overhead(up: &SessionUp) -> u16 {
    let header: u16 = if up.remote.port.is_some() { 16 } else { 4 };
    let sublayer = if up.remote_sublayer { 4 } else { 0 };
    header.saturating_add(up.remote_cookie.as_slice().len() as u16).saturating_add(sublayer)
}
