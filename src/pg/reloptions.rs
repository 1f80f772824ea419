//! Options of indexes: integers with a default and a range, and choices from a list of words.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU32, Ordering};

use pgrx::pg_sys;

/// An option that can be registered.
pub struct IntOption {
    /// Its name.
    pub name: &'static CStr,
    /// Its description.
    pub text: &'static CStr,
    /// Value without the option; may lie outside the range.
    pub default: i32,
    /// Least and most.
    pub range: (i32, i32),
    /// Whether writers may go on while ALTER INDEX changes it.
    pub is_mild: bool,
}

/// An option whose value is one of some words; the value of a word is its place among them.
pub struct WordOption {
    /// Its name.
    pub name: &'static CStr,
    /// Its description.
    pub text: &'static CStr,
    /// The words; the first is the default.
    pub words: &'static [&'static CStr],
    /// The DETAIL of the error about another word.
    pub detail: &'static CStr,
}

/// What an option's value is made of, and where it goes: 4 bytes at this offset.
#[derive(Clone, Copy)]
pub enum Place {
    /// Of an [`IntOption`].
    Int(usize),
    /// Of a [`WordOption`].
    Word(usize),
}

/// A registered kind of options: one per access method.
pub struct Kind(AtomicU32);

impl Kind {
    /// A kind that is not registered.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Registers options. Called once, when the library is loaded.
    pub fn register(&self, options: &[IntOption], words: &[WordOption]) {
        // SAFETY: strings are static; this runs on the backend's main thread, before any index is opened.
        unsafe {
            let kind = pg_sys::add_reloption_kind();
            self.0.store(kind, Ordering::Relaxed);
            for option in options {
                let lock = if option.is_mild {
                    pg_sys::ShareUpdateExclusiveLock
                } else {
                    pg_sys::AccessExclusiveLock
                };
                pg_sys::add_int_reloption(
                    kind,
                    option.name.as_ptr(),
                    option.text.as_ptr(),
                    option.default,
                    option.range.0,
                    option.range.1,
                    lock as pg_sys::LOCKMODE,
                );
            }
            for option in words {
                pg_sys::add_enum_reloption(
                    kind,
                    option.name.as_ptr(),
                    option.text.as_ptr(),
                    members(option.words),
                    0,
                    option.detail.as_ptr(),
                    pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE,
                );
            }
        }
    }

    /// Parses and validates the options of an index into a varlena of `size` bytes.
    ///
    /// # Safety
    /// `reloptions` is what PostgreSQL passed to `amoptions`; each option has an i32 at its place within `size`.
    pub unsafe fn parse(
        &self,
        reloptions: pg_sys::Datum,
        validate: bool,
        size: usize,
        options: &[(&'static CStr, Place)],
    ) -> *mut pg_sys::bytea {
        // PostgreSQL 18 has one field more.
        #[allow(clippy::needless_update)]
        let element = |&(name, place): &(&'static CStr, Place)| {
            let (opttype, offset) = match place {
                Place::Int(offset) => (pg_sys::relopt_type::RELOPT_TYPE_INT, offset),
                Place::Word(offset) => (pg_sys::relopt_type::RELOPT_TYPE_ENUM, offset),
            };
            pg_sys::relopt_parse_elt {
                optname: name.as_ptr(),
                opttype,
                offset: offset as i32,
                ..Default::default()
            }
        };
        let elements: Vec<_> = options.iter().map(element).collect();
        let (kind, count) = (self.0.load(Ordering::Relaxed), elements.len() as i32);
        // SAFETY: by the contract; PostgreSQL allocates and fills the result.
        unsafe { pg_sys::build_reloptions(reloptions, validate, kind, size, elements.as_ptr(), count).cast() }
    }
}

/// The words as PostgreSQL wants them: behind the last one an entry without a name. PostgreSQL keeps the pointer, so
/// they are never freed.
fn members(words: &[&'static CStr]) -> *mut pg_sys::relopt_enum_elt_def {
    let member =
        |string_val: *const c_char, symbol_val| pg_sys::relopt_enum_elt_def { string_val, symbol_val };
    let named = words.iter().zip(0..).map(|(word, value)| member(word.as_ptr(), value));
    let all: Vec<_> = named.chain([member(std::ptr::null(), 0)]).collect();
    all.leak().as_mut_ptr()
}
