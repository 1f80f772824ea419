//! The distances that an index can be ordered by.

/// A distance as its operator class names it. The numbers are stored in indexes and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Metric {
    /// Euclidean distance, `<->`.
    L2 = 1,
    /// Negated inner product, `<#>`.
    InnerProduct = 2,
    /// Cosine distance, `<=>`.
    Cosine = 3,
    /// Taxicab distance, `<+>`.
    L1 = 4,
    /// Number of bits that differ, `<~>`.
    Hamming = 5,
    /// One less the share of common bits among those set in either, `<%>`.
    Jaccard = 6,
}

impl Metric {
    /// The metric with this stored number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::L2),
            2 => Some(Self::InnerProduct),
            3 => Some(Self::Cosine),
            4 => Some(Self::L1),
            5 => Some(Self::Hamming),
            6 => Some(Self::Jaccard),
            _ => None,
        }
    }

    /// Whether 1-bit codes estimate this distance, so that a node can hold its neighbours' codes.
    pub fn has_estimates(self) -> bool {
        !matches!(self, Self::L1 | Self::Jaccard)
    }
}
