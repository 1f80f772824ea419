//! Which segments to merge.
//!
//! Flat segments are cheap to write and cost a search time in proportion to their rows; graphs cost a search little
//! more than the logarithm of theirs, but each time a row is written into one costs its build and some kilobytes of
//! WAL. So flat segments gather until they are worth a graph, and graphs of one tier gather until there are
//! [`TIER_GRAPHS`] of them: a row is written once per tier. To write a row into lists costs a small part of that, and
//! a search reads lists of every segment: of segments with lists a tier has [`TIER_LISTS`].

use super::Sources;
use crate::format::meta::{SEGMENTS_MAX, SegmentEntry};
use crate::pager::PAGE_SIZE;

/// The two kinds of merges, which do not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Of flat segments and of graphs that are no larger: seconds.
    Small,
    /// Of larger graphs: as long as a build.
    Large,
}

/// What a merge may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory in bytes for one merge.
    pub bytes_max: u64,
    /// What a row takes of it, but for vectors whose length varies.
    pub bytes_per_row: u64,
    /// Rows of flat segments that are worth a graph: see [`graph_rows`].
    pub graph_rows: u64,
    /// Segments of a tier that are merged, and the ratio of one tier's rows to the next: see [`tier_segments`].
    pub tier: usize,
    /// Whether the last flush was VACUUM's, which has marked what is dead as far as it could.
    pub is_vacuumed: bool,
    /// Whether vectors vary in length: then they are counted by the pages of their segment.
    pub is_varying: bool,
    /// Whether a writer does it, who has other things to do.
    pub is_share: bool,
    /// Whether memory must suffice even when the manifest has hardly a place left.
    pub is_strict: bool,
}

impl Limits {
    /// What the live rows of a segment take.
    pub fn bytes_of(&self, entry: &SegmentEntry) -> u64 {
        if entry.live() == 0 {
            return 0;
        }
        // They exist twice for a moment.
        let varying = if self.is_varying { 2 * u64::from(entry.pages) * PAGE_SIZE as u64 } else { 0 };
        u64::from(entry.live()) * self.bytes_per_row + varying
    }
}

/// Rows of flat segments that are worth a graph, for merges that may take `bytes_max`, and so much a row: with memory
/// for a merge of half a tier of graphs twice as large they are merged early, else late, because they may stay.
pub fn graph_rows(bytes_max: u64, bytes_per_row: u64) -> u64 {
    let of_merge = 2 * GRAPH_ROWS * TIER_MERGED_MIN as u64;
    if bytes_max / bytes_per_row.max(1) < of_merge { GRAPH_ROWS_LASTING } else { GRAPH_ROWS }
}

/// How many segments of a tier are merged.
pub fn tier_segments(has_lists: bool) -> usize {
    if has_lists { TIER_LISTS } else { TIER_GRAPHS }
}

/// Whether what a merge makes of these sources, which are some of the `segments`, will soon be merged with others.
pub fn is_passing(sources: &Sources, segments: &[SegmentEntry], limits: &Limits) -> bool {
    let rows = |segments: &[SegmentEntry]| segments.iter().map(|entry| u64::from(entry.live())).sum::<u64>();
    limits.graph_rows < GRAPH_ROWS_LASTING
        && sources.segments.iter().all(SegmentEntry::is_flat)
        && rows(&sources.segments) < rows(segments) / PASSING_SHARE
}

/// Rows of flat segments that are worth a graph which will be merged with others.
const GRAPH_ROWS: u64 = 16_384;
/// The same of a graph that may stay.
const GRAPH_ROWS_LASTING: u64 = 32_768;
/// A graph of less than one row in so many of the index is a passing one.
const PASSING_SHARE: u64 = 4;
/// Flat segments at which they are merged whatever their rows.
const FLAT_SEGMENTS_MAX: usize = 48;
/// Rows that the lowest tier's graphs have at least, but for those with fewer.
const TIER_ROWS: u64 = 1024;
/// Segments of a tier that are merged, and the ratio of one tier's rows to the next.
const TIER_GRAPHS: usize = 8;
const TIER_LISTS: usize = 4;
/// The least of a tier that are worth a merge when memory does not hold all: fewer would only write rows again and
/// again.
const TIER_MERGED_MIN: usize = TIER_GRAPHS / 2;
/// A segment with more dead rows than one in this is written again.
const DEAD_SHARE: u64 = 5;

