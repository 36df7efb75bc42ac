//! TTL (RFC 3443) and traffic class (RFC 3270 §2.6, RFC 5462) in every model, at every kind of hop, for IPv4 and IPv6.

mod router;

use fwd_core::net::{NhlfeId, VrfId};
use fwd_core::op::NextHop;
use fwd_core::op::TunnelModel::{self, Pipe, ShortPipe, Uniform};
use fwd_core::{PuntReason, Verdict};
use router::{Entry, MODELS, Router, Sent, ip, labelled, plain};

/// A customer's address in each family.
const CUSTOMERS: [&str; 2] = ["10.1.2.3", "fd00:1::3"];
/// DSCP EF, whose class selector bits are 5.
const EF: u8 = 46;

fn ttl_expired(vrf: u16, offset: usize) -> Verdict {
    Verdict::Punt { reason: PuntReason::TtlExpired, vrf: VrfId(vrf), offset }
}

/// An ingress PE: VRF 1 behind a VPN label 500 through a transport label 600, each with its model.
fn ingress(vpn: TunnelModel, transport: TunnelModel) -> Router {
    let mut r = Router::new();
    r.entry(1, &[600], 0, transport);
    r.nhlfe(2, &[500], NextHop::Nhlfe(NhlfeId(1)), vpn);
    r.route_to(1, "10.1.0.0/16", 2);
    r.route_to(1, "fd00:1::/32", 2);
    r
}

/// RFC 3443 §3.6: a uniform label takes the TTL of what lies under it, a pipe label 255. The class is the packet's.
///
/// Shows: L3VPN-FEA-3
#[test]
fn push_follows_the_model_of_each_entry() {
    for (vpn, transport, vpn_ttl, transport_ttl) in [
        (Uniform, Uniform, 63, 63),
        (Uniform, Pipe, 63, 255),
        (Uniform, ShortPipe, 63, 255),
        (Pipe, Uniform, 255, 255),
        (Pipe, Pipe, 255, 255),
        (ShortPipe, Uniform, 255, 255),
        (ShortPipe, ShortPipe, 255, 255),
    ] {
        for to in CUSTOMERS {
            let sent = ingress(vpn, transport).send(2, &plain(&ip(to, 64, EF)));
            let labels = vec![(600, 5, false, transport_ttl), (500, 5, true, vpn_ttl)];
            assert_eq!(sent, Ok(Sent { iface: 0, class: 5, labels, ttl: 63, dscp: EF }), "{vpn:?} {transport:?} {to}");
        }
    }
}

/// RFC 3443 §3.5: the IP packet's own TTL is checked before any label is pushed.
#[test]
fn an_expired_packet_is_not_pushed() {
    for model in MODELS {
        for to in CUSTOMERS {
            for ttl in [0, 1] {
                let sent = ingress(model, model).send(2, &plain(&ip(to, ttl, 0)));
                assert_eq!(sent, Err(ttl_expired(1, 14)));
            }
            assert_eq!(ingress(model, model).send(2, &plain(&ip(to, 2, 0))).map(|s| s.ttl), Ok(1));
        }
    }
}

/// A transit LSR: label 100 to 200; 110 to 200 below 300 pushed with a model.
fn transit(model: TunnelModel) -> Router {
    let mut r = Router::new();
    r.entry(1, &[200], 1, model);
    r.forward_label(100, 1, model);
    r.entry(2, &[300, 200], 1, model);
    r.forward_label(110, 2, model);
    r
}

/// RFC 3443 §3.5 case 1, RFC 3270 §2.6: a swap is the same in every model, and does not look below.
#[test]
fn swap_decrements_and_keeps_class_and_bottom_bit() {
    for model in MODELS {
        for to in CUSTOMERS {
            let frame = labelled(&[(100, 3, 20), (77, 6, 9)], &ip(to, 64, EF));
            let labels: Vec<Entry> = vec![(200, 3, false, 19), (77, 6, false, 9)];
            let labels = labels.into_iter().map(|(l, c, _, t)| (l, c, l == 77, t)).collect();
            let sent = transit(model).send(0, &frame);
            assert_eq!(sent, Ok(Sent { iface: 1, class: 3, labels, ttl: 64, dscp: EF }));

            let sent = transit(model).send(0, &labelled(&[(100, 3, 2)], &ip(to, 64, EF)));
            assert_eq!(sent.map(|s| s.labels), Ok(vec![(200, 3, true, 1)]));
            for ttl in [0, 1] {
                let sent = transit(model).send(0, &labelled(&[(100, 3, ttl)], &ip(to, 64, EF)));
                assert_eq!(sent, Err(ttl_expired(0, 14)));
            }
        }
    }
}

