//! Bytes on pages, and the algorithms over pages, for any [`pager::Pager`].
//!
//! An index is a manifest (block 0), segments that never change except for dead marks, and chains of pending pages
//! that grow. [`maintain`] moves rows between them. FORMAT.md has every byte; [`format`] is its source.
#![forbid(unsafe_code)]

pub mod check;
pub mod error;
pub mod format;
pub mod maintain;
pub mod mem_pager;
pub mod pager;
pub mod pending;
pub mod plain;
pub mod plan;
pub mod row;
pub mod segment;
pub mod space;
pub mod tids;

pub use error::{PageError, Problem};
pub use pager::{BlockNumber, NO_BLOCK, PAGE_SIZE, PageBytes};
