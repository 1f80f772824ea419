//! Every setting: its definition, its accessor, why its default.
//!
//! pgvector's settings keep their names, ranges and defaults. Where pgvector's library is loaded in the same backend
//! it has defined them already; PostgreSQL refuses a second definition, so they are then read by name.
//!
//! Effort comes from calibration unless somebody has set `hnsw.ef_search`: the check hook sees where a value comes
//! from, and remembers in the value's `extra` that it was not the built-in default. PostgreSQL hands `extra` back on
//! every assignment, also when a SET is undone.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::compat;

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

/// The settings in force. Runs on the backend's main thread.
pub fn scan_settings() -> ScanSettings {
    if PGVECTOR_OWNS_SETTINGS.get() {
        return settings_by_name();
    }
    // SAFETY: plain values that PostgreSQL's settings code writes on this thread.
    let (ef_search, iterative_scan, max_scan_tuples, scan_mem_multiplier, recall_target) =
        unsafe { (EF_SEARCH, ITERATIVE_SCAN, MAX_SCAN_TUPLES, SCAN_MEM_MULTIPLIER, RECALL_TARGET) };
    ScanSettings {
        ef_search: EF_SEARCH_IS_SET.get().then_some(ef_search),
        iterative_scan: match iterative_scan {
            0 => IterativeScan::Off,
            1 => IterativeScan::RelaxedOrder,
            _ => IterativeScan::StrictOrder,
        },
        max_scan_tuples: MAX_SCAN_TUPLES_IS_SET.get().then_some(max_scan_tuples),
        scan_mem_multiplier,
        recall_target,
    }
}

/// The settings as pgvector's library holds them: a value other than the default counts as set.
fn settings_by_name() -> ScanSettings {
    let number = |name: &CStr| text_of(name).and_then(|text| text.parse::<f64>().ok());
    let differs = |name: &CStr, default: i32| number(name).map(|n| n as i32).filter(|n| *n != default);
    ScanSettings {
        ef_search: differs(c"hnsw.ef_search", EF_SEARCH_DEFAULT),
        iterative_scan: match text_of(c"hnsw.iterative_scan").as_deref() {
            Some("relaxed_order") => IterativeScan::RelaxedOrder,
            _ => IterativeScan::StrictOrder,
        },
        max_scan_tuples: differs(c"hnsw.max_scan_tuples", MAX_SCAN_TUPLES_DEFAULT),
        scan_mem_multiplier: number(c"hnsw.scan_mem_multiplier").unwrap_or(1.0),
        // SAFETY: a plain value that PostgreSQL's settings code writes on this thread.
        recall_target: unsafe { RECALL_TARGET },
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

/// An integer setting that anybody may change.
struct IntSetting {
    name: &'static CStr,
    description: &'static CStr,
    detail: &'static CStr,
    place: *mut c_int,
    default: c_int,
    range: (c_int, c_int),
    assign: unsafe extern "C-unwind" fn(c_int, *mut c_void),
}

impl IntSetting {
    fn define(&self) {
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
                pg_sys::GucContext::PGC_USERSET,
                0,
                Some(check_int),
                Some(self.assign),
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
    compat::reserve_setting_prefix(c"proxima");
    if is_defined(c"hnsw.ef_search") {
        PGVECTOR_OWNS_SETTINGS.set(true);
        return;
    }
    define_hnsw();
    compat::reserve_setting_prefix(c"hnsw");
}

fn define_hnsw() {
    IntSetting {
        name: c"hnsw.ef_search",
        description: c"Sets the size of the dynamic candidate list for search",
        detail: c"Valid range is 1..1000.",
        place: &raw mut EF_SEARCH,
        default: EF_SEARCH_DEFAULT,
        range: (1, 1000),
        assign: assign_ef_search,
    }
    .define();
    define_iterative_scan();
    IntSetting {
        name: c"hnsw.max_scan_tuples",
        description: c"Sets the max number of tuples to visit for iterative scans",
        detail: c"Without an explicit value, scans go on until the query has its rows.",
        place: &raw mut MAX_SCAN_TUPLES,
        default: MAX_SCAN_TUPLES_DEFAULT,
        range: (1, c_int::MAX),
        assign: assign_max_scan_tuples,
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

/// The values of `hnsw.iterative_scan`, with static storage as PostgreSQL wants it.
struct Entries([pg_sys::config_enum_entry; 4]);
// SAFETY: the entries are constants that nobody writes.
unsafe impl Sync for Entries {}

const fn entry(name: &'static CStr, val: c_int) -> pg_sys::config_enum_entry {
    pg_sys::config_enum_entry { name: name.as_ptr(), val, hidden: false }
}

static ITERATIVE_SCAN_VALUES: Entries = Entries([
    entry(c"off", 0),
    entry(c"relaxed_order", 1),
    entry(c"strict_order", 2),
    pg_sys::config_enum_entry { name: std::ptr::null::<c_char>(), val: 0, hidden: false },
]);

fn define_iterative_scan() {
    // SAFETY: strings, values and the place are static.
    unsafe {
        pg_sys::DefineCustomEnumVariable(
            c"hnsw.iterative_scan".as_ptr(),
            c"Sets the mode for iterative scans".as_ptr(),
            std::ptr::null(),
            &raw mut ITERATIVE_SCAN,
            2,
            ITERATIVE_SCAN_VALUES.0.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            0,
            None,
            None,
            None,
        );
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