/// RFC 3443 §3.5 case 2: the swapped label is decremented, the one pushed above follows the entry's model.
#[test]
fn swap_and_push() {
    for (model, ttl) in [(Uniform, 19), (Pipe, 255), (ShortPipe, 255)] {
        let sent = transit(model).send(0, &labelled(&[(110, 3, 20)], &ip("10.1.2.3", 64, EF)));
        assert_eq!(sent.map(|s| s.labels), Ok(vec![(300, 3, false, ttl), (200, 3, true, 19)]));
    }
}

/// A penultimate hop: label 100 is popped and the packet goes on over a core link.
fn penultimate(model: TunnelModel) -> Router {
    let mut r = Router::new();
    r.entry(1, &[], 1, Uniform);
    r.forward_label(100, 1, model);
    r
}

/// RFC 3443 §3.1, §3.2.2, §3.5 case 3: uniform sets the exposed TTL, short pipe leaves it. RFC 3270 §2.6.2.1, §2.6.3:
/// both serve the packet by the outer class; uniform writes it into the exposed header.
#[test]
fn penultimate_hop_popping_exposes_a_label() {
    for (model, exposed) in [(Uniform, (500, 3, true, 19)), (ShortPipe, (500, 6, true, 99))] {
        let sent = penultimate(model).send(0, &labelled(&[(100, 3, 20), (500, 6, 99)], &ip("fd00:1::3", 64, EF)));
        assert_eq!(sent, Ok(Sent { iface: 1, class: 3, labels: vec![exposed], ttl: 64, dscp: EF }));
        for ttl in [0, 1] {
            let sent = penultimate(model).send(0, &labelled(&[(100, 3, ttl), (500, 6, 99)], &ip("10.1.2.3", 64, EF)));
            assert_eq!(sent, Err(ttl_expired(0, 14)), "the outer TTL is checked in both");
        }
    }
}

/// The same with an IP header below. A DSCP of another class becomes the class selector (RFC 2474 §4.2.2.2), one of the
/// same class stays.
///
/// Shows: L3VPN-FEA-3
#[test]
fn penultimate_hop_popping_exposes_ip() {
    for (model, class, ttl, dscp) in [(Uniform, 3, 19, 24), (Uniform, 5, 19, EF), (ShortPipe, 3, 64, EF)] {
        for to in CUSTOMERS {
            let sent = penultimate(model).send(0, &labelled(&[(100, class, 20)], &ip(to, 64, EF)));
            assert_eq!(sent, Ok(Sent { iface: 1, class, labels: vec![], ttl, dscp }), "{model:?} {to}");
        }
    }
}

/// An egress PE: label 100 is looked up in VRF 1, label 110 leads to the attachment circuit without a look-up. Network 2 of
/// the customer is behind another tunnel.
fn egress(model: TunnelModel) -> Router {
    let mut r = Router::new();
    r.entry(1, &[], 2, Uniform);
    r.pop_lookup(100, 1, model);
    r.forward_label(110, 1, model);
    r.route_to(1, "10.1.0.0/16", 1);
    r.route_to(1, "fd00:1::/32", 1);
    r.entry(2, &[700], 0, Uniform);
    r.route_to(1, "10.2.0.0/16", 2);
    r.route_to(1, "fd00:2::/32", 2);
    r
}

/// RFC 3443 §3.1, §3.2.1, §3.3, RFC 3270 §2.6.2: at the end of the tunnel uniform continues with the tunnel's TTL and class,
/// the pipes with the packet's; pipe serves the packet by the tunnel's class, short pipe by its own.
///
/// Shows: L3VPN-FEA-3, L3VPN-REF-6
#[test]
fn the_egress_pops_and_looks_up_or_not() {
    for (model, class, ttl, dscp) in [(Uniform, 3, 19, 24), (Pipe, 3, 63, EF), (ShortPipe, 5, 63, EF)] {
        for to in CUSTOMERS {
            for label in [100, 110] {
                let sent = egress(model).send(0, &labelled(&[(label, 3, 20)], &ip(to, 64, EF)));
                assert_eq!(sent, Ok(Sent { iface: 2, class, labels: vec![], ttl, dscp }), "{model:?} {to} {label}");
            }
        }
    }
}

