//! From contrast, frame by frame, to drive, sample by sample: envelope, contrast response, latency, cortical low-pass.

use crate::{Person, person::naka_rushton};
use timeline::{NS_PER_S, ns_from_s};

/// How the contrast moves within a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlickerKind {
    /// The grating reverses its contrast: the response is at twice the flicker frequency.
    Counterphase,
    /// The grating comes and goes: the response is at the flicker frequency.
    OnOff,
}

/// The course of the contrast within a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waveform {
    /// Sine (on/off: raised sine).
    Sine,
    /// Square.
    Square,
}

/// The flicker for which "response frequency" and "amplitude" are defined. The person is scaled to it once; what it
/// answers to comes from the frames alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flicker {
    /// Reversal or on/off.
    pub kind: FlickerKind,
    /// The frequency that the refresh realises.
    pub hz: f64,
    /// Sine or square.
    pub waveform: Waveform,
}

impl Flicker {
    /// Frequency of the response: 2f for counterphase, f for on/off.
    pub fn response_hz(&self) -> f64 {
        match self.kind {
            FlickerKind::Counterphase => 2.0 * self.hz,
            FlickerKind::OnOff => self.hz,
        }
    }

    /// Signed contrast, relative to its peak, at the frame that starts after `cycles` cycles.
    pub fn contrast_at(&self, cycles: f64) -> f64 {
        let phase = cycles - libm::floor(cycles);
        let sine = match self.waveform {
            Waveform::Sine => libm::sin(core::f64::consts::TAU * phase),
            Waveform::Square if phase < 0.5 => 1.0,
            Waveform::Square => -1.0,
        };
        match self.kind {
            FlickerKind::Counterphase => sine,
            FlickerKind::OnOff => 0.5 * (1.0 + sine),
        }
    }
}

/// Contrast energy of one frame after the eye's low-pass: at `t` after the onset, `held + fading e + faded e^2` with
/// `e = exp(-t / early_tau)`. Units: Michelson contrast squared.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameEnergy {
    pub held: f64,
    pub fading: f64,
    pub faded: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    onset_ns: i64,
    energy: FrameEnergy,
    contrast: f64,
    /// Largest contrast of the frames of the last flicker cycle, this one included.
    peak: f64,
    /// Envelope at the onset; it goes on from here to `peak`.
    envelope: f64,
    /// The same three of a level that is told.
    level: f64,
    level_peak: f64,
    level_envelope: f64,
}

/// Frames kept: the latency's worth and much more at any refresh rate.
const CAPACITY: usize = 1024;

/// A first-order low-pass at the sample rate.
#[derive(Debug, Clone, Copy)]
struct LowPass {
    keep: f64,
    state: f64,
}

impl LowPass {
    fn new(tau_s: f64, rate_hz: f64) -> Self {
        Self { keep: libm::exp(-1.0 / (tau_s * rate_hz)), state: 0.0 }
    }

    fn step(&mut self, x: f64) -> f64 {
        self.state = self.keep * self.state + (1.0 - self.keep) * x;
        self.state
    }

    /// Group delay of the pole, in samples, at `omega` radians per sample.
    fn group_delay(&self, omega: f64) -> f64 {
        let (k, c) = (self.keep, libm::cos(omega));
        (k * c - k * k) / (1.0 - 2.0 * k * c + k * k)
    }
}

/// Below this corner sustained activity does not reach the scalp.
const SUSTAINED_HZ: f64 = 2.0;

/// What the brain gives for one sample.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Drive {
    /// Waveform of the response, of which the part at the response frequency has the amplitude `level`.
    pub response: f64,
    /// Part of the full drive, 0..1.
    pub level: f64,
    /// Michelson contrast that the response stands for.
    pub contrast_seen: f64,
}

/// The time course of one person's response.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    /// Whether the level of the response comes with the frames instead of from their contrast.
    told: bool,
    semisaturation: f64,
    exponent: f64,
    rectification: f64,
    early_tau_s: f64,
    envelope_tau_s: f64,
    cycle_ns: i64,
    delay_ns: i64,
    scale: f64,
    sustained: LowPass,
    late: [LowPass; 2],
    seen: Vec<Seen>,
    /// Frames pushed since the start; frame `i` lies at `i % CAPACITY`.
    pushed: u64,
    /// Frames that the last sample had reached.
    reached: u64,
}

