//! Interfaces with their neighbours, and routes: what the machines know of the network around them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::IfIndex;
use fwd_core::op::MrouteKey;
use fwd_core::time::Instant;

use super::bidir::Rpa;
use super::config::{PimConfig, PimInterfaceConfig};
use super::dr_election::{DrCandidate, Flow, dr, gdr_ordinal};
use super::io::MribRoute;
use super::rp_set::{RpAddress, RpMode, RpSet};
use super::state::Rpf;
use super::ways::{AllWays, Target};
use super::wire::{AddressFamily, DrlbList};

/// An address of the family that a PIM router is of.
pub trait PimAddress: RpAddress {
    /// The family.
    const FAMILY: AddressFamily;
    /// The address as a number.
    fn bits(self) -> u128;
    /// The address of a number that [`Self::bits`] gave.
    fn of_bits(bits: u128) -> Self;
    /// The forwarder's key of (S,G) or (*,G).
    fn mroute_key(source: Option<Self>, group: Self) -> MrouteKey;
    /// The source and group of a forwarder's key; `None` if it is of the other family or of a range of groups.
    fn of_mroute_key(key: MrouteKey) -> Option<(Option<Self>, Self)>;
    /// The forwarder's key of a range of groups.
    fn range_key(range: Self::Prefix) -> MrouteKey;
    /// Ranges whose groups are not routed by an RP of the mapping: source-specific ones, and with `embedded` those that hold their RP.
    fn special_groups(embedded: bool) -> impl Iterator<Item = Self::Prefix>;
}

impl PimAddress for Ipv4Addr {
    const FAMILY: AddressFamily = AddressFamily::V4;

    fn bits(self) -> u128 {
        u128::from(self.to_bits())
    }

    fn of_bits(bits: u128) -> Self {
        Self::from_bits(u32::try_from(bits).unwrap_or(0))
    }

    fn mroute_key(source: Option<Self>, group: Self) -> MrouteKey {
        match source {
            Some(source) => MrouteKey::Source4 { source, group },
            None => MrouteKey::Group4 { group: fwd_core::net::Ipv4Prefix::host(group) },
        }
    }

    fn of_mroute_key(key: MrouteKey) -> Option<(Option<Self>, Self)> {
        match key {
            MrouteKey::Source4 { source, group } => Some((Some(source), group)),
            MrouteKey::Group4 { group } if group.bit_len() == 32 => Some((None, group.addr())),
            _ => None,
        }
    }

    fn range_key(group: fwd_core::net::Ipv4Prefix) -> MrouteKey {
        MrouteKey::Group4 { group }
    }

    fn special_groups(_: bool) -> impl Iterator<Item = fwd_core::net::Ipv4Prefix> {
        fwd_core::net::Ipv4Prefix::new(Self::new(232, 0, 0, 0), 8).into_iter()
    }
}

impl PimAddress for Ipv6Addr {
    const FAMILY: AddressFamily = AddressFamily::V6;

    fn bits(self) -> u128 {
        self.to_bits()
    }

    fn of_bits(bits: u128) -> Self {
        Self::from_bits(bits)
    }

    fn mroute_key(source: Option<Self>, group: Self) -> MrouteKey {
        match source {
            Some(source) => MrouteKey::Source6 { source, group },
            None => MrouteKey::Group6 { group: fwd_core::net::Ipv6Prefix::host(group) },
        }
    }

    fn of_mroute_key(key: MrouteKey) -> Option<(Option<Self>, Self)> {
        match key {
            MrouteKey::Source6 { source, group } => Some((Some(source), group)),
            MrouteKey::Group6 { group } if group.bit_len() == 128 => Some((None, group.addr())),
            _ => None,
        }
    }

    fn range_key(group: fwd_core::net::Ipv6Prefix) -> MrouteKey {
        MrouteKey::Group6 { group }
    }

    fn special_groups(embedded: bool) -> impl Iterator<Item = fwd_core::net::Ipv6Prefix> {
        let of = |first: u16, len| fwd_core::net::Ipv6Prefix::new(Self::new(first, 0, 0, 0, 0, 0, 0, 0), len);
        let ssm = (0xff30..=0xff3f).filter_map(move |first| of(first, 32));
        ssm.chain(of(0xff70, 12).filter(|_| embedded))
    }
}

