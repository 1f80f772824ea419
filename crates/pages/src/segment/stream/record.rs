//! A row on its way through the sort.
//!
//! `list, hash, scale, own vector, 1-bit code | error, factors, TID`, where the part before the bar is that of a node:
//! rows with the same one are adjacent. Bits are their own code, which is there once.

use super::train::Batch;
use crate::format::segment::TidEntry;
use crate::plan::{NodePlan, OwnCode};
use crate::segment::encode::{EncodedNodes, Frame};

/// Bytes before the own vector.
const HEAD: usize = 12;
/// Bytes behind the code.
const TAIL: usize = 16;

/// Where things are in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    plan: NodePlan,
    own: usize,
    bits: usize,
}

impl Layout {
    /// For rows that are such nodes.
    pub fn of(plan: NodePlan) -> Self {
        let bits = if plan.own() == OwnCode::Bits { 0 } else { plan.code_bytes() };
        let own = if plan.own() == OwnCode::Sign { 0 } else { plan.own_bytes() };
        Self { plan, own, bits }
    }

    /// Puts a row of a batch into `out`.
    pub fn write(&self, batch: &Batch, row: usize, list: u32, out: &mut Vec<u8>) {
        let nodes = &batch.nodes;
        out.clear();
        out.extend(list.to_be_bytes());
        out.extend((batch.hashes[row] as u32).to_be_bytes());
        out.extend(nodes.scales[row].to_le_bytes());
        if self.own > 0 {
            out.extend(nodes.own_of(row));
        }
        if self.bits > 0 {
            out.extend(nodes.bits_of(row));
        }
        let ((add, mul), tid) = (nodes.factors[row], batch.tids[row]);
        out.extend(nodes.errors[row].to_le_bytes());
        out.extend(add.to_le_bytes());
        out.extend(mul.to_le_bytes());
        out.extend(tid.block.to_le_bytes());
        out.extend(tid.offset.to_le_bytes());
        out.extend(tid.flags.to_le_bytes());
    }

    /// Bytes of a record.
    pub fn bytes(&self) -> usize {
        self.node_end() + TAIL
    }

    fn node_end(&self) -> usize {
        HEAD + self.own + self.bits
    }

    /// Whether the two are rows of one node.
    pub fn is_same_node(&self, a: &[u8], b: &[u8]) -> bool {
        a[..self.node_end()] == b[..self.node_end()]
    }

    /// The list of a record.
    pub fn list(record: &[u8]) -> u32 {
        u32::from_be_bytes(array(record, 0))
    }

    /// Adds the record's node, without its code and rows.
    pub fn push_node(&self, record: &[u8], nodes: &mut EncodedNodes) {
        nodes.scales.push(f32::from_le_bytes(array(record, 8)));
        nodes.errors.push(self.error(record));
        nodes.own.extend_from_slice(&record[HEAD..HEAD + self.own]);
    }

    /// Adds the 1-bit code of the record's node.
    pub fn push_code(&self, record: &[u8], nodes: &mut EncodedNodes) {
        let code = if self.plan.own() == OwnCode::Bits { HEAD } else { HEAD + self.own };
        nodes.bits.extend_from_slice(&record[code..code + self.plan.code_bytes()]);
        let at = self.node_end() + 4;
        nodes
            .factors
            .push((u16::from_le_bytes(array(record, at)), u16::from_le_bytes(array(record, at + 2))));
    }

    /// The bound of what the record's codes lose.
    pub fn error(&self, record: &[u8]) -> f32 {
        f32::from_le_bytes(array(record, self.node_end()))
    }

    /// The record's row.
    pub fn tid(&self, record: &[u8]) -> TidEntry {
        let at = self.node_end() + TAIL - 8;
        TidEntry {
            block: u32::from_le_bytes(array(record, at)),
            offset: u16::from_le_bytes(array(record, at + 4)),
            flags: u16::from_le_bytes(array(record, at + 6)),
        }
    }

    /// No nodes, to which those of records can be added.
    pub fn empty(frame: &Frame) -> EncodedNodes {
        EncodedNodes { row_offsets: vec![0], byte_dim: 0, ..EncodedNodes::empty(frame) }
    }
}

fn array<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&record[at..at + N]);
    bytes
}
