//! Exact nearest neighbours of a sample of rows, and how many of them an approximate answer has.

use kernels::block::{NO_DISTANCE, Panels, smallest};
use rayon::prelude::*;

use crate::build::{BuildError, Control, Reservoirs, Rows, Space};

/// Rows that are columns of one product.
const COLUMNS: usize = 1024;

/// Queries that meet the columns at once.
const ROWS_AT_ONCE: usize = 24;

/// Queries made of rows: their codes, and the row that each leaves out of its answer.
#[derive(Clone, Debug, Default)]
pub struct Queries {
    /// As many codes of the rows' length as `rows` has entries.
    pub codes: Vec<i8>,
    /// The row that is not its own neighbour, or [`NO_ROW`].
    pub rows: Vec<u32>,
    /// For each: rows farther than this are not wanted, though they may come. Empty: all are wanted.
    pub limits: Vec<u32>,
}

impl Queries {
    /// The rows with these numbers, as they are.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn of_rows(rows: &Rows<'_>, numbers: &[u32]) -> Self {
        let code = |&row: &u32| &rows.codes[row as usize * rows.dim..][..rows.dim];
        let codes = numbers.iter().flat_map(code).copied().collect();
        Self { codes, rows: numbers.to_vec(), limits: Vec::new() }
    }
}

/// In place of a row's number: none.
pub const NO_ROW: u32 = u32::MAX;

