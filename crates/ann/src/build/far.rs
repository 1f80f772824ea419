//! Far candidates: each row meets a thin sample of a much wider neighbourhood.
//!
//! On strongly clustered data the nearest candidates all lie in the row's own cluster, and a graph of them
//! falls apart or is walked badly. One row in 16, and one in 256, gives the links that lead out.

use kernels::block::{NO_DISTANCE, smallest};
use rayon::prelude::*;

use super::leaders::mix;
use super::near::{Benches, ROWS_AT_ONCE, rename};
use super::params::FAR;
use super::partition::{Division, Site};
use super::reservoir::EMPTY;
use super::{BuildError, Phase, Reservoirs};

/// One row in this many is a column.
pub(super) const RATIOS: [u64; 2] = [16, 256];

/// Wanted and largest number of columns of a part.
const COLUMNS_WANTED: usize = 600;
const COLUMNS_MAX: usize = 1024;

/// Rows of one parallel task.
const TASK_ROWS: usize = 1008;

impl Site<'_> {
    /// The far candidates of each row: rows x (number of ratios x `FAR`) keys, sorted by ratio.
    pub fn far_candidates(&self) -> Result<Vec<u64>, BuildError> {
        self.control.enter(Phase::Far, (self.rows.count * RATIOS.len()) as u64)?;
        let width = RATIOS.len() * FAR;
        let mut slab = vec![EMPTY; self.rows.count * width];
        let reservoirs = Reservoirs::new(&mut slab, width);
        let benches = Benches::new(self.space, self.rows.dim);
        for ratio in RATIOS {
            let scale = ratio as usize;
            let division = Division {
                fan_out: &[],
                wanted: COLUMNS_WANTED * scale,
                max: COLUMNS_MAX * scale,
                seed: mix(3, ratio),
            };
            self.divide(&division, &|members| self.far_part(members, ratio, &reservoirs, &benches))?;
        }
        drop(reservoirs);
        Ok(slab)
    }

    /// Whether a row is a column of `ratio`; those of 256 are among those of 16.
    pub fn is_sampled(&self, row: u32, ratio: u64) -> bool {
        mix(mix(self.seed, 4), u64::from(row)).is_multiple_of(ratio)
    }

    fn far_part(
        &self,
        members: &[u32],
        ratio: u64,
        reservoirs: &Reservoirs<'_>,
        benches: &Benches,
    ) -> Result<(), BuildError> {
        let sampled: Vec<u32> = members.iter().copied().filter(|&id| self.is_sampled(id, ratio)).collect();
        members.par_chunks(TASK_ROWS).try_for_each(|rows| {
            sampled.chunks(COLUMNS_MAX).try_for_each(|columns| {
                benches.with(|bench| {
                    bench.panels.pack(self.rows.codes, columns);
                    let stride = bench.panels.stride();
                    bench.distances.resize(bench.distances.len().max(ROWS_AT_ONCE * stride), 0);
                    for rows in rows.chunks(ROWS_AT_ONCE) {
                        self.control.check()?;
                        bench.panels.distances(self.rows.codes, rows, &mut bench.distances);
                        for (&row, distances) in rows.iter().zip(bench.distances.chunks_exact_mut(stride)) {
                            if let Ok(own) = columns.binary_search(&row) {
                                distances[own] = NO_DISTANCE;
                            }
                            smallest(&distances[..columns.len()], FAR, NO_DISTANCE, &mut bench.found);
                            rename(&mut bench.found, columns);
                            reservoirs.offer(row, &bench.found);
                        }
                    }
                    Ok(())
                })
            })
        })
    }
}
