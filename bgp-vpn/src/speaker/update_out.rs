//! UPDATEs to a peer: which routes it is told, with which attributes, packed into messages (RFC 4271 §9.1.3, §9.2;
//! RFC 4456 §8; RFC 4364 §4.3.2).

use alloc::vec::Vec;

use fwd_core::net::{Label, VrfId};
use smallvec::SmallVec;

use super::io::PeerId;
use super::peer::PeerState;
use super::shared::Shared;
use crate::attr::ext_community::ExtCommunity;
use crate::attr::{As4Path, AsPath, AsPathBuf, AsWidth, AttrFlags, AttrType, NextHop};
use crate::message::{Message, MpPosition, RefreshSubtype, RouteRefresh, UpdateWriter, emit_end_of_rib};
use crate::nlri::{Afi, Family, Labels, PathId, Safi};
use crate::policy::{Applied, PolicyRoute};
use crate::rib::{
    AdjOut, AttrId, Candidate, Dest, Edits, Entry, Form, Key, Path, Peers, Refresh, Rib, Scope, Source, Summary,
    best_paths, best_where,
};
use crate::rt_constraint::PeerMembership;
use crate::session::{Negotiated, NextHopRule, PeerKind};

/// Whom UPDATEs are for.
pub(crate) struct Target<'a> {
    pub(crate) id: PeerId,
    pub(crate) peer: &'a PeerState,
    pub(crate) negotiated: &'a Negotiated,
    /// The site of origin of the peer's VRF: routes of that site are not sent back to it (RFC 4364 §7).
    pub(crate) site: Option<ExtCommunity>,
    /// Which next hop it is told in the family.
    pub(crate) rule: NextHopRule,
    /// Whether it is told the default route target.
    pub(crate) default_target: bool,
    /// The family.
    pub(crate) family: Family,
    /// The VRF whose table it is told of, or the global table's.
    pub(crate) vrf: VrfId,
    /// The most paths of a destination that it is told, where it takes several.
    pub(crate) max_paths: usize,
    /// Whether it is told the best path of other ASes where the best of all came from within.
    pub(crate) best_external: bool,
}

