//! How large a node is, and how many fit a page.
//!
//! A page is pinned and read as a whole, so the plan asks what fills it: full degree with a 16-bit own vector if two
//! nodes fit; three quarters of the degree if that makes two fit; then one node a page, with a shorter degree or a
//! coarser own vector when it must; and from the dimension at which the neighbors' codes no longer fit, nodes that
//! hold only the neighbors' numbers. So do vectors of at most 64 dimensions: as many bits say too little of a
//! neighbor, and its own node is small enough to be read.

use kernels::Encoding;

use crate::format::node::{BATCH_LANES, NodeHeader};
use crate::format::page::CONTENT_BYTES;

/// Up to this many padded dimensions, 1-bit codes are not worth their place.
const INLINE_DIM_MIN: usize = 64;

/// The shape of all nodes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlan {
    padded_dim: usize,
    lanes: usize,
    encoding: Encoding,
    inline: bool,
}

impl NodePlan {
    /// The plan for `padded_dim` dimensions (a multiple of 64, at most 16,000) and a wanted degree of `degree`
    /// (2 m). `inline`: whether the metric has 1-bit estimates.
    pub fn choose(padded_dim: usize, degree: usize, inline: bool) -> Self {
        let full = degree.max(8).next_multiple_of(8);
        let plan = |lanes: usize, encoding, inline| Self { padded_dim, lanes, encoding, inline };
        let largest = |encoding, inline, least: usize| {
            let mut lanes = full;
            while lanes >= least.max(8) {
                let candidate = plan(lanes, encoding, inline);
                if candidate.nodes_per_page() > 0 {
                    return Some(candidate);
                }
                lanes -= 8;
            }
            None
        };
        if inline && padded_dim > INLINE_DIM_MIN {
            let three_quarters = plan((full * 3 / 4).next_multiple_of(8), Encoding::F16, true);
            let wide = largest(Encoding::F16, true, full * 3 / 4);
            match wide {
                Some(wide) if wide.nodes_per_page() == 1 && three_quarters.nodes_per_page() == 2 => {
                    return three_quarters;
                }
                Some(wide) => return wide,
                None => {}
            }
            // Four bits lose so much that the executor would have to look at hundreds of rows to know their order.
            if let Some(found) = largest(Encoding::I8, true, full.min(32) / 2) {
                return found;
            }
        }
        for encoding in [Encoding::F16, Encoding::I8, Encoding::I4] {
            if let Some(found) = largest(encoding, false, full.min(24)) {
                return found;
            }
        }
        plan(8, Encoding::I4, false)
    }

    /// The plan that a segment header describes, if its numbers make a node that fits a page.
    pub fn from_parts(padded_dim: usize, lanes: usize, encoding: u8, inline: u8) -> Option<Self> {
        let encoding = encoding_of(encoding)?;
        let is_whole = lanes.is_multiple_of(8) && padded_dim.is_multiple_of(64);
        let is_sound = is_whole && lanes > 0 && lanes <= 208 && inline <= 1;
        let plan = Self { padded_dim, lanes, encoding, inline: inline == 1 };
        (is_sound && plan.nodes_per_page() > 0).then_some(plan)
    }

    /// Neighbors that a node can have: a multiple of 8.
    #[inline]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Padded dimensions.
    #[inline]
    pub fn padded_dim(&self) -> usize {
        self.padded_dim
    }

    /// The encoding of own vectors.
    #[inline]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether nodes hold their neighbors' codes.
    #[inline]
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    /// Bytes of an own vector.
    #[inline]
    pub fn own_bytes(&self) -> usize {
        quant::self_code::code_bytes(self.encoding, self.padded_dim)
    }

    /// Bytes of a 1-bit code.
    #[inline]
    pub fn code_bytes(&self) -> usize {
        self.padded_dim / 8
    }

    /// Batches of at most 32 lanes.
    #[inline]
    pub fn batches(&self) -> usize {
        if self.inline { self.lanes.div_ceil(BATCH_LANES) } else { 0 }
    }

    /// Lanes of a batch.
    #[inline]
    pub fn batch_lanes(&self, batch: usize) -> usize {
        (self.lanes - batch * BATCH_LANES).min(BATCH_LANES)
    }

    /// Where the codes of a batch start in a node.
    #[inline]
    pub fn codes_offset(&self, batch: usize) -> usize {
        size_of::<NodeHeader>() + self.own_bytes() + batch * BATCH_LANES * self.code_bytes()
    }

    /// Where the factors start in a node.
    #[inline]
    pub fn factors_offset(&self) -> usize {
        let codes = if self.inline { self.lanes * self.code_bytes() } else { 0 };
        size_of::<NodeHeader>() + self.own_bytes() + codes
    }

    /// Where the neighbors' numbers start in a node.
    #[inline]
    pub fn ids_offset(&self) -> usize {
        self.factors_offset() + if self.inline { self.lanes * 4 } else { 0 }
    }

    /// Bytes of a node.
    #[inline]
    pub fn node_bytes(&self) -> usize {
        (self.ids_offset() + self.lanes * 4).next_multiple_of(8)
    }

    /// Nodes on a page; 0 when a node does not fit.
    #[inline]
    pub fn nodes_per_page(&self) -> usize {
        CONTENT_BYTES / self.node_bytes()
    }
}

/// The stored number of an encoding.
pub fn encoding_number(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::F16 => 1,
        Encoding::I8 => 2,
        Encoding::I4 => 3,
    }
}

/// The encoding with this stored number.
pub fn encoding_of(number: u8) -> Option<Encoding> {
    match number {
        1 => Some(Encoding::F16),
        2 => Some(Encoding::I8),
        3 => Some(Encoding::I4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_common_dimensions() {
        let shape = |dim, m: usize| {
            let plan = NodePlan::choose(dim, 2 * m, true);
            (plan.lanes(), plan.encoding(), plan.is_inline(), plan.nodes_per_page())
        };
        assert_eq!(shape(384, 16), (32, Encoding::F16, true, 3));
        assert_eq!(shape(768, 16), (24, Encoding::F16, true, 2));
        assert_eq!(shape(1024, 16), (32, Encoding::F16, true, 1));
        assert_eq!(shape(1536, 16), (24, Encoding::F16, true, 1));
        assert_eq!(shape(2048, 16), (16, Encoding::I8, true, 1));
        assert_eq!(shape(3072, 16), (32, Encoding::F16, false, 1));
        assert_eq!(shape(4096, 16), (32, Encoding::I8, false, 1));
    }

    #[test]
    fn every_dimension_and_m_has_a_plan_that_fits() {
        for dim in (64..=16_000).step_by(64) {
            for m in [2, 5, 16, 48, 100] {
                for inline in [false, true] {
                    let plan = NodePlan::choose(dim, 2 * m, inline);
                    assert!(plan.nodes_per_page() > 0, "{dim} {m}");
                    let number = encoding_number(plan.encoding());
                    let again = NodePlan::from_parts(dim, plan.lanes(), number, u8::from(plan.is_inline()));
                    assert_eq!(again, Some(plan));
                }
            }
        }
    }
}
