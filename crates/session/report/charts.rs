//! The report's figures: which data stands in which plot. What a figure says in words stands beside it in [`Figure`].

use recording::RecordedSession;
use timeline::{Decision, Flip, NoticeKind, Ramp, SceneId, s_from_ns};

use super::ledger::{Ledger, nearest_rank, onset_words};
use super::spans::{Block, Span, between};
use super::spectra::{ChannelSpectra, Spectra};
use super::svg::{LEFT, Plot, RIGHT, Scale, WIDTH, short, svg};

/// A figure with its words.
pub struct Figure {
    /// Inline SVG.
    pub svg: String,
    /// Line or area class and its meaning.
    pub keys: Vec<(&'static str, String)>,
    /// What is seen, with n and units.
    pub caption: String,
    /// How the numbers were obtained.
    pub how: String,
}

/// The session's time axis in a unit that suits its length.
pub struct TimeAxis {
    /// The session.
    pub extent: Span,
    unit: &'static str,
    unit_s: f64,
}

impl TimeAxis {
    /// Seconds up to five minutes, minutes up to five hours, then hours.
    pub fn of(extent: Span) -> Self {
        let (unit, unit_s) = match extent.length_s() {
            length_s if length_s <= 300.0 => ("s", 1.0),
            length_s if length_s <= 18_000.0 => ("min", 60.0),
            _ => ("h", 3600.0),
        };
        Self { extent, unit, unit_s }
    }

    fn at(&self, at_ns: i64) -> f64 {
        self.extent.since_s(at_ns) / self.unit_s
    }

    fn scale(&self) -> Scale {
        Scale::linear(0.0, self.at(self.extent.end_ns), LEFT, WIDTH - RIGHT)
    }

