//! Brief presentations of one stimulus, each at an onset of its own.

use timeline::{Onset, Ramp, SceneId};

use crate::onset::{OnsetGate, OnsetRule, OnsetState};
use crate::run::Outputs;
use crate::screen::{Cause, Screen};

/// A block of presentations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlashPlan {
    /// The stimulus.
    pub scene: SceneId,
    /// Contrast while on, 0..=1.
    pub contrast: f64,
    /// Time in which contrast rises and falls; 0 for a step.
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
    next_index: u64,
}

impl Flasher {
    pub(crate) const fn new() -> Self {
        Self { plan: None, begun: 0, off_ns: None, next_index: 0 }
    }

    /// A block begins.
    pub(crate) fn begin(&mut self, plan: FlashPlan, start_ns: i64, gate: &mut OnsetGate) {
        self.plan = Some(plan);
        (self.begun, self.off_ns) = (0, None);
        gate.wait(plan.rule, start_ns + plan.gap_ns);
    }

    /// The block is over, or the screen goes to grey.
    pub(crate) fn end(&mut self, gate: &mut OnsetGate) {
        self.plan = None;
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
        screen: &mut Screen,
        out: &mut Outputs,
    ) {
        let Some(plan) = self.plan else { return };
        let half_ns = gate.refresh_ns() / 2;
        if let Some(off_ns) = self.off_ns.filter(|off_ns| cause.now_ns >= last_call_ns(*off_ns, half_ns)) {
            let start_ns = off_ns - half_ns;
            let ramp = Ramp { from: plan.contrast, to: 0.0, start_ns, end_ns: start_ns + plan.ramp_ns };
            let _ = screen.program(plan.scene, ramp, cause, out);
            self.off_ns = None;
        }
        if !may_begin || self.off_ns.is_some() || self.begun >= plan.count {
            return;
        }
        let Some(state) = gate.ready(cause.now_ns, out) else { return };
        let is_shown = state.outcome.is_shown();
        let command = is_shown.then(|| {
            // From half a refresh before: the frame's onset may be predicted a little early.
            let start_ns = state.photon_ns - half_ns;
            let ramp = Ramp { from: 0.0, to: plan.contrast, start_ns, end_ns: start_ns + plan.ramp_ns };
            screen.program(plan.scene, ramp, cause, out)
        });
        let off_ns = state.photon_ns + if is_shown { plan.on_ns } else { 0 };
        self.off_ns = is_shown.then_some(off_ns);
        self.begun += 1;
        self.record(&plan, &state, command.flatten(), cause, gate, out);
        if self.begun < plan.count {
            gate.wait(plan.rule, off_ns + plan.gap_ns);
        }
    }

    fn record(
        &mut self,
        plan: &FlashPlan,
        state: &OnsetState,
        command: Option<u64>,
        cause: Cause,
        gate: &OnsetGate,
        out: &mut Outputs,
    ) {
        // At most one begins in a turn.
        let _ = out.onsets.try_push(Onset {
            index: self.next_index,
            turn: cause.turn,
            command,
            source: gate.source(),
            end_sample: state.end_sample,
            sample_ns: state.sample_ns,
            photon_ns: state.photon_ns,
            phase_rad: state.phase_rad,
            resultant: state.resultant,
            power: state.power,
            quiet: state.quiet,
            wanted_rad: plan.rule.phase.map(|phase| phase.wanted_rad),
            waited_ns: state.waited_ns,
            outcome: state.outcome,
        });
        self.next_index += 1;
    }

    /// When the next step has to come at the latest.
    pub(crate) fn next_ns(&self, gate: &OnsetGate) -> i64 {
        let off_ns = self.off_ns.map_or(i64::MAX, |off_ns| last_call_ns(off_ns, gate.refresh_ns() / 2));
        off_ns.min(gate.next_ns())
    }
}

/// The display draws a frame one refresh ahead, from the newest command: in the middle of the refresh before that, the
/// frame before has been drawn and this one has not.
fn last_call_ns(photon_ns: i64, half_ns: i64) -> i64 {
    photon_ns - 3 * half_ns
}
