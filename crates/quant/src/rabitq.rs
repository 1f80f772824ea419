//! One bit per dimension, with an unbiased estimator. (Gao and Long 2024, RaBitQ.)
//!
//! For the residual r of a vector (less the centroid, rotated) the code y has y_i = +1/2 where r_i > 0
//! and -1/2 elsewhere. With `rescale = 2|r|^2 / <y, r>`, `rescale * <y, v>` estimates `2 <r, v>` for any
//! v, without bias over the rotations, and
//!
//! ```text
//! |r - q'|^2  ~  base + f_add - rescale * <y, q'>      f_add = |r|^2, base = |q'|^2, q' the query's residual
//! ```
//!
//! For inner products the caller gives other values of `f_add` and `base`. We differ from the paper in
//! that the query is not quantised per coordinate: tables of sums of four coordinates are, with one
//! step for all of them ([`Lut`]), and up to 32 codes are estimated at once (`Kernels::fastscan`).

use kernels::Kernels;

use crate::self_code::{SLACK, round_up};

/// The numbers kept with a code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// `|r|^2`, at most the largest finite f32.
    pub norm2: f32,
    /// `2|r|^2 / <y, r>`; zero for a zero residual.
    pub rescale: f32,
}

/// Writes the code of a residual (bit i of byte j for coordinate 8j + i) and returns its factors,
/// which are finite for every finite residual.
///
/// # Panics
/// If `r.len() != 8 * code.len()`.
pub fn encode(r: &[f32], code: &mut [u8]) -> Factors {
    let (squares, total) = Kernels::get().sign_code(r, code);
    // Outside this range squares overflow, or too many of them vanish.
    let is_safe = (1e-30..1e37).contains(&squares);
    let (squares, total) = if is_safe { (f64::from(squares), f64::from(total)) } else { exact_sums(r) };
    // <y, r> is half the sum of the magnitudes.
    let rescale = if total > 0.0 { 4.0 * squares / total } else { 0.0 };
    Factors { norm2: saturate(squares), rescale: saturate(rescale) }
}

/// The vector that a code stands for, as long as it may be to be nearest to what was coded: each coordinate is `scale`
/// with the sign of the bit. What is lost is at right angles to it, so that it tells the length of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconstruction {
    /// The mean of the magnitudes.
    pub scale: f32,
    /// Length of what is lost, rounded up.
    pub error: f32,
}

impl Reconstruction {
    /// Of the code of `r`, which is finite.
    pub fn of(r: &[f32]) -> Self {
        let kernels = Kernels::get();
        let (_, total) = kernels.magnitudes_about(r, 0.0);
        let scale = (total / r.len().max(1) as f64) as f32;
        let (squares, _) = kernels.magnitudes_about(r, scale);
        Self { scale, error: round_up(squares.sqrt() * SLACK) }
    }

    /// Writes the vector.
    ///
    /// # Panics
    /// If `out.len() != 8 * code.len()`.
    pub fn decode(&self, code: &[u8], out: &mut [f32]) {
        assert_eq!(out.len(), 8 * code.len(), "code of another dimension");
        for (at, out) in out.iter_mut().enumerate() {
            *out = if code[at / 8] >> (at % 8) & 1 == 1 { self.scale } else { -self.scale };
        }
    }
}

/// How much longer than itself a vector of squared norm `square` has to be made for its products to be without bias,
/// when it lacks something of the length `lost` at right angles to it.
pub fn longer(square: f64, lost: f32) -> f64 {
    if square > 0.0 { 1.0 + f64::from(lost).powi(2) / square } else { 1.0 }
}

impl Factors {
    /// Those of a vector that lacked something of the length `lost`, at right angles to it, when it was coded.
    pub fn with_lost(self, lost: f32) -> Self {
        let square = f64::from(self.norm2);
        let rescale = f64::from(self.rescale) * longer(square, lost);
        Self { norm2: saturate(square + f64::from(lost).powi(2)), rescale: saturate(rescale) }
    }
}

