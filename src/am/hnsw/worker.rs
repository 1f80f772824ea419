//! The background worker that merges segments, and how a writer asks for it.
//!
//! A worker is for one index. Each merge is a transaction of its own, so locks and snapshots are held no longer than
//! one; it ends when nothing is due. There may be two for one index, because merges of graphs take long and flat
//! segments must not wait for them. More do no harm: they find both kinds of work taken, and end.
//!
//! # Who must not wait for it
//! - Readers and writers: it holds RowExclusiveLock on the index only, as they do.
//! - DROP INDEX, DROP TABLE, REINDEX, TRUNCATE: twice a second it looks whether somebody waits for a lock that
//!   conflicts with its own, and then gives up what it has done since the last merge.
//! - DROP DATABASE waits five seconds for sessions in it to end, holding the database's lock: the same look finds it
//!   taken.
//! - VACUUM of other tables: it keeps no snapshot while it merges.
//!
//! It never waits for the index's lock: whoever has it drops the index, rebuilds it, or has yet to commit it.
//!
//! # Who sees what is due last
//! A worker looks before it ends, and a writer asks for another once that one has ended and something else is due. What
//! may be left for the next flush, VACUUM or proxima.merge(): what a flush makes due while a worker is on its way out,
//! after its last look, and a merge that a worker was asked for and has not made, because it gave way or failed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::inspect;
use super::maintain::{self, Lane, Scope, Work};
use super::timed;
use crate::error::{self, IndexError, OrReport};
use crate::guc::maintenance::{background_merge, max_merge_workers, pause_until};
use crate::pg::lock::{self, WorkLock};
use crate::pg::worker::Handle;
use crate::pg::{compat, relation_name, threads, worker};

/// A backend asks for a worker for an index no more often than this, unless the one that it counted on has done its
/// work and ended.
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// How long somebody's merge that was seen running is taken to go on.
const PROBE_AFTER: Duration = Duration::from_millis(300);
const REQUEST_INTERVAL_MAX: Duration = Duration::from_secs(8);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(20);
/// Indexes of which a backend knows when it asked last.
const REMEMBERED_MAX: usize = 512;
/// How often a worker looks whether somebody waits for it.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// A worker will begin soon.
    Started,
    /// A merge is running, or a worker was asked for a moment ago.
    Running,
    /// There is no slot for one; the user has been warned once.
    NoWorker,
    /// There are as many as there may be, for other indexes.
    Busy,
    /// No worker can see the index, or none is wanted.
    NotPossible,
}

/// The last request for a lane of an index.
#[derive(Clone, Copy)]
struct Asked {
    when: Instant,
    answer: Requested,
    /// The worker that was started.
    worker: Option<Handle>,
    /// The merge that was due.
    due: Option<u32>,
    /// No other before this has passed: longer each time that a worker was started and the same merge is still due,
    /// because it may be that workers find nothing to do, or fail.
    interval: Duration,
}

impl Asked {
    /// Whether the interval has passed.
    fn is_over(&self) -> bool {
        self.when.elapsed() >= self.interval
    }
}

thread_local! {
    static REQUESTS: RefCell<HashMap<(pg_sys::Oid, Lane), Asked>> = RefCell::new(HashMap::new());
    static HAS_WARNED: Cell<bool> = const { Cell::new(false) };
}

