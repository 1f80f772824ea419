//! Index scans: a merge of streams, one for the segments, which are searched as one graph, and one for the pending
//! rows.
//!
//! A scan reads the meta page once, when its first row is wanted, and keeps that state. Each stream offers its rows
//! by a bound below their distance; the merge takes the least. The executor computes the real distance of each row
//! that it is offered (`xs_recheckorderby`) and holds it back until the bound of the next one has passed it: so rows
//! leave in the exact order of the operator, and vectors are read from the heap once. A row whose bounds overlap no
//! other's is certain of its place: it goes without, and its vector is not read at all, which matters when vectors
//! are TOASTed.
//!
//! Where an index keeps coarse codes of its rows (`ivf`), their bounds are not good enough for that. There the scan
//! itself looks into the table, and tells the executor exact distances ([`crate::am::rerank`]).
//!
//! No lock or pin is held between calls.

use std::ops::Range;
use std::rc::Rc;

use ann::search::{Continuation, Effort, Measured, Stream};
use pages::error::PageError;
use pages::format::segment::{TID_DEAD, TID_LAST, TidEntry};
use pages::plain::{self, ListedRows, PendingRows};
use pages::segment::read;
use pages::segment::{Probes, SegmentState, Union, UnionQuery};
use pages::space::{Placement, Query, SegmentQuery};
use pages::tids::{self, HeapTid};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, pg_sys};

use super::cache::OpenIndex;
use crate::am::method::Method;
use crate::am::rerank::{Ranked, Waiting};
use crate::am::row::IndexedValue;
use crate::error::{IndexError, OrReport};
use crate::guc::lists::{Shape, ivf_settings, ivfflat_settings};
use crate::guc::{self, IterativeScan, ScanSettings};
use crate::pg::compat;
use crate::pg::detoast::Detoasted;
use crate::pg::table::TableRows;
use crate::pg::tid;
use crate::storage::RelationPager;

/// Elements of lists that are measured before the first is offered, in proportion to what graphs take: they are beside
/// each other, and cost less than a look into the table.
const EXPANSIONS_OF_LISTS: f64 = 4.0;
/// Bytes of an element that a linear pass holds, its share of the heap included.
const ELEMENT_BYTES: f64 = 40.0;

/// What a scan keeps between calls; lives in the scan's memory context and is dropped with it.
struct ScanState {
    running: Option<RunningScan>,
    /// The context that it lives in.
    context: pg_sys::MemoryContext,
    /// Made for the first query that needs it.
    table: Option<TableRows>,
}

/// A scan that has read the meta page.
struct RunningScan {
    open: OpenIndex,
    sources: Vec<Source>,
    /// Rows of the element that was taken last.
    rows: Option<ElementRows>,
    /// The element after it, with the number of its source.
    ahead: Option<(usize, Measured)>,
    /// Rows that the table has measured, if it is the table that measures.
    waiting: Option<Waiting>,
    /// Whether bounds may be told to the executor.
    has_bounds: bool,
    /// No row that was returned is farther than this.
    returned_upper: f64,
    /// Elements that may still be taken: the fixed candidate list of `hnsw.iterative_scan = off`, or an explicit limit.
    elements_left: usize,
    is_null_query: bool,
    /// The query is ordered by more than the distance that the index knows: the executor decides every place.
    has_more_keys: bool,
}

/// One stream of the merge, and the element that it offers next.
struct Source {
    kind: SourceKind,
    stream: Stream,
    head: Option<Measured>,
    is_started: bool,
}

enum SourceKind {
    /// All segments that have nodes.
    Union(UnionQuery),
    /// Rows of a segment that have no place in the order.
    WithoutPlace(usize),
    /// All rows of a segment, in no order.
    All(usize, u16),
    /// Pending rows; without a query in no order.
    Pending(Option<SegmentQuery>, u16),
}

