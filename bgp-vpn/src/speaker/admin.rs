//! What an operator does: peers and VRFs come, change and go.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, VrfId};
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::io::{PeerId, SpeakerConfig};
use super::machine::Speaker;
use super::peer::{PeerFamily, PeerState, RouteCounters};
use super::routing::Routing;
use super::tables::{AddressFamily, GLOBAL, TableKind};
use crate::attr::ext_community::RouteTarget;
use crate::message::{ErrorCode, Notification, RefreshSubtype, RouteRefresh, subcode};
use crate::nlri::Framing;
use crate::nlri::Safi;
use crate::policy::Policy;
use crate::session::{
    ConfigError, FamilyConfig, Input as SessionInput, LocalIdentity, NextHopRule, PeerConfig, PeerKind, Session,
    SessionConfig,
};
use crate::vrf::{LabelMode, Vrf, VrfConfig};

fn value(field: &'static str, value: impl ToString, rule: &'static str) -> ConfigError {
    ConfigError::Value { field, value: value.to_string(), rule }
}

impl SpeakerConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.local.validate()?;
        let (first, last) = self.labels;
        if first.is_special_purpose() || last < first {
            let range = format!("{first} to {last}");
            return Err(value("labels", range, "16 or more, and the first not above the last"));
        }
        let (first, last) = self.nhlfes;
        if last < first {
            return Err(value("nhlfes", format!("{} to {}", first.0, last.0), "the first not above the last"));
        }
        Ok(())
    }
}

impl Speaker {
    /// Adds a peer and starts its session.
    ///
    /// # Errors
    /// A field out of its range, an unknown VRF, an address that has a session in that VRF, a family that the VRF has no
    /// table for (a VRF has IPv4 and IPv6 unicast; the global table labelled and VPN families too), no family.
    pub fn add_peer(&mut self, now: Instant, config: PeerConfig) -> Result<PeerId, ConfigError> {
        self.begin(now);
        let id = PeerId(u32::try_from(self.sessions.len()).unwrap_or(u32::MAX));
        let Some(vrf) = self.routing.tables.by_id.get(&config.vrf).copied() else {
            return Err(ConfigError::Unknown { field: "vrf", value: config.vrf.to_string() });
        };
        if let Some(owner) = self.peer_by_address(config.vrf, config.address) {
            let owner = format!("peer {}", owner.0);
            return Err(ConfigError::Duplicate { field: "address", value: config.address.to_string(), owner });
        }
        for f in &config.families {
            let framing = f.framing.or(Framing::of(f.family));
            if TableKind::of(f.family, vrf).is_none() && (vrf != GLOBAL || framing.is_none()) {
                let rule =
                    "unicast or labelled; in the global table also VPN unicast, and others whose framing is known";
                return Err(value("families", f.family, rule));
            }
            if self.routing.tables.opaque.iter().any(|t| t.family == f.family && Some(t.framing) != framing) {
                return Err(value("framing", f.family, "the same for all peers"));
            }
            // Both would be names of one path in the VRF's table.
            let both = |other: &FamilyConfig| other.family.afi == f.family.afi && other.family.safi != f.family.safi;
            if vrf != GLOBAL && config.families.iter().any(both) {
                return Err(value(
                    "families",
                    f.family,
                    "in a VRF either unicast or labelled unicast of an address family",
                ));
            }
        }
        if config.option_ab && (vrf != GLOBAL || config.remote_as == config.local_as.unwrap_or(self.config.local.asn)) {
            return Err(value("option_ab", config.address, "of another AS, and in the global table"));
        }
        let seed = self.config.seed ^ u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let local = LocalIdentity { asn: config.local_as.unwrap_or(self.config.local.asn), ..self.config.local };
        let session = SessionConfig { local, peer: config.clone(), seed, restarted: self.defers() };
        let session = Session::new(now, session)?;
        let internal = config.remote_as == local.asn;
        self.routing.shared.option_ab |= config.option_ab;
        let mut families = SmallVec::new();
        for f in &config.families {
            let Some(table) = self.routing.table_of(f, vrf) else { continue };
            let relabel = relabels(f, table, internal) && !config.option_ab;
            let slot = self.routing.attach(id, table, f, relabel);
            families.push(PeerFamily {
                family: f.family,
                table,
                slot,
                disabled: false,
                long_lived: None,
                long_lived_until: None,
            });
        }
        self.routing.shared.peers.push(Some(PeerState {
            kind: if internal { PeerKind::Internal } else { PeerKind::External },
            config,
            vrf,
            families,
            session: None,
            identifier: Ipv4Addr::UNSPECIFIED,
            room: [0; 2],
            stale_until: None,
            counters: RouteCounters::default(),
            pace: super::pace::Pace::default(),
            asked: None,
            membership: None,
            turn: 0,
        }));
        self.sessions.push(Some(session));
        self.routing.originate_memberships();
        self.session_input(id, SessionInput::Start);
        Ok(id)
    }

