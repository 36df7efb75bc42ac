//! BGP4-MIB (RFC 4273): sessions and the IPv4 routes that they brought, read-only, with its two notifications.
//!
//! The module knows IPv4 peers alone and tells them apart by their address: one picture is of one table, the global one or a VRF (a context
//! of RFC 3411 §3.3.1). `bgpRcvdPathAttrTable`, `bgpTraps` and what else is deprecated is left out. AS numbers of four octets are AS_TRANS
//! (RFC 6793 §9).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value, instance};
use fwd_core::net::{IpPrefix, Ipv4Prefix, VrfId};
use fwd_core::time::Instant;

use crate::attr::{AsWidth, Attributes};
use crate::session::{Negotiated, PeerConfig, SessionCounters, State};
use crate::speaker::{Event, PeerId, RouteSource, RouteView, Shared, Speaker};

/// bgp, { mib-2 15 }: all objects are below.
pub const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 15];

/// The longest octet string of this module.
const OCTETS: usize = 255;

/// What the router knows and its BGP speaker does not.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The TCP ports of a peer's connection: ours, the peer's; `None` of no connection: the objects are zero.
    pub ports: &'a dyn Fn(PeerId) -> Option<(u16, u16)>,
    /// The most routes that [`Bgp4Mib::routes`] shows.
    pub max_routes: usize,
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

fn asn(asn: u32) -> Value {
    Value::Integer(u16::try_from(asn).map_or(crate::attr::AS_TRANS as i32, i32::from))
}

/// The scalars: bgpVersion, bgpLocalAs and bgpIdentifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bgp {
    /// bgpLocalAs.
    pub local_as: u32,
    /// bgpIdentifier.
    pub identifier: Ipv4Addr,
}

impl Row for Bgp {
    const ENTRY: &'static [u32] = MODULE;
    const COLUMNS: &'static [u32] = &[1, 2, 4];

    fn index(&self, out: &mut Oid) {
        out.push(0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // Bit 3, the first being 0, is version 4.
            1 => Value::Octets(alloc::vec![0x10]),
            2 => asn(self.local_as),
            4 => Value::IpAddress(self.identifier),
            _ => return None,
        })
    }
}

/// A session (bgpPeerEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose.
    pub peer: PeerId,
    /// bgpPeerRemoteAddr.
    pub address: Ipv4Addr,
    /// The configuration.
    pub config: PeerConfig,
    /// bgpPeerState.
    pub state: State,
    /// What was agreed, of a session that is up.
    pub negotiated: Option<Negotiated>,
    /// What was counted.
    pub counters: SessionCounters,
    /// bgpPeerLocalPort and bgpPeerRemotePort.
    pub ports: (u16, u16),
    /// The moment of the picture.
    pub now: Instant,
}

impl Peer {
    fn since(&self, at: Option<Instant>) -> Value {
        Value::Unsigned(at.map_or(0, |at| u32::try_from((self.now - at).as_secs()).unwrap_or(u32::MAX)))
    }

    /// The timers: bgpPeerConnectRetryInterval to bgpPeerMinRouteAdvertisementInterval.
    fn timer(&self, column: u32) -> Option<Value> {
        let timers = &self.config.timers;
        let hold = self.negotiated.as_ref().map_or(Duration::ZERO, |n| n.hold_time);
        Some(Value::Integer(seconds(match column {
            17 => timers.connect_retry,
            18 => hold,
            19 => hold / 3,
            20 => timers.hold,
            21 => timers.hold / 3,
            // There is no MinASOriginationIntervalTimer here: 22 has no instance.
            23 => timers.min_route_advertisement,
            _ => return None,
        })))
    }
}

impl Row for Peer {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 15, 3, 1];
    const COLUMNS: &'static [u32] =
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24];

    fn index(&self, out: &mut Oid) {
        out.push_ip_address(self.address);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let SessionCounters { received, sent, established, last_error, last_update, changed, .. } = &self.counters;
        Some(match column {
            1 => Value::IpAddress(self.negotiated.as_ref().map_or(Ipv4Addr::UNSPECIFIED, |n| n.peer_identifier)),
            2 => Value::Integer(self.state as i32 + 1),
            // start(2): a peer that is configured is wanted.
            3 => Value::Integer(2),
            4 => Value::Integer(if self.state >= State::OpenConfirm { 4 } else { 0 }),
            5 => match self.config.local_address {
                IpAddr::V4(address) => Value::IpAddress(address),
                IpAddr::V6(_) => return None,
            },
            6 => Value::Integer(self.ports.0.into()),
            7 => Value::IpAddress(self.address),
            8 => Value::Integer(self.ports.1.into()),
            9 => asn(self.config.remote_as),
            10 => Value::counter(received.updates),
            11 => Value::counter(sent.updates),
            12 => Value::counter(received.total()),
            13 => Value::counter(sent.total()),
            14 => Value::Octets(last_error.to_vec()),
            15 => Value::counter(*established),
            16 => self.since(*changed),
            24 => self.since(*last_update),
            _ => return self.timer(column),
        })
    }
}

/// A path that a peer brought (bgp4PathAttrEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathAttr {
    /// bgp4PathAttrIpAddrPrefix and bgp4PathAttrIpAddrPrefixLen.
    pub prefix: Ipv4Prefix,
    /// bgp4PathAttrPeer.
    pub peer: Ipv4Addr,
    /// The rest.
    pub route: RouteView,
}

