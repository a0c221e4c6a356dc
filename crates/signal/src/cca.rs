//! Canonical correlation of an epoch with the harmonics of a frequency (Lin et al. 2006, IEEE Trans Biomed Eng 53(12),
//! 2610-2614).
//!
//! The sums grow sample by sample, so that the last sample of an epoch costs no more than the others, and the result
//! depends on the samples alone.

use core::f64::consts::PI;
use std::sync::Arc;

use crate::dense::{cholesky, largest_singular_value, solve_lower};

/// Part of the mean channel power that is added to the diagonal, so that flat or dependent channels do no harm.
const RIDGE: f64 = 1e-9;

/// Sine and cosine of the harmonics of one frequency over an epoch.
#[derive(Debug, Clone)]
struct Template {
    /// `samples * 2 harmonics`, made white (unit covariance over the epoch), so that only the epoch's side is factored.
    rows: Vec<f64>,
}

/// Canonical correlations of one epoch with many frequencies.
#[derive(Debug, Clone)]
pub struct Correlator {
    channels: usize,
    samples: usize,
    width: usize,
    /// Shared between clones: they are large and never change.
    templates: Arc<Vec<Template>>,
    /// Lower triangle of the channels' products.
    auto: Vec<f64>,
    /// Per template, `channels * width`.
    cross: Vec<f64>,
    count: usize,
    factor: Vec<f64>,
    white: Vec<f64>,
    gram: Vec<f64>,
}

impl Correlator {
    /// For epochs of `samples` rows of `channels` values at `rate_hz`, against `harmonics` of each frequency. `None`
    /// when sine and cosine of a harmonic cannot be told apart over the epoch (a harmonic at half the rate, an epoch
    /// shorter than the functions in it), or when something is zero.
    pub fn new(
        channels: usize,
        samples: usize,
        rate_hz: f64,
        harmonics: usize,
        frequencies_hz: &[f64],
    ) -> Option<Self> {
        let width = 2 * harmonics;
        if channels == 0 || width == 0 || samples <= width {
            return None;
        }
        let templates = frequencies_hz
            .iter()
            .map(|&frequency_hz| Template::new(samples, rate_hz, harmonics, frequency_hz))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            channels,
            samples,
            width,
            auto: vec![0.0; channels * channels],
            cross: vec![0.0; templates.len() * channels * width],
            templates: Arc::new(templates),
            count: 0,
            factor: vec![0.0; channels * channels],
            white: vec![0.0; channels * width],
            gram: vec![0.0; width * width],
        })
    }

    /// Starts a new epoch.
    pub fn reset(&mut self) {
        self.auto.fill(0.0);
        self.cross.fill(0.0);
        self.count = 0;
    }

    /// Rows taken so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the epoch is complete.
    pub fn is_complete(&self) -> bool {
        self.count == self.samples
    }

    /// Takes the next row of the epoch; rows beyond its end are ignored. The rows should come from a band-pass: means
    /// are not taken out.
    pub fn push(&mut self, row: &[f64]) {
        debug_assert_eq!(row.len(), self.channels);
        if self.is_complete() {
            return;
        }
        for (i, &x) in row.iter().enumerate() {
            let sums = &mut self.auto[i * self.channels..i * self.channels + i + 1];
            for (sum, &y) in sums.iter_mut().zip(row) {
                *sum += x * y;
            }
        }
        let at = self.count * self.width..(self.count + 1) * self.width;
        for (template, cross) in
            self.templates.iter().zip(self.cross.chunks_exact_mut(self.channels * self.width))
        {
            let reference = &template.rows[at.clone()];
            for (&x, sums) in row.iter().zip(cross.chunks_exact_mut(self.width)) {
                for (sum, r) in sums.iter_mut().zip(reference) {
                    *sum += x * r;
                }
            }
        }
        self.count += 1;
    }

    /// The largest canonical correlation with each frequency, 0..=1, into `out` (one per frequency). An epoch without
    /// any signal correlates with nothing.
    pub fn correlations(&mut self, out: &mut [f64]) {
        let n = self.channels;
        self.factor.copy_from_slice(&self.auto);
        let power = (0..n).map(|i| self.auto[i * n + i]).sum::<f64>() / n as f64;
        for i in 0..n {
            self.factor[i * n + i] += RIDGE * power;
        }
        if !cholesky(&mut self.factor, n) {
            out.fill(0.0);
            return;
        }
        for (value, cross) in out.iter_mut().zip(self.cross.chunks_exact(n * self.width)) {
            self.white.copy_from_slice(cross);
            solve_lower(&self.factor, n, &mut self.white, self.width);
            let largest = largest_singular_value(&self.white, n, self.width, &mut self.gram);
            *value = if largest.is_finite() { largest.min(1.0) } else { 0.0 };
        }
    }
}

