//! Selection of the upstream PE (RFC 6513 §5.1).

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};

/// How one of several upstream PEs is selected (RFC 6513 §5.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UmhSelection {
    /// The highest address.
    #[default]
    HighestAddress,
    /// By a hash of C-root and C-G.
    Hash,
    /// The route that unicast uses.
    Installed,
}

/// What a VPN-IP route says about its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UmhRoute {
    /// VRF Route Import; a route without one leads to no source (RFC 6514 §7).
    pub import: Option<VrfRouteImport>,
    /// Source AS; `None` is this AS.
    pub source_as: Option<u32>,
    /// Next hop.
    pub next_hop: IpAddr,
    /// Whether unicast uses it.
    pub is_installed: bool,
}

/// The selected upstream multicast hop of a C-root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Umh {
    /// The root is behind this PE's own CEs.
    Local,
    /// It is behind another PE.
    Remote {
        /// VRF Route Import of the selected route: PE and VRF.
        import: VrfRouteImport,
        /// Upstream RD.
        rd: RouteDistinguisher,
        /// Source AS.
        source_as: Option<u32>,
        /// Next hop of the selected route.
        next_hop: IpAddr,
    },
}

impl Umh {
    /// The upstream PE, if it is another.
    #[must_use]
    pub const fn pe(&self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Remote { import, .. } => Some(import.address),
        }
    }
}

/// The prefix of `len` bits that holds an address.
pub(super) fn prefix_of(address: IpAddr, len: u8) -> Option<IpPrefix> {
    match address {
        IpAddr::V4(address) => Ipv4Prefix::new(address, len).map(IpPrefix::V4),
        IpAddr::V6(address) => Ipv6Prefix::new(address, len).map(IpPrefix::V6),
    }
}

/// Whether a prefix holds an address.
pub(super) fn holds(prefix: &IpPrefix, address: IpAddr) -> bool {
    prefix_of(address, prefix.bit_len()).is_some_and(|p| p == *prefix)
}

/// Routes to C-roots.
#[derive(Clone, Debug, Default)]
pub(super) struct UmhTable {
    remote: BTreeMap<IpPrefix, BTreeMap<RouteDistinguisher, UmhRoute>>,
    local: BTreeSet<IpPrefix>,
    /// How many prefixes of a family (IPv4: true) and length there are.
    lengths: BTreeMap<(bool, u8), usize>,
    /// Whose the routes of an RD are: PE, AS, and how many there are. The global table has one RD at all PEs.
    origins: BTreeMap<RouteDistinguisher, BTreeMap<IpAddr, (Option<u32>, usize)>>,
    /// PEs whose tunnels do not work (RFC 9026 §3).
    down: BTreeSet<IpAddr>,
}

impl UmhTable {
    fn count(&mut self, prefix: &IpPrefix, more: bool) {
        let key = (prefix.addr().is_ipv4(), prefix.bit_len());
        let n = self.lengths.entry(key).or_default();
        *n = if more { n.saturating_add(1) } else { n.saturating_sub(1) };
        if *n == 0 {
            self.lengths.remove(&key);
        }
    }

    fn count_origin(&mut self, rd: RouteDistinguisher, route: &UmhRoute, more: bool) {
        let Some(import) = route.import else { return };
        let pes = self.origins.entry(rd).or_default();
        let known = pes.entry(import.address).or_insert((route.source_as, 0));
        match more {
            true => *known = (route.source_as, known.1.saturating_add(1)),
            false => known.1 = known.1.saturating_sub(1),
        }
        if known.1 == 0 {
            pes.remove(&import.address);
        }
        if pes.is_empty() {
            self.origins.remove(&rd);
        }
    }

    /// The PE that has a VRF of this RD, where it is but one.
    pub(super) fn origin(&self, rd: RouteDistinguisher) -> Option<IpAddr> {
        let mut pes = self.origins.get(&rd)?.keys();
        pes.next().copied().filter(|_| pes.next().is_none())
    }

    /// Whether routes of this RD lead to a PE.
    pub(super) fn has_origin(&self, rd: RouteDistinguisher, pe: IpAddr) -> bool {
        self.origins.get(&rd).is_some_and(|pes| pes.contains_key(&pe))
    }

    /// The AS of a PE that has a VRF of this RD.
    pub(super) fn as_of(&self, rd: RouteDistinguisher, pe: IpAddr) -> Option<u32> {
        self.origins.get(&rd)?.get(&pe)?.0
    }

