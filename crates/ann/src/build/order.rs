//! The order of positions: clusters of rows, one after its nearest neighbour.
//!
//! Later phases read rows by position; near rows in near places keep them in the cache, and on disk on the
//! same page.

use rayon::prelude::*;

use super::copies::Groups;
use super::leaders::{Clusters, Leaders, Training, mix};
use super::{BuildError, Control, Phase, Rows, Space};

/// Wanted rows of one cluster, and the most clusters.
const CLUSTER_ROWS: usize = 192;
const CLUSTERS_MAX: usize = 1024;

/// Rows copied by one task.
const TASK_ROWS: usize = 1024;

/// The representatives in their final order.
pub(super) struct Arranged {
    codes: Vec<i8>,
    dim: usize,
    /// Position to group.
    pub group: Vec<u32>,
    /// First position of each cluster, then the number of positions.
    pub clusters: Vec<u32>,
}

impl Arranged {
    pub fn rows(&self) -> Rows<'_> {
        Rows { codes: &self.codes, dim: self.dim, count: self.group.len() }
    }
}

/// Puts the representatives in order and copies their codes.
pub(super) fn arrange(
    rows: &Rows<'_>,
    space: Space,
    groups: &Groups,
    seed: u64,
    control: &Control,
) -> Result<Arranged, BuildError> {
    let count = groups.first.len();
    control.enter(Phase::Order, count as u64)?;
    let wanted = (count / CLUSTER_ROWS).clamp(1, CLUSTERS_MAX);
    let training = Training { count: wanted, iterations: 3, samples: 64, seed: mix(seed, 1) };
    let leaders = Leaders::choose(rows, space, &groups.first, training, control)?;
    let nearest = leaders.assign(rows, &groups.first, 1, control)?;
    let members = Clusters::new(leaders.count(), &nearest, 1);
    drop(nearest);
    let mut group = Vec::with_capacity(count);
    let mut clusters = vec![0];
    for cluster in chain(&leaders) {
        if !members.members(cluster).is_empty() {
            group.extend_from_slice(members.members(cluster));
            clusters.push(group.len() as u32);
        }
    }
    drop((members, leaders));
    let dim = rows.dim;
    let mut codes = vec![0i8; count * dim];
    codes.par_chunks_mut(TASK_ROWS * dim).zip(group.par_chunks(TASK_ROWS)).try_for_each(
        |(codes, group)| {
            control.check()?;
            for (target, &group) in codes.chunks_exact_mut(dim).zip(group) {
                target.copy_from_slice(rows.row(groups.first[group as usize]));
            }
            control.advance(group.len() as u64);
            Ok(())
        },
    )?;
    Ok(Arranged { codes, dim, group, clusters })
}

/// All leaders, each followed by the nearest one not yet visited.
fn chain(leaders: &Leaders) -> Vec<usize> {
    let count = leaders.count();
    let mut distances = vec![0u32; leaders.panels.stride()];
    let mut visited = vec![false; count];
    let mut chain = Vec::with_capacity(count);
    let mut next = Some(0);
    while let Some(leader) = next {
        visited[leader] = true;
        chain.push(leader);
        leaders.panels.distances(&leaders.codes, &[leader as u32], &mut distances);
        next = (0..count).filter(|&other| !visited[other]).min_by_key(|&other| distances[other]);
    }
    chain
}
