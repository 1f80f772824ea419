//! From an index's operator class to a metric.
//!
//! As in pgvector, support function 1 computes the distance and support function 2, which only cosine classes have,
//! the norm. proxima does not call them: their names say which metric is meant.

use std::ffi::CStr;

use ann::Metric;
use pgrx::pg_sys;

use crate::error::IndexError;

/// Support function 1: the distance.
pub const DISTANCE_PROC: u16 = 1;
/// Support function 2: the norm.
pub const NORM_PROC: u16 = 2;
/// Support functions that a class can have.
pub const PROCS: u16 = 3;

/// The metric of an open index's first column.
///
/// # Errors
/// If the operator class names functions that are not ours.
///
/// # Safety
/// `index` is open.
pub unsafe fn metric(index: pg_sys::Relation) -> Result<Metric, IndexError> {
    // SAFETY: by the contract; column 1 exists in every index.
    let (distance, norm) = unsafe {
        (pg_sys::index_getprocid(index, 1, DISTANCE_PROC), pg_sys::index_getprocid(index, 1, NORM_PROC))
    };
    let has_norm = norm != pg_sys::InvalidOid;
    match function_name(distance).as_deref() {
        Some("vector_l2_squared_distance") => Ok(Metric::L2),
        Some("vector_negative_inner_product") if has_norm => Ok(Metric::Cosine),
        Some("vector_negative_inner_product") => Ok(Metric::InnerProduct),
        Some("l1_distance") => Ok(Metric::L1),
        _ => Err(IndexError::UnsupportedType),
    }
}

/// The name of a function, without its schema.
fn function_name(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: an unknown OID gives null; the name is copied at once.
    unsafe {
        let name = pg_sys::get_func_name(function);
        if name.is_null() { None } else { Some(CStr::from_ptr(name).to_string_lossy().into_owned()) }
    }
}
