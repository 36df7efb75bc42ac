//! Questions that operators ask; they change nothing.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Ipv6Prefix, LabelStack, VrfId};
use fwd_core::time::Instant;

use super::io::{Circuit, LocalRoute, PeerId};
use super::machine::Speaker;
use super::opaque::OpaqueTable;
use super::peer::RouteCounters;
use super::routing::Routing;
use super::tables::AddressFamily;
use crate::attr::ext_community::{ExtCommunity, RouteTarget};
use crate::nlri::{Family, RouteDistinguisher, RtMembership};
use crate::rib::{Path, PrefixKey, Source};
use crate::session::{LocalIdentity, Negotiated, PeerConfig, Session, SessionCounters, State};
use crate::vrf::VrfConfig;

/// Where a route came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteSource {
    /// A peer: in a VRF a CE.
    Peer(PeerId),
    /// This router: connected, static, or from an IGP; in the VPN table, exported by one of its VRFs.
    Local,
    /// In a VRF: imported from another router, which announced it with this route distinguisher.
    Imported(RouteDistinguisher),
    /// In a VRF: exported by another VRF of this router, with this route distinguisher.
    Leaked(RouteDistinguisher),
}

/// A path of some table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// The route distinguisher, in the VPN tables.
    pub rd: Option<RouteDistinguisher>,
    /// The destination.
    pub prefix: IpPrefix,
    /// Where it came from.
    pub source: RouteSource,
    /// Whether it is the one in use.
    pub best: bool,
    /// Whether it is kept for a peer that restarts (RFC 4724) or refreshes (RFC 7313).
    pub stale: bool,
    /// Its labels, top first.
    pub labels: LabelStack,
    /// Its BGP next hop; `None` for what this router originates.
    pub next_hop: Option<IpAddr>,
    /// Its attributes but for next hop and NLRI, in ascending order of types, with 4-octet AS numbers.
    pub attributes: Vec<u8>,
    /// Its route targets.
    pub targets: Vec<RouteTarget>,
}

/// The route totals of a peer in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFamilyState {
    /// The family.
    pub family: Family,
    /// It is in use on a session that is up.
    pub up: bool,
    /// Paths held from the peer.
    pub received: u32,
    /// Announcements refused for the peer's limit.
    pub refused: u64,
    /// Destinations that the peer holds from us.
    pub advertised: u32,
    /// It was disabled for a malformed field (RFC 7606 §2).
    pub disabled: bool,
}

/// Totals of a speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Destinations with a path in the VPN tables.
    pub vpn_routes: u32,
    /// Paths in the VPN tables.
    pub vpn_paths: u32,
    /// Destinations with a path in VRFs and the global unicast tables.
    pub vrf_routes: u32,
    /// Paths in them.
    pub vrf_paths: u32,
    /// Attribute sets.
    pub attribute_sets: usize,
    /// VPN labels in use, those included that wait to be cleared.
    pub labels: usize,
    /// Forwarding entries for imported routes.
    pub nhlfes: usize,
    /// Octets of memory in tables, attribute sets and indices.
    pub octets: usize,
    /// Octets and ops that wait to be taken, without UPDATEs and ops not yet made.
    pub queued: usize,
    /// Events that peers caused and that were dropped because nobody took them.
    pub events_lost: u64,
}

/// A VRF's routes against its bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VrfStats {
    /// Routes, both families together.
    pub routes: u32,
    /// Announcements refused for the bound.
    pub refused: u64,
    /// Destinations that got their first path since the VRF was made.
    pub added: u64,
    /// Destinations that lost their last path since the VRF was made.
    pub deleted: u64,
    /// When the VRF was made.
    pub created: Instant,
    /// When its configuration or its circuits changed last.
    pub changed: Instant,
}

impl Speaker {
    /// AS number and BGP identifier.
    #[must_use]
    pub const fn identity(&self) -> LocalIdentity {
        self.config.local
    }

