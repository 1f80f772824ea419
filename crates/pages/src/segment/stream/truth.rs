//! The nearest rows of the calibration's queries, as batches pass by.

use super::train::{Batch, Trained};
use crate::plan::OwnCode;
use crate::segment::calibrate::Truth;
use crate::segment::encode::{EncodedNodes, code_hash};

/// A row that may be among the nearest of a query.
struct Candidate {
    distance: u32,
    hash: u64,
    list: u32,
    own: Vec<u8>,
    bits: Vec<u8>,
    scale: f32,
    error: f32,
    factors: (u16, u16),
}

impl Candidate {
    fn of(batch: &Batch, row: u32, distance: u32) -> Self {
        let (nodes, row) = (&batch.nodes, row as usize);
        let has_own = nodes.plan.own() != OwnCode::Sign;
        Self {
            distance,
            hash: batch.hashes[row],
            list: batch.lists[row],
            own: if has_own { nodes.own_of(row).to_vec() } else { Vec::new() },
            bits: nodes.bits_of(row).to_vec(),
            scale: nodes.scales[row],
            error: nodes.errors[row],
            factors: nodes.factors[row],
        }
    }

    /// Adds the row to nodes of its shape.
    fn push_to(&self, nodes: &mut EncodedNodes) {
        nodes.own.extend_from_slice(&self.own);
        nodes.bits.extend_from_slice(&self.bits);
        nodes.scales.push(self.scale);
        nodes.errors.push(self.error);
        nodes.factors.push(self.factors);
    }
}

/// What was seen so far, by query.
pub(super) struct Truths {
    candidates: usize,
    /// Of the queries' own stored forms: equal rows are the same node.
    hashes: Vec<u64>,
    /// Nearest first.
    best: Vec<Vec<Candidate>>,
}

impl Truths {
    pub fn new(trained: &Trained) -> Self {
        let nodes = &trained.query_nodes;
        let hash = |node| code_hash(nodes.own_of(node), nodes.scales[node]);
        Self {
            candidates: trained.candidates,
            hashes: (0..nodes.count()).map(hash).collect(),
            best: (0..nodes.count()).map(|_| Vec::new()).collect(),
        }
    }

    /// Takes the rows of a batch that are nearer than what there is.
    pub fn add(&mut self, batch: &Batch, trained: &Trained) {
        for (query, (near, best)) in batch.nearest.iter().zip(&mut self.best).enumerate() {
            let own = &self.hashes[query];
            for &(distance, row) in near {
                let hash = batch.hashes[row as usize];
                let at = best.partition_point(|candidate| candidate.distance <= distance);
                if at >= self.candidates {
                    break;
                }
                if hash == *own || best.iter().any(|candidate| candidate.hash == hash) {
                    continue;
                }
                best.truncate(self.candidates - 1);
                best.insert(at, Candidate::of(batch, row, distance));
            }
            if let Some(last) = best.get(self.candidates - 1) {
                trained.limit(query, last.distance);
            }
        }
    }

    /// The queries and their candidates as nodes, what is nearest to whom, and the list of each node.
    pub fn finish(self, trained: &Trained) -> (EncodedNodes, Vec<Truth>, Vec<u32>) {
        let mut nodes = trained.query_nodes.clone();
        let mut list_of = trained.query_lists.clone();
        let mut truth = Vec::with_capacity(self.best.len());
        for (query, best) in (0..).zip(self.best) {
            let first = nodes.count() as u32;
            for candidate in &best {
                candidate.push_to(&mut nodes);
                list_of.push(candidate.list);
            }
            truth.push(Truth { node: query, candidates: (first..first + best.len() as u32).collect() });
        }
        (nodes, truth, list_of)
    }
}
