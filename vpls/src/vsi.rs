//! An instance: its circuits, pseudowires and broadcast domains.

use alloc::boxed::Box;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Label, Mac, NhlfeId, PolicerId, PortId, ReplicationId, VlanId, VsiId};
use fwd_core::op::{FlowLabels, NextHop, VsiGroupKey};
use fwd_core::time::Instant;
use hashbrown::HashMap;
use p2mp_pw::ldp::PwStatus;

use crate::bgp::{McastKey, Nlri, RouteAttributes, RouteKey};
use crate::config::{CircuitConfig, PwRole, VsiConfig};
use crate::io::{PwId, PwService};
use crate::label_block::LabelBlock;
use crate::multicast::Binding;
use crate::oam::{Carried, LoopWatch};
use crate::pws::Pws;
use crate::snoop::Snooper;
use crate::sorted::VecMap;

/// A route of another PE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) nlri: Nlri,
    pub(crate) attributes: RouteAttributes,
}

/// An attachment circuit.
#[derive(Clone, Debug)]
pub(crate) struct Circuit {
    pub(crate) config: CircuitConfig,
    pub(crate) up: bool,
    /// Blocked for a loop.
    pub(crate) looped: bool,
    pub(crate) policers: Vec<PolicerId>,
}

/// What the other end of a pseudowire said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Its label; none: frames leave by a session of their own.
    pub(crate) label: Option<Label>,
    pub(crate) control_word: bool,
    pub(crate) flow_label: FlowLabels,
    /// The session that frames leave by; none: the way to the PE.
    pub(crate) session: Option<NextHop>,
}

/// A pseudowire.
#[derive(Clone, Debug)]
pub(crate) struct Pw {
    pub(crate) role: PwRole,
    pub(crate) port: PortId,
    pub(crate) nhlfe: NhlfeId,
    /// Our label; of a VE from a block.
    pub(crate) local: Option<Label>,
    pub(crate) remote: Option<Remote>,
    pub(crate) status: PwStatus,
    /// Whether its spoke group uses it; a pseudowire outside a group always is used.
    pub(crate) active: bool,
    /// Blocked with the tree to its PE.
    pub(crate) coupled_down: bool,
    /// Whether it is programmed.
    pub(crate) up: bool,
    pub(crate) snoop: bool,
    pub(crate) revert: core::time::Duration,
}

impl Pw {
    pub(crate) const fn is_mesh(&self) -> bool {
        matches!(self.role, PwRole::Mesh)
    }

    /// The state of its set-up (RFC 4761 §3.2.3, §3.3).
    pub(crate) const fn state(&self) -> PwState {
        match (self.local.is_some(), self.remote.is_some()) {
            (false, false) => PwState::NoLabel,
            (false, true) => PwState::RemoteOnly,
            (true, false) => PwState::LocalOnly,
            (true, true) if self.up => PwState::Up,
            (true, true) => PwState::Blocked,
        }
    }
}

/// The state of a pseudowire's set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PwState {
    /// Neither end has given a label.
    NoLabel,
    /// The other end has, this one has not.
    RemoteOnly,
    /// This end has, the other has not.
    LocalOnly,
    /// Both have, but there is no way to the PE, a fault, a better pseudowire, or a blocked spoke.
    Blocked,
    /// Frames pass.
    Up,
}

/// How a pseudowire is found in its instance.
pub(crate) type PwKey = (IpAddr, PwService);

/// A broadcast domain: an instance's own, or that of a customer's VLAN.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub(crate) vlan: Option<VlanId>,
    /// Groups of broadcast, unknown unicast and multicast without an entry.
    pub(crate) all: ReplicationId,
    pub(crate) unknown: ReplicationId,
    pub(crate) multicast: ReplicationId,
    pub(crate) snooper: Option<Box<Snooper>>,
    pub(crate) entries: BTreeMap<VsiGroupKey, ReplicationId>,
}

/// Which PE of a multi-homed site forwards (RFC 4761 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarder {
    /// This one.
    Designated,
    /// This one when the timer has run out.
    Pending,
    /// Another.
    Backup(IpAddr),
}

/// Numbers of legs by port.
#[derive(Clone, Debug, Default)]
pub(crate) struct LegNumbers {
    of: BTreeMap<PortId, u16>,
    /// Given back, below `next`.
    free: BTreeSet<u16>,
    next: u16,
}

impl LegNumbers {
    /// The number of a port's leg, given once.
    pub(crate) fn give(&mut self, port: PortId) {
        if self.of.contains_key(&port) {
            return;
        }
        let leg = self.free.pop_first().unwrap_or_else(|| {
            let leg = self.next;
            self.next = leg.saturating_add(1);
            leg
        });
        self.of.insert(port, leg);
    }

    pub(crate) fn get(&self, port: PortId) -> Option<u16> {
        self.of.get(&port).copied()
    }

