//! An MVRF: what a PE knows of one multicast VPN.

use core::net::{IpAddr, Ipv4Addr};

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{Label, ReplicationId, RpfSetId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Origin};
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::adverts::{AdvertType, Received};
use super::alarm::Alarm;
use super::as_tree::AsTree;
use super::attributes::{BfdSession, McastAttributes, Target};
use super::bidir::Bidir;
use super::c_mldp::CMldp;
use super::config::{InterAs, MvpnConfig, MvrfConfig};
use super::damping::Merit;
use super::event::MvpnLimit;
use super::extranet::Crossing;
use super::in_band::InBand;
use super::io::CTree;
use super::mdt::MdtRoute;
use super::p_tunnel::{PTunnel, PmsiTunnelValue};
use super::parting::Parting;
use super::root::TreeId;
use super::route::{McastRoute, SFlow};
use super::s_pmsi::{Reason, SPmsiFigures, State};
use super::shared::Shared;
use super::umh::{Umh, UmhTable, holds};
use crate::address::Address;
use crate::pim::wire::AddressFamily;

/// Another PE's VRF: what sends into the PMSI. Its RD and address name it (RFC 6514 §9.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeKey {
    pub(super) address: IpAddr,
    pub(super) rd: RouteDistinguisher,
}

/// What is kept of a VRF of another PE.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    /// All of its P-tunnels arrive by this one: it is who sent that counts (RFC 6513 §9.1.1).
    pub(super) tunnel: TunnelId,
    /// The label of ours that it replicates to, and in how many Leaf A-D routes it is.
    pub(super) label: Option<(Label, usize)>,
    /// The tunnels to accept from it: its own, and one that others use too: that of our I-PMSI label, of the MP2MP LSP, or of its AS.
    pub(super) set: Option<(RpfSetId, TunnelId)>,
    /// Its AS, if that is another and an inter-AS tree leads there.
    pub(super) asn: Option<u32>,
    /// What needs it: I-PMSI A-D routes, S-PMSIs joined, flows received.
    pub(super) uses: usize,
}

/// The I-PMSI A-D routes of a VRF of another PE.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) tunnels: BTreeMap<AddressFamily, Option<PmsiTunnelValue>>,
}

/// A tree that the customers' PIM joined on the PMSI, or that a source made us join.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) by_pim: bool,
    pub(super) by_source: bool,
    pub(super) umh: Option<Umh>,
    pub(super) route: Option<McastRoute>,
    /// The Standby C-multicast route (RFC 9026 §4.1).
    pub(super) standby: Option<McastRoute>,
    pub(super) merit: Merit,
    /// The newer, the higher.
    pub(super) since: u64,
    /// The bandwidth that it has.
    pub(super) reserved: u64,
}

impl Tree {
    pub(super) const fn is_wanted(&self) -> bool {
        self.by_pim || self.by_source
    }
}

/// C-multicast routes of a tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Join {
    /// Whether the tree is joined.
    pub(super) is_active: bool,
    /// Who joins it.
    pub(super) by: SmallVec<[Joiner; 1]>,
}

/// Who joins a tree at this PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joiner {
    /// Other PEs, by the RD of their route: the VRF's, or of an Inter-AS I-PMSI A-D route of this AS (RFC 6514 §11.1.3).
    Route(RouteDistinguisher),
    /// Another VRF of this PE.
    Vrf(VrfId),
    /// The leaves of an LSP of the tree.
    InBand,
}

/// A flow that comes from another PE: C-S, if it is one source's, and C-G.
pub(super) type FlowKey = (Option<IpAddr>, IpAddr);

/// Where a flow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receiving {
    pub(super) pe: PeKey,
    /// The S-PMSI that it is matched to.
    pub(super) matched: Option<SFlow>,
    /// A packet came from there, while the shared tree came from elsewhere.
    pub(super) has_arrived: bool,
}

/// An S-PMSI A-D route of another PE.
#[derive(Clone, Debug)]
pub(super) struct SPmsiIn {
    pub(super) attributes: McastAttributes,
    /// It is withdrawn; its tunnel stays joined until the root has had time to leave it.
    pub(super) is_withdrawn: bool,
    /// Flows that are matched to it.
    pub(super) users: BTreeSet<FlowKey>,
    /// The tunnel that was joined.
    pub(super) joined: Option<Joined>,
    /// The tunnel that it had before, until its root has moved.
    pub(super) old: Option<Joined>,
}

