//! Rows with equal own vectors become one node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use rayon::prelude::*;

use super::EncodedNodes;
use crate::format::segment::TidEntry;
use crate::plan::OwnCode;

/// Node by hash of its own code; a fixed hasher, so that builds are repeatable.
type Grouping = HashMap<u64, u32, BuildHasherDefault<std::hash::DefaultHasher>>;

/// Merges rows with equal own codes into one node each, keeping the order of their first rows.
pub(super) fn collapse(nodes: &mut EncodedNodes, tids: &[TidEntry]) {
    let count = tids.len();
    let hashes: Vec<u64> =
        (0..count).into_par_iter().map(|row| code_hash(nodes.own_of(row), nodes.scales[row])).collect();
    let mut groups = Grouping::default();
    let mut node_of = vec![0u32; count];
    let mut firsts: Vec<u32> = Vec::with_capacity(count);
    for row in 0..count {
        let node = match groups.entry(hashes[row]) {
            Entry::Occupied(group) if is_same(nodes, firsts[*group.get() as usize] as usize, row) => {
                *group.get()
            }
            Entry::Occupied(_) => new_node(&mut firsts, row),
            Entry::Vacant(place) => *place.insert(new_node(&mut firsts, row)),
        };
        node_of[row] = node;
    }
    let mut offsets = vec![0u32; firsts.len() + 1];
    node_of.iter().for_each(|&node| offsets[node as usize + 1] += 1);
    (1..offsets.len()).for_each(|at| offsets[at] += offsets[at - 1]);
    let mut next = offsets.clone();
    let mut row_tids = vec![TidEntry { block: 0, offset: 0, flags: 0 }; count];
    for (row, &node) in node_of.iter().enumerate() {
        row_tids[next[node as usize] as usize] = tids[row];
        next[node as usize] += 1;
        let first = firsts[node as usize] as usize;
        nodes.errors[first] = nodes.errors[first].max(nodes.errors[row]);
    }
    (nodes.row_offsets, nodes.row_tids) = (offsets, row_tids);
    if firsts.len() < count {
        nodes.keep(&firsts);
    }
}

fn new_node(firsts: &mut Vec<u32>, row: usize) -> u32 {
    firsts.push(row as u32);
    firsts.len() as u32 - 1
}

fn is_same(nodes: &EncodedNodes, a: usize, b: usize) -> bool {
    nodes.scales[a].to_bits() == nodes.scales[b].to_bits() && nodes.own_of(a) == nodes.own_of(b)
}

/// A hash of a stored form: rows with equal ones are one node.
pub fn code_hash(code: &[u8], scale: f32) -> u64 {
    let mut hash = u64::from(scale.to_bits()) ^ 0x9E37_79B9_7F4A_7C15;
    for word in code.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        hash = (hash.rotate_left(5) ^ u64::from_ne_bytes(bytes)).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
    hash ^ hash >> 32
}

impl EncodedNodes {
    /// Adds nodes with own vectors of a fixed size, each a row, and without the builder's codes.
    pub fn append(&mut self, mut other: Self) {
        self.norm_max = self.norm_max.max(other.norm_max);
        self.own.append(&mut other.own);
        self.scales.append(&mut other.scales);
        self.errors.append(&mut other.errors);
        self.bits.append(&mut other.bits);
        self.factors.append(&mut other.factors);
    }

    /// Keeps the codes of these nodes only, in ascending order.
    pub fn keep(&mut self, nodes: &[u32]) {
        if self.plan.own() == OwnCode::Elsewhere {
            keep_sparse(self, nodes);
        } else {
            keep_rows(&mut self.own, self.plan.own_bytes(), nodes);
        }
        keep_rows(&mut self.scales, 1, nodes);
        keep_rows(&mut self.errors, 1, nodes);
        keep_rows(&mut self.bytes, self.byte_dim, nodes);
        keep_rows(&mut self.bits, self.plan.code_bytes(), nodes);
        keep_rows(&mut self.factors, 1, nodes);
    }
}

/// Keeps rows of a table that may be empty.
fn keep_rows<T: Copy>(values: &mut Vec<T>, width: usize, rows: &[u32]) {
    if values.is_empty() {
        return;
    }
    for (to, &from) in rows.iter().enumerate() {
        let from = from as usize * width;
        values.copy_within(from..from + width, to * width);
    }
    values.truncate(rows.len() * width);
    values.shrink_to_fit();
}

fn keep_sparse(nodes: &mut EncodedNodes, rows: &[u32]) {
    let mut end = 0;
    let ends = std::mem::take(&mut nodes.own_ends);
    for &row in rows {
        let row = row as usize;
        let start = if row == 0 { 0 } else { ends[row - 1] };
        nodes.own.copy_within(start..ends[row], end);
        end += ends[row] - start;
        nodes.own_ends.push(end);
    }
    nodes.own.truncate(end);
}
