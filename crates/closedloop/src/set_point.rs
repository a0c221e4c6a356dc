//! What is wanted over the time of a hold block.

use crate::neurofeedback::ScoredPlan;
use crate::plan::PrepareError;

/// Most levels of [`SetPointPlan::Steps`].
pub const MAX_LEVELS: usize = 16;

/// A ramp or a sine is followed in steps of this length: a set point is a piecewise constant function of time, so that
/// what a decision names, what the controller aimed at and what a report compares is one number.
pub const SET_POINT_STEP_NS: i64 = 100_000_000;

/// The set point of a hold block, a function of the time since the block began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SetPointPlan {
    /// One value.
    Constant {
        /// In uV.
        uv: f64,
    },
    /// One level after the other; after the last, the first again.
    Steps(Levels),
    /// A straight line over a time, then its end.
    Ramp {
        /// At the begin, in uV.
        from_uv: f64,
        /// At the end, in uV.
        to_uv: f64,
        /// From begin to end.
        over_ns: i64,
    },
    /// `mean + amplitude * sin(2 pi t / period)`.
    Sine {
        /// In uV.
        mean_uv: f64,
        /// In uV, at most the mean.
        amplitude_uv: f64,
        /// One cycle.
        period_ns: i64,
    },
    /// Relative to the decoded values of another block: the loop knows it when that block is over.
    Scored(ScoredPlan),
}

/// The levels of a stepped set point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    uv: [f64; MAX_LEVELS],
    count: usize,
    /// How long each holds.
    pub each_ns: i64,
}

impl Levels {
    /// One to [`MAX_LEVELS`] levels in uV, each for `each_ns`; `None` for another number of them.
    pub fn new(levels_uv: &[f64], each_ns: i64) -> Option<Self> {
        let mut uv = [0.0; MAX_LEVELS];
        uv.get_mut(..levels_uv.len()).filter(|_| !levels_uv.is_empty())?.copy_from_slice(levels_uv);
        Some(Self { uv, count: levels_uv.len(), each_ns })
    }

    /// The levels in uV.
    pub fn uv(&self) -> &[f64] {
        &self.uv[..self.count]
    }
}

impl SetPointPlan {
    /// The set point in uV at a time since the block began; NaN where the plan alone does not say it.
    pub fn at_uv(&self, since_ns: i64) -> f64 {
        let since_ns = since_ns.max(0);
        let on_grid_ns = since_ns - since_ns % SET_POINT_STEP_NS;
        match *self {
            Self::Constant { uv } => uv,
            Self::Scored(_) => f64::NAN,
            Self::Steps(levels) => {
                levels.uv[(since_ns / levels.each_ns.max(1)) as usize % levels.count.max(1)]
            }
            Self::Ramp { from_uv, to_uv, over_ns } => {
                let part = (on_grid_ns as f64 / over_ns.max(1) as f64).min(1.0);
                from_uv + part * (to_uv - from_uv)
            }
            Self::Sine { mean_uv, amplitude_uv, period_ns } => {
                let cycles = (on_grid_ns % period_ns.max(1)) as f64 / period_ns.max(1) as f64;
                mean_uv + amplitude_uv * libm::sin(2.0 * core::f64::consts::PI * cycles)
            }
        }
    }

    /// The time since the block began at which the set point changes next; `i64::MAX` for never.
    pub fn next_change_ns(&self, since_ns: i64) -> i64 {
        let after = |step_ns: i64| since_ns - since_ns.rem_euclid(step_ns.max(1)) + step_ns.max(1);
        match *self {
            Self::Constant { .. } | Self::Scored(_) => i64::MAX,
            Self::Steps(levels) if levels.count == 1 => i64::MAX,
            Self::Steps(levels) => after(levels.each_ns),
            Self::Ramp { over_ns, .. } if since_ns >= over_ns + SET_POINT_STEP_NS => i64::MAX,
            Self::Ramp { .. } | Self::Sine { .. } => after(SET_POINT_STEP_NS),
        }
    }

