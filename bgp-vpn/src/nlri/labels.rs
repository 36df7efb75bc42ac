//! The label field of an NLRI (RFC 8277 §2).

use core::fmt;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::Label;

/// One label or more, each in three octets: 20 bits of label, 3 bits of traffic class, the bottom-of-stack bit.
///
/// ```text
///  0                   1                   2
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 Label                 |Rsrv |S|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// The octets are kept as received, so that a reflector passes them on untouched.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Labels<'a> {
    octets: &'a [u8],
}

impl<'a> Labels<'a> {
    /// Octets of one label.
    pub const LABEL_LEN: usize = 3;
    /// The most labels this implementation takes from one NLRI; capability 8 offers it to peers.
    pub const MAX: usize = 8;
    /// The Compatibility field of a withdrawal (RFC 8277 §2.4).
    pub const WITHDRAW: Labels<'static> = Labels { octets: &[0x80, 0, 0] };
    /// The other value that RFC 3107 speakers put into a withdrawal.
    const ZERO: &'static [u8] = &[0, 0, 0];

    /// Labels already in wire form; `None` unless their number is 1 to [`Self::MAX`].
    #[inline]
    #[must_use]
    pub fn from_octets(octets: &'a [u8]) -> Option<Self> {
        let len = octets.len();
        (len != 0 && len % Self::LABEL_LEN == 0 && len <= Self::LABEL_LEN * Self::MAX).then_some(Self { octets })
    }

    /// The three octets of one label at the bottom of the stack.
    #[inline]
    #[must_use]
    pub const fn encode(label: Label) -> [u8; 3] {
        let [_, a, b, c] = ((label.value() << 4) | 1).to_be_bytes();
        [a, b, c]
    }

    /// Takes the label field of an NLRI.
    ///
    /// Without `multiple` there is one label and its bottom-of-stack bit is not looked at (RFC 8277 §2.2). With it, labels
    /// follow until one has the bit (RFC 8277 §2.3); a withdrawal's value, which lacks the bit, ends the field too.
    ///
    /// # Errors
    /// Truncated input, or more than [`Self::MAX`] labels.
    #[inline]
    pub fn take(i: &'a [u8], multiple: bool) -> Take<'a, Self> {
        let (rest, first) = codec::octets(i, Self::LABEL_LEN, "label")?;
        if !multiple
            || first.last().is_some_and(|b| b & 1 == 1)
            || first == Self::WITHDRAW.octets
            || first == Self::ZERO
        {
            return Ok((rest, Self { octets: first }));
        }
        let bottom = i.chunks_exact(Self::LABEL_LEN).take(Self::MAX).position(|l| l.last().is_some_and(|b| b & 1 == 1));
        match bottom {
            Some(n) => {
                let (rest, octets) = codec::octets(i, n.saturating_add(1).saturating_mul(Self::LABEL_LEN), "label")?;
                Ok((rest, Self { octets }))
            }
            None if i.len() < Self::LABEL_LEN * Self::MAX => Err(Fail::new(i, "label", Fault::Truncated)),
            None => Err(Fail::new(i, "label", Fault::Length(Self::MAX + 1))),
        }
    }

    /// Octets that [`Self::emit`] writes.
    #[inline]
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the labels as they are.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }

    /// The octets as received.
    #[inline]
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The first label's value.
    #[inline]
    #[must_use]
    pub fn top(&self) -> Label {
        match *self.octets {
            [a, b, c, ..] => Label::from_low_bits(u32::from_be_bytes([0, a, b, c]) >> 4),
            _ => Label::IPV4_EXPLICIT_NULL,
        }
    }

    /// The label values, top of stack first.
    pub fn iter(&self) -> impl Iterator<Item = Label> + 'a {
        self.octets
            .chunks_exact(Self::LABEL_LEN)
            .map(|l| Label::from_low_bits(l.iter().fold(0, |bits, b| (bits << 8) | u32::from(*b)) >> 4))
    }
}

impl fmt::Debug for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Label::value)).finish()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Labels<'a> {
    /// A field as it stands where several labels were negotiated.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = (1..=Self::MAX).find_map(|n| {
            let octets = u.peek_bytes(n.saturating_mul(Self::LABEL_LEN))?;
            Self::take(octets, true).ok().map(|(_, labels)| labels.wire_len())
        });
        let octets = u.bytes(len.ok_or(arbitrary::Error::NotEnoughData)?)?;
        Ok(Self { octets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_ignores_the_bottom_bit_unless_several_are_negotiated() {
        let two = [0, 0x01, 0x00, 0, 0x02, 0x01, 9];
        let (rest, one) = Labels::take(&two, false).unwrap();
        assert_eq!((rest.len(), one.top().value()), (4, 16));
        let (rest, both) = Labels::take(&two, true).unwrap();
        assert_eq!((rest, both.iter().count()), (&[9u8][..], 2));
    }

    #[test]
    fn withdraw_values_end_the_field() {
        for field in [[0x80, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]] {
            let (rest, labels) = Labels::take(&field, true).unwrap();
            assert_eq!((rest.len(), labels.wire_len()), (3, 3));
        }
    }

    #[test]
    fn a_stack_without_bottom_is_bounded() {
        let endless = [0, 0x01, 0x00].repeat(9);
        let Err(nom::Err::Error(fail)) = Labels::take(&endless, true) else { panic!("accepted") };
        assert_eq!(fail.fault, Fault::Length(9));
        let Err(nom::Err::Error(fail)) = Labels::take(&endless[..6], true) else { panic!("accepted") };
        assert_eq!(fail.fault, Fault::Truncated);
    }
}
