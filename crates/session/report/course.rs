//! The figure of a session's course: response, answers, contrast and events over one time axis.

use recording::RecordedSession;
use timeline::{Decision, NoticeKind, Ramp, SceneId};

use super::charts::{Figure, TimeAxis};
use super::ledger::nearest_rank;
use super::spans::{Block, Span, between};
use super::svg::{LEFT, Plot, Scale, counted, svg};

/// The course of the session: response against set point, answers against cues, contrast, events; what there is of it.
pub fn course(
    session: &RecordedSession,
    time: &TimeAxis,
    blocks: &[Block],
    classes: &[(u32, String)],
) -> Option<Figure> {
    let cued = session.decisions.iter().any(|decision| decision.cue.is_some());
    let mut figure = Course { time, top: 24.0, plots: Vec::new(), keys: Vec::new(), words: Vec::new() };
    if !session.latents.is_empty() || (!cued && !session.decisions.is_empty()) {
        figure.response(session, blocks);
    }
    if cued {
        figure.answers(session, classes);
    }
    if !session.commands.is_empty() {
        figure.contrast(session);
    }
    figure.events(session);
    figure.finish(blocks)
}

struct Course<'a> {
    time: &'a TimeAxis,
    top: f64,
    plots: Vec<Plot>,
    keys: Vec<(&'static str, String)>,
    words: Vec<String>,
}

