//! Which of the flickering targets a person attends to, after a cue; rest is one of the answers.
//!
//! **Epoch.** Cut by sample index: it starts at the first sample whose place on the smoothed clock is at or after cue +
//! delay, and has a fixed number of samples. It is answered when its last sample is there. Nothing depends on when
//! anybody looked, so live, replayed and re-chunked runs decide alike.
//!
//! **Rest.** The largest canonical correlation names the frequency. Whether anybody attends at all is a test against the
//! same epoch: canonical correlations at surrogate frequencies, one over the epoch apart, which are no harmonic of any
//! class. Their `ln(rho^2 / (1 - rho^2))` (the logarithm of an F-like ratio) is fitted by a straight line over the logarithm
//! of frequency, because background falls as a power of it; the residuals give the scale. A class whose value exceeds
//! the prediction by more than the Student quantile of a new observation, at the protocol's false alarm rate shared among
//! the classes (Bonferroni), is not rest. No number is fitted on a recording of attention.

use signal::cca::Correlator;
use signal::{Cascade, History};
use timeline::{Marker, NoticeKind, SourceId};

use super::{Estimate, Front, sample_source};
use crate::plan::{CcaPlan, Plan, PrepareError};
use crate::turn::{Outputs, SourceInput};

/// Epochs that can be open at once; protocols cue one after the other.
const SLOTS: usize = 4;
/// Markers may come this much later than the samples of their instant (in seconds of this machine).
const MARKER_DELAY_S: f64 = 2.0;
const FILTER_ORDER: usize = 4;
/// A straight line and a scale need some points.
const FEWEST_SURROGATES: usize = 10;

#[derive(Debug, Clone, Copy)]
struct Class {
    code: u32,
    log_hz: f64,
}

/// The test of rest; see the module.
#[derive(Debug, Clone)]
struct RestTest {
    code: u32,
    log_hz: Vec<f64>,
    mean_log_hz: f64,
    spread_log_hz: f64,
    threshold: f64,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Code that was cued and the instant at which the epoch starts; `None` when free.
    cue: Option<(u32, i64)>,
    first: Option<u64>,
    whole: bool,
    correlator: Correlator,
}

#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) front: Front,
    cues: SourceId,
    codes: Vec<u32>,
    classes: Vec<Class>,
    rest: Option<RestTest>,
    history: History,
    slots: Vec<Slot>,
    samples: u64,
    delay_ns: i64,
    period_ns: f64,
    /// Classes first, then surrogates.
    correlations: Vec<f64>,
    answered: u64,
}

impl Listener {
    pub(crate) fn new(plan: &Plan, cca: &CcaPlan) -> Result<Self, PrepareError> {
        let (channels, rate_hz, period_ns) = sample_source(plan, cca.source)?;
        check(plan, cca, rate_hz)?;
        let time_scale = plan.sources[usize::from(cca.source.0)].time_scale;
        let targets: Vec<f64> = cca.classes.iter().filter_map(|class| class.frequency_hz).collect();
        let surrogates = surrogates(cca, &targets);
        let rest = match cca.classes.iter().find(|class| class.frequency_hz.is_none()) {
            Some(rest) => Some(RestTest::new(rest.code, &surrogates, targets.len(), cca.rest_false_alarm)?),
            None => None,
        };
        let tested = if rest.is_some() { surrogates.as_slice() } else { &[] };
        let frequencies: Vec<f64> = targets.iter().chain(tested).copied().collect();
        let samples = libm::round(cca.window_s * rate_hz) as usize;
        let correlator = Correlator::new(channels, samples, rate_hz, cca.harmonics, &frequencies)
            .ok_or(PrepareError::Classes("an epoch is too short for the harmonics of a class"))?;
        let held_s = cca.window_s + cca.delay_s.max(0.0) + MARKER_DELAY_S * time_scale;
        let classes = cca.classes.iter().filter_map(|class| {
            class.frequency_hz.map(|hz| Class { code: class.code, log_hz: libm::log(hz) })
        });
        let slot = Slot { cue: None, first: None, whole: true, correlator };
        Ok(Self {
            front: Front::new(
                cca.source,
                period_ns,
                channels,
                Cascade::bandpass(FILTER_ORDER, cca.band_hz, rate_hz, channels)?,
            ),
            cues: cca.cues,
            codes: cca.classes.iter().map(|class| class.code).collect(),
            classes: classes.collect(),
            rest,
            history: History::new(libm::ceil(held_s * rate_hz) as usize, channels),
            slots: vec![slot; SLOTS],
            samples: samples as u64,
            delay_ns: libm::round(cca.delay_s / time_scale * 1e9) as i64,
            period_ns,
            correlations: vec![0.0; frequencies.len()],
            answered: 0,
        })
    }