impl Target<'_> {
    /// Whether the next hop it is told of a route from `source` is ours.
    fn is_next_hop_ours(&self, source: Source) -> bool {
        // RFC 4684 §3.2 i.
        if self.family == Family::RT_CONSTRAINT && self.peer.is_client() {
            return true;
        }
        match (source.as_peer(), self.rule) {
            (None, _) | (_, NextHopRule::Own) => true,
            (Some(_), NextHopRule::ByKind) => self.peer.kind == PeerKind::External || self.peer.is_ce(),
            (Some(_), NextHopRule::Unchanged) => self.peer.is_ce(),
        }
    }

    /// Whether a VPN path is for this peer, as far as option AB says: an ASBR of that option is told what VRFs with an interface to it
    /// export, and what such an ASBR told is passed on by VRFs only.
    fn is_for<K: Key>(&self, shared: &Shared, key: &K, path: &Path) -> bool {
        if !shared.option_ab {
            return true;
        }
        let beyond = self.peer.config.option_ab;
        if path.source != Source::LOCAL {
            return !beyond && shared.across(path).is_none();
        }
        let linked = |rd| shared.circuits.is_linked(rd, self.peer.address());
        Scope::allows(path, beyond) && (!beyond || key.route().and_then(|(rd, _)| rd).is_some_and(linked))
    }

    /// What a path of a table of this form is worth, as the decision process sees it.
    fn judge(&self, shared: &Shared, form: Form, path: &Path) -> Option<Candidate> {
        match form {
            Form::Unicast => shared.judge_in_vrf(self.vrf, path, self.family.afi == Afi::IPV6),
            Form::Labeled => shared.judge_labeled(path),
            Form::Membership => shared.judge_membership(path),
            Form::Vpn | Form::Opaque => shared.judge(path),
        }
    }

    /// What the peer's policy makes of a path; `None` where it refuses it. It sees the attributes that the route has here.
    fn policy<K: Key>(&self, shared: &Shared, key: &K, path: &Path) -> Option<Applied> {
        let policy = &self.peer.config.export;
        let (Some((rd, prefix)), false) = (key.route(), policy.is_transparent()) else {
            return Some(Applied::default());
        };
        let set = shared.attributes.get(path.attr);
        let next_hop = shared.next_hops.address(set.next_hop);
        policy.evaluate(&PolicyRoute { prefix, rd, next_hop, attributes: set.octets() })
    }

    /// Our AS number on the session.
    fn local_as(&self, shared: &Shared) -> u32 {
        self.peer.config.local_as.unwrap_or(shared.local.asn)
    }

    /// The label of ours that the peer is told with a path, if it is one that packets can come with.
    fn own_label(&self, form: Form, own: Option<Label>, path: &Path) -> Option<Label> {
        let label = match form {
            Form::Labeled | Form::Vpn if !self.is_next_hop_ours(path.source) => None,
            Form::Vpn if path.source == Source::LOCAL => path.labels.single(),
            Form::Labeled | Form::Vpn => own,
            Form::Unicast | Form::Membership | Form::Opaque => None,
        };
        label.filter(|label| !label.is_special_purpose())
    }

    /// The labels of a destination's best path as the peer is told them; empty where the form has none, `None` where there is
    /// none to tell.
    fn labels(&self, shared: &Shared, form: Form, own: Option<Label>, best: &Path) -> Option<SmallVec<[u8; 24]>> {
        if form == Form::Opaque {
            return Some(shared.stacks.octets(best.labels));
        }
        let ours = self.is_next_hop_ours(best.source) && !(form == Form::Vpn && best.source == Source::LOCAL);
        match form {
            Form::Unicast | Form::Membership => Some(SmallVec::new()),
            _ if ours => own.map(|label| SmallVec::from_slice(&Labels::encode(label))),
            _ => Some(shared.stacks.octets(best.labels)),
        }
    }
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) updates: u64,
    pub(crate) routes: u64,
    pub(crate) withdrawals: u64,
    /// Labels of ours that the peer held routes with before and holds them with after, where its packets are looked up in a space of
    /// their own.
    pub(crate) labels: Vec<(Option<Label>, Option<Label>)>,
    /// Destinations of which the peer was told the state, if somebody wants to know.
    pub(crate) told: Option<Vec<u32>>,
}

impl Sent {
    fn told(&mut self, dest: u32) {
        if let Some(told) = &mut self.told {
            told.push(dest);
        }
    }
}

type Group = (AttrId, Source, Applied);

/// Room without which nothing is written: that of the messages without routes.
const LEAST_ROOM: usize = 64;

/// Writes what a peer is owed of one table, as far as `room` goes. `track` asks for [`Sent::told`].
pub(crate) fn write<K: Key>(
    rib: &mut Rib<K>,
    slot: u32,
    shared: &Shared,
    target: &Target<'_>,
    room: usize,
    out: &mut Vec<u8>,
    track: bool,
) -> Sent {
    let mut sent = Sent { told: track.then(Vec::new), ..Sent::default() };
    let interval = target.peer.config.timers.min_route_advertisement;
    loop {
        let Some(adj) = rib.adj_mut(slot).filter(|adj| adj.up) else { return sent };
        let family = adj.family;
        adj.out.awake = false;
        if room.saturating_sub(out.len()) < LEAST_ROOM {
            return sent;
        }
        if adj.out.sent < adj.out.batch.len() {
            if !write_batch(rib, slot, shared, target, room, out, &mut sent) {
                return sent;
            }
            continue;
        }
        fill(rib, slot, shared, target, &mut sent);
        let Some(adj) = rib.adj_mut(slot) else { return sent };
        if !adj.out.is_round_over() {
            continue;
        }
        end_round(&mut adj.out, family, target, out);
        let Some(adj) = rib.adj_mut(slot) else { return sent };
        // The first dump and its End-of-RIB come before a refresh begins (RFC 7313 §4).
        let refresh = adj.out.refresh == Refresh::Requested && !adj.out.end_of_rib;
        if refresh && adj.out.hold.is_none_or(|hold| hold <= shared.now) {
            rib.mark_all(slot);
        }
        let Some(adj) = rib.adj_mut(slot) else { return sent };
        if !adj.out.begin_round(shared.now, interval) {
            adj.out.rest();
            return sent;
        }
        if refresh {
            adj.out.refresh = Refresh::Running;
            if target.negotiated.enhanced_route_refresh {
                Message::RouteRefresh(RouteRefresh::new(family, RefreshSubtype::BEGIN)).emit(out);
            }
        }
    }
}

