//! What all tables of a speaker share, and what a path is worth.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::io::{Event, LocalRoute, PeerId};
use super::peer::PeerState;
use crate::rib::{Attributes, Candidate, Concern, LabelStacks, NextHops, Path, Source, Summary};
use crate::session::{LocalIdentity, PeerKind};
use crate::vrf::{CircuitKey, Circuits};
use fwd_core::net::NhlfeId;

/// What all tables share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) local: LocalIdentity,
    pub(crate) cluster_id: u32,
    pub(crate) attributes: Attributes,
    pub(crate) next_hops: NextHops,
    pub(crate) stacks: LabelStacks,
    pub(crate) circuits: Circuits,
    /// Whether there is, or was, an ASBR of option AB or a VRF with an interface to one.
    pub(crate) option_ab: bool,
    pub(crate) peers: Vec<Option<PeerState>>,
    /// Counts the peers that came, went or said who they are.
    pub(crate) peers_changed: u64,
    pub(crate) events: VecDeque<Event>,
    /// Events that peers caused and that were dropped because nobody took them.
    pub(crate) events_lost: u64,
    /// The time of the last input.
    pub(crate) now: Instant,
}

impl Shared {
    /// Events that peers can cause without end are dropped when so many wait.
    const EVENTS: usize = 4096;
    /// The degree of preference of a route without LOCAL_PREF.
    pub(crate) const LOCAL_PREF: u32 = 100;

    pub(crate) fn peer(&self, peer: PeerId) -> Option<&PeerState> {
        self.peers.get(peer.0 as usize)?.as_ref()
    }

    pub(crate) fn peer_mut(&mut self, peer: PeerId) -> Option<&mut PeerState> {
        self.peers.get_mut(peer.0 as usize)?.as_mut()
    }

    /// Peers in the order of their numbers.
    pub(crate) fn peer_ids(&self) -> Vec<PeerId> {
        (0u32..).zip(&self.peers).filter(|(_, p)| p.is_some()).map(|(i, _)| PeerId(i)).collect()
    }

    /// Reports what a bounded number of things can cause.
    pub(crate) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Reports what a peer can cause again and again.
    pub(crate) fn bounded_event(&mut self, event: Event) {
        if self.events.len() < Self::EVENTS {
            self.events.push_back(event);
        } else {
            self.events_lost += 1;
        }
    }

    /// Counts another path with these attributes and labels.
    pub(crate) fn retain(&mut self, path: &Path) {
        self.attributes.retain(path.attr);
        self.stacks.retain(path.labels);
    }

    /// Counts a path with these attributes and labels less.
    pub(crate) fn release(&mut self, path: &Path) {
        self.attributes.release(path.attr, &mut self.next_hops);
        self.stacks.release(path.labels);
    }

    /// The circuit that a path of a VRF leaves by, if it does.
    pub(crate) fn circuit(&self, vrf: VrfId, path: &Path, v6: bool) -> Option<(CircuitKey, NhlfeId)> {
        if let Some(link) = path.labels.link() {
            return self.circuits.over(vrf, link, v6);
        }
        if path.source == Source::LOCAL {
            let Some(LocalRoute::Via(iface)) = path.as_local() else { return None };
            return self.circuits.on(vrf, iface, v6);
        }
        let peer = self.peer(path.source.as_peer()?)?;
        let next_hop = self.next_hops.address(self.attributes.get(path.attr).next_hop)?;
        self.circuits.to(vrf, next_hop).or_else(|| {
            // Routes of one family over a session of the other: the CE is one and the same.
            (next_hop.is_ipv6() != peer.address().is_ipv6()).then(|| self.circuits.to(vrf, peer.address()))?
        })
    }

    /// The address of the ASBR of option AB that brought a VPN path, if one did.
    pub(crate) fn across(&self, path: &Path) -> Option<IpAddr> {
        let peer = self.peer(path.source.as_peer()?)?;
        peer.config.option_ab.then(|| peer.address())
    }

    /// Whether a path came from another AS, or is our own.
    pub(crate) fn is_external(&self, path: &Path) -> bool {
        let from = path.source.as_peer().and_then(|peer| self.peer(peer));
        from.map_or(path.source == Source::LOCAL, |from| from.kind == PeerKind::External)
    }

