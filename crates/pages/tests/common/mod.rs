//! An index in memory: what the extension does with a table, without PostgreSQL.
#![allow(dead_code, reason = "each test binary uses its own part")]

use ann::Metric;
use ann::build::Control;
use ann::search::{Continuation, Effort, Measured, Stream};
use pages::error::PageError;
use pages::format::meta::{Meta, MetaParams};
use pages::format::pending::PendingEntry;
use pages::mem_pager::MemPager;
use pages::pager::{BulkWriter, PageChange, Pager};
use pages::plain::{PendingRows, tid_of};
use pages::plan::{encoding_number, encoding_of};
use pages::segment::build::{self, BuildOptions};
use pages::segment::encode::{Loader, encode_own};
use pages::segment::read::{SegmentReader, SegmentState, rows_of};
use pages::space::{Placement, Query, SegmentQuery, Space};
use pages::tids::HeapTid;
use pages::{NO_BLOCK, PAGE_SIZE, pending, tids};

pub const OPTIONS: BuildOptions = BuildOptions { m: 16, ef_construction: 64, seed: 1 };

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

pub fn tid_of_row(row: usize) -> HeapTid {
    HeapTid { block: (row / 100) as u32, offset: (row % 100 + 1) as u16 }
}

pub fn row_of_tid(tid: HeapTid) -> usize {
    tid.block as usize * 100 + tid.offset as usize - 1
}

/// The value of the SQL operator, in float8.
pub fn operator(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
        Metric::InnerProduct => -dot,
        Metric::L1 => pairs().map(|(a, b)| (a - b).abs()).sum(),
        Metric::Cosine => {
            let norms = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a * a, y + b * b));
            1.0 - dot / (norms.0 * norms.1).sqrt()
        }
    }
}

pub struct Index {
    pub pager: MemPager,
    pub space: Space,
}

impl Index {
    /// An index with one segment per slice of rows. Rows are numbered through all of them.
    pub fn build(metric: Metric, dim: usize, segments: &[&[Vec<f32>]]) -> Self {
        let space = Space::new(metric, dim, 7);
        let pager = MemPager::new();
        let mut meta = Meta::new(&MetaParams {
            dim: dim as u32,
            padded_dim: space.padded_dim() as u32,
            metric: metric as u8,
            encoding: encoding_number(build::node_plan(&space, OPTIONS.m).encoding()),
            m: 16,
            ef_construction: 64,
            index_id: 1,
            rotation_seed: 7,
            written_by: 1,
        });
        let mut page = [0; PAGE_SIZE];
        meta.store_new(&mut page);
        (&pager).append(&page).expect("room");
        let mut first = 0;
        for rows in segments {
            let mut loader = Loader::new(dim);
            rows.iter().enumerate().for_each(|(at, x)| loader.push(&space, x, tid_of_row(first + at)));
            first += rows.len();
            let prepared =
                build::prepare(loader, &space, &OPTIONS, &Control::default()).expect("not cancelled");
            let segment = meta.next_segment;
            let entry = build::write(&pager, &mut &pager, &space, segment, prepared).expect("room");
            let state = SegmentState::load(&pager, &space, segment, entry.header).expect("sound");
            if meta.centroid == NO_BLOCK {
                meta.centroid = state.header.block_of(0);
                meta.centroid_segment = segment;
            }
            meta.segments[meta.segment_count as usize] = entry;
            meta.segment_count += 1;
            meta.next_segment += 1;
        }
        let mut change = pager.change();
        meta.store(change.page(0).expect("meta"));
        change.commit();
        Self { pager, space }
    }

    pub fn meta(&self) -> Meta {
        Meta::load(&self.pager.read(0).expect("meta")).expect("sound")
    }

    pub fn pending_centroid(&self) -> Vec<f32> {
        let meta = self.meta();
        let Some(entry) = meta.segments().first() else { return vec![0.0; self.space.dim()] };
        SegmentState::load(&self.pager, &self.space, entry.segment, entry.header).expect("sound").centroid
    }

    pub fn insert(&self, stripe: usize, row: usize, x: &[f32]) -> Result<(), PageError> {
        let meta = self.meta();
        let encoding = encoding_of(meta.encoding).expect("known");
        let mut own = vec![0; quant::self_code::code_bytes(encoding, self.space.padded_dim())];
        let mut placed = vec![0.0; x.len()];
        assert_eq!(self.space.place(x, &mut placed), Placement::Ranked);
        let mut residual = vec![0.0; self.space.padded_dim()];
        self.space.residual(&placed, &self.pending_centroid(), &mut residual);
        let (scale, error) = encode_own(&self.space, encoding, &residual, &mut own);
        let tid = tid_of_row(row);
        let entry = PendingEntry { block: tid.block, offset: tid.offset, flags: 0, scale, error };
        pending::append(&self.pager, &meta, stripe, &entry, &own)
    }

    pub fn delete(&self, mut is_dead: impl FnMut(usize) -> bool) -> Result<(u64, u64), PageError> {
        let meta = self.meta();
        let encoding = encoding_of(meta.encoding).expect("known");
        let own_bytes = quant::self_code::code_bytes(encoding, self.space.padded_dim());
        let mut dead = |tid| is_dead(row_of_tid(tid));
        let mut totals = pending::mark_dead(&self.pager, &meta, own_bytes, &mut dead)?;
        for entry in meta.segments() {
            let state = SegmentState::load(&self.pager, &self.space, entry.segment, entry.header)?;
            let counts = tids::mark_dead(&self.pager, entry.segment, &state.header, &mut dead)?;
            totals = (totals.0 + counts.0, totals.1 + counts.1);
        }
        Ok(totals)
    }

    /// Live rows of the first `limit` elements of each segment and of all pending rows, as (bound, row).
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
        let meta = self.meta();
        let query = Query::new(&self.space, query).expect("ranked");
        let mut found = Vec::new();
        for entry in meta.segments() {
            let state = SegmentState::load(&self.pager, &self.space, entry.segment, entry.header)?;
            let prepared = SegmentReader::<MemPager>::prepare(&self.space, &state, &query);
            let mut graph = SegmentReader::new(&self.pager, &state, &prepared);
            let mut stream = Stream::new(effort, Continuation::default());
            for _ in 0..limit {
                let Some(element) = stream.next(&mut graph)? else { break };
                self.add_rows(&state, &element, &mut found)?;
            }
        }
        let prepared = SegmentQuery::new(&self.space, &query, &self.pending_centroid(), 1.0);
        let mut rows = PendingRows::new(&self.pager, &meta, Some(&prepared), 0)?;
        let mut stream = Stream::new(effort, Continuation::default());
        while let Some(element) = stream.next(&mut rows)? {
            found.push((element.lower, element.upper, row_of_tid(tid_of(&element).tid())));
        }
        Ok(found)
    }

    fn add_rows(
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