    /// Writes or removes a route of another PE. Whether anything changed.
    pub(super) fn set(&mut self, prefix: IpPrefix, rd: RouteDistinguisher, route: Option<UmhRoute>) -> bool {
        match route {
            Some(route) => {
                if !self.remote.contains_key(&prefix) {
                    self.count(&prefix, true);
                }
                let old = self.remote.entry(prefix).or_default().insert(rd, route);
                self.count_origin(rd, &route, true);
                if let Some(old) = &old {
                    self.count_origin(rd, old, false);
                }
                old != Some(route)
            }
            None => {
                let Some(routes) = self.remote.get_mut(&prefix) else { return false };
                let old = routes.remove(&rd);
                if routes.is_empty() {
                    self.remote.remove(&prefix);
                    self.count(&prefix, false);
                }
                if let Some(old) = &old {
                    self.count_origin(rd, old, false);
                }
                old.is_some()
            }
        }
    }

    /// Writes or removes a route of the PE's own sites. Whether anything changed.
    pub(super) fn set_local(&mut self, prefix: IpPrefix, reachable: bool) -> bool {
        let changed = if reachable { self.local.insert(prefix) } else { self.local.remove(&prefix) };
        if changed {
            self.count(&prefix, reachable);
        }
        changed
    }

    /// Whether the address is in the PE's own sites.
    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        self.longest(address).is_some_and(|prefix| self.local.contains(&prefix))
    }

    /// The longest prefix with an address.
    fn longest(&self, address: IpAddr) -> Option<IpPrefix> {
        let is_v4 = address.is_ipv4();
        let lengths = self.lengths.range((is_v4, 0)..=(is_v4, u8::MAX)).rev();
        lengths
            .filter_map(|((_, len), _)| prefix_of(address, *len))
            .find(|p| self.local.contains(p) || self.remote.contains_key(p))
    }

    /// Whether the tunnels of a PE work. Whether that changed.
    pub(super) fn set_down(&mut self, pe: IpAddr, is_down: bool) -> bool {
        if is_down { self.down.insert(pe) } else { self.down.remove(&pe) }
    }

    /// Whether another PE whose tunnels work has a route to a C-root.
    pub(super) fn has_other(&self, root: IpAddr) -> bool {
        let prefixes = self.lengths.keys().rev().filter(|(v4, _)| *v4 == root.is_ipv4());
        let mut routes =
            prefixes.filter_map(|(_, len)| self.remote.get(&prefix_of(root, *len)?)).flat_map(BTreeMap::values);
        routes.any(|route| route.import.is_some_and(|import| !self.down.contains(&import.address)))
    }

    /// The upstream PE of a C-root and C-G (RFC 6513 §5.1.3): of those whose tunnels work, if there are any (RFC 9026 §3).
    pub(super) fn select(&self, root: IpAddr, group: IpAddr, how: UmhSelection) -> Option<Umh> {
        self.select_of(root, group, how, None)
    }

    /// Whether an upstream PE that was selected could be again.
    pub(super) fn is_candidate(&self, root: IpAddr, umh: &Umh) -> bool {
        let Umh::Remote { import, rd, .. } = umh else { return self.is_local(root) };
        let Some(prefix) = self.longest(root).filter(|prefix| !self.local.contains(prefix)) else { return false };
        let route = self.remote.get(&prefix).and_then(|routes| routes.get(rd));
        route.is_some_and(|route| route.import == Some(*import)) && !self.down.contains(&import.address)
    }

    /// The second choice: who is selected without the first.
    pub(super) fn select_but(&self, root: IpAddr, group: IpAddr, how: UmhSelection, first: IpAddr) -> Option<Umh> {
        self.select_of(root, group, how, Some(first))
    }

    fn select_of(&self, root: IpAddr, group: IpAddr, how: UmhSelection, without: Option<IpAddr>) -> Option<Umh> {
        let installed = self.longest(root)?;
        if self.local.contains(&installed) {
            return Some(Umh::Local);
        }
        let routes = self.remote.get(&installed)?;
        let candidates = routes.iter().filter_map(|(rd, route)| Some((route.import?, *rd, route)));
        let mut candidates: Vec<_> = candidates.collect();
        candidates.retain(|(import, ..)| Some(import.address) != without);
        if candidates.iter().any(|(import, ..)| !self.down.contains(&import.address)) {
            candidates.retain(|(import, ..)| !self.down.contains(&import.address));
        }
        candidates.sort_by_key(|(import, rd, _)| (import.address, *rd));
        let pe = match how {
            UmhSelection::HighestAddress => candidates.last()?.0.address,
            UmhSelection::Hash => {
                let mut pes: Vec<IpAddr> = candidates.iter().map(|(import, ..)| import.address).collect();
                pes.dedup();
                let position = usize::from(xor(root) ^ xor(group)).checked_rem(pes.len())?;
                *pes.get(position)?
            }
            UmhSelection::Installed => {
                let used = candidates.iter().find(|(.., route)| route.is_installed);
                used.or(candidates.last())?.0.address
            }
        };
        // Of several VRFs of one PE, the one with the highest RD.
        let (import, rd, route) = candidates.iter().rev().find(|(import, ..)| import.address == pe)?;
        let UmhRoute { source_as, next_hop, .. } = **route;
        Some(Umh::Remote { import: *import, rd: *rd, source_as, next_hop })
    }
}

