//! Since when ports want groups, who reported them last, and messages by port: what managed objects ask for beside membership
//! (RFC 5519 §4, RFC 9166 §4).

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use fwd_core::net::PortId;
use fwd_core::time::Instant;

use super::SnoopConfig;
use super::frame::{Protocol, Snooped};
use super::machine::Snooper;
use super::members::{Members, Ports, Want};
use super::pim::PimRoute;

/// Since when something has members, and who reported it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) since: Instant,
    pub(crate) reporter: Option<(Instant, IpAddr)>,
}

/// What stands of a group at a port: with a source, of that source.
type Key = (IpAddr, PortId, Option<IpAddr>);

/// What stands of all groups of a domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings(BTreeMap<Key, Standing>);

impl Standings {
    fn begin(&mut self, now: Instant, key: Key) {
        self.0.entry(key).or_insert(Standing { since: now, reporter: None });
    }

    /// A port wants something of a group, or does not any longer; `members` have it already.
    pub(super) fn want(&mut self, now: Instant, members: &Members, (group, want, port): (IpAddr, Want, PortId)) {
        let source = if let Want::Include(source) | Want::Exclude(source) = want { Some(source) } else { None };
        if members.wants(group, port, None) {
            self.begin(now, (group, port, None));
        } else {
            self.0.remove(&(group, port, None));
        }
        let Some(source) = source else { return };
        if members.wants(group, port, Some(source)) {
            self.begin(now, (group, port, Some(source)));
        } else {
            self.0.remove(&(group, port, Some(source)));
        }
    }

    /// A host reported that it wants a group, or a source of it.
    fn reported(&mut self, now: Instant, key: Key, host: IpAddr) {
        if let Some(standing) = self.0.get_mut(&key) {
            standing.reporter = Some((now, host));
        }
    }

    /// Whether a port is known to want something of a group.
    pub(super) fn has(&self, group: IpAddr, port: PortId) -> bool {
        self.0.contains_key(&(group, port, None))
    }

    /// What stands of a group at all its ports together: since when, and the last reporter.
    pub(crate) fn of(&self, group: IpAddr, source: Option<IpAddr>) -> Option<Standing> {
        let all = self.0.range((group, PortId(0), None)..).take_while(|((of, ..), _)| *of == group);
        all.filter(|((.., of), _)| *of == source)
            .map(|(_, standing)| *standing)
            .reduce(|a, b| Standing { since: a.since.min(b.since), reporter: a.reporter.max(b.reporter) })
    }
}

/// Messages of a port by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Queries.
    pub queries: u64,
    /// Reports of versions 1, 2 and 3; of MLD, of versions 1 and 2.
    pub reports: [u64; 3],
    /// Leaves of IGMP, Dones of MLD.
    pub leaves: u64,
    /// Hellos of PIM.
    pub hellos: u64,
}

impl MessageCounts {
    fn count(&mut self, snooped: &Snooped<'_>) {
        let Some(&kind) = snooped.message.first() else { return };
        let [v1, v2, v3] = &mut self.reports;
        let count = match (snooped.protocol, kind) {
            // RFC 3376 §4, RFC 3810 §5.
            (Protocol::Igmp, 0x11) | (Protocol::Mld, 130) => &mut self.queries,
            (Protocol::Igmp, 0x12) | (Protocol::Mld, 131) => v1,
            (Protocol::Igmp, 0x16) | (Protocol::Mld, 143) => v2,
            (Protocol::Igmp, 0x22) => v3,
            (Protocol::Igmp, 0x17) | (Protocol::Mld, 132) => &mut self.leaves,
            // RFC 7761 §4.9: version 2, type 0.
            (Protocol::Pim, 0x20) => &mut self.hellos,
            _ => return,
        };
        *count = count.saturating_add(1);
    }
}

/// Messages of a port, of IPv4 and of IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PortCounts {
    received: [MessageCounts; 2],
    sent: [MessageCounts; 2],
    /// Groups of IGMP and of MLD that were joined.
    joins: [u64; 2],
}

impl PortCounts {
    pub(super) fn received(&mut self, snooped: &Snooped<'_>) {
        Self::family(&mut self.received, snooped.source.is_ipv6()).count(snooped);
    }

    pub(super) fn joined(&mut self, group: IpAddr) {
        let [v4, v6] = &mut self.joins;
        let joins = if group.is_ipv6() { v6 } else { v4 };
        *joins = joins.saturating_add(1);
    }

    fn sent(&mut self, snooped: &Snooped<'_>) {
        Self::family(&mut self.sent, snooped.source.is_ipv6()).count(snooped);
    }

    const fn family([v4, v6]: &mut [MessageCounts; 2], is_ipv6: bool) -> &mut MessageCounts {
        if is_ipv6 { v6 } else { v4 }
    }
}

impl Snooper {
    /// Notes who reported what: groups, and sources of them, that are joined at a port.
    pub(super) fn note_reports(&mut self, port: PortId, host: IpAddr, joins: &[(IpAddr, Option<IpAddr>)]) {
        for (group, source) in joins {
            self.standings.reported(self.now, (*group, port, None), host);
            if source.is_some() {
                self.standings.reported(self.now, (*group, port, *source), host);
            }
        }
    }

    /// Counts a frame that goes out of ports.
    pub(crate) fn count_sent(&mut self, ports: &[PortId], octets: &[u8]) {
        let Ok(snooped) = Snooped::parse(octets) else { return };
        for port in ports {
            if let Some(state) = self.ports.get_mut(port) {
                state.counts.sent(&snooped);
            }
        }
    }

    /// Messages of a port of IGMP and of PIM over IPv4, or of MLD and of PIM over IPv6: received, and sent.
    #[must_use]
    pub fn messages(&self, port: PortId, is_ipv6: bool) -> Option<(MessageCounts, MessageCounts)> {
        let PortCounts { received: [r4, r6], sent: [s4, s6], .. } = self.ports.get(&port)?.counts;
        Some(if is_ipv6 { (r6, s6) } else { (r4, s4) })
    }

    /// Groups of IGMP, and of MLD, that were joined at a port since it is there.
    pub(crate) fn joins(&self, port: PortId) -> [u64; 2] {
        self.ports.get(&port).map_or([0; 2], |state| state.counts.joins)
    }

    /// What stands of all groups by port.
    pub(crate) fn standing_groups(&self) -> impl Iterator<Item = (IpAddr, PortId, &Standing)> {
        let whole = self.standings.0.iter().filter(|((.., source), _)| source.is_none());
        whole.map(|((group, port, _), standing)| (*group, *port, standing))
    }

    /// Its settings.
    pub(crate) const fn config(&self) -> &SnoopConfig {
        &self.config
    }

    /// Entries that stay whatever is reported.
    pub(crate) const fn statics(&self) -> &BTreeSet<(IpAddr, Option<IpAddr>, PortId)> {
        &self.statics
    }

    /// Ports towards routers that are configured.
    pub(crate) fn static_routers(&self) -> Ports {
        self.ports.iter().filter(|(_, state)| state.config.router).map(|(port, _)| *port).collect()
    }

    /// Joins and Prunes of PIM by port.
    pub(crate) fn pim_routes(&self) -> impl Iterator<Item = PimRoute> + '_ {
        self.pim.routes()
    }

    /// Ports.
    pub(crate) fn ports(&self) -> Ports {
        self.ports.keys().copied().collect()
    }
}
