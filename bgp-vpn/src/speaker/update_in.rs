//! A received UPDATE: from octets to paths, with the actions of RFC 7606.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::Malformed;
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};
use smallvec::SmallVec;

use super::io::{Event, PeerId};
use super::peer::PeerFamily;
use super::routing::Routing;
use super::tables::{AddressFamily, GLOBAL, TableKind};
use crate::attr::{AttrType, Attributes, Segment};
use crate::message::{FaultAction, NlriField, Notification, Update};
use crate::nlri::{
    Afi, Family, LabeledNlri, Labels, Nlri, Nlris, PathId, RouteDistinguisher, RtMembershipNlri, Safi, UnicastNlri,
    VpnNlri,
};
use crate::policy::{Applied, Policy, PolicyRoute};
use crate::rib::{AttrId, LabelRef, MembershipKey, Path, Source};
use crate::session::{Negotiated, PeerKind};

/// What the three NLRI forms have in common.
trait Route<'a, P>: Nlri<'a> {
    fn parts(&self) -> (Option<PathId>, Option<Labels<'a>>, Option<RouteDistinguisher>, P);
}

impl<P: AddressFamily> Route<'_, P> for UnicastNlri<P> {
    fn parts(&self) -> (Option<PathId>, Option<Labels<'static>>, Option<RouteDistinguisher>, P) {
        (self.path_id, None, None, self.prefix)
    }
}

impl<'a, P: AddressFamily> Route<'a, P> for LabeledNlri<'a, P> {
    fn parts(&self) -> (Option<PathId>, Option<Labels<'a>>, Option<RouteDistinguisher>, P) {
        (self.path_id, Some(self.labels), None, self.prefix)
    }
}

impl<'a, P: AddressFamily> Route<'a, P> for VpnNlri<'a, P> {
    fn parts(&self) -> (Option<PathId>, Option<Labels<'a>>, Option<RouteDistinguisher>, P) {
        (self.path_id, Some(self.labels), Some(self.rd), self.prefix)
    }
}

/// What happens to the routes of a field.
#[derive(Clone, Copy)]
struct Fate<'a> {
    peer: PeerId,
    family: PeerFamily,
    /// The attribute set they are announced with, and what the peer's policy makes of it; `None`: they are withdrawn.
    attr: Option<(AttrId, &'a Policy)>,
    /// Labels we take from one NLRI.
    max_labels: usize,
}

/// What a policy made of one attribute set.
type Changed = SmallVec<[(Applied, AttrId); 4]>;

/// What one field came to.
#[derive(Default)]
struct Outcome {
    routes: u64,
    fault: Option<Malformed>,
}

impl Routing {
    /// Takes the body of an UPDATE; returns the NOTIFICATION to reset the session with, if it comes to that.
    pub(crate) fn update(&mut self, peer: PeerId, body: &[u8]) -> Option<Notification> {
        let state = self.shared.peer_mut(peer)?;
        let (side, negotiated) = state.session.take()?;
        let policy = core::mem::take(&mut state.config.import);
        let reset = self.update_negotiated(peer, body, &negotiated, &policy);
        if let Some(state) = self.shared.peer_mut(peer) {
            state.session = Some((side, negotiated));
            state.config.import = policy;
        }
        reset
    }

