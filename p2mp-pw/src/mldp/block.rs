//! Blocks of numbers that belong to a machine, with how many are in use.

use crate::ldp::neighbour::Pool;

/// A pool that counts.
#[derive(Debug)]
pub(super) struct Block {
    pool: Pool,
    used: usize,
}

impl Block {
    pub(super) const fn new(pool: Pool) -> Self {
        Self { pool, used: 0 }
    }

    /// A number that nobody has; `None` when all are in use.
    pub(super) fn take(&mut self) -> Option<u32> {
        let number = self.pool.allocate()?;
        self.used = self.used.saturating_add(1);
        Some(number)
    }

    /// Gives a number back.
    pub(super) fn give(&mut self, number: u32) {
        self.used = self.used.saturating_sub(1);
        self.pool.release(number);
    }

    /// How many are in use.
    pub(super) const fn used(&self) -> usize {
        self.used
    }
}
