//! Recall over speed, as an SVG picture.

use std::fmt::Write;

use bench::measure::Point;

use crate::report::Measured;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 390.0;
/// One for each index, distinct for the colour-blind, too.
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/// Marks to the right: every one halves what is missed, or about that. What lies outside is at an end, or left out.
const RECALLS: [f64; 9] = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
const RECALL_MAX: f64 = 0.9995;

/// Where a recall is.
fn x(recall: f64) -> f64 {
    let place = |recall: f64| -(1.0 - recall.min(RECALL_MAX)).log10();
    let (low, high) = (place(RECALLS[0]), place(RECALL_MAX));
    LEFT + (place(recall) - low) / (high - low) * (RIGHT - LEFT)
}

/// The speeds at the ends of the picture.
struct Speeds {
    low: f64,
    high: f64,
}

impl Speeds {
    /// Where a speed is.
    fn y(&self, speed: f64) -> f64 {
        BOTTOM - (speed / self.low).ln() / (self.high / self.low).ln() * (BOTTOM - TOP)
    }

    /// 1, 2, 5, 10, ... as far as they are in the picture.
    fn marks(&self) -> impl Iterator<Item = f64> {
        let steps = (0..8).flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
        steps.filter(|&speed| (self.low..=self.high).contains(&speed))
    }
}

/// A picture of the curves: recall to the right, on a scale on which what is missed halves, and queries per second
/// upwards, on a logarithmic one. Rings are what defaults give.
pub fn recall_over_speed(title: &str, all: &[Measured]) -> String {
    let is_in = |point: &&Point| point.recall >= RECALLS[0];
    let speeds =
        || all.iter().flat_map(|one| one.points.iter().filter(is_in)).map(|point| point.speed.max(1.0));
    let (low, high) = (speeds().fold(f64::INFINITY, f64::min), speeds().fold(1.0, f64::max));
    let speeds = Speeds { low: low.min(high) * 0.9, high: high * 1.1 };
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' font-family='sans-serif' \
         font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n\
         <text x='{}' y='24' text-anchor='middle' font-size='15'>{title}: queries/s over recall@10, one client\
         </text>\n",
        WIDTH / 2.0
    );
    grid(&mut svg, &speeds);
    for ((at, one), color) in all.iter().enumerate().zip(COLORS.iter().cycle()) {
        for (points, dashes) in one.curves().iter().zip(["4 3", "none"]) {
            curve(&mut svg, &speeds, points.iter().copied().filter(is_in), color, dashes);
        }
        if let Some(point) = one.defaults().filter(is_in) {
            circle(&mut svg, &speeds, point, &format!("r='7' fill='none' stroke='{color}' stroke-width='2'"));
        }
        // The lower left corner is empty: what is slow finds much.
        let y = BOTTOM - 16.0 * (all.len() - at) as f64;
        let _ = writeln!(svg, "<text x='{}' y='{y}' fill='{color}'>{}</text>", LEFT + 12.0, one.kind.label);
    }
    let _ = writeln!(
        svg,
        "<text x='{LEFT}' y='{}'>solid: hnsw.ef_search, ivf.probes, ivfflat.probes; dashed: \
         proxima.recall_target; rings: defaults</text>\n</svg>",
        HEIGHT - 10.0
    );
    svg
}

fn curve<'p>(
    svg: &mut String,
    speeds: &Speeds,
    points: impl Iterator<Item = &'p Point>,
    color: &str,
    dashes: &str,
) {
    let points: Vec<&Point> = points.collect();
    let path: Vec<String> =
        points.iter().map(|point| format!("{:.1},{:.1}", x(point.recall), speeds.y(point.speed))).collect();
    // Writing to a String can't fail.
    let _ = writeln!(
        svg,
        "<polyline points='{}' fill='none' stroke='{color}' stroke-width='2' stroke-dasharray='{dashes}'/>",
        path.join(" ")
    );
    for point in points {
        circle(svg, speeds, point, &format!("r='3' fill='{color}'"));
    }
}

fn circle(svg: &mut String, speeds: &Speeds, point: &Point, style: &str) {
    let _ = writeln!(svg, "<circle cx='{:.1}' cy='{:.1}' {style}/>", x(point.recall), speeds.y(point.speed));
}

fn grid(svg: &mut String, speeds: &Speeds) {
    for recall in RECALLS {
        let (at, stroke) = (x(recall), if recall == 0.95 { "#888" } else { "#ddd" });
        let _ = writeln!(
            svg,
            "<line x1='{at:.1}' y1='{TOP}' x2='{at:.1}' y2='{BOTTOM}' stroke='{stroke}'/>\n\
             <text x='{at:.1}' y='{}' text-anchor='middle'>{recall}</text>",
            BOTTOM + 18.0
        );
    }
    for speed in speeds.marks() {
        let at = speeds.y(speed);
        let _ = writeln!(
            svg,
            "<line x1='{LEFT}' y1='{at:.1}' x2='{RIGHT}' y2='{at:.1}' stroke='#ddd'/>\n\
             <text x='{}' y='{:.1}' text-anchor='end'>{speed}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
}
