//! The routing side of a speaker: a path comes or goes, and what follows from it.
//!
//! ```text
//! VPN table ──import──► VRF ──► forwarding entry, CEs of the VRF
//!     ▲                  │
//!     └─────export───────┘        (routes of CEs and local routes only)
//! ```
//!
//! Nothing here runs in circles, by construction: what a VRF imports of a destination depends only on other routers' paths
//! to it and on other VRFs' exports; what it exports is never something it imported; and a route leaked from another VRF of
//! this PE never beats one of the VRF's own.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, Label};
use fwd_core::op::FwdOp;
use fwd_core::time::Instant;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::admission::{admit, left};
use super::io::{PeerId, SpeakerConfig};
use super::shared::Shared;
use super::tables::{AddressFamily, TableKind, Tables};
use crate::nlri::{RouteDistinguisher, RtMembership};
use crate::rib::{
    Attributes, BitSet, Candidate, LabelStacks, NextHopId, NextHops, Path, PlainKey, Scope, Source, TargetId, Touched,
    VpnKey, best_where,
};
use crate::vrf::{Circuits, Tunnels, VpnLabels};

/// Labels that a destination was announced with before, and the peers that have not been told otherwise.
pub(crate) type Retiring = HashMap<u32, SmallVec<[(Label, SmallVec<[u32; 4]>); 1]>>;

/// A speaker but for its sessions.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) tables: Tables,
    pub(crate) shared: Shared,
    pub(crate) labels: VpnLabels,
    pub(crate) tunnels: Tunnels,
    /// By table, whether it is an IPv6 one, and destination.
    pub(crate) retiring: HashMap<(TableKind, bool), Retiring>,
    /// Ops that belong together and are on their way out.
    pub(crate) ops: VecDeque<FwdOp>,
    /// Ops that clear what others, still to be made, lead away from.
    pub(crate) late_ops: VecDeque<FwdOp>,
    /// The entries of labelled routes that next hops are reached by: by whether it is an IPv6 one, and destination.
    pub(crate) transports: HashMap<(bool, u32), u32>,
    /// VRFs with forwarding entries to be written.
    pub(crate) fib_queue: VecDeque<u16>,
    /// Next hops whose reach changed so that decisions must be taken again.
    pub(crate) moved_hops: Vec<NextHopId>,
    /// VRFs that have room again for what they refused, and when they may ask for it.
    pub(crate) retries: Vec<(u16, Instant)>,
    /// Peers of which a family has room again for what was refused.
    pub(crate) asks: Vec<PeerId>,
    /// Destinations of VRFs that are decided when the input is through, with what was best before: by slot, whether it is an
    /// IPv6 one, and number.
    pub(crate) pending: BTreeMap<(u16, bool, u32), Option<Path>>,
    /// Route target memberships of peers that came or went in this input.
    pub(crate) filters: Vec<(PeerId, RtMembership)>,
    /// Destinations of VRFs, by slot, of which an IGP may have to be told.
    pub(crate) igp_untold: BTreeSet<(u16, IpPrefix)>,
    /// Peers that may have something to be told.
    pub(crate) wake: BitSet,
}

/// What was best before a change.
struct Before {
    best: Option<Path>,
    remote: Option<Path>,
    local: Option<Path>,
    /// Of other ASes and our own; only where some peer is told it.
    external: Option<Path>,
}

impl Routing {
    /// A destination of a VRF with more paths than these is decided once per input.
    const FEW_PATHS: usize = 8;

    pub(crate) fn new(config: &SpeakerConfig) -> Self {
        let mut next_hops = NextHops::default();
        let attributes = Attributes::new(&mut next_hops);
        // Local routes have no next hop to be resolved.
        next_hops.set(core::net::Ipv4Addr::UNSPECIFIED.into(), None);
        Self {
            tables: Tables::new(),
            shared: Shared {
                local: config.local,
                cluster_id: config.cluster_id.unwrap_or(config.local.router_id.to_bits()),
                attributes,
                next_hops,
                stacks: LabelStacks::default(),
                circuits: Circuits::default(),
                option_ab: false,
                peers: Vec::new(),
                peers_changed: 0,
                events: VecDeque::new(),
                events_lost: 0,
                now: Instant::ZERO,
            },
            labels: VpnLabels::new(config.labels),
            tunnels: Tunnels::new(config.nhlfes),
            retiring: HashMap::new(),
            late_ops: VecDeque::new(),
            transports: HashMap::new(),
            ops: VecDeque::new(),
            fib_queue: VecDeque::new(),
            moved_hops: Vec::new(),
            retries: Vec::new(),
            asks: Vec::new(),
            pending: BTreeMap::new(),
            filters: Vec::new(),
            igp_untold: BTreeSet::new(),
            wake: BitSet::default(),
        }
    }

