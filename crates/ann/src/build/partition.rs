//! Overlapping division of the rows into parts small enough for an all-pairs product.
//!
//! A part with too many rows gets leaders, and each row goes to its `fan_out` nearest ones. Parts are visited
//! as soon as they are made, so only the member lists on the way are held.

use rayon::prelude::*;

use super::leaders::{Clusters, LEADERS_MAX, Leaders, Training, mix};
use super::params::Effort;
use super::{BuildError, Control, Rows, Space};

/// Divisions after which a part is cut up by position: only rows no leader tells apart come so far.
const DEPTH_MAX: usize = 24;

/// What every phase works on: the rows in order and the build's parameters.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub rows: Rows<'a>,
    pub space: Space,
    pub effort: &'a Effort,
    pub seed: u64,
    pub control: &'a Control,
}

/// How rows are divided.
#[derive(Clone, Copy)]
pub(super) struct Division<'a> {
    /// Leaders a row goes to, by depth; one below.
    pub fan_out: &'a [usize],
    /// Wanted and largest number of rows of a part.
    pub wanted: usize,
    pub max: usize,
    pub seed: u64,
}

impl Division<'_> {
    fn fan_out_at(&self, depth: usize) -> usize {
        self.fan_out.get(depth).copied().unwrap_or(1)
    }

    /// Parts that a row of a part at `depth` still counts for, were all divisions made.
    fn weight(&self, depth: usize) -> u64 {
        (depth..self.fan_out.len()).map(|depth| self.fan_out[depth] as u64).product()
    }
}

/// Visits the rows of one part; ascending.
pub(super) type Visit<'a> = dyn Fn(&[u32]) -> Result<(), BuildError> + Sync + 'a;

impl Site<'_> {
    /// Divides all rows and calls `visit` with each part. Work units: rows x the product of fan-outs.
    pub fn divide(&self, division: &Division<'_>, visit: &Visit<'_>) -> Result<(), BuildError> {
        let all: Vec<u32> = (0..self.rows.count as u32).collect();
        let part = Part { members: &all, depth: 0, path: mix(division.seed, self.seed) };
        self.divide_part(division, &part, visit)
    }

    fn divide_part(
        &self,
        division: &Division<'_>,
        part: &Part<'_>,
        visit: &Visit<'_>,
    ) -> Result<(), BuildError> {
        self.control.check()?;
        let count = part.members.len();
        if count <= division.max {
            visit(part.members)?;
            self.control.advance(count as u64 * division.weight(part.depth));
            return Ok(());
        }
        if part.depth >= DEPTH_MAX {
            return part.members.par_chunks(division.max).try_for_each(visit);
        }
        let (clusters, leaders) = self.split(division, part)?;
        (0..leaders).into_par_iter().try_for_each(|cluster| {
            let members = clusters.members(cluster);
            if members.is_empty() {
                return Ok(());
            }
            let path = mix(part.path, cluster as u64);
            self.divide_part(division, &Part { members, depth: part.depth + 1, path }, visit)
        })
    }

    /// Chooses leaders for a part and gives its rows to them; returns the number of leaders too.
    fn split(&self, division: &Division<'_>, part: &Part<'_>) -> Result<(Clusters, usize), BuildError> {
        let fan_out = division.fan_out_at(part.depth);
        let wanted = (part.members.len() * fan_out).div_ceil(division.wanted).max(2);
        let count = if wanted <= LEADERS_MAX { wanted } else { (wanted as f64).sqrt().ceil() as usize };
        let training =
            Training { count: count.min(LEADERS_MAX), iterations: 1, samples: 24, seed: part.path };
        let leaders = Leaders::choose(&self.rows, self.space, part.members, training, self.control)?;
        let fan_out = fan_out.min(leaders.count() - 1);
        let nearest = leaders.assign(&self.rows, part.members, fan_out, self.control)?;
        let mut clusters = Clusters::new(leaders.count(), &nearest, fan_out);
        clusters.rename(part.members);
        Ok((clusters, leaders.count()))
    }
}

/// Rows that are divided further or visited.
struct Part<'a> {
    /// Ascending.
    members: &'a [u32],
    depth: usize,
    /// Hash of the way here.
    path: u64,
}
