//! What `proxima.index_info()`, `proxima.index_stats()` and `proxima.check_index()` ask of an index.

use kernels::Encoding;
use pages::check::{self, Report};
use pages::format::meta::Meta;
use pages::format::segment::CurvePoint;
use pages::maintain::{Usage, usage};
use pages::pager::Pager;
use pages::plan::OwnCode;
use pages::row::Element;
use pages::{PageError, pending};
use pgrx::pg_sys;

use super::cache::OpenIndex;
use super::insert;
use super::options::{PendingLimits, pending_limits};
use crate::am::method::Method;
use crate::error::{AccessError, IndexError};
use crate::pg::buffer::BufferHints;
use crate::pg::horizon::IndexHorizon;
use crate::pg::{compat, time};
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
    /// What segments with lists are made of, if merges make those: option lists, and the name of the code.
    pub lists: Option<(u32, &'static str)>,
    /// Its segments.
    pub segments: Vec<SegmentInfo>,
    /// Pages of pending rows.
    pub pending_pages: u64,
}

/// What an index is made of at this moment, and what was done to it.
pub struct IndexStats {
    /// Its meta page.
    pub meta: Meta,
    /// Pending rows, dead ones included.
    pub pending_rows: u64,
    /// Those that VACUUM has marked dead.
    pub pending_dead: u64,
    /// Microseconds since the oldest open chain of pending rows began.
    pub pending_age: u64,
    /// Its blocks by what they are for.
    pub usage: Usage,
    /// Pages of the file.
    pub pages: u64,
    /// When an insert of this session would flush the pending rows.
    pub limits: PendingLimits,
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

/// Whether the user has the role that may ask for any table's statistics.
fn may_scan_tables() -> bool {
    let role = pg_sys::Oid::from(pg_sys::ROLE_PG_STAT_SCAN_TABLES);
    // SAFETY: looks into catalogues, on the backend's main thread.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) }
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
    // SAFETY: the relation stays open until index_close, or until the error that `inspect` returns ends the
    // transaction.
    unsafe {
        let index = open(oid, lock)?;
        let result = inspect(&Inspected(index))?;
        pg_sys::index_close(index, lock);
        Ok(result)
    }
}

/// Opens an index of ours, which is for the caller to close.
///
/// # Errors
/// If it is none of ours, or a temporary one of another session.
///
/// # Safety
/// Runs on the backend's main thread.
pub unsafe fn open(oid: u32, lock: pg_sys::LOCKMODE) -> Result<pg_sys::Relation, IndexError> {
    // SAFETY: index_open raises for anything that is no index.
    unsafe {
        // PostgreSQL's own error for this is an internal one.
        if pg_sys::get_rel_relkind(pg_sys::Oid::from(oid)) == 0 {
            return Err(IndexError::NoRelation { oid });
        }
        let index = pg_sys::index_open(pg_sys::Oid::from(oid), lock);
        if !is_ours(index) {
            let name = crate::pg::relation_name(index);
            return Err(IndexError::NotOurs { name });
        }
        let is_temporary = (*(*index).rd_rel).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP;
        if is_temporary && !(*index).rd_islocaltemp {
            return Err(IndexError::Access(AccessError::OtherTemporary));
        }
        Ok(index)
    }
}

/// Whether an open relation is an index of one of our methods, with pages.
///
/// # Safety
/// `relation` is open.
pub unsafe fn is_ours(relation: pg_sys::Relation) -> bool {
    let own: usize = insert::aminsert as *const () as usize;
    // SAFETY: by the contract; an index has a table of callbacks.
    unsafe {
        // The index of a partitioned table has no pages: those of its partitions do.
        let has_pages = (*(*relation).rd_rel).relkind == pg_sys::RELKIND_INDEX as std::ffi::c_char;
        has_pages
            && (*(*relation).rd_indam).aminsert.is_some_and(|function| function as *const () as usize == own)
    }
}

/// Whether an open index gets the rows that are inserted: it is neither being built concurrently nor dropped so.
///
/// # Safety
/// `index` is an open index.
pub unsafe fn is_ready(index: pg_sys::Relation) -> bool {
    // SAFETY: by the contract; an open index has its row of pg_index.
    unsafe { (*(*index).rd_index).indisready && (*(*index).rd_index).indislive }
}

/// What is kept of a row's own vector.
fn code_name(own: OwnCode) -> &'static str {
    match own {
        OwnCode::Residual(Encoding::F16) => "float2",
        OwnCode::Residual(Encoding::I8) => "int8",
        OwnCode::Residual(Encoding::I4) => "int4",
        OwnCode::Residual(Encoding::I2) => "int2",
        OwnCode::Bits => "bits",
        OwnCode::Elsewhere => "sparse",
        OwnCode::Sign => "sign",
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
                encoding: code_name(state.plan.own()),
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
            lists: open.meta.list_options().map(|options| (options.lists, code_name(options.own))),
            segments: segments.collect(),
            pending_pages: open.meta.pending_pages(),
        })
    }

    /// See [`IndexStats`]. Reads the headers of all segments and the pending pages; space that is given out or taken
    /// back meanwhile may be counted twice or not at all.
    ///
    /// # Errors
    /// If a page is damaged, or the user may neither maintain the index nor look at all tables.
    pub fn stats(&self) -> Result<IndexStats, IndexError> {
        // SAFETY: the index is open while `self` lives.
        let (table, name) = unsafe { ((*(*self.0).rd_index).indrelid, crate::pg::relation_name(self.0)) };
        if !compat::may_maintain(table) && !may_scan_tables() {
            return Err(IndexError::Access(AccessError::NotOwner { name }));
        }
        // SAFETY: as above.
        let open = unsafe { OpenIndex::new(self.0)? };
        // SAFETY: as above.
        let (pager, horizon, limits) = unsafe {
            let pager = RelationPager::new(self.0, &open.hints);
            (pager, IndexHorizon::new(self.0), pending_limits(self.0))
        };
        let count = || -> Result<IndexStats, PageError> {
            let meta = open.meta;
            let (mut pending_rows, mut pending_dead) = (0, 0);
            pending::for_each(&pager, &meta, meta.chains(), &mut |entry, _| {
                pending_rows += 1;
                pending_dead += u64::from(entry.is_dead());
            })?;
            let pending_age =
                if meta.pending_since > 0 { time::now().saturating_sub(meta.pending_since) } else { 0 };
            let usage = usage(&pager, &meta, &horizon, None)?;
            let pages = u64::from(pager.block_count());
            Ok(IndexStats { meta, pending_rows, pending_dead, pending_age, usage, pages, limits })
        };
        // SAFETY: as above.
        count().map_err(|error| unsafe { IndexError::page(self.0, error) })
    }

    /// Checks every page of the index.
    pub fn check(&self) -> Report {
        let hints = BufferHints::default();
        // SAFETY: the index is open while `self` lives.
        let pager = unsafe { RelationPager::new(self.0, &hints) };
        // SAFETY: as above.
        let horizon = unsafe { IndexHorizon::new(self.0) };
        check::check(&pager, &horizon)
    }
}
