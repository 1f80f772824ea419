//! 1-bit codes: the sign code of a vector, its product with a query, and the look-up tables of a query.

use crate::arch::Simd;

/// Row i: whether bit i of the entry's number is set.
const BITS: [[f32; 16]; 4] = {
    let mut bits = [[0.0; 16]; 4];
    let mut entry = 0;
    while entry < 64 {
        bits[entry / 16][entry % 16] = ((entry % 16) >> (entry / 16) & 1) as f32;
        entry += 1;
    }
    bits
};

/// Writes the signs of `r` (bit set when positive) and returns (sum of squares, sum of magnitudes).
///
/// `r.len()`: a multiple of 8; `code.len()`: `r.len() / 8`.
#[inline(always)]
pub(crate) fn sign_code<S: Simd>(simd: S, r: &[f32], code: &mut [u8]) -> (f32, f32) {
    let zero = simd.splat(0.0);
    let (mut squares, mut magnitudes) = ([zero; 2], [zero; 2]);
    for (r, code) in r.chunks(32).zip(code.chunks_mut(4)) {
        let mut bits = 0;
        for (index, r) in r.chunks(S::LANES).enumerate() {
            let v = if r.len() == S::LANES { simd.load(r) } else { simd.load_tail(r) };
            let acc = index % 2;
            squares[acc] = simd.mul_add(v, v, squares[acc]);
            magnitudes[acc] = simd.add(magnitudes[acc], simd.abs(v));
            bits |= simd.below(zero, v) << (index * S::LANES);
        }
        code.copy_from_slice(&bits.to_le_bytes()[..code.len()]);
    }
    (simd.sum(simd.add(squares[0], squares[1])), simd.sum(simd.add(magnitudes[0], magnitudes[1])))
}

/// Sum of halves of `q`, with the sign that the bit of the code gives: plus where it is set.
///
/// `q.len()`: `8 * code.len()`.
#[inline(always)]
pub(crate) fn sign_product<S: Simd>(simd: S, code: &[u8], q: &[f32]) -> f32 {
    let mut sums = [simd.splat(0.0); 4];
    for (q, code) in q.chunks(32).zip(code.chunks(4)) {
        let mut bytes = [0; 4];
        bytes[..code.len()].copy_from_slice(code);
        let negatives = !u32::from_le_bytes(bytes);
        for (index, q) in q.chunks(S::LANES).enumerate() {
            let v = if q.len() == S::LANES { simd.load(q) } else { simd.load_tail(q) };
            let signed = simd.flip(v, negatives >> (index * S::LANES));
            sums[index % 4] = simd.add(sums[index % 4], signed);
        }
    }
    0.5 * simd.sum(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}

/// The larger and the sum, over all groups of 4, of the sum of magnitudes of a group.
#[inline(always)]
fn group_sums<S: Simd>(simd: S, q: &[f32]) -> (f32, f32) {
    let zero = simd.splat(0.0);
    let (mut largest, mut total) = (zero, zero);
    for q in q.chunks(S::LANES) {
        let v = simd.abs(if q.len() == S::LANES { simd.load(q) } else { simd.load_tail(q) });
        total = simd.add(total, v);
        let pairs = simd.add(v, simd.exchange::<1>(v));
        largest = simd.max(largest, simd.add(pairs, simd.exchange::<2>(pairs)));
    }
    let mut lanes = [0.0; 16];
    simd.store(largest, &mut lanes);
    (lanes.into_iter().fold(0.0, f32::max), simd.sum(total))
}

/// Fills the tables of [`super::fastscan::fastscan`] for a query; returns (scale, bias).
///
/// For a code y of +-1/2 (bit set: +): `<y, q> = scale * sum + bias`. An entry is the sum of the
/// coordinates whose bit is set, less the smallest of the 16 sums, in steps of `scale`. The smallest
/// sums add up to the sum of the negatives, and that less half the sum of all is minus half the sum of
/// the magnitudes: the bias. A query without a usable step (zero, or not finite) gets tables of zeros.
#[inline(always)]
pub(crate) fn fill_lut<S: Simd>(simd: S, q: &[f32], lut: &mut [u8]) -> (f32, f32) {
    let (largest, total) = group_sums(simd, q);
    let scale = largest / 255.0;
    if !(scale >= f32::MIN_POSITIVE && total < f32::INFINITY) {
        lut.fill(0);
        return (0.0, if total < f32::INFINITY { -0.5 * total } else { 0.0 });
    }
    let per_step = 255.0 / largest;
    for (q, table) in q.chunks_exact(4).zip(lut.chunks_exact_mut(16)) {
        let steps = [0, 1, 2, 3].map(|i| q[i] * per_step);
        let smallest = steps.into_iter().fold(0.0, |sum, x| sum + x.min(0.0));
        for (index, entries) in table.chunks_exact_mut(S::LANES).enumerate() {
            let mut sums = simd.splat(-smallest);
            for (bits, step) in BITS.iter().zip(steps) {
                sums = simd.mul_add(simd.load(&bits[index * S::LANES..]), simd.splat(step), sums);
            }
            simd.store_u8(sums, entries);
        }
    }
    (scale, -0.5 * total)
}
