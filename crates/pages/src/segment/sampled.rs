//! Rows taken by chance: one of each stretch of as many. So a sample comes from everywhere, as one of every n-th row
//! does, and it has of each group its share, but for chance, also where rows of several groups come in turns.

use ann::build::mix;

/// One row of each stretch of `step` (at least 1) rows.
#[derive(Clone, Copy)]
pub(crate) struct Sampled {
    step: u64,
    seed: u64,
}

impl Sampled {
    pub(crate) fn new(step: usize, seed: u64) -> Self {
        Self { step: step.max(1) as u64, seed }
    }

    /// The row that is taken of the stretch from `first` on, if that has `rows` rows.
    fn of_stretch(self, first: u64, rows: u64) -> u64 {
        first + mix(first, self.seed) % rows
    }

    /// Whether a row is taken, where it is not known how many there are: of the last stretch maybe none.
    pub(crate) fn has(self, row: u32) -> bool {
        let row = u64::from(row);
        self.of_stretch(row - row % self.step, self.step) == row
    }

    /// The rows that are taken of `count`, ascending.
    pub(crate) fn of(self, count: usize) -> impl Iterator<Item = usize> {
        let count = count as u64;
        let firsts = (0..count).step_by(self.step as usize);
        firsts.map(move |first| self.of_stretch(first, self.step.min(count - first)) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_in_turns_are_all_met() {
        for (step, period) in [(2, 2), (20, 40), (50, 50), (7, 14)] {
            let sampled = Sampled::new(step, 5);
            let mut met = vec![0; period];
            let taken: Vec<usize> = sampled.of(100 * step * period).collect();
            taken.iter().for_each(|row| met[row % period] += 1);
            assert_eq!(taken.len(), 100 * period);
            assert!(met.iter().all(|&times| (50..200).contains(&times)), "{step} {period}: {met:?}");
            let has: Vec<usize> = (0..taken.len() * step).filter(|&row| sampled.has(row as u32)).collect();
            assert_eq!(has, taken);
        }
    }

    #[test]
    fn a_short_stretch_has_a_row_too() {
        assert_eq!(Sampled::new(1, 0).of(3).collect::<Vec<_>>(), [0, 1, 2]);
        let taken: Vec<usize> = Sampled::new(10, 0).of(21).collect();
        assert_eq!((taken.len(), taken[2]), (3, 20));
        assert_eq!(Sampled::new(10, 0).of(0).count(), 0);
    }
}
