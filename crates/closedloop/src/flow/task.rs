//! A task as it runs: fixation, stimulus, answer, feedback, gap, the next.
//!
//! What a trial came to is settled at the end of its gap, when late samples and flips are there.

use timeline::{AttemptOutcome, NoticeKind, SceneId};

use super::gaze::Gaze;
use super::plan::{RejectPlan, TaskPlan, TaskTable, TaskTrial};
use super::watch::{Told, Watch};
use crate::neurofeedback::Freeze;
use crate::screen::Cause;
use crate::turn::{Inputs, Outputs};

/// Room in the order for trials that were interrupted, beyond those that may be repeated.
pub(crate) const INTERRUPTIONS: usize = 64;

/// A display that hands over no onset for this long has none.
const ONSET_WITHIN_NS: i64 = 1_000_000_000;

/// What is wanted on the screen; `None` is nothing.
pub(crate) type Wish = Option<(SceneId, f64)>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing until an instant; what the trial before came to is still open.
    Gap { until_ns: i64, open: Option<AttemptOutcome> },
    /// The mark, until an instant at the earliest.
    Fixation { until_ns: i64 },
    /// The stimulus is wanted and not yet on the screen.
    Ready,
    /// It is on, or was just now.
    Shown { is_off: bool },
    /// Feedback until an instant.
    Feedback { wish: (SceneId, f64), until_ns: i64, open: AttemptOutcome },
}

/// A task that runs; its order lies with whoever owns it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Task {
    pub(crate) plan: TaskPlan,
    block: u64,
    phase: Phase,
    /// Place in the order of the next trial.
    next: usize,
    trial: TaskTrial,
    stimulus: (SceneId, f64),
    correct: Option<u64>,
    watch: Watch,
    broken: bool,
    closed_ns: i64,
    refresh_ns: i64,
}

/// What lies with the owner.
pub(crate) struct Desk<'a> {
    pub(crate) table: &'a TaskTable,
    /// The order, with what is attempted again at its end.
    pub(crate) queue: &'a mut Vec<TaskTrial>,
    pub(crate) gaze: Option<&'a Gaze>,
    pub(crate) freeze: Option<&'a Freeze>,
    pub(crate) next_index: &'a mut u64,
}

impl Task {
    /// A block begins; the first trial comes after its gap.
    pub(crate) fn new(
        plan: TaskPlan,
        block: usize,
        from_ns: i64,
        refresh_ns: i64,
        table: &TaskTable,
        queue: &mut Vec<TaskTrial>,
    ) -> Self {
        queue.clear();
        queue.extend(table.trials.iter().take(queue.capacity()));
        Self {
            plan,
            block: block as u64,
            phase: Phase::Gap { until_ns: from_ns + waits(table, 0)[1], open: None },
            next: 0,
            trial: TaskTrial::new(0, 0),
            stimulus: (SceneId::GREY, 0.0),
            correct: None,
            watch: Watch::new(SceneId::GREY, from_ns),
            broken: false,
            closed_ns: from_ns,
            refresh_ns,
        }
    }

    pub(crate) fn is_done(&self, queue: &[TaskTrial]) -> bool {
        self.next >= queue.len() && matches!(self.phase, Phase::Gap { open: None, .. })
    }

    /// Flips, presses and gaze of a turn.
    pub(crate) fn hear(&mut self, inputs: &Inputs<'_>, gaze: Option<&mut Gaze>) {
        inputs.flips.iter().for_each(|flip| self.watch.see(flip));
        if let (Some(gaze), Some(gate)) = (gaze, &self.plan.gate) {
            let on = match self.phase {
                Phase::Shown { is_off: false } => self.watch.onset_ns().map(|onset_ns| (onset_ns, i64::MAX)),
                _ => None,
            };
            self.broken |= gaze.step(inputs.sources, gate, on);
        }
        let counts = match self.phase {
            Phase::Fixation { .. } | Phase::Ready => self.plan.reject.early,
            Phase::Shown { .. } => true,
            _ => false,
        };
        if self.watch.press.is_none() && counts {
            let (from_ns, until_ns) = self.answers_count();
            let mut presses = self.plan.buttons.presses(inputs);
            self.watch.press = presses.find(|press| (from_ns..until_ns).contains(&press.at_ns));
        }
    }

