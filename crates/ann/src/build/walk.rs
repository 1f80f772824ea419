//! Best-first search on a graph in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// The `ef` nearest positions found, as `(distance, position)`, nearest first.
///
/// `distance` is called once for each position met; entries count. (Malkov & Yashunin 2018, Algorithm 2, on
/// one level.)
pub fn best_first<'g>(
    neighbors: impl Fn(u32) -> &'g [u32],
    mut distance: impl FnMut(u32) -> u32,
    entries: &[u32],
    ef: usize,
) -> Vec<(u32, u32)> {
    let mut met = HashSet::new();
    let mut open = BinaryHeap::new();
    let mut best: BinaryHeap<(u32, u32)> = BinaryHeap::new();
    let mut offer = |position: u32, open: &mut BinaryHeap<_>, best: &mut BinaryHeap<(u32, u32)>| {
        if !met.insert(position) {
            return;
        }
        let key = (distance(position), position);
        if best.len() < ef || best.peek().is_some_and(|worst| key < *worst) {
            open.push(Reverse(key));
            best.push(key);
            if best.len() > ef {
                best.pop();
            }
        }
    };
    for &entry in entries {
        offer(entry, &mut open, &mut best);
    }
    while let Some(Reverse(next)) = open.pop() {
        if best.len() >= ef && best.peek().is_some_and(|worst| next > *worst) {
            break;
        }
        for &neighbor in neighbors(next.1) {
            offer(neighbor, &mut open, &mut best);
        }
    }
    best.into_sorted_vec()
}
