//! Progress of CREATE INDEX, as pg_stat_progress_create_index shows it.

use std::sync::atomic::Ordering;

use ann::build::Control;
use pgrx::pg_sys;

/// What a build is doing. PostgreSQL's own phase, 1, is "initializing".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the table.
    LoadingTuples = 2,
    /// Worker threads build the graph; tuples are then units of their work.
    BuildingGraph = 3,
    /// Writing and calibrating a segment.
    WritingPages = 4,
}

impl Phase {
    /// The name that the view shows, NUL-terminated.
    pub fn name(number: i64) -> Option<&'static std::ffi::CStr> {
        match number {
            1 => Some(c"initializing"),
            2 => Some(c"loading tuples"),
            3 => Some(c"building graph"),
            4 => Some(c"writing pages"),
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

fn update(parameter: u32, value: i64) {
    // SAFETY: writes to this backend's own entry; does nothing when progress is not tracked.
    unsafe { pg_sys::pgstat_progress_update_param(parameter as i32, value) }
}
