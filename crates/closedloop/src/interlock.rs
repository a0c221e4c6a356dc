//! What may be shown at all, whatever a controller wants: limits of dose, on-time, rate of change and session length, the
//! dead-man key, and faults of clock and display. It stands after the controller and before the commands leave.
//!
//! Every breach ends in neutral grey by the grey ramp, never by a jump, and the ramp itself counts: it begins so early
//! that dose and times *with* it stay inside their bounds. What is spent for good (dose, total on-time, session length, a
//! clock that went back) ends the run; everything else opens again when its cause is gone and the ramp is complete.
//!
//! What is integrated is what was commanded. The display shows a command one to two refreshes later, and the margin
//! (`slack_ns`) covers these; where the display shows less (its own grey), the count is on the safe side.

use timeline::{Flip, NoticeKind, Ramp};

use crate::plan::{InterlockPlan, LimitsPlan, Plan};
use crate::turn::Outputs;

/// No turn for longer than this means that the process stood still or that its clock jumped.
pub const LONGEST_GAP_NS: i64 = 1_000_000_000;

/// The loop asks to be called at least this often, so that a longer gap says something.
pub const QUIET_TURN_NS: i64 = 400_000_000;

/// No flip for longer than this while a stimulus should be seen: the display is not showing what is commanded.
pub const LONGEST_DARKNESS_NS: i64 = 1_000_000_000;

/// A flip that the loop takes may be this old (it can have waited behind a recorder that was held) ...
const OLDEST_FLIP_NS: i64 = 600_000_000_000;
/// ... and this far in the future.
const NEWEST_FLIP_NS: i64 = 10_000_000_000;

/// What the loop has to do after a look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The screen has to be grey, or on its way.
    pub(crate) grey: bool,
    /// The run is over.
    pub(crate) end: bool,
    /// Time went back: whatever runs on the old time has to be taken to the new one.
    pub(crate) rebase: bool,
}

/// What a look is at.
pub(crate) struct Look<'a> {
    pub(crate) now_ns: i64,
    pub(crate) held: bool,
    pub(crate) flips: &'a [Flip],
    /// What the screen was told up to now.
    pub(crate) ramp: &'a Ramp,
}

/// Why the screen has to be grey now; several can hold at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Causes {
    pause: bool,
    dead_man: bool,
    jump: bool,
    silent: bool,
    overridden: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Interlock {
    plan: InterlockPlan,
    ramp_ns: i64,
    slack_ns: i64,
    /// The instant of the look before.
    now_ns: Option<i64>,
    /// When the schedule began.
    start_ns: Option<i64>,
    dose_s: f64,
    /// The part of the commanded contrast that the governor lets through, as last heard.
    gain: f64,
    on_ns: i64,
    /// Since the first light after the last full pause.
    stretch_ns: i64,
    dark_ns: i64,
    held_ns: Option<i64>,
    flip_ns: Option<i64>,
    commanded: bool,
    causes: Causes,
    shut_ns: Option<i64>,
    spent: bool,
    slowed: i64,
    slowed_told_ns: Option<i64>,
}

impl Interlock {
    pub(crate) fn new(plan: &Plan) -> Self {
        // Two refreshes until a command is seen, and the loop's own tick.
        let slack_ns = (2e9 / plan.refresh_hz) as i64 + 2_000_000;
        Self::from_parts(plan.interlock, plan.grey_ramp_ns, slack_ns)
    }

