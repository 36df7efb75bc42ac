//! ATTR_SET (RFC 6368): attributes of a customer's internal route, carried through the provider untouched.
//!
//! A route of a CE that is an internal peer, in the customer's AS, is exported with fresh attributes and the customer's inside
//! ATTR_SET, behind the customer's AS number (§5). A VRF of the same customer AS takes them out as they were, so that the provider is
//! as good as not there; another VRF takes them out as of an external peer: without what does not leave an AS, and with the
//! customer's AS number in front of AS_PATH (§6).

use alloc::vec::Vec;

use crate::attr::{AsPath, AsPathBuf, AsWidth, AttrFlags, AttrType};
use crate::rib::{Edits, raw_attributes};

/// The attributes of an exported route whose customer attributes are these, in customer AS `asn`, before communities of the VPN.
pub(crate) fn wrap(asn: u32, customer: &[u8], out: &mut Vec<u8>) {
    let mut value: Vec<u8> = Vec::with_capacity(customer.len() + 4);
    value.extend_from_slice(&asn.to_be_bytes());
    value.extend_from_slice(customer);
    let mut edits = Edits::default();
    edits.set(AttrType::ORIGIN, AttrFlags::WELL_KNOWN, &[0]);
    edits.set(AttrType::AS_PATH, AttrFlags::WELL_KNOWN, &[]);
    edits.set(AttrType::ATTR_SET, AttrFlags::OPTIONAL_TRANSITIVE, &value);
    edits.apply(&[], out);
}

/// Writes the customer's attributes out of those of an imported route as a VRF of customer AS `asn` has them, if there is an ATTR_SET
/// among them.
pub(crate) fn unwrap(asn: Option<u32>, attributes: &[u8], out: &mut Vec<u8>) -> bool {
    let set = raw_attributes(attributes).find(|a| a.attr_type == AttrType::ATTR_SET);
    let Some((origin, customer)) = set.and_then(|a| a.value.split_first_chunk::<4>()) else { return false };
    let origin = u32::from_be_bytes(*origin);
    let mut edits = Edits::default();
    if asn != Some(origin) {
        let value = raw_attributes(customer).find(|a| a.attr_type == AttrType::AS_PATH).map(|a| a.value);
        let mut path = AsPathBuf::new();
        for segment in value.and_then(|v| AsPath::parse(v, AsWidth::Four).ok()).iter().flat_map(AsPath::segments) {
            path.push(segment.kind, segment.asns());
        }
        path.prepend(origin, 1);
        edits.set(AttrType::AS_PATH, AttrFlags::WELL_KNOWN, path.as_path().octets());
        for inside in [AttrType::LOCAL_PREF, AttrType::MULTI_EXIT_DISC, AttrType::ORIGINATOR_ID, AttrType::CLUSTER_LIST]
        {
            edits.remove(inside);
        }
    }
    edits.apply(customer, out);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ORIGIN EGP, AS_PATH 65020, LOCAL_PREF 300, CLUSTER_LIST.
    const CUSTOMER: &[u8] =
        &[0x40, 1, 1, 1, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xfc, 0x40, 5, 4, 0, 0, 1, 44, 0x80, 10, 4, 9, 9, 9, 9];

    /// Shows: L3VPN-8.2-14
    #[test]
    fn what_is_wrapped_comes_out_as_it_was_in_the_same_as_and_as_external_in_another() {
        let mut wrapped = Vec::new();
        wrap(65010, CUSTOMER, &mut wrapped);
        let mut expected = alloc::vec![0x40, 1, 1, 0, 0x40, 2, 0, 0xc0, 128, 31, 0, 0, 0xfd, 0xf2];
        expected.extend_from_slice(CUSTOMER);
        assert_eq!(wrapped, expected);
        let mut same = Vec::new();
        assert!(unwrap(Some(65010), &wrapped, &mut same));
        assert_eq!(same, CUSTOMER);
        let mut other = Vec::new();
        assert!(unwrap(Some(65099), &wrapped, &mut other));
        assert_eq!(other, [0x40, 1, 1, 1, 0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xf2, 0, 0, 0xfd, 0xfc]);
        assert!(!unwrap(Some(65010), CUSTOMER, &mut Vec::new()));
    }
}