/// Rows that share one element.
struct ElementRows {
    /// Whether a row of it was returned: elements whose rows are all dead do not count.
    is_counted: bool,
    segment: usize,
    rows: Range<u32>,
    page: Vec<TidEntry>,
    order: Order,
    /// No row of it is nearer.
    lower: f64,
}

/// What the executor is told of a row's place.
#[derive(Clone, Copy)]
struct Order {
    /// The distance, or a bound below it.
    value: f64,
    /// Whether it is a bound.
    recheck: bool,
}

/// `ambeginscan`
#[pg_guard]
pub unsafe extern "C-unwind" fn ambeginscan(
    index: pg_sys::Relation,
    keys: i32,
    orderbys: i32,
) -> pg_sys::IndexScanDesc {
    // SAFETY: PostgreSQL passes an open index; the state and the arrays live in the scan's memory context.
    unsafe {
        let scan = pg_sys::RelationGetIndexScan(index, keys, orderbys);
        let state = ScanState { running: None, context: pg_sys::CurrentMemoryContext, table: None };
        let state = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(state);
        (*scan).opaque = state.cast();
        let count = orderbys.max(1) as usize;
        (*scan).xs_orderbyvals = pg_sys::palloc0(size_of::<pg_sys::Datum>() * count).cast();
        (*scan).xs_orderbynulls = pg_sys::palloc0(size_of::<bool>() * count).cast();
        scan
    }
}

/// `amrescan`: forgets what the scan has read.
#[pg_guard]
pub unsafe extern "C-unwind" fn amrescan(
    scan: pg_sys::IndexScanDesc,
    keys: pg_sys::ScanKey,
    key_count: i32,
    orderbys: pg_sys::ScanKey,
    orderby_count: i32,
) {
    // SAFETY: the scan comes from `ambeginscan`, which allocated room for the keys.
    unsafe {
        if !keys.is_null() && key_count > 0 {
            std::ptr::copy(keys, (*scan).keyData, key_count as usize);
        }
        if !orderbys.is_null() && orderby_count > 0 {
            std::ptr::copy(orderbys, (*scan).orderByData, orderby_count as usize);
        }
        (*(*scan).opaque.cast::<ScanState>()).running = None;
    }
}

/// `amendscan`: the state's shell is dropped with its memory context.
#[pg_guard]
pub unsafe extern "C-unwind" fn amendscan(scan: pg_sys::IndexScanDesc) {
    // SAFETY: the scan comes from `ambeginscan`.
    unsafe {
        let state = &mut *(*scan).opaque.cast::<ScanState>();
        state.running = None;
        state.table.take().into_iter().for_each(TableRows::end);
    }
}

/// `amgettuple`: the next row, with a bound below its distance.
#[pg_guard]
pub unsafe extern "C-unwind" fn amgettuple(
    scan: pg_sys::IndexScanDesc,
    _direction: pg_sys::ScanDirection::Type,
) -> bool {
    // SAFETY: the scan comes from `ambeginscan` and was given its keys.
    unsafe {
        let state = &mut *(*scan).opaque.cast::<ScanState>();
        let index = (*scan).indexRelation;
        if state.running.is_none() {
            let mut running = start(scan).or_report();
            state.open_table(scan, &mut running);
            state.running = Some(running);
        }
        let Some(running) = &mut state.running else { return false };
        let hints = Rc::clone(&running.open.hints);
        let pager = RelationPager::new(index, &hints);
        let next = match &mut state.table {
            Some(table) if running.waiting.is_some() => {
                let next = running.next_exact(&pager, &mut |tid| table.distance(scan, tid));
                table.unpin();
                next.map(|row| row.map(|row| (row.tid, Order { value: row.distance, recheck: false })))
            }
            _ => running.next_row(&pager).map(|row| row.map(|(row, order)| (row.tid(), order))),
        };
        let next = next.map_err(|error| IndexError::page(index, error)).or_report();
        let Some((tid, order)) = next else { return false };
        (*scan).xs_heaptid = tid::to_pg(tid);
        (*scan).xs_recheck = false;
        (*scan).xs_recheckorderby = order.recheck && !running.is_null_query || running.has_more_keys;
        *(*scan).xs_orderbynulls = running.is_null_query;
        *(*scan).xs_orderbyvals = pg_sys::Datum::from(order.value.to_bits());
        // Nothing is known of further keys, so their bound is below everything.
        for key in 1..(*scan).numberOfOrderBys.max(1) as usize {
            *(*scan).xs_orderbynulls.add(key) = false;
            *(*scan).xs_orderbyvals.add(key) = pg_sys::Datum::from(f64::NEG_INFINITY.to_bits());
        }
        true
    }
}