    /// A peer's path came. Its attributes and labels were counted for it.
    pub(crate) fn peer_put<P: AddressFamily>(
        &mut self,
        table: TableKind,
        slot: u32,
        rd: Option<RouteDistinguisher>,
        prefix: P,
        path: Path,
    ) {
        match (table, rd) {
            (TableKind::Vpn, Some(rd)) => {
                let rib = P::vpn_mut(&mut self.tables);
                let dest = rib.table.find_or_insert(VpnKey { rd, prefix });
                if !admit(rib, slot, dest, &path, &mut self.shared) {
                    return;
                }
                self.vpn_put::<P>(dest, path);
            }
            (TableKind::Labeled, None) => {
                let rib = P::labeled_mut(&mut self.tables);
                let dest = rib.table.find_or_insert(PlainKey(prefix));
                if !admit(rib, slot, dest, &path, &mut self.shared) {
                    return;
                }
                self.labeled_put::<P>(dest, path);
            }
            (TableKind::Unicast(vrf), None) => self.vrf_put::<P>(vrf, prefix, path, Some(slot)),
            _ => self.shared.release(&path),
        }
    }

    /// A peer's path goes.
    pub(crate) fn peer_take<P: AddressFamily>(
        &mut self,
        table: TableKind,
        slot: u32,
        rd: Option<RouteDistinguisher>,
        prefix: P,
        source: Source,
        path_id: u32,
    ) {
        let dest = match (table, rd) {
            (TableKind::Vpn, Some(rd)) => P::vpn(&self.tables).table.find(&VpnKey { rd, prefix }),
            (TableKind::Labeled, None) => P::labeled(&self.tables).table.find(&PlainKey(prefix)),
            (TableKind::Unicast(vrf), None) => {
                self.tables.vrf(vrf).and_then(|v| P::unicast(v).table.find(&PlainKey(prefix)))
            }
            _ => None,
        };
        if let Some(dest) = dest {
            self.take_at::<P>(table, slot, dest, source, path_id);
        }
    }

    /// A peer's path to a destination goes.
    pub(crate) fn take_at<P: AddressFamily>(
        &mut self,
        table: TableKind,
        slot: u32,
        dest: u32,
        source: Source,
        path_id: u32,
    ) {
        match table {
            TableKind::Vpn => {
                self.vpn_take::<P>(dest, source, path_id, Some(slot));
            }
            TableKind::Labeled => {
                let before = self.labeled_before::<P>(dest);
                let rib = P::labeled_mut(&mut self.tables);
                let Some(old) = rib.take(dest, source, path_id) else { return };
                self.asks.extend(left(rib, slot, dest, source));
                self.labeled_changed::<P>(dest, before, Touched::Path((source, path_id)));
                self.shared.release(&old);
            }
            TableKind::Unicast(vrf) => self.vrf_take::<P>(vrf, dest, source, path_id, Some(slot)),
            TableKind::Memberships => self.membership_take(Some(slot), dest, source, path_id),
            TableKind::Opaque(table) => self.opaque_take(table, slot, dest, source, path_id),
        }
    }

    /// A path of the labelled table comes or changes.
    pub(crate) fn labeled_put<P: AddressFamily>(&mut self, dest: u32, path: Path) {
        let before = self.labeled_before::<P>(dest);
        let old = P::labeled_mut(&mut self.tables).put(dest, path);
        self.labeled_changed::<P>(dest, before, Touched::by(&path, old.as_ref()));
        if let Some(old) = old {
            self.shared.release(&old);
        }
    }

    /// The best path of a labelled destination, and the best external one if somebody is told that.
    pub(crate) fn labeled_before<P: AddressFamily>(&self, dest: u32) -> [Option<Path>; 2] {
        let (rib, shared) = (P::labeled(&self.tables), &self.shared);
        let external = (rib.best_externals > 0)
            .then(|| best_where(rib.table.get(dest), |p| shared.is_external(p), |p| shared.judge_labeled(p)));
        [rib.best(dest), external.flatten()]
    }

