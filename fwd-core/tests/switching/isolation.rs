//! Group state and addresses are apart: what customers join changes nothing of what unicast looks at.

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::table::*;
use fwd_core::{Forwarder, Frame, Verdict};

use super::switching::*;

const GROUPS: usize = 64;
const MACS: usize = 200;

/// What addresses and ports have of memory, to be looked at when the forwarder is gone.
struct Lent {
    macs: Vec<MacBucket>,
    port_states: Vec<PortState>,
}

impl Lent {
    fn new() -> Self {
        Self { macs: vec![MacBucket::EMPTY; MacBucket::count(MACS)], port_states: vec![PortState::EMPTY; 4] }
    }

    /// All of its octets.
    fn image(&self) -> String {
        format!("{:?} {:?}", self.macs, self.port_states)
    }
}

/// Runs a forwarder of two circuits in the memory that is lent: a group's copies go to the second one.
fn with(lent: &mut Lent, run: impl FnOnce(&mut Forwarder<'_>)) {
    let (mut vrfs, mut routes, mut routes6) =
        (vec![MulticastVrfSlot::EMPTY; 1], vec![ExactSlot::EMPTY; 2 * GROUPS], vec![Exact6Slot::EMPTY; 8]);
    let (mut groups, mut legs) = (vec![ReplicationSlot::EMPTY; GROUPS + 8], vec![LegSlot::EMPTY; 4 * GROUPS]);
    let (mut vsis, mut vsi_states) = (vec![VsiSlot::EMPTY; 3], vec![VsiState::EMPTY; 2]);
    let (mut ports, mut circuits) = (vec![PortSlot::EMPTY; 5], vec![CircuitSlot::EMPTY; 4]);
    let (mut interfaces, mut global) = (vec![InterfaceSlot::EMPTY; 5], vec![VrfSlot::EMPTY; 1]);
    let (mut rib4, mut fib4, mut tunnels) = (vec![Rib4Node::EMPTY; 8], vec![Word::ZERO; 1000], vec![Word::ZERO; 4]);
    let multicast = MulticastMemory {
        vrfs: &mut vrfs,
        routes: &mut routes,
        routes6: &mut routes6,
        tunnels: &mut tunnels,
        groups: &mut groups,
        legs: &mut legs,
    };
    let bridge = BridgeMemory {
        vsis: &mut vsis,
        vsi_states: &mut vsi_states,
        ports: &mut ports,
        port_states: &mut lent.port_states,
        circuits: &mut circuits,
        macs: &mut lent.macs,
    };
    let memory = Memory {
        interfaces: &mut interfaces,
        vrfs: &mut global,
        rib4: &mut rib4,
        fib4: &mut fib4,
        multicast,
        bridge,
        seed: 7,
        ..Memory::default()
    };
    let mut f = Forwarder::new(memory, CounterMemory::default()).unwrap();
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: Vsi { snoop: true, mac_limit: 1000, ..settings() } }]);
    apply(&mut f, [FwdOp::SetReplication { id: FLOOD, owner: VsiOrVrf::Vsi(VSI) }]);
    for n in 0..2 {
        let interface = Interface { vrf: VrfId::GLOBAL, mac: OURS, mtu: 1500, mpls: false };
        apply(&mut f, [FwdOp::SetInterface { iface: IfIndex(n), interface }]);
        let port = BridgePort { mac_limit: 1000, ..circuit(VSI, n, Tags::Any) };
        apply(&mut f, [FwdOp::SetPort { id: PortId(n), port }]);
        let target = LegTarget::Port(PortId(n));
        apply(&mut f, [FwdOp::SetLeg { group: FLOOD, leg: n as u16, target }]);
    }
    run(&mut f);
}

fn station(n: usize) -> Mac {
    Mac([2, 9, 0, 0, (n >> 8) as u8, n as u8])
}

/// A frame between two stations; whether it was sent to one port.
fn unicast(f: &mut Forwarder<'_>, iface: u32, to: Mac, from: Mac) -> bool {
    let octets = ethernet(to, from, &DATA);
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend(&octets);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    matches!(f.forward(&mut frame, IfIndex(iface)), Verdict::Transmit { .. })
}

fn join(n: usize) -> [FwdOp; 3] {
    let id = ReplicationId(n as u32 + 2);
    let group = [239, 1, (n >> 8) as u8, n as u8].into();
    let key = VsiGroupKey::Ip(MrouteKey::Group4 { group: Ipv4Prefix::host(group) });
    [
        FwdOp::SetReplication { id, owner: VsiOrVrf::Vsi(VSI) },
        FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Port(PortId(1)) },
        FwdOp::SetVsiGroup { vsi: VSI, key, replication: Some(id) },
    ]
}

/// And the leave.
fn leave(n: usize) -> [FwdOp; 2] {
    let [FwdOp::SetReplication { id, .. }, _, FwdOp::SetVsiGroup { vsi, key, .. }] = join(n) else { panic!() };
    [FwdOp::ClearVsiGroup { vsi, key }, FwdOp::ClearReplication { id }]
}

/// Addresses are learned and used, with joins and leaves in between or without.
fn script(lent: &mut Lent, joins: bool) {
    with(lent, |f| {
        for n in 0..100 {
            unicast(f, (n % 2) as u32, station(n + 1), station(n));
            if joins {
                apply(f, join(n % GROUPS));
                assert!(n % 3 > 0 || n == 0 || unicast(f, ((n - 1) % 2) as u32, station(n), station(n - 1)));
                if n % 2 == 1 {
                    apply(f, leave(n % GROUPS));
                }
            } else {
                assert!(n % 3 > 0 || n == 0 || unicast(f, ((n - 1) % 2) as u32, station(n), station(n - 1)));
            }
        }
    });
}

/// Joins and leaves leave every octet of the addresses' memory as it would be without them, and of the ports' with their generations.
#[test]
fn joins_do_not_touch_the_memory_of_addresses() {
    let (mut without, mut with_joins) = (Lent::new(), Lent::new());
    script(&mut without, false);
    script(&mut with_joins, true);
    let image = without.image();
    assert_ne!(image, Lent::new().image(), "addresses are in this memory");
    assert_eq!(image, with_joins.image());
}

/// Each has a budget of its own: no room for groups is room for addresses, and the reverse.
#[test]
fn full_tables_are_those_of_what_filled_them() {
    with(&mut Lent::new(), |f| {
        let refused = (0..10 * GROUPS).flat_map(join).filter(|op| f.apply(op).is_err()).count();
        assert!(refused > 0, "more groups than there is room for");
        for n in 0..MACS / 2 {
            unicast(f, 0, station(MACS), station(n));
        }
        assert_eq!(f.learned(VSI), MACS as u32 / 2);
        assert!(unicast(f, 1, station(0), station(MACS)));
    });
    with(&mut Lent::new(), |f| {
        for n in 0..20 * MACS {
            unicast(f, 0, station(20 * MACS), station(n));
        }
        assert!((f.learned(VSI) as usize) < 20 * MACS, "more addresses than there is room for");
        (0..GROUPS / 2).for_each(|n| apply(f, join(n)));
    });
}
