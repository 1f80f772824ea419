//! Distances of many int8 rows to many int8 rows, in blocks.
//!
//! The columns are packed once into [`Panels`]: 16 rows side by side, so that one 64-byte load holds the same
//! few coordinates of 16 columns and every loaded byte is used for all rows of a tile.
//!
//! ```text
//! L2, group of 4 coordinates:   | col 0: 4 B | col 1: 4 B | ... | col 15: 4 B |          64 B
//! L1, group of 8 coordinates:   | col 0: 8 B | ... | col 7: 8 B || col 8 ... col 15 |   128 B
//! ```
//!
//! The portable product has its columns one behind the other instead.
//!
//! Packed bytes are biased by 128 (unsigned), because `vpdpbusd` multiplies unsigned by signed and `vpsadbw`
//! is unsigned. With `acc = sum (b + 128) a`, the squared distance is `|a|^2 + 256 sum(a) + |b|^2 - 2 acc`.
//! All results are exact integers, the same on every instruction set.

use std::sync::OnceLock;

pub use crate::block_select::{clear_nearer, least, smallest};

/// How two rows of int8 codes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Sum of squared differences.
    L2,
    /// Sum of absolute differences.
    L1,
}

/// Columns in one panel.
pub const PANEL: usize = 16;

/// Largest supported row length: the largest L2 distance still fits 31 bits.
pub const DIM_MAX: usize = 32_768;

/// Rows whose distances are in memory at once where the nearest is looked for.
const NEAREST_ROWS: usize = 24;

/// The value in places that belong to no column.
pub const NO_DISTANCE: u32 = u32::MAX;

/// One cache line of packed bytes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub(crate) [u8; 64]);

/// Instruction sets that have a block product of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Sse41,
    Portable,
}

/// The best tier of this processor; `PROXIMA_ISA` (tests) lowers it.
pub(crate) fn tier() -> Tier {
    static BEST: OnceLock<Tier> = OnceLock::new();
    *BEST.get_or_init(detect)
}

fn detect() -> Tier {
    let wanted = std::env::var("PROXIMA_ISA").unwrap_or_default();
    #[cfg(target_arch = "x86_64")]
    {
        let up_to = match wanted.as_str() {
            "scalar" => 0,
            "sse41" => 1,
            "avx2" => 2,
            _ => 3,
        };
        if up_to >= 3 && has_avx512() {
            return Tier::Avx512;
        }
        if up_to >= 2 && has_avx2() {
            return Tier::Avx2;
        }
        if up_to >= 1 && is_x86_feature_detected!("sse4.1") {
            return Tier::Sse41;
        }
    }
    let _ = wanted;
    Tier::Portable
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Rows packed as the columns of a block product. The buffers are kept between packings.
pub struct Panels {
    pub(crate) space: Space,
    pub(crate) dim: usize,
    pub(crate) count: usize,
    pub(crate) lines: Vec<Line>,
    /// Sum of squares of each column; in padding, of the column that is there.
    pub(crate) norms: Vec<u32>,
    tier: Tier,
}

impl Panels {
    /// Empty panels for rows of `dim` codes.
    ///
    /// # Panics
    /// If `dim` is zero, not a multiple of 64, or above [`DIM_MAX`].
    pub fn new(space: Space, dim: usize) -> Self {
        Self::with_tier(space, dim, tier())
    }

    /// The caller proves that the processor has `tier`.
    pub(crate) fn with_tier(space: Space, dim: usize, tier: Tier) -> Self {
        assert!(dim > 0 && dim.is_multiple_of(64) && dim <= DIM_MAX, "row length {dim}");
        Self { space, dim, count: 0, lines: Vec::new(), norms: Vec::new(), tier }
    }

    /// Number of columns.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of columns with padding: the row length of the output of [`Panels::distances`].
    pub fn stride(&self) -> usize {
        self.count.next_multiple_of(PANEL)
    }

    /// Makes the rows `ids` of `codes` (row-major, `dim` each) the columns.
    ///
    /// # Panics
    /// If an id is not a row of `codes`.
    pub fn pack(&mut self, codes: &[i8], ids: &[u32]) {
        self.count = ids.len();
        let stride = self.stride();
        let lines = stride / PANEL * self.dim / 4;
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 64]));
        }
        self.norms.clear();
        self.norms.resize(stride, 0);
        for (panel, ids) in ids.chunks(PANEL).enumerate() {
            let rows = PanelRows::new(codes, ids, self.dim);
            self.pack_panel(panel, &rows);
        }
    }

    fn pack_panel(&mut self, panel: usize, rows: &PanelRows<'_>) {
        let lines = &mut self.lines[panel * self.dim / 4..(panel + 1) * self.dim / 4];
        let norms = &mut self.norms[panel * PANEL..(panel + 1) * PANEL];
        match self.tier {
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => crate::block_x86::pack_avx512(self.space, rows, lines, norms),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => crate::block_x86::pack_avx2(self.space, rows, lines, norms),
            #[cfg(target_arch = "x86_64")]
            Tier::Sse41 => pack_plain(rows, lines, norms),
            Tier::Portable => pack_plain(rows, lines, norms),
        }
    }

    /// Distances from the rows `ids` of `codes` to every column.
    ///
    /// `out`: `ids.len()` x `stride()`, row-major; padding becomes [`NO_DISTANCE`].
    ///
    /// # Panics
    /// If an id is not a row of `codes`, or `out` is too short.
    pub fn distances(&self, codes: &[i8], ids: &[u32], out: &mut [u32]) {
        let stride = self.stride();
        let out = &mut out[..ids.len() * stride];
        if out.is_empty() {
            return;
        }
        match self.tier {
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => crate::block_x86::distances_avx512(self, codes, ids, out),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => crate::block_x86::distances_avx2(self, codes, ids, out),
            #[cfg(target_arch = "x86_64")]
            Tier::Sse41 => crate::block_x86::distances_sse41(self, codes, ids, out),
            Tier::Portable => distances_portable(self, codes, ids, out),
        }
        if stride > self.count {
            for row in out.chunks_exact_mut(stride) {
                row[self.count..].fill(NO_DISTANCE);
            }
        }
    }
}

