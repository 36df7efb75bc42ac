//! IGMP and MLD of a domain: one [`GmpRouter`] for each, whose interfaces are the bridge ports (RFC 4541 §2, §3).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::net::{IfIndex, IpPrefix, PortId};
use fwd_core::time::Instant;
use mvpn::gmp::{
    ConfigError, FilterLine, GmpRouter, GroupRecord, InterfaceConfig, InterfaceLimits, Message, Protocol, RecordType,
    ReportBuf, RouterConfig, Version,
};

use super::{AclLine, CircuitSnoop, SnoopConfig};
use crate::config::VsiLimits;

/// The address that stands for us where we never query: no router's is greater, so that every other querier wins.
const SILENT4: Ipv4Addr = Ipv4Addr::new(223, 255, 255, 254);
const SILENT6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0xffff, 0xffff, 0xffff, 0xfffe);

/// What IGMP and MLD do not share here.
pub(crate) trait Family: Protocol {
    fn address(config: &SnoopConfig) -> (Self, bool);
    fn line(line: &AclLine) -> Option<FilterLine<Self>>;
}

impl Family for Ipv4Addr {
    fn address(config: &SnoopConfig) -> (Self, bool) {
        (config.querier4.unwrap_or(SILENT4), config.querier4.is_some())
    }

    fn line(line: &AclLine) -> Option<FilterLine<Self>> {
        let IpPrefix::V4(groups) = line.groups else { return None };
        let sources = match line.sources {
            None => None,
            Some(IpPrefix::V4(sources)) => Some(sources),
            Some(IpPrefix::V6(_)) => return None,
        };
        Some(FilterLine { permit: line.permit, groups, sources })
    }
}

impl Family for Ipv6Addr {
    fn address(config: &SnoopConfig) -> (Self, bool) {
        (config.querier6.unwrap_or(SILENT6), config.querier6.is_some())
    }

    fn line(line: &AclLine) -> Option<FilterLine<Self>> {
        let IpPrefix::V6(groups) = line.groups else { return None };
        let sources = match line.sources {
            None => None,
            Some(IpPrefix::V6(sources)) => Some(sources),
            Some(IpPrefix::V4(_)) => return None,
        };
        Some(FilterLine { permit: line.permit, groups, sources })
    }
}

pub(crate) const fn iface(port: PortId) -> IfIndex {
    IfIndex(port.0)
}

pub(crate) const fn port(iface: IfIndex) -> PortId {
    PortId(iface.0)
}

pub(crate) fn router<A: Family>(now: Instant, limits: &VsiLimits) -> Result<GmpRouter<A>, ConfigError> {
    GmpRouter::new(now, RouterConfig { groups: limits.groups, ..RouterConfig::default() })
}

/// The settings of a port.
pub(crate) fn interface<A: Family>(
    config: &SnoopConfig,
    circuit: &CircuitSnoop,
    limits: &VsiLimits,
    is_circuit: bool,
) -> InterfaceConfig<A> {
    let mut interface = InterfaceConfig::new(A::address(config).0);
    interface.version = config.version.max(A::LOWEST);
    interface.intervals = config.intervals;
    // A host's stack may leave it out, and what is not looked at would not be served.
    interface.router_alert = false;
    interface.fast_leave = circuit.fast_leave;
    interface.filter = circuit.acl.iter().chain(&config.acl).filter_map(A::line).collect();
    interface.limits = InterfaceLimits {
        groups: if is_circuit { limits.groups_per_circuit } else { limits.groups },
        sources: limits.sources,
        // Records are counted before they come here.
        records_per_second: 1_000_000,
        ..InterfaceLimits::default()
    };
    interface
}

/// Whether the settings are such that both protocols take them.
pub(crate) fn check(config: &SnoopConfig) -> Result<(), ConfigError> {
    let (circuit, limits) = (CircuitSnoop::DEFAULT, VsiLimits::DEFAULT);
    let mut v4 = router::<Ipv4Addr>(Instant::ZERO, &limits)?;
    v4.add_interface(Instant::ZERO, IfIndex(0), interface(config, &circuit, &limits, true))?;
    let mut v6 = router::<Ipv6Addr>(Instant::ZERO, &limits)?;
    v6.add_interface(Instant::ZERO, IfIndex(0), interface(config, &circuit, &limits, true))
}

/// What a message is, as far as a snooper asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Query {
        general: bool,
        version: Version,
    },
    /// `joins` are the groups, and the sources of them, that it says somebody wants.
    Report {
        version: Version,
        groups: Vec<IpAddr>,
        joins: Vec<(IpAddr, Option<IpAddr>)>,
    },
    Unknown,
}

/// What a message costs its sender's budget. Known before anything of it is kept.
pub(crate) fn records<A: Family>(message: &Message<'_, A>) -> u32 {
    match message {
        Message::ReportV3(report) => u32::from(report.records.count()).max(1),
        _ => 1,
    }
}

/// Looks at a message.
pub(crate) fn look<A: Family>(message: &Message<'_, A>) -> Seen {
    match *message {
        Message::Query(query) => Seen::Query { general: query.is_general(), version: A::query_version(&query) },
        Message::ReportV1(g) => single(Version::V1, g.into(), true),
        Message::ReportV2(g) => single(Version::V2, g.into(), true),
        Message::Leave(g) => single(Version::V2, g.into(), false),
        Message::ReportV3(report) => Seen::Report {
            version: Version::V3,
            groups: report.records.iter().map(|record| record.group.into()).collect(),
            joins: report.records.iter().flat_map(|record| joined(&record)).collect(),
        },
        Message::Unknown(_) => Seen::Unknown,
    }
}

fn single(version: Version, group: IpAddr, is_join: bool) -> Seen {
    let joins = is_join.then_some((group, None)).into_iter().collect();
    Seen::Report { version, groups: alloc::vec![group], joins }
}

/// What of a group a record says somebody wants: all of it, or sources.
fn joined<A: Family>(record: &GroupRecord<'_, A>) -> Vec<(IpAddr, Option<IpAddr>)> {
    let group = record.group.into();
    match record.kind {
        RecordType::IS_EXCLUDE | RecordType::TO_EXCLUDE => alloc::vec![(group, None)],
        RecordType::IS_INCLUDE | RecordType::TO_INCLUDE | RecordType::ALLOW => {
            record.sources.iter().map(|source| (group, Some(source.into()))).collect()
        }
        _ => Vec::new(),
    }
}

/// Room for records in a report of ours.
const ROOM: usize = 1200;

/// Reports of ours: the state of groups, as many as fit in each message.
pub(crate) fn reports<A: Family>(records: &[(RecordType, IpAddr, Vec<IpAddr>)], source: A) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut report = ReportBuf::<A>::new();
    let mut flush = |report: &mut ReportBuf<A>| {
        if !report.is_empty() {
            let mut octets = Vec::new();
            A::emit_message(&Message::ReportV3(report.as_report()), source, A::ALL_REPORT_ROUTERS, &mut octets);
            messages.push(octets);
            *report = ReportBuf::new();
        }
    };
    for (kind, group, sources) in records {
        let Some(group) = A::from_ip(*group) else { continue };
        let sources = sources.iter().filter_map(|source| A::from_ip(*source));
        report.push(*kind, group, sources.take(ROOM / A::LEN / 2));
        if report.records_len() > ROOM / 2 {
            flush(&mut report);
        }
    }
    flush(&mut report);
    messages
}
