//! Data sets. Most are folders with base.npy and queries.npy (little-endian float16) and gt_cos.npy (int32, exact
//! neighbors).

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use half::f16;

/// A matrix, row-major.
pub struct Matrix<T> {
    /// Rows.
    pub count: usize,
    /// Columns.
    pub dim: usize,
    /// The numbers.
    pub values: Vec<T>,
}

impl<T> Matrix<T> {
    /// One row.
    pub fn row(&self, at: usize) -> &[T] {
        &self.values[at * self.dim..][..self.dim]
    }
}

/// The vectors of a table, wherever they come from.
pub trait Rows: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// Dimensions.
    fn dim(&self) -> usize;
    /// The rows with these numbers, one after the other. Those that are made come to lie in `space`.
    fn batch<'a>(&'a self, numbers: Range<usize>, space: &'a mut Vec<f32>) -> &'a [f32];
}

impl Rows for Matrix<f32> {
    fn count(&self) -> usize {
        self.count
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn batch<'a>(&'a self, numbers: Range<usize>, _: &'a mut Vec<f32>) -> &'a [f32] {
        &self.values[numbers.start * self.dim..numbers.end * self.dim]
    }
}

/// Vectors, queries and exact answers.
pub struct Dataset<R = Matrix<f32>> {
    /// For headings and files.
    pub name: String,
    /// The vectors.
    pub rows: R,
    /// The queries.
    pub queries: Matrix<f32>,
    /// Row numbers by cosine distance, nearest first, for each query.
    pub truth: Matrix<i32>,
    /// Whether the table keeps them within its rows, of whatever length (STORAGE PLAIN), instead of TOAST.
    pub is_inline: bool,
}

impl Dataset {
    /// Reads a folder.
    ///
    /// # Errors
    /// If a file is missing or of another form.
    pub fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let half = |bytes: &[u8]| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
        let int = |bytes: &[u8]| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(Self {
            name: folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            rows: read_npy(&folder.join("base.npy"), "<f2", 2, half)?,
            queries: read_npy(&folder.join("queries.npy"), "<f2", 2, half)?,
            truth: read_npy(&folder.join("gt_cos.npy"), "<i4", 4, int)?,
            is_inline: false,
        })
    }
}

fn read_npy<T>(
    path: &Path,
    kind: &str,
    width: usize,
    number: impl Fn(&[u8]) -> T,
) -> Result<Matrix<T>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let bad = |what: &str| format!("{}: {what}", path.display());
    if bytes.len() < 10 || &bytes[..6] != b"\x93NUMPY" {
        return Err(bad("not a .npy file").into());
    }
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(bytes.get(10..start).ok_or_else(|| bad("cut short"))?).into_owned();
    if !header.contains(kind) || header.contains("True") {
        return Err(bad("unexpected element type or order").into());
    }
    let shape = header.split('(').nth(1).and_then(|rest| rest.split(')').next()).unwrap_or("");
    let sizes: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let [count, dim] = sizes[..] else { return Err(bad("not a matrix").into()) };
    if bytes.len() != start + count * dim * width {
        return Err(bad("length does not match its shape").into());
    }
    Ok(Matrix { count, dim, values: bytes[start..].chunks_exact(width).map(number).collect() })
}
