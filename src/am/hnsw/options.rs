//! The index options `m` and `ef_construction`.

use std::mem::offset_of;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::am::method::Method;
use crate::pg::reloptions;

const M: (i32, i32, i32) = (16, 2, 100);
const EF_CONSTRUCTION: (i32, i32, i32) = (64, 4, 1000);

static KIND: reloptions::Kind = reloptions::Kind::new();

/// What PostgreSQL keeps of the options of one index.
#[repr(C)]
struct Stored {
    vl_len: i32,
    m: i32,
    ef_construction: i32,
}

/// The options of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Degree of the graph is 2 m.
    pub m: u16,
    /// Effort of the build.
    pub ef_construction: u16,
}

/// Registers the options. Called once, when the library is loaded.
pub fn init() {
    KIND.register(&[
        (c"m", c"Max number of connections", M),
        (c"ef_construction", c"Size of the dynamic candidate list for construction", EF_CONSTRUCTION),
    ]);
}

/// `amoptions`: parses and validates.
#[pg_guard]
pub unsafe extern "C-unwind" fn amoptions(reloptions: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    let options = [(c"m", offset_of!(Stored, m)), (c"ef_construction", offset_of!(Stored, ef_construction))];
    // SAFETY: PostgreSQL passes the index's options; the table describes `Stored`.
    unsafe { KIND.parse(reloptions, validate, size_of::<Stored>(), &options) }
}

impl Options {
    /// The options of an open index; the defaults for a method without them.
    ///
    /// # Safety
    /// `index` is open.
    pub unsafe fn of(index: pg_sys::Relation) -> Self {
        // SAFETY: by the contract; `rd_options` is null or what `amoptions` of this method returned.
        let stored = unsafe {
            let is_ours = Method::of(index) == Method::Hnsw;
            (*index).rd_options.cast::<Stored>().as_ref().filter(|_| is_ours)
        };
        let (m, ef_construction) = stored.map_or((M.0, EF_CONSTRUCTION.0), |s| (s.m, s.ef_construction));
        Self { m: m as u16, ef_construction: ef_construction as u16 }
    }
}
