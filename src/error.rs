//! Every error that a user can see: SQLSTATE, message, detail, hint. The only file that raises.

use pages::error::{PageError, Problem};
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// What can go wrong in an index.
#[derive(Debug)]
pub enum IndexError {
    /// A page of the index can't be used.
    Page { index: String, error: PageError },
    /// The column has no type modifier.
    NoDimensions,
    /// A value and the index's column.
    UnexpectedDimensions { expected: usize, actual: usize },
    /// A query and the index's column.
    DifferentDimensions { left: usize, right: usize },
    /// The operator class is for a type that the access method does not know.
    UnsupportedType,
    EfConstructionTooSmall,
    ScanWithoutOrder,
    SnapshotNotMvcc,
    NoThreads,
    TooManyRows,
    /// The work was told to stop, but no interrupt was raised.
    Cancelled,
    /// A function that wants an index of ours was given something else.
    NotOurs { name: String },
}

impl IndexError {
    /// A page that can't be used, with the name of its index.
    ///
    /// # Safety
    /// `index` is open.
    pub unsafe fn page(index: pg_sys::Relation, error: PageError) -> Self {
        // SAFETY: by the contract; the name is an array that PostgreSQL terminates.
        let name = unsafe { pgrx::name_data_to_str(&(*(*index).rd_rel).relname) };
        Self::Page { index: name.to_owned(), error }
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
            Self::DifferentDimensions { left, right } => new_report(
                Code::ERRCODE_DATA_EXCEPTION,
                format!("different vector dimensions {left} and {right}"),
            ),
            Self::UnsupportedType => {
                new_report(Code::ERRCODE_FEATURE_NOT_SUPPORTED, "type not supported for hnsw index")
            }
            Self::EfConstructionTooSmall => new_report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "ef_construction must be greater than or equal to 2 * m",
            ),
            Self::ScanWithoutOrder => {
                new_report(Code::ERRCODE_INTERNAL_ERROR, "cannot scan hnsw index without order")
            }
            Self::SnapshotNotMvcc => {
                new_report(Code::ERRCODE_INTERNAL_ERROR, "non-MVCC snapshots are not supported with hnsw")
            }
            Self::NoThreads => {
                new_report(Code::ERRCODE_INSUFFICIENT_RESOURCES, "could not start threads for the index build")
                    .set_hint("Lower max_parallel_maintenance_workers.")
            }
            Self::TooManyRows => new_report(
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                "table has too many rows for one segment of the index",
            )
            .set_hint("Lower maintenance_work_mem, so that the build writes several segments."),
            Self::Cancelled => new_report(Code::ERRCODE_QUERY_CANCELED, "index build was canceled"),
            Self::NotOurs { name } => {
                new_report(Code::ERRCODE_WRONG_OBJECT_TYPE, format!("\"{name}\" is not an hnsw index"))
            }
        }
    }
}

fn page_report(index: &str, error: PageError) -> ErrorReport {
    use PgSqlErrorCode as Code;
    let block = error.block;
    let corrupted = |what: String| {
        new_report(Code::ERRCODE_INDEX_CORRUPTED, what).set_hint("Please REINDEX it.")
    };
    match error.problem {
        Problem::Foreign => corrupted(format!("index \"{index}\" contains a page of another format at block {block}")),
        Problem::Newer { version } => new_report(
            Code::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!(
                "index \"{index}\" has format version {version} at block {block}, this version reads 1 to {}",
                pages::format::page::FORMAT_VERSION
            ),
        )
        .set_hint("Install a newer proxima or REINDEX it."),
        Problem::Misplaced => {
            corrupted(format!("index \"{index}\" contains an unexpected page at block {block}"))
        }
        Problem::Damaged(what) => {
            corrupted(format!("index \"{index}\" contains corrupted page at block {block}"))
                .set_detail(format!("The {what} is invalid."))
        }
    }
}

fn new_report(code: PgSqlErrorCode, message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(code, message, "proxima")
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