    /// The lowest and the highest value that it can take, in uV; NaN where the plan alone does not say it.
    pub fn range_uv(&self) -> [f64; 2] {
        match self {
            Self::Constant { uv } => [*uv, *uv],
            Self::Scored(_) => [f64::NAN; 2],
            Self::Steps(levels) => levels
                .uv()
                .iter()
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &uv| [low.min(uv), high.max(uv)]),
            Self::Ramp { from_uv, to_uv, .. } => [from_uv.min(*to_uv), from_uv.max(*to_uv)],
            Self::Sine { mean_uv, amplitude_uv, .. } => [mean_uv - amplitude_uv, mean_uv + amplitude_uv],
        }
    }

    /// All values are finite and not below zero, all times positive.
    pub(crate) fn check(&self) -> Result<(), PrepareError> {
        let number = |what, value, allowed| Err(PrepareError::Number { what, value, allowed });
        let values: &[f64] = match self {
            Self::Scored(scored) => return scored.check(),
            Self::Constant { uv } => &[*uv],
            Self::Steps(levels) => levels.uv(),
            Self::Ramp { from_uv, to_uv, .. } => &[*from_uv, *to_uv],
            Self::Sine { mean_uv, amplitude_uv, .. } => &[*mean_uv, *amplitude_uv, *mean_uv - *amplitude_uv],
        };
        // NaN is in no range.
        if let Some(&value) = values.iter().find(|value| !(0.0..=1e6).contains(*value)) {
            return number("set point in uV", value, "0 to 1e6");
        }
        let (what, length_ns) = match self {
            Self::Constant { .. } | Self::Scored(_) => return Ok(()),
            Self::Steps(levels) => ("length of a step of the set point in ns", levels.each_ns),
            Self::Ramp { over_ns, .. } => ("length of the set point's ramp in ns", *over_ns),
            Self::Sine { period_ns, .. } => ("period of the set point in ns", *period_ns),
        };
        if length_ns < SET_POINT_STEP_NS {
            return number(what, length_ns as f64, "at least 1e8, the step in which set points are followed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn schedules_say_what_they_should_and_when_they_change() {
        let steps = SetPointPlan::Steps(Levels::new(&[1.0, 2.0, 0.5], 10 * S).unwrap());
        assert_eq!([0, 10, 25, 30].map(|s| steps.at_uv(s * S)), [1.0, 2.0, 0.5, 1.0]);
        assert_eq!(steps.next_change_ns(12 * S), 20 * S);
        let ramp = SetPointPlan::Ramp { from_uv: 1.0, to_uv: 3.0, over_ns: 4 * S };
        assert_eq!([0, 1, 2, 4, 9].map(|s| ramp.at_uv(s * S)), [1.0, 1.5, 2.0, 3.0, 3.0]);
        let sine = SetPointPlan::Sine { mean_uv: 2.0, amplitude_uv: 0.5, period_ns: 8 * S };
        for (s, wanted) in [(0, 2.0), (2, 2.5), (4, 2.0), (6, 1.5), (10, 2.5)] {
            assert!((sine.at_uv(s * S) - wanted).abs() < 1e-12);
        }
        assert_eq!(sine.range_uv(), [1.5, 2.5]);
        // Between two changes nothing changes, and each change is announced.
        for plan in [steps, ramp, sine] {
            let mut at_ns = 0;
            while at_ns < 12 * S {
                let next_ns = plan.next_change_ns(at_ns).min(at_ns + S);
                assert!(next_ns > at_ns);
                assert_eq!(plan.at_uv(at_ns), plan.at_uv(next_ns - 1), "{plan:?} at {at_ns}");
                at_ns = next_ns;
            }
        }
    }

    #[test]
    fn impossible_schedules_are_refused() {
        assert!(Levels::new(&[], S).is_none() && Levels::new(&[1.0; MAX_LEVELS + 1], S).is_none());
        let sine = SetPointPlan::Sine { mean_uv: 1.0, amplitude_uv: 1.5, period_ns: S };
        assert!(sine.check().unwrap_err().to_string().contains("-0.5"));
        assert!(SetPointPlan::Ramp { from_uv: 0.0, to_uv: f64::NAN, over_ns: S }.check().is_err());
        assert!(SetPointPlan::Steps(Levels::new(&[1.0], 5).unwrap()).check().is_err());
    }
}
