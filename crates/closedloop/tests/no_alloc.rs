//! Every step after `prepare` runs without allocation. A violation aborts this test binary.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use closedloop::*;
use common::*;
use timeline::SourceId;

#[global_allocator]
static WATCH: AllocDisabler = AllocDisabler;

fn listen_plan() -> Plan {
    Plan {
        refresh_hz: 60.0,
        grey_ramp_ns: S / 2,
        sources: vec![eeg_source(), SourcePlan { is_marker: true, ..eeg_source() }],
        blocks: vec![block(60, BlockKind::Listen { until_cues: 3 })],
        decoder: Some(DecoderPlan::Cca(CcaPlan {
            source: SourceId(0),
            cues: SourceId(1),
            classes: vec![
                ClassPlan { code: 0, frequency_hz: None },
                ClassPlan { code: 1, frequency_hz: Some(13.0) },
                ClassPlan { code: 2, frequency_hz: Some(17.0) },
            ],
            harmonics: 2,
            window_s: 4.0,
            delay_s: 1.0,
            band_hz: [6.0, 45.0],
            rest_false_alarm: 0.01,
        })),
        controller: None,
        interlock: InterlockPlan::FAULTS,
        artefacts: None,
    }
}

/// A whole session: calibration, holds, silence, holes, jumping stamps, the end.
fn drive(plan: &Plan, cued: bool) -> (u64, bool) {
    let mut looped = Loop::prepare(plan).unwrap();
    let mut out = Outputs::default();
    let mut noise = Noise(1);
    let (mut values, mut at_ns) = ([0.0; 5 * CHANNELS], [0i64; 5]);
    let mut decisions = 0;
    for turn in 0..4000u64 {
        let now_ns = S + turn as i64 * 20_000_000;
        for value in &mut values {
            *value = noise.gauss();
        }
        if turn % 500 == 250 {
            values[3] = f64::NAN;
        }
        let jump = if turn > 1200 { 400_000_000 } else { 0 };
        for (n, at) in at_ns.iter_mut().enumerate() {
            *at = now_ns + n as i64 * 4_000_000 + jump;
        }
        let flips = [flip(turn + turn / 5, now_ns)];
        let cue = [marker(turn / 400, now_ns, (turn / 400 % 3) as u32)];
        let quiet = (2000..2100).contains(&turn);
        let eeg = SourceInput {
            skipped: 0,
            first_sample: turn * 5,
            at_ns: if quiet { &[] } else { &at_ns },
            values: if quiet { &[] } else { &values },
        };
        let inputs = Inputs {
            turn,
            now_ns,
            stop: false,
            held: false,
            flips: &flips,
            markers: if cued && turn % 400 == 100 { &cue } else { &[] },
            sources: &[eeg, SourceInput::default()][..plan.sources.len()],
            answers: &[],
        };
        assert_no_alloc(|| {
            looped.step(&inputs, &mut out);
            std::hint::black_box(looped.next_wake_ns());
        });
        decisions += out.decisions.len() as u64;
        if out.finished {
            return (decisions, true);
        }
    }
    (decisions, false)
}

#[test]
fn no_step_allocates() {
    let held = thermostat(pi(6.0), vec![calibrate(24), hold(20, 2.0), hold(20, 4.0)]);
    let (decisions, finished) = drive(&held, false);
    assert!(decisions > 100 && finished, "{decisions} decisions: the test did not reach the decoder");
    let (decisions, finished) = drive(&listen_plan(), true);
    assert!(decisions >= 2 && finished, "{decisions} decisions");
}
