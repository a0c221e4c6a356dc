//! One turn of the loop.

use arrayvec::ArrayVec;
use signal::{Quality, QualityReport};
use timeline::{Decision, NoticeKind, SourceId};

use crate::attenuation::LetThrough;
use crate::check::check;
use crate::controller::{Controller, Timing};
use crate::decoder::{Decoder, Estimate};
use crate::feed::Feed;
use crate::flash::Flasher;
use crate::flow::Flow;
use crate::interlock::{Interlock, Look, Verdict, is_sane};
use crate::latch::{Gate, Latch};
use crate::neurofeedback::{Freeze, Scores};
use crate::onset::OnsetGate;
use crate::outside::Outside;
use crate::plan::{BlockKind, Plan, PrepareError};
use crate::schedule::{Schedule, is_on};
use crate::screen::{Cause, Screen, Shown};
use crate::steer::Steer;
use crate::trial::Trials;
use crate::turn::{Inputs, Outputs};

mod blocks;
mod feedback;
mod people;
mod present;

/// A channel without any change for this long is flat.
const FLAT_S: f64 = 2.0;

/// The loop: decoders and controllers as one pure step.
#[derive(Debug, Clone)]
pub struct Loop {
    plan: Plan,
    decoder: Option<Decoder>,
    controller: Option<Controller>,
    onset: Option<OnsetGate>,
    flasher: Flasher,
    flow: Flow,
    freeze: Option<Freeze>,
    scores: Scores,
    outside: Option<Outside>,
    feed: Option<Feed>,
    schedule: Schedule,
    steering: Steer,
    /// The last calibration, where it cannot be trusted: its amplitude over its standard error.
    distrusted: Option<f64>,
    trials: Trials,
    latch: Latch,
    interlock: Interlock,
    let_through: LetThrough,
    /// Whether latch or interlock keep the screen grey.
    dark: bool,
    begun: bool,
    screen: Screen,
    qualities: Vec<Quality>,
    flat_samples: Vec<u64>,
    /// Estimates of this turn with the indices of their decisions, for the controller.
    estimates: ArrayVec<(Estimate, u64), 32>,
    next_decision: u64,
    /// `now` of the last turn; `None` before the first.
    now_ns: Option<i64>,
    /// Cues answered when the block that runs began.
    answered_before: u64,
    /// When the screen has come back from its last grey; until then contrast rises no faster than the grey ramp.
    resumed_ns: i64,
    ending: bool,
    finished: bool,
}

impl Loop {
    /// Checks the plan and allocates all that the steps need.
    ///
    /// # Errors
    /// When a number is out of range, a source is missing or a block needs a decoder or controller that is not there.
    pub fn prepare(plan: &Plan) -> Result<Self, PrepareError> {
        check(plan)?;
        let decoder = plan.decoder.as_ref().map(|decoder| Decoder::new(plan, decoder)).transpose()?;
        let timing = match &decoder {
            Some(Decoder::Ssvep(ssvep)) => ssvep.timing(),
            _ => Timing::default(),
        };
        let freeze = match (plan.artefacts, &decoder) {
            (Some(artefacts), Some(decoder)) => Some(Freeze::new(plan, artefacts, decoder.source())?),
            _ => None,
        };
        let qualities = plan.sources.iter().map(|source| {
            let channels = if source.is_marker { 0 } else { source.channels };
            Quality::new(channels, if source.is_marker { 1.0 } else { source.rate_hz })
        });
        Ok(Self {
            controller: plan.controller.map(|controller| Controller::new(controller, timing)),
            onset: plan.onset.as_ref().map(|onset| OnsetGate::prepare(plan, onset)).transpose()?,
            flasher: Flasher::new(),
            flow: Flow::prepare(plan),
            freeze,
            scores: Scores::prepare(plan),
            outside: plan.outside.zip(plan.controller).map(|(outside, controller)| {
                let response = controller.response();
                Outside::new(outside, [response.contrast_min, response.contrast_max])
            }),
            feed: plan.feed.clone().map(Feed::new),
            schedule: Schedule::new(&plan.blocks, &plan.flow.done),
            steering: Steer::new(),
            distrusted: None,
            trials: Trials::prepare(plan)?,
            latch: Latch::new(plan),
            interlock: Interlock::new(plan),
            let_through: LetThrough::ALL,
            dark: false,
            begun: false,
            screen: Screen::new(plan.grey_ramp_ns, plan.interlock.limits.is_some()),
            qualities: qualities.collect(),
            flat_samples: plan
                .sources
                .iter()
                .map(|source| (FLAT_S * source.rate_hz).max(2.0) as u64)
                .collect(),
            plan: plan.clone(),
            decoder,
            estimates: ArrayVec::new(),
            next_decision: 0,
            now_ns: None,
            answered_before: 0,
            resumed_ns: i64::MIN,
            ending: false,
            finished: false,
        })
    }

