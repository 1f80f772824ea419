//! Exact nearest neighbours of a sample of rows, and how many of them an approximate answer has.

use kernels::block::{NO_DISTANCE, Panels, smallest};
use rayon::prelude::*;

use crate::build::{BuildError, Control, Reservoirs, Rows, Space};

/// Rows that are columns of one product.
const COLUMNS: usize = 1024;

/// Queries that meet the columns at once.
const ROWS_AT_ONCE: usize = 24;

/// The `k` rows nearest to each row of `queries`, which is not its own neighbour; nearest first, ties by row.
///
/// # Errors
/// [`BuildError::Cancelled`] soon after `control.cancel` is set; [`BuildError::TooManyRows`] above 2^32 - 2 rows.
///
/// # Panics
/// If a query is not a row, `rows.codes` is not `count` x `dim`, or `dim` is not a supported row length.
pub fn exact_neighbors(
    rows: &Rows<'_>,
    space: Space,
    queries: &[u32],
    k: usize,
    control: &Control,
) -> Result<Vec<Vec<u32>>, BuildError> {
    assert!(rows.codes.len() == rows.count * rows.dim, "codes are count x dim");
    if rows.count >= u32::MAX as usize {
        return Err(BuildError::TooManyRows);
    }
    let k = k.min(rows.count.saturating_sub(1));
    if k == 0 {
        return Ok(vec![Vec::new(); queries.len()]);
    }
    let mut slab = vec![u64::MAX; queries.len() * k];
    let reservoirs = Reservoirs::new(&mut slab, k);
    (0..rows.count.div_ceil(COLUMNS)).into_par_iter().try_for_each_init(
        || (Panels::new(space, rows.dim), vec![0u32; ROWS_AT_ONCE * COLUMNS], Vec::new()),
        |(panels, distances, found), block| {
            let first = block * COLUMNS;
            let columns: Vec<u32> = (first as u32..rows.count.min(first + COLUMNS) as u32).collect();
            panels.pack(rows.codes, &columns);
            for (batch, ids) in queries.chunks(ROWS_AT_ONCE).enumerate() {
                control.check()?;
                panels.distances(rows.codes, ids, distances);
                let each = distances.chunks_exact_mut(panels.stride());
                for (index, (&id, distances)) in ids.iter().zip(each).enumerate() {
                    let query = (batch * ROWS_AT_ONCE + index) as u32;
                    if let Some(own) = (id as usize).checked_sub(first).filter(|&own| own < columns.len()) {
                        distances[own] = NO_DISTANCE;
                    }
                    smallest(&distances[..columns.len()], k, reservoirs.limit(query), found);
                    for key in found.iter_mut() {
                        *key += first as u64;
                    }
                    reservoirs.offer(query, found);
                }
            }
            Ok(())
        },
    )?;
    drop(reservoirs);
    Ok(slab.chunks_exact(k).map(|keys| keys.iter().map(|&key| key as u32).collect()).collect())
}

/// The share of the first `k` of `truth` that is among the first `k` of `found`; 1 when there is nothing to find.
pub fn recall(found: &[u32], truth: &[u32], k: usize) -> f64 {
    let truth = &truth[..truth.len().min(k)];
    if truth.is_empty() {
        return 1.0;
    }
    let found = &found[..found.len().min(k)];
    truth.iter().filter(|id| found.contains(id)).count() as f64 / truth.len() as f64
}
