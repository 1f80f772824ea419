//! proxima: vector similarity search for PostgreSQL.
//!
//! Everything in this package may call PostgreSQL, on the backend's main thread only; the crates below it can't.
#![allow(unsafe_code, reason = "this package is the PostgreSQL side; each unsafe block says why it holds")]

mod am;
mod collection;
mod error;
mod guc;
mod inspect;
mod maintenance;
mod pg;
mod reindex;
mod storage;
mod types;

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

#[cfg(not(panic = "unwind"))]
compile_error!("proxima needs panic = \"unwind\": PostgreSQL errors travel through Rust frames as panics");

/// Called by PostgreSQL when the library is loaded.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    guc::init();
    am::hnsw::options::init();
    am::ivf::init();
}
