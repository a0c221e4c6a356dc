//! The section on state-dependent onset: which phases the presentations met.

use super::charts::Figure;
use super::page::{Column, Page};
use super::sections::Facts;
use super::svg::{LEFT, Plot, RIGHT, Scale, WIDTH, svg};
use crate::phases::{Circular, Onsets, Phases};

/// Bins of a histogram of phases.
const BINS: usize = 18;
/// Height of one histogram with what stands around it.
const ROW: f64 = 150.0;

impl Facts<'_> {
    /// Phases reached, as a table and as histograms.
    pub fn onsets(&self, page: &mut Page) {
        let Some(onsets) = &self.summary.onsets else { return };
        page.heading("States reached at onset");
        page.text(&counts(onsets));
        let columns: [Column; 7] = [
            ("wanted", true),
            ("judged by", false),
            ("n", true),
            ("mean resultant length", true),
            ("mean direction", true),
            ("off the wanted", true),
            ("Rayleigh p", true),
        ];
        page.table(&columns, &onsets.phases.iter().flat_map(rows).collect::<Vec<_>>());
        if let Some(figure) = figure(&onsets.phases) {
            page.figure(&figure);
        }
        page.how(
            "Phase 0 is the positive peak of the signal, 180 deg its trough, at the first flip with contrast. Forecast: as the \
             loop decided. Recorded: from the raw samples on both sides, band-pass without delay and Hilbert transform; what \
             the stimulus evokes in the band counts there too. Own: the simulated participant's rhythm without noise. \
             Rayleigh's test as in Zar (1999, Biostatistical Analysis).",
        );
    }
}

fn counts(onsets: &Onsets) -> String {
    let mut text = format!("{} presentations: {} met their conditions", onsets.presentations, onsets.met);
    for (n, what) in [
        (onsets.timed_out, "began when their time was over"),
        (onsets.skipped, "were left out when their time was over"),
        (onsets.at_other_refresh, "were shown at another refresh than planned"),
    ] {
        if n > 0 {
            text += &format!(", {n} {what}");
        }
    }
    if let Some([low, median, high]) = onsets.power {
        text += &format!(
            ". Band power over its baseline at those shown: median {median:.2}, quartiles {low:.2} and {high:.2}"
        );
    }
    match onsets.waited_s {
        Some(waited_s) => text + &format!(". Median wait {waited_s:.2} s."),
        None => text + ".",
    }
}

fn rows(phases: &Phases) -> Vec<Vec<String>> {
    let judged = [("forecast", phases.forecast), ("recorded", phases.recorded), ("own", phases.latent)];
    let row = |(name, found): (&str, Option<Circular>)| {
        let found = found?;
        let off = phases.wanted_deg.map(|wanted| (found.mean_deg - wanted + 180.0).rem_euclid(360.0) - 180.0);
        Some(vec![
            phases.wanted_deg.map_or("any".into(), |wanted| format!("{wanted:.0}\u{b0}")),
            name.to_owned(),
            found.n.to_string(),
            format!("{:.3}", found.resultant),
            format!("{:.0}\u{b0}", found.mean_deg),
            off.map_or("\u{2013}".into(), |off| format!("{off:+.0}\u{b0}")),
            format!("{:.2e}", found.rayleigh_p),
        ])
    };
    judged.into_iter().filter_map(row).collect()
}

/// A histogram per wanted phase, of the participant's own phases where they are known, else of the recorded ones.
fn figure(all: &[Phases]) -> Option<Figure> {
    let shown: Vec<(&Phases, &[f64])> = all
        .iter()
        .map(|phases| {
            let own = !phases.latent_rad.is_empty();
            (phases, if own { phases.latent_rad.as_slice() } else { phases.recorded_rad.as_slice() })
        })
        .filter(|(_, angles)| !angles.is_empty())
        .collect();
    if shown.is_empty() {
        return None;
    }
    let last = shown.len() - 1;
    let plots = shown.iter().enumerate().map(|(at, (phases, angles))| {
        let top = 14.0 + at as f64 * ROW;
        histogram(phases, angles, top, at == last)
    });
    let is_own = !shown[0].0.latent_rad.is_empty();
    let height = 60.0 + shown.len() as f64 * ROW;
    Some(Figure {
        svg: svg(height, "Phases at onset", plots.collect::<Vec<_>>()),
        keys: vec![("c1", "presentations".into()), ("ref", "wanted phase".into())],
        caption: format!(
            "Phase of the rhythm at the first photon, {}, in bins of {} deg.",
            if is_own { "the participant's own" } else { "from the recorded samples" },
            360 / BINS
        ),
        how: String::new(),
    })
}

fn histogram(phases: &Phases, angles: &[f64], top: f64, with_names: bool) -> Plot {
    let width_deg = 360.0 / BINS as f64;
    let mut counts = [0_u32; BINS];
    for angle in angles {
        let bin = (angle.to_degrees().rem_euclid(360.0) / width_deg) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    let most = f64::from(counts.iter().copied().max().unwrap_or(1).max(1));
    let x = Scale::linear(0.0, 360.0, LEFT, WIDTH - RIGHT);
    let mut plot = Plot::new(x, Scale::linear(0.0, most * 1.1, top + ROW - 36.0, top));
    plot.y_axis(3, "count");
    plot.x_axis(8, with_names.then_some("phase (deg)"));
    for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = bin as f64 * width_deg;
        plot.bar(from, from + width_deg, f64::from(count), "bar c1");
    }
    if let Some(wanted) = phases.wanted_deg {
        plot.upright(wanted.rem_euclid(360.0), "ref");
    }
    plot
}
