//! What a negotiation yields: a pair of ESP security associations, for the SAD (RFC 4301 §4.4.2).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::context::VpnContext;
use super::crypto::{Encryption, IntegrityId, Secret};
use super::selector::TrafficSelector;

/// An IKE SA of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeSaId(pub u32);

/// A Child SA (of IKEv1: an IPsec SA) of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildSaId(pub u32);

/// How packets are carried (RFC 4301 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A whole IP packet, in a new one between the two systems.
    #[default]
    Tunnel,
    /// What follows the IP header of a packet between the two systems themselves.
    Transport,
}

/// The algorithms of ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EspSuite {
    /// Encryption.
    pub encryption: Encryption,
    /// Integrity; [`IntegrityId::NONE`] where encryption does it.
    pub integrity: IntegrityId,
    /// Whether sequence numbers have 64 bits (RFC 4303 §2.2.1).
    pub extended: bool,
}

/// The keys of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspKeys {
    /// The encryption key, with the salt at its end where there is one.
    pub encryption: Secret,
    /// The integrity key; empty where encryption does it.
    pub integrity: Secret,
}

/// ESP in UDP (RFC 3948).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpEncapsulation {
    /// Address and port at this end.
    pub local: SocketAddr,
    /// Address and port at the peer, as seen from here.
    pub remote: SocketAddr,
}

/// A pair of ESP SAs, one in each direction, ready for the SAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSa {
    /// What the machine knows it by.
    pub id: ChildSaId,
    /// The IKE SA that it hangs on.
    pub ike: IkeSaId,
    /// The SPI of packets received.
    pub spi_in: u32,
    /// The SPI of packets sent.
    pub spi_out: u32,
    /// The algorithms, the same in both directions.
    pub suite: EspSuite,
    /// The keys of packets received.
    pub keys_in: EspKeys,
    /// The keys of packets sent.
    pub keys_out: EspKeys,
    /// How packets are carried.
    pub mode: Mode,
    /// ESP in UDP, where there is a NAT on the way or the configuration asks for it.
    pub encapsulation: Option<UdpEncapsulation>,
    /// Outer address at this end.
    pub local: IpAddr,
    /// Outer address of the peer.
    pub remote: IpAddr,
    /// What packets sent come from, and packets received are for.
    pub local_selectors: Vec<TrafficSelector>,
    /// What packets sent are for, and packets received come from.
    pub remote_selectors: Vec<TrafficSelector>,
    /// The security label (RFC 9478), if one was negotiated.
    pub label: Option<Vec<u8>>,
    /// The VPN context that both ends said, if they did.
    pub context: Option<VpnContext>,
    /// The SA that this one takes over from; it is still there until [`ChildSaId`] of it is reported deleted.
    pub replaces: Option<ChildSaId>,
    /// When the machine begins to replace it, from now. Octets and packets are counted by the SAD, which asks for a replacement.
    pub soft_lifetime: Duration,
    /// The configured child that it is one of, as `ChildConfig::tag` says.
    pub tag: u32,
}

impl ChildSa {
    /// Whether it was made for this application in this VPN.
    #[must_use]
    pub fn is_for(&self, context: &VpnContext) -> bool {
        self.context.as_ref() == Some(context)
    }
}
