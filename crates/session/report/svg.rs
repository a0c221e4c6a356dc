//! Plots as inline SVG. Written here rather than by a plotting crate because a page that is read in light, in dark and
//! on paper wants colours from its style sheet (classes, not fixed colours) and lines of a tenth of a pixel.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use super::page::escape;

/// Width of every figure in SVG units; the page scales it.
pub const WIDTH: f64 = 960.0;
/// Room on the left for the numbers and the name of the vertical axis.
pub const LEFT: f64 = 78.0;
/// Room on the right.
pub const RIGHT: f64 = 14.0;

/// From values to pixels.
#[derive(Debug, Clone)]
pub struct Scale {
    low: f64,
    high: f64,
    from_px: f64,
    to_px: f64,
    log: bool,
}

impl Scale {
    /// Linear. A range without extent, or one that is no number, is widened so that something can be drawn.
    pub fn linear(low: f64, high: f64, from_px: f64, to_px: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Self { low, high, from_px, to_px, log: false }
    }

    /// Logarithmic; values below `low` (zero too) are drawn at `low`.
    pub fn log(low: f64, high: f64, from_px: f64, to_px: f64) -> Self {
        Self { log: true, ..Self::linear(low.log10(), high.log10(), from_px, to_px) }
    }

    /// Pixel of a value, held inside the axis; values that are no number stay so.
    pub fn px(&self, value: f64) -> f64 {
        let value = if self.log && !value.is_nan() { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from_px + (self.to_px - self.from_px) * part
    }

    /// About `wanted` round numbers on the axis.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.log {
            let decades = self.low.ceil() as i32..=self.high.floor() as i32;
            return decades.map(|decade| 10_f64.powi(decade)).collect();
        }
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(rough);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

/// A number as short as its axis allows.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !(1e-4..1e6).contains(&magnitude) {
        format!("{value:.0e}")
    } else {
        let digits = (3 - magnitude.log10().floor() as i32 - 1).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        text.replace('-', "\u{2212}")
    }
}

/// Three digits that count, for columns of a table.
pub fn three_digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || !(1e-4..1e6).contains(&magnitude) {
        return short(value);
    }
    let digits = (2 - magnitude.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{value:.digits$}").replace('-', "\u{2212}")
}

/// A number with its noun.
pub fn counted<N: Display + PartialEq + From<u8>>(n: N, one: &str, many: &str) -> String {
    let noun = if n == N::from(1) { one } else { many };
    format!("{n} {noun}")
}

/// A number on an axis whose steps may be smaller than its digits after rounding.
fn tick_label(value: f64, step: f64) -> String {
    if step.is_finite() && step > 0.0 && (1e-3..1e6).contains(&value.abs()) {
        let digits = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        return format!("{value:.digits$}").replace('-', "\u{2212}");
    }
    short(value)
}

/// One plot in a figure: a frame with two axes.
pub struct Plot {
    /// Horizontal.
    pub x: Scale,
    /// Vertical; pixels grow downwards.
    pub y: Scale,
    /// The SVG so far.
    pub body: String,
}

impl Plot {
    /// A plot between pixels `[left, right]` and `[top, bottom]`.
    pub fn new(x: Scale, y: Scale) -> Self {
        let mut plot = Self { x, y, body: String::new() };
        let (left, right, top, bottom) = plot.bounds();
        let (width, height) = (right - left, bottom - top);
        let _ = write!(
            plot.body,
            r#"<rect class="frame" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
        );
        plot
    }

    fn bounds(&self) -> (f64, f64, f64, f64) {
        (self.x.from_px, self.x.to_px, self.y.to_px, self.y.from_px)
    }

