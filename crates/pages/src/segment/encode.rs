//! From a table's rows to the codes of a segment.
//!
//! Rows are loaded as placed float4 vectors in chunks; then, with the mean known, each chunk is encoded and freed, so
//! that both forms of all rows never exist at once. Rows whose stored form is the same share one node: their real
//! vectors may differ by less than the stored form can tell, which the node's error bound covers.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, TryReserveError};
use std::hash::BuildHasherDefault;
use std::sync::atomic::Ordering;

use ann::build::{BuildError, Control};
use kernels::Encoding;
use quant::{rabitq, self_code};
use rayon::prelude::*;

use crate::format::segment::{TID_FIRST, TID_LAST, TidEntry};
use crate::plan::NodePlan;
use crate::space::{self, Placement, Space};
use crate::tids::HeapTid;

/// Rows of a chunk.
const CHUNK_ROWS: usize = 1024;
/// Rows whose residuals decide the scale of the builder's int8 codes.
const SCALE_SAMPLE_ROWS: usize = 4096;
/// The share of residual coordinates that int8 codes represent without clipping.
const SCALE_QUANTILE: f64 = 0.9995;
/// Relative spread of norms below which inner product and L2 order the same way, so that the builder needs no
/// extra dimension.
const NORM_SPREAD_MIN: f64 = 1e-3;

/// Rows of a segment in the making.
pub struct Loader {
    chunks: Vec<Vec<f32>>,
    tids: Vec<TidEntry>,
    unranked: Vec<TidEntry>,
    sums: Vec<f64>,
    norm_range: (f64, f64),
    scratch: Vec<f32>,
}

/// Codes of all nodes, by input order, and the rows that each stands for.
pub struct EncodedNodes {
    /// The shape of the nodes.
    pub plan: NodePlan,
    /// The rows' mean: dim.
    pub centroid: Vec<f32>,
    /// Largest norm of a row (inner product), else 0.
    pub norm_max: f32,
    /// Own vectors: nodes x [`NodePlan::own_bytes`].
    pub own: Vec<u8>,
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
    /// Rows of node i: `row_tids[row_offsets[i]..row_offsets[i + 1]]`.
    pub row_offsets: Vec<u32>,
    /// Heap TIDs by node.
    pub row_tids: Vec<TidEntry>,
    /// Rows without a place in the order.
    pub unranked: Vec<TidEntry>,
}

impl EncodedNodes {
    /// Number of nodes.
    pub fn count(&self) -> usize {
        self.scales.len()
    }

    /// The own code of a node.
    pub fn own_of(&self, node: usize) -> &[u8] {
        let bytes = self.plan.own_bytes();
        &self.own[node * bytes..][..bytes]
    }
}

impl Loader {
    /// An empty loader for rows of `dim` dimensions.
    pub fn new(dim: usize) -> Self {
        Self {
            chunks: Vec::new(),
            tids: Vec::new(),
            unranked: Vec::new(),
            sums: vec![0.0; dim],
            norm_range: (f64::INFINITY, 0.0),
            scratch: vec![0.0; dim],
        }
    }

    /// Rows loaded.
    pub fn rows(&self) -> usize {
        self.tids.len() + self.unranked.len()
    }

