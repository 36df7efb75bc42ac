//! The run loop of a forwarding plane: operations come from a mailbox as octets, frames from a receive ring.
//!
//! Everything the forwarder uses is an array below; firmware puts them into statics. Run with
//! `cargo run -p fwd-core --example run_loop`.

use fwd_core::net::{IfIndex, Ipv4Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{Fib4Node, Fib6Node, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, VrfSlot};
use fwd_core::{Forwarder, Frame, Verdict};

const CUSTOMER: IfIndex = IfIndex(0);
const CORE: IfIndex = IfIndex(1);
const VPN: VrfId = VrfId(1);
const US: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// What a control plane sent through the mailbox: VRF 1 is 10.1.0.0/16 here and 10.2.0.0/16 behind label 1000.
fn mailbox() -> Vec<[u8; FwdOp::LEN]> {
    let prefix = |text: &str| text.parse::<Ipv4Prefix>().expect("a prefix");
    let label = |value| Label::new(value).expect("a label");
    let neighbor = |iface, last| NextHop::Neighbor { iface, mac: Mac([2, 0, 0, 0, 0, last]) };
    let model = TunnelModel::Pipe;
    let to_ce = Nhlfe { push: LabelStack::EMPTY, next: neighbor(CUSTOMER, 9), model };
    let to_pe = Nhlfe { push: LabelStack::single(label(1000)), next: neighbor(CORE, 2), model };
    [
        FwdOp::SetInterface { iface: CUSTOMER, interface: Interface { vrf: VPN, mac: US, mtu: 1500, mpls: false } },
        FwdOp::SetInterface {
            iface: CORE,
            interface: Interface { vrf: VrfId::GLOBAL, mac: US, mtu: 1508, mpls: true },
        },
        FwdOp::SetNhlfe { id: NhlfeId(0), nhlfe: to_ce },
        FwdOp::SetNhlfe { id: NhlfeId(1), nhlfe: to_pe },
        FwdOp::SetIlm { label: label(16), ilm: Ilm { action: IlmAction::PopLookup(VPN), model } },
        FwdOp::SetRoute4 { vrf: VPN, prefix: prefix("10.1.0.0/16"), action: RouteAction::Forward(NhlfeId(0)) },
        FwdOp::SetRoute4 { vrf: VPN, prefix: prefix("10.2.0.0/16"), action: RouteAction::Forward(NhlfeId(1)) },
    ]
    .map(|op| op.emit())
    .into()
}

/// What the receive ring held: a packet of the customer, and one that another PE sends to it.
fn receive_ring() -> [(IfIndex, Vec<u8>); 2] {
    const TO_SITE_2: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0x66, 0xd5, 10, 1, 0, 1, 10, 2, 0, 1];
    const TO_SITE_1: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0x66, 0xd5, 10, 2, 0, 1, 10, 1, 0, 1];
    let ethernet = |ethertype: [u8; 2]| [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]].concat().into_iter().chain(ethertype);
    let label_16 = [0, 0x01, 0x01, 254];
    [
        (CUSTOMER, ethernet([0x08, 0]).chain(TO_SITE_2).collect()),
        (CORE, ethernet([0x88, 0x47]).chain(label_16).chain(TO_SITE_1).collect()),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut interfaces = [InterfaceSlot::EMPTY; 2];
    let mut vrfs = [VrfSlot::EMPTY; 2];
    let mut nhlfes = [NhlfeSlot::EMPTY; 16];
    let mut ilm = [IlmSlot::EMPTY; 16];
    let mut fib4 = [Fib4Node::EMPTY; 16];
    let mut fib6 = [Fib6Node::EMPTY; 16];
    let mut forwarder = Forwarder::new(Memory {
        interfaces: &mut interfaces,
        vrfs: &mut vrfs,
        nhlfes: &mut nhlfes,
        first_label: Label::FIRST_UNRESERVED,
        ilm: &mut ilm,
        fib4: &mut fib4,
        fib6: &mut fib6,
    })?;

    for octets in mailbox() {
        // A refusal goes back to the control plane, which withdraws what it promised.
        forwarder.apply(&FwdOp::parse(&octets)?)?;
    }
    let mut buffer = [0; Frame::HEADROOM + 1600];
    for (ingress, octets) in receive_ring() {
        let room =
            buffer.get_mut(Frame::HEADROOM..).and_then(|b| b.get_mut(..octets.len())).ok_or("oversized frame")?;
        room.copy_from_slice(&octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).ok_or("oversized frame")?;
        match forwarder.forward(&mut frame, ingress) {
            Verdict::Transmit { iface, class } => {
                println!("{ingress} -> {iface} class {class}: {:02x?}", frame.octets())
            }
            Verdict::Punt { reason, vrf, .. } => println!("{ingress}: {} to software, in {vrf}", reason.name()),
            Verdict::Drop(reason) => println!("{ingress}: dropped, {}", reason.name()),
        }
    }
    Ok(())
}