/// What follows the last UPDATE of a round: the end of a refresh (RFC 7313 §4), the end of the first dump (RFC 4724 §4.1).
fn end_round(adj: &mut AdjOut, family: Family, target: &Target<'_>, out: &mut Vec<u8>) {
    if let Some(next) = adj.refresh.ended() {
        adj.refresh = next;
        if target.negotiated.enhanced_route_refresh {
            Message::RouteRefresh(RouteRefresh::new(family, RefreshSubtype::END)).emit(out);
        }
    }
    // The round that carries the first dump begins with End-of-RIB owed and nothing else told.
    if adj.end_of_rib && adj.dumped {
        adj.end_of_rib = false;
        emit_end_of_rib(family, out);
    }
}

/// Makes the next batch of the round: what is to be announced and withdrawn, sorted by what UPDATEs share.
fn fill<K: Key>(rib: &mut Rib<K>, slot: u32, shared: &Shared, target: &Target<'_>, sent: &mut Sent) {
    let Rib { table, adjs, own_labels, form: table_form, .. } = rib;
    let Some(Some(adj)) = adjs.get_mut(slot as usize) else { return };
    let (form, family) = (adj.form, adj.family);
    let max_labels = labels_taken(target.negotiated, family);
    let mut groups = Groups { shared, target, form, family, max_labels, last: None };
    let out = &mut adj.out;
    out.batch.clear();
    out.sent = 0;
    while out.batch.len() < AdjOut::BATCH {
        let Some(dest) = out.pop() else { break };
        let d = table.get(dest);
        if !d.is_live() {
            continue;
        }
        let own = own_labels.get(&dest).copied();
        if let Some(told) = &mut out.paths {
            let (paths, of): (SmallVec<[Path; 4]>, SmallVec<[Group; 4]>) =
                groups.several(d, own, |path| target.judge(shared, *table_form, path)).into_iter().unzip();
            let difference = told.compare(dest, &paths);
            if difference.withdraw.is_empty() && difference.announce.is_empty() {
                sent.told(dest);
            }
            out.batch.extend(difference.withdraw.iter().map(|id| Entry { group: None, dest, id: *id }));
            let entry = |&(i, id): &(usize, u32)| Some(Entry { group: Some(*of.get(i)?), dest, id });
            out.batch.extend(difference.announce.iter().filter_map(entry));
            continue;
        }
        let told = told_path(shared, target, *table_form, d);
        let group = told.and_then(|path| groups.of(&d.key, own.filter(|_| d.best() == Some(path)), path));
        if group.is_some() || out.advertised.contains(dest) {
            out.batch.push(Entry { group, dest, id: 0 });
        } else {
            // The peer holds nothing, and is to hold nothing.
            sent.told(dest);
        }
    }
    out.batch.sort_unstable();
}

/// Which group of UPDATEs a path belongs to, if the peer is told of it at all.
struct Groups<'a> {
    shared: &'a Shared,
    target: &'a Target<'a>,
    form: Form,
    family: Family,
    max_labels: usize,
    /// The answer to what was asked last: most routes share it with the next.
    last: Option<((AttrId, Source), bool)>,
}