/// What was done to receive an S-PMSI.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) tunnel: Option<(PTunnel, Option<Label>)>,
    pub(super) leaf: Option<McastRoute>,
    pub(super) has_label: bool,
}

/// An S-PMSI of this PE.
#[derive(Clone, Debug)]
pub(super) struct SPmsiOut {
    pub(super) state: State,
    pub(super) tree: TreeId,
    /// The tunnel that it had before, which its flows take until all leaves had time to join the other.
    pub(super) before: Option<TreeId>,
    /// What it was made for is still so.
    pub(super) is_wanted: bool,
    /// The newer, the higher.
    pub(super) since: u64,
    pub(super) reason: Reason,
}

impl SPmsiOut {
    /// The tunnel that its flows take.
    pub(super) fn carrier(&self) -> TreeId {
        self.before.unwrap_or(self.tree)
    }
}

/// A route of the customers' PIM.
#[derive(Clone, Copy, Debug)]
pub(super) struct CRoute {
    pub(super) mroute: Mroute,
    /// Octets in a second, lately.
    pub(super) rate: u64,
}

/// A replication group of the customers' PIM.
#[derive(Clone, Debug, Default)]
pub(super) struct CGroup {
    pub(super) key: Option<MrouteKey>,
    /// The leg out of the PMSI.
    pub(super) pmsi: Option<u16>,
    /// What the leg leads to, as the forwarder has it.
    pub(super) bound: Option<ReplicationId>,
    /// Legs out of other interfaces.
    pub(super) others: BTreeMap<u16, LegTarget>,
    /// Legs into other VRFs of this PE, by the tunnels that they come by there.
    pub(super) taps: BTreeMap<TunnelId, u16>,
}

/// How a flow is carried: what an operator asks first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Sent: the tunnel that the flow takes from this PE.
    pub sent_by: Option<PTunnel>,
    /// Sent: whether that is an S-PMSI.
    pub is_selective: bool,
    /// Sent: the flows of that S-PMSI, and why it is there.
    pub s_pmsi: Option<(SFlow, Reason)>,
    /// Sent: the upstream-assigned label, where VPNs share the tunnel.
    pub label: Option<Label>,
    /// Sent: the most octets of a customer's packet, as far as the tunnel's provider knows.
    pub mtu: Option<u16>,
    /// Sent: the leaves, where the root knows them.
    pub leaves: Vec<IpAddr>,
    /// Received: the selected upstream PE; of a bidirectional group that of the partition, if it is another.
    pub from: Option<IpAddr>,
    /// Received: the tunnel that it is expected by.
    pub received_by: Option<PTunnel>,
}

