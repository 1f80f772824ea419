//! What `proxima.flush()` and `proxima.merge()` do.
//!
//! RowExclusiveLock on the index, as a writer has it: readers and writers go on, DROP and REINDEX wait. Only owners and
//! maintainers get as far as the lock.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::inspect;
use super::maintain::{self, Cause, Flushed, Lane, Merged, Scope};
use super::timed;
use super::worker::{self, Requested};
use crate::error::{AccessError, IndexError};
use crate::pg::{compat, name_of};

/// Moves the pending rows of an index into a segment; waits for another process that is about it.
///
/// # Errors
/// If the index may not be maintained by this user or now, is none of ours, or has a damaged page.
pub fn flush(oid: u32) -> Result<Flushed, IndexError> {
    with_index(oid, c"proxima.flush()", |index| {
        // SAFETY: `with_index` has opened and locked it.
        let flushed = unsafe { timed::flush(index, Cause::Request, true)? };
        Ok(flushed.unwrap_or_default())
    })
}

/// Merges the segments of an index as far as memory allows; returns the number of merges and the sums of what they did.
///
/// # Errors
/// As [`flush`].
pub fn merge(oid: u32) -> Result<(u64, Merged), IndexError> {
    with_index(oid, c"proxima.merge()", |index| {
        let (mut merges, mut sum) = (0, Merged::default());
        // SAFETY: `with_index` has opened and locked it.
        let before = unsafe { maintain::next_number(index)? };
        // SAFETY: as above.
        while let Some(merged) = unsafe { timed::merge(index, Scope::All(before), true, &mut || false)? } {
            merges += 1;
            sum.segments += merged.segments;
            sum.rows += merged.rows;
            sum.dead += merged.dead;
            sum.pages += merged.pages;
            pgrx::check_for_interrupts!();
        }
        Ok((merges, sum))
    })
}

/// Asks for a worker as a writer does when a merge is due.
///
/// # Errors
/// As [`flush`].
pub fn request_merge(oid: u32) -> Result<Requested, IndexError> {
    // SAFETY: `with_index` has opened and locked it.
    with_index(oid, c"request_merge()", |index| unsafe { worker::request(index, Lane::Small) })
}

/// Opens an index of ours for maintenance, hands it to `work`, closes it.
fn with_index<R>(
    oid: u32,
    function: &CStr,
    work: impl FnOnce(pg_sys::Relation) -> Result<R, IndexError>,
) -> Result<R, IndexError> {
    let number = pg_sys::Oid::from(oid);
    // SAFETY: raises core's error on a standby; looks into catalogues.
    let (kind, table) = unsafe {
        pg_sys::PreventCommandDuringRecovery(function.as_ptr());
        (pg_sys::get_rel_relkind(number), pg_sys::IndexGetRelation(number, true))
    };
    let name = name_of(number).ok_or(IndexError::NoRelation { oid })?;
    if kind as u8 != pg_sys::RELKIND_INDEX && kind as u8 != pg_sys::RELKIND_PARTITIONED_INDEX {
        return Err(IndexError::NotOurs { name });
    }
    if !compat::may_maintain(table) {
        return Err(IndexError::Access(AccessError::NotOwner { name }));
    }
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relation stays open until index_close, or until the error that `work` returns ends the transaction.
    unsafe {
        let index = inspect::open(oid, lock)?;
        if !inspect::is_ready(index) {
            return Err(IndexError::Access(AccessError::NotReady { name }));
        }
        let result = work(index)?;
        pg_sys::index_close(index, lock);
        Ok(result)
    }
}
