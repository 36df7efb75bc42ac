//! Arbitrary virtual links and packets through one router that is both ends of them: no panic, what is not sent is not changed,
//! and no packet of one customer leaves to the other.

use arbitrary::{Result, Unstructured};
use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, SaId, VlinkId, VrfId};
use fwd_core::op::{
    Deliver, Encapsulation, Ends, FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel, Vlink,
};
use fwd_core::table::{
    CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, Rib6Node, VlinkSlot, VlinkState, VrfSlot, Word,
};
use fwd_core::{Forwarder, Frame, Verdict};

const LINKS: u32 = 6;
const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// Interface 0 is the core's, 1 and 2 belong to VRFs 1 and 2.
fn furnish(f: &mut Forwarder<'_>) {
    let interface = |vrf| Interface { vrf: VrfId(vrf), mac: OURS, mtu: 1500, mpls: vrf == 0 };
    let entry =
        |id, push, next| FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model: TunnelModel::Pipe } };
    let neighbor = |iface| NextHop::Neighbor { iface: IfIndex(iface), mac: THEIRS };
    for i in 0..3 {
        f.apply(&FwdOp::SetInterface { iface: IfIndex(i), interface: interface(i as u16) }).unwrap();
        f.apply(&entry(i, LabelStack::EMPTY, neighbor(i))).unwrap();
    }
    for i in 0..LINKS {
        let label = if i % 2 == 0 { LabelStack::EMPTY } else { LabelStack::single(Label::new(16 + i).unwrap()) };
        f.apply(&entry(3 + i, label, NextHop::Vlink(VlinkId(i)))).unwrap();
        let action = IlmAction::PopLookup(VrfId(1 + i as u16 % 2));
        let ilm = Ilm { action, model: TunnelModel::Pipe };
        f.apply(&FwdOp::SetIlm { label: Label::new(16 + i).unwrap(), ilm }).unwrap();
    }
    for last in 1..3_u8 {
        let (v4, v6) = (format!("192.0.2.{last}/32"), format!("2001:db8::{last}/128"));
        let (vrf, action) = (VrfId::GLOBAL, RouteAction::Local);
        f.apply(&FwdOp::SetRoute4 { vrf, prefix: v4.parse().unwrap(), action }).unwrap();
        f.apply(&FwdOp::SetRoute6 { vrf, prefix: v6.parse().unwrap(), action }).unwrap();
    }
}

/// A link between our own two addresses, either way round.
fn link(u: &mut Unstructured<'_>) -> Result<Vlink> {
    let mut vlink: Vlink = u.arbitrary()?;
    let (near, far) = if u.arbitrary()? { (1, 2) } else { (2, 1) };
    let v6 = |last: u8| (0x2001_0db8_u128 << 96 | u128::from(last)).into();
    vlink.ends = match u.arbitrary()? {
        true => Ends::V4 { local: [192, 0, 2, near].into(), remote: [192, 0, 2, far].into() },
        false => Ends::V6 { local: v6(near), remote: v6(far) },
    };
    match &mut vlink.encapsulation {
        Encapsulation::GreKey(key) => *key %= 4,
        Encapsulation::L2tp(session) | Encapsulation::L2tpUdp(session) => session.id %= 4,
        _ => {}
    }
    if let Deliver::Vrf(vrf) = &mut vlink.deliver {
        vrf.0 = 1 + vrf.0 % 2;
    }
    vlink.protection = vlink.protection.map(|sa| SaId(sa.0 % 2));
    Ok(vlink)
}

/// An entry that leads to the core: its interface, or a link.
fn core_entry(number: u32) -> NhlfeId {
    NhlfeId(if number % 4 == 0 { 3 + number / 4 % LINKS } else { 0 })
}

fn op(u: &mut Unstructured<'_>) -> Result<FwdOp> {
    let id = VlinkId(u.int_in_range(0..=LINKS)?);
    Ok(match u.int_in_range(0..=7)? {
        0..=2 => FwdOp::SetVlink { id, vlink: link(u)? },
        3..=4 => {
            let FwdOp::SetVlinkOutput { mut output, .. } = (FwdOp::SetVlinkOutput { id, output: u.arbitrary()? })
            else {
                unreachable!()
            };
            output.next = core_entry(output.next.0);
            output.key = output.key.map(|key| key % 4);
            output.mtu = if u.ratio(1, 4)? { output.mtu } else { 1500 };
            FwdOp::SetVlinkOutput { id, output }
        }
        5 => FwdOp::ClearVlink { id },
        _ => {
            let vrf = u.int_in_range(1..=2_u16)?;
            // Out to the customer's own interface, or in to a link.
            let id = if u.ratio(1, 3)? { NhlfeId(u32::from(vrf)) } else { NhlfeId(3 + u.int_in_range(0..=LINKS - 1)?) };
            let (vrf, action) = (VrfId(vrf), RouteAction::Forward(id));
            match u.arbitrary()? {
                true => FwdOp::SetRoute4 { vrf, prefix: "10.0.0.0/8".parse().unwrap(), action },
                false => FwdOp::SetRoute6 { vrf, prefix: "fd00::/8".parse().unwrap(), action },
            }
        }
    })
}

