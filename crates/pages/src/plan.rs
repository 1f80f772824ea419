//! How large a node is, and how many fit a page.
//!
//! A page is pinned and read as a whole, so the plan asks what fills it: full degree with a 16-bit own vector if two
//! nodes fit; three quarters of the degree if that makes two fit; then one node a page, with a shorter degree or a
//! coarser own vector when it must; and from the dimension at which the neighbors' codes no longer fit, nodes that
//! hold only the neighbors' numbers. So do vectors of at most 64 dimensions: as many bits say too little of a
//! neighbor, and its own node is small enough to be read. Bits are their own code, so that they are worth their place
//! at any length that fits. A sparse vector's length varies, so nodes only have its address.
//!
//! Nodes of a flat segment have no neighbors: their codes are on pages of their own, as many as fit ([`RouterPlan`]).
//! Flat segments are for those shapes only whose nodes would hold their neighbors' codes. Lists are flat segments whose
//! nodes are in an order, with a flat segment of their centroids; vectors can be longer there, because no node has to
//! hold more than itself.

use kernels::Encoding;

use crate::format::node::{BATCH_LANES, NodeHeader, VectorAddress};
use crate::format::page::CONTENT_BYTES;
use crate::row::Element;

/// Up to this many padded dimensions, 1-bit codes are not worth their place.
const INLINE_DIM_MIN: usize = 64;

/// What a node holds of its own vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnCode {
    /// A code of the residual.
    Residual(Encoding),
    /// The bits.
    Bits,
    /// The address of the sparse vector.
    Elsewhere,
    /// Nothing: the 1-bit code on a router says all. Only in flat segments.
    Sign,
}

impl OwnCode {
    /// The stored number.
    pub fn number(self) -> u8 {
        match self {
            Self::Residual(Encoding::F16) => 1,
            Self::Residual(Encoding::I8) => 2,
            Self::Residual(Encoding::I4) => 3,
            Self::Bits => 4,
            Self::Elsewhere => 5,
            Self::Sign => 6,
            Self::Residual(Encoding::I2) => 7,
        }
    }

    /// What has this stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Residual(Encoding::F16)),
            2 => Some(Self::Residual(Encoding::I8)),
            3 => Some(Self::Residual(Encoding::I4)),
            4 => Some(Self::Bits),
            5 => Some(Self::Elsewhere),
            6 => Some(Self::Sign),
            7 => Some(Self::Residual(Encoding::I2)),
            _ => None,
        }
    }

    /// Whether rows of this element are stored so.
    pub fn is_of(self, element: Element) -> bool {
        match self {
            Self::Residual(_) | Self::Sign => matches!(element, Element::Float4 | Element::Float2),
            Self::Bits => element == Element::Bit,
            Self::Elsewhere => element == Element::Sparse,
        }
    }

    /// Whether it loses so much that a scan has to look at the rows before it can order them.
    pub fn is_coarse(self) -> bool {
        self.is_rough() || matches!(self, Self::Residual(Encoding::I4 | Encoding::I8))
    }

    /// Whether it loses so much that it can't tell which rows are nearest. Only merges of an index that holds coarse
    /// codes make such, and never graphs.
    pub fn is_rough(self) -> bool {
        matches!(self, Self::Residual(Encoding::I2) | Self::Sign)
    }

    /// Bytes in a node.
    pub fn node_bytes(self, padded_dim: usize) -> usize {
        match self {
            Self::Residual(encoding) => quant::self_code::code_bytes(encoding, padded_dim),
            Self::Bits => padded_dim / 8,
            Self::Elsewhere => size_of::<VectorAddress>(),
            Self::Sign => 0,
        }
    }
}

/// The shape of all nodes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlan {
    padded_dim: usize,
    lanes: usize,
    own: OwnCode,
    inline: bool,
}