    /// Back to the state before the first step.
    pub fn reset(&mut self) {
        if let Some(decoder) = &mut self.decoder {
            decoder.reset();
        }
        if let Some(controller) = &mut self.controller {
            controller.reset();
        }
        if let Some(gate) = &mut self.onset {
            gate.reset();
        }
        self.flasher = Flasher::new();
        if let Some(freeze) = &mut self.freeze {
            freeze.reset();
        }
        if let Some(outside) = &mut self.outside {
            outside.reset();
        }
        if let Some(feed) = &mut self.feed {
            feed.reset();
        }
        self.qualities.iter_mut().for_each(Quality::reset);
        self.schedule.reset();
        self.steering = Steer::new();
        self.distrusted = None;
        self.trials.reset();
        self.flow.reset();
        self.scores.reset();
        self.interlock.reset();
        self.screen.reset();
        self.let_through = LetThrough::ALL;
        (self.dark, self.begun) = (false, false);
        (self.next_decision, self.now_ns, self.answered_before) = (0, None, 0);
        self.resumed_ns = i64::MIN;
        (self.ending, self.finished) = (false, false);
    }

    /// One turn. `inputs.sources` must have one entry per source of the plan, each with one row of values per stamp.
    pub fn step(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs) {
        outputs.clear();
        if self.finished {
            outputs.finished = true;
            return;
        }
        let now_ns = inputs.now_ns;
        let cause = Cause { turn: inputs.turn, now_ns, decision: None };
        if self.now_ns.is_none() {
            self.latch.start(now_ns);
            self.screen.start(cause, outputs);
        }
        let before_ns = self.now_ns.replace(now_ns).unwrap_or(now_ns);
        self.inspect(inputs, outputs);
        self.latch.step(now_ns, inputs.sources, outputs);
        self.hear_attenuations(inputs);
        let verdict = self.look(inputs, before_ns, outputs);
        if let Some(freeze) = &mut self.freeze {
            freeze.step(inputs.sources);
        }
        self.decode(inputs, outputs);
        if let Some(gate) = &mut self.onset {
            gate.step(inputs, outputs);
        }
        self.steering.hear(inputs.answers, now_ns, outputs);
        self.steering.measure(self.estimates.iter());
        self.hear_trials_and_baselines(inputs);
        self.hear_people(inputs, cause, outputs);
        if let Some(outside) = &mut self.outside {
            outside.hear(inputs.replies, now_ns, outputs);
        }
        if inputs.stop && !self.ending {
            outputs.notice(now_ns, NoticeKind::Stop, None, 0, 0.0);
            self.end();
        }
        if verdict.end && !self.ending {
            self.end();
        }
        self.follow_schedule(cause, outputs);
        self.follow_gate(verdict.grey, cause, outputs);
        self.show(cause, outputs);
        if self.ending && self.screen.is_grey() {
            self.finished = true;
            outputs.finished = true;
        }
    }

    /// The instant at which [`Loop::step`] must be called at the latest, even if nothing comes.
    pub fn next_wake_ns(&self) -> i64 {
        let Some(now_ns) = self.now_ns.filter(|_| !self.finished) else { return i64::MAX };
        let mut next = self.latch.next_ns().min(self.interlock.next_ns(now_ns, self.screen.ramp()));
        if !self.ending && self.begun {
            next = next.min(if self.flow.is_paused() { i64::MAX } else { self.schedule.next_ns(now_ns) });
            // In the dark it has nothing to do.
            next = next.min(if self.dark { i64::MAX } else { self.steering.next_ns(now_ns) });
            next = next.min(self.trials.next_ns(now_ns));
            next = next.min(if self.dark { i64::MAX } else { self.flow.next_ns(now_ns) });
            next = next.min(self.outside.as_ref().map_or(i64::MAX, Outside::next_ns));
            if let Some(gate) = self.onset.as_ref().filter(|_| !self.dark) {
                next = next.min(self.flasher.next_ns(gate, self.latch.gate() != Gate::Holding));
            }
        }
        let ramp_end_ns = self.screen.ramp_end_ns();
        if ramp_end_ns > now_ns {
            next = next.min(ramp_end_ns);
        }
        next.max(now_ns + 1)
    }

    /// For the yardstick of a bench: the true gain of the participant at this instant, in uV. Only
    /// [`ControllerPlan::KnownGain`](crate::ControllerPlan::KnownGain) listens.
    pub fn set_known_gain(&mut self, gain_uv: f64) {
        if let Some(controller) = &mut self.controller {
            controller.set_known_gain(gain_uv);
        }
    }

