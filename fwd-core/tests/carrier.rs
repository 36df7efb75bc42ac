//! Customers that are carriers (RFC 4364 §9, RFC 6514 §15): labels that are an interface's own, and the copies of a VRF's labelled packets.

mod router;

use fwd_core::net::{IfIndex, LabelSpaceId, NhlfeId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, TunnelModel, VsiOrVrf};
use fwd_core::{DropReason, Frame, Replica, Verdict};

use router::{Router, Sent, ip, label, labelled, read};

/// CEs: 2 and 4 of VRF 1, 3 of VRF 2. 0 and 1 are core links.
const CE: u32 = 2;
const OTHER_CE: u32 = 4;
const OTHER_VPN: u32 = 3;
/// The customer's tree and the provider's.
const TREE: ReplicationId = ReplicationId(0);
const OUTER: ReplicationId = ReplicationId(1);

fn space(iface: u32) -> LabelSpaceId {
    LabelSpaceId(iface)
}

fn pipe(action: IlmAction) -> Ilm {
    Ilm { action, model: TunnelModel::Pipe }
}

/// A tree of VRF 1 from its CE to its other CE and into the core.
fn carrier() -> Router {
    let mut router = Router::new();
    for (iface, vrf) in [(CE, 1), (OTHER_CE, 1), (OTHER_VPN, 2)] {
        router.interface(iface, vrf, true, 1500);
        router.apply(FwdOp::SetLabelSpace { iface: IfIndex(iface), space: space(iface) });
    }
    router.apply(FwdOp::SetReplication { id: TREE, owner: VsiOrVrf::Vrf(VrfId(1)) });
    for (leg, labels, iface) in [(0, &[600][..], OTHER_CE), (1, &[700, 800], 0)] {
        router.entry(leg, labels, iface, TunnelModel::Pipe);
        router.apply(FwdOp::SetLeg { group: TREE, leg: leg as u16, target: LegTarget::Nhlfe(NhlfeId(leg)) });
    }
    router
}

fn copies(router: &mut Router, iface: u32, octets: &[u8]) -> Result<Vec<Sent>, Verdict> {
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let verdict = router.0.forward(&mut frame, IfIndex(iface));
    let Verdict::Replicate(replication) = verdict else { return Err(verdict) };
    let mut sent = Vec::new();
    let mut copies = router.0.copies(&frame, replication);
    while let Some(replica) = copies.next() {
        let Replica::Transmit { iface, class, front, payload, .. } = replica else { panic!("{replica:?}") };
        sent.push(read(iface.0, class, &[front, &frame.octets()[payload]].concat()));
    }
    Ok(sent)
}

/// Where copies went, and with which labels.
fn ways(sent: &[Sent]) -> Vec<(u32, Vec<u32>)> {
    sent.iter().map(|s| (s.iface, s.labels.iter().map(|(label, ..)| *label).collect())).collect()
}

fn packet(label: u32) -> Vec<u8> {
    labelled(&[(label, 0, 60)], &ip("232.1.1.1", 60, 0))
}

/// One label of the tree's was given to one CE: from there copies go to the site and the core, the label swapped for the legs'. Given to
/// nobody, or to the CE of another VPN, the same label on another interface is unknown.
///
/// Shows: MVPN-CSC-3
#[test]
fn a_label_is_good_on_the_interface_that_it_was_given_on() {
    let mut router = carrier();
    let ilm = pipe(IlmAction::Replicate(TREE));
    router.apply(FwdOp::SetContextIlm { space: space(CE), label: label(100), ilm });
    let sent = copies(&mut router, CE, &packet(100)).unwrap();
    assert_eq!(ways(&sent), [(OTHER_CE, vec![600]), (0, vec![700, 800])]);
    assert!(sent.iter().all(|s| s.ttl == 60), "what is below the label stays");
    for iface in [OTHER_CE, OTHER_VPN, 0] {
        let refused = copies(&mut router, iface, &packet(100));
        assert_eq!(refused.unwrap_err(), Verdict::Drop(DropReason::UnknownLabel), "interface {iface}");
    }
    let cleared = FwdOp::ClearContextIlm { space: space(CE), label: label(100) };
    router.apply(cleared);
    assert_eq!(copies(&mut router, CE, &packet(100)).unwrap_err(), Verdict::Drop(DropReason::UnknownLabel));
}

/// Whatever the tables say, packets of one VPN do not reach the tree of another, and copies of a tree do not leave to another VPN's site.
#[test]
fn a_tree_is_its_own_vpns() {
    let mut router = carrier();
    let ilm = pipe(IlmAction::Replicate(TREE));
    router.apply(FwdOp::SetContextIlm { space: space(OTHER_VPN), label: label(100), ilm });
    assert_eq!(copies(&mut router, OTHER_VPN, &packet(100)).unwrap_err(), Verdict::Drop(DropReason::ForeignGroup));
    // By the core it may come: from another PE.
    router.apply(FwdOp::SetIlm { label: label(101), ilm });
    assert_eq!(copies(&mut router, 1, &packet(101)).unwrap().len(), 2);
    router.entry(2, &[900], OTHER_VPN, TunnelModel::Pipe);
    router.apply(FwdOp::SetLeg { group: TREE, leg: 2, target: LegTarget::Nhlfe(NhlfeId(2)) });
    let lost = router.0.counters().lost(DropReason::ForeignGroup);
    let sent = copies(&mut router, 1, &packet(101)).unwrap();
    assert_eq!(ways(&sent), [(OTHER_CE, vec![600]), (0, vec![700, 800])]);
    assert_eq!(router.0.counters().lost(DropReason::ForeignGroup) - lost, 1);
}

/// A P-tunnel that ends at this router, beside copies that go on: what is below an upstream-assigned label, or the whole tunnel, is the
/// customer's tree.
#[test]
fn a_tree_begins_where_the_providers_ends() {
    let mut router = carrier();
    router.apply(FwdOp::SetReplication { id: OUTER, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) });
    router.entry(3, &[500], 1, TunnelModel::Pipe);
    router.apply(FwdOp::SetLeg { group: OUTER, leg: 1, target: LegTarget::Nhlfe(NhlfeId(3)) });
    router.apply(FwdOp::SetIlm { label: label(200), ilm: pipe(IlmAction::Replicate(OUTER)) });
    let upstream = LabelSpaceId(50);
    let ilm = pipe(IlmAction::Replicate(TREE));
    router.apply(FwdOp::SetContextIlm { space: upstream, label: label(300), ilm });
    let inside = labelled(&[(200, 0, 60), (300, 0, 60)], &ip("232.1.1.1", 60, 0));
    let here = [(OTHER_CE, vec![600]), (0, vec![700, 800])];
    // With an upstream-assigned label.
    router.apply(FwdOp::SetLeg { group: OUTER, leg: 0, target: LegTarget::Context(upstream) });
    let all = [&here[..], &[(1, vec![500, 300])]].concat();
    assert_eq!(ways(&copies(&mut router, 1, &inside).unwrap()), all);
    // A tunnel of the tree's own.
    router.apply(FwdOp::SetLeg { group: OUTER, leg: 0, target: LegTarget::Group(TREE) });
    let all = [&here[..], &[(1, vec![500])]].concat();
    assert_eq!(ways(&copies(&mut router, 1, &packet(200)).unwrap()), all);
    // The only receiver.
    router.apply(FwdOp::SetIlm { label: label(200), ilm: pipe(IlmAction::Context(upstream)) });
    assert_eq!(ways(&copies(&mut router, 1, &inside).unwrap()), here);
}
