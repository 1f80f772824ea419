//! Vectors that are made, for tables larger than the data sets: each a function of its number alone, so that a million
//! of them takes no memory.
//!
//! A row is the sum of one of 2,000 centres, of 24 latent coordinates along directions that all centres share, and of
//! noise in every dimension. All numbers are normal: of a centre with deviation 0.6, of a shared direction 0.12, of the
//! noise 0.35. So rows of a centre lie near a space of few dimensions, as embeddings do, and their distances have
//! something that no index can use, too. Queries are the rows behind the last.

use std::ops::Range;

use kernels::Kernels;
use rayon::prelude::*;

use crate::dataset::{Dataset, Matrix, Rows};
use crate::random::{mixed, normals};

const CENTRES: usize = 2000;
const CENTRE: f32 = 0.6;
const LATENT: usize = 24;
const DIRECTION: f32 = 0.12;
const NOISE: f32 = 0.35;

const QUERIES: usize = 200;
/// Exact neighbours of each query.
const NEIGHBORS: usize = 10;
/// Rows that stay in the cache while all queries meet them.
const BLOCK: usize = 64;
/// PostgreSQL's limit of a row within a page, without the rest of the row.
const INLINE_BYTES_MAX: usize = 8000;

/// Rows of the model.
pub struct Generated {
    count: usize,
    dim: usize,
    centres: Vec<f32>,
    directions: Vec<f32>,
}

impl Generated {
    fn new(count: usize, dim: usize) -> Self {
        let mut state = 0;
        let mut scaled = |rows: usize, deviation: f32| {
            let mut values = vec![0.0; rows * dim];
            normals(&mut state, &mut values);
            values.iter_mut().for_each(|value| *value *= deviation);
            values
        };
        Self { count, dim, centres: scaled(CENTRES, CENTRE), directions: scaled(LATENT, DIRECTION) }
    }

    /// Writes a row to `out`, dim.
    fn row(&self, number: usize, out: &mut [f32]) {
        let mut state = mixed(!(number as u64));
        let centre = state as usize % CENTRES;
        let mut latent = [0.0; LATENT];
        normals(&mut state, &mut latent);
        normals(&mut state, out);
        let centre = &self.centres[centre * self.dim..][..self.dim];
        out.iter_mut().zip(centre).for_each(|(out, centre)| *out = NOISE * *out + centre);
        for (factor, direction) in latent.iter().zip(self.directions.chunks_exact(self.dim)) {
            out.iter_mut().zip(direction).for_each(|(out, part)| *out += factor * part);
        }
    }

    fn queries(&self) -> Matrix<f32> {
        let mut values = Vec::new();
        self.batch(self.count..self.count + QUERIES, &mut values);
        Matrix { count: QUERIES, dim: self.dim, values }
    }
}

