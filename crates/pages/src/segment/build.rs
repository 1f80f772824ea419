//! From loaded rows to a segment in the file: the steps and who may run them.
//!
//! [`prepare`] is pure computation for worker threads, [`Prepared::write`] runs where pages may be touched. Segments
//! with lists come about in another way ([`super::stream`]).

use ann::Metric;
use ann::build::{BuildError, Control, FlatGraph, Params, Rows, Space as BuildSpace};

use super::calibrate::{self, Reach, Sampling, Truth};
use super::encode::{EncodedNodes, Loader, byte_dim_min};
use super::read::SegmentState;
use super::stream::{ListBuilder, Listed, RowSort, Workers};
use super::write::{pages_needed, without_edges, write_header, write_pages};
use crate::error::PageError;
use crate::format::meta::{ListOptions, Meta, SegmentEntry};
use crate::format::segment::CurvePoint;
use crate::pager::{BulkWriter, Pager};
use crate::plan::NodePlan;
use crate::row::Element;
use crate::space::Space;

/// Entry points of a graph with codes: enough to have one near every cluster of a small table, and few enough that
/// scanning their codes costs less than the hops it saves.
const SEEDS: usize = 256;
/// Nodes per entry point in small tables, and the same in large ones.
const NODES_PER_SEED: usize = 32;
const NODES_PER_SEED_LARGE: usize = 1024;
const SEEDS_MAX: usize = 2048;
/// Entry points of a graph without codes: each costs a page.
const SEEDS_MAX_WITHOUT_CODES: usize = 32;

/// Segments with fewer nodes are read as a whole sooner than their lists are found, unless `lists` says otherwise: they
/// have one list, because what a merge has made must not look like what it is made of.
const LIST_NODES_MIN: usize = 1024;
/// Lists per square root of the nodes: with more, centroids take as long to read as the rows of the lists.
const LISTS_PER_ROOT: f64 = 2.0;
/// Nodes that a list has on average, at least.
const ROWS_PER_LIST_MIN: usize = 8;

/// What a row of a segment with lists takes while the segment is made: its TID and whether it was dead.
const LISTED_ROW_BYTES: u64 = 16;

/// A segment that is ready to be written.
pub enum Prepared<S> {
    /// It is in memory.
    Whole(Box<Whole>),
    /// Its rows are in a sort.
    Listed(Box<Listed<S>>),
}

impl<S: RowSort> Prepared<S> {
    /// Pages that [`Self::write`] will append, the header's included.
    pub fn pages_needed(&self) -> u32 {
        match self {
            Self::Whole(whole) => pages_needed(&whole.nodes, &whole.graph) + 1,
            Self::Listed(listed) => listed.pages_needed(),
        }
    }

    /// Writes the segment. The manifest does not refer to it yet.
    ///
    /// `pager` reads what `writer` has written.
    ///
    /// # Errors
    /// What reading and writing raise.
    pub fn write<P: Pager, W: BulkWriter>(
        self,
        pager: &P,
        writer: &mut W,
        space: &Space,
        segment: u32,
    ) -> Result<Written, PageError> {
        writer.expect(self.pages_needed());
        match self {
            Self::Whole(whole) => whole.write(pager, writer, space, segment),
            Self::Listed(listed) => listed.write(writer, segment),
        }
    }
}

/// A segment that was written.
pub struct Written {
    /// Its entry for the manifest.
    pub entry: SegmentEntry,
    /// How much searches can find, if that is less than everything.
    pub reach: Option<Reach>,
}

/// A segment without lists that is ready to be written.
pub struct Whole {
    nodes: EncodedNodes,
    /// Flat: the order of the nodes, and nothing else.
    graph: FlatGraph,
    calibration: Calibration,
}

/// What is known of how far to search.
enum Calibration {
    /// Graphs must be searched once they are written.
    Truth(Vec<Truth>),
    /// Of the stopping factor.
    Curve(Vec<CurvePoint>),
}

/// What leads a search to a segment's nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Navigator {
    /// A graph.
    #[default]
    Graph,
    /// A graph that will soon be merged with others: what counts is what it costs to make. Its nodes may have half the
    /// neighbors, and fewer searches tell how far to go.
    Passing,
    /// Codes of all nodes, read in sequence: for up to some thousands of rows, which are written in a fraction of the
    /// time that a graph takes. Where nodes have no codes (L1, Jaccard, at most 64 dimensions, very long vectors) there
    /// is a graph all the same.
    Flat,
    /// Codes of all nodes, by lists: a search reads those that are near to it.
    Lists(ListOptions),
}

