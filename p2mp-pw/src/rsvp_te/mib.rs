//! MPLS-TE-STD-MIB (RFC 3812): the P2MP LSPs of a router, their ways and what they carry, read-only.
//!
//! The module was made for tunnels with one egress. Of a P2MP tunnel mplsTunnelEgressLSRId is the P2MP ID, and each sub-LSP is a path option
//! of the tunnel's hop list: its number in the order of leaves, its name the leaf, its hops those that are left from here on, the leaf last. A
//! hop's row is active(1) while there is a reservation to the leaf, else notReady(3). A tunnel is up while packets reach some leaf.
//!
//! Left out: recorded and computed hops, CR-LDP, counters of packets, and at transit the priorities, which are not kept. The numbers of hop
//! lists and resources are those of the picture.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value, instance};
use fwd_core::time::Instant;

use super::config::LspKey;
use super::lsp::{Lsp, Towards};
use super::machine::Rsvp;
use super::program::PRIORITY;
use super::route::Subobject;
use super::tspec::TokenBucket;

/// MplsOwner other(2), rsvpTe(6).
const OWNERS: [i32; 2] = [2, 6];

fn ticks(time: Duration) -> Value {
    Value::Ticks(u32::try_from(time.as_millis() / 10).unwrap_or(u32::MAX))
}

/// mplsTeScalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeScalars {
    /// mplsTunnelConfigured: LSPs that begin here.
    pub configured: usize,
    /// mplsTunnelActive.
    pub active: usize,
}

impl Row for TeScalars {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 3, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 5];

    fn index(&self, out: &mut Oid) {
        out.push(0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            1 => Value::gauge(self.configured),
            2 => Value::gauge(self.active),
            // other(0): ways are given.
            3 => Value::Octets(alloc::vec![0x80]),
            5 => Value::Unsigned(0),
            _ => return None,
        })
    }
}

/// A P2MP LSP (mplsTunnelEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// mplsTunnelIndex, mplsTunnelInstance, mplsTunnelIngressLSRId, mplsTunnelEgressLSRId: tunnel, LSP, ingress, P2MP ID.
    pub lsp: LspKey,
    /// mplsTunnelRole: head(1), transit(2), tail(3); a bud is transit.
    pub role: i32,
    /// mplsTunnelPrimaryInstance: of an LSP that is to replace another, that one.
    pub primary: u16,
    /// mplsTunnelHopTableIndex, and the number of its resource.
    pub number: u32,
    /// mplsTunnelXCPointer.
    pub cross_connect: Option<Oid>,
    /// mplsTunnelResourcePointer.
    resource: Oid,
    /// mplsTunnelOperStatus is up(1).
    pub is_up: bool,
    /// mplsTunnelTotalUpTime, mplsTunnelInstanceUpTime.
    pub up_for: (Duration, Duration),
    /// mplsTunnelCreationTime.
    pub created: Instant,
    /// mplsTunnelStateTransitions.
    pub transitions: u32,
}

impl Tunnel {
    fn of(now: Instant, key: LspKey, lsp: &Lsp, number: u32, cross_connect: Option<Oid>) -> Self {
        let goes_on = lsp.leaves.values().any(|leaf| leaf.towards != Towards::Here);
        Self {
            lsp: key,
            role: match (lsp.ingress, goes_on) {
                (true, _) => 1,
                (false, true) => 2,
                (false, false) => 3,
            },
            primary: lsp.replaces.map_or(key.lsp_id, |old| old.lsp_id),
            number,
            cross_connect,
            resource: instance(&TunnelResource { number, tspec: lsp.tspec }, 2),
            is_up: lsp.life.is_up,
            up_for: lsp.life.up_for(now),
            created: lsp.life.created,
            transitions: lsp.life.transitions,
        }
    }

    const fn is_head(&self) -> bool {
        self.role == 1
    }
}

