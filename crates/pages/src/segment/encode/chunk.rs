//! Chunks of rows, and their codes.

use std::collections::TryReserveError;

use ann::Metric;
use ann::build::Control;
use kernels::Kernels;
use quant::rabitq;
use rayon::prelude::*;
use zerocopy::IntoBytes;

use super::fill::Fill;
use super::{CHUNK_ROWS, EncodedNodes, bits_per_code, check_cancel, encode_own, is_loaded_as_stored};
use crate::plan::{NodePlan, OwnCode};
use crate::row::{Row, StoredSparse};
use crate::segment::sampled::Sampled;
use crate::space::{self, Space};

/// Rows whose residuals decide the scale of the builder's int8 codes.
const SCALE_SAMPLE_ROWS: usize = 4096;
/// The share of residual coordinates that int8 codes represent without clipping.
const SCALE_QUANTILE: f64 = 0.9995;
/// Room in the first chunk at first: the first rows may be all there are.
const FIRST_ROWS: usize = 16;
/// The builder's code of a bit that is set, in a row with the typical number of them (Jaccard).
const TYPICAL_BIT: f32 = 32.0;

/// Rows that were loaded together.
#[derive(Clone, Default)]
pub(super) struct Chunk {
    /// Dense rows, placed.
    floats: Vec<f32>,
    /// Other rows as pages hold them, one behind the other, and where each ends.
    stored: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    /// Adds a row; returns the bytes that it takes if lengths vary.
    pub(super) fn push(
        &mut self,
        space: &Space,
        row: Row<'_>,
        placed: &[f32],
        is_first: bool,
    ) -> Result<usize, TryReserveError> {
        let room = if is_first { FIRST_ROWS } else { CHUNK_ROWS };
        let start = self.stored.len();
        match row {
            Row::Dense(x) => {
                if self.floats.is_empty() {
                    self.floats.try_reserve_exact(room * x.len())?;
                }
                self.floats.try_reserve(x.len())?;
                self.floats.extend_from_slice(placed);
                return Ok(0);
            }
            Row::Bits(bits) => {
                let bytes = space.padded_dim() / 8;
                self.stored.try_reserve(bytes)?;
                self.stored.extend_from_slice(bits);
                self.stored.resize(start + bytes, 0);
            }
            Row::Sparse(x) => {
                self.stored.try_reserve(crate::row::sparse_bytes(x.indices.len()))?;
                x.append_to(&mut self.stored);
            }
        }
        self.ends.try_reserve(1)?;
        self.ends.push(self.stored.len());
        Ok(if matches!(row, Row::Sparse(_)) { self.stored.len() - start } else { 0 })
    }

    fn rows(&self, space: &Space) -> usize {
        if is_loaded_as_stored(space.element()) { self.ends.len() } else { self.floats.len() / space.dim() }
    }

    /// A dense row.
    pub(super) fn floats_of(&self, space: &Space, row: usize) -> &[f32] {
        &self.floats[row * space.dim()..][..space.dim()]
    }

    pub(super) fn floats_of_mut(&mut self, space: &Space, row: usize) -> &mut [f32] {
        &mut self.floats[row * space.dim()..][..space.dim()]
    }

    /// Keeps the first dense rows only.
    pub(super) fn truncate(&mut self, space: &Space, rows: usize) {
        self.floats.truncate(rows * space.dim());
    }

    fn stored(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.stored[start..self.ends[row]]
    }

    /// A row that is no bit string, placed.
    fn placed<'a>(&'a self, space: &Space, row: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        if !is_loaded_as_stored(space.element()) {
            return self.floats_of(space, row);
        }
        if let Some(stored) = StoredSparse::new(self.stored(row)) {
            space.place_stored(stored, scratch);
        }
        scratch
    }
}

/// How the builder's int8 codes come from residuals.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteCode {
    /// Code per unit of a residual; for bits see [`TYPICAL_BIT`].
    pub(super) scale: f32,
    /// Inner product with norms that differ: what the extra dimension holds.
    pub(super) fill: Option<Fill>,
}

impl ByteCode {
    /// A code that suits these rows. `lost`: by row, as far as known, what it has lost before.
    pub(super) fn of(
        space: &Space,
        plan: NodePlan,
        chunks: &[Chunk],
        (centroid, lost): (&[f32], &[f32]),
        fill: Option<Fill>,
    ) -> Self {
        let limit = fill.as_ref().map_or(f32::MAX, Fill::byte_scale_max);
        let scale = if plan.own() == OwnCode::Bits {
            typical_bits(chunks).sqrt() * TYPICAL_BIT
        } else {
            byte_scale(space, plan.own(), chunks, (centroid, lost)).min(limit)
        };
        Self { scale, fill }
    }

    /// The residual that a mean of codes stands for.
    pub fn residual(&self, mean: &[f32]) -> Vec<f32> {
        mean.iter().map(|value| value / self.scale).collect()
    }

    /// Writes the codes of a residual whose vector has this norm.
    fn write(&self, residual: &[f32], norm: impl FnOnce() -> f64, bytes: &mut [i8]) {
        let (codes, filled) = bytes.split_at_mut(residual.len());
        Kernels::get().code_i8(residual, self.scale, codes.as_mut_bytes());
        if let Some(fill) = &self.fill {
            fill.write(norm(), self.scale, filled);
        }
    }

