//! Values of an index's column as the table has them: what an index scan of PostgreSQL does for its executor, for the
//! index itself.
//!
//! Everything here lives in a memory context of its own below the scan's; buffers and tuple descriptors are known to
//! the resource owner. So when an error ends the scan, PostgreSQL frees all of it, and nothing here has a destructor.

use std::ptr::null_mut;

use pages::tids::HeapTid;
use pgrx::pg_sys;

use super::tid;

/// Fetches rows of a scan's table and computes their distances by the operator that the scan is ordered by.
pub struct TableRows {
    /// Holds all of the others.
    context: pg_sys::MemoryContext,
    /// What one row needs; reset after each.
    row_context: pg_sys::MemoryContext,
    fetch: *mut pg_sys::IndexFetchTableData,
    slot: *mut pg_sys::TupleTableSlot,
    info: *mut pg_sys::IndexInfo,
    /// For an index on an expression; else null.
    estate: *mut pg_sys::EState,
    /// The operator's right side in one piece, so that it is not detoasted for each row.
    argument: *mut pg_sys::varlena,
}

/// A memory context for the lifetime of a scan.
///
/// # Safety
/// `parent` is a memory context, and `name` is static.
unsafe fn new_context(parent: pg_sys::MemoryContext, name: &'static std::ffi::CStr) -> pg_sys::MemoryContext {
    // SAFETY: by the contract.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            parent,
            name.as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// Runs `body` with this current memory context. An error leaves it current; the abort sets another.
unsafe fn within<T>(context: pg_sys::MemoryContext, body: impl FnOnce() -> T) -> T {
    // SAFETY: by the caller; this is the backend's main thread.
    unsafe {
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = context;
        let result = body();
        pg_sys::CurrentMemoryContext = before;
        result
    }
}

impl TableRows {
    /// For a scan that has its table; None: it has none.
    ///
    /// # Safety
    /// `scan` is a running scan, ordered by one key at least, and `parent` a memory context that is deleted after the
    /// scan's end.
    pub unsafe fn new(scan: pg_sys::IndexScanDesc, parent: pg_sys::MemoryContext) -> Option<Self> {
        // SAFETY: by the contract.
        unsafe {
            let heap = (*scan).heapRelation;
            if heap.is_null() {
                return None;
            }
            let context = new_context(parent, c"proxima rows of the table");
            let row_context = new_context(context, c"proxima row of the table");
            Some(within(context, || {
                let info = pg_sys::BuildIndexInfo((*scan).indexRelation);
                let has_expression = !(*info).ii_Expressions.is_null();
                Self {
                    context,
                    row_context,
                    fetch: pg_sys::table_index_fetch_begin(heap),
                    slot: pg_sys::table_slot_create(heap, null_mut()),
                    info,
                    estate: if has_expression { pg_sys::CreateExecutorState() } else { null_mut() },
                    argument: null_mut(),
                }
            }))
        }
    }

    /// Takes the scan's current key, which is not NULL: once after each rescan.
    ///
    /// # Safety
    /// `scan` is the scan that this was made for.
    pub unsafe fn set_key(&mut self, scan: pg_sys::IndexScanDesc) {
        // SAFETY: by the contract; the argument is a value of a varlena type, as all types of our classes are.
        unsafe {
            if !self.argument.is_null() {
                pg_sys::pfree(self.argument.cast());
                self.argument = null_mut();
            }
            let argument = (*(*scan).orderByData).sk_argument.cast_mut_ptr();
            self.argument = within(self.context, || pg_sys::pg_detoast_datum_copy(argument));
        }
    }

    /// The distance of the row that the scan's snapshot sees at `tid`; None: there is none, or it has no value.
    ///
    /// # Safety
    /// `scan` is the scan that this was made for, its key was set, and no buffer is locked.
    pub unsafe fn distance(&mut self, scan: pg_sys::IndexScanDesc, tid: HeapTid) -> Option<f64> {
        // SAFETY: by the contract; PostgreSQL moves the copy of the TID to the version that it finds.
        unsafe {
            let (fetch, slot, snapshot) = (self.fetch, self.slot, (*scan).xs_snapshot);
            let (mut tid, mut again) = (tid::to_pg(tid), false);
            let (tid, again) = (&raw mut tid, &raw mut again);
            let is_visible = pg_sys::table_index_fetch_tuple(fetch, tid, snapshot, slot, again, null_mut());
            if !is_visible {
                return None;
            }
            let distance = within(self.row_context, || self.measure(scan));
            pg_sys::ExecClearTuple(slot);
            pg_sys::MemoryContextReset(self.row_context);
            distance
        }
    }

    /// The distance of the row in the slot. What it allocates is in the current context, or in that of expressions.
    unsafe fn measure(&self, scan: pg_sys::IndexScanDesc) -> Option<f64> {
        const COLUMNS: usize = pg_sys::INDEX_MAX_KEYS as usize;
        let (mut values, mut nulls) = ([pg_sys::Datum::null(); COLUMNS], [true; COLUMNS]);
        // SAFETY: by the caller; an index has at most so many columns, ours one.
        unsafe {
            let expressions = self.expressions();
            if let Some(expressions) = expressions {
                (*expressions).ecxt_scantuple = self.slot;
            }
            let (values_place, nulls_place) = (values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::FormIndexDatum(self.info, self.slot, self.estate, values_place, nulls_place);
            let key = &mut *(*scan).orderByData;
            let distance = (!nulls[0]).then(|| {
                let (function, collation) = (&raw mut key.sk_func, key.sk_collation);
                let argument = pg_sys::Datum::from(self.argument);
                let distance = pg_sys::FunctionCall2Coll(function, collation, values[0], argument);
                f64::from_bits(distance.value() as u64)
            });
            if let Some(expressions) = expressions {
                pg_sys::MemoryContextReset((*expressions).ecxt_per_tuple_memory);
            }
            distance
        }
    }

    /// Where the index's expression is evaluated, if it has one.
    unsafe fn expressions(&self) -> Option<*mut pg_sys::ExprContext> {
        if self.estate.is_null() {
            return None;
        }
        // SAFETY: the executor state was made for this and lives until the end.
        unsafe {
            let known = (*self.estate).es_per_tuple_exprcontext;
            Some(if known.is_null() { pg_sys::MakePerTupleExprContext(self.estate) } else { known })
        }
    }

    /// Lets go of the page of the table that was read last.
    pub fn unpin(&mut self) {
        // SAFETY: `fetch` lives until the end.
        unsafe { pg_sys::table_index_fetch_reset(self.fetch) }
    }

    /// Frees everything. Not for the way of an error.
    pub fn end(self) {
        // SAFETY: all of it was made in `new` and is used by nothing else; the context that has it goes last.
        unsafe {
            pg_sys::table_index_fetch_end(self.fetch);
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            if !self.estate.is_null() {
                pg_sys::FreeExecutorState(self.estate);
            }
            pg_sys::MemoryContextDelete(self.context);
        }
    }
}
