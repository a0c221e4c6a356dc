//! A narrow-band rhythm (alpha, or any other) in real time: what it is like in a person, where it stands now, and where
//! it will stand when light leaves the screen.
//!
//! The signal is taken for a sum of a rhythm, a broad background and mains hum, each a linear process driven by noise:
//! the oscillator of Matsuda and Komaki (2017, Neural Computation 29, 332) beside relaxation processes whose corners lie
//! a factor apart, which together make a 1/f spectrum. A [`RhythmFit`] finds the powers from a rest period's spectrum, a
//! [`RhythmTracker`] is the Kalman filter of that model (phase by it: Wodeyar et al. 2021, eLife 10, e68803).
//!
//! Why this, and not an autoregressive forecast of a band-passed window with a Hilbert transform (Chen et al. 2013, IEEE
//! Trans. Biomed. Eng. 60, 753; Zrenner et al. 2018, Brain Stimulation 11, 374): it has no filter whose edge must be cut
//! and bridged, it goes over holes in the data, it costs a few hundred multiplications per sample, its error is smaller at
//! every noise and horizon that was tried (docs/onset.md has the table), and it knows how large that error is.

mod fit;
mod spectrum;
mod tracker;

pub use fit::{RhythmFit, RhythmFound};
pub use spectrum::RhythmSpectrum;
pub use tracker::{Forecast, RhythmTracker, expected_resultant};

/// Corners of the relaxation processes that make up the background, in Hz. The slowest follows drifts and offsets.
pub(crate) const CORNERS_HZ: [f64; 4] = [0.1, 1.0, 5.0, 25.0];

/// Half width of the mains line as the tracker sees it: narrow, but free to wander in phase within seconds.
pub(crate) const MAINS_HALF_WIDTH_HZ: f64 = 0.05;

/// A rhythm in its background; powers are variances in the square of the signal's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RhythmModel {
    /// Frequency of the rhythm.
    pub centre_hz: f64,
    /// Half width at half height of its spectral peak.
    pub half_width_hz: f64,
    /// Power of the rhythm.
    pub rhythm_power: f64,
    /// Power of each relaxation process of the background, slowest first.
    pub background_power: [f64; CORNERS_HZ.len()],
    /// Power of white noise.
    pub white_power: f64,
    /// Mains frequency, if hum is part of the model.
    pub mains_hz: Option<f64>,
    /// Power of the hum.
    pub mains_power: f64,
}

impl RhythmModel {
    /// Power of the rhythm over the power of everything else but hum, both within a band, at a sampling rate.
    pub fn band_snr(&self, band_hz: [f64; 2], rate_hz: f64) -> f64 {
        const STEPS: usize = 200;
        let (mut rhythm, mut background) = (0.0, 0.0);
        for i in 0..STEPS {
            let hz = band_hz[0] + (i as f64 + 0.5) / STEPS as f64 * (band_hz[1] - band_hz[0]);
            let densities = self.densities(hz, rate_hz);
            rhythm += densities[0];
            background += densities[1];
        }
        rhythm / background.max(f64::MIN_POSITIVE)
    }

    /// One-sided power densities at a frequency, at a sampling rate: of the rhythm, and of the background without hum.
    pub fn densities(&self, hz: f64, rate_hz: f64) -> [f64; 2] {
        let mut background = self.white_power * white_density(rate_hz);
        for (power, corner_hz) in self.background_power.iter().zip(CORNERS_HZ) {
            background += power * relaxation_density(hz, corner_hz, rate_hz);
        }
        let rhythm = oscillator_density(hz, self.centre_hz, self.half_width_hz, rate_hz);
        [self.rhythm_power * rhythm, background]
    }
}

/// What a process of that corner or half width keeps of itself from sample to sample.
pub(crate) fn kept(hz: f64, rate_hz: f64) -> f64 {
    libm::exp(-core::f64::consts::TAU * hz / rate_hz)
}

/// One-sided power density of a sampled oscillator of unit variance (the real part of a complex AR(1)).
pub(crate) fn oscillator_density(hz: f64, centre_hz: f64, half_width_hz: f64, rate_hz: f64) -> f64 {
    let keep = kept(half_width_hz, rate_hz);
    let pole = |from_hz: f64| {
        let turn = core::f64::consts::TAU * (hz - from_hz) / rate_hz;
        (1.0 - keep * keep) / (1.0 - 2.0 * keep * libm::cos(turn) + keep * keep)
    };
    (pole(centre_hz) + pole(-centre_hz)) / rate_hz
}

/// One-sided power density of a sampled relaxation (Ornstein-Uhlenbeck) process of unit variance.
pub(crate) fn relaxation_density(hz: f64, corner_hz: f64, rate_hz: f64) -> f64 {
    oscillator_density(hz, 0.0, corner_hz, rate_hz)
}

/// One-sided power density of white noise of unit variance.
pub(crate) fn white_density(rate_hz: f64) -> f64 {
    2.0 / rate_hz
}
