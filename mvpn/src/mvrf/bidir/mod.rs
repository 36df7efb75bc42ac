//! Customers' bidirectional groups across the backbone (RFC 6513 §11.2, RFC 7582, RFC 7740).
//!
//! No designated forwarder is elected on the PMSI. The PEs that selected the same upstream PE for a group's RPA are a partition: what one of
//! them sends reaches all of them, and what comes from another partition is dropped by the forwarder, which tells partitions by the tunnel
//! that packets arrive by. A packet of the backbone never returns into it ([`fwd_core::op::Rpf::Bidirectional`]). So no loop can form, whatever
//! the PEs believe of the RPA.
//!
//! | RFC | File | What |
//! |---|---|---|
//! | RFC 6513 §11.2.1 | `mod.rs` | RPAs, their upstream PEs, partitions |
//! | RFC 7582 §3.2.1.1, §3.2.1.3, RFC 7740 §2.2 | `channel.rs` | the tunnel of a partition, or of a group in it, to send and receive by |
//! | RFC 7582 §2, §3.2.2.1, RFC 7740 §2.1 | `offer.rs` | S-PMSI A-D routes of upstream PEs, PE Distinguisher Labels, Leaf A-D routes |
//! | RFC 6826 §2.3, RFC 7246 §2 | `in_band.rs` | groups whose trees mLDP signals |
//! | RFC 5015 §3.3 | `route.rs` | the customers' routes with the PMSI resolved to partitions |
//!
//! The route to the RPA has to reach the customers' PIM ([`crate::pim::Input::Route`]) together with [`super::Input::Umh`] or
//! [`super::Input::Local`], before anything is forwarded: both decide which side of the PE is up.

mod channel;
mod in_band;
mod offer;
mod route;

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::nlri::mcast_vpn::CGroup;
use fwd_core::net::{IpPrefix, Label, RpfSetId, TunnelId};
use fwd_core::time::Instant;

use super::attributes::McastAttributes;
use super::config::{CMulticastProtocol, MvpnConfigError, MvrfConfig};
use super::instance::{Mvrf, PeKey};
use super::io::CTree;
use super::p_tunnel::{MldpLsp, PTunnel};
use super::root::TreeId;
use super::route::SFlow;
use super::shared::Shared;
use super::umh::{Umh, holds};
use in_band::{Lsp, Name};

pub(super) use in_band::is_group;

/// How partitions are told apart (RFC 6513 §11.2). All PEs of an MVPN need the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BidirModel {
    /// Copies through unicast tunnels, with a label for each partition (RFC 7740).
    IngressReplication,
    /// An MP2MP LSP for each partition: the flat method (RFC 7582 §3.2.1). Groups may have LSPs of their own.
    FlatMp2mp,
    /// One MP2MP LSP, in which the root's PE Distinguisher Labels name the partitions: the hierarchical method (RFC 7582 §3.2.2).
    Hierarchical {
        /// The root, one of the PEs.
        root: IpAddr,
        /// The generic LSP identifier at that root.
        lsp: u32,
    },
}

impl BidirModel {
    /// The LSP that carries all partitions.
    pub(super) fn outer(self) -> Option<PTunnel> {
        match self {
            Self::Hierarchical { root, lsp } => Some(PTunnel::MldpMp2mp(MldpLsp::generic(root, lsp))),
            Self::IngressReplication | Self::FlatMp2mp => None,
        }
    }

    pub(super) fn check(config: &MvrfConfig, protocol: CMulticastProtocol) -> Result<(), MvpnConfigError> {
        let is_good = match config.bidir {
            None => true,
            Some(Self::Hierarchical { root, .. })
                if root.is_unspecified() || root.is_multicast() || root.is_loopback() =>
            {
                false
            }
            // PIM between the PEs elects designated forwarders.
            Some(_) => protocol == CMulticastProtocol::Bgp,
        };
        if is_good { Ok(()) } else { Err(MvpnConfigError::Bidir) }
    }
}

/// LSP identifiers from here on are those of partitions.
pub(super) const FIRST_PARTITION_LSP: u32 = 1 << 31;

