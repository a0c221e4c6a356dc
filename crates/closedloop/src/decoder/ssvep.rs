//! Signed amplitude of a steady-state response: in phase, spatially filtered, free of the upward bias of a magnitude.

use signal::{BINS, Cascade, Demodulator};
use timeline::{NOT_MEASURED, s_from_ns};

use super::calibration::{Calibrated, Calibrator, FEWEST_WINDOWS};
use super::{Estimate, Front, sample_source};
use crate::controller::{RESPONSE_LATENCY_NS, Timing};
use crate::plan::{BlockKind, Plan, PrepareError, SsvepPlan};
use crate::screen_clock::ScreenClock;
use crate::set_point::SET_POINT_STEP_NS;
use crate::turn::{Outputs, SourceInput};

/// Length of the windows that a calibration compares with each other.
const CALIBRATION_WINDOW_S: f64 = 1.0;
/// After a switch of the stimulus: latency, and the transient before the response is steady.
const SETTLE_NS: i64 = RESPONSE_LATENCY_NS + 250_000_000;
/// A segment with a peak above this multiple of the channel's running rms is an artefact. Six standard deviations do
/// not happen in a session of Gaussian background; blinks and cable movements exceed it. Fixed beforehand.
const ARTEFACT_PEAK: f64 = 6.0;
/// Memory of the running rms; a segment counts in it with at most four times the present power.
const POWER_MEMORY_S: f64 = 8.0;
const POWER_CLIP: f64 = 4.0;

/// The calibration block that runs.
#[derive(Debug, Clone, Copy)]
struct Calibration {
    start_ns: i64,
    on_ns: i64,
    off_ns: i64,
    settle_ns: i64,
    /// Segments in a row with the stimulus on, and segments in a row in the block.
    on_run: usize,
    run: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Ssvep {
    pub(crate) front: Front,
    pub(crate) clock: ScreenClock,
    demodulator: Demodulator,
    calibrator: Calibrator,
    calibration: Option<Calibration>,
    calibration_segments: usize,
    /// Complex spatial filter; `None` before a calibration.
    weights: Vec<[f64; 2]>,
    has_filter: bool,
    amplitudes: Vec<[f64; 2]>,
    /// Running mean square and peak of the segment, per channel.
    power: Vec<f64>,
    segment_square: Vec<f64>,
    segment_peak: Vec<f64>,
    power_forget: f64,
    segments_seen: usize,
    segment_whole: bool,
    /// Closed segments since the last one with a hole.
    whole_run: usize,
    segment_start_ns: i64,
    period_ns: f64,
    /// Samples before this do not count (the screen was grey).
    valid_from_ns: i64,
}

impl Ssvep {
    pub(crate) fn new(plan: &Plan, ssvep: &SsvepPlan) -> Result<Self, PrepareError> {
        let (channels, rate_hz, period_ns) = sample_source(plan, ssvep.source)?;
        check(plan, ssvep, channels, rate_hz)?;
        let segment = (libm::round(ssvep.update_s * rate_hz) as usize).max(1);
        let segments = (libm::round(ssvep.window_s * rate_hz / segment as f64) as usize).max(2);
        let update_s = segment as f64 / rate_hz;
        let calibration_segments = (libm::round(CALIBRATION_WINDOW_S / update_s) as usize).clamp(1, segments);
        let blocks = plan.blocks.iter();
        let calibrating_ns: i64 = blocks
            .filter(|block| matches!(block.kind, BlockKind::Calibrate { .. }))
            .map(|block| block.duration_ns)
            .sum();
        let window_ns = calibration_segments as f64 * update_s * 1e9;
        let capacity = (calibrating_ns as f64 / window_ns) as usize + 2;
        let filter = Cascade::highpass(2, ssvep.highpass_hz, rate_hz, channels)?;
        Ok(Self {
            front: Front::new(ssvep.source, period_ns, channels, filter),
            clock: ScreenClock::new(plan.refresh_hz, ssvep.clock),
            demodulator: Demodulator::new(channels, segment, segments),
            calibrator: Calibrator::new(channels, ssvep.report_channel, capacity),
            calibration: None,
            calibration_segments,
            weights: vec![[0.0; 2]; channels],
            has_filter: false,
            amplitudes: vec![[0.0; 2]; BINS.len() * channels],
            power: vec![0.0; channels],
            segment_square: vec![0.0; channels],
            segment_peak: vec![0.0; channels],
            power_forget: (update_s / POWER_MEMORY_S).min(1.0),
            segments_seen: 0,
            segment_whole: true,
            whole_run: 0,
            segment_start_ns: 0,
            period_ns,
            valid_from_ns: i64::MIN,
        })
    }

    pub(crate) fn reset(&mut self) {
        self.front.reset();
        self.clock.reset();
        self.calibrator.reset();
        self.calibration = None;
        self.has_filter = false;
        self.weights.fill([0.0; 2]);
        self.power.fill(0.0);
        self.segments_seen = 0;
        self.valid_from_ns = i64::MIN;
        self.restart_window();
    }

