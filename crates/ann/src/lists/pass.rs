//! One pass over all lists: means of the rows of each, and even sizes.
//!
//! Lists that are far too large are divided by a small k-means of their own; the smallest ones end for them, and
//! their rows go to the neighbours in the next pass. Penalties on the size would do the same in the
//! training only: rows that come later go by distance alone.

use kernels::block::{Panels, RowTerm, smallest};
use rayon::prelude::*;

use super::assign::{Assigner, BATCH_ROWS, Nearest};
use super::centroids::to_codes;
use crate::build::{BuildError, Clusters, Control, Leaders, Rows, Space, Training, mix};

/// A list is divided above this share of the mean size, in percent.
const LARGE: u64 = 180;

/// Lloyd iterations that divide a list.
const DIVIDE_ITERATIONS: usize = 4;

/// Lists near to its own that a row looks at in a step: its next list is hardly ever farther away.
pub(super) const NEIGHBORS: usize = 96;

/// Rows that meet lists at once.
const MEETING_ROWS: usize = 24;

/// Rows that meet lists between two looks at the control.
const ROWS_BETWEEN_LOOKS: usize = 192;

/// Rows that are summed up between two looks at the control.
const ROWS_AT_ONCE: usize = 4096;

/// The rows of a pass and what else it needs.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub rows: &'a Rows<'a>,
    /// Different rows.
    pub ids: &'a [u32],
    /// The same rows as distances need them.
    pub terms: &'a [RowTerm],
    /// How often each of `ids` is there; once without.
    pub weights: Option<&'a [u32]>,
    pub seed: u64,
    pub control: &'a Control,
}

