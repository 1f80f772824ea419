//! Dense vectors: distances to codes of residuals, with bounds of the distance to what the row holds.

use ann::Metric;
use ann::search::Measured;
use kernels::{Coded, Kernels};
use quant::rabitq::longer;

use super::{L2_UNDERFLOW, PRODUCT_UNDERFLOW, never_nan, norm};

/// What there is of rows.
#[derive(Clone, Copy)]
pub(super) enum Code {
    /// Their own vectors' codes.
    Residual(Coded<'static>),
    /// The same, that lose much.
    Rough(Coded<'static>),
    /// Their 1-bit codes.
    Sign(&'static Kernels),
}

/// A row as far as its code tells.
struct Rough {
    key: f32,
    /// How far the squared distance may be from the key.
    slack: f64,
}

/// A query in a segment's terms.
pub(super) struct DenseQuery {
    metric: Metric,
    code: Code,
    /// Rotated: about the centroid, or for the inner product as it is, scaled.
    vector: Vec<f32>,
    /// What estimates start from.
    base: f32,
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
    /// Inner product, and codes that lose much: a vector of zeros, for the norms of rows.
    origin: Vec<f32>,
    rounding: f64,
    /// Bounds that may be wrong, but seldom are: what a code lost is measured in deviations of a random direction.
    deviations: Option<f64>,
}

/// Deviations within which likely bounds are unless somebody wants others: one row in some hundred is outside.
pub(super) const LIKELY_DEVIATIONS: f64 = 3.0;

/// The square of a code's step, divided by this, is more than the square of what the code loses of a coordinate on
/// average: rounding loses a twelfth, and the largest coordinates are clipped.
const ROUNDED_MIN: f64 = 6.0;

/// What the inner product does to a query; the identity for other metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    /// Inner product: |q|^2 + M^2 of the scaled query.
    pub(super) offset: f64,
    /// |query| / |scaled query|.
    pub(super) unscale: f64,
    /// Of the scaled query with the centroid.
    pub(super) to_centroid: f64,
}

impl DenseQuery {
    /// `vector`: what codes are measured against; `base`: see [`super::SegmentQuery`].
    pub(super) fn new(
        (metric, code): (Metric, Code),
        vector: Vec<f32>,
        base: f32,
        scaling: Scaling,
        query_norm: f64,
        centroid: &[f32],
    ) -> Self {
        let vector_norm = if metric == Metric::L1 {
            vector.iter().map(|&v| f64::from(v.abs())).sum()
        } else {
            norm(&vector)
        };
        let has_norms = metric == Metric::InnerProduct || matches!(code, Code::Rough(_));
        Self {
            metric,
            code,
            base,
            vector_norm,
            offset: scaling.offset,
            unscale: scaling.unscale,
            query_norm,
            to_centroid: scaling.to_centroid,
            centroid_norm: norm(centroid),
            origin: if has_norms { vec![0.0; vector.len()] } else { Vec::new() },
            rounding: (vector.len() as f64 + 32.0) * f64::from(f32::EPSILON) / 2.0,
            deviations: None,
            vector,
        }
    }

    /// The same with likely bounds, within so many deviations, instead of true ones.
    ///
    /// What a code lost, a vector of length e, has no direction of its own: the codes are of randomly rotated vectors.
    /// So its product with a vector v is like that of a random direction, with the deviation e |v| / sqrt(dim): see
    /// [`Self::by_direction`].
    pub(super) fn with_likely_bounds(self, deviations: f64) -> Self {
        let is_rotated = self.metric != Metric::L1;
        let deviations = is_rotated.then(|| deviations / (self.vector.len() as f64).sqrt());
        Self { deviations, origin: vec![0.0; self.vector.len()], ..self }
    }

    /// The same with likely bounds twice as far apart.
    pub(super) fn with_wider_bounds(self) -> Self {
        Self { deviations: self.deviations.map(|deviations| 2.0 * deviations), ..self }
    }

    /// A row whose own vector is `scale` times the code `own`, up to `error`.
    #[inline]
    pub(super) fn measure(&self, own: &[u8], scale: f32, error: f32) -> Measured {
        let Rough { key, slack } = self.rough(own, scale, error);
        // A key that is no number comes from a damaged code; it must not hide its row.
        let key = if key.is_nan() { 0.0 } else { key };
        let (lower, upper) = self.bounds(key, error, slack);
        Measured { lower, upper, value: self.value(key), key, id: 0, payload: 0 }
    }

    /// A row whose norm may exceed what the query was prepared for. Its key means nothing.
    pub(super) fn measure_pending(&self, own: &[u8], scale: f32, error: f32) -> Measured {
        let coded = match self.code {
            Code::Residual(coded) if self.metric == Metric::InnerProduct => coded,
            Code::Residual(_) | Code::Rough(_) | Code::Sign(_) => return self.measure(own, scale, error),
        };
        let product = f64::from(coded.inner_product(&self.vector, scale, own));
        let row_norm = self.centroid_norm + f64::from(coded.l2_squared(&self.origin, scale, own)).sqrt();
        let value = -(self.to_centroid + product) * self.unscale;
        let (lower, upper) = self.product_bounds(value, row_norm, f64::from(error));
        Measured { lower, upper, value, key: 0.0, id: 0, payload: 0 }
    }

    /// A row by its code.
    #[inline]
    fn rough(&self, own: &[u8], scale: f32, error: f32) -> Rough {
        match self.code {
            Code::Residual(coded) if self.deviations.is_none() => {
                Rough { key: self.key(coded, own, scale), slack: 0.0 }
            }
            Code::Residual(coded) | Code::Rough(coded) => {
                let known = f64::from(coded.l2_squared(&self.origin, scale, own));
                let product = f64::from(coded.inner_product(&self.vector, scale, own));
                self.by_direction((known, product), error, scale)
            }
            Code::Sign(kernels) => {
                let step = 2.0 * scale;
                let scale = f64::from(scale);
                let known = self.vector.len() as f64 * scale * scale;
                // Bits stand for halves there.
                let product = 2.0 * scale * f64::from(kernels.sign_product(own, &self.vector));
                self.by_direction((known, product), error, step)
            }
        }
    }

    /// A row by the direction of a code that loses much. `known`: the square of the decoded code; `product`: that with
    /// the query's vector v; `step`: between the code's values.
    ///
    /// The code is at right angles to what it lost, but v is not: the nearer to the row r, the more it has of that.
    /// The code made longer gives products without bias. What lies along r is known then, and only the part of v at
    /// right angles to r meets what was lost, a random direction, made longer as well. (Gao and Long 2024, RaBitQ,
    /// whose bound has all of v.)
    ///
    /// That is true of what this code lost. What merges had lost before was at right angles to other codes, about other
    /// centroids. Of a query near the row, the code has lost it as well: squared distances to the row are smaller than
    /// those to the code, by its square, and larger for queries elsewhere. So it is no part of the key, but one of the
    /// slack.
    #[inline]
    fn by_direction(&self, (known, product): (f64, f64), error: f32, step: f32) -> Rough {
        let rounded = (self.vector.len() as f64 / ROUNDED_MIN).sqrt() as f32 * step;
        let longer = longer(known, rounded.min(error));
        let error = f64::from(error);
        let before = (error * error - f64::from(rounded).powi(2)).max(0.0);
        let square = known + error * error;
        let product = product * longer;
        let add = if self.metric == Metric::InnerProduct { 0.0 } else { square };
        let key = (f64::from(self.base) + add - 2.0 * product - before).max(0.0) as f32;
        let lost = 2.0 * error * longer.sqrt();
        // The part is uncertain itself: below what one row in some hundred is off by, it says nothing.
        let deviations = self.deviations.unwrap_or(1.0);
        let least = lost * deviations;
        let along = product * product / square.max(f64::MIN_POSITIVE);
        let across = (self.vector_norm.powi(2) - along).max(0.0).sqrt().max(least);
        Rough { key, slack: deviations * across.min(self.vector_norm) * lost + before }
    }

    /// The search key. Non-negative.
    #[inline]
    fn key(&self, coded: Coded<'_>, own: &[u8], scale: f32) -> f32 {
        match self.metric {
            Metric::InnerProduct => {
                (self.base - 2.0 * coded.inner_product(&self.vector, scale, own)).max(0.0)
            }
            Metric::L1 => coded.l1(&self.vector, scale, own),
            _ => coded.l2_squared(&self.vector, scale, own),
        }
    }

    /// The operator's value for a key, up to rounding.
    #[inline]
    fn value(&self, key: f32) -> f64 {
        let key = f64::from(key);
        match self.metric {
            Metric::Cosine => key / 2.0,
            Metric::InnerProduct => (key - self.offset) / 2.0 * self.unscale,
            Metric::L1 => key,
            _ => key.sqrt(),
        }
    }

    /// Bounds below and above any value that the operator gives for a row with this key, whose stored vector is off
    /// by at most `error`; `slack`: see [`Rough`]. Never NaN.
    ///
    /// The rounding terms bound float4 sums of `dim` terms by dim * 2^-24 of the sum of their magnitudes, for the
    /// operator's sum as for ours, and the rotation by a few units in the last place of the norms.
    #[inline]
    fn bounds(&self, key: f32, error: f32, slack: f64) -> (f64, f64) {
        let rounding = self.rounding;
        match self.metric {
            // The norm of the scaled query is the largest norm of a row.
            Metric::InnerProduct => {
                let likely = slack / (2.0 * self.vector_norm.max(f64::MIN_POSITIVE));
                let lost = self.deviations.map_or(f64::from(error), |_| likely);
                self.product_bounds(self.value(key), self.vector_norm, lost)
            }
            Metric::L1 => {
                let key = f64::from(key);
                let slack = f64::from(error) + 2.0 * rounding * key + 1e-6 * self.vector_norm;
                never_nan((key - slack).max(0.0), key + slack)
            }
            _ => {
                let distance = f64::from(key).sqrt();
                let sizes = 2.0 * self.vector_norm + distance;
                let (lost, below, above) = match self.deviations {
                    None => (f64::from(error), distance, distance),
                    Some(_) => {
                        let square = f64::from(key);
                        (0.0, (square - slack).max(0.0).sqrt(), (square + slack).sqrt())
                    }
                };
                let slack = lost + 4e-6 * sizes + rounding * distance + L2_UNDERFLOW;
                let (lower, upper) = ((below - slack).max(0.0), above + slack);
                if self.metric != Metric::Cosine {
                    return never_nan(lower * (1.0 - rounding), upper * (1.0 + rounding));
                }
                let slack = 2.0 * rounding + 1e-6;
                never_nan((lower * lower / 2.0 - slack).max(0.0), upper * upper / 2.0 + slack)
            }
        }
    }

    fn product_bounds(&self, value: f64, row_norm: f64, lost: f64) -> (f64, f64) {
        let relative = self.query_norm * (lost + row_norm * (4.0 * self.rounding + 2e-5));
        // Keys are float4 sums of the size of `offset`: what is rounded does not shrink with the query.
        let rounded = self.offset * f64::from(f32::EPSILON) * self.unscale;
        let slack = relative + rounded + PRODUCT_UNDERFLOW * (1.0 + self.unscale);
        never_nan(value - slack, value + slack)
    }
}
