//! Worker threads inside a backend.
//!
//! Only the backend's main thread may call PostgreSQL. Workers run code of the pure crates, which can't name it,
//! and hand back plain results. All signals are blocked while the threads are created, and they inherit that: a
//! signal handler of PostgreSQL must never run on a worker. The main thread waits in short turns; when an interrupt
//! ends the statement it tells the workers to stop, waits until they have, and only then raises the error. Only
//! beside a [`Crew`] the main thread is elsewhere: an error there stops the workers by unwinding, and the end
//! of the process takes them with it, in code that touches nothing but their own memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use pgrx::pg_sys;

use super::compat;

/// How long a cancel may stay unnoticed by the waiting main thread.
const TURN: Duration = Duration::from_millis(20);

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The threads could not be created: the caller may run the work itself.
    NoThreads,
    /// `stop` said so.
    Stopped,
}

/// Runs `work` on a private pool of `threads` threads and returns its result.
///
/// While it runs, `progress` is called on the main thread every turn. When an interrupt ends the statement, `cancel`
/// is called once; `work` must then return soon, and the interrupt is raised after it has.
///
/// Returns None when the threads could not be created: the caller may run the work itself.
pub fn with_workers<R: Send>(
    threads: usize,
    work: impl FnOnce() -> R + Send,
    cancel: impl Fn(),
    progress: impl FnMut(),
) -> Option<R> {
    with_stoppable_workers(threads, work, cancel, progress, &mut || false).ok()
}

/// As [`with_workers`], and `stop` is asked every turn, too: once it says true, `cancel` is called and the result is
/// thrown away. It must raise no error: the workers would go on under it.
///
/// # Errors
/// See [`Unfinished`].
pub fn with_stoppable_workers<R: Send>(
    threads: usize,
    work: impl FnOnce() -> R + Send,
    cancel: impl Fn(),
    mut progress: impl FnMut(),
    stop: &mut dyn FnMut() -> bool,
) -> Result<R, Unfinished> {
    let pool = build_pool(threads).ok_or(Unfinished::NoThreads)?;
    let (sender, receiver) = channel();
    let mut waited = Waited { result: None, raised: None, is_stopped: false };
    pool.in_place_scope(|scope| {
        scope.spawn(move |_| {
            // The receiver outlives the scope, so the send can't fail.
            let _ = sender.send(work());
        });
        waited = wait_for(&receiver, cancel, &mut progress, stop);
    });
    drop(pool);
    waited.outcome()
}

/// What came of waiting for workers.
struct Waited<R> {
    result: Option<R>,
    raised: Option<Box<dyn std::any::Any + Send>>,
    is_stopped: bool,
}

impl<R> Waited<R> {
    /// The result, once no worker is left; raises what has to be.
    fn outcome(self) -> Result<R, Unfinished> {
        if let Some(error) = self.raised {
            resume_unwind(error);
        }
        pgrx::check_for_interrupts!();
        // Without a result and without a reason the work has panicked, and that was passed on.
        self.result.filter(|_| !self.is_stopped).ok_or(Unfinished::Stopped)
    }
}

