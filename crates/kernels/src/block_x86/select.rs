//! Picking small values for AVX-512 and AVX2.
#![allow(unsafe_code, reason = "vector intrinsics behind a detected instruction set")]

use std::arch::x86_64::*;

use super::{entry, load512};
use crate::block_select::{LANES, clear_nearer_portable, collect, lane_minima, least_portable};

entry!(
    /// Minima of the values with equal index modulo 64.
    lane_minima_avx512 = lane_minima, "avx512f,avx512bw,avx512vl", (values: &[u32]) -> [u32; LANES]
);
entry!(
    /// Minima of the values with equal index modulo 64.
    lane_minima_avx2 = lane_minima, "avx2", (values: &[u32]) -> [u32; LANES]
);
entry!(
    /// Appends `value << 32 | index` for each value not above `limit`.
    collect_avx512 = collect512, "avx512f,avx512bw,avx512vl",
    (values: &[u32], limit: u32, found: &mut Vec<u64>)
);
entry!(
    /// Appends `value << 32 | index` for each value not above `limit`.
    collect_avx2 = collect256, "avx2", (values: &[u32], limit: u32, found: &mut Vec<u64>)
);
entry!(
    /// See [`crate::block::least`].
    least_avx512 = least512, "avx512f,avx512bw,avx512vl", (values: &[u32]) -> u64
);
entry!(
    /// See [`crate::block::least`].
    least_avx2 = least_portable, "avx2", (values: &[u32]) -> u64
);
entry!(
    /// Clears bit `j` of `alive` where `from[j] < to[j]`; one bit for each pair.
    clear_nearer_avx512 = clear_nearer512, "avx512f,avx512bw,avx512vl",
    (from: &[u32], to: &[u32], alive: &mut [u64])
);
entry!(
    /// Clears bit `j` of `alive` where `from[j] < to[j]`; one bit for each pair.
    clear_nearer_avx2 = clear_nearer_portable, "avx2", (from: &[u32], to: &[u32], alive: &mut [u64])
);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn collect512(values: &[u32], limit: u32, found: &mut Vec<u64>) {
    let limits = _mm512_set1_epi32(limit as i32);
    let (whole, rest) = values.as_chunks::<64>();
    for (chunk, values) in whole.iter().enumerate() {
        let mut mask = 0u64;
        for part in 0..4 {
            let few = _mm512_cmple_epu32_mask(load512(&values[part * 16..]), limits);
            mask |= u64::from(few) << (16 * part);
        }
        while mask != 0 {
            let index = mask.trailing_zeros() as usize;
            found.push(u64::from(values[index]) << 32 | (chunk * 64 + index) as u64);
            mask &= mask - 1;
        }
    }
    let first = values.len() - rest.len();
    let (parts, rest) = rest.as_chunks::<16>();
    for (part, values) in parts.iter().enumerate() {
        let mut mask = _mm512_cmple_epu32_mask(load512(values), limits);
        while mask != 0 {
            let index = mask.trailing_zeros() as usize;
            found.push(u64::from(values[index]) << 32 | (first + part * 16 + index) as u64);
            mask &= mask - 1;
        }
    }
    collect(rest, values.len() - rest.len(), limit, found);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn least512(values: &[u32]) -> u64 {
    let (parts, rest) = values.as_chunks::<16>();
    let mut minima = _mm512_set1_epi32(-1);
    for values in parts {
        minima = _mm512_min_epu32(minima, load512(values));
    }
    let minimum = rest.iter().copied().fold(_mm512_reduce_min_epu32(minima), u32::min);
    let wanted = _mm512_set1_epi32(minimum as i32);
    for (part, values) in parts.iter().enumerate() {
        let mask = _mm512_cmpeq_epu32_mask(load512(values), wanted);
        if mask != 0 {
            return u64::from(minimum) << 32 | (part * 16 + mask.trailing_zeros() as usize) as u64;
        }
    }
    let index = rest.iter().position(|&value| value == minimum);
    index.map_or(u64::MAX, |index| u64::from(minimum) << 32 | (values.len() - rest.len() + index) as u64)
}

#[inline]
#[target_feature(enable = "avx2")]
fn collect256(values: &[u32], limit: u32, found: &mut Vec<u64>) {
    let limits = _mm256_set1_epi32(limit as i32);
    let (whole, rest) = values.as_chunks::<8>();
    for (chunk, values) in whole.iter().enumerate() {
        // SAFETY: a chunk has 8 values; the load needs no alignment.
        let loaded = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
        let below = _mm256_cmpeq_epi32(_mm256_min_epu32(loaded, limits), loaded);
        let mut mask = _mm256_movemask_ps(_mm256_castsi256_ps(below)) as u32;
        while mask != 0 {
            let index = mask.trailing_zeros() as usize;
            found.push(u64::from(values[index]) << 32 | (chunk * 8 + index) as u64);
            mask &= mask - 1;
        }
    }
    collect(rest, values.len() - rest.len(), limit, found);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn clear_nearer512(from: &[u32], to: &[u32], alive: &mut [u64]) {
    for ((word, from), to) in alive.iter_mut().zip(from.as_chunks::<64>().0).zip(to.as_chunks::<64>().0) {
        for part in 0..4 {
            let nearer = _mm512_cmplt_epu32_mask(load512(&from[part * 16..]), load512(&to[part * 16..]));
            *word &= !(u64::from(nearer) << (16 * part));
        }
    }
}
