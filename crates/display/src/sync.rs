//! The test before the first frame: whether presents wait for the screen, and whether its refresh is the rig's.
//!
//! The screen's period is found from the stamps of presents alone, whatever they scatter and however often one stays or is
//! replaced: first as the period at which the stamps' phases agree best (the largest resultant over a grid of periods, as in
//! Rayleigh's test), then as a straight line through the stamps over the refreshes that this gives them.

use std::f64::consts::TAU;
use std::fmt;

use thiserror::Error;

use crate::clock::{Belief, RefreshClock, Stamps};

/// Periods that are tried, as a part of the nominal one on either side: wider than any bound, so that a wrong refresh is named.
const SEARCHED: f64 = 0.06;

/// Step of that grid: the phase that one step turns over all stamps, in periods.
const GRID: f64 = 0.2;

/// Rounds of giving stamps to refreshes and fitting again.
const ROUNDS: usize = 3;

/// Presents that come faster than this part of a period do not wait for the screen.
const NOT_WAITING: f64 = 0.7;

/// The fewest presents of which something can be said.
const FEWEST: usize = 16;

/// What a screen must keep to before a run is begun on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyncBounds {
    /// Presents that are measured.
    pub presents: usize,
    /// The most by which the refresh may differ from the rig's, as a part of it.
    pub refresh: f64,
    /// The most that stamps may scatter about a regular refresh, as a part of its period (standard deviation).
    pub scatter: f64,
    /// The most presents that may not take exactly one refresh, as a part of all.
    pub irregular: f64,
    /// Whether presents have to wait for the screen at all; where they do not, no flip's onset is known to a frame.
    pub must_wait: bool,
}

impl SyncBounds {
    /// Bounds within which flicker has its frequency and every missed frame can be found: 1 % of refresh, scatter that leaves
    /// a stamp within 0.3 periods, one irregular present in ten while a window is new.
    pub const USUAL: Self =
        Self { presents: 120, refresh: 0.01, scatter: 0.2, irregular: 0.1, must_wait: false };
}

/// What was measured of a screen before the first frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sync {
    /// Presents that were measured.
    pub presents: usize,
    /// Mean interval between presents, in ns.
    pub interval_ns: f64,
    /// Standard deviation of the intervals, in ns.
    pub interval_sd_ns: f64,
    /// Median interval, in ns.
    pub median_ns: f64,
    /// Whether presents waited for the screen.
    pub waits: bool,
    /// The refresh's period, in ns; the median interval where presents do not wait.
    pub period_ns: f64,
    /// Standard deviation of the stamps about the regular refresh, in ns.
    pub scatter_ns: f64,
    /// Part of the presents that did not take exactly one refresh.
    pub irregular: f64,
    /// Whether the refresh itself varies, and not only the stamps.
    pub varies: bool,
}

/// Where the refresh varies, errors add up, and successive ones are alike: von Neumann's ratio of their differences to
/// themselves is 2 for stamps that jitter, and tends to 0 then. A scatter below that, in periods, says nothing.
const VARIES_BELOW: f64 = 1.0;
const VARIES_FROM: f64 = 0.01;

/// Scatter about the best line, in periods, from which stamps lie on none: any phase alike has 0.29, a jitter of 0.3 periods
/// to either side 0.17.
const NO_LINE: f64 = 0.2;

/// Why a run is not begun on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SyncFault {
    /// Too few presents came about.
    #[error("only {presents} of at least {FEWEST} presents came about")]
    Few {
        /// How many came about.
        presents: usize,
    },
    /// Presents do not wait, and have to.
    #[error(
        "presents do not wait for the screen: one each {interval_ms:.3} ms, a refresh takes {period_ms:.3} ms"
    )]
    DoesNotWait {
        /// Median interval.
        interval_ms: f64,
        /// The rig's period.
        period_ms: f64,
    },
    /// Another refresh.
    #[error(
        "the screen refreshes at {measured_hz:.2} Hz, the rig file says {rig_hz} Hz, and {allowed_hz:.2} Hz between them are \
         allowed: flicker would be wrong"
    )]
    Refresh {
        /// Measured.
        measured_hz: f64,
        /// From the rig file.
        rig_hz: f64,
        /// The bound.
        allowed_hz: f64,
    },
    /// No regular refresh: variable refresh is on.
    #[error(
        "the screen has no regular refresh (intervals of {interval_ms:.3} +- {sd_ms:.3} ms that do not make up for each other): \
         variable refresh has to be off, or flicker has no frequency"
    )]
    Varies {
        /// Mean interval.
        interval_ms: f64,
        /// Its standard deviation.
        sd_ms: f64,
    },
    /// Stamps scatter too much.
    #[error("presents scatter by {scatter_ms:.3} ms about the refresh, {allowed_ms:.3} ms are allowed")]
    Scatter {
        /// Measured standard deviation.
        scatter_ms: f64,
        /// The bound.
        allowed_ms: f64,
    },
    /// Too many presents took no refresh or several.
    #[error(
        "{percent:.1} % of the presents did not take exactly one refresh, {allowed_percent:.1} % are allowed"
    )]
    Irregular {
        /// Measured.
        percent: f64,
        /// The bound.
        allowed_percent: f64,
    },
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { presents, interval_ns, interval_sd_ns, .. } = *self;
        write!(f, "{presents} presents each {:.3} +- {:.3} ms", interval_ns / 1e6, interval_sd_ns / 1e6)?;
        if !self.waits {
            return write!(f, ", which do not wait for the screen");
        }
        write!(
            f,
            ": refresh {:.3} Hz, stamps within {:.3} ms (sd), {:.1} % irregular",
            1e9 / self.period_ns,
            self.scatter_ns / 1e6,
            100.0 * self.irregular
        )
    }
}

