//! The nearest column of a row for AVX-512: minima stay in registers, and distances are not written.
#![allow(unsafe_code, reason = "vector intrinsics behind a detected instruction set")]

use std::arch::x86_64::*;

use super::{Columns, Left, ROWS_AT_ONCE, distance512, entry, sums512, term512};
use crate::block::{PANEL, Panels, RowTerm, row};

entry!(
    /// See [`crate::block::row_terms`].
    terms_avx512 = terms512, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni",
    (codes: &[i8], dim: usize, rows: &mut [RowTerm])
);
entry!(
    /// See [`Panels::nearest`]; there are columns.
    nearest_avx512 = nearest512, "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni",
    (panels: &Panels, codes: &[i8], rows: &[RowTerm], out: &mut [u64])
);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn terms512(codes: &[i8], dim: usize, rows: &mut [RowTerm]) {
    for left in rows {
        left.term = term512(row(codes, left.id, dim));
    }
}

/// By lane, the smallest distance of a row, and the panel where it is.
type Minima = [__m512i; 2];

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn nearest512(panels: &Panels, codes: &[i8], rows: &[RowTerm], out: &mut [u64]) {
    let count = panels.stride() / PANEL;
    for (rows, out) in rows.chunks(ROWS_AT_ONCE).zip(out.chunks_mut(ROWS_AT_ONCE)) {
        let mut lefts = [Left { codes: &[], term: 0 }; ROWS_AT_ONCE];
        let lefts = &mut lefts[..rows.len()];
        for (left, &RowTerm { id, term }) in lefts.iter_mut().zip(rows) {
            *left = Left { codes: row(codes, id, panels.dim), term };
        }
        let mut minima = [[_mm512_set1_epi32(-1), _mm512_setzero_si512()]; ROWS_AT_ONCE];
        let minima = &mut minima[..rows.len()];
        let mut panel = 0;
        while panel < count {
            panel += match count - panel {
                4.. => group512::<4>(panels, panel, lefts, minima),
                3 => group512::<3>(panels, panel, lefts, minima),
                2 => group512::<2>(panels, panel, lefts, minima),
                _ => group512::<1>(panels, panel, lefts, minima),
            };
        }
        out.iter_mut().zip(minima).for_each(|(out, minima)| *out = first_of(minima));
    }
}

/// All rows against `P` panels from `panel`; returns `P`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn group512<const P: usize>(p: &Panels, panel: usize, lefts: &[Left<'_>], minima: &mut [Minima]) -> usize {
    let columns = Columns::new(p, panel, P);
    let (sixes, rest) = lefts.as_chunks::<6>();
    let (minima_of_sixes, minima_of_rest) = minima.as_chunks_mut::<6>();
    for (lefts, minima) in sixes.iter().zip(minima_of_sixes) {
        tile512::<6, P>(lefts, &columns, minima);
    }
    for (left, minima) in rest.iter().zip(minima_of_rest) {
        tile512::<1, P>(&[*left], &columns, std::array::from_mut(minima));
    }
    P
}

/// `M` rows against `P` panels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile512<const M: usize, const P: usize>(
    lefts: &[Left<'_>; M],
    columns: &Columns<'_>,
    minima: &mut [Minima; M],
) {
    let sums = sums512::<M, P>(lefts, columns);
    let first = columns.first / PANEL;
    for ((left, sums), [least, panel]) in lefts.iter().zip(sums).zip(minima) {
        let term = _mm512_set1_epi32(left.term as i32);
        for (p, sum) in sums.into_iter().enumerate() {
            let distance = distance512(term, sum, &columns.norms[p * PANEL..]);
            let nearer = _mm512_cmplt_epu32_mask(distance, *least);
            *least = _mm512_min_epu32(distance, *least);
            *panel = _mm512_mask_mov_epi32(*panel, nearer, _mm512_set1_epi32((first + p) as i32));
        }
    }
}

/// The smallest of the distances, and the first column that has it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn first_of(&[least, panel]: &Minima) -> u64 {
    let smallest = _mm512_reduce_min_epu32(least);
    let has_it = _mm512_cmpeq_epi32_mask(least, _mm512_set1_epi32(smallest as i32));
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let columns = _mm512_add_epi32(_mm512_slli_epi32::<4>(panel), lanes);
    // A panel that is not full repeats its first column, which comes before those.
    let column = _mm512_mask_reduce_min_epu32(has_it, columns);
    u64::from(smallest) << 32 | u64::from(column)
}
