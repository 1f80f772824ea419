//! A vector's own code of 16, 8, 4 or 2 bits per dimension, with what it lost.
//!
//! The value of a code is `scale * code` (`kernels::Coded` measures and decodes it). The bounds are of
//! the difference between the vector and the decoded code, so distances to the vector follow from those
//! to the code by the triangle inequality.

use half::f16;
use half::slice::HalfFloatSliceExt;
use kernels::Kernels;

pub use kernels::Encoding;

/// Coordinates handled at once on the stack; a multiple of 4, so that they fill whole bytes.
const CHUNK: usize = 64;

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
/// The bounds are computed in f64 from the decoded code and rounded up. The zero vector is coded
/// exactly.
///
/// # Panics
/// If `out.len() != code_bytes(encoding, r.len())`.
pub fn encode(r: &[f32], encoding: Encoding, out: &mut [u8]) -> SelfCode {
    assert_eq!(out.len(), code_bytes(encoding, r.len()), "code of another dimension");
    let largest = largest_magnitude(r);
    let scale = match encoding {
        Encoding::F16 => encode_f16(r, largest, out),
        Encoding::I8 => encode_i8(r, largest, out),
        Encoding::I4 => I4.encode(r, largest, out),
        Encoding::I2 => I2.encode(r, largest, out),
    };
    let (error, error_l1) = errors(r, encoding, scale, out);
    SelfCode { scale, error, error_l1 }
}

fn largest_magnitude(r: &[f32]) -> f32 {
    let mut largest = [0.0_f32; 16];
    for r in r.chunks(16) {
        for (largest, x) in largest.iter_mut().zip(r) {
            *largest = if x.abs() > *largest { x.abs() } else { *largest };
        }
    }
    largest.into_iter().fold(0.0, f32::max)
}

/// Bounds of the Euclidean norm and of the sum of magnitudes of `r` less the decoded code.
fn errors(r: &[f32], encoding: Encoding, scale: f32, code: &[u8]) -> (f32, f32) {
    let coded = Kernels::get().coded(encoding);
    let (mut squares, mut magnitudes) = ([0.0_f64; 4], [0.0_f64; 4]);
    for (r, code) in r.chunks(CHUNK).zip(code.chunks(code_bytes(encoding, CHUNK))) {
        let mut decoded = [0.0; CHUNK];
        coded.decode(code, scale, &mut decoded[..r.len()]);
        for (r, decoded) in r.chunks(4).zip(decoded.chunks(4)) {
            for (k, (&r, &decoded)) in r.iter().zip(decoded).enumerate() {
                let lost = f64::from(r) - f64::from(decoded);
                squares[k] += lost * lost;
                magnitudes[k] += lost.abs();
            }
        }
    }
    // Far more than the f64 sums can have lost themselves.
    const SLACK: f64 = 1.0 + 1e-10;
    let norm = squares.iter().sum::<f64>().sqrt() * SLACK;
    (round_up(norm), round_up(magnitudes.iter().sum::<f64>() * SLACK))
}

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

/// The nearest integer as an f32, ties to even, for magnitudes below 2^22. Adding and subtracting 1.5 *
/// 2^23 leaves no room for a fraction, and vectorises where a call of a rounding function would not.
#[inline(always)]
fn round(x: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    (x + NO_FRACTION) - NO_FRACTION
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
    let (mut products, mut squares) = ([0.0_f64; 4], [0.0_f64; 4]);
    for (r, out) in r.chunks(4).zip(out.chunks_mut(4)) {
        for (k, (&x, out)) in r.iter().zip(out).enumerate() {
            let code = round(x * inverse).clamp(-127.0, 127.0);
            *out = code as i32 as u8;
            products[k] += f64::from(x) * f64::from(code);
            squares[k] += f64::from(code) * f64::from(code);
        }
    }
    let square = squares.iter().sum();
    // Codes of what is tiny may all be zero.
    if square > 0.0 { fitted(products.iter().sum(), square, 127.0) } else { scale }
}

/// The best scale for codes up to `steps`, by least squares: what is lost is at right angles to them. `product`: of the
/// codes with the vector.
fn fitted(product: f64, square: f64, steps: f32) -> f32 {
    usable_scale((product / square) as f32, steps)
}

impl Steps {
    fn encode(&self, r: &[f32], largest: f32, out: &mut [u8]) -> f32 {
        if largest == 0.0 {
            // There is no code of zero; a scale of zero makes every code one.
            out.fill(0);
            return 0.0;
        }
        let inverse = scale_for(largest, self.largest).recip();
        let cost = |factor: f32| self.error(r, inverse / factor) * factor * factor;
        let best = self.factors.iter().map(|&factor| (cost(factor), factor));
        let (_, factor) =
            best.fold((f32::INFINITY, 1.0), |best, next| if next.0 < best.0 { next } else { best });
        let inverse = inverse / factor;
        let (mut product, mut squares) = (0.0_f64, 0.0_f64);
        for (group, out) in r.chunks(8 / self.bits).zip(out) {
            *out = 0;
            for (k, &x) in group.iter().enumerate() {
                let number = self.number(x, inverse);
                *out |= (number as i32 as u8) << (self.bits * k);
                let code = f64::from(number - self.largest);
                product += f64::from(x) * code;
                squares += code * code;
            }
        }
        fitted(product, squares, self.largest)
    }

    /// The number of the nearest code, as an f32.
    #[inline(always)]
    fn number(&self, x: f32, inverse: f32) -> f32 {
        round(x * inverse + self.largest).clamp(0.0, 2.0 * self.largest)
    }

    /// The squared error, in steps, of coding with steps of `1 / inverse`.
    #[inline(always)]
    fn error(&self, r: &[f32], inverse: f32) -> f32 {
        let mut sums = [0.0_f32; 8];
        let mut add = |chunk: &[f32]| {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                let lost = x * inverse + self.largest - self.number(x, inverse);
                *sum += lost * lost;
            }
        };
        let chunks = r.chunks_exact(8);
        let rest = chunks.remainder();
        chunks.for_each(&mut add);
        add(rest);
        sums.into_iter().sum()
    }
}
