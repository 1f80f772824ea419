//! Recall and time of searches over many segments, in memory: a stream per segment against all segments as one.
//!
//! ```text
//! segments_bench FOLDER [l2|cosine] [layout ...]
//! ```
//! FOLDER has base.npy and queries.npy (little-endian float16) and gt_cos.npy (int32, 100 per query). Layouts are
//! numbered as they are printed, or written as `1x60000g,4x2000f,2x30000l`: graphs, flat segments, lists with fine own
//! vectors (c: with coarse ones; 2x30000l500: 500 of them).
#![forbid(unsafe_code)]

#[path = "../../ann/examples/common/npy.rs"]
mod npy;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use ann::Metric;
use ann::search::{Continuation, Effort, Graph as _, Hop, Measured, Stream, Visited};
use kernels::Encoding;
use npy::{Failure, Matrix, read_matrix, read_npy};
use pages::format::meta::ListOptions;
use pages::mem_pager::MemPager;
use pages::plan::OwnCode;
use pages::row::{Element, Row};
use pages::segment::build::{self, BuildOptions, Navigator};
use pages::segment::calibrate::{gamma_for, lists_for};
use pages::segment::encode::Loader;
use pages::segment::read::{SegmentReader, SegmentState, rows_of};
use pages::segment::stream::{Inline, MemSort};
use pages::segment::{Probes, Union, UnionQuery};
use pages::space::{Query, SegmentQuery, Space};
use pages::tids::HeapTid;

const RESULTS: usize = 10;
/// Each measurement is the fastest of these rounds.
const ROUNDS: usize = 5;
/// Readings of all lists that are timed together.
const LIST_ROUNDS: u32 = 1_000;
const EXPANSIONS_MIN: u32 = 40;
/// What lists are read for where nothing else is asked for.
const PROBES_TARGET: f32 = 0.95;

use Navigator::{Flat, Graph, Lists};

/// Lists with coarse own vectors, and with fine ones.
const COARSE: Navigator = lists(OwnCode::Residual(Encoding::I4));
const FINE: Navigator = lists(OwnCode::Residual(Encoding::F16));

const fn lists(own: OwnCode) -> Navigator {
    Lists(ListOptions { lists: 0, own })
}

/// Segments: how many, of how many rows, of which kind.
type Segments = (usize, usize, Navigator);

const LAYOUT_COUNT: usize = 12;
const LAYOUTS: [&[Segments]; LAYOUT_COUNT] = [
    &[(1, 100_000, Graph)],
    &[(1, 60_000, Graph), (4, 8_000, Graph), (8, 1_000, Flat)],
    &[(4, 25_000, Graph)],
    &[(16, 2_500, Flat)],
    &[(1, 60_000, Graph), (16, 2_500, Flat)],
    &[(1, 30_000, Graph), (7, 6_000, Graph), (16, 1_750, Flat)],
    &[(1, 100_000, COARSE)],
    &[(1, 100_000, FINE)],
    &[(1, 60_000, Graph), (2, 16_000, FINE), (4, 2_000, Flat)],
    &[(1, 100_000, lists(OwnCode::Residual(Encoding::I8)))],
    &[(1, 100_000, lists(OwnCode::Residual(Encoding::I2)))],
    &[(1, 100_000, lists(OwnCode::Sign))],
];

/// An index in memory.
struct Index<'a> {
    /// The vectors, for what ranks by the table.
    base: &'a Matrix,
    pager: MemPager,
    space: Space,
    segments: Vec<SegmentState>,
    /// Data set row of each row, by segment.
    numbers: Vec<Vec<u32>>,
}

fn failed(error: impl std::fmt::Debug) -> Failure {
    format!("{error:?}").into()
}

impl<'a> Index<'a> {
    fn build(base: &'a Matrix, metric: Metric, layout: &[Segments]) -> Result<Self, Failure> {
        let space = Space::new(Element::Float4, metric, base.dim as u32, 7);
        let (segments, numbers) = (Vec::new(), Vec::new());
        let mut index = Self { base, pager: MemPager::new(), space, segments, numbers };
        let mut first = 0;
        for &(count, rows, navigator) in layout {
            let (mut encoded, mut written) = (0.0, 0.0);
            for _ in 0..count {
                let times = index.add(base, first..first + rows, navigator)?;
                (encoded, written) = (encoded + times.0, written + times.1);
                first += rows;
            }
            let per_segment = |seconds: f64| seconds * 1e3 / count as f64;
            println!(
                "  {count} x {rows} {navigator:?}: prepare {:.1} ms, write {:.1} ms each",
                per_segment(encoded),
                per_segment(written)
            );
        }
        Ok(index)
    }

