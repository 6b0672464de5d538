//! Where decoded events keep what they cannot borrow from the log: memory that only grows and is given back at once.

use std::fmt;

use bumpalo_herd::{Herd, Member};

/// The memory of one or more [`Arena`]s. Unlike a bare bump allocator it can be shared between threads, so that a batch
/// can be.
#[derive(Default)]
pub struct ArenaPool(Herd);

impl ArenaPool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        ArenaPool(Herd::new())
    }

    /// An arena whose allocations live as long as the borrow of the pool.
    #[must_use]
    pub fn arena(&self) -> Arena<'_> {
        Arena(self.0.get())
    }

    /// Gives all allocations back and keeps the largest piece of memory for the next ones.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// An allocator for one thread; what it returns lives as long as `'a`, not as long as the arena.
pub struct Arena<'a>(Member<'a>);

impl<'a> Arena<'a> {
    /// A copy of a text.
    #[must_use]
    #[inline]
    pub fn text(&self, text: &str) -> &'a str {
        self.0.alloc_str(text)
    }

    /// A copy of a slice of plain values.
    #[must_use]
    #[inline]
    pub fn slice<T: Copy>(&self, items: &[T]) -> &'a [T] {
        self.0.alloc_slice_copy(items)
    }

    /// A slice of `length` copies of `item`, to be filled.
    #[must_use]
    #[inline]
    pub fn filled<T: Copy>(&self, length: usize, item: T) -> &'a mut [T] {
        self.0.alloc_slice_fill_copy(length, item)
    }

    /// A plain value.
    #[must_use]
    #[inline]
    pub fn value<T: Copy>(&self, value: T) -> &'a T {
        self.0.alloc(value)
    }

    /// Bytes taken from the system so far by this arena.
    #[must_use]
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        self.0.as_bump().allocated_bytes()
    }
}

impl fmt::Debug for Arena<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}
