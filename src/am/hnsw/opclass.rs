//! From an index's operator class to what its values are made of and how they are compared.
//!
//! As in pgvector, support function 1 computes the distance, support function 2, which only cosine classes have,
//! the norm, and the last one is there for all types but `vector`. proxima does not call them: their names say what is
//! meant.

use std::ffi::CStr;

use ann::Metric;
use pages::row::Element;
use pgrx::pg_sys;

use crate::am::method::Method;
use crate::error::IndexError;

/// Support function 1: the distance.
pub const DISTANCE_PROC: u16 = 1;
/// Support function 2: the norm.
const NORM_PROC: u16 = 2;

/// What the first column of an open index is made of, and its metric.
///
/// # Errors
/// If the operator class names functions that are not ours.
///
/// # Safety
/// `index` is open.
pub unsafe fn element_and_metric(index: pg_sys::Relation) -> Result<(Element, Metric), IndexError> {
    // SAFETY: by the contract; column 1 exists in every index.
    let (method, proc) = unsafe {
        (Method::of(index), |number: u16| {
            pg_sys::index_getprocid(index, 1, number as pg_sys::AttrNumber as u16)
        })
    };
    let has_norm = proc(NORM_PROC) != pg_sys::InvalidOid;
    let unsupported = || IndexError::UnsupportedType { method: method.name() };
    let support = function_name(proc(method.element_proc()));
    // The name begins with a method's: `ivf` has no functions of its own.
    let support = support.as_deref().map(|name| name.split_once('_').map_or(name, |(_, support)| support));
    let (element, prefix) = match support {
        None => (Element::Float4, "vector"),
        Some("halfvec_support") => (Element::Float2, "halfvec"),
        Some("sparsevec_support") => (Element::Sparse, "sparsevec"),
        Some("bit_support") => (Element::Bit, "bit"),
        Some(_) => return Err(unsupported()),
    };
    let distance = function_name(proc(DISTANCE_PROC)).ok_or_else(unsupported)?;
    let metric = match distance.strip_prefix(prefix).unwrap_or(&distance) {
        "_l2_squared_distance" => Metric::L2,
        "_negative_inner_product" if has_norm => Metric::Cosine,
        "_negative_inner_product" => Metric::InnerProduct,
        "l1_distance" => Metric::L1,
        "hamming_distance" => Metric::Hamming,
        "jaccard_distance" => Metric::Jaccard,
        _ => return Err(unsupported()),
    };
    if pages::space::is_supported(element, metric) { Ok((element, metric)) } else { Err(unsupported()) }
}

/// The name of a function, without its schema; none for no function.
fn function_name(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: an unknown OID gives null; the name is copied at once.
    unsafe {
        let name = pg_sys::get_func_name(function);
        if name.is_null() { None } else { Some(CStr::from_ptr(name).to_string_lossy().into_owned()) }
    }
}
