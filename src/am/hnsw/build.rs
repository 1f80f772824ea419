//! `ambuild` and `ambuildempty`.
//!
//! The leader reads the heap and loads rows; when they are all there, or the memory that maintenance_work_mem allows
//! is used up, worker threads encode them and build a graph while the leader waits for them and for interrupts; then
//! the leader writes the segment's pages. An index that does not fit is several segments, which scans merge. The
//! manifest is written last. Nobody can reach the new file before the transaction commits, so pages are logged as
//! full images once, at the end.
//!
//! A segment with lists is made while the table is read (`pages::segment::stream`): rows of some blocks from all over
//! the table train the lists, then all rows pass by in batches, and a sort brings their codes together, PostgreSQL's if
//! they need the disk. So there is one segment whatever memory there is. While the workers encode batches the leader
//! reads the next.
//!
//! Memory: the rows of one segment and the builder's own (`pages::segment::build::bytes_per_row`) stay within
//! maintenance_work_mem; besides, up to 24 MB for the threads' scratch and the codes of the
//! pages being written, and what the backend itself uses. Tables that need more than
//! 64 segments exceed it slowly, because the manifest has 128 places.

mod train;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ann::Metric;
use ann::build::{BuildError, Control};
use pages::format::meta::{Meta, MetaParams, SEGMENTS_MAX};
use pages::pager::BulkWriter;
use pages::segment::build::{self, BuildOptions, Navigator, Prepared};
use pages::segment::encode::Loader;
use pages::segment::stream::{
    self, BatchDone, BatchWork, Batching, ListBuilder, SampleDone, SpillSort, Workers,
};
use pages::space::Space;
use pages::{PAGE_SIZE, PageError};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::maintain::warn_if_below;
use super::opclass;
use super::options::Options;
use crate::am::ivf;
use crate::am::method::Method;
use crate::am::row::IndexedValue;
use crate::error::{IndexError, OrReport};
use crate::pg::buffer::BufferHints;
use crate::pg::detoast::Detoasted;
use crate::pg::heap::BuildInput;
use crate::pg::sort::{self, TupleSort};
use crate::pg::threads::{self, Crew};
use crate::pg::{progress, tid};
use crate::storage::{BulkPages, RelationPager};

/// Batches that threads have at a time, besides the one that is read.
const BATCHES_BEGUN: usize = 8;
/// Smallest segment that a full memory may cut off: below, more segments would cost more than memory.
const SEGMENT_ROWS_MIN: u64 = 1000;
/// The same for sparse vectors so long that these fill the memory.
const LONG_ROWS_MIN: u64 = 64;
/// Behind the first half of the manifest's places, each segment is larger than the one before by one part in this.
const SEGMENT_GROWTH: u64 = 12;
/// Version of the extension as written into the meta page.
const WRITTEN_BY: u16 = 1;

/// A build in progress.
struct Build<'b> {
    index: pg_sys::Relation,
    space: &'b Space,
    options: BuildOptions,
    /// What the rows of one segment, and its builder, may take in memory.
    memory_max: u64,
    workers: BuildWorkers,
    pages: &'b mut BulkPages,
    hints: BufferHints,
    loader: Loader,
    /// For a segment with lists, and how rows become its batches.
    listed: Option<(ListBuilder<'b, SpillSort<TupleSort>>, Batching)>,
    /// The threads that work on batches while others are read; not if there is to be one thread only.
    crew: Option<Crew<Result<Done, BuildError>>>,
    /// Rows of the batches that they have and whose results were not taken, the earliest first.
    begun: VecDeque<usize>,
    control: Arc<Control>,
    meta: Meta,
    indexed: f64,
    /// Whether the rows that come are a sample of those that will.
    is_sampling: bool,
    /// Blocks whose rows are there already: a bit for each. Empty if the sample's rows come again.
    passed: Vec<u64>,
}

/// What comes of a batch.
enum Done {
    Sample(Box<SampleDone>),
    Batch(Box<BatchDone>),
}

