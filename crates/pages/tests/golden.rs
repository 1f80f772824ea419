//! The bytes of each kind of page, compared with committed files: an index of format version 1, made from fixed values.
//!
//! A difference means that indexes on disk could no longer be read. A new version of the format gets files of its
//! own, and the old ones stay for as long as a reader accepts their version. `GOLDEN_WRITE=1` rewrites the files.
//! They are of a little-endian server.
#![cfg(target_endian = "little")]

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;

use ann::build::FlatGraph;
use common::Clock;
use kernels::Encoding;
use pages::check::check;
use pages::format::meta::{BlockRun, Chain, LastMove, ListOptions, Meta, MetaParams, Retired};
use pages::format::node::{NeighborCode, NodeHeader, write_neighbor, write_own};
use pages::format::page::{self, PageKind};
use pages::format::pending::{self, Entries, PendingEntry};
use pages::format::retired::page_of;
use pages::format::segment::{CurvePoint, SegmentHeader, TID_DEAD, TID_FIRST, TID_LAST, TidEntry};
use pages::mem_pager::MemPager;
use pages::pager::{BulkWriter, PageChange, Pager};
use pages::plan::{NodePlan, OwnCode};
use pages::row::SparseRow;
use pages::segment::calibrate;
use pages::segment::encode::{ByteCode, EncodedNodes};
use pages::segment::write::{pages_needed, write_header, write_pages};
use pages::{NO_BLOCK, PAGE_SIZE, PageBytes};

const DIM: usize = 70;
const PADDED_DIM: usize = 128;

