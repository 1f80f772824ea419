//! What is known before rows pass by: the frame of their codes, the lists, and the queries of the calibration.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use ann::build::{BuildError, Control, Rows};
use ann::lists::Assigner;
use ann::recall::{self, NO_ROW, Queries};

use super::Frame;
use super::sample::Sample;
use crate::format::segment::TidEntry;
use crate::segment::build::build_space;
use crate::segment::calibrate::{sample_of_lists, sample_queries, truth_candidates, truth_of};
use crate::segment::encode::{EncodedNodes, Loader, Purpose, code_hash, encode_lists, train_lists};
use crate::space::Space;

/// How many times the candidates of a sample all rows need, where the sample needs many; and the most: they are kept
/// with their codes.
const MORE_CANDIDATES: usize = 4;
const CANDIDATES_MAX: usize = 640;
const CANDIDATE_BYTES_MAX: usize = 32 << 20;

impl Sample {
    /// Trains so many lists. Returns the rows, too, if they are kept.
    pub fn train(
        self,
        space: &Space,
        wanted: usize,
        (seed, is_kept): (u64, bool),
        control: &Control,
    ) -> Result<(Trained, Option<EncodedRows>), BuildError> {
        let Self { frame, mut first, rest, tids, codes } = self;
        let dim = frame.byte_dim;
        let rows = Rows { codes: &codes, dim, count: codes.len() / dim };
        let centroids = train_lists(&rows, wanted, seed, control)?;
        let assigner = Assigner::new(&centroids);
        let lists = encode_lists(space, &frame, &centroids);
        let chosen = sample_of_lists(&first);
        let candidates = candidates(space, (&first, &rows), &chosen, control)?;
        let mut all_rows = is_kept.then(|| first.clone());
        if let Some(all_rows) = &mut all_rows {
            all_rows.append(rest);
        }
        first.keep(&chosen);
        first.bytes = Queries::of_rows(&rows, &chosen).codes;
        let chosen_rows = Rows { codes: &first.bytes, dim, count: chosen.len() };
        let nearest = assigner.assign_all(&chosen_rows, control)?;
        let all: Vec<u32> = (0..chosen.len() as u32).collect();
        let query_of = |(at, &row): (u32, &u32)| (place(&tids[row as usize]), at);
        let trained = Trained {
            space: space.clone(),
            queries: sample_queries(space, &first, &all),
            limits: chosen.iter().map(|_| AtomicU32::new(u32::MAX)).collect(),
            query_of: (0..).zip(&chosen).map(query_of).collect(),
            query_lists: nearest.iter().map(|nearest| nearest.list).collect(),
            query_nodes: first,
            candidates,
            frame,
            assigner,
            lists,
        };
        Ok((trained, all_rows.map(|nodes| (EncodedNodes { bytes: codes, ..nodes }, tids))))
    }
}

/// Candidates that hold the nearest of all rows: more than the first batch needs if it needs many, because there are
/// more rows to be taken for nearest.
fn candidates(
    space: &Space,
    (first, rows): (&EncodedNodes, &Rows<'_>),
    chosen: &[u32],
    control: &Control,
) -> Result<usize, BuildError> {
    let rows = Rows { codes: &rows.codes[..first.count() * rows.dim], count: first.count(), ..*rows };
    let queries = Queries::of_rows(&rows, chosen);
    let truth = truth_of(space, (first, &rows), build_space(space), (chosen, &queries), control)?;
    let needed = truth.iter().map(|truth| truth.candidates.len()).max().unwrap_or(0);
    let usual = truth_candidates(space);
    let distinct = truth.iter().map(|truth| count_distinct(first, &truth.candidates)).sum::<usize>();
    // Equal rows are one candidate.
    let are_few = distinct < usual / 2 * truth.len() && first.count() > usual;
    let bytes = chosen.len() * (first.plan.own_bytes() + first.plan.code_bytes() + 128);
    let most = (CANDIDATE_BYTES_MAX / bytes.max(1)).clamp(usual, CANDIDATES_MAX.max(usual));
    Ok(if needed > usual || are_few { (needed * MORE_CANDIDATES).min(most) } else { usual })
}

fn count_distinct(nodes: &EncodedNodes, rows: &[u32]) -> usize {
    let hash = |&row: &u32| code_hash(nodes.own_of(row as usize), nodes.scales[row as usize]);
    rows.iter().map(hash).collect::<std::collections::HashSet<_>>().len()
}

/// Where a row is in the heap.
fn place(tid: &TidEntry) -> (u32, u16) {
    (tid.block, tid.offset)
}

/// All that encoding a batch needs.
pub(super) struct Trained {
    space: Space,
    pub frame: Frame,
    assigner: Assigner,
    /// A node for each list, without rows.
    pub lists: EncodedNodes,
    /// The rows of the sample that the calibration searches for.
    pub query_nodes: EncodedNodes,
    /// Their lists.
    pub query_lists: Vec<u32>,
    /// Candidates for each of them.
    pub candidates: usize,
    queries: Queries,
    /// By query: what is farther cannot be among its candidates any more, as far as is known yet.
    limits: Vec<AtomicU32>,
    query_of: HashMap<(u32, u16), u32>,
}

/// Rows with their codes, and where they are in the heap.
pub(super) type EncodedRows = (EncodedNodes, Vec<TidEntry>);

/// Rows with their codes and lists.
pub(super) struct Batch {
    /// Each row is a node.
    pub nodes: EncodedNodes,
    pub tids: Vec<TidEntry>,
    pub lists: Vec<u32>,
    /// Of each row's stored form.
    pub hashes: Vec<u64>,
    /// By query: distances and numbers of the nearest rows.
    pub nearest: Vec<Vec<(u32, u32)>>,
}

impl Trained {
    /// Rows that are farther from a query than this need not be found.
    pub fn limit(&self, query: usize, distance: u32) {
        self.limits[query].store(distance, Ordering::Relaxed);
    }

    /// Places rows that are not yet.
    pub fn place(&self, loader: &mut Loader) {
        loader.place(&self.space, Purpose::Codes);
    }

    /// Encodes rows.
    pub fn encode(&self, loader: Loader, control: &Control) -> Result<EncodedRows, BuildError> {
        loader.encode_rows(&self.space, &self.frame, control)
    }

    /// Gives rows to lists.
    pub fn assign(&self, (nodes, tids): EncodedRows, control: &Control) -> Result<Batch, BuildError> {
        let space = &self.space;
        let rows = Rows { codes: &nodes.bytes, dim: nodes.byte_dim, count: nodes.count() };
        let nearest = self.assigner.assign_all(&rows, control)?;
        let mut queries = Queries {
            codes: self.queries.codes.clone(),
            rows: vec![NO_ROW; self.query_of.len()],
            limits: self.limits.iter().map(|limit| limit.load(Ordering::Relaxed)).collect(),
        };
        for (row, tid) in (0..).zip(&tids) {
            if let Some(&query) = self.query_of.get(&place(tid)) {
                queries.rows[query as usize] = row;
            }
        }
        let near = recall::exact_neighbors(&rows, build_space(space), &queries, self.candidates, control)?;
        let hash = |row| code_hash(nodes.own_of(row), nodes.scales[row]);
        Ok(Batch {
            lists: nearest.iter().map(|nearest| nearest.list).collect(),
            hashes: (0..nodes.count()).map(hash).collect(),
            nearest: near,
            nodes,
            tids,
        })
    }
}
