//! Groups of entries that packets are spread over, and protected pairs.

use super::Found::{self, Clear, Set};
use crate::net::{EcmpId, ProtectionId};
use crate::op::{Bucket, FwdOp};
use crate::table::Writer;

/// What stands where this op writes; `None` of another file's, and of the switching of a pair that there is not, which does nothing.
pub(super) fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<Found> {
    Some(match *op {
        FwdOp::SetBucket { group, bucket, .. } => Set(entry(tables, group, bucket)),
        FwdOp::ClearBucket { group, bucket } => Clear(entry(tables, group, bucket)),
        FwdOp::SetProtection { id, .. } => Set(pair(tables, id)),
        FwdOp::ClearProtection { id } => Clear(pair(tables, id)),
        FwdOp::SwitchOver { id, .. } => {
            let pair = tables.protection(id)?;
            Set(Some(FwdOp::SwitchOver { id, backup: pair.is_backup }))
        }
        FwdOp::SetWatch { id, .. } => Set(watch(tables, id)),
        FwdOp::ClearWatch { id } => Clear(watch(tables, id)),
        _ => return None,
    })
}

fn entry(tables: &Writer<'_>, group: EcmpId, bucket: Bucket) -> Option<FwdOp> {
    tables.bucket(group, bucket).map(|entry| FwdOp::SetBucket { group, bucket, entry })
}

fn pair(tables: &Writer<'_>, id: ProtectionId) -> Option<FwdOp> {
    let pair = tables.protection(id)?;
    Some(FwdOp::SetProtection { id, primary: pair.primary, backup: pair.backup })
}

fn watch(tables: &Writer<'_>, id: ProtectionId) -> Option<FwdOp> {
    tables.protection(id)?.watch.map(|iface| FwdOp::SetWatch { id, iface })
}

/// Groups, then pairs, those that were switched over, and what they watch.
pub(super) fn entries<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let buckets = || (0..Bucket::COUNT as u8).filter_map(Bucket::new);
    let groups = (0..numbers.groups).map(EcmpId);
    let groups = groups.flat_map(move |group| buckets().filter_map(move |bucket| entry(tables, group, bucket)));
    let pairs = (0..numbers.pairs).map(ProtectionId).flat_map(move |id| {
        let is_backup = tables.protection(id).is_some_and(|pair| pair.is_backup);
        [pair(tables, id), is_backup.then_some(FwdOp::SwitchOver { id, backup: true }), watch(tables, id)]
    });
    groups.chain(pairs.flatten())
}
