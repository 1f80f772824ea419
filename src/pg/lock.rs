//! Heavyweight locks on parts of an index.
//!
//! PostgreSQL's tuple locks on numbers that no tuple of the index has: nothing else takes them. They queue, take part in
//! deadlock detection and are released when the transaction ends, whatever becomes of the guard. (Page locks would
//! say better what is meant, but PostgreSQL wants no other lock to be taken while one is held.)

use pgrx::pg_sys;

use super::compat;

/// What is locked; a job that holds one may take those that come before it, never one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Part {
    /// Which blocks are given out, and what the manifest names: held for moments.
    Space = 1,
    /// Moving pending rows into a segment.
    Flush = 2,
    /// Merging segments.
    Merge = 3,
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
        let mut place = part.place();
        // SAFETY: by the contract.
        unsafe { pg_sys::LockTuple(relation, &raw mut place, MODE) };
        Self { relation, part }
    }

    /// The lock, unless another process has it.
    ///
    /// # Safety
    /// As [`PartLock::take`].
    pub unsafe fn try_take(relation: pg_sys::Relation, part: Part) -> Option<Self> {
        // SAFETY: by the contract.
        let is_taken = unsafe { compat::conditional_lock_tuple(relation, part.place(), MODE) };
        is_taken.then_some(Self { relation, part })
    }
}

impl Part {
    /// Block 0 has no tuples.
    fn place(self) -> pg_sys::ItemPointerData {
        pg_sys::ItemPointerData {
            ip_blkid: pg_sys::BlockIdData { bi_hi: 0, bi_lo: 0 },
            ip_posid: self as u16,
        }
    }
}

impl Drop for PartLock {
    fn drop(&mut self) {
        // While an error unwinds, the transaction's abort releases it.
        if std::thread::panicking() {
            return;
        }
        let mut place = self.part.place();
        // SAFETY: the guard holds the lock, and the relation is open, by the contract of `take`.
        unsafe { pg_sys::UnlockTuple(self.relation, &raw mut place, MODE) }
    }
}
