//! PostgreSQL's sort of records by their bytes: in memory as far as that goes, then in temporary files.
//!
//! The sort's memory is a child of the context that is current when it begins, and its files are known to the resource
//! owner, so an error that unwinds leaves nothing for a destructor to do.

use std::ptr::null_mut;

use pages::segment::stream::RowSort;
use pgrx::pg_sys;

use super::compat;

/// Records read between two looks for interrupts.
const INTERRUPT_RECORDS: u32 = 4096;

/// A sort of byte strings.
pub struct TupleSort {
    state: *mut pg_sys::Tuplesortstate,
    /// A record as a bytea; words, because its header is one.
    value: Vec<u32>,
    /// The record that was read last, if it is this one's to free.
    read: *mut pg_sys::varlena,
    is_sorted: bool,
    until_interrupt: u32,
}

impl TupleSort {
    /// A sort that may take this much memory.
    ///
    /// # Safety
    /// Called on the backend's main thread in a transaction; the current memory context outlives the value.
    pub unsafe fn new(bytes: u64) -> Self {
        let kilobytes = i32::try_from(bytes / 1024).unwrap_or(i32::MAX);
        // SAFETY: by the contract; looks into catalogues.
        let state = unsafe {
            let entry = pg_sys::lookup_type_cache(pg_sys::BYTEAOID, pg_sys::TYPECACHE_LT_OPR as i32);
            compat::begin_sort(pg_sys::BYTEAOID, (*entry).lt_opr, kilobytes)
        };
        Self {
            state,
            value: Vec::new(),
            read: null_mut(),
            is_sorted: false,
            until_interrupt: INTERRUPT_RECORDS,
        }
    }

    fn free_read(&mut self) {
        if !self.read.is_null() {
            // SAFETY: PostgreSQL allocated it for the caller of the last read.
            unsafe { pg_sys::pfree(self.read.cast()) };
            self.read = null_mut();
        }
    }
}

impl RowSort for TupleSort {
    fn push(&mut self, record: &[u8]) {
        let bytes = pg_sys::VARHDRSZ + record.len();
        self.value.clear();
        self.value.resize(bytes.div_ceil(4), 0);
        // SAFETY: the vector has room for the header and the record; PostgreSQL copies the value.
        unsafe {
            let value: *mut u8 = self.value.as_mut_ptr().cast();
            pgrx::set_varsize_4b(value.cast(), bytes as i32);
            std::ptr::copy_nonoverlapping(record.as_ptr(), value.add(pg_sys::VARHDRSZ), record.len());
            pg_sys::tuplesort_putdatum(self.state, pg_sys::Datum::from(value), false);
        }
    }

    fn rewind(&mut self) {
        self.free_read();
        // SAFETY: the sort is open; it may be read again, as it was begun for that.
        unsafe {
            if self.is_sorted {
                pg_sys::tuplesort_rescan(self.state);
            } else {
                pg_sys::tuplesort_performsort(self.state);
            }
        }
        self.is_sorted = true;
    }

    fn next(&mut self) -> Option<&[u8]> {
        self.free_read();
        self.until_interrupt -= 1;
        if self.until_interrupt == 0 {
            self.until_interrupt = INTERRUPT_RECORDS;
            pgrx::check_for_interrupts!();
        }
        // SAFETY: the sort is open and sorted. The value is one that `push` made, and stays until the next read.
        unsafe {
            let (value, is_mine) = compat::next_of_sort(self.state)?;
            if is_mine {
                self.read = value;
            }
            let bytes = pgrx::varsize_4b(value) - pg_sys::VARHDRSZ;
            Some(std::slice::from_raw_parts(value.cast::<u8>().add(pg_sys::VARHDRSZ), bytes))
        }
    }
}

impl Drop for TupleSort {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.free_read();
            // SAFETY: the sort is open, and nothing refers to it.
            unsafe { pg_sys::tuplesort_end(self.state) };
        }
    }
}
