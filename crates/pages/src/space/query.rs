//! A query, as given and in a segment's terms.

use ann::Metric;
use ann::search::Measured;
use kernels::{Estimate, Kernels};
use quant::rabitq::Lut;

use super::bits::BitQuery;
use super::dense::{Code, DenseQuery, LIKELY_DEVIATIONS, Scaling};
use super::sparse::SparseQuery;
use super::{Placement, Space, norm};
use crate::plan::OwnCode;
use crate::row::{Row, StoredSparse};

/// The inner product's query is never scaled to a norm below this, where products would leave float4.
const TARGET_MIN: f64 = 1e-10;

/// A query as given.
pub struct Query {
    placed: Vec<f32>,
    norm: f64,
    given: Given,
}

/// What a placed query leaves out.
enum Given {
    Dense,
    Bits(Vec<u8>),
    Sparse(Vec<(u32, f32)>),
}

impl Query {
    /// The query, or how all rows must be offered when it has no place itself.
    ///
    /// # Errors
    /// [`Placement::First`]: every row may be anywhere; [`Placement::Last`]: every distance is NaN.
    pub fn new(space: &Space, query: Row<'_>) -> Result<Self, Placement> {
        let mut placed = vec![0.0; space.width()];
        let placement = space.place(query, &mut placed);
        if placement != Placement::Ranked {
            return Err(placement);
        }
        let (norm, given) = match query {
            Row::Dense(x) => (norm(x), Given::Dense),
            Row::Bits(bits) => {
                let mut padded = bits.to_vec();
                padded.resize(space.padded_dim() / 8, 0);
                (0.0, Given::Bits(padded))
            }
            Row::Sparse(x) => {
                let pairs = x.pairs().collect();
                (x.norm(), Given::Sparse(pairs))
            }
        };
        Ok(Self { placed, norm, given })
    }

    /// The query as rows are placed.
    pub fn placed(&self) -> &[f32] {
        &self.placed
    }
}

/// A query against one segment's codes.
pub struct SegmentQuery {
    /// Look-up tables for 1-bit codes; empty without estimates.
    pub lut: Lut,
    /// What estimates start from.
    pub base: f32,
    own: OwnQuery,
}

/// How a row's own vector is measured.
enum OwnQuery {
    Dense(DenseQuery),
    Bits(BitQuery),
    Sparse(SparseQuery),
}

impl SegmentQuery {
    /// Prepares `query` for rows whose own vectors are stored as `own` about `centroid`, with norms up to `norm_max`
    /// (inner product).
    pub fn new(space: &Space, query: &Query, own: OwnCode, centroid: &[f32], norm_max: f32) -> Self {
        let mut lut = Lut::new();
        if let Given::Bits(bits) = &query.given {
            if space.has_estimates() {
                lut.fill_bits(bits);
            }
            return Self { lut, base: 0.0, own: OwnQuery::Bits(BitQuery::new(space.metric, bits.clone())) };
        }
        let (vector, scaling) = in_segment(space, query, centroid, norm_max);
        let base = match space.metric {
            Metric::L2 | Metric::Cosine => norm(&vector).powi(2),
            _ => scaling.offset - 2.0 * scaling.to_centroid,
        } as f32;
        if space.has_estimates() {
            lut.fill(&vector);
        }
        let own = match (&query.given, own) {
            (Given::Sparse(pairs), _) => {
                let scale = if scaling.unscale > 0.0 { 1.0 / scaling.unscale } else { 1.0 };
                let pairs = pairs.clone();
                OwnQuery::Sparse(SparseQuery::new(space.metric, pairs, query.norm, scaling.offset, scale))
            }
            (_, OwnCode::Residual(encoding)) => {
                let coded = Kernels::get().coded(encoding);
                let code = if own.is_rough() { Code::Rough(coded) } else { Code::Residual(coded) };
                let how = (space.metric, code);
                let query = DenseQuery::new(how, vector, base, scaling, query.norm, centroid);
                OwnQuery::Dense(if own.is_rough() {
                    query.with_likely_bounds(LIKELY_DEVIATIONS)
                } else {
                    query
                })
            }
            (_, OwnCode::Sign) => {
                let how = (space.metric, Code::Sign(Kernels::get()));
                let query = DenseQuery::new(how, vector, base, scaling, query.norm, centroid);
                OwnQuery::Dense(query.with_likely_bounds(LIKELY_DEVIATIONS))
            }
            (_, OwnCode::Bits | OwnCode::Elsewhere) => unreachable!("a plan of another element"),
        };
        Self { lut, base, own }
    }

