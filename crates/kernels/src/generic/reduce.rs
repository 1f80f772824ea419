//! Sums over pairs of numbers: every float distance is one of these.
//!
//! Four independent accumulators hide the latency of the addition and quarter the length of each sum.

use super::rows::{Floats, Row};
use crate::arch::Simd;

const UNROLL: usize = 4;

/// What is summed over the pairs (a, b).
trait Term<S: Simd>: Copy {
    type Acc: Copy;
    fn zero(simd: S) -> Self::Acc;
    /// `acc` plus the terms of the lanes of `a` and `b`; must add nothing for a pair of zeros, which is
    /// what the tail is filled with.
    fn step(self, simd: S, acc: Self::Acc, a: S::F, b: S::F) -> Self::Acc;
    fn merge(simd: S, x: Self::Acc, y: Self::Acc) -> Self::Acc;
}

macro_rules! one_sum {
    ($name:ident, |$simd:ident, $acc:ident, $a:ident, $b:ident, $term:ident| $body:expr) => {
        impl<S: Simd> Term<S> for $name<S> {
            type Acc = S::F;
            #[inline(always)]
            fn zero(simd: S) -> S::F {
                simd.splat(0.0)
            }
            #[inline(always)]
            fn step(self, $simd: S, $acc: S::F, $a: S::F, $b: S::F) -> S::F {
                let $term = self;
                $body
            }
            #[inline(always)]
            fn merge(simd: S, x: S::F, y: S::F) -> S::F {
                simd.add(x, y)
            }
        }
    };
}

/// `(a - scale * b)^2`; the field is minus the scale.
struct SquaredDifference<S: Simd>(S::F);
/// `a * scale * b`.
struct Product<S: Simd>(S::F);
/// `|a - scale * b|`; the field is minus the scale.
struct AbsoluteDifference<S: Simd>(S::F);
/// `(a - b)^2`.
struct PlainSquaredDifference<S: Simd>(std::marker::PhantomData<S>);
/// `a * b`.
struct PlainProduct<S: Simd>(std::marker::PhantomData<S>);
/// `|a - b|`.
struct PlainAbsoluteDifference<S: Simd>(std::marker::PhantomData<S>);
/// `a * b`, `a * a` and `b * b`, separately.
struct CosineParts<S: Simd>(std::marker::PhantomData<S>);

