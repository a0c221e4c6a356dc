//! Controllers beyond the proportional-integral one, set points over time, and artefacts: what a file says of them.

use crate::check;
use crate::error::ProtocolError;
use crate::experiment::{Block, BlockKind, Controller, Decoder, Hold, Protocol, Response};
use crate::parse::{RESPONSE_KEYS, read_response};
use crate::reader::{Range, Table};

/// `on_off`: two contrasts, switched when the measured amplitude leaves a band around the set point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnOff {
    /// Contrast while off, 0..=1.
    pub contrast_low: f64,
    /// Contrast while on, above `contrast_low`.
    pub contrast_high: f64,
    /// Width of the band in uV, at least 0.
    pub band_uv: f64,
    /// Shortest time on in s, at least 0.
    pub least_on_s: f64,
    /// Shortest time off in s, at least 0.
    pub least_off_s: f64,
    /// The response model and the limits of the contrast.
    pub response: Response,
}

/// `pid`: proportional, integral and derivative in drive, around a feed-forward through the inverse response.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pid {
    /// Drive per error in drive, at least 0.
    pub kp: f64,
    /// Drive per error in drive and s, at least 0.
    pub ki_per_s: f64,
    /// Drive per speed of the measured drive, in s, at least 0.
    pub kd_s: f64,
    /// Time constant of the derivative's low-pass in s, at least 0.
    pub derivative_tau_s: f64,
    /// Part of the set point that the proportional term sees, 0..=1.
    pub set_point_weight: f64,
    /// Time constant in s with which the integral follows a contrast at its limit, above 0.
    pub tracking_tau_s: f64,
    /// Whether the decoder's window and the latency are predicted (`predictor = "smith"` or `"none"`).
    pub smith: bool,
    /// The response model and the limits of the contrast.
    pub response: Response,
}

/// How a person's log gain is believed to move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GainModel {
    /// Standard deviation of its drift over `drift_tau_s`, at least 0.
    pub drift_sd: f64,
    /// Time over which it drifts that far, in s, above 0.
    pub drift_tau_s: f64,
    /// Standard deviation of its fluctuation over seconds, at least 0.
    pub fluctuation_sd: f64,
    /// Time constant of the fluctuation in s, above 0.
    pub fluctuation_tau_s: f64,
}

/// `lqg`: Kalman estimate of the log gain, linear-quadratic action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lqg {
    /// How the gain moves.
    pub model: GainModel,
    /// A relative change of contrast per s, times this time in s, costs as much as that relative error.
    pub change_penalty_s: f64,
    /// The response model and the limits of the contrast.
    pub response: Response,
}

/// `mpc`: Kalman estimate of the log gain, the best sequence of contrasts over a horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mpc {
    /// How the gain moves.
    pub model: GainModel,
    /// How many contrasts between the limits it chooses among, 2..=128.
    pub levels: u32,
    /// Moves that it looks ahead, 1..=32.
    pub horizon: u32,
    /// Time from one move to the next in s, above 0.
    pub move_s: f64,
    /// A change of contrast by 1 in one move costs as much as an error of this many uV, at least 0.
    pub change_penalty_uv: f64,
    /// The response model and the limits of the contrast.
    pub response: Response,
}

/// The set point of a hold block over its time.
#[derive(Debug, Clone, PartialEq)]
pub enum SetPoint {
    /// `set_point_uv`: one amplitude in uV.
    Constant(f64),
    /// `set_point_steps`: one level after the other, from the begin again after the last.
    Steps {
        /// In uV, 1 to [`crate::MAX_LEVELS`] of them.
        levels_uv: Vec<f64>,
        /// How long each holds, in s.
        each_s: f64,
    },
    /// `set_point_ramp`: a straight line, then its end.
    Ramp {
        /// In uV.
        from_uv: f64,
        /// In uV.
        to_uv: f64,
        /// In s.
        over_s: f64,
    },
    /// `set_point_sine`: `mean + amplitude sin(2 pi t / period)`.
    Sine {
        /// In uV.
        mean_uv: f64,
        /// In uV, below the mean.
        amplitude_uv: f64,
        /// In s.
        period_s: f64,
    },
    /// `set_point_scored`, `set_point_adaptive`: in standard deviations above the decoded values of an earlier block.
    Scored(Scored),
}

/// A set point relative to a baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Index into [`Protocol::blocks`] of the baseline, which shows the decoder's stimulus at one contrast, or rests.
    pub baseline: usize,
    /// How its centre and spread are found.
    pub measure: Measure,
    /// Standard deviations of the baseline above its centre; where it adapts, the start.
    pub at_sd: f64,
    /// How it adapts, if it does.
    pub adapt: Option<Adapt>,
}

/// How centre and spread of a baseline are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// `"moments"`: mean and standard deviation.
    Moments,
    /// `"robust"`: median and 1.4826 times the median absolute deviation.
    Robust,
}

