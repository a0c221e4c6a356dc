//! Which states the presentations of a session really met: phases judged from the recorded samples on both sides of each
//! first photon, which the loop could not know, and against the simulated participant's own rhythm.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

use protocol::Protocol;
use recording::RecordedSession;
use serde::Serialize;
use timeline::{Onset, OnsetOutcome, ns_from_s, s_from_ns};

use crate::onset::weights;

/// The kernel that judges phases reaches this many inverse bandwidths to each side.
const REACH: f64 = 3.0;

/// Its edges lie this many inverse reaches outside the band, half the transition of a Hann window, so that the band passes whole.
const MARGIN: f64 = 0.8;

/// Presentations that could wait for a state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Onsets {
    /// All of them.
    pub presentations: u64,
    /// Those whose conditions were met.
    pub met: u64,
    /// Those that began because their time was over.
    pub timed_out: u64,
    /// Those that were left out because their time was over.
    pub skipped: u64,
    /// Those whose light left the screen at another refresh than planned.
    pub at_other_refresh: u64,
    /// Median of the time waited, in s, over those that waited for something and were shown.
    pub waited_s: Option<f64>,
    /// Quartiles of the band power over its baseline at those that were shown and had one.
    pub power: Option<[f64; 3]>,
    /// By the phase that was wanted.
    pub phases: Vec<Phases>,
}

/// The phases at which presentations began that wanted the same phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phases {
    /// The phase wanted, in degrees; `None` where none was.
    pub wanted_deg: Option<f64>,
    /// As forecast when it was decided.
    pub forecast: Option<Circular>,
    /// As the recorded samples on both sides show it.
    pub recorded: Option<Circular>,
    /// The simulated participant's own, without noise; `None` for a person.
    pub latent: Option<Circular>,
    /// The recorded phases in radians, for the report's figure.
    #[serde(skip)]
    pub recorded_rad: Vec<f64>,
    /// The participant's own in radians.
    #[serde(skip)]
    pub latent_rad: Vec<f64>,
}

/// A distribution of angles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Circular {
    /// Number of angles.
    pub n: u64,
    /// Length of the mean resultant, 0..=1.
    pub resultant: f64,
    /// Direction of the mean, in degrees, 0..360.
    pub mean_deg: f64,
    /// Probability of such a length without any preferred direction (Rayleigh's test in the approximation of Zar 1999,
    /// Biostatistical Analysis, 27.4).
    pub rayleigh_p: f64,
}

impl Circular {
    /// Of angles in radians; those that are no number are left out. `None` without any.
    pub fn of(angles_rad: &[f64]) -> Option<Self> {
        let (mut re, mut im, mut n) = (0.0, 0.0, 0_u64);
        for angle in angles_rad.iter().filter(|angle| angle.is_finite()) {
            re += angle.cos();
            im += angle.sin();
            n += 1;
        }
        let count = n as f64;
        let length = re.hypot(im);
        (n > 0).then(|| Self {
            n,
            resultant: length / count,
            mean_deg: im.atan2(re).to_degrees().rem_euclid(360.0),
            rayleigh_p: ((1.0 + 4.0 * count + 4.0 * (count * count - length * length)).sqrt()
                - (1.0 + 2.0 * count))
                .exp()
                .min(1.0),
        })
    }
}

impl Onsets {
    /// Of a session; `None` where nothing could wait.
    pub fn of(session: &RecordedSession, protocol: Option<&Protocol>) -> Option<Self> {
        if session.onsets.is_empty() {
            return None;
        }
        let photons = photons(session);
        let signal = protocol.and_then(|protocol| Signal::of(session, protocol));
        let count = |outcome| session.onsets.iter().filter(|onset| onset.outcome == outcome).count() as u64;
        let half_refresh_ns =
            session.meta.display.as_ref().map_or(8e6, |display| 0.5e9 / display.refresh_hz) as i64;
        let shown: Vec<(&Onset, i64)> =
            session.onsets.iter().filter_map(|onset| Some((onset, *photons.get(&onset.command?)?))).collect();
        Some(Self {
            presentations: session.onsets.len() as u64,
            met: count(OnsetOutcome::Met),
            timed_out: count(OnsetOutcome::TimedOut),
            skipped: count(OnsetOutcome::Skipped),
            at_other_refresh: shown
                .iter()
                .filter(|(onset, photon_ns)| (photon_ns - onset.photon_ns).abs() > half_refresh_ns)
                .count() as u64,
            waited_s: waited_s(&shown),
            power: quartiles(&shown),
            phases: by_wanted(&shown)
                .into_values()
                .map(|onsets| phases(&onsets, signal.as_ref(), session))
                .collect(),
        })
    }
}

/// First photon of each command: its first flip with contrast.
fn photons(session: &RecordedSession) -> BTreeMap<u64, i64> {
    let mut photons = BTreeMap::new();
    for flip in session.flips.iter().filter(|flip| flip.contrast > 0.0) {
        if let Some(command) = flip.command {
            photons.entry(command).or_insert(flip.onset_ns);
        }
    }
    photons
}

