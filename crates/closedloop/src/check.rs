//! What a plan must be before anything is prepared from it.

use timeline::MAX_SOURCES;

use crate::controller::{
    GainModel, MAX_CANDIDATES, MAX_HORIZON, MpcPlan, OnOffPlan, PidPlan, margins, weighted, window_weights,
};
use crate::flash::FlashPlan;
use crate::neurofeedback::ArtefactPlan;
use crate::onset::check_rule;
use crate::outside::MAX_OPEN;
use crate::plan::{BlockKind, ControllerPlan, DecoderPlan, LimitsPlan, Plan, PrepareError, ResponsePlan};

/// Durations beyond a week are mistakes, and keep sums of nanoseconds far from overflow.
const LONGEST_NS: i64 = 7 * 86_400 * 1_000_000_000;

pub(crate) fn check(plan: &Plan) -> Result<(), PrepareError> {
    if plan.sources.len() > MAX_SOURCES {
        return Err(PrepareError::Sources { found: plan.sources.len() });
    }
    within("refresh rate in Hz", plan.refresh_hz, 1.0, 1000.0, "1 to 1000")?;
    duration("grey ramp in ns", plan.grey_ramp_ns)?;
    for source in plan.sources.iter().filter(|source| !source.is_marker) {
        within("channels", source.channels as f64, 1.0, 1024.0, "1 to 1024")?;
        within("rate in Hz", source.rate_hz, 1.0, 100_000.0, "1 to 100000")?;
        within("time scale", source.time_scale, 1e-3, 1e3, "0.001 to 1000")?;
        duration("stale_after in ns", source.stale_after_ns)?;
        duration("grey_after in ns", source.grey_after_ns)?;
        if source.grey_after_ns < source.stale_after_ns {
            return Err(PrepareError::Number {
                what: "grey_after in ns",
                value: source.grey_after_ns as f64,
                allowed: "at least stale_after",
            });
        }
    }
    if let Some(controller) = &plan.controller {
        check_controller(controller, plan.decoder.as_ref())?;
    }
    if let Some(artefacts) = &plan.artefacts {
        check_artefacts(artefacts)?;
    }
    if let Some(limits) = plan.interlock.limits {
        check_limits(&limits, plan.grey_ramp_ns)?;
    }
    check_feedback(plan)?;
    check_blocks(plan)?;
    crate::trial::check(plan)?;
    crate::flow::check(plan)
}

/// What a program outside or another arm puts in the place of decoder or controller.
fn check_feedback(plan: &Plan) -> Result<(), PrepareError> {
    if plan.outside.is_some() || plan.feed.is_some() {
        let Some(DecoderPlan::SsvepAmplitude(ssvep)) = &plan.decoder else {
            return Err(PrepareError::Feedback("it needs the decoder ssvep_amplitude"));
        };
        if plan.controller.is_none() {
            return Err(PrepareError::Feedback("it needs a controller"));
        }
        if let Some(outside) = &plan.outside {
            let most_s = ssvep.update_s * MAX_OPEN as f64;
            within(
                "deadline of the program outside in s",
                outside.deadline_ns as f64 / 1e9,
                1e-3,
                most_s,
                "0.001 to 64 updates",
            )?;
        }
    }
    let Some(feed) = &plan.feed else { return Ok(()) };
    if feed.values.is_empty() {
        return Err(PrepareError::Feedback("there is not one value"));
    }
    let numbers = feed.values.iter().flatten().chain(&feed.donor_uv);
    if !numbers.into_iter().all(|value| value.is_finite()) {
        return Err(PrepareError::Feedback("a value is not a number"));
    }
    Ok(())
}

fn check_limits(limits: &LimitsPlan, grey_ramp_ns: i64) -> Result<(), PrepareError> {
    within("dose in s", limits.dose_s, f64::MIN_POSITIVE, 7.0 * 86_400.0, "above 0, up to a week")?;
    duration("longest on-time in ns", limits.longest_ns)?;
    duration("pause in ns", limits.pause_ns)?;
    duration("total on-time in ns", limits.total_ns)?;
    duration("session length in ns", limits.session_ns)?;
    duration("release of the dead-man key in ns", limits.dead_man_ns.unwrap_or(1))?;
    // The ramp to grey is what every breach ends in; it must not be one.
    let ramp_per_s = 1e9 / grey_ramp_ns as f64 * (1.0 - 1e-9);
    within(
        "slew_per_s",
        limits.slew_per_s,
        ramp_per_s,
        1e3,
        "at least full contrast per grey ramp, up to 1000",
    )
}