    /// Makes room for a row.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn reserve(&mut self, dim: usize) -> Result<(), TryReserveError> {
        self.tids.try_reserve(1)?;
        if self.tids.len().is_multiple_of(CHUNK_ROWS) && self.chunks.len() * CHUNK_ROWS <= self.tids.len() {
            let mut chunk = Vec::new();
            // The first rows may be all there are.
            chunk.try_reserve_exact(if self.tids.is_empty() { 16 } else { CHUNK_ROWS } * dim)?;
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// Adds a row, after [`Loader::reserve`].
    pub fn push(&mut self, space: &Space, x: &[f32], tid: HeapTid) {
        let entry = |flags| TidEntry { block: tid.block, offset: tid.offset, flags };
        match space.place(x, &mut self.scratch) {
            Placement::First => self.unranked.push(entry(TID_FIRST)),
            Placement::Last => self.unranked.push(entry(TID_LAST)),
            Placement::Ranked => {
                if let Some(chunk) = self.chunks.last_mut() {
                    chunk.extend_from_slice(&self.scratch);
                }
                self.tids.push(entry(0));
                let mut square = 0.0;
                for (sum, &x) in self.sums.iter_mut().zip(&self.scratch) {
                    *sum += f64::from(x);
                    square += f64::from(x) * f64::from(x);
                }
                let norm = square.sqrt();
                self.norm_range = (self.norm_range.0.min(norm), self.norm_range.1.max(norm));
            }
        }
    }

    /// Encodes all rows. Runs in the caller's rayon pool.
    ///
    /// # Errors
    /// If `control` is cancelled.
    pub fn encode(
        self,
        space: &Space,
        plan: NodePlan,
        control: &Control,
    ) -> Result<EncodedNodes, BuildError> {
        let count = self.tids.len();
        let centroid: Vec<f32> = self.sums.iter().map(|sum| (sum / count.max(1) as f64) as f32).collect();
        let augmented = space.metric() == ann::Metric::InnerProduct
            && self.norm_range.1 - self.norm_range.0 > NORM_SPREAD_MIN * self.norm_range.1;
        let byte_dim = space.padded_dim() + if augmented { FILL_CODES } else { 0 };
        let fill = augmented.then(|| Fill::new(self.norm_range));
        let byte_scale = byte_scale(space, &self.chunks, &centroid)
            .min(fill.as_ref().map_or(f32::MAX, Fill::byte_scale_max));
        let is_inner_product = space.metric() == ann::Metric::InnerProduct;
        let mut nodes = EncodedNodes {
            plan,
            norm_max: if is_inner_product { self.norm_range.1 as f32 * 1.000_001 } else { 0.0 },
            own: vec![0; count * plan.own_bytes()],
            scales: vec![0.0; count],
            errors: vec![0.0; count],
            bits: vec![0; if plan.is_inline() { count * plan.code_bytes() } else { 0 }],
            factors: vec![(0, 0); if plan.is_inline() { count } else { 0 }],
            bytes: vec![0; count * byte_dim],
            byte_dim,
            row_offsets: Vec::new(),
            row_tids: Vec::new(),
            unranked: self.unranked,
            centroid,
        };
        let encoder = ChunkEncoder { space, plan: &plan, byte_scale, fill, control };
        encode_chunks(&encoder, self.chunks, &mut nodes);
        check_cancel(control)?;
        collapse(&mut nodes, &self.tids);
        check_cancel(control)?;
        Ok(nodes)
    }
}

/// What encoding a chunk needs to know.
struct ChunkEncoder<'a> {
    space: &'a Space,
    plan: &'a NodePlan,
    byte_scale: f32,
    /// Inner product with norms that differ: what the extra dimension holds.
    fill: Option<Fill>,
    control: &'a Control,
}

fn check_cancel(control: &Control) -> Result<(), BuildError> {
    if control.cancel.load(Ordering::Relaxed) { Err(BuildError::Cancelled) } else { Ok(()) }
}

/// Coordinates that the extra dimension is spread over, because its values exceed one int8.
const FILL_CODES: usize = 64;

/// The extra dimension that gives all rows the same norm, so that L2 distances order them as inner products do.
struct Fill {
    norm_max: f64,
    /// Half of the range of its values: they are stored relative to the middle.
    middle: f64,
}

impl Fill {
    fn new((norm_min, norm_max): (f64, f64)) -> Self {
        let largest = (norm_max * norm_max - norm_min * norm_min).max(0.0).sqrt();
        Self { norm_max, middle: largest / 2.0 }
    }

    /// The largest scale of int8 codes at which no value is clipped.
    fn byte_scale_max(&self) -> f32 {
        (127.0 * (FILL_CODES as f64).sqrt() / self.middle.max(f64::MIN_POSITIVE)) as f32
    }

