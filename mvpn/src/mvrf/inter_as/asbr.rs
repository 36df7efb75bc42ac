//! The machine: a border router.

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{Label, TunnelId, VrfId};
use fwd_core::op::{FwdOp, MrouteKey};
use fwd_core::time::Instant;

use super::adverts::{Adverts, Own};
use super::config::{AsbrConfig, AsbrConfigError};
use super::io::{Advert, AsbrInput, AsbrOutput, AsbrPath, Peer, Side};
use super::leaf::{Leaf, whole_tree};
use super::lookup::Lookup;
use super::member::Mvpn;
use super::merge::{Merged, Merger, Place};
use super::tree::Tree;
use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::config::TunnelKind;
use crate::mvrf::event::{MvpnEvent, MvpnLimit, MvpnReject};
use crate::mvrf::io::Output;
use crate::mvrf::numbers::Numbers;
use crate::mvrf::p_tunnel::PTunnel;
use crate::mvrf::root::TreeId;
use crate::mvrf::route::{AdRoute, McastKind, McastRoute};
use crate::mvrf::shared::{Shared, Timer};

/// A border router between segments of P-tunnels (RFC 6514 §9.2, RFC 7524).
///
/// Outputs: ops (what a label needs comes before the label), routes for each side, tunnels that are needed, events. A route comes out once
/// for all changes since the last drain; the entry of a label that is withdrawn goes after the withdrawal.
///
/// ```
/// use fwd_core::time::Instant;
/// use mvpn::mvrf::inter_as::{AsbrConfig, AsbrInput, AsbrOutput, MvpnAsbr};
///
/// let config = AsbrConfig::new([192, 0, 2, 1].into(), 65001, [192, 0, 2, 1].into());
/// let mut asbr = MvpnAsbr::new(Instant::ZERO, config)?;
/// asbr.handle_input(Instant::ZERO, AsbrInput::Neighbor { address: [198, 51, 100, 1].into(), up: true });
/// assert_eq!(asbr.poll_output(), None::<AsbrOutput>);
/// # Ok::<(), mvpn::mvrf::inter_as::AsbrConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MvpnAsbr {
    pub(super) shared: Shared,
    pub(super) config: AsbrConfig,
    pub(super) neighbors: BTreeSet<IpAddr>,
    pub(super) paths: BTreeMap<McastRoute, BTreeMap<Peer, AsbrPath>>,
    path_count: usize,
    /// MVPNs with sites in this AS, by their route targets.
    pub(super) mvpns: BTreeMap<Vec<Target>, Mvpn>,
    /// The MVPN of each I-PMSI A-D route of the AS, and of each RD of ours.
    pub(super) member_of: BTreeMap<McastRoute, Vec<Target>>,
    pub(super) by_rd: BTreeMap<RouteDistinguisher, Vec<Target>>,
    pub(super) rd_numbers: Numbers,
    pub(super) trees: BTreeMap<AdRoute, Tree>,
    /// Tunnels that lead to a tree.
    pub(super) stitched: BTreeSet<PTunnel>,
    pub(super) leaves: BTreeMap<AdRoute, BTreeMap<IpAddr, Leaf>>,
    /// C-multicast and Source Active A-D routes that pass.
    pub(super) passing: BTreeMap<McastRoute, Own>,
    /// C-multicast routes by the tree that they lead along.
    pub(super) joins: BTreeMap<AdRoute, BTreeSet<McastRoute>>,
    pub(super) adverts: Adverts,
    /// VRFs of trees whose packets are looked at below their labels.
    pub(super) vrfs: Numbers,
    /// MVPNs whose S-PMSIs are merged, and the A-D routes that are of one.
    pub(super) mergers: BTreeMap<Place, Merger>,
    pub(super) places: BTreeMap<AdRoute, Place>,
    /// S-PMSIs that are merged, also by VRF and flow.
    pub(super) merged: BTreeMap<AdRoute, Merged>,
    pub(super) taken: BTreeMap<(VrfId, MrouteKey), AdRoute>,
    /// What ends once labels are withdrawn.
    ending: VecDeque<Ending>,
}

/// What a tree or a merged S-PMSI had, in the order in which it goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    pub(super) label: Option<Label>,
    pub(super) lookup: Option<Lookup>,
    pub(super) tunnel: Option<TunnelId>,
    pub(super) tree: Option<TreeId>,
}

