//! Codes of a vector, and what they lose.
//!
//! Codes are written to pages, so they must be the same whatever machine makes them: every tier keeps [`SUMS`] sums,
//! one for each remainder of the index, adds them up in the same order, and fuses nothing that rounds.

use super::rows::{BitPairs, Nibbles, Row, SignedBytes};
use crate::arch::{Simd, nearest_integer};

/// Interleaved sums: the lanes of the widest vector.
const SUMS: usize = 16;

/// Most vectors that hold one number of each sum.
const PARTS_MAX: usize = 4;

/// Codes of equal steps.
pub(crate) trait Steps {
    /// A code is the number that is stored, less this.
    const OFFSET: f32;
    /// The numbers that are stored.
    const RANGE: (f32, f32);
    /// Added to a number to make it a byte, and taken away by `pack`.
    const BIAS: f32;
    /// Bytes of [`SUMS`] codes.
    const BYTES: usize;
    /// Packs biased numbers into the first [`Steps::BYTES`] bytes.
    fn pack(numbers: [u8; SUMS], out: &mut [u8]);
}

impl Steps for SignedBytes {
    const OFFSET: f32 = 0.0;
    const RANGE: (f32, f32) = (-127.0, 127.0);
    const BIAS: f32 = 128.0;
    const BYTES: usize = 16;
    #[inline(always)]
    fn pack(numbers: [u8; SUMS], out: &mut [u8]) {
        let codes = u128::from_le_bytes(numbers) ^ u128::from_le_bytes([128; SUMS]);
        out[..16].copy_from_slice(&codes.to_le_bytes());
    }
}

impl Steps for Nibbles {
    const OFFSET: f32 = 7.5;
    const RANGE: (f32, f32) = (0.0, 15.0);
    const BIAS: f32 = 0.0;
    const BYTES: usize = 8;
    #[inline(always)]
    fn pack(numbers: [u8; SUMS], out: &mut [u8]) {
        for (x, out) in halves(numbers).into_iter().zip(out.chunks_exact_mut(4)) {
            let x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
            let x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
            out.copy_from_slice(&((x | x >> 16) as u32).to_le_bytes());
        }
    }
}

impl Steps for BitPairs {
    const OFFSET: f32 = 1.5;
    const RANGE: (f32, f32) = (0.0, 3.0);
    const BIAS: f32 = 0.0;
    const BYTES: usize = 4;
    #[inline(always)]
    fn pack(numbers: [u8; SUMS], out: &mut [u8]) {
        for (x, out) in halves(numbers).into_iter().zip(out.chunks_exact_mut(2)) {
            let x = (x | x >> 6) & 0x000f_000f_000f_000f;
            let x = (x | x >> 12) & 0x0000_00ff_0000_00ff;
            out.copy_from_slice(&((x | x >> 24) as u16).to_le_bytes());
        }
    }
}

/// The numbers as two words, the first lowest.
#[inline(always)]
fn halves(numbers: [u8; SUMS]) -> [u64; 2] {
    let all = u128::from_le_bytes(numbers);
    [all as u64, (all >> 64) as u64]
}

/// The largest magnitude; zero of nothing.
#[inline(always)]
pub(crate) fn largest_magnitude<S: Simd>(simd: S, r: &[f32]) -> f32 {
    let mut largest = [simd.splat(0.0); PARTS_MAX];
    let blocks = r.chunks_exact(SUMS);
    let rest = blocks.remainder();
    for block in blocks {
        for (x, largest) in block.chunks_exact(S::LANES).zip(&mut largest) {
            *largest = simd.max(simd.abs(simd.load(x)), *largest);
        }
    }
    let lanes = store(simd, largest);
    lanes.into_iter().chain(rest.iter().map(|x| x.abs())).fold(0.0, f32::max)
}

/// `costs[k]`: the sum of the squares of what codes lose, as [`code`] makes them with `inverses[k]`, in steps.
///
/// `largest`: the largest code, a half more than an integer.
#[inline(always)]
pub(crate) fn step_costs<S: Simd>(simd: S, r: &[f32], inverses: &[f32], largest: f32, costs: &mut [f32]) {
    // As many at once as there are registers for their sums.
    match S::LANES {
        16 => step_costs_by::<S, 5>(simd, r, inverses, largest, costs),
        8 => step_costs_by::<S, 3>(simd, r, inverses, largest, costs),
        _ => step_costs_by::<S, 2>(simd, r, inverses, largest, costs),
    }
}

