//! The amplitude decoder and the controllers in a small world.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use std::sync::Arc;

use closedloop::*;
use common::*;
use timeline::{NoticeKind, SceneId};

fn person(seed: u64) -> Person {
    Person { gain_uv: Arc::new(|_| 6.0), noise_uv: 1.0, seed }
}

fn held(controller: ControllerPlan) -> Plan {
    thermostat(controller, vec![calibrate(24), hold(40, 2.0), hold(40, 4.0)])
}

#[test]
fn feedback_finds_the_gain_that_the_protocol_does_not_know() {
    // The person is half again as strong as the protocol thinks, and fades to two thirds during the session.
    let fading = |t: f64| if t < 24.0 { 6.0 } else { 6.0 - 2.0 * ((t - 24.0) / 80.0).min(1.0) };
    let (mut closed, mut nominal, mut calibrated) = (0.0, 0.0, 0.0);
    for seed in 1..=8 {
        let person = Person { gain_uv: Arc::new(fading), noise_uv: 0.5, seed };
        let error = |controller| {
            let log = run(&held(controller), &person, 5, 110.0, |_| false, |_, _| {});
            assert!(kinds(&log).contains(&NoticeKind::Calibrated), "seed {seed}");
            assert!(log.finished_ns.is_some());
            latent_error(&log)
        };
        closed += error(pi(9.0)) / 8.0;
        nominal += error(ControllerPlan::OpenLoopNominal(response(9.0))) / 8.0;
        calibrated += error(ControllerPlan::OpenLoopCalibrated(response(9.0))) / 8.0;
    }
    println!(
        "latent error uV: closed {closed:.3}, open nominal {nominal:.3}, open calibrated {calibrated:.3}"
    );
    assert!(closed < 0.4 * nominal && closed < 0.8 * calibrated, "{closed} {nominal} {calibrated}");
}

/// Signed projections in the hold against the truth, over 200 seeds, and the stated standard error against the real.
#[test]
fn measured_amplitude_is_unbiased() {
    let plan = thermostat(
        ControllerPlan::OpenLoopNominal(response(6.0)),
        vec![calibrate(24), hold(6, 2.5), hold(6, 0.0)],
    );
    for (name, from, truth) in [("held", 29.0, 2.5), ("nothing shown", 35.5, 0.0)] {
        let (mut values, mut stated) = (Vec::new(), 0.0);
        for seed in 1..=200 {
            let log = run(&plan, &person(seed), 25, 36.2, |_| false, |_, _| {});
            let at = log.latent.iter().position(|row| row.0 > from).unwrap();
            assert!((log.latent[at].1 - truth).abs() < 1e-3, "the world does not show what it should");
            values.push(log.decisions[at].value);
            stated += log.decisions[at].spread / 200.0;
        }
        let mean = values.iter().sum::<f64>() / 200.0;
        let sd = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 199.0).sqrt();
        println!("{name}: truth {truth}, mean {mean:.4}, sd {sd:.4}, stated {stated:.4}");
        assert!((mean - truth).abs() < 2.6 * sd / 200f64.sqrt(), "{name}: {mean}, sd {sd}");
        // At 2.5 uV the calibration's own error adds to that of the window.
        assert!(
            stated < 1.15 * sd && (truth > 0.0 || stated > 0.85 * sd),
            "{name}: stated {stated}, real {sd}"
        );
    }
}

#[test]
fn a_person_who_does_not_respond_is_not_calibrated() {
    let plan = thermostat(pi(6.0), vec![calibrate(24), hold(10, 2.0)]);
    let mut failed = 0;
    for seed in 1..=100 {
        let silent = Person { gain_uv: Arc::new(|_| 0.0), noise_uv: 1.0, seed };
        let log = run(&plan, &silent, 25, 35.0, |_| false, |_, _| {});
        failed += u32::from(kinds(&log).contains(&NoticeKind::CalibrationFailed));
        for command in &log.commands {
            assert!(command.contrast.to.is_finite() && command.contrast.to <= 0.9);
        }
    }
    println!("{failed} of 100 blocks of noise failed to calibrate");
    assert!(failed >= 97, "{failed}");
}

