//! Calls from the function manager: arguments in, result out.
//!
//! SQL functions are C functions of version 1. [`sql_functions!`](crate::sql_functions) writes the two
//! symbols of each; the body sees a [`Call`] and returns a `Result`, so no raw pointer travels further.
//! Distance functions run once per row, so nothing here allocates or calls into PostgreSQL.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;

use pgrx::pg_sys::{self, Datum};

use super::report::Report;
use crate::error::TypeError;

/// One call of a SQL function, valid for the duration `'fc` of the call.
#[derive(Clone, Copy)]
pub struct Call<'fc> {
    fcinfo: NonNull<pg_sys::FunctionCallInfoBaseData>,
    lifetime: PhantomData<&'fc ()>,
}

impl<'fc> Call<'fc> {
    /// # Safety
    /// `fcinfo` is what the function manager passed to the C function that is running now.
    #[inline]
    pub unsafe fn new(fcinfo: pg_sys::FunctionCallInfo) -> Self {
        // SAFETY: the function manager never passes a null call.
        Call { fcinfo: unsafe { NonNull::new_unchecked(fcinfo) }, lifetime: PhantomData }
    }

    /// Argument `n`, counted from 0. The function is STRICT in SQL, so it is not null.
    #[inline]
    pub fn datum(self, n: usize) -> Datum {
        // SAFETY: `fcinfo` is valid for 'fc (contract of `new`).
        let call = unsafe { self.fcinfo.as_ref() };
        assert!(n < call.nargs as usize, "function declared with fewer arguments than its code reads");
        // SAFETY: `args` holds `nargs` entries, and `n` is below that.
        unsafe { (*call.args.as_ptr().add(n)).value }
    }

    /// Argument `n`, declared `integer`.
    #[inline]
    pub fn i32(self, n: usize) -> i32 {
        self.datum(n).value() as u32 as i32
    }

    /// Argument `n`, declared as a type of variable length that keeps a 4-byte length word: flat, in place if it
    /// is stored so.
    #[inline]
    pub fn varlena(self, n: usize) -> Varlena<'fc> {
        let raw = self.datum(n).cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: a non-null argument of a varlena type points to a varlena.
        let (flat, copy) = if unsafe { pgrx::varatt_is_4b_u(raw) } {
            (raw, None)
        } else {
            // SAFETY: as above.
            let flat = unsafe { pg_sys::pg_detoast_datum(raw) };
            (flat, NonNull::new(flat))
        };
        // SAFETY: `flat` has a 4-byte length word, which says how many bytes there are, itself included; they live
        // as long as the argument, which is 'fc, or the copy, which is the current memory context.
        let bytes = unsafe { core::slice::from_raw_parts(flat.cast(), pgrx::varsize_4b(flat)) };
        Varlena { bytes, copy }
    }

    /// Argument `n`, declared `cstring`.
    pub fn cstr(self, n: usize) -> &'fc CStr {
        // SAFETY: a `cstring` datum points to a NUL-terminated string that lives as long as the call.
        unsafe { CStr::from_ptr(self.datum(n).cast_mut_ptr()) }
    }

    /// Whether argument `n` is null.
    pub fn is_null(self, n: usize) -> bool {
        // SAFETY: `fcinfo` is valid for 'fc (contract of `new`).
        let call = unsafe { self.fcinfo.as_ref() };
        assert!(n < call.nargs as usize, "function declared with fewer arguments than its code reads");
        // SAFETY: `args` holds `nargs` entries, and `n` is below that.
        unsafe { (*call.args.as_ptr().add(n)).isnull }
    }

    /// The OID of the procedure, if this is CALL of one that may end transactions.
    pub fn procedure_with_commit(self) -> Option<pg_sys::Oid> {
        // SAFETY: `fcinfo` is valid; `context` is null or points to a Node, whose first field is its tag; `flinfo` is
        // the function manager's.
        unsafe {
            let call = self.fcinfo.as_ref();
            if call.context.is_null() || (*call.context).type_ != pg_sys::NodeTag::T_CallContext {
                return None;
            }
            let context = call.context.cast::<pg_sys::CallContext>();
            (!(*context).atomic).then(|| (*call.flinfo).fn_oid)
        }
    }

    /// Whether the call is a transition of an aggregate: its state (argument 0) is then ours to change.
    pub fn is_aggregate(self) -> bool {
        // SAFETY: `fcinfo` is valid; `context` is null or points to a Node, whose first field is its tag.
        unsafe {
            let context = self.fcinfo.as_ref().context;
            !context.is_null()
                && matches!((*context).type_, pg_sys::NodeTag::T_AggState | pg_sys::NodeTag::T_WindowAggState)
        }
    }

    /// Runs `body`, stores its result in the call; the error is for the caller to raise.
    #[inline]
    pub fn run<T: SqlResult>(
        self,
        body: impl FnOnce(Call<'fc>) -> Result<T, TypeError>,
    ) -> Result<Datum, &'static Report> {
        let result = body(self).map_err(TypeError::report)?.into_result();
        Ok(result.unwrap_or_else(|| {
            // SAFETY: `fcinfo` is valid, and nothing else refers to it while the function runs.
            unsafe { (*self.fcinfo.as_ptr()).isnull = true };
            Datum::null()
        }))
    }
}