/// Asks for a worker that merges what is due in a lane of an index. Neither waits nor raises for want of one.
///
/// # Errors
/// If a page is damaged.
///
/// # Safety
/// `index` is open and of one of our methods; this is the backend's main thread, with no buffer lock held.
pub unsafe fn request(index: pg_sys::Relation, lane: Lane) -> Result<Requested, IndexError> {
    // SAFETY: by the contract.
    let oid = unsafe { ((*index).rd_id, lane) };
    let last = REQUESTS.with_borrow(|requests| requests.get(&oid).copied());
    // SAFETY: by the contract.
    let due = unsafe { maintain::merge_due(index, lane)? };
    if let Some(last) = last.filter(|last| !last.is_over()) {
        let is_another = due.is_some() && due != last.due;
        // SAFETY: by the contract.
        let is_done = is_another && unsafe { has_ended(index, lane, &last) };
        if !is_done {
            return Ok(if last.answer == Requested::Started { Requested::Running } else { last.answer });
        }
    }
    // SAFETY: by the contract.
    let (answer, worker) = unsafe { ask(index, lane) };
    let was_running = last.is_some_and(|last| last.answer == Requested::Running && !last.is_over());
    if answer == Requested::Busy && was_running {
        // It may be that worker, between two merges, that has the slot.
        return Ok(Requested::Running);
    }
    // What is not possible costs nothing to find out, and may be so once the transaction has ended.
    if answer != Requested::NotPossible {
        REQUESTS.with_borrow_mut(|requests| {
            if requests.len() >= REMEMBERED_MAX {
                requests.drain().for_each(|(_, asked)| forget(&asked));
            }
            let is_repeated = |last: &Asked| {
                let both_started = answer == Requested::Started && last.answer == answer;
                both_started && last.due == due && last.when.elapsed() < FORGOTTEN_AFTER
            };
            let interval = match last.filter(is_repeated) {
                Some(last) => (2 * last.interval).min(REQUEST_INTERVAL_MAX),
                None => REQUEST_INTERVAL,
            };
            let asked = Asked { when: Instant::now(), answer, worker, due, interval };
            if let Some(before) = requests.insert(oid, asked) {
                forget(&before);
            }
        });
    }
    if answer == Requested::NoWorker && !HAS_WARNED.replace(true) {
        // SAFETY: by the contract.
        error::warn_no_worker(&unsafe { relation_name(index) });
    }
    Ok(answer)
}

/// Frees what an entry has that is no longer in the table.
fn forget(asked: &Asked) {
    if let Some(worker) = asked.worker {
        // SAFETY: the entry has left the table, and whoever has a copy of it does not look at the handle any more.
        unsafe { worker.free() }
    }
}

/// Whether the worker has ended that was counted on when one was asked for last: then nobody looks at what has become
/// due since, and who writes last would leave it.
///
/// # Safety
/// As [`request`].
unsafe fn has_ended(index: pg_sys::Relation, lane: Lane, last: &Asked) -> bool {
    match (last.answer, last.worker) {
        (Requested::Started, Some(worker)) => worker.has_ended(),
        // Between two merges a worker does not have the lock, so nobody looks often.
        (Requested::Running, _) if last.when.elapsed() >= PROBE_AFTER => {
            // SAFETY: by the contract.
            unsafe { WorkLock::try_now(index, Work::from(lane) as u32).is_some() }
        }
        _ => false,
    }
}

unsafe fn ask(index: pg_sys::Relation, lane: Lane) -> (Requested, Option<Handle>) {
    // SAFETY: the index is open, by the caller's contract; the last is set at the start of the process.
    let (is_temporary, is_new, has_postmaster) = unsafe {
        let persistence = (*(*index).rd_rel).relpersistence as u8;
        let is_temporary = persistence == pg_sys::RELPERSISTENCE_TEMP;
        (is_temporary, compat::is_new_in_transaction(index), pg_sys::IsUnderPostmaster)
    };
    if is_temporary || is_new || !has_postmaster || !background_merge() {
        return (Requested::NotPossible, None);
    }
    // SAFETY: by the caller's contract.
    let (is_running, task) = unsafe {
        let is_running = WorkLock::try_now(index, Work::from(lane) as u32).is_none();
        (is_running, Task { database: pg_sys::MyDatabaseId, index: (*index).rd_id })
    };
    if is_running {
        return (Requested::Running, None);
    }
    if !lock::is_slot_free(max_merge_workers()) {
        return (Requested::Busy, None);
    }
    // SAFETY: by the caller's contract; PostgreSQL terminates the array with NUL.
    let name = unsafe { CStr::from_ptr((*(*index).rd_rel).relname.data.as_ptr()) };
    let name = text(&[b"proxima maintenance of ", name.to_bytes()]);
    let request = worker::Request {
        function: c"proxima_maintenance_worker",
        name: &name,
        kind: c"proxima maintenance",
        payload: task.to_bytes(),
    };
    let worker = request.start();
    (if worker.is_some() { Requested::Started } else { Requested::NoWorker }, worker)
}

/// What a worker is given.
#[derive(Clone, Copy)]
struct Task {
    database: pg_sys::Oid,
    index: pg_sys::Oid,
}

