//! Flush and merge of one index: the page layer's jobs with PostgreSQL's locks, memory limits and threads.
//!
//! Who calls: inserts (flush by size, count and age; a writer's share of merges), VACUUM's cleanup, the SQL
//! functions, the background worker. Nothing of a job is transactional: what it has committed stays when the
//! transaction around it aborts, and rows of transactions in progress move like others, because visibility is the
//! heap's matter.
//!
//! Memory: the rows of a job and the builder's own stay within maintenance_work_mem (autovacuum_work_mem in
//! autovacuum), as in a build; segments whose graph does not fit stay apart. Lists always fit, by way of temporary
//! files; INSERT and VACUUM, which must not fail for want of these, leave to the worker what is too large without.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ann::build::{BuildError, Control};
use pages::error::{PageError, Problem};
use pages::format::meta::{Meta, SEGMENTS_MAX, SegmentEntry};
use pages::maintain::{self, Horizon, Host, Limits, LoadError, Slot, Sources, Step, Task};
use pages::pager::Pager;
use pages::pending;
use pages::row::Element;
use pages::segment::build::{self, BuildOptions, Navigator};
use pages::segment::calibrate::Reach;
use pages::segment::stream::{self, SpillSort, Workers};
use pages::space::Space;
use pgrx::pg_sys;

use super::cache::OpenIndex;
use crate::error::IndexError;
use crate::guc;
use crate::guc::maintenance::pause_point;
use crate::pg::horizon::IndexHorizon;
use crate::pg::lock::WorkLock;
use crate::pg::sort::{self, TupleSort};
use crate::pg::threads::{self, Unfinished};
use crate::pg::{progress, time};
use crate::storage::{ClaimedPages, RelationPager, Stop};

pub use pages::maintain::{Cause, Lane};

/// Rows of flat segments up to which writers do not wait, and over how many more their wait grows to its limit.
const BACKLOG_FREE: u64 = 128 * 1024;
const BACKLOG_RANGE: f64 = 128.0 * 1024.0;
/// How often a writer looks whether it must wait any longer.
const WAIT_TURN: Duration = Duration::from_millis(5);
/// Places in the manifest that a flush leaves to merges.
const PLACES_LEFT: usize = 4;

/// Kinds of work on an index, by the numbers of their locks: who holds one may take those that come before it, never
/// one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Work {
    /// Giving out blocks, marking rows, changing what the manifest names: held for moments.
    Space = 0,
    /// Moving pending rows into a segment.
    Flush = 1,
    /// Merging flat segments.
    Merge = 2,
    /// Merging graphs.
    LargeMerge = 3,
}

impl From<Lane> for Work {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Small => Self::Merge,
            Lane::Large => Self::LargeMerge,
        }
    }
}

