//! Jittery stamps to a straight line.

/// How a [`StampModel`] follows its stamps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StampPlan {
    /// Nominal time from one index to the next; the prior of the slope.
    pub period_ns: f64,
    /// Memory of the line. Short memory follows a drifting clock, long memory averages jitter.
    pub memory_s: f64,
    /// A single stamp is believed up to this far from the line.
    pub clip_ns: f64,
    /// A stamp further than this from the line is a jump: the line starts again there.
    pub jump_ns: f64,
}

impl StampPlan {
    /// For a stream of samples: half a minute of memory, jumps from 0.1 s (or four periods) on.
    pub fn samples(period_ns: f64) -> Self {
        Self { period_ns, memory_s: 30.0, clip_ns: f64::INFINITY, jump_ns: f64::max(1e8, 4.0 * period_ns) }
    }

    /// For the refreshes of a screen: vblank is regular to parts per million, its stamps are not; half a period is as
    /// much as one stamp can say.
    pub fn refreshes(period_ns: f64) -> Self {
        Self { period_ns, memory_s: 20.0, clip_ns: 0.25 * period_ns, jump_ns: 5e8 }
    }
}

/// What a stamp did to the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StampEvent {
    /// It moved it a little.
    Followed,
    /// The line starts again at this stamp, which is `by_ns` away from where it was expected.
    Jumped {
        /// Stamp minus expectation.
        by_ns: f64,
    },
}

/// A line from index to nanoseconds, updated one stamp at a time, so that it does not depend on how stamps were cut
/// into chunks.
///
/// It is the expanding-memory g-h filter that turns into a fading-memory one (Brookner, Tracking and Kalman Filtering
/// Made Easy, 1.2.8 and 1.2.10): exact least squares at first, then an exponential memory. The slope starts from the
/// nominal period with the weight of `PRIOR_S` seconds of stamps. A persistent shift below the jump bound (a few lost
/// samples) is found by its mean over about half a second and treated as a jump.
#[derive(Debug, Clone)]
pub struct StampModel {
    plan: StampPlan,
    g_floor: f64,
    h_floor: f64,
    prior: f64,
    shift_rate: f64,
    state: Option<State>,
}

/// Seconds of stamps that the nominal period is worth.
pub const PRIOR_S: f64 = 5.0;
const SHIFT_MEMORY_S: f64 = 0.5;
/// Seventy years.
const FARTHEST_NS: i64 = 1 << 61;

#[derive(Debug, Clone, Copy)]
struct State {
    /// Integers keep the origin, so that the floats stay small and exact.
    origin_ns: i64,
    index: u64,
    level_ns: f64,
    period_ns: f64,
    seen: f64,
    shift_ns: f64,
    last_ns: i64,
}

impl StampModel {
    /// A line that waits for its first stamp.
    pub fn new(plan: StampPlan) -> Self {
        let per_s = 1e9 / plan.period_ns;
        let fading = libm::exp(-1.0 / (plan.memory_s * per_s).max(1.0));
        Self {
            plan,
            g_floor: 1.0 - fading * fading,
            h_floor: (1.0 - fading) * (1.0 - fading),
            prior: PRIOR_S * per_s,
            shift_rate: 1.0 / (SHIFT_MEMORY_S * per_s).max(2.0),
            state: None,
        }
    }

    /// Forgets all stamps.
    pub fn reset(&mut self) {
        self.state = None;
    }

    /// Whether a stamp has been seen.
    pub fn is_set(&self) -> bool {
        self.state.is_some()
    }

    /// Takes the stamp of an index and returns where the line now puts that index, later than every index before it.
    /// Indices must rise; a gap moves along the line. An index that does not rise starts the line again.
    pub fn update(&mut self, index: u64, stamp_ns: i64) -> (i64, StampEvent) {
        // A stamp that is no instant at all (from a NaN or an infinity) must not overflow what follows.
        let stamp_ns = stamp_ns.clamp(-FARTHEST_NS, FARTHEST_NS);
        let Some(mut s) = self.state.filter(|s| index > s.index) else {
            return self.start(index, stamp_ns, self.plan.period_ns);
        };
        let steps = (index - s.index) as f64;
        let expected = s.level_ns + steps * s.period_ns;
        let error = (stamp_ns - s.origin_ns) as f64 - expected;
        s.shift_ns += self.shift_rate * (error - s.shift_ns);
        let shifted = s.seen * self.shift_rate > 1.0 && s.shift_ns.abs() > f64::max(8e6, 2.5 * s.period_ns);
        if error.abs() > self.plan.jump_ns || shifted {
            let (at_ns, _) = self.start(index, stamp_ns, s.period_ns);
            return (at_ns, StampEvent::Jumped { by_ns: error });
        }
        let believed = error.clamp(-self.plan.clip_ns, self.plan.clip_ns);
        s.seen += 1.0;
        let level_n = s.seen;
        let slope_n = s.seen + self.prior;
        let g =
            f64::max(self.g_floor, f64::min(2.0 * (2.0 * level_n - 1.0) / (level_n * (level_n + 1.0)), 1.0));
        let h = f64::max(self.h_floor, 6.0 / (slope_n * (slope_n + 1.0)));
        s.level_ns = expected + g * believed;
        // The slope cannot leave one per cent around nominal: no real clock is worse, and a bad stamp must not be.
        let (low, high) = (0.99 * self.plan.period_ns, 1.01 * self.plan.period_ns);
        s.period_ns = (s.period_ns + h * believed / steps).clamp(low, high);
        s.index = index;
        let at_ns = (s.origin_ns + libm::round(s.level_ns) as i64).max(s.last_ns + 1);
        s.last_ns = at_ns;
        self.state = Some(s);
        (at_ns, StampEvent::Followed)
    }

