//! Operations: what is so and why, limits that come near, loops, faults with their life, and admission of streams
//! (RFC 5501 §6.5).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{Label, Mac, PortId, ReplicationId, VsiId};
use fwd_core::op::{FwdOp, LegTarget};
use fwd_core::time::Instant;

use crate::bgp::Tunnel;
use crate::config::{ConfigError, FateSharing};
use crate::event::EventKind;
use crate::fault::{Affected, Cause};
use crate::multicast::{BindingState, Reason, ReplicationMode};
use crate::pe::{Dirty, Timer, VplsPe};
use crate::snoop::Origin;
use crate::vsi::Instance;
pub use crate::vsi::PwState;

/// What an instance has a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Group entries.
    Groups,
    /// Pseudowires.
    Pseudowires,
    /// PIM neighbours.
    Neighbors,
    /// Selective trees.
    SelectiveTrees,
}

/// How much an instance uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Group entries, of all its domains.
    pub groups: usize,
    /// Pseudowires.
    pub pseudowires: usize,
    /// Circuits.
    pub circuits: usize,
    /// PIM neighbours.
    pub neighbors: usize,
    /// Selective trees.
    pub selective_trees: usize,
    /// Labels in blocks.
    pub labels: usize,
    /// Control messages dropped as malformed, for their rate, or denied.
    pub dropped: [u64; 3],
}

impl Usage {
    pub(crate) fn of(instance: &Instance) -> Self {
        let snoopers = || instance.domains.values().filter_map(|domain| domain.snooper.as_deref());
        let mut dropped = [0_u64; 3];
        for snooper in snoopers() {
            for (sum, n) in dropped.iter_mut().zip(snooper.dropped) {
                *sum = sum.saturating_add(n);
            }
        }
        Self {
            groups: instance.domains.values().map(|domain| domain.entries.len()).sum(),
            pseudowires: instance.pws.len(),
            circuits: instance.circuits.len(),
            neighbors: snoopers().map(|snooper| snooper.neighbors().count()).sum(),
            selective_trees: instance.selective_bindings().count(),
            labels: instance.blocks.iter().map(|block| usize::from(block.size)).sum(),
            dropped,
        }
    }
}

/// Thresholds that are passed: an alarm at 80 and at 100 per cent, cleared 5 per cent below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms(BTreeSet<(VsiId, Resource, u8)>);

impl Alarms {
    /// Notes how much of a limit is used; which alarms begin or end.
    pub(crate) fn note(&mut self, vsi: VsiId, resource: Resource, used: usize, most: usize) -> Vec<(u8, bool)> {
        let mut changes = Vec::new();
        let share = used.saturating_mul(100).checked_div(most).unwrap_or(0);
        for level in [80_u8, 100] {
            let key = (vsi, resource, level);
            let was = self.0.contains(&key);
            if !was && share >= usize::from(level) {
                self.0.insert(key);
                changes.push((level, true));
            } else if was && share < usize::from(level).saturating_sub(5) {
                self.0.remove(&key);
                changes.push((level, false));
            }
        }
        changes
    }
}

/// Moves of addresses between ports (VPLS-THR-E3).
#[derive(Clone, Debug, Default)]
pub(crate) struct LoopWatch {
    moves: BTreeMap<Mac, (u8, Instant)>,
}

/// Moves in [`MOVE_WINDOW`] that make a loop (RFC 7432 §15.1).
pub(crate) const MOVES: u8 = 5;
pub(crate) const MOVE_WINDOW: Duration = Duration::from_secs(180);
/// How long a looped port is blocked.
pub(crate) const FREEZE: Duration = Duration::from_secs(300);
/// Addresses whose moves are watched.
const MOST_MOVING: usize = 1024;

impl LoopWatch {
    /// An address moved; whether it did so too often.
    fn moved(&mut self, now: Instant, mac: Mac) -> bool {
        if self.moves.len() >= MOST_MOVING && !self.moves.contains_key(&mac) {
            self.moves.retain(|_, (_, since)| now - *since <= MOVE_WINDOW);
            if self.moves.len() >= MOST_MOVING {
                return false;
            }
        }
        let (count, since) = self.moves.entry(mac).or_insert((0, now));
        if now - *since > MOVE_WINDOW {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        if *count >= MOVES {
            self.moves.remove(&mac);
            return true;
        }
        false
    }
}

/// How multicast was carried (RFC 5501 §6.5.3): switches between ways, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    switches: BTreeMap<Reason, u64>,
}

impl Carried {
    pub(crate) fn switched(&mut self, reason: Reason) {
        let n = self.switches.entry(reason).or_default();
        *n = n.saturating_add(1);
    }

    /// Switches for a reason.
    #[must_use]
    pub fn switches(&self, reason: Reason) -> u64 {
        self.switches.get(&reason).copied().unwrap_or(0)
    }

