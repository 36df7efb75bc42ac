//! VPN-IPv4 and VPN-IPv6 prefixes (RFC 4364 §4.3.4, RFC 4659 §3.2).

use fwd_core::codec::{self, BufMut, Take};

use super::labeled::{bits_after, bits_with};
use super::nlris::{emit_path_id, take_path_id, take_prefix, wire_len_of};
use super::{Labels, Nlri, NlriFormat, PathId, RouteDistinguisher, WirePrefix};

/// A VPN prefix of family 1/128 or 2/128.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length in bits (1)        |  of labels, RD and prefix
/// +---------------------------+
/// | Labels (3 each)           |  several only where negotiated
/// +---------------------------+
/// | Route distinguisher (8)   |
/// +---------------------------+
/// | Prefix (0 to 4, 0 to 16)  |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VpnNlri<'a, P> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The labels, or [`Labels::WITHDRAW`].
    pub labels: Labels<'a>,
    /// The route distinguisher.
    pub rd: RouteDistinguisher,
    /// The customer's destination.
    pub prefix: P,
}

/// Octets of labels and RD.
#[inline]
const fn with_rd(labels: Labels<'_>) -> usize {
    labels.wire_len().saturating_add(RouteDistinguisher::LEN)
}

impl<'a, P: WirePrefix> Nlri<'a> for VpnNlri<'a, P> {
    #[inline]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let at = i;
        let (i, bits) = codec::be_u8(i, "length")?;
        let (i, labels) = Labels::take(i, format.multiple_labels)?;
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, prefix) = take_prefix(i, bits_after(at, bits, with_rd(labels))?)?;
        Ok((i, Self { path_id, labels, rd, prefix }))
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        wire_len_of(format, with_rd(self.labels), self.prefix.wire())
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        let bits = bits_with(self.prefix.bits(), with_rd(self.labels));
        if let [a, b, c] = *self.labels.octets() {
            // One label: one copy of at most 28 octets.
            let ([d, e, f, g, h, i, j, k], mut octets) = (self.rd.octets(), [0; 28]);
            let (fixed, prefix) = octets.split_at_mut(12);
            fixed.copy_from_slice(&[bits, a, b, c, d, e, f, g, h, i, j, k]);
            let all = self.prefix.all_octets();
            if let Some(prefix) = prefix.get_mut(..all.len()) {
                prefix.copy_from_slice(all);
            }
            out.put_slice(octets.get(..self.prefix.wire().len().saturating_add(12)).unwrap_or(&octets));
            return;
        }
        out.put_u8(bits);
        self.labels.emit(out);
        self.rd.emit(out);
        out.put_slice(self.prefix.wire());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, P: WirePrefix + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for VpnNlri<'a, P> {
    /// One whose length field holds its bits; for sessions that negotiated several labels.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (labels, prefix): (Labels<'a>, P) = (u.arbitrary()?, u.arbitrary()?);
        let bits = with_rd(labels).saturating_mul(8).saturating_add(usize::from(prefix.bits()));
        if bits > usize::from(u8::MAX) {
            return Err(arbitrary::Error::IncorrectFormat);
        }
        Ok(Self { path_id: u.arbitrary()?, labels, rd: u.arbitrary()?, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlri::Nlris;
    use fwd_core::Fault;
    use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, Label};

    const ONE: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };

    fn vpn4(octets: &[u8]) -> Result<VpnNlri<'_, Ipv4Prefix>, fwd_core::Malformed> {
        codec::all(octets, |i| VpnNlri::take(i, ONE))
    }

    /// The example of a /8 in AS 65001: 24 bits of label, 64 of RD, 8 of prefix.
    #[test]
    fn vpn_ipv4_octets() {
        let octets = [96, 0, 0x06, 0x41, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 10];
        let nlri = vpn4(&octets).unwrap();
        assert_eq!(nlri.labels.top(), Label::new(100).unwrap());
        assert_eq!(nlri.rd, RouteDistinguisher::two_octet_as(65001, 7));
        assert_eq!(nlri.prefix, "10.0.0.0/8".parse().unwrap());
        let mut out = alloc::vec::Vec::new();
        nlri.emit(ONE, &mut out);
        assert_eq!(out, octets);
        assert_eq!(nlri.wire_len(ONE), octets.len());
    }

    #[test]
    fn length_field_must_hold_label_and_rd_and_no_more_than_a_prefix() {
        let mut octets = [87, 0, 0x06, 0x41, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        assert_eq!(vpn4(&octets).unwrap_err().fault, Fault::Length(87));
        octets[0] = 88 + 33;
        assert_eq!(vpn4(&octets).unwrap_err().fault, Fault::Length(33));
        octets[0] = 88;
        assert_eq!(vpn4(&octets).unwrap().prefix, Ipv4Prefix::DEFAULT);
    }

    #[test]
    fn iteration_stops_at_the_first_fault_and_names_its_offset() {
        let good = [88, 0, 0x06, 0x41, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        let mut field = alloc::vec::Vec::from(good);
        field.extend([88, 0, 0]);
        let mut nlris = Nlris::<VpnNlri<'_, Ipv6Prefix>>::new(&field, ONE);
        assert!(nlris.next().unwrap().is_ok());
        let fault = nlris.next().unwrap().unwrap_err();
        assert_eq!((fault.offset, fault.field, fault.fault), (13, "label", Fault::Truncated));
        assert!(nlris.next().is_none());
    }
}
