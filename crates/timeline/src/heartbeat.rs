//! Whether the other side is alive. One thread beats, another looks: what it sees is a count, and how long the count has
//! stood still it measures on its own clock, so that a clock gone wrong on one side cannot hide behind the other's.

use std::sync::atomic::{AtomicU64, Ordering};

/// The side that beats, and the count that is looked at.
#[derive(Debug, Default)]
pub struct Heartbeat(AtomicU64);

impl Heartbeat {
    /// One more beat.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Beats so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What a look at a pulse says that the look before did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has stood still for longer than its bound: for this long, in ns.
    Lost(i64),
    /// It goes on after this long, in ns.
    Back(i64),
}

/// The side that looks.
#[derive(Debug, Clone)]
pub struct Pulse {
    bound_ns: i64,
    count: u64,
    newest_ns: Option<i64>,
    lost: bool,
}

impl Pulse {
    /// A pulse may stand still for `bound_ns`, counted from the first look on.
    pub fn new(bound_ns: i64) -> Self {
        Self { bound_ns, count: 0, newest_ns: None, lost: false }
    }

    /// Looks at the count at an instant. A clock that went back counts as time that stood still.
    pub fn look(&mut self, count: u64, now_ns: i64) -> Option<Change> {
        let newest_ns = *self.newest_ns.get_or_insert(now_ns);
        let age_ns = now_ns.saturating_sub(newest_ns);
        if age_ns < 0 {
            self.newest_ns = Some(now_ns);
        }
        if count != self.count {
            (self.count, self.newest_ns) = (count, Some(now_ns));
            return std::mem::take(&mut self.lost).then_some(Change::Back(age_ns));
        }
        if age_ns > self.bound_ns && !self.lost {
            self.lost = true;
            return Some(Change::Lost(age_ns));
        }
        None
    }

    /// Whether it has stood still for too long.
    pub fn is_lost(&self) -> bool {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_lost_once_and_back_once() {
        let mut pulse = Pulse::new(100);
        assert_eq!(pulse.look(0, 1_000), None, "the first look starts the time");
        assert_eq!(pulse.look(0, 1_100), None);
        assert_eq!(pulse.look(0, 1_101), Some(Change::Lost(101)));
        assert_eq!((pulse.look(0, 5_000), pulse.is_lost()), (None, true));
        assert_eq!(pulse.look(1, 5_001), Some(Change::Back(4_001)));
        assert_eq!((pulse.look(1, 5_002), pulse.is_lost()), (None, false));
    }

    #[test]
    fn a_clock_that_goes_back_starts_the_bound_again() {
        let mut pulse = Pulse::new(100);
        pulse.look(0, 1_000);
        assert_eq!(pulse.look(0, 10), None);
        assert_eq!(pulse.look(0, 110), None);
        assert_eq!(pulse.look(0, 111), Some(Change::Lost(101)));
    }

    #[test]
    fn beats_are_counted() {
        let heart = Heartbeat::default();
        heart.beat();
        heart.beat();
        assert_eq!(heart.count(), 2);
    }
}
