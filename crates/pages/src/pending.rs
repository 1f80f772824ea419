//! Rows that are in no segment yet: appending them, reading them, marking them dead.
//!
//! A stripe is a chain of pages; its head and a page near its tail are in the meta page. A backend always appends to
//! the same stripe, so few meet.
//!
//! Append: lock the tail page. If it has room, the row becomes true with one record on that page. If it is full, the
//! chain may already go on (the meta page's tail is only a hint, brought up to date by a record of its own), so walk
//! on; at the true end, one record links a new page that already holds the row. A crash between linking and the
//! hint's update costs later appends a walk of one page. A crash between extending the file and the record leaves a
//! zero page that nothing refers to.
//!
//! Read: heads from the meta page, then along the chains, one share lock at a time. Pages are never unlinked while
//! scans run, and every row that a snapshot can see was appended before the snapshot was taken, hence before the
//! meta page was read: a chain or page that appears later holds only rows that the snapshot can't see.
//!
//! Marking: entries keep their place, so a mark needs only the page's exclusive lock; an append to the same page
//! waits for it.

use crate::error::PageError;
use crate::format::meta::{Meta, STRIPES, Stripe};
use crate::format::page;
use crate::format::pending::{self as format, Entries, PendingEntry, PendingPage};
use crate::pager::{BlockNumber, NO_BLOCK, PageBytes, PageChange, Pager};
use crate::tids::HeapTid;

impl PendingEntry {
    /// The heap TID.
    pub fn tid(&self) -> HeapTid {
        HeapTid { block: self.block, offset: self.offset }
    }

    /// Whether vacuum has seen the row dead.
    pub fn is_dead(&self) -> bool {
        self.flags & crate::format::segment::TID_DEAD != 0
    }
}

/// Appends a row to stripe `stripe % 8`, durably with the transaction's commit. `meta`: as read lately.
///
/// Holds no lock on return.
///
/// # Errors
/// If the pages of the stripe are damaged.
pub fn append<P: Pager>(
    pager: &P,
    meta: &Meta,
    stripe: usize,
    entry: &PendingEntry,
    own: &[u8],
) -> Result<(), PageError> {
    let stripe = stripe % STRIPES;
    let mut tail = meta.stripes[stripe].tail;
    if tail == NO_BLOCK {
        match start_stripe(pager, stripe, entry, own)? {
            None => return Ok(()),
            Some(first) => tail = first,
        }
    }
    let entries = entries_of(meta)?;
    let mut steps = 0u64;
    loop {
        let mut change = pager.change();
        let bytes = change.page(tail)?;
        let page = entries.check(bytes, tail)?;
        if page.next != NO_BLOCK {
            steps += 1;
            if steps > u64::from(pager.block_count()) {
                return Err(PageError::damaged(tail, "chain of pending pages"));
            }
            tail = page.next;
            continue;
        }
        if entries.has_room(page, own.len()) {
            entries.push(bytes, page, entry, own);
            change.commit();
        } else {
            let (block, bytes) = change.new_page()?;
            start_page(entries, bytes, block, entry, own)?;
            page::set_next(change.page(tail)?, block);
            change.commit();
            tail = block;
        }
        break;
    }
    let known = meta.stripes[stripe].tail;
    if tail != known && known != NO_BLOCK { advance_tail(pager, stripe, known, tail) } else { Ok(()) }
}

/// Starts an empty stripe with this row; returns a page of it when another backend was faster.
fn start_stripe<P: Pager>(
    pager: &P,
    stripe: usize,
    entry: &PendingEntry,
    own: &[u8],
) -> Result<Option<BlockNumber>, PageError> {
    let mut change = pager.change();
    let mut meta = Meta::load(change.page(0)?)?;
    if meta.stripes[stripe].tail != NO_BLOCK {
        return Ok(Some(meta.stripes[stripe].tail));
    }
    let entries = entries_of(&meta)?;
    let (block, bytes) = change.new_page()?;
    start_page(entries, bytes, block, entry, own)?;
    meta.stripes[stripe] = Stripe { head: block, tail: block };
    meta.store(change.page(0)?);
    change.commit();
    Ok(None)
}

