//! Labelled packets in multicast frames: one frame for all label switching routers of a LAN (RFC 5332 §4, §8, RFC 5331 §7).

mod switching;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::wire::{EtherType, Ethernet, LabelEntry};
use fwd_core::{DropReason, Forwarder};
use proptest::prelude::*;
use switching::*;

/// The LAN's interface.
const LAN: IfIndex = IfIndex(8);
/// Label space of the LAN's context labels, and those of two routers on it.
const SPACES: [LabelSpaceId; 3] = [LabelSpaceId(1), LabelSpaceId(2), LabelSpaceId(3)];
const CONTEXT: u32 = 0x12345;
const OTHER_CONTEXT: u32 = 0x12346;
const TREE: u32 = 0xabcde;

fn entry(value: u32, is_bottom: bool, ttl: u8) -> [u8; 4] {
    LabelEntry::new(label(value), 5, is_bottom, ttl).0
}

/// A frame from the core or the LAN.
fn frame(destination: Mac, ethertype: EtherType, labels: &[[u8; 4]]) -> Vec<u8> {
    [&Ethernet::new(destination, NEXT, ethertype).0[..], &labels.concat(), &DATA].concat()
}

/// A frame of this router's to the LAN.
fn to_lan(destination: [u8; 6], ethertype: EtherType, labels: &[[u8; 4]]) -> Vec<u8> {
    [&Ethernet::new(Mac(destination), OURS, ethertype).0[..], &labels.concat(), &DATA].concat()
}

/// The LAN takes labels.
fn lsr() -> Forwarder<'static> {
    let mut f = forwarder();
    let interface = Interface { mpls: true, ..f.interface(LAN).unwrap() };
    apply(&mut f, [FwdOp::SetInterface { iface: LAN, interface }]);
    f
}

/// An entry that pushes labels, for the LAN.
fn lan_entry(f: &mut Forwarder<'_>, id: u32, push: &[u32], top: Assigned) {
    let push: Vec<Label> = push.iter().map(|value| label(*value)).collect();
    let push = LabelStack::new(&push).unwrap();
    let nhlfe = Nhlfe { push, next: NextHop::Lan { iface: LAN, top }, model: TunnelModel::Uniform };
    apply(f, [FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe }]);
}

/// A label of the per-platform space whose packets are copied to one entry.
fn branch(f: &mut Forwarder<'_>, value: u32, group: u32, id: u32) {
    let id = LegTarget::Nhlfe(NhlfeId(id));
    let owner = VsiOrVrf::Vrf(VrfId::GLOBAL);
    let ilm = Ilm { action: IlmAction::Replicate(ReplicationId(group)), model: TunnelModel::Uniform };
    apply(f, [FwdOp::SetReplication { id: ReplicationId(group), owner }]);
    apply(f, [FwdOp::SetLeg { group: ReplicationId(group), leg: 0, target: id }]);
    apply(f, [FwdOp::SetIlm { label: label(value), ilm }]);
}

fn sent(fate: Fate) -> Vec<u8> {
    let Fate::Sent(sent) = fate else { panic!("{fate:?}") };
    assert_eq!(sent.len(), 1);
    let [frame] = &sent.into_values().next().unwrap()[..] else { panic!() };
    frame.clone()
}

