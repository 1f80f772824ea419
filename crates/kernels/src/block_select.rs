//! Picking the few small values out of a row of distances.

use crate::block::{NO_DISTANCE, Tier, tier};

/// Lanes of the minima that bound the `count`-th smallest value.
pub(crate) const LANES: usize = 64;

/// The `count` smallest values not above `limit`, as `value << 32 | index`, in no order.
///
/// Ties are broken by the index. [`NO_DISTANCE`] is never taken.
pub fn smallest(values: &[u32], count: usize, limit: u32, found: &mut Vec<u64>) {
    smallest_with(tier(), values, count, limit, found);
}

/// The caller proves that the processor has `tier`.
pub(crate) fn smallest_with(tier: Tier, values: &[u32], count: usize, limit: u32, found: &mut Vec<u64>) {
    found.clear();
    if count == 0 {
        return;
    }
    let mut limit = limit.min(NO_DISTANCE - 1);
    if limit == NO_DISTANCE - 1 && count <= LANES / 2 && values.len() >= 2 * LANES {
        limit = limit.min(bound(tier, values, count));
    }
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => crate::block_x86::select::collect_avx512(values, limit, found),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => crate::block_x86::select::collect_avx2(values, limit, found),
        #[cfg(target_arch = "x86_64")]
        Tier::Sse41 => collect(values, 0, limit, found),
        Tier::Portable => collect(values, 0, limit, found),
    }
    if found.len() > count {
        found.select_nth_unstable(count - 1);
        found.truncate(count);
    }
}

/// An upper bound of the `count`-th smallest value: the `count`-th smallest of the minima of [`LANES`]
/// disjoint groups.
fn bound(tier: Tier, values: &[u32], count: usize) -> u32 {
    let mut minima = match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => crate::block_x86::select::lane_minima_avx512(values),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => crate::block_x86::select::lane_minima_avx2(values),
        #[cfg(target_arch = "x86_64")]
        Tier::Sse41 => lane_minima(values),
        Tier::Portable => lane_minima(values),
    };
    *minima.select_nth_unstable(count - 1).1
}

#[inline(always)]
pub(crate) fn lane_minima(values: &[u32]) -> [u32; LANES] {
    let mut minima = [NO_DISTANCE; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (minimum, &value) in minima.iter_mut().zip(chunk) {
            *minimum = (*minimum).min(value);
        }
    }
    for (minimum, &value) in minima.iter_mut().zip(rest) {
        *minimum = (*minimum).min(value);
    }
    minima
}

/// Appends the values not above `limit`; the first value has index `first`.
#[inline(always)]
pub(crate) fn collect(values: &[u32], first: usize, limit: u32, found: &mut Vec<u64>) {
    for (index, &value) in values.iter().enumerate() {
        if value <= limit {
            found.push(u64::from(value) << 32 | (first + index) as u64);
        }
    }
}

/// The smallest value, as `value << 32 | index`; of equal ones the first. `u64::MAX` of nothing.
pub fn least(values: &[u32]) -> u64 {
    least_with(tier(), values)
}

/// The caller proves that the processor has `tier`.
pub(crate) fn least_with(tier: Tier, values: &[u32]) -> u64 {
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => crate::block_x86::select::least_avx512(values),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => crate::block_x86::select::least_avx2(values),
        #[cfg(target_arch = "x86_64")]
        Tier::Sse41 => least_portable(values),
        Tier::Portable => least_portable(values),
    }
}

#[inline(always)]
pub(crate) fn least_portable(values: &[u32]) -> u64 {
    // Two passes, because compilers vectorise each, but not a minimum that carries its index.
    let minimum = values.iter().copied().fold(u32::MAX, u32::min);
    let index = values.iter().position(|&value| value == minimum);
    index.map_or(u64::MAX, |index| u64::from(minimum) << 32 | index as u64)
}

/// Clears bit `j` of `alive` where `from[j] < to[j]`. Values are below 2^31 or [`NO_DISTANCE`] in `to`.
///
/// # Panics
/// If the lengths differ, are not a multiple of 64, or `alive` does not have one bit for each.
pub fn clear_nearer(from: &[u32], to: &[u32], alive: &mut [u64]) {
    clear_nearer_with(tier(), from, to, alive);
}

/// The caller proves that the processor has `tier`.
pub(crate) fn clear_nearer_with(tier: Tier, from: &[u32], to: &[u32], alive: &mut [u64]) {
    assert!(from.len() == to.len() && from.len() == alive.len() * 64, "one bit for each pair");
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 => crate::block_x86::select::clear_nearer_avx512(from, to, alive),
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => crate::block_x86::select::clear_nearer_avx2(from, to, alive),
        #[cfg(target_arch = "x86_64")]
        Tier::Sse41 => clear_nearer_portable(from, to, alive),
        Tier::Portable => clear_nearer_portable(from, to, alive),
    }
}

#[inline(always)]
pub(crate) fn clear_nearer_portable(from: &[u32], to: &[u32], alive: &mut [u64]) {
    for ((word, from), to) in alive.iter_mut().zip(from.chunks_exact(64)).zip(to.chunks_exact(64)) {
        let mut nearer = 0u64;
        for (bit, (from, to)) in from.iter().zip(to).enumerate() {
            nearer |= u64::from(from < to) << bit;
        }
        *word &= !nearer;
    }
}
