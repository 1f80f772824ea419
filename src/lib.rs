//! proxima: vector similarity search for PostgreSQL.
#![allow(unsafe_code, reason = "this package is the PostgreSQL side; each module narrows it")]

mod error;
mod pg;
mod types;

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

#[cfg(not(panic = "unwind"))]
compile_error!("proxima needs panic = \"unwind\": PostgreSQL errors travel through Rust frames as panics");

/// Called by PostgreSQL when the library is loaded.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {}
