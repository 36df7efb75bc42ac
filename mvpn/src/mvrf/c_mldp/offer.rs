//! Which tunnels a customer that is a carrier may have across which tunnels of the provider (RFC 4834 §5.1.8, RFC 6513 §6.4).

use bgp_vpn::attr::PmsiTunnelType;

use crate::mvrf::config::TunnelKind;

/// How a customer's P-tunnels cross the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Their LSPs are joined across the VPN by mLDP with the CEs: C-multicast mLDP (RFC 6514 §15, RFC 7441).
    CMldp,
    /// They are the customer's multicast trees: PIM with the CEs, as any VPN has (RFC 6513).
    CPim,
    /// They are unicast LSPs of the customer's, by labelled routes (RFC 4364 §9): no multicast at this provider.
    Unicast,
}

/// Why a customer's P-tunnels do not cross a tunnel of the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferRefused {
    /// RSVP-TE P2MP: no document says how its sub-LSPs are joined across a VRF, nor how a PE is to answer for one that another PE refused.
    #[error("RSVP-TE is no C-multicast protocol: nothing specifies P2MP LSPs of RFC 4875 across a VRF")]
    RsvpTe,
    /// mLDP MP2MP: RFC 7441 names such an LSP in routes; how packets get from its leaves to its root over a PMSI is not specified.
    #[error("an MP2MP LSP of a customer's has no way from its leaves to its root over a PMSI")]
    Mp2mp,
    /// An LSP's packets have labels, and the provider's trees of this kind carry IP packets alone.
    #[error("trees of PIM carry no labelled packets")]
    Unlabelled,
    /// An LSP needs an S-PMSI, which a tree that all PEs send by cannot have (RFC 6513 leaves S-PMSIs on shared trees out).
    #[error("an LSP needs an S-PMSI, and this tunnel is none of a single root")]
    SharedTree,
    /// A tunnel of a type that this crate does not know.
    #[error("a tunnel of another type")]
    Other,
}

/// Whether P-tunnels of a type can be offered to a customer that is a carrier, where the tunnels of the VPN's S-PMSIs (or with
/// [`Offer::CPim`] of its I-PMSI) are of a kind, and how they cross.
///
/// | Customer | ingress replication, mLDP P2MP, RSVP-TE P2MP | mLDP MP2MP | PIM-SSM, PIM-SM, BIDIR-PIM |
/// |---|---|---|---|
/// | mLDP P2MP | C-multicast mLDP | [`OfferRefused::SharedTree`] | [`OfferRefused::Unlabelled`] |
/// | PIM-SSM, PIM-SM, BIDIR-PIM | C-multicast PIM | C-multicast PIM | C-multicast PIM |
/// | ingress replication | unicast LSPs | unicast LSPs | unicast LSPs |
/// | mLDP MP2MP | [`OfferRefused::Mp2mp`] | the same | the same |
/// | RSVP-TE P2MP | [`OfferRefused::RsvpTe`] | the same | the same |
///
/// ```
/// use bgp_vpn::attr::PmsiTunnelType;
/// use mvpn::mvrf::{Offer, OfferRefused, TunnelKind, offer};
///
/// assert_eq!(offer(PmsiTunnelType::MLDP_P2MP, TunnelKind::RsvpTeP2mp), Ok(Offer::CMldp));
/// assert_eq!(offer(PmsiTunnelType::RSVP_TE_P2MP, TunnelKind::RsvpTeP2mp), Err(OfferRefused::RsvpTe));
/// ```
///
/// # Errors
/// They cannot, and why.
pub const fn offer(customer: PmsiTunnelType, by: TunnelKind) -> Result<Offer, OfferRefused> {
    match customer {
        PmsiTunnelType::MLDP_P2MP => match by {
            TunnelKind::IngressReplication | TunnelKind::MldpP2mp | TunnelKind::RsvpTeP2mp => Ok(Offer::CMldp),
            TunnelKind::MldpMp2mp { .. } => Err(OfferRefused::SharedTree),
            TunnelKind::PimSsm | TunnelKind::PimSm(_) | TunnelKind::BidirPim(_) => Err(OfferRefused::Unlabelled),
            TunnelKind::Other(_) => Err(OfferRefused::Other),
        },
        PmsiTunnelType::PIM_SSM | PmsiTunnelType::PIM_SM | PmsiTunnelType::BIDIR_PIM => Ok(Offer::CPim),
        PmsiTunnelType::INGRESS_REPLICATION => Ok(Offer::Unicast),
        PmsiTunnelType::MLDP_MP2MP => Err(OfferRefused::Mp2mp),
        PmsiTunnelType::RSVP_TE_P2MP => Err(OfferRefused::RsvpTe),
        _ => Err(OfferRefused::Other),
    }
}
