//! What the audit finds: every entry as an op, differences, ways of packets.

mod router;

use fwd_core::audit::{Finding, Path, Step, compare, entries};
use fwd_core::net::{IfIndex, NhlfeId, VlinkId, VrfId};
use fwd_core::op::{Deliver, Encapsulation, Ends, FwdOp, NextHop, RouteAction, TunnelModel, Vlink, VlinkOutput};
use fwd_core::wire::l2tpv3::Cookie;
use router::{Router, THEIRS, label};

fn furnished() -> Router {
    let mut r = Router::new();
    r.entry(1, &[500, 3], 0, TunnelModel::Pipe);
    r.nhlfe(2, &[600], NextHop::Nhlfe(NhlfeId(1)), TunnelModel::Uniform);
    r.nhlfe(3, &[], NextHop::Vlink(VlinkId(7)), TunnelModel::Pipe);
    r.nhlfe(4, &[], NextHop::Nhlfe(NhlfeId(4)), TunnelModel::Pipe);
    r.entry(5, &[], 8, TunnelModel::Pipe);
    let ends = Ends::V4 { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, 2].into() };
    let vlink = Vlink {
        ends,
        encapsulation: Encapsulation::GreKey(9),
        deliver: Deliver::Vrf(VrfId(1)),
        mpls: false,
        label_space: None,
        check_source: false,
        ordered: false,
        protection: None,
        model: TunnelModel::Pipe,
    };
    let output = VlinkOutput {
        next: NhlfeId(1),
        key: Some(9),
        cookie: Cookie::NONE,
        ports: (0, 0),
        numbered: false,
        mtu: 1500,
        ttl: 64,
        dscp: None,
        protection: None,
    };
    r.apply(FwdOp::SetVlink { id: VlinkId(7), vlink });
    r.apply(FwdOp::SetVlinkOutput { id: VlinkId(7), output });
    r.pop_lookup(16, 1, TunnelModel::Pipe);
    r.forward_label(1015, 2, TunnelModel::Uniform);
    for (vrf, prefix, id) in [(1, "10.0.0.0/8", 2), (1, "10.1.0.0/16", 3), (2, "fd00::/8", 4), (2, "10.0.0.0/8", 5)] {
        r.route_to(vrf, prefix, id);
    }
    r.route(1, "10.2.0.0/16", RouteAction::Local);
    r
}

/// The entries make the same tables elsewhere, and agree with the tables they came from.
#[test]
fn entries_are_the_ops_that_make_them() {
    let first = furnished();
    let ops: Vec<FwdOp> = entries(&first.0).collect();
    assert_eq!(ops.len(), 4 + 5 + 2 + 2 + 5);
    let mut second = Router::new();
    for iface in 0..4 {
        second.apply(FwdOp::ClearInterface { iface: IfIndex(iface) });
    }
    assert_eq!(entries(&second.0).count(), 0);
    for op in &ops {
        assert_eq!(compare(&first.0, op), Ok(()));
        assert_eq!(compare(&second.0, op), Err(Finding::Missing), "{op:?}");
    }
    for op in &ops {
        second.apply(*op);
    }
    assert!(entries(&second.0).eq(ops));
}

#[test]
fn differences_are_found() {
    let mut r = furnished();
    let prefix = "10.0.0.0/8".parse().unwrap();
    let set = |action| FwdOp::SetRoute4 { vrf: VrfId(1), prefix, action };
    let held = set(RouteAction::Forward(NhlfeId(2)));
    assert_eq!(compare(&r.0, &set(RouteAction::Discard)), Err(Finding::Different(held)));
    let clear = FwdOp::ClearRoute4 { vrf: VrfId(1), prefix };
    assert_eq!(compare(&r.0, &clear), Err(Finding::Present(held)));
    r.apply(clear);
    assert_eq!((compare(&r.0, &clear), compare(&r.0, &held)), (Ok(()), Err(Finding::Missing)));

    let other = FwdOp::ClearVlink { id: VlinkId(7) };
    assert!(matches!(compare(&r.0, &other), Err(Finding::Present(FwdOp::SetVlink { id: VlinkId(7), .. }))));
    r.apply(other);
    assert_eq!(compare(&r.0, &other), Ok(()));
    assert_eq!(compare(&r.0, &FwdOp::ClearIlm { label: label(999) }), Ok(()));
    assert!(matches!(compare(&r.0, &FwdOp::ClearIlm { label: label(16) }), Err(Finding::Present(_))));
}

#[test]
fn ways_are_told() {
    let r = furnished();
    let way = |vrf, to: &str| Path::to(&r.0, VrfId(vrf), to.parse().unwrap()).to_string();
    let mac = THEIRS.to_string();
    assert_eq!(way(1, "10.9.9.9"), format!("route of vrf1 -> nhlfe2 push [600] -> nhlfe1 push [500] -> if0 to {mac}"));
    let vlink = format!("route of vrf1 -> nhlfe3 -> vlink7 -> nhlfe1 push [500] -> if0 to {mac}");
    assert_eq!(way(1, "10.1.9.9"), vlink);
    assert_eq!(way(1, "10.2.9.9"), "route of vrf1 -> software");
    assert_eq!(way(1, "11.0.0.1"), "nothing");
    assert!(way(2, "fd00::1").ends_with("nhlfe4 -> nhlfe4 -> too many entries"));
    assert_eq!(way(2, "10.0.0.1"), format!("route of vrf2 -> nhlfe5 -> if8 to {mac} -> nothing"));
    assert_eq!(Path::of_label(&r.0, label(16)).to_string(), "label 16, look up in vrf1");
    let steps = Path::of_label(&r.0, label(1015));
    assert_eq!(steps.steps().last(), Some(&Step::Interface(IfIndex(0), THEIRS)));
    assert_eq!(Path::of_label(&r.0, label(17)).steps(), [Step::Nothing]);
}