impl Course<'_> {
    fn panel(&mut self, height: f64, low: f64, high: f64) -> Plot {
        let y = Scale::linear(low, high, self.top + height, self.top);
        self.top += height + 12.0;
        Plot::new(self.time.scale(), y)
    }

    fn response(&mut self, session: &RecordedSession, blocks: &[Block]) {
        let decisions = || session.decisions.iter();
        let mut values: Vec<f64> =
            decisions().map(|decision| decision.value).filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |p| if values.is_empty() { 0.0 } else { nearest_rank(&values, p) };
        let latents = || session.latents.iter().map(|latent| latent.response_uv).filter(|v| v.is_finite());
        let set_points =
            || blocks.iter().filter_map(|block| block.set_point).map(|set_point| set_point.range_uv()[1]);
        let high = set_points().chain(latents()).fold(at(0.98), f64::max) * 1.25;
        let low = latents().fold(at(0.02).min(0.0), f64::min) * 1.25;
        let mut plot = self.panel(240.0, low, high);
        plot.y_axis(6, "response (\u{b5}V)");
        plot.x_axis(10, None);
        let time = self.time;
        let points = measured(session, time);
        let band: Vec<_> = points.iter().map(|&(x, y, half)| (x, y - half, y + half)).collect();
        plot.band(&band, "c1");
        plot.line(&points.iter().map(|&(x, y, _)| (x, y)).collect::<Vec<_>>(), "c1");
        let latent: Vec<_> = session.latents.iter().map(|l| (time.at(l.at_ns), l.response_uv)).collect();
        plot.line(&latent, "c2");
        for block in blocks {
            let line: Vec<_> =
                block.set_point_line().into_iter().map(|(at_ns, uv)| (time.at(at_ns), uv)).collect();
            if !line.is_empty() {
                plot.line(&line, "c0 dashed");
            }
        }
        self.plots.push(plot);
        self.keys.push(("c1", "measured response".into()));
        self.keys.push(("band c1", "\u{b1} 1.96 standard errors".into()));
        if !latent.is_empty() {
            self.keys.push(("c2", "latent response (simulated participant)".into()));
        }
        self.keys.push(("c0 dashed", "set point".into()));
        let outside = values.iter().filter(|v| **v > high || **v < low).count();
        let outside =
            if outside > 0 { format!(", {outside} of them beyond the axis") } else { String::new() };
        self.words.push(format!(
            "{} decisions{outside}; {} latent values.",
            session.decisions.len(),
            latent.len()
        ));
    }

    fn answers(&mut self, session: &RecordedSession, classes: &[(u32, String)]) {
        let place = |code: u32| classes.iter().position(|(known, _)| *known == code);
        let height = 26.0 * classes.len().max(2) as f64;
        // The first class stands at the top.
        let y_of = |row: usize| (classes.len() - 1 - row) as f64;
        let mut plot = self.panel(height, -0.5, classes.len() as f64 - 0.5);
        let left = LEFT - 8.0;
        for (row, (_, name)) in classes.iter().enumerate() {
            let y = plot.y.px(y_of(row));
            plot.text(left, y + 4.0, "tick end", name);
            plot.level(y_of(row), "faint");
        }
        plot.x_axis(10, None);
        let strokes = |keep: &dyn Fn(&Decision) -> Option<u32>, row: usize| -> Vec<f64> {
            let here = session.decisions.iter().filter(|d| keep(d).and_then(place) == Some(row));
            here.map(|d| self.time.at(d.decided_ns)).collect()
        };
        for row in 0..classes.len() {
            plot.strokes(&strokes(&|d| d.cue, row), y_of(row), 10.0, "cue");
            plot.strokes(
                &strokes(&|d| d.label.filter(|_| d.label == d.cue), row),
                y_of(row),
                7.0,
                "c1 thick",
            );
            plot.strokes(
                &strokes(&|d| d.label.filter(|_| d.label != d.cue), row),
                y_of(row),
                7.0,
                "c2 thick",
            );
        }
        self.plots.push(plot);
        self.keys.push(("cue", "class that was cued".into()));
        self.keys.push(("c1 thick", "decided, right".into()));
        self.keys.push(("c2 thick", "decided, wrong".into()));
        self.words.push(format!("{} decisions, drawn when they were taken.", session.decisions.len()));
    }

    fn contrast(&mut self, session: &RecordedSession) {
        let mut plot = self.panel(96.0, 0.0, 1.0);
        plot.y_axis(2, "contrast");
        plot.x_axis(10, None);
        let points: Vec<_> = commanded(session, self.time.extent.end_ns)
            .into_iter()
            .map(|(at, c)| (self.time.at(at), c))
            .collect();
        plot.line(&points, "c3");
        self.plots.push(plot);
        let let_through =
            if session.attenuations.is_empty() { "" } else { " as far as the governor let it through" };
        self.keys.push(("c3", format!("contrast commanded{let_through} (Michelson, 0 to 1)")));
        self.words.push(format!("{}.", counted(session.commands.len(), "command", "commands")));
    }

    fn events(&mut self, session: &RecordedSession) {
        use NoticeKind as N;
        let time = self.time;
        let instants = |kinds: &[NoticeKind]| -> Vec<f64> {
            let notices = session.notices.iter().filter(|notice| kinds.contains(&notice.kind));
            notices.map(|notice| time.at(notice.at_ns)).collect()
        };
        let missed = session.flips.iter().filter(|f| f.missed > 0).map(|f| time.at(f.onset_ns)).collect();
        let lanes: [(&str, Vec<Span>, Vec<f64>); 8] = [
            ("artefact", between(session, N::Frozen, N::Thawed), Vec::new()),
            ("source stale", between(session, N::Stale, N::SourceBack), Vec::new()),
            ("screen grey", between(session, N::ToGrey, N::Resumed), Vec::new()),
            ("skipped", Vec::new(), instants(&[N::Skipped, N::RingFull])),
            ("signal", Vec::new(), instants(&[N::SamplesLost, N::NotFinite, N::FlatChannel, N::StampJump])),
            ("missed", Vec::new(), missed),
            ("recording", Vec::new(), instants(&[N::RecorderHeld, N::RecordingEnded])),
            ("stop", Vec::new(), instants(&[N::Stop])),
        ];
        let used: Vec<_> =
            lanes.into_iter().filter(|(_, spans, at)| !spans.is_empty() || !at.is_empty()).collect();
        if used.is_empty() {
            self.words.push("No staleness, grey, lost sample or missed frame in this session.".into());
        }
        for (name, spans, at) in used {
            self.top -= 8.0;
            let mut plot = self.panel(16.0, 0.0, 1.0);
            plot.text(LEFT - 8.0, self.top - 12.0 - 4.0, "tick end", name);
            for span in spans {
                let title = format!(
                    "{name}: {:.2} s from {:.2} s",
                    span.length_s(),
                    time.extent.since_s(span.start_ns)
                );
                plot.stretch(time.at(span.start_ns), time.at(span.end_ns), "event", &title);
            }
            plot.strokes(&at, 0.5, 8.0, "c2 thick");
            self.plots.push(plot);
        }
    }

    /// Blocks lie behind all panels, so they are drawn first; the last panel carries the numbers of the time axis.
    fn finish(mut self, blocks: &[Block]) -> Option<Figure> {
        if self.plots.is_empty() && blocks.is_empty() {
            return None;
        }
        let bottom = self.top - 12.0;
        let mut behind = Plot::new(self.time.scale(), Scale::linear(0.0, 1.0, bottom.max(60.0), 4.0));
        for (n, block) in blocks.iter().enumerate() {
            let (from, to) = (self.time.at(block.span.start_ns), self.time.at(block.span.end_ns));
            let class = if n % 2 == 0 { "block even" } else { "block odd" };
            let title = format!("{}: {:.2} s", block.name, block.span.length_s());
            behind.stretch(from, to, class, &title);
            let (left, right) = (behind.x.px(from), behind.x.px(to));
            if let Some(label) = fitting(&block.name, right - left) {
                behind.text((left + right) / 2.0, 17.0, "name mid", &label);
            }
        }
        behind.x_axis(10, Some(&self.time.name()));
        self.plots.insert(0, behind);
        self.words.push(match blocks.len() {
            0 => "No block was recorded.".into(),
            1 => "1 block.".into(),
            n => format!("{n} blocks, shaded in turn."),
        });
        Some(Figure {
            svg: svg(bottom.max(60.0) + 40.0, "Course of the session", self.plots),
            keys: self.keys,
            caption: self.words.join(" "),
            how: "Measured values and their standard errors as the decoder gave them, at the instant of the decision (the value \
                  describes the window before it). Blocks, staleness and grey from the loop's own notices. Contrast as commanded; \
                  the frames' own contrast follows by the latency below. Long sessions are thinned to the least and greatest \
                  value per pixel."
                .into(),
        })
    }
}

