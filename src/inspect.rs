//! Looking into an index from SQL: `proxima.index_info()`, `index_stats()` and `check_index()`.

use std::fmt::Write;

use crate::am::hnsw::inspect::{IndexInfo, with_index};
use crate::error::OrReport;
use crate::pg::datum::Call;
use crate::pg::text::{jsonb_datum, text_datum};
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
    let IndexInfo { method, element, metric, dim, m, ef_construction, segments, pending_pages } = info;
    let mut text = format!(
        "{{\"method\": \"{method}\", \"type\": \"{element}\", \"metric\": \"{metric}\", \
         \"dimensions\": {dim}, \"m\": {m}, \
         \"ef_construction\": {ef_construction}, \"pending_pages\": {pending_pages}, \"segments\": ["
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
    let stats = with_index(index, |index| index.stats()).or_report();
    format!(
        "{{\"segments\": {}, \"rows\": {}, \"dead\": {}, \"pending_rows\": {}, \"pending_dead\": {}, \
         \"pages\": {}, \"pending_limits\": {{\"bytes\": {}, \"rows\": {}, \"age_ms\": {}}}}}",
        stats.segments,
        stats.rows,
        stats.dead,
        stats.pending_rows,
        stats.pending_dead,
        stats.pages,
        stats.limits.bytes,
        stats.limits.rows,
        stats.limits.age_ms
    )
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
         \"nodes\": {}, \"unreachable_nodes\": {}, \"repeated_tids\": {}, \"orphan_blocks\": {}, \
         \"problems\": [{}]}}",
        report.is_sound(),
        report.segments,
        report.segment_rows,
        report.pending_rows,
        report.dead_rows,
        report.nodes,
        report.unreachable_nodes,
        report.repeated_tids,
        report.orphan_blocks,
        problems.join(", ")
    )
}