/// A set of interfaces of the customers' PIM that packets of an RPA's groups may come from.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    rpa: Option<IpAddr>,
    /// The PMSI is one of them.
    has_pmsi: bool,
    /// What it is in the forwarder: what the partition's packets arrive by, and those of sender-only branches.
    bound: [Option<TunnelId>; 2],
}

/// What is done to receive by a channel.
#[derive(Clone, Debug, Default)]
struct Reception {
    joined: Option<(PTunnel, Option<Label>)>,
    leaf: Option<super::route::McastRoute>,
}

/// The tunnel of a partition, or of a group in it.
#[derive(Clone, Debug)]
struct Channel {
    /// What names it, and the partition's label in it.
    tunnel: (PTunnel, Option<Label>),
    tree: Option<TreeId>,
    /// Who receives had time to join it.
    carries: bool,
    reception: Reception,
}

/// The PEs that selected the same upstream PE, and this PE with them.
#[derive(Clone, Debug)]
struct Partition {
    /// What comes from it arrives by this.
    arrives_by: TunnelId,
    /// What comes from sender-only branches, where this PE is the root of their LSPs.
    branches: Option<TunnelId>,
    /// The label that its members replicate to.
    label: Option<Label>,
    channels: BTreeMap<SFlow, Channel>,
    /// Channels that nobody should send by any more.
    leaving: BTreeMap<SFlow, Reception>,
}

/// Bidirectional groups of an MVRF.
#[derive(Clone, Debug, Default)]
pub(super) struct Bidir {
    /// RPAs by ranges of groups.
    ranges: BTreeMap<IpPrefix, IpAddr>,
    /// RPAs, each with the upstream PE, which may be this one.
    rpas: BTreeMap<IpAddr, Option<PeKey>>,
    /// Groups that the customers' PIM joined on the PMSI, by RPA.
    joined: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    sets: BTreeMap<RpfSetId, Set>,
    partitions: BTreeMap<PeKey, Partition>,
    /// LSPs that mLDP signals and that this PE is a leaf of.
    lsps: BTreeMap<Name, Lsp>,
    /// (C-*,C-*-BIDIR) S-PMSI A-D routes of other PEs.
    offers: BTreeMap<(PeKey, SFlow), McastAttributes>,
    /// Leaf A-D routes of other PEs, by the S-PMSI that they answer.
    leaves: BTreeMap<(PeKey, SFlow), BTreeMap<IpAddr, Option<Label>>>,
    /// Groups of which this PE is the upstream PE, with S-PMSIs of their own.
    own_groups: BTreeSet<IpAddr>,
    /// PE Distinguisher Labels that this PE assigned, as root of the LSP.
    labels: BTreeMap<IpAddr, Label>,
}

impl Bidir {
    pub(super) fn offer_count(&self) -> usize {
        self.offers.len()
    }

    pub(super) fn has_offer(&self, key: PeKey, flow: SFlow) -> bool {
        self.offers.contains_key(&(key, flow))
    }

    /// The upstream PE of an RPA.
    fn upstream(&self, rpa: IpAddr) -> Option<PeKey> {
        self.rpas.get(&rpa).copied().flatten()
    }

    /// Whether an RPA of a family has this upstream PE.
    fn serves(&self, key: PeKey, family: crate::pim::wire::AddressFamily) -> bool {
        let of_family = |rpa: &IpAddr| crate::pim::wire::AddressFamily::of(*rpa) == family;
        self.rpas.iter().any(|(rpa, upstream)| *upstream == Some(key) && of_family(rpa))
    }
}

impl Mvrf {
    /// The range of groups that a bidirectional group is in, and its RPA.
    fn range_of(&self, group: IpAddr) -> Option<(IpPrefix, IpAddr)> {
        let ranges = self.bidir.ranges.iter().filter(|(range, _)| holds(range, group));
        ranges.max_by_key(|(range, _)| range.bit_len()).map(|(range, rpa)| (*range, *rpa))
    }

