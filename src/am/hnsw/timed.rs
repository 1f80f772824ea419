//! Flushes and merges as everybody runs them: timed, logged, and merges shown in pg_stat_progress_create_index. Before
//! them are the pause points `flush` and `merge`.

use std::time::Instant;

use pgrx::pg_sys;

use super::maintain::{self, Cause, Flushed, Merged, Scope};
use crate::error::{self, IndexError};
use crate::guc::maintenance::{log_min_duration, pause_point};
use crate::pg::progress::MergeShown;
use crate::pg::relation_name;

/// [`maintain::flush`], with a message at DEBUG1.
///
/// # Errors
/// As it.
///
/// # Safety
/// As it.
pub unsafe fn flush(
    index: pg_sys::Relation,
    cause: Cause,
    wait: bool,
) -> Result<Option<Flushed>, IndexError> {
    pause_point(c"flush");
    let start = Instant::now();
    // SAFETY: by the contract.
    let flushed = unsafe { maintain::flush(index, cause, wait)? };
    if let Some(flushed) = flushed.filter(|flushed| flushed.rows + flushed.dead > 0) {
        // SAFETY: by the contract.
        let name = unsafe { relation_name(index) };
        error::debug_flush(&name, &flushed, start.elapsed());
    }
    Ok(flushed)
}

/// [`maintain::merge`], with a message at LOG if it took as long as `proxima.log_maintenance_min_duration`.
///
/// # Errors
/// As it.
///
/// # Safety
/// As it.
pub unsafe fn merge(
    index: pg_sys::Relation,
    scope: Scope,
    wait: bool,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Option<Merged>, IndexError> {
    // SAFETY: by the contract.
    let shown = unsafe { MergeShown::start(index) };
    pause_point(c"merge");
    let start = Instant::now();
    // SAFETY: by the contract.
    let merged = unsafe { maintain::merge(index, scope, wait, stop)? };
    drop(shown);
    let elapsed = start.elapsed();
    if let Some(merged) = &merged
        && log_min_duration().is_some_and(|least| elapsed >= least)
    {
        // SAFETY: by the contract.
        let name = unsafe { relation_name(index) };
        error::log_merge(&name, merged, elapsed);
    }
    Ok(merged)
}

/// Drops large segments without live rows, unless somebody merges such: before other merges, so that these may use the
/// blocks as soon as nobody reads them any more.
///
/// # Errors
/// As [`maintain::merge`].
///
/// # Safety
/// As it.
pub unsafe fn drop_empty(index: pg_sys::Relation, stop: &mut dyn FnMut() -> bool) -> Result<(), IndexError> {
    // SAFETY: by the contract.
    while unsafe { maintain::has_empty(index)? && merge(index, Scope::Empty, false, stop)?.is_some() } {}
    Ok(())
}
