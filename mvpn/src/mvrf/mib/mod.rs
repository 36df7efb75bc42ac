//! BGP-MPLS-LAYER3-VPN-MULTICAST-MIB (RFC 8503) and L2L3-VPN-MULTICAST-MIB (RFC 8502): the objects of a PE's MVRFs, read-only, and
//! the notification.
//!
//! [`MvpnMib`] is a picture of one moment. Objects that this machine does not know, as the unicast route to a source, have no instance:
//! columns of `mvpnMrouteTable` on unicast routes and on drops by TTL, of `mvpnAdvtStatsTable` on tunnels that are malformed (those never
//! reach a machine), `l2L3VpnMcastPmsiTunnelIf`, and the scalars that configure. Row pointers of this module lead to rows of this module.

mod adverts;
mod mroute;
mod notification;
mod pmsi;

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::mib::View;
use fwd_core::GroupCounters;
use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value};
use fwd_core::net::{ReplicationId, VrfId};
use fwd_core::time::Instant;

use super::config::{AsmMode, CMulticastProtocol, Sites};
use super::instance::Mvrf;
use super::machine::MvpnPe;
use super::p_tunnel::PTunnel;
use super::umh::UmhSelection;
use crate::pim::wire::AddressFamily;

pub use adverts::AdvtStats;
pub use mroute::{MrouteNextHopRow, MrouteRow};
pub use notification::Notification;
pub use pmsi::{PmsiRow, SPmsiRow, TunnelRow};

/// mvpnMIB, { mib-2 243 }.
pub const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 243];
/// l2L3VpnMcastMIB, { mib-2 245 }.
pub const TUNNEL_MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 245];

/// What the router knows and this machine does not.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// mplsL3VpnVrfName of a VRF; names are unlike.
    pub vrf_name: &'a dyn Fn(VrfId) -> Vec<u8>,
    /// DateAndTime (RFC 2579 §2) of a moment.
    pub date: &'a dyn Fn(Instant) -> Vec<u8>,
    /// What the forwarder counted for a replication group.
    pub group: &'a dyn Fn(ReplicationId) -> Option<GroupCounters>,
    /// The row of another module, such as mplsTunnelTable, that a tunnel is in.
    pub tunnel: &'a dyn Fn(&PTunnel) -> Option<Oid>,
    /// ifIndex of the PMSI that tree 0 would have; those of S-PMSIs follow by the number of their tree. I-PMSIs have that of
    /// [`super::MvrfConfig::pmsi`].
    pub first_if_index: u32,
    /// For whom the picture is.
    pub view: View<'a>,
}

/// The scalars (mvpnScalars).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scalars {
    /// mvpnMvrfs.
    pub mvrfs: usize,
    /// mvpnV4Mvrfs, mvpnV6Mvrfs.
    pub by_family: [usize; 2],
    /// mvpnPimV4Mvrfs, mvpnPimV6Mvrfs.
    pub pim: [usize; 2],
    /// mvpnBgpV4Mvrfs, mvpnBgpV6Mvrfs.
    pub bgp: [usize; 2],
}

impl Scalars {
    fn count<'m>(mvrfs: impl Iterator<Item = &'m Mvrf>) -> Self {
        let mut s = Self::default();
        for m in mvrfs {
            s.mvrfs = s.mvrfs.saturating_add(1);
            for (n, family) in [AddressFamily::V4, AddressFamily::V6].into_iter().enumerate() {
                let has = usize::from(m.config.families.contains(&family));
                let by_protocol = match m.config.protocol {
                    CMulticastProtocol::Pim => &mut s.pim,
                    CMulticastProtocol::Bgp | CMulticastProtocol::Both => &mut s.bgp,
                };
                for count in [s.by_family.get_mut(n), by_protocol.get_mut(n)].into_iter().flatten() {
                    *count = count.saturating_add(has);
                }
            }
        }
        s
    }
}