    /// Switches.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.switches.values().sum()
    }
}

/// How a flow is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTrace {
    /// The mode.
    pub mode: ReplicationMode,
    /// Where its entry comes from; nowhere: it has none.
    pub origin: Origin,
    /// The group that makes its copies.
    pub replication: ReplicationId,
    /// Ports that get a copy.
    pub ports: Vec<PortId>,
    /// The tree, with the label below that of the tree.
    pub tree: Option<(Tunnel, Option<Label>)>,
    /// PEs that the tree serves.
    pub served: Vec<IpAddr>,
    /// Why the tree was chosen.
    pub reason: Option<Reason>,
}

/// One thing that serves an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// What it is.
    pub what: &'static str,
    /// How many.
    pub count: usize,
}

impl VplsPe {
    /// How data of a flow from a customer here is carried (RFC 5501 §6.5.2).
    #[must_use]
    pub fn trace_group(&self, vsi: VsiId, source: Option<IpAddr>, group: IpAddr) -> Option<GroupTrace> {
        let instance = self.vsis.get(&vsi)?;
        let domain = instance.domains.get(&vsi)?;
        let keys = [source.and_then(|s| crate::snoop::flow_key(Some(s), group)), crate::snoop::flow_key(None, group)];
        let entry = keys.into_iter().flatten().find_map(|key| domain.entries.get(&key));
        let replication = entry.copied().unwrap_or(domain.multicast);
        let legs = self.program.legs(replication)?;
        let port = |target: &LegTarget| if let LegTarget::Port(port) = target { Some(*port) } else { None };
        let has_tree = legs.values().any(|target| matches!(target, LegTarget::Nhlfe(_)));
        let bound = |of: Option<IpAddr>| {
            let is_it = |key: &crate::bgp::McastKey| (key.source, key.group) == (of, Some(group));
            instance.bindings.iter().find(|(key, b)| is_it(key) && b.state == BindingState::Sending)
        };
        let selective = source.and_then(|s| bound(Some(s))).or_else(|| bound(None));
        let all = instance.bindings.iter().find(|(key, _)| key.source.is_none() && key.group.is_none());
        let binding = selective.or(all).map(|(_, b)| b).filter(|_| has_tree);
        let mode = match (has_tree, selective.is_some(), entry.is_some()) {
            (true, true, _) => ReplicationMode::Selective,
            (true, false, _) => ReplicationMode::Inclusive,
            (false, _, true) => ReplicationMode::Snooped,
            (false, _, false) => ReplicationMode::Flood,
        };
        let served = binding.and_then(|b| self.served(instance, b)).map(|(served, _)| served).unwrap_or_default();
        let snooper = domain.snooper.as_deref();
        Some(GroupTrace {
            mode,
            origin: snooper.map(|snooper| snooper.origin(source, group)).unwrap_or_default(),
            replication,
            ports: legs.values().filter_map(port).collect(),
            tree: binding.map(|b| (b.tunnel.clone(), b.label)),
            served: served.into_iter().collect(),
            reason: binding.map(|b| b.reason),
        })
    }

    /// How often flows of an instance changed between ways of being carried.
    #[must_use]
    pub fn carried(&self, vsi: VsiId) -> Option<&Carried> {
        self.vsis.get(&vsi).map(|instance| &instance.carried)
    }

    /// Whether unicast shares the fate of trees (RFC 5501 §5.11).
    #[must_use]
    pub fn fate_sharing(&self, vsi: VsiId) -> Option<FateSharing> {
        self.vsis.get(&vsi).map(|instance| instance.config.fate)
    }

    /// What serves an instance: the objects that its activation made (RFC 5501 §6.1.2).
    #[must_use]
    pub fn explain(&self, vsi: VsiId) -> Vec<Managed> {
        let Some(instance) = self.vsis.get(&vsi) else { return Vec::new() };
        let usage = Usage::of(instance);
        let up = instance.pws.values().filter(|pw| pw.up).count();
        [
            ("broadcast domains", instance.domains.len()),
            ("circuits", usage.circuits),
            ("pseudowires", usage.pseudowires),
            ("pseudowires up", up),
            ("label blocks", instance.blocks.len()),
            ("group entries", usage.groups),
            ("trees rooted", instance.bindings.len()),
            ("trees joined", instance.joined.len()),
            (
                "policers",
                instance.policers.len().saturating_add(instance.circuits.values().map(|c| c.policers.len()).sum()),
            ),
            ("routes", instance.advertised.len()),
        ]
        .into_iter()
        .map(|(what, count)| Managed { what, count })
        .collect()
    }

    /// As [`Self::explain`], in a line for each.
    #[must_use]
    pub fn explain_text(&self, vsi: VsiId) -> String {
        let mut text = String::new();
        for Managed { what, count } in self.explain(vsi) {
            let _ = writeln!(text, "{what}: {count}");
        }
        text
    }