/// Octets, forwarded; what was sent comes back as what arrives at the other end, at most three times.
fn forward(f: &mut Forwarder<'_>, customer: u32, octets: Vec<u8>, through: Option<SaId>) {
    let (mut octets, mut ingress) = (octets, IfIndex(customer));
    for _ in 0..3 {
        let mut buffer = vec![0xa5; Frame::HEADROOM];
        buffer.extend_from_slice(&octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
        let before = octets.clone();
        let verdict = match through {
            Some(sa) if ingress.0 == 0 => f.forward_unprotected(&mut frame, ingress, sa),
            _ => f.forward(&mut frame, ingress),
        };
        match verdict {
            Verdict::Transmit { iface, .. } | Verdict::Protect { iface, .. } => {
                assert!(frame.octets().len() <= 1514, "longer than the interface takes");
                // From a customer to the core, or within one VRF; from the core, labels and links say to whom.
                assert!(ingress.0 == 0 || iface.0 == 0 || iface == ingress, "{ingress} to {iface}");
                octets = frame.octets().to_vec();
                if iface.0 != 0 {
                    return;
                }
            }
            _ => {
                assert_eq!(frame.octets(), before);
                let _ = f.room_for(&frame, ingress);
                return;
            }
        }
        octets[..12].rotate_left(6);
        ingress = IfIndex(0);
    }
}

fn packet(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut octets = [OURS.0, THEIRS.0].concat();
    let len = u.int_in_range(0..=64_u16)?;
    if u.arbitrary()? {
        octets.extend([8, 0]);
        let header = fwd_core::wire::Ipv4::outer(
            [10, 0, 0, 1].into(),
            [10, 0, 0, 2].into(),
            fwd_core::wire::IpProtocol(u.arbitrary()?),
            20 + len,
            u.arbitrary()?,
            u.arbitrary()?,
        );
        octets.extend(header.0);
    } else {
        octets.extend([0x86, 0xdd]);
        let (source, destination) = ((0xfd_u128 << 120 | 1).into(), (0xfd_u128 << 120 | 2).into());
        let protocol = fwd_core::wire::IpProtocol(u.arbitrary()?);
        let header = fwd_core::wire::Ipv6::outer(source, destination, protocol, len, u.arbitrary()?, u.arbitrary()?);
        octets.extend(header.0);
    }
    octets.extend(std::iter::repeat_n(7, len.into()));
    if u.ratio(1, 8)? {
        let at = u.choose_index(octets.len())?;
        octets[at] ^= u.arbitrary::<u8>()?;
    }
    Ok(octets)
}

fn steps(f: &mut Forwarder<'_>, u: &mut Unstructured<'_>) -> Result<()> {
    while !u.is_empty() {
        if u.arbitrary()? {
            let op = op(u)?;
            assert_eq!(FwdOp::parse(&op.emit()), Ok(op));
            let _ = f.apply(&op);
        } else if u.ratio(1, 4)? {
            // Anything at all, from the core.
            let mut octets = [OURS.0, THEIRS.0].concat();
            octets.extend_from_slice(u.bytes(u.len().min(100))?);
            forward(f, 0, octets, None);
        } else {
            let through = if u.ratio(1, 4)? { Some(SaId(u.int_in_range(0..=1)?)) } else { None };
            let customer = u.int_in_range(1..=2)?;
            forward(f, customer, packet(u)?, through);
        }
    }
    Ok(())
}

/// Reads ops and packets from `data`, until it ends.
pub fn bridge_vlink(data: &[u8]) {
    let mut interfaces = [const { InterfaceSlot::EMPTY }; 4];
    let mut vrfs = [const { VrfSlot::EMPTY }; 3];
    let mut nhlfes = [const { NhlfeSlot::EMPTY }; 4 + LINKS as usize];
    let mut ilm = [const { IlmSlot::EMPTY }; 16];
    let (mut rib4, mut rib6) = ([Rib4Node::EMPTY; 16], [Rib6Node::EMPTY; 16]);
    let (mut fib4, mut fib6) = ([const { Word::ZERO }; 1500], [const { Word::ZERO }; 3000]);
    let mut vlinks = [const { VlinkSlot::EMPTY }; LINKS as usize + 1];
    let mut vlink_index = [const { Word::ZERO }; LINKS as usize];
    let mut states = [VlinkState::EMPTY; LINKS as usize];
    let memory = Memory {
        interfaces: &mut interfaces,
        vrfs: &mut vrfs,
        nhlfes: &mut nhlfes,
        ilm: &mut ilm,
        rib4: &mut rib4,
        fib4: &mut fib4,
        rib6: &mut rib6,
        fib6: &mut fib6,
        vlinks: &mut vlinks,
        vlink_index: &mut vlink_index,
        ..Memory::default()
    };
    let counters = CounterMemory { vlinks: &mut states, ..CounterMemory::default() };
    let mut forwarder = Forwarder::new(memory, counters).unwrap();
    furnish(&mut forwarder);
    let _ = steps(&mut forwarder, &mut Unstructured::new(data));
}
