//! The rows that lists are trained on, encoded batch by batch.

use ann::build::{BuildError, Control};

use super::Frame;
use super::train::EncodedRows;
use crate::format::segment::TidEntry;
use crate::plan::NodePlan;
use crate::segment::encode::{EncodedNodes, Loader, Purpose};
use crate::space::Space;

/// Places of a table that the first batch of a sample has rows of, where a batch and the sample have room for them: it
/// decides what codes are relative to, and has the queries of the calibration.
const FIRST_PLACES_MIN: usize = 64;

/// How rows become batches.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Rows of all batches that are there at a time.
    pub rows: usize,
    /// How many these are, besides the one that is read.
    pub pieces: usize,
}

impl Batching {
    /// Rows of each of them.
    pub fn piece(&self) -> usize {
        self.rows / (self.pieces + 1)
    }

    /// Rows at which a batch of a sample ends, at the end of a block: the first one, which has rows of so many places
    /// and beside which one piece is read, or one behind `sampled` rows.
    pub fn wanted(&self, sampled: usize, places: usize) -> usize {
        match sampled {
            0 if places >= FIRST_PLACES_MIN => 2 * self.piece(),
            0 => self.rows - self.piece(),
            _ => self.piece(),
        }
    }

    /// Adjacent blocks to read next for a batch of a sample, at most `most`: behind `sampled` rows of earlier batches,
    /// with `loaded` rows of this one, of so many `places` if it is the first, after `read` blocks in all.
    pub fn run(&self, most: u32, (sampled, places): (usize, usize), (loaded, read): (usize, usize)) -> u32 {
        if sampled == 0 && places < FIRST_PLACES_MIN {
            return 1;
        }
        let missing = self.wanted(sampled, places).saturating_sub(loaded);
        let run = missing * read / (sampled + loaded).max(1);
        u32::try_from(run).unwrap_or(u32::MAX).clamp(1, most)
    }

    /// Whether a batch of `rows` rows may wait with others that have `waiting`, beside the piece that is read.
    pub fn has_room(&self, waiting: usize, rows: usize) -> bool {
        waiting + rows + self.piece() <= self.rows
    }
}

/// Rows that lists are trained on.
pub(super) struct Sample {
    pub frame: Frame,
    /// The first batch, without int8 codes.
    pub first: EncodedNodes,
    /// The others, if they are kept.
    pub rest: EncodedNodes,
    pub tids: Vec<TidEntry>,
    /// int8 codes of all rows, those of the first batch first.
    pub codes: Vec<i8>,
}

impl Sample {
    /// Of a first batch, placed; None if no row of it has a place.
    fn new(
        loader: Loader,
        space: &Space,
        plan: NodePlan,
        control: &Control,
    ) -> Result<Option<Self>, BuildError> {
        if !loader.has_places() {
            return Ok(None);
        }
        let frame = loader.frame(space, plan);
        let (mut first, tids) = loader.encode_rows(space, &frame, control)?;
        let codes = std::mem::take(&mut first.bytes);
        let rest = EncodedNodes::empty(&frame);
        Ok(Some(Self { frame, first, rest, tids, codes }))
    }

    /// Of a batch that is all there is so far, and that is still needed.
    pub fn of(
        loader: &mut Loader,
        space: &Space,
        plan: NodePlan,
        control: &Control,
    ) -> Result<Option<Self>, BuildError> {
        loader.place(space, Purpose::Frame);
        Self::new(loader.clone(), space, plan, control)
    }

    /// Number of rows that have a place.
    pub fn rows(&self) -> usize {
        self.codes.len() / self.frame.byte_dim
    }
}

/// The work on a batch of the sample, for any thread.
pub struct SampleWork {
    space: Space,
    wanted: Wanted,
    loader: Loader,
}

/// What is wanted of a batch.
enum Wanted {
    /// What codes are relative to, and all of them.
    First(NodePlan),
    All(Frame),
    /// int8 codes.
    Bytes(Frame),
}

/// What comes out of it.
pub struct SampleDone {
    coded: Coded,
    unranked: Vec<TidEntry>,
}

enum Coded {
    First(Option<Box<Sample>>),
    All(Box<EncodedRows>),
    Bytes(Vec<i8>),
}

impl SampleWork {
    /// On a first batch, or on one more for `sample`, with all codes if it is kept.
    pub(super) fn new(
        loader: Loader,
        space: &Space,
        plan: NodePlan,
        (sample, is_kept): (Option<&Sample>, bool),
    ) -> Self {
        let wanted = match sample {
            None => Wanted::First(plan),
            Some(sample) if is_kept => Wanted::All(sample.frame.clone()),
            Some(sample) => Wanted::Bytes(sample.frame.clone()),
        };
        Self { space: space.clone(), wanted, loader }
    }

