//! The Generalized PWid FEC element (RFC 8077 §6.2.2).

use fwd_core::codec::{self, BufMut, Take};

use super::super::octets::{len8, whole};
use super::attachment::Attachment;
use super::pw_id::PwType;

/// A pseudowire between two attachment individuals of a group.
///
/// ```text
/// +---+--------------+--------------------+---------+----------+----------+
/// | C | PW type (15) | PW info length (1) | AGI ... | SAII ... | TAII ... |
/// +---+--------------+--------------------+---------+----------+----------+
/// ```
///
/// The info length counts everything after itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralizedPwId {
    /// C: with the control word.
    pub control_word: bool,
    /// The type.
    pub pw_type: PwType,
    /// The ends; `None`: all pseudowires of the PW Group ID TLV beside the FEC (RFC 8077 §6.2.2.2).
    pub ends: Option<PwEnds>,
}

/// Group, source and target of a pseudowire. Together at most 255 octets with their types and lengths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PwEnds {
    /// The attachment group.
    pub agi: Attachment,
    /// The individual at the sender of a Label Mapping.
    pub saii: Attachment,
    /// The individual at its receiver.
    pub taii: Attachment,
}

impl PwEnds {
    /// The same pseudowire as the other end names it.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { agi: self.agi.clone(), saii: self.taii.clone(), taii: self.saii.clone() }
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, agi) = Attachment::take(i, "agi")?;
        let (i, saii) = Attachment::take(i, "saii")?;
        let (i, taii) = Attachment::take(i, "taii")?;
        Ok((i, Self { agi, saii, taii }))
    }

    pub(super) fn wire_len(&self) -> usize {
        self.agi.wire_len().saturating_add(self.saii.wire_len()).saturating_add(self.taii.wire_len())
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.agi.emit(out);
        self.saii.emit(out);
        self.taii.emit(out);
    }
}

impl GeneralizedPwId {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, (control_word, pw_type)) = PwType::take_with_c(i)?;
        let (i, len) = codec::be_u8(i, "pw info length")?;
        let (i, info) = codec::octets(i, len.into(), "pw info length")?;
        let ends = if info.is_empty() { None } else { Some(whole(info, PwEnds::take)?) };
        Ok((i, Self { control_word, pw_type, ends }))
    }

    fn info_len(&self) -> usize {
        self.ends.as_ref().map_or(0, PwEnds::wire_len)
    }

    pub(super) fn wire_len(&self) -> usize {
        self.info_len().saturating_add(3)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.pw_type.emit_with_c(self.control_word, out);
        out.put_u8(len8(self.info_len()));
        if let Some(ends) = &self.ends {
            ends.emit(out);
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for GeneralizedPwId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (control_word, pw_type) = (u.arbitrary()?, u.arbitrary()?);
        Ok(Self { control_word, pw_type, ends: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fec, FecElement};
    use super::*;

    #[test]
    fn the_other_end_swaps_source_and_target() {
        let ends = PwEnds {
            agi: Attachment::group([0, 1, 0, 0, 0, 0, 0, 5]),
            saii: Attachment::individual(1),
            taii: Attachment::individual(2),
        };
        let pw = GeneralizedPwId { control_word: false, pw_type: PwType::ETHERNET, ends: Some(ends.clone()) };
        let fec = Fec::single(FecElement::GeneralizedPwId(alloc::boxed::Box::new(pw)));
        let mut out = alloc::vec::Vec::new();
        fec.emit(&mut out);
        let (agi, saii, taii) = ([1, 8, 0, 1, 0, 0, 0, 0, 0, 5], [1, 4, 0, 0, 0, 1], [1, 4, 0, 0, 0, 2]);
        assert_eq!(out, [&[0x81, 0, 5, 22][..], &agi, &saii, &taii].concat());
        assert_eq!(Fec::parse(&out), Ok(fec));
        assert_eq!(ends.reversed().saii, ends.taii);
        assert_eq!(ends.reversed().reversed(), ends);
    }
}
