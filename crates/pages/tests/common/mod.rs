//! An index in memory: what the extension does with a table, without PostgreSQL.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::cell::Cell;
use std::collections::BTreeMap;

use ann::Metric;
use ann::build::{BuildError, Control};
use ann::search::{Continuation, Effort, Measured, Stream};
use pages::error::PageError;
use pages::format::meta::{ListOptions, Meta, MetaParams, SegmentEntry};
use pages::maintain::{Cause, Horizon, Host, LoadError, Outcome, Slot, Sources, Step, Task};
use pages::mem_pager::{MemPager, MemSink};
use pages::pager::{BulkWriter, PageChange, Pager};
use pages::plain::{PendingRows, tid_of};
use pages::row::{Element, Row, SparseRow};
use pages::segment::build::{self, BuildOptions, Navigator};
use pages::segment::encode::{Loader, encode_pending};
use pages::segment::read::{SegmentState, rows_of};
use pages::segment::stream::{Inline, MemSort, Workers};
use pages::segment::{Probes, Union, UnionQuery};
use pages::space::{Placement, Query, SegmentQuery, Space};
use pages::tids::HeapTid;
use pages::{PAGE_SIZE, maintain, pending, tids};

pub const OPTIONS: BuildOptions =
    BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator: Navigator::Graph };

/// Repeatable random numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Roughly normal.
    pub fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.uniform()).sum::<f32>() - 3.0
    }
}

/// Points around random centers, with norms that differ.
pub fn clustered(count: usize, dim: usize, clusters: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random(seed);
    let centers: Vec<Vec<f32>> = (0..clusters).map(|_| (0..dim).map(|_| random.normal()).collect()).collect();
    (0..count)
        .map(|_| {
            let center = &centers[random.next() as usize % clusters];
            let scale = 0.5 + random.uniform();
            center.iter().map(|c| scale * (c + 0.6 * random.normal())).collect()
        })
        .collect()
}

/// The value of a row, owned.
#[derive(Clone, Debug)]
pub enum Value {
    Dense(Vec<f32>),
    Bits(Vec<u8>),
    Sparse(Vec<u32>, Vec<f32>),
}

impl Value {
    pub fn row(&self) -> Row<'_> {
        match self {
            Self::Dense(x) => Row::Dense(x),
            Self::Bits(bits) => Row::Bits(bits),
            Self::Sparse(indices, values) => Row::Sparse(SparseRow { indices, values }),
        }
    }

    /// The value of the SQL operator, in float8.
    pub fn distance(&self, metric: Metric, other: &Self) -> f64 {
        let (a, b): (Vec<f64>, Vec<f64>) = match (self, other) {
            (Self::Dense(a), Self::Dense(b)) => (wide(a), wide(b)),
            (Self::Bits(a), Self::Bits(b)) => (spread_bits(a), spread_bits(b)),
            (Self::Sparse(..), Self::Sparse(..)) => {
                let mut all: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
                self.pairs().for_each(|(index, x)| all.entry(index).or_default().0 = x);
                other.pairs().for_each(|(index, x)| all.entry(index).or_default().1 = x);
                all.into_values().unzip()
            }
            _ => panic!("values of two types"),
        };
        operator_f64(metric, &a, &b)
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, f64)> {
        let (indices, values) = match self {
            Self::Sparse(indices, values) => (indices.as_slice(), values.as_slice()),
            _ => (&[][..], &[][..]),
        };
        indices.iter().copied().zip(values.iter().map(|&x| f64::from(x)))
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn spread_bits(bits: &[u8]) -> Vec<f64> {
    (0..8 * bits.len()).map(|at| f64::from(bits[at / 8] >> (at % 8) & 1)).collect()
}

/// Bit strings around random centers; the share of bits that are set differs between centers.
pub fn bits(count: usize, dim: usize, clusters: usize, seed: u64) -> Vec<Value> {
    let mut random = Random(seed);
    let centers: Vec<Vec<bool>> = (0..clusters)
        .map(|at| (0..dim).map(|_| random.uniform() < 0.1 + 0.5 * at as f32 / clusters as f32).collect())
        .collect();
    let mut row = || {
        let center = &centers[random.next() as usize % clusters];
        let mut bytes = vec![0; dim.div_ceil(8)];
        for (at, &bit) in center.iter().enumerate() {
            let is_set = bit != (random.uniform() < 0.08);
            bytes[at / 8] |= u8::from(is_set) << (at % 8);
        }
        Value::Bits(bytes)
    };
    (0..count).map(|_| row()).collect()
}

/// Sparse vectors that share most of their dimensions with others of their topic, as learned term weights do.
pub fn sparse(count: usize, dim: usize, topics: usize, seed: u64) -> Vec<Value> {
    let mut random = Random(seed);
    let terms = 40.min(dim);
    let topic_terms: Vec<Vec<u32>> =
        (0..topics).map(|_| (0..terms).map(|_| (random.next() % dim as u64) as u32).collect()).collect();
    let mut row = || {
        let mut pairs = std::collections::BTreeMap::new();
        let topic = &topic_terms[random.next() as usize % topics];
        for _ in 0..20 {
            pairs.insert(topic[random.next() as usize % terms], 0.2 + 2.0 * random.uniform());
        }
        for _ in 0..20 {
            pairs.insert((random.next() % dim as u64) as u32, 0.1 + random.uniform());
        }
        let (indices, values) = pairs.into_iter().unzip();
        Value::Sparse(indices, values)
    };
    (0..count).map(|_| row()).collect()
}

/// Rows of any element, around `groups` centers.
pub fn values_of(element: Element, count: usize, dim: usize, groups: usize, seed: u64) -> Vec<Value> {
    match element {
        Element::Bit => bits(count, dim, groups, seed),
        Element::Sparse => sparse(count, dim, groups, seed),
        Element::Float4 | Element::Float2 => {
            clustered(count, dim, groups, seed).into_iter().map(Value::Dense).collect()
        }
    }
}

pub fn tid_of_row(row: usize) -> HeapTid {
    HeapTid { block: (row / 100) as u32, offset: (row % 100 + 1) as u16 }
}

pub fn row_of_tid(tid: HeapTid) -> usize {
    tid.block as usize * 100 + tid.offset as usize - 1
}

/// The value of the SQL operator, in float8.
pub fn operator(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    operator_f64(metric, &wide(a), &wide(b))
}

/// The same for numbers in float8; bits are 0 and 1.
pub fn operator_f64(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (a, b));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
        Metric::InnerProduct => -dot,
        Metric::L1 | Metric::Hamming => pairs().map(|(a, b)| (a - b).abs()).sum(),
        Metric::Cosine => {
            let norms = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a * a, y + b * b));
            1.0 - dot / (norms.0 * norms.1).sqrt()
        }
        Metric::Jaccard if dot == 0.0 => 1.0,
        Metric::Jaccard => 1.0 - dot / pairs().map(|(a, b)| a.max(b)).sum::<f64>(),
    }
}

