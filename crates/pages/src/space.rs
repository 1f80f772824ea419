//! The space that an index works in, and the bounds that bring its numbers back to the operator's.
//!
//! A row's vector x is *placed*: normalised for cosine, else as it is. A segment stores residuals
//! r = P (x - c) about its mean c, with P the index's random rotation (the identity for L1, which rotation does not
//! keep). So L2 and cosine are distances between residuals; for the inner product the search key is the squared
//! distance in the space with one more dimension in which all rows have the same norm M:
//! key = |q|^2 + M^2 - 2 <q, x>, with q scaled to the norm M (scaling a query does not change its order).
//!
//! A search works on keys: squared L2 for L2, cosine and inner product, the distance itself for L1. The operator
//! computes in float4 on the heap's vectors, the segment on rounded residuals; [`SegmentQuery::bounds`] hold
//! for any value that the operator can give, because PostgreSQL stops with an error when a row turns out nearer
//! than the index said.

use ann::Metric;
use ann::search::Measured;
use quant::rabitq::Lut;
use quant::rotation::Rotation;

/// Norms beyond this are not ranked: their squares would leave float4.
const NORM_MAX: f64 = 1e16;

/// What an index does to every vector.
pub struct Space {
    metric: Metric,
    dim: usize,
    padded_dim: usize,
    rotation: Rotation,
}

/// What became of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It has a place in the order.
    Ranked,
    /// Its distance to anything may be anything: it is always offered first, for the executor to rank.
    First,
    /// Its distance to anything is NaN: it is always offered last.
    Last,
}

impl Space {
    /// The space of an index with these parameters; `padded_dim` is `dim` rounded up to a multiple of 64.
    pub fn new(metric: Metric, dim: usize, seed: u64) -> Self {
        let padded_dim = dim.next_multiple_of(64);
        let rotation = if metric == Metric::L1 {
            Rotation::identity(padded_dim)
        } else {
            Rotation::new(padded_dim, seed)
        };
        Self { metric, dim, padded_dim, rotation }
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Dimensions of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Dimensions of a residual.
    pub fn padded_dim(&self) -> usize {
        self.padded_dim
    }

    /// Whether nodes can hold 1-bit codes.
    pub fn has_estimates(&self) -> bool {
        self.metric.has_estimates()
    }

    /// Places `x` (dim) in `out` (dim).
    pub fn place(&self, x: &[f32], out: &mut [f32]) -> Placement {
        let norm = norm(x);
        if self.metric == Metric::Cosine {
            if norm == 0.0 {
                out.fill(0.0);
                return Placement::Last;
            }
            // The operator accumulates in float4: squares that overflow or vanish there make it NaN or inexact.
            if !(1e-15..=NORM_MAX).contains(&norm) {
                out.fill(0.0);
                return Placement::First;
            }
            out.iter_mut().zip(x).for_each(|(out, &x)| *out = (f64::from(x) / norm) as f32);
            return Placement::Ranked;
        }
        if norm > NORM_MAX {
            out.fill(0.0);
            return Placement::First;
        }
        out.copy_from_slice(x);
        Placement::Ranked
    }

    /// The residual of a placed vector about `centroid` (dim), in `out` (padded dim).
    pub fn residual(&self, placed: &[f32], centroid: &[f32], out: &mut [f32]) {
        for ((out, &x), &c) in out.iter_mut().zip(placed).zip(centroid) {
            *out = x - c;
        }
        out[self.dim..].fill(0.0);
        self.rotation.rotate(out);
    }

    /// The placed vector (dim) of a residual about `centroid`, which it uses up.
    pub fn restore(&self, residual: &mut [f32], centroid: &[f32]) -> Vec<f32> {
        self.rotation.inverse(residual);
        residual.iter().zip(centroid).map(|(&r, &c)| r + c).collect()
    }
}

/// L2 norm in float8.
pub fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// A query as given.
pub struct Query {
    placed: Vec<f32>,
    norm: f64,
}

impl Query {
    /// The query, or how all rows must be offered when it has no place itself.
    ///
    /// # Errors
    /// [`Placement::First`]: every row may be anywhere; [`Placement::Last`]: every distance is NaN.
    pub fn new(space: &Space, query: &[f32]) -> Result<Self, Placement> {
        let mut placed = vec![0.0; query.len()];
        match space.place(query, &mut placed) {
            Placement::Ranked => Ok(Self { norm: norm(query), placed }),
            unranked => Err(unranked),
        }
    }
}

/// A query against one segment's codes.
pub struct SegmentQuery {
    metric: Metric,
    /// Rotated: about the centroid, or for the inner product as it is, scaled.
    pub vector: Vec<f32>,
    /// Look-up tables for 1-bit codes; empty without estimates.
    pub lut: Lut,
    /// What estimates start from.
    pub base: f32,
    /// Of `vector`, in the metric's own norm.
    vector_norm: f64,
    /// Inner product: |q|^2 + M^2 of the scaled query.
    offset: f64,
    /// Inner product: |query| / |scaled query|.
    unscale: f64,
    query_norm: f64,
    /// Inner product: of the scaled query with the centroid, and the centroid's norm.
    to_centroid: f64,
    centroid_norm: f64,
    rounding: f64,
}

impl SegmentQuery {
    /// Prepares `query` for residuals about `centroid` (dim), of rows with norms up to `norm_max` (inner product).
    pub fn new(space: &Space, query: &Query, centroid: &[f32], norm_max: f32) -> Self {
        let mut vector = vec![0.0; space.padded_dim];
        let (mut offset, mut unscale, mut to_centroid) = (0.0, 1.0, 0.0);
        let mut base = 0.0;
        if space.metric == Metric::InnerProduct {
            let target = f64::from(norm_max).max(f64::from(f32::MIN_POSITIVE));
            let scale = if query.norm > 0.0 { target / query.norm } else { 1.0 };
            unscale = if query.norm > 0.0 { query.norm / target } else { 1.0 };
            let scaled: Vec<f32> = query.placed.iter().map(|&q| (f64::from(q) * scale) as f32).collect();
            vector[..space.dim].copy_from_slice(&scaled);
            space.rotation.rotate(&mut vector);
            to_centroid =
                scaled.iter().zip(centroid).map(|(&q, &c)| f64::from(q) * f64::from(c)).sum::<f64>();
            offset = norm(&scaled).powi(2) + target * target;
            base = offset - 2.0 * to_centroid;
        } else {
            space.residual(&query.placed, centroid, &mut vector);
        }
        let vector_norm = if space.metric == Metric::L1 {
            vector.iter().map(|&v| f64::from(v.abs())).sum()
        } else {
            norm(&vector)
        };
        if matches!(space.metric, Metric::L2 | Metric::Cosine) {
            base = vector_norm * vector_norm;
        }
        let mut lut = Lut::new();
        if space.has_estimates() {
            lut.fill(&vector);
        }
        Self {
            metric: space.metric,
            vector,
            lut,
            base: base as f32,
            vector_norm,
            offset,
            unscale,
            query_norm: query.norm,
            to_centroid,
            centroid_norm: norm(centroid),
            rounding: (space.padded_dim as f64 + 32.0) * f64::from(f32::EPSILON) / 2.0,
        }
    }

