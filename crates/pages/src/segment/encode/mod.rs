//! From a table's rows to the codes of a segment.
//!
//! Rows are loaded in chunks, dense ones placed, others as pages hold them; then, with the mean known, each chunk is
//! encoded and freed, so that both forms of all rows never exist at once. Rows whose stored form is the same share
//! one node: their real vectors may differ by less than the stored form can tell, which the node's error bound covers.

mod chunk;
mod collapse;
mod fill;
mod lists;
mod place;

use std::collections::TryReserveError;
use std::sync::atomic::Ordering;

use ann::Metric;
use ann::build::{BuildError, Control};
use quant::self_code;

use crate::format::pending::{Entries, PendingEntry};
use crate::format::segment::{TID_FIRST, TID_LAST, TidEntry};
use crate::plan::{NodePlan, OwnCode};
use crate::row::{Element, Row};
use crate::space::{Placement, Space};
use crate::tids::HeapTid;
pub use chunk::ByteCode;
use chunk::{Chunk, encode_chunks};
pub use collapse::code_hash;
use collapse::collapse;
pub use lists::{TRAINING_ROWS, encode_lists, train_lists};
pub use place::Purpose;

/// Rows of a chunk.
const CHUNK_ROWS: usize = 1024;

/// What rotating a row back and forth can move it by, in parts of its norm.
const RESTORED_ERROR: f32 = 2e-6;

/// Most int8 codes of a row of bits: of longer rows, a code is the number of set bits among neighboring ones.
const BIT_CODES_MAX: usize = 16_384;

/// Bits that share one int8 code.
fn bits_per_code(space: &Space) -> usize {
    space.padded_dim().div_ceil(BIT_CODES_MAX)
}

/// Int8 codes that the builder gets of a row; for inner products there may be 64 more.
pub fn byte_dim_min(space: &Space) -> usize {
    match space.element() {
        Element::Bit => space.padded_dim().div_ceil(bits_per_code(space)).next_multiple_of(64),
        Element::Float4 | Element::Float2 | Element::Sparse => space.padded_dim(),
    }
}

/// Rows of a segment in the making.
#[derive(Clone)]
pub struct Loader {
    chunks: Vec<Chunk>,
    tids: Vec<TidEntry>,
    unranked: Vec<TidEntry>,
    sums: Vec<f64>,
    /// Norms of placed rows.
    norm_range: (f64, f64),
    /// Largest norm of a row.
    norm_max: f64,
    scratch: Vec<f32>,
    varying_bytes: usize,
    /// By row: bounds of what was lost before it got here; shorter when the last rows have none.
    carried_errors: Vec<f32>,
    /// Sum of the squared norms of placed rows, about the origin.
    squares: f64,
    /// The centroid that is taken when it suits the rows.
    preferred: Option<Vec<f32>>,
    /// Whether rows are still as they came.
    is_unplaced: bool,
}

/// What the codes of a segment's rows are relative to.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The shape of the nodes.
    pub plan: NodePlan,
    /// The rows' mean or one near to it: [`Space::width`].
    pub centroid: Vec<f32>,
    /// How the int8 codes come about.
    pub byte_code: ByteCode,
    /// Dimensions of the int8 codes, a multiple of 64.
    pub byte_dim: usize,
}

/// Codes of all nodes, by input order, and the rows that each stands for.
#[derive(Clone)]
pub struct EncodedNodes {
    /// The shape of the nodes.
    pub plan: NodePlan,
    /// The rows' mean: [`Space::width`].
    pub centroid: Vec<f32>,
    /// Largest norm of a row (inner product), else 0.
    pub norm_max: f32,
    /// Own vectors: nodes x [`NodePlan::own_bytes`], or sparse vectors as pages hold them.
    pub own: Vec<u8>,
    /// Where each sparse vector ends in `own`; empty for others.
    pub own_ends: Vec<usize>,
    /// Own vector = scale * code.
    pub scales: Vec<f32>,
    /// Bounds of what the codes lose.
    pub errors: Vec<f32>,
    /// 1-bit codes: nodes x [`NodePlan::code_bytes`]; empty without estimates.
    pub bits: Vec<u8>,
    /// bf16 factors (add, mul) by node; empty without estimates.
    pub factors: Vec<(u16, u16)>,
    /// int8 codes for the builder: nodes x `byte_dim`.
    pub bytes: Vec<i8>,
    /// Dimensions of the int8 codes, a multiple of 64.
    pub byte_dim: usize,
    /// How the int8 codes came about.
    pub byte_code: ByteCode,
    /// Rows of node i: `row_tids[row_offsets[i]..row_offsets[i + 1]]`.
    pub row_offsets: Vec<u32>,
    /// Heap TIDs by node.
    pub row_tids: Vec<TidEntry>,
    /// Rows without a place in the order.
    pub unranked: Vec<TidEntry>,
    /// In a segment with lists: a node for each, whose rows are the nodes of this in their final order.
    pub lists: Option<Box<EncodedNodes>>,
}

