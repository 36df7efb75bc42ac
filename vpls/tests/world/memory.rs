//! The memory of a router's forwarding plane, which goes when the router has gone.

use fwd_core::table::*;
use fwd_core::{BridgeCounters, Forwarder, GroupCounters};

use super::node::{GROUPS, IFACES, NHLFES, POLICERS, PORTS, VLINKS, VSIS};

/// Tables of a router, to be lent to a forwarder.
pub struct NodeMemory {
    multicast_vrfs: Vec<MulticastVrfSlot>,
    routes: Vec<ExactSlot>,
    routes6: Vec<Exact6Slot>,
    tunnels: Vec<Word>,
    replications: Vec<ReplicationSlot>,
    legs: Vec<LegSlot>,
    vsis: Vec<VsiSlot>,
    vsi_states: Vec<VsiState>,
    ports: Vec<PortSlot>,
    port_states: Vec<PortState>,
    circuits: Vec<CircuitSlot>,
    macs: Vec<MacBucket>,
    rib4: Vec<Rib4Node>,
    fib4: Vec<Word>,
    vlinks: Vec<VlinkSlot>,
    vlink_index: Vec<Word>,
    interfaces: Vec<InterfaceSlot>,
    vrfs: Vec<VrfSlot>,
    nhlfes: Vec<NhlfeSlot>,
    groups: Vec<EcmpSlot>,
    ilm: Vec<IlmSlot>,
    policers: Vec<PolicerSlot>,
    group_counters: Vec<GroupCounters>,
    vsi_counters: Vec<BridgeCounters>,
    port_counters: Vec<BridgeCounters>,
    buckets: Vec<TokenBuckets>,
    vlink_states: Vec<VlinkState>,
}

impl Default for NodeMemory {
    fn default() -> Self {
        Self {
            multicast_vrfs: vec![MulticastVrfSlot::EMPTY; 1],
            routes: vec![ExactSlot::EMPTY; 8192],
            routes6: vec![Exact6Slot::EMPTY; 512],
            tunnels: vec![Word::ZERO; 4],
            replications: vec![ReplicationSlot::EMPTY; GROUPS as usize],
            legs: vec![LegSlot::EMPTY; 32_768],
            vsis: vec![VsiSlot::EMPTY; VSIS + 1],
            vsi_states: vec![VsiState::EMPTY; VSIS],
            ports: vec![PortSlot::EMPTY; PORTS as usize + 1],
            port_states: vec![PortState::EMPTY; PORTS as usize],
            circuits: vec![CircuitSlot::EMPTY; IFACES as usize],
            macs: vec![MacBucket::EMPTY; 4096],
            rib4: vec![Rib4Node::EMPTY; 256],
            fib4: vec![Word::ZERO; 8192],
            vlinks: vec![VlinkSlot::EMPTY; VLINKS as usize + 1],
            vlink_index: vec![Word::ZERO; 2 * VLINKS as usize],
            interfaces: vec![InterfaceSlot::EMPTY; IFACES as usize + 1],
            vrfs: vec![VrfSlot::EMPTY; 1],
            nhlfes: vec![NhlfeSlot::EMPTY; NHLFES as usize + 1],
            groups: vec![EcmpSlot::EMPTY; 4],
            ilm: vec![IlmSlot::EMPTY; 1 << 20],
            policers: vec![PolicerSlot::EMPTY; POLICERS as usize + 1],
            group_counters: vec![GroupCounters::ZERO; GROUPS as usize],
            vsi_counters: vec![BridgeCounters::ZERO; VSIS],
            port_counters: vec![BridgeCounters::ZERO; PORTS as usize],
            buckets: vec![TokenBuckets::EMPTY; POLICERS as usize],
            vlink_states: vec![VlinkState::EMPTY; VLINKS as usize],
        }
    }
}

impl NodeMemory {
    /// Memory that is never given back, for worlds of which a program makes few.
    pub fn leaked() -> &'static mut Self {
        Box::leak(Box::default())
    }

    /// A forwarder in it.
    pub fn forwarder(&mut self, seed: u64) -> Forwarder<'_> {
        let multicast = MulticastMemory {
            vrfs: &mut self.multicast_vrfs,
            routes: &mut self.routes,
            routes6: &mut self.routes6,
            tunnels: &mut self.tunnels,
            groups: &mut self.replications,
            legs: &mut self.legs,
        };
        let bridge = BridgeMemory {
            vsis: &mut self.vsis,
            vsi_states: &mut self.vsi_states,
            ports: &mut self.ports,
            port_states: &mut self.port_states,
            circuits: &mut self.circuits,
            macs: &mut self.macs,
        };
        let memory = Memory {
            rib4: &mut self.rib4,
            fib4: &mut self.fib4,
            vlinks: &mut self.vlinks,
            vlink_index: &mut self.vlink_index,
            interfaces: &mut self.interfaces,
            vrfs: &mut self.vrfs,
            nhlfes: &mut self.nhlfes,
            groups: &mut self.groups,
            ilm: &mut self.ilm,
            policers: &mut self.policers,
            multicast,
            bridge,
            seed,
            ..Memory::default()
        };
        let counters = CounterMemory {
            groups: &mut self.group_counters,
            vsis: &mut self.vsi_counters,
            ports: &mut self.port_counters,
            buckets: &mut self.buckets,
            vlinks: &mut self.vlink_states,
            ..CounterMemory::default()
        };
        Forwarder::new(memory, counters).unwrap()
    }
}
