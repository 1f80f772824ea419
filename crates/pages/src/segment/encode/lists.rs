//! The lists of a segment in the making.

use ann::build::{BuildError, Control, Rows};
use ann::lists::{Assigner, Centroids, Params, train};
use quant::rabitq;

use super::{ByteCode, EncodedNodes, encode_own};
use crate::plan::OwnCode;
use crate::space::Space;

/// Rows that a list's centroid is trained on, at most.
pub const TRAINING_ROWS: usize = 64;
/// Share of set bits from which on a list of bit strings has the bit.
const BIT_IS_SET: f32 = 0.5;

/// Gives the nodes to lists, the lists to `nodes`, and returns the order of the nodes in which those of a list are
/// adjacent, and the list of each node by input number.
///
/// # Errors
/// If cancelled.
pub fn make_lists(
    space: &Space,
    nodes: &mut EncodedNodes,
    wanted: usize,
    seed: u64,
    control: &Control,
) -> Result<(Vec<u32>, Vec<u32>), BuildError> {
    let rows = Rows { codes: &nodes.bytes, dim: nodes.byte_dim, count: nodes.count() };
    let centroids = trained(&rows, wanted, seed, control)?;
    let nearest = Assigner::new(&centroids).assign_all(&rows, control)?;
    let mut offsets = vec![0u32; centroids.count() + 1];
    nearest.iter().for_each(|nearest| offsets[nearest.list as usize + 1] += 1);
    // Lists without rows are left out: a list's number is that among those with rows.
    let kept: Vec<usize> = (0..centroids.count()).filter(|&list| offsets[list + 1] > 0).collect();
    let mut numbers = vec![0u32; centroids.count()];
    kept.iter().zip(0..).for_each(|(&list, number)| numbers[list] = number);
    let list_of: Vec<u32> = nearest.iter().map(|nearest| numbers[nearest.list as usize]).collect();
    let mut row_offsets = vec![0u32; kept.len() + 1];
    list_of.iter().for_each(|&list| row_offsets[list as usize + 1] += 1);
    (1..row_offsets.len()).for_each(|at| row_offsets[at] += row_offsets[at - 1]);
    let mut next = row_offsets.clone();
    let mut order = vec![0u32; list_of.len()];
    for (node, &list) in (0..).zip(&list_of) {
        order[next[list as usize] as usize] = node;
        next[list as usize] += 1;
    }
    nodes.lists = Some(Box::new(encode(space, nodes, &centroids, &kept, row_offsets)));
    Ok((order, list_of))
}

/// Centroids of a sample of the rows.
fn trained(rows: &Rows<'_>, wanted: usize, seed: u64, control: &Control) -> Result<Centroids, BuildError> {
    let params = Params { lists: wanted, seed };
    let step = (rows.count / (wanted * TRAINING_ROWS).max(1)).max(1);
    if step == 1 {
        return train(rows, &params, control);
    }
    let codes: Vec<i8> =
        rows.codes.chunks_exact(rows.dim).step_by(step).flat_map(|code| code.iter().copied()).collect();
    train(&Rows { codes: &codes, dim: rows.dim, count: codes.len() / rows.dim }, &params, control)
}

/// A node for each of the lists `kept`, whose rows are the nodes that it has.
fn encode(
    space: &Space,
    nodes: &EncodedNodes,
    centroids: &Centroids,
    kept: &[usize],
    row_offsets: Vec<u32>,
) -> EncodedNodes {
    let plan = nodes.plan.of_lists();
    let count = kept.len();
    let mut lists = EncodedNodes {
        plan,
        centroid: nodes.centroid.clone(),
        norm_max: nodes.norm_max,
        own: vec![0; count * plan.own_bytes()],
        own_ends: Vec::new(),
        scales: vec![0.0; count],
        errors: vec![0.0; count],
        bits: vec![0; count * plan.code_bytes()],
        factors: vec![(0, 0); count],
        bytes: Vec::new(),
        byte_dim: 0,
        byte_code: ByteCode::default(),
        row_offsets,
        row_tids: Vec::new(),
        unranked: Vec::new(),
        lists: None,
    };
    let dim = space.padded_dim();
    let outs =
        lists.own.chunks_exact_mut(plan.own_bytes()).zip(lists.bits.chunks_exact_mut(plan.code_bytes()));
    for (at, (own, bits)) in outs.enumerate() {
        let centroid = &centroids.list(kept[at])[..dim];
        if let OwnCode::Residual(encoding) = plan.own() {
            let residual = nodes.byte_code.residual(centroid);
            (lists.scales[at], lists.errors[at]) = encode_own(space, encoding, &residual, own);
            let encoded = rabitq::encode(&residual, bits);
            lists.factors[at] = super::chunk::factors(space, &encoded);
        } else {
            for (bit, _) in centroid.iter().enumerate().filter(|(_, share)| **share >= BIT_IS_SET) {
                bits[bit / 8] |= 1 << (bit % 8);
            }
            own.copy_from_slice(bits);
            lists.factors[at] = rabitq::bit_factors();
        }
    }
    lists
}
