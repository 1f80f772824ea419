//! A vector's own code of 16, 8, 4 or 2 bits per dimension, with what it lost.
//!
//! The value of a code is `scale * code` (`kernels::Coded` measures and decodes it). The bounds are of
//! the difference between the vector and the decoded code, so distances to the vector follow from those
//! to the code by the triangle inequality.

use half::f16;
use half::slice::HalfFloatSliceExt;
use kernels::Kernels;

pub use kernels::Encoding;

/// Coordinates handled at once on the stack.
const CHUNK: usize = 64;

/// Room for the factors of [`Steps`].
const FACTORS_MAX: usize = 10;

/// Codes of a few equal steps, as many on either side of zero.
struct Steps {
    bits: usize,
    /// The largest code.
    largest: f32,
    /// Steps tried, in units of the one that covers the largest coordinate: clipping a few large coordinates is worth
    /// a finer step for all others.
    factors: &'static [f32],
}

const I4: Steps =
    Steps { bits: 4, largest: 7.5, factors: &[1.0, 0.92, 0.84, 0.76, 0.69, 0.62, 0.55, 0.48, 0.4] };
const I2: Steps =
    Steps { bits: 2, largest: 1.5, factors: &[1.0, 0.84, 0.71, 0.62, 0.55, 0.5, 0.45, 0.4, 0.36, 0.32] };

/// What is kept with the bytes of a code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfCode {
    /// The value of a code of one. F16: a power of two.
    pub scale: f32,
    /// Upper bound of the Euclidean norm of what was lost.
    pub error: f32,
    /// Upper bound of the sum of the magnitudes of what was lost.
    pub error_l1: f32,
}

/// Bytes of a code of `dim` dimensions.
pub fn code_bytes(encoding: Encoding, dim: usize) -> usize {
    encoding.code_bytes(dim)
}

/// Writes the code of a finite vector and returns its scale and error bounds.
///
/// The bounds are computed from the decoded code, summed in f64 and rounded up. The zero vector is coded
/// exactly.
///
/// # Panics
/// If `out.len() != code_bytes(encoding, r.len())`.
pub fn encode(r: &[f32], encoding: Encoding, out: &mut [u8]) -> SelfCode {
    assert_eq!(out.len(), code_bytes(encoding, r.len()), "code of another dimension");
    let largest = Kernels::get().largest_magnitude(r);
    let scale = match encoding {
        Encoding::F16 => encode_f16(r, largest, out),
        Encoding::I8 => encode_i8(r, largest, out),
        Encoding::I4 => I4.encode(r, largest, out),
        Encoding::I2 => I2.encode(r, largest, out),
    };
    let (error, error_l1) = errors(r, encoding, scale, out);
    SelfCode { scale, error, error_l1 }
}

/// Bounds of the Euclidean norm and of the sum of magnitudes of `r` less the decoded code.
fn errors(r: &[f32], encoding: Encoding, scale: f32, code: &[u8]) -> (f32, f32) {
    let (squares, magnitudes) = Kernels::get().coded(encoding).lost(r, scale, code);
    (round_up(squares.sqrt() * SLACK), round_up(magnitudes * SLACK))
}

/// More than sums can lose whose terms are rounded to f32: each term is at most one part in 2^24 too small, and exact
/// where it is subnormal; the f64 sums lose far less than the other half of this.
pub(crate) const SLACK: f64 = 1.0 + 1.0 / 8_388_608.0;

/// The least f32 that is not below `x`.
pub(crate) fn round_up(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) < x { nearest.next_up() } else { nearest }
}

/// A power of two for which the largest coordinate is in 2^14..2^15: no overflow, and coordinates down
/// to 2^-28 of it keep all their bits.
fn encode_f16(r: &[f32], largest: f32, out: &mut [u8]) -> f32 {
    let exponent = if largest > 0.0 { f64::from(largest).log2().floor() - 14.0 } else { 0.0 };
    let scale = 2_f32.powi(exponent.clamp(-126.0, 126.0) as i32);
    let inverse = scale.recip();
    // The very largest floats would round up to 2^128: stop at the half below 2^15 for those.
    let limit = if exponent >= 113.0 { 32_752.0 } else { 65_504.0 };
    for (r, out) in r.chunks(CHUNK).zip(out.chunks_mut(2 * CHUNK)) {
        let (mut scaled, mut halves) = ([0.0; CHUNK], [f16::ZERO; CHUNK]);
        for (scaled, x) in scaled.iter_mut().zip(r) {
            *scaled = (x * inverse).clamp(-limit, limit);
        }
        halves[..r.len()].convert_from_f32_slice(&scaled[..r.len()]);
        for (out, half) in out.chunks_exact_mut(2).zip(halves) {
            out.copy_from_slice(&half.to_le_bytes());
        }
    }
    scale
}

/// The scale for which the largest coordinate has code `steps`; zero stays zero.
fn scale_for(largest: f32, steps: f32) -> f32 {
    if largest > 0.0 { usable_scale(largest / steps, steps) } else { 0.0 }
}

/// The nearest scale that is not subnormal (its inverse is finite) and for which the code `steps`
/// decodes to a finite number.
fn usable_scale(scale: f32, steps: f32) -> f32 {
    scale.clamp(f32::MIN_POSITIVE, (f32::MAX / steps).next_down())
}

fn encode_i8(r: &[f32], largest: f32, out: &mut [u8]) -> f32 {
    let scale = if largest > 0.0 { scale_for(largest, 127.0) } else { 1.0 };
    let inverse = scale.recip();
    let (product, square) = Kernels::get().code_i8(r, inverse, out);
    // Codes of what is tiny may all be zero.
    if square > 0.0 { fitted(product, square, inverse, 127.0) } else { scale }
}

/// The best scale for codes up to `steps`, by least squares: what is lost is at right angles to them. `product`: of the
/// codes with the vector times `inverse`.
fn fitted(product: f32, square: f32, inverse: f32, steps: f32) -> f32 {
    usable_scale((f64::from(product) / f64::from(square) / f64::from(inverse)) as f32, steps)
}

impl Steps {
    fn encode(&self, r: &[f32], largest: f32, out: &mut [u8]) -> f32 {
        if largest == 0.0 {
            // There is no code of zero; a scale of zero makes every code one.
            out.fill(0);
            return 0.0;
        }
        let kernels = Kernels::get();
        let covering = scale_for(largest, self.largest).recip();
        let (mut inverses, mut costs) = ([0.0; FACTORS_MAX], [0.0; FACTORS_MAX]);
        let count = self.factors.len();
        inverses.iter_mut().zip(self.factors).for_each(|(inverse, factor)| *inverse = covering / factor);
        kernels.step_costs(r, &inverses[..count], self.largest, &mut costs[..count]);
        let (mut least, mut inverse) = (f32::INFINITY, covering);
        for ((cost, factor), tried) in costs.iter().zip(self.factors).zip(inverses) {
            let cost = cost * factor * factor;
            if cost < least {
                (least, inverse) = (cost, tried);
            }
        }
        let (product, square) = match self.bits {
            4 => kernels.code_i4(r, inverse, out),
            _ => kernels.code_i2(r, inverse, out),
        };
        fitted(product, square, inverse, self.largest)
    }
}