/// RFC 3443 §3.4, §3.5: which TTL is checked at the end of the tunnel.
#[test]
fn the_egress_checks_the_ttl_that_goes_on() {
    for (model, outer, inner, expires) in [
        (Uniform, 1, 64, true),
        (Uniform, 2, 1, false),
        (Pipe, 1, 64, false),
        (Pipe, 64, 1, true),
        (ShortPipe, 1, 64, false),
        (ShortPipe, 64, 1, true),
    ] {
        for to in CUSTOMERS {
            // After a look-up software gets the IP packet, without one the labelled one; both in the customer's VRF.
            for (label, offset) in [(100, 18), (110, 14)] {
                let sent = egress(model).send(0, &labelled(&[(label, 0, outer)], &ip(to, inner, 0)));
                let expected = if expires { Err(ttl_expired(1, offset)) } else { Ok(()) };
                assert_eq!(sent.map(|_| ()), expected, "{model:?} {outer} {inner} {to} {label}");
            }
        }
    }
}

/// RFC 3270 §2.6.4: out of one tunnel and into the next, which carries the class the packet is served by.
#[test]
fn the_next_tunnel_takes_the_class_of_the_treatment() {
    for (model, class, ttl, dscp) in [(Uniform, 3, 19, 24), (Pipe, 3, 63, EF), (ShortPipe, 5, 63, EF)] {
        for to in ["10.2.0.1", "fd00:2::1"] {
            let sent = egress(model).send(0, &labelled(&[(100, 3, 20)], &ip(to, 64, EF)));
            let labels = vec![(700, class, true, ttl)];
            assert_eq!(sent, Ok(Sent { iface: 0, class, labels, ttl, dscp }), "{model:?} {to}");
        }
    }
}

/// RFC 3443 §3.4: of several labels popped one after the other, the TTL of the first goes on through uniform ones; the TTL
/// inside a later label does not count.
#[test]
fn several_pops_carry_the_ttl_through() {
    for (outer, inner, ttl) in [(Uniform, Uniform, 19), (Pipe, Uniform, 98), (Uniform, Pipe, 63), (Pipe, Pipe, 63)] {
        for to in CUSTOMERS {
            let mut r = egress(inner);
            r.pop_lookup(101, 0, outer);
            let sent = r.send(0, &labelled(&[(101, 0, 20), (100, 0, 99)], &ip(to, 64, 0)));
            assert_eq!(sent.map(|s| s.ttl), Ok(ttl), "{outer:?} {inner:?} {to}");
        }
    }
}

/// A label swapped below a popped one keeps what its own tunnel says under pipe, and takes the outer one's under uniform.
#[test]
fn a_pop_before_a_swap() {
    for (outer, entry) in [(Uniform, (200, 3, true, 19)), (Pipe, (200, 6, true, 98)), (ShortPipe, (200, 6, true, 98))] {
        let mut r = transit(Uniform);
        r.pop_lookup(101, 0, outer);
        let sent = r.send(0, &labelled(&[(101, 3, 20), (100, 6, 99)], &ip("10.1.2.3", 64, EF)));
        assert_eq!(sent.map(|s| s.labels), Ok(vec![entry]), "{outer:?}");
    }
}

/// The figures of RFC 3443 §3.1 to §3.3, hop by hop: what the customer at the far end sees of a TTL of 64, after `i` swaps.
///
/// Shows: L3VPN-FEA-3
#[test]
fn the_figures_of_rfc_3443() {
    for (model, php, arrives) in
        [(Uniform, false, 60), (Uniform, true, 60), (Pipe, false, 62), (ShortPipe, false, 62), (ShortPipe, true, 62)]
    {
        for to in CUSTOMERS {
            let sent = figure(model, php, to);
            let dscp = EF;
            assert_eq!(sent, Sent { iface: 2, class: 5, labels: vec![], ttl: arrives, dscp }, "{model:?} {php} {to}");
        }
    }
}

/// I pushes 100, two LSRs swap it to 100, P pops it or swaps it, E delivers by IP.
fn figure(model: TunnelModel, php: bool, to: &str) -> Sent {
    let mut ingress = Router::new();
    ingress.entry(1, &[100], 0, model);
    ingress.route_to(1, "0.0.0.0/0", 1);
    ingress.route_to(1, "::/0", 1);
    let swapping = || {
        let mut r = Router::new();
        r.entry(1, &[100], 1, model);
        r.forward_label(100, 1, model);
        r
    };
    let mut e = egress(model);
    // Behind a penultimate hop the egress gets a bare packet, here in VRF 1.
    e.interface(0, u16::from(php), true, 1500);
    let mut hops = [ingress, swapping(), if php { penultimate(model) } else { swapping() }, e];
    let mut frame = plain(&ip(to, 64, EF));
    let mut arrives_on = 2;
    let mut last = None;
    for hop in &mut hops {
        let (iface, class, octets) = hop.forward(arrives_on, &frame).unwrap();
        last = Some(router::read(iface, class, &octets));
        // The neighbour's addresses are the other way round.
        frame = octets;
        frame[..6].copy_from_slice(&router::OURS.0);
        arrives_on = 0;
    }
    last.unwrap()
}
