//! The build from end to end: its input, its result and its phases.

use super::params::{Effort, Params};
use super::partition::Site;
use super::{BuildError, Control, Space, connect, copies, order, seeds};

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
    /// Positions spread over the data, nearest to the mean first. From the first one every position can be
    /// reached.
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
/// [`BuildError::Cancelled`] soon after `control.cancel` is set; [`BuildError::TooManyRows`] above 2^32 - 2
/// rows.
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
    let effort = Effort::new(params);
    let groups = copies::group(rows, control)?;
    let arranged = order::arrange(rows, space, &groups, params.seed, control)?;
    let site = Site { rows: arranged.rows(), space, effort: &effort, seed: params.seed, control };
    let lists = site.neighbor_lists()?;
    let seeds = seeds::choose(&site.rows, space, &arranged.clusters, params.seeds, control)?;
    let room = |position: usize| groups.room(arranged.group[position], effort.degree);
    let links = connect::connect(&site, lists, &seeds, &room)?;
    Ok(copies::spread(&groups, &arranged.group, &links, &seeds, effort.degree))
}
