//! Every setting: its definition, its accessor, why its default.
//!
//! pgvector's settings keep their names, ranges and defaults. Where pgvector's library is loaded in the same backend
//! it has defined them already; PostgreSQL refuses a second definition, so they are then read by name. Whether somebody
//! has set a value can't be told then: pgvector's default of each counts as not set, `off` included.
//!
//! Effort comes from calibration unless somebody has set `hnsw.ef_search`: the check hook sees where a value comes
//! from, and remembers in the value's `extra` that it was not the built-in default. PostgreSQL hands `extra` back on
//! every assignment, also when a SET is undone.

pub mod lists;
pub mod maintenance;

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::compat;
use crate::pg::worker::is_autovacuum;

/// What a scan does when its first effort is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IterativeScan {
    /// It ends, as a fixed candidate list does.
    Off,
    /// It goes on; rows may come out of order.
    RelaxedOrder,
    /// It goes on in strict order.
    StrictOrder,
}

impl IterativeScan {
    /// The mode that has this number in [`ITERATIVE_SCAN_VALUES`].
    fn from_number(number: c_int) -> Self {
        match number {
            0 => Self::Off,
            1 => Self::RelaxedOrder,
            _ => Self::StrictOrder,
        }
    }
}

/// The settings of one scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanSettings {
    /// `hnsw.ef_search`, if anybody set it.
    pub ef_search: Option<i32>,
    /// `hnsw.iterative_scan`.
    pub iterative_scan: IterativeScan,
    /// `hnsw.max_scan_tuples`, if anybody set it: the default would end scans before LIMIT is filled.
    pub max_scan_tuples: Option<i32>,
    /// `hnsw.scan_mem_multiplier`.
    pub scan_mem_multiplier: f64,
    /// `proxima.recall_target`.
    pub recall_target: f64,
    /// Rows after which a scan that is not iterative ends; None: where its first effort ends.
    pub first_rows: Option<usize>,
    /// Rows after which an iterative scan ends: `hnsw.max_scan_tuples`, or what `probes_max` lists hold.
    pub rows_max: usize,
    /// Lists that a scan reads first, if anybody set it: `ivf.probes` or `ivfflat.probes`.
    pub probes: Option<u32>,
    /// Lists that it reads at most, if anybody set it: `ivf.max_probes` or `ivfflat.max_probes`.
    pub probes_max: Option<u32>,
    /// Whether every row is to be looked at.
    pub is_exact: bool,
}

/// pgvector's default of `hnsw.ef_search`, which `off` means when nobody set it.
pub const EF_SEARCH_DEFAULT: i32 = 40;
const MAX_SCAN_TUPLES_DEFAULT: i32 = 20_000;

static mut EF_SEARCH: c_int = EF_SEARCH_DEFAULT;
static mut ITERATIVE_SCAN: c_int = 2;
static mut MAX_SCAN_TUPLES: c_int = MAX_SCAN_TUPLES_DEFAULT;
static mut SCAN_MEM_MULTIPLIER: f64 = 1.0;
static mut RECALL_TARGET: f64 = 0.95;

thread_local! {
    static EF_SEARCH_IS_SET: Cell<bool> = const { Cell::new(false) };
    static MAX_SCAN_TUPLES_IS_SET: Cell<bool> = const { Cell::new(false) };
    static PGVECTOR_OWNS_SETTINGS: Cell<bool> = const { Cell::new(false) };
}

/// The settings in force for `hnsw`. Runs on the backend's main thread.
pub fn hnsw_settings() -> ScanSettings {
    if PGVECTOR_OWNS_SETTINGS.get() {
        return settings_by_name();
    }
    // SAFETY: plain values that PostgreSQL's settings code writes on this thread.
    let (ef_search, iterative_scan, max_scan_tuples, scan_mem_multiplier, recall_target) =
        unsafe { (EF_SEARCH, ITERATIVE_SCAN, MAX_SCAN_TUPLES, SCAN_MEM_MULTIPLIER, RECALL_TARGET) };
    let max_scan_tuples_set = MAX_SCAN_TUPLES_IS_SET.get().then_some(max_scan_tuples);
    ScanSettings {
        ef_search: EF_SEARCH_IS_SET.get().then_some(ef_search),
        iterative_scan: IterativeScan::from_number(iterative_scan),
        max_scan_tuples: max_scan_tuples_set,
        scan_mem_multiplier,
        recall_target,
        first_rows: Some(ef_search as usize),
        rows_max: max_scan_tuples_set.map_or(usize::MAX, |tuples| tuples as usize),
        probes: None,
        probes_max: None,
        is_exact: false,
    }
}

/// `proxima.recall_target`.
pub fn recall_target() -> f64 {
    // SAFETY: a plain value that PostgreSQL's settings code writes on this thread.
    unsafe { RECALL_TARGET }
}

