//! VRFs, by number: the roots of their routes and their counters.

use core::num::NonZeroU32;

use super::ApplyError;
use super::lpm::NIL;
use crate::counters::VrfCounters;
use crate::net::{NhlfeId, VrfId};
use crate::op::RouteAction;

/// One VRF.
#[derive(Clone, Copy, Debug)]
pub struct VrfSlot {
    pub(super) root4: u32,
    pub(super) root6: u32,
    pub(super) routes4: u32,
    pub(super) routes6: u32,
    pub(crate) counters: VrfCounters,
}

impl VrfSlot {
    /// A VRF without routes, to fill the memory that is lent.
    pub const EMPTY: Self = Self { root4: NIL, root6: NIL, routes4: 0, routes6: 0, counters: VrfCounters::ZERO };
}

impl Default for VrfSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// VRFs numbered from 0, the global table.
#[derive(Debug)]
pub(crate) struct Vrfs<'m>(pub(super) &'m mut [VrfSlot]);

impl Vrfs<'_> {
    #[inline]
    pub(crate) fn get(&self, vrf: VrfId) -> Option<&VrfSlot> {
        self.0.get(usize::from(vrf.0))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, vrf: VrfId) -> Option<&mut VrfSlot> {
        self.0.get_mut(usize::from(vrf.0))
    }
}

const LOCAL: NonZeroU32 = NonZeroU32::MAX;
const DISCARD: NonZeroU32 = NonZeroU32::MIN.saturating_add(u32::MAX - 2);

/// A route's action in one word, so that it is replaced by one store.
pub(super) fn pack(action: RouteAction) -> Result<NonZeroU32, ApplyError> {
    match action {
        RouteAction::Local => Ok(LOCAL),
        RouteAction::Discard => Ok(DISCARD),
        RouteAction::Forward(id) => {
            let word = id.0.checked_add(1).and_then(NonZeroU32::new);
            word.filter(|&word| word < DISCARD).ok_or(ApplyError::NhlfeId(id))
        }
    }
}

/// The reverse of [`pack`].
#[inline]
pub(super) fn unpack(word: NonZeroU32) -> RouteAction {
    match word {
        LOCAL => RouteAction::Local,
        DISCARD => RouteAction::Discard,
        word => RouteAction::Forward(NhlfeId(word.get().wrapping_sub(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_fit_one_word() {
        for action in [
            RouteAction::Local,
            RouteAction::Discard,
            RouteAction::Forward(NhlfeId(0)),
            RouteAction::Forward(NhlfeId(u32::MAX - 3)),
        ] {
            assert_eq!(pack(action).map(unpack), Ok(action));
        }
        for id in [u32::MAX - 2, u32::MAX - 1, u32::MAX] {
            assert_eq!(pack(RouteAction::Forward(NhlfeId(id))), Err(ApplyError::NhlfeId(NhlfeId(id))));
        }
    }
}
