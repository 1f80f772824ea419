//! The block product for AVX-512 with VNNI, for AVX2, and for SSE4.1.
//!
//! A tile keeps `M` rows x `P` panels of sums in registers and walks once along the coordinates. Groups of
//! panels are the outer loop, so their bytes stay in the first-level cache while all rows pass.
#![allow(unsafe_code, reason = "vector intrinsics behind a detected instruction set")]

pub(crate) mod nearest;
pub(crate) mod select;

use std::arch::x86_64::*;

use crate::block::{
    Line, NO_DISTANCE, PANEL, PanelRows, Panels, Space, pack_panel, row, row_term, sum_of_differences,
    sum_of_squares,
};

/// Defines the safe entry `$name`, whose body `$body` is compiled for the instruction set `$features`.
macro_rules! entry {
    ($(#[$doc:meta])* $name:ident = $body:path, $features:literal,
     ($($arg:ident: $type:ty),*) $(-> $result:ty)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $type),*) $(-> $result)? {
            #[target_feature(enable = $features)]
            fn compiled($($arg: $type),*) $(-> $result)? {
                $body($($arg),*)
            }
            // SAFETY: only `Tier` selects this entry, and a tier exists only when its features were detected.
            unsafe { compiled($($arg),*) }
        }
    };
}
use entry;

entry!(
    /// Packs one panel.
    pack_avx512 = pack512, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni",
    (space: Space, panel: &PanelRows<'_>, lines: &mut [Line], norms: &mut [u32])
);
entry!(
    /// Packs one panel.
    pack_avx2 = pack_panel, "avx2",
    (space: Space, panel: &PanelRows<'_>, lines: &mut [Line], norms: &mut [u32])
);
entry!(
    /// See [`Panels::distances`]; `out` is `ids.len()` x `stride()`.
    distances_avx512 = distances512, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni",
    (panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32])
);
entry!(
    /// See [`Panels::distances`]; `out` is `ids.len()` x `stride()`.
    distances_avx2 = distances256, "avx2",
    (panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32])
);
entry!(
    /// See [`Panels::distances`]; `out` is `ids.len()` x `stride()`.
    distances_sse41 = distances128, "sse4.1",
    (panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32])
);
/// Asks for the cache lines of `values`.
pub(crate) fn prefetch<T>(values: &[T]) {
    for line in values.chunks(64 / size_of::<T>()) {
        // SAFETY: SSE is part of x86-64; prefetching reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}

/// The 16 values at the start of `values`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load512(values: &[u32]) -> __m512i {
    assert!(values.len() >= 16);
    // SAFETY: 16 values are there, checked above; the load needs no alignment.
    unsafe { _mm512_loadu_epi32(values.as_ptr().cast()) }
}

/// Packs a panel; for L2 by transposing 16 x 16 groups of 4 bytes in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn pack512(space: Space, panel: &PanelRows<'_>, lines: &mut [Line], norms: &mut [u32]) {
    if space == Space::L1 {
        return pack_panel(space, panel, lines, norms);
    }
    let bias = _mm512_set1_epi8(-128);
    for (block, lines) in lines.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let mut groups = [_mm512_setzero_si512(); 16];
        for (group, row) in groups.iter_mut().zip(panel.rows) {
            let codes = &row[block * 64..][..64];
            // SAFETY: `codes` has 64 bytes; the load needs no alignment.
            let loaded = unsafe { _mm512_loadu_epi8(codes.as_ptr()) };
            *group = _mm512_xor_si512(loaded, bias);
        }
        transpose512(&mut groups);
        for (line, group) in lines.iter_mut().zip(groups) {
            // SAFETY: a line has 64 bytes and is aligned to 64.
            unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), group) };
        }
    }
    for (norm, row) in norms.iter_mut().zip(panel.rows) {
        *norm = moments512(row).0;
    }
}