#[inline(always)]
fn step_costs_by<S: Simd, const N: usize>(
    simd: S,
    r: &[f32],
    inverses: &[f32],
    largest: f32,
    costs: &mut [f32],
) {
    for (inverses, costs) in inverses.chunks(N).zip(costs.chunks_mut(N)) {
        let mut all = [0.0; N];
        all[..inverses.len()].copy_from_slice(inverses);
        let sums = step_costs_of(simd, r, all, largest - 0.5);
        costs.copy_from_slice(&sums[..costs.len()]);
    }
}

/// Magnitudes do as well as numbers, because there are as many codes on either side of zero: code `n + 1/2` is nearest
/// to magnitudes around that, the last, `last`, to all beyond.
#[inline(always)]
fn step_costs_of<S: Simd, const N: usize>(simd: S, r: &[f32], inverses: [f32; N], last: f32) -> [f32; N] {
    let (half, last_code) = (simd.splat(0.5), simd.splat(last));
    let mut sums = [[simd.splat(0.0); PARTS_MAX]; N];
    let blocks = r.chunks_exact(SUMS);
    let rest = blocks.remainder();
    for block in blocks {
        for (part, x) in block.chunks_exact(S::LANES).enumerate() {
            let x = simd.abs(simd.load(x));
            for (sums, inverse) in sums.iter_mut().zip(inverses) {
                let steps = simd.sub(simd.mul(x, simd.splat(inverse)), half);
                let lost = simd.sub(steps, simd.round(simd.min(steps, last_code)));
                sums[part] = simd.add(sums[part], simd.mul(lost, lost));
            }
        }
    }
    let mut costs = [0.0; N];
    for ((cost, sums), inverse) in costs.iter_mut().zip(sums).zip(inverses) {
        let mut lanes = store(simd, sums);
        for (lane, x) in lanes.iter_mut().zip(rest) {
            let steps = x.abs() * inverse - 0.5;
            let lost = steps - nearest_integer(steps.min(last));
            *lane += lost * lost;
        }
        *cost = total(lanes);
    }
    costs
}

/// Writes the codes nearest to `r * inverse` and returns (sum of `r * inverse * code`, sum of `code^2`).
///
/// `out`: [`Steps::BYTES`] for every [`SUMS`] numbers, and as many as the rest needs.
#[inline(always)]
pub(crate) fn code<S: Simd, C: Steps>(simd: S, r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) {
    let mut sums = [[simd.splat(0.0); PARTS_MAX]; 2];
    let (blocks, rest) = r.split_at(r.len() / SUMS * SUMS);
    let (coded, rest_coded) = out.split_at_mut(blocks.len() / SUMS * C::BYTES);
    let (offset, bias, factor) = (simd.splat(C::OFFSET), simd.splat(C::BIAS), simd.splat(inverse));
    let (least, most) = (simd.splat(C::RANGE.0), simd.splat(C::RANGE.1));
    for (block, out) in blocks.chunks_exact(SUMS).zip(coded.chunks_exact_mut(C::BYTES)) {
        let mut numbers = [0; SUMS];
        for (part, x) in block.chunks_exact(S::LANES).enumerate() {
            let steps = simd.mul(simd.load(x), factor);
            let number = simd.round(simd.min(simd.max(simd.add(steps, offset), least), most));
            let code = simd.sub(number, offset);
            sums[0][part] = simd.add(sums[0][part], simd.mul(steps, code));
            sums[1][part] = simd.add(sums[1][part], simd.mul(code, code));
            simd.store_u8(simd.add(number, bias), &mut numbers[part * S::LANES..]);
        }
        C::pack(numbers, out);
    }
    let (mut products, mut squares) = (store(simd, sums[0]), store(simd, sums[1]));
    let (mut numbers, mut packed) = ([0; SUMS], [0; SUMS]);
    for (at, x) in rest.iter().enumerate() {
        let steps = x * inverse;
        let number = nearest_integer((steps + C::OFFSET).clamp(C::RANGE.0, C::RANGE.1));
        let code = number - C::OFFSET;
        products[at] += steps * code;
        squares[at] += code * code;
        numbers[at] = (number + C::BIAS) as u8;
    }
    C::pack(numbers, &mut packed);
    rest_coded.copy_from_slice(&packed[..rest_coded.len()]);
    (total(products), total(squares))
}

