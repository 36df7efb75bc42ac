//! What an operator says about a peer.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use fwd_core::net::{LabelSpaceId, VrfId};

use super::Protection;
use crate::message::Open;
use crate::message::capability::{
    AddPath, Capability, Entries, ExtendedNextHop, FamilyRestart, GracefulRestart, LongLived, MultipleLabels,
    RestartFamilyFlags, RestartFlags, SendReceive,
};
use crate::nlri::{Family, Framing, Labels, Safi};
use crate::policy::Policy;

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
    /// ConnectRetryTime: how long an attempt to connect may take, and the longest time between two attempts, 1 s to
    /// 65,535 s. After a failure the next attempt follows in about 1 s, then 2 s, 4 s and so on up to this. Default 120 s.
    pub connect_retry: Duration,
    /// Least time between advertisements of one destination to this peer: MinRouteAdvertisementInterval. Default 0, as
    /// current practice for VPN families; RFC 4271 suggests 5 s (IBGP) and 30 s (EBGP).
    pub min_route_advertisement: Duration,
    /// Time to wait for the peer's OPEN before sending ours (DelayOpen, RFC 4271 §8.1.1), up to 240 s. `None`, the
    /// default, is off.
    pub delay_open: Option<Duration>,
    /// First IdleHoldTime of DampPeerOscillations (RFC 4271 §8.1.1), 1 s to 65,535 s: time in Idle after a failure, doubled
    /// with each failure up to 64-fold. `None`, the default, is off.
    pub idle_hold: Option<Duration>,
    /// SendHoldTime (RFC 9687): the longest time the peer may take no octets while we have some for it. Default 480 s, and
    /// never less than twice the negotiated hold time. `None`, or a negotiated hold time of zero: no limit.
    pub send_hold: Option<Duration>,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(90),
            connect_retry: Duration::from_secs(120),
            min_route_advertisement: Duration::ZERO,
            delay_open: None,
            idle_hold: None,
            send_hold: Some(Duration::from_secs(480)),
        }
    }
}

/// Which next hop a peer is told of routes that others brought. Where it is ours, labelled routes get a label of ours, too
/// (RFC 8277 §3.2.2), and their packets are forwarded by us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHopRule {
    /// Ours towards other ASes and CEs, the route's own within the AS (RFC 4271 §5.1.3).
    #[default]
    ByKind,
    /// Ours: an ASBR towards its own AS (RFC 4364 §10 b), a border router of an area.
    Own,
    /// The route's own towards other ASes too: route reflectors that exchange VPN routes over several hops (RFC 4364 §10 c).
    Unchanged,
}

/// What we offer to a peer for one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyConfig {
    /// The family.
    pub family: Family,
    /// Accept several paths per destination (RFC 7911). Default off.
    pub add_path_receive: bool,
    /// Send several paths per destination (RFC 7911), not of route target memberships. Default off.
    pub add_path_send: bool,
    /// The most paths of a destination that are sent where several are, the best of them, 1 to 255. Default 8.
    pub max_paths: u8,
    /// Offer long-lived graceful restart (RFC 9494) with this stale time, 0 to 16,777,215 s, and keep the peer's routes for as long as it
    /// offers, for 36 families at most; beside [`PeerConfig::graceful_restart`]. Default `None`: off.
    pub long_lived: Option<Duration>,
    /// Tell a peer of our AS the best path of other ASes where the best of all came from within and would not be told it, so that
    /// it has another way at hand (draft-ietf-idr-best-external); in labelled and VPN families. Default off.
    pub best_external: bool,
    /// Labels we take from one NLRI, 1 to 8; above 1 offers capability 8 (RFC 8277 §2.1). Default 1.
    pub max_labels: u8,
    /// Accept IPv6 next hops in an IPv4 family (RFC 8950). Default off.
    pub extended_next_hop: bool,
    /// How NLRI of a family that this crate does not know are told apart, so that they can be reflected. Default `None`: as
    /// [`Framing::of`] says.
    pub framing: Option<Framing>,
    /// Routes we keep of this peer and family; beyond, routes are refused and counted. Default unlimited.
    pub max_routes: Option<u32>,
    /// Which next hop the peer is told.
    pub next_hop: NextHopRule,
    /// Of route target constraint (RFC 4684 §4): tell the peer the default route target, which asks it for all VPN routes. What a
    /// reflector tells its clients where some of its peers do not constrain. Default off.
    pub default_target: bool,
}

