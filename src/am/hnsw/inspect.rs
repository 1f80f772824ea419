//! What `proxima.index_info()` and `proxima.check_index()` ask of an index.

use pages::check::{self, Report};
use pages::format::segment::CurvePoint;
use pages::plan::OwnCode;
use pages::row::Element;
use pgrx::pg_sys;

use super::cache::OpenIndex;
use super::insert;
use crate::am::method::Method;
use crate::error::IndexError;
use crate::pg::buffer::BufferHints;
use crate::storage::RelationPager;

/// An index that is open for inspection.
pub struct Inspected(pg_sys::Relation);

/// What an index is made of.
pub struct IndexInfo {
    /// Name of the access method.
    pub method: &'static str,
    /// The type of its column.
    pub element: &'static str,
    /// Name of the metric.
    pub metric: &'static str,
    /// Dimensions of the column.
    pub dim: u32,
    /// Option m.
    pub m: u16,
    /// Option ef_construction.
    pub ef_construction: u16,
    /// Its segments.
    pub segments: Vec<SegmentInfo>,
    /// Pages of pending rows.
    pub pending_pages: u64,
}

/// One segment.
pub struct SegmentInfo {
    /// Rows when it was written.
    pub rows: u32,
    /// Graph nodes.
    pub nodes: u32,
    /// Pages.
    pub pages: u32,
    /// Neighbors that a node can have.
    pub lanes: usize,
    /// Whether nodes hold their neighbors' codes.
    pub is_inline: bool,
    /// Code of a node's own vector.
    pub encoding: &'static str,
    /// Measured recall over stopping factor.
    pub curve: Vec<CurvePoint>,
}

/// Opens the index, hands it to `inspect`, closes it.
///
/// # Errors
/// If it is not an index of ours, or what `inspect` finds.
pub fn with_index<R>(
    oid: u32,
    inspect: impl FnOnce(&Inspected) -> Result<R, IndexError>,
) -> Result<R, IndexError> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: index_open raises for anything that is no index; the relation stays open until index_close, or until
    // the error that `inspect` returns ends the transaction.
    unsafe {
        // PostgreSQL's own error for this is an internal one.
        if pg_sys::get_rel_relkind(pg_sys::Oid::from(oid)) == 0 {
            return Err(IndexError::NoRelation { oid });
        }
        let index = pg_sys::index_open(pg_sys::Oid::from(oid), lock);
        let own: usize = insert::aminsert as *const () as usize;
        let routine = (*index).rd_indam;
        // The index of a partitioned table has no pages: those of its partitions do.
        let has_pages = (*(*index).rd_rel).relkind == pg_sys::RELKIND_INDEX as std::ffi::c_char;
        let is_ours =
            has_pages && (*routine).aminsert.is_some_and(|function| function as *const () as usize == own);
        if !is_ours {
            let name = crate::pg::relation_name(index);
            return Err(IndexError::NotOurs { name });
        }
        let result = inspect(&Inspected(index))?;
        pg_sys::index_close(index, lock);
        Ok(result)
    }
}

impl Inspected {
    /// See [`IndexInfo`].
    ///
    /// # Errors
    /// If a page is damaged.
    pub fn info(&self) -> Result<IndexInfo, IndexError> {
        // SAFETY: the index is open while `self` lives.
        let open = unsafe { OpenIndex::new(self.0)? };
        let segments = open.parsed.segments.iter().map(|state| {
            let header = &state.header;
            SegmentInfo {
                rows: header.rows,
                nodes: header.nodes,
                pages: header.pages + 1,
                lanes: state.plan.lanes(),
                is_inline: state.plan.is_inline(),
                encoding: match state.plan.own() {
                    OwnCode::Residual(kernels::Encoding::F16) => "float2",
                    OwnCode::Residual(kernels::Encoding::I8) => "int8",
                    OwnCode::Residual(kernels::Encoding::I4) => "int4",
                    OwnCode::Bits => "bits",
                    OwnCode::Elsewhere => "sparse",
                },
                curve: header.curve[..header.curve_count as usize].to_vec(),
            }
        });
        Ok(IndexInfo {
            // SAFETY: as above.
            method: unsafe { Method::of(self.0) }.name(),
            element: match open.parsed.space.element() {
                Element::Float4 => "vector",
                Element::Float2 => "halfvec",
                Element::Bit => "bit",
                Element::Sparse => "sparsevec",
            },
            metric: match open.parsed.space.metric() {
                ann::Metric::L2 => "l2",
                ann::Metric::InnerProduct => "inner product",
                ann::Metric::Cosine => "cosine",
                ann::Metric::L1 => "l1",
                ann::Metric::Hamming => "hamming",
                ann::Metric::Jaccard => "jaccard",
            },
            dim: open.meta.dim,
            m: open.meta.m,
            ef_construction: open.meta.ef_construction,
            segments: segments.collect(),
            pending_pages: open.meta.pending_pages(),
        })
    }

    /// Checks every page of the index.
    pub fn check(&self) -> Report {
        let hints = BufferHints::default();
        // SAFETY: the index is open while `self` lives.
        let pager = unsafe { RelationPager::new(self.0, &hints) };
        check::check(&pager)
    }
}
