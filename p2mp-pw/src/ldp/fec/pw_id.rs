//! The PWid FEC element (RFC 8077 §6.1).

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Take};

use super::super::octets::{len8, list};
use super::interface_parameter::InterfaceParameter;

/// The type of a pseudowire, 15 bits; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PwType(u16);

impl PwType {
    /// Ethernet, tagged mode (RFC 4446 §3.2).
    pub const ETHERNET_TAGGED: Self = Self(0x0004);
    /// Ethernet, raw mode (RFC 4446 §3.2).
    pub const ETHERNET: Self = Self(0x0005);
    /// HDLC (RFC 4446 §3.2).
    pub const HDLC: Self = Self(0x0006);
    /// PPP (RFC 4446 §3.2).
    pub const PPP: Self = Self(0x0007);
    /// All types, in a typed wildcard (RFC 6667 §2).
    pub const WILDCARD: Self = Self(0x7fff);

    const CONTROL_WORD: u16 = 0x8000;

    /// The low 15 bits of `value` as a type.
    #[must_use]
    pub const fn from_low_bits(value: u16) -> Self {
        Self(value & 0x7fff)
    }

    /// The value, 15 bits.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Takes C bit and type.
    pub(super) fn take_with_c(i: &[u8]) -> Take<'_, (bool, Self)> {
        let (i, word) = codec::be_u16(i, "pw type")?;
        Ok((i, (word & Self::CONTROL_WORD != 0, Self::from_low_bits(word))))
    }

    /// Writes C bit and type.
    pub(super) fn emit_with_c(self, control_word: bool, out: &mut impl BufMut) {
        out.put_u16(self.0 | if control_word { Self::CONTROL_WORD } else { 0 });
    }
}

/// A pseudowire with the same number at both ends.
///
/// ```text
/// +---+--------------+--------------------+--------------+-----------+--------------------------+
/// | C | PW type (15) | PW info length (1) | Group ID (4) | PW ID (4) | Interface parameters ... |
/// +---+--------------+--------------------+--------------+-----------+--------------------------+
/// ```
///
/// The info length counts PW ID and interface parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwId {
    /// C: with the control word.
    pub control_word: bool,
    /// The type.
    pub pw_type: PwType,
    /// A group of pseudowires, of the sender's choice.
    pub group_id: u32,
    /// The pseudowire.
    pub pw: PwIdScope,
}

/// Which pseudowires a PWid FEC element means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PwIdScope {
    /// All of the group: a wildcard withdrawal or status (RFC 8077 §6.3.2).
    Group,
    /// One.
    One {
        /// The number; not zero.
        pw_id: u32,
        /// Parameters of the attachment circuit: in a Label Mapping alone. At most 251 octets.
        parameters: Vec<InterfaceParameter>,
    },
}

impl PwId {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, (control_word, pw_type)) = PwType::take_with_c(i)?;
        let (i, len) = codec::be_u8(i, "pw info length")?;
        let (i, group_id) = codec::be_u32(i, "group id")?;
        let (i, info) = codec::octets(i, len.into(), "pw info length")?;
        let pw = if info.is_empty() {
            PwIdScope::Group
        } else {
            let (parameters, pw_id) = codec::be_u32(info, "pw id")?;
            let (_, parameters) = list(parameters, InterfaceParameter::take)?;
            PwIdScope::One { pw_id, parameters }
        };
        Ok((i, Self { control_word, pw_type, group_id, pw }))
    }

    fn info_len(&self) -> usize {
        match &self.pw {
            PwIdScope::Group => 0,
            PwIdScope::One { parameters, .. } => {
                parameters.iter().map(InterfaceParameter::wire_len).fold(4, usize::saturating_add)
            }
        }
    }

    pub(super) fn wire_len(&self) -> usize {
        self.info_len().saturating_add(7)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.pw_type.emit_with_c(self.control_word, out);
        out.put_u8(len8(self.info_len()));
        out.put_u32(self.group_id);
        if let PwIdScope::One { pw_id, parameters } = &self.pw {
            out.put_u32(*pw_id);
            parameters.iter().for_each(|p| p.emit(out));
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PwType {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        u.arbitrary().map(Self::from_low_bits)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PwId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (control_word, pw_type, group_id) = (u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
        let pw = if u.arbitrary()? {
            PwIdScope::One { pw_id: u.arbitrary()?, parameters: super::super::octets::arbitrary_list(u, 4)? }
        } else {
            PwIdScope::Group
        };
        Ok(Self { control_word, pw_type, group_id, pw })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fec, FecElement};
    use super::*;

    #[test]
    fn the_info_length_counts_from_the_pw_id_on() {
        let octets = [0x80, 0x80, 0x05, 8, 0, 0, 0, 1, 0, 0, 0, 100, 1, 4, 0x05, 0xdc];
        let fec = Fec::parse(&octets).unwrap();
        let Some(FecElement::PwId(pw)) = fec.only() else { panic!("{fec:?}") };
        assert!(pw.control_word);
        assert_eq!(pw.pw_type, PwType::ETHERNET);
        let parameters = alloc::vec![InterfaceParameter::Mtu(1500)];
        assert_eq!(pw.pw, PwIdScope::One { pw_id: 100, parameters });
        let mut out = alloc::vec::Vec::new();
        fec.emit(&mut out);
        assert_eq!(out, octets);
        let group = Fec::parse(&[0x80, 0, 5, 0, 0, 0, 0, 9]).unwrap();
        assert!(matches!(&group.0[0], FecElement::PwId(pw) if pw.pw == PwIdScope::Group && pw.group_id == 9));
    }
}