/// The exclusive or of all octets.
fn xor(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(a) => a.octets().iter().fold(0, |x, o| x ^ o),
        IpAddr::V6(a) => a.octets().iter().fold(0, |x, o| x ^ o),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(pe: u8) -> UmhRoute {
        let address = IpAddr::from([192, 0, 2, pe]);
        let import = Some(VrfRouteImport { address, local: 7 });
        UmhRoute { import, source_as: Some(65001), next_hop: address, is_installed: pe == 2 }
    }

    fn rd(n: u8) -> RouteDistinguisher {
        RouteDistinguisher::two_octet_as(65001, u32::from(n))
    }

    fn table(pes: &[u8]) -> UmhTable {
        let mut table = UmhTable::default();
        for pe in pes {
            assert!(table.set("10.1.0.0/16".parse().unwrap(), rd(*pe), Some(route(*pe))));
        }
        table
    }

    fn pe(table: &UmhTable, group: [u8; 4], how: UmhSelection) -> Option<IpAddr> {
        table.select([10, 1, 2, 3].into(), group.into(), how).and_then(|umh| umh.pe())
    }

    #[test]
    fn the_highest_address_the_hash_and_the_installed_route() {
        let table = table(&[3, 1, 2]);
        let of = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        let group = [232, 1, 1, 1];
        assert_eq!(pe(&table, group, UmhSelection::HighestAddress), of(3));
        assert_eq!(pe(&table, group, UmhSelection::Installed), of(2));
        // 10^1^2^3 ^ 232^1^1^1 = 227; 227 mod 3 = 2: the third lowest.
        assert_eq!(xor([10, 1, 2, 3].into()) ^ xor(group.into()), 227);
        assert_eq!(pe(&table, group, UmhSelection::Hash), of(3));
    }

    /// The hash's example, and a thousand groups on two PEs: a half each, by at most 5 %.
    ///
    /// Shows: MVPN-MH-2
    #[test]
    fn a_thousand_groups_are_split_evenly() {
        let both = table(&[1, 2]);
        let groups = (0..1000_u16).map(|n| [239, 1, (n >> 8) as u8, n as u8]);
        let first = groups.filter(|g| pe(&both, *g, UmhSelection::Hash) == Some([192, 0, 2, 1].into())).count();
        assert!((475..=525).contains(&first), "{first}");
        assert_eq!(pe(&table(&[1, 2, 3]), [232, 1, 1, 1], UmhSelection::Hash), Some([192, 0, 2, 3].into()));
    }

    #[test]
    fn the_longest_prefix_counts_and_routes_without_import_do_not() {
        let mut table = table(&[1]);
        let group = [232, 1, 1, 1];
        let longer = "10.1.2.0/24".parse().unwrap();
        assert!(table.set(longer, rd(9), Some(UmhRoute { import: None, ..route(9) })));
        assert_eq!(pe(&table, group, UmhSelection::HighestAddress), None);
        assert!(table.set(longer, rd(9), None) && !table.set(longer, rd(9), None));
        assert_eq!(pe(&table, group, UmhSelection::HighestAddress), Some([192, 0, 2, 1].into()));
        assert!(table.set_local("10.1.2.3/32".parse().unwrap(), true));
        assert_eq!(table.select([10, 1, 2, 3].into(), group.into(), UmhSelection::HighestAddress), Some(Umh::Local));
        assert!(table.is_local([10, 1, 2, 3].into()) && !table.is_local([10, 1, 2, 4].into()));
        assert_eq!(table.select("2001:db8::1".parse().unwrap(), group.into(), UmhSelection::HighestAddress), None);
    }
}
