//! The report's figures of frames, latencies and spectra: which data stands in which plot. What a figure says in words
//! stands beside it in [`Figure`].

use recording::RecordedSession;
use timeline::{Flip, s_from_ns};

use super::ledger::{Ledger, nearest_rank, onset_words};
use super::spans::Span;
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

    /// An instant on the axis.
    pub fn at(&self, at_ns: i64) -> f64 {
        self.extent.since_s(at_ns) / self.unit_s
    }

    /// The axis over the width of a figure.
    pub fn scale(&self) -> Scale {
        Scale::linear(0.0, self.at(self.extent.end_ns), LEFT, WIDTH - RIGHT)
    }

    /// What the axis is called.
    pub fn name(&self) -> String {
        format!("time since the loop's first turn ({})", self.unit)
    }
}

/// Intervals between frames over time and as a histogram.
pub fn frames(session: &RecordedSession, time: &TimeAxis) -> Option<Figure> {
    let pairs = || session.flips.windows(2);
    let interval_ms = |pair: &[Flip]| s_from_ns(pair[1].onset_ns.saturating_sub(pair[0].onset_ns)) * 1e3;
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