/// Transposes a 16 x 16 matrix of 4-byte values.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose512(rows: &mut [__m512i; 16]) {
    let mut pairs = *rows;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    // Now quads[4 * q + c]: in lane l the values of rows 4q..4q+4 in column 4 l + c.
    let mut quads = pairs;
    for q in 0..4 {
        let p = &pairs[4 * q..4 * q + 4];
        quads[4 * q] = _mm512_unpacklo_epi64(p[0], p[2]);
        quads[4 * q + 1] = _mm512_unpackhi_epi64(p[0], p[2]);
        quads[4 * q + 2] = _mm512_unpacklo_epi64(p[1], p[3]);
        quads[4 * q + 3] = _mm512_unpackhi_epi64(p[1], p[3]);
    }
    for c in 0..4 {
        let low = _mm512_shuffle_i32x4::<0b10_00_10_00>(quads[c], quads[4 + c]);
        let high = _mm512_shuffle_i32x4::<0b11_01_11_01>(quads[c], quads[4 + c]);
        let low2 = _mm512_shuffle_i32x4::<0b10_00_10_00>(quads[8 + c], quads[12 + c]);
        let high2 = _mm512_shuffle_i32x4::<0b11_01_11_01>(quads[8 + c], quads[12 + c]);
        rows[c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, low2);
        rows[8 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, low2);
        rows[4 + c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high, high2);
        rows[12 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high, high2);
    }
}

/// `P` neighbouring panels as a tile reads them, and where their distances go.
struct Columns<'a> {
    lines: &'a [Line],
    norms: &'a [u32],
    /// Lines from one panel to the next.
    panel_lines: usize,
    /// First column of the group in a row of the output.
    first: usize,
}

impl<'a> Columns<'a> {
    #[inline(always)]
    fn new(panels: &'a Panels, panel: usize, count: usize) -> Self {
        let panel_lines = panels.dim / 4;
        let first = panel * PANEL;
        Self {
            lines: &panels.lines[panel * panel_lines..(panel + count) * panel_lines],
            norms: &panels.norms[first..first + count * PANEL],
            panel_lines,
            first,
        }
    }
}

/// Rows whose terms are computed together; their codes and a group of panels share the first-level cache.
const ROWS_AT_ONCE: usize = 24;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn distances512(panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32]) {
    let stride = panels.stride();
    for (ids, out) in ids.chunks(ROWS_AT_ONCE).zip(out.chunks_mut(ROWS_AT_ONCE * stride)) {
        let mut lefts = [Left { codes: &[], term: 0 }; ROWS_AT_ONCE];
        let lefts = &mut lefts[..ids.len()];
        for (left, &id) in lefts.iter_mut().zip(ids) {
            left.codes = row(codes, id, panels.dim);
            if panels.space == Space::L2 {
                left.term = term512(left.codes);
            }
        }
        batch512(panels, lefts, out);
    }
}

/// A row that meets the columns.
#[derive(Clone, Copy)]
struct Left<'a> {
    codes: &'a [i8],
    /// What its L2 distances have in common.
    term: u32,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn batch512(panels: &Panels, lefts: &[Left<'_>], out: &mut [u32]) {
    let count = panels.stride() / PANEL;
    let mut panel = 0;
    while panel < count {
        let rest = count - panel;
        panel += match (panels.space, lefts.len(), rest) {
            (Space::L2, 1, 8..) => group512::<8>(panels, panel, lefts, out),
            (Space::L2, 1, 6..) => group512::<6>(panels, panel, lefts, out),
            (Space::L2, 1, 5) => group512::<5>(panels, panel, lefts, out),
            (Space::L2, _, 4..) => group512::<4>(panels, panel, lefts, out),
            (Space::L2, _, 3) => group512::<3>(panels, panel, lefts, out),
            (Space::L2, _, 2) => group512::<2>(panels, panel, lefts, out),
            (Space::L2, _, _) => group512::<1>(panels, panel, lefts, out),
            (Space::L1, _, _) => group_l1_512(panels, panel, lefts, out),
        };
    }
}

/// Sum of squares and sum of a row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn moments512(row: &[i8]) -> (u32, i32) {
    let ones = _mm512_set1_epi8(1);
    let (mut squares, mut sum) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for codes in row.as_chunks::<64>().0 {
        // SAFETY: a chunk has 64 bytes; the load needs no alignment.
        let codes = unsafe { _mm512_loadu_epi8(codes.as_ptr()) };
        sum = _mm512_dpbusd_epi32(sum, ones, codes);
        // Squares need 16 bits: -128 has no positive counterpart in 8.
        let low = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(codes));
        let high = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64::<1>(codes));
        squares = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(squares, low, low), high, high);
    }
    (_mm512_reduce_add_epi32(squares) as u32, _mm512_reduce_add_epi32(sum))
}

/// See [`row_term`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn term512(row: &[i8]) -> u32 {
    let (squares, sum) = moments512(row);
    squares.wrapping_add((sum as u32).wrapping_mul(256))
}

