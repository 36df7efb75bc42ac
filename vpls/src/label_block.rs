//! Label blocks of a VE (RFC 4761 §3.2.1–3.2.3): one advertisement gives every other VE of the instance a label of its own.

use alloc::vec::Vec;

use fwd_core::net::Label;

/// Labels for the remote VEs `offset` to `offset + size - 1`: the VE W has `base + W - offset`.
///
/// RFC 4761 §3.2.1 once adds the block offset to the label base; §3.2.2 and §3.2.3, which are followed here, do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelBlock {
    /// VE block offset: the first VE that it serves.
    pub offset: u16,
    /// VE block size: how many.
    pub size: u16,
    /// Label base: the label of the first.
    pub base: Label,
}

impl LabelBlock {
    /// The label of a VE; `None` outside the block.
    #[must_use]
    pub fn label_of(&self, ve_id: u16) -> Option<Label> {
        let at = ve_id.checked_sub(self.offset).filter(|at| *at < self.size)?;
        Label::new(self.base.value().checked_add(u32::from(at))?)
    }

    /// The offset of the block of `size` that serves a VE: blocks stand side by side from VE 1 on, so that two never overlap.
    #[must_use]
    pub const fn offset_for(ve_id: u16, size: u16) -> u16 {
        let size = if size == 0 { 1 } else { size };
        let before = ve_id.saturating_sub(1);
        match before.checked_rem(size) {
            Some(rest) => before.saturating_sub(rest).saturating_add(1),
            None => 1,
        }
    }
}

/// The label that the block serving a VE has for it.
pub(crate) fn label_in(blocks: &[LabelBlock], ve_id: u16) -> Option<Label> {
    blocks.iter().find_map(|block| block.label_of(ve_id))
}

/// Offsets of the blocks that serve these VEs, each once, in order.
pub(crate) fn offsets(ve_ids: impl Iterator<Item = u16>, size: u16) -> Vec<u16> {
    let mut offsets: Vec<u16> = ve_ids.map(|id| LabelBlock::offset_for(id, size)).collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4761 §3.2.3 with a block offset that is not 1: the offset is subtracted, and not added to the base.
    ///
    /// Shows: VPLS-DISC-1
    #[test]
    fn labels_count_from_the_block_offset() {
        let block = LabelBlock { offset: 9, size: 8, base: Label::new(3000).unwrap() };
        assert_eq!(block.label_of(9), Label::new(3000));
        assert_eq!(block.label_of(16), Label::new(3007));
        assert_eq!((block.label_of(8), block.label_of(17)), (None, None));
        let edge = LabelBlock { offset: 1, size: 9, base: Label::new(Label::MAX.value() - 2).unwrap() };
        assert_eq!((edge.label_of(3), edge.label_of(4)), (Some(Label::MAX), None));
    }

    #[test]
    fn blocks_stand_side_by_side() {
        assert_eq!(offsets([1, 8, 9, 3, 65535].into_iter(), 8), [1, 9, 65529]);
        for id in 1..=100 {
            let offset = LabelBlock::offset_for(id, 7);
            assert!((offset..offset + 7).contains(&id) && offset % 7 == 1);
        }
    }
}
