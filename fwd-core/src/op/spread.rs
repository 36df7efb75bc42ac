//! Groups of entries that packets are spread over, and pairs of which one protects the other.

use super::FwdOp;
use super::encoding::{Fields, Kind, Tag, malformed};
use crate::malformed::Malformed;
use crate::net::{EcmpId, IfIndex, NhlfeId, ProtectionId};

/// A bucket of a group, 0 to 63: the flows with one value of a hash. A path's share of the traffic is its share of the buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u8);

impl Bucket {
    /// Buckets of every group.
    pub const COUNT: usize = 64;

    /// The bucket; `None` from 64 on.
    #[must_use]
    pub const fn new(bucket: u8) -> Option<Self> {
        if (bucket as usize) < Self::COUNT { Some(Self(bucket)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Bucket {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(0..=63)?))
    }
}

impl Tag {
    const SET_BUCKET: Self = Self(11);
    const CLEAR_BUCKET: Self = Self(12);
    const SET_PROTECTION: Self = Self(13);
    const CLEAR_PROTECTION: Self = Self(14);
    const SWITCH_OVER: Self = Self(15);
    const SET_WATCH: Self = Self(20);
    const CLEAR_WATCH: Self = Self(21);
    const SET_INTERFACE_STATE: Self = Self(22);
}

/// The fields of an op of this file.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    Some(match *op {
        FwdOp::SetBucket { group, bucket, entry } => {
            (Tag::SET_BUCKET, Fields { count: bucket.0, key: group.0, value: entry.0, ..Fields::default() })
        }
        FwdOp::ClearBucket { group, bucket } => {
            (Tag::CLEAR_BUCKET, Fields { count: bucket.0, key: group.0, ..Fields::default() })
        }
        FwdOp::SetProtection { id, primary, backup } => {
            (Tag::SET_PROTECTION, Fields { key: id.0, value: primary.0, aux: backup.0, ..Fields::default() })
        }
        FwdOp::ClearProtection { id } => (Tag::CLEAR_PROTECTION, Fields { key: id.0, ..Fields::default() }),
        FwdOp::SwitchOver { id, backup } => {
            (Tag::SWITCH_OVER, Fields { kind: Kind(u8::from(backup)), key: id.0, ..Fields::default() })
        }
        FwdOp::SetWatch { id, iface } => (Tag::SET_WATCH, Fields { key: id.0, value: iface.0, ..Fields::default() }),
        FwdOp::ClearWatch { id } => (Tag::CLEAR_WATCH, Fields { key: id.0, ..Fields::default() }),
        FwdOp::SetInterfaceState { iface, down } => {
            (Tag::SET_INTERFACE_STATE, Fields { kind: Kind(u8::from(down)), key: iface.0, ..Fields::default() })
        }
        _ => return None,
    })
}

/// The op of these fields, if it is one of this file.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    let bucket = || Bucket::new(f.count).ok_or(malformed(3, "bucket", f.count.into()));
    let group = EcmpId(f.key);
    let id = ProtectionId(f.key);
    Some(match tag {
        Tag::SET_BUCKET => bucket().map(|bucket| FwdOp::SetBucket { group, bucket, entry: NhlfeId(f.value) }),
        Tag::CLEAR_BUCKET => bucket().map(|bucket| FwdOp::ClearBucket { group, bucket }),
        Tag::SET_PROTECTION => Ok(FwdOp::SetProtection { id, primary: NhlfeId(f.value), backup: NhlfeId(f.aux) }),
        Tag::CLEAR_PROTECTION => Ok(FwdOp::ClearProtection { id }),
        Tag::SWITCH_OVER => match f.kind {
            Kind(backup @ (0 | 1)) => Ok(FwdOp::SwitchOver { id, backup: backup == 1 }),
            Kind(other) => Err(malformed(1, "backup", other.into())),
        },
        Tag::SET_WATCH => Ok(FwdOp::SetWatch { id, iface: IfIndex(f.value) }),
        Tag::CLEAR_WATCH => Ok(FwdOp::ClearWatch { id }),
        Tag::SET_INTERFACE_STATE => match f.kind {
            Kind(down @ (0 | 1)) => Ok(FwdOp::SetInterfaceState { iface: IfIndex(f.key), down: down == 1 }),
            Kind(other) => Err(malformed(1, "down", other.into())),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_as_documented() {
        let op = FwdOp::SetBucket { group: EcmpId(7), bucket: Bucket(63), entry: NhlfeId(9) };
        let mut octets = op.emit();
        assert_eq!(octets[..12], [11, 0, 0, 63, 0, 0, 0, 7, 0, 0, 0, 9]);
        octets[3] = 64;
        assert_eq!(FwdOp::parse(&octets).map_err(|m| (m.field, m.offset)), Err(("bucket", 3)));
        let mut octets = FwdOp::SwitchOver { id: ProtectionId(3), backup: true }.emit();
        assert_eq!(octets[..8], [15, 1, 0, 0, 0, 0, 0, 3]);
        octets[1] = 2;
        assert_eq!(FwdOp::parse(&octets).map_err(|m| (m.field, m.offset)), Err(("backup", 1)));
        let watch = FwdOp::SetWatch { id: ProtectionId(3), iface: IfIndex(0x0102) };
        assert_eq!(watch.emit()[..12], [20, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 2]);
        let mut octets = FwdOp::SetInterfaceState { iface: IfIndex(9), down: true }.emit();
        assert_eq!(octets[..8], [22, 1, 0, 0, 0, 0, 0, 9]);
        octets[1] = 2;
        assert_eq!(FwdOp::parse(&octets).map_err(|m| (m.field, m.offset)), Err(("down", 1)));
        assert!(Bucket::new(64).is_none());
    }
}