    fn name(&self) -> String {
        format!("time since the loop's first turn ({})", self.unit)
    }
}

/// Intervals between frames over time and as a histogram.
pub fn frames(session: &RecordedSession, time: &TimeAxis) -> Option<Figure> {
    let pairs = || session.flips.windows(2);
    let interval_ms = |pair: &[Flip]| s_from_ns(pair[1].onset_ns - pair[0].onset_ns) * 1e3;
    let intervals: Vec<f64> = pairs().map(interval_ms).collect();
    let longest = intervals.iter().copied().reduce(f64::max)?;
    let refresh_hz = session.meta.display.as_ref().map(|display| display.refresh_hz).filter(|hz| *hz > 0.0);
    let mut sorted = intervals.clone();
    sorted.sort_by(f64::total_cmp);
    let period_ms = refresh_hz.map_or_else(|| nearest_rank(&sorted, 0.5), |hz| 1e3 / hz);
    let top_ms = longest.clamp(2.0 * period_ms, 6.0 * period_ms) * 1.08;

    let mut series = Plot::new(time.scale(), Scale::linear(0.0, top_ms, 190.0, 12.0));
    series.y_axis(4, "interval (ms)");
    series.x_axis(10, Some(&time.name()));
    series.level(period_ms, "ref");
    let points: Vec<_> = pairs().zip(&intervals).map(|(pair, ms)| (time.at(pair[1].onset_ns), *ms)).collect();
    series.line(&points, "c1");
    let missed: Vec<&Flip> = session.flips.iter().filter(|flip| flip.missed > 0).collect();
    let at: Vec<f64> = missed.iter().map(|flip| time.at(flip.onset_ns)).collect();
    series.strokes(&at, top_ms * 0.045, 8.0, "c2 thick");

    let histogram = frame_histogram(&intervals, period_ms, top_ms);
    let missed_n: u64 = missed.iter().map(|flip| u64::from(flip.missed)).sum();
    let beyond = intervals.iter().filter(|ms| **ms > top_ms).count();
    let beyond = if beyond > 0 {
        format!(" {beyond} intervals are longer and drawn at the edge.")
    } else {
        String::new()
    };
    let nominal =
        refresh_hz.map_or_else(String::new, |hz| format!(" Nominal refresh {hz} Hz = {period_ms:.3} ms."));
    Some(Figure {
        svg: svg(368.0, "Frame intervals over time and as a histogram", [series, histogram]),
        keys: vec![
            ("c1", "interval between successive frames".into()),
            ("ref", "one refresh".into()),
            ("c2 thick", "frame that came after a missed refresh".into()),
        ],
        caption: format!(
            "n = {} intervals in ms; median {:.3}, 1st to 99th percentile {:.3} to {:.3}, longest {longest:.3}. {missed_n} missed \
             refreshes.{nominal}{beyond}",
            intervals.len(),
            nearest_rank(&sorted, 0.5),
            nearest_rank(&sorted, 0.01),
            nearest_rank(&sorted, 0.99),
        ),
        how: format!(
            "Differences of successive onset times. Onset times: {}. A missed refresh is one that showed an old frame again; \
             it is counted from the frame index, not from the interval.",
            onset_words(session)
        ),
    })
}

fn frame_histogram(intervals: &[f64], period_ms: f64, top_ms: f64) -> Plot {
    let bin_ms = period_ms / 40.0;
    let bins = (top_ms / bin_ms).ceil() as usize;
    let mut counts = vec![0_u64; bins.max(1)];
    for ms in intervals {
        // Whole bins around the period, so that the jitter of a steady screen does not straddle an edge.
        let bin = (ms / bin_ms).round().clamp(0.0, (counts.len() - 1) as f64) as usize;
        counts[bin] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(2) as f64;
    let x = Scale::linear(0.0, top_ms, LEFT, WIDTH - RIGHT);
    let mut plot = Plot::new(x, Scale::log(0.7, most * 1.4, 330.0, 244.0));
    plot.y_axis(3, "count (log)");
    plot.x_axis(12, Some(&format!("interval (ms), bins of {} ms", short(bin_ms))));
    for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let middle = bin as f64 * bin_ms;
        plot.bar(middle - bin_ms / 2.0, middle + bin_ms / 2.0, count as f64, "bar c1");
    }
    plot.upright(period_ms, "ref");
    plot
}

/// One histogram per stage of the ledger on a common logarithmic axis.
pub fn latencies(ledger: &Ledger) -> Option<Figure> {
    const ROW: f64 = 44.0;
    const NAMES: f64 = 190.0;
    const LOWEST_MS: f64 = 1e-3;
    let longest =
        ledger.stages.iter().filter_map(|stage| stage.values_ms.last()).copied().reduce(f64::max)?;
    let top_ms = 10_f64.powf(longest.max(10.0).log10().ceil());
    let bottom = ROW * ledger.stages.len() as f64 + 8.0;
    let x = Scale::log(LOWEST_MS, top_ms, NAMES, WIDTH - RIGHT);
    let mut plots = Vec::new();
    let mut clamped = 0;
    for (row, stage) in ledger.stages.iter().enumerate() {
        let (top, base) = (8.0 + ROW * row as f64, 8.0 + ROW * (row + 1) as f64);
        let mut plot = Plot::new(x.clone(), Scale::linear(0.0, 1.0, base, top + 4.0));
        plot.x_axis(6, (row + 1 == ledger.stages.len()).then_some("time (ms, log)"));
        plot.text(NAMES - 10.0, base - ROW / 2.0 + 6.0, "name end", stage.name);
        clamped += stage.values_ms.iter().filter(|ms| **ms < LOWEST_MS).count();
        stage_bars(&mut plot, &stage.values_ms, LOWEST_MS, top_ms);
        for (p, class) in [(0.5, "c0 thick"), (0.99, "c2 thick")] {
            plot.upright(nearest_rank(&stage.values_ms, p), class);
        }
        plots.push(plot);
    }
    let clamped = match clamped {
        0 => String::new(),
        n => format!(
            " {n} values below 1 \u{b5}s (or negative, where a stamp runs ahead) are drawn at the left edge."
        ),
    };
    Some(Figure {
        svg: svg(bottom + 40.0, "Distribution of each stage's latency", plots),
        keys: vec![
            ("bar c1", "share of the chains in each bin (each row scaled to its highest)".into()),
            ("c0 thick", "median".into()),
            ("c2 thick", "99th percentile".into()),
        ],
        caption: format!("n = {} chains per row, time in ms.{clamped}", ledger.chains),
        how: "Differences of recorded instants along the records' own references; nothing is paired by nearness in time.".into(),
    })
}

fn stage_bars(plot: &mut Plot, values_ms: &[f64], lowest_ms: f64, top_ms: f64) {
    const PER_DECADE: f64 = 24.0;
    let bins = ((top_ms / lowest_ms).log10() * PER_DECADE).round() as usize;
    let mut counts = vec![0_u64; bins.max(1)];
    for ms in values_ms {
        let bin = ((ms.max(lowest_ms) / lowest_ms).log10() * PER_DECADE) as usize;
        counts[bin.min(bins.saturating_sub(1))] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let edge = |bin: usize| lowest_ms * 10_f64.powf(bin as f64 / PER_DECADE);
    for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        plot.bar(edge(bin), edge(bin + 1), count as f64 / most, "bar c1");
    }
}

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
        let set_points = || blocks.iter().filter_map(|block| block.set_point_uv);
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
            if let Some(set_point) = block.set_point_uv {
                let (from, to) = (time.at(block.span.start_ns), time.at(block.span.end_ns));
                plot.line(&[(from, set_point), (to, set_point)], "c0 dashed");
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
        self.keys.push(("c3", "contrast commanded (Michelson, 0 to 1)".into()));
        self.words.push(format!("{} commands.", session.commands.len()));
    }

