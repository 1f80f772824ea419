//! Filters of collections: a JSON object becomes a condition of SQL on a column `metadata jsonb`.
//!
//! | filter | is true where |
//! |---|---|
//! | `{"a": v}`, `{"a": {"$eq": v}}` | the value at `a` equals v; 1 equals 1.0, `null` is JSON's null |
//! | `{"a": {"$ne": v}}` | not so, or there is no `a` |
//! | `{"a": {"$gt": v}}`, `$gte`, `$lt`, `$lte` | it is a number or a string, as v is, and compares so |
//! | `{"a": {"$in": [v, w]}}`, `$nin` | it equals one of them; it does not, or there is no `a` |
//! | `{"a": {"$exists": true}}` | there is an `a`; with `false`: there is none |
//! | `{"a": {"$contains": v}}` | the value at `a` is an array with the element v; with several if v is an array |
//! | `{"a": {"$not": c}}` | the condition c is not true of `a` |
//! | `{"a": c, "b": d}`, `{"$and": [f, g]}` | all are true |
//! | `{"$or": [f, g]}`, `{"$not": f}` | one is true; f is not |
//!
//! `{"a.b": c}` and `{"a": {"b": c}}` are the same: the key `b` of the object at `a`. A backslash before a dot, a
//! dollar or a backslash makes it part of a key. Nothing is ever unknown: what is not true is false.
//!
//! Equality, `$in` and `$contains` are containment (`@>`), which a GIN index on `metadata` serves. Comparisons are of
//! `metadata -> 'a'`, which a btree index on that expression serves; values of other types fail no query.
//!
//! The input is what PostgreSQL prints for jsonb, in any of its server's encodings: bytes above 127 are never looked
//! into, and in those encodings none of theirs is below. The output has every constant quoted, every name qualified.
#![forbid(unsafe_code)]

mod compile;
mod json;
mod sql;
#[cfg(test)]
mod tests;

/// Bytes that a filter may have.
pub const BYTES_MAX: usize = 1 << 20;
/// How deep arrays and objects may be nested.
pub const DEPTH_MAX: usize = 32;
/// Values and keys that a filter may have.
pub const NODES_MAX: usize = 10_000;
/// Bytes that the keys of a path may have together.
pub const PATH_BYTES_MAX: usize = 1000;

/// Why a filter is no condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The key that is wrong, as the filter has it: the last two of them, if it is an operator of a field. Empty if it
    /// is the whole.
    pub key: Vec<u8>,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not what PostgreSQL prints for jsonb.
    Syntax,
    /// More than [`BYTES_MAX`].
    TooLong,
    /// More than [`DEPTH_MAX`].
    TooDeep,
    /// More than [`NODES_MAX`].
    TooMany,
    /// More than [`PATH_BYTES_MAX`].
    PathTooLong,
    /// An object is wanted.
    NeedsObject,
    /// `$and` and `$or` want filters.
    NeedsFilters,
    /// `$in` and `$nin` want values.
    NeedsValues,
    /// A string, number, boolean or null is wanted.
    NeedsScalar,
    /// Comparisons want a number or a string.
    NeedsOrdered,
    /// `$exists` wants true or false.
    NeedsBoolean,
    /// A field that shall equal an array: `$eq`, `$in` or `$contains`?
    BareArray,
    /// An object without a key says nothing about its field.
    NoCondition,
    /// Operators beside keys of the object at the field.
    Mixed,
    /// An operator that there is not, or not there.
    UnknownOperator,
    /// A backslash before anything but a dot, a dollar or a backslash.
    Escape,
}

impl Problem {
    /// What to tell the user.
    pub fn text(self) -> &'static str {
        match self {
            Self::Syntax => "it is not valid JSON",
            Self::TooLong => "it has more than 1048576 bytes",
            Self::TooDeep => "it is nested more than 32 deep",
            Self::TooMany => "it has more than 10000 keys and values",
            Self::PathTooLong => "its path has more than 1000 bytes",
            Self::NeedsObject => "an object is expected",
            Self::NeedsFilters => "an array of filters is expected, with at least one",
            Self::NeedsValues => "an array of strings, numbers, booleans or nulls is expected",
            Self::NeedsScalar => "a string, number, boolean or null is expected, or an array of them",
            Self::NeedsOrdered => "a number or a string is expected",
            Self::NeedsBoolean => "true or false is expected",
            Self::BareArray => "an array needs an operator: $eq, $in or $contains",
            Self::NoCondition => "there is no condition in {}",
            Self::Mixed => "operators and keys are mixed",
            Self::UnknownOperator => "there is no such operator here",
            Self::Escape => "a backslash may only be before a dot, a dollar or a backslash",
        }
    }
}

/// The condition that `filter` is, on `metadata` or on `alias.metadata`. It can be joined with AND as it is.
///
/// # Errors
/// If it is none.
pub fn compile(filter: &[u8], alias: &[u8]) -> Result<Vec<u8>, FilterError> {
    let whole = |problem| FilterError { key: Vec::new(), problem };
    let value = json::parse(filter).map_err(whole)?;
    compile::filter(&value, &sql::column(alias))
}
