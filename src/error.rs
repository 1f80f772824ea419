//! Every error that a user can see: SQLSTATE, message, detail, hint.

use std::ffi::CStr;
use std::time::Duration;

use pages::error::{PageError, Problem};
use pages::row::Element;
use pages::segment::calibrate::Reach;
use pages::segment::stream::ShortTraining;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::prelude::*;

use crate::am::hnsw::maintain::{Flushed, Merged};
use crate::am::method::Method;
use crate::pg::report::{self, Report};

/// What can be wrong with a value of a vector type. `type_name` is the SQL type.
#[derive(Debug)]
pub enum TypeError {
    /// Two vectors of one operation.
    DifferentDimensions {
        type_name: &'static str,
        left: usize,
        right: usize,
    },
    /// A vector and its column, cast or aggregate.
    UnexpectedDimensions {
        expected: i64,
        actual: usize,
    },
    NoDimensions {
        type_name: &'static str,
    },
    TooManyDimensions {
        type_name: &'static str,
        limit: usize,
    },
    NotANumber {
        type_name: &'static str,
    },
    Infinite {
        type_name: &'static str,
    },
    /// Text that is not a vector; `detail` says where, when that helps.
    Syntax {
        type_name: &'static str,
        /// In the database's encoding.
        literal: &'static CStr,
        detail: Option<&'static CStr>,
    },
    OutOfRange {
        type_name: &'static str,
        literal: &'static CStr,
    },
    TypmodCount,
    TypmodTooSmall {
        type_name: &'static str,
    },
    TypmodTooLarge {
        type_name: &'static str,
        limit: usize,
    },
    /// Two bit strings of one operation.
    DifferentBitLengths {
        left: usize,
        right: usize,
    },
    TooManyElements {
        limit: usize,
    },
    /// A sparse vector from a client; each says what its binary form must not have.
    NegativeElements,
    MoreElementsThanDimensions,
    ZeroElement,
    IndexOutOfBounds,
    IndexOrder,
    IndexDuplicate,
    /// Binary input from a client with something in the reserved bytes.
    ReservedNotZero {
        value: i32,
    },
    /// A stored value whose length and dimensions disagree.
    Corrupted {
        type_name: &'static str,
    },
    /// A stored sparse vector with an index beyond its dimensions.
    CorruptedIndex,
    Overflow,
    Underflow,
    ArrayDimensions,
    ArrayNulls,
    ArrayType,
    /// The state of an aggregate, passed by hand.
    StateArray {
        function: &'static str,
    },
    /// A support function of an operator class that only pgvector's access methods would call.
    SupportFunction {
        function: &'static str,
    },
    /// A filter that is none.
    Filter {
        /// In the database's encoding; empty: the whole.
        key: &'static CStr,
        problem: filter::Problem,
    },
}