/// All rows against `P` panels from `panel`; returns `P`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn group512<const P: usize>(p: &Panels, panel: usize, lefts: &[Left<'_>], out: &mut [u32]) -> usize {
    let columns = Columns::new(p, panel, P);
    let stride = p.stride();
    let (sixes, rest) = if P <= 4 { lefts.as_chunks::<6>() } else { (&[][..], lefts) };
    for (lefts, out) in sixes.iter().zip(out.chunks_exact_mut(6 * stride)) {
        // More sums than registers would be wasteful, so wide groups are for single rows.
        if P <= 4 {
            tile512::<6, P>(lefts, &columns, out);
        }
    }
    let out = &mut out[sixes.len() * 6 * stride..];
    for (left, out) in rest.iter().zip(out.chunks_exact_mut(stride)) {
        tile512::<1, P>(&[*left], &columns, out);
    }
    P
}

/// `M` rows against `P` panels, L2. `out`: M x (out.len() / M).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile512<const M: usize, const P: usize>(lefts: &[Left<'_>; M], columns: &Columns<'_>, out: &mut [u32]) {
    let sums = sums512::<M, P>(lefts, columns);
    let stride = out.len() / M;
    for ((left, sums), out) in lefts.iter().zip(sums).zip(out.chunks_exact_mut(stride)) {
        let term = _mm512_set1_epi32(left.term as i32);
        let out = &mut out[columns.first..][..P * PANEL];
        for (p, sum) in sums.into_iter().enumerate() {
            let distance = distance512(term, sum, &columns.norms[p * PANEL..]);
            let out = &mut out[p * PANEL..][..PANEL];
            // SAFETY: `out` has 16 values; the store needs no alignment.
            unsafe { _mm512_storeu_epi32(out.as_mut_ptr().cast(), distance) };
        }
    }
}

/// Distances of a row from the columns of a panel with these norms.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn distance512(term: __m512i, sum: __m512i, norms: &[u32]) -> __m512i {
    _mm512_sub_epi32(_mm512_add_epi32(term, load512(norms)), _mm512_slli_epi32::<1>(sum))
}

/// The sums of products of `M` rows with the columns of `P` panels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn sums512<const M: usize, const P: usize>(
    lefts: &[Left<'_>; M],
    columns: &Columns<'_>,
) -> [[__m512i; P]; M] {
    let steps = columns.panel_lines;
    assert!(columns.lines.len() == P * steps && lefts.iter().all(|left| left.codes.len() == 4 * steps));
    let mut sums = [[_mm512_setzero_si512(); P]; M];
    let lines = columns.lines.as_ptr();
    let starts = lefts.map(|left| left.codes.as_ptr());
    for step in 0..steps {
        let mut packed = [_mm512_setzero_si512(); P];
        for (p, packed) in packed.iter_mut().enumerate() {
            // SAFETY: `p * steps + step < P * steps`, the number of lines; lines are aligned to 64.
            *packed = unsafe { _mm512_load_si512(lines.add(p * steps + step).cast()) };
        }
        for (start, sums) in starts.iter().zip(&mut sums) {
            // SAFETY: a row has `4 * steps` bytes; the read needs no alignment.
            let four = unsafe { start.add(4 * step).cast::<i32>().read_unaligned() };
            let four = _mm512_set1_epi32(four);
            for (sum, packed) in sums.iter_mut().zip(packed) {
                *sum = _mm512_dpbusd_epi32(*sum, packed, four);
            }
        }
    }
    sums
}

/// All rows against one panel, L1; returns 1.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn group_l1_512(panels: &Panels, panel: usize, lefts: &[Left<'_>], out: &mut [u32]) -> usize {
    let columns = Columns::new(panels, panel, 1);
    let stride = panels.stride();
    let (fours, rest) = lefts.as_chunks::<4>();
    for (lefts, out) in fours.iter().zip(out.chunks_exact_mut(4 * stride)) {
        tile_l1_512(lefts.map(|left| left.codes), &columns, out);
    }
    let out = &mut out[fours.len() * 4 * stride..];
    for (left, out) in rest.iter().zip(out.chunks_exact_mut(stride)) {
        tile_l1_512([left.codes], &columns, out);
    }
    1
}