fn waited_s(shown: &[(&Onset, i64)]) -> Option<f64> {
    let waited = shown.iter().filter(|(onset, _)| onset.outcome != OnsetOutcome::Free);
    let mut waited: Vec<i64> = waited.map(|(onset, _)| onset.waited_ns).collect();
    waited.sort_unstable();
    waited.get(waited.len() / 2).map(|&ns| s_from_ns(ns))
}

fn quartiles(shown: &[(&Onset, i64)]) -> Option<[f64; 3]> {
    let mut power: Vec<f64> =
        shown.iter().map(|(onset, _)| onset.power).filter(|power| power.is_finite()).collect();
    power.sort_unstable_by(f64::total_cmp);
    let last = power.len().checked_sub(1)?;
    Some([1, 2, 3].map(|quarter| power[last * quarter / 4]))
}

/// The key is the wanted phase in thousandths of a degree, -1 for none: an order that does not depend on rounding.
fn by_wanted<'a>(shown: &[(&'a Onset, i64)]) -> BTreeMap<i64, Vec<(&'a Onset, i64)>> {
    let mut groups: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for &(onset, photon_ns) in shown {
        let key =
            onset.wanted_rad.map_or(-1, |rad| (rad.to_degrees().rem_euclid(360.0) * 1e3).round() as i64);
        groups.entry(key).or_default().push((onset, photon_ns));
    }
    groups
}

fn phases(onsets: &[(&Onset, i64)], signal: Option<&Signal>, session: &RecordedSession) -> Phases {
    let forecast: Vec<f64> = onsets.iter().map(|(onset, _)| onset.phase_rad).collect();
    let all = |phase: &dyn Fn(i64) -> Option<f64>| -> Vec<f64> {
        onsets.iter().filter_map(|(_, photon_ns)| phase(*photon_ns)).collect()
    };
    let recorded_rad = all(&|photon_ns| signal?.phase_rad(photon_ns));
    let latent_rad = all(&|photon_ns| latent_rad(session, photon_ns));
    Phases {
        wanted_deg: onsets.first().and_then(|(onset, _)| onset.wanted_rad).map(f64::to_degrees),
        forecast: Circular::of(&forecast),
        recorded: Circular::of(&recorded_rad),
        latent: Circular::of(&latent_rad),
        recorded_rad,
        latent_rad,
    }
}

/// The participant's own phase, between the samples on both sides.
fn latent_rad(session: &RecordedSession, at_ns: i64) -> Option<f64> {
    let rhythm = &session.latent_rhythms;
    let after = rhythm.partition_point(|latent| latent.at_ns < at_ns);
    let (before, after) = (rhythm.get(after.checked_sub(1)?)?, rhythm.get(after)?);
    let part = (at_ns - before.at_ns) as f64 / (after.at_ns - before.at_ns).max(1) as f64;
    let re = before.re_uv + part * (after.re_uv - before.re_uv);
    let im = before.im_uv + part * (after.im_uv - before.im_uv);
    Some(im.atan2(re))
}

/// The signal whose rhythm counts, as it was recorded.
struct Signal {
    at_ns: Vec<i64>,
    values: Vec<f64>,
    rate_hz: f64,
    time_scale: f64,
    band_hz: [f64; 2],
}

impl Signal {
    fn of(session: &RecordedSession, protocol: &Protocol) -> Option<Self> {
        let state = protocol.onset.as_ref()?;
        let weights = weights(protocol);
        let source = session.sources.get(state.stream)?;
        let entry = session.meta.sources.get(state.stream)?;
        let width = source.info.channel_count.max(1);
        if entry.wanted.len() != weights.len() || entry.wanted.iter().any(|&wanted| wanted >= width) {
            return None;
        }
        let parts: Vec<(usize, f64)> =
            entry.wanted.iter().copied().zip(weights).filter(|&(_, weight)| weight != 0.0).collect();
        let mut at_ns: Vec<i64> = source.stamps_s.iter().map(|&stamp_s| ns_from_s(stamp_s)).collect();
        for chunk in session.chunks.iter().filter(|chunk| usize::from(chunk.source.0) == state.stream) {
            let first = usize::try_from(chunk.first_sample).unwrap_or(usize::MAX).min(at_ns.len());
            let end = first.saturating_add(chunk.count as usize).min(at_ns.len());
            at_ns[first..end].iter_mut().for_each(|at_ns| *at_ns = at_ns.saturating_add(chunk.offset_ns));
        }
        let sum = |row: &[f64]| parts.iter().fold(0.0, |sum, &(channel, weight)| sum + weight * row[channel]);
        Some(Self {
            at_ns,
            values: source.values.chunks_exact(width).map(sum).collect(),
            rate_hz: entry.rate_hz,
            time_scale: entry.time_scale,
            band_hz: state.band_hz,
        })
    }