    /// The codes of a placed vector as a query, in `bytes`. For inner products a query is as long as the longest row,
    /// so that nothing is left for the extra dimension; without that dimension a query is coded as a row is, and
    /// nothing is written.
    pub fn write_query(&self, space: &Space, placed: &[f32], centroid: &[f32], bytes: &mut [i8]) {
        let Some(fill) = &self.fill else { return };
        let norm = space::norm(placed);
        let scale = if norm > 0.0 { fill.norm_max / norm } else { 1.0 };
        let scaled: Vec<f32> = placed.iter().map(|&x| (f64::from(x) * scale) as f32).collect();
        let mut residual = vec![0.0; space.padded_dim()];
        space.residual(&scaled, centroid, &mut residual);
        self.write(&residual, || fill.norm_max, bytes);
    }
}

/// What encoding a chunk needs to know.
struct ChunkEncoder<'a> {
    space: &'a Space,
    plan: NodePlan,
    centroid: &'a [f32],
    code: ByteCode,
    /// Whether int8 codes are all that is wanted.
    is_only_bytes: bool,
    control: &'a Control,
}

/// Where the codes of a chunk's rows go.
struct ChunkRows<'a> {
    own: &'a mut [u8],
    bytes: &'a mut [i8],
    scales: &'a mut [f32],
    errors: &'a mut [f32],
    bits: &'a mut [u8],
    factors: &'a mut [(u16, u16)],
}

/// Encodes `chunks` into `nodes`, whose vectors have their final sizes, and whose errors are what rows have lost
/// already. Bits and sparse vectors become own vectors as they are.
pub(super) fn encode_chunks(space: &Space, chunks: Vec<Chunk>, control: &Control, nodes: &mut EncodedNodes) {
    let plan = nodes.plan;
    let centroid = &nodes.centroid;
    // Whoever wants no more gives no room for more.
    let is_only_bytes = nodes.bits.is_empty() && plan.is_inline();
    let encoder = ChunkEncoder { space, plan, centroid, code: nodes.byte_code, is_only_bytes, control };
    let mut own = nodes.own.chunks_mut((CHUNK_ROWS * plan.own_bytes()).max(1));
    let mut bytes = nodes.bytes.chunks_mut(CHUNK_ROWS * nodes.byte_dim);
    let mut scales = nodes.scales.chunks_mut(CHUNK_ROWS);
    let mut errors = nodes.errors.chunks_mut(CHUNK_ROWS);
    let mut bits = nodes.bits.chunks_mut(CHUNK_ROWS * plan.code_bytes());
    let mut factors = nodes.factors.chunks_mut(CHUNK_ROWS);
    let outs: Vec<(Chunk, ChunkRows<'_>)> = chunks
        .into_iter()
        .map(|chunk| {
            let out = ChunkRows {
                own: own.next().unwrap_or_default(),
                bytes: bytes.next().unwrap_or_default(),
                scales: scales.next().unwrap_or_default(),
                errors: errors.next().unwrap_or_default(),
                bits: bits.next().unwrap_or_default(),
                factors: factors.next().unwrap_or_default(),
            };
            (chunk, out)
        })
        .collect();
    let rest: Vec<Chunk> = outs.into_par_iter().map(|(chunk, out)| encoder.encode(chunk, out)).collect();
    nodes.own.reserve_exact(rest.iter().map(|chunk| chunk.stored.len()).sum());
    for chunk in rest {
        let start = nodes.own.len();
        nodes.own.extend(chunk.stored);
        if plan.own() == OwnCode::Elsewhere {
            nodes.own_ends.extend(chunk.ends.iter().map(|end| start + end));
        }
    }
}

impl ChunkEncoder<'_> {
    /// Encodes a chunk; returns it without what is not needed any more.
    fn encode(&self, chunk: Chunk, mut out: ChunkRows<'_>) -> Chunk {
        if check_cancel(self.control).is_err() {
            return Chunk::default();
        }
        let mut residual = vec![0.0; self.space.padded_dim()];
        for row in 0..chunk.rows(self.space) {
            match self.plan.own() {
                OwnCode::Bits => self.encode_bits(chunk.stored(row), &mut out, row),
                OwnCode::Elsewhere | OwnCode::Residual(_) | OwnCode::Sign => {
                    self.encode_residual(&chunk, &mut out, row, &mut residual);
                }
            }
        }
        Chunk { floats: Vec::new(), ..chunk }
    }

    fn encode_bits(&self, bits: &[u8], out: &mut ChunkRows<'_>, row: usize) {
        let byte_dim = out.bytes.len() / out.scales.len();
        let bytes = &mut out.bytes[row * byte_dim..][..byte_dim];
        let code = if self.space.metric() == Metric::Jaccard {
            let ones: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
            (self.code.scale / (ones.max(1) as f32).sqrt()).round().clamp(1.0, 127.0) as i8
        } else {
            1
        };
        let shared = bits_per_code(self.space);
        for at in (0..8 * bits.len()).filter(|at| bits[at / 8] >> (at % 8) & 1 == 1) {
            let byte = &mut bytes[at / shared];
            *byte = byte.saturating_add(code);
        }
        if self.plan.is_inline() && !self.is_only_bytes {
            let code_bytes = self.plan.code_bytes();
            out.bits[row * code_bytes..][..code_bytes].copy_from_slice(bits);
            out.factors[row] = rabitq::bit_factors();
        }
    }

    fn encode_residual(&self, chunk: &Chunk, out: &mut ChunkRows<'_>, row: usize, residual: &mut [f32]) {
        let byte_dim = out.bytes.len() / out.scales.len();
        let mut scratch = vec![0.0; self.space.width()];
        let placed = chunk.placed(self.space, row, &mut scratch);
        self.space.residual(placed, self.centroid, residual);
        let carried = out.errors[row];
        if !self.is_only_bytes {
            self.encode_codes(out, row, residual);
        }
        restore_length(self.plan.own(), residual, carried);
        let bytes = &mut out.bytes[row * byte_dim..][..byte_dim];
        self.code.write(residual, || space::norm(placed), bytes);
    }

    /// The own vector and the 1-bit code of a residual.
    fn encode_codes(&self, out: &mut ChunkRows<'_>, row: usize, residual: &[f32]) {
        let own_code = self.plan.own();
        let carried = out.errors[row];
        match own_code {
            OwnCode::Residual(encoding) => {
                let own_bytes = self.plan.own_bytes();
                let own = &mut out.own[row * own_bytes..][..own_bytes];
                (out.scales[row], out.errors[row]) = encode_own(self.space, encoding, residual, own);
            }
            OwnCode::Sign => {
                let code = rabitq::Reconstruction::of(residual);
                (out.scales[row], out.errors[row]) = (code.scale, code.error);
            }
            OwnCode::Bits | OwnCode::Elsewhere => out.errors[row] = 0.0,
        }
        // What was lost may have any direction; for rough codes it counts that it likely is at right angles to the
        // rest, so that a row's length, and with it the factors of its code, stay the same.
        out.errors[row] = if own_code.is_rough() {
            rabitq::with_lost(out.errors[row], carried)
        } else {
            out.errors[row] + carried
        };
        if self.plan.is_inline() {
            let code_bytes = self.plan.code_bytes();
            let mut encoded = rabitq::encode(residual, &mut out.bits[row * code_bytes..][..code_bytes]);
            if own_code.is_rough() {
                encoded = encoded.with_lost(carried);
            }
            out.factors[row] = factors(self.space, &encoded);
        }
    }
}

