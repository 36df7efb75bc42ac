//! A field of NLRI of any family.

use bgp_vpn::nlri::{Afi, Family, Framing, NlriFormat, OpaqueNlri, Safi, check_field, emit_field};
use mvpn::mvrf::CMldpRoute;
use mvpn::pim::wire::AddressFamily;

/// Three octets of AFI and SAFI, one of format, then the field: no panic; what is read is written in as many octets, and these are
/// read as the same number of NLRI and written as they are.
pub fn parse_nlri(data: &[u8]) {
    let [_, afi, safi, bits, field @ ..] = data else { return };
    let family = Family::new(Afi(u16::from(*afi)), Safi(*safi));
    opaque(family, field);
    route_of_an_lsp(family, field);
    let format = NlriFormat { add_path: bits & 1 != 0, multiple_labels: bits & 2 != 0 };
    let read = check_field(family, field, format);
    let mut out = Vec::new();
    emit_field(family, field, format, &mut out);
    assert_eq!(out.len(), field.len());
    assert_eq!(check_field(family, &out, format), read);
    let mut again = Vec::new();
    emit_field(family, &out, format, &mut again);
    assert_eq!(again, out);
}

/// As a reflector sees the field: whatever a typed reading takes, the framing takes in the same pieces; what names a route is an NLRI
/// of the same framing, and names itself.
fn opaque(family: Family, field: &[u8]) {
    let Some(framing) = Framing::of(family) else { return };
    let format = NlriFormat::default();
    let (mut rest, mut pieces) = (field, 0);
    while let Ok((after, nlri)) = OpaqueNlri::take(rest, framing, format) {
        assert!(after.len() < rest.len());
        let key = nlri.key(family);
        assert!(key.len() <= nlri.octets.len());
        if check_field(family, nlri.octets, format) == Ok(1) {
            assert_eq!(check_field(family, &key, format), Ok(1));
            let (_, again) = OpaqueNlri::take(&key, framing, format).unwrap();
            assert_eq!(again.key(family), key);
        }
        (rest, pieces) = (after, pieces + 1);
    }
    if let Ok(n) = check_field(family, field, format) {
        assert!(n == pieces || n == 0);
    }
}

/// One MCAST-VPN route with a customer's FEC element, as a PE keeps it.
fn route_of_an_lsp(family: Family, field: &[u8]) {
    let Some(family) = [(Family::MCAST_VPN_IPV4, AddressFamily::V4), (Family::MCAST_VPN_IPV6, AddressFamily::V6)]
        .into_iter()
        .find_map(|(of, customers)| (of == family).then_some(customers))
    else {
        return;
    };
    if let Ok(Some(route)) = CMldpRoute::parse(family, field) {
        let mut out = Vec::new();
        route.emit(&mut out);
        assert_eq!((&out[..], out.len()), (field, route.wire_len()));
    }
}
