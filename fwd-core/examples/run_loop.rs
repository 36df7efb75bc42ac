//! The run loop of a forwarding processor: ops from a mailbox, frames from ports, in memory that is all here.
//!
//! `cargo run -p fwd-core --example run_loop` sends one packet of a customer through a PE and prints what becomes of it.

use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, Rib6Node, Sizes, VrfSlot, Word,
};
use fwd_core::{Forwarder, Frame, Verdict};

const SIZES: Sizes = Sizes { interfaces: 2, vrfs: 2, nhlfes: 8, labels: 64, routes4: 100, routes6: 100, ..Sizes::NONE };

/// What another processor would put into the mailbox: VRF 1 on port 0 sends 10.0.0.0/8 behind VPN label 500 through the transport
/// label 600 of the core on port 1.
fn mailbox() -> Vec<[u8; FwdOp::LEN]> {
    let interface = |vrf, mpls| Interface { vrf: VrfId(vrf), mac: Mac([2, 0, 0, 0, 0, 1]), mtu: 1500, mpls };
    let label = |value| LabelStack::single(Label::from_low_bits(value));
    let core = NextHop::Neighbor { iface: IfIndex(1), mac: Mac([2, 0, 0, 0, 0, 2]) };
    let transport = Nhlfe { push: label(600), next: core, model: TunnelModel::Pipe };
    let vpn = Nhlfe { push: label(500), next: NextHop::Nhlfe(NhlfeId(0)), model: TunnelModel::Uniform };
    let prefix = "10.0.0.0/8".parse().expect("a prefix");
    [
        FwdOp::SetInterface { iface: IfIndex(0), interface: interface(1, false) },
        FwdOp::SetInterface { iface: IfIndex(1), interface: interface(0, true) },
        FwdOp::SetNhlfe { id: NhlfeId(0), nhlfe: transport },
        FwdOp::SetNhlfe { id: NhlfeId(1), nhlfe: vpn },
        FwdOp::SetRoute4 { vrf: VrfId(1), prefix, action: RouteAction::Forward(NhlfeId(1)) },
    ]
    .map(|op| op.emit())
    .to_vec()
}

/// What a port received: an IPv4 packet to 10.1.2.3.
fn receive() -> Vec<(IfIndex, Vec<u8>)> {
    let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x08, 0x00];
    let ip = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0xae, 0x2c, 192, 168, 0, 1, 10, 1, 2, 3];
    vec![(IfIndex(0), [&ethernet[..], &ip].concat())]
}

fn main() {
    let mut interfaces = [InterfaceSlot::EMPTY; SIZES.interface_slots()];
    let mut vrfs = [VrfSlot::EMPTY; SIZES.vrfs];
    let mut nhlfes = [NhlfeSlot::EMPTY; SIZES.nhlfe_slots()];
    let mut ilm = [IlmSlot::EMPTY; SIZES.labels];
    let mut rib4 = [Rib4Node::EMPTY; SIZES.rib4_nodes()];
    let mut fib4 = vec![Word::ZERO; SIZES.fib4_words()];
    let mut rib6 = [Rib6Node::EMPTY; SIZES.rib6_nodes()];
    let mut fib6 = vec![Word::ZERO; SIZES.fib6_words()];
    let mut forwarder = Forwarder::new(
        Memory {
            interfaces: &mut interfaces,
            vrfs: &mut vrfs,
            nhlfes: &mut nhlfes,
            first_label: Label::FIRST_UNRESERVED,
            ilm: &mut ilm,
            rib4: &mut rib4,
            fib4: &mut fib4,
            rib6: &mut rib6,
            fib6: &mut fib6,
            ..Memory::default()
        },
        CounterMemory::default(),
    )
    .expect("a global table and an ordinary first label");
    println!("tables of {} octets", SIZES.octets());

    for octets in mailbox() {
        let op = FwdOp::parse(&octets).expect("what the control plane emitted");
        if let Err(refused) = forwarder.apply(&op) {
            println!("{op:?}: {refused}"); // goes back as Input::Refused
        }
    }
    let mut buffer = [0; Frame::HEADROOM + 1514];
    for (iface, octets) in receive() {
        buffer[Frame::HEADROOM..][..octets.len()].copy_from_slice(&octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).expect("a buffer for the MTU");
        match forwarder.forward(&mut frame, iface) {
            Verdict::Transmit { iface, class } => println!("{iface}, class {class}: {:02x?}", frame.octets()),
            Verdict::Protect { sa, .. } => println!("to be put through {sa}"),
            Verdict::Punt { reason, vrf, offset } => println!("to software: {} in {vrf} at {offset}", reason.name()),
            Verdict::Replicate(replication) => {
                let mut copies = forwarder.copies(&frame, replication);
                while let Some(copy) = copies.next() {
                    println!("copy: {copy:?}");
                }
            }
            Verdict::PuntFrame { reason, port, .. } => println!("to software: {} at {port}", reason.name()),
            Verdict::Drop(reason) => println!("dropped: {}", reason.name()),
        }
    }
    for (name, packets) in forwarder.counters().iter().filter(|(_, packets)| *packets > 0) {
        println!("{name}: {packets}");
    }
}
