//! Presentations of pictures that a planner proposes: ask, show, measure, ask again.
//!
//! The planner works elsewhere and takes its time. What it answers is recorded input, so that these steps repeat without it;
//! that it is late, silent or wrong must not leave anything on the screen.

use timeline::{Amplitudes, Answer, NOT_MEASURED, NoticeKind, Presentation, Request, SceneId, StateAtOnset};

use crate::controller::RESPONSE_LATENCY_NS;
use crate::decoder::Estimate;
use crate::onset::{Begun, OnsetRule};
use crate::screen::Cause;
use crate::turn::Outputs;

/// A block of presentations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SteerPlan {
    /// The scene that shows pictures.
    pub scene: SceneId,
    /// Contrast while on, 0..=1.
    pub contrast: f64,
    /// From the command that begins a presentation to the one that ends it.
    pub on_ns: i64,
    /// From that one to the earliest begin of the next; the planner's time.
    pub gap_ns: i64,
    /// How long the display takes to go over from one picture into the next, which then stays until that comes; 0 where there is
    /// nothing between two.
    pub cross_fade_ns: i64,
    /// How many.
    pub presentations: u32,
    /// How long an answer may take; then the picture that the planner last thought best is shown again.
    pub answer_within_ns: i64,
    /// Not begun after a calibration that cannot be trusted: what is measured then is noise, and so is what is learnt of it.
    pub needs_trust: bool,
    /// What each presentation waits for, once its picture and its time have come. [`OnsetRule::FREE`] waits for nothing, and the
    /// state is on record; `None` where no state is followed.
    pub rule: Option<OnsetRule>,
}

/// From the end of a presentation to the instant at which no window within it can come any more.
pub(crate) const LAST_WINDOW_NS: i64 = RESPONSE_LATENCY_NS + 850_000_000;

/// Answers that may be missing one after the other before a block is given up.
const MOST_MISSED: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one value per loop; a box would allocate in its step")]
enum Phase {
    /// No block of presentations runs.
    Off,
    /// Nothing is asked yet.
    Begun,
    /// A request is out.
    Asked { since_ns: i64 },
    /// A picture waits for its time.
    Ready { request: u64, picture: u64 },
    /// A picture is on the screen, or was just now.
    Shown(Shown),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    request: u64,
    picture: u64,
    command: u64,
    begin_ns: i64,
    /// From here on samples saw the picture at its full contrast.
    steady_ns: i64,
    off_ns: i64,
    /// When it really went off.
    ended_ns: Option<i64>,
    measured: Option<Measured>,
    state: StateAtOnset,
}

/// A presentation that begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Start {
    pub(crate) command: u64,
    /// When its light leaves the screen.
    pub(crate) onset_ns: i64,
    /// When its contrast is reached.
    pub(crate) steady_ns: i64,
    pub(crate) state: StateAtOnset,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    decision: u64,
    value: f64,
    spread: f64,
    amplitudes: Amplitudes,
}

/// What the screen should show now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wish {
    /// The picture at the plan's contrast.
    Picture(u64),
    /// The same as soon as the state is there that it waits for, at `from_ns` at the earliest.
    Await { picture: u64, from_ns: i64 },
    /// The picture that was shown stays until the next one comes.
    Stay(u64),
    /// Contrast zero.
    Nothing,
}

#[derive(Debug, Clone)]
pub(crate) struct Steer {
    plan: Option<SteerPlan>,
    phase: Phase,
    not_before_ns: i64,
    next_request: u64,
    next_presentation: u64,
    shown_in_block: u32,
    missed: u32,
    incumbent: Option<u64>,
    /// The newest picture that the planner handed over.
    newest: u64,
    /// What stays on the screen between two presentations, where pictures go over into each other.
    standing: Option<u64>,
}

impl Steer {
    pub(crate) const fn new() -> Self {
        Self {
            plan: None,
            phase: Phase::Off,
            not_before_ns: i64::MIN,
            next_request: 0,
            next_presentation: 0,
            shown_in_block: 0,
            missed: 0,
            incumbent: None,
            newest: 0,
            standing: None,
        }
    }

    pub(crate) fn begin(&mut self, plan: SteerPlan, now_ns: i64) {
        self.plan = Some(plan);
        self.phase = Phase::Begun;
        self.not_before_ns = now_ns;
        (self.shown_in_block, self.missed) = (0, 0);
        self.standing = None;
    }

    /// A block that is over before anything is asked.
    pub(crate) fn skip(&mut self, plan: SteerPlan, now_ns: i64) {
        self.begin(plan, now_ns);
        (self.phase, self.missed) = (Phase::Off, MOST_MISSED);
    }