    /// For the replay of a session whose feedback is sealed: the contrast that the controller asked for, as the commands say
    /// it. What the law makes of its measurements is then not repeated; everything else is.
    pub fn set_recorded_contrast(&mut self, contrast: f64) {
        if let Some(controller) = &mut self.controller {
            let now_ns = self.now_ns.unwrap_or(i64::MIN);
            controller.drive(Some(contrast), now_ns);
        }
    }

    /// Signal quality of a channel of a source, as seen so far. For the report; not for the hot path of others.
    pub fn quality(&self, source: SourceId, channel: usize) -> Option<QualityReport> {
        self.qualities.get(usize::from(source.0))?.report(channel)
    }

    /// What the interlock says of this turn; the schedule begins as soon as stimulation may.
    fn look(&mut self, inputs: &Inputs<'_>, before_ns: i64, outputs: &mut Outputs) -> Verdict {
        let now_ns = inputs.now_ns;
        let look = Look { now_ns, held: inputs.held, flips: inputs.flips, ramp: self.screen.ramp() };
        let verdict = self.interlock.step(&look, outputs);
        if verdict.rebase {
            self.screen.rebase(before_ns);
        }
        if !self.begun && self.interlock.may_begin() {
            self.begun = true;
            self.schedule.start(now_ns);
            self.interlock.begin(now_ns);
        }
        verdict
    }

    /// Counts what is wrong with the samples of this turn.
    fn inspect(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs) {
        let parts =
            self.qualities.iter_mut().zip(&self.plan.sources).zip(inputs.sources).zip(&self.flat_samples);
        for (index, (((quality, plan), input), &flat_samples)) in parts.enumerate() {
            if plan.is_marker {
                continue;
            }
            let source = Some(SourceId(index as u16));
            debug_assert_eq!(input.values.len(), input.at_ns.len() * plan.channels);
            if input.skipped > 0 {
                outputs.notice(inputs.now_ns, NoticeKind::Skipped, source, input.skipped as i64, 0.0);
            }
            let mut holes = 0;
            for row in input.values.chunks_exact(plan.channels) {
                quality.step(row);
                holes += i64::from(row.iter().any(|value| !value.is_finite()));
                for (channel, value) in row.iter().enumerate() {
                    // Once per stretch, when it reaches the bound.
                    if quality.flat_run(channel) == flat_samples && value.is_finite() {
                        outputs.notice(
                            inputs.now_ns,
                            NoticeKind::FlatChannel,
                            source,
                            channel as i64,
                            FLAT_S,
                        );
                    }
                }
            }
            if holes > 0 {
                outputs.notice(inputs.now_ns, NoticeKind::NotFinite, source, holes, 0.0);
            }
        }
    }

    fn decode(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs) {
        self.estimates.clear();
        let set_point =
            self.set_point_at(inputs.now_ns).filter(|_| self.begun && !self.ending && !self.flow.is_paused());
        let Some(decoder) = &mut self.decoder else { return };
        let source = decoder.source();
        let Some(input) = inputs.sources.get(usize::from(source.0)) else { return };
        let faults = self.plan.interlock.faults;
        let (estimates, next) = (&mut self.estimates, &mut self.next_decision);
        let emit = |estimate: &Estimate, outputs: &mut Outputs| {
            let decision = Decision {
                index: *next,
                turn: inputs.turn,
                decided_ns: inputs.now_ns,
                source,
                first_sample: estimate.first_sample,
                end_sample: estimate.end_sample,
                value: estimate.value,
                spread: estimate.spread,
                set_point,
                label: estimate.label,
                cue: estimate.cue,
            };
            // More than 32 in a turn means seconds of backlog: what came first is on record, the rest is not acted on.
            if outputs.decisions.try_push(decision).is_ok() {
                let _ = estimates.try_push((*estimate, *next));
                *next += 1;
            }
        };
        match decoder {
            Decoder::Ssvep(ssvep) => {
                let told = inputs.flips.iter().filter(|flip| !faults || is_sane(flip, inputs.now_ns));
                told.for_each(|flip| ssvep.clock.take(flip));
                ssvep.step(input, inputs.now_ns, outputs, emit);
            }
            Decoder::Cca(listener) => listener.step(inputs.markers, input, inputs.now_ns, outputs, emit),
        }
    }

