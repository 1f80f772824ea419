//! PostgreSQL's arrays, seen as slices.

use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ptr::NonNull;

use pgrx::direct_function_call;
use pgrx::pg_sys::{self, ArrayType, Datum, Oid};

use super::datum::{Call, allocate, allocate_varlena};

/// Bytes before the elements of a one-dimensional array without nulls.
const HEADER_BYTES: usize = size_of::<ArrayType>() + 2 * size_of::<i32>();
const _: () = assert!(HEADER_BYTES == 24 && HEADER_BYTES.is_multiple_of(8));

/// An array argument, detoasted.
pub struct Array<'fc> {
    raw: NonNull<ArrayType>,
    lifetime: PhantomData<&'fc ArrayType>,
}

/// Element types whose values lie one after the other in an array.
pub trait ArrayElement: Copy + 'static {
    /// The SQL type.
    const OID: Oid;
}

impl ArrayElement for i32 {
    const OID: Oid = pg_sys::INT4OID;
}
impl ArrayElement for f32 {
    const OID: Oid = pg_sys::FLOAT4OID;
}
impl ArrayElement for f64 {
    const OID: Oid = pg_sys::FLOAT8OID;
}

impl<'fc> Array<'fc> {
    /// Argument `n` of `call`, declared as some array type.
    pub fn argument(call: Call<'fc>, n: usize) -> Self {
        // SAFETY: the argument is a non-null array; detoasting returns it or a flat copy of it.
        let flat = unsafe { pg_sys::pg_detoast_datum(call.datum(n).cast_mut_ptr()) };
        Array {
            raw: NonNull::new(flat.cast()).expect("detoasting never returns null"),
            lifetime: PhantomData,
        }
    }

    fn header(&self) -> &ArrayType {
        // SAFETY: `raw` is a flat array (see `argument`), alive for 'fc.
        unsafe { self.raw.as_ref() }
    }

    /// Number of dimensions; 0 for an empty array.
    pub fn ndim(&self) -> usize {
        self.header().ndim as usize
    }

    /// Number of elements of an array with at most one dimension.
    pub fn len(&self) -> usize {
        debug_assert!(self.ndim() <= 1);
        if self.ndim() == 0 {
            return 0;
        }
        // SAFETY: `ndim` lengths follow the header, and there is at least one.
        unsafe { self.raw.add(1).cast::<i32>().read() as usize }
    }

    /// The type of the elements.
    pub fn element_type(&self) -> Oid {
        self.header().elemtype
    }

    /// Whether the array has room for nulls: true for every array with a null, and for a few without.
    pub fn has_null_bitmap(&self) -> bool {
        self.header().dataoffset != 0
    }

    /// Whether an element is null.
    pub fn contains_nulls(&self) -> bool {
        // SAFETY: `raw` is a flat array.
        self.has_null_bitmap() && unsafe { pg_sys::array_contains_nulls(self.raw.as_ptr()) }
    }

