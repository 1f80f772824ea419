//! Vacuum's marks.

use std::collections::HashSet;

use crate::error::PageError;
use crate::format::meta::Meta;
use crate::format::segment::SegmentHeader;
use crate::pager::{PageChange, Pager};
use crate::tids::HeapTid;
use crate::{pending, tids};

/// What one pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Rows that were marked.
    pub removed: u64,
    /// Rows that are alive.
    pub alive: u64,
}

/// Marks the rows that `is_dead` names, wherever a job moves them meanwhile: chain by chain and segment by segment,
/// until every one that the manifest names was seen.
///
/// `with_space_lock` runs its argument under the space lock; between two calls jobs may commit. Rows that are appended
/// meanwhile are newer than the list of dead TIDs.
///
/// # Errors
/// If a page is damaged.
pub fn bulk_delete<P: Pager>(
    pager: &P,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
    with_space_lock: &mut dyn FnMut(&mut dyn FnMut() -> Result<bool, PageError>) -> Result<bool, PageError>,
) -> Result<Marked, PageError> {
    let mut seen: HashSet<u32> = HashSet::new();
    let mut total = Marked::default();
    loop {
        let mut step = || {
            let meta = Meta::load(&*pager.read(0)?)?;
            mark_next(pager, &meta, &mut seen, &mut total, is_dead)
        };
        if !with_space_lock(&mut step)? {
            return Ok(total);
        }
    }
}

/// Marks rows in the first chain or segment that was not seen; says whether there was one.
fn mark_next<P: Pager>(
    pager: &P,
    meta: &Meta,
    seen: &mut HashSet<u32>,
    total: &mut Marked,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
) -> Result<bool, PageError> {
    if let Some(chain) = meta.chains().find(|chain| seen.insert(chain.number)) {
        let (removed, alive) = pending::mark_dead(pager, meta, chain, is_dead)?;
        (total.removed, total.alive) = (total.removed + removed, total.alive + alive);
        return Ok(true);
    }
    let Some(entry) = meta.segments().iter().find(|entry| seen.insert(entry.segment)) else {
        return Ok(false);
    };
    let page = pager.read(entry.header)?;
    let header = SegmentHeader::load(&page, entry.header, entry.segment, meta.padded_dim)?;
    drop(page);
    let (removed, alive) = tids::mark_dead(pager, entry.segment, &header, is_dead)?;
    (total.removed, total.alive) = (total.removed + removed, total.alive + alive);
    let dead = u64::from(header.rows).saturating_sub(alive) as u32;
    if dead != entry.dead {
        count_dead(pager, entry.segment, dead)?;
    }
    Ok(true)
}

/// Writes the number of a segment's dead rows into the manifest.
fn count_dead<P: Pager>(pager: &P, segment: u32, dead: u32) -> Result<(), PageError> {
    let mut change = pager.change();
    let bytes = change.page(0)?;
    let mut meta = Meta::load(bytes)?;
    let count = meta.segment_count as usize;
    if let Some(entry) = meta.segments[..count].iter_mut().find(|entry| entry.segment == segment) {
        entry.dead = dead;
    }
    meta.store(bytes);
    change.commit();
    Ok(())
}