/// `M` rows against one panel, L1. `out`: M x (out.len() / M).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile_l1_512<const M: usize>(rows: [&[i8]; M], columns: &Columns<'_>, out: &mut [u32]) {
    let steps = columns.panel_lines / 2;
    assert!(columns.lines.len() == 2 * steps && rows.iter().all(|row| row.len() == 8 * steps));
    let bias = _mm512_set1_epi8(-128);
    let mut sums = [[_mm512_setzero_si512(); 2]; M];
    for (step, pair) in columns.lines.as_chunks::<2>().0.iter().enumerate() {
        // SAFETY: a line has 64 bytes and is aligned to 64.
        let low = unsafe { _mm512_load_si512(pair[0].0.as_ptr().cast()) };
        // SAFETY: as above.
        let high = unsafe { _mm512_load_si512(pair[1].0.as_ptr().cast()) };
        for (row, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: a row has `8 * steps` bytes; the read needs no alignment.
            let eight = unsafe { row.as_ptr().add(8 * step).cast::<i64>().read_unaligned() };
            let eight = _mm512_xor_si512(_mm512_set1_epi64(eight), bias);
            for (sum, packed) in sums.iter_mut().zip([low, high]) {
                *sum = _mm512_add_epi64(*sum, _mm512_sad_epu8(packed, eight));
            }
        }
    }
    let stride = out.len() / M;
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(stride)) {
        for (sum, out) in sums.iter().zip(out[columns.first..][..PANEL].as_chunks_mut::<8>().0) {
            // SAFETY: `out` has 8 values; the store needs no alignment.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(*sum)) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn distances256(panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32]) {
    let (stride, dim) = (panels.stride(), panels.dim);
    for panel in 0..stride / PANEL {
        let columns = Columns::new(panels, panel, 1);
        let (threes, rest) = ids.as_chunks::<3>();
        for (ids, out) in threes.iter().zip(out.chunks_exact_mut(3 * stride)) {
            tile256(panels.space, ids.map(|id| row(codes, id, dim)), &columns, out);
        }
        let out = &mut out[threes.len() * 3 * stride..];
        for (&id, out) in rest.iter().zip(out.chunks_exact_mut(stride)) {
            tile256(panels.space, [row(codes, id, dim)], &columns, out);
        }
    }
}

/// `M` rows against one panel. `out`: M x (out.len() / M).
#[inline]
#[target_feature(enable = "avx2")]
fn tile256<const M: usize>(space: Space, rows: [&[i8]; M], columns: &Columns<'_>, out: &mut [u32]) {
    let stride = out.len() / M;
    let distances = match space {
        Space::L2 => l2_sums256(rows, columns),
        Space::L1 => l1_sums256(rows, columns),
    };
    for (distances, out) in distances.iter().zip(out.chunks_exact_mut(stride)) {
        out[columns.first..][..PANEL].copy_from_slice(distances);
    }
}

/// Without VNNI the bytes are widened to 16 bits (even and odd ones apart), which cannot overflow.
#[inline]
#[target_feature(enable = "avx2")]
fn l2_sums256<const M: usize>(rows: [&[i8]; M], columns: &Columns<'_>) -> [[u32; PANEL]; M] {
    let steps = columns.panel_lines;
    assert!(columns.lines.len() == steps && rows.iter().all(|row| row.len() == 4 * steps));
    let low_bytes = _mm256_set1_epi16(0x00FF);
    let mut sums = [[_mm256_setzero_si256(); 2]; M];
    for (step, line) in columns.lines.iter().enumerate() {
        let halves = load_line256(line);
        let even = halves.map(|half| _mm256_and_si256(half, low_bytes));
        let odd = halves.map(|half| _mm256_srli_epi16::<8>(half));
        for (row, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: a row has `4 * steps` bytes; the read needs no alignment.
            let four = unsafe { row.as_ptr().add(4 * step).cast::<i32>().read_unaligned() };
            let four = _mm256_set1_epi32(four);
            let row_even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(four));
            let row_odd = _mm256_srai_epi16::<8>(four);
            for (half, sum) in sums.iter_mut().enumerate() {
                let even = _mm256_madd_epi16(even[half], row_even);
                let odd = _mm256_madd_epi16(odd[half], row_odd);
                *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(even, odd));
            }
        }
    }
    let mut distances = [[NO_DISTANCE; PANEL]; M];
    for ((row, sums), distances) in rows.iter().zip(sums).zip(&mut distances) {
        let term = row_term(row);
        let sums = sums.map(|sum| values256(sum));
        for (j, distance) in distances.iter_mut().enumerate() {
            let sum = sums[j / 8][j % 8];
            *distance = term.wrapping_add(columns.norms[j]).wrapping_sub(sum.wrapping_mul(2));
        }
    }
    distances
}

