//! What can be wrong with a page. The words that users see are in the extension's `error.rs`.

use crate::pager::BlockNumber;

/// A page that can't be used, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageError {
    /// The block of the page.
    pub block: BlockNumber,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not a page of this access method.
    Foreign,
    /// It was written by a later version of the format.
    Newer {
        /// The format version on the page.
        version: u16,
    },
    /// It is a page of ours, but not the one that belongs here.
    Misplaced,
    /// The page is sound: whoever works on the index was asked to stop.
    Stopped,
    /// A field contradicts the page's size or the rest of the index.
    Damaged(&'static str),
}

impl PageError {
    /// A damaged page.
    pub fn damaged(block: BlockNumber, what: &'static str) -> Self {
        Self { block, problem: Problem::Damaged(what) }
    }
}
