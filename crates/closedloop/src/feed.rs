//! Feedback that is not the person's: what a controller is fed in a sham or a yoked arm.

use crate::decoder::{Calibrated, Estimate};

/// Decoder values of somebody else, which the controller is fed in the person's place, one for each decision with a set
/// point.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedPlan {
    /// Value and standard error in uV, in their order; from the first again after the last.
    pub values: Vec<[f64; 2]>,
    /// The donor's calibrated amplitude in uV: values are scaled by the person's own over this, so that they are of the
    /// size of the person's. `None` leaves them as they are.
    pub donor_uv: Option<f64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Feed {
    plan: FeedPlan,
    next: usize,
    scale: f64,
}

impl Feed {
    pub(crate) fn new(plan: FeedPlan) -> Self {
        Self { plan, next: 0, scale: 1.0 }
    }

    pub(crate) fn reset(&mut self) {
        (self.next, self.scale) = (0, 1.0);
    }

    /// Takes the person's own calibration; one that cannot be trusted scales nothing.
    pub(crate) fn calibrate(&mut self, own: &Calibrated) {
        let donor_uv = self.plan.donor_uv.filter(|donor_uv| *donor_uv > 0.0);
        self.scale = match donor_uv {
            Some(donor_uv) if own.trusted && own.amplitude_uv > 0.0 => own.amplitude_uv / donor_uv,
            _ => 1.0,
        };
    }

    /// What stands for an estimate of the person.
    pub(crate) fn next(&mut self, own: &Estimate) -> Estimate {
        let [value, spread] = self.plan.values[self.next];
        self.next = (self.next + 1) % self.plan.values.len();
        Estimate { value: self.scale * value, spread: self.scale * spread, ..*own }
    }
}