    /// Grey begins or ends, by the latch or by the interlock.
    fn follow_gate(&mut self, locked: bool, cause: Cause, outputs: &mut Outputs) {
        let dark = locked || self.flow.is_paused() || matches!(self.latch.gate(), Gate::Grey { .. });
        if dark == std::mem::replace(&mut self.dark, dark) {
            return;
        }
        if dark {
            self.screen.fade(cause, outputs);
            self.steering.interrupt(cause.now_ns, outputs);
            self.trials.interrupt(cause, outputs);
            self.flow.interrupt(self.freeze.as_ref(), cause, outputs);
            if let Some(gate) = &mut self.onset {
                self.flasher.interrupt(gate);
            }
            // Until it opens again, samples may come that saw nothing but grey.
            if let Some(Decoder::Ssvep(ssvep)) = &mut self.decoder {
                ssvep.restart(i64::MAX);
            }
            return;
        }
        self.resumed_ns = cause.now_ns + self.plan.grey_ramp_ns;
        if let Some(Decoder::Ssvep(ssvep)) = &mut self.decoder {
            ssvep.restart(self.resumed_ns);
        }
        if let Some(controller) = &mut self.controller {
            controller.restart(self.resumed_ns);
        }
        if let Some(gate) = &mut self.onset {
            self.flasher.resume(self.resumed_ns, gate);
        }
    }

    /// Brings the screen to what the block, the controller and the gate want.
    fn show(&mut self, cause: Cause, outputs: &mut Outputs) {
        let measured = self.measured_contrast(cause, outputs);
        let gate = self.latch.gate();
        if self.ending || self.dark {
            if self.ending {
                self.steering.end(cause.now_ns, outputs);
                self.trials.end(cause, outputs);
                self.flow.end(self.freeze.as_ref(), cause, outputs);
            }
            self.screen.fade(cause, outputs);
            self.screen.settle_grey(cause, outputs);
            return;
        }
        if let (Some((BlockKind::Flash(_), _)), Some(onset)) = (self.schedule.block(), &mut self.onset) {
            // What is on ends in time even while nothing new may begin.
            let may_begin = gate != Gate::Holding;
            return self.flasher.step(
                may_begin,
                cause,
                onset,
                &mut self.interlock,
                &mut self.screen,
                outputs,
            );
        }
        if let Some((BlockKind::Steer(plan), _)) = self.schedule.block() {
            return self.present(&plan, gate == Gate::Open, cause, outputs);
        }
        if let Some((BlockKind::Trial(_), _)) = self.schedule.block() {
            return self.try_out(gate == Gate::Open, cause, outputs);
        }
        if let Some((BlockKind::Prompt(_) | BlockKind::Task(_), _)) = self.schedule.block() {
            return self.guide(gate == Gate::Open, cause, outputs);
        }
        if gate == Gate::Holding {
            return;
        }
        let (scene, contrast) = match self.schedule.block() {
            Some((BlockKind::Calibrate { scene, contrast, on_ns, off_ns }, start_ns)) => {
                (scene, if is_on(cause.now_ns - start_ns, on_ns, off_ns) { contrast } else { 0.0 })
            }
            Some((BlockKind::Hold { scene, .. }, _)) => match measured {
                Some((contrast, decision)) => {
                    return self.steer(scene, contrast, Cause { decision, ..cause }, outputs);
                }
                // Nothing could be scored against its baseline.
                None if self.is_scored() => {
                    self.screen.fade(cause, outputs);
                    return self.screen.settle_grey(cause, outputs);
                }
                None => return,
            },
            Some((BlockKind::Show { scene, contrast }, _)) => (scene, contrast),
            Some((
                BlockKind::Listen { .. }
                | BlockKind::Rest
                | BlockKind::Steer(_)
                | BlockKind::Trial(_)
                | BlockKind::Prompt(_)
                | BlockKind::Task(_)
                | BlockKind::Flash(_),
                _,
            ))
            | None => {
                self.screen.fade(cause, outputs);
                self.screen.settle_grey(cause, outputs);
                return;
            }
        };
        self.steer(scene, contrast, cause, outputs);
    }

    fn steer(&mut self, shown: impl Into<Shown>, contrast: f64, cause: Cause, outputs: &mut Outputs) {
        if contrast > 0.0
            && self.interlock.must_pause(cause.now_ns, cause.now_ns, self.screen.ramp(), outputs)
        {
            return;
        }
        // Coming back from grey takes the grey ramp, whatever the slew allows.
        let slew_per_s = if cause.now_ns < self.resumed_ns {
            let left_s = (self.resumed_ns - cause.now_ns) as f64 / 1e9;
            f64::min(self.slew_per_s(), contrast.max(1e-3) / left_s)
        } else {
            self.slew_per_s()
        };
        let allowed_per_s = self.interlock.slew_per_s(slew_per_s);
        let commands = outputs.commands.len();
        self.screen.show(shown, contrast, allowed_per_s, cause, outputs);
        if allowed_per_s < slew_per_s && outputs.commands.len() > commands {
            self.interlock.slowed(cause.now_ns, slew_per_s, outputs);
        }
    }

    /// Fastest change of contrast; without a controller the grey ramp of the protocol says what is gentle.
    fn slew_per_s(&self) -> f64 {
        match &self.controller {
            Some(controller) => controller.slew_per_s(),
            None => 1e9 / self.plan.grey_ramp_ns as f64,
        }
    }
}
