//! Sparse vectors: sketches for the walk, exact distances for the order.

use ann::Metric;
use ann::search::Measured;

use super::{L2_UNDERFLOW, PRODUCT_UNDERFLOW, never_nan};
use crate::row::StoredSparse;

/// The sketch of a vector in `out`: every dimension is added to or subtracted from one coordinate, chosen by a hash.
///
/// Inner products of sketches are those of the vectors, plus noise with mean zero and a standard deviation of at
/// most |x| |y| / sqrt(coordinates / 2).
pub(super) fn sketch(pairs: impl Iterator<Item = (u32, f32)>, seed: u64, out: &mut [f32]) {
    out.fill(0.0);
    for (index, value) in pairs {
        let hash = hash(seed ^ u64::from(index));
        let coordinate = ((hash >> 32) * out.len() as u64) >> 32;
        out[coordinate as usize] += if hash & 1 == 0 { value } else { -value };
    }
}

/// The finaliser of MurmurHash3.
fn hash(x: u64) -> u64 {
    let x = (x ^ x >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let x = (x ^ x >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    x ^ x >> 33
}

/// A sparse query, measured against whole vectors in float8.
pub(super) struct SparseQuery {
    metric: Metric,
    pairs: Vec<(u32, f32)>,
    norm: f64,
    /// Inner product: |q|^2 + M^2 of the scaled query, and |scaled query| / |query|.
    offset: f64,
    scale: f64,
}

/// Sums over the dimensions in which either vector is not zero.
#[derive(Default)]
struct Sums {
    /// Of q x, and of its magnitudes.
    product: f64,
    product_size: f64,
    /// Of (q - x)^2.
    squares: f64,
    /// Of |q - x|.
    magnitudes: f64,
    /// Of x^2.
    row_squares: f64,
}

impl SparseQuery {
    pub(super) fn new(metric: Metric, pairs: Vec<(u32, f32)>, norm: f64, offset: f64, scale: f64) -> Self {
        Self { metric, pairs, norm, offset, scale }
    }

    /// The distance to a row.
    ///
    /// The operator's float4 sums have at most `terms` terms: they are off by at most `terms` times 2^-24 of the
    /// sum of the magnitudes.
    pub(super) fn measure(&self, row: StoredSparse<'_>) -> Measured {
        let sums = self.sums(row);
        let terms = (self.pairs.len() + row.count() + 8) as f64;
        let rounding = terms * f64::from(f32::EPSILON) / 2.0;
        let (value, key, slack) = match self.metric {
            Metric::L2 => {
                let value = sums.squares.sqrt();
                (value, sums.squares, rounding * value + L2_UNDERFLOW)
            }
            Metric::InnerProduct => {
                let slack = rounding * sums.product_size + PRODUCT_UNDERFLOW;
                (-sums.product, self.offset - 2.0 * self.scale * sums.product, slack)
            }
            Metric::L1 => (sums.magnitudes, sums.magnitudes, rounding * sums.magnitudes + L2_UNDERFLOW),
            Metric::Cosine | Metric::Hamming | Metric::Jaccard => {
                let norms = self.norm * sums.row_squares.sqrt();
                let value = 1.0 - (sums.product / norms).clamp(-1.0, 1.0);
                (value, 2.0 * value, rounding * (2.0 + sums.product_size / norms) + 1e-6)
            }
        };
        let (lower, upper) = never_nan(value - slack, value + slack);
        // A key that is no number comes from a damaged page; it must not hide its row.
        let key = if key.is_nan() { 0.0 } else { key.max(0.0) as f32 };
        let lower = if self.metric == Metric::InnerProduct { lower } else { lower.max(0.0) };
        Measured { lower, upper, value, key, id: 0, payload: 0 }
    }

    fn sums(&self, row: StoredSparse<'_>) -> Sums {
        let mut sums = Sums::default();
        let mut query = self.pairs.iter().copied().peekable();
        let only = |sums: &mut Sums, x: f64| {
            sums.squares += x * x;
            sums.magnitudes += x.abs();
        };
        for (index, value) in row.pairs() {
            let x = f64::from(value);
            while let Some((_, q)) = query.next_if(|&(at, _)| at < index) {
                only(&mut sums, f64::from(q));
            }
            sums.row_squares += x * x;
            match query.next_if(|&(at, _)| at == index) {
                Some((_, q)) => {
                    let q = f64::from(q);
                    sums.product += q * x;
                    sums.product_size += (q * x).abs();
                    only(&mut sums, q - x);
                }
                None => only(&mut sums, x),
            }
        }
        query.for_each(|(_, q)| only(&mut sums, f64::from(q)));
        sums
    }
}
