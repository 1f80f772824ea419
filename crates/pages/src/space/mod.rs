//! The space that an index works in.
//!
//! A row's value x is *placed*: normalised for cosine, else as it is. What a node holds of it depends on the element:
//!
//! - A dense vector becomes the residual r = P (x - c) about the segment's mean c, with P the index's random rotation
//!   (the identity for L1, which rotation does not keep); the node has a code of r, and its neighbors' 1-bit codes.
//! - A sparse vector becomes a dense one of at most [`SKETCH_DIM`] coordinates, its sketch, which keeps inner products
//!   up to noise (Charikar, Chen and Farach-Colton 2002; Weinberger et al. 2009): 1-bit codes of the sketch's residual
//!   lead the walk. The node's own vector is the sparse vector itself, so distances are exact.
//! - A bit string is its own 1-bit code, and Hamming distances are exact sums. Jaccard distances are no sums: nodes
//!   have no codes of their neighbors then.
//!
//! A search works on keys: squared L2 for L2, cosine and inner product, the distance itself for the others. For the
//! inner product the key is the squared distance in the space with one more dimension in which all rows have the same
//! norm M: key = |q|^2 + M^2 - 2 <q, x>, with q scaled to the norm M (scaling a query does not change its order).
//!
//! The operator computes in float4 on the heap's values; the bounds that come with a key hold for any value that the
//! operator can give, because PostgreSQL stops with an error when a row turns out nearer than the index said.

mod bits;
mod dense;
mod query;
mod sparse;

use ann::Metric;
use quant::rotation::Rotation;

use crate::row::{Element, Row, StoredSparse};
pub use query::{Query, SegmentQuery};

/// Coordinates of a sparse vector's sketch; vectors with fewer dimensions are their own.
pub const SKETCH_DIM: usize = 512;
/// Norms beyond this are not ranked: their squares would leave float4.
const NORM_MAX: f64 = 1e16;
/// More than the root of any sum of squares that float4 rounds to zero, in 16,000 dimensions.
const L2_UNDERFLOW: f64 = 1e-20;
/// More than any sum of products that float4 rounds to zero, in 16,000 dimensions.
const PRODUCT_UNDERFLOW: f64 = 1e-40;

/// What an index does to every value.
#[derive(Clone)]
pub struct Space {
    element: Element,
    metric: Metric,
    dim: usize,
    width: usize,
    padded_dim: usize,
    rotation: Rotation,
    seed: u64,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It has a place in the order.
    Ranked,
    /// Its distance to anything may be anything: it is always offered first, for the executor to rank.
    First,
    /// Its distance to anything is NaN: it is always offered last.
    Last,
}

/// Coordinates that nodes have codes of, for a column of `dim` dimensions: a multiple of 64.
pub fn padded_dim(element: Element, dim: u32) -> usize {
    let coordinates = if element == Element::Sparse { SKETCH_DIM.min(dim as usize) } else { dim as usize };
    coordinates.next_multiple_of(64)
}

/// Whether an index over this element can be ordered by this metric.
pub fn is_supported(element: Element, metric: Metric) -> bool {
    matches!(metric, Metric::Hamming | Metric::Jaccard) == (element == Element::Bit)
}

impl Space {
    /// The space of an index over a column of `dim` dimensions.
    ///
    /// # Panics
    /// If the metric does not go with the element; see [`is_supported`].
    pub fn new(element: Element, metric: Metric, dim: u32, seed: u64) -> Self {
        assert!(is_supported(element, metric), "{metric:?} of {element:?}");
        let padded_dim = padded_dim(element, dim);
        let dim = dim as usize;
        let width = match element {
            Element::Float4 | Element::Float2 => dim,
            Element::Sparse => dim.min(SKETCH_DIM),
            Element::Bit => 0,
        };
        let rotation = match metric {
            Metric::L2 | Metric::InnerProduct | Metric::Cosine => Rotation::new(padded_dim, seed),
            Metric::L1 | Metric::Hamming | Metric::Jaccard => Rotation::identity(padded_dim),
        };
        Self { element, metric, dim, width, padded_dim, rotation, seed }
    }