#[inline]
#[target_feature(enable = "avx2")]
fn l1_sums256<const M: usize>(rows: [&[i8]; M], columns: &Columns<'_>) -> [[u32; PANEL]; M] {
    let steps = columns.panel_lines / 2;
    assert!(columns.lines.len() == 2 * steps && rows.iter().all(|row| row.len() == 8 * steps));
    let bias = _mm256_set1_epi8(-128);
    let mut sums = [[_mm256_setzero_si256(); 4]; M];
    for (step, pair) in columns.lines.as_chunks::<2>().0.iter().enumerate() {
        let ([a, b], [c, d]) = (load_line256(&pair[0]), load_line256(&pair[1]));
        for (row, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: a row has `8 * steps` bytes; the read needs no alignment.
            let eight = unsafe { row.as_ptr().add(8 * step).cast::<i64>().read_unaligned() };
            let eight = _mm256_xor_si256(_mm256_set1_epi64x(eight), bias);
            for (sum, packed) in sums.iter_mut().zip([a, b, c, d]) {
                *sum = _mm256_add_epi64(*sum, _mm256_sad_epu8(packed, eight));
            }
        }
    }
    // A sum is at most 255 x DIM_MAX, so the low half of each 64-bit lane holds it.
    sums.map(|sums| {
        let sums = sums.map(|sum| values256(sum));
        std::array::from_fn(|j| sums[j / 4][j % 4 * 2])
    })
}

/// The columns are one behind the other, see `block::distances_portable`.
#[inline]
#[target_feature(enable = "sse4.1")]
fn distances128(panels: &Panels, codes: &[i8], ids: &[u32], out: &mut [u32]) {
    let columns = panels.dim / 64;
    for (&id, out) in ids.iter().zip(out.chunks_exact_mut(panels.stride())) {
        let row = row(codes, id, panels.dim);
        let square = sum_of_squares(row);
        for ((out, &norm), column) in
            out.iter_mut().zip(&panels.norms).zip(panels.lines.chunks_exact(columns))
        {
            *out = match panels.space {
                Space::L2 => (square + norm).wrapping_add_signed(-2 * dot128(row, column)),
                Space::L1 => sum_of_differences(row, column),
            };
        }
    }
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn dot128(row: &[i8], column: &[Line]) -> i32 {
    let bias = _mm_set1_epi8(-128);
    let mut sums = [_mm_setzero_si128(); 4];
    for (codes, line) in row.as_chunks::<64>().0.iter().zip(column) {
        for (part, sum) in sums.iter_mut().enumerate() {
            // SAFETY: part < 4, so 16 bytes from `16 * part` lie within the 64 of both; no alignment is
            // needed.
            let a = unsafe { _mm_loadu_si128(codes.as_ptr().add(16 * part).cast()) };
            // SAFETY: as above.
            let b = unsafe { _mm_loadu_si128(line.0.as_ptr().add(16 * part).cast()) };
            let b = _mm_xor_si128(b, bias);
            let low = _mm_madd_epi16(_mm_cvtepi8_epi16(a), _mm_cvtepi8_epi16(b));
            let (a, b) = (_mm_unpackhi_epi64(a, a), _mm_unpackhi_epi64(b, b));
            let high = _mm_madd_epi16(_mm_cvtepi8_epi16(a), _mm_cvtepi8_epi16(b));
            *sum = _mm_add_epi32(*sum, _mm_add_epi32(low, high));
        }
    }
    let sum = _mm_add_epi32(_mm_add_epi32(sums[0], sums[1]), _mm_add_epi32(sums[2], sums[3]));
    let sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
    _mm_extract_epi32::<0>(sum) + _mm_extract_epi32::<1>(sum)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_line256(line: &Line) -> [__m256i; 2] {
    // SAFETY: a line has 64 bytes and is aligned to 64.
    unsafe { [_mm256_load_si256(line.0.as_ptr().cast()), _mm256_load_si256(line.0.as_ptr().add(32).cast())] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn values256(vector: __m256i) -> [u32; 8] {
    let mut values = [0; 8];
    // SAFETY: `values` has 32 bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), vector) };
    values
}