    /// Seconds of data between two estimates.
    pub(crate) fn update_s(&self) -> f64 {
        self.demodulator.segment_samples() as f64 * self.period_ns / 1e9
    }

    /// What a controller must know of this decoder.
    pub(crate) fn timing(&self) -> Timing {
        let (update_s, updates) = (self.update_s(), self.demodulator.window_segments());
        // The contrast changes with an estimate, or with the set point.
        let span_s = updates as f64 * update_s + RESPONSE_LATENCY_NS as f64 / 1e9;
        let changes = updates
            + (RESPONSE_LATENCY_NS as f64 / 1e9 / update_s) as usize
            + (span_s * 1e9 / SET_POINT_STEP_NS as f64) as usize
            + 10;
        Timing { update_s, updates, changes }
    }

    /// What was measured before `from_ns` does not count any more.
    pub(crate) fn restart(&mut self, from_ns: i64) {
        self.valid_from_ns = from_ns;
        self.restart_window();
    }

    pub(crate) fn begin_calibration(&mut self, start_ns: i64, on_ns: i64, off_ns: i64, ramp_ns: i64) {
        self.calibrator.reset();
        let settle_ns = SETTLE_NS + ramp_ns;
        self.calibration = Some(Calibration { start_ns, on_ns, off_ns, settle_ns, on_run: 0, run: 0 });
    }

    /// Fits the filter to what was collected.
    pub(crate) fn end_calibration(&mut self) -> Calibrated {
        self.calibration = None;
        let calibrated = self.calibrator.fit(&mut self.weights);
        self.has_filter = calibrated.usable;
        calibrated
    }

    /// Takes a run of samples; each finished window goes to `emit`.
    pub(crate) fn step(
        &mut self,
        input: &SourceInput<'_>,
        now_ns: i64,
        out: &mut Outputs,
        mut emit: impl FnMut(&Estimate, &mut Outputs),
    ) {
        for n in 0..input.count(self.front.row().len()) {
            let sample = self.front.take(input, n, now_ns, out);
            let cycles = self.clock.cycles_at(sample.at_ns);
            if sample.restarted {
                self.restart_window();
            }
            let Some(cycles) = cycles.filter(|_| sample.at_ns >= self.valid_from_ns) else { continue };
            if self.segment_start_ns == i64::MIN {
                self.segment_start_ns = sample.at_ns;
            }
            self.watch(sample.whole);
            if self.demodulator.push(self.front.row(), cycles) {
                self.end_segment(sample.at_ns);
                if let Some(estimate) = self.estimate(sample.index, sample.at_ns) {
                    emit(&estimate, out);
                }
                self.segment_start_ns = i64::MIN;
            }
        }
    }

    fn restart_window(&mut self) {
        self.demodulator.reset();
        self.segment_square.fill(0.0);
        self.segment_peak.fill(0.0);
        self.segment_whole = true;
        self.whole_run = 0;
        self.segment_start_ns = i64::MIN;
        if let Some(calibration) = &mut self.calibration {
            (calibration.on_run, calibration.run) = (0, 0);
        }
    }

    fn watch(&mut self, whole: bool) {
        self.segment_whole &= whole;
        for ((square, peak), &value) in
            self.segment_square.iter_mut().zip(&mut self.segment_peak).zip(self.front.row())
        {
            *square += value * value;
            *peak = peak.max(value.abs());
        }
    }

    fn end_segment(&mut self, end_ns: i64) {
        let usable = self.judge_segment() && self.segment_whole;
        self.whole_run = if self.segment_whole { self.whole_run + 1 } else { 0 };
        self.segment_whole = true;
        self.demodulator.close(usable);
        self.collect(end_ns, usable);
    }

    /// Whether the segment is free of artefacts; updates the running power of the channels.
    fn judge_segment(&mut self) -> bool {
        let samples = self.demodulator.segment_samples() as f64;
        // The first window only learns what is usual.
        let learning = self.segments_seen < self.demodulator.window_segments();
        let forget = f64::max(self.power_forget, 1.0 / (self.segments_seen + 1) as f64);
        let mut clean = true;
        let parts = self.segment_square.iter_mut().zip(&mut self.segment_peak).zip(&mut self.power);
        for ((square, peak), power) in parts {
            let mean_square = *square / samples;
            clean &= learning || *peak * *peak <= ARTEFACT_PEAK * ARTEFACT_PEAK * *power;
            let counted = if learning { mean_square } else { mean_square.min(POWER_CLIP * *power) };
            *power += forget * (counted - *power);
            (*square, *peak) = (0.0, 0.0);
        }
        self.segments_seen += 1;
        clean
    }

