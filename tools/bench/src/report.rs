//! Tables of what was measured, and whether it is what it should be.

use std::fmt::Write;

use bench::index::{Kind, Method};
use bench::measure::{Effort, Point};

/// recall@10 that defaults should have, and at which speeds are compared.
const RECALL: f64 = 0.95;
/// The share of the speed of `hnsw` that lists should have at that recall, in tables of some size.
const SPEED_SHARE: f64 = 0.4;
const SPEED_ROWS: usize = 100_000;

/// Everything about one index.
pub struct Measured {
    /// What it is.
    pub kind: Kind,
    /// Seconds of the build.
    pub build: f64,
    /// Bytes for each row.
    pub bytes_per_row: f64,
    /// The same, as a share of the row's vector as float4.
    pub share: f64,
    /// Median and 99th percentile of round trips in milliseconds, with defaults.
    pub latency: (f64, f64),
    /// Recall and speed, by effort.
    pub points: Vec<Point>,
}

impl Measured {
    /// The point with nothing set.
    pub fn defaults(&self) -> Option<&Point> {
        self.points.iter().find(|point| point.effort == Effort::Defaults)
    }

    /// The points of recall targets, the default's among them, and those of the method's own setting, each by recall.
    pub fn curves(&self) -> [Vec<&Point>; 2] {
        let explicit = |point: &Point| matches!(point.effort, Effort::Explicit(..));
        let mut curves: [Vec<&Point>; 2] = self.points.iter().partition(|point| !explicit(point)).into();
        curves.iter_mut().for_each(|points| points.sort_by(|a, b| a.recall.total_cmp(&b.recall)));
        curves
    }

    /// The best speed at this recall, by either curve.
    fn speed_at(&self, recall: f64) -> Option<f64> {
        self.curves().iter().filter_map(|points| speed_at(points, recall)).max_by(f64::total_cmp)
    }
}

/// The speed at this recall: between the two efforts about it, on a logarithmic scale; the fastest, when all find more.
/// `points`: by recall.
fn speed_at(points: &[&Point], recall: f64) -> Option<f64> {
    let above = points.partition_point(|point| point.recall < recall);
    if above == 0 {
        return points.iter().map(|point| point.speed).max_by(f64::total_cmp);
    }
    let (low, high) = (points[above - 1], points.get(above)?);
    let part = (recall - low.recall) / (high.recall - low.recall);
    Some((low.speed.ln() + part * (high.speed.ln() - low.speed.ln())).exp())
}

/// One line for each index.
pub fn indexes(all: &[Measured]) -> String {
    let mut text =
        "| index | build, s | bytes/row | of float4 | recall@10 | queries/s | p50, ms | p99, ms | \
                    queries/s at recall 0.95 |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for one in all {
        let (recall, speed) =
            one.defaults().map_or((f64::NAN, f64::NAN), |point| (point.recall, point.speed));
        let (p50, p99) = one.latency;
        let at_recall = one.speed_at(RECALL).unwrap_or(f64::NAN);
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.0} | {:.3} | {recall:.4} | {speed:.0} | {p50:.3} | {p99:.3} | {at_recall:.0} |",
            one.kind.label, one.build, one.bytes_per_row, one.share
        );
    }
    text
}

/// One line for each effort, one column for each index: recall, and queries per second.
pub fn efforts(all: &[Measured]) -> String {
    let mut text = "| effort |".to_owned();
    all.iter().for_each(|one| text += &format!(" {} |", one.kind.label));
    text += &format!("\n|---|{}\n", "---:|".repeat(all.len()));
    let mut efforts: Vec<Effort> = Vec::new();
    for point in all.iter().flat_map(|one| &one.points) {
        if !efforts.contains(&point.effort) {
            efforts.push(point.effort);
        }
    }
    for effort in efforts {
        text += &format!("| {} |", effort.label());
        for one in all {
            let point = one.points.iter().find(|point| point.effort == effort);
            text += &point.map_or_else(
                || " |".to_owned(),
                |point| format!(" {:.3} at {:.0} |", point.recall, point.speed),
            );
        }
        text.push('\n');
    }
    text
}

/// One line for each target.
pub fn targets(all: &[Measured], rows: usize) -> String {
    let mut text = "| target | measured | met |\n|---|---:|---|\n".to_owned();
    let mut line = |what: String, measured: f64, is_met: bool| {
        let met = if is_met { "met" } else { "NOT MET" };
        let _ = writeln!(text, "| {what} | {measured:.3} | {met} |");
    };
    let hnsw = all.iter().find(|one| one.kind.method == Method::Hnsw);
    let of_hnsw = hnsw.and_then(|hnsw| hnsw.speed_at(RECALL));
    for one in all {
        let label = &one.kind.label;
        if let Some(point) = one.defaults() {
            line(
                format!("{label}: recall@10 >= {RECALL} with defaults"),
                point.recall,
                point.recall >= RECALL,
            );
        }
        if let Some(limit) = one.kind.size_share {
            line(format!("{label}: bytes <= {limit} of float4 vectors"), one.share, one.share <= limit);
        }
        if let (Method::Ivf, Some(hnsw), true) = (one.kind.method, of_hnsw, rows >= SPEED_ROWS) {
            // Out of reach counts as no speed at all.
            let share = one.speed_at(RECALL).unwrap_or(0.0) / hnsw;
            let what = format!("{label}: queries/s at recall {RECALL} >= {SPEED_SHARE} of hnsw's");
            line(what, share, share >= SPEED_SHARE);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(effort: Effort, recall: f64, speed: f64) -> Point {
        Point { effort, recall, speed }
    }

    fn measured(label: &str, points: Vec<Point>, share: f64) -> Measured {
        let kind = Kind::all().into_iter().find(|kind| kind.label == label).unwrap();
        Measured { kind, build: 1.0, bytes_per_row: 100.0, share, latency: (1.0, 2.0), points }
    }

    #[test]
    fn speed_lies_between_its_neighbours() {
        let points = [(0.9, 400.0), (0.94, 200.0), (0.96, 100.0), (0.99, 100.0)];
        let points = points.map(|(recall, speed)| point(Effort::Defaults, recall, speed));
        let points: Vec<&Point> = points.iter().collect();
        let at = |recall| speed_at(&points, recall);
        assert!((at(0.95).unwrap() - 100.0 * 2f64.sqrt()).abs() < 1e-9);
        assert!((at(0.96).unwrap() - 100.0).abs() < 1e-9);
        assert_eq!((at(0.5), at(0.999)), (Some(400.0), None));
    }

    #[test]
    fn targets_are_met_or_not() {
        let curve = |speed| {
            vec![
                point(Effort::Defaults, 0.96, speed / 2.0),
                point(Effort::Explicit("x", 1), 0.9, speed),
                point(Effort::Explicit("x", 2), 0.99, speed),
            ]
        };
        let mut all =
            vec![measured("hnsw", curve(1000.0), 1.8), measured("ivf, bits = 4", curve(401.0), 0.2)];
        assert!(!targets(&all, SPEED_ROWS).contains("NOT MET"));
        assert_eq!(targets(&all, SPEED_ROWS).lines().count(), 2 + 1 + 3);
        assert_eq!(targets(&all, SPEED_ROWS - 1).lines().count(), 2 + 1 + 2);
        all[1] = measured("ivf, bits = 4", curve(399.0), 0.26);
        assert_eq!(targets(&all, SPEED_ROWS).matches("NOT MET").count(), 2);
        all[1].points.retain(|point| point.recall < RECALL);
        assert!(targets(&all, SPEED_ROWS).contains("of hnsw's | 0.000 | NOT MET"));
    }
}
