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
    if x.len() < S::LANES {
        return hadamard_short(x);
    }
    let mut width = if x.len() >= 4 * S::LANES {
        for block in x.chunks_exact_mut(4 * S::LANES) {
            let (left, right) = block.split_at_mut(2 * S::LANES);
            let (a, b) = left.split_at_mut(S::LANES);
            let (c, d) = right.split_at_mut(S::LANES);
            // No closures over vectors: they would be compiled without the target features.
            let (u, v) = (within(simd, simd.load(a)), within(simd, simd.load(b)));
            let (w, x) = (within(simd, simd.load(c)), within(simd, simd.load(d)));
            store4(simd, butterfly4(simd, [u, v, w, x]), [a, b, c, d]);
        }
        4 * S::LANES
    } else {
        for block in x.chunks_exact_mut(S::LANES) {
            simd.store(within(simd, simd.load(block)), block);
        }
        S::LANES
    };
    while x.len() >= 4 * width {
        for block in x.chunks_exact_mut(4 * width) {
            pass4(simd, block, width);
        }
        width *= 4;
    }
    if x.len() > width {
        pass2(simd, x, width);
    }
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
fn pass4<S: Simd>(simd: S, block: &mut [f32], width: usize) {
    let (left, right) = block.split_at_mut(2 * width);
    let (a, b) = left.split_at_mut(width);
    let (c, d) = right.split_at_mut(width);
    let left = a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES));
    let right = c.chunks_exact_mut(S::LANES).zip(d.chunks_exact_mut(S::LANES));
    for ((a, b), (c, d)) in left.zip(right) {
        let sums = butterfly4(simd, [simd.load(a), simd.load(b), simd.load(c), simd.load(d)]);
        store4(simd, sums, [a, b, c, d]);
    }
}

#[inline(always)]
fn store4<S: Simd>(simd: S, values: [S::F; 4], [a, b, c, d]: [&mut [f32]; 4]) {
    simd.store(values[0], a);
    simd.store(values[1], b);
    simd.store(values[2], c);
    simd.store(values[3], d);
}

/// One level over two parts of `width`.
#[inline(always)]
fn pass2<S: Simd>(simd: S, x: &mut [f32], width: usize) {
    let (a, b) = x.split_at_mut(width);
    for (a, b) in a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES)) {
        let (x, y) = (simd.load(a), simd.load(b));
        simd.store(simd.add(x, y), a);
        simd.store(simd.sub(x, y), b);
    }
}

/// The rotation of index-design C1: per round signs, an orthonormal transform of the first or the last
/// `2^floor(log2 dim)` coordinates, and a step by pi/4 between the halves.
///
/// `x.len()`: a multiple of 64; `signs`: 4 rounds of `dim / 8` bytes, bit i of byte j for coordinate
/// `8j + i`.
#[inline(always)]
pub(crate) fn rotate<S: Simd>(simd: S, x: &mut [f32], signs: &[u8]) {
    for round in 0..ROUNDS {
        flip(simd, x, round_signs(signs, round));
        transform(simd, x, round);
        mix_halves(simd, x);
    }
}

/// The inverse of [`rotate`]: each step is its own inverse.
#[inline(always)]
pub(crate) fn rotate_back<S: Simd>(simd: S, x: &mut [f32], signs: &[u8]) {
    for round in (0..ROUNDS).rev() {
        mix_halves(simd, x);
        transform(simd, x, round);
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
    for (x, signs) in x.chunks_exact_mut(16).zip(signs.chunks_exact(2)) {
        let signs = u32::from(u16::from_le_bytes([signs[0], signs[1]]));
        for (index, x) in x.chunks_exact_mut(S::LANES).enumerate() {
            simd.store(simd.flip(simd.load(x), signs >> (index * S::LANES)), x);
        }
    }
}

/// The orthonormal transform of the first (even rounds) or last (odd) power of two coordinates.
#[inline(always)]
fn transform<S: Simd>(simd: S, x: &mut [f32], round: usize) {
    let width = 1 << x.len().ilog2();
    let start = if round.is_multiple_of(2) { 0 } else { x.len() - width };
    let part = &mut x[start..][..width];
    hadamard(simd, part);
    let scale = simd.splat((width as f32).sqrt().recip());
    for x in part.chunks_exact_mut(S::LANES) {
        simd.store(simd.mul(simd.load(x), scale), x);
    }
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
