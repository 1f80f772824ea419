//! Reading rows back from chains and segments.
//!
//! Rows come back as the index holds them: bits and sparse vectors exactly, dense ones as their codes say. A dense
//! row's error is carried along, so that bounds stay true however often it moves. As long as the new segment keeps the
//! centroid of the old one, encoding gives the same codes again and the error hardly grows.
//!
//! Rows come all at once, or batch by batch: then each source is read page by page, and no page is held while a batch
//! is handed on.

use std::collections::TryReserveError;

use ann::build::mix;
use kernels::Kernels;
use quant::rabitq::{Reconstruction, with_lost};

use super::space::{chain_runs, joined, segment_runs};
use crate::error::PageError;
use crate::format::meta::{BlockRun, Chain, Meta, SegmentEntry};
use crate::format::node::NodeHeader;
use crate::format::pending::PendingEntry;
use crate::format::segment::{TID_DEAD, TID_FIRST, TID_LAST, TidEntry};
use crate::pager::Pager;
use crate::plan::OwnCode;
use crate::row::{Row, SparseRow, StoredSparse};
use crate::segment::SegmentState;
use crate::segment::encode::Loader;
use crate::segment::nodes::NodePages;
use crate::segment::sampled::Sampled;
use crate::space::{self, Space};
use crate::tids::HeapTid;
use crate::{pending, tids};

/// Rows of one node that a sample has at most.
const SAMPLED_OF_NODE: usize = 4;

/// What a job takes out of the manifest.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Sealed chains.
    pub chains: Vec<Chain>,
    /// Segments.
    pub segments: Vec<SegmentEntry>,
}

impl Sources {
    /// Live rows of the segments.
    pub fn live(&self) -> u64 {
        self.segments.iter().map(|entry| u64::from(entry.live())).sum()
    }
}

/// What was read of some sources.
pub struct Loaded {
    /// Rows that were left out because they are dead.
    pub dead: u64,
    /// Where the sources lie, ascending.
    pub(super) blocks: Vec<BlockRun>,
    /// By position in the sources: whether the row was dead.
    was_dead: Vec<bool>,
}

/// Why rows could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// A page can't be used.
    Page(PageError),
    /// There is no memory.
    Memory(TryReserveError),
}

impl From<PageError> for LoadError {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<TryReserveError> for LoadError {
    fn from(error: TryReserveError) -> Self {
        Self::Memory(error)
    }
}

/// What is read, and how.
pub struct Reading<'a, P> {
    /// The index.
    pub pager: &'a P,
    /// What it does to vectors.
    pub space: &'a Space,
    /// Its meta page.
    pub meta: &'a Meta,
    /// What is read.
    pub sources: &'a Sources,
    /// The centroid that the new segment should have if it suits the rows: that of a neighbor in the manifest, so that
    /// rows can move between them without loss.
    pub keep: Option<&'a [f32]>,
}

impl<P: Pager> Reading<'_, P> {
    /// Reads all live rows.
    ///
    /// The caller holds the lock of its kind of job. Holds no page between reads.
    ///
    /// # Errors
    /// If a page is damaged, or memory is exhausted.
    pub fn load(&self) -> Result<(Loaded, Loader), LoadError> {
        let mut last = Loader::new(self.space);
        let loaded = self.batches::<LoadError>(usize::MAX, &mut |loader| {
            last = loader;
            Ok(())
        })?;
        Ok((loaded, last))
    }

    /// The same with batches of about `rows` rows, each given to `on_batch`.
    ///
    /// # Errors
    /// As [`Self::load`], and what `on_batch` returns.
    pub fn batches<E: From<PageError> + From<LoadError>>(
        &self,
        rows: usize,
        on_batch: &mut dyn FnMut(Loader) -> Result<(), E>,
    ) -> Result<Loaded, E> {
        let mut carrier = Carrier::new(self, rows, on_batch)?;
        let mut blocks = Vec::new();
        chain_runs(self.pager, self.meta, self.sources.chains.iter(), &mut blocks)?;
        carrier.load_chains(self.pager, self.meta, &self.sources.chains)?;
        for entry in &self.sources.segments {
            let state = SegmentState::load(self.pager, self.space, entry.segment, entry.header)?;
            blocks.push(BlockRun { block: entry.header, count: 1 });
            blocks.extend(segment_runs(&state.header));
            let entries = carrier.note_all(self.pager, &state)?;
            carrier.load_segment(self.pager, &state, &entries, 1)?;
        }
        carrier.pass_on(1)?;
        let Carrier { was_dead, dead, .. } = carrier;
        Ok(Loaded { dead, blocks: joined(blocks), was_dead })
    }

    /// Reads about one in `step` live rows of the segments, over all of them, in batches of about `rows` rows.
    ///
    /// # Errors
    /// As [`Self::batches`].
    pub fn sample<E: From<PageError> + From<LoadError>>(
        &self,
        step: u32,
        rows: usize,
        on_batch: &mut dyn FnMut(Loader) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut carrier = Carrier::new(self, rows, on_batch)?;
        for entry in &self.sources.segments {
            let state = self.state(entry)?;
            let entries = read_entries(self.pager, &state)?;
            carrier.load_segment(self.pager, &state, &entries, step)?;
        }
        carrier.pass_on(1)
    }

    /// Of how many nodes a sample of about `rows` live rows has one; two at least.
    pub fn sample_step(&self, rows: usize) -> Result<u32, PageError> {
        let mut all = 0;
        for entry in &self.sources.segments {
            let nodes = u64::from(self.state(entry)?.header.nodes);
            all += u64::from(entry.live()).min(nodes * SAMPLED_OF_NODE as u64);
        }
        Ok(u32::try_from(all.div_ceil(rows.max(1) as u64)).unwrap_or(u32::MAX).max(2))
    }

    fn state(&self, entry: &SegmentEntry) -> Result<SegmentState, PageError> {
        SegmentState::load(self.pager, self.space, entry.segment, entry.header)
    }
}