/// A row and what its L2 distances have in common, which is computed once for all panels that it meets.
#[derive(Clone, Copy, Debug)]
pub struct RowTerm {
    /// Number of the row.
    pub(crate) id: u32,
    pub(crate) term: u32,
}

/// The rows `ids` of `codes`, which is row-major with `dim` codes each.
///
/// # Panics
/// If an id is not a row of `codes`.
pub fn row_terms(codes: &[i8], dim: usize, ids: &[u32]) -> Vec<RowTerm> {
    row_terms_with(tier(), codes, dim, ids)
}

/// The caller proves that the processor has `tier`. Only AVX-512 needs terms.
pub(crate) fn row_terms_with(tier: Tier, codes: &[i8], dim: usize, ids: &[u32]) -> Vec<RowTerm> {
    let mut rows: Vec<RowTerm> = ids.iter().map(|&id| RowTerm { id, term: 0 }).collect();
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => crate::block_x86::nearest::terms_avx512(codes, dim, &mut rows),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 | Tier::Sse41 => {}
        Tier::Portable => {}
    }
    rows
}

impl Panels {
    /// The nearest column of each of `rows` of `codes`, as `squared distance << 32 | column`; of equally near ones the
    /// first. `u64::MAX` without columns.
    ///
    /// # Panics
    /// If the space is not L2, a row is not in `codes`, or `out` does not have one value for each.
    pub fn nearest(&self, codes: &[i8], rows: &[RowTerm], out: &mut [u64]) {
        assert!(self.space == Space::L2 && rows.len() == out.len(), "one L2 distance for each row");
        if self.count == 0 {
            return out.fill(u64::MAX);
        }
        #[cfg(target_arch = "x86_64")]
        if self.tier == Tier::Avx512 {
            return crate::block_x86::nearest::nearest_avx512(self, codes, rows, out);
        }
        let mut distances = vec![0; NEAREST_ROWS * self.stride()];
        for (rows, out) in rows.chunks(NEAREST_ROWS).zip(out.chunks_mut(NEAREST_ROWS)) {
            let mut ids = [0; NEAREST_ROWS];
            ids.iter_mut().zip(rows).for_each(|(id, row)| *id = row.id);
            self.distances(codes, &ids[..rows.len()], &mut distances);
            for (out, distances) in out.iter_mut().zip(distances.chunks_exact(self.stride())) {
                *out = crate::block_select::least_with(self.tier, distances);
            }
        }
    }
}

/// Starts to bring `values` into the cache; nothing on processors without an instruction for it.
#[inline]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    crate::block_x86::prefetch(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Row `id` of `codes`.
#[inline(always)]
pub(crate) fn row(codes: &[i8], id: u32, dim: usize) -> &[i8] {
    &codes[id as usize * dim..][..dim]
}

