//! Groups of entries, pairs that protect each other, entropy labels.

mod router;

use fwd_core::net::{EcmpId, IfIndex, NhlfeId, ProtectionId};
use fwd_core::op::{Bucket, FwdOp, NextHop, TunnelModel};
use fwd_core::{DropReason, Verdict};
use router::{Router, ip, label, labelled, plain};

const GROUP: EcmpId = EcmpId(1);
const PAIR: ProtectionId = ProtectionId(1);

fn bucket(n: u8) -> Bucket {
    Bucket::new(n).unwrap()
}

/// Destinations of 256 flows, all behind one route.
fn flows() -> impl Iterator<Item = String> {
    (0..=255).map(|n| format!("10.7.0.{n}"))
}

/// Two paths, over interfaces 0 and 1, that share the buckets of a group.
fn two_paths() -> Router {
    let mut r = Router::new();
    r.entry(0, &[600], 0, TunnelModel::Pipe);
    r.entry(1, &[601], 1, TunnelModel::Pipe);
    r.nhlfe(2, &[500], NextHop::Ecmp(GROUP), TunnelModel::Pipe);
    for n in 0..64 {
        r.apply(FwdOp::SetBucket { group: GROUP, bucket: bucket(n), entry: NhlfeId(u32::from(n % 2)) });
    }
    r.route_to(1, "10.7.0.0/16", 2);
    r
}

#[test]
fn flows_are_spread_and_each_keeps_its_path() {
    let mut r = two_paths();
    let path = |r: &mut Router, to: &str| r.send(2, &plain(&ip(to, 64, 0))).unwrap().iface;
    let before: Vec<u32> = flows().map(|to| path(&mut r, &to)).collect();
    let second = before.iter().filter(|&&iface| iface == 1).count();
    assert!((80..176).contains(&second), "{second} of 256");
    // Half of the buckets of the first path move to the second: no flow of the second moves.
    for n in (0..32).step_by(2) {
        r.apply(FwdOp::SetBucket { group: GROUP, bucket: bucket(n), entry: NhlfeId(1) });
    }
    let after: Vec<u32> = flows().map(|to| path(&mut r, &to)).collect();
    assert!(before.iter().zip(&after).all(|(&before, &after)| after == 1 || before == 0));
    assert!(before != after && after.contains(&0));
    // The first path goes.
    for n in (0..64).step_by(2) {
        r.apply(FwdOp::ClearBucket { group: GROUP, bucket: bucket(n) });
    }
    assert!(flows().all(|to| path(&mut r, &to) == 1));
    for n in 0..64 {
        r.apply(FwdOp::ClearBucket { group: GROUP, bucket: bucket(n) });
    }
    assert_eq!(r.send(2, &plain(&ip("10.7.0.1", 64, 0))), Err(Verdict::Drop(DropReason::NoNhlfe)));
}

/// Labelled packets are spread by what the labels do not change: their own flow.
#[test]
fn a_transit_router_spreads_by_the_entropy_label() {
    let mut r = two_paths();
    r.nhlfe(3, &[], NextHop::Ecmp(GROUP), TunnelModel::Uniform);
    r.nhlfe(4, &[700], NextHop::Nhlfe(NhlfeId(3)), TunnelModel::Uniform);
    r.forward_label(100, 4, TunnelModel::Uniform);
    let mut path = |entropy: u32, to: &str| {
        let frame = labelled(&[(100, 0, 64), (7, 0, 64), (entropy, 0, 0), (99, 0, 64)], &ip(to, 64, 0));
        r.send(0, &frame).unwrap().iface
    };
    let paths: Vec<u32> = (1000..1064).map(|entropy| path(entropy, "10.7.0.1")).collect();
    assert!(paths.contains(&0) && paths.contains(&1));
    assert!((1000..1064).zip(paths).all(|(entropy, iface)| path(entropy, "10.9.9.9") == iface));
}

/// One op turns everything round, whatever the number of routes.
#[test]
fn a_pair_switches_every_route_at_once() {
    let mut r = two_paths();
    r.apply(FwdOp::SetProtection { id: PAIR, primary: NhlfeId(0), backup: NhlfeId(1) });
    for n in 0..40 {
        r.nhlfe(10 + n, &[1000 + n], NextHop::Protected(PAIR), TunnelModel::Pipe);
    }
    let prefixes: Vec<String> = (0..40).map(|n| format!("10.8.{n}.0/24")).collect();
    for (n, prefix) in (10..).zip(&prefixes) {
        r.route_to(1, prefix, n);
    }
    for (backup, iface, transport) in [(false, 0, 600), (true, 1, 601), (false, 0, 600)] {
        r.apply(FwdOp::SwitchOver { id: PAIR, backup });
        for (n, vpn) in (0..40).zip(1000..) {
            let sent = r.send(2, &plain(&ip(&format!("10.8.{n}.1"), 64, 0))).unwrap();
            let labels: Vec<u32> = sent.labels.iter().map(|&(label, ..)| label).collect();
            assert_eq!((sent.iface, labels), (iface, vec![transport, vpn]));
        }
    }
    r.apply(FwdOp::ClearProtection { id: PAIR });
    assert_eq!(r.send(2, &plain(&ip("10.8.0.1", 64, 0))), Err(Verdict::Drop(DropReason::NoNhlfe)));
}