/// Builds the index from its table.
#[pg_guard]
pub unsafe extern "C-unwind" fn ambuild(
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    index_info: *mut pg_sys::IndexInfo,
) -> *mut pg_sys::IndexBuildResult {
    // SAFETY: PostgreSQL passes open relations; the index's file is new and empty.
    unsafe {
        let mut pages = BulkPages::new(index);
        let (heap_tuples, index_tuples) = build_index(heap, index, index_info, &mut pages).or_report();
        pages.finish();
        let result: *mut pg_sys::IndexBuildResult =
            pg_sys::palloc0(size_of::<pg_sys::IndexBuildResult>()).cast();
        (*result).heap_tuples = heap_tuples;
        (*result).index_tuples = index_tuples;
        result
    }
}

/// Writes the init fork of an unlogged index: an empty index.
#[pg_guard]
pub unsafe extern "C-unwind" fn ambuildempty(index: pg_sys::Relation) {
    // SAFETY: PostgreSQL passes an open index whose init fork is empty.
    unsafe {
        let mut page = [0; PAGE_SIZE];
        new_meta(index).or_report().store_new(&mut page);
        crate::storage::write_init_fork(index, &page);
    }
}

unsafe fn build_index(
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    index_info: *mut pg_sys::IndexInfo,
    pages: &mut BulkPages,
) -> Result<(f64, f64), IndexError> {
    // SAFETY: both relations are open, by the callback's contract.
    unsafe {
        let meta = new_meta(index)?;
        let (element, metric) = opclass::element_and_metric(index)?;
        let space = Space::new(element, metric, meta.dim, meta.rotation_seed);
        let mut build = Build::new(index, &space, meta, pages);
        build.write_meta()?;
        let heap_tuples = if heap.is_null() {
            0.0
        } else {
            let input = BuildInput { heap, index, info: index_info };
            build.train(&input)?;
            progress::phase(build.scan_phase());
            let state: *mut Build<'_> = &raw mut build;
            input.scan(Some(add_row), state.cast())
        };
        build.finish_segment()?;
        build.write_meta()?;
        Ok((heap_tuples, build.indexed))
    }
}

/// Receives a row of the heap scan.
#[pg_guard]
unsafe extern "C-unwind" fn add_row(
    _index: pg_sys::Relation,
    heap_tid: pg_sys::ItemPointer,
    values: *mut pg_sys::Datum,
    is_null: *mut bool,
    _is_alive: bool,
    state: *mut std::ffi::c_void,
) {
    // SAFETY: PostgreSQL hands back the state given to the scan, one value and one null flag, and a valid TID.
    unsafe {
        if *is_null {
            return;
        }
        let build = &mut *state.cast::<Build<'_>>();
        let tid = tid::from_pg(*heap_tid);
        if build.has_passed(tid.block) {
            return;
        }
        let value = IndexedValue::new(build.space.element(), Detoasted::new(*values)).or_report();
        build.add(&value, tid).or_report();
    }
}