    /// What rows are made of.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Dimensions of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Coordinates of a placed row, and of a centroid: none for bits, which have no mean.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Coordinates of a residual; bits of a row of bits.
    pub fn padded_dim(&self) -> usize {
        self.padded_dim
    }

    /// Whether nodes can hold 1-bit codes.
    pub fn has_estimates(&self) -> bool {
        self.metric.has_estimates()
    }

    /// Places `row` in `out` ([`Space::width`]). Without a place it leaves zeros.
    pub fn place(&self, row: Row<'_>, out: &mut [f32]) -> Placement {
        let norm = match row {
            Row::Dense(x) => norm(x),
            Row::Sparse(x) => x.norm(),
            Row::Bits(_) => return Placement::Ranked,
        };
        let placement = self.placement(norm);
        match row {
            _ if placement != Placement::Ranked => out.fill(0.0),
            Row::Dense(x) => self.scale(x.iter().copied(), norm, out),
            Row::Sparse(x) => self.place_pairs(x.pairs(), norm, out),
            Row::Bits(_) => {}
        }
        placement
    }

    /// Places a sparse vector that is known to be [`Placement::Ranked`].
    pub fn place_stored(&self, row: StoredSparse<'_>, out: &mut [f32]) {
        self.place_pairs(row.pairs(), row.norm(), out);
    }

    fn placement(&self, norm: f64) -> Placement {
        match self.metric {
            Metric::Cosine if norm == 0.0 => Placement::Last,
            // The operator accumulates in float4: squares that overflow or vanish there make it NaN or inexact.
            Metric::Cosine if !(1e-15..=NORM_MAX).contains(&norm) => Placement::First,
            // NaN, which only a damaged value has, is beyond it, too.
            _ if norm <= NORM_MAX => Placement::Ranked,
            _ => Placement::First,
        }
    }

    fn scale(&self, x: impl Iterator<Item = f32>, norm: f64, out: &mut [f32]) {
        if self.metric == Metric::Cosine {
            let inverse = norm.recip();
            out.iter_mut().zip(x).for_each(|(out, x)| *out = (f64::from(x) * inverse) as f32);
        } else {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = x);
        }
    }

    fn place_pairs(&self, pairs: impl Iterator<Item = (u32, f32)>, norm: f64, out: &mut [f32]) {
        if self.dim <= self.width {
            out.fill(0.0);
            pairs.for_each(|(index, value)| out[index as usize] = value);
        } else {
            sparse::sketch(pairs, self.seed, out);
        }
        if self.metric == Metric::Cosine {
            let inverse = norm.recip();
            out.iter_mut().for_each(|out| *out = (f64::from(*out) * inverse) as f32);
        }
    }

    /// The residual of a placed vector about `centroid`, in `out` (padded dim).
    pub fn residual(&self, placed: &[f32], centroid: &[f32], out: &mut [f32]) {
        for ((out, &x), &c) in out.iter_mut().zip(placed).zip(centroid) {
            *out = x - c;
        }
        out[self.width..].fill(0.0);
        self.rotation.rotate(out);
    }

    /// The placed vector of a residual about `centroid`, which it uses up.
    pub fn restore(&self, residual: &mut [f32], centroid: &[f32]) -> Vec<f32> {
        self.rotation.inverse(residual);
        residual.iter().zip(centroid).map(|(&r, &c)| r + c).collect()
    }
}

/// L2 norm in float8. Sums of eight lanes, so that additions need not wait for each other.
pub fn norm(x: &[f32]) -> f64 {
    let (chunks, rest) = x.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    let rest: f64 = rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}

/// Bounds that hold whatever happened.
fn never_nan(lower: f64, upper: f64) -> (f64, f64) {
    if lower.is_nan() || upper.is_nan() { (f64::NEG_INFINITY, f64::INFINITY) } else { (lower, upper) }
}
