//! A [`Pager`] in memory that checks the rules of changes and can crash.
//!
//! It keeps what PostgreSQL would have after replaying the log: committed changes only. [`MemPager::crash_after`]
//! stops the world after a number of commits, so a test can repeat an operation for each point at which a server can
//! die and look at what is left.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

use crate::error::{PageError, Problem};
use crate::format::page;
use crate::pager::{BlockNumber, BulkWriter, PAGE_SIZE, PageBytes, PageChange, PageSink, Pager};

/// Pages in memory. See the module's head.
#[derive(Default)]
pub struct MemPager {
    pages: Rc<RefCell<Vec<Rc<PageBytes>>>>,
    commits: Cell<u64>,
    commits_max: Cell<Option<u64>>,
    meanwhile: RefCell<Option<Rc<dyn Fn()>>>,
}

/// A page that is being read.
pub struct MemPage(Rc<PageBytes>);

impl Deref for MemPage {
    type Target = PageBytes;
    fn deref(&self) -> &PageBytes {
        &self.0
    }
}

/// A change in the making.
pub struct MemChange<'p> {
    pager: &'p MemPager,
    pages: Vec<(BlockNumber, Box<PageBytes>)>,
    /// The last existing page that was named.
    locked: Option<BlockNumber>,
}

impl MemPager {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, changes after the next `commits` are lost.
    pub fn crash_after(&self, commits: u64) {
        self.commits_max.set(Some(self.commits.get() + commits));
    }

    /// Ends the crash: what was committed before it is there, pages that no commit filled are zero.
    pub fn restart(&self) {
        self.commits_max.set(None);
    }

    /// Runs `work` once, when the store is next asked to grow.
    pub fn when_growing(&self, work: Rc<dyn Fn()>) {
        *self.meanwhile.borrow_mut() = Some(work);
    }

    /// A sink for whole pages.
    pub fn sink(&self) -> MemSink {
        MemSink { pages: Rc::clone(&self.pages), is_down: self.is_down() }
    }

    /// Commits that reached the store.
    pub fn commits(&self) -> u64 {
        self.commits.get()
    }

    /// Overwrites a page, as damage does.
    pub fn overwrite(&self, block: BlockNumber, page: &PageBytes) {
        self.pages.borrow_mut()[block as usize] = Rc::new(*page);
    }

    fn is_down(&self) -> bool {
        self.commits_max.get().is_some_and(|limit| self.commits.get() >= limit)
    }
}

impl Pager for MemPager {
    type Page<'p> = MemPage;
    type Change<'p> = MemChange<'p>;

    fn read(&self, block: BlockNumber) -> Result<MemPage, PageError> {
        let pages = self.pages.borrow();
        let page = pages.get(block as usize);
        page.cloned()
            .map(MemPage)
            .ok_or(PageError { block, problem: Problem::Damaged("block beyond the end") })
    }

    fn change(&self) -> MemChange<'_> {
        MemChange { pager: self, pages: Vec::new(), locked: None }
    }

    fn block_count(&self) -> BlockNumber {
        self.pages.borrow().len() as BlockNumber
    }

    fn extend_to(&self, blocks: BlockNumber) {
        // Others work while a file grows.
        let meanwhile = self.meanwhile.take();
        if let Some(work) = &meanwhile {
            work();
        }
        let mut pages = self.pages.borrow_mut();
        while pages.len() < blocks as usize {
            pages.push(Rc::new([0; PAGE_SIZE]));
        }
    }
}

/// Whole pages on their way into a [`MemPager`].
pub struct MemSink {
    pages: Rc<RefCell<Vec<Rc<PageBytes>>>>,
    is_down: bool,
}

impl PageSink for MemSink {
    fn write(&mut self, block: BlockNumber, page: &PageBytes) -> Result<(), PageError> {
        let mut pages = self.pages.borrow_mut();
        assert!((block as usize) < pages.len(), "a block is written that the file does not have");
        if !self.is_down {
            pages[block as usize] = Rc::new(*page);
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

impl PageChange for MemChange<'_> {
    fn page(&mut self, block: BlockNumber) -> Result<&mut PageBytes, PageError> {
        if let Some(at) = self.pages.iter().position(|(own, _)| *own == block) {
            return Ok(&mut self.pages[at].1);
        }
        assert!(
            self.locked.is_none_or(|last| last < block),
            "pages of a change are locked in ascending order"
        );
        self.locked = Some(block);
        assert!(self.pages.len() < Self::PAGES_MAX, "a change has at most four pages");
        let page = self.pager.read(block)?;
        self.pages.push((block, Box::new(*page)));
        let last = self.pages.len() - 1;
        Ok(&mut self.pages[last].1)
    }

    fn fresh_page(&mut self, block: BlockNumber) -> Result<&mut PageBytes, PageError> {
        assert!(self.pages.len() < Self::PAGES_MAX, "a change has at most four pages");
        assert!(self.pages.iter().all(|(own, _)| *own != block), "a fresh page is named once");
        // The file grows at once, as in PostgreSQL; without a commit the page stays zero.
        self.pager.extend_to(block + 1);
        self.pages.push((block, Box::new([0; PAGE_SIZE])));
        let last = self.pages.len() - 1;
        Ok(&mut self.pages[last].1)
    }

    fn commit(self) {
        if self.pager.is_down() {
            return;
        }
        self.pager.commits.set(self.pager.commits.get() + 1);
        let mut pages = self.pager.pages.borrow_mut();
        for (block, mut page) in self.pages {
            page::forget_unused(&mut page);
            pages[block as usize] = Rc::from(page);
        }
    }
}

impl BulkWriter for &MemPager {
    fn append(&mut self, page: &PageBytes) -> Result<BlockNumber, PageError> {
        let mut pages = self.pages.borrow_mut();
        pages.push(Rc::new(if self.is_down() { [0; PAGE_SIZE] } else { *page }));
        Ok(pages.len() as BlockNumber - 1)
    }
}