impl NodePlan {
    /// The plan for rows of this element with `padded_dim` coordinates (a multiple of 64) and a wanted degree of
    /// `degree` (2 m). `inline`: whether the metric has 1-bit estimates.
    pub fn choose(element: Element, padded_dim: usize, degree: usize, inline: bool) -> Self {
        let full = degree.max(8).next_multiple_of(8);
        let wanted = Wanted { padded_dim, full };
        let inline_plan = match element {
            _ if !inline => None,
            Element::Bit => wanted.largest(OwnCode::Bits, true, full.min(32) / 2),
            _ if padded_dim <= INLINE_DIM_MIN => None,
            Element::Float4 | Element::Float2 => wanted.dense_inline(),
            Element::Sparse => wanted.largest(OwnCode::Elsewhere, true, full.min(32) / 2),
        };
        let own_codes: &[OwnCode] = match element {
            Element::Float4 | Element::Float2 => &[
                OwnCode::Residual(Encoding::F16),
                OwnCode::Residual(Encoding::I8),
                OwnCode::Residual(Encoding::I4),
            ],
            Element::Bit => &[OwnCode::Bits],
            Element::Sparse => &[OwnCode::Elsewhere],
        };
        let coarsest = own_codes[own_codes.len() - 1];
        inline_plan
            .or_else(|| own_codes.iter().find_map(|&own| wanted.largest(own, false, full.min(24))))
            .unwrap_or(Self { padded_dim, lanes: 8, own: coarsest, inline: false })
    }

    /// The plan that a segment header describes, if its numbers make a node that fits a page.
    pub fn from_parts(padded_dim: usize, lanes: usize, own: u8, inline: u8) -> Option<Self> {
        let own = OwnCode::from_number(own)?;
        let is_whole = lanes.is_multiple_of(8) && padded_dim.is_multiple_of(64);
        let is_shape = lanes == 0 && inline == 1 || lanes > 0 && inline <= 1 && !own.is_rough();
        let is_sound = is_whole && lanes <= 208 && is_shape;
        let plan = Self { padded_dim, lanes, own, inline: inline == 1 };
        (is_sound && plan.nodes_per_page() > 0).then_some(plan)
    }

    /// The same for the nodes of a flat segment, if there can be one.
    pub fn flat(&self) -> Option<Self> {
        self.inline.then_some(Self { lanes: 0, ..*self })
    }

    /// The same with another code of own vectors.
    pub fn with_own(self, own: OwnCode) -> Self {
        Self { own, ..self }
    }

    /// The plan for rows with `padded_dim` coordinates in lists, if they can be: nodes fit a page, and so do the codes
    /// of eight of them, which say enough.
    pub fn in_lists(padded_dim: usize, own: OwnCode) -> Option<Self> {
        let plan = Self { padded_dim, lanes: 0, own, inline: true };
        let has_codes = match own {
            OwnCode::Bits => true,
            OwnCode::Residual(_) | OwnCode::Sign => padded_dim > INLINE_DIM_MIN,
            OwnCode::Elsewhere => false,
        };
        let fits = plan.nodes_per_page() > 0 && plan.of_lists().nodes_per_page() > 0;
        (has_codes && fits && plan.routers().lanes() > 0).then_some(plan)
    }

    /// The shape of the nodes that stand for lists of such nodes, in a flat segment: own vectors are centroids, as
    /// exact as a page allows, or for bits what most of a list's nodes have.
    pub fn of_lists(&self) -> Self {
        if !matches!(self.own, OwnCode::Residual(_) | OwnCode::Sign) {
            return Self { lanes: 0, ..*self };
        }
        let plan = |encoding| Self { own: OwnCode::Residual(encoding), lanes: 0, ..*self };
        let encodings = [Encoding::F16, Encoding::I8];
        encodings.into_iter().map(plan).find(|plan| plan.nodes_per_page() > 0).unwrap_or(plan(Encoding::I4))
    }

    /// Whether it is of a flat segment: nodes have no neighbors, and routers have the codes of all.
    #[inline]
    pub fn is_flat(&self) -> bool {
        self.lanes == 0
    }