impl ScanState {
    /// Prepares the table for a query that it is to rank, if the scan has a table; else the executor ranks all rows.
    ///
    /// # Safety
    /// `scan` has this state and a key that is not NULL if rows are to be ranked.
    unsafe fn open_table(&mut self, scan: pg_sys::IndexScanDesc, running: &mut RunningScan) {
        if running.waiting.is_none() {
            return;
        }
        // SAFETY: by the contract; the state's context is the scan's.
        unsafe {
            if self.table.is_none() {
                self.table = TableRows::new(scan, self.context);
            }
            match &mut self.table {
                Some(table) => table.set_key(scan),
                None => running.waiting = None,
            }
        }
    }
}

/// Reads the manifest and prepares the streams.
unsafe fn start(scan: pg_sys::IndexScanDesc) -> Result<RunningScan, IndexError> {
    // SAFETY: the scan comes from `amgettuple`; PostgreSQL has filled it in.
    unsafe {
        let index = (*scan).indexRelation;
        let method = Method::of(index);
        if (*scan).numberOfOrderBys <= 0 || (*scan).orderByData.is_null() {
            return Err(IndexError::ScanWithoutOrder { method: method.name() });
        }
        if !is_mvcc((*scan).xs_snapshot) {
            return Err(IndexError::SnapshotNotMvcc { method: method.name() });
        }
        compat::count_index_scan(scan);
        let open = OpenIndex::new(index)?;
        let settings = settings(index, &open);
        let has_more_keys = (*scan).numberOfOrderBys > 1;
        let key = &*(*scan).orderByData;
        if key.sk_flags as u32 & pg_sys::SK_ISNULL != 0 {
            return Ok(RunningScan {
                is_null_query: true,
                has_more_keys,
                ..RunningScan::new(open, Err(Placement::First), &settings)
            });
        }
        let space = &open.parsed.space;
        let value = IndexedValue::new(space.element(), Detoasted::new(key.sk_argument))?;
        let (left, right) = (space.dim(), value.dim() as usize);
        if left != right {
            return Err(IndexError::DifferentDimensions { element: space.element(), left, right });
        }
        let query = Query::new(space, value.row());
        Ok(RunningScan { has_more_keys, ..RunningScan::new(open, query, &settings) })
    }
}

/// The settings in force for an open index.
///
/// # Safety
/// `index` is open, and `open` is what it is made of.
pub unsafe fn settings(index: pg_sys::Relation, open: &OpenIndex) -> ScanSettings {
    let Some(options) = open.meta.list_options() else { return guc::hnsw_settings() };
    let segments = &open.parsed.segments;
    let lists = match options.lists {
        0 => segments.iter().map(|segment| segment.header.lists).sum(),
        lists => lists,
    };
    let rows = open.segment_rows() + open.pending_rows();
    let shape = Shape { lists, rows, has_graphs: segments.iter().any(|segment| !segment.plan.is_flat()) };
    // SAFETY: by the contract.
    let is_pgvectors = unsafe { Method::of(index) } == Method::Ivfflat;
    if is_pgvectors { ivfflat_settings(&shape) } else { ivf_settings(&shape) }
}

