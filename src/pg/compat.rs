//! What differs between PostgreSQL's major versions, each behind one signature. The only file with version cfgs
//! besides the access method's handler table.

use pages::BlockNumber;
use pgrx::pg_sys;

/// Tries to pin `block` in the buffer where it was seen last. That leaves the buffer's usage count alone, so the
/// clock sweep would take a page that is only read this way for cold.
///
/// # Safety
/// `relation` is open.
#[inline]
pub unsafe fn read_recent_buffer(
    relation: pg_sys::Relation,
    block: BlockNumber,
    buffer: pg_sys::Buffer,
) -> bool {
    // SAFETY: the relation is open, by the contract; the buffer number came from PostgreSQL.
    unsafe {
        pg_sys::ReadRecentBuffer(file_locator(relation), pg_sys::ForkNumber::MAIN_FORKNUM, block, buffer)
    }
}

#[cfg(any(feature = "pg14", feature = "pg15"))]
unsafe fn file_locator(relation: pg_sys::Relation) -> pg_sys::RelFileNode {
    // SAFETY: the relation is open, by the caller's contract.
    unsafe { (*relation).rd_node }
}

#[cfg(not(any(feature = "pg14", feature = "pg15")))]
unsafe fn file_locator(relation: pg_sys::Relation) -> pg_sys::RelFileLocator {
    // SAFETY: the relation is open, by the caller's contract.
    unsafe { (*relation).rd_locator }
}

/// What tells the index's file from others: tablespace, number, and the backend that owns a temporary one. It
/// changes when the index is rebuilt.
///
/// # Safety
/// `relation` is open.
pub unsafe fn file_key(relation: pg_sys::Relation) -> (u32, u32, i32) {
    // SAFETY: the relation is open, by the contract.
    let locator = unsafe { file_locator(relation) };
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    let (space, number) = (u32::from(locator.spcNode), u32::from(locator.relNode));
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    let (space, number) = (u32::from(locator.spcOid), u32::from(locator.relNumber));
    // SAFETY: the relation is open, by the contract.
    (space, number, unsafe { (*relation).rd_backend })
}

/// PostgreSQL's cost-based delay of vacuum, with its interrupt check.
///
/// # Safety
/// Runs on the backend's main thread, with no buffer lock held.
pub unsafe fn vacuum_delay_point() {
    // SAFETY: by the contract.
    #[cfg(not(feature = "pg18"))]
    unsafe {
        pg_sys::vacuum_delay_point();
    }
    // SAFETY: by the contract.
    #[cfg(feature = "pg18")]
    unsafe {
        pg_sys::vacuum_delay_point(false);
    }
}

/// Reserves a prefix of setting names, so that misspelt ones are reported.
pub fn reserve_setting_prefix(prefix: &std::ffi::CStr) {
    // SAFETY: the string is valid for the call.
    #[cfg(not(feature = "pg14"))]
    unsafe {
        pg_sys::MarkGUCPrefixReserved(prefix.as_ptr());
    }
    // SAFETY: the string is valid for the call.
    #[cfg(feature = "pg14")]
    unsafe {
        pg_sys::EmitWarningsOnPlaceholders(prefix.as_ptr());
    }
}

/// Adds up to `pages` pages of zeros to a file and pins them, before 16 one at a time. Returns their buffers, at least
/// one, in the order of their blocks; they are not locked.
///
/// # Safety
/// `relation` is open, and nobody else extends or reads its file; runs on the backend's main thread.
pub unsafe fn extend(relation: pg_sys::Relation, pages: u32) -> Vec<pg_sys::Buffer> {
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    // SAFETY: by the contract.
    unsafe {
        let _ = pages;
        vec![pg_sys::ReadBuffer(relation, pg_sys::InvalidBlockNumber)]
    }
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    // SAFETY: by the contract; there is room for as many buffers as are asked for.
    unsafe {
        let mut buffers = vec![0; pages.max(1) as usize];
        let mut extended = 0;
        let target = pg_sys::BufferManagerRelation { rel: relation, ..Default::default() };
        pg_sys::ExtendBufferedRelBy(
            target,
            pg_sys::ForkNumber::MAIN_FORKNUM,
            std::ptr::null_mut(),
            pg_sys::ExtendBufferedFlags::EB_SKIP_EXTENSION_LOCK,
            buffers.len() as u32,
            buffers.as_mut_ptr(),
            &raw mut extended,
        );
        buffers.truncate(extended as usize);
        buffers
    }
}

/// Whether this transaction has created the relation or its file, so that no other can see it.
///
/// # Safety
/// `relation` is open.
pub unsafe fn is_new_in_transaction(relation: pg_sys::Relation) -> bool {
    // SAFETY: the relation is open, by the contract.
    unsafe {
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        let first_file = (*relation).rd_firstRelfilenodeSubid;
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        let first_file = (*relation).rd_firstRelfilelocatorSubid;
        (*relation).rd_createSubid != 0 || first_file != 0
    }
}

/// Whether changes of the relation go to the WAL: it is permanent, and not a new file under `wal_level = minimal`,
/// which is synced at commit instead (PostgreSQL's RelationNeedsWAL).
///
/// # Safety
/// `relation` is open.
pub unsafe fn needs_wal(relation: pg_sys::Relation) -> bool {
    // SAFETY: the relation is open, by the contract; `wal_level` is set at server start.
    unsafe {
        let is_new_file = is_new_in_transaction(relation);
        let is_permanent =
            (*(*relation).rd_rel).relpersistence == pg_sys::RELPERSISTENCE_PERMANENT as std::ffi::c_char;
        let is_logged = pg_sys::wal_level >= pg_sys::WalLevel::WAL_LEVEL_REPLICA as i32;
        is_permanent && (is_logged || !is_new_file)
    }
}

