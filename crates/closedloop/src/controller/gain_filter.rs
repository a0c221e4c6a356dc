//! The log gain of a person, estimated from windows that overlap.
//!
//! **Model.** The log of the gain over the believed one is `s + f`: a slow drift `s` (random walk) and a fluctuation `f`
//! over seconds (Ornstein-Uhlenbeck). Time runs in segments, the decoder's updates. In a segment with drive `u` the brain
//! answers with `v = gain exp(s + f) u + noise`, and what the decoder measures is the mean of the last `N` segments.
//!
//! **Filter.** An extended Kalman filter (Kalman 1960, J Basic Eng 82, 35-45) with the state `[s, f, v_0 .. v_{N-1}]`:
//! the segments themselves are states, so two windows that share segments share their noise too, and nothing is counted
//! twice. The window's standard error `e` gives each segment the noise `N e^2`. A hundredth of `e^2` is taken for noise
//! of the window itself; it keeps the covariance positive.

use super::plan::GainModel;

/// Part of a window's variance that is not its segments'.
const OWN_PART: f64 = 0.01;

/// The log gain may move by a factor of ten either way; more is not a person but a fault.
const LOG_LIMIT: f64 = core::f64::consts::LN_10;

/// A Kalman filter of a person's log gain; see the module.
#[derive(Debug, Clone)]
pub struct GainFilter {
    /// What `f` keeps from one segment to the next.
    keep: f64,
    drift_variance: f64,
    fluctuation_variance: f64,
    kick_variance: f64,
    segments: usize,
    /// Segments since the last restart.
    filled: usize,
    state: Vec<f64>,
    /// Symmetric, row-major.
    covariance: Vec<f64>,
    row: Vec<f64>,
}

impl GainFilter {
    /// A filter for windows of `segments` segments of `step_s`, with a log gain whose variance is `variance`.
    pub fn prepare(model: &GainModel, step_s: f64, segments: usize, variance: f64) -> Self {
        let n = segments.max(1) + 2;
        let keep = libm::exp(-step_s / model.fluctuation_tau_s);
        let fluctuation_variance = model.fluctuation_sd * model.fluctuation_sd;
        let mut filter = Self {
            keep,
            drift_variance: model.drift_sd * model.drift_sd * step_s / model.drift_tau_s,
            fluctuation_variance,
            kick_variance: fluctuation_variance * (1.0 - keep * keep),
            segments: segments.max(1),
            filled: 0,
            state: vec![0.0; n],
            covariance: vec![0.0; n * n],
            row: vec![0.0; n],
        };
        filter.reset(variance);
        filter
    }

    /// Forgets all; the log gain is zero with this variance.
    pub fn reset(&mut self, variance: f64) {
        self.state.fill(0.0);
        self.covariance.fill(0.0);
        let n = self.state.len();
        self.covariance[0] = variance;
        self.covariance[n + 1] = self.fluctuation_variance;
        self.filled = 0;
    }

    /// Windows that reach back before now do not count; what is known of the gain stays.
    pub fn restart(&mut self) {
        let n = self.state.len();
        for i in 0..n {
            for j in 0..n {
                if i >= 2 || j >= 2 {
                    self.covariance[i * n + j] = 0.0;
                }
            }
        }
        self.state[2..].fill(0.0);
        self.filled = 0;
    }

    /// A segment passed in which `drive_uv`, the believed gain times the drive, was answered; `spread_uv` is the standard
    /// error of a window.
    pub fn pass(&mut self, drive_uv: f64, spread_uv: f64) {
        let n = self.state.len();
        self.shift();
        self.state[1] *= self.keep;
        for k in 0..n {
            // Row and column of `f`; its own variance twice.
            self.covariance[n + k] *= self.keep;
            self.covariance[k * n + 1] *= self.keep;
        }
        self.covariance[0] += self.drift_variance;
        self.covariance[n + 1] += self.kick_variance;
        let answer_uv = drive_uv * libm::exp(self.log_gain().clamp(-LOG_LIMIT, LOG_LIMIT));
        for k in 0..n {
            self.row[k] = answer_uv * (self.covariance[k] + self.covariance[n + k]);
        }
        let variance = answer_uv * (self.row[0] + self.row[1]) + self.segments as f64 * spread_uv * spread_uv;
        for k in 0..n {
            self.covariance[2 * n + k] = self.row[k];
            self.covariance[k * n + 2] = self.row[k];
        }
        self.covariance[2 * n + 2] = variance;
        self.state[2] = answer_uv;
        self.filled = (self.filled + 1).min(self.segments);
    }

    /// The mean of the last `segments` segments was measured, right after the last [`GainFilter::pass`]. Without effect
    /// while fewer have passed.
    pub fn measure(&mut self, measured_uv: f64, spread_uv: f64) {
        let n = self.state.len();
        if self.filled < self.segments || !(measured_uv.is_finite() && spread_uv.is_finite()) {
            return;
        }
        let part = 1.0 / self.segments as f64;
        for (k, gain) in self.row.iter_mut().enumerate() {
            *gain = part * self.covariance[k * n + 2..(k + 1) * n].iter().sum::<f64>();
        }
        let variance = part * self.row[2..].iter().sum::<f64>() + OWN_PART * spread_uv * spread_uv;
        if !(variance > 0.0 && variance.is_finite()) {
            return;
        }
        let error = measured_uv - part * self.state[2..].iter().sum::<f64>();
        for i in 0..n {
            self.state[i] += self.row[i] * error / variance;
            for j in 0..=i {
                let value = self.covariance[i * n + j] - self.row[i] * self.row[j] / variance;
                self.covariance[i * n + j] = value;
                self.covariance[j * n + i] = value;
            }
        }
        self.state[0] = self.state[0].clamp(-LOG_LIMIT, LOG_LIMIT);
        self.state[1] = self.state[1].clamp(-LOG_LIMIT, LOG_LIMIT);
    }

