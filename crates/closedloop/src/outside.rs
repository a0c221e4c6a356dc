//! A program outside that takes part: it is told each decision, and gives the contrast or the decoded value.
//!
//! It works elsewhere, may be wrong, slow or gone, and nobody here can know. So what it answers is recorded input, every
//! answer is looked at before it counts, and each state that it is told has a deadline after which a fallback takes over.

use arrayvec::ArrayVec;
use timeline::{NoticeKind, Reply, State};

use crate::decoder::Estimate;
use crate::turn::Outputs;

/// States that can wait for a reply; the deadline must be shorter than as many decisions.
pub const MAX_OPEN: usize = 64;

/// The largest decoded value that is believed, in uV: above any steady-state response.
pub const HIGHEST_VALUE_UV: f64 = 1_000.0;

/// What a program outside gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// The contrast, in place of the controller.
    Contrast,
    /// The decoded value and its standard error, in place of the decoder's; the controller stays.
    Value,
}

/// What holds while it gives nothing that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// What it gave last; before that, the lowest contrast.
    Hold,
    /// Contrast zero.
    Grey,
    /// Decoder and controller of the plan.
    Inside,
}

/// How a program outside takes part in hold blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutsidePlan {
    /// What it gives.
    pub gives: Gives,
    /// How long a reply may take, from the turn that told the state.
    pub deadline_ns: i64,
    /// What holds when it takes longer.
    pub fallback: Fallback,
}

/// Why a reply is not believed; the number stands in the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoState = 1,
    Late = 2,
    NotANumber = 3,
    OutOfRange = 4,
}

/// A state that waits for its reply.
#[derive(Debug, Clone, Copy)]
struct Open {
    state: u64,
    at_ns: i64,
    estimate: Estimate,
    decision: u64,
}

/// A measurement for the controller: the value from outside, or the fallback's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) estimate: Estimate,
    pub(crate) decision: u64,
    /// Decisions since the one before that counted, this one included.
    pub(crate) updates: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Outside {
    plan: OutsidePlan,
    contrasts: [f64; 2],
    open: ArrayVec<Open, MAX_OPEN>,
    next_state: u64,
    /// The contrast given last in this run of hold blocks.
    last: Option<f64>,
    /// The decision behind a contrast that came in this turn.
    news: Option<u64>,
    due: ArrayVec<Due, MAX_OPEN>,
    /// When the fallback took over.
    silent_since_ns: Option<i64>,
    /// Which refusals were told since the last good reply.
    told: [bool; 5],
    /// No set point holds: what was asked before may still be answered, without effect.
    resting: bool,
}

impl Outside {
    /// `contrasts` are the lowest and the highest that are allowed.
    pub(crate) fn new(plan: OutsidePlan, contrasts: [f64; 2]) -> Self {
        Self {
            plan,
            contrasts,
            open: ArrayVec::new(),
            next_state: 0,
            last: None,
            news: None,
            due: ArrayVec::new(),
            silent_since_ns: None,
            told: [false; 5],
            resting: true,
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.plan, self.contrasts);
    }

    /// Takes the replies of this turn, then lets deadlines pass.
    pub(crate) fn hear(&mut self, replies: &[Reply], now_ns: i64, out: &mut Outputs) {
        self.news = None;
        self.due.clear();
        for reply in replies {
            match self.judge(reply, now_ns) {
                Ok(place) => self.accept(place, reply, now_ns, out),
                Err((refusal, value)) => {
                    let told = &mut self.told[refusal as usize];
                    if !std::mem::replace(told, true) {
                        out.notice(now_ns, NoticeKind::ReplyRefused, None, refusal as i64, value);
                    }
                }
            }
        }
        self.expire(now_ns, out);
    }

    /// Which open state a reply answers, or why it does not count.
    fn judge(&self, reply: &Reply, now_ns: i64) -> Result<usize, (Refusal, f64)> {
        let state = reply.state;
        if !(state >= 0.0 && state < self.next_state as f64 && state.fract() == 0.0) {
            return Err((Refusal::NoState, state));
        }
        let place = self.open.iter().position(|open| open.state == state as u64);
        let place = place.filter(|&place| now_ns - self.open[place].at_ns < self.plan.deadline_ns);
        let place = place.ok_or((Refusal::Late, state))?;
        let is_number =
            reply.value.is_finite() && (self.plan.gives == Gives::Contrast || reply.spread.is_finite());
        if !is_number {
            return Err((Refusal::NotANumber, reply.value));
        }
        let [low, high] = self.contrasts;
        let (is_in_range, value) = match self.plan.gives {
            Gives::Contrast => ((low..=high).contains(&reply.value), reply.value),
            Gives::Value if reply.value.abs() > HIGHEST_VALUE_UV => (false, reply.value),
            Gives::Value => (reply.spread > 0.0 && reply.spread <= HIGHEST_VALUE_UV, reply.spread),
        };
        if is_in_range { Ok(place) } else { Err((Refusal::OutOfRange, value)) }
    }

