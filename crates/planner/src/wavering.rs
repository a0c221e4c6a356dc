//! How a person's response moves while pictures change: what a slow drift of the gain made of the measurements.

/// One measurement: when, what, its variance, and what was expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measurement {
    pub at_s: f64,
    pub value: f64,
    pub variance: f64,
    pub expected: f64,
}

/// How gains move: drift over minutes, and what changes from presentation to presentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wavering {
    /// Stationary SD of the drift of the gain, relative.
    pub drift_sd: f64,
    /// Its time constant.
    pub drift_tau_s: f64,
    /// Relative SD from presentation to presentation, the measurement's noise not included.
    pub fast_sd: f64,
}

/// Amplitudes of 4 s vary by 25 to 38 % in recordings, noise included; and sessions drift by some 15 % over minutes.
pub(crate) const USUAL: Wavering = Wavering { drift_sd: 0.15, drift_tau_s: 180.0, fast_sd: 0.2 };

/// Below this part of the typical response a measurement says nothing of the gain.
const FAINT: f64 = 0.3;
/// Relative SD of what a picture does on its own, for this purpose.
const OWN: f64 = 0.15;

impl Wavering {
    /// Relative deviation of the gain at each measurement, in the order of time: an Ornstein-Uhlenbeck process, smoothed
    /// (Rauch, Tung and Striebel, AIAA J. 3, 1965). `scale` is the typical response.
    pub fn smoothed(&self, all: &[Measurement], scale: f64) -> Vec<f64> {
        struct Step {
            mean: f64,
            variance: f64,
            ahead: f64,
            ahead_variance: f64,
            keep: f64,
        }
        let stationary = self.drift_sd * self.drift_sd;
        let (mut mean, mut variance, mut last_s) = (0.0, stationary, None);
        let mut steps: Vec<Step> = Vec::with_capacity(all.len());
        for one in all {
            let passed_s = last_s.map_or(0.0, |last_s: f64| (one.at_s - last_s).max(0.0));
            last_s = Some(one.at_s);
            let keep = libm::exp(-passed_s / self.drift_tau_s);
            let (ahead, ahead_variance) =
                (keep * mean, keep * keep * variance + (1.0 - keep * keep) * stationary);
            (mean, variance) = (ahead, ahead_variance);
            if one.expected > FAINT * scale {
                let noise =
                    one.variance / (one.expected * one.expected) + self.fast_sd * self.fast_sd + OWN * OWN;
                let part = variance / (variance + noise);
                mean += part * (one.value / one.expected - 1.0 - mean);
                variance *= 1.0 - part;
            }
            steps.push(Step { mean, variance, ahead, ahead_variance, keep });
        }
        let mut smoothed = vec![0.0; all.len()];
        for at in (0..steps.len()).rev() {
            let Step { mean, variance, .. } = steps[at];
            smoothed[at] = match steps.get(at + 1) {
                None => mean,
                Some(next) => {
                    let back = variance * next.keep / next.ahead_variance.max(1e-300);
                    mean + back * (smoothed[at + 1] - next.ahead)
                }
            };
        }
        smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    /// The smoother's mean is that of the Gaussian process with the same covariance, by its closed form.
    #[test]
    fn the_smoother_is_the_gaussian_process() {
        use faer::linalg::solvers::Solve;
        let wavering = Wavering { drift_sd: 0.2, drift_tau_s: 60.0, fast_sd: 0.1 };
        let mut random = Random::new(8, 0);
        let all: Vec<Measurement> = (0..12)
            .map(|at| Measurement {
                at_s: 9.0 * f64::from(at) + random.uniform(),
                value: 2.0 + 0.4 * random.normal(),
                variance: 0.04,
                expected: 2.0,
            })
            .collect();
        let n = all.len();
        let kernel = |i: usize, j: usize| {
            0.04 * libm::exp(-libm::fabs(all[i].at_s - all[j].at_s) / wavering.drift_tau_s)
        };
        let noise = 0.04 / 4.0 + 0.01 + OWN * OWN;
        let matrix = faer::Mat::from_fn(n, n, |i, j| kernel(i, j) + if i == j { noise } else { 0.0 });
        let off = faer::Mat::from_fn(n, 1, |i, _| all[i].value / 2.0 - 1.0);
        let solved = matrix.llt(faer::Side::Lower).unwrap().solve(&off);
        for (at, found) in wavering.smoothed(&all, 1.0).into_iter().enumerate() {
            let wanted: f64 = (0..n).map(|j| kernel(at, j) * solved[(j, 0)]).sum();
            assert!((found - wanted).abs() < 1e-12, "{at}: {found} {wanted}");
        }
    }
}