impl Groups<'_> {
    /// Whether the path may be told at all.
    fn allows(&mut self, path: &Path) -> bool {
        let told = (path.attr, path.source);
        let allowed = match self.last {
            Some((known, allowed)) if known == told => allowed,
            _ => may_tell(self.shared, self.target, self.family, path),
        };
        self.last = Some((told, allowed));
        allowed
    }

    /// The group of a path; `own` is the label of ours that leads where the path does.
    fn of<K: Key>(&mut self, key: &K, own: Option<Label>, path: &Path) -> Option<Group> {
        if self.form == Form::Vpn && !self.target.is_for(self.shared, key, path) {
            return None;
        }
        let allowed = self.allows(path);
        let applied = if allowed { self.target.policy(self.shared, key, path)? } else { Applied::default() };
        let group = (path.attr, path.source, applied);
        let fits = |l: SmallVec<[u8; 24]>| l.len() <= self.max_labels.saturating_mul(Labels::LABEL_LEN);
        let labels = !self.form.has_labels() || self.target.labels(self.shared, self.form, own, path).is_some_and(fits);
        (allowed && labels).then_some(group)
    }

    /// The paths of a destination that a peer is told that takes several: the best of those that it may be told at all.
    ///
    /// Where the next hop would be ours and the NLRI has labels it is one: our label leads where the best path does.
    fn several<K: Key>(
        &mut self,
        d: &Dest<K>,
        own: Option<Label>,
        judge: impl Fn(&Path) -> Option<Candidate>,
    ) -> SmallVec<[(Path, Group); 4]> {
        let Some(best) = d.best() else { return SmallVec::new() };
        let mut allowed: SmallVec<[(Path, Group); 4]> = SmallVec::new();
        for path in d.paths() {
            let group = self.of(&d.key, own.filter(|_| path == best), path);
            allowed.extend(group.map(|group| (*path, group)));
        }
        let same = |a: &Path, b: &Path| (a.source, a.path_id) == (b.source, b.path_id);
        let may = |path: &Path| allowed.iter().any(|(a, _)| same(a, path));
        let told = best_paths(d, self.target.max_paths, may, judge);
        allowed.retain(|(a, _)| told.iter().any(|t| same(a, t)));
        allowed
    }
}

/// Labels that a peer takes from one NLRI (RFC 8277 §2.1).
fn labels_taken(negotiated: &Negotiated, family: Family) -> usize {
    let agreed = negotiated.label_counts.iter().find(|(f, ..)| *f == family);
    agreed.map_or(1, |(_, _, theirs)| usize::from(*theirs))
}

