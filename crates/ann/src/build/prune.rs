//! Thinning candidates by the relative-neighbourhood rule.
//!
//! From the nearest to the farthest: a candidate is kept unless a kept one is nearer to it than the row is.

use kernels::block::{Panels, clear_nearer};
use rayon::prelude::*;

use super::partition::Site;
use super::reservoir::{EMPTY, filled};
use super::{BuildError, Phase, Rows};

/// Rows of one parallel task.
const TASK_ROWS: usize = 256;

/// Rows after which cancelling is looked at.
pub(super) const CHECK_ROWS: usize = 64;

/// The rule with the memory it needs.
pub(super) struct Pruner {
    panels: Panels,
    ids: Vec<u32>,
    /// Distances from the row, and from the candidate just kept, to all candidates.
    own: Vec<u32>,
    kept: Vec<u32>,
    alive: Vec<u64>,
    /// Candidates to be thinned.
    pub candidates: Vec<u64>,
    /// Keys that [`Pruner::prune`] kept.
    pub result: Vec<u64>,
}

impl Pruner {
    pub fn new(site: &Site<'_>) -> Self {
        let room = site.effort.candidates_max();
        Self {
            panels: Panels::new(site.space, site.rows.dim),
            ids: Vec::with_capacity(room),
            own: Vec::with_capacity(room + 64),
            kept: Vec::with_capacity(room + 64),
            alive: Vec::with_capacity(room / 64 + 1),
            candidates: Vec::with_capacity(room),
            result: Vec::with_capacity(room),
        }
    }

    /// Sorts the candidates and drops repetitions.
    pub fn arrange(&mut self) {
        self.candidates.sort_unstable();
        self.candidates.dedup();
    }

    /// Keeps at most `degree` of `candidates`, which are sorted; the answer is in `result`.
    pub fn prune(&mut self, rows: &Rows<'_>, degree: usize) {
        let count = self.candidates.len();
        let padded = count.next_multiple_of(64);
        self.ids.clear();
        self.ids.extend(self.candidates.iter().map(|&key| key as u32));
        self.own.clear();
        self.own.extend(self.candidates.iter().map(|&key| (key >> 32) as u32));
        self.own.resize(padded, 0);
        self.kept.resize(padded, 0);
        self.alive.clear();
        self.alive.resize(padded / 64, u64::MAX);
        if !count.is_multiple_of(64) {
            self.alive[count / 64] = (1 << (count % 64)) - 1;
        }
        self.panels.pack(rows.codes, &self.ids);
        self.result.clear();
        while let Some(next) = first_set(&self.alive) {
            self.result.push(self.candidates[next]);
            if self.result.len() >= degree {
                break;
            }
            self.alive[next / 64] &= !(1 << (next % 64));
            self.panels.distances(rows.codes, &[self.ids[next]], &mut self.kept);
            clear_nearer(&self.kept, &self.own, &mut self.alive);
        }
    }
}

fn first_set(words: &[u64]) -> Option<usize> {
    let word = words.iter().position(|&word| word != 0)?;
    Some(word * 64 + words[word].trailing_zeros() as usize)
}

impl Site<'_> {
    /// Replaces the near candidates in `lists` by the thinned near and far ones.
    pub fn prune_candidates(&self, lists: &mut [u64], far: &[u64]) -> Result<(), BuildError> {
        self.control.enter(Phase::Prune, self.rows.count as u64)?;
        let near_width = self.effort.near;
        let far_width = far.len() / self.rows.count;
        let tasks = lists.par_chunks_mut(TASK_ROWS * near_width).zip(far.par_chunks(TASK_ROWS * far_width));
        tasks.try_for_each_init(
            || Pruner::new(self),
            |pruner, (lists, far)| {
                let each = lists.chunks_exact_mut(near_width).zip(far.chunks_exact(far_width));
                for (index, (list, far)) in each.enumerate() {
                    if index % CHECK_ROWS == 0 {
                        self.control.check()?;
                    }
                    pruner.candidates.clear();
                    pruner.candidates.extend_from_slice(filled(list));
                    pruner.candidates.extend_from_slice(filled(far));
                    pruner.arrange();
                    pruner.prune(&self.rows, self.effort.degree);
                    store(list, &pruner.result);
                }
                self.control.advance((lists.len() / near_width) as u64);
                Ok(())
            },
        )
    }
}

/// Makes `keys` the content of `list`.
pub(super) fn store(list: &mut [u64], keys: &[u64]) {
    list[..keys.len()].copy_from_slice(keys);
    list[keys.len()..].fill(EMPTY);
}
