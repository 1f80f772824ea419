//! The index options `m` and `ef_construction`.

use std::mem::offset_of;

use pgrx::pg_sys;
use pgrx::prelude::*;

const M: (i32, i32, i32) = (16, 2, 100);
const EF_CONSTRUCTION: (i32, i32, i32) = (64, 4, 1000);

static mut KIND: pg_sys::relopt_kind::Type = 0;

/// What PostgreSQL keeps of the options of one index.
#[repr(C)]
struct Stored {
    vl_len: i32,
    m: i32,
    ef_construction: i32,
}

/// The options of an index.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Degree of the graph is 2 m.
    pub m: u16,
    /// Effort of the build.
    pub ef_construction: u16,
}

/// Registers the options. Called once, when the library is loaded.
pub fn init() {
    // SAFETY: strings are static; the kind is written once, on this thread, before any index is opened.
    unsafe {
        KIND = pg_sys::add_reloption_kind();
        let lock = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        let add = |name: &std::ffi::CStr, text: &std::ffi::CStr, (default, least, most)| {
            pg_sys::add_int_reloption(KIND, name.as_ptr(), text.as_ptr(), default, least, most, lock);
        };
        add(c"m", c"Max number of connections", M);
        add(c"ef_construction", c"Size of the dynamic candidate list for construction", EF_CONSTRUCTION);
    }
}

/// `amoptions`: parses and validates.
#[pg_guard]
pub unsafe extern "C-unwind" fn amoptions(reloptions: pg_sys::Datum, validate: bool) -> *mut pg_sys::bytea {
    // PostgreSQL 18 has one field more.
    #[allow(clippy::needless_update)]
    let element = |name: &'static std::ffi::CStr, offset| pg_sys::relopt_parse_elt {
        optname: name.as_ptr(),
        opttype: pg_sys::relopt_type::RELOPT_TYPE_INT,
        offset: offset as i32,
        ..Default::default()
    };
    let elements = [
        element(c"m", offset_of!(Stored, m)),
        element(c"ef_construction", offset_of!(Stored, ef_construction)),
    ];
    // SAFETY: the table describes `Stored`; PostgreSQL allocates and fills one.
    unsafe {
        pg_sys::build_reloptions(
            reloptions,
            validate,
            KIND,
            size_of::<Stored>(),
            elements.as_ptr(),
            elements.len() as i32,
        )
        .cast()
    }
}

impl Options {
    /// The options of an open index.
    ///
    /// # Safety
    /// `index` is open.
    pub unsafe fn of(index: pg_sys::Relation) -> Self {
        // SAFETY: `rd_options` is null or what `amoptions` returned.
        let stored = unsafe { (*index).rd_options.cast::<Stored>().as_ref() };
        let (m, ef_construction) = stored.map_or((M.0, EF_CONSTRUCTION.0), |s| (s.m, s.ef_construction));
        Self { m: m as u16, ef_construction: ef_construction as u16 }
    }
}