/// The `k` rows nearest to each query, with their distances in the units of the codes; nearest first, ties by row.
///
/// # Errors
/// [`BuildError::Cancelled`] soon after `control.cancel` is set; [`BuildError::TooManyRows`] above 2^32 - 2
/// rows.
///
/// # Panics
/// If the codes of the queries are not `queries.rows.len()` x `dim`, `rows.codes` is not `count` x `dim`, or `dim` is
/// not a supported row length.
pub fn exact_neighbors(
    rows: &Rows<'_>,
    space: Space,
    queries: &Queries,
    k: usize,
    control: &Control,
) -> Result<Vec<Vec<(u32, u32)>>, BuildError> {
    assert!(rows.codes.len() == rows.count * rows.dim, "codes are count x dim");
    assert!(queries.codes.len() == queries.rows.len() * rows.dim, "queries are as long as rows");
    let count = queries.rows.len();
    if rows.count >= u32::MAX as usize {
        return Err(BuildError::TooManyRows);
    }
    let k = k.min(rows.count);
    if k == 0 {
        return Ok(vec![Vec::new(); count]);
    }
    let mut slab = vec![u64::MAX; count * k];
    let reservoirs = Reservoirs::new(&mut slab, k);
    (0..rows.count.div_ceil(COLUMNS)).into_par_iter().try_for_each_init(
        || (Panels::new(space, rows.dim), vec![0u32; ROWS_AT_ONCE * COLUMNS], Vec::new()),
        |(panels, distances, found), block| {
            let first = block * COLUMNS;
            let columns: Vec<u32> = (first as u32..rows.count.min(first + COLUMNS) as u32).collect();
            panels.pack(rows.codes, &columns);
            for start in (0..count).step_by(ROWS_AT_ONCE) {
                control.check()?;
                let batch: Vec<u32> = (start as u32..count.min(start + ROWS_AT_ONCE) as u32).collect();
                panels.distances(&queries.codes, &batch, distances);
                for (&query, distances) in batch.iter().zip(distances.chunks_exact_mut(panels.stride())) {
                    let own = queries.rows[query as usize] as usize;
                    if let Some(own) = own.checked_sub(first).filter(|&own| own < columns.len()) {
                        distances[own] = NO_DISTANCE;
                    }
                    let wanted = queries.limits.get(query as usize).copied().unwrap_or(u32::MAX);
                    let limit = reservoirs.limit(query).min(wanted);
                    smallest(&distances[..columns.len()], k, limit, found);
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
    let found = |keys: &[u64]| {
        let pairs = keys.iter().map(|&key| ((key >> 32) as u32, key as u32));
        pairs.filter(|&(distance, _)| distance != NO_DISTANCE).collect()
    };
    Ok(slab.chunks_exact(k).map(found).collect())
}

/// The share of the first `k` of `truth` that is among the first `k` of `found`; 1 when there is nothing to
/// find.
pub fn recall(found: &[u32], truth: &[u32], k: usize) -> f64 {
    let truth = &truth[..truth.len().min(k)];
    if truth.is_empty() {
        return 1.0;
    }
    let found = &found[..found.len().min(k)];
    truth.iter().filter(|id| found.contains(id)).count() as f64 / truth.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_neighbors_equal_sorting() {
        let (dim, count) = (64, 2500);
        let codes: Vec<i8> = (0..count * dim).map(|i: usize| (i * i % 251 * 7 % 13) as i8).collect();
        let rows = Rows { codes: &codes, dim, count };
        let queries: Vec<u32> = (0..40).map(|i| i * 61 % count as u32).collect();
        for (space, k) in [(Space::L2, 10), (Space::L1, 1), (Space::L2, 100), (Space::L2, 5000)] {
            let found =
                exact_neighbors(&rows, space, &Queries::of_rows(&rows, &queries), k, &Control::default())
                    .unwrap();
            for (&query, found) in queries.iter().zip(&found) {
                let row = |id: u32| &codes[id as usize * dim..][..dim];
                let distance = |id: u32| -> u32 {
                    let pairs = row(query).iter().zip(row(id));
                    let differences = pairs.map(|(&a, &b)| i32::from(a).abs_diff(i32::from(b)));
                    match space {
                        Space::L2 => differences.map(|d| d * d).sum(),
                        Space::L1 => differences.sum(),
                    }
                };
                let others = (0..count as u32).filter(|&id| id != query);
                let mut all: Vec<(u32, u32)> = others.map(|id| (distance(id), id)).collect();
                all.sort_unstable();
                all.truncate(k);
                assert_eq!(*found, all);
            }
        }
    }

    #[test]
    fn degenerate_questions() {
        let codes = [3i8; 128];
        let control = Control::default();
        let none = Rows { codes: &[], dim: 64, count: 0 };
        assert!(exact_neighbors(&none, Space::L2, &Queries::default(), 10, &control).unwrap().is_empty());
        let one = Rows { codes: &codes[..64], dim: 64, count: 1 };
        assert_eq!(
            exact_neighbors(&one, Space::L2, &Queries::of_rows(&one, &[0]), 10, &control).unwrap(),
            [[(0, 0); 0]]
        );
        let two = Rows { codes: &codes, dim: 64, count: 2 };
        assert_eq!(
            exact_neighbors(&two, Space::L2, &Queries::of_rows(&two, &[1, 0]), 10, &control).unwrap(),
            [[(0, 0)], [(0, 1)]]
        );
        let foreign = Queries { codes: codes[..64].to_vec(), rows: vec![NO_ROW], limits: Vec::new() };
        let found = exact_neighbors(&two, Space::L2, &foreign, 10, &control).unwrap();
        assert_eq!(found, [[(0, 0), (0, 1)]]);
        let near = Queries { codes: vec![5; 64], rows: vec![NO_ROW], limits: vec![4 * 64 - 1] };
        assert_eq!(exact_neighbors(&two, Space::L2, &near, 10, &control).unwrap(), [[(0, 0); 0]]);
    }

    #[test]
    fn recall_counts_the_first_k() {
        assert_eq!(recall(&[1, 2, 3], &[3, 2, 1], 3), 1.0);
        assert_eq!(recall(&[1, 2, 3], &[3, 2, 1], 1), 0.0);
        assert_eq!(recall(&[1], &[3, 1], 2), 0.5);
        assert_eq!(recall(&[], &[], 5), 1.0);
    }
}