    /// Gives the calibrator what the segment that just ended completes.
    fn collect(&mut self, end_ns: i64, usable: bool) {
        let Some(c) = &mut self.calibration else { return };
        let since_ns = self.segment_start_ns - c.start_ns;
        if since_ns < 0 || !usable {
            (c.on_run, c.run) = (0, 0);
            return;
        }
        let in_cycle_ns = since_ns.rem_euclid(c.on_ns + c.off_ns);
        let is_on = in_cycle_ns >= c.settle_ns && in_cycle_ns + (end_ns - self.segment_start_ns) <= c.on_ns;
        c.on_run = if is_on { c.on_run + 1 } else { 0 };
        c.run += 1;
        let channels = self.weights.len();
        if c.on_run == self.calibration_segments {
            c.on_run = 0;
            self.demodulator.window(self.calibration_segments, &mut self.amplitudes);
            self.calibrator.add_response(&self.amplitudes[..channels]);
        }
        let segments = self.demodulator.window_segments();
        if c.run == segments {
            c.run = 0;
            self.demodulator.window(segments, &mut self.amplitudes);
            let power_scale = segments as f64 / self.calibration_segments as f64;
            for bin in self.amplitudes.chunks_exact(channels).skip(1) {
                self.calibrator.add_noise(bin, power_scale);
            }
        }
    }

    /// The measurement of the window that ends at this sample, if it may be used: a filter is there, the window is
    /// full, free of holes, and at least half of it free of artefacts.
    fn estimate(&mut self, last_sample: u64, end_ns: i64) -> Option<Estimate> {
        let segments = self.demodulator.window_segments();
        if !self.has_filter || self.demodulator.filled() < segments || self.whole_run < segments {
            return None;
        }
        let used = self.demodulator.window(segments, &mut self.amplitudes);
        if 2 * used < segments {
            return None;
        }
        let mut bins = self.amplitudes.chunks_exact(self.weights.len());
        let response = bins.next()?;
        let value = project(&self.weights, response)[0];
        let mut amplitudes = NOT_MEASURED;
        amplitudes.iter_mut().zip(response).for_each(|(told, measured)| *told = *measured);
        // The real part carries half the power of a circular complex noise.
        let noise: f64 = bins
            .map(|bin| {
                let [re, im] = project(&self.weights, bin);
                re * re + im * im
            })
            .sum();
        let spread = libm::sqrt(0.5 * noise / (BINS.len() - 1) as f64);
        let samples = (segments * self.demodulator.segment_samples()) as u64;
        let start_ns = end_ns - ((samples - 1) as f64 * self.period_ns) as i64;
        Some(Estimate {
            value,
            spread,
            first_sample: last_sample + 1 - samples,
            end_sample: last_sample + 1,
            start_ns,
            end_ns,
            label: None,
            cue: None,
            amplitudes,
        })
        .filter(|estimate| estimate.value.is_finite() && estimate.spread.is_finite())
    }
}

/// `sum conj(w) x`.
fn project(weights: &[[f64; 2]], amplitudes: &[[f64; 2]]) -> [f64; 2] {
    let mut sum = [0.0; 2];
    for (w, x) in weights.iter().zip(amplitudes) {
        sum[0] += w[0] * x[0] + w[1] * x[1];
        sum[1] += w[0] * x[1] - w[1] * x[0];
    }
    sum
}

fn check(plan: &Plan, ssvep: &SsvepPlan, channels: usize, rate_hz: f64) -> Result<(), PrepareError> {
    let number = |what, value, allowed| Err(PrepareError::Number { what, value, allowed });
    let response_hz =
        ssvep.clock.cycles_per_frame * f64::from(ssvep.clock.response_multiple) * plan.refresh_hz;
    let side_hz = f64::from(BINS.iter().copied().max().unwrap_or(0)) / ssvep.window_s;
    if ssvep.report_channel >= channels {
        return number(
            "report channel",
            ssvep.report_channel as f64,
            "an index below the number of channels",
        );
    }
    if !(ssvep.update_s > 0.0 && ssvep.update_s * rate_hz >= 1.0) {
        return number("update_s", ssvep.update_s, "at least one sample");
    }
    if !(ssvep.window_s >= 2.0 * ssvep.update_s && ssvep.window_s <= 60.0) {
        return number("window_s", ssvep.window_s, "two updates to 60 s");
    }
    if !(response_hz - side_hz > ssvep.highpass_hz && response_hz + side_hz < rate_hz / 2.0) {
        return number(
            "response frequency in Hz",
            response_hz,
            "five over the window away from the high-pass and from half the sampling rate, for the noise beside it",
        );
    }
    for block in &plan.blocks {
        if let BlockKind::Calibrate { on_ns, off_ns, .. } = block.kind {
            // Without the contrast's own ramp, so an upper bound: what fails here can never calibrate.
            let settled_s = s_from_ns(on_ns - SETTLE_NS).max(0.0);
            let windows = (settled_s / CALIBRATION_WINDOW_S).floor()
                * (block.duration_ns as f64 / (on_ns + off_ns) as f64);
            if windows < FEWEST_WINDOWS as f64 {
                return number(
                    "settled windows of 1 s in the on periods of a calibrate block",
                    windows,
                    "6 or more: longer or more on periods",
                );
            }
        }
    }
    Ok(())
}