/// Tokens that come at a steady rate, as many as a second's at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    per_second: u32,
    micro_tokens: u64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, micro_tokens: u64::from(per_second).saturating_mul(1_000_000), at: now }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let most = u64::from(self.per_second).saturating_mul(1_000_000);
        let micros = u64::try_from((now - self.at).as_micros()).unwrap_or(u64::MAX);
        self.at = now;
        let grown = micros.saturating_mul(u64::from(self.per_second)).saturating_add(self.micro_tokens);
        self.micro_tokens = grown.min(most);
        let taken = self.micro_tokens.checked_sub(1_000_000);
        self.micro_tokens = taken.unwrap_or(self.micro_tokens);
        taken.is_some()
    }
}

/// What the last Hello of a neighbour said.
#[derive(Clone, Debug)]
pub(super) struct Neighbor<A> {
    pub(super) dr_priority: Option<u32>,
    pub(super) generation_id: Option<u32>,
    /// T, Propagation_Delay, Override_Interval.
    pub(super) lan_prune_delay: Option<(bool, Duration, Duration)>,
    pub(super) secondary: Vec<A>,
    pub(super) drlb_capability: Option<u8>,
    pub(super) drlb_list: Option<DrlbList>,
    /// Router identifier of the Interface ID option.
    pub(super) router_id: u32,
    /// Local part of the Interface ID option.
    pub(super) local_id: u32,
    /// Join Attribute.
    pub(super) join_attribute: bool,
    /// PIM MT-ID.
    pub(super) mt_id: bool,
    /// ECMP Redirect.
    pub(super) ecmp_redirect: bool,
    /// Bidirectional Capable.
    pub(super) bidirectional: bool,
    /// State Refresh Capable.
    pub(super) state_refresh: bool,
    pub(super) messages: Rate,
}

impl<A: PimAddress> Neighbor<A> {
    /// Whether two Hellos said the same.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        let said = |n: &Self| (n.dr_priority, n.generation_id, n.lan_prune_delay, n.drlb_capability, n.router_id);
        said(self) == said(other) && self.secondary == other.secondary && self.drlb_list == other.drlb_list
    }
}

/// A PIM interface.
#[derive(Clone, Debug)]
pub(super) struct Interface<A: PimAddress> {
    pub(super) config: PimInterfaceConfig<A>,
    pub(super) generation_id: u32,
    pub(super) neighbors: BTreeMap<A, Neighbor<A>>,
    /// DR(I).
    pub(super) dr: A,
    /// Whether a Hello went out since the last neighbour appeared: Join/Prunes before one would be dropped.
    pub(super) hello_sent: bool,
    /// Groups that have, or had, state on this interface.
    pub(super) groups: BTreeSet<A>,
    /// States that Joins and members made here.
    pub(super) states: usize,
    /// Hellos that say something new: each may cost an evaluation of all that is on the interface.
    pub(super) news: Rate,
    /// ECMP Redirects to be sent.
    pub(super) redirects: Rate,
}

impl<A: PimAddress> Interface<A> {
    fn me(&self) -> DrCandidate<A> {
        DrCandidate { address: self.config.address, priority: Some(self.config.dr_priority) }
    }

    /// DR(I) anew.
    pub(super) fn elect_dr(&self) -> A {
        let candidates = self.neighbors.iter().map(|(a, n)| DrCandidate { address: *a, priority: n.dr_priority });
        dr(self.me(), candidates)
    }

    // RFC 7761 §4.3.3
    pub(super) fn lan_delay_enabled(&self) -> bool {
        self.neighbors.values().all(|n| n.lan_prune_delay.is_some())
    }

    pub(super) fn effective_propagation_delay(&self) -> Duration {
        if !self.lan_delay_enabled() {
            return Duration::from_millis(500);
        }
        let delays = self.neighbors.values().filter_map(|n| n.lan_prune_delay).map(|d| d.1);
        delays.fold(self.config.propagation_delay, Duration::max)
    }

    pub(super) fn effective_override_interval(&self) -> Duration {
        if !self.lan_delay_enabled() {
            return Duration::from_millis(2500);
        }
        let intervals = self.neighbors.values().filter_map(|n| n.lan_prune_delay).map(|d| d.2);
        intervals.fold(self.config.override_interval, Duration::max)
    }

    pub(super) fn suppression_enabled(&self) -> bool {
        !(self.lan_delay_enabled()
            && self.config.tracking_support
            && self.neighbors.values().filter_map(|n| n.lan_prune_delay).all(|d| d.0))
    }

    /// J/P_Override_Interval(I).
    pub(super) fn override_interval(&self) -> Duration {
        self.effective_propagation_delay().saturating_add(self.effective_override_interval())
    }