/// Writes the next message of the batch. `false`: it needs more room.
fn write_batch<K: Key>(
    rib: &mut Rib<K>,
    slot: u32,
    shared: &Shared,
    target: &Target<'_>,
    room: usize,
    out: &mut Vec<u8>,
    sent: &mut Sent,
) -> bool {
    let Rib { table, adjs, own_labels, form: table_form, .. } = rib;
    let Some(Some(adj)) = adjs.get_mut(slot as usize) else { return false };
    let (form, family) = (adj.form, adj.family);
    let adj = &mut adj.out;
    let Some(group) = adj.batch.get(adj.sent).map(|e| e.group) else { return false };
    let limit = target.negotiated.max_message_len.min(room.saturating_sub(out.len()));
    let bounded = Negotiated { max_message_len: limit, ..target.negotiated.clone() };
    let labels = if form.has_labels() || form == Form::Opaque { Labels::WITHDRAW.octets() } else { &[] };
    let mut octets = Vec::new();
    let writer = match group {
        None => Ok(UpdateWriter::withdraw(out, &bounded, family)),
        Some(group) => {
            let next_hop = outbound(shared, target, group, &mut octets);
            UpdateWriter::announce(out, &bounded, family, next_hop, &octets, MpPosition::ByType)
        }
    };
    let mut withdrawn: SmallVec<[u32; 8]> = SmallVec::new();
    let mut full = false;
    let mut routes = 0u64;
    if let Ok(mut writer) = writer {
        while let Some(entry) = adj.batch.get(adj.sent).filter(|e| e.group == group).copied() {
            let d = table.get(entry.dest);
            let told = match &adj.paths {
                Some(paths) => paths
                    .path(entry.dest, entry.id)
                    .and_then(|key| d.paths().iter().find(|p| (p.source, p.path_id) == key)),
                None => told_path(shared, target, *table_form, d),
            };
            let best = told.and_then(|b| Some((b.attr, b.source, target.policy(shared, &d.key, b)?)));
            // What changed since the batch was made is in the next one.
            let held = match &adj.paths {
                Some(paths) => paths.is_held(entry.dest, entry.id),
                None => adj.advertised.contains(entry.dest),
            };
            let current = d.is_live()
                && !adj.is_dirty(entry.dest)
                && (group.is_none() && held || group.is_some() && best == group);
            if current {
                let own = own_labels.get(&entry.dest).copied().filter(|_| told == d.best());
                let stack = told.and_then(|best| target.labels(shared, form, own, best)).filter(|_| group.is_some());
                let labels = if group.is_some() { stack.as_deref().unwrap_or_default() } else { labels };
                let path_id = adj.paths.is_some().then_some(PathId(entry.id));
                if !d.key.push(labels, path_id, &mut writer) {
                    full = true;
                    break;
                }
                routes += 1;
                if target.peer.config.label_space.is_some() {
                    let path = told.filter(|_| group.is_some());
                    let new = path.and_then(|path| target.own_label(form, own, path));
                    let key = (entry.dest, entry.id);
                    let old = match new {
                        Some(new) => adj.labels.insert(key, new),
                        None => adj.labels.remove(&key),
                    };
                    if old != new {
                        sent.labels.push((old, new));
                    }
                }
                if group.is_some() {
                    adj.advertised.insert(entry.dest);
                }
                match (&mut adj.paths, group) {
                    (Some(paths), Some(_)) => paths.announced(entry.dest, entry.id),
                    (Some(paths), None) => {
                        if paths.withdrawn(entry.dest, entry.id) {
                            withdrawn.push(entry.dest);
                        }
                    }
                    (None, Some(_)) => sent.told(entry.dest),
                    (None, None) => {
                        sent.told(entry.dest);
                        withdrawn.push(entry.dest);
                    }
                }
            }
            adj.sent += 1;
        }
        if writer.finish() > 0 {
            sent.updates += 1;
        }
    } else {
        full = true;
    }
    if adj.paths.is_some() && adj.sent >= adj.batch.len() {
        // Of several paths the last one written says which labels the peer holds.
        adj.batch.iter().filter(|e| !adj.is_dirty(e.dest)).for_each(|e| sent.told(e.dest));
    }
    if full && routes == 0 {
        if limit < target.negotiated.max_message_len {
            return false;
        }
        // The attributes alone fill a message: these routes cannot be told to this peer.
        give_up(adj);
    }
    if group.is_some() {
        sent.routes += routes;
    } else {
        sent.withdrawals += routes;
        withdrawn.into_iter().for_each(|dest| rib.withdrawn_from(slot, dest));
    }
    true
}

/// The next route of the batch cannot be announced: what the peer holds of it, if anything, is withdrawn instead.
fn give_up(adj: &mut AdjOut) {
    let Some(entry) = adj.batch.get_mut(adj.sent) else { return };
    let held = match &adj.paths {
        Some(paths) => paths.is_held(entry.dest, entry.id),
        None => adj.advertised.contains(entry.dest),
    };
    if entry.group.is_some() && held {
        entry.group = None;
    } else {
        adj.sent += 1;
    }
}

