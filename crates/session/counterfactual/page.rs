//! A counterfactual as JSON, as text and as a page: recorded and modelled side by side, each number with where it is from.

use std::fmt::Write as _;

use recording::RecordedSession;
use serde_json::{Value, json};

use super::closed::{Came, Closed, point_s};
use super::fit::NAMES;
use super::redecide::Decided;
use super::{Fitted, Other};
use crate::report::{Figure, LEFT, Page, Plot, RIGHT, Scale, WIDTH, blocks, svg, three_digits};

/// What a counterfactual replay came to.
pub enum Counterfactual<'a> {
    /// Another decoder on the recorded samples.
    Redecided {
        /// The recording.
        session: &'a RecordedSession,
        /// What was tried.
        other: &'a Other,
        /// Recorded, recomputed.
        decided: [Decided; 2],
    },
    /// The loop closed through a fitted participant.
    Closed {
        /// The recording.
        session: &'a RecordedSession,
        /// What was tried, if anything but the recorded controller.
        other: Option<&'a Other>,
        /// Fit and loops.
        fitted: Box<Fitted>,
    },
}

/// A number of a closed loop, its key and its name.
type Field = (&'static str, &'static str, fn(&Came) -> f64);

const FIELDS: [Field; 5] = [
    ("latent_error_uv", "latent error (uV)", |came| came.latent_error_uv),
    ("measured_error_uv", "measured error (uV)", |came| came.measured_error_uv),
    ("contrast_mean", "mean contrast", |came| came.contrast_mean),
    ("contrast_change_per_s", "change of contrast (per s)", |came| came.contrast_change_per_s),
    ("decisions", "decisions", |came| came.decisions),
];

/// Mean, least and greatest over draws.
fn over(draws: &[Closed], of: fn(&Came) -> f64) -> [f64; 3] {
    let values = || draws.iter().map(|closed| of(&closed.came)).filter(|value| value.is_finite());
    let n = values().count() as f64;
    [values().sum::<f64>() / n, values().fold(f64::NAN, f64::min), values().fold(f64::NAN, f64::max)]
}

fn draws_json(draws: &[Closed]) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("source".into(), "modelled".into());
    object.insert("draws".into(), draws.len().into());
    for (key, _, of) in FIELDS {
        let [mean, least, greatest] = over(draws, of);
        let each: Vec<f64> = draws.iter().map(|closed| of(&closed.came)).collect();
        object
            .insert(key.into(), json!({ "mean": mean, "least": least, "greatest": greatest, "each": each }));
    }
    object.into()
}

fn cell([mean, least, greatest]: [f64; 3]) -> String {
    if mean.is_nan() {
        return "-".into();
    }
    let [mean, least, greatest] = [mean, least, greatest].map(three_digits);
    format!("{mean} [{least}, {greatest}]")
}

impl Counterfactual<'_> {
    /// For programs.
    pub fn json(&self) -> Value {
        match self {
            Self::Redecided { session, other, decided } => json!({
                "session": session.folder.path(),
                "other": other.file,
                "changed": other.words(),
                "closed_loop": false,
                "recorded": decided[0],
                "other_decoder": decided[1],
            }),
            Self::Closed { session, other, fitted } => closed_json(session, *other, fitted),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Redecided { other, decided, .. } => {
                let _ = writeln!(text, "{}: another decoder on the recorded samples", other.file);
                for decided in decided {
                    let error = decided.measured_error_uv.map_or("-".into(), |uv| format!("{uv:.3} uV"));
                    let accuracy =
                        decided.accuracy.map_or("-".into(), |part| format!("{:.1} %", 100.0 * part));
                    let _ = writeln!(
                        text,
                        "  {}: {} decisions, measured error {error}, accuracy {accuracy}",
                        decided.source, decided.decisions
                    );
                }
            }
            Self::Closed { session, other, fitted } => {
                let fit = &fitted.fit;
                let _ = writeln!(text, "fitted (modelled): {}", parameters(fitted));
                let _ = writeln!(
                    text,
                    "recorded commands that came again to the bit under the recorded controller: {} of {}",
                    fitted.commands_again,
                    session.commands.len()
                );
                let _ = writeln!(
                    text,
                    "left over noise {:.2}, evidence {:.0}",
                    fit.left_over_noise, fit.amplitudes.evidence
                );
                for row in rows(fitted, *other) {
                    let _ = writeln!(text, "  {}", row.join("   "));
                }
            }
        }
        text
    }

    /// The page.
    pub fn page(&self) -> String {
        match self {
            Self::Redecided { session, other, decided } => redecided_page(session, other, decided),
            Self::Closed { session, other, fitted } => closed_page(session, *other, fitted),
        }
    }
}

