//! The nearest list of each row of a batch.

use kernels::block::{Panels, Space, least, row_terms, smallest};
use rayon::prelude::*;

use super::Centroids;
use super::centroids::to_codes;
use crate::build::{BuildError, Control, Phase, Rows};

/// Groups of lists that a row looks into, at most.
const PROBES: usize = 16;

/// Groups that are farther than the nearest by more than this, in 64ths of its squared distance, are left out: 97 to 99
/// of 100 rows find their nearest list in what is a third of [`PROBES`], and where groups are nearly equally far there
/// are as many as that.
const SPREAD: u32 = 10;

/// Rows that pass through the groups together, so that the rows of one group come in whole tiles.
pub(super) const BATCH_ROWS: usize = 2048;

/// Rows that meet the columns at once.
const ROWS_AT_ONCE: usize = 24;

/// A list and the squared distance of a row to its rounded centroid, in units of the codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nearest {
    /// Squared distance.
    pub distance: u32,
    /// Number of the list.
    pub list: u32,
}

/// Centroids packed for blocked products. Threads share one.
pub struct Assigner {
    dim: usize,
    groups: Panels,
    lists: Vec<Panels>,
    offsets: Vec<u32>,
    probes: usize,
}

impl Assigner {
    /// Rows will look into a few groups.
    pub fn new(centroids: &Centroids) -> Self {
        Self::with_probes(centroids, PROBES)
    }

    /// Rows will look into at most their nearest `probes` groups; if these are all, the answer is exact.
    pub fn with_probes(centroids: &Centroids, probes: usize) -> Self {
        let dim = centroids.dim();
        let pack = |centroids: &[f32]| {
            let mut panels = Panels::new(Space::L2, dim);
            let all: Vec<u32> = (0..(centroids.len() / dim) as u32).collect();
            panels.pack(&to_codes(centroids), &all);
            panels
        };
        let offsets = centroids.offsets().to_vec();
        let lists = offsets
            .windows(2)
            .map(|pair| pack(&centroids.lists()[pair[0] as usize * dim..pair[1] as usize * dim]));
        Self { dim, groups: pack(centroids.groups()), lists: lists.collect(), probes: probes.max(1), offsets }
    }

    /// The nearest list of each row of `codes`; of equally near ones the first.
    ///
    /// `codes`: `out.len()` x `dim`, row-major. Batches of a thousand rows and more are fastest.
    ///
    /// # Errors
    /// [`BuildError::Cancelled`] soon after `control.cancel` is set.
    ///
    /// # Panics
    /// If the lengths do not fit, or there are rows and no lists.
    pub fn assign(&self, codes: &[i8], out: &mut [Nearest], control: &Control) -> Result<(), BuildError> {
        assert!(codes.len() == out.len() * self.dim, "codes are rows x dim");
        let ids: Vec<u32> = (0..out.len() as u32).collect();
        for (ids, out) in ids.chunks(BATCH_ROWS).zip(out.chunks_mut(BATCH_ROWS)) {
            self.assign_rows(codes, ids, out, control)?;
        }
        Ok(())
    }

    /// The nearest list of all rows, on all threads.
    ///
    /// # Errors
    /// [`BuildError::Cancelled`] soon after `control.cancel` is set.
    ///
    /// # Panics
    /// As [`Assigner::assign`].
    pub fn assign_all(&self, rows: &Rows<'_>, control: &Control) -> Result<Vec<Nearest>, BuildError> {
        control.enter(Phase::Assign, rows.count as u64)?;
        let mut out = vec![Nearest::default(); rows.count];
        let batches = rows.codes.par_chunks(BATCH_ROWS * self.dim).zip(out.par_chunks_mut(BATCH_ROWS));
        batches.try_for_each(|(codes, out)| {
            self.assign(codes, out, control)?;
            control.advance(out.len() as u64);
            Ok(())
        })?;
        Ok(out)
    }

    /// The nearest list of each of the rows `ids` of `codes`; at most [`BATCH_ROWS`].
    pub(super) fn assign_rows(
        &self,
        codes: &[i8],
        ids: &[u32],
        out: &mut [Nearest],
        control: &Control,
    ) -> Result<(), BuildError> {
        assert!(ids.is_empty() || !self.lists.is_empty(), "rows need lists");
        out.fill(Nearest { distance: u32::MAX, list: u32::MAX });
        let visits = self.visits(codes, ids, control)?;
        let terms = row_terms(codes, self.dim, ids);
        let mut nearest = [0; ROWS_AT_ONCE];
        let mut chunk = Vec::with_capacity(ROWS_AT_ONCE);
        for visits in visits.chunk_by(|a, b| a.0 == b.0) {
            let group = visits[0].0 as usize;
            let (panels, first) = (&self.lists[group], self.offsets[group]);
            for visits in visits.chunks(ROWS_AT_ONCE) {
                control.check()?;
                chunk.clear();
                chunk.extend(visits.iter().map(|&(_, row)| terms[row as usize]));
                let nearest = &mut nearest[..visits.len()];
                panels.nearest(codes, &chunk, nearest);
                for (&(_, row), &mut key) in visits.iter().zip(nearest) {
                    let found = Nearest { distance: (key >> 32) as u32, list: first + key as u32 };
                    let best = &mut out[row as usize];
                    *best = found.min(*best);
                }
            }
        }
        Ok(())
    }

    /// Which group meets which row, an index into `ids`; sorted by group.
    fn visits(&self, codes: &[i8], ids: &[u32], control: &Control) -> Result<Vec<(u32, u32)>, BuildError> {
        let groups = self.lists.len();
        if groups <= self.probes {
            let rows = 0..ids.len() as u32;
            return Ok((0..groups as u32)
                .flat_map(|group| rows.clone().map(move |row| (group, row)))
                .collect());
        }
        let mut distances = vec![0u32; ROWS_AT_ONCE * self.groups.stride()];
        let mut found = Vec::new();
        let mut nearest = Vec::with_capacity(ids.len() * self.probes);
        let mut ends = Vec::with_capacity(ids.len());
        // Where the visits of each group begin.
        let mut starts = vec![0usize; groups + 1];
        for ids in ids.chunks(ROWS_AT_ONCE) {
            control.check()?;
            self.groups.distances(codes, ids, &mut distances);
            for distances in distances.chunks_exact(self.groups.stride()).take(ids.len()) {
                let least = (least(distances) >> 32) as u32;
                let limit = least.saturating_add(least / 64 * SPREAD);
                smallest(distances, self.probes, limit, &mut found);
                nearest.extend(found.iter().map(|&key| key as u32));
                ends.push(nearest.len());
                found.iter().for_each(|&key| starts[key as u32 as usize + 1] += 1);
            }
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut visits = vec![(0, 0); nearest.len()];
        let mut first = 0;
        for (row, end) in (0..).zip(ends) {
            for &group in &nearest[std::mem::replace(&mut first, end)..end] {
                let next = &mut starts[group as usize];
                visits[*next] = (group, row);
                *next += 1;
            }
        }
        Ok(visits)
    }
}