impl TypeError {
    /// The report that the user sees.
    #[cold]
    pub fn report(self) -> &'static Report {
        let code = self.code() as i32;
        let whole = |text: String| [report::copied(text.as_bytes()), c"", c""];
        let message = match &self {
            Self::Syntax { type_name, literal, .. } => {
                let start = format!("invalid input syntax for type {type_name}: \"");
                [report::copied(start.as_bytes()), *literal, c"\""]
            }
            Self::OutOfRange { type_name, literal } => {
                let end = format!("\" is out of range for type {type_name}");
                [c"\"", *literal, report::copied(end.as_bytes())]
            }
            Self::Filter { key, problem } if key.is_empty() => {
                whole(format!("invalid filter: {}", problem.text()))
            }
            Self::Filter { key, problem } => {
                let end = format!("\": {}", problem.text());
                [c"invalid filter at key \"", *key, report::copied(end.as_bytes())]
            }
            other => whole(other.message()),
        };
        let detail = match self {
            Self::Syntax { detail, .. } => detail,
            Self::SupportFunction { .. } => {
                Some(c"It is there for operator classes that name it; no index of proxima calls it.")
            }
            _ => None,
        };
        report::boxed(Report { code, message, detail })
    }

    fn code(&self) -> PgSqlErrorCode {
        use PgSqlErrorCode as Code;
        match self {
            Self::DifferentDimensions { .. }
            | Self::UnexpectedDimensions { .. }
            | Self::NoDimensions { .. }
            | Self::NotANumber { .. }
            | Self::Infinite { .. }
            | Self::DifferentBitLengths { .. }
            | Self::NegativeElements
            | Self::ZeroElement
            | Self::IndexOutOfBounds
            | Self::IndexOrder
            | Self::IndexDuplicate
            | Self::ReservedNotZero { .. }
            | Self::ArrayDimensions
            | Self::ArrayType => Code::ERRCODE_DATA_EXCEPTION,
            Self::TooManyDimensions { .. }
            | Self::TooManyElements { .. }
            | Self::MoreElementsThanDimensions => Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            Self::Syntax { .. } => Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
            Self::OutOfRange { .. } | Self::Overflow | Self::Underflow => {
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE
            }
            Self::TypmodCount
            | Self::TypmodTooSmall { .. }
            | Self::TypmodTooLarge { .. }
            | Self::Filter { .. } => Code::ERRCODE_INVALID_PARAMETER_VALUE,
            Self::ArrayNulls => Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            Self::Corrupted { .. } | Self::CorruptedIndex => Code::ERRCODE_DATA_CORRUPTED,
            Self::StateArray { .. } => Code::ERRCODE_INTERNAL_ERROR,
            Self::SupportFunction { .. } => Code::ERRCODE_FEATURE_NOT_SUPPORTED,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::DifferentDimensions { type_name, left, right } => {
                format!("different {type_name} dimensions {left} and {right}")
            }
            Self::UnexpectedDimensions { expected, actual } => {
                format!("expected {expected} dimensions, not {actual}")
            }
            Self::NoDimensions { type_name } => format!("{type_name} must have at least 1 dimension"),
            Self::TooManyDimensions { type_name, limit } => {
                format!("{type_name} cannot have more than {limit} dimensions")
            }
            Self::NotANumber { type_name } => format!("NaN not allowed in {type_name}"),
            Self::Infinite { type_name } => format!("infinite value not allowed in {type_name}"),
            // Around a literal, which `report` quotes.
            Self::Syntax { .. } | Self::OutOfRange { .. } | Self::Filter { .. } => String::new(),
            Self::TypmodCount => "invalid type modifier".into(),
            Self::TypmodTooSmall { type_name } => {
                format!("dimensions for type {type_name} must be at least 1")
            }
            Self::TypmodTooLarge { type_name, limit } => {
                format!("dimensions for type {type_name} cannot exceed {limit}")
            }
            Self::DifferentBitLengths { left, right } => format!("different bit lengths {left} and {right}"),
            Self::TooManyElements { limit } => {
                format!("sparsevec cannot have more than {limit} non-zero elements")
            }
            Self::NegativeElements => "sparsevec cannot have negative number of elements".into(),
            Self::MoreElementsThanDimensions => "sparsevec cannot have more elements than dimensions".into(),
            Self::ZeroElement => "binary representation of sparsevec cannot contain zero values".into(),
            Self::IndexOutOfBounds => "sparsevec index out of bounds".into(),
            Self::IndexOrder => "sparsevec indices must be in ascending order".into(),
            Self::IndexDuplicate => "sparsevec indices must not contain duplicates".into(),
            Self::ReservedNotZero { value } => format!("expected unused to be 0, not {value}"),
            Self::Corrupted { type_name } => {
                format!("stored {type_name} has a length that does not match its dimensions")
            }
            Self::CorruptedIndex => "stored sparsevec has an index out of bounds".into(),
            Self::Overflow => "value out of range: overflow".into(),
            Self::Underflow => "value out of range: underflow".into(),
            Self::ArrayDimensions => "array must be 1-D".into(),
            Self::ArrayNulls => "array must not contain nulls".into(),
            Self::ArrayType => "unsupported array type".into(),
            Self::StateArray { function } => format!("{function}: expected state array"),
            Self::SupportFunction { function } => format!("function {function} is not supported"),
        }
    }
}

