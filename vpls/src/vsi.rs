//! An instance: its circuits, pseudowires and broadcast domains.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Label, Mac, NhlfeId, PolicerId, PortId, ReplicationId, VlanId, VsiId};
use fwd_core::op::{FlowLabels, NextHop, VsiGroupKey};
use fwd_core::time::Instant;
use p2mp_pw::ldp::PwStatus;

use crate::bgp::{McastKey, Nlri, RouteAttributes, RouteKey};
use crate::config::{CircuitConfig, PwRole, VsiConfig};
use crate::io::{PwId, PwService};
use crate::label_block::LabelBlock;
use crate::multicast::Binding;
use crate::oam::{Carried, LoopWatch};
use crate::snoop::Snooper;

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
    pub(crate) snooper: Option<Snooper>,
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

/// An instance.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) config: VsiConfig,
    pub(crate) circuits: BTreeMap<PortId, Circuit>,
    pub(crate) pws: BTreeMap<PwKey, Pw>,
    /// Numbers of legs by port.
    pub(crate) legs: BTreeMap<PortId, u16>,
    pub(crate) domains: BTreeMap<VsiId, Domain>,
    /// Routes that it imports.
    pub(crate) routes: BTreeMap<RouteKey, Arc<Route>>,
    pub(crate) blocks: Vec<LabelBlock>,
    /// Whether blocks may be allocated: VEs have had time to become known.
    pub(crate) blocks_ready: bool,
    pub(crate) forwarder: Forwarder,
    pub(crate) advertised: BTreeMap<RouteKey, Route>,
    /// MAC withdrawals that wait for others, by whether they are negative.
    pub(crate) withdrawals: BTreeMap<PwKey, (bool, BTreeSet<Mac>)>,
    pub(crate) policers: Vec<PolicerId>,
    /// The policer of multicast by its copies.
    pub(crate) copies: Option<PolicerId>,
    /// Trees that this PE roots.
    pub(crate) bindings: BTreeMap<McastKey, Binding>,
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
        self.pws.iter().find(|(_, pw)| pw.port == port)
    }

    /// The pseudowire to a PE that frames pass.
    pub(crate) fn pw_to(&self, peer: IpAddr) -> Option<&Pw> {
        self.pws.iter().find(|((to, _), pw)| *to == peer && pw.up && pw.is_mesh()).map(|(_, pw)| pw)
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

    /// The number of a port's leg, given once.
    pub(crate) fn leg(&mut self, port: PortId) -> u16 {
        if let Some(leg) = self.legs.get(&port) {
            return *leg;
        }
        let used: BTreeSet<u16> = self.legs.values().copied().collect();
        let leg = (0..u16::MAX).find(|leg| !used.contains(leg)).unwrap_or(u16::MAX);
        self.legs.insert(port, leg);
        leg
    }
}