impl Course {
    /// `None` when this flicker gives this person no response at the response frequency, or when the filters alone take
    /// longer than the person's latency.
    pub(crate) fn prepare(person: &Person, flicker: Flicker, refresh_hz: f64, rate_hz: f64) -> Option<Self> {
        let omega = core::f64::consts::TAU * flicker.response_hz() / rate_hz;
        let sustained = LowPass::new(1.0 / (core::f64::consts::TAU * SUSTAINED_HZ), rate_hz);
        let late = LowPass::new(person.late_tau_s, rate_hz);
        let eye = core::f64::consts::TAU * flicker.hz * person.early_tau_s;
        let filters_s = person.early_tau_s / (1.0 + eye * eye)
            + (2.0 * late.group_delay(omega) + sustained.group_delay(omega) + 0.5) / rate_hz;
        let delay_ns = ns_from_s(person.latency_s - filters_s);
        if delay_ns < 0 {
            return None;
        }
        let mut course = Self {
            told: false,
            semisaturation: person.semisaturation,
            exponent: person.exponent,
            rectification: person.rectification,
            early_tau_s: person.early_tau_s,
            envelope_tau_s: 0.5 / flicker.hz,
            // Half a frame less than a cycle, so that stamps that jitter do not take in a frame too many.
            cycle_ns: ns_from_s(1.0 / flicker.hz - 0.5 / refresh_hz),
            delay_ns,
            scale: 1.0,
            sustained,
            late: [late; 2],
            seen: vec![Seen::default(); CAPACITY],
            pushed: 0,
            reached: 0,
        };
        let amplitude = course.amplitude_of_ideal(flicker, refresh_hz, rate_hz);
        if amplitude < 1e-3 {
            return None;
        }
        course.scale = 1.0 / amplitude;
        course.reset();
        Some(course)
    }

    /// The same for a response whose level is told with each frame.
    pub(crate) fn prepare_told(
        person: &Person,
        flicker: Flicker,
        refresh_hz: f64,
        rate_hz: f64,
    ) -> Option<Self> {
        Some(Self { told: true, ..Self::prepare(person, flicker, refresh_hz, rate_hz)? })
    }

    /// Time from a photon to the first sample that it moves.
    pub(crate) fn delay_ns(&self) -> i64 {
        self.delay_ns
    }

    pub(crate) fn reset(&mut self) {
        self.pushed = 0;
        self.reached = 0;
        self.sustained.state = 0.0;
        for filter in &mut self.late {
            filter.state = 0.0;
        }
    }

    /// Amplitude at the response frequency, over the drive's level, for frames that keep exact time at full contrast.
    fn amplitude_of_ideal(&mut self, flicker: Flicker, refresh_hz: f64, rate_hz: f64) -> f64 {
        const SETTLE_S: f64 = 2.0;
        const MEASURE_S: f64 = 20.0;
        let samples = (MEASURE_S * rate_hz) as usize;
        let settle = (SETTLE_S * rate_hz) as usize;
        let level = naka_rushton(1.0, self.semisaturation, self.exponent);
        let (mut frame, mut eye, mut held) = (0u64, 0.0, 0.0);
        let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
        for i in 0..settle + samples {
            let at_s = i as f64 / rate_hz;
            while frame as f64 / refresh_hz <= at_s {
                let next = flicker.contrast_at(frame as f64 * flicker.hz / refresh_hz);
                eye = held + (eye - held) * libm::exp(-1.0 / (refresh_hz * self.early_tau_s));
                held = next;
                let left = eye - next;
                let energy = FrameEnergy { held: next * next, fading: 2.0 * next * left, faded: left * left };
                self.push(ns_from_s(frame as f64 / refresh_hz), energy);
                frame += 1;
            }
            let response = self.drive(ns_from_s(at_s)).response;
            if i >= settle {
                let hann = 1.0 - libm::cos(core::f64::consts::TAU * (i - settle) as f64 / samples as f64);
                let phase = core::f64::consts::TAU * flicker.response_hz() * at_s;
                re += hann * response * libm::cos(phase);
                im += hann * response * libm::sin(phase);
                weight += hann;
            }
        }
        2.0 * libm::hypot(re, im) / (weight * level)
    }

    /// Takes the energy of the frame that was shown at `onset_ns`.
    pub(crate) fn push(&mut self, onset_ns: i64, energy: FrameEnergy) {
        self.push_told(onset_ns, energy, 0.0);
    }

