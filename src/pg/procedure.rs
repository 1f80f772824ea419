//! Procedures that run statements which commit by themselves: CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY.
//!
//! PostgreSQL runs these at top level only, because they end transactions under whoever has called them, and wait for
//! every snapshot that is older than theirs, which a caller's own may be. A procedure in C that a client's CALL runs is
//! where such a statement itself would be: below the portal there is CALL alone, which is made for procedures that
//! commit, keeps what it needs in the portal's memory and holds no snapshot of its own while they run. So:
//!
//! - [`TopLevel::enter`] lets pass only a CALL that is the one statement of the active portal, outside of a transaction
//!   block. Below a function, a DO block or another procedure there would be SPI, whose stack a commit must not find.
//! - [`TopLevel::commit`] is SPI's, which takes the portal's snapshot off as well. After it nothing is held: no
//!   snapshot, no lock but those of the session.
//! - [`Concurrent::run`] is called in a fresh transaction, and does what the portal does for a statement: one active
//!   snapshot, known to the portal, which the statement pops before its first commit.
//! - The current memory context is the portal's whenever PostgreSQL is called, because that of a transaction is gone
//!   when an error in the next one is caught.
//!
//! Rights, settings, cancelling and errors are those of the session, for there is no other process.

use std::ffi::{CStr, CString, c_char};
use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Datum};

use super::compat;
use super::datum::Call;
use super::text::text_datum;

/// A value for a statement.
#[derive(Clone, Copy)]
pub struct Argument {
    kind: pg_sys::Oid,
    /// None: null.
    value: Option<Datum>,
}

impl Argument {
    /// Argument `n` of a call, declared `uuid`.
    pub fn uuid(call: Call<'_>, n: usize) -> Self {
        Argument { kind: pg_sys::UUIDOID, value: (!call.is_null(n)).then(|| call.datum(n)) }
    }

    /// Argument `n`, declared `text`.
    pub fn text(call: Call<'_>, n: usize) -> Self {
        Argument { kind: pg_sys::TEXTOID, value: flat(call, n) }
    }

    /// Argument `n`, declared `jsonb`.
    pub fn jsonb(call: Call<'_>, n: usize) -> Self {
        Argument { kind: pg_sys::JSONBOID, value: flat(call, n) }
    }

    /// A new text.
    pub fn new_text(text: &CStr) -> Self {
        Argument { kind: pg_sys::TEXTOID, value: Some(text_datum(text.to_bytes())) }
    }
}

/// Argument `n` such that it outlives the transaction: not in a TOAST table.
fn flat(call: Call<'_>, n: usize) -> Option<Datum> {
    use_portal_memory();
    (!call.is_null(n)).then(|| Datum::from(call.varlena(n).bytes().as_ptr()))
}

/// The right to end transactions, for as long as a CALL runs at top level.
pub struct TopLevel(());

impl TopLevel {
    /// Raises an error unless `call` is CALL by a client, outside of a transaction block, of a server that can be
    /// written to. `command` is what messages name.
    pub fn enter(call: Call<'_>, command: &CStr) -> Self {
        // SAFETY: the name is a C string; the backend's main thread, in a transaction.
        unsafe {
            pg_sys::PreventCommandIfReadOnly(command.as_ptr());
            pg_sys::PreventInTransactionBlock(is_top_level(call), command.as_ptr());
        }
        use_portal_memory();
        TopLevel(())
    }

    /// Runs a statement in the current transaction and returns its rows as text, null as the empty one.
    pub fn query<const COLUMNS: usize>(&self, sql: &CStr, arguments: &[Argument]) -> Vec<[CString; COLUMNS]> {
        let mut types: Vec<_> = arguments.iter().map(|argument| argument.kind).collect();
        let mut values: Vec<_> =
            arguments.iter().map(|argument| argument.value.unwrap_or(Datum::null())).collect();
        let nulls: Vec<_> =
            arguments.iter().map(|argument| if argument.value.is_some() { b' ' } else { b'n' }).collect();
        // SAFETY: values are of their types. The arrays are as long as said, and live until the call returns, which
        // copies what it keeps. SPI is connected until the rows are read.
        unsafe {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            connect();
            let (count, nulls) = (arguments.len() as i32, nulls.as_ptr().cast());
            let result = pg_sys::SPI_execute_with_args(
                sql.as_ptr(),
                count,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls,
                false,
                0,
            );
            assert!(result >= 0, "SPI runs a statement");
            let rows = rows();
            pg_sys::SPI_finish();
            pg_sys::PopActiveSnapshot();
            rows
        }
    }