/// The rows of one panel; a panel that is not full repeats its first row.
pub(crate) struct PanelRows<'a> {
    pub(crate) rows: [&'a [i8]; PANEL],
}

impl<'a> PanelRows<'a> {
    fn new(codes: &'a [i8], ids: &[u32], dim: usize) -> Self {
        let mut rows = [row(codes, ids[0], dim); PANEL];
        for (slot, &id) in rows.iter_mut().zip(ids) {
            *slot = row(codes, id, dim);
        }
        Self { rows }
    }
}

#[inline(always)]
pub(crate) fn sum_of_squares(row: &[i8]) -> u32 {
    row.iter().map(|&x| (i32::from(x) * i32::from(x)) as u32).sum()
}

#[inline(always)]
pub(crate) fn sum(row: &[i8]) -> i32 {
    row.iter().map(|&x| i32::from(x)).sum()
}

/// The part of an L2 distance that depends on the left row only, modulo 2^32.
#[inline(always)]
pub(crate) fn row_term(row: &[i8]) -> u32 {
    sum_of_squares(row).wrapping_add((sum(row) as u32).wrapping_mul(256))
}

/// Packs one panel, one group of coordinates after the other.
#[inline(always)]
pub(crate) fn pack_panel(space: Space, panel: &PanelRows<'_>, lines: &mut [Line], norms: &mut [u32]) {
    let width = match space {
        Space::L2 => 4,
        Space::L1 => 8,
    };
    for (column, row) in panel.rows.iter().enumerate() {
        for (group, codes) in row.chunks_exact(width).enumerate() {
            let at = (group * PANEL + column) * width;
            let target = &mut lines[at / 64].0[at % 64..][..width];
            for (byte, &code) in target.iter_mut().zip(codes) {
                *byte = (code as u8) ^ 0x80;
            }
        }
    }
    for (norm, row) in norms.iter_mut().zip(panel.rows) {
        *norm = sum_of_squares(row);
    }
}

/// Packs one panel for [`distances_portable`]: rows one behind the other, biased as elsewhere.
fn pack_plain(panel: &PanelRows<'_>, lines: &mut [Line], norms: &mut [u32]) {
    for (row, lines) in panel.rows.iter().zip(lines.chunks_exact_mut(panel.rows[0].len() / 64)) {
        for (line, codes) in lines.iter_mut().zip(row.as_chunks::<64>().0) {
            line.0 = codes.map(|code| (code as u8) ^ 0x80);
        }
    }
    for (norm, row) in norms.iter_mut().zip(panel.rows) {
        *norm = sum_of_squares(row);
    }
}

/// The block product written for any processor: plain loops over whole rows, which compilers turn into
/// vectors.
fn distances_portable(panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32]) {
    let stride = panels.stride();
    for (&id, out) in ids.iter().zip(out.chunks_exact_mut(stride)) {
        let row = row(codes, id, panels.dim);
        let square = sum_of_squares(row);
        let columns = panels.lines.chunks_exact(panels.dim / 64);
        for ((out, &norm), column) in out.iter_mut().zip(&panels.norms).zip(columns) {
            *out = match panels.space {
                Space::L2 => (square + norm).wrapping_add_signed(-2 * dot(row, column)),
                Space::L1 => sum_of_differences(row, column),
            };
        }
    }
}

fn dot(row: &[i8], column: &[Line]) -> i32 {
    let mut sum = 0;
    for (codes, line) in row.as_chunks::<64>().0.iter().zip(column) {
        // Through 16 bits and signed on both sides: the pattern of a multiply-add instruction.
        let wide = codes.iter().zip(&line.0).map(|(&a, &b)| (i16::from(a), i16::from((b ^ 0x80) as i8)));
        sum += wide.map(|(a, b)| i32::from(a) * i32::from(b)).sum::<i32>();
    }
    sum
}

#[inline(always)]
pub(crate) fn sum_of_differences(row: &[i8], column: &[Line]) -> u32 {
    let mut sum = 0;
    for (codes, line) in row.as_chunks::<64>().0.iter().zip(column) {
        let differences = codes.iter().zip(&line.0).map(|(&a, &b)| u32::from(((a as u8) ^ 0x80).abs_diff(b)));
        sum += differences.sum::<u32>();
    }
    sum
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