/// The settings as pgvector's library holds them: a value other than the default counts as set.
fn settings_by_name() -> ScanSettings {
    let number = |name: &CStr| text_of(name).and_then(|text| text.parse::<f64>().ok());
    let differs = |name: &CStr, default: i32| number(name).map(|n| n as i32).filter(|n| *n != default);
    let max_scan_tuples = differs(c"hnsw.max_scan_tuples", MAX_SCAN_TUPLES_DEFAULT);
    ScanSettings {
        ef_search: differs(c"hnsw.ef_search", EF_SEARCH_DEFAULT),
        iterative_scan: match text_of(c"hnsw.iterative_scan").as_deref() {
            Some("relaxed_order") => IterativeScan::RelaxedOrder,
            _ => IterativeScan::StrictOrder,
        },
        max_scan_tuples,
        scan_mem_multiplier: number(c"hnsw.scan_mem_multiplier").unwrap_or(1.0),
        // SAFETY: a plain value that PostgreSQL's settings code writes on this thread.
        recall_target: unsafe { RECALL_TARGET },
        first_rows: Some(EF_SEARCH_DEFAULT as usize),
        rows_max: max_scan_tuples.map_or(usize::MAX, |tuples| tuples as usize),
        probes: None,
        probes_max: None,
        is_exact: false,
    }
}

fn text_of(name: &CStr) -> Option<String> {
    // SAFETY: the name is a C string; the result is one too, or null, and is copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() { None } else { Some(CStr::from_ptr(value).to_string_lossy().into_owned()) }
    }
}