impl Pass<'_> {
    /// The list of each of `ids`.
    pub fn assign(&self, assigner: &Assigner) -> Result<Vec<u32>, BuildError> {
        let mut lists = vec![0u32; self.ids.len()];
        self.ids.par_chunks(BATCH_ROWS).zip(lists.par_chunks_mut(BATCH_ROWS)).try_for_each_init(
            || vec![Nearest::default(); BATCH_ROWS],
            |nearest, (ids, lists)| {
                let nearest = &mut nearest[..ids.len()];
                assigner.assign_rows(self.rows.codes, ids, nearest, self.control)?;
                lists.iter_mut().zip(nearest).for_each(|(list, nearest)| *list = nearest.list);
                self.control.advance(ids.len() as u64);
                Ok(())
            },
        )?;
        Ok(lists)
    }

    /// A step: the means of the lists' rows, and the list of each row among those. `nearest`: the lists so far. With
    /// `even`, lists of uneven sizes are replaced.
    pub fn improve(
        &self,
        mut means: Vec<f32>,
        nearest: &[u32],
        even: bool,
    ) -> Result<(Vec<f32>, Vec<u32>), BuildError> {
        let clusters = Clusters::new(means.len() / self.rows.dim, nearest, 1);
        means
            .par_chunks_mut(self.rows.dim)
            .enumerate()
            .try_for_each(|(list, mean)| self.mean(clusters.members(list), mean))?;
        let before = to_codes(&means);
        if even {
            self.even(&clusters, &mut means)?;
        }
        let lists = self.reassign(&clusters, &before, &to_codes(&means))?;
        Ok((means, lists))
    }

    /// The list of each row among those near to the list that it had. `before`: the codes of these lists' means,
    /// `after`: of the new lists.
    fn reassign(&self, clusters: &Clusters, before: &[i8], after: &[i8]) -> Result<Vec<u32>, BuildError> {
        let dim = self.rows.dim;
        let all: Vec<u32> = (0..(after.len() / dim) as u32).collect();
        let near = self.near(before, after, &all)?;
        let pieces =
            |list: usize| clusters.members(list).chunks(BATCH_ROWS).map(move |members| (list, members));
        let tasks: Vec<(usize, &[u32])> = (0..all.len()).flat_map(pieces).collect();
        let found: Result<Vec<Vec<u32>>, BuildError> = tasks
            .par_iter()
            .map_init(
                || Panels::new(Space::L2, dim),
                |panels, &(list, members)| {
                    let near = &near[list];
                    panels.pack(after, near);
                    let mut found = Vec::with_capacity(members.len());
                    for members in members.chunks(ROWS_BETWEEN_LOOKS) {
                        self.control.check()?;
                        let rows: Vec<RowTerm> =
                            members.iter().map(|&member| self.terms[member as usize]).collect();
                        let mut nearest = vec![0; rows.len()];
                        panels.nearest(self.rows.codes, &rows, &mut nearest);
                        found.extend(nearest.into_iter().map(|key| near[key as u32 as usize]));
                    }
                    self.control.advance(members.len() as u64);
                    Ok(found)
                },
            )
            .collect();
        let mut lists = vec![0; self.ids.len()];
        for (&(_, members), found) in tasks.iter().zip(found?) {
            members.iter().zip(found).for_each(|(&member, list)| lists[member as usize] = list);
        }
        Ok(lists)
    }

    /// For each list of `before` those of `after` that are near to it, ascending.
    fn near(&self, before: &[i8], after: &[i8], all: &[u32]) -> Result<Vec<Vec<u32>>, BuildError> {
        let mut panels = Panels::new(Space::L2, self.rows.dim);
        panels.pack(after, all);
        let near: Result<Vec<Vec<Vec<u32>>>, BuildError> = all
            .par_chunks(MEETING_ROWS)
            .map_init(
                || (vec![0u32; MEETING_ROWS * panels.stride()], Vec::new()),
                |(distances, found), lists| {
                    self.control.check()?;
                    panels.distances(before, lists, distances);
                    let each = distances.chunks_exact(panels.stride()).take(lists.len());
                    let near = each.map(|distances| {
                        smallest(distances, NEIGHBORS, u32::MAX, found);
                        let mut near: Vec<u32> = found.iter().map(|&key| key as u32).collect();
                        near.sort_unstable();
                        near
                    });
                    Ok(near.collect())
                },
            )
            .collect();
        Ok(near?.into_iter().flatten().collect())
    }

    fn weight(&self, member: u32) -> u64 {
        self.weights.map_or(1, |weights| u64::from(weights[member as usize]))
    }

    /// Makes `mean` the mean of `members`, unless there are none.
    fn mean(&self, members: &[u32], mean: &mut [f32]) -> Result<(), BuildError> {
        let mut sums = vec![0i64; mean.len()];
        let mut some = vec![0i32; mean.len()];
        let mut total = 0;
        let id_of = |&member: &u32| self.ids[member as usize];
        for members in members.chunks(ROWS_AT_ONCE) {
            self.control.check()?;
            some.fill(0);
            match self.weights {
                None => {
                    total += members.len() as u64;
                    self.rows.add_up(members.iter().map(id_of), &mut some);
                }
                Some(weights) => members.iter().for_each(|member| {
                    let weight = weights[*member as usize];
                    total += u64::from(weight);
                    let row = self.rows.row(id_of(member)).iter();
                    sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += i64::from(x) * i64::from(weight));
                }),
            }
            sums.iter_mut().zip(&some).for_each(|(sum, &some)| *sum += i64::from(some));
        }
        if total > 0 {
            mean.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum as f64 / total as f64) as f32);
        }
        Ok(())
    }

    /// Divides the largest lists into the places of the smallest.
    fn even(&self, clusters: &Clusters, means: &mut [f32]) -> Result<(), BuildError> {
        let dim = self.rows.dim;
        let count = means.len() / dim;
        let sizes: Vec<u64> = (0..count)
            .map(|list| clusters.members(list).iter().map(|&member| self.weight(member)).sum())
            .collect();
        let total: u64 = sizes.iter().sum();
        let mut order: Vec<u32> = (0..count as u32).collect();
        order.sort_by_key(|&list| (sizes[list as usize], list));
        // Percent of the mean, without division.
        let share = |list: u32| 100 * sizes[list as usize] * count as u64;
        let mut small = order.iter().copied().filter(|&list| share(list) < 100 * total).peekable();
        let mut divisions = Vec::new();
        for &list in order.iter().rev() {
            let Some(&next) = small.peek() else { break };
            let (large, empty) = (share(list) > LARGE * total, sizes[next as usize] == 0);
            if list == next || !(large || empty) {
                break;
            }
            let members = clusters.members(list as usize);
            let parts = (share(list) + 50 * total) / (100 * total).max(1);
            let parts = (parts.max(2) as usize).min(members.len());
            if parts > 1 {
                let mut places = vec![list];
                places.extend(small.by_ref().take(parts - 1));
                divisions.push(places);
            }
        }
        let divided: Result<Vec<Leaders>, BuildError> = divisions
            .par_iter()
            .map(|places| self.divide(clusters.members(places[0] as usize), places))
            .collect();
        for (places, leaders) in divisions.iter().zip(divided?) {
            for (&place, codes) in places.iter().zip(leaders.codes.chunks_exact(dim)) {
                let mean = &mut means[place as usize * dim..][..dim];
                mean.iter_mut().zip(codes).for_each(|(mean, &code)| *mean = f32::from(code));
            }
        }
        Ok(())
    }

    fn divide(&self, members: &[u32], places: &[u32]) -> Result<Leaders, BuildError> {
        let ids: Vec<u32> = members.iter().map(|&member| self.ids[member as usize]).collect();
        let seed = mix(self.seed, u64::from(places[0]));
        let training = Training {
            count: places.len(),
            iterations: DIVIDE_ITERATIONS,
            samples: usize::MAX / places.len(),
            seed,
        };
        Leaders::choose(self.rows, Space::L2, &ids, training, self.control)
    }
}