    /// The block is over: what is on the screen counts as it is.
    pub(crate) fn end(&mut self, now_ns: i64, out: &mut Outputs) {
        if let Phase::Shown(shown) = self.phase {
            self.close(shown, now_ns, out);
        }
        self.phase = Phase::Off;
        self.plan = None;
    }

    /// Everything was shown, or the planner is given up.
    pub(crate) fn is_done(&self) -> bool {
        let over = |plan: SteerPlan| self.shown_in_block >= plan.presentations || self.missed >= MOST_MISSED;
        self.plan.is_some_and(over) && !matches!(self.phase, Phase::Shown(_))
    }

    /// Takes the planner's answers of this turn.
    pub(crate) fn hear(&mut self, answers: &[Answer], now_ns: i64, out: &mut Outputs) {
        for answer in answers {
            let is_asked =
                matches!(self.phase, Phase::Asked { .. }) && answer.request + 1 == self.next_request;
            if is_asked {
                self.newest = self.newest.max(answer.picture);
            }
            if !is_asked || !self.is_kept(answer.picture) {
                out.notice(
                    now_ns,
                    NoticeKind::AnswerRefused,
                    None,
                    answer.request as i64,
                    answer.picture as f64,
                );
                continue;
            }
            self.missed = 0;
            self.incumbent = Some(answer.incumbent);
            self.phase = Phase::Ready { request: answer.request, picture: answer.picture };
        }
    }

