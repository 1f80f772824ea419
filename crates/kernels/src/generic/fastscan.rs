//! Sums of table look-ups for up to 32 codes at once. (Andre, Kermarrec and Le Scouarnec 2015.)
//!
//! ```text
//! codes, row t:  lane 0 | lane 1 | ...            one byte each: dims 8t..8t+3 low, 8t+4..8t+7 high
//! lut:           table 2t (16 bytes) | table 2t+1  indexed by the low and by the high nibble
//! ```
//! We keep the bytes in lane order instead of permuting them, so a code can be placed and read by one
//! strided copy. Sums are kept in two sets of u16 lanes: `all` adds the looked-up bytes as u16 pairs
//! (the even lane plus 256 times the odd one), `odd` the upper bytes alone; `all - 256 * odd` modulo
//! 2^16 is then the even lane. A row adds at most 2 * 255, so 128 rows fit.

use crate::Estimate;
use crate::arch::Simd;

/// Rows after which a u16 lane may be full: 128 * 2 * 255 < 2^16.
const ROWS_PER_FLUSH: usize = 128;

/// `out[l]` = sum over rows t of `lut[2t][low nibble] + lut[2t + 1][high nibble]` for each of the lanes.
#[inline(always)]
pub(crate) fn fastscan<S: Simd>(simd: S, lut: &[u8], codes: &[u8], lanes: usize, out: &mut [u32; 32]) {
    *out = [0; 32];
    let is_wide = S::BYTES >= 32;
    let (left, right) = out.split_at_mut(16);
    match lanes {
        8 => scan::<S, 8, 16>(simd, lut, codes, left),
        16 => scan::<S, 16, 16>(simd, lut, codes, left),
        24 if is_wide => scan::<S, 24, 32>(simd, lut, codes, out),
        32 if is_wide => scan::<S, 32, 32>(simd, lut, codes, out),
        24 => {
            scan::<S, 24, 16>(simd, lut, codes, left);
            scan::<S, 24, 16>(simd, lut, codes.get(16..).unwrap_or_default(), right);
        }
        _ => {
            scan::<S, 32, 16>(simd, lut, codes, left);
            scan::<S, 32, 16>(simd, lut, codes.get(16..).unwrap_or_default(), right);
        }
    }
    out[lanes..].fill(0);
}

/// The sums of `WIDTH` lanes whose rows are `STRIDE` bytes apart, added to `out`.
#[inline(always)]
fn scan<S: Simd, const STRIDE: usize, const WIDTH: usize>(
    simd: S,
    lut: &[u8],
    codes: &[u8],
    out: &mut [u32],
) {
    let rows_per_step = S::BYTES / WIDTH;
    let bytes_per_step = (rows_per_step - 1) * STRIDE + if STRIDE == 8 { 8 } else { WIDTH };
    let mut start = 0;
    for tables in lut.chunks(ROWS_PER_FLUSH * 32) {
        let (mut all, mut odd) = (simd.zero_bytes(), simd.zero_bytes());
        for tables in tables.chunks(rows_per_step * 32) {
            let (low, high) = match codes.get(start..start + bytes_per_step) {
                Some(rows) if tables.len() == rows_per_step * 32 => {
                    simd.lookup::<STRIDE, WIDTH>(tables, rows)
                }
                _ => lookup_last::<S, STRIDE, WIDTH>(simd, tables, codes.get(start..).unwrap_or_default()),
            };
            all = simd.add_u16(simd.add_u16(all, low), high);
            odd = simd.add_u16(simd.add_u16(odd, simd.high_bytes(low)), simd.high_bytes(high));
            start += rows_per_step * STRIDE;
        }
        flush::<S, WIDTH>(simd, all, odd, out);
    }
}