    /// Seconds of preparing and writing.
    fn add(
        &mut self,
        base: &Matrix,
        rows: std::ops::Range<usize>,
        navigator: Navigator,
    ) -> Result<(f64, f64), Failure> {
        let mut loader = Loader::new(&self.space);
        for row in rows {
            let tid = HeapTid { block: row as u32, offset: 1 };
            loader.push(&self.space, Row::Dense(base.row(row)), tid)?;
        }
        let options = BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator };
        let start = Instant::now();
        let prepared = build::prepare_all(loader, &self.space, &options, MemSort::default(), &Inline);
        let prepared = prepared.map_err(failed)?.ok_or("no rows")?;
        let prepare = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let segment = self.segments.len() as u32 + 1;
        let entry =
            prepared.write(&self.pager, &mut &self.pager, &self.space, segment).map_err(failed)?.entry;
        let write = start.elapsed().as_secs_f64();
        let state = SegmentState::load(&self.pager, &self.space, segment, entry.header).map_err(failed)?;
        let (mut entries, mut row) = (Vec::new(), 0);
        while row < state.header.rows {
            row =
                pages::tids::read(&self.pager, segment, &state.header, row..state.header.rows, &mut entries)
                    .map_err(failed)?;
        }
        self.segments.push(state);
        self.numbers.push(entries.iter().map(|entry| entry.block).collect());
        Ok((prepare, write))
    }

    /// Whether scans rank rows by the table.
    fn is_coarse(&self) -> bool {
        self.segments.iter().any(|state| state.header.lists > 0 && state.plan.own().is_coarse())
    }

    fn bytes_per_row(&self) -> f64 {
        let pages: u64 = self.segments.iter().map(|state| u64::from(state.header.pages) + 1).sum();
        (pages * pages::PAGE_SIZE as u64) as f64 / self.rows() as f64
    }

    /// The operator's distance of a row of the data set.
    fn distance(&self, row: u32, query: &Query) -> f64 {
        let pairs = || self.base.row(row as usize).iter().zip(query.placed());
        if self.space.metric() == Metric::L2 {
            return pairs().map(|(&a, &b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        }
        let norm = self.base.row(row as usize).iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt();
        1.0 - pairs().map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() / norm
    }

    fn rows(&self) -> usize {
        self.numbers.iter().map(Vec::len).sum()
    }
}

/// What a search did.
#[derive(Default)]
struct Answer {
    rows: Vec<u32>,
    /// Rows whose vectors were looked at, besides those in the index.
    looked_at: u64,
    expansions: u64,
    widenings: u64,
}

impl Answer {
    fn add(&mut self, index: &Index<'_>, segment: usize, element: &Measured) {
        self.rows.extend(rows_of(element).map(|row| index.numbers[segment][row as usize]));
    }
}

/// How an effort follows from a segment's calibration.
#[derive(Clone, Copy)]
enum Wanted {
    Target(f32),
    Pool(usize),
}

impl Wanted {
    fn probes(self) -> Probes {
        match self {
            Self::Target(target) => Probes::Recall(target),
            Self::Pool(_) => Probes::Recall(PROBES_TARGET),
        }
    }

    fn effort(self, gamma: impl Fn(f32) -> f32) -> Effort {
        match self {
            Self::Target(target) => Effort::Adaptive { gamma: gamma(target), expansions_min: EXPANSIONS_MIN },
            Self::Pool(ef) => Effort::Pool { ef },
        }
    }
}

/// A stream per segment, merged.
fn search_each(index: &Index<'_>, query: &Query, wanted: Wanted) -> Result<Answer, Failure> {
    let prepared: Vec<SegmentQuery> = index
        .segments
        .iter()
        .map(|state| SegmentReader::<MemPager>::prepare(&index.space, state, query))
        .collect();
    let mut streams: Vec<(Stream, Option<Measured>, bool)> = index
        .segments
        .iter()
        .map(|state| {
            let effort = wanted.effort(|target| gamma_for(&state.header, target));
            (Stream::new(effort, Continuation::default()), None, false)
        })
        .collect();
    let mut answer = Answer::default();
    for taken in 0..=RESULTS {
        for (at, (stream, head, is_started)) in streams.iter_mut().enumerate() {
            if !std::mem::replace(is_started, true) {
                let (state, query) = (&index.segments[at], &prepared[at]);
                let mut graph = SegmentReader::new(&index.pager, &index.space, state, query);
                *head = stream.next(&mut graph).map_err(failed)?;
            }
        }
        let heads = streams.iter().enumerate().filter_map(|(at, stream)| Some((at, stream.1?.lower)));
        let Some((least, _)) = heads.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        streams[least].2 = false;
        if let (Some(element), true) = (streams[least].1.take(), taken < RESULTS) {
            answer.add(index, least, &element);
        }
    }
    answer.expansions = streams.iter().map(|stream| stream.0.expansions()).sum();
    answer.widenings = streams.iter().map(|stream| u64::from(stream.0.widenings())).sum();
    Ok(answer)
}

/// All segments as one graph, ranked by the data set as a scan ranks by the table: until no element that comes next can
/// be among the nearest.
fn search_reranked(index: &Index<'_>, query: &Query, wanted: Wanted) -> Result<Answer, Failure> {
    let (mut answer, mut nearest) = (Answer::default(), Vec::<(f64, u32)>::new());
    for prepared in UnionQuery::prepare(&index.space, &index.segments, query, wanted.probes()) {
        let effort = wanted.effort(|target| prepared.gamma(&index.segments, target));
        let mut stream = Stream::new(effort, Continuation::default());
        loop {
            let mut graph = Union::new(&index.pager, &index.space, &index.segments, &prepared);
            let Some(element) = stream.next(&mut graph).map_err(failed)? else { break };
            if nearest.get(RESULTS - 1).is_some_and(|last| last.0 <= element.lower) {
                break;
            }
            let mut met = Answer::default();
            met.add(index, prepared.segment_of(&element), &element);
            for row in met.rows {
                let distance = index.distance(row, query);
                nearest.insert(nearest.partition_point(|other| other.0 <= distance), (distance, row));
                answer.looked_at += 1;
            }
        }
        answer.expansions += stream.expansions();
        answer.widenings += u64::from(stream.widenings());
    }
    answer.rows = nearest.into_iter().take(RESULTS).map(|(_, row)| row).collect();
    Ok(answer)
}

/// All segments as one graph. As a scan does, it looks at the element behind those that it takes.
fn search_as_one(index: &Index<'_>, query: &Query, wanted: Wanted) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    for prepared in UnionQuery::prepare(&index.space, &index.segments, query, wanted.probes()) {
        let effort = wanted.effort(|target| prepared.gamma(&index.segments, target));
        let mut stream = Stream::new(effort, Continuation::default());
        for taken in 0..=RESULTS {
            let mut graph = Union::new(&index.pager, &index.space, &index.segments, &prepared);
            let Some(element) = stream.next(&mut graph).map_err(failed)? else { break };
            if taken < RESULTS {
                answer.add(index, prepared.segment_of(&element), &element);
            }
        }
        answer.expansions += stream.expansions();
        answer.widenings += u64::from(stream.widenings());
    }
    Ok(answer)
}

