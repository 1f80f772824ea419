//! Stores without a graph, offered through the same stream as segments: pending rows, and rows without a place in
//! the order.

use std::ops::Range;

use ann::search::{Graph, Hop, Measured};

use crate::error::PageError;
use crate::format::meta::Meta;
use crate::format::segment::{SegmentHeader, TID_DEAD, TID_FIRST, TID_LAST, TidEntry};
use crate::pager::Pager;
use crate::space::SegmentQuery;
use crate::{pending, tids};

/// An entry packed into an element's payload.
fn pack(block: u32, offset: u16, flags: u16) -> u64 {
    u64::from(block) << 32 | u64::from(offset) << 16 | u64::from(flags)
}

/// The heap TID and flags of an element of [`PendingRows`] or [`ListedRows`].
pub fn tid_of(element: &Measured) -> TidEntry {
    let payload = element.payload;
    TidEntry { block: (payload >> 32) as u32, offset: (payload >> 16) as u16, flags: payload as u16 }
}

/// An element whose place in the order its flags decide, or that has none.
fn unranked(block: u32, offset: u16, flags: u16) -> Measured {
    let lower = if flags & TID_LAST != 0 { f64::INFINITY } else { f64::NEG_INFINITY };
    Measured {
        lower,
        upper: f64::INFINITY,
        value: lower,
        key: 0.0,
        id: 0,
        payload: pack(block, offset, flags),
    }
}

/// The pending rows of an index, measured against a query; or all of them unranked, when there is none.
pub struct PendingRows<'a, P> {
    pager: &'a P,
    meta: &'a Meta,
    query: Option<&'a SegmentQuery>,
    unranked_flag: u16,
}

impl<'a, P: Pager> PendingRows<'a, P> {
    /// `query`: about the origin. Without one, rows get `unranked_flag`.
    pub fn new(pager: &'a P, meta: &'a Meta, query: Option<&'a SegmentQuery>, unranked_flag: u16) -> Self {
        Self { pager, meta, query, unranked_flag }
    }
}

impl<P: Pager> Graph for PendingRows<'_, P> {
    type Error = PageError;

    fn element_count(&self) -> u32 {
        0
    }

    fn routers(&self) -> Range<u32> {
        0..0
    }

    fn rejects(&self) -> bool {
        false
    }

    fn expand(&mut self, _id: u32, _hop: &mut Hop<'_>) -> Result<(), PageError> {
        Ok(())
    }

    fn prefetch(&self, _id: u32) {}

    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), PageError> {
        pending::for_each(self.pager, self.meta, self.meta.chains(), &mut |entry, own| {
            if entry.is_dead() {
                return;
            }
            let is_unranked = entry.flags & (TID_FIRST | TID_LAST) != 0;
            match self.query {
                Some(query) if !is_unranked => {
                    let payload = pack(entry.block, entry.offset, 0);
                    let row = query.measure_pending(own, entry.scale, entry.error);
                    visit(Measured { payload, ..row });
                }
                Some(_) => visit(unranked(entry.block, entry.offset, entry.flags)),
                None => visit(unranked(entry.block, entry.offset, self.unranked_flag)),
            }
        })
    }
}

/// Rows of a segment that are offered without looking at their vectors.
pub struct ListedRows<'a, P> {
    pager: &'a P,
    segment: u32,
    header: &'a SegmentHeader,
    rows: Range<u32>,
    /// Flag for rows that have none.
    unranked_flag: u16,
}

impl<'a, P: Pager> ListedRows<'a, P> {
    /// The rows of a segment that no node refers to.
    pub fn without_place(pager: &'a P, segment: u32, header: &'a SegmentHeader) -> Self {
        Self { pager, segment, header, rows: header.ranked_rows..header.rows, unranked_flag: TID_FIRST }
    }

    /// All rows of a segment, each with this flag.
    pub fn all(pager: &'a P, segment: u32, header: &'a SegmentHeader, unranked_flag: u16) -> Self {
        Self { pager, segment, header, rows: 0..header.rows, unranked_flag }
    }
}

impl<P: Pager> Graph for ListedRows<'_, P> {
    type Error = PageError;

    fn element_count(&self) -> u32 {
        0
    }

    fn routers(&self) -> Range<u32> {
        0..0
    }

    fn rejects(&self) -> bool {
        false
    }

    fn expand(&mut self, _id: u32, _hop: &mut Hop<'_>) -> Result<(), PageError> {
        Ok(())
    }

    fn prefetch(&self, _id: u32) {}

    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), PageError> {
        let mut entries = Vec::new();
        let mut row = self.rows.start;
        while row < self.rows.end {
            entries.clear();
            row = tids::read(self.pager, self.segment, self.header, row..self.rows.end, &mut entries)?;
            for entry in entries.iter().filter(|entry| entry.flags & TID_DEAD == 0) {
                let is_all = self.rows.start < self.header.ranked_rows;
                let own = entry.flags & (TID_FIRST | TID_LAST);
                let flag = if is_all || own == 0 { self.unranked_flag } else { own };
                visit(unranked(entry.block, entry.offset, flag));
            }
        }
        Ok(())
    }
}
