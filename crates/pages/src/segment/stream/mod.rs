//! A segment with lists from a stream of rows, in bounded memory.
//!
//! ```text
//! sample | train | batch by batch: encode, assign, sort | count | write
//! ```
//!
//! A sample of the rows gives what codes are relative to ([`Frame`]) and the centroids of the lists. Where memory holds
//! its codes, its rows are the first batch and do not come again ([`ListBuilder::keep_sample`]). Then all rows
//! pass by: each batch is encoded and assigned on worker threads, and the codes, which are a fraction of the rows, go
//! to a [`RowSort`], which brings those of a list together and may keep them on disk. Equal codes are adjacent there
//! and become one node. The sorted codes are read once to count nodes, and once for each kind of page, because the
//! pages of a kind lie together.
//!
//! How far to search is known without the pages: rows of the sample are queries, and each batch tells which of its
//! rows are nearest to them.
//!
//! Memory: a quarter of what is allowed for a batch, or for several that are as large together, half for the sample,
//! and for its rows in the sort where these are kept, and then for the sort. The centroids and what a sorted reading
//! holds come on top: some megabytes, and a bit for each row.

mod record;
mod sample;
mod sort;
mod train;
mod truth;
mod write;

use std::sync::Arc;

use ann::build::{BuildError, Control};

use super::build::{BuildOptions, list_plan, lists_wanted};
use super::encode::{Frame, Loader, TRAINING_ROWS, byte_dim_min};
use crate::format::segment::TidEntry;
use crate::space::Space;
use record::Layout;
use sample::Sample;
pub use sample::{Batching, SampleDone, SampleWork};
pub use sort::{MemSort, RowSort, SpillSort};
use train::{Batch, EncodedRows, Trained};
use truth::Truths;
pub use write::Listed;

/// Rows of a batch: enough for the threads, and no more than memory allows.
const BATCH_ROWS_MIN: u64 = 512;
const BATCH_ROWS_MAX: u64 = 16 * 1024;

/// Rows of each list that it should be trained on, at least: with 8, rows of text embeddings are a tenth farther from
/// their centroids than with 40.
const TRAINED_ROWS_MIN: usize = 8;

/// What a sort takes for a record besides its bytes: a reference, a header, its allocation, and the rounding up.
const SORT_OVERHEAD: usize = 152;

/// Threads that compute while the caller waits for them.
pub trait Workers {
    /// What can go wrong.
    type Error;

    /// Runs `work` in a rayon pool.
    ///
    /// # Errors
    /// What `work` returns, or that it was interrupted.
    fn run<R: Send>(
        &self,
        work: impl FnOnce(&Control) -> Result<R, BuildError> + Send,
    ) -> Result<R, Self::Error>;
}

/// The caller's own thread, in whatever pool it is.
pub struct Inline;

impl Workers for Inline {
    type Error = BuildError;

    fn run<R: Send>(
        &self,
        work: impl FnOnce(&Control) -> Result<R, BuildError> + Send,
    ) -> Result<R, BuildError> {
        work(&Control::default())
    }
}

/// How many rows a batch may have, for a builder that may take `memory` bytes.
pub fn batch_rows(space: &Space, options: &BuildOptions, memory: u64) -> usize {
    let plan = list_plan(space, options);
    let codes = plan.map_or(0, |plan| plan.own_bytes() + plan.code_bytes());
    let row = 4 * space.width() + codes + byte_dim_min(space) + 128;
    (memory / 4 / row as u64).clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX) as usize
}

/// Memory in bytes that a builder must have for each row if none of them is to be sorted on disk; 0 without lists.
pub fn sorted_bytes_per_row(space: &Space, options: &BuildOptions) -> u64 {
    let in_memory = |plan| {
        let record = Layout::of(plan).bytes();
        // The sort may have half of it.
        2 * (record + SORT_OVERHEAD).max(sort::bytes_sorted(record)) as u64
    };
    list_plan(space, options).map_or(0, in_memory)
}