impl Template {
    fn new(samples: usize, rate_hz: f64, harmonics: usize, frequency_hz: f64) -> Option<Self> {
        let width = 2 * harmonics;
        let mut rows = Vec::with_capacity(samples * width);
        for n in 0..samples {
            for harmonic in 1..=harmonics {
                let angle = 2.0 * PI * harmonic as f64 * frequency_hz * n as f64 / rate_hz;
                rows.extend([libm::sin(angle), libm::cos(angle)]);
            }
        }
        let mut gram = vec![0.0; width * width];
        for row in rows.chunks_exact(width) {
            for i in 0..width {
                for j in 0..=i {
                    gram[i * width + j] += row[i] * row[j];
                }
            }
        }
        // A harmonic whose sine vanishes on the samples leaves rounding noise behind, not a reference.
        let degenerate = |i: usize| gram[i * width + i] < 1e-6 * samples as f64;
        if (0..width).any(degenerate) || !cholesky(&mut gram, width) {
            return None;
        }
        for row in rows.chunks_exact_mut(width) {
            solve_lower(&gram, width, row, 1);
        }
        Some(Self { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: &mut u64) -> f64 {
        let mut sum = 0.0;
        for _ in 0..12 {
            *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            sum += (*seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        }
        sum
    }

    fn correlate(rows: &[Vec<f64>], frequencies_hz: &[f64], harmonics: usize) -> Vec<f64> {
        let mut correlator =
            Correlator::new(rows[0].len(), rows.len(), 256.0, harmonics, frequencies_hz).unwrap();
        for row in rows {
            correlator.push(row);
        }
        let mut out = vec![0.0; frequencies_hz.len()];
        correlator.correlations(&mut out);
        out
    }

    #[test]
    fn a_clean_tone_is_one_and_its_phase_does_not_matter() {
        for lag in [0.0, 0.4, 2.0, 5.0] {
            let rows: Vec<Vec<f64>> = (0..1024)
                .map(|n| {
                    let a = 2.0 * PI * 13.0 * n as f64 / 256.0;
                    vec![(a + lag).sin(), 0.3 * (2.0 * a + lag).cos()]
                })
                .collect();
            let rho = correlate(&rows, &[13.0, 17.0, 21.0], 2);
            assert!(rho[0] > 0.999_999 && rho[1] < 0.05 && rho[2] < 0.05, "{rho:?}");
        }
    }

    /// With one channel and one harmonic the canonical correlation is the multiple correlation: rho^2 is the part of
    /// the power that least squares explains, here known from the tone and the noise.
    #[test]
    fn one_channel_explains_the_known_part_of_the_power() {
        let mut seed = 5;
        let rows: Vec<Vec<f64>> =
            (0..4096).map(|n| vec![(2.0 * PI * 17.0 * n as f64 / 256.0).sin() + noise(&mut seed)]).collect();
        let rho = correlate(&rows, &[17.0], 1);
        assert!((rho[0] * rho[0] - 1.0 / 3.0).abs() < 0.03, "{rho:?}");
    }

    #[test]
    fn mixing_channels_changes_nothing_and_flat_ones_do_no_harm() {
        let mut seed = 11;
        let rows: Vec<Vec<f64>> = (0..1024)
            .map(|n| {
                let tone = 0.5 * (2.0 * PI * 21.0 * n as f64 / 256.0).sin();
                vec![tone + noise(&mut seed), noise(&mut seed)]
            })
            .collect();
        let mixed: Vec<Vec<f64>> = rows.iter().map(|r| vec![3.0 * r[0] + r[1], r[0] - 2.0 * r[1]]).collect();
        let flat: Vec<Vec<f64>> = rows.iter().map(|r| vec![r[0], 0.0, r[1], r[0]]).collect();
        let plain = correlate(&rows, &[13.0, 21.0], 2);
        for other in [correlate(&mixed, &[13.0, 21.0], 2), correlate(&flat, &[13.0, 21.0], 2)] {
            for (a, b) in plain.iter().zip(&other) {
                assert!((a - b).abs() < 1e-4, "{plain:?} {other:?}");
            }
        }
        assert_eq!(correlate(&vec![vec![0.0, 0.0]; 300], &[13.0], 2), [0.0]);
    }

    #[test]
    fn refuses_what_cannot_be_a_reference() {
        assert!(Correlator::new(8, 1024, 256.0, 2, &[64.0]).is_none(), "second harmonic at half the rate");
        assert!(Correlator::new(8, 4, 256.0, 2, &[13.0]).is_none());
        assert!(Correlator::new(0, 1024, 256.0, 2, &[13.0]).is_none());
    }
}
