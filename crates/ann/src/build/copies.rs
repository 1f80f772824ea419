//! Identical rows: one representative in the graph, the copies as a tree below it.
//!
//! Without this, a group of more identical rows than a row has neighbours would link only among itself.
//! A copy gets the representative's neighbours behind its own children, so a search that starts there gets
//! out.

use std::ops::Range;

use rayon::prelude::*;

use super::connect::Links;
use super::leaders::mix;
use super::{BuildError, Control, FlatGraph, Phase, Rows};

/// Rows hashed by one task.
const TASK_ROWS: usize = 4096;

/// Rows by equality of their codes.
pub(crate) struct Groups {
    /// First input row of each group, ascending.
    pub first: Vec<u32>,
    /// `copies[offsets[g]..offsets[g + 1]]` are the other rows of group `g`. Empty when there are no copies
    /// at all.
    offsets: Vec<u32>,
    copies: Vec<u32>,
}

impl Groups {
    fn copies(&self, group: u32) -> &[u32] {
        if self.offsets.is_empty() {
            return &[];
        }
        let group = group as usize;
        &self.copies[self.offsets[group] as usize..self.offsets[group + 1] as usize]
    }

    /// Rows of each group; `None` when every row is its own group.
    pub fn sizes(&self) -> Option<Vec<u32>> {
        let sizes = || self.offsets.windows(2).map(|pair| pair[1] - pair[0] + 1).collect();
        (!self.offsets.is_empty()).then(sizes)
    }

    /// Neighbours a representative may have besides the copies linked to it.
    pub fn room(&self, group: u32, degree: usize) -> usize {
        degree - self.copies(group).len().min(children(degree))
    }
}

/// Copies linked to one row of a group.
fn children(degree: usize) -> usize {
    (degree / 8).max(2)
}

fn hash(row: &[i8]) -> u64 {
    let mut state = 0u64;
    for chunk in row.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(chunk.map(|code| code as u8));
        state = (state.rotate_left(23) ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    mix(state, 0)
}

/// Finds the groups of identical rows.
pub(crate) fn group(rows: &Rows<'_>, control: &Control) -> Result<Groups, BuildError> {
    control.enter(Phase::Copies, rows.count as u64)?;
    let mut hashed = vec![(0u64, 0u32); rows.count];
    hashed.par_chunks_mut(TASK_ROWS).enumerate().try_for_each(|(task, hashed)| {
        control.check()?;
        for (index, slot) in hashed.iter_mut().enumerate() {
            let id = (task * TASK_ROWS + index) as u32;
            *slot = (hash(rows.row(id)), id);
        }
        control.advance(hashed.len() as u64);
        Ok(())
    })?;
    hashed.par_sort_unstable();
    control.check()?;
    if hashed.windows(2).all(|pair| pair[0].0 != pair[1].0) {
        let first = (0..rows.count as u32).collect();
        return Ok(Groups { first, offsets: Vec::new(), copies: Vec::new() });
    }
    // Equal hashes need not be equal rows: within a run of equal hashes the codes decide.
    for run in hashed.chunk_by_mut(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        control.check()?;
        let first = rows.row(run[0].1);
        if run.par_iter().any(|&(_, id)| rows.row(id) != first) {
            run.par_sort_unstable_by(|a, b| (rows.row(a.1), a.1).cmp(&(rows.row(b.1), b.1)));
        }
    }
    let mut groups: Vec<&[(u64, u32)]> =
        hashed.chunk_by(|a, b| a.0 == b.0 && rows.row(a.1) == rows.row(b.1)).collect();
    groups.par_sort_unstable_by_key(|group| group[0].1);
    let mut offsets = Vec::with_capacity(groups.len() + 1);
    offsets.push(0);
    let mut copies = Vec::with_capacity(rows.count - groups.len());
    for group in &groups {
        copies.extend(group[1..].iter().map(|&(_, id)| id));
        offsets.push(copies.len() as u32);
    }
    Ok(Groups { first: groups.iter().map(|group| group[0].1).collect(), offsets, copies })
}

/// The graph of all rows from the links of the representatives.
///
/// `group`: position of a representative to its group. Copies take the positions behind their representative.
pub(super) fn spread(
    groups: &Groups,
    group: &[u32],
    links: &Links,
    seeds: &[u32],
    degree: usize,
) -> FlatGraph {
    let count = groups.first.len() + groups.copies.len();
    let mut starts = Vec::with_capacity(group.len());
    let mut order = Vec::with_capacity(count);
    for &group in group {
        starts.push(order.len() as u32);
        order.push(groups.first[group as usize]);
        order.extend_from_slice(groups.copies(group));
    }
    let mut offsets = Vec::with_capacity(count + 1);
    offsets.push(0);
    let mut neighbors = Vec::with_capacity(links.edges() + groups.copies.len() * degree);
    for (position, &start) in starts.iter().enumerate() {
        let members = groups.copies(group[position]).len() + 1;
        for member in 0..members {
            let before = neighbors.len();
            let tree = tree_neighbors(member, members, children(degree));
            neighbors.extend(tree.map(|other| start + other as u32));
            let room = degree - (neighbors.len() - before);
            let shared = links.of(position).iter().take(room);
            neighbors.extend(shared.map(|&other| starts[other as usize]));
            offsets.push(neighbors.len() as u64);
        }
    }
    FlatGraph { order, offsets, neighbors, seeds: seeds.iter().map(|&seed| starts[seed as usize]).collect() }
}

/// Children and, for a copy, the parent of `member` in the tree of one group.
fn tree_neighbors(member: usize, members: usize, children: usize) -> impl Iterator<Item = usize> {
    let below: Range<usize> =
        (member * children + 1).min(members)..(member * children + children + 1).min(members);
    let above = member.checked_sub(1).map(|before| before / children);
    below.chain(above)
}