    /// The elements, when they are of SQL type `T` and none is null.
    pub fn elements<T: ArrayElement>(&self) -> Option<&'fc [T]> {
        if self.element_type() != T::OID || self.ndim() > 1 || self.contains_nulls() {
            return None;
        }
        if self.len() == 0 {
            return Some(&[]);
        }
        let offset = match self.header().dataoffset {
            0 => HEADER_BYTES,
            offset => offset as usize,
        };
        // SAFETY: the elements begin at `offset`, aligned for their type; without nulls there are `len` of them,
        // one after the other, because the type has a fixed length; they live for 'fc.
        unsafe { Some(core::slice::from_raw_parts(self.raw.byte_add(offset).cast().as_ptr(), self.len())) }
    }

    /// The elements for changing, when [`elements`](Self::elements) has them.
    ///
    /// # Safety
    /// Nothing else may use the array: it is the state of the aggregate that is calling.
    pub unsafe fn elements_mut<T: ArrayElement>(&self) -> Option<&'fc mut [T]> {
        let elements = self.elements::<T>()?;
        // SAFETY: the caller promises that nothing else refers to these elements.
        unsafe { Some(core::slice::from_raw_parts_mut(elements.as_ptr().cast_mut(), elements.len())) }
    }

    /// The elements of a `numeric[]` without nulls, converted by PostgreSQL's own cast to `real`.
    ///
    /// In the server's memory: an array may have a hundred million of them, and running out of memory is then an error.
    fn numeric_to_f32(&self) -> &'fc [f32] {
        let (mut datums, mut count) = (core::ptr::null_mut(), 0);
        // SAFETY: `raw` is a flat array of numeric, a varlena type with alignment 'i'; without nulls the third
        // output is not wanted. `numbers` has room for one f32 per datum.
        unsafe {
            pg_sys::deconstruct_array(
                self.raw.as_ptr(),
                pg_sys::NUMERICOID,
                -1,
                false,
                pg_sys::TYPALIGN_INT as _,
                &mut datums,
                core::ptr::null_mut(),
                &mut count,
            );
            let datums = core::slice::from_raw_parts(datums, count as usize);
            let numbers = allocate(count as usize * size_of::<f32>()).as_mut_ptr().cast::<f32>();
            for (i, &datum) in datums.iter().enumerate() {
                pgrx::check_for_interrupts!();
                let number = direct_function_call(pg_sys::numeric_float4, &[Some(datum)]);
                numbers.add(i).write(number.unwrap_or(f32::NAN));
            }
            core::slice::from_raw_parts(numbers, datums.len())
        }
    }

    /// `self` as a value to return.
    pub fn into_datum(self) -> Datum {
        Datum::from(self.raw.as_ptr())
    }
}

/// The elements of an array of any type of number, each rounded to `f32`.
pub enum Numbers<'fc> {
    F32(&'fc [f32]),
    F64(&'fc [f64]),
    I32(&'fc [i32]),
    Numeric(&'fc [f32]),
}

impl<'fc> Numbers<'fc> {
    /// The elements of `array`, which has at most one dimension and no null; `None` if they are something else.
    pub fn of(array: &Array<'fc>) -> Option<Self> {
        if let Some(values) = array.elements() {
            Some(Self::F32(values))
        } else if let Some(values) = array.elements() {
            Some(Self::F64(values))
        } else if let Some(values) = array.elements() {
            Some(Self::I32(values))
        } else if array.element_type() == pg_sys::NUMERICOID {
            Some(Self::Numeric(array.numeric_to_f32()))
        } else {
            None
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::Numeric(values) => values.len(),
        }
    }

    /// The elements in order; infinite what `f32` has no number for.
    pub fn iter(&self) -> impl Iterator<Item = f32> + Clone {
        (0..self.len()).map(|i| match self {
            Self::F32(values) => values[i],
            Self::F64(values) => values[i] as f32,
            Self::I32(values) => values[i] as f32,
            Self::Numeric(values) => values[i],
        })
    }
}

/// A new one-dimensional array of `len` zeros; returns it and its elements.
pub fn new_array<'a, T: ArrayElement>(len: usize) -> (Datum, &'a mut [T]) {
    const { assert!(HEADER_BYTES.is_multiple_of(align_of::<T>())) };
    let (datum, bytes) = allocate_varlena(HEADER_BYTES + len * size_of::<T>());
    let raw = bytes.as_mut_ptr();
    // SAFETY: the allocation is aligned to 8 and has HEADER_BYTES before `len` elements; all-zero is a valid T.
    unsafe {
        let header = raw.cast::<ArrayType>();
        (*header).ndim = 1;
        (*header).dataoffset = 0;
        (*header).elemtype = T::OID;
        let lengths = header.add(1).cast::<i32>();
        lengths.write(i32::try_from(len).expect("vectors are short"));
        lengths.add(1).write(1);
        (datum, core::slice::from_raw_parts_mut(raw.add(HEADER_BYTES).cast(), len))
    }
}

/// The integers of a type modifier, from the `cstring[]` that a typmod input function gets.
pub fn integer_typmods<'fc>(call: Call<'fc>) -> &'fc [i32] {
    let mut count = 0;
    let array = Array::argument(call, 0);
    // SAFETY: PostgreSQL passes a one-dimensional cstring[]; the function returns `count` palloc'd integers or
    // raises an error.
    unsafe {
        let typmods = pg_sys::ArrayGetIntegerTypmods(array.raw.as_ptr(), &mut count);
        core::slice::from_raw_parts(typmods, count as usize)
    }
}
