//! The fence: safe wrappers of PostgreSQL, one idea per file.

pub mod buffer;
pub mod compat;
pub mod datum;
pub mod threads;
pub mod tid;