/// The rows of a segment.
fn read_entries<P: Pager>(pager: &P, state: &SegmentState) -> Result<Vec<TidEntry>, LoadError> {
    let header = &state.header;
    let mut entries = Vec::new();
    entries.try_reserve_exact(header.rows as usize)?;
    let mut row = 0;
    while row < header.rows {
        row = tids::read(pager, state.segment, header, row..header.rows, &mut entries)?;
    }
    Ok(entries)
}

impl Loaded {
    /// The rows that vacuum has marked in `sources` since they were loaded.
    ///
    /// The caller holds the space lock, so that marks stand still.
    ///
    /// # Errors
    /// If a page is damaged.
    pub(super) fn dead_since<P: Pager>(
        &self,
        pager: &P,
        space: &Space,
        meta: &Meta,
        sources: &Sources,
    ) -> Result<Vec<HeapTid>, PageError> {
        let (mut dead, mut at) = (Vec::new(), 0);
        let mut visit = |tid, is_dead| {
            if is_dead && !self.was_dead.get(at).copied().unwrap_or(true) {
                dead.push(tid);
            }
            at += 1;
        };
        pending::for_each(pager, meta, sources.chains.iter(), &mut |entry, _| {
            visit(entry.tid(), entry.is_dead());
        })?;
        for entry in &sources.segments {
            let state = SegmentState::load(pager, space, entry.segment, entry.header)?;
            let mut entries = Vec::new();
            let mut row = 0;
            while row < state.header.rows {
                entries.clear();
                row = tids::read(pager, entry.segment, &state.header, row..state.header.rows, &mut entries)?;
                entries.iter().for_each(|entry| visit(entry.tid(), entry.is_dead()));
            }
        }
        Ok(dead)
    }
}

/// Rows on their way into loaders.
struct Carrier<'a, E> {
    space: &'a Space,
    keep: Option<&'a [f32]>,
    /// The code of pending rows.
    pending: OwnCode,
    origin: Vec<f32>,
    loader: Loader,
    batch_rows: usize,
    on_batch: &'a mut dyn FnMut(Loader) -> Result<(), E>,
    was_dead: Vec<bool>,
    dead: u64,
    residual: Vec<f32>,
}

/// A row as pages hold it.
struct StoredRow<'a> {
    code: OwnCode,
    own: &'a [u8],
    scale: f32,
    error: f32,
}

impl<'a, E: From<PageError> + From<LoadError>> Carrier<'a, E> {
    fn new<P>(
        reading: &Reading<'a, P>,
        batch_rows: usize,
        on_batch: &'a mut dyn FnMut(Loader) -> Result<(), E>,
    ) -> Result<Self, PageError> {
        let space = reading.space;
        let pending = reading.meta.own_code().ok_or(PageError::damaged(0, "encoding"))?;
        let mut result = Self {
            space,
            keep: reading.keep,
            pending,
            origin: vec![0.0; space.width()],
            loader: Loader::new(space),
            batch_rows,
            on_batch,
            was_dead: Vec::new(),
            dead: 0,
            residual: vec![0.0; space.padded_dim()],
        };
        result.loader = result.new_loader();
        Ok(result)
    }

    fn new_loader(&self) -> Loader {
        let mut loader = Loader::new(self.space);
        if let Some(centroid) = self.keep {
            loader.prefer_centroid(centroid);
        }
        loader
    }

    /// Hands a batch on if it has so many rows.
    fn pass_on(&mut self, rows: usize) -> Result<(), E> {
        if self.loader.rows() < rows {
            return Ok(());
        }
        let next = self.new_loader();
        (self.on_batch)(std::mem::replace(&mut self.loader, next))
    }

    fn load_chains<P: Pager>(&mut self, pager: &P, meta: &Meta, chains: &[Chain]) -> Result<(), E> {
        let origin = std::mem::take(&mut self.origin);
        let mut result = Ok(());
        pending::for_each(pager, meta, chains.iter(), &mut |entry, own| {
            if result.is_ok() {
                result = self.push_pending(entry, own, &origin);
            }
        })?;
        self.origin = origin;
        Ok(result.map_err(LoadError::from)?)
    }

