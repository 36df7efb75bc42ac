//! P-tunnels as values that a machine keeps (RFC 6514 §5).

use core::net::IpAddr;

use bgp_vpn::attr::{PimTree, PmsiFlags, PmsiLabel, PmsiTunnel, PmsiTunnelId, PmsiTunnelType};
use bgp_vpn::nlri::MldpFec;
use fwd_core::net::Label;
use smallvec::SmallVec;

use super::technology::{LONGEST, TunnelIdentifier};

/// The name of a multipoint LSP (RFC 6388 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MldpLsp {
    /// The root.
    pub root: IpAddr,
    /// Opaque value: LDP MP opaque value elements.
    pub opaque: SmallVec<[u8; 16]>,
}

impl MldpLsp {
    /// An LSP with a generic LSP identifier, type 1 (RFC 6388 §2.3.1).
    #[must_use]
    pub fn generic(root: IpAddr, id: u32) -> Self {
        let mut opaque = SmallVec::from_slice(&[1, 0, 4]);
        opaque.extend_from_slice(&id.to_be_bytes());
        Self { root, opaque }
    }
}

/// What names a P-tunnel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PTunnel {
    /// Only leaves are asked for.
    None,
    /// Type 1.
    RsvpTeP2mp {
        /// Extended Tunnel ID: the ingress router.
        ingress: IpAddr,
        /// Tunnel ID.
        tunnel_id: u16,
        /// P2MP ID.
        p2mp_id: u32,
    },
    /// Type 2.
    MldpP2mp(MldpLsp),
    /// Type 3.
    PimSsm {
        /// Root.
        root: IpAddr,
        /// P-group.
        group: IpAddr,
    },
    /// Type 4.
    PimSm {
        /// Sender.
        sender: IpAddr,
        /// P-group.
        group: IpAddr,
    },
    /// Type 5.
    BidirPim {
        /// Sender.
        sender: IpAddr,
        /// P-group.
        group: IpAddr,
    },
    /// Type 6: where the PE receives unicast tunnels.
    IngressReplication(IpAddr),
    /// Type 7.
    MldpMp2mp(MldpLsp),
    /// Another type, of a [`TunnelTechnology`](super::TunnelTechnology).
    Other {
        /// The type.
        tunnel_type: PmsiTunnelType,
        /// Tunnel Identifier.
        identifier: TunnelIdentifier,
    },
}

/// PMSI_TUNNEL as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PmsiTunnelValue {
    /// L: leaves announce themselves (RFC 6514 §5).
    pub leaf_information_required: bool,
    /// LIR-pF: leaves announce themselves flow by flow (RFC 8534 §2).
    pub per_flow: bool,
    /// The label.
    pub label: Option<Label>,
    /// The tunnel.
    pub tunnel: PTunnel,
}

impl PmsiTunnelValue {
    /// A tunnel without flags and label.
    #[must_use]
    pub const fn new(tunnel: PTunnel) -> Self {
        Self { leaf_information_required: false, per_flow: false, label: None, tunnel }
    }