/// The MAC address has the second label of the stack in it, whether this router pushed it or it was below the label that arrived, or
/// the only label there is. The Ethertype says who assigned the label on top.
///
/// Shows: L2VPN-5.2-2
#[test]
fn a_frame_for_a_lan_has_the_second_label_in_its_address() {
    let mut f = lsr();
    lan_entry(&mut f, 10, &[CONTEXT, TREE], Assigned::Upstream);
    lan_entry(&mut f, 11, &[0x54321], Assigned::Downstream);
    branch(&mut f, 40, 2, 10);
    branch(&mut f, 41, 3, 11);
    for (value, id) in [(50, 10), (51, 11)] {
        let ilm = Ilm { action: IlmAction::Forward(NhlfeId(id)), model: TunnelModel::Uniform };
        apply(&mut f, [FwdOp::SetIlm { label: label(value), ilm }]);
    }
    let arriving = |value, inner: bool| match inner {
        true => frame(OURS, EtherType::MPLS, &[entry(value, false, 30), entry(17, true, 64)]),
        false => frame(OURS, EtherType::MPLS, &[entry(value, true, 30)]),
    };
    // Copied, and forwarded by a label: the same octets.
    for (copied, forwarded, inner, expected) in [
        (
            40,
            50,
            true,
            to_lan(
                [0x01, 0x00, 0x5e, 0x8a, 0xbc, 0xde],
                EtherType::MPLS_UPSTREAM,
                &[entry(CONTEXT, false, 29), entry(TREE, false, 29), entry(17, true, 64)],
            ),
        ),
        (
            40,
            50,
            false,
            to_lan(
                [0x01, 0x00, 0x5e, 0x8a, 0xbc, 0xde],
                EtherType::MPLS_UPSTREAM,
                &[entry(CONTEXT, false, 29), entry(TREE, true, 29)],
            ),
        ),
        (
            41,
            51,
            true,
            to_lan(
                [0x01, 0x00, 0x5e, 0x80, 0x00, 0x11],
                EtherType::MPLS,
                &[entry(0x54321, false, 29), entry(17, true, 64)],
            ),
        ),
        (41, 51, false, to_lan([0x01, 0x00, 0x5e, 0x85, 0x43, 0x21], EtherType::MPLS, &[entry(0x54321, true, 29)])),
    ] {
        assert_eq!(sent(forward(&mut f, 9, &arriving(copied, inner))), expected);
        assert_eq!(sent(forward(&mut f, 9, &arriving(forwarded, inner))), expected);
    }
    // Without a label there is nothing that the routers could tell the packet by.
    lan_entry(&mut f, 10, &[], Assigned::Downstream);
    assert_eq!(forward(&mut f, 9, &arriving(50, true)), Fate::Drop(DropReason::NoNhlfe));
}

/// A receiver with the two routers' label spaces: what each calls `TREE` is something else.
fn receiver() -> Forwarder<'static> {
    let mut f = lsr();
    let [lan, one, other] = SPACES;
    branch(&mut f, 40, 2, 7);
    branch(&mut f, 41, 3, 6);
    let to = |action| Ilm { action, model: TunnelModel::Uniform };
    for (space, value, action) in [
        (lan, CONTEXT, IlmAction::Context(one)),
        (lan, OTHER_CONTEXT, IlmAction::Context(other)),
        (one, TREE, IlmAction::Replicate(ReplicationId(2))),
        (other, TREE, IlmAction::Replicate(ReplicationId(3))),
    ] {
        apply(&mut f, [FwdOp::SetContextIlm { space, label: label(value), ilm: to(action) }]);
    }
    apply(&mut f, [FwdOp::SetUpstreamSpace { iface: LAN, space: lan }]);
    f
}

fn upstream(destination: [u8; 6], context: u32, tree: u32) -> Vec<u8> {
    let labels = [entry(context, false, 29), entry(tree, false, 29), entry(17, true, 64)];
    frame(Mac(destination), EtherType::MPLS_UPSTREAM, &labels)
}

/// The context label names the sender, whose label space the label below is of. No value in the MAC address is a reason not to take a
/// frame (RFC 5332 §8).
#[test]
fn a_receiver_knows_the_sender_by_its_context_label() {
    let mut f = receiver();
    for tail in [[0x80, 0, 0], [0x8a, 0xbc, 0xde], [0x8f, 0xff, 0xff]] {
        let destination = [0x01, 0x00, 0x5e, tail[0], tail[1], tail[2]];
        for (context, label) in [(CONTEXT, 1007), (OTHER_CONTEXT, 1006)] {
            let out = sent(forward(&mut f, 8, &upstream(destination, context, TREE)));
            let labels = [LabelEntry::new(self::label(label), 5, false, 28).0, entry(17, true, 64)];
            assert_eq!(out[14..22], labels.concat());
            assert_eq!((out[..6].to_vec(), out[12..14].to_vec()), (NEXT.0.to_vec(), vec![0x88, 0x47]));
        }
    }
    let multicast = Mac::MPLS_MULTICAST.0;
    let fate = forward(&mut f, 8, &upstream(multicast, CONTEXT + 7, TREE));
    assert_eq!(fate, Fate::Drop(DropReason::UnknownLabel));
    let fate = forward(&mut f, 8, &upstream(multicast, CONTEXT, TREE + 1));
    assert_eq!(fate, Fate::Drop(DropReason::NoContextBinding));
    // The same labels mean nothing in the per-platform space, nor those of the platform here.
    let fate = forward(&mut f, 8, &frame(OURS, EtherType::MPLS, &[entry(CONTEXT, false, 29), entry(TREE, true, 29)]));
    assert_eq!(fate, Fate::Drop(DropReason::UnknownLabel));
    let fate = forward(&mut f, 8, &upstream(multicast, 40, TREE));
    assert_eq!(fate, Fate::Drop(DropReason::UnknownLabel));
}