    fn from_parts(plan: InterlockPlan, ramp_ns: i64, slack_ns: i64) -> Self {
        Self {
            plan,
            ramp_ns,
            slack_ns,
            now_ns: None,
            start_ns: None,
            dose_s: 0.0,
            gain: 1.0,
            on_ns: 0,
            stretch_ns: 0,
            dark_ns: 0,
            held_ns: None,
            flip_ns: None,
            commanded: false,
            causes: Causes::default(),
            shut_ns: None,
            spent: false,
            slowed: 0,
            slowed_told_ns: None,
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::from_parts(self.plan, self.ramp_ns, self.slack_ns);
    }

    /// Whether stimulation may begin: with a dead-man key, once it has been held.
    pub(crate) fn may_begin(&self) -> bool {
        self.plan.limits.is_none_or(|limits| limits.dead_man_ns.is_none()) || self.held_ns.is_some()
    }

    /// The schedule begins: the session's length is counted from here.
    pub(crate) fn begin(&mut self, now_ns: i64) {
        self.start_ns = Some(now_ns);
    }

    /// Counts what was shown since the look before, and says what has to be done.
    pub(crate) fn step(&mut self, look: &Look<'_>, out: &mut Outputs) -> Verdict {
        let before_ns = self.now_ns.replace(look.now_ns).unwrap_or(look.now_ns);
        let rebase = self.plan.faults && look.now_ns < before_ns;
        self.account(before_ns, look.now_ns, look.ramp);
        if self.plan.faults {
            self.watch_time(before_ns, look.now_ns, out);
            self.watch_display(look, out);
        }
        if let Some(limits) = self.plan.limits {
            self.watch_key(&limits, look, out);
            if !self.spent {
                self.watch_limits(&limits, look, out);
            }
        }
        self.turn_gate(look.now_ns, out);
        Verdict { grey: self.shut_ns.is_some() || self.spent, end: self.spent, rebase }
    }

    /// From now on the dose counts this part of the commanded contrast. What was counted before it was heard was too much.
    pub(crate) fn attenuate(&mut self, gain: f64) {
        self.gain = gain;
    }

    /// The rate of change that may be used where `asked_per_s` was asked for.
    pub(crate) fn slew_per_s(&self, asked_per_s: f64) -> f64 {
        self.plan.limits.map_or(asked_per_s, |limits| limits.slew_per_s.min(asked_per_s))
    }

    /// Whether light that is to come at `light_ns`, now or soon, has to wait for the rest of a pause: a gap shorter than
    /// the pause counts as on-time, and what is left after it would not suffice to go to grey again.
    pub(crate) fn must_pause(&mut self, now_ns: i64, light_ns: i64, ramp: &Ramp, out: &mut Outputs) -> bool {
        let Some(limits) = self.plan.limits else { return false };
        let is_dark = ramp.to == 0.0 && ramp.at(now_ns) == 0.0;
        let dark_ns = self.dark_ns + (light_ns - now_ns).max(0);
        let after_ns = self.stretch_ns + dark_ns + self.margin_ns() + self.slack_ns;
        if !is_dark || self.stretch_ns == 0 || dark_ns >= limits.pause_ns || after_ns < limits.longest_ns {
            return false;
        }
        self.causes.pause = true;
        let bound_s = limits.longest_ns as f64 / 1e9;
        out.notice(now_ns, NoticeKind::OnTimePause, None, self.stretch_ns + self.dark_ns, bound_s);
        true
    }

    /// A command left at less than the rate asked for.
    pub(crate) fn slowed(&mut self, now_ns: i64, asked_per_s: f64, out: &mut Outputs) {
        self.slowed += 1;
        // A controller that runs away would otherwise fill the record.
        if self.slowed_told_ns.is_none_or(|told_ns| now_ns - told_ns >= 1_000_000_000) {
            out.notice(now_ns, NoticeKind::SlewLimited, None, self.slowed, asked_per_s);
            (self.slowed, self.slowed_told_ns) = (0, Some(now_ns));
        }
    }

    /// The instant at which something here comes due by time alone.
    pub(crate) fn next_ns(&self, now_ns: i64, ramp: &Ramp) -> i64 {
        let mut next = if self.plan.faults { now_ns + QUIET_TURN_NS } else { i64::MAX };
        let lit = ramp.to > 0.0 || ramp.at(now_ns) > 0.0;
        if let Some(flip_ns) = self.flip_ns.filter(|_| self.plan.faults && lit && !self.causes.silent) {
            next = next.min(flip_ns + LONGEST_DARKNESS_NS + 1);
        }
        if let Some(limits) = self.plan.limits.filter(|_| !self.spent) {
            next = next.min(now_ns + self.until_limit_ns(&limits, now_ns, ramp));
            if let (Some(release_ns), Some(held_ns), false) =
                (limits.dead_man_ns, self.held_ns, self.causes.dead_man)
            {
                next = next.min(held_ns + release_ns + 1);
            }
        }
        if let Some(shut_ns) = self.shut_ns.filter(|_| self.causes == Causes::default()) {
            next = next.min(shut_ns + self.ramp_ns);
        }
        next
    }

    fn account(&mut self, from_ns: i64, to_ns: i64, ramp: &Ramp) {
        // A programmed ramp begins after it was issued: before that the contrast stands still.
        let start_ns = ramp.start_ns.clamp(from_ns, to_ns.max(from_ns));
        self.account_part(from_ns, start_ns, ramp);
        self.account_part(start_ns, to_ns, ramp);
    }

    fn account_part(&mut self, from_ns: i64, to_ns: i64, ramp: &Ramp) {
        if to_ns <= from_ns {
            return;
        }
        self.dose_s += self.gain * dose_s(ramp, from_ns, to_ns);
        let on_ns = lit_ns(ramp, from_ns, to_ns);
        self.on_ns += on_ns;
        if on_ns > 0 {
            // Light comes first in a part: it is all light, or begins with it. A gap shorter than the pause is no pause.
            let gap_ns = if self.stretch_ns > 0 { self.dark_ns } else { 0 };
            self.stretch_ns += gap_ns + on_ns;
            self.dark_ns = 0;
        }
        self.dark_ns += to_ns - from_ns - on_ns;
        if self.plan.limits.is_some_and(|limits| self.dark_ns >= limits.pause_ns) {
            self.stretch_ns = 0;
        }
    }

    fn watch_time(&mut self, before_ns: i64, now_ns: i64, out: &mut Outputs) {
        self.causes.jump = false;
        let jump_ns = now_ns - before_ns;
        if jump_ns < 0 {
            out.notice(now_ns, NoticeKind::TimeJump, None, jump_ns, 0.0);
            self.spent = true;
        } else if jump_ns > LONGEST_GAP_NS {
            out.notice(now_ns, NoticeKind::TimeJump, None, jump_ns, 0.0);
            self.causes.jump = true;
        }
    }

    /// The display's answers: flips that come, that can be true, and that show what was commanded.
    fn watch_display(&mut self, look: &Look<'_>, out: &mut Outputs) {
        let mut refused = 0;
        for flip in look.flips {
            if !is_sane(flip, look.now_ns) {
                refused += 1;
                continue;
            }
            self.flip_ns = Some(look.now_ns);
            match flip.command {
                Some(_) => (self.commanded, self.causes.overridden) = (true, false),
                None if self.commanded && !self.causes.overridden => {
                    self.causes.overridden = true;
                    out.notice(look.now_ns, NoticeKind::DisplayGrey, None, flip.frame as i64, 0.0);
                }
                None => {}
            }
        }
        if refused > 0 {
            out.notice(look.now_ns, NoticeKind::FlipRefused, None, refused, 0.0);
        }
        let lit = look.ramp.to > 0.0 || look.ramp.at(look.now_ns) > 0.0;
        let Some(flip_ns) = self.flip_ns else { return };
        let age_ns = look.now_ns - flip_ns;
        if age_ns > LONGEST_DARKNESS_NS {
            if lit && !self.causes.silent {
                self.causes.silent = true;
                out.notice(look.now_ns, NoticeKind::FlipsMissing, None, age_ns, 0.0);
            }
        } else {
            self.causes.silent = false;
        }
    }

    fn watch_key(&mut self, limits: &LimitsPlan, look: &Look<'_>, out: &mut Outputs) {
        let Some(release_ns) = limits.dead_man_ns else { return };
        if look.held {
            let up_ns = self.held_ns.map_or(0, |held_ns| look.now_ns - held_ns);
            self.held_ns = Some(look.now_ns);
            if std::mem::take(&mut self.causes.dead_man) {
                out.notice(look.now_ns, NoticeKind::DeadManDown, None, up_ns, 0.0);
            }
            return;
        }
        let Some(held_ns) = self.held_ns else {
            // Nobody has held it yet; the schedule waits, so there is nothing to tell.
            self.causes.dead_man = true;
            return;
        };
        let up_ns = look.now_ns - held_ns;
        if up_ns > release_ns && !self.causes.dead_man {
            self.causes.dead_man = true;
            out.notice(look.now_ns, NoticeKind::DeadManUp, None, up_ns, 0.0);
        }
    }

    /// The ramp to grey has to begin while there is still room for it.
    fn watch_limits(&mut self, limits: &LimitsPlan, look: &Look<'_>, out: &mut Outputs) {
        let now_ns = look.now_ns;
        let lit = look.ramp.to > 0.0 || look.ramp.at(now_ns) > 0.0;
        if lit && self.dose_left_s(limits, now_ns, look.ramp) <= 0.0 {
            let bound_ns = (limits.dose_s * 1e9) as i64;
            out.notice(now_ns, NoticeKind::DoseSpent, None, bound_ns, self.dose_s);
            self.spent = true;
        }
        if lit && self.on_ns + self.margin_ns() >= limits.total_ns {
            out.notice(now_ns, NoticeKind::OnTimeSpent, None, self.on_ns, limits.total_ns as f64 / 1e9);
            self.spent = true;
        }
        if let Some(start_ns) = self.start_ns
            && now_ns - start_ns + self.margin_ns() >= limits.session_ns
        {
            let bound_s = limits.session_ns as f64 / 1e9;
            out.notice(now_ns, NoticeKind::SessionSpent, None, now_ns - start_ns, bound_s);
            self.spent = true;
        }
        if self.causes.pause {
            self.causes.pause = self.stretch_ns > 0;
        } else if lit && self.stretch_ns + self.margin_ns() >= limits.longest_ns {
            self.causes.pause = true;
            let bound_s = limits.longest_ns as f64 / 1e9;
            out.notice(now_ns, NoticeKind::OnTimePause, None, self.stretch_ns, bound_s);
        }
    }

    fn turn_gate(&mut self, now_ns: i64, out: &mut Outputs) {
        let clear = self.causes == Causes::default();
        match self.shut_ns {
            None if !clear => self.shut_ns = Some(now_ns),
            Some(shut_ns) if clear && now_ns - shut_ns >= self.ramp_ns && !self.spent => {
                out.notice(now_ns, NoticeKind::InterlockOpened, None, now_ns - shut_ns, 0.0);
                self.shut_ns = None;
            }
            _ => {}
        }
    }

    /// What ramp and delay take of a time.
    fn margin_ns(&self) -> i64 {
        self.ramp_ns + self.slack_ns
    }

    /// What is left of the dose if the ramp to grey began now.
    fn dose_left_s(&self, limits: &LimitsPlan, now_ns: i64, ramp: &Ramp) -> f64 {
        let (now, most) = (ramp.at(now_ns), ramp.at(now_ns).max(ramp.to));
        limits.dose_s - self.dose_s - now * self.ramp_ns as f64 / 2e9 - most * self.slack_ns as f64 / 1e9
    }

    /// The earliest that a limit can come due, while everything stays as commanded.
    fn until_limit_ns(&self, limits: &LimitsPlan, now_ns: i64, ramp: &Ramp) -> i64 {
        let mut until_ns = i64::MAX / 4;
        if let Some(start_ns) = self.start_ns {
            until_ns = until_ns.min(limits.session_ns - self.margin_ns() - (now_ns - start_ns));
        }
        let most = ramp.at(now_ns).max(ramp.to);
        if most > 0.0 {
            // While contrast rises, both the dose and the price of the ramp do: half the way is never too late.
            let left_s = self.dose_left_s(limits, now_ns, ramp) / most;
            let rising = if ramp.end_ns > now_ns { 0.25 } else { 1.0 };
            until_ns = until_ns.min((left_s * rising * 1e9) as i64);
            until_ns = until_ns.min(limits.total_ns - self.margin_ns() - self.on_ns);
            if !self.causes.pause {
                until_ns = until_ns.min(limits.longest_ns - self.margin_ns() - self.stretch_ns);
            }
        } else if self.causes.pause {
            until_ns = until_ns.min(limits.pause_ns - self.dark_ns);
        }
        // Never so often that waking is all it does; the margin has room for it.
        until_ns.max(1_000_000)
    }
}

/// Whether a flip can be true.
pub(crate) fn is_sane(flip: &Flip, now_ns: i64) -> bool {
    let instants = now_ns.saturating_sub(OLDEST_FLIP_NS)..=now_ns.saturating_add(NEWEST_FLIP_NS);
    (0.0..=1.0).contains(&flip.contrast) && instants.contains(&flip.onset_ns)
}

/// The parts of a span before, in and after a ramp, as instants.
fn parts(ramp: &Ramp, from_ns: i64, to_ns: i64) -> [(i64, i64); 3] {
    let start_ns = ramp.start_ns.clamp(from_ns, to_ns);
    let end_ns = ramp.end_ns.clamp(start_ns, to_ns);
    [(from_ns, start_ns), (start_ns, end_ns), (end_ns, to_ns)]
}

/// Contrast times time over a span, in s of full contrast: exact, since contrast is linear in each part.
fn dose_s(ramp: &Ramp, from_ns: i64, to_ns: i64) -> f64 {
    let [before, within, after] = parts(ramp, from_ns, to_ns);
    let seconds = |(from_ns, to_ns): (i64, i64)| (to_ns - from_ns) as f64 / 1e9;
    ramp.from * seconds(before)
        + 0.5 * (ramp.at(within.0) + ramp.at(within.1)) * seconds(within)
        + ramp.to * seconds(after)
}

/// How long of a span the contrast was above zero.
fn lit_ns(ramp: &Ramp, from_ns: i64, to_ns: i64) -> i64 {
    let [before, within, after] = parts(ramp, from_ns, to_ns);
    let lit = |contrast: f64, (from_ns, to_ns): (i64, i64)| if contrast > 0.0 { to_ns - from_ns } else { 0 };
    lit(ramp.from, before) + lit(ramp.from.max(ramp.to), within) + lit(ramp.to, after)
}