impl EncodedNodes {
    /// No nodes, of this frame.
    pub fn empty(frame: &Frame) -> Self {
        Self {
            plan: frame.plan,
            centroid: frame.centroid.clone(),
            norm_max: 0.0,
            own: Vec::new(),
            own_ends: Vec::new(),
            scales: Vec::new(),
            errors: Vec::new(),
            bits: Vec::new(),
            factors: Vec::new(),
            bytes: Vec::new(),
            byte_dim: frame.byte_dim,
            byte_code: frame.byte_code,
            row_offsets: Vec::new(),
            row_tids: Vec::new(),
            unranked: Vec::new(),
            lists: None,
        }
    }

    /// The 1-bit code of a node.
    pub fn bits_of(&self, node: usize) -> &[u8] {
        &self.bits[node * self.plan.code_bytes()..][..self.plan.code_bytes()]
    }

    /// Number of nodes.
    pub fn count(&self) -> usize {
        self.scales.len()
    }

    /// What a node is measured by: its own vector, or its 1-bit code.
    pub fn own_of(&self, node: usize) -> &[u8] {
        match self.plan.own() {
            OwnCode::Elsewhere => {
                let start = if node == 0 { 0 } else { self.own_ends[node - 1] };
                &self.own[start..self.own_ends[node]]
            }
            OwnCode::Sign => self.bits_of(node),
            OwnCode::Residual(_) | OwnCode::Bits => {
                let bytes = self.plan.own_bytes();
                &self.own[node * bytes..][..bytes]
            }
        }
    }
}

impl Loader {
    /// An empty loader.
    pub fn new(space: &Space) -> Self {
        Self {
            chunks: Vec::new(),
            tids: Vec::new(),
            unranked: Vec::new(),
            sums: vec![0.0; space.width()],
            norm_range: (f64::INFINITY, 0.0),
            norm_max: 0.0,
            scratch: vec![0.0; space.width()],
            varying_bytes: 0,
            carried_errors: Vec::new(),
            squares: 0.0,
            preferred: None,
            is_unplaced: false,
        }
    }

    /// Rows without a place.
    pub fn of_unranked(space: &Space, unranked: Vec<TidEntry>) -> Self {
        Self { unranked, ..Self::new(space) }
    }

    /// Makes the rows be encoded about `centroid` ([`Space::width`]) unless their mean is far from it.
    pub fn prefer_centroid(&mut self, centroid: &[f32]) {
        self.preferred = Some(centroid.to_vec());
    }

    /// Rows loaded.
    pub fn rows(&self) -> usize {
        self.tids.len() + self.unranked.len()
    }

    /// Whether a row has a place in the order. All of them are placed.
    pub fn has_places(&self) -> bool {
        !self.tids.is_empty()
    }

    /// Takes the rows without a place out.
    pub fn take_unranked(&mut self) -> Vec<TidEntry> {
        std::mem::take(&mut self.unranked)
    }

    /// Bytes of loaded rows whose length varies.
    pub fn varying_bytes(&self) -> usize {
        self.varying_bytes
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn push(&mut self, space: &Space, row: Row<'_>, tid: HeapTid) -> Result<(), TryReserveError> {
        let entry = |flags| TidEntry { block: tid.block, offset: tid.offset, flags };
        let flags = match space.place(row, &mut self.scratch) {
            Placement::First => TID_FIRST,
            Placement::Last => TID_LAST,
            Placement::Ranked => 0,
        };
        if flags != 0 {
            return self.push_unranked(entry(flags));
        }
        let placed = std::mem::take(&mut self.scratch);
        let pushed = self.push_placed(space, row, &placed, 0.0, entry(0));
        self.scratch = placed;
        pushed
    }

    /// Adds a dense row that was read from an index: placed, and off by at most `error` in the metric's norm.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn push_decoded(
        &mut self,
        space: &Space,
        placed: &[f32],
        error: f32,
        tid: HeapTid,
    ) -> Result<(), TryReserveError> {
        let entry = TidEntry { block: tid.block, offset: tid.offset, flags: 0 };
        let norm = match space.metric() {
            Metric::L1 => placed.iter().map(|x| f64::from(x.abs())).sum(),
            _ => crate::space::norm(placed),
        };
        let error = error + norm as f32 * RESTORED_ERROR;
        self.push_placed(space, Row::Dense(placed), placed, error, entry)
    }

