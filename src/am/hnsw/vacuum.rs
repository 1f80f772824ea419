//! `ambulkdelete` and `amvacuumcleanup`: dead rows are marked where they are.
//!
//! One pass over the TID pages of all segments and over the pending pages; one record per page that has something to
//! mark. Graph nodes stay: a node whose rows are all dead still leads to its neighbors. Marks are set by one process
//! at a time, because whoever calls these holds ShareUpdateExclusiveLock on the table, and under the space lock, which
//! keeps flushes and merges from moving rows past it. VACUUM's cleanup flushes and merges.

use pages::error::{PageError, Problem};
use pages::maintain::{Marked, bulk_delete as bulk_delete_pages};
use pages::tids::HeapTid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::cache::OpenIndex;
use super::maintain::{Cause, Lane, Scope, Work};
use super::timed;
use crate::error::{IndexError, OrReport};
use crate::pg::lock::WorkLock;
use crate::pg::{compat, tid};
use crate::storage::RelationPager;

/// TIDs between two looks at the cost-based delay.
const DELAY_TIDS: u64 = 1000;

/// Marks the rows that the callback names. No buffer lock is held while the callback runs, nor on return.
#[pg_guard]
pub unsafe extern "C-unwind" fn ambulkdelete(
    info: *mut pg_sys::IndexVacuumInfo,
    stats: *mut pg_sys::IndexBulkDeleteResult,
    callback: pg_sys::IndexBulkDeleteCallback,
    callback_state: *mut std::ffi::c_void,
) -> *mut pg_sys::IndexBulkDeleteResult {
    // SAFETY: PostgreSQL passes a valid info with an open index, and the callback with its state.
    unsafe {
        let stats = ensure_stats(stats);
        let mut seen = 0;
        let mut is_dead = |row: HeapTid| {
            seen += 1;
            if seen % DELAY_TIDS == 0 {
                compat::vacuum_delay_point();
            }
            let mut pointer = tid::to_pg(row);
            callback.is_some_and(|callback| {
                pg_sys::ffi::pg_guard_ffi_boundary(|| callback(&raw mut pointer, callback_state))
            })
        };
        let marked = match bulk_delete((*info).index, &mut is_dead) {
            // What pgvector wrote, before the extension was updated in place. Failing would keep VACUUM from the table.
            Err(IndexError::Page { index, error }) if is_foreign(&error) => {
                crate::error::warn_foreign_index(&index);
                return stats;
            }
            result => result.or_report(),
        };
        (*stats).tuples_removed += marked.removed as f64;
        (*stats).num_index_tuples = marked.alive as f64;
        (*stats).estimated_count = false;
        stats
    }
}

/// Whether the index is none of ours: nobody can read it, so its entries need no marks.
fn is_foreign(error: &PageError) -> bool {
    error.block == 0 && error.problem == Problem::Foreign
}

unsafe fn bulk_delete(
    index: pg_sys::Relation,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
) -> Result<Marked, IndexError> {
    // SAFETY: the index is open, by the callback's contract.
    let open = unsafe { OpenIndex::new(index)? };
    // SAFETY: as above.
    let pager = unsafe { RelationPager::new(index, &open.hints) };
    bulk_delete_pages(&pager, is_dead, &mut |step| {
        // SAFETY: as above; no buffer is locked between steps.
        let _lock = unsafe { WorkLock::wait(index, Work::Space as u32) };
        step()
    })
    // SAFETY: as above.
    .map_err(|error| unsafe { IndexError::page(index, error) })
}

/// What VACUUM does besides: pending rows become a segment, merges that are due and that no other process does.
unsafe fn clean_up(index: pg_sys::Relation) -> Result<(), IndexError> {
    // SAFETY: the index is open, by the callback's contract.
    unsafe {
        timed::flush(index, Cause::Vacuum, true)?;
        for lane in [Lane::Small, Lane::Large] {
            while timed::merge(index, Scope::Due(lane), false, &mut || false)?.is_some() {}
        }
    }
    Ok(())
}

/// Fills in what VACUUM reports.
#[pg_guard]
pub unsafe extern "C-unwind" fn amvacuumcleanup(
    info: *mut pg_sys::IndexVacuumInfo,
    stats: *mut pg_sys::IndexBulkDeleteResult,
) -> *mut pg_sys::IndexBulkDeleteResult {
    // SAFETY: PostgreSQL passes a valid info with an open index.
    unsafe {
        if (*info).analyze_only {
            return stats;
        }
        match clean_up((*info).index) {
            Err(IndexError::Page { error, .. }) if is_foreign(&error) => {}
            result => result.or_report(),
        }
        let is_first = stats.is_null();
        let stats = ensure_stats(stats);
        if is_first {
            (*stats).num_index_tuples = (*info).num_heap_tuples;
            (*stats).estimated_count = true;
        }
        (*stats).num_pages =
            pg_sys::RelationGetNumberOfBlocksInFork((*info).index, pg_sys::ForkNumber::MAIN_FORKNUM);
        stats
    }
}

unsafe fn ensure_stats(stats: *mut pg_sys::IndexBulkDeleteResult) -> *mut pg_sys::IndexBulkDeleteResult {
    if !stats.is_null() {
        return stats;
    }
    // SAFETY: palloc0 returns zeroed memory of this size or raises.
    unsafe { pg_sys::palloc0(size_of::<pg_sys::IndexBulkDeleteResult>()).cast() }
}
