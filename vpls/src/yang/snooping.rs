//! `ietf-igmp-mld-snooping` (RFC 9166 §3.1, §3.2): an instance of each protocol for every broadcast domain that is looked at.

use core::net::IpAddr;

use fwd_core::mib::{Objects, Oid, Row, Value as Mib};
use fwd_core::net::{PortId, VsiId};
use fwd_core::time::Instant;
use mvpn::gmp::Version;
use mvpn::gmp::mib::{MgmdRouterCacheRow, MgmdRouterSrcListRow};

use super::{Node, PROTOCOL, Tree, Value, count, seconds, text};
use crate::pe::VplsPe;
use crate::snoop::{Keying, MessageCounts, Snooper, flow_of, group_mac};

/// What IGMP and MLD are called.
struct Family {
    is_ipv6: bool,
    instance: &'static str,
    version: &'static str,
    /// Reports of each version, and leaves.
    reports: &'static [&'static str],
    leaves: &'static str,
}

const IGMP: Family = Family {
    is_ipv6: false,
    instance: "ietf-igmp-mld-snooping:igmp-snooping-instance",
    version: "igmp-version",
    reports: &["membership-report-v1-count", "membership-report-v2-count", "membership-report-v3-count"],
    leaves: "leave-count",
};

const MLD: Family = Family {
    is_ipv6: true,
    instance: "ietf-igmp-mld-snooping:mld-snooping-instance",
    version: "mld-version",
    reports: &["report-v1-count", "report-v2-count"],
    leaves: "done-count",
};

pub(super) fn write(pe: &VplsPe, now: Instant, tree: &mut Tree) {
    for domain in pe.domains.keys() {
        let Some(snooper) = pe.snooping(*domain) else { continue };
        for family in [IGMP, MLD] {
            let mut protocols = tree.root(PROTOCOL);
            protocols.key(domain.0);
            let mut node = protocols.at(family.instance);
            settings(snooper, &family, &mut node);
            groups(snooper, &family, (pe, *domain), now, &mut node);
            interfaces(snooper, &family, &mut node);
        }
    }
}

fn settings(snooper: &Snooper, family: &Family, node: &mut Node<'_>) {
    let config = snooper.config();
    let intervals = &config.intervals;
    node.leaf("l2-service-type", text("vpls"));
    node.leaf("enabled", if family.is_ipv6 { config.mld } else { config.igmp });
    node.leaf("forwarding-table-type", text(if config.keying == Keying::Mac { "mac" } else { "ip" }));
    node.leaf("explicit-tracking", false);
    let source = match family.is_ipv6 {
        true => config.querier6.map(IpAddr::V6),
        false => config.querier4.map(IpAddr::V4),
    };
    node.leaf("send-query", source.is_some());
    node.option("querier-source", source.map(text));
    node.leaf("last-member-query-interval", seconds(intervals.last_member));
    node.leaf("query-interval", seconds(intervals.query));
    node.leaf("query-max-response-time", seconds(intervals.response));
    node.leaf("require-router-alert", false);
    node.leaf("robustness-variable", u64::from(intervals.robustness));
    // MLD's versions count from 2 here.
    let version = match (config.version, family.is_ipv6) {
        (Version::V1, _) | (Version::V2, true) => 1,
        (Version::V2, false) | (Version::V3, true) => 2,
        (Version::V3, false) => 3,
    };
    node.leaf(family.version, version);
    node.list("static-bridge-mrouter-interface", snooper.static_routers().into_iter().map(text));
    node.list("bridge-mrouter-interface", snooper.router_ports().into_iter().map(text));
    let of_family = |group: &IpAddr| group.is_ipv6() == family.is_ipv6;
    for (group, source, port) in snooper.statics().iter().filter(|(group, ..)| of_family(group)) {
        let source = source.map_or_else(|| text("*"), text);
        let mut entry = node.entry("static-l2-multicast-group", &[("group", text(group)), ("source-addr", source)]);
        entry.list("bridge-outgoing-interface", [text(port)]);
    }
}

/// Seconds until a row of a table expires, of the column that says so.
fn expiry<R: Row>(table: &impl Objects, column: u32, index: impl FnOnce(&mut Oid)) -> Option<u64> {
    let mut oid = Oid::new(R::ENTRY);
    oid.push(column);
    index(&mut oid);
    match table.get(&oid)? {
        Mib::Ticks(left) if left > 0 => Some(u64::from(left).div_ceil(100)),
        _ => None,
    }
}