/// Frames of this Ethertype are taken from multicast frames alone, by an interface that was told to.
#[test]
fn upstream_assigned_labels_are_taken_where_they_are_known() {
    const REFUSED: Fate = Fate::Drop(DropReason::UnknownEthertype);
    let mut f = receiver();
    for destination in [OURS.0, Mac::BROADCAST.0, [0x01, 0x00, 0x5e, 0x01, 0x01, 0x01]] {
        assert_eq!(forward(&mut f, 8, &upstream(destination, CONTEXT, TREE)), REFUSED);
    }
    let frame = upstream(Mac::MPLS_MULTICAST.0, CONTEXT, TREE);
    assert_eq!(forward(&mut f, 9, &frame), REFUSED);
    let interface = f.interface(LAN).unwrap();
    apply(&mut f, [FwdOp::SetInterface { iface: LAN, interface: Interface { mpls: false, ..interface } }]);
    assert_eq!(forward(&mut f, 8, &frame), REFUSED);
    // What is said of the interface, and of its other label space, leaves this one as it is.
    let space = LabelSpaceId(9);
    apply(&mut f, [FwdOp::SetInterface { iface: LAN, interface }, FwdOp::SetLabelSpace { iface: LAN, space }]);
    apply(&mut f, [FwdOp::ClearLabelSpace { iface: LAN }]);
    assert_eq!(exits(&forward(&mut f, 8, &frame)), [9]);
    apply(&mut f, [FwdOp::ClearUpstreamSpace { iface: LAN }]);
    assert_eq!((forward(&mut f, 8, &frame), f.upstream_space(LAN)), (REFUSED, None));
    let gone = FwdOp::ClearUpstreamSpace { iface: IfIndex(77) };
    apply(&mut f, [gone]);
}

/// A label on top of a multicast frame that its receivers assigned is one of a multipoint LSP (RFC 5332 §4): others on the LAN have
/// the frame too, and none of them forwards what is for one router.
#[test]
fn a_multicast_frame_carries_no_unicast() {
    const REFUSED: Fate = Fate::Drop(DropReason::LinkBroadcast);
    let mut f = receiver();
    for (value, action) in [(50, IlmAction::Forward(NhlfeId(7))), (51, IlmAction::PopLookup(VrfId(1)))] {
        let ilm = Ilm { action, model: TunnelModel::Uniform };
        apply(&mut f, [FwdOp::SetIlm { label: label(value), ilm }]);
    }
    let ip = router_packet();
    let arriving = |destination: Mac, value| {
        let header = Ethernet::new(destination, NEXT, EtherType::MPLS).0;
        [&header[..], &entry(value, true, 30), &ip].concat()
    };
    assert_eq!(exits(&forward(&mut f, 8, &arriving(Mac::MPLS_MULTICAST, 40))), [9]);
    for value in [50, 51] {
        assert_eq!(forward(&mut f, 8, &arriving(Mac::MPLS_MULTICAST, value)), REFUSED);
    }
    for value in [40, 50, 51] {
        assert_eq!(forward(&mut f, 8, &arriving(Mac::BROADCAST, value)), REFUSED);
    }
    assert_eq!(exits(&forward(&mut f, 8, &arriving(OURS, 50))), [9]);
}

/// An IPv4 packet between unicast addresses.
fn router_packet() -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let sum = fwd_core::wire::checksum::of(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    ip
}

proptest! {
    /// Whatever the labels: what one router sends to the LAN, another finds by both of them.
    #[test]
    fn what_is_sent_to_a_lan_is_understood(context in 16_u32..1 << 20, tree in 16_u32..1 << 20) {
        let mut f = lsr();
        lan_entry(&mut f, 10, &[context, tree], Assigned::Upstream);
        branch(&mut f, 40, 2, 10);
        let out = sent(forward(&mut f, 9, &frame(OURS, EtherType::MPLS, &[entry(40, true, 30)])));
        let bits = u32::from_be_bytes([0, out[3] & 0xf, out[4], out[5]]);
        prop_assert_eq!((&out[..3], out[3] & 0xf0, bits), (&[0x01, 0x00, 0x5e][..], 0x80, tree));
        let mut f = receiver();
        let [lan, one, _] = SPACES;
        let to = |action| Ilm { action, model: TunnelModel::Uniform };
        let replicate = to(IlmAction::Replicate(ReplicationId(2)));
        apply(&mut f, [FwdOp::SetContextIlm { space: lan, label: label(context), ilm: to(IlmAction::Context(one)) }]);
        apply(&mut f, [FwdOp::SetContextIlm { space: one, label: label(tree), ilm: replicate }]);
        prop_assert_eq!(exits(&forward(&mut f, 8, &out)), [9]);
    }
}