/// What can go wrong in an index.
#[derive(Debug)]
pub enum IndexError {
    /// A page of the index can't be used.
    Page {
        index: String,
        error: PageError,
    },
    /// The column has no type modifier.
    NoDimensions,
    /// A value and the index's column.
    UnexpectedDimensions {
        expected: usize,
        actual: usize,
    },
    TooManyDimensions {
        limit: u32,
        method: &'static str,
    },
    /// pgvector's spherical classes need a sphere.
    OneDimension,
    /// A value whose length and contents disagree.
    CorruptedValue,
    /// A value with NaN or an infinity in it.
    CorruptedNumber,
    /// A query and the index's column.
    DifferentDimensions {
        element: Element,
        left: usize,
        right: usize,
    },
    /// The operator class is for a type that the access method does not know.
    UnsupportedType {
        method: &'static str,
    },
    EfConstructionTooSmall,
    ScanWithoutOrder {
        method: &'static str,
    },
    SnapshotNotMvcc {
        method: &'static str,
    },
    NoThreads,
    TooManyRows,
    OutOfMemory,
    /// The work was told to stop, but no interrupt was raised.
    Cancelled,
    /// Maintenance made way for somebody who waits for the index.
    Stopped,
    /// A function that wants an index was given a number that no relation has.
    NoRelation {
        oid: u32,
    },
    /// A function that wants an index of ours was given something else.
    NotOurs {
        name: String,
    },
    /// An index that this session cannot work on.
    Access(AccessError),
}

/// Why a session cannot work on an index of ours.
#[derive(Debug)]
pub enum AccessError {
    /// Only its owner, or who has MAINTAIN, may maintain an index.
    NotOwner { name: String },
    /// An index that is being created or dropped concurrently, or where that failed.
    NotReady { name: String },
    /// A temporary index of another session.
    OtherTemporary,
}

impl IndexError {
    /// A page that can't be used, with the name of its index.
    ///
    /// # Safety
    /// `index` is open.
    pub unsafe fn page(index: pg_sys::Relation, error: PageError) -> Self {
        // SAFETY: by the contract.
        Self::Page { index: unsafe { crate::pg::relation_name(index) }, error }
    }

    /// Whether there was no memory or no thread: maintenance can wait until there is.
    pub fn is_want_of_resources(&self) -> bool {
        matches!(self, Self::OutOfMemory | Self::NoThreads | Self::TooManyRows)
    }

    /// The report that the user sees.
    pub fn report(self) -> ErrorReport {
        use PgSqlErrorCode as Code;
        match self {
            Self::Page { index, error } => page_report(&index, error),
            Self::NoDimensions => {
                new_report(Code::ERRCODE_INVALID_PARAMETER_VALUE, "column does not have dimensions")
            }
            Self::UnexpectedDimensions { expected, actual } => new_report(
                Code::ERRCODE_DATA_EXCEPTION,
                format!("expected {expected} dimensions, not {actual}"),
            ),
            Self::CorruptedNumber => new_report(
                Code::ERRCODE_DATA_CORRUPTED,
                "stored value has an element that is not a finite number",
            ),
            Self::DifferentDimensions { element, left, right } => {
                let what = what_differs(element);
                new_report(Code::ERRCODE_DATA_EXCEPTION, format!("different {what} {left} and {right}"))
            }
            Self::TooManyDimensions { limit, method } => new_report(
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("column cannot have more than {limit} dimensions for {method} index"),
            ),
            Self::OneDimension => new_report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "dimensions must be greater than one for this opclass",
            ),
            Self::CorruptedValue => new_report(
                Code::ERRCODE_DATA_CORRUPTED,
                "stored value has a length that does not match its dimensions",
            ),
            Self::UnsupportedType { method } => new_report(
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("type not supported for {method} index"),
            ),
            Self::EfConstructionTooSmall => new_report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "ef_construction must be greater than or equal to 2 * m",
            ),
            Self::ScanWithoutOrder { method } => {
                new_report(Code::ERRCODE_INTERNAL_ERROR, format!("cannot scan {method} index without order"))
            }
            Self::SnapshotNotMvcc { method } => new_report(
                Code::ERRCODE_INTERNAL_ERROR,
                format!("non-MVCC snapshots are not supported with {method}"),
            ),
            Self::NoThreads => new_report(
                Code::ERRCODE_INSUFFICIENT_RESOURCES,
                "could not start threads for the index build",
            )
            .set_hint("Lower max_parallel_maintenance_workers."),
            Self::TooManyRows => too_many_rows(),
            Self::OutOfMemory => new_report(Code::ERRCODE_OUT_OF_MEMORY, "out of memory")
                .set_detail("The index build could not get the memory for its next segment.")
                .set_hint("Lower maintenance_work_mem."),
            Self::Cancelled => new_report(Code::ERRCODE_QUERY_CANCELED, "index build was canceled"),
            Self::Stopped => new_report(Code::ERRCODE_QUERY_CANCELED, "index maintenance was canceled"),
            Self::NoRelation { oid } => {
                new_report(Code::ERRCODE_UNDEFINED_TABLE, format!("relation with OID {oid} does not exist"))
            }
            Self::NotOurs { name } => new_report(
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("\"{name}\" is not an hnsw, ivf or ivfflat index"),
            ),
            Self::Access(error) => access_report(error),
        }
    }
}