/// The path to a destination that a peer is told: the best, but for two cases. A peer of our AS that may not be told of the best,
/// which came from within, is told the best external path where that is configured (draft-ietf-idr-best-external). And RFC 4684
/// §3.2 says of route target memberships: a non-client is told of a client's in the place of another non-client's.
fn told_path<'d, K: Key>(shared: &Shared, to: &Target<'_>, form: Form, d: &'d Dest<K>) -> Option<&'d Path> {
    let best = d.best()?;
    if form == Form::Vpn && !to.is_for(shared, &d.key, best) {
        let other = best_where(d, |p| to.is_for(shared, &d.key, p), |p| to.judge(shared, form, p))?;
        return d.paths().iter().find(|p| **p == other);
    }
    if form != Form::Membership {
        let within = |from: &PeerState| from.kind == PeerKind::Internal && !from.is_client() && !to.peer.is_client();
        let from = best.source.as_peer().and_then(|p| shared.peer(p));
        if !to.best_external || to.peer.kind != PeerKind::Internal || !from.is_some_and(within) {
            return Some(best);
        }
        let external = best_where(d, |p| shared.is_external(p), |p| to.judge(shared, form, p))?;
        return d.paths().iter().find(|p| **p == external);
    }
    if d.key.is_default_target() && best.source == Source::LOCAL && !to.default_target {
        return None;
    }
    let peer = |path: &Path| path.source.as_peer().and_then(|p| shared.peer(p));
    let client = |path: &Path| peer(path).is_some_and(PeerState::is_client);
    let non_client = peer(best).is_some_and(|p| p.kind == PeerKind::Internal && !p.is_client());
    if to.peer.kind == PeerKind::Internal && !to.peer.is_client() && non_client {
        let clients = best_where(d, client, |path| shared.judge_membership(path))?;
        return d.paths().iter().find(|p| **p == clients);
    }
    Some(best)
}

/// Whether a path may be told to a peer at all.
fn may_tell(shared: &Shared, to: &Target<'_>, family: Family, path: &Path) -> bool {
    let set = shared.attributes.get(path.attr);
    let summary = &set.summary;
    let from = path.source.as_peer();
    // RFC 9494 §4.3: not to whom the mark says nothing.
    if summary.llgr_stale && !to.negotiated.long_lived_known {
        return false;
    }
    // Never back to who told us; not to anyone where the route says so (RFC 1997).
    let reflected = family == Family::RT_CONSTRAINT && to.peer.kind == PeerKind::Internal && to.peer.is_client();
    if from == Some(to.id) && !reflected || summary.no_advertise {
        return false;
    }
    if PeerMembership::filters(family) {
        if let Some(membership) = &to.peer.membership {
            if !membership.wants(set.targets.iter().filter_map(|id| shared.attributes.target(*id))) {
                return false;
            }
        }
    }
    let from = from.and_then(|peer| shared.peer(peer));
    match to.peer.kind {
        PeerKind::External => {
            if summary.no_export {
                return false;
            }
        }
        PeerKind::Internal => {
            // RFC 4456 §6: from clients to everyone, from others to clients.
            let internal = from.filter(|from| from.kind == PeerKind::Internal);
            if internal.is_some_and(|from| !from.is_client() && !to.peer.is_client()) {
                return false;
            }
            if summary.originator_id == Some(to.peer.router_id()) && !reflected {
                return false;
            }
        }
    }
    if to.site.is_some_and(|site| set.ext_communities().any(|c| c == site)) {
        return false;
    }
    let next_hop = next_hop(shared, to, path.source, path.attr);
    let extended = to.negotiated.extended_next_hop.contains(&family);
    NextHop::is_expected(family, next_hop.in_family(family).wire_len(family), extended)
}

/// The next hop that a peer is told: ours where we forward the packets or leave the AS, else the route's own.
fn next_hop(shared: &Shared, to: &Target<'_>, source: Source, attr: AttrId) -> NextHop {
    let ours = to.is_next_hop_ours(source);
    let learnt = shared.next_hops.address(shared.attributes.get(attr).next_hop);
    let config = &to.peer.config;
    let address = if ours { None } else { learnt }.unwrap_or(config.local_address).to_canonical();
    match (NextHop::new(address), config.link_local) {
        // RFC 2545 §3: both addresses, on a subnet that the peer shares.
        (NextHop::Ipv6 { global, .. }, link_local @ Some(_)) if address == config.local_address => {
            NextHop::Ipv6 { global, link_local }
        }
        (next_hop, _) => next_hop,
    }
}

