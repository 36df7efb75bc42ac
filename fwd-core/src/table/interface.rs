//! Interfaces, by number.

use crate::net::IfIndex;
use crate::op::Interface;

/// One interface, or none.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterfaceSlot(Option<Interface>);

impl InterfaceSlot {
    /// No interface, to fill the memory that is lent.
    pub const EMPTY: Self = Self(None);
}

/// Interfaces numbered from 0.
#[derive(Debug)]
pub(crate) struct Interfaces<'m>(pub(super) &'m mut [InterfaceSlot]);

impl Interfaces<'_> {
    #[inline]
    pub(crate) fn get(&self, iface: IfIndex) -> Option<&Interface> {
        self.0.get(usize::try_from(iface.0).ok()?)?.0.as_ref()
    }

    pub(super) fn slot(&mut self, iface: IfIndex) -> Option<&mut Option<Interface>> {
        Some(&mut self.0.get_mut(usize::try_from(iface.0).ok()?)?.0)
    }
}