    fn push_pending(
        &mut self,
        entry: &PendingEntry,
        own: &[u8],
        origin: &[f32],
    ) -> Result<(), TryReserveError> {
        let tid = TidEntry { block: entry.block, offset: entry.offset, flags: entry.flags };
        if self.note(&tid)? {
            return Ok(());
        }
        if tid.flags & (TID_FIRST | TID_LAST) != 0 {
            return self.loader.push_unranked(tid);
        }
        let row = StoredRow { code: self.pending, own, scale: entry.scale, error: entry.error };
        self.push(&row, origin, tid.tid())
    }

    /// Remembers which rows of a segment are dead; returns all.
    fn note_all<P: Pager>(&mut self, pager: &P, state: &SegmentState) -> Result<Vec<TidEntry>, LoadError> {
        let entries = read_entries(pager, state)?;
        for entry in &entries {
            self.note(entry)?;
        }
        Ok(entries)
    }

    /// Reads the live rows of one in `step` nodes; if it is one, those without a place, else few a node. No
    /// page is held while rows are handed on, which may be in the middle of a node: it may have any number.
    fn load_segment<P: Pager>(
        &mut self,
        pager: &P,
        state: &SegmentState,
        entries: &[TidEntry],
        step: u32,
    ) -> Result<(), E> {
        if entries.iter().all(TidEntry::is_dead) {
            return Ok(());
        }
        let (ranked, unranked) = entries.split_at(state.header.ranked_rows as usize);
        let rows_max = if step == 1 { usize::MAX } else { SAMPLED_OF_NODE };
        let mut pages = NodePages::new(pager, self.space, state);
        let mut held: Vec<(NodeHeader, Vec<u8>)> = Vec::new();
        // Another seed for each segment and each sample, or the same places would be taken everywhere and again.
        let sampled = Sampled::new(step as usize, mix(u64::from(state.segment), u64::from(step)));
        loop {
            let mut id = pages.next();
            held.clear();
            let is_page = pages.next_page(&mut |node, own| {
                if sampled.has(id) {
                    held.push((*node, own.to_vec()));
                }
                id += 1;
            })?;
            for (node, own) in &held {
                let rows = &ranked[node.row_start as usize..][..node.row_count as usize];
                let row = StoredRow { code: state.plan.own(), own, scale: node.scale, error: node.error };
                for entry in rows.iter().filter(|entry| !entry.is_dead()).take(rows_max) {
                    self.push(&row, &state.centroid, entry.tid()).map_err(LoadError::from)?;
                    self.pass_on(self.batch_rows)?;
                }
            }
            if !is_page {
                break;
            }
        }
        for entry in unranked.iter().filter(|entry| step == 1 && !entry.is_dead()) {
            self.loader.push_unranked(*entry).map_err(LoadError::from)?;
            self.pass_on(self.batch_rows)?;
        }
        Ok(())
    }

    /// Remembers whether the next row of the sources is dead, and says so.
    fn note(&mut self, entry: &TidEntry) -> Result<bool, TryReserveError> {
        let is_dead = entry.flags & TID_DEAD != 0;
        self.was_dead.try_reserve(1)?;
        self.was_dead.push(is_dead);
        self.dead += u64::from(is_dead);
        Ok(is_dead)
    }

    fn push(&mut self, row: &StoredRow<'_>, centroid: &[f32], tid: HeapTid) -> Result<(), TryReserveError> {
        match row.code {
            OwnCode::Residual(encoding) => {
                Kernels::get().coded(encoding).decode(row.own, row.scale, &mut self.residual);
                self.push_residual(row, centroid, tid)
            }
            OwnCode::Sign => {
                let code = Reconstruction { scale: row.scale, error: row.error };
                code.decode(row.own, &mut self.residual);
                self.push_residual(row, centroid, tid)
            }
            OwnCode::Bits => {
                let bits = &row.own[..self.space.dim().div_ceil(8)];
                self.loader.push(self.space, Row::Bits(bits), tid)
            }
            OwnCode::Elsewhere => {
                let Some(stored) = StoredSparse::new(row.own) else { return Ok(()) };
                let (indices, values): (Vec<u32>, Vec<f32>) = stored.pairs().unzip();
                let sparse = SparseRow { indices: &indices, values: &values };
                self.loader.push(self.space, Row::Sparse(sparse), tid)
            }
        }
    }

    /// Pushes the row whose decoded residual is at hand.
    fn push_residual(
        &mut self,
        row: &StoredRow<'_>,
        centroid: &[f32],
        tid: HeapTid,
    ) -> Result<(), TryReserveError> {
        let placed = self.space.restore(&mut self.residual, centroid);
        let mut error = row.error;
        if row.code.is_rough() {
            // What a code has in dimensions that only pad goes, and the row is not to become shorter by that.
            error = with_lost(error, space::norm(&self.residual[self.space.width()..]) as f32);
        }
        self.loader.push_decoded(self.space, &placed, error, tid)
    }
}
