//! State-dependent onset: a presentation waits until the brain is in a wanted state.
//!
//! # What decides, and when
//! Each refresh of the screen is decided once, by one sample: the last one that is at least `lead` older than the refresh.
//! From the samples up to that one, the gate forecasts the state at the refresh and says whether a presentation may begin
//! there. So it depends on samples and on the line of refreshes, never on the moment at which somebody looked:
//!
//! - Any cut of the samples into turns plans the same onsets, as long as samples come, and are looked at, within `lead` of
//!   their instant, less the two refreshes that a command may need. A plan that comes too late is dropped, told in a
//!   notice, and the wait goes on.
//! - The line of refreshes is a fit to all flips taken so far, so it moves by microseconds with the turns; a forecast on
//!   the very edge of a tolerance could fall to either side of it.
//! - Eyes in a stream of their own count as far as that stream has come.
//! - A wait must begin before the samples that decide its first refresh: [`OnsetGate::wait`] is called when the end of the
//!   presentation before is known, not when it comes.
//!
//! A longer `lead` reaches over slower amplifiers, and costs certainty: the forecast is as far ahead.

use signal::{
    BandPower, Forecast, RhythmFit, RhythmFound, RhythmSpectrum, RhythmTracker, StampEvent, StampModel,
    StampPlan,
};
use timeline::{NoticeKind, OnsetOutcome};

use crate::decoder::sample_source;
use crate::interlock::is_sane;
use crate::plan::{Plan, PrepareError};
use crate::turn::{Inputs, Outputs, SourceInput};

mod begin;
mod eyes;
mod plan;

pub(crate) use begin::{Begun, Rise};
use eyes::Eyes;
pub(crate) use plan::check_rule;
pub use plan::{EyesPlan, OnsetPlan, OnsetRule, Otherwise, PhaseRule};

/// Without any sample that could decide, a wait ends this long after its time-out.
const SILENCE_NS: i64 = 1_000_000_000;

/// Frequencies of the spectrum beyond the mains.
const ABOVE_MAINS_HZ: f64 = 5.0;

/// The state in which a presentation meets the brain, and the refresh at which it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnsetState {
    /// One past the last sample that it rests on.
    pub end_sample: u64,
    /// Instant of that sample.
    pub sample_ns: i64,
    /// The refresh.
    pub photon_ns: i64,
    /// Forecast phase there, in radians; NaN before a rhythm has been learnt.
    pub phase_rad: f64,
    /// Mean resultant length expected of such forecasts; 0 before a rhythm has been learnt.
    pub resultant: f64,
    /// Band power over its baseline; NaN while unknown.
    pub power: f64,
    /// Whether the eyes were quiet, where somebody looks.
    pub quiet: Option<bool>,
    /// From the first instant allowed to the refresh.
    pub waited_ns: i64,
    /// How the wait ended.
    pub outcome: OnsetOutcome,
}

/// The gate: follows the rhythm, and says when a presentation may begin.
#[derive(Debug, Clone)]
pub struct OnsetGate {
    plan: OnsetPlan,
    rate_hz: f64,
    time_scale: f64,
    /// A sample's length on the clock.
    sample_ns: f64,
    refreshes: StampModel,
    stamps: StampModel,
    next: Option<u64>,
    /// Index and instant of the newest sample.
    newest: Option<(u64, i64)>,
    bridge: f64,
    spectrum: RhythmSpectrum,
    fit: RhythmFit,
    tracker: Option<RhythmTracker>,
    power: BandPower,
    eyes: Option<Eyes>,
    /// Grey screen between these instants: what the rhythm is learnt from.
    rest: Option<(i64, i64)>,
    rested: u64,
    wait: Option<(OnsetRule, i64)>,
    planned: Option<OnsetState>,
    /// Of the next record.
    next_index: u64,
}

impl OnsetGate {
    /// Allocates all that the steps need.
    ///
    /// # Errors
    /// When a source is missing, a channel is beyond its last or a number is out of range.
    pub fn prepare(plan: &Plan, onset: &OnsetPlan) -> Result<Self, PrepareError> {
        let (channels, rate_hz, sample_ns) = sample_source(plan, onset.source)?;
        plan::check(plan, onset, channels, rate_hz)?;
        let spectrum = RhythmSpectrum::new(rate_hz, onset.mains_hz + ABOVE_MAINS_HZ);
        Ok(Self {
            rate_hz,
            time_scale: plan.sources[usize::from(onset.source.0)].time_scale,
            sample_ns,
            refreshes: StampModel::new(StampPlan::refreshes(1e9 / plan.refresh_hz)),
            stamps: StampModel::new(StampPlan::samples(sample_ns)),
            next: None,
            newest: None,
            bridge: 0.0,
            fit: RhythmFit::new(&spectrum, rate_hz, onset.band_hz, Some(onset.mains_hz)),
            spectrum,
            tracker: None,
            power: BandPower::new(onset.band_hz, onset.power_window_s, onset.baseline_s, rate_hz)?,
            eyes: onset.eyes.as_ref().map(|eyes| Eyes::prepare(plan, eyes)).transpose()?,
            rest: None,
            rested: 0,
            wait: None,
            planned: None,
            next_index: 0,
            plan: onset.clone(),
        })
    }

