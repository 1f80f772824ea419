//! Heavyweight locks on what is not a table: one kind of work on an index, this database, a name in tests.
//!
//! Locks of work are those of a tuple that an index never has (page n, offset 1). Page locks, which GIN uses, would
//! look simpler, but before PostgreSQL 17 whoever holds one may take no other lock, and the deadlock detector does not
//! look at them. pg_locks shows them with locktype tuple.
//!
//! Who waits for a lock is looked up among all locks of the server, as pg_locks does it. `LockHasWaiters` is not for
//! locks that may be held by the fast path, which are all that writers take: it follows a pointer that such a lock does
//! not have. Asking for a weaker lock tells nothing: since PostgreSQL 17 the holder of a lock passes those who wait for
//! it.

use std::time::Duration;

use pages::BlockNumber;
use pgrx::pg_sys;

/// How long a poll waits before it asks again.
const POLL_TURN: Duration = Duration::from_millis(1);

/// The lock of one kind of work on an index. Released on drop, at the end of the transaction at the latest; nothing
/// is done on drop while an error unwinds, because the abort releases it.
pub struct WorkLock(pg_sys::LOCKTAG);

impl WorkLock {
    /// The exclusive lock of work `number` on the index; waits for who has it. Interrupts end the wait.
    ///
    /// # Safety
    /// `index` is open, no buffer lock is held, and this is the backend's main thread.
    pub unsafe fn wait(index: pg_sys::Relation, number: BlockNumber) -> Self {
        // SAFETY: by the contract.
        let tag = unsafe { work_tag(index, number) };
        acquire(&tag, pg_sys::ExclusiveLock, false);
        Self(tag)
    }

    /// The same, for locks that are held for moments: asks again and again, so that nobody queues. A queue would count
    /// for lock_timeout, and after deadlock_timeout PostgreSQL would cancel an autovacuum that has the lock.
    ///
    /// # Safety
    /// As [`wait`](Self::wait).
    pub unsafe fn poll(index: pg_sys::Relation, number: BlockNumber) -> Self {
        loop {
            // SAFETY: by the contract.
            if let Some(lock) = unsafe { Self::try_now(index, number) } {
                return lock;
            }
            super::time::sleep(POLL_TURN);
        }
    }

    /// The same if nobody has it.
    ///
    /// # Safety
    /// As [`wait`](Self::wait).
    pub unsafe fn try_now(index: pg_sys::Relation, number: BlockNumber) -> Option<Self> {
        // SAFETY: by the contract.
        let tag = unsafe { work_tag(index, number) };
        // Not then_some: a value that is thrown away would release what it does not have.
        acquire(&tag, pg_sys::ExclusiveLock, true).then(|| Self(tag))
    }
}

impl Drop for WorkLock {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            release(&self.0, pg_sys::ExclusiveLock);
        }
    }
}

/// Whether somebody waits for a lock on the relation that conflicts with RowExclusiveLock, which the caller holds.
/// Accepts no invalidation messages, so nothing that is open changes. Reads all locks of the server: not for every row.
///
/// # Safety
/// `relation` is open, and this is the backend's main thread.
pub unsafe fn relation_is_wanted(relation: pg_sys::Relation) -> bool {
    // SAFETY: by the contract.
    let id = unsafe { (*relation).rd_lockInfo.lockRelId };
    let fields = [id.dbId.to_u32(), id.relId.to_u32(), 0];
    let wanted = tag(fields, 0, pg_sys::LockTagType::LOCKTAG_RELATION);
    // SAFETY: PostgreSQL returns a copy of its locks, with so many elements, in memory of the current context.
    unsafe {
        let data = pg_sys::GetLockStatusData();
        let locks = std::slice::from_raw_parts((*data).locks, (*data).nelements as usize);
        let least = pg_sys::ShareLock as pg_sys::LOCKMODE;
        let is_wanted =
            locks.iter().any(|lock| lock.waitLockMode >= least && is_same(&lock.locktag, &wanted));
        pg_sys::pfree((*data).locks.cast());
        pg_sys::pfree(data.cast());
        is_wanted
    }
}

/// Whether somebody drops, renames, moves or copies this database: all wait for sessions in it to end.
pub fn database_is_wanted() -> bool {
    // SAFETY: set when the backend connected.
    let database = unsafe { pg_sys::MyDatabaseId };
    let fields = [0, pg_sys::DatabaseRelationId.to_u32(), database.to_u32()];
    is_contended(&tag(fields, 0, pg_sys::LockTagType::LOCKTAG_OBJECT), pg_sys::RowExclusiveLock)
}

/// The advisory lock with two keys, as `pg_advisory_lock(key1, key2)` takes it, within this transaction.
pub struct AdvisoryLock(pg_sys::LOCKTAG);

impl AdvisoryLock {
    /// Waits for it.
    pub fn wait(keys: (u32, u32)) -> Self {
        let tag = advisory_tag(keys);
        acquire(&tag, pg_sys::ExclusiveLock, false);
        Self(tag)
    }