fn too_many_rows() -> ErrorReport {
    let message = "table has too many rows for one segment of the index";
    new_report(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message)
        .set_hint("Lower maintenance_work_mem, so that the build writes several segments.")
}

fn what_differs(element: Element) -> &'static str {
    match element {
        Element::Float4 => "vector dimensions",
        Element::Float2 => "halfvec dimensions",
        Element::Sparse => "sparsevec dimensions",
        Element::Bit => "bit lengths",
    }
}

fn access_report(error: AccessError) -> ErrorReport {
    use PgSqlErrorCode as Code;
    match error {
        AccessError::NotOwner { name } => {
            new_report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, format!("must be owner of index {name}"))
        }
        AccessError::NotReady { name } => new_report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("index \"{name}\" is not ready"),
        )
        .set_detail("It is being created or dropped concurrently, or that has failed."),
        AccessError::OtherTemporary => new_report(
            Code::ERRCODE_FEATURE_NOT_SUPPORTED,
            "cannot access temporary indexes of other sessions",
        ),
    }
}

fn page_report(index: &str, error: PageError) -> ErrorReport {
    use PgSqlErrorCode as Code;
    let block = error.block;
    let corrupted =
        |what: String| new_report(Code::ERRCODE_INDEX_CORRUPTED, what).set_hint("Please REINDEX it.");
    match error.problem {
        Problem::Foreign => {
            corrupted(format!("index \"{index}\" contains a page of another format at block {block}"))
        }
        Problem::Newer { version } => new_report(
            Code::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!(
                "index \"{index}\" has format version {version} at block {block}, this version reads 1 to {}",
                pages::format::page::FORMAT_VERSION
            ),
        )
        .set_hint("Install a newer proxima or REINDEX it."),
        // SAFETY: a variable of the backend's transaction. On a standby blocks are used again under old snapshots, and
        // a scan that began there may meet them after the promotion.
        Problem::Misplaced if unsafe { pg_sys::TransactionStartedDuringRecovery() } => new_report(
            Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
            "canceling statement due to conflict with recovery",
        )
        .set_detail(format!("The primary has used block {block} of index \"{index}\" for something else."))
        .set_hint("Try again."),
        Problem::Misplaced => {
            corrupted(format!("index \"{index}\" contains an unexpected page at block {block}"))
        }
        Problem::Stopped => new_report(Code::ERRCODE_QUERY_CANCELED, "index maintenance was canceled"),
        Problem::Damaged(what) => {
            corrupted(format!("index \"{index}\" contains corrupted page at block {block}"))
                .set_detail(format!("The {what} is invalid."))
        }
    }
}

fn new_report(code: PgSqlErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(code, message, "proxima")
}

/// Raises the error of a statement that has left an index invalid; its hint names the index, which is
/// qualified and quoted.
pub fn raise_for_invalid_index(error: &CaughtError, index: &CStr) {
    let (CaughtError::PostgresError(inner)
    | CaughtError::ErrorReport(inner)
    | CaughtError::RustPanic { ereport: inner, .. }) = error;
    let index = index.to_string_lossy();
    let given = inner.hint().map(|hint| format!("{hint} ")).unwrap_or_default();
    let report = new_report(inner.sql_error_code(), inner.message().to_owned()).set_hint(format!(
        "{given}Index {index} is left invalid. Another CALL drops it, as DROP INDEX does."
    ));
    let report = match inner.detail() {
        Some(detail) => report.set_detail(detail),
        None => report,
    };
    report.report(PgLogLevel::ERROR);
}

/// Tells the user that a build needs more memory than it may use.
pub fn warn_build_memory(method: Method, rows: usize) {
    let what = if method == Method::Hnsw { "graph" } else { "index" };
    let name = method.name();
    let message = format!("{name} {what} no longer fits into maintenance_work_mem after {rows} tuples");
    new_report(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message)
        .set_detail("The index will have several segments, which makes searches slower.")
        .set_hint("Increase maintenance_work_mem and REINDEX.")
        .report(PgLogLevel::WARNING);
}