/// Marks a value that is not the built-in default by an allocation that PostgreSQL owns and frees.
unsafe fn mark_source(extra: *mut *mut c_void, source: pg_sys::GucSource::Type) -> bool {
    if source == pg_sys::GucSource::PGC_S_DEFAULT {
        return true;
    }
    // SAFETY: PostgreSQL passes a place for the pointer and frees what it finds there.
    unsafe {
        *extra = compat::allocate_setting_extra(1);
        !(*extra).is_null()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_int(
    _value: *mut c_int,
    extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: called by PostgreSQL's settings code with a valid place.
    unsafe { mark_source(extra, source) }
}

#[pg_guard]
unsafe extern "C-unwind" fn assign_ef_search(_value: c_int, extra: *mut c_void) {
    EF_SEARCH_IS_SET.set(!extra.is_null());
}

#[pg_guard]
unsafe extern "C-unwind" fn assign_max_scan_tuples(_value: c_int, extra: *mut c_void) {
    MAX_SCAN_TUPLES_IS_SET.set(!extra.is_null());
}

/// An integer setting.
struct IntSetting {
    name: &'static CStr,
    description: &'static CStr,
    detail: &'static CStr,
    place: *mut c_int,
    default: c_int,
    range: (c_int, c_int),
    /// Learns whether the value is the built-in default.
    assign: Option<unsafe extern "C-unwind" fn(c_int, *mut c_void)>,
}

impl IntSetting {
    fn define(&self) {
        self.define_as(pg_sys::GucContext::PGC_USERSET, 0);
    }

    /// `flags`: the unit, if any.
    fn define_as(&self, context: pg_sys::GucContext::Type, flags: u32) {
        // SAFETY: strings and places are static; the hooks have the signatures that PostgreSQL asks for.
        unsafe {
            pg_sys::DefineCustomIntVariable(
                self.name.as_ptr(),
                self.description.as_ptr(),
                self.detail.as_ptr(),
                self.place,
                self.default,
                self.range.0,
                self.range.1,
                context,
                flags as c_int,
                if self.assign.is_some() { Some(check_int) } else { None },
                self.assign,
                None,
            );
        }
    }
}

/// A switch that anybody may change.
struct BoolSetting {
    name: &'static CStr,
    description: &'static CStr,
    detail: &'static CStr,
    place: *mut bool,
    default: bool,
}

impl BoolSetting {
    fn define(&self) {
        // SAFETY: strings and places are static.
        unsafe {
            pg_sys::DefineCustomBoolVariable(
                self.name.as_ptr(),
                self.description.as_ptr(),
                self.detail.as_ptr(),
                self.place,
                self.default,
                pg_sys::GucContext::PGC_USERSET,
                0,
                None,
                None,
                None,
            );
        }
    }
}

/// A floating-point setting that anybody may change.
struct RealSetting {
    name: &'static CStr,
    description: &'static CStr,
    detail: &'static CStr,
    place: *mut f64,
    default: f64,
    range: (f64, f64),
}

impl RealSetting {
    fn define(&self) {
        // SAFETY: strings and places are static.
        unsafe {
            pg_sys::DefineCustomRealVariable(
                self.name.as_ptr(),
                self.description.as_ptr(),
                self.detail.as_ptr(),
                self.place,
                self.default,
                self.range.0,
                self.range.1,
                pg_sys::GucContext::PGC_USERSET,
                0,
                None,
                None,
                None,
            );
        }
    }
}

/// Defines all settings. Called once, when the library is loaded.
pub fn init() {
    RealSetting {
        name: c"proxima.recall_target",
        description: c"Sets the recall that index scans aim at while no effort is set explicitly.",
        detail: c"Valid range is 0.5..0.999.",
        place: &raw mut RECALL_TARGET,
        default: 0.95,
        range: (0.5, 0.999),
    }
    .define();
    maintenance::init();
    compat::reserve_setting_prefix(c"proxima");
    lists::define_ivf();
    compat::reserve_setting_prefix(c"ivf");
    if is_defined(c"hnsw.ef_search") {
        PGVECTOR_OWNS_SETTINGS.set(true);
        return;
    }
    define_hnsw();
    compat::reserve_setting_prefix(c"hnsw");
    lists::define_ivfflat();
    compat::reserve_setting_prefix(c"ivfflat");
}

fn define_hnsw() {
    IntSetting {
        name: c"hnsw.ef_search",
        description: c"Sets the size of the dynamic candidate list for search",
        detail: c"Valid range is 1..1000.",
        place: &raw mut EF_SEARCH,
        default: EF_SEARCH_DEFAULT,
        range: (1, 1000),
        assign: Some(assign_ef_search),
    }
    .define();
    EnumSetting {
        name: c"hnsw.iterative_scan",
        place: &raw mut ITERATIVE_SCAN,
        default: 2,
        values: ITERATIVE_SCAN_VALUES.0.as_ptr(),
    }
    .define();
    IntSetting {
        name: c"hnsw.max_scan_tuples",
        description: c"Sets the max number of tuples to visit for iterative scans",
        detail: c"Without an explicit value, scans go on until the query has its rows.",
        place: &raw mut MAX_SCAN_TUPLES,
        default: MAX_SCAN_TUPLES_DEFAULT,
        range: (1, c_int::MAX),
        assign: Some(assign_max_scan_tuples),
    }
    .define();
    RealSetting {
        name: c"hnsw.scan_mem_multiplier",
        description: c"Sets the multiple of work_mem to use for iterative scans",
        detail: c"",
        place: &raw mut SCAN_MEM_MULTIPLIER,
        default: 1.0,
        range: (1.0, 1000.0),
    }
    .define();
}

/// The values of an iterative scan's setting, with static storage as PostgreSQL wants it.
struct Entries<const N: usize>([pg_sys::config_enum_entry; N]);
// SAFETY: the entries are constants that nobody writes.
unsafe impl<const N: usize> Sync for Entries<N> {}

const fn entry(name: &'static CStr, val: c_int) -> pg_sys::config_enum_entry {
    pg_sys::config_enum_entry { name: name.as_ptr(), val, hidden: false }
}

const END: pg_sys::config_enum_entry =
    pg_sys::config_enum_entry { name: std::ptr::null::<c_char>(), val: 0, hidden: false };

static ITERATIVE_SCAN_VALUES: Entries<4> =
    Entries([entry(c"off", 0), entry(c"relaxed_order", 1), entry(c"strict_order", 2), END]);

/// The mode of iterative scans.
struct EnumSetting {
    name: &'static CStr,
    place: *mut c_int,
    default: c_int,
    values: *const pg_sys::config_enum_entry,
}

impl EnumSetting {
    fn define(&self) {
        // SAFETY: strings, values and the place are static.
        unsafe {
            pg_sys::DefineCustomEnumVariable(
                self.name.as_ptr(),
                c"Sets the mode for iterative scans".as_ptr(),
                std::ptr::null(),
                self.place,
                self.default,
                self.values,
                pg_sys::GucContext::PGC_USERSET,
                0,
                None,
                None,
                None,
            );
        }
    }
}

/// Whether a setting has a definition, not only a value for one to come.
fn is_defined(name: &CStr) -> bool {
    let Ok(name) = CString::new(name.to_bytes()) else { return false };
    // SAFETY: the name is a C string; with missing_ok an unknown one gives 0.
    unsafe {
        let flags = pg_sys::GetConfigOptionFlags(name.as_ptr(), true) as u32;
        !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null()
            && flags & pg_sys::GUC_CUSTOM_PLACEHOLDER == 0
    }
}

/// Memory in bytes that maintenance may take in this process.
pub fn maintenance_memory() -> u64 {
    // SAFETY: a plain setting in kilobytes.
    let maintenance = unsafe { pg_sys::maintenance_work_mem };
    let of_autovacuum = text_of(c"autovacuum_work_mem").and_then(|text| text.parse::<i64>().ok());
    let of_autovacuum = of_autovacuum.filter(|kilobytes| is_autovacuum() && *kilobytes >= 0);
    of_autovacuum.unwrap_or(i64::from(maintenance)) as u64 * 1024
}
