//! How far a segment must be searched for a recall: measured on its own rows.
//!
//! A sample of rows is searched for with rising stopping factors, each row left out of its own answer, and the
//! answers are compared with exact ones. A row's own node has most of the answer as its neighbors, and a query has no
//! such node. Where nodes hold estimates, their noise makes the two alike but for a margin: with twice the misses of
//! the rows, queries of two real data sets reach the target. Where a hop learns exact distances, one look at the own
//! node would do, so searches go through the graph without it, and a small margin is enough: recall of 1-bit codes of
//! real queries was 0.90 at a target of 0.95 with the own node in the graph, and 0.98 without it.
//!
//! A flat segment's searches meet every estimate, so what they miss follows from the estimates of the rows in the
//! answer: nothing is searched, and the curve is known before the pages are written.
//!
//! Where rows lie in groups so tight that codes hardly tell the rows of one apart, two things are wider: more
//! candidates are ranked exactly, because the builder's distances do not tell which are nearest, and the factors go on,
//! because estimates do not either.

mod measure;

use ann::Metric;
use ann::build::{BuildError, Control, Rows, Space as BuildSpace};
use ann::recall::{self, Queries};
use kernels::Encoding;

use super::build::Navigator;
use super::encode::{EncodedNodes, byte_dim_min};
use super::sampled::Sampled;
use crate::format::router::{RouterView, write_code};
use crate::format::segment::{CURVE_POINTS, CurvePoint, SegmentHeader};
use crate::plan::{OwnCode, RouterPlan};
use crate::row::{Element, Row, SparseRow, StoredSparse};
use crate::space::{Query, SegmentQuery, Space};
pub use measure::measure;

/// Rows that are searched for; fewer when sparse vectors are longer than [`SAMPLE_BYTES`] on average, because the
/// time of a search grows with them.
const SAMPLE_ROWS: usize = 500;
const SAMPLE_ROWS_MIN: usize = 8;
const SAMPLE_BYTES: usize = 2000;
/// The same for lists, whose candidates are all kept until the end.
const SAMPLE_ROWS_LISTED: usize = 250;
/// The same for passing graphs and for flat segments, each of which is a small part of its index.
const SAMPLE_ROWS_PASSING: usize = 125;
const SAMPLE_ROWS_FLAT: usize = 50;
/// Candidates per sample row that are ranked exactly: int8 distances alone confuse the last places.
const TRUTH_CANDIDATES: usize = 40;
/// The same where the builder's distances are not those of the metric.
const TRUTH_CANDIDATES_ROUGH: usize = 160;
/// Results that recall is measured on.
const RESULTS: usize = 10;
/// The same at most, where 40 do not hold the nearest.
const TRUTH_CANDIDATES_MAX: usize = 2560;
/// Share of the nearest rows that may be in the second half of the candidates, one in so many, before there are more:
/// those in the half behind it are missing.
const LATE_SHARE: usize = 50;
/// Factors that are tried, ascending; the search ends when nearly everything is found.
const GAMMAS: [f32; CURVE_POINTS] =
    [1.0, 1.005, 1.01, 1.02, 1.03, 1.05, 1.07, 1.1, 1.14, 1.2, 1.27, 1.35, 1.5, 1.75, 2.2, 3.0];
