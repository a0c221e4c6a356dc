//! The spatial filter of a steady-state response, from one calibration block.
//!
//! **Model.** Demodulated windows `x` (one complex number per channel) are `x = a s + e`: topography and phase `a`, with
//! response `s = 1` at the calibration contrast, and background `e` of covariance `S`.
//!
//! **Filter.** `w = S^-1 a` maximises the signal-to-noise ratio (Capon; van Veen et al. 1997, IEEE Trans Biomed Eng
//! 44(9), 867-880). `S` comes from the bins beside the response, stimulus on or off: a rank-one leak of the response
//! into them does not turn `S^-1 a`. Only its real part is used: mixing by volume conduction has no lag, and it halves
//! the number of estimated values. It is shrunk towards the identity by the oracle approximating estimator (Chen,
//! Wiesel, Eldar and Hero 2010, IEEE Trans Signal Process 58(10), 5016-5029), because a block of half a minute has few
//! windows, and with many channels fewer than a covariance needs.
//!
//! **Bias.** A filter fitted on noise finds "signal" in that same noise. So every product of a window with itself is
//! left out: with `z_i = L^-1 x_i`, the mean over `i != j` of `z_i* z_j` estimates `a* S^-1 a` without the noise power,
//! and the same sum at the report channel estimates `|a_r|^2`. Both are unbiased. The output is scaled so that its
//! expectation on fresh data is `|a_r|`.

use signal::dense::{cholesky, solve_lower, solve_lower_transposed};

/// Amplitude over standard error below which a calibration is not trusted. On noise alone it is exceeded by fewer than
/// one block in a hundred (measured by a test).
pub(crate) const TRUST_BOUND: f64 = 4.0;

/// Fewest windows with the stimulus on that say anything of their spread.
pub(crate) const FEWEST_WINDOWS: usize = 6;

/// What a calibration found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Calibrated {
    /// Amplitude over standard error of the filtered response, cross-validated.
    pub(crate) ratio: f64,
    /// `ratio` reaches [`TRUST_BOUND`] and the amplitude is positive.
    pub(crate) trusted: bool,
    /// There is a filter at all (channels were not all flat).
    pub(crate) usable: bool,
    /// Noise-debiased amplitude at the report channel.
    pub(crate) amplitude_uv: f64,
    /// Standard error of `amplitude_uv` over `amplitude_uv`.
    pub(crate) relative_error: f64,
}

impl Calibrated {
    const NOTHING: Self =
        Self { ratio: 0.0, trusted: false, usable: false, amplitude_uv: 0.0, relative_error: f64::INFINITY };

    /// How far feedback on an untrusted calibration may go, 0..=1: as the square of the evidence.
    pub(crate) fn distrust(&self) -> f64 {
        let part = if self.usable { (self.ratio / TRUST_BOUND).clamp(0.0, 1.0) } else { 0.0 };
        part * part
    }
}

/// Collects the windows of a calibration block and fits the filter.
#[derive(Debug, Clone)]
pub(crate) struct Calibrator {
    channels: usize,
    report: usize,
    /// Windows with the stimulus on, one row of channels each.
    windows: Vec<[f64; 2]>,
    count: usize,
    capacity: usize,
    /// Sum of the real outer products of the noise.
    noise: Vec<f64>,
    snapshots: usize,
    factor: Vec<f64>,
    sum: Vec<[f64; 2]>,
    solution: Vec<f64>,
}

impl Calibrator {
    pub(crate) fn new(channels: usize, report: usize, capacity: usize) -> Self {
        Self {
            channels,
            report,
            windows: vec![[0.0; 2]; capacity * channels],
            count: 0,
            capacity,
            noise: vec![0.0; channels * channels],
            snapshots: 0,
            factor: vec![0.0; channels * channels],
            sum: vec![[0.0; 2]; channels],
            solution: vec![0.0; 2 * channels],
        }
    }

    pub(crate) fn reset(&mut self) {
        self.count = 0;
        self.snapshots = 0;
        self.noise.fill(0.0);
    }

    /// A window with the stimulus on: amplitudes at the response frequency.
    pub(crate) fn add_response(&mut self, amplitudes: &[[f64; 2]]) {
        if self.count < self.capacity {
            let at = self.count * self.channels;
            self.windows[at..at + self.channels].copy_from_slice(amplitudes);
            self.count += 1;
        }
    }

    /// Amplitudes at one bin beside the response; `power_scale` brings their power to that of a response window.
    pub(crate) fn add_noise(&mut self, amplitudes: &[[f64; 2]], power_scale: f64) {
        let n = self.channels;
        for i in 0..n {
            for j in 0..=i {
                let product = amplitudes[i][0] * amplitudes[j][0] + amplitudes[i][1] * amplitudes[j][1];
                self.noise[i * n + j] += power_scale * product;
            }
        }
        self.snapshots += 1;
    }

