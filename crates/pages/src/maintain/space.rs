//! Which blocks are in use, and for what.

use super::{Horizon, Slot};
use crate::error::PageError;
use crate::format::meta::{BlockRun, Meta};
use crate::format::retired;
use crate::format::segment::SegmentHeader;
use crate::pager::{BlockNumber, NO_BLOCK, Pager};
use crate::pending;

/// The blocks of an index by what they are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Blocks of segments.
    pub segments: u64,
    /// Pages of pending rows.
    pub pending: u64,
    /// Blocks set aside for pending rows or claimed for a segment in the making.
    pub reserved: u64,
    /// Blocks that older snapshots may still read.
    pub retired: u64,
    /// Blocks that can be given out again, ascending.
    pub free: Vec<BlockRun>,
    /// Retired entries at the front of the meta page's list that the horizon has passed; their blocks are free.
    pub passed: usize,
}

impl Usage {
    /// Blocks that can be given out again.
    pub fn free_blocks(&self) -> u64 {
        self.free.iter().map(|run| u64::from(run.count)).sum()
    }
}

/// The usage of the index that `meta` describes. `own`: the slot whose claim is void, as a job of its kind begins.
///
/// The caller holds the space lock, or can live with an answer that others are changing.
///
/// # Errors
/// If a page that the manifest leads to is damaged.
pub fn usage<P: Pager>(
    pager: &P,
    meta: &Meta,
    horizon: &dyn Horizon,
    own: Option<Slot>,
) -> Result<Usage, PageError> {
    let mut used = vec![BlockRun { block: 0, count: 1 }];
    let count_from = |used: &[BlockRun], from: usize| count(&used[from..]);
    let mut usage = Usage::default();
    for entry in meta.segments() {
        used.push(BlockRun { block: entry.header, count: 1 });
        let page = pager.read(entry.header)?;
        let header = SegmentHeader::load(&page, entry.header, entry.segment, meta.padded_dim)?;
        drop(page);
        used.extend(segment_runs(&header));
    }
    let mut from = used.len();
    usage.segments = count(&used) - 1;
    // Chains that grow meanwhile take their pages from the pool or from behind `meta.blocks`.
    chain_runs(pager, meta, meta.chains(), &mut used)?;
    usage.pending = count_from(&used, from);
    from = used.len();
    let slots = [Slot::Flush, Slot::Merge, Slot::Large].into_iter().filter(|slot| Some(*slot) != own);
    used.extend(slots.flat_map(|slot| slot.of(meta)).chain(&meta.pool).filter(|run| run.count > 0));
    usage.reserved = count_from(&used, from);
    usage.passed = meta.retired().iter().take_while(|entry| horizon.is_past(entry.stamp)).count();
    for entry in &meta.retired()[usage.passed..] {
        retired_runs(pager, entry.page, &mut used)?;
    }
    usage.retired = meta.retired()[usage.passed..].iter().map(|entry| u64::from(entry.blocks)).sum();
    usage.free = complement(used, meta.blocks);
    Ok(usage)
}

fn count(runs: &[BlockRun]) -> u64 {
    runs.iter().map(|run| u64::from(run.count)).sum()
}

/// The blocks of a segment, its header left out.
pub(super) fn segment_runs(header: &SegmentHeader) -> impl Iterator<Item = BlockRun> {
    let extents = &header.extents[..header.extent_count as usize];
    let ends = extents.iter().skip(1).map(|next| next.page).chain(std::iter::once(header.pages));
    extents
        .iter()
        .zip(ends)
        .map(|(extent, end)| BlockRun { block: extent.block, count: end.saturating_sub(extent.page) })
}

/// Adds the pages of chains to `runs`.
pub(super) fn chain_runs<'c, P: Pager>(
    pager: &P,
    meta: &Meta,
    chains: impl Iterator<Item = &'c crate::format::meta::Chain>,
    runs: &mut Vec<BlockRun>,
) -> Result<(), PageError> {
    pending::for_each_page(pager, meta, chains, &mut |block, _, _| {
        runs.push(BlockRun { block, count: 1 });
        Ok(())
    })
}

/// Adds what a list of retired blocks names, and the lists behind it.
pub(crate) fn retired_runs<P: Pager>(
    pager: &P,
    mut page: BlockNumber,
    runs: &mut Vec<BlockRun>,
) -> Result<(), PageError> {
    let mut steps = 0;
    while page != NO_BLOCK {
        let next = retired::read(&*pager.read(page)?, page, runs)?;
        steps += 1;
        if steps > pager.block_count() {
            return Err(PageError::damaged(page, "list of retired blocks"));
        }
        page = next;
    }
    Ok(())
}

/// Joins runs that touch or overlap; the result is ascending.
pub(super) fn joined(mut runs: Vec<BlockRun>) -> Vec<BlockRun> {
    runs.retain(|run| run.count > 0);
    runs.sort_unstable_by_key(|run| run.block);
    let mut joined: Vec<BlockRun> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(last) if u64::from(run.block) <= last.end() => {
                last.count = (last.end().max(run.end()) - u64::from(last.block)) as u32;
            }
            _ => joined.push(run),
        }
    }
    joined
}

/// The runs below `end` that are not in `used`, ascending.
fn complement(used: Vec<BlockRun>, end: BlockNumber) -> Vec<BlockRun> {
    let mut free = Vec::new();
    let mut next = 0u64;
    for run in joined(used) {
        if u64::from(run.block) > next {
            let stop = u64::from(run.block).min(u64::from(end));
            free.push(BlockRun { block: next as u32, count: stop.saturating_sub(next) as u32 });
        }
        next = next.max(run.end());
    }
    if next < u64::from(end) {
        free.push(BlockRun { block: next as u32, count: (u64::from(end) - next) as u32 });
    }
    free.retain(|run| run.count > 0);
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pairs: &[(u32, u32)]) -> Vec<BlockRun> {
        pairs.iter().map(|&(block, count)| BlockRun { block, count }).collect()
    }

    #[test]
    fn what_is_not_used_is_free() {
        let used = runs(&[(7, 2), (0, 1), (3, 2), (4, 2), (20, 5), (0, 0)]);
        assert_eq!(complement(used, 15), runs(&[(1, 2), (6, 1), (9, 6)]));
        assert_eq!(complement(runs(&[(0, 30)]), 15), runs(&[]));
        assert_eq!(complement(runs(&[]), 3), runs(&[(0, 3)]));
    }
}
