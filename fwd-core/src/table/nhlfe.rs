//! Next hop label forwarding entries, by number (RFC 3031 §3.10).

use crate::net::{Label, LabelStack, NhlfeId};
use crate::op::Nhlfe;

/// One entry, or none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NhlfeSlot(Option<Nhlfe>);

impl NhlfeSlot {
    /// No entry, to fill the memory that is lent.
    pub const EMPTY: Self = Self(None);
}

/// Entries numbered from 0.
#[derive(Debug)]
pub(crate) struct Nhlfes<'m>(pub(super) &'m mut [NhlfeSlot]);

impl Nhlfes<'_> {
    #[inline]
    pub(crate) fn get(&self, id: NhlfeId) -> Option<&Nhlfe> {
        self.0.get(usize::try_from(id.0).ok()?)?.0.as_ref()
    }

    pub(super) fn slot(&mut self, id: NhlfeId) -> Option<&mut Option<Nhlfe>> {
        Some(&mut self.0.get_mut(usize::try_from(id.0).ok()?)?.0)
    }
}

/// The entry without implicit null labels: to put label 3 on a stack means to put none there (RFC 3032 §2.1).
pub(super) fn without_implicit_null(nhlfe: Nhlfe) -> Nhlfe {
    let mut labels = [Label::IMPLICIT_NULL; LabelStack::CAPACITY];
    let mut len = 0_usize;
    let real = nhlfe.push.as_slice().iter().filter(|&&label| label != Label::IMPLICIT_NULL);
    for (slot, label) in labels.iter_mut().zip(real) {
        *slot = *label;
        len = len.saturating_add(1);
    }
    let push = labels.get(..len).and_then(LabelStack::new).unwrap_or(nhlfe.push);
    Nhlfe { push, ..nhlfe }
}
