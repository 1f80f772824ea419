//! Flushes and merges: the interface only. Nothing is ever due here.
#![allow(dead_code, reason = "an interface: callers say why, whoever implements it distinguishes")]

use pgrx::pg_sys;

use crate::error::IndexError;

/// Why pending rows are flushed, or segments merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Size,
    Count,
    Age,
    Vacuum,
    Request,
    Segments,
    Dead,
}

/// Which segments a merge may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is due.
    Due,
    /// Only small ones: a writer's bounded share.
    Small,
    /// Everything that memory allows.
    All,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Rows moved into a segment.
    pub rows: u64,
    /// Dead rows dropped.
    pub dead: u64,
    /// Pages written.
    pub pages: u64,
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Segments that became one.
    pub segments: u64,
    /// Rows of the new one.
    pub rows: u64,
    /// Dead rows dropped.
    pub dead: u64,
    /// Pages written.
    pub pages: u64,
}

/// None: another process is flushing, and `wait` is false.
///
/// # Safety
/// `index` is open with RowExclusiveLock, and this is the backend's main thread.
pub unsafe fn flush(
    _index: pg_sys::Relation,
    _cause: Cause,
    _wait: bool,
) -> Result<Option<Flushed>, IndexError> {
    Ok(Some(Flushed::default()))
}

/// One merge. None: nothing to do, or another process is merging and `wait` is false, or `stop` said true meanwhile.
///
/// # Safety
/// As [`flush`].
pub unsafe fn merge(
    _index: pg_sys::Relation,
    _scope: Scope,
    _wait: bool,
    _stop: &mut dyn FnMut() -> bool,
) -> Result<Option<Merged>, IndexError> {
    Ok(None)
}

/// Whether a merge is due, by the manifest.
///
/// # Safety
/// As [`flush`].
pub unsafe fn merge_is_due(_index: pg_sys::Relation) -> Result<bool, IndexError> {
    Ok(false)
}
