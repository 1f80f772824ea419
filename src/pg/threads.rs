//! Worker threads inside a backend.
//!
//! Only the backend's main thread may call PostgreSQL. Workers run code of the pure crates, which can't name it,
//! and hand back plain results. All signals are blocked while the threads are created, and they inherit that: a
//! signal handler of PostgreSQL must never run on a worker. The main thread waits in short turns; when an interrupt
//! is pending it tells the workers to stop, joins them, and only then lets PostgreSQL raise the error.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pgrx::pg_sys;

/// How long a cancel may stay unnoticed by the waiting main thread.
const TURN: Duration = Duration::from_millis(20);

/// Runs `work` on a private pool of `threads` threads and returns its result.
///
/// While it runs, `progress` is called on the main thread every turn. When an interrupt is pending, `cancel` is
/// called once; `work` must then return soon, and the interrupt is raised after it has.
///
/// Returns None when the threads could not be created: the caller may run the work itself.
pub fn with_workers<R: Send>(
    threads: usize,
    work: impl FnOnce() -> R + Send,
    cancel: impl Fn(),
    mut progress: impl FnMut(),
) -> Option<R> {
    let pool = build_pool(threads)?;
    let (sender, receiver) = channel();
    let mut is_cancelled = false;
    let mut result = None;
    pool.in_place_scope(|scope| {
        scope.spawn(move |_| {
            // The receiver outlives the scope, so the send can't fail.
            let _ = sender.send(work());
        });
        loop {
            match receiver.recv_timeout(TURN) {
                Ok(value) => {
                    result = Some(value);
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !is_cancelled && interrupt_is_pending() {
                is_cancelled = true;
                cancel();
            }
            if !is_cancelled {
                progress();
            }
        }
    });
    drop(pool);
    pgrx::check_for_interrupts!();
    result
}

/// Whether PostgreSQL wants to interrupt this backend. Signals only set flags, so this raises nothing.
fn interrupt_is_pending() -> bool {
    // SAFETY: a flag that signal handlers set.
    unsafe { std::ptr::read_volatile(&raw const pg_sys::InterruptPending) != 0 }
}

fn build_pool(threads: usize) -> Option<rayon::ThreadPool> {
    let restore = SignalsBlocked::new();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(|at| format!("proxima worker {at}"))
        .build()
        .ok();
    drop(restore);
    pool
}

/// All signals are blocked on this thread while it lives.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: both sets are plain memory that the calls fill; pthread_sigmask touches this thread only.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: restores the mask that this thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut());
        }
    }
}