    /// Ends a peer's session and forgets it and its routes; its number is not used again. What is still to be sent to it
    /// comes out as usual.
    ///
    /// # Errors
    /// There is no such peer.
    pub fn remove_peer(&mut self, now: Instant, peer: PeerId) -> Result<(), ConfigError> {
        self.begin(now);
        if self.session(peer).is_none() {
            return Err(ConfigError::Unknown { field: "peer", value: peer.0.to_string() });
        }
        self.routing.decide_moved();
        let cease = Notification::new(ErrorCode::CEASE, subcode::cease::PEER_DECONFIGURED);
        self.session_input(peer, SessionInput::Stop(cease));
        self.routing.forget_peer(peer);
        self.routing.originate_memberships();
        if let Some(session) = self.sessions.get_mut(peer.0 as usize) {
            *session = None;
        }
        self.forget_timers(peer);
        self.schedule();
        Ok(())
    }

    /// Ends a peer's session, which is then opened again: an administrative reset (RFC 4486).
    ///
    /// # Errors
    /// There is no such peer.
    pub fn reset_peer(&mut self, now: Instant, peer: PeerId) -> Result<(), ConfigError> {
        self.begin(now);
        if self.session(peer).is_none() {
            return Err(ConfigError::Unknown { field: "peer", value: peer.0.to_string() });
        }
        self.routing.decide_moved();
        let cease = Notification::new(ErrorCode::CEASE, subcode::cease::ADMINISTRATIVE_RESET);
        self.session_input(peer, SessionInput::Reset(cease));
        self.schedule();
        Ok(())
    }

    /// The peer with this address in a VRF, or in the global table.
    #[must_use]
    pub fn peer_by_address(&self, vrf: VrfId, address: IpAddr) -> Option<PeerId> {
        let peers = (0u32..).zip(&self.routing.shared.peers);
        let mut found = peers.filter_map(|(i, p)| Some((PeerId(i), p.as_ref()?)));
        found.find(|(_, p)| p.config.vrf == vrf && p.config.address == address).map(|(id, _)| id)
    }

    /// Adds a VRF, which imports what is there for it.
    ///
    /// # Errors
    /// An identifier, name, route distinguisher or VPN-ID that another VRF has ([`ConfigError::Duplicate`]); an empty name or
    /// list of route targets ([`ConfigError::Empty`]); the identifier of the global table; a site of origin that is none;
    /// thresholds that are not ordered.
    pub fn add_vrf(&mut self, now: Instant, config: VrfConfig) -> Result<(), ConfigError> {
        self.begin(now);
        self.check_vrf(&config)?;
        self.routing.decide_moved();
        self.routing.add_vrf(config)?;
        self.schedule();
        Ok(())
    }

    fn check_vrf(&self, config: &VrfConfig) -> Result<(), ConfigError> {
        if config.id == VrfId::GLOBAL {
            return Err(value("id", config.id, "not that of the global table"));
        }
        if config.name.is_empty() {
            return Err(ConfigError::Empty { field: "name" });
        }
        check_targets(&config.import, &config.export)?;
        if config.best_external && config.label_mode == LabelMode::PerVrf {
            return Err(value("best_external", "one label for the VRF", "with a label per circuit or prefix"));
        }
        check_links(config)?;
        config.import_policy.validate()?;
        config.export_policy.validate()?;
        if let Some(site) = config.site_of_origin.filter(|site| !site.is_route_origin()) {
            return Err(value("site_of_origin", site, "a route origin community"));
        }
        if let Some(l) = config.limit.filter(|l| l.mid > l.high || l.high > l.max) {
            return Err(value("limit", format!("{}, {}, {}", l.mid, l.high, l.max), "mid, high and max in this order"));
        }
        for other in self.routing.tables.vrfs.iter().flatten().filter_map(|v| v.config.as_ref()) {
            let taken = |field, value: String| {
                Err(ConfigError::Duplicate { field, value, owner: format!("VRF {}", other.name) })
            };
            if other.id == config.id {
                return taken("id", config.id.to_string());
            }
            if other.name == config.name {
                return taken("name", config.name.clone());
            }
            if other.rd == config.rd {
                return taken("rd", config.rd.to_string());
            }
            if let Some(vpn_id) = config.vpn_id.filter(|id| other.vpn_id == Some(*id)) {
                return taken("vpn_id", vpn_id.to_string());
            }
        }
        Ok(())
    }