/// A number that is absent as -1, and as the largest where it is larger.
fn number(number: Option<u32>) -> Value {
    Value::Integer(number.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX)))
}

impl Row for PathAttr {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 15, 6, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];

    fn index(&self, out: &mut Oid) {
        out.push_ip_address(self.prefix.addr());
        out.push(self.prefix.bit_len().into());
        out.push_ip_address(self.peer);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let attributes = Attributes::of_canonical(&self.route.attributes);
        let octets = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out.truncate(OCTETS);
            Value::Octets(out)
        };
        Some(match column {
            1 => Value::IpAddress(self.peer),
            2 => Value::Integer(self.prefix.bit_len().into()),
            3 => Value::IpAddress(self.prefix.addr()),
            4 => Value::Integer(attributes.origin()? as i32 + 1),
            5 => octets(&|out| {
                if let Some(path) = attributes.as_path() {
                    path.emit(AsWidth::Two, out);
                }
            }),
            6 => match self.route.next_hop {
                Some(IpAddr::V4(address)) => Value::IpAddress(address),
                _ => return None,
            },
            7 => number(attributes.med()),
            8 => number(attributes.local_pref()),
            // lessSpecificRouteNotSelected(1) is what ATOMIC_AGGREGATE says.
            9 => Value::Integer(if attributes.atomic_aggregate() { 1 } else { 2 }),
            10 => attributes.aggregator().map_or(Value::Integer(0), |a| asn(a.asn)),
            11 => Value::IpAddress(attributes.aggregator().map_or(Ipv4Addr::UNSPECIFIED, |a| a.address)),
            // What import policies made of it, or the default (RFC 4271 §9.1.1).
            12 => number(attributes.local_pref().or(Some(Shared::LOCAL_PREF))),
            13 => Value::Integer(if self.route.best { 2 } else { 1 }),
            14 => octets(&|out| attributes.unknown_transitive().for_each(|raw| raw.emit(out))),
            _ => return None,
        })
    }
}

/// A notification with its objects (§4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNotification {
    /// The value of snmpTrapOID.
    pub oid: Oid,
    /// bgpPeerRemoteAddr, bgpPeerLastError, bgpPeerState.
    pub objects: Vec<(Oid, Value)>,
}

/// The objects of one table's sessions at one moment.
#[derive(Clone, Debug)]
pub struct Bgp4Mib {
    /// bgpVersion, bgpLocalAs, bgpIdentifier.
    pub scalars: Table<Bgp>,
    /// bgpPeerTable.
    pub peers: Table<Peer>,
    /// bgp4PathAttrTable.
    pub routes: Table<PathAttr>,
}

impl Bgp4Mib {
    /// The objects of the sessions in a table of a speaker's.
    #[must_use]
    pub fn new(speaker: &Speaker, now: Instant, vrf: VrfId, outside: Outside<'_>) -> Self {
        let identity = speaker.identity();
        let peers: Vec<Peer> =
            speaker.peers().into_iter().filter_map(|peer| row(speaker, now, peer, outside)).collect();
        let peers = || peers.iter().filter(|peer| peer.config.vrf == vrf);
        let path = |route: RouteView| {
            let (IpPrefix::V4(prefix), RouteSource::Peer(from)) = (route.prefix, route.source) else { return None };
            let peer = peers().find(|peer| peer.peer == from)?.address;
            Some(PathAttr { prefix, peer, route })
        };
        let local_as = identity.asn;
        Self {
            scalars: Table::new([Bgp { local_as, identifier: identity.router_id }]),
            routes: Table::new(speaker.vrf_routes(vrf).into_iter().filter_map(path).take(outside.max_routes)),
            peers: Table::new(peers().cloned()),
        }
    }

    fn tables(&self) -> [&dyn Objects; 3] {
        [&self.scalars, &self.peers, &self.routes]
    }

    /// The notification that an event is, with the objects of this moment: bgpEstablishedNotification, bgpBackwardTransNotification.
    #[must_use]
    pub fn notification(&self, event: &Event) -> Option<PeerNotification> {
        let (peer, kind) = match event {
            Event::Established { peer } => (*peer, 1),
            Event::Down { peer, .. } => (*peer, 2),
            _ => return None,
        };
        let row = self.peers.rows().find(|row| row.peer == peer)?;
        let objects = [7, 14, 2].into_iter().filter_map(|column| Some((instance(row, column), row.cell(column)?)));
        Some(PeerNotification { oid: Oid::new(&[MODULE, &[0, kind]].concat()), objects: objects.collect() })
    }
}

impl Objects for Bgp4Mib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.tables()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.tables()).next(oid)
    }
}

fn row(speaker: &Speaker, now: Instant, peer: PeerId, outside: Outside<'_>) -> Option<Peer> {
    let config = speaker.peer_config(peer)?.clone();
    let IpAddr::V4(address) = config.address else { return None };
    Some(Peer {
        peer,
        address,
        state: speaker.peer_state(peer)?,
        negotiated: speaker.peer_negotiated(peer).cloned(),
        counters: speaker.session_counters(peer)?,
        ports: (outside.ports)(peer).unwrap_or_default(),
        config,
        now,
    })
}
