//! The lists of a segment in the making.

use ann::build::{BuildError, Control, Rows};
use ann::lists::{Centroids, Params, train};
use quant::rabitq;

use super::{EncodedNodes, Frame, encode_own};
use crate::plan::OwnCode;
use crate::segment::sampled::Sampled;
use crate::space::Space;

/// Rows that a list's centroid is trained on, at most.
pub const TRAINING_ROWS: usize = 64;
/// Share of set bits from which on a list of bit strings has the bit.
const BIT_IS_SET: f32 = 0.5;

/// Centroids of lists for rows like these, trained on no more of them than it takes.
///
/// # Errors
/// If cancelled.
pub fn train_lists(
    rows: &Rows<'_>,
    wanted: usize,
    seed: u64,
    control: &Control,
) -> Result<Centroids, BuildError> {
    let params = Params { lists: wanted, seed };
    let step = (rows.count / (wanted * TRAINING_ROWS).max(1)).max(1);
    if step == 1 {
        return train(rows, &params, control);
    }
    let codes: Vec<i8> = Sampled::new(step, seed)
        .of(rows.count)
        .flat_map(|row| rows.codes[row * rows.dim..][..rows.dim].iter().copied())
        .collect();
    train(&Rows { codes: &codes, dim: rows.dim, count: codes.len() / rows.dim }, &params, control)
}

/// A node for each list, without rows.
pub fn encode_lists(space: &Space, frame: &Frame, centroids: &Centroids) -> EncodedNodes {
    let plan = frame.plan.of_lists();
    let count = centroids.count();
    let mut lists = EncodedNodes {
        plan,
        own: vec![0; count * plan.own_bytes()],
        scales: vec![0.0; count],
        errors: vec![0.0; count],
        bits: vec![0; count * plan.code_bytes()],
        factors: vec![(0, 0); count],
        ..EncodedNodes::empty(frame)
    };
    let dim = space.padded_dim();
    let outs =
        lists.own.chunks_exact_mut(plan.own_bytes()).zip(lists.bits.chunks_exact_mut(plan.code_bytes()));
    for (list, (own, bits)) in outs.enumerate() {
        let centroid = &centroids.list(list)[..dim];
        if let OwnCode::Residual(encoding) = plan.own() {
            let residual = frame.byte_code.residual(centroid);
            (lists.scales[list], lists.errors[list]) = encode_own(space, encoding, &residual, own);
            let encoded = rabitq::encode(&residual, bits);
            lists.factors[list] = super::chunk::factors(space, &encoded);
        } else {
            for (bit, _) in centroid.iter().enumerate().filter(|(_, share)| **share >= BIT_IS_SET) {
                bits[bit / 8] |= 1 << (bit % 8);
            }
            own.copy_from_slice(bits);
            lists.factors[list] = rabitq::bit_factors();
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use ann::build::mix;

    use super::*;

    /// Twenty groups whose rows come in turns: every tenth row is of two of them.
    #[test]
    fn lists_are_trained_on_rows_of_all_groups() {
        const DIM: usize = 64;
        let code = |group: usize, row: usize, at: usize| {
            let centre = (mix(group as u64, at as u64) % 201) as i16 - 100;
            (centre + (mix(row as u64, at as u64) % 5) as i16) as i8
        };
        let count = 10 * 10 * TRAINING_ROWS;
        let codes: Vec<i8> =
            (0..count).flat_map(|row| (0..DIM).map(move |at| code(row % 20, row, at))).collect();
        let rows = Rows { codes: &codes, dim: DIM, count };
        let centroids = train_lists(&rows, 10, 3, &Control::default()).expect("not cancelled");
        let group_of = |centroid: &[f32]| {
            let distance = |group: usize| {
                let apart = |(at, x): (usize, &f32)| (x - f32::from(code(group, group, at))).abs();
                centroid.iter().enumerate().map(apart).sum::<f32>()
            };
            (0..20).min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        };
        let groups = centroids.lists().chunks_exact(DIM).map(group_of);
        let groups: std::collections::BTreeSet<_> = groups.collect();
        assert!(groups.len() >= 6, "{groups:?}");
    }
}