#[test]
fn an_unreachable_set_point_does_not_wind_up() {
    let plan = thermostat(pi(6.0), vec![calibrate(24), hold(40, 20.0), hold(30, 2.0)]);
    let clean = Person { gain_uv: Arc::new(|_| 6.0), noise_uv: 0.2, seed: 4 };
    let log = run(&plan, &clean, 5, 96.0, |_| false, |_, _| {});
    let at = |t: f64| log.latent.iter().find(|row| row.0 > t).unwrap();
    assert!((at(60.0).1 - 6.0 * drive(0.9)).abs() < 1e-6, "not at the limit: {:?}", at(60.0));
    // One second after the step down the response is there: nothing had to be unwound.
    assert!((at(65.5).1 - 2.0).abs() < 0.2, "{:?}", at(65.5));
}

#[test]
fn a_step_of_the_set_point_does_not_wind_up() {
    let plan = thermostat(pi(6.0), vec![calibrate(24), hold(20, 1.0), hold(20, 4.0)]);
    let clean = Person { gain_uv: Arc::new(|_| 6.0), noise_uv: 0.1, seed: 9 };
    let log = run(&plan, &clean, 5, 70.0, |_| false, |_, _| {});
    let after: Vec<f64> =
        log.latent.iter().filter(|row| row.0 > 45.0 && row.0 < 63.0).map(|row| row.1).collect();
    let highest = after.iter().copied().fold(0.0, f64::max);
    assert!(highest < 4.0 * 1.05, "overshoot to {highest}");
    assert!(after.iter().all(|v| *v > 4.0 * 0.9), "sagged");
}

#[test]
fn silence_leads_to_grey_and_back() {
    let plan = thermostat(pi(6.0), vec![calibrate(24), hold(30, 2.0)]);
    // Away for three seconds.
    let log = run(&plan, &person(3), 5, 60.0, |t| (30.0..33.0).contains(&t), |_, _| {});
    let wanted = [NoticeKind::Stale, NoticeKind::ToGrey, NoticeKind::SourceBack, NoticeKind::Resumed];
    let seen: Vec<_> = log.notices.iter().filter(|notice| wanted.contains(&notice.kind)).collect();
    assert_eq!(seen.iter().map(|notice| notice.kind).collect::<Vec<_>>(), wanted);
    let times: Vec<f64> = seen.iter().map(|notice| notice.at_ns as f64 / 1e9 - 1000.0).collect();
    for (time, expected) in times.iter().zip([30.3, 31.0, 33.0, 33.0]) {
        assert!((time - expected).abs() < 0.05, "{times:?}");
    }
    let between = |a: f64, b: f64| {
        log.commands.iter().filter(move |c| {
            let t = c.issued_ns as f64 / 1e9 - 1000.0;
            t > a && t < b
        })
    };
    assert_eq!(between(30.1, 30.95).count(), 0, "a stale source holds the last command");
    let fade: Vec<_> = between(30.95, 32.9).collect();
    assert_eq!(fade.len(), 2, "{fade:?}");
    assert_eq!((fade[0].scene, fade[0].contrast.to), (GRATING, 0.0));
    assert!(fade[0].contrast.from > 0.1 && fade[0].contrast.end_ns - fade[0].contrast.start_ns == S / 2);
    assert_eq!(fade[1].scene, SceneId::GREY);
    let back = between(32.95, 33.1).next().unwrap();
    assert!(back.scene == GRATING && back.contrast.from == 0.0);
    assert!(back.contrast.end_ns - back.contrast.start_ns >= S / 2 - 20_000_000, "{back:?}");
    // Decisions come again from windows that lie wholly after the ramp.
    let first = log.latent.iter().find(|row| row.0 > 32.0).unwrap().0;
    assert!((35.4..35.8).contains(&first), "{first}");
}

