//! VEs: label blocks of ours, pseudowires to others, and which PE of a multi-homed site forwards (RFC 4761 §3).

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr};

use bgp_vpn::attr::ext_community::{Layer2Flags, Layer2Info};
use fwd_core::net::{Label, VsiId};
use fwd_core::op::{FlowLabels, MrouteKey, VsiGroupKey};

use super::{Nlri, RouteAttributes};
use crate::config::{PwRole, VsiConfig};
use crate::event::EventKind;
use crate::io::PwService;
use crate::label_block::{LabelBlock, label_in, offsets};
use crate::pe::{Dirty, Timer, VplsPe};
use crate::vsi::{Forwarder, Instance, PwKey, Remote, Route};

/// How a site's PEs are ordered: the greater is designated forwarder. BGP's decision by LOCAL_PREF and then the lower address.
type Rank = (u32, Reverse<IpAddr>);

impl Instance {
    /// The label blocks of other PEs for a VE, with the PE.
    fn blocks_of(&self, ve: u16) -> impl Iterator<Item = (&LabelBlock, &RouteAttributes)> {
        self.routes.of_ve(ve).filter_map(|route| match &route.nlri {
            Nlri::Block { block, .. } => Some((block, &route.attributes)),
            _ => None,
        })
    }

    /// The best PE of a VE.
    fn best_pe(&self, ve: u16) -> Option<(Rank, &RouteAttributes)> {
        let ranked = self.blocks_of(ve).map(|(_, a)| ((a.local_pref, Reverse(a.next_hop)), a));
        ranked.max_by_key(|(rank, _)| *rank)
    }

    /// Whether the site is to be announced: a multi-homed one only while a circuit of it is up.
    fn announces_site(&self) -> bool {
        let is_multi_homed = self.config.ve.is_some_and(|ve| ve.multi_homed);
        !is_multi_homed || self.circuits.values().any(|circuit| circuit.up)
    }
}

/// What the Layer2 Info community of an instance says.
pub(crate) fn layer2_info(config: &VsiConfig) -> Layer2Info {
    let mut flags = Layer2Flags::empty();
    flags.set(Layer2Flags::CONTROL_WORD, config.control_word);
    flags.set(Layer2Flags::SEND_FLOW_LABEL | Layer2Flags::RECEIVE_FLOW_LABEL, config.flow_label);
    Layer2Info { encaps: Layer2Info::VPLS, flags, mtu: config.signalled_mtu(), reserved: 0 }
}

