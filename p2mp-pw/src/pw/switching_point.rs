//! The PW Switching Point PE TLV (RFC 6073 §7.4).

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use crate::ldp::Octets;

/// The type of a sub-TLV; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SwitchingPointType(pub u8);

impl SwitchingPointType {
    /// The PWid of the last segment, FEC 128 (RFC 6073 §7.4.1).
    pub const PW_ID: Self = Self(1);
    /// A description, text (RFC 6073 §7.4.1).
    pub const DESCRIPTION: Self = Self(2);
    /// Our address (RFC 6073 §7.4.1).
    pub const LOCAL: Self = Self(3);
    /// The address of the switching point or T-PE before (RFC 6073 §7.4.1).
    pub const REMOTE: Self = Self(4);
    /// The FEC element of the last segment, FEC 129 (RFC 6073 §7.4.1).
    pub const FEC: Self = Self(5);
}

/// A switching point that a pseudowire passed.
///
/// ```text
/// +----------+------------+-----------+
/// | Type (1) | Length (1) | Value ... |   repeated
/// +----------+------------+-----------+
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchingPoint {
    /// Sub-TLVs, as received.
    pub sub_tlvs: Vec<(u8, Octets)>,
}

impl SwitchingPoint {
    /// One with our address, and the number of the segment that it came by.
    #[must_use]
    pub fn new(local: IpAddr, pw_id: Option<u32>) -> Self {
        let address = match local {
            IpAddr::V4(a) => Octets::from_slice(&a.octets()),
            IpAddr::V6(a) => Octets::from_slice(&a.octets()),
        };
        let id = pw_id.map(|id| (SwitchingPointType::PW_ID.0, Octets::from_slice(&id.to_be_bytes())));
        Self { sub_tlvs: id.into_iter().chain([(SwitchingPointType::LOCAL.0, address)]).collect() }
    }

    /// The address of the switching point, if it says so.
    #[must_use]
    pub fn local(&self) -> Option<IpAddr> {
        let (_, value) = self.sub_tlvs.iter().find(|(kind, _)| *kind == SwitchingPointType::LOCAL.0)?;
        let v4 = <[u8; 4]>::try_from(value.as_slice()).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(value.as_slice()).map(IpAddr::from)).ok()
    }

    fn take(i: &[u8]) -> Take<'_, Self> {
        let mut sub_tlvs = Vec::new();
        let mut rest = i;
        while !rest.is_empty() {
            let (i, kind) = codec::be_u8(rest, "switching point type")?;
            let (i, len) = codec::be_u8(i, "switching point length")?;
            let (i, value) = codec::octets(i, len.into(), "switching point length")?;
            sub_tlvs.push((kind, Octets::from_slice(value)));
            rest = i;
        }
        Ok((rest, Self { sub_tlvs }))
    }

    /// Reads the value of the TLV.
    ///
    /// # Errors
    /// Truncated input.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.sub_tlvs.iter().map(|(_, value)| value.len().saturating_add(2)).fold(0, usize::saturating_add)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        for (kind, value) in &self.sub_tlvs {
            out.put_u8(*kind);
            out.put_u8(u8::try_from(value.len()).unwrap_or(u8::MAX));
            out.put_slice(value);
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SwitchingPoint {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut sub_tlvs = Vec::new();
        for _ in 0..u.int_in_range(0..=4)? {
            let len = u.int_in_range(0..=16_usize.min(u.len()))?;
            sub_tlvs.push((u.arbitrary()?, Octets::from_slice(u.bytes(len)?)));
        }
        Ok(Self { sub_tlvs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switching_point_says_who_it_is() {
        let octets = [1, 4, 0, 0, 0, 100, 3, 4, 192, 0, 2, 9];
        let point = SwitchingPoint::parse(&octets).unwrap();
        assert_eq!(point, SwitchingPoint::new([192, 0, 2, 9].into(), Some(100)));
        assert_eq!(point.local(), Some([192, 0, 2, 9].into()));
        let mut out = Vec::new();
        point.emit(&mut out);
        assert_eq!((out.as_slice(), point.wire_len()), (&octets[..], 12));
        assert!(SwitchingPoint::parse(&[1, 4, 0]).is_err());
    }
}
