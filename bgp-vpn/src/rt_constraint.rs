//! Route target constraint (RFC 4684): who wants VPN routes of which route targets.
//!
//! This router originates a membership for every route target that one of its VRFs imports. What a peer announced in a session, on
//! whatever path and for whatever AS, filters the VPN routes that it is told (§6); memberships themselves are chosen and passed on as
//! routes, with the two changes of §3.2 for reflectors. A change of membership marks the routes of its target and no others; VPN routes
//! wait for the peer's End-of-RIB of memberships, at most [`PeerMembership::WAIT`].

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use fwd_core::time::Instant;
use hashbrown::HashMap;

use crate::attr::ext_community::RouteTarget;
use crate::nlri::{Afi, Family, RtMembership, Safi};
use crate::rib::{AttrId, LabelRef, Listener, MembershipKey, Path, Peers, Source, best_where};
use crate::speaker::{AddressFamily, PeerFamily, PeerId, Routing, TableKind, admit, left};

/// Which route targets a peer wants.
#[derive(Debug, Default)]
pub(crate) struct PeerMembership {
    /// Whole route targets, and on how many paths and for how many ASes.
    exact: HashMap<RouteTarget, u32>,
    /// The default route target and ranges of route targets.
    ranges: Vec<RtMembership>,
    /// The peer's End-of-RIB is waited for until then.
    pub(crate) wait: Option<Instant>,
}

impl PeerMembership {
    /// How long VPN routes wait at most for the peer's memberships (RFC 4684 §6).
    pub(crate) const WAIT: Duration = Duration::from_secs(60);

    /// Whether memberships filter the routes of a family.
    pub(crate) fn filters(family: Family) -> bool {
        !matches!(family.safi, Safi::UNICAST | Safi::MULTICAST | Safi::LABELED_UNICAST | Safi::RT_CONSTRAINT)
    }

    /// Whether the peer wants a route with these route targets.
    pub(crate) fn wants(&self, mut targets: impl Iterator<Item = RouteTarget>) -> bool {
        self.ranges.iter().any(RtMembership::is_default)
            || targets.any(|t| self.exact.contains_key(&t) || self.ranges.iter().any(|range| range.covers(t)))
    }

    /// Which changes of VPN routes the peer is to hear of.
    pub(crate) fn listener(&self) -> Listener {
        if self.ranges.is_empty() { Listener::Targets(self.exact.keys().copied().collect()) } else { Listener::Best }
    }

    fn add(&mut self, membership: RtMembership) {
        match membership.route_target() {
            Some(target) => *self.exact.entry(target).or_default() += 1,
            None => self.ranges.push(membership),
        }
    }

    fn remove(&mut self, membership: RtMembership) {
        let Some(target) = membership.route_target() else {
            if let Some(at) = self.ranges.iter().position(|range| *range == membership) {
                self.ranges.swap_remove(at);
            }
            return;
        };
        if let Some(count) = self.exact.get_mut(&target) {
            *count -= 1;
            if *count == 0 {
                self.exact.remove(&target);
            }
        }
    }
}

impl Routing {
    /// A session came up: if it has memberships, what the peer kept from before counts, and the rest is waited for.
    pub(crate) fn membership_begins(&mut self, peer: PeerId) {
        let now = self.shared.now;
        let Some(state) = self.shared.peer_mut(peer) else { return };
        state.membership = None;
        if !state.session.as_ref().is_some_and(|(_, n)| n.families.contains(&Family::RT_CONSTRAINT)) {
            return;
        }
        let mut membership = PeerMembership { wait: Some(now + PeerMembership::WAIT), ..PeerMembership::default() };
        let Some(slot) = state.families.iter().find(|f| f.table == TableKind::Memberships).map(|f| f.slot) else {
            return;
        };
        let rib = &self.tables.memberships;
        let source = Source::peer(peer);
        for dest in rib.adj(slot).into_iter().flat_map(|adj| adj.input.members.iter()) {
            let d = rib.table.get(dest);
            d.paths().iter().filter(|p| p.source == source).for_each(|_| membership.add(d.key.0));
        }
        if let Some(state) = self.shared.peer_mut(peer) {
            state.membership = Some(membership);
        }
    }

    /// The peer said all it wants, or took too long: VPN routes go out.
    pub(crate) fn membership_complete(&mut self, peer: PeerId) {
        if let Some(membership) = self.shared.peer_mut(peer).and_then(|p| p.membership.as_mut()) {
            membership.wait = None;
            self.wake.insert(peer.0);
        }
    }

    /// A membership came, from a peer by its slot or from our VRFs. Its attributes were counted for it.
    pub(crate) fn membership_put(&mut self, slot: Option<u32>, membership: RtMembership, path: Path) {
        let rib = &mut self.tables.memberships;
        let dest = rib.table.find_or_insert(MembershipKey(membership));
        if let Some(slot) = slot {
            if !admit(rib, slot, dest, &path, &mut self.shared) {
                return;
            }
        }
        let before = self.membership_told(dest);
        let old = self.tables.memberships.put(dest, path);
        if old.is_none() {
            self.filter(path.source, membership, PeerMembership::add);
        }
        self.membership_changed(dest, before);
        if let Some(old) = old {
            self.shared.release(&old);
        }
    }

    /// A membership goes.
    pub(crate) fn membership_take(&mut self, slot: Option<u32>, dest: u32, source: Source, path_id: u32) {
        let before = self.membership_told(dest);
        let rib = &mut self.tables.memberships;
        let Some(old) = rib.take(dest, source, path_id) else { return };
        let membership = rib.table.get(dest).key.0;
        if let Some(slot) = slot {
            self.asks.extend(left(rib, slot, dest, source));
        }
        self.filter(source, membership, PeerMembership::remove);
        self.membership_changed(dest, before);
        self.shared.release(&old);
    }

