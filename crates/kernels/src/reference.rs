//! What every kernel computes, written for reading: one number at a time, in f64 where the kernels
//! round to f32.

use crate::{Encoding, Estimate};

/// Sum of `(a_i - b_i)^2`.
pub fn l2_squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Sum of `a_i * b_i`.
pub fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Sum of `|a_i - b_i|`.
pub fn l1(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// The `dim` codes of a row.
pub fn codes(encoding: Encoding, row: &[u8], dim: usize) -> Vec<f64> {
    let code = |i: usize| match encoding {
        Encoding::F16 => half::f16::from_le_bytes([row[2 * i], row[2 * i + 1]]).to_f64(),
        Encoding::I8 => f64::from(row[i] as i8),
        Encoding::I4 => f64::from(row[i / 2] >> (4 * (i % 2)) & 15) - 7.5,
        Encoding::I2 => f64::from(row[i / 4] >> (2 * (i % 4)) & 3) - 1.5,
    };
    (0..dim).map(code).collect()
}

/// The codes nearest to `r * inverse`.
pub fn nearest_codes(encoding: Encoding, r: &[f32], inverse: f32) -> Vec<f64> {
    let code = |&x: &f32| {
        let steps = f64::from(x) * f64::from(inverse);
        match encoding {
            Encoding::F16 => steps,
            Encoding::I8 => steps.round_ties_even().clamp(-127.0, 127.0),
            Encoding::I4 => (steps + 7.5).round_ties_even().clamp(0.0, 15.0) - 7.5,
            Encoding::I2 => (steps + 1.5).round_ties_even().clamp(0.0, 3.0) - 1.5,
        }
    };
    r.iter().map(code).collect()
}

/// Sums of the squares and of the magnitudes of `a_i - b_i`.
pub fn lost(a: &[f64], b: &[f64]) -> (f64, f64) {
    (l2_squared(a, b), l1(a, b))
}

/// Sum of `a_i * b_i`.
pub fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Number of bits that differ.
pub fn hamming(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
}

/// Number of bits set in both, and number of bits set in either.
pub fn jaccard_parts(a: &[u8], b: &[u8]) -> (u64, u64) {
    let pairs = || a.iter().zip(b);
    let both = pairs().map(|(a, b)| u64::from((a & b).count_ones())).sum();
    let either = pairs().map(|(a, b)| u64::from((a | b).count_ones())).sum();
    (both, either)
}

/// The sums of a FastScan.
pub fn fastscan(lut: &[u8], codes: &[u8], lanes: usize) -> [u32; 32] {
    let mut sums = [0; 32];
    for (tables, row) in lut.chunks_exact(32).zip(codes.chunks(lanes)) {
        for (sum, &byte) in sums.iter_mut().zip(row) {
            let (low, high) = (usize::from(byte & 15), usize::from(byte >> 4));
            *sum += u32::from(tables[low]) + u32::from(tables[16 + high]);
        }
    }
    sums
}

/// The estimate of one lane.
pub fn estimate(terms: &Estimate<'_>, lane: usize, sum: u32) -> f64 {
    let bf16 = |x: &[u8]| half::bf16::from_le_bytes([x[2 * lane], x[2 * lane + 1]]).to_f64();
    let product = f64::from(sum) * f64::from(terms.lut_scale) + f64::from(terms.lut_bias);
    bf16(terms.add) + f64::from(terms.base) - bf16(terms.mul) * product
}

/// Sum of `y_i * q_i`, `y_i` being 1/2 where the bit of the code is set and -1/2 elsewhere.
pub fn sign_product(code: &[u8], q: &[f32]) -> f64 {
    let sign = |i: usize| if code[i / 8] >> (i % 8) & 1 == 1 { 0.5 } else { -0.5 };
    q.iter().enumerate().map(|(i, &q)| sign(i) * f64::from(q)).sum()
}

/// The unnormalised Walsh-Hadamard transform: `out[i]` = sum of `(-1)^popcount(i & j) * x[j]`.
pub fn hadamard(x: &[f64]) -> Vec<f64> {
    let sign = |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..x.len()).map(|i| x.iter().enumerate().map(|(j, x)| sign(i, j) * x).sum()).collect()
}

/// The rotation: see [`crate::Kernels::rotate`].
pub fn rotate(x: &[f64], signs: &[u8]) -> Vec<f64> {
    let mut x = x.to_vec();
    let (dim, width) = (x.len(), 1 << x.len().ilog2());
    for (round, signs) in signs.chunks_exact(dim / 8).enumerate() {
        for (i, x) in x.iter_mut().enumerate() {
            *x *= if signs[i / 8] >> (i % 8) & 1 == 1 { -1.0 } else { 1.0 };
        }
        let start = if round % 2 == 0 { 0 } else { dim - width };
        let transformed = hadamard(&x[start..start + width]);
        for (x, y) in x[start..].iter_mut().zip(transformed) {
            *x = y / (width as f64).sqrt();
        }
        if width != dim {
            let half = dim / 2;
            for i in 0..half {
                let (a, b) = (x[i], x[i + half]);
                (x[i], x[i + half]) = ((a + b) / 2_f64.sqrt(), (a - b) / 2_f64.sqrt());
            }
        }
    }
    x
}
