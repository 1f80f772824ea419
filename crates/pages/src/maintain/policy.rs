//! Which segments to merge.
//!
//! Flat segments are cheap to write and cost a search time in proportion to their rows; graphs cost a search little
//! more than the logarithm of theirs, but each time a row is written into one costs its build and some kilobytes of
//! WAL. So flat segments gather until they are worth a graph, and graphs of one tier gather until there are
//! [`TIER_SEGMENTS`] of them: a row is written once per tier.

use super::Sources;
use crate::format::meta::{SEGMENTS_MAX, SegmentEntry};

/// What a merge may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows that memory allows in one merge.
    pub rows_max: u64,
    /// Whether only merges of flat segments are wanted: a writer's own share.
    pub small_only: bool,
}

/// Rows of flat segments that are worth a graph.
pub const GRAPH_ROWS: u64 = 32_768;
/// Rows of flat segments at which writers wait for merges: searches run over all of them.
const BACKLOG_ROWS: u64 = 2 * GRAPH_ROWS;
/// Flat segments at which they are merged whatever their rows.
const FLAT_SEGMENTS_MAX: usize = 24;
/// Graphs of a tier that are merged, and the ratio of one tier's rows to the next.
const TIER_SEGMENTS: usize = 8;
/// A segment with more dead rows than one in this is written again.
const DEAD_SHARE: u64 = 5;

/// The merge that is due first, if any: a segment with too many dead rows, then flat segments, then the lowest full
/// tier of graphs.
pub fn due(segments: &[SegmentEntry], limits: &Limits) -> Option<(Sources, super::Cause)> {
    let merge = |segments: Vec<SegmentEntry>, cause| Some((Sources { chains: Vec::new(), segments }, cause));
    let flat: Vec<SegmentEntry> = segments.iter().copied().filter(|entry| entry.is_flat()).collect();
    let flat_rows: u64 = flat.iter().map(|entry| u64::from(entry.live())).sum();
    if flat_rows >= GRAPH_ROWS || flat.len() >= FLAT_SEGMENTS_MAX {
        let share = if limits.small_only { GRAPH_ROWS } else { u64::MAX };
        return merge(fitting(flat, limits.rows_max.min(share)), super::Cause::Segments);
    }
    if limits.small_only {
        return None;
    }
    let is_dying = |entry: &&SegmentEntry| u64::from(entry.dead) * DEAD_SHARE > u64::from(entry.rows);
    let fits = |entry: &&SegmentEntry| u64::from(entry.live()) <= limits.rows_max;
    if let Some(entry) = segments.iter().filter(is_dying).filter(fits).min_by_key(|entry| entry.rows) {
        return merge(vec![*entry], super::Cause::Dead);
    }
    let mut graphs: Vec<SegmentEntry> = segments.iter().copied().filter(|entry| !entry.is_flat()).collect();
    graphs.sort_by_key(SegmentEntry::live);
    if graphs.len() >= SEGMENTS_MAX / 2 {
        // The manifest would have no place left: rather more memory than that.
        graphs.truncate(TIER_SEGMENTS);
        return merge(graphs, super::Cause::Segments);
    }
    for tier in graphs.chunk_by(|a, b| tier_of(a) == tier_of(b)) {
        if tier.len() >= TIER_SEGMENTS {
            let chosen = fitting(tier.to_vec(), limits.rows_max);
            // Memory that holds few of them would only write rows again and again.
            if chosen.len() >= TIER_SEGMENTS / 2 {
                return merge(chosen, super::Cause::Segments);
            }
        }
    }
    None
}

/// Whether merges are so far behind that writers should wait for them.
pub fn is_behind(segments: &[SegmentEntry]) -> bool {
    let flat = segments.iter().filter(|entry| entry.is_flat());
    flat.map(|entry| u64::from(entry.live())).sum::<u64>() > BACKLOG_ROWS || segments.len() > SEGMENTS_MAX / 2
}

/// As many segments as memory allows, if that is more than one or one has dead rows or no graph; smallest first.
pub fn whole(segments: &[SegmentEntry], limits: &Limits) -> Option<Sources> {
    let mut all = segments.to_vec();
    all.sort_by_key(SegmentEntry::live);
    let chosen = fitting(all, limits.rows_max);
    let is_worth = match chosen.as_slice() {
        [] => false,
        [one] => one.dead > 0 || one.is_flat(),
        _ => true,
    };
    is_worth.then_some(Sources { chains: Vec::new(), segments: chosen })
}