fn parameters(fitted: &Fitted) -> String {
    let fit = &fitted.fit;
    let spread = fit.spread();
    let each = NAMES.iter().zip(fit.theta).zip(spread);
    let mut words: Vec<String> =
        each.map(|((name, theta), sd)| format!("{name} {:.3} (x/ {:.2})", theta.exp(), sd.exp())).collect();
    words.push(format!("latency {:.0} ms", 1e3 * fit.person.latency_s));
    words.push(format!("noise {:.2} uV per {:.2} s", fit.amplitudes.noise_uv, fit.step_s));
    words.join(", ")
}

/// The table: one row per loop.
fn rows(fitted: &Fitted, other: Option<&Other>) -> Vec<Vec<String>> {
    let name = other.map_or("other", Other::words);
    let mut rows = vec![
        [vec!["recorded".to_owned(), "recorded".into()], recorded_cells(fitted)].concat(),
        modelled("recorded controller, this day", &fitted.same_day[0]),
    ];
    if !fitted.same_day[1].is_empty() {
        rows.push(modelled(&format!("other {name}, this day"), &fitted.same_day[1]));
    }
    if !fitted.other_day[0].is_empty() {
        rows.push(modelled("recorded controller, other days", &fitted.other_day[0]));
    }
    if !fitted.other_day[1].is_empty() {
        rows.push(modelled(&format!("other {name}, other days"), &fitted.other_day[1]));
    }
    rows
}

fn recorded_cells(fitted: &Fitted) -> Vec<String> {
    let number = |value: f64| if value.is_nan() { "-".into() } else { three_digits(value) };
    FIELDS.iter().map(|(_, _, of)| number(of(&fitted.recorded.came))).collect()
}

fn modelled(name: &str, draws: &[Closed]) -> Vec<String> {
    let cells = FIELDS.iter().map(|(_, _, of)| cell(over(draws, *of)));
    [name.to_owned(), "modelled".into()].into_iter().chain(cells).collect()
}

fn closed_json(session: &RecordedSession, other: Option<&Other>, fitted: &Fitted) -> Value {
    let fit = &fitted.fit;
    let spread = fit.spread();
    let parameters: serde_json::Map<String, Value> = NAMES
        .iter()
        .zip(fit.theta)
        .zip(spread)
        .map(|((name, theta), sd)| ((*name).into(), json!({ "value": theta.exp(), "relative_sd": sd })))
        .collect();
    let mut recorded = serde_json::Map::new();
    recorded.insert("source".into(), "recorded".into());
    for (key, _, of) in FIELDS {
        recorded.insert(key.into(), json!(of(&fitted.recorded.came)));
    }
    recorded.insert(
        "latent_error_is".into(),
        if session.latents.is_empty() {
            "null: a person's response is not known".into()
        } else {
            "the truth of a simulated participant, which the fit did not see".into()
        },
    );
    let both = |days: &[Vec<Closed>; 2]| {
        let of = |draws: &Vec<Closed>| if draws.is_empty() { Value::Null } else { draws_json(draws) };
        json!({ "recorded_controller": of(&days[0]), "other": of(&days[1]) })
    };
    json!({
        "session": session.folder.path(),
        "other": other.map(|other| &other.file),
        "changed": other.map(Other::words),
        "closed_loop": true,
        "fit": {
            "source": "modelled",
            "parameters": parameters,
            "latency_s": fit.person.latency_s,
            "latency_known_up_to_s": fit.latency_period_s,
            "topography_uv": fit.amplitudes.topography_uv,
            "noise_uv": fit.amplitudes.noise_uv,
            "segment_s": fit.step_s,
            "segments": fit.amplitudes.measured_uv.iter().filter(|uv| uv.is_finite()).count(),
            "evidence": fit.amplitudes.evidence,
            "left_over_noise": fit.left_over_noise,
        },
        "recorded": recorded,
        "this_day": both(&fitted.same_day),
        "other_days": both(&fitted.other_day),
        "commands": session.commands.len(),
        "commands_again": fitted.commands_again,
    })
}

