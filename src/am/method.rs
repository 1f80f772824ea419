//! Which access method an index was created with.

use pgrx::pg_sys;

use super::hnsw::options::amoptions as hnsw_options;

/// An access method of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `hnsw`
    Hnsw,
    /// `ivfflat`
    Ivfflat,
}

impl Method {
    /// The method of an open index, which has one of ours.
    ///
    /// # Safety
    /// `index` is open.
    pub unsafe fn of(index: pg_sys::Relation) -> Self {
        // SAFETY: by the contract; an open index has a table of callbacks.
        let options = unsafe { (*(*index).rd_indam).amoptions };
        let is_hnsw =
            options.is_some_and(|options| std::ptr::eq(options as *const (), hnsw_options as *const ()));
        if is_hnsw { Self::Hnsw } else { Self::Ivfflat }
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hnsw => "hnsw",
            Self::Ivfflat => "ivfflat",
        }
    }

    /// The number of the support function that says what a class's values are made of; also how many there are.
    pub fn element_proc(self) -> u16 {
        match self {
            Self::Hnsw => 3,
            Self::Ivfflat => 5,
        }
    }
}
