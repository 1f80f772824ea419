//! Blocks for a segment in the making.

use super::Horizon;
use super::space::usage;
use crate::error::PageError;
use crate::format::meta::{BLOCKS_MAX, BlockRun, CLAIM_MAX, Meta, POOL_MAX};
use crate::pager::{BlockNumber, BulkWriter, PageBytes, PageChange, PageSink, Pager};

/// Which job a claim is for. Each kind runs once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A flush.
    Flush,
    /// A merge of flat segments.
    Merge,
    /// A merge of graphs.
    Large,
}

impl Slot {
    /// The claim of this kind in the manifest.
    pub fn of(self, meta: &Meta) -> &[BlockRun; CLAIM_MAX] {
        match self {
            Self::Flush => &meta.flush_claim,
            Self::Merge => &meta.merge_claim,
            Self::Large => &meta.large_claim,
        }
    }

    pub(super) fn of_mut(self, meta: &mut Meta) -> &mut [BlockRun; CLAIM_MAX] {
        match self {
            Self::Flush => &mut meta.flush_claim,
            Self::Merge => &mut meta.merge_claim,
            Self::Large => &mut meta.large_claim,
        }
    }
}

/// Blocks that belong to one job until its commit.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The number for the new segment.
    pub number: u32,
    /// The job's kind.
    pub slot: Slot,
    runs: Vec<BlockRun>,
}

impl Claim {
    /// The last `count` blocks: a job's list of retired blocks lies there.
    pub(super) fn tail(&self, count: u32) -> Vec<BlockNumber> {
        let blocks = self.runs.iter().rev().flat_map(|run| (run.block..run.block + run.count).rev());
        let mut tail: Vec<BlockNumber> = blocks.take(count as usize).collect();
        tail.reverse();
        tail
    }
}

/// Claims `pages` blocks: free ones first, then such as were never given out. `pool_pages`: free blocks to set aside
/// for pending pages besides, as far as there are any.
///
/// The caller holds the space lock.
///
/// # Errors
/// If a page is damaged, or the index has no more block numbers.
pub fn claim<P: Pager>(
    pager: &P,
    horizon: &dyn Horizon,
    slot: Slot,
    pages: u32,
    pool_pages: u32,
) -> Result<Claim, PageError> {
    let meta = Meta::load(&*pager.read(0)?)?;
    let mut usage = usage(pager, &meta, horizon, Some(slot))?;
    let mut runs = take(&mut usage.free, pages);
    let found: u32 = runs.iter().map(|run| run.count).sum();
    let missing = pages - found;
    let end_of = |meta: &Meta| {
        let end = meta.blocks.checked_add(missing).filter(|&end| end < BLOCKS_MAX);
        end.ok_or(PageError::damaged(0, "number of blocks"))
    };
    let end = end_of(&meta)?;
    // While nothing is locked: appenders that draw blocks meanwhile find them there, too.
    pager.extend_to(end);
    let mut change = pager.change();
    let bytes = change.page(0)?;
    let mut meta = Meta::load(bytes)?;
    if missing > 0 {
        runs.push(BlockRun { block: meta.blocks, count: missing });
        meta.blocks = end_of(&meta)?;
    }
    meta.reused += u64::from(found);
    let claimed = slot.of_mut(&mut meta);
    *claimed = [BlockRun::NONE; CLAIM_MAX];
    claimed[..runs.len()].copy_from_slice(&runs);
    fill_pool(&mut meta, &mut usage.free, pool_pages);
    meta.retired.copy_within(usage.passed.., 0);
    meta.retired_count -= usage.passed as u32;
    let number = meta.draw_number()?;
    meta.store(bytes);
    change.commit();
    // Appenders may have drawn blocks since the first look, so that the claim lies farther back.
    pager.extend_to(runs.last().map_or(0, |run| run.end() as BlockNumber));
    Ok(Claim { number, slot, runs })
}

