//! `amcostestimate`: what the planner should believe.
//!
//! A scan first walks to the query's neighborhood, which costs a number of hops that grows with the logarithm of the
//! rows and is paid before the first row; then each further row costs about a hop. A hop reads one page that is
//! likely cached and estimates a node's neighbors. Pending rows are all measured before the first row. The planner
//! itself adds the heap fetches, and takes the fraction of the total that LIMIT and the filters leave: so a selective
//! filter makes the scan expensive in proportion, and a btree or a sort wins where it is cheaper.
//!
//! The constants follow measurements in units of the planner's defaults, where a sequential scan of a page costs 1
//! and takes about 5 us when cached.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::compat;

/// Hops before the first row: the base, and for each doubling of the rows.
const HOPS_BASE: f64 = 20.0;
const HOPS_PER_DOUBLING: f64 = 3.0;
/// Share of a random page read that a hop costs: its page is nearly always cached.
const HOP_PAGE_SHARE: f64 = 0.1;
/// Operator calls that estimating a node's neighbors is worth.
const HOP_OPERATORS: f64 = 16.0;
/// Operator calls that measuring a pending row is worth.
const PENDING_OPERATORS: f64 = 0.5;

/// Fills in the planner's figures.
#[pg_guard]
pub unsafe extern "C-unwind" fn amcostestimate(
    _root: *mut pg_sys::PlannerInfo,
    path: *mut pg_sys::IndexPath,
    _loop_count: f64,
    startup_cost: *mut pg_sys::Cost,
    total_cost: *mut pg_sys::Cost,
    selectivity: *mut pg_sys::Selectivity,
    correlation: *mut f64,
    pages: *mut f64,
) {
    // SAFETY: PostgreSQL passes a valid path and places for the results.
    unsafe {
        let info = (*path).indexinfo;
        *correlation = 0.0;
        *pages = f64::from((*info).pages);
        if (*path).indexorderbys.is_null() {
            // Without an order the index can't be scanned; an optional key makes the planner ask all the same.
            *startup_cost = f64::INFINITY;
            *total_cost = f64::INFINITY;
            *selectivity = 0.0;
            compat::disable_path(path);
            return;
        }
        let mut page_cost = 0.0;
        pg_sys::get_tablespace_page_costs((*info).reltablespace, &raw mut page_cost, std::ptr::null_mut());
        let rows = (*info).tuples.max(1.0);
        let hop = page_cost * HOP_PAGE_SHARE + pg_sys::cpu_operator_cost * HOP_OPERATORS;
        let hops = (HOPS_BASE + HOPS_PER_DOUBLING * rows.log2()).min(rows);
        let startup = hops * hop + pending_rows(info) * PENDING_OPERATORS * pg_sys::cpu_operator_cost;
        *startup_cost = startup;
        *total_cost = startup + rows * (hop + pg_sys::cpu_index_tuple_cost);
        *selectivity = rows_share(info);
    }
}

/// The share of the table's rows that a partial index has.
unsafe fn rows_share(info: *const pg_sys::IndexOptInfo) -> f64 {
    // SAFETY: the planner's structs are valid while it prices a path.
    unsafe {
        let table = (*(*info).rel).tuples;
        if (*info).indpred.is_null() || table <= 0.0 { 1.0 } else { ((*info).tuples / table).clamp(0.0, 1.0) }
    }
}

/// Rows that are in no segment.
unsafe fn pending_rows(info: *const pg_sys::IndexOptInfo) -> f64 {
    // SAFETY: the planner holds a lock on the index, so it can be opened without another.
    unsafe {
        if (*info).hypothetical || !pg_sys::enable_indexscan {
            return 0.0;
        }
        let index = pg_sys::index_open((*info).indexoid, pg_sys::NoLock as pg_sys::LOCKMODE);
        let rows = super::cache::OpenIndex::new(index).map_or(0, |open| open.pending_rows());
        pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        rows as f64
    }
}