/// How many of them a sample is walked for at once: a walk goes as far as its last factor, needed or not.
const WALKS: [usize; 9] = [6, 3, 1, 1, 1, 1, 1, 1, 1];
/// Factors that are tried where these find less than a recall; that recall; and hops of a search, on average, that are
/// too many to go on.
const GAMMAS_WIDE: [f32; 12] = [5.0, 9.0, 18.0, 40.0, 100.0, 300.0, 1000.0, 4000.0, 2e4, 1e5, 1e6, GAMMA_MAX];
const GAMMA_MAX: f32 = 1e9;
const ENOUGH_AT_LAST: f32 = 0.98;
const HOPS_MAX: u64 = 1000;
/// What a curve gains from one factor to the next while a larger one is worth while.
const RISING: f32 = 0.005;
/// Share of the allowed misses that is aimed at, where hops estimate and where they are exact.
const MISSES_ESTIMATED: f32 = 0.3;
const MISSES_EXACT: f32 = 0.7;
/// Share of the allowed misses that may lie in lists that are not read.
const MISSES_LISTED: f32 = 0.2;
/// Deviations that a recall has to be below a target to be called so: one in some hundred is by chance; and independent
/// answers that the rows of one search count as.
const REACH_DEVIATIONS: f32 = 3.0;
const REACH_ANSWERS: f32 = 4.0;
/// Recall at which the curve ends; and the same when the last factors have not changed it: what is missing then is
/// out of reach, and looking for it with ever larger factors takes longer than all the rest of a build.
const ENOUGH: f32 = 0.9995;
const ENOUGH_IF_FLAT: f32 = 0.99;

/// How many rows are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// As many as a segment deserves that will last.
    Whole,
    /// Fewer.
    Passing,
}

impl Sampling {
    /// What segments with such a navigator deserve.
    pub fn of(navigator: Navigator) -> Self {
        if navigator == Navigator::Passing { Self::Passing } else { Self::Whole }
    }
}

/// The nodes to search for.
fn sample(nodes: &EncodedNodes, sampling: Sampling) -> Vec<u32> {
    let vector_bytes =
        if nodes.plan.own() == OwnCode::Elsewhere { nodes.own.len() / nodes.count().max(1) } else { 0 };
    let rows = match sampling {
        _ if nodes.plan.is_flat() => SAMPLE_ROWS_FLAT,
        Sampling::Passing => SAMPLE_ROWS_PASSING,
        Sampling::Whole => SAMPLE_ROWS,
    };
    let affordable = rows * SAMPLE_BYTES / vector_bytes.max(SAMPLE_BYTES);
    every(nodes, affordable.max(SAMPLE_ROWS_MIN))
}

/// The nodes of a sample to search for in lists.
pub fn sample_of_lists(nodes: &EncodedNodes) -> Vec<u32> {
    every(nodes, SAMPLE_ROWS_LISTED)
}

/// At most `rows` of the nodes.
fn every(nodes: &EncodedNodes, rows: usize) -> Vec<u32> {
    let sampled = Sampled::new(nodes.count().div_ceil(rows), 0);
    sampled.of(nodes.count()).map(|node| node as u32).collect()
}

/// Candidates that a [`Truth`] should have.
pub fn truth_candidates(space: &Space) -> usize {
    let is_folded = byte_dim_min(space) < space.padded_dim();
    let is_rough = space.element() == Element::Sparse || space.metric() == Metric::Jaccard || is_folded;
    if is_rough { TRUTH_CANDIDATES_ROUGH } else { TRUTH_CANDIDATES }
}

/// A sample row and the nodes that may be nearest to it, by input number.
pub struct Truth {
    /// The row's node.
    pub node: u32,
    /// At least [`RESULTS`] candidates when the segment has them.
    pub candidates: Vec<u32>,
}

/// Finds what is nearest to a sample of the nodes, with the builder's distances.
///
/// # Errors
/// If cancelled.
pub fn truth(
    space: &Space,
    nodes: &EncodedNodes,
    build_space: BuildSpace,
    sampling: Sampling,
    control: &Control,
) -> Result<Vec<Truth>, BuildError> {
    let rows = Rows { codes: &nodes.bytes, dim: nodes.byte_dim, count: nodes.count() };
    let sample = sample(nodes, sampling);
    let queries = sample_queries(space, nodes, &sample);
    truth_of(space, (nodes, &rows), build_space, (&sample, &queries), control)
}

