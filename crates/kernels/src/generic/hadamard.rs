//! The Walsh-Hadamard transform, and the rotation made of it.
//!
//! Every tier does the same additions and multiplications in the same order, none of them fused, so
//! the results are the same bit for bit.

use crate::arch::Simd;
use std::f32::consts::FRAC_1_SQRT_2;

/// Rounds of the rotation; each has its own signs.
const ROUNDS: usize = 4;

/// The unnormalised Walsh-Hadamard transform in place; the length is a power of two.
#[inline(always)]
pub(crate) fn hadamard<S: Simd>(simd: S, x: &mut [f32]) {
    if x.len() >= 4 * S::LANES {
        passes(simd, x, None, None);
    } else if x.len() >= S::LANES {
        for block in x.chunks_exact_mut(S::LANES) {
            simd.store(within(simd, simd.load(block)), block);
        }
        if x.len() > S::LANES {
            pass2(simd, x, S::LANES, None);
        }
    } else {
        hadamard_short(x);
    }
}

/// The transform of the numbers with these signs, times `scale`, for four vectors of lanes or more.
///
/// Signs and scale are applied where numbers are in registers anyway.
#[inline(always)]
fn passes<S: Simd>(simd: S, x: &mut [f32], signs: Option<&[u8]>, scale: Option<S::F>) {
    let mut width = 4 * S::LANES;
    let last = if x.len() == width { scale } else { None };
    for (number, block) in x.chunks_exact_mut(4 * S::LANES).enumerate() {
        let (left, right) = block.split_at_mut(2 * S::LANES);
        let (a, b) = left.split_at_mut(S::LANES);
        let (c, d) = right.split_at_mut(S::LANES);
        // No closures over vectors: they would be compiled without the target features.
        let mut loaded = [simd.load(a), simd.load(b), simd.load(c), simd.load(d)];
        if let Some(signs) = signs {
            let signs = sign_bits(&signs[number * S::LANES / 2..][..S::LANES / 2]);
            for (at, v) in loaded.iter_mut().enumerate() {
                *v = simd.flip(*v, (signs >> (at * S::LANES)) as u32);
            }
        }
        let [u, v, w, x] = loaded;
        let parts = [within(simd, u), within(simd, v), within(simd, w), within(simd, x)];
        store4(simd, butterfly4(simd, parts), last, [a, b, c, d]);
    }
    while x.len() >= 4 * width {
        let last = if x.len() == 4 * width { scale } else { None };
        for block in x.chunks_exact_mut(4 * width) {
            pass4(simd, block, width, last);
        }
        width *= 4;
    }
    if x.len() > width {
        pass2(simd, x, width, scale);
    }
}

/// Up to 64 signs, the first the lowest bit.
#[inline(always)]
fn sign_bits(signs: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..signs.len()].copy_from_slice(signs);
    u64::from_le_bytes(bytes)
}

#[inline(always)]
fn hadamard_short(x: &mut [f32]) {
    let mut width = 1;
    while width < x.len() {
        for block in x.chunks_exact_mut(2 * width) {
            let (a, b) = block.split_at_mut(width);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        width *= 2;
    }
}

/// The transform of the lanes of one vector.
#[inline(always)]
fn within<S: Simd>(simd: S, v: S::F) -> S::F {
    // Lane i gets v[i ^ h] + v[i], or - v[i] when bit h of i is set.
    let v = simd.add(simd.exchange::<1>(v), simd.flip(v, 0xAAAA));
    let v = simd.add(simd.exchange::<2>(v), simd.flip(v, 0xCCCC));
    let v = if S::LANES > 4 { simd.add(simd.exchange::<4>(v), simd.flip(v, 0xF0F0)) } else { v };
    if S::LANES > 8 { simd.add(simd.exchange::<8>(v), simd.flip(v, 0xFF00)) } else { v }
}

/// Two levels at once.
#[inline(always)]
fn butterfly4<S: Simd>(simd: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 4] {
    let (a, b) = (simd.add(a, b), simd.sub(a, b));
    let (c, d) = (simd.add(c, d), simd.sub(c, d));
    [simd.add(a, c), simd.add(b, d), simd.sub(a, c), simd.sub(b, d)]
}

/// Two levels over a block of four parts of `width`.
#[inline(always)]
fn pass4<S: Simd>(simd: S, block: &mut [f32], width: usize, scale: Option<S::F>) {
    let (left, right) = block.split_at_mut(2 * width);
    let (a, b) = left.split_at_mut(width);
    let (c, d) = right.split_at_mut(width);
    let left = a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES));
    let right = c.chunks_exact_mut(S::LANES).zip(d.chunks_exact_mut(S::LANES));
    for ((a, b), (c, d)) in left.zip(right) {
        let sums = butterfly4(simd, [simd.load(a), simd.load(b), simd.load(c), simd.load(d)]);
        store4(simd, sums, scale, [a, b, c, d]);
    }
}

