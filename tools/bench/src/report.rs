//! Tables of what was measured, and whether it is what it should be.

use std::fmt::Write;

use bench::index::{Kind, Library, Method};
use bench::measure::{Effort, Point};

/// recall@10 that defaults should have, and at which speeds are compared.
const RECALL: f64 = 0.95;
/// The share of the speed of `hnsw` that lists should have at that recall, in tables of some size.
const SPEED_SHARE: f64 = 0.4;
const SPEED_ROWS: usize = 100_000;
/// Seconds that lists of a table of this size may take to build, on two cores.
const BUILD_SECONDS: f64 = 25.0;
const BUILD_SIZE: (usize, usize) = (1_000_000, 768);
/// How much faster than pgvector's lists ours should be searched at that recall, and built when there are as many.
const SPEED_FACTOR: f64 = 10.0;
const BUILD_FACTOR: f64 = 20.0;

/// A run of CREATE INDEX.
pub struct Build {
    /// Its maintenance_work_mem.
    pub memory: String,
    /// What it took.
    pub seconds: f64,
}

/// Everything about one index.
pub struct Measured {
    /// What it is.
    pub kind: Kind,
    /// Its lists, where it has some.
    pub lists: Option<u32>,
    /// One for each size of memory, the same for all indexes.
    pub builds: Vec<Build>,
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

    fn is_ours(&self) -> bool {
        self.kind.library == Library::Proxima
    }

    /// How many times as fast it was built as the other one, with the first size of memory.
    fn build_factor(&self, other: &Self) -> f64 {
        let seconds = |one: &Self| one.builds.first().map_or(f64::NAN, |build| build.seconds);
        seconds(other) / seconds(self)
    }

    /// How many times as fast as the other one it is searched at the recall of targets. Out of reach counts as no speed
    /// at all.
    fn speed_factor(&self, other: &Self) -> f64 {
        self.speed_at(RECALL).unwrap_or(0.0) / other.speed_at(RECALL).unwrap_or(f64::NAN)
    }
}

/// Our indexes with lists, each with each of pgvector's.
fn pairs(all: &[Measured]) -> impl Iterator<Item = (&Measured, &Measured)> {
    let ours = all.iter().filter(|one| one.is_ours() && one.lists.is_some());
    ours.flat_map(|one| {
        all.iter().filter(|other| !other.is_ours() && other.lists.is_some()).map(move |other| (one, other))
    })
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
    let builds = all.first().map_or(&[][..], |one| &one.builds);
    let head: String = match builds {
        [_] => "build, s | ".to_owned(),
        _ => builds.iter().map(|build| format!("build, s, {} | ", build.memory)).collect(),
    };
    let mut text = format!(
        "| index | {head}bytes/row | of float4 | recall@10 | queries/s | p50, ms | p99, ms | \
         queries/s at recall 0.95 |\n|---|{}---:|---:|---:|---:|---:|---:|---:|\n",
        "---:|".repeat(builds.len())
    );
    for one in all {
        let (recall, speed) =
            one.defaults().map_or((f64::NAN, f64::NAN), |point| (point.recall, point.speed));
        let (p50, p99) = one.latency;
        let at_recall = one.speed_at(RECALL).unwrap_or(f64::NAN);
        let builds: String = one.builds.iter().map(|build| format!("{:.2} | ", build.seconds)).collect();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {builds}{:.0} | {:.3} | {recall:.4} | {speed:.0} | {p50:.3} | {p99:.3} | {at_recall:.0} |",
            one.kind.label, one.bytes_per_row, one.share
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

/// One line for each of our indexes and one of pgvector's, where there are any: how much better ours is.
pub fn factors(all: &[Measured]) -> String {
    let mut text = String::new();
    for (one, other) in pairs(all) {
        if text.is_empty() {
            text += "| index | against | built faster | queries/s at recall 0.95, more | smaller |\n\
                     |---|---|---:|---:|---:|\n";
        }
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.1} |",
            one.kind.label,
            other.kind.label,
            one.build_factor(other),
            one.speed_factor(other),
            other.bytes_per_row / one.bytes_per_row
        );
    }
    text
}