/// Rows that lists of `rows` rows are trained on, for a builder that may take `memory` bytes.
pub fn sample_rows(space: &Space, options: &BuildOptions, memory: u64, rows: u64) -> usize {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let wanted = lists_wanted(options, rows).unwrap_or(1).saturating_mul(TRAINING_ROWS).min(rows);
    wanted.min(sample_rows_max(space, options, memory)).max(batch_rows(space, options, memory))
}

/// Rows of the largest sample that memory allows.
pub fn sample_rows_max(space: &Space, options: &BuildOptions, memory: u64) -> usize {
    let affordable = memory / 2 / (byte_dim_min(space) as u64 + 64);
    (affordable as usize).max(batch_rows(space, options, memory))
}

/// Lists that memory allows to train on few rows only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortTraining {
    /// Rows at most.
    pub rows: usize,
    /// Lists that are wanted.
    pub lists: usize,
}

impl ShortTraining {
    /// Of `rows` rows, of which a sample may have `most`; None if that is enough.
    pub fn of(space: &Space, options: &BuildOptions, most: usize, rows: u64) -> Option<Self> {
        list_plan(space, options)?;
        let lists = lists_wanted(options, usize::try_from(rows).unwrap_or(usize::MAX))?;
        (most < sample_rows_min(options, rows)).then_some(Self { rows: most, lists })
    }
}

/// Rows that lists of `rows` rows should be trained on, at least.
pub fn sample_rows_min(options: &BuildOptions, rows: u64) -> usize {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    lists_wanted(options, rows).unwrap_or(1).saturating_mul(TRAINED_ROWS_MIN).min(rows)
}

/// Rows of a sample that can be kept with all their codes, for a builder that may take `memory` bytes.
pub fn kept_rows_max(space: &Space, options: &BuildOptions, memory: u64) -> usize {
    // The codes are in the sort, too, before they are gone.
    let record = list_plan(space, options).map_or(0, |plan| 2 * Layout::of(plan).bytes() + SORT_OVERHEAD);
    (memory / 2 / (byte_dim_min(space) + record + 64) as u64) as usize
}

/// All blocks of a table, each once, the first few of them already from all over the table.
pub fn spread(blocks: u32) -> impl Iterator<Item = u32> {
    let blocks = u64::from(blocks);
    // Steps of the golden section never come near to where they were; without a common factor they come everywhere.
    let common = |step: u64| {
        let (mut a, mut b) = (step, blocks);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = (blocks as f64 * 0.618_034) as u64;
    let step = (golden.max(1)..).find(|&step| common(step) == 1).unwrap_or(1);
    (0..blocks).map(move |at| (at * step % blocks) as u32)
}

/// A segment with lists in the making.
pub struct ListBuilder<'a, S> {
    space: &'a Space,
    options: BuildOptions,
    sort: S,
    sample: Option<Sample>,
    is_kept: bool,
    /// The sample's rows, once lists are trained.
    sampled: Option<EncodedRows>,
    growing: Option<Growing>,
    unranked: Vec<TidEntry>,
}

/// The work on a batch, for any thread: it shares nothing that changes.
pub struct BatchWork {
    trained: Arc<Trained>,
    source: Source,
    is_too_many: bool,
}

/// The rows of a batch.
enum Source {
    Loaded(Loader),
    Encoded(EncodedRows),
}

/// What comes out of it.
pub struct BatchDone {
    batch: Batch,
    unranked: Vec<TidEntry>,
}

impl BatchWork {
    /// Does it, in the caller's rayon pool.
    ///
    /// # Errors
    /// If it was interrupted, or there are more rows than a segment can number.
    pub fn run(self, control: &Control) -> Result<BatchDone, BuildError> {
        let Self { trained, source, is_too_many } = self;
        if is_too_many {
            return Err(BuildError::TooManyRows);
        }
        let (rows, unranked) = match source {
            Source::Loaded(mut loader) => {
                trained.place(&mut loader);
                let unranked = loader.take_unranked();
                (trained.encode(loader, control)?, unranked)
            }
            Source::Encoded(rows) => (rows, Vec::new()),
        };
        Ok(BatchDone { batch: trained.assign(rows, control)?, unranked })
    }
}

