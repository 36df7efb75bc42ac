//! A field of NLRI of any family.

use bgp_vpn::nlri::{Afi, Family, NlriFormat, Safi, check_field, emit_field};

/// Three octets of AFI and SAFI, one of format, then the field: no panic; what is read is written in as many octets, and these are
/// read as the same number of NLRI and written as they are.
pub fn parse_nlri(data: &[u8]) {
    let [_, afi, safi, bits, field @ ..] = data else { return };
    let family = Family::new(Afi(u16::from(*afi)), Safi(*safi));
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
