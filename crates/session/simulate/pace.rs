//! Ties a time of its own to the machine's clock: no drift, stalls made up for, but not without bound.

use super::stage::whole_samples_ns;

/// A stall up to this long is made up for: its samples come late, with the stamps that they should have had. Of a longer one
/// the rest is left out and shows as a gap in the stamps, since nobody wants an hour of samples at once after a night's sleep.
pub const CATCH_UP_NS: i64 = 5_000_000_000;

/// The relation of the two times.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Machine's clock less own time.
    offset_ns: i64,
    rate_hz: f64,
    skipped_ns: i64,
}

impl Pace {
    /// `own_ns` is now, at `live_ns` of the machine's clock.
    pub fn begin(own_ns: i64, live_ns: i64, rate_hz: f64) -> Self {
        Self { offset_ns: live_ns - own_ns, rate_hz, skipped_ns: 0 }
    }

    /// How far own time may go at `live_ns` when it is at `done_ns`.
    pub fn due_ns(&mut self, live_ns: i64, done_ns: i64) -> i64 {
        let behind_ns = live_ns - self.offset_ns - done_ns;
        if behind_ns > CATCH_UP_NS {
            // By whole samples, so that the stamps stay on their grid.
            let skip_ns = whole_samples_ns(behind_ns - CATCH_UP_NS, self.rate_hz);
            self.offset_ns += skip_ns;
            self.skipped_ns += skip_ns;
        }
        live_ns - self.offset_ns
    }

    /// An instant of own time on the machine's clock.
    pub fn live_ns(&self, own_ns: i64) -> i64 {
        own_ns + self.offset_ns
    }

    /// An instant of the machine's clock in own time.
    pub fn own_ns(&self, live_ns: i64) -> i64 {
        live_ns - self.offset_ns
    }

    /// Time that was left out so far.
    pub fn skipped_ns(&self) -> i64 {
        self.skipped_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_stall_is_made_up_for_and_a_long_one_bounded() {
        let mut pace = Pace::begin(1_000, 50_000_001_000, 250.0);
        // An hour in steps of 10 ms: own time is the machine's, to the nanosecond.
        let mut done_ns = 1_000;
        for step in 1..360_000 {
            done_ns = pace.due_ns(50_000_001_000 + step * 10_000_000, done_ns);
            assert_eq!(done_ns, 1_000 + step * 10_000_000);
        }
        let now_ns = pace.live_ns(done_ns);
        let after_short_ns = pace.due_ns(now_ns + 4_900_000_000, done_ns);
        assert_eq!((after_short_ns, pace.skipped_ns()), (done_ns + 4_900_000_000, 0));
        let after_long_ns = pace.due_ns(now_ns + 4_900_000_000 + 3_600_123_456_789, after_short_ns);
        assert!(
            (0..4_000_000).contains(&(after_long_ns - after_short_ns - CATCH_UP_NS)),
            "less than a sample more"
        );
        assert_eq!(pace.skipped_ns() % 4_000_000, 0, "whole samples");
        assert_eq!(pace.live_ns(after_long_ns), now_ns + 4_900_000_000 + 3_600_123_456_789);
    }
}
