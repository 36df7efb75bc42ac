//! What an operator says of group management: intervals, versions, filters, limits.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Protocol, Version};

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// RFC 3376 §8.1: not zero, and QRV has three bits.
    #[error("robustness: not within 1 to 7")]
    Robustness,
    /// Zero, or more than QQIC can say.
    #[error("query_interval: not within 1 to 31744 s")]
    QueryInterval,
    /// RFC 3376 §8.3: less than the query interval.
    #[error("query_response_interval: zero, or not less than query_interval")]
    QueryResponseInterval,
    /// Zero.
    #[error("last_member_query_interval: zero")]
    LastMemberQueryInterval,
    /// MLD has no version 1.
    #[error("version: no such version of this protocol")]
    Version,
    /// The source of queries.
    #[error("address: not one that queries are sent from")]
    Address,
    /// An interface that is there already.
    #[error("iface: configured already")]
    InterfaceExists,
    /// An interface that is not there.
    #[error("iface: not configured")]
    NoInterface,
    /// Not a group that is routed.
    #[error("group: not a group that is routed")]
    Group,
    /// Not a unicast address.
    #[error("source: not a unicast address")]
    Source,
}

/// The intervals of RFC 3376 §8 and RFC 3810 §9. All routers of a link should have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Robustness Variable: 1 to 7, default 2.
    pub robustness: u8,
    /// Query Interval: 1 to 31,744 s, default 125 s.
    pub query: Duration,
    /// Query Response Interval: less than the query interval, default 10 s.
    pub response: Duration,
    /// Last Member Query Interval (MLD: Last Listener Query Interval): default 1 s.
    pub last_member: Duration,
    /// Last Member Query Count; `None` is the robustness.
    pub last_member_count: Option<u8>,
    /// Startup Query Interval; `None` is a quarter of the query interval.
    pub startup: Option<Duration>,
    /// Startup Query Count; `None` is the robustness.
    pub startup_count: Option<u8>,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            robustness: 2,
            query: Duration::from_secs(125),
            response: Duration::from_secs(10),
            last_member: Duration::from_secs(1),
            last_member_count: None,
            startup: None,
            startup_count: None,
        }
    }
}

impl Intervals {
    fn check(&self) -> Result<(), ConfigError> {
        if !(1..=7).contains(&self.robustness) {
            return Err(ConfigError::Robustness);
        }
        if self.query < Duration::from_secs(1) || self.query > Duration::from_secs(31_744) {
            return Err(ConfigError::QueryInterval);
        }
        if self.response.is_zero() || self.response >= self.query {
            return Err(ConfigError::QueryResponseInterval);
        }
        if self.last_member.is_zero() {
            return Err(ConfigError::LastMemberQueryInterval);
        }
        Ok(())
    }

    /// Group Membership Interval, and Older Host Present Interval, which is the same (RFC 3376 §8.4, §8.13).
    #[must_use]
    pub fn membership(&self) -> Duration {
        self.query.saturating_mul(u32::from(self.robustness)).saturating_add(self.response)
    }

    /// Other Querier Present Interval (RFC 3376 §8.5).
    #[must_use]
    pub fn other_querier(&self) -> Duration {
        let half = self.response.checked_div(2).unwrap_or_default();
        self.query.saturating_mul(u32::from(self.robustness)).saturating_add(half)
    }

    /// Last Member Query Count (RFC 3376 §8.9).
    #[must_use]
    pub fn last_member_count(&self) -> u8 {
        self.last_member_count.unwrap_or(self.robustness).max(1)
    }

    /// Last Member Query Time (RFC 3376 §8.10).
    #[must_use]
    pub fn last_member_time(&self) -> Duration {
        self.last_member.saturating_mul(u32::from(self.last_member_count()))
    }

    /// Startup Query Interval (RFC 3376 §8.6).
    #[must_use]
    pub fn startup(&self) -> Duration {
        self.startup.unwrap_or_else(|| self.query.checked_div(4).unwrap_or_default())
    }

    /// Startup Query Count (RFC 3376 §8.7).
    #[must_use]
    pub fn startup_count(&self) -> u8 {
        self.startup_count.unwrap_or(self.robustness)
    }
}

/// A line of an access list of groups and sources; the first that matches decides, and what no line matches is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterLine<A: Protocol> {
    /// Whether what matches is permitted.
    pub permit: bool,
    /// Groups that match.
    pub groups: A::Prefix,
    /// Sources that match; `None` are all, and joins of all sources.
    pub sources: Option<A::Prefix>,
}

/// Sources that members of older versions get of a group in the SSM range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsmMapping<A: Protocol> {
    /// Groups that are mapped.
    pub groups: A::Prefix,
    /// The sources.
    pub sources: Vec<A>,
}

/// What one interface may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceLimits {
    /// Groups with members. Default 4,096.
    pub groups: usize,
    /// Sources of a group. Default 256.
    pub sources: usize,
    /// Groups of one host; needs explicit tracking. Default 1,024.
    pub groups_per_host: usize,
    /// Messages and group records a second, with bursts of as many. Default 10,000.
    pub records_per_second: u32,
}

impl Default for InterfaceLimits {
    fn default() -> Self {
        Self { groups: 4096, sources: 256, groups_per_host: 1024, records_per_second: 10_000 }
    }
}