/// Writes the attributes that a peer is told with the routes of a group, and returns the next hop.
fn outbound(shared: &Shared, to: &Target<'_>, (attr, source, applied): Group, out: &mut Vec<u8>) -> NextHop {
    let set = shared.attributes.get(attr);
    let mut edits = Edits::default();
    match to.peer.kind {
        PeerKind::External => external_edits(shared, set, to, &mut edits),
        PeerKind::Internal => {
            internal_edits(shared, &set.summary, set.value(AttrType::CLUSTER_LIST), source, to, &mut edits)
        }
    }
    if to.peer.is_ce() || to.peer.kind == PeerKind::External {
        let keep = |c: &ExtCommunity| {
            (c.is_transitive() || to.peer.kind == PeerKind::Internal) && !(to.peer.is_ce() && c.is_route_target())
        };
        filter_communities(set, keep, &mut edits);
    }
    let mut wide = Vec::new();
    edits.apply(set.octets(), &mut wide);
    if !applied.is_empty() {
        let mut changed = Vec::new();
        to.peer.config.export.apply(applied, &wide, to.local_as(shared), &mut changed);
        wide = changed;
    }
    if to.negotiated.four_octet_as {
        out.append(&mut wide);
    } else {
        narrow(&wide, out);
    }
    let labels = to.family.safi == Safi::LABELED_UNICAST || to.family.has_next_hop_rd();
    if let Some(address) = to.peer.config.export.next_hop(applied).filter(|_| !labels) {
        return NextHop::new(address.to_canonical());
    }
    next_hop(shared, to, source, attr)
}

/// To another AS: RFC 4271 §5.1.2 (AS_PATH), §5.1.4 (MULTI_EXIT_DISC of another AS stays here), §5.1.5 (LOCAL_PREF too).
fn external_edits(shared: &Shared, set: &crate::rib::AttributeSet, to: &Target<'_>, edits: &mut Edits) {
    let (theirs, ours) = (to.peer.config.remote_as, to.local_as(shared));
    let seen = |asn| if to.peer.config.as_override && asn == theirs { ours } else { asn };
    let path = set.value(AttrType::AS_PATH).and_then(|v| AsPath::parse(v, AsWidth::Four).ok());
    let mut outside = AsPathBuf::new();
    // Segments of a confederation do not leave the AS (RFC 5065 §4.1 c).
    for segment in path.iter().flat_map(AsPath::segments).filter(|s| !s.kind.is_confed()) {
        outside.push(segment.kind, segment.asns().map(seen));
    }
    let mut path = outside;
    path.prepend(ours, 1);
    edits.set(AttrType::AS_PATH, AttrFlags::WELL_KNOWN, path.as_path().octets());
    // What this router originates has none: it came from another AS, in the VPN tables from a CE's.
    edits.remove(AttrType::MULTI_EXIT_DISC);
    edits.remove(AttrType::LOCAL_PREF);
    edits.remove(AttrType::ORIGINATOR_ID);
    edits.remove(AttrType::CLUSTER_LIST);
}