    /// Fits the filter into `weights` (complex, one per channel; to be applied as `sum conj(w) x`, whose real part is
    /// the signed response in the unit of the report channel).
    pub(crate) fn fit(&mut self, weights: &mut [[f64; 2]]) -> Calibrated {
        let n = self.count;
        if n < FEWEST_WINDOWS || self.snapshots == 0 || !self.factor_noise() {
            return Calibrated::NOTHING;
        }
        let report = pairs(&self.windows[..n * self.channels], self.channels, self.report, &mut self.sum);
        // S^-1 a, before the windows are whitened in place.
        for (pair, sum) in self.solution.chunks_exact_mut(2).zip(&self.sum) {
            pair.copy_from_slice(&[sum[0] / n as f64, sum[1] / n as f64]);
        }
        solve_lower(&self.factor, self.channels, &mut self.solution, 2);
        let biased_power: f64 = self.solution.iter().map(|v| v * v).sum();
        solve_lower_transposed(&self.factor, self.channels, &mut self.solution, 2);
        let biased_uv = libm::hypot(self.sum[self.report][0], self.sum[self.report][1]) / n as f64;
        for window in self.windows[..n * self.channels].chunks_exact_mut(self.channels) {
            solve_lower(&self.factor, self.channels, window.as_flattened_mut(), 2);
        }
        let filtered = pairs_all(&self.windows[..n * self.channels], self.channels, &mut self.sum);
        let ratio = if filtered.error > 0.0 { filtered.mean / filtered.error } else { 0.0 };
        let trusted = ratio >= TRUST_BOUND && report.mean > 0.0;
        // Not trusted: the plain (biased) estimates, which are finite and small on fresh noise.
        let (amplitude_uv, power) =
            if trusted { (libm::sqrt(report.mean), filtered.mean) } else { (biased_uv, biased_power) };
        if !(power > 0.0 && power.is_finite() && amplitude_uv.is_finite()) {
            return Calibrated::NOTHING;
        }
        let scale = amplitude_uv / power;
        for (weight, pair) in weights.iter_mut().zip(self.solution.chunks_exact(2)) {
            *weight = [pair[0] * scale, pair[1] * scale];
        }
        let relative_error = if trusted { report.error / report.mean } else { f64::INFINITY };
        Calibrated { ratio, trusted, usable: true, amplitude_uv, relative_error }
    }

    /// Shrinks the noise covariance and factors it. `false` when there is no noise at all.
    fn factor_noise(&mut self) -> bool {
        let n = self.channels;
        let p = n as f64;
        // Real and imaginary part are two snapshots of the real covariance.
        let count = 2.0 * self.snapshots as f64;
        let (mut trace, mut square) = (0.0, 0.0);
        for i in 0..n {
            for j in 0..=i {
                let value = self.noise[i * n + j] / count;
                self.factor[i * n + j] = value;
                square += if i == j { value * value } else { 2.0 * value * value };
            }
            trace += self.factor[i * n + i];
        }
        let below = (count + 1.0 - 2.0 / p) * (square - trace * trace / p);
        let above = (1.0 - 2.0 / p) * square + trace * trace;
        let shrink = if below > 0.0 { (above / below).clamp(1e-6, 1.0) } else { 1.0 };
        for i in 0..n {
            for j in 0..=i {
                self.factor[i * n + j] *= 1.0 - shrink;
            }
            self.factor[i * n + i] += shrink * trace / p;
        }
        cholesky(&mut self.factor, n)
    }
}

/// Mean over pairs of different windows, and the standard error of that mean with the other windows as they are.
struct Pairs {
    mean: f64,
    error: f64,
}

/// Products of all channels.
fn pairs_all(windows: &[[f64; 2]], channels: usize, sum: &mut [[f64; 2]]) -> Pairs {
    sum_windows(windows, channels, sum);
    pairs_of(windows, channels, sum, 0..channels)
}

/// Products at one channel.
fn pairs(windows: &[[f64; 2]], channels: usize, channel: usize, sum: &mut [[f64; 2]]) -> Pairs {
    sum_windows(windows, channels, sum);
    pairs_of(windows, channels, sum, channel..channel + 1)
}

fn sum_windows(windows: &[[f64; 2]], channels: usize, sum: &mut [[f64; 2]]) {
    sum.fill([0.0; 2]);
    for window in windows.chunks_exact(channels) {
        for (sum, value) in sum.iter_mut().zip(window) {
            *sum = [sum[0] + value[0], sum[1] + value[1]];
        }
    }
}

