//! Configuration of discovery, and what goes in and comes out.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;
use core::time::Duration;

use fwd_core::net::IfIndex;

use super::super::session::ConfigError;
use super::super::{LdpId, TransportPreference};
use super::authentication::HelloAuthConfig;

/// How an LSR discovers peers.
#[derive(Clone, Debug)]
pub struct DiscoveryConfig {
    /// Our label space.
    pub local: LdpId,
    /// Our end of sessions over IPv4; `None`: no Hellos over IPv4.
    pub transport_v4: Option<Ipv4Addr>,
    /// Our end of sessions over IPv6, a global unicast address; `None`: no Hellos over IPv6.
    pub transport_v6: Option<Ipv6Addr>,
    /// Which of both we prefer, where there are both (RFC 7552 §6.1.1). Default IPv6.
    pub preference: TransportPreference,
    /// Hold time of Link Hellos, 1 s to 65,534 s in whole seconds. Default 15 s. Hellos go out three times in that time.
    pub link_hold: Duration,
    /// Hold time of Targeted Hellos, 1 s to 65,534 s in whole seconds. Default 45 s.
    pub targeted_hold: Duration,
    /// Answer whoever asks for Targeted Hellos; else only configured targets are answered. Default off.
    pub accept_targeted: bool,
    /// Say in Hellos that sessions use GTSM (RFC 6720 §2). Default on.
    pub gtsm: bool,
    /// Authentication of Hellos (RFC 7349). Default none, and Hellos that are authenticated are not taken.
    pub authentication: Option<HelloAuthConfig>,
    /// Adjacencies that there may be, at most, and addresses whose sequence numbers are remembered. Default 4,096.
    pub max_adjacencies: usize,
}

impl DiscoveryConfig {
    /// Discovery with defaults; give it a transport address.
    #[must_use]
    pub const fn new(local: LdpId) -> Self {
        Self {
            local,
            transport_v4: None,
            transport_v6: None,
            preference: TransportPreference::IPV6,
            link_hold: Duration::from_secs(15),
            targeted_hold: Duration::from_secs(45),
            accept_targeted: false,
            gtsm: true,
            authentication: None,
            max_adjacencies: 4096,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("link_hold", self.link_hold), ("targeted_hold", self.targeted_hold)] {
            if value.subsec_nanos() != 0 || !(1..=65_534).contains(&value.as_secs()) {
                return Err(ConfigError::Time { field, value, rule: "1 to 65,534 whole seconds" });
            }
        }
        if let Some(address) = self.transport_v6.filter(|a| a.is_unicast_link_local() || a.is_multicast()) {
            let rule = "a global unicast address (RFC 7552 §6.1)";
            return Err(ConfigError::Address { field: "transport_v6", value: address.into(), rule });
        }
        self.authentication.as_ref().map_or(Ok(()), HelloAuthConfig::validate)
    }
}

/// The addresses of an interface on which LDP runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceAddresses {
    /// The source of Link Hellos over IPv4; `None`: none are sent.
    pub v4: Option<Ipv4Addr>,
    /// The link-local source of Link Hellos over IPv6; `None`: none are sent.
    pub v6: Option<Ipv6Addr>,
}

/// Where Hellos go to and come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelloTarget {
    /// All routers of a link: 224.0.0.2 or ff02::2.
    Link {
        /// The interface.
        iface: IfIndex,
        /// Over IPv6; else IPv4.
        ipv6: bool,
    },
    /// One LSR, wherever it is.
    Targeted(IpAddr),
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram to port 646.
    Datagram {
        /// Its source.
        from: IpAddr,
        /// The interface it came by.
        iface: IfIndex,
        /// It was sent to all routers of the link (224.0.0.2, ff02::2); other groups are dropped by the embedder.
        to_all_routers: bool,
        /// Its TTL or hop limit.
        ttl: u8,
        /// The octets.
        octets: &'a [u8],
    },
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a Hello from and to port 646.
    Datagram {
        /// Where to.
        to: HelloTarget,
        /// The source address.
        from: IpAddr,
        /// The TTL or hop limit: 255 over IPv6 links and for Targeted Hellos, else 1.
        ttl: u8,
        /// The octets.
        octets: Vec<u8>,
    },
    /// There is an adjacency.
    Up(Adjacency),
    /// The adjacency says something else than before: its transport address or its configuration sequence number.
    Changed(Adjacency),
    /// There is an adjacency no more. Without another one the session with its peer ends.
    Down(AdjacencyId),
    /// Something to log or count.
    Event(Event),
}

/// What names an adjacency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdjacencyId {
    /// The link, or the target.
    pub target: HelloTarget,
    /// The peer's label space.
    pub peer: LdpId,
}

impl AdjacencyId {
    /// All adjacencies over a link or with a target.
    pub(super) const fn over(target: HelloTarget) -> RangeInclusive<Self> {
        let first = LdpId { lsr: Ipv4Addr::UNSPECIFIED, label_space: 0 };
        let last = LdpId { lsr: Ipv4Addr::BROADCAST, label_space: u16::MAX };
        RangeInclusive::new(Self { target, peer: first }, Self { target, peer: last })
    }
}

/// A peer that wants to exchange labels over a link, or from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// What names it.
    pub id: AdjacencyId,
    /// The peer's end of the session.
    pub transport: IpAddr,
    /// Our end of the session.
    pub local_transport: IpAddr,
    /// The source of the peer's Hellos.
    pub source: IpAddr,
    /// Changes with the peer's configuration.
    pub configuration_sequence: Option<u32>,
    /// The peer uses GTSM on the session (RFC 6720 §2.1).
    pub gtsm: bool,
    /// The peer is dual-stack and prefers this family for the session (RFC 7552 §6.1.1).
    pub preference: Option<TransportPreference>,
}

/// Something to log or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The table of adjacencies is full: a peer is not taken. At most once a second.
    TooMany,
    /// A dual-stack peer contradicts itself or us about the session's family: there will be no session over this adjacency
    /// (RFC 7552 §6.1.1).
    DualStackNoncompliance(AdjacencyId),
    /// A Hello from this address was not authenticated as it should be, or was not new (RFC 7349 §6.2). At most once a second.
    Unauthenticated(IpAddr, Refusal),
    /// The time of all keys is over: the last one is used on until there is another (RFC 7349 §2.2). At most once a minute.
    LastKeyExpired,
    /// No Hello can be authenticated, and none is sent: no key's time has come, or the sequence numbers are used up (RFC 7349 §2.4). At
    /// most once a minute.
    NoKey,
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It is no PDU with a Hello.
    Malformed,
    /// Our own.
    Ours,
    /// A Link Hello that did not come over a link on which LDP runs, or with the wrong source or hop limit.
    Link,
    /// A Targeted Hello that nobody asked for.
    Targeted,
    /// No transport address of the Hello's family, on either side.
    Transport,
    /// The table of adjacencies is full.
    TooMany,
    /// Not authenticated, or with a digest that is not ours to take (RFC 7349 §6.2).
    Unauthenticated,
    /// The sequence number is not greater than the last one from the same address (RFC 7349 §6.2).
    Replayed,
}

/// Datagrams by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryCounters {
    /// Hellos sent.
    pub sent: u64,
    /// Hellos that keep an adjacency.
    pub accepted: u64,
    /// Datagrams dropped, by [`Refusal`] in its order.
    pub refused: [u64; 8],
}
