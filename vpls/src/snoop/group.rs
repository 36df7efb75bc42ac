//! IGMP and MLD: what reports say, who wants what of it, and our own reports for all (RFC 4541 §2.1.1, §3).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::net::PortId;
use fwd_core::time::Instant;
use mvpn::gmp::{EventKind as GmpEvent, GmpRouter, Membership, RecordType, RouterInput, RouterOutput};

use super::Mode;
use super::frame::{Protocol, Snooped, build};
use super::gmp::{self, Family, Seen};
use super::machine::{Act, PortKind, ROUTER_PORT, Snooper};
use super::members::{Ports, Want};
use crate::event::EventKind;

impl Snooper {
    /// IGMP or MLD.
    pub(super) fn group_message<A: Family>(
        &mut self,
        port: PortId,
        octets: &[u8],
        snooped: &Snooped<'_>,
        source: A,
        destination: A,
        admit: impl FnOnce(u32) -> bool,
    ) where
        Self: Routers<A>,
    {
        let Ok(message) = A::parse_message(snooped.message, source, destination) else { return self.malformed(port) };
        let records = gmp::records(&message);
        if !self.charge(port, records, admit) {
            return;
        }
        if let Some(state) = self.ports.get_mut(&port) {
            state.counts.received(snooped);
        }
        match gmp::look(&message) {
            // RFC 4541 §2.1.1 (3).
            Seen::Unknown => self.acts.push(Act::Send(self.all_but(port), octets.to_vec())),
            Seen::Query { general, .. } => {
                if self.ports.get(&port).is_some_and(|state| state.config.hosts) {
                    return self.event(EventKind::QuerierGuard(port));
                }
                self.querier(port, source);
                // One link to its hosts: every port has heard the query.
                let ports: Vec<PortId> = self.ports.keys().copied().collect();
                for at in ports {
                    self.give(at, source, destination, snooped.message);
                }
                self.acts.push(Act::Send(self.all_but(port), octets.to_vec()));
                if general && self.config.mode == Mode::Proxy {
                    self.answer::<A>(&[port].into(), snooped.tags);
                }
            }
            Seen::Report { version, groups, joins } => {
                let is_newer = version > self.config.version;
                if is_newer {
                    self.event(EventKind::VersionMismatch(port));
                    for group in groups {
                        if self.newer.len() < self.limits.groups && self.newer.insert(group) {
                            self.group_changed(group);
                        }
                    }
                } else if groups.iter().any(|group| self.config.is_group(*group)) {
                    let before = Self::refused::<A>(self.router(), port);
                    self.give(port, source, destination, snooped.message);
                    self.collect();
                    self.note_reports(port, source.into(), &joins);
                    let refused = Self::refused::<A>(self.router(), port).saturating_sub(before);
                    // What is not entered here is entered nowhere: other PEs have limits of their own to spare.
                    if refused >= u64::from(records) {
                        return;
                    }
                }
                let to = match self.config.mode {
                    Mode::Snoop => self.all_but(port),
                    Mode::Relay => self.upstream(port),
                    Mode::Proxy if is_newer => self.all_but(port),
                    Mode::Proxy => Ports::new(),
                };
                self.acts.push(Act::Send(to, octets.to_vec()));
            }
        }
    }

    /// Records of a port that limits or access lists refused.
    pub(super) fn refused<A: Family>(router: &GmpRouter<A>, port: PortId) -> u64 {
        router.counters(gmp::iface(port)).map_or(0, |c| c.limited.saturating_add(c.filtered))
    }

    /// Somebody queries from a port: routers are behind it, unless the querier is a switch.
    pub(super) fn querier<A: Family>(&mut self, port: PortId, source: A) {
        if source == A::UNSPECIFIED {
            return;
        }
        if !self.routers.contains_key(&port) && self.routers.len() >= self.limits.router_ports {
            return self.event(EventKind::NeighborLimit(port));
        }
        if self.routers.insert(port, self.now + ROUTER_PORT).is_none() {
            self.everything_changed();
        }
    }

    pub(super) fn give<A: Family>(&mut self, port: PortId, source: A, destination: A, octets: &[u8])
    where
        Self: Routers<A>,
    {
        let iface = gmp::iface(port);
        let input = RouterInput::Datagram { iface, source, destination, hop_limit: 1, router_alert: true, octets };
        let now = self.now;
        self.router().handle_input(now, input);
    }

    pub(super) fn output<A: Family>(&mut self, output: RouterOutput<A>)
    where
        Self: Routers<A>,
    {
        match output {
            RouterOutput::Datagram { iface, source, destination, octets } => {
                let port = gmp::port(iface);
                let is_customer = self.ports.get(&port).is_some_and(|state| state.kind != PortKind::Mesh);
                if A::address(&self.config).1 && is_customer {
                    let protocol = if A::BITS == 32 { Protocol::Igmp } else { Protocol::Mld };
                    let frame = build(self.config.mac, &[], protocol, source.into(), destination.into(), &octets);
                    self.acts.push(Act::Send([port].into(), frame));
                }
            }
            RouterOutput::Membership { iface, group, membership, present } => {
                let want = match membership {
                    Membership::AnySource => Want::Any,
                    Membership::Include(source) => Want::Include(source.into()),
                    Membership::Exclude(source) => Want::Exclude(source.into()),
                };
                self.want(gmp::port(iface), group.into(), want, present);
            }
            RouterOutput::Event(event) => {
                let port = gmp::port(event.iface);
                match event.kind {
                    GmpEvent::Malformed | GmpEvent::Unacceptable => self.malformed(port),
                    GmpEvent::GroupLimit | GmpEvent::VrfLimit => self.event(EventKind::GroupLimit(port)),
                    GmpEvent::SourceLimit => self.event(EventKind::SourceLimit(port)),
                    GmpEvent::Filtered | GmpEvent::SsmRange => {
                        self.dropped[2] = self.dropped[2].saturating_add(1);
                        self.event(EventKind::Denied(port));
                    }
                    _ => {}
                }
            }
        }
    }

