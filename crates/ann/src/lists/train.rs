//! Training from the first centroids to the last.

use kernels::block::{RowTerm, row_terms};

use super::pass::Pass;
use super::{Assigner, Centroids, Params};
use crate::build::{BuildError, Control, Phase, Rows, group, mix, sample};

/// Steps over some of the rows: the first are large, so few rows show where they go.
const FIRST_STEPS: usize = 2;
/// Rows of each list in those steps, when there are twice as many.
const FIRST_ROWS: usize = 16;
/// Steps over all rows.
const STEPS: usize = 5;
/// The last step does not divide lists: what was replaced has to settle.
const SETTLING: usize = 1;

/// Finds the centroids of `params.lists` lists of about equal sizes: most have less than twice the mean.
///
/// 32 to 256 rows for each list are enough; more take longer. The caller samples.
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
    let first_rows = params.lists.saturating_mul(FIRST_ROWS);
    let stride = if distinct.len() / 2 < first_rows { 1 } else { distinct.len() / first_rows };
    let units = distinct.len() / stride * (FIRST_STEPS + 1) + distinct.len() * (STEPS + 1);
    control.enter(Phase::Means, units as u64)?;
    let first = sample(&distinct, params.lists.min(distinct.len()), params.seed);
    let mut lists: Vec<f32> = first.flat_map(|id| rows.row(id)).map(|&code| f32::from(code)).collect();
    let terms = row_terms(rows.codes, rows.dim, &distinct);
    let all =
        Pass { rows, ids: &distinct, terms: &terms, weights: weights.as_deref(), seed: params.seed, control };
    let mut steps = STEPS;
    if stride > 1 {
        let at = |k: usize| k * stride + mix(params.seed, k as u64) as usize % stride;
        let picked: Vec<usize> = (0..distinct.len() / stride).map(at).collect();
        let ids: Vec<u32> = picked.iter().map(|&at| distinct[at]).collect();
        let weights: Option<Vec<u32>> =
            weights.as_ref().map(|weights| picked.iter().map(|&at| weights[at]).collect());
        let terms: Vec<RowTerm> = picked.iter().map(|&at| terms[at]).collect();
        let some = Pass { ids: &ids, terms: &terms, weights: weights.as_deref(), ..all };
        lists = improve(&some, lists, &params, FIRST_STEPS, 0)?.0;
    } else {
        steps += FIRST_STEPS;
    }
    let (lists, nearest) = improve(&all, lists, &params, steps, SETTLING)?;
    let mut used = vec![false; lists.len() / rows.dim];
    nearest.iter().for_each(|&list| used[list as usize] = true);
    // An empty list lost its rows to others in the last step; most often there is none.
    let kept = lists.chunks_exact(rows.dim).zip(used).filter(|(_, used)| *used);
    let lists: Vec<f32> = kept.flat_map(|(list, _)| list.iter().copied()).collect();
    Centroids::arrange(rows.dim, &lists, params.groups(), params.seed, control)
}

/// Steps over the rows of a pass, the last `settling` of which leave sizes as they are; the centroids, and the
/// nearest of each row.
fn improve(
    pass: &Pass<'_>,
    lists: Vec<f32>,
    params: &Params,
    steps: usize,
    settling: usize,
) -> Result<(Vec<f32>, Vec<u32>), BuildError> {
    let dim = pass.rows.dim;
    let centroids = Centroids::arrange(dim, &lists, params.groups(), mix(params.seed, 1), pass.control)?;
    drop(lists);
    let mut nearest = pass.assign(&Assigner::new(&centroids))?;
    let mut lists = centroids.into_lists();
    for step in 0..steps {
        let pass = Pass { seed: mix(pass.seed, step as u64), ..*pass };
        (lists, nearest) = pass.improve(lists, &nearest, step + settling < steps)?;
    }
    Ok((lists, nearest))
}
