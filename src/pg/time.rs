//! The server's clock.

use pgrx::pg_sys;

/// Microseconds since 2000-01-01 UTC. Asks the system.
pub fn now() -> u64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }.max(0) as u64
}

/// The same when the statement began: costs nothing.
pub fn statement_start() -> u64 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }.max(0) as u64
}