    /// Numbers and grid lines along the bottom; `name` stands below them.
    pub fn x_axis(&mut self, wanted: usize, name: Option<&str>) {
        let (left, right, top, bottom) = self.bounds();
        let ticks = self.x.ticks(wanted);
        let step = ticks.get(1).map_or(f64::NAN, |second| second - ticks[0]);
        for tick in ticks {
            let x = self.x.px(tick);
            let _ = write!(self.body, r#"<path class="grid" d="M{x:.1} {top:.1}V{bottom:.1}"/>"#);
            if name.is_some() {
                let label = if self.x.log { short(tick) } else { tick_label(tick, step) };
                self.text(x, bottom + 15.0, "tick mid", &label);
            }
        }
        if let Some(name) = name {
            self.text((left + right) / 2.0, bottom + 32.0, "name mid", name);
        }
    }

    /// Numbers and grid lines along the left side; `name` stands beside them, turned.
    pub fn y_axis(&mut self, wanted: usize, name: &str) {
        let (left, right, top, bottom) = self.bounds();
        let ticks = self.y.ticks(wanted);
        let step = ticks.get(1).map_or(f64::NAN, |second| second - ticks[0]);
        for tick in ticks {
            let y = self.y.px(tick);
            let _ = write!(self.body, r#"<path class="grid" d="M{left:.1} {y:.1}H{right:.1}"/>"#);
            let label = if self.y.log { short(tick) } else { tick_label(tick, step) };
            self.text(left - 6.0, y + 4.0, "tick end", &label);
        }
        if !name.is_empty() {
            let (x, y) = (left - 52.0, (top + bottom) / 2.0);
            let _ = write!(
                self.body,
                r#"<text class="name mid" transform="translate({x:.1} {y:.1}) rotate(-90)">{}</text>"#,
                escape(name)
            );
        }
    }

    /// A text at a pixel; `class` may hold `mid` or `end` for its anchor.
    pub fn text(&mut self, x_px: f64, y_px: f64, class: &str, text: &str) {
        let _ =
            write!(self.body, r#"<text class="{class}" x="{x_px:.1}" y="{y_px:.1}">{}</text>"#, escape(text));
    }

    /// A line through points in the order given; a point that is no number breaks it. Thinned to what can be seen.
    pub fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let mut path = String::new();
        let mut pen_up = true;
        for (x, y) in thin_line(points, &self.x) {
            let (x, y) = (self.x.px(x), self.y.px(y));
            if x.is_nan() || y.is_nan() {
                pen_up = true;
                continue;
            }
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_up { 'M' } else { 'L' });
            pen_up = false;
        }
        if !path.is_empty() {
            let _ = write!(self.body, r#"<path class="line {class}" d="{path}"/>"#);
        }
    }

    /// A point; `title` shows when the pointer rests on it. One that is no number is not drawn.
    pub fn dot(&mut self, x: f64, y: f64, class: &str, title: &str) {
        let (x, y) = (self.x.px(x), self.y.px(y));
        if (x + y).is_finite() {
            let _ = write!(
                self.body,
                r#"<circle class="dot {class}" cx="{x:.1}" cy="{y:.1}" r="3.5"><title>{}</title></circle>"#,
                escape(title)
            );
        }
    }

    /// The area between two lines: `(x, low, high)`.
    pub fn band(&mut self, points: &[(f64, f64, f64)], class: &str) {
        let points = thin_band(points, &self.x);
        for stretch in points.split(|(x, low, high)| !(x + low + high).is_finite()) {
            if stretch.len() < 2 {
                continue;
            }
            let mut path = String::new();
            let upper = stretch.iter().map(|(x, _, high)| (x, high));
            for (n, (x, y)) in upper.chain(stretch.iter().rev().map(|(x, low, _)| (x, low))).enumerate() {
                let command = if n == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{:.1} {:.1}", self.x.px(*x), self.y.px(*y));
            }
            let _ = write!(self.body, r#"<path class="band {class}" d="{path}Z"/>"#);
        }
    }

    /// A bar from the bottom of the plot to `value`.
    pub fn bar(&mut self, from: f64, to: f64, value: f64, class: &str) {
        let (x0, x1, y) = (self.x.px(from), self.x.px(to), self.y.px(value));
        let (width, height) = ((x1 - x0 - 0.6).max(0.8), self.y.from_px - y);
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x0:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        );
    }

    /// A rectangle over the whole height, for stretches of time; `title` shows when the pointer rests on it.
    pub fn stretch(&mut self, from: f64, to: f64, class: &str, title: &str) {
        let (_, _, top, bottom) = self.bounds();
        let (x0, x1) = (self.x.px(from), self.x.px(to));
        let (width, height) = ((x1 - x0).max(1.5), bottom - top);
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x0:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"><title>{}</title></rect>"#,
            escape(title)
        );
    }

    /// A vertical line over the whole height.
    pub fn upright(&mut self, at: f64, class: &str) {
        let (_, _, top, bottom) = self.bounds();
        let x = self.x.px(at);
        let _ = write!(self.body, r#"<path class="line {class}" d="M{x:.1} {top:.1}V{bottom:.1}"/>"#);
    }

    /// A horizontal line over the whole width.
    pub fn level(&mut self, at: f64, class: &str) {
        let (left, right, _, _) = self.bounds();
        let y = self.y.px(at);
        let _ = write!(self.body, r#"<path class="line {class}" d="M{left:.1} {y:.1}H{right:.1}"/>"#);
    }

    /// Short upright strokes at instants on the height of `value`, one per pixel at most.
    pub fn strokes(&mut self, at: &[f64], value: f64, half_px: f64, class: &str) {
        let y = self.y.px(value);
        let mut columns: Vec<i64> =
            at.iter().filter(|x| x.is_finite()).map(|x| self.x.px(*x).round() as i64).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut path = String::new();
        for x in columns {
            let _ = write!(path, "M{x} {:.1}V{:.1}", y - half_px, y + half_px);
        }
        if !path.is_empty() {
            let _ = write!(self.body, r#"<path class="line {class}" d="{path}"/>"#);
        }
    }
}

/// A whole figure of the given height.
pub fn svg(height: f64, label: &str, plots: impl IntoIterator<Item = Plot>) -> String {
    let body: String = plots.into_iter().map(|plot| plot.body).collect();
    let label = escape(label);
    format!(r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{label}">{body}</svg>"#)
}

/// Columns that a thinned line has: one per pixel of the widest plot.
const COLUMNS: usize = 880;

/// First, least, greatest and last point of each pixel column: the drawn line is the same (M4; Jugel et al. 2014,
/// PVLDB 7, 797). A column with a hole ends in a break, and begins with one
/// when the hole comes first.
fn thin_line(points: &[(f64, f64)], scale: &Scale) -> Vec<(f64, f64)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let points = ordered(points, |point| point.0);
    let mut out = Vec::with_capacity(COLUMNS * 5);
    for column in columns(&points, |point| point.0, scale) {
        let finite = || column.iter().enumerate().filter(|(_, (x, y))| x.is_finite() && y.is_finite());
        let by_value = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| a.1.1.total_cmp(&b.1.1);
        let kept =
            [finite().next(), finite().min_by(by_value), finite().max_by(by_value), finite().next_back()];
        out.extend(starts_with_hole(column, |(x, y)| x + y).then_some((f64::NAN, f64::NAN)));
        let mut kept: Vec<usize> = kept.into_iter().flatten().map(|(at, _)| at).collect();
        kept.sort_unstable();
        kept.dedup();
        out.extend(kept.into_iter().map(|at| column[at]));
        if finite().count() < column.len() && finite().next().is_some() {
            out.push((f64::NAN, f64::NAN));
        }
    }
    out
}

/// The hull of each pixel column. A column with a hole ends in a break, and begins with one
/// when the hole comes first.
fn thin_band(points: &[(f64, f64, f64)], scale: &Scale) -> Vec<(f64, f64, f64)> {
    if points.len() <= COLUMNS {
        return points.to_vec();
    }
    let points = ordered(points, |point| point.0);
    let mut out = Vec::with_capacity(COLUMNS);
    for column in columns(&points, |point| point.0, scale) {
        let hole = (f64::NAN, f64::NAN, f64::NAN);
        let finite = || column.iter().filter(|(x, low, high)| (x + low + high).is_finite());
        out.extend(starts_with_hole(column, |(x, low, high)| x + low + high).then_some(hole));
        out.extend(finite().copied().reduce(|a, b| (a.0, a.1.min(b.1), a.2.max(b.2))));
        if finite().count() < column.len() && finite().next().is_some() {
            out.push(hole);
        }
    }
    out
}

fn starts_with_hole<P>(column: &[P], sum: impl Fn(&P) -> f64) -> bool {
    column.first().is_some_and(|first| !sum(first).is_finite())
}

/// Points by x: in a damaged recording time may jump back, and every jump would begin new columns.
fn ordered<P: Copy>(points: &[P], x: impl Fn(&P) -> f64) -> Cow<'_, [P]> {
    let by_x = |a: &P, b: &P| x(a).total_cmp(&x(b));
    if points.is_sorted_by(|a, b| by_x(a, b).is_le()) {
        return points.into();
    }
    let mut sorted = points.to_vec();
    sorted.sort_by(by_x);
    sorted.into()
}

/// Consecutive points that fall on the same pixel. Points whose x is no number stay with the column before them.
fn columns<'a, P>(
    points: &'a [P],
    x: impl Fn(&P) -> f64 + 'a,
    scale: &'a Scale,
) -> impl Iterator<Item = &'a [P]> {
    let place = move |point: &P| {
        let x = scale.px(x(point));
        (!x.is_nan()).then_some(x.floor() as i64)
    };
    points.chunk_by(move |a, b| match (place(a), place(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = Scale::linear(0.0, 143.0, 0.0, 1.0).ticks(8);
        assert_eq!(ticks, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0]);
        assert_eq!(Scale::linear(-0.3, 0.31, 0.0, 1.0).ticks(4), [-0.2, 0.0, 0.2]);
        let log = Scale::log(1e-3, 1e3, 0.0, 6.0);
        assert_eq!(log.ticks(4).len(), 7);
        assert!((log.px(10.0) - 4.0).abs() < 1e-12);
        assert_eq!((log.px(0.0), log.px(-1.0)), (0.0, 0.0));
        for (low, high) in [(f64::NAN, 1.0), (2.0, 2.0), (f64::NEG_INFINITY, 3.0)] {
            assert!(!Scale::linear(low, high, 0.0, 1.0).ticks(5).is_empty());
        }
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (16.6667, "16.7"),
            (-0.05, "\u{2212}0.05"),
            (1234.5, "1234"),
            (2e6, "2e6"),
            (1e-6, "1e-6"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!((three_digits(70.0), three_digits(0.0084)), ("70.0".into(), "0.00840".into()));
        assert_eq!(
            (counted(1_u64, "frame", "frames"), counted(0_i64, "frame", "frames")),
            ("1 frame".into(), "0 frames".into())
        );
        assert_eq!(tick_label(0.3, 0.1), "0.3");
        assert_eq!(tick_label(20.0, 20.0), "20");
    }

    #[test]
    fn a_thinned_line_keeps_every_extreme_and_every_hole() {
        let scale = Scale::linear(0.0, 1e5, 0.0, 900.0);
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|n| (f64::from(n), f64::from(n % 7))).collect();
        points[54_321].1 = 1000.0;
        points[77_777].1 = f64::NAN;
        let thin = thin_line(&points, &scale);
        assert!(thin.len() <= 5 * 901 && thin.contains(&(54_321.0, 1000.0)));
        assert_eq!(thin.iter().filter(|point| point.0.is_nan()).count(), 1);
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
        let band: Vec<_> = points.iter().map(|(x, y)| (*x, y - 1.0, y + 1.0)).collect();
        let thin = thin_band(&band, &scale);
        assert!(thin.len() <= 902 && thin.iter().any(|hull| hull.2 == 1001.0));
        assert_eq!(thin.iter().filter(|hull| hull.0.is_nan()).count(), 1);
    }
}