impl Row for Tunnel {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 3, 2, 2, 1];
    const COLUMNS: &'static [u32] = &[
        5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 34, 35, 36,
        37,
    ];

    fn index(&self, out: &mut Oid) {
        out.push(self.lsp.session.tunnel_id.into());
        out.push(self.lsp.lsp_id.into());
        out.push(self.lsp.sender.to_bits());
        out.push(self.lsp.session.p2mp_id);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let nothing = Oid::new(&[0, 0]);
        let [other, rsvp_te] = OWNERS;
        Some(match column {
            // SESSION_ATTRIBUTE has no name here.
            5 => Value::Octets(Vec::new()),
            6 => Value::Octets(b"P2MP".to_vec()),
            7 | 16 => Value::truth(false),
            8 => Value::Integer(0),
            9 => Value::Integer(if self.is_head() { other } else { rsvp_te }),
            10 => Value::Integer(self.role),
            11 => Value::Oid(self.cross_connect.clone().unwrap_or(nothing)),
            // rsvp(2).
            12 => Value::Integer(2),
            13 | 14 if self.is_head() => Value::Integer(PRIORITY.into()),
            // No local protection, no recorded route.
            15 => Value::Octets(alloc::vec![0]),
            17 => Value::Oid(self.resource.clone()),
            18 => Value::Unsigned(self.primary.into()),
            20 => Value::Unsigned(self.number),
            // All path options are in use; none is recorded or computed. Any link will do.
            19 | 21..=26 => Value::Unsigned(0),
            27 => ticks(self.up_for.0),
            28 => ticks(self.up_for.1),
            32 => Value::time_stamp(self.created),
            33 => Value::Counter(self.transitions),
            34 => Value::Integer(1),
            35 => Value::Integer(if self.is_up { 1 } else { 2 }),
            36 => Value::ACTIVE,
            37 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// A hop of a sub-LSP (mplsTunnelHopEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelHop {
    /// mplsTunnelHopListIndex, mplsTunnelHopPathOptionIndex, mplsTunnelHopIndex.
    pub index: (u32, u32, u32),
    /// The leaf: mplsTunnelHopPathOptionName.
    pub leaf: Ipv4Addr,
    /// mplsTunnelHopIpAddr and mplsTunnelHopIpPrefixLen.
    pub address: (IpAddr, u8),
    /// mplsTunnelHopType is loose(2).
    pub is_loose: bool,
    /// mplsTunnelHopEntryPathComp is explicit(2): there is a way.
    pub is_explicit: bool,
    /// There is a reservation from here to the leaf.
    pub is_reserved: bool,
}

impl Row for TunnelHop {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 3, 2, 4, 1];
    const COLUMNS: &'static [u32] = &[4, 5, 6, 10, 11, 12, 13, 14, 15];

    fn index(&self, out: &mut Oid) {
        out.push(self.index.0);
        out.push(self.index.1);
        out.push(self.index.2);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // TeHopAddressType (RFC 3811): of ipv4 and ipv6 as InetAddressType.
            4 => Value::address_type(Some(self.address.0)),
            5 => Value::address(Some(self.address.0)),
            6 => Value::Unsigned(self.address.1.into()),
            10 => Value::Integer(if self.is_loose { 2 } else { 1 }),
            11 => Value::truth(true),
            12 => Value::Octets(self.leaf.to_string().into_bytes()),
            13 => Value::Integer(if self.is_explicit { 2 } else { 1 }),
            14 => Value::Integer(if self.is_reserved { 1 } else { 3 }),
            15 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// What an LSP carries (mplsTunnelResourceEntry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelResource {
    /// mplsTunnelResourceIndex.
    pub number: u32,
    /// The token bucket.
    pub tspec: TokenBucket,
}

/// Octets a second, as the bits of a floating-point number, as MplsBitRate: thousands of bits a second, rounded.
fn bit_rate(bits: u32) -> Value {
    // A float becomes the nearest number that there is.
    Value::Unsigned((f32::from_bits(bits) / 125.0 + 0.5) as u32)
}

impl Row for TunnelResource {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 3, 2, 6, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 9, 10];

    fn index(&self, out: &mut Oid) {
        out.push(self.number);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => bit_rate(self.tspec.peak),
            3 => bit_rate(self.tspec.rate),
            4 => Value::Unsigned(f32::from_bits(self.tspec.bucket) as u32),
            9 => Value::ACTIVE,
            10 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// The P2MP LSPs of a router at one moment.
#[derive(Clone, Debug)]
pub struct TeMib {
    /// mplsTeScalars.
    pub scalars: Table<TeScalars>,
    /// mplsTunnelTable.
    pub tunnels: Table<Tunnel>,
    /// mplsTunnelHopTable.
    pub hops: Table<TunnelHop>,
    /// mplsTunnelResourceTable.
    pub resources: Table<TunnelResource>,
}

impl TeMib {
    /// The objects of a router. `cross_connect` says where MPLS-LSR-STD-MIB has an LSP, as
    /// [`MplsMib::cross_connect`](fwd_core::mib::MplsMib::cross_connect) does of [`Rsvp::incoming`]'s label and
    /// [`MplsMib::beginning`](fwd_core::mib::MplsMib::beginning) of the entry of a leg; `None`: nowhere.
    #[must_use]
    pub fn new(rsvp: &Rsvp, now: Instant, cross_connect: impl Fn(LspKey) -> Option<Oid>) -> Self {
        let (mut tunnels, mut hops, mut resources) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (key, lsp)) in (1..).zip(&rsvp.lsps) {
            tunnels.push(Tunnel::of(now, *key, lsp, number, cross_connect(*key)));
            resources.push(TunnelResource { number, tspec: lsp.tspec });
            hops.extend(ways(number, lsp));
        }
        let scalars = TeScalars {
            configured: rsvp.lsps.values().filter(|lsp| lsp.ingress).count(),
            active: tunnels.iter().filter(|tunnel| tunnel.is_up).count(),
        };
        Self {
            scalars: Table::new([scalars]),
            tunnels: Table::new(tunnels),
            hops: Table::new(hops),
            resources: Table::new(resources),
        }
    }

    fn tables(&self) -> [&dyn Objects; 4] {
        [&self.scalars, &self.tunnels, &self.hops, &self.resources]
    }
}

impl Objects for TeMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.tables()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.tables()).next(oid)
    }
}

/// The hops of an LSP's sub-LSPs.
fn ways(list: u32, lsp: &Lsp) -> Vec<TunnelHop> {
    let mut hops = Vec::new();
    for (option, (address, leaf)) in (1..).zip(&lsp.leaves) {
        let given = leaf.route.0.iter().filter_map(|hop| match hop {
            Subobject::Address { loose, address, bits, .. } => Some((*address, *bits, *loose)),
            _ => None,
        });
        let is_explicit = !leaf.route.0.is_empty();
        for (hop, (to, bits, is_loose)) in (1..).zip(given.chain([(IpAddr::V4(*address), 32, true)])) {
            hops.push(TunnelHop {
                index: (list, option, hop),
                leaf: *address,
                address: (to, bits),
                is_loose,
                is_explicit,
                is_reserved: leaf.reserved,
            });
        }
    }
    hops
}
