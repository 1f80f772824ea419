//! Pages in PostgreSQL's buffers: pinned and locked by guards.
//!
//! Guards do nothing while an error unwinds: PostgreSQL releases pins and content locks when the (sub)transaction
//! aborts, and releasing a lock after `errfinish` has reset the interrupt counter would corrupt it.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use pages::{BlockNumber, PageBytes};
use pgrx::pg_sys;

use super::compat;

/// Where blocks of one index were seen in the buffer pool: a hint per block, possibly stale.
///
/// `ReadRecentBuffer` checks a hint by pinning the buffer and comparing its tag, which spares the look-up in the
/// shared mapping table: half of the cost of a page access.
///
/// Blocks share places when there are more than [`PLACES_MAX`]: a hint for another block fails the comparison.
#[derive(Default)]
pub struct BufferHints {
    buffers: RefCell<Vec<pg_sys::Buffer>>,
    /// Blocks that the file had when it was last asked. It gets shorter when its table is truncated in place, which
    /// gives the index a new id: see `forget_length`.
    pub blocks: Cell<BlockNumber>,
}

/// No hint. Buffers of temporary relations have negative numbers, which are never kept either.
const NO_HINT: pg_sys::Buffer = 0;
/// Most hints for one index: 4 MB in each backend that uses it.
const PLACES_MAX: usize = 1 << 20;

impl BufferHints {
    /// The buffer in which `block` was seen last, 0 for none.
    #[inline]
    pub fn get(&self, block: BlockNumber) -> pg_sys::Buffer {
        self.buffers.borrow().get(block as usize & (PLACES_MAX - 1)).copied().unwrap_or(NO_HINT)
    }

    /// Forgets how long the file was, because the index in it may be another.
    pub fn forget_length(&self) {
        self.blocks.set(0);
    }

    fn set(&self, block: BlockNumber, buffer: pg_sys::Buffer) {
        if buffer <= NO_HINT {
            return;
        }
        let mut hints = self.buffers.borrow_mut();
        let at = block as usize & (PLACES_MAX - 1);
        if at >= hints.len() {
            hints.resize((at + 1).next_power_of_two(), NO_HINT);
        }
        hints[at] = buffer;
    }
}

/// A page that is pinned and share-locked.
pub struct SharedPage {
    buffer: pg_sys::Buffer,
    bytes: *const PageBytes,
}

impl Deref for SharedPage {
    type Target = PageBytes;
    #[inline]
    fn deref(&self) -> &PageBytes {
        // SAFETY: the buffer is pinned and share-locked until drop, and a buffer holds BLCKSZ = 8192 bytes.
        unsafe { &*self.bytes }
    }
}

impl Drop for SharedPage {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // SAFETY: the guard owns one pin and the share lock, and releases them once.
        unsafe { pg_sys::UnlockReleaseBuffer(self.buffer) }
    }
}

/// Pins and share-locks a block that exists, by its hint when that is still good.
///
/// `use_hint`: false makes the access count for the buffer's usage, which hints alone would not do.
///
/// # Safety
/// `relation` is open, and the caller runs on the backend's main thread.
#[inline]
pub unsafe fn read_shared(
    relation: pg_sys::Relation,
    block: BlockNumber,
    hints: &BufferHints,
    use_hint: bool,
) -> SharedPage {
    let hint = hints.get(block);
    // SAFETY: the relation is open, by the contract; a stale hint is detected by ReadRecentBuffer itself.
    unsafe {
        let buffer = if use_hint && hint != NO_HINT && compat::read_recent_buffer(relation, block, hint) {
            hint
        } else {
            let buffer = pg_sys::ReadBuffer(relation, block);
            hints.set(block, buffer);
            buffer
        };
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
        SharedPage { buffer, bytes: pg_sys::BufferGetBlock(buffer).cast() }
    }
}

/// Pins and exclusively locks a block that exists, as zeros: what it holds is not read.
///
/// # Safety
/// As [`read_shared`]; and nothing refers to the block.
pub unsafe fn zeroed(relation: pg_sys::Relation, block: BlockNumber) -> pg_sys::Buffer {
    // SAFETY: by the contract.
    unsafe {
        pg_sys::ReadBufferExtended(
            relation,
            pg_sys::ForkNumber::MAIN_FORKNUM,
            block,
            pg_sys::ReadBufferMode::RBM_ZERO_AND_LOCK,
            std::ptr::null_mut(),
        )
    }
}

/// Fills a buffer that is pinned and exclusively locked with a page, logs it as a full image if asked to, and
/// releases it.
///
/// # Safety
/// The caller owns the pin and the lock.
pub unsafe fn fill(buffer: pg_sys::Buffer, page: &PageBytes, is_logged: bool) {
    // SAFETY: by the contract; a buffer holds BLCKSZ = 8192 bytes. The critical section turns an error between the
    // change and its record into a restart.
    unsafe {
        pg_sys::CritSectionCount += 1;
        std::ptr::copy_nonoverlapping(
            page.as_ptr(),
            pg_sys::BufferGetBlock(buffer).cast::<u8>(),
            pages::PAGE_SIZE,
        );
        pg_sys::MarkBufferDirty(buffer);
        if is_logged {
            pg_sys::log_newpage_buffer(buffer, true);
        }
        pg_sys::CritSectionCount -= 1;
        pg_sys::UnlockReleaseBuffer(buffer);
    }
}

/// Asks the processor to load bytes of a page. Of a block that no hint is known for, the hint is looked up, which the
/// reading of it is then spared; and if it is in no buffer, the file system is asked to read it. Not for temporary
/// relations, for which no hints are kept, nor where `effective_io_concurrency` is 0. A stale hint costs nothing but
/// the wasted load.
///
/// # Safety
/// As [`read_shared`].
#[inline]
pub unsafe fn prefetch(
    relation: pg_sys::Relation,
    block: BlockNumber,
    hints: &BufferHints,
    (offset, length): (usize, usize),
) {
    let mut hint = hints.get(block);
    if hint == NO_HINT {
        // SAFETY: the relation is open and the block exists, by the contract; a plain setting.
        hint = unsafe {
            let is_local =
                (*(*relation).rd_rel).relpersistence == pg_sys::RELPERSISTENCE_TEMP as std::ffi::c_char;
            if is_local || pg_sys::effective_io_concurrency == 0 {
                return;
            }
            pg_sys::PrefetchBuffer(relation, pg_sys::ForkNumber::MAIN_FORKNUM, block).recent_buffer
        };
        hints.set(block, hint);
    }
    if hint > NO_HINT && hint <= shared_buffers() {
        load(hint, offset, length);
    }
}

/// Asks the processor to load bytes of the page in a shared buffer.
#[inline]
fn load(buffer: pg_sys::Buffer, offset: usize, length: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the number is that of a shared buffer, so its descriptor and its block address exist; a prefetch
        // reads nothing that the program can observe.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(pg_sys::BufferDescriptors.add(buffer as usize - 1).cast());
            let start = pg_sys::BufferGetBlock(buffer).cast::<i8>().add(offset);
            for line in (0..length).step_by(64) {
                _mm_prefetch::<_MM_HINT_T0>(start.add(line));
            }
            // What every reader checks.
            let end = pg_sys::BufferGetBlock(buffer).cast::<i8>().add(pages::PAGE_SIZE - 1);
            _mm_prefetch::<_MM_HINT_T0>(end);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (buffer, offset, length);
}

fn shared_buffers() -> i32 {
    // SAFETY: a plain integer that is set once at server start.
    unsafe { pg_sys::NBuffers }
}
