//! Octets of the catalogue's section 8.4: every type, both families of customer addresses, both of routers.

use super::*;
use crate::nlri::{MldpFec, RouteDistinguisher};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use fwd_core::{Fault, Malformed};

const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
const PE: [u8; 4] = [192, 0, 2, 1];
const S4: [u8; 5] = [32, 10, 0, 0, 1];
const G4: [u8; 5] = [32, 232, 1, 1, 1];

fn rd() -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, 7)
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn pe() -> IpAddr {
    Ipv4Addr::from(PE).into()
}

fn parse<A: CAddress>(octets: &[u8]) -> Result<McastVpnRoute<'_, A>, Malformed> {
    codec::all(octets, |i| McastVpnNlri::take(i, FORMAT)).map(|nlri| nlri.route)
}

/// The octets are the route's, both ways, and no shorter ones are any route's.
fn same<A: CAddress>(route: McastVpnRoute<'_, A>, route_type: u8, body: &[&[u8]]) {
    let body = body.concat();
    let octets = [&[route_type, u8::try_from(body.len()).unwrap()], &body[..]].concat();
    assert_eq!(parse::<A>(&octets), Ok(route));
    let (mut out, nlri) = (Vec::new(), McastVpnNlri::new(route));
    nlri.emit(FORMAT, &mut out);
    assert_eq!((&out, out.len()), (&octets, nlri.wire_len(FORMAT)));
    for len in 0..octets.len() {
        assert!(parse::<A>(&octets[..len]).is_err(), "{len} of {octets:?}");
        if let (Some(shorter), false) = (len.checked_sub(2), matches!(route, McastVpnRoute::Other { .. })) {
            let shorter = [&[route_type, u8::try_from(shorter).unwrap()], &octets[2..len]].concat();
            // Addresses of routers are the one thing that another length leaves sound.
            let other = parse::<A>(&shorter);
            assert!(other.is_err() || matches!(body.len() + 2 - len, 12 | 24), "{len} of {octets:?}: {other:?}");
        }
    }
}

/// Shows: L3VPN-8.4-1, L3VPN-8.4-2, L3VPN-8.3-7
#[test]
fn i_pmsi_ad() {
    let intra = McastVpnRoute::<Ipv4Addr>::IntraAsIPmsiAd(IntraAsIPmsiAd { rd: rd(), originator: pe() });
    same(intra, 1, &[&RD, &PE]);
    let router = v6("2001:db8::1");
    let intra = McastVpnRoute::<Ipv6Addr>::IntraAsIPmsiAd(IntraAsIPmsiAd { rd: rd(), originator: router.into() });
    same(intra, 1, &[&RD, &router.octets()]);
    let inter = McastVpnRoute::<Ipv6Addr>::InterAsIPmsiAd(InterAsIPmsiAd { rd: rd(), source_as: 4_200_000_000 });
    same(inter, 2, &[&RD, &[0xfa, 0x56, 0xea, 0]]);
}

/// RFC 6514 §4.3 and the wildcards: RFC 6625 §2 leaves the field out, RFC 7582 §2 has one octet of zero.
///
/// Shows: L3VPN-8.4-3, L3VPN-8.4-4, L3VPN-8.4-5
#[test]
fn s_pmsi_ad() {
    let (s, g) = (Ipv4Addr::new(10, 0, 0, 1), CGroup::Group(Ipv4Addr::new(232, 1, 1, 1)));
    for (source, group, addresses, len) in [
        (Some(s), g, &[&S4[..], &G4][..], 22),
        (None, g, &[&[0], &G4], 18),
        (Some(s), CGroup::Any, &[&S4[..], &[0]], 18),
        (None, CGroup::Any, &[&[0], &[0]], 14),
        (None, CGroup::AnyBidir, &[&[0], &[8, 0]], 15),
    ] {
        let route = SPmsiAd { rd: rd(), source, group, originator: pe() };
        assert_eq!(route.wire_len(), len);
        same(McastVpnRoute::SPmsiAd(route), 3, &[&RD[..], &addresses.concat(), &PE]);
    }
    let (s, g, router) = (v6("2001:db8::5"), v6("ff3e::1"), v6("2001:db8::1"));
    for (originator, octets, len) in [(pe(), &PE[..], 46), (router.into(), &router.octets(), 58)] {
        let route = SPmsiAd { rd: rd(), source: Some(s), group: CGroup::Group(g), originator };
        assert_eq!((route.wire_len(), route.group.address()), (len, Some(g)));
        same(McastVpnRoute::SPmsiAd(route), 3, &[&RD, &[128], &s.octets(), &[128], &g.octets(), octets]);
    }
    // Addresses of the other family, and lengths that are none.
    let of_v6 = [&[3, 22][..], &RD, &S4, &G4, &PE].concat();
    assert_eq!(parse::<Ipv6Addr>(&of_v6).unwrap_err().field, "multicast source");
    for (bits, fault) in [(31, Fault::Length(31)), (24, Fault::Length(24)), (255, Fault::Length(255))] {
        let mut octets = [&[3, 22][..], &RD, &S4, &G4, &PE].concat();
        octets[10] = bits;
        assert_eq!(parse::<Ipv4Addr>(&octets).unwrap_err().fault, fault);
    }
    // A group of one octet that is not zero.
    let octets = [&[3, 15][..], &RD, &[0, 8, 1], &PE].concat();
    assert_eq!(parse::<Ipv4Addr>(&octets).unwrap_err().field, "multicast group");
}

