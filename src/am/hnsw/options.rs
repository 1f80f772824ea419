//! The index options `m` and `ef_construction`, and `pending_list_limit`, which all methods have.

use std::mem::offset_of;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::am::ivf;
use crate::am::method::Method;
use crate::guc::maintenance as setting;
use crate::pg::reloptions::{self, IntOption, Place};

const M: i32 = 16;
const EF_CONSTRUCTION: i32 = 64;
/// Says that the setting is in force.
const NOT_SET: i32 = -1;

static KIND: reloptions::Kind = reloptions::Kind::new();

/// What PostgreSQL keeps of the options of one index.
#[repr(C)]
struct Stored {
    vl_len: i32,
    m: i32,
    ef_construction: i32,
    pending_list_limit: i32,
}

/// The options of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Degree of the graph is 2 m.
    pub m: u16,
    /// Effort of the build.
    pub ef_construction: u16,
}

/// When an insert flushes the pending rows of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingLimits {
    /// Bytes of pending pages.
    pub bytes: u64,
    /// Pending rows; 0: no limit.
    pub rows: u64,
    /// Milliseconds since the oldest pending row came; 0: no limit.
    pub age_ms: u64,
}

/// The option that all access methods have.
pub const PENDING_LIST_LIMIT: IntOption = IntOption {
    name: c"pending_list_limit",
    text: c"Maximum size of the pending list for this index, in kilobytes",
    default: NOT_SET,
    range: (setting::PENDING_LIST_LIMIT_MIN, setting::PENDING_LIST_LIMIT_MAX),
    is_mild: true,
};

/// Registers the options. Called once, when the library is loaded.
pub fn init() {
    let m = IntOption {
        name: c"m",
        text: c"Max number of connections",
        default: M,
        range: (2, 100),
        is_mild: false,
    };
    let ef_construction = IntOption {
        name: c"ef_construction",
        text: c"Size of the dynamic candidate list for construction",
        default: EF_CONSTRUCTION,
        range: (4, 1000),
        is_mild: false,
    };
    KIND.register(&[m, ef_construction, PENDING_LIST_LIMIT], &[]);
}

/// `amoptions`: parses and validates.
#[pg_guard]
pub unsafe extern "C-unwind" fn amoptions(reloptions: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    let options = [
        (c"m", Place::Int(offset_of!(Stored, m))),
        (c"ef_construction", Place::Int(offset_of!(Stored, ef_construction))),
        (PENDING_LIST_LIMIT.name, Place::Int(offset_of!(Stored, pending_list_limit))),
    ];
    // SAFETY: PostgreSQL passes the index's options; the table describes `Stored`.
    unsafe { KIND.parse(reloptions, validate, size_of::<Stored>(), &options) }
}

/// The options of an open index as they are kept; None: all defaults, or another method.
///
/// # Safety
/// `index` is open, and stays open and locked for 'i.
unsafe fn stored<'i>(index: pg_sys::Relation) -> Option<&'i Stored> {
    // SAFETY: by the contract; `rd_options` is null or what `amoptions` of this method returned.
    unsafe {
        let is_ours = Method::of(index) == Method::Hnsw;
        (*index).rd_options.cast::<Stored>().as_ref().filter(|_| is_ours)
    }
}

impl Options {
    /// The options of an open index; the defaults for a method without them.
    ///
    /// # Safety
    /// `index` is open.
    pub unsafe fn of(index: pg_sys::Relation) -> Self {
        // SAFETY: by the contract; the reference is used in this call only.
        let stored = unsafe { stored(index) };
        let (m, ef_construction) = stored.map_or((M, EF_CONSTRUCTION), |s| (s.m, s.ef_construction));
        Self { m: m as u16, ef_construction: ef_construction as u16 }
    }
}

/// The limits in force for an open index: its option, else the settings.
///
/// # Safety
/// `index` is open and of one of our methods.
pub unsafe fn pending_limits(index: pg_sys::Relation) -> PendingLimits {
    // SAFETY: by the contract; references are used in this call only.
    let option = unsafe {
        match Method::of(index) {
            Method::Hnsw => stored(index).map(|stored| stored.pending_list_limit),
            Method::Ivf | Method::Ivfflat => ivf::pending_list_limit(index),
        }
    };
    let kilobytes = option.filter(|limit| *limit != NOT_SET).unwrap_or_else(setting::pending_list_limit);
    PendingLimits {
        bytes: kilobytes as u64 * 1024,
        rows: setting::pending_rows_limit() as u64,
        age_ms: setting::flush_age() as u64,
    }
}