    pub(crate) fn reset(&mut self) {
        self.front.reset();
        self.history.reset();
        self.slots.iter_mut().for_each(Slot::free);
        self.answered = 0;
    }

    /// Cues answered so far, those included that could not be (samples missing or not finite).
    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    /// Takes markers and a run of samples; each decided epoch goes to `emit`.
    pub(crate) fn step(
        &mut self,
        markers: &[Marker],
        input: &SourceInput<'_>,
        now_ns: i64,
        out: &mut Outputs,
        mut emit: impl FnMut(&Estimate, &mut Outputs),
    ) {
        let cues = self.cues;
        for marker in markers.iter().filter(|marker| marker.source == cues) {
            let Some(code) = marker.code.filter(|code| self.codes.contains(code)) else { continue };
            match self.slots.iter_mut().find(|slot| slot.cue.is_none()) {
                Some(slot) => slot.cue = Some((code, marker.at_ns.saturating_add(self.delay_ns))),
                None => self.lose(now_ns, out),
            }
        }
        // Cues may be later than their samples: the history first.
        self.advance(now_ns, out, &mut emit);
        for n in 0..input.count(self.front.row().len()) {
            let sample = self.front.take(input, n, now_ns, out);
            if sample.restarted {
                self.history.cut();
                self.lose_open(now_ns, out);
            }
            self.history.push(sample.index, sample.at_ns, sample.whole, self.front.row());
            self.advance(now_ns, out, &mut emit);
        }
    }

    /// Takes all samples that are there into the open epochs.
    fn advance(&mut self, now_ns: i64, out: &mut Outputs, emit: &mut impl FnMut(&Estimate, &mut Outputs)) {
        for i in 0..self.slots.len() {
            let Some((_, start_ns)) = self.slots[i].cue else { continue };
            let first = match self.slots[i].first {
                Some(first) => first,
                None => {
                    let Some(first) = self.history.first_at_or_after(start_ns) else { continue };
                    let late_ns = self.history.row(first).map_or(0, |(at_ns, ..)| at_ns - start_ns);
                    if late_ns as f64 > 2.0 * self.period_ns {
                        // The start lies before what is held, or in a gap.
                        self.slots[i].free();
                        self.lose(now_ns, out);
                        continue;
                    }
                    self.slots[i].first = Some(first);
                    first
                }
            };
            let slot = &mut self.slots[i];
            let mut next = first + slot.correlator.count() as u64;
            while next < (first + self.samples).min(self.history.end()) {
                if let Some((_, whole, row)) = self.history.row(next) {
                    slot.whole &= whole;
                    slot.correlator.push(row);
                }
                next += 1;
            }
            if slot.correlator.is_complete() {
                self.answer(i, first, now_ns, out, emit);
            }
        }
    }

    fn answer(
        &mut self,
        slot: usize,
        first: u64,
        now_ns: i64,
        out: &mut Outputs,
        emit: &mut impl FnMut(&Estimate, &mut Outputs),
    ) {
        let slot = &mut self.slots[slot];
        let (whole, cue) = (slot.whole, slot.cue);
        slot.correlator.correlations(&mut self.correlations);
        slot.free();
        if !whole {
            self.lose(now_ns, out);
            return;
        }
        self.answered += 1;
        let end_ns = self.history.row(first + self.samples - 1).map_or(now_ns, |(at_ns, ..)| at_ns);
        let (label, value, margin) = self.decide();
        let estimate = Estimate {
            value,
            spread: margin,
            first_sample: first,
            end_sample: first + self.samples,
            start_ns: end_ns - ((self.samples - 1) as f64 * self.period_ns) as i64,
            end_ns,
            label: Some(label),
            cue: cue.map(|(code, _)| code),
            amplitudes: timeline::NOT_MEASURED,
        };
        emit(&estimate, out);
    }