#[derive(Clone, Debug)]
pub(super) struct Mvrf {
    pub(super) config: MvrfConfig,
    pub(super) umh: UmhTable,
    pub(super) upstreams: BTreeMap<PeKey, Upstream>,
    pub(super) members: BTreeMap<PeKey, Member>,
    /// Inter-AS trees, by AS.
    pub(super) ases: BTreeMap<u32, AsTree>,
    pub(super) trees: BTreeMap<CTree, Tree>,
    /// Trees whose upstream PE changed, and is still received from.
    pub(super) partings: BTreeMap<CTree, Parting>,
    /// Trees and joins by their roots.
    pub(super) by_root: BTreeMap<IpAddr, BTreeSet<CTree>>,
    pub(super) receiving: BTreeMap<FlowKey, Receiving>,
    pub(super) by_pe: BTreeMap<PeKey, BTreeSet<FlowKey>>,
    pub(super) s_in: BTreeMap<(PeKey, SFlow), SPmsiIn>,
    pub(super) s_out: BTreeMap<SFlow, SPmsiOut>,
    /// Leaves that announced themselves, by what they asked for.
    pub(super) leaves: BTreeMap<SFlow, BTreeMap<IpAddr, Option<Label>>>,
    pub(super) leaf_count: usize,
    /// S-PMSIs by their tunnels.
    pub(super) tree_users: BTreeMap<TreeId, BTreeSet<SFlow>>,
    /// Flows that should have an S-PMSI, and there is no tunnel for them.
    pub(super) waiting: BTreeSet<SFlow>,
    /// Flows whose S-PMSI failed, until that is tried again.
    pub(super) failed: BTreeSet<SFlow>,
    /// Flows that an operator placed.
    pub(super) placed: BTreeMap<SFlow, bool>,
    /// Flows of the periods that are on.
    pub(super) scheduled: BTreeSet<SFlow>,
    /// PEs that the default tunnel reaches, each with the number of routes that say so; the sum of their weights.
    pub(super) reached: BTreeMap<IpAddr, usize>,
    pub(super) reached_weight: u64,
    pub(super) figures: SPmsiFigures,
    /// Source Active A-D routes of others: who says so, by group and source.
    pub(super) sources: BTreeMap<(IpAddr, IpAddr), BTreeSet<PeKey>>,
    /// The RPs that they name (RFC 9081 §3), by group, source and PE.
    pub(super) source_rps: BTreeMap<(IpAddr, IpAddr, PeKey), Ipv4Addr>,
    /// What was said for MSDP: the RP of each group and source.
    pub(super) told_sources: BTreeMap<(IpAddr, IpAddr), Option<Ipv4Addr>>,
    /// Source Active A-D routes of ours: the newer, the higher.
    pub(super) own_sources: BTreeMap<(IpAddr, IpAddr), u64>,
    /// Sources pruned off the shared tree on the PMSI.
    pub(super) pruned: BTreeSet<(IpAddr, IpAddr)>,
    /// Flows that other VRFs of this PE take, by the tunnels that they come by there.
    pub(super) taps: BTreeMap<FlowKey, BTreeMap<VrfId, TunnelId>>,
    /// C-multicast routes for this PE, and joins of its other VRFs, by tree.
    pub(super) joins: BTreeMap<CTree, Join>,
    pub(super) c_routes: BTreeMap<MrouteKey, CRoute>,
    pub(super) c_by_group: BTreeMap<IpAddr, BTreeSet<MrouteKey>>,
    pub(super) c_groups: BTreeMap<ReplicationId, CGroup>,
    /// Leaf A-D routes for single flows of a wildcard (RFC 8534 §5).
    pub(super) flow_leaves: BTreeMap<FlowKey, McastRoute>,
    /// Sources that a CE pruned off the shared tree, by group and source.
    pub(super) rpt_pruned: BTreeSet<(IpAddr, IpAddr)>,
    /// (C-S,C-G) routes that this machine made, with the legs of (C-*,C-G).
    pub(super) derived: BTreeSet<(IpAddr, IpAddr)>,
    pub(super) inclusive: Option<TreeId>,
    /// The label of our I-PMSI A-D routes with ingress replication, and what it arrives by.
    pub(super) own_label: Option<(Label, TunnelId)>,
    /// What arrives by the MP2MP LSP of the I-PMSI, whoever sent it.
    pub(super) own_mp2mp: Option<(PTunnel, TunnelId)>,
    /// The MDT-SAFI route that was advertised.
    pub(super) mdt: Option<MdtRoute>,
    /// What the two models say of other PEs, where both are heard.
    pub(super) mdt_members: BTreeMap<PeKey, McastAttributes>,
    pub(super) mcast_members: BTreeMap<(PeKey, AddressFamily), McastAttributes>,
    /// Joins for which this PE is the second choice (RFC 9026).
    pub(super) standby_joins: BTreeSet<CTree>,
    /// BFD sessions of other PEs.
    pub(super) watched: BTreeMap<IpAddr, BfdSession>,
    /// The customers' bidirectional groups.
    pub(super) bidir: Bidir,
    /// Trees that mLDP signals.
    pub(super) in_band: InBand,
    /// The customers' multipoint LSPs.
    pub(super) c_mldp: CMldp,
    /// Alarms that were said.
    pub(super) alarms: BTreeMap<MvpnLimit, Alarm>,
    /// A-D routes of PMSIs that came, by type and PE.
    pub(super) adverts: BTreeMap<(AdvertType, IpAddr), Received>,
    /// Bandwidth that trees have.
    pub(super) reserved: u64,
    /// Since when there is this MVRF.
    pub(super) created: Instant,
    /// When an S-PMSI of it last came or went.
    pub(super) s_pmsi_changed_at: Option<Instant>,
}