    /// Removes a VRF with its peers and routes. Ops that take its forwarding entries back come out as usual; its labels are
    /// cleared at once, and used again when no peer holds a route with them.
    ///
    /// # Errors
    /// There is no such VRF.
    pub fn remove_vrf(&mut self, now: Instant, id: VrfId) -> Result<(), ConfigError> {
        self.begin(now);
        let slot = self.vrf_slot(id)?;
        self.routing.decide_moved();
        for peer in self.routing.shared.peer_ids() {
            if self.routing.shared.peer(peer).is_some_and(|p| p.vrf == slot) {
                self.remove_peer(now, peer)?;
            }
        }
        self.routing.remove_vrf(slot);
        self.schedule();
        Ok(())
    }

    fn vrf_slot(&self, id: VrfId) -> Result<u16, ConfigError> {
        let slot = self.routing.tables.by_id.get(&id).copied().filter(|slot| *slot != GLOBAL);
        slot.ok_or_else(|| ConfigError::Unknown { field: "vrf", value: id.to_string() })
    }

    /// Changes which routes a VRF imports and with which targets it exports. All VPN routes are kept, wanted or not, so that
    /// no peer needs to be asked.
    ///
    /// # Errors
    /// There is no such VRF, or a list is empty.
    pub fn set_vrf_targets(
        &mut self,
        now: Instant,
        id: VrfId,
        import: Vec<RouteTarget>,
        export: Vec<RouteTarget>,
    ) -> Result<(), ConfigError> {
        self.begin(now);
        let slot = self.vrf_slot(id)?;
        check_targets(&import, &export)?;
        self.routing.decide_moved();
        self.routing.set_targets(slot, import, export);
        self.schedule();
        Ok(())
    }

    /// Changes what becomes of a peer's routes and of those it is told. What it is told follows at once; its routes are asked for
    /// again by ROUTE-REFRESH (RFC 2918), if it does that.
    ///
    /// # Errors
    /// There is no such peer, or a policy is none.
    pub fn set_peer_policies(
        &mut self,
        now: Instant,
        peer: PeerId,
        import: Policy,
        export: Policy,
    ) -> Result<(), ConfigError> {
        self.begin(now);
        import.validate()?;
        export.validate()?;
        let Some(state) = self.routing.shared.peer_mut(peer) else {
            return Err(ConfigError::Unknown { field: "peer", value: peer.0.to_string() });
        };
        let refreshes = import != state.config.import && state.session.as_ref().is_some_and(|(_, n)| n.route_refresh);
        (state.config.import, state.config.export) = (import, export);
        let families = state.families.clone();
        for family in families {
            if let Some(peers) = self.routing.tables.peers_mut(family.table, family.family.afi) {
                peers.mark_all(family.slot);
            }
            if refreshes && !family.disabled {
                let refresh = RouteRefresh::new(family.family, RefreshSubtype::REQUEST);
                self.session_input(peer, SessionInput::Refresh(refresh));
            }
        }
        self.routing.wake.insert(peer.0);
        self.schedule();
        Ok(())
    }

