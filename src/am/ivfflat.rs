//! The `ivfflat` access method: an index of this method is a graph index, as `hnsw` makes them.
//!
//! So what pgvector's clients create with `USING ivfflat` works, at the graph's recall and speed. `lists` and the
//! settings `ivfflat.*` keep pgvector's names and ranges. A graph has no lists: its effort follows
//! `proxima.recall_target`, unless `ivfflat.probes` asks for all lists, which gives exact answers. With
//! `ivfflat.iterative_scan = off` a scan ends after as many rows as `ivfflat.probes` of `lists` lists would hold.

use std::mem::offset_of;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::hnsw::handler;
use super::method::Method;
use crate::pg::reloptions;

const LISTS: (i32, i32, i32) = (100, 1, 32768);

static KIND: reloptions::Kind = reloptions::Kind::new();

/// What PostgreSQL keeps of the options of one index.
#[repr(C)]
struct Stored {
    vl_len: i32,
    lists: i32,
}

/// Registers the option. Called once, when the library is loaded.
pub fn init() {
    KIND.register(&[(c"lists", c"Number of inverted lists", LISTS)]);
}

/// `amoptions`: parses and validates.
#[pg_guard]
unsafe extern "C-unwind" fn amoptions(reloptions: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    // SAFETY: PostgreSQL passes the index's options; the table describes `Stored`.
    unsafe { KIND.parse(reloptions, validate, size_of::<Stored>(), &[(c"lists", offset_of!(Stored, lists))]) }
}

/// The option `lists` of an open index.
///
/// # Safety
/// `index` is open and of this method.
pub unsafe fn lists(index: pg_sys::Relation) -> u32 {
    // SAFETY: `rd_options` is null or what `amoptions` returned.
    let stored = unsafe { (*index).rd_options.cast::<Stored>().as_ref() };
    stored.map_or(LISTS.0, |stored| stored.lists) as u32
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
