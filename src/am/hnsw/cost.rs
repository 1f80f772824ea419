//! `amcostestimate`: what the planner should believe.
//!
//! Before its first row a scan of graphs walks to the query's neighborhood, which costs a number of hops that grows
//! with the logarithm of the rows; a hop reads one page that is likely cached and estimates a node's neighbors. A scan
//! of lists measures all centroids and reads the codes of the nearest lists in sequence. Either measures all pending
//! rows. Then each further row costs about a hop, or a look into the table. The planner itself adds the heap fetches,
//! and takes the fraction of the total that LIMIT and the filters leave: so a selective filter makes the scan expensive
//! in proportion, and a btree or a sort wins where it is cheaper.
//!
//! The constants follow measurements in units of the planner's defaults, where a sequential scan of a page costs 1
//! and takes about 5 us when cached.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::cache::OpenIndex;
use super::scan;
use crate::pg::compat;

/// Hops before the first row: the base, and for each doubling of the rows.
const HOPS_BASE: f64 = 20.0;
const HOPS_PER_DOUBLING: f64 = 3.0;
/// Share of a random page read that a hop or a look into the table costs: the page is nearly always cached.
const HOP_PAGE_SHARE: f64 = 0.1;
/// Operator calls that estimating a node's neighbors is worth.
const HOP_OPERATORS: f64 = 16.0;
/// Operator calls that measuring a code is worth: of a pending row, a centroid, a row of a list.
const CODE_OPERATORS: f64 = 0.5;
/// Share of the pages that has the codes that are read first; the others have the rows' own vectors.
const CODE_PAGES_SHARE: f64 = 0.25;
/// Rows that are measured by the table before the first is certain of its place.
const RERANKED_ROWS: f64 = 20.0;

/// What the index itself says.
#[derive(Default)]
struct Known {
    /// Rows that are in no segment.
    pending: f64,
    /// None: its segments are graphs, or will be.
    lists: Option<Lists>,
}

/// Lists of an index, and how many a scan reads.
struct Lists {
    /// Of all segments; 0: all codes are read.
    count: u32,
    /// At first, and at most, if somebody set it.
    probes: Option<u32>,
    probes_max: Option<u32>,
}

/// What the planner knows: rows, pages, and what a random and a sequential page read and an operator call cost.
struct Planned {
    rows: f64,
    pages: f64,
    random_page: f64,
    page: f64,
    operator: f64,
}

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
        let (mut random_page, mut page) = (0.0, 0.0);
        pg_sys::get_tablespace_page_costs((*info).reltablespace, &raw mut random_page, &raw mut page);
        let rows = (*info).tuples.max(1.0);
        let operator = pg_sys::cpu_operator_cost;
        let known = Known::of(info);
        let planned = Planned { rows, pages: *pages, random_page, page, operator };
        let (start, row) = match known.lists {
            None => planned.graphs(),
            Some(lists) => planned.lists(&lists),
        };
        let startup = start + known.pending * CODE_OPERATORS * operator;
        *startup_cost = startup;
        *total_cost = startup + rows * (row + pg_sys::cpu_index_tuple_cost);
        *selectivity = rows_share(info);
    }
}

impl Planned {
    /// What a scan of graphs costs before the first row, and for each.
    fn graphs(&self) -> (f64, f64) {
        let hop = self.random_page * HOP_PAGE_SHARE + self.operator * HOP_OPERATORS;
        let hops = (HOPS_BASE + HOPS_PER_DOUBLING * self.rows.log2()).min(self.rows);
        (hops * hop, hop)
    }

    /// The same of lists.
    fn lists(&self, lists: &Lists) -> (f64, f64) {
        let count = f64::from(lists.count);
        let probes = lists.probes.map_or_else(|| count.sqrt(), f64::from);
        let probes = probes.min(lists.probes_max.map_or(count, f64::from));
        let share = if lists.count > 0 { (probes / count).min(1.0) } else { 1.0 };
        let codes = (count + share * self.rows) * CODE_OPERATORS * self.operator;
        let row = self.random_page * HOP_PAGE_SHARE + self.operator;
        let pages = share * self.pages * CODE_PAGES_SHARE;
        (codes + pages * self.page + RERANKED_ROWS.min(self.rows) * row, row)
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

impl Known {
    unsafe fn of(info: *const pg_sys::IndexOptInfo) -> Self {
        // SAFETY: the planner holds a lock on the index, so it can be opened without another.
        unsafe {
            if (*info).hypothetical || !pg_sys::enable_indexscan {
                return Self::default();
            }
            let index = pg_sys::index_open((*info).indexoid, pg_sys::NoLock as pg_sys::LOCKMODE);
            let known = OpenIndex::new(index).map_or_else(
                |_| Self::default(),
                |open| {
                    let settings = scan::settings(index, &open);
                    let segments = &open.parsed.segments;
                    let has_lists = open.meta.list_options().is_some()
                        && segments.iter().all(|segment| segment.plan.is_flat());
                    let lists = has_lists.then(|| Lists {
                        count: segments.iter().map(|segment| segment.header.lists).sum(),
                        probes: settings.probes,
                        probes_max: settings.probes_max,
                    });
                    Self { pending: open.pending_rows() as f64, lists }
                },
            );
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
            known
        }
    }
}