/// Each window against the mean of the others: `y_i = Re(mean_{j != i} z_j* z_i)`.
fn pairs_of(
    windows: &[[f64; 2]],
    channels: usize,
    sum: &[[f64; 2]],
    range: core::ops::Range<usize>,
) -> Pairs {
    let n = (windows.len() / channels) as f64;
    let (mut total, mut squares) = (0.0, 0.0);
    for window in windows.chunks_exact(channels) {
        let mut y = 0.0;
        for (s, x) in sum[range.clone()].iter().zip(&window[range.clone()]) {
            y += (s[0] - x[0]) * x[0] + (s[1] - x[1]) * x[1];
        }
        y /= n - 1.0;
        total += y;
        squares += y * y;
    }
    let mean = total / n;
    let variance = ((squares - n * mean * mean) / (n - 1.0)).max(0.0);
    Pairs { mean, error: libm::sqrt(variance / n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauss(seed: &mut u64) -> f64 {
        let mut sum = 0.0;
        for _ in 0..12 {
            *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            sum += (*seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        }
        sum
    }

    /// Eight channels whose noise shares a strong common part; the response has a topography and a lag per channel.
    fn world(seed: &mut u64, amplitude: f64) -> [[f64; 2]; 8] {
        let common = [gauss(seed), gauss(seed)];
        core::array::from_fn(|c| {
            let gain = amplitude * (0.4 + 0.1 * c as f64);
            let lag = 0.3 + 0.05 * c as f64;
            [
                gain * lag.cos() + common[0] + 0.5 * gauss(seed),
                gain * lag.sin() + common[1] + 0.5 * gauss(seed),
            ]
        })
    }

    fn block(seed: &mut u64, amplitude: f64) -> (Calibrated, [[f64; 2]; 8]) {
        let mut calibrator = Calibrator::new(8, 6, 64);
        for _ in 0..12 {
            calibrator.add_response(&world(seed, amplitude));
        }
        for _ in 0..80 {
            calibrator.add_noise(&world(seed, 0.0), 1.0);
        }
        let mut weights = [[0.0; 2]; 8];
        (calibrator.fit(&mut weights), weights)
    }

    /// Filter and amplitude are both fitted on noisy data; the mean over fresh data and 400 blocks must be the truth.
    #[test]
    fn output_on_fresh_data_is_unbiased() {
        for (amplitude, truth) in [(2.0, 2.0), (2.0, 1.0), (2.0, 0.0), (3.0, -1.0)] {
            let mut seed = 17;
            let (mut values, mut found) = (Vec::new(), Vec::new());
            for _ in 0..400 {
                let (calibrated, weights) = block(&mut seed, amplitude);
                if !calibrated.trusted {
                    continue;
                }
                found.push(calibrated.amplitude_uv);
                let fresh = world(&mut seed, truth);
                values.push(weights.iter().zip(&fresh).map(|(w, x)| w[0] * x[0] + w[1] * x[1]).sum::<f64>());
            }
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            let bias = mean - truth;
            assert!(n > 360.0, "only {n} of 400 blocks trusted");
            assert!(
                bias.abs() < 2.6 * sd / n.sqrt(),
                "truth {truth}: bias {bias}, standard error {}",
                sd / n.sqrt()
            );
            let amplitude_mean = found.iter().sum::<f64>() / n;
            assert!(
                (amplitude_mean - amplitude).abs() < 0.06 * amplitude,
                "{amplitude_mean} for {amplitude}"
            );
        }
    }

    #[test]
    fn noise_alone_is_not_trusted() {
        let mut seed = 99;
        let trusted = (0..1000).filter(|_| block(&mut seed, 0.0).0.trusted).count();
        assert!(trusted <= 10, "{trusted} of 1000 blocks of noise were trusted");
    }

    #[test]
    fn nothing_in_nothing_out() {
        let mut calibrator = Calibrator::new(2, 0, 10);
        let mut weights = [[0.0; 2]; 2];
        assert_eq!(calibrator.fit(&mut weights), Calibrated::NOTHING);
        for _ in 0..10 {
            calibrator.add_response(&[[0.0; 2]; 2]);
            calibrator.add_noise(&[[0.0; 2]; 2], 1.0);
        }
        assert_eq!(calibrator.fit(&mut weights), Calibrated::NOTHING);
        assert_eq!(weights, [[0.0; 2]; 2]);
    }

    /// A flat channel and few windows for many channels: still finite.
    #[test]
    fn flat_channels_and_few_windows_stay_finite() {
        let mut seed = 3;
        let mut calibrator = Calibrator::new(8, 6, 64);
        for _ in 0..6 {
            let mut window = world(&mut seed, 3.0);
            window[2] = [0.0; 2];
            calibrator.add_response(&window);
        }
        let mut noise = world(&mut seed, 0.0);
        noise[2] = [0.0; 2];
        calibrator.add_noise(&noise, 1.0);
        let mut weights = [[0.0; 2]; 8];
        let calibrated = calibrator.fit(&mut weights);
        assert!(calibrated.amplitude_uv.is_finite() && weights.iter().flatten().all(|w| w.is_finite()));
    }
}