/// One line for each target.
pub fn targets(all: &[Measured], rows: usize, dim: usize) -> String {
    let mut text = "| target | measured | met |\n|---|---:|---|\n".to_owned();
    let mut line = |what: String, measured: f64, is_met: bool| {
        let met = if is_met { "met" } else { "NOT MET" };
        let _ = writeln!(text, "| {what} | {measured:.3} | {met} |");
    };
    let hnsw = all.iter().find(|one| one.is_ours() && one.kind.method == Method::Hnsw);
    for one in all.iter().filter(|one| one.is_ours()) {
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
        if let (Some(_), Some(hnsw), true) = (one.lists, hnsw, rows >= SPEED_ROWS) {
            let factor = one.speed_factor(hnsw);
            let what = format!("{label}: queries/s at recall {RECALL} >= {SPEED_SHARE} of hnsw's");
            line(what, factor, factor >= SPEED_SHARE);
        }
        if one.lists.is_some() && (rows, dim) == BUILD_SIZE {
            for Build { memory, seconds } in &one.builds {
                let what = format!("{label}: built within {BUILD_SECONDS} s with {memory}");
                line(what, *seconds, *seconds <= BUILD_SECONDS);
            }
        }
    }
    for (one, other) in pairs(all) {
        let (label, peer) = (&one.kind.label, &other.kind.label);
        let factor = one.speed_factor(other);
        let what = format!("{label}: queries/s at recall {RECALL} >= {SPEED_FACTOR} times {peer}");
        line(what, factor, factor >= SPEED_FACTOR);
        if one.lists == other.lists {
            let factor = one.build_factor(other);
            line(
                format!("{label}: built >= {BUILD_FACTOR} times as fast as {peer}"),
                factor,
                factor >= BUILD_FACTOR,
            );
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
        let (library, text) = match label.strip_prefix("pgvector: ") {
            Some(text) => (Library::Pgvector, text),
            None => (Library::Proxima, label),
        };
        let kind = Kind::parse(library, text).unwrap();
        let lists = kind.lists(SPEED_ROWS);
        let builds = vec![Build { memory: "2GB".to_owned(), seconds: 1.0 }];
        Measured { kind, lists, builds, bytes_per_row: 100.0, share, latency: (1.0, 2.0), points }
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

    fn curve(speed: f64) -> Vec<Point> {
        vec![
            point(Effort::Defaults, 0.96, speed / 2.0),
            point(Effort::Explicit("x", 1), 0.9, speed),
            point(Effort::Explicit("x", 2), 0.99, speed),
        ]
    }

    #[test]
    fn targets_are_met_or_not() {
        let targets = |all: &[Measured], rows| targets(all, rows, 384);
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

    #[test]
    fn builds_have_a_limit_at_one_size() {
        let (rows, dim) = BUILD_SIZE;
        let mut all = vec![measured("ivf, bits = 4", curve(1.0), 0.2), measured("hnsw", curve(1.0), 1.8)];
        all[0].builds.push(Build { memory: "64MB".to_owned(), seconds: 25.1 });
        all[1].builds[0].seconds = 100.0;
        let limit =
            |rows, dim| targets(&all, rows, dim).lines().filter(|line| line.contains("within")).count();
        assert_eq!([limit(rows, dim), limit(rows, dim + 1), limit(rows - 1, dim)], [2, 0, 0]);
        assert!(targets(&all, rows, dim).contains("with 2GB | 1.000 | met"));
        assert!(targets(&all, rows, dim).contains("with 64MB | 25.100 | NOT MET"));
        assert!(indexes(&all).starts_with("| index | build, s, 2GB | build, s, 64MB | bytes/row"));
    }

    #[test]
    fn pgvector_is_compared_with_lists_only() {
        let peers = ["pgvector: ivfflat, lists = 632", "pgvector: ivfflat", "pgvector: hnsw"];
        let mut all = vec![measured("hnsw", curve(50.0), 1.8), measured("ivf", curve(100.0), 0.2)];
        assert_eq!(factors(&all), "");
        all.extend(peers.map(|peer| measured(peer, curve(10.0), 1.0)));
        all[2].builds[0].seconds = 20.0;
        assert_eq!(factors(&all).lines().count(), 2 + 2);
        assert!(factors(&all).contains("| ivf | pgvector: ivfflat, lists = 632 | 20.0 | 10.0 | 1.0 |"));
        let text = targets(&all, SPEED_ROWS, 384);
        assert_eq!(text.matches("times").count(), 3);
        assert!(!text.contains("NOT MET"), "{text}");
        all[2].builds[0].seconds = 19.0;
        all[3].points.iter_mut().for_each(|point| point.speed *= 1.1);
        assert_eq!(targets(&all, SPEED_ROWS, 384).matches("NOT MET").count(), 2);
    }
}