    /// The shape of a flat segment's routers.
    #[inline]
    pub fn routers(&self) -> RouterPlan {
        RouterPlan::new(self.padded_dim)
    }

    /// Neighbors that a node can have: a multiple of 8; none in a flat segment.
    #[inline]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Padded dimensions.
    #[inline]
    pub fn padded_dim(&self) -> usize {
        self.padded_dim
    }

    /// What nodes hold of their own vectors.
    #[inline]
    pub fn own(&self) -> OwnCode {
        self.own
    }

    /// Whether nodes hold their neighbors' codes, or routers those of all nodes.
    #[inline]
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    /// Bytes of what a node holds of its own vector.
    #[inline]
    pub fn own_bytes(&self) -> usize {
        self.own.node_bytes(self.padded_dim)
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

/// The shape of a flat segment's routers: one fills a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterPlan {
    code_bytes: usize,
    lanes: usize,
}

impl RouterPlan {
    /// For codes of this many bits.
    #[inline]
    pub fn new(padded_dim: usize) -> Self {
        let code_bytes = padded_dim / 8;
        Self { code_bytes, lanes: CONTENT_BYTES / (code_bytes + 4) / 8 * 8 }
    }

    /// Bytes of a code.
    #[inline]
    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }

    /// Nodes of a router: a multiple of 8.
    #[inline]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Routers of a segment with this many nodes.
    pub fn count(&self, nodes: u32) -> u32 {
        nodes.div_ceil(self.lanes.max(1) as u32)
    }

    /// Bytes of a router.
    pub fn bytes(&self) -> usize {
        self.lanes * (self.code_bytes + 4)
    }

    /// The batch of a lane, and its place there.
    pub fn place_of(&self, lane: usize) -> (usize, usize) {
        (lane / BATCH_LANES, lane % BATCH_LANES)
    }

    /// Lanes of a batch.
    #[inline]
    pub fn batch_lanes(&self, batch: usize) -> usize {
        (self.lanes - batch * BATCH_LANES).min(BATCH_LANES)
    }

    /// Where the codes of a batch start.
    #[inline]
    pub fn codes_offset(&self, batch: usize) -> usize {
        batch * BATCH_LANES * self.code_bytes
    }

    /// Where the factors `add` of a batch start; those of all batches are followed by all `mul`.
    #[inline]
    pub fn factors_offset(&self, batch: usize) -> usize {
        self.lanes * self.code_bytes + batch * BATCH_LANES * 2
    }
}

/// What a plan is made for.
struct Wanted {
    padded_dim: usize,
    full: usize,
}

impl Wanted {
    /// The plan with the largest degree, at least `least`, whose nodes fit a page.
    fn largest(&self, own: OwnCode, inline: bool, least: usize) -> Option<NodePlan> {
        let mut lanes = self.full;
        while lanes >= least.max(8) {
            let candidate = NodePlan { padded_dim: self.padded_dim, lanes, own, inline };
            if candidate.nodes_per_page() > 0 {
                return Some(candidate);
            }
            lanes -= 8;
        }
        None
    }

