//! Policers where the forwarding plane is built without the feature `qos`: there are none, and everything passes.

use core::marker::PhantomData;

use super::ApplyError;
use super::grace::Grace;
use crate::net::PolicerId;
use crate::op::Policer;
use crate::time::Instant;

/// The memory of a policer, none.
#[derive(Clone, Debug, Default)]
pub struct PolicerSlot;

impl PolicerSlot {
    /// No policer, to fill the memory that is lent.
    pub const EMPTY: Self = Self;
}

/// A worker's token buckets of one policer, none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBuckets;

impl TokenBuckets {
    /// Buckets of no policer, to fill the memory that is lent.
    pub const EMPTY: Self = Self;
}

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policers<'m>(PhantomData<&'m ()>);

impl Policers<'_> {
    /// Everything passes.
    #[inline]
    pub(crate) const fn passes(&self, _: &mut [TokenBuckets], _: u32, _: Instant, _: usize) -> bool {
        true
    }

    /// There is none.
    pub(crate) const fn get(&self, _: PolicerId) -> Option<Policer> {
        None
    }
}

/// The writer's hold of the rates.
#[derive(Debug)]
pub(crate) struct PolicerWriter<'m>(PhantomData<&'m ()>);

impl<'m> PolicerWriter<'m> {
    pub(crate) const fn new(_: &'m mut [PolicerSlot]) -> Self {
        Self(PhantomData)
    }

    /// What readers see.
    pub(crate) const fn reader(&self) -> Policers<'m> {
        Policers(PhantomData)
    }

    /// There can be none.
    pub(crate) const fn set(&mut self, _: &mut Grace<'_>, _: PolicerId, _: &Policer) -> Result<(), ApplyError> {
        Err(ApplyError::WithoutQos)
    }

    /// Policers that there may be.
    pub(super) const fn capacity(&self) -> usize {
        0
    }

    /// There is none to be removed.
    pub(crate) const fn clear(&mut self, _: &Grace<'_>, _: PolicerId) {}

    /// None can stand anywhere.
    pub(crate) const fn word(&self, _: PolicerId) -> Result<u32, ApplyError> {
        Err(ApplyError::WithoutQos)
    }
}
