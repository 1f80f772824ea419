//! Exact answers over the rows that are live, and how many of them a search found.
//!
//! All rows are kept as int8 codes of their directions, one scale for all. A pass over the codes keeps every
//! row whose estimated cosine is within twice the largest error of the estimates from the best ten; those are
//! made again and measured as they are. With the rows' error E and the query's error F (lengths of what
//! rounding took), an estimate is off by at most E + F + E F, so nothing is missed: the answers are exact, at
//! a quarter of the memory.
//!
//! A found row counts when it is as near as the tenth exact one, so that ties don't count as misses.

use kernels::Kernels;
use rayon::prelude::*;

use crate::corpus::{Corpus, norm};
use crate::outcome::Outcome;

/// Neighbors that recall is measured on.
pub const RESULTS: usize = 10;

/// Rows of codes that stay in the cache while all queries pass.
const BLOCK: usize = 512;

/// Queries of one pass.
const QUERIES: usize = 16;

/// Cosines that differ by less are equal: the server's are sums of single precision.
const TIE: f32 = 2e-6;

/// Which rows are live: of the ids in `ids`, those that `dead` does not hold for.
pub struct Live<'a> {
    /// From, to (exclusive).
    pub ids: std::ops::Range<u32>,
    /// Whether a row of them was deleted.
    pub dead: &'a (dyn Fn(u32) -> bool + Sync),
}

impl Live<'_> {
    /// All of these ids.
    pub fn all(ids: std::ops::Range<u32>) -> Self {
        Live { ids, dead: &|_| false }
    }

    fn has(&self, id: u32) -> bool {
        self.ids.contains(&id) && !(self.dead)(id)
    }
}

/// What a search was asked and what it answered.
pub struct Answer {
    /// Number of the query.
    pub query: usize,
    /// Ids, nearest first.
    pub found: Vec<u32>,
}

/// Codes of rows 0 up to `reach`.
pub struct Exact<'a> {
    corpus: &'a Corpus,
    codes: Vec<i8>,
    /// A direction is this times its code.
    scale: f32,
    /// Largest length of (direction - scale * code) of a row.
    error: f32,
}

impl<'a> Exact<'a> {
    /// Without codes yet.
    pub fn new(corpus: &'a Corpus) -> Self {
        // Coordinates of made rows are hardly larger than those of real ones; what is gets clamped, and the
        // error knows.
        let mut row = vec![0.0; corpus.dim()];
        let mut largest = f32::MIN_POSITIVE;
        for id in 0..corpus.real().min(20_000) as u32 {
            corpus.row(id, &mut row);
            let length = norm(&row);
            largest = row.iter().fold(largest, |largest, value| largest.max(value.abs() / length));
        }
        Self { corpus, codes: Vec::new(), scale: largest / 127.0, error: 0.0 }
    }

    /// Share of the exact nearest that the answers have, of the rows that are live.
    ///
    /// # Errors
    /// When a search answered with a row that is not live, or one twice.
    pub fn recall(&mut self, answers: &[Answer], live: &Live<'_>) -> Outcome<f64> {
        self.extend(live.ids.end);
        let this = &*self;
        let hits: Vec<Result<(usize, usize), String>> =
            answers.par_chunks(QUERIES).flat_map_iter(|chunk| this.hits(chunk, live)).collect();
        let (mut hit, mut wanted) = (0, 0);
        for result in hits {
            let (some, all) = result?;
            hit += some;
            wanted += all;
        }
        Ok(hit as f64 / wanted.max(1) as f64)
    }

    /// Makes the codes of the rows below `end`.
    fn extend(&mut self, end: u32) {
        let dim = self.corpus.dim();
        let have = self.codes.len() / dim;
        if end as usize <= have {
            return;
        }
        self.codes.resize(end as usize * dim, 0);
        let (corpus, scale) = (self.corpus, self.scale);
        let new = self.codes[have * dim..].par_chunks_mut(dim).enumerate();
        let error = new
            .map_init(
                || vec![0.0; dim],
                |row, (at, code)| {
                    corpus.row((have + at) as u32, row);
                    encode(row, scale, code)
                },
            )
            .reduce(|| 0.0, f32::max);
        self.error = self.error.max(error);
    }

    /// For each answer: how many of the exact nearest it has, and how many there are.
    fn hits(&self, answers: &[Answer], live: &Live<'_>) -> Vec<Result<(usize, usize), String>> {
        let exact = self.nearest(answers, live);
        answers.iter().zip(exact).map(|(answer, exact)| self.hits_of(answer, &exact, live)).collect()
    }

    fn hits_of(&self, answer: &Answer, exact: &[f32], live: &Live<'_>) -> Result<(usize, usize), String> {
        let mut row = vec![0.0; self.corpus.dim()];
        let Some(&last) = exact.last() else { return Ok((0, 0)) };
        let found = &answer.found[..answer.found.len().min(RESULTS)];
        let mut hits = 0;
        for (at, &id) in found.iter().enumerate() {
            if !live.has(id) || found[..at].contains(&id) {
                return Err(format!("query {}: row {id} is not live, or was found twice", answer.query));
            }
            hits += usize::from(self.cosine(answer.query, id, &mut row) >= last - TIE);
        }
        Ok((hits, exact.len()))
    }

    fn cosine(&self, query: usize, id: u32, row: &mut [f32]) -> f32 {
        self.corpus.row(id, row);
        let query = self.corpus.query(query);
        Kernels::get().inner_product_f32(query, row) / norm(row) / norm(query)
    }