    /// Commits and begins another transaction, which has no snapshot yet.
    pub fn commit(&self) {
        // SAFETY: the CALL may end transactions (`enter`), and SPI is connected to nothing else.
        unsafe {
            connect();
            pg_sys::SPI_commit();
            // Does nothing where SPI_commit has begun the transaction, which older minor versions did not.
            pg_sys::SPI_start_transaction();
            pg_sys::SPI_finish();
        }
        pgrx::check_for_interrupts!();
    }
}

/// Whether PostgreSQL would run CREATE INDEX CONCURRENTLY in place of this call.
fn is_top_level(call: Call<'_>) -> bool {
    let Some(procedure) = call.procedure_with_commit() else { return false };
    // SAFETY: null, or the portal that is being run, with its statements; what is a CallStmt has its expression, since
    // it was analysed.
    unsafe {
        let Some(portal) = pg_sys::ActivePortal.as_ref() else { return false };
        let Some(statement) = only(portal.stmts).cast::<pg_sys::PlannedStmt>().as_ref() else { return false };
        let utility = statement.utilityStmt;
        if utility.is_null() || (*utility).type_ != pg_sys::NodeTag::T_CallStmt {
            return false;
        }
        (*(*utility.cast::<pg_sys::CallStmt>()).funcexpr).funcid == procedure
    }
}

/// The only element of a list of pointers; null if there are more, or none.
unsafe fn only(list: *mut pg_sys::List) -> *mut pg_sys::Node {
    // SAFETY: by the caller's contract it is null, or a list of pointers with so many elements.
    unsafe {
        match list.as_ref() {
            Some(list) if list.length == 1 => (*list.elements).ptr_value.cast(),
            _ => std::ptr::null_mut(),
        }
    }
}

fn use_portal_memory() {
    // SAFETY: the context of the portal that runs the CALL, which outlives it.
    unsafe { pg_sys::CurrentMemoryContext = pg_sys::PortalContext }
}

/// Connects to SPI such that transactions may end; memory is below the portal's then.
unsafe fn connect() {
    use_portal_memory();
    // SAFETY: disconnected by the caller, or by the end of the transaction that an error brings.
    let result = unsafe { pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32) };
    assert!(result == pg_sys::SPI_OK_CONNECT as i32, "SPI can always be connected to");
}

/// The rows of the last statement.
unsafe fn rows<const COLUMNS: usize>() -> Vec<[CString; COLUMNS]> {
    // SAFETY: SPI is connected, by the caller's contract; the table is null or has so many rows, and SPI_getvalue
    // returns null or a new C string, also for a column that is not there.
    unsafe {
        let Some(table) = pg_sys::SPI_tuptable.as_ref() else { return Vec::new() };
        let value = |row: usize, column: usize| {
            let text = pg_sys::SPI_getvalue(*table.vals.add(row), table.tupdesc, column as i32 + 1);
            if text.is_null() { CString::default() } else { CStr::from_ptr(text).to_owned() }
        };
        (0..table.numvals as usize).map(|row| std::array::from_fn(|column| value(row, column))).collect()
    }
}

/// A parsed CREATE INDEX CONCURRENTLY or DROP INDEX CONCURRENTLY, in the portal's memory.
pub struct Concurrent<'s> {
    sql: &'s CStr,
    statement: *mut pg_sys::Node,
    /// Qualified, and quoted where it has to be.
    index: CString,
}

