//! The fence: safe wrappers of PostgreSQL, one idea per file.

pub mod array;
pub mod bits;
pub mod datum;
pub mod message;
pub mod text;
