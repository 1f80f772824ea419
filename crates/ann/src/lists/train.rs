//! Training from the first centroids to the last.

use super::pass::Pass;
use super::{Assigner, Centroids, Params};
use crate::build::{BuildError, Control, Phase, Rows, group, mix, sample};

/// Groups that a row looks into during training; a wrong list does less harm than in the final assignment.
const PROBES: usize = 8;

/// The passes: each looks at one row of so many. First steps are large, so few rows show where they go.
const STRIDES: [usize; 8] = [4, 4, 2, 2, 1, 1, 1, 1];

/// Rows of each list that a pass looks at when there are as many.
const ROWS_MIN: usize = 32;

/// The last passes do not divide lists: what they replaced has to settle.
const SETTLING: usize = 2;

/// Finds the centroids of `params.lists` lists of about equal sizes: most have less than twice the mean.
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
    let weights = groups.sizes();
    let distinct = groups.first;
    let params = Params { lists: params.lists.clamp(1, distinct.len().max(1)), ..*params };
    let strides = STRIDES.map(|stride| stride.min(distinct.len() / ROWS_MIN / params.lists).max(1));
    let units = strides.iter().map(|stride| distinct.len() / stride).sum::<usize>() + distinct.len();
    control.enter(Phase::Means, units as u64)?;
    let whole = Pass { rows, ids: &distinct, weights: weights.as_deref(), seed: params.seed, control };
    let first = sample(&distinct, params.lists.min(distinct.len()), params.seed);
    let mut lists: Vec<f32> = first.flat_map(|id| rows.row(id)).map(|&code| f32::from(code)).collect();
    for (number, &stride) in strides.iter().enumerate() {
        let seed = mix(params.seed, number as u64);
        let centroids = Centroids::arrange(rows.dim, &lists, params.groups(), seed, control)?;
        let assigner = Assigner::with_probes(&centroids, PROBES);
        let even = number + SETTLING < strides.len();
        if stride == 1 {
            lists = Pass { seed, ..whole }.improve(&centroids, &assigner, even)?;
            continue;
        }
        let picked: Vec<u32> = (0..distinct.len() / stride)
            .map(|k| (k * stride + mix(seed, k as u64) as usize % stride) as u32)
            .collect();
        let ids: Vec<u32> = picked.iter().map(|&at| distinct[at as usize]).collect();
        let weights = weights
            .as_ref()
            .map(|weights| -> Vec<u32> { picked.iter().map(|&at| weights[at as usize]).collect() });
        let pass = Pass { ids: &ids, weights: weights.as_deref(), seed, ..whole };
        lists = pass.improve(&centroids, &assigner, even)?;
    }
    let centroids = Centroids::arrange(rows.dim, &lists, params.groups(), params.seed, control)?;
    drop(lists);
    let nearest = whole.assign(&Assigner::new(&centroids))?;
    let mut used = vec![false; centroids.count()];
    nearest.iter().for_each(|&list| used[list as usize] = true);
    // An empty list lost its rows to others in the last step; most often there is none.
    Ok(if used.iter().all(|&used| used) { centroids } else { centroids.retain(|list| used[list]) })
}