    /// The drift: log of the gain over the believed one, without the fluctuation.
    pub fn drift(&self) -> f64 {
        self.state[0]
    }

    /// The fluctuation of the log gain.
    pub fn fluctuation(&self) -> f64 {
        self.state[1]
    }

    /// Both together.
    pub fn log_gain(&self) -> f64 {
        self.state[0] + self.state[1]
    }

    /// Variance of the drift, of the fluctuation, and their covariance.
    pub fn variances(&self) -> [f64; 3] {
        let n = self.state.len();
        [self.covariance[0], self.covariance[n + 1], self.covariance[1]]
    }

    /// What the fluctuation keeps from one segment to the next.
    pub fn keep(&self) -> f64 {
        self.keep
    }

    /// Makes room for a new segment: each becomes the one before.
    fn shift(&mut self) {
        let n = self.state.len();
        for i in (3..n).rev() {
            self.state[i] = self.state[i - 1];
            for j in (3..n).rev() {
                self.covariance[i * n + j] = self.covariance[(i - 1) * n + j - 1];
            }
        }
        for i in 0..2 {
            for j in (3..n).rev() {
                let value = self.covariance[i * n + j - 1];
                self.covariance[i * n + j] = value;
                self.covariance[j * n + i] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of one segment, drift alone: the scalar random walk in noise. Its Riccati equation
    /// `P^2 + P Q = Q R` (posterior variance `P`, with `R` per unit of gain) has the closed form below.
    #[test]
    fn the_steady_state_is_the_riccati_solution() {
        let model =
            GainModel { drift_sd: 0.2, drift_tau_s: 60.0, fluctuation_sd: 0.0, fluctuation_tau_s: 3.0 };
        let mut filter = GainFilter::prepare(&model, 0.1, 1, 0.3);
        let (drive_uv, spread_uv) = (1.0, 0.5);
        for _ in 0..20_000 {
            filter.pass(drive_uv, spread_uv);
            // What it expects, so that the linearisation stays where it is.
            filter.measure(drive_uv, spread_uv);
        }
        let q = 0.04 * 0.1 / 60.0;
        let r = spread_uv * spread_uv * (1.0 + OWN_PART);
        let expected = 0.5 * (-q + (q * q + 4.0 * q * r).sqrt());
        let [found, ..] = filter.variances();
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        assert!(filter.drift().abs() < 1e-9);
    }

    /// On data of its own model the stated variance is the real one, though windows overlap by 95 %.
    #[test]
    fn errors_are_as_large_as_stated() {
        let model =
            GainModel { drift_sd: 0.3, drift_tau_s: 120.0, fluctuation_sd: 0.25, fluctuation_tau_s: 3.5 };
        let (step_s, segments) = (0.1, 20);
        let mut random = random::Random::new(5, 1);
        let keep = libm::exp(-step_s / model.fluctuation_tau_s);
        let (mut stated, mut real, mut without, mut count) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..60 {
            let mut filter = GainFilter::prepare(&model, step_s, segments, 0.09);
            let mut slow = 0.3 * random.normal();
            let mut fast = 0.25 * random.normal();
            let mut past = std::collections::VecDeque::from(vec![0.0; segments]);
            for n in 0..600 {
                slow += 0.3 * (step_s / 120.0_f64).sqrt() * random.normal();
                fast = keep * fast + 0.25 * (1.0 - keep * keep).sqrt() * random.normal();
                let (drive, spread) = (1.5, 0.3);
                past.pop_back();
                past.push_front(
                    drive * libm::exp(slow + fast) + spread * (segments as f64).sqrt() * random.normal(),
                );
                filter.pass(drive, spread);
                filter.measure(past.iter().sum::<f64>() / segments as f64, spread);
                if n > 100 && n % 20 == 0 {
                    let [s, f, both] = filter.variances();
                    stated += s + f + 2.0 * both;
                    real += (slow + fast - filter.log_gain()).powi(2);
                    without += (slow + fast).powi(2);
                    count += 1.0;
                }
            }
        }
        println!("variance stated {}, real {}, without {}", stated / count, real / count, without / count);
        // The model is linearised, so stated and real differ a little.
        assert!(real < 1.25 * stated && real > 0.8 * stated && real < 0.5 * without);
    }

    #[test]
    fn the_covariance_stays_positive_and_a_restart_keeps_the_gain() {
        let model =
            GainModel { drift_sd: 0.3, drift_tau_s: 120.0, fluctuation_sd: 0.25, fluctuation_tau_s: 3.5 };
        let mut filter = GainFilter::prepare(&model, 0.1, 20, 0.3);
        let mut random = random::Random::new(2, 1);
        for n in 0..20_000 {
            let spread = if n % 1000 < 500 { 1e-3 } else { 1.0 };
            filter.pass(if n % 700 < 40 { 0.0 } else { 1.0 }, spread);
            filter.measure(1.3 + spread * random.normal(), spread);
            let [s, f, both] = filter.variances();
            assert!(s > 0.0 && f > 0.0 && both * both <= s * f, "{n}: {s} {f} {both}");
        }
        let before = filter.log_gain();
        filter.restart();
        filter.measure(50.0, 0.1);
        assert_eq!(filter.log_gain(), before, "a window before the restart counted");
    }
}