    /// A good reply closes its state and those before it.
    fn accept(&mut self, place: usize, reply: &Reply, now_ns: i64, out: &mut Outputs) {
        let Open { estimate, decision, .. } = self.open[place];
        self.open.drain(..=place);
        self.told = [false; 5];
        if self.resting {
            return;
        }
        if let Some(since_ns) = self.silent_since_ns.take() {
            out.notice(now_ns, NoticeKind::OutsideBack, None, now_ns - since_ns, 0.0);
        }
        match self.plan.gives {
            Gives::Contrast => {
                self.last = Some(reply.value);
                self.news = Some(decision);
            }
            Gives::Value => {
                let estimate = Estimate { value: reply.value, spread: reply.spread, ..estimate };
                let updates = place as u32 + 1;
                // As many as can be open.
                let _ = self.due.try_push(Due { estimate, decision, updates });
            }
        }
    }

    fn expire(&mut self, now_ns: i64, out: &mut Outputs) {
        while let Some(&open) = self.open.first()
            && now_ns - open.at_ns >= self.plan.deadline_ns
        {
            self.open.remove(0);
            if self.resting {
                continue;
            }
            if self.silent_since_ns.is_none() {
                self.silent_since_ns = Some(now_ns);
                let deadline_s = self.plan.deadline_ns as f64 / 1e9;
                out.notice(now_ns, NoticeKind::OutsideSilent, None, open.state as i64, deadline_s);
            }
            if (self.plan.gives, self.plan.fallback) == (Gives::Value, Fallback::Inside) {
                let Open { estimate, decision, .. } = open;
                let _ = self.due.try_push(Due { estimate, decision, updates: 1 });
            }
        }
    }

    /// The contrast that holds now, and the decision behind it if it is new; `None` where the plan's controller is in charge.
    pub(crate) fn contrast(&self) -> (Option<f64>, Option<u64>) {
        let is_silent = self.silent_since_ns.is_some();
        let contrast = match (self.plan.gives, self.plan.fallback) {
            (Gives::Contrast, fallback) => match (self.last.filter(|_| !is_silent), fallback) {
                (Some(contrast), _) => Some(contrast),
                (None, Fallback::Hold) => Some(self.last.unwrap_or(self.contrasts[0])),
                (None, Fallback::Grey) => Some(0.0),
                (None, Fallback::Inside) => None,
            },
            (Gives::Value, Fallback::Grey) => is_silent.then_some(0.0),
            (Gives::Value, _) => None,
        };
        (contrast, self.news)
    }

    /// What the controller is to be told in this turn, oldest first.
    pub(crate) fn due(&self) -> &[Due] {
        &self.due
    }

    /// Whether a decoded value is to come from outside.
    pub(crate) fn decodes(&self) -> bool {
        self.plan.gives == Gives::Value
    }

    /// Tells a decision while a set point holds.
    pub(crate) fn tell(&mut self, told: State, estimate: &Estimate, out: &mut Outputs) {
        if self.resting {
            self.resting = false;
            self.open.clear();
        }
        let state = State { index: self.next_state, ..told };
        // As many as decisions in a turn.
        if out.states.try_push(state).is_err() {
            return;
        }
        self.next_state += 1;
        if self.open.is_full() {
            // Longer than any deadline ago.
            self.open.remove(0);
        }
        self.open.push(Open {
            state: state.index,
            at_ns: state.at_ns,
            estimate: *estimate,
            decision: state.decision,
        });
    }

    /// No set point holds any more.
    pub(crate) fn rest(&mut self) {
        self.resting = true;
        self.last = None;
        self.silent_since_ns = None;
    }

    /// When a deadline passes.
    pub(crate) fn next_ns(&self) -> i64 {
        let first = self.open.first().filter(|_| !self.resting);
        first.map_or(i64::MAX, |open| open.at_ns + self.plan.deadline_ns)
    }
}