    /// When a press counts: for an answer, or as one too early where such are rejected.
    fn answers_count(&self) -> (i64, i64) {
        let until_ns = self.watch.onset_ns().map_or(i64::MAX, |onset_ns| onset_ns + self.plan.timeout_ns);
        match (self.plan.reject.early, self.watch.onset_ns()) {
            (true, _) => (self.watch.begin_ns(), until_ns),
            (false, Some(onset_ns)) => (onset_ns + self.plan.earliest_ns, until_ns),
            (false, None) => (i64::MAX, i64::MAX),
        }
    }

    /// Goes on with the time. `may_show` is false while the screen has to stay as it is.
    pub(crate) fn step(
        &mut self,
        may_show: bool,
        desk: &mut Desk<'_>,
        cause: Cause,
        out: &mut Outputs,
    ) -> Wish {
        let now_ns = cause.now_ns;
        if let Phase::Feedback { until_ns, open, .. } = self.phase
            && now_ns >= until_ns
        {
            self.phase = self.gap(desk.table, now_ns, Some(open));
        }
        if let Phase::Gap { until_ns, open } = self.phase
            && now_ns >= until_ns
        {
            if let Some(outcome) = open {
                self.settle(outcome, desk, cause, out);
                self.phase = Phase::Gap { until_ns, open: None };
            }
            if may_show && self.next < desk.queue.len() {
                self.begin(desk, now_ns);
            }
        }
        if let Phase::Fixation { until_ns } = self.phase {
            self.fixate(until_ns, may_show, desk, now_ns);
        }
        if let Phase::Ready = self.phase
            && self.watch.press.is_some()
        {
            self.close(AttemptOutcome::Early, desk, now_ns);
        }
        if let Phase::Shown { is_off } = self.phase {
            self.show(is_off, desk, now_ns);
        }
        match self.phase {
            Phase::Gap { .. } => None,
            Phase::Fixation { .. } | Phase::Shown { is_off: true } => self.plan.fixation,
            Phase::Ready if !may_show => self.plan.fixation,
            Phase::Ready | Phase::Shown { is_off: false } => Some(self.stimulus),
            Phase::Feedback { wish, .. } => Some(wish),
        }
    }

    /// A command brought the stimulus that [`Task::step`] wished for.
    pub(crate) fn begun(&mut self, command: u64, scene: SceneId, now_ns: i64) {
        if self.phase == Phase::Ready && scene == self.stimulus.0 {
            self.watch.shown_by(command, now_ns);
            self.phase = Phase::Shown { is_off: false };
        }
    }

    /// When [`Task::step`] has something to do even if nothing comes.
    pub(crate) fn next_ns(&self, now_ns: i64) -> i64 {
        let next_ns = match self.phase {
            Phase::Gap { until_ns, .. } | Phase::Feedback { until_ns, .. } => until_ns,
            Phase::Fixation { until_ns } if until_ns > now_ns => until_ns,
            // A sample decides.
            Phase::Fixation { .. } => {
                self.plan.gate.map_or(i64::MAX, |gate| self.watch.begin_ns() + gate.timeout_ns)
            }
            // The screen could not take it: it is asked again with whatever comes.
            Phase::Ready => i64::MAX,
            Phase::Shown { is_off: false } => self.last_call_ns(),
            Phase::Shown { is_off: true } => self.patience_ns(),
        };
        if next_ns > now_ns { next_ns } else { i64::MAX }
    }

    /// The screen goes to grey for a reason of its own: the trial is attempted again.
    pub(crate) fn interrupt(&mut self, desk: &mut Desk<'_>, cause: Cause, out: &mut Outputs) {
        match self.phase {
            Phase::Gap { .. } => return,
            Phase::Feedback { open, .. } => self.settle(open, desk, cause, out),
            _ => {
                self.closed_ns = cause.now_ns;
                self.settle(AttemptOutcome::Interrupted, desk, cause, out);
            }
        }
        self.phase = self.gap(desk.table, cause.now_ns, None);
    }