    /// A port wants something of a group or does not any longer: damped, if that happens too often.
    pub(super) fn want(&mut self, port: PortId, group: IpAddr, want: Want, present: bool) {
        let key = (group, want, port);
        if let Some(damper) = &mut self.damper {
            let damped = damper.change(self.now, key, present);
            if !present && damped {
                if let Some(at) = damper.release(self.now, &key) {
                    if self.held.insert(key, at).is_none() {
                        self.event(EventKind::Damped);
                    }
                    return;
                }
            }
            if present && self.held.remove(&key).is_some() {
                return; // It never left.
            }
        }
        let now = self.now;
        // VPLS-THR-C2: joins beyond the rate of changes are not entered; the next report says them again.
        let may = !present || {
            let own = self.ports.get_mut(&port).is_none_or(|state| state.changes.take(now, 1));
            own && self.changes.take(now, 1)
        };
        if !may {
            return self.event(EventKind::RecordRate(port));
        }
        self.set_member(group, want, port, present);
        let source = match want {
            Want::Any => None,
            Want::Include(source) | Want::Exclude(source) => Some(source),
        };
        self.flow_changed(source, group);
        self.acts.push(Act::Local);
        if self.config.mode == Mode::Proxy {
            self.report(port, group);
        }
    }

    /// The records that say what ports other than these want of a group: to pseudowires of the mesh, without what others of the mesh
    /// want.
    pub(super) fn record(&self, group: IpAddr, but: &Ports, to_mesh: bool) -> (RecordType, Vec<IpAddr>) {
        let is_counted = |port: &PortId| !(but.contains(port) || to_mesh && self.is_mesh(*port));
        let Some(members) = self.members.0.get(&group) else { return (RecordType::TO_INCLUDE, Vec::new()) };
        if members.any.iter().any(is_counted) {
            return (RecordType::TO_EXCLUDE, Vec::new());
        }
        let wanted = members.include.iter().filter(|(_, ports)| ports.iter().any(is_counted));
        (RecordType::TO_INCLUDE, wanted.map(|(source, _)| *source).collect())
    }

    /// Reports a group's state upstream, for all who are members of it (RFC 4541 §2.1.1 (2)).
    pub(super) fn report(&mut self, port: PortId, group: IpAddr) {
        let (mesh, others): (Ports, Ports) = self.upstream(port).into_iter().partition(|at| self.is_mesh(*at));
        for (to, to_mesh) in [(mesh, true), (others, false)] {
            let (kind, sources) = self.record(group, &Ports::new(), to_mesh);
            let records = [(kind, group, sources)];
            match group {
                _ if to.is_empty() => {}
                IpAddr::V4(_) => self.send_reports::<Ipv4Addr>(&records, to, &[]),
                IpAddr::V6(_) => self.send_reports::<Ipv6Addr>(&records, to, &[]),
            }
        }
    }

    /// A pseudowire has begun to forward: its other end is told at once what is wanted here.
    pub(crate) fn replay(&mut self, now: Instant, port: PortId) {
        self.now = now;
        let to: Ports = [port].into();
        self.answer::<Ipv4Addr>(&to, &[]);
        self.answer::<Ipv6Addr>(&to, &[]);
    }

    /// Reports the state of all groups to ports.
    pub(super) fn answer<A: Family>(&mut self, to: &Ports, tags: &[u8]) {
        let current =
            |kind| if kind == RecordType::TO_EXCLUDE { RecordType::IS_EXCLUDE } else { RecordType::IS_INCLUDE };
        let of_family = |group: &&IpAddr| A::from_ip(**group).is_some();
        let to_mesh = to.iter().any(|port| self.is_mesh(*port));
        let groups: Vec<IpAddr> = self.members.0.keys().filter(of_family).copied().collect();
        let records = groups.into_iter().filter_map(|group| {
            let (kind, sources) = self.record(group, to, to_mesh);
            (kind == RecordType::TO_EXCLUDE || !sources.is_empty()).then(|| (current(kind), group, sources))
        });
        let records: Vec<_> = records.collect();
        self.send_reports::<A>(&records, to.clone(), tags);
    }

    pub(super) fn send_reports<A: Family>(
        &mut self,
        records: &[(RecordType, IpAddr, Vec<IpAddr>)],
        to: Ports,
        tags: &[u8],
    ) {
        let (protocol, destination): (_, IpAddr) =
            (if A::BITS == 32 { Protocol::Igmp } else { Protocol::Mld }, A::ALL_REPORT_ROUTERS.into());
        // RFC 4541 §2.1.1: a switch reports without an address, so that no other takes the report for its own.
        let source = A::UNSPECIFIED;
        for message in gmp::reports::<A>(records, source) {
            let frame = build(self.config.mac, tags, protocol, source.into(), destination, &message);
            self.acts.push(Act::Send(to.clone(), frame));
        }
    }
}

/// The machine of an address family.
pub(crate) trait Routers<A: Family> {
    fn router(&mut self) -> &mut GmpRouter<A>;
}

impl Routers<Ipv4Addr> for Snooper {
    fn router(&mut self) -> &mut GmpRouter<Ipv4Addr> {
        &mut self.igmp
    }
}

impl Routers<Ipv6Addr> for Snooper {
    fn router(&mut self) -> &mut GmpRouter<Ipv6Addr> {
        &mut self.mld
    }
}
