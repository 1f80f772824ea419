//! PostgreSQL's horizon: when nobody can read an old state any more.

use pages::maintain::Horizon;
use pgrx::pg_sys;

/// Marks of processes whose transactions snapshots do not look at.
const UNSEEN: u32 = pg_sys::PROC_IN_VACUUM | pg_sys::PROC_IN_LOGICAL_DECODING;

/// The horizon of one index.
pub struct IndexHorizon {
    /// The index's table, whose horizon it has: PostgreSQL knows none of indexes. Null, so that all snapshots count,
    /// for a relation that only this session sees: there PostgreSQL leaves out the session's own.
    table: pg_sys::Relation,
}

impl IndexHorizon {
    /// # Safety
    /// `index` is open and locked while this lives, which ends in the transaction, or part of one, in which it began;
    /// this is the backend's main thread, and no buffer is locked.
    pub unsafe fn new(index: pg_sys::Relation) -> Self {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: the index is open, by the contract, so nobody drops the table meanwhile, and nothing is read of it
        // but what kind of relation it is. The lock is for PostgreSQL's reading of the catalogs; it must not be kept,
        // because workers look for who waits for the index only. Without it all databases' snapshots count.
        let table = unsafe {
            let is_own = (*index).rd_islocaltemp || (*index).rd_createSubid != 0;
            let table = (*(*index).rd_index).indrelid;
            if is_own || !pg_sys::ConditionalLockRelationOid(table, lock) {
                std::ptr::null_mut()
            } else {
                let relation = pg_sys::RelationIdGetRelation(table);
                pg_sys::UnlockRelationOid(table, lock);
                relation
            }
        };
        Self { table }
    }
}

impl Horizon for IndexHorizon {
    fn stamp(&self) -> u64 {
        // SAFETY: reads this backend's and shared memory.
        unsafe {
            let own = pg_sys::GetTopFullTransactionIdIfAny().value;
            let is_seen = u32::from((*pg_sys::MyProc).statusFlags) & UNSEEN == 0;
            if own as u32 != 0 && is_seen { own } else { pg_sys::ReadNextFullTransactionId().value }
        }
    }

    fn is_past(&self, stamp: u64) -> bool {
        // SAFETY: null, or open while this lives.
        unsafe {
            pg_sys::GlobalVisCheckRemovableFullXid(self.table, pg_sys::FullTransactionId { value: stamp })
        }
    }
}

impl Drop for IndexHorizon {
    fn drop(&mut self) {
        // What an error leaves open, the transaction's end closes.
        if !self.table.is_null() && !std::thread::panicking() {
            // SAFETY: opened by `new`, once.
            unsafe { pg_sys::RelationClose(self.table) };
        }
    }
}
