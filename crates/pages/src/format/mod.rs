//! Every byte on disk, written once: FORMAT.md is printed from these structs, golden pages pin them.
//!
//! Byte order is the server's, as in all of PostgreSQL's files. Structs are read and written by copy, so nothing
//! depends on the alignment of a page in memory. Reserved bytes are zero.

#[macro_use]
mod macros;
pub mod meta;
pub mod node;
pub mod page;
pub mod pending;
pub mod print;
pub mod retired;
pub mod router;
pub mod segment;
