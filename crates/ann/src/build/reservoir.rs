//! The smallest keys offered for each row, by many threads at once.
//!
//! A key is `distance << 32 | id`, so the same pair always gives the same key, and what a reservoir holds in the end
//! does not depend on the order of the offers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use kernels::block::prefetch;

/// Behind the keys of a list that is not full.
pub(crate) const EMPTY: u64 = u64::MAX;

/// Rows under one lock.
const STRIPE: usize = 8;

/// Sorted lists of `width` keys over one slab.
pub(crate) struct Reservoirs<'a> {
    stripes: Vec<Mutex<&'a mut [u64]>>,
    /// Distance of the last key: an upper bound while other threads work, never below the true one.
    worst: Vec<AtomicU32>,
    width: usize,
}

impl<'a> Reservoirs<'a> {
    /// `slab`: rows x `width`, all [`EMPTY`].
    pub fn new(slab: &'a mut [u64], width: usize) -> Self {
        let worst = (0..slab.len() / width).map(|_| AtomicU32::new(u32::MAX)).collect();
        Self { stripes: slab.chunks_mut(STRIPE * width).map(Mutex::new).collect(), worst, width }
    }

    /// Keys with a larger distance are not wanted for `row`.
    pub fn limit(&self, row: u32) -> u32 {
        self.worst[row as usize].load(Ordering::Relaxed)
    }

    /// Starts to bring the list of `row` into the cache.
    pub fn prefetch(&self, row: u32) {
        let (stripe, within) = (row as usize / STRIPE, row as usize % STRIPE);
        if let Ok(stripe) = self.stripes[stripe].try_lock() {
            prefetch(&stripe[within * self.width..(within + 1) * self.width]);
        }
    }

    /// Keeps the smallest of what `row` has and `keys`; equal keys once.
    pub fn offer(&self, row: u32, keys: &[u64]) {
        let (stripe, within) = (row as usize / STRIPE, row as usize % STRIPE);
        // Only slice copies happen under the lock, so a poisoned one still guards a sound list.
        let mut stripe = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        let list = &mut stripe[within * self.width..(within + 1) * self.width];
        let last = self.width - 1;
        for &key in keys {
            if key >= list[last] {
                continue;
            }
            let at = list.partition_point(|&kept| kept < key);
            if list[at] != key {
                list.copy_within(at..last, at + 1);
                list[at] = key;
            }
        }
        self.worst[row as usize].store((list[last] >> 32) as u32, Ordering::Relaxed);
    }
}

/// The keys of a list: all before the first [`EMPTY`].
pub(crate) fn filled(list: &[u64]) -> &[u64] {
    &list[..list.partition_point(|&key| key != EMPTY)]
}
