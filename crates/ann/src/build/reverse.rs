//! Mirrored edges: a row also gets those that chose it, and is thinned again when it has too many.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rayon::prelude::*;

use super::params::MIRRORED_MAX;
use super::partition::Site;
use super::prune::{CHECK_ROWS, Pruner, store};
use super::reservoir::filled;
use super::{BuildError, Phase};

/// Rows of one parallel task.
const TASK_ROWS: usize = 256;

/// For each row the keys of the rows that chose it.
struct Incoming {
    offsets: Vec<u64>,
    /// Filled in any order: whoever reads a row's keys sorts them.
    keys: Vec<AtomicU64>,
}

impl Incoming {
    fn of(&self, row: usize) -> impl Iterator<Item = u64> {
        let keys = &self.keys[self.offsets[row] as usize..self.offsets[row + 1] as usize];
        keys.iter().map(|key| key.load(Ordering::Relaxed))
    }
}

impl Site<'_> {
    /// The neighbours of each row: rows x `effort.near` keys, sorted, of which at most `effort.degree` are
    /// filled.
    pub fn neighbor_lists(&self) -> Result<Vec<u64>, BuildError> {
        let mut lists = self.near_candidates()?;
        let far = self.far_candidates()?;
        self.prune_candidates(&mut lists, &far)?;
        drop(far);
        self.mirror(&mut lists)?;
        Ok(lists)
    }

    fn mirror(&self, lists: &mut [u64]) -> Result<(), BuildError> {
        self.control.enter(Phase::Reverse, self.rows.count as u64)?;
        let incoming = self.incoming(lists)?;
        let width = self.effort.near;
        lists.par_chunks_mut(TASK_ROWS * width).enumerate().try_for_each_init(
            || Pruner::new(self),
            |pruner, (task, lists)| {
                for (index, list) in lists.chunks_exact_mut(width).enumerate() {
                    if index % CHECK_ROWS == 0 {
                        self.control.check()?;
                    }
                    pruner.candidates.clear();
                    pruner.candidates.extend_from_slice(filled(list));
                    pruner.candidates.extend(incoming.of(task * TASK_ROWS + index));
                    pruner.arrange();
                    if pruner.candidates.len() <= self.effort.degree {
                        store(list, &pruner.candidates);
                        continue;
                    }
                    pruner.candidates.truncate(MIRRORED_MAX.max(self.effort.degree));
                    pruner.prune(&self.rows, self.effort.degree);
                    store(list, &pruner.result);
                }
                self.control.advance((lists.len() / width) as u64);
                Ok(())
            },
        )
    }

    fn incoming(&self, lists: &[u64]) -> Result<Incoming, BuildError> {
        let (count, width) = (self.rows.count, self.effort.near);
        let cursors: Vec<AtomicU32> = (0..count).map(|_| AtomicU32::new(0)).collect();
        self.each_edge(lists, &|_, target, _| {
            cursors[target].fetch_add(1, Ordering::Relaxed);
        })?;
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0u64);
        for (row, cursor) in cursors.iter().enumerate() {
            offsets.push(offsets[row] + u64::from(cursor.swap(0, Ordering::Relaxed)));
        }
        debug_assert!(lists.len() == count * width);
        let keys: Vec<AtomicU64> = (0..offsets[count]).map(|_| AtomicU64::new(0)).collect();
        self.each_edge(lists, &|source, target, distance| {
            let at = offsets[target] + u64::from(cursors[target].fetch_add(1, Ordering::Relaxed));
            keys[at as usize].store(distance | source as u64, Ordering::Relaxed);
        })?;
        Ok(Incoming { offsets, keys })
    }

    /// Calls `edge` with source, target and `distance << 32` of every edge.
    fn each_edge(&self, lists: &[u64], edge: &(dyn Fn(usize, usize, u64) + Sync)) -> Result<(), BuildError> {
        let width = self.effort.near;
        lists.par_chunks(TASK_ROWS * width).enumerate().try_for_each(|(task, lists)| {
            self.control.check()?;
            for (index, list) in lists.chunks_exact(width).enumerate() {
                for &key in filled(list) {
                    edge(task * TASK_ROWS + index, key as u32 as usize, key >> 32 << 32);
                }
            }
            Ok(())
        })
    }
}
