//! PostgreSQL's sort of records by their bytes: in memory as far as that goes, then in temporary files.
//!
//! They are tuples of one column there: of mere values, PostgreSQL 17 and 18 do not count the memory.
//!
//! The sort's memory is a child of the context that is current when it begins, and its files are known to the resource
//! owner, so an error that unwinds leaves nothing for a destructor to do.

use std::ptr::null_mut;

use pages::segment::stream::RowSort;
use pgrx::pg_sys;

use super::compat;

/// Records read between two looks for interrupts.
const INTERRUPT_RECORDS: u32 = 4096;

/// What a sort in memory does now and then.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// A sort of byte strings.
pub struct TupleSort {
    state: *mut pg_sys::Tuplesortstate,
    /// The record that goes in, which is always in `value`.
    input: *mut pg_sys::TupleTableSlot,
    /// The record that came out last, in the sort's memory.
    output: *mut pg_sys::TupleTableSlot,
    /// A record as a bytea; words, because its header is one.
    value: Vec<u32>,
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
        // SAFETY: by the contract; looks into catalogues. The row has one column, which the virtual slot says to have.
        unsafe {
            let entry = pg_sys::lookup_type_cache(pg_sys::BYTEAOID, pg_sys::TYPECACHE_LT_OPR as i32);
            let row = pg_sys::CreateTemplateTupleDesc(1);
            pg_sys::TupleDescInitEntry(row, 1, c"record".as_ptr(), pg_sys::BYTEAOID, -1, 0);
            let input = pg_sys::MakeSingleTupleTableSlot(row, &raw const pg_sys::TTSOpsVirtual);
            *(*input).tts_isnull = false;
            pg_sys::ExecStoreVirtualTuple(input);
            Self {
                state: compat::begin_sort(row, (*entry).lt_opr, kilobytes),
                input,
                output: pg_sys::MakeSingleTupleTableSlot(row, &raw const pg_sys::TTSOpsMinimalTuple),
                value: Vec::new(),
                is_sorted: false,
                until_interrupt: INTERRUPT_RECORDS,
            }
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
            *(*self.input).tts_values = pg_sys::Datum::from(value);
            pg_sys::tuplesort_puttupleslot(self.state, self.input);
        }
    }

    fn rewind(&mut self) {
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
        self.until_interrupt -= 1;
        if self.until_interrupt == 0 {
            self.until_interrupt = INTERRUPT_RECORDS;
            pgrx::check_for_interrupts!();
        }
        // SAFETY: the sort is open and sorted. The tuple has the column, and stays until the next read.
        unsafe {
            if !pg_sys::tuplesort_gettupleslot(self.state, true, false, self.output, null_mut()) {
                return None;
            }
            pg_sys::slot_getsomeattrs_int(self.output, 1);
            Some(pgrx::varlena_to_byte_slice((*(*self.output).tts_values).cast_mut_ptr()))
        }
    }
}

impl Drop for TupleSort {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: the sort is open, and nothing refers to it, to the slots and to the row that they are of.
            unsafe {
                let row = (*self.input).tts_tupleDescriptor;
                pg_sys::ExecDropSingleTupleTableSlot(self.output);
                pg_sys::ExecDropSingleTupleTableSlot(self.input);
                pg_sys::tuplesort_end(self.state);
                pg_sys::FreeTupleDesc(row);
            }
        }
    }
}
