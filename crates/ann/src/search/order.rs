//! Orders of elements: by bound, and by estimate in the frontier.

use std::cmp::Ordering;

use super::Measured;

/// Orders measured elements by their lower bound; ties by id and payload, so that no two are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByLower(pub(super) Measured);

impl PartialEq for ByLower {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for ByLower {}
impl PartialOrd for ByLower {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for ByLower {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_bound = self.0.lower.total_cmp(&other.0.lower);
        by_bound.then(self.0.id.cmp(&other.0.id)).then(self.0.payload.cmp(&other.0.payload))
    }
}

/// Inserts `key` into ascending `keys`, which keeps its `limit` smallest.
pub(super) fn insert_ascending(keys: &mut Vec<f32>, key: f32, limit: usize) {
    if keys.len() >= limit {
        if keys.last().is_some_and(|&last| key >= last) {
            return;
        }
        keys.pop();
    }
    let at = keys.partition_point(|&other| other <= key);
    keys.insert(at, key);
}

/// A frontier entry: ordered by key, then id.
pub(super) fn entry(key: f32, id: u32) -> u64 {
    let bits = key.to_bits();
    let ordered = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(ordered) << 32 | u64::from(id)
}

pub(super) fn key_of(entry: u64) -> f32 {
    let ordered = (entry >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}
