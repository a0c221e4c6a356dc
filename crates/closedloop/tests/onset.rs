//! The onset gate where phases do not matter: quiet eyes in a stream of their own, plans that come too late, a grey screen in
//! the middle of a block. (Phases: `tests/onset.rs` of the whole program.)

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use closedloop::*;
use common::*;
use timeline::{NoticeKind, Onset, OnsetOutcome, SourceId};

const SAMPLE_NS: i64 = 4_000_000;

fn plan(rule: OnsetRule) -> Plan {
    let gaze = SourcePlan { channels: 2, ..eeg_source() };
    let eyes = EyesPlan { source: SourceId(1), channels: vec![0, 1], window_s: 0.3, range_max: 1.0 };
    Plan {
        sources: vec![eeg_source(), gaze],
        blocks: vec![block(1, BlockKind::Rest), flashes(28, rule)],
        decoder: None,
        onset: Some(OnsetPlan { weights: vec![1.0; CHANNELS], lead_ns: 60_000_000, ..alpha(Some(eyes)) }),
        ..thermostat(pi(6.0), vec![calibrate(24)])
    }
}

/// Thirty seconds in turns of five samples that come `late_ns` after the last of them; `gaze` by time in samples.
fn run(
    plan: &Plan,
    late_ns: i64,
    is_silent: impl Fn(u64) -> bool,
    gaze: impl Fn(u64) -> f64,
) -> (Vec<Onset>, Vec<NoticeKind>) {
    let mut looped = Loop::prepare(plan).unwrap();
    let mut out = Outputs::default();
    let mut noise = Noise(7);
    let (mut onsets, mut notices, mut frame) = (Vec::new(), Vec::new(), 0);
    for turn in 0..1500u64 {
        let first = turn * 5;
        let at_ns: Vec<i64> = (first..first + 5).map(|n| S + n as i64 * SAMPLE_NS).collect();
        let now_ns = at_ns[4] + late_ns;
        let mut flips = Vec::new();
        while S + frame as i64 * 16_666_667 <= now_ns {
            flips.push(flip(frame, S + frame as i64 * 16_666_667));
            frame += 1;
        }
        let values: Vec<f64> = (0..5 * CHANNELS).map(|_| noise.gauss()).collect();
        let looks: Vec<f64> = (first..first + 5).flat_map(|n| [gaze(n), 0.0]).collect();
        let came = |values| SourceInput { skipped: 0, first_sample: first, at_ns: &at_ns, values };
        let sources =
            if is_silent(turn) { [SourceInput::default(); 2] } else { [came(&values), came(&looks)] };
        let inputs = Inputs { turn, now_ns, flips: &flips, sources: &sources, ..Inputs::default() };
        looped.step(&inputs, &mut out);
        onsets.extend(out.onsets.iter().copied());
        notices.extend(out.notices.iter().map(|notice| notice.kind));
    }
    (onsets, notices)
}

#[test]
fn presentations_wait_for_quiet_eyes() {
    let rule = OnsetRule { quiet_eyes: true, timeout_ns: 20 * S, ..OnsetRule::FREE };
    // A saccade of 5 deg every second; the tracker loses the eye for 100 ms after 10 s.
    let gaze = |n: u64| if (2500..2525).contains(&n) { f64::NAN } else { 5.0 * (n / 250) as f64 };
    let (onsets, _) = run(&plan(rule), 2_000_000, |_| false, gaze);
    assert!(onsets.len() > 20, "{} onsets", onsets.len());
    for onset in &onsets {
        let sample = (onset.sample_ns - S) / SAMPLE_NS;
        assert!(onset.quiet == Some(true) && onset.outcome == OnsetOutcome::Met);
        // 300 ms are 75 samples, and a sample of the tracker's stamps may lie just on the edge.
        assert!(sample % 250 >= 74, "sample {sample} is {} after a saccade", sample % 250);
        assert!(!(2500..2525 + 74).contains(&sample), "sample {sample} has a hole before it");
    }
    // Nobody looks, so nobody can say.
    let blind = Plan { onset: plan(rule).onset.map(|onset| OnsetPlan { eyes: None, ..onset }), ..plan(rule) };
    assert!(Loop::prepare(&blind).is_err());
}

#[test]
fn plans_that_come_too_late_are_told_and_the_wait_ends() {
    let rule = OnsetRule { quiet_eyes: true, timeout_ns: S, otherwise: Otherwise::Go, ..OnsetRule::FREE };
    // Samples come 50 ms after they were taken: with two refreshes that is more than the lead of 60 ms.
    let (onsets, notices) = run(&plan(rule), 50_000_000, |_| false, |_| 0.0);
    assert!(notices.iter().filter(|kind| **kind == NoticeKind::OnsetLate).count() > 10);
    assert!(
        onsets.len() > 5 && onsets.iter().all(|onset| onset.outcome == OnsetOutcome::TimedOut),
        "{onsets:?}"
    );
    assert!(onsets.iter().all(|onset| onset.waited_ns < 3 * S));
}

#[test]
fn a_grey_screen_stops_the_block_and_it_goes_on_afterwards() {
    let silent = |turn: u64| (500..600).contains(&turn);
    let (onsets, notices) = run(&plan(OnsetRule::FREE), 2_000_000, silent, |_| 0.0);
    assert!(notices.contains(&NoticeKind::ToGrey) && notices.contains(&NoticeKind::Resumed), "{notices:?}");
    // 10 s to 12 s were silent, and the ramp back takes half a second.
    let within = |from_s: f64, to_s: f64| {
        let inside = |onset: &&Onset| {
            let at_s = (onset.photon_ns - S) as f64 / 1e9;
            (from_s..to_s).contains(&at_s)
        };
        onsets.iter().filter(inside).count()
    };
    assert_eq!(within(10.6, 12.4), 0, "{onsets:?}");
    assert!(within(2.0, 10.0) > 20 && within(13.0, 20.0) > 20, "{onsets:?}");
}