/// Takes at most `pages` blocks out of `free`: the smallest run that has them all, else the largest runs, ascending.
fn take(free: &mut Vec<BlockRun>, pages: u32) -> Vec<BlockRun> {
    let fits = free.iter().enumerate().filter(|(_, run)| run.count >= pages).min_by_key(|(_, run)| run.count);
    let mut order: Vec<usize> = match fits {
        Some((at, _)) => vec![at],
        None => (0..free.len()).collect(),
    };
    order.sort_unstable_by_key(|&at| std::cmp::Reverse(free[at].count));
    // One place is left for blocks behind all others.
    order.truncate(CLAIM_MAX - 1);
    let (mut taken, mut missing) = (Vec::new(), pages);
    for at in order {
        let run = &mut free[at];
        let count = run.count.min(missing);
        if count == 0 {
            break;
        }
        taken.push(BlockRun { block: run.block, count });
        *run = BlockRun { block: run.block + count, count: run.count - count };
        missing -= count;
    }
    free.retain(|run| run.count > 0);
    taken.sort_unstable_by_key(|run| run.block);
    taken
}

/// Sets free blocks aside for pending pages, until there are `pages`: short runs first, which segments like least.
fn fill_pool(meta: &mut Meta, free: &mut [BlockRun], pages: u32) {
    free.sort_unstable_by_key(|run| run.count);
    let mut have: u32 = meta.pool.iter().map(|run| run.count).sum();
    let mut rest = free.iter_mut();
    for place in 0..POOL_MAX {
        if meta.pool[place].count > 0 || have >= pages {
            continue;
        }
        let Some(run) = rest.next() else { return };
        let count = run.count.min(pages - have);
        meta.pool[place] = BlockRun { block: run.block, count };
        have += count;
    }
}

/// Writes pages into claimed blocks, in their order.
pub struct ClaimedWriter<'a, S> {
    sink: &'a mut S,
    runs: std::vec::IntoIter<BlockRun>,
    run: BlockRun,
}

impl<'a, S: PageSink> ClaimedWriter<'a, S> {
    /// A writer for all blocks of `claim`.
    pub fn new(claim: &Claim, sink: &'a mut S) -> Self {
        Self { sink, runs: claim.runs.clone().into_iter(), run: BlockRun::NONE }
    }

    /// The block that the next page will have.
    pub fn next_block(&mut self) -> Option<BlockNumber> {
        while self.run.count == 0 {
            self.run = self.runs.next()?;
        }
        Some(self.run.block)
    }

    /// Makes what was written durable.
    pub fn finish(&mut self) {
        self.sink.finish();
    }
}

impl<S: PageSink> BulkWriter for ClaimedWriter<'_, S> {
    fn append(&mut self, page: &PageBytes) -> Result<BlockNumber, PageError> {
        let block = self.next_block().ok_or(PageError::damaged(0, "claim of blocks"))?;
        self.sink.write(block, page)?;
        self.run = BlockRun { block: block + 1, count: self.run.count - 1 };
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pairs: &[(u32, u32)]) -> Vec<BlockRun> {
        pairs.iter().map(|&(block, count)| BlockRun { block, count }).collect()
    }

    #[test]
    fn a_claim_takes_what_fits_best() {
        let mut free = runs(&[(1, 4), (10, 9), (30, 6), (50, 2)]);
        assert_eq!(take(&mut free, 5), runs(&[(30, 5)]));
        assert_eq!(free, runs(&[(1, 4), (10, 9), (35, 1), (50, 2)]));
        assert_eq!(take(&mut free, 14), runs(&[(1, 4), (10, 9), (50, 1)]));
        assert_eq!(take(&mut free, 5), runs(&[(35, 1), (51, 1)]));
        assert!(free.is_empty());
    }

    #[test]
    fn a_scattered_space_leaves_a_place_for_new_blocks() {
        let mut free: Vec<BlockRun> = (0..100).map(|at| BlockRun { block: 3 * at, count: 1 }).collect();
        assert_eq!(take(&mut free, 90).len(), CLAIM_MAX - 1);
        assert_eq!(free.len(), 100 - (CLAIM_MAX - 1));
    }
}
