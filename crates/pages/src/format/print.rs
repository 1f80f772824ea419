//! The tables of FORMAT.md.

use std::fmt::Write;

use super::meta::{BlockRun, Chain, LastMove, Meta, Retired, SegmentEntry};
use super::node::{NodeHeader, VectorAddress};
use super::page::{Documented, FieldDoc, PageHeader, Special};
use super::pending::{PendingEntry, PendingHeader, PendingLength};
use super::retired::RetiredHeader;
use super::segment::{CurvePoint, Extent, SegmentHeader, TidEntry};

/// All structs as Markdown tables, in the order of FORMAT.md.
pub fn tables() -> String {
    [
        table::<PageHeader>(),
        table::<Special>(),
        table::<Meta>(),
        table::<Chain>(),
        table::<BlockRun>(),
        table::<Retired>(),
        table::<LastMove>(),
        table::<SegmentEntry>(),
        table::<SegmentHeader>(),
        table::<CurvePoint>(),
        table::<Extent>(),
        table::<TidEntry>(),
        table::<NodeHeader>(),
        table::<VectorAddress>(),
        table::<PendingHeader>(),
        table::<PendingEntry>(),
        table::<PendingLength>(),
        table::<RetiredHeader>(),
    ]
    .concat()
}

fn table<T: Documented>() -> String {
    let mut text = format!("### {}\n\n{}\n\n", T::NAME, T::MEANING.trim());
    text.push_str("| offset | size | field | meaning |\n|---:|---:|---|---|\n");
    for FieldDoc { name, offset, size, meaning } in T::FIELDS {
        // Writing to a String can't fail.
        let _ = writeln!(text, "| {offset} | {size} | `{name}` | {} |", meaning.trim());
    }
    text.push('\n');
    text
}