fn check_controller(controller: &ControllerPlan, decoder: Option<&DecoderPlan>) -> Result<(), PrepareError> {
    check_response(controller.response())?;
    match controller {
        ControllerPlan::Pi(pi) => {
            within("kp", pi.kp, 0.0, 10.0, "0 to 10")?;
            within("ki_per_s", pi.ki_per_s, 0.0, 10.0, "0 to 10")
        }
        ControllerPlan::OnOff(on_off) => check_on_off(on_off),
        ControllerPlan::Pid(pid) => check_pid(pid, decoder),
        ControllerPlan::Lqg(lqg) => {
            within("change_penalty_s", lqg.change_penalty_s, 0.0, 1e3, "0 to 1000")?;
            check_model(&lqg.model, decoder)
        }
        ControllerPlan::Mpc(mpc) => {
            check_model(&mpc.model, decoder)?;
            check_mpc(mpc)
        }
        ControllerPlan::OpenLoopNominal(_)
        | ControllerPlan::OpenLoopCalibrated(_)
        | ControllerPlan::KnownGain(_) => Ok(()),
    }
}

fn check_on_off(plan: &OnOffPlan) -> Result<(), PrepareError> {
    let ResponsePlan { contrast_min, contrast_max, .. } = plan.response;
    within("contrast_low", plan.contrast_low, contrast_min, contrast_max, "contrast_min to contrast_max")?;
    within(
        "contrast_high",
        plan.contrast_high,
        plan.contrast_low,
        contrast_max,
        "contrast_low to contrast_max",
    )?;
    within("band_uv", plan.band_uv, 0.0, 1e6, "0 to 1e6")?;
    // Zero is no least time at all, and that is allowed.
    duration("least_on in ns", plan.least_on_ns.max(1))?;
    duration("least_off in ns", plan.least_off_ns.max(1))
}

fn check_pid(plan: &PidPlan, decoder: Option<&DecoderPlan>) -> Result<(), PrepareError> {
    let gains = &plan.gains;
    within("kp", gains.kp, 0.0, 1e3, "0 to 1000")?;
    within("ki_per_s", gains.ki_per_s, 0.0, 1e3, "0 to 1000")?;
    within("kd_s", gains.kd_s, 0.0, 1e3, "0 to 1000")?;
    within("derivative_tau_s", gains.derivative_tau_s, 0.0, 1e3, "0 to 1000")?;
    within("set_point_weight", gains.set_point_weight, 0.0, 1.0, "0 to 1")?;
    within("tracking_tau_s", gains.tracking_tau_s, 1e-3, 1e6, "0.001 to 1e6")?;
    let Some(DecoderPlan::SsvepAmplitude(ssvep)) = decoder else { return Ok(()) };
    let (window_s, update_s) = (ssvep.window_s, ssvep.update_s);
    // The decoder checks them again, with the rate.
    within("update_s", update_s, 1e-4, 60.0, "0.0001 to 60")?;
    within("window_s", window_s, update_s, 60.0, "update_s to 60")?;
    let weights = window_weights(window_s, update_s);
    if margins(gains, update_s, plan.smith, |q| weighted(&weights, q)).is_none() {
        let (kp, ki_per_s, kd_s) = (gains.kp, gains.ki_per_s, gains.kd_s);
        return Err(PrepareError::Unstable { kp, ki_per_s, kd_s, window_s, update_s });
    }
    Ok(())
}

fn check_model(model: &GainModel, decoder: Option<&DecoderPlan>) -> Result<(), PrepareError> {
    within("drift_sd", model.drift_sd, 0.0, 10.0, "0 to 10")?;
    within("drift_tau_s", model.drift_tau_s, 1e-3, 1e6, "0.001 to 1e6")?;
    within("fluctuation_sd", model.fluctuation_sd, 0.0, 10.0, "0 to 10")?;
    within("fluctuation_tau_s", model.fluctuation_tau_s, 1e-3, 1e6, "0.001 to 1e6")?;
    let Some(DecoderPlan::SsvepAmplitude(ssvep)) = decoder else { return Ok(()) };
    // Each segment of the window is a state of the filter, and its work grows with their square.
    within("updates in the decoder's window", ssvep.window_s / ssvep.update_s, 1.0, 100.0, "1 to 100")
}

fn check_mpc(plan: &MpcPlan) -> Result<(), PrepareError> {
    within("levels", plan.levels as f64, 2.0, MAX_CANDIDATES as f64, "2 to 128")?;
    within("horizon", plan.horizon as f64, 1.0, MAX_HORIZON as f64, "1 to 32")?;
    within("move_s", plan.move_s, 1e-2, 60.0, "0.01 to 60")?;
    within("change_penalty_uv", plan.change_penalty_uv, 0.0, 1e6, "0 to 1e6")?;
    let ResponsePlan { contrast_min, contrast_max, slew_per_s, .. } = plan.response;
    let step = (contrast_max - contrast_min) / (plan.levels - 1) as f64;
    let allowed = "at least (contrast_max - contrast_min) / (levels - 1), or no level could ever be reached";
    within("slew_per_s * move_s", slew_per_s * plan.move_s, step, f64::INFINITY, allowed)
}

