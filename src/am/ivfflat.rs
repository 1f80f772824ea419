//! The `ivfflat` access method: an index of this method is a graph index, as `hnsw` makes them.
//!
//! So what pgvector's clients create with `USING ivfflat` works, at the graph's recall and speed. `lists` and the
//! settings `ivfflat.*` keep pgvector's names and ranges. A graph has no lists: its effort follows
//! `proxima.recall_target`. Explicit `ivfflat.probes` raise that, and as many as `lists` give exact answers. With
//! `ivfflat.iterative_scan = off` a scan ends after as many rows as `ivfflat.probes` of `lists` lists would hold.

use std::mem::offset_of;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::hnsw::handler;
use super::hnsw::options::PENDING_LIST_LIMIT;
use super::method::Method;
use crate::pg::reloptions::{self, IntOption};

const LISTS: i32 = 100;

static KIND: reloptions::Kind = reloptions::Kind::new();

/// What PostgreSQL keeps of the options of one index.
#[repr(C)]
struct Stored {
    vl_len: i32,
    lists: i32,
    pending_list_limit: i32,
}

/// Registers the options. Called once, when the library is loaded.
pub fn init() {
    let lists = IntOption {
        name: c"lists",
        text: c"Number of inverted lists",
        default: LISTS,
        range: (1, 32768),
        is_mild: false,
    };
    KIND.register(&[lists, PENDING_LIST_LIMIT]);
}

/// `amoptions`: parses and validates.
#[pg_guard]
unsafe extern "C-unwind" fn amoptions(reloptions: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    let options = [
        (c"lists", offset_of!(Stored, lists)),
        (PENDING_LIST_LIMIT.name, offset_of!(Stored, pending_list_limit)),
    ];
    // SAFETY: PostgreSQL passes the index's options; the table describes `Stored`.
    unsafe { KIND.parse(reloptions, validate, size_of::<Stored>(), &options) }
}

/// The option `lists` of an open index.
///
/// # Safety
/// `index` is open and of this method.
pub unsafe fn lists(index: pg_sys::Relation) -> u32 {
    // SAFETY: `rd_options` is null or what `amoptions` returned.
    let stored = unsafe { (*index).rd_options.cast::<Stored>().as_ref() };
    stored.map_or(LISTS, |stored| stored.lists) as u32
}

/// The option `pending_list_limit` of an open index in kB, or its default; None without options.
///
/// # Safety
/// `index` is open and of this method.
pub unsafe fn pending_list_limit(index: pg_sys::Relation) -> Option<i32> {
    // SAFETY: `rd_options` is null or what `amoptions` returned.
    let stored = unsafe { (*index).rd_options.cast::<Stored>().as_ref() };
    stored.map(|stored| stored.pending_list_limit)
}

/// The handler function of `CREATE ACCESS METHOD ivfflat`.
///
/// # Safety
/// Called by PostgreSQL's function manager only.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ivfflathandler(_fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    handler::routine(Method::Ivfflat, amoptions)
}

/// Calling convention of [`ivfflathandler`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_ivfflathandler() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}
