//! Quality of service as a part that can be left out (feature `qos`): `cargo test -p fwd-core --no-default-features --test qos`.

mod router;

use fwd_core::net::{PolicerId, ReplicationId, VrfId};
use fwd_core::op::*;
use fwd_core::table::ApplyError;
use router::{Router, ip, plain};

const QOS: bool = cfg!(feature = "qos");

fn router() -> Router {
    let mut r = Router::new();
    r.entry(1, &[500], 0, TunnelModel::Uniform);
    r.route_to(1, "10.0.0.0/8", 1);
    r.apply(FwdOp::SetMulticastVrf { vrf: VrfId(1), multicast: MulticastVrf { punt_no_route: true } });
    r.apply(FwdOp::SetReplication { id: ReplicationId(1), owner: VsiOrVrf::Vrf(VrfId(1)) });
    r
}

/// With the feature, policers and marks are taken and do what they say. Without it, each such op is refused for that reason, nothing changes, and
/// unicast packets are forwarded as ever: labels and classes by the tunnel's model. The unicast tests run without it in CI.
///
/// Shows: L3VPN-TSK-6
#[test]
fn quality_of_service_can_be_left_out() {
    let mut r = router();
    let rates = Rates::Single { cir: 1, cbs: 1, ebs: 0 };
    let policer = Policer { rates, unit: Unit::Packets, drop_yellow: true };
    let code = CodePoint::new(46).unwrap();
    let multicast = PolicePoint::Multicast(VrfId(1));
    let set = [
        FwdOp::SetPolicer { id: PolicerId(0), policer },
        FwdOp::SetPolicePoint { at: multicast, policer: PolicerId(0) },
        FwdOp::SetPolicePoint { at: PolicePoint::Group(ReplicationId(1)), policer: PolicerId(0) },
        FwdOp::SetMark { at: MarkPoint::Vrf(VrfId(1)), code },
        FwdOp::SetMark { at: MarkPoint::Group(ReplicationId(1)), code },
    ];
    let expected = if QOS { Ok(()) } else { Err(ApplyError::WithoutQos) };
    for op in set {
        // The octets are the same in both: a control plane need not know.
        assert_eq!(FwdOp::parse(&op.emit()), Ok(op));
        assert_eq!(r.0.apply(&op), expected, "{op:?}");
    }
    let held = [
        r.0.policer(PolicerId(0)).is_some(),
        r.0.police_point(multicast).is_some(),
        r.0.mark_point(MarkPoint::Vrf(VrfId(1))).is_some(),
        r.0.mark_point(MarkPoint::Group(ReplicationId(1))).is_some(),
    ];
    assert_eq!(held, [QOS; 4]);

    // Marked with expedited forwarding, whose class is 5, or left as it came.
    let customer = 2;
    let sent = r.send(customer, &plain(&ip("10.1.1.1", 64, 8))).unwrap();
    let (dscp, class) = if QOS { (46, 5) } else { (8, 1) };
    assert_eq!((sent.labels, sent.ttl, sent.dscp, sent.class), (vec![(500, class, true, 63)], 63, dscp, class));
    for op in [
        FwdOp::ClearMark { at: MarkPoint::Vrf(VrfId(1)) },
        FwdOp::ClearMark { at: MarkPoint::Group(ReplicationId(1)) },
        FwdOp::ClearPolicePoint { at: multicast },
        FwdOp::ClearPolicer { id: PolicerId(0) },
    ] {
        assert_eq!(r.0.apply(&op), Ok(()), "{op:?}");
    }
    let sent = r.send(customer, &plain(&ip("10.1.1.1", 64, 8))).unwrap();
    assert_eq!((sent.labels, sent.dscp, sent.iface), (vec![(500, 1, true, 63)], 8, 0));
}