    /// Whom changes of the best path concern that end or begin with these.
    pub(crate) fn concerns(&self, paths: [Option<Path>; 2]) -> SmallVec<[Concern; 2]> {
        let concern = |path: Path| {
            let from = path.source.as_peer().and_then(|peer| self.peer(peer));
            let ordinary = from.is_some_and(|from| from.kind == PeerKind::Internal && !from.is_client());
            let targets = self.attributes.get(path.attr).targets.iter();
            Concern { ordinary, targets: targets.filter_map(|id| self.attributes.target(*id)).collect() }
        };
        paths.into_iter().flatten().map(concern).collect()
    }

    /// What a path of a VPN table is worth: nothing when its next hop cannot be reached.
    pub(crate) fn judge(&self, path: &Path) -> Option<Candidate> {
        let set = self.attributes.get(path.attr);
        let Some(peer) = path.source.as_peer() else {
            return Some(candidate(&set.summary, path, None, 0));
        };
        let metric = self.next_hops.resolution(set.next_hop).metric()?;
        Some(candidate(&set.summary, path, self.peer(peer), metric))
    }

    /// What a path of the labelled table is worth: its next hop is reached without others of that table.
    pub(crate) fn judge_labeled(&self, path: &Path) -> Option<Candidate> {
        let set = self.attributes.get(path.attr);
        let Some(peer) = path.source.as_peer() else {
            return Some(candidate(&set.summary, path, None, 0));
        };
        let metric = self.next_hops.below_bgp(set.next_hop).metric()?;
        Some(candidate(&set.summary, path, self.peer(peer), metric))
    }

    /// What a route target membership is worth: it is used wherever its next hop is (RFC 4684 §3.2).
    pub(crate) fn judge_membership(&self, path: &Path) -> Option<Candidate> {
        let set = self.attributes.get(path.attr);
        let peer = path.source.as_peer().and_then(|peer| self.peer(peer));
        let metric =
            if peer.is_some() { self.next_hops.resolution(set.next_hop).metric().unwrap_or(u32::MAX) } else { 0 };
        Some(candidate(&set.summary, path, peer, metric))
    }

    /// What a path of a VRF is worth: nothing when there is no way to forward by it.
    pub(crate) fn judge_in_vrf(&self, vrf: VrfId, path: &Path, v6: bool) -> Option<Candidate> {
        let set = self.attributes.get(path.attr);
        let resolution = self.next_hops.resolution(set.next_hop);
        let metric = match path.source {
            Source::LOCAL => {
                if matches!(path.as_local(), Some(LocalRoute::Via(_))) {
                    self.circuit(vrf, path, v6)?;
                }
                0
            }
            Source::LEAKED => 0,
            Source::IMPORTED if path.labels.link().is_some() => {
                self.circuit(vrf, path, v6)?;
                0
            }
            Source::IMPORTED => {
                // Behind a special-purpose label the packet would be looked up outside the VPN.
                self.stacks.bottom(path.labels).filter(|label| !label.is_special_purpose())?;
                resolution.nhlfe()?;
                resolution.metric()?
            }
            _ if self.circuit(vrf, path, v6).is_some() => 0,
            _ if vrf == VrfId::GLOBAL => resolution.metric()?,
            _ => return None,
        };
        let peer = path.source.as_peer().and_then(|peer| self.peer(peer));
        let mut candidate = candidate(&set.summary, path, peer, metric);
        if peer.is_none() && path.source != Source::LOCAL {
            // The announcing PE is known by its next hop where no reflector said more.
            let hop = self.next_hops.address(set.next_hop).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            candidate.peer = hop;
            candidate.external = path.labels.link().is_some();
        }
        Some(candidate)
    }
}

/// The facts of a path.
fn candidate(s: &Summary, path: &Path, peer: Option<&PeerState>, metric: u32) -> Candidate {
    Candidate {
        llgr_stale: s.llgr_stale,
        local: path.source == Source::LOCAL,
        local_pref: s.local_pref.unwrap_or(Shared::LOCAL_PREF),
        as_path_len: s.as_path_len,
        origin: s.origin,
        med: s.med.unwrap_or(0),
        neighbor_as: s.neighbor_as,
        external: peer.is_some_and(|p| p.kind == PeerKind::External),
        metric,
        router_id: s.originator_id.unwrap_or(peer.map_or(0, PeerState::router_id)),
        cluster_len: s.cluster_len,
        peer: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PeerState::address),
        path_id: u64::from(path.path_id),
    }
}
