//! Rows that are in no segment yet: appending them, reading them, marking them dead.
//!
//! A stripe is a chain of pages; a backend always appends to the same stripe, so few meet. The meta page has the
//! first and the last page of each chain. Own vectors of pending rows are about the origin, so that nothing but the
//! meta page has to be known to write or read them.
//!
//! Append: lock the last page. If it has room, the row becomes true with one record on that page. If it is full, one
//! record over the meta page, the last page and a new page that already holds the row links it and names it as the
//! last; the block comes from those that the meta page has set aside, or is the next that was never given out. A
//! crash before the record leaves a page of zeros that nothing refers to.
//!
//! Seal: one record over the meta page and a chain's last page moves the chain to the sealed ones, and says on the
//! page that it gets no more rows. An appender that read the meta page before it meets that mark under the page's
//! lock, and reads the meta page again. It can't meet another page in that place: the snapshot of the statement that it
//! inserts for is older than the chain's retirement, so the blocks are not used again before that ends.
//!
//! Read: heads from the meta page, then along the chains, one share lock at a time. Every row that a snapshot can see
//! was appended before the snapshot was taken, hence before the meta page was read: a chain or page that appears
//! later holds only rows that the snapshot can't see. Sealing changes no links. A flush takes chains out of the meta
//! page; their pages keep what they hold until no snapshot is left that can have read the meta page before.
//!
//! Marking: entries keep their place, so a mark needs only the page's exclusive lock; an append to the same page
//! waits for it.

use crate::error::PageError;
use crate::format::meta::{Chain, Meta, SEALED_MAX, STRIPES};
use crate::format::page;
use crate::format::pending::{self as format, Entries, PendingEntry, PendingPage};
use crate::pager::{BlockNumber, NO_BLOCK, PAGE_SIZE, PageBytes, PageChange, Pager};
use crate::row::StoredSparse;
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

/// What there is to flush, as told when a page was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Pages of all chains.
    pub pages: u64,
    /// The same without those that stripes have only begun, but for one.
    pub filled: u64,
    /// See [`Meta::pending_since`].
    pub since: u64,
}

/// Appends a row to stripe `stripe % 8`, durably with the transaction's commit. `meta`: as read lately; `now`: the
/// time, as [`Meta::pending_since`] has it. Returns how much is pending when this took a new page.
///
/// Holds no lock on return.
///
/// # Errors
/// If the pages of the stripe are damaged.
pub fn append<P: Pager>(
    pager: &P,
    meta: &Meta,
    (stripe, now): (usize, &dyn Fn() -> u64),
    entry: &PendingEntry,
    own: &[u8],
) -> Result<Option<Backlog>, PageError> {
    let stripe = stripe % STRIPES;
    let entries = entries_of(meta)?;
    let mut chain = meta.stripes[stripe];
    loop {
        if chain.number != 0 {
            let mut change = pager.change();
            let bytes = change.page(chain.tail)?;
            let page = entries.check(bytes, chain.tail, chain.number)?;
            if entries.has_room(page, own.len()) {
                entries.push(bytes, page, entry, own);
                change.commit();
                return Ok(None);
            }
        }
        let mut change = pager.change();
        let mut meta = Meta::load(change.page(0)?)?;
        let known = std::mem::replace(&mut chain, meta.stripes[stripe]);
        if chain.number != 0 && chain != known {
            continue;
        }
        let row = NewPage { entries, entry, own };
        if chain.number == 0 {
            row.start_chain(&mut change, &mut meta, stripe)?;
            if meta.pending_since == 0 {
                meta.pending_since = now();
            }
        } else {
            row.extend_chain(&mut change, &mut meta, stripe)?;
        }
        meta.store(change.page(0)?);
        change.commit();
        let (pages, begun) = (meta.pending_pages(), meta.open().count() as u64);
        let filled = pages.saturating_sub(begun.saturating_sub(1));
        return Ok(Some(Backlog { pages, filled, since: meta.pending_since }));
    }
}

/// A row that begins a page.
struct NewPage<'a> {
    entries: Entries,
    entry: &'a PendingEntry,
    own: &'a [u8],
}

