//! Centroids of lists, in groups of near ones.

use crate::build::{BuildError, Clusters, Control, Leaders, Rows, Space, Training, mix};

/// Lloyd iterations over the centroids when they are grouped.
const ITERATIONS: usize = 4;

/// Centroids in units of the codes, those of one group adjacent.
#[derive(Clone, Debug, PartialEq)]
pub struct Centroids {
    dim: usize,
    lists: Vec<f32>,
    groups: Vec<f32>,
    offsets: Vec<u32>,
}

impl Centroids {
    /// From what [`Centroids::lists`], [`Centroids::groups`] and [`Centroids::offsets`] gave; `None` unless they fit
    /// together and `dim` is a supported row length.
    ///
    /// Values beyond the range of a code count as its end.
    pub fn from_parts(dim: usize, lists: Vec<f32>, groups: Vec<f32>, offsets: Vec<u32>) -> Option<Self> {
        let fits = dim > 0
            && dim.is_multiple_of(64)
            && dim <= kernels::block::DIM_MAX
            && groups.len().checked_add(dim) == offsets.len().checked_mul(dim)
            && offsets.first() == Some(&0)
            && offsets.is_sorted()
            && offsets.last().and_then(|&count| dim.checked_mul(count as usize)) == Some(lists.len());
        fits.then_some(Self { dim, lists, groups, offsets })
    }

    /// Arranges the centroids `lists` in about `wanted` groups, none empty.
    pub(super) fn arrange(
        dim: usize,
        lists: &[f32],
        wanted: usize,
        seed: u64,
        control: &Control,
    ) -> Result<Self, BuildError> {
        let count = lists.len() / dim;
        let mut result =
            Self { dim, lists: Vec::with_capacity(lists.len()), groups: Vec::new(), offsets: vec![0] };
        if count == 0 {
            return Ok(result);
        }
        let codes = to_codes(lists);
        let rows = Rows { codes: &codes, dim, count };
        let all: Vec<u32> = (0..count as u32).collect();
        let training = Training {
            count: wanted,
            iterations: ITERATIONS,
            samples: usize::MAX / count,
            seed: mix(seed, 3),
        };
        let leaders = Leaders::choose(&rows, Space::L2, &all, training, control)?;
        let nearest = leaders.assign(&rows, &all, 1, control)?;
        let clusters = Clusters::new(leaders.count(), &nearest, 1);
        for (group, codes) in leaders.codes.chunks_exact(dim).enumerate() {
            let members = clusters.members(group);
            if members.is_empty() {
                continue;
            }
            for &list in members {
                result.lists.extend_from_slice(&lists[list as usize * dim..][..dim]);
            }
            result.groups.extend(codes.iter().map(|&code| f32::from(code)));
            result.offsets.push((result.lists.len() / dim) as u32);
        }
        Ok(result)
    }

    /// Number of lists.
    pub fn count(&self) -> usize {
        self.lists.len() / self.dim
    }

    /// Values of one centroid.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The centroids of the lists: `count` x `dim`, row-major.
    pub fn lists(&self) -> &[f32] {
        &self.lists
    }

    /// The same, alone.
    pub(super) fn into_lists(self) -> Vec<f32> {
        self.lists
    }

    /// The centroid of one list.
    ///
    /// # Panics
    /// If there is no such list.
    pub fn list(&self, list: usize) -> &[f32] {
        &self.lists[list * self.dim..][..self.dim]
    }

    /// The centres of the groups: one less than `offsets` x `dim`, row-major.
    pub fn groups(&self) -> &[f32] {
        &self.groups
    }

    /// `offsets[g]..offsets[g + 1]` are the lists of group `g`.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}

/// Centroids as int8 rows. What rounding adds to a distance is the same for all lists but for noise of the size that
/// the rows' own codes have.
pub(super) fn to_codes(centroids: &[f32]) -> Vec<i8> {
    // Not `round`, which is a call for each value.
    centroids.iter().map(|x| (x + 0.5f32.copysign(*x)).clamp(-127.0, 127.0) as i8).collect()
}