fn closed_page(session: &RecordedSession, other: Option<&Other>, fitted: &Fitted) -> String {
    let mut page = Page::new(&format!("{} - counterfactual", session.folder.stem()));
    let lead = match other {
        Some(other) => format!(
            "Another {} ({}), the loop closed through the participant fitted to this session",
            other.words(),
            other.file
        ),
        None => {
            "The recorded controller, the loop closed through the participant fitted to this session".into()
        }
    };
    page.title("photic replay", session.folder.stem(), &lead);
    let latent = |draws: &[Closed]| three_digits(over(draws, |came| came.latent_error_uv)[0]);
    let mut tiles =
        vec![(latent(&fitted.same_day[0]), "uV", "modelled latent error, recorded controller".to_owned())];
    if !fitted.same_day[1].is_empty() {
        tiles.push((latent(&fitted.same_day[1]), "uV", "modelled latent error, the other".into()));
    }
    let again = format!("{} of {}", fitted.commands_again, session.commands.len());
    tiles.push((again, "", "recorded commands that the fitted participant brings about again".into()));
    page.tiles(&tiles);
    page.heading("Side by side");
    let columns: Vec<(&str, bool)> = [("loop", false), ("numbers are", false)]
        .into_iter()
        .chain(FIELDS.iter().map(|(_, name, _)| (*name, true)))
        .collect();
    page.table(&columns, &rows(fitted, other));
    page.how(
        "Modelled: mean [least, greatest] over draws from the fit. This day: parameters and course of gain drawn from their \
         posterior, noise what the recorded samples leave; so under the recorded controller each draw gives the recorded \
         samples again. Other days: gain of the same process, noise a surrogate of the residual with its spectra and other \
         phases. The recorded latent error, where there is one, is a simulated participant's own; the fit did not see it.",
    );
    let figures = [contrast(fitted), response(session, fitted), gain(fitted)];
    for (name, figure) in ["Contrast", "Response", "Gain"].into_iter().zip(figures) {
        page.heading(name);
        if let Some(figure) = figure {
            page.figure(&figure);
        }
    }
    page.heading("The fitted participant");
    fit_table(&mut page, fitted);
    if let Some(other) = other {
        page.folded("The protocol with the other tables", &other.experiment.protocol_text);
    }
    page.finish()
}

fn fit_table(page: &mut Page, fitted: &Fitted) {
    let fit = &fitted.fit;
    let rows: Vec<Vec<String>> = NAMES
        .iter()
        .zip(fit.theta)
        .zip(fit.spread())
        .map(|((name, theta), sd)| {
            vec![(*name).into(), three_digits(theta.exp()), format!("{:.0} %", 100.0 * sd)]
        })
        .collect();
    page.table(&[("parameter", false), ("modelled", true), ("relative SD", true)], &rows);
    page.list(&[
        (
            "latency",
            format!(
                "{:.0} ms; known up to multiples of {:.0} ms",
                1e3 * fit.person.latency_s,
                1e3 * fit.latency_period_s
            ),
        ),
        ("noise", format!("{:.2} uV in an amplitude over {:.2} s", fit.amplitudes.noise_uv, fit.step_s)),
        ("evidence", format!("{:.0} for a response", fit.amplitudes.evidence)),
        ("model", format!("leaves {:.2} of the noise; 1 when it says all", fit.left_over_noise)),
    ]);
    page.how(
        "Mode of the posterior of five numbers, the course of the gain integrated out (Laplace). Semisaturation and exponent \
         have a prior (0.3 and 2.0, 25 and 15 % between people), drift and fluctuation too; time constants and the filters of \
         eye and cortex are the nominal person's.",
    );
}

