//! What the photosensitivity governor lets through is what models and doses are reckoned with.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use std::sync::Arc;

use closedloop::*;
use common::*;
use timeline::NoticeKind;

fn governed(plan: &Plan, seconds: f64, governed: &Governed) -> Log {
    let person = Person { gain_uv: Arc::new(|_| 6.0), noise_uv: 0.1, seed: 4 };
    run_with(plan, &person, 5, seconds, |_| false, |_, _| {}, |_, _| Vec::new(), governed)
}

/// Mean contrast asked for within the last ten seconds.
fn asked(log: &Log) -> f64 {
    let end_ns = log.commands.last().unwrap().issued_ns;
    let late = log.commands.iter().filter(|c| c.contrast.to > 0.0 && c.issued_ns > end_ns - 10 * S);
    let values: Vec<f64> = late.map(|command| command.contrast.to).collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// A response that is lower because less was shown is no lower gain: whoever knows asks for what it asked for before.
#[test]
fn a_lower_contrast_is_not_taken_for_a_lower_gain() {
    let lower = |t: f64| if t < 30.0 { 1.0 } else { 0.7 };
    for (name, controller) in controllers(6.0) {
        if !matches!(name, "pi" | "lqg" | "mpc") {
            continue;
        }
        let plan = thermostat(controller, vec![calibrate(24), hold(60, 2.0)]);
        let full = asked(&governed(&plan, 84.0, &UNGOVERNED));
        let told = asked(&governed(&plan, 84.0, &Governed { gain: lower, told: true }));
        let untold = asked(&governed(&plan, 84.0, &Governed { gain: lower, told: false }));
        println!("{name}: {full:.3} in full, {told:.3} told, {untold:.3} untold");
        assert!((told / full - 1.0).abs() < 0.08 && untold > 1.15 * full, "{name}: {full} {told} {untold}");
    }
}

/// A calibration whose contrast was lowered gives the gain of what was shown.
#[test]
fn a_calibration_knows_what_was_shown() {
    let lower = |t: f64| if t < 1.0 { 1.0 } else { 0.6 };
    let plan =
        thermostat(ControllerPlan::OpenLoopCalibrated(response(9.0)), vec![calibrate(24), hold(10, 2.0)]);
    let contrast = |governor: &Governed| {
        let log = governed(&plan, 34.0, governor);
        log.commands.iter().rfind(|command| command.contrast.to > 0.0).unwrap().contrast.to
    };
    let full = contrast(&UNGOVERNED);
    let told = contrast(&Governed { gain: lower, told: true });
    let untold = contrast(&Governed { gain: lower, told: false });
    println!("{full:.3} in full, {told:.3} told, {untold:.3} untold");
    assert!((told / full - 1.0).abs() < 0.1 && untold > 1.2 * full, "{full} {told} {untold}");
}

#[test]
fn a_dose_is_of_what_was_let_through() {
    let limits = LimitsPlan {
        dose_s: 3.0,
        longest_ns: 1_000 * S,
        pause_ns: S,
        total_ns: 1_000 * S,
        slew_per_s: 2.0,
        session_ns: 1_000 * S,
        dead_man_ns: None,
    };
    let show = block(60, BlockKind::Show { scene: GRATING, contrast: 0.5 });
    let interlock = InterlockPlan { faults: true, limits: Some(limits) };
    let plan = Plan { interlock, ..thermostat(pi(6.0), vec![show]) };
    let spent_s = |gain| {
        let log = governed(&plan, 40.0, &Governed { gain, told: true });
        let told = log.notices.iter().find(|notice| notice.kind == NoticeKind::DoseSpent).unwrap();
        told.at_ns as f64 / 1e9 - 1000.0
    };
    let (full, half) = (spent_s(|_| 1.0), spent_s(|t| if t < 1.0 { 1.0 } else { 0.5 }));
    println!("spent after {full:.2} s in full, {half:.2} s at half from 1 s on");
    assert!((half - 1.0 - 2.0 * (full - 1.0)).abs() < 0.3, "{full} {half}");
}