pub struct Index {
    pub pager: MemPager,
    pub space: Space,
}

impl Index {
    /// An index of dense rows; see [`Index::build_values`].
    pub fn build(metric: Metric, dim: usize, segments: &[&[Vec<f32>]]) -> Self {
        let owned: Vec<Vec<Value>> =
            segments.iter().map(|rows| rows.iter().cloned().map(Value::Dense).collect()).collect();
        let slices: Vec<&[Value]> = owned.iter().map(Vec::as_slice).collect();
        Self::build_values(Element::Float4, metric, dim, &slices)
    }

    /// An index with one segment per slice of rows. Rows are numbered through all of them.
    pub fn build_values(element: Element, metric: Metric, dim: usize, segments: &[&[Value]]) -> Self {
        let graphs: Vec<(&[Value], Navigator)> =
            segments.iter().map(|&rows| (rows, Navigator::Graph)).collect();
        Self::build_segments(element, metric, dim, &graphs)
    }

    /// The same with segments of any kind.
    pub fn build_segments(
        element: Element,
        metric: Metric,
        dim: usize,
        segments: &[(&[Value], Navigator)],
    ) -> Self {
        let space = Space::new(element, metric, dim as u32, 7);
        let pager = MemPager::new();
        let mut meta = Meta::new(&MetaParams {
            dim: dim as u32,
            padded_dim: space.padded_dim() as u32,
            metric: metric as u8,
            element: element as u8,
            encoding: build::node_plan(&space, OPTIONS.m).own().number(),
            m: 16,
            ef_construction: 64,
            lists: None,
            index_id: 1,
            rotation_seed: 7,
            written_by: 1,
        });
        let mut page = [0; PAGE_SIZE];
        meta.store_new(&mut page);
        (&pager).append(&page).expect("room");
        let mut first = 0;
        for &(rows, navigator) in segments {
            let mut loader = Loader::new(&space);
            for (at, x) in rows.iter().enumerate() {
                loader.push(&space, x.row(), tid_of_row(first + at)).expect("memory");
            }
            first += rows.len();
            let options = BuildOptions { navigator, ..OPTIONS };
            let prepared = build::prepare_all(loader, &space, &options, MemSort::default(), &Inline);
            let prepared = prepared.expect("not cancelled").expect("rows");
            let (segment, pages) = (meta.draw_number().expect("numbers"), prepared.pages_needed());
            let written = prepared.write(&pager, &mut &pager, &space, segment).expect("room");
            let (entry, reach) = (written.entry, written.reach);
            assert!(!reach.is_some_and(|reach| reach.is_below(0.95)), "nothing to warn of: {reach:?}");
            assert_eq!(entry.pages, pages, "a segment takes the pages that it claimed");
            meta.segments[meta.segment_count as usize] = entry;
            meta.segment_count += 1;
        }
        meta.blocks = pager.block_count();
        let mut change = pager.change();
        meta.store(change.page(0).expect("meta"));
        change.commit();
        Self { pager, space }
    }