/// Another source than the EEG is missing: samples go on, but they saw nothing but grey.
#[test]
fn samples_that_saw_grey_are_not_measured() {
    let mut plan = thermostat(pi(6.0), vec![calibrate(12), hold(10, 2.0)]);
    plan.sources.push(eeg_source());
    let log = run(&plan, &person(3), 5, 30.0, |_| false, |_, _| {});
    assert_eq!(log.decisions.len(), 0);
    assert!(kinds(&log).contains(&NoticeKind::CalibrationFailed));
    let late = log.commands.iter().filter(|c| c.issued_ns > 1002 * S);
    assert_eq!(late.count(), 0, "the latch must stay closed");
    assert_eq!(log.commands.last().unwrap().scene, SceneId::GREY);
}

#[test]
fn a_source_that_is_back_before_grey_leaves_no_trace_but_notices() {
    let plan = thermostat(pi(6.0), vec![calibrate(24), hold(30, 2.0)]);
    let log = run(&plan, &person(3), 5, 40.0, |t| (30.0..30.6).contains(&t), |_, _| {});
    let seen = kinds(&log);
    assert!(seen.contains(&NoticeKind::Stale) && seen.contains(&NoticeKind::SourceBack));
    assert!(!seen.contains(&NoticeKind::ToGrey) && !seen.contains(&NoticeKind::Resumed));
}

#[test]
fn the_end_is_grey() {
    let plan = thermostat(pi(6.0), vec![calibrate(12), hold(3, 2.0)]);
    let log = run(&plan, &person(3), 5, 20.0, |_| false, |_, _| {});
    let last = log.commands.last().unwrap();
    assert_eq!((last.scene, last.contrast.to), (SceneId::GREY, 0.0));
    let finished = log.finished_ns.unwrap() as f64 / 1e9;
    assert!((15.5..15.6).contains(&finished), "{finished}");
    let indices: Vec<u64> = log.commands.iter().map(|c| c.index).collect();
    assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
    let blocks: Vec<_> =
        log.notices.iter().filter(|n| n.kind == NoticeKind::BlockBegin).map(|n| n.count).collect();
    assert_eq!(blocks, [0, 1]);
}

#[test]
fn holes_flat_channels_and_blinks_do_no_harm() {
    let plan = thermostat(pi(6.0), vec![calibrate(24), hold(40, 2.0)]);
    let log = run(
        &plan,
        &Person { gain_uv: Arc::new(|_| 6.0), noise_uv: 0.5, seed: 12 },
        5,
        66.0,
        |_| false,
        |index, row| {
            row[1] = 17.0;
            let t = index as f64 / RATE_HZ;
            if (40.0..40.01).contains(&t) {
                row[3] = f64::NAN;
                row[5] = f64::INFINITY;
            }
            if t % 4.0 < 0.25 {
                row.iter_mut().for_each(|v| *v += 300.0 * (std::f64::consts::PI * (t % 4.0) / 0.25).sin());
            }
        },
    );
    let flat: Vec<_> = log.notices.iter().filter(|n| n.kind == NoticeKind::FlatChannel).collect();
    assert!(!flat.is_empty() && flat.iter().all(|n| n.count == 1), "{flat:?}");
    assert_eq!(
        log.notices.iter().filter(|n| n.kind == NoticeKind::NotFinite).map(|n| n.count).sum::<i64>(),
        3
    );
    assert!(log.decisions.iter().all(|d| d.value.is_finite() && d.spread.is_finite()));
    // No window that holds the hole was used.
    let hole = (40.0 * RATE_HZ) as u64;
    assert!(log.decisions.iter().all(|d| d.end_sample <= hole || d.first_sample > hole));
    let error = latent_error(&log);
    assert!(error < 0.5, "{error}");
}
