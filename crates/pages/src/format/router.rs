//! A router of a flat segment: a page with the 1-bit codes of the nodes that follow each other.
//!
//! ```text
//! | codes: dim/8 rows of `lanes` bytes, for each batch of 32 lanes | add: lanes x bf16 | mul: lanes x bf16 |
//! ```
//! Lane l of router r is node r * lanes + l; the last router's lanes beyond the nodes are zero. The number of lanes
//! follows from the dimensions: see [`RouterPlan`].

use crate::plan::RouterPlan;

/// The content of one router page.
#[derive(Clone, Copy)]
pub struct RouterView<'a> {
    plan: RouterPlan,
    content: &'a [u8],
}

impl<'a> RouterView<'a> {
    /// `content`: of a whole page.
    pub fn new(plan: RouterPlan, content: &'a [u8]) -> Self {
        assert!(content.len() >= plan.bytes());
        Self { plan, content }
    }

    /// Codes of the nodes in a batch of lanes; what follows them on the page may be read over.
    #[inline]
    pub fn codes(&self, batch: usize) -> &'a [u8] {
        &self.content[self.plan.codes_offset(batch)..]
    }

    /// Reads the code of the node in `lane` into `out`.
    pub fn code(&self, lane: usize, out: &mut Vec<u8>) {
        let (batch, place) = self.plan.place_of(lane);
        out.resize(self.plan.code_bytes(), 0);
        quant::rabitq::take(self.codes(batch), self.plan.batch_lanes(batch), place, out);
    }

    /// Factors `add` and `mul` of the nodes in a batch.
    #[inline]
    pub fn factors(&self, batch: usize) -> (&'a [u8], &'a [u8]) {
        let bytes = self.plan.batch_lanes(batch) * 2;
        let add = self.plan.factors_offset(batch);
        let mul = add + self.plan.lanes() * 2;
        (&self.content[add..add + bytes], &self.content[mul..mul + bytes])
    }
}

/// Writes the code and the factors (add, mul) of the node in `lane` into `content`, of a whole page.
pub fn write_code(plan: RouterPlan, content: &mut [u8], lane: usize, code: &[u8], (add, mul): (u16, u16)) {
    let (batch, place) = plan.place_of(lane);
    quant::rabitq::place(&mut content[plan.codes_offset(batch)..], plan.batch_lanes(batch), place, code);
    let at = plan.factors_offset(batch) + place * 2;
    content[at..at + 2].copy_from_slice(&add.to_ne_bytes());
    let at = at + plan.lanes() * 2;
    content[at..at + 2].copy_from_slice(&mul.to_ne_bytes());
}