/// Mean, least and greatest of a course over draws, by point.
fn band(draws: &[Closed], of: fn(&Closed) -> &[f64]) -> Vec<(f64, f64, f64, f64)> {
    let points = draws.iter().map(|closed| of(closed).len()).min().unwrap_or(0);
    (0..points)
        .map(|at| {
            let values = || draws.iter().map(|closed| of(closed)[at]);
            let mean = values().sum::<f64>() / draws.len() as f64;
            (
                point_s(at),
                mean,
                values().fold(f64::INFINITY, f64::min),
                values().fold(f64::NEG_INFINITY, f64::max),
            )
        })
        .collect()
}

fn draw(plot: &mut Plot, course: &[(f64, f64, f64, f64)], class: &str) {
    plot.band(&course.iter().map(|(x, _, low, high)| (*x, *low, *high)).collect::<Vec<_>>(), class);
    plot.line(&course.iter().map(|(x, mean, ..)| (*x, *mean)).collect::<Vec<_>>(), class);
}

fn axes(length_s: f64, most: f64, name: &str) -> Plot {
    let mut plot =
        Plot::new(Scale::linear(0.0, length_s, LEFT, WIDTH - RIGHT), Scale::linear(0.0, most, 230.0, 12.0));
    plot.y_axis(5, name);
    plot.x_axis(10, Some("time since the loop's first turn (s)"));
    plot
}

fn contrast(fitted: &Fitted) -> Option<Figure> {
    let recorded: Vec<(f64, f64)> =
        fitted.recorded.contrast.iter().enumerate().map(|(at, contrast)| (point_s(at), *contrast)).collect();
    let mut plot = axes(recorded.last()?.0, 1.0, "contrast");
    draw(&mut plot, &band(&fitted.same_day[1], |closed| &closed.contrast), "c2");
    plot.line(&recorded, "c1 thick");
    let mut keys = vec![("c1 thick", "shown (recorded)".to_owned())];
    if !fitted.same_day[1].is_empty() {
        keys.push(("c2", "the other (modelled): mean and range of the draws of this day".into()));
    }
    Some(Figure {
        svg: svg(270.0, "contrast over time", [plot]),
        keys,
        caption: "Contrast of the frames.".into(),
        how: "From the flips, four points a second.".into(),
    })
}

fn response(session: &RecordedSession, fitted: &Fitted) -> Option<Figure> {
    let courses =
        [&fitted.same_day[0], &fitted.same_day[1]].map(|draws| band(draws, |closed| &closed.response_uv));
    let most = courses.iter().flatten().map(|(_, _, _, high)| *high).reduce(f64::max)?;
    let length_s = courses[0].last()?.0;
    let mut plot = axes(length_s, 1.05 * most, "response (uV)");
    let start_ns = session.turns.first().map_or(0, |turn| turn.now_ns);
    let protocol = &fitted.observed.experiment.protocol;
    for block in blocks(session, Some(protocol)) {
        let at = |at_ns: i64| timeline::s_from_ns(at_ns - start_ns);
        let line: Vec<(f64, f64)> =
            block.set_point_line().into_iter().map(|(at_ns, uv)| (at(at_ns), uv)).collect();
        plot.line(&line, "ref thick");
    }
    draw(&mut plot, &courses[0], "c1");
    draw(&mut plot, &courses[1], "c2");
    let mut keys = vec![
        ("ref", "set point (recorded)".to_owned()),
        ("c1", "recorded controller (modelled): mean and range of the draws".into()),
    ];
    if !courses[1].is_empty() {
        keys.push(("c2", "the other (modelled)".into()));
    }
    Some(Figure {
        svg: svg(270.0, "modelled response over time", [plot]),
        keys,
        caption: "The response without noise, on this day.".into(),
        how: "Gain times contrast response of each draw. Draws differ in what the recording leaves open."
            .into(),
    })
}

