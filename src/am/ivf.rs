//! The access methods `ivf` and `ivfflat`: indexes whose merges make segments with lists.
//!
//! Rows are inserted, flushed and vacuumed as in `hnsw`, so an index on an empty table is a good one: lists are trained
//! when there are rows for it. What such a segment keeps of a row's own vector is coarse unless `rerank = 'index'`, so
//! scans measure rows by the table ([`super::rerank`]).
//!
//! `ivfflat` is what pgvector's clients create: the option `lists` with pgvector's default, and `ivfflat.*` instead of
//! `ivf.*`.

use std::ffi::CStr;
use std::mem::offset_of;

use kernels::Encoding;
use pages::format::meta::ListOptions;
use pages::plan::OwnCode;
use pages::row::Element;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::hnsw::handler;
use super::hnsw::options::PENDING_LIST_LIMIT;
use super::method::Method;
use crate::pg::reloptions::{self, IntOption, Place, WordOption};

/// Most lists.
pub const LISTS_MAX: i32 = 32_768;
/// `ivf`: as many as suit the rows.
const LISTS_AUTOMATIC: i32 = 0;
/// pgvector's default.
const IVFFLAT_LISTS: i32 = 100;

static IVF: reloptions::Kind = reloptions::Kind::new();
static IVFFLAT: reloptions::Kind = reloptions::Kind::new();

/// What PostgreSQL keeps of the options of one index of either method.
#[repr(C)]
struct Stored {
    vl_len: i32,
    lists: i32,
    pending_list_limit: i32,
    /// Place among the words of [`BITS`]; zero for `ivfflat`, which has no such option.
    bits: i32,
    /// The same of [`RERANK`].
    rerank: i32,
}

const BITS: WordOption = WordOption {
    name: c"bits",
    text: c"Bits per dimension that the index keeps of a vector",
    words: &[c"4", c"1", c"2", c"8"],
    detail: c"Valid values are 1, 2, 4 and 8.",
};

const RERANK: WordOption = WordOption {
    name: c"rerank",
    text: c"Where scans find the vectors that rows are ranked by in the end",
    words: &[c"table", c"index"],
    detail: c"Valid values are \"table\" and \"index\".",
};

/// Registers the options. Called once, when the library is loaded.
pub fn init() {
    let lists = |default, least| IntOption {
        name: c"lists",
        text: c"Number of inverted lists",
        default,
        range: (least, LISTS_MAX),
        is_mild: false,
    };
    IVF.register(&[lists(LISTS_AUTOMATIC, 0), PENDING_LIST_LIMIT], &[BITS, RERANK]);
    IVFFLAT.register(&[lists(IVFFLAT_LISTS, 1), PENDING_LIST_LIMIT], &[]);
}

const LISTS_PLACE: (&CStr, Place) = (c"lists", Place::Int(offset_of!(Stored, lists)));
const PENDING_PLACE: (&CStr, Place) =
    (PENDING_LIST_LIMIT.name, Place::Int(offset_of!(Stored, pending_list_limit)));

/// `amoptions` of `ivf`: parses and validates.
#[pg_guard]
pub unsafe extern "C-unwind" fn amoptions(reloptions: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    let bits = (BITS.name, Place::Word(offset_of!(Stored, bits)));
    let rerank = (RERANK.name, Place::Word(offset_of!(Stored, rerank)));
    let options = [LISTS_PLACE, PENDING_PLACE, bits, rerank];
    // SAFETY: PostgreSQL passes the index's options; the table describes `Stored`.
    unsafe { IVF.parse(reloptions, validate, size_of::<Stored>(), &options) }
}

/// `amoptions` of `ivfflat`.
#[pg_guard]
unsafe extern "C-unwind" fn ivfflat_amoptions(
    reloptions: pg_sys::Datum,
    validate: bool,
) -> *mut pg_sys::bytea {
    // SAFETY: as above; what has no option stays zero.
    unsafe { IVFFLAT.parse(reloptions, validate, size_of::<Stored>(), &[LISTS_PLACE, PENDING_PLACE]) }
}

/// The options of an open index as they are kept; None: all defaults.
///
/// # Safety
/// `index` is open, of one of these methods, and stays open and locked for 'i.
unsafe fn stored<'i>(index: pg_sys::Relation) -> Option<&'i Stored> {
    // SAFETY: by the contract; `rd_options` is null or what one of the two functions above returned.
    unsafe { (*index).rd_options.cast::<Stored>().as_ref() }
}

/// What the segments of a new index on values of this element are to be made of; None: of `hnsw`, graphs.
///
/// # Safety
/// `index` is open.
pub unsafe fn list_options(index: pg_sys::Relation, element: Element) -> Option<ListOptions> {
    // SAFETY: by the contract; the reference is used in this call only.
    let (default, stored) = unsafe {
        match Method::of(index) {
            Method::Hnsw => return None,
            Method::Ivf => (LISTS_AUTOMATIC, stored(index)),
            Method::Ivfflat => (IVFFLAT_LISTS, stored(index)),
        }
    };
    let (lists, bits, rerank) =
        stored.map_or((default, 0, 0), |stored| (stored.lists, stored.bits, stored.rerank));
    let own = match (element, rerank, bits) {
        (Element::Bit, _, _) => OwnCode::Bits,
        (_, 1, _) => OwnCode::Residual(Encoding::F16),
        (_, _, 1) => OwnCode::Sign,
        (_, _, 2) => OwnCode::Residual(Encoding::I2),
        (_, _, 3) => OwnCode::Residual(Encoding::I8),
        _ => OwnCode::Residual(Encoding::I4),
    };
    Some(ListOptions { lists: lists as u32, own })
}

/// The option `pending_list_limit` of an open index in kB, or its default; None without options.
///
/// # Safety
/// `index` is open and of one of these methods.
pub unsafe fn pending_list_limit(index: pg_sys::Relation) -> Option<i32> {
    // SAFETY: by the contract; the reference is used in this call only.
    unsafe { stored(index) }.map(|stored| stored.pending_list_limit)
}

/// The handler function of `CREATE ACCESS METHOD ivf`.
///
/// # Safety
/// Called by PostgreSQL's function manager only.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ivfhandler(_fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    handler::routine(Method::Ivf, amoptions)
}

/// Calling convention of [`ivfhandler`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_ivfhandler() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}

/// The handler function of `CREATE ACCESS METHOD ivfflat`.
///
/// # Safety
/// Called by PostgreSQL's function manager only.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ivfflathandler(_fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    handler::routine(Method::Ivfflat, ivfflat_amoptions)
}

/// Calling convention of [`ivfflathandler`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_ivfflathandler() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}