/// The pages of the index by block.
const INDEX: [&str; 11] = [
    "v1_meta.hex",
    "v1_centroid.hex",
    "v1_nodes_inline.hex",
    "v1_tids.hex",
    "v1_segment.hex",
    "v1_centroid_second.hex",
    "v1_nodes_without_codes.hex",
    "v1_tids_second.hex",
    "v1_segment_second.hex",
    "v1_pending.hex",
    "v1_retired.hex",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Rows of 32 bytes with their offset; rows of zeros are left out.
fn to_hex(bytes: &PageBytes) -> String {
    let mut text = String::new();
    for (at, row) in bytes.chunks(32).enumerate().filter(|(_, row)| row.iter().any(|&byte| byte != 0)) {
        let _ = write!(text, "{:04x}:", at * 32);
        for (at, byte) in row.iter().enumerate() {
            let separator = if at % 4 == 0 { " " } else { "" };
            let _ = write!(text, "{separator}{byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> PageBytes {
    let mut bytes = [0; PAGE_SIZE];
    for line in text.lines() {
        let (offset, row) = line.split_once(':').expect("an offset");
        let offset = usize::from_str_radix(offset, 16).expect("hex");
        let digits: String = row.split_whitespace().collect();
        for at in 0..digits.len() / 2 {
            bytes[offset + at] = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).expect("hex");
        }
    }
    bytes
}

fn committed(name: &str) -> PageBytes {
    from_hex(&std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn compare(name: &str, page: &PageBytes) {
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        std::fs::write(path(name), to_hex(page)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(to_hex(page), to_hex(&committed(name)), "{name}");
}

/// Bytes that tell where they are.
fn pattern(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|at| ((at * 7 + seed * 31) % 113) as u8).collect()
}

fn tid(row: u32, flags: u16) -> TidEntry {
    TidEntry { block: 1000 + row, offset: (row % 50 + 1) as u16, flags }
}

/// Five nodes for six ranked rows, and two rows without a place.
fn nodes(plan: NodePlan, first_row: u32) -> EncodedNodes {
    let count = 5;
    let code_bytes = if plan.is_inline() { count * plan.code_bytes() } else { 0 };
    let factors = (0..count as u16).map(|at| (0x3F80 + at, 0x4000 + at)).collect();
    EncodedNodes {
        plan,
        centroid: (0..DIM).map(|at| at as f32 * 0.25 - 4.0).collect(),
        norm_max: 0.0,
        own: pattern(count * plan.own_bytes(), 1),
        own_ends: Vec::new(),
        scales: (0..count).map(|at| 0.5 + at as f32).collect(),
        errors: (0..count).map(|at| 0.125 * at as f32).collect(),
        bits: pattern(code_bytes, 2),
        factors: if plan.is_inline() { factors } else { Vec::new() },
        bytes: Vec::new(),
        byte_dim: 0,
        byte_code: ByteCode::default(),
        row_offsets: vec![0, 1, 3, 4, 5, 6],
        row_tids: (0..6).map(|row| tid(first_row + row, if row == 4 { TID_DEAD } else { 0 })).collect(),
        unranked: vec![tid(first_row + 6, TID_FIRST), tid(first_row + 7, TID_LAST)],
        lists: None,
    }
}

fn graph() -> FlatGraph {
    FlatGraph {
        order: vec![2, 0, 1, 4, 3],
        offsets: vec![0, 2, 4, 6, 8, 11],
        neighbors: vec![1, 2, 2, 3, 3, 4, 4, 0, 0, 1, 2],
        seeds: vec![0, 3],
    }
}

fn plan(lanes: usize, encoding: u8, inline: u8) -> NodePlan {
    NodePlan::from_parts(PADDED_DIM, lanes, encoding, inline).expect("a node that fits")
}

fn write_segment(pager: &MemPager, meta: &mut Meta, plan: NodePlan, first_row: u32) {
    let segment = meta.next_segment;
    let mut header = write_pages(&mut &*pager, segment, &nodes(plan, first_row), &graph()).expect("room");
    let curve = [CurvePoint { recall: 0.75, gamma: 1.0 }, CurvePoint { recall: 0.875, gamma: 1.25 }];
    calibrate::store(&mut header, &curve);
    let entry = write_header(&mut &*pager, segment, &header).expect("room");
    meta.segments[meta.segment_count as usize] = entry;
    meta.segment_count += 1;
    meta.next_segment += 1;
}

fn pending_page() -> PageBytes {
    let mut bytes = [0; PAGE_SIZE];
    let own_bytes = plan(8, 1, 1).own_bytes();
    let entries = Entries::Fixed { own_bytes };
    entries.init(&mut bytes, PENDING);
    for row in 20..23u32 {
        let TidEntry { block, offset, flags } = tid(row, 0);
        let entry = PendingEntry { block, offset, flags, scale: row as f32, error: 0.25 };
        push(entries, &mut bytes, &entry, &pattern(own_bytes, row as usize));
    }
    mark_second_dead(entries, &mut bytes);
    bytes
}

fn push(entries: Entries, bytes: &mut PageBytes, entry: &PendingEntry, own: &[u8]) {
    let page = entries.check(bytes, 0, PENDING).expect("sound");
    entries.push(bytes, page, entry, own);
}

fn mark_second_dead(entries: Entries, bytes: &mut PageBytes) {
    let page = entries.check(bytes, 0, PENDING).expect("sound");
    let start = entries.iter(bytes, page).nth(1).expect("three entries").0;
    pending::mark_dead(bytes, start);
}

/// What maintenance keeps in the meta page; adds a page with a list of retired blocks.
fn fill_maintenance(pager: &MemPager, meta: &mut Meta) {
    let block = pager.block_count();
    let runs = [BlockRun { block, count: 1 }, BlockRun { block: block + 1, count: 3 }];
    (&mut &*pager).append(&page_of(&runs, PENDING + 1, NO_BLOCK)).expect("room");
    meta.retired[0] = Retired { stamp: 0x1_0000_0003, page: block, blocks: 4 };
    meta.retired_count = 1;
    meta.pool[0] = BlockRun { block: block + 4, count: 2 };
    meta.flush_claim[0] = BlockRun { block: block + 6, count: 1 };
    meta.large_claim[2] = BlockRun { block: block + 12, count: 1 };
    meta.merge_claim[1] = BlockRun { block: block + 7, count: 5 };
    (meta.blocks, meta.next_segment, meta.reused) = (block + 13, PENDING + 2, 77);
    (meta.pending_since, meta.flushes, meta.merges) = (8_000_000, 5, 2);
    meta.last_flush = LastMove { at: 7_000_000, rows: 40, cause: 1 };
    meta.last_merge = LastMove { at: 6_000_000, rows: 90, cause: 6 };
    meta.segments[0].dead = 1;
}

/// The number of the chain of pending pages.
const PENDING: u32 = 9;

fn index() -> MemPager {
    let pager = MemPager::new();
    let mut meta = Meta::new(&MetaParams {
        dim: DIM as u32,
        padded_dim: PADDED_DIM as u32,
        metric: 3,
        element: 1,
        encoding: 1,
        m: 16,
        ef_construction: 64,
        lists: None,
        index_id: 0x0123_4567_89AB_CDEF,
        rotation_seed: 0x0F1E_2D3C_4B5A_6978,
        written_by: 1,
    });
    let mut bytes = [0; PAGE_SIZE];
    meta.store_new(&mut bytes);
    (&pager).append(&bytes).expect("room");
    write_segment(&pager, &mut meta, plan(8, 1, 1), 0);
    write_segment(&pager, &mut meta, plan(16, 2, 0), 10);
    let block = (&pager).append(&pending_page()).expect("room");
    meta.stripes[3] = Chain { number: PENDING, head: block, tail: block, pages: 1 };
    meta.next_segment = PENDING + 1;
    fill_maintenance(&pager, &mut meta);
    let mut change = pager.change();
    meta.store(change.page(0).expect("meta"));
    change.commit();
    pager
}

#[test]
fn written_pages_are_the_golden_ones() {
    let pager = index();
    assert_eq!(pager.block_count() as usize, INDEX.len());
    for (block, name) in INDEX.iter().enumerate() {
        compare(name, &pager.read(block as u32).expect("there"));
    }
}

#[test]
fn golden_pages_can_be_read() {
    let pager = MemPager::new();
    for name in INDEX {
        (&pager).append(&committed(name)).expect("room");
    }
    let report = check(&pager, &Clock::default());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.segments, report.nodes, report.free_blocks), (2, 10, 0));
    assert_eq!((report.segment_rows, report.pending_rows, report.dead_rows), (14, 2, 3));
    let header = SegmentHeader::load(&pager.read(4).expect("there"), 4, 1, PADDED_DIM as u32).expect("sound");
    assert_eq!((header.curve_count, header.curve[1].gamma), (2, 1.25));
    let meta = Meta::load(&pager.read(0).expect("there")).expect("sound");
    assert_eq!((meta.metric, meta.m, meta.dim), (3, 16, 70));
}

/// More than 32 neighbors: the codes come in two batches, the factors and numbers in one array each.
#[test]
fn a_node_of_two_batches_is_the_golden_one() {
    let plan = plan(40, 3, 1);
    let mut bytes = [0; PAGE_SIZE];
    page::init(&mut bytes, PageKind::Nodes, 1);
    let out = &mut page::content_mut(&mut bytes)[..plan.node_bytes()];
    let header = NodeHeader {
        row_start: 7,
        row_count: 3,
        degree: 36,
        flags: 0,
        scale: 1.5,
        error: 0.25,
        reserved: [0; 3],
    };
    write_own(out, &header, &pattern(plan.own_bytes(), 5));
    for lane in 0..36 {
        let code = pattern(plan.code_bytes(), lane);
        let neighbor =
            NeighborCode { id: 500 + lane as u32, code: &code, add: lane as u16, mul: 0x3F80 + lane as u16 };
        write_neighbor(&plan, out, lane, &neighbor);
    }
    page::set_used(&mut bytes, plan.node_bytes());
    compare("v1_node_of_two_batches.hex", &bytes);
}

/// The pages of an index over sparse vectors by block.
const SPARSE_INDEX: [&str; 7] = [
    "v1_sparse_meta.hex",
    "v1_sparse_centroid.hex",
    "v1_sparse_nodes.hex",
    "v1_sparse_tids.hex",
    "v1_sparse_vectors.hex",
    "v1_sparse_segment.hex",
    "v1_sparse_pending.hex",
];

/// A vector with `count` elements, as pages hold it.
fn vector(count: u32) -> Vec<u8> {
    let indices: Vec<u32> = (0..count).map(|at| at * 9 + count).collect();
    let values: Vec<f32> = (0..count).map(|at| at as f32 - 2.5).collect();
    let mut bytes = Vec::new();
    SparseRow { indices: &indices, values: &values }.append_to(&mut bytes);
    bytes
}

/// The meta page of an index without segments.
fn meta(element: u8, encoding: u8) -> Meta {
    Meta::new(&params(element, encoding))
}

fn params(element: u8, encoding: u8) -> MetaParams {
    MetaParams {
        dim: DIM as u32,
        padded_dim: PADDED_DIM as u32,
        metric: 1,
        element,
        encoding,
        m: 16,
        ef_construction: 64,
        lists: None,
        index_id: 0x0123_4567_89AB_CDEF,
        rotation_seed: 0x0F1E_2D3C_4B5A_6978,
        written_by: 1,
    }
}

fn sparse_index() -> MemPager {
    let pager = MemPager::new();
    let mut meta = meta(4, 5);
    let mut bytes = [0; PAGE_SIZE];
    meta.store_new(&mut bytes);
    (&pager).append(&bytes).expect("room");
    let plan = plan(8, 5, 1);
    let vectors: Vec<Vec<u8>> = [3, 0, 1, 7, 2].map(vector).to_vec();
    let ends = vectors.iter().scan(0, |end, vector| {
        *end += vector.len();
        Some(*end)
    });
    let nodes = EncodedNodes { own_ends: ends.collect(), own: vectors.concat(), ..nodes(plan, 0) };
    let header = write_pages(&mut &pager, 1, &nodes, &graph()).expect("room");
    meta.segments[0] = write_header(&mut &pager, 1, &header).expect("room");
    (meta.segment_count, meta.next_segment) = (1, 2);
    let mut bytes = [0; PAGE_SIZE];
    Entries::Variable.init(&mut bytes, PENDING);
    for row in 20..23u32 {
        let TidEntry { block, offset, flags } = tid(row, if row == 22 { TID_FIRST } else { 0 });
        let entry = PendingEntry { block, offset, flags, scale: 0.0, error: 0.0 };
        push(Entries::Variable, &mut bytes, &entry, &vector(22 - row));
    }
    mark_second_dead(Entries::Variable, &mut bytes);
    let block = (&pager).append(&bytes).expect("room");
    meta.stripes[5] = Chain { number: PENDING, head: block, tail: block, pages: 1 };
    (meta.next_segment, meta.blocks) = (PENDING + 1, pager.block_count());
    let mut change = pager.change();
    meta.store(change.page(0).expect("meta"));
    change.commit();
    pager
}

/// The pages of a flat segment behind the meta page. The codes of 40 nodes come in two batches.
const FLAT_SEGMENT: [&str; 6] = [
    "v1_flat_centroid.hex",
    "v1_flat_nodes.hex",
    "v1_flat_nodes_second.hex",
    "v1_flat_routers.hex",
    "v1_flat_tids.hex",
    "v1_flat_segment.hex",
];

/// The same nodes in five lists, as coarse codes.
const LISTS_SEGMENT: [&str; 7] = [
    "v1_listed_centroid.hex",
    "v1_listed_nodes.hex",
    "v1_listed_routers.hex",
    "v1_listed_tids.hex",
    "v1_lists.hex",
    "v1_lists_routers.hex",
    "v1_listed_segment.hex",
];

/// Those pages that differ when nodes have no codes of their own.
const SIGNED_SEGMENT: [(u32, &str); 2] = [(2, "v1_signed_nodes.hex"), (7, "v1_signed_segment.hex")];

/// `own`: with lists of such codes.
fn flat_index(own: Option<OwnCode>) -> MemPager {
    let pager = MemPager::new();
    let has_lists = own.is_some();
    let options = own.map(|own| ListOptions { lists: 5, own });
    let mut meta = Meta::new(&MetaParams { lists: options, ..params(1, 1) });
    let mut bytes = [0; PAGE_SIZE];
    meta.store_new(&mut bytes);
    (&pager).append(&bytes).expect("room");
    let (plan, count) = (plan(0, own.map_or(1, OwnCode::number), 1), 40);
    let lists = EncodedNodes {
        row_offsets: vec![0, 7, 8, 20, 39, 40],
        row_tids: Vec::new(),
        unranked: Vec::new(),
        ..nodes(plan.of_lists(), 0)
    };
    let nodes = EncodedNodes {
        own: pattern(count * plan.own_bytes(), 1),
        scales: (0..count).map(|at| 0.5 + at as f32).collect(),
        errors: (0..count).map(|at| 0.125 * at as f32).collect(),
        bits: pattern(count * plan.code_bytes(), 2),
        factors: (0..count as u16).map(|at| (0x3F80 + at, 0x4000 + at)).collect(),
        row_offsets: (0..=count as u32).collect(),
        row_tids: (0..count as u32).map(|row| tid(row, 0)).collect(),
        lists: has_lists.then(|| Box::new(lists)),
        ..nodes(plan, 40)
    };
    let order = (0..count as u32).collect();
    let graph = FlatGraph { order, offsets: vec![0; count + 1], ..FlatGraph::default() };
    let mut header = write_pages(&mut &pager, 1, &nodes, &graph).expect("room");
    calibrate::store(&mut header, &[CurvePoint { recall: 0.875, gamma: 1.0 }]);
    if has_lists {
        calibrate::store_listed(&mut header, &[CurvePoint { recall: 0.75, gamma: 2.0 }]);
    }
    assert_eq!(header.pages, pages_needed(&nodes, &graph));
    meta.segments[0] = write_header(&mut &pager, 1, &header).expect("room");
    (meta.segment_count, meta.next_segment) = (1, 2);
    meta.blocks = pager.block_count();
    let mut change = pager.change();
    meta.store(change.page(0).expect("meta"));
    change.commit();
    pager
}

#[test]
fn pages_of_a_flat_segment_are_the_golden_ones() {
    let own = OwnCode::Residual(Encoding::I4);
    for (own, names) in [(None, &FLAT_SEGMENT[..]), (Some(own), &LISTS_SEGMENT)] {
        let pager = flat_index(own);
        assert_eq!(pager.block_count() as usize, 1 + names.len());
        for (at, name) in names.iter().enumerate() {
            compare(name, &pager.read(1 + at as u32).expect("there"));
        }
        let report = check(&pager, &Clock::default());
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.nodes, report.segment_rows, report.free_blocks), (40, 42, 0));
    }
}

#[test]
fn pages_without_own_codes_are_the_golden_ones() {
    let pager = flat_index(Some(OwnCode::Sign));
    for (block, name) in SIGNED_SEGMENT {
        compare(name, &pager.read(block).expect("there"));
    }
    let report = check(&pager, &Clock::default());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.nodes, report.segment_rows), (40, 42));
}

#[test]
fn pages_of_sparse_vectors_are_the_golden_ones() {
    let pager = sparse_index();
    assert_eq!(pager.block_count() as usize, SPARSE_INDEX.len());
    for (block, name) in SPARSE_INDEX.iter().enumerate() {
        compare(name, &pager.read(block as u32).expect("there"));
    }
    let report = check(&pager, &Clock::default());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.nodes, report.pending_rows, report.dead_rows, report.free_blocks), (5, 2, 2, 0));
}