/// The key is a whole NLRI (RFC 6514 §4.4), whatever its type, or that of the global table (RFC 7524 §6.2.2).
///
/// Shows: L3VPN-8.4-6
#[test]
fn leaf_ad() {
    for key in [
        &[&[1, 12][..], &RD, &PE][..],
        &[&[2, 12], &RD, &[0, 0, 0xfd, 0xe9]],
        &[&[3, 22], &RD, &S4, &G4, &PE],
        &[&[9, 1, 7]],
    ] {
        let key = key.concat();
        let route = LeafAd { route_key: &key, originator: pe() };
        same(McastVpnRoute::<Ipv4Addr>::LeafAd(route), 4, &[&key, &PE]);
        assert_eq!(route.global_table_key(), None);
    }
    let (source, group) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([232, 1, 1, 1]));
    for (is_shared_tree, rd) in [(false, [0; 8]), (true, [0xff; 8])] {
        let key = GlobalTableKey { is_shared_tree, source, group, ingress: pe() };
        let octets = [&rd[..], &[4, 10, 0, 0, 1], &[4, 232, 1, 1, 1], &PE].concat();
        let mut out = Vec::new();
        key.emit(&mut out);
        assert_eq!((&out, out.len()), (&octets, key.wire_len()));
        let route = LeafAd { route_key: &octets, originator: IpAddr::from([192, 0, 2, 9]) };
        same(McastVpnRoute::<Ipv4Addr>::LeafAd(route), 4, &[&octets, &[192, 0, 2, 9]]);
        assert_eq!(route.global_table_key(), Some(key));
        // Lengths in bits, as RFC 6514 writes them.
        let bits = [&rd[..], &S4, &G4, &PE].concat();
        assert_eq!(LeafAd { route_key: &bits, ..route }.global_table_key(), Some(key));
    }
    let (source, group, ingress) = (v6("2001:db8::5"), v6("ff3e::1"), v6("2001:db8::1"));
    let key =
        GlobalTableKey { is_shared_tree: false, source: source.into(), group: group.into(), ingress: ingress.into() };
    let mut octets = Vec::new();
    key.emit(&mut octets);
    let route = LeafAd { route_key: &octets, originator: v6("2001:db8::9").into() };
    same(McastVpnRoute::<Ipv6Addr>::LeafAd(route), 4, &[&octets, &v6("2001:db8::9").octets()]);
    assert_eq!(route.global_table_key(), Some(key));
}

/// Shows: L3VPN-8.4-7, L3VPN-8.4-8, L3VPN-8.4-9
#[test]
fn source_active_and_joins() {
    let (source, group) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(232, 1, 1, 1));
    same(McastVpnRoute::SourceActiveAd(SourceActiveAd { rd: rd(), source, group }), 5, &[&RD, &S4, &G4]);
    let join = CMulticast { rd: rd(), source_as: 65001, source, group };
    let body = [&RD[..], &[0, 0, 0xfd, 0xe9], &S4, &G4];
    same(McastVpnRoute::SharedTreeJoin(join), 6, &body);
    same(McastVpnRoute::SourceTreeJoin(join), 7, &body);
    assert_eq!(join.wire_len(), 22);

    let (source, group) = (v6("2001:db8::5"), v6("ff3e::1"));
    let addresses = [&[128][..], &source.octets(), &[128], &group.octets()].concat();
    let active = SourceActiveAd { rd: rd(), source, group };
    assert_eq!(active.wire_len(), 42);
    same(McastVpnRoute::SourceActiveAd(active), 5, &[&RD, &addresses]);
    let join = CMulticast { rd: rd(), source_as: 65001, source, group };
    assert_eq!(join.wire_len(), 46);
    same(McastVpnRoute::SharedTreeJoin(join), 6, &[&RD, &[0, 0, 0xfd, 0xe9], &addresses]);
    same(McastVpnRoute::SourceTreeJoin(join), 7, &[&RD, &[0, 0, 0xfd, 0xe9], &addresses]);
    // No wildcards, no other family.
    for addresses in [&[0, 0][..], &[32, 10, 0, 0, 1, 0], &addresses] {
        let octets = [&[7, u8::try_from(12 + addresses.len()).unwrap()][..], &RD, &[0; 4], addresses].concat();
        assert!(parse::<Ipv4Addr>(&octets).is_err());
    }
}

