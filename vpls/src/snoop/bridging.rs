//! Customers' bridging control: topology changes, and groups that are registered by MAC address. Nothing of it is read unless it is
//! switched on; all of it goes on to every port as it came (RFC 4762 §4.4).

use core::time::Duration;

use fwd_core::net::PortId;
use fwd_core::op::VsiGroupKey;
use fwd_core::wire::Ethernet;

use super::bpdu::{BRIDGES, Bpdu};
use super::gmp;
use super::machine::{Act, PortKind, Snooper};
use super::mmrp::{Mmrpdu, PARTICIPANTS};
use crate::event::EventKind;

/// How long members have to report after a change of topology, where we ask them.
const RELEARN: Duration = Duration::from_secs(20);

impl Snooper {
    /// Whether bridging control is to come here at all.
    pub(crate) const fn watches_bridging(&self) -> bool {
        self.config.topology || self.config.mmrp
    }

    /// Takes a frame of bridging control that is looked at; whether it was one. A malformed one is dropped and counted.
    pub(super) fn bridging(&mut self, port: PortId, octets: &[u8], admit: impl FnOnce(u32) -> bool) -> bool {
        let Some(destination) = Ethernet::of(octets).map(|header| header.destination()) else { return false };
        let is_listened = self.ports.get(&port).is_some_and(|state| state.config.active) && !self.is_quarantined(port);
        match destination {
            BRIDGES if self.config.topology && is_listened => match Bpdu::parse(octets) {
                Ok(bpdu) if bpdu.is_topology_change() => self.topology_changed(port),
                Ok(_) => {}
                Err(_) => {
                    self.malformed(port);
                    return true;
                }
            },
            PARTICIPANTS if self.config.mmrp && is_listened => match Mmrpdu::parse_frame(octets) {
                Ok(pdu) => {
                    if !self.charge(port, pdu.count(), admit) {
                        return true;
                    }
                    self.registration(port, &pdu);
                }
                Err(_) => {
                    self.malformed(port);
                    return true;
                }
            },
            _ => return false,
        }
        self.acts.push(Act::Send(self.all_but(port), octets.to_vec()));
        true
    }

    /// A customer's topology changed: addresses and memberships may be behind other ports. Addresses are forgotten but for those at the
    /// port that said so, memberships too, and groups are flooded until members have had time to report again (RFC 4541 §2.1.1 (4),
    /// RFC 4761 §4.2.2). Another change meanwhile begins nothing anew.
    fn topology_changed(&mut self, port: PortId) {
        self.acts.push(Act::Flush(port));
        self.event(EventKind::TopologyChange(port));
        if !self.is_settled {
            return;
        }
        let asks = self.config.querier4.is_some() && self.config.querier6.is_some();
        let wait = if asks { RELEARN } else { self.config.intervals.query + self.config.intervals.response };
        (self.settled, self.is_settled) = (self.now + wait, false);
        let now = self.now;
        self.everything_changed();
        for (at, state) in self.ports.clone() {
            let is_circuit = state.kind == PortKind::Circuit;
            // An interface begins with its queries (RFC 3376 §8.6).
            if self.config.igmp {
                self.igmp.remove_interface(now, gmp::iface(at));
                let interface = gmp::interface(&self.config, &state.config, &self.limits, is_circuit);
                let _ = self.igmp.add_interface(now, gmp::iface(at), interface);
            }
            if self.config.mld {
                self.mld.remove_interface(now, gmp::iface(at));
                let interface = gmp::interface(&self.config, &state.config, &self.limits, is_circuit);
                let _ = self.mld.add_interface(now, gmp::iface(at), interface);
            }
            self.collect();
            for (group, want) in self.members.of_port(at) {
                self.set_member(group, want, at, false);
            }
        }
        self.held.clear();
        self.acts.push(Act::Local);
    }

    fn registration(&mut self, port: PortId, pdu: &Mmrpdu) {
        let most = (self.limits.groups_per_circuit, self.limits.groups);
        let done = self.registrar.pdu(self.now, port, pdu, most);
        if done.limited {
            self.event(EventKind::GroupLimit(port));
        }
        self.acts.extend(done.changed.into_iter().map(|mac| Act::Changed(VsiGroupKey::Mac(mac))));
    }

    /// Forgets registrations that ended.
    pub(super) fn expire_registrations(&mut self) {
        let changed = self.registrar.expire(self.now);
        self.acts.extend(changed.into_iter().map(|mac| Act::Changed(VsiGroupKey::Mac(mac))));
    }
}
