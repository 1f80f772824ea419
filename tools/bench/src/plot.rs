//! Recall over speed, as an SVG picture.

use std::fmt::Write;

use bench::measure::{Effort, Point};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;

/// A picture of the points: recall to the right, queries per second upwards on a logarithmic scale.
pub fn recall_over_speed(title: &str, points: &[Point]) -> String {
    let recalls = || points.iter().map(|point| point.recall);
    let least = (recalls().fold(1.0, f64::min) * 20.0).floor() / 20.0;
    let speeds = || points.iter().map(|point| point.speed.max(1.0).log10());
    let (low, high) = (speeds().fold(f64::INFINITY, f64::min).floor(), speeds().fold(0.0, f64::max).ceil());
    let x = |recall: f64| MARGIN + (recall - least) / (1.0 - least).max(0.01) * (WIDTH - 2.0 * MARGIN);
    let y = |speed: f64| {
        HEIGHT - MARGIN - (speed.max(1.0).log10() - low) / (high - low).max(1.0) * (HEIGHT - 2.0 * MARGIN)
    };
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' font-family='sans-serif' \
         font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n\
         <text x='{}' y='24' text-anchor='middle' font-size='16'>{title}: queries/s over recall@10, one client\
         </text>\n",
        WIDTH / 2.0
    );
    // Writing to a String can't fail.
    for step in 0..=5 {
        let recall = least + (1.0 - least) * f64::from(step) / 5.0;
        let at = x(recall);
        let _ =
            writeln!(svg, "<line x1='{at}' y1='{MARGIN}' x2='{at}' y2='{}' stroke='#ddd'/>", HEIGHT - MARGIN);
        let _ = writeln!(
            svg,
            "<text x='{at}' y='{}' text-anchor='middle'>{recall:.2}</text>",
            HEIGHT - MARGIN + 18.0
        );
    }
    for decade in (low as i32)..=(high as i32) {
        for digit in [1.0, 2.0, 5.0] {
            let speed = digit * 10f64.powi(decade);
            if speed.log10() > high {
                continue;
            }
            let at = y(speed);
            let _ = writeln!(
                svg,
                "<line x1='{MARGIN}' y1='{at}' x2='{}' y2='{at}' stroke='#ddd'/>",
                WIDTH - MARGIN
            );
            let _ =
                writeln!(svg, "<text x='{}' y='{}' text-anchor='end'>{speed}</text>", MARGIN - 6.0, at + 4.0);
        }
    }
    series(
        &mut svg,
        points,
        "recall_target",
        "#06c",
        |effort| matches!(effort, Effort::RecallTarget(_)),
        &x,
        &y,
    );
    series(&mut svg, points, "ef_search", "#c60", |effort| matches!(effort, Effort::EfSearch(_)), &x, &y);
    svg.push_str("</svg>\n");
    svg
}

#[allow(clippy::too_many_arguments, reason = "a drawing step: what, where, how")]
fn series(
    svg: &mut String,
    points: &[Point],
    name: &str,
    color: &str,
    belongs: impl Fn(&Effort) -> bool,
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    let mut own: Vec<&Point> = points.iter().filter(|point| belongs(&point.effort)).collect();
    own.sort_by(|a, b| a.recall.total_cmp(&b.recall));
    let path: Vec<String> = own.iter().map(|p| format!("{:.1},{:.1}", x(p.recall), y(p.speed))).collect();
    let _ = writeln!(svg, "<polyline points='{}' fill='none' stroke='{color}'/>", path.join(" "));
    for point in &own {
        let _ = writeln!(
            svg,
            "<circle cx='{:.1}' cy='{:.1}' r='3' fill='{color}'/>",
            x(point.recall),
            y(point.speed)
        );
    }
    if let Some(first) = own.first() {
        let _ = writeln!(
            svg,
            "<text x='{:.1}' y='{:.1}' fill='{color}'>{name}</text>",
            x(first.recall) + 6.0,
            y(first.speed) - 6.0
        );
    }
}
