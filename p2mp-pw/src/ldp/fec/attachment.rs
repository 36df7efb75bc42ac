//! Attachment identifiers (RFC 8077 §6.2.1, RFC 4446 §3.4, RFC 5003 §3, RFC 6074 §3.2.3).

use core::net::Ipv4Addr;

use fwd_core::codec::{self, BufMut, Take};
use smallvec::SmallVec;

use super::super::octets::len8;

/// The type of an attachment group or individual identifier; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AttachmentType(pub u8);

impl AttachmentType {
    /// Of a group: 8 octets like a route distinguisher. Of an individual: 4 octets (RFC 4446 §3.4).
    pub const TYPE_1: Self = Self(1);
    /// Of an individual: global identifier, prefix, circuit: 12 octets (RFC 5003 §3.2).
    pub const TYPE_2: Self = Self(2);
}

/// An AGI, SAII or TAII: its place says which. Two are the same if type and octets are.
///
/// ```text
/// +----------+------------+-----------+
/// | Type (1) | Length (1) | Value ... |
/// +----------+------------+-----------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    kind: AttachmentType,
    value: SmallVec<[u8; 12]>,
}

impl Attachment {
    /// None.
    pub const NULL: Self = Self { kind: AttachmentType(0), value: SmallVec::new_const() };

    /// Any type and octets; `None` if there are more than 255.
    #[must_use]
    pub fn new(kind: AttachmentType, value: &[u8]) -> Option<Self> {
        (value.len() <= 255).then(|| Self { kind, value: SmallVec::from_slice(value) })
    }

    /// A group: a VPLS-id or route distinguisher of 8 octets.
    #[must_use]
    pub fn group(value: [u8; 8]) -> Self {
        Self { kind: AttachmentType::TYPE_1, value: SmallVec::from_slice(&value) }
    }

    /// An individual of 4 octets: with BGP auto-discovery the PE's address (RFC 6074 §3.2.3).
    #[must_use]
    pub fn individual(value: u32) -> Self {
        Self { kind: AttachmentType::TYPE_1, value: SmallVec::from_slice(&value.to_be_bytes()) }
    }

    /// An individual of type 2: the provider's AS number, an address of the PE, the attachment circuit.
    #[must_use]
    pub fn aggregatable(global_id: u32, prefix: Ipv4Addr, circuit: u32) -> Self {
        let [global_id, circuit] = [global_id, circuit].map(u32::to_be_bytes);
        let value = global_id.into_iter().chain(prefix.octets()).chain(circuit).collect();
        Self { kind: AttachmentType::TYPE_2, value }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> AttachmentType {
        self.kind
    }

    /// The octets.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether there is none: no octets.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value.is_empty()
    }

    /// Global identifier, prefix and circuit of an individual of type 2.
    #[must_use]
    pub fn as_aggregatable(&self) -> Option<(u32, Ipv4Addr, u32)> {
        let &[a, b, c, d, p, q, r, s, w, x, y, z] = self.value.as_slice() else { return None };
        let parts = (u32::from_be_bytes([a, b, c, d]), Ipv4Addr::new(p, q, r, s), u32::from_be_bytes([w, x, y, z]));
        (self.kind == AttachmentType::TYPE_2).then_some(parts)
    }

    pub(crate) fn take<'a>(i: &'a [u8], field: &'static str) -> Take<'a, Self> {
        let (i, kind) = codec::be_u8(i, field)?;
        let (i, len) = codec::be_u8(i, field)?;
        let (i, value) = codec::octets(i, len.into(), field)?;
        Ok((i, Self { kind: AttachmentType(kind), value: SmallVec::from_slice(value) }))
    }

    pub(crate) fn wire_len(&self) -> usize {
        self.value.len().saturating_add(2)
    }

    pub(crate) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.kind.0, len8(self.value.len())]);
        out.put_slice(&self.value);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Attachment {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=4)? {
            0 => Self::NULL,
            1 => Self::group(u.arbitrary()?),
            2 => Self::individual(u.arbitrary()?),
            3 => Self::aggregatable(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?),
            _ => {
                let value = super::super::octets::arbitrary_octets(u, 60)?;
                Self { kind: u.arbitrary()?, value: SmallVec::from_slice(&value) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_2_has_three_parts() {
        let aii = Attachment::aggregatable(65_000, [192, 0, 2, 1].into(), 7);
        assert_eq!(aii.value(), [0, 0, 0xfd, 0xe8, 192, 0, 2, 1, 0, 0, 0, 7]);
        assert_eq!(aii.as_aggregatable(), Some((65_000, [192, 0, 2, 1].into(), 7)));
        assert_eq!(Attachment::individual(7).as_aggregatable(), None);
        assert_eq!(Attachment::new(AttachmentType(1), &[0; 256]), None);
        assert!(Attachment::NULL.is_null());
    }
}