impl Rows for Generated {
    fn count(&self) -> usize {
        self.count
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn batch<'a>(&'a self, numbers: Range<usize>, space: &'a mut Vec<f32>) -> &'a [f32] {
        space.resize(numbers.len() * self.dim, 0.0);
        let rows = space.par_chunks_exact_mut(self.dim).enumerate();
        rows.for_each(|(at, row)| self.row(numbers.start + at, row));
        space
    }
}

impl Dataset<Generated> {
    /// The data set that `text` asks for: `ROWSxDIM`.
    ///
    /// # Errors
    /// If it has another form, or is of a size that there can't be.
    pub fn generated(text: &str) -> Result<Self, String> {
        let sizes =
            text.split_once('x').and_then(|(count, dim)| Some((count.parse().ok()?, dim.parse().ok()?)));
        let (count, dim) = sizes.ok_or(format!("{text} is not ROWSxDIM"))?;
        if count < NEIGHBORS || count > i32::MAX as usize || dim == 0 || 4 * dim > INLINE_BYTES_MAX {
            return Err(format!(
                "{text}: from {NEIGHBORS} rows on, and 1 to {} dimensions",
                INLINE_BYTES_MAX / 4
            ));
        }
        let rows = Generated::new(count, dim);
        let queries = rows.queries();
        let truth = exact(&rows, &queries);
        Ok(Self { name: format!("generated-{text}"), rows, queries, truth, is_inline: true })
    }
}

/// The rows nearest to one query so far: cosines, times the query's length, and numbers, nearest first.
type Nearest = [(f32, i32); NEIGHBORS];

/// The rows with the largest cosines, for each query.
fn exact(rows: &Generated, queries: &Matrix<f32>) -> Matrix<i32> {
    let none = || vec![[(f32::NEG_INFINITY, -1); NEIGHBORS]; queries.count];
    let blocks = (0..rows.count).into_par_iter().step_by(BLOCK);
    let nearest: Vec<Nearest> = blocks
        .fold(none, |mut nearest, first| {
            let mut block = vec![0.0; BLOCK.min(rows.count - first) * rows.dim];
            for (at, row) in block.chunks_exact_mut(rows.dim).enumerate() {
                rows.row(first + at, row);
                let length = Kernels::get().inner_product_f32(row, row).sqrt();
                row.iter_mut().for_each(|value| *value /= length);
            }
            for (query, nearest) in nearest.iter_mut().enumerate() {
                for (at, row) in block.chunks_exact(rows.dim).enumerate() {
                    let cosine = Kernels::get().inner_product_f32(queries.row(query), row);
                    offer(nearest, (cosine, (first + at) as i32));
                }
            }
            nearest
        })
        .reduce(none, |mut nearest, others| {
            for (nearest, others) in nearest.iter_mut().zip(others) {
                others.into_iter().for_each(|other| offer(nearest, other));
            }
            nearest
        });
    let values = nearest.iter().flatten().map(|&(_, number)| number).collect();
    Matrix { count: queries.count, dim: NEIGHBORS, values }
}

/// Puts a row among the nearest, if it is one of them.
fn offer(nearest: &mut Nearest, row: (f32, i32)) {
    let at = nearest.partition_point(|one| one.0 >= row.0);
    if at < NEIGHBORS {
        nearest[at..].rotate_right(1);
        nearest[at] = row;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_do_not_depend_on_their_batch() {
        let rows = Generated::new(1000, 33);
        let (mut some, mut all) = (Vec::new(), Vec::new());
        rows.batch(500..600, &mut some);
        rows.batch(0..1000, &mut all);
        assert_eq!(some, all[500 * 33..600 * 33]);
        assert!(all[..33] != all[33..66]);
    }

    #[test]
    fn rows_are_spread_as_the_model_says() {
        let rows = Generated::new(20_000, 64);
        let mut values = Vec::new();
        rows.batch(0..20_000, &mut values);
        let variance =
            values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len() as f64;
        let expected = f64::from(CENTRE.powi(2) + LATENT as f32 * DIRECTION.powi(2) + NOISE.powi(2));
        assert!((variance / expected - 1.0).abs() < 0.05, "{variance} instead of {expected}");
    }

    #[test]
    fn answers_are_those_of_sorting() {
        let data = Dataset::generated("777x32").unwrap();
        let mut values = Vec::new();
        data.rows.batch(0..777, &mut values);
        for query in 0..data.queries.count {
            let cosine = |row: usize| {
                let row = &values[row * 32..][..32];
                let products = row.iter().zip(data.queries.row(query)).map(|(a, b)| f64::from(a * b));
                let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
                products.sum::<f64>() / length
            };
            let mut order: Vec<usize> = (0..777).collect();
            order.sort_by(|&a, &b| cosine(b).total_cmp(&cosine(a)));
            let expected: Vec<i32> = order[..NEIGHBORS].iter().map(|&row| row as i32).collect();
            assert_eq!(data.truth.row(query), expected);
        }
    }

    #[test]
    fn sizes_are_two_numbers() {
        for text in ["", "10", "x", "10x", "ax5", "9x5", "100x2001", "100x0", "3000000000x5"] {
            assert!(Dataset::generated(text).is_err(), "{text}");
        }
        let data = Dataset::generated("10x3").unwrap();
        assert_eq!((data.rows.count(), data.rows.dim(), data.queries.count), (10, 3, QUERIES));
    }
}
