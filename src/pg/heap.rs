//! A table's blocks, for a look at some of its rows.

use pgrx::pg_sys;

/// What `CREATE INDEX` gives to a build.
#[derive(Clone, Copy)]
pub struct BuildInput {
    /// The table.
    pub heap: pg_sys::Relation,
    /// The index.
    pub index: pg_sys::Relation,
    /// What its rows are made of.
    pub info: *mut pg_sys::IndexInfo,
}

impl BuildInput {
    /// Calls `callback` for each row that belongs to the index; returns how many rows the table has.
    ///
    /// # Safety
    /// As PostgreSQL passes them to `ambuild`; `state` is what the callback takes.
    pub unsafe fn scan(&self, callback: pg_sys::IndexBuildCallback, state: *mut std::ffi::c_void) -> f64 {
        let (is_shared, is_shown) = (true, true);
        // SAFETY: by the contract.
        unsafe {
            pg_sys::table_index_build_scan(
                self.heap,
                self.index,
                self.info,
                is_shared,
                is_shown,
                callback,
                state,
                std::ptr::null_mut(),
            )
        }
    }

    /// The same for the rows of some adjacent blocks. Only tables of PostgreSQL's own kind can be read so:
    /// [`Self::blocks`].
    ///
    /// # Safety
    /// As [`Self::scan`].
    pub unsafe fn scan_blocks(
        &self,
        blocks: std::ops::Range<u32>,
        callback: pg_sys::IndexBuildCallback,
        state: *mut std::ffi::c_void,
    ) {
        let (is_shared, is_any, is_shown) = (false, false, false);
        // SAFETY: by the contract.
        unsafe {
            pg_sys::table_index_build_range_scan(
                self.heap,
                self.index,
                self.info,
                is_shared,
                is_any,
                is_shown,
                blocks.start,
                blocks.end - blocks.start,
                callback,
                state,
                std::ptr::null_mut(),
            );
        }
    }

    /// How many blocks the table has; 0 if it is not read by blocks.
    ///
    /// # Safety
    /// As [`Self::scan`].
    pub unsafe fn blocks(&self) -> u32 {
        // SAFETY: by the contract.
        unsafe {
            if (*self.heap).rd_tableam != pg_sys::GetHeapamTableAmRoutine() {
                return 0;
            }
            pg_sys::RelationGetNumberOfBlocksInFork(self.heap, pg_sys::ForkNumber::MAIN_FORKNUM)
        }
    }
}
