//! The rows that lists are trained on, encoded batch by batch.

use ann::build::{BuildError, Control};

use super::Frame;
use super::train::EncodedRows;
use crate::format::segment::TidEntry;
use crate::plan::NodePlan;
use crate::segment::encode::{EncodedNodes, Loader, Purpose};
use crate::space::Space;

/// Places of a table that the first batch of a sample has rows of, at least, where a batch has room for them: it
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
        self.rows.div_ceil(self.pieces + 1)
    }

    /// Rows that the first batch of a sample should have if they are of so many places. One piece is read beside it.
    pub fn first(&self, places: usize) -> usize {
        if places >= FIRST_PLACES_MIN { self.rows.div_ceil(4) } else { self.rows - self.piece() }
    }

    /// Blocks to read for a piece, at most `most`, if `blocks` had `rows` rows.
    pub fn run(&self, most: u32, rows: usize, blocks: usize) -> u32 {
        let run = self.piece() * blocks / rows.max(1);
        u32::try_from(run).unwrap_or(u32::MAX).clamp(1, most)
    }

    /// Batches with so many rows that may wait and be worked on beside the one that is read; there must be one.
    pub fn beside(&self, rows: usize) -> usize {
        (self.rows / rows.max(1)).saturating_sub(1).clamp(1, self.pieces)
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

    #[test]
    fn batches_stay_within_their_rows() {
        for rows in [512, 1_913, 16_384] {
            let batching = Batching { rows, pieces: 8 };
            let piece = batching.piece();
            assert!(9 * piece >= rows && 9 * (piece - 1) < rows);
            assert!((7..=8).contains(&batching.beside(piece)));
            for (places, least) in [(1, rows * 4 / 5), (63, rows * 4 / 5), (64, rows / 4)] {
                let first = batching.first(places);
                assert!(first >= least && first + piece <= rows, "{rows} {places}");
            }
            // Rows of a block, as many as there may be.
            for block in [1, 5, 136, 226] {
                let run = batching.run(4, 10 * block, 10);
                let read = run as usize * block;
                assert!((1..=4).contains(&run) && (run == 1 || read <= piece), "{rows} {block}");
                // A batch ends with the run that fills it.
                let batch = piece.next_multiple_of(read);
                let together = (batching.beside(batch) + 1) * batch;
                assert!(together <= rows.max(2 * batch), "{rows} {block}");
            }
        }
        assert_eq!(Batching { rows: 512, pieces: 8 }.run(4, 0, 0), 1);
    }
}
