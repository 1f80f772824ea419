//! Looking into an index from SQL: `proxima.index_info()`, `index_stats()` and `check_index()`.

use std::fmt::Write;

use pages::PAGE_SIZE;
use pages::format::meta::{FLAT, LISTS, LastMove, SegmentEntry};

use crate::am::hnsw::inspect::{IndexInfo, IndexStats, with_index};
use crate::error::OrReport;
use crate::pg::datum::Call;
use crate::pg::text::{jsonb_datum, text_datum};
use crate::pg::time;
use crate::sql_functions;

sql_functions! {
    /// `proxima.index_info(regclass) -> jsonb`
    proxima_index_info = |call| Ok(jsonb_datum(&info_text(index_argument(call))));
    /// `proxima.index_stats(regclass) -> jsonb`
    proxima_index_stats = |call| Ok(jsonb_datum(&stats_text(index_argument(call))));
    /// `proxima.check_index(regclass) -> jsonb`
    proxima_check_index = |call| Ok(jsonb_datum(&check_text(index_argument(call))));
    /// `proxima.simd_tier() -> text`
    proxima_simd_tier = |_| Ok(text_datum(kernels::Kernels::get().isa().name()));
}

/// Argument 0, declared `regclass`.
pub fn index_argument(call: Call<'_>) -> u32 {
    call.i32(0) as u32
}

fn info_text(index: u32) -> String {
    let info = with_index(index, |index| index.info()).or_report();
    let IndexInfo { method, element, metric, dim, m, ef_construction, lists, segments, pending_pages } = info;
    let made_of = match lists {
        None => format!("\"m\": {m}, \"ef_construction\": {ef_construction}"),
        Some((lists, encoding)) => format!("\"lists\": {lists}, \"encoding\": \"{encoding}\""),
    };
    let mut text = format!(
        "{{\"method\": \"{method}\", \"type\": \"{element}\", \"metric\": \"{metric}\", \
         \"dimensions\": {dim}, {made_of}, \"pending_pages\": {pending_pages}, \"segments\": ["
    );
    for (at, segment) in segments.iter().enumerate() {
        let separator = if at > 0 { ", " } else { "" };
        let curve: Vec<String> =
            segment.curve.iter().map(|point| format!("[{:.4}, {:.4}]", point.recall, point.gamma)).collect();
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "{separator}{{\"rows\": {}, \"nodes\": {}, \"pages\": {}, \"neighbors\": {}, \"inline_codes\": {}, \
             \"encoding\": \"{}\", \"recall_over_effort\": [{}]}}",
            segment.rows,
            segment.nodes,
            segment.pages,
            segment.lanes,
            segment.is_inline,
            segment.encoding,
            curve.join(", ")
        );
    }
    text.push_str("]}");
    text
}

fn stats_text(index: u32) -> String {
    let IndexStats { meta, pending_rows, pending_dead, pending_age, usage, pages, limits } =
        with_index(index, |index| index.stats()).or_report();
    let segments: Vec<String> = meta.segments().iter().map(segment_text).collect();
    let sum = |count: fn(&SegmentEntry) -> u32| -> u64 {
        meta.segments().iter().map(|entry| u64::from(count(entry))).sum()
    };
    let pending_pages = meta.pending_pages();
    [
        format!("{{\"rows\": {}, \"dead\": {}, ", sum(|entry| entry.rows), sum(|entry| entry.dead)),
        format!("\"segments\": [{}], ", segments.join(", ")),
        format!(
            "\"pending\": {{\"rows\": {pending_rows}, \"dead\": {pending_dead}, \"bytes\": {}, \
             \"age_ms\": {}, \"limits\": {{\"bytes\": {}, \"rows\": {}, \"age_ms\": {}}}}}, ",
            pending_pages * PAGE_SIZE as u64,
            pending_age / 1000,
            limits.bytes,
            limits.rows,
            limits.age_ms
        ),
        format!("\"flushes\": {}, \"last_flush\": {}, ", meta.flushes, move_text(&meta.last_flush)),
        format!("\"merges\": {}, \"last_merge\": {}, ", meta.merges, move_text(&meta.last_merge)),
        format!(
            "\"blocks\": {{\"file\": {pages}, \"segments\": {}, \"pending\": {}, \"reserved\": {}, \
             \"retired\": {}, \"free\": {}, \"reused\": {}}}}}",
            usage.segments,
            usage.pending,
            usage.reserved,
            usage.retired,
            usage.free_blocks(),
            meta.reused
        ),
    ]
    .concat()
}

fn segment_text(entry: &SegmentEntry) -> String {
    let SegmentEntry { segment, rows, dead, pages, .. } = entry;
    let kind = match entry.navigator {
        FLAT => "flat",
        LISTS => "lists",
        _ => "graph",
    };
    format!(
        "{{\"number\": {segment}, \"kind\": \"{kind}\", \"rows\": {rows}, \"dead\": {dead}, \
         \"bytes\": {}}}",
        u64::from(*pages) * PAGE_SIZE as u64
    )
}

/// When and why rows were moved; null: never.
fn move_text(last: &LastMove) -> String {
    if last.at == 0 {
        return "null".to_owned();
    }
    let cause = match last.cause {
        1 => "size",
        2 => "count",
        3 => "age",
        4 => "vacuum",
        5 => "request",
        6 => "segments",
        7 => "dead rows",
        _ => "unknown",
    };
    let at = time::text(last.at);
    format!("{{\"at\": \"{at}\", \"rows\": {}, \"cause\": \"{cause}\"}}", last.rows)
}

fn check_text(index: u32) -> String {
    let report = with_index(index, |index| Ok(index.check())).or_report();
    let problems: Vec<String> = report
        .problems
        .iter()
        .map(|error| {
            format!(r#"{{"block": {}, "problem": "{:?}"}}"#, error.block, error.problem).replace("\\", "")
        })
        .map(|text| text.replace("Damaged(\"", "Damaged: ").replace("\")\"", "\""))
        .collect();
    format!(
        "{{\"sound\": {}, \"segments\": {}, \"segment_rows\": {}, \"pending_rows\": {}, \"dead_rows\": {}, \
         \"nodes\": {}, \"unreachable_nodes\": {}, \"repeated_tids\": {}, \"free_blocks\": {}, \
         \"problems\": [{}]}}",
        report.is_sound(),
        report.segments,
        report.segment_rows,
        report.pending_rows,
        report.dead_rows,
        report.nodes,
        report.unreachable_nodes,
        report.repeated_tids,
        report.free_blocks,
        problems.join(", ")
    )
}