    pub(crate) fn labeled_changed<P: AddressFamily>(&mut self, dest: u32, before: [Option<Path>; 2], touched: Touched) {
        let (rib, shared) = (P::labeled_mut(&mut self.tables), &self.shared);
        rib.choose(dest, |path| shared.judge_labeled(path));
        let [best, external] = self.labeled_before::<P>(dest);
        let changed = (best != before[0], external != before[1]);
        P::labeled_mut(&mut self.tables).mark_change(dest, changed, touched, None, &mut self.wake);
        self.transport::<P>(dest);
        self.relabel::<P>(TableKind::Labeled, dest);
        P::labeled_mut(&mut self.tables).settle(dest);
    }

    fn vpn_before<P: AddressFamily>(&self, dest: u32) -> Before {
        let rib = P::vpn(&self.tables);
        let best = rib.best(dest);
        let external = if rib.best_externals > 0 { self.external::<P>(dest) } else { None };
        if !self.tables.has_vrfs() {
            return Before { best, remote: None, local: None, external };
        }
        Before { best, remote: self.remote::<P>(dest), local: self.leaks::<P>(dest), external }
    }

    /// The best path of a VPN destination among those of other ASes and our own.
    fn external<P: AddressFamily>(&self, dest: u32) -> Option<Path> {
        let d = P::vpn(&self.tables).table.get(dest);
        best_where(d, |p| self.shared.is_external(p), |p| self.shared.judge(p))
    }

    /// The best path of a VPN destination among those of other routers: what VRFs import.
    pub(crate) fn remote<P: AddressFamily>(&self, dest: u32) -> Option<Path> {
        let d = P::vpn(&self.tables).table.get(dest);
        // The first path is the best of all.
        match d.best() {
            Some(best) if best.source != Source::LOCAL => Some(*best),
            _ => best_where(d, |p| p.source != Source::LOCAL, |p| self.shared.judge(p)),
        }
    }

    /// The path of a VPN destination that a VRF of ours exports and other VRFs of ours may import: the exporting VRF's own.
    pub(crate) fn leaks<P: AddressFamily>(&self, dest: u32) -> Option<Path> {
        self.exported::<P>(dest).filter(|p| p.path_id == Scope::All.path_id())
    }

    /// The path of a VPN destination that a VRF of ours exports.
    pub(crate) fn exported<P: AddressFamily>(&self, dest: u32) -> Option<Path> {
        P::vpn(&self.tables).table.get(dest).paths().iter().find(|p| p.source == Source::LOCAL).copied()
    }

    /// A path of the VPN table comes or changes.
    pub(crate) fn vpn_put<P: AddressFamily>(&mut self, dest: u32, path: Path) {
        let before = self.vpn_before::<P>(dest);
        let old = P::vpn_mut(&mut self.tables).put(dest, path);
        self.index_targets::<P>(dest, old.as_ref(), Some(&path));
        self.vpn_changed::<P>(dest, &before, Touched::by(&path, old.as_ref()));
        if let Some(old) = old {
            self.shared.release(&old);
        }
    }

    /// A path of the VPN table goes.
    pub(crate) fn vpn_take<P: AddressFamily>(&mut self, dest: u32, source: Source, path_id: u32, slot: Option<u32>) {
        let before = self.vpn_before::<P>(dest);
        let rib = P::vpn_mut(&mut self.tables);
        let Some(old) = rib.take(dest, source, path_id) else { return };
        self.index_targets::<P>(dest, Some(&old), None);
        let rib = P::vpn_mut(&mut self.tables);
        if let Some(slot) = slot {
            self.asks.extend(left(rib, slot, dest, source));
        }
        self.vpn_changed::<P>(dest, &before, Touched::Path((source, path_id)));
        self.shared.release(&old);
    }

