//! Entries: which flows are told apart, where they come from, and which ports each goes to (RFC 4541 §2.1.2, RFC 8220 §2.4.3).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Mac, PortId};
use fwd_core::op::VsiGroupKey;

use super::frame::group_mac;
use super::machine::{Act, Origin, PortKind, Snooper};
use super::members::{Ports, flow_key, key_flow};
use super::pim::Flow;
use super::{Keying, Neighbor};

impl Snooper {
    /// The entries of a flow: its own, and those of its group where it is all of it.
    pub(super) fn flow_changed(&mut self, source: Option<IpAddr>, group: IpAddr) {
        match source {
            None => self.group_changed(group),
            Some(_) => self.key_changed(source, group),
        }
    }

    pub(super) fn key_changed(&mut self, source: Option<IpAddr>, group: IpAddr) {
        let key = match self.config.keying {
            Keying::Mac => Some(VsiGroupKey::Mac(self.index_mac(group))),
            Keying::Ip => flow_key(source, group),
        };
        self.acts.extend(key.map(Act::Changed));
    }

    /// Keeps a group with those of its MAC address while it has state; the address.
    fn index_mac(&mut self, group: IpAddr) -> Mac {
        let mac = group_mac(group);
        let has_state = self.has_state(group);
        let groups = self.by_mac.entry(mac).or_default();
        if has_state {
            groups.insert(group);
        } else {
            groups.remove(&group);
        }
        if groups.is_empty() {
            self.by_mac.remove(&mac);
        }
        mac
    }

    pub(super) fn group_changed(&mut self, group: IpAddr) {
        self.key_changed(None, group);
        for source in self.sources_of(group) {
            self.key_changed(Some(source), group);
        }
    }

    /// Sources of a group that are told apart.
    pub(super) fn sources_of(&self, group: IpAddr) -> BTreeSet<IpAddr> {
        let mut sources: BTreeSet<IpAddr> = self.members.0.get(&group).into_iter().flat_map(|g| g.sources()).collect();
        sources.extend(self.statics.range((group, None, PortId(0))..).take_while(|s| s.0 == group).filter_map(|s| s.1));
        sources.extend(self.filters.range((group, None)..).take_while(|f| f.0 == group).filter_map(|f| f.1));
        sources.extend(self.pim.flows_of(group).filter_map(|flow| match flow {
            Flow::Source(source, _) | Flow::Rpt(source, _) => Some(source),
            Flow::Any(_) => None,
        }));
        sources
    }

    /// Whether a group has any state.
    fn has_state(&self, group: IpAddr) -> bool {
        self.members.0.contains_key(&group)
            || self.newer.contains(&group)
            || self.statics.range((group, None, PortId(0))..).next().is_some_and(|s| s.0 == group)
            || self.filters.range((group, None)..).next().is_some_and(|f| f.0 == group)
            || self.pim.flows_of(group).next().is_some()
    }

    /// Groups with any state.
    pub(super) fn groups(&self) -> BTreeSet<IpAddr> {
        let mut groups: BTreeSet<IpAddr> = self.members.0.keys().copied().collect();
        groups.extend(self.pim.groups());
        groups.extend(self.statics.iter().map(|s| s.0));
        groups.extend(self.filters.iter().map(|f| f.0));
        groups.extend(&self.newer);
        groups
    }

    /// Ports towards routers have changed: they are in every entry.
    pub(crate) fn everything_changed(&mut self) {
        self.acts.push(Act::Unregistered);
        self.by_mac.clear();
        for group in self.groups() {
            self.group_changed(group);
        }
    }

    /// Where multicast without an entry goes, of these ports: towards routers, where routers are known or we ask ourselves;
    /// everywhere, while nobody could have reported.
    pub(crate) fn unregistered(&self, receiving: &Ports) -> Ports {
        let routers = self.router_ports();
        let asks = self.config.querier4.is_some() && self.config.querier6.is_some();
        if !self.is_settled || (routers.is_empty() && !asks) {
            return receiving.clone();
        }
        let inactive = |port: &&PortId| self.ports.get(port).is_none_or(|state| !state.config.active);
        let is_limited = !self.config.groups.is_empty() || !self.config.macs.is_empty();
        let goes = |port: &&PortId| is_limited || routers.contains(port) || inactive(port);
        receiving.iter().filter(goes).copied().collect()
    }

