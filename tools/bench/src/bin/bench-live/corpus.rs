//! As many realistic rows as a part wants, each a function of its id alone.
//!
//! Ids below the data set's size are its rows. The others are made from it: a real row, one of the rows
//! nearest to it in its window (2,048 neighboring rows; the data sets are shuffled, so a window is a fair
//! sample), mixed with a weight between 0.3 and 0.7, plus noise of length 0.3 in a random direction, scaled
//! to length 1. Mixes of near rows stay where the data are dense; the noise keeps them off the line between
//! their parents, so that neighborhoods don't get simpler than real ones: of 100,000 MiniLM rows the tenth
//! nearest to a query has a cosine of 0.493 on average, of 100,000 made from them 0.490. Queries are always
//! real and never among the rows.
//!
//! A row is made again whenever it is wanted, for sending as for exact answers, so a million of them takes no
//! memory.

use bench::dataset::Dataset;
use bench::random::mixed;
use kernels::Kernels;
use rayon::prelude::*;

/// Rows among which a row's partners are looked for.
const WINDOW: usize = 2048;

/// Nearest rows of its window that a row is mixed with.
const PARTNERS: usize = 4;

/// Length of the noise before the row is scaled to length 1.
const NOISE: f32 = 0.3;

/// Rows by id, and queries.
pub struct Corpus {
    data: Dataset,
    partners: Vec<[u32; PARTNERS]>,
}

impl Corpus {
    /// Rows like those of `data`; needs more of them than a row has partners.
    pub fn new(data: Dataset) -> Self {
        let partners = partners(&data);
        Self { data, partners }
    }

    /// Dimensions.
    pub fn dim(&self) -> usize {
        self.data.rows.dim
    }

    /// Name of the data set.
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// Rows that are real.
    pub fn real(&self) -> usize {
        self.data.rows.count
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.data.queries.count
    }

    /// One query, dim; its number may be any.
    pub fn query(&self, number: usize) -> &[f32] {
        self.data.queries.row(number % self.data.queries.count)
    }

    /// Writes the row to `out`, dim.
    pub fn row(&self, id: u32, out: &mut [f32]) {
        let real = self.data.rows.count;
        if (id as usize) < real {
            out.copy_from_slice(self.data.rows.row(id as usize));
            return;
        }
        let mut state = mixed(u64::from(id));
        let mut random = || {
            state = mixed(state);
            state
        };
        let (a, choice, weight) = (random() as usize % real, random() as usize % PARTNERS, random());
        let b = self.partners[a][choice] as usize;
        let weight = 0.3 + 0.4 * (weight % 1024) as f32 / 1023.0;
        // Bytes, uniform in -127.5 to 127.5: variance 65535 / 12 a coordinate.
        let unit = NOISE / (65535.0 / 12.0 * self.dim() as f32).sqrt();
        let parents = self.data.rows.row(a).chunks(8).zip(self.data.rows.row(b).chunks(8));
        for (out, (a, b)) in out.chunks_mut(8).zip(parents) {
            let noise = random().to_le_bytes();
            for (at, out) in out.iter_mut().enumerate() {
                *out = weight * a[at] + (1.0 - weight) * b[at] + unit * (f32::from(noise[at]) - 127.5);
            }
        }
        let length = norm(out);
        out.iter_mut().for_each(|value| *value /= length);
    }
}

/// Length of a vector, never 0.
pub fn norm(vector: &[f32]) -> f32 {
    Kernels::get().inner_product_f32(vector, vector).sqrt().max(f32::MIN_POSITIVE)
}

/// For each row the rows of its window with the largest cosine, itself left out.
fn partners(data: &Dataset) -> Vec<[u32; PARTNERS]> {
    let rows = &data.rows;
    let norms: Vec<f32> = (0..rows.count).map(|row| norm(rows.row(row))).collect();
    (0..rows.count)
        .into_par_iter()
        .map(|row| {
            // The last window is as long as the others.
            let first = (row / WINDOW * WINDOW).min(rows.count.saturating_sub(WINDOW));
            let mut best = [(f32::NEG_INFINITY, row as u32); PARTNERS];
            for other in (first..rows.count.min(first + WINDOW)).filter(|&other| other != row) {
                let cosine = Kernels::get().inner_product_f32(rows.row(row), rows.row(other)) / norms[other];
                if cosine > best[PARTNERS - 1].0 {
                    best[PARTNERS - 1] = (cosine, other as u32);
                    best.sort_by(|a, b| b.0.total_cmp(&a.0));
                }
            }
            best.map(|(_, other)| other)
        })
        .collect()
}

#[cfg(test)]
pub mod tests {
    use bench::dataset::Matrix;

    use super::*;

    /// Random rows: `count` of `dim`, and 20 queries.
    pub fn random_corpus(count: usize, dim: usize) -> Corpus {
        let mut state = 1;
        let mut matrix = |count: usize| {
            let mut number = || {
                state = mixed(state);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            };
            Matrix { count, dim, values: (0..count * dim).map(|_| number()).collect() }
        };
        let (rows, queries) = (matrix(count), matrix(20));
        Corpus::new(Dataset {
            name: "random".to_owned(),
            rows,
            queries,
            truth: Matrix { count: 0, dim: 0, values: Vec::new() },
            is_inline: false,
        })
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        Kernels::get().inner_product_f32(a, b) / norm(a) / norm(b)
    }

    #[test]
    fn real_rows_come_first() {
        let corpus = random_corpus(50, 24);
        let mut row = vec![0.0; 24];
        for id in [0, 49] {
            corpus.row(id, &mut row);
            assert_eq!(row, corpus.data.rows.row(id as usize));
        }
        corpus.row(50, &mut row);
        assert!((0..50).all(|id| row != corpus.data.rows.row(id)));
    }

    #[test]
    fn partners_are_the_nearest_others() {
        let corpus = random_corpus(300, 16);
        for row in [0, 7, 299] {
            let mut others: Vec<u32> = (0..300).filter(|&other| other != row).collect();
            let key = |id: u32| cosine(corpus.data.rows.row(row as usize), corpus.data.rows.row(id as usize));
            others.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
            assert_eq!(corpus.partners[row as usize], others[..PARTNERS]);
        }
    }

    #[test]
    fn made_rows_are_near_two_parents_but_none_of_them() {
        let corpus = random_corpus(3000, 64);
        let (mut row, mut again) = (vec![0.0; 64], vec![0.0; 64]);
        for id in 3000..3050 {
            corpus.row(id, &mut row);
            corpus.row(id, &mut again);
            assert_eq!(row, again);
            assert!((norm(&row) - 1.0).abs() < 1e-5);
            let mut cosines: Vec<f32> =
                (0..3000).map(|other| cosine(&row, corpus.data.rows.row(other))).collect();
            cosines.sort_by(|a, b| b.total_cmp(a));
            assert!(cosines[0] < 0.99 && cosines[1] > 0.4, "{} {}", cosines[0], cosines[1]);
        }
    }
}