    /// Writes the value of a row with this norm as coordinates with the same squared length. Fractions become a
    /// pattern of neighboring integers.
    fn write(&self, norm: f64, byte_scale: f32, bytes: &mut [i8]) {
        let value = (self.norm_max * self.norm_max - norm * norm).max(0.0).sqrt() - self.middle;
        let total = value * f64::from(byte_scale) * (FILL_CODES as f64).sqrt();
        let each = (total / FILL_CODES as f64).floor();
        let ups = (total - each * FILL_CODES as f64).round() as usize;
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (each + f64::from(u8::from(at < ups))).clamp(-127.0, 127.0) as i8;
        }
    }
}

fn encode_chunks(encoder: &ChunkEncoder<'_>, chunks: Vec<Vec<f32>>, nodes: &mut EncodedNodes) {
    let plan = *encoder.plan;
    let centroid = &nodes.centroid;
    // Without estimates there are no codes to fill; chunks of at least one element keep the zip going.
    let own = nodes.own.par_chunks_mut(CHUNK_ROWS * plan.own_bytes());
    let bytes = nodes.bytes.par_chunks_mut(CHUNK_ROWS * nodes.byte_dim);
    let scales = nodes.scales.par_chunks_mut(CHUNK_ROWS);
    let errors = nodes.errors.par_chunks_mut(CHUNK_ROWS);
    let rows = chunks.into_par_iter().zip(own).zip(bytes).zip(scales).zip(errors);
    let own_of = |((((chunk, own), bytes), scales), errors)| ChunkOut { chunk, own, bytes, scales, errors };
    if plan.is_inline() {
        let bits = nodes.bits.par_chunks_mut(CHUNK_ROWS * plan.code_bytes());
        let factors = nodes.factors.par_chunks_mut(CHUNK_ROWS);
        rows.map(own_of)
            .zip(bits)
            .zip(factors)
            .for_each(|((out, bits), factors)| encoder.encode(centroid, out, Some((bits, factors))));
    } else {
        rows.map(own_of).for_each(|out| encoder.encode(centroid, out, None));
    }
}

/// Rows of one chunk and where their codes go.
struct ChunkOut<'a> {
    chunk: Vec<f32>,
    own: &'a mut [u8],
    bytes: &'a mut [i8],
    scales: &'a mut [f32],
    errors: &'a mut [f32],
}

type CodesOut<'a> = Option<(&'a mut [u8], &'a mut [(u16, u16)])>;

impl ChunkEncoder<'_> {
    fn encode(&self, centroid: &[f32], out: ChunkOut<'_>, mut codes: CodesOut<'_>) {
        if check_cancel(self.control).is_err() {
            return;
        }
        let padded = self.space.padded_dim();
        let byte_dim = out.bytes.len() / out.scales.len();
        let mut residual = vec![0.0; padded];
        for (row, placed) in out.chunk.chunks_exact(self.space.dim()).enumerate() {
            self.space.residual(placed, centroid, &mut residual);
            let own_bytes = self.plan.own_bytes();
            let own = &mut out.own[row * own_bytes..][..own_bytes];
            (out.scales[row], out.errors[row]) = encode_own(self.space, self.plan.encoding(), &residual, own);
            let bytes = &mut out.bytes[row * byte_dim..][..byte_dim];
            for (byte, &value) in bytes.iter_mut().zip(&residual) {
                *byte = (value * self.byte_scale).round().clamp(-127.0, 127.0) as i8;
            }
            if let Some(fill) = &self.fill {
                fill.write(space::norm(placed), self.byte_scale, &mut bytes[padded..]);
            }
            if let Some((bits, factors)) = &mut codes {
                let code_bytes = self.plan.code_bytes();
                let encoded = rabitq::encode(&residual, &mut bits[row * code_bytes..][..code_bytes]);
                factors[row] = self.factors(&encoded);
            }
        }
    }

    fn factors(&self, encoded: &rabitq::Factors) -> (u16, u16) {
        let add = if self.space.metric() == ann::Metric::InnerProduct { 0.0 } else { encoded.norm2 };
        (rabitq::to_bf16(add), rabitq::to_bf16(encoded.rescale))
    }
}

