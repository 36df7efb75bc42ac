//! The attributes that a peer is told with a route (RFC 4271 §5.1; RFC 4456 §8; RFC 6793 §4.2.2).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use smallvec::SmallVec;

use super::shared::Shared;
use super::target::Target;
use crate::attr::ext_community::ExtCommunity;
use crate::attr::{As4Path, AsPath, AsPathBuf, AsWidth, AttrFlags, AttrType, NextHop};
use crate::nlri::{Family, Safi};
use crate::policy::Applied;
use crate::rib::{AttrId, Edits, Source, Summary};
use crate::session::{NextHopRule, PeerKind};

/// What routes share that are told in one UPDATE: attribute set, source, and what the peer's policy changes.
pub(crate) type Group = (AttrId, Source, Applied);

/// The next hop that a peer is told: ours where we forward the packets or leave the AS, else the route's own.
pub(crate) fn next_hop(shared: &Shared, to: &Target<'_>, source: Source, attr: AttrId) -> NextHop {
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

/// What of a peer, beside the route, decides which attributes it is told: peers of a reflector are mostly alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Style {
    kind: PeerKind,
    is_ce: bool,
    is_client: bool,
    four_octet_as: bool,
    local_as: Option<u32>,
    /// The AS number that ours takes the place of, if that is so.
    overridden: Option<u32>,
    family: Family,
    rule: NextHopRule,
    local_address: IpAddr,
    link_local: Option<Ipv6Addr>,
}

impl Style {
    /// `None`: the peer's policy has a say.
    fn of(to: &Target<'_>) -> Option<Self> {
        let config = &to.peer.config;
        config.export.is_transparent().then_some(Self {
            kind: to.peer.kind,
            is_ce: to.peer.is_ce(),
            is_client: to.peer.is_client(),
            four_octet_as: to.negotiated.four_octet_as,
            local_as: config.local_as,
            overridden: config.as_override.then_some(config.remote_as),
            family: to.family,
            rule: to.rule,
            local_address: config.local_address,
            link_local: config.link_local,
        })
    }
}

/// Attributes and next hop as peers of one style are told them with the routes of one group.
#[derive(Debug)]
pub(crate) struct Rewrite {
    group: Group,
    style: Option<Style>,
    pub(crate) next_hop: NextHop,
    pub(crate) octets: Vec<u8>,
}

/// What was written last. A route that a thousand peers are told has its attributes written once for all those that are alike.
#[derive(Debug, Default)]
pub(crate) struct Rewrites {
    kept: Vec<Rewrite>,
    /// The one that gives way next.
    next: usize,
    /// The state of attribute sets and peers that they are of.
    generation: (u64, u64),
    /// How many were written.
    pub(crate) written: u64,
}

impl Rewrites {
    /// How many are kept: peers are of few styles.
    const KEPT: usize = 4;

    /// The attributes that a peer is told with the routes of a group.
    pub(crate) fn of(&mut self, shared: &Shared, to: &Target<'_>, group: Group) -> &Rewrite {
        let generation = (shared.attributes.generation(), shared.peers_changed);
        if self.generation != generation {
            self.generation = generation;
            self.kept.iter_mut().for_each(|kept| kept.style = None);
        }
        let style = Style::of(to);
        let known = style.and_then(|_| self.kept.iter().position(|k| k.group == group && k.style == style));
        let at = known.unwrap_or_else(|| {
            self.written += 1;
            let at = self.next % Self::KEPT;
            self.next = at + 1;
            let mut octets = self.kept.get_mut(at).map(|kept| core::mem::take(&mut kept.octets)).unwrap_or_default();
            octets.clear();
            let next_hop = outbound(shared, to, group, &mut octets);
            let rewrite = Rewrite { group, style, next_hop, octets };
            match self.kept.get_mut(at) {
                Some(kept) => *kept = rewrite,
                None => self.kept.push(rewrite),
            }
            at
        });
        &self.kept[at]
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.kept.capacity() * size_of::<Rewrite>() + self.kept.iter().map(|kept| kept.octets.capacity()).sum::<usize>()
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
            (c.is_transitive() || to.peer.kind == PeerKind::Internal)
                && !(to.peer.is_ce() && (c.is_route_target() || c.is_upstream_hop()))
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