    /// Label, largest correlation, and its margin over the next.
    fn decide(&self) -> (u32, f64, f64) {
        let (classes, surrogates) = self.correlations.split_at(self.classes.len());
        let (mut best, mut value, mut second) = (0, f64::NEG_INFINITY, 0.0);
        for (i, &rho) in classes.iter().enumerate() {
            if rho > value {
                (best, second, value) = (i, value.max(0.0), rho);
            } else {
                second = f64::max(second, rho);
            }
        }
        let class = self.classes[best];
        let label = match &self.rest {
            Some(rest) if rest.is_rest(class.log_hz, value, surrogates) => rest.code,
            _ => class.code,
        };
        (label, value, value - second)
    }

    fn lose_open(&mut self, now_ns: i64, out: &mut Outputs) {
        for i in 0..self.slots.len() {
            if self.slots[i].first.is_some() {
                self.slots[i].free();
                self.lose(now_ns, out);
            }
        }
    }

    /// A cue that cannot be answered, because samples of its epoch are missing, not finite, or too many are open.
    fn lose(&mut self, now_ns: i64, out: &mut Outputs) {
        self.answered += 1;
        out.notice(now_ns, NoticeKind::Skipped, Some(self.cues), self.samples as i64, 0.0);
    }
}

impl Slot {
    fn free(&mut self) {
        self.cue = None;
        self.first = None;
        self.whole = true;
        self.correlator.reset();
    }
}

impl RestTest {
    fn new(code: u32, surrogates: &[f64], classes: usize, false_alarm: f64) -> Result<Self, PrepareError> {
        if surrogates.len() < FEWEST_SURROGATES {
            return Err(PrepareError::Classes(
                "rest needs at least 10 surrogate frequencies: a wider band, a longer epoch or fewer harmonics",
            ));
        }
        let log_hz: Vec<f64> = surrogates.iter().map(|&hz| libm::log(hz)).collect();
        let mean_log_hz = log_hz.iter().sum::<f64>() / log_hz.len() as f64;
        let spread_log_hz = log_hz.iter().map(|x| (x - mean_log_hz) * (x - mean_log_hz)).sum();
        let threshold = student_quantile(false_alarm / classes as f64, (surrogates.len() - 2) as f64);
        Ok(Self { code, log_hz, mean_log_hz, spread_log_hz, threshold })
    }

    fn is_rest(&self, log_hz: f64, rho: f64, surrogates: &[f64]) -> bool {
        let n = surrogates.len() as f64;
        let mean = surrogates.iter().map(|&rho| log_ratio(rho)).sum::<f64>() / n;
        let mut slope = 0.0;
        for (&rho, x) in surrogates.iter().zip(&self.log_hz) {
            slope += (log_ratio(rho) - mean) * (x - self.mean_log_hz);
        }
        slope /= self.spread_log_hz;
        let mut residual = 0.0;
        for (&rho, x) in surrogates.iter().zip(&self.log_hz) {
            let error = log_ratio(rho) - mean - slope * (x - self.mean_log_hz);
            residual += error * error;
        }
        let away = log_hz - self.mean_log_hz;
        let scale = libm::sqrt(residual / (n - 2.0) * (1.0 + 1.0 / n + away * away / self.spread_log_hz));
        let excess = log_ratio(rho) - mean - slope * away;
        // Also rest when both are zero: no signal at all.
        excess <= self.threshold * scale
    }
}

/// `ln(rho^2 / (1 - rho^2))`, finite at both ends.
fn log_ratio(rho: f64) -> f64 {
    let square = (rho * rho).clamp(1e-12, 1.0 - 1e-12);
    libm::log(square / (1.0 - square))
}