/// Time that this thread has had on a processor, where the system tells; else of a clock.
fn seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_processor = text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok());
    on_processor.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |n| n / 1e9)
}

type Search = fn(&Index<'_>, &Query, Wanted) -> Result<Answer, Failure>;

fn report(index: &Index<'_>, queries: &Matrix, truth: &[Vec<u32>], wanted: Wanted) -> Result<(), Failure> {
    let label = match wanted {
        Wanted::Target(target) => format!("target {target}"),
        Wanted::Pool(ef) => format!("ef {ef}"),
    };
    print!("  {label:<12}");
    let mut searches = vec![("each", search_each as Search), ("one", search_as_one)];
    if index.is_coarse() {
        searches = vec![("index", search_as_one), ("table", search_reranked)];
    }
    for (name, search) in searches {
        let (mut fastest, mut hits, mut found) = (f64::INFINITY, 0, 0);
        let (mut expansions, mut widenings, mut looked_at) = (0, 0, 0);
        for _ in 0..ROUNDS {
            (hits, found, expansions, widenings, looked_at) = (0, 0, 0, 0, 0);
            let start = seconds();
            for (query, truth) in truth.iter().enumerate() {
                let query = Query::new(&index.space, Row::Dense(queries.row(query))).map_err(failed)?;
                let answer = search(index, &query, wanted)?;
                hits += answer.rows.iter().filter(|row| truth.contains(row)).count();
                found += truth.len();
                expansions += answer.expansions;
                widenings += answer.widenings;
                looked_at += answer.looked_at;
            }
            fastest = fastest.min(seconds() - start);
        }
        let count = truth.len() as f64;
        print!(
            " | {name}: recall {:.4} {:6.1} us, {:5.1} hops, {:.3} widened",
            hits as f64 / found as f64,
            fastest * 1e6 / count,
            expansions as f64 / count,
            widenings as f64 / count
        );
        if looked_at > 0 {
            print!(", {:.1} rows looked at", looked_at as f64 / count);
        }
    }
    println!();
    Ok(())
}

/// Time of reading the codes of all flat segments with a threshold that nothing is below.
fn report_lists(index: &Index<'_>, queries: &Matrix) -> Result<(), Failure> {
    let query = Query::new(&index.space, Row::Dense(queries.row(0))).map_err(failed)?;
    let rows: u32 = index.segments.iter().filter(|it| it.plan.is_flat()).map(|it| it.header.nodes).sum();
    let probes = Probes::Recall(PROBES_TARGET);
    for prepared in UnionQuery::prepare(&index.space, &index.segments, &query, probes) {
        let mut graph = Union::new(&index.pager, &index.space, &index.segments, &prepared);
        let (mut seen, mut candidates, mut measured) = (Visited::new(rows), Vec::new(), Vec::new());
        let start = seconds();
        for _ in 0..LIST_ROUNDS {
            for list in graph.lists() {
                let (candidates, measured) = (&mut candidates, &mut measured);
                let mut hop = Hop { threshold: 0.0, seen: &mut seen, candidates, measured, is_leaf: false };
                graph.expand(list, &mut hop).map_err(failed)?;
            }
        }
        let nanoseconds = (seconds() - start) * 1e9 / LIST_ROUNDS as f64 / f64::from(rows.max(1));
        let pages = graph.lists().len();
        println!("  codes of {rows} rows on {pages} pages: {nanoseconds:.2} ns a row");
    }
    let start = seconds();
    for query in 0..queries.count() {
        let query = Query::new(&index.space, Row::Dense(queries.row(query))).map_err(failed)?;
        std::hint::black_box(UnionQuery::prepare(&index.space, &index.segments, &query, probes));
    }
    let micros = (seconds() - start) * 1e6 / queries.count() as f64;
    for state in &index.segments {
        if state.header.lists > 0 {
            let due = [0.9, 0.95, 0.99].map(|target| lists_for(&state.header, target));
            println!("  {} lists, due at .90, .95, .99: {due:?}", state.header.lists);
        }
    }
    println!("  preparing a query for {} segments: {micros:.1} us", index.segments.len());
    Ok(())
}

/// The layouts that were asked for by number or in full; all that are numbered if none was.
fn layouts(wanted: &[String]) -> Result<Vec<(String, Vec<Segments>)>, Failure> {
    let numbered = |at: usize| ((at + 1).to_string(), LAYOUTS[at].to_vec());
    if wanted.is_empty() {
        return Ok((0..LAYOUTS.len()).map(numbered).collect());
    }
    let one = |text: &String| match text.parse::<usize>() {
        Ok(number @ 1..=LAYOUT_COUNT) => Ok(numbered(number - 1)),
        _ => Ok((text.clone(), text.split(',').map(segments).collect::<Result<_, Failure>>()?)),
    };
    wanted.iter().map(one).collect()
}

/// What `4x8000g` says.
fn segments(text: &str) -> Result<Segments, Failure> {
    let unknown = || format!("no layout: {text}");
    let (count, rest) = text.split_once('x').ok_or_else(unknown)?;
    let at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(unknown)?;
    let (rows, kind) = rest.split_at(at);
    let lists = kind[1..].parse().unwrap_or(0);
    let navigator = match kind.chars().next() {
        Some('g') => Graph,
        Some('f') => Flat,
        Some('l') => Lists(ListOptions { lists, own: OwnCode::Residual(Encoding::F16) }),
        Some('c') => Lists(ListOptions { lists, own: OwnCode::Residual(Encoding::I4) }),
        _ => return Err(unknown().into()),
    };
    Ok((count.parse()?, rows.parse()?, navigator))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(arguments.first().ok_or("usage: segments_bench FOLDER [l2|cosine] [layout ...]")?);
    let metric = if arguments.get(1).is_some_and(|name| name == "l2") { Metric::L2 } else { Metric::Cosine };
    let (base, queries) = (read_matrix(&folder.join("base.npy"))?, read_matrix(&folder.join("queries.npy"))?);
    let (bytes, columns) = read_npy(&folder.join("gt_cos.npy"), "<i4")?;
    let truth: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    for (name, layout) in layouts(arguments.get(2..).unwrap_or_default())? {
        let rows: usize = layout.iter().map(|&(count, rows, _)| count * rows).sum();
        if rows > base.count() {
            continue;
        }
        println!("layout {name}");
        let index = Index::build(&base, metric, &layout)?;
        let truth: Vec<Vec<u32>> = truth
            .chunks_exact(columns)
            .map(|row| row.iter().copied().filter(|&id| (id as usize) < index.rows()).take(RESULTS).collect())
            .collect();
        println!("  {:.1} bytes a row", index.bytes_per_row());
        report_lists(&index, &queries)?;
        for wanted in [Wanted::Target(0.9), Wanted::Target(0.95), Wanted::Target(0.99), Wanted::Pool(40)] {
            report(&index, &queries, &truth, wanted)?;
        }
    }
    Ok(())
}