    /// Phase at an instant, by a band-pass without delay that knows both sides: the ideal band's complex impulse response
    /// under a Hann window, which is what a symmetric filter and a Hilbert transform make together. `None` at the ends of
    /// the recording and where a sample is no number.
    fn phase_rad(&self, at_ns: i64) -> Option<f64> {
        let [low_hz, high_hz] = self.band_hz;
        let centre_hz = 0.5 * (low_hz + high_hz);
        let reach_s = REACH / (high_hz - low_hz);
        let width_hz = high_hz - low_hz + 2.0 * MARGIN / reach_s;
        let reach = (reach_s * self.rate_hz).ceil() as usize;
        let middle = self.at_ns.partition_point(|&sample_ns| sample_ns < at_ns);
        let first = middle.checked_sub(reach)?;
        let (times, values) =
            (self.at_ns.get(first..middle + reach)?, self.values.get(first..middle + reach)?);
        let line = Line::through(times, values, at_ns)?;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, value) in values.iter().enumerate() {
            // Single stamps jitter; the line through them does not.
            let ahead_s = -line.seconds(n) * self.time_scale;
            if ahead_s.abs() >= reach_s {
                continue;
            }
            let turn = PI * width_hz * ahead_s;
            let sinc = if turn == 0.0 { 1.0 } else { turn.sin() / turn };
            let kernel = sinc * (0.5 + 0.5 * (PI * ahead_s / reach_s).cos());
            let (sin, cos) = (TAU * centre_hz * ahead_s).sin_cos();
            let value = value - line.value(n);
            re += value * kernel * cos;
            im += value * kernel * sin;
        }
        (re.is_finite() && im.is_finite() && (re != 0.0 || im != 0.0)).then(|| im.atan2(re))
    }
}

/// Least-squares lines of instants (in s from a point) and of values over the sample's place.
struct Line {
    middle: f64,
    seconds: [f64; 2],
    value: [f64; 2],
}

impl Line {
    fn through(times: &[i64], values: &[f64], zero_ns: i64) -> Option<Self> {
        let n = times.len() as f64;
        let middle = (n - 1.0) / 2.0;
        let spread = (n * n - 1.0) * n / 12.0;
        if spread <= 0.0 {
            return None;
        }
        let fit = |y: &dyn Fn(usize) -> f64| {
            let mean = (0..times.len()).map(y).sum::<f64>() / n;
            let slope = (0..times.len()).map(|at| (at as f64 - middle) * y(at)).sum::<f64>() / spread;
            [mean, slope]
        };
        Some(Self {
            middle,
            seconds: fit(&|at| s_from_ns(times[at] - zero_ns)),
            value: fit(&|at| values[at]),
        })
    }

    fn seconds(&self, at: usize) -> f64 {
        self.seconds[0] + self.seconds[1] * (at as f64 - self.middle)
    }

    fn value(&self, at: usize) -> f64 {
        self.value[0] + self.value[1] * (at as f64 - self.middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circular_figures_are_those_of_the_text_book() {
        // Zar 1999, example 26.2 and 27.1: eight angles, r = 0.82522, mean 99 deg, P between 0.001 and 0.002.
        let angles = [45.0, 55.0, 81.0, 96.0, 110.0, 117.0, 132.0, 154.0f64].map(f64::to_radians);
        let found = Circular::of(&angles).unwrap();
        assert_eq!(found.n, 8);
        assert!((found.resultant - 0.82522).abs() < 1e-4, "{found:?}");
        assert!((found.mean_deg - 99.0).abs() < 0.5, "{found:?}");
        assert!((0.001..0.002).contains(&found.rayleigh_p), "{found:?}");
        assert_eq!(Circular::of(&[f64::NAN]), None);
        let even: Vec<f64> = (0..36).map(|n| f64::from(n) * TAU / 36.0).collect();
        assert!(Circular::of(&even).unwrap().resultant < 1e-12);
        assert!(Circular::of(&even).unwrap().rayleigh_p > 0.99);
    }

    #[test]
    fn a_sine_has_its_phase_between_samples_and_over_an_offset() {
        let rate_hz = 250.0;
        let at = |n: i64| n * 4_000_000;
        // Stamps that jitter by up to 3 ms.
        let jitter = |n: i64| (n * 7919 % 7 - 3) * 1_000_000;
        let value = |n: i64| 3000.0 + 0.2 * n as f64 + 5.0 * (TAU * 9.7 * n as f64 / rate_hz + 0.4).cos();
        let signal = Signal {
            at_ns: (0..1000).map(|n| at(n) + jitter(n)).collect(),
            values: (0..1000).map(value).collect(),
            rate_hz,
            time_scale: 1.0,
            band_hz: [8.0, 13.0],
        };
        for at_ns in [1_900_000_000, 1_901_300_000, 2_213_777_000] {
            let expected = TAU * 9.7 * s_from_ns(at_ns) + 0.4;
            let off = signal.phase_rad(at_ns).unwrap() - expected;
            assert!((off - TAU * (off / TAU).round()).abs() < 0.03, "{at_ns}: {off}");
        }
        assert_eq!(signal.phase_rad(100_000_000), None);
        assert_eq!(signal.phase_rad(3_990_000_000), None);
    }
}
