//! Receding horizon on the estimated gain, with the set point's course ahead known.

use super::curve::Curve;
use super::horizon::{Candidate, Horizon, MAX_HORIZON};
use super::lqg::Observer;
use super::shown::Shown;
use super::{GainFilter, MpcPlan, Seen};

#[derive(Debug, Clone)]
pub(super) struct Mpc {
    plan: MpcPlan,
    observer: Observer,
    horizon: Horizon,
    step_s: f64,
}

impl Mpc {
    pub(super) fn new(plan: MpcPlan, curve: &Curve, step_s: f64, segments: usize) -> Self {
        let filter = GainFilter::prepare(&plan.model, step_s, segments, 0.0);
        let candidates: Vec<Candidate> = (0..plan.levels)
            .map(|level| {
                let part = level as f64 / (plan.levels - 1).max(1) as f64;
                let contrast = plan.response.contrast_min
                    + part * (plan.response.contrast_max - plan.response.contrast_min);
                Candidate { contrast, drive: curve.drive(contrast) }
            })
            .collect();
        let most = plan.response.slew_per_s * plan.move_s;
        let horizon = Horizon::prepare(&candidates, plan.change_penalty_uv, most);
        Self { plan, observer: Observer::new(filter, step_s, segments), horizon, step_s }
    }

    pub(super) fn restart(&mut self, doubt: f64) {
        self.observer.restart(doubt);
    }

    pub(super) fn interrupt(&mut self) {
        self.observer.interrupt();
    }

    pub(super) fn see(&mut self, seen: &Seen, gain_uv: f64, trust: f64, shown: &Shown) {
        self.observer.see(seen, gain_uv, trust, shown);
    }

    /// The first move of the best sequence. `set_point` gives the set point in uV at a time ahead in ns.
    pub(super) fn contrast(&mut self, contrast: f64, gain_uv: f64, set_point: impl Fn(i64) -> f64) -> f64 {
        let mut moves = [[0.0; 2]; MAX_HORIZON];
        let slow_uv = gain_uv * libm::exp(self.observer.filter.drift());
        let mut fluctuation = self.observer.fluctuation_ahead();
        let fade = libm::pow(self.observer.filter.keep(), self.plan.move_s / self.step_s);
        for (ahead, one) in moves[..self.plan.horizon].iter_mut().enumerate() {
            let after_ns = (ahead as f64 * self.plan.move_s * 1e9) as i64;
            *one = [slow_uv * libm::exp(fluctuation), set_point(after_ns)];
            fluctuation *= fade;
        }
        match self.horizon.choose(contrast, &moves[..self.plan.horizon]) {
            Some((chosen, _)) => self.horizon.candidates()[chosen].contrast,
            None => contrast,
        }
    }
}