/// The same for nodes and their codes, and a sample and its codes; as many candidates as hold the nearest.
///
/// # Errors
/// If cancelled.
pub fn truth_of(
    space: &Space,
    (nodes, rows): (&EncodedNodes, &Rows<'_>),
    build_space: BuildSpace,
    (sample, queries): (&[u32], &Queries),
    control: &Control,
) -> Result<Vec<Truth>, BuildError> {
    let mut candidates = truth_candidates(space);
    loop {
        let neighbors = recall::exact_neighbors(rows, build_space, queries, candidates, control)?;
        let truth = |(&node, near): (&u32, Vec<(u32, u32)>)| Truth {
            node,
            candidates: near.into_iter().map(|(_, row)| row).collect(),
        };
        let truth: Vec<Truth> = sample.iter().zip(neighbors).map(truth).collect();
        if candidates >= TRUTH_CANDIDATES_MAX.min(rows.count) || hold_the_nearest(space, nodes, &truth) {
            return Ok(truth);
        }
        candidates *= 4;
    }
}

/// Whether the nearest rows, by own vectors, are so early among the candidates that few can be missing.
fn hold_the_nearest(space: &Space, nodes: &EncodedNodes, truth: &[Truth]) -> bool {
    if nodes.plan.own().is_rough() {
        // These tell less than the builder's distances.
        return true;
    }
    let (mut late, mut all) = (0, 0);
    for sample in truth.iter().filter(|sample| sample.candidates.len() > 2 * RESULTS) {
        let Some(query) = row_query(space, nodes, sample.node) else { continue };
        let query = SegmentQuery::new(space, &query, nodes.plan.own(), &nodes.centroid, nodes.norm_max);
        let early = &sample.candidates[..sample.candidates.len() / 2];
        let nearest = nearest(nodes, sample, &query);
        late += nearest[..RESULTS].iter().filter(|(_, node)| !early.contains(node)).count();
        all += RESULTS;
    }
    late * LATE_SHARE <= all
}

/// The recall curve of a segment whose searches meet every estimate.
pub fn estimated(space: &Space, nodes: &EncodedNodes, truth: &[Truth]) -> Vec<CurvePoint> {
    let mut ratios = Vec::with_capacity(truth.len() * RESULTS);
    for sample in truth.iter().filter(|sample| sample.candidates.len() >= RESULTS) {
        let Some(query) = row_query(space, nodes, sample.node) else { continue };
        let (own, norm_max) = (nodes.plan.own(), nodes.norm_max);
        let query = SegmentQuery::new(space, &query, own, &nodes.centroid, norm_max);
        let nearest = nearest(nodes, sample, &query);
        let answer: Vec<u32> = nearest[..RESULTS].iter().map(|&(_, node)| node).collect();
        let bound = nearest[RESULTS - 1].0;
        let ratio = |estimate: f32| if estimate <= bound { 1.0 } else { estimate / bound };
        ratios.extend(estimates(nodes, &query, &answer).into_iter().map(ratio));
    }
    let mut curve = Vec::with_capacity(CURVE_POINTS);
    if ratios.is_empty() {
        return curve;
    }
    for gamma in GAMMAS.into_iter().chain(GAMMAS_WIDE) {
        let recall = ratios.iter().filter(|&&ratio| ratio <= gamma).count() as f32 / ratios.len() as f32;
        curve.push(CurvePoint { recall, gamma });
        if is_enough(&curve) {
            break;
        }
    }
    curve
}

/// The lists' curve: how many of the nearest lists hold the nearest nodes. `list_of`: by input number.
pub fn listed(space: &Space, nodes: &EncodedNodes, truth: &[Truth], list_of: &[u32]) -> Vec<CurvePoint> {
    let Some(lists) = &nodes.lists else { return Vec::new() };
    let mut ranks = Vec::with_capacity(truth.len() * RESULTS);
    for sample in truth.iter().filter(|sample| sample.candidates.len() >= RESULTS) {
        let Some(query) = row_query(space, nodes, sample.node) else { continue };
        let prepare = |own| SegmentQuery::new(space, &query, own, &nodes.centroid, nodes.norm_max);
        let (to_nodes, to_lists) = (prepare(nodes.plan.own()), prepare(lists.plan.own()));
        let key = |list| to_lists.measure(lists.own_of(list), lists.scales[list], lists.errors[list]).key;
        let mut keys: Vec<f32> = (0..lists.count()).map(key).collect();
        let own = list_of[sample.node as usize] as usize;
        keys[own] *= without_own_row(space, lists.row_offsets[own + 1] - lists.row_offsets[own]);
        let rank = |node: u32| Rank::of(&keys, keys[list_of[node as usize] as usize]);
        if nodes.plan.own().is_rough() {
            // The builder's distances tell better which are nearest.
            ranks.extend(sample.candidates[..RESULTS].iter().map(|&node| rank(node)));
        } else {
            ranks.extend(nearest(nodes, sample, &to_nodes)[..RESULTS].iter().map(|&(_, node)| rank(node)));
        }
    }
    let mut curve: Vec<CurvePoint> = Vec::with_capacity(CURVE_POINTS);
    for step in 0..CURVE_POINTS {
        let count = (lists.count() as f64).powf(step as f64 / (CURVE_POINTS - 1) as f64).round() as usize;
        if ranks.is_empty()
            || curve.last().is_some_and(|last| last.gamma >= count as f32 || last.recall >= 1.0)
        {
            continue;
        }
        let found: f32 = ranks.iter().map(|rank| rank.share_within(count)).sum();
        curve.push(CurvePoint { recall: found / ranks.len() as f32, gamma: count as f32 });
    }
    curve
}

/// Where a key is among all. Whose turn comes first among equal ones is by chance, and distances to centroids of bits
/// are often equal.
#[derive(Clone, Copy, Debug)]
struct Rank {
    less: usize,
    equal: usize,
}

impl Rank {
    fn of(keys: &[f32], key: f32) -> Self {
        let less = keys.iter().filter(|&&other| other < key).count();
        let equal = keys.iter().filter(|&&other| other == key).count();
        Self { less, equal: equal.max(1) }
    }

    /// How likely it is among the first `count`.
    fn share_within(self, count: usize) -> f32 {
        count.saturating_sub(self.less).min(self.equal) as f32 / self.equal as f32
    }
}

/// What the key of a row to its own list's centroid has to be multiplied with, for a list of `count` rows: the row has
/// drawn the centroid to itself, and a query has not.
fn without_own_row(space: &Space, count: u32) -> f32 {
    match space.metric() {
        Metric::L2 | Metric::Cosine if count > 1 => (count as f32 / (count - 1) as f32).powi(2),
        _ => 1.0,
    }
}

/// The estimates of some nodes, as routers give them.
fn estimates(nodes: &EncodedNodes, query: &SegmentQuery, wanted: &[u32]) -> Vec<f32> {
    let kernels = kernels::Kernels::get();
    let plan = RouterPlan::new(nodes.plan.padded_dim());
    let mut content = vec![0; plan.bytes()];
    for (lane, &node) in wanted.iter().take(plan.batch_lanes(0)).enumerate() {
        let at = node as usize;
        write_code(plan, &mut content, lane, nodes.bits_of(at), nodes.factors[at]);
    }
    let mut estimates = [0.0; 32];
    let view = RouterView::new(plan, &content);
    query.estimate(kernels, view.codes(0), view.factors(0), plan.batch_lanes(0), &mut estimates);
    estimates[..wanted.len().min(plan.batch_lanes(0))].to_vec()
}

/// Whether a curve needs no further point.
fn is_enough(curve: &[CurvePoint]) -> bool {
    if curve.len() >= GAMMAS.len() {
        return curve.last().is_none_or(|last| last.recall >= ENOUGH_AT_LAST);
    }
    match curve {
        [.., a, b, last] if a.recall == last.recall && b.recall == last.recall => {
            last.recall >= ENOUGH_IF_FLAT
        }
        [.., last] => last.recall >= ENOUGH,
        [] => false,
    }
}

/// Sample nodes as the builder's distances take queries.
pub fn sample_queries(space: &Space, nodes: &EncodedNodes, sample: &[u32]) -> Queries {
    let rows = Rows { codes: &nodes.bytes, dim: nodes.byte_dim, count: nodes.count() };
    let mut queries = Queries::of_rows(&rows, sample);
    for (&node, code) in sample.iter().zip(queries.codes.chunks_exact_mut(nodes.byte_dim.max(1))) {
        if let Some(query) = row_query(space, nodes, node) {
            nodes.byte_code.write_query(space, query.placed(), &nodes.centroid, code);
        }
    }
    queries
}

/// The vector of a node as a query, decoded from its code; from the builder's where the own one loses more.
fn row_query(space: &Space, nodes: &EncodedNodes, node: u32) -> Option<Query> {
    let node = node as usize;
    let own = nodes.own_of(node);
    match nodes.plan.own() {
        OwnCode::Sign | OwnCode::Residual(Encoding::I2) => {
            let bytes = &nodes.bytes[node * nodes.byte_dim..][..space.padded_dim()];
            let codes: Vec<f32> = bytes.iter().map(|&code| f32::from(code)).collect();
            let placed = space.restore(&mut nodes.byte_code.residual(&codes), &nodes.centroid);
            Query::new(space, Row::Dense(&placed)).ok()
        }
        OwnCode::Residual(encoding) => {
            let mut residual = vec![0.0; space.padded_dim()];
            kernels::Kernels::get().coded(encoding).decode(own, nodes.scales[node], &mut residual);
            let placed = space.restore(&mut residual, &nodes.centroid);
            Query::new(space, Row::Dense(&placed)).ok()
        }
        OwnCode::Bits => Query::new(space, Row::Bits(own)).ok(),
        OwnCode::Elsewhere => {
            let (indices, values): (Vec<u32>, Vec<f32>) = StoredSparse::new(own)?.pairs().unzip();
            Query::new(space, Row::Sparse(SparseRow { indices: &indices, values: &values })).ok()
        }
    }
}

/// The candidates with their keys, nearest first.
fn nearest(nodes: &EncodedNodes, sample: &Truth, query: &SegmentQuery) -> Vec<(f32, u32)> {
    let key = |&node: &u32| {
        let at = node as usize;
        (query.measure(nodes.own_of(at), nodes.scales[at], nodes.errors[at]).key, node)
    };
    let mut keys: Vec<(f32, u32)> = sample.candidates.iter().map(key).collect();
    keys.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    keys
}

/// Whether hops learn exact distances of all neighbors.
fn is_exact(header: &SegmentHeader) -> bool {
    header.inline == 0 || header.encoding == OwnCode::Bits.number()
}

/// Stores the curve of the lists in a header.
pub fn store_listed(header: &mut SegmentHeader, curve: &[CurvePoint]) {
    header.list_curve_count = curve.len().min(CURVE_POINTS) as u32;
    let count = header.list_curve_count as usize;
    header.list_curve[..count].copy_from_slice(&curve[..count]);
}

/// Stores a curve in a header; of a long one the end, since for less recall more effort does no harm.
pub fn store(header: &mut SegmentHeader, curve: &[CurvePoint]) {
    let curve = &curve[curve.len().saturating_sub(CURVE_POINTS)..];
    header.curve_count = curve.len().min(CURVE_POINTS) as u32;
    header.curve[..header.curve_count as usize].copy_from_slice(&curve[..header.curve_count as usize]);
}

/// The lists to read for a recall target (0.5 to 0.999), by linear interpolation of their curve.
pub fn lists_for(header: &SegmentHeader, target: f32) -> u32 {
    let curve = &header.list_curve[..(header.list_curve_count as usize).min(CURVE_POINTS)];
    let all = header.lists as f32;
    let wanted = interpolated(curve, 1.0 - (1.0 - target) * MISSES_LISTED).unwrap_or(all);
    // What is no number comes from a damaged page.
    if wanted.is_finite() { wanted.clamp(1.0, all).ceil() as u32 } else { header.lists }
}

/// What searches of a graph for rows of the calibration find with the largest effort that a recall target can lead
/// to, and how many these are. There is no such limit to lists: all can be read, and factors go as far as that takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// Share of the nearest rows.
    pub recall: f32,
    /// Searches.
    pub queries: usize,
}