    /// For each query the cosines of its nearest live rows, largest first.
    fn nearest(&self, answers: &[Answer], live: &Live<'_>) -> Vec<Vec<f32>> {
        let dim = self.corpus.dim();
        let mut passes: Vec<Pass> =
            answers.iter().map(|answer| Pass::new(self, self.corpus.query(answer.query))).collect();
        let ids: Vec<u32> = live.ids.clone().filter(|&id| !(live.dead)(id)).collect();
        for block in ids.chunks(BLOCK) {
            for pass in &mut passes {
                for &id in block {
                    let code = &self.codes[id as usize * dim..][..dim];
                    pass.offer(Kernels::get().dot_i8(&pass.code, code), id);
                }
            }
        }
        let mut row = vec![0.0; dim];
        let mut cosines = |(pass, answer): (Pass, &Answer)| {
            let least = pass.least();
            let near = pass.near.iter().filter(|(product, _)| *product >= least);
            let mut all: Vec<f32> = near.map(|&(_, id)| self.cosine(answer.query, id, &mut row)).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            all.truncate(RESULTS);
            all
        };
        passes.into_iter().zip(answers).map(&mut cosines).collect()
    }
}

/// One query's way over the codes.
struct Pass {
    code: Vec<i8>,
    /// Products below the tenth best by more than this are not among the nearest.
    margin: i32,
    /// The ten largest products, largest first.
    best: [i32; RESULTS],
    /// Products and ids that may be among the nearest.
    near: Vec<(i32, u32)>,
}

impl Pass {
    fn new(exact: &Exact<'_>, query: &[f32]) -> Self {
        let mut code = vec![0; query.len()];
        let error = encode(query, exact.scale, &mut code);
        let bound = exact.error + error + exact.error * error;
        // Twice, for the row itself and for the one that it is compared with.
        let margin = (2.0 * (bound + TIE) / (exact.scale * exact.scale)).ceil() as i32;
        Self { code, margin, best: [i32::MIN; RESULTS], near: Vec::new() }
    }

    fn least(&self) -> i32 {
        self.best[RESULTS - 1].saturating_sub(self.margin)
    }

    fn offer(&mut self, product: i32, id: u32) {
        if product < self.least() {
            return;
        }
        self.near.push((product, id));
        if product > self.best[RESULTS - 1] {
            let at = self.best.partition_point(|&better| better >= product);
            self.best[at..].rotate_right(1);
            self.best[at] = product;
        }
    }
}

/// Writes the code of the row's direction; returns the length of what rounding took.
fn encode(row: &[f32], scale: f32, code: &mut [i8]) -> f32 {
    let length = norm(row);
    let mut lost = 0.0;
    for (value, code) in row.iter().zip(code) {
        let value = value / length;
        // `as` saturates; -128 would have no counterpart.
        *code = ((value / scale).round() as i8).max(-127);
        lost += (value - f32::from(*code) * scale).powi(2);
    }
    lost.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::tests::random_corpus;

    fn brute_force(corpus: &Corpus, query: usize, live: &Live<'_>) -> Vec<u32> {
        let mut row = vec![0.0; corpus.dim()];
        let mut all: Vec<(f64, u32)> = Vec::new();
        for id in live.ids.clone().filter(|&id| !(live.dead)(id)) {
            corpus.row(id, &mut row);
            let product = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let query = corpus.query(query);
            all.push((product(query, &row) / product(&row, &row).sqrt(), id));
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.iter().take(RESULTS).map(|(_, id)| *id).collect()
    }

    #[test]
    fn exact_answers_equal_brute_force() {
        let corpus = random_corpus(800, 64);
        let mut exact = Exact::new(&corpus);
        let dead = |id: u32| id.is_multiple_of(3);
        for live in [Live::all(0..500), Live { ids: 100..1500, dead: &dead }, Live::all(3..9)] {
            let truths: Vec<Vec<u32>> = (0..20).map(|query| brute_force(&corpus, query, &live)).collect();
            let answers = |take: usize| -> Vec<Answer> {
                let answer = |(query, truth): (usize, &Vec<u32>)| Answer {
                    query,
                    found: truth.iter().copied().take(take).collect(),
                };
                truths.iter().enumerate().map(answer).collect()
            };
            let all = truths[0].len();
            assert_eq!(exact.recall(&answers(all), &live).unwrap(), 1.0);
            assert_eq!(exact.recall(&answers(all / 2), &live).unwrap(), 0.5);
        }
    }

    #[test]
    fn far_rows_do_not_count() {
        let corpus = random_corpus(800, 64);
        let mut exact = Exact::new(&corpus);
        let live = Live::all(0..800);
        let mut found = brute_force(&corpus, 1, &live);
        let far = (0..800).find(|id| !found.contains(id)).unwrap();
        found[4] = far;
        let recall = exact.recall(&[Answer { query: 1, found }], &live).unwrap();
        assert_eq!(recall, 0.9);
    }

    #[test]
    fn rows_that_are_not_there_are_errors() {
        let corpus = random_corpus(100, 64);
        let mut exact = Exact::new(&corpus);
        let dead = |id: u32| id == 7;
        let live = Live { ids: 0..50, dead: &dead };
        for found in [vec![7], vec![50], vec![8, 8]] {
            assert!(exact.recall(&[Answer { query: 0, found }], &live).is_err());
        }
        assert!(exact.recall(&[Answer { query: 0, found: vec![8, 9] }], &live).is_ok());
    }
}