    /// Where frames of an entry go; none: there is no such entry.
    pub(crate) fn ports_of(&self, key: VsiGroupKey) -> Option<Ports> {
        match key {
            VsiGroupKey::Mac(mac) => {
                let groups = self.by_mac.get(&mac).into_iter().flatten().copied();
                let registered = self.registrar.ports_of(mac).map(|mut ports| {
                    ports.extend(self.router_ports());
                    ports.extend(self.ports.iter().filter(|(_, state)| !state.config.active).map(|(port, _)| *port));
                    ports
                });
                let by_ip = groups.filter(|_| self.config.keying == Keying::Mac);
                let each = by_ip.filter_map(|group| self.flow_ports(None, group)).chain(registered);
                each.reduce(|mut all, ports| {
                    all.extend(ports);
                    all
                })
            }
            VsiGroupKey::Ip(_) => {
                let (source, group) = key_flow(key)?;
                self.flow_ports(source, group)
            }
        }
    }

    pub(super) fn flow_ports(&self, source: Option<IpAddr>, group: IpAddr) -> Option<Ports> {
        let origin = self.origin(source, group);
        let is_newer = self.newer.contains(&group);
        if origin == Origin::default() && !is_newer {
            return None;
        }
        if is_newer || !self.is_settled {
            return Some(self.ports.keys().copied().collect());
        }
        let mut ports = Ports::new();
        if let Some(members) = self.members.0.get(&group) {
            ports.extend(if self.config.keying == Keying::Mac { members.every() } else { members.wanting(source) });
        }
        if origin.pim {
            ports.extend(self.pim.outgoing(source, group));
        }
        if !origin.pim || self.pim.has_bidir() {
            ports.extend(self.router_ports());
        }
        let statics = self.statics.range((group, None, PortId(0))..).take_while(|s| s.0 == group);
        ports.extend(statics.filter(|s| s.1.is_none() || s.1 == source).map(|s| s.2));
        ports.extend(self.ports.iter().filter(|(_, state)| !state.config.active).map(|(port, _)| *port));
        Some(ports)
    }

    /// Where the entry of a flow comes from; nowhere: there is none.
    #[must_use]
    pub fn origin(&self, source: Option<IpAddr>, group: IpAddr) -> Origin {
        let members = self.members.0.get(&group);
        let membership = members.is_some_and(|members| match source {
            None => !members.any.is_empty() || (self.config.keying == Keying::Mac),
            Some(source) => members.include.contains_key(&source) || members.exclude.contains_key(&source),
        });
        let flows = |flow: Flow| self.pim.has_flow(flow);
        let pim = match source {
            None => flows(Flow::Any(group)),
            Some(source) => flows(Flow::Source(source, group)) || flows(Flow::Rpt(source, group)),
        };
        let is_static =
            self.statics.range((group, source, PortId(0))..).next().is_some_and(|s| (s.0, s.1) == (group, source));
        let configured = is_static || self.filters.contains(&(group, source));
        Origin { membership, pim: pim || (membership && self.pim.has(source, group)), configured }
    }

    /// Whether a customer's port wants a flow: with no group, any; with no source, any of the group.
    pub(crate) fn is_wanted_here(&self, source: Option<IpAddr>, group: Option<IpAddr>) -> bool {
        let is_here = |port: &PortId| self.ports.get(port).is_some_and(|state| state.kind != PortKind::Mesh);
        let groups = group.map_or_else(|| self.groups(), |group| [group].into());
        groups.into_iter().any(|g| {
            let sources = self.sources_of(g);
            let any = self.flow_members(None, g).iter().any(is_here);
            any || sources
                .into_iter()
                .filter(|s| source.is_none_or(|source| *s == source))
                .any(|s| self.flow_members(Some(s), g).iter().any(is_here))
        })
    }

    /// Who wants a flow, without the ports that get everything.
    pub(crate) fn flow_members(&self, source: Option<IpAddr>, group: IpAddr) -> Ports {
        let mut ports = self.members.0.get(&group).map(|members| members.wanting(source)).unwrap_or_default();
        if self.pim.has(source, group) {
            ports.extend(self.pim.outgoing(source, group));
        }
        let statics = self.statics.range((group, None, PortId(0))..).take_while(|s| s.0 == group);
        ports.extend(statics.filter(|s| s.1.is_none() || s.1 == source).map(|s| s.2));
        ports
    }

    /// Flows with an entry.
    pub fn flows(&self) -> Vec<(Option<IpAddr>, IpAddr)> {
        let mut flows = Vec::new();
        for group in self.groups() {
            let sources = self.sources_of(group).into_iter().map(Some);
            let every = [None].into_iter().chain(sources);
            flows.extend(every.filter(|s| self.origin(*s, group) != Origin::default()).map(|s| (s, group)));
        }
        flows
    }

    /// Neighbours of PIM.
    pub fn neighbors(&self) -> impl Iterator<Item = (&IpAddr, &Neighbor)> {
        self.pim.neighbors()
    }
}
