//! Who wants which flows, from group management, PIM and configuration.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, PortId};
use fwd_core::op::{MrouteKey, VsiGroupKey};

use crate::sorted::{VecMap, VecSet};

/// Ports.
pub(crate) type Ports = VecSet<PortId>;

/// The members of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// Ports that want all sources.
    pub(crate) any: Ports,
    /// Ports that want a source.
    pub(crate) include: VecMap<IpAddr, Ports>,
    /// Ports that want all sources but one.
    pub(crate) exclude: VecMap<IpAddr, Ports>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.include.is_empty() && self.exclude.is_empty()
    }

    /// Ports that want a source, or, of none, every source.
    pub(crate) fn wanting(&self, source: Option<IpAddr>) -> Ports {
        let mut ports = self.any.clone();
        if let Some(source) = source {
            if let Some(excluding) = self.exclude.get(&source) {
                ports.retain(|port| !excluding.contains(port));
            }
            ports.extend(self.include.get(&source).into_iter().flatten());
        }
        ports
    }

    /// Sources that are told apart.
    pub(crate) fn sources(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.include.keys().chain(self.exclude.keys()).copied()
    }
}

/// The members of all groups of a domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(pub(crate) BTreeMap<IpAddr, Group>);

/// What of a group a port wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Want {
    Any,
    Include(IpAddr),
    Exclude(IpAddr),
}

impl Members {
    pub(crate) fn set(&mut self, group: IpAddr, want: Want, port: PortId, present: bool) {
        let members = self.0.entry(group).or_default();
        let of = |map: &mut VecMap<IpAddr, Ports>, source| {
            let Some(ports) = map.or_default(source) else { return };
            if present {
                ports.insert(port)
            } else {
                ports.remove(&port)
            };
            if ports.is_empty() {
                map.remove(&source);
            }
        };
        match want {
            Want::Any if present => drop(members.any.insert(port)),
            Want::Any => drop(members.any.remove(&port)),
            Want::Include(source) => of(&mut members.include, source),
            Want::Exclude(source) => of(&mut members.exclude, source),
        }
        if members.is_empty() {
            self.0.remove(&group);
        }
    }

    /// Whether a port wants, or does not want, a source of a group; of none, anything of the group.
    pub(crate) fn wants(&self, group: IpAddr, port: PortId, source: Option<IpAddr>) -> bool {
        let Some(members) = self.0.get(&group) else { return false };
        let has = |ports: &Ports| ports.contains(&port);
        match source {
            Some(source) => {
                [&members.include, &members.exclude].into_iter().any(|map| map.get(&source).is_some_and(has))
            }
            None => members.any.contains(&port) || members.include.values().any(has),
        }
    }

    /// What a port wants, to take it away.
    pub(crate) fn of_port(&self, port: PortId) -> Vec<(IpAddr, Want)> {
        let mut wants = Vec::new();
        for (group, members) in &self.0 {
            if members.any.contains(&port) {
                wants.push((*group, Want::Any));
            }
            let included = members.include.iter().filter(|(_, ports)| ports.contains(&port));
            wants.extend(included.map(|(source, _)| (*group, Want::Include(*source))));
            let excluded = members.exclude.iter().filter(|(_, ports)| ports.contains(&port));
            wants.extend(excluded.map(|(source, _)| (*group, Want::Exclude(*source))));
        }
        wants
    }
}

/// The key of a flow's entry; of no source, of the whole group.
pub(crate) fn flow_key(source: Option<IpAddr>, group: IpAddr) -> Option<VsiGroupKey> {
    let key = match (source, group) {
        (Some(IpAddr::V4(source)), IpAddr::V4(group)) => MrouteKey::Source4 { source, group },
        (Some(IpAddr::V6(source)), IpAddr::V6(group)) => MrouteKey::Source6 { source, group },
        (None, IpAddr::V4(group)) => MrouteKey::Group4 { group: Ipv4Prefix::host(group) },
        (None, IpAddr::V6(group)) => MrouteKey::Group6 { group: Ipv6Prefix::host(group) },
        _ => return None,
    };
    Some(VsiGroupKey::Ip(key))
}

/// The flow of a key.
pub(crate) fn key_flow(key: VsiGroupKey) -> Option<(Option<IpAddr>, IpAddr)> {
    match key {
        VsiGroupKey::Mac(_) => None,
        VsiGroupKey::Ip(MrouteKey::Source4 { source, group }) => Some((Some(source.into()), group.into())),
        VsiGroupKey::Ip(MrouteKey::Source6 { source, group }) => Some((Some(source.into()), group.into())),
        VsiGroupKey::Ip(MrouteKey::Group4 { group }) => Some((None, group.addr().into())),
        VsiGroupKey::Ip(MrouteKey::Group6 { group }) => Some((None, group.addr().into())),
    }
}

impl Group {
    /// Ports that want any of it: what a MAC address tells apart.
    pub(crate) fn every(&self) -> Ports {
        self.any.iter().chain(self.include.values().flatten()).copied().collect()
    }
}