/// Waits in turns for what workers send.
fn wait_for<R>(
    receiver: &Receiver<R>,
    cancel: impl Fn(),
    progress: &mut dyn FnMut(),
    stop: &mut dyn FnMut() -> bool,
) -> Waited<R> {
    let mut waited = Waited { result: None, raised: None, is_stopped: false };
    let mut is_cancelled = false;
    loop {
        match receiver.recv_timeout(TURN) {
            Ok(value) => {
                waited.result = Some(value);
                return waited;
            }
            Err(RecvTimeoutError::Disconnected) => return waited,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if !is_cancelled {
            let must_end = statement_must_end(&mut waited.raised);
            waited.is_stopped = !must_end && stop();
            if must_end || waited.is_stopped {
                is_cancelled = true;
                cancel();
            } else {
                progress();
            }
        }
    }
}

/// Threads that work on what they are given while the main thread does something else; results come in the order of
/// the work. When this is dropped, by an error for instance, all work is cancelled and waited for.
pub struct Crew<R> {
    /// Its threads end once they have nothing to do.
    pool: rayon::ThreadPool,
    sender: Sender<Numbered<R>>,
    receiver: Receiver<Numbered<R>>,
    /// Results that came before those of earlier work.
    early: BTreeMap<u64, std::thread::Result<R>>,
    begun: u64,
    arrived: u64,
    ended: u64,
    cancel: Box<dyn Fn()>,
}

/// A result, or the panic in place of it, and the number of the work.
type Numbered<R> = (u64, std::thread::Result<R>);

impl<R: Send + 'static> Crew<R> {
    /// So many threads; None when these could not be created. After `cancel` was called all work must return soon.
    pub fn new(threads: usize, cancel: impl Fn() + 'static) -> Option<Self> {
        let pool = build_pool(threads)?;
        let (sender, receiver) = channel();
        let (early, cancel) = (BTreeMap::new(), Box::new(cancel));
        Some(Self { pool, sender, receiver, early, begun: 0, arrived: 0, ended: 0, cancel })
    }

    /// Gives the threads work.
    pub fn begin(&mut self, work: impl FnOnce() -> R + Send + 'static) {
        let (number, sender) = (self.begun, self.sender.clone());
        self.begun += 1;
        self.pool.spawn(move || {
            // A panic that leaves the closure would end the process.
            let _ = sender.send((number, catch_unwind(AssertUnwindSafe(work))));
        });
    }

    /// How much work there is whose results were not taken.
    pub fn pending(&self) -> usize {
        (self.begun - self.ended) as usize
    }

    /// Waits for the result of the earliest work that is pending, and None without any. An interrupt that ends the
    /// statement is raised once no work is left.
    pub fn end(&mut self) -> Option<R> {
        if self.pending() == 0 {
            return None;
        }
        let mut result = self.early.remove(&self.ended);
        while result.is_none() {
            let waited = wait_for(&self.receiver, &self.cancel, &mut || {}, &mut || false);
            self.arrived += u64::from(waited.result.is_some());
            let is_over = waited.raised.is_some() || interrupt_is_pending();
            if is_over {
                self.wait_for_all();
            }
            match waited.outcome().ok()? {
                // All work was cancelled, whatever became of the interrupt.
                _ if is_over => return None,
                (number, came) if number == self.ended => result = Some(came),
                (number, came) => drop(self.early.insert(number, came)),
            }
        }
        self.ended += 1;
        match result? {
            Ok(result) => Some(result),
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl<R> Crew<R> {
    /// Cancels what is at work and waits until nothing is: what it would bring does not matter.
    fn wait_for_all(&mut self) {
        if self.arrived < self.begun {
            (self.cancel)();
        }
        while self.arrived < self.begun && self.receiver.recv().is_ok() {
            self.arrived += 1;
        }
    }
}

impl<R> Drop for Crew<R> {
    fn drop(&mut self) {
        self.wait_for_all();
    }
}

/// Whether an interrupt waits that ends the statement or the process.
pub fn interrupt_is_pending() -> bool {
    // SAFETY: flags that signal handlers set.
    let read = |flag: *const pg_sys::sig_atomic_t| unsafe { std::ptr::read_volatile(flag) != 0 };
    read(&raw const pg_sys::QueryCancelPending)
        || read(&raw const pg_sys::ProcDiePending)
        || compat::transaction_timeout_is_pending()
}

/// Whether a pending interrupt ends the statement.
///
/// It is only noticed here and raised after the workers have stopped, because it may end the process under them.
/// Barriers, for which other backends wait, are absorbed at once; should that raise an error, it waits in `raised`.
/// All other interrupts wait for the workers.
fn statement_must_end(raised: &mut Option<Box<dyn std::any::Any + Send>>) -> bool {
    if interrupt_is_pending() {
        return true;
    }
    // SAFETY: a flag that signal handlers set.
    if unsafe { std::ptr::read_volatile(&raw const pg_sys::ProcSignalBarrierPending) != 0 } {
        // SAFETY: this is the main thread; raised errors become panics, which are caught.
        let absorbed = std::panic::catch_unwind(|| unsafe { pg_sys::ProcessProcSignalBarrier() });
        *raised = absorbed.err();
    }
    raised.is_some()
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
