//! Leaders of a set of rows, and the nearest leaders of each row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kernels::block::{Panels, Space, prefetch, smallest};
use rayon::prelude::*;

use super::{BuildError, Control, Rows};

/// Most leaders chosen at once.
pub(super) const LEADERS_MAX: usize = 1024;

/// Rows of one parallel task of an assignment.
const TASK_ROWS: usize = 192;

/// Rows that meet the leaders at once.
const ROWS_AT_ONCE: usize = 24;

/// Rows whose sums of codes fit 16 bits.
const ROWS_IN_16_BITS: usize = 255;

/// Rows that are on their way into the cache while others are added up.
const ROWS_AHEAD: usize = 6;

/// How leaders are chosen.
#[derive(Clone, Copy)]
pub(crate) struct Training {
    /// Wanted number of leaders, at least one.
    pub count: usize,
    /// Lloyd iterations after the random choice.
    pub iterations: usize,
    /// Sampled rows for each leader.
    pub samples: usize,
    pub seed: u64,
}

/// A pseudo-random number from a seed and a key (splitmix64).
pub fn mix(seed: u64, key: u64) -> u64 {
    let mut z = seed.wrapping_add(key.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Centroids as int8 rows.
pub(crate) struct Leaders {
    pub codes: Vec<i8>,
    pub panels: Panels,
}

impl Leaders {
    /// At most `training.count` leaders of the rows `members`.
    pub fn choose(
        rows: &Rows<'_>,
        space: Space,
        members: &[u32],
        training: Training,
        control: &Control,
    ) -> Result<Self, BuildError> {
        let count = training.count.clamp(1, members.len());
        let mut codes = Vec::with_capacity(count * rows.dim);
        for id in sample(members, count, training.seed) {
            codes.extend_from_slice(rows.row(id));
        }
        let mut leaders = Self { codes, panels: Panels::new(space, rows.dim) };
        leaders.pack(count);
        let wanted = (count * training.samples).min(members.len());
        for iteration in 0..training.iterations {
            let sampled: Vec<u32> = sample(members, wanted, mix(training.seed, iteration as u64)).collect();
            let nearest = leaders.assign(rows, &sampled, 1, control)?;
            leaders.improve(rows, &sampled, &nearest);
            leaders.pack(count);
        }
        Ok(leaders)
    }

    pub fn count(&self) -> usize {
        self.panels.count()
    }

    fn pack(&mut self, count: usize) {
        let ids: Vec<u32> = (0..count as u32).collect();
        self.panels.pack(&self.codes, &ids);
    }

    /// The `fan_out` nearest leaders of each row of `ids`, in no order; `ids.len()` x `fan_out`.
    ///
    /// `fan_out` must not exceed the number of leaders.
    pub fn assign(
        &self,
        rows: &Rows<'_>,
        ids: &[u32],
        fan_out: usize,
        control: &Control,
    ) -> Result<Vec<u32>, BuildError> {
        let mut nearest = vec![0u32; ids.len() * fan_out];
        ids.par_chunks(TASK_ROWS).zip(nearest.par_chunks_mut(TASK_ROWS * fan_out)).try_for_each_init(
            || (vec![0u32; ROWS_AT_ONCE * self.panels.stride()], Vec::new()),
            |(distances, found), (ids, nearest)| {
                control.check()?;
                for (ids, nearest) in ids.chunks(ROWS_AT_ONCE).zip(nearest.chunks_mut(ROWS_AT_ONCE * fan_out))
                {
                    self.panels.distances(rows.codes, ids, distances);
                    let each = distances.chunks_exact(self.panels.stride());
                    for (distances, nearest) in each.zip(nearest.chunks_exact_mut(fan_out)) {
                        smallest(distances, fan_out, u32::MAX, found);
                        for (slot, &key) in nearest.iter_mut().zip(found.iter()) {
                            *slot = key as u32;
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(nearest)
    }

    /// One Lloyd step: each leader becomes the mean of the sampled rows nearest to it.
    ///
    /// Leaders with hardly any rows move into the largest clusters.
    fn improve(&mut self, rows: &Rows<'_>, sampled: &[u32], nearest: &[u32]) {
        let count = self.count();
        let clusters = Clusters::new(count, nearest, 1);
        let dim = rows.dim;
        let mut sums = vec![0i32; dim];
        let mut sizes: Vec<usize> = (0..count).map(|leader| clusters.members(leader).len()).collect();
        for (leader, codes) in self.codes.chunks_exact_mut(dim).enumerate() {
            let members = clusters.members(leader);
            if members.is_empty() {
                continue;
            }
            sums.fill(0);
            rows.add_up(members.iter().map(|&index| sampled[index as usize]), &mut sums);
            let size = members.len() as i32;
            for (code, &sum) in codes.iter_mut().zip(&sums) {
                // Rounds half up, in integers, so that the result is the same everywhere.
                *code = (2 * sum + size).div_euclid(2 * size).clamp(-127, 127) as i8;
            }
        }
        let tiny = sampled.len() / count / 8;
        let mut largest: BinaryHeap<_> = (0..count).map(|leader| (sizes[leader], Reverse(leader))).collect();
        for leader in 0..count {
            if sizes[leader] > tiny {
                continue;
            }
            let Some((size, Reverse(source))) = largest.pop() else { break };
            if size < 4 * tiny.max(1) {
                break;
            }
            let members = clusters.members(source);
            let moved = members[mix(leader as u64, members.len() as u64) as usize % members.len()];
            let codes = rows.row(sampled[moved as usize]);
            self.codes[leader * dim..(leader + 1) * dim].copy_from_slice(codes);
            // The moved leader is no source: none of the sampled rows was counted for its new place.
            sizes[source] = size / 2;
            largest.push((size / 2, Reverse(source)));
        }
    }
}

/// `count` different members, one from each of `count` equal ranges; all of them when there are no more.
pub(crate) fn sample(members: &[u32], count: usize, seed: u64) -> impl Iterator<Item = u32> {
    let length = members.len() as u64;
    (0..count as u64).map(move |k| {
        let (start, end) = (k * length / count as u64, (k + 1) * length / count as u64);
        members[(start + mix(seed, k) % (end - start).max(1)) as usize]
    })
}

/// Which rows belong to which cluster.
pub(crate) struct Clusters {
    offsets: Vec<usize>,
    members: Vec<u32>,
}

impl Clusters {
    /// From the `fan_out` clusters of each row: `nearest` is rows x `fan_out`. Members stay in the order of
    /// rows.
    pub fn new(count: usize, nearest: &[u32], fan_out: usize) -> Self {
        let mut offsets = vec![0usize; count + 1];
        for &cluster in nearest {
            offsets[cluster as usize + 1] += 1;
        }
        for cluster in 0..count {
            offsets[cluster + 1] += offsets[cluster];
        }
        let mut next = offsets.clone();
        let mut members = vec![0u32; nearest.len()];
        for (row, clusters) in nearest.chunks_exact(fan_out).enumerate() {
            for &cluster in clusters {
                members[next[cluster as usize]] = row as u32;
                next[cluster as usize] += 1;
            }
        }
        Self { offsets, members }
    }

    pub fn members(&self, cluster: usize) -> &[u32] {
        &self.members[self.offsets[cluster]..self.offsets[cluster + 1]]
    }

    /// Replaces each row, an index into `ids`, by its id.
    pub fn rename(&mut self, ids: &[u32]) {
        for member in &mut self.members {
            *member = ids[*member as usize];
        }
    }
}

impl<'a> Rows<'a> {
    /// The codes of row `id`.
    pub(crate) fn row(&self, id: u32) -> &'a [i8] {
        &self.codes[id as usize * self.dim..][..self.dim]
    }

    /// Adds the codes of some rows to `sums`. Fewer than 2^24 rows: sums must not overflow.
    pub(crate) fn add_up(&self, ids: impl Iterator<Item = u32> + Clone, sums: &mut [i32]) {
        // As many rows as 16 bits hold, of which vectors have twice as many.
        let mut few = vec![0i16; self.dim];
        let mut added = 0;
        let mut later = ids.clone().skip(ROWS_AHEAD);
        for id in ids {
            later.next().into_iter().for_each(|id| prefetch(self.row(id)));
            few.iter_mut().zip(self.row(id)).for_each(|(sum, &code)| *sum += i16::from(code));
            added += 1;
            if added == ROWS_IN_16_BITS {
                added = 0;
                sums.iter_mut().zip(&mut few).for_each(|(sum, few)| *sum += i32::from(std::mem::take(few)));
            }
        }
        sums.iter_mut().zip(&few).for_each(|(sum, &few)| *sum += i32::from(few));
    }
}