/// What a merge may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is due in a lane.
    Due(Lane),
    /// The same as far as it needs no temporary files, for want of which whoever does it must not fail.
    InMemory(Lane),
    /// A large segment without live rows, of which nothing is left.
    Empty,
    /// A writer's bounded share of what is due in the small lane.
    Share,
    /// Everything that memory allows, of segments with numbers below this.
    All(u32),
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flushed {
    /// Rows of the new segment.
    pub rows: u64,
    /// Dead rows that were dropped.
    pub dead: u64,
    /// Pages that were written.
    pub pages: u64,
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Merged {
    /// Segments that became one.
    pub segments: u64,
    /// Rows of the new segment.
    pub rows: u64,
    /// Dead rows that were dropped.
    pub dead: u64,
    /// Pages that were written.
    pub pages: u64,
}

/// Moves pending rows into a segment. None: another process is flushing and `wait` is false, or the manifest is full.
///
/// # Errors
/// If a page is damaged, memory is exhausted, or the work was interrupted.
///
/// # Safety
/// `index` is open and locked, no buffer is locked, and this is the backend's main thread.
pub unsafe fn flush(
    index: pg_sys::Relation,
    cause: Cause,
    wait: bool,
) -> Result<Option<Flushed>, IndexError> {
    // SAFETY: by the contract.
    let Some(_lock) = (unsafe { lock(index, Work::Flush, wait) }) else { return Ok(None) };
    // SAFETY: by the contract.
    let open = unsafe { open(index)? };
    // SAFETY: by the contract.
    let job = unsafe { JobHost::new(index, &open, Navigator::Flat, None) };
    if has_no_place(&open.meta) {
        return Ok(None);
    }
    let damaged = |error| job.page_error(error);
    pending::seal(&job.pager).map_err(damaged)?;
    job.pause(Step::Sealed);
    let meta = Meta::load(&*job.pager.read(0).map_err(damaged)?).map_err(damaged)?;
    let rows_per_page = meta.pending_entries().map_or(1, |entries| entries.typical_per_page()) as u32;
    let mut bytes = 0;
    let chains = meta.sealed().iter().copied().take_while(|chain| {
        // At least one, whatever memory there is.
        let is_first = bytes == 0;
        let rows = chain.pages.saturating_mul(rows_per_page);
        bytes += job.limits.bytes_of(&SegmentEntry { rows, pages: chain.pages, ..SegmentEntry::NONE });
        is_first || bytes <= job.limits.bytes_max
    });
    let sources = Sources { chains: chains.collect(), segments: Vec::new() };
    if sources.chains.is_empty() {
        return Ok(Some(Flushed::default()));
    }
    let done = job.run(Slot::Flush, &sources, cause)?;
    Ok(Some(Flushed { rows: done.rows, dead: done.dead, pages: done.pages }))
}

/// One merge. None: there is nothing to do, or another process is merging and `wait` is false, or `stop` said so.
///
/// # Errors
/// As [`flush`].
///
/// # Safety
/// As [`flush`].
pub unsafe fn merge(
    index: pg_sys::Relation,
    scope: Scope,
    wait: bool,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Option<Merged>, IndexError> {
    let lane = match scope {
        Scope::Due(lane) | Scope::InMemory(lane) => lane,
        Scope::Share => Lane::Small,
        Scope::Empty | Scope::All(_) => Lane::Large,
    };
    // SAFETY: by the contract.
    let Some(_lock) = (unsafe { lock(index, lane.into(), wait) }) else { return Ok(None) };
    let is_all = matches!(scope, Scope::All(_));
    // SAFETY: by the contract. Who merges everything merges what is small, too.
    let small = if is_all { unsafe { lock(index, Work::Merge, wait) } } else { None };
    if is_all && small.is_none() {
        return Ok(None);
    }
    // SAFETY: by the contract.
    let open = unsafe { open(index)? };
    let stop = RefCell::new(stop);
    let must_stop = || (stop.borrow_mut())();
    // SAFETY: by the contract; a plain setting.
    let (job, workers) = unsafe {
        let job = JobHost::new(index, &open, Navigator::of(&open.meta), Some(&must_stop));
        (job, pg_sys::max_parallel_maintenance_workers)
    };
    let is_in_memory = matches!(scope, Scope::InMemory(_) | Scope::Share);
    let sorted = if is_in_memory { stream::sorted_bytes_per_row(job.space(), &job.options) } else { 0 };
    let limits = Limits {
        is_share: scope == Scope::Share,
        is_strict: sorted > 0,
        bytes_per_row: job.limits.bytes_per_row + sorted,
        ..job.limits
    };
    let segments = open.meta.segments();
    let due = match scope {
        Scope::All(before) => {
            maintain::whole(segments, before, &limits).map(|sources| (sources, Cause::Request))
        }
        Scope::Empty => maintain::empty(segments).map(|sources| (sources, Cause::Dead)),
        Scope::Due(_) | Scope::InMemory(_) | Scope::Share => maintain::due(segments, lane, &limits),
    };
    let Some((sources, cause)) = due else { return Ok(None) };
    // Of flat segments every search reads all rows until they are merged. What else nobody waits for leaves the other
    // processors to those who work.
    let helpers = match scope {
        Scope::All(_) => workers.max(0),
        Scope::Due(Lane::Small) => workers.clamp(0, 1),
        Scope::Due(Lane::Large) | Scope::InMemory(_) | Scope::Empty | Scope::Share => 0,
    };
    let threads = helpers as usize + 1;
    let navigator = match job.options.navigator {
        Navigator::Graph if !is_all && maintain::is_passing(&sources, segments, &limits) => {
            Navigator::Passing
        }
        navigator => navigator,
    };
    let options = BuildOptions { navigator, ..job.options };
    let job = JobHost { threads, is_in_memory, options, ..job };
    let slot = if lane == Lane::Small { Slot::Merge } else { Slot::Large };
    match job.run(slot, &sources, cause) {
        Ok(done) => {
            Ok(Some(Merged { segments: done.sources, rows: done.rows, dead: done.dead, pages: done.pages }))
        }
        Err(IndexError::Stopped) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The merge of a lane that is due, by the manifest: the least number of its segments, which no other merge will have.
///
/// # Errors
/// If a page is damaged.
///
/// # Safety
/// As [`flush`].
pub unsafe fn merge_due(index: pg_sys::Relation, lane: Lane) -> Result<Option<u32>, IndexError> {
    // SAFETY: by the contract.
    let open = unsafe { open(index)? };
    let limits = limits(&open, &build_options(&open.meta, Navigator::of(&open.meta)));
    let due = maintain::due(open.meta.segments(), lane, &limits);
    Ok(due.and_then(|(sources, _)| sources.segments.iter().map(|entry| entry.segment).min()))
}

/// Waits for merges that are behind, the longer the farther they are, at most `limit`; interrupts end the wait.
///
/// # Errors
/// If a page is damaged.
///
/// # Safety
/// As [`flush`].
pub unsafe fn wait_for_merges(index: pg_sys::Relation, limit: Duration) -> Result<(), IndexError> {
    let start = Instant::now();
    loop {
        // SAFETY: by the contract.
        let open = unsafe { OpenIndex::new(index)? };
        let behind = maintain::backlog(open.meta.segments()).saturating_sub(BACKLOG_FREE);
        let share = (behind as f64 / BACKLOG_RANGE).min(1.0);
        if start.elapsed() >= limit.mul_f64(share) {
            return Ok(());
        }
        time::sleep(WAIT_TURN);
    }
}

/// # Safety
/// As [`WorkLock::wait`].
unsafe fn lock(index: pg_sys::Relation, work: Work, wait: bool) -> Option<WorkLock> {
    // SAFETY: by the contract.
    unsafe {
        let number = work as u32;
        if wait { Some(WorkLock::wait(index, number)) } else { WorkLock::try_now(index, number) }
    }
}

/// Says so if searches of a segment that was made will find less than they are to, unless their effort is set. The
/// segment must be most of the index.
///
/// # Safety
/// `index` is open, and this is the backend's main thread.
pub unsafe fn warn_if_below(index: pg_sys::Relation, reach: Option<Reach>) {
    let target = guc::recall_target();
    let is_set = guc::hnsw_settings().ef_search.is_some();
    if let Some(reach) = reach.filter(|reach| !is_set && reach.is_below(target as f32)) {
        // SAFETY: by the contract.
        crate::error::warn_recall(&unsafe { crate::pg::relation_name(index) }, reach, target);
    }
}

/// The builder's options of an index.
fn build_options(meta: &Meta, navigator: Navigator) -> BuildOptions {
    BuildOptions {
        m: usize::from(meta.m),
        ef_construction: usize::from(meta.ef_construction),
        seed: meta.rotation_seed,
        navigator,
    }
}

/// What memory allows in one job.
fn limits(open: &OpenIndex, options: &BuildOptions) -> Limits {
    let space = &open.parsed.space;
    let (bytes_max, bytes_per_row) = (guc::maintenance_memory(), build::bytes_per_row(space, options));
    Limits {
        bytes_max,
        bytes_per_row,
        graph_rows: maintain::graph_rows(bytes_max, bytes_per_row),
        tier: maintain::tier_segments(build::list_plan(space, options).is_some()),
        is_vacuumed: open.meta.last_flush.cause == Cause::Vacuum as u32,
        is_varying: space.element() == Element::Sparse,
        is_share: false,
        is_strict: false,
    }
}

/// Opens the index under the space lock: VACUUM's snapshot keeps nobody from using blocks again, and this reads the
/// headers of all segments.
///
/// # Safety
/// As [`flush`].
unsafe fn open(index: pg_sys::Relation) -> Result<OpenIndex, IndexError> {
    // SAFETY: by the contract.
    unsafe {
        let _lock = WorkLock::poll(index, Work::Space as u32);
        OpenIndex::new(index)
    }
}

/// The number that the next segment or chain will have.
///
/// # Errors
/// If the meta page is damaged.
///
/// # Safety
/// As [`flush`].
pub unsafe fn next_number(index: pg_sys::Relation) -> Result<u32, IndexError> {
    // SAFETY: by the contract.
    Ok(unsafe { open(index)? }.meta.next_segment)
}

/// Whether there is something for [`Scope::Empty`].
///
/// # Errors
/// If the meta page is damaged.
///
/// # Safety
/// As [`flush`].
pub unsafe fn has_empty(index: pg_sys::Relation) -> Result<bool, IndexError> {
    // SAFETY: by the contract.
    Ok(maintain::empty(unsafe { open(index)? }.meta.segments()).is_some())
}

/// How many segments there are.
///
/// # Errors
/// If the meta page is damaged.
///
/// # Safety
/// As [`flush`].
pub unsafe fn segments(index: pg_sys::Relation) -> Result<usize, IndexError> {
    // SAFETY: by the contract.
    Ok(unsafe { open(index)? }.meta.segments().len())
}

/// Whether the manifest is so full that nobody may flush.
///
/// # Errors
/// If the meta page is damaged.
///
/// # Safety
/// As [`flush`].
pub unsafe fn is_full(index: pg_sys::Relation) -> Result<bool, IndexError> {
    // SAFETY: by the contract.
    Ok(has_no_place(&unsafe { open(index)? }.meta))
}

fn has_no_place(meta: &Meta) -> bool {
    meta.segments().len() + PLACES_LEFT >= SEGMENTS_MAX
}

/// An index with a job to be done.
struct JobHost<'s> {
    index: pg_sys::Relation,
    open: &'s OpenIndex,
    pager: RelationPager<'s>,
    horizon: IndexHorizon,
    options: BuildOptions,
    limits: Limits,
    threads: usize,
    /// Whether sorts must do without temporary files; then the sources are few enough.
    is_in_memory: bool,
    /// Says whether to give up.
    stop: Option<Stop<'s>>,
}

/// What ends a job.
enum JobError {
    Page(PageError),
    Index(IndexError),
}

impl From<PageError> for JobError {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<LoadError> for JobError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Page(error) => Self::Page(error),
            LoadError::Memory(_) => Self::Index(IndexError::OutOfMemory),
        }
    }
}

impl<'s> JobHost<'s> {
    /// # Safety
    /// As [`flush`]; `open` is this index.
    unsafe fn new(
        index: pg_sys::Relation,
        open: &'s OpenIndex,
        navigator: Navigator,
        stop: Option<Stop<'s>>,
    ) -> Self {
        let options = build_options(&open.meta, navigator);
        let limits = limits(open, &options);
        // SAFETY: by the contract; the values do not outlive the call that has the contract.
        let (pager, horizon) =
            unsafe { (RelationPager::new(index, &open.hints).with_stop(stop), IndexHorizon::new(index)) };
        Self { index, open, pager, horizon, options, limits, threads: 1, is_in_memory: false, stop }
    }

    fn run(&self, slot: Slot, sources: &Sources, cause: Cause) -> Result<maintain::Outcome, IndexError> {
        let largest = self.open.parsed.segments.iter().max_by_key(|state| state.header.rows);
        let centroid = largest.map(|state| state.centroid.as_slice());
        let task = Task { space: &self.open.parsed.space, slot, sources, cause, centroid };
        let done = maintain::run(self, &task).map_err(|error| match error {
            JobError::Page(error) => self.page_error(error),
            JobError::Index(error) => error,
        })?;
        let rows: u64 = self.open.meta.segments().iter().map(|entry| u64::from(entry.live())).sum();
        if done.rows > rows / 2 {
            // SAFETY: the index is open while this lives.
            unsafe { warn_if_below(self.index, done.reach) };
            if let Some(short) = done.training {
                // SAFETY: as above.
                crate::error::warn_training(&unsafe { crate::pg::relation_name(self.index) }, short);
            }
        }
        Ok(done)
    }

    fn space(&self) -> &Space {
        &self.open.parsed.space
    }

    fn page_error(&self, error: PageError) -> IndexError {
        if error.problem == Problem::Stopped {
            return IndexError::Stopped;
        }
        // SAFETY: the index is open while this lives.
        unsafe { IndexError::page(self.index, error) }
    }

    fn must_stop(&self) -> bool {
        self.stop.is_some_and(|stop| stop())
    }
}

impl Workers for JobHost<'_> {
    type Error = JobError;

    fn run<R: Send>(
        &self,
        work: impl FnOnce(&Control) -> Result<R, BuildError> + Send,
    ) -> Result<R, JobError> {
        if self.must_stop() {
            return Err(JobError::Index(IndexError::Stopped));
        }
        let control = Control::default();
        let done = threads::with_stoppable_workers(
            self.threads,
            || work(&control),
            || control.cancel.store(true, Ordering::Relaxed),
            || progress::work(&control),
            &mut || self.must_stop(),
        );
        let ended = |error| Err(JobError::Index(error));
        match done {
            Err(Unfinished::NoThreads) => ended(IndexError::NoThreads),
            Err(Unfinished::Stopped) => ended(IndexError::Stopped),
            Ok(Ok(result)) => Ok(result),
            Ok(Err(BuildError::Cancelled)) => ended(IndexError::Cancelled),
            Ok(Err(BuildError::TooManyRows)) => ended(IndexError::TooManyRows),
        }
    }
}

