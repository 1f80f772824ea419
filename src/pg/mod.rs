//! The fence: safe wrappers of PostgreSQL, one idea per file.

pub mod array;
pub mod bits;
pub mod buffer;
pub mod compat;
pub mod datum;
pub mod detoast;
pub mod heap;
pub mod horizon;
pub mod lock;
pub mod message;
pub mod procedure;
pub mod progress;
pub mod reloptions;
pub mod report;
pub mod sort;
pub mod table;
pub mod text;
pub mod threads;
pub mod tid;
pub mod time;
pub mod worker;

/// A random number from PostgreSQL's strong source.
pub fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: fills exactly the buffer.
    let is_filled = unsafe { pgrx::pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), bytes.len()) };
    assert!(is_filled, "the system has no source of random numbers");
    u64::from_ne_bytes(bytes)
}

/// The name of an open relation; what is not UTF-8 is replaced.
///
/// # Safety
/// `relation` is open.
pub unsafe fn relation_name(relation: pgrx::pg_sys::Relation) -> String {
    // SAFETY: by the contract; PostgreSQL terminates the array with NUL.
    let name = unsafe { std::ffi::CStr::from_ptr((*(*relation).rd_rel).relname.data.as_ptr()) };
    name.to_string_lossy().into_owned()
}

/// The name of a relation that need not be open; None if there is none of that number.
pub fn name_of(relation: pgrx::pg_sys::Oid) -> Option<String> {
    // SAFETY: looks into a catalogue; the result is null, or a copy that ends with NUL.
    unsafe {
        let name = pgrx::pg_sys::get_rel_name(relation);
        (!name.is_null()).then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