impl Navigator {
    /// What merges in this index make.
    pub fn of(meta: &Meta) -> Self {
        meta.list_options().map_or(Self::Graph, Self::Lists)
    }
}

/// What the builder is asked for.
#[derive(Clone, Copy, Debug)]
pub struct BuildOptions {
    /// Option `m`.
    pub m: usize,
    /// Option `ef_construction`.
    pub ef_construction: usize,
    /// Seed of its random choices.
    pub seed: u64,
    /// What the segment is to have.
    pub navigator: Navigator,
}

/// The shape of an index's nodes, in segments with a graph.
pub fn node_plan(space: &Space, m: usize) -> NodePlan {
    NodePlan::choose(space.element(), space.padded_dim(), 2 * m, space.has_estimates())
}

/// The shape of the nodes of a passing graph: with half the neighbors, if they are as exact then and more of them fit a
/// page, which is what it costs to write them.
fn passing_plan(space: &Space, m: usize) -> NodePlan {
    let (whole, half) = (node_plan(space, m), node_plan(space, m / 2));
    let is_alike = half.is_inline() && half.own() == whole.own();
    if is_alike && half.nodes_per_page() > whole.nodes_per_page() { half } else { whole }
}

/// The shape of the nodes of a segment without lists.
fn shape(space: &Space, options: &BuildOptions) -> NodePlan {
    let plan = node_plan(space, options.m);
    match options.navigator {
        Navigator::Flat => plan.flat().unwrap_or(plan),
        Navigator::Passing => passing_plan(space, options.m),
        Navigator::Graph | Navigator::Lists(_) => plan,
    }
}

/// The shape of the nodes of a segment with lists, if `options` ask for them and rows of this space can have them.
pub fn list_plan(space: &Space, options: &BuildOptions) -> Option<NodePlan> {
    let Navigator::Lists(lists) = options.navigator else { return None };
    if space.has_estimates() { NodePlan::in_lists(space.padded_dim(), lists.own) } else { None }
}

/// Memory in bytes per row that loading and building take at most, for deciding when a segment is full. Sparse
/// vectors take [`Loader::varying_bytes`] besides.
pub fn bytes_per_row(space: &Space, options: &BuildOptions) -> u64 {
    if list_plan(space, options).is_some() {
        return LISTED_ROW_BYTES;
    }
    let plan = shape(space, options);
    let rows = 1 << 16;
    let byte_dim = byte_dim_min(space) + 64;
    let codes = plan.own_bytes() + plan.code_bytes() + byte_dim + 64;
    let working = ann::build::working_bytes(rows, byte_dim, &params(options, &plan, rows));
    let load = match space.element() {
        Element::Float4 | Element::Float2 => 4 * space.dim() + 16,
        Element::Bit => space.padded_dim() / 8 + 24,
        Element::Sparse => 32,
    };
    let build = codes as u64 + working / rows as u64;
    build.max((load + codes) as u64)
}

fn params(options: &BuildOptions, plan: &NodePlan, nodes: usize) -> Params {
    let wanted = (nodes / NODES_PER_SEED).min(SEEDS).max(nodes / NODES_PER_SEED_LARGE);
    let seeds_max = if plan.is_inline() { SEEDS_MAX } else { SEEDS_MAX_WITHOUT_CODES };
    Params {
        max_degree: plan.lanes().min(2 * options.m.max(4)),
        ef_construction: options.ef_construction,
        seed: options.seed,
        seeds: wanted.clamp(1, seeds_max),
    }
}

/// Makes a segment of rows that are all in memory; None of none.
///
/// # Errors
/// If it was interrupted, or there are more rows than a segment can number.
pub fn prepare_all<S: RowSort, W: Workers>(
    loader: Loader,
    space: &Space,
    options: &BuildOptions,
    sort: S,
    workers: &W,
) -> Result<Option<Prepared<S>>, W::Error> {
    if loader.rows() == 0 {
        return Ok(None);
    }
    if list_plan(space, options).is_none() {
        return Ok(Some(prepare(loader, space, options, workers)?));
    }
    let mut builder = ListBuilder::new(space, options, sort);
    builder.add(loader, workers)?;
    finish(builder, space, options, workers)
}

