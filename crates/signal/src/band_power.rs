//! Power in a band, relative to what it usually is.

use crate::{Cascade, DesignError};

/// Causal power of a narrow band over a running baseline.
///
/// Butterworth band-pass of fourth order at each edge (a second-order one would let through the slow background), squared, averaged with an exponential memory. The baseline is the
/// same average with a longer memory: at first exact (every sample counts alike), later fading.
#[derive(Debug, Clone)]
pub struct BandPower {
    filter: Cascade,
    power: f64,
    baseline: f64,
    seen: f64,
    memory: f64,
    baseline_memory: f64,
    /// Samples for which the filter's start is not measured.
    settling: f64,
    fresh: bool,
}

impl BandPower {
    /// `memory_s` is the time constant of the power, `baseline_s` that of the baseline.
    ///
    /// # Errors
    /// When the band does not fit the rate.
    pub fn new(band_hz: [f64; 2], memory_s: f64, baseline_s: f64, rate_hz: f64) -> Result<Self, DesignError> {
        Ok(Self {
            filter: Cascade::bandpass(4, band_hz, rate_hz, 1)?,
            power: 0.0,
            baseline: 0.0,
            seen: 0.0,
            memory: (memory_s * rate_hz).max(1.0),
            baseline_memory: (baseline_s * rate_hz).max(1.0),
            settling: rate_hz * 2.0 / (band_hz[1] - band_hz[0]),
            fresh: true,
        })
    }

    /// Forgets everything, the baseline too.
    pub fn reset(&mut self) {
        self.filter.reset();
        (self.power, self.baseline, self.seen, self.fresh) = (0.0, 0.0, 0.0, true);
    }

    /// The next sample does not follow the last one.
    pub fn cut(&mut self) {
        self.fresh = true;
    }

    /// Takes a sample, which must be finite.
    pub fn step(&mut self, value: f64) {
        let mut row = [value];
        if self.fresh {
            self.filter.settle(&row);
            self.fresh = false;
        }
        self.filter.step(&mut row);
        let square = row[0] * row[0];
        self.seen += 1.0;
        let counted = (self.seen - self.settling).max(1.0);
        self.power += (square - self.power) / counted.min(self.memory);
        self.baseline += (square - self.baseline) / counted.min(self.baseline_memory);
    }

    /// Power over baseline; `None` until one memory of samples has been seen.
    pub fn relative(&self) -> Option<f64> {
        let known = self.seen > self.settling + self.memory && self.baseline > 0.0;
        known.then(|| self.power / self.baseline)
    }

    /// The baseline, in the square of the signal's unit.
    pub fn baseline(&self) -> f64 {
        self.baseline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::f64::consts::TAU;

    #[test]
    fn a_rhythm_that_doubles_has_four_times_the_power() {
        let mut power = BandPower::new([8.0, 13.0], 0.3, 60.0, 250.0).unwrap();
        let at = |n: usize| {
            (TAU * 10.0 * n as f64 / 250.0).sin() + 3000.0 + 5.0 * (TAU * 2.0 * n as f64 / 250.0).sin()
        };
        (0..250 * 30).for_each(|n| power.step(2.0 * at(n)));
        assert!((power.relative().unwrap() - 1.0).abs() < 0.05, "{:?}", power.relative());
        // A sine of amplitude 2 has power 2, less what the edges take of it; the 2 Hz beside it must not count.
        let gain = Cascade::bandpass(4, [8.0, 13.0], 250.0, 1).unwrap().magnitude(10.0, 250.0);
        assert!((power.baseline() - 2.0 * gain * gain).abs() < 0.05, "{}", power.baseline());
        (0..250).for_each(|n| power.step(4.0 * at(n) - 6000.0));
        // A second later the power has come up by its memory of 0.3 s, and the baseline is the mean of 30 s and this one.
        let expected = (4.0 - 3.0 * libm::exp(-1.0 / 0.3)) / ((30.0 + 4.0) / 31.0);
        assert!((power.relative().unwrap() - expected).abs() < 0.15, "{:?}, {expected}", power.relative());
    }

    #[test]
    fn nothing_is_known_at_first_and_offsets_do_not_count() {
        let mut power = BandPower::new([8.0, 13.0], 0.3, 60.0, 250.0).unwrap();
        (0..100).for_each(|_| power.step(-40_000.0));
        assert_eq!(power.relative(), None);
        (0..1000).for_each(|_| power.step(-40_000.0));
        assert!(power.baseline() < 1e-6);
        assert!(BandPower::new([13.0, 8.0], 0.3, 60.0, 250.0).is_err());
    }
}
