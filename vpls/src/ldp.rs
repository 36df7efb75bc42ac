//! Pseudowires of an instance: those that LDP signals (RFC 4762 §6, RFC 8077), and what all have in common.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::net::{Label, LabelStack, PortId, VsiId};
use fwd_core::op::{Attachment, BridgePort, FlowLabels, Nhlfe, TunnelModel};
use fwd_core::time::Instant;
use p2mp_pw::ldp::PwStatus;
use p2mp_pw::ldp::fec::{Attachment as Identifier, PwEnds};

use crate::config::{ConfigError, PwConfig, PwRole, VsiConfig};
use crate::event::EventKind;
use crate::fault::{Affected, Cause};
use crate::io::{Output, PwEvent, PwId, PwService, PwSignal};
use crate::pe::{VplsPe, nhlfe_id};
use crate::vsi::{Instance, Pw, PwKey, PwState, Remote};

/// The split horizon group of a full mesh.
const MESH: u8 = 1;

impl VplsPe {
    /// Adds a pseudowire that LDP signals with the PWid FEC.
    ///
    /// # Errors
    /// No such instance, an identifier in use, a path that does not carry the service MTU, a limit, or no numbers left.
    pub fn add_pseudowire(&mut self, now: Instant, vsi: VsiId, config: PwConfig) -> Result<PwId, ConfigError> {
        self.now = now;
        let instance = self.vsis.get(&vsi).ok_or(ConfigError::NoVsi)?;
        let key = (config.peer, PwService::PwId(config.pw_id));
        if instance.pws.contains_key(&key) {
            return Err(ConfigError::PseudowireExists);
        }
        if let Some(most) = self.path_mtu(&instance.config, config.peer) {
            return Err(ConfigError::PathMtu(most));
        }
        let id = instance.id(&key);
        self.ldp_pw(vsi, &key, config.role);
        let added = self.vsis.get_mut(&vsi).and_then(|i| i.pws.get_mut(&key));
        let pw = added.ok_or(ConfigError::Exhausted("ports, nhlfes, labels or limits.pseudowires"))?;
        (pw.snoop, pw.revert) = (config.snoop, config.revert);
        self.touch(vsi);
        Ok(id)
    }

    /// Removes a pseudowire that was configured.
    ///
    /// # Errors
    /// No such pseudowire.
    pub fn remove_pseudowire(&mut self, now: Instant, id: &PwId) -> Result<(), ConfigError> {
        self.now = now;
        let key = Self::pw_id_key(id);
        let is_there = self.vsis.get(&id.vsi).is_some_and(|i| i.pws.contains_key(&key));
        if !is_there || !matches!(id.service, PwService::PwId(_)) {
            return Err(ConfigError::NoPseudowire);
        }
        self.drop_pw(id.vsi, &key);
        self.touch(id.vsi);
        Ok(())
    }

    /// A pseudowire of an instance, made if it is not there and may be.
    pub(crate) fn pw(&mut self, vsi: VsiId, key: &PwKey, role: PwRole) -> Option<&mut Pw> {
        let instance = self.vsis.get_mut(&vsi)?;
        if !instance.pws.contains_key(key) {
            if instance.pws.len() >= instance.config.limits.pseudowires {
                self.events.push(self.now, Some(vsi), EventKind::PwLimit);
                return None;
            }
            let numbers = self.pools.ports.one().zip(self.pools.nhlfes.one());
            let Some((port, nhlfe)) = numbers else {
                self.events.push(self.now, Some(vsi), EventKind::Exhausted);
                return None;
            };
            let port = PortId(port);
            instance.legs.give(port);
            let pw = Pw {
                role,
                port,
                nhlfe: nhlfe_id(nhlfe),
                local: None,
                remote: None,
                status: PwStatus::empty(),
                active: !matches!(role, PwRole::Spoke { group: Some(_), .. }),
                coupled_down: false,
                up: false,
                snoop: true,
                revert: Duration::from_secs(30),
            };
            instance.pws.insert(key.clone(), pw);
            self.ports.insert(port, vsi);
            self.add_snooped_port(vsi, port);
        }
        self.vsis.get_mut(&vsi)?.pws.get_mut(key)
    }