    /// The candidates that the DR's list gives a share of flows (RFC 8775 §5.4), highest first.
    pub(super) fn gdr_candidates(&self) -> Vec<A> {
        let mut list: Vec<A> = self
            .neighbors
            .iter()
            .filter(|(_, n)| n.drlb_capability == Some(0) && n.dr_priority == Some(self.config.dr_priority))
            .map(|(a, n)| gdr_address(*a, n.router_id))
            .collect();
        list.push(self.config.address);
        list.sort_unstable_by(|a, b| b.cmp(a));
        list
    }

    /// Whether this router acts for a flow's receivers: the DR, or with load balancing the flow's GDR (RFC 8775 §5.6).
    fn acts_for(&self, group: A, source: Option<A>, rp: Option<A>) -> bool {
        let i_am_dr = self.dr == self.config.address;
        let Some(masks) = &self.config.dr_load_balancing else { return i_am_dr };
        let (masks, candidates) = if i_am_dr {
            ((masks.group_mask, masks.source_mask, masks.rp_mask), self.gdr_candidates())
        } else {
            let theirs = self.neighbors.get(&self.dr).filter(|n| n.drlb_capability == Some(0));
            let Some(list) = theirs.and_then(|n| n.drlb_list.as_ref()) else { return false };
            let mask = |a| A::from_ip(a).unwrap_or(A::UNSPECIFIED);
            let candidates = list.candidates.iter().filter_map(|c| A::from_ip(*c)).collect();
            ((mask(list.group_mask), mask(list.source_mask), mask(list.rp_mask)), candidates)
        };
        let flow = match (source, rp) {
            (Some(source), None) => Flow::Ssm { group, source },
            (_, rp) => Flow::Asm { group, rp: rp.unwrap_or(A::UNSPECIFIED) },
        };
        let ordinal = gdr_ordinal(flow, masks.0, masks.1, masks.2, candidates.len());
        candidates.get(ordinal) == Some(&self.config.address)
    }
}

/// A candidate's address: its router identifier, if it has one (RFC 8775 §5.3.2).
fn gdr_address<A: PimAddress>(address: A, router_id: u32) -> A {
    let id = Ipv4Addr::from_bits(router_id);
    let id = match A::FAMILY {
        AddressFamily::V4 => IpAddr::V4(id),
        AddressFamily::V6 => IpAddr::V6(Ipv6Addr::from_bits(u128::from(router_id))),
    };
    A::from_ip(id).filter(|_| router_id != 0).unwrap_or(address)
}

/// An address whose route matters, and what depends on it.
#[derive(Clone, Debug)]
pub(super) struct Watch<A> {
    pub(super) ways: AllWays<A>,
    /// Whether the embedder was asked: the address is not on a link of ours.
    pub(super) tracked: bool,
    /// Groups whose RP it is.
    pub(super) groups: BTreeSet<A>,
    /// Groups in which it is a source.
    pub(super) source_of: BTreeSet<A>,
    /// It is an RPA of BIDIR-PIM.
    pub(super) rpa: bool,
    /// Groups of PIM-DM in which it is a source.
    pub(super) dense: BTreeSet<A>,
    /// Trees, by group and source, whose Joins go towards it as their RPF vector.
    pub(super) vector_of: BTreeSet<(A, Option<A>)>,
}

impl<A> Watch<A> {
    /// Whether nothing depends on it.
    pub(super) fn is_idle(&self) -> bool {
        self.groups.is_empty()
            && self.source_of.is_empty()
            && self.dense.is_empty()
            && self.vector_of.is_empty()
            && !self.rpa
    }
}

/// Interfaces, routes and RPs.
#[derive(Clone, Debug)]
pub(super) struct Network<A: PimAddress> {
    pub(super) config: PimConfig<A>,
    pub(super) interfaces: BTreeMap<IfIndex, Interface<A>>,
    pub(super) watches: BTreeMap<A, Watch<A>>,
    /// Next hops of Intra-AS I-PMSI A-D routes, by originator and RD.
    pub(super) mvpn_routes: BTreeMap<(A, RouteDistinguisher), A>,
    /// The watched addresses whose route leads out of an interface.
    pub(super) via: BTreeMap<IfIndex, BTreeSet<A>>,
    pub(super) rp_set: RpSet<A>,
    /// RPAs of BIDIR-PIM.
    pub(super) rpas: BTreeMap<A, Rpa<A>>,
}

impl<A: PimAddress> Network<A> {
    /// Whether the address is this router's.
    pub(super) fn is_local(&self, address: A) -> bool {
        address == self.config.router_address
            || self.config.local_addresses.contains(&address)
            || self.interfaces.values().any(|i| i.config.address == address || i.config.secondary.contains(&address))
    }