    /// The RPA of a group, if it is bidirectional.
    pub(super) fn rpa_of(&self, group: IpAddr) -> Option<IpAddr> {
        self.range_of(group).map(|(_, rpa)| rpa)
    }

    /// Whether there may be bidirectional groups.
    fn has_bidir(&self) -> bool {
        self.config.bidir.is_some() || !self.config.in_band.is_empty()
    }

    /// Whether a group is bidirectional.
    pub(super) fn is_bidir(&self, group: IpAddr) -> bool {
        self.rpa_of(group).is_some()
    }

    /// Whether an S-PMSI is one of bidirectional groups.
    pub(super) fn is_bidir_flow(&self, flow: &SFlow) -> bool {
        match flow.group {
            CGroup::AnyBidir => self.config.bidir.is_some(),
            CGroup::Group(group) => flow.source.is_none() && self.is_bidir(group),
            CGroup::Any => false,
        }
    }

    /// The name of this PE's own partition.
    pub(super) const fn own_key(&self, shared: &Shared) -> PeKey {
        PeKey { address: shared.config.router, rd: self.config.rd }
    }

    /// The RPA of a range of groups changed.
    pub(super) fn set_bidir_range(&mut self, shared: &mut Shared, now: Instant, range: IpPrefix, rpa: Option<IpAddr>) {
        let is_range = range.addr().is_multicast();
        let rpa = rpa.filter(|rpa| rpa.is_ipv4() == range.addr().is_ipv4() && is_range);
        let may_be = self.config.bidir.is_some() || self.signals(&range);
        if !may_be || self.bidir.ranges.get(&range).copied() == rpa {
            return;
        }
        let old = match rpa {
            Some(rpa) => self.bidir.ranges.insert(range, rpa),
            None => self.bidir.ranges.remove(&range),
        };
        if let Some(rpa) = rpa.filter(|rpa| !self.bidir.rpas.contains_key(rpa)) {
            self.bidir.rpas.insert(rpa, None);
            self.update_rpa(shared, now, rpa);
        }
        self.refresh_range(shared, now, &range);
        old.into_iter().chain(rpa).for_each(|rpa| self.update_lsps(shared, now, rpa));
        let used: BTreeSet<IpAddr> = self.bidir.ranges.values().copied().collect();
        let gone: Vec<IpAddr> = self.bidir.rpas.keys().copied().filter(|rpa| !used.contains(rpa)).collect();
        for rpa in gone {
            self.set_upstream(shared, now, rpa, None);
            self.bidir.rpas.remove(&rpa);
        }
    }

    /// Groups of a range are bidirectional now, or not any more, or have another RPA.
    fn refresh_range(&mut self, shared: &mut Shared, now: Instant, range: &IpPrefix) {
        let is_one = |tree: &&CTree| matches!(tree, CTree::Shared { .. }) && holds(range, tree.group());
        let trees: BTreeSet<CTree> = self.trees.keys().chain(self.joins.keys()).filter(is_one).copied().collect();
        for tree in trees {
            self.update_tree(shared, now, tree);
            self.bidir_join_changed(shared, now, tree);
        }
        self.refresh_bidir_routes(shared, range);
    }

    /// Routes to the RPAs in a range of addresses changed.
    pub(super) fn rpas_changed(&mut self, shared: &mut Shared, now: Instant, of: core::ops::RangeInclusive<IpAddr>) {
        let rpas: Vec<IpAddr> = self.bidir.rpas.range(of).map(|(rpa, _)| *rpa).collect();
        rpas.into_iter().for_each(|rpa| self.update_rpa(shared, now, rpa));
    }

    /// The tunnels of a PE work, or do not.
    pub(super) fn all_rpas_changed(&mut self, shared: &mut Shared, now: Instant) {
        let rpas: Vec<IpAddr> = self.bidir.rpas.keys().copied().collect();
        rpas.into_iter().for_each(|rpa| self.update_rpa(shared, now, rpa));
    }