unsafe fn is_mvcc(snapshot: pg_sys::Snapshot) -> bool {
    use pg_sys::SnapshotType::{SNAPSHOT_HISTORIC_MVCC, SNAPSHOT_MVCC};
    // SAFETY: null or a valid snapshot, by the executor.
    unsafe {
        !snapshot.is_null() && matches!((*snapshot).snapshot_type, SNAPSHOT_MVCC | SNAPSHOT_HISTORIC_MVCC)
    }
}

impl RunningScan {
    fn new(open: OpenIndex, query: Result<Query, Placement>, settings: &ScanSettings) -> Self {
        let mut sources = Vec::with_capacity(open.parsed.segments.len() + 1);
        let mut rules = rules(settings);
        // A query without a place has no bounds that could be wrong.
        let is_coarse = query.is_ok() && is_coarse(&open);
        let bytes = work_mem() * settings.scan_mem_multiplier;
        let waiting = is_coarse.then(|| Waiting::new(rules.strict, bytes));
        // What is late is told by exact distances.
        rules.strict &= !is_coarse;
        let mut add = |kind, effort| {
            sources.push(Source { kind, stream: Stream::new(effort, rules), head: None, is_started: false });
        };
        let space = &open.parsed.space;
        let any_effort = Effort::Pool { ef: 1 };
        match &query {
            Ok(query) => {
                let segments = &open.parsed.segments;
                let target = settings.recall_target as f32;
                let probes = match settings.probes {
                    _ if settings.is_exact => Probes::All,
                    Some(lists) => Probes::Lists(lists),
                    None => Probes::Recall(target),
                };
                for union in UnionQuery::prepare(space, segments, query, probes) {
                    let effort = effort(settings, segments, || union.gamma(segments, target));
                    add(SourceKind::Union(union), effort);
                }
                for (at, state) in segments.iter().enumerate() {
                    if state.header.rows > state.header.ranked_rows {
                        add(SourceKind::WithoutPlace(at), any_effort);
                    }
                }
                let norm_max = 1.0;
                let origin = vec![0.0; space.width()];
                let code = open.meta.own_code();
                let prepared = code.map(|code| SegmentQuery::new(space, query, code, &origin, norm_max));
                add(SourceKind::Pending(prepared, 0), any_effort);
            }
            Err(placement) => {
                let flag = if *placement == Placement::Last { TID_LAST } else { 0 };
                (0..open.parsed.segments.len()).for_each(|at| add(SourceKind::All(at, flag), any_effort));
                add(SourceKind::Pending(None, flag), any_effort);
            }
        }
        let elements_left = match settings.iterative_scan {
            IterativeScan::Off => settings.first_rows.unwrap_or(usize::MAX),
            _ => settings.rows_max,
        };
        Self {
            open,
            sources,
            rows: None,
            ahead: None,
            waiting,
            has_bounds: !is_coarse,
            returned_upper: f64::NEG_INFINITY,
            elements_left,
            is_null_query: false,
            has_more_keys: false,
        }
    }

    /// The next row by its distance as `measure` gives it; none for rows that the query does not see.
    fn next_exact(
        &mut self,
        pager: &RelationPager<'_>,
        measure: &mut dyn FnMut(HeapTid) -> Option<f64>,
    ) -> Result<Option<Ranked>, PageError> {
        loop {
            let bound = self.next_bound(pager)?;
            let Some(waiting) = &mut self.waiting else { return Ok(None) };
            if let Some(row) = waiting.pop(bound) {
                return Ok(Some(row));
            }
            // The streams may end with rows that vacuum has marked, and a limit may end the scan before they do.
            let Some((row, _)) = self.next_row(pager)? else {
                return Ok(self.waiting.as_mut().and_then(|waiting| waiting.pop(None)));
            };
            pgrx::check_for_interrupts!();
            if let (Some(distance), Some(waiting)) = (measure(row.tid()), &mut self.waiting) {
                waiting.push(row.tid(), distance);
            }
        }
    }

