//! 6.5: one MPLS-in-IP tunnel (RFC 4023), and a label for each link. One association protects them all, where they are protected
//! (RFC 4023 §8.1).

use fwd_core::net::{Label, LabelSpaceId, LabelStack, NhlfeId, VlinkId, VrfId};
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

/// What leads packets with the label that we chose into the VRF. In a label space of the tunnel's the label means nothing in packets
/// that came otherwise, in clear above all (RFC 4023 §8.1); in the platform's it does.
#[must_use]
pub const fn incoming(label: Label, vrf: VrfId, space: Option<LabelSpaceId>) -> FwdOp {
    let ilm = Ilm { action: IlmAction::PopLookup(vrf), model: TunnelModel::Pipe };
    match space {
        Some(space) => FwdOp::SetContextIlm { space, label, ilm },
        None => FwdOp::SetIlm { label, ilm },
    }
}

/// The reverse of [`incoming`].
#[must_use]
pub const fn no_incoming(label: Label, space: Option<LabelSpaceId>) -> FwdOp {
    match space {
        Some(space) => FwdOp::ClearContextIlm { space, label },
        None => FwdOp::ClearIlm { label },
    }
}

/// What makes packets leave with the peer's label.
#[must_use]
pub fn outgoing(label: Label, tunnel: VlinkId, entry: NhlfeId) -> FwdOp {
    let push = LabelStack::single(label);
    FwdOp::SetNhlfe { id: entry, nhlfe: Nhlfe { push, next: NextHop::Vlink(tunnel), model: TunnelModel::Pipe } }
}