    /// A pseudowire that LDP signals: our label is offered at once.
    pub(crate) fn ldp_pw(&mut self, vsi: VsiId, key: &PwKey, role: PwRole) {
        if self.vsis.get(&vsi).is_none_or(|i| i.pws.contains_key(key)) {
            return;
        }
        let Some(label) = self.pools.labels.one().and_then(Label::new) else {
            return self.event(vsi, EventKind::Exhausted);
        };
        let Some(pw) = self.pw(vsi, key, role) else {
            return self.pools.labels.give(label.value(), 1);
        };
        pw.local = Some(label);
        let status = own_status(pw);
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let signal = PwSignal::Request {
            id: instance.id(key),
            ends: ends(&instance.config, self.config.router_id, key),
            label,
            mtu: instance.config.signalled_mtu(),
            control_word: instance.config.control_word,
            status,
        };
        self.out.push_back(Output::Pw(signal));
    }

    /// A pseudowire is no longer wanted.
    pub(crate) fn drop_pw(&mut self, vsi: VsiId, key: &PwKey) {
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(pw) = instance.pws.remove(key) else { return };
        instance.withdrawals.remove(key);
        let id = instance.id(key);
        if let Some(label) = pw.local {
            self.program.label(label, None);
        }
        self.remove_snooped_port(vsi, pw.port);
        self.forget_port(vsi, pw.port);
        self.program.nhlfe(pw.nhlfe, None);
        self.pools.nhlfes.give(pw.nhlfe.0, 1);
        if !matches!(key.1, PwService::Ve(_)) {
            if let Some(label) = pw.local {
                self.pools.labels.give(label.value(), 1);
            }
            self.out.push_back(Output::Pw(PwSignal::Release { id }));
        }
        if pw.up {
            self.event(vsi, EventKind::PwDown(key.0));
        }
        self.faults.clear(self.now, &Cause::Pe(key.0), Affected::Vsi(vsi));
        if let PwRole::Spoke { group: Some(group), .. } = pw.role {
            self.elect_spoke(vsi, group, false);
        }
    }

    /// What the LDP side says of a pseudowire.
    pub(crate) fn pw_event(&mut self, id: &PwId, event: PwEvent) {
        let key = Self::pw_id_key(id);
        let Some(instance) = self.vsis.get_mut(&id.vsi) else { return };
        let config = &instance.config;
        let (own_mtu, flow) = (config.signalled_mtu(), config.flow_label);
        let Some(pw) = instance.pws.get_mut(&key).filter(|_| !matches!(key.1, PwService::Ve(_))) else { return };
        let role = pw.role;
        let mut fault = None;
        match event {
            PwEvent::Mapping { label, control_word, flow_label, mtu } => {
                if mtu != 0 && mtu != own_mtu {
                    fault = Some(EventKind::MtuMismatch(id.peer));
                    pw.remote = None;
                } else {
                    let own = if flow { FlowLabels::BOTH } else { FlowLabels::NONE };
                    let (label, flow_label) = (Some(label), flow_label.and(own));
                    pw.remote = Some(Remote { label, control_word, flow_label, session: None });
                }
            }
            PwEvent::Session { mtu, .. } if mtu != 0 && mtu != own_mtu => {
                fault = Some(EventKind::MtuMismatch(id.peer));
                pw.remote = None;
            }
            PwEvent::Session { next, control_word, flow_label, .. } => {
                pw.remote = Some(Remote { label: None, control_word, flow_label, session: Some(next) });
            }
            PwEvent::Withdrawn => (pw.remote, pw.status) = (None, PwStatus::empty()),
            PwEvent::Status(status) => pw.status = status,
        }
        if let Some(kind) = fault {
            self.event(id.vsi, kind);
        }
        if let PwRole::Spoke { group: Some(group), .. } = role {
            self.elect_spoke(id.vsi, group, false);
        }
        self.touch(id.vsi);
    }

    /// Whether frames may pass a pseudowire.
    fn may_forward(&self, instance: &Instance, key: &PwKey, pw: &Pw) -> bool {
        let is_signalled = pw.local.is_some() && pw.remote.is_some();
        let is_fit = pw.status.is_up() && !pw.status.contains(PwStatus::STANDBY) && pw.active && !pw.coupled_down;
        let has_session = pw.remote.is_some_and(|remote| remote.session.is_some());
        let reaches = self.transports.contains_key(&key.0) && self.path_mtu(&instance.config, key.0).is_none();
        let has_way = has_session || reaches;
        // Two mesh pseudowires to one PE would carry everything twice: that of label blocks wins, then the discovered one.
        let better = |(other, pw): (&PwKey, &Pw)| other.1 < key.1 && pw.is_mesh() && pw.local.and(pw.remote).is_some();
        let is_best = !pw.is_mesh() || matches!(key.1, PwService::Ve(_)) || !instance.pws.to(key.0).any(better);
        is_signalled && is_fit && has_way && is_best
    }