    /// The value of a received attribute; `None` for a type of tunnel that nothing is received from here, which makes the attribute malformed
    /// (RFC 6514 §5): its routes are to be taken as withdrawn. A type that may be of one of [`MvpnConfig::technologies`](super::MvpnConfig::technologies)
    /// has a value; the machine refuses it if it is not.
    #[must_use]
    pub fn from_attribute(attribute: &PmsiTunnel<'_>) -> Option<Self> {
        let lsp = |fec: MldpFec<'_>| Some(MldpLsp { root: fec.root()?, opaque: SmallVec::from_slice(fec.opaque) });
        let tunnel = match attribute.tunnel {
            PmsiTunnelId::None => PTunnel::None,
            PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id } => {
                PTunnel::RsvpTeP2mp { ingress: extended_tunnel_id, tunnel_id, p2mp_id }
            }
            PmsiTunnelId::MldpP2mp(fec) => PTunnel::MldpP2mp(lsp(fec)?),
            PmsiTunnelId::MldpMp2mp(fec) => PTunnel::MldpMp2mp(lsp(fec)?),
            PmsiTunnelId::PimSsm(tree) => PTunnel::PimSsm { root: tree.source(), group: tree.group() },
            PmsiTunnelId::PimSm(tree) => PTunnel::PimSm { sender: tree.source(), group: tree.group() },
            PmsiTunnelId::BidirPim(tree) => PTunnel::BidirPim { sender: tree.source(), group: tree.group() },
            PmsiTunnelId::IngressReplication(address) => PTunnel::IngressReplication(address),
            PmsiTunnelId::Other { tunnel_type, identifier } if identifier.len() <= LONGEST => {
                PTunnel::Other { tunnel_type, identifier: SmallVec::from_slice(identifier) }
            }
            _ => return None,
        };
        let has = |flag| attribute.flags.contains(flag);
        Some(Self {
            leaf_information_required: has(PmsiFlags::LEAF_INFORMATION_REQUIRED),
            per_flow: has(PmsiFlags::LEAF_INFORMATION_REQUIRED_PER_FLOW),
            label: attribute.label.label(),
            tunnel,
        })
    }

    /// Hands the attribute to `then`. `None` if the tunnel's addresses are of two families.
    pub fn with_attribute<R>(&self, then: impl FnOnce(&PmsiTunnel<'_>) -> R) -> Option<R> {
        let mut flags = PmsiFlags::empty();
        flags.set(PmsiFlags::LEAF_INFORMATION_REQUIRED, self.leaf_information_required);
        flags.set(PmsiFlags::LEAF_INFORMATION_REQUIRED_PER_FLOW, self.per_flow);
        let label = self.label.map_or(PmsiLabel::NONE, PmsiLabel::new);
        let mut root: SmallVec<[u8; 16]> = SmallVec::new();
        let tunnel = match &self.tunnel {
            PTunnel::None => PmsiTunnelId::None,
            PTunnel::RsvpTeP2mp { ingress, tunnel_id, p2mp_id } => {
                PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id: *ingress, tunnel_id: *tunnel_id, p2mp_id: *p2mp_id }
            }
            PTunnel::MldpP2mp(lsp) => PmsiTunnelId::MldpP2mp(fec(MldpFec::P2MP, lsp, &mut root)),
            PTunnel::MldpMp2mp(lsp) => PmsiTunnelId::MldpMp2mp(fec(MldpFec::MP2MP_DOWNSTREAM, lsp, &mut root)),
            PTunnel::PimSsm { root, group } => PmsiTunnelId::PimSsm(pair(*root, *group)?),
            PTunnel::PimSm { sender, group } => PmsiTunnelId::PimSm(pair(*sender, *group)?),
            PTunnel::BidirPim { sender, group } => PmsiTunnelId::BidirPim(pair(*sender, *group)?),
            PTunnel::IngressReplication(address) => PmsiTunnelId::IngressReplication(*address),
            PTunnel::Other { tunnel_type, identifier } => PmsiTunnelId::Other { tunnel_type: *tunnel_type, identifier },
        };
        Some(then(&PmsiTunnel { flags, label, tunnel }))
    }
}

fn fec<'a>(fec_type: u8, lsp: &'a MldpLsp, root: &'a mut SmallVec<[u8; 16]>) -> MldpFec<'a> {
    let address_family = match lsp.root {
        IpAddr::V4(address) => {
            root.extend_from_slice(&address.octets());
            1
        }
        IpAddr::V6(address) => {
            root.extend_from_slice(&address.octets());
            2
        }
    };
    MldpFec { fec_type, address_family, root_octets: root, opaque: &lsp.opaque }
}

const fn pair(source: IpAddr, group: IpAddr) -> Option<PimTree> {
    match (source, group) {
        (IpAddr::V4(source), IpAddr::V4(group)) => Some(PimTree::V4 { source, group }),
        (IpAddr::V6(source), IpAddr::V6(group)) => Some(PimTree::V6 { source, group }),
        _ => None,
    }
}
