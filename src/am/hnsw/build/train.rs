//! Training of lists in a build, on rows of blocks from all over the table.
//!
//! The sample's rows are the first batch if memory holds their codes, and the scan ignores the rows of their blocks
//! then. A block counts as a whole in one scan or the other, by PostgreSQL's own scan of a build, and chains of HOT
//! updates stay within a block; so each row that the table has comes once. What scans see may differ from block to
//! block only where others write meanwhile, which is in CREATE INDEX CONCURRENTLY: there each scan has a snapshot of
//! its own, and the validation adds whatever its snapshot sees and the index lacks.

use std::sync::Arc;

use pages::segment::encode::Loader;
use pages::segment::stream::{self, ShortTraining};

use super::{Build, Done, add_row};
use crate::error::IndexError;
use crate::pg::heap::BuildInput;
use crate::pg::progress;

/// Tables with fewer blocks are not sampled: their first rows are most of what they have.
const SAMPLED_BLOCKS_MIN: u32 = 8;
/// Blocks by which the rows of a table are estimated: so many, or this share of it.
const ESTIMATED_BLOCKS_MIN: usize = 64;
const ESTIMATED_BLOCKS_SHARE: usize = 16;
/// The sample is at most one row in so many of a large table, unless that is few for its lists: training on more takes
/// longer than it gains.
const SAMPLED_SHARE: usize = 4;
/// The sample is of runs of so many adjacent blocks where there are so many runs: to begin a scan takes as long as to
/// read some blocks.
const RUN_BLOCKS: u32 = 4;
const RUNS_MIN: u32 = 4096;

impl Build<'_> {
    /// Whether the rows of a block are there already.
    pub(super) fn has_passed(&self, block: u32) -> bool {
        let word = self.passed.get(block as usize / 64).copied().unwrap_or(0);
        !self.is_sampling && word >> (block % 64) & 1 == 1
    }

    /// Trains lists on rows of blocks from all over the table, unless it is so small that its first rows are all.
    pub(super) unsafe fn train(&mut self, input: &BuildInput) -> Result<(), IndexError> {
        let Some(batching) = self.listed.as_ref().map(|listed| listed.1) else { return Ok(()) };
        let batch = batching.rows;
        // SAFETY: the relations are open, by the caller.
        let blocks = unsafe { input.blocks() };
        if blocks < SAMPLED_BLOCKS_MIN {
            return Ok(());
        }
        progress::phase(progress::Phase::PerformingKMeans);
        self.begin_crew()?;
        self.is_sampling = true;
        let memory = self.memory_max;
        let estimated_by = ESTIMATED_BLOCKS_MIN.max(blocks as usize / ESTIMATED_BLOCKS_SHARE);
        let run = (blocks / RUNS_MIN).clamp(1, RUN_BLOCKS);
        let kept_max = stream::kept_rows_max(self.space, &self.options, memory);
        // `sampled` are rows of batches that have begun, `places` runs of blocks that had rows.
        let (mut sampled, mut rows, mut read, mut places) = (0, 0, 0, 0);
        let mut waiting = Vec::new();
        for first in stream::spread(blocks.div_ceil(run)).map(|at| at * run) {
            let loaded = self.loader.rows();
            let run = batching.run(run, (sampled, places), (loaded, read));
            let end = blocks.min(first + run);
            let state: *mut Build<'_> = self;
            // SAFETY: as above; the callback takes a build.
            unsafe { input.scan_blocks(first..end, Some(add_row), state.cast()) };
            read += (end - first) as usize;
            places += usize::from(self.loader.rows() > loaded);
            waiting.extend(first..end);
            let found = sampled + self.loader.rows();
            rows = (found as f64 / read as f64 * f64::from(blocks)) as usize;
            let least = stream::sample_rows_min(&self.options, rows as u64);
            let mut wanted = stream::sample_rows(self.space, &self.options, memory, rows as u64)
                .min((rows / SAMPLED_SHARE).max(batch / 2).max(least));
            if !self.passed.is_empty() {
                wanted = wanted.min(kept_max);
            }
            let is_large = rows > batch || sampled > 0;
            let is_enough = is_large && found >= wanted;
            if is_enough || is_large && self.loader.rows() >= batching.wanted(sampled, places) {
                if sampled == 0 && wanted <= kept_max {
                    self.keep_sample(blocks);
                }
                sampled = found;
                self.pass_sample_on(&mut waiting)?;
            }
            // The first rows do as well when there are hardly more of them.
            if is_enough || read >= estimated_by && !is_large {
                break;
            }
        }
        if sampled > 0 && self.loader.rows() > 0 {
            sampled += self.loader.rows();
            self.pass_sample_on(&mut waiting)?;
        }
        self.end_sample(rows, sampled)
    }

    /// Trains lists for `rows` rows on the `sampled` ones, and begins with these if they are kept.
    fn end_sample(&mut self, rows: usize, sampled: usize) -> Result<(), IndexError> {
        self.end_all()?;
        self.is_sampling = false;
        self.loader = Loader::new(self.space);
        let Some((listed, _)) = &mut self.listed else { return Ok(()) };
        listed.train(rows as u64, &self.workers)?;
        let is_kept = !self.passed.is_empty();
        let most = if is_kept { stream::kept_rows_max } else { stream::sample_rows_max };
        let most = most(self.space, &self.options, self.memory_max);
        if let Some(short) = ShortTraining::of(self.space, &self.options, most, rows as u64) {
            // SAFETY: the index stays open for the whole build.
            crate::error::warn_training(&unsafe { crate::pg::relation_name(self.index) }, short);
        }
        if is_kept {
            crate::error::debug_kept_sample(sampled);
        }
        let work = listed.sampled();
        // Its memory is counted apart.
        self.begin_batch(work, 0)
    }

    fn keep_sample(&mut self, blocks: u32) {
        if let Some((listed, _)) = &mut self.listed {
            listed.keep_sample();
            self.passed = vec![0; blocks.div_ceil(64) as usize];
        }
    }

    /// Gives the loaded rows, all those of the blocks that wait, to the workers, once these have room for them.
    fn pass_sample_on(&mut self, waiting: &mut Vec<u32>) -> Result<(), IndexError> {
        let is_kept = !self.passed.is_empty();
        if is_kept {
            self.indexed += self.loader.rows() as f64;
        }
        for block in waiting.drain(..).filter(|_| is_kept) {
            self.passed[block as usize / 64] |= 1 << (block % 64);
        }
        let loader = std::mem::replace(&mut self.loader, Loader::new(self.space));
        let rows = loader.rows();
        self.make_room(rows)?;
        if self.listed.as_ref().is_some_and(|(listed, _)| !listed.has_sample()) {
            // All others are encoded about what the first of them has in common.
            self.end_all()?;
        }
        let (Some((listed, _)), control) = (&mut self.listed, Arc::clone(&self.control)) else {
            return Ok(());
        };
        let Some(crew) = &mut self.crew else { return listed.sample(loader, &self.workers) };
        if let Some(work) = listed.begin_sample(loader) {
            self.begun.push_back(rows);
            crew.begin(move || work.run(&control).map(|done| Done::Sample(Box::new(done))));
        }
        Ok(())
    }
}