    /// No row that [`Self::next_row`] returns next is nearer, as far as bounds hold; None: there is none.
    fn next_bound(&mut self, pager: &RelationPager<'_>) -> Result<Option<f64>, PageError> {
        if let Some(rows) = self.rows.as_ref().filter(|rows| rows.has_more()) {
            return Ok(Some(rows.lower));
        }
        if self.ahead.is_none() {
            self.ahead = self.next_element(pager)?;
        }
        Ok(self.ahead.map(|(_, element)| element.lower))
    }

    /// The next row that vacuum has not marked, with its place; NaN for distances that are NaN.
    fn next_row(&mut self, pager: &RelationPager<'_>) -> Result<Option<(TidEntry, Order)>, PageError> {
        loop {
            if let Some(rows) = &mut self.rows {
                let state = &self.open.parsed.segments[rows.segment];
                while let Some(row) = rows.page.pop() {
                    if row.flags & TID_DEAD == 0 {
                        if !std::mem::replace(&mut rows.is_counted, true) {
                            self.elements_left = self.elements_left.saturating_sub(1);
                        }
                        return Ok(Some((row, rows.order)));
                    }
                }
                if !rows.rows.is_empty() {
                    let end = rows.rows.end;
                    let next =
                        tids::read(pager, state.segment, &state.header, rows.rows.clone(), &mut rows.page)?;
                    rows.rows = next..end;
                    rows.page.reverse();
                    continue;
                }
                self.rows = None;
            }
            if self.elements_left == 0 {
                return Ok(None);
            }
            let Some((source, element, order)) = self.take_element(pager)? else { return Ok(None) };
            if let SourceKind::Union(union) = &self.sources[source].kind {
                let (segment, rows) = (union.segment_of(&element), read::rows_of(&element));
                let (page, lower) = (Vec::new(), element.lower);
                self.rows = Some(ElementRows { is_counted: false, segment, rows, page, order, lower });
                continue;
            }
            // Rows that come first because nobody knows their place do not use up a limit, but for a query without
            // any order.
            if element.lower > f64::NEG_INFINITY || self.is_null_query {
                self.elements_left = self.elements_left.saturating_sub(1);
            }
            let row = plain::tid_of(&element);
            let is_last = row.flags & TID_LAST != 0;
            return Ok(Some((row, if is_last { Order { value: f64::NAN, ..order } } else { order })));
        }
    }

    /// The next element and its place, which is certain when nothing before it can be farther and nothing behind it
    /// nearer. Rows that share an element may differ by less than its bounds.
    fn take_element(
        &mut self,
        pager: &RelationPager<'_>,
    ) -> Result<Option<(usize, Measured, Order)>, PageError> {
        let taken = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.next_element(pager)?,
        };
        let Some((source, element)) = taken else { return Ok(None) };
        self.ahead = self.next_element(pager)?;
        let is_single = match self.sources[source].kind {
            SourceKind::Union(_) => read::rows_of(&element).len() == 1,
            _ => true,
        };
        let is_before_next = self.ahead.is_none_or(|(_, next)| element.upper <= next.lower);
        let is_next = self.returned_upper <= element.lower && is_before_next;
        let is_certain = self.has_bounds && is_single && is_next;
        self.returned_upper = self.returned_upper.max(element.upper);
        let value = match (is_certain, self.has_bounds) {
            (true, _) => element.value,
            (_, true) => element.lower,
            _ => f64::NEG_INFINITY,
        };
        Ok(Some((source, element, Order { value, recheck: !is_certain })))
    }

    /// The least of what the streams offer.
    fn next_element(&mut self, pager: &RelationPager<'_>) -> Result<Option<(usize, Measured)>, PageError> {
        for source in &mut self.sources {
            if !source.is_started {
                source.is_started = true;
                source.head = source.advance(&self.open, pager)?;
            }
        }
        let heads = self.sources.iter().enumerate().filter_map(|(at, source)| Some((at, source.head?.lower)));
        let Some((least, _)) = heads.min_by(|a, b| a.1.total_cmp(&b.1)) else { return Ok(None) };
        let source = &mut self.sources[least];
        let Some(element) = source.head.take() else { return Ok(None) };
        source.is_started = false;
        Ok(Some((least, element)))
    }
}

