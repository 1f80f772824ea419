//! Bulk build of a navigable graph by partition, not by insertion.
//!
//! Rows are arranged so that near rows get near positions, divided several times into overlapping leaves, and in each
//! leaf every row meets every other in one blocked product. Each row keeps its nearest candidates and some far ones;
//! the relative-neighbourhood rule thins them, edges are mirrored and thinned again, and what no path from the seeds
//! reaches is attached. After PiPNN (Rubel et al., arXiv 2602.21247) with these differences: exact integer distances
//! on int8 codes, sorted reservoirs of the nearest instead of hashed ones, sampled far candidates, mirrored edges.
//!
//! Invariants: equal input gives an equal graph, whatever the number of threads, because every reservoir holds the
//! smallest of a fixed set and all choices come from hashes of the seed. No f32 copy of the data is made. Identical
//! rows are one row for the graph; the copies hang on it as a tree.
//!
//! Threads: the caller's rayon pool. Nothing here calls PostgreSQL or panics on data.

mod connect;
mod control;
mod copies;
mod far;
mod leaders;
mod near;
mod order;
mod params;
mod partition;
mod prune;
mod reservoir;
mod reverse;
mod seeds;
mod walk;

#[cfg(test)]
mod tests;

pub use control::{BuildError, Control, Phase};
pub use kernels::block::Space;
pub use params::{Params, working_bytes};
pub use walk::best_first;

pub(crate) use reservoir::Reservoirs;

/// Rows as int8 about a common mean, with one scale for all.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// `count` x `dim`, row-major.
    pub codes: &'a [i8],
    /// Codes of one row, a multiple of 64; padding is zero.
    pub dim: usize,
    /// Number of rows.
    pub count: usize,
}

/// A graph in positions: the number a row has in `order`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlatGraph {
    /// Position to input row. Rows that are near in space have near positions.
    pub order: Vec<u32>,
    /// `neighbors[offsets[p]..offsets[p + 1]]` are the neighbours of position `p`; one more than positions.
    pub offsets: Vec<u64>,
    /// Positions, nearest first for each row.
    pub neighbors: Vec<u32>,
    /// Positions spread over the data, nearest to the mean first. From the first one every position can be reached.
    pub seeds: Vec<u32>,
}

impl FlatGraph {
    /// Neighbours of `position`, nearest first.
    pub fn neighbors(&self, position: u32) -> &[u32] {
        let at = position as usize;
        &self.neighbors[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }
}

/// Builds the graph of all rows.
///
/// # Errors
/// [`BuildError::Cancelled`] soon after `control.cancel` is set; [`BuildError::TooManyRows`] above 2^32 - 2 rows.
///
/// # Panics
/// If `rows.codes` is not `count` x `dim`, or `dim` is not a supported row length.
pub fn build(
    rows: &Rows<'_>,
    space: Space,
    params: &Params,
    control: &Control,
) -> Result<FlatGraph, BuildError> {
    assert!(rows.codes.len() == rows.count * rows.dim, "codes are count x dim");
    if rows.count >= u32::MAX as usize {
        return Err(BuildError::TooManyRows);
    }
    if rows.count == 0 {
        return Ok(FlatGraph { offsets: vec![0], ..FlatGraph::default() });
    }
    let effort = params::Effort::new(params);
    let groups = copies::group(rows, control)?;
    let arranged = order::arrange(rows, space, &groups, params.seed, control)?;
    let site = partition::Site { rows: arranged.rows(), space, effort: &effort, seed: params.seed, control };
    let lists = site.neighbor_lists()?;
    let seeds = seeds::choose(&site.rows, space, &arranged.clusters, params.seeds, control)?;
    let room = |position: usize| groups.room(arranged.group[position], effort.degree);
    let links = connect::connect(&site, lists, &seeds, &room)?;
    Ok(copies::spread(&groups, &arranged.group, &links, &seeds, effort.degree))
}