    fn update_negotiated(
        &mut self,
        peer: PeerId,
        body: &[u8],
        negotiated: &Negotiated,
        policy: &Policy,
    ) -> Option<Notification> {
        let update = match Update::parse(body, negotiated) {
            Ok(update) => update,
            Err(error) => return Some(error.notification),
        };
        for fault in update.faults() {
            self.shared.bounded_event(Event::UpdateFault {
                peer,
                attribute: fault.attr_type.0,
                fault: fault.malformed,
                action: fault.action,
            });
        }
        if let Some(notification) = update.notification() {
            return Some(notification);
        }
        if let Some(family) = update.end_of_rib() {
            self.end_of_rib(peer, family);
            return None;
        }
        for family in update.disabled_families() {
            self.disable_family(peer, family);
        }
        let as_withdrawn = update.action() >= Some(FaultAction::TreatAsWithdraw);
        if as_withdrawn {
            self.shared.peer_mut(peer)?.counters.treated_as_withdrawn += 1;
        }
        // Withdrawals first, as RFC 4271 §4.3 reads a message that names a prefix in both fields.
        if let Some(reset) = self.withdraw_fields(peer, &update, negotiated) {
            return Some(reset);
        }
        let attributes = (!as_withdrawn).then(|| update.attributes());
        let mut reset = None;
        if let Some(mp) = update.mp_reach() {
            let next_hop = mp.next_hop().map(|n| n.address());
            let attr = attributes.and_then(|a| self.accept(peer, a, next_hop, mp.family));
            let outcome = self.field(peer, mp.family, mp.nlri, attr.map(|a| (a, policy)), negotiated);
            reset = self.field_fault(peer, &update, NlriField::MpReach, outcome);
            self.release_attr(attr);
        }
        let (_, nlri) = update.nlri_octets();
        if reset.is_none() && !nlri.is_empty() {
            let next_hop = update.attributes().next_hop().map(IpAddr::V4);
            let attr = attributes.and_then(|a| self.accept(peer, a, next_hop, Family::IPV4_UNICAST));
            let outcome = self.field(peer, Family::IPV4_UNICAST, nlri, attr.map(|a| (a, policy)), negotiated);
            reset = self.field_fault(peer, &update, NlriField::Nlri, outcome);
            self.release_attr(attr);
        }
        reset
    }

    fn withdraw_fields(&mut self, peer: PeerId, update: &Update<'_>, negotiated: &Negotiated) -> Option<Notification> {
        let (withdrawn, _) = update.nlri_octets();
        if !withdrawn.is_empty() {
            let outcome = self.field(peer, Family::IPV4_UNICAST, withdrawn, None, negotiated);
            if let Some(reset) = self.field_fault(peer, update, NlriField::Withdrawn, outcome) {
                return Some(reset);
            }
        }
        let mp = update.mp_unreach()?;
        let outcome = self.field(peer, mp.family, mp.nlri, None, negotiated);
        self.field_fault(peer, update, NlriField::MpUnreach, outcome)
    }

    /// What a malformed field costs: the session, or the use of its family.
    fn field_fault(
        &mut self,
        peer: PeerId,
        update: &Update<'_>,
        field: NlriField,
        outcome: Outcome,
    ) -> Option<Notification> {
        let malformed = outcome.fault?;
        let fault = update.nlri_fault(field, malformed);
        let attribute = match field {
            NlriField::MpReach => AttrType::MP_REACH_NLRI,
            NlriField::MpUnreach => AttrType::MP_UNREACH_NLRI,
            NlriField::Withdrawn | NlriField::Nlri => AttrType(0),
        };
        let action = fault.action;
        self.shared.bounded_event(Event::UpdateFault { peer, attribute: attribute.0, fault: malformed, action });
        if action == FaultAction::SessionReset {
            return Some(fault.notification());
        }
        self.disable_family(peer, fault.family);
        None
    }

    /// The attribute set of announced routes, counted once; `None` where they must not be used (RFC 4271 §9.1.2, §5.1.3,
    /// RFC 4456 §8): then they replace what was there by nothing.
    fn accept(
        &mut self,
        peer: PeerId,
        attributes: &Attributes<'_>,
        next_hop: Option<IpAddr>,
        family: Family,
    ) -> Option<AttrId> {
        let next_hop = next_hop?;
        let state = self.shared.peer(peer)?;
        let asn = self.shared.local.asn;
        if state.kind == PeerKind::External && state.config.enforce_first_as {
            let first = match attributes.as4_path() {
                Some(_) => attributes.merged_as_path().and_then(|path| path.as_path().first_as()),
                None => attributes.as_path().and_then(|path| path.first_as()),
            };
            if first != Some(state.config.remote_as) {
                self.shared.peer_mut(peer)?.counters.not_first_as += 1;
                return None;
            }
        }
        let own_as = attributes.count_in_as_path(asn) > usize::from(state.config.allow_own_as);
        let own_id = attributes.originator_id() == Some(self.shared.local.router_id);
        let cluster = self.shared.cluster_id;
        let own_cluster = attributes.cluster_list().is_some_and(|c| c.iter().any(|c| c.0 == cluster));
        let own_hop = next_hop == state.config.local_address.to_canonical();
        let tracked = state.vrf == GLOBAL;
        if own_as || own_id || own_cluster || own_hop {
            self.shared.peer_mut(peer)?.counters.looped += 1;
            return None;
        }
        let mut octets: Vec<u8> = Vec::with_capacity(256);
        attributes.emit_canonical(&mut octets);
        let shared = &mut self.shared;
        let (hop, new) = shared.next_hops.intern(next_hop);
        let attr = shared.attributes.intern(&octets, hop, &mut shared.next_hops);
        if new && tracked && !matches!(family.safi, Safi::UNICAST | Safi::RT_CONSTRAINT) {
            shared.bounded_event(Event::NextHopUnresolved { address: next_hop });
        }
        Some(attr)
    }