impl Sync {
    /// What the stamps of successive presents say, and the clock that follows from them; the clock is `None` where presents
    /// do not wait for the screen.
    ///
    /// # Errors
    /// When there are too few.
    pub fn measure(
        stamps_ns: &[i64],
        nominal_ns: f64,
        stamps: Stamps,
    ) -> Result<(Self, Option<RefreshClock>), SyncFault> {
        if stamps_ns.len() < FEWEST {
            return Err(SyncFault::Few { presents: stamps_ns.len() });
        }
        let intervals: Vec<f64> = stamps_ns.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let count = intervals.len() as f64;
        let interval_ns = intervals.iter().sum::<f64>() / count;
        let squares = intervals.iter().map(|interval| (interval - interval_ns).powi(2)).sum::<f64>();
        let median_ns = median_of(intervals.iter().copied());
        let measured = Self {
            presents: stamps_ns.len(),
            interval_ns,
            interval_sd_ns: (squares / count).sqrt(),
            median_ns,
            waits: waits(stamps_ns, nominal_ns),
            period_ns: median_ns,
            scatter_ns: 0.0,
            irregular: 0.0,
            varies: false,
        };
        if !measured.waits {
            return Ok((measured, None));
        }
        // Another refresh altogether is looked for where the stamps say.
        let nominal = Line::fit(stamps_ns, nominal_ns);
        let line = if nominal.is_none() { Line::fit(stamps_ns, median_ns) } else { nominal };
        let measured = Self {
            period_ns: line.period_ns,
            scatter_ns: line.scatter_ns(),
            irregular: line.irregular(),
            varies: line.varies() || line.is_none(),
            ..measured
        };
        Ok((measured, Some(line.clock(stamps_ns[0], nominal_ns, stamps))))
    }

    /// Whether a run may begin on it.
    ///
    /// # Errors
    /// With what was measured and what is allowed.
    pub fn judge(&self, rig_hz: f64, bounds: &SyncBounds) -> Result<(), SyncFault> {
        let rig_ns = 1e9 / rig_hz;
        if !self.waits {
            let (interval_ms, period_ms) = (self.median_ns / 1e6, rig_ns / 1e6);
            return if bounds.must_wait {
                Err(SyncFault::DoesNotWait { interval_ms, period_ms })
            } else {
                Ok(())
            };
        }
        let scatter = self.scatter_ns / self.period_ns;
        if self.varies {
            return Err(SyncFault::Varies {
                interval_ms: self.interval_ns / 1e6,
                sd_ms: self.interval_sd_ns / 1e6,
            });
        }
        let (measured_hz, allowed_hz) = (1e9 / self.period_ns, bounds.refresh * rig_hz);
        if (measured_hz - rig_hz).abs() > allowed_hz {
            return Err(SyncFault::Refresh { measured_hz, rig_hz, allowed_hz });
        }
        if scatter > bounds.scatter {
            return Err(SyncFault::Scatter {
                scatter_ms: self.scatter_ns / 1e6,
                allowed_ms: bounds.scatter * self.period_ns / 1e6,
            });
        }
        if self.irregular > bounds.irregular {
            let (percent, allowed_percent) = (100.0 * self.irregular, 100.0 * bounds.irregular);
            return Err(SyncFault::Irregular { percent, allowed_percent });
        }
        Ok(())
    }
}

/// Whether presents wait for the screen.
pub(crate) fn waits(stamps_ns: &[i64], nominal_ns: f64) -> bool {
    let intervals = stamps_ns.len().saturating_sub(1) as f64;
    let span_ns = stamps_ns.last().zip(stamps_ns.first()).map_or(0.0, |(last, first)| (last - first) as f64);
    span_ns >= NOT_WAITING * nominal_ns * intervals
}

/// A straight line through stamps over refreshes.
struct Line {
    refreshes: Vec<f64>,
    errors_ns: Vec<f64>,
    phase_ns: f64,
    period_ns: f64,
}