    fn update_rpa(&mut self, shared: &mut Shared, now: Instant, rpa: IpAddr) {
        let upstream = match self.select_rpa(rpa) {
            Some(Umh::Local) => Some(self.own_key(shared)),
            Some(Umh::Remote { import, rd, .. }) if import.address != shared.config.router => {
                Some(PeKey { address: import.address, rd })
            }
            _ => None,
        };
        self.set_upstream(shared, now, rpa, upstream);
    }

    /// The upstream hop of an RPA: the same for all its groups, so that they are one partition.
    pub(super) fn select_rpa(&self, rpa: IpAddr) -> Option<Umh> {
        self.umh.select(rpa, rpa, self.config.umh)
    }

    /// This PE goes with an RPA's groups from one partition to another.
    fn set_upstream(&mut self, shared: &mut Shared, now: Instant, rpa: IpAddr, new: Option<PeKey>) {
        let Some(known) = self.bidir.rpas.get_mut(&rpa) else { return };
        let old = core::mem::replace(known, new);
        if old == new {
            return;
        }
        if let Some(key) = new {
            self.open_partition(shared, now, key);
        }
        let own = self.own_key(shared);
        if old == Some(own) {
            // What comes from the backbone does not return into it any more.
            self.emit_rpa(shared, rpa);
        }
        // First what is taken from where, then what is sent where.
        self.bind_sets(shared, rpa);
        if new == Some(own) {
            self.emit_rpa(shared, rpa);
        }
        for group in self.groups_of_rpa(rpa) {
            self.update_own_group(shared, now, group);
        }
        for key in [new, old].into_iter().flatten() {
            self.update_channels(shared, now, key);
        }
        self.update_lsps(shared, now, rpa);
        self.bind_rpa(shared, rpa);
        if new == Some(own) || old == Some(own) {
            self.announce_all_bidir(shared);
        }
        if let Some(old) = old {
            self.close_partition(shared, old);
        }
    }

    /// Groups of an RPA that other PEs joined here.
    fn groups_of_rpa(&self, rpa: IpAddr) -> Vec<IpAddr> {
        let of = |tree: &CTree| match tree {
            CTree::Shared { group, rp } if *rp == rpa => Some(*group),
            _ => None,
        };
        let trees = self.by_root.get(&rpa).into_iter().flatten();
        trees.filter_map(of).chain(self.bidir.own_groups.iter().copied()).collect()
    }

    fn open_partition(&mut self, shared: &mut Shared, now: Instant, key: PeKey) {
        if self.bidir.partitions.contains_key(&key) {
            return;
        }
        let Some(arrives_by) = shared.new_tunnel(now, self.config.vrf) else { return };
        let (channels, leaving) = (BTreeMap::new(), BTreeMap::new());
        self.bidir.partitions.insert(key, Partition { arrives_by, branches: None, label: None, channels, leaving });
    }

    /// A partition that this PE is in for no RPA is forgotten.
    fn close_partition(&mut self, shared: &mut Shared, key: PeKey) {
        if self.bidir.rpas.values().any(|upstream| *upstream == Some(key)) {
            return;
        }
        let Some(partition) = self.bidir.partitions.get(&key) else { return };
        let flows: BTreeSet<SFlow> = partition.channels.keys().chain(partition.leaving.keys()).copied().collect();
        for flow in flows {
            self.close_channel(shared, key, flow);
            self.left_channel(shared, key, flow);
        }
        if let Some(partition) = self.bidir.partitions.remove(&key) {
            if let Some(label) = partition.label {
                shared.drop_label(label);
            }
            for tunnel in partition.branches.into_iter().chain([partition.arrives_by]) {
                shared.drop_tunnel(tunnel);
            }
        }
    }

    /// Ends everything of bidirectional groups.
    pub(super) fn stop_bidir(&mut self, shared: &mut Shared, now: Instant) {
        self.bidir.ranges.clear();
        let rpas: Vec<IpAddr> = self.bidir.rpas.keys().copied().collect();
        rpas.into_iter().for_each(|rpa| self.set_upstream(shared, now, rpa, None));
        for label in core::mem::take(&mut self.bidir.labels).into_values() {
            shared.drop_upstream_label(label);
        }
        self.bidir = Bidir::default();
    }
}
