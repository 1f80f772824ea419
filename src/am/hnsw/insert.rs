//! `aminsert`: a row goes to the pending pages, visible at once to every snapshot that may see the row.
//!
//! When that makes too many of them, the insert flushes them; a flush costs about as much as the inserts did, and
//! nobody else waits for it.
//!
//! No lock is held on entry or return.

use pages::pending::{self, Backlog};
use std::time::Duration;

use pages::segment::encode::encode_pending;
use pages::{PAGE_SIZE, PageError};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::cache::OpenIndex;
use super::maintain::{self, Cause, Lane, Scope};
use super::options::pending_limits;
use super::timed;
use super::worker::{self, Requested};
use crate::am::row::IndexedValue;
use crate::error::{IndexError, OrReport};
use crate::pg::detoast::Detoasted;
use crate::pg::{tid, time};
use crate::storage::RelationPager;

/// How long a writer waits at most for merges that are behind: 10,000 rows a second go on whatever happens.
const WAIT_PER_ROW_US: u64 = 100;

/// Flat segments that merges may find waiting.
const FLAT_SEGMENTS_WAITING: u64 = 32;

/// See the module's head.
#[pg_guard]
pub unsafe extern "C-unwind" fn aminsert(
    index: pg_sys::Relation,
    values: *mut pg_sys::Datum,
    is_null: *mut bool,
    heap_tid: pg_sys::ItemPointer,
    _heap: pg_sys::Relation,
    _check_unique: pg_sys::IndexUniqueCheck::Type,
    _index_unchanged: bool,
    _index_info: *mut pg_sys::IndexInfo,
) -> bool {
    // SAFETY: PostgreSQL passes one value and one null flag per column, and a valid TID.
    unsafe {
        if !*is_null {
            insert(index, Detoasted::new(*values), *heap_tid).or_report();
        }
    }
    false
}

unsafe fn insert(
    index: pg_sys::Relation,
    value: Detoasted,
    heap_tid: pg_sys::ItemPointerData,
) -> Result<(), IndexError> {
    // SAFETY: the index is open, by the callback's contract.
    let open = unsafe { OpenIndex::new(index)? };
    let space = &open.parsed.space;
    let value = IndexedValue::new(space.element(), value)?;
    let (expected, actual) = (space.dim(), value.dim() as usize);
    if actual != expected {
        return Err(IndexError::UnexpectedDimensions { expected, actual });
    }
    // SAFETY: as above.
    let damaged = |error| unsafe { IndexError::page(index, error) };
    let code = open.meta.own_code().ok_or_else(|| damaged(PageError::damaged(0, "encoding")))?;
    let (entry, own) = encode_pending(space, code, value.row(), tid::from_pg(heap_tid));
    // SAFETY: as above.
    let pager = unsafe { RelationPager::new(index, &open.hints) };
    let now = time::statement_start();
    let rows_per_page = open.meta.pending_entries().map_or(1, |entries| entries.typical_per_page()) as u64;
    let backlog =
        pending::append(&pager, &open.meta, (stripe(), &time::now), &entry, &own).map_err(damaged)?;
    let since = backlog.map_or(open.meta.pending_since, |backlog| backlog.since);
    let is_old = |age_max: u64| age_max > 0 && since > 0 && now.saturating_sub(since) > age_max;
    // SAFETY: as above.
    unsafe {
        let limits = pending_limits(index);
        let cause = match backlog {
            Some(Backlog { filled, .. }) if filled * rows_per_page < least_flush(&open) => return Ok(()),
            Some(Backlog { pages, .. }) if pages * PAGE_SIZE as u64 > limits.bytes => Cause::Size,
            Some(Backlog { filled, .. }) if limits.rows > 0 && filled * rows_per_page >= limits.rows => {
                Cause::Count
            }
            _ if is_old(limits.age_ms * 1000) => Cause::Age,
            _ => return Ok(()),
        };
        flush(index, cause)
    }
}

/// Rows that are worth a flush when merges are behind: the manifest must have places for the segments that wait.
fn least_flush(open: &OpenIndex) -> u64 {
    pages::maintain::backlog(open.meta.segments()) / FLAT_SEGMENTS_WAITING
}

/// Flushes, unless another process is at it, and finds somebody to merge when that is due.
unsafe fn flush(index: pg_sys::Relation, cause: Cause) -> Result<(), IndexError> {
    // SAFETY: the index is open, by the callback's contract, and no buffer is locked.
    unsafe {
        let flushed = tolerate(timed::flush(index, cause, false))?;
        // Who flushes asks for merges. If all those asked who find a flush running, each would start a worker before
        // the first of these is at work. When the manifest has no place left, nobody flushes.
        if flushed.is_none() && !maintain::is_full(index)? {
            return Ok(());
        }
        let flushed = flushed.unwrap_or_default();
        if maintain::merge_due(index, Lane::Large)?.is_some() {
            worker::request(index, Lane::Large)?;
        }
        if maintain::merge_due(index, Lane::Small)?.is_none() {
            return Ok(());
        }
        match worker::request(index, Lane::Small)? {
            Requested::Started | Requested::Running => {
                let limit = Duration::from_micros(flushed.rows * WAIT_PER_ROW_US);
                maintain::wait_for_merges(index, limit)?;
            }
            Requested::NoWorker | Requested::Busy | Requested::NotPossible => {
                tolerate(timed::merge(index, Scope::Share, false, &mut || false))?;
            }
        }
    }
    Ok(())
}

/// Want of memory or threads is no reason why an insert should fail: maintenance can be done later.
fn tolerate<T>(result: Result<Option<T>, IndexError>) -> Result<Option<T>, IndexError> {
    match result {
        Err(error) if error.is_want_of_resources() => {
            crate::error::warn_maintenance(error);
            Ok(None)
        }
        result => result,
    }
}

/// The stripe that this backend appends to.
fn stripe() -> usize {
    // SAFETY: the backend's own process id, set at its start.
    unsafe { pg_sys::MyProcPid as usize }
}