    /// Every forwarding entry and label that this machine believes programmed, to compare with the tables
    /// ([`fwd_core::audit::compare`]).
    pub fn programmed(&self) -> impl Iterator<Item = FwdOp> + '_ {
        self.program.ops()
    }

    /// An address moved between ports: too often is a loop, and the newer port, if it is a circuit, is blocked.
    pub(crate) fn moved(&mut self, vsi: VsiId, mac: Mac, _from: PortId, to: PortId) {
        let now = self.now;
        let vsi = self.domains.get(&vsi).copied().unwrap_or(vsi);
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        if !instance.loops.moved(now, mac) {
            return;
        }
        let Some(circuit) = instance.circuits.get_mut(&to) else { return };
        circuit.looped = true;
        self.timers.set(Timer::Loop(vsi, to), now + FREEZE);
        self.faults.raise(now, Cause::Loop(to), Affected::Vsi(vsi), 1);
        self.event(vsi, EventKind::Loop(to));
        self.dirty.insert(Dirty::Ports(vsi));
        self.regroup(vsi);
    }

    /// A looped port is tried again.
    pub(crate) fn loop_over(&mut self, vsi: VsiId, port: PortId) {
        let Some(circuit) = self.vsis.get_mut(&vsi).and_then(|i| i.circuits.get_mut(&port)) else { return };
        circuit.looped = false;
        self.faults.clear(self.now, &Cause::Loop(port), Affected::Vsi(vsi));
        self.event(vsi, EventKind::LoopCleared(port));
        self.dirty.insert(Dirty::Ports(vsi));
        self.regroup(vsi);
    }

    /// Admits a stream to an instance's bandwidth, or refuses it (RFC 5501 §5.3). A stream that is admitted already changes its rate.
    ///
    /// # Errors
    /// No such instance, or more than [`crate::VsiConfig::admission`].
    pub fn admit(
        &mut self,
        now: Instant,
        vsi: VsiId,
        stream: (Option<IpAddr>, IpAddr),
        bits_per_second: u64,
    ) -> Result<(), AdmissionError> {
        self.now = now;
        let instance = self.vsis.get_mut(&vsi).ok_or(AdmissionError::Config(ConfigError::NoVsi))?;
        let used: u64 = instance.admitted.iter().filter(|(of, _)| **of != stream).map(|(_, rate)| *rate).sum();
        if let Some(budget) = instance.config.admission {
            let left = budget.saturating_sub(used);
            if bits_per_second > left {
                self.event(vsi, EventKind::AdmissionRefused);
                return Err(AdmissionError::Budget { left });
            }
        }
        instance.admitted.insert(stream, bits_per_second);
        Ok(())
    }

    /// Gives the bandwidth of a stream back.
    pub fn release(&mut self, now: Instant, vsi: VsiId, stream: (Option<IpAddr>, IpAddr)) {
        self.now = now;
        if let Some(instance) = self.vsis.get_mut(&vsi) {
            instance.admitted.remove(&stream);
        }
    }

    /// Looks whether limits come near.
    pub(crate) fn watch_groups(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let (usage, limits) = (Usage::of(instance), instance.config.limits);
        for (resource, used, most) in [
            (Resource::Groups, usage.groups, limits.groups),
            (Resource::Pseudowires, usage.pseudowires, limits.pseudowires),
            (Resource::Neighbors, usage.neighbors, limits.neighbors),
            (Resource::SelectiveTrees, usage.selective_trees, limits.selective_trees),
        ] {
            for (level, is_reached) in self.alarms.note(vsi, resource, used, most) {
                self.event(vsi, EventKind::Threshold(resource, level, is_reached));
            }
        }
    }

    /// How long an instance has been there.
    #[must_use]
    pub fn age(&self, vsi: VsiId) -> Option<Duration> {
        self.vsis.get(&vsi).map(|instance| self.now - instance.created)
    }
}

/// A stream that is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The caller's fault.
    #[error(transparent)]
    Config(ConfigError),
    /// More than is left.
    #[error("bits_per_second: {left} are left")]
    Budget {
        /// What is left, in bit/s.
        left: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: VPLS-PM-5
    #[test]
    fn alarms_have_hysteresis() {
        let mut alarms = Alarms::default();
        let mut note = |used| alarms.note(VsiId(1), Resource::Groups, used, 100);
        assert_eq!(note(79), []);
        assert_eq!(note(80), [(80, true)]);
        assert_eq!((note(78), note(80), note(79)), (alloc::vec![], alloc::vec![], alloc::vec![]));
        assert_eq!(note(100), [(100, true)]);
        assert_eq!((note(96), note(100)), (alloc::vec![], alloc::vec![]));
        assert_eq!(note(94), [(100, false)]);
        assert_eq!(note(74), [(80, false)]);
    }
}