/// An interface goes down: one op turns every pair that watches it, and all their routes, and none else.
#[test]
fn an_interface_that_goes_down_switches_every_pair_that_watches_it() {
    const OTHER: ProtectionId = ProtectionId(0);
    let mut r = two_paths();
    let path = |r: &mut Router, n: u32| r.send(2, &plain(&ip(&format!("10.8.{n}.1"), 64, 0))).unwrap().iface;
    let first = IfIndex(0);
    assert!(r.0.apply(&FwdOp::SetWatch { id: PAIR, iface: first }).is_err(), "there is no such pair");
    for (n, id) in [(0, PAIR), (1, OTHER)] {
        r.apply(FwdOp::SetProtection { id, primary: NhlfeId(0), backup: NhlfeId(1) });
        r.apply(FwdOp::SetWatch { id, iface: first });
        r.nhlfe(10 + n, &[1000 + n], NextHop::Protected(id), TunnelModel::Pipe);
        r.route_to(1, &format!("10.8.{n}.0/24"), 10 + n);
    }
    let state = |down| FwdOp::SetInterfaceState { iface: first, down };
    for (down, iface) in [(false, 0), (true, 1), (true, 1), (false, 0)] {
        r.apply(state(down));
        assert_eq!([path(&mut r, 0), path(&mut r, 1)], [iface; 2]);
    }
    r.apply(state(true));
    // What an interface is does not bring it up.
    r.interface(0, 0, true, 1400);
    assert_eq!(path(&mut r, 0), 1);
    r.apply(FwdOp::ClearWatch { id: OTHER });
    assert_eq!([path(&mut r, 0), path(&mut r, 1)], [1, 0]);
    // Nor does its return undo what an operator switched.
    r.apply(FwdOp::SwitchOver { id: PAIR, backup: true });
    r.apply(state(false));
    assert_eq!(path(&mut r, 0), 1);
    r.apply(FwdOp::SwitchOver { id: PAIR, backup: false });
    assert_eq!(path(&mut r, 0), 0);
    // An interface that is gone is down; one that is made anew is up.
    r.apply(state(true));
    r.apply(FwdOp::ClearInterface { iface: first });
    assert_eq!(path(&mut r, 0), 1);
    assert!(r.0.apply(&state(true)).is_err(), "there is no such interface");
    r.interface(0, 0, true, 1500);
    assert_eq!(path(&mut r, 0), 0);
}

/// Shows: L2VPN-5.2-9
#[test]
fn an_entropy_label_is_pushed_and_popped() {
    let mut r = Router::new();
    r.entry(0, &[600, 7], 0, TunnelModel::Uniform);
    r.nhlfe(1, &[500], NextHop::Nhlfe(NhlfeId(0)), TunnelModel::Uniform);
    r.route_to(1, "10.7.0.0/16", 1);
    let mut entropies = Vec::new();
    for to in flows().chain(flows()) {
        let sent = r.send(2, &plain(&ip(&to, 64, 0))).unwrap();
        let [tunnel, indicator, entropy, vpn] = sent.labels[..] else { panic!("{sent:?}") };
        assert_eq!((tunnel, indicator, vpn), ((600, 0, false, 63), (7, 0, false, 63), (500, 0, true, 63)));
        let (value, _, bottom, ttl) = entropy;
        assert!(value > 15 && !bottom && ttl == 0);
        entropies.push(value);
    }
    assert_eq!(entropies[..256], entropies[256..]);
    let mut distinct = entropies.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 250);

    // Without a label below, the entropy label is the bottom of the stack.
    r.route_to(1, "10.9.0.0/16", 0);
    let sent = r.send(2, &plain(&ip("10.9.0.1", 64, 0))).unwrap();
    assert_eq!(sent.labels.iter().map(|&(_, _, bottom, _)| bottom).collect::<Vec<_>>(), [false, false, true]);

    // At the far end they go together, whether the tunnel's label was popped before or is popped here.
    r.entry(9, &[], 2, TunnelModel::Uniform);
    r.route_to(1, "10.1.0.0/16", 9);
    r.pop_lookup(600, 0, TunnelModel::Uniform);
    r.pop_lookup(500, 1, TunnelModel::Uniform);
    let packet = ip("10.1.0.1", 64, 0);
    for above in [&[(600, 0, 50)][..], &[]] {
        let labels = [above, &[(7, 0, 50), (123_456, 0, 0), (500, 0, 50)]].concat();
        let sent = r.send(0, &labelled(&labels, &packet)).unwrap();
        assert_eq!((sent.iface, sent.labels.len(), sent.ttl), (2, 0, 49));
    }
    // A VPN label above: what is below the entropy label is the VPN's.
    let sent = r.send(0, &labelled(&[(500, 0, 50), (7, 0, 50), (123_456, 0, 0)], &packet)).unwrap();
    assert_eq!(sent.iface, 2);
    let bottom = labelled(&[(7, 0, 50)], &packet);
    assert_eq!(r.send(0, &bottom), Err(Verdict::Drop(DropReason::SpecialPurposeLabel)));
    assert_eq!(label(7), fwd_core::net::Label::ENTROPY_INDICATOR);
}
