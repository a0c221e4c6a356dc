//! The part of a turn that brings a planner's pictures to the screen.

use timeline::StateAtOnset;

use super::Loop;
use crate::onset::Rise;
use crate::screen::{Cause, Shown};
use crate::steer::{Start, SteerPlan, Wish};
use crate::turn::Outputs;

/// A picture of the block, as it comes.
fn shown(plan: &SteerPlan, picture: u64) -> Shown {
    Shown { scene: plan.scene, picture: Some(picture), goes_over: plan.cross_fade_ns > 0 }
}

impl Loop {
    /// Shows what the planner proposed, or nothing between two pictures.
    pub(super) fn present(&mut self, plan: &SteerPlan, may_show: bool, cause: Cause, outputs: &mut Outputs) {
        match self.steering.step(may_show, cause, outputs) {
            Wish::Picture(picture) => {
                let commands = outputs.commands.len();
                self.steer(shown(plan, picture), plan.contrast, cause, outputs);
                if let Some(command) = outputs.commands.get(commands).copied() {
                    let (onset_ns, all_ns) = (cause.now_ns, cause.now_ns + plan.cross_fade_ns);
                    let steady_ns = command.contrast.end_ns.max(all_ns);
                    let start =
                        Start { command: command.index, onset_ns, steady_ns, state: StateAtOnset::UNKNOWN };
                    self.steering.begun(start, cause.now_ns);
                }
            }
            Wish::Stay(picture) => self.steer(shown(plan, picture), plan.contrast, cause, outputs),
            Wish::Await { picture, from_ns } => self.await_state(plan, picture, from_ns, cause, outputs),
            Wish::Nothing => {
                self.screen.fade(cause, outputs);
                self.screen.settle_grey(cause, outputs);
            }
        }
    }

    /// A picture waits for a state of the brain, in front of a grey screen.
    fn await_state(
        &mut self,
        plan: &SteerPlan,
        picture: u64,
        from_ns: i64,
        cause: Cause,
        outputs: &mut Outputs,
    ) {
        self.screen.fade(cause, outputs);
        self.screen.settle_grey(cause, outputs);
        let slew_per_s = self.slew_per_s();
        let allowed_per_s = self.interlock.slew_per_s(slew_per_s);
        let (Some(gate), Some(rule)) = (&mut self.onset, plan.rule) else { return };
        if !gate.waits() {
            // The samples that decide its first refresh are still to come, and what was on is gone there.
            let least_ns = self.screen.dark_ns(cause.now_ns) + gate.planned_within_ns();
            gate.wait(rule, from_ns.max(least_ns).max(self.resumed_ns));
        }
        if self.screen.ramp().at(cause.now_ns) > 0.0 {
            return;
        }
        let shown = shown(plan, picture);
        let ramp_ns = libm::ceil(plan.contrast / allowed_per_s * 1e9) as i64;
        let rise = Rise { shown, contrast: plan.contrast, ramp_ns, rule, again_ns: plan.gap_ns };
        let begun = gate.begin(&rise, cause, &mut self.interlock, &mut self.screen, outputs);
        let Some(begun) = begun else { return };
        if allowed_per_s < slew_per_s && begun.command.is_some() {
            self.interlock.slowed(cause.now_ns, slew_per_s, outputs);
        }
        self.steering.waited(&begun, cause.now_ns);
    }
}
