//! Bit strings: distances that are exact.

use ann::Metric;
use ann::search::Measured;
use kernels::Kernels;

/// More than the operator and we can differ in: each rounds a quotient of integers once.
const ROUNDING: f64 = 1e-15;

/// A query of bits.
pub(super) struct BitQuery {
    kernels: &'static Kernels,
    is_jaccard: bool,
    bits: Vec<u8>,
}

impl BitQuery {
    /// `bits`: of the query, padded as those of the rows.
    pub(super) fn new(metric: Metric, bits: Vec<u8>) -> Self {
        Self { kernels: Kernels::get(), is_jaccard: metric == Metric::Jaccard, bits }
    }

    /// The distance to a row with the bits `own`.
    #[inline]
    pub(super) fn measure(&self, own: &[u8]) -> Measured {
        if !self.is_jaccard {
            let count = self.kernels.hamming(&self.bits, own);
            let value = count as f64;
            return Measured { lower: value, upper: value, value, key: count as f32, id: 0, payload: 0 };
        }
        let (both, either) = self.kernels.jaccard_parts(&self.bits, own);
        // As the operator has it, two rows without common bits are at distance 1, empty ones too.
        let value = if both == 0 { 1.0 } else { 1.0 - both as f64 / either as f64 };
        let exact = both == 0 || both == either;
        let slack = if exact { 0.0 } else { ROUNDING };
        Measured { lower: value - slack, upper: value + slack, value, key: value as f32, id: 0, payload: 0 }
    }
}