impl Row for Scalars {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5, 6, 7, 8];

    fn index(&self, out: &mut Oid) {
        out.push(0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let ([v4, v6], [pim4, pim6], [bgp4, bgp6]) = (self.by_family, self.pim, self.bgp);
        Some(Value::gauge(match column {
            1 => self.mvrfs,
            2 => v4,
            3 => v6,
            // mvpnMldpMvrfs: no customer of this PE signals by mLDP.
            4 => 0,
            5 => pim4,
            6 => pim6,
            7 => bgp4,
            8 => bgp6,
            _ => return None,
        }))
    }
}

/// A row of mvpnGenericTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenericRow {
    vrf: VrfId,
    name: Vec<u8>,
    /// mvpnGenMvrfLastAction and its time.
    last: (i32, Vec<u8>),
    created: Vec<u8>,
    protocol: CMulticastProtocol,
    i_pmsi: Oid,
    umh: UmhSelection,
    sites: Sites,
}

impl Row for GenericRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8, 9];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.name);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => Value::Integer(self.last.0),
            3 => Value::Octets(self.last.1.clone()),
            4 => Value::Octets(self.created.clone()),
            5 => Value::Integer(match self.protocol {
                CMulticastProtocol::Pim => 1,
                // Nothing stands for both: what the VPN is on its way to.
                CMulticastProtocol::Bgp | CMulticastProtocol::Both => 2,
            }),
            6 => Value::Oid(self.i_pmsi.clone()),
            // No row stands for a segmented inter-AS I-PMSI.
            7 => Value::Oid(zero_dot_zero()),
            8 => Value::Integer(match self.umh {
                UmhSelection::HighestAddress => 1,
                UmhSelection::Hash => 2,
                UmhSelection::Installed => 3,
            }),
            9 => Value::Integer(match (self.sites.senders, self.sites.receivers) {
                (true, true) => 1,
                (false, true) => 2,
                (true, false) => 3,
                // Neither has no name in the module.
                (false, false) => return None,
            }),
            _ => return None,
        })
    }
}

/// A row of mvpnBgpTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpRow {
    name: Vec<u8>,
    mode: AsmMode,
    /// VRF Route Import as octets of the community without its type, where it has the IPv4 form.
    import: Option<Vec<u8>>,
    asn: u32,
    max_s_pmsis: usize,
    max_sources: usize,
}

impl Row for BgpRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 3, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 5, 7];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.name);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            1 => Value::Integer(match self.mode {
                AsmMode::RptSpt => 1,
                AsmMode::SptOnly => 2,
            }),
            2 => Value::Octets(self.import.clone()?),
            3 => Value::Unsigned(self.asn),
            5 => Value::gauge(self.max_s_pmsis),
            7 => Value::gauge(self.max_sources),
            _ => return None,
        })
    }
}

/// All objects at one moment.
#[derive(Clone, Debug)]
pub struct MvpnMib {
    /// mvpnScalars.
    pub scalars: Table<Scalars>,
    /// mvpnGenericTable.
    pub generic: Table<GenericRow>,
    /// mvpnBgpTable.
    pub bgp: Table<BgpRow>,
    /// mvpnPmsiTable.
    pub pmsis: Table<PmsiRow>,
    /// mvpnSpmsiTable.
    pub s_pmsis: Table<SPmsiRow>,
    /// mvpnAdvtStatsTable.
    pub adverts: Table<AdvtStats>,
    /// mvpnMrouteTable.
    pub mroutes: Table<MrouteRow>,
    /// mvpnMrouteNextHopTable.
    pub next_hops: Table<MrouteNextHopRow>,
    /// l2L3VpnMcastPmsiTunnelAttributeTable.
    pub tunnels: Table<TunnelRow>,
}