    pub(crate) fn take_back(&mut self, port: PortId) {
        self.free.extend(self.of.remove(&port));
    }
}

/// Routes that an instance imports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Imported {
    all: HashMap<RouteKey, Arc<Route>>,
    /// Those that are label blocks, by the VE that they are of.
    ves: BTreeMap<u16, VecMap<RouteKey, Arc<Route>>>,
}

impl Imported {
    pub(crate) fn insert(&mut self, route: Arc<Route>) {
        let key = route.nlri.key();
        if let RouteKey::Block(_, ve, _) = key {
            self.ves.entry(ve).or_default().insert(key, route.clone());
        }
        self.all.insert(key, route);
    }

    pub(crate) fn remove(&mut self, key: &RouteKey) {
        self.all.remove(key);
        let RouteKey::Block(_, ve, _) = key else { return };
        if let Entry::Occupied(mut blocks) = self.ves.entry(*ve) {
            blocks.get_mut().remove(key);
            if blocks.get().is_empty() {
                blocks.remove();
            }
        }
    }

    /// All of them, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.all.values()
    }

    /// Label blocks of a VE.
    pub(crate) fn of_ve(&self, ve: u16) -> impl Iterator<Item = &Arc<Route>> {
        self.ves.get(&ve).into_iter().flat_map(VecMap::values)
    }

    /// VEs that have a label block.
    pub(crate) fn ves(&self) -> impl Iterator<Item = u16> + '_ {
        self.ves.keys().copied()
    }
}

/// An instance.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) config: VsiConfig,
    pub(crate) circuits: BTreeMap<PortId, Box<Circuit>>,
    pub(crate) pws: Pws,
    pub(crate) legs: LegNumbers,
    pub(crate) domains: VecMap<VsiId, Domain>,
    pub(crate) routes: Imported,
    pub(crate) blocks: Vec<LabelBlock>,
    /// Whether blocks may be allocated: VEs have had time to become known.
    pub(crate) blocks_ready: bool,
    pub(crate) forwarder: Forwarder,
    pub(crate) advertised: VecMap<RouteKey, Route>,
    /// MAC withdrawals that wait for others, by whether they are negative.
    pub(crate) withdrawals: BTreeMap<PwKey, (bool, BTreeSet<Mac>)>,
    pub(crate) policers: Vec<PolicerId>,
    /// The policer of multicast by its copies.
    pub(crate) copies: Option<PolicerId>,
    /// Trees that this PE roots.
    pub(crate) bindings: VecMap<McastKey, Binding>,
    /// Routes of other PEs that this one answers as a leaf.
    pub(crate) joined: BTreeMap<McastKey, crate::multicast::Joined>,
    pub(crate) loops: LoopWatch,
    pub(crate) carried: Carried,
    /// Bandwidth admitted, by stream.
    pub(crate) admitted: BTreeMap<(Option<IpAddr>, IpAddr), u64>,
    /// Rates of flows.
    pub(crate) rates: BTreeMap<(Option<IpAddr>, IpAddr), crate::multicast::RateWatch>,
    pub(crate) created: Instant,
}

impl Instance {
    pub(crate) fn id(&self, key: &PwKey) -> PwId {
        PwId { vsi: self.config.vsi, peer: key.0, service: key.1.clone() }
    }

    /// Whether frames pass a circuit.
    pub(crate) fn forwards(&self, circuit: &Circuit) -> bool {
        circuit.up && !circuit.looped && self.forwarder == Forwarder::Designated
    }

    /// The pseudowire of a port.
    pub(crate) fn pw_at(&self, port: PortId) -> Option<(&PwKey, &Pw)> {
        self.pws.at(port)
    }

    /// The pseudowire to a PE that frames pass.
    pub(crate) fn pw_to(&self, peer: IpAddr) -> Option<&Pw> {
        self.pws.to(peer).map(|(_, pw)| pw).find(|pw| pw.up && pw.is_mesh())
    }

    /// Whether frames pass a port.
    pub(crate) fn passes(&self, port: PortId) -> bool {
        match self.circuits.get(&port) {
            Some(circuit) => self.forwards(circuit),
            None => self.pw_at(port).is_some_and(|(_, pw)| pw.up),
        }
    }

    /// Ports that frames pass: circuits, then pseudowires.
    pub(crate) fn forwarding(&self) -> impl Iterator<Item = PortId> + '_ {
        let circuits = self.circuits.iter().filter(|(_, c)| self.forwards(c)).map(|(port, _)| *port);
        circuits.chain(self.pws.values().filter(|pw| pw.up).map(|pw| pw.port))
    }

    /// PEs reached by a mesh pseudowire.
    pub(crate) fn mesh_peers(&self) -> impl Iterator<Item = (IpAddr, PortId)> + '_ {
        self.pws.iter().filter(|(_, pw)| pw.up && pw.is_mesh()).map(|((peer, _), pw)| (*peer, pw.port))
    }
}
