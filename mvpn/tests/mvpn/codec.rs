//! Routes and tunnels as values: what is written is read back.

use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use bgp_vpn::attr::PmsiTunnel;
use fwd_core::net::Label;
use mvpn::mvrf::{McastRoute, MldpLsp, PTunnel, PmsiTunnelValue};
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

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
        }
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
