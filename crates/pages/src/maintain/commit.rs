//! The end of a job: its segment takes the place of its sources.

use super::claim::{Claim, ClaimedWriter};
use super::sources::Loaded;
use super::space::joined;
use super::{Cause, Horizon, Slot, Sources};
use crate::error::PageError;
use crate::format::meta::{
    BlockRun, CLAIM_MAX, Chain, LastMove, Meta, RETIRED_MAX, Retired, SEALED_MAX, SEGMENTS_MAX, SegmentEntry,
};
use crate::format::retired::{RUNS_PER_PAGE, page_of};
use crate::pager::{BlockNumber, BulkWriter, NO_BLOCK, PageChange, PageSink, Pager};
use crate::segment::SegmentState;
use crate::space::Space;
use crate::tids;

/// A job that is ready to become true.
pub struct Commit<'a> {
    /// What the index does to vectors.
    pub space: &'a Space,
    /// What it replaces.
    pub sources: &'a Sources,
    /// What was read of it.
    pub loaded: &'a Loaded,
    /// The new segment; none when no row was left.
    pub segment: Option<SegmentEntry>,
    /// Its blocks.
    pub claim: &'a Claim,
    /// When and why, for the meta page.
    pub last_move: (u64, Cause),
}

impl Loaded {
    /// Pages that the list of the sources' blocks will take.
    pub fn list_pages(&self) -> u32 {
        // The list names its own pages, too, which may lie in as many runs.
        let mut pages = 1;
        while self.blocks.len() + pages > pages * RUNS_PER_PAGE {
            pages += 1;
        }
        pages as u32
    }
}

/// Puts the segment into the manifest in the place of its sources; returns the rows of it that died meanwhile.
///
/// `writer` has written the segment's pages; the list of retired blocks goes behind them. The caller holds the space
/// lock and the lock of its kind of job. The last record makes everything true.
///
/// # Errors
/// If a page is damaged, or the manifest has no more place.
pub fn commit<P: Pager, S: PageSink>(
    pager: &P,
    horizon: &dyn Horizon,
    writer: &mut ClaimedWriter<'_, S>,
    job: &Commit<'_>,
) -> Result<u64, PageError> {
    let meta = Meta::load(&*pager.read(0)?)?;
    let (list, blocks) = write_list(writer, &meta, job)?;
    writer.finish();
    let died = job.loaded.dead_since(pager, job.space, &meta, job.sources)?;
    let mut segment = job.segment;
    if let Some(entry) = segment.as_mut().filter(|_| !died.is_empty()) {
        let died: std::collections::HashSet<_> = died.iter().copied().collect();
        let state = SegmentState::load(pager, job.space, entry.segment, entry.header)?;
        let marked = tids::mark_dead(pager, entry.segment, &state.header, 0..entry.rows, &mut |tid| {
            died.contains(&tid)
        })?;
        entry.dead = marked.0 as u32;
    }
    let mut change = pager.change();
    let bytes = change.page(0)?;
    let mut meta = Meta::load(bytes)?;
    replace(&mut meta, job, segment)?;
    retire(&mut meta, Retired { stamp: horizon.stamp(), page: list, blocks });
    *job.claim.slot.of_mut(&mut meta) = [BlockRun::NONE; CLAIM_MAX];
    note(&mut meta, job, segment);
    meta.generation += 1;
    meta.store(bytes);
    change.commit();
    Ok(died.len() as u64)
}

/// Writes the list of the sources' blocks; returns its first page and how many blocks it names.
fn write_list<S: PageSink>(
    writer: &mut ClaimedWriter<'_, S>,
    meta: &Meta,
    job: &Commit<'_>,
) -> Result<(BlockNumber, u32), PageError> {
    let own = job.claim.tail(job.loaded.list_pages());
    let mut runs = job.loaded.blocks.clone();
    runs.extend(own.iter().map(|&block| BlockRun { block, count: 1 }));
    let runs = joined(runs);
    // When the meta page has no more places, the list goes on with the one that had the last.
    let older = match meta.retired().last() {
        Some(last) if meta.retired().len() == RETIRED_MAX => last.page,
        _ => NO_BLOCK,
    };
    let mut parts = runs.chunks(RUNS_PER_PAGE);
    for (at, &block) in own.iter().enumerate() {
        let next = own.get(at + 1).copied().unwrap_or(older);
        let written = writer.append(&page_of(parts.next().unwrap_or_default(), job.claim.number, next))?;
        if written != block {
            return Err(PageError::damaged(written, "claim of blocks"));
        }
    }
    let blocks = runs.iter().map(|run| run.count).sum();
    Ok((own.first().copied().unwrap_or(older), blocks))
}

/// Takes the sources out of the manifest and puts the new segment into it.
fn replace(meta: &mut Meta, job: &Commit<'_>, segment: Option<SegmentEntry>) -> Result<(), PageError> {
    let is_source = |number| {
        job.sources.chains.iter().any(|chain| chain.number == number)
            || job.sources.segments.iter().any(|entry| entry.segment == number)
    };
    let sealed: Vec<Chain> = meta.sealed().iter().copied().filter(|chain| !is_source(chain.number)).collect();
    let mut segments: Vec<SegmentEntry> =
        meta.segments().iter().copied().filter(|entry| !is_source(entry.segment)).collect();
    let kept = sealed.len() + segments.len();
    let expected =
        meta.sealed().len() + meta.segments().len() - job.sources.chains.len() - job.sources.segments.len();
    if kept != expected {
        return Err(PageError::damaged(0, "manifest: a source of a merge is missing"));
    }
    segments.extend(segment);
    if segments.len() > SEGMENTS_MAX {
        return Err(PageError::damaged(0, "manifest: no place for a segment"));
    }
    meta.sealed = [Chain::NONE; SEALED_MAX];
    meta.sealed[..sealed.len()].copy_from_slice(&sealed);
    meta.sealed_count = sealed.len() as u32;
    meta.segments = [SegmentEntry::NONE; SEGMENTS_MAX];
    meta.segments[..segments.len()].copy_from_slice(&segments);
    meta.segment_count = segments.len() as u32;
    Ok(())
}

fn retire(meta: &mut Meta, entry: Retired) {
    let count = meta.retired().len();
    if count == RETIRED_MAX {
        // The new list goes on with the last one, whose blocks wait a little longer. Should its stamp be the later one:
        // the new stamp is no earlier than any snapshot from before now, so it holds for older blocks, too.
        let last = &mut meta.retired[count - 1];
        *last = Retired { blocks: last.blocks.saturating_add(entry.blocks), ..entry };
        return;
    }
    meta.retired[count] = entry;
    meta.retired_count += 1;
}

fn note(meta: &mut Meta, job: &Commit<'_>, segment: Option<SegmentEntry>) {
    let (at, cause) = job.last_move;
    let last = LastMove { at, rows: segment.map_or(0, |entry| entry.rows), cause: cause as u32 };
    match job.claim.slot {
        Slot::Flush => (meta.last_flush, meta.flushes) = (last, meta.flushes.wrapping_add(1)),
        Slot::Merge | Slot::Large => (meta.last_merge, meta.merges) = (last, meta.merges.wrapping_add(1)),
    }
}
