//! PostgreSQL's horizon: when nobody can read an old state any more.

use pages::maintain::Horizon;
use pgrx::pg_sys;

/// The horizon of one index.
pub struct IndexHorizon(pg_sys::Relation);

impl IndexHorizon {
    /// # Safety
    /// `relation` is open while this lives, and this is the backend's main thread.
    pub unsafe fn new(relation: pg_sys::Relation) -> Self {
        Self(relation)
    }
}

impl Horizon for IndexHorizon {
    fn stamp(&self) -> u64 {
        // SAFETY: both read shared memory; jobs run on the primary only.
        let (oldest, next) =
            unsafe { (pg_sys::GetOldestActiveTransactionId(), pg_sys::ReadNextFullTransactionId().value) };
        // It is one of the last two billion, and read before the next.
        next - u64::from((next as u32).wrapping_sub(oldest.into_inner()))
    }

    fn is_past(&self, stamp: u64) -> bool {
        // SAFETY: the relation is open, by the contract of `new`. For a relation that only this session sees,
        // PostgreSQL leaves out the session's own snapshots; without a relation it counts all.
        unsafe {
            let is_own = (*self.0).rd_islocaltemp || (*self.0).rd_createSubid != 0;
            let relation = if is_own { std::ptr::null_mut() } else { self.0 };
            pg_sys::GlobalVisCheckRemovableFullXid(relation, pg_sys::FullTransactionId { value: stamp })
        }
    }
}