    /// Takes it if nobody else has it.
    pub fn try_now(keys: (u32, u32)) -> Option<Self> {
        let tag = advisory_tag(keys);
        // Not then_some: a value that is thrown away would release what it does not have.
        acquire(&tag, pg_sys::ExclusiveLock, true).then(|| Self(tag))
    }
}

impl Drop for AdvisoryLock {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            release(&self.0, pg_sys::ExclusiveLock);
        }
    }
}

/// A table's lock that two of its kind cannot have, nor VACUUM or what alters the table, while all who read and write
/// can. It outlives transactions; an error releases it.
pub struct TableLock(pg_sys::LOCKTAG);

impl TableLock {
    /// Waits for it. There need not be such a table.
    pub fn wait(table: u32) -> Self {
        // SAFETY: set when the backend connected.
        let database = unsafe { pg_sys::MyDatabaseId };
        let fields = [database.to_u32(), table, 0];
        let tag = tag(fields, 0, pg_sys::LockTagType::LOCKTAG_RELATION);
        acquire_as(&tag, pg_sys::ShareUpdateExclusiveLock, true, false);
        Self(tag)
    }
}

impl Drop for TableLock {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            release_as(&self.0, pg_sys::ShareUpdateExclusiveLock, true);
        }
    }
}

unsafe fn work_tag(index: pg_sys::Relation, number: BlockNumber) -> pg_sys::LOCKTAG {
    // SAFETY: the index is open, by the caller's contract.
    let id = unsafe { (*index).rd_lockInfo.lockRelId };
    let fields = [id.dbId.to_u32(), id.relId.to_u32(), number];
    tag(fields, 1, pg_sys::LockTagType::LOCKTAG_TUPLE)
}

fn advisory_tag((key1, key2): (u32, u32)) -> pg_sys::LOCKTAG {
    // SAFETY: set when the backend connected.
    let database = unsafe { pg_sys::MyDatabaseId };
    // 2: a lock with two keys of four bytes.
    let mut tag = tag([database.to_u32(), key1, key2], 2, pg_sys::LockTagType::LOCKTAG_ADVISORY);
    tag.locktag_lockmethodid = pg_sys::USER_LOCKMETHOD as u8;
    tag
}

fn tag(fields: [u32; 3], field4: u16, kind: pg_sys::LockTagType::Type) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: fields[0],
        locktag_field2: fields[1],
        locktag_field3: fields[2],
        locktag_field4: field4,
        locktag_type: kind as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    }
}

fn is_same(a: &pg_sys::LOCKTAG, b: &pg_sys::LOCKTAG) -> bool {
    let fields = |tag: &pg_sys::LOCKTAG| (tag.locktag_field1, tag.locktag_field2, tag.locktag_field3);
    let rest = |tag: &pg_sys::LOCKTAG| (tag.locktag_field4, tag.locktag_type, tag.locktag_lockmethodid);
    fields(a) == fields(b) && rest(a) == rest(b)
}

/// Takes one of `count` slots that all databases of the server share, until this process ends; false: all are taken.
pub fn keep_slot(count: u32) -> bool {
    (0..count).any(|slot| acquire_as(&slot_tag(slot), pg_sys::ExclusiveLock, true, true))
}

/// Whether one of `count` slots is free.
pub fn is_slot_free(count: u32) -> bool {
    (0..count).any(|slot| !is_contended(&slot_tag(slot), pg_sys::ExclusiveLock))
}

fn slot_tag(slot: u32) -> pg_sys::LOCKTAG {
    // An advisory lock in no database, which nobody can take by SQL: of all kinds of locks that outlive a transaction,
    // PostgreSQL releases only these when a process ends. The bytes "prox" tell whose it is.
    let mut tag = tag([0, 0x7072_6F78, slot], 2, pg_sys::LockTagType::LOCKTAG_ADVISORY);
    tag.locktag_lockmethodid = pg_sys::USER_LOCKMETHOD as u8;
    tag
}

/// Whether a lock cannot be had at once. It is released again.
fn is_contended(tag: &pg_sys::LOCKTAG, mode: u32) -> bool {
    if !acquire(tag, mode, true) {
        return true;
    }
    release(tag, mode);
    false
}

/// Takes a lock for the transaction; false only when it is not there and `at_once`.
fn acquire(tag: &pg_sys::LOCKTAG, mode: u32, at_once: bool) -> bool {
    acquire_as(tag, mode, false, at_once)
}

/// The same; `for_session`: until this process ends.
fn acquire_as(tag: &pg_sys::LOCKTAG, mode: u32, for_session: bool, at_once: bool) -> bool {
    // SAFETY: the tag is valid for the call. This module is used on the backend's main thread.
    let result = unsafe { pg_sys::LockAcquire(tag, mode as pg_sys::LOCKMODE, for_session, at_once) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

fn release(tag: &pg_sys::LOCKTAG, mode: u32) {
    release_as(tag, mode, false);
}

/// Releases a lock that the transaction holds, or the session.
fn release_as(tag: &pg_sys::LOCKTAG, mode: u32, for_session: bool) {
    // SAFETY: the tag is valid for the call; the lock is held.
    unsafe { pg_sys::LockRelease(tag, mode as pg_sys::LOCKMODE, for_session) };
}
