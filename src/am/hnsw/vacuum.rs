//! `ambulkdelete` and `amvacuumcleanup`: dead rows are marked where they are.
//!
//! One pass over the TID pages of all segments and over the pending pages; one record per page that has something to
//! mark. Graph nodes stay: a node whose rows are all dead still leads to its neighbors. Marks are set by one process
//! at a time, because whoever calls these holds ShareUpdateExclusiveLock on the table, and under the space lock, which
//! keeps flushes and merges from moving rows past it. VACUUM's cleanup flushes and merges.

use pages::error::{PageError, Problem};
use pages::maintain::{BulkDelete, Marked};
use pages::tids::HeapTid;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::maintain::{self, Cause, Lane, Scope, Work};
use super::timed;
use super::worker::{self, Requested};
use crate::error::{IndexError, OrReport};
use crate::pg::buffer::BufferHints;
use crate::pg::lock::WorkLock;
use crate::pg::worker::is_autovacuum;
use crate::pg::{compat, relation_name, tid};
use crate::storage::RelationPager;

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
        let mut is_dead = |row: HeapTid| {
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
    // Without hints every page counts for the cost-based delay. Nothing but the meta page is read before the lock.
    let hints = BufferHints::default();
    // SAFETY: the index is open, by the callback's contract.
    let pager = unsafe { RelationPager::new(index, &hints) }.without_prefetch();
    let mut pass = BulkDelete::default();
    loop {
        // SAFETY: as above; no buffer is locked between steps.
        let goes_on = unsafe {
            let _lock = WorkLock::poll(index, Work::Space as u32);
            pass.step(&pager, is_dead)
        };
        // SAFETY: as above.
        if !goes_on.map_err(|error| unsafe { IndexError::page(index, error) })? {
            return Ok(pass.marked());
        }
        // SAFETY: as above; no lock is held while it sleeps.
        unsafe { compat::vacuum_delay_point() };
    }
}

/// What VACUUM does besides: pending rows become a segment, and merges that are due are done, by it or, because
/// autovacuum has other tables to see to, by workers. Nothing of that may end VACUUM: it would not come to freeze the
/// table.
unsafe fn clean_up(index: pg_sys::Relation) -> Result<(), IndexError> {
    // SAFETY: the index is open, by the callback's contract.
    unsafe {
        let flushed = timed::flush(index, Cause::Vacuum, true)?;
        if !is_autovacuum() {
            timed::drop_empty(index, &mut || false)?;
        }
        for lane in [Lane::Small, Lane::Large] {
            merge(index, lane)?;
        }
        if flushed.is_none() {
            timed::flush(index, Cause::Vacuum, true)?;
        }
    }
    Ok(())
}

/// The merges of a lane that are due: as many at most as there are segments, so that it ends under inserts. What is too
/// large without temporary files is a worker's.
unsafe fn merge(index: pg_sys::Relation, lane: Lane) -> Result<(), IndexError> {
    // SAFETY: the index is open, by the callback's contract.
    unsafe {
        let mut rest = maintain::segments(index)?;
        while rest > 0 && maintain::merge_due(index, lane)?.is_some() {
            if is_autovacuum()
                && matches!(worker::request(index, lane)?, Requested::Started | Requested::Running)
            {
                return Ok(());
            }
            if timed::merge(index, Scope::InMemory(lane), false, &mut || false)?.is_none() {
                let has_worker =
                    matches!(worker::request(index, lane)?, Requested::Started | Requested::Running);
                // Somebody may be merging who is no worker.
                if !has_worker && WorkLock::try_now(index, Work::from(lane) as u32).is_some() {
                    crate::error::warn_unmerged(&relation_name(index));
                }
                return Ok(());
            }
            rest -= 1;
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
            Err(error) if error.is_want_of_resources() => crate::error::warn_maintenance(error),
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