/// The merge of this lane that is due first, if any: of flat segments; of a segment with too many dead rows; of the
/// lowest full tier of graphs.
pub fn due(segments: &[SegmentEntry], lane: Lane, limits: &Limits) -> Option<(Sources, super::Cause)> {
    match lane {
        Lane::Small => due_small(segments, limits),
        Lane::Large => due_of(segments.iter().copied().filter(|entry| !is_small(entry)).collect(), limits),
    }
}

fn merge(segments: Vec<SegmentEntry>, cause: super::Cause) -> Option<(Sources, super::Cause)> {
    Some((Sources { chains: Vec::new(), segments }, cause))
}

/// Whether a segment is the small lane's: by its rows when it was written, so that it never changes lanes and no merge
/// of the one lane can take what a merge of the other has.
fn is_small(entry: &SegmentEntry) -> bool {
    entry.is_flat() || u64::from(entry.rows) < GRAPH_ROWS
}

fn due_small(segments: &[SegmentEntry], limits: &Limits) -> Option<(Sources, super::Cause)> {
    let flat: Vec<SegmentEntry> = segments.iter().copied().filter(SegmentEntry::is_flat).collect();
    let graph_rows = graph_rows_beside(segments, limits);
    if backlog(segments) >= graph_rows || flat.len() >= FLAT_SEGMENTS_MAX {
        let share = match limits.is_share {
            true => limits.graph_rows * limits.bytes_per_row,
            // So that enough of them can be merged.
            false if limits.graph_rows < GRAPH_ROWS_LASTING => limits.bytes_max / TIER_MERGED_MIN as u64,
            false => u64::MAX,
        };
        let limits = Limits { bytes_max: limits.bytes_max.min(share), ..*limits };
        return merge(fitting(flat, &limits), super::Cause::Segments);
    }
    due_of(segments.iter().copied().filter(is_small).collect(), limits)
}

/// Rows of flat segments that are worth a graph beside the graphs that there are. Where rows are replaced, these stay
/// until VACUUM, and a graph of half of the rows before that makes the index larger by itself. Lists are small.
fn graph_rows_beside(segments: &[SegmentEntry], limits: &Limits) -> u64 {
    let rows: u64 =
        segments.iter().filter(|entry| !entry.is_flat()).map(|entry| u64::from(entry.live())).sum();
    let is_alike = (limits.graph_rows / 2..limits.graph_rows * (PASSING_SHARE - 1)).contains(&rows);
    let may_be_dead = is_alike && !limits.is_vacuumed && limits.tier == TIER_GRAPHS;
    if may_be_dead { GRAPH_ROWS_LASTING } else { limits.graph_rows }
}

/// Live rows of flat segments: each search runs over all of them.
pub fn backlog(segments: &[SegmentEntry]) -> u64 {
    segments.iter().filter(|entry| entry.is_flat()).map(|entry| u64::from(entry.live())).sum()
}

fn is_dying(entry: &SegmentEntry) -> bool {
    u64::from(entry.dead) * DEAD_SHARE > u64::from(entry.rows)
}