    /// Does it, in the caller's rayon pool.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn run(self, control: &Control) -> Result<SampleDone, BuildError> {
        let Self { space, wanted, mut loader } = self;
        let is_first = matches!(wanted, Wanted::First(_));
        loader.place(&space, if is_first { Purpose::Frame } else { Purpose::Codes });
        let unranked = loader.take_unranked();
        let coded = match wanted {
            Wanted::First(plan) => Coded::First(Sample::new(loader, &space, plan, control)?.map(Box::new)),
            Wanted::All(frame) => Coded::All(Box::new(loader.encode_rows(&space, &frame, control)?)),
            Wanted::Bytes(frame) => Coded::Bytes(loader.encode_bytes(&space, &frame, control)?),
        };
        Ok(SampleDone { coded, unranked })
    }
}

impl SampleDone {
    /// Adds it to what there is; returns the rows without a place.
    pub(super) fn add_to(self, sample: &mut Option<Sample>) -> Vec<TidEntry> {
        match (self.coded, sample) {
            (Coded::First(first), sample) => {
                assert!(sample.is_none(), "a first batch began before another one ended");
                *sample = first.map(|first| *first);
            }
            (Coded::All(rows), Some(sample)) => {
                let (mut nodes, mut tids) = *rows;
                sample.codes.append(&mut nodes.bytes);
                sample.tids.append(&mut tids);
                sample.rest.append(nodes);
            }
            (Coded::Bytes(mut codes), Some(sample)) => sample.codes.append(&mut codes),
            (_, None) => unreachable!("there is a sample before others are added to it"),
        }
        self.unranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most rows that are there at a time while the sample of a table is read that has so many rows in a block,
    /// and its rows; batches are worked on as late as possible.
    fn rows_at_a_time(batching: &Batching, most: u32, block: impl Fn(u32) -> usize) -> (usize, usize) {
        let (mut sampled, mut places, mut loaded, mut read) = (0, 0, 0, 0);
        let mut begun = std::collections::VecDeque::new();
        let mut peak = 0;
        for first in (0..4_096u32).map(|at| at * most) {
            let run = batching.run(most, (sampled, places), (loaded, read));
            assert!((1..=most).contains(&run));
            let rows: usize = (first..first + run).map(&block).sum();
            (loaded, read, places) = (loaded + rows, read + run as usize, places + usize::from(rows > 0));
            peak = peak.max(loaded + begun.iter().sum::<usize>());
            if loaded >= batching.wanted(sampled, places) {
                while !batching.has_room(begun.iter().sum(), loaded) && begun.pop_front().is_some() {}
                begun.push_back(loaded);
                (sampled, loaded) = (sampled + loaded, 0);
            }
        }
        (peak, sampled + loaded)
    }

    #[test]
    fn batches_of_a_sample_stay_within_their_rows_but_for_the_blocks_that_end_them() {
        for rows in [512, 1_913, 16_384] {
            let batching = Batching { rows, pieces: 8 };
            let piece = batching.piece();
            assert!(9 * piece <= rows && 9 * (piece + 1) > rows);
            assert!(batching.has_room(7 * piece, piece) && !batching.has_room(8 * piece, piece));
            for block in [1, 5, 16, 136, 226] {
                for most in [1, 4] {
                    let (peak, _) = rows_at_a_time(&batching, most, |_| block);
                    assert!(peak <= rows + 2 * block, "{rows} {block}: {peak}");
                    let (peak, _) = rows_at_a_time(&batching, most, |at| if at % 7 == 0 { block } else { 0 });
                    assert!(peak <= rows + 2 * block, "{rows} {block}, sparse: {peak}");
                }
            }
        }
    }

    /// Runs that are read in part count for the whole of it, so a sample of all runs is hardly less than all rows.
    #[test]
    fn a_first_batch_of_many_blocks_is_not_of_single_ones() {
        let batching = Batching { rows: 16_384, pieces: 8 };
        let (_, sampled) = rows_at_a_time(&batching, 4, |_| 1);
        assert!(sampled >= 4 * 4_096 - 3 * FIRST_PLACES_MIN - 3 * 9, "{sampled}");
        assert_eq!(batching.run(4, (0, 63), (63, 63)), 1);
        assert_eq!(batching.run(4, (0, 64), (64, 64)), 4);
        assert_eq!(batching.run(4, (0, 64), (0, 64)), 4);
    }
}
