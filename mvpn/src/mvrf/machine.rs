//! The machine: a PE and its MVRFs.

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use fwd_core::op::FwdOp;
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::alarm::Usage;
use super::attributes::{McastAttributes, Target};
use super::c_mldp;
use super::c_multicast::By;
use super::config::{CMulticastProtocol, Model, MvpnConfig, MvpnConfigError, MvpnLimits, MvrfConfig, TunnelKind};
use super::event::MvpnEvent;
use super::instance::{Carried, Mvrf};
use super::io::{CTree, Input, Output};
use super::mdt::MdtRoute;
use super::root::TreeId;
use super::route::{McastRoute, SFlow};
use super::s_pmsi::{SPmsiFigures, TradeOff};
use super::shared::{Shared, Timer};
use super::umh::Umh;
use crate::pim::wire::AddressFamily;

/// The provider side of multicast VPNs on one PE (RFC 6513, RFC 6514).
///
/// Outputs: ops (what a label or a leg needs comes first), routes to originate and to withdraw, tunnels that are needed, what the
/// customers' PIM has to be told, events. A route comes out once for all changes since the last drain.
///
/// ```
/// use bgp_vpn::nlri::RouteDistinguisher;
/// use fwd_core::net::{IfIndex, VrfId};
/// use fwd_core::time::Instant;
/// use mvpn::mvrf::{MvpnConfig, MvpnPe, MvrfConfig, Output};
///
/// let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001))?;
/// let rd = RouteDistinguisher::two_octet_as(65001, 7);
/// pe.add_mvrf(Instant::ZERO, MvrfConfig::new(VrfId(7), rd, "65001:7".parse().unwrap(), IfIndex(1007)))?;
/// let outputs: Vec<Output> = std::iter::from_fn(|| pe.poll_output()).collect();
/// // A replication group, a P2MP LSP for it, and an Intra-AS I-PMSI A-D route for each family.
/// assert_eq!(outputs.len(), 4);
/// assert!(matches!(outputs[3], Output::Advertise { .. }));
/// # Ok::<(), mvpn::mvrf::MvpnConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MvpnPe {
    pub(super) shared: Shared,
    pub(super) mvrfs: BTreeMap<VrfId, Mvrf>,
    /// MVRFs by import route target.
    pub(super) importers: BTreeMap<Target, BTreeSet<VrfId>>,
    /// MVRFs by C-multicast Import route target.
    pub(super) joinable: BTreeMap<Target, VrfId>,
    /// MVRFs by RD.
    pub(super) by_rd: BTreeMap<RouteDistinguisher, VrfId>,
    /// MVRFs that hold a route.
    pub(super) holders: BTreeMap<McastRoute, Holder>,
    /// The same of routes with customers' FEC elements.
    pub(super) c_mldp_holders: c_mldp::Holders,
}

/// The MVRFs that hold a route.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) vrfs: SmallVec<[VrfId; 1]>,
    /// The newer, the higher.
    pub(super) since: u64,
}

