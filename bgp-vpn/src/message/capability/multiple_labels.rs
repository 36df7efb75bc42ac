//! Multiple labels (RFC 8277 §2.1).

use fwd_core::codec::{self, BufMut, Take};

use super::Entry;
use crate::nlri::{Afi, Family, Safi};

/// How many labels the sender takes from one NLRI of a family.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+---------------+---------------+
/// | AFI                           | SAFI          | Count         |
/// +-------------------------------+---------------+---------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MultipleLabels {
    /// The family.
    pub family: Family,
    /// The most labels; 255 is no limit. 0 and 1 are never sent, and an entry with them is ignored.
    pub count: u8,
}

impl MultipleLabels {
    /// The count that means no limit.
    pub const UNLIMITED: u8 = 255;
}

impl Entry for MultipleLabels {
    const LEN: usize = 4;

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, afi) = codec::be_u16(i, "afi")?;
        let (i, safi) = codec::be_u8(i, "safi")?;
        let (i, count) = codec::be_u8(i, "count")?;
        Ok((i, Self { family: Family::new(Afi(afi), Safi(safi)), count }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.family.afi.0);
        out.put_u8(self.family.safi.0);
        out.put_u8(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::Capability;

    /// Shows: L3VPN-8.1-9
    #[test]
    fn code_8_lists_family_and_count() {
        let octets = [8, 8, 0, 1, 4, 3, 0, 1, 128, 255];
        let Ok(Capability::MultipleLabels(entries)) = Capability::parse(&octets) else { panic!("not code 8") };
        assert_eq!(
            *entries,
            [
                MultipleLabels { family: Family::IPV4_LABELED_UNICAST, count: 3 },
                MultipleLabels { family: Family::VPN_IPV4, count: MultipleLabels::UNLIMITED },
            ]
        );
        let deprecated = Capability::parse(&[4, 0]);
        assert!(matches!(deprecated, Ok(Capability::Other(_))), "code 4 is deprecated: no multiple labels");
    }
}