    /// Keeps the index of VPN routes by route target: a path took the place of another.
    fn index_targets<P: AddressFamily>(&mut self, dest: u32, old: Option<&Path>, new: Option<&Path>) {
        let attributes = &self.shared.attributes;
        let targets = |path: Option<&Path>| path.map_or(&[][..], |p| &attributes.get(p.attr).targets);
        let (was, is) = (targets(old), targets(new));
        if was == is {
            return;
        }
        let table = &P::vpn(&self.tables).table;
        let mut stale: SmallVec<[(TargetId, bool); 4]> = SmallVec::new();
        let index = &self.tables.by_route[usize::from(P::V6)];
        // Lists are cleaned by what the table holds.
        stale.extend(was.iter().map(|target| (*target, index.is_due(*target))));
        let mut kept: SmallVec<[(TargetId, Vec<u32>); 1]> = SmallVec::new();
        for (target, _) in stale.iter().filter(|(_, due)| *due) {
            let has = |dest: &u32| {
                let d = table.get(*dest);
                d.is_live() && d.paths().iter().any(|p| attributes.get(p.attr).targets.contains(target))
            };
            let mut dests = index.dests(*target).to_vec();
            dests.sort_unstable();
            dests.dedup();
            dests.retain(has);
            kept.push((*target, dests));
        }
        let is: SmallVec<[TargetId; 2]> = SmallVec::from_slice(is);
        let index = &mut self.tables.by_route[usize::from(P::V6)];
        stale.iter().for_each(|(target, _)| index.removed(*target));
        kept.into_iter().for_each(|(target, dests)| index.replace(target, dests));
        is.iter().for_each(|target| index.added(*target, dest));
    }

    fn vpn_changed<P: AddressFamily>(&mut self, dest: u32, before: &Before, touched: Touched) {
        let (rib, shared) = (P::vpn_mut(&mut self.tables), &self.shared);
        let best = rib.choose(dest, |path| shared.judge(path));
        // Where the best is not for all peers, the others are told another path.
        let narrow = shared.option_ab && best.is_some_and(|p| p.source == Source::LOCAL && p.path_id != 0);
        let changed = best != before.best || narrow;
        let external = rib.best_externals > 0 && self.external::<P>(dest) != before.external;
        // With option AB other paths than the best are told too.
        let concerns =
            if changed && !shared.option_ab { shared.concerns([before.best, best]) } else { SmallVec::new() };
        let concerns = (!shared.option_ab).then_some(&concerns[..]);
        P::vpn_mut(&mut self.tables).mark_change(dest, (changed, external), touched, concerns, &mut self.wake);
        if self.tables.has_vrfs() {
            let key = P::vpn(&self.tables).table.get(dest).key;
            let remote = self.remote::<P>(dest);
            if remote != before.remote {
                self.import::<P>(key, dest, Source::IMPORTED, before.remote, remote);
            }
            let local = self.leaks::<P>(dest);
            if local != before.local {
                self.import::<P>(key, dest, Source::LEAKED, before.local, local);
            }
        }
        self.relabel::<P>(TableKind::Vpn, dest);
        P::vpn_mut(&mut self.tables).settle(dest);
    }

    /// Decides about a VPN destination again: a next hop moved.
    pub(crate) fn decide_vpn<P: AddressFamily>(&mut self, dest: u32) {
        let best = P::vpn(&self.tables).best(dest);
        let local = self.leaks::<P>(dest);
        let remote = best.filter(|b| b.source != Source::LOCAL);
        // Which path was the best external one is not known: those that are told it are told again.
        let external = None;
        let d = P::vpn(&self.tables).table.get(dest);
        let (key, paths) = (d.key, SmallVec::<[Path; 4]>::from_slice(d.paths()));
        self.vpn_changed::<P>(dest, &Before { best, remote, local, external }, Touched::Any);
        if remote.is_none() && best.is_some() && self.tables.has_vrfs() {
            // The best path was ours, and does not tell which of the others was imported: it may have been any.
            let now = self.remote::<P>(dest);
            for path in paths.into_iter().filter(|p| p.source != Source::LOCAL) {
                self.import::<P>(key, dest, Source::IMPORTED, Some(path), now);
            }
        }
    }

    /// Decides about a labelled destination again: a next hop moved.
    pub(crate) fn decide_labeled<P: AddressFamily>(&mut self, dest: u32) {
        // Which path was the best external one is not known: those that are told it are told again.
        let before = [P::labeled(&self.tables).best(dest), None];
        self.labeled_changed::<P>(dest, before, Touched::Any);
    }