fn check_artefacts(plan: &ArtefactPlan) -> Result<(), PrepareError> {
    within("blink_uv", plan.blink_uv, f64::MIN_POSITIVE, 1e6, "above 0, up to 1e6")?;
    within("muscle_uv", plan.muscle_uv, f64::MIN_POSITIVE, 1e6, "above 0, up to 1e6")?;
    within("flat_uv", plan.flat_uv, 0.0, 1e6, "0 to 1e6")?;
    within("segment_s", plan.segment_s, 1e-2, 10.0, "0.01 to 10")
}

fn check_blocks(plan: &Plan) -> Result<(), PrepareError> {
    let mut calibrated = false;
    for (index, block) in plan.blocks.iter().enumerate() {
        duration("block duration in ns", block.duration_ns)?;
        let needs = |needs| Err(PrepareError::Block { block: index, needs });
        match block.kind {
            BlockKind::Calibrate { contrast, on_ns, off_ns, .. } => {
                within("calibration contrast", contrast, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
                duration("on time in ns", on_ns)?;
                duration("off time in ns", off_ns)?;
                if !matches!(plan.decoder, Some(DecoderPlan::SsvepAmplitude(_))) {
                    return needs("the decoder ssvep_amplitude");
                }
                calibrated = true;
            }
            BlockKind::Hold { set_point, .. } => {
                set_point.check()?;
                match plan.controller {
                    None => return needs("a controller"),
                    Some(ControllerPlan::OpenLoopNominal(_) | ControllerPlan::KnownGain(_)) => {}
                    Some(_) if !calibrated => return needs("a calibration block before it"),
                    Some(_) => {}
                }
            }
            BlockKind::Listen { .. } => {
                if !matches!(plan.decoder, Some(DecoderPlan::Cca(_))) {
                    return needs("the decoder cca");
                }
            }
            BlockKind::Show { contrast, .. } => within("contrast", contrast, 0.0, 1.0, "0 to 1")?,
            BlockKind::Flash(flash) => {
                check_flash(&flash, plan.interlock.limits.as_ref())?;
                if plan.onset.is_none() {
                    return needs("an onset plan");
                }
                check_rule(plan, &flash.rule)?;
            }
            BlockKind::Steer(steer) => {
                within("contrast", steer.contrast, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
                duration("on time in ns", steer.on_ns)?;
                duration("gap in ns", steer.gap_ns)?;
                duration("answer_within in ns", steer.answer_within_ns)?;
                if !calibrated {
                    return needs("a calibration block before it");
                }
                if let Some(rule) = &steer.rule {
                    if plan.onset.is_none() {
                        return needs("an onset plan");
                    }
                    check_rule(plan, rule)?;
                }
            }
            // In a file of their own.
            BlockKind::Trial(_) | BlockKind::Prompt(_) | BlockKind::Task(_) | BlockKind::Rest => {}
        }
    }
    Ok(())
}

fn check_flash(flash: &FlashPlan, limits: Option<&LimitsPlan>) -> Result<(), PrepareError> {
    within("contrast", flash.contrast, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
    duration("on time in ns", flash.on_ns)?;
    duration("gap in ns", flash.gap_ns)?;
    within("ramp in ns", flash.ramp_ns as f64, 0.0, flash.on_ns as f64, "0 to the on time")?;
    within("gap in ns", flash.gap_ns as f64, flash.ramp_ns as f64, LONGEST_NS as f64, "at least the ramp")?;
    let Some(limits) = limits else { return Ok(()) };
    // A flash is shown as it is planned or not at all, so its ramp is refused here and not slowed down there.
    let least_ns = flash.contrast / limits.slew_per_s * 1e9 * (1.0 - 1e-9) - 1.0;
    within("ramp in ns", flash.ramp_ns as f64, least_ns, f64::INFINITY, "at least contrast / slew_per_s")
}

fn check_response(response: &ResponsePlan) -> Result<(), PrepareError> {
    within("nominal gain in uV", response.nominal_gain_uv, 1e-9, 1e9, "above 0")?;
    within("semisaturation", response.semisaturation, 1e-3, 10.0, "0.001 to 10")?;
    within("exponent", response.exponent, 0.1, 10.0, "0.1 to 10")?;
    within("contrast_min", response.contrast_min, 0.0, 1.0, "0 to 1")?;
    within("contrast_max", response.contrast_max, f64::MIN_POSITIVE, 1.0, "above 0, up to 1")?;
    within("slew_per_s", response.slew_per_s, 1e-3, 1e3, "0.001 to 1000")?;
    within("contrast_min", response.contrast_min, 0.0, response.contrast_max, "at most contrast_max")
}

pub(crate) fn within(
    what: &'static str,
    value: f64,
    low: f64,
    high: f64,
    allowed: &'static str,
) -> Result<(), PrepareError> {
    // NaN is in no range.
    if (low..=high).contains(&value) { Ok(()) } else { Err(PrepareError::Number { what, value, allowed }) }
}

pub(crate) fn duration(what: &'static str, value_ns: i64) -> Result<(), PrepareError> {
    if (1..=LONGEST_NS).contains(&value_ns) {
        Ok(())
    } else {
        Err(PrepareError::Number { what, value: value_ns as f64, allowed: "1 ns to a week" })
    }
}
