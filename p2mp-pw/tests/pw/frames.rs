//! Frames from circuit to circuit through real forwarders.

use std::collections::BTreeSet;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::table::*;
use fwd_core::wire::LabelEntry;
use fwd_core::{Forwarder, Frame, Replica, Verdict};
use p2mp_pw::ldp::fec::{FlowLabel, InterfaceParameter};
use p2mp_pw::pw::PwConfig;

use crate::net::{Net, pw_id};

const CORE: IfIndex = IfIndex(1);
const CIRCUIT: IfIndex = IfIndex(11);

fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, n])
}

fn forwarder(n: u8) -> Forwarder<'static> {
    let multicast = MulticastMemory {
        groups: vec![ReplicationSlot::EMPTY; 8].leak(),
        legs: vec![LegSlot::EMPTY; 32].leak(),
        ..MulticastMemory::default()
    };
    let bridge = BridgeMemory {
        vsis: vec![VsiSlot::EMPTY; 5].leak(),
        vsi_states: vec![VsiState::EMPTY; 4].leak(),
        ports: vec![PortSlot::EMPTY; 17].leak(),
        port_states: vec![PortState::EMPTY; 16].leak(),
        circuits: vec![CircuitSlot::EMPTY; 16].leak(),
        macs: vec![MacBucket::EMPTY; 8].leak(),
    };
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 17].leak(),
        vrfs: vec![VrfSlot::EMPTY; 3].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 1001].leak(),
        ilm: vec![IlmSlot::EMPTY; 4000].leak(),
        multicast,
        bridge,
        seed: 7,
        ..Memory::default()
    };
    let mut fwd = Forwarder::new(memory, CounterMemory::default()).unwrap();
    for (iface, mpls) in [(CORE, true), (CIRCUIT, false)] {
        let interface = Interface { vrf: VrfId::GLOBAL, mac: mac(n), mtu: 1600, mpls };
        fwd.apply(&FwdOp::SetInterface { iface, interface }).unwrap();
    }
    let other = 3 - n;
    // The tunnel: the hop before the last popped its label already.
    let next = NextHop::Neighbor { iface: CORE, mac: mac(other) };
    let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Uniform };
    fwd.apply(&FwdOp::SetNhlfe { id: NhlfeId(other.into()), nhlfe }).unwrap();
    fwd
}

/// What leaves, by interface, when a frame arrives.
fn forward(fwd: &mut Forwarder<'static>, iface: IfIndex, octets: &[u8]) -> Vec<(IfIndex, Vec<u8>)> {
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let mut sent = Vec::new();
    match fwd.forward(&mut frame, iface) {
        Verdict::Transmit { iface, .. } => sent.push((iface, frame.octets().to_vec())),
        Verdict::Replicate(replication) => {
            let mut copies = fwd.copies(&frame, replication);
            while let Some(replica) = copies.next() {
                if let Replica::Transmit { iface, front, payload, .. } = replica {
                    sent.push((iface, [front, &frame.octets()[payload]].concat()));
                }
            }
        }
        _ => {}
    }
    sent
}

fn wire(from: u8, to: u8, payload: u8) -> Vec<u8> {
    let mut frame = vec![2, 9, 9, 9, 9, to, 2, 9, 9, 9, 9, from, 0x08, 0x00];
    frame.extend(std::iter::repeat_n(payload, 60));
    frame
}

