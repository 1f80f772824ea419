//! Every error that a user can see: SQLSTATE, message, detail, hint. The only file that raises.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

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
        literal: String,
        detail: Option<&'static str>,
    },
    OutOfRange {
        type_name: &'static str,
        literal: String,
    },
    TypmodCount,
    TypmodTooSmall {
        type_name: &'static str,
    },
    TypmodTooLarge {
        type_name: &'static str,
        limit: usize,
    },
    /// Binary input from a client with something in the reserved bytes.
    ReservedNotZero {
        value: i16,
    },
    /// A stored value whose length and dimensions disagree.
    Corrupted {
        type_name: &'static str,
    },
    Overflow,
    Underflow,
    ArrayDimensions,
    ArrayNulls,
    ArrayType,
    /// The state of an aggregate, passed by hand.
    StateArray {
        function: &'static str,
    },
}

impl TypeError {
    /// Raises the error.
    #[cold]
    pub fn raise(self) -> ! {
        self.report().report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }

    fn report(self) -> ErrorReport {
        use PgSqlErrorCode as Code;
        let (code, message) = match self {
            Self::DifferentDimensions { type_name, left, right } => {
                (Code::ERRCODE_DATA_EXCEPTION, format!("different {type_name} dimensions {left} and {right}"))
            }
            Self::UnexpectedDimensions { expected, actual } => {
                (Code::ERRCODE_DATA_EXCEPTION, format!("expected {expected} dimensions, not {actual}"))
            }
            Self::NoDimensions { type_name } => {
                (Code::ERRCODE_DATA_EXCEPTION, format!("{type_name} must have at least 1 dimension"))
            }
            Self::TooManyDimensions { type_name, limit } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("{type_name} cannot have more than {limit} dimensions"),
            ),
            Self::NotANumber { type_name } => {
                (Code::ERRCODE_DATA_EXCEPTION, format!("NaN not allowed in {type_name}"))
            }
            Self::Infinite { type_name } => {
                (Code::ERRCODE_DATA_EXCEPTION, format!("infinite value not allowed in {type_name}"))
            }
            Self::Syntax { type_name, literal, detail } => {
                let message = format!("invalid input syntax for type {type_name}: \"{literal}\"");
                let report = new_report(Code::ERRCODE_INVALID_TEXT_REPRESENTATION, message);
                return match detail {
                    Some(detail) => report.set_detail(detail),
                    None => report,
                };
            }
            Self::OutOfRange { type_name, literal } => (
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                format!("\"{literal}\" is out of range for type {type_name}"),
            ),
            Self::TypmodCount => (Code::ERRCODE_INVALID_PARAMETER_VALUE, "invalid type modifier".to_owned()),
            Self::TypmodTooSmall { type_name } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("dimensions for type {type_name} must be at least 1"),
            ),
            Self::TypmodTooLarge { type_name, limit } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("dimensions for type {type_name} cannot exceed {limit}"),
            ),
            Self::ReservedNotZero { value } => {
                (Code::ERRCODE_DATA_EXCEPTION, format!("expected unused to be 0, not {value}"))
            }
            Self::Corrupted { type_name } => (
                Code::ERRCODE_DATA_CORRUPTED,
                format!("stored {type_name} has a length that does not match its dimensions"),
            ),
            Self::Overflow => out_of_range("overflow"),
            Self::Underflow => out_of_range("underflow"),
            Self::ArrayDimensions => (Code::ERRCODE_DATA_EXCEPTION, "array must be 1-D".to_owned()),
            Self::ArrayNulls => {
                (Code::ERRCODE_NULL_VALUE_NOT_ALLOWED, "array must not contain nulls".to_owned())
            }
            Self::ArrayType => (Code::ERRCODE_DATA_EXCEPTION, "unsupported array type".to_owned()),
            Self::StateArray { function } => {
                (Code::ERRCODE_INTERNAL_ERROR, format!("{function}: expected state array"))
            }
        };
        new_report(code, message)
    }
}

fn out_of_range(kind: &str) -> (PgSqlErrorCode, String) {
    (PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, format!("value out of range: {kind}"))
}

fn new_report(code: PgSqlErrorCode, message: String) -> ErrorReport {
    ErrorReport::new(code, message, "proxima")
}