impl FamilyConfig {
    /// The family with every option at its default.
    #[must_use]
    pub const fn new(family: Family) -> Self {
        Self {
            family,
            add_path_receive: false,
            add_path_send: false,
            max_paths: 8,
            best_external: false,
            long_lived: None,
            max_labels: 1,
            extended_next_hop: false,
            framing: None,
            max_routes: None,
            next_hop: NextHopRule::ByKind,
            default_target: false,
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
    /// Our link-local address on a subnet that the peer shares: told beside [`Self::local_address`], an IPv6 one, as next hop (RFC 2545 §3;
    /// RFC 4659 §3.2.1.1, §8). Default none.
    pub link_local: Option<Ipv6Addr>,
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
    /// Take routes of an external peer only if AS_PATH begins with its AS number (RFC 4271 §6.3); others are taken as
    /// withdrawn. Default on; off for route servers (RFC 7947 §2.2.2.1).
    pub enforce_first_as: bool,
    /// How often our AS number may be in AS_PATH of the peer's routes, 0 to 10: customers with sites of one AS number, hub
    /// and spoke. Default 0.
    pub allow_own_as: u8,
    /// Put our AS number in the place of the peer's in AS_PATH of what it is told, so that sites of a customer take each
    /// other's routes. Default off.
    pub as_override: bool,
    /// How fast its UPDATEs are taken (RFC 4031 §6.7). Default: as fast as they come.
    pub update_rate: Option<UpdateRate>,
    /// Our AS number on this session, where it is not the router's: with a CE that is an internal peer, the customer's
    /// (RFC 6368 §4). Default: the router's.
    pub local_as: Option<u32>,
    /// The label space of the interface that the peer's packets arrive by: the labels that it is told stand there, and packets with others
    /// are dropped (RFC 4364 §10 b, §13.1). One per peer. The interface and its space
    /// ([`FwdOp::SetLabelSpace`](fwd_core::op::FwdOp)) belong to the embedder. Default none: the per-platform space.
    pub label_space: Option<LabelSpaceId>,
    /// What is asked of the peer's connections: authentication, a least TTL. Default nothing.
    pub protection: Protection,
    /// The peer is an ASBR of another AS with which VPNs are joined by option AB: one session for the VPN routes of all VPNs, and for each
    /// VPN an interface of its own for the packets, which carry no label there. Its VPN routes are for VRFs that say such an interface
    /// ([`VrfConfig::inter_as`](crate::vrf::VrfConfig)), which pass them on as routes of their own; it is told what those VRFs know, and no
    /// other VPN route. Default off.
    pub option_ab: bool,
    /// What becomes of the peer's routes. Default: all are taken.
    pub import: Policy,
    /// What becomes of routes that the peer is to be told. Default: all are told.
    pub export: Policy,
}

/// How fast a peer's UPDATEs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateRate {
    /// Routes announced or withdrawn a second, from 1. Every UPDATE counts as one more, whatever is in it.
    pub per_second: u32,
    /// Routes taken at once before that counts: a table that a peer sends when its session comes up.
    pub burst: u32,
}

impl PeerConfig {
    /// A peer of the global table with every option at its default.
    #[must_use]
    pub fn new(address: IpAddr, local_address: IpAddr, remote_as: u32, families: &[Family]) -> Self {
        Self {
            vrf: VrfId::GLOBAL,
            address,
            local_address,
            link_local: None,
            remote_as,
            role: PeerRole::Peer,
            families: families.iter().copied().map(FamilyConfig::new).collect(),
            timers: SessionTimers::default(),
            passive: false,
            extended_messages: true,
            graceful_restart: None,
            enforce_first_as: true,
            allow_own_as: 0,
            as_override: false,
            update_rate: None,
            local_as: None,
            label_space: None,
            protection: Protection::default(),
            option_ab: false,
            import: Policy::default(),
            export: Policy::default(),
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

/// What our OPEN says beyond the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenState {
    /// This router has restarted and the session was not up since (RFC 4724 §4.1).
    pub(super) restarted: bool,
    /// Our forwarding state outlived what ended the last session (RFC 4724 §3, RFC 8538 §4).
    pub(super) forwarding: bool,
    /// The peer refused an OPEN with optional parameters (RFC 5492 §3).
    pub(super) without_capabilities: bool,
}

fn refuse(field: &'static str, value: impl ToString, rule: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Value { field, value: value.to_string(), rule })
}

fn check_duration(field: &'static str, d: Duration, min: u64, max: u64, rule: &'static str) -> Result<(), ConfigError> {
    if d < Duration::from_secs(min) || d > Duration::from_secs(max) {
        return refuse(field, alloc::format!("{d:?}"), rule);
    }
    Ok(())
}

impl SessionTimers {
    /// Checks the timers.
    ///
    /// # Errors
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.hold.subsec_nanos() != 0 || matches!(self.hold.as_secs(), 1 | 2 | 65_536..) {
            return refuse("hold", alloc::format!("{:?}", self.hold), "0, or 3 s to 65535 s in whole seconds");
        }
        check_duration("connect_retry", self.connect_retry, 1, 65_535, "1 s to 65535 s")?;
        check_duration("min_route_advertisement", self.min_route_advertisement, 0, 65_535, "0 to 65535 s")?;
        if let Some(delay) = self.delay_open {
            check_duration("delay_open", delay, 0, 240, "0 to 240 s")?;
        }
        if let Some(idle) = self.idle_hold {
            check_duration("idle_hold", idle, 1, 65_535, "1 s to 65535 s")?;
        }
        if let Some(send) = self.send_hold {
            check_duration("send_hold", send, 1, 65_535, "1 s to 65535 s")?;
        }
        Ok(())
    }
}

impl LocalIdentity {
    /// Checks AS number and identifier.
    ///
    /// # Errors
    /// AS 0 (RFC 7607), AS_TRANS (RFC 6793 §9), or an identifier of zero (RFC 6286 §2.1).
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.asn == 0 || self.asn == u32::from(Open::AS_TRANS) {
            return refuse("asn", self.asn, "1 to 4294967295, not 23456");
        }
        if self.router_id.is_unspecified() {
            return refuse("router_id", self.router_id, "not 0.0.0.0");
        }
        Ok(())
    }
}

impl FamilyConfig {
    /// Checks the family's options.
    ///
    /// # Errors
    /// No paths at all; several paths of memberships; best external paths of a family without labels; a label count of 0 or more than 8, or above 1 in a family without labels; IPv6 next hops for a family that RFC 8950
    /// does not name.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let labelled = matches!(self.family.safi, Safi::LABELED_UNICAST | Safi::VPN_UNICAST);
        if self.max_labels == 0 || usize::from(self.max_labels) > Labels::MAX {
            return refuse("max_labels", self.max_labels, "1 to 8");
        }
        if self.max_labels > 1 && !labelled {
            return refuse("max_labels", self.max_labels, "1 in a family without labels");
        }
        if self.max_paths == 0 {
            return refuse("max_paths", 0, "1 to 255");
        }
        if self.add_path_send && self.family == Family::RT_CONSTRAINT {
            return refuse("add_path_send", self.family, "not of route target memberships");
        }
        if self.best_external && !labelled {
            return refuse("best_external", self.family, "in labelled and VPN families");
        }
        if let Some(time) = self.long_lived {
            check_duration("long_lived", time, 0, LongLived::MAX_TIME.into(), "0 to 16777215 s in whole seconds")?;
        }
        if self.default_target && self.family != Family::RT_CONSTRAINT {
            return refuse("default_target", self.family, "for route target constraint only");
        }
        if self.extended_next_hop && ExtendedNextHop::ipv6(self.family).family().is_none() {
            return refuse("extended_next_hop", self.family, "IPv4 families with SAFI 1, 2, 4, 128 or 129 only");
        }
        Ok(())
    }
}