    fn dense_inline(&self) -> Option<NodePlan> {
        let own = OwnCode::Residual(Encoding::F16);
        let lanes = (self.full * 3 / 4).next_multiple_of(8);
        let three_quarters = NodePlan { padded_dim: self.padded_dim, lanes, own, inline: true };
        match self.largest(own, true, self.full * 3 / 4) {
            Some(wide) if wide.nodes_per_page() == 1 && three_quarters.nodes_per_page() == 2 => {
                Some(three_quarters)
            }
            Some(wide) => Some(wide),
            // Four bits lose so much that the executor would have to look at hundreds of rows to know their order.
            None => self.largest(OwnCode::Residual(Encoding::I8), true, self.full.min(32) / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_common_dimensions() {
        let shape = |dim, m: usize| {
            let plan = NodePlan::choose(Element::Float4, dim, 2 * m, true);
            let OwnCode::Residual(encoding) = plan.own() else { panic!("{plan:?}") };
            (plan.lanes(), encoding, plan.is_inline(), plan.nodes_per_page())
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
    fn plans_of_bits_and_sketches() {
        let shape = |element, dim| {
            let plan = NodePlan::choose(element, dim, 32, true);
            (plan.lanes(), plan.own(), plan.is_inline(), plan.nodes_per_page())
        };
        assert_eq!(shape(Element::Bit, 64), (32, OwnCode::Bits, true, 14));
        assert_eq!(shape(Element::Bit, 1024), (32, OwnCode::Bits, true, 1));
        assert_eq!(shape(Element::Bit, 2048), (24, OwnCode::Bits, true, 1));
        assert_eq!(shape(Element::Bit, 8192), (32, OwnCode::Bits, false, 6));
        assert_eq!(shape(Element::Bit, 64_000), (24, OwnCode::Bits, false, 1));
        assert_eq!(shape(Element::Sparse, 512), (32, OwnCode::Elsewhere, true, 3));
    }

    #[test]
    fn lists_of_many_dimensions() {
        let shape = |dim, own| {
            let plan = NodePlan::in_lists(dim, own)?;
            assert_eq!(NodePlan::from_parts(dim, 0, own.number(), 1), Some(plan));
            Some((plan.nodes_per_page(), plan.of_lists().own()))
        };
        let residual = OwnCode::Residual;
        assert_eq!(shape(64, residual(Encoding::I4)), None);
        assert_eq!(shape(384, residual(Encoding::I4)), Some((36, residual(Encoding::F16))));
        assert_eq!(shape(3072, residual(Encoding::I4)), Some((5, residual(Encoding::F16))));
        assert_eq!(shape(4096, residual(Encoding::I8)), Some((1, residual(Encoding::I8))));
        assert_eq!(shape(8064, residual(Encoding::I4)), Some((2, residual(Encoding::I8))));
        assert_eq!(shape(8064, OwnCode::Sign).map(|shape| shape.1), Some(residual(Encoding::I8)));
        assert_eq!(shape(8128, OwnCode::Sign), None);
        assert_eq!(shape(4096, residual(Encoding::F16)), None);
        assert_eq!(shape(64, OwnCode::Bits).map(|shape| shape.1), Some(OwnCode::Bits));
        assert_eq!(shape(512, OwnCode::Elsewhere), None);
    }

    #[test]
    fn routers_of_common_dimensions() {
        assert_eq!([384, 768, 1536].map(|dim| RouterPlan::new(dim).lanes()), [152, 80, 40]);
        assert_eq!(RouterPlan::new(384).count(153), 2);
    }

    #[test]
    fn every_dimension_and_m_has_a_plan_that_fits() {
        for element in [Element::Float4, Element::Float2, Element::Bit, Element::Sparse] {
            for dim in (64..=64_000).step_by(64) {
                let padded_dim = crate::space::padded_dim(element, dim);
                if dim > element.dim_max() || padded_dim < dim as usize && dim > 1_000 {
                    continue;
                }
                for (m, inline) in [2, 5, 16, 48, 100].into_iter().flat_map(|m| [(m, false), (m, true)]) {
                    let plan = NodePlan::choose(element, padded_dim, 2 * m, inline);
                    assert!(plan.nodes_per_page() > 0, "{element:?} {dim} {m}");
                    let number = plan.own().number();
                    let inline = u8::from(plan.is_inline());
                    assert_eq!(NodePlan::from_parts(padded_dim, plan.lanes(), number, inline), Some(plan));
                    assert_eq!(plan.flat().is_some(), plan.is_inline());
                    let Some(flat) = plan.flat() else { continue };
                    assert_eq!(NodePlan::from_parts(padded_dim, 0, number, 1), Some(flat));
                    assert!(flat.nodes_per_page() >= plan.nodes_per_page());
                    let routers = flat.routers();
                    assert!(routers.lanes() >= 8 && routers.bytes() <= CONTENT_BYTES, "{element:?} {dim}");
                }
            }
        }
    }
}
