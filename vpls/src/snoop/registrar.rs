//! What ports registered by MMRP, and until when (IEEE 802.1Q §10.7.8, as one who listens).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{Mac, PortId};
use fwd_core::time::Instant;

use super::members::Ports;
use super::mmrp::{Attribute, Mmrpdu, MrpEvent};

/// How long a registration that is withdrawn stays (LeaveTime, §10.7.11).
const LEAVE: Duration = Duration::from_secs(1);
/// How long one stays that nobody declares again: participants do after each LeaveAll, at most 15 s apart.
const SILENT: Duration = Duration::from_secs(60);

/// What ports registered, and until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Registrar {
    macs: BTreeMap<Mac, BTreeMap<PortId, Instant>>,
    /// Ports that want all groups.
    all: BTreeMap<PortId, Instant>,
}

/// What became of a PDU.
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// Addresses whose ports changed.
    pub(super) changed: Vec<Mac>,
    /// Whether a limit kept something out.
    pub(super) limited: bool,
}

impl Registrar {
    /// Takes a PDU of a port; so many addresses a port and in all may be registered.
    pub(super) fn pdu(
        &mut self,
        now: Instant,
        port: PortId,
        pdu: &Mmrpdu,
        (per_port, most): (usize, usize),
    ) -> Registered {
        let mut done = Registered::default();
        for vector in &pdu.0 {
            if vector.leave_all {
                let of_port =
                    self.macs.values_mut().filter_map(|ports| ports.get_mut(&port)).chain(self.all.get_mut(&port));
                of_port.for_each(|until| *until = (*until).min(now + LEAVE));
            }
            for (value, event) in vector.values() {
                match value {
                    Attribute::Mac(mac) if mac.is_group() => {
                        self.value(now, port, mac, event, (per_port, most), &mut done)
                    }
                    Attribute::Service(0) if event.joins() => {
                        let is_new = self.all.insert(port, now + SILENT).is_none();
                        done.changed.extend(self.macs.keys().filter(|_| is_new));
                    }
                    Attribute::Service(0) if event == MrpEvent::Leave => {
                        self.all.entry(port).and_modify(|until| *until = (*until).min(now + LEAVE));
                    }
                    _ => {}
                }
            }
        }
        done
    }

    fn value(
        &mut self,
        now: Instant,
        port: PortId,
        mac: Mac,
        event: MrpEvent,
        (per_port, most): (usize, usize),
        done: &mut Registered,
    ) {
        let known = self.macs.get_mut(&mac).and_then(|ports| ports.get_mut(&port));
        match (event, known) {
            (MrpEvent::Leave, Some(until)) => *until = (*until).min(now + LEAVE),
            (event, Some(until)) if event.joins() => *until = now + SILENT,
            (event, None) if event.joins() => {
                let of_port = self.macs.values().filter(|ports| ports.contains_key(&port)).count();
                if of_port >= per_port || self.macs.len() >= most && !self.macs.contains_key(&mac) {
                    done.limited = true;
                    return;
                }
                self.macs.entry(mac).or_default().insert(port, now + SILENT);
                done.changed.push(mac);
            }
            _ => {}
        }
    }

    /// Forgets a port.
    pub(super) fn remove_port(&mut self, port: PortId) -> Vec<Mac> {
        self.all.remove(&port);
        self.forget(|at, _| at == port)
    }

    /// Forgets what was withdrawn, or what nobody declared again.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Mac> {
        let all = self.all.len();
        self.all.retain(|_, until| *until > now);
        let mut changed = self.forget(|_, until| until <= now);
        if self.all.len() < all {
            changed.extend(self.macs.keys());
        }
        changed
    }

    fn forget(&mut self, is_gone: impl Fn(PortId, Instant) -> bool) -> Vec<Mac> {
        let mut changed = Vec::new();
        self.macs.retain(|mac, ports| {
            let before = ports.len();
            ports.retain(|port, until| !is_gone(*port, *until));
            if ports.len() < before {
                changed.push(*mac);
            }
            !ports.is_empty()
        });
        changed
    }

    /// The ports of an address; none: nobody registered it.
    pub(super) fn ports_of(&self, mac: Mac) -> Option<Ports> {
        let ports = self.macs.get(&mac)?;
        Some(ports.keys().chain(self.all.keys()).copied().collect())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.macs.values().flat_map(BTreeMap::values).chain(self.all.values()).copied().min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::mmrp::Vector;
    use super::*;

    const GROUP: Mac = Mac([0x01, 0x00, 0x5e, 1, 1, 1]);

    #[test]
    fn registrations_come_and_go() {
        let (mut registrar, port, now) = (Registrar::default(), PortId(3), Instant::ZERO);
        let say = |event, leave_all| {
            Mmrpdu(alloc::vec![Vector { leave_all, first: Attribute::Mac(GROUP), events: alloc::vec![event] }])
        };
        assert_eq!(registrar.pdu(now, port, &say(MrpEvent::JoinIn, false), (1, 1)).changed, [GROUP]);
        assert_eq!(registrar.ports_of(GROUP), Some([port].into()));
        // A LeaveAll that is answered changes nothing; one that is not ends it.
        registrar.pdu(now, port, &say(MrpEvent::JoinMt, true), (1, 1));
        assert_eq!(registrar.expire(now + LEAVE), []);
        registrar.pdu(now, port, &say(MrpEvent::Mt, true), (1, 1));
        assert_eq!((registrar.next_timeout(), registrar.expire(now + LEAVE)), (Some(now + LEAVE), alloc::vec![GROUP]));
        assert_eq!(registrar.ports_of(GROUP), None);
        // Limits.
        registrar.pdu(now, port, &say(MrpEvent::New, false), (1, 1));
        let two = Mmrpdu(alloc::vec![Vector {
            leave_all: false,
            first: Attribute::Mac(Mac([1; 6])),
            events: alloc::vec![MrpEvent::New; 2]
        }]);
        assert!(registrar.pdu(now, port, &two, (1, 9)).limited && registrar.pdu(now, PortId(4), &two, (9, 1)).limited);
        assert_eq!(registrar.remove_port(port), [GROUP]);
    }
}