impl ElementRows {
    /// Whether it may have rows that were not returned.
    fn has_more(&self) -> bool {
        !self.page.is_empty() || !self.rows.is_empty()
    }
}

/// Whether an index keeps so little of its rows that the table must rank them.
fn is_coarse(open: &OpenIndex) -> bool {
    open.meta.list_options().is_some_and(|options| options.own.is_coarse())
}

impl Source {
    fn advance(
        &mut self,
        open: &OpenIndex,
        pager: &RelationPager<'_>,
    ) -> Result<Option<Measured>, PageError> {
        let (space, segments) = (&open.parsed.space, &open.parsed.segments);
        match &self.kind {
            SourceKind::Union(query) => self.stream.next(&mut Union::new(pager, space, segments, query)),
            SourceKind::WithoutPlace(at) => {
                let state = &segments[*at];
                self.stream.next(&mut ListedRows::without_place(pager, state.segment, &state.header))
            }
            SourceKind::All(at, flag) => {
                let state = &segments[*at];
                self.stream.next(&mut ListedRows::all(pager, state.segment, &state.header, *flag))
            }
            SourceKind::Pending(query, flag) => {
                self.stream.next(&mut PendingRows::new(pager, &open.meta, query.as_ref(), *flag))
            }
        }
    }
}

/// The setting `work_mem` in bytes.
fn work_mem() -> f64 {
    // SAFETY: a plain setting, in kilobytes.
    f64::from(unsafe { pg_sys::work_mem }) * 1024.0
}

/// How a scan goes on after its first effort.
fn rules(settings: &ScanSettings) -> Continuation {
    Continuation {
        // A scan that is not iterative ends by the number of its rows, if there is one; dead ones do not count.
        streaming: settings.iterative_scan != IterativeScan::Off || settings.first_rows.is_some(),
        strict: settings.iterative_scan != IterativeScan::RelaxedOrder,
        expansions_max: settings.max_scan_tuples.map_or(u64::MAX, |tuples| tuples as u64),
        linear_elements_max: (work_mem() * settings.scan_mem_multiplier / ELEMENT_BYTES) as usize,
    }
}

/// The effort for all segments: an explicit candidate list, or what their calibrations say. `gamma`: the stopping
/// factor. A scan that is not iterative ends with its candidate list, or behind the lists that it read.
fn effort(settings: &ScanSettings, segments: &[SegmentState], gamma: impl Fn() -> f32) -> Effort {
    if settings.is_exact {
        return Effort::Exact;
    }
    let first_rows = settings.first_rows.filter(|_| settings.iterative_scan == IterativeScan::Off);
    match (settings.ef_search, first_rows) {
        (Some(ef), _) => Effort::Pool { ef: ef as usize },
        (None, Some(first_rows)) => Effort::Pool { ef: first_rows },
        (None, None) => {
            let target = settings.recall_target;
            // As many as pgvector's default list has at the default target, in proportion below it.
            let of_graphs = f64::from(guc::EF_SEARCH_DEFAULT) * (target / 0.95).min(1.0).powi(8);
            let has_lists = segments.iter().any(|segment| segment.header.lists > 0);
            let expansions = of_graphs * if has_lists { EXPANSIONS_OF_LISTS } else { 1.0 };
            Effort::Adaptive { gamma: gamma(), expansions_min: expansions as u32 }
        }
    }
}