/// A set point that moves so that a part of the decoded values lies above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adapt {
    /// That part, 0.01..=0.99.
    pub success_rate: f64,
    /// How far it moves per decoded value, in standard deviations of the baseline, above 0.
    pub step_sd: f64,
    /// The lowest that it can go, in standard deviations.
    pub lowest_sd: f64,
    /// The highest.
    pub highest_sd: f64,
}

impl SetPoint {
    /// Lowest and highest value in uV; without a bound where it is relative to a baseline.
    pub fn range_uv(&self) -> [f64; 2] {
        match self {
            Self::Constant(uv) => [*uv, *uv],
            Self::Scored(_) => [0.0, f64::INFINITY],
            Self::Steps { levels_uv, .. } => levels_uv
                .iter()
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &uv| [low.min(uv), high.max(uv)]),
            Self::Ramp { from_uv, to_uv, .. } => [from_uv.min(*to_uv), from_uv.max(*to_uv)],
            Self::Sine { mean_uv, amplitude_uv, .. } => [mean_uv - amplitude_uv, mean_uv + amplitude_uv],
        }
    }
}

/// `[artefacts]`: while one lies in the decoder's window, the controller holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Artefacts {
    /// Blink or movement: peak to peak within a segment in any channel above this, in uV.
    pub blink_uv: f64,
    /// Muscle: root mean square above `muscle_from_hz` in any channel above this, in uV.
    pub muscle_uv: f64,
    /// Corner of the high-pass before that, in Hz.
    pub muscle_from_hz: f64,
    /// Dead: peak to peak at most this, in uV, in a channel that was alive before.
    pub flat_uv: f64,
    /// Length of the segments that are judged, in s.
    pub segment_s: f64,
}

const MODEL_KEYS: [&str; 4] = ["drift_sd", "drift_tau_s", "fluctuation_sd", "fluctuation_tau_s"];
const AT_LEAST_0: Range = Range::from(0.0).up_to(1_000.0);
const SECONDS: Range = Range::above(0.0).up_to(86_400.0);
const MICROVOLTS: Range = Range::above(0.0).up_to(1_000.0);

/// The table `key` of a controller with these keys and those of the response.
fn table_with_response<'a>(
    controller: &Table<'a>,
    key: &str,
    keys: &[&[&str]],
) -> Result<Table<'a>, ProtocolError> {
    let all: Vec<&str> = keys.iter().copied().chain([&RESPONSE_KEYS[..]]).flatten().copied().collect();
    controller.table(key, &all)
}

pub(crate) fn read_on_off(controller: &Table<'_>) -> Result<OnOff, ProtocolError> {
    let keys = ["contrast_low", "contrast_high", "band_uv", "least_on_s", "least_off_s"];
    let table = table_with_response(controller, "on_off", &[&keys])?;
    let response = read_response(&table)?;
    let within = Range::from(response.contrast_min).up_to(response.contrast_max);
    let contrast_low = table.number("contrast_low", within)?;
    Ok(OnOff {
        contrast_low,
        contrast_high: table
            .number("contrast_high", Range::above(contrast_low).up_to(response.contrast_max))?,
        band_uv: table.number("band_uv", AT_LEAST_0)?,
        least_on_s: table.number("least_on_s", AT_LEAST_0)?,
        least_off_s: table.number("least_off_s", AT_LEAST_0)?,
        response,
    })
}

pub(crate) fn read_pid(controller: &Table<'_>) -> Result<Pid, ProtocolError> {
    let keys =
        ["kp", "ki_per_s", "kd_s", "derivative_tau_s", "set_point_weight", "tracking_tau_s", "predictor"];
    let table = table_with_response(controller, "pid", &[&keys])?;
    let pid = Pid {
        kp: table.number("kp", AT_LEAST_0)?,
        ki_per_s: table.number("ki_per_s", AT_LEAST_0)?,
        kd_s: table.number("kd_s", AT_LEAST_0)?,
        derivative_tau_s: table.number("derivative_tau_s", AT_LEAST_0)?,
        set_point_weight: table.number("set_point_weight", Range::from(0.0).up_to(1.0))?,
        tracking_tau_s: table.number("tracking_tau_s", SECONDS)?,
        smith: table.choice("predictor", &[("smith", true), ("none", false)])?,
        response: read_response(&table)?,
    };
    if pid.kp == 0.0 && pid.ki_per_s == 0.0 && pid.kd_s == 0.0 {
        return Err(table.refuse("ki_per_s", "above 0 where kp and kd_s are 0, or nothing is controlled"));
    }
    Ok(pid)
}