fn groups(snooper: &Snooper, family: &Family, (pe, domain): (&VplsPe, VsiId), now: Instant, node: &mut Node<'_>) {
    let of_family = |group: &&IpAddr| group.is_ipv6() == family.is_ipv6;
    let vsi = pe.domains.get(&domain).and_then(|vsi| pe.vsis.get(vsi));
    let entries = vsi.and_then(|vsi| vsi.domains.get(&domain)).map(|d| &d.entries);
    let of_flow = |key: &fwd_core::op::VsiGroupKey| flow_of(*key).is_none_or(|(_, group)| of_family(&&group));
    node.leaf("entries-count", count(entries.map_or(0, |entries| entries.keys().filter(|key| of_flow(key)).count())));
    for (group, members) in snooper.members.0.iter().filter(|(group, _)| of_family(group)) {
        let mut entry = node.entry("group", &[("address", text(group))]);
        entry.leaf("mac-address", text(group_mac(*group)));
        let standing = snooper.standings.of(*group, None);
        entry.leaf("up-time", standing.map_or(0, |s| (now - s.since).as_secs()));
        entry.option("last-reporter", standing.and_then(|s| s.reporter).map(|(_, host)| text(host)));
        let left = snooper.ports().into_iter().filter_map(|port| group_expiry(snooper, now, *group, port));
        entry.option("expire", left.max().map(Value::Unsigned));
        for source in members.sources().collect::<alloc::collections::BTreeSet<_>>() {
            let mut below = entry.entry("source", &[("address", text(source))]);
            let standing = snooper.standings.of(*group, Some(source));
            below.leaf("up-time", standing.map_or(0, |s| (now - s.since).as_secs()));
            below.option("last-reporter", standing.and_then(|s| s.reporter).map(|(_, host)| text(host)));
            below.list("bridge-outgoing-interface", members.wanting(Some(source)).into_iter().map(text));
            let left =
                snooper.ports().into_iter().filter_map(|port| source_expiry(snooper, now, (*group, source), port));
            below.option("expire", left.max().map(Value::Unsigned));
        }
    }
}

/// mgmdRouterCacheExpiryTime of a group at a port.
fn group_expiry(snooper: &Snooper, now: Instant, group: IpAddr, port: PortId) -> Option<u64> {
    let index = |oid: &mut Oid| {
        oid.push_address(Some(group));
        oid.push(port.0);
    };
    match group {
        IpAddr::V4(_) => expiry::<MgmdRouterCacheRow>(&snooper.igmp().cache_table(now), 6, index),
        IpAddr::V6(_) => expiry::<MgmdRouterCacheRow>(&snooper.mld().cache_table(now), 6, index),
    }
}

/// mgmdRouterSrcListExpire of a source at a port.
fn source_expiry(snooper: &Snooper, now: Instant, (group, source): (IpAddr, IpAddr), port: PortId) -> Option<u64> {
    let index = |oid: &mut Oid| {
        oid.push_address(Some(group));
        oid.push(port.0);
        match source {
            IpAddr::V4(a) => oid.push_octets(&a.octets()),
            IpAddr::V6(a) => oid.push_octets(&a.octets()),
        }
    };
    match group {
        IpAddr::V4(_) => expiry::<MgmdRouterSrcListRow>(&snooper.igmp().source_table(now), 5, index),
        IpAddr::V6(_) => expiry::<MgmdRouterSrcListRow>(&snooper.mld().source_table(now), 5, index),
    }
}

fn interfaces(snooper: &Snooper, family: &Family, node: &mut Node<'_>) {
    for port in snooper.ports() {
        let Some((received, sent)) = snooper.messages(port, family.is_ipv6) else { continue };
        let mut entry = node.entry("interfaces/interface", &[("name", text(port))]);
        for (direction, counts) in [("received", received), ("sent", sent)] {
            let mut statistics = entry.at("statistics");
            let mut below = statistics.at(direction);
            let MessageCounts { queries, reports, leaves, hellos } = counts;
            below.leaf("query-count", queries);
            for (name, n) in family.reports.iter().zip(reports) {
                below.leaf(name, n);
            }
            below.leaf(family.leaves, leaves);
            below.leaf("pim-hello-count", hellos);
        }
    }
}
