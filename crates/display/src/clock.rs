//! The refreshes of the screen as numbers: refresh `k` begins at `anchor + (k - anchor's index) period`.
//!
//! A screen's vblank is periodic, and its period drifts by parts per million; it is the stamps of presents that jitter. So
//! every stamp is first given to the nearest refresh, and phase and period are a state that each stamp corrects a little: a
//! Kalman filter (Kalman 1960) whose process noise is what a quartz wanders, whose measurement noise is what the stamps were
//! seen to scatter, and whose innovations are bounded (Huber 1964), so that a stall turns nothing.

use crate::floor::Floor;

/// How far the period may be found from the nominal one before it is held: more means another refresh rate.
const PERIOD_TOLERANCE: f64 = 0.02;

/// Standard deviation by which the period walks in one refresh, as a part of it: some parts per million in an hour, as the
/// oscillators of graphics adapters do while they warm up.
const PERIOD_WALK: f64 = 1e-8;

/// What is not known of a new clock's period, as a part of it: 59.94 Hz often passes for 60 Hz.
const PERIOD_UNKNOWN: f64 = 1e-3;

/// What is not known of a new clock's phase, and the scatter that stamps are first believed to have, in periods.
const PHASE_UNKNOWN: f64 = 0.1;

/// A stamp's error counts up to this many times the usual scatter.
const CLIP: f64 = 3.0;

/// Part of the newest stamp's error by which the expected scatter rises or falls.
const SCATTER_GAIN: f64 = 1.0 / 128.0;

/// Scatter that is always believed, in ns: the clock that stamps has a grain, too.
const SCATTER_LEAST_NS: f64 = 1_000.0;

/// Part of the newest stamp's error in the running mean that watches over the phase.
const WATCH_GAIN: f64 = 1.0 / 32.0;

/// Mean error, and mean size of the error, in periods, above which the phase is not the screen's any more (a changed mode,
/// a machine that slept). Stamps that scatter by 0.3 periods have 0.00 +- 0.02 and 0.15 +- 0.01.
const LOST_MEAN: f64 = 0.1;
const LOST_SIZE: f64 = 0.22;

/// From a standard deviation to the mean absolute error of a normal scatter.
const MEAN_ABS: f64 = 0.797_884_560_802_865_4;

/// How the stamps of presents lie about the refreshes that they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamps {
    /// Never early: a thread that was woken by a refresh. The vblank is their lower envelope.
    Late,
    /// On both sides alike, as a window system or an instrument reports them. The vblank is their middle.
    Centred,
}

/// Which refresh a stamp belongs to, and how far that is from the stamp before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Index of the refresh.
    pub frame: u64,
    /// Refreshes since the stamp before: 1 usually, 0 for two presents in one refresh, more where a frame stayed.
    pub since: u64,
    /// The stamp less the beginning of that refresh as it is now believed, in ns.
    pub error_ns: f64,
}

/// A schedule of refreshes, which can follow a real screen.
#[derive(Debug, Clone, PartialEq)]
pub struct RefreshClock {
    anchor_frame: u64,
    anchor_ns: i64,
    /// Part of the anchor below 1 ns, so that slow corrections do not vanish in rounding.
    anchor_rest_ns: f64,
    period_ns: f64,
    nominal_ns: f64,
    belief: Belief,
    scatter_ns: f64,
    watch: [f64; 2],
    stamps: Stamps,
    floor: Floor,
}

/// Covariance of phase and period at the anchor, in ns^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Belief {
    pub(crate) phase: f64,
    pub(crate) both: f64,
    pub(crate) period: f64,
}

impl Belief {
    fn new(period_ns: f64) -> Self {
        let square = |part: f64| (part * period_ns) * (part * period_ns);
        Self { phase: square(PHASE_UNKNOWN), both: 0.0, period: square(PERIOD_UNKNOWN) }
    }

    /// What is known some refreshes later.
    fn later(self, refreshes: f64, period_ns: f64) -> Self {
        let (n, walk) = (refreshes, (PERIOD_WALK * period_ns) * (PERIOD_WALK * period_ns));
        Self {
            phase: self.phase + 2.0 * n * self.both + n * n * self.period + walk * n * n * n / 3.0,
            both: self.both + n * self.period + walk * n * n / 2.0,
            period: self.period + walk * n,
        }
    }

    /// Gains of phase and period for a stamp of that variance, and what is known after it.
    fn corrected(self, variance: f64) -> ([f64; 2], Self) {
        let gain = [self.phase, self.both].map(|with| with / (self.phase + variance));
        let after = Self {
            phase: self.phase * (1.0 - gain[0]),
            both: self.both * (1.0 - gain[0]),
            period: self.period - gain[1] * self.both,
        };
        (gain, after)
    }
}

impl RefreshClock {
    /// Refresh 0 begins at `start_ns`; the period is the rig's until observations correct it. Stamps are taken for late ones.
    pub fn new(start_ns: i64, period_ns: f64) -> Self {
        Self {
            anchor_frame: 0,
            anchor_ns: start_ns,
            anchor_rest_ns: 0.0,
            period_ns,
            nominal_ns: period_ns,
            belief: Belief::new(period_ns),
            scatter_ns: PHASE_UNKNOWN * period_ns,
            watch: [0.0; 2],
            stamps: Stamps::Late,
            floor: Floor::new(0.0),
        }
    }