    /// Programs the pseudowires of an instance.
    pub(crate) fn settle_pws(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let plan: Vec<(PwKey, bool)> =
            instance.pws.iter().map(|(key, pw)| (key.clone(), self.may_forward(instance, key, pw))).collect();
        let (mut changed, mut begun) = (false, Vec::new());
        for (key, up) in plan {
            let Some(pw) = self.vsis.get_mut(&vsi).and_then(|i| i.pws.get_mut(&key)) else { continue };
            let (was, port) = (core::mem::replace(&mut pw.up, up), pw.port);
            if up && !was {
                begun.push(port);
            }
            if was && !up {
                self.pw_went_down(vsi, &key);
            }
            if up {
                self.program_pw(vsi, &key);
            }
            if was != up {
                changed = true;
                let (peer, now) = (key.0, self.now);
                let kind = if up { EventKind::PwUp(peer) } else { EventKind::PwDown(peer) };
                self.event(vsi, kind);
                if up {
                    self.faults.clear(now, &Cause::Pe(peer), Affected::Vsi(vsi));
                } else {
                    let of = self.vsis.values().filter(|i| i.pws.to(peer).next().is_some()).count();
                    self.faults.raise(now, Cause::Pe(peer), Affected::Vsi(vsi), of);
                }
            }
        }
        if changed {
            self.regroup(vsi);
            self.snooped_topology_changed(vsi, &begun);
        }
    }

    /// Frames pass a pseudowire no longer: it leaves the groups, then the table, and its addresses go.
    fn pw_went_down(&mut self, vsi: VsiId, key: &PwKey) {
        let Some(pw) = self.vsis.get(&vsi).and_then(|i| i.pws.get(key)).cloned() else { return };
        if let Some(label) = pw.local {
            self.program.label(label, None);
        }
        self.settle_all(crate::pe::Dirty::Flood(vsi));
        self.regroup_all(vsi);
        self.program.port(pw.port, None);
        self.program.nhlfe(pw.nhlfe, None);
        if matches!(pw.role, PwRole::Spoke { group: None, .. }) {
            // RFC 7361 §4: the far side of a lost spoke is elsewhere.
            self.withdraw_to_mesh(vsi, true, &[]);
        }
    }

    /// Writes the entry, port and label of a pseudowire.
    fn program_pw(&mut self, vsi: VsiId, key: &PwKey) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let Some(pw) = instance.pws.get(key) else { return };
        let (Some(local), Some(remote)) = (pw.local, pw.remote) else { return };
        let transport = self.transports.get(&key.0).map(|way| way.next);
        let Some(next) = remote.session.or(transport) else { return };
        let push = remote.label.map_or(LabelStack::EMPTY, LabelStack::single);
        let nhlfe = Nhlfe { push, next, model: TunnelModel::Pipe };
        let port = BridgePort {
            vsi,
            attachment: Attachment::Pseudowire { nhlfe: pw.nhlfe },
            split_horizon: if pw.is_mesh() { MESH } else { 0 },
            mac_limit: instance.config.limits.macs,
            learn: true,
            control_word: remote.control_word,
            flow_label: remote.flow_label,
            class: None,
        };
        let (entry, id) = (pw.nhlfe, pw.port);
        for (domain, d) in &instance.domains {
            let settings = Self::domain_settings(instance, d);
            self.program.vsi(*domain, Some(settings));
        }
        self.program.nhlfe(entry, Some(nhlfe));
        self.program.port(id, Some(port));
        self.program.label(local, Some(id));
    }

    /// The pseudowires of an instance: which, in what state, at which port.
    pub fn pseudowires(&self, vsi: VsiId) -> impl Iterator<Item = (PwId, PwState, PortId)> + '_ {
        let instance = self.vsis.get(&vsi);
        instance.into_iter().flat_map(|i| i.pws.iter().map(|(key, pw)| (i.id(key), pw.state(), pw.port)))
    }
}

/// Our status of a pseudowire: standby while its group uses another (RFC 6870 §5).
pub(crate) fn own_status(pw: &Pw) -> PwStatus {
    if pw.active { PwStatus::empty() } else { PwStatus::STANDBY }
}

/// The identifiers of a discovered pseudowire: the VPLS-id, and the addresses of both PEs (RFC 6074 §3.2.3).
fn ends(config: &VsiConfig, own: Ipv4Addr, key: &PwKey) -> Option<PwEnds> {
    let (IpAddr::V4(peer), PwService::Discovered) = key else { return None };
    let agi = Identifier::group(config.discovery?.octets());
    Some(PwEnds { agi, saii: Identifier::individual(own.to_bits()), taii: Identifier::individual(peer.to_bits()) })
}
