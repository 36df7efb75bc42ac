//! What a timer does.

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::event::EventKind;
use super::{GmpRouter, Timer};
use crate::gmp::Protocol;

impl<A: Protocol> GmpRouter<A> {
    /// Handles every timer that is due. The work is that of the timers that expire.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::GeneralQuery(iface) => self.general_query(iface),
                Timer::OtherQuerier(iface) => {
                    let Some(own) = self.interfaces.get(&iface).map(|i| i.config.address) else { continue };
                    self.events.push(now, iface, EventKind::Querier, own);
                    self.start_querying(iface);
                }
                Timer::Source(iface, group, source) => self.source_timer_expired(iface, group, source),
                Timer::Group(iface, group) => self.group_timer_expired(iface, group),
                // The compatibility mode is whether these run.
                Timer::V1Host(..) | Timer::V2Host(..) => {}
                Timer::Host(iface, group, host) => self.host_expired(iface, group, host),
                Timer::Requery(iface, group) => drop(self.queries.insert((iface, group))),
            }
        }
    }

    /// A tracked host has not answered for a Group Membership Interval.
    fn host_expired(&mut self, iface: IfIndex, group: A, host: A) {
        if let Some(state) = self.groups.get_mut(&(iface, group)) {
            if state.hosts.remove(&host).is_some() {
                self.count_host(iface, host, false);
            }
        }
    }

    /// A tracked host is a member of one group more, or of one less.
    pub(super) fn count_host(&mut self, iface: IfIndex, host: A, more: bool) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        let n = interface.host_groups.entry(host).or_insert(0);
        *n = if more { n.saturating_add(1) } else { n.saturating_sub(1) };
        if *n == 0 {
            interface.host_groups.remove(&host);
        }
    }
}
