//! The files: arrays in NumPy's format, texts as tab-separated values.

use std::fs;
use std::io;
use std::path::Path;

use half::f16;

/// A folder of embeddings, read.
pub struct Data {
    /// The embeddings of `texts`, one per row.
    pub base: Matrix<f32>,
    /// What the rows mean.
    pub texts: Vec<String>,
    /// The embeddings of `query_texts`.
    pub queries: Matrix<f32>,
    /// What the queries mean.
    pub query_texts: Vec<String>,
    /// For each query the rows nearest to it by cosine distance, nearest first.
    pub nearest: Matrix<i32>,
}

impl Data {
    /// Reads `folder`.
    ///
    /// # Errors
    /// If a file is missing or not what its name promises.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let halves =
            |bytes: &[u8]| bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        let integers = |bytes: &[u8]| {
            bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        Ok(Data {
            base: Matrix::read(&folder.join("base.npy"), "<f2", halves)?,
            texts: read_texts(&folder.join("texts.tsv"))?,
            queries: Matrix::read(&folder.join("queries.npy"), "<f2", halves)?,
            query_texts: read_texts(&folder.join("queries.tsv"))?,
            nearest: Matrix::read(&folder.join("gt_cos.npy"), "<i4", integers)?,
        })
    }
}

/// A table of numbers, row by row.
pub struct Matrix<T> {
    columns: usize,
    values: Vec<T>,
}

impl<T> Matrix<T> {
    /// Reads a two-dimensional array of element type `descr` from a .npy file.
    fn read(path: &Path, descr: &str, convert: impl Fn(&[u8]) -> Vec<T>) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::other(format!("{}: {what}", path.display()));
        let bytes = fs::read(path).map_err(|error| wrong(&error.to_string()))?;
        // Magic, version 1.0, two bytes of header length, the header, the values.
        let rest =
            bytes.strip_prefix(b"\x93NUMPY\x01\x00").ok_or_else(|| wrong("not a .npy file of version 1"))?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(|| wrong("too short"))?;
        let (header, body) = rest
            .split_at_checked(usize::from(u16::from_le_bytes(*length)))
            .ok_or_else(|| wrong("too short"))?;
        let header = String::from_utf8_lossy(header);
        if !header.contains(&format!("'descr': '{descr}'")) || !header.contains("'fortran_order': False") {
            return Err(wrong(&format!("not an array of {descr} row by row")));
        }
        let [rows, columns] = shape(&header).ok_or_else(|| wrong("not two-dimensional"))?;
        let values = convert(body);
        if columns == 0 || values.len() != rows * columns {
            return Err(wrong("its length does not match its shape"));
        }
        Ok(Matrix { columns, values })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[T] {
        &self.values[i * self.columns..][..self.columns]
    }
}

/// `'shape': (200, 384)` in the header of a .npy file.
fn shape(header: &str) -> Option<[usize; 2]> {
    let (_, rest) = header.split_once("'shape': (")?;
    let (numbers, _) = rest.split_once(')')?;
    let numbers: Result<Vec<usize>, _> = numbers.split(',').map(|number| number.trim().parse()).collect();
    numbers.ok()?.try_into().ok()
}

/// The second column; the first is the row number.
fn read_texts(path: &Path) -> io::Result<Vec<String>> {
    let text =
        fs::read_to_string(path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    Ok(text.lines().filter_map(|line| line.split_once('\t')).map(|(_, text)| text.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn shape_of_two_dimensions_only() {
        assert_eq!(shape("{'descr': '<f2', 'shape': (200, 384), }"), Some([200, 384]));
        assert_eq!(shape("{'shape': (200,), }"), None);
        assert_eq!(shape("{'shape': (2, 3, 4), }"), None);
        assert_eq!(shape("{}"), None);
    }
}