/// Of the segments of a lane: one that is dying, or the lowest full tier of graphs.
fn due_of(lane: Vec<SegmentEntry>, limits: &Limits) -> Option<(Sources, super::Cause)> {
    let fits = |entry: &&SegmentEntry| limits.bytes_of(entry) <= limits.bytes_max;
    let dying = lane.iter().filter(|entry| is_dying(entry)).filter(fits);
    if let Some(entry) = dying.min_by_key(|entry| entry.rows) {
        return merge(vec![*entry], super::Cause::Dead);
    }
    let mut graphs: Vec<SegmentEntry> = lane.into_iter().filter(|entry| !entry.is_flat()).collect();
    graphs.sort_by_key(SegmentEntry::live);
    let tier_of = |entry: &SegmentEntry| {
        (u64::from(entry.live()) / TIER_ROWS).checked_ilog(limits.tier as u64).unwrap_or(0)
    };
    for tier in graphs.chunk_by(|a, b| tier_of(a) == tier_of(b)) {
        if tier.len() >= limits.tier {
            let chosen = fitting(tier.to_vec(), limits);
            if chosen.len() >= TIER_MERGED_MIN {
                return merge(chosen, super::Cause::Segments);
            }
        }
    }
    if graphs.len() >= SEGMENTS_MAX / 3 {
        // The manifest would have no place left: rather more memory than that.
        graphs.truncate(TIER_GRAPHS);
        if limits.is_strict {
            graphs = fitting(graphs, limits);
        }
        return if graphs.len() > 1 { merge(graphs, super::Cause::Segments) } else { None };
    }
    None
}

/// A segment of the large lane without live rows: of it only the rows' marks are read, and its blocks are for whoever
/// comes next.
pub fn empty(segments: &[SegmentEntry]) -> Option<Sources> {
    let large = segments.iter().filter(|entry| !is_small(entry) && entry.live() == 0);
    Some(Sources { chains: Vec::new(), segments: vec![*large.min_by_key(|entry| entry.segment)?] })
}

/// As many segments as memory allows, if that is more than one or one has dead rows or no graph; smallest first.
/// `before`: only those with smaller numbers, so that whoever merges everything comes to an end while others write.
pub fn whole(segments: &[SegmentEntry], before: u32, limits: &Limits) -> Option<Sources> {
    let mut all: Vec<SegmentEntry> =
        segments.iter().copied().filter(|entry| entry.segment < before).collect();
    all.sort_by_key(SegmentEntry::live);
    let chosen = fitting(all, limits);
    let is_worth = match chosen.as_slice() {
        [] => false,
        [one] => one.dead > 0 || one.is_flat(),
        _ => true,
    };
    is_worth.then_some(Sources { chains: Vec::new(), segments: chosen })
}