impl Mvrf {
    pub(super) fn new(now: Instant, config: MvrfConfig) -> Self {
        Self {
            config,
            umh: UmhTable::default(),
            upstreams: BTreeMap::new(),
            members: BTreeMap::new(),
            ases: BTreeMap::new(),
            trees: BTreeMap::new(),
            partings: BTreeMap::new(),
            by_root: BTreeMap::new(),
            receiving: BTreeMap::new(),
            by_pe: BTreeMap::new(),
            s_in: BTreeMap::new(),
            s_out: BTreeMap::new(),
            leaves: BTreeMap::new(),
            leaf_count: 0,
            tree_users: BTreeMap::new(),
            waiting: BTreeSet::new(),
            failed: BTreeSet::new(),
            placed: BTreeMap::new(),
            scheduled: BTreeSet::new(),
            reached: BTreeMap::new(),
            reached_weight: 0,
            figures: SPmsiFigures::default(),
            sources: BTreeMap::new(),
            source_rps: BTreeMap::new(),
            told_sources: BTreeMap::new(),
            own_sources: BTreeMap::new(),
            pruned: BTreeSet::new(),
            taps: BTreeMap::new(),
            joins: BTreeMap::new(),
            c_routes: BTreeMap::new(),
            c_by_group: BTreeMap::new(),
            c_groups: BTreeMap::new(),
            flow_leaves: BTreeMap::new(),
            rpt_pruned: BTreeSet::new(),
            derived: BTreeSet::new(),
            inclusive: None,
            own_label: None,
            own_mp2mp: None,
            mdt: None,
            mdt_members: BTreeMap::new(),
            mcast_members: BTreeMap::new(),
            standby_joins: BTreeSet::new(),
            watched: BTreeMap::new(),
            bidir: Bidir::default(),
            in_band: InBand::default(),
            c_mldp: CMldp::new(),
            alarms: BTreeMap::new(),
            adverts: BTreeMap::new(),
            reserved: 0,
            created: now,
            s_pmsi_changed_at: None,
        }
    }

    /// VRF Route Import of the VRF's routes (RFC 6514 §7).
    pub(super) const fn route_import(&self, pe: &MvpnConfig) -> VrfRouteImport {
        VrfRouteImport { address: pe.router, local: self.config.number }
    }

    /// The C-multicast Import route target of the VRF.
    pub(super) const fn import_target(&self, pe: &MvpnConfig) -> Target {
        Target::of(self.route_import(pe).c_multicast_import())
    }

    pub(super) fn is_ssm(&self, group: IpAddr) -> bool {
        let well_known = match group {
            IpAddr::V4(group) => group.is_ssm_group(),
            IpAddr::V6(group) => group.is_ssm_group(),
        };
        well_known || self.is_in_band(group) || self.config.ssm_ranges.iter().any(|range| holds(range, group))
    }

    /// Attributes of a route of ours with the VRF's export route targets.
    pub(super) fn attributes(&self, pe: &MvpnConfig) -> McastAttributes {
        McastAttributes::new(pe.router, self.config.export.clone())
    }

    /// One more needs the other PE's VRF. `None`: there are no numbers left.
    pub(super) fn hold(&mut self, shared: &mut Shared, now: Instant, key: PeKey) -> Option<TunnelId> {
        if let Some(known) = self.upstreams.get_mut(&key) {
            known.uses = known.uses.saturating_add(1);
            return Some(known.tunnel);
        }
        let tunnel = shared.new_tunnel(now, self.config.vrf)?;
        // RFC 6514 §9.2: what comes from another AS comes by the AS's tree, or by an S-PMSI of the PE.
        let asn = self.umh.as_of(key.rd, key.address);
        let asn = asn.filter(|asn| self.config.inter_as == InterAs::Segmented && *asn != shared.config.asn);
        let by_as = asn.and_then(|asn| self.hold_as(shared, now, asn));
        let is_here = key.address == shared.config.router;
        let shared_by_all = self.own_label.map(|(_, own)| own).or(self.own_mp2mp.as_ref().map(|(_, own)| *own));
        let other = by_as.or(shared_by_all.filter(|_| asn.is_none() && !is_here));
        let set = other.and_then(|other| Some((shared.new_set(now, self.config.vrf)?, other)));
        if let Some((set, other)) = set {
            for from in [tunnel, other] {
                shared.op(FwdOp::SetRpfMember { set, from: Origin::Tunnel(from) });
            }
        }
        let asn = asn.filter(|_| by_as.is_some());
        self.upstreams.insert(key, Upstream { tunnel, label: None, set, asn, uses: 1 });
        Some(tunnel)
    }