/// The length of what is lost when to an `error` comes what had been `lost` before, at right angles to it; rounded up.
pub fn with_lost(error: f32, lost: f32) -> f32 {
    if lost == 0.0 { error } else { round_up(f64::from(error).hypot(f64::from(lost))) }
}

fn exact_sums(r: &[f32]) -> (f64, f64) {
    let r = || r.iter().map(|&x| f64::from(x));
    (r().map(|x| x * x).sum(), r().map(f64::abs).sum())
}

fn saturate(x: f64) -> f32 {
    x.min(f64::from(f32::MAX)) as f32
}

/// The nearest bfloat16, ties to even; values beyond the largest finite one, infinities included,
/// become it. NaN stays NaN.
pub fn to_bf16(x: f32) -> u16 {
    const LARGEST: u32 = 0x7f7f;
    let bits = x.to_bits();
    if x.is_nan() {
        return 0x7fc0;
    }
    let magnitude = bits & 0x7fff_ffff;
    let rounded = (magnitude + 0x7fff + ((magnitude >> 16) & 1)) >> 16;
    (rounded.min(LARGEST) | ((bits >> 16) & 0x8000)) as u16
}

/// The factors (add, mul), as bfloat16, of a code that is compared bit by bit.
pub fn bit_factors() -> (u16, u16) {
    (to_bf16(0.0), to_bf16(1.0))
}

/// The value of a bfloat16.
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Puts a code into a lane of a batch: `block[j * lanes + lane] = code[j]`.
///
/// # Panics
/// If `lane >= lanes` or `block` is shorter than `lanes * code.len()`.
pub fn place(block: &mut [u8], lanes: usize, lane: usize, code: &[u8]) {
    assert!(lane < lanes, "lane beyond the batch");
    assert!(block.len() >= lanes * code.len(), "batch of another dimension");
    for (row, &byte) in block.chunks_exact_mut(lanes).zip(code) {
        row[lane] = byte;
    }
}

/// Reads a code that [`place`] has put into a lane of a batch; as many bytes as `code` has.
///
/// # Panics
/// As that.
pub fn take(block: &[u8], lanes: usize, lane: usize, code: &mut [u8]) {
    assert!(lane < lanes, "lane beyond the batch");
    assert!(block.len() >= lanes * code.len(), "batch of another dimension");
    for (row, byte) in block.chunks_exact(lanes).zip(code) {
        *byte = row[lane];
    }
}

/// The look-up tables of a query: 16 sums of u8 for every 4 dimensions, one step for all.
///
/// `<y, q> = scale * sum + bias`, up to `scale / 2` per table, where `sum` is what `Kernels::fastscan`
/// finds for the code y.
#[derive(Clone, Debug, Default)]
pub struct Lut {
    tables: Vec<u8>,
    scale: f32,
    bias: f32,
}

impl Lut {
    /// Tables of no dimensions; `fill` makes them useful, and again without allocating.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills the tables for a query, rotated and less the centroid where the codes are.
    ///
    /// # Panics
    /// If the dimensions are not a multiple of 8.
    pub fn fill(&mut self, q: &[f32]) {
        self.tables.resize(4 * q.len(), 0);
        (self.scale, self.bias) = Kernels::get().fill_lut(q, &mut self.tables);
    }

    /// Fills the tables for a query of bits, so that a sum is the number of bits in which a code differs, and the
    /// estimate of a code with the factors [`bit_factors`] is that number.
    pub fn fill_bits(&mut self, q: &[u8]) {
        let nibbles = q.iter().flat_map(|&byte| [byte & 15, byte >> 4]);
        self.tables.clear();
        self.tables.extend(
            nibbles.flat_map(|nibble| (0..16_u8).map(move |entry| (entry ^ nibble).count_ones() as u8)),
        );
        // Estimates subtract the product.
        (self.scale, self.bias) = (-1.0, 0.0);
    }

    /// The tables, as `Kernels::fastscan` takes them: `4 * dim` bytes.
    pub fn tables(&self) -> &[u8] {
        &self.tables
    }

    /// Inner product per unit of a sum.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Inner product of a sum of zero.
    pub fn bias(&self) -> f32 {
        self.bias
    }
}
