//! A bounded stack of label values.

use core::fmt;

use super::Label;

/// Up to eight label values, top of stack first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LabelStack {
    labels: [Label; Self::CAPACITY],
    len: u8,
}

impl LabelStack {
    /// The most labels a stack holds.
    pub const CAPACITY: usize = 8;
    /// No labels.
    pub const EMPTY: Self = Self { labels: [Label::IPV4_EXPLICIT_NULL; Self::CAPACITY], len: 0 };

    /// A stack of these labels, top first; `None` above [`Self::CAPACITY`].
    #[must_use]
    pub fn new(labels: &[Label]) -> Option<Self> {
        let mut stack = Self::EMPTY;
        stack.labels.get_mut(..labels.len())?.copy_from_slice(labels);
        stack.len = u8::try_from(labels.len()).ok()?;
        Some(stack)
    }

    /// A stack of one label.
    #[must_use]
    pub const fn single(label: Label) -> Self {
        let mut stack = Self::EMPTY;
        let [top, ..] = &mut stack.labels;
        *top = label;
        stack.len = 1;
        stack
    }

    /// The labels, top of stack first.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Label] {
        self.labels.get(..usize::from(self.len)).unwrap_or(&self.labels)
    }
}

impl fmt::Debug for LabelStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice().iter().map(|l| l.value())).finish()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LabelStack {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut stack = Self::EMPTY;
        stack.len = u.int_in_range(0..=8)?;
        let len = usize::from(stack.len);
        for slot in stack.labels.iter_mut().take(len) {
            *slot = u.arbitrary()?;
        }
        Ok(stack)
    }
}