/// Time, value and half the width of the band of each decision; a hole where decisions pause, so that no line is drawn
/// over a time in which nothing was measured.
fn measured(session: &RecordedSession, time: &TimeAxis) -> Vec<(f64, f64, f64)> {
    let at = |decision: &Decision| time.at(decision.decided_ns);
    let mut steps: Vec<f64> = session.decisions.windows(2).map(|pair| at(&pair[1]) - at(&pair[0])).collect();
    steps.sort_by(f64::total_cmp);
    let pause = if steps.is_empty() { f64::INFINITY } else { 5.0 * nearest_rank(&steps, 0.5) };
    let mut points: Vec<(f64, f64, f64)> = Vec::with_capacity(session.decisions.len());
    for decision in &session.decisions {
        let x = at(decision);
        if points.last().is_some_and(|last| x - last.0 > pause) {
            points.push((x, f64::NAN, f64::NAN));
        }
        points.push((x, decision.value, 1.96 * decision.spread));
    }
    points
}

/// As much of a name as fits, or nothing.
fn fitting(name: &str, width_px: f64) -> Option<String> {
    let room = (width_px / 6.6) as usize;
    let length = name.chars().count();
    if length <= room {
        Some(name.into())
    } else if room >= 10 {
        Some(name.chars().take(room - 1).chain(['\u{2026}']).collect())
    } else {
        None
    }
}

/// Corners of the contrast commanded over time, as far as the photosensitivity governor let it through: each command holds until
/// the next one.
fn commanded(session: &RecordedSession, end_ns: i64) -> Vec<(i64, f64)> {
    let mut points = Vec::with_capacity(session.commands.len() * 4);
    for (n, command) in session.commands.iter().enumerate() {
        let Ramp { start_ns, end_ns: ramp_end_ns, .. } = command.contrast;
        let from_ns = command.issued_ns;
        let to_ns = session.commands.get(n + 1).map_or(end_ns.max(from_ns), |next| next.issued_ns);
        let shown = |at_ns| if command.scene == SceneId::GREY { 0.0 } else { command.contrast.at(at_ns) };
        let corners = [from_ns, start_ns, ramp_end_ns, to_ns].map(|at_ns| (at_ns, gain_at(session, at_ns)));
        // A gain is a step.
        let steps = session.attenuations.iter().flat_map(|step| {
            let before = gain_at(session, step.at_ns - 1);
            [(step.at_ns, before), (step.at_ns, step.gain())]
        });
        let mut corners: Vec<(i64, f64)> =
            corners.into_iter().chain(steps).filter(|(at, _)| (from_ns..=to_ns).contains(at)).collect();
        corners.sort_by_key(|(at_ns, _)| *at_ns);
        points.extend(corners.into_iter().map(|(at_ns, gain)| (at_ns, gain * shown(at_ns))));
    }
    points
}

/// The part of the commanded contrast that was let through at an instant.
fn gain_at(session: &RecordedSession, at_ns: i64) -> f64 {
    let until = session.attenuations.partition_point(|told| told.at_ns <= at_ns);
    until.checked_sub(1).map_or(1.0, |last| session.attenuations[last].gain())
}
