//! The settings of maintenance: when pending rows are flushed, who merges segments, what is logged; and where tests
//! stop a backend.

use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

use pgrx::pg_sys;

use super::{BoolSetting, IntSetting};
use crate::pg::lock::AdvisoryLock;

/// Least size of a pending list, kB; GIN's is the same.
pub const PENDING_LIST_LIMIT_MIN: c_int = 64;
/// Largest size that an option or a setting in kB can have (PostgreSQL's MAX_KILOBYTES).
pub const PENDING_LIST_LIMIT_MAX: c_int = c_int::MAX;
/// The advisory lock that [`pause_point`] takes: the bytes "prox", and 1.
const PAUSE_LOCK: (u32, u32) = (0x7072_6F78, 1);
/// How often a pause that may be given up is looked at.
const PAUSE_TURN: Duration = Duration::from_millis(10);

static mut PENDING_LIST_LIMIT: c_int = 4096;
static mut PENDING_ROWS_LIMIT: c_int = 1000;
static mut FLUSH_AGE: c_int = 60_000;
static mut BACKGROUND_MERGE: bool = true;
static mut MAX_MERGE_WORKERS: c_int = 3;
static mut LOG_MIN_DURATION: c_int = 10_000;
static mut PAUSE_AT: *mut c_char = std::ptr::null_mut();

/// `proxima.pending_list_limit` in kB.
pub fn pending_list_limit() -> c_int {
    // SAFETY: a plain value that PostgreSQL's settings code writes on this thread.
    unsafe { PENDING_LIST_LIMIT }
}

/// `proxima.pending_rows_limit`; 0: no limit.
pub fn pending_rows_limit() -> c_int {
    // SAFETY: as above.
    unsafe { PENDING_ROWS_LIMIT }
}

/// `proxima.flush_age` in milliseconds; 0: rows may stay pending for any time.
pub fn flush_age() -> c_int {
    // SAFETY: as above.
    unsafe { FLUSH_AGE }
}

/// `proxima.background_merge`
pub fn background_merge() -> bool {
    // SAFETY: as above.
    unsafe { BACKGROUND_MERGE }
}

/// `proxima.max_merge_workers`
pub fn max_merge_workers() -> u32 {
    // SAFETY: as above.
    unsafe { MAX_MERGE_WORKERS as u32 }
}

/// `proxima.log_maintenance_min_duration`: merges that took so long are logged; None: none is.
pub fn log_min_duration() -> Option<Duration> {
    // SAFETY: as above.
    let milliseconds = unsafe { LOG_MIN_DURATION };
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

/// Waits while somebody else holds the advisory lock (1886547832, 1) of this database, if `proxima.pause_at` is `name`.
/// Must not be called with a buffer lock held.
#[inline]
pub fn pause_point(name: &CStr) {
    if pauses_at(name) {
        drop(AdvisoryLock::wait(PAUSE_LOCK));
    }
}

/// The same, but the pause ends when `stop` says so, too. The backend polls, so it is not seen to wait for a lock;
/// interrupts are handled meanwhile.
pub fn pause_until(name: &CStr, stop: &mut dyn FnMut() -> bool) {
    while pauses_at(name) && AdvisoryLock::try_now(PAUSE_LOCK).is_none() && !stop() {
        std::thread::sleep(PAUSE_TURN);
        pgrx::check_for_interrupts!();
    }
}

#[inline]
fn pauses_at(name: &CStr) -> bool {
    // SAFETY: null, or a C string that PostgreSQL's settings code keeps until the next assignment on this thread.
    unsafe { !PAUSE_AT.is_null() && *PAUSE_AT != 0 && CStr::from_ptr(PAUSE_AT) == name }
}

/// Defines them. Called once, when the library is loaded.
pub fn init() {
    let (anybody, superuser) = (pg_sys::GucContext::PGC_USERSET, pg_sys::GucContext::PGC_SUSET);
    IntSetting {
        name: c"proxima.pending_list_limit",
        description:
            c"Sets the size of an index's pending list at which an insert flushes it into a segment.",
        detail: c"The index option pending_list_limit takes precedence.",
        place: &raw mut PENDING_LIST_LIMIT,
        default: 4096,
        range: (PENDING_LIST_LIMIT_MIN, PENDING_LIST_LIMIT_MAX),
        assign: None,
    }
    .define_as(anybody, pg_sys::GUC_UNIT_KB);
    IntSetting {
        name: c"proxima.pending_rows_limit",
        description: c"Sets the number of pending rows at which an insert flushes them into a segment.",
        detail: c"0 disables the limit.",
        place: &raw mut PENDING_ROWS_LIMIT,
        default: 1000,
        range: (0, c_int::MAX),
        assign: None,
    }
    .define_as(anybody, 0);
    IntSetting {
        name: c"proxima.flush_age",
        description: c"Sets the age of the oldest pending row at which an insert flushes the pending list.",
        detail: c"0 disables flushes by age.",
        place: &raw mut FLUSH_AGE,
        default: 60_000,
        range: (0, c_int::MAX),
        assign: None,
    }
    .define_as(anybody, pg_sys::GUC_UNIT_MS);
    BoolSetting {
        name: c"proxima.background_merge",
        description: c"Starts a background worker when segments of an index are due to be merged.",
        detail: c"Without one, the session that writes merges small segments itself, and VACUUM the others.",
        place: &raw mut BACKGROUND_MERGE,
        default: true,
    }
    .define();
    IntSetting {
        name: c"proxima.max_merge_workers",
        description: c"Sets the number of background workers that may merge segments at a time.",
        detail: c"They take slots of max_worker_processes.",
        place: &raw mut MAX_MERGE_WORKERS,
        default: 3,
        range: (0, 64),
        assign: None,
    }
    .define_as(pg_sys::GucContext::PGC_SIGHUP, 0);
    IntSetting {
        name: c"proxima.log_maintenance_min_duration",
        description: c"Sets the minimum execution time above which merges of segments will be logged.",
        detail: c"-1 disables logging merges. 0 means log all merges.",
        place: &raw mut LOG_MIN_DURATION,
        default: 10_000,
        range: (-1, c_int::MAX),
        assign: None,
    }
    .define_as(superuser, pg_sys::GUC_UNIT_MS);
    define_pause_at();
}

fn define_pause_at() {
    // SAFETY: strings and the place are static; PostgreSQL copies the default.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            c"proxima.pause_at".as_ptr(),
            c"Sets the place in the code at which a session waits for an advisory lock.".as_ptr(),
            c"For tests: the lock is pg_advisory_lock(1886547832, 1). Empty: sessions never wait.".as_ptr(),
            &raw mut PAUSE_AT,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GUC_NOT_IN_SAMPLE as c_int,
            None,
            None,
            None,
        );
    }
}
