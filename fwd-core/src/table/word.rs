//! One word of lent memory that a writer and readers share.

/// A 32-bit word that is never torn.
///
/// It needs no more of the processor than plain loads and stores of 32 bits: no compare-and-swap, no 64-bit atomics. On
/// processors whose compiler has no atomic word at all (eBPF, AVR, MSP430) it is an ordinary cell: tables then stay in one
/// context, which the type system enforces, for such a word is not `Sync`.
///
/// ```
/// use fwd_core::table::Word;
/// let memory = vec![Word::ZERO; 1000]; // what most tables are lent
/// # assert_eq!(memory.len() * 4, size_of_val(&memory[..]));
/// ```
#[repr(transparent)]
pub struct Word(cell::Cell);

impl Word {
    /// Zero, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh word
    pub const ZERO: Self = Self::new(0);

    /// A word of this value.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(cell::Cell::new(value))
    }

    /// The value, and everything written before it was stored by [`Self::publish`].
    #[inline]
    pub(crate) fn load(&self) -> u32 {
        self.0.load(cell::ACQUIRE)
    }

    /// The value alone: what a word holds that a published one leads to, or that only the writer looks at.
    #[inline]
    pub(crate) fn peek(&self) -> u32 {
        self.0.load(cell::RELAXED)
    }

    /// Stores a value behind everything written before.
    #[inline]
    pub(crate) fn publish(&self, value: u32) {
        self.0.store(value, cell::RELEASE);
    }

    /// Stores a value that no reader comes to before another word is published.
    #[inline]
    pub(crate) fn put(&self, value: u32) {
        self.0.store(value, cell::RELAXED);
    }
}

impl Default for Word {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Clone for Word {
    fn clone(&self) -> Self {
        Self::new(self.peek())
    }
}

impl core::fmt::Debug for Word {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.peek().fmt(f)
    }
}

/// Orders every access before against every access after.
pub(super) fn full_fence() {
    cell::full_fence();
}

#[cfg(not(any(target_arch = "bpf", target_arch = "avr", target_arch = "msp430", all(loom, test))))]
mod cell {
    pub(super) use core::sync::atomic::AtomicU32 as Cell;
    use core::sync::atomic::{Ordering, fence};

    pub(super) const ACQUIRE: Ordering = Ordering::Acquire;
    pub(super) const RELEASE: Ordering = Ordering::Release;
    pub(super) const RELAXED: Ordering = Ordering::Relaxed;

    pub(super) fn full_fence() {
        fence(Ordering::SeqCst);
    }
}

/// One context alone.
#[cfg(any(target_arch = "bpf", target_arch = "avr", target_arch = "msp430"))]
mod cell {
    pub(super) struct Cell(core::cell::Cell<u32>);

    pub(super) const ACQUIRE: () = ();
    pub(super) const RELEASE: () = ();
    pub(super) const RELAXED: () = ();

    impl Cell {
        pub(super) const fn new(value: u32) -> Self {
            Self(core::cell::Cell::new(value))
        }

        pub(super) fn load(&self, (): ()) -> u32 {
            self.0.get()
        }

        pub(super) fn store(&self, value: u32, (): ()) {
            self.0.set(value);
        }
    }

    pub(super) const fn full_fence() {}
}

/// The words of the model checker. They come to life at their first use, since constants make them.
#[cfg(all(loom, test))]
mod cell {
    use loom::sync::atomic::{AtomicU32, Ordering, fence};
    use std::sync::OnceLock;

    pub(super) const ACQUIRE: Ordering = Ordering::Acquire;
    pub(super) const RELEASE: Ordering = Ordering::Release;
    pub(super) const RELAXED: Ordering = Ordering::Relaxed;

    pub(super) struct Cell {
        first: u32,
        live: OnceLock<AtomicU32>,
    }

    impl Cell {
        pub(super) const fn new(value: u32) -> Self {
            Self { first: value, live: OnceLock::new() }
        }

        fn live(&self) -> &AtomicU32 {
            self.live.get_or_init(|| AtomicU32::new(self.first))
        }

        pub(super) fn load(&self, order: Ordering) -> u32 {
            self.live().load(order)
        }

        pub(super) fn store(&self, value: u32, order: Ordering) {
            self.live().store(value, order);
        }
    }

    pub(super) fn full_fence() {
        fence(Ordering::SeqCst);
    }
}

/// Brings words to life before they are shared: to clone a word is to read it.
#[cfg(all(loom, test))]
pub(super) fn awake<T: Clone>(memory: &[T]) {
    drop(memory.to_vec());
}
