//! VRFs, by number: where the look-ups of their routes begin.

use super::ApplyError;
use super::fib_node::VALUES;
use super::fib_writer::FibRoot;
use super::replication::unpack_mark;
use super::word::Word;
use crate::net::{NhlfeId, VrfId};
use crate::op::{RouteAction, TunnelModel};

/// One VRF.
#[derive(Clone, Debug)]
pub struct VrfSlot {
    pub(super) fib4: FibRoot,
    pub(super) fib6: FibRoot,
    /// Of the global table: the models of the explicit null labels, IPv4 in bits 0 and 1, IPv6 in bits 2 and 3.
    pub(super) explicit_null: Word,
    /// What packets that come in are marked with: 0, or 64 + code point.
    pub(super) mark: Word,
}

impl VrfSlot {
    /// A VRF without routes, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self =
        Self { fib4: FibRoot::EMPTY, fib6: FibRoot::EMPTY, explicit_null: Word::ZERO, mark: Word::ZERO };

    /// Empties it; `number` is its own.
    pub(super) fn reset(&self, number: usize) {
        // The last of 65,536 has no number left: none is zero.
        let owner = u16::try_from(number.saturating_add(1)).unwrap_or(0);
        self.fib4.reset(owner);
        self.fib6.reset(owner);
        self.explicit_null.put(0);
        self.mark.put(0);
    }

    /// What packets that come in are marked with.
    #[inline]
    pub(crate) fn mark(&self) -> Option<u8> {
        unpack_mark(self.mark.load())
    }
}

impl Default for VrfSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// VRFs numbered from 0, the global table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vrfs<'m>(pub(super) &'m [VrfSlot]);

impl<'m> Vrfs<'m> {
    #[inline]
    pub(crate) fn get(self, vrf: VrfId) -> Option<&'m VrfSlot> {
        self.0.get(usize::from(vrf.0))
    }
}

/// A model in two bits.
pub(super) const fn model_bits(model: TunnelModel) -> u32 {
    match model {
        TunnelModel::Uniform => 0,
        TunnelModel::Pipe => 1,
        TunnelModel::ShortPipe => 2,
    }
}

/// The model of the two low bits.
#[inline]
pub(super) const fn model_of(bits: u32) -> TunnelModel {
    match bits & 3 {
        0 => TunnelModel::Uniform,
        1 => TunnelModel::Pipe,
        _ => TunnelModel::ShortPipe,
    }
}

const LOCAL: u32 = 1;
const DISCARD: u32 = 2;
const FIRST: u32 = 3;

/// A route's action as a number below 2^30, not zero; the smaller the number of the entry, the smaller.
pub(super) fn pack(action: RouteAction) -> Result<core::num::NonZeroU32, ApplyError> {
    let (value, error) = match action {
        RouteAction::Local => (LOCAL, ApplyError::NhlfeId(NhlfeId(0))),
        RouteAction::Discard => (DISCARD, ApplyError::NhlfeId(NhlfeId(0))),
        RouteAction::Forward(id) => (id.0.saturating_add(FIRST), ApplyError::NhlfeId(id)),
    };
    core::num::NonZeroU32::new(value).filter(|value| value.get() < VALUES).ok_or(error)
}

/// The reverse of [`pack`]; none of zero. Choices instead of a match, which many at once are made of without branches.
#[inline]
pub(crate) fn unpack(value: u32) -> Option<RouteAction> {
    let action = RouteAction::Forward(NhlfeId(value.wrapping_sub(FIRST)));
    let action = if value == DISCARD { RouteAction::Discard } else { action };
    let action = if value == LOCAL { RouteAction::Local } else { action };
    if value == 0 { None } else { Some(action) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_fit_thirty_bits() {
        for action in [
            RouteAction::Local,
            RouteAction::Discard,
            RouteAction::Forward(NhlfeId(0)),
            RouteAction::Forward(NhlfeId(VALUES - 4)),
        ] {
            assert_eq!(pack(action).map(|value| unpack(value.get())), Ok(Some(action)));
        }
        for id in [VALUES - 3, u32::MAX] {
            assert_eq!(pack(RouteAction::Forward(NhlfeId(id))), Err(ApplyError::NhlfeId(NhlfeId(id))));
        }
        assert_eq!(unpack(0), None);
    }
}
