//! What the gate is prepared from, and what a presentation may wait for.

use core::f64::consts::{PI, TAU};

use timeline::{OnsetOutcome, SourceId};

use super::OnsetState;
use crate::check::within;
use crate::plan::{Plan, PrepareError};

/// How the state of the brain is followed.
#[derive(Debug, Clone, PartialEq)]
pub struct OnsetPlan {
    /// The EEG.
    pub source: SourceId,
    /// Weight of each channel in the signal whose rhythm counts; 0 for those that do not.
    pub weights: Vec<f64>,
    /// The band in which the rhythm lies and whose power counts.
    pub band_hz: [f64; 2],
    /// Frequency of the mains, whose hum is part of the model.
    pub mains_hz: f64,
    /// From the newest sample that may count to the refresh that it decides.
    pub lead_ns: i64,
    /// Rest from which the rhythm is learnt, and memory of the power's baseline, in s of data.
    pub baseline_s: f64,
    /// Memory of the power, in s of data.
    pub power_window_s: f64,
    /// How quiet eyes are told.
    pub eyes: Option<EyesPlan>,
}

/// How quiet eyes are told.
#[derive(Debug, Clone, PartialEq)]
pub struct EyesPlan {
    /// The stream: EEG with frontal or EOG channels, or a gaze.
    pub source: SourceId,
    /// Channels watched (positions in the source's rows).
    pub channels: Vec<usize>,
    /// How long they must have been quiet, in s of data.
    pub window_s: f64,
    /// Greatest less least value that a channel may have in that time, in its stream's unit.
    pub range_max: f64,
}

/// What a presentation waits for, and for how long. Conditions that are `None` always hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnsetRule {
    /// A phase of the rhythm.
    pub phase: Option<PhaseRule>,
    /// Least band power over its baseline.
    pub power_min: Option<f64>,
    /// Greatest band power over its baseline.
    pub power_max: Option<f64>,
    /// Quiet eyes.
    pub quiet_eyes: bool,
    /// How long it waits.
    pub timeout_ns: i64,
    /// What happens then.
    pub otherwise: Otherwise,
}

/// A wanted phase at the first photon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseRule {
    /// The phase in radians: 0 at the positive peak, pi at the trough.
    pub wanted_rad: f64,
    /// How far off the forecast may be.
    pub tolerance_rad: f64,
    /// Least mean resultant length that the forecast must promise.
    pub resultant_min: f64,
}

/// What happens when the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The presentation begins all the same.
    Go,
    /// It is left out.
    Skip,
}

impl Otherwise {
    pub(super) fn outcome(self) -> OnsetOutcome {
        match self {
            Self::Go => OnsetOutcome::TimedOut,
            Self::Skip => OnsetOutcome::Skipped,
        }
    }
}

impl OnsetRule {
    /// Waits for nothing.
    pub const FREE: Self = Self {
        phase: None,
        power_min: None,
        power_max: None,
        quiet_eyes: false,
        timeout_ns: 0,
        otherwise: Otherwise::Go,
    };

    pub(super) fn is_free(&self) -> bool {
        self.phase.is_none() && self.power_min.is_none() && self.power_max.is_none() && !self.quiet_eyes
    }

    /// Whether every condition holds. A number that is not known meets none.
    pub(super) fn is_met(&self, state: &OnsetState) -> bool {
        self.phase.is_none_or(|phase| phase.is_met(state))
            && self.power_min.is_none_or(|least| state.power >= least)
            && self.power_max.is_none_or(|most| state.power <= most)
            && (!self.quiet_eyes || state.quiet == Some(true))
    }
}

impl PhaseRule {
    fn is_met(&self, state: &OnsetState) -> bool {
        let off = state.phase_rad - self.wanted_rad;
        (off - TAU * libm::round(off / TAU)).abs() <= self.tolerance_rad
            && state.resultant >= self.resultant_min
    }
}

pub(super) fn check(
    plan: &Plan,
    onset: &OnsetPlan,
    channels: usize,
    rate_hz: f64,
) -> Result<(), PrepareError> {
    let [low_hz, high_hz] = onset.band_hz;
    within("lower edge of the rhythm's band in Hz", low_hz, 1.0, 100.0, "1 to 100")?;
    within(
        "upper edge of the rhythm's band in Hz",
        high_hz,
        low_hz + 1.0,
        200.0,
        "at least 1 above the lower",
    )?;
    within(
        "rate of the rhythm's stream in Hz",
        rate_hz,
        4.0 * high_hz,
        1e6,
        "4 times the band's upper edge",
    )?;
    within("mains in Hz", onset.mains_hz, 40.0, 70.0, "40 to 70")?;
    within("baseline in s", onset.baseline_s, 8.0, 3600.0, "8 to 3600")?;
    within("power window in s", onset.power_window_s, 0.05, 60.0, "0.05 to 60")?;
    within("lead in ns", onset.lead_ns as f64, 2e9 / plan.refresh_hz, 1e9, "two refreshes to 1 s")?;
    within(
        "weights of the rhythm",
        onset.weights.len() as f64,
        channels as f64,
        channels as f64,
        "one a channel",
    )?;
    let heard = onset.weights.iter().all(|w| w.is_finite()) && onset.weights.iter().any(|&w| w != 0.0);
    within("rhythm channels that count", f64::from(heard), 1.0, 1.0, "at least one, all finite")?;
    let Some(eyes) = &onset.eyes else { return Ok(()) };
    let (channels, ..) = crate::decoder::sample_source(plan, eyes.source)?;
    within("window of quiet eyes in s", eyes.window_s, 0.01, 60.0, "0.01 to 60")?;
    within("range of quiet eyes", eyes.range_max, f64::MIN_POSITIVE, 1e9, "above 0")?;
    within("channels of the eyes", eyes.channels.len() as f64, 1.0, channels as f64, "at least one")?;
    for &channel in &eyes.channels {
        within("channel of the eyes", channel as f64, 0.0, channels as f64 - 1.0, "those of its stream")?;
    }
    Ok(())
}

/// What a rule must be before a block may carry it.
pub(crate) fn check_rule(plan: &Plan, rule: &OnsetRule) -> Result<(), PrepareError> {
    within("time-out of an onset in ns", rule.timeout_ns as f64, 0.0, 3.6e12, "0 to an hour")?;
    if let Some(phase) = rule.phase {
        within("wanted phase in rad", phase.wanted_rad, -TAU, TAU, "a turn")?;
        within("tolerance of the phase in rad", phase.tolerance_rad, 1e-3, PI, "above 0, up to half a turn")?;
        within("resultant length promised", phase.resultant_min, 0.0, 0.999, "0 to 0.999")?;
    }
    for power in [rule.power_min, rule.power_max].into_iter().flatten() {
        within("band power over its baseline", power, 1e-3, 1e3, "0.001 to 1000")?;
    }
    let watched = plan.onset.as_ref().is_some_and(|onset| onset.eyes.is_some());
    within("eyes that are watched", f64::from(watched), f64::from(rule.quiet_eyes), 1.0, "some, to be quiet")
}