impl MvpnAsbr {
    /// A border router without neighbours.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(_now: Instant, config: AsbrConfig) -> Result<Self, AsbrConfigError> {
        config.check()?;
        Ok(Self {
            shared: Shared::new(config.router.clone()),
            vrfs: Numbers::new(u32::from(*config.vrfs.start())..=u32::from(*config.vrfs.end())),
            config,
            neighbors: BTreeSet::new(),
            paths: BTreeMap::new(),
            path_count: 0,
            mvpns: BTreeMap::new(),
            member_of: BTreeMap::new(),
            by_rd: BTreeMap::new(),
            rd_numbers: Numbers::new(1..=u32::from(u16::MAX)),
            trees: BTreeMap::new(),
            stitched: BTreeSet::new(),
            leaves: BTreeMap::new(),
            passing: BTreeMap::new(),
            joins: BTreeMap::new(),
            adverts: Adverts::default(),
            mergers: BTreeMap::new(),
            places: BTreeMap::new(),
            merged: BTreeMap::new(),
            taken: BTreeMap::new(),
            ending: VecDeque::new(),
        })
    }

    /// Takes an input. Never fails: what is wrong with it becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: AsbrInput) {
        match input {
            AsbrInput::Neighbor { address, up } => self.neighbor(now, address, up),
            AsbrInput::Path { from, route, path } => self.path_changed(now, from, route, path),
            AsbrInput::Transport { router, entry } => self.shared.set_transport(now, router, entry),
            AsbrInput::Branches { tree, branches } => self.shared.set_branches(now, tree, &branches),
            AsbrInput::Refused(op) => self.shared.event(MvpnEvent::Refused { op }),
        }
    }

    /// Does what is due: flows of merged S-PMSIs are expected by these alone.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.shared.timers.expired(now) {
            if let Timer::SwitchOver(vrf, flow) = timer {
                self.merge_delay_over(vrf, flow);
            }
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<AsbrOutput> {
        loop {
            while let Some(output) = self.shared.outputs.pop_front() {
                match output {
                    Output::Program(op) => return Some(AsbrOutput::Program(op)),
                    Output::Tree(request) => return Some(AsbrOutput::Tree(request)),
                    Output::Event(event) => return Some(AsbrOutput::Event(event)),
                    // A border router has no customers, and its routes go by `adverts`.
                    Output::Advertise { .. }
                    | Output::Withdraw(_)
                    | Output::Downstream { .. }
                    | Output::AdvertiseMdt { .. }
                    | Output::WithdrawMdt(_)
                    | Output::AdvertiseCMldp { .. }
                    | Output::WithdrawCMldp(_)
                    | Output::CMldp { .. }
                    | Output::SPmsiJoin { .. }
                    | Output::SourceActive { .. }
                    | Output::Watch { .. } => {}
                }
            }
            if let Some(output) = self.adverts.poll() {
                return Some(output);
            }
            let ending = self.ending.pop_front()?;
            if let Some(label) = ending.label {
                self.shared.op(FwdOp::ClearIlm { label });
                self.shared.labels.give_back(label.value());
            }
            if let Some(tunnel) = ending.tunnel {
                self.shared.drop_tunnel(tunnel);
            }
            if let Some(lookup) = ending.lookup {
                self.end_lookup(lookup);
            }
            if let Some(tree) = ending.tree {
                self.shared.drop_root(tree);
            }
        }
    }

    /// When [`Self::handle_timeout`] has something to do. Paths, and the operator, may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.shared.timers.next_timeout()
    }

    /// Route targets that this router has to receive within its AS, beside those of its MVPNs (RFC 6514 §9.2): the ASBR Import RT.
    #[must_use]
    pub const fn import_target(&self) -> Target {
        Target::router(self.config.router.router)
    }

    /// What is advertised, and to whom.
    pub fn advertised(&self) -> impl Iterator<Item = (Side, &McastRoute, &Advert)> {
        self.adverts.iter()
    }

    /// Trees whose segments it joins, S-PMSIs that are merged among them.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.trees.len().saturating_add(self.merged.len())
    }

    /// S-PMSIs that are merged into inter-AS trees ([`AsbrConfig::merged`]).
    #[must_use]
    pub fn merged(&self) -> usize {
        self.merged.len()
    }

    /// Numbers in use: labels, entries, groups, tunnels, VRFs.
    #[must_use]
    pub fn numbers_in_use(&self) -> [usize; 5] {
        let s = &self.shared;
        [&s.labels, &s.nhlfes, &s.groups, &s.tunnels, &self.vrfs].map(Numbers::used)
    }

    /// What goes once the routes that name the label are withdrawn.
    pub(super) fn end(&mut self, ending: Ending) {
        self.ending.push_back(ending);
    }

    pub(super) fn limit(&mut self, now: Instant, limit: MvpnLimit) {
        self.shared.limit(now, VrfId::GLOBAL, limit);
    }

    /// Whether the MVPN of a route is supported here.
    pub(super) fn is_imported(&self, attributes: &McastAttributes) -> bool {
        let Some(import) = &self.config.import else { return true };
        attributes.targets.iter().any(|target| import.contains(target))
    }

    /// Whether an MVPN's P-tunnels cross the border as they are.
    pub(super) fn is_whole(&self, attributes: &McastAttributes) -> bool {
        attributes.targets.iter().any(|target| self.config.whole.contains(target))
    }

    /// Other tunnels for the segments within the AS: those of I-PMSIs, and of S-PMSIs. Neighbours in other ASes are told nothing.
    ///
    /// # Errors
    /// A tunnel that is no segment.
    pub fn set_tunnels(
        &mut self,
        now: Instant,
        inclusive: TunnelKind,
        selective: TunnelKind,
    ) -> Result<(), AsbrConfigError> {
        let config = AsbrConfig { inclusive, selective, ..self.config.clone() };
        config.check()?;
        self.config = config;
        let trees: Vec<AdRoute> = self.trees.keys().copied().collect();
        trees.into_iter().for_each(|ad| self.reconcile(now, ad));
        Ok(())
    }

    fn neighbor(&mut self, now: Instant, address: IpAddr, up: bool) {
        let changed = if up { self.neighbors.insert(address) } else { self.neighbors.remove(&address) };
        if !changed {
            return;
        }
        let peer = Peer::external(address);
        if !up {
            self.adverts.lost(peer.side);
            let its = self.paths.iter().filter(|(_, paths)| paths.contains_key(&peer));
            let its: Vec<McastRoute> = its.map(|(route, _)| *route).collect();
            its.into_iter().for_each(|route| self.path_changed(now, peer, route, None));
        }
        let trees: Vec<AdRoute> = self.trees.keys().copied().collect();
        trees.into_iter().for_each(|ad| self.reconcile(now, ad));
        let passing: Vec<McastRoute> = self.passing.keys().copied().collect();
        passing.into_iter().for_each(|route| self.pass(route));
    }

    fn path_changed(&mut self, now: Instant, from: Peer, route: McastRoute, path: Option<AsbrPath>) {
        // RFC 4271 §9.1.2: a path through this AS has come back.
        let path = path.filter(|path| !path.as_path.contains(&self.config.router.asn));
        // RFC 6514 §5. What passes as it is, is for others to judge.
        let is_known = path.as_ref().is_none_or(|path| self.shared.knows_tunnel(&path.attributes));
        let path = path.filter(|path| is_known || self.is_whole(&path.attributes));
        if !is_known && path.is_none() {
            self.shared.reject(now, VrfId::GLOBAL, MvpnReject::TunnelType, route);
        }
        match path {
            Some(path) => {
                let known = self.paths.get(&route).and_then(|paths| paths.get(&from));
                if known == Some(&path) {
                    return;
                }
                if known.is_none() {
                    if self.path_count >= self.config.limits.paths {
                        return self.limit(now, MvpnLimit::Paths);
                    }
                    self.path_count = self.path_count.saturating_add(1);
                }
                self.paths.entry(route).or_default().insert(from, path);
            }
            None => {
                let Some(paths) = self.paths.get_mut(&route) else { return };
                if paths.remove(&from).is_none() {
                    return;
                }
                self.path_count = self.path_count.saturating_sub(1);
                if paths.is_empty() {
                    self.paths.remove(&route);
                }
            }
        }
        match route.kind {
            McastKind::Ad(AdRoute::IntraAsIPmsi(ad)) if self.config.backbone.is_none() => {
                self.member_changed(now, route, ad);
                self.pass(route);
                if let Some(along) = whole_tree(&ad) {
                    self.pass_joins(&along);
                }
            }
            // What stands for the route from here on comes after what stood for it is gone.
            McastKind::Ad(ad) if self.best_path(&route).is_some_and(|(_, path)| self.passes_whole(&ad, path)) => {
                self.reconcile(now, ad);
                self.pass(route);
            }
            McastKind::Ad(ad) => {
                self.pass(route);
                self.reconcile(now, ad);
            }
            McastKind::Leaf { key, originator } => {
                self.leaf_changed(now, route, key, originator);
                self.pass(route);
            }
            McastKind::SourceActive(_) => self.pass(route),
            McastKind::SharedTreeJoin(_) | McastKind::SourceTreeJoin(_) => {
                self.pass(route);
                self.joins_changed(now, &route);
            }
        }
    }
}