    /// The interface on whose link the address is.
    pub(super) fn link_of(&self, address: A) -> Option<IfIndex> {
        let on_link = |i: &Interface<A>| i.config.subnets.iter().any(|p| address.is_in(p));
        self.interfaces.iter().find(|(_, i)| on_link(i)).map(|(index, _)| *index)
    }

    pub(super) fn is_ssm(&self, group: A) -> bool {
        group.is_ssm_group() || self.config.ssm_ranges.iter().any(|p| group.is_in(p))
    }

    /// RP(G), or RPA(G) if this router does BIDIR-PIM.
    pub(super) fn rp(&self, group: A) -> Option<A> {
        if self.is_ssm(group) || self.is_dense(group) {
            return None;
        }
        let bidir = self.config.bidir.is_some();
        self.rp_set.rp(group).filter(|rp| bidir || rp.mode == RpMode::Sparse).map(|rp| rp.address)
    }

    fn route(&self, address: A) -> Option<&MribRoute<A>> {
        self.choose(Target::from(address), None, false)
    }

    /// RPF_interface(address), if PIM is on there.
    pub(super) fn rpf_interface(&self, address: A) -> Option<IfIndex> {
        self.route(address).map(|r| r.interface).filter(|i| self.interfaces.contains_key(i))
    }

    /// DirectlyConnected(S).
    pub(super) fn is_connected(&self, address: A) -> bool {
        self.route(address).is_some_and(|r| r.next_hop.is_none() && self.interfaces.contains_key(&r.interface))
    }

    /// MRIB.pref and MRIB.metric.
    pub(super) fn metric(&self, address: A) -> Option<(u32, u32)> {
        self.route(address).map(|r| (r.preference & super::assert::INFINITE_PREFERENCE, r.metric))
    }

    /// NBR(I, A): the primary address of the neighbour that has this address.
    pub(super) fn nbr(&self, interface: IfIndex, address: A) -> Option<A> {
        let neighbors = &self.interfaces.get(&interface)?.neighbors;
        if neighbors.contains_key(&address) {
            return Some(address);
        }
        neighbors.iter().find(|(_, n)| n.secondary.contains(&address)).map(|(primary, _)| *primary)
    }

    /// Interface and neighbour towards an address, Asserts aside.
    pub(super) fn rpf(&self, address: A) -> Rpf<A> {
        self.rpf_by(self.route(address))
    }

    /// Interface and neighbour of a route.
    pub(super) fn rpf_by(&self, route: Option<&MribRoute<A>>) -> Rpf<A> {
        let Some(route) = route.filter(|r| self.interfaces.contains_key(&r.interface)) else { return Rpf::default() };
        let next_hop = route.next_hop.and_then(|a| self.nbr(route.interface, a));
        Rpf { interface: Some(route.interface), next_hop, neighbor: next_hop }
    }

    /// The primary address of an interface.
    pub(super) fn address(&self, interface: IfIndex) -> A {
        self.interfaces.get(&interface).map_or(A::UNSPECIFIED, |i| i.config.address)
    }

    /// I_am_DR(I).
    pub(super) fn is_dr(&self, interface: IfIndex) -> bool {
        self.interfaces.get(&interface).is_some_and(|i| i.dr == i.config.address)
    }

    /// I_am_DR(I) for a flow's receivers: with DR load balancing the GDR.
    pub(super) fn i_am_dr(&self, interface: IfIndex, group: A, source: Option<A>) -> bool {
        let rp = || if self.is_ssm(group) { None } else { Some(self.rp(group).unwrap_or(A::UNSPECIFIED)) };
        self.interfaces.get(&interface).is_some_and(|i| {
            if i.config.dr_load_balancing.is_some() {
                i.acts_for(group, source, rp())
            } else {
                i.dr == i.config.address
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_a_seconds_worth_through_at_once_and_then_its_share() {
        let mut rate = Rate::new(10, Instant::ZERO);
        let taken =
            |rate: &mut Rate, at: u64, tries: u32| (0..tries).filter(|_| rate.take(Instant::from_micros(at))).count();
        assert_eq!(taken(&mut rate, 0, 100), 10);
        assert_eq!(taken(&mut rate, 250_000, 100), 2);
        assert_eq!(taken(&mut rate, 300_000, 100), 1);
        assert_eq!(taken(&mut rate, 60_000_000, 100), 10);
    }
}