#[inline(always)]
fn store4<S: Simd>(simd: S, values: [S::F; 4], scale: Option<S::F>, to: [&mut [f32]; 4]) {
    for (value, to) in values.into_iter().zip(to) {
        store_scaled(simd, value, scale, to);
    }
}

#[inline(always)]
fn store_scaled<S: Simd>(simd: S, value: S::F, scale: Option<S::F>, to: &mut [f32]) {
    match scale {
        Some(scale) => simd.store(simd.mul(value, scale), to),
        None => simd.store(value, to),
    }
}

/// One level over two parts of `width`.
#[inline(always)]
fn pass2<S: Simd>(simd: S, x: &mut [f32], width: usize, scale: Option<S::F>) {
    let (a, b) = x.split_at_mut(width);
    for (a, b) in a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES)) {
        let (x, y) = (simd.load(a), simd.load(b));
        store_scaled(simd, simd.add(x, y), scale, a);
        store_scaled(simd, simd.sub(x, y), scale, b);
    }
}

/// The rotation of index-design C1: per round signs, an orthonormal transform of the first or the last
/// `2^floor(log2 dim)` coordinates, and a step by pi/4 between the halves.
///
/// `x.len()`: a multiple of 64; `signs`: 4 rounds of `dim / 8` bytes, bit i of byte j for coordinate
/// `8j + i`.
#[inline(always)]
pub(crate) fn rotate<S: Simd>(simd: S, x: &mut [f32], signs: &[u8]) {
    let part = transformed(x.len());
    for round in 0..ROUNDS {
        let signs = round_signs(signs, round);
        let start = if round.is_multiple_of(2) { 0 } else { x.len() - part };
        let (before, rest) = x.split_at_mut(start);
        let (middle, after) = rest.split_at_mut(part);
        flip(simd, before, &signs[..start / 8]);
        passes(simd, middle, Some(&signs[start / 8..][..part / 8]), Some(orthonormal(simd, part)));
        flip(simd, after, &signs[(start + part) / 8..]);
        mix_halves(simd, x);
    }
}

/// The inverse of [`rotate`]: each step is its own inverse.
#[inline(always)]
pub(crate) fn rotate_back<S: Simd>(simd: S, x: &mut [f32], signs: &[u8]) {
    let part = transformed(x.len());
    for round in (0..ROUNDS).rev() {
        mix_halves(simd, x);
        let start = if round.is_multiple_of(2) { 0 } else { x.len() - part };
        passes(simd, &mut x[start..][..part], None, Some(orthonormal(simd, part)));
        flip(simd, x, round_signs(signs, round));
    }
}

#[inline(always)]
fn round_signs(signs: &[u8], round: usize) -> &[u8] {
    let bytes = signs.len() / ROUNDS;
    &signs[round * bytes..][..bytes]
}

#[inline(always)]
fn flip<S: Simd>(simd: S, x: &mut [f32], signs: &[u8]) {
    for (x, signs) in x.chunks_exact_mut(64).zip(signs.chunks_exact(8)) {
        let signs = sign_bits(signs);
        for (index, x) in x.chunks_exact_mut(S::LANES).enumerate() {
            simd.store(simd.flip(simd.load(x), (signs >> (index * S::LANES)) as u32), x);
        }
    }
}

/// How many coordinates a round transforms: the first (even rounds) or last (odd) of so many, a power of two.
#[inline(always)]
fn transformed(dim: usize) -> usize {
    1 << dim.ilog2()
}

/// What makes the transform of so many coordinates orthonormal.
#[inline(always)]
fn orthonormal<S: Simd>(simd: S, width: usize) -> S::F {
    simd.splat((width as f32).sqrt().recip())
}

/// `(a, b) -> ((a + b) / sqrt 2, (a - b) / sqrt 2)` over the halves, unless the transform covers all.
#[inline(always)]
fn mix_halves<S: Simd>(simd: S, x: &mut [f32]) {
    if x.len().is_power_of_two() {
        return;
    }
    let scale = simd.splat(FRAC_1_SQRT_2);
    let (a, b) = x.split_at_mut(x.len() / 2);
    for (a, b) in a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES)) {
        let (x, y) = (simd.load(a), simd.load(b));
        simd.store(simd.mul(simd.add(x, y), scale), a);
        simd.store(simd.mul(simd.sub(x, y), scale), b);
    }
}
