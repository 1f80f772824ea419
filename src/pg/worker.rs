//! Dynamic background workers of this library: processes that a backend asks the postmaster for.
//!
//! A worker needs no shared_preload_libraries: the postmaster's child loads the library, under the name by which the
//! SQL functions load it (it has one name, whatever the extension is called). Whether a slot is free is known at once;
//! that the process can be had is not.
//!
//! A worker connects as the bootstrap superuser, runs no SQL and no code of users. `die` and the handler of cancel only
//! set flags, so it ends at the next check for interrupts. What it raises ends it, in the log and nowhere else.

use std::ffi::{CStr, c_char};

use pgrx::pg_sys;

use super::compat;

unsafe extern "C-unwind" {
    // In the server; pgrx's wrappers of them are no C functions.
    fn die(number: i32);
    fn SignalHandlerForConfigReload(number: i32);
}

/// What `module_pathname` of both control files says.
const LIBRARY: &CStr = c"$libdir/proxima";
/// Bytes that a worker can be given.
pub const PAYLOAD_BYTES: usize = 8;

/// A worker to be started.
pub struct Request<'r> {
    /// The exported function that it runs.
    pub function: &'r CStr,
    /// Its name in the list of processes and in the log; at most 95 bytes, what is longer is cut off.
    pub name: &'r CStr,
    /// What pg_stat_activity has as backend_type.
    pub kind: &'r CStr,
    /// What it is to do.
    pub payload: [u8; PAYLOAD_BYTES],
}

/// A worker that was asked for. It belongs to the process that asked.
#[derive(Clone, Copy)]
pub struct Handle(*mut pg_sys::BackgroundWorkerHandle);

impl Handle {
    /// Whether the worker has ended: one that has yet to begin has not.
    pub fn has_ended(self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle lives until it is freed, by the contract of `free`.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &raw mut pid) };
        use pg_sys::BgwHandleStatus::{BGWH_NOT_YET_STARTED, BGWH_STARTED};
        !matches!(status, BGWH_STARTED | BGWH_NOT_YET_STARTED)
    }

    /// Forgets the worker.
    ///
    /// # Safety
    /// No copy of the handle is used afterwards.
    pub unsafe fn free(self) {
        // SAFETY: PostgreSQL allocated it, and it is freed once, by the contract.
        unsafe { pg_sys::pfree(self.0.cast()) }
    }
}

impl Request<'_> {
    /// Asks for the worker; None if there is no free slot.
    pub fn start(&self) -> Option<Handle> {
        let mut worker = pg_sys::BackgroundWorker {
            bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32,
            bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished,
            bgw_restart_time: pg_sys::BGW_NEVER_RESTART,
            ..Default::default()
        };
        copy(self.name, &mut worker.bgw_name);
        copy(self.kind, &mut worker.bgw_type);
        copy(LIBRARY, &mut worker.bgw_library_name);
        copy(self.function, &mut worker.bgw_function_name);
        for (to, from) in worker.bgw_extra.iter_mut().zip(self.payload) {
            *to = from as c_char;
        }
        let mut handle = std::ptr::null_mut();
        // SAFETY: the worker is valid for the call, which copies it; the handle is allocated in the context that lasts
        // as long as the process, and what was the context before is so again.
        let is_started = unsafe {
            let before = pg_sys::CurrentMemoryContext;
            pg_sys::CurrentMemoryContext = pg_sys::TopMemoryContext;
            let is_started = pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, &raw mut handle);
            pg_sys::CurrentMemoryContext = before;
            is_started
        };
        (is_started && !handle.is_null()).then_some(Handle(handle))
    }
}

/// Copies a string into a field that is zero and keeps its last byte so.
fn copy(text: &CStr, field: &mut [c_char]) {
    let room = field.len() - 1;
    for (to, from) in field[..room].iter_mut().zip(text.to_bytes()) {
        *to = *from as c_char;
    }
}

/// Inside a worker: what it was asked to do; None in a process that is none.
pub fn payload() -> Option<[u8; PAYLOAD_BYTES]> {
    // SAFETY: null, or this process's own entry, which nobody writes.
    let extra = unsafe { pg_sys::MyBgworkerEntry.as_ref()? }.bgw_extra;
    let mut bytes = [0; PAYLOAD_BYTES];
    for (to, from) in bytes.iter_mut().zip(extra) {
        *to = from as u8;
    }
    Some(bytes)
}

/// Whether this is a process of autovacuum.
pub fn is_autovacuum() -> bool {
    // SAFETY: what this process is, set at its start.
    unsafe { pg_sys::MyBackendType == pg_sys::BackendType::B_AUTOVAC_WORKER }
}

/// Inside a worker, first of all: handles signals and connects to a database, which may be closed to new sessions.
/// Does not return if the database is gone.
///
/// # Safety
/// Called once, at the start of a worker.
pub unsafe fn connect(database: pg_sys::Oid) {
    // SAFETY: by the contract: signals are still blocked, and there is no connection yet.
    unsafe {
        compat::handle_signal(libc::SIGTERM, die);
        compat::handle_signal(libc::SIGHUP, SignalHandlerForConfigReload);
        pg_sys::BackgroundWorkerUnblockSignals();
        let flags = pg_sys::BGWORKER_BYPASS_ALLOWCONN;
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, flags);
        if let Some(entry) = pg_sys::MyBgworkerEntry.as_ref() {
            set(c"application_name", CStr::from_ptr(entry.bgw_name.as_ptr()));
        }
    }
    // What is set for the database's queries is not meant for a worker, as little as for autovacuum.
    for name in TIMEOUTS {
        // SAFETY: the name is a C string; with missing_ok an unknown one gives null.
        if unsafe { !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() } {
            set(name, c"0");
        }
    }
}

/// The last one is there since PostgreSQL 17.
const TIMEOUTS: [&CStr; 4] =
    [c"statement_timeout", c"lock_timeout", c"idle_in_transaction_session_timeout", c"transaction_timeout"];

/// Sets a setting for this process.
fn set(name: &CStr, value: &CStr) {
    let (context, source) = (pg_sys::GucContext::PGC_USERSET, pg_sys::GucSource::PGC_S_SESSION);
    // SAFETY: both are C strings, which are copied; the main thread.
    unsafe { pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source) }
}

/// Inside a worker: runs `body` in a transaction of its own and commits it. Errors end the worker.
///
/// `body` gets no snapshot. What it reads from catalogues takes one, which holds back VACUUM in the whole database
/// until it is [given up](give_up_snapshot) or the transaction ends.
pub fn transaction<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: a worker's main thread, outside of a transaction; errors leave by unwinding to the end of the process.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let result = body();
        pg_sys::CommitTransactionCommand();
        pg_sys::pgstat_report_stat(false);
        result
    }
}

/// Gives up the snapshot by which catalogues were read; the next look at one takes another.
pub fn give_up_snapshot() {
    // SAFETY: the backend's main thread, while no catalogue is being scanned.
    unsafe { pg_sys::InvalidateCatalogSnapshot() }
}

/// Tells pg_stat_activity what the worker is doing.
pub fn show_activity(text: &CStr) {
    // SAFETY: the string is copied.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) }
}

/// Reads the configuration files again, if the server was told to.
pub fn reload_settings() {
    // SAFETY: a flag that the signal handler sets; settings are read on the main thread, outside of a transaction.
    unsafe {
        if std::ptr::read_volatile(&raw const pg_sys::ConfigReloadPending) != 0 {
            pg_sys::ConfigReloadPending = 0;
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}
