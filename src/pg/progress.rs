//! Progress of CREATE INDEX, as pg_stat_progress_create_index shows it.
//!
//! Merges are shown there, too: what they do is the same. Their rows have no command, and the phase says what they are.
//! A backend has one row of all such views at a time, so a merge within VACUUM or COPY is not shown, and nothing is
//! written to the row of another command.

use std::sync::atomic::Ordering;

use ann::build::Control;
use pgrx::pg_sys;

/// What a build is doing. PostgreSQL's own phase, 1, is "initializing".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the table for a graph, or writing lists.
    LoadingTuples = 2,
    /// Worker threads build the graph; tuples are then units of their work.
    BuildingGraph = 3,
    /// Writing and calibrating a segment.
    WritingPages = 4,
    /// A merge reads the segments that it replaces.
    MergingSegments = 5,
    /// Training lists.
    PerformingKMeans = 6,
    /// Reading the table, whose rows go to lists.
    AssigningTuples = 7,
}

impl Phase {
    /// The name that the view shows, NUL-terminated.
    pub fn name(number: i64) -> Option<&'static std::ffi::CStr> {
        match number {
            1 => Some(c"initializing"),
            2 => Some(c"loading tuples"),
            3 => Some(c"building graph"),
            4 => Some(c"writing pages"),
            5 => Some(c"merging segments"),
            6 => Some(c"performing k-means"),
            7 => Some(c"assigning tuples"),
            _ => None,
        }
    }
}

/// Tells the view which phase begins.
pub fn phase(phase: Phase) {
    update(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, phase as i64);
}

/// Tells the view how many tuples were indexed.
pub fn tuples_done(count: i64) {
    update(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, count);
}

/// Tells the view how far the builder is, in its own units.
pub fn work(control: &Control) {
    update(pg_sys::PROGRESS_CREATEIDX_TUPLES_TOTAL, control.total.load(Ordering::Relaxed) as i64);
    update(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, control.done.load(Ordering::Relaxed) as i64);
}

/// A merge's row in the view; it ends on drop, or with the transaction when an error unwinds.
pub struct MergeShown(());

impl MergeShown {
    /// Begins the row, unless another command has this backend's.
    ///
    /// # Safety
    /// `index` is an open index, and this is the backend's main thread.
    pub unsafe fn start(index: pg_sys::Relation) -> Option<Self> {
        if command() != pg_sys::ProgressCommandType::PROGRESS_COMMAND_INVALID {
            return None;
        }
        // SAFETY: by the contract; an open index has its row of pg_index.
        unsafe {
            let command = pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX;
            pg_sys::pgstat_progress_start_command(command, (*(*index).rd_index).indrelid);
            let method = (*(*index).rd_rel).relam;
            update(pg_sys::PROGRESS_CREATEIDX_INDEX_OID.to_u32(), i64::from((*index).rd_id.to_u32()));
            update(pg_sys::PROGRESS_CREATEIDX_ACCESS_METHOD_OID.to_u32(), i64::from(method.to_u32()));
        }
        update(pg_sys::PROGRESS_CREATEIDX_PHASE, i64::from(pg_sys::PROGRESS_CREATEIDX_PHASE_BUILD));
        phase(Phase::MergingSegments);
        Some(Self(()))
    }
}

impl Drop for MergeShown {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: writes to this backend's own entry.
            unsafe { pg_sys::pgstat_progress_end_command() }
        }
    }
}

/// The command that this backend's row is about.
fn command() -> pg_sys::ProgressCommandType::Type {
    // SAFETY: null, or this backend's own entry, which nobody else writes.
    let entry = unsafe { pg_sys::MyBEEntry.as_ref() };
    entry.map_or(pg_sys::ProgressCommandType::PROGRESS_COMMAND_INVALID, |entry| entry.st_progress_command)
}

fn update(parameter: u32, value: i64) {
    if command() == pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX {
        // SAFETY: writes to this backend's own entry.
        unsafe { pg_sys::pgstat_progress_update_param(parameter as i32, value) }
    }
}
