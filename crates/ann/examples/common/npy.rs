//! Matrices in .npy files.

use std::path::Path;

pub type Failure = Box<dyn std::error::Error>;

/// A matrix of float32.
pub struct Matrix {
    pub values: Vec<f32>,
    pub dim: usize,
}

impl Matrix {
    pub fn count(&self) -> usize {
        self.values.len() / self.dim
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }
}

/// Bytes behind the header, and the number of columns.
pub fn read_npy(path: &Path, kind: &str) -> Result<(Vec<u8>, usize), Failure> {
    let mut bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
    if &bytes[..7] != b"\x93NUMPY\x01" || !header.contains(kind) || header.contains("True") {
        return Err(format!("{}: not a row-major {kind} matrix: {header}", path.display()).into());
    }
    let shape = header.split(['(', ')']).nth(1).ok_or("no shape")?;
    let columns = shape.split(',').nth(1).ok_or("not two-dimensional")?.trim().parse()?;
    Ok((bytes.split_off(10 + length), columns))
}

fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

pub fn read_matrix(path: &Path) -> Result<Matrix, Failure> {
    let (bytes, dim) = read_npy(path, "<f2")?;
    let halves = bytes.as_chunks::<2>().0.iter();
    Ok(Matrix { values: halves.map(|&pair| half_to_f32(u16::from_le_bytes(pair))).collect(), dim })
}
