//! Snooping of customers' IGMP, MLD and PIM (RFC 4541, RFC 8220): which ports want which groups.
//!
//! | Mode | Reports, Joins and Prunes |
//! |---|---|
//! | snoop | go to every port, as they came |
//! | relay | go as they came to ports towards routers, and to pseudowires of the mesh, which do not pass them on |
//! | proxy | end here; one report, Join or Prune goes out for all who want a flow |
//!
//! Queries and Hellos go to every port in every mode.

mod attach;
pub mod bpdu;
mod bridging;
mod entry;
mod frame;
mod gmp;
mod group;
mod joins;
mod machine;
mod members;
pub mod mmrp;
mod pim;
mod registrar;
mod standing;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, Mac, VlanId};
use mvpn::gmp::{Intervals, Version};

use crate::config::ConfigError;

pub use frame::{Control, Fault, Protocol, Snooped, build, group_mac};
pub use machine::{Origin, Snooper};
pub(crate) use members::{Ports, flow_key, key_flow as flow_of};
pub(crate) use pim::PimRoute;
pub use pim::{Neighbor, PimMode};
pub use standing::MessageCounts;

/// What becomes of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They go to every port.
    Snoop,
    /// They go to ports towards routers (RFC 4541 §2.1.1 (1)).
    #[default]
    Relay,
    /// They end here, and this machine reports for all (RFC 4541 §2.1.1 (2)).
    Proxy,
}

/// How groups are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keying {
    /// By IP addresses of source and group.
    #[default]
    Ip,
    /// By the MAC address of the group: 32 IPv4 groups share one.
    Mac,
}

/// A line of an access list of groups and sources; the first that matches decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclLine {
    /// Whether what matches is permitted.
    pub permit: bool,
    /// Groups that match.
    pub groups: IpPrefix,
    /// Sources that match; none: all, and joins of all sources.
    pub sources: Option<IpPrefix>,
}

impl AclLine {
    fn matches(&self, source: Option<IpAddr>, group: IpAddr) -> bool {
        let is_source = match (self.sources, source) {
            (None, _) => true,
            (Some(prefix), Some(source)) => contains(&prefix, source),
            (Some(_), None) => false,
        };
        is_source && contains(&self.groups, group)
    }
}

pub(crate) fn contains(prefix: &IpPrefix, address: IpAddr) -> bool {
    match (prefix, address) {
        (IpPrefix::V4(prefix), IpAddr::V4(address)) => Ipv4Prefix::contains(prefix, address),
        (IpPrefix::V6(prefix), IpAddr::V6(address)) => Ipv6Prefix::contains(prefix, address),
        _ => false,
    }
}

/// Whether an access list permits a join.
pub(crate) fn permits(lines: &[AclLine], source: Option<IpAddr>, group: IpAddr) -> bool {
    lines.iter().find(|line| line.matches(source, group)).is_none_or(|line| line.permit)
}

/// Which of an instance's multicast is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnoopConfig {
    /// IGMP.
    pub igmp: bool,
    /// MLD.
    pub mld: bool,
    /// PIM.
    pub pim: bool,
    /// What becomes of reports.
    pub mode: Mode,
    /// What becomes of Joins and Prunes.
    pub pim_mode: PimMode,
    /// How groups are told apart.
    pub keying: Keying,
    /// The version of IGMP and MLD that is understood; of a newer one, groups are flooded and an event says so.
    pub version: Version,
    /// Intervals of queries.
    pub intervals: Intervals,
    /// The address that this PE queries from in IPv4; none: it never does, and a querier of the customer is needed.
    pub querier4: Option<core::net::Ipv4Addr>,
    /// As `querier4`, in IPv6: a link-local address.
    pub querier6: Option<core::net::Ipv6Addr>,
    /// The MAC address that queries and reports of ours come from.
    pub mac: Mac,
    /// How long all is flooded after the start, until members have had time to report. Default 20 s.
    pub settle: Duration,
    /// Groups that are looked at; empty: all. Of the others, everything is flooded.
    pub groups: Vec<IpPrefix>,
    /// Group MAC addresses that are looked at; empty: all.
    pub macs: Vec<Mac>,
    /// Customers' VLANs that are looked at, where VLANs are domains of their own; empty: all.
    pub vlans: Vec<VlanId>,
    /// Groups that may be joined.
    pub acl: Vec<AclLine>,
    /// Whether topology changes in customers' BPDUs are acted upon: addresses and memberships are learned anew. Default false: BPDUs
    /// are not read.
    pub topology: bool,
    /// Whether customers' MMRP is read for groups by MAC address (IEEE 802.1Q §10.12). Default false.
    pub mmrp: bool,
    /// Whether reports go to the pseudowires of a mesh in relay and proxy mode. Off, only PEs with routers hear them.
    pub reports_to_mesh: bool,
}

impl Default for SnoopConfig {
    fn default() -> Self {
        Self {
            igmp: true,
            mld: true,
            pim: true,
            mode: Mode::default(),
            pim_mode: PimMode::default(),
            keying: Keying::default(),
            version: Version::V3,
            intervals: Intervals::default(),
            querier4: None,
            querier6: None,
            mac: Mac([0x02, 0, 0x5e, 0, 0x52, 0x01]),
            settle: Duration::from_secs(20),
            groups: Vec::new(),
            macs: Vec::new(),
            vlans: Vec::new(),
            acl: Vec::new(),
            topology: false,
            mmrp: false,
            reports_to_mesh: true,
        }
    }
}

impl SnoopConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        gmp::check(self).map_err(ConfigError::Snoop)
    }

    /// Whether the domain of a VLAN is looked at.
    pub(crate) fn is_for(&self, vlan: Option<VlanId>) -> bool {
        vlan.is_none_or(|vlan| self.vlans.is_empty() || self.vlans.contains(&vlan))
            && (vlan.is_some() || self.vlans.is_empty())
    }

    /// Whether a group is looked at.
    pub(crate) fn is_group(&self, group: IpAddr) -> bool {
        let is_listed = self.groups.is_empty() || self.groups.iter().any(|prefix| contains(prefix, group));
        is_listed && (self.macs.is_empty() || self.macs.contains(&frame::group_mac(group)))
    }
}

/// Multicast at a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitSnoop {
    /// Whether groups are pruned at it; off, all data of groups goes to it.
    pub active: bool,
    /// Whether it receives data of groups.
    pub receives: bool,
    /// Whether it emits data of groups: off, its group frames are dropped.
    pub emits: bool,
    /// A port towards a router, known by configuration (RFC 4541 §2.1.1 (1c)).
    pub router: bool,
    /// A port of hosts: queries from it are dropped (querier guard).
    pub hosts: bool,
    /// CEs that may report and join, by MAC address; empty: all. Others' messages pass and are not looked at.
    pub ces: Vec<Mac>,
    /// Groups that may be joined from it, before those of the instance.
    pub acl: Vec<AclLine>,
    /// Whether a single host is behind it, so that leaves take effect at once.
    pub fast_leave: bool,
}

impl CircuitSnoop {
    /// All on, a port like any other.
    pub const DEFAULT: Self = Self {
        active: true,
        receives: true,
        emits: true,
        router: false,
        hosts: false,
        ces: Vec::new(),
        acl: Vec::new(),
        fast_leave: false,
    };
}

impl Default for CircuitSnoop {
    fn default() -> Self {
        Self::DEFAULT
    }
}