/// As `Simd::lookup`, near the end of the codes: missing rows have tables of zeros.
#[inline(always)]
fn lookup_last<S: Simd, const STRIDE: usize, const WIDTH: usize>(
    simd: S,
    tables: &[u8],
    codes: &[u8],
) -> (S::B, S::B) {
    let (mut last_tables, mut last_rows) = ([0; 4 * 32], [0; 4 * 32]);
    last_tables[..tables.len()].copy_from_slice(tables);
    let count = codes.len().min(last_rows.len());
    last_rows[..count].copy_from_slice(&codes[..count]);
    simd.lookup::<STRIDE, WIDTH>(&last_tables, &last_rows)
}

/// Adds the u16 sums of the one, two or four rows of a vector to `out`.
#[inline(always)]
fn flush<S: Simd, const WIDTH: usize>(simd: S, all: S::B, odd: S::B, out: &mut [u32]) {
    let (mut all_bytes, mut odd_bytes) = ([0; 64], [0; 64]);
    simd.store_bytes(all, &mut all_bytes);
    simd.store_bytes(odd, &mut odd_bytes);
    let rows = all_bytes[..S::BYTES].chunks_exact(WIDTH).zip(odd_bytes.chunks_exact(WIDTH));
    for (all, odd) in rows {
        let pairs = all.chunks_exact(2).zip(odd.chunks_exact(2));
        for (sums, (all, odd)) in out[..WIDTH].chunks_exact_mut(2).zip(pairs) {
            let odd = u16::from_le_bytes([odd[0], odd[1]]);
            let even = u16::from_le_bytes([all[0], all[1]]).wrapping_sub(odd << 8);
            sums[0] += u32::from(even);
            sums[1] += u32::from(odd);
        }
    }
}

/// `out[l] = add[l] + base - mul[l] * (sums[l] * lut_scale + lut_bias)` for each of the lanes.
#[inline(always)]
pub(crate) fn estimates<S: Simd>(simd: S, sums: &[u32; 32], terms: &Estimate<'_>, out: &mut [f32; 32]) {
    let lanes = terms.lanes;
    if lanes.is_multiple_of(S::LANES) {
        return estimate_lanes(simd, sums, terms.add, terms.mul, terms, &mut out[..lanes]);
    }
    // 8 or 24 lanes on vectors of 16: with copies that can be read past the last lane.
    let (mut add, mut mul, mut whole) = ([0; 64], [0; 64], [0.0; 32]);
    add[..2 * lanes].copy_from_slice(terms.add);
    mul[..2 * lanes].copy_from_slice(terms.mul);
    estimate_lanes(simd, sums, &add, &mul, terms, &mut whole);
    out[..lanes].copy_from_slice(&whole[..lanes]);
}

#[inline(always)]
fn estimate_lanes<S: Simd>(
    simd: S,
    sums: &[u32],
    add: &[u8],
    mul: &[u8],
    terms: &Estimate<'_>,
    out: &mut [f32],
) {
    let (scale, bias) = (simd.splat(terms.lut_scale), simd.splat(terms.lut_bias));
    let base = simd.splat(terms.base);
    let factors = add.chunks_exact(2 * S::LANES).zip(mul.chunks_exact(2 * S::LANES));
    let lanes = sums.chunks_exact(S::LANES).zip(out.chunks_exact_mut(S::LANES));
    for ((add, mul), (sums, out)) in factors.zip(lanes) {
        let product = simd.mul_add(simd.load_u32(sums), scale, bias);
        let add = simd.add(simd.load_bf16_bytes(add), base);
        simd.store(simd.sub(add, simd.mul(simd.load_bf16_bytes(mul), product)), out);
    }
}

/// Bit `l` is set when `estimates[l] < threshold`, for `l < lanes`.
#[inline(always)]
pub(crate) fn below<S: Simd>(simd: S, estimates: &[f32; 32], lanes: usize, threshold: f32) -> u32 {
    let threshold = simd.splat(threshold);
    let mut mask = 0;
    for (index, lanes) in estimates.chunks_exact(S::LANES).enumerate() {
        mask |= simd.below(simd.load(lanes), threshold) << (index * S::LANES);
    }
    mask & 1_u32.unbounded_shl(lanes as u32).wrapping_sub(1)
}
