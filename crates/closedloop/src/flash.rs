//! Brief presentations of one stimulus, each at an onset of its own.

use timeline::SceneId;

use crate::interlock::Interlock;
use crate::onset::{OnsetGate, OnsetRule, Rise};
use crate::screen::{Cause, Screen};
use crate::turn::Outputs;

/// A block of presentations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlashPlan {
    /// The stimulus.
    pub scene: SceneId,
    /// Contrast while on, 0..=1.
    pub contrast: f64,
    /// Time in which contrast rises and falls; 0 for a step, which no `[limits]` allow.
    pub ramp_ns: i64,
    /// From the first photon to the refresh at which contrast falls.
    pub on_ns: i64,
    /// From that refresh, or the block's begin, to the first instant at which the next may begin.
    pub gap_ns: i64,
    /// How many; those that are left out count.
    pub count: u32,
    /// What each waits for.
    pub rule: OnsetRule,
}

/// Runs the presentations of a block.
#[derive(Debug, Clone)]
pub(crate) struct Flasher {
    plan: Option<FlashPlan>,
    begun: u32,
    /// The refresh at which what is on goes off.
    off_ns: Option<i64>,
}

impl Flasher {
    pub(crate) const fn new() -> Self {
        Self { plan: None, begun: 0, off_ns: None }
    }

    /// A block begins; what the one before it left on the screen is gone at `dark_ns`.
    pub(crate) fn begin(&mut self, plan: FlashPlan, start_ns: i64, dark_ns: i64, gate: &mut OnsetGate) {
        self.plan = Some(plan);
        (self.begun, self.off_ns) = (0, None);
        gate.wait(plan.rule, (start_ns + plan.gap_ns).max(dark_ns + gate.planned_within_ns()));
    }

    /// The block is over.
    pub(crate) fn end(&mut self, gate: &mut OnsetGate) {
        self.plan = None;
        self.interrupt(gate);
    }

    /// The screen goes to grey in the middle of the block.
    pub(crate) fn interrupt(&mut self, gate: &mut OnsetGate) {
        self.off_ns = None;
        gate.cancel();
    }

    /// The screen went to grey in the middle of the block, and is back from an instant on.
    pub(crate) fn resume(&mut self, from_ns: i64, gate: &mut OnsetGate) {
        self.off_ns = None;
        if let Some(plan) = self.plan.filter(|plan| self.begun < plan.count) {
            gate.wait(plan.rule, from_ns + plan.gap_ns);
        }
    }

    /// Every presentation has been shown or left out.
    pub(crate) fn is_done(&self) -> bool {
        self.plan.is_some_and(|plan| self.begun >= plan.count) && self.off_ns.is_none()
    }

    /// Ends what is on when its time comes and, if `may_begin`, begins what is due.
    pub(crate) fn step(
        &mut self,
        may_begin: bool,
        cause: Cause,
        gate: &mut OnsetGate,
        interlock: &mut Interlock,
        screen: &mut Screen,
        out: &mut Outputs,
    ) {
        let Some(plan) = self.plan else { return };
        let half_ns = gate.refresh_ns() / 2;
        if let Some(off_ns) = self.off_ns.filter(|off_ns| cause.now_ns >= last_call_ns(*off_ns, half_ns)) {
            let falling = gate.course(plan.contrast, 0.0, off_ns, plan.ramp_ns, cause.now_ns);
            let _ = screen.program(plan.scene, falling, cause, out);
            self.off_ns = None;
        }
        if self.off_ns.is_some() {
            return;
        }
        if screen.ramp().to > 0.0 {
            // What the block before left.
            screen.fade(cause, out);
        }
        let is_falling = plan.ramp_ns > 0 && screen.ramp().at(cause.now_ns) > 0.0;
        if !may_begin || is_falling || self.begun >= plan.count {
            return;
        }
        let FlashPlan { contrast, ramp_ns, rule, gap_ns: again_ns, .. } = plan;
        let rise = Rise { shown: plan.scene.into(), contrast, ramp_ns, rule, again_ns };
        let Some(begun) = gate.begin(&rise, cause, interlock, screen, out) else { return };
        let is_shown = begun.state.outcome.is_shown();
        let off_ns = begun.state.photon_ns + if is_shown { plan.on_ns } else { 0 };
        self.off_ns = is_shown.then_some(off_ns);
        self.begun += 1;
        if self.begun < plan.count {
            let steps = plan.ramp_ns == 0;
            // The fall is over when the next is planned, unless it takes no time.
            let least_ns = if steps { 0 } else { plan.ramp_ns + gate.planned_within_ns() };
            gate.wait(plan.rule, off_ns + plan.gap_ns.max(least_ns));
        }
    }

    /// When the next step has to come at the latest.
    pub(crate) fn next_ns(&self, gate: &OnsetGate, may_begin: bool) -> i64 {
        let off_ns = self.off_ns.map_or(i64::MAX, |off_ns| last_call_ns(off_ns, gate.refresh_ns() / 2));
        if may_begin { off_ns.min(gate.next_ns()) } else { off_ns }
    }
}

/// The display draws a frame one refresh ahead, from the newest command: in the middle of the refresh before that, the
/// frame before has been drawn and this one has not.
fn last_call_ns(photon_ns: i64, half_ns: i64) -> i64 {
    photon_ns - 3 * half_ns
}
