//! Sparse vectors of a segment: they lie one behind the other on pages of their own.

use crate::error::PageError;
use crate::format::node::VectorAddress;
use crate::format::page::{self, CONTENT_BYTES, PageKind};
use crate::format::segment::SegmentHeader;
use crate::pager::{BlockNumber, Pager};
use crate::row::StoredSparse;

/// Reads the vector at `address` into `out`. Holds one share lock at a time, none on return.
///
/// `node_block`: where the address was found; `dim`: dimensions of the column.
///
/// # Errors
/// If the address leads beyond the segment's vectors, a page is damaged, or what is there is no sparse vector.
pub fn read<P: Pager>(
    pager: &P,
    (segment, header): (u32, &SegmentHeader),
    (address, node_block): (VectorAddress, BlockNumber),
    dim: u32,
    out: &mut Vec<u8>,
) -> Result<(), PageError> {
    let wanted = address.bytes as usize;
    if address.offset.saturating_add(wanted as u64) > header.vector_bytes() {
        return Err(PageError::damaged(node_block, "address of a vector"));
    }
    out.clear();
    let mut at = address.offset;
    while out.len() < wanted {
        let block = header.block_of(header.vector_page + (at / CONTENT_BYTES as u64) as u32);
        let bytes = pager.read(block)?;
        page::check(&bytes, block, PageKind::Vectors, segment)?;
        let part = &page::content(&bytes)[(at % CONTENT_BYTES as u64) as usize..];
        let part = &part[..part.len().min(wanted - out.len())];
        out.extend_from_slice(part);
        at += part.len() as u64;
    }
    let is_sound = StoredSparse::new(out).is_some_and(|vector| vector.is_sound(dim));
    if is_sound { Ok(()) } else { Err(PageError::damaged(node_block, "sparse vector")) }
}