fn read_model(table: &Table<'_>) -> Result<GainModel, ProtocolError> {
    let sd = Range::from(0.0).up_to(10.0);
    Ok(GainModel {
        drift_sd: table.number("drift_sd", sd)?,
        drift_tau_s: table.number("drift_tau_s", SECONDS)?,
        fluctuation_sd: table.number("fluctuation_sd", sd)?,
        fluctuation_tau_s: table.number("fluctuation_tau_s", SECONDS)?,
    })
}

pub(crate) fn read_lqg(controller: &Table<'_>) -> Result<Lqg, ProtocolError> {
    let table = table_with_response(controller, "lqg", &[&MODEL_KEYS, &["change_penalty_s"]])?;
    Ok(Lqg {
        model: read_model(&table)?,
        change_penalty_s: table.number("change_penalty_s", AT_LEAST_0)?,
        response: read_response(&table)?,
    })
}

pub(crate) fn read_mpc(controller: &Table<'_>) -> Result<Mpc, ProtocolError> {
    let keys = ["levels", "horizon", "move_s", "change_penalty_uv"];
    let table = table_with_response(controller, "mpc", &[&MODEL_KEYS, &keys])?;
    let response = read_response(&table)?;
    let levels = table.integer("levels", 2..=128)? as u32;
    let step = (response.contrast_max - response.contrast_min) / f64::from(levels - 1);
    let move_s = table.number("move_s", Range::from(0.01).up_to(60.0))?;
    if response.slew_per_s * move_s < step {
        let allowed = format!(
            "at least {:.3} s, in which slew_per_s = {} reaches the next of {levels} levels",
            step / response.slew_per_s,
            response.slew_per_s
        );
        return Err(table.refuse("move_s", allowed));
    }
    Ok(Mpc {
        model: read_model(&table)?,
        levels,
        horizon: table.integer("horizon", 1..=32)? as u32,
        move_s,
        change_penalty_uv: table.number("change_penalty_uv", AT_LEAST_0)?,
        response,
    })
}

pub(crate) const SET_POINT_KEYS: [&str; 6] = [
    "set_point_uv",
    "set_point_steps",
    "set_point_ramp",
    "set_point_sine",
    "set_point_scored",
    "set_point_adaptive",
];

/// The set point of a hold block, within what the controller's response can reach.
pub(crate) fn read_set_point(hold: &Table<'_>, protocol: &Protocol) -> Result<SetPoint, ProtocolError> {
    let key = hold.one_of(&SET_POINT_KEYS)?;
    // Set points are followed in steps of 0.1 s.
    let seconds = Range::from(0.1).up_to(86_400.0);
    let set_point = match key {
        "set_point_steps" => {
            let table = hold.table(key, &["levels_uv", "each_s"])?;
            let levels_uv = table.numbers("levels_uv", None, MICROVOLTS)?;
            if levels_uv.len() > crate::MAX_LEVELS {
                return Err(table.refuse("levels_uv", format!("at most {} levels", crate::MAX_LEVELS)));
            }
            SetPoint::Steps { levels_uv, each_s: table.number("each_s", seconds)? }
        }
        "set_point_ramp" => {
            let table = hold.table(key, &["from_uv", "to_uv", "over_s"])?;
            SetPoint::Ramp {
                from_uv: table.number("from_uv", MICROVOLTS)?,
                to_uv: table.number("to_uv", MICROVOLTS)?,
                over_s: table.number("over_s", seconds)?,
            }
        }
        "set_point_sine" => {
            let table = hold.table(key, &["mean_uv", "amplitude_uv", "period_s"])?;
            let mean_uv = table.number("mean_uv", MICROVOLTS)?;
            SetPoint::Sine {
                mean_uv,
                amplitude_uv: table.number("amplitude_uv", Range::above(0.0).below(mean_uv))?,
                period_s: table.number("period_s", seconds)?,
            }
        }
        "set_point_scored" | "set_point_adaptive" => SetPoint::Scored(read_scored(hold, key, protocol)?),
        _ => SetPoint::Constant(hold.number("set_point_uv", MICROVOLTS)?),
    };
    if let (Some(controller), false) = (&protocol.controller, matches!(set_point, SetPoint::Scored(_))) {
        check::set_point_is_in_reach(hold, key, &set_point, controller)?;
    }
    Ok(set_point)
}