    /// A clock that was fitted: its refresh 0 lies `since_ns` after `first_ns`, in the middle of the stamps, whose scatter is
    /// known.
    pub(crate) fn fitted(
        first_ns: i64,
        since_ns: f64,
        period_ns: f64,
        nominal_ns: f64,
        belief: Belief,
        scatter_ns: f64,
    ) -> Self {
        Self {
            anchor_rest_ns: since_ns - since_ns.floor(),
            period_ns,
            belief,
            scatter_ns: scatter_ns.max(SCATTER_LEAST_NS),
            ..Self::new(first_ns + since_ns.floor() as i64, nominal_ns)
        }
    }

    /// The same clock for stamps of that kind, whose lower envelope lies `floor_ns` from their middle.
    pub fn of(mut self, stamps: Stamps, floor_ns: f64) -> Self {
        self.stamps = stamps;
        self.floor = Floor::new(if stamps == Stamps::Late { floor_ns } else { 0.0 });
        self
    }

    /// The same clock, with its refresh nearest to an instant as number 0.
    pub fn renumbered(mut self, at_ns: i64) -> Self {
        let since = self.since(at_ns - self.floor_ns());
        self.belief = self.belief.later(since.max(0.0), self.period_ns);
        self.move_anchor(0, since * self.period_ns);
        self
    }

    /// When refresh `frame` begins.
    pub fn onset_ns(&self, frame: u64) -> i64 {
        self.middle_ns(frame) + self.floor_ns()
    }

    /// The first refresh that begins at an instant or after it.
    pub fn first_from(&self, at_ns: i64) -> u64 {
        let near = self.nearest(at_ns);
        if self.onset_ns(near) >= at_ns { near } else { near + 1 }
    }

    /// The refresh whose beginning is nearest to an instant.
    pub fn nearest(&self, at_ns: i64) -> u64 {
        (self.anchor_frame as f64 + self.since(at_ns - self.floor_ns())).max(0.0) as u64
    }

    /// The period as it is believed now.
    pub fn period_ns(&self) -> f64 {
        self.period_ns
    }

    /// Standard deviation of the believed phase, in ns.
    pub fn uncertainty_ns(&self) -> f64 {
        self.belief.phase.max(0.0).sqrt()
    }

    /// Standard deviation of the stamps, as it was seen lately, in ns.
    pub fn scatter_ns(&self) -> f64 {
        self.scatter_ns
    }

    /// A present took effect at a refresh, and was stamped `at_ns`: follows phase and period of the screen, and says which
    /// refresh that was. Scatter of the stamps up to 0.3 periods does not change what is counted.
    pub fn observe(&mut self, at_ns: i64) -> Observed {
        // Which refresh: by the middle of the stamps, from which they are least far.
        let since = self.since(at_ns).max(0.0);
        let frame = self.anchor_frame + since as u64;
        let error_ns = (at_ns - self.middle_ns(frame)) as f64;
        self.belief = self.belief.later(since, self.period_ns);
        self.look_after(error_ns);
        let most_ns = CLIP * self.scatter_ns;
        let bounded_ns = error_ns.clamp(-most_ns, most_ns);
        let ([phase, period], after) = self.belief.corrected(self.scatter_ns * self.scatter_ns);
        self.belief = after;
        self.move_anchor(frame, since * self.period_ns + phase * bounded_ns);
        let most_ns = self.nominal_ns * PERIOD_TOLERANCE;
        self.period_ns = (self.period_ns + period * bounded_ns)
            .clamp(self.nominal_ns - most_ns, self.nominal_ns + most_ns);
        let size_ns = bounded_ns.abs() / MEAN_ABS;
        self.scatter_ns =
            (self.scatter_ns + SCATTER_GAIN * (size_ns - self.scatter_ns)).max(SCATTER_LEAST_NS);
        if self.stamps == Stamps::Late {
            self.floor.take(error_ns);
        }
        Observed { frame, since: since as u64, error_ns: (at_ns - self.onset_ns(frame)) as f64 }
    }

    /// Whether the phase can still be the screen's; where it cannot, everything is open again.
    fn look_after(&mut self, error_ns: f64) {
        let newest = [error_ns, error_ns.abs()];
        self.watch.iter_mut().zip(newest).for_each(|(mean, newest)| *mean += WATCH_GAIN * (newest - *mean));
        let [mean, size] = self.watch.map(|mean| mean / self.period_ns);
        if mean.abs() > LOST_MEAN || size > LOST_SIZE {
            self.belief = Belief::new(self.nominal_ns);
            self.belief.phase *= 9.0;
            self.scatter_ns = PHASE_UNKNOWN * self.nominal_ns;
            self.watch = [0.0; 2];
            self.floor = Floor::new(self.floor.lowest_ns());
        }
    }

    fn move_anchor(&mut self, frame: u64, by_ns: f64) {
        let moved = self.anchor_rest_ns + by_ns;
        self.anchor_frame = frame;
        self.anchor_ns += moved.floor() as i64;
        self.anchor_rest_ns = moved - moved.floor();
    }

    /// Whole refreshes from the anchor to an instant.
    fn since(&self, at_ns: i64) -> f64 {
        (((at_ns - self.anchor_ns) as f64 - self.anchor_rest_ns) / self.period_ns).round()
    }

    /// Where the middle of a refresh's stamps is.
    fn middle_ns(&self, frame: u64) -> i64 {
        let since = if frame >= self.anchor_frame {
            (frame - self.anchor_frame) as f64
        } else {
            -((self.anchor_frame - frame) as f64)
        };
        self.anchor_ns + (self.anchor_rest_ns + since * self.period_ns).round() as i64
    }

    fn floor_ns(&self) -> i64 {
        self.floor.lowest_ns() as i64
    }
}