/// What there is once lists are trained.
struct Growing {
    trained: Arc<Trained>,
    layout: Layout,
    truths: Truths,
    /// Rows that came, and those of them that were sorted.
    begun: u64,
    rows: u64,
    norm_max: f32,
}

impl<'a, S: RowSort> ListBuilder<'a, S> {
    /// Without rows. `options` ask for lists, and rows of this space can have them.
    pub fn new(space: &'a Space, options: &BuildOptions, sort: S) -> Self {
        Self {
            space,
            options: *options,
            sort,
            sample: None,
            is_kept: false,
            sampled: None,
            growing: None,
            unranked: Vec::new(),
        }
    }

    /// Makes the rows of the sample that is to come rows of the segment, so that they need not come again: what
    /// [`Self::sampled`] gives is their batch. They may be [`kept_rows_max`].
    pub fn keep_sample(&mut self) {
        self.is_kept = true;
    }

    /// Takes a batch of rows as part of the sample that lists are trained on. They must come again as [`Self::add`]
    /// takes them, unless they are kept. The first batch decides what codes are relative to.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn sample<W: Workers>(&mut self, loader: Loader, workers: &W) -> Result<(), W::Error> {
        if let Some(work) = self.begin_sample(loader) {
            let done = workers.run(|control| work.run(control))?;
            self.end_sample(done);
        }
        Ok(())
    }

    /// Takes a batch as [`Self::sample`] does, but leaves the work to the caller, who hands what comes out of it to
    /// [`Self::end_sample`], batch after batch in their order, and before the next one begins as long as
    /// [`Self::has_sample`] says no.
    pub fn begin_sample(&mut self, loader: Loader) -> Option<SampleWork> {
        let plan = list_plan(self.space, &self.options).filter(|_| loader.rows() > 0)?;
        Some(SampleWork::new(loader, self.space, plan, (self.sample.as_ref(), self.is_kept)))
    }

    /// Whether there are rows that decide what codes are relative to.
    pub fn has_sample(&self) -> bool {
        self.sample.is_some()
    }

    /// Takes what came out of a batch of the sample.
    pub fn end_sample(&mut self, done: SampleDone) {
        let unranked = done.add_to(&mut self.sample);
        if self.is_kept {
            self.unranked.extend(unranked);
        }
    }

    /// Trains lists for about `rows` rows on the sample, if there is one.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn train<W: Workers>(&mut self, rows: u64, workers: &W) -> Result<(), W::Error> {
        let Some(sample) = self.sample.take() else { return Ok(()) };
        let (space, options) = (self.space, &self.options);
        let rows = usize::try_from(rows).unwrap_or(usize::MAX).max(sample.rows());
        let wanted = lists_wanted(options, rows).unwrap_or(1);
        let how = (options.seed, self.is_kept);
        let (trained, sampled) = workers.run(|control| sample.train(space, wanted, how, control))?;
        self.sampled = sampled;
        self.growing = Some(Growing {
            layout: Layout::of(trained.frame.plan),
            truths: Truths::new(&trained),
            trained: Arc::new(trained),
            begun: 0,
            rows: 0,
            norm_max: 0.0,
        });
        Ok(())
    }

    /// The batch of the sample's rows, if they are kept: to be done as what [`Self::begin`] gives, before all else.
    pub fn sampled(&mut self) -> Option<BatchWork> {
        let (rows, growing) = (self.sampled.take()?, self.growing.as_mut()?);
        growing.begun += rows.1.len() as u64;
        let is_too_many = self.unranked.len() as u64 + growing.begun >= u64::from(u32::MAX);
        Some(BatchWork { trained: Arc::clone(&growing.trained), source: Source::Encoded(rows), is_too_many })
    }

    /// Takes a batch of rows. The first one is the sample if there was none.
    ///
    /// # Errors
    /// If it was interrupted, or there are more rows than a segment can number.
    pub fn add<W: Workers>(&mut self, loader: Loader, workers: &W) -> Result<(), W::Error> {
        if let Some(work) = self.begin(loader, workers)? {
            let done = workers.run(|control| work.run(control))?;
            self.end(done);
        }
        Ok(())
    }

    /// Takes a batch as [`Self::add`] does, but leaves most of the work to the caller, who hands what comes out of it
    /// to [`Self::end`], batch after batch in their order.
    ///
    /// # Errors
    /// As there.
    pub fn begin<W: Workers>(
        &mut self,
        mut loader: Loader,
        workers: &W,
    ) -> Result<Option<BatchWork>, W::Error> {
        let space = self.space;
        if self.growing.is_none() {
            let Some(plan) = list_plan(space, &self.options) else { return Ok(None) };
            let rows = loader.rows() as u64;
            // These rows are at hand already.
            self.is_kept = false;
            self.sample = workers.run(|control| Sample::of(&mut loader, space, plan, control))?;
            self.train(rows, workers)?;
        }
        let Some(growing) = &mut self.growing else {
            self.unranked.append(&mut loader.take_unranked());
            return Ok(None);
        };
        growing.begun += loader.rows() as u64;
        let is_too_many = growing.begun + self.unranked.len() as u64 >= u64::from(u32::MAX);
        let source = Source::Loaded(loader);
        Ok(Some(BatchWork { trained: Arc::clone(&growing.trained), source, is_too_many }))
    }

    /// Takes what came out of a batch.
    pub fn end(&mut self, done: BatchDone) {
        let BatchDone { batch, mut unranked } = done;
        self.unranked.append(&mut unranked);
        let Some(growing) = &mut self.growing else { return };
        growing.rows += batch.tids.len() as u64;
        growing.norm_max = growing.norm_max.max(batch.nodes.norm_max);
        let mut record = Vec::new();
        for (row, list) in batch.lists.iter().enumerate() {
            growing.layout.write(&batch, row, *list, &mut record);
            self.sort.push(&record);
        }
        growing.truths.add(&batch, &growing.trained);
    }

    /// Whether the lists are there, so that batches may have any size.
    pub fn is_trained(&self) -> bool {
        self.growing.is_some()
    }

    /// Ends the input.
    ///
    /// # Errors
    /// The rows, if none of them has a place in the order: then there are no lists.
    pub fn finish(mut self) -> Result<Listed<S>, Vec<TidEntry>> {
        let Some(growing) = self.growing.filter(|growing| growing.rows > 0) else {
            return Err(self.unranked);
        };
        self.sort.rewind();
        Ok(Listed::new(self.space, growing, self.sort, self.unranked))
    }
}

