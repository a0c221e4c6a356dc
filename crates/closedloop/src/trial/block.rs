//! A block of trials as it runs: choose, show, take the answer, learn, choose again.

use timeline::{Marker, SceneId, Trial, TrialOutcome};

use super::plan::{AnswerPlan, ContextPlan, ProcedurePlan, TrialsPlan};
use super::{Answer, Bandit, BanditRule, Proposal, TrialController};
use crate::controller::RESPONSE_LATENCY_NS;
use crate::decoder::Estimate;
use crate::plan::{BlockKind, Plan, PrepareError};
use crate::screen::Cause;
use crate::steer::LAST_WINDOW_NS;
use crate::turn::Outputs;

/// Numbers in the largest context.
const MOST_CONTEXT: usize = 2;

/// What is to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Choice {
    proposal: Proposal,
    context: [f64; MOST_CONTEXT],
    scene: SceneId,
    contrast: f64,
}

/// What answered.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Heard {
    decision: Option<u64>,
    marker: Option<u64>,
    value: f64,
    spread: f64,
    is_yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    choice: Choice,
    command: u64,
    begin_ns: i64,
    /// From here on samples saw the stimulus at its full contrast.
    steady_ns: i64,
    off_ns: i64,
    /// When it really went off.
    ended_ns: Option<i64>,
    heard: Option<Heard>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// No block of trials runs.
    Off,
    /// Nothing is on the screen until an instant.
    Gap { until_ns: i64 },
    /// The stimulus is chosen and not yet on the screen.
    Ready(Choice),
    /// It is on the screen, or was just now.
    Shown(Shown),
}

/// What the screen should show now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TrialWish {
    /// A stimulus at a contrast.
    Stimulus(SceneId, f64),
    /// Contrast zero.
    Nothing,
}

/// Runs the blocks of trials of a session.
#[derive(Debug, Clone)]
pub(crate) struct Trials {
    /// One per block of trials, with the block's index.
    controllers: Vec<(usize, TrialController)>,
    /// The plan of the block that runs, and the place of its controller.
    running: Option<(TrialsPlan, usize)>,
    phase: Phase,
    begun_ns: i64,
    shown: u32,
    /// The answer before, in standard errors.
    previous_sd: f64,
    next_index: u64,
}

impl Trials {
    /// Prepares the procedures of all blocks.
    pub(crate) fn prepare(plan: &Plan) -> Result<Self, PrepareError> {
        let mut controllers = Vec::new();
        for (index, block) in plan.blocks.iter().enumerate() {
            if let BlockKind::Trial(trials) = &block.kind {
                controllers.push((index, TrialController::prepare(&trials.procedure.expand(trials.trials))?));
            }
        }
        Ok(Self {
            controllers,
            running: None,
            phase: Phase::Off,
            begun_ns: 0,
            shown: 0,
            previous_sd: 0.0,
            next_index: 0,
        })
    }

    pub(crate) fn reset(&mut self) {
        self.controllers.iter_mut().for_each(|(_, controller)| controller.reset());
        (self.running, self.phase, self.next_index) = (None, Phase::Off, 0);
    }

    /// A block begins; the first trial comes after a gap.
    pub(crate) fn begin(&mut self, block: usize, plan: TrialsPlan, from_ns: i64) {
        self.running =
            self.controllers.iter().position(|(index, _)| *index == block).map(|place| (plan, place));
        self.phase = Phase::Gap { until_ns: from_ns + plan.gap_ns };
        (self.begun_ns, self.shown, self.previous_sd) = (from_ns, 0, 0.0);
    }

    /// The block is over: what is on the screen counts if it was answered.
    pub(crate) fn end(&mut self, cause: Cause, out: &mut Outputs) {
        if let Phase::Shown(shown) = self.phase {
            self.close(shown, cause, out);
        }
        (self.phase, self.running) = (Phase::Off, None);
    }

    /// Every trial was shown, or the procedure knows enough.
    pub(crate) fn is_done(&self) -> bool {
        let Some((plan, place)) = self.running else { return false };
        let over = self.shown >= plan.trials || self.controllers[place].1.is_done();
        over && matches!(self.phase, Phase::Gap { .. })
    }

