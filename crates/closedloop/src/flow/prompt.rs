//! An instruction, a rating, a break or a wait as it runs.

use timeline::{AttemptOutcome, SceneId};

use super::plan::PromptPlan;
use super::watch::{Told, Watch};
use crate::screen::Cause;
use crate::turn::{Inputs, Outputs};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) plan: PromptPlan,
    block: u64,
    watch: Watch,
    repeat: u64,
}

impl Prompt {
    pub(crate) fn new(plan: PromptPlan, block: usize, from_ns: i64) -> Self {
        let watch = Watch::new(scene_of(&plan), from_ns);
        Self { plan, block: block as u64, watch, repeat: 0 }
    }

    pub(crate) fn hear(&mut self, inputs: &Inputs<'_>) {
        inputs.flips.iter().for_each(|flip| self.watch.see(flip));
        if self.is_done() {
            return;
        }
        let from_ns = self.watch.begin_ns() + self.plan.least_ns;
        // What is to be read first has to be there first.
        let from_ns = match (self.plan.shown, self.watch.onset_ns()) {
            (Some(_), None) => return,
            (Some(_), Some(onset_ns)) => from_ns.max(onset_ns),
            (None, _) => from_ns,
        };
        self.watch.press = self.plan.buttons.presses(inputs).find(|press| press.at_ns >= from_ns);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.watch.press.is_some()
    }

    pub(crate) fn begun(&mut self, command: u64, now_ns: i64) {
        if self.watch.command.is_none() {
            self.watch.shown_by(command, now_ns);
        }
    }

    /// The screen went to grey: it is shown again when that is over.
    pub(crate) fn interrupt(&mut self, cause: Cause, next_index: &mut u64, out: &mut Outputs) {
        if self.is_done() || self.watch.command.is_none() {
            return;
        }
        self.close(AttemptOutcome::Interrupted, true, cause, next_index, out);
        self.repeat += 1;
        self.watch = Watch::new(scene_of(&self.plan), cause.now_ns);
    }

    pub(crate) fn end(&self, cause: Cause, next_index: &mut u64, out: &mut Outputs) {
        let outcome = if self.is_done() { AttemptOutcome::Answered } else { AttemptOutcome::NoResponse };
        self.close(outcome, false, cause, next_index, out);
    }

    fn close(
        &self,
        outcome: AttemptOutcome,
        again: bool,
        cause: Cause,
        next_index: &mut u64,
        out: &mut Outputs,
    ) {
        let told = Told {
            index: *next_index,
            turn: cause.turn,
            block: self.block,
            trial: 0,
            repeat: self.repeat,
            condition: None,
            practice: false,
            correct: None,
            outcome,
            again,
            closed_ns: cause.now_ns,
        };
        // Two at most in a turn: one by a press, one by the end of everything.
        if out.attempts.try_push(self.watch.record(&told)).is_ok() {
            *next_index += 1;
        }
    }
}

fn scene_of(plan: &PromptPlan) -> SceneId {
    plan.shown.map_or(SceneId::GREY, |(scene, _)| scene)
}
