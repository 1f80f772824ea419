//! Every tier of the block product against the definition.

use super::*;
use crate::block_select::{clear_nearer_with, least_with, smallest_with};

/// The tiers this processor can run.
fn tiers() -> Vec<Tier> {
    let mut tiers = vec![Tier::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("sse4.1") {
            tiers.push(Tier::Sse41);
        }
        if has_avx2() {
            tiers.push(Tier::Avx2);
        }
        if has_avx512() {
            tiers.push(Tier::Avx512);
        }
    }
    tiers
}

/// Pseudo-random 64-bit numbers (splitmix64).
fn numbers(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn distance(space: Space, a: &[i8], b: &[i8]) -> u32 {
    let pairs = a.iter().zip(b).map(|(&a, &b)| i32::from(a).abs_diff(i32::from(b)));
    match space {
        Space::L2 => pairs.map(|d| d * d).sum(),
        Space::L1 => pairs.sum(),
    }
}

fn check(space: Space, tier: Tier, dim: usize, lefts: usize, columns: usize, extreme: bool) {
    let mut next = numbers((dim * 1000 + lefts * 100 + columns) as u64);
    let total = 40;
    let value = |x: u64| if extreme { [-128, 127][(x % 2) as usize] } else { x as i8 };
    let codes: Vec<i8> = (0..total * dim).map(|_| value(next())).collect();
    let left: Vec<u32> = (0..lefts).map(|_| (next() % total as u64) as u32).collect();
    let right: Vec<u32> = (0..columns).map(|_| (next() % total as u64) as u32).collect();
    let mut panels = Panels::with_tier(space, dim, tier);
    // A larger packing first: what it leaves behind must not show.
    panels.pack(&codes, &vec![1; columns + 17]);
    panels.pack(&codes, &right);
    let stride = panels.stride();
    let mut out = vec![7; lefts * stride];
    panels.distances(&codes, &left, &mut out);
    for (i, &a) in left.iter().enumerate() {
        for (j, &b) in right.iter().enumerate() {
            let expected = distance(space, row(&codes, a, dim), row(&codes, b, dim));
            assert_eq!(out[i * stride + j], expected, "{space:?} {tier:?} dim {dim} row {i} column {j}");
        }
        assert!(out[i * stride + columns..(i + 1) * stride].iter().all(|&d| d == NO_DISTANCE));
    }
    if space == Space::L2 {
        let mut nearest = vec![7; lefts];
        panels.nearest(&codes, &row_terms_with(tier, &codes, dim, &left), &mut nearest);
        for (i, nearest) in nearest.into_iter().enumerate() {
            let least = least_with(tier, &out[i * stride..][..columns]);
            assert_eq!(nearest, least, "{tier:?} dim {dim} row {i} of {columns}");
        }
    }
}

#[test]
fn products_equal_the_definition() {
    for tier in tiers() {
        for space in [Space::L2, Space::L1] {
            for dim in [64, 128, 384] {
                for lefts in (0..=14).chain([24, 25, 53]) {
                    for columns in [0, 1, 15, 16, 17, 33, 64, 90, 129, 150] {
                        check(space, tier, dim, lefts, columns, false);
                    }
                }
            }
            check(space, tier, DIM_MAX, 3, 18, true);
            check(space, tier, 16_064, 7, 18, true);
        }
    }
}

#[test]
fn smallest_equals_sorting() {
    let mut next = numbers(5);
    for tier in tiers() {
        for length in [0, 1, 16, 63, 64, 65, 128, 200, 640, 1024] {
            for count in [0, 1, 8, 12, 40, 2000] {
                for limit in [0, 300, NO_DISTANCE] {
                    let mut values: Vec<u32> = (0..length).map(|_| (next() % 1000) as u32).collect();
                    if let Some(last) = values.last_mut() {
                        *last = NO_DISTANCE;
                    }
                    let mut found = Vec::new();
                    smallest_with(tier, &values, count, limit, &mut found);
                    found.sort_unstable();
                    let mut all: Vec<u64> = values
                        .iter()
                        .enumerate()
                        .filter(|&(_, &v)| v <= limit && v != NO_DISTANCE)
                        .map(|(i, &v)| u64::from(v) << 32 | i as u64)
                        .collect();
                    all.sort_unstable();
                    all.truncate(count);
                    assert_eq!(found, all, "{tier:?} length {length} count {count} limit {limit}");
                }
            }
        }
    }
}

#[test]
fn clearing_equals_comparing() {
    let mut next = numbers(6);
    for tier in tiers() {
        for words in 0..4 {
            let from: Vec<u32> = (0..words * 64).map(|_| (next() % 5) as u32).collect();
            let to: Vec<u32> = (0..words * 64).map(|_| (next() % 5) as u32).collect();
            let before: Vec<u64> = (0..words).map(|_| next()).collect();
            let mut alive = before.clone();
            clear_nearer_with(tier, &from, &to, &mut alive);
            for j in 0..words * 64 {
                let expected = before[j / 64] >> (j % 64) & 1 == 1 && from[j] >= to[j];
                assert_eq!(alive[j / 64] >> (j % 64) & 1 == 1, expected);
            }
        }
    }
}

#[test]
fn least_is_the_first_minimum() {
    let mut next = numbers(9);
    for tier in tiers() {
        assert_eq!(least_with(tier, &[]), u64::MAX);
        for length in 1..150 {
            let values: Vec<u32> = (0..length).map(|_| (next() % 50) as u32 * 80_000_000).collect();
            let expected = (0..length).map(|at| u64::from(values[at]) << 32 | at as u64).min().unwrap();
            assert_eq!(least_with(tier, &values), expected, "{tier:?} {length}");
        }
    }
}
