//! PostgreSQL's item pointers as the page layer's TIDs.

use pages::tids::HeapTid;
use pgrx::pg_sys;

/// From PostgreSQL's form.
pub fn from_pg(tid: pg_sys::ItemPointerData) -> HeapTid {
    let block = u32::from(tid.ip_blkid.bi_hi) << 16 | u32::from(tid.ip_blkid.bi_lo);
    HeapTid { block, offset: tid.ip_posid }
}

/// To PostgreSQL's form.
pub fn to_pg(tid: HeapTid) -> pg_sys::ItemPointerData {
    pg_sys::ItemPointerData {
        ip_blkid: pg_sys::BlockIdData { bi_hi: (tid.block >> 16) as u16, bi_lo: tid.block as u16 },
        ip_posid: tid.offset,
    }
}