    /// Changes what becomes of routes that a VRF imports and exports.
    ///
    /// # Errors
    /// There is no such VRF, or a policy is none.
    pub fn set_vrf_policies(
        &mut self,
        now: Instant,
        id: VrfId,
        import: Policy,
        export: Policy,
    ) -> Result<(), ConfigError> {
        self.begin(now);
        let slot = self.vrf_slot(id)?;
        import.validate()?;
        export.validate()?;
        self.routing.decide_moved();
        if let Some(config) = self.routing.tables.vrf_mut(slot).and_then(|vrf| vrf.config.as_mut()) {
            (config.import_policy, config.export_policy) = (import, export);
        }
        let targets = self.routing.import_list(slot);
        self.routing.import_targets::<Ipv4Prefix>(slot, &targets);
        self.routing.import_targets::<Ipv6Prefix>(slot, &targets);
        self.routing.export_all::<Ipv4Prefix>(slot);
        self.routing.export_all::<Ipv6Prefix>(slot);
        self.schedule();
        Ok(())
    }

    /// Asks the forwarding plane again for the routes and labels of a VRF that it refused: it has room again.
    ///
    /// # Errors
    /// There is no such VRF.
    pub fn retry_refused(&mut self, now: Instant, id: VrfId) -> Result<(), ConfigError> {
        self.begin(now);
        let Some(slot) = self.routing.tables.by_id.get(&id).copied() else {
            return Err(ConfigError::Unknown { field: "vrf", value: id.to_string() });
        };
        self.routing.decide_moved();
        self.routing.tunnels.retry_pairs();
        self.routing.retry_refused(slot);
        self.routing.retry_own_labels();
        self.schedule();
        Ok(())
    }
}

/// Whether a peer is told labels of ours for what others brought: where we are the next hop of labelled routes.
fn relabels(config: &FamilyConfig, table: TableKind, internal: bool) -> bool {
    match table {
        TableKind::Unicast(_) => config.family.safi == Safi::LABELED_UNICAST,
        TableKind::Memberships | TableKind::Opaque(_) => false,
        _ if internal => config.next_hop == NextHopRule::Own,
        _ => config.next_hop != NextHopRule::Unchanged,
    }
}

/// Interfaces to ASBRs of option AB: one for each, and not of a VRF whose CEs are internal peers, as what came in ATTR_SET is not put there again.
fn check_links(config: &VrfConfig) -> Result<(), ConfigError> {
    let links = &config.inter_as;
    if u16::try_from(links.len()).is_err() {
        return Err(value("inter_as", links.len(), "at most 65535"));
    }
    if let Some(link) = links.iter().enumerate().find(|(i, l)| links.iter().take(*i).any(|o| o.peer == l.peer)) {
        return Err(value("inter_as", link.1.peer, "one interface to an ASBR"));
    }
    if !links.is_empty() && config.customer_as.is_some() {
        return Err(value("inter_as", "customer_as", "not where CEs are internal peers"));
    }
    Ok(())
}

/// A VRF without targets would be none: it imports nothing, or nobody imports what it exports.
fn check_targets(import: &[RouteTarget], export: &[RouteTarget]) -> Result<(), ConfigError> {
    if import.is_empty() {
        return Err(ConfigError::Empty { field: "import" });
    }
    if export.is_empty() {
        return Err(ConfigError::Empty { field: "export" });
    }
    Ok(())
}

impl Routing {
    /// Gives a peer its share of a table.
    fn attach(&mut self, peer: PeerId, table: TableKind, config: &FamilyConfig, relabel: bool) -> u32 {
        let v4 = config.family.afi == crate::nlri::Afi::IPV4;
        let peers = self.tables.peers_mut(table, config.family.afi);
        let slot = peers.map_or(u32::MAX, |peers| peers.attach(peer, config, relabel));
        if relabel {
            if v4 { self.relabel_all::<Ipv4Prefix>(table) } else { self.relabel_all::<Ipv6Prefix>(table) }
        }
        slot
    }

    fn add_vrf(&mut self, config: VrfConfig) -> Result<(), ConfigError> {
        let tables = &mut self.tables;
        let free = tables.vrfs.iter().position(Option::is_none).unwrap_or(tables.vrfs.len());
        let slot = u16::try_from(free).map_err(|_| ConfigError::Exhausted { field: "vrfs" })?;
        let (id, rd) = (config.id, config.rd);
        self.shared.circuits.set_links(id, rd, &config.inter_as);
        self.shared.option_ab |= self.shared.circuits.has_links();
        let now = self.shared.now;
        let vrf = Some(Vrf { created: now, changed: now, ..Vrf::new(id, Some(config)) });
        match tables.vrfs.get_mut(free) {
            Some(free) => *free = vrf,
            None => tables.vrfs.push(vrf),
        }
        tables.by_id.insert(id, slot);
        tables.by_rd.insert(rd, slot);
        tables.index_targets();
        self.originate_memberships();
        let targets = self.import_list(slot);
        self.import_targets::<Ipv4Prefix>(slot, &targets);
        self.import_targets::<Ipv6Prefix>(slot, &targets);
        Ok(())
    }

