//! What an operator says about a VRF.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{IfIndex, VpnId, VrfId};
use fwd_core::op::TunnelModel;

use crate::attr::ext_community::{ExtCommunity, RouteTarget};
use crate::nlri::RouteDistinguisher;
use crate::pe_ce::IgpConfig;
use crate::policy::Policy;

/// Which packets share a VPN label (RFC 4364 §4.3.2, §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelMode {
    /// One label for all routes of the VRF; the egress PE looks the packet up.
    #[default]
    PerVrf,
    /// One label per attachment circuit; the egress PE forwards to the CE without a look-up.
    PerAttachmentCircuit,
    /// One label per prefix.
    PerPrefix,
}

/// A bound on the routes of a VRF (RFC 4382: `mplsL3VpnVrfConfMidRouteThreshold`, `…HighRouteThreshold`,
/// `…MaxRoutes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLimit {
    /// Routes at which a warning is raised.
    pub mid: u32,
    /// Routes at which a second warning is raised.
    pub high: u32,
    /// Routes that the VRF holds at most, both families together; more are refused and counted.
    pub max: u32,
}

/// An interface of a VRF to an ASBR of another AS, where VPNs are joined by option AB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterAsLink {
    /// The address of the ASBR's session in the global table ([`PeerConfig::option_ab`](crate::session::PeerConfig)).
    pub peer: IpAddr,
    /// The interface of the VRF that leads to it. Its circuits ([`Input::Circuit`](crate::speaker::Input)) say how packets leave.
    pub iface: IfIndex,
}

/// One VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrfConfig {
    /// Its handle, not [`VrfId::GLOBAL`]; unique.
    pub id: VrfId,
    /// Its name, not empty; unique.
    pub name: String,
    /// Its route distinguisher; unique on this PE.
    pub rd: RouteDistinguisher,
    /// Its global VPN identifier; unique on this PE where given.
    pub vpn_id: Option<VpnId>,
    /// Routes that carry one of these are imported; not empty.
    pub import: Vec<RouteTarget>,
    /// Routes exported carry these; not empty.
    pub export: Vec<RouteTarget>,
    /// Site of origin put on routes learnt from the VRF's CEs; routes that carry it are not sent back to them
    /// (RFC 4364 §7).
    pub site_of_origin: Option<ExtCommunity>,
    /// Which packets share a label.
    pub label_mode: LabelMode,
    /// TTL and traffic class model of the VPN labels.
    pub model: TunnelModel,
    /// A bound on its routes. Default none.
    pub limit: Option<RouteLimit>,
    /// The AS number of the customer, where CEs are internal peers (RFC 6368). Default none: they are external.
    pub customer_as: Option<u32>,
    /// The IGP to its sites, if there is one: routes from elsewhere are told to it. Default none.
    pub igp: Option<IgpConfig>,
    /// Program the second best way beside the best, so that traffic moves with one operation when the next hop or circuit of the best fails,
    /// however many routes go there; where the speaker was given pairs
    /// ([`Speaker::set_protections`](crate::speaker::Speaker::set_protections)). The ways come from CEs and from PEs that announce with
    /// route distinguishers of their own. Default off.
    pub backup: bool,
    /// Export the best route of the VRF's own CEs even where one of another PE is used, so that others have it at hand
    /// (draft-ietf-idr-best-external). With labels per circuit or prefix only: a look-up would send the packet back. Default off.
    pub best_external: bool,
    /// Where the VPN goes on in another AS by option AB: packets by these interfaces, routes over the session with the ASBR. What the VRF
    /// imports is then exported, too, with its route distinguisher and targets: of other ASes to our own, of our own to those ASBRs. At most one
    /// interface to an ASBR. Routes that came with the VRF's own route distinguisher are not passed on: it should be no other PE's. Default
    /// none.
    pub inter_as: Vec<InterAsLink>,
    /// What becomes of VPN routes that match an import target. Default: all are imported.
    pub import_policy: Policy,
    /// What becomes of the VRF's routes on their way out, with the attributes that export gave them. Default: all are exported.
    pub export_policy: Policy,
}

impl VrfConfig {
    /// A VRF whose import and export set is one route target, with every option at its default.
    #[must_use]
    pub fn new(id: VrfId, name: &str, rd: RouteDistinguisher, target: RouteTarget) -> Self {
        Self {
            id,
            name: name.into(),
            rd,
            vpn_id: None,
            import: alloc::vec![target],
            export: alloc::vec![target],
            site_of_origin: None,
            label_mode: LabelMode::default(),
            model: TunnelModel::default(),
            limit: None,
            customer_as: None,
            igp: None,
            backup: false,
            best_external: false,
            inter_as: Vec::new(),
            import_policy: Policy::default(),
            export_policy: Policy::default(),
        }
    }
}