    /// The block is over.
    pub(crate) fn end(&mut self, desk: &mut Desk<'_>, cause: Cause, out: &mut Outputs) {
        match self.phase {
            Phase::Gap { open: None, .. } => {}
            Phase::Gap { open: Some(open), .. } | Phase::Feedback { open, .. } => {
                self.settle(open, desk, cause, out);
            }
            _ => {
                self.closed_ns = cause.now_ns;
                self.settle(AttemptOutcome::Cut, desk, cause, out);
            }
        }
        self.phase = Phase::Gap { until_ns: i64::MAX, open: None };
    }

    fn begin(&mut self, desk: &Desk<'_>, now_ns: i64) {
        self.trial = desk.queue[self.next];
        let Some(condition) = desk.table.conditions.get(self.trial.condition) else { return };
        self.stimulus = (condition.scene, condition.contrast);
        self.correct = condition.correct;
        self.watch = Watch::new(condition.scene, now_ns);
        self.broken = false;
        self.phase = Phase::Fixation { until_ns: now_ns + waits(desk.table, self.next)[0] };
        self.next += 1;
    }

    fn fixate(&mut self, until_ns: i64, may_show: bool, desk: &Desk<'_>, now_ns: i64) {
        if self.watch.press.is_some() {
            return self.close(AttemptOutcome::Early, desk, now_ns);
        }
        let begin_ns = self.watch.begin_ns();
        let is_steady = match (&self.plan.gate, desk.gaze) {
            (Some(gate), Some(gaze)) => gaze.is_steady(gate, begin_ns),
            _ => true,
        };
        if is_steady && may_show && now_ns >= until_ns {
            self.phase = Phase::Ready;
        } else if self.plan.gate.is_some_and(|gate| !is_steady && now_ns >= begin_ns + gate.timeout_ns) {
            self.close(AttemptOutcome::NoFixation, desk, now_ns);
        }
    }

    fn show(&mut self, is_off: bool, desk: &Desk<'_>, now_ns: i64) {
        if self.broken {
            return self.close(AttemptOutcome::FixationBroken, desk, now_ns);
        }
        let reaction_ns = self.watch.reaction_ns();
        if reaction_ns.is_some_and(|reaction_ns| reaction_ns < self.plan.earliest_ns) {
            return self.close(AttemptOutcome::Early, desk, now_ns);
        }
        let is_answered = reaction_ns.is_some();
        let is_off = is_off || now_ns >= self.last_call_ns() || (self.plan.until_response && is_answered);
        self.phase = Phase::Shown { is_off };
        if is_answered && is_off {
            let outcome = match (self.correct, self.watch.press) {
                (None, _) | (_, None) => AttemptOutcome::Answered,
                (Some(correct), Some(press)) if press.button == correct => AttemptOutcome::Correct,
                _ => AttemptOutcome::Wrong,
            };
            self.close(outcome, desk, now_ns);
        } else if is_off && now_ns >= self.patience_ns() {
            let outcome = match self.watch.onset_ns() {
                Some(_) => AttemptOutcome::NoResponse,
                // A display that showed nothing.
                None => AttemptOutcome::Interrupted,
            };
            self.close(outcome, desk, now_ns);
        }
    }

    /// The display draws a frame one refresh ahead, from the newest command: in the middle of the refresh before that, the
    /// last frame of the stimulus has been drawn and the next one has not.
    fn last_call_ns(&self) -> i64 {
        match (self.watch.onset_ns(), self.watch.command) {
            (Some(onset_ns), _) => onset_ns + self.plan.on_ns - 3 * self.refresh_ns / 2,
            (None, Some((_, at_ns))) => at_ns + ONSET_WITHIN_NS + self.plan.on_ns,
            (None, None) => i64::MAX,
        }
    }

    /// When no answer can come any more.
    fn patience_ns(&self) -> i64 {
        let from_ns = match (self.watch.onset_ns(), self.watch.command) {
            (Some(onset_ns), _) => onset_ns,
            (None, Some((_, at_ns))) => at_ns + ONSET_WITHIN_NS,
            (None, None) => return i64::MAX,
        };
        from_ns + self.plan.timeout_ns + self.plan.buttons.patience_ns()
    }

