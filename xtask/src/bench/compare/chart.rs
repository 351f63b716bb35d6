//! The ratios of a comparison as bars of an SVG: to the right where Highwater is better, to the left where Kafka is.

use std::fmt::Write;

use super::figures::{Figure, Unit};
use super::table::Report;

const BAR_HEIGHT: usize = 18;
const ROW_HEIGHT: usize = 24;
const TOP: usize = 92;
const BOTTOM: usize = 16;
/// Where a bar begins: at a ratio of 1.
const CENTRE: f64 = 690.0;
const HALF_WIDTH: f64 = 190.0;
const WIDTH: usize = 940;
/// A bar of the whole width; longer ones are cut, and their number says how long they are.
const GREATEST: f64 = 32.0;
const HIGHWATER: &str = "#1f7a8c";
const KAFKA: &str = "#c8553d";

/// All ratios but those of records/s, which are those of MiB/s once more.
pub(super) fn draw(report: &Report) -> String {
    let charted = |figure: &&Figure| figure.kind.unit != Unit::RecordsPerSecond;
    let bars: Vec<_> = report.figures.iter().filter(charted).filter_map(|f| Some((f, advantage(f)?))).collect();
    let height = TOP + BOTTOM + ROW_HEIGHT * bars.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\">Highwater beside Apache Kafka {}, {}</text>\n\
         <text x=\"12\" y=\"44\">{}</text>\n\
         <text x=\"12\" y=\"62\">How many times better one of them is, on a logarithmic scale</text>\n",
        escape(report.origin.kafka()),
        escape(&report.origin.title()),
        escape(&report.origin.machine())
    );
    for (name, x, anchor) in [("Kafka is better", CENTRE - 6.0, "end"), ("Highwater is better", CENTRE + 6.0, "start")]
    {
        line(&mut svg, x, TOP as f64 - 6.0, anchor, name);
    }
    for (row, (figure, advantage)) in bars.iter().enumerate() {
        bar(&mut svg, figure, *advantage, (TOP + row * ROW_HEIGHT) as f64);
    }
    let end = height - BOTTOM;
    let _ = writeln!(svg, "<path d=\"M{CENTRE} {TOP}V{end}\" stroke=\"#222\"/>\n</svg>");
    svg
}

/// How many times Highwater is better.
fn advantage(figure: &Figure) -> Option<f64> {
    let ratio = figure.ratio().filter(|ratio| *ratio > 0.0)?;
    Some(if figure.kind.unit.more_is_better() { ratio } else { 1.0 / ratio })
}

fn bar(svg: &mut String, figure: &Figure, advantage: f64, top: f64) {
    let length = HALF_WIDTH * (advantage.ln() / GREATEST.ln()).clamp(-1.0, 1.0);
    let (left, colour) = if length < 0.0 { (CENTRE + length, KAFKA) } else { (CENTRE, HIGHWATER) };
    let width = length.abs();
    let _ = writeln!(
        svg,
        "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{colour}\"/>"
    );
    let baseline = top + BAR_HEIGHT as f64 - 5.0;
    line(svg, 12.0, baseline, "start", &format!("{}, {}", figure.kind.name, figure.kind.unit.name()));
    let (beyond, anchor) = if length < 0.0 { (left - 5.0, "end") } else { (left + width + 5.0, "start") };
    line(svg, beyond, baseline, anchor, &format!("{:.2}", advantage.max(1.0 / advantage)));
}

fn line(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(text));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::figures::Kind;
    use super::*;

    fn figure(unit: Unit) -> Figure {
        Figure { kind: Kind::new("f", unit), highwater: vec![3.0], kafka: vec![1.5] }
    }

    #[test]
    fn what_is_better_goes_to_the_right() {
        assert_eq!(advantage(&figure(Unit::MibPerSecond)), Some(2.0));
        assert_eq!(advantage(&figure(Unit::Milliseconds)), Some(0.5));
        let (mut ours, mut theirs) = (String::new(), String::new());
        bar(&mut ours, &figure(Unit::MibPerSecond), 2.0, 0.0);
        bar(&mut theirs, &figure(Unit::Milliseconds), 0.5, 0.0);
        assert!(ours.contains("x=\"690.0\" y=\"0\" width=\"38.0\"") && ours.contains(">2.00<"), "{ours}");
        assert!(theirs.contains("x=\"652.0\" y=\"0\" width=\"38.0\"") && theirs.contains(">2.00<"), "{theirs}");
    }
}