    /// Back to the state before the first sample.
    pub fn reset(&mut self) {
        self.refreshes.reset();
        self.stamps.reset();
        (self.next, self.newest, self.bridge) = (None, None, 0.0);
        self.spectrum.reset();
        self.fit.reset();
        self.tracker = None;
        self.power.reset();
        if let Some(eyes) = &mut self.eyes {
            eyes.reset();
        }
        (self.rest, self.rested, self.next_index) = (None, 0, 0);
        self.cancel();
    }

    /// The screen is grey between two instants: the rhythm is learnt from samples of that time, as soon as there are
    /// `baseline_s` of them, and anew with every further `baseline_s`.
    pub fn rest(&mut self, from_ns: i64, until_ns: i64) {
        self.rest = Some((from_ns, until_ns));
    }

    /// A presentation waits for a state, and may begin at `from_ns` at the earliest.
    pub fn wait(&mut self, rule: OnsetRule, from_ns: i64) {
        self.wait = Some((rule, from_ns));
        self.planned = None;
    }

    /// Whether something waits.
    pub fn waits(&self) -> bool {
        self.wait.is_some()
    }

    /// Nothing waits any more.
    pub fn cancel(&mut self) {
        self.wait = None;
        self.planned = None;
    }

    /// Takes flips and samples of a turn; a planned onset is then asked for by [`OnsetGate::ready`].
    pub fn step(&mut self, inputs: &Inputs<'_>, out: &mut Outputs) {
        self.take_flips(inputs);
        if let Some(eyes) = &mut self.eyes {
            eyes.step(inputs.sources);
        }
        let Some(input) = inputs.sources.get(usize::from(self.plan.source.0)) else { return };
        for n in 0..input.count(self.plan.weights.len()) {
            self.sample(input, n, inputs.now_ns, out);
        }
    }

    fn take_flips(&mut self, inputs: &Inputs<'_>) {
        // One that came in the same refresh as the flip before says nothing new of the screen's line.
        let news = |flip: &&timeline::Flip| is_sane(flip, inputs.now_ns) && !flip.replaces;
        for flip in inputs.flips.iter().filter(news) {
            let _ = self.refreshes.update(flip.frame, flip.onset_ns);
        }
    }

    fn sample(&mut self, input: &SourceInput<'_>, n: usize, now_ns: i64, out: &mut Outputs) {
        let index = input.first_sample + n as u64;
        let (at_ns, event) = self.stamps.update(index, input.at_ns[n]);
        if self.next != Some(index) || matches!(event, StampEvent::Jumped { .. }) {
            self.cut();
        }
        self.next = Some(index + 1);
        self.newest = Some((index, at_ns));
        let channels = self.plan.weights.len();
        let row = &input.values[n * channels..(n + 1) * channels];
        // A channel that does not count may well be broken.
        let parts = row.iter().zip(&self.plan.weights).filter(|&(_, &weight)| weight != 0.0);
        let value = parts.fold(0.0, |sum, (value, weight)| sum + weight * value);
        let is_whole = value.is_finite();
        if is_whole {
            self.bridge = value;
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.step(is_whole.then_some(value));
        }
        self.power.step(self.bridge);
        self.learn(at_ns, is_whole, now_ns, out);
        if self.planned.is_none() {
            self.planned = self.decide(index, at_ns);
        }
    }

    /// What came before says nothing of what comes now, but how the rhythm is.
    fn cut(&mut self) {
        if let Some(tracker) = &mut self.tracker {
            tracker.reset();
        }
        self.power.cut();
        self.spectrum.cut();
    }

    fn learn(&mut self, at_ns: i64, is_whole: bool, now_ns: i64, out: &mut Outputs) {
        if let Some(found) = self.fit.step() {
            self.take_found(&found, now_ns, out);
        }
        let rests = self.rest.is_some_and(|(from_ns, until_ns)| (from_ns..until_ns).contains(&at_ns));
        if !rests || !is_whole {
            self.spectrum.cut();
            return;
        }
        self.spectrum.step(self.bridge);
        self.rested += 1;
        if self.rested as f64 >= self.plan.baseline_s * self.rate_hz && !self.fit.runs() {
            // Refused where no segment is whole or a bin is empty (a dead channel): then the rest goes on.
            let _ = self.fit.start(&self.spectrum);
            self.spectrum.reset();
            self.rested = 0;
        }
    }

    fn take_found(&mut self, found: &RhythmFound, now_ns: i64, out: &mut Outputs) {
        match &mut self.tracker {
            Some(tracker) => tracker.set_model(found.model),
            None => self.tracker = Some(RhythmTracker::new(found.model, self.rate_hz)),
        }
        let kind = if found.is_rhythm { NoticeKind::RhythmFound } else { NoticeKind::RhythmWeak };
        let evidence = libm::round(found.evidence.clamp(-1e9, 1e9)) as i64;
        out.notice(now_ns, kind, Some(self.plan.source), evidence, found.model.centre_hz);
    }