/// Within the AS: LOCAL_PREF is always there (RFC 4271 §5.1.5); a reflected route says who brought it into the AS and
/// which clusters it passed (RFC 4456 §8).
fn internal_edits(
    shared: &Shared,
    summary: &Summary,
    clusters: Option<&[u8]>,
    source: Source,
    to: &Target<'_>,
    edits: &mut Edits,
) {
    if summary.local_pref.is_none() {
        edits.set(AttrType::LOCAL_PREF, AttrFlags::WELL_KNOWN, &Shared::LOCAL_PREF.to_be_bytes());
    }
    let from = source.as_peer().and_then(|peer| shared.peer(peer)).filter(|from| from.kind == PeerKind::Internal);
    match from {
        Some(from) => {
            if to.family == Family::RT_CONSTRAINT && to.peer.is_client() {
                // RFC 4684 §3.2 i: so that the client that told us takes it back, and knows that we want its routes.
                let id = shared.local.router_id.octets();
                edits.set(AttrType::ORIGINATOR_ID, AttrFlags::OPTIONAL_NON_TRANSITIVE, &id);
            } else if summary.originator_id.is_none() {
                let id = from.router_id().to_be_bytes();
                edits.set(AttrType::ORIGINATOR_ID, AttrFlags::OPTIONAL_NON_TRANSITIVE, &id);
            }
            let mut list: SmallVec<[u8; 64]> = SmallVec::from_slice(&shared.cluster_id.to_be_bytes());
            list.extend_from_slice(clusters.unwrap_or_default());
            edits.set(AttrType::CLUSTER_LIST, AttrFlags::OPTIONAL_NON_TRANSITIVE, &list);
        }
        // RFC 6368: an internal CE gets what another internal CE sent, these included.
        None if to.peer.is_ce() && to.peer.config.local_as.is_none() => {
            edits.remove(AttrType::ORIGINATOR_ID);
            edits.remove(AttrType::CLUSTER_LIST);
        }
        None => {}
    }
}

/// Leaves out the extended communities that do not pass `keep`.
fn filter_communities(set: &crate::rib::AttributeSet, keep: impl Fn(&ExtCommunity) -> bool, edits: &mut Edits) {
    if set.ext_communities().all(|c| keep(&c)) {
        return;
    }
    let kept: SmallVec<[u8; 64]> = set.ext_communities().filter(keep).flat_map(|c| c.0).collect();
    if kept.is_empty() {
        edits.remove(AttrType::EXTENDED_COMMUNITIES);
    } else {
        edits.set(AttrType::EXTENDED_COMMUNITIES, AttrFlags::OPTIONAL_TRANSITIVE, &kept);
    }
}

/// The attributes as a 2-octet AS speaker takes them: AS_TRANS for AS numbers that do not fit, and AS4_PATH and AS4_AGGREGATOR
/// beside (RFC 6793 §4.2.2).
fn narrow(wide: &[u8], out: &mut Vec<u8>) {
    const AS_TRANS: [u8; 2] = 23456u16.to_be_bytes();
    let mut edits = Edits::default();
    for attribute in crate::rib::raw_attributes(wide) {
        match attribute.attr_type {
            AttrType::AS_PATH => {
                let Ok(path) = AsPath::parse(attribute.value, AsWidth::Four) else { continue };
                let mut two: Vec<u8> = Vec::new();
                path.emit(AsWidth::Two, &mut two);
                edits.set(AttrType::AS_PATH, attribute.flags, &two);
                if let Some(four) = As4Path::of(path).filter(|_| path.needs_as4()) {
                    let mut value: Vec<u8> = Vec::new();
                    four.emit(&mut value);
                    edits.set(AttrType::AS4_PATH, AttrFlags::OPTIONAL_TRANSITIVE, &value);
                }
            }
            AttrType::AGGREGATOR => {
                let Some((asn, address)) = attribute.value.split_first_chunk::<4>() else { continue };
                let low = u16::try_from(u32::from_be_bytes(*asn)).map_or(AS_TRANS, u16::to_be_bytes);
                let mut two: SmallVec<[u8; 8]> = SmallVec::from_slice(&low);
                two.extend_from_slice(address);
                edits.set(AttrType::AGGREGATOR, attribute.flags, &two);
                if low == AS_TRANS {
                    edits.set(AttrType::AS4_AGGREGATOR, AttrFlags::OPTIONAL_TRANSITIVE, attribute.value);
                }
            }
            _ => {}
        }
    }
    edits.apply(wide, out);
}