/// Counts an index scan in the statistics views, and in EXPLAIN ANALYZE where that shows it.
///
/// # Safety
/// `scan` is a scan of an open index.
pub unsafe fn count_index_scan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: by the contract. PostgreSQL's pgstat_count_index_scan is a macro: statistics are counted when the
    // relation has, or may get, a place for them.
    unsafe {
        let index = (*scan).indexRelation;
        #[cfg(not(feature = "pg14"))]
        if (*index).pgstat_info.is_null() && (*index).pgstat_enabled {
            pg_sys::pgstat_assoc_relation(index);
        }
        if let Some(info) = (*index).pgstat_info.as_mut() {
            #[cfg(any(feature = "pg14", feature = "pg15"))]
            let scans = &mut info.t_counts.t_numscans;
            #[cfg(not(any(feature = "pg14", feature = "pg15")))]
            let scans = &mut info.counts.numscans;
            *scans += 1;
        }
        #[cfg(feature = "pg18")]
        if let Some(instrument) = (*scan).instrument.as_mut() {
            instrument.nsearches += 1;
        }
    }
}

/// Makes the planner prefer any other path to this one, which has infinite cost.
///
/// PostgreSQL 18 compares the number of disabled nodes before the cost, so that under `enable_seqscan = off` a
/// sequential scan (one disabled node) would lose to infinity.
///
/// # Safety
/// `path` is the path that the planner is pricing.
pub unsafe fn disable_path(path: *mut pg_sys::IndexPath) {
    #[cfg(feature = "pg18")]
    // SAFETY: by the contract.
    unsafe {
        (*path).path.disabled_nodes = 2;
    }
    #[cfg(not(feature = "pg18"))]
    let _ = path;
}

/// Memory that a setting's check hook may leave in `extra`, where PostgreSQL frees it; null when there is none left.
pub fn allocate_setting_extra(bytes: usize) -> *mut std::ffi::c_void {
    // SAFETY: allocates, or reports at LOG and returns null.
    #[cfg(not(any(feature = "pg14", feature = "pg15")))]
    unsafe {
        pg_sys::guc_malloc(pg_sys::LOG as i32, bytes)
    }
    // SAFETY: PostgreSQL frees it by free().
    #[cfg(any(feature = "pg14", feature = "pg15"))]
    unsafe {
        libc::malloc(bytes)
    }
}

/// Whether `transaction_timeout`, which PostgreSQL has since 17, has run out.
pub fn transaction_timeout_is_pending() -> bool {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: a flag that a signal handler sets.
    unsafe {
        std::ptr::read_volatile(&raw const pg_sys::TransactionTimeoutPending) != 0
    }
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    false
}

/// Sets the handler of a signal.
///
/// # Safety
/// The handler is PostgreSQL's own for that signal and this kind of process.
pub unsafe fn handle_signal(number: i32, handler: unsafe extern "C-unwind" fn(i32)) {
    // SAFETY: by the contract.
    #[cfg(not(feature = "pg18"))]
    unsafe {
        pg_sys::pqsignal(number, Some(handler));
    }
    // SAFETY: by the contract.
    #[cfg(feature = "pg18")]
    unsafe {
        pg_sys::pqsignal_be(number, Some(handler));
    }
}

/// Whether the current user may maintain a table and its indexes: its owner, or who has the privilege MAINTAIN, which
/// PostgreSQL has since 17. False for what is no table.
pub fn may_maintain(table: pg_sys::Oid) -> bool {
    // SAFETY: looks into catalogues, on the backend's main thread; raises if the table vanishes meanwhile.
    unsafe {
        if pg_sys::get_rel_relkind(table) == 0 {
            return false;
        }
        let user = pg_sys::GetUserId();
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        let is_owner = pg_sys::pg_class_ownercheck(table, user);
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        let is_owner = pg_sys::object_ownercheck(pg_sys::RelationRelationId, table, user);
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        let is_maintainer = {
            let mode = pg_sys::AclMode::from(pg_sys::ACL_MAINTAIN);
            pg_sys::pg_class_aclcheck(table, user, mode) == pg_sys::AclResult::ACLCHECK_OK
        };
        #[cfg(not(any(feature = "pg17", feature = "pg18")))]
        let is_maintainer = false;
        is_owner || is_maintainer
    }
}

/// Begins a sort of rows by an operator on their first column, which can be read more than once.
///
/// # Safety
/// The operator orders values of the column's type, which has no collation; the row and the current memory context
/// outlive the sort.
pub unsafe fn begin_sort(
    row: pg_sys::TupleDesc,
    operator: pg_sys::Oid,
    kilobytes: i32,
) -> *mut pg_sys::Tuplesortstate {
    #[cfg(feature = "pg14")]
    let options = true;
    #[cfg(not(feature = "pg14"))]
    let options = pg_sys::TUPLESORT_RANDOMACCESS as i32;
    let (mut column, mut operator, mut collation, mut nulls_first) = (1, operator, pg_sys::InvalidOid, false);
    // SAFETY: by the contract; what describes the one key is copied.
    unsafe {
        pg_sys::tuplesort_begin_heap(
            row,
            1,
            &raw mut column,
            &raw mut operator,
            &raw mut collation,
            &raw mut nulls_first,
            kilobytes,
            std::ptr::null_mut(),
            options,
        )
    }
}

/// The number of the running transaction, which every one of a backend gets, whether it writes or not.
pub fn local_transaction() -> u32 {
    // SAFETY: this backend's own entry, which is there from its start to its end.
    unsafe {
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        let number = (*pg_sys::MyProc).vxid.lxid;
        #[cfg(not(any(feature = "pg17", feature = "pg18")))]
        let number = (*pg_sys::MyProc).lxid;
        number
    }
}
