//! The contact sheet: all stimuli of a result on one HTML page that opens without a network.

use std::fmt::Write as _;

use super::outcome::Outcome;
use crate::report::{Figure, LEFT, Page, Picture, Plot, RIGHT, Scale, WIDTH, svg, three_digits};

/// The page. `pictures` are the PNG bytes of the stimuli in their order, `spec` is the specification's text.
pub fn render(outcome: &Outcome, pictures: &[Vec<u8>], spec: &str) -> String {
    let mut page = Page::with_pictures(&format!("{} - photic synth", outcome.name));
    page.title("photic synth", &outcome.name, &outcome.description);
    page.tiles(&[
        (three_digits(outcome.value), "", "value of the objective".into()),
        (outcome.steps.to_string(), "", format!("steps; ended by {}", outcome.ended)),
        (outcome.evaluations.to_string(), "", "evaluations".into()),
        (three_digits(outcome.elapsed_s), "s", "wall clock".into()),
    ]);
    page.gallery(&gallery(outcome, pictures));
    page.how(&format!("Pictures: {}. The light itself: {}.", outcome.png, outcome.npy));
    page.heading("What was reached");
    terms(&mut page, outcome);
    if let Some(figure) = trajectory(outcome) {
        page.heading("The way there");
        page.figure(&figure);
    }
    page.heading("Provenance");
    provenance(&mut page, outcome);
    page.folded("The specification", spec);
    page.finish()
}

fn gallery(outcome: &Outcome, pictures: &[Vec<u8>]) -> Vec<Picture> {
    let made = outcome.stimuli.iter().zip(pictures);
    let pictures = made.map(|(made, bytes)| {
        let mut lines: Vec<String> =
            made.terms.iter().map(|(name, value)| format!("{name} {}", three_digits(*value))).collect();
        let (mean, sd) = (three_digits(made.mean), three_digits(made.sd));
        lines.push(format!("light: mean {mean}, SD {sd}"));
        let source = format!("data:image/png;base64,{}", base64(bytes));
        Picture { name: made.file.clone(), source, lines }
    });
    pictures.collect()
}

fn terms(page: &mut Page, outcome: &Outcome) {
    let mut rows = Vec::new();
    for (sign, terms) in [(1.0, &outcome.terms), (-1.0, &outcome.penalties)] {
        for term in terms {
            let share = sign * term.weight * term.value;
            let numbers = [term.value, term.weight, share].map(three_digits);
            rows.push([vec![term.name.clone()], numbers.to_vec()].concat());
        }
    }
    page.table(&[("term", false), ("value", true), ("weight", true), ("adds to the objective", true)], &rows);
}

fn trajectory(outcome: &Outcome) -> Option<Figure> {
    let points = &outcome.trajectory;
    let last = points.last()?.evaluations as f64;
    let finite = || points.iter().flat_map(|p| [p.value, p.best]).filter(|value| value.is_finite());
    let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
    let room = 0.05 * (high - low);
    let x = Scale::linear(0.0, last.max(1.0), LEFT, WIDTH - RIGHT);
    let mut plot = Plot::new(x, Scale::linear(low - room, high + room, 230.0, 12.0));
    plot.y_axis(5, "value");
    plot.x_axis(10, Some("evaluations of the objective"));
    let line = |of: fn(&super::outcome::Point) -> f64| -> Vec<(f64, f64)> {
        points.iter().map(|point| (point.evaluations as f64, of(point))).collect()
    };
    plot.line(&line(|point| point.value), "grey");
    plot.line(&line(|point| point.best), "c1 thick");
    Some(Figure {
        svg: svg(270.0, "value of the objective over evaluations", [plot]),
        keys: vec![("grey", "at each step".into()), ("c1 thick", "best so far".into())],
        caption: format!("{} points, one per step; the best is what was kept.", points.len()),
        how: "Where views of the stimulus are drawn at random, each step sees other views: its value is a sample.".into(),
    })
}

fn provenance(page: &mut Page, outcome: &Outcome) {
    let mut entries = vec![
        ("program", format!("photic {} ({})", outcome.photic_version, outcome.photic_build)),
        ("began", outcome.started_utc.clone()),
        ("specification", format!("SHA-256 {}", outcome.spec_sha256)),
        ("seed", outcome.seed.to_string()),
        (
            "optimiser",
            format!(
                "{} ({}): {}",
                outcome.optimiser.name, outcome.optimiser.class, outcome.optimiser.settings
            ),
        ),
        ("parameters", format!("{}: {}", outcome.parameters, outcome.parametrisation)),
    ];
    for model in &outcome.models {
        let mut text = format!("{} = {}, SHA-256 {}", model.name, model.source, model.sha256);
        for intervention in &model.interventions {
            let _ = write!(text, "; {intervention}");
        }
        entries.push(("model", text));
    }
    for file in &outcome.files {
        entries.push(("file", format!("{}, SHA-256 {}", file.path, file.sha256)));
    }
    page.list(&entries);
}

/// Base 64 (RFC 4648), as `data:` URLs want it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let known = digit <= chunk.len();
            text.push(if known { DIGITS[(bits >> (18 - 6 * digit)) as usize & 63].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_has_the_standards_examples() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
