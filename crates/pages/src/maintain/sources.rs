//! Reading rows back from chains and segments.
//!
//! Rows come back as the index holds them: bits and sparse vectors exactly, dense ones as their codes say. A dense
//! row's error is carried along, so that bounds stay true however often it moves. As long as the new segment keeps the
//! centroid of the old one, encoding gives the same codes again and the error hardly grows.

use std::collections::TryReserveError;

use kernels::Kernels;
use quant::rabitq::{Reconstruction, with_lost};

use super::space::{chain_runs, joined, segment_runs};
use crate::error::PageError;
use crate::format::meta::{BlockRun, Chain, Meta, SegmentEntry};
use crate::format::pending::PendingEntry;
use crate::format::segment::{TID_DEAD, TID_FIRST, TID_LAST, TidEntry};
use crate::pager::Pager;
use crate::plan::OwnCode;
use crate::row::{Row, SparseRow, StoredSparse};
use crate::segment::SegmentState;
use crate::segment::encode::Loader;
use crate::segment::nodes::for_each_node;
use crate::space::{self, Space};
use crate::tids::HeapTid;
use crate::{pending, tids};

/// What a job takes out of the manifest.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Sealed chains.
    pub chains: Vec<Chain>,
    /// Segments.
    pub segments: Vec<SegmentEntry>,
}

/// The live rows of some sources.
pub struct Loaded {
    /// The rows.
    pub loader: Loader,
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

/// Reads the live rows of `sources`. `keep`: the centroid that the new segment should have if it suits the rows: that
/// of a neighbor in the manifest, so that rows can move between them without loss.
///
/// The caller holds the lock of its kind of job. Holds no page between reads.
///
/// # Errors
/// If a page is damaged, or memory is exhausted.
pub fn load<P: Pager>(
    pager: &P,
    space: &Space,
    meta: &Meta,
    sources: &Sources,
    keep: Option<&[f32]>,
) -> Result<Loaded, LoadError> {
    let mut carrier = Carrier::new(space, meta, keep)?;
    let mut blocks = Vec::new();
    chain_runs(pager, meta, sources.chains.iter(), &mut blocks)?;
    carrier.load_chains(pager, meta, &sources.chains)?;
    for entry in &sources.segments {
        let state = SegmentState::load(pager, space, entry.segment, entry.header)?;
        blocks.push(BlockRun { block: entry.header, count: 1 });
        blocks.extend(segment_runs(&state.header));
        carrier.load_segment(pager, &state)?;
    }
    let Carrier { loader, was_dead, dead, .. } = carrier;
    Ok(Loaded { loader, dead, blocks: joined(blocks), was_dead })
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

/// Rows on their way into a loader.
struct Carrier<'a> {
    space: &'a Space,
    /// The code of pending rows.
    pending: OwnCode,
    origin: Vec<f32>,
    loader: Loader,
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

impl<'a> Carrier<'a> {
    fn new(space: &'a Space, meta: &Meta, keep: Option<&[f32]>) -> Result<Self, PageError> {
        let pending = meta.own_code().ok_or(PageError::damaged(0, "encoding"))?;
        let mut loader = Loader::new(space);
        if let Some(centroid) = keep {
            loader.prefer_centroid(centroid);
        }
        Ok(Self {
            space,
            pending,
            origin: vec![0.0; space.width()],
            loader,
            was_dead: Vec::new(),
            dead: 0,
            residual: vec![0.0; space.padded_dim()],
        })
    }

    fn load_chains<P: Pager>(&mut self, pager: &P, meta: &Meta, chains: &[Chain]) -> Result<(), LoadError> {
        let origin = std::mem::take(&mut self.origin);
        let mut result = Ok(());
        pending::for_each(pager, meta, chains.iter(), &mut |entry, own| {
            if result.is_ok() {
                result = self.push_pending(entry, own, &origin);
            }
        })?;
        self.origin = origin;
        Ok(result?)
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

    fn load_segment<P: Pager>(&mut self, pager: &P, state: &SegmentState) -> Result<(), LoadError> {
        let header = &state.header;
        let mut entries = Vec::new();
        entries.try_reserve_exact(header.rows as usize)?;
        let mut row = 0;
        while row < header.rows {
            row = tids::read(pager, state.segment, header, row..header.rows, &mut entries)?;
        }
        for entry in &entries {
            self.note(entry)?;
        }
        let (ranked, unranked) = entries.split_at(header.ranked_rows as usize);
        let mut result = Ok(());
        for_each_node(pager, self.space, state, &mut |node, own| {
            let rows = &ranked[node.row_start as usize..][..node.row_count as usize];
            let row = StoredRow { code: state.plan.own(), own, scale: node.scale, error: node.error };
            for entry in rows.iter().filter(|entry| !entry.is_dead()) {
                if result.is_ok() {
                    result = self.push(&row, &state.centroid, entry.tid());
                }
            }
        })?;
        result?;
        for entry in unranked.iter().filter(|entry| !entry.is_dead()) {
            self.loader.push_unranked(*entry)?;
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
