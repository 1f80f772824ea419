//! The server's clock.

use std::time::Duration;

use pgrx::pg_sys;

/// Microseconds since 2000-01-01 UTC. Asks the system.
pub fn now() -> u64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }.max(0) as u64
}

/// A time as ISO 8601 in UTC, to the second.
pub fn text(at: u64) -> String {
    let seconds = at / 1_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut month, mut day) = (0, 0, 0);
    // SAFETY: fills the three places; day 0 of the clock is this Julian day.
    unsafe {
        let julian = days as i32 + pg_sys::POSTGRES_EPOCH_JDATE as i32;
        pg_sys::j2date(julian, &raw mut year, &raw mut month, &raw mut day);
    }
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// The same when the statement began: costs nothing.
pub fn statement_start() -> u64 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }.max(0) as u64
}

/// Sleeps; interrupts end it early, and are raised.
pub fn sleep(duration: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    let milliseconds = duration.as_millis().clamp(1, 1000) as i64;
    // SAFETY: this process's own latch, on its main thread; whoever else waits for the latch looks again after setting
    // it, as after any of its wake-ups.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}