impl<'s> Concurrent<'s> {
    /// None if `sql` is another statement. An index to be created gets the name that PostgreSQL would give it, so that
    /// it is known if the statement fails; `table` and `column` are what it is on.
    pub fn parse(_: &TopLevel, sql: &'s CStr, table: u32, column: &CStr) -> Option<Self> {
        use_portal_memory();
        let table = pg_sys::Oid::from(table);
        // SAFETY: what the parser makes of a C string: raw statements, each of the structure that its tag says. Names
        // are C strings that it has allocated. The catalogues are read in a transaction.
        unsafe {
            let raw = only(pg_sys::pg_parse_query(sql.as_ptr())).cast::<pg_sys::RawStmt>().as_ref()?;
            let statement = raw.stmt;
            let (schema, name) = match (*statement).type_ {
                pg_sys::NodeTag::T_IndexStmt => {
                    let create = &mut *statement.cast::<pg_sys::IndexStmt>();
                    let schema = pg_sys::get_rel_namespace(table);
                    create.idxname = free_name(table, schema, column);
                    (pg_sys::get_namespace_name(schema).cast_const(), create.idxname)
                }
                pg_sys::NodeTag::T_DropStmt => {
                    let names = only((*statement.cast::<pg_sys::DropStmt>()).objects);
                    let index = pg_sys::makeRangeVarFromNameList(names.cast());
                    ((*index).schemaname.cast_const(), (*index).relname)
                }
                _ => return None,
            };
            let name = pg_sys::quote_qualified_identifier(schema, name);
            Some(Concurrent { sql, statement, index: CStr::from_ptr(name).to_owned() })
        }
    }

    /// Runs the statement in transactions of its own; the current one, which has done nothing, is the first. An error
    /// that leaves the index invalid is for `raise` to raise.
    pub fn run(&self, top: &TopLevel, raise: fn(&CaughtError, &CStr)) {
        let before = compat::local_transaction();
        let run = || {
            // SAFETY: the statement is whole and nobody else's. This is the top level (`TopLevel`), in a fresh
            // transaction.
            unsafe { self.process() };
            top.commit();
        };
        PgTryBuilder::new(AssertUnwindSafe(run))
            .catch_others(|error| {
                if compat::local_transaction() != before {
                    raise(&error, &self.index);
                }
                error.rethrow()
            })
            .execute();
    }

    unsafe fn process(&self) {
        use_portal_memory();
        // SAFETY: by the caller's contract; all structures live in the portal's memory, or on this stack, until the
        // call returns.
        unsafe {
            let planned =
                pgrx::PgBox::<pg_sys::PlannedStmt>::alloc_node(pg_sys::NodeTag::T_PlannedStmt).into_pg();
            (*planned).commandType = pg_sys::CmdType::CMD_UTILITY;
            (*planned).utilityStmt = self.statement;
            (*planned).stmt_location = -1;
            let portal = pg_sys::ActivePortal;
            pg_sys::PushActiveSnapshotWithLevel(pg_sys::GetTransactionSnapshot(), (*portal).createLevel);
            (*portal).portalSnapshot = pg_sys::GetActiveSnapshot();
            pg_sys::ProcessUtility(
                planned,
                self.sql.as_ptr(),
                false,
                pg_sys::ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                pg_sys::None_Receiver,
                std::ptr::null_mut(),
            );
            use_portal_memory();
            // None, or one that functions of event triggers have made the portal take after the last commit.
            if pg_sys::ActiveSnapshotSet() {
                pg_sys::PopActiveSnapshot();
            }
            (*portal).portalSnapshot = std::ptr::null_mut();
        }
    }
}

/// A name for an index on a column of a table that no relation of the schema has.
unsafe fn free_name(table: pg_sys::Oid, schema: pg_sys::Oid, column: &CStr) -> *mut c_char {
    // SAFETY: reads catalogues in a transaction, by the caller's contract; both strings are C strings.
    unsafe {
        let name = pg_sys::get_rel_name(table);
        let name = if name.is_null() { c"".as_ptr() } else { name };
        pg_sys::ChooseRelationName(name, column.as_ptr(), c"idx".as_ptr(), schema, false)
    }
}