    /// The same index, whose merges make segments with lists if there are options.
    pub fn with_lists(self, lists: Option<ListOptions>) -> Self {
        if let Some(options) = lists {
            let mut meta = self.meta();
            (meta.method, meta.lists) = (2, options.lists);
            meta.list_encoding = u32::from(options.own.number());
            let mut change = self.pager.change();
            meta.store(change.page(0).expect("meta"));
            change.commit();
        }
        self
    }

    pub fn meta(&self) -> Meta {
        Meta::load(&self.pager.read(0).expect("meta")).expect("sound")
    }

    pub fn insert(&self, stripe: usize, row: usize, x: &[f32]) -> Result<(), PageError> {
        self.insert_value(stripe, row, &Value::Dense(x.to_vec()))
    }

    pub fn insert_value(&self, stripe: usize, row: usize, x: &Value) -> Result<(), PageError> {
        let meta = self.meta();
        let code = meta.own_code().expect("known");
        let (entry, own) = encode_pending(&self.space, code, x.row(), tid_of_row(row));
        pending::append(&self.pager, &meta, (stripe, &|| row as u64 + 1), &entry, &own).map(drop)
    }

    pub fn delete(&self, mut is_dead: impl FnMut(usize) -> bool) -> Result<(u64, u64), PageError> {
        let mut dead = |tid| is_dead(row_of_tid(tid));
        let mut pass = maintain::BulkDelete::default();
        while pass.step(&self.pager, &mut dead)? {}
        let marked = pass.marked();
        Ok((marked.removed, marked.alive))
    }

    /// Live rows of the first `limit` elements of all segments and of all pending rows, as (bound, row).
    pub fn search(
        &self,
        query: &[f32],
        effort: Effort,
        limit: usize,
    ) -> Result<Vec<(f64, usize)>, PageError> {
        let found = self.search_bounds(query, effort, limit)?;
        Ok(found.into_iter().map(|(lower, _, row)| (lower, row)).collect())
    }

    /// The same as (lower bound, upper bound, row).
    pub fn search_bounds(
        &self,
        query: &[f32],
        effort: Effort,
        limit: usize,
    ) -> Result<Vec<(f64, f64, usize)>, PageError> {
        self.search_value(&Value::Dense(query.to_vec()), effort, limit)
    }

    /// The same for any value.
    pub fn search_value(
        &self,
        query: &Value,
        effort: Effort,
        limit: usize,
    ) -> Result<Vec<(f64, f64, usize)>, PageError> {
        let query = Query::new(&self.space, query.row()).expect("ranked");
        self.search_query(&query, effort, limit)
    }

    /// All rows with their bounds, unless the query has no place itself.
    pub fn try_search(&self, query: &[f32]) -> Result<Vec<(f64, f64, usize)>, Placement> {
        let query = Query::new(&self.space, Row::Dense(query))?;
        let effort = Effort::Adaptive { gamma: 1.1, expansions_min: 0 };
        Ok(self.search_query(&query, effort, usize::MAX).expect("sound"))
    }

    /// The segments of the manifest.
    pub fn segments(&self) -> Result<Vec<SegmentState>, PageError> {
        let load =
            |entry: &SegmentEntry| SegmentState::load(&self.pager, &self.space, entry.segment, entry.header);
        self.meta().segments().iter().map(load).collect()
    }

    fn search_query(
        &self,
        query: &Query,
        effort: Effort,
        limit: usize,
    ) -> Result<Vec<(f64, f64, usize)>, PageError> {
        let meta = self.meta();
        let mut found = Vec::new();
        let segments = self.segments()?;
        for prepared in UnionQuery::prepare(&self.space, &segments, query, Probes::Recall(0.95)) {
            let mut graph = Union::new(&self.pager, &self.space, &segments, &prepared);
            let mut stream = Stream::new(effort, Continuation::default());
            for _ in 0..limit {
                let Some(element) = stream.next(&mut graph)? else { break };
                self.add_rows(&segments[prepared.segment_of(&element)], &element, &mut found)?;
            }
        }
        let code = meta.own_code().expect("known");
        let origin = vec![0.0; self.space.width()];
        let prepared = SegmentQuery::new(&self.space, query, code, &origin, 1.0);
        let mut rows = PendingRows::new(&self.pager, &meta, Some(&prepared), 0);
        let mut stream = Stream::new(effort, Continuation::default());
        while let Some(element) = stream.next(&mut rows)? {
            found.push((element.lower, element.upper, row_of_tid(tid_of(&element).tid())));
        }
        Ok(found)
    }

