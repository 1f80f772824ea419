//! The table of callbacks that PostgreSQL asks for.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::{build, cost, insert, options, scan, vacuum, validate};
use crate::am::method::Method;
use crate::pg::progress::Phase;

/// `ambuildphasename`
#[pg_guard]
unsafe extern "C-unwind" fn ambuildphasename(phase: i64) -> *mut std::ffi::c_char {
    Phase::name(phase).map_or(std::ptr::null_mut(), |name| name.as_ptr().cast_mut())
}

/// The signature of `amoptions`.
pub type AmOptions = unsafe extern "C-unwind" fn(pg_sys::Datum, bool) -> *mut pg_sys::bytea;

/// The table of an access method, as its handler returns it.
pub fn routine(method: Method, amoptions: AmOptions) -> pg_sys::Datum {
    let routine = pg_sys::IndexAmRoutine {
        type_: pg_sys::NodeTag::T_IndexAmRoutine,
        amsupport: method.element_proc(),
        amcanorderbyop: true,
        // A scan has no keys, only an order; the planner then also proposes scans without either, which
        // amcostestimate prices out.
        amoptionalkey: true,
        amusemaintenanceworkmem: false,
        amparallelvacuumoptions: pg_sys::VACUUM_OPTION_PARALLEL_BULKDEL as u8,
        ambuild: Some(build::ambuild),
        ambuildempty: Some(build::ambuildempty),
        aminsert: Some(insert::aminsert),
        ambulkdelete: Some(vacuum::ambulkdelete),
        amvacuumcleanup: Some(vacuum::amvacuumcleanup),
        amcostestimate: Some(cost::amcostestimate),
        amoptions: Some(amoptions),
        ambuildphasename: Some(ambuildphasename),
        amvalidate: Some(validate::amvalidate),
        ambeginscan: Some(scan::ambeginscan),
        amrescan: Some(scan::amrescan),
        amgettuple: Some(scan::amgettuple),
        amendscan: Some(scan::amendscan),
        ..Default::default()
    };
    // SAFETY: PostgreSQL wants the table in palloc'd memory; palloc raises instead of returning null.
    unsafe {
        let copy = pg_sys::palloc(size_of::<pg_sys::IndexAmRoutine>()).cast::<pg_sys::IndexAmRoutine>();
        copy.write(routine);
        pg_sys::Datum::from(copy)
    }
}

/// The handler function of `CREATE ACCESS METHOD hnsw`.
///
/// # Safety
/// Called by PostgreSQL's function manager only.
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn hnswhandler(_fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    routine(Method::Hnsw, options::amoptions)
}

/// Calling convention of [`hnswhandler`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_hnswhandler() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}
