//! Nearest candidates: in every leaf each row meets every other.

use std::sync::{Mutex, PoisonError};

use kernels::block::{NO_DISTANCE, Panels, Space, smallest};

use super::partition::{Division, Site};
use super::reservoir::EMPTY;
use super::{BuildError, Phase, Reservoirs};

/// Wanted and largest number of rows of a leaf.
const LEAF_WANTED: usize = 600;
pub(super) const LEAF_MAX: usize = 1024;

/// Rows that meet the columns at once.
pub(super) const ROWS_AT_ONCE: usize = 24;

/// What one thread needs to work on a leaf.
pub(super) struct Bench {
    pub panels: Panels,
    pub distances: Vec<u32>,
    pub found: Vec<u64>,
}

/// Benches that are not in use; as many come to exist as threads work at once.
pub(super) struct Benches {
    idle: Mutex<Vec<Bench>>,
    space: Space,
    dim: usize,
}

impl Benches {
    pub fn new(space: Space, dim: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), space, dim }
    }

    /// Runs `work` with a bench. `work` must not wait for other tasks, or benches pile up.
    pub fn with<T>(&self, work: impl FnOnce(&mut Bench) -> T) -> T {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bench = idle.unwrap_or_else(|| Bench {
            panels: Panels::new(self.space, self.dim),
            distances: Vec::new(),
            found: Vec::new(),
        });
        let result = work(&mut bench);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bench);
        result
    }
}

impl Site<'_> {
    /// The nearest candidates of each row: rows x `effort.near` keys, sorted.
    pub fn near_candidates(&self) -> Result<Vec<u64>, BuildError> {
        let effort = self.effort;
        let total = self.rows.count * effort.fan_out.iter().product::<usize>();
        self.control.enter(Phase::Near, total as u64)?;
        let mut slab = vec![EMPTY; self.rows.count * effort.near];
        let reservoirs = Reservoirs::new(&mut slab, effort.near);
        let benches = Benches::new(self.space, self.rows.dim);
        let division = Division { fan_out: &effort.fan_out, wanted: LEAF_WANTED, max: LEAF_MAX, seed: 2 };
        // A single leaf is all a row will ever see.
        let per_leaf = if self.rows.count <= LEAF_MAX { effort.near } else { effort.per_leaf };
        self.divide(&division, &|members| {
            benches.with(|bench| self.leaf(members, per_leaf, &reservoirs, bench))
        })?;
        drop(reservoirs);
        Ok(slab)
    }

    fn leaf(
        &self,
        members: &[u32],
        per_leaf: usize,
        reservoirs: &Reservoirs<'_>,
        bench: &mut Bench,
    ) -> Result<(), BuildError> {
        let Bench { panels, distances, found } = bench;
        panels.pack(self.rows.codes, members);
        let stride = panels.stride();
        distances.resize(distances.len().max(ROWS_AT_ONCE * stride), 0);
        for (batch, rows) in members.chunks(ROWS_AT_ONCE).enumerate() {
            self.control.check()?;
            for &row in rows {
                reservoirs.prefetch(row);
            }
            panels.distances(self.rows.codes, rows, distances);
            for (index, (&row, distances)) in rows.iter().zip(distances.chunks_exact_mut(stride)).enumerate()
            {
                distances[batch * ROWS_AT_ONCE + index] = NO_DISTANCE;
                smallest(&distances[..members.len()], per_leaf, reservoirs.limit(row), found);
                rename(found, members);
                reservoirs.offer(row, found);
            }
        }
        Ok(())
    }
}

/// Turns keys of column numbers into keys of ids.
pub(super) fn rename(keys: &mut [u64], ids: &[u32]) {
    for key in keys {
        *key = (*key >> 32 << 32) | u64::from(ids[*key as u32 as usize]);
    }
}