/// Sums of the squares and of the magnitudes of `r - scale * code`; both the product and the difference are rounded to
/// f32, the sums are of f64.
#[inline(always)]
pub(crate) fn lost<S: Simd, R: Row<S, Item = u8>>(simd: S, r: &[f32], scale: f32, row: &[u8]) -> (f64, f64) {
    let zero = simd.widen(simd.splat(0.0));
    let (mut squares, mut magnitudes) = ([zero; PARTS_MAX], [zero; PARTS_MAX]);
    let parts = SUMS / S::LANES;
    let (blocks, rest) = r.split_at(r.len() / SUMS * SUMS);
    let (coded, rest_coded) = row.split_at(blocks.len() / S::LANES * R::ITEMS);
    let factor = simd.splat(scale);
    for (block, coded) in blocks.chunks_exact(SUMS).zip(coded.chunks_exact(parts * R::ITEMS)) {
        for part in 0..parts {
            let decoded = simd.mul(R::load(simd, &coded[part * R::ITEMS..][..R::ITEMS]), factor);
            let lost = simd.abs(simd.sub(simd.load(&block[part * S::LANES..][..S::LANES]), decoded));
            let lost = simd.widen(lost);
            squares[part] = simd.add_square(squares[part], lost);
            magnitudes[part] = simd.add_wide(magnitudes[part], lost);
        }
    }
    let (mut squares, mut magnitudes) = (store_wide(simd, squares), store_wide(simd, magnitudes));
    for (at, x) in rest.iter().enumerate() {
        let lost = f64::from((x - R::get(rest_coded, at) * scale).abs());
        squares[at] += lost * lost;
        magnitudes[at] += lost;
    }
    (total(squares), total(magnitudes))
}

/// Sums of the squares and of the magnitudes of `|r| - centre`; the difference is rounded to f32, the sums are of f64.
#[inline(always)]
pub(crate) fn magnitudes_about<S: Simd>(simd: S, r: &[f32], centre: f32) -> (f64, f64) {
    let zero = simd.widen(simd.splat(0.0));
    let (mut squares, mut magnitudes) = ([zero; PARTS_MAX], [zero; PARTS_MAX]);
    let blocks = r.chunks_exact(SUMS);
    let rest = blocks.remainder();
    let middle = simd.splat(centre);
    for block in blocks {
        for (part, x) in block.chunks_exact(S::LANES).enumerate() {
            let apart = simd.widen(simd.abs(simd.sub(simd.abs(simd.load(x)), middle)));
            squares[part] = simd.add_square(squares[part], apart);
            magnitudes[part] = simd.add_wide(magnitudes[part], apart);
        }
    }
    let (mut squares, mut magnitudes) = (store_wide(simd, squares), store_wide(simd, magnitudes));
    for (at, x) in rest.iter().enumerate() {
        let apart = f64::from((x.abs() - centre).abs());
        squares[at] += apart * apart;
        magnitudes[at] += apart;
    }
    (total(squares), total(magnitudes))
}

#[inline(always)]
fn store<S: Simd>(simd: S, parts: [S::F; PARTS_MAX]) -> [f32; SUMS] {
    let mut lanes = [0.0; SUMS];
    for (part, lanes) in parts.into_iter().zip(lanes.chunks_exact_mut(S::LANES)) {
        simd.store(part, lanes);
    }
    lanes
}

#[inline(always)]
fn store_wide<S: Simd>(simd: S, parts: [S::W; PARTS_MAX]) -> [f64; SUMS] {
    let mut lanes = [0.0; SUMS];
    for (part, lanes) in parts.into_iter().zip(lanes.chunks_exact_mut(S::LANES)) {
        simd.store_wide(part, lanes);
    }
    lanes
}

/// The sum, in an order that is the same for every tier.
#[inline(always)]
fn total<T: Copy + std::ops::Add<Output = T>>(lanes: [T; SUMS]) -> T {
    let mut sums = lanes;
    let mut width = SUMS / 2;
    while width > 0 {
        for at in 0..width {
            sums[at] = sums[at] + sums[at + width];
        }
        width /= 2;
    }
    sums[0]
}