impl Reach {
    /// Whether searches for other rows would likely find less than `target`, whatever the effort: by more than what
    /// [`REACH_DEVIATIONS`] of the mean of so many searches explain. The ten rows of a search tend to be found or
    /// missed together, so they count as [`REACH_ANSWERS`]; recall differs from search to search less than that says.
    pub fn is_below(&self, target: f32) -> bool {
        // One more found and one more missed: few searches that agree prove little.
        let (queries, few) = (self.queries as f32, 2.0);
        let recall = (self.recall * queries + few / 2.0) / (queries + few);
        let variance = recall * (1.0 - recall) / ((queries + few) * REACH_ANSWERS);
        recall + REACH_DEVIATIONS * variance.sqrt() < target
    }
}

/// What reaches a recall; the last point's when none does, None without any.
fn interpolated(curve: &[CurvePoint], target: f32) -> Option<f32> {
    let last = curve.last()?;
    let Some(at) = curve.iter().position(|point| point.recall >= target) else {
        return Some(last.gamma);
    };
    if at == 0 {
        return Some(curve[0].gamma);
    }
    let (below, above) = (curve[at - 1], curve[at]);
    let share = (target - below.recall) / (above.recall - below.recall).max(f32::MIN_POSITIVE);
    Some(below.gamma + share * (above.gamma - below.gamma))
}