/// The first segments whose live rows together fit into memory, at least one.
fn fitting(mut segments: Vec<SegmentEntry>, limits: &Limits) -> Vec<SegmentEntry> {
    let mut bytes = 0u64;
    let fits = |entry: &SegmentEntry| {
        bytes = bytes.saturating_add(limits.bytes_of(entry));
        bytes <= limits.bytes_max
    };
    let count = segments.iter().map(fits).take_while(|fits| *fits).count();
    segments.truncate(count.max(1));
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::{FLAT, LISTS};

    fn entry(segment: u32, rows: u32, dead: u32, navigator: u32) -> SegmentEntry {
        SegmentEntry { segment, rows, dead, navigator, ..SegmentEntry::NONE }
    }

    fn numbers(sources: Option<Sources>) -> Vec<u32> {
        sources.map_or(Vec::new(), |sources| sources.segments.iter().map(|entry| entry.segment).collect())
    }

    const GRAPH: u32 = 0;
    const ALL: Limits = Limits {
        bytes_max: u64::MAX,
        bytes_per_row: 100,
        graph_rows: GRAPH_ROWS,
        tier: TIER_GRAPHS,
        is_vacuumed: false,
        is_varying: false,
        is_share: false,
        is_strict: false,
    };

    /// What is due in either lane, small ones first.
    fn due_numbers(segments: &[SegmentEntry], limits: &Limits) -> Vec<u32> {
        let of_lane = |lane| due(segments, lane, limits).map(|(sources, _)| sources);
        numbers(of_lane(Lane::Small).or_else(|| of_lane(Lane::Large)))
    }

    #[test]
    fn flat_segments_gather_until_they_are_worth_a_graph() {
        let flats = |count| (1..=count).map(|at| entry(at, 4_000, 0, FLAT)).collect::<Vec<_>>();
        assert!(due_numbers(&flats(4), &ALL).is_empty());
        assert_eq!(due_numbers(&flats(5), &ALL).len(), 5);
        let share = Limits { is_share: true, ..ALL };
        assert_eq!(due_numbers(&flats(5), &share).len(), 4);
        assert_eq!(backlog(&flats(5)), 20_000);
        let little = Limits { graph_rows: GRAPH_ROWS_LASTING, ..ALL };
        assert!(due_numbers(&flats(8), &little).is_empty());
        assert_eq!(due_numbers(&flats(9), &little).len(), 9);
        // Four graphs of what is taken at once fit.
        let limits = Limits { bytes_max: 131_072 * ALL.bytes_per_row, ..ALL };
        assert_eq!(due_numbers(&flats(30), &limits).len(), 8);
        let tiny: Vec<SegmentEntry> = (1..=48).map(|at| entry(at, 10, 0, FLAT)).collect();
        assert_eq!(due_numbers(&tiny, &ALL).len(), 48);
    }

    /// Where graphs may stay as they are, none is a passing one.
    #[test]
    fn only_small_graphs_that_can_be_merged_are_passing() {
        assert_eq!([131_071, 131_072].map(|rows| graph_rows(rows * 2_880, 2_880)), [32_768, 16_384]);
        let mut segments: Vec<SegmentEntry> = (1..=5).map(|at| entry(at, 4_000, 0, FLAT)).collect();
        let sources = Sources { chains: Vec::new(), segments: segments.clone() };
        assert!(!is_passing(&sources, &segments, &ALL));
        segments.push(entry(9, 70_000, 0, GRAPH));
        assert!(is_passing(&sources, &segments, &ALL));
        assert!(!is_passing(&sources, &segments, &Limits { graph_rows: GRAPH_ROWS_LASTING, ..ALL }));
        let graph = Sources { chains: Vec::new(), segments: vec![entry(7, 2_000, 500, GRAPH)] };
        assert!(!is_passing(&graph, &segments, &ALL));
    }

    #[test]
    fn a_full_manifest_is_no_reason_for_memory_that_is_not_there() {
        let many: Vec<SegmentEntry> =
            (1..=SEGMENTS_MAX as u32 / 3).map(|at| entry(at, 30_000, 0, LISTS)).collect();
        let limits = Limits { bytes_max: 100_000 * ALL.bytes_per_row, ..ALL };
        assert_eq!(due_numbers(&many, &limits).len(), TIER_GRAPHS);
        assert_eq!(due_numbers(&many, &Limits { is_strict: true, ..limits }).len(), 3);
        // Small ones are merged by themselves, as long as there are enough of them.
        let mut mixed = many[3..].to_vec();
        mixed.extend((61..=64).map(|at| entry(at, 2_000, 0, LISTS)));
        let lists = Limits { tier: TIER_LISTS, ..limits };
        assert_eq!(due_numbers(&mixed, &lists), [61, 62, 63, 64]);
        let little = Limits { bytes_max: 1, is_strict: true, ..limits };
        assert!(due_numbers(&many, &little).is_empty());
    }

    #[test]
    fn dead_rows_are_dropped() {
        assert!(due_numbers(&[entry(1, 1_000, 200, GRAPH)], &ALL).is_empty());
        assert_eq!(due_numbers(&[entry(1, 1_000, 201, GRAPH), entry(2, 50, 0, GRAPH)], &ALL), [1]);
        assert!(due(&[entry(1, 70_000, 60_000, GRAPH)], Lane::Small, &ALL).is_none());
        assert_eq!(due_numbers(&[entry(1, 1_000, 900, FLAT)], &ALL), [1]);
    }

    #[test]
    fn what_is_dead_altogether_is_dropped_before_anything_is_made() {
        let mut segments = vec![entry(1, 70_000, 60_000, GRAPH), entry(2, 300, 300, FLAT)];
        assert_eq!(numbers(empty(&segments)), []);
        segments.push(entry(3, 20_000, 20_000, GRAPH));
        assert_eq!(numbers(empty(&segments)), [3]);
        // However many pages it has: none is read.
        segments[2].pages = 1 << 20;
        let varying = Limits { is_varying: true, bytes_max: 1 << 20, ..ALL };
        assert_eq!(numbers(due(&segments[2..], Lane::Large, &varying).map(|(sources, _)| sources)), [3]);
    }

    /// While rows are replaced: the graph of the old ones stays until VACUUM has marked all of them.
    #[test]
    fn no_second_graph_is_made_of_half_of_the_rows() {
        let mut segments: Vec<SegmentEntry> = (1..=5).map(|at| entry(at, 4_000, 0, FLAT)).collect();
        segments.push(entry(9, 20_000, 0, GRAPH));
        assert!(due(&segments, Lane::Small, &ALL).is_none());
        // The rest of VACUUM's work, and a table of lists.
        for limits in [Limits { is_vacuumed: true, ..ALL }, Limits { tier: TIER_LISTS, ..ALL }] {
            assert_eq!(due_numbers(&segments, &limits).len(), 5);
        }
        // What is merged at once is as much as ever.
        segments.extend((11..=30).map(|at| entry(at, 4_000, 0, FLAT)));
        assert_eq!(due_numbers(&segments, &Limits { is_share: true, ..ALL }).len(), 4);
        assert_eq!(due_numbers(&segments, &Limits { bytes_max: 131_072 * 100, ..ALL }).len(), 8);
        segments.truncate(6);
        segments[5].dead = 20_000;
        assert_eq!(numbers(due(&segments, Lane::Small, &ALL).map(|(sources, _)| sources)).len(), 5);
        segments[5] = entry(9, 49_152, 0, GRAPH);
        assert!(due(&segments, Lane::Small, &ALL).is_some());
    }

    #[test]
    fn a_full_tier_is_merged_alone() {
        let mut graphs: Vec<SegmentEntry> = (1..=7).map(|at| entry(at, 80_000, 0, GRAPH)).collect();
        graphs.push(entry(8, 900_000, 0, GRAPH));
        assert!(due_numbers(&graphs, &ALL).is_empty());
        graphs.push(entry(9, 90_000, 0, GRAPH));
        assert_eq!(due_numbers(&graphs, &ALL), [1, 2, 3, 4, 5, 6, 7, 9]);
        assert!(due(&graphs, Lane::Small, &ALL).is_none());
        let little = Limits { bytes_max: 10_000_000, ..ALL };
        assert!(due_numbers(&graphs, &little).is_empty());
        let many: Vec<SegmentEntry> = (1..=64).map(|at| entry(at, 80_000, 0, GRAPH)).collect();
        assert_eq!(due_numbers(&many, &little), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn lists_are_merged_sooner() {
        let lists = |count| (1..=count).map(|at| entry(at, 20_000, 0, LISTS)).collect::<Vec<_>>();
        let limits = Limits { tier: tier_segments(true), ..ALL };
        assert!(due_numbers(&lists(3), &limits).is_empty());
        assert_eq!(due_numbers(&lists(4), &limits), [1, 2, 3, 4]);
        assert!(due_numbers(&lists(7), &ALL).is_empty());
        // What four of them make is of the next tier.
        let mut next = lists(3);
        next.push(entry(9, 80_000, 0, LISTS));
        assert!(due_numbers(&next, &limits).is_empty());
    }

    /// Flushes make graphs where there are no codes.
    #[test]
    fn small_graphs_leave_large_ones_alone() {
        let mut graphs: Vec<SegmentEntry> = (1..=8).map(|at| entry(at, 2_000, 0, GRAPH)).collect();
        graphs.push(entry(9, 200_000, 0, GRAPH));
        let small = due(&graphs, Lane::Small, &ALL).map(|(sources, _)| sources);
        assert_eq!(numbers(small), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(due(&graphs, Lane::Large, &ALL).is_none());
    }

    #[test]
    fn the_whole_index_becomes_one_segment() {
        assert!(whole(&[entry(1, 100, 0, GRAPH)], 9, &ALL).is_none());
        assert_eq!(numbers(whole(&[entry(1, 100, 0, FLAT)], 9, &ALL)), [1]);
        assert_eq!(numbers(whole(&[entry(1, 100, 0, GRAPH), entry(2, 90, 3, GRAPH)], 9, &ALL)), [2, 1]);
        assert!(whole(&[], 9, &ALL).is_none());
    }
}
