//! One job from its sources to its commit, for any host.

use super::claim::{ClaimedWriter, Slot, claim};
use super::commit::{Commit, commit};
use super::sources::{LoadError, Sources, load};
use super::{Cause, Horizon};
use crate::error::PageError;
use crate::format::meta::Meta;
use crate::pager::{PageSink, Pager};
use crate::segment::build::{self, Prepared};
use crate::segment::encode::Loader;
use crate::space::Space;

/// What a job needs of the world around the pages.
pub trait Host {
    /// What can go wrong.
    type Error: From<PageError> + From<LoadError>;
    /// The index.
    type Pager: Pager;
    /// Where whole pages go.
    type Sink: PageSink;

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
    /// Builds a segment of loaded rows.
    ///
    /// # Errors
    /// If it was interrupted.
    fn prepare(&self, loader: Loader) -> Result<Prepared, Self::Error>;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Chains or segments that it replaced.
    pub sources: u64,
    /// Rows of the new segment.
    pub rows: u64,
    /// Dead rows that it left out.
    pub dead: u64,
    /// Pages that it wrote.
    pub pages: u64,
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
    let mut loaded = load(pager, task.space, &meta, task.sources, task.centroid)?;
    host.pause(Step::Loaded);
    let loader = std::mem::replace(&mut loaded.loader, Loader::new(task.space));
    let rows = loader.rows() as u64;
    let mut prepared = if rows > 0 { Some(host.prepare(loader)?) } else { None };
    host.pause(Step::Prepared);
    let pages = prepared.as_ref().map_or(0, Prepared::pages_needed) + loaded.list_pages();
    let pool_pages = task.sources.chains.iter().map(|chain| chain.pages).sum();
    let claim = host.with_space_lock(&mut || claim(pager, host.horizon(), task.slot, pages, pool_pages))?;
    host.pause(Step::Claimed);
    let mut sink = host.sink();
    let mut writer = ClaimedWriter::new(&claim, &mut sink);
    let segment = match prepared.take() {
        Some(prepared) => Some(build::write(pager, &mut writer, task.space, claim.number, prepared)?),
        None => None,
    };
    writer.finish();
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
        rows,
        dead: loaded.dead,
        pages: u64::from(pages),
    })
}