    fn release_attr(&mut self, attr: Option<AttrId>) {
        if let Some(attr) = attr {
            self.shared.attributes.release(attr, &mut self.shared.next_hops);
        }
    }

    /// Walks the NLRI of one field. Families without a table are not looked at.
    fn field(
        &mut self,
        peer: PeerId,
        family: Family,
        octets: &[u8],
        attr: Option<(AttrId, &Policy)>,
        negotiated: &Negotiated,
    ) -> Outcome {
        let known = self.shared.peer(peer).and_then(|p| p.families.iter().find(|f| f.family == family).copied());
        let Some(known) = known.filter(|f| !f.disabled && negotiated.families.contains(&family)) else {
            return Outcome::default();
        };
        let labels = negotiated.label_counts.iter().find(|(f, ..)| *f == family).map_or(1, |(_, ours, _)| *ours);
        let fate = Fate { peer, family: known, attr, max_labels: usize::from(labels) };
        let format = negotiated.receive_format(family);
        let labeled = family.safi == Safi::LABELED_UNICAST;
        let outcome = match (known.table, family.afi) {
            (TableKind::Memberships, _) => self.memberships(fate, Nlris::new(octets, format)),
            (TableKind::Opaque(table), _) => {
                let (routes, fault) =
                    self.opaque_routes(peer, (table, known.slot), octets, format, attr.map(|(a, _)| a));
                Outcome { routes, fault }
            }
            (TableKind::Unicast(_), Afi::IPV4) if labeled => {
                self.routes::<Ipv4Prefix, LabeledNlri<'_, _>>(fate, Nlris::new(octets, format))
            }
            (TableKind::Unicast(_), _) if labeled => {
                self.routes::<Ipv6Prefix, LabeledNlri<'_, _>>(fate, Nlris::new(octets, format))
            }
            (TableKind::Unicast(_), Afi::IPV4) => {
                self.routes::<Ipv4Prefix, UnicastNlri<_>>(fate, Nlris::new(octets, format))
            }
            (TableKind::Unicast(_), _) => self.routes::<Ipv6Prefix, UnicastNlri<_>>(fate, Nlris::new(octets, format)),
            (TableKind::Labeled, Afi::IPV4) => {
                self.routes::<Ipv4Prefix, LabeledNlri<'_, _>>(fate, Nlris::new(octets, format))
            }
            (TableKind::Labeled, _) => self.routes::<Ipv6Prefix, LabeledNlri<'_, _>>(fate, Nlris::new(octets, format)),
            (TableKind::Vpn, Afi::IPV4) => self.routes::<Ipv4Prefix, VpnNlri<'_, _>>(fate, Nlris::new(octets, format)),
            (TableKind::Vpn, _) => self.routes::<Ipv6Prefix, VpnNlri<'_, _>>(fate, Nlris::new(octets, format)),
        };
        if let Some(state) = self.shared.peer_mut(peer) {
            let counter = if attr.is_some() { &mut state.counters.announced } else { &mut state.counters.withdrawn };
            *counter += outcome.routes;
        }
        outcome
    }

    fn memberships(&mut self, fate: Fate<'_>, nlris: Nlris<'_, RtMembershipNlri>) -> Outcome {
        let source = Source::peer(fate.peer);
        let mut outcome = Outcome::default();
        for nlri in nlris {
            let nlri = match nlri {
                Ok(nlri) => nlri,
                Err(fault) => {
                    outcome.fault = Some(fault);
                    return outcome;
                }
            };
            outcome.routes += 1;
            let path_id = nlri.path_id.map_or(0, |id| id.0);
            match fate.attr {
                Some((attr, _)) => {
                    self.shared.attributes.retain(attr);
                    let path = Path { source, attr, labels: LabelRef::NONE, path_id };
                    self.membership_put(Some(fate.family.slot), nlri.membership, path);
                }
                None => {
                    if let Some(dest) = self.tables.memberships.table.find(&MembershipKey(nlri.membership)) {
                        self.membership_take(Some(fate.family.slot), dest, source, path_id);
                    }
                }
            }
        }
        outcome
    }