    /// The peers in the order in which they were added.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerId> {
        self.routing.shared.peer_ids()
    }

    /// The configuration of a peer.
    #[must_use]
    pub fn peer_config(&self, peer: PeerId) -> Option<&PeerConfig> {
        Some(&self.routing.shared.peer(peer)?.config)
    }

    /// Whether a connection that the peer opened now would be used. If not, close it and report nothing of it: a second incoming
    /// connection has no name of its own, and `Connected` of one takes the place of the first.
    #[must_use]
    pub fn admits_incoming(&self, peer: PeerId) -> bool {
        self.sessions.get(peer.0 as usize).and_then(Option::as_ref).is_some_and(Session::admits_incoming)
    }

    /// Until when octets of a peer are better left where they are, because they came faster than its
    /// [`update_rate`](PeerConfig::update_rate) allows; `None`: they are welcome. A handled stream input may change it.
    #[must_use]
    pub fn paused_until(&self, peer: PeerId) -> Option<Instant> {
        let state = self.routing.shared.peer(peer)?;
        let hold = state.session.as_ref().map_or(state.config.timers.hold, |(_, n)| n.hold_time);
        state.pace.paused_until(state.config.update_rate?, hold)
    }

    /// The state of a peer's session.
    #[must_use]
    pub fn peer_state(&self, peer: PeerId) -> Option<State> {
        Some(self.sessions.get(peer.0 as usize)?.as_ref()?.state())
    }

    /// What was agreed on with a peer, while its session is up.
    #[must_use]
    pub fn peer_negotiated(&self, peer: PeerId) -> Option<&Negotiated> {
        self.routing.shared.peer(peer)?.session.as_ref().map(|(_, n)| n)
    }

    /// What was counted of a peer's routes.
    #[must_use]
    pub fn peer_counters(&self, peer: PeerId) -> Option<RouteCounters> {
        Some(self.routing.shared.peer(peer)?.counters)
    }

    /// What was counted of a peer's messages.
    #[must_use]
    pub fn session_counters(&self, peer: PeerId) -> Option<SessionCounters> {
        Some(*self.sessions.get(peer.0 as usize)?.as_ref()?.counters())
    }

    /// A peer's route totals by family.
    #[must_use]
    pub fn peer_families(&self, peer: PeerId) -> Vec<PeerFamilyState> {
        let Some(state) = self.routing.shared.peer(peer) else { return Vec::new() };
        let tables = &self.routing.tables;
        let families = state.families.iter().filter_map(|f| {
            let adj = tables.peers(f.table, f.family.afi)?.adj(f.slot)?;
            Some(PeerFamilyState {
                family: f.family,
                up: adj.up,
                received: adj.input.paths,
                refused: adj.input.refused,
                advertised: adj.out.advertised.len(),
                disabled: f.disabled,
            })
        });
        families.collect()
    }

    /// The VRFs in the order of their slots.
    pub fn vrfs(&self) -> impl Iterator<Item = &VrfConfig> {
        self.routing.tables.vrfs.iter().flatten().filter_map(|v| v.config.as_ref())
    }

    /// A VRF's routes against its bound.
    #[must_use]
    pub fn vrf_stats(&self, vrf: VrfId) -> Option<VrfStats> {
        let (_, vrf) = self.routing.tables.vrf_by_id(vrf)?;
        Some(VrfStats {
            routes: vrf.routes(),
            refused: vrf.limits.refused,
            added: vrf.limits.added,
            deleted: vrf.limits.deleted,
            created: vrf.created,
            changed: vrf.changed,
        })
    }

    /// The attachment circuits, in the order of their interfaces; one with two families is there twice.
    pub fn circuits(&self) -> impl Iterator<Item = (IfIndex, Circuit)> + '_ {
        self.routing.shared.circuits.iter()
    }

    /// The routes of a VRF that BGP did not bring, in ascending order; those included that the bound refused.
    pub fn local_routes(&self, vrf: VrfId) -> impl Iterator<Item = (IpPrefix, LocalRoute)> + '_ {
        let vrf = self.routing.tables.vrf_by_id(vrf).map(|(_, vrf)| vrf);
        vrf.into_iter().flat_map(|vrf| vrf.locals.iter().map(|(prefix, (route, _))| (*prefix, *route)))
    }

    /// The route of a VRF to exactly this prefix that BGP did not bring.
    #[must_use]
    pub fn local_route(&self, vrf: VrfId, prefix: IpPrefix) -> Option<LocalRoute> {
        self.routing.tables.vrf_by_id(vrf)?.1.locals.get(&prefix).map(|(route, _)| *route)
    }

    /// Every path of a VRF, or of the global unicast tables; those that are not in use too. In no particular order, but in
    /// the same for the same inputs.
    #[must_use]
    pub fn vrf_routes(&self, vrf: VrfId) -> Vec<RouteView> {
        let Some((_, vrf)) = self.routing.tables.vrf_by_id(vrf) else { return Vec::new() };
        let mut views = Vec::new();
        for (_, d) in vrf.v4.table.iter() {
            views.extend(d.paths().iter().map(|p| self.routing.view::<Ipv4Prefix>(d.key, p, d.best() == Some(p))));
        }
        for (_, d) in vrf.v6.table.iter() {
            views.extend(d.paths().iter().map(|p| self.routing.view::<Ipv6Prefix>(d.key, p, d.best() == Some(p))));
        }
        views
    }

    /// Every path of the VPN tables; those that are not the best too.
    #[must_use]
    pub fn vpn_routes(&self) -> Vec<RouteView> {
        let tables = &self.routing.tables;
        let mut views = Vec::new();
        for (_, d) in tables.vpn4.table.iter() {
            views.extend(d.paths().iter().map(|p| self.routing.view::<Ipv4Prefix>(d.key, p, d.best() == Some(p))));
        }
        for (_, d) in tables.vpn6.table.iter() {
            views.extend(d.paths().iter().map(|p| self.routing.view::<Ipv6Prefix>(d.key, p, d.best() == Some(p))));
        }
        views
    }

    /// The route target memberships that this router takes part in, with where each came from: its own VRFs', and peers'
    /// (RFC 4684).
    #[must_use]
    pub fn memberships(&self) -> Vec<(RtMembership, RouteSource)> {
        let table = &self.routing.tables.memberships.table;
        let of = |p: &Path| p.source.as_peer().map_or(RouteSource::Local, RouteSource::Peer);
        table.iter().flat_map(|(_, d)| d.paths().iter().map(move |p| (d.key.0, of(p)))).collect()
    }

    /// Next hops of held routes that no input has spoken about.
    #[must_use]
    pub fn unresolved_next_hops(&self) -> Vec<IpAddr> {
        self.routing.shared.next_hops.unknown()
    }

    /// Totals.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Routing { tables, shared, labels, tunnels, ops, .. } = &self.routing;
        let mut stats = Stats {
            vpn_routes: tables.vpn4.routes + tables.vpn6.routes,
            vpn_paths: tables.vpn4.paths + tables.vpn6.paths,
            attribute_sets: shared.attributes.len(),
            labels: labels.in_use(),
            nhlfes: tunnels.len(),
            octets: tables.vpn4.memory()
                + tables.vpn6.memory()
                + tables.labeled4.memory()
                + tables.labeled6.memory()
                + tables.memberships.memory()
                + tables.opaque.iter().map(OpaqueTable::memory).sum::<usize>()
                + tables.by_route.iter().map(crate::rib::TargetIndex::memory).sum::<usize>()
                + shared.attributes.memory()
                + shared.next_hops.memory()
                + shared.stacks.memory()
                + labels.memory()
                + tunnels.memory(),
            queued: self.outputs.len() + ops.len() + shared.events.len(),
            events_lost: shared.events_lost,
            ..Stats::default()
        };
        for vrf in tables.vrfs.iter().flatten() {
            stats.vrf_routes += vrf.routes();
            stats.vrf_paths += vrf.v4.paths + vrf.v6.paths;
            stats.octets += vrf.v4.memory() + vrf.v6.memory();
        }
        stats
    }
}