    /// What peers are told of a membership: the best path, and the one of a client that non-clients may be told instead.
    fn membership_told(&self, dest: u32) -> [Option<Path>; 2] {
        let d = self.tables.memberships.table.get(dest);
        let client = |path: &Path| {
            let peer = path.source.as_peer().and_then(|p| self.shared.peer(p));
            peer.is_some_and(crate::speaker::PeerState::is_client)
        };
        [d.best().copied(), best_where(d, client, |path| self.shared.judge_membership(path))]
    }

    fn membership_changed(&mut self, dest: u32, before: [Option<Path>; 2]) {
        let (rib, shared) = (&mut self.tables.memberships, &self.shared);
        rib.choose(dest, |path| shared.judge_membership(path));
        if self.membership_told(dest) != before {
            self.tables.memberships.mark(dest, &mut self.wake);
        }
        self.tables.memberships.settle(dest);
    }

    fn filter(&mut self, source: Source, membership: RtMembership, change: fn(&mut PeerMembership, RtMembership)) {
        let Some(peer) = source.as_peer() else { return };
        if let Some(state) = self.shared.peer_mut(peer).and_then(|p| p.membership.as_mut()) {
            change(state, membership);
            self.filters.push((peer, membership));
        }
    }

    /// Marks the routes that changes of memberships concern, for the peers that made them, who hear of changes of these routes from
    /// here on, or no longer.
    pub(crate) fn filter_changed(&mut self) {
        let mut filters = core::mem::take(&mut self.filters);
        filters.sort_unstable_by_key(|(peer, membership)| (peer.0, *membership));
        filters.dedup();
        for (peer, membership) in filters {
            let Some(state) = self.shared.peer(peer) else { continue };
            let target = membership.route_target();
            let wanted = target.map(|t| state.membership.as_ref().is_some_and(|m| m.exact.contains_key(&t)));
            for family in state.families.clone() {
                self.listen(peer, family, target.zip(wanted));
                match family.table {
                    TableKind::Vpn if family.family.afi == Afi::IPV4 => {
                        self.mark_target::<Ipv4Prefix>(family.slot, membership);
                    }
                    TableKind::Vpn => self.mark_target::<Ipv6Prefix>(family.slot, membership),
                    table if PeerMembership::filters(family.family) => {
                        if let Some(peers) = self.tables.peers_mut(table, family.family.afi) {
                            peers.mark_all(family.slot);
                        }
                    }
                    _ => {}
                }
            }
            self.wake.insert(peer.0);
        }
    }

    /// A peer hears of changes of a family that memberships filter as these say now: of those of one route target, or, if `change` is
    /// `None`, of all.
    fn listen(&mut self, peer: PeerId, family: PeerFamily, change: Option<(RouteTarget, bool)>) {
        let listener = match (change, self.shared.peer(peer)) {
            (None, Some(state)) => state.listener(family.family),
            _ => Listener::Best,
        };
        if !PeerMembership::filters(family.family) {
            return;
        }
        let Some(peers) = self.tables.peers_mut(family.table, family.family.afi) else { return };
        match change {
            Some((target, wanted)) => peers.want(family.slot, target, wanted),
            None => peers.listen(family.slot, listener),
        }
    }

    fn mark_target<P: AddressFamily>(&mut self, slot: u32, membership: RtMembership) {
        let target = membership.route_target();
        let listed = target.and_then(|t| self.shared.attributes.target_id(t));
        let dests = match (target, listed) {
            (None, _) => return P::vpn_mut(&mut self.tables).mark_all(slot),
            (Some(_), None) => return,
            (Some(_), Some(id)) => self.tables.by_route[usize::from(P::V6)].dests(id).to_vec(),
        };
        let rib = P::vpn_mut(&mut self.tables);
        let Some(adj) = rib.adjs.get_mut(slot as usize).and_then(Option::as_mut).filter(|adj| adj.up) else { return };
        for dest in dests {
            if rib.table.get(dest).is_live() {
                adj.out.mark(dest);
            }
        }
    }

    /// Brings the memberships of this router up to date with what its VRFs import, and the default route target with what its
    /// peers are to be told.
    pub(crate) fn originate_memberships(&mut self) {
        let asn = self.shared.local.asn;
        let mut wanted: Vec<RtMembership> = self.tables.by_target.keys().map(|t| RtMembership::new(asn, *t)).collect();
        let default = |f: &crate::session::FamilyConfig| f.family == Family::RT_CONSTRAINT && f.default_target;
        if self.shared.peers.iter().flatten().any(|p| p.config.families.iter().any(default)) {
            wanted.push(RtMembership::DEFAULT);
        }
        wanted.sort_unstable();
        let table = &self.tables.memberships.table;
        let local = |d: &crate::rib::Dest<MembershipKey>| d.paths().iter().any(|p| p.source == Source::LOCAL);
        let had: Vec<(u32, RtMembership)> = table.iter().filter(|(_, d)| local(d)).map(|(i, d)| (i, d.key.0)).collect();
        for (dest, membership) in &had {
            if wanted.binary_search(membership).is_err() {
                self.membership_take(None, *dest, Source::LOCAL, 0);
            }
        }
        for membership in wanted {
            if !had.iter().any(|(_, m)| *m == membership) {
                let path = Path { source: Source::LOCAL, attr: AttrId::EMPTY, labels: LabelRef::NONE, path_id: 0 };
                self.shared.retain(&path);
                self.membership_put(None, membership, path);
            }
        }
    }
}
