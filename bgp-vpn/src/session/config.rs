//! What an operator says about a peer.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::net::VrfId;

use crate::nlri::Family;

/// Bad configuration: which field, and what about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value outside its range.
    #[error("{field}: {value} is not allowed: {rule}")]
    Value {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A name, address or identifier that must be unique and is taken.
    #[error("{field}: {value} is already in use by {owner}")]
    Duplicate {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: String,
        /// Who has it.
        owner: String,
    },
    /// A list that must not be empty.
    #[error("{field}: must not be empty")]
    Empty {
        /// The field's name.
        field: &'static str,
    },
    /// An identifier that names nothing.
    #[error("{field}: there is no {value}")]
    Unknown {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: String,
    },
    /// A pool of numbers ran out.
    #[error("{field}: exhausted")]
    Exhausted {
        /// The field's name.
        field: &'static str,
    },
}

/// What the peer is to us, beyond being IBGP or EBGP by its AS number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerRole {
    /// An ordinary peer. Between two of this kind in one AS, IBGP routes are not passed on.
    #[default]
    Peer,
    /// We are a route reflector and the peer is our client (RFC 4456 §6).
    ReflectorClient,
}

/// Session timers (RFC 4271 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimers {
    /// Offered hold time: 0 (no keepalives) or 3 s to 65,535 s, in whole seconds. Default 90 s.
    pub hold: Duration,
    /// Time between attempts to connect. Default 120 s.
    pub connect_retry: Duration,
    /// Least time between advertisements of one destination to this peer: MinRouteAdvertisementInterval. Default 0, as
    /// current practice for VPN families; RFC 4271 suggests 5 s (IBGP) and 30 s (EBGP).
    pub min_route_advertisement: Duration,
    /// Time to wait for the peer's OPEN before sending ours (DelayOpen, RFC 4271 §8.1.1). `None`, the default, is off.
    pub delay_open: Option<Duration>,
    /// First IdleHoldTime of DampPeerOscillations (RFC 4271 §8.1.1), doubled with each failure. `None`, the default, is
    /// off.
    pub idle_hold: Option<Duration>,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(90),
            connect_retry: Duration::from_secs(120),
            min_route_advertisement: Duration::ZERO,
            delay_open: None,
            idle_hold: None,
        }
    }
}

/// What we offer to a peer for one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyConfig {
    /// The family.
    pub family: Family,
    /// Accept several paths per destination (RFC 7911). Default off.
    pub add_path_receive: bool,
    /// Send several paths per destination. Default off.
    pub add_path_send: bool,
    /// Labels we take from one NLRI, 1 to 8; above 1 offers capability 8 (RFC 8277 §2.1). Default 1.
    pub max_labels: u8,
    /// Accept IPv6 next hops in an IPv4 family (RFC 8950). Default off.
    pub extended_next_hop: bool,
    /// Routes we keep of this peer and family; beyond, routes are refused and counted. Default unlimited.
    pub max_routes: Option<u32>,
}

impl FamilyConfig {
    /// The family with every option at its default.
    #[must_use]
    pub const fn new(family: Family) -> Self {
        Self {
            family,
            add_path_receive: false,
            add_path_send: false,
            max_labels: 1,
            extended_next_hop: false,
            max_routes: None,
        }
    }
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// The routing table the session runs in: [`VrfId::GLOBAL`] for PEs and reflectors, a VRF for a CE.
    pub vrf: VrfId,
    /// The peer's address.
    pub address: IpAddr,
    /// Our address on the session; it becomes the next hop we announce.
    pub local_address: IpAddr,
    /// The peer's AS number, 1 to 2^32 - 1. Equal to ours: IBGP.
    pub remote_as: u32,
    /// What the peer is to us.
    pub role: PeerRole,
    /// Families to offer, at least one.
    pub families: Vec<FamilyConfig>,
    /// Timers.
    pub timers: SessionTimers,
    /// Wait for the peer to connect instead of connecting (PassiveTcpEstablishment). Default off.
    pub passive: bool,
    /// Offer extended messages (RFC 8654). Default on.
    pub extended_messages: bool,
    /// Offer graceful restart (RFC 4724) with this restart time, 0 to 4,095 s. Default `None`: only End-of-RIB is
    /// offered.
    pub graceful_restart: Option<Duration>,
}

impl PeerConfig {
    /// A peer of the global table with every option at its default.
    #[must_use]
    pub fn new(address: IpAddr, local_address: IpAddr, remote_as: u32, families: &[Family]) -> Self {
        Self {
            vrf: VrfId::GLOBAL,
            address,
            local_address,
            remote_as,
            role: PeerRole::Peer,
            families: families.iter().copied().map(FamilyConfig::new).collect(),
            timers: SessionTimers::default(),
            passive: false,
            extended_messages: true,
            graceful_restart: None,
        }
    }
}

/// Who we are on every session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalIdentity {
    /// Our AS number, 1 to 2^32 - 1.
    pub asn: u32,
    /// Our BGP identifier, not 0 (RFC 6286).
    pub router_id: Ipv4Addr,
}