/// An interface on which group membership is learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig<A: Protocol> {
    /// The address that queries are sent from: in IPv6 link-local.
    pub address: A,
    /// The version that is spoken; default the highest.
    pub version: Version,
    /// Intervals.
    pub intervals: Intervals,
    /// Subnets of the interface: reports of other sources are dropped (RFC 3376 §9.2). Empty means that all are taken. In IPv6 sources
    /// are link-local, and this is not looked at.
    pub subnets: Vec<A::Prefix>,
    /// Whether messages without the Router Alert option are dropped, but those of IGMPv1 (RFC 3376 §9.2, RFC 3810 §6.2). Default true.
    pub router_alert: bool,
    /// Whether the members of a group are tracked host by host, so that the last one's leave is acted on at once.
    pub tracking: bool,
    /// Whether every leave is acted on at once: for interfaces with one host.
    pub fast_leave: bool,
    /// Groups and sources that may be joined.
    pub filter: Vec<FilterLine<A>>,
    /// Sources for members of older versions.
    pub ssm_mapping: Vec<SsmMapping<A>>,
    /// Limits.
    pub limits: InterfaceLimits,
}

impl<A: Protocol> InterfaceConfig<A> {
    /// The defaults of the RFCs.
    #[must_use]
    pub fn new(address: A) -> Self {
        Self {
            address,
            version: Version::V3,
            intervals: Intervals::default(),
            subnets: Vec::new(),
            router_alert: true,
            tracking: false,
            fast_leave: false,
            filter: Vec::new(),
            ssm_mapping: Vec::new(),
            limits: InterfaceLimits::default(),
        }
    }

    /// # Errors
    /// A field that cannot be.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.intervals.check()?;
        if self.version < A::LOWEST {
            return Err(ConfigError::Version);
        }
        if !self.address.is_link_protocol_source() {
            return Err(ConfigError::Address);
        }
        Ok(())
    }

    /// Whether a join is permitted; `None` is one of all sources.
    pub(super) fn permits(&self, group: A, source: Option<A>) -> bool {
        let matches = |line: &&FilterLine<A>| {
            group.is_in(&line.groups)
                && line.sources.is_none_or(|sources| source.is_some_and(|source| source.is_in(&sources)))
        };
        self.filter.iter().find(matches).is_none_or(|line| line.permit)
    }

    /// The sources that an older version's member of a group is given.
    pub(super) fn mapped(&self, group: A) -> Option<&[A]> {
        self.ssm_mapping.iter().find(|m| group.is_in(&m.groups)).map(|m| m.sources.as_slice())
    }
}

/// A VRF's group management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterConfig {
    /// Groups with members, summed over interfaces. Default 65,536.
    pub groups: usize,
    /// At most one event of a kind and interface in this time. Default 10 s.
    pub event_interval: Duration,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self { groups: 65_536, event_interval: Duration::from_secs(10) }
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// The default values of RFC 3376 §8.
    #[test]
    fn intervals_of_the_rfc() {
        let i = Intervals::default();
        assert_eq!(i.membership(), Duration::from_secs(260));
        assert_eq!(i.other_querier(), Duration::from_secs(255));
        assert_eq!(i.startup(), Duration::from_millis(31_250));
        assert_eq!((i.startup_count(), i.last_member_count()), (2, 2));
        assert_eq!(i.last_member_time(), Duration::from_secs(2));
    }

    #[test]
    fn each_bad_field_is_named() {
        let with = |change: fn(&mut InterfaceConfig<Ipv4Addr>)| {
            let mut config = InterfaceConfig::new(Ipv4Addr::new(192, 0, 2, 1));
            change(&mut config);
            config.check()
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|c| c.intervals.robustness = 0), Err(ConfigError::Robustness));
        assert_eq!(with(|c| c.intervals.query = Duration::ZERO), Err(ConfigError::QueryInterval));
        assert_eq!(with(|c| c.intervals.response = c.intervals.query), Err(ConfigError::QueryResponseInterval));
        assert_eq!(with(|c| c.intervals.last_member = Duration::ZERO), Err(ConfigError::LastMemberQueryInterval));
        assert_eq!(with(|c| c.address = Ipv4Addr::UNSPECIFIED), Err(ConfigError::Address));
        let mut six = InterfaceConfig::new("2001:db8::1".parse::<Ipv6Addr>().unwrap());
        assert_eq!(six.check(), Err(ConfigError::Address));
        six.version = Version::V1;
        assert_eq!(six.check(), Err(ConfigError::Version));
    }

    #[test]
    fn the_first_line_that_matches_decides() {
        let mut config = InterfaceConfig::new(Ipv4Addr::new(192, 0, 2, 1));
        let line = |permit, groups: &str, sources: Option<&str>| FilterLine {
            permit,
            groups: groups.parse().unwrap(),
            sources: sources.map(|s| s.parse().unwrap()),
        };
        config.filter =
            alloc::vec![line(true, "232.1.0.0/16", Some("192.0.2.0/24")), line(false, "232.0.0.0/8", None),];
        let group = Ipv4Addr::new(232, 1, 1, 1);
        assert!(config.permits(group, Some(Ipv4Addr::new(192, 0, 2, 7))));
        assert!(!config.permits(group, Some(Ipv4Addr::new(198, 51, 100, 7))) && !config.permits(group, None));
        assert!(config.permits(Ipv4Addr::new(239, 1, 1, 1), None));
    }
}