    /// Adds a row without a place in the order.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn push_unranked(&mut self, entry: TidEntry) -> Result<(), TryReserveError> {
        self.unranked.try_reserve(1)?;
        self.unranked.push(entry);
        Ok(())
    }

    fn push_placed(
        &mut self,
        space: &Space,
        row: Row<'_>,
        placed: &[f32],
        error: f32,
        entry: TidEntry,
    ) -> Result<(), TryReserveError> {
        self.push_to_chunk(space, row, placed)?;
        self.tids.push(entry);
        let norm = self.account(placed);
        if error > 0.0 {
            let rows = self.tids.len();
            self.carried_errors.try_reserve(rows - self.carried_errors.len())?;
            self.carried_errors.resize(rows - 1, 0.0);
            self.carried_errors.push(error);
        }
        self.norm_max = self.norm_max.max(match row {
            Row::Sparse(x) => x.norm(),
            Row::Dense(_) | Row::Bits(_) => norm + f64::from(error),
        });
        Ok(())
    }

    /// Makes room for a TID and keeps what it will be that of.
    fn push_to_chunk(&mut self, space: &Space, row: Row<'_>, dense: &[f32]) -> Result<(), TryReserveError> {
        self.tids.try_reserve(1)?;
        if self.tids.len() == self.chunks.len() * CHUNK_ROWS {
            self.chunks.push(Chunk::default());
        }
        if let Some(chunk) = self.chunks.last_mut() {
            self.varying_bytes += chunk.push(space, row, dense, self.tids.is_empty())?;
        }
        Ok(())
    }

    /// Counts a placed row in for the mean and for the range of norms; returns its norm.
    fn account(&mut self, placed: &[f32]) -> f64 {
        let mut square = 0.0;
        for (sum, &x) in self.sums.iter_mut().zip(placed) {
            *sum += f64::from(x);
            square += f64::from(x) * f64::from(x);
        }
        self.squares += square;
        let norm = square.sqrt();
        self.norm_range = (self.norm_range.0.min(norm), self.norm_range.1.max(norm));
        norm
    }

    /// What the rows' codes are relative to: their mean, or the preferred centroid when the mean is as near to it as
    /// chance and a tenth of the rows' spread explain.
    fn centroid(&self) -> Vec<f32> {
        let count = self.tids.len().max(1) as f64;
        let mean: Vec<f32> = self.sums.iter().map(|sum| (sum / count) as f32).collect();
        let Some(preferred) = &self.preferred else { return mean };
        let square = |x: &[f32]| x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        let variance = (self.squares / count - square(&mean)).max(0.0);
        let apart: Vec<f32> = mean.iter().zip(preferred).map(|(a, b)| a - b).collect();
        if square(&apart) <= variance * (0.01 + 4.0 / count) { preferred.clone() } else { mean }
    }

    /// What the codes of these rows, and of others like them, are to be relative to.
    pub fn frame(&self, space: &Space, plan: NodePlan) -> Frame {
        let is_inner_product = space.metric() == Metric::InnerProduct;
        let fill = if is_inner_product { fill::Fill::new(self.norm_range) } else { None };
        let byte_dim = byte_dim_min(space) + if fill.is_some() { fill::FILL_CODES } else { 0 };
        let centroid = self.centroid();
        let byte_code = ByteCode::of(space, plan, &self.chunks, (&centroid, &self.carried_errors), fill);
        Frame { plan, centroid, byte_code, byte_dim }
    }

    /// Encodes all rows; equal ones become one node. Runs in the caller's rayon pool.
    ///
    /// # Errors
    /// If `control` is cancelled.
    pub fn encode(
        self,
        space: &Space,
        plan: NodePlan,
        control: &Control,
    ) -> Result<EncodedNodes, BuildError> {
        let frame = self.frame(space, plan);
        let (mut nodes, tids) = self.encode_rows(space, &frame, control)?;
        collapse(&mut nodes, &tids);
        check_cancel(control)?;
        Ok(nodes)
    }

    /// The int8 codes of all rows. Runs in the caller's rayon pool.
    ///
    /// # Errors
    /// If `control` is cancelled.
    pub fn encode_bytes(
        self,
        space: &Space,
        frame: &Frame,
        control: &Control,
    ) -> Result<Vec<i8>, BuildError> {
        let count = self.tids.len();
        let mut errors = self.carried_errors;
        errors.resize(count, 0.0);
        let mut nodes = EncodedNodes {
            scales: vec![0.0; count],
            errors,
            bytes: vec![0; count * frame.byte_dim],
            ..EncodedNodes::empty(frame)
        };
        encode_chunks(space, self.chunks, control, &mut nodes);
        check_cancel(control)?;
        Ok(nodes.bytes)
    }

    /// Encodes each row as a node of its own, by input order; the rows of the nodes are apart. Runs in the caller's
    /// rayon pool.
    ///
    /// # Errors
    /// If `control` is cancelled.
    pub fn encode_rows(
        self,
        space: &Space,
        frame: &Frame,
        control: &Control,
    ) -> Result<(EncodedNodes, Vec<TidEntry>), BuildError> {
        let count = self.tids.len();
        let plan = frame.plan;
        let mut errors = self.carried_errors;
        errors.resize(count, 0.0);
        let is_inner_product = space.metric() == Metric::InnerProduct;
        let is_fixed = matches!(plan.own(), OwnCode::Residual(_));
        let mut nodes = EncodedNodes {
            norm_max: if is_inner_product { self.norm_max as f32 * 1.000_001 } else { 0.0 },
            own: vec![0; if is_fixed { count * plan.own_bytes() } else { 0 }],
            scales: vec![0.0; count],
            errors,
            bits: vec![0; if plan.is_inline() { count * plan.code_bytes() } else { 0 }],
            factors: vec![(0, 0); if plan.is_inline() { count } else { 0 }],
            bytes: vec![0; count * frame.byte_dim],
            unranked: self.unranked,
            ..EncodedNodes::empty(frame)
        };
        encode_chunks(space, self.chunks, control, &mut nodes);
        check_cancel(control)?;
        Ok((nodes, self.tids))
    }
}