    /// A path of a VRF comes or changes, if the VRF has room for it. Its attributes and labels were counted for it. `slot` is
    /// the peer's, where it is one's.
    pub(crate) fn vrf_put<P: AddressFamily>(&mut self, slot: u16, prefix: P, path: Path, adj: Option<u32>) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return self.shared.release(&path) };
        let key = PlainKey(prefix);
        let known = P::unicast(vrf).table.find(&key).filter(|d| !P::unicast(vrf).table.get(*d).paths().is_empty());
        if known.is_none() && !vrf.limits.has_room(vrf.routes()) {
            if let Some(event) = vrf.limits.refuse(vrf.id) {
                self.shared.bounded_event(event);
            }
            return self.shared.release(&path);
        }
        let rib = P::unicast_mut(vrf);
        let dest = rib.table.find_or_insert(key);
        if let Some(adj) = adj {
            if !admit(rib, adj, dest, &path, &mut self.shared) {
                return;
            }
        }
        let before = rib.best(dest);
        let old = rib.put(dest, path);
        if old != Some(path) {
            // The forwarding plane is asked again for what it refused.
            rib.table.get_mut(dest).set_refused(false);
        }
        if known.is_none() {
            let (id, routes) = (vrf.id, vrf.routes());
            let events = vrf.limits.rose(id, routes);
            events.into_iter().for_each(|event| self.shared.bounded_event(event));
        }
        match old {
            Some(old) => {
                self.vrf_changed::<P>(slot, dest, before);
                self.shared.release(&old);
            }
            None if !self.pending.contains_key(&(slot, P::V6, dest)) && self.vrf_added::<P>(slot, dest, before) => {}
            None => self.vrf_changed::<P>(slot, dest, before),
        }
    }

    /// Decides about a destination of a VRF to which an imported path was added, without a look at all the others. `false`: that
    /// takes them all.
    fn vrf_added<P: AddressFamily>(&mut self, slot: u16, dest: u32, before: Option<Path>) -> bool {
        let Some(vrf) = self.tables.vrf(slot) else { return false };
        let d = P::unicast(vrf).table.get(dest);
        let (Some(best), Some(added)) = (before, d.paths().last().copied()) else { return false };
        if d.is_refused() || [best, added].iter().any(|p| p.source != Source::IMPORTED) {
            return false;
        }
        let rd = |path: &Path| {
            let rd = P::vpn(&self.tables).table.get(path.path_id).key.rd;
            (path.path_id, u64::from_be_bytes(rd.octets()))
        };
        let (id, rds) = (vrf.id, [rd(&best), rd(&added)]);
        let (shared, Some(vrf)) = (&self.shared, self.tables.vrf_mut(slot)) else { return false };
        let chosen = P::unicast_mut(vrf).choose_added(dest, |path| {
            let candidate = shared.judge_in_vrf(id, path, P::V6)?;
            let rd = rds.iter().find(|(dest, _)| *dest == path.path_id)?;
            Some(Candidate { path_id: rd.1, ..candidate })
        });
        match chosen {
            Some(best) => self.vrf_decided::<P>(slot, dest, before, best),
            None => return false,
        }
        true
    }

    /// A path of a VRF goes.
    pub(crate) fn vrf_take<P: AddressFamily>(
        &mut self,
        slot: u16,
        dest: u32,
        source: Source,
        path_id: u32,
        adj: Option<u32>,
    ) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let were = vrf.routes();
        let rib = P::unicast_mut(vrf);
        let before = rib.best(dest);
        let Some(old) = rib.take(dest, source, path_id) else { return };
        if let Some(adj) = adj {
            self.asks.extend(left(rib, adj, dest, source));
        }
        let routes = vrf.routes();
        let cleared = if routes < were { vrf.limits.fell(vrf.id, routes) } else { None };
        if let Some(event) = cleared {
            self.shared.bounded_event(event);
        }
        if let Some(at) = vrf.limits.schedule_retry() {
            self.retries.push((slot, at));
        }
        self.vrf_changed::<P>(slot, dest, before);
        self.shared.release(&old);
    }

    /// Decides about a destination of a VRF again, and tells the forwarding plane, the CEs and the VPN table: at once where there
    /// are few paths, else when the input is through, so that a peer that goes does not cost a decision for every path it takes
    /// along. `before` is what was best before.
    pub(crate) fn vrf_changed<P: AddressFamily>(&mut self, slot: u16, dest: u32, before: Option<Path>) {
        let key = (slot, P::V6, dest);
        let many = |vrf| P::unicast(vrf).table.get(dest).paths().len() > Self::FEW_PATHS;
        if !self.tables.vrf(slot).is_some_and(many) {
            match self.pending.remove(&key) {
                Some(first) => self.vrf_decide_deferred::<P>(slot, dest, first),
                None => self.vrf_decide::<P>(slot, dest, before),
            }
        } else if !self.pending.contains_key(&key) {
            before.iter().for_each(|path| self.shared.retain(path));
            self.pending.insert(key, before);
        }
    }

    /// Decides about the destinations whose decision was put off. What follows may put off others.
    pub(crate) fn decide_pending(&mut self) {
        while let Some(((slot, v6, dest), before)) = self.pending.pop_first() {
            if v6 {
                self.vrf_decide_deferred::<Ipv6Prefix>(slot, dest, before);
            } else {
                self.vrf_decide_deferred::<Ipv4Prefix>(slot, dest, before);
            }
        }
    }

    fn vrf_decide_deferred<P: AddressFamily>(&mut self, slot: u16, dest: u32, before: Option<Path>) {
        self.vrf_decide::<P>(slot, dest, before);
        before.iter().for_each(|path| self.shared.release(path));
    }

    fn vrf_decide<P: AddressFamily>(&mut self, slot: u16, dest: u32, before: Option<Path>) {
        let shared = &self.shared;
        let rds = self.distinguishers::<P>(slot, dest);
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let id = vrf.id;
        let rib = P::unicast_mut(vrf);
        let d = rib.table.get(dest);
        let refused = d.is_refused();
        let judge = |path: &Path| {
            let candidate = shared.judge_in_vrf(id, path, P::V6)?;
            let rd = rds.binary_search_by_key(&path.path_id, |(dest, _)| *dest).ok().and_then(|i| rds.get(i));
            let rd = rd.filter(|_| !path.source.is_own());
            Some(Candidate { path_id: rd.map_or(candidate.path_id, |(_, rd)| *rd), ..candidate })
        };
        let own = d.paths().len() > 1 && d.paths().iter().any(|p| p.source.is_own() && judge(p).is_some());
        let best = rib.choose(dest, |path| {
            // A route leaked from another VRF of this PE yields to the VRF's own.
            if refused || own && path.source == Source::LEAKED { None } else { judge(path) }
        });
        self.vrf_decided::<P>(slot, dest, before, best);
    }

    /// Tells the forwarding plane, the CEs and the VPN table what was decided about a destination of a VRF.
    fn vrf_decided<P: AddressFamily>(&mut self, slot: u16, dest: u32, before: Option<Path>, best: Option<Path>) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let is_vpn = vrf.config.is_some();
        let exports = [best, before].iter().flatten().any(|path| vrf.exports(path));
        let (backup, external) = vrf.config.as_ref().map_or((false, false), |c| (c.backup, c.best_external));
        P::unicast_mut(vrf).mark_change(dest, (best != before, false), Touched::Any, None, &mut self.wake);
        if best != before {
            self.mark_fib::<P>(slot, dest);
            if is_vpn && !external && exports {
                self.export::<P>(slot, dest);
            }
        } else if backup && self.tunnels.protects() {
            self.mark_fib::<P>(slot, dest);
        }
        if external {
            self.export::<P>(slot, dest);
        }
        self.relabel::<P>(TableKind::Unicast(slot), dest);
        if let Some(vrf) = self.tables.vrf_mut(slot) {
            P::unicast_mut(vrf).settle(dest);
        }
    }

    /// The route distinguishers of what a VRF imported for a destination, by VPN destination, where it has to choose: the last
    /// tie-breaker, so that the choice does not depend on what came first.
    fn distinguishers<P: AddressFamily>(&self, slot: u16, dest: u32) -> SmallVec<[(u32, u64); 4]> {
        let paths = self.tables.vrf(slot).map_or(&[][..], |vrf| P::unicast(vrf).table.get(dest).paths());
        let imported = paths.iter().filter(|p| paths.len() > 1 && !p.source.is_own());
        let rd = |dest| P::vpn(&self.tables).table.get(dest).key.rd;
        let mut rds: SmallVec<[(u32, u64); 4]> =
            imported.map(|p| (p.path_id, u64::from_be_bytes(rd(p.path_id).octets()))).collect();
        rds.sort_unstable();
        rds
    }

    /// The forwarding entry of a destination is to be looked at.
    pub(crate) fn mark_fib<P: AddressFamily>(&mut self, slot: u16, dest: u32) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        P::unicast_mut(vrf).fib_dirty.insert(dest);
        if !core::mem::replace(&mut vrf.fib_queued, true) {
            self.fib_queue.push_back(slot);
        }
    }
}