#[test]
fn a_frame_goes_from_circuit_to_circuit_and_back() {
    for control_word in [true, false] {
        let mut net = Net::new(2, &[(1, 2)]);
        let with = |peer| PwConfig { control_word, ..pw_id(peer, 100) };
        let (a, b) = (net.add(1, with(2)), net.add(2, with(1)));
        assert!(net.up(1, a) && net.up(2, b));
        let mut planes = [1, 2].map(forwarder);
        for n in [1, 2] {
            for op in &net.pe(n).ops {
                planes[usize::from(n) - 1].apply(op).unwrap();
            }
        }
        for (from, to) in [(0, 1), (1, 0), (0, 1)] {
            let frame = wire(1, 2, 0x55);
            let sent = forward(&mut planes[from], CIRCUIT, &frame);
            let [(CORE, labelled)] = sent.as_slice() else { panic!("{sent:?}") };
            assert_eq!(labelled.len(), frame.len() + 14 + 4 + if control_word { 4 } else { 0 });
            assert_eq!(forward(&mut planes[to], CORE, labelled), [(CIRCUIT, frame)]);
        }
        // Down: nothing leaves.
        net.pe(1).ops.clear();
        net.faults(2, b, p2mp_pw::ldp::PwStatus::AC_RECEIVE_FAULT);
        for op in &net.pe(1).ops {
            planes[0].apply(op).unwrap();
        }
        assert_eq!(forward(&mut planes[0], CIRCUIT, &wire(1, 2, 0x55)), []);
    }
}

/// A frame of an IPv4 flow between two stations.
fn flow(from: u8) -> Vec<u8> {
    let mut frame = wire(1, 2, 0);
    frame[14..34].copy_from_slice(&[0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, 99]);
    frame
}

/// Flow labels (RFC 6391 §3): where one end says that it sends them and the other that it takes them, each packet has one below the
/// pseudowire's label, at the bottom, with a TTL of 1 (§1.1), the same for a flow; the other end throws it away. Else there is none.
///
/// Shows: L2VPN-5.2-8
#[test]
fn flow_labels_stand_below_the_pseudowires() {
    let both = FlowLabel::TRANSMIT | FlowLabel::RECEIVE;
    for (ours, theirs, used) in [
        (Some(both), Some(both), true),
        (Some(both), None, false),
        (None, Some(both), false),
        (Some(FlowLabel::RECEIVE), Some(both), false),
        (Some(both), Some(FlowLabel::TRANSMIT), false),
        // One direction alone (§4.1): there the other end takes what it does not send itself.
        (Some(FlowLabel::TRANSMIT), Some(FlowLabel::RECEIVE), true),
        (Some(both), Some(FlowLabel::RECEIVE), true),
        (Some(FlowLabel::RECEIVE), Some(FlowLabel::TRANSMIT), false),
    ] {
        let mut net = Net::new(2, &[(1, 2)]);
        let with = |peer, flow: Option<FlowLabel>| {
            let mut config = pw_id(peer, 100);
            config.parameters.extend(flow.map(InterfaceParameter::FlowLabel));
            config
        };
        let (a, b) = (net.add(1, with(2, ours)), net.add(2, with(1, theirs)));
        assert!(net.up(1, a) && net.up(2, b));
        let mut planes = [1, 2].map(forwarder);
        for n in [1, 2] {
            for op in &net.pe(n).ops {
                planes[usize::from(n) - 1].apply(op).unwrap();
            }
        }
        let mut labels = BTreeSet::new();
        for from in (0..20).chain(0..20) {
            let frame = flow(from);
            let sent = forward(&mut planes[0], CIRCUIT, &frame);
            let [(CORE, labelled)] = sent.as_slice() else { panic!("{sent:?}") };
            let entry = |at: usize| LabelEntry::of(&labelled[at..]).unwrap();
            assert_eq!(entry(14).is_bottom(), !used, "the pseudowire's");
            if used {
                assert!(entry(18).is_bottom() && entry(18).ttl() == 1);
                assert!(!entry(18).label().is_special_purpose());
                labels.insert(entry(18).label());
            }
            assert_eq!(labelled.len(), frame.len() + 14 + 4 + 4 + if used { 4 } else { 0 });
            assert_eq!(forward(&mut planes[1], CORE, labelled), [(CIRCUIT, frame)]);
        }
        // Twenty flows twice: the second time none is new.
        assert_eq!(labels.len(), if used { 20 } else { 0 }, "{labels:?}");
    }
}