impl MvpnMib {
    /// The picture of a PE.
    #[must_use]
    pub fn new(pe: &MvpnPe, outside: &Outside<'_>) -> Self {
        let seen: Vec<&Mvrf> = pe.mvrfs.values().filter(|m| outside.view.shows(m.config.vrf)).collect();
        let all = || seen.iter().copied();
        let shared = &pe.shared;
        Self {
            scalars: Table::new([Scalars::count(all())]),
            generic: Table::new(all().map(|m| GenericRow::new(m, outside))),
            bgp: Table::new(all().filter(|m| m.config.protocol == CMulticastProtocol::Bgp).map(|m| {
                let limits = &m.config.limits;
                BgpRow {
                    name: (outside.vrf_name)(m.config.vrf),
                    mode: m.config.asm,
                    import: route_import(m, shared.config.router),
                    asn: shared.config.asn,
                    max_s_pmsis: limits.own_s_pmsis,
                    max_sources: limits.own_sources,
                }
            })),
            pmsis: Table::new(all().flat_map(|m| pmsi::pmsis(m, shared, outside))),
            s_pmsis: Table::new(all().flat_map(|m| pmsi::s_pmsis(m, shared, outside))),
            adverts: Table::new(all().flat_map(|m| adverts::stats(m, shared, outside))),
            mroutes: Table::new(all().flat_map(|m| mroute::routes(m, shared, outside))),
            next_hops: Table::new(all().flat_map(|m| mroute::next_hops(m, outside))),
            tunnels: Table::new(all().flat_map(|m| pmsi::tunnels(m, shared, outside))),
        }
    }

    fn with<R>(&self, then: impl FnOnce(&Groups<'_>) -> R) -> R {
        then(&Groups(&[
            &self.scalars,
            &self.generic,
            &self.bgp,
            &self.pmsis,
            &self.s_pmsis,
            &self.adverts,
            &self.mroutes,
            &self.next_hops,
            &self.tunnels,
        ]))
    }
}

impl Objects for MvpnMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        self.with(|all| all.get(oid))
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        self.with(|all| all.next(oid))
    }
}

/// mvpnGenMvrfLastAction.
const CREATED: i32 = 1;
const MODIFIED_S_PMSI: i32 = 4;

impl GenericRow {
    fn new(m: &Mvrf, outside: &Outside<'_>) -> Self {
        let date = outside.date;
        let last = match m.s_pmsi_changed_at {
            Some(at) => (MODIFIED_S_PMSI, date(at)),
            None => (CREATED, date(m.created)),
        };
        Self {
            vrf: m.config.vrf,
            name: (outside.vrf_name)(m.config.vrf),
            last,
            created: date(m.created),
            protocol: m.config.protocol,
            i_pmsi: m.inclusive.map_or_else(zero_dot_zero, |_| pmsi::pointer(m.config.pmsi.0)),
            umh: m.config.umh,
            sites: m.config.sites,
        }
    }
}

/// MplsL3VpnRouteDistinguisher has room for the community of an IPv4 PE: its eight octets.
fn route_import(m: &Mvrf, router: IpAddr) -> Option<Vec<u8>> {
    let IpAddr::V4(address) = router else { return None };
    let mut octets = alloc::vec![0x01, 0x0b];
    octets.extend_from_slice(&address.octets());
    octets.extend_from_slice(&m.config.number.to_be_bytes());
    Some(octets)
}

/// The pointer to nothing.
fn zero_dot_zero() -> Oid {
    Oid::new(&[0, 0])
}

/// Appends a group or source with its length: what is not given is the unspecified address, of length 0 (RFC 8503).
fn push_prefix(out: &mut Oid, family: AddressFamily, address: Option<IpAddr>, bits: Option<u8>) {
    let (unspecified, whole) = match family {
        AddressFamily::V4 => (IpAddr::from([0; 4]), 32),
        AddressFamily::V6 => (IpAddr::from([0; 16]), 128),
    };
    out.push_address(Some(address.unwrap_or(unspecified)));
    out.push(u32::from(bits.unwrap_or(if address.is_some() { whole } else { 0 })));
}
