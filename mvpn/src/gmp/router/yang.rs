//! `ietf-igmp-mld` (RFC 8652 §3): the interfaces and groups of a [`GmpRouter`].
//!
//! Up times and reporters are not kept here; nor are leaves of configuration that another protocol has, as access lists. Counters of messages
//! are sums of all interfaces.

use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use fwd_core::yang::{Node, Tree, Value, count, left, seconds, text};

use super::{GmpRouter, Timer};
use crate::gmp::{Filter, Protocol, Version};

/// Where a protocol of RFC 8349 is; its names are keys.
const PROTOCOL: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol";

fn until(times: impl Iterator<Item = Duration>) -> Option<Value> {
    let latest = times.max()?;
    Some(Value::Unsigned(u64::try_from(latest.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)))
}

impl<A: Protocol> GmpRouter<A> {
    /// Writes the router as the protocol of this name: `igmp` or `mld` by its family.
    pub fn write_yang(&self, now: Instant, name: &str, tree: &mut Tree) {
        let is_ipv6 = A::BITS == 128;
        let mut protocols = tree.root(PROTOCOL);
        protocols.key(name);
        let mut root = protocols.at(if is_ipv6 { "ietf-igmp-mld:mld" } else { "ietf-igmp-mld:igmp" });
        self.totals(&mut root.at("global"));
        for (iface, interface) in &self.interfaces {
            let mut node = root.entry("interfaces/interface", &[("interface-name", text(iface.0))]);
            let intervals = interface.intervals();
            node.leaf("last-member-query-interval", seconds(intervals.last_member));
            node.leaf("query-interval", seconds(intervals.query));
            node.leaf("query-max-response-time", seconds(intervals.response));
            node.leaf("require-router-alert", interface.config.router_alert);
            node.leaf("robustness-variable", u64::from(intervals.robustness));
            // MLD's versions count from 2 here.
            node.leaf(
                "version",
                match (interface.config.version, is_ipv6) {
                    (Version::V1, _) | (Version::V2, true) => 1_u64,
                    (Version::V2, false) | (Version::V3, true) => 2,
                    (Version::V3, false) => 3,
                },
            );
            node.leaf("enabled", true);
            node.leaf("oper-status", text("up"));
            let querier = interface.other_querier.unwrap_or(interface.config.address);
            node.leaf("querier", text(querier));
            self.write_groups(*iface, now, &mut node);
        }
    }

    fn totals(&self, node: &mut Node<'_>) {
        let known = || self.groups.values().filter(|group| !group.filter.is_none());
        let entries = known().map(|group| group.filter.timed().len().max(1)).sum();
        node.leaf("entries-count", count(entries));
        node.leaf("groups-count", count(known().count()));
        let sum = |of: fn(&super::Counters) -> u64| -> u64 { self.interfaces.values().map(|i| of(&i.counters)).sum() };
        let mut statistics = node.at("statistics");
        statistics.leaf("error/total", sum(|c| c.malformed));
        statistics.leaf("received/query", sum(|c| c.queries));
        statistics.leaf("received/report", sum(|c| c.reports));
        statistics.leaf("received/total", sum(|c| c.queries.saturating_add(c.reports)));
        statistics.leaf("sent/query", sum(|c| c.sent_queries));
        statistics.leaf("sent/total", sum(|c| c.sent_queries));
    }

    fn write_groups(&self, iface: IfIndex, now: Instant, node: &mut Node<'_>) {
        for ((_, group), state) in self.groups_of(iface).filter(|(_, state)| !state.filter.is_none()) {
            let mut entry = node.entry("group", &[("group-address", text(group))]);
            let timer = |timer: Timer<A>| self.timers.get(timer).map(|at| at - now);
            let sources = || state.filter.timed().iter().map(|source| (*source, Timer::Source(iface, *group, *source)));
            let expires =
                timer(Timer::Group(iface, *group)).into_iter().chain(sources().filter_map(|(_, of)| timer(of)));
            entry.option("expire", until(expires));
            let is_exclude = matches!(state.filter, Filter::Exclude { .. });
            entry.leaf("filter-mode", text(if is_exclude { "exclude" } else { "include" }));
            for (source, of) in sources() {
                let mut below = entry.entry("source", &[("source-address", text(source))]);
                below.leaf("expire", left(now, self.timers.get(of)));
            }
        }
    }
}