impl PeerConfig {
    /// The most families of one peer: graceful restart lists no more (RFC 4724 §3).
    pub const MAX_FAMILIES: usize = Entries::<FamilyRestart>::MAX;

    /// Checks the configuration.
    ///
    /// # Errors
    /// The first field that is wrong, by name.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.remote_as == 0 || self.remote_as == u32::from(Open::AS_TRANS) {
            return refuse("remote_as", self.remote_as, "1 to 4294967295, not 23456");
        }
        if self.address.is_unspecified() || self.address.is_multicast() {
            return refuse("address", self.address, "a unicast address");
        }
        if self.local_address.is_unspecified() || self.local_address.is_multicast() {
            return refuse("local_address", self.local_address, "a unicast address");
        }
        if let Some(address) = self.link_local {
            if !address.is_unicast_link_local() || !self.local_address.is_ipv6() {
                return refuse("link_local", address, "in fe80::/10, beside an IPv6 local_address");
            }
        }
        self.protection.validate()?;
        if self.update_rate.is_some_and(|r| r.per_second == 0) {
            return refuse("update_rate", 0, "from 1 route a second");
        }
        if self.families.is_empty() {
            return Err(ConfigError::Empty { field: "families" });
        }
        if let Some(asn) = self.local_as.filter(|asn| *asn == 0 || *asn == u32::from(Open::AS_TRANS)) {
            return refuse("local_as", asn, "1 to 4294967295, not 23456");
        }
        self.import.validate()?;
        self.export.validate()?;
        if self.allow_own_as > 10 {
            return refuse("allow_own_as", self.allow_own_as, "0 to 10");
        }
        if self.families.len() > Self::MAX_FAMILIES {
            return refuse("families", self.families.len(), "at most 63");
        }
        for (n, family) in self.families.iter().enumerate() {
            family.validate()?;
            if self.families.iter().take(n).any(|f| f.family == family.family) {
                let owner = self.address.to_string();
                return Err(ConfigError::Duplicate { field: "families", value: family.family.to_string(), owner });
            }
        }
        if let Some(time) = self.graceful_restart {
            let max = u64::from(GracefulRestart::MAX_TIME);
            if time.subsec_nanos() != 0 || time.as_secs() > max {
                return refuse("graceful_restart", alloc::format!("{time:?}"), "0 to 4095 s in whole seconds");
            }
        }
        let long_lived = self.families.iter().filter(|f| f.long_lived.is_some()).count();
        if long_lived > 0 && self.graceful_restart.is_none() {
            return refuse("long_lived", "without graceful_restart", "beside it");
        }
        if long_lived > Entries::<LongLived>::MAX {
            return refuse("long_lived", long_lived, "36 families at most");
        }
        self.timers.validate()
    }

    /// Our OPEN to this peer. `None` only if the configuration was not validated.
    pub(super) fn open(&self, local: &LocalIdentity, state: OpenState) -> Option<Open> {
        let capabilities = if state.without_capabilities { Vec::new() } else { self.capabilities(local, state)? };
        let hold_time = u16::try_from(self.timers.hold.as_secs()).ok()?;
        Open::new(local.asn, hold_time, local.router_id, capabilities)
    }

    fn capabilities(&self, local: &LocalIdentity, state: OpenState) -> Option<Vec<Capability>> {
        let list = self.families.iter();
        let mut all: Vec<_> = list.clone().map(|f| Capability::Multiprotocol(f.family)).collect();
        all.push(Capability::RouteRefresh);
        let next_hops: Vec<_> =
            list.clone().filter(|f| f.extended_next_hop).map(|f| ExtendedNextHop::ipv6(f.family)).collect();
        if !next_hops.is_empty() {
            all.push(Capability::ExtendedNextHop(Entries::new(&next_hops)?));
        }
        if self.extended_messages {
            all.push(Capability::ExtendedMessage);
        }
        let labels: Vec<_> = list
            .clone()
            .filter(|f| f.max_labels > 1)
            .map(|f| MultipleLabels { family: f.family, count: f.max_labels })
            .collect();
        if !labels.is_empty() {
            all.push(Capability::MultipleLabels(Entries::new(&labels)?));
        }
        all.push(Capability::GracefulRestart(self.restart_capability(state)?));
        all.push(Capability::FourOctetAs(local.asn));
        let paths: Vec<_> = list
            .filter_map(|f| {
                let mode = SendReceive::new(f.add_path_send, f.add_path_receive)?;
                Some(AddPath { family: f.family, mode })
            })
            .collect();
        if !paths.is_empty() {
            all.push(Capability::AddPath(Entries::new(&paths)?));
        }
        all.push(Capability::EnhancedRouteRefresh);
        let mut flags = RestartFamilyFlags::empty();
        flags.set(RestartFamilyFlags::FORWARDING, state.forwarding);
        let entry = |f: &FamilyConfig| {
            let time = u32::try_from(f.long_lived?.as_secs()).ok()?;
            LongLived::new(f.family, flags, time)
        };
        let long_lived: Vec<_> = self.families.iter().filter_map(entry).collect();
        if !long_lived.is_empty() {
            all.push(Capability::LongLivedGracefulRestart(Entries::new(&long_lived)?));
        }
        Some(all)
    }

    /// RFC 4724 §3: without families if only End-of-RIB is offered.
    fn restart_capability(&self, state: OpenState) -> Option<GracefulRestart> {
        let Some(time) = self.graceful_restart else {
            return GracefulRestart::new(RestartFlags::empty(), 0, Entries::new(&[])?);
        };
        let mut flags = RestartFlags::NOTIFICATION;
        flags.set(RestartFlags::RESTARTED, state.restarted);
        let mut of_family = RestartFamilyFlags::empty();
        of_family.set(RestartFamilyFlags::FORWARDING, state.forwarding);
        let families: Vec<_> =
            self.families.iter().map(|f| FamilyRestart { family: f.family, flags: of_family }).collect();
        GracefulRestart::new(flags, u16::try_from(time.as_secs()).ok()?, Entries::new(&families)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlri::Afi;

    fn peer() -> PeerConfig {
        let ip = |n| IpAddr::from([192, 0, 2, n]);
        PeerConfig::new(ip(2), ip(1), 65002, &[Family::VPN_IPV4, Family::IPV4_UNICAST])
    }

    fn refused(change: impl FnOnce(&mut PeerConfig)) -> String {
        let mut config = peer();
        assert_eq!(config.validate(), Ok(()));
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field() {
        let secs = Duration::from_secs;
        assert_eq!(refused(|c| c.remote_as = 0), "remote_as: 0 is not allowed: 1 to 4294967295, not 23456");
        assert!(refused(|c| c.remote_as = 23456).starts_with("remote_as: 23456"));
        assert!(refused(|c| c.address = IpAddr::from([0; 4])).starts_with("address: 0.0.0.0"));
        assert!(refused(|c| c.local_address = IpAddr::from([224, 0, 0, 1])).starts_with("local_address: 224.0.0.1"));
        let rate = UpdateRate { per_second: 0, burst: 1 };
        assert!(refused(|c| c.update_rate = Some(rate)).starts_with("update_rate: 0"));
        assert_eq!(refused(|c| c.families.clear()), "families: must not be empty");
        assert_eq!(
            refused(|c| c.families.push(FamilyConfig::new(Family::VPN_IPV4))),
            "families: vpn-ipv4 is already in use by 192.0.2.2"
        );
        assert!(refused(|c| c.timers.hold = secs(2)).starts_with("hold: 2s"));
        assert!(refused(|c| c.timers.hold = Duration::from_millis(3500)).starts_with("hold: 3.5s"));
        assert!(refused(|c| c.timers.hold = secs(65_536)).starts_with("hold: 65536s"));
        assert!(refused(|c| c.timers.connect_retry = Duration::ZERO).starts_with("connect_retry: 0ns"));
        assert!(refused(|c| c.timers.delay_open = Some(secs(241))).starts_with("delay_open: 241s"));
        assert!(refused(|c| c.timers.idle_hold = Some(secs(0))).starts_with("idle_hold: 0ns"));
        assert!(refused(|c| c.timers.send_hold = Some(secs(0))).starts_with("send_hold: 0ns"));
        assert!(refused(|c| c.families[0].max_paths = 0).starts_with("max_paths: 0"));
        assert!(refused(|c| c.families[1].best_external = true).starts_with("best_external: ipv4-unicast"));
        let targets = FamilyConfig { add_path_send: true, ..FamilyConfig::new(Family::RT_CONSTRAINT) };
        assert!(refused(|c| c.families.push(targets)).starts_with("add_path_send: "));
        assert!(refused(|c| c.families[0].max_labels = 0).starts_with("max_labels: 0"));
        assert!(refused(|c| c.families[0].max_labels = 9).starts_with("max_labels: 9"));
        assert!(refused(|c| c.families[1].max_labels = 2).starts_with("max_labels: 2"), "no labels in unicast");
        assert!(refused(|c| c.graceful_restart = Some(secs(4096))).starts_with("graceful_restart: 4096s"));
        assert!(refused(|c| c.families[0].long_lived = Some(secs(60))).starts_with("long_lived: without"));
        assert!(refused(|c| c.families[0].long_lived = Some(secs(1 << 24))).starts_with("long_lived: 16777216s"));
        let ipv6 = FamilyConfig { extended_next_hop: true, ..FamilyConfig::new(Family::VPN_IPV6) };
        assert!(refused(|c| c.families.push(ipv6)).starts_with("extended_next_hop: vpn-ipv6"));
        let many = (0..64).map(|n| FamilyConfig::new(Family::new(Afi(n), Safi(9))));
        assert!(refused(|c| c.families = many.collect()).starts_with("families: 64"));
        let local = LocalIdentity { asn: 65001, router_id: Ipv4Addr::new(10, 0, 0, 1) };
        assert_eq!(local.validate(), Ok(()));
        assert!(LocalIdentity { asn: 0, ..local }.validate().is_err());
        assert!(LocalIdentity { router_id: Ipv4Addr::UNSPECIFIED, ..local }.validate().is_err());
    }

    #[test]
    fn the_largest_configuration_makes_an_open() {
        let mut config = peer();
        let family = |n| FamilyConfig {
            add_path_receive: true,
            add_path_send: true,
            max_labels: 8,
            ..FamilyConfig::new(Family::new(Afi(n), Safi::VPN_UNICAST))
        };
        config.families = (0..63).map(family).collect();
        config.families[1].extended_next_hop = true;
        config.graceful_restart = Some(Duration::from_secs(4095));
        config.timers.hold = Duration::from_secs(65_535);
        assert_eq!(config.validate(), Ok(()));
        let local = LocalIdentity { asn: 4_200_000_001, router_id: Ipv4Addr::new(10, 0, 0, 1) };
        let open = config.open(&local, OpenState::default()).unwrap();
        let mut octets = Vec::new();
        open.emit(&mut octets);
        assert!(octets.len() > 255 && Open::parse(&octets) == Ok(open), "in the extended format");
        let bare = config.open(&local, OpenState { without_capabilities: true, ..OpenState::default() }).unwrap();
        assert_eq!(bare.parameters(), []);
    }
}
