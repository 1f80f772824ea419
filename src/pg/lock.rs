//! Heavyweight locks on parts of an index.
//!
//! PostgreSQL's page locks, which nothing else takes on these indexes. They queue, take part in deadlock detection and
//! are released when the transaction ends, whatever happens to the guard.

use pgrx::pg_sys;

/// What is locked; a job that holds one may take those that come before it, never one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Part {
    /// Which blocks are given out, and what the manifest names: held for moments.
    Space = 0,
    /// Moving pending rows into a segment.
    Flush = 1,
    /// Merging segments.
    Merge = 2,
}

/// A lock that is held until drop, or until the transaction ends.
pub struct PartLock {
    relation: pg_sys::Relation,
    part: Part,
}

const MODE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

impl PartLock {
    /// Waits for the lock.
    ///
    /// # Safety
    /// `relation` is open until the guard is dropped; no buffer is locked; this is the backend's main thread.
    pub unsafe fn take(relation: pg_sys::Relation, part: Part) -> Self {
        // SAFETY: by the contract.
        unsafe { pg_sys::LockPage(relation, part as pg_sys::BlockNumber, MODE) };
        Self { relation, part }
    }

    /// The lock, unless another process has it.
    ///
    /// # Safety
    /// As [`PartLock::take`].
    pub unsafe fn try_take(relation: pg_sys::Relation, part: Part) -> Option<Self> {
        // SAFETY: by the contract.
        let is_taken = unsafe { pg_sys::ConditionalLockPage(relation, part as pg_sys::BlockNumber, MODE) };
        is_taken.then_some(Self { relation, part })
    }
}

impl Drop for PartLock {
    fn drop(&mut self) {
        // While an error unwinds, the transaction's abort releases it.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: the guard holds the lock, and the relation is open, by the contract of `take`.
        unsafe { pg_sys::UnlockPage(self.relation, self.part as pg_sys::BlockNumber, MODE) }
    }
}