#[cfg(test)]
mod tests {
    use ann::Metric;
    use kernels::Encoding;

    use super::*;
    use crate::error::PageError;
    use crate::format::meta::ListOptions;
    use crate::pager::{BlockNumber, BulkWriter, PageBytes};
    use crate::plan::OwnCode;
    use crate::row::{Element, Row};
    use crate::segment::build::Navigator;
    use crate::tids::HeapTid;

    fn rows(space: &Space, count: u16) -> Loader {
        let mut loader = Loader::new(space);
        for row in 0..count {
            let x: Vec<f32> = (0..72).map(|at| f32::from(row * 7 % 31) - at as f32).collect();
            loader.push_unplaced(space, Row::Dense(&x), HeapTid { block: 1, offset: row + 1 }).unwrap();
        }
        loader
    }

    /// All rows of the sample are gone when rows pass by.
    #[test]
    fn rows_of_the_sample_may_vanish() {
        let space = Space::new(Element::Float4, Metric::L2, 72, 1);
        let own = OwnCode::Residual(Encoding::I4);
        let navigator = Navigator::Lists(ListOptions { lists: 3, own });
        let options = BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator };
        for left in [0, 1, 40] {
            let mut builder = ListBuilder::new(&space, &options, MemSort::default());
            builder.sample(rows(&space, 100), &Inline).unwrap();
            builder.train(100, &Inline).unwrap();
            builder.add(rows(&space, left), &Inline).unwrap();
            match builder.finish() {
                Ok(listed) => assert!(left > 0 && listed.pages_needed() > 5),
                Err(unranked) => assert_eq!((left, unranked.len()), (0, 0)),
            }
        }
    }

    impl BulkWriter for Vec<PageBytes> {
        fn append(&mut self, page: &PageBytes) -> Result<BlockNumber, PageError> {
            self.push(*page);
            Ok(self.len() as u32)
        }
    }

    /// Rows of a sample that is kept are the segment's, those without a place among them, and once.
    #[test]
    fn a_sample_may_be_kept() {
        let space = Space::new(Element::Float4, Metric::Cosine, 72, 1);
        let lists = ListOptions { lists: 3, own: OwnCode::Residual(Encoding::I4) };
        let options =
            BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator: Navigator::Lists(lists) };
        let zero = |mut loader: Loader| {
            let tid = HeapTid { block: 2, offset: 1 };
            loader.push_unplaced(&space, Row::Dense(&[0.0; 72]), tid).unwrap();
            loader
        };
        for (samples, others) in [(vec![100, 50], vec![70]), (vec![40], vec![]), (vec![], vec![60, 10])] {
            let mut builder = ListBuilder::new(&space, &options, MemSort::default());
            builder.keep_sample();
            samples.iter().for_each(|&count| builder.sample(zero(rows(&space, count)), &Inline).unwrap());
            builder.train(200, &Inline).unwrap();
            if let Some(work) = builder.sampled() {
                builder.end(work.run(&Control::default()).unwrap());
            }
            assert!(builder.sampled().is_none());
            others.iter().for_each(|&count| builder.add(zero(rows(&space, count)), &Inline).unwrap());
            let Ok(listed) = builder.finish() else { panic!("there are rows") };
            let entry = listed.write(&mut Vec::new(), 1).unwrap().entry;
            let all: u16 = samples.iter().chain(&others).map(|count| count + 1).sum();
            assert_eq!(entry.rows, u32::from(all), "{samples:?} {others:?}");
        }
    }

    /// Whether batches of a sample are done one after the other or side by side, the pages are the same.
    #[test]
    fn batches_of_a_sample_may_be_done_in_any_order() {
        let space = Space::new(Element::Float4, Metric::Cosine, 72, 1);
        let lists = ListOptions { lists: 3, own: OwnCode::Residual(Encoding::I4) };
        let options =
            BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator: Navigator::Lists(lists) };
        let batches = || {
            // No row of the first one has a place, and some of the others have none.
            [(0, 1), (90, 0), (70, 2), (0, 3), (50, 1)].map(|(count, zeros)| {
                let mut loader = rows(&space, count);
                for row in 0..zeros {
                    let tid = HeapTid { block: 2, offset: row + 1 };
                    loader.push_unplaced(&space, Row::Dense(&[0.0; 72]), tid).unwrap();
                }
                loader
            })
        };
        let control = Control::default();
        let pages = |is_kept: bool, is_serial: bool| {
            let mut builder = ListBuilder::new(&space, &options, MemSort::default());
            if is_kept {
                builder.keep_sample();
            }
            let mut works = Vec::new();
            for loader in batches() {
                let has_sample = builder.has_sample();
                let work = builder.begin_sample(loader).unwrap();
                if has_sample && !is_serial {
                    works.push(work);
                } else {
                    builder.end_sample(work.run(&control).unwrap());
                }
            }
            // The last begins first.
            let mut done: Vec<SampleDone> =
                works.into_iter().rev().map(|work| work.run(&control).unwrap()).collect();
            done.drain(..).rev().for_each(|done| builder.end_sample(done));
            builder.train(300, &Inline).unwrap();
            match builder.sampled() {
                Some(work) => builder.end(work.run(&control).unwrap()),
                None => batches().into_iter().for_each(|loader| builder.add(loader, &Inline).unwrap()),
            }
            let Ok(listed) = builder.finish() else { panic!("there are rows") };
            let mut pages = Vec::new();
            assert_eq!(listed.write(&mut pages, 1).unwrap().entry.rows, 217);
            pages
        };
        for is_kept in [false, true] {
            assert!(pages(is_kept, true) == pages(is_kept, false), "{is_kept}");
        }
    }

    #[test]
    fn lists_of_few_rows_are_told_of() {
        let space = Space::new(Element::Float4, Metric::L2, 128, 1);
        let short = |lists, memory, rows| {
            let lists = ListOptions { lists, own: OwnCode::Residual(Encoding::I4) };
            let navigator = Navigator::Lists(lists);
            let options = BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator };
            ShortTraining::of(&space, &options, sample_rows_max(&space, &options, memory), rows)
        };
        let of = |rows, lists| Some(ShortTraining { rows, lists });
        // 192 bytes a row in half of the memory; batches have 512 rows at least.
        assert_eq!(short(900, 1 << 20, 9_000), of(2_730, 900));
        assert_eq!(short(900, 1 << 20, 2_600), None, "325 lists");
        assert_eq!(short(900, 3 << 20, 9_000), None);
        assert_eq!(short(90, 1 << 20, 9_000), None);
        assert_eq!(short(0, 1 << 20, 1_000_000), of(2_730, 2_000));
        assert_eq!(short(0, 8 << 20, 1_000_000), None);
        assert_eq!(short(64, 0, 100_000), None);
        assert_eq!(short(65, 0, 100_000), of(512, 65));
    }

    #[test]
    fn batches_and_samples_fit_the_memory() {
        let space = Space::new(Element::Float4, Metric::L2, 768, 1);
        let lists = ListOptions { lists: 0, own: OwnCode::Sign };
        let options =
            BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator: Navigator::Lists(lists) };
        let bytes = |memory| batch_rows(&space, &options, memory) * (768 * 5 + 96 + 128);
        assert!(bytes(64 << 20) <= 16 << 20 && bytes(64 << 20) > 15 << 20);
        assert_eq!(batch_rows(&space, &options, 0), BATCH_ROWS_MIN as usize);
        assert_eq!(batch_rows(&space, &options, u64::MAX), BATCH_ROWS_MAX as usize);
        assert_eq!(sample_rows(&space, &options, u64::MAX, 1_000_000), 2_000 * TRAINING_ROWS);
        assert!(sample_rows(&space, &options, 64 << 20, 1_000_000) <= (32 << 20) / 768);
        // Few lists need few rows, but what codes are relative to, and the calibration, need a batch.
        let lists = ListOptions { lists: 1, own: OwnCode::Sign };
        let options = BuildOptions { navigator: Navigator::Lists(lists), ..options };
        assert_eq!(
            sample_rows(&space, &options, 64 << 20, 1_000_000),
            batch_rows(&space, &options, 64 << 20)
        );
    }

    #[test]
    fn blocks_come_once_and_from_everywhere() {
        for blocks in [1, 2, 3, 8, 64, 1_000, 4_181] {
            let mut all: Vec<u32> = spread(blocks).collect();
            if blocks >= 64 {
                // The first sixteenth leaves no gap of an eighth.
                let mut first = all[..blocks as usize / 16].to_vec();
                first.sort_unstable();
                assert!(
                    blocks < 1_000 || first.windows(2).all(|pair| pair[1] - pair[0] < blocks / 8),
                    "{blocks}"
                );
            }
            all.sort_unstable();
            assert!(all.into_iter().eq(0..blocks), "{blocks}");
        }
    }
}