    /// The search key of a row whose own vector is `scale` times the code `own`. Non-negative.
    #[inline]
    pub fn key(&self, kernel: &kernels::Coded<'_>, own: &[u8], scale: f32) -> f32 {
        match self.metric {
            Metric::L2 | Metric::Cosine => kernel.l2_squared(&self.vector, scale, own),
            Metric::InnerProduct => {
                (self.base - 2.0 * kernel.inner_product(&self.vector, scale, own)).max(0.0)
            }
            Metric::L1 => kernel.l1(&self.vector, scale, own),
        }
    }

    /// The operator's value for a key, up to rounding.
    #[inline]
    pub fn value(&self, key: f32) -> f64 {
        let key = f64::from(key);
        match self.metric {
            Metric::L2 => key.sqrt(),
            Metric::Cosine => key / 2.0,
            Metric::InnerProduct => (key - self.offset) / 2.0 * self.unscale,
            Metric::L1 => key,
        }
    }

    /// A pending row, whose norm may exceed what the query was prepared for. Its key means nothing.
    pub fn measure_pending(
        &self,
        kernel: &kernels::Coded<'_>,
        own: &[u8],
        scale: f32,
        error: f32,
    ) -> Measured {
        let (value, (lower, upper)) = if self.metric == Metric::InnerProduct {
            let product = f64::from(kernel.inner_product(&self.vector, scale, own));
            let origin = vec![0.0; self.vector.len()];
            let row_norm = self.centroid_norm + f64::from(kernel.l2_squared(&origin, scale, own)).sqrt();
            let value = -(self.to_centroid + product) * self.unscale;
            (value, self.product_bounds(value, row_norm, error))
        } else {
            let key = self.key(kernel, own, scale);
            let key = if key.is_nan() { 0.0 } else { key };
            (self.value(key), self.bounds(key, error))
        };
        Measured { lower, upper, value, key: 0.0, id: 0, payload: 0 }
    }

    /// Bounds below and above any value that the operator gives for a row with this key, whose stored vector is off
    /// by at most `error`. Never NaN.
    ///
    /// The rounding terms bound float4 sums of `dim` terms by dim * 2^-24 of the sum of their magnitudes, for the
    /// operator's sum as for ours, and the rotation by a few units in the last place of the norms.
    #[inline]
    pub fn bounds(&self, key: f32, error: f32) -> (f64, f64) {
        let rounding = self.rounding;
        match self.metric {
            Metric::L2 | Metric::Cosine => {
                let distance = f64::from(key).sqrt();
                let slack =
                    f64::from(error) + 4e-6 * (2.0 * self.vector_norm + distance) + rounding * distance;
                let (lower, upper) = ((distance - slack).max(0.0), distance + slack);
                if self.metric == Metric::L2 {
                    return never_nan(lower * (1.0 - rounding), upper * (1.0 + rounding));
                }
                let slack = 2.0 * rounding + 1e-6;
                never_nan((lower * lower / 2.0 - slack).max(0.0), upper * upper / 2.0 + slack)
            }
            // The norm of the scaled query is the largest norm of a row.
            Metric::InnerProduct => self.product_bounds(self.value(key), self.vector_norm, error),
            Metric::L1 => {
                let key = f64::from(key);
                let slack = f64::from(error) + 2.0 * rounding * key + 1e-6 * self.vector_norm;
                never_nan((key - slack).max(0.0), key + slack)
            }
        }
    }

    fn product_bounds(&self, value: f64, row_norm: f64, error: f32) -> (f64, f64) {
        let slack = self.query_norm * (f64::from(error) + row_norm * (4.0 * self.rounding + 2e-5));
        never_nan(value - slack, value + slack)
    }
}

/// Bounds that hold whatever happened.
fn never_nan(lower: f64, upper: f64) -> (f64, f64) {
    if lower.is_nan() || upper.is_nan() { (f64::NEG_INFINITY, f64::INFINITY) } else { (lower, upper) }
}