    /// The same with bounds that may be wrong, but seldom are, and are much closer where own codes are coarse. Only for
    /// those who look at the rows themselves before they order them. For rough codes bounds are always such.
    pub fn with_likely_bounds(self) -> Self {
        self.with_bounds_within(LIKELY_DEVIATIONS)
    }

    /// The same with so many deviations: fewer leave more rows out that are among the nearest, and fewer to look at.
    pub fn with_bounds_within(self, deviations: f64) -> Self {
        let own = match self.own {
            OwnQuery::Dense(query) => OwnQuery::Dense(query.with_likely_bounds(deviations)),
            own => own,
        };
        Self { own, ..self }
    }

    /// The same with likely bounds twice as far apart, which are as good as true ones.
    pub fn with_wider_bounds(self) -> Self {
        let own = match self.own {
            OwnQuery::Dense(query) => OwnQuery::Dense(query.with_wider_bounds()),
            own => own,
        };
        Self { own, ..self }
    }

    /// A row whose own vector is `scale` times the code `own`, up to `error`; without id and payload.
    ///
    /// For sparse vectors `own` is the vector as pages hold it, not its address.
    #[inline]
    pub fn measure(&self, own: &[u8], scale: f32, error: f32) -> Measured {
        match &self.own {
            OwnQuery::Dense(query) => query.measure(own, scale, error),
            OwnQuery::Bits(query) => query.measure(own),
            OwnQuery::Sparse(query) => measure_sparse(query, own),
        }
    }

    /// Estimated keys of up to 32 rows, from a batch of their 1-bit codes.
    ///
    /// `codes`: as FastScan takes them; `factors`: (add, mul), 2 bytes per lane; `lanes`: 8, 16, 24 or 32.
    #[inline]
    pub fn estimate(
        &self,
        kernels: &Kernels,
        codes: &[u8],
        (add, mul): (&[u8], &[u8]),
        lanes: usize,
        out: &mut [f32; 32],
    ) {
        let mut sums = [0u32; 32];
        kernels.fastscan(self.lut.tables(), codes, lanes, &mut sums);
        let (lut_scale, lut_bias) = (self.lut.scale(), self.lut.bias());
        kernels.estimates(&sums, &Estimate { add, mul, lanes, base: self.base, lut_scale, lut_bias }, out);
    }

    /// The distance of a row whose norm may exceed what the query was prepared for. Its key means nothing.
    pub fn measure_pending(&self, own: &[u8], scale: f32, error: f32) -> Measured {
        match &self.own {
            OwnQuery::Dense(query) => query.measure_pending(own, scale, error),
            OwnQuery::Bits(query) => query.measure(own),
            OwnQuery::Sparse(query) => measure_sparse(query, own),
        }
    }
}

/// Bytes that are no vector come from a damaged page; they must not hide their row.
fn measure_sparse(query: &SparseQuery, own: &[u8]) -> Measured {
    let (lower, upper) = (f64::NEG_INFINITY, f64::INFINITY);
    let anywhere = Measured { lower, upper, value: 0.0, key: 0.0, id: 0, payload: 0 };
    StoredSparse::new(own).map_or(anywhere, |row| query.measure(row))
}

/// The query as residuals are: rotated, about the centroid; or for the inner product scaled to the norm M.
fn in_segment(space: &Space, query: &Query, centroid: &[f32], norm_max: f32) -> (Vec<f32>, Scaling) {
    let mut vector = vec![0.0; space.padded_dim()];
    if space.metric != Metric::InnerProduct {
        space.residual(&query.placed, centroid, &mut vector);
        return (vector, Scaling { offset: 0.0, unscale: 1.0, to_centroid: 0.0 });
    }
    let target = f64::from(norm_max).max(TARGET_MIN);
    let (scale, unscale) =
        if query.norm > 0.0 { (target / query.norm, query.norm / target) } else { (1.0, 1.0) };
    let scaled: Vec<f32> = query.placed.iter().map(|&q| (f64::from(q) * scale) as f32).collect();
    vector[..space.width()].copy_from_slice(&scaled);
    space.rotation.rotate(&mut vector);
    let to_centroid = scaled.iter().zip(centroid).map(|(&q, &c)| f64::from(q) * f64::from(c)).sum::<f64>();
    let own_square = match &query.given {
        Given::Sparse(_) => (query.norm * scale).powi(2),
        _ => norm(&scaled).powi(2),
    };
    (vector, Scaling { offset: own_square + target * target, unscale, to_centroid })
}