/// Makes the residual of a row that was read from a rough code longer, so that its products are without bias: the means
/// of such rows are those of the rows that they come from, and a query like one is as far from other rows' codes as a
/// query is.
fn restore_length(code: OwnCode, residual: &mut [f32], carried: f32) {
    if !code.is_rough() || carried == 0.0 {
        return;
    }
    let longer = rabitq::longer(space::norm(residual).powi(2), carried) as f32;
    residual.iter_mut().for_each(|x| *x *= longer);
}

/// The factors (add, mul) of a 1-bit code as pages hold them.
pub(super) fn factors(space: &Space, code: &rabitq::Factors) -> (u16, u16) {
    let add = if space.metric() == Metric::InnerProduct { 0.0 } else { code.norm2 };
    (rabitq::to_bf16(add), rabitq::to_bf16(code.rescale))
}

/// The scale at which int8 codes clip one coordinate in 2,000.
fn byte_scale(space: &Space, own: OwnCode, chunks: &[Chunk], (centroid, lost): (&[f32], &[f32])) -> f32 {
    let rows: usize = chunks.iter().map(|chunk| chunk.rows(space)).sum();
    let sampled = Sampled::new(rows.div_ceil(SCALE_SAMPLE_ROWS), 0);
    let (mut residual, mut scratch) = (vec![0.0; space.padded_dim()], vec![0.0; space.width()]);
    let mut sizes = Vec::new();
    for row in sampled.of(rows) {
        let placed = chunks[row / CHUNK_ROWS].placed(space, row % CHUNK_ROWS, &mut scratch);
        space.residual(placed, centroid, &mut residual);
        restore_length(own, &mut residual, lost.get(row).copied().unwrap_or(0.0));
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

/// The median number of bits that are set, of a sample of rows.
fn typical_bits(chunks: &[Chunk]) -> f32 {
    let rows: usize = chunks.iter().map(|chunk| chunk.ends.len()).sum();
    let sampled = Sampled::new(rows.div_ceil(SCALE_SAMPLE_ROWS), 0);
    let ones = |row: usize| {
        let bits = chunks[row / CHUNK_ROWS].stored(row % CHUNK_ROWS);
        bits.iter().map(|byte| byte.count_ones()).sum::<u32>()
    };
    let mut sample: Vec<u32> = sampled.of(rows).map(ones).collect();
    if sample.is_empty() {
        return 1.0;
    }
    let middle = sample.len() / 2;
    *sample.select_nth_unstable(middle).1 as f32
}
