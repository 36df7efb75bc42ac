//! MGMD-STD-MIB (RFC 5519): the tables of the router side, at one moment.
//!
//! Only what the router knows is there: no up times, no last reporter, no counters of events that it does not count.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::mib::{Oid, Row, Table, Value};
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::{GmpRouter, Timer};
use crate::gmp::{Intervals, Protocol, Version};

fn number(n: u128) -> Value {
    Value::Unsigned(u32::try_from(n).unwrap_or(u32::MAX))
}

/// Tenths of a second.
fn tenths(d: Duration) -> Value {
    number(d.as_millis() / 100)
}

/// Hundredths of a second; zero where no timer runs.
fn ticks(left: Option<Duration>) -> Value {
    Value::Ticks(left.map_or(0, |d| u32::try_from(d.as_millis() / 10).unwrap_or(u32::MAX)))
}

/// A row of mgmdRouterInterfaceTable.
#[derive(Clone, Debug)]
pub struct MgmdRouterInterfaceRow {
    iface: IfIndex,
    querier: IpAddr,
    version: Version,
    intervals: Intervals,
    querier_expires: Option<Duration>,
    groups: usize,
}

impl Row for MgmdRouterInterfaceRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 185, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 6, 7, 9, 13, 14, 15, 16, 17, 18];

    fn index(&self, out: &mut Oid) {
        out.push(self.iface.0);
        out.push(if self.querier.is_ipv4() { 1 } else { 2 });
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let i = &self.intervals;
        Some(match column {
            3 => Value::address(Some(self.querier)),
            4 => number(u128::from(i.query.as_secs())),
            // MLDv1 is version 1 of MLD, and 2 as IGMP counts.
            6 => number(match (self.version, self.querier.is_ipv4()) {
                (Version::V1, _) | (Version::V2, false) => 1,
                (Version::V2, true) | (Version::V3, false) => 2,
                (Version::V3, true) => 3,
            }),
            7 => tenths(i.response),
            9 => ticks(self.querier_expires),
            13 => Value::Unsigned(u32::try_from(self.groups).unwrap_or(u32::MAX)),
            14 => number(u128::from(i.robustness)),
            15 => tenths(i.last_member),
            16 => number(u128::from(i.last_member_count())),
            17 => number(u128::from(i.startup_count())),
            18 => number(u128::from(i.startup().as_secs())),
            _ => return None,
        })
    }
}

/// A row of mgmdRouterCacheTable.
#[derive(Clone, Debug)]
pub struct MgmdRouterCacheRow {
    group: IpAddr,
    iface: IfIndex,
    exclude: bool,
    expires: Option<Duration>,
    exclude_expires: Option<Duration>,
    v1_host: Option<Duration>,
    v2_host: Option<Duration>,
}

impl Row for MgmdRouterCacheRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 185, 1, 4, 1];
    const COLUMNS: &'static [u32] = &[6, 7, 8, 9, 10];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.group));
        out.push(self.iface.0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            6 => ticks(self.expires),
            7 => ticks(self.exclude_expires),
            8 => ticks(self.v1_host),
            9 => ticks(self.v2_host),
            10 => Value::Integer(if self.exclude { 2 } else { 1 }),
            _ => return None,
        })
    }
}

/// A row of mgmdRouterSrcListTable.
#[derive(Clone, Debug)]
pub struct MgmdRouterSrcListRow {
    group: IpAddr,
    iface: IfIndex,
    source: IpAddr,
    expires: Option<Duration>,
}

impl Row for MgmdRouterSrcListRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 185, 1, 8, 1];
    const COLUMNS: &'static [u32] = &[5];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.group));
        out.push(self.iface.0);
        match self.source {
            IpAddr::V4(a) => out.push_octets(&a.octets()),
            IpAddr::V6(a) => out.push_octets(&a.octets()),
        }
    }

    fn cell(&self, column: u32) -> Option<Value> {
        (column == 5).then(|| ticks(self.expires))
    }
}

impl<A: Protocol> GmpRouter<A> {
    fn left(&self, now: Instant, timer: Timer<A>) -> Option<Duration> {
        self.timers.get(timer).map(|at| at - now)
    }

    /// mgmdRouterInterfaceTable.
    #[must_use]
    pub fn interface_table(&self, now: Instant) -> Table<MgmdRouterInterfaceRow> {
        Table::new(self.interfaces.iter().map(|(iface, i)| MgmdRouterInterfaceRow {
            iface: *iface,
            querier: i.other_querier.unwrap_or(i.config.address).into(),
            version: i.config.version,
            intervals: *i.intervals(),
            querier_expires: self.left(now, Timer::OtherQuerier(*iface)),
            groups: i.groups,
        }))
    }

    /// mgmdRouterCacheTable.
    #[must_use]
    pub fn cache_table(&self, now: Instant) -> Table<MgmdRouterCacheRow> {
        let known = self.groups.iter().filter(|(_, g)| !g.filter.is_none());
        Table::new(known.map(|((iface, group), g)| {
            let exclude_expires = self.left(now, Timer::Group(*iface, *group));
            let sources = g.filter.timed().iter().filter_map(|s| self.left(now, Timer::Source(*iface, *group, *s)));
            MgmdRouterCacheRow {
                group: (*group).into(),
                iface: *iface,
                exclude: g.filter.is_exclude(),
                expires: exclude_expires.into_iter().chain(sources).max(),
                exclude_expires,
                v1_host: self.left(now, Timer::V1Host(*iface, *group)),
                v2_host: self.left(now, Timer::V2Host(*iface, *group)),
            }
        }))
    }

    /// mgmdRouterSrcListTable: sources that are wanted by name; in EXCLUDE mode also those that are not wanted, with no time left.
    #[must_use]
    pub fn source_table(&self, now: Instant) -> Table<MgmdRouterSrcListRow> {
        let mut rows = Vec::new();
        for ((iface, group), g) in &self.groups {
            let excluded = match &g.filter {
                crate::gmp::Filter::Exclude { excluded, .. } => Some(excluded),
                crate::gmp::Filter::Include(_) => None,
            };
            for source in g.filter.timed().iter().chain(excluded.into_iter().flatten()) {
                rows.push(MgmdRouterSrcListRow {
                    group: (*group).into(),
                    iface: *iface,
                    source: (*source).into(),
                    expires: self.left(now, Timer::Source(*iface, *group, *source)),
                });
            }
        }
        Table::new(rows)
    }
}