fn read_scored(hold: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Scored, ProtocolError> {
    let adapts = key == "set_point_adaptive";
    let own: &[&str] = if adapts {
        &["baseline", "measure", "start_sd", "success_rate", "step_sd", "lowest_sd", "highest_sd"]
    } else {
        &["baseline", "measure", "at_sd"]
    };
    let table = hold.table(key, own)?;
    let at_sd = table.number(if adapts { "start_sd" } else { "at_sd" }, Range::from(-100.0).up_to(100.0))?;
    let adapt = |table: &Table<'_>| {
        Ok(Adapt {
            success_rate: table.number("success_rate", Range::from(0.01).up_to(0.99))?,
            step_sd: table.number("step_sd", Range::above(0.0).up_to(10.0))?,
            lowest_sd: table.number("lowest_sd", Range::from(-100.0).up_to(at_sd))?,
            highest_sd: table.number("highest_sd", Range::from(at_sd).up_to(100.0))?,
        })
    };
    let scored = Scored {
        baseline: table.reference(
            "baseline",
            "block before this one",
            protocol.blocks.iter().map(|block| block.name.as_str()),
        )?,
        measure: table.choice("measure", &[("moments", Measure::Moments), ("robust", Measure::Robust)])?,
        at_sd,
        adapt: adapts.then(|| adapt(&table)).transpose()?,
    };
    let is_on_off = matches!(protocol.controller, Some(Controller::OnOff(_)) | None);
    if adapts && !is_on_off {
        let text = "needs [controller.on_off]: a controller that brings the response to its set point would chase one that \
                    moves away from the response";
        return Err(hold.contradiction(key, text));
    }
    for (other, is_there) in [("outside", protocol.outside.is_some()), ("arms", protocol.arms.is_some())] {
        if is_there {
            let text = format!(
                "cannot stand beside [{other}]: what is fed back has no baseline to be scored against"
            );
            return Err(hold.contradiction(key, text));
        }
    }
    Ok(scored)
}

/// A baseline is decoded: it comes after a calibration, shows what the decoder measures or rests, and is there whatever the
/// seed.
pub(crate) fn baseline_comes_first(
    table: &Table<'_>,
    block: &Block,
    hold: &Hold,
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let SetPoint::Scored(scored) = &hold.set_point else { return Ok(()) };
    let inner = table.table_of_any("hold")?;
    let key = if scored.adapt.is_some() { "set_point_adaptive" } else { "set_point_scored" };
    let inner = inner.table_of_any(key)?;
    let refuse = |allowed: String| Err(inner.refuse("baseline", allowed));
    let before = &protocol.blocks[..scored.baseline];
    let baseline = &protocol.blocks[scored.baseline];
    match (&baseline.kind, &protocol.decoder) {
        (BlockKind::Rest, _) => {}
        (BlockKind::Show(show), Some(Decoder::SsvepAmplitude(ssvep))) if show.stimulus == ssvep.stimulus => {}
        _ => {
            return refuse(
                "a block with `rest`, or with `show` of the stimulus that the decoder measures".into(),
            );
        }
    }
    if baseline.shuffle || (block.shuffle && before.iter().any(|block| block.shuffle)) {
        return refuse("a block that comes before this one whatever the seed: not shuffled".into());
    }
    if !before.iter().any(|block| matches!(block.kind, BlockKind::Calibrate(_)) && !block.shuffle) {
        return refuse("a block after one with `calibrate`, not shuffled: nothing is decoded before".into());
    }
    let window_s = match &protocol.decoder {
        Some(Decoder::SsvepAmplitude(ssvep)) => ssvep.window_s,
        _ => 0.0,
    };
    let least_s = 3.0 * window_s + protocol.grey_ramp_s + 1.0;
    if baseline.duration_s < least_s {
        let allowed = format!(
            "a block of {least_s} s or more, three windows of the decoder and a second beyond the ramp (it lasts {} s)",
            baseline.duration_s
        );
        return refuse(allowed);
    }
    Ok(())
}

pub(crate) fn read_artefacts(root: &Table<'_>, key: &str) -> Result<Artefacts, ProtocolError> {
    let keys = ["blink_uv", "muscle_uv", "muscle_from_hz", "flat_uv", "segment_s"];
    let table = root.table(key, &keys)?;
    Ok(Artefacts {
        blink_uv: table.number("blink_uv", Range::above(0.0).up_to(1e6))?,
        muscle_uv: table.number("muscle_uv", Range::above(0.0).up_to(1e6))?,
        muscle_from_hz: table.number("muscle_from_hz", Range::above(0.0).up_to(100_000.0))?,
        flat_uv: table.number("flat_uv", AT_LEAST_0)?,
        segment_s: table.number("segment_s", Range::from(0.01).up_to(10.0))?,
    })
}

impl Controller {
    /// Contrasts between which it moves: the limits, or what an on/off controller switches between.
    pub(crate) fn contrasts(&self) -> [f64; 2] {
        match self {
            Self::OnOff(on_off) => [on_off.contrast_low, on_off.contrast_high],
            other => [other.response().contrast_min, other.response().contrast_max],
        }
    }
}

impl Response {
    /// Amplitude in uV of the nominal person at a contrast.
    pub fn at_uv(&self, contrast: f64) -> f64 {
        let power = contrast.powf(self.exponent);
        self.nominal_gain_uv * power / (power + self.semisaturation.powf(self.exponent))
    }
}
