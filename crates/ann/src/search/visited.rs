//! The set of elements that a search has met.

/// A set of `u32` ids below a known bound: a bitmap for small bounds, open addressing for large ones, so that
/// starting a search over millions of elements does not clear megabytes.
#[derive(Debug)]
pub struct Visited {
    words: Vec<u64>,
    table: Vec<u32>,
    used: usize,
}

/// Largest bound that is served by a bitmap: 32 KiB, which one query clears in about a microsecond.
const BITMAP_BOUND: u32 = 1 << 18;
const EMPTY: u32 = u32::MAX;

impl Visited {
    /// An empty set of ids below `bound`.
    pub fn new(bound: u32) -> Self {
        if bound <= BITMAP_BOUND {
            Self { words: vec![0; (bound as usize).div_ceil(64)], table: Vec::new(), used: 0 }
        } else {
            Self { words: Vec::new(), table: vec![EMPTY; 1 << 12], used: 0 }
        }
    }

    /// Adds `id`; false when it was there already.
    #[inline]
    pub fn insert(&mut self, id: u32) -> bool {
        if let Some(word) = self.words.get_mut((id / 64) as usize) {
            let bit = 1u64 << (id % 64);
            let is_new = *word & bit == 0;
            *word |= bit;
            return is_new;
        }
        if self.table.is_empty() {
            return false;
        }
        self.insert_hashed(id)
    }

    /// Whether `id` is in the set.
    pub fn contains(&self, id: u32) -> bool {
        if let Some(word) = self.words.get((id / 64) as usize) {
            return word & (1u64 << (id % 64)) != 0;
        }
        !self.table.is_empty() && self.table[self.slot(id)] == id
    }

    /// Bytes that the set occupies.
    pub fn bytes(&self) -> usize {
        self.words.len() * 8 + self.table.len() * 4
    }

    fn slot(&self, id: u32) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = (id.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask;
        while self.table[slot] != EMPTY && self.table[slot] != id {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn insert_hashed(&mut self, id: u32) -> bool {
        let slot = self.slot(id);
        if self.table[slot] == id {
            return false;
        }
        self.table[slot] = id;
        self.used += 1;
        if self.used * 2 > self.table.len() {
            let bigger = vec![EMPTY; self.table.len() * 4];
            for old in std::mem::replace(&mut self.table, bigger) {
                if old != EMPTY {
                    let slot = self.slot(old);
                    self.table[slot] = old;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_agree_with_a_hash_set() {
        for bound in [1, 64, 1000, BITMAP_BOUND, BITMAP_BOUND + 1, u32::MAX] {
            let mut set = Visited::new(bound);
            let mut oracle = std::collections::HashSet::new();
            let mut state = 7u64;
            for _ in 0..20_000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let id = ((state >> 33) % u64::from(bound.min(30_000))) as u32;
                assert_eq!(set.insert(id), oracle.insert(id));
                assert!(set.contains(id));
            }
            assert!((0..bound.min(30_000)).all(|id| set.contains(id) == oracle.contains(&id)));
        }
    }
}
