//! Technologies of P-tunnels that are not this crate's own: what a PMSI_TUNNEL of their type says, by whoever knows (RFC 6513 §3.2.2,
//! RFC 7385 §3).

use core::fmt::Debug;
use core::net::IpAddr;

use bgp_vpn::attr::PmsiTunnelType;
use smallvec::SmallVec;

/// A Tunnel Identifier (RFC 6514 §5).
pub type TunnelIdentifier = SmallVec<[u8; 24]>;

/// The most octets of a Tunnel Identifier that is kept.
pub(super) const LONGEST: usize = 64;

/// A technology of P-tunnels. Whoever implements it and puts it into [`MvpnConfig::technologies`](super::MvpnConfig::technologies) has a new
/// kind of tunnel, [`TunnelKind::Other`](super::TunnelKind::Other): joins, S-PMSIs, leaves and forwarding are as for every tree, and the
/// provider of tunnels is asked for it by [`TreeRequest`](super::TreeRequest).
///
/// ```
/// use bgp_vpn::attr::PmsiTunnelType;
/// use mvpn::mvrf::{MvpnConfig, TunnelIdentifier, TunnelTechnology};
///
/// #[derive(Debug)]
/// struct Mine;
/// impl TunnelTechnology for Mine {
///     fn tunnel_type(&self) -> PmsiTunnelType {
///         PmsiTunnelType(0x7b)
///     }
///     fn identifier(&self, _root: core::net::IpAddr, number: u32) -> TunnelIdentifier {
///         TunnelIdentifier::from_slice(&number.to_be_bytes())
///     }
///     fn is_identifier(&self, octets: &[u8]) -> bool {
///         octets.len() == 4
///     }
/// }
/// let mut config = MvpnConfig::new([192, 0, 2, 1].into(), 65001);
/// config.technologies = vec![&Mine];
/// ```
pub trait TunnelTechnology: Debug + Send + Sync {
    /// Its type in the registry of PMSI Tunnel Types.
    fn tunnel_type(&self) -> PmsiTunnelType;
    /// The identifier of the tunnel of a number that this PE is the root of: at most 64 octets.
    fn identifier(&self, root: IpAddr, number: u32) -> TunnelIdentifier;
    /// Whether octets are an identifier of such a tunnel. If not, the attribute is malformed.
    fn is_identifier(&self, octets: &[u8]) -> bool;
}

/// The technology of a type among those that were added.
pub(super) fn find(
    technologies: &[&'static dyn TunnelTechnology],
    tunnel_type: PmsiTunnelType,
) -> Option<&'static dyn TunnelTechnology> {
    technologies.iter().copied().find(|technology| technology.tunnel_type() == tunnel_type)
}

/// Whether a type is none that the attribute's own parser knows.
pub(super) const fn may_be(tunnel_type: PmsiTunnelType) -> bool {
    matches!(tunnel_type.0, 0x09 | 0x0a | 0x0c..=0x7e)
}