impl MvpnPe {
    /// A PE without MVRFs.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(_now: Instant, config: MvpnConfig) -> Result<Self, MvpnConfigError> {
        config.check()?;
        Ok(Self {
            shared: Shared::new(config),
            mvrfs: BTreeMap::new(),
            importers: BTreeMap::new(),
            joinable: BTreeMap::new(),
            by_rd: BTreeMap::new(),
            holders: BTreeMap::new(),
            c_mldp_holders: c_mldp::Holders::new(),
        })
    }

    /// Turns multicast on in a VRF. Routes that came before have to come again: ask BGP for a refresh.
    ///
    /// # Errors
    /// A value out of its range, or one that another MVRF has.
    pub fn add_mvrf(&mut self, now: Instant, mut config: MvrfConfig) -> Result<(), MvpnConfigError> {
        config.check(&self.shared.config)?;
        config.bind_bootstrap(self.shared.config.router);
        let vrf = config.vrf;
        if self.mvrfs.contains_key(&vrf) {
            return Err(MvpnConfigError::Vrf);
        }
        if self.by_rd.contains_key(&config.rd) {
            return Err(MvpnConfigError::Rd);
        }
        self.shared.clock = self.shared.clock.max(now);
        // A shared tree delivers to one VPN: its group is that VPN's alone (RFC 6513 §6.4.2).
        let group_of = |kind: &TunnelKind| match kind {
            TunnelKind::PimSm(group) | TunnelKind::BidirPim(group) => Some(*group),
            _ => None,
        };
        let group = config.inclusive.as_ref().and_then(group_of);
        let mut others = self.mvrfs.values().filter_map(|m| m.config.inclusive.as_ref().and_then(group_of));
        if group.is_some() && others.any(|other| Some(other) == group) {
            return Err(MvpnConfigError::PGroups);
        }
        let is_mp2mp = matches!(config.inclusive, Some(TunnelKind::MldpMp2mp { .. }));
        if is_mp2mp && self.mvrfs.values().any(|m| m.config.inclusive == config.inclusive) {
            return Err(MvpnConfigError::Mp2mp);
        }
        let mut mvrf = Mvrf::new(now, config);
        let target = mvrf.import_target(&self.shared.config);
        if self.joinable.contains_key(&target) {
            return Err(MvpnConfigError::Number);
        }
        if let Err(error) = mvrf.start(&mut self.shared, now) {
            mvrf.stop(&mut self.shared, now);
            return Err(error);
        }
        self.joinable.insert(target, vrf);
        self.by_rd.insert(mvrf.config.rd, vrf);
        for target in &mvrf.config.import {
            self.importers.entry(*target).or_default().insert(vrf);
        }
        self.mvrfs.insert(vrf, mvrf);
        self.meet(now, vrf);
        Ok(())
    }

    /// Turns multicast off in a VRF.
    ///
    /// # Errors
    /// An unknown VRF.
    pub fn remove_mvrf(&mut self, now: Instant, vrf: VrfId) -> Result<(), MvpnConfigError> {
        self.part(now, vrf);
        let mut mvrf = self.mvrfs.remove(&vrf).ok_or(MvpnConfigError::Vrf)?;
        self.joinable.retain(|_, of| *of != vrf);
        self.by_rd.remove(&mvrf.config.rd);
        for target in &mvrf.config.import {
            if let Some(vrfs) = self.importers.get_mut(target) {
                vrfs.remove(&vrf);
                if vrfs.is_empty() {
                    self.importers.remove(target);
                }
            }
        }
        self.holders.retain(|_, holder| {
            holder.vrfs.retain(|of| *of != vrf);
            !holder.vrfs.is_empty()
        });
        self.c_mldp_holders.retain(|_, vrfs| {
            vrfs.retain(|of| *of != vrf);
            !vrfs.is_empty()
        });
        mvrf.stop(&mut self.shared, now);
        self.cross(now);
        self.shared.forget_counts(vrf);
        Ok(())
    }

    /// Changes the limits of an MVRF while it runs. What is there beyond a lower limit goes, the newest first.
    ///
    /// # Errors
    /// An unknown VRF, or a limit of 0.
    pub fn set_limits(&mut self, now: Instant, vrf: VrfId, limits: MvpnLimits) -> Result<(), MvpnConfigError> {
        let m = self.mvrfs.get_mut(&vrf).ok_or(MvpnConfigError::Vrf)?;
        let held = self.holders.iter().filter(|(_, holder)| holder.vrfs.contains(&vrf));
        let mut held: Vec<(u64, McastRoute)> = held.map(|(route, holder)| (holder.since, *route)).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        let routes: Vec<McastRoute> = held.into_iter().map(|(_, route)| route).collect();
        self.shared.clock = self.shared.clock.max(now);
        m.set_limits(&mut self.shared, now, limits, &routes)?;
        m.watch(&mut self.shared, now);
        Ok(())
    }

    /// Adds a family of customers' addresses to an MVRF in service; what there is of the others is not touched. Routes of the family that came
    /// before have to come again: ask BGP for a refresh.
    ///
    /// # Errors
    /// An unknown VRF.
    pub fn add_family(&mut self, now: Instant, vrf: VrfId, family: AddressFamily) -> Result<(), MvpnConfigError> {
        let m = self.mvrfs.get_mut(&vrf).ok_or(MvpnConfigError::Vrf)?;
        self.shared.clock = self.shared.clock.max(now);
        m.add_family(&mut self.shared, now, family);
        Ok(())
    }

    /// Changes which flows of an MVRF may cross the backbone, while it runs.
    ///
    /// # Errors
    /// An unknown VRF, or prefixes that are no groups.
    pub fn set_permitted(
        &mut self,
        now: Instant,
        vrf: VrfId,
        permitted: Vec<super::Permit>,
    ) -> Result<(), MvpnConfigError> {
        let m = self.mvrfs.get_mut(&vrf).ok_or(MvpnConfigError::Vrf)?;
        self.shared.clock = self.shared.clock.max(now);
        m.set_permitted(&mut self.shared, now, permitted)
    }

    /// How much of its limits an MVRF uses; nothing for an unknown VRF.
    #[must_use]
    pub fn usage(&self, vrf: VrfId) -> Vec<Usage> {
        self.mvrfs.get(&vrf).map(|m| m.usage(&self.shared)).unwrap_or_default()
    }

    /// Takes an input. Never fails: what is wrong with it becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.shared.clock = self.shared.clock.max(now);
        let vrf = input.vrf();
        self.take_input(now, input);
        self.cross(now);
        if let Some(m) = vrf.and_then(|vrf| self.mvrfs.get_mut(&vrf)) {
            m.watch(&mut self.shared, now);
        }
    }

    fn take_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Route { route, attributes } => self.route_changed(now, route, attributes),
            Input::CMldpRoute { route, attributes } => self.c_mldp_changed(now, route, attributes),
            Input::CMldp { vrf, fec, label } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.set_received(&mut self.shared, now, fec, label);
                }
            }
            Input::Umh { vrf, prefix, rd, route } => {
                let Some(m) = self.mvrfs.get_mut(&vrf) else { return };
                let route = route.map(|route| m.with_upstream(route));
                if m.umh.set(prefix, rd, route) {
                    m.roots_changed(&mut self.shared, now, &prefix);
                }
            }
            Input::Local { vrf, prefix, reachable } => {
                let Some(m) = self.mvrfs.get_mut(&vrf) else { return };
                if m.umh.set_local(prefix, reachable) {
                    m.roots_changed(&mut self.shared, now, &prefix);
                }
            }
            Input::BidirRange { vrf, range, rpa } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.set_bidir_range(&mut self.shared, now, range, rpa);
                }
            }
            Input::Tree { vrf, tree, joined } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.set_tree(&mut self.shared, now, tree, By::Pim, joined);
                }
            }
            Input::Pruned { vrf, tree } => {
                if let Some(m) = self.mvrfs.get(&vrf) {
                    m.join_still(&mut self.shared, tree);
                }
            }
            Input::Program { vrf, op } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.program(&mut self.shared, now, op);
                }
            }
            Input::Transport { router, entry } => self.shared.set_transport(now, router, entry),
            Input::Branches { tree, branches } => self.branches_changed(now, tree, &branches),
            Input::Rooted { tunnel } => self.rooted(now, tunnel),
            Input::Rate { vrf, source, group, octets_per_second } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.rate(&mut self.shared, now, source, group, octets_per_second);
                }
            }
            Input::Active { vrf, source, group, rp, is_active } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.active(&mut self.shared, now, (group, source), rp, is_active);
                }
            }
            Input::Arrival { vrf, source, group } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.arrived(&mut self.shared, source, group);
                }
            }
            Input::TunnelMtu { tree, mtu } => self.tunnel_mtu(now, tree, mtu),
            Input::TreeFailed { tree } => self.tree_failed(now, tree),
            Input::Mdt { route, attributes } => self.mdt_changed(now, route, attributes.as_ref()),
            Input::SPmsiJoin { vrf, interface, pe, octets } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.joins_received(&mut self.shared, now, (interface, pe), &octets);
                }
            }
            Input::UpstreamState { vrf, pe, is_up } => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.upstream_state(&mut self.shared, now, pe, is_up);
                }
            }
            Input::Refused(op) => self.refused(now, op),
        }
    }

    /// The forwarder had no room: what needed the op does not work, the operator is told, and flows of an S-PMSI take another tunnel. Ops
    /// of the customers' PIM are its own to take back: the embedder hands them to it too.
    fn refused(&mut self, now: Instant, op: FwdOp) {
        self.shared.event(MvpnEvent::Refused { op });
        for tree in self.shared.trees_of_op(&op) {
            self.tree_failed(now, tree);
        }
        if let FwdOp::SetLeg { group, leg, .. } = op {
            for m in self.mvrfs.values_mut() {
                m.leg_refused(group, leg);
                m.leg_of_lsp_refused(&mut self.shared, now, (group, leg));
            }
        }
    }

    /// The MVRFs that import an MDT-SAFI route and take such.
    fn mdt_changed(&mut self, now: Instant, route: MdtRoute, attributes: Option<&McastAttributes>) {
        for m in self.mvrfs.values_mut().filter(|m| m.config.model.has_mdt()) {
            let imports = |a: &&McastAttributes| a.targets.iter().any(|target| m.config.import.contains(target));
            let attributes = attributes.filter(imports);
            m.mdt_changed(&mut self.shared, now, route, attributes);
        }
    }

    /// Changes how the PEs of an MVPN find each other and how joins cross the backbone, with the VPN in service: first to `Both` at every PE,
    /// then at every PE to the end (RFC 6517 §6). The PMSI's neighbour ([`super::PmsiLink`]) belongs to PIM's interface as long as joins go by
    /// BGP.
    ///
    /// # Errors
    /// An unknown VRF, or a model that does not fit its tunnels.
    pub fn migrate(
        &mut self,
        now: Instant,
        vrf: VrfId,
        model: Model,
        protocol: CMulticastProtocol,
    ) -> Result<(), MvpnConfigError> {
        let m = self.mvrfs.get_mut(&vrf).ok_or(MvpnConfigError::Vrf)?;
        m.config.check_model(model, protocol, &self.shared.config)?;
        if (model == Model::InBand) != (m.config.model == Model::InBand) {
            return Err(MvpnConfigError::InBand);
        }
        m.migrate(&mut self.shared, now, model, protocol);
        Ok(())
    }

    fn tree_failed(&mut self, now: Instant, tree: TreeId) {
        for tree in self.shared.trees_of(tree) {
            let Some(root) = self.shared.roots.get(&tree) else { continue };
            let (vrf, tunnel) = (root.vrf, root.tunnel.clone());
            self.shared.event(MvpnEvent::Failed { vrf, tunnel });
            if let Some(m) = self.mvrfs.get_mut(&vrf) {
                m.tree_failed(&mut self.shared, now, tree);
            }
        }
    }

    fn tunnel_mtu(&mut self, now: Instant, tree: TreeId, mtu: Option<u16>) {
        for tree in self.shared.set_mtu(tree, mtu) {
            let vrf = self.shared.roots.get(&tree).map(|root| root.vrf);
            if let Some(m) = vrf.and_then(|vrf| self.mvrfs.get_mut(&vrf)) {
                m.mtu_changed(&mut self.shared, now, tree);
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.shared.clock = self.shared.clock.max(now);
        while let Some(timer) = self.shared.timers.expired(now) {
            let Some(m) = self.mvrfs.get_mut(&timer.vrf()) else { continue };
            let shared = &mut self.shared;
            match timer {
                Timer::JoinRemoval(vrf, tree) => {
                    shared.outputs.push_back(Output::Downstream { vrf, tree, joined: false });
                }
                Timer::SourcePrune(_, group, source) => m.prune_source(shared, group, source),
                Timer::SourceStart(_, group, source) => m.rebind_tree(shared, CTree::Source { group, source }),
                Timer::SwitchOver(_, flow) => m.switch_over(shared, now, flow),
                Timer::Settle(_, flow) | Timer::HoldDown(_, flow) => m.hold_down_over(shared, now, flow),
                Timer::Joins(_) => m.send_joins(shared, now),
                Timer::SPmsiTimeout(_, key, flow) => m.join_expired(shared, now, key, flow),
                Timer::Retry(_, flow) => m.retry(shared, now, flow),
                Timer::Period(_, index) => m.period_changed(shared, now, index),
                Timer::Leave(_, key, flow) => m.leave_over(shared, key, flow),
                Timer::BidirCarry(_, key, flow) => m.carry_channel(shared, key, flow),
                Timer::BidirLeave(_, key, flow) => m.left_channel(shared, key, flow),
                Timer::Damped(_, tree) | Timer::Forget(_, tree) => m.update_tree(shared, now, tree),
                Timer::Parting(_, tree) => m.parted(shared, now, tree),
                Timer::AsParting(_, asn) => m.as_parted(shared, asn),
                Timer::LeaveOld(_, key, flow) => m.end_old(shared, key, flow),
                Timer::Lsps(_) => m.retry_lsps(shared, now),
                Timer::Alarm(_) => {}
            }
            m.watch(shared, now);
            self.cross(now);
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        // What an operator changed may cross too.
        self.cross(self.shared.clock);
        self.shared.poll()
    }

    /// When [`Self::handle_timeout`] has something to do. Changed by inputs, timeouts and MVRFs that come or go.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.shared.timers.next_timeout()
    }

    /// VRF Route Import: goes with each unicast route of the VRF that leads to a source or RP (RFC 6514 §7).
    #[must_use]
    pub fn route_import(&self, vrf: VrfId) -> Option<VrfRouteImport> {
        let m = self.mvrfs.get(&vrf).filter(|m| m.config.sites.senders)?;
        Some(m.route_import(&self.shared.config))
    }

    /// Route targets that this PE has to receive: for route target constraint (RFC 6514 §7, §12.1).
    #[must_use]
    pub fn import_targets(&self) -> Vec<Target> {
        let fixed = [Target::router(self.shared.config.router)];
        self.importers.keys().chain(self.joinable.keys()).copied().chain(fixed).collect()
    }

    /// An MVRF and what it shares with others.
    pub(super) fn with_mvrf(&self, vrf: VrfId) -> Option<(&Mvrf, &Shared)> {
        Some((self.mvrfs.get(&vrf)?, &self.shared))
    }

    /// The selected upstream hop of a C-root: what RPF towards it goes by (RFC 6513 §5.1).
    #[must_use]
    pub fn upstream(&self, vrf: VrfId, root: IpAddr, group: IpAddr) -> Option<Umh> {
        let m = self.mvrfs.get(&vrf)?;
        m.umh.select(root, group, m.config.umh)
    }

    /// How a flow is carried, from this PE or to it.
    #[must_use]
    pub fn carried(&self, vrf: VrfId, source: IpAddr, group: IpAddr) -> Option<Carried> {
        Some(self.mvrfs.get(&vrf)?.carried(&self.shared, source, group))
    }

    /// Places a flow: on an S-PMSI, on the default tunnel, or (`None`) where the rules say. The hook of whoever knows better: a
    /// planner of audiences, a computation of paths.
    ///
    /// # Errors
    /// An unknown VRF.
    pub fn place(
        &mut self,
        now: Instant,
        vrf: VrfId,
        flow: SFlow,
        is_selective: Option<bool>,
    ) -> Result<(), MvpnConfigError> {
        let m = self.mvrfs.get_mut(&vrf).ok_or(MvpnConfigError::Vrf)?;
        m.place(&mut self.shared, now, flow, is_selective);
        Ok(())
    }

    /// What the choice of tunnels costs: state in the core, and octets that nobody wants.
    #[must_use]
    pub fn trade_off(&self, vrf: VrfId) -> Option<TradeOff> {
        Some(self.mvrfs.get(&vrf)?.trade_off(&self.shared))
    }

    /// What happened to the flows of an MVRF.
    #[must_use]
    pub fn s_pmsi_figures(&self, vrf: VrfId) -> Option<&SPmsiFigures> {
        Some(&self.mvrfs.get(&vrf)?.figures)
    }

    /// The PEs of an MVPN as their I-PMSI A-D routes say: address, and the tunnel of the I-PMSI for a family.
    pub fn members(
        &self,
        vrf: VrfId,
    ) -> impl Iterator<Item = (IpAddr, AddressFamily, Option<&super::p_tunnel::PTunnel>)> + '_ {
        let members = self.mvrfs.get(&vrf).into_iter().flat_map(|m| m.members.iter());
        members.flat_map(|(key, member)| {
            member.tunnels.iter().map(|(f, value)| (key.address, *f, value.as_ref().map(|v| &v.tunnel)))
        })
    }

    /// PEs that receive a flow of ours, where they announce themselves (RFC 8534).
    #[must_use]
    pub fn receivers(&self, vrf: VrfId, source: IpAddr, group: IpAddr) -> BTreeSet<IpAddr> {
        self.mvrfs.get(&vrf).map(|m| m.receivers_of(source, group)).unwrap_or_default()
    }

    /// The routes that this PE originates.
    pub fn originated(&self) -> impl Iterator<Item = (&McastRoute, &McastAttributes)> {
        self.shared.originated()
    }

    /// P-tunnels that this PE is the root of.
    #[must_use]
    pub fn root_tunnels(&self) -> usize {
        self.shared.tunnels_rooted()
    }

    /// Numbers in use: labels, entries, groups, tunnels.
    #[must_use]
    pub fn numbers_in_use(&self) -> [usize; 4] {
        let s = &self.shared;
        [&s.labels, &s.nhlfes, &s.groups, &s.tunnels].map(super::numbers::Numbers::used)
    }

    /// The interface that the customers' PIM of a VRF knows the PMSI by.
    #[must_use]
    pub fn pmsi(&self, vrf: VrfId) -> Option<fwd_core::net::IfIndex> {
        self.mvrfs.get(&vrf).map(Mvrf::pmsi_interface)
    }
}

impl Timer {
    /// The MVRF that it is of.
    pub(super) const fn vrf(&self) -> VrfId {
        match self {
            Self::JoinRemoval(vrf, _)
            | Self::SourcePrune(vrf, ..)
            | Self::SourceStart(vrf, ..)
            | Self::SwitchOver(vrf, _)
            | Self::HoldDown(vrf, _)
            | Self::Retry(vrf, _)
            | Self::Joins(vrf)
            | Self::SPmsiTimeout(vrf, ..)
            | Self::Settle(vrf, _)
            | Self::Period(vrf, _)
            | Self::Leave(vrf, ..)
            | Self::BidirCarry(vrf, ..)
            | Self::BidirLeave(vrf, ..)
            | Self::Damped(vrf, _)
            | Self::Forget(vrf, _)
            | Self::Parting(vrf, _)
            | Self::AsParting(vrf, _)
            | Self::LeaveOld(vrf, ..)
            | Self::Alarm(vrf)
            | Self::Lsps(vrf) => *vrf,
        }
    }
}
