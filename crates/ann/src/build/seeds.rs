//! Routing seeds: rows spread over the data in proportion to its density.

use kernels::block::Panels;
use rayon::prelude::*;

use super::{BuildError, Control, Rows, Space};

/// Rows that meet a centroid at once.
const ROWS_AT_ONCE: usize = 192;

/// About `wanted` positions, at least one, nearest to the mean first.
///
/// `clusters`: first position of each cluster, then the number of positions. A cluster that holds any of `wanted`
/// evenly spaced positions gives its most central row, and further rows evenly spaced.
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
            control.check()?;
            let quota = (spaced(bounds[1]) - spaced(bounds[0])) as usize;
            let members: Vec<u32> = (bounds[0]..bounds[1]).collect();
            if quota == 0 {
                return Ok(Vec::new());
            }
            let central = most_central(rows, space, &members);
            let others: Vec<u32> = members.into_iter().filter(|&member| member != central).collect();
            let mut seeds = vec![central];
            seeds.extend((1..quota).map(|k| others[(k - 1) * others.len() / (quota - 1)]));
            Ok(seeds)
        })
        .collect();
    let mut seeds: Vec<u32> = chosen?.into_iter().flatten().collect();
    // Codes are about the mean, so the mean is the zero row.
    seeds.sort_by_cached_key(|&seed| (magnitude(rows.row(seed), space), seed));
    Ok(seeds)
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
    let mut panels = Panels::new(space, rows.dim);
    panels.pack(&mean, &[0]);
    let mut distances = vec![0u32; ROWS_AT_ONCE * panels.stride()];
    let mut nearest = (u32::MAX, members[0]);
    for members in members.chunks(ROWS_AT_ONCE) {
        panels.distances(rows.codes, members, &mut distances);
        for (&member, distances) in members.iter().zip(distances.chunks_exact(panels.stride())) {
            nearest = nearest.min((distances[0], member));
        }
    }
    nearest.1
}