/// Ends a segment with lists; None without rows. Rows without a place need no lists, and without a list the segment
/// would look like one that a flush has made: of such rows alone comes a graph.
///
/// # Errors
/// If it was interrupted.
pub fn finish<S: RowSort, W: Workers>(
    builder: ListBuilder<'_, S>,
    space: &Space,
    options: &BuildOptions,
    workers: &W,
) -> Result<Option<Prepared<S>>, W::Error> {
    match builder.finish() {
        Ok(listed) => Ok(Some(Prepared::Listed(Box::new(listed)))),
        Err(unranked) if unranked.is_empty() => Ok(None),
        Err(unranked) => {
            let options = BuildOptions { navigator: Navigator::Graph, ..*options };
            Ok(Some(prepare(Loader::of_unranked(space, unranked), space, &options, workers)?))
        }
    }
}

/// Encodes the rows, builds their graph if they are to have one, and finds exact neighbors of a sample.
///
/// # Errors
/// If it was interrupted, or there are more rows than a segment can number.
pub fn prepare<S, W: Workers>(
    loader: Loader,
    space: &Space,
    options: &BuildOptions,
    workers: &W,
) -> Result<Prepared<S>, W::Error> {
    let whole = workers.run(|control| whole(loader, space, options, control))?;
    Ok(Prepared::Whole(Box::new(whole)))
}

fn whole(
    loader: Loader,
    space: &Space,
    options: &BuildOptions,
    control: &Control,
) -> Result<Whole, BuildError> {
    let plan = shape(space, options);
    let mut nodes = loader.encode(space, plan, control)?;
    let (build_space, sampling) = (build_space(space), Sampling::of(options.navigator));
    let (graph, calibration);
    if plan.is_flat() {
        let count = u32::try_from(nodes.count()).map_err(|_| BuildError::TooManyRows)?;
        graph = without_edges((0..count).collect());
        let truth = calibrate::truth(space, &nodes, build_space, sampling, control)?;
        calibration = Calibration::Curve(calibrate::estimated(space, &nodes, &truth));
    } else {
        let rows = Rows { codes: &nodes.bytes, dim: nodes.byte_dim, count: nodes.count() };
        graph = ann::build::build(&rows, build_space, &params(options, &plan, nodes.count()), control)?;
        let truth = calibrate::truth(space, &nodes, build_space, sampling, control)?;
        calibration = Calibration::Truth(truth);
    }
    nodes.bytes = Vec::new();
    Ok(Whole { nodes, graph, calibration })
}

/// The number of lists that a segment of so many nodes should have, if any.
pub(super) fn lists_wanted(options: &BuildOptions, nodes: usize) -> Option<usize> {
    let Navigator::Lists(lists) = options.navigator else { return None };
    let wanted = match lists.lists {
        0 if nodes < LIST_NODES_MIN => 1,
        0 => (LISTS_PER_ROOT * (nodes as f64).sqrt()) as usize,
        lists => lists as usize,
    };
    (nodes > 0).then(|| wanted.min(nodes / ROWS_PER_LIST_MIN).max(1))
}

/// How the builder measures distances in a space.
pub(super) fn build_space(space: &Space) -> BuildSpace {
    if space.metric() == Metric::L1 { BuildSpace::L1 } else { BuildSpace::L2 }
}

impl Whole {
    fn write<P: Pager, W: BulkWriter>(
        self,
        pager: &P,
        writer: &mut W,
        space: &Space,
        segment: u32,
    ) -> Result<Written, PageError> {
        let Self { nodes, graph, calibration } = self;
        let header = write_pages(writer, segment, &nodes, &graph)?;
        let mut state = SegmentState { segment, header, plan: nodes.plan, centroid: nodes.centroid.clone() };
        let (curve, reach) = match calibration {
            Calibration::Curve(curve) => (curve, None),
            Calibration::Truth(truth) => {
                let mut positions = vec![0; nodes.count()];
                for (position, &node) in graph.order.iter().enumerate() {
                    positions[node as usize] = position as u32;
                }
                drop(graph);
                calibrate::measure(pager, space, &state, &nodes, &truth, &positions)?
            }
        };
        calibrate::store(&mut state.header, &curve);
        Ok(Written { entry: write_header(writer, segment, &state.header)?, reach })
    }
}