/// Encodes a residual; returns its scale and the bound of its error in the metric's norm.
pub fn encode_own(space: &Space, encoding: Encoding, residual: &[f32], own: &mut [u8]) -> (f32, f32) {
    let code = self_code::encode(residual, encoding, own);
    let error = if space.metric() == ann::Metric::L1 { code.error_l1 } else { code.error };
    (code.scale, error)
}

/// The scale at which int8 codes clip one coordinate in 2,000.
fn byte_scale(space: &Space, chunks: &[Vec<f32>], centroid: &[f32]) -> f32 {
    let dim = space.dim();
    let rows: usize = chunks.iter().map(|chunk| chunk.len() / dim).sum();
    let step = rows.div_ceil(SCALE_SAMPLE_ROWS).max(1);
    let mut residual = vec![0.0; space.padded_dim()];
    let mut sizes = Vec::new();
    for row in (0..rows).step_by(step) {
        let placed = &chunks[row / CHUNK_ROWS][row % CHUNK_ROWS * dim..][..dim];
        space.residual(placed, centroid, &mut residual);
        sizes.extend(residual.iter().map(|value| value.abs()));
    }
    if sizes.is_empty() {
        return 1.0;
    }
    let at = ((sizes.len() - 1) as f64 * SCALE_QUANTILE) as usize;
    let (_, quantile, rest) = sizes.select_nth_unstable_by(at, f32::total_cmp);
    let size = if *quantile > 0.0 { *quantile } else { rest.iter().copied().fold(0.0, f32::max) };
    let scale = 127.0 / size;
    if scale.is_finite() { scale } else { 1.0 }
}

/// Node by hash of its own code; a fixed hasher, so that builds are repeatable.
type Grouping = HashMap<u64, u32, BuildHasherDefault<std::hash::DefaultHasher>>;

/// Merges rows with equal own codes into one node each, keeping the order of their first rows.
fn collapse(nodes: &mut EncodedNodes, tids: &[TidEntry]) {
    let count = tids.len();
    let own_bytes = nodes.plan.own_bytes();
    let hashes: Vec<u64> = (0..count)
        .into_par_iter()
        .map(|row| code_hash(&nodes.own[row * own_bytes..][..own_bytes], nodes.scales[row]))
        .collect();
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
        keep(nodes, &firsts);
    }
}

fn new_node(firsts: &mut Vec<u32>, row: usize) -> u32 {
    firsts.push(row as u32);
    firsts.len() as u32 - 1
}

fn is_same(nodes: &EncodedNodes, a: usize, b: usize) -> bool {
    nodes.scales[a].to_bits() == nodes.scales[b].to_bits() && nodes.own_of(a) == nodes.own_of(b)
}

fn code_hash(code: &[u8], scale: f32) -> u64 {
    let mut hash = u64::from(scale.to_bits()) ^ 0x9E37_79B9_7F4A_7C15;
    for word in code.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        hash = (hash.rotate_left(5) ^ u64::from_ne_bytes(bytes)).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
    hash ^ hash >> 32
}

/// Keeps the codes of these rows only, in ascending order.
fn keep(nodes: &mut EncodedNodes, rows: &[u32]) {
    keep_rows(&mut nodes.own, nodes.plan.own_bytes(), rows);
    keep_rows(&mut nodes.scales, 1, rows);
    keep_rows(&mut nodes.errors, 1, rows);
    keep_rows(&mut nodes.bytes, nodes.byte_dim, rows);
    if nodes.plan.is_inline() {
        keep_rows(&mut nodes.bits, nodes.plan.code_bytes(), rows);
        keep_rows(&mut nodes.factors, 1, rows);
    }
}

fn keep_rows<T: Copy>(values: &mut Vec<T>, width: usize, rows: &[u32]) {
    for (to, &from) in rows.iter().enumerate() {
        let from = from as usize * width;
        values.copy_within(from..from + width, to * width);
    }
    values.truncate(rows.len() * width);
    values.shrink_to_fit();
}
