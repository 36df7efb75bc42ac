//! Whom UPDATEs are for: which of the paths to a destination a peer is told, if any (RFC 4271 §9.1.3; RFC 4456 §6; RFC 4684 §3.2;
//! RFC 4364 §4.3.2), and with which labels.

use fwd_core::net::{Label, VrfId};
use smallvec::SmallVec;

use super::io::PeerId;
use super::outbound::next_hop;
use super::peer::PeerState;
use super::shared::Shared;
use crate::attr::NextHop;
use crate::attr::ext_community::ExtCommunity;
use crate::nlri::{Afi, Family, Labels};
use crate::policy::{Applied, PolicyRoute};
use crate::rib::{AttrId, Candidate, Dest, Form, Key, Path, Scope, Source, best_where};
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
    pub(crate) fn is_next_hop_ours(&self, source: Source) -> bool {
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
    pub(crate) fn is_for<K: Key>(&self, shared: &Shared, key: &K, path: &Path) -> bool {
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
    pub(crate) fn judge(&self, shared: &Shared, form: Form, path: &Path) -> Option<Candidate> {
        match form {
            Form::Unicast => shared.judge_in_vrf(self.vrf, path, self.family.afi == Afi::IPV6),
            Form::Labeled => shared.judge_labeled(path),
            Form::Membership => shared.judge_membership(path),
            Form::Vpn | Form::Opaque => shared.judge(path),
        }
    }

    /// What the peer's policy makes of a path; `None` where it refuses it. It sees the attributes that the route has here.
    pub(crate) fn policy<K: Key>(&self, shared: &Shared, key: &K, path: &Path) -> Option<Applied> {
        let policy = &self.peer.config.export;
        let (Some((rd, prefix)), false) = (key.route(), policy.is_transparent()) else {
            return Some(Applied::default());
        };
        let set = shared.attributes.get(path.attr);
        let next_hop = shared.next_hops.address(set.next_hop);
        policy.evaluate(&PolicyRoute { prefix, rd, next_hop, attributes: set.octets() })
    }

    /// Our AS number on the session.
    pub(crate) fn local_as(&self, shared: &Shared) -> u32 {
        self.peer.config.local_as.unwrap_or(shared.local.asn)
    }

    /// The label of ours that the peer is told with a path, if it is one that packets can come with.
    pub(crate) fn own_label(&self, form: Form, own: Option<Label>, path: &Path) -> Option<Label> {
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
    pub(crate) fn labels(
        &self,
        shared: &Shared,
        form: Form,
        own: Option<Label>,
        best: &Path,
    ) -> Option<SmallVec<[u8; 24]>> {
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

/// The path to a destination that a peer is told: the best, but for two cases. A peer of our AS that may not be told of the best,
/// which came from within, is told the best external path where that is configured (draft-ietf-idr-best-external). And RFC 4684
/// §3.2 says of route target memberships: a non-client is told of a client's in the place of another non-client's.
pub(crate) fn told_path<'d, K: Key>(shared: &Shared, to: &Target<'_>, form: Form, d: &'d Dest<K>) -> Option<&'d Path> {
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
pub(crate) fn may_tell(shared: &Shared, to: &Target<'_>, family: Family, (attr, source): (AttrId, Source)) -> bool {
    let set = shared.attributes.get(attr);
    let summary = &set.summary;
    let from = source.as_peer();
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
    let next_hop = next_hop(shared, to, source, attr);
    let extended = to.negotiated.extended_next_hop.contains(&family);
    NextHop::is_expected(family, next_hop.in_family(family).wire_len(family), extended)
}
