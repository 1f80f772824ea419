//! `aminsert`: a row goes to the pending pages, visible at once to every snapshot that may see the row.
//!
//! No lock is held on entry or return.

use pages::format::pending::PendingEntry;
use pages::format::segment::{TID_FIRST, TID_LAST};
use pages::plan::encoding_of;
use pages::segment::encode::encode_own;
use pages::space::Placement;
use pages::{PageError, pending};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::cache::OpenIndex;
use crate::error::{IndexError, OrReport};
use crate::pg::detoast::DetoastedVector;
use crate::pg::tid;
use crate::storage::RelationPager;

/// See the module's head.
#[pg_guard]
pub unsafe extern "C-unwind" fn aminsert(
    index: pg_sys::Relation,
    values: *mut pg_sys::Datum,
    is_null: *mut bool,
    heap_tid: pg_sys::ItemPointer,
    _heap: pg_sys::Relation,
    _check_unique: pg_sys::IndexUniqueCheck::Type,
    _index_unchanged: bool,
    _index_info: *mut pg_sys::IndexInfo,
) -> bool {
    // SAFETY: PostgreSQL passes one value and one null flag per column, and a valid TID.
    unsafe {
        if !*is_null {
            let vector = DetoastedVector::new(*values);
            insert(index, vector.as_slice(), *heap_tid).or_report();
        }
    }
    false
}

unsafe fn insert(
    index: pg_sys::Relation,
    vector: &[f32],
    heap_tid: pg_sys::ItemPointerData,
) -> Result<(), IndexError> {
    // SAFETY: the index is open, by the callback's contract.
    let open = unsafe { OpenIndex::new(index)? };
    let space = &open.parsed.space;
    if vector.len() != space.dim() {
        return Err(IndexError::UnexpectedDimensions { expected: space.dim(), actual: vector.len() });
    }
    let mut placed = vec![0.0; space.dim()];
    let placement = space.place(vector, &mut placed);
    // SAFETY: as above.
    let damaged = |error| unsafe { IndexError::page(index, error) };
    let encoding =
        encoding_of(open.meta.encoding).ok_or_else(|| damaged(PageError::damaged(0, "encoding")))?;
    let mut own = vec![0; quant::self_code::code_bytes(encoding, space.padded_dim())];
    let (mut scale, mut error) = (0.0, 0.0);
    let flags = match placement {
        Placement::First => TID_FIRST,
        Placement::Last => TID_LAST,
        Placement::Ranked => {
            let mut residual = vec![0.0; space.padded_dim()];
            space.residual(&placed, &open.parsed.pending_centroid, &mut residual);
            (scale, error) = encode_own(space, encoding, &residual, &mut own);
            0
        }
    };
    let row = tid::from_pg(heap_tid);
    let entry = PendingEntry { block: row.block, offset: row.offset, flags, scale, error };
    // SAFETY: as above.
    let pager = unsafe { RelationPager::new(index, &open.hints) };
    pending::append(&pager, &open.meta, stripe(), &entry, &own).map_err(damaged)
}

/// The stripe that this backend appends to.
fn stripe() -> usize {
    // SAFETY: the backend's own process id, set at its start.
    unsafe { pg_sys::MyProcPid as usize }
}