/// An argument of variable length, flat and aligned to 4.
pub struct Varlena<'fc> {
    bytes: &'fc [u8],
    /// The flat copy that detoasting made, if the stored value was not flat.
    copy: Option<NonNull<pg_sys::varlena>>,
}

impl<'fc> Varlena<'fc> {
    /// All bytes, the length word included.
    #[inline]
    pub fn bytes(&self) -> &'fc [u8] {
        self.bytes
    }

    /// Frees the copy that detoasting made: for comparisons, which sorts call in one long-lived context.
    ///
    /// # Safety
    /// What [`bytes`](Self::bytes) returned is not used any more.
    #[inline]
    pub unsafe fn free_copy(self) {
        if let Some(copy) = self.copy {
            // SAFETY: `pg_detoast_datum` palloc'd it for this value, which ends here.
            unsafe { pg_sys::pfree(copy.as_ptr().cast()) }
        }
    }
}

/// What a SQL function may return; `None` is NULL.
pub trait SqlResult {
    /// The value as PostgreSQL passes it.
    fn into_result(self) -> Option<Datum>;
}

impl SqlResult for Datum {
    #[inline]
    fn into_result(self) -> Option<Datum> {
        Some(self)
    }
}

impl SqlResult for Option<Datum> {
    #[inline]
    fn into_result(self) -> Option<Datum> {
        self
    }
}

/// Of a procedure.
impl SqlResult for () {
    #[inline]
    fn into_result(self) -> Option<Datum> {
        Some(Datum::null())
    }
}

impl SqlResult for f64 {
    #[inline]
    fn into_result(self) -> Option<Datum> {
        Some(Datum::from(self.to_bits()))
    }
}

impl SqlResult for i32 {
    #[inline]
    fn into_result(self) -> Option<Datum> {
        Some(Datum::from(self))
    }
}

impl SqlResult for bool {
    #[inline]
    fn into_result(self) -> Option<Datum> {
        Some(Datum::from(self))
    }
}

/// Defines C functions of version 1: `name = body;`, or `symbol => body;` with a constant string for the name. `body`
/// takes a [`Call`] and returns `Result<impl SqlResult, TypeError>`.
///
/// pgrx's `#[pg_extern]` would convert arguments through traits made for owned values; here the body reads
/// them in place.
#[macro_export]
macro_rules! sql_functions {
    ($($(#[$attribute:meta])* $name:ident = $body:expr;)+) => {
        $crate::sql_functions! { $(stringify!($name) => $body;)+ }
    };
    ($($symbol:expr => $body:expr;)+) => {$(
        const _: () = {
            /// # Safety
            /// Called by PostgreSQL's function manager only.
            #[unsafe(export_name = $symbol)]
            unsafe extern "C-unwind" fn function(
                fcinfo: pgrx::pg_sys::FunctionCallInfo,
            ) -> pgrx::pg_sys::Datum {
                // SAFETY: the function manager passes the call that is running; this frame has nothing to drop.
                unsafe {
                    $crate::pg::report::value_or_raise(|| $crate::pg::datum::Call::new(fcinfo).run($body))
                }
            }

            #[unsafe(export_name = concat!("pg_finfo_", $symbol))]
            extern "C" fn finfo() -> &'static pgrx::pg_sys::Pg_finfo_record {
                const VERSION_1: pgrx::pg_sys::Pg_finfo_record =
                    pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
                &VERSION_1
            }
        };
    )+};
}

/// `bytes` zeroed bytes in the current memory context, aligned to 8: a new value to return.
pub fn allocate<'a>(bytes: usize) -> &'a mut [u8] {
    // SAFETY: palloc0 returns `bytes` zeroed bytes that nothing else refers to, or raises an error; they live
    // until the context is reset, which is after the call that returns them.
    unsafe { core::slice::from_raw_parts_mut(pg_sys::palloc0(bytes).cast(), bytes) }
}

/// A new varlena of `bytes` bytes including its 4-byte header; returns it and all its bytes.
pub fn allocate_varlena<'a>(bytes: usize) -> (Datum, &'a mut [u8]) {
    let value = allocate(bytes);
    let length = i32::try_from(bytes).expect("palloc0 refuses more than 1 GB");
    // SAFETY: `value` is palloc'd, aligned to 8 and at least 4 bytes long (every varlena is).
    unsafe { pgrx::set_varsize_4b(value.as_mut_ptr().cast(), length) };
    (Datum::from(value.as_mut_ptr()), value)
}
