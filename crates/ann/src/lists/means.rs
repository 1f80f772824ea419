//! Training: groups, the lists of each group, then passes over all lists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::centroids::Centroids;
use super::refine::Refining;
use super::{Params, assign::Assigner};
use crate::build::{BuildError, Clusters, Control, Leaders, Phase, Rows, Space, Training, group, mix};

/// Lloyd iterations that find the groups, and rows of each that they look at.
const GROUP_ITERATIONS: usize = 8;
const GROUP_SAMPLES: usize = 256;

/// Lloyd iterations inside a group, and rows of each list that they look at.
const LIST_ITERATIONS: usize = 6;
const LIST_SAMPLES: usize = 128;

/// Passes over all lists.
const PASSES: usize = 4;

/// Finds the centroids of `params.lists` lists of about equal sizes.
///
/// 64 to 256 rows for each list are enough; more take longer. The caller samples.
///
/// # Errors
/// [`BuildError::Cancelled`] soon after `control.cancel` is set; [`BuildError::TooManyRows`] above 2^32 - 2
/// rows.
///
/// # Panics
/// If `rows.codes` is not `count` x `dim`, or `dim` is not a supported row length.
pub fn train(rows: &Rows<'_>, params: &Params, control: &Control) -> Result<Centroids, BuildError> {
    assert!(rows.codes.len() == rows.count * rows.dim, "codes are count x dim");
    if rows.count >= u32::MAX as usize {
        return Err(BuildError::TooManyRows);
    }
    let groups = group(rows, control)?;
    let (distinct, weights) = (&groups.first, groups.sizes());
    let params = Params { lists: params.lists.clamp(1, distinct.len().max(1)), ..*params };
    control.enter(Phase::Means, ((PASSES + 2) * distinct.len()) as u64)?;
    let mut lists = first_lists(rows, distinct, &params, control)?;
    let refining = Refining { rows, ids: distinct, weights: weights.as_deref(), seed: params.seed, control };
    for pass in 0..PASSES {
        let seed = mix(params.seed, pass as u64);
        let centroids = Centroids::arrange(rows.dim, &lists, params.groups(), seed, control)?;
        let nearest = refining.assign(&Assigner::new(&centroids))?;
        lists = refining.improve(&centroids, &nearest, pass + 1 < PASSES)?;
    }
    let centroids = Centroids::arrange(rows.dim, &lists, params.groups(), params.seed, control)?;
    drop(lists);
    let nearest = refining.assign(&Assigner::new(&centroids))?;
    let mut used = vec![false; centroids.count()];
    nearest.iter().for_each(|&list| used[list as usize] = true);
    if used.iter().all(|&used| used) {
        return Ok(centroids);
    }
    Ok(centroids.retain(|list| used[list]))
}

/// Centroids by Lloyd inside groups of rows, in no order.
fn first_lists(
    rows: &Rows<'_>,
    ids: &[u32],
    params: &Params,
    control: &Control,
) -> Result<Vec<f32>, BuildError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let seed = mix(params.seed, u64::MAX);
    let training =
        Training { count: params.groups(), iterations: GROUP_ITERATIONS, samples: GROUP_SAMPLES, seed };
    let leaders = Leaders::choose(rows, Space::L2, ids, training, control)?;
    let nearest = leaders.assign(rows, ids, 1, control)?;
    let mut clusters = Clusters::new(leaders.count(), &nearest, 1);
    drop(nearest);
    clusters.rename(ids);
    let sizes: Vec<usize> = (0..leaders.count()).map(|group| clusters.members(group).len()).collect();
    let seats = seats(&sizes, params.lists);
    let parts: Result<Vec<Vec<f32>>, BuildError> = (0..sizes.len())
        .into_par_iter()
        .filter(|&group| seats[group] > 0)
        .map(|group| {
            let members = clusters.members(group);
            let training = Training {
                count: seats[group],
                iterations: LIST_ITERATIONS,
                samples: LIST_SAMPLES,
                seed: mix(seed, group as u64),
            };
            let leaders = Leaders::choose(rows, Space::L2, members, training, control)?;
            control.advance(members.len() as u64);
            Ok(leaders.codes.iter().map(|&code| f32::from(code)).collect())
        })
        .collect();
    Ok(parts?.concat())
}

/// Divides `total` seats among parties of these sizes (Webster): in proportion, at least one for each that is not
/// empty while there are enough, and for none more than its size.
fn seats(sizes: &[usize], total: usize) -> Vec<usize> {
    let mut seats = vec![0; sizes.len()];
    // Shares as integers with 20 more bits: equal on every machine.
    let share = |party: usize, seats: usize| match seats {
        0 => u64::MAX,
        _ => ((sizes[party] as u64) << 20) / (2 * seats as u64 + 1),
    };
    let parties = (0..sizes.len()).filter(|&party| sizes[party] > 0);
    let mut claims: BinaryHeap<_> = parties.map(|party| (share(party, 0), Reverse(party))).collect();
    for _ in 0..total {
        let Some((_, Reverse(party))) = claims.pop() else { break };
        seats[party] += 1;
        if seats[party] < sizes[party] {
            claims.push((share(party, seats[party]), Reverse(party)));
        }
    }
    seats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_in_proportion() {
        assert_eq!(seats(&[53, 24, 23], 10), [5, 3, 2]);
        assert_eq!(seats(&[1000, 0, 1], 5), [4, 0, 1]);
        assert_eq!(seats(&[2, 100, 2], 60), [1, 58, 1]);
        assert_eq!(seats(&[3, 2], 100), [3, 2]);
        assert_eq!(seats(&[5, 4], 0), [0, 0]);
        assert_eq!(seats(&[7, 7, 7], 2), [1, 1, 0]);
    }
}