    /// One less needs it.
    pub(super) fn release(&mut self, shared: &mut Shared, key: PeKey) {
        let Some(known) = self.upstreams.get_mut(&key) else { return };
        known.uses = known.uses.saturating_sub(1);
        if known.uses > 0 {
            return;
        }
        if let Some(known) = self.upstreams.remove(&key) {
            if let Some((set, other)) = known.set {
                for from in [known.tunnel, other] {
                    shared.op(FwdOp::ClearRpfMember { set, from: Origin::Tunnel(from) });
                }
                shared.tunnels.give_back(set.0);
            }
            if known.label.is_some() {
                shared.release_leaf_label(key, known.tunnel);
            }
            match key.address == shared.config.router {
                // Legs that lead to it go first.
                true => shared.crossings.push_back(Crossing::Drop(known.tunnel)),
                false => shared.drop_tunnel(known.tunnel),
            }
            if let Some(asn) = known.asn {
                self.release_as(shared, asn);
            }
        }
    }

    /// Selects the upstream PE of a tree.
    pub(super) fn select(&self, tree: &CTree) -> Option<Umh> {
        match tree {
            CTree::Shared { group, rp } if self.is_bidir(*group) => self.select_rpa(*rp),
            _ => self.umh.select(tree.root(), tree.group(), self.config.umh),
        }
    }

    /// How a flow is carried.
    pub(super) fn carried(&self, shared: &Shared, source: IpAddr, group: IpAddr) -> Carried {
        if let Some(rpa) = self.rpa_of(group) {
            return self.carried_both_ways(shared, group, rpa);
        }
        let key = Some(super::forwarding::mroute_key(Some(source), group));
        let sends = self.c_groups.values().any(|g| g.key == key && g.pmsi.is_some());
        let (tree, is_selective) = self.tunnel_of(Some(source), group);
        let root = tree.filter(|_| sends).and_then(|tree| shared.roots.get(&tree));
        let flow = self.receiving.get(&(Some(source), group)).or_else(|| self.receiving.get(&(None, group)));
        let in_band = flow.and_then(|r| self.in_band_from(source, group, r.pe));
        let received_by = in_band.or_else(|| flow.and_then(|r| self.tunnel_from(r, group)));
        Carried {
            sent_by: root.map(|r| r.tunnel.clone()),
            is_selective: is_selective && root.is_some(),
            s_pmsi: root.and_then(|_| self.s_pmsi_of(Some(source), group)).map(|(flow, out)| (flow, out.reason)),
            label: root.and_then(|r| r.label),
            mtu: root.and_then(|r| r.mtu),
            leaves: root.map(|r| r.leaves().collect()).unwrap_or_default(),
            from: flow.map(|r| r.pe.address),
            received_by,
        }
    }

    /// The P-tunnel that a flow is expected by.
    fn tunnel_from(&self, r: &Receiving, group: IpAddr) -> Option<PTunnel> {
        match r.matched {
            Some(matched) => self.s_in.get(&(r.pe, matched))?.attributes.pmsi.as_ref().map(|p| p.tunnel.clone()),
            None => {
                if let Some(asn) = self.upstreams.get(&r.pe).and_then(|upstream| upstream.asn) {
                    return self.tunnel_of_as(asn, AddressFamily::of(group));
                }
                let member = self.members.get(&r.pe)?;
                member.tunnels.get(&AddressFamily::of(group))?.as_ref().map(|p| p.tunnel.clone())
            }
        }
    }
}
