//! One job from its sources to its commit, for any host.

use super::claim::{ClaimedWriter, Slot, claim};
use super::commit::{Commit, commit};
use super::sources::{LoadError, Loaded, Reading, Sources};
use super::{Cause, Horizon};
use crate::error::PageError;
use crate::format::meta::Meta;
use crate::pager::{PageSink, Pager};
use crate::segment::build::{self, BuildOptions, Prepared, list_plan};
use crate::segment::calibrate::Reach;
use crate::segment::stream::{
    ListBuilder, RowSort, ShortTraining, Workers, batch_rows, sample_rows, sample_rows_max,
};
use crate::space::Space;

/// What a job needs of the world around the pages.
pub trait Host: Workers<Error: From<PageError> + From<LoadError>> {
    /// The index.
    type Pager: Pager;
    /// Where whole pages go.
    type Sink: PageSink;
    /// What brings rows into the order of their lists.
    type Sort: RowSort;

    /// The index.
    fn pager(&self) -> &Self::Pager;
    /// A new sink for pages of this index.
    fn sink(&self) -> Self::Sink;
    /// When blocks may be used again.
    fn horizon(&self) -> &dyn Horizon;
    /// The time, as [`Meta::pending_since`] has it.
    fn now(&self) -> u64;
    /// Runs `work` under the space lock.
    ///
    /// # Errors
    /// What `work` returns.
    fn with_space_lock<R>(&self, work: &mut dyn FnMut() -> Result<R, PageError>) -> Result<R, PageError>;
    /// A new sort.
    fn sort(&self) -> Self::Sort;
    /// What the new segment is to be.
    fn options(&self) -> &BuildOptions;
    /// Memory in bytes that a job may take.
    fn memory(&self) -> u64;
    /// Called between steps; a test may hold the job there.
    fn pause(&self, at: Step);
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Chains are sealed, nothing was read.
    Sealed,
    /// The rows were read.
    Loaded,
    /// The segment is built in memory.
    Prepared,
    /// Blocks are claimed.
    Claimed,
    /// The segment's pages are written.
    Written,
}

/// What a job did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Chains or segments that it replaced.
    pub sources: u64,
    /// Rows of the new segment.
    pub rows: u64,
    /// Dead rows that it left out.
    pub dead: u64,
    /// Pages that it wrote.
    pub pages: u64,
    /// How much searches of the new segment can find, if that is less than everything.
    pub reach: Option<Reach>,
    /// Whether its lists were trained on few rows for want of memory.
    pub training: Option<ShortTraining>,
}

/// A job to be done.
pub struct Task<'a> {
    /// What the index does to vectors.
    pub space: &'a Space,
    /// The kind of job.
    pub slot: Slot,
    /// What it replaces.
    pub sources: &'a Sources,
    /// Why.
    pub cause: Cause,
    /// See [`load`].
    pub centroid: Option<&'a [f32]>,
}

/// Does a job. The caller holds the lock of its kind.
///
/// # Errors
/// What reading, building and writing raise. Then the manifest is as it was, but for the claim, which is void.
pub fn run<H: Host>(host: &H, task: &Task<'_>) -> Result<Outcome, H::Error> {
    let pager = host.pager();
    let meta = Meta::load(&*pager.read(0)?)?;
    let (loaded, mut prepared) = prepare(host, &meta, task)?;
    host.pause(Step::Prepared);
    let pages = prepared.as_ref().map_or(0, Prepared::pages_needed) + loaded.list_pages();
    let pool_pages = task.sources.chains.iter().map(|chain| chain.pages).sum();
    let claim = host.with_space_lock(&mut || claim(pager, host.horizon(), task.slot, pages, pool_pages))?;
    host.pause(Step::Claimed);
    let mut sink = host.sink();
    let mut writer = ClaimedWriter::new(&claim, &mut sink);
    let written = match prepared.take() {
        Some(prepared) => Some(prepared.write(pager, &mut writer, task.space, claim.number)?),
        None => None,
    };
    writer.finish();
    let segment = written.as_ref().map(|written| written.entry);
    host.pause(Step::Written);
    let last_move = (host.now(), task.cause);
    let end = Commit {
        space: task.space,
        sources: task.sources,
        loaded: &loaded,
        segment,
        claim: &claim,
        last_move,
    };
    host.with_space_lock(&mut || commit(pager, host.horizon(), &mut writer, &end))?;
    Ok(Outcome {
        sources: (task.sources.chains.len() + task.sources.segments.len()) as u64,
        rows: segment.map_or(0, |segment| u64::from(segment.rows)),
        dead: loaded.dead,
        pages: u64::from(pages),
        reach: written.and_then(|written| written.reach),
        training: short_training(host, task),
    })
}

/// Whether the lists of the new segment, if it has some, were trained on few rows for want of memory.
fn short_training<H: Host>(host: &H, task: &Task<'_>) -> Option<ShortTraining> {
    let most = sample_rows_max(task.space, host.options(), host.memory());
    ShortTraining::of(task.space, host.options(), most, task.sources.live())
}

/// What was read, and the segment of it, if there were rows.
type Ready<H> = (Loaded, Option<Prepared<<H as Host>::Sort>>);

/// Reads the sources and makes a segment of their rows.
fn prepare<H: Host>(host: &H, meta: &Meta, task: &Task<'_>) -> Result<Ready<H>, H::Error> {
    let (space, sources, options) = (task.space, task.sources, host.options());
    let reading = Reading { pager: host.pager(), space, meta, sources, keep: task.centroid };
    let live = sources.live();
    let batch = batch_rows(space, options, host.memory());
    if list_plan(space, options).is_none() || live <= batch as u64 || !sources.chains.is_empty() {
        let (loaded, loader) = reading.load()?;
        host.pause(Step::Loaded);
        return Ok((loaded, build::prepare_all(loader, space, options, host.sort(), host)?));
    }
    let mut builder = ListBuilder::new(space, options, host.sort());
    // The first batch, by which rows are encoded, comes from everywhere as well.
    let rows = sample_rows(space, options, host.memory(), live);
    let mut steps = vec![reading.sample_step(batch)?, reading.sample_step(rows)?];
    steps.dedup();
    for step in steps {
        reading.sample(step, batch, &mut |loader| builder.sample(loader, host))?;
    }
    builder.train(live, host)?;
    let loaded = reading.batches(batch, &mut |loader| builder.add(loader, host))?;
    host.pause(Step::Loaded);
    Ok((loaded, build::finish(builder, space, options, host)?))
}
