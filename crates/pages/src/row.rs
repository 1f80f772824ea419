//! A row's value, in the form in which an index is given it.

/// Most dimensions of a dense vector.
pub const DENSE_DIM_MAX: u32 = 16_000;
/// Most bits of a bit string that an index takes.
pub const BITS_DIM_MAX: u32 = 64_000;
/// Most dimensions of a sparse vector.
pub const SPARSE_DIM_MAX: u32 = 1_000_000_000;
/// Most elements of a sparse vector that are not zero.
pub const SPARSE_COUNT_MAX: usize = 16_000;
/// Bytes of an element of a sparse vector: its index, its value.
const PAIR_BYTES: usize = 8;

/// What the values of a column are made of. The numbers are stored in indexes and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Element {
    /// `vector`
    Float4 = 1,
    /// `halfvec`
    Float2 = 2,
    /// `bit`
    Bit = 3,
    /// `sparsevec`
    Sparse = 4,
}

impl Element {
    /// The element with this stored number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Float4),
            2 => Some(Self::Float2),
            3 => Some(Self::Bit),
            4 => Some(Self::Sparse),
            _ => None,
        }
    }

    /// Most dimensions of a column that an index takes.
    pub fn dim_max(self) -> u32 {
        match self {
            Self::Float4 | Self::Float2 => DENSE_DIM_MAX,
            Self::Bit => BITS_DIM_MAX,
            Self::Sparse => SPARSE_DIM_MAX,
        }
    }
}

/// The value of one row.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// Finite numbers.
    Dense(&'a [f32]),
    /// One bit per dimension, in whole bytes; bits beyond the dimensions are zero.
    Bits(&'a [u8]),
    /// Numbers by index.
    Sparse(SparseRow<'a>),
}

/// The elements of a sparse vector that are not zero.
#[derive(Clone, Copy, Debug)]
pub struct SparseRow<'a> {
    /// Ascending, from 0.
    pub indices: &'a [u32],
    /// As many, finite.
    pub values: &'a [f32],
}

impl SparseRow<'_> {
    /// The elements, by ascending index.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, f32)> {
        self.indices.iter().copied().zip(self.values.iter().copied())
    }

    /// L2 norm in float8.
    pub fn norm(&self) -> f64 {
        crate::space::norm(self.values)
    }

    /// The form in which pages hold it: the indices, then the values, in the server's byte order.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        self.indices.iter().for_each(|index| bytes.extend(index.to_ne_bytes()));
        self.values.iter().for_each(|value| bytes.extend(value.to_ne_bytes()));
    }
}

/// Bytes that a sparse vector with `count` elements takes on pages.
pub fn sparse_bytes(count: usize) -> usize {
    count * PAIR_BYTES
}

/// A sparse vector as pages hold it.
#[derive(Clone, Copy, Debug)]
pub struct StoredSparse<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> StoredSparse<'a> {
    /// The vector in `bytes`, unless they cannot be one.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let count = bytes.len() / PAIR_BYTES;
        (bytes.len() == sparse_bytes(count) && count <= SPARSE_COUNT_MAX).then_some(Self { bytes, count })
    }

    /// Number of elements that are not zero.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Its elements, by ascending index.
    #[inline]
    pub fn pairs(&self) -> impl Iterator<Item = (u32, f32)> + use<'a> {
        let (indices, values) = self.bytes.split_at(self.count * 4);
        let word = |bytes: &[u8]| [bytes[0], bytes[1], bytes[2], bytes[3]];
        let indices = indices.chunks_exact(4).map(move |bytes| u32::from_ne_bytes(word(bytes)));
        indices.zip(values.chunks_exact(4).map(move |bytes| f32::from_ne_bytes(word(bytes))))
    }

    /// Whether the indices ascend and are below `dim`, and the values are finite.
    pub fn is_sound(&self, dim: u32) -> bool {
        let mut least = 0;
        self.pairs().all(|(index, value)| {
            let is_next = index >= least && index < dim && value.is_finite();
            least = index.saturating_add(1);
            is_next
        })
    }

    /// L2 norm in float8.
    pub fn norm(&self) -> f64 {
        self.pairs().map(|(_, value)| f64::from(value) * f64::from(value)).sum::<f64>().sqrt()
    }
}
