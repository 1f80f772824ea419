//! Routing seeds: rows spread over the data in proportion to its density.

use kernels::block::Panels;
use rayon::prelude::*;

use super::leaders::Clusters;
use super::{BuildError, Control, Rows, Space};

/// Rows that meet a centroid at once.
const ROWS_AT_ONCE: usize = 192;

/// About `wanted` positions, at least one, nearest to the mean first.
///
/// `clusters`: first position of each cluster, then the number of positions. A cluster that holds any of
/// `wanted` evenly spaced positions gives one seed for each.
pub(super) fn choose(
    rows: &Rows<'_>,
    space: Space,
    clusters: &[u32],
    wanted: usize,
    control: &Control,
) -> Result<Vec<u32>, BuildError> {
    let wanted = wanted.clamp(1, rows.count) as u64;
    // Evenly spaced positions below `position`.
    let spaced = |position: u32| (u64::from(position) * wanted).div_ceil(rows.count as u64);
    let chosen: Result<Vec<Vec<u32>>, BuildError> = clusters
        .par_windows(2)
        .map(|bounds| {
            let quota = (spaced(bounds[1]) - spaced(bounds[0])) as usize;
            let members: Vec<u32> = (bounds[0]..bounds[1]).collect();
            spread(rows, space, &members, quota, control)
        })
        .collect();
    let mut seeds: Vec<u32> = chosen?.into_iter().flatten().collect();
    // Codes are about the mean, so the mean is the zero row.
    seeds.sort_by_cached_key(|&seed| (magnitude(rows.row(seed), space), seed));
    Ok(seeds)
}

/// `quota` members far from each other, each the most central of the members nearest to it.
///
/// Farthest-first traversal (Gonzalez 1985): as long as there are groups without a seed, the next seed is in
/// one.
fn spread(
    rows: &Rows<'_>,
    space: Space,
    members: &[u32],
    quota: usize,
    control: &Control,
) -> Result<Vec<u32>, BuildError> {
    if quota == 0 {
        return Ok(Vec::new());
    }
    let mut nearest = vec![(u32::MAX, 0u32); members.len()];
    let mut next = most_central(rows, space, members);
    for seed in 0..quota as u32 {
        control.check()?;
        each_distance(rows, space, rows.row(next), members, |index, distance| {
            nearest[index] = nearest[index].min((distance, seed));
        });
        let farthest = (0..members.len()).max_by_key(|&index| nearest[index].0);
        next = farthest.map_or(next, |index| members[index]);
    }
    let nearest: Vec<u32> = nearest.into_iter().map(|(_, seed)| seed).collect();
    let mut groups = Clusters::new(quota, &nearest, 1);
    groups.rename(members);
    let groups = (0..quota).map(|seed| groups.members(seed));
    Ok(groups.filter(|group| !group.is_empty()).map(|group| most_central(rows, space, group)).collect())
}

fn magnitude(row: &[i8], space: Space) -> u64 {
    row.iter()
        .map(|&code| match space {
            Space::L2 => i64::from(code) * i64::from(code),
            Space::L1 => i64::from(code).abs(),
        })
        .sum::<i64>() as u64
}

/// The member nearest to the mean of all members.
fn most_central(rows: &Rows<'_>, space: Space, members: &[u32]) -> u32 {
    let mut sums = vec![0i64; rows.dim];
    for &member in members {
        for (sum, &code) in sums.iter_mut().zip(rows.row(member)) {
            *sum += i64::from(code);
        }
    }
    let size = members.len() as i64;
    let mean: Vec<i8> =
        sums.iter().map(|&sum| (2 * sum + size).div_euclid(2 * size).clamp(-127, 127) as i8).collect();
    let mut nearest = (u32::MAX, members[0]);
    each_distance(rows, space, &mean, members, |index, distance| {
        nearest = nearest.min((distance, members[index]));
    });
    nearest.1
}

/// Calls `each` with the index of every member and its distance from `row`.
fn each_distance(
    rows: &Rows<'_>,
    space: Space,
    row: &[i8],
    members: &[u32],
    mut each: impl FnMut(usize, u32),
) {
    let mut panels = Panels::new(space, rows.dim);
    panels.pack(row, &[0]);
    let stride = panels.stride();
    let mut distances = vec![0u32; ROWS_AT_ONCE * stride];
    for (batch, members) in members.chunks(ROWS_AT_ONCE).enumerate() {
        panels.distances(rows.codes, members, &mut distances);
        for (index, distances) in distances.chunks_exact(stride).take(members.len()).enumerate() {
            each(batch * ROWS_AT_ONCE + index, distances[0]);
        }
    }
}
