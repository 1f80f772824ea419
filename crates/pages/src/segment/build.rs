//! From loaded rows to a segment in the file: the steps and who may run them.
//!
//! [`prepare`] is pure computation for worker threads; [`write()`] runs where pages may be touched.

use ann::build::{BuildError, Control, Params, Rows, Space as BuildSpace};
use ann::{Metric, recall};

use super::calibrate::{self, Truth};
use super::encode::{EncodedNodes, Loader, byte_dim_min};
use super::read::SegmentState;
use super::write::{write_header, write_pages};
use crate::error::PageError;
use crate::format::meta::SegmentEntry;
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

/// A segment that is ready to be written.
pub struct Prepared {
    nodes: EncodedNodes,
    graph: ann::build::FlatGraph,
    truth: Vec<Truth>,
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
    /// How searches find their way.
    pub navigator: Navigator,
}

/// How searches find their way in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Navigator {
    /// A graph.
    Graph,
    /// A list of all codes.
    Flat,
}

impl Prepared {
    /// The pages that [`write()`] will append, the header included.
    pub fn pages_needed(&self) -> u32 {
        let plan = &self.nodes.plan;
        let rows = (self.nodes.row_tids.len() + self.nodes.unranked.len()) as u64;
        let routers = self.graph.seeds.len().div_ceil(plan.lanes());
        let nodes = (self.nodes.count() + routers).div_ceil(plan.nodes_per_page()) as u64;
        let vectors =
            if plan.own() == crate::plan::OwnCode::Elsewhere { self.nodes.own.len() as u64 } else { 0 };
        let centroid = crate::format::segment::centroid_pages(plan.own(), plan.padded_dim() as u32);
        let tids = rows.div_ceil(u64::from(crate::format::segment::TIDS_PER_PAGE));
        let content = crate::format::page::CONTENT_BYTES as u64;
        (u64::from(centroid) + nodes + tids + vectors.div_ceil(content) + 1) as u32
    }
}

/// The shape of an index's nodes.
pub fn node_plan(space: &Space, m: usize) -> NodePlan {
    NodePlan::choose(space.element(), space.padded_dim(), 2 * m, space.has_estimates())
}

/// Memory in bytes per row that loading and building take at most, for deciding when a segment is full. Sparse
/// vectors take [`Loader::varying_bytes`] besides.
pub fn bytes_per_row(space: &Space, options: &BuildOptions) -> u64 {
    let plan = node_plan(space, options.m);
    let params = params(options, &plan, 1 << 16);
    let rows = 1 << 16;
    let byte_dim = byte_dim_min(space) + 64;
    let codes = plan.own_bytes() + plan.code_bytes() + byte_dim + 64;
    let load = match space.element() {
        Element::Float4 | Element::Float2 => 4 * space.dim() + 16,
        Element::Bit => space.padded_dim() / 8 + 24,
        Element::Sparse => 32,
    };
    let build = codes as u64 + ann::build::working_bytes(rows, byte_dim, &params) / rows as u64;
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

/// Encodes the rows, builds their graph and finds exact neighbors of a sample. Runs in the caller's rayon pool and
/// polls `control` for cancellation.
///
/// # Errors
/// If cancelled, or if there are more rows than a segment can number.
pub fn prepare(
    loader: Loader,
    space: &Space,
    options: &BuildOptions,
    control: &Control,
) -> Result<Prepared, BuildError> {
    let plan = node_plan(space, options.m);
    let mut nodes = loader.encode(space, plan, control)?;
    let build_space = if space.metric() == Metric::L1 { BuildSpace::L1 } else { BuildSpace::L2 };
    let rows = Rows { codes: &nodes.bytes, dim: nodes.byte_dim, count: nodes.count() };
    let graph = ann::build::build(&rows, build_space, &params(options, &plan, nodes.count()), control)?;
    let sample = calibrate::sample(&nodes);
    let candidates = calibrate::truth_candidates(space);
    let queries = calibrate::sample_queries(space, &nodes, &sample);
    let neighbors = recall::exact_neighbors(&rows, build_space, &queries, candidates, control)?;
    let truth =
        sample.into_iter().zip(neighbors).map(|(node, candidates)| Truth { node, candidates }).collect();
    nodes.bytes = Vec::new();
    Ok(Prepared { nodes, graph, truth })
}

/// Writes a prepared segment and returns its entry for the manifest, which does not refer to it yet.
///
/// `pager` reads what `writer` has written.
///
/// # Errors
/// What reading and writing raise.
pub fn write<P: Pager, W: BulkWriter>(
    pager: &P,
    writer: &mut W,
    space: &Space,
    segment: u32,
    prepared: Prepared,
) -> Result<SegmentEntry, PageError> {
    let Prepared { nodes, graph, truth } = prepared;
    let header = write_pages(writer, segment, &nodes, &graph)?;
    let mut positions = vec![0; nodes.count()];
    for (position, &node) in graph.order.iter().enumerate() {
        positions[node as usize] = position as u32;
    }
    drop(graph);
    let mut state = SegmentState { segment, header, plan: nodes.plan, centroid: nodes.centroid.clone() };
    let curve = calibrate::measure(pager, space, &state, &nodes, &truth, &positions)?;
    calibrate::store(&mut state.header, &curve);
    let block = write_header(writer, segment, &state.header)?;
    Ok(SegmentEntry {
        segment,
        header: block,
        rows: state.header.rows,
        pages: state.header.pages + 1,
        dead: 0,
        navigator: 1,
    })
}
