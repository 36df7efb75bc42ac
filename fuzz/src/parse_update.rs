//! The body of an UPDATE on a session of any kind.

#[path = "../../bgp-vpn/tests/update/invariants.rs"]
mod invariants;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Negotiated, PeerKind};

/// The first octet says what was negotiated, the rest is the body: no panic, and what holds of every UPDATE.
pub fn parse_update(data: &[u8]) {
    let Some((session, body)) = data.split_first() else { return };
    let has = |bit: u8| session & bit != 0;
    let kind = if has(1) { PeerKind::Internal } else { PeerKind::External };
    let mut negotiated = Negotiated { four_octet_as: !has(2), ..Negotiated::baseline(kind) };
    let families = [Family::IPV4_UNICAST, Family::IPV4_LABELED_UNICAST, Family::VPN_IPV4, Family::VPN_IPV6];
    if has(4) {
        negotiated.add_path_receive.extend(families);
    }
    if has(8) {
        negotiated.multiple_labels.extend(families);
    }
    if has(16) {
        negotiated.extended_next_hop.extend(families);
    }
    invariants::consistent("input", body, &negotiated);
}