impl VplsPe {
    /// VEs have had time to become known: labels are allocated for all of them together.
    pub(crate) fn blocks_due(&mut self, vsi: VsiId) {
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.blocks_ready = true;
        }
        self.allocate_blocks(vsi);
    }

    /// Gives every known VE a label, by as few blocks as will do.
    fn allocate_blocks(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get_mut(&vsi).filter(|i| i.blocks_ready) else { return };
        let Some(ve) = instance.config.ve else { return };
        let known = instance.routes.ves().chain([ve.ve_id]);
        for offset in offsets(known, ve.block_size) {
            if instance.blocks.iter().any(|block| block.offset == offset) {
                continue;
            }
            let base = self.pools.labels.take(ve.block_size.into());
            let Some(base) = base.and_then(Label::new) else {
                self.events.push(self.now, Some(vsi), EventKind::Exhausted);
                break;
            };
            instance.blocks.push(LabelBlock { offset, size: ve.block_size, base });
        }
        self.touch(vsi);
        let ves: Vec<u16> = self.vsis.get(&vsi).into_iter().flat_map(|instance| instance.routes.ves()).collect();
        ves.into_iter().for_each(|ve| self.ve_changed(vsi, ve));
    }

    /// What is known of a VE has changed.
    pub(crate) fn ve_changed(&mut self, vsi: VsiId, ve_id: u16) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let Some(ve) = instance.config.ve else { return };
        if ve.ve_id == ve_id {
            return self.elect(vsi);
        }
        let blocks = offsets([ve_id].into_iter(), ve.block_size);
        let is_served = instance.blocks.iter().any(|block| blocks.contains(&block.offset));
        if instance.blocks_ready && !is_served && instance.best_pe(ve_id).is_some() {
            return self.allocate_blocks(vsi);
        }
        let best = instance.best_pe(ve_id).map(|(_, attributes)| attributes.clone());
        let peer = best.as_ref().map(|attributes| attributes.next_hop);
        let stale: Vec<PwKey> = instance.pws.of(PwService::Ve(ve_id)).filter(|key| Some(key.0) != peer).collect();
        // Addresses behind the old PE go with its port: BGP has no MAC withdrawal.
        stale.iter().for_each(|key| self.drop_pw(vsi, key));
        if let Some(attributes) = best {
            self.ve_pw(vsi, ve.ve_id, ve_id, &attributes);
        }
        self.touch(vsi);
    }

    /// The pseudowire to a VE behind the PE that forwards for it (RFC 4761 §3.2.3).
    fn ve_pw(&mut self, vsi: VsiId, own: u16, ve_id: u16, attributes: &RouteAttributes) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let (peer, config) = (attributes.next_hop, &instance.config);
        let layer2 = attributes.layer2.unwrap_or(Layer2Info { mtu: 0, ..layer2_info(config) });
        let fault = if layer2.encaps != Layer2Info::VPLS {
            Some(EventKind::EncapsMismatch(peer))
        } else if layer2.mtu != 0 && layer2.mtu != config.signalled_mtu() {
            Some(EventKind::MtuMismatch(peer))
        } else {
            None
        };
        let of_peer = instance.blocks_of(ve_id).filter(|(_, a)| a.next_hop == peer);
        let label = of_peer.into_iter().find_map(|(block, _)| block.label_of(own));
        let has = |flag| layer2.flags.contains(flag);
        let remote = label.filter(|_| fault.is_none()).map(|label| Remote {
            label: Some(label),
            session: None,
            // RFC 8614 §3: only where both ends ask for it.
            control_word: config.control_word && has(Layer2Flags::CONTROL_WORD),
            // RFC 8395 §3.1: each direction by itself.
            flow_label: FlowLabels {
                transmit: config.flow_label && has(Layer2Flags::RECEIVE_FLOW_LABEL),
                receive: config.flow_label && has(Layer2Flags::SEND_FLOW_LABEL),
            },
        });
        let local = label_in(&instance.blocks, ve_id);
        if let Some(kind) = fault {
            self.event(vsi, kind);
        }
        let key = (peer, PwService::Ve(ve_id));
        let Some(pw) = self.pw(vsi, &key, PwRole::Mesh) else { return };
        (pw.local, pw.remote) = (local, remote);
    }

    /// Which PE of this site forwards (RFC 4761 §3.5).
    pub(crate) fn elect(&mut self, vsi: VsiId) {
        let own: IpAddr = self.config.router_id.into();
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(ve) = instance.config.ve else { return };
        let other = instance.best_pe(ve.ve_id).map(|(rank, a)| (rank, a.next_hop));
        if !ve.multi_homed {
            if let Some((_, pe)) = other {
                self.event(vsi, EventKind::VeIdConflict(pe));
            }
            return;
        }
        let better = other.filter(|(rank, _)| *rank > (ve.preference, Reverse(own))).map(|(_, pe)| pe);
        match (better, instance.forwarder) {
            (Some(pe), Forwarder::Backup(known)) if known == pe => {}
            (Some(pe), _) => {
                instance.forwarder = Forwarder::Backup(pe);
                self.timers.clear(Timer::HoldDown(vsi));
                self.event(vsi, EventKind::Backup(pe));
                self.touch(vsi);
                self.regroup(vsi);
            }
            (None, Forwarder::Backup(_)) => {
                instance.forwarder = Forwarder::Pending;
                self.timers.set(Timer::HoldDown(vsi), self.now + ve.hold_down);
            }
            (None, _) => {}
        }
    }

    /// The hold-down of a site is over: this PE forwards.
    pub(crate) fn take_over(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get_mut(&vsi).filter(|i| i.forwarder == Forwarder::Pending) else { return };
        instance.forwarder = Forwarder::Designated;
        self.event(vsi, EventKind::DesignatedForwarder);
        self.touch(vsi);
        self.regroup(vsi);
    }

    /// The routes of an instance's VE: one for each block.
    pub(crate) fn ve_routes(&self, vsi: VsiId) -> Vec<Route> {
        let Some(instance) = self.vsis.get(&vsi).filter(|i| i.announces_site()) else { return Vec::new() };
        let Some(ve) = instance.config.ve else { return Vec::new() };
        let mut attributes = RouteAttributes::with_targets(self.config.router_id.into(), &instance.config.export);
        attributes.local_pref = ve.preference;
        attributes.layer2 = Some(layer2_info(&instance.config));
        attributes.pmsi = instance.inclusive_pmsi();
        let route = |block: &LabelBlock| Route {
            nlri: Nlri::Block { rd: instance.config.rd, ve_id: ve.ve_id, block: *block },
            attributes: attributes.clone(),
        };
        instance.blocks.iter().map(route).collect()
    }

    /// Whether this PE forwards for its site: always, where the site has one PE.
    #[must_use]
    pub fn is_designated_forwarder(&self, vsi: VsiId) -> Option<bool> {
        self.vsis.get(&vsi).map(|instance| instance.forwarder == Forwarder::Designated)
    }

    /// Something of an instance has changed that group entries depend on.
    pub(crate) fn regroup(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        for (id, domain) in &instance.domains {
            self.dirty.extend(domain.entries.keys().map(|key| Dirty::Group(vsi, *id, *key)));
        }
        self.dirty.insert(Dirty::Flood(vsi));
    }

    /// As [`Self::regroup`], at once.
    pub(crate) fn regroup_all(&mut self, vsi: VsiId) {
        self.regroup(vsi);
        let least = MrouteKey::Source4 { source: Ipv4Addr::UNSPECIFIED, group: Ipv4Addr::UNSPECIFIED };
        let from = Dirty::Group(vsi, VsiId(0), VsiGroupKey::Ip(least));
        let of_vsi = |dirty: &&Dirty| matches!(dirty, Dirty::Group(of, ..) if *of == vsi);
        let groups: Vec<Dirty> = self.dirty.range(from..).take_while(of_vsi).copied().collect();
        groups.into_iter().for_each(|dirty| self.settle_all(dirty));
    }
}