/// RFC 7441 §3: the FEC elements of P2MP LSPs and of MP2MP LSPs in both directions, with roots of either family.
///
/// Shows: L3VPN-8.4-10, L3VPN-8.4-11, L3VPN-8.4-12, MVPN-CSC-2
#[test]
fn routes_for_customers_mldp() {
    for fec_type in [MldpFec::P2MP, MldpFec::MP2MP_UPSTREAM, MldpFec::MP2MP_DOWNSTREAM] {
        let opaque = [0, 7, 1, 0, 4, 0, 0, 0, 1];
        of_customers_mldp::<Ipv4Addr>(&[&[fec_type, 0, 1, 4, 10, 0, 0, 1][..], &opaque].concat(), 1);
        let root = v6("2001:db8::5").octets();
        of_customers_mldp::<Ipv6Addr>(&[&[fec_type, 0, 2, 16][..], &root, &opaque].concat(), 2);
    }
}

fn of_customers_mldp<A: CAddress>(fec_octets: &[u8], family: u32) {
    let fec = MldpFec::parse(fec_octets).unwrap();
    let s_pmsi = McastVpnRoute::<A>::MldpSPmsiAd(MldpSPmsiAd { rd: rd(), fec, originator: pe() });
    same(s_pmsi, 0x43, &[&RD, fec_octets, &PE]);
    let len = u8::try_from(12 + fec_octets.len()).unwrap();
    let key = [&[0x43, len][..], &RD, fec_octets, &PE].concat();
    let leaf = LeafAd { route_key: &key, originator: pe() };
    same(McastVpnRoute::<A>::MldpLeafAd(leaf), 0x44, &[&key, &PE]);
    // Not derived from an S-PMSI A-D route: RD, FEC, ingress PE.
    let key = [&[0; 8][..], fec_octets, &PE].concat();
    let leaf = LeafAd { route_key: &key, originator: pe() };
    same(McastVpnRoute::<A>::MldpLeafAd(leaf), 0x44, &[&key, &PE]);
    let join = MldpSourceTreeJoin { rd: rd(), source_as: 65001, fec };
    same(McastVpnRoute::<A>::MldpSourceTreeJoin(join), 0x47, &[&RD, &[0, 0, 0xfd, 0xe9], fec_octets]);
    // The root's family must be the NLRI's.
    let octets = [&[0x47, len][..], &RD, &[0; 4], fec_octets].concat();
    let other = match family {
        1 => parse::<Ipv6Addr>(&octets).map(|_| ()),
        _ => parse::<Ipv4Addr>(&octets).map(|_| ()),
    };
    assert_eq!(other.unwrap_err().fault, Fault::Value(family));
}

/// RFC 7606 §5.4: a type that is not known does no harm to those behind it.
#[test]
fn unknown_types_are_kept() {
    let other: McastVpnRoute<'_, Ipv4Addr> = McastVpnRoute::Other { route_type: McastRouteType(8), body: &[1, 2, 3] };
    same(other, 8, &[&[1, 2, 3]]);
    let field = [&[8, 1, 9][..], &[2, 12], &RD, &[0, 0, 0, 1]].concat();
    let routes: Vec<_> = crate::nlri::Nlris::<McastVpnNlri<'_, Ipv4Addr>>::new(&field, FORMAT).collect();
    assert!(matches!(routes[0], Ok(McastVpnNlri { route: McastVpnRoute::Other { .. }, .. })));
    assert!(matches!(routes[1], Ok(McastVpnNlri { route: McastVpnRoute::InterAsIPmsiAd(_), .. })));
}

/// RFC 7716 §2.1: the global table has a RD of zeros.
#[test]
fn routes_of_the_global_table() {
    let route = IntraAsIPmsiAd { rd: RouteDistinguisher::ZERO, originator: pe() };
    same(McastVpnRoute::<Ipv4Addr>::IntraAsIPmsiAd(route), 1, &[&[0; 8], &PE]);
}
