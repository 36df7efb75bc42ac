//! 6.5: one MPLS-in-IP tunnel (RFC 4023), and a label for each link. One association protects them all, where they are protected
//! (RFC 4023 §8.1).

use fwd_core::net::{Label, LabelStack, NhlfeId, VlinkId, VrfId};
use fwd_core::op::{Encapsulation, FwdOp, Ilm, IlmAction, NextHop, Nhlfe, TunnelModel};

use super::{CeProfile, Clear, Count, Demux, Properties, TunnelManager};
use crate::ike::Mode;

pub(super) const PROPERTIES: Properties = Properties {
    demux: Demux::Label,
    clear: Clear::Yes,
    manager: TunnelManager::LabelDistribution,
    standard_vpn_field: false,
    ike_extension: false,
    ike_sas: Count::One,
    child_sas: Count::One,
    addresses: Count::One,
    ce: CeProfile::No,
    mode: Mode::Transport,
};

/// What packets look like.
pub const ENCAPSULATION: Encapsulation = Encapsulation::MplsInIp;

/// Octets between the outer IP header and the payload: the label.
pub const OVERHEAD: u16 = 4;

/// What the forwarding plane is told of one link: the label that we chose leads into the VRF, and packets leave with the peer's.
#[must_use]
pub fn ops(local: Label, remote: Label, vrf: VrfId, tunnel: VlinkId, entry: NhlfeId) -> [FwdOp; 2] {
    let ilm = Ilm { action: IlmAction::PopLookup(vrf), model: TunnelModel::Pipe };
    let push = LabelStack::single(remote);
    let nhlfe = Nhlfe { push, next: NextHop::Vlink(tunnel), model: TunnelModel::Pipe };
    [FwdOp::SetIlm { label: local, ilm }, FwdOp::SetNhlfe { id: entry, nhlfe }]
}
