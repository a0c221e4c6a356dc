//! The refreshes of the screen as numbers: refresh `k` begins at `anchor + (k - anchor's index) period`.

/// How far the period may be found from the nominal one before it is held: more means another refresh rate.
const PERIOD_TOLERANCE: f64 = 0.02;

/// Part of a late stamp's error that moves the phase. Wake-ups only ever come late, so lateness is mostly noise.
const LATE_GAIN: f64 = 0.02;

/// Part of an early stamp's error that moves the phase. A stamp cannot be earlier than its cause: believe it sooner.
const EARLY_GAIN: f64 = 0.25;

/// Part of each phase correction that also goes to the period: a quarter of the late gain is critical damping. It is
/// taken from the correction, not from the error, because only the corrections are balanced around the lower envelope.
const PERIOD_GAIN: f64 = LATE_GAIN / 4.0;

/// A schedule of refreshes, which can follow a real screen.
#[derive(Debug, Clone, PartialEq)]
pub struct RefreshClock {
    anchor_frame: u64,
    anchor_ns: i64,
    /// Part of the anchor below 1 ns, so that slow corrections do not vanish in rounding.
    anchor_rest_ns: f64,
    period_ns: f64,
    nominal_ns: f64,
}

impl RefreshClock {
    /// Refresh 0 begins at `start_ns`; the period is the rig's until observations correct it.
    pub fn new(start_ns: i64, period_ns: f64) -> Self {
        Self { anchor_frame: 0, anchor_ns: start_ns, anchor_rest_ns: 0.0, period_ns, nominal_ns: period_ns }
    }

    /// When refresh `frame` begins.
    pub fn onset_ns(&self, frame: u64) -> i64 {
        let since = if frame >= self.anchor_frame {
            (frame - self.anchor_frame) as f64
        } else {
            -((self.anchor_frame - frame) as f64)
        };
        self.anchor_ns + (self.anchor_rest_ns + since * self.period_ns).round() as i64
    }

    /// The first refresh that begins at an instant or after it.
    pub fn first_from(&self, at_ns: i64) -> u64 {
        let near = self.nearest(at_ns);
        if self.onset_ns(near) >= at_ns { near } else { near + 1 }
    }

    /// The refresh whose beginning is nearest to an instant.
    pub fn nearest(&self, at_ns: i64) -> u64 {
        let since = ((at_ns - self.anchor_ns) as f64 - self.anchor_rest_ns) / self.period_ns;
        (self.anchor_frame as f64 + since.round()).max(0.0) as u64
    }

    /// The period as it is believed now.
    pub fn period_ns(&self) -> f64 {
        self.period_ns
    }

    /// A present returned at `at_ns` because a refresh began: follows phase and period of the screen. Returns the
    /// refresh.
    ///
    /// The lower envelope of the stamps is followed, because a thread wakes late and never early.
    pub fn observe(&mut self, at_ns: i64) -> u64 {
        let frame = self.nearest(at_ns);
        let error_ns = (at_ns - self.onset_ns(frame)) as f64;
        // A late stamp says at most "late": bounded, so that one stall does not turn the phase.
        let error_ns = error_ns.min(0.1 * self.period_ns);
        let gain = if error_ns < 0.0 { EARLY_GAIN } else { LATE_GAIN };
        let since = frame as f64 - self.anchor_frame as f64;
        let moved = self.anchor_rest_ns + since * self.period_ns + gain * error_ns;
        self.anchor_frame = frame;
        self.anchor_ns += moved.floor() as i64;
        self.anchor_rest_ns = moved - moved.floor();
        let most = self.nominal_ns * PERIOD_TOLERANCE;
        self.period_ns = (self.period_ns + PERIOD_GAIN * gain * error_ns)
            .clamp(self.nominal_ns - most, self.nominal_ns + most);
        frame
    }
}