    /// The same with the level, 0..1, that this frame stands for.
    pub(crate) fn push_told(&mut self, onset_ns: i64, energy: FrameEnergy, level: f64) {
        let contrast = energy.held.max(0.0).sqrt();
        let (mut peak, mut level_peak) = (contrast, level);
        let oldest = self.pushed.saturating_sub(CAPACITY as u64 - 1);
        for i in (oldest..self.pushed).rev() {
            let earlier = &self.seen[(i % CAPACITY as u64) as usize];
            if onset_ns - earlier.onset_ns >= self.cycle_ns {
                break;
            }
            peak = peak.max(earlier.contrast);
            level_peak = level_peak.max(earlier.level);
        }
        let (envelope, level_envelope) = match self.pushed {
            0 => (peak, level_peak),
            n => {
                let last = &self.seen[((n - 1) % CAPACITY as u64) as usize];
                (self.envelope(last, onset_ns), self.level_envelope(last, onset_ns))
            }
        };
        self.seen[(self.pushed % CAPACITY as u64) as usize] =
            Seen { onset_ns, energy, contrast, peak, envelope, level, level_peak, level_envelope };
        self.pushed += 1;
        // A presenter far ahead of the samples: the oldest frames are gone.
        self.reached = self.reached.max(self.pushed.saturating_sub(CAPACITY as u64));
    }

    fn envelope(&self, seen: &Seen, at_ns: i64) -> f64 {
        self.smoothed(seen.onset_ns, seen.envelope, seen.peak, at_ns)
    }

    fn level_envelope(&self, seen: &Seen, at_ns: i64) -> f64 {
        self.smoothed(seen.onset_ns, seen.level_envelope, seen.level_peak, at_ns)
    }

    fn smoothed(&self, from_ns: i64, from: f64, to: f64, at_ns: i64) -> f64 {
        let since_s = (at_ns - from_ns).max(0) as f64 / NS_PER_S;
        to + (from - to) * libm::exp(-since_s / self.envelope_tau_s)
    }

    /// The drive at a sample. Consecutive calls are one sample apart.
    pub(crate) fn drive(&mut self, at_ns: i64) -> Drive {
        let source_ns = at_ns - self.delay_ns;
        while self.reached < self.pushed
            && self.seen[(self.reached % CAPACITY as u64) as usize].onset_ns <= source_ns
        {
            self.reached += 1;
        }
        let (mut level, mut wave, mut contrast_seen) = (0.0, 0.0, 0.0);
        if let Some(last) = self.reached.checked_sub(1) {
            let seen = self.seen[(last % CAPACITY as u64) as usize];
            let since_s = (source_ns - seen.onset_ns).max(0) as f64 / NS_PER_S;
            let e = libm::exp(-since_s / self.early_tau_s);
            let energy = (seen.energy.held + e * (seen.energy.fading + e * seen.energy.faded)).max(0.0);
            contrast_seen = self.envelope(&seen, source_ns);
            level = match self.told {
                true => self.level_envelope(&seen, source_ns),
                false => naka_rushton(contrast_seen, self.semisaturation, self.exponent),
            };
            if seen.peak > 1e-6 {
                wave = libm::pow((energy.sqrt() / seen.peak).min(1.0), self.rectification);
            }
        }
        let raw = level * wave;
        let transient = raw - self.sustained.step(raw);
        let smooth = self.late[0].step(transient);
        Drive { response: self.scale * self.late[1].step(smooth), level, contrast_seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nominal;

    fn all_flickers() -> impl Iterator<Item = Flicker> {
        [FlickerKind::Counterphase, FlickerKind::OnOff].into_iter().flat_map(|kind| {
            [Waveform::Sine, Waveform::Square]
                .into_iter()
                .flat_map(move |waveform| [6.0, 7.5, 10.0].map(|hz| Flicker { kind, hz, waveform }))
        })
    }

    #[test]
    fn every_flicker_gives_a_response() {
        for flicker in all_flickers() {
            let course = Course::prepare(nominal(), flicker, 60.0, 250.0);
            assert!(course.is_some_and(|c| c.scale.is_finite() && c.scale < 60.0), "{flicker:?}");
        }
    }

    #[test]
    fn too_many_frames_ahead_drop_the_oldest() {
        let flicker = Flicker { kind: FlickerKind::Counterphase, hz: 7.5, waveform: Waveform::Sine };
        let mut course = Course::prepare(nominal(), flicker, 60.0, 250.0).unwrap();
        for i in 0..3000 {
            course.push(i * 16_666_667, FrameEnergy { held: 0.25, ..FrameEnergy::default() });
        }
        let drive = course.drive(3000 * 16_666_667);
        assert!((drive.contrast_seen - 0.5).abs() < 1e-9);
    }
}
