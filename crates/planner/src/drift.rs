//! How a person's gain drifts while a session runs.
//!
//! The gain is 1 on average and strays from it slowly: an Ornstein-Uhlenbeck process, followed by a Kalman filter (Kalman, J.
//! Basic Eng. 82, 1960) from ratios of what was measured to what was expected.

/// Standard deviation of the gain around its mean: amplitudes of one person within a session differ by about this much
/// from minute to minute.
const SD: f64 = 0.2;

/// The gain and its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    tau_s: f64,
    gain: f64,
    variance: f64,
    at_s: f64,
}

impl Drift {
    /// A gain of 1 that is known by nothing but its spread, with the time constant of its drift.
    pub fn new(tau_s: f64) -> Self {
        Self { tau_s, gain: 1.0, variance: SD * SD, at_s: 0.0 }
    }

    /// The gain that is expected now, and its standard deviation.
    pub fn now(&self, at_s: f64) -> (f64, f64) {
        let kept = libm::exp(-(at_s - self.at_s).max(0.0) / self.tau_s);
        let variance = SD * SD + kept * kept * (self.variance - SD * SD);
        (1.0 + kept * (self.gain - 1.0), variance.sqrt())
    }

    /// Takes a ratio of measured to expected and its standard error.
    pub fn learn(&mut self, ratio: f64, spread: f64, at_s: f64) {
        let (gain, sd) = self.now(at_s);
        if !(ratio.is_finite() && spread.is_finite() && spread > 0.0) {
            return;
        }
        let variance = sd * sd;
        let weight = variance / (variance + spread * spread);
        // A gain near zero would make everything that is divided by it large.
        self.gain = (gain + weight * (ratio - gain)).max(0.3);
        self.variance = (1.0 - weight) * variance;
        self.at_s = at_s;
    }

    /// What was known does not count any more.
    pub fn widen(&mut self) {
        self.variance = SD * SD;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn a_drifting_gain_is_followed_better_than_by_its_mean() {
        let mut random = Random::new(4, 0);
        let (mut off, mut plain) = (0.0, 0.0);
        for _ in 0..20 {
            let (mut drift, mut truth) = (Drift::new(260.0), 1.0 + SD * random.normal());
            let kept = libm::exp(-4.0 / 260.0);
            for at in 1..200 {
                truth = 1.0 + kept * (truth - 1.0) + SD * (1.0 - kept * kept).sqrt() * random.normal();
                let at_s = 4.0 * f64::from(at);
                let (gain, sd) = drift.now(at_s);
                assert!(sd > 0.0 && sd <= SD);
                off += (gain - truth).powi(2);
                plain += (1.0 - truth).powi(2);
                drift.learn(truth + 0.3 * random.normal(), 0.3, at_s);
            }
        }
        assert!(off < 0.4 * plain, "{off} {plain}");
    }
}