impl Routing {
    fn view<P: AddressFamily>(&self, key: impl PrefixKey<Prefix = P>, path: &Path, best: bool) -> RouteView {
        let set = self.shared.attributes.get(path.attr);
        let vpn_rd = || P::vpn(&self.tables).table.get(path.path_id).key.rd;
        let source = match path.source {
            Source::IMPORTED => RouteSource::Imported(vpn_rd()),
            Source::LEAKED => RouteSource::Leaked(vpn_rd()),
            source => source.as_peer().map_or(RouteSource::Local, RouteSource::Peer),
        };
        let next_hop = self.shared.next_hops.address(set.next_hop);
        RouteView {
            rd: key.rd(),
            prefix: key.prefix().into(),
            source,
            best,
            stale: path.is_stale(),
            labels: self.shared.stacks.stack(path.labels),
            next_hop: next_hop.filter(|a| *a != IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            attributes: set.octets().to_vec(),
            targets: set.ext_communities().filter_map(RouteTarget::from_community).collect(),
        }
    }
}

impl RouteView {
    /// The extended communities.
    #[must_use]
    pub fn ext_communities(&self) -> Vec<ExtCommunity> {
        let value = crate::rib::raw_attributes(&self.attributes)
            .find(|a| a.attr_type == crate::attr::AttrType::EXTENDED_COMMUNITIES)
            .map(|a| a.value);
        let communities = value.unwrap_or_default().chunks_exact(ExtCommunity::LEN);
        communities.filter_map(|c| c.try_into().ok()).map(ExtCommunity).collect()
    }
}