fn check_cancel(control: &Control) -> Result<(), BuildError> {
    if control.cancel.load(Ordering::Relaxed) { Err(BuildError::Cancelled) } else { Ok(()) }
}

/// Encodes a residual; returns its scale and the bound of its error in the metric's norm.
fn encode_own(space: &Space, encoding: kernels::Encoding, residual: &[f32], own: &mut [u8]) -> (f32, f32) {
    let code = self_code::encode(residual, encoding, own);
    let error = if space.metric() == Metric::L1 { code.error_l1 } else { code.error };
    (code.scale, error)
}

/// A row as pending pages hold it: its entry and its own vector about the origin.
pub fn encode_pending(space: &Space, code: OwnCode, row: Row<'_>, tid: HeapTid) -> (PendingEntry, Vec<u8>) {
    let mut placed = vec![0.0; space.width()];
    let flags = match space.place(row, &mut placed) {
        Placement::First => TID_FIRST,
        Placement::Last => TID_LAST,
        Placement::Ranked => 0,
    };
    let mut entry = PendingEntry { block: tid.block, offset: tid.offset, flags, scale: 0.0, error: 0.0 };
    let mut own = Vec::new();
    match row {
        Row::Dense(_) => {
            own.resize(code.node_bytes(space.padded_dim()), 0);
            if let (0, OwnCode::Residual(encoding)) = (flags, code) {
                let mut residual = vec![0.0; space.padded_dim()];
                space.residual(&placed, &vec![0.0; space.width()], &mut residual);
                (entry.scale, entry.error) = encode_own(space, encoding, &residual, &mut own);
            }
        }
        Row::Bits(bits) => {
            own.extend(bits);
            own.resize(code.node_bytes(space.padded_dim()), 0);
        }
        Row::Sparse(x) if flags == 0 => {
            x.append_to(&mut own);
            if !Entries::Variable.can_hold(own.len()) {
                own.clear();
                entry.flags = TID_FIRST;
            }
        }
        Row::Sparse(_) => {}
    }
    debug_assert!(code.is_of(space.element()));
    (entry, own)
}

/// Whether rows of this element are loaded as pages hold them.
fn is_loaded_as_stored(element: Element) -> bool {
    matches!(element, Element::Bit | Element::Sparse)
}