    fn routes<'a, P: AddressFamily, N: Route<'a, P>>(&mut self, fate: Fate<'_>, nlris: Nlris<'a, N>) -> Outcome {
        let source = Source::peer(fate.peer);
        let PeerFamily { table, slot, .. } = fate.family;
        let mut outcome = Outcome::default();
        let mut changed = Changed::new();
        for nlri in nlris {
            let nlri = match nlri {
                Ok(nlri) => nlri,
                Err(fault) => {
                    outcome.fault = Some(fault);
                    return outcome;
                }
            };
            outcome.routes += 1;
            let (path_id, labels, rd, prefix) = nlri.parts();
            let path_id = path_id.map_or(0, |id| id.0);
            // More labels than we said we take are treated as a withdrawal (RFC 8277 §2.1).
            let fits = labels.is_none_or(|l| l.octets().len() <= fate.max_labels.saturating_mul(Labels::LABEL_LEN));
            let attr = fate.attr.filter(|_| fits).and_then(|(attr, policy)| {
                if policy.is_transparent() {
                    self.shared.attributes.retain(attr);
                    return Some(attr);
                }
                self.admitted(attr, policy, rd, prefix.into(), &mut changed)
            });
            match attr {
                Some(attr) => {
                    let labels = labels.map_or(LabelRef::NONE, |l| self.shared.stacks.intern(l));
                    self.peer_put(table, slot, rd, prefix, Path { source, attr, labels, path_id });
                }
                None => self.peer_take(table, slot, rd, prefix, source, path_id),
            }
        }
        for (_, attr) in changed {
            self.release_attr(Some(attr));
        }
        outcome
    }

    /// The attribute set that a peer's policy makes of an announced route, counted once; `None` where it refuses the route.
    /// `changed` holds what was made before of the same attribute set, each counted once.
    fn admitted(
        &mut self,
        attr: AttrId,
        policy: &Policy,
        rd: Option<RouteDistinguisher>,
        prefix: IpPrefix,
        changed: &mut Changed,
    ) -> Option<AttrId> {
        let shared = &mut self.shared;
        let set = shared.attributes.get(attr);
        let next_hop = shared.next_hops.address(set.next_hop);
        let applied = policy.evaluate(&PolicyRoute { prefix, rd, next_hop, attributes: set.octets() })?;
        let known = changed.iter().find(|(a, _)| *a == applied).map(|(_, attr)| *attr);
        let made = match known {
            Some(made) => made,
            None if applied.is_empty() => attr,
            None => {
                let mut octets = Vec::new();
                policy.apply(applied, set.octets(), shared.local.asn, &mut octets);
                let hop = policy.next_hop(applied).map_or(set.next_hop, |address| shared.next_hops.intern(address).0);
                let made = shared.attributes.intern(&octets, hop, &mut shared.next_hops);
                changed.push((applied, made));
                made
            }
        };
        shared.attributes.retain(made);
        Some(made)
    }

    /// Stops using a family of a peer until the session ends (RFC 7606 §2): its routes go, and no more are taken.
    fn disable_family(&mut self, peer: PeerId, family: Family) {
        let Some(state) = self.shared.peer_mut(peer) else { return };
        let Some(known) = state.families.iter_mut().find(|f| f.family == family && !f.disabled) else { return };
        known.disabled = true;
        let known = *known;
        self.drop_routes(peer, known, false);
    }

    /// The peer has sent all it had of a family (RFC 4724 §2, §4.2): what is still stale goes.
    fn end_of_rib(&mut self, peer: PeerId, family: Family) {
        let Some(known) = self.shared.peer(peer).and_then(|p| p.families.iter().find(|f| f.family == family).copied())
        else {
            return;
        };
        self.with_adj(known, |adj| adj.input.ended = true);
        if known.table == TableKind::Memberships {
            self.membership_complete(peer);
        }
        self.end_long_lived(peer, known);
        // A refresh ends with its own mark (RFC 7313 §4).
        if !self.is_refreshing(known) {
            self.drop_routes(peer, known, true);
        }
        self.shared.bounded_event(Event::EndOfRib { peer, family });
    }