/// The manifest of an empty index with this index's options.
unsafe fn new_meta(index: pg_sys::Relation) -> Result<Meta, IndexError> {
    // SAFETY: the index is open, by the caller; it has a column 1.
    let (method, options, (element, metric), (column_type, typmod)) = unsafe {
        let (mut kind, mut typmod, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        pg_sys::get_atttypetypmodcoll((*index).rd_id, 1, &raw mut kind, &raw mut typmod, &raw mut collation);
        (Method::of(index), Options::of(index), opclass::element_and_metric(index)?, (kind, typmod))
    };
    // PostgreSQL takes `bit varying` for `bit`, but its rows have no common length.
    if column_type == pg_sys::VARBITOID {
        return Err(IndexError::UnsupportedType { method: method.name() });
    }
    if typmod < 1 {
        return Err(IndexError::NoDimensions);
    }
    let (dim, limit) = (typmod as u32, element.dim_max());
    if dim > limit {
        return Err(IndexError::TooManyDimensions { limit, method: method.name() });
    }
    let is_spherical = matches!(metric, Metric::Cosine | Metric::InnerProduct);
    if method == Method::Ivfflat && is_spherical && dim == 1 {
        return Err(IndexError::OneDimension);
    }
    if options.ef_construction < 2 * options.m {
        return Err(IndexError::EfConstructionTooSmall);
    }
    // SAFETY: the index is open, by the caller.
    let lists = unsafe { ivf::list_options(index, element) };
    let has_lists = matches!(metric, Metric::L2 | Metric::InnerProduct | Metric::Cosine | Metric::Hamming);
    if lists.is_some_and(|lists| !lists.own.is_of(element) || !has_lists) {
        return Err(IndexError::UnsupportedType { method: method.name() });
    }
    let space = Space::new(element, metric, dim, ROTATION_SEED);
    Ok(Meta::new(&MetaParams {
        dim,
        padded_dim: space.padded_dim() as u32,
        metric: metric as u8,
        element: element as u8,
        encoding: build::node_plan(&space, usize::from(options.m)).own().number(),
        m: options.m,
        ef_construction: options.ef_construction,
        lists,
        index_id: crate::pg::random_u64(),
        rotation_seed: ROTATION_SEED,
        written_by: WRITTEN_BY,
    }))
}

/// Seed of every index's rotation: the same data give the same index.
const ROTATION_SEED: u64 = 0x7072_6F78_696D_6131;

/// The threads of a build.
struct BuildWorkers {
    threads: usize,
    /// Whether their work is what the view shows.
    is_shown: bool,
}

impl Workers for BuildWorkers {
    type Error = IndexError;

    fn run<R: Send>(
        &self,
        work: impl FnOnce(&Control) -> Result<R, BuildError> + Send,
    ) -> Result<R, IndexError> {
        let control = Control::default();
        let show = || {
            if self.is_shown {
                progress::work(&control);
            }
        };
        threads::with_workers(
            self.threads,
            || work(&control),
            || control.cancel.store(true, Ordering::Relaxed),
            show,
        )
        .ok_or(IndexError::NoThreads)?
        .map_err(unfinished)
    }
}

/// Why workers have no result.
fn unfinished(error: BuildError) -> IndexError {
    match error {
        BuildError::Cancelled => IndexError::Cancelled,
        BuildError::TooManyRows => IndexError::TooManyRows,
    }
}

impl<'b> Build<'b> {
    /// # Safety
    /// The index is open and stays so; the current memory context outlives the value.
    unsafe fn new(index: pg_sys::Relation, space: &'b Space, meta: Meta, pages: &'b mut BulkPages) -> Self {
        let options = BuildOptions {
            m: usize::from(meta.m),
            ef_construction: usize::from(meta.ef_construction),
            seed: meta.rotation_seed,
            navigator: Navigator::of(&meta),
        };
        // SAFETY: plain settings; the first is in kilobytes.
        let (memory, workers) =
            unsafe { (pg_sys::maintenance_work_mem as u64 * 1024, pg_sys::max_parallel_maintenance_workers) };
        let listed = build::list_plan(space, &options).map(|_| {
            // SAFETY: by the contract.
            let sort = unsafe { TupleSort::new(memory / 2) };
            let sort = SpillSort::new(memory / 2, sort, sort::check_for_interrupts);
            let rows = stream::batch_rows(space, &options, memory);
            (ListBuilder::new(space, &options, sort), Batching { rows, pieces: BATCHES_BEGUN })
        });
        Self {
            index,
            space,
            options,
            memory_max: memory.max(SEGMENT_ROWS_MIN * build::bytes_per_row(space, &options)),
            workers: BuildWorkers { threads: workers.max(0) as usize + 1, is_shown: listed.is_none() },
            pages,
            hints: BufferHints::default(),
            loader: Loader::new(space),
            listed,
            crew: None,
            begun: VecDeque::new(),
            control: Arc::default(),
            meta,
            indexed: 0.0,
            is_sampling: false,
            passed: Vec::new(),
        }
    }

    /// What the view shows while the table is read.
    fn scan_phase(&self) -> progress::Phase {
        if self.listed.is_some() { progress::Phase::AssigningTuples } else { progress::Phase::LoadingTuples }
    }

    fn begin_crew(&mut self) -> Result<(), IndexError> {
        if self.crew.is_none() && self.workers.threads > 1 {
            let control = Arc::clone(&self.control);
            let crew = Crew::new(self.workers.threads, move || control.cancel.store(true, Ordering::Relaxed));
            self.crew = Some(crew.ok_or(IndexError::NoThreads)?);
        }
        Ok(())
    }

    fn add(&mut self, value: &IndexedValue, row: pages::tids::HeapTid) -> Result<(), IndexError> {
        let (expected, actual) = (self.space.dim(), value.dim() as usize);
        if actual != expected {
            return Err(IndexError::UnexpectedDimensions { expected, actual });
        }
        let pushed = if self.crew.is_some() {
            self.loader.push_unplaced(self.space, value.row(), row)
        } else {
            self.loader.push(self.space, value.row(), row)
        };
        pushed.map_err(|_| IndexError::OutOfMemory)?;
        if self.is_sampling {
            return Ok(());
        }
        self.indexed += 1.0;
        progress::tuples_done(self.indexed as i64);
        let Some((listed, batching)) = &self.listed else { return self.cut_segment_off_if_full() };
        let rows = if listed.is_trained() { batching.piece() } else { batching.rows };
        if self.loader.rows() < rows {
            return Ok(());
        }
        self.pass_batch_on()
    }

    /// Gives the loaded rows to the workers once these have room for them.
    fn pass_batch_on(&mut self) -> Result<(), IndexError> {
        let loader = std::mem::replace(&mut self.loader, Loader::new(self.space));
        let rows = loader.rows();
        self.begin_crew()?;
        self.make_room(rows)?;
        let Some((listed, _)) = &mut self.listed else { return Ok(()) };
        let is_piece = listed.is_trained();
        let work = listed.begin(loader, &self.workers)?;
        self.begin_batch(work, rows)?;
        // A first batch that is the sample, too, takes all the memory that there is for batches.
        if is_piece { Ok(()) } else { self.end_all() }
    }

    /// Gives work on a batch of so many rows to the threads, or does it.
    fn begin_batch(&mut self, work: Option<BatchWork>, rows: usize) -> Result<(), IndexError> {
        let (Some(work), Some((listed, _))) = (work, &mut self.listed) else { return Ok(()) };
        let control = Arc::clone(&self.control);
        match &mut self.crew {
            Some(crew) => {
                self.begun.push_back(rows);
                crew.begin(move || work.run(&control).map(|done| Done::Batch(Box::new(done))));
            }
            None => listed.end(self.workers.run(|control| work.run(control))?),
        }
        Ok(())
    }

    /// Takes what the workers have made of the earliest batch; says whether there was one.
    fn end_one(&mut self) -> Result<bool, IndexError> {
        let Some(crew) = self.crew.as_mut().filter(|crew| crew.pending() > 0) else { return Ok(false) };
        let done = crew.end().ok_or(IndexError::Cancelled)?.map_err(unfinished)?;
        self.begun.pop_front();
        match (&mut self.listed, done) {
            (Some((listed, _)), Done::Sample(done)) => listed.end_sample(*done),
            (Some((listed, _)), Done::Batch(done)) => listed.end(*done),
            (None, _) => {}
        }
        Ok(true)
    }

    /// Waits until so many rows may wait with those that the workers have.
    fn make_room(&mut self, rows: usize) -> Result<(), IndexError> {
        let Some(&(_, batching)) = self.listed.as_ref() else { return Ok(()) };
        while !batching.has_room(self.begun.iter().sum(), rows) && self.end_one()? {}
        Ok(())
    }

    /// Waits until the workers have nothing to do.
    fn end_all(&mut self) -> Result<(), IndexError> {
        while self.end_one()? {}
        Ok(())
    }

    fn cut_segment_off_if_full(&mut self) -> Result<(), IndexError> {
        let rows_min = if self.loader.varying_bytes() as u64 > self.memory_max {
            LONG_ROWS_MIN
        } else {
            SEGMENT_ROWS_MIN
        };
        let is_full = self.memory() >= self.memory_max && self.loader.rows() as u64 >= rows_min;
        if is_full && (self.meta.segment_count as usize) < SEGMENTS_MAX - 1 {
            if self.meta.segment_count == 0 {
                // SAFETY: the index stays open for the whole build.
                let method = unsafe { Method::of(self.index) };
                crate::error::warn_build_memory(method, self.loader.rows());
            }
            self.finish_segment()?;
            // Late segments grow, so that the manifest has room for any table.
            if self.meta.segment_count as usize > SEGMENTS_MAX / 2 {
                self.memory_max += self.memory_max / SEGMENT_GROWTH;
            }
        }
        Ok(())
    }

    /// What the loaded rows and the builder take. Rows whose length varies exist twice for a moment.
    fn memory(&self) -> u64 {
        let rows = self.loader.rows() as u64;
        rows * build::bytes_per_row(self.space, &self.options) + 2 * self.loader.varying_bytes() as u64
    }

    /// Turns the loaded rows into a segment of the manifest.
    fn finish_segment(&mut self) -> Result<(), IndexError> {
        if self.listed.is_none() {
            self.probe_memory()?;
        }
        if self.workers.threads > 1 && self.meta.segment_count == 0 && self.indexed > 0.0 {
            crate::error::debug_build_workers(self.workers.threads - 1);
        }
        if self.listed.is_some() {
            self.pass_batch_on()?;
            self.end_all()?;
        }
        let loader = std::mem::replace(&mut self.loader, Loader::new(self.space));
        let prepared = match self.listed.take() {
            Some((listed, _)) => {
                progress::phase(progress::Phase::LoadingTuples);
                build::finish(listed, self.space, &self.options, &self.workers)?
            }
            None if loader.rows() == 0 => None,
            None => {
                progress::phase(progress::Phase::BuildingGraph);
                Some(build::prepare(loader, self.space, &self.options, &self.workers)?)
            }
        };
        let Some(prepared) = prepared else { return Ok(()) };
        if matches!(prepared, Prepared::Whole(_)) {
            progress::phase(progress::Phase::WritingPages);
        }
        let segment = self.meta.draw_number().map_err(|error| self.page_error(error))?;
        // SAFETY: the index stays open for the whole build.
        let pager = unsafe { RelationPager::new(self.index, &self.hints) };
        let written = prepared
            .write(&pager, self.pages, self.space, segment)
            .map_err(|error| self.page_error(error))?;
        // SAFETY: the index stays open for the whole build.
        unsafe { warn_if_below(self.index, written.reach) };
        self.meta.segments[self.meta.segment_count as usize] = written.entry;
        self.meta.segment_count += 1;
        self.meta.generation += 1;
        progress::phase(progress::Phase::LoadingTuples);
        Ok(())
    }

    /// Asks the system for what the builder will need, because an allocation that fails there ends the server.
    fn probe_memory(&self) -> Result<(), IndexError> {
        let bytes = self.memory();
        let mut probe: Vec<u8> = Vec::new();
        probe.try_reserve_exact(bytes as usize).map_err(|_| IndexError::OutOfMemory)
    }

    /// Writes block 0: first as a place holder, then for good.
    fn write_meta(&mut self) -> Result<(), IndexError> {
        let mut page = [0; PAGE_SIZE];
        self.meta.store_new(&mut page);
        if self.pages.is_empty() {
            self.pages.append(&page).map_err(|error| self.page_error(error))?;
        } else {
            self.meta.blocks = self.pages.end();
            self.meta.store_new(&mut page);
            self.pages.replace(0, &page);
        }
        Ok(())
    }

    fn page_error(&self, error: PageError) -> IndexError {
        // SAFETY: the index stays open for the whole build.
        unsafe { IndexError::page(self.index, error) }
    }
}
