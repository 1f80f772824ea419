//! What a backend keeps of an index between statements: the parsed manifest, centroids, the rotation, and where its
//! pages were in the buffer pool.
//!
//! The meta page is read at the start of every scan and insert anyway, for the manifest; its index id and generation
//! tell whether what is kept still holds. So nothing here has to be invalidated: an entry of a dropped or rebuilt
//! index is never found again and falls out when the cache is full.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ann::Metric;
use pages::error::PageError;
use pages::format::meta::Meta;
use pages::pager::Pager;
use pages::segment::SegmentState;
use pages::space::Space;
use pgrx::pg_sys;

use crate::error::IndexError;
use crate::pg::buffer::BufferHints;
use crate::pg::compat;
use crate::storage::RelationPager;

/// Indexes kept at once.
const INDEXES_MAX: usize = 512;

/// See [`compat::file_key`].
type FileKey = (u32, u32, i32);

thread_local! {
    static CACHE: RefCell<HashMap<FileKey, Rc<Entry>>> = RefCell::new(HashMap::new());
}

/// What is kept per index file.
#[derive(Default)]
struct Entry {
    hints: Rc<BufferHints>,
    parsed: RefCell<Option<Rc<Parsed>>>,
}

/// The parsed form of one state of an index.
pub struct Parsed {
    index_id: u64,
    generation: u64,
    /// What the index does to vectors.
    pub space: Space,
    /// Its segments, in the manifest's order.
    pub segments: Vec<SegmentState>,
}

/// An index, opened for one statement.
pub struct OpenIndex {
    /// Where its pages were in the buffer pool.
    pub hints: Rc<BufferHints>,
    /// The meta page, as it was when the index was opened.
    pub meta: Meta,
    /// Its parsed form.
    pub parsed: Rc<Parsed>,
}

impl OpenIndex {
    /// Reads the meta page and whatever else the backend does not know yet.
    ///
    /// Nothing keeps what the manifest names from being used again between the two reads when the caller is VACUUM,
    /// for which PostgreSQL's horizon does not wait, or is on a replica: then the newer manifest is read.
    ///
    /// # Errors
    /// If a page is damaged or of a later format.
    ///
    /// # Safety
    /// `index` is open, and this is the backend's main thread.
    pub unsafe fn new(index: pg_sys::Relation) -> Result<Self, IndexError> {
        // SAFETY: by the contract.
        let entry = entry_of(unsafe { compat::file_key(index) });
        // SAFETY: by the contract; the pager lives in this call only.
        let pager = unsafe { RelationPager::new(index, &entry.hints) };
        let read_meta = || Meta::load(&*pager.read(0)?);
        let read = || -> Result<(Meta, Rc<Parsed>), PageError> {
            let mut meta = read_meta()?;
            loop {
                let known = entry.parsed.borrow().clone();
                let is_current = |parsed: &Rc<Parsed>| {
                    (parsed.index_id, parsed.generation) == (meta.index_id, meta.generation)
                };
                if let Some(parsed) = known.clone().filter(is_current) {
                    return Ok((meta, parsed));
                }
                entry.hints.forget_length();
                match parse(&pager, &meta, known.as_deref()) {
                    Ok(parsed) => {
                        let parsed = Rc::new(parsed);
                        *entry.parsed.borrow_mut() = Some(Rc::clone(&parsed));
                        return Ok((meta, parsed));
                    }
                    Err(error) => {
                        let newer = read_meta()?;
                        if newer.generation == meta.generation {
                            return Err(error);
                        }
                        meta = newer;
                    }
                }
            }
        };
        // SAFETY: by the contract.
        let (meta, parsed) = read().map_err(|error| unsafe { IndexError::page(index, error) })?;
        Ok(Self { hints: Rc::clone(&entry.hints), meta, parsed })
    }
}

impl OpenIndex {
    /// Rows of all segments that vacuum has not marked.
    pub fn segment_rows(&self) -> u64 {
        self.meta.segments().iter().map(|segment| u64::from(segment.live())).sum()
    }

    /// Rows that are in no segment; a guess, which counts pages.
    pub fn pending_rows(&self) -> u64 {
        let per_page = self.meta.pending_entries().map_or(1, |entries| entries.typical_per_page());
        self.meta.pending_pages() * per_page as u64
    }
}

fn entry_of(file: FileKey) -> Rc<Entry> {
    CACHE.with_borrow_mut(|cache| {
        if let Some(entry) = cache.get(&file) {
            return Rc::clone(entry);
        }
        if cache.len() >= INDEXES_MAX {
            // Any one makes room: an index that is used often is soon back.
            let victim = cache.keys().next().copied();
            victim.map(|victim| cache.remove(&victim));
        }
        Rc::clone(cache.entry(file).or_default())
    })
}

/// Reads what the manifest names; `known`: an older state, whose segments are taken over where they are still there.
fn parse<P: Pager>(pager: &P, meta: &Meta, known: Option<&Parsed>) -> Result<Parsed, PageError> {
    let metric = Metric::from_number(meta.metric).ok_or(PageError::damaged(0, "metric"))?;
    let element = meta.element().ok_or(PageError::damaged(0, "element"))?;
    let space = Space::new(element, metric, meta.dim, meta.rotation_seed);
    let known = known.filter(|known| known.index_id == meta.index_id);
    let known = known.map_or(&[][..], |known| &known.segments);
    let segments = meta
        .segments()
        .iter()
        .map(|entry| match known.iter().find(|state| state.segment == entry.segment) {
            Some(state) => Ok(state.clone()),
            None => SegmentState::load(pager, &space, entry.segment, entry.header),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Parsed { index_id: meta.index_id, generation: meta.generation, space, segments })
}