    /// Takes the decoder's windows and the markers of this turn; the first that answers counts. `is_frozen` says of a window
    /// whether an artefact lies in it.
    pub(crate) fn hear<'a>(
        &mut self,
        estimates: impl Iterator<Item = &'a (Estimate, u64)>,
        markers: &[Marker],
        is_frozen: impl Fn(&Estimate) -> bool,
    ) {
        let (Phase::Shown(shown), Some((plan, _))) = (&mut self.phase, self.running) else { return };
        if shown.heard.is_some() {
            return;
        }
        let until_ns = shown.ended_ns.unwrap_or(shown.off_ns);
        match plan.answer {
            AnswerPlan::Marker { source, yes, no, within_ns } => {
                let counts = |marker: &&Marker| {
                    let is_in_time = (shown.begin_ns..=until_ns + within_ns).contains(&marker.at_ns);
                    marker.source == source
                        && is_in_time
                        && marker.code.is_some_and(|code| code == yes || code == no)
                };
                shown.heard = markers.iter().find(counts).map(|marker| Heard {
                    marker: Some(marker.index),
                    value: f64::NAN,
                    spread: f64::NAN,
                    is_yes: marker.code == Some(yes),
                    decision: None,
                });
            }
            AnswerPlan::Decoded { .. } | AnswerPlan::Amplitude => {
                let criterion_sd = match plan.answer {
                    AnswerPlan::Decoded { criterion_sd } => criterion_sd,
                    _ => 0.0,
                };
                let counts = |(estimate, _): &&(Estimate, u64)| {
                    estimate.start_ns >= shown.steady_ns
                        && estimate.end_ns <= until_ns + RESPONSE_LATENCY_NS
                        && !is_frozen(estimate)
                };
                let found = estimates.into_iter().find(counts);
                shown.heard = found.map(|&(estimate, decision)| Heard {
                    decision: Some(decision),
                    value: estimate.value,
                    spread: estimate.spread,
                    is_yes: estimate.value > criterion_sd * estimate.spread,
                    marker: None,
                });
            }
        }
    }

    /// The screen goes to grey for a reason of its own: the trial is lost.
    pub(crate) fn interrupt(&mut self, cause: Cause, out: &mut Outputs) {
        let Some((plan, _)) = self.running else { return };
        if let Phase::Shown(mut shown) = self.phase {
            shown.heard = None;
            shown.ended_ns.get_or_insert(cause.now_ns);
            self.close(shown, cause, out);
        }
        // What was chosen is chosen again when the screen is back.
        self.phase = Phase::Gap { until_ns: cause.now_ns + plan.gap_ns };
    }

    /// Goes on with the time. `may_show` is false while the screen has to stay as it is.
    pub(crate) fn step(&mut self, may_show: bool, cause: Cause, out: &mut Outputs) -> TrialWish {
        let Some((plan, place)) = self.running else { return TrialWish::Nothing };
        let now_ns = cause.now_ns;
        if let Phase::Gap { until_ns } = self.phase
            && may_show
            && now_ns >= until_ns
            && !self.is_done()
        {
            self.phase = Phase::Ready(self.choose(&plan, place, now_ns));
        }
        match self.phase {
            Phase::Ready(choice) if may_show => TrialWish::Stimulus(choice.scene, choice.contrast),
            Phase::Shown(shown) if now_ns < shown.off_ns => {
                TrialWish::Stimulus(shown.choice.scene, shown.choice.contrast)
            }
            Phase::Shown(mut shown) => {
                let ended_ns = *shown.ended_ns.get_or_insert(now_ns);
                self.phase = Phase::Shown(shown);
                if shown.heard.is_some() || now_ns >= ended_ns + patience_ns(&plan) {
                    self.close(shown, cause, out);
                    self.phase = Phase::Gap { until_ns: ended_ns + plan.gap_ns };
                }
                TrialWish::Nothing
            }
            _ => TrialWish::Nothing,
        }
    }

    /// A command began what [`Trials::step`] wished for; its contrast is reached at `steady_ns`.
    pub(crate) fn begun(&mut self, command: u64, steady_ns: i64, now_ns: i64) {
        let (Phase::Ready(choice), Some((plan, _))) = (self.phase, self.running) else { return };
        self.shown += 1;
        self.phase = Phase::Shown(Shown {
            choice,
            command,
            begin_ns: now_ns,
            steady_ns: steady_ns + RESPONSE_LATENCY_NS,
            off_ns: now_ns + plan.on_ns,
            ended_ns: None,
            heard: None,
        });
    }

    /// When [`Trials::step`] has something to do even if nothing comes.
    pub(crate) fn next_ns(&self, now_ns: i64) -> i64 {
        let Some((plan, _)) = self.running else { return i64::MAX };
        match self.phase {
            Phase::Off => i64::MAX,
            // When it is over and the screen may show nothing, whatever changes that is a turn of its own.
            Phase::Gap { until_ns } => {
                if until_ns > now_ns {
                    until_ns
                } else {
                    i64::MAX
                }
            }
            // The screen could not take it: it is asked again with whatever comes.
            Phase::Ready(_) => i64::MAX,
            Phase::Shown(shown) => {
                shown.ended_ns.map_or(shown.off_ns, |ended_ns| ended_ns + patience_ns(&plan))
            }
        }
    }

    fn choose(&mut self, plan: &TrialsPlan, place: usize, now_ns: i64) -> Choice {
        let mut context = [0.0; MOST_CONTEXT];
        if let ProcedurePlan::Bandit(arms) = &plan.procedure {
            self.fill(&mut context, arms.context, now_ns);
        }
        let proposal = self.controllers[place].1.propose(&context);
        let (scene, contrast) = match &plan.procedure {
            ProcedurePlan::Bandit(arms) => {
                let arm = arms.arms()[proposal.index];
                (arm.scene, arm.contrast)
            }
            _ => (plan.scene, libm::pow(10.0, proposal.level).min(1.0)),
        };
        Choice { proposal, context, scene, contrast }
    }

    fn fill(&self, context: &mut [f64; MOST_CONTEXT], plan: ContextPlan, now_ns: i64) {
        let minutes = (now_ns - self.begun_ns) as f64 / 60e9;
        let known = [(plan.previous_sd, self.previous_sd), (plan.minutes, minutes)];
        let wanted = known.into_iter().filter(|(is_wanted, _)| *is_wanted);
        context.iter_mut().zip(wanted).for_each(|(number, (_, value))| *number = value);
    }

    /// The procedure learns from the answer, if there is one, and the trial goes on record.
    fn close(&mut self, shown: Shown, cause: Cause, out: &mut Outputs) {
        let Some((plan, place)) = self.running else { return };
        let Choice { proposal, context, scene, contrast } = shown.choice;
        let (block, controller) = &mut self.controllers[place];
        let outcome = match shown.heard {
            None => TrialOutcome::Lost,
            Some(heard) => {
                let (answer, outcome) = match (plan.answer, heard.is_yes) {
                    (AnswerPlan::Amplitude, _) => (Answer::Reward(heard.value), TrialOutcome::Reward),
                    (_, true) => (Answer::Correct(true), TrialOutcome::Yes),
                    (_, false) => (Answer::Correct(false), TrialOutcome::No),
                };
                controller.answer(proposal, &context, answer);
                outcome
            }
        };
        let (estimate, estimate_sd) = known(controller, proposal, &context);
        let silent = Heard { value: f64::NAN, spread: f64::NAN, ..Heard::default() };
        let heard = shown.heard.unwrap_or(silent);
        if heard.spread > 0.0 {
            self.previous_sd = heard.value / heard.spread;
        }
        // At most two end in a turn: one by its time, one by the block's.
        let _ = out.trials.try_push(Trial {
            index: self.next_index,
            turn: cause.turn,
            block: *block as u64,
            command: shown.command,
            scene,
            choice: proposal.index as u64,
            contrast,
            begin_ns: shown.begin_ns,
            end_ns: shown.ended_ns.unwrap_or(cause.now_ns),
            decision: heard.decision,
            marker: heard.marker,
            value: heard.value,
            spread: heard.spread,
            outcome,
            estimate,
            estimate_sd,
        });
        self.next_index += 1;
    }
}

/// How long after its end a trial may be answered.
fn patience_ns(plan: &TrialsPlan) -> i64 {
    match plan.answer {
        // What a key says takes its way here.
        AnswerPlan::Marker { within_ns, .. } => within_ns + LAST_WINDOW_NS,
        AnswerPlan::Decoded { .. } | AnswerPlan::Amplitude => LAST_WINDOW_NS,
    }
}

/// What a procedure knows: the threshold, or the reward of what was shown.
fn known(controller: &mut TrialController, proposal: Proposal, context: &[f64]) -> (f64, f64) {
    if let TrialController::Bandit(bandit) = controller {
        return expected(bandit, proposal.index, context);
    }
    match controller.estimate() {
        None => (f64::NAN, f64::NAN),
        Some((level, sd)) => (level, sd.unwrap_or(f64::NAN)),
    }
}

fn expected(bandit: &mut Bandit, arm: usize, context: &[f64]) -> (f64, f64) {
    let (mean, variance) = bandit.expect(arm, context);
    let sd = match bandit.rule() {
        BanditRule::Thompson { noise_sd } => noise_sd * libm::sqrt(variance),
        // It supposes no scale of the rewards.
        BanditRule::LinUcb { .. } => f64::NAN,
    };
    (mean, sd)
}