/// The first segments whose live rows together are at most `rows_max`, at least one.
fn fitting(mut segments: Vec<SegmentEntry>, rows_max: u64) -> Vec<SegmentEntry> {
    let mut rows = 0;
    let fits = |entry: &SegmentEntry| {
        rows += u64::from(entry.live());
        rows <= rows_max
    };
    let count = segments.iter().map(fits).take_while(|fits| *fits).count();
    segments.truncate(count.max(1));
    segments
}

fn tier_of(entry: &SegmentEntry) -> u32 {
    let graphs = u64::from(entry.live()) / GRAPH_ROWS;
    graphs.checked_ilog(TIER_SEGMENTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::FLAT;

    fn entry(segment: u32, rows: u32, dead: u32, navigator: u32) -> SegmentEntry {
        SegmentEntry { segment, rows, dead, navigator, ..SegmentEntry::NONE }
    }

    fn numbers(sources: Option<Sources>) -> Vec<u32> {
        sources.map_or(Vec::new(), |sources| sources.segments.iter().map(|entry| entry.segment).collect())
    }

    const GRAPH: u32 = 0;
    const ALL: Limits = Limits { rows_max: u64::MAX, small_only: false };

    fn due_numbers(segments: &[SegmentEntry], limits: &Limits) -> Vec<u32> {
        numbers(due(segments, limits).map(|(sources, _)| sources))
    }

    #[test]
    fn flat_segments_gather_until_they_are_worth_a_graph() {
        let flats: Vec<SegmentEntry> = (1..=8).map(|at| entry(at, 4_000, 0, FLAT)).collect();
        assert!(due_numbers(&flats, &ALL).is_empty());
        let more: Vec<SegmentEntry> = (1..=9).map(|at| entry(at, 4_000, 0, FLAT)).collect();
        assert_eq!(due_numbers(&more, &ALL).len(), 9);
        let small = Limits { small_only: true, ..ALL };
        assert_eq!(due_numbers(&more, &small).len(), 8);
        assert!(!is_behind(&more));
        assert!(is_behind(&[more.clone(), more.clone()].concat()));
        let tiny: Vec<SegmentEntry> = (1..=24).map(|at| entry(at, 10, 0, FLAT)).collect();
        assert_eq!(due_numbers(&tiny, &ALL).len(), 24);
    }

    #[test]
    fn dead_rows_are_dropped() {
        assert!(due_numbers(&[entry(1, 1_000, 200, GRAPH)], &ALL).is_empty());
        assert_eq!(due_numbers(&[entry(1, 1_000, 201, GRAPH), entry(2, 50, 0, GRAPH)], &ALL), [1]);
        let small = Limits { small_only: true, ..ALL };
        assert!(due_numbers(&[entry(1, 1_000, 900, GRAPH)], &small).is_empty());
    }

    #[test]
    fn a_full_tier_is_merged_alone() {
        let mut graphs: Vec<SegmentEntry> = (1..=7).map(|at| entry(at, 40_000, 0, GRAPH)).collect();
        graphs.push(entry(8, 900_000, 0, GRAPH));
        assert!(due_numbers(&graphs, &ALL).is_empty());
        graphs.push(entry(9, 50_000, 0, GRAPH));
        assert_eq!(due_numbers(&graphs, &ALL), [1, 2, 3, 4, 5, 6, 7, 9]);
        let little = Limits { rows_max: 100_000, small_only: false };
        assert!(due_numbers(&graphs, &little).is_empty());
        let many: Vec<SegmentEntry> = (1..=64).map(|at| entry(at, 40_000, 0, GRAPH)).collect();
        assert_eq!(due_numbers(&many, &little), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn the_whole_index_becomes_one_segment() {
        assert!(whole(&[entry(1, 100, 0, GRAPH)], &ALL).is_none());
        assert_eq!(numbers(whole(&[entry(1, 100, 0, FLAT)], &ALL)), [1]);
        assert_eq!(numbers(whole(&[entry(1, 100, 0, GRAPH), entry(2, 90, 3, GRAPH)], &ALL)), [2, 1]);
        assert!(whole(&[], &ALL).is_none());
    }
}
