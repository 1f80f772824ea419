//! Errors of SQL functions, raised as C code raises them.
//!
//! pgrx carries errors as Rust strings: UTF-8 in Rust's memory. What a user typed is in the database's encoding, which
//! may be another one, and up to a gigabyte long. A [`Report`] refers to it where it is.

use core::ffi::{CStr, c_char, c_int};

use pgrx::PgLogLevel;
use pgrx::pg_sys::Datum;
use pgrx::pg_sys::panic::pgrx_extern_c_guard;

use super::datum::allocate;

unsafe extern "C-unwind" {
    // In the server. errfinish leaves by siglongjmp when errstart was given ERROR.
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(code: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

/// An error to raise. Its texts live as long as the call that it is about.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// SQLSTATE, as PostgreSQL packs it.
    pub code: i32,
    /// The message is these, one after the other.
    pub message: [&'static CStr; 3],
    /// DETAIL.
    pub detail: Option<&'static CStr>,
}

impl Report {
    /// Raises the error.
    ///
    /// # Safety
    /// No frame between this one and PostgreSQL's has anything to drop: they are left by siglongjmp.
    unsafe fn raise(self) -> ! {
        let [start, middle, end] = self.message;
        // SAFETY: the formats take as many strings as they are given; the order of the calls is ereport's.
        unsafe {
            errstart(PgLogLevel::ERROR as c_int, core::ptr::null());
            errcode(self.code);
            errmsg_internal(c"%s%s%s".as_ptr(), start.as_ptr(), middle.as_ptr(), end.as_ptr());
            if let Some(detail) = self.detail {
                errdetail_internal(c"%s".as_ptr(), detail.as_ptr());
            }
            errfinish(core::ptr::null(), 0, core::ptr::null());
        }
        unreachable!("an ERROR does not return")
    }
}

/// What a SQL function returns to PostgreSQL: the value, or the error raised; panics and PostgreSQL's own errors within
/// `body` become errors, too.
///
/// # Safety
/// The caller's frame has nothing to drop, and PostgreSQL has called it.
#[inline(always)]
pub unsafe fn value_or_raise(body: impl FnOnce() -> Result<Datum, &'static Report>) -> Datum {
    // SAFETY: by the contract.
    match unsafe { pgrx_extern_c_guard(body) } {
        Ok(datum) => datum,
        // SAFETY: by the contract; neither this frame nor `raise` has anything to drop.
        Err(report) => unsafe { report.raise() },
    }
}

/// A copy in the current memory context, which outlives the call. `text` has no NUL.
pub fn copied(text: &[u8]) -> &'static CStr {
    let bytes = allocate(text.len() + 1);
    bytes[..text.len()].copy_from_slice(text);
    CStr::from_bytes_until_nul(bytes).unwrap_or_default()
}

/// `report` in the current memory context.
pub fn boxed(report: Report) -> &'static Report {
    let place = allocate(size_of::<Report>()).as_mut_ptr().cast::<Report>();
    // SAFETY: the allocation has the size of a report and is aligned to 8.
    unsafe {
        place.write(report);
        &*place
    }
}