/// Frequencies on the grid of one over the epoch, all of whose harmonics lie in the band and at least two bins away from
/// all harmonics of all classes.
fn surrogates(cca: &CcaPlan, targets: &[f64]) -> Vec<f64> {
    let bin_hz = 1.0 / cca.window_s;
    let away_hz = 1.999 * bin_hz;
    let harmonics = 1..=cca.harmonics;
    let first = libm::ceil(cca.band_hz[0] / bin_hz - 1e-9) as usize;
    let last = libm::floor(cca.band_hz[1] / cca.harmonics as f64 / bin_hz + 1e-9) as usize;
    let clear = |hz: &f64| {
        harmonics.clone().all(|own| {
            targets.iter().all(|target| {
                harmonics.clone().all(|other| (own as f64 * hz - other as f64 * target).abs() >= away_hz)
            })
        })
    };
    (first..=last).map(|k| k as f64 * bin_hz).filter(clear).collect()
}

/// Upper quantile of Student's distribution: the value exceeded with probability `tail`, 0 < tail < 0.5 (Abramowitz and
/// Stegun 26.7.5, from the normal quantile; good to 1e-3 from eight degrees of freedom on).
fn student_quantile(tail: f64, freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..200 {
        let mid = 0.5 * (low + high);
        if 0.5 * libm::erfc(mid / core::f64::consts::SQRT_2) > tail {
            low = mid;
        } else {
            high = mid;
        }
    }
    let z = 0.5 * (low + high);
    let z2 = z * z;
    let first = z * (z2 + 1.0) / 4.0;
    let second = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let third = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    z + first / freedom + second / (freedom * freedom) + third / (freedom * freedom * freedom)
}

fn check(plan: &Plan, cca: &CcaPlan, rate_hz: f64) -> Result<(), PrepareError> {
    let number = |what, value, allowed| Err(PrepareError::Number { what, value, allowed });
    if !plan.sources.get(usize::from(cca.cues.0)).is_some_and(|source| source.is_marker) {
        return Err(PrepareError::Source {
            source_id: cca.cues.0,
            wanted: "markers",
            sources: plan.sources.len(),
        });
    }
    if !(1..=8).contains(&cca.harmonics) {
        return number("harmonics", cca.harmonics as f64, "1 to 8");
    }
    if !(cca.window_s > 0.0 && cca.window_s <= 60.0) {
        return number("window_s", cca.window_s, "above 0, up to 60 s");
    }
    if !(0.0..=60.0).contains(&cca.delay_s) {
        return number("delay_s", cca.delay_s, "0 to 60 s");
    }
    if !(cca.rest_false_alarm > 0.0 && cca.rest_false_alarm < 0.5) {
        return number("rest_false_alarm", cca.rest_false_alarm, "above 0, below 0.5");
    }
    let mut frequencies = cca.classes.iter().filter_map(|class| class.frequency_hz).peekable();
    if frequencies.peek().is_none() {
        return Err(PrepareError::Classes("at least one needs a frequency"));
    }
    for hz in frequencies {
        if !(hz >= cca.band_hz[0] && hz * cca.harmonics as f64 <= cca.band_hz[1].min(rate_hz / 2.0)) {
            return number(
                "class frequency in Hz",
                hz,
                "its harmonics inside the band and below half the rate",
            );
        }
    }
    if cca.classes.iter().filter(|class| class.frequency_hz.is_none()).count() > 1 {
        return Err(PrepareError::Classes("more than one is without a frequency (rest)"));
    }
    let codes = cca.classes.iter().map(|class| class.code).collect::<std::collections::BTreeSet<_>>();
    if codes.len() != cca.classes.len() {
        return Err(PrepareError::Classes("two have the same code"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of published tables.
    #[test]
    fn student_quantiles_agree_with_the_tables() {
        for (tail, freedom, value) in
            [(0.025, 10.0, 2.228), (0.005, 30.0, 2.750), (0.01, 8.0, 2.896), (0.05, 60.0, 1.671)]
        {
            let found = student_quantile(tail, freedom);
            assert!((found - value).abs() < 2e-3, "{tail} {freedom}: {found} instead of {value}");
        }
    }

    #[test]
    fn the_log_ratio_is_finite() {
        assert!([0.0, 1.0, 0.5].iter().all(|&rho| log_ratio(rho).is_finite()));
    }
}
