//! Exact integer sums: products of signed bytes, and counts of bits.

use crate::arch::Simd;

/// Calls `step` with each pair of vectors of two byte slices, the last filled with zeros.
///
/// Written as a macro because a closure would not be compiled with the caller's target features.
macro_rules! for_each_pair {
    ($simd:ident: $S:ident, $a:expr, $b:expr, |$x:ident, $y:ident| $step:expr) => {{
        let mut a_blocks = $a.chunks_exact($S::BYTES);
        let mut b_blocks = $b.chunks_exact($S::BYTES);
        for (x, y) in a_blocks.by_ref().zip(b_blocks.by_ref()) {
            let ($x, $y) = ($simd.load_bytes(x), $simd.load_bytes(y));
            $step
        }
        let (x, y) = (a_blocks.remainder(), b_blocks.remainder());
        if !x.is_empty() {
            let ($x, $y) = ($simd.load_bytes_tail(x), $simd.load_bytes_tail(y));
            $step
        }
    }};
}

/// Sum of the products of the signed bytes, modulo 2^32.
#[inline(always)]
pub(crate) fn dot_i8<S: Simd>(simd: S, a: &[u8], b: &[u8]) -> i32 {
    let mut acc = simd.dot_zero();
    for_each_pair!(simd: S, a, b, |x, y| acc = simd.dot_step(acc, x, y));
    simd.dot_sum(acc)
}

/// Number of bits that differ.
#[inline(always)]
pub(crate) fn hamming<S: Simd>(simd: S, a: &[u8], b: &[u8]) -> u64 {
    let mut acc = simd.zero_bytes();
    for_each_pair!(simd: S, a, b, |x, y| acc = simd.count_ones(acc, simd.xor(x, y)));
    simd.sum_u64(acc)
}

/// Number of bits set in both, and in either.
#[inline(always)]
pub(crate) fn jaccard_parts<S: Simd>(simd: S, a: &[u8], b: &[u8]) -> (u64, u64) {
    let (mut both, mut either) = (simd.zero_bytes(), simd.zero_bytes());
    for_each_pair!(simd: S, a, b, |x, y| {
        both = simd.count_ones(both, simd.and(x, y));
        either = simd.count_ones(either, simd.or(x, y));
    });
    (simd.sum_u64(both), simd.sum_u64(either))
}