    /// Whether a presentation may begin at the refresh that this sample decides, if it decides one.
    fn decide(&self, index: u64, at_ns: i64) -> Option<OnsetState> {
        let (rule, from_ns) = self.wait?;
        let least_ns = at_ns + self.plan.lead_ns;
        let photon_ns = self.refresh_from(least_ns, 0.0)?;
        let is_last = ((photon_ns - least_ns) as f64) < self.sample_ns;
        if !is_last || photon_ns < from_ns - (self.refreshes.period_ns() / 2.0) as i64 {
            return None;
        }
        let state = self.state(index, at_ns, photon_ns, from_ns);
        let outcome = if rule.is_free() {
            OnsetOutcome::Free
        } else if rule.is_met(&state) {
            OnsetOutcome::Met
        } else if state.waited_ns >= rule.timeout_ns {
            rule.otherwise.outcome()
        } else {
            return None;
        };
        Some(OnsetState { outcome, ..state })
    }

    /// The state forecast for a refresh; the outcome is for the caller to say.
    fn state(&self, index: u64, at_ns: i64, photon_ns: i64, from_ns: i64) -> OnsetState {
        let ahead_s = (photon_ns - at_ns) as f64 / 1e9 * self.time_scale;
        let unknown = Forecast { phase_rad: f64::NAN, resultant: 0.0, squared_amplitude: f64::NAN };
        let forecast = self.tracker.as_ref().map_or(unknown, |tracker| tracker.forecast(ahead_s));
        OnsetState {
            end_sample: index + 1,
            sample_ns: at_ns,
            photon_ns,
            phase_rad: forecast.phase_rad,
            resultant: forecast.resultant,
            power: self.power.relative().unwrap_or(f64::NAN),
            quiet: self.eyes.as_ref().map(|eyes| eyes.are_quiet(at_ns)),
            waited_ns: (photon_ns - from_ns).max(0),
            outcome: OnsetOutcome::TimedOut,
        }
    }

    /// The first refresh at or after an instant, and `further` refreshes on.
    fn refresh_from(&self, at_ns: i64, further: f64) -> Option<i64> {
        let index = self.refreshes.index_at(at_ns)?;
        let ahead = libm::ceil(index) - index + further;
        Some(at_ns + libm::round(ahead * self.refreshes.period_ns()) as i64)
    }

    /// The first refresh that can show a command published at `now_ns`: the display draws a frame one refresh ahead, from
    /// the command that stands when it begins.
    pub fn next_photon_ns(&self, now_ns: i64) -> Option<i64> {
        self.refresh_from(now_ns, 1.0)
    }

    /// The refresh's length.
    pub fn refresh_ns(&self) -> i64 {
        self.refreshes.period_ns() as i64
    }

    /// The onset that a command issued now must make, or the one that is left out; the wait is then over. `None` while it
    /// goes on.
    pub fn ready(&mut self, now_ns: i64, out: &mut Outputs) -> Option<OnsetState> {
        let (rule, from_ns) = self.wait?;
        let next_ns = self.next_photon_ns(now_ns);
        if let Some(state) = self.planned.take() {
            let late_ns = next_ns.map_or(0, |next_ns| next_ns - state.photon_ns);
            if !state.outcome.is_shown() || late_ns <= self.refresh_ns() / 2 {
                self.cancel();
                return Some(state);
            }
            out.notice(now_ns, NoticeKind::OnsetLate, Some(self.plan.source), late_ns, 0.0);
        }
        if now_ns < self.silent_ns(&rule, from_ns) {
            return None;
        }
        let photon_ns = next_ns.unwrap_or(now_ns);
        let (index, at_ns) = self.newest.unwrap_or((0, now_ns));
        let state = self.state(index, at_ns, photon_ns, from_ns);
        self.cancel();
        Some(OnsetState { outcome: rule.otherwise.outcome(), ..state })
    }

    fn silent_ns(&self, rule: &OnsetRule, from_ns: i64) -> i64 {
        from_ns.saturating_add(rule.timeout_ns).saturating_add(self.plan.lead_ns + SILENCE_NS)
    }

    /// When [`OnsetGate::ready`] has to be asked at the latest.
    pub fn next_ns(&self) -> i64 {
        self.wait.as_ref().map_or(i64::MAX, |(rule, from_ns)| self.silent_ns(rule, *from_ns))
    }

    /// How long before a refresh a presentation can be planned for it, at most.
    pub fn planned_within_ns(&self) -> i64 {
        self.plan.lead_ns + self.refresh_ns() + self.sample_ns as i64
    }

    /// Which source the rhythm comes from.
    pub fn source(&self) -> timeline::SourceId {
        self.plan.source
    }
}