fn gain(fitted: &Fitted) -> Option<Figure> {
    let step_s = fitted.fit.step_s;
    let points = fitted.slow_uv.iter().map(Vec::len).min()?;
    let course: Vec<(f64, f64, f64, f64)> = (0..points)
        .map(|k| {
            let values = || fitted.slow_uv.iter().map(|draw| draw[k]);
            let mean = values().sum::<f64>() / fitted.slow_uv.len() as f64;
            let low = values().fold(f64::INFINITY, f64::min);
            ((k as f64 + 0.5) * step_s, mean, low, values().fold(f64::NEG_INFINITY, f64::max))
        })
        .collect();
    let most = course.iter().map(|(_, _, _, high)| *high).reduce(f64::max)?;
    let mut plot = axes(course.last()?.0, 1.05 * most, "gain (uV)");
    draw(&mut plot, &course, "c1");
    Some(Figure {
        svg: svg(270.0, "slow course of the gain", [plot]),
        keys: vec![("c1", "gain for full drive (modelled): mean and range of the draws of this day".into())],
        caption: "The gain's slow drift, without the fluctuation over seconds.".into(),
        how: "Posterior of an Ornstein-Uhlenbeck process, given amplitudes of one second each.".into(),
    })
}

fn redecided_page(session: &RecordedSession, other: &Other, decided: &[Decided; 2]) -> String {
    let mut page = Page::new(&format!("{} - another decoder", session.folder.stem()));
    let lead =
        format!("Another decoder ({}) on the recorded samples; the screen stays as it was", other.file);
    page.title("photic replay", session.folder.stem(), &lead);
    let number = |value: Option<f64>| value.map_or("-".into(), three_digits);
    let rows: Vec<Vec<String>> = decided
        .iter()
        .map(|decided| {
            vec![
                decided.source.into(),
                decided.decisions.to_string(),
                number(decided.measured_error_uv),
                number(decided.mean_spread),
                number(decided.accuracy),
            ]
        })
        .collect();
    let columns = [
        ("decisions are", false),
        ("decisions", true),
        ("measured error (uV)", true),
        ("mean standard error", true),
        ("accuracy", true),
    ];
    page.table(&columns, &rows);
    page.how("Both on the same samples and turns. What the other decoder would have led to is another question: the controller would have shown another contrast (--participant fitted).");
    if let Some(figure) = values(session, decided) {
        page.heading("Decisions");
        page.figure(&figure);
    }
    page.folded("The protocol with the other tables", &other.experiment.protocol_text);
    page.finish()
}

fn values(session: &RecordedSession, decided: &[Decided; 2]) -> Option<Figure> {
    let start_ns = session.turns.first()?.now_ns;
    let course = |decided: &Decided| -> Vec<(f64, f64)> {
        let at = |at_ns: i64| timeline::s_from_ns(at_ns - start_ns);
        decided.all.iter().map(|decision| (at(decision.decided_ns), decision.value)).collect()
    };
    let [recorded, other] = [course(&decided[0]), course(&decided[1])];
    let all = || recorded.iter().chain(&other);
    let most = all().map(|(_, value)| *value).filter(|value| value.is_finite()).reduce(f64::max)?;
    let length_s = all().map(|(x, _)| *x).fold(0.0, f64::max);
    let mut plot = axes(length_s, 1.05 * most.max(0.1), "value");
    plot.line(&recorded, "c1");
    plot.line(&other, "c2");
    Some(Figure {
        svg: svg(270.0, "decisions of both decoders", [plot]),
        keys: vec![("c1", "recorded".into()), ("c2", "the other decoder (recomputed)".into())],
        caption: format!("{} and {} decisions.", recorded.len(), other.len()),
        how: "The decoders' own values; below zero is drawn at zero.".into(),
    })
}
