//! Routes and tunnels as values: what is written is read back.

use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use bgp_vpn::attr::PmsiTunnel;
use fwd_core::net::Label;
use mvpn::mvrf::{CMldpRoute, McastRoute, MldpLsp, PTunnel, PmsiTunnelValue};
use proptest::prelude::*;

fn routes(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    while !u.is_empty() {
        let route = McastRoute::arbitrary(u)?;
        let mut octets = Vec::new();
        route.emit(&mut octets);
        assert_eq!(octets.len(), route.wire_len());
        assert_eq!(McastRoute::parse(route.family, &octets), Ok(Some(route)));
    }
    Ok(())
}

fn routes_of_lsps(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    while !u.is_empty() {
        let route = CMldpRoute::arbitrary(u)?;
        let mut octets = Vec::new();
        route.emit(&mut octets);
        assert_eq!(octets.len(), route.wire_len());
        assert_eq!(CMldpRoute::parse(route.family(), &octets), Ok(Some(route)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_route_of_an_lsp_is_read_back(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = routes_of_lsps(&mut Unstructured::new(&octets));
    }

    #[test]
    fn every_route_is_read_back(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = routes(&mut Unstructured::new(&octets));
    }

    #[test]
    fn no_octets_of_a_route_are_a_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        use mvpn::pim::wire::AddressFamily::{V4, V6};
        for family in [V4, V6] {
            if let Ok(Some(route)) = McastRoute::parse(family, &octets) {
                let mut again = Vec::new();
                route.emit(&mut again);
                prop_assert_eq!(McastRoute::parse(family, &again), Ok(Some(route)));
            }
            if let Ok(Some(route)) = CMldpRoute::parse(family, &octets) {
                let mut again = Vec::new();
                route.emit(&mut again);
                prop_assert_eq!((&again, CMldpRoute::parse(family, &octets)), (&octets, Ok(Some(route))));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A route of a type that is not there yet, whatever its length says and its body holds, is none for the machine, and no fault; flags of PMSI_TUNNEL
    /// that are not there yet change nothing of what is known (RFC 6514 §5, RFC 7902 §3).
    ///
    /// Shows: MVPN-MIG-3
    #[test]
    fn what_comes_later_is_left_alone(
        kind in (8..=255_u8).prop_filter("RFC 7441", |kind| ![0x43, 0x44, 0x47].contains(kind)),
        body in prop::collection::vec(any::<u8>(), 0..=255),
        flags in any::<u8>(),
    ) {
        use mvpn::pim::wire::AddressFamily::{V4, V6};
        let octets = [&[kind, body.len() as u8][..], &body].concat();
        for family in [V4, V6] {
            prop_assert_eq!(McastRoute::parse(family, &octets), Ok(None));
        }
        // Ingress replication to 192.0.2.1 with label 1000.
        let value = |flags: u8| {
            let octets = [flags, 6, 0, 0x3e, 0x80, 192, 0, 2, 1];
            PmsiTunnel::parse(&octets).ok().and_then(|attribute| PmsiTunnelValue::from_attribute(&attribute)).unwrap()
        };
        let known = value(flags & 0x01);
        let all = value(flags);
        prop_assert_eq!((all.label, all.tunnel, all.leaf_information_required), (known.label, known.tunnel, flags & 1 == 1));
    }
}

#[test]
fn every_tunnel_is_read_back() {
    let (v4, v6): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), "2001:db8::1".parse().unwrap());
    let (g4, g6): (IpAddr, IpAddr) = ([239, 0, 0, 1].into(), "ff3e::1".parse().unwrap());
    for (root, group) in [(v4, g4), (v6, g6)] {
        for tunnel in [
            PTunnel::None,
            PTunnel::RsvpTeP2mp { ingress: root, tunnel_id: 7, p2mp_id: 9 },
            PTunnel::MldpP2mp(MldpLsp::generic(root, 5)),
            PTunnel::PimSsm { root, group },
            PTunnel::PimSm { sender: root, group },
            PTunnel::BidirPim { sender: root, group },
            PTunnel::IngressReplication(root),
            PTunnel::MldpMp2mp(MldpLsp::generic(root, 6)),
        ] {
            for label in [None, Label::new(1000)] {
                let flags = [(false, false), (true, false), (false, true)];
                for (leaf_information_required, per_flow) in flags {
                    let value = PmsiTunnelValue { leaf_information_required, per_flow, label, tunnel: tunnel.clone() };
                    let octets = value.with_attribute(|attribute| {
                        let mut octets = Vec::new();
                        attribute.emit(&mut octets);
                        octets
                    });
                    let octets = octets.unwrap();
                    let read = PmsiTunnel::parse(&octets).unwrap();
                    assert_eq!(PmsiTunnelValue::from_attribute(&read), Some(value));
                }
            }
        }
    }
    let mixed = PmsiTunnelValue::new(PTunnel::PimSsm { root: v4, group: g6 });
    assert!(mixed.with_attribute(|_| ()).is_none());
}
