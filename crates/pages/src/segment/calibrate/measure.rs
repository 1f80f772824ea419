//! The curve of a segment with a graph: its own rows are searched for.

use std::ops::Range;

use ann::search::{Graph, Hop, Measured, course};

use super::{
    GAMMAS, GAMMAS_WIDE, HOPS_MAX, RESULTS, RISING, Reach, Truth, WALKS, is_enough, is_exact, nearest,
    row_query,
};
use crate::error::PageError;
use crate::format::segment::{CURVE_POINTS, CurvePoint};
use crate::pager::Pager;
use crate::segment::encode::EncodedNodes;
use crate::segment::read::{SegmentReader, SegmentState};
use crate::space::{SegmentQuery, Space};

/// Measures the recall curve of a segment whose pages are written, and what it ends at if that is because searches
/// take too many hops: where it ends for another reason, a larger factor would not find more.
///
/// `positions`: from input number to node id.
///
/// # Errors
/// If a page can't be read.
pub fn measure<P: Pager>(
    pager: &P,
    space: &Space,
    state: &SegmentState,
    nodes: &EncodedNodes,
    truth: &[Truth],
    positions: &[u32],
) -> Result<(Vec<CurvePoint>, Option<Reach>), PageError> {
    let mut samples = Vec::with_capacity(truth.len());
    for sample in truth.iter().filter(|sample| sample.candidates.len() >= RESULTS) {
        let Some(query) = row_query(space, nodes, sample.node) else { continue };
        let query = SegmentReader::<P>::prepare(space, state, &query);
        let bound = nearest(nodes, sample, &query)[RESULTS - 1].0;
        samples.push(Sample { id: positions[sample.node as usize], query, bound });
    }
    let measured = Measurement { pager, space, state, samples };
    let mut curve = Vec::with_capacity(CURVE_POINTS);
    if measured.samples.is_empty() {
        return Ok((curve, None));
    }
    let factors: Vec<f32> = GAMMAS.into_iter().chain(GAMMAS_WIDE).collect();
    let mut walks: Vec<&[f32]> = Vec::with_capacity(factors.len());
    let mut rest = factors.as_slice();
    for count in WALKS.into_iter().chain(GAMMAS_WIDE.map(|_| 1)) {
        let (walk, others) = rest.split_at(count);
        walks.push(walk);
        rest = others;
    }
    walks.reverse();
    while let Some(walk) = walks.pop() {
        match measured.points(walk, !curve.is_empty() || walk.len() > 1)? {
            Some(points) => {
                for point in points {
                    curve.push(point);
                    if is_enough(&curve) {
                        return Ok((curve, None));
                    }
                }
            }
            // Some of its factors may take few enough.
            None if walk.len() > 1 => walks.extend(walk.chunks(1).rev()),
            None => {
                let reach = still_rising(&curve).filter(|_| !is_exact(&state.header));
                let of_samples = |recall| Reach { recall, queries: measured.samples.len() };
                return Ok((curve, reach.map(of_samples)));
            }
        }
    }
    Ok((curve, None))
}

/// The last recall of a curve that would go on rising: where many rows are equally far, some of them are never counted
/// as found, and that is no recall that is missing.
fn still_rising(curve: &[CurvePoint]) -> Option<f32> {
    let [.., before, last] = curve else { return None };
    (last.recall > before.recall + RISING).then_some(last.recall)
}

/// A row that is searched for.
struct Sample {
    id: u32,
    query: SegmentQuery,
    /// The key of the last of its nearest rows.
    bound: f32,
}

/// Rows of a segment that are searched for in it.
struct Measurement<'a, P> {
    pager: &'a P,
    space: &'a Space,
    state: &'a SegmentState,
    samples: Vec<Sample>,
}

impl<P: Pager> Measurement<'_, P> {
    /// The points of the curve for some factors; None if their largest takes too many hops and `may_end`.
    fn points(&self, gammas: &[f32], may_end: bool) -> Result<Option<Vec<CurvePoint>>, PageError> {
        let hops_max = HOPS_MAX * self.samples.len() as u64;
        let (mut found, mut hops) = (vec![0; gammas.len()], 0);
        for Sample { id, query, bound } in &self.samples {
            let graph = SegmentReader::new(self.pager, self.space, self.state, query);
            let node = is_exact(&self.state.header).then_some(*id);
            let mut last = 0;
            course(&mut WithoutNode { graph, node }, gammas, *id, &mut |stop| {
                found[stop.factor] += stop.nearest.iter().filter(|key| *key <= bound).count();
                last = stop.expansions;
            })?;
            hops += last;
            if hops > hops_max && may_end {
                return Ok(None);
            }
        }
        let all = (self.samples.len() * RESULTS) as f32;
        let point = |(&gamma, found): (&f32, usize)| CurvePoint { recall: found as f32 / all, gamma };
        Ok(Some(gammas.iter().zip(found).map(point).collect()))
    }
}

/// A segment without one of its nodes, so that a sample row is as new to it as a query is: the node's own neighbors,
/// which are most of the answer, must be found by other ways.
struct WithoutNode<'a, P> {
    graph: SegmentReader<'a, P>,
    /// None: all nodes are there.
    node: Option<u32>,
}

impl<P: Pager> Graph for WithoutNode<'_, P> {
    type Error = PageError;

    fn element_count(&self) -> u32 {
        self.graph.element_count()
    }

    fn routers(&self) -> Range<u32> {
        self.graph.routers()
    }

    fn rejects(&self) -> bool {
        self.graph.rejects()
    }

    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        self.graph.expand(id, hop)?;
        hop.candidates.retain(|candidate| Some(candidate.1) != self.node);
        hop.measured.retain(|element| Some(element.id) != self.node);
        Ok(())
    }

    fn prefetch(&self, id: u32) {
        self.graph.prefetch(id);
    }

    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), PageError> {
        let node = self.node;
        self.graph.measure_all(&mut |element| {
            if Some(element.id) != node {
                visit(element);
            }
        })
    }
}