impl Task {
    fn to_bytes(self) -> [u8; worker::PAYLOAD_BYTES] {
        let both = u64::from(self.database.to_u32()) << 32 | u64::from(self.index.to_u32());
        both.to_ne_bytes()
    }

    fn from_bytes(bytes: [u8; worker::PAYLOAD_BYTES]) -> Self {
        let both = u64::from_ne_bytes(bytes);
        let oid = |number: u64| pg_sys::Oid::from(number as u32);
        Self { database: oid(both >> 32), index: oid(both) }
    }
}

/// The worker: merges what is due in one index, then ends.
///
/// # Safety
/// Called by PostgreSQL at the start of a background worker only.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn proxima_maintenance_worker(_argument: pg_sys::Datum) {
    let Some(payload) = worker::payload() else { return };
    let task = Task::from_bytes(payload);
    // SAFETY: by the contract.
    unsafe { worker::connect(task.database) };
    let mut has_slot = false;
    loop {
        worker::reload_settings();
        // Another worker may have been faster than the look of who asked for this one.
        has_slot = has_slot || worker::transaction(|| lock::keep_slot(max_merge_workers()));
        if !has_slot {
            return;
        }
        // SAFETY: within a transaction, on the worker's main thread.
        let goes_on = worker::transaction(|| unsafe { turn(task.index) }.or_report());
        if !goes_on {
            return;
        }
        pgrx::check_for_interrupts!();
    }
}

/// One merge; false when there is nothing more to do. The index's lock goes with the transaction.
unsafe fn turn(oid: pg_sys::Oid) -> Result<bool, IndexError> {
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: within a transaction; the relation is open between try_relation_open and relation_close.
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(oid, lock) {
            return Ok(false);
        }
        let relation = pg_sys::try_relation_open(oid, pg_sys::NoLock as pg_sys::LOCKMODE);
        if relation.is_null() {
            return Ok(false);
        }
        let is_possible = inspect::is_ours(relation) && inspect::is_ready(relation);
        let merged = is_possible && merge(relation)?;
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        Ok(merged)
    }
}

unsafe fn merge(index: pg_sys::Relation) -> Result<bool, IndexError> {
    // SAFETY: the index is open, by the caller's contract, and stays so in this function.
    let (schema, name) = unsafe {
        let row = &*(*index).rd_rel;
        let schema = pg_sys::get_namespace_name(row.relnamespace);
        let schema = if schema.is_null() { c"" } else { CStr::from_ptr(schema) };
        (schema, CStr::from_ptr(row.relname.data.as_ptr()))
    };
    worker::show_activity(&text(&[b"proxima: merge ", schema.to_bytes(), b".", name.to_bytes()]));
    worker::give_up_snapshot();
    let mut watch = Watch { index, next: Instant::now(), is_wanted: false };
    pause_until(c"worker", &mut || watch.must_stop());
    // What ends it for good is raised here, so that the log tells.
    pgrx::check_for_interrupts!();
    if watch.must_stop() {
        return Ok(false);
    }
    // SAFETY: as above; the worker holds RowExclusiveLock.
    unsafe { timed::drop_empty(index, &mut || watch.must_stop())? };
    for lane in [Lane::Small, Lane::Large] {
        // SAFETY: as above.
        let merged = unsafe { timed::merge(index, Scope::Due(lane), false, &mut || watch.must_stop())? };
        if merged.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A worker's look at who waits for it.
struct Watch {
    index: pg_sys::Relation,
    next: Instant,
    is_wanted: bool,
}

impl Watch {
    /// Whether the worker has to give way, or an interrupt ends it. Cheap; raises nothing.
    fn must_stop(&mut self) -> bool {
        if self.is_wanted || threads::interrupt_is_pending() {
            return true;
        }
        let now = Instant::now();
        if now >= self.next {
            self.next = now + WATCH_INTERVAL;
            worker::give_up_snapshot();
            // SAFETY: the index is open and locked while its merge runs.
            self.is_wanted = lock::database_is_wanted() || unsafe { lock::relation_is_wanted(self.index) };
        }
        self.is_wanted
    }
}

/// The parts, one after the other; empty if they have a NUL, which names don't.
fn text(parts: &[&[u8]]) -> CString {
    CString::new(parts.concat()).unwrap_or_default()
}
