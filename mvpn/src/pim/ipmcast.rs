//! IPMCAST-MIB (RFC 5132): the multicast routes of a [`PimRouter`] and where each goes, at one moment.
//!
//! Counters are the forwarder's and are not here; nor are columns of the unicast route, of which a router is told no more than interface and
//! next hop.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::mib::{Oid, Row, Table, Value};
use fwd_core::net::IfIndex;
use fwd_core::op::{LegTarget, Origin, Rpf};

use super::network::PimAddress;
use super::router::PimRouter;
use super::state::Installed;

/// IANAipMRouteProtocol.
const SPARSE: i32 = 8;
const DENSE: i32 = 9;

/// Which packets a route is of.
#[derive(Clone, Copy, Debug)]
struct Key {
    group: IpAddr,
    source: Option<IpAddr>,
}

impl Key {
    fn push(&self, out: &mut Oid) {
        let len = |a: IpAddr| if a.is_ipv4() { 32 } else { 128 };
        out.push_address(Some(self.group));
        out.push(len(self.group));
        // RFC 5132: (*,G) has the unspecified address with length 0.
        let any = match self.group {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        out.push_address(Some(self.source.unwrap_or(any)));
        out.push(self.source.map_or(0, len));
    }
}

/// A row of ipMcastRouteTable.
#[derive(Clone, Debug)]
pub struct IpMcastRouteRow {
    key: Key,
    upstream: Option<IpAddr>,
    incoming: Option<IfIndex>,
    protocol: i32,
}

impl Row for IpMcastRouteRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 168, 1, 5, 1];
    const COLUMNS: &'static [u32] = &[7, 8, 9, 12];

    fn index(&self, out: &mut Oid) {
        self.key.push(out);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            7 => Value::address_type(self.upstream),
            8 => Value::address(self.upstream),
            9 => Value::Integer(self.incoming.map_or(0, |i| i32::try_from(i.0).unwrap_or(0))),
            12 => Value::Integer(self.protocol),
            _ => return None,
        })
    }
}

/// A row of ipMcastRouteNextHopTable: an interface that copies leave by. The next hop on it is the group itself.
#[derive(Clone, Debug)]
pub struct IpMcastRouteNextHopRow {
    key: Key,
    outgoing: IfIndex,
    protocol: i32,
}

impl Row for IpMcastRouteNextHopRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 168, 1, 6, 1];
    const COLUMNS: &'static [u32] = &[10, 14];

    fn index(&self, out: &mut Oid) {
        self.key.push(out);
        out.push(self.outgoing.0);
        out.push_address(Some(self.key.group));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // forwarding: pruned interfaces have no copies and no rows.
            10 => Value::Integer(2),
            14 => Value::Integer(self.protocol),
            _ => return None,
        })
    }
}

/// A route as the forwarder has it.
struct Route<'a, A> {
    group: A,
    source: Option<A>,
    upstream: Option<A>,
    installed: &'a Installed,
    protocol: i32,
}

impl<A: PimAddress> PimRouter<A> {
    fn routes(&self) -> Vec<Route<'_, A>> {
        let mut routes = Vec::new();
        for (g, group) in &self.groups {
            let star = group.installed.as_ref().map(|i| (None, group.upstream.rpf.neighbor, i));
            let of_sources = group.sources.iter();
            let of_sources =
                of_sources.filter_map(|(s, x)| Some((Some(*s), x.upstream.rpf.neighbor, x.installed.as_ref()?)));
            routes.extend(star.into_iter().chain(of_sources).map(|(source, upstream, installed)| Route {
                group: *g,
                source,
                upstream,
                installed,
                protocol: SPARSE,
            }));
        }
        for ((g, s), x) in &self.dense.sources {
            let upstream = self.net.rpf(*s).neighbor;
            routes.extend(x.installed.as_ref().map(|installed| Route {
                group: *g,
                source: Some(*s),
                upstream,
                installed,
                protocol: DENSE,
            }));
        }
        routes
    }

    /// ipMcastRouteTable.
    #[must_use]
    pub fn route_table(&self) -> Table<IpMcastRouteRow> {
        Table::new(self.routes().into_iter().map(|r| IpMcastRouteRow {
            key: Key { group: r.group.into(), source: r.source.map(Into::into) },
            upstream: r.upstream.map(Into::into),
            incoming: match r.installed.mroute.rpf {
                Rpf::From(Origin::Interface(i)) => Some(i),
                _ => None,
            },
            protocol: r.protocol,
        }))
    }

    /// ipMcastRouteNextHopTable.
    #[must_use]
    pub fn next_hop_table(&self) -> Table<IpMcastRouteNextHopRow> {
        let mut rows = Vec::new();
        for r in self.routes() {
            let key = Key { group: r.group.into(), source: r.source.map(Into::into) };
            for (_, leg) in &r.installed.legs {
                if let LegTarget::Interface(outgoing) = leg {
                    rows.push(IpMcastRouteNextHopRow { key, outgoing: *outgoing, protocol: r.protocol });
                }
            }
        }
        Table::new(rows)
    }
}