    fn start(&mut self, index: u64, stamp_ns: i64, period_ns: f64) -> (i64, StampEvent) {
        self.state = Some(State {
            origin_ns: stamp_ns,
            index,
            level_ns: 0.0,
            period_ns,
            seen: 1.0,
            shift_ns: 0.0,
            last_ns: stamp_ns,
        });
        (stamp_ns, StampEvent::Followed)
    }

    /// Period of the line.
    pub fn period_ns(&self) -> f64 {
        self.state.map_or(self.plan.period_ns, |s| s.period_ns)
    }

    /// The (fractional) index at an instant.
    pub fn index_at(&self, at_ns: i64) -> Option<f64> {
        self.state.map(|s| s.index as f64 + ((at_ns - s.origin_ns) as f64 - s.level_ns) / s.period_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain linear congruential generator: tests must not depend on a crate's stream of numbers.
    fn noise(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    #[test]
    fn jitter_is_averaged_and_drift_followed() {
        let true_period = 4e6 * (1.0 + 50e-6);
        let mut model = StampModel::new(StampPlan::samples(4e6));
        let (mut seed, mut worst) = (7, 0.0f64);
        for i in 0..250 * 120u64 {
            let truth = 1e12 + i as f64 * true_period;
            let (at, event) = model.update(i, (truth + 10e6 * noise(&mut seed)) as i64);
            assert_eq!(event, StampEvent::Followed, "index {i}");
            if i > 250 * 30 {
                worst = worst.max((at as f64 - truth).abs());
            }
        }
        assert!(worst < 0.4e6, "{worst} ns from the truth with 2.9 ms of jitter");
        assert!((model.period_ns() / true_period - 1.0).abs() < 20e-6);
    }

    #[test]
    fn exact_stamps_stay_exact_over_index_gaps() {
        let mut model = StampModel::new(StampPlan::refreshes(1e9 / 60.0));
        let mut frame = 0u64;
        for i in 0..5000u64 {
            frame += 1 + u64::from(i % 97 == 0) * 3;
            let (at, _) = model.update(frame, (frame as f64 * 1e9 / 60.0).round() as i64);
            assert!((at as f64 - frame as f64 * 1e9 / 60.0).abs() < 3.0);
        }
        let index = model.index_at((frame as f64 * 1e9 / 60.0) as i64 + 50_000_000).unwrap();
        assert!((index - frame as f64 - 3.0).abs() < 1e-6);
    }

    #[test]
    fn one_bad_flip_moves_little_and_jumps_are_told() {
        let mut model = StampModel::new(StampPlan::refreshes(1e9 / 60.0));
        for i in 0..600u64 {
            let late = if i == 400 { 60_000_000 } else { 0 };
            let (at, event) = model.update(i, (i as f64 * 1e9 / 60.0) as i64 + late);
            assert_eq!(event, StampEvent::Followed);
            assert!((at as f64 - i as f64 * 1e9 / 60.0).abs() < 1e5, "{i}");
        }
        let mut model = StampModel::new(StampPlan::samples(4e6));
        for i in 0..500 {
            model.update(i, i as i64 * 4_000_000);
        }
        let (at, event) = model.update(500, 500 * 4_000_000 + 200_000_000);
        assert_eq!(at, 2_200_000_000);
        assert!(matches!(event, StampEvent::Jumped { by_ns } if (by_ns - 2e8).abs() < 1e3));
    }

    #[test]
    fn a_lasting_small_shift_is_found() {
        let mut model = StampModel::new(StampPlan::samples(4e6));
        let mut found = None;
        for i in 0..2000u64 {
            // 20 samples were lost: below the jump bound, but for good
            let lost = if i >= 1000 { 80_000_000 } else { 0 };
            if let (_, StampEvent::Jumped { .. }) = model.update(i, i as i64 * 4_000_000 + lost) {
                found = found.or(Some(i));
            }
        }
        assert!(found.is_some_and(|i| i < 1100), "{found:?}");
    }

    #[test]
    fn absurd_stamps_jump_and_come_back() {
        let mut model = StampModel::new(StampPlan::samples(4e6));
        for (i, stamp) in [0, 4_000_000, i64::MAX, i64::MIN, 16_000_000].into_iter().enumerate() {
            let (at, event) = model.update(i as u64, stamp);
            assert_eq!(event != StampEvent::Followed, i >= 2, "stamp {stamp} gave {at}");
        }
        assert_eq!(model.index_at(16_000_000), Some(4.0));
    }

    #[test]
    fn instants_always_rise() {
        let mut model = StampModel::new(StampPlan::samples(4e6));
        let (mut seed, mut last) = (3, i64::MIN);
        for i in 0..1000u64 {
            let (at, event) = model.update(i, (i as f64 * 4e6 + 90e6 * noise(&mut seed)) as i64);
            assert!(at > last || event != StampEvent::Followed);
            last = at;
        }
    }
}