impl<'s> Host for JobHost<'s> {
    type Pager = RelationPager<'s>;
    type Sink = ClaimedPages<'s>;
    type Sort = SpillSort<TupleSort>;

    fn pager(&self) -> &RelationPager<'s> {
        &self.pager
    }

    fn sink(&self) -> ClaimedPages<'s> {
        // SAFETY: the index is open while this lives; jobs write claimed blocks only.
        unsafe { ClaimedPages::new(self.index, self.stop) }
    }

    fn horizon(&self) -> &dyn Horizon {
        &self.horizon
    }

    fn now(&self) -> u64 {
        time::now()
    }

    fn with_space_lock<R>(&self, work: &mut dyn FnMut() -> Result<R, PageError>) -> Result<R, PageError> {
        // SAFETY: the index is open while this lives, and jobs call this without a page in hand.
        let _lock = unsafe { WorkLock::poll(self.index, Work::Space as u32) };
        work()
    }

    fn sort(&self) -> SpillSort<TupleSort> {
        let bytes = if self.is_in_memory { u64::MAX } else { guc::maintenance_memory() / 2 };
        // SAFETY: jobs run in a transaction, and end before what called them returns.
        SpillSort::new(bytes, unsafe { TupleSort::new(bytes) }, sort::check_for_interrupts)
    }

    fn options(&self) -> &BuildOptions {
        &self.options
    }

    fn memory(&self) -> u64 {
        guc::maintenance_memory()
    }

    fn pause(&self, at: Step) {
        let is_flush = self.options.navigator == Navigator::Flat;
        pause_point(match at {
            Step::Sealed => c"flush sealed",
            Step::Loaded if is_flush => c"flush loaded",
            Step::Prepared if is_flush => c"flush prepared",
            Step::Claimed if is_flush => c"flush claimed",
            Step::Written if is_flush => c"flush written",
            Step::Loaded => c"merge loaded",
            Step::Prepared => c"merge prepared",
            Step::Claimed => c"merge claimed",
            Step::Written => c"merge written",
        });
    }
}
