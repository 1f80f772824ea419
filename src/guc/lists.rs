//! Settings of the access methods with lists: `ivf.*`, and `ivfflat.*`, which are pgvector's.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};

use pgrx::prelude::*;

use super::{
    EF_SEARCH_DEFAULT, END, Entries, EnumSetting, ITERATIVE_SCAN_VALUES, IntSetting, IterativeScan,
    PGVECTOR_OWNS_SETTINGS, RECALL_TARGET, ScanSettings, entry, text_of,
};
use crate::am::ivf::LISTS_MAX;

static mut IVF_PROBES: c_int = 0;
static mut IVF_MAX_PROBES: c_int = LISTS_MAX;
static mut IVF_ITERATIVE_SCAN: c_int = 2;
/// pgvector's default.
const IVFFLAT_PROBES_DEFAULT: c_int = 1;
static mut IVFFLAT_PROBES: c_int = IVFFLAT_PROBES_DEFAULT;
static mut IVFFLAT_MAX_PROBES: c_int = LISTS_MAX;
static mut IVFFLAT_ITERATIVE_SCAN: c_int = 1;

thread_local! {
    static IVFFLAT_PROBES_IS_SET: Cell<bool> = const { Cell::new(false) };
}

/// What an index is made of, as far as settings in lists mean rows of it.
pub struct Shape {
    /// Option `lists`, or what its segments have.
    pub lists: u32,
    /// Rows that vacuum has not marked.
    pub rows: u64,
    /// Whether segments have graphs: of vectors that are too short for lists, or too long.
    pub has_graphs: bool,
}

impl Shape {
    /// Rows that so many lists hold.
    fn rows_of(&self, probes: u32) -> usize {
        match f64::from(probes) / f64::from(self.lists) {
            share if share < 1.0 => ((self.rows as f64 * share) as usize).max(EF_SEARCH_DEFAULT as usize),
            _ => usize::MAX,
        }
    }
}

/// The settings in force for an `ivf` index. Runs on the backend's main thread.
pub fn ivf_settings(shape: &Shape) -> ScanSettings {
    // SAFETY: plain values that PostgreSQL's settings code writes on this thread.
    let (probes, max_probes, iterative_scan) = unsafe { (IVF_PROBES, IVF_MAX_PROBES, IVF_ITERATIVE_SCAN) };
    let probes = Some(probes).filter(|&probes| probes > 0);
    settings(shape, probes, max_probes, IterativeScan::from_number(iterative_scan))
}

/// The same for `ivfflat`. Its rows come in strict order, which is a relaxed one, too.
pub fn ivfflat_settings(shape: &Shape) -> ScanSettings {
    if PGVECTOR_OWNS_SETTINGS.get() {
        let number = |name: &CStr| text_of(name).and_then(|text| text.parse::<c_int>().ok());
        let probes = number(c"ivfflat.probes").filter(|&probes| probes != IVFFLAT_PROBES_DEFAULT);
        let max_probes = number(c"ivfflat.max_probes").unwrap_or(LISTS_MAX);
        return settings(shape, probes, max_probes, IterativeScan::StrictOrder);
    }
    // SAFETY: plain values that PostgreSQL's settings code writes on this thread.
    let (probes, max_probes, iterative_scan) =
        unsafe { (IVFFLAT_PROBES, IVFFLAT_MAX_PROBES, IVFFLAT_ITERATIVE_SCAN) };
    let probes = IVFFLAT_PROBES_IS_SET.get().then_some(probes);
    let is_off = IterativeScan::from_number(iterative_scan) == IterativeScan::Off;
    let mode = if is_off { IterativeScan::Off } else { IterativeScan::StrictOrder };
    settings(shape, probes, max_probes, mode)
}

fn settings(
    shape: &Shape,
    probes: Option<c_int>,
    max_probes: c_int,
    iterative_scan: IterativeScan,
) -> ScanSettings {
    let probes = probes.map(|probes| probes as u32);
    let probes_max = Some(max_probes).filter(|&most| most < LISTS_MAX).map(|most| most as u32);
    let first_rows =
        if shape.lists > 0 { shape.rows_of(probes.unwrap_or(1)) } else { EF_SEARCH_DEFAULT as usize };
    // A scan reads at least the lists that it reads first.
    let most = probes_max.map(|most| most.max(probes.unwrap_or(1)));
    ScanSettings {
        ef_search: None,
        iterative_scan,
        max_scan_tuples: None,
        scan_mem_multiplier: 1.0,
        // SAFETY: a plain value that PostgreSQL's settings code writes on this thread.
        recall_target: unsafe { RECALL_TARGET },
        first_rows: Some(first_rows).filter(|_| shape.has_graphs),
        rows_max: most.filter(|_| shape.lists > 0).map_or(usize::MAX, |most| shape.rows_of(most)),
        probes,
        probes_max,
        // All lists: what people who want exact answers set.
        is_exact: probes
            .is_some_and(|probes| probes == LISTS_MAX as u32 || shape.lists > 0 && probes >= shape.lists),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn assign_ivfflat_probes(_value: c_int, extra: *mut c_void) {
    IVFFLAT_PROBES_IS_SET.set(!extra.is_null());
}

/// Settings of our own.
pub(super) fn define_ivf() {
    IntSetting {
        name: c"ivf.probes",
        description: c"Sets the number of lists that index scans read first.",
        detail: c"0 means as many as proxima.recall_target takes.",
        place: &raw mut IVF_PROBES,
        default: 0,
        range: (0, LISTS_MAX),
        assign: None,
    }
    .define();
    EnumSetting {
        name: c"ivf.iterative_scan",
        place: &raw mut IVF_ITERATIVE_SCAN,
        default: 2,
        values: ITERATIVE_SCAN_VALUES.0.as_ptr(),
    }
    .define();
    IntSetting {
        name: c"ivf.max_probes",
        description: c"Sets the maximum number of lists that index scans read.",
        detail: c"Scans end after as many rows as so many lists hold. The default is all lists.",
        place: &raw mut IVF_MAX_PROBES,
        default: LISTS_MAX,
        range: (1, LISTS_MAX),
        assign: None,
    }
    .define();
}

/// Settings of pgvector.
pub(super) fn define_ivfflat() {
    IntSetting {
        name: c"ivfflat.probes",
        description: c"Sets the number of probes",
        detail: c"Valid range is 1..lists.",
        place: &raw mut IVFFLAT_PROBES,
        default: IVFFLAT_PROBES_DEFAULT,
        range: (1, LISTS_MAX),
        assign: Some(assign_ivfflat_probes),
    }
    .define();
    EnumSetting {
        name: c"ivfflat.iterative_scan",
        place: &raw mut IVFFLAT_ITERATIVE_SCAN,
        default: 1,
        values: IVFFLAT_ITERATIVE_SCAN_VALUES.0.as_ptr(),
    }
    .define();
    IntSetting {
        name: c"ivfflat.max_probes",
        description: c"Sets the max number of probes for iterative scans",
        detail: c"",
        place: &raw mut IVFFLAT_MAX_PROBES,
        default: LISTS_MAX,
        range: (1, LISTS_MAX),
        assign: None,
    }
    .define();
}

/// pgvector has no strict order here.
static IVFFLAT_ITERATIVE_SCAN_VALUES: Entries<3> =
    Entries([entry(c"off", 0), entry(c"relaxed_order", 1), END]);