    /// The attempt is over: feedback, or the gap at once.
    fn close(&mut self, outcome: AttemptOutcome, desk: &Desk<'_>, now_ns: i64) {
        self.closed_ns = now_ns;
        let feedback = &self.plan.feedback;
        let wish = match outcome {
            AttemptOutcome::Correct => feedback.correct,
            AttemptOutcome::Wrong => feedback.wrong,
            AttemptOutcome::NoResponse | AttemptOutcome::Early => feedback.none,
            _ => None,
        };
        self.phase = match wish {
            Some(wish) => Phase::Feedback { wish, until_ns: now_ns + feedback.on_ns, open: outcome },
            None => self.gap(desk.table, now_ns, Some(outcome)),
        };
    }

    fn gap(&self, table: &TaskTable, now_ns: i64, open: Option<AttemptOutcome>) -> Phase {
        Phase::Gap { until_ns: now_ns + waits(table, self.next)[1], open }
    }

    /// The attempt goes on record, and the trial into the order again where it has to.
    fn settle(&mut self, open: AttemptOutcome, desk: &mut Desk<'_>, cause: Cause, out: &mut Outputs) {
        let (outcome, is_rejected) = self.judge(open, desk.freeze);
        let is_outside = outcome == AttemptOutcome::Interrupted;
        let may_repeat = is_outside || self.trial.rejected < self.plan.repeats;
        let again = is_rejected && may_repeat && desk.queue.len() < desk.queue.capacity();
        let told = Told {
            index: *desk.next_index,
            turn: cause.turn,
            block: self.block,
            trial: self.trial.number,
            repeat: self.trial.repeat,
            condition: Some(self.trial.condition as u64),
            practice: self.plan.practice,
            correct: self.correct.zip(self.watch.press).map(|(correct, press)| press.button == correct),
            outcome,
            again,
            closed_ns: self.closed_ns,
        };
        // At most three end in a turn: by their time, by an interruption, by the block's end.
        if out.attempts.try_push(self.watch.record(&told)).is_ok() {
            *desk.next_index += 1;
        }
        if again {
            let rejected = self.trial.rejected + u32::from(!is_outside);
            desk.queue.push(TaskTrial { repeat: self.trial.repeat + 1, rejected, ..self.trial });
        } else if is_rejected {
            let number = self.trial.number as i64;
            out.notice(cause.now_ns, NoticeKind::TrialGivenUp, None, number, 0.0);
        }
    }

    fn judge(&self, open: AttemptOutcome, freeze: Option<&Freeze>) -> (AttemptOutcome, bool) {
        use AttemptOutcome::{
            Answered, Artefact, Correct, Cut, Early, FixationBroken, Interrupted, MissedFrames, NoFixation,
            NoResponse, Wrong,
        };
        let RejectPlan { early, no_response, artefact, missed_frames } = self.plan.reject;
        let until_ns = self.watch.off_ns().unwrap_or(self.closed_ns).max(self.closed_ns);
        let is_touched = || {
            let onset_ns = self.watch.onset_ns();
            freeze.zip(onset_ns).is_some_and(|(freeze, onset_ns)| freeze.any_between(onset_ns, until_ns))
        };
        match open {
            Answered | Correct | Wrong | NoResponse if artefact && is_touched() => (Artefact, true),
            Answered | Correct | Wrong | NoResponse if missed_frames && self.watch.missed() > 0 => {
                (MissedFrames, true)
            }
            NoResponse => (open, no_response),
            Early => (open, early),
            Interrupted | NoFixation | FixationBroken => (open, true),
            Answered | Correct | Wrong | Artefact | MissedFrames | Cut => (open, false),
        }
    }
}

/// Fixation time and gap of an attempt in ns.
fn waits(table: &TaskTable, place: usize) -> [i64; 2] {
    let count = table.waits_ns.len().max(1);
    table.waits_ns.get(place % count).copied().unwrap_or_default()
}