    fn remove_vrf(&mut self, slot: u16) {
        self.clear_vrf::<Ipv4Prefix>(slot);
        self.clear_vrf::<Ipv6Prefix>(slot);
        // What the forwarding plane holds is taken back before the handle can name another VRF.
        self.flush_fib::<Ipv4Prefix>(slot);
        self.flush_fib::<Ipv6Prefix>(slot);
        self.forget_exported(slot);
        let Some(vrf) = self.tables.vrfs.get_mut(usize::from(slot)).and_then(Option::take) else { return };
        // Peers that were not told yet still send with its labels, and its handle and entries may be another VPN's next.
        self.labels.cut(slot, None);
        for label in vrf.label.into_iter().chain(vrf.circuit_labels.into_values()) {
            self.labels.release(label);
        }
        self.tables.by_id.remove(&vrf.id);
        if let Some(config) = &vrf.config {
            self.tables.by_rd.remove(&config.rd);
            self.shared.circuits.set_links(vrf.id, config.rd, &[]);
        }
        self.tables.index_targets();
        self.originate_memberships();
        self.fib_queue.retain(|s| *s != slot);
    }

    fn clear_vrf<P: AddressFamily>(&mut self, slot: u16) {
        let bound = self.tables.vrf(slot).map_or(0, |vrf| P::unicast(vrf).table.bound());
        for dest in 0..bound {
            let first = |this: &Self| {
                this.tables.vrf(slot).and_then(|v| P::unicast(v).table.get(dest).paths().first().copied())
            };
            while let Some(path) = first(self) {
                self.vrf_take::<P>(slot, dest, path.source, path.path_id, None);
            }
        }
    }

    fn set_targets(&mut self, slot: u16, import: Vec<RouteTarget>, export: Vec<RouteTarget>) {
        let now = self.shared.now;
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        vrf.changed = now;
        let Some(config) = vrf.config.as_mut() else { return };
        let was = core::mem::replace(&mut config.import, import);
        let exports = config.export != export;
        config.export = export;
        self.tables.index_targets();
        self.originate_memberships();
        // Only routes of targets that came or went are looked at.
        let is = self.import_list(slot);
        let differ = was.iter().filter(|t| !is.contains(t)).chain(is.iter().filter(|t| !was.contains(t)));
        let differ: Vec<RouteTarget> = differ.copied().collect();
        self.import_targets::<Ipv4Prefix>(slot, &differ);
        self.import_targets::<Ipv6Prefix>(slot, &differ);
        if exports {
            self.forget_exported(slot);
            self.export_all::<Ipv4Prefix>(slot);
            self.export_all::<Ipv6Prefix>(slot);
        }
    }

    fn retry_refused(&mut self, slot: u16) {
        let vrf_label = self.tables.vrf(slot).and_then(|vrf| vrf.label);
        let circuit_labels: Vec<_> =
            self.tables.vrf(slot).map(|vrf| vrf.circuit_labels.values().copied().collect()).unwrap_or_default();
        for label in vrf_label.into_iter().chain(circuit_labels) {
            self.labels.retry(label);
        }
        self.retry_refused_in::<Ipv4Prefix>(slot);
        self.retry_refused_in::<Ipv6Prefix>(slot);
        self.export_all::<Ipv4Prefix>(slot);
        self.export_all::<Ipv6Prefix>(slot);
    }

    fn retry_refused_in<P: AddressFamily>(&mut self, slot: u16) {
        let bound = self.tables.vrf(slot).map_or(0, |vrf| P::unicast(vrf).table.bound());
        for dest in 0..bound {
            let Some(vrf) = self.tables.vrf_mut(slot) else { return };
            let d = P::unicast_mut(vrf).table.get_mut(dest);
            if d.is_live() && d.is_refused() {
                d.set_refused(false);
                let before = P::unicast(vrf).best(dest);
                self.vrf_changed::<P>(slot, dest, before);
            }
        }
    }
}