    /// Takes the decoder's windows of this turn: the first that lies within the presentation measures it.
    pub(crate) fn measure<'a>(&mut self, estimates: impl Iterator<Item = &'a (Estimate, u64)>) {
        let Phase::Shown(shown) = &mut self.phase else { return };
        for (estimate, decision) in estimates {
            let until_ns = shown.ended_ns.unwrap_or(shown.off_ns) + RESPONSE_LATENCY_NS;
            let is_within = estimate.start_ns >= shown.steady_ns && estimate.end_ns <= until_ns;
            if is_within && shown.measured.is_none() {
                let (value, spread) = (estimate.value, estimate.spread);
                let amplitudes = estimate.amplitudes;
                shown.measured = Some(Measured { decision: *decision, value, spread, amplitudes });
            }
        }
    }

    /// The screen goes to grey for a reason of its own: what was on counts as not measured.
    pub(crate) fn interrupt(&mut self, now_ns: i64, out: &mut Outputs) {
        if let Phase::Shown(mut shown) = self.phase {
            shown.measured = None;
            self.close(shown, now_ns, out);
            self.phase = Phase::Begun;
            self.not_before_ns = now_ns + self.plan.map_or(0, |plan| plan.gap_ns);
        }
        self.standing = None;
    }

    /// Goes on with the time; asks where something is to be asked. `may_show` is false while the screen has to stay as it is.
    pub(crate) fn step(&mut self, may_show: bool, cause: Cause, out: &mut Outputs) -> Wish {
        let Some(plan) = self.plan else { return Wish::Nothing };
        let now_ns = cause.now_ns;
        match self.phase {
            Phase::Off => {}
            Phase::Begun => self.ask(None, cause, out),
            Phase::Asked { since_ns } => {
                if now_ns - since_ns >= plan.answer_within_ns {
                    self.give_up_waiting(since_ns, cause, out);
                }
            }
            Phase::Ready { picture, .. } => {
                let is_left = self.shown_in_block < plan.presentations;
                if may_show && is_left && plan.rule.is_some() {
                    return Wish::Await { picture, from_ns: self.not_before_ns };
                }
                if may_show && is_left && now_ns >= self.not_before_ns {
                    return Wish::Picture(picture);
                }
            }
            Phase::Shown(mut shown) => {
                if now_ns < shown.off_ns {
                    return Wish::Picture(shown.picture);
                }
                let ended_ns = *shown.ended_ns.get_or_insert(now_ns);
                self.phase = Phase::Shown(shown);
                if shown.measured.is_some() || now_ns >= ended_ns + LAST_WINDOW_NS {
                    self.close(shown, ended_ns, out);
                    self.ask(Some(shown), cause, out);
                }
            }
        }
        let stays = self.standing.filter(|_| self.shown_in_block < plan.presentations);
        stays.map_or(Wish::Nothing, Wish::Stay)
    }

    /// A command began what [`Steer::step`] wished for.
    pub(crate) fn begun(&mut self, start: Start, now_ns: i64) {
        let (Phase::Ready { request, picture }, Some(plan)) = (self.phase, self.plan) else { return };
        self.shown_in_block += 1;
        self.standing = Some(picture).filter(|_| plan.cross_fade_ns > 0);
        self.phase = Phase::Shown(Shown {
            request,
            picture,
            command: start.command,
            begin_ns: now_ns,
            steady_ns: start.steady_ns + RESPONSE_LATENCY_NS,
            off_ns: start.onset_ns + plan.on_ns,
            ended_ns: None,
            measured: None,
            state: start.state,
        });
    }

    /// The wait for a state is over. A presentation that is left out counts; its picture waits for the next one.
    pub(crate) fn waited(&mut self, begun: &Begun, now_ns: i64) {
        let (state, onset_ns) = (begun.state.at_onset(), begun.state.photon_ns);
        if let Some(command) = begun.command {
            let start = Start { command, onset_ns, steady_ns: begun.steady_ns, state };
            self.begun(start, now_ns);
        } else if !begun.state.outcome.is_shown() {
            self.shown_in_block += 1;
            self.not_before_ns = onset_ns + self.plan.map_or(0, |plan| plan.gap_ns);
        }
    }

    /// When [`Steer::step`] has something to do even if nothing comes; `now_ns` is when it was last called.
    pub(crate) fn next_ns(&self, now_ns: i64) -> i64 {
        let Some(plan) = self.plan else { return i64::MAX };
        match self.phase {
            Phase::Off => i64::MAX,
            Phase::Begun => i64::MIN,
            Phase::Asked { since_ns } => since_ns + plan.answer_within_ns,
            // Its gate knows, and samples come anyway.
            Phase::Ready { .. } if plan.rule.is_some() => i64::MAX,
            // A picture whose time has come and that may not be shown waits for a source.
            Phase::Ready { .. } if self.not_before_ns <= now_ns => i64::MAX,
            Phase::Ready { .. } => self.not_before_ns,
            Phase::Shown(shown) => shown.ended_ns.map_or(shown.off_ns, |ended_ns| ended_ns + LAST_WINDOW_NS),
        }
    }

    fn close(&mut self, shown: Shown, ended_ns: i64, out: &mut Outputs) {
        let presentation = Presentation {
            index: self.next_presentation,
            request: shown.request,
            picture: shown.picture,
            command: shown.command,
            begin_ns: shown.begin_ns,
            end_ns: ended_ns,
            decision: shown.measured.map(|measured| measured.decision),
        };
        // One at most in a turn.
        let _ = out.presentations.try_push(presentation);
        self.next_presentation += 1;
    }

    /// A display keeps so many pictures; an older one would be shown as grey.
    fn is_kept(&self, picture: u64) -> bool {
        picture == 0 || picture + stimulus::picture::KEPT > self.newest + 1
    }

    fn ask(&mut self, shown: Option<Shown>, cause: Cause, out: &mut Outputs) {
        let Some(plan) = self.plan else { return };
        if let Some(ended_ns) = shown.and_then(|shown| shown.ended_ns) {
            self.not_before_ns = ended_ns + plan.gap_ns;
        }
        let measured = shown.and_then(|shown| shown.measured);
        let request = Request {
            index: self.next_request,
            turn: cause.turn,
            at_ns: cause.now_ns,
            presentation: shown.map(|_| self.next_presentation - 1),
            picture: shown.map(|shown| shown.picture),
            value: measured.map_or(f64::NAN, |measured| measured.value),
            spread: measured.map_or(f64::NAN, |measured| measured.spread),
            amplitudes: measured.map_or(NOT_MEASURED, |measured| measured.amplitudes),
            state: shown.map_or(StateAtOnset::UNKNOWN, |shown| shown.state),
        };
        if out.requests.try_push(request).is_ok() {
            self.next_request += 1;
            self.phase = Phase::Asked { since_ns: cause.now_ns };
        }
    }

    /// The answer did not come: the picture that was thought best is shown again, and the next request goes out with it.
    fn give_up_waiting(&mut self, since_ns: i64, cause: Cause, out: &mut Outputs) {
        self.missed += 1;
        let waited_ns = cause.now_ns - since_ns;
        out.notice(cause.now_ns, NoticeKind::PlannerSilent, None, waited_ns, f64::from(self.missed));
        match self.incumbent.filter(|&picture| self.is_kept(picture)) {
            Some(picture) => self.phase = Phase::Ready { request: self.next_request - 1, picture },
            None => self.phase = Phase::Begun,
        }
    }
}