macro_rules! copy {
    ($($name:ident)*) => { $(
        impl<S: Simd> Clone for $name<S> {
            #[inline(always)]
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<S: Simd> Copy for $name<S> {}
    )* };
}
copy! { SquaredDifference Product AbsoluteDifference }
copy! { PlainSquaredDifference PlainProduct PlainAbsoluteDifference CosineParts }

one_sum!(SquaredDifference, |simd, acc, a, b, term| {
    let d = simd.mul_add(b, term.0, a);
    simd.mul_add(d, d, acc)
});
one_sum!(Product, |simd, acc, a, b, term| simd.mul_add(a, simd.mul(b, term.0), acc));
one_sum!(AbsoluteDifference, |simd, acc, a, b, term| simd.add(acc, simd.abs(simd.mul_add(b, term.0, a))));
one_sum!(PlainSquaredDifference, |simd, acc, a, b, _term| {
    let d = simd.sub(a, b);
    simd.mul_add(d, d, acc)
});
one_sum!(PlainProduct, |simd, acc, a, b, _term| simd.mul_add(a, b, acc));
one_sum!(PlainAbsoluteDifference, |simd, acc, a, b, _term| simd.add(acc, simd.abs(simd.sub(a, b))));

impl<S: Simd> Term<S> for CosineParts<S> {
    type Acc = [S::F; 3];
    #[inline(always)]
    fn zero(simd: S) -> Self::Acc {
        [simd.splat(0.0); 3]
    }
    #[inline(always)]
    fn step(self, simd: S, acc: Self::Acc, a: S::F, b: S::F) -> Self::Acc {
        [simd.mul_add(a, b, acc[0]), simd.mul_add(a, a, acc[1]), simd.mul_add(b, b, acc[2])]
    }
    #[inline(always)]
    fn merge(simd: S, x: Self::Acc, y: Self::Acc) -> Self::Acc {
        [simd.add(x[0], y[0]), simd.add(x[1], y[1]), simd.add(x[2], y[2])]
    }
}

/// The sum of `term` over `dim` pairs.
#[inline(always)]
fn reduce<S: Simd, A: Row<S>, B: Row<S>, T: Term<S>>(
    simd: S,
    a: &[A::Item],
    b: &[B::Item],
    dim: usize,
    term: T,
) -> T::Acc {
    let mut acc = [T::zero(simd); UNROLL];
    let vectors = dim / S::LANES;
    let (a, a_tail) = a.split_at(vectors * A::ITEMS);
    let (b, b_tail) = b.split_at(vectors * B::ITEMS);
    let mut a_blocks = a.chunks_exact(UNROLL * A::ITEMS);
    let mut b_blocks = b.chunks_exact(UNROLL * B::ITEMS);
    for (x, y) in a_blocks.by_ref().zip(b_blocks.by_ref()) {
        for (k, acc) in acc.iter_mut().enumerate() {
            let x = A::load(simd, &x[k * A::ITEMS..][..A::ITEMS]);
            let y = B::load(simd, &y[k * B::ITEMS..][..B::ITEMS]);
            *acc = term.step(simd, *acc, x, y);
        }
    }
    let a_rest = a_blocks.remainder().chunks_exact(A::ITEMS);
    let b_rest = b_blocks.remainder().chunks_exact(B::ITEMS);
    for ((x, y), acc) in a_rest.zip(b_rest).zip(&mut acc) {
        *acc = term.step(simd, *acc, A::load(simd, x), B::load(simd, y));
    }
    let tail = dim % S::LANES;
    if tail != 0 {
        let x = A::load_tail(simd, a_tail, tail);
        let y = B::load_tail(simd, b_tail, tail);
        acc[UNROLL - 1] = term.step(simd, acc[UNROLL - 1], x, y);
    }
    T::merge(simd, T::merge(simd, acc[0], acc[1]), T::merge(simd, acc[2], acc[3]))
}

/// Sum of `(a_i - b_i)^2`.
#[inline(always)]
pub(crate) fn l2_squared<S: Simd, R: Row<S>>(simd: S, a: &[R::Item], b: &[R::Item]) -> f32 {
    simd.sum(reduce::<S, R, R, _>(simd, a, b, a.len(), PlainSquaredDifference(std::marker::PhantomData)))
}

/// Sum of `a_i * b_i`.
#[inline(always)]
pub(crate) fn inner_product<S: Simd, R: Row<S>>(simd: S, a: &[R::Item], b: &[R::Item]) -> f32 {
    simd.sum(reduce::<S, R, R, _>(simd, a, b, a.len(), PlainProduct(std::marker::PhantomData)))
}

/// Sum of `|a_i - b_i|`.
#[inline(always)]
pub(crate) fn l1<S: Simd, R: Row<S>>(simd: S, a: &[R::Item], b: &[R::Item]) -> f32 {
    simd.sum(reduce::<S, R, R, _>(simd, a, b, a.len(), PlainAbsoluteDifference(std::marker::PhantomData)))
}

/// Sums of `a_i * b_i`, `a_i^2` and `b_i^2`.
#[inline(always)]
pub(crate) fn cosine_parts<S: Simd, R: Row<S>>(simd: S, a: &[R::Item], b: &[R::Item]) -> (f32, f32, f32) {
    let [ab, aa, bb] = reduce::<S, R, R, _>(simd, a, b, a.len(), CosineParts(std::marker::PhantomData));
    (simd.sum(ab), simd.sum(aa), simd.sum(bb))
}

/// Sum of `(q_i - scale * c_i)^2`.
#[inline(always)]
pub(crate) fn coded_l2_squared<S: Simd, R: Row<S, Item = u8>>(
    simd: S,
    query: &[f32],
    scale: f32,
    row: &[u8],
) -> f32 {
    let term = SquaredDifference(simd.splat(-scale));
    simd.sum(reduce::<S, Floats, R, _>(simd, query, row, query.len(), term))
}

/// Sum of `q_i * scale * c_i`.
#[inline(always)]
pub(crate) fn coded_inner_product<S: Simd, R: Row<S, Item = u8>>(
    simd: S,
    query: &[f32],
    scale: f32,
    row: &[u8],
) -> f32 {
    let term = Product(simd.splat(scale));
    simd.sum(reduce::<S, Floats, R, _>(simd, query, row, query.len(), term))
}

/// Sum of `|q_i - scale * c_i|`.
#[inline(always)]
pub(crate) fn coded_l1<S: Simd, R: Row<S, Item = u8>>(simd: S, query: &[f32], scale: f32, row: &[u8]) -> f32 {
    let term = AbsoluteDifference(simd.splat(-scale));
    simd.sum(reduce::<S, Floats, R, _>(simd, query, row, query.len(), term))
}

/// `out[i] = scale * c_i`.
#[inline(always)]
pub(crate) fn decode<S: Simd, R: Row<S, Item = u8>>(simd: S, row: &[u8], scale: f32, out: &mut [f32]) {
    let scales = simd.splat(scale);
    let vectors = out.len() / S::LANES;
    let (blocks, rest) = out.split_at_mut(vectors * S::LANES);
    let (codes, tail) = row.split_at(vectors * R::ITEMS);
    for (block, code) in blocks.chunks_exact_mut(S::LANES).zip(codes.chunks_exact(R::ITEMS)) {
        simd.store(simd.mul(R::load(simd, code), scales), block);
    }
    for (index, value) in rest.iter_mut().enumerate() {
        *value = R::get(tail, index) * scale;
    }
}