impl Line {
    fn fit(stamps_ns: &[i64], nominal_ns: f64) -> Self {
        let since: Vec<f64> = stamps_ns.iter().map(|stamp| (stamp - stamps_ns[0]) as f64).collect();
        let (mut phase_ns, mut period_ns) = agreed(&since, nominal_ns);
        let refreshes_at = |phase_ns: f64, period_ns: f64| -> Vec<f64> {
            since.iter().map(|since| ((since - phase_ns) / period_ns).round()).collect()
        };
        for _ in 0..ROUNDS {
            let refreshes = refreshes_at(phase_ns, period_ns);
            (phase_ns, period_ns) = straight(&refreshes, &since, period_ns);
        }
        let refreshes = refreshes_at(phase_ns, period_ns);
        let errors_ns = since
            .iter()
            .zip(&refreshes)
            .map(|(since, refresh)| since - phase_ns - refresh * period_ns)
            .collect();
        Self { refreshes, errors_ns, phase_ns, period_ns }
    }

    fn scatter_ns(&self) -> f64 {
        let squares = self.errors_ns.iter().map(|error| error * error).sum::<f64>();
        (squares / self.errors_ns.len() as f64).sqrt()
    }

    fn irregular(&self) -> f64 {
        let steps = self.refreshes.windows(2).filter(|pair| pair[1] - pair[0] != 1.0).count();
        steps as f64 / (self.refreshes.len() - 1) as f64
    }

    fn is_none(&self) -> bool {
        self.scatter_ns() > NO_LINE * self.period_ns
    }

    fn varies(&self) -> bool {
        let squares = self.errors_ns.iter().map(|error| error * error).sum::<f64>();
        // An error that leaves its period comes in again at the other end, which is no step.
        let step = |pair: &[f64]| (pair[1] - pair[0]) / self.period_ns;
        let steps =
            self.errors_ns.windows(2).map(step).map(|step| (step - step.round()).powi(2)).sum::<f64>();
        let steps = steps * self.period_ns * self.period_ns;
        self.scatter_ns() > VARIES_FROM * self.period_ns && steps < VARIES_BELOW * squares
    }

    fn clock(&self, first_ns: i64, nominal_ns: f64, stamps: Stamps) -> RefreshClock {
        let count = self.refreshes.len() as f64;
        let last = self.refreshes.iter().copied().fold(0.0, f64::max);
        let mean = self.refreshes.iter().sum::<f64>() / count;
        let spread = self.refreshes.iter().map(|refresh| (refresh - mean).powi(2)).sum::<f64>().max(1.0);
        let variance = self.scatter_ns().max(1_000.0).powi(2);
        // Of a line through these stamps, at the last refresh.
        let period = variance / spread;
        let belief = Belief {
            phase: variance / count + (last - mean).powi(2) * period,
            both: (last - mean) * period,
            period,
        };
        let at_ns = self.phase_ns + last * self.period_ns;
        let floor_ns = self.errors_ns.iter().copied().fold(0.0, f64::min);
        RefreshClock::fitted(first_ns, at_ns, self.period_ns, nominal_ns, belief, self.scatter_ns())
            .of(stamps, floor_ns)
    }
}

/// Phase and period at which the stamps agree best.
fn agreed(since_ns: &[f64], nominal_ns: f64) -> (f64, f64) {
    let span = since_ns.last().map_or(1.0, |last| (last / nominal_ns).max(1.0));
    let half = (SEARCHED * span / GRID).ceil() as i64;
    let mut best = (-1.0, 0.0, nominal_ns);
    for step in -half..=half {
        let period_ns = nominal_ns * (1.0 + step as f64 * GRID / span);
        let (mut re, mut im) = (0.0, 0.0);
        for since in since_ns {
            let (sin, cos) = libm::sincos(TAU * since / period_ns);
            (re, im) = (re + cos, im + sin);
        }
        let resultant = re * re + im * im;
        if resultant > best.0 {
            best = (resultant, libm::atan2(im, re) / TAU * period_ns, period_ns);
        }
    }
    (best.1, best.2)
}

/// Least squares of stamps over refreshes, without those that lie far from the rest: phase and period.
fn straight(refreshes: &[f64], since_ns: &[f64], period_ns: f64) -> (f64, f64) {
    let line = |keep: &dyn Fn(f64, f64) -> bool| {
        let kept = || refreshes.iter().zip(since_ns).filter(|&(&refresh, &since)| keep(refresh, since));
        let count = kept().count().max(1) as f64;
        let x = kept().map(|(refresh, _)| refresh).sum::<f64>() / count;
        let y = kept().map(|(_, since)| since).sum::<f64>() / count;
        let (mut xx, mut xy) = (0.0, 0.0);
        for (refresh, since) in kept() {
            xx += (refresh - x).powi(2);
            xy += (refresh - x) * (since - y);
        }
        let slope = if xx > 0.0 { xy / xx } else { period_ns };
        (y - slope * x, slope)
    };
    let (phase_ns, slope_ns) = line(&|_, _| true);
    let error = |refresh: f64, since: f64| (since - phase_ns - refresh * slope_ns).abs();
    let sizes = refreshes.iter().zip(since_ns).map(|(&refresh, &since)| error(refresh, since));
    // Four times the scatter that the median error of a normal one says, at least a grain.
    let most_ns = 4.0 * 1.4826 * median_of(sizes) + 1_000.0;
    line(&|refresh, since| error(refresh, since) <= most_ns)
}

/// 0 of nothing.
fn median_of(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