    fn events(&mut self, session: &RecordedSession) {
        use NoticeKind as N;
        let time = self.time;
        let instants = |kinds: &[NoticeKind]| -> Vec<f64> {
            let notices = session.notices.iter().filter(|notice| kinds.contains(&notice.kind));
            notices.map(|notice| time.at(notice.at_ns)).collect()
        };
        let missed = session.flips.iter().filter(|f| f.missed > 0).map(|f| time.at(f.onset_ns)).collect();
        let lanes: [(&str, Vec<Span>, Vec<f64>); 7] = [
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
    } else if room >= 5 {
        Some(name.chars().take(room - 1).chain(['\u{2026}']).collect())
    } else {
        None
    }
}

/// Corners of the contrast commanded over time: each command holds until the next one.
fn commanded(session: &RecordedSession, end_ns: i64) -> Vec<(i64, f64)> {
    let mut points = Vec::with_capacity(session.commands.len() * 4);
    for (n, command) in session.commands.iter().enumerate() {
        let Ramp { start_ns, end_ns: ramp_end_ns, .. } = command.contrast;
        let from_ns = command.issued_ns;
        let to_ns = session.commands.get(n + 1).map_or(end_ns.max(from_ns), |next| next.issued_ns);
        let shown = |at_ns| if command.scene == SceneId::GREY { 0.0 } else { command.contrast.at(at_ns) };
        let corners = [from_ns, start_ns, ramp_end_ns, to_ns];
        points.extend(
            corners.into_iter().filter(|at| (from_ns..=to_ns).contains(at)).map(|at| (at, shown(at))),
        );
    }
    points
}

/// Channels that one figure of spectra can show.
const MOST_PANELS: usize = 16;

/// A small plot per channel. `marks` are frequencies to be marked: class, frequency, name.
pub fn spectra(
    spectra: &Spectra,
    labels: &[String],
    unit: &str,
    marks: &[(&'static str, f64, String)],
) -> Option<Figure> {
    const ROWS_PX: f64 = 150.0;
    let top_hz = spectra.nyquist_hz.min(70.0);
    let bins =
        |channel: &ChannelSpectra| [channel.whole.clone(), channel.stimulated.clone()].into_iter().flatten();
    let first = (1.0 / spectra.resolution_hz).ceil() as usize;
    let last = (top_hz / spectra.resolution_hz) as usize;
    let shown = spectra.channels.len().min(MOST_PANELS);
    let drawn = || spectra.channels.iter().take(shown);
    let values: Vec<f64> = drawn()
        .flat_map(bins)
        .flat_map(|s| s.db.get(first..=last.min(s.db.len() - 1)).unwrap_or(&[]).to_vec())
        .collect();
    let high = values.iter().copied().reduce(f64::max)? + 3.0;
    let low = values.iter().copied().reduce(f64::min)?.max(high - 90.0) - 3.0;
    let columns = shown.min(4);
    let panel_px = (WIDTH - LEFT - RIGHT) / columns as f64;
    let mut plots = Vec::new();
    for (n, channel) in drawn().enumerate() {
        let (column, row) = ((n % columns) as f64, (n / columns) as f64);
        let left = LEFT + column * panel_px;
        let top = 22.0 + row * ROWS_PX;
        let x = Scale::linear(0.0, top_hz, left, left + panel_px - 12.0);
        let mut plot = Plot::new(x, Scale::linear(low, high, top + ROWS_PX - 46.0, top));
        let is_last_row = n + columns >= shown;
        plot.x_axis(4, Some(if is_last_row { "frequency (Hz)" } else { "" }));
        if n % columns == 0 {
            plot.y_axis(4, "power (dB)");
        }
        panel(&mut plot, spectra, channel, first, last, marks);
        let label = labels.get(n).cloned().unwrap_or_default();
        plot.text(left + 2.0, top - 6.0, "name strong", &label);
        if let Some(line) = line_strength(spectra, channel, marks) {
            plot.text(left + panel_px - 12.0, top - 6.0, "tick end", &line);
        }
        plots.push(plot);
    }
    let height = 22.0 + (shown.div_ceil(columns)) as f64 * ROWS_PX;
    Some(spectra_words(spectra, svg(height, "Power spectra of the channels", plots), shown, unit, marks))
}

fn panel(
    plot: &mut Plot,
    spectra: &Spectra,
    channel: &ChannelSpectra,
    first: usize,
    last: usize,
    marks: &[(&'static str, f64, String)],
) {
    for (class, hz, _) in marks {
        plot.upright(*hz, class);
    }
    for (spectrum, class) in [(&channel.whole, "grey"), (&channel.stimulated, "c1")] {
        let Some(spectrum) = spectrum else { continue };
        let bins = spectrum.db.iter().enumerate().take(last + 1).skip(first);
        let points: Vec<_> = bins.map(|(bin, db)| (bin as f64 * spectra.resolution_hz, *db)).collect();
        plot.line(&points, class);
    }
}

/// What the first mark's line reaches over its neighbours.
fn line_strength(
    spectra: &Spectra,
    channel: &ChannelSpectra,
    marks: &[(&'static str, f64, String)],
) -> Option<String> {
    let (_, hz, _) = marks.iter().find(|(class, ..)| class.starts_with("c2"))?;
    let spectrum = channel.stimulated.as_ref()?;
    let db = spectrum.over_neighbours_db(*hz, spectra.resolution_hz)?;
    Some(format!("{} Hz {db:+.1} dB", short(*hz)).replace('-', "\u{2212}"))
}

fn spectra_words(
    spectra: &Spectra,
    svg: String,
    shown: usize,
    unit: &str,
    marks: &[(&'static str, f64, String)],
) -> Figure {
    let most = |pick: fn(&ChannelSpectra) -> Option<usize>| {
        spectra.channels.iter().filter_map(pick).max().unwrap_or(0)
    };
    let whole = most(|channel| channel.whole.as_ref().map(|s| s.segments));
    let stimulated = most(|channel| channel.stimulated.as_ref().map(|s| s.segments));
    let hidden = spectra.channels.len() - shown;
    let hidden =
        if hidden > 0 { format!(" {hidden} further channels are not drawn.") } else { String::new() };
    let mut keys = vec![("grey", format!("whole session (n = {whole} segments)"))];
    if stimulated > 0 {
        keys.push(("c1", format!("during stimulation (n = {stimulated} segments)")));
    }
    keys.extend(marks.iter().map(|(class, _, name)| (*class, name.clone())));
    let strength = if stimulated > 0 && marks.iter().any(|(class, ..)| class.starts_with("c2")) {
        " The number above each plot is the power at the response frequency over the mean of its neighbours (0.75 to 2.5 Hz on both \
         sides) during stimulation."
    } else {
        ""
    };
    Figure {
        svg,
        keys,
        caption: format!("Power spectral density, dB re 1 {unit}\u{b2}/Hz, bins of {} Hz.{strength}{hidden}", short(spectra.resolution_hz)),
        how: "Welch: Hann segments of 4 s, half overlapping, mean removed, raw samples without any filter or reference; at most 600 \
              segments, evenly spread; segments with a value that is not finite are left out. During stimulation: segments that \
              lie wholly in a stretch in which frames with contrast above zero were shown."
            .into(),
    }
}