/// The shape of an index's pending rows.
fn entries_of(meta: &Meta) -> Result<Entries, PageError> {
    meta.pending_entries().ok_or(PageError::damaged(0, "encoding"))
}

/// Makes `bytes` a pending page with one row.
fn start_page(
    entries: Entries,
    bytes: &mut PageBytes,
    block: BlockNumber,
    entry: &PendingEntry,
    own: &[u8],
) -> Result<(), PageError> {
    entries.init(bytes);
    let page = entries.check(bytes, block)?;
    entries.push(bytes, page, entry, own);
    Ok(())
}

/// Brings the meta page's hint up to date, unless another backend has changed it from what the caller `known`: then
/// it is at least as far along the chain.
fn advance_tail<P: Pager>(
    pager: &P,
    stripe: usize,
    known: BlockNumber,
    tail: BlockNumber,
) -> Result<(), PageError> {
    let mut change = pager.change();
    let bytes = change.page(0)?;
    let mut meta = Meta::load(bytes)?;
    if meta.stripes[stripe].tail != known {
        return Ok(());
    }
    meta.stripes[stripe].tail = tail;
    meta.store(bytes);
    change.commit();
    Ok(())
}

/// Calls `visit` for every entry of every stripe, dead ones included, in storage order.
///
/// # Errors
/// If a page is damaged, or a chain does not end.
pub fn for_each<P: Pager>(
    pager: &P,
    meta: &Meta,
    visit: &mut dyn FnMut(&PendingEntry, &[u8]),
) -> Result<(), PageError> {
    let entries = entries_of(meta)?;
    for_each_page(pager, meta, &mut |block, bytes, page| {
        for (_, entry, own) in entries.iter(bytes, page) {
            if entry.offset == 0 || !entry.scale.is_finite() || !(0.0..f32::INFINITY).contains(&entry.error) {
                return Err(PageError::damaged(block, "pending row"));
            }
            visit(&entry, own);
        }
        Ok(())
    })
}

type PageVisitor<'v> = dyn FnMut(BlockNumber, &PageBytes, PendingPage) -> Result<(), PageError> + 'v;

/// Calls `visit` for every page of every stripe.
///
/// # Errors
/// As [`for_each`].
pub fn for_each_page<P: Pager>(pager: &P, meta: &Meta, visit: &mut PageVisitor<'_>) -> Result<(), PageError> {
    let entries = entries_of(meta)?;
    for stripe in &meta.stripes {
        let mut block = stripe.head;
        let (mut steps, mut limit) = (0, 0);
        while block != NO_BLOCK {
            let bytes = pager.read(block)?;
            let page = entries.check(&bytes, block)?;
            visit(block, &bytes, page)?;
            drop(bytes);
            steps += 1;
            // The chain may grow while it is read, so the size of the file is asked for again before giving up.
            if steps > limit {
                limit = pager.block_count();
            }
            if steps > limit {
                return Err(PageError::damaged(block, "chain of pending pages"));
            }
            block = page.next;
        }
    }
    Ok(())
}

/// Marks the pending rows that `is_dead` names; returns (marked now, alive after).
///
/// `is_dead` runs without a lock, between the reading of a page and its change: entries appended in between are
/// newer than the list of dead TIDs, so leaving them is right.
///
/// # Errors
/// If a page is damaged, or a chain does not end.
pub fn mark_dead<P: Pager>(
    pager: &P,
    meta: &Meta,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
) -> Result<(u64, u64), PageError> {
    let entries = entries_of(meta)?;
    let mut live: Vec<(BlockNumber, usize, HeapTid)> = Vec::new();
    for_each_page(pager, meta, &mut |block, bytes, page| {
        let on_page = entries.iter(bytes, page).filter(|(_, entry, _)| !entry.is_dead());
        live.extend(on_page.map(|(at, entry, _)| (block, at, entry.tid())));
        Ok(())
    })?;
    let total = live.len() as u64;
    live.retain(|(_, _, tid)| is_dead(*tid));
    for page in live.chunk_by(|a, b| a.0 == b.0) {
        let mut change = pager.change();
        let bytes = change.page(page[0].0)?;
        page.iter().for_each(|(_, at, _)| format::mark_dead(bytes, *at));
        change.commit();
    }
    Ok((live.len() as u64, total - live.len() as u64))
}
