//! What packets are marked with, and where.

use super::FwdOp;
use super::encoding::{Fields, Kind, Tag, malformed, vrf};
use crate::malformed::Malformed;
use crate::net::{ReplicationId, VrfId};

/// A differentiated services code point (RFC 2474 §3): six bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodePoint(u8);

impl CodePoint {
    /// A code point; none above 63.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value < 64 { Some(Self(value)) } else { None }
    }

    /// The six bits.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for CodePoint {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        u.int_in_range(0..=63).map(Self)
    }
}

/// Which packets are marked. Every copy of a packet has the mark; labels that are pushed have its class selector bits as traffic class
/// (RFC 5462, RFC 3270 §2.6). The mark of a group wins over that of the VRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MarkPoint {
    /// IP packets, unicast and multicast, that come into a VRF without a tunnel.
    Vrf(VrfId),
    /// Packets of a replication group: of an (S,G), of the groups of a prefix, or of a tree at a router where it branches, whose labels
    /// alone are marked.
    Group(ReplicationId),
}

impl Tag {
    const SET_MARK: Self = Self(60);
    const CLEAR_MARK: Self = Self(61);
}

/// The fields of an op of this file; `None` for another.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    Some(match *op {
        FwdOp::SetMark { at, code } => (Tag::SET_MARK, Fields { count: code.0, ..Fields::mark_point(at) }),
        FwdOp::ClearMark { at } => (Tag::CLEAR_MARK, Fields::mark_point(at)),
        _ => return None,
    })
}

/// The op of these fields; `None` if the tag is not of this file.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    Some(match tag {
        Tag::SET_MARK => f.read_mark_point().and_then(|at| {
            let code = CodePoint::new(f.count).ok_or(malformed(3, "code point", u32::from(f.count)))?;
            Ok(FwdOp::SetMark { at, code })
        }),
        Tag::CLEAR_MARK => f.read_mark_point().map(|at| FwdOp::ClearMark { at }),
        _ => return None,
    })
}

impl Fields {
    fn mark_point(at: MarkPoint) -> Self {
        let (kind, key) = match at {
            MarkPoint::Vrf(vrf) => (1, u32::from(vrf.0)),
            MarkPoint::Group(id) => (2, id.0),
        };
        Self { kind: Kind(kind), key, ..Self::default() }
    }

    fn read_mark_point(&self) -> Result<MarkPoint, Malformed> {
        Ok(match self.kind {
            Kind(1) => MarkPoint::Vrf(vrf(self.key, 4)?),
            Kind(2) => MarkPoint::Group(ReplicationId(self.key)),
            Kind(other) => return Err(malformed(1, "mark point", u32::from(other))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_as_documented() {
        let set = FwdOp::SetMark { at: MarkPoint::Group(ReplicationId(7)), code: CodePoint(46) };
        assert_eq!(set.emit()[..8], [60, 2, 0, 46, 0, 0, 0, 7]);
        let clear = FwdOp::ClearMark { at: MarkPoint::Vrf(VrfId(3)) };
        assert_eq!(clear.emit()[..8], [61, 1, 0, 0, 0, 0, 0, 3]);
        for (op, offset, value, field) in
            [(set, 3, 64, "code point"), (set, 1, 3, "mark point"), (clear, 3, 1, "unused field"), (clear, 4, 1, "VRF")]
        {
            let mut octets = op.emit();
            octets[offset] = value;
            let m = FwdOp::parse(&octets).unwrap_err();
            assert_eq!((m.field, m.offset), (field, offset), "{op:?}");
        }
        assert_eq!((CodePoint::new(63).map(CodePoint::value), CodePoint::new(64)), (Some(63), None));
    }
}