    pub fn add_rows(
        &self,
        state: &SegmentState,
        element: &Measured,
        found: &mut Vec<(f64, f64, usize)>,
    ) -> Result<(), PageError> {
        let mut rows = rows_of(element);
        let mut entries = Vec::new();
        while !rows.is_empty() {
            rows.start = tids::read(&self.pager, state.segment, &state.header, rows.clone(), &mut entries)?;
        }
        let live = entries.iter().filter(|entry| !entry.is_dead());
        found.extend(live.map(|entry| (element.lower, element.upper, row_of_tid(entry.tid()))));
        Ok(())
    }
}

/// What ends a job in these tests.
#[derive(Debug)]
pub enum JobError {
    Page(PageError),
    Load(LoadError),
}

impl From<PageError> for JobError {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<LoadError> for JobError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

/// Transaction ids that a test moves by hand.
#[derive(Default)]
pub struct Clock {
    pub next: Cell<u64>,
    /// Older snapshots are gone.
    pub horizon: Cell<u64>,
}

impl Horizon for Clock {
    fn stamp(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    fn is_past(&self, stamp: u64) -> bool {
        stamp < self.horizon.get()
    }
}

/// Does jobs on an index in memory, and lets a test in between the steps.
pub struct Maintainer<'a> {
    pub index: &'a Index,
    pub clock: &'a Clock,
    pub at_step: &'a dyn Fn(Step),
    /// Bytes that a job may take: so few that lists are made of several batches.
    pub memory: u64,
    options: BuildOptions,
}

impl Workers for Maintainer<'_> {
    type Error = JobError;

    fn run<R: Send>(
        &self,
        work: impl FnOnce(&Control) -> Result<R, BuildError> + Send,
    ) -> Result<R, JobError> {
        Ok(Inline.run(work).expect("not cancelled"))
    }
}

impl Host for Maintainer<'_> {
    type Pager = MemPager;
    type Sink = MemSink;
    type Sort = MemSort;

    fn pager(&self) -> &MemPager {
        &self.index.pager
    }

    fn sink(&self) -> MemSink {
        self.index.pager.sink()
    }

    fn horizon(&self) -> &dyn Horizon {
        self.clock
    }

    fn now(&self) -> u64 {
        self.clock.next.get()
    }

    fn with_space_lock<R>(&self, work: &mut dyn FnMut() -> Result<R, PageError>) -> Result<R, PageError> {
        work()
    }

    fn sort(&self) -> MemSort {
        MemSort::default()
    }

    fn options(&self) -> &BuildOptions {
        &self.options
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn pause(&self, at: Step) {
        (self.at_step)(at);
    }
}

impl<'a> Maintainer<'a> {
    pub fn new(index: &'a Index, clock: &'a Clock, at_step: &'a dyn Fn(Step)) -> Self {
        Self { index, clock, at_step, memory: 0, options: OPTIONS }
    }

    /// Seals all chains and makes them a segment.
    pub fn flush(&self) -> Result<Outcome, JobError> {
        pending::seal(&self.index.pager)?;
        (self.at_step)(Step::Sealed);
        let sources = Sources { chains: self.index.meta().sealed().to_vec(), segments: Vec::new() };
        self.run(Slot::Flush, &sources, Navigator::Flat)
    }

    /// Makes one segment of all.
    pub fn merge(&self) -> Result<Outcome, JobError> {
        let sources = Sources { chains: Vec::new(), segments: self.index.meta().segments().to_vec() };
        self.run(Slot::Merge, &sources, Navigator::of(&self.index.meta()))
    }

    fn run(&self, slot: Slot, sources: &Sources, navigator: Navigator) -> Result<Outcome, JobError> {
        let meta = self.index.meta();
        let largest = meta.segments().iter().max_by_key(|entry| entry.rows);
        let centroid = largest.map(|entry| {
            SegmentState::load(&self.index.pager, &self.index.space, entry.segment, entry.header)
                .expect("sound")
                .centroid
        });
        let cause = Cause::Request;
        let task = Task { space: &self.index.space, slot, sources, cause, centroid: centroid.as_deref() };
        let options = BuildOptions { navigator, ..self.options };
        maintain::run(&Self { options, ..*self }, &task)
    }
}