impl NewPage<'_> {
    fn start_chain<C: PageChange>(
        &self,
        change: &mut C,
        meta: &mut Meta,
        stripe: usize,
    ) -> Result<(), PageError> {
        let (number, block) = (meta.draw_number()?, meta.draw_block()?);
        self.write(change, number, block)?;
        meta.stripes[stripe] = Chain { number, head: block, tail: block, pages: 1 };
        Ok(())
    }

    /// The caller has found the last page full, and this locks it before anything is changed.
    fn extend_chain<C: PageChange>(
        &self,
        change: &mut C,
        meta: &mut Meta,
        stripe: usize,
    ) -> Result<(), PageError> {
        let chain = meta.stripes[stripe];
        let tail = change.page(chain.tail)?;
        self.entries.check(tail, chain.tail, chain.number)?;
        let block = meta.draw_block()?;
        page::set_next(tail, block);
        self.write(change, chain.number, block)?;
        meta.stripes[stripe] = Chain { tail: block, pages: chain.pages + 1, ..chain };
        Ok(())
    }

    fn write<C: PageChange>(&self, change: &mut C, number: u32, block: BlockNumber) -> Result<(), PageError> {
        let bytes = change.fresh_page(block)?;
        self.entries.init(bytes, number);
        let page = self.entries.check(bytes, block, number)?;
        self.entries.push(bytes, page, self.entry, self.own);
        Ok(())
    }
}

/// Seals all chains that have rows, as far as there are places for them; returns how many.
///
/// One process at a time does this: the one that flushes.
///
/// # Errors
/// If a page is damaged.
pub fn seal<P: Pager>(pager: &P) -> Result<usize, PageError> {
    let mut count = 0;
    for stripe in 0..STRIPES {
        let mut change = pager.change();
        let mut meta = Meta::load(change.page(0)?)?;
        let chain = meta.stripes[stripe];
        if chain.number == 0 || meta.sealed().len() == SEALED_MAX {
            continue;
        }
        let tail = change.page(chain.tail)?;
        entries_of(&meta)?.check(tail, chain.tail, chain.number)?;
        format::seal(tail);
        meta.stripes[stripe] = Chain::NONE;
        meta.sealed[meta.sealed_count as usize] = chain;
        meta.sealed_count += 1;
        if meta.open().next().is_none() {
            meta.pending_since = 0;
        }
        meta.store(change.page(0)?);
        change.commit();
        count += 1;
    }
    Ok(count)
}

/// The shape of an index's pending rows.
fn entries_of(meta: &Meta) -> Result<Entries, PageError> {
    meta.pending_entries().ok_or(PageError::damaged(0, "encoding"))
}

/// Calls `visit` for every entry of `chains`, dead ones included, in storage order.
///
/// # Errors
/// If a page is damaged, or a chain does not end.
pub fn for_each<'c, P: Pager>(
    pager: &P,
    meta: &Meta,
    chains: impl Iterator<Item = &'c Chain>,
    visit: &mut dyn FnMut(&PendingEntry, &[u8]),
) -> Result<(), PageError> {
    let entries = entries_of(meta)?;
    for_each_page(pager, meta, chains, &mut |block, bytes, page| {
        for (_, entry, own) in entries.iter(bytes, page) {
            let is_number = entry.scale.is_finite() && (0.0..f32::INFINITY).contains(&entry.error);
            let is_vector = entries != Entries::Variable
                || StoredSparse::new(own).is_some_and(|vector| vector.is_sound(meta.dim));
            if entry.offset == 0 || !is_number || !is_vector {
                return Err(PageError::damaged(block, "pending row"));
            }
            visit(&entry, own);
        }
        Ok(())
    })
}

type PageVisitor<'v> = dyn FnMut(BlockNumber, &PageBytes, PendingPage) -> Result<(), PageError> + 'v;

/// Calls `visit` for every page of `chains`.
///
/// # Errors
/// As [`for_each`].
pub fn for_each_page<'c, P: Pager>(
    pager: &P,
    meta: &Meta,
    chains: impl Iterator<Item = &'c Chain>,
    visit: &mut PageVisitor<'_>,
) -> Result<(), PageError> {
    let entries = entries_of(meta)?;
    for chain in chains {
        let mut block = chain.head;
        let (mut steps, mut limit) = (0, 0);
        while block != NO_BLOCK {
            let bytes = pager.read(block)?;
            let page = entries.check(&bytes, block, chain.number)?;
            if page.next != NO_BLOCK {
                pager.prefetch(page.next, 0, PAGE_SIZE);
            }
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

/// Marks the rows of a chain that `is_dead` names; returns (marked now, alive after).
///
/// `is_dead` runs without a lock, between the reading of a page and its change: entries appended in between are
/// newer than the list of dead TIDs, so leaving them is right.
///
/// # Errors
/// If a page is damaged, or the chain does not end.
pub fn mark_dead<P: Pager>(
    pager: &P,
    meta: &Meta,
    chain: &Chain,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
) -> Result<(u64, u64), PageError> {
    let entries = entries_of(meta)?;
    let mut live: Vec<(BlockNumber, usize, HeapTid)> = Vec::new();
    for_each_page(pager, meta, std::iter::once(chain), &mut |block, bytes, page| {
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
