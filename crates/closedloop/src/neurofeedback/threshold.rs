//! A threshold that is crossed as often as wanted.

/// Plan of an adaptive threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdPlan {
    /// Where it begins.
    pub start: f64,
    /// Part of the values that shall lie above it, between 0 and 1.
    pub success_rate: f64,
    /// How far it moves per value, in the unit of the values: the smaller, the slower and the steadier.
    pub step: f64,
    /// Lowest and highest place.
    pub limits: [f64; 2],
}

/// Stochastic approximation of the quantile `1 - success_rate` (Robbins and Monro 1951, Ann Math Stat 22, 400-407) with a
/// constant step, so that it keeps following a person who learns or tires.
#[derive(Debug, Clone)]
pub struct AdaptiveThreshold {
    plan: ThresholdPlan,
    place: f64,
    values: u64,
    successes: u64,
}

impl AdaptiveThreshold {
    /// At its start.
    pub fn prepare(plan: ThresholdPlan) -> Self {
        Self { plan, place: plan.start, values: 0, successes: 0 }
    }

    /// At its start again.
    pub fn reset(&mut self) {
        *self = Self::prepare(self.plan);
    }

    /// Whether a value is a success; then the threshold moves. A value that is not a number is none and moves nothing.
    pub fn step(&mut self, value: f64) -> bool {
        if value.is_nan() {
            return false;
        }
        let success = value > self.place;
        self.values += 1;
        if success {
            self.successes += 1;
        }
        let part = if success { 1.0 - self.plan.success_rate } else { -self.plan.success_rate };
        let [low, high] = self.plan.limits;
        self.place = (self.place + self.plan.step * part).clamp(low, high);
        success
    }

    /// Where it stands.
    pub fn place(&self) -> f64 {
        self.place
    }

    /// Part of all values so far that were successes.
    pub fn rate(&self) -> f64 {
        self.successes as f64 / self.values.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_comes_at_the_wanted_rate_while_the_person_drifts() {
        for success_rate in [0.3, 0.6, 0.8] {
            let plan = ThresholdPlan { start: 0.0, success_rate, step: 0.05, limits: [-10.0, 10.0] };
            let mut threshold = AdaptiveThreshold::prepare(plan);
            let mut random = random::Random::new(9, 3);
            for n in 0..20_000 {
                threshold.step(2.0 + n as f64 / 5000.0 + random.normal());
            }
            assert!(
                (threshold.rate() - success_rate).abs() < 0.02,
                "{} for {success_rate}",
                threshold.rate()
            );
        }
        // Without drift it stands at the quantile: 1 - 0.1587 lies one standard deviation below.
        let plan = ThresholdPlan { start: 3.0, success_rate: 0.841_345, step: 0.01, limits: [-10.0, 10.0] };
        let mut threshold = AdaptiveThreshold::prepare(plan);
        let mut random = random::Random::new(9, 4);
        let mut sum = 0.0;
        for n in 0..60_000 {
            threshold.step(random.normal());
            sum += if n >= 10_000 { threshold.place() / 50_000.0 } else { 0.0 };
        }
        assert!((sum + 1.0).abs() < 0.03, "{sum}");
    }

    #[test]
    fn it_stays_within_its_limits() {
        let plan = ThresholdPlan { start: 0.0, success_rate: 0.5, step: 1.0, limits: [-1.0, 2.0] };
        let mut threshold = AdaptiveThreshold::prepare(plan);
        (0..100).for_each(|_| assert!(threshold.step(1e9)));
        assert_eq!(threshold.place(), 2.0);
        assert!(!threshold.step(f64::NAN) && threshold.place() == 2.0);
        (0..100).for_each(|_| assert!(!threshold.step(-1e9)));
        assert_eq!(threshold.place(), -1.0);
    }
}
