//! The part of a turn that is about people: what the operator asks for, and what a block for people shows.

use timeline::{Act, Device, NoticeKind, Ramp, SceneId};

use super::Loop;
use crate::decoder::Decoder;
use crate::flow::Wish;
use crate::plan::BlockKind;
use crate::screen::Cause;
use crate::set_point::SetPointPlan;
use crate::turn::{Inputs, Outputs};

impl Loop {
    /// Whether the operator ended the run.
    pub fn was_aborted(&self) -> bool {
        self.flow.asked.aborted
    }

    /// Presses of the participant and acts of the operator.
    pub(super) fn hear_people(&mut self, inputs: &Inputs<'_>, cause: Cause, outputs: &mut Outputs) {
        self.flow.hear(inputs);
        for response in inputs.responses.iter().filter(|response| response.device == Device::Operator) {
            let Some(act) = Act::of(response.code).filter(|_| response.pressed) else { continue };
            let is_paused = self.flow.is_paused();
            match act {
                Act::Pause | Act::Toggle if !is_paused && self.begun && !self.ending => {
                    let block = self.schedule.index() as i64;
                    outputs.notice(cause.now_ns, NoticeKind::Paused, None, block, 0.0);
                    self.flow.asked.paused_ns = Some(cause.now_ns);
                }
                Act::Continue | Act::Toggle if is_paused => self.go_on(cause, outputs),
                Act::Skip if self.begun && !self.ending => {
                    let block = self.schedule.index() as i64;
                    outputs.notice(cause.now_ns, NoticeKind::BlockSkipped, None, block, 0.0);
                    self.flow.asked.skip = true;
                    if is_paused {
                        self.go_on(cause, outputs);
                    }
                }
                Act::Abort if !self.ending => {
                    outputs.notice(cause.now_ns, NoticeKind::Aborted, None, 0, 0.0);
                    self.flow.asked.aborted = true;
                    self.end();
                }
                _ => {}
            }
        }
    }

    /// Time goes on where it stood still.
    fn go_on(&mut self, cause: Cause, outputs: &mut Outputs) {
        let Some(paused_ns) = self.flow.asked.paused_ns.take() else { return };
        let (now_ns, away_ns) = (cause.now_ns, cause.now_ns - paused_ns);
        outputs.notice(now_ns, NoticeKind::Continued, None, away_ns, 0.0);
        self.schedule.shift(away_ns);
        let from_ns = now_ns + self.plan.grey_ramp_ns;
        let Some((kind, start_ns)) = self.schedule.block() else { return };
        match kind {
            // Half a calibration is none: it begins anew.
            BlockKind::Calibrate { contrast, on_ns, off_ns, .. } => {
                self.schedule.restart(now_ns);
                let ramp_ns = (contrast / self.slew_per_s() * 1e9) as i64;
                if let Some(Decoder::Ssvep(ssvep)) = &mut self.decoder {
                    ssvep.begin_calibration(now_ns, on_ns, off_ns, ramp_ns);
                }
            }
            // The rhythm at rest is learnt from one stretch.
            BlockKind::Rest if self.onset.is_some() => {
                self.schedule.restart(now_ns);
                let end_ns = self.schedule.next_ns(now_ns);
                if let Some(gate) = &mut self.onset {
                    gate.rest(now_ns, end_ns);
                }
            }
            BlockKind::Hold { set_point: SetPointPlan::Scored(_), .. } => {}
            BlockKind::Hold { set_point, .. } => {
                if let Some(controller) = &mut self.controller {
                    controller.hold(set_point, start_ns, now_ns, from_ns);
                }
            }
            _ => {}
        }
    }

    /// Shows what a block for people wants.
    pub(super) fn guide(&mut self, may_show: bool, cause: Cause, outputs: &mut Outputs) {
        let commands = outputs.commands.len();
        let (wish, ramp_ns) = self.flow.step(may_show, self.freeze.as_ref(), cause, outputs);
        match (wish, ramp_ns) {
            (Some((scene, contrast)), None) if may_show => {
                self.steer(scene, contrast, cause, outputs);
                let shown = outputs.commands.get(commands);
                if let Some(command) = shown.filter(|command| command.scene == scene)
                    && command.contrast.to > 0.0
                {
                    self.flow.begun(command.index, scene, cause.now_ns);
                }
            }
            (Some(_), None) => {}
            (None, None) => {
                self.screen.fade(cause, outputs);
                self.screen.settle_grey(cause, outputs);
            }
            (wish, Some(ramp_ns)) => {
                if let Some((command, scene)) = self.bring(wish, ramp_ns, cause, outputs) {
                    self.flow.begun(command, scene, cause.now_ns);
                }
            }
        }
    }

    /// Brings something to the screen, or clears it, within `ramp_ns`; the command that did bring it.
    fn bring(
        &mut self,
        wish: Wish,
        ramp_ns: i64,
        cause: Cause,
        outputs: &mut Outputs,
    ) -> Option<(u64, SceneId)> {
        let now_ns = cause.now_ns;
        let (on, lit) = (self.screen.scene(), self.screen.ramp().at(now_ns));
        let ramp = |from: f64, to: f64| Ramp { from, to, start_ns: now_ns, end_ns: now_ns + ramp_ns };
        let is_there = |(scene, contrast): (SceneId, f64)| scene == on && self.screen.ramp().to == contrast;
        if wish.is_some_and(is_there) {
            return None;
        }
        // What was on falls first, unless that takes no time.
        if lit > 0.0 && (ramp_ns > 0 || wish.is_none()) {
            if self.screen.ramp().to > 0.0 {
                let _ = self.screen.program(on, ramp(lit, 0.0), cause, outputs);
            }
            return None;
        }
        let Some((scene, contrast)) = wish else {
            self.screen.settle_grey(cause, outputs);
            return None;
        };
        if self.interlock.must_pause(now_ns, now_ns, self.screen.ramp(), outputs) {
            return None;
        }
        let command = self.screen.program(scene, ramp(0.0, contrast), cause, outputs)?;
        Some((command, scene))
    }
}
