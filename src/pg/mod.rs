//! The fence: safe wrappers of PostgreSQL, one idea per file.

pub mod buffer;
pub mod compat;
pub mod threads;
