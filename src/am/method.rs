//! Which access method an index was created with.

use pgrx::pg_sys;

use super::hnsw::handler::AmOptions;
use super::hnsw::options::amoptions as hnsw_options;
use super::ivf;

/// An access method of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `hnsw`
    Hnsw,
    /// `ivf`
    Ivf,
    /// `ivfflat`: the same with pgvector's options and settings
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
        let is = |ours: AmOptions| {
            options.is_some_and(|options| std::ptr::eq(options as *const (), ours as *const ()))
        };
        if is(hnsw_options) {
            Self::Hnsw
        } else if is(ivf::amoptions) {
            Self::Ivf
        } else {
            Self::Ivfflat
        }
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hnsw => "hnsw",
            Self::Ivf => "ivf",
            Self::Ivfflat => "ivfflat",
        }
    }

    /// The number of the support function that says what a class's values are made of; also how many there are.
    pub fn element_proc(self) -> u16 {
        match self {
            Self::Hnsw | Self::Ivf => 3,
            Self::Ivfflat => 5,
        }
    }
}
