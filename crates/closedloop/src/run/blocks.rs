//! What happens where a block begins and where it ends.

use timeline::NoticeKind;

use super::Loop;
use crate::decoder::Decoder;
use crate::plan::BlockKind;
use crate::schedule::Advance;
use crate::screen::Cause;
use crate::set_point::SetPointPlan;
use crate::turn::Outputs;

impl Loop {
    /// Ends and begins blocks as their time comes.
    pub(super) fn follow_schedule(&mut self, cause: Cause, outputs: &mut Outputs) {
        let now_ns = cause.now_ns;
        while self.begun && !self.ending && !self.flow.is_paused() {
            let answered = match &self.decoder {
                Some(Decoder::Cca(listener)) => listener.answered(),
                _ => 0,
            };
            let done = match self.schedule.block() {
                Some((BlockKind::Listen { until_cues }, _)) => {
                    answered - self.answered_before >= u64::from(until_cues)
                }
                Some((BlockKind::Flash(_), _)) => self.flasher.is_done(),
                Some((BlockKind::Steer(_), _)) => self.steering.is_done(),
                Some((BlockKind::Trial(_), _)) => self.trials.is_done(),
                Some((BlockKind::Prompt(_) | BlockKind::Task(_), _)) => self.flow.is_done(),
                _ => false,
            };
            let done =
                done || (self.schedule.block().is_some() && core::mem::take(&mut self.flow.asked.skip));
            match self.schedule.advance(now_ns, done, outputs) {
                Some(Advance::Began(kind, start_ns)) => {
                    self.answered_before = answered;
                    self.begin(kind, start_ns, now_ns, outputs);
                }
                Some(Advance::Ended(kind)) => self.finish(kind, cause, outputs),
                None => break,
            }
        }
        if self.schedule.is_over() {
            self.end();
        }
    }

    fn begin(&mut self, kind: BlockKind, start_ns: i64, now_ns: i64, outputs: &mut Outputs) {
        let block = self.schedule.index();
        let from_ns = now_ns.max(self.resumed_ns);
        self.scores.begin(block, from_ns + self.longest_ramp_ns());
        match kind {
            BlockKind::Calibrate { contrast, on_ns, off_ns, .. } => {
                let ramp_ns = (contrast / self.slew_per_s() * 1e9) as i64;
                if let Some(Decoder::Ssvep(ssvep)) = &mut self.decoder {
                    ssvep.begin_calibration(start_ns, on_ns, off_ns, ramp_ns);
                }
                self.let_through.begin(start_ns);
            }
            BlockKind::Hold { set_point: SetPointPlan::Scored(_), .. } => self.retarget(now_ns, from_ns),
            BlockKind::Hold { set_point, .. } => {
                if let Some(controller) = &mut self.controller {
                    controller.hold(set_point, start_ns, now_ns, now_ns.max(self.resumed_ns));
                }
            }
            BlockKind::Trial(plan) => self.trials.begin(block, plan, from_ns),
            BlockKind::Prompt(_) | BlockKind::Task(_) => self.flow.begin(&kind, block, from_ns),
            BlockKind::Flash(flash) => {
                if let Some(gate) = &mut self.onset {
                    let dark_ns = self.screen.dark_ns(now_ns);
                    self.flasher.begin(flash, start_ns.max(self.resumed_ns), dark_ns, gate);
                }
            }
            BlockKind::Rest => {
                if let Some(gate) = &mut self.onset {
                    gate.rest(start_ns, self.schedule.next_ns(now_ns));
                }
            }
            BlockKind::Steer(plan) => match self.distrusted.filter(|_| plan.needs_trust) {
                Some(ratio) => {
                    outputs.notice(now_ns, NoticeKind::NotSteered, None, 0, ratio);
                    self.steering.skip(plan, now_ns);
                }
                None => self.steering.begin(plan, now_ns.max(self.resumed_ns)),
            },
            _ => {}
        }
    }

    fn finish(&mut self, kind: BlockKind, cause: Cause, outputs: &mut Outputs) {
        let now_ns = cause.now_ns;
        self.steering.end(now_ns, outputs);
        self.trials.end(cause, outputs);
        self.flow.end(self.freeze.as_ref(), cause, outputs);
        // The schedule stands at the next one already.
        self.scores.end(self.schedule.last(), now_ns, outputs);
        let next_holds = self.schedule.set_point_at(now_ns).is_some();
        if let (Some(controller), false) = (&mut self.controller, next_holds) {
            controller.release();
        }
        if let (BlockKind::Flash(_) | BlockKind::Steer(_), Some(gate)) = (kind, &mut self.onset) {
            self.flasher.end(gate);
        }
        let BlockKind::Calibrate { contrast, .. } = kind else { return };
        let Some(Decoder::Ssvep(ssvep)) = &mut self.decoder else { return };
        let source = Some(ssvep.front.source);
        let result = ssvep.end_calibration();
        self.distrusted = (!result.trusted).then_some(result.ratio);
        if result.trusted {
            outputs.notice(now_ns, NoticeKind::Calibrated, source, 0, result.amplitude_uv);
        } else {
            outputs.notice(now_ns, NoticeKind::CalibrationFailed, source, 0, result.ratio);
        }
        if let Some(controller) = &mut self.controller {
            controller.calibrate(&result, self.let_through.mean(now_ns) * contrast);
        }
        if let Some(feed) = &mut self.feed {
            feed.calibrate(&result);
        }
    }

    pub(super) fn end(&mut self) {
        self.ending = true;
        if let Some(controller) = &mut self.controller {
            controller.release();
        }
        if let Some(gate) = &mut self.onset {
            self.flasher.end(gate);
        }
    }
}
