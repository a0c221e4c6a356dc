//! What decoded values lead to: the controller's contrast, answers of trials, scores against a baseline.

use timeline::State;

use super::Loop;
use crate::controller::Controller;
use crate::decoder::{Decoder, Estimate};
use crate::outside::Outside;
use crate::plan::BlockKind;
use crate::screen::Cause;
use crate::set_point::SetPointPlan;
use crate::trial::TrialWish;
use crate::turn::{Inputs, Outputs};

impl Loop {
    /// The contrast that the controller wants after the estimates of this turn, and the decision that caused it.
    pub(super) fn measured_contrast(
        &mut self,
        cause: Cause,
        outputs: &mut Outputs,
    ) -> Option<(f64, Option<u64>)> {
        let now_ns = cause.now_ns;
        let from_ns = now_ns.max(self.resumed_ns);
        let controller = self.controller.as_mut()?;
        controller.follow(now_ns, from_ns);
        let (mut caused_by, mut is_led) = (None, false);
        if let Some(outside) = &self.outside {
            let (contrast, news) = outside.contrast();
            controller.drive(contrast, from_ns);
            (caused_by, is_led) = (news, contrast.is_some());
        }
        if controller.contrast().is_none() {
            if let Some(outside) = &mut self.outside {
                outside.rest();
            }
            return None;
        }
        let Some(Decoder::Ssvep(ssvep)) = &self.decoder else { return Some((controller.contrast()?, None)) };
        for due in self.outside.iter().flat_map(Outside::due) {
            controller.update(&due.estimate, f64::from(due.updates) * ssvep.update_s());
            caused_by = Some(due.decision);
        }
        for &(estimate, decision) in &self.estimates {
            // Somebody else's value goes by whether or not this one counts: it has a time of its own.
            let fed = self.feed.as_mut().map_or(estimate, |feed| feed.next(&estimate));
            let is_frozen =
                self.freeze.as_mut().is_some_and(|freeze| freeze.holds(&estimate, now_ns, outputs));
            self.scores.score(&estimate, decision, is_frozen, cause, outputs);
            if is_frozen {
                continue;
            }
            if let Some(outside) = &mut self.outside {
                let told = State {
                    index: 0,
                    turn: cause.turn,
                    at_ns: now_ns,
                    decision,
                    value: estimate.value,
                    spread: estimate.spread,
                    set_point: self.schedule.set_point_at(now_ns).unwrap_or(f64::NAN),
                    contrast: self.let_through.now() * controller.contrast()?,
                    window_ns: [estimate.start_ns, estimate.end_ns],
                };
                outside.tell(told, &estimate, outputs);
                if outside.decodes() {
                    continue;
                }
            }
            if controller.update(&fed, ssvep.update_s()).is_some() && !is_led {
                caused_by = Some(decision);
            }
            if let Some(uv) = self.scores.set_point_uv() {
                aim(controller, uv, now_ns, from_ns);
            }
        }
        Some((controller.contrast()?, caused_by))
    }

    /// What the governor let through, of frames that were seen a little while ago. Models count a contrast from its command
    /// on, so this is taken as much earlier as a frame comes after its command.
    pub(super) fn hear_attenuations(&mut self, inputs: &Inputs<'_>) {
        let command_to_frame_ns = (2e9 / self.plan.refresh_hz) as i64;
        for told in inputs.attenuations {
            self.let_through.hear(told);
            self.interlock.attenuate(told.gain());
            if let Some(controller) = &mut self.controller {
                controller.attenuate(told.at_ns - command_to_frame_ns, told.driving());
            }
        }
    }

    /// Shows the stimulus of a trial, or nothing between two.
    pub(super) fn try_out(&mut self, may_show: bool, cause: Cause, outputs: &mut Outputs) {
        match self.trials.step(may_show, cause, outputs) {
            TrialWish::Stimulus(scene, contrast) => {
                let commands = outputs.commands.len();
                self.steer(scene, contrast, cause, outputs);
                // What fades out before another scene comes is not yet the stimulus.
                if let Some(command) = outputs.commands.get(commands).filter(|shown| shown.scene == scene)
                    && command.contrast.to > 0.0
                {
                    self.trials.begun(command.index, command.contrast.end_ns, cause.now_ns);
                }
            }
            TrialWish::Nothing => {
                self.screen.fade(cause, outputs);
                self.screen.settle_grey(cause, outputs);
            }
        }
    }

    /// Answers of trials, and decoded values of a baseline.
    pub(super) fn hear_trials_and_baselines(&mut self, inputs: &Inputs<'_>) {
        let freeze = self.freeze.as_ref();
        let is_frozen = |estimate: &Estimate| freeze.is_some_and(|freeze| freeze.touches(estimate));
        self.trials.hear(self.estimates.iter(), inputs.markers, is_frozen);
        self.estimates
            .iter()
            .filter(|(estimate, _)| !is_frozen(estimate))
            .for_each(|(estimate, _)| self.scores.take(estimate));
    }

    /// The set point that holds, also where it is relative to a baseline.
    pub(super) fn set_point_at(&self, now_ns: i64) -> Option<f64> {
        let set_point = self.schedule.set_point_at(now_ns)?;
        if set_point.is_nan() { self.scores.set_point_uv() } else { Some(set_point) }
    }

    /// Whether the set point of the block that runs is relative to a baseline.
    pub(super) fn is_scored(&self) -> bool {
        let block = self.schedule.block();
        matches!(block, Some((BlockKind::Hold { set_point: SetPointPlan::Scored(_), .. }, _)))
    }

    /// Aims at the set point that is relative to a baseline, from an instant on; at none where the baseline failed.
    pub(super) fn retarget(&mut self, now_ns: i64, from_ns: i64) {
        if let Some(controller) = &mut self.controller {
            match self.scores.set_point_uv() {
                Some(uv) => aim(controller, uv, now_ns, from_ns),
                None => controller.release(),
            }
        }
    }

    /// Time in which full contrast is reached.
    pub(super) fn longest_ramp_ns(&self) -> i64 {
        (1e9 / self.interlock.slew_per_s(self.slew_per_s())) as i64
    }
}

/// A set point in uV of the decoder, from an instant on: the controller compares what a calibration has scaled.
fn aim(controller: &mut Controller, uv: f64, now_ns: i64, from_ns: i64) {
    let set_point = SetPointPlan::Constant { uv: uv * controller.scale() };
    controller.hold(set_point, now_ns, now_ns, from_ns);
}