    /// Removes a peer's paths of a family: all of them, or the stale ones.
    pub(crate) fn drop_routes(&mut self, peer: PeerId, family: PeerFamily, only_stale: bool) {
        if family.family.afi == Afi::IPV4 {
            self.drop_routes_in::<Ipv4Prefix>(peer, family, only_stale);
        } else {
            self.drop_routes_in::<Ipv6Prefix>(peer, family, only_stale);
        }
    }

    fn drop_routes_in<P: AddressFamily>(&mut self, peer: PeerId, family: PeerFamily, only_stale: bool) {
        let source = Source::peer(peer);
        for dest in self.members::<P>(family.table, family.slot) {
            while let Some(path) =
                self.paths_of::<P>(family.table, dest, |p| p.source == source && (!only_stale || p.is_stale()))
            {
                self.take_at::<P>(family.table, family.slot, dest, source, path.path_id);
            }
        }
    }

    /// Marks a peer's paths of a family as stale (RFC 4724 §4.2, RFC 7313 §4).
    pub(crate) fn mark_stale(&mut self, peer: PeerId, family: PeerFamily) {
        if family.family.afi == Afi::IPV4 {
            self.mark_stale_in::<Ipv4Prefix>(peer, family);
        } else {
            self.mark_stale_in::<Ipv6Prefix>(peer, family);
        }
    }

    fn mark_stale_in<P: AddressFamily>(&mut self, peer: PeerId, family: PeerFamily) {
        let source = Source::peer(peer);
        for dest in self.members::<P>(family.table, family.slot) {
            let tables = &mut self.tables;
            let paths = match family.table {
                TableKind::Vpn => P::vpn_mut(tables).table.get_mut(dest).paths_mut(),
                TableKind::Labeled => P::labeled_mut(tables).table.get_mut(dest).paths_mut(),
                TableKind::Memberships => tables.memberships.table.get_mut(dest).paths_mut(),
                TableKind::Opaque(table) => match tables.opaque.get_mut(usize::from(table)) {
                    Some(table) => table.rib.table.get_mut(dest).paths_mut(),
                    None => &mut [],
                },
                TableKind::Unicast(slot) => match tables.vrf_mut(slot) {
                    Some(vrf) => P::unicast_mut(vrf).table.get_mut(dest).paths_mut(),
                    None => &mut [],
                },
            };
            paths.iter_mut().filter(|p| p.source == source).for_each(Path::set_stale);
        }
    }

    /// The first path of a destination that satisfies `which`.
    fn paths_of<P: AddressFamily>(&self, table: TableKind, dest: u32, which: impl Fn(&Path) -> bool) -> Option<Path> {
        self.paths_at::<P>(table, dest).iter().find(|p| which(p)).copied()
    }

    /// The paths of a destination.
    pub(crate) fn paths_at<P: AddressFamily>(&self, table: TableKind, dest: u32) -> &[Path] {
        let tables = &self.tables;
        match table {
            TableKind::Vpn => P::vpn(tables).table.get(dest).paths(),
            TableKind::Labeled => P::labeled(tables).table.get(dest).paths(),
            TableKind::Memberships => tables.memberships.table.get(dest).paths(),
            TableKind::Opaque(table) => {
                tables.opaque.get(usize::from(table)).map_or(&[][..], |t| t.rib.table.get(dest).paths())
            }
            TableKind::Unicast(slot) => tables.vrf(slot).map_or(&[][..], |vrf| P::unicast(vrf).table.get(dest).paths()),
        }
    }
}

/// Questions that the loop checks ask.
trait LoopCheck {
    fn count_in_as_path(&self, asn: u32) -> usize;
}

impl LoopCheck for Attributes<'_> {
    /// How often the AS number is in AS_PATH or AS4_PATH (RFC 6793 §4.2.3).
    fn count_in_as_path(&self, asn: u32) -> usize {
        let count = |segment: Segment<'_>| segment.asns().filter(|a| *a == asn).count();
        let path: usize = self.as_path().map_or(0, |p| p.segments().map(count).sum());
        path.max(self.as4_path().map_or(0, |p| p.segments().map(count).sum()))
    }
}
