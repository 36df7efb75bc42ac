//! The MAC Flush Parameters TLV (RFC 7361 §5).

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Take};
use smallvec::SmallVec;

use super::octets::{Octets, len16, list};

bitflags! {
    /// Flags of a MAC flush. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MacFlags: u8 {
        /// C: for the I-component; else for the backbone VPLS, or the VPLS itself (RFC 7361 §5.1.1).
        const I_COMPONENT = 0x80;
        /// N: flush what was learned from the sender; else all but that (RFC 7361 §5.1.1).
        const NEGATIVE = 0x40;
        const _ = !0;
    }
}

/// The type of a sub-TLV; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MacSubTlvType(pub u16);

impl MacSubTlvType {
    /// Backbone MAC addresses of 6 octets (RFC 7361 §5.2).
    pub const PBB_BMAC_LIST: Self = Self(0x0407);
    /// Service instances of 3 octets (RFC 7361 §5.2).
    pub const PBB_ISID_LIST: Self = Self(0x0408);
}

/// A sub-TLV: type and length of 16 bits each, and octets. The RFC's figure draws a type of 8 bits, which the assigned
/// values do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacSubTlv {
    /// The type.
    pub kind: MacSubTlvType,
    /// The value.
    pub value: Octets,
}

impl MacSubTlv {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, kind) = codec::be_u16(i, "mac flush sub-tlv type")?;
        let (i, len) = codec::be_u16(i, "mac flush sub-tlv length")?;
        let (i, value) = codec::octets(i, len.into(), "mac flush sub-tlv length")?;
        Ok((i, Self { kind: MacSubTlvType(kind), value: Octets::from_slice(value) }))
    }
}

/// What to flush in a VPLS, beside the MAC List TLV.
///
/// ```text
/// +-----------+-----------------+
/// | Flags (1) | Sub-TLVs ...    |
/// +-----------+-----------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacFlush {
    /// The flags.
    pub flags: MacFlags,
    /// Sub-TLVs, of backbone bridging alone.
    pub sub_tlvs: SmallVec<[MacSubTlv; 1]>,
}

impl MacFlush {
    /// Takes the value up to its end.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, flags) = codec::be_u8(i, "mac flush flags")?;
        let (i, sub_tlvs) = list(i, MacSubTlv::take)?;
        Ok((i, Self { flags: MacFlags::from_bits_retain(flags), sub_tlvs }))
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.sub_tlvs.iter().map(|t| t.value.len().saturating_add(4)).fold(1, usize::saturating_add)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.flags.bits());
        for tlv in &self.sub_tlvs {
            out.put_u16(tlv.kind.0);
            out.put_u16(len16(tlv.value.len()));
            out.put_slice(&tlv.value);
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for MacSubTlv {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { kind: u.arbitrary()?, value: super::octets::arbitrary_octets(u, 24)? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for MacFlush {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = MacFlags::from_bits_retain(u.arbitrary()?);
        Ok(Self { flags, sub_tlvs: super::octets::arbitrary_list(u, 2)? })
    }
}
