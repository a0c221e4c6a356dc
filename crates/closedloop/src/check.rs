//! What a plan must be before anything is prepared from it.

use timeline::MAX_SOURCES;

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
    match plan.controller {
        Some(ControllerPlan::Pi(pi)) => {
            check_response(&pi.response)?;
            within("kp", pi.kp, 0.0, 10.0, "0 to 10")?;
            within("ki_per_s", pi.ki_per_s, 0.0, 10.0, "0 to 10")?;
        }
        Some(
            ControllerPlan::OpenLoopNominal(response)
            | ControllerPlan::OpenLoopCalibrated(response)
            | ControllerPlan::KnownGain(response),
        ) => check_response(&response)?,
        None => {}
    }
    if let Some(limits) = plan.interlock.limits {
        check_limits(&limits, plan.grey_ramp_ns)?;
    }
    check_blocks(plan)
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
            BlockKind::Hold { set_point_uv, .. } => {
                within("set point in uV", set_point_uv, 0.0, 1e6, "0 to 1e6")?;
                match plan.controller {
                    None => return needs("a controller"),
                    Some(ControllerPlan::Pi(_) | ControllerPlan::OpenLoopCalibrated(_)) if !calibrated => {
                        return needs("a calibration block before it");
                    }
                    Some(_) => {}
                }
            }
            BlockKind::Listen { .. } => {
                if !matches!(plan.decoder, Some(DecoderPlan::Cca(_))) {
                    return needs("the decoder cca");
                }
            }
            BlockKind::Show { contrast, .. } => within("contrast", contrast, 0.0, 1.0, "0 to 1")?,
            BlockKind::Rest => {}
        }
    }
    Ok(())
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

fn within(
    what: &'static str,
    value: f64,
    low: f64,
    high: f64,
    allowed: &'static str,
) -> Result<(), PrepareError> {
    // NaN is in no range.
    if (low..=high).contains(&value) { Ok(()) } else { Err(PrepareError::Number { what, value, allowed }) }
}

fn duration(what: &'static str, value_ns: i64) -> Result<(), PrepareError> {
    if (1..=LONGEST_NS).contains(&value_ns) {
        Ok(())
    } else {
        Err(PrepareError::Number { what, value: value_ns as f64, allowed: "1 ns to a week" })
    }
}