/// Tells the user that searches of an index will find less than they are to.
pub fn warn_recall(index: &str, reach: Reach, target: f64) {
    let Reach { recall, queries } = reach;
    let message = format!("searches of index \"{index}\" will not reach proxima.recall_target ({target})");
    new_report(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message)
        .set_detail(format!(
            "With the largest effort that they make unasked, searches for {queries} of its rows found {recall:.2} of \
             what is nearest to them."
        ))
        .set_hint("Set \"hnsw.ef_search\", or create the index with larger \"m\" and \"ef_construction\".")
        .report(PgLogLevel::WARNING);
}

/// Tells the user that lists are worse than they could be.
pub fn warn_training(index: &str, short: ShortTraining) {
    let ShortTraining { rows, lists } = short;
    let message = format!("lists of index \"{index}\" are trained on few rows");
    new_report(PgSqlErrorCode::ERRCODE_WARNING, message)
        .set_detail(format!(
            "Memory allows a sample of {rows} rows for {lists} lists. Searches have to read more lists for the same \
             recall, and find less with a set number of probes."
        ))
        .set_hint("Increase maintenance_work_mem (in autovacuum, autovacuum_work_mem) and REINDEX.")
        .report(PgLogLevel::WARNING);
}

/// Says that a build has kept so many rows of its sample.
pub fn debug_kept_sample(rows: usize) {
    let message = format!("kept the {rows} rows that lists were trained on");
    new_report(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).report(PgLogLevel::DEBUG1);
}

/// Tells the user that maintenance could not be done now, which harms nothing but speed.
pub fn warn_maintenance(error: IndexError) {
    error.report().report(PgLogLevel::WARNING);
}

/// Says how many threads besides the leader a build uses, in the words that pgvector has for its workers.
pub fn debug_build_workers(workers: usize) {
    let message = format!("using {workers} parallel workers");
    new_report(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).report(PgLogLevel::DEBUG1);
}

/// Tells the user that VACUUM has left an index alone, because another program wrote it.
pub fn warn_foreign_index(index: &str) {
    let message = format!("index \"{index}\" contains a page of another format at block 0");
    new_report(PgSqlErrorCode::ERRCODE_INDEX_CORRUPTED, message)
        .set_detail("VACUUM left the index as it is.")
        .set_hint("Please REINDEX it.")
        .report(PgLogLevel::WARNING);
}

/// Tells the user, once a session, that nobody merges segments in the background.
pub fn warn_no_worker(index: &str) {
    let message = format!("could not start a background worker to merge segments of index \"{index}\"");
    new_report(PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, message)
        .set_detail("Sessions that write to the index merge small segments themselves.")
        .set_hint("You might need to increase max_worker_processes.")
        .report(PgLogLevel::WARNING);
}

/// Tells the user that VACUUM has not merged what should be merged.
pub fn warn_unmerged(index: &str) {
    let message = format!("VACUUM left segments of index \"{index}\" as they are");
    new_report(PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, message)
        .set_detail(
            "To merge them takes more than maintenance_work_mem, and there is no background worker for it.",
        )
        .set_hint("Call proxima.merge(), or increase maintenance_work_mem.")
        .report(PgLogLevel::WARNING);
}

/// Says what a flush did.
pub fn debug_flush(index: &str, flushed: &Flushed, elapsed: Duration) {
    let Flushed { rows, dead, pages } = flushed;
    let message = format!(
        "flushed pending list of index \"{index}\": {rows} rows moved, {dead} dead rows removed, \
         {pages} pages written, elapsed: {:.3} s",
        elapsed.as_secs_f64()
    );
    new_report(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).report(PgLogLevel::DEBUG1);
}

/// Says in the server's log what a merge did.
pub fn log_merge(index: &str, merged: &Merged, elapsed: Duration) {
    let Merged { segments, rows, dead, pages } = merged;
    let message = format!(
        "merged {segments} segments of index \"{index}\": {rows} rows, {dead} dead rows removed, \
         {pages} pages written, elapsed: {:.3} s",
        elapsed.as_secs_f64()
    );
    new_report(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).report(PgLogLevel::LOG);
}

/// The end of a callback: the value, or the error raised.
pub trait OrReport<T> {
    /// The value, or an ERROR.
    fn or_report(self) -> T;
}

impl<T> OrReport<T> for Result<T, IndexError> {
    fn or_report(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => {
                error.report().report(PgLogLevel::ERROR);
                unreachable!("an ERROR does not return")
            }
        }
    }
}
