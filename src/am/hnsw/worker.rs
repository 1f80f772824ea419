//! Who merges: the writer that finds a merge due does a bounded share of it.

use pgrx::pg_sys;

/// What became of a request.
#[allow(dead_code, reason = "the background worker is the next step")]
pub enum Requested {
    Started,
    Running,
    NoWorker,
    NotPossible,
}

/// Asks for somebody else to merge.
pub unsafe fn request(_index: pg_sys::Relation) -> Requested {
    Requested::NotPossible
}