/// The stopping factor for a recall target (0.5 to 0.999), by linear interpolation of the curve.
pub fn gamma_for(header: &SegmentHeader, target: f32) -> f32 {
    let curve = &header.curve[..(header.curve_count as usize).min(CURVE_POINTS)];
    let misses = if is_exact(header) { MISSES_EXACT } else { MISSES_ESTIMATED };
    let target = 1.0 - (1.0 - target) * misses;
    let gamma = interpolated(curve, target).unwrap_or(1.2);
    if gamma.is_finite() { gamma.clamp(1.0, GAMMA_MAX) } else { 1.2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_share_their_places() {
        let keys = [4.0, 1.0, 2.0, 2.0, 2.0, 2.0, 4.0];
        let share = |key, count| Rank::of(&keys, key).share_within(count);
        for (key, shares) in
            [(1.0, [0.0, 1.0, 1.0, 1.0]), (2.0, [0.0, 0.0, 0.5, 1.0]), (4.0, [0.0, 0.0, 0.0, 0.5])]
        {
            assert_eq!([0, 1, 3, 6].map(|count| share(key, count)), shares, "{key}");
        }
        assert_eq!(Rank::of(&[f32::INFINITY; 8], f32::INFINITY).share_within(2), 0.25);
    }

    #[test]
    fn only_what_chance_does_not_explain_is_below() {
        let is_below = |recall, queries| Reach { recall, queries }.is_below(0.95);
        for (recall, queries) in [(1.0, 250), (0.95, 250), (0.93, 250), (0.9, 30), (0.9, 3)] {
            assert!(!is_below(recall, queries), "{recall} of {queries}");
        }
        for (recall, queries) in [(0.91, 250), (0.6, 250), (0.0, 250), (0.6, 30), (0.93, 10_000)] {
            assert!(is_below(recall, queries), "{recall} of {queries}");
        }
    }
}
